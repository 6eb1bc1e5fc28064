//! What becomes of batches when brokers fail: retries, sequences, timeouts, leader changes.

use super::tests_batching::{acked, java};
use crate::client::io::{ClientInput, FailReason, Outcome};
use crate::client::mock::{Client, Listed, MS, Mock};
use crate::rng::Streams;
use std::collections::BTreeSet;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;

/// Every acknowledged tag is in the log once; offsets are where the log has them.
fn check_exactly_once<C: Client>(mock: &Mock<C>) {
    let mut tags = BTreeSet::new();
    let mut in_log = 0;
    for log in &mock.logs {
        for batch in &log.batches {
            let fingerprint = batch.body.fingerprint();
            assert!(tags.insert(fingerprint), "a batch is in the log twice");
            in_log += 1;
        }
    }
    let done = acked(&mock.outcomes);
    for batch in &done {
        let sent = batch.batch.as_ref().unwrap();
        assert!(tags.contains(&sent.body.fingerprint()), "an acknowledged batch is lost");
        let log = &mock.logs[usize::try_from(batch.tp.partition).unwrap()];
        let found = log.batches.iter().find(|other| other.base_offset() == batch.base_offset);
        assert_eq!(found.unwrap().body.fingerprint(), sent.body.fingerprint());
    }
    assert_eq!(in_log, done.len());
}

/// Records of each partition's log are in the order in which they were intended.
fn check_order<C: Client>(mock: &Mock<C>) {
    let mut done = acked(&mock.outcomes);
    done.sort_by_key(|batch| (batch.tp, batch.base_offset));
    for pair in done.windows(2).filter(|pair| pair[0].tp == pair[1].tp) {
        let last = pair[0].records.last().unwrap();
        assert!(last.intended_ns <= pair[1].records[0].intended_ns);
    }
}

fn total<C: Client>(mock: &Mock<C>) -> usize {
    acked(&mock.outcomes).iter().map(|batch| batch.records.len()).sum()
}

#[test]
fn lost_answers_are_retried_in_order_without_duplicates() {
    let mut mock = Mock::new(java(&[], Listed::even(100 * MS, MS / 5, 5_000, 1_024)), 1, 2);
    mock.run_until(300 * MS);
    mock.lose_acks = true;
    mock.run_until(305 * MS);
    mock.lose_acks = false;
    mock.disconnect(1);
    mock.run_until(10_000 * MS);
    assert_eq!(total(&mock), 5_000);
    check_exactly_once(&mock);
    check_order(&mock);
    let retried = acked(&mock.outcomes).iter().filter(|batch| batch.retries > 0).count();
    assert!(retried >= 2, "several batches were in flight");
    assert!(acked(&mock.outcomes).iter().all(|batch| batch.ambiguous == (batch.retries > 0)));
}

#[test]
fn without_idempotence_a_failed_batch_is_overtaken() {
    let keys = [("enable.idempotence", "false"), ("linger.ms", "0")];
    let mut mock = Mock::new(java(&keys, Listed::even(100 * MS, MS / 10, 200, 100)), 1, 1);
    mock.run_until(101 * MS);
    mock.produce_errors.push_back(ErrorCode::NotEnoughReplicas);
    mock.run_until(10_000 * MS);
    assert_eq!(total(&mock), 200);
    check_exactly_once(&mock);
    let mut done = acked(&mock.outcomes);
    done.sort_by_key(|batch| batch.base_offset);
    assert!(done.windows(2).any(|p| p[0].records[0].intended_ns > p[1].records[0].intended_ns));
}

#[test]
fn with_idempotence_followers_of_a_failed_batch_wait_for_it() {
    let mut mock = Mock::new(java(&[], Listed::even(100 * MS, MS / 10, 200, 100)), 1, 1);
    mock.run_until(101 * MS);
    mock.produce_errors.push_back(ErrorCode::NotEnoughReplicas);
    mock.run_until(10_000 * MS);
    assert_eq!(total(&mock), 200);
    check_exactly_once(&mock);
    check_order(&mock);
    assert!(!mock.marks.contains(&"producer: epoch bumped"), "out of order is not a gap here");
}

#[test]
fn a_broker_that_forgot_the_producer_makes_it_bump_its_epoch() {
    let mut mock = Mock::new(java(&[], Listed::even(100 * MS, MS, 1_000, 100)), 1, 1);
    mock.run_until(500 * MS);
    mock.logs[0].forget_producers();
    mock.run_until(5_000 * MS);
    assert_eq!(total(&mock), 1_000);
    assert!(mock.marks.contains(&"producer: epoch bumped"));
    check_exactly_once(&mock);
    check_order(&mock);
    let last = mock.logs[0].batches.last().unwrap().header;
    assert_eq!((last.producer_id, last.producer_epoch), (4_000, 1));
}

#[test]
fn delivery_times_out_counted_from_the_first_record() {
    let keys = [("delivery.timeout.ms", "3000"), ("request.timeout.ms", "1000")];
    let mut mock = Mock::new(java(&keys, Listed::even(1_000 * MS, MS, 1, 100)), 1, 1);
    mock.run_until(999 * MS);
    mock.half_open.insert(NodeId(1));
    mock.run_until(20_000 * MS);
    let failed: Vec<_> = mock
        .outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Failed(done, reason) => Some((done, *reason)),
            _ => None,
        })
        .collect();
    let [(batch, reason)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((*reason, batch.done_ns), (FailReason::DeliveryTimeout, 4_000 * MS));
    assert!(batch.ambiguous && batch.batch.is_some());
    assert_eq!(mock.client.buffered_bytes(), 0);
}

#[test]
fn after_a_timed_out_batch_the_sequences_restart_without_a_gap() {
    let keys = [
        ("delivery.timeout.ms", "3000"),
        ("request.timeout.ms", "1000"),
        ("socket.connection.setup.timeout.ms", "1000"),
        ("socket.connection.setup.timeout.max.ms", "1000"),
    ];
    let mut mock = Mock::new(java(&keys, Listed::even(1_000 * MS, 100 * MS, 100, 100)), 1, 1);
    mock.run_until(2_950 * MS);
    mock.half_open.insert(NodeId(1));
    mock.run_until(8_000 * MS);
    mock.half_open.clear();
    mock.run_until(60_000 * MS);
    let failed = mock.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Failed(..)));
    assert!(failed.count() > 0);
    assert!(mock.marks.contains(&"producer: epoch bumped"));
    assert!(mock.client.accumulator.partitions[0].waiting.is_empty(), "it goes on");
    assert!(total(&mock) > 40);
    check_exactly_once(&mock);
    check_order(&mock);
}

#[test]
fn a_half_open_connection_is_noticed_after_the_request_timeout() {
    let keys = [("request.timeout.ms", "2000")];
    let mut mock = Mock::new(java(&keys, Listed::even(1_000 * MS, MS, 10, 100)), 2, 2);
    mock.run_until(999 * MS);
    mock.half_open.insert(NodeId(1));
    mock.half_open.insert(NodeId(2));
    mock.run_until(2_999 * MS);
    assert!(mock.closes.is_empty());
    mock.half_open.clear();
    mock.run_until(20_000 * MS);
    assert!(mock.closes.iter().all(|(at_ns, _)| *at_ns >= 3_000 * MS), "{:?}", mock.closes);
    assert!(!mock.closes.is_empty());
    assert_eq!(total(&mock), 10);
    check_exactly_once(&mock);
}

#[test]
fn reconnects_back_off_exponentially_up_to_a_second() {
    let mut mock = Mock::new(java(&[], Listed::even(1_000 * MS, MS, 1, 100)), 1, 1);
    mock.run_until(500 * MS);
    mock.down.insert(NodeId(1));
    mock.disconnect(1);
    mock.connects.clear();
    mock.run_until(20_000 * MS);
    let times: Vec<u64> = mock.connects.iter().map(|(at_ns, _)| *at_ns).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]) / MS).collect();
    assert!(gaps[0] >= 80 && gaps[0] <= 121, "the second failure waits 100 ms +- 20 %: {gaps:?}");
    let late = &gaps[6..];
    assert!(late.iter().all(|gap| (800..=1_201).contains(gap)), "{gaps:?}");
    mock.down.clear();
    mock.run_until(30_000 * MS);
    assert_eq!(total(&mock), 1);
}

#[test]
fn a_new_leader_named_in_the_error_is_used_without_back_off() {
    let mut mock = Mock::new(java(&[], Listed::even(1_000 * MS, 10 * MS, 200, 100)), 2, 1);
    mock.run_until(1_500 * MS);
    // broker 2 must be known as a connection target; the error names it as leader
    mock.elect(0, 2);
    mock.run_until(10_000 * MS);
    assert_eq!(total(&mock), 200);
    check_exactly_once(&mock);
    check_order(&mock);
    let slowest = acked(&mock.outcomes).iter().map(|b| b.done_ns - b.records[0].intended_ns).max();
    assert!(slowest.unwrap() < 20 * MS, "{slowest:?}");
    assert_eq!(mock.produced.last().unwrap().node, NodeId(2));
}

#[test]
fn a_batch_too_large_for_the_broker_is_split_until_it_fits() {
    let arrivals = Listed::even(100 * MS, MS / 10, 150, 1_024);
    let mut mock = Mock::new(java(&[("linger.ms", "20")], arrivals), 1, 1);
    mock.message_bytes_max = 5_000;
    mock.run_until(10_000 * MS);
    assert_eq!(total(&mock), 150);
    assert!(mock.logs[0].batches.iter().all(|batch| batch.size_bytes() <= 5_000));
    check_exactly_once(&mock);
    check_order(&mock);
    assert_eq!(mock.client.buffered_bytes(), 0);
}

#[test]
fn fatal_errors_fail_the_batch_and_the_next_ones_go_on() {
    let mut mock = Mock::new(java(&[], Listed::even(100 * MS, 20 * MS, 50, 100)), 1, 1);
    mock.run_until(300 * MS);
    mock.produce_errors.push_back(ErrorCode::InvalidRecord);
    mock.run_until(5_000 * MS);
    let failed = mock.outcomes.iter().filter(|outcome| {
        matches!(outcome, Outcome::Failed(_, FailReason::Fatal(ErrorCode::InvalidRecord)))
    });
    assert_eq!(failed.count(), 1);
    assert_eq!(total(&mock), 49);
    check_exactly_once(&mock);
}

#[test]
fn acks_zero_ends_with_the_send() {
    let arrivals = Listed::even(100 * MS, MS, 100, 100);
    let mut mock = Mock::new(java(&[("acks", "0")], arrivals), 1, 1);
    mock.run_until(1_000 * MS);
    assert_eq!(total(&mock), 100);
    assert!(acked(&mock.outcomes).iter().all(|b| b.done_ns == b.sent_ns && b.base_offset == -1));
    assert!(mock.in_flight.is_empty());
}

/// Random storms of disconnects, lost answers, leader changes, errors and silent brokers: every
/// record ends exactly once, what is acknowledged is in the log, in order, and without duplicates
/// as long as no epoch was bumped.
#[test]
fn storms_lose_nothing_that_was_acknowledged() {
    let mut bumped = 0;
    for seed in 0..60 {
        let mut draws = Streams::new(seed).stream("storm", "producer");
        let keys = [
            ("linger.ms", ["0", "5"][usize::try_from(draws.below(2)).unwrap()]),
            ("request.timeout.ms", "1000"),
            ("delivery.timeout.ms", ["2500", "60000"][usize::try_from(draws.below(2)).unwrap()]),
            ("socket.connection.setup.timeout.ms", "500"),
            ("socket.connection.setup.timeout.max.ms", "1000"),
            ("buffer.memory", "400000"),
        ];
        let mut mock = Mock::new(java(&keys, Listed::even(100 * MS, MS, 10_000, 900)), 3, 5);
        mock.run_until(500 * MS);
        for _ in 0..20 {
            let node = i32::try_from(1 + draws.below(3)).unwrap();
            match draws.below(6) {
                0 => mock.disconnect(node),
                1 => mock.lose_acks = !mock.lose_acks,
                2 => mock.elect(usize::try_from(draws.below(5)).unwrap(), node),
                3 => mock.produce_errors.push_back(ErrorCode::NotEnoughReplicasAfterAppend),
                4 => drop(mock.half_open.insert(NodeId(node))),
                _ => mock.half_open.clear(),
            }
            mock.run_until(mock.now_ns + draws.below(400 * MS));
        }
        mock.lose_acks = false;
        mock.half_open.clear();
        mock.run_until(mock.now_ns + 200_000 * MS);
        mock.input(ClientInput::StopLoad);
        mock.run_until(mock.now_ns + 60_000 * MS);
        let ended: usize = mock
            .outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Acked(done) | Outcome::Failed(done, _) => done.records.len(),
                Outcome::Rejected { records, .. } => usize::try_from(*records).unwrap(),
                other => panic!("{other:?}"),
            })
            .sum();
        assert_eq!(ended, 10_000, "seed {seed}");
        assert!(mock.client.is_drained() && mock.client.buffered_bytes() == 0, "seed {seed}");
        check_order(&mock);
        let failed = mock.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(..)));
        let bump = mock.marks.contains(&"producer: epoch bumped");
        bumped += u32::from(bump);
        if !failed && !bump {
            check_exactly_once(&mock);
        }
    }
    assert!(bumped > 0 && bumped < 60, "both kinds of storm are seen: {bumped}");
}
