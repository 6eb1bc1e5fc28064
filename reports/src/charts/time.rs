//! Charts over simulated time: panels on one time axis, faults as bands, phases below the axis.

use super::axis::{self, Frame, Scale};
use super::canvas::{self, Align, Canvas, LABEL_PX, Point, TITLE_PX, Type, text_width};
use super::chart::{Chart, MARGIN, TITLE_STRIP};
use super::palette::{AXIS, FAULT, GRID, Ink, MUTED, TEXT};
use crate::recording::{ClusterEvent, Recording};
use crate::result::phase_bounds;
use serde_json::json;
use stormglass_scenarios::plan::Plan;

const WIDTH: i32 = 1800;
const LEFT: i32 = 130;
const RIGHT: i32 = 1752;
/// Height of a lone panel, and of each of several.
const PANEL_HEIGHTS: (i32, i32) = (420, 330);
const LEGEND_STRIP: i32 = 58;
const FAULT_ROW: i32 = 36;
const FAULT_ROWS_MAX: usize = 3;
const FOOT: i32 = 96;
const POINTS_MAX: usize = 600;
/// What is no further than this beyond the axis is at its end, for all that one sees.
const BEYOND: f64 = 1.02;

/// How several seconds become one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thin {
    /// Their mean: rates and gauges.
    Mean,
    /// Their largest: latencies, where a mean would hide the spike.
    Peak,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stroke {
    Line,
    Thin,
    Area,
    Dashed,
    Dotted,
}

impl Stroke {
    /// Of the n-th of several equals that may coincide.
    pub(crate) const fn nth(index: usize) -> Self {
        match index % 3 {
            0 => Self::Line,
            1 => Self::Dashed,
            _ => Self::Dotted,
        }
    }

    const fn width(self) -> u32 {
        if matches!(self, Self::Thin) { 3 } else { 4 }
    }

    fn draw(self, canvas: &Canvas<'_>, line: &[Point], ink: Ink, width: u32) {
        match self {
            Self::Line | Self::Thin | Self::Area => canvas.line(line, ink, width),
            Self::Dashed => canvas.broken(line, ink, width, (26, 14)),
            Self::Dotted => canvas.broken(line, ink, width, (8, 12)),
        }
    }
}

/// One line of a panel; a value per second, none where there is nothing to show.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) ink: Ink,
    pub(crate) stroke: Stroke,
    pub(crate) values: Vec<Option<f64>>,
}

/// A value axis with its series.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What is measured, over the axis.
    pub(crate) heading: &'static str,
    pub(crate) scale: Scale,
    pub(crate) tick: fn(f64) -> String,
    pub(crate) thin: Thin,
    pub(crate) series: Vec<Series>,
}

/// A chart before it is drawn.
#[derive(Debug)]
pub(crate) struct TimeChart {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) panels: Vec<Panel>,
}

/// A fault as a band.
#[derive(Debug)]
struct Band {
    label: String,
    from: f64,
    until: f64,
    row: usize,
}

/// What all panels share.
struct Axis {
    seconds: usize,
    bands: Vec<Band>,
    rows: usize,
    /// Name, start and end of each phase, seconds.
    phases: Vec<(&'static str, f64, f64)>,
}

impl TimeChart {
    /// Draws the chart; none when there is no time to show.
    pub(crate) fn draw(self, plan: &Plan, recording: &Recording) -> Option<Chart> {
        if recording.seconds.is_empty() {
            return None;
        }
        let axis = Axis::new(plan, recording);
        let fault_strip = FAULT_ROW * i32::try_from(axis.rows).unwrap_or(0);
        let panel_count = i32::try_from(self.panels.len()).unwrap_or(1);
        let panel = if panel_count == 1 { PANEL_HEIGHTS.0 } else { PANEL_HEIGHTS.1 };
        let head = TITLE_STRIP + fault_strip;
        let height = head + panel_count * (LEGEND_STRIP + panel) + FOOT;
        let frame = |index: i32| {
            let top = head + index * (LEGEND_STRIP + panel) + LEGEND_STRIP;
            Frame { left: LEFT, top, right: RIGHT, bottom: top + panel - 20 }
        };
        let frames: Vec<Frame> = (0..panel_count).map(frame).collect();
        let svg = canvas::sheet(WIDTH, height, |canvas| {
            let title = Type { px: TITLE_PX, bold: true, ..Type::label(TEXT, Align::Left) };
            canvas.text(&self.title, (MARGIN, TITLE_STRIP / 2), title);
            axis.fault_labels(canvas, TITLE_STRIP);
            for (panel, frame) in self.panels.iter().zip(&frames) {
                axis.bands_on(canvas, frame);
                panel.draw(canvas, frame, &axis);
            }
            axis.foot(canvas, frames.last().expect("a chart has a panel"));
        });
        Some(Chart {
            readout: Some(self.readout(axis.seconds)),
            name: self.name,
            title: self.title,
            caption: self.caption,
            width: WIDTH,
            height,
            svg,
            narrow: None,
        })
    }

    /// Values at each drawn point, as text is enough for a read-out.
    fn readout(&self, seconds: usize) -> String {
        let step = step(seconds);
        let series: Vec<_> = self
            .panels
            .iter()
            .flat_map(|panel| {
                panel.series.iter().map(move |series| {
                    let values: Vec<Option<String>> = points(series, panel.thin)
                        .into_iter()
                        .map(|(_, value)| value.map(panel.tick_at_reading()))
                        .collect();
                    json!({ "panel": panel.heading, "label": series.label, "values": values })
                })
            })
            .collect();
        let share = |x: i32| f64::from(x - MARGIN) / f64::from(WIDTH - MARGIN);
        let (left, right) = (share(LEFT), share(RIGHT));
        json!({ "left": left, "right": right, "seconds": seconds, "step": step, "series": series })
            .to_string()
    }
}

/// Seconds per point.
fn step(seconds: usize) -> usize {
    seconds.div_ceil(POINTS_MAX).max(1)
}

/// Thinned points: the middle of the seconds that it stands for, and the value.
fn points(series: &Series, thin: Thin) -> Vec<(f64, Option<f64>)> {
    let step = step(series.values.len());
    series
        .values
        .chunks(step)
        .enumerate()
        .map(|(index, chunk)| {
            let some: Vec<f64> = chunk.iter().flatten().copied().collect();
            let value = match thin {
                _ if some.is_empty() => None,
                Thin::Mean => Some(some.iter().sum::<f64>() / to_f64(some.len())),
                Thin::Peak => some.iter().copied().reduce(f64::max),
            };
            (to_f64(index * step) + to_f64(chunk.len()) / 2.0, value)
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run are far below 2^52")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}

impl Panel {
    /// A reading has one decimal more than an axis label needs.
    fn tick_at_reading(&self) -> impl Fn(f64) -> String {
        let tick = self.tick;
        move |value| {
            let places = if value.abs() < 10.0 { 100.0 } else { 10.0 };
            tick(libm::round(value * places) / places)
        }
    }

    fn draw(&self, canvas: &Canvas<'_>, frame: &Frame, axis: &Axis) {
        for value in self.scale.ticks() {
            let y = frame.y(self.scale, value);
            canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 2);
            let look = Type::label(MUTED, Align::Right);
            canvas.text(&(self.tick)(value), (frame.left - 14, y), look);
        }
        axis.phase_lines(canvas, frame);
        for series in &self.series {
            self.draw_series(canvas, frame, axis, series);
        }
        canvas.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], AXIS, 2);
        self.cut_off(canvas, frame, axis);
        self.legend(canvas, frame);
    }

    /// Says of the highest value that is beyond the axis what it is, with an arrow to where.
    fn cut_off(&self, canvas: &Canvas<'_>, frame: &Frame, axis: &Axis) {
        let is_beyond = |(_, value): &(usize, f64)| *value > self.scale.top() * BEYOND;
        let Some((second, value)) = self.highest().filter(is_beyond) else { return };
        let (x, top) = (frame.x(axis.share(to_f64(second) + 0.5)), frame.top);
        canvas.polygon(&[(x, top - 4), (x - 11, top + 16), (x + 11, top + 16)], TEXT, 1.0);
        let label = format!("peak {} {}", (self.tick)(libm::round(value)), self.heading);
        let is_right = x > i32::midpoint(frame.left, frame.right);
        let (x, align) = if is_right { (x - 22, Align::Right) } else { (x + 22, Align::Left) };
        let bold = Type { bold: true, ..Type::label(TEXT, align) };
        canvas.text(&label, (x, top + 18), bold);
    }

    /// The highest value of all series, and its second.
    fn highest(&self) -> Option<(usize, f64)> {
        let values = self.series.iter().flat_map(|series| series.values.iter().enumerate());
        values
            .filter_map(|(second, value)| Some((second, (*value)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    fn draw_series(&self, canvas: &Canvas<'_>, frame: &Frame, axis: &Axis, series: &Series) {
        for run in runs(&points(series, self.thin)) {
            let line: Vec<Point> = run
                .iter()
                .map(|(second, value)| frame.point(axis.share(*second), self.scale, *value))
                .collect();
            let (first, last) = (line[0], line[line.len() - 1]);
            if series.stroke == Stroke::Area {
                let mut outline = line.clone();
                outline.extend([(last.0, frame.bottom), (first.0, frame.bottom)]);
                canvas.polygon(&outline, series.ink, 0.14);
            }
            if line.len() == 1 {
                canvas.dot(first, 4, series.ink);
            }
            series.stroke.draw(canvas, &line, series.ink, series.stroke.width());
        }
    }

    fn legend(&self, canvas: &Canvas<'_>, frame: &Frame) {
        let y = frame.top - LEGEND_STRIP / 2;
        let heading = Type { bold: true, ..Type::label(MUTED, Align::Left) };
        canvas.text(self.heading, (MARGIN, y), heading);
        let mut x = MARGIN + text_width(self.heading, LABEL_PX) + 50;
        for series in &self.series {
            let swatch = [(x, y), (x + 48, y)];
            series.stroke.draw(canvas, &swatch, series.ink, series.stroke.width() * 3 / 2);
            canvas.text(&series.label, (x + 60, y), Type::label(TEXT, Align::Left));
            x += 60 + text_width(&series.label, LABEL_PX) + 34;
        }
    }
}

/// Unbroken runs of values.
fn runs(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for (second, value) in points {
        match value {
            Some(value) if open => {
                runs.last_mut().expect("an open run exists").push((*second, *value));
            }
            Some(value) => runs.push(vec![(*second, *value)]),
            None => {}
        }
        open = value.is_some();
    }
    runs
}

impl Axis {
    fn new(plan: &Plan, recording: &Recording) -> Self {
        let seconds = recording.seconds.len();
        let bands = bands(&recording.events, to_f64(seconds));
        let rows = bands.iter().map(|band| band.row + 1).max().unwrap_or(0);
        let names = ["warm-up", "measure", "heal", "drain"];
        let phases = crate::result::PHASES
            .into_iter()
            .zip(names)
            .map(|(phase, name)| {
                let (start, end) = phase_bounds(&plan.phases, phase);
                let end = seconds_of(end).min(to_f64(seconds));
                (name, seconds_of(start), end)
            })
            .filter(|(_, start, end)| end > start)
            .collect();
        Self { seconds, bands, rows, phases }
    }

    /// Share of the time axis at a second.
    fn share(&self, second: f64) -> f64 {
        second / to_f64(self.seconds)
    }

    fn x(&self, second: f64) -> i32 {
        LEFT + axis::pixel(self.share(second).clamp(0.0, 1.0) * f64::from(RIGHT - LEFT))
    }

    fn fault_labels(&self, canvas: &Canvas<'_>, top: i32) {
        for band in &self.bands {
            let row = i32::try_from(band.row).unwrap_or(0);
            let y = top + FAULT_ROW * row + FAULT_ROW / 2 + 6;
            let (from, until) = (self.x(band.from), self.x(band.until));
            canvas.rect((from, y + 14), (until.max(from + 4), y + 18), FAULT, 1.0);
            let width = text_width(&band.label, LABEL_PX);
            let (x, align) =
                if from + width > RIGHT { (RIGHT, Align::Right) } else { (from, Align::Left) };
            canvas.text(&band.label, (x, y - 4), Type::label(FAULT, align));
        }
    }

    fn bands_on(&self, canvas: &Canvas<'_>, frame: &Frame) {
        for band in &self.bands {
            let (from, until) = (self.x(band.from), self.x(band.until));
            canvas.rect((from, frame.top), (until.max(from + 4), frame.bottom), FAULT, 0.09);
            canvas.stroke(&[(from, frame.top), (from, frame.bottom)], FAULT, 2, 0.55);
        }
    }

    fn phase_lines(&self, canvas: &Canvas<'_>, frame: &Frame) {
        for (_, start, _) in self.phases.iter().skip(1) {
            let x = self.x(*start);
            canvas.dashes((x, frame.top), (x, frame.bottom), AXIS);
        }
    }

    /// Times and phases below the last panel.
    fn foot(&self, canvas: &Canvas<'_>, frame: &Frame) {
        let look = Type::label(MUTED, Align::Centre);
        let step = time_step(self.seconds);
        for second in (0..=self.seconds).step_by(step) {
            let x = self.x(to_f64(second));
            canvas.line(&[(x, frame.bottom), (x, frame.bottom + 8)], AXIS, 2);
            canvas.text(&clock(second, step), (x, frame.bottom + 28), look);
        }
        let y = frame.bottom + 72;
        for (name, start, end) in &self.phases {
            let (from, until) = (self.x(*start) + 4, self.x(*end) - 4);
            if until - from > text_width(name, LABEL_PX) + 20 {
                canvas.text(name, ((from + until) / 2, y), look);
            }
            canvas.line(&[(from, y - 20), (until, y - 20)], GRID, 4);
        }
    }
}

fn seconds_of(ns: u64) -> f64 {
    crate::result::Milli::seconds_from_ns(ns).to_f64()
}

/// Faults as bands, each in the first row that is free; beyond three rows they share the last.
/// What begins and ends together is one band.
fn bands(events: &[ClusterEvent], seconds: f64) -> Vec<Band> {
    let mut spans: Vec<(&ClusterEvent, usize)> = Vec::new();
    for fault in events.iter().filter(|event| event.kind == "fault-begin") {
        let twin = |(other, _): &&mut (&ClusterEvent, usize)| {
            (other.at_ns, other.until_ns) == (fault.at_ns, fault.until_ns)
        };
        match spans.iter_mut().find(twin) {
            Some((_, more)) => *more += 1,
            None => spans.push((fault, 0)),
        }
    }
    let mut taken: Vec<f64> = Vec::new();
    let mut bands = Vec::new();
    for (fault, more) in spans {
        let from = seconds_of(fault.at_ns).min(seconds);
        let until = fault.until_ns.map_or(from, |ns| seconds_of(ns).min(seconds));
        let label = match more {
            0 => fault.detail.clone(),
            _ => format!("{}, and {more} more", fault.detail),
        };
        let pixels = f64::from(text_width(&label, LABEL_PX) + 20);
        let text_end = from + pixels * seconds / f64::from(RIGHT - LEFT);
        let end = until.max(text_end);
        let free = taken.iter().position(|taken_until| *taken_until <= from);
        let row = free.unwrap_or(taken.len()).min(FAULT_ROWS_MAX - 1);
        if row < taken.len() {
            taken[row] = taken[row].max(end);
        } else {
            taken.push(end);
        }
        bands.push(Band { label, from, until, row });
    }
    bands
}

/// Seconds between time labels: about ten of them.
fn time_step(seconds: usize) -> usize {
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400];
    steps.into_iter().find(|step| seconds / step <= 12).unwrap_or(seconds.div_ceil(12))
}

fn clock(second: usize, step: usize) -> String {
    match (step.is_multiple_of(60), step.is_multiple_of(3600)) {
        (_, true) => format!("{} h", second / 3600),
        (true, _) => format!("{} min", second / 60),
        _ => format!("{second} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::palette;

    fn series(values: Vec<Option<f64>>) -> Series {
        Series { label: String::new(), ink: palette::series(0), stroke: Stroke::Line, values }
    }

    #[test]
    fn long_runs_are_thinned_and_spikes_survive() {
        let mut values = vec![Some(1.0); 3600];
        values[1801] = Some(900.0);
        let thinned = points(&series(values), Thin::Peak);
        assert!(thinned.len() <= POINTS_MAX);
        assert!(thinned.iter().any(|(_, value)| *value == Some(900.0)));
    }

    #[test]
    fn a_peak_beyond_the_axis_is_labelled_and_no_other() {
        let mut values = vec![Some(20.0); 100];
        values[40] = Some(2_013.4);
        let drawn = |scale| {
            let panel = Panel {
                heading: "MB/s",
                scale,
                tick: axis::label,
                thin: Thin::Mean,
                series: vec![series(values.clone())],
            };
            let frame = Frame { left: LEFT, top: 100, right: RIGHT, bottom: 500 };
            let axis = Axis { seconds: 100, bands: Vec::new(), rows: 0, phases: Vec::new() };
            assert_eq!(panel.highest(), Some((40, 2_013.4)));
            canvas::sheet(WIDTH, 600, |canvas| panel.draw(canvas, &frame, &axis))
        };
        assert!(drawn(Scale::Linear { max: 60.0 }).contains("peak 2,013 MB/s"));
        assert!(!drawn(Scale::Linear { max: 2_500.0 }).contains("peak"));
    }

    #[test]
    fn gaps_break_the_line() {
        let points = points(&series(vec![Some(1.0), None, Some(2.0), Some(3.0)]), Thin::Mean);
        let runs = runs(&points);
        assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn overlapping_faults_get_rows_of_their_own() {
        let fault = |at_s: u64, until_s: u64| ClusterEvent {
            at_ns: at_s * 1_000_000_000,
            kind: "fault-begin".to_owned(),
            node: None,
            partition: None,
            partitions: 0,
            detail: "x".to_owned(),
            until_ns: Some(until_s * 1_000_000_000),
        };
        let bands = bands(&[fault(10, 50), fault(20, 60), fault(55, 70)], 100.0);
        assert_eq!(bands.iter().map(|band| band.row).collect::<Vec<_>>(), [0, 1, 0]);
    }

    #[test]
    fn what_begins_and_ends_together_is_one_band() {
        let fault = |node: i32| ClusterEvent {
            at_ns: 10_000_000_000,
            kind: "fault-begin".to_owned(),
            node: Some(node),
            partition: None,
            partitions: 0,
            detail: format!("disk of node {node} is slow"),
            until_ns: Some(20_000_000_000),
        };
        let bands = bands(&[fault(1), fault(2), fault(3)], 100.0);
        assert_eq!(bands.len(), 1);
        assert_eq!(bands[0].label, "disk of node 1 is slow, and 2 more");
    }

    #[test]
    fn time_labels_stay_few() {
        for seconds in [1, 30, 200, 3600, 86_400] {
            assert!(seconds / time_step(seconds) <= 12);
        }
        assert_eq!(clock(120, 60), "2 min");
    }
}
