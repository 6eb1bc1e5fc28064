//! A broker that has not heard of its cluster yet keeps on record what it has found there: high watermarks of the logs
//! that it has loaded. It learns none before it has metadata, and may end again without (KAFKA-1647, Kafka's
//! `ReplicaManager.startHighWatermarkCheckPointThread`): as a leader it would take all that its log has for not
//! committed.

use super::NodeView;
use super::replicas::check;
use crate::checkers::suite::Checkers;
use crate::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::offsets_of_checkpoint;
use stormglass_broker_core::seam::{DiskImage, FileName};

/// Logs with a high watermark on record as a process began, by nodes that have not applied metadata since.
#[derive(Debug, Default)]
pub(crate) struct AsFound(BTreeMap<i32, BTreeSet<TopicPartition>>);

/// High watermarks on a node's disk.
fn on_record(disk: &Disk) -> BTreeMap<TopicPartition, Offset> {
    let bytes = disk.file(&FileName::HighWatermarks);
    bytes.as_deref().map_or_else(BTreeMap::new, offsets_of_checkpoint)
}

impl AsFound {
    /// A node's process has started, and has loaded logs.
    pub(super) fn started(
        &mut self,
        (node, disk): (i32, &Disk),
        loaded: impl Fn(&TopicPartition) -> bool,
    ) {
        self.found(node, &on_record(disk), loaded);
    }

    fn found(
        &mut self,
        node: i32,
        marks: &BTreeMap<TopicPartition, Offset>,
        loaded: impl Fn(&TopicPartition) -> bool,
    ) {
        let of = marks.keys().copied().filter(|tp| loaded(tp)).collect();
        self.0.insert(node, of);
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.remove(&node);
    }

    /// A log that is on record no more.
    fn lost(&self, node: i32, marks: &BTreeMap<TopicPartition, Offset>) -> Option<TopicPartition> {
        let found = self.0.get(&node)?;
        found.iter().find(|tp| !marks.contains_key(*tp)).copied()
    }
}

impl Checkers {
    /// Looks at what a node has on record that has no metadata yet.
    pub(super) fn keeps_what_it_found(&mut self, view: &NodeView<'_>) {
        let node = view.node;
        if !self.as_found.0.contains_key(&node) {
            return;
        }
        if view.broker.applies_metadata() {
            self.as_found.node_down(node);
            return;
        }
        let Some(tp) = self.as_found.lost(node, &on_record(view.disk)) else { return };
        let at = self.partition(tp);
        check(&self.partitions[at], &mut self.ledger, false, &|| {
            format!(
                "broker {node} has no metadata yet, and its checkpoint has lost the high watermark that it had as the \
                 process began"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn what_is_on_record_stays_until_there_is_metadata() {
        let mut of = AsFound::default();
        let marks = |of: &[i32]| of.iter().map(|at| (tp(*at), 0)).collect::<BTreeMap<_, _>>();
        of.found(1, &marks(&[0, 1, 2]), |at| *at != tp(2));
        assert_eq!(of.lost(1, &marks(&[0, 1])), None, "the log of the third one is not there");
        assert_eq!(of.lost(1, &marks(&[0, 2])), Some(tp(1)));
        assert_eq!(of.lost(2, &marks(&[])), None, "nothing is known of it");
        of.node_down(1);
        assert_eq!(of.lost(1, &marks(&[])), None);
    }
}
