//! What the log says of a group in the consumer protocol. Every change of it is a record first.

use super::hash;
use super::topics::{read_by_members, size};
use crate::ids::{LeaderEpoch, TopicPartition};
use crate::inspect::{ConsumerGroupView, ConsumerMemberView, ConsumerSaidView};
use crate::metadata::MetadataImage;
use crate::protocol::{ConsumerGroupState, LEAVE_EPOCH};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Partitions that somebody has, or shall have.
pub(in crate::group) type Partitions = BTreeSet<TopicPartition>;

/// What a member says of itself (`ConsumerGroupMemberMetadataValue`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::group) struct Subscription {
    pub(super) instance: Option<Arc<str>>,
    pub(super) rack: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) topics: BTreeSet<Arc<str>>,
    pub(super) regex: Option<Arc<str>>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) assignor: Option<Arc<str>>,
}

/// Where a member is on its way to its target. Values and names are Kafka's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(i8)]
pub(in crate::group) enum MemberState {
    /// It has its target of its epoch.
    #[default]
    Stable = 0,
    /// It must give up partitions before it may have the next epoch.
    UnrevokedPartitions = 1,
    /// It is in the last epoch, and others still have partitions that it shall have.
    UnreleasedPartitions = 2,
    /// A state of some other version of the coordinator.
    Unknown = 127,
}

/// What a member has (`ConsumerGroupCurrentMemberAssignmentValue`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::group) struct Current {
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    pub(super) assigned: Partitions,
    /// Partitions that it must give up, and has until then.
    pub(super) revoking: Partitions,
}

impl Current {
    /// Whether it has what the target of an epoch gives it.
    pub(super) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    /// Whether it has a partition, be it to give it up.
    fn has(&self, tp: &TopicPartition) -> bool {
        self.assigned.contains(tp) || self.revoking.contains(tp)
    }
}

/// A member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) subscription: Subscription,
    pub(super) current: Current,
}

/// An epoch of the group (`ConsumerGroupMetadataValue`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) struct GroupEpoch {
    pub(super) epoch: i32,
    /// Hash of the topics that members read (KIP-1101), 0 without any.
    pub(super) metadata_hash: i64,
}

/// Topics that a regular expression matched when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) struct Resolved {
    pub(super) topics: BTreeSet<Arc<str>>,
    /// Offset of the metadata that was looked at.
    pub(super) version: i64,
    /// When, ms since the epoch.
    pub(super) at_ms: i64,
}

/// A change of the state, and a record of the log; `None` removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) enum Change {
    /// `ConsumerGroupMetadata`: the group epoch.
    Group(Option<GroupEpoch>),
    /// `ConsumerGroupPartitionMetadata`: topics that members read. Kafka writes none of them any more from 4.1 on.
    Topics(Option<()>),
    /// `ConsumerGroupMemberMetadata`.
    Member(Arc<str>, Option<Subscription>),
    /// `ConsumerGroupTargetAssignmentMetadata`: the epoch of the targets.
    TargetEpoch(Option<i32>),
    /// `ConsumerGroupTargetAssignmentMember`.
    Target(Arc<str>, Option<Arc<Partitions>>),
    /// `ConsumerGroupCurrentMemberAssignment`.
    Current(Arc<str>, Option<Current>),
    /// `ConsumerGroupRegularExpression`.
    Regex(Arc<str>, Option<Resolved>),
}

impl Change {
    /// Whether it only takes away.
    pub(in crate::group) fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::Group(None)
                | Self::Topics(None)
                | Self::Member(_, None)
                | Self::TargetEpoch(None)
                | Self::Target(_, None)
                | Self::Current(_, None)
                | Self::Regex(_, None)
        )
    }
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) group_epoch: i32,
    /// Hash of the topics that members read, as of that epoch.
    pub(super) metadata_hash: i64,
    pub(super) assignment_epoch: i32,
    /// Whether the log has a record of topics, from before their hash was there.
    pub(super) has_topics_record: bool,
    pub(super) members: BTreeMap<Arc<str>, Arc<Member>>,
    /// Member of each `group.instance.id`.
    pub(super) instances: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) targets: BTreeMap<Arc<str>, Arc<Partitions>>,
    pub(super) regexes: BTreeMap<Arc<str>, Resolved>,
    /// Who has a partition, be it to give it up.
    pub(super) owners: BTreeMap<TopicPartition, Arc<str>>,
}

impl State {
    /// Takes a change.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Group(epoch) => {
                self.group_epoch = epoch.map_or(0, |group| group.epoch);
                self.metadata_hash = epoch.map_or(0, |group| group.metadata_hash);
            }
            Change::Topics(topics) => self.has_topics_record = topics.is_some(),
            Change::Member(id, Some(subscription)) => self.subscribe(id, subscription),
            Change::Member(id, None) => self.remove(id),
            Change::TargetEpoch(epoch) => self.assignment_epoch = epoch.unwrap_or(0),
            Change::Target(id, Some(target)) => {
                self.targets.insert(Arc::clone(id), Arc::clone(target));
            }
            Change::Target(id, None) => {
                self.targets.remove(id);
            }
            Change::Current(id, current) => self.set_current(id, current.clone()),
            Change::Regex(regex, Some(resolved)) => {
                self.regexes.insert(Arc::clone(regex), resolved.clone());
            }
            Change::Regex(regex, None) => {
                self.regexes.remove(regex);
            }
        }
    }

    fn member_mut(&mut self, id: &Arc<str>) -> &mut Member {
        Arc::make_mut(self.members.entry(Arc::clone(id)).or_default())
    }

    fn subscribe(&mut self, id: &Arc<str>, subscription: &Subscription) {
        if let Some(instance) = &subscription.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(id));
        }
        self.member_mut(id).subscription = subscription.clone();
    }

    fn remove(&mut self, id: &Arc<str>) {
        let Some(member) = self.members.remove(id) else { return };
        self.disown(id, &member.current);
        if let Some(instance) = &member.subscription.instance
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
    }

    fn set_current(&mut self, id: &Arc<str>, current: Option<Current>) {
        if current.is_none() && !self.members.contains_key(id) {
            return;
        }
        let gone =
            Current { epoch: LEAVE_EPOCH, previous_epoch: LEAVE_EPOCH, ..Current::default() };
        let next = current.unwrap_or(gone);
        let before = std::mem::replace(&mut self.member_mut(id).current, next.clone());
        self.disown(id, &before);
        for tp in next.assigned.iter().chain(&next.revoking) {
            self.owners.insert(*tp, Arc::clone(id));
        }
    }

    /// What a member had is free, unless the log has given it to another since.
    fn disown(&mut self, id: &Arc<str>, current: &Current) {
        for tp in current.assigned.iter().chain(&current.revoking) {
            if self.owners.get(tp) == Some(id) {
                self.owners.remove(tp);
            }
        }
    }

    /// A partition that counts as free and that a member has, or as that of somebody who does not have it, for
    /// checkers.
    pub(super) fn misowned(&self) -> Option<TopicPartition> {
        let has = |id: &Arc<str>, tp: &TopicPartition| {
            self.members.get(id).is_some_and(|member| member.current.has(tp))
        };
        let mut owners = self.owners.iter();
        let members = self.members.values().map(|member| &member.current);
        let mut had = members.flat_map(|current| current.assigned.iter().chain(&current.revoking));
        let stale = owners.find(|(tp, id)| !has(id, tp)).map(|(tp, _)| *tp);
        stale.or_else(|| had.find(|tp| !self.owners.contains_key(tp)).copied())
    }

    /// State of the group.
    pub(super) fn group_state(&self) -> ConsumerGroupState {
        let mut members = self.members.values();
        if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.group_epoch > self.assignment_epoch {
            ConsumerGroupState::Assigning
        } else if members.all(|member| member.current.is_reconciled_to(self.assignment_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// Topics that a member subscribes to, by name or by what its regular expression matched.
    pub(super) fn topics_of<'a>(
        &'a self,
        subscription: &'a Subscription,
    ) -> impl Iterator<Item = &'a Arc<str>> {
        let resolved = subscription.regex.as_ref().and_then(|regex| self.regexes.get(regex));
        let matched = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        subscription.topics.iter().chain(matched)
    }

    /// The group's epoch as the log has it.
    pub(super) fn epoch(&self) -> GroupEpoch {
        GroupEpoch { epoch: self.group_epoch, metadata_hash: self.metadata_hash }
    }

    /// For checkers. `knows_topics`: it has looked at the topics since they changed.
    pub(super) fn view<'a>(
        &'a self,
        (group, epoch): (&'a Arc<str>, LeaderEpoch),
        image: &'a MetadataImage,
        knows_topics: bool,
    ) -> ConsumerGroupView<'a> {
        let topics = read_by_members(self, image);
        let member = |(id, member): (&'a Arc<str>, &'a Arc<Member>)| {
            let Member { subscription, current } = &**member;
            let target = self.targets.get(id).into_iter().flat_map(|target| target.iter());
            ConsumerMemberView {
                id,
                instance: subscription.instance.as_ref(),
                topics: &subscription.topics,
                regex: subscription.regex.as_deref(),
                assignor: subscription.assignor.as_deref(),
                target: target.copied().collect(),
                owned: current.assigned.iter().chain(&current.revoking).copied().collect(),
                is_settled: current.is_reconciled_to(self.assignment_epoch),
            }
        };
        ConsumerGroupView {
            group,
            epoch,
            is_assigned: self.group_epoch == self.assignment_epoch,
            knows_topics,
            hash: self.metadata_hash,
            hash_of_topics: hash::of_topics(image, topics.values().copied()),
            topics: topics.iter().map(|(name, topic)| (*name, (topic.id, size(topic)))).collect(),
            misowned: self.misowned(),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// What a member has said of itself, for checkers.
    pub(super) fn said_of(&self, id: &str) -> Option<ConsumerSaidView<'_>> {
        let Member { subscription, current } = &**self.members.get(id)?;
        let instance = subscription.instance.as_ref();
        let is_held = |name: &Arc<str>| self.instances.get(name).is_some_and(|of| **of == *id);
        Some(ConsumerSaidView {
            epoch: current.epoch,
            instance,
            is_named: instance.is_none_or(is_held),
            rack: subscription.rack.as_ref(),
            topics: &subscription.topics,
            regex: subscription.regex.as_ref(),
            assignor: subscription.assignor.as_ref(),
            rebalance_timeout_ms: subscription.rebalance_timeout_ms,
        })
    }

    /// Whether a member reads a topic.
    pub(super) fn reads(&self, topic: &str) -> bool {
        let mut members = self.members.values();
        members.any(|m| self.topics_of(&m.subscription).any(|name| **name == *topic))
    }

    /// Records that leave nothing of a group without members.
    pub(super) fn tombstones(&self) -> Vec<Change> {
        let mut changes: Vec<_> =
            self.regexes.keys().map(|regex| Change::Regex(Arc::clone(regex), None)).collect();
        changes.push(Change::TargetEpoch(None));
        changes.extend(self.has_topics_record.then_some(Change::Topics(None)));
        changes.push(Change::Group(None));
        changes
    }
}
