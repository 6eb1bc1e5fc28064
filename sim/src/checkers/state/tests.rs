//! What each rule about the state must catch, and what it must let pass.

use super::kept::{Checkpoints, Kept};
use super::{Cleaned, cleaned, horizons, logs, quorum, replicas};
use crate::checkers::compaction::Keys;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::checkers::roles;
use crate::disk::Disk;
use crate::disk::testing::config;
use crate::recorder::testing::{batch, plan, tp};
use crate::rng::Streams;
use crate::world::wall_ms;
use bytes::Bytes;
use replicas::Of;
use std::sync::Arc;
use stormglass_broker_core::config::{CleanupPolicy, ServerConfig, TopicConfig};
use stormglass_broker_core::ids::{DiskOpId, LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::{Follower, LeadView, ReplicaView};
use stormglass_broker_core::log::{Log, LogConfig};
use stormglass_broker_core::records::{Batch, EndTxnMarker, Records};
use stormglass_broker_core::seam::{
    DiskImage, DiskOp, DiskOpKind, FileName, ScanEnd, SegmentSummary,
};
use stormglass_broker_core::time::Duration;

/// Batches of ten records: `(base offset, epoch)`.
fn batches(of: &[(Offset, LeaderEpoch)]) -> Vec<Arc<Batch>> {
    let one = |(name, &(base, epoch)): (usize, &(Offset, LeaderEpoch))| {
        let mut batch = (*batch(base, 10, u64::try_from(name).unwrap())).clone();
        batch.header.partition_leader_epoch = epoch;
        batch.header.base_sequence = i32::try_from(name).unwrap() * 10;
        Arc::new(batch)
    };
    of.iter().enumerate().map(one).collect()
}

pub(super) fn log(of: &[(Offset, LeaderEpoch)]) -> Log {
    let server = ServerConfig::kafka_defaults();
    let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
    let mut log = Log::create(tp(0), config, 0);
    let records = Records::new(batches(of));
    let appended = log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
    log.append_done(appended.number);
    log
}

/// A disk that holds one segment and the checkpoint of a log.
struct Image(Vec<Arc<Batch>>, Bytes);

impl DiskImage for Image {
    fn logs(&self) -> Vec<TopicPartition> {
        vec![tp(0)]
    }

    fn segments(&self, _: TopicPartition) -> Vec<Offset> {
        vec![0]
    }

    fn summary(&self, _: TopicPartition, _: Offset) -> SegmentSummary {
        SegmentSummary {
            bytes: 0,
            next_offset: 0,
            max_timestamp: -1,
            max_timestamp_offset: 0,
            first_timestamp: -1,
            modified_ms: 0,
        }
    }

    fn scan(
        &self,
        _: TopicPartition,
        _: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd {
        self.0.iter().for_each(|batch| visit(0, batch));
        ScanEnd::Clean
    }

    fn file(&self, _: &FileName) -> Option<Bytes> {
        Some(self.1.clone())
    }

    fn producer_snapshots(&self, _: TopicPartition) -> Vec<Offset> {
        Vec::new()
    }
}

pub(super) const LOG: [(Offset, LeaderEpoch); 3] = [(0, 0), (10, 0), (20, 2)];
const ISR: [NodeId; 2] = [NodeId(1), NodeId(2)];

pub(super) fn view(log: &Log) -> ReplicaView<'_> {
    let mut follower = Follower::unknown(NodeId(2));
    (follower.log_end, follower.broker_epoch) = (30, 1);
    let lead = LeadView {
        epoch_start: 20,
        isr: &ISR,
        pending_isr: None,
        min_isr: 2,
        followers: vec![follower].into(),
    };
    ReplicaView {
        tp: tp(0),
        log,
        leader: Some(NodeId(1)),
        leader_epoch: 2,
        partition_epoch: 3,
        high_watermark: 30,
        lead: Some(lead),
    }
}

fn follower<'a>(replica: &'a mut ReplicaView<'_>) -> &'a mut Follower {
    &mut replica.lead.as_mut().unwrap().followers.to_mut()[0]
}

/// What the rules say of a changed view of a sound leader.
fn said(change: impl FnOnce(&mut ReplicaView<'_>), durable: Offset) -> Vec<String> {
    let log = log(&LOG);
    let mut replica = view(&log);
    change(&mut replica);
    let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    let of = Of { node: 1, replica: &replica };
    replicas::rules(&p, &mut ledger, of, Some(durable));
    replicas::settled(&p, &mut ledger, of);
    accounts(ledger)
}

fn accounts(ledger: Ledger) -> Vec<String> {
    ledger.finish().1.into_iter().map(|violation| violation.account).collect()
}

#[test]
fn a_sound_replica_keeps_every_rule() {
    assert_eq!(said(|_| {}, 30), [""; 0]);
    assert_eq!(said(|replica| replica.lead = None, 0), [""; 0]);
}

#[test]
fn each_rule_is_seen_when_it_is_broken() {
    type Change = fn(&mut ReplicaView<'_>);
    let cases: [(&str, Change); 7] = [
        ("high watermark 31", |replica| replica.high_watermark = 31),
        ("high watermark -1", |replica| replica.high_watermark = -1),
        ("the last epoch that its log has on record is 2", |replica| replica.leader_epoch = 3),
        ("without itself", |replica| replica.lead.as_mut().unwrap().isr = &ISR[1..]),
        ("for 31 long", |replica| follower(replica).log_end = 31),
        ("has no followers", |replica| {
            replica.lead.as_mut().unwrap().followers.to_mut().clear();
            replica.high_watermark = 20;
        }),
        ("still waits", |replica| replica.lead.as_mut().unwrap().pending_isr = Some(&ISR)),
    ];
    for (seen, change) in cases {
        let said = said(change, 30);
        assert!(said.len() == 1 && said[0].contains(seen), "{seen}: {said:?}");
    }
}

#[test]
fn a_producer_snapshot_lies_in_its_log() {
    let said = |newest| {
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        replicas::snapshot(&p, &mut ledger, 1, (newest, 30));
        accounts(ledger).len()
    };
    assert_eq!([None, Some(30), Some(31)].map(said), [0, 0, 1]);
}

#[test]
fn a_recovery_point_must_be_on_disk() {
    let mut log = log(&LOG);
    let mut ops = Vec::new();
    log.flush(&mut ops);
    log.sync_done(0);
    LOG.iter().for_each(|_| log.epochs_written());
    let replica = view(&log);
    let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    let of = Of { node: 1, replica: &replica };
    replicas::rules(&p, &mut ledger, of, Some(30));
    replicas::rules(&p, &mut ledger, of, Some(20));
    let said = accounts(ledger);
    assert!(said.len() == 1 && said[0].contains("recovery point 30"), "{said:?}");
}

/// What is said of a leader with everything below 21 committed, and its follower in its ISR or out of it at `log_end`.
fn stalled(in_sync: bool, log_end: Offset, was_joining: bool) -> Vec<String> {
    let log = log(&LOG);
    let mut replica = view(&log);
    replica.high_watermark = 21;
    if !in_sync {
        let lead = replica.lead.as_mut().unwrap();
        (lead.isr, lead.min_isr) = (&ISR[..1], 1);
        follower(&mut replica).log_end = log_end;
    }
    let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    replicas::progress(&p, &mut ledger, Of { node: 1, replica: &replica }, |_| was_joining);
    accounts(ledger)
}

#[test]
fn a_leader_that_can_commit_does_so() {
    for said in [stalled(true, 30, false), stalled(false, 22, false), stalled(false, 20, false)] {
        assert!(said.len() == 1 && said[0].contains("at 21, although"), "{said:?}");
    }
    assert_eq!(stalled(false, 20, true), [""; 0], "the follower was about to join");
}

/// What the comparison of the log with a disk of these batches says.
fn rebuilt(of: &[(Offset, LeaderEpoch)], checkpoint: Option<Bytes>) -> Vec<String> {
    let log = log(&LOG);
    let image = Image(batches(of), checkpoint.unwrap_or_else(|| log.epoch_checkpoint()));
    let replica = view(&log);
    let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    logs::rebuilt(&p, &mut ledger, Of { node: 1, replica: &replica }, &image);
    accounts(ledger)
}

#[test]
fn memory_is_compared_with_the_batches_on_disk() {
    assert_eq!(rebuilt(&LOG, None), [""; 0]);
    let short = rebuilt(&LOG[..2], None).join("");
    assert!(short.contains("its batches on disk at 20"), "{short}");
    let epoch = rebuilt(&[(0, 0), (10, 1), (20, 2)], None).join("");
    assert!(epoch.contains("is of epoch 1, the epoch cache has 0"), "{epoch}");
    let stale = rebuilt(&LOG, Some(Bytes::from_static(b"0\n0\n"))).join("");
    assert!(stale.contains("the checkpoint has others"), "{stale}");
    let more = rebuilt(&[(0, 0), (10, 0), (20, 2), (30, 2)], None).join("");
    assert!(more.contains("remembered is"), "{more}");
}

#[test]
fn a_log_is_cut_amid_a_batch_where_its_leader_has_deleted_that() {
    let log = log(&LOG);
    let image = Image(batches(&LOG[..2]), log.epoch_checkpoint());
    let is_broken = |cut_deep: bool, leader_starts: Offset| {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let at = p.replica(1);
        (p.replicas[at].known, p.replicas[at].cut_deep) = (true, cut_deep);
        p.stored.log_starts(leader_starts);
        logs::rebuilt(&p, &mut ledger, Of { node: 1, replica: &view(&log) }, &image);
        accounts(ledger).join("").contains("its batches on disk at 20")
    };
    assert!(!is_broken(true, 30), "the log ends at 30");
    assert!(is_broken(true, 29) && is_broken(false, 30));
}

#[test]
fn producers_are_forgotten_when_they_were_idle_and_not_before() {
    let forgotten = |timestamp: i64, at_ms: u64| {
        let of = [(0, 0)];
        let server = ServerConfig::kafka_defaults();
        let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
        let config = LogConfig { producer_expiration_ms: 5_000, ..config };
        let mut batch = Batch::clone(&batches(&of)[0]);
        batch.header.max_timestamp = wall_ms(0) + timestamp;
        let batch = Arc::new(batch);
        let mut log = Log::create(tp(0), config, 0);
        let records = Records::new(vec![Arc::clone(&batch)]);
        let appended = log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
        log.append_done(appended.number);
        log.expire_producers(i64::MAX);
        let image = Image(vec![batch], log.epoch_checkpoint());
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        ledger.now_ns = at_ms * 1_000_000;
        logs::rebuilt(&p, &mut ledger, Of { node: 1, replica: &view(&log) }, &image);
        accounts(ledger).join("")
    };
    assert!(forgotten(1_000, 5_999).contains("remembered is None"));
    assert_eq!(forgotten(1_000, 6_000), "");
}

#[test]
fn the_quorum_commits_what_a_majority_has_on_disk() {
    let p = Partition::new("m".to_owned(), 0);
    let said = |durable: &[(i32, Offset)]| {
        let mut ledger = Ledger::default();
        quorum::commits(&p, &mut ledger, (1, 4, 30), durable);
        accounts(ledger)
    };
    assert_eq!(said(&[(1, 30), (2, 30), (3, 0)]), [""; 0]);
    let minority = said(&[(1, 30), (2, 29), (3, 0)]);
    assert!(minority.len() == 1 && minority[0].contains("only 1"), "{minority:?}");
}

/// A high watermark of 30 was known at second 0, when the disk had work for `backlog_s`; the checkpoint has
/// `kept` at second `at_s`.
fn kept_behind(backlog_s: u64, kept: Offset, at_s: u64) -> Vec<String> {
    let log = log(&LOG);
    let replica = view(&log);
    let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    let mut looks = Kept::new(&plan());
    let of = Of { node: 1, replica: &replica };
    looks.look(&p, &mut ledger, (of, backlog_s * 1_000_000_000), None);
    ledger.now_ns = at_s * 1_000_000_000;
    let mut checkpoints = Checkpoints::default();
    checkpoints.marks.rows.insert(tp(0), kept);
    let of = Of { node: 1, replica: &replica };
    looks.look(&p, &mut ledger, (of, 0), Some(&checkpoints));
    accounts(ledger)
}

fn kept(kept: Offset, at_s: u64) -> Vec<String> {
    kept_behind(0, kept, at_s)
}

#[test]
fn a_checkpoint_is_read_anew_when_it_is_another_one() {
    let mut disk = Disk::new(config(), &Streams::new(5), 1);
    let mut looks = Kept::new(&plan());
    let mut point = |disk: &Disk| {
        let checkpoints = looks.read(1, disk, false);
        let point = checkpoints.points.get(&tp(0));
        looks.put_back(1, checkpoints);
        point
    };
    assert_eq!(point(&disk), None, "it is not there yet");
    let file = FileName::RecoveryPoints;
    for offset in [5, 5, 7] {
        let row = format!("0\n1\n{:x} {} {offset}\n", { tp(0).topic.0 }, tp(0).partition);
        let kind = DiskOpKind::WriteFile { file: file.clone(), bytes: row.into() };
        disk.submit(0, DiskOp { id: DiskOpId(1), kind });
        assert_eq!((point(&disk), point(&disk)), (Some(offset), Some(offset)));
    }
    disk.submit(0, DiskOp { id: DiskOpId(1), kind: DiskOpKind::DeleteFile { file } });
    assert_eq!(point(&disk), None, "it is gone");
}

#[test]
fn a_checkpoint_keeps_up() {
    assert_eq!(kept(30, 20), [""; 0]);
    assert_eq!(kept(20, 7), [""; 0], "within its interval");
    assert!(kept(20, 8)[0].contains("its checkpoint has 20"));
}

#[test]
fn a_checkpoint_may_wait_for_a_disk_that_was_slow() {
    assert_eq!(kept_behind(10, 20, 17), [""; 0]);
    assert!(kept_behind(10, 20, 18)[0].contains("its checkpoint has 20"));
}

/// What is said of a leader that proposes follower 2, which has fetched up to `log_end`.
fn proposed(log_end: Offset) -> usize {
    let log = log(&LOG);
    let mut replica = view(&log);
    let lead = replica.lead.as_mut().unwrap();
    (lead.isr, lead.pending_isr) = (&ISR[..1], Some(&ISR[..]));
    follower(&mut replica).log_end = log_end;
    let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    let mine = p.replica(1);
    p.replicas[mine].proposed = true;
    for _ in 0..2 {
        replicas::proposed(&mut p, &mut ledger, Of { node: 1, replica: &replica });
    }
    accounts(ledger).len()
}

#[test]
fn who_is_proposed_has_what_is_committed() {
    assert_eq!((proposed(30), proposed(29)), (0, 1), "looked at once");
}

#[test]
fn a_proposal_is_for_the_state_that_it_was_made_in() {
    let log = log(&LOG);
    let mut replica = view(&log);
    replica.lead.as_mut().unwrap().pending_isr = Some(&ISR);
    let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
    let mine = p.replica(1);
    p.replicas[mine].proposed = true;
    replicas::proposed(&mut p, &mut ledger, Of { node: 1, replica: &replica });
    replica.partition_epoch += 1;
    replicas::proposed(&mut p, &mut ledger, Of { node: 1, replica: &replica });
    let said = accounts(ledger);
    assert!(said.len() == 1 && said[0].contains("still counts on an ISR"), "{said:?}");
}

#[test]
fn the_cleaner_leaves_alone_what_is_young() {
    let server = ServerConfig::kafka_defaults();
    let topic = TopicConfig {
        cleanup_policy: CleanupPolicy::COMPACT,
        min_compaction_lag: Duration::from_millis(5_000),
        ..TopicConfig::from_server(&server)
    };
    let log = Log::create(tp(0), LogConfig::new(&topic, &server), 0);
    let broken = |age_ms: i64| {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        let mine = p.replica(1);
        p.replicas[mine].cleaned = Some(Cleaned::with(None, (0, 20), 9_000_000_000));
        let replica = view(&log);
        cleaned::look(&mut p, &mut ledger, Of { node: 1, replica: &replica }, true, |_, _| {
            let mut batch = Batch::clone(&batches(&[(0, 1)])[0]);
            batch.header.max_timestamp = wall_ms(9_000_000_000) - age_ms;
            vec![Arc::new(batch)]
        });
        ledger.finish().1.len()
    };
    assert_eq!((broken(5_000), broken(4_000)), (0, 1));
}

#[test]
fn the_cleaner_leaves_alone_what_is_not_stable() {
    let log = log(&LOG);
    let broken = |upto: Offset| {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        let mine = p.replica(1);
        p.replicas[mine].cleaned = Some(Cleaned::with(None, (0, upto), 0));
        let replica = view(&log);
        cleaned::look(&mut p, &mut ledger, Of { node: 1, replica: &replica }, false, |_, _| {
            Vec::new()
        });
        ledger.finish().1.len()
    };
    assert_eq!((broken(30), broken(31)), (0, 1));
}

#[test]
fn nothing_is_known_of_transactions_that_are_not_there_yet() {
    let said = |beyond| {
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        replicas::aborted(&p, &mut ledger, 1, (beyond, 30));
        accounts(ledger).len()
    };
    assert_eq!((said(None), said(Some((7, 25)))), (0, 1));
}

#[test]
fn who_shuts_down_in_order_has_synced() {
    let said = |is_synced| {
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        replicas::closed(&p, &mut ledger, 1, is_synced);
        accounts(ledger).len()
    };
    assert_eq!((said(true), said(false)), (0, 1));
}

#[test]
fn a_log_is_not_written_to_behind_a_torn_batch() {
    let said = |buried| {
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        logs::nothing_buried(&p, &mut ledger, 1, buried);
        accounts(ledger).len()
    };
    assert_eq!((said(None), said(Some(20))), (0, 1));
}

/// A batch of a producer, and its marker in another epoch.
fn fenced(epoch: i16) -> Vec<Arc<Batch>> {
    let mut marker = EndTxnMarker { commit: false, coordinator_epoch: 0 }.to_batch(9, epoch, 0);
    (marker.header.base_offset, marker.header.partition_leader_epoch) = (10, 0);
    let mut written = Batch::clone(&batches(&[(0, 0)])[0]);
    written.header = written.header.as_transactional();
    (written.header.producer_id, written.header.producer_epoch) = (9, 4);
    vec![Arc::new(written), Arc::new(marker)]
}

#[test]
fn a_marker_begins_its_producers_epoch() {
    let server = ServerConfig::kafka_defaults();
    let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
    let said = |known: i16| {
        let mut log = Log::create(tp(0), config, 0);
        let appended =
            log.append_as_follower(Records::new(fenced(known)), 0, &mut Vec::new()).unwrap();
        log.append_done(appended.number);
        let image = Image(fenced(5), log.epoch_checkpoint());
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let replica = ReplicaView { lead: None, high_watermark: 0, ..view(&log) };
        logs::rebuilt(&p, &mut ledger, Of { node: 1, replica: &replica }, &image);
        accounts(ledger)
    };
    assert_eq!(said(5), [""; 0]);
    let old = said(4);
    assert!(old.iter().any(|said| said.contains("is known in epoch 4")), "{old:?}");
}

/// Hunt seed 12000154: node 2 leads, and is moved away. The marker that it took is older than what is before.
#[test]
fn a_late_marker_stays_when_the_leader_that_took_it_after_a_deep_cut_is_gone() {
    let server = ServerConfig::kafka_defaults();
    let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
    let said = |cut_deep: bool| {
        let mut batches = fenced(3);
        Arc::make_mut(&mut batches[0]).header.max_timestamp = wall_ms(0);
        let mut log = Log::create(tp(0), config, 0);
        let records = Records::new(batches.clone());
        let appended = log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
        log.append_done(appended.number);
        let image = Image(batches, log.epoch_checkpoint());
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let theirs = p.replica(2);
        p.replicas[theirs].cut_deep = cut_deep;
        roles::leads(&mut p, &mut ledger, (theirs, 0), (10, &[NodeId(2)]));
        p.log_deleted(2);
        let replica = ReplicaView { lead: None, high_watermark: 0, ..view(&log) };
        logs::rebuilt(&p, &mut ledger, Of { node: 1, replica: &replica }, &image);
        accounts(ledger)
    };
    assert_eq!(said(true), [""; 0]);
    let old = said(false);
    assert!(old.len() == 1 && old[0].contains("wrote sequence 9 in epoch 4"), "{old:?}");
}

/// The attribute of a batch with a delete horizon (KIP-534).
const HAS_HORIZON: i16 = 0x40;

#[test]
fn tombstones_and_markers_stay_as_long_as_was_said() {
    let log = log(&[(0, 1)]);
    let broken = |before: (i64, bool), after: Option<i64>| {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        (p.keys, ledger.now_ns) = (Some(Keys::new(0)), 1_000_000_000);
        let mine = p.replica(1);
        p.replicas[mine].horizons.insert(0, before);
        let replica = view(&log);
        let mut batch = Batch::clone(&batches(&[(0, 1)])[0]);
        batch.header.attributes |= HAS_HORIZON;
        batch.header.base_timestamp = after.unwrap_or(0);
        let there = after.map(|_| &batch).into_iter();
        horizons::kept(&mut p, &mut ledger, Of { node: 1, replica: &replica }, there);
        ledger.finish().1.len()
    };
    let now_ms = wall_ms(1_000_000_000);
    assert_eq!(broken((now_ms + 5, true), Some(now_ms + 5)), 0);
    assert_eq!(broken((now_ms + 5, true), Some(now_ms + 9)), 1, "it is put off");
    assert_eq!(broken((now_ms + 5, true), None), 1, "its marker goes too early");
    assert_eq!((broken((now_ms - 5, true), None), broken((now_ms + 5, false), None)), (0, 0));
}
