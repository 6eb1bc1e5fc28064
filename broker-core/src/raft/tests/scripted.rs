//! One situation each, most named after the bug of the catalogue that it would show.

use super::cluster::{Cluster, MS};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, TopicPartition};
use crate::metadata::MetadataRecord;
use crate::protocol::{
    FetchPartition, FetchRequest, IsolationLevel, ReplicaState, Request, Response, VoteRequest,
};
use crate::raft::tests::disk::TestDisk;
use crate::raft::{Raft, RoleName};
use crate::seam::{DiskOpKind, Effects, FileName};
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::{Duration, Instant};

const NO_SNAPSHOTS: i64 = 1 << 40;

fn settled(voters: usize, observers: usize) -> (Cluster, usize) {
    let mut cluster = Cluster::new(voters, observers, 11, NO_SNAPSHOTS);
    assert!(cluster.run_until_that(3_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let leader = cluster.leader().unwrap();
    (cluster, leader)
}

/// Whether a leader has committed the record that opened its epoch.
fn is_active(cluster: &Cluster, n: usize) -> bool {
    let raft = cluster.nodes[n].raft();
    raft.epoch_start_offset().is_some_and(|start| raft.high_watermark() > start)
}

/// A single node that is stepped by hand.
struct Solo {
    raft: Raft,
    effects: Effects,
    ids: IdCounters,
    now: u64,
}

impl Solo {
    fn new(disk: &TestDisk) -> Self {
        let template = Cluster::new(3, 0, 1, NO_SNAPSHOTS);
        let config = template.nodes[0].config.clone();
        let raft = Raft::new(&config, disk);
        let mut solo =
            Self { raft, effects: Effects::default(), ids: IdCounters::default(), now: 0 };
        solo.act(Raft::on_start);
        solo
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Raft, &mut Step<'_>) -> T) -> T {
        let now = Instant::from_nanos(self.now);
        let (effects, ids) = (&mut self.effects, &mut self.ids);
        act(&mut self.raft, &mut Step { now, wall_ms: 0, effects, ids })
    }

    fn ask(&mut self, request: Request) {
        let reply_to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
        self.act(|raft, step| raft.on_request(step, reply_to, request));
    }

    /// Completes all disk operations on `disk`.
    fn complete(&mut self, disk: &mut TestDisk) {
        while !self.effects.disk.is_empty() {
            for op in std::mem::take(&mut self.effects.disk) {
                let result = disk.apply(op.kind);
                self.act(|raft, step| raft.on_disk(step, op.id, result));
            }
        }
    }

    fn vote(&mut self, epoch: i32, candidate: i32) {
        self.ask(Request::Vote(VoteRequest {
            epoch,
            candidate: NodeId(candidate),
            last_offset_epoch: -1,
            last_offset: 0,
            pre_vote: false,
        }));
    }

    fn granted(&mut self) -> Option<bool> {
        match self.effects.replies.pop()?.response? {
            Response::Vote(vote) => Some(vote.granted),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn raft_01_a_vote_is_durable_before_it_is_given_and_outlives_a_restart() {
    let mut disk = TestDisk::default();
    let mut solo = Solo::new(&disk);
    solo.vote(5, 1);
    assert_eq!(solo.granted(), None, "the vote is not on disk yet");
    assert!(solo.effects.disk.iter().any(|op| {
        matches!(op.kind, DiskOpKind::WriteFile { file: FileName::QuorumState, .. })
    }));
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(true));

    let mut solo = Solo::new(&disk);
    solo.vote(5, 2);
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(false));
    solo.vote(5, 1);
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(true), "the same vote again");
}

#[test]
fn raft_01_a_change_of_role_within_the_epoch_keeps_the_vote() {
    let mut disk = TestDisk::default();
    let mut solo = Solo::new(&disk);
    solo.vote(5, 1);
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(true));
    // it loses patience and asks for pre-votes, still in epoch 5
    solo.now = 3_000 * MS;
    solo.act(Raft::on_timer);
    assert_eq!((solo.raft.role(), solo.raft.epoch()), (RoleName::Prospective, 5));
    solo.vote(5, 2);
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(false));
}

#[test]
fn raft_02_a_restarted_leader_does_not_lead_the_same_epoch_again() {
    let (mut cluster, leader) = settled(3, 0);
    let epoch = cluster.nodes[leader].raft().epoch();
    cluster.crash(leader, true);
    cluster.start(leader);
    assert_eq!(cluster.nodes[leader].raft().role(), RoleName::Resigned);
    assert_eq!(cluster.nodes[leader].raft().leader(), None);
    assert!(cluster.run_until_that(3_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let now_leading = cluster.leader().unwrap();
    assert!(cluster.nodes[now_leading].raft().epoch() > epoch);
}

#[test]
fn raft_03_unsynced_records_are_neither_served_nor_counted() {
    let mut disk = TestDisk::default();
    let template = Cluster::new(1, 0, 1, NO_SNAPSHOTS);
    let mut config = template.nodes[0].config.clone();
    config.voters = vec![NodeId(0)];
    let raft = Raft::new(&config, &disk);
    let mut solo = Solo { raft, effects: Effects::default(), ids: IdCounters::default(), now: 0 };
    solo.act(Raft::on_start);
    solo.now = 500 * MS;
    solo.act(Raft::on_timer);
    solo.complete(&mut disk);
    assert_eq!((solo.raft.role(), solo.raft.high_watermark()), (RoleName::Leader, 1));

    solo.act(|raft, step| raft.propose(step, &[MetadataRecord::NoOp])).unwrap();
    let append = solo.effects.disk.pop().unwrap();
    let result = disk.apply(append.kind);
    solo.act(|raft, step| raft.on_disk(step, append.id, result));
    assert_eq!(solo.raft.high_watermark(), 1, "written is not enough");
    let sync = solo.effects.disk.pop().unwrap();
    assert!(matches!(sync.kind, DiskOpKind::Sync { .. }));
    let result = disk.apply(sync.kind);
    solo.act(|raft, step| raft.on_disk(step, sync.id, result));
    assert_eq!(solo.raft.high_watermark(), 2);
}

#[test]
fn raft_04_records_of_earlier_epochs_commit_only_with_one_of_the_own() {
    let (mut cluster, leader) = settled(3, 0);
    let others: Vec<usize> = (0..3).filter(|n| *n != leader).collect();
    // one follower is away, and a record reaches the leader's disk and the other's
    cluster.isolate(others[0]);
    cluster.propose(leader, &[MetadataRecord::NoOp]).unwrap();
    let end = cluster.nodes[leader].raft().log_end_offset();
    cluster.run_until_that(500, |c| c.nodes[others[1]].disk.durable_end() == end);
    let mut next = cluster;
    // whoever leads next must not move the high watermark before its own record is replicated
    next.crash(leader, true);
    next.heal();
    let holds = next.run_until_that(5_000, |c| {
        let Some(n) = c.leader() else { return false };
        let raft = c.nodes[n].raft();
        let start = raft.epoch_start_offset().unwrap();
        assert!(
            raft.high_watermark() <= end && raft.high_watermark() != start
                || raft.high_watermark() > start
                || start == end && raft.high_watermark() <= start,
        );
        is_active(c, n)
    });
    assert!(holds);
}

fn fetch(solo_epoch: i32, offset: i64, last_epoch: i32) -> Request {
    Request::Fetch(FetchRequest {
        replica: Some(ReplicaState { id: NodeId(1), epoch: -1 }),
        max_wait_ms: 500,
        min_bytes: 0,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session_id: 0,
        session_epoch: -1,
        partitions: vec![FetchPartition {
            tp: TopicPartition::METADATA,
            current_leader_epoch: solo_epoch,
            fetch_offset: offset,
            last_fetched_epoch: last_epoch,
            log_start_offset: -1,
            max_bytes: 1 << 20,
        }],
        forgotten: Vec::new(),
        rack: None,
    })
}

/// A node that won the election of a three-voter quorum, its opening record fsynced.
fn elected(disk: &mut TestDisk) -> Solo {
    let mut solo = Solo::new(disk);
    for _ in 0..2 {
        if solo.raft.role() == RoleName::Unattached {
            solo.now += 500 * MS;
            solo.act(Raft::on_timer);
        }
        solo.complete(disk);
        let asked = std::mem::take(&mut solo.effects.sends);
        let vote = asked.iter().find(|send| matches!(send.request, Request::Vote(_))).unwrap();
        let (id, from) = (vote.correlation, vote.to);
        let response = crate::protocol::VoteResponse {
            error: ErrorCode::None,
            leader: None,
            epoch: solo.raft.epoch(),
            granted: true,
        };
        solo.act(|raft, step| raft.on_response(step, from, id, Ok(Response::Vote(response))));
        solo.complete(disk);
    }
    assert_eq!(solo.raft.role(), RoleName::Leader);
    solo
}

#[test]
fn raft_04_the_opening_record_itself_must_be_replicated() {
    let mut disk = TestDisk::default();
    let mut solo = elected(&mut disk);
    solo.act(|raft, step| raft.propose(step, &[MetadataRecord::NoOp])).unwrap();
    solo.complete(&mut disk);
    let epoch = solo.raft.epoch();
    // a follower that has everything before the epoch's first record, but not that one
    let start = solo.raft.epoch_start_offset().unwrap();
    solo.ask(fetch(epoch, start, -1));
    assert_eq!(solo.raft.high_watermark(), 0);
    solo.ask(fetch(epoch, start + 1, epoch));
    assert_eq!(solo.raft.high_watermark(), start + 1);
}

#[test]
fn raft_08_a_position_that_is_not_on_the_log_does_not_count() {
    let mut disk = TestDisk::default();
    let mut solo = elected(&mut disk);
    solo.act(|raft, step| raft.propose(step, &[MetadataRecord::NoOp])).unwrap();
    solo.complete(&mut disk);
    let epoch = solo.raft.epoch();
    // the right length, but records of another epoch
    solo.ask(fetch(epoch, 2, epoch - 1));
    assert_eq!(solo.raft.high_watermark(), 0);
    let reply = solo.effects.replies.pop().unwrap();
    let Some(Response::Fetch(response)) = reply.response else { panic!("{reply:?}") };
    assert!(response.partitions[0].diverging_epoch.is_some());
}

#[test]
fn raft_16_a_node_stops_rather_than_cut_committed_records() {
    let (mut cluster, leader) = settled(3, 0);
    let base = cluster.propose(leader, &[MetadataRecord::NoOp]).unwrap();
    assert!(cluster.run_until_that(2_000, |c| c.nodes.iter().all(|n| n.image.offset() >= base)));
    // two disks are lost: the survivors' quorum is one that Raft cannot protect
    let victim = (leader + 1) % 3;
    for n in (0..3).filter(|n| *n != victim) {
        cluster.crash(n, true);
        cluster.nodes[n].disk.wipe();
    }
    let end = cluster.nodes[victim].raft().log_end_offset();
    let epoch = cluster.nodes[victim].raft().epoch();
    let mut effects = Effects::default();
    let mut ids = IdCounters::default();
    let raft = cluster.nodes[victim].raft.as_mut().unwrap();
    let now = Instant::from_nanos(cluster.now);
    let mut step = Step { now, wall_ms: 0, effects: &mut effects, ids: &mut ids };
    let begin = crate::protocol::BeginQuorumEpochRequest {
        leader: NodeId(leader as i32),
        epoch: epoch + 1,
    };
    let reply_to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
    raft.on_request(&mut step, reply_to, Request::BeginQuorumEpoch(begin));
    let write = step.effects.disk.pop().unwrap();
    raft.on_disk(&mut step, write.id, crate::seam::DiskResult::Done);
    let asked = step.effects.sends.pop().unwrap();
    let Request::Fetch(request) = &asked.request else { panic!("{asked:?}") };
    assert_eq!(request.partitions[0].fetch_offset, end);
    let response = diverging(&mut step, raft, &asked, epoch + 1);
    raft.on_response(&mut step, asked.to, asked.correlation, Ok(response));
    assert!(step.effects.exit.is_some());
    assert_eq!(raft.log_end_offset(), end, "nothing was cut");
}

/// The answer of a leader whose log is empty.
fn diverging(
    _step: &mut Step<'_>,
    _raft: &Raft,
    asked: &crate::seam::PeerRequest,
    epoch: i32,
) -> Response {
    Response::Fetch(crate::protocol::FetchResponse {
        throttle_ms: 0,
        error: ErrorCode::None,
        session_id: 0,
        partitions: vec![crate::protocol::FetchPartitionResponse {
            tp: TopicPartition::METADATA,
            error: ErrorCode::None,
            high_watermark: 0,
            last_stable_offset: 0,
            log_start_offset: 0,
            diverging_epoch: Some(crate::protocol::EpochEndOffset { epoch: -1, end_offset: 0 }),
            snapshot_id: None,
            current_leader: Some(crate::protocol::LeaderAndEpoch { leader: asked.to, epoch }),
            preferred_read_replica: None,
            records: crate::records::Records::default(),
        }],
    })
}

#[test]
fn raft_34_parked_fetches_learn_of_a_resignation_at_once() {
    let mut disk = TestDisk::default();
    let mut solo = elected(&mut disk);
    let epoch = solo.raft.epoch();
    solo.ask(fetch(epoch, 1, epoch));
    solo.effects.replies.clear(); // the first one has news: the high watermark
    solo.ask(fetch(epoch, 1, epoch));
    assert!(solo.effects.replies.is_empty(), "nothing new: it waits");
    solo.act(Raft::resign);
    let reply = solo.effects.replies.pop().expect("it is answered");
    let Some(Response::Fetch(response)) = reply.response else { panic!("{reply:?}") };
    assert_eq!(response.partitions[0].error, ErrorCode::NotLeaderOrFollower);
    assert_eq!(solo.raft.leader(), None);
}

#[test]
fn a_graceful_resignation_is_quicker_than_a_timeout() {
    let (mut cluster, leader) = settled(3, 1);
    let before = cluster.now;
    cluster.act(leader, Raft::resign);
    let other = |c: &Cluster| c.leader().is_some_and(|n| n != leader && is_active(c, n));
    assert!(cluster.run_until_that(3_000, other));
    // the fetch timeout of this test's clusters is 200 ms
    let took_ms = (cluster.now - before) / MS;
    assert!(took_ms < 150, "{took_ms} ms");
}

#[test]
fn a_leader_without_a_majority_resigns() {
    let (mut cluster, leader) = settled(3, 0);
    cluster.isolate(leader);
    assert!(cluster.run_until_that(1_000, |c| {
        c.nodes[leader].raft().role() != RoleName::Leader
    }));
    assert!(cluster.nodes[leader].marks.contains("raft-check-quorum-resigned"));
}

#[test]
fn a_node_that_was_away_does_not_disturb_the_leader() {
    let (mut cluster, leader) = settled(3, 0);
    let epoch = cluster.nodes[leader].raft().epoch();
    let away = (leader + 1) % 3;
    cluster.isolate(away);
    let later = cluster.now / MS + 2_000;
    cluster.run_until(later);
    assert_eq!(cluster.nodes[away].raft().epoch(), epoch, "pre-votes do not raise the epoch");
    cluster.cut.clear();
    assert!(cluster.run_until_that(3_000, |c| {
        c.nodes[away].raft().role() == RoleName::Follower
    }));
    assert_eq!(cluster.nodes[leader].raft().role(), RoleName::Leader);
    assert_eq!(cluster.nodes[leader].raft().epoch(), epoch);
}

#[test]
fn a_disk_that_lost_its_quorum_state_keeps_the_epoch_of_its_log() {
    let (mut cluster, leader) = settled(3, 0);
    let epoch = cluster.nodes[leader].raft().epoch();
    let other = (leader + 1) % 3;
    let end = cluster.nodes[leader].raft().log_end_offset();
    cluster.run_until_that(1_000, |c| c.nodes[other].disk.durable_end() == end);
    cluster.crash(other, true);
    cluster.nodes[other].disk.remove_file(&FileName::QuorumState);
    cluster.start(other);
    assert!(cluster.nodes[other].raft().epoch() >= epoch);
}

#[test]
fn a_node_far_behind_loads_a_snapshot_and_so_does_a_restart() {
    let mut cluster = Cluster::new(3, 1, 5, 2_000);
    assert!(cluster.run_until_that(3_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    cluster.crash(3, true);
    let leader = cluster.leader().unwrap();
    for _ in 0..200 {
        cluster.propose(leader, &[MetadataRecord::NoOp]).unwrap();
        let next = cluster.now / MS + 5;
        cluster.run_until(next);
    }
    cluster.start(3);
    let end = cluster.checks.committed_end();
    assert!(cluster.run_until_that(2_000, |c| c.nodes[3].image.offset() + 1 >= end));
    assert_eq!(cluster.checks.snapshots_loaded, 1);
    let follower = (leader + 1) % 3;
    cluster.crash(follower, true);
    cluster.start(follower);
    assert!(cluster.nodes[follower].raft().high_watermark() > 0, "as far as its snapshot");
    assert!(cluster.nodes[follower].image.offset() > 0);
}

#[test]
fn an_idle_quorum_costs_few_events() {
    let (mut cluster, leader) = settled(3, 3);
    let start = cluster.now / MS;
    cluster.run_until(start + 1_000);
    let before = cluster.handled;
    for second in 1..=10 {
        for half in [0, 500] {
            cluster.propose(leader, &[MetadataRecord::NoOp]).unwrap();
            cluster.run_until(start + second * 1_000 + half + 500);
        }
    }
    let per_second = (cluster.handled - before) / 10;
    // 6 nodes, 2 records a second: append, fsync, two fetches each, and their timeouts
    assert!(per_second < 250, "{per_second} events a second");
}

#[test]
fn one_voter_alone_is_a_quorum() {
    let mut cluster = Cluster::new(1, 1, 3, NO_SNAPSHOTS);
    assert!(cluster.run_until_that(1_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let base = cluster.propose(0, &[MetadataRecord::NoOp]).unwrap();
    assert!(cluster.run_until_that(1_000, |c| c.nodes[1].image.offset() >= base));
    cluster.crash(0, true);
    cluster.start(0);
    assert!(cluster.run_until_that(2_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let _ = Duration::ZERO;
}
