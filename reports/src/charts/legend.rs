//! Labels of a legend, in as many rows as they need.

use super::canvas::{LABEL_PX, text_width};

/// Where each entry stands: its row, and its column in pixels. Rows begin at `left` and end before `right`. An entry takes
/// so many pixels `around` its label, for what the label explains and for the gap behind it.
pub(super) fn flow<'a>(
    labels: impl Iterator<Item = &'a str>,
    (left, right): (i32, i32),
    around: i32,
) -> Vec<(i32, i32)> {
    let (mut row, mut x) = (0, left);
    let place = |label: &str| {
        let width = around + text_width(label, LABEL_PX);
        if x > left && x + width > right {
            row += 1;
            x = left;
        }
        let place = (row, x);
        x += width;
        place
    };
    labels.map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_row_begins_the_next_one() {
        let width = 20 + text_width("a", LABEL_PX);
        let places = |right: i32| flow(["a"; 3].into_iter(), (10, right), 20);
        assert_eq!(places(10 + 3 * width), [(0, 10), (0, 10 + width), (0, 10 + 2 * width)]);
        assert_eq!(places(10 + 2 * width), [(0, 10), (0, 10 + width), (1, 10)]);
        assert_eq!(
            places(10),
            [(0, 10), (1, 10), (2, 10)],
            "what fits nowhere has a row of its own"
        );
    }
}
