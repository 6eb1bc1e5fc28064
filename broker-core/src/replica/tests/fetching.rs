//! Followers: which answers count, and what a truncation leaves on the disk.

use super::rig::{NOWHERE, Rig, TOPIC, TP, nothing_new};
use crate::error::ErrorCode;
use crate::ids::{NO_EPOCH, NodeId, TopicPartition};
use crate::log::testing::{numbered, sequenced};
use crate::metadata::{LeaderUpdate, MetadataRecord, PartitionChangeRecord, PartitionRecord};
use crate::protocol::{EpochEndOffset, FetchPartitionResponse, FetchResponse, Request, Response};
use crate::replica::look::{Tail, diverges};
use crate::seam::{DiskOp, DiskOpKind, FileName, TraceEvent};
use std::sync::Arc;

#[test]
fn rep_10_an_answer_about_another_log_end_is_not_believed() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce(); // the disk is slow
    rig.elect(2);
    let (id, fetch) = rig.sent_fetch();
    assert_eq!(fetch.partitions[0].fetch_offset, 0);
    rig.disk();
    assert_eq!(rig.partition().log.log_end_offset(), 1, "a batch that broker 2 does not have");
    // broker 2 has committed something else at offset 0; a full response had no room for it
    rig.answer_fetch(id, nothing_new(1));
    assert_eq!(rig.high_watermark(), 0);
    let (id, fetch) = rig.sent_fetch();
    assert_eq!((fetch.partitions[0].fetch_offset, fetch.partitions[0].last_fetched_epoch), (1, 0));
    let diverging = Some(EpochEndOffset { epoch: 0, end_offset: 0 });
    rig.answer_fetch(id, FetchPartitionResponse { diverging_epoch: diverging, ..nothing_new(1) });
    assert_eq!(rig.partition().log.log_end_offset(), 0);
}

#[test]
fn what_its_leader_has_deleted_proves_nothing() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce();
    rig.disk();
    rig.elect(2);
    let (id, fetch) = rig.sent_fetch();
    let of = &fetch.partitions[0];
    assert_eq!((of.fetch_offset, of.last_fetched_epoch, of.log_start_offset), (1, 0, 0));

    // the leader's epoch 1 began at 0, and what it wrote there is deleted
    let mut leading = Rig::with_partition(2, &[1, 2]);
    let slot = leading.replicas.slot(TP).unwrap();
    let log = &mut leading.replicas.partition_mut(slot).unwrap().log;
    log.truncate_fully_and_start_at(1, &mut Vec::new());
    log.assign_epoch_start(1, 1, &mut Vec::new());
    let tail = Tail { last_epoch: 0, log_start: 0, offset: 1 };
    let begins = Some(EpochEndOffset { epoch: NO_EPOCH, end_offset: 1 });
    assert_eq!(diverges(log, tail), begins);
    assert_eq!(diverges(log, Tail { log_start: 1, ..tail }), None, "it holds nothing else");
    assert_eq!(diverges(log, Tail { log_start: -1, ..tail }), None, "a consumer");
    assert_eq!(diverges(log, Tail { last_epoch: 1, ..tail }), None, "an epoch of the leader's");

    rig.answer_fetch(id, FetchPartitionResponse { diverging_epoch: begins, ..nothing_new(1) });
    let log = &rig.partition().log;
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.last_epoch()), (1, 1, NO_EPOCH));
    assert_eq!(rig.high_watermark(), 1);
}

/// Hunt seed 9012754: the epoch of what was deleted went with what was cut, and no later leader could tell that
/// its own log ended before this one.
#[test]
fn a_log_that_is_cut_to_its_start_knows_which_history_it_goes_on_from() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.produce();
    rig.produce();
    rig.disk();
    rig.fetched_by(2, 2, 0);
    assert_eq!(rig.high_watermark(), 2);
    rig.elect(1);
    rig.produce();
    rig.disk();
    let slot = rig.replicas.slot(TP).unwrap();
    let log = &mut rig.replicas.partition_mut(slot).unwrap().log;
    assert!(log.advance_log_start(2, &mut Vec::new()));
    assert_eq!((log.epoch_entries().len(), log.last_epoch()), (1, 1), "of the record that is left");
    rig.elect(2);
    let (id, fetch) = rig.sent_fetch();
    let of = &fetch.partitions[0];
    assert_eq!((of.fetch_offset, of.last_fetched_epoch, of.log_start_offset), (3, 1, 2));

    // the leader has not heard of epoch 1
    let diverging = Some(EpochEndOffset { epoch: 0, end_offset: 2 });
    rig.answer_fetch(id, FetchPartitionResponse { diverging_epoch: diverging, ..nothing_new(2) });
    let (_, fetch) = rig.sent_fetch();
    let of = &fetch.partitions[0];
    assert_eq!((of.fetch_offset, of.last_fetched_epoch, of.log_start_offset), (2, 0, 2));
    let written = rig.disk().into_iter().rev().find_map(|op| match op {
        DiskOpKind::WriteFile { file: FileName::LeaderEpochs(_), bytes } => Some(bytes),
        _ => None,
    });
    assert_eq!(&written.unwrap()[..], b"0\n1\n0 2\n", "a restart knows it, too");
}

/// KAFKA-18723: its leader may have been another one's follower since, and nothing tells that their logs are the same
/// up to there.
#[test]
fn a_follower_takes_nothing_of_a_later_epoch_than_that_in_which_it_asked() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let mut records = numbered(sequenced(9, 0, 0, 1), 0, 0);
    for (base, epoch) in [(1_i64, 2), (2, 0)] {
        let sequence = i32::try_from(base).unwrap();
        records.push(Arc::clone(&numbered(sequenced(9, 0, sequence, 1), base, epoch).batches()[0]));
    }
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(3) });
    rig.disk();
    let log = &rig.partition().log;
    assert_eq!((log.log_end_offset(), log.last_epoch(), rig.high_watermark()), (1, 0, 1));
    let (id, fetch) = rig.sent_fetch();
    assert_eq!(fetch.partitions[0].fetch_offset, 1);
    let records = numbered(sequenced(9, 0, 1, 1), 1, 2);
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(3) });
    assert_eq!(rig.sent_fetch().1.partitions[0].fetch_offset, 1, "it asks again");
}

/// Without a session each fetch names all, and answers are filled in that order (`PartitionStates`).
#[test]
fn a_follower_without_a_session_asks_last_for_what_it_got_last() {
    let mut rig = Rig::new("orders", |_| {});
    let tps = [TP, TopicPartition::new(TOPIC, 1)];
    let led = tps
        .map(|tp| MetadataRecord::Partition(PartitionRecord::in_sync(tp, &[NodeId(2), NodeId(1)])));
    rig.apply(&led);
    for asked in [[0, 1], [1, 0], [0, 1]] {
        let (id, fetch) = rig.sent_fetch();
        let order: Vec<_> = fetch.partitions.iter().map(|of| of.tp.partition).collect();
        assert_eq!(order, asked);
        // the first one has filled the answer
        let [first, second] = [0, 1].map(|at: usize| fetch.partitions[at]);
        let sequence = i32::try_from(first.fetch_offset).unwrap();
        let records = numbered(sequenced(9, 0, sequence, 1), first.fetch_offset, 0);
        let partitions = vec![
            FetchPartitionResponse { tp: first.tp, records, ..nothing_new(0) },
            FetchPartitionResponse { tp: second.tp, ..nothing_new(0) },
        ];
        let (throttle_ms, error, session_id) = (0, ErrorCode::None, 0);
        let answer = FetchResponse { throttle_ms, error, session_id, partitions };
        let result = Ok(Response::Fetch(answer));
        rig.act(|replicas, step| replicas.fetcher_response(step, id, result));
        rig.disk();
    }
}

#[test]
fn a_fetcher_without_partitions_waits_for_nobody() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (lost, _) = rig.sent_fetch();
    rig.elect(1);
    rig.elect(2);
    let (again, fetch) = rig.sent_fetch();
    assert_ne!(lost, again);
    assert_eq!(fetch.partitions.len(), 1);
    // the late answer is nobody's
    rig.answer_fetch(lost, nothing_new(0));
    assert!(rig.sent().is_empty());
}

/// It would wait for its peer before it copied from it again.
#[test]
fn a_fetcher_whose_last_partition_goes_while_the_disk_writes_takes_nothing_back() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let records = numbered(sequenced(9, 0, 0, 1), 0, 0);
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(0) });
    rig.elect(3);
    rig.sent();
    rig.disk();
    assert!(rig.sent().iter().all(|sent| sent.to != NodeId(2)), "nothing is copied from it");
    rig.elect(2);
    let (_, fetch) = rig.sent_fetch();
    assert_eq!((fetch.session_id, fetch.partitions.len(), fetch.forgotten.len()), (0, 1, 0));
}

/// Seed 702 of storms: checkers took what was cut for part of the log.
#[test]
fn what_was_cut_before_the_disk_had_it_is_not_told_as_appended() {
    let is_told = |is_cut: bool| {
        let mut rig = Rig::with_partition(2, &[1, 2]);
        let (id, _) = rig.sent_fetch();
        let records = numbered(sequenced(9, 0, 0, 1), 0, 0);
        rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(0) });
        rig.elect(3);
        let (id, fetch) = rig.sent_fetch();
        assert_eq!(fetch.partitions[0].fetch_offset, 0, "the disk is slow");
        if is_cut {
            let diverging_epoch = Some(EpochEndOffset { epoch: 0, end_offset: 0 });
            rig.answer_fetch(id, FetchPartitionResponse { diverging_epoch, ..nothing_new(0) });
        }
        rig.disk();
        assert_eq!(rig.partition().log.log_end_offset(), i64::from(!is_cut));
        rig.traced().iter().any(|event| matches!(event, TraceEvent::FollowerAppended { .. }))
    };
    assert!(is_told(false) && !is_told(true));
}

/// Three records that are flushed, and an answer by which only the first stays.
fn cut_below_the_recovery_point() -> Rig {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    for _ in 0..3 {
        rig.produce();
    }
    rig.disk();
    let slot = rig.replicas.slot(TP).unwrap();
    let mut ops = Vec::new();
    let log = &mut rig.replicas.partition_mut(slot).unwrap().log;
    log.flush(&mut ops);
    log.sync_done(0);
    assert_eq!(log.recovery_point(), 3);
    rig.act(|replicas, step| replicas.flush_due(step));
    rig.disk();
    rig.elect(2);
    let (id, _) = rig.sent_fetch();
    rig.traced();
    let diverging = Some(EpochEndOffset { epoch: 0, end_offset: 1 });
    rig.answer_fetch(
        id,
        FetchPartitionResponse { diverging_epoch: diverging, ..nothing_new(NOWHERE) },
    );
    assert!(rig.traced().iter().any(|e| matches!(e, TraceEvent::Truncated { to: 1, .. })));
    rig
}

fn lowers_the_recovery_point(op: &DiskOpKind) -> bool {
    matches!(op, DiskOpKind::WriteFile { file: FileName::RecoveryPoints, bytes } if bytes.ends_with(b" 1\n"))
}

#[test]
fn dur_01_a_truncation_lowers_the_recovery_point_on_disk_first() {
    let ops = cut_below_the_recovery_point().disk();
    let lowered = ops.iter().position(lowers_the_recovery_point);
    let cut = ops.iter().position(|op| matches!(op, DiskOpKind::Truncate { to: 1, .. }));
    assert!(lowered.unwrap() < cut.unwrap(), "{ops:?}");
}

/// Hunt seed 8005198: what was copied next was torn by a loss of power, and counted as flushed.
#[test]
fn nothing_is_copied_before_the_lowered_recovery_point_is_on_disk() {
    let mut rig = cut_below_the_recovery_point();
    let fetches = |rig: &mut Rig| {
        let asked = rig.sent().into_iter().filter_map(|sent| match sent.request {
            Request::Fetch(fetch) => Some(fetch.partitions),
            _ => None,
        });
        asked.flatten().map(|part| part.fetch_offset).collect::<Vec<_>>()
    };
    assert!(fetches(&mut rig).is_empty(), "the volume is slow");
    rig.elect(3);
    assert!(fetches(&mut rig).is_empty(), "another leader is not copied from, either");
    let asked = std::mem::take(&mut rig.effects.disk);
    let (lowers, rest): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|op| lowers_the_recovery_point(&op.kind));
    for op in rest {
        rig.disk_op(op);
    }
    assert!(fetches(&mut rig).is_empty());
    for op in lowers {
        rig.disk_op(op);
    }
    assert_eq!(fetches(&mut rig), [1]);
}

/// Hunt seed 23001753: a replica was moved away and back while the volume was slow. The recovery point of the one
/// before it was still on record as the power went, and of what was torn nothing was recovered.
#[test]
fn nothing_is_copied_to_a_replica_that_is_back_before_the_old_recovery_point_is_off_the_record() {
    let mut rig = Rig::with_partition(2, &[2, 3]);
    rig.disk();
    let moves = |rig: &mut Rig, replicas: &[i32], leader: i32| {
        let mut change = PartitionChangeRecord::new(TP);
        change.replicas = Some(replicas.iter().copied().map(NodeId).collect());
        change.leader = LeaderUpdate::Elected(NodeId(leader));
        rig.apply(&[MetadataRecord::PartitionChange(change)]);
    };
    moves(&mut rig, &[2, 3], 2);
    assert!(rig.replicas.find(TP).is_none());
    let on_their_way = std::mem::take(&mut rig.effects.disk);
    rig.sent();
    moves(&mut rig, &[1, 2, 3], 3);
    assert!(rig.replicas.find(TP).is_some() && rig.sent().is_empty(), "the volume is slow");
    let forgets = |op: &DiskOp| match &op.kind {
        DiskOpKind::WriteFile { file, .. } => *file == FileName::RecoveryPoints,
        _ => false,
    };
    let (forgets, rest): (Vec<_>, Vec<_>) = on_their_way.into_iter().partition(forgets);
    for op in rest {
        rig.disk_op(op);
    }
    assert!(rig.sent().is_empty());
    for op in forgets {
        rig.disk_op(op);
    }
    assert_eq!(rig.sent_fetch().1.partitions[0].fetch_offset, 0);
}

#[test]
fn more_fetchers_share_the_partitions_and_old_answers_are_nobodys() {
    let mut rig = Rig::with_partition(2, &[1, 2]);
    let (lost, fetch) = rig.sent_fetch();
    assert_eq!(fetch.partitions.len(), 1);
    let mut server = rig.replicas.config.server.clone();
    server.num_replica_fetchers = 8;
    rig.act(|replicas, _| replicas.set_server(server));
    let sent = rig.sent();
    assert_eq!(sent.len(), 1, "the old fetcher has nothing to ask for");
    rig.answer_fetch(lost, nothing_new(0));
    assert!(rig.sent().is_empty());
    let views = rig.replicas.followed_views();
    assert_eq!((views.len(), views[0].tp), (1, TP));
}

/// Hunt seed 740803: it waited until the leader's log had passed its end, and went on there without the
/// records in between.
#[test]
fn a_log_without_an_epoch_goes_on_where_its_leaders_committed_log_ends() {
    let mut rig = Rig::new("orders", |_| {});
    rig.create(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let begins = FetchPartitionResponse { log_start_offset: 9, ..nothing_new(9) };
    rig.answer_fetch(id, FetchPartitionResponse { error: ErrorCode::OffsetOutOfRange, ..begins });
    let end = |rig: &Rig| rig.partition().log.log_end_offset();
    assert_eq!((end(&rig), rig.partition().log.last_epoch()), (9, NO_EPOCH));
    let (id, fetch) = rig.sent_fetch();
    assert_eq!(fetch.partitions[0].fetch_offset, 9);
    let shorter = FetchPartitionResponse { log_start_offset: 3, ..nothing_new(5) };
    rig.answer_fetch(id, FetchPartitionResponse { error: ErrorCode::OffsetOutOfRange, ..shorter });
    assert_eq!((end(&rig), rig.high_watermark()), (5, 5));
}
