//! Taking over a partition of `__consumer_offsets`.

use super::codec::{
    GroupValue, MemberValue, OffsetKey, OffsetValue, encode_group_key, encode_group_value,
    encode_offset_key, encode_offset_value,
};
use super::coordinator::OffsetsPartition;
use super::{GroupCoordinator, OFFSETS_TOPIC, replay_member_epoch};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, TopicId, TopicPartition};
use crate::log::testing::numbered;
use crate::protocol::{
    FetchPartitionResponse, HeartbeatRequest, JoinGroupRequest, ListGroupsRequest,
    OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest, ProducerIdAndEpoch, Response,
    TransactionRules, TxnMarker, WriteTxnMarkersRequest,
};
use crate::records::{Batch, EndTxnMarker, Record, Records};
use crate::replica::tests::{Rig, TP, nothing_new};
use crate::seam::{DiskError, DiskOp, DiskOpKind, DiskResult, TimerKey};
use crate::step::{Owner, ReplyTo, owner_of};
use crate::txn::{Cx, MarkerAppends};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

fn position(groups: &mut GroupCoordinator, rig: &Rig) -> OffsetFetchGroupResponse {
    let asked =
        OffsetFetchGroup { group: "billing".into(), partitions: Some(vec![read()]), member: None };
    let request = OffsetFetchRequest { require_stable: false, groups: vec![asked] };
    groups.fetch(&rig.image, &request).groups.remove(0)
}

/// The partition whose position is committed: any that exists will do.
fn read() -> TopicPartition {
    TP
}

/// Broker 1 follows, and has these records from the leader; then it leads.
fn take_over(records: &mut [Record]) -> (Rig, GroupCoordinator, Records) {
    let mut rig = Rig::new(OFFSETS_TOPIC, |_| {});
    rig.create(2, &[1, 2]);
    let records = numbered(Batch::build(1, records), 0, 0);
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    let delta = rig.elect(1);
    let mut groups = GroupCoordinator::new(&rig.replicas.config);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    (rig, groups, records)
}

/// The disk confirms what was written, and what is read is these records.
fn load(rig: &mut Rig, groups: &mut GroupCoordinator, records: Records) {
    rig.disk();
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    load_again(rig, groups, records);
}

/// What is read is these records.
fn load_again(rig: &mut Rig, groups: &mut GroupCoordinator, records: Records) {
    let load = rig.effects.disk.pop().expect("it reads on");
    assert_eq!(owner_of(load.id.0), Some(Owner::Group));
    let result = DiskResult::Read(vec![records]);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.disk_done(step, (replicas, &image), load.id, result));
}

#[test]
fn grp_01_a_load_waits_for_what_the_last_leader_wrote_and_the_disk_has_not_confirmed() {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1 };
    let record = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let (mut rig, mut groups, records) = take_over(&mut [record]);
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    load(&mut rig, &mut groups, records);
    let found = &position(&mut groups, &rig).offsets[0];
    assert_eq!((found.tp, found.offset, found.leader_epoch), (read(), 42, 0));
}

#[test]
fn a_load_that_could_not_read_goes_on_later() {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1 };
    let record = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let (mut rig, mut groups, records) = take_over(&mut [record]);
    rig.disk();
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    let load = rig.effects.disk.pop().expect("it reads on");
    rig.effects.timers.clear();
    let failed = DiskResult::Failed(DiskError::Io);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.disk_done(step, (replicas, &image), load.id, failed));
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    let (at, _) = rig.effects.timers.iter().find(|(_, key)| *key == TimerKey::Groups).unwrap();
    rig.now_ms = at.as_millis();
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
    load_again(&mut rig, &mut groups, records);
    assert_eq!(position(&mut groups, &rig).offsets[0].offset, 42);
}

/// Kafka's `CoordinatorLoaderImpl` fails with OFFSET_OUT_OF_RANGE, rather than know half of what is there.
#[test]
fn a_load_that_retention_has_passed_begins_anew() {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1 };
    let record = || Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let (mut rig, mut groups, records) = take_over(&mut [record(), record(), record()]);
    rig.disk();
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    let load = rig.effects.disk.pop().expect("it reads on");
    rig.fetched_by(2, 3, 0);
    rig.act(|replicas, _| {
        let slot = replicas.slot(TP).unwrap();
        replicas.partition_mut(slot).unwrap().log.advance_log_start(2, &mut Vec::new())
    });
    rig.effects.timers.clear();
    // what was to be read is gone: the load gets as far as 1, which is gone, too
    let nothing = DiskResult::Read(Vec::new());
    rig.act(|replicas, step| groups.disk_done(step, (replicas, &image), load.id, nothing));
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    let (at, _) = rig.effects.timers.iter().find(|(_, key)| *key == TimerKey::Groups).unwrap();
    rig.now_ms = at.as_millis();
    rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
    load_again(&mut rig, &mut groups, records);
    assert_eq!(position(&mut groups, &rig).offsets[0].offset, 42);
}

#[test]
fn one_timer_is_for_all_loads_that_could_not_read() {
    let (mut rig, mut groups, _) = take_over(&mut [members()]);
    rig.disk();
    // a second partition, read from the same log
    let (tp, epoch) = (TP, groups.partitions[&0].epoch);
    let second = OffsetsPartition { tp, epoch, loading: Some(0), groups: BTreeMap::new() };
    groups.partitions.insert(1, second);
    groups.stalled.push(1);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    for _ in 0..3 {
        rig.effects.timers.clear();
        let reads = std::mem::take(&mut rig.effects.disk);
        assert_eq!(reads.len(), 2);
        let image = rig.image.clone();
        for read in reads {
            let failed = DiskResult::Failed(DiskError::Io);
            let image = rig.image.clone();
            rig.act(|replicas, step| groups.disk_done(step, (replicas, &image), read.id, failed));
            rig.now_ms += 10;
            rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
            assert!(rig.effects.disk.is_empty(), "another deadline is none of theirs");
        }
        let [(at, TimerKey::Groups)] = rig.effects.timers[..] else {
            panic!("{:?}", rig.effects.timers)
        };
        rig.now_ms = at.as_millis();
        rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
    }
}

/// Two members of generation 5, the first of which leads.
fn members() -> Record {
    let member = |id: &str| MemberValue {
        id: id.into(),
        instance: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription: Bytes::from_static(b"topics"),
        assignment: Bytes::from_static(b"partitions"),
    };
    let value = GroupValue {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: Some("range".into()),
        leader: Some("a".into()),
        state_since_ms: 1,
        members: vec![member("a"), member("b")],
    };
    Record::new(Some(encode_group_key("billing")), Some(encode_group_value(&value)))
}

fn beat(rig: &mut Rig, groups: &mut GroupCoordinator, member: &str) -> ErrorCode {
    let request = HeartbeatRequest {
        group: "billing".into(),
        generation: 5,
        member: member.into(),
        instance: None,
    };
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.heartbeat(step, replicas, &image, &request).error)
}

#[test]
fn a_new_coordinator_knows_the_members_and_an_old_one_sends_them_away() {
    let (mut rig, mut groups, records) = take_over(&mut [members()]);
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::None, "nothing calls for a rejoin");
    load(&mut rig, &mut groups, records);
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::None);
    assert_eq!(beat(&mut rig, &mut groups, "stranger"), ErrorCode::UnknownMemberId);
    let rejoin = JoinGroupRequest {
        group: "billing".into(),
        member: "a".into(),
        instance: None,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"topics"))],
        requires_known_member: true,
        can_skip_assignment: true,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
    };
    let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.join(step, replicas, &image, to, rejoin));
    assert!(rig.effects.replies.is_empty(), "it waits for the other one");
    let delta = rig.elect(3);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    let told = rig.effects.replies.pop().and_then(|reply| reply.response);
    let Some(Response::JoinGroup(told)) = told else { panic!("{told:?}") };
    assert_eq!(told.error, ErrorCode::NotCoordinator);
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::NotCoordinator);
}

#[test]
fn members_that_do_not_follow_to_the_new_coordinator_are_out_after_a_session() {
    let (mut rig, mut groups, records) = take_over(&mut [members()]);
    load(&mut rig, &mut groups, records);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
    let armed = |rig: &Rig| rig.effects.timers.iter().any(|(_, key)| *key == TimerKey::Groups);
    assert!(armed(&rig));
    rig.now_ms += 9_999;
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::None);
    rig.now_ms += 1;
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::RebalanceInProgress);
    assert_eq!(beat(&mut rig, &mut groups, "b"), ErrorCode::UnknownMemberId);
}

/// Logs of before Kafka 2.1 do not say since when a group has no members.
#[test]
fn where_the_time_of_a_state_is_unknown_positions_expire_by_their_own() {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1_000 };
    let position_of = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let old = GroupValue {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: None,
        leader: None,
        state_since_ms: -1,
        members: Vec::new(),
    };
    let group = Record::new(Some(encode_group_key("billing")), Some(encode_group_value(&old)));
    let (mut rig, mut groups, records) = take_over(&mut [position_of, group]);
    load(&mut rig, &mut groups, records);
    let tombstones = |rig: &mut Rig, groups: &mut GroupCoordinator, now_ms| {
        rig.now_ms = now_ms;
        rig.act(|replicas, step| groups.expiry_due(step, replicas));
        rig.disk().iter().filter(|op| matches!(op, DiskOpKind::Append { .. })).count()
    };
    let retention_ms = 10_080 * 60_000;
    assert_eq!(tombstones(&mut rig, &mut groups, retention_ms + 999), 0);
    assert_eq!(tombstones(&mut rig, &mut groups, retention_ms + 1_000), 1);
}

#[test]
fn positions_of_a_group_without_members_expire_and_the_group_with_them() {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1_000 };
    let record = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let (mut rig, mut groups, records) = take_over(&mut [record]);
    load(&mut rig, &mut groups, records);
    let armed = |rig: &Rig| {
        rig.effects.timers.iter().filter(|(_, key)| *key == TimerKey::GroupExpiry).count()
    };
    assert_eq!(armed(&rig), 1);
    let retention_ms = 10_080 * 60_000;
    rig.now_ms = retention_ms + 999;
    rig.act(|replicas, step| groups.expiry_due(step, replicas));
    assert_eq!(armed(&rig), 2, "it looks again");
    assert_eq!(position(&mut groups, &rig).offsets[0].offset, 42);
    rig.now_ms += 1;
    rig.act(|replicas, step| groups.expiry_due(step, replicas));
    assert_eq!(position(&mut groups, &rig).offsets[0].offset, 42, "the log does not know yet");
    let appended = rig.disk().into_iter().find_map(|op| match op {
        DiskOpKind::Append { records, .. } => Some(records),
        _ => None,
    });
    let tombstones = appended.unwrap().batches()[0].records().unwrap();
    let keys: Vec<_> = tombstones.iter().map(|r| (r.key.clone(), r.value.is_some())).collect();
    let expected =
        [(Some(encode_offset_key(&key)), false), (Some(encode_group_key("billing")), false)];
    assert_eq!(keys, expected);
    rig.fetched_by(2, 2, 0);
    for _ in 0..2 {
        rig.act(|replicas, step| {
            for outcome in replicas.take_outcomes() {
                groups.append_done(step, replicas, outcome);
            }
        });
        rig.fetched_by(2, 3, 1);
    }
    assert_eq!(position(&mut groups, &rig).offsets[0].offset, -1);
    let all = ListGroupsRequest { states: Vec::new(), types: Vec::new() };
    assert!(groups.list(&all).groups.is_empty());
}

#[test]
fn a_group_with_members_keeps_what_it_has() {
    let (mut rig, mut groups, records) = take_over(&mut [members()]);
    load(&mut rig, &mut groups, records);
    rig.disk();
    rig.now_ms += 100 * 10_080 * 60_000;
    rig.act(|replicas, step| groups.expiry_due(step, replicas));
    assert!(rig.disk().iter().all(|op| !matches!(op, DiskOpKind::Append { .. })));
    assert_eq!(beat(&mut rig, &mut groups, "a"), ErrorCode::None);
}

/// A position within a producer's transaction, or without one.
fn committed(offset: i64, producer: Option<i64>) -> Batch {
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset, leader_epoch: 0, metadata: None, commit_ms: 1 };
    let record = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let mut batch = Batch::build(1, &mut [record]);
    if let Some(id) = producer {
        batch.header = batch.header.as_transactional();
        (batch.header.producer_id, batch.header.producer_epoch) = (id, 0);
    }
    batch
}

fn marker(producer: i64, commit: bool) -> Batch {
    EndTxnMarker { commit, coordinator_epoch: 1 }.to_batch(producer, 0, 1)
}

/// Broker 1 follows, and has these batches from the leader; then it leads.
fn take_over_log(batches: Vec<Batch>) -> (Rig, GroupCoordinator, Records) {
    let numbered_batches = (0..).zip(batches);
    let numbered_batches = numbered_batches
        .flat_map(|(offset, batch)| numbered(batch, offset, 0).batches().to_vec())
        .collect();
    let mut rig = Rig::new(OFFSETS_TOPIC, |_| {});
    rig.create(2, &[1, 2]);
    let records = Records::new(numbered_batches);
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    let delta = rig.elect(1);
    let mut groups = GroupCoordinator::new(&rig.replicas.config);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    (rig, groups, records)
}

#[test]
fn members_follow_from_a_log_whatever_it_says_of_positions() {
    let batch = |record: Record| Batch::build(1, &mut [record]);
    let gone = Record::new(Some(encode_group_key("billing")), None);
    let epoch = |log: &[Batch]| replay_member_epoch(log.iter(), "billing", "a");
    let mut log =
        vec![committed(1, None), batch(members()), committed(2, Some(7)), marker(7, true)];
    assert_eq!(epoch(&log), Some(5));
    log.extend([batch(gone), committed(3, None)]);
    assert_eq!(epoch(&log), None, "its positions are left");
    log.push(batch(members()));
    assert_eq!(epoch(&log), Some(5));
}

/// The position, and whether no transaction is about to change it.
fn stable_position(rig: &Rig, groups: &mut GroupCoordinator) -> (i64, bool) {
    let asked =
        OffsetFetchGroup { group: "billing".into(), partitions: Some(vec![read()]), member: None };
    let request = OffsetFetchRequest { require_stable: true, groups: vec![asked] };
    let found = groups.fetch(&rig.image, &request).groups.remove(0);
    (found.offsets[0].offset, found.unstable.is_empty())
}

/// What a coordinator makes of a log: the position, and whether it is stable.
fn position_after(batches: Vec<Batch>) -> (i64, bool) {
    let (mut rig, mut groups, records) = take_over_log(batches);
    load(&mut rig, &mut groups, records);
    stable_position(&rig, &mut groups)
}

/// Two transactions with the same position, the later one at 6, which are committed in this order.
fn ended_in(producers: &[i64]) -> Vec<Batch> {
    let ends = producers.iter().map(|producer| marker(*producer, true));
    [committed(9, Some(7)), committed(6, Some(8))].into_iter().chain(ends).collect()
}

#[test]
fn positions_of_transactions_count_from_their_marker_on() {
    let cases = [
        (vec![committed(5, None), committed(9, Some(7))], (5, false)),
        (vec![committed(5, None), committed(9, Some(7)), marker(7, true)], (9, true)),
        (vec![committed(5, None), committed(9, Some(7)), marker(7, false)], (5, true)),
        (vec![committed(9, Some(7)), marker(8, true)], (-1, false)),
        (vec![committed(9, Some(7)), committed(8, Some(8)), marker(8, true)], (8, false)),
        // a later commit outside of the transaction counts more
        (vec![committed(9, Some(7)), committed(5, None)], (5, false)),
        (vec![committed(9, Some(7)), committed(5, None), marker(7, true)], (5, true)),
        // of two transactions the one that said it last, whichever ends last
        (ended_in(&[8, 7]), (6, true)),
        (ended_in(&[7, 8]), (6, true)),
        (vec![committed(9, Some(7)), marker(7, true), marker(7, false)], (9, true)),
    ];
    for (log, expected) in cases {
        let what = format!("{log:?}");
        assert_eq!(position_after(log), expected, "{what}");
    }
}

/// What is answered to the marker that commits a transaction of producer 7, and how many batches of it are written.
fn commits(rig: &mut Rig, groups: &GroupCoordinator) -> (Vec<ErrorCode>, usize) {
    let marker = TxnMarker {
        producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
        commit: true,
        coordinator_epoch: 1,
        rules: TransactionRules::Added,
        partitions: vec![TP],
    };
    let request = WriteTxnMarkersRequest { markers: vec![marker] };
    let to = ReplyTo { conn: ConnectionId(2), correlation: CorrelationId(1) };
    let (image, mut markers) = (rig.image.clone(), MarkerAppends::default());
    rig.replies();
    rig.act(|replicas, step| {
        let coordinated = |tp| groups.coordinated(&image, tp);
        markers.write(&mut Cx { step, replicas, image: &image }, to, &request, coordinated);
    });
    let told = rig.replies().into_iter().flat_map(|reply| match reply {
        Response::WriteTxnMarkers(answer) => answer.markers[0].1.clone(),
        other => panic!("{other:?}"),
    });
    let told = told.map(|(_, error)| error).collect();
    let appends = |op: &&DiskOp| matches!(op.kind, DiskOpKind::Append { .. });
    (told, rig.effects.disk.iter().filter(appends).count())
}

/// Kafka's coordinator of groups takes no marker before it is loaded. Taken for the end of the transaction that has
/// been read so far, this one would commit what was aborted.
#[test]
fn a_marker_waits_until_the_marker_of_the_transaction_before_has_been_read() {
    let (mut rig, mut groups, records) =
        take_over_log(vec![committed(9, Some(7)), marker(7, false)]);
    let refused = (vec![ErrorCode::NotLeaderOrFollower], 0);
    let [first, second] = records.batches() else { panic!("{records:?}") };
    load(&mut rig, &mut groups, Records::single(Arc::clone(first)));
    assert_eq!(commits(&mut rig, &groups), refused, "its first half is read");
    load_again(&mut rig, &mut groups, Records::single(Arc::clone(second)));
    assert_eq!(stable_position(&rig, &mut groups), (-1, true));
    assert_eq!(commits(&mut rig, &groups), (Vec::new(), 1), "it is being replicated");
}

#[test]
fn a_marker_of_an_earlier_leadership_ends_nothing_that_has_been_read_since() {
    let (mut rig, mut groups, records) = take_over_log(vec![committed(9, Some(7))]);
    load(&mut rig, &mut groups, records);
    let epoch = groups.partitions[&0].epoch;
    groups.transaction_ended((TP, epoch - 1), 7, true);
    assert_eq!(stable_position(&rig, &mut groups), (-1, false));
    groups.transaction_ended((TP, epoch), 7, true);
    assert_eq!(stable_position(&rig, &mut groups), (9, true));
}

#[test]
fn only_partitions_with_positions_have_a_coordinator_of_groups() {
    let (mut rig, mut groups, records) = take_over(&mut [members()]);
    let other = TopicPartition::new(TopicId(99), 0);
    assert_eq!(groups.coordinated(&rig.image, other), Ok(None));
    assert_eq!(groups.coordinated(&rig.image, TP), Err(ErrorCode::NotLeaderOrFollower));
    load(&mut rig, &mut groups, records);
    let epoch = groups.partitions[&0].epoch;
    assert_eq!(groups.coordinated(&rig.image, TP), Ok(Some(epoch)));
    let delta = rig.elect(2);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    assert_eq!(groups.coordinated(&rig.image, TP), Err(ErrorCode::NotLeaderOrFollower));
}
