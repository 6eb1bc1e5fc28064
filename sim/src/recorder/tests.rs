//! The recorder as the world uses it.

use super::testing::{TOPIC, batch, batch_done, plan, tp};
use super::{Finish, Recorder, SecondGauges, Transfer};
use crate::client::{FailReason, Outcome, RejectReason, Unfinished};
use stormglass_broker_core::ids::NodeId;
use stormglass_reports::recording::{LatencyKind, Phase, Recording, Second};

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn recorder() -> Recorder {
    let mut recorder = Recorder::new(&plan());
    recorder.topic(TOPIC, &"t".into());
    recorder
}

fn delivered(tag: u64, count: i32, delivered_ns: u64) -> Outcome {
    part_delivered((tag, count), (0, count.unsigned_abs()), delivered_ns)
}

/// Of the batch with a tag and so many records, those from the first one on.
fn part_delivered(
    (tag, records): (u64, i32),
    (first_offset, count): (i64, u32),
    delivered_ns: u64,
) -> Outcome {
    Outcome::Delivered {
        tp: tp(0),
        batch: batch(0, records, tag),
        first_offset,
        count,
        delivered_ns,
        from_broker: NodeId(1),
    }
}

fn end_second(recorder: &mut Recorder, index: u32) {
    let phase = super::phases::Phases::new(&plan().phases).index_at(u64::from(index) * SECOND);
    recorder.end_of_second(SecondGauges {
        index,
        phase: super::phases::PHASES[phase],
        brokers: Vec::new(),
        lags: Vec::new(),
        offline_partitions: 0,
        controller: None,
    });
}

fn finish(mut recorder: Recorder, seconds: u32) -> Recording {
    (0..seconds).for_each(|index| end_second(&mut recorder, index));
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
    assert_eq!(recording.seconds[0].acked_bytes, 200);
    assert_eq!(recording.seconds[0].groups.iter().map(|of| of.bytes).collect::<Vec<_>>(), [200; 2]);
    assert_eq!(recording.seconds[0].consumed_bytes, 400);
}

#[test]
fn who_reads_everything_has_the_bytes_that_were_acknowledged() {
    let mut plan = plan();
    plan.producers[0].compression_permille = 400;
    let mut recorder = Recorder::new(&plan);
    recorder.topic(TOPIC, &"t".into());
    let at = 12 * SECOND;
    for tag in 0..10 {
        let ack = Outcome::Acked(batch_done(tp(0), tag, &[at, at, at], at + 30 * MS));
        let parts = [(0, 1), (1, 2)].map(|part| part_delivered((tag, 3), part, at + 30 * MS));
        let [before, after] = if tag % 2 == 0 { [0, 1] } else { [1, 0] };
        parts.iter().for_each(|part| recorder.delivered(before, part));
        if tag == 4 {
            end_second(&mut recorder, 0);
        }
        recorder.produced(0, &ack);
        parts.iter().for_each(|part| recorder.delivered(after, part));
    }
    end_second(&mut recorder, 1);
    let recording = recorder.finish(Finish::default());
    let bytes = |of: fn(&Second) -> u64| recording.seconds.iter().map(of).sum::<u64>();
    assert_eq!(bytes(|second| second.acked_bytes), 3_000);
    assert_eq!(bytes(|second| second.groups[0].bytes), 3_000);
    assert_eq!(bytes(|second| second.groups[1].bytes), 3_000);
}

#[test]
fn a_batch_without_an_outcome_counts_with_what_it_tells() {
    let mut plan = plan();
    plan.producers[0].compression_permille = 400;
    let mut recorder = Recorder::new(&plan);
    recorder.topic(TOPIC, &"t".into());
    // two records of 19 bytes in the log, of which the format has added 7
    recorder.delivered(0, &delivered(1, 2, SECOND));
    recorder.delivered(1, &delivered(1 << 62, 2, SECOND));
    let recording = finish(recorder, 1);
    let bytes = recording.seconds[0].groups.iter().map(|group| group.bytes);
    assert_eq!(bytes.collect::<Vec<_>>(), [62, 25], "nobody has compressed a backlog");
}

#[test]
fn the_note_tells_of_what_the_measured_seconds_count_as_failed() {
    let note = |refused: u64, failed_at: &[u64]| {
        let mut recorder = recorder();
        let mut ended = 0;
        for at_ns in failed_at {
            let second = u32::try_from(at_ns / SECOND).unwrap();
            (ended..second).for_each(|index| end_second(&mut recorder, index));
            ended = second;
            let done = batch_done(tp(0), 6, &[*at_ns], *at_ns);
            recorder.produced(0, &Outcome::Failed(done, FailReason::TransactionAborted));
            if *at_ns == 10 * SECOND {
                let (records, reason) = (refused, RejectReason::BlockedTooLong);
                recorder.produced(0, &Outcome::Rejected { records, reason });
            }
        }
        (ended..41).for_each(|index| end_second(&mut recorder, index));
        let recording = recorder.finish(Finish { sim_ns: 60 * SECOND, ..Finish::default() });
        let mut notes = recording.assumptions.into_iter();
        notes.find(|note| note.starts_with("failures: "))
    };
    assert_eq!(note(0, &[9 * SECOND, 40 * SECOND]), None, "warm-up, and drain");
    let expected = "failures: 4 records in measure and heal, of which 3 not taken within max.block.ms, 1 \
                    aborted with their transaction";
    assert_eq!(note(3, &[9 * SECOND, 10 * SECOND, 40 * SECOND]).unwrap(), expected);
}

#[test]
fn what_producers_still_hold_at_the_end_is_neither_acknowledged_nor_failed() {
    let mut recorder = recorder();
    let held = Unfinished { tp: None, times_ns: &[SECOND, SECOND + MS], bytes: 200 };
    recorder.unfinished(0, held, 60 * SECOND);
    let recording = finish(recorder, 2);
    let second = &recording.seconds[1];
    assert_eq!((second.offered_records, second.acked_records, second.failed_records), (2, 0, 0));
    assert_eq!(recording.unresolved_records, 2);
    assert!(recording.assumptions[0].starts_with("2 records had no outcome when the run ended"));
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
