//! Colours, and their names in a page's style sheet.
//!
//! Tested for contrast on white; a page replaces them by variables so that dark mode has its own.

use plotters::style::RGBColor;

/// A colour and the style-sheet variable that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    rgb: (u8, u8, u8),
    variable: &'static str,
}

impl Ink {
    const fn new(rgb: (u8, u8, u8), variable: &'static str) -> Self {
        Self { rgb, variable }
    }

    pub(crate) const fn rgb(self) -> RGBColor {
        RGBColor(self.rgb.0, self.rgb.1, self.rgb.2)
    }

    fn hex(self) -> String {
        format!("#{:02X}{:02X}{:02X}", self.rgb.0, self.rgb.1, self.rgb.2)
    }
}

pub(crate) const PAPER: Ink = Ink::new((255, 255, 255), "paper");
pub(crate) const TEXT: Ink = Ink::new((27, 36, 48), "ink");
pub(crate) const MUTED: Ink = Ink::new((91, 102, 116), "muted");
pub(crate) const GRID: Ink = Ink::new((229, 233, 238), "grid");
pub(crate) const AXIS: Ink = Ink::new((176, 185, 196), "axis");
pub(crate) const FAULT: Ink = Ink::new((200, 51, 61), "fault");

/// Series in order of use.
pub(crate) const SERIES: [Ink; 8] = [
    Ink::new((37, 99, 206), "s1"),
    Ink::new((207, 100, 10), "s2"),
    Ink::new((18, 135, 94), "s3"),
    Ink::new((126, 74, 200), "s4"),
    Ink::new((190, 48, 112), "s5"),
    Ink::new((14, 130, 150), "s6"),
    Ink::new((140, 108, 6), "s7"),
    Ink::new((104, 113, 125), "s8"),
];

/// The series colour at a position; they repeat after eight.
pub(crate) const fn series(index: usize) -> Ink {
    SERIES[index % SERIES.len()]
}

/// Replaces every colour of a drawing by its style-sheet variable.
pub(crate) fn with_variables(svg: &str) -> String {
    let mut text = svg.to_owned();
    for ink in [PAPER, TEXT, MUTED, GRID, AXIS, FAULT].into_iter().chain(SERIES) {
        text = text.replace(&format!("\"{}\"", ink.hex()), &format!("\"var(--{})\"", ink.variable));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG defines it, with its gamma of 2.4.
    fn luminance(ink: Ink) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { libm::pow((value + 0.055) / 1.055, 2.4) }
        };
        0.2126 * linear(ink.rgb.0) + 0.7152 * linear(ink.rgb.1) + 0.0722 * linear(ink.rgb.2)
    }

    fn contrast_on_white(ink: Ink) -> f64 {
        1.05 / (luminance(ink) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_on_white() {
        for ink in [TEXT, MUTED, FAULT] {
            assert!(contrast_on_white(ink) >= 4.5, "{ink:?}");
        }
        for ink in SERIES {
            assert!(contrast_on_white(ink) >= 3.0, "{ink:?}");
        }
    }

    #[test]
    fn no_two_colours_are_the_same() {
        let mut hex: Vec<String> = SERIES.map(Ink::hex).to_vec();
        hex.sort();
        hex.dedup();
        assert_eq!(hex.len(), SERIES.len());
    }
}
