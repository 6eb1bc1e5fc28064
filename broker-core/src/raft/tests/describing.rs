//! What a leader tells of its quorum.

use super::cluster::{Cluster, MS};
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::{DescribeQuorumResponse, QuorumReplica};

const NO_SNAPSHOTS: i64 = 1 << 40;
const SECOND: i64 = 1000;

/// A calm quorum of three voters and two observers, and who leads it.
fn settled() -> (Cluster, usize) {
    let mut cluster = Cluster::new(3, 2, 11, NO_SNAPSHOTS);
    cluster.calm = true;
    assert!(cluster.run_until_that(5_000, |c| c.leader().is_some()));
    let leader = cluster.leader().unwrap();
    run_for(&mut cluster, 5 * SECOND);
    assert_eq!(cluster.leader(), Some(leader));
    (cluster, leader)
}

fn run_for(cluster: &mut Cluster, ms: i64) {
    cluster.run_until(cluster.now / MS + ms.unsigned_abs());
}

/// What a node says now, with a wall clock that shows the simulation's time.
fn ask(cluster: &mut Cluster, n: usize) -> DescribeQuorumResponse {
    let mut described = None;
    let wall_ms = i64::try_from(cluster.now / MS).unwrap();
    cluster.act(n, |raft, step| described = Some(raft.described(step.now, wall_ms)));
    described.unwrap()
}

#[test]
fn everybody_is_seen_and_caught_up_in_quiet_times() {
    let (mut cluster, leader) = settled();
    let told = ask(&mut cluster, leader);
    let now = i64::try_from(cluster.now / MS).unwrap();
    assert_eq!(
        (told.error, told.leader),
        (ErrorCode::None, Some(cluster.nodes[leader].config.node))
    );
    assert_eq!(told.epoch, cluster.nodes[leader].raft().epoch());
    assert_eq!(told.high_watermark, cluster.nodes[leader].raft().high_watermark());
    assert_eq!((told.voters.len(), told.observers.len()), (3, 2));
    for replica in told.voters.iter().chain(&told.observers) {
        assert!(replica.log_end_offset >= told.high_watermark, "{replica:?}");
        let is_recent = |at: i64| (now - 2 * SECOND..=now).contains(&at);
        assert!(is_recent(replica.last_fetch_ms), "{replica:?} at {now}");
        assert!(is_recent(replica.last_caught_up_ms), "{replica:?} at {now}");
    }
}

#[test]
fn who_does_not_lead_says_so() {
    let (mut cluster, leader) = settled();
    let told = ask(&mut cluster, (leader + 1) % 3);
    assert_eq!(told, DescribeQuorumResponse::refused(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn an_observer_that_is_gone_falls_behind_and_is_forgotten_after_five_minutes() {
    let (mut cluster, leader) = settled();
    let gone = 4;
    let node: NodeId = cluster.nodes[gone].config.node;
    let seen = |told: &DescribeQuorumResponse| -> Option<QuorumReplica> {
        told.observers.iter().find(|replica| replica.node == node).copied()
    };
    let before = seen(&ask(&mut cluster, leader)).unwrap();
    cluster.isolate(gone);
    run_for(&mut cluster, 290 * SECOND);
    let leader = cluster.leader().unwrap();
    let after = seen(&ask(&mut cluster, leader)).unwrap();
    assert!(after.last_fetch_ms <= before.last_fetch_ms + SECOND, "{after:?}");
    run_for(&mut cluster, 20 * SECOND);
    let told = ask(&mut cluster, leader);
    assert_eq!((seen(&told), told.observers.len()), (None, 1));
}
