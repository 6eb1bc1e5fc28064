//! How partitions may change from one committed state of the metadata to another.

use super::NodeView;
use super::metadata::says_of;
use crate::checkers::ledger::Ledger;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::metadata::PartitionImage;

/// Partitions in the newest metadata that has been seen.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    offset: Offset,
    known: BTreeMap<TopicPartition, PartitionImage>,
}

impl Changes {
    /// Compares the newest metadata that a broker has applied with the one before.
    pub(crate) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let images = nodes.iter().filter_map(|view| view.broker.metadata());
        let Some(image) = images.max_by_key(|image| image.offset()) else { return };
        if image.offset() <= self.offset {
            return;
        }
        self.offset = image.offset();
        for (tp, state) in image.partitions() {
            let Some(before) = self.known.get_mut(&tp) else {
                self.known.insert(tp, state.clone());
                continue;
            };
            if before == state {
                continue;
            }
            let seen = objection(before, state);
            says_of(ledger, (image, tp), seen.is_none(), &|| {
                let seen = seen.as_deref().unwrap_or_default();
                format!("at metadata offset {} {seen}: {state:?}", image.offset())
            });
            before.clone_from(state);
        }
    }
}

/// What no controller does: it counts every change, another leader has a later epoch, and so has a leader of
/// whose replicas one has gone (Kafka's `PartitionChangeBuilder`).
fn objection(before: &PartitionImage, after: &PartitionImage) -> Option<String> {
    if after.partition_epoch <= before.partition_epoch {
        let epoch = before.partition_epoch;
        return Some(format!("a partition has changed, and is not beyond its epoch {epoch}"));
    }
    if after.leader_epoch > before.leader_epoch {
        return None;
    }
    let epoch = before.leader_epoch;
    let is_gone = |node: &&NodeId| !after.is_replica(**node);
    match before.replicas.iter().find(is_gone) {
        _ if after.leader_epoch < epoch => Some(format!("its leader epoch was {epoch}")),
        _ if after.leader.is_some() && after.leader != before.leader => {
            Some(format!("another leader has the epoch {epoch} of {:?}", before.leader))
        }
        Some(gone) if after.leader.is_some() => {
            Some(format!("leader epoch {epoch} goes on without replica {gone}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(replicas: &[i32], leader: Option<i32>, epochs: (i32, i32)) -> PartitionImage {
        let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
        PartitionImage {
            isr: replicas.clone(),
            replicas,
            moving: None,
            leader: leader.map(NodeId),
            leader_epoch: epochs.0,
            partition_epoch: epochs.1,
            recovering: false,
        }
    }

    #[test]
    fn changes_are_counted_and_leaders_have_epochs() {
        let before = state(&[1, 2, 3], Some(1), (4, 9));
        let object = |after: PartitionImage| objection(&before, &after);
        assert_eq!(object(state(&[1, 2, 3], Some(2), (5, 10))), None);
        assert_eq!(object(state(&[1, 2, 3, 4], Some(1), (4, 10))), None, "one is added");
        assert_eq!(object(state(&[1, 2], Some(1), (5, 10))), None);
        assert_eq!(object(state(&[1, 2], None, (4, 10))), None, "nobody leads");
        for (wrong, says) in [
            (state(&[1, 2, 3], None, (4, 9)), "not beyond"),
            (state(&[1, 2, 3], Some(1), (3, 10)), "was 4"),
            (state(&[1, 2, 3], Some(2), (4, 10)), "another leader"),
            (state(&[1, 2], Some(1), (4, 10)), "without replica 3"),
        ] {
            assert!(object(wrong).is_some_and(|seen| seen.contains(says)), "{says}");
        }
    }
}
