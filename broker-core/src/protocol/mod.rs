//! Typed requests and responses: what Kafka's messages say, without their encoding.
//!
//! The wire codec sits at the edge (`server`, or `sim` with `wire = true`). Names follow Kafka's
//! message definitions; fields that no part of this broker reads are left out.

mod admin;
mod data;
mod quorum;
mod size;

pub use admin::*;
pub use data::*;
pub use quorum::*;
pub use size::{CLUSTER_ID_BYTES, HOST_BYTES, TOPIC_NAME_BYTES};

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
    OffsetCommit(OffsetCommitRequest),
    /// Read a group's positions.
    OffsetFetch(OffsetFetchRequest),
    /// Create topics.
    CreateTopics(CreateTopicsRequest),
    /// Elect preferred leaders.
    ElectLeaders(ElectLeadersRequest),
    /// Change of ISR, leader -> controller.
    AlterPartition(AlterPartitionRequest),
    /// Broker start, broker -> controller.
    BrokerRegistration(BrokerRegistrationRequest),
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
    CreateTopics(CreateTopicsResponse),
    ElectLeaders(ElectLeadersResponse),
    AlterPartition(AlterPartitionResponse),
    BrokerRegistration(BrokerRegistrationResponse),
    BrokerHeartbeat(BrokerHeartbeatResponse),
    AllocateProducerIds(AllocateProducerIdsResponse),
    Vote(VoteResponse),
    BeginQuorumEpoch(BeginQuorumEpochResponse),
    EndQuorumEpoch(EndQuorumEpochResponse),
    FetchSnapshot(Box<FetchSnapshotResponse>),
}
