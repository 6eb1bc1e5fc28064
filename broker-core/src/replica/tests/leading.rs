//! Leaders: what waits, what is refused, what is forgotten.

use super::rig::{Rig, TOPIC, TP, consumer_fetch, nothing_new};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NO_EPOCH, NO_OFFSET, NodeId, TopicPartition};
use crate::log::testing::{numbered, sequenced};
use crate::metadata::{
    ConfigResource, LeaderUpdate, MetadataRecord, PartitionChangeRecord, PartitionRecord,
};
use crate::protocol::{
    Acks, EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, IsolationLevel,
    ProducePartition, ProduceRequest, ReplicaState, Response, SESSION_EPOCH_FINAL,
};
use crate::records::Records;
use crate::replica::{AppendOrigin, ProduceOutcome};
use crate::seam::{DiskOp, DiskOpKind, DiskResult, TimerKey};
use crate::step::ReplyTo;
use crate::time::Instant;
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn who_leads_on_in_a_new_epoch_keeps_what_waits_for_replication() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce();
    rig.disk();
    rig.elect(1);
    assert!(rig.replies().is_empty(), "the batch is still in the log");
    rig.fetched_by(2, 1, 0);
    let answers = rig.replies();
    let acked = answers.iter().find_map(|answer| match answer {
        Response::Produce(response) => Some(response.partitions[0].error),
        _ => None,
    });
    assert_eq!(acked, Some(ErrorCode::None));
}

/// Without it the log ended behind batches whose sync took longer, and they came after those that follow them.
#[test]
fn what_is_flushed_as_it_is_appended_counts_in_the_order_of_the_log() {
    let mut rig = Rig::new("orders", |server| server.log_flush_interval_messages = 1);
    rig.create(1, &[1]);
    let end = |rig: &Rig| rig.partition().log.log_end_offset();
    let mut asked = Vec::new();
    for _ in 0..3 {
        rig.produce();
        asked.push(std::mem::take(&mut rig.effects.disk));
    }
    let first = asked.remove(0);
    for op in asked.into_iter().flatten() {
        rig.disk_op(op);
    }
    assert_eq!(end(&rig), 0, "the first batch is not flushed");
    for op in first {
        rig.disk_op(op);
    }
    assert_eq!((end(&rig), rig.high_watermark()), (3, 3));
}

#[test]
fn who_leads_no_longer_acknowledges_nothing() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce();
    rig.disk();
    rig.elect(2);
    let answers = rig.replies();
    let [Response::Produce(response)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(response.partitions[0].error, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn a_search_that_outlasts_its_leader_finds_nothing() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    let led = |rig: &Rig, epoch| rig.replicas.led_in(TP, epoch).map(|p| p.leader_epoch);
    let epoch = rig.partition().leader_epoch;
    assert_eq!(led(&rig, epoch), Ok(epoch));
    rig.elect(2);
    assert_eq!(led(&rig, epoch), Err(ErrorCode::NotLeaderOrFollower));
    rig.elect(1);
    assert_eq!(led(&rig, epoch), Err(ErrorCode::NotLeaderOrFollower), "it has cut its log since");
    let gone = TopicPartition::new(TOPIC, 9);
    let unknown = rig.replicas.led_in(gone, epoch).map(|p| p.leader_epoch);
    assert_eq!(unknown, Err(ErrorCode::UnknownTopicOrPartition));
}

fn produce(rig: &mut Rig, acks: Acks, connection: u64) {
    let to = ReplyTo { conn: ConnectionId(connection), correlation: CorrelationId(1) };
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    let partitions = vec![ProducePartition { tp: TP, records }];
    let request = ProduceRequest { acks, timeout_ms: 30_000, partitions };
    rig.act(|replicas, step| replicas.produce(step, AppendOrigin::Client(to), request));
}

#[test]
fn who_asks_for_no_answer_hears_of_errors_by_the_end_of_its_connection() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    produce(&mut rig, Acks::None, 4);
    rig.disk();
    let reply = rig.effects.replies.pop().unwrap();
    assert!(reply.response.is_none() && !reply.closes);
    rig.elect(2);
    rig.effects.replies.clear();
    produce(&mut rig, Acks::None, 4);
    let reply = rig.effects.replies.pop().unwrap();
    assert!(reply.response.is_none() && reply.closes);
    produce(&mut rig, Acks::Leader, 5);
    let reply = rig.effects.replies.pop().unwrap();
    assert!(reply.response.is_some() && !reply.closes, "it is told");
}

#[test]
fn a_batch_that_is_sent_again_is_acknowledged_once_the_first_copy_is_on_disk() {
    for cut in [false, true] {
        let mut rig = Rig::with_partition(1, &[1, 2]);
        produce(&mut rig, Acks::Leader, 4);
        produce(&mut rig, Acks::Leader, 5);
        assert!(rig.replies().is_empty());
        if cut {
            rig.elect(2);
        }
        rig.disk();
        let told = rig.replies();
        let error = |answer: &Response| match answer {
            Response::Produce(answer) => Some(answer.partitions[0].error),
            _ => None,
        };
        let told: Vec<_> = told.iter().filter_map(error).collect();
        let expected = if cut { ErrorCode::NotLeaderOrFollower } else { ErrorCode::None };
        assert_eq!(told, [expected, expected]);
    }
}

#[test]
fn below_the_log_start_a_fetch_is_out_of_range_whatever_its_epoch() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.elect(1);
    rig.produce();
    rig.produce();
    rig.disk();
    let slot = rig.replicas.slot(TP).unwrap();
    let log = &mut rig.replicas.partition_mut(slot).unwrap().log;
    log.advance_log_start(1, &mut Vec::new());
    for last_epoch in [-1, 0, 1] {
        rig.replies();
        rig.fetched_by(2, 0, last_epoch);
        let answers = rig.replies();
        let [Response::Fetch(response)] = answers.as_slice() else { panic!("{answers:?}") };
        let answer = &response.partitions[0];
        assert_eq!((answer.error, answer.diverging_epoch), (ErrorCode::OffsetOutOfRange, None));
    }
}

#[test]
fn idle_producers_are_forgotten() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    rig.act(|replicas, step| replicas.expiry_due(step));
    assert_eq!(rig.partition().log.producer_count(), 1);
    rig.now_ms += 86_400_000;
    rig.act(|replicas, step| replicas.expiry_due(step));
    assert_eq!(rig.partition().log.producer_count(), 0);
}

#[test]
fn committed_positions_are_never_deleted_by_age_or_size() {
    let short = |server: &mut crate::config::ServerConfig| {
        (server.log_retention_ms, server.log_retention_bytes) = (1, 1);
    };
    let mut rig = Rig::new("orders", short);
    rig.create(1, &[1]);
    let kept = |rig: &Rig| {
        let config = rig.partition().log.config();
        (config.retention_ms, config.retention_bytes)
    };
    assert_eq!(kept(&rig), (Some(1), Some(1)));
    let mut rig = Rig::new(crate::group::OFFSETS_TOPIC, short);
    rig.create(1, &[1]);
    assert_eq!(kept(&rig), (None, None));
}

#[test]
fn a_fetch_is_filled_by_what_partitions_have_and_not_by_what_they_may_have() {
    let mut rig = Rig::new("orders", |_| {});
    let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
    let tps = [0, 1, 2].map(|partition| TopicPartition::new(TOPIC, partition));
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    let batch_bytes = i32::try_from(records.size_bytes()).unwrap();
    for tp in tps {
        rig.apply(&[MetadataRecord::Partition(PartitionRecord::in_sync(tp, &[NodeId(1)]))]);
        let partitions = vec![ProducePartition { tp, records: records.clone() }];
        let request = ProduceRequest { acks: Acks::Leader, timeout_ms: 30_000, partitions };
        rig.act(|replicas, step| replicas.produce(step, AppendOrigin::Client(to), request));
        rig.disk();
    }
    let mut read = |max_bytes: i32| {
        let partitions = tps.map(|tp| FetchPartition {
            tp,
            current_leader_epoch: 0,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: NO_OFFSET,
            max_bytes: 10 * batch_bytes,
        });
        let request = FetchRequest {
            replica: None,
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: SESSION_EPOCH_FINAL,
            partitions: partitions.to_vec(),
            forgotten: Vec::new(),
            rack: None,
        };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        let op = rig.effects.disk.pop().unwrap();
        let DiskOpKind::Read { ranges, .. } = op.kind else { panic!("{op:?}") };
        let read = ranges.iter().map(|_| records.clone()).collect();
        rig.act(|replicas, step| replicas.read_done(step, op.id, DiskResult::Read(read)));
        // Kafka's Java consumer drops a full answer that lacks a partition
        let replies = rig.replies();
        let Some(Response::Fetch(answer)) = replies.last() else { panic!("{replies:?}") };
        let mut named: Vec<_> = answer.partitions.iter().map(|answer| answer.tp).collect();
        named.sort_unstable();
        assert_eq!(named, tps);
        ranges.len()
    };
    assert_eq!(read(40 * batch_bytes), 3);
    assert_eq!(read(10 * batch_bytes), 3, "three batches are far from ten");
    assert_eq!(read(batch_bytes + 1), 2);
    assert_eq!(read(batch_bytes), 1);
}

/// A leader's partition without other replicas, in which a record is written.
fn write(rig: &mut Rig, tp: TopicPartition) {
    let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    let partitions = vec![ProducePartition { tp, records }];
    let request = ProduceRequest { acks: Acks::Leader, timeout_ms: 30_000, partitions };
    rig.act(|replicas, step| replicas.produce(step, AppendOrigin::Client(to), request));
    rig.disk();
}

/// Kafka moves what an answer has records of to the session's end: what it had no room for is next, and news are not
/// put off by those that are far behind.
#[test]
fn partitions_of_a_session_whose_fetches_are_full_take_turns() {
    let mut rig = Rig::new("orders", |_| {});
    let tps = [0, 1, 2, 3, 4].map(|partition| TopicPartition::new(TOPIC, partition));
    for tp in tps {
        rig.apply(&[MetadataRecord::Partition(PartitionRecord::in_sync(tp, &[NodeId(1)]))]);
    }
    tps[..4].iter().for_each(|tp| write(&mut rig, *tp));
    let asked = tps.map(|tp| FetchPartition {
        tp,
        current_leader_epoch: 0,
        fetch_offset: 0,
        last_fetched_epoch: -1,
        log_start_offset: NO_OFFSET,
        max_bytes: 1 << 20,
    });
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    let max_bytes = i32::try_from(2 * records.size_bytes()).unwrap();
    let (mut id, mut epoch) = (0, 0);
    // what is read for a fetch of a session, of which the disk gives so many
    let mut read = |rig: &mut Rig, gives: usize| {
        let partitions = if epoch == 0 { asked.to_vec() } else { Vec::new() };
        let request =
            FetchRequest { max_bytes, max_wait_ms: 0, ..consumer_fetch(id, epoch, partitions) };
        epoch += 1;
        let to = ReplyTo { conn: ConnectionId(2), correlation: CorrelationId(1) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        let op = rig.effects.disk.pop().unwrap();
        let DiskOpKind::Read { ranges, .. } = op.kind else { panic!("{op:?}") };
        let of = |index: usize| if index < gives { records.clone() } else { Records::default() };
        let read = DiskResult::Read((0..ranges.len()).map(of).collect());
        rig.act(|replicas, step| replicas.read_done(step, op.id, read));
        let replies = rig.replies();
        let Some(Response::Fetch(answer)) = replies.last() else { panic!("{replies:?}") };
        id = answer.session_id;
        ranges.iter().map(|range| range.tp.partition).collect::<Vec<_>>()
    };
    assert_eq!(read(&mut rig, 2), [0, 1]);
    assert_eq!(read(&mut rig, 2), [2, 3], "there was no room for them");
    assert_eq!(read(&mut rig, 1), [0, 1], "they are as far behind as before");
    assert_eq!(read(&mut rig, 2), [1, 2], "there was no room for the first one either");
    write(&mut rig, tps[4]);
    assert_eq!(read(&mut rig, 2), [4, 3], "it had nothing for longer than the others");
    assert_eq!(read(&mut rig, 2), [0, 1]);
}

/// KAFKA-18723: the leader may have cut its log meanwhile, and what the disk read may have been copied since.
#[test]
fn what_was_read_for_a_fetch_of_an_earlier_epoch_is_not_sent_though_the_replica_leads_again() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce();
    rig.disk();
    rig.fetched_by(2, 0, -1);
    let read = rig.effects.disk.pop().expect("a read");
    assert!(matches!(read.kind, DiskOpKind::Read { .. }), "{read:?}");
    rig.elect(2);
    rig.elect(1);
    rig.replies();
    let records = numbered(sequenced(9, 0, 0, 1), 0, 2);
    let result = DiskResult::Read(vec![records]);
    rig.act(|replicas, step| replicas.read_done(step, read.id, result));
    let answers = rig.replies();
    let [Response::Fetch(answer)] = &answers[..] else { panic!("{answers:?}") };
    let of = &answer.partitions[0];
    assert_eq!((of.error, of.records.is_empty()), (ErrorCode::FencedLeaderEpoch, true));
}

/// A consumer's fetch without a session.
fn fetch_from_the_start() -> FetchRequest {
    let asked = FetchPartition {
        tp: TP,
        current_leader_epoch: 0,
        fetch_offset: 0,
        last_fetched_epoch: -1,
        log_start_offset: NO_OFFSET,
        max_bytes: 1 << 20,
    };
    consumer_fetch(0, SESSION_EPOCH_FINAL, vec![asked])
}

fn is_read(op: &DiskOp) -> bool {
    matches!(op.kind, DiskOpKind::Read { .. })
}

/// `KafkaApis.handleFetchRequest`.
#[test]
fn a_fetch_waits_for_no_more_than_its_answer_may_have() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    let mut reads = |max_bytes| {
        let request = FetchRequest { min_bytes: 1 << 16, max_bytes, ..fetch_from_the_start() };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        std::mem::take(&mut rig.effects.disk).iter().any(is_read)
    };
    assert!(!reads(1 << 20), "there is less than it wants");
    assert!(reads(10), "more does not fit");
    assert!(reads(0), "one batch always does");
}

/// `fetch.max.bytes` of a broker.
#[test]
fn answers_to_followers_are_limited_as_those_to_consumers() {
    let mut rig = Rig::new("orders", |server| server.fetch_max_bytes = 1_024);
    rig.create(1, &[1, 2]);
    rig.produce();
    rig.disk();
    rig.fetched_by(2, 0, -1);
    let read = rig.effects.disk.pop().map(|op| op.kind);
    assert!(matches!(read, Some(DiskOpKind::Read { max_bytes: 1_024, .. })), "{read:?}");
}

/// `DelayedFetch.tryComplete`: it gets nothing of the next segment, and no more comes to this one.
#[test]
fn a_fetch_does_not_wait_for_more_once_a_segment_begins_behind_what_it_reads() {
    let mut rig = Rig::new("orders", |_| {});
    rig.apply(&[MetadataRecord::Config {
        resource: ConfigResource::Topic("orders".into()),
        key: "segment.bytes".into(),
        value: Some("300".into()),
    }]);
    rig.create(1, &[1]);
    for _ in 0..2 {
        rig.produce();
        rig.disk();
    }
    let request = FetchRequest { min_bytes: 1 << 16, ..fetch_from_the_start() };
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    rig.act(|replicas, step| replicas.fetch(step, to, &request));
    assert!(!rig.effects.disk.iter().any(is_read), "both records are in one segment");
    rig.produce();
    rig.disk();
    assert_eq!(rig.partition().log.segment_count(), 2);
    assert!(rig.effects.disk.iter().any(is_read));
}

/// The isolation level belongs to a request, not to its session.
#[test]
fn a_session_goes_on_with_the_isolation_level_that_it_is_asked_with() {
    let mut rig = Rig::with_partition(1, &[1]);
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    let asked = fetch_from_the_start().partitions;
    for (epoch, isolation) in
        [(0, IsolationLevel::ReadUncommitted), (1, IsolationLevel::ReadCommitted)]
    {
        let id = rig.replicas.session_views().first().map_or(0, |session| session.id);
        let partitions = if epoch == 0 { asked.clone() } else { Vec::new() };
        let request =
            FetchRequest { isolation, max_wait_ms: 0, ..consumer_fetch(id, epoch, partitions) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        let sessions = rig.replicas.session_views();
        assert_eq!(sessions.iter().map(|of| of.isolation).collect::<Vec<_>>(), [isolation]);
    }
}

/// A short wait between long ones armed the timer of the long ones a second time, and each of the two
/// armed the next one: half of all events of a hunt were such timers.
#[test]
fn fetches_that_wait_for_different_times_leave_no_timers_behind() {
    let mut rig = Rig::with_partition(1, &[1]);
    let (mut timers, mut fired, mut waits) = (BTreeSet::new(), 0, BTreeSet::new());
    for round in 0..400_u64 {
        rig.now_ms += 1;
        let max_wait_ms = if round % 3 == 0 { 10 } else { 100 };
        let request = FetchRequest { max_wait_ms, ..fetch_from_the_start() };
        let to = ReplyTo { conn: ConnectionId(round), correlation: CorrelationId(1) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        waits.insert((rig.now_ms + u64::from(max_wait_ms.unsigned_abs()), to.conn.0));
        loop {
            let armed = rig.effects.timers.drain(..).filter(|(_, key)| *key == TimerKey::Purgatory);
            for (at, _) in armed {
                assert!(timers.insert(at), "one timer for one time");
            }
            let now = Instant::from_nanos(rig.now_ms * 1_000_000);
            if timers.first().is_none_or(|at| *at > now) {
                break;
            }
            timers.pop_first();
            fired += 1;
            rig.act(|replicas, step| replicas.purgatory_due(step));
        }
        let answered: BTreeSet<u64> =
            std::mem::take(&mut rig.effects.replies).iter().map(|reply| reply.conn.0).collect();
        let due: BTreeSet<u64> =
            waits.iter().filter(|(at_ms, _)| *at_ms <= rig.now_ms).map(|(_, conn)| *conn).collect();
        assert_eq!(answered, due, "answered when the wait is over");
        waits.retain(|(_, conn)| !due.contains(conn));
    }
    assert!(timers.len() <= 3, "{} timers", timers.len());
    assert!(fired <= 450, "{fired} timers fired for 400 fetches");
}

/// Nothing else would: nobody appends to a partition whose coordinator waits for that.
#[test]
fn what_fewer_replicas_in_sync_are_enough_for_is_committed_at_once() {
    let mut rig = Rig::new("orders", |server| server.min_insync_replicas = 2);
    rig.create(1, &[1]);
    let records = Records::single(Arc::new(rig.batch()));
    let partitions = vec![ProducePartition { tp: TP, records }];
    let request = ProduceRequest { acks: Acks::Leader, timeout_ms: 1_000, partitions };
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    rig.act(|replicas, step| replicas.produce(step, AppendOrigin::Client(to), request));
    rig.disk();
    assert_eq!(rig.high_watermark(), 0);
    rig.apply(&[MetadataRecord::Config {
        resource: ConfigResource::Topic("orders".into()),
        key: "min.insync.replicas".into(),
        value: Some("1".into()),
    }]);
    assert_eq!(rig.high_watermark(), 1);
}

#[test]
fn records_are_flushed_before_they_count_where_the_topic_says_so() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.apply(&[MetadataRecord::Config {
        resource: ConfigResource::Topic("orders".into()),
        key: "flush.messages".into(),
        value: Some("2".into()),
    }]);
    let is_sync = |op: &&DiskOpKind| matches!(op, DiskOpKind::Sync { .. });
    rig.disk();
    rig.produce();
    assert_eq!(rig.disk().iter().filter(is_sync).count(), 0, "one record may wait");
    assert_eq!(rig.high_watermark(), 1);
    rig.produce();
    let mut ops = std::mem::take(&mut rig.effects.disk);
    let last = ops.pop().expect("an append and a sync");
    for op in ops {
        rig.disk_op(op);
    }
    assert_eq!(rig.high_watermark(), 1, "the second one is not on the volume yet");
    assert!(is_sync(&&rig.disk_op(last)));
    assert_eq!(rig.high_watermark(), 2);
    assert_eq!(rig.partition().log.recovery_point(), 2);
}

/// Hunt seed 1000494: a high watermark from the checkpoint of a log that was cut lies within a batch. Nothing
/// of that can be read, and asking again at once would not help.
#[test]
fn a_read_that_finds_nothing_waits_for_more() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    let request = fetch_from_the_start();
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    let finds_nothing = |rig: &mut Rig| {
        let at = rig.effects.disk.iter().position(|op| matches!(op.kind, DiskOpKind::Read { .. }));
        let id = rig.effects.disk.remove(at.expect("a read")).id;
        let nothing = DiskResult::Read(vec![Records::default()]);
        rig.act(|replicas, step| replicas.read_done(step, id, nothing));
    };
    rig.act(|replicas, step| replicas.fetch(step, to, &request));
    finds_nothing(&mut rig);
    rig.replies(); // the producer's
    assert!(rig.effects.disk.is_empty(), "there is nothing to try again for");

    rig.produce();
    rig.disk();
    rig.replies();
    finds_nothing(&mut rig); // what the second batch brought about
    assert!(rig.replies().is_empty());

    rig.now_ms += 500;
    rig.act(|replicas, step| replicas.purgatory_due(step));
    finds_nothing(&mut rig);
    let answers = rig.replies();
    let [Response::Fetch(answer)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.partitions.len(), answer.partitions[0].high_watermark), (1, 2));
    assert!(answer.partitions[0].records.is_empty());
}

/// Hunt seed 2701915: with a segment goes what the log knows of transactions that were aborted there. A reader
/// of committed records took them for committed, as the disk had begun to read before.
#[test]
fn what_is_deleted_while_it_is_read_is_out_of_range_for_readers_of_committed_records() {
    for (isolation, expected) in [
        (IsolationLevel::ReadCommitted, (ErrorCode::OffsetOutOfRange, true)),
        (IsolationLevel::ReadUncommitted, (ErrorCode::None, false)),
    ] {
        let mut rig = Rig::with_partition(1, &[1]);
        for _ in 0..2 {
            rig.produce();
            rig.disk();
        }
        rig.replies();
        let request = FetchRequest { isolation, ..fetch_from_the_start() };
        let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        let read = rig.effects.disk.pop().expect("a read");
        let deleted = rig.act(|replicas, step| replicas.delete_records(step, TP, 1));
        assert_eq!(deleted, Ok(1));
        let records = Records::single(Arc::new(rig.batch()));
        let result = DiskResult::Read(vec![records]);
        rig.act(|replicas, step| replicas.read_done(step, read.id, result));
        let answers = rig.replies();
        let Some(Response::Fetch(answer)) = answers.last() else { panic!("{answers:?}") };
        let of = &answer.partitions[0];
        assert_eq!((of.error, of.records.is_empty()), expected);
    }
}

/// Hunt seed 735429: the log has what took too long, so that whoever keeps books of it must hear of its end.
#[test]
fn a_coordinator_hears_that_its_append_takes_too_long_and_how_it_ends() {
    for (leader, end) in [(1, ErrorCode::None), (2, ErrorCode::NotLeaderOrFollower)] {
        let mut rig = Rig::with_partition(1, &[1, 2]);
        let records = Records::single(Arc::new(rig.batch()));
        let partitions = vec![ProducePartition { tp: TP, records }];
        let request = ProduceRequest { acks: Acks::All, timeout_ms: 5_000, partitions };
        let origin = AppendOrigin::Coordinator(3);
        rig.act(|replicas, step| replicas.produce(step, origin, request));
        rig.now_ms += 5_000;
        rig.act(|replicas, step| replicas.purgatory_due(step));
        let outcome = |error, is_overdue| ProduceOutcome { token: 3, error, is_overdue };
        let outcomes = |rig: &mut Rig| rig.act(|replicas, _| replicas.take_outcomes());
        assert_eq!(outcomes(&mut rig), [outcome(ErrorCode::RequestTimedOut, true)]);
        rig.disk();
        assert!(outcomes(&mut rig).is_empty());
        rig.elect(leader);
        if leader == 1 {
            rig.fetched_by(2, 1, 0);
        }
        assert_eq!(outcomes(&mut rig), [outcome(end, false)]);
    }
}

/// Hunt seed 600027: a replica that was moved away and back under a session was never looked at again,
/// and one that came after the session's first fetch stayed unknown for ever.
#[test]
fn a_session_finds_a_replica_that_came_or_came_back() {
    let mut rig = Rig::new("orders", |_| {});
    let asked = FetchPartition {
        tp: TP,
        current_leader_epoch: -1,
        fetch_offset: 0,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        max_bytes: 1 << 20,
    };
    let mut epoch = 0;
    let mut fetch = |rig: &mut Rig, id: i32, asked: &[FetchPartition]| {
        let request = consumer_fetch(id, epoch, asked.to_vec());
        epoch += 1;
        let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        let Some(Response::Fetch(answer)) = rig.replies().pop() else { return (0, None) };
        (answer.session_id, answer.partitions.first().map(|part| part.error))
    };
    let (id, error) = fetch(&mut rig, 0, &[asked]);
    assert_eq!(error, Some(ErrorCode::UnknownTopicOrPartition));
    rig.create(1, &[1, 2, 3]);
    assert_eq!(
        fetch(&mut rig, id, &[]).1,
        None,
        "the replica came, and its records are waited for"
    );
    for replicas in [[2, 3], [2, 1]] {
        let mut change = PartitionChangeRecord::new(TP);
        change.replicas = Some(replicas.map(NodeId).to_vec());
        change.leader = LeaderUpdate::Elected(NodeId(if replicas[1] == 1 { 1 } else { 2 }));
        rig.apply(&[MetadataRecord::PartitionChange(change)]);
    }
    assert_eq!(rig.replies().len(), 1, "the replica left");
    fetch(&mut rig, id, &[asked]);
    let sessions = rig.replicas.session_views();
    assert_eq!(sessions[0].parts[0].is_watched, Some(true), "it came back");
}

/// Kafka's leader has appended before anything can be cut, and who waits for others hears of the election.
#[test]
fn what_was_cut_before_it_was_on_disk_is_not_acknowledged_by_who_leads_again() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    let records = Records::single(Arc::new(rig.batch()));
    let partitions = vec![ProducePartition { tp: TP, records }];
    let request = ProduceRequest { acks: Acks::Leader, timeout_ms: 1_000, partitions };
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    rig.act(|replicas, step| replicas.produce(step, AppendOrigin::Client(to), request));
    let append = rig.effects.disk.pop().unwrap();
    rig.elect(2);
    let mut told = rig.replies();
    let (id, _) = rig.sent_fetch();
    let diverging_epoch = Some(EpochEndOffset { epoch: NO_EPOCH, end_offset: 0 });
    rig.answer_fetch(id, FetchPartitionResponse { diverging_epoch, ..nothing_new(0) });
    rig.elect(1);
    rig.disk_op(append);
    told.extend(rig.replies());
    let Some(Response::Produce(answer)) = told.first() else { panic!("{told:?}") };
    assert_eq!(answer.partitions[0].error, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn a_batch_that_is_sent_again_to_a_new_leader_waits_for_the_copy_that_it_made_as_a_follower() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let records = numbered(sequenced(9, 0, 0, 1), 0, 0);
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(0) });
    rig.elect(1);
    produce(&mut rig, Acks::Leader, 4);
    assert!(rig.replies().is_empty());
    rig.disk();
    let told = rig.replies();
    let [Response::Produce(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.partitions[0].error, ErrorCode::None);
}

/// Hunt seed 7002964: the disk confirmed to a leader what it had copied as a follower, and those who waited
/// for that were told with the next batch only.
#[test]
fn what_was_copied_just_before_an_election_is_there_for_followers_once_it_is_on_disk() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let records = numbered(rig.batch(), 0, 0);
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(0) });
    rig.elect(1);
    let asked = FetchPartition {
        tp: TP,
        current_leader_epoch: 1,
        fetch_offset: 0,
        last_fetched_epoch: -1,
        log_start_offset: 0,
        max_bytes: 1 << 20,
    };
    let request = FetchRequest {
        replica: Some(ReplicaState { id: NodeId(2), epoch: 20 }),
        ..consumer_fetch(0, SESSION_EPOCH_FINAL, vec![asked])
    };
    let to = ReplyTo { conn: ConnectionId(7), correlation: CorrelationId(1) };
    rig.act(|replicas, step| replicas.fetch(step, to, &request));
    assert!(rig.replies().is_empty(), "nothing is on the disk yet");
    rig.disk();
    assert_eq!(rig.partition().log.log_end_offset(), 1);
    let reads = rig.effects.disk.iter().any(|op| matches!(op.kind, DiskOpKind::Read { .. }));
    assert!(reads, "the fetch is to be answered");
}
