//! The recorder as the world uses it.

use super::testing::{TOPIC, batch, batch_done, plan, tp};
use super::{Finish, Recorder, SecondGauges, Transfer};
use crate::client::{FailReason, Outcome, RejectReason};
use stormglass_broker_core::ids::NodeId;
use stormglass_reports::recording::{LatencyKind, Phase, Recording};

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn recorder() -> Recorder {
    let mut recorder = Recorder::new(&plan());
    recorder.topic(TOPIC, &"t".into());
    recorder
}

fn delivered(tag: u64, count: i32, delivered_ns: u64) -> Outcome {
    Outcome::Delivered {
        tp: tp(0),
        batch: batch(0, count, tag),
        first_offset: 0,
        count: count.unsigned_abs(),
        delivered_ns,
        from_broker: NodeId(1),
    }
}

fn finish(mut recorder: Recorder, seconds: u32) -> Recording {
    for index in 0..seconds {
        recorder.end_of_second(SecondGauges {
            index,
            phase: Phase::Measure,
            brokers: Vec::new(),
            lags: Vec::new(),
            offline_partitions: 0,
            controller: None,
        });
    }
    recorder.finish(Finish { sim_ns: 60 * SECOND, ..Finish::default() })
}

fn end_to_end(recording: &Recording) -> Vec<(&str, Phase, u64, u64)> {
    let series = recording.latency.iter().filter(|series| series.kind == LatencyKind::EndToEnd);
    let rows = series.map(|series| {
        let max_ms = series.histogram.max() / MS;
        (series.group.as_str(), series.phase, series.histogram.len(), max_ms)
    });
    rows.collect()
}

#[test]
fn end_to_end_joins_deliveries_before_and_after_the_ack() {
    let mut recorder = recorder();
    let at = 12 * SECOND;
    recorder.delivered(1, &delivered(5, 2, at + 20 * MS));
    recorder.produced(0, &Outcome::Acked(batch_done(tp(0), 5, &[at, at + 4 * MS], at + 30 * MS)));
    recorder.delivered(0, &delivered(5, 2, at + 40 * MS));
    let recording = finish(recorder, 1);
    assert_eq!(
        end_to_end(&recording),
        [("c0", Phase::Measure, 2, 40), ("c1", Phase::Measure, 2, 20)]
    );
    assert_eq!(recording.seconds[0].end_to_end.count, 4);
    assert_eq!(recording.seconds[0].acked_records, 2);
    assert!(recording.seconds[0].consumed_bytes > 0);
}

#[test]
fn a_failed_batch_that_got_into_the_log_counts_when_delivered() {
    let mut recorder = recorder();
    let mut done = batch_done(tp(0), 6, &[SECOND], 9 * SECOND);
    done.ambiguous = true;
    recorder.produced(0, &Outcome::Failed(done, FailReason::DeliveryTimeout));
    let refused = Outcome::Rejected { records: 3, reason: RejectReason::BlockedTooLong };
    recorder.produced(0, &refused);
    recorder.delivered(0, &delivered(6, 1, 2 * SECOND));
    let recording = finish(recorder, 2);
    assert_eq!(end_to_end(&recording).len(), 1);
    assert_eq!((recording.seconds[0].failed_records, recording.seconds[1].offered_records), (4, 1));
    assert!(recording.latency.iter().all(|series| series.kind != LatencyKind::Response));
}

#[test]
fn only_the_measured_time_costs_money() {
    let mut recorder = recorder();
    for (at, bytes) in [(9, 1), (10, 10), (39, 100), (40, 1_000)] {
        recorder.transfer(at * SECOND, Transfer::Consume, bytes);
    }
    recorder.transfer(20 * SECOND, Transfer::Replication, 7);
    let transfer = finish(recorder, 0).transfer;
    assert_eq!(transfer.consume_cross_az_bytes, 110);
    assert_eq!((transfer.produce_cross_az_bytes, transfer.replication_cross_az_bytes), (0, 7));
    assert_eq!(transfer.measured_ns, 30 * SECOND);
}

#[test]
fn partitions_are_named_and_series_are_sorted() {
    let mut recorder = recorder();
    let at = 12 * SECOND;
    recorder.produced(0, &Outcome::Acked(batch_done(tp(3), 1, &[at], at + 50 * MS)));
    let recording = finish(recorder, 0);
    assert_eq!(recording.unavailability[0].partition, "t-3");
    assert_eq!(recording.unavailability[0].longest_ns, 50 * MS);
    let kinds: Vec<_> = recording.latency.iter().map(|series| series.kind).collect();
    assert_eq!(kinds, [LatencyKind::Delay, LatencyKind::Service, LatencyKind::Response]);
}
