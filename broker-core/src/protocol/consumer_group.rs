//! Groups in the consumer protocol (KIP-848): the heartbeat that is all of it, and what tools ask.

use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use std::sync::Arc;

/// Member epoch of a member that joins.
pub const JOIN_EPOCH: i32 = 0;
/// Member epoch of a member that leaves.
pub const LEAVE_EPOCH: i32 = -1;
/// Member epoch of a static member that leaves and will be back.
pub const STATIC_LEAVE_EPOCH: i32 = -2;

/// ConsumerGroupHeartbeat. What is `None` has not changed since the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeatRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Member id; empty for a new member of a client that lets the coordinator choose.
    pub member: Arc<str>,
    /// Member epoch, or one of [`JOIN_EPOCH`], [`LEAVE_EPOCH`], [`STATIC_LEAVE_EPOCH`].
    pub epoch: i32,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// `client.rack`.
    pub rack: Option<Arc<str>>,
    /// Longest time that the member takes to give up partitions, ms; `-1` = unchanged.
    pub rebalance_timeout_ms: i32,
    /// Topics subscribed by name.
    pub topics: Option<Vec<Arc<str>>>,
    /// Topics subscribed by a regular expression; empty = none.
    pub regex: Option<Arc<str>>,
    /// Assignor of the coordinator's that the member prefers.
    pub assignor: Option<Arc<str>>,
    /// Partitions that the member owns.
    pub owned: Option<Vec<TopicPartition>>,
    /// Whether the client makes its member id (KIP-1082).
    pub makes_member_id: bool,
    /// Client id of the request.
    pub client_id: Arc<str>,
    /// Address of the client, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Arc<str>,
}

/// Answer to [`ConsumerGroupHeartbeatRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeatResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong, in words.
    pub message: Option<Arc<str>>,
    /// Member id.
    pub member: Option<Arc<str>>,
    /// Member epoch.
    pub epoch: i32,
    /// How often the member must say that it is alive, ms.
    pub heartbeat_interval_ms: i32,
    /// Partitions that the member may read; `None` = as before.
    pub assignment: Option<Vec<TopicPartition>>,
}

/// State of a group in the consumer protocol. The names are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsumerGroupState {
    /// No members.
    Empty,
    /// There is no target for the newest group epoch yet.
    Assigning,
    /// Members are on their way to their targets.
    Reconciling,
    /// Every member has its target.
    Stable,
}

impl ConsumerGroupState {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// ConsumerGroupDescribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupDescribeRequest {
    /// Group ids.
    pub groups: Vec<Arc<str>>,
}

/// Answer to [`ConsumerGroupDescribeRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupDescribeResponse {
    /// In the request's order.
    pub groups: Vec<DescribedConsumerGroup>,
}

/// A group in the consumer protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong, where the error alone does not say it.
    pub message: Option<Arc<str>>,
    /// Group id.
    pub group: Arc<str>,
    /// State; `None` on error.
    pub state: Option<ConsumerGroupState>,
    /// Group epoch.
    pub epoch: i32,
    /// Epoch of the target assignment.
    pub assignment_epoch: i32,
    /// Assignor.
    pub assignor: Arc<str>,
    /// Members in order of id.
    pub members: Vec<DescribedConsumer>,
}

/// A member as tools see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumer {
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// `client.rack`.
    pub rack: Option<Arc<str>>,
    /// Member epoch.
    pub epoch: i32,
    /// Client id.
    pub client_id: Arc<str>,
    /// Client's address.
    pub client_host: Arc<str>,
    /// Topics subscribed by name.
    pub topics: Vec<Arc<str>>,
    /// Topics subscribed by a regular expression.
    pub regex: Option<Arc<str>>,
    /// What it has; in topics that exist.
    pub assignment: Vec<TopicPartition>,
    /// What it will have; in topics that exist.
    pub target: Vec<TopicPartition>,
}
