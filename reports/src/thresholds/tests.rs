//! Each metric and comparison against the made-up outage or a recording of a few seconds.

use super::*;
use crate::cost;
use crate::recording::{BrokerSecond, GroupSecond, Phase};
use crate::testing;

fn threshold(metric: Metric, aggregate: Aggregate, op: Comparison, limit: i64) -> Threshold {
    Threshold { metric, phase: None, aggregate, op, limit, text: "as written".to_owned() }
}

fn check(recording: &Recording, threshold: Threshold) -> ThresholdResult {
    let mut plan = testing::plan();
    plan.thresholds = vec![threshold];
    let cost = cost::of_cluster(&plan);
    let measured = Measured { plan: &plan, recording, cost: &cost, lost_records: 2 };
    evaluate(measured).remove(0)
}

fn seconds(acked_bytes: &[u64]) -> Recording {
    let mut recording = testing::empty_recording();
    for (index, bytes) in acked_bytes.iter().enumerate() {
        let mut second = testing::empty_second(u32::try_from(index).unwrap(), Phase::Measure);
        second.acked_bytes = *bytes;
        second.failed_records = index as u64;
        second.groups = vec![GroupSecond { max_lag: 10 * index as u64, ..GroupSecond::default() }];
        second.brokers = vec![
            BrokerSecond { up: true, cpu_permille: 100, ..BrokerSecond::default() },
            BrokerSecond { up: false, cpu_permille: 999, ..BrokerSecond::default() },
        ];
        recording.seconds.push(second);
    }
    recording
}

fn actual(result: &ThresholdResult) -> String {
    result.actual.map(|actual| format!("{actual} {}", result.unit)).unwrap_or_default()
}

#[test]
fn throughput_takes_one_sample_per_second() {
    let recording = seconds(&[10_000_000, 20_000_000, 60_000_000]);
    let of = |aggregate| {
        actual(&check(
            &recording,
            threshold(Metric::ProduceThroughput, aggregate, Comparison::Gt, 0),
        ))
    };
    assert_eq!(of(Aggregate::Avg), "30.000 MB/s");
    assert_eq!(of(Aggregate::Min), "10.000 MB/s");
    assert_eq!(of(Aggregate::Med), "20.000 MB/s");
    assert_eq!(of(Aggregate::P(990_000)), "60.000 MB/s");
    assert_eq!(of(Aggregate::Value), "60.000 MB/s");
    assert_eq!(of(Aggregate::Count), "90.000 MB");
}

#[test]
fn a_limit_is_compared_exactly_at_its_edge() {
    let recording = seconds(&[50_000_000]);
    let passes = |op, limit| {
        check(&recording, threshold(Metric::ProduceThroughput, Aggregate::Avg, op, limit)).passed
    };
    assert!(!passes(Comparison::Lt, 50_000_000) && passes(Comparison::Le, 50_000_000));
    assert!(!passes(Comparison::Gt, 50_000_000) && passes(Comparison::Ge, 50_000_000));
    assert!(passes(Comparison::Eq, 50_000_000) && !passes(Comparison::Ne, 50_000_000));
    assert!(passes(Comparison::Lt, 50_000_001), "a byte beyond the limit decides");
}

#[test]
fn counters_sum_and_gauges_end_with_their_last_value() {
    let recording = seconds(&[0, 0, 0]);
    let of = |metric, aggregate| {
        actual(&check(&recording, threshold(metric, aggregate, Comparison::Eq, 0)))
    };
    assert_eq!(of(Metric::ProduceErrors, Aggregate::Count), "3.000 records");
    assert_eq!(of(Metric::ProduceErrors, Aggregate::Rate), "1.000 records/s");
    assert_eq!(of(Metric::ConsumerLag, Aggregate::Value), "20.000 records");
    assert_eq!(of(Metric::LostRecords, Aggregate::Count), "2.000 records");
    assert_eq!(of(Metric::CpuUtilisation, Aggregate::Max), "10.000 %");
    assert_eq!(of(Metric::Unavailability, Aggregate::Max), "0.000 ms");
}

#[test]
fn latency_reads_the_histogram_of_the_phase() {
    let recording = testing::az_outage();
    let p99 = |phase: Option<&str>| {
        let mut threshold =
            threshold(Metric::ResponseLatency, Aggregate::P(999_000), Comparison::Lt, 100_000_000);
        threshold.phase = phase.map(str::to_owned);
        check(&recording, threshold)
    };
    let (both, heal) = (p99(None), p99(Some("heal")));
    assert_eq!((both.phase.as_str(), heal.phase.as_str()), ("measure+heal", "heal"));
    assert!(!both.passed && both.margin.unwrap() < Milli::ZERO);
    assert!(heal.passed && heal.margin.unwrap() > Milli::ZERO);
}

#[test]
fn unavailability_counts_in_the_phase_where_the_gap_began() {
    let recording = testing::az_outage();
    let mut longest =
        threshold(Metric::Unavailability, Aggregate::Max, Comparison::Lt, 15_000_000_000);
    assert_eq!(actual(&check(&recording, longest.clone())), "9700.000 ms");
    longest.phase = Some("heal".to_owned());
    assert_eq!(actual(&check(&recording, longest)), "0.000 ms");
}

#[test]
fn nothing_measured_fails_and_an_unknown_phase_measures_nothing() {
    let empty = testing::empty_recording();
    let latency = threshold(Metric::ResponseLatency, Aggregate::Max, Comparison::Lt, i64::MAX);
    let result = check(&empty, latency);
    assert_eq!((result.passed, result.actual), (false, None));
    let mut unknown = threshold(Metric::LostRecords, Aggregate::Count, Comparison::Lt, 99);
    unknown.phase = Some("noon".to_owned());
    assert!(!check(&empty, unknown).passed);
}
