//! Which replica a consumer reads from: the one in its own rack, if there is one in sync (KIP-392,
//! `RackAwareReplicaSelector`).

use super::Partition;
use super::partition::Follower;
use crate::config::ReplicaSelector;
use crate::ids::{NO_OFFSET, NodeId, Offset};
use crate::metadata::MetadataImage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where brokers are, as far as consumers are sent there.
#[derive(Debug, Default)]
pub(super) struct Racks(BTreeMap<NodeId, Arc<str>>);

impl Racks {
    /// Racks of those that are not fenced, if consumers are sent to others than leaders at all.
    pub(super) fn of(image: &MetadataImage, selector: ReplicaSelector) -> Self {
        if selector == ReplicaSelector::Leader {
            return Self::default();
        }
        let up = image.brokers().filter(|(_, broker)| !broker.fenced);
        Self(up.filter_map(|(id, broker)| Some((id, broker.rack.clone()?))).collect())
    }

    /// The replica that a consumer in this rack, which reads from an offset, is to go to instead of this
    /// leader: of the followers in its rack the one that is furthest. One that is not in sync might never be
    /// where the consumer is.
    pub(super) fn nearest(
        &self,
        leader: NodeId,
        partition: &Partition,
        (rack, offset): (&str, Offset),
    ) -> Option<NodeId> {
        let is_near = |id: &NodeId| self.0.get(id).is_some_and(|of| **of == *rack);
        if self.0.is_empty() || rack.is_empty() || is_near(&leader) {
            return None;
        }
        let lead = partition.leadership()?;
        let has = |follower: &&Follower| {
            lead.isr.contains(&follower.id)
                && follower.log_end != NO_OFFSET
                && (follower.log_start..=follower.log_end).contains(&offset)
        };
        let near = lead.followers.iter().filter(|follower| is_near(&follower.id)).filter(has);
        near.max_by_key(|follower| (follower.log_end, follower.caught_up_at, follower.id))
            .map(|follower| follower.id)
    }
}
