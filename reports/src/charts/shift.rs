//! Where the time goes on two sides: two bars per band of latency, on one scale.

use super::axis;
use super::bars::title;
use super::canvas::{self, Align, Canvas, LABEL_PX, Type, text_width};
use super::chart::{Chart, Drawing, MARGIN, NARROW, TITLE_STRIP};
use super::legend::flow;
use super::palette::{self, PAPER, TEXT};
use crate::compare::{PartShift, PathShift};
use crate::result::Milli;
use crate::text;

const WIDTH: i32 = 1800;
const BAR: i32 = 50;
const BETWEEN: i32 = 12;
const ROW: i32 = 2 * BAR + BETWEEN + 44;
const LEFT: i32 = 190;
/// Room for a total behind the longest bar.
const TOTAL: i32 = 200;
const LEGEND_ROW: i32 = 40;

/// The bars of the median and of the 99th percentile; none without samples on both sides.
pub(crate) fn chart(shifts: &[PathShift], caption: String) -> Option<Chart> {
    let bands: Vec<&PathShift> = ["p50", "p99"]
        .into_iter()
        .filter_map(|name| shifts.iter().find(|shift| shift.band == name))
        .collect();
    if bands.is_empty() {
        return None;
    }
    let wide = drawing(&bands, WIDTH);
    Some(Chart {
        name: "shift",
        title: "Where the time goes, A and B".to_owned(),
        caption,
        width: wide.width,
        height: wide.height,
        svg: wide.svg,
        narrow: Some(drawing(&bands, NARROW)),
        readout: None,
    })
}

fn drawing(bands: &[&PathShift], width: i32) -> Drawing {
    let places = legend_places(bands, width);
    let rows = places.last().map_or(1, |(_, row, _)| row + 1);
    let top = TITLE_STRIP + 30 + rows * LEGEND_ROW;
    let height = top + i32::try_from(bands.len()).unwrap_or(0) * ROW;
    let svg = canvas::sheet(width, height, |canvas| {
        title(canvas, "Where the time goes, A and B");
        legend(canvas, bands, &places);
        for (index, shift) in (0..).zip(bands) {
            band(canvas, shift, (top + index * ROW, width - TOTAL));
        }
    });
    Drawing { width, height, svg }
}

fn band(canvas: &Canvas<'_>, shift: &PathShift, (y, right): (i32, i32)) {
    let scale = (shift.a_ms.max(shift.b_ms), right);
    let bold = Type { bold: true, ..Type::label(TEXT, Align::Left) };
    canvas.text(&shift.band, (MARGIN, y + BAR + BETWEEN / 2), bold);
    bar(canvas, "A", (y, scale), shift, |part| part.a_ms);
    bar(canvas, "B", (y + BAR + BETWEEN, scale), shift, |part| part.b_ms);
}

fn bar(
    canvas: &Canvas<'_>,
    side: &str,
    (y, (scale, right)): (i32, (Milli, i32)),
    shift: &PathShift,
    of: fn(&PartShift) -> Milli,
) {
    canvas.text(side, (LEFT - 40, y + BAR / 2), Type::label(TEXT, Align::Left));
    let scale = scale.to_f64().max(0.001);
    let place = |sum: f64| LEFT + axis::pixel(sum / scale * f64::from(right - LEFT));
    let mut before = 0.0;
    let mut total = 0;
    for (index, part) in shift.parts.iter().enumerate() {
        let from = place(before);
        before += of(part).to_f64();
        total += of(part).units();
        let until = place(before);
        if until > from {
            canvas.rect((from, y), (until, y + BAR), palette::series(index), 1.0);
            let label = text::duration(of(part));
            if until - from > text_width(&label, LABEL_PX) + 24 {
                let look = Type::label(PAPER, Align::Centre);
                canvas.text(&label, ((from + until) / 2, y + BAR / 2), look);
            }
        }
    }
    let bold = Type { bold: true, ..Type::label(TEXT, Align::Left) };
    let total = text::duration(Milli::from_units(total));
    canvas.text(&total, (place(before) + 20, y + BAR / 2), bold);
}

/// Parts that take at least a thousandth of some bar: index, row and column.
fn legend_places(bands: &[&PathShift], sheet: i32) -> Vec<(usize, i32, i32)> {
    let is_visible = |index: usize| {
        bands.iter().any(|band| {
            let part = &band.parts[index];
            part.a_ms.max(part.b_ms).units() * 1000 > band.a_ms.max(band.b_ms).units()
        })
    };
    let parts = &bands[0].parts;
    let visible: Vec<usize> = (0..parts.len()).filter(|index| is_visible(*index)).collect();
    let labels = visible.iter().map(|index| &*parts[*index].part);
    let places = flow(labels, (MARGIN, sheet), 34 + 30);
    visible.iter().zip(places).map(|(index, (row, x))| (*index, row, x)).collect()
}

fn legend(canvas: &Canvas<'_>, bands: &[&PathShift], places: &[(usize, i32, i32)]) {
    for (index, row, x) in places {
        let y = TITLE_STRIP + 30 + row * LEGEND_ROW;
        canvas.rect((*x, y - 12), (x + 24, y + 12), palette::series(*index), 1.0);
        let part = &bands[0].parts[*index].part;
        canvas.text(part, (x + 34, y), Type::label(TEXT, Align::Left));
    }
}
