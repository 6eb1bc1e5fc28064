//! A leader or follower whose remote storage is a list in memory.

use super::RemoteLog;
use crate::config::ServerConfig;
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, Offset};
use crate::metadata::{ConfigResource, LeaderUpdate, MetadataRecord, PartitionChangeRecord};
use crate::protocol::{
    EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, IsolationLevel,
    ListOffsetsPartitionResponse, ListOffsetsResponse, OffsetForLeaderEpochResponse, Request,
    Response, SESSION_EPOCH_FINAL,
};
use crate::records::Records;
use crate::replica::tests::{Rig, TOPIC, TP, nothing_new};
use crate::seam::{
    DiskOpKind, FileName, RemoteError, RemoteIndexes, RemoteOpKind, RemoteResult, RemoteSegment,
    TimerKey, TraceEvent,
};
use crate::step::ReplyTo;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Broker 1, its disk's small files, and remote storage.
struct Tiered {
    rig: Rig,
    files: BTreeMap<FileName, Bytes>,
    batches: Records,
    remote: Vec<Arc<RemoteSegment>>,
    fails: Option<RemoteError>,
    /// What was asked of remote storage.
    asked: Vec<String>,
}

impl Tiered {
    /// Two batches of a record make a segment.
    fn new(leader: i32, configs: &[(&str, &str)]) -> Self {
        let enable = |server: &mut ServerConfig| server.remote_log_storage_system_enable = true;
        let mut rig = Rig::new("orders", enable);
        let on = [("remote.storage.enable", "true"), ("segment.bytes", "300")];
        let records = on.iter().chain(configs).map(|(key, value)| MetadataRecord::Config {
            resource: ConfigResource::Topic("orders".into()),
            key: (*key).into(),
            value: Some((*value).into()),
        });
        rig.apply(&records.collect::<Vec<_>>());
        rig.create(leader, &[leader]);
        let (files, batches, remote) = (BTreeMap::new(), Records::default(), Vec::new());
        let mut tiered = Self { rig, files, batches, remote, fails: None, asked: Vec::new() };
        tiered.run();
        tiered
    }

    /// A leader with offsets 0 to 3 in remote storage alone, and 4 on its disk.
    fn with_remote() -> Self {
        let mut tiered = Self::new(1, &[NOTHING_LOCAL]);
        tiered.write(5);
        tiered.task();
        tiered.retention();
        tiered
    }

    /// Appends batches of one record.
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            self.rig.produce();
            self.run();
        }
    }

    /// The disk and remote storage do what is asked of them.
    fn run(&mut self) {
        loop {
            let ops = self.rig.disk();
            let remote = std::mem::take(&mut self.rig.effects.remote);
            if ops.is_empty() && remote.is_empty() {
                return;
            }
            for kind in ops {
                match kind {
                    DiskOpKind::WriteFile { file, bytes } => {
                        self.files.insert(file, bytes);
                    }
                    DiskOpKind::Append { records, .. } => {
                        records.batches().iter().for_each(|b| self.batches.push(Arc::clone(b)));
                    }
                    _ => {}
                }
            }
            for op in remote {
                let result = self.remote(op.kind);
                self.rig.act(|replicas, step| replicas.remote_done(step, op.id, result));
            }
        }
    }

    fn remote(&mut self, kind: RemoteOpKind) -> RemoteResult {
        let is_list = matches!(kind, RemoteOpKind::List { .. });
        if !is_list {
            self.asked.push(format!("{kind:?}").split(' ').next().unwrap_or_default().to_owned());
        }
        if let Some(error) = self.fails.filter(|_| !is_list) {
            return RemoteResult::Failed(error);
        }
        match kind {
            RemoteOpKind::Copy { mut segment } => {
                let file = FileName::ProducerSnapshot(TP, segment.end + 1);
                let producers = self.files.get(&file).cloned().expect("written when it rolled");
                segment.indexes = RemoteIndexes { producers, aborted: Bytes::new() };
                let segment = Arc::new(segment);
                self.remote.push(Arc::clone(&segment));
                RemoteResult::Copied(segment)
            }
            RemoteOpKind::List { .. } => RemoteResult::Listed(self.remote.clone()),
            RemoteOpKind::Read { segment, from, upto, .. } => {
                let held = self.remote.iter().find(|held| held.id == segment);
                assert!(held.is_some_and(|s| s.base <= from && upto <= s.end + 1));
                let batches = self
                    .batches
                    .batches()
                    .iter()
                    .filter(|batch| batch.last_offset() >= from && batch.base_offset() < upto);
                RemoteResult::Read(Records::new(batches.cloned().collect()))
            }
            RemoteOpKind::FindTimestamp { .. } => RemoteResult::Found(None),
            RemoteOpKind::Delete { segment } => {
                self.remote.retain(|held| held.id != segment);
                RemoteResult::Done
            }
            RemoteOpKind::DeletePartition { .. } => {
                self.remote.clear();
                RemoteResult::Done
            }
        }
    }

    /// The log's task runs once more.
    fn task(&mut self) {
        self.rig.act(|replicas, step| replicas.remote_log_due(step));
        self.run();
    }

    fn retention(&mut self) {
        self.rig.act(|replicas, step| replicas.retention_due(step));
        self.run();
    }

    /// First offset of the log, of its local part, and the one after its remote part.
    fn starts(&self) -> (Offset, Offset, Offset) {
        let log = &self.rig.partition().log;
        (log.log_start_offset(), log.local_log_start_offset(), log.remote_end_offset())
    }

    fn bases(&self) -> Vec<Offset> {
        self.remote.iter().map(|segment| segment.base).collect()
    }

    /// What the broker knows of remote storage.
    fn remote_log(&mut self, slot: u32) -> &mut RemoteLog {
        self.rig.replicas.tier.as_mut().and_then(|tier| tier.logs.get_mut(&slot)).unwrap()
    }

    /// Whether the log is to start later, once more is committed.
    fn is_start_pending(&mut self) -> bool {
        let slot = self.rig.replicas.slot(TP).unwrap();
        self.remote_log(slot).start_pending
    }

    /// A consumer fetches; what it is told once the disk has read.
    fn consume(&mut self, offset: Offset) {
        let request = FetchRequest {
            replica: None,
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation: IsolationLevel::ReadCommitted,
            session_id: 0,
            session_epoch: SESSION_EPOCH_FINAL,
            partitions: vec![FetchPartition {
                tp: TP,
                current_leader_epoch: self.rig.partition().leader_epoch,
                fetch_offset: offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                max_bytes: 1 << 20,
            }],
            forgotten: Vec::new(),
            rack: None,
        };
        let to = ReplyTo { conn: ConnectionId(3), correlation: CorrelationId(3) };
        self.rig.act(|replicas, step| replicas.fetch(step, to, &request));
    }

    fn fetched(&mut self) -> FetchPartitionResponse {
        let mut answers = self.rig.replies().into_iter().filter_map(|answer| match answer {
            Response::Fetch(response) => Some(response),
            _ => None,
        });
        let mut response = answers.next().expect("the fetch is answered");
        response.partitions.remove(0)
    }
}

const NOTHING_LOCAL: (&str, &str) = ("local.retention.bytes", "0");

#[test]
fn rolled_segments_are_copied_and_leave_the_disk_when_local_retention_has_passed() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL]);
    tiered.write(5); // segments 0, 2 and the active one, 4
    assert_eq!(tiered.starts(), (0, 0, 0), "the log's task has not run since");
    tiered.task();
    assert_eq!((tiered.bases(), tiered.starts()), (vec![0, 2], (0, 0, 4)));
    tiered.retention();
    assert_eq!(tiered.starts(), (0, 4, 4), "what was the active segment is not copied yet");
    assert_eq!(tiered.rig.partition().log.epoch_at(0), 0, "epochs are of the whole log");
    for _ in 0..2 {
        tiered.task();
        assert_eq!(tiered.bases(), [0, 2, 4], "it has expired, too (KAFKA-15047)");
    }
    tiered.retention();
    assert_eq!(tiered.starts(), (0, 5, 5));
}

#[test]
fn nothing_leaves_the_disk_that_is_not_in_remote_storage() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL, ("retention.ms", "1")]);
    tiered.fails = Some(RemoteError::SlowDown);
    tiered.write(5);
    tiered.rig.now_ms += 10_000;
    tiered.task();
    tiered.retention();
    assert_eq!((tiered.asked.len(), tiered.starts()), (1, (0, 0, 0)), "one copy was tried");
    tiered.fails = None;
    tiered.task();
    assert_eq!((tiered.bases(), tiered.starts()), (vec![0, 2], (0, 0, 4)));
}

#[test]
fn what_is_above_the_last_stable_offset_is_not_copied() {
    let mut tiered = Tiered::new(1, &[]);
    let shrink = [MetadataRecord::PartitionChange({
        let mut change = PartitionChangeRecord::new(TP);
        change.isr = Some(vec![NodeId(1), NodeId(2)]);
        change
    })];
    tiered.rig.apply(&shrink);
    tiered.write(5);
    tiered.task();
    assert_eq!((tiered.rig.high_watermark(), tiered.remote.len()), (0, 0));
    tiered.rig.fetched_by(2, 3, 0);
    tiered.task();
    assert_eq!((tiered.rig.high_watermark(), tiered.bases()), (3, vec![0]));
}

#[test]
fn the_whole_logs_retention_deletes_in_remote_storage() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL, ("retention.bytes", "420")]);
    tiered.write(7); // 707 bytes in segments 0, 2, 4 and 6
    tiered.task(); // knew of nothing when it looked for what to delete
    assert_eq!(tiered.bases(), [0, 2, 4]);
    tiered.task();
    assert_eq!((tiered.bases(), tiered.starts().0), (vec![2, 4], 2), "505 bytes are enough");
    let started = |e: &TraceEvent| matches!(e, TraceEvent::LogStart { offset: 2, .. });
    assert!(tiered.rig.effects.trace.iter().any(started));
}

/// As `RemoteLogRetentionHandler.isSegmentBreachedByRetentionTime`, and a millisecond before a local one.
#[test]
fn a_remote_segment_is_too_old_as_soon_as_it_has_the_age() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL, ("retention.ms", "5000")]);
    tiered.write(5); // at 1000 ms
    tiered.task();
    tiered.rig.now_ms = 5_999;
    tiered.task();
    assert_eq!((tiered.bases(), tiered.starts().0), (vec![0, 2], 0));
    tiered.rig.now_ms = 6_000;
    tiered.task();
    assert!(tiered.remote.is_empty());
    assert_eq!(tiered.starts().0, 4);
}

#[test]
fn retention_deletes_nothing_in_remote_storage_that_the_log_still_has() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL, ("retention.bytes", "420")]);
    let slot = tiered.rig.replicas.slot(TP).unwrap();
    let stands_at = |tiered: &mut Tiered, high_watermark| {
        let partition = tiered.rig.replicas.partition_mut(slot).unwrap();
        partition.high_watermark = high_watermark;
        tiered.task();
        (tiered.bases(), tiered.starts().0)
    };
    tiered.write(7);
    tiered.task();
    assert_eq!(stands_at(&mut tiered, 1), (vec![0, 2, 4], 1), "as far as is known to be committed");
    assert_eq!(stands_at(&mut tiered, 7), (vec![2, 4], 2));
}

#[test]
fn a_consumer_far_behind_reads_remote_storage() {
    let mut tiered = Tiered::with_remote();
    tiered.consume(1);
    tiered.run();
    let answer = tiered.fetched();
    assert_eq!((answer.error, answer.log_start_offset), (ErrorCode::None, 0));
    let offsets: Vec<_> = answer.records.batches().iter().map(|b| b.base_offset()).collect();
    assert_eq!((offsets, answer.aborted.map(|all| all.len())), (vec![1], Some(0)));
    assert_eq!(tiered.asked.last().map(String::as_str), Some("Read"));
}

#[test]
fn a_fetch_that_waits_too_long_for_remote_storage_gets_nothing_and_no_error() {
    let mut tiered = Tiered::with_remote();
    tiered.rig.effects.timers.clear();
    tiered.consume(0);
    let (at, key) = tiered.rig.effects.timers.pop().unwrap();
    assert_eq!(
        (key, at.as_nanos()),
        (TimerKey::RemoteFetch, (tiered.rig.now_ms + 500) * 1_000_000)
    );
    tiered.rig.now_ms += 500;
    tiered.rig.act(|replicas, step| replicas.remote_fetch_due(step));
    let answer = tiered.fetched();
    assert_eq!((answer.error, answer.records.is_empty()), (ErrorCode::None, true));
    tiered.run(); // the read ends, and nobody waits for it
    assert!(tiered.rig.replies().is_empty());
}

#[test]
fn remote_storage_that_fails_is_an_error_that_consumers_survive() {
    let mut tiered = Tiered::with_remote();
    tiered.fails = Some(RemoteError::Unavailable);
    tiered.consume(0);
    tiered.run();
    assert_eq!(tiered.fetched().error, ErrorCode::UnknownServerError);
}

#[test]
fn a_new_leader_that_has_not_listed_asks_consumers_to_wait() {
    let mut tiered = Tiered::with_remote();
    tiered.rig.elect(1);
    tiered.consume(0);
    assert_eq!(tiered.fetched().error, ErrorCode::ReplicaNotAvailable);
    tiered.run();
    tiered.consume(0);
    tiered.run();
    assert_eq!(tiered.fetched().records.batches().len(), 2);
}

/// Hunt seed 30004513: its disk still had what its predecessor had deleted, until local retention took that.
#[test]
fn a_new_leader_starts_where_remote_storage_does_whatever_its_disk_has() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL]);
    tiered.write(5);
    tiered.task();
    assert_eq!((tiered.bases(), tiered.starts()), (vec![0, 2], (0, 0, 4)));
    tiered.remote.remove(0);
    tiered.rig.elect(1);
    tiered.run();
    assert_eq!((tiered.starts(), tiered.is_start_pending()), ((2, 2, 4), false));
    tiered.consume(1);
    assert_eq!(tiered.fetched().error, ErrorCode::OffsetOutOfRange);
}

#[test]
fn a_fetch_does_not_look_for_the_logs_start_where_it_is_known() {
    let mut tiered = Tiered::with_remote();
    let slot = tiered.rig.replicas.slot(TP).unwrap();
    tiered.remote_log(slot).segments.remove(0);
    tiered.consume(2);
    tiered.run();
    assert_eq!(tiered.starts(), (0, 4, 4), "it has not taken stock");
    tiered.remote_log(slot).start_pending = true;
    tiered.consume(2);
    tiered.run();
    assert_eq!((tiered.starts(), tiered.is_start_pending()), ((2, 4, 4), false));
}

/// Nothing that its predecessor deleted is skipped unawares, though its high watermark was behind when it took stock.
#[test]
fn a_new_leader_with_a_late_high_watermark_starts_where_remote_storage_does() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL]);
    tiered.write(5);
    tiered.task();
    tiered.remote.remove(0);
    let slot = tiered.rig.replicas.slot(TP).unwrap();
    tiered.rig.replicas.partition_mut(slot).unwrap().high_watermark = 1;
    tiered.task();
    assert_eq!(tiered.starts(), (1, 1, 4), "as far as is known to be committed");
    assert!(tiered.is_start_pending());
    tiered.rig.replicas.partition_mut(slot).unwrap().high_watermark = 5;
    tiered.retention();
    assert_eq!(tiered.starts(), (1, 4, 4), "the log's task has not run since");
    tiered.consume(1);
    tiered.run();
    let answer = tiered.fetched();
    assert_eq!((answer.error, answer.log_start_offset), (ErrorCode::OffsetOutOfRange, 2));
    tiered.consume(2);
    tiered.run();
    assert_eq!(tiered.fetched().records.batches().len(), 2);
}

#[test]
fn a_list_from_before_a_copy_has_ended_is_not_believed() {
    let mut tiered = Tiered::new(1, &[NOTHING_LOCAL]);
    tiered.write(5);
    let due = |tiered: &mut Tiered| {
        tiered.rig.act(|replicas, step| replicas.remote_log_due(step));
        std::mem::take(&mut tiered.rig.effects.remote)
    };
    let answer = |tiered: &mut Tiered, id, result| {
        tiered.rig.act(|replicas, step| replicas.remote_done(step, id, result));
        std::mem::take(&mut tiered.rig.effects.remote)
    };
    let nothing = || RemoteResult::Listed(Vec::new());
    let first = due(&mut tiered).remove(0).id;
    let copy = answer(&mut tiered, first, nothing()).remove(0);
    let second = due(&mut tiered).remove(0).id;
    let copied = tiered.remote(copy.kind);
    answer(&mut tiered, copy.id, copied);
    tiered.retention();
    answer(&mut tiered, second, nothing());
    assert_eq!(tiered.starts(), (0, 2, 2), "what was copied is still known");
}

#[test]
fn configs_of_others_do_not_make_it_forget_what_is_remote() {
    let mut tiered = Tiered::with_remote();
    let resource = ConfigResource::Topic("another".into());
    let value = Some("5".into());
    tiered.rig.apply(&[MetadataRecord::Config { resource, key: "retention.ms".into(), value }]);
    tiered.consume(0);
    tiered.run();
    assert_eq!(tiered.fetched().records.batches().len(), 2);
}

#[test]
fn a_follower_below_the_local_start_is_told_so() {
    let mut tiered = Tiered::with_remote();
    tiered.rig.replies();
    tiered.rig.fetched_by(2, 1, 0);
    let answer = tiered.fetched();
    assert_eq!(answer.error, ErrorCode::OffsetMovedToTieredStorage);
    assert_eq!(answer.log_start_offset, 0);
}

/// A leader whose local log begins at 4, and a follower that was told to begin there; what it has asked its
/// leader, and its fetch of other partitions.
fn moved_to_remote() -> (Tiered, Tiered, [CorrelationId; 2]) {
    let mut leader = Tiered::new(1, &[NOTHING_LOCAL]);
    leader.write(5);
    leader.task();
    let mut follower = Tiered::new(2, &[]);
    follower.remote.clone_from(&leader.remote);
    let (fetch, _) = follower.rig.sent_fetch();
    let moved = FetchPartitionResponse {
        error: ErrorCode::OffsetMovedToTieredStorage,
        high_watermark: 5,
        ..nothing_new(5)
    };
    follower.rig.answer_fetch(fetch, moved);
    let mut sent = follower.rig.sent().into_iter();
    let asked = sent.next().unwrap();
    assert!(matches!(asked.request, Request::ListOffsets(_)), "{asked:?}");
    let without = sent.next().unwrap();
    (leader, follower, [asked.correlation, without.correlation])
}

/// The leader tells where its local log begins, and the epoch there.
fn begins_at_4(follower: &mut Tiered, id: CorrelationId, leader_epoch: i32) {
    let local = ListOffsetsPartitionResponse {
        tp: TP,
        error: ErrorCode::None,
        timestamp: -1,
        offset: 4,
        leader_epoch,
    };
    let answer = Response::ListOffsets(ListOffsetsResponse { partitions: vec![local] });
    follower.rig.act(|replicas, step| replicas.rebuild_response(step, id, Ok(answer)));
}

/// The leader has nothing of other partitions.
fn nothing_of_others(follower: &mut Tiered, id: CorrelationId) {
    let others = Response::Fetch(crate::protocol::FetchResponse {
        throttle_ms: 0,
        error: ErrorCode::None,
        session_id: 5,
        partitions: Vec::new(),
    });
    follower.rig.act(|replicas, step| replicas.fetcher_response(step, id, Ok(others)));
}

#[test]
fn a_follower_starts_where_its_leaders_local_log_does() {
    let (_, mut follower, [asked, without]) = moved_to_remote();
    begins_at_4(&mut follower, asked, 3);
    let asked = follower.rig.sent().pop().unwrap();
    assert!(matches!(asked.request, Request::OffsetForLeaderEpoch(_)), "{asked:?}");
    let end = EpochEndOffset { epoch: 0, end_offset: 4 };
    let partitions = vec![(TP, ErrorCode::None, end)];
    let answer = Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse { partitions });
    let id = asked.correlation;
    follower.rig.act(|replicas, step| replicas.rebuild_response(step, id, Ok(answer)));
    follower.run();
    let log = &follower.rig.partition().log;
    assert_eq!((log.next_offset(), follower.rig.high_watermark()), (4, 4));
    assert_eq!((follower.starts(), log.epoch_at(3)), ((0, 4, 4), 0));
    assert_eq!(log.producer_views()[0].newest, Some((3, 3)), "what the producer wrote is known");
    nothing_of_others(&mut follower, without);
    let (_, next) = follower.rig.sent_fetch();
    assert_eq!(next.partitions[0].fetch_offset, 4, "and it goes on from there");
}

/// Hunt seed 9012385: it joined the ISR with what it had copied, and dropped that.
#[test]
fn a_follower_that_began_anew_meanwhile_keeps_what_it_has_copied() {
    let (leader, mut follower, [asked, without]) = moved_to_remote();
    begins_at_4(&mut follower, asked, 0);
    assert_eq!(follower.rig.effects.remote.len(), 1, "remote storage is slow");
    nothing_of_others(&mut follower, without);
    follower.rig.now_ms += 1_000;
    follower.rig.act(|replicas, step| replicas.fetcher_due(step, NodeId(2), 0));
    let (fetch, _) = follower.rig.sent_fetch();
    let error = ErrorCode::OffsetOutOfRange;
    let deleted = FetchPartitionResponse { error, log_start_offset: 4, ..nothing_new(5) };
    follower.rig.answer_fetch(fetch, deleted);
    let (fetch, next) = follower.rig.sent_fetch();
    assert_eq!(next.partitions[0].fetch_offset, 4);
    let records = Records::single(Arc::clone(&leader.batches.batches()[4]));
    let copied = FetchPartitionResponse { records, log_start_offset: 4, ..nothing_new(5) };
    follower.rig.answer_fetch(fetch, copied);
    follower.rig.disk();
    let ends = |follower: &Tiered| {
        (follower.rig.partition().log.log_end_offset(), follower.rig.high_watermark())
    };
    assert_eq!(ends(&follower), (5, 5));
    follower.run();
    assert_eq!(ends(&follower), (5, 5), "what remote storage tells at last is out of date");
}

/// Else it would not find what its leader had copied since the list of before, nor tell readers what was aborted there.
#[test]
fn a_follower_that_starts_after_remote_storage_knows_all_that_is_there() {
    let (_, mut follower, [asked, _]) = moved_to_remote();
    let slot = follower.rig.replicas.slot(TP).unwrap();
    assert!(follower.remote_log(slot).segments.is_empty(), "listed before there was anything");
    begins_at_4(&mut follower, asked, 0);
    follower.run();
    assert_eq!(follower.starts(), (0, 4, 4));
    let known = follower.remote_log(slot).segments.iter().map(|segment| segment.base);
    assert_eq!(known.collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_deleted_topic_takes_its_remote_part_along() {
    let mut tiered = Tiered::new(1, &[]);
    tiered.write(5);
    tiered.task();
    tiered.rig.apply(&[MetadataRecord::RemoveTopic { id: TOPIC }]);
    tiered.run();
    assert!(tiered.remote.is_empty());
}

/// Hunt seed 11006466: nothing told any more which transactions were aborted there.
#[test]
fn what_is_deleted_while_it_is_read_remotely_is_out_of_range_to_readers_of_committed_records() {
    let mut tiered = Tiered::with_remote();
    tiered.consume(1); // the read is under way
    let slot = tiered.rig.replicas.slot(TP).unwrap();
    let log = &mut tiered.rig.replicas.partition_mut(slot).unwrap().log;
    log.advance_log_start(2, &mut Vec::new());
    tiered.run();
    let answer = tiered.fetched();
    assert_eq!((answer.error, answer.records.is_empty()), (ErrorCode::OffsetOutOfRange, true));
}

/// Hunt seed 38002280: a replica was moved away and back while remote storage was slow. The log that was here by then
/// knew of nothing that was aborted, and readers of committed records got all of it.
#[test]
fn a_replica_that_has_gone_while_it_is_read_remotely_is_not_taken_for_another_one() {
    let moves = |tiered: &mut Tiered, replicas: [i32; 2]| {
        let mut change = PartitionChangeRecord::new(TP);
        change.replicas = Some(replicas.map(NodeId).to_vec());
        change.leader = LeaderUpdate::Elected(NodeId(replicas[0]));
        tiered.rig.apply(&[MetadataRecord::PartitionChange(change)]);
    };
    for is_back in [false, true] {
        let mut tiered = Tiered::with_remote();
        tiered.consume(1); // the read is under way
        moves(&mut tiered, [2, 3]);
        if is_back {
            moves(&mut tiered, [1, 2]);
        }
        assert_eq!(tiered.rig.replicas.find(TP).is_some(), is_back);
        tiered.run();
        let (answer, unknown) = (tiered.fetched(), ErrorCode::UnknownTopicOrPartition);
        assert_eq!((answer.error, answer.records.is_empty()), (unknown, true), "{is_back}");
    }
}
