//! Groups in the consumer protocol.

use crate::broker::Broker;
use crate::ids::{LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::inspect::PositionKey;
use crate::protocol::GroupState;
use crate::records::Batch;
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The partition of `__consumer_offsets` where a group is, of so many.
#[must_use]
pub fn partition_for_group(group: &str, partitions: i32) -> i32 {
    crate::group::partition_for(group, partitions)
}

/// A group in the consumer protocol (KIP-848), as its coordinator would go on with it.
#[derive(Debug)]
pub struct ConsumerGroupView<'a> {
    /// Group id.
    pub group: &'a Arc<str>,
    /// Epoch in which its log is led.
    pub epoch: LeaderEpoch,
    /// Whether targets are those of the group's epoch.
    pub is_assigned: bool,
    /// Whether it has looked at the topics since they changed last.
    pub knows_topics: bool,
    /// Hash of the topics that members read, as of the group's epoch (KIP-1101).
    pub hash: i64,
    /// The same of topics as they are.
    pub hash_of_topics: i64,
    /// Topics that members read, as far as they exist, with the number of partitions.
    pub topics: BTreeMap<&'a str, (TopicId, i32)>,
    /// A partition that counts as free and that a member has, or as that of somebody who does not have it.
    pub misowned: Option<TopicPartition>,
    /// Members.
    pub members: Vec<ConsumerMemberView<'a>>,
}

/// A member of it.
#[derive(Debug)]
pub struct ConsumerMemberView<'a> {
    /// Member id.
    pub id: &'a Arc<str>,
    /// `group.instance.id`
    pub instance: Option<&'a Arc<str>>,
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
    /// Whether it is in the epoch of the targets, and has neither to give up anything nor to wait for it.
    pub is_settled: bool,
}

/// What a member in the consumer protocol has said of itself, as its coordinator would go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerSaidView<'a> {
    /// Its epoch.
    pub epoch: i32,
    /// `group.instance.id`
    pub instance: Option<&'a Arc<str>>,
    /// Whether the group knows it by that, if it has one.
    pub is_named: bool,
    /// `client.rack`
    pub rack: Option<&'a Arc<str>>,
    /// Topics that it names.
    pub topics: &'a BTreeSet<Arc<str>>,
    /// A regular expression for others.
    pub regex: Option<&'a Arc<str>>,
    /// The assignor that it asks for.
    pub assignor: Option<&'a Arc<str>>,
    /// Longest time that it takes to give up partitions, ms.
    pub rebalance_timeout_ms: i32,
}

/// What tools that delete groups go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupStandingView {
    /// It has no members, and nobody is about to become one.
    pub is_empty: bool,
    /// It is being deleted.
    pub is_dead: bool,
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
    /// Those that it is to give up, and has until then.
    pub revoking: BTreeSet<TopicPartition>,
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
    /// Whether it waits for more members before its first generation.
    pub is_put_off: bool,
    /// Whether the newest record in its log has this generation and its members, as far as the log takes anything: where
    /// the group does not rebalance.
    pub is_logged: bool,
    /// Protocol of the generation.
    pub protocol: Option<&'a Arc<str>>,
    /// The member that assigns.
    pub leader: Option<&'a Arc<str>>,
    /// Ids of its members.
    pub members: Vec<&'a Arc<str>>,
    /// The same members, with what they have.
    pub places: Vec<ClassicPlaceView<'a>>,
    /// Static members by `group.instance.id`, and when their sessions end.
    pub instances: Vec<(&'a Arc<str>, Instant)>,
}

/// A member's place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicPlaceView<'a> {
    /// Member id.
    pub id: &'a Arc<str>,
    /// `group.instance.id`
    pub instance: Option<&'a Arc<str>>,
    /// Protocols with what it says of itself in each, most preferred first.
    pub protocols: &'a [(Arc<str>, Bytes)],
    /// What it was assigned last.
    pub assignment: &'a Bytes,
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

/// For how long a group in the classic protocol waits for its members to ask for their assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncWaitView {
    /// The group's generation.
    pub generation: i32,
    /// Who has not asked by then is given up.
    pub until: Instant,
    /// The longest time that one of the members says that it takes to join again.
    pub longest: Duration,
}

impl Broker {
    /// How long a group in the classic protocol that is coordinated here, and loaded, waits for members to ask for their
    /// assignments; `None`: it does not.
    #[must_use]
    pub fn sync_wait(&self, group: &str) -> Option<SyncWaitView> {
        self.role()?.groups.sync_wait(group)
    }

    /// The member that has a name (`group.instance.id`) in a group in the classic protocol that is coordinated here, and
    /// loaded.
    #[must_use]
    pub fn member_named(&self, group: &str, instance: &str) -> Option<&Arc<str>> {
        self.role()?.groups.member_named(group, instance)
    }

    /// A member of a group in the classic protocol that is coordinated here, and loaded.
    #[must_use]
    pub fn classic_member(&self, group: &str, member: &str) -> Option<ClassicMemberView<'_>> {
        self.role()?.groups.classic_member(group, member)
    }

    /// A group in the classic protocol that is coordinated here, and loaded.
    #[must_use]
    pub fn classic_group(&self, group: &str) -> Option<ClassicGroupView<'_>> {
        self.role()?.groups.classic_group(group)
    }

    /// Groups in the classic protocol that are coordinated here.
    pub fn classic_groups(&self) -> impl Iterator<Item = ClassicGroupView<'_>> {
        self.role().into_iter().flat_map(|role| role.groups.classic_groups())
    }

    /// A group in the classic protocol that is coordinated here, and waits for members to join, though nobody is
    /// missing.
    #[must_use]
    pub fn idle_rebalance(&self) -> Option<&Arc<str>> {
        self.role()?.groups.idle_rebalance()
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

    /// Positions that open transactions say something of, by producer id, as the coordinator of a partition of
    /// `__consumer_offsets` has them.
    #[must_use]
    pub fn open_positions(&self, partition: i32) -> BTreeMap<i64, BTreeMap<PositionKey, Offset>> {
        self.role().map(|role| role.groups.open_positions_in(partition)).unwrap_or_default()
    }

    /// A member of a group in the consumer protocol that is coordinated here, and loaded.
    #[must_use]
    pub fn consumer_epochs(&self, group: &str, member: &str) -> Option<ConsumerEpochsView> {
        self.role()?.groups.consumer_epochs(group, member)
    }

    /// A group that whoever reads the log of one partition of `__consumer_offsets` finds in the consumer protocol, and
    /// that its coordinator does not have in it any more; `None` also while something is being written.
    #[must_use]
    pub fn left_over_group<'a>(
        &self,
        partition: i32,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Option<Arc<str>> {
        self.role()?.groups.left_over(partition, batches)
    }

    /// What a member of a group in the consumer protocol that is coordinated here, and loaded, has said of itself.
    #[must_use]
    pub fn consumer_said(&self, group: &str, member: &str) -> Option<ConsumerSaidView<'_>> {
        self.role()?.groups.consumer_said(group, member)
    }

    /// How many members a group in the consumer protocol has that is coordinated here, and loaded.
    #[must_use]
    pub fn consumer_members(&self, group: &str) -> Option<usize> {
        self.role()?.groups.consumer_members(group)
    }

    /// A group that is coordinated here, and loaded.
    #[must_use]
    pub fn group_standing(&self, group: &str) -> Option<GroupStandingView> {
        self.role()?.groups.standing_of(group)
    }

    /// A group that is coordinated here, and a member of it that waits for what will not come: for the next generation
    /// while none is being made, or for an assignment that nobody will make.
    #[must_use]
    pub fn stranded_member(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.role()?.groups.stranded_member()
    }

    /// A group in the classic protocol that is coordinated here, and a member of it that has joined by an id which counts
    /// as not used yet.
    #[must_use]
    pub fn joined_unused(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.role()?.groups.joined_unused()
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
