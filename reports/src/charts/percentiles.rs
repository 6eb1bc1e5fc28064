//! The percentile curve: latency against how rare it is.

use super::axis::{Frame, Scale};
use super::canvas::{self, Align, Canvas, LABEL_PX, Point, TITLE_PX, Type, text_width};
use super::chart::{Chart, MARGIN, TITLE_STRIP};
use super::palette::{self, AXIS, GRID, Ink, MUTED, TEXT};
use super::traffic::duration;
use crate::recording::{LatencyKind, Phase, Recording};
use crate::result::{Milli, Scope, merged};
use crate::text;
use hdrhistogram::Histogram;

const WIDTH: i32 = 1800;
const HEIGHT: i32 = 760;
const FRAME: Frame = Frame { left: 130, top: TITLE_STRIP + 64, right: 1730, bottom: HEIGHT - 90 };
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
    let svg = canvas::sheet(WIDTH, HEIGHT, |canvas| {
        let look = Type { px: TITLE_PX, bold: true, ..Type::label(TEXT, Align::Left) };
        canvas.text(title, (MARGIN, TITLE_STRIP / 2), look);
        grid(canvas, scale, across);
        for curve in curves {
            let line: Vec<Point> = curve
                .points
                .iter()
                .map(|(rarity, ms)| FRAME.point(across.share(*rarity), scale, *ms))
                .collect();
            canvas.line(&line, curve.ink, curve.width);
        }
        legend(canvas, curves);
    });
    Some(Chart {
        name: "percentiles",
        title: title.to_owned(),
        caption,
        width: WIDTH,
        height: HEIGHT,
        svg,
        readout: None,
    })
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

fn grid(canvas: &Canvas<'_>, scale: Scale, across: Scale) {
    let Scale::Log { max: rarest, .. } = across else { return };
    for value in scale.ticks() {
        let y = FRAME.y(scale, value);
        canvas.line(&[(FRAME.left, y), (FRAME.right, y)], GRID, 2);
        let look = Type::label(MUTED, Align::Right);
        canvas.text(&duration(value), (FRAME.left - 14, y), look);
    }
    for (rarity, label) in RARITIES {
        if rarity <= rarest * 1.001 {
            let x = FRAME.x(across.share(rarity));
            canvas.line(&[(x, FRAME.top), (x, FRAME.bottom)], GRID, 2);
            canvas.text(label, (x, FRAME.bottom + 28), Type::label(MUTED, Align::Centre));
        }
    }
    canvas.line(&[(FRAME.left, FRAME.bottom), (FRAME.right, FRAME.bottom)], AXIS, 2);
    let middle = (FRAME.left + FRAME.right) / 2;
    let look = Type::label(MUTED, Align::Centre);
    canvas.text("percentile of records", (middle, FRAME.bottom + 68), look);
}

fn legend(canvas: &Canvas<'_>, curves: &[Curve]) {
    let y = FRAME.top - 34;
    let heading = Type { bold: true, ..Type::label(MUTED, Align::Left) };
    canvas.text("Latency", (MARGIN, y), heading);
    let mut x = MARGIN + text_width("Latency", LABEL_PX) + 50;
    for curve in curves {
        canvas.line(&[(x, y), (x + 34, y)], curve.ink, curve.width * 2 - 2);
        canvas.text(&curve.label, (x + 46, y), Type::label(TEXT, Align::Left));
        x += 46 + text_width(&curve.label, LABEL_PX) + 34;
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
