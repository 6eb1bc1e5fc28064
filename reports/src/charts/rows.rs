//! Bars side by side for each of a few named things, with a limit.

use super::axis::{Frame, Scale};
use super::bars::title;
use super::canvas::{self, Align, Canvas, LABEL_PX, Type, text_width};
use super::chart::{Chart, Drawing, MARGIN, NARROW, TITLE_STRIP};
use super::palette::{self, FAULT, GRID, MUTED, PAPER, TEXT};
use super::traffic::tick;
use crate::result::Milli;
use crate::text;

const WIDTH: i32 = 1800;
/// Room for a value behind the longest bar.
const VALUE: i32 = 150;
const BAR: i32 = 30;
const BETWEEN: i32 = 6;
const ROW_GAP: i32 = 34;
const LEGEND: i32 = 70;
const FOOT: i32 = 60;
/// A label above its bars, where there is no room beside them.
const LABEL_ROW: i32 = 40;
/// Bars are cut where they would dwarf the limit: at so many times of it.
const CUT_AT_LIMITS: f64 = 3.0;

/// What is drawn.
pub(crate) struct Rows<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: &'a str,
    pub(crate) caption: String,
    pub(crate) unit: &'a str,
    /// What each bar of a row is of.
    pub(crate) series: &'a [&'a str],
    pub(crate) rows: &'a [Row],
    pub(crate) limit: Option<(&'a str, Milli)>,
}

/// A thing and its values.
pub(crate) struct Row {
    pub(crate) label: String,
    /// A value for each series that has one.
    pub(crate) values: Vec<Option<Milli>>,
}

/// The chart; none when there is no value.
pub(crate) fn chart(rows: &Rows<'_>) -> Option<Chart> {
    let values = rows.rows.iter().flat_map(|row| &row.values).flatten();
    let highest = values.map(|value| value.to_f64()).reduce(f64::max)?;
    let limit = rows.limit.map(|(_, value)| value.to_f64());
    let end = limit.map_or(highest, |limit| highest.min(limit * CUT_AT_LIMITS).max(limit));
    let scale = Scale::linear(end);
    let wide = drawing(rows, scale, WIDTH);
    Some(Chart {
        name: rows.name,
        title: rows.title.to_owned(),
        caption: rows.caption.clone(),
        width: wide.width,
        height: wide.height,
        svg: wide.svg,
        narrow: Some(drawing(rows, scale, NARROW)),
        readout: None,
    })
}

/// On a narrow sheet labels stand above their bars.
fn drawing(rows: &Rows<'_>, scale: Scale, width: i32) -> Drawing {
    let widest = rows.rows.iter().map(|row| text_width(&row.label, LABEL_PX)).max().unwrap_or(0);
    let (left, above) =
        if width == NARROW { (MARGIN + 40, LABEL_ROW) } else { (MARGIN + widest + 30, 0) };
    let top = TITLE_STRIP + LEGEND;
    let bars = i32::try_from(rows.series.len()).unwrap_or(1) * (BAR + BETWEEN);
    let row_height = bars + above + ROW_GAP;
    let count = i32::try_from(rows.rows.len()).unwrap_or(0);
    let bottom = top + count * row_height;
    let frame = Frame { left, top, right: width - VALUE, bottom };
    let height = bottom + FOOT;
    let svg = canvas::sheet(width, height, |canvas| {
        title(canvas, rows.title);
        legend(canvas, rows);
        grid(canvas, rows, (frame, scale));
        // Below the bars, so that it crosses no value.
        if let Some((_, limit)) = rows.limit {
            let x = frame.x(scale.share(limit.to_f64()));
            canvas.dashes((x, frame.top - 10), (x, frame.bottom), FAULT);
        }
        for (index, row) in (0..).zip(rows.rows) {
            let y = frame.top + index * row_height + above;
            let (at, align) = if above > 0 {
                let end = frame.left + text_width(&row.label, LABEL_PX) + 10;
                canvas.rect((frame.left, y - LABEL_ROW), (end, y), PAPER, 1.0);
                ((frame.left, y - LABEL_ROW / 2), Align::Left)
            } else {
                ((frame.left - 20, y + (bars - BETWEEN) / 2), Align::Right)
            };
            canvas.text(&row.label, at, Type::label(TEXT, align));
            draw(canvas, row, y, rows.unit, (frame, scale));
        }
    });
    Drawing { width, height, svg }
}

fn legend(canvas: &Canvas<'_>, rows: &Rows<'_>) {
    let (mut x, y) = (MARGIN, TITLE_STRIP + 26);
    for (index, name) in rows.series.iter().enumerate() {
        canvas.rect((x, y - 12), (x + 24, y + 12), palette::series(index), 1.0);
        canvas.text(name, (x + 34, y), Type::label(TEXT, Align::Left));
        x += 34 + text_width(name, LABEL_PX) + 34;
    }
    if let Some((name, _)) = rows.limit {
        canvas.dashes((x, y), (x + 34, y), FAULT);
        canvas.text(name, (x + 44, y), Type::label(TEXT, Align::Left));
    }
}

fn grid(canvas: &Canvas<'_>, rows: &Rows<'_>, (frame, scale): (Frame, Scale)) {
    for value in scale.ticks() {
        let x = frame.x(scale.share(value));
        canvas.line(&[(x, frame.top - 10), (x, frame.bottom)], GRID, 2);
        let look = Type::label(MUTED, Align::Centre);
        canvas.text(&tick(rows.unit, value), (x, frame.bottom + 28), look);
    }
}

fn draw(canvas: &Canvas<'_>, row: &Row, y: i32, unit: &str, (frame, scale): (Frame, Scale)) {
    for (index, value) in row.values.iter().enumerate() {
        let y = y + i32::try_from(index).unwrap_or(0) * (BAR + BETWEEN);
        let (end, label) = match value {
            Some(value) => {
                let end = frame.x(scale.share(value.to_f64())).max(frame.left + 3);
                canvas.rect((frame.left, y), (end, y + BAR), palette::series(index), 1.0);
                (end, text::with_unit(*value, unit))
            }
            None => (frame.left, "none".to_owned()),
        };
        let width = text_width(&label, LABEL_PX) + 10;
        canvas.rect((end + 8, y), (end + 8 + width, y + BAR), PAPER, 1.0);
        canvas.text(&label, (end + 12, y + BAR / 2), Type::label(MUTED, Align::Left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[i64], limit: Option<i64>) -> Option<String> {
        let rows: Vec<Row> = values
            .iter()
            .map(|ms| Row {
                label: format!("of {ms}"),
                values: vec![Some(Milli::from_units(ms * 1000)), None],
            })
            .collect();
        let rows = Rows {
            name: "test",
            title: "Test",
            caption: String::new(),
            unit: "ms",
            series: &["first", "second"],
            rows: &rows,
            limit: limit.map(|ms| ("limit", Milli::from_units(ms * 1000))),
        };
        chart(&rows).map(|chart| chart.svg)
    }

    #[test]
    fn every_row_has_its_label_and_value_and_the_scale_holds_the_limit() {
        let svg = drawn(&[10, 20], Some(50)).unwrap();
        for part in ["of 10", "of 20", "10.0 ms", "none", "limit", "60 ms"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(drawn(&[], Some(50)).is_none());
    }

    #[test]
    fn what_dwarfs_the_limit_is_cut() {
        // Ticks end at 150 ms, whatever the largest value is.
        let svg = drawn(&[10, 30_000], Some(50)).unwrap();
        assert!(svg.contains("30.0 s") && svg.contains("150 ms") && !svg.contains("200 ms"));
    }
}
