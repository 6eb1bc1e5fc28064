//! Figures over a few named steps: lines with a dot for each step that has a value.

use super::axis::{Frame, Scale};
use super::bars::title;
use super::canvas::{self, Align, Canvas, LABEL_PX, Type, text_width};
use super::chart::{Chart, Drawing, MARGIN, NARROW, TITLE_STRIP};
use super::legend::flow;
use super::palette::{self, AXIS, FAULT, GRID, MUTED, TEXT};
use super::traffic::tick;
use crate::result::Milli;

const WIDTH: i32 = 1800;
const HEIGHT: i32 = 700;
/// A line of the legend.
const LEGEND_ROW: i32 = 40;
/// The label of a mark.
const MARK_ROW: i32 = 40;
/// Values this far apart are drawn on a logarithmic scale.
const LOG_FROM_RATIO: f64 = 8.0;

/// What is drawn.
pub(crate) struct Steps<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: &'a str,
    pub(crate) caption: String,
    pub(crate) unit: &'a str,
    /// The steps.
    pub(crate) labels: &'a [String],
    /// Where steps that are numbers stand, rising; others stand evenly.
    pub(crate) places: &'a [f64],
    /// A place to mark, and what it is.
    pub(crate) mark: Option<(f64, String)>,
    pub(crate) lines: &'a [Line],
}

/// A line.
pub(crate) struct Line {
    pub(crate) label: String,
    /// A value for each step that has one.
    pub(crate) values: Vec<Option<Milli>>,
}

/// The chart; none when there is no value.
pub(crate) fn chart(steps: &Steps<'_>) -> Option<Chart> {
    let values = || {
        let all = steps.lines.iter().flat_map(|line| &line.values);
        all.filter_map(|value| value.map(Milli::to_f64))
    };
    let highest = values().fold(f64::MIN, f64::max);
    let lowest = values().fold(f64::MAX, f64::min);
    if highest < lowest {
        return None;
    }
    let is_log = lowest > 0.0 && highest / lowest > LOG_FROM_RATIO;
    let scale = if is_log { Scale::log(values()) } else { Scale::linear(highest) };
    let wide = drawing(steps, scale, WIDTH);
    Some(Chart {
        name: steps.name,
        title: steps.title.to_owned(),
        caption: steps.caption.clone(),
        width: wide.width,
        height: wide.height,
        svg: wide.svg,
        narrow: Some(drawing(steps, scale, NARROW)),
        readout: None,
    })
}

fn drawing(steps: &Steps<'_>, scale: Scale, width: i32) -> Drawing {
    let rows = legend_rows(steps.lines, width);
    let marked = if steps.mark.is_some() { MARK_ROW } else { 0 };
    let top = TITLE_STRIP + 30 + rows * LEGEND_ROW + 20 + marked;
    let height = HEIGHT + rows * LEGEND_ROW + marked;
    let frame = Frame { left: 150, top, right: width - 60, bottom: height - 60 };
    let svg = canvas::sheet(width, height, |canvas| {
        title(canvas, steps.title);
        legend(canvas, steps.lines, width);
        grid(canvas, steps, (frame, scale));
        if let Some((place, label)) = &steps.mark {
            let x = frame.x(along(steps.places, *place));
            canvas.dashes((x, frame.top - 10), (x, frame.bottom), FAULT);
            let is_right = x > i32::midpoint(frame.left, frame.right);
            let align = if is_right { Align::Right } else { Align::Left };
            canvas.text(label, (x, frame.top - 30), Type::label(TEXT, align));
        }
        for (index, line) in steps.lines.iter().enumerate() {
            draw(canvas, line, index, steps, (frame, scale));
        }
    });
    Drawing { width, height, svg }
}

/// Share of the width at which a number stands: the first and the last keep off the edges.
fn along(places: &[f64], place: f64) -> f64 {
    const EDGE: f64 = 0.06;
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return 0.5 };
    let span = (last - first).max(f64::MIN_POSITIVE);
    EDGE + (1.0 - 2.0 * EDGE) * ((place - first) / span).clamp(0.0, 1.0)
}

/// Share of the width at which a step stands.
fn share(step: usize, steps: &Steps<'_>) -> f64 {
    if let Some(place) = steps.places.get(step) {
        return along(steps.places, *place);
    }
    let part = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    (part(step) + 0.5) / part(steps.labels.len().max(1))
}

fn grid(canvas: &Canvas<'_>, steps: &Steps<'_>, (frame, scale): (Frame, Scale)) {
    for value in scale.ticks() {
        let y = frame.y(scale, value);
        canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 2);
        let look = Type::label(MUTED, Align::Right);
        canvas.text(&tick(steps.unit, value), (frame.left - 14, y), look);
    }
    canvas.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], AXIS, 2);
    // Labels that would overlap are left out, from the last one on.
    let mut free_until = i32::MAX;
    for (step, label) in steps.labels.iter().enumerate().rev() {
        let x = frame.x(share(step, steps));
        let half = text_width(label, LABEL_PX) / 2 + 10;
        if x + half <= free_until {
            canvas.text(label, (x, frame.bottom + 30), Type::label(MUTED, Align::Centre));
            free_until = x - half;
        }
    }
}

fn draw(
    canvas: &Canvas<'_>,
    line: &Line,
    index: usize,
    steps: &Steps<'_>,
    (frame, scale): (Frame, Scale),
) {
    let ink = palette::series(index);
    let point = |(step, value): (usize, &Option<Milli>)| {
        value.map(|value| frame.point(share(step, steps), scale, value.to_f64()))
    };
    let points: Vec<Option<(i32, i32)>> = line.values.iter().enumerate().map(point).collect();
    for run in points.split(Option::is_none) {
        let run: Vec<(i32, i32)> = run.iter().flatten().copied().collect();
        canvas.line(&run, ink, 5);
        for dot in run {
            canvas.dot(dot, 8, ink);
        }
    }
}

/// Where each label of the legend stands: row and column in pixels.
fn legend_places(lines: &[Line], sheet: i32) -> Vec<(i32, i32)> {
    flow(lines.iter().map(|line| &*line.label), (MARGIN, sheet), 46 + 34)
}

fn legend_rows(lines: &[Line], sheet: i32) -> i32 {
    legend_places(lines, sheet).last().map_or(0, |(row, _)| row + 1)
}

fn legend(canvas: &Canvas<'_>, lines: &[Line], sheet: i32) {
    for (index, (line, (row, x))) in lines.iter().zip(legend_places(lines, sheet)).enumerate() {
        let y = TITLE_STRIP + 30 + row * LEGEND_ROW;
        canvas.line(&[(x, y), (x + 34, y)], palette::series(index), 8);
        canvas.text(&line.label, (x + 46, y), Type::label(TEXT, Align::Left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milli(values: &[i64]) -> Vec<Option<Milli>> {
        values.iter().map(|value| Some(Milli::from_units(value * 1000))).collect()
    }

    fn drawn(places: &[f64], mark: Option<(f64, String)>) -> Chart {
        let labels: Vec<String> =
            ["100", "150", "200", "207", "230", "299"].map(String::from).to_vec();
        let lines = [Line { label: "p99".to_owned(), values: milli(&[5, 6, 7, 8, 9, 30]) }];
        chart(&Steps {
            name: "test",
            title: "Test",
            caption: "Of a test.".to_owned(),
            unit: "ms",
            labels: &labels,
            places,
            mark,
            lines: &lines,
        })
        .unwrap()
    }

    #[test]
    fn numbers_stand_where_they_belong_and_labels_that_would_overlap_go() {
        let places = [100.0, 150.0, 200.0, 207.0, 230.0, 299.0];
        let chart = drawn(&places, Some((230.0, "holds up to here".to_owned())));
        assert!(along(&places, 207.0) - along(&places, 200.0) < 0.04);
        assert!(chart.svg.contains("holds up to here") && !chart.svg.contains(">\n200\n<"));
        assert!(chart.svg.contains(">\n207\n<"), "{}", chart.svg);
        // Without places each step has as much room as any other.
        assert!(drawn(&[], None).svg.contains(">\n200\n<"));
    }

    #[test]
    fn there_is_a_drawing_for_phones() {
        let narrow = drawn(&[], None).inline_narrow().unwrap();
        assert!(narrow.contains("viewBox=\"24 70 696 "), "{narrow}");
    }
}
