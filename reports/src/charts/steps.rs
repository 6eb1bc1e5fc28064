//! Figures over a few named steps: lines with a dot for each step that has a value.

use super::axis::{Frame, Scale};
use super::bars::title;
use super::canvas::{self, Align, Canvas, LABEL_PX, Type, text_width};
use super::chart::{Chart, MARGIN, TITLE_STRIP};
use super::palette::{self, AXIS, GRID, MUTED, TEXT};
use super::traffic::tick;
use crate::result::Milli;

const WIDTH: i32 = 1800;
const HEIGHT: i32 = 700;
/// A line of the legend.
const LEGEND_ROW: i32 = 40;
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
    let rows = legend_rows(steps.lines);
    let top = TITLE_STRIP + 30 + rows * LEGEND_ROW + 20;
    let height = HEIGHT + rows * LEGEND_ROW;
    let frame = Frame { left: 150, top, right: 1740, bottom: height - 60 };
    let svg = canvas::sheet(WIDTH, height, |canvas| {
        title(canvas, steps.title);
        legend(canvas, steps.lines);
        grid(canvas, steps, (frame, scale));
        for (index, line) in steps.lines.iter().enumerate() {
            draw(canvas, line, index, steps.labels.len(), (frame, scale));
        }
    });
    Some(Chart {
        name: steps.name,
        title: steps.title.to_owned(),
        caption: steps.caption.clone(),
        width: WIDTH,
        height,
        svg,
        readout: None,
    })
}

/// Share of the width at which a step stands.
fn share(step: usize, count: usize) -> f64 {
    let part = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    (part(step) + 0.5) / part(count.max(1))
}

fn grid(canvas: &Canvas<'_>, steps: &Steps<'_>, (frame, scale): (Frame, Scale)) {
    for value in scale.ticks() {
        let y = frame.y(scale, value);
        canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 2);
        let look = Type::label(MUTED, Align::Right);
        canvas.text(&tick(steps.unit, value), (frame.left - 14, y), look);
    }
    canvas.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], AXIS, 2);
    // Labels that would overlap are left out; the first and the last stay.
    let widest = steps.labels.iter().map(|label| text_width(label, LABEL_PX)).max().unwrap_or(0);
    let room = (frame.right - frame.left) / i32::try_from(steps.labels.len().max(1)).unwrap_or(1);
    let every = usize::try_from((widest + 20) / room.max(1) + 1).unwrap_or(1);
    for (step, label) in steps.labels.iter().enumerate().step_by(every) {
        let x = frame.x(share(step, steps.labels.len()));
        canvas.text(label, (x, frame.bottom + 30), Type::label(MUTED, Align::Centre));
    }
}

fn draw(
    canvas: &Canvas<'_>,
    line: &Line,
    index: usize,
    steps: usize,
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
fn legend_places(lines: &[Line]) -> Vec<(i32, i32)> {
    let (mut row, mut x) = (0, MARGIN);
    lines
        .iter()
        .map(|line| {
            let width = 46 + text_width(&line.label, LABEL_PX) + 34;
            if x > MARGIN && x + width > WIDTH {
                row += 1;
                x = MARGIN;
            }
            let place = (row, x);
            x += width;
            place
        })
        .collect()
}

fn legend_rows(lines: &[Line]) -> i32 {
    legend_places(lines).last().map_or(0, |(row, _)| row + 1)
}

fn legend(canvas: &Canvas<'_>, lines: &[Line]) {
    for (index, (line, (row, x))) in lines.iter().zip(legend_places(lines)).enumerate() {
        let y = TITLE_STRIP + 30 + row * LEGEND_ROW;
        canvas.line(&[(x, y), (x + 34, y)], palette::series(index), 8);
        canvas.text(&line.label, (x + 46, y), Type::label(TEXT, Align::Left));
    }
}
