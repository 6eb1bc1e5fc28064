//! Replica placement: Kafka's rack-aware round robin (`AdminUtils`), without its random start.
//!
//! The start is the topic's position in the scenario, so that topics do not pile up on one broker
//! and nothing depends on the seed. Leaves out reassignment.

use crate::plan::ClusterPlan;

/// Broker ids of each partition's replicas, preferred leader first.
pub(crate) fn assign(
    cluster: &ClusterPlan,
    partitions: u32,
    replication: u32,
    start: usize,
) -> Vec<Vec<i32>> {
    let alternated = alternate_racks(cluster);
    let count = alternated.len();
    let replication = (replication as usize).min(count);
    let mut assignment = Vec::with_capacity(partitions as usize);
    for partition in 0..partitions as usize {
        // Followers move on by one whenever every broker has led once, as Kafka's do.
        let shift = start + partition / count;
        let leader = (start + partition) % count;
        assignment.push(replicas(&alternated, leader, shift, replication, cluster.azs.len()));
    }
    assignment
}

/// Brokers in an order in which neighbours are in different AZs: `(id, az)`.
fn alternate_racks(cluster: &ClusterPlan) -> Vec<(i32, usize)> {
    let mut by_az: Vec<Vec<i32>> = vec![Vec::new(); cluster.azs.len()];
    for broker in &cluster.brokers {
        by_az[broker.az].push(broker.id);
    }
    let longest = by_az.iter().map(Vec::len).max().unwrap_or(0);
    let mut order = Vec::with_capacity(cluster.brokers.len());
    for round in 0..longest {
        for (az, brokers) in by_az.iter().enumerate() {
            order.extend(brokers.get(round).map(|id| (*id, az)));
        }
    }
    order
}

fn replicas(
    brokers: &[(i32, usize)],
    leader: usize,
    shift: usize,
    replication: usize,
    racks: usize,
) -> Vec<i32> {
    let (leader_id, leader_az) = brokers[leader];
    let mut chosen = vec![leader_id];
    let mut azs_used = vec![leader_az];
    let count = brokers.len();
    let mut step = 0;
    while chosen.len() < replication {
        assert!(step < 2 * count, "two rounds over the brokers find every replica");
        let offset = 1 + (shift + step) % (count - 1).max(1);
        let (id, az) = brokers[(leader + offset) % count];
        step += 1;
        // First one replica in each AZ, then, in the second round, whichever broker is left.
        let new_az = !azs_used.contains(&az) || azs_used.len() >= racks || step > count;
        if new_az && !chosen.contains(&id) {
            chosen.push(id);
            if !azs_used.contains(&az) {
                azs_used.push(az);
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ClusterKind, ClusterPlan, NodePlan};
    use std::collections::{BTreeMap, BTreeSet};

    fn cluster(brokers: usize, azs: usize) -> ClusterPlan {
        let host = super::super::hosts::controller_host(ClusterKind::MskStandard, None);
        let node = |index: usize| NodePlan {
            id: i32::try_from(index).unwrap() + 1,
            az: index % azs,
            host: host.clone(),
        };
        ClusterPlan {
            limits: None,
            kind: ClusterKind::MskStandard,
            region: "us-east-1".into(),
            azs: (0..azs).map(|az| az.to_string()).collect(),
            brokers: (0..brokers).map(node).collect(),
            controllers: Vec::new(),
            config: BTreeMap::new(),
            tls_client: false,
            tls_in_cluster: false,
        }
    }

    #[test]
    fn replicas_are_distinct_spread_over_azs_and_leaders_are_even() {
        for (brokers, azs, replication) in [(3, 3, 3), (6, 3, 3), (9, 3, 2), (5, 3, 3), (4, 2, 3)] {
            let cluster = cluster(brokers, azs);
            let assignment = assign(&cluster, 120, replication, 1);
            let mut leaders: BTreeMap<i32, u32> = BTreeMap::new();
            let mut held: BTreeMap<i32, u32> = BTreeMap::new();
            for replicas in &assignment {
                let distinct: BTreeSet<i32> = replicas.iter().copied().collect();
                assert_eq!(distinct.len(), replication as usize);
                let az = |id: &i32| cluster.brokers[usize::try_from(*id - 1).unwrap()].az;
                let used: BTreeSet<usize> = replicas.iter().map(az).collect();
                assert_eq!(used.len(), azs.min(replication as usize), "{replicas:?}");
                *leaders.entry(replicas[0]).or_default() += 1;
                replicas.iter().for_each(|id| *held.entry(*id).or_default() += 1);
            }
            let spread = |counts: &BTreeMap<i32, u32>| {
                (counts.values().min().copied(), counts.values().max().copied())
            };
            let (least, most) = spread(&leaders);
            assert!(most.unwrap() - least.unwrap() <= 1, "{leaders:?}");
            let (min, max) = spread(&held);
            // With uneven AZs a broker that is alone in its AZ must hold more.
            let even = brokers % azs == 0;
            assert!(!even || max.unwrap() * 2 <= min.unwrap() * 3, "{brokers}/{azs}: {held:?}");
        }
    }

    #[test]
    fn one_broker_holds_everything() {
        assert_eq!(assign(&cluster(1, 1), 2, 1, 0), [[1], [1]]);
    }
}
