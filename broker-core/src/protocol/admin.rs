//! Cluster state: Metadata, CreateTopics, ElectLeaders, AlterPartition, broker lifecycle.

use super::ConfigEntry;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NodeId, TopicId, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Metadata of some topics, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRequest {
    /// `None` = all topics.
    pub topics: Option<Vec<Arc<str>>>,
    /// Whether topics that do not exist may be created, if the broker allows it too.
    pub allow_auto_topic_creation: bool,
}

/// Answer to [`MetadataRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataResponse {
    /// Unfenced brokers with their racks.
    pub brokers: Vec<(NodeId, Option<Arc<str>>)>,
    /// Active controller as far as known (KRaft answers with a random broker; we with any).
    pub controller: Option<NodeId>,
    /// Topics.
    pub topics: Vec<MetadataTopic>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataTopic {
    /// Outcome.
    pub error: ErrorCode,
    /// Name.
    pub name: Arc<str>,
    /// Id.
    pub id: TopicId,
    /// Partitions in order of index.
    pub partitions: Vec<MetadataPartition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataPartition {
    /// `LeaderNotAvailable` without a leader.
    pub error: ErrorCode,
    /// Leader.
    pub leader: Option<NodeId>,
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Replicas, preferred leader first.
    pub replicas: Vec<NodeId>,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
}

/// CreateTopics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopicsRequest {
    /// Topics.
    pub topics: Vec<NewTopic>,
    /// Only checks whether they could be created.
    pub validate_only: bool,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Name.
    pub name: Arc<str>,
    /// How partitions are placed.
    pub placement: Placement,
    /// Topic configs.
    pub config: BTreeMap<String, String>,
}

/// Placement of a new topic's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The controller places them, rack-aware.
    Automatic {
        /// Number of partitions, `-1` = `num.partitions`.
        partitions: i32,
        /// Replication factor, `-1` = `default.replication.factor`.
        replication_factor: i16,
    },
    /// Replicas of each partition, preferred leader first.
    Manual(Vec<Vec<NodeId>>),
}

/// Answer to [`CreateTopicsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopicsResponse {
    /// In the request's order.
    pub topics: Vec<CreatedTopic>,
}

/// What became of a new topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Name.
    pub name: Arc<str>,
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong, when the code does not say it.
    pub message: Option<Arc<str>>,
    /// Id, 0 on error.
    pub id: TopicId,
    /// Partitions, `-1` on error.
    pub partitions: i32,
    /// Replicas of each, `-1` on error.
    pub replication_factor: i16,
    /// Configs, in order of key; none on error.
    pub configs: Vec<ConfigEntry>,
}

impl CreatedTopic {
    /// The topic was not created.
    #[must_use]
    pub fn refused(name: Arc<str>, error: ErrorCode, message: Option<Arc<str>>) -> Self {
        Self {
            name,
            error,
            message,
            id: TopicId(0),
            partitions: -1,
            replication_factor: -1,
            configs: Vec::new(),
        }
    }
}

/// Which leader ElectLeaders is to find (KIP-460).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionKind {
    /// The preferred replica.
    Preferred,
    /// For partitions without a leader: any live replica if none is in sync, at the price of records.
    Unclean,
}

/// Leader election on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectLeadersRequest {
    /// Which leader.
    pub kind: ElectionKind,
    /// `None` = all partitions.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// Answer to [`ElectLeadersRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectLeadersResponse {
    /// Request-level outcome.
    pub error: ErrorCode,
    /// Outcome per partition.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// AlterPartitionReassignments (KIP-455).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionReassignmentsRequest {
    /// Whether a partition may get more or fewer replicas than it has.
    pub allow_replication_factor_change: bool,
    /// Wanted replicas, preferred leader first; `None` takes back what is under way.
    pub partitions: Vec<(TopicPartition, Option<Vec<NodeId>>)>,
}

/// Answer to [`AlterPartitionReassignmentsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionReassignmentsResponse {
    /// Request-level outcome.
    pub error: ErrorCode,
    /// As asked.
    pub allow_replication_factor_change: bool,
    /// Outcome per partition.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// ListPartitionReassignments (KIP-455).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPartitionReassignmentsRequest {
    /// `None` = all partitions.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// Answer to [`ListPartitionReassignmentsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPartitionReassignmentsResponse {
    /// Request-level outcome.
    pub error: ErrorCode,
    /// Those that are under way.
    pub partitions: Vec<Reassignment>,
}

/// A reassignment that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// Partition.
    pub tp: TopicPartition,
    /// Its replicas, those that are added and removed included.
    pub replicas: Vec<NodeId>,
    /// Replicas that are added.
    pub adding: Vec<NodeId>,
    /// Replicas that will be gone.
    pub removing: Vec<NodeId>,
}

/// AlterPartition (KIP-497; with broker epochs since KIP-903).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionRequest {
    /// Leader that asks.
    pub broker: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// Proposals.
    pub partitions: Vec<AlterPartitionData>,
}

/// A proposed ISR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionData {
    /// Partition.
    pub tp: TopicPartition,
    /// Leader epoch of the proposer.
    pub leader_epoch: LeaderEpoch,
    /// New ISR with each member's broker epoch (`-1` = unknown).
    pub new_isr: Vec<(NodeId, i64)>,
    /// Partition epoch that the proposal is based on.
    pub partition_epoch: i32,
}

/// Answer to [`AlterPartitionRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionResponse {
    /// Request-level outcome (`NotController`, `StaleBrokerEpoch`).
    pub error: ErrorCode,
    /// Outcome per partition, in the request's order.
    pub partitions: Vec<AlterPartitionResult>,
}

/// State of the partition after the proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionResult {
    /// Partition.
    pub tp: TopicPartition,
    /// Outcome.
    pub error: ErrorCode,
    /// Leader.
    pub leader: Option<NodeId>,
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Committed ISR.
    pub isr: Vec<NodeId>,
    /// Partition epoch.
    pub partition_epoch: i32,
}

/// Where clients and nodes of other processes reach a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerEndpoint {
    /// Host name or address.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

/// BrokerRegistration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistrationRequest {
    /// Broker.
    pub broker: NodeId,
    /// Unique per process start.
    pub incarnation: u128,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// `advertised.listeners`; `None` where the shell knows where nodes are.
    pub endpoint: Option<Arc<BrokerEndpoint>>,
    /// Broker epoch of a clean shutdown before, `-1` otherwise (KIP-966).
    pub previous_broker_epoch: i64,
}

/// Answer to [`BrokerRegistrationRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerRegistrationResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// New broker epoch (offset of the registration record).
    pub broker_epoch: i64,
}

/// BrokerHeartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerHeartbeatRequest {
    /// Broker.
    pub broker: NodeId,
    /// Its epoch.
    pub broker_epoch: i64,
    /// Metadata offset up to which it has caught up.
    pub current_metadata_offset: i64,
    /// Asks to stay fenced.
    pub want_fence: bool,
    /// Asks to shut down in order.
    pub want_shut_down: bool,
}

/// Answer to [`BrokerHeartbeatRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerHeartbeatResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Whether the broker has caught up enough to be unfenced.
    pub is_caught_up: bool,
    /// Whether it is fenced.
    pub is_fenced: bool,
    /// Whether it may shut down now.
    pub should_shut_down: bool,
}

/// AllocateProducerIds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocateProducerIdsRequest {
    /// Broker.
    pub broker: NodeId,
    /// Its epoch.
    pub broker_epoch: i64,
}

/// Answer to [`AllocateProducerIdsRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocateProducerIdsResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// First id of the block.
    pub first: i64,
    /// Ids in the block (1000 in Kafka).
    pub len: i32,
}

/// UnregisterBroker: a broker is gone for good, and its registration with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnregisterBrokerRequest {
    /// Which.
    pub broker: NodeId,
}

/// Answer to [`UnregisterBrokerRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnregisterBrokerResponse {
    /// Outcome.
    pub error: ErrorCode,
}
