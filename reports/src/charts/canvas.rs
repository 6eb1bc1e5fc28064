//! A sheet to draw on in pixels: `plotters`' SVG backend behind the few shapes that charts need.

use super::axis::pixel;
use super::palette::{Ink, PAPER};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, TextStyle};

/// A point in pixels from the top left.
pub(crate) type Point = (i32, i32);

const IN_MEMORY: &str = "drawing into a string cannot fail";
/// `plotters` divides font sizes by this on the way to SVG.
const FONT_SCALE: f64 = 1.24;

/// Font sizes, pixels of the double-size canvas.
pub(crate) const TITLE_PX: i32 = 34;
pub(crate) const LABEL_PX: i32 = 25;

/// Where a text's point lies within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) ink: Ink,
    pub(crate) px: i32,
    pub(crate) align: Align,
    pub(crate) bold: bool,
}

impl Type {
    pub(crate) const fn label(ink: Ink, align: Align) -> Self {
        Self { ink, px: LABEL_PX, align, bold: false }
    }
}

/// The sheet.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws on a fresh sheet of this size and returns the SVG.
pub(crate) fn sheet(width: i32, height: i32, draw: impl FnOnce(&Canvas<'_>)) -> String {
    let mut svg = String::new();
    {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&PAPER.rgb()).expect(IN_MEMORY);
        let canvas = Canvas { area };
        draw(&canvas);
        canvas.area.present().expect(IN_MEMORY);
    }
    svg
}

impl Canvas<'_> {
    pub(crate) fn line(&self, points: &[Point], ink: Ink, width: u32) {
        self.stroke(points, ink, width, 1.0);
    }

    /// A line of dashes `on` and `off` pixels long, measured along the line. Where two lines
    /// coincide the one below shows through, and lines differ without colour.
    pub(crate) fn broken(&self, points: &[Point], ink: Ink, width: u32, (on, off): (i32, i32)) {
        let (mut dash, mut left, mut is_on) = (Vec::new(), f64::from(on), true);
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
            let length = libm::sqrt(dx * dx + dy * dy);
            let mut done = 0.0;
            while done < length {
                let step = left.min(length - done);
                let at = |along: f64| {
                    let share = along / length;
                    (from.0 + pixel(dx * share), from.1 + pixel(dy * share))
                };
                if is_on {
                    if dash.is_empty() {
                        dash.push(at(done));
                    }
                    dash.push(at(done + step));
                }
                done += step;
                left -= step;
                if left <= 0.0 {
                    self.line(&dash, ink, width);
                    dash.clear();
                    is_on = !is_on;
                    left = f64::from(if is_on { on } else { off });
                }
            }
        }
        self.line(&dash, ink, width);
    }

    pub(crate) fn stroke(&self, points: &[Point], ink: Ink, width: u32, alpha: f64) {
        if points.len() > 1 {
            let style = ink.rgb().mix(alpha).stroke_width(width);
            self.area.draw(&PathElement::new(points.to_vec(), style)).expect(IN_MEMORY);
        }
    }

    /// A finely dashed straight line.
    pub(crate) fn dashes(&self, from: Point, to: Point, ink: Ink) {
        self.broken(&[from, to], ink, 2, (6, 6));
    }

    pub(crate) fn dot(&self, at: Point, radius: i32, ink: Ink) {
        self.area.draw(&Circle::new(at, radius, ink.rgb().filled())).expect(IN_MEMORY);
    }

    pub(crate) fn polygon(&self, points: &[Point], ink: Ink, alpha: f64) {
        let style = ink.rgb().mix(alpha).filled();
        self.area.draw(&Polygon::new(points.to_vec(), style)).expect(IN_MEMORY);
    }

    pub(crate) fn rect(&self, from: Point, to: Point, ink: Ink, alpha: f64) {
        let style = ink.rgb().mix(alpha).filled();
        self.area.draw(&Rectangle::new([from, to], style)).expect(IN_MEMORY);
    }

    /// A text whose middle line lies at the point's height.
    pub(crate) fn text(&self, text: &str, at: Point, look: Type) {
        let weight = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let horizontal = match look.align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let font = ("sans-serif", f64::from(look.px) * FONT_SCALE, weight).into_font();
        let colour = look.ink.rgb();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), at, style)).expect(IN_MEMORY);
    }
}

/// About how wide a label is; fonts differ, so callers leave room.
pub(crate) fn text_width(text: &str, px: i32) -> i32 {
    let chars = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 100);
    chars * px * 56 / 100
}
