//! Groups in the consumer protocol.

use crate::broker::Broker;
use crate::ids::{LeaderEpoch, TopicId, TopicPartition};
use crate::protocol::GroupState;
use crate::time::Instant;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group in the consumer protocol (KIP-848), as its coordinator would go on with it.
#[derive(Debug)]
pub struct ConsumerGroupView<'a> {
    /// Group id.
    pub group: &'a Arc<str>,
    /// Whether targets are those of the group's epoch.
    pub is_assigned: bool,
    /// Whether it has looked at the topics since they changed last.
    pub knows_topics: bool,
    /// Topics that members read, as far as they exist, with the number of partitions.
    pub topics: BTreeMap<&'a str, (TopicId, i32)>,
    /// Members.
    pub members: Vec<ConsumerMemberView<'a>>,
}

/// A member of it.
#[derive(Debug)]
pub struct ConsumerMemberView<'a> {
    /// Member id.
    pub id: &'a Arc<str>,
    /// Topics that it names.
    pub topics: &'a BTreeSet<Arc<str>>,
    /// A regular expression for others.
    pub regex: Option<&'a str>,
    /// The assignor that it asks for.
    pub assignor: Option<&'a str>,
    /// What it shall have.
    pub target: Vec<TopicPartition>,
    /// What it has, or is to give up.
    pub owned: Vec<TopicPartition>,
}

/// Where a member in the consumer protocol is, as its coordinator would go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerEpochsView {
    /// Its epoch.
    pub epoch: i32,
    /// The epoch before, in which it may ask once more.
    pub previous: i32,
    /// Partitions that it has, without those that it is to give up.
    pub assigned: BTreeSet<TopicPartition>,
    /// Whether the log has confirmed all that the group goes by.
    pub is_confirmed: bool,
}

/// A group in the classic protocol.
#[derive(Debug)]
pub struct ClassicGroupView<'a> {
    /// Group id.
    pub group: &'a Arc<str>,
    /// Epoch in which its coordinator leads its log.
    pub epoch: LeaderEpoch,
    /// Where its rebalance stands.
    pub state: GroupState,
    /// Generation.
    pub generation: i32,
    /// Static members by `group.instance.id`, and when their sessions end.
    pub instances: Vec<(&'a Arc<str>, Instant)>,
}

/// A member of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicMemberView<'a> {
    /// Where the group's rebalance stands.
    pub state: GroupState,
    /// The group's generation.
    pub generation: i32,
    /// Whether it leads the group.
    pub leads: bool,
    /// `group.instance.id`
    pub instance: Option<&'a Arc<str>>,
    /// Protocols with what it says of itself in each.
    pub protocols: &'a [(Arc<str>, Bytes)],
    /// Whether it has not been in a generation yet.
    pub is_new: bool,
    /// Whether it has not asked for its assignment yet, and has to.
    pub is_awaited: bool,
}

impl Broker {
    /// A member of a group in the classic protocol that is coordinated here, and loaded.
    #[must_use]
    pub fn classic_member(&self, group: &str, member: &str) -> Option<ClassicMemberView<'_>> {
        self.role()?.groups.classic_member(group, member)
    }

    /// Groups in the classic protocol that are coordinated here.
    pub fn classic_groups(&self) -> impl Iterator<Item = ClassicGroupView<'_>> {
        self.role().into_iter().flat_map(|role| role.groups.classic_groups())
    }

    /// A group that is coordinated here, and marked as being deleted, and nothing of that is under way.
    #[must_use]
    pub fn idle_deletion(&self) -> Option<&Arc<str>> {
        self.role()?.groups.idle_deletion()
    }

    /// Answers about groups that wait for appends which take too long: whoever waits for those has been told so.
    #[must_use]
    pub fn late_answers(&self) -> usize {
        self.role().map_or(0, |role| role.groups.late_answers(&role.replicas.overdue_appends()))
    }

    /// A member of a group in the consumer protocol that is coordinated here, and loaded.
    #[must_use]
    pub fn consumer_epochs(&self, group: &str, member: &str) -> Option<ConsumerEpochsView> {
        self.role()?.groups.consumer_epochs(group, member)
    }

    /// A group that is coordinated here, and a member of it that waits for what will not come: for the next generation
    /// while none is being made, or for an assignment that nobody will make.
    #[must_use]
    pub fn stranded_member(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.role()?.groups.stranded_member()
    }

    /// A group in the consumer protocol that is coordinated here, and that others are shown otherwise than the log has
    /// confirmed it.
    #[must_use]
    pub fn hidden_group(&self) -> Option<&Arc<str>> {
        self.role()?.groups.hidden_group()
    }

    /// Requests about groups, but for those of producers, that somebody waits for here.
    #[must_use]
    pub fn answers_owed(&self) -> usize {
        self.role().map_or(0, |role| role.groups.answers_owed())
    }
}
