//! One situation each, most named after the bug of the catalogue that it would show.

use super::cluster::{Cluster, MS};
use super::disk::TestDisk;
use super::solo::{Solo, alone, elected, fetch};
use crate::config::ServerConfig;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicPartition};
use crate::metadata::MetadataRecord;
use crate::protocol::{
    BeginQuorumEpochRequest, EpochEndOffset, FetchPartitionResponse, FetchResponse, LeaderAndEpoch,
    Request, Response, VoteResponse,
};
use crate::raft::{Raft, RoleName};
use crate::records::Records;
use crate::seam::{DiskOpKind, FileName};
use crate::time::Duration;

const NO_SNAPSHOTS: i64 = 1 << 40;

fn settled(voters: usize, observers: usize) -> (Cluster, usize) {
    let mut cluster = Cluster::new(voters, observers, 11, NO_SNAPSHOTS);
    cluster.calm = true;
    assert!(cluster.run_until_that(3_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let leader = cluster.leader().unwrap();
    (cluster, leader)
}

/// Whether a leader has committed the record that opened its epoch.
fn is_active(cluster: &Cluster, n: usize) -> bool {
    let raft = cluster.nodes[n].raft();
    raft.epoch_start_offset().is_some_and(|start| raft.high_watermark() > start)
}

#[test]
fn raft_01_a_vote_is_durable_before_it_is_given_and_outlives_a_restart() {
    let mut disk = TestDisk::default();
    let mut solo = Solo::new(3, &disk);
    solo.vote(5, 1);
    assert_eq!(solo.granted(), None, "the vote is not on disk yet");
    assert!(solo.effects.disk.iter().any(|op| {
        matches!(op.kind, DiskOpKind::WriteFile { file: FileName::QuorumState, .. })
    }));
    solo.complete(&mut disk);
    assert_eq!(solo.granted(), Some(true));

    let mut solo = Solo::new(3, &disk);
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
    let mut solo = Solo::new(3, &disk);
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
    let mut solo = alone(&mut disk);
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
fn raft_04_the_opening_record_itself_must_be_replicated() {
    let mut disk = TestDisk::default();
    let mut first = elected(&mut disk);
    first.act(|raft, step| raft.propose(step, &[MetadataRecord::NoOp])).unwrap();
    first.complete(&mut disk);
    let old_epoch = first.raft.epoch();
    assert_eq!((first.raft.log_end_offset(), first.raft.high_watermark()), (2, 0));

    // it leads again, and a follower has everything before the new epoch's first record
    let mut solo = elected(&mut disk);
    let (epoch, start) = (solo.raft.epoch(), solo.raft.epoch_start_offset().unwrap());
    assert!(epoch > old_epoch && start == 2);
    solo.ask(fetch(epoch, start, old_epoch));
    assert_eq!(solo.raft.high_watermark(), 0);
    solo.ask(fetch(epoch, start + 1, epoch));
    assert_eq!(solo.raft.high_watermark(), start + 1);
}

#[test]
fn raft_28_a_vote_of_an_earlier_election_does_not_count() {
    let mut disk = TestDisk::default();
    let mut solo = Solo::new(3, &disk);
    solo.stand(&mut disk);
    let old_epoch = solo.raft.epoch();
    let late = solo.asked_for_votes();
    solo.stand(&mut disk);
    assert!(solo.raft.epoch() > old_epoch);
    for (voter, id) in late {
        solo.grant(voter, id, old_epoch);
    }
    solo.complete(&mut disk);
    assert_eq!(solo.raft.role(), RoleName::Candidate);
}

#[test]
fn raft_03_what_a_killed_process_had_written_is_fsynced_before_it_counts() {
    let mut disk = TestDisk::default();
    let mut solo = elected(&mut disk);
    solo.act(|raft, step| raft.propose(step, &[MetadataRecord::NoOp])).unwrap();
    let append = solo.effects.disk.pop().unwrap();
    disk.apply(append.kind); // in the page cache when the process is killed

    let mut solo = Solo::new(3, &disk);
    let leader = NodeId(1);
    let epoch = solo.raft.epoch() + 1;
    let syncs: Vec<_> = solo.effects.disk.drain(..).collect();
    assert!(syncs.iter().any(|op| matches!(op.kind, DiskOpKind::Sync { .. })));
    solo.ask(Request::BeginQuorumEpoch(BeginQuorumEpochRequest { leader, epoch }));
    solo.complete(&mut disk);
    assert!(solo.effects.sends.is_empty(), "a fetch would say that it is durable");
    for op in syncs {
        let result = disk.apply(op.kind);
        solo.act(|raft, step| raft.on_disk(step, op.id, result));
    }
    assert!(matches!(solo.effects.sends[0].request, Request::Fetch(_)));
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
    let mut disk = TestDisk::default();
    let mut solo = elected(&mut disk);
    let epoch = solo.raft.epoch();
    solo.ask(fetch(epoch, 1, epoch));
    assert_eq!(solo.raft.high_watermark(), 1);
    // voters that lost their disks elect one of themselves
    let leader = NodeId(1);
    solo.ask(Request::BeginQuorumEpoch(BeginQuorumEpochRequest { leader, epoch: epoch + 1 }));
    solo.effects.sends.clear();
    solo.complete(&mut disk);
    let asked = solo.effects.sends.pop().unwrap();
    assert!(matches!(asked.request, Request::Fetch(_)), "{asked:?}");
    let (from, id) = (asked.to, asked.correlation);
    let response = diverging(from, epoch + 1);
    solo.act(|raft, step| raft.on_response(step, from, id, Ok(response)));
    assert!(solo.effects.exit.is_some());
    assert_eq!(solo.raft.log_end_offset(), 1, "nothing was cut");
}

/// The answer of a leader whose log is empty.
fn diverging(leader: NodeId, epoch: i32) -> Response {
    Response::Fetch(FetchResponse {
        throttle_ms: 0,
        error: ErrorCode::None,
        session_id: 0,
        partitions: vec![FetchPartitionResponse {
            tp: TopicPartition::METADATA,
            error: ErrorCode::None,
            high_watermark: 0,
            last_stable_offset: 0,
            log_start_offset: 0,
            diverging_epoch: Some(EpochEndOffset { epoch: -1, end_offset: 0 }),
            snapshot_id: None,
            current_leader: Some(LeaderAndEpoch { leader, epoch }),
            preferred_read_replica: None,
            aborted: None,
            records: Records::default(),
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
    assert!(
        cluster.run_until_that(1_000, |c| { c.nodes[leader].raft().role() != RoleName::Leader })
    );
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
    assert!(
        cluster.run_until_that(3_000, |c| { c.nodes[away].raft().role() == RoleName::Follower })
    );
    assert_eq!(cluster.nodes[leader].raft().role(), RoleName::Leader);
    assert_eq!(cluster.nodes[leader].raft().epoch(), epoch);
}

#[test]
fn who_is_refused_pre_votes_follows_the_leader_that_it_knows() {
    let mut server = ServerConfig::kafka_defaults();
    server.quorum_election_backoff_max = Duration::from_millis(20); // less than a fetch takes to be let out
    let mut cluster = Cluster::with(3, 0, 11, &server);
    cluster.calm = true;
    assert!(cluster.run_until_that(3_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let leader = cluster.leader().unwrap();
    let away = (leader + 1) % 3;
    cluster.isolate(away);
    let later = cluster.now / MS + 3_000;
    cluster.run_until(later);
    cluster.cut.clear();
    let due = cluster.nodes[leader].raft().high_watermark();
    let learns = |c: &Cluster| c.nodes[away].raft().high_watermark() > due;
    assert!(cluster.propose(leader, &[MetadataRecord::NoOp]).is_some());
    assert!(cluster.run_until_that(5_000, learns));
}

/// It knows of an epoch, and lost the announcement of who leads in it: those that it asks tell.
#[test]
fn who_is_refused_pre_votes_hears_who_leads() {
    let mut disk = TestDisk::default();
    let mut solo = Solo::new(3, &disk);
    solo.vote(5, 1);
    solo.complete(&mut disk);
    while solo.raft.role() != RoleName::Prospective {
        solo.now += 500 * MS;
        solo.act(Raft::on_timer);
        solo.complete(&mut disk);
    }
    let (voter, id) = solo.asked_for_votes()[0];
    let leader = Some(NodeId(2));
    let refused = VoteResponse { error: ErrorCode::None, leader, epoch: 5, granted: false };
    solo.act(|raft, step| raft.on_response(step, voter, id, Ok(Response::Vote(refused))));
    assert_eq!(solo.raft.role(), RoleName::Follower);
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
    cluster.calm = true;
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
    let mut cluster = Cluster::with(3, 3, 11, &ServerConfig::kafka_defaults());
    cluster.calm = true;
    assert!(cluster.run_until_that(9_000, |c| c.leader().is_some_and(|n| is_active(c, n))));
    let leader = cluster.leader().unwrap();
    let start = 10_000;
    cluster.run_until(start);
    let before = cluster.handled;
    for half_second in 1..=20 {
        cluster.propose(leader, &[MetadataRecord::NoOp]).unwrap();
        cluster.run_until(start + half_second * 500);
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
}
