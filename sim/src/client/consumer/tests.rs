//! The consumer against the mock: positions, sessions, leader changes, truncation, commits,
//! processing.

use super::{Assignment, Consumer, ConsumerSetup};
use crate::client::config::{ClientCosts, ConsumerConfig};
use crate::client::io::{ClientInput, Outcome};
use crate::client::mock::{Log, MS, Mock, TOPIC};
use crate::rng::Streams;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::SESSION_EPOCH_INITIAL;
use stormglass_broker_core::records::{Batch, BatchHeader, Body};
use stormglass_scenarios::plan::{ClientProfile, ConsumerPlan};

pub(super) fn plan(pairs: &[(&str, &str)]) -> ConsumerPlan {
    let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ConsumerPlan {
        group: "g".to_owned(),
        topics: vec!["t".to_owned()],
        count: 1,
        azs: vec![0],
        profile: ClientProfile::Java,
        config: config.collect(),
        start_ns: 0,
        process_ns_per_record: 0,
        from_beginning: true,
        membership: None,
    }
}

fn consumer(plan: &ConsumerPlan, partitions: u32) -> Consumer {
    let assign = |partition| Assignment { topic: Arc::from("t"), partition };
    Consumer::new(ConsumerSetup {
        config: ConsumerConfig::parse(plan).unwrap(),
        costs: ClientCosts::default(),
        bootstrap: vec![NodeId(1)],
        assignment: (0..partitions).map(assign).collect(),
        membership: None,
        draws: Streams::new(5).stream("client", "draws"),
    })
}

fn batch(records: i32) -> Batch {
    let header = BatchHeader {
        base_offset: 0,
        partition_leader_epoch: 0,
        attributes: 0,
        last_offset_delta: records - 1,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: records,
    };
    Batch { header, body: Body::Owned(bytes::Bytes::from(vec![0; 100])) }
}

pub(super) fn fill(log: &mut Log, batches: usize) {
    for _ in 0..batches {
        log.append(&batch(10));
    }
}

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

/// Delivered offsets per partition are without gap or repetition from `start`; the ends.
pub(super) fn delivered(outcomes: &[Outcome], start: i64) -> BTreeMap<i32, i64> {
    let mut next = BTreeMap::new();
    for outcome in outcomes {
        if let Outcome::Delivered { tp, first_offset, count, batch, .. } = outcome {
            let next = next.entry(tp.partition).or_insert(start);
            assert_eq!(*first_offset, *next, "{tp:?}");
            *next += i64::from(*count);
            assert!(*next <= batch.next_offset() && *count > 0);
        }
    }
    next
}

#[test]
fn a_backlog_is_read_once_and_new_records_follow() {
    let mut mock = Mock::new(consumer(&plan(&[]), 6), 3, 6);
    for log in &mut mock.logs {
        fill(log, 500);
    }
    mock.run_until(1_000 * MS);
    assert!(delivered(&mock.outcomes, 0).values().all(|end| *end == 5_000));
    for log in &mut mock.logs {
        fill(log, 3);
    }
    mock.run_until(3_000 * MS);
    let ends = delivered(&mock.outcomes, 0);
    assert_eq!((ends.len(), ends.values().all(|end| *end == 5_030)), (6, true));
}

#[test]
fn sessions_say_only_what_changed_and_survive_errors() {
    let mut mock = Mock::new(consumer(&plan(&[]), 4), 1, 4);
    fill(&mut mock.logs[0], 1);
    mock.run_until(400 * MS);
    let first = &mock.fetches[0].2;
    assert_eq!((first.session_epoch, first.partitions.len()), (SESSION_EPOCH_INITIAL, 4));
    let second = &mock.fetches[1].2;
    assert_eq!((second.session_epoch, second.partitions.len()), (1, 1));
    assert_eq!(second.partitions[0].fetch_offset, 10);
    mock.fetch_errors.push_back(ErrorCode::FetchSessionIdNotFound);
    mock.fetch_errors.push_back(ErrorCode::InvalidFetchSessionEpoch);
    let before = mock.fetches.len();
    mock.run_until(2_000 * MS);
    let full = |at: usize| {
        let request = &mock.fetches[at].2;
        (request.session_epoch, request.partitions.len()) == (SESSION_EPOCH_INITIAL, 4)
    };
    assert!(full(before + 1) && full(before + 2));
    let asked = mock.fetches[before + 1].2.partitions.iter().map(|of| of.tp.partition);
    assert_eq!(asked.collect::<Vec<_>>(), [1, 2, 3, 0], "answers are filled in this order");
    assert_ne!(mock.fetches[before + 3].2.session_epoch, SESSION_EPOCH_INITIAL);
    fill(&mut mock.logs[3], 2);
    mock.run_until(4_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&3], 20);
}

#[test]
fn committed_positions_are_restored_and_latest_starts_at_the_end() {
    let mut mock = Mock::new(consumer(&plan(&[]), 2), 1, 2);
    fill(&mut mock.logs[0], 100);
    mock.run_until(6_000 * MS);
    assert_eq!(mock.committed, BTreeMap::from([(tp(0), (1_000, 1))]));
    let mut latest = plan(&[]);
    latest.from_beginning = false;
    let mut next = Mock::new(consumer(&latest, 2), 1, 2);
    for log in &mut next.logs {
        fill(log, 200);
    }
    next.committed = mock.committed;
    // inside a batch: the batch comes whole, delivery begins at the position
    next.committed.insert(tp(0), (1_005, 1));
    next.run_until(1_000 * MS);
    let found: Vec<_> = next.outcomes.iter().filter_map(position).collect();
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|found| matches!(found, (0, 1_005, true, _))));
    assert!(found.iter().any(|found| matches!(found, (1, 2_000, false, _))));
    assert_eq!(delivered(&next.outcomes, 1_005), BTreeMap::from([(0, 2_000)]));
}

/// Partition, position, whether it was committed, and when the coordinator was asked, ns.
fn position(outcome: &Outcome) -> Option<(i32, i64, bool, u64)> {
    match outcome {
        Outcome::PositionFound { tp, offset, committed, asked_ns } => {
            Some((tp.partition, *offset, *committed, *asked_ns))
        }
        _ => None,
    }
}

/// Leader 2 says where its log begins once it is there; what is committed was asked for long before.
#[test]
fn a_position_says_when_the_coordinator_was_asked() {
    let mut mock = Mock::new(consumer(&plan(&[]), 2), 2, 2);
    mock.down.insert(NodeId(2));
    mock.run_until(1_000 * MS);
    let early: Vec<_> = mock.outcomes.iter().filter_map(position).collect();
    assert!(matches!(early[..], [(0, 0, false, asked_ns)] if asked_ns > 0), "{early:?}");
    mock.down.clear();
    mock.run_until(10_000 * MS);
    let all: Vec<_> = mock.outcomes.iter().filter_map(position).collect();
    assert_eq!(all, [early[0], (1, 0, false, early[0].3)]);
}

#[test]
fn commits_follow_a_coordinator_that_moves() {
    let mut mock = Mock::new(consumer(&plan(&[]), 1), 2, 1);
    fill(&mut mock.logs[0], 10);
    mock.run_until(1_000 * MS);
    mock.coordinator = 2;
    mock.run_until(8_000 * MS);
    assert_eq!(mock.committed[&tp(0)].0, 100);
    assert!(mock.outcomes.contains(&Outcome::Committed { tp: tp(0), offset: 100 }));
}

/// A consumer that only commits has no connection of its own for that.
#[test]
fn commits_follow_a_coordinator_that_moves_while_there_is_no_way_to_it() {
    let keys = [
        ("auto.commit.interval.ms", "200"),
        ("reconnect.backoff.ms", "10000"),
        ("reconnect.backoff.max.ms", "10000"),
        ("retry.backoff.max.ms", "100"),
    ];
    let mut mock = Mock::new(consumer(&plan(&keys), 1), 3, 1);
    mock.coordinator = 2;
    fill(&mut mock.logs[0], 10);
    mock.run_until(1_000 * MS);
    mock.disconnect(2);
    fill(&mut mock.logs[0], 10);
    mock.run_until(2_000 * MS);
    assert_eq!(mock.committed[&tp(0)].0, 100, "no connection to it is tried yet");
    mock.coordinator = 3;
    mock.run_until(2_500 * MS);
    assert_eq!(mock.committed[&tp(0)].0, 200);
}

#[test]
fn a_leader_change_is_followed_after_validation() {
    let mut mock = Mock::new(consumer(&plan(&[]), 1), 2, 1);
    fill(&mut mock.logs[0], 10);
    mock.run_until(500 * MS);
    mock.elect(0, 2);
    fill(&mut mock.logs[0], 10);
    mock.run_until(3_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 200);
    assert_eq!(mock.fetches.last().unwrap().1, NodeId(2));
    assert!(!mock.outcomes.iter().any(|o| matches!(o, Outcome::TruncationDetected { .. })));
}

#[test]
fn a_truncation_under_the_position_is_detected() {
    let mut mock = Mock::new(consumer(&plan(&[]), 1), 2, 1);
    fill(&mut mock.logs[0], 10);
    mock.run_until(500 * MS);
    // the new leader has only the first 40 records, and writes others instead
    mock.logs[0].batches.truncate(4);
    mock.elect(0, 2);
    fill(&mut mock.logs[0], 20);
    mock.run_until(3_000 * MS);
    let seen = Outcome::TruncationDetected { tp: tp(0), position: 100, to: 40 };
    assert!(mock.outcomes.contains(&seen));
    let at = mock.outcomes.iter().position(|outcome| *outcome == seen).unwrap();
    assert_eq!(delivered(&mock.outcomes[at..], 40)[&0], 240);
}

/// Two unclean elections: to a replica with nothing, and back to the one with everything.
#[test]
fn a_position_in_an_epoch_that_was_given_up_goes_on_where_it_is() {
    let mut mock = Mock::new(consumer(&plan(&[]), 1), 2, 1);
    fill(&mut mock.logs[0], 10);
    let first = std::mem::take(&mut mock.logs[0].batches);
    mock.elect(0, 2);
    fill(&mut mock.logs[0], 4);
    mock.run_until(500 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 40);
    mock.logs[0].batches = first;
    mock.elect(0, 1);
    mock.run_until(3_000 * MS);
    // that epoch ends behind the position, or one before it does: all is well (`maybeCompleteValidation`)
    assert!(!mock.outcomes.iter().any(|o| matches!(o, Outcome::TruncationDetected { .. })));
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 100);
}

#[test]
fn a_position_that_retention_deleted_is_reset() {
    let mut slow = plan(&[("auto.offset.reset", "earliest")]);
    slow.process_ns_per_record = 10 * MS;
    let mut mock = Mock::new(consumer(&slow, 1), 1, 1);
    fill(&mut mock.logs[0], 10);
    mock.run_until(100 * MS);
    fill(&mut mock.logs[0], 90);
    mock.logs[0].batches.drain(..50);
    mock.logs[0].start = 500;
    mock.run_until(20_000 * MS);
    assert!(mock.outcomes.contains(&Outcome::OffsetReset { tp: tp(0), from: 100, to: 500 }));
    let [(_, position)] = mock.client.positions().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(position, 1_000);
}

#[test]
fn processing_limits_the_rate_and_polls_are_bounded() {
    let mut slow = plan(&[("max.poll.records", "25")]);
    slow.process_ns_per_record = MS;
    let mut mock = Mock::new(consumer(&slow, 2), 1, 2);
    fill(&mut mock.logs[0], 50);
    fill(&mut mock.logs[1], 50);
    mock.run_until(600 * MS);
    let mut per_poll = BTreeMap::new();
    for outcome in &mock.outcomes {
        if let Outcome::Delivered { delivered_ns, count, .. } = outcome {
            *per_poll.entry(*delivered_ns).or_insert(0) += count;
        }
    }
    assert!(per_poll.values().all(|count| *count == 25), "{per_poll:?}");
    let times: Vec<u64> = per_poll.keys().copied().collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 25 * MS), "{times:?}");
    mock.run_until(3_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0), BTreeMap::from([(0, 500), (1, 500)]));
    // partitions with waiting records are not fetched: two fetches bring all, and no polling spins
    assert!(mock.fetches.len() < 12, "{}", mock.fetches.len());
}

#[test]
fn the_closer_replica_is_read_until_it_fails() {
    let mut mock = Mock::new(consumer(&plan(&[("client.rack", "b")]), 1), 2, 1);
    mock.preferred_replica = Some(NodeId(2));
    fill(&mut mock.logs[0], 10);
    mock.run_until(1_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 100);
    let from = |outcome: &Outcome| match outcome {
        Outcome::Delivered { from_broker, .. } => Some(*from_broker),
        _ => None,
    };
    assert!(mock.outcomes.iter().filter_map(from).all(|node| node == NodeId(2)));
    assert_eq!(mock.fetches[0].2.rack.as_deref(), Some("b"));
    mock.preferred_replica = None;
    mock.down.insert(NodeId(2));
    mock.disconnect(2);
    fill(&mut mock.logs[0], 10);
    mock.run_until(5_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 200);
    assert_eq!(mock.outcomes.iter().filter_map(from).next_back(), Some(NodeId(1)));
}

#[test]
fn a_half_open_broker_is_given_up_and_read_again() {
    let mut mock = Mock::new(consumer(&plan(&[("request.timeout.ms", "3000")]), 2), 2, 2);
    mock.run_until(500 * MS);
    mock.half_open.insert(NodeId(2));
    fill(&mut mock.logs[0], 10);
    fill(&mut mock.logs[1], 10);
    mock.run_until(3_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0), BTreeMap::from([(0, 100)]));
    mock.half_open.clear();
    mock.run_until(10_000 * MS);
    assert!(mock.closes.iter().all(|(at_ns, node)| *at_ns > 3_000 * MS && *node == NodeId(2)));
    assert_eq!(mock.closes.len(), 1);
    assert_eq!(delivered(&mock.outcomes, 0), BTreeMap::from([(0, 100), (1, 100)]));
}

#[test]
fn a_paused_consumer_reads_nothing_and_goes_on_where_it_was() {
    let mut mock = Mock::new(consumer(&plan(&[]), 1), 1, 1);
    fill(&mut mock.logs[0], 5);
    mock.run_until(200 * MS);
    mock.input(ClientInput::Pause);
    fill(&mut mock.logs[0], 5);
    mock.run_until(20_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 50);
    mock.input(ClientInput::Resume);
    mock.run_until(21_000 * MS);
    assert_eq!(delivered(&mock.outcomes, 0)[&0], 100);
}

/// Random storms of disconnects, leader changes, session errors and silent brokers, while records
/// are appended: each is delivered once, in order.
#[test]
fn storms_neither_skip_nor_repeat_records() {
    for seed in 0..60 {
        let mut draws = Streams::new(seed).stream("storm", "consumer");
        let keys = [
            ("request.timeout.ms", "1000"),
            ("socket.connection.setup.timeout.ms", "500"),
            ("socket.connection.setup.timeout.max.ms", "1000"),
            ("max.partition.fetch.bytes", "700"),
        ];
        let mut plan = plan(&keys);
        plan.process_ns_per_record = [0, MS / 50][usize::try_from(draws.below(2)).unwrap()];
        let mut mock = Mock::new(consumer(&plan, 5), 3, 5);
        for _ in 0..30 {
            let node = i32::try_from(1 + draws.below(3)).unwrap();
            match draws.below(6) {
                0 => mock.disconnect(node),
                1 => mock.fetch_errors.push_back(ErrorCode::FetchSessionIdNotFound),
                2 => mock.fetch_errors.push_back(ErrorCode::InvalidFetchSessionEpoch),
                3 => mock.elect(usize::try_from(draws.below(5)).unwrap(), node),
                4 => drop(mock.half_open.insert(NodeId(node))),
                _ => mock.half_open.clear(),
            }
            let log = usize::try_from(draws.below(5)).unwrap();
            fill(&mut mock.logs[log], 20);
            mock.run_until(mock.now_ns + draws.below(300 * MS));
        }
        mock.half_open.clear();
        mock.run_until(mock.now_ns + 60_000 * MS);
        let ends = delivered(&mock.outcomes, 0);
        for (partition, log) in mock.logs.iter().enumerate() {
            let end = ends.get(&i32::try_from(partition).unwrap()).copied().unwrap_or(0);
            assert_eq!(end, log.end(), "seed {seed}");
        }
    }
}
