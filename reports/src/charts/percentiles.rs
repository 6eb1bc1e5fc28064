//! The percentile curve: latency against how rare it is.

use super::axis::{Frame, Scale};
use super::canvas::{self, Align, Canvas, LABEL_PX, Point, TITLE_PX, Type, text_width};
use super::chart::{Chart, Drawing, MARGIN, NARROW, TITLE_STRIP};
use super::legend::flow;
use super::palette::{self, AXIS, GRID, Ink, MUTED, TEXT};
use super::traffic::duration;
use crate::recording::{LatencyKind, Phase, Recording};
use crate::result::{Milli, Scope, merged};
use crate::text;
use hdrhistogram::Histogram;

const WIDTH: i32 = 1800;
const HEIGHT: i32 = 760;
const LEGEND_ROW: i32 = 40;
/// One in how many: the axis is the logarithm of this.
const RARITIES: [(f64, &str); 7] = [
    (1.0, "0 %"),
    (2.0, "50 %"),
    (10.0, "90 %"),
    (100.0, "99 %"),
    (1_000.0, "99.9 %"),
    (10_000.0, "99.99 %"),
    (100_000.0, "99.999 %"),
];
const STEPS_PER_DECADE: u32 = 60;
/// A percentile needs this many records beyond it.
const BEYOND_MIN: f64 = 10.0;

/// A line of the chart.
pub(crate) struct Curve {
    pub(crate) label: String,
    pub(crate) ink: Ink,
    pub(crate) width: u32,
    /// Rarity (one in how many) and milliseconds.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Response and end-to-end latency in measure and in heal.
pub(crate) fn curve(recording: &Recording) -> Option<Chart> {
    let of = |kind, phase, label, index, width| {
        let histogram = merged(recording, Scope::Only(phase), kind, None);
        let label = String::from(label);
        Curve { label, ink: palette::series(index), width, points: points(&histogram) }
    };
    let (response, end_to_end) = (LatencyKind::Response, LatencyKind::EndToEnd);
    let mut curves = vec![
        of(response, Phase::Measure, "response, measure", 0, 5),
        of(response, Phase::Heal, "response, heal", 5, 3),
        of(end_to_end, Phase::Measure, "end to end, measure", 1, 5),
        of(end_to_end, Phase::Heal, "end to end, heal", 6, 3),
    ];
    curves.retain(|curve| !curve.points.is_empty());
    drawn(&curves, "Percentiles", caption(recording))
}

/// The chart of some curves; none when there are no curves.
pub(crate) fn drawn(curves: &[Curve], title: &str, caption: String) -> Option<Chart> {
    let rarest = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
    let rarest = rarest.fold(0.0, f64::max);
    if curves.is_empty() {
        return None;
    }
    let scale = Scale::log(curves.iter().flat_map(|curve| &curve.points).map(|point| point.1));
    let across = Scale::Log { min: 1.0, max: rarest.max(10.0) };
    let wide = drawing(curves, title, (scale, across), WIDTH);
    Some(Chart {
        name: "percentiles",
        title: title.to_owned(),
        caption,
        width: wide.width,
        height: wide.height,
        svg: wide.svg,
        narrow: Some(drawing(curves, title, (scale, across), NARROW)),
        readout: None,
    })
}

fn drawing(curves: &[Curve], title: &str, (scale, across): (Scale, Scale), width: i32) -> Drawing {
    let places = legend_places(curves, width);
    let more = places.last().map_or(0, |(row, _)| row * LEGEND_ROW);
    let height = HEIGHT + more;
    let frame =
        Frame { left: 130, top: TITLE_STRIP + 64 + more, right: width - 70, bottom: height - 90 };
    let svg = canvas::sheet(width, height, |canvas| {
        let look = Type { px: TITLE_PX, bold: true, ..Type::label(TEXT, Align::Left) };
        canvas.text(title, (MARGIN, TITLE_STRIP / 2), look);
        grid(canvas, frame, (scale, across));
        for curve in curves {
            let line: Vec<Point> = curve
                .points
                .iter()
                .map(|(rarity, ms)| frame.point(across.share(*rarity), scale, *ms))
                .collect();
            canvas.line(&line, curve.ink, curve.width);
        }
        legend(canvas, curves, &places);
    });
    Drawing { width, height, svg }
}

fn caption(recording: &Recording) -> String {
    let histogram = merged(recording, Scope::Measured, LatencyKind::Response, None);
    let at = |quantile| text::duration(Milli::ms_from_ns(histogram.value_at_quantile(quantile)));
    format!(
        "To the right it gets rarer: half of all records are acknowledged within {}, 99 of 100 \
         within {}, 999 of 1,000 within {}.",
        at(0.5),
        at(0.99),
        at(0.999),
    )
}

/// Latency at evenly spaced steps of rarity, as far as the records carry.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    if histogram.is_empty() {
        return points;
    }
    #[expect(clippy::cast_precision_loss, reason = "a limit of the axis, not a figure")]
    let rarest = histogram.len() as f64 / BEYOND_MIN;
    for step in 0..=5 * STEPS_PER_DECADE {
        let rarity = libm::exp10(f64::from(step) / f64::from(STEPS_PER_DECADE));
        if rarity > rarest.max(1.0) {
            break;
        }
        let ns = histogram.value_at_quantile(1.0 - 1.0 / rarity);
        points.push((rarity, Milli::ms_from_ns(ns).to_f64().max(0.001)));
    }
    points
}

fn grid(canvas: &Canvas<'_>, frame: Frame, (scale, across): (Scale, Scale)) {
    let Scale::Log { max: rarest, .. } = across else { return };
    for value in scale.ticks() {
        let y = frame.y(scale, value);
        canvas.line(&[(frame.left, y), (frame.right, y)], GRID, 2);
        let look = Type::label(MUTED, Align::Right);
        canvas.text(&duration(value), (frame.left - 14, y), look);
    }
    // Labels that would overlap are left out, from the rarest on.
    let mut free_until = i32::MAX;
    for (rarity, label) in
        RARITIES.into_iter().rev().filter(|(rarity, _)| *rarity <= rarest * 1.001)
    {
        let x = frame.x(across.share(rarity));
        canvas.line(&[(x, frame.top), (x, frame.bottom)], GRID, 2);
        let half = text_width(label, LABEL_PX) / 2 + 6;
        if x + half <= free_until {
            canvas.text(label, (x, frame.bottom + 28), Type::label(MUTED, Align::Centre));
            free_until = x - half;
        }
    }
    canvas.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], AXIS, 2);
    let middle = (frame.left + frame.right) / 2;
    let look = Type::label(MUTED, Align::Centre);
    canvas.text("percentile of records", (middle, frame.bottom + 68), look);
}

/// Where the curves' labels stand: row and column in pixels, behind the heading.
fn legend_places(curves: &[Curve], sheet: i32) -> Vec<(i32, i32)> {
    let left = MARGIN + text_width("Latency", LABEL_PX) + 50;
    flow(curves.iter().map(|curve| &*curve.label), (left, sheet), 46 + 34)
}

fn legend(canvas: &Canvas<'_>, curves: &[Curve], places: &[(i32, i32)]) {
    let first = TITLE_STRIP + 30;
    let heading = Type { bold: true, ..Type::label(MUTED, Align::Left) };
    canvas.text("Latency", (MARGIN, first), heading);
    for (curve, (row, x)) in curves.iter().zip(places) {
        let y = first + row * LEGEND_ROW;
        canvas.line(&[(*x, y), (x + 34, y)], curve.ink, curve.width * 2 - 2);
        canvas.text(&curve.label, (x + 46, y), Type::label(TEXT, Align::Left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_ends_where_ten_records_are_left() {
        let mut histogram = Histogram::new(3).unwrap();
        for ms in 1..=1000_u64 {
            histogram.record(ms * 1_000_000).unwrap();
        }
        let points = points(&histogram);
        let (rarity, ms) = points[points.len() - 1];
        assert!((rarity - 100.0).abs() < 0.01, "{rarity}");
        assert!((ms - 990.0).abs() < 2.0, "{ms}");
        assert!(points.is_sorted_by(|a, b| a.1 <= b.1));
    }
}
