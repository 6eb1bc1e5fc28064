//! Typed requests and responses: what Kafka's messages say, without their encoding.
//!
//! The wire codec sits at the edge (`server`, or `sim` with `wire = true`). Names follow Kafka's
//! message definitions; fields that no part of this broker reads are left out.

mod admin;
mod consumer_group;
mod data;
mod describe;
mod features;
mod group;
mod quorum;
mod quotas;
mod size;
mod topics;
mod txn;

use std::sync::Arc;

pub use admin::*;
pub use consumer_group::*;
pub use data::*;
pub use describe::*;
pub use features::*;
pub use group::*;
pub use quorum::*;
pub use quotas::*;
pub use size::{CLUSTER_ID_BYTES, HOST_BYTES, TOPIC_NAME_BYTES};
pub use topics::*;
pub use txn::*;

/// A request, from a client or a peer. The large ones are boxed: requests are moved about ten times
/// between client and handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Append records.
    Produce(ProduceRequest),
    /// Read records, as consumer, follower, or metadata observer.
    Fetch(Box<FetchRequest>),
    /// Offsets by timestamp or position.
    ListOffsets(ListOffsetsRequest),
    /// Leaders and replicas of topics.
    Metadata(MetadataRequest),
    /// End offset of a leader epoch.
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    /// A producer id for idempotence.
    InitProducerId(InitProducerIdRequest),
    /// Which broker coordinates a group.
    FindCoordinator(FindCoordinatorRequest),
    /// Store a group's positions.
    OffsetCommit(Box<OffsetCommitRequest>),
    /// Read a group's positions.
    OffsetFetch(OffsetFetchRequest),
    /// Become a member of a group, or say that one still is.
    JoinGroup(Box<JoinGroupRequest>),
    /// Hand out, or ask for, the assignment of a generation.
    SyncGroup(Box<SyncGroupRequest>),
    /// A member is alive.
    Heartbeat(Box<HeartbeatRequest>),
    /// Members go.
    LeaveGroup(LeaveGroupRequest),
    /// A member of a group in the consumer protocol joins, is alive, or leaves.
    ConsumerGroupHeartbeat(Box<ConsumerGroupHeartbeatRequest>),
    /// State and members of groups in the consumer protocol.
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest),
    /// State and members of groups.
    DescribeGroups(DescribeGroupsRequest),
    /// Groups of this coordinator.
    ListGroups(ListGroupsRequest),
    /// Delete groups without members.
    DeleteGroups(DeleteGroupsRequest),
    /// Delete positions of a group.
    OffsetDelete(OffsetDeleteRequest),
    /// Create topics.
    CreateTopics(CreateTopicsRequest),
    /// Elect preferred leaders.
    ElectLeaders(ElectLeadersRequest),
    /// Delete topics.
    DeleteTopics(DeleteTopicsRequest),
    /// Give topics more partitions.
    CreatePartitions(CreatePartitionsRequest),
    /// Move partitions to other brokers.
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    /// What is being moved.
    ListPartitionReassignments(ListPartitionReassignmentsRequest),
    /// Change configs.
    AlterConfigs(AlterConfigsRequest),
    /// Read quotas.
    DescribeClientQuotas(DescribeClientQuotasRequest),
    /// Change quotas.
    AlterClientQuotas(AlterClientQuotasRequest),
    /// Read configs.
    DescribeConfigs(DescribeConfigsRequest),
    /// Whose configs there are.
    ListConfigResources(ListConfigResourcesRequest),
    /// Delete the oldest records of partitions.
    DeleteRecords(DeleteRecordsRequest),
    /// Partitions of topics, page by page.
    DescribeTopicPartitions(Box<DescribeTopicPartitionsRequest>),
    /// Levels of features.
    UpdateFeatures(UpdateFeaturesRequest),
    /// End a registration.
    UnregisterBroker(UnregisterBrokerRequest),
    /// State of the metadata quorum.
    DescribeQuorum(DescribeQuorumRequest),
    /// What the log directory holds.
    DescribeLogDirs(DescribeLogDirsRequest),
    /// Move replicas to another log directory.
    AlterReplicaLogDirs(AlterReplicaLogDirsRequest),
    /// Append records of a transaction.
    TransactionalProduce(Box<TransactionalProduceRequest>),
    /// Partitions become part of a transaction, or are asked for.
    AddPartitionsToTxn(AddPartitionsToTxnRequest),
    /// A group's positions become part of a transaction.
    AddOffsetsToTxn(Box<AddOffsetsToTxnRequest>),
    /// Commit or abort.
    EndTxn(EndTxnRequest),
    /// The end of transactions, coordinator -> leaders.
    WriteTxnMarkers(WriteTxnMarkersRequest),
    /// Store a group's positions within a transaction.
    TxnOffsetCommit(Box<TxnOffsetCommitRequest>),
    /// Producers of partitions.
    DescribeProducers(DescribeProducersRequest),
    /// State of transactions.
    DescribeTransactions(DescribeTransactionsRequest),
    /// Transactions of this coordinator.
    ListTransactions(Box<ListTransactionsRequest>),
    /// Change of ISR, leader -> controller.
    AlterPartition(AlterPartitionRequest),
    /// Broker start, broker -> controller.
    BrokerRegistration(Box<BrokerRegistrationRequest>),
    /// Broker liveness and controlled shutdown, broker -> controller.
    BrokerHeartbeat(BrokerHeartbeatRequest),
    /// A block of producer ids, broker -> controller.
    AllocateProducerIds(AllocateProducerIdsRequest),
    /// Raft vote or pre-vote.
    Vote(VoteRequest),
    /// Raft: a leader announces its epoch.
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    /// Raft: a leader resigns.
    EndQuorumEpoch(EndQuorumEpochRequest),
    /// Raft: a chunk of a snapshot.
    FetchSnapshot(FetchSnapshotRequest),
}

impl Request {
    /// Tells a request that names its client where it came from, as Kafka writes addresses:
    /// `/127.0.0.1`. Frames do not say it.
    pub fn set_client_host(&mut self, host: &Arc<str>) {
        match self {
            Self::JoinGroup(join) => join.client_host = Arc::clone(host),
            Self::ConsumerGroupHeartbeat(beat) => beat.client_host = Arc::clone(host),
            _ => {}
        }
    }
}

// A request is moved about ten times on its way; box the contents of a new one that is larger.
const _: () = assert!(size_of::<Request>() <= 64 && size_of::<Response>() <= 40);

/// A response to the [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant answers the request of the same name")]
pub enum Response {
    Produce(ProduceResponse),
    Fetch(FetchResponse),
    ListOffsets(ListOffsetsResponse),
    Metadata(Box<MetadataResponse>),
    OffsetForLeaderEpoch(OffsetForLeaderEpochResponse),
    InitProducerId(InitProducerIdResponse),
    FindCoordinator(FindCoordinatorResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    JoinGroup(Box<JoinGroupResponse>),
    SyncGroup(Box<SyncGroupResponse>),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    ConsumerGroupHeartbeat(Box<ConsumerGroupHeartbeatResponse>),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
    OffsetDelete(OffsetDeleteResponse),
    CreateTopics(CreateTopicsResponse),
    ElectLeaders(ElectLeadersResponse),
    DeleteTopics(DeleteTopicsResponse),
    CreatePartitions(CreatePartitionsResponse),
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    ListPartitionReassignments(ListPartitionReassignmentsResponse),
    AlterConfigs(AlterConfigsResponse),
    /// See [`DescribeClientQuotasResponse`].
    DescribeClientQuotas(Box<DescribeClientQuotasResponse>),
    /// See [`AlterClientQuotasResponse`].
    AlterClientQuotas(AlterClientQuotasResponse),
    DescribeConfigs(DescribeConfigsResponse),
    ListConfigResources(ListConfigResourcesResponse),
    DeleteRecords(DeleteRecordsResponse),
    DescribeTopicPartitions(Box<DescribeTopicPartitionsResponse>),
    /// See [`UpdateFeaturesResponse`].
    UpdateFeatures(Box<UpdateFeaturesResponse>),
    UnregisterBroker(UnregisterBrokerResponse),
    DescribeQuorum(Box<DescribeQuorumResponse>),
    DescribeLogDirs(DescribeLogDirsResponse),
    AlterReplicaLogDirs(AlterReplicaLogDirsResponse),
    AddPartitionsToTxn(AddPartitionsToTxnResponse),
    AddOffsetsToTxn(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    WriteTxnMarkers(WriteTxnMarkersResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    DescribeProducers(DescribeProducersResponse),
    DescribeTransactions(DescribeTransactionsResponse),
    ListTransactions(Box<ListTransactionsResponse>),
    AlterPartition(AlterPartitionResponse),
    BrokerRegistration(BrokerRegistrationResponse),
    BrokerHeartbeat(BrokerHeartbeatResponse),
    AllocateProducerIds(AllocateProducerIdsResponse),
    Vote(VoteResponse),
    BeginQuorumEpoch(BeginQuorumEpochResponse),
    EndQuorumEpoch(EndQuorumEpochResponse),
    FetchSnapshot(Box<FetchSnapshotResponse>),
}
