//! What a node holds in memory, for checkers: they compare it with the disk, with other nodes and
//! with what follows from it. Looks only. Nothing of a running broker depends on it.

mod asking;
mod cleaning;
mod configs;
mod controlling;
mod fetching;
mod groups;
mod owed;
mod quorum;
mod registration;
mod transactions;

pub use crate::replica::Follower;
pub use cleaning::CleanerView;
pub use configs::{InForceView, ThrottledView};
pub use controlling::ControllerView;
pub use fetching::{FollowedView, SessionPartView, SessionView, WaitsView};
pub use groups::{
    ClassicGroupView, ClassicMemberView, ClassicPlaceView, ConsumerEpochsView, ConsumerGroupView,
    ConsumerMemberView, ConsumerSaidView, GroupStandingView, SyncWaitView, partition_for_group,
};
pub use owed::OwedView;
pub use quorum::{QuorumAudit, QuorumView, named_snapshot, quorum_state};
pub use registration::RegistrationView;
pub use transactions::{MarkerView, QuestionView, TransactionalIdView, TransactionsLogView};

use crate::broker::Broker;
use crate::group::{replay_consumer_epochs, replay_member_epoch, replay_positions};
use crate::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::log::Log;
use crate::metadata::MetadataImage;
use crate::protocol::{ProducerIdAndEpoch, TransactionState};
use crate::records::Batch;
use crate::replica::{Partition, parse_checkpoint};
use crate::time::Instant;
use crate::txn::replay_transactions;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A position that a group has committed: group, topic, partition.
pub type PositionKey = (Arc<str>, Arc<str>, i32);

/// A hosted replica.
#[derive(Debug)]
pub struct ReplicaView<'a> {
    /// Partition.
    pub tp: TopicPartition,
    /// Its log.
    pub log: &'a Log,
    /// Leader, as applied.
    pub leader: Option<NodeId>,
    /// Leader epoch, as applied; `-1` before any.
    pub leader_epoch: LeaderEpoch,
    /// Partition epoch, as applied or as the controller has answered.
    pub partition_epoch: i32,
    /// High watermark.
    pub high_watermark: Offset,
    /// What only a leader knows.
    pub lead: Option<LeadView<'a>>,
}

impl<'a> ReplicaView<'a> {
    /// Bytes that are on the local disk and not in remote storage.
    #[must_use]
    pub fn only_local_bytes(&self) -> u64 {
        self.log.only_local_bytes()
    }

    /// Whether all that the log has been told is committed, and has had its effect: what follows from its batches is
    /// in memory, too.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.log.has_in_flight() && self.high_watermark >= self.log.next_offset()
    }

    fn of(p: &'a Partition) -> Self {
        Self {
            tp: p.tp,
            log: &p.log,
            leader: p.leader,
            leader_epoch: p.leader_epoch,
            partition_epoch: p.partition_epoch,
            high_watermark: p.high_watermark,
            lead: p.leadership().map(|lead| LeadView {
                epoch_start: lead.epoch_start,
                isr: &lead.isr,
                pending_isr: lead.pending_isr.as_deref(),
                min_isr: p.min_isr,
                followers: Cow::Borrowed(&lead.followers),
            }),
        }
    }
}

/// What a leader knows of its followers.
#[derive(Debug)]
pub struct LeadView<'a> {
    /// Log end when the epoch began.
    pub epoch_start: Offset,
    /// Committed ISR.
    pub isr: &'a [NodeId],
    /// Proposed and not yet answered.
    pub pending_isr: Option<&'a [NodeId]>,
    /// `min.insync.replicas`, at most the number of replicas.
    pub min_isr: usize,
    /// Followers.
    pub followers: Cow<'a, [Follower]>,
}

/// What a log remembers of an idempotent producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerView {
    /// Producer id.
    pub id: i64,
    /// Newest epoch.
    pub epoch: i16,
    /// Number of batches remembered.
    pub batches: usize,
    /// Sequence of the last record, and its offset, of the newest batch remembered.
    pub newest: Option<(i32, Offset)>,
    /// Timestamp of its newest batch or marker, ms.
    pub last_ms: i64,
    /// It has a transaction.
    pub is_open: bool,
}

/// A transactional id, as its coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// Producer id and epoch.
    pub producer: ProducerIdAndEpoch,
    /// Where its transaction is.
    pub state: TransactionState,
    /// Partitions of the transaction, by the names of their topics.
    pub partitions: Vec<(Arc<str>, i32)>,
    /// When the transaction began, ms.
    pub began_ms: i64,
    /// `transaction.timeout.ms` of its producer.
    pub timeout_ms: i32,
    /// Whether its last end was decided by the rules of epochs that end with each transaction (KIP-890).
    pub is_epoch_each: bool,
    /// The producer id before this one, as its log has it by those rules.
    pub previous_producer_id: Option<i64>,
    /// The one after it.
    pub next_producer_id: Option<i64>,
}

/// A partition of `__consumer_offsets` that a broker coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoordinatorView {
    /// Index.
    pub partition: i32,
    /// Epoch in which its log is led.
    pub epoch: LeaderEpoch,
    /// Whether all of the log has been read.
    pub is_loaded: bool,
}

impl Broker {
    /// A member's epoch, or its group's generation in the classic protocol, if there is such a member.
    /// `None`: no such group is coordinated here, and loaded.
    #[must_use]
    pub fn member_epoch(&self, group: &str, member: &str) -> Option<Option<i32>> {
        self.role()?.groups.member_epoch(group, member)
    }

    /// When the session of a member ends, on the node's monotonic clock, if there is such a member.
    #[must_use]
    pub fn member_session(&self, group: &str, member: &str) -> Option<Instant> {
        self.role()?.groups.session_of(group, member)
    }

    /// A group that is coordinated here, and a member of it whose silence nobody would notice, or an id that was given
    /// out and is not taken back when nobody uses it.
    #[must_use]
    pub fn unguarded_member(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        self.role()?.groups.unguarded_member()
    }

    /// A group that is coordinated here, and whose rebalance may never end.
    #[must_use]
    pub fn hanging_group(&self) -> Option<&Arc<str>> {
        self.role()?.groups.hanging_group()
    }

    /// Groups that are coordinated here, each with a member of it in an epoch that the group has not got to.
    pub fn members_ahead(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.role().into_iter().flat_map(|role| role.groups.members_ahead())
    }

    /// Whether a group's members speak the consumer protocol, if it has any and is coordinated here.
    #[must_use]
    pub fn speaks_by_heartbeats(&self, group: &str) -> Option<bool> {
        self.role()?.groups.speaks_by_heartbeats(group)
    }

    /// Groups in the consumer protocol that are coordinated here.
    pub fn consumer_groups(&self) -> impl Iterator<Item = ConsumerGroupView<'_>> {
        self.role().into_iter().flat_map(|role| role.groups.consumer_groups(&role.image))
    }

    /// Members of such groups, each with its group, for whoever asks for nothing else: a group's view has the hash of
    /// its topics.
    pub fn consumer_group_members(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.role().into_iter().flat_map(|role| role.groups.consumer_group_members())
    }

    /// The producer of a transactional id that is coordinated here, and loaded; `None` also while that is
    /// about to change.
    #[must_use]
    pub fn transactional_producer(&self, id: &str) -> Option<ProducerIdAndEpoch> {
        self.role()?.transactions.producer_of(id)
    }

    /// Replicas hosted here.
    pub fn replica_views(&self) -> impl Iterator<Item = ReplicaView<'_>> {
        self.role().into_iter().flat_map(|role| role.replicas.iter()).map(ReplicaView::of)
    }

    /// A replica hosted here.
    #[must_use]
    pub fn replica_view(&self, tp: TopicPartition) -> Option<ReplicaView<'_>> {
        self.role()?.replicas.find(tp).map(ReplicaView::of)
    }

    /// Metadata of the active controller, proposals that are not committed yet included.
    #[must_use]
    pub fn active_metadata(&self) -> Option<&MetadataImage> {
        self.controller().filter(|c| c.active().is_some()).map(|c| c.image())
    }

    /// Metadata as committed, of the broker role; `None` for a controller of its own.
    #[must_use]
    pub fn metadata(&self) -> Option<&MetadataImage> {
        self.role().map(|role| &role.image)
    }

    /// Metadata of the controller role while it is not active: an active one's holds proposals, too.
    #[must_use]
    pub fn standby_metadata(&self) -> Option<&MetadataImage> {
        self.controller().filter(|c| c.active().is_none()).map(|c| c.image())
    }

    /// Partitions of `__consumer_offsets` coordinated here.
    #[must_use]
    pub fn coordinated(&self) -> Vec<CoordinatorView> {
        self.role().map(|role| role.groups.views()).unwrap_or_default()
    }

    /// Transactional ids of a partition of `__transaction_state`; `None` while they are not known here,
    /// or about to change.
    #[must_use]
    pub fn transactions(&self, partition: i32) -> Option<BTreeMap<Arc<str>, TransactionView>> {
        self.role().and_then(|role| role.transactions.views(partition))
    }

    /// How groups of one partition of `__consumer_offsets` differ from what follows from its batches, in the order
    /// of the log; `None` also while something is being written.
    #[must_use]
    pub fn groups_differ<'a>(
        &self,
        partition: i32,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Option<String> {
        self.role()?.groups.differs_from(partition, batches)
    }

    /// Positions that this coordinator answers with, of one partition of `__consumer_offsets`.
    #[must_use]
    pub fn positions(&self, partition: i32) -> BTreeMap<PositionKey, Offset> {
        self.role().map(|role| role.groups.positions_in(partition)).unwrap_or_default()
    }
}

/// Transactional ids that follow from batches of `__transaction_state`, in the order of the log.
#[must_use]
pub fn transactions_from_log<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeMap<Arc<str>, TransactionView> {
    replay_transactions(batches)
}

/// What a checkpoint of offsets has: high watermarks, log starts or recovery points.
#[must_use]
pub fn offsets_of_checkpoint(bytes: &[u8]) -> BTreeMap<TopicPartition, Offset> {
    parse_checkpoint(bytes)
}

/// Positions that follow from batches of `__consumer_offsets`, in the order of the log: what a
/// coordinator that reads it anew would answer.
#[must_use]
pub fn positions_from_log<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeMap<PositionKey, Offset> {
    replay_positions(batches)
}

/// A member's epoch, or the generation that it is in, as it follows from batches of
/// `__consumer_offsets`, in the order of the log.
#[must_use]
pub fn member_epoch_from_log<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    group: &str,
    member: &str,
) -> Option<i32> {
    replay_member_epoch(batches, group, member)
}

/// Where a member in the consumer protocol is, as it follows from batches of `__consumer_offsets`, in the order of
/// the log.
#[must_use]
pub fn consumer_epochs_from_log<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    group: &str,
    member: &str,
) -> Option<ConsumerEpochsView> {
    replay_consumer_epochs(batches, group, member)
}
