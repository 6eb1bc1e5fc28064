//! What a coordinator knows, and what it would know had it just read its log: for checkers.

use super::consumer::ConsumerGroup;
use super::coordinator::{Group, GroupCoordinator, OffsetsPartition, Positions};
use super::membership::Membership;
use super::roster::Roster;
use crate::ids::{NO_EPOCH, Offset, TopicPartition};
use crate::inspect::{
    ClassicGroupView, ClassicMemberView, ConsumerEpochsView, ConsumerGroupView, ConsumerSaidView,
    CoordinatorView, GroupStandingView, PositionKey, SyncWaitView,
};
use crate::metadata::MetadataImage;
use crate::records::Batch;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
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

    /// Positions of a partition's groups that open transactions say something of, by producer id.
    pub(crate) fn open_positions_in(
        &self,
        partition: i32,
    ) -> BTreeMap<i64, BTreeMap<PositionKey, Offset>> {
        let groups = self.partitions.get(&partition).into_iter().flat_map(|state| &state.groups);
        let mut open: BTreeMap<i64, BTreeMap<PositionKey, Offset>> = BTreeMap::new();
        for (id, group) in groups {
            for (producer, positions) in &group.pending {
                open.entry(*producer).or_default().extend(of_group(id, positions));
            }
        }
        open
    }
}

impl GroupCoordinator {
    /// A partition whose load nothing goes on with.
    pub(crate) fn idle_load(&self) -> Option<i32> {
        let loading = self.partitions.iter().filter(|(_, state)| state.loading.is_some());
        let loading = loading.map(|(partition, state)| (*partition, state.epoch));
        self.failed_loads.idle(loading, &self.loads, &self.stalled)
    }

    fn readable(&self) -> impl Iterator<Item = &OffsetsPartition> {
        self.partitions.values().filter(|state| state.loading.is_none())
    }

    fn known_group(&self, id: &str) -> Option<&Group> {
        self.readable().find_map(|state| state.groups.get(id))
    }

    fn known_groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.readable().flat_map(|state| &state.groups)
    }

    /// A partition that is loaded, and to which nothing is being written.
    fn quiet(&self, partition: i32) -> Option<&OffsetsPartition> {
        let known = self.partitions.get(&partition).filter(|state| state.loading.is_none())?;
        (!self.writes.has_any_of(partition)).then_some(known)
    }

    /// A member's epoch, or the generation in the classic protocol, if there is such a member; `None`: there
    /// is no such group.
    pub(crate) fn member_epoch(&self, group: &str, member: &str) -> Option<Option<i32>> {
        let group = self.known_group(group)?;
        Some(group.roster.epoch_of(member))
    }

    /// When the session of a member ends.
    pub(crate) fn session_of(&self, group: &str, member: &str) -> Option<Instant> {
        let group = self.known_group(group)?;
        match &group.roster {
            Roster::Classic(group) => group.session_of(member),
            Roster::Consumer(group) => group.session_of(member),
        }
    }

    /// A group whose rebalance may never end.
    pub(crate) fn hanging_group(&self) -> Option<&Arc<str>> {
        let mut groups = self.known_groups();
        let hangs = |group: &Group| match &group.roster {
            Roster::Classic(membership) => membership.hangs(&self.timers),
            Roster::Consumer(_) => false,
        };
        groups.find(|(_, group)| hangs(group)).map(|(id, _)| id)
    }

    /// A group that waits for members to join, and nobody is missing.
    pub(crate) fn idle_rebalance(&self) -> Option<&Arc<str>> {
        let mut groups = self.known_groups();
        let is_idle =
            |group: &Group| group.roster.classic().is_some_and(Membership::waits_for_nobody);
        groups.find(|(_, group)| is_idle(group)).map(|(id, _)| id)
    }

    /// Groups in the consumer protocol, each with a member of it that is in an epoch which the group has not got to.
    pub(crate) fn members_ahead(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let groups = self.known_groups();
        let groups = groups.filter_map(|(id, group)| Some((id, group.roster.consumer()?)));
        groups.flat_map(|(id, group)| group.ahead().map(move |member| (id, member)))
    }

    /// Whether a group's members speak the consumer protocol, if it has any.
    pub(crate) fn speaks_by_heartbeats(&self, group: &str) -> Option<bool> {
        let group = self.known_group(group)?;
        let roster = &group.roster;
        (!roster.is_empty() && !roster.is_dead()).then(|| roster.consumer().is_some())
    }

    /// Groups in the consumer protocol.
    pub(crate) fn consumer_groups<'a>(
        &'a self,
        image: &'a MetadataImage,
    ) -> impl Iterator<Item = ConsumerGroupView<'a>> {
        self.readable().flat_map(move |state| {
            let groups = state.groups.values();
            groups.filter_map(move |group| Some(group.roster.consumer()?.view(state.epoch, image)))
        })
    }

    /// Members of groups in the consumer protocol, each with its group.
    pub(crate) fn consumer_group_members(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.known_groups().flat_map(|(id, group)| {
            let members = group.roster.consumer().into_iter().flat_map(ConsumerGroup::member_ids);
            members.map(move |member| (id, member))
        })
    }

    /// A group, and a member of it that waits for what will not come.
    pub(crate) fn stranded_member(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        let mut groups = self.known_groups();
        groups.find_map(|(id, group)| Some((id, group.roster.classic()?.stranded()?)))
    }

    /// A group, and a member of it that has joined by an id which counts as not used yet.
    pub(crate) fn joined_unused(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        let mut groups = self.known_groups();
        groups.find_map(|(id, group)| Some((id, group.roster.classic()?.joined_unused()?)))
    }

    /// A group that others are shown otherwise than the log has confirmed it.
    pub(crate) fn hidden_group(&self) -> Option<&Arc<str>> {
        let mut groups = self.known_groups();
        let is_hidden =
            |group: &Group| group.roster.consumer().is_some_and(ConsumerGroup::is_hidden);
        groups.find(|(_, group)| is_hidden(group)).map(|(id, _)| id)
    }

    /// Requests about groups that somebody waits for: all but those of producers.
    pub(crate) fn answers_owed(&self) -> usize {
        let groups = self.partitions.values().flat_map(|state| state.groups.values());
        let of_members = groups.map(|group| match &group.roster {
            Roster::Classic(membership) => membership.answers_owed(),
            Roster::Consumer(group) => group.answers_owed(),
        });
        of_members.sum::<usize>() + self.writes.answers_owed() + self.deletions.answers_owed()
    }

    /// Producers that commit positions and are not answered.
    pub(crate) fn producers_owed(&self) -> usize {
        self.writes.producers_owed()
    }

    /// A member of a group in the classic protocol.
    pub(crate) fn classic_member(
        &self,
        group: &str,
        member: &str,
    ) -> Option<ClassicMemberView<'_>> {
        let group = self.known_group(group)?;
        group.roster.classic()?.member_view(member)
    }

    /// How long a group in the classic protocol waits for members to ask for their assignments.
    pub(crate) fn sync_wait(&self, group: &str) -> Option<SyncWaitView> {
        let group = self.known_group(group)?;
        group.roster.classic()?.sync_wait()
    }

    /// The member that has a name in a group in the classic protocol.
    pub(crate) fn member_named(&self, group: &str, instance: &str) -> Option<&Arc<str>> {
        let group = self.known_group(group)?;
        group.roster.classic()?.named(instance)
    }

    /// A group in the classic protocol.
    pub(crate) fn classic_group(&self, id: &str) -> Option<ClassicGroupView<'_>> {
        self.readable()
            .find_map(|state| Some(state.groups.get(id)?.roster.classic()?.view(state.epoch)))
    }

    /// Groups in the classic protocol.
    pub(crate) fn classic_groups(&self) -> impl Iterator<Item = ClassicGroupView<'_>> {
        self.readable().flat_map(|state| {
            let groups = state.groups.values();
            groups.filter_map(|group| Some(group.roster.classic()?.view(state.epoch)))
        })
    }

    /// A group that is marked as being deleted, and nothing of that is under way.
    pub(crate) fn idle_deletion(&self) -> Option<&Arc<str>> {
        let mut groups = self.known_groups();
        let is_idle =
            |id: &Arc<str>, group: &Group| group.roster.is_dead() && !self.writes.deletes(id);
        groups.find(|(id, group)| is_idle(id, group)).map(|(id, _)| id)
    }

    /// Answers that wait for one of these appends.
    pub(crate) fn late_answers(&self, overdue: &BTreeSet<u64>) -> usize {
        if overdue.is_empty() {
            return 0;
        }
        let groups = self.partitions.values().flat_map(|state| state.groups.values());
        let of_members = groups.filter_map(|group| group.roster.consumer());
        let of_members = of_members.map(|group| group.late_answers(overdue)).sum::<usize>();
        of_members + self.writes.late_answers(overdue)
    }

    /// Appends under way that are none of the open ones.
    pub(crate) fn lost_writes(&self, open: &BTreeSet<u64>) -> usize {
        self.writes.lost(open)
    }

    /// Where a member of a group in the consumer protocol is.
    pub(crate) fn consumer_epochs(&self, group: &str, member: &str) -> Option<ConsumerEpochsView> {
        let group = self.known_group(group)?;
        group.roster.consumer()?.epochs_of(member)
    }

    /// What a member of a group in the consumer protocol has said of itself.
    pub(crate) fn consumer_said(&self, group: &str, member: &str) -> Option<ConsumerSaidView<'_>> {
        let group = self.known_group(group)?;
        group.roster.consumer()?.said_of(member)
    }

    /// How many members a group in the consumer protocol has.
    pub(crate) fn consumer_members(&self, group: &str) -> Option<usize> {
        let group = self.known_group(group)?;
        Some(group.roster.consumer()?.member_count())
    }

    /// What tools that delete groups go by.
    pub(crate) fn standing_of(&self, group: &str) -> Option<GroupStandingView> {
        let group = self.known_group(group)?;
        let (is_empty, is_dead) = (group.roster.is_empty(), group.roster.is_dead());
        Some(GroupStandingView { is_empty, is_dead })
    }

    /// When the timer for deadlines fires.
    pub(crate) fn armed(&self) -> Option<Instant> {
        self.timers.armed()
    }

    /// A group, and a member of it whose silence nobody would notice, or an id that nobody would take back.
    pub(crate) fn unguarded_member(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        let mut groups = self.known_groups();
        groups.find_map(|(id, group)| {
            let member = match &group.roster {
                Roster::Classic(membership) => membership.unguarded(&self.timers),
                Roster::Consumer(group) => group.unguarded(&self.timers),
            };
            Some((id, member?))
        })
    }
}

impl OffsetsPartition {
    fn positions(&self) -> BTreeMap<PositionKey, Offset> {
        self.groups.iter().flat_map(|(id, group)| of_group(id, &group.positions)).collect()
    }
}

/// Positions of a group, as checkers name them.
fn of_group(id: &Arc<str>, positions: &Positions) -> impl Iterator<Item = (PositionKey, Offset)> {
    positions.iter().map(move |((topic, partition), known)| {
        ((Arc::clone(id), Arc::clone(topic), *partition), known.value.offset)
    })
}

impl GroupCoordinator {
    /// How a partition's groups differ from what its log says; `None` also while something is under way.
    pub(crate) fn differs_from<'a>(
        &self,
        partition: i32,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Option<String> {
        let known = self.quiet(partition)?;
        let log = replay(batches);
        let none = BTreeMap::new();
        let pending = |state: &OffsetsPartition, id: &Arc<str>| {
            state.groups.get(id).map_or_else(BTreeMap::new, |group| group.pending.clone())
        };
        for id in known.groups.keys().chain(log.groups.keys()) {
            let (memory, said) = (known.groups.get(id), log.groups.get(id));
            let positions =
                |group: Option<&Group>| group.map_or(none.clone(), |g| g.positions.clone());
            let (ours, theirs) = (positions(memory), positions(said));
            if ours != theirs {
                return Some(format!("positions of {id} are {ours:?}, by its log {theirs:?}"));
            }
            let (ours, theirs) = (pending(known, id), pending(&log, id));
            if ours != theirs {
                return Some(format!("open positions of {id} are {ours:?}, by its log {theirs:?}"));
            }
            if let Some(differs) = memory.and_then(|group| group.roster.differs_from(said)) {
                return Some(format!("members of {id}: {differs}"));
            }
        }
        None
    }

    /// A group that whoever reads a partition's log finds in the consumer protocol, and that is not, or not there, any
    /// more; `None` also while something is under way.
    pub(crate) fn left_over<'a>(
        &self,
        partition: i32,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Option<Arc<str>> {
        let known = self.quiet(partition)?;
        let log = replay(batches);
        let mut said = log.groups.into_iter();
        let found = said.find(|(id, said)| is_left_over(known.groups.get(id), said))?;
        Some(found.0)
    }
}

impl Roster {
    /// How the members differ from what the log says. In the classic protocol only a stable group is in the log.
    fn differs_from(&self, said: Option<&Group>) -> Option<String> {
        let said = said.map(|group| &group.roster);
        match (self, said) {
            (Self::Classic(ours), Some(Self::Classic(theirs))) => ours.differs_from(Some(theirs)),
            (Self::Classic(ours), _) => ours.differs_from(None),
            (Self::Consumer(ours), Some(Self::Consumer(theirs))) => ours.differs_from(theirs),
            (Self::Consumer(ours), _) if ours.is_empty() => None,
            (Self::Consumer(_), _) => Some("they are not in its log".to_owned()),
        }
    }
}

/// Whether a group is in a log in the consumer protocol, and not, or no more, in memory.
fn is_left_over(memory: Option<&Group>, said: &Group) -> bool {
    let of = |group: &Group| group.roster.consumer().is_some();
    of(said) && !memory.is_some_and(of)
}

/// Positions that follow from a log's batches.
pub(crate) fn replay_positions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeMap<PositionKey, Offset> {
    replay(batches).positions()
}

/// A member's epoch, or the generation that it is in, as it follows from a log's batches.
pub(crate) fn replay_member_epoch<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    group: &str,
    member: &str,
) -> Option<i32> {
    let state = replay_members(batches);
    state.groups.get(group).and_then(|group| group.roster.epoch_of(member))
}

/// Where a member in the consumer protocol is, as it follows from a log's batches.
pub(crate) fn replay_consumer_epochs<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    group: &str,
    member: &str,
) -> Option<ConsumerEpochsView> {
    let state = replay_members(batches);
    state.groups.get(group)?.roster.consumer()?.epochs_of(member)
}

fn replay<'a>(batches: impl Iterator<Item = &'a Batch>) -> OffsetsPartition {
    let mut state = empty();
    for batch in batches {
        state.replay_batch(batch);
    }
    state
}

/// The same without positions.
fn replay_members<'a>(batches: impl Iterator<Item = &'a Batch>) -> OffsetsPartition {
    let mut state = empty();
    batches.for_each(|batch| state.replay_members(batch));
    state
}

fn empty() -> OffsetsPartition {
    OffsetsPartition {
        tp: TopicPartition::METADATA,
        epoch: NO_EPOCH,
        loading: None,
        groups: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_of_a_group_that_has_gone_over_is_left_over() {
        let id: Arc<str> = "g".into();
        let classic = || Group::new(&id);
        let consumer = || {
            let roster = Roster::Consumer(Box::new(ConsumerGroup::new(&id)));
            Group { roster, ..classic() }
        };
        let is_left = |memory: Option<Group>, log: Group| is_left_over(memory.as_ref(), &log);
        assert!(is_left(Some(classic()), consumer()) && is_left(None, consumer()));
        assert!(!is_left(Some(consumer()), consumer()));
        assert!(!is_left(Some(consumer()), classic()) && !is_left(None, classic()));
    }
}
