//! Latency rows from histograms: merged over groups and topics, and one by one.

use super::decimal::{Milli, div_half_up};
use super::phase::{ALL, KINDS, PHASES, Scope, kind_name};
use super::types::LatencyRow;
use crate::recording::{LatencyKind, Recording};
use hdrhistogram::Histogram;
use std::collections::BTreeSet;

/// Records needed before a 99.99th percentile is printed: ten beyond it.
const P99_99_COUNT_MIN: u64 = 100_000;

/// All rows: first over all groups and topics, then each group and topic.
pub(crate) fn rows(recording: &Recording) -> Vec<LatencyRow> {
    let scopes: Vec<Scope> =
        std::iter::once(Scope::Measured).chain(PHASES.into_iter().map(Scope::Only)).collect();
    let mut rows = Vec::new();
    for scope in &scopes {
        for kind in KINDS {
            push(&mut rows, *scope, kind, (ALL, ALL), merged(recording, *scope, kind, None));
        }
    }
    let mut series = BTreeSet::new();
    for one in &recording.latency {
        series.insert((one.kind, one.group.as_str(), one.topic.as_str()));
    }
    for scope in &scopes {
        for (kind, group, topic) in &series {
            let histogram = merged(recording, *scope, *kind, Some((*group, *topic)));
            push(&mut rows, *scope, *kind, (*group, *topic), histogram);
        }
    }
    rows
}

/// The records of one kind in a scope, of one group and topic or of all.
pub(crate) fn merged(
    recording: &Recording,
    scope: Scope,
    kind: LatencyKind,
    of: Option<(&str, &str)>,
) -> Histogram<u64> {
    let mut sum = Histogram::new(3).expect("three digits are a valid precision");
    for series in &recording.latency {
        let wanted = of.is_none_or(|(group, topic)| series.group == group && series.topic == topic);
        if wanted && series.kind == kind && scope.covers(series.phase) {
            sum.add(&series.histogram).expect("an auto-resizing histogram takes every value");
        }
    }
    sum
}

/// Mean in nanoseconds, from bucket mid-points, in integers.
pub(crate) fn mean_ns(histogram: &Histogram<u64>) -> u64 {
    let (mut sum, mut count) = (0_i128, 0_i128);
    for step in histogram.iter_recorded() {
        let records = i128::from(step.count_at_value());
        sum += i128::from(histogram.median_equivalent(step.value_iterated_to())) * records;
        count += records;
    }
    if count == 0 { 0 } else { u64::try_from(div_half_up(sum, count)).unwrap_or(u64::MAX) }
}

fn push(
    rows: &mut Vec<LatencyRow>,
    scope: Scope,
    kind: LatencyKind,
    (group, topic): (&str, &str),
    histogram: Histogram<u64>,
) {
    if histogram.is_empty() {
        return;
    }
    let at = |quantile: f64| Milli::ms_from_ns(histogram.value_at_quantile(quantile));
    rows.push(LatencyRow {
        phase: scope.name().to_owned(),
        kind: kind_name(kind).to_owned(),
        group: group.to_owned(),
        topic: topic.to_owned(),
        count: histogram.len(),
        mean_ms: Milli::ms_from_ns(mean_ns(&histogram)),
        min_ms: Milli::ms_from_ns(histogram.min()),
        p50_ms: at(0.5),
        p75_ms: at(0.75),
        p90_ms: at(0.9),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        p99_9_ms: at(0.999),
        p99_99_ms: (histogram.len() >= P99_99_COUNT_MIN).then(|| at(0.9999)),
        max_ms: Milli::ms_from_ns(histogram.max()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{LatencySeries, Phase};
    use crate::testing;

    fn series(phase: Phase, values: impl IntoIterator<Item = u64>) -> LatencySeries {
        let mut histogram = Histogram::new(3).unwrap();
        for value in values {
            histogram.record(value).unwrap();
        }
        let (kind, group, topic) = (LatencyKind::Response, "p".to_owned(), "t".to_owned());
        LatencySeries { kind, group, topic, phase, histogram }
    }

    #[test]
    fn measure_and_heal_add_up_and_warmup_stays_out() {
        let mut recording = testing::empty_recording();
        recording.latency = vec![
            series(Phase::Warmup, [9_000_000]),
            series(Phase::Measure, (1..=50).map(|ms| ms * 1_000_000)),
            series(Phase::Heal, (51..=100).map(|ms| ms * 1_000_000)),
        ];
        let rows = rows(&recording);
        let row = &rows[0];
        assert_eq!((row.phase.as_str(), row.group.as_str(), row.count), ("measure+heal", "*", 100));
        assert!((row.p50_ms.units() - 50_000).abs() <= 50, "{}", row.p50_ms);
        assert!((row.p99_ms.units() - 99_000).abs() <= 99, "{}", row.p99_ms);
        assert_eq!(row.p99_99_ms, None, "a hundred records say nothing about one in ten thousand");
        assert!(rows.iter().any(|row| row.phase == "warmup" && row.count == 1));
        assert!(rows.iter().any(|row| row.group == "p" && row.phase == "heal"));
    }

    #[test]
    fn the_mean_is_within_a_bucket() {
        let one = series(Phase::Measure, [1_000_000, 3_000_000]);
        let mean = mean_ns(&one.histogram);
        assert!(mean.abs_diff(2_000_000) < 2_000, "{mean}");
    }
}
