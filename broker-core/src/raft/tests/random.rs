//! Storms: random crashes, cuts, losses and delays, then healing; many seeds.

use super::cluster::{Cluster, MS};
use crate::ids::NodeId;
use crate::metadata::{MetadataRecord, RegisterBrokerRecord};
use crate::raft::RoleName;

const STORM_MS: u64 = 3_000;
const HEAL_MS: u64 = 5_000;

/// Records that apply to any image.
fn record(cluster: &mut Cluster) -> MetadataRecord {
    let draw = cluster.rng.next();
    if draw.is_multiple_of(2) {
        MetadataRecord::ProducerIds {
            broker: NodeId(1),
            broker_epoch: 0,
            next_producer_id: draw.cast_signed() >> 1,
        }
    } else {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: NodeId((draw >> 8) as i32 % 5),
            incarnation: u128::from(draw),
            epoch: 0,
            rack: None,
            endpoint: None,
            fenced: true,
            in_controlled_shutdown: false,
        })
    }
}

fn misfortune(cluster: &mut Cluster) {
    let all = cluster.nodes.len() as u64;
    let n = cluster.rng.below(all) as usize;
    let up = cluster.nodes[n].raft.is_some();
    match cluster.rng.below(12) {
        0 | 1 if up => {
            let power = cluster.rng.one_in(2);
            cluster.crash(n, power);
        }
        0..=4 if !up => cluster.start(n),
        2 => {
            let other = cluster.rng.below(all) as usize;
            cluster.cut.insert((n, other));
        }
        3 => cluster.isolate(n),
        4 | 5 => cluster.cut.clear(),
        // the whole quorum loses power at once
        6 if cluster.rng.one_in(4) => {
            for n in 0..cluster.voters {
                if cluster.nodes[n].raft.is_some() {
                    cluster.crash(n, true);
                }
            }
        }
        7 => cluster.loss = Some(3 + cluster.rng.below(30)),
        8 => cluster.loss = None,
        9 => {
            if let Some(leader) = cluster.leader() {
                cluster.act(leader, |raft, step| raft.resign(step));
            }
        }
        10 => {
            if let Some(leader) = cluster.leader() {
                cluster.crash(leader, true);
            }
        }
        _ => {}
    }
}

/// One seed; (events, commits, snapshots loaded, truncations).
fn storm(seed: u64) -> (u64, i64, u32, u32) {
    let (voters, observers) = [(3, 1), (5, 1), (3, 2), (1, 1)][seed as usize % 4];
    let snapshot_bytes = if seed.is_multiple_of(3) { 1 << 30 } else { 3_000 };
    let mut cluster = Cluster::new(voters, observers, seed, snapshot_bytes);
    let mut at = 0;
    while at < STORM_MS {
        at += 1 + cluster.rng.below(20);
        cluster.run_until(at);
        if let Some(leader) = cluster.leader() {
            let records: Vec<_> =
                (0..1 + cluster.rng.below(3)).map(|_| record(&mut cluster)).collect();
            cluster.propose(leader, &records);
        }
        if cluster.rng.one_in(6) {
            misfortune(&mut cluster);
        }
    }
    cluster.heal();
    must_recover(&mut cluster, seed);
    let checks = &cluster.checks;
    (cluster.handled, checks.committed_end(), checks.snapshots_loaded, checks.truncations)
}

/// Within a bound after healing somebody leads, commits, and everybody has it.
fn must_recover(cluster: &mut Cluster, seed: u64) {
    let until = cluster.now + HEAL_MS * MS;
    let mut proposed = None;
    let done = loop {
        if let (Some(leader), None) = (cluster.leader(), proposed) {
            proposed = cluster.propose(leader, &[MetadataRecord::NoOp]).map(|base| (leader, base));
        }
        let current = cluster.leader();
        if let Some((leader, base)) = proposed {
            let all_have = cluster.nodes.iter().all(|node| node.image.offset() >= base);
            if all_have {
                break true;
            }
            if current != Some(leader) {
                proposed = None;
            }
        }
        if cluster.now >= until {
            break false;
        }
        let next = cluster.now / MS + 5;
        cluster.run_until(next);
    };
    if !done {
        for (n, node) in cluster.nodes.iter().enumerate() {
            let raft = node.raft();
            eprintln!(
                "node {n}: {:?} epoch {} hw {} end {} leader {:?}",
                raft.role(),
                raft.epoch(),
                raft.high_watermark(),
                raft.log_end_offset(),
                raft.leader()
            );
        }
        panic!("seed {seed}: no progress after healing");
    }
    assert!(cluster.nodes.iter().filter(|n| n.raft().role() == RoleName::Leader).count() >= 1);
}

#[test]
fn storms_lose_nothing_and_pass() {
    let (mut events, mut commits, mut snapshots, mut truncations) = (0, 0, 0, 0);
    for seed in 0..200 {
        let (e, c, s, t) = storm(seed);
        events += e;
        commits += c;
        snapshots += s;
        truncations += t;
    }
    // the storms reach what they are meant to reach
    assert!(commits > 5_000, "{commits}");
    assert!(snapshots > 100, "{snapshots}");
    assert!(truncations > 20, "{truncations}");
    assert!(events > 100_000, "{events}");
}

#[test]
fn the_same_seed_gives_the_same_storm() {
    assert_eq!(storm(6), storm(6));
}
