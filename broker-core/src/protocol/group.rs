//! Groups: coordinators, positions, membership in the classic protocol, and what tools ask of them.

use super::ConsumerGroupState;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicPartition};
use bytes::Bytes;
use std::sync::Arc;

/// Generation of a commit that comes from no member.
pub const NO_GENERATION: i32 = -1;

/// What a coordinator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorKind {
    /// A group.
    Group,
    /// Transactions of a transactional id.
    Transaction,
}

/// FindCoordinator; several at once since KIP-699.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorRequest {
    /// What the keys are.
    pub kind: CoordinatorKind,
    /// Group ids or transactional ids.
    pub keys: Vec<Arc<str>>,
}

/// Answer to [`FindCoordinatorRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorResponse {
    /// In the request's order.
    pub coordinators: Vec<FoundCoordinator>,
}

/// Who coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCoordinator {
    /// As in the request.
    pub key: Arc<str>,
    /// Outcome.
    pub error: ErrorCode,
    /// Coordinator.
    pub node: Option<NodeId>,
}

/// OffsetCommit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Generation or epoch of the member, [`NO_GENERATION`] with a manual assignment.
    pub generation: i32,
    /// Member id, empty with a manual assignment.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// Positions.
    pub offsets: Vec<CommittedOffset>,
    /// Whether the client knows epochs of members in the consumer protocol (KIP-848, version 9).
    pub knows_epochs: bool,
}

impl OffsetCommitRequest {
    /// Of a consumer that assigns partitions to itself.
    #[must_use]
    pub fn without_member(group: Arc<str>, offsets: Vec<CommittedOffset>) -> Self {
        Self {
            group,
            generation: NO_GENERATION,
            member: "".into(),
            instance: None,
            offsets,
            knows_epochs: true,
        }
    }
}

/// A position of a group in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Partition.
    pub tp: TopicPartition,
    /// Next offset to read, `-1` = none.
    pub offset: Offset,
    /// Leader epoch of the last record read, `-1` = unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client attached; `None` = nothing.
    pub metadata: Option<Arc<str>>,
}

impl CommittedOffset {
    /// No position.
    #[must_use]
    pub fn none(tp: TopicPartition) -> Self {
        Self { tp, offset: NO_OFFSET, leader_epoch: NO_EPOCH, metadata: None }
    }
}

/// Answer to [`OffsetCommitRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitResponse {
    /// Outcome per partition, in the request's order.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// OffsetFetch; several groups at once since KIP-709.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchRequest {
    /// Positions of an open transaction are waited for (KIP-447).
    pub require_stable: bool,
    /// Groups.
    pub groups: Vec<OffsetFetchGroup>,
}

/// What is asked about one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchGroup {
    /// Group id.
    pub group: Arc<str>,
    /// Partitions asked for; `None` = all that the group has positions for.
    pub partitions: Option<Vec<TopicPartition>>,
    /// Member id and epoch, of a member in the consumer protocol.
    pub member: Option<(Arc<str>, i32)>,
}

/// Answer to [`OffsetFetchRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchResponse {
    /// In the request's order.
    pub groups: Vec<OffsetFetchGroupResponse>,
}

/// Positions of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchGroupResponse {
    /// Group id.
    pub group: Arc<str>,
    /// Group-level outcome.
    pub error: ErrorCode,
    /// Positions; offset `-1` without a commit.
    pub offsets: Vec<CommittedOffset>,
    /// Partitions whose position is part of an open transaction, when it must be stable.
    pub unstable: Vec<TopicPartition>,
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Member id, empty for a new member.
    pub member: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance: Option<Arc<str>>,
    /// Silence after which the member is taken for dead, ms.
    pub session_timeout_ms: i32,
    /// Longest time that it takes to join again, ms.
    pub rebalance_timeout_ms: i32,
    /// Kind of the group: `consumer`, `connect`.
    pub protocol_type: Arc<str>,
    /// Protocols (assignors) with the member's metadata, most preferred first.
    pub protocols: Vec<(Arc<str>, Bytes)>,
    /// Whether a new member must join again with the id that it is given (KIP-394).
    pub requires_known_member: bool,
    /// Whether the client understands that there is nothing to assign (KIP-814).
    pub can_skip_assignment: bool,
    /// Client id of the request.
    pub client_id: Arc<str>,
    /// Address of the client, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Arc<str>,
}

/// Answer to [`JoinGroupRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Generation, `-1` on error.
    pub generation: i32,
    /// Kind of the group.
    pub protocol_type: Option<Arc<str>>,
    /// Protocol chosen.
    pub protocol: Option<Arc<str>>,
    /// Member that assigns; empty on error.
    pub leader: Arc<str>,
    /// Whether the leader must leave the assignment as it is (KIP-814).
    pub skip_assignment: bool,
    /// Id of the member that asked.
    pub member: Arc<str>,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroupRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Generation.
    pub generation: i32,
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// Kind of the group, if the client says it.
    pub protocol_type: Option<Arc<str>>,
    /// Protocol, if the client says it.
    pub protocol: Option<Arc<str>>,
    /// Assignment per member, from the leader only.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// Answer to [`SyncGroupRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroupResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Kind of the group.
    pub protocol_type: Option<Arc<str>>,
    /// Protocol.
    pub protocol: Option<Arc<str>>,
    /// The member's assignment.
    pub assignment: Bytes,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Generation.
    pub generation: i32,
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
}

/// Answer to [`HeartbeatRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// Outcome.
    pub error: ErrorCode,
}

/// LeaveGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroupRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Who goes: member id and `group.instance.id`; a static member needs no member id.
    pub members: Vec<(Arc<str>, Option<Arc<str>>)>,
}

/// Answer to [`LeaveGroupRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroupResponse {
    /// Request-level outcome.
    pub error: ErrorCode,
    /// Outcome per member, in the request's order.
    pub members: Vec<(Arc<str>, Option<Arc<str>>, ErrorCode)>,
}

impl LeaveGroupResponse {
    /// Of the request as a whole: nothing is said of its members.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, members: Vec::new() }
    }
}

/// DescribeGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeGroupsRequest {
    /// Group ids.
    pub groups: Vec<Arc<str>>,
}

/// Answer to [`DescribeGroupsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeGroupsResponse {
    /// In the request's order.
    pub groups: Vec<DescribedGroup>,
}

/// State of a group in the classic protocol. The names are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupState {
    /// No members.
    Empty,
    /// Members join.
    PreparingRebalance,
    /// Members wait for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// The group does not exist, or is being deleted.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Outcome.
    pub error: ErrorCode,
    /// Group id.
    pub group: Arc<str>,
    /// State; `None` on error.
    pub state: Option<GroupState>,
    /// Kind of the group, empty without members.
    pub protocol_type: Arc<str>,
    /// Protocol, empty unless the group is stable.
    pub protocol: Arc<str>,
    /// Members.
    pub members: Vec<DescribedMember>,
}

/// A member as tools see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// Client id.
    pub client_id: Arc<str>,
    /// Client's address.
    pub client_host: Arc<str>,
    /// Metadata for the protocol, empty unless the group is stable.
    pub metadata: Bytes,
    /// Assignment, empty unless the group is stable.
    pub assignment: Bytes,
}

/// ListGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListGroupsRequest {
    /// Only groups in one of these states (KIP-518); empty = all.
    pub states: Vec<Arc<str>>,
    /// Only groups of one of these types (KIP-848); empty = all.
    pub types: Vec<Arc<str>>,
}

/// Answer to [`ListGroupsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListGroupsResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Groups by id.
    pub groups: Vec<ListedGroup>,
}

/// Protocol and state of a group of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedState {
    /// JoinGroup and SyncGroup: a member assigns.
    Classic(GroupState),
    /// ConsumerGroupHeartbeat: the coordinator assigns (KIP-848).
    Consumer(ConsumerGroupState),
}

impl ListedState {
    /// Kafka's name of the protocol (`GroupType`).
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Classic(_) => "classic",
            Self::Consumer(_) => "consumer",
        }
    }

    /// Kafka's name of the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic(state) => state.name(),
            Self::Consumer(state) => state.name(),
        }
    }
}

/// A group of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// Group id.
    pub group: Arc<str>,
    /// Kind of the group.
    pub protocol_type: Arc<str>,
    /// Protocol of its members, and state.
    pub state: ListedState,
}

/// DeleteGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteGroupsRequest {
    /// Group ids.
    pub groups: Vec<Arc<str>>,
}

/// Answer to [`DeleteGroupsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteGroupsResponse {
    /// Outcome per group, in the request's order.
    pub groups: Vec<(Arc<str>, ErrorCode)>,
}

/// OffsetDelete (KIP-496).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetDeleteRequest {
    /// Group id.
    pub group: Arc<str>,
    /// Partitions whose positions go.
    pub partitions: Vec<TopicPartition>,
}

/// Answer to [`OffsetDeleteRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetDeleteResponse {
    /// Group-level outcome.
    pub error: ErrorCode,
    /// Outcome per partition, in the request's order.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}
