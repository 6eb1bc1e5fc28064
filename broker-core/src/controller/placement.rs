//! Rack-aware placement of a new topic's replicas, with the aims of Kafka's
//! `StripedReplicaPlacer`: replicas of a partition in different racks, leaders and replicas spread
//! evenly, fenced brokers only when needed and never first. Where Kafka shuffles, a seed rotates.

use crate::ids::NodeId;
use crate::metadata::MetadataImage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Brokers of one rack, and whose turn it is.
#[derive(Debug)]
struct Rack {
    active: Vec<NodeId>,
    inactive: Vec<NodeId>,
    next_leader: usize,
    next_follower: usize,
}

impl Rack {
    fn leader(&mut self) -> Option<NodeId> {
        let node = pick(&self.active, self.next_leader, &[])?;
        self.next_leader += 1;
        Some(node)
    }

    fn follower(&mut self, taken: &[NodeId]) -> Option<NodeId> {
        let node = pick(&self.active, self.next_follower, taken)
            .or_else(|| pick(&self.inactive, self.next_follower, taken))?;
        self.next_follower += 1;
        Some(node)
    }
}

/// The first broker from `turn` on that is not taken.
fn pick(brokers: &[NodeId], turn: usize, taken: &[NodeId]) -> Option<NodeId> {
    let len = brokers.len();
    (0..len).map(|n| brokers[(turn + n) % len]).find(|node| !taken.contains(node))
}

/// Replicas of each of `partitions` partitions, preferred leader first.
///
/// # Errors
/// There are not that many brokers, or none that could lead: in words of Kafka's.
pub(super) fn place(
    image: &MetadataImage,
    partitions: usize,
    replication_factor: usize,
    seed: u64,
) -> Result<Vec<Vec<NodeId>>, String> {
    let mut racks = racks(image, seed);
    let known: usize = racks.iter().map(|rack| rack.active.len() + rack.inactive.len()).sum();
    let has_active = racks.iter().any(|rack| !rack.active.is_empty());
    if replication_factor == 0 {
        return Err("Invalid replication factor 0: the replication factor must be positive.".into());
    }
    if !has_active {
        return Err("All brokers are currently fenced.".into());
    }
    if replication_factor > known {
        return Err(format!(
            "The target replication factor of {replication_factor} cannot be reached because only \
             {known} broker(s) are registered."
        ));
    }
    let first = usize::try_from(seed % racks.len() as u64).unwrap_or(0);
    let turns = first..first + partitions;
    Ok(turns.map(|turn| place_one(&mut racks, turn, replication_factor)).collect())
}

fn racks(image: &MetadataImage, seed: u64) -> Vec<Rack> {
    let mut racks: BTreeMap<Option<Arc<str>>, Rack> = BTreeMap::new();
    for (broker, state) in image.brokers() {
        let turn = usize::try_from(seed >> 32).unwrap_or(0);
        let rack = racks.entry(state.rack.clone()).or_insert_with(|| Rack {
            active: Vec::new(),
            inactive: Vec::new(),
            next_leader: turn,
            next_follower: turn + 1,
        });
        if state.is_active() { &mut rack.active } else { &mut rack.inactive }.push(broker);
    }
    racks.into_values().collect()
}

fn place_one(racks: &mut [Rack], first: usize, replication_factor: usize) -> Vec<NodeId> {
    let count = racks.len();
    let mut replicas = Vec::with_capacity(replication_factor);
    let mut turn = first;
    while replicas.is_empty() {
        replicas.extend(racks[turn % count].leader());
        turn += 1;
    }
    while replicas.len() < replication_factor {
        replicas.extend(racks[turn % count].follower(&replicas));
        turn += 1;
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{MetadataRecord, RegisterBrokerRecord};

    fn cluster(brokers: &[(i32, &str, bool)]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for (id, rack, fenced) in brokers {
            let record = RegisterBrokerRecord {
                broker: NodeId(*id),
                incarnation: 1,
                epoch: 0,
                rack: Some((*rack).into()),
                endpoint: None,
                fenced: *fenced,
                in_controlled_shutdown: false,
            };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        image
    }

    #[test]
    fn replicas_are_in_different_racks_and_spread_evenly() {
        let racks = ["a", "b", "c"];
        let brokers: Vec<_> = (0..9).map(|id| (id, racks[id as usize % 3], false)).collect();
        let image = cluster(&brokers);
        for seed in [0, 1, 77 << 32 | 5] {
            let placement = place(&image, 90, 3, seed).unwrap();
            let mut leaders = BTreeMap::new();
            let mut replicas = BTreeMap::new();
            for partition in &placement {
                let in_racks: std::collections::BTreeSet<_> =
                    partition.iter().map(|node| node.0 % 3).collect();
                assert_eq!(in_racks.len(), 3, "{partition:?}");
                *leaders.entry(partition[0]).or_insert(0) += 1;
                for node in partition {
                    *replicas.entry(*node).or_insert(0) += 1;
                }
            }
            assert!(leaders.values().all(|n| *n == 10), "{leaders:?}");
            assert!(replicas.values().all(|n| *n == 30), "{replicas:?}");
        }
    }

    #[test]
    fn fenced_brokers_come_last_and_never_first() {
        let image = cluster(&[(1, "a", false), (2, "a", false), (3, "b", true)]);
        for partition in place(&image, 12, 3, 9).unwrap() {
            assert_ne!(partition[0], NodeId(3));
            assert_eq!(partition.len(), 3);
        }
        let too_many = "The target replication factor of 4 cannot be reached because only 1 broker(s) \
                        are registered.";
        let fenced = "All brokers are currently fenced.";
        for (factor, brokers, why) in [
            (4, &[(1, "a", false)][..], too_many),
            (1, &[(1, "a", true)], fenced),
            (4, &[(1, "a", true)], fenced),
            (1, &[], fenced),
        ] {
            assert_eq!(place(&cluster(brokers), 1, factor, 0), Err(why.to_owned()));
        }
    }

    #[test]
    fn more_replicas_than_racks_still_differ() {
        let image = cluster(&[(1, "a", false), (2, "a", false), (3, "b", false), (4, "b", false)]);
        for mut partition in place(&image, 8, 4, 3).unwrap() {
            partition.sort_unstable();
            partition.dedup();
            assert_eq!(partition.len(), 4);
        }
    }
}
