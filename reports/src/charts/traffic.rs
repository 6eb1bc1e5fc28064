//! What clients see over time: throughput, latency and lag.

use super::axis::{self, Scale};
use super::chart::Chart;
use super::palette::{self, MUTED};
use super::time::{Panel, Series, Stroke, Thin, TimeChart};
use crate::recording::{Recording, Second, SecondLatency};
use crate::result::{Milli, RunResult, Scope};
use crate::text;
use stormglass_scenarios::plan::Plan;

/// Most groups that get a line each.
const GROUPS_MAX: usize = 6;

fn mb(bytes: u64) -> f64 {
    Milli::mb_from_bytes(bytes).to_f64()
}

fn ms(ns: u64) -> f64 {
    Milli::ms_from_ns(ns).to_f64()
}

fn per_second(recording: &Recording, of: impl Fn(&Second) -> f64) -> Vec<Option<f64>> {
    recording.seconds.iter().map(|second| Some(of(second))).collect()
}

pub(crate) fn top(series: &[Series]) -> f64 {
    series.iter().flat_map(|one| &one.values).flatten().copied().fold(0.0, f64::max)
}

/// Offered, acknowledged and consumed.
pub(crate) fn throughput(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    let line =
        |label: &str, ink, stroke, values| Series { label: label.to_owned(), ink, stroke, values };
    let series = vec![
        line(
            "acknowledged",
            palette::series(0),
            Stroke::Area,
            per_second(recording, |s| mb(s.acked_bytes)),
        ),
        line("offered", MUTED, Stroke::Thin, per_second(recording, |s| mb(s.offered_bytes))),
        line(
            "consumed, all groups",
            palette::series(2),
            Stroke::Line,
            per_second(recording, |s| mb(s.consumed_bytes)),
        ),
    ];
    let row = result.throughput.first()?;
    let least = Scope::Measured.seconds(recording).map(|second| second.acked_bytes).min()?;
    let caption = format!(
        "{} MB/s offered on average, {} MB/s acknowledged; the worst second acknowledged {} MB/s. All \
         are keys and values before compression.",
        text::short(row.offered.mb_per_s_avg),
        text::short(row.acked.mb_per_s_avg),
        text::short(Milli::mb_from_bytes(least)),
    );
    // Each on its own: what is consumed is as many times what comes in as there are groups.
    let scales = series.iter().map(|one| Scale::clipped(one.values.iter().flatten().copied()));
    let highest = scales.map(Scale::top).fold(0.0, f64::max);
    let scale = Scale::Linear { max: highest };
    let peak = top(&series);
    let cut = if peak > highest {
        format!(
            " The axis ends at {} MB/s, as a peak of {} MB/s would flatten the rest: it is cut off.",
            axis::label(highest),
            axis::label(libm::round(peak)),
        )
    } else {
        String::new()
    };
    TimeChart {
        name: "throughput",
        title: "Throughput in and out".to_owned(),
        caption: caption + &cut,
        panels: vec![Panel { heading: "MB/s", scale, tick: axis::label, thin: Thin::Mean, series }],
    }
    .draw(plan, recording)
}

fn latency_panel(
    heading: &'static str,
    recording: &Recording,
    of: fn(&Second) -> &SecondLatency,
) -> Panel {
    let percentile = |pick: fn(&SecondLatency) -> u64| {
        let value = |second: &Second| (of(second).count > 0).then(|| ms(pick(of(second))));
        recording.seconds.iter().map(value).collect::<Vec<_>>()
    };
    let line = |label: &str, index, stroke, pick| Series {
        label: label.to_owned(),
        ink: palette::series(index),
        stroke,
        values: percentile(pick),
    };
    let series = vec![
        line("p99.9", 3, Stroke::Thin, |latency| latency.p999_ns),
        line("p99", 1, Stroke::Line, |latency| latency.p99_ns),
        line("p50", 0, Stroke::Line, |latency| latency.p50_ns),
    ];
    let values = series.iter().flat_map(|one| one.values.clone()).flatten();
    Panel { heading, scale: Scale::log(values), tick: duration, thin: Thin::Peak, series }
}

/// A latency in ms with its unit, on an axis of decades.
pub(crate) fn duration(ms: f64) -> String {
    if ms >= 1000.0 {
        format!("{} s", axis::label(ms / 1000.0))
    } else {
        format!("{} ms", axis::label(ms))
    }
}

/// A value with its unit, on an axis.
pub(crate) fn tick(unit: &str, value: f64) -> String {
    match unit {
        "ms" => duration(value),
        unit => format!("{} {unit}", axis::label(value)),
    }
}

/// Percentiles of each second, for both latencies that users feel.
pub(crate) fn latency(plan: &Plan, result: &RunResult, recording: &Recording) -> Option<Chart> {
    let (at, worst) = Scope::Measured
        .seconds(recording)
        .map(|second| (second.index, second.response.p99_ns))
        .max_by_key(|(index, p99)| (*p99, std::cmp::Reverse(*index)))?;
    let overall = result.latency_of("measure+heal", "response");
    let caption = format!(
        "Measured from the intended time. The worst second is t={at} s, with a response p99 of \
         {}{}.",
        text::duration(Milli::ms_from_ns(worst)),
        overall.map_or(String::new(), |row| {
            format!("; over measure and heal p50 is {}", text::duration(row.p50_ms))
        }),
    );
    TimeChart {
        name: "latency",
        title: "Latency over time".to_owned(),
        caption,
        panels: vec![
            latency_panel("Response", recording, |second| &second.response),
            latency_panel("End to end", recording, |second| &second.end_to_end),
        ],
    }
    .draw(plan, recording)
}

/// Records behind, per consumer group.
pub(crate) fn lag(plan: &Plan, recording: &Recording) -> Option<Chart> {
    let series: Vec<Series> = plan
        .consumers
        .iter()
        .take(GROUPS_MAX)
        .enumerate()
        .map(|(index, consumer)| Series {
            label: consumer.group.clone(),
            ink: palette::series(index),
            stroke: Stroke::nth(index),
            values: recording
                .seconds
                .iter()
                .map(|second| second.groups.get(index))
                .map(|group| group.map(|group| thousands(group.sum_lag)))
                .collect(),
        })
        .collect();
    let (group, at, lag) = worst_lag(plan, recording)?;
    let end: u64 = recording.seconds.last()?.groups.iter().map(|group| group.sum_lag).sum();
    let caption = format!(
        "Group {group} was furthest behind, {} records at t={at} s; at the end all groups \
         together are {} behind.",
        text::grouped(lag),
        text::counted(end, "record"),
    );
    TimeChart {
        name: "lag",
        title: "Consumer lag".to_owned(),
        caption,
        panels: vec![Panel {
            heading: "thousand records",
            scale: Scale::linear(top(&series)),
            tick: axis::label,
            thin: Thin::Peak,
            series,
        }],
    }
    .draw(plan, recording)
}

fn thousands(records: u64) -> f64 {
    Milli::ratio(i128::from(records), 1000).to_f64()
}

fn worst_lag<'a>(plan: &'a Plan, recording: &Recording) -> Option<(&'a str, u32, u64)> {
    let mut worst: Option<(&str, u32, u64)> = None;
    for second in &recording.seconds {
        for (consumer, group) in plan.consumers.iter().zip(&second.groups) {
            if worst.is_none_or(|(_, _, lag)| group.sum_lag > lag) {
                worst = Some((&consumer.group, second.index, group.sum_lag));
            }
        }
    }
    worst
}
