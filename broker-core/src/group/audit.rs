//! What a coordinator knows, and what it would know had it just read its log: for checkers.

use super::coordinator::{GroupCoordinator, OffsetsPartition};
use super::roster::Roster;
use crate::ids::{NO_EPOCH, Offset, TopicPartition};
use crate::inspect::{CoordinatorView, GroupView, PositionKey};
use crate::records::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

impl GroupCoordinator {
    /// Partitions coordinated here.
    pub(crate) fn views(&self) -> Vec<CoordinatorView> {
        let view = |(partition, state): (&i32, &OffsetsPartition)| CoordinatorView {
            partition: *partition,
            epoch: state.epoch,
            is_loaded: state.loading.is_none(),
        };
        self.partitions.iter().map(view).collect()
    }

    /// Positions of a partition's groups.
    pub(crate) fn positions_in(&self, partition: i32) -> BTreeMap<PositionKey, Offset> {
        self.partitions.get(&partition).map(OffsetsPartition::positions).unwrap_or_default()
    }
}

impl GroupCoordinator {
    /// Members of a group.
    pub(crate) fn group_view(&self, id: &str) -> Option<GroupView> {
        let loaded = self.partitions.values().filter(|state| state.loading.is_none());
        let group = loaded.filter_map(|state| state.groups.get(id)).next()?;
        Some(self.view_of(&group.roster))
    }

    /// Members of all groups.
    pub(crate) fn group_views(&self) -> Vec<(Arc<str>, GroupView)> {
        let loaded = self.partitions.values().filter(|state| state.loading.is_none());
        let groups = loaded.flat_map(|state| &state.groups);
        groups.map(|(id, group)| (Arc::clone(id), self.view_of(&group.roster))).collect()
    }

    fn view_of(&self, roster: &Roster) -> GroupView {
        match roster {
            Roster::Classic(membership) => membership.view(&self.timers),
            Roster::Consumer(group) => group.view(&self.timers),
        }
    }
}

impl OffsetsPartition {
    fn positions(&self) -> BTreeMap<PositionKey, Offset> {
        let of_groups = self.groups.iter().flat_map(|(id, group)| {
            let position = group.positions.iter();
            position.map(move |((topic, partition), value)| {
                ((Arc::clone(id), Arc::clone(topic), *partition), value.offset)
            })
        });
        of_groups.collect()
    }
}

/// Positions that follow from a log's batches.
pub(crate) fn replay_positions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeMap<PositionKey, Offset> {
    let mut state = OffsetsPartition {
        tp: TopicPartition::METADATA,
        epoch: NO_EPOCH,
        loading: None,
        groups: BTreeMap::new(),
    };
    for batch in batches {
        state.replay_batch(batch);
    }
    state.positions()
}
