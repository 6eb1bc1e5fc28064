//! The messages between nodes, field by field, and the number of each kind.

use super::fields::{Field, fields, numbered};
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::borrow::Cow;
use std::sync::Arc;
use stormglass_broker_core::config::{ConfigKind, TOPIC_KEYS};
use stormglass_broker_core::protocol::{
    AbortedTransaction, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterClientQuotasRequest,
    AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse, AlterPartitionData,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, AlterPartitionRequest,
    AlterPartitionResponse, AlterPartitionResult, AlterQuotas, AlteredConfigs, AlteredQuotas,
    AlteredResource, BeginQuorumEpochRequest, BeginQuorumEpochResponse, BrokerEndpoint,
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, ConfigChange, ConfigEntry, ConfigOp, ConfigSource, ConfigTarget,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    CreatedTopic, DeleteTopicsRequest, DeleteTopicsResponse, DeletedTopic, DescribeQuorumRequest,
    DescribeQuorumResponse, ElectLeadersRequest, ElectLeadersResponse, ElectionKind,
    EndQuorumEpochRequest, EndQuorumEpochResponse, EpochEndOffset, FeatureDirection, FeatureUpdate,
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchSnapshotRequest,
    FetchSnapshotResponse, IsolationLevel, LeaderAndEpoch, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, NewPartitions, NewTopic, Placement, ProducerIdAndEpoch,
    QuorumReplica, QuotaValue, Reassignment, ReplicaState, Request, Response, SnapshotId, TopicRef,
    TransactionRules, TxnMarker, TxnPartitions, TxnPartitionsResult, UnregisterBrokerRequest,
    UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse, VoteRequest,
    VoteResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

/// What nodes ask each other. Requests that clients make of any broker and that it passes on to the
/// controller are among them.
macro_rules! messages {
    ($($number:literal $name:ident;)*) => {
        pub(super) fn put_request(request: &Request, out: &mut Writer) -> bool {
            match request {
                $(Request::$name(request) => {
                    out.i8($number);
                    request.put(out);
                })*
                _ => return false,
            }
            true
        }

        pub(super) fn take_request(from: &mut Reader) -> Result<Request, WireError> {
            match from.i8()? {
                $($number => Field::take(from).map(Request::$name),)*
                _ => Err(WireError::Forbidden("a request that nodes do not make")),
            }
        }

        pub(super) fn put_response(response: &Response, out: &mut Writer) -> bool {
            match response {
                $(Response::$name(response) => {
                    out.i8($number);
                    response.put(out);
                })*
                _ => return false,
            }
            true
        }

        pub(super) fn take_response(from: &mut Reader) -> Result<Response, WireError> {
            match from.i8()? {
                $($number => Field::take(from).map(Response::$name),)*
                _ => Err(WireError::Forbidden("an answer that nodes do not give")),
            }
        }
    };
}

messages! {
    1 Vote;
    2 BeginQuorumEpoch;
    3 EndQuorumEpoch;
    4 Fetch;
    5 FetchSnapshot;
    6 BrokerRegistration;
    7 BrokerHeartbeat;
    8 AlterPartition;
    9 AllocateProducerIds;
    10 CreateTopics;
    11 ElectLeaders;
    12 DeleteTopics;
    13 CreatePartitions;
    14 AlterConfigs;
    15 AddPartitionsToTxn;
    16 WriteTxnMarkers;
    17 AlterPartitionReassignments;
    18 ListPartitionReassignments;
    40 AlterClientQuotas;
    41 DescribeQuorum;
    42 UpdateFeatures;
    43 UnregisterBroker;
}

fields! {
    VoteRequest { epoch, candidate, last_offset_epoch, last_offset, pre_vote }
    VoteResponse { error, leader, epoch, granted }
    BeginQuorumEpochRequest { leader, epoch }
    BeginQuorumEpochResponse { error, leader, epoch }
    EndQuorumEpochRequest { leader, epoch, preferred_successors }
    EndQuorumEpochResponse { error, epoch }
    FetchSnapshotRequest { replica, current_leader_epoch, snapshot_id, position, max_bytes }
    FetchSnapshotResponse { error, current_leader, snapshot_id, size, position, bytes }
    SnapshotId { end_offset, epoch }
    LeaderAndEpoch { leader, epoch }
    EpochEndOffset { epoch, end_offset }
    DescribeQuorumResponse { error, leader, epoch, high_watermark, voters, observers }
    QuorumReplica { node, log_end_offset, last_fetch_ms, last_caught_up_ms }
}

fields! {
    FetchRequest {
        replica, max_wait_ms, min_bytes, max_bytes, isolation, session_id, session_epoch,
        partitions, forgotten, rack,
    }
    ReplicaState { id, epoch }
    FetchPartition {
        tp, current_leader_epoch, fetch_offset, last_fetched_epoch, log_start_offset, max_bytes,
    }
    FetchResponse { throttle_ms, error, session_id, partitions }
    FetchPartitionResponse {
        tp, error, high_watermark, last_stable_offset, log_start_offset, diverging_epoch,
        snapshot_id, current_leader, preferred_read_replica, aborted, records,
    }
    AbortedTransaction { producer_id, first_offset }
}

fields! {
    AddPartitionsToTxnRequest { transactions, by_broker }
    TxnPartitions { transactional_id, producer, verify_only, partitions }
    ProducerIdAndEpoch { id, epoch }
    AddPartitionsToTxnResponse { transactions }
    TxnPartitionsResult { transactional_id, partitions }
    WriteTxnMarkersRequest { markers }
    TxnMarker { producer, commit, coordinator_epoch, rules, partitions }
    WriteTxnMarkersResponse { markers }
}

fields! {
    BrokerRegistrationRequest { broker, incarnation, rack, endpoint, previous_broker_epoch }
    BrokerRegistrationResponse { error, broker_epoch }
    BrokerEndpoint { host, port }
    BrokerHeartbeatRequest {
        broker, broker_epoch, current_metadata_offset, want_fence, want_shut_down,
    }
    BrokerHeartbeatResponse { error, is_caught_up, is_fenced, should_shut_down }
    AlterPartitionRequest { broker, broker_epoch, partitions }
    AlterPartitionData { tp, leader_epoch, new_isr, partition_epoch }
    AlterPartitionResponse { error, partitions }
    AlterPartitionResult { tp, error, leader, leader_epoch, isr, partition_epoch }
    AllocateProducerIdsRequest { broker, broker_epoch }
    AllocateProducerIdsResponse { error, first, len }
}

fields! {
    CreateTopicsRequest { topics, validate_only }
    NewTopic { name, placement, config }
    CreateTopicsResponse { topics }
    CreatedTopic { name, error, message, id, partitions, replication_factor, configs }
    ElectLeadersRequest { kind, partitions }
    ElectLeadersResponse { error, partitions }
    DeleteTopicsRequest { topics }
    DeleteTopicsResponse { topics }
    DeletedTopic { name, id, error }
    CreatePartitionsRequest { topics, validate_only }
    NewPartitions { name, count, assignments }
    CreatePartitionsResponse { topics }
    AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions }
    AlterPartitionReassignmentsResponse { error, allow_replication_factor_change, partitions }
    ListPartitionReassignmentsRequest { partitions }
    ListPartitionReassignmentsResponse { error, partitions }
    Reassignment { tp, replicas, adding, removing }
    AlterConfigsRequest { resources, validate_only }
    AlteredResource { target, replace, changes }
    ConfigTarget { kind, name }
    ConfigChange { key, op, value }
    AlterConfigsResponse { resources }
    AlteredConfigs { target, error, message }
    UpdateFeaturesRequest { updates, validate_only }
    FeatureUpdate { name, level, direction }
    UnregisterBrokerRequest { broker }
    UnregisterBrokerResponse { error }
    UpdateFeaturesResponse { error, message, updated }
    AlterClientQuotasRequest { entries, validate_only }
    AlterQuotas { entity, changes }
    AlterClientQuotasResponse { entries }
    AlteredQuotas { error, message, entity }
}

numbered! {
    FeatureDirection { Unknown = 0, Upgrade = 1, SafeDowngrade = 2, UnsafeDowngrade = 3 }
    ElectionKind { Preferred = 0, Unclean = 1 }
    TransactionRules { Added = 0, EpochEach = 1 }
    IsolationLevel { ReadUncommitted = 0, ReadCommitted = 1 }
    ConfigOp { Set = 0, Delete = 1, Append = 2, Subtract = 3, Unknown = 4 }
    ConfigSource {
        Topic = 1, Broker = 2, AllBrokers = 3, Static = 4, Default = 5, BrokerLogger = 6,
        ClientMetrics = 7, Group = 8,
    }
    ConfigKind {
        Unknown = 0, Boolean = 1, String = 2, Int = 3, Short = 4, Long = 5, Double = 6, List = 7,
    }
}

impl Field for QuotaValue {
    fn put(&self, out: &mut Writer) {
        self.bits().put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        Field::take(from).map(Self::from_bits)
    }
}

/// There is one quorum.
impl Field for DescribeQuorumRequest {
    fn put(&self, _: &mut Writer) {}

    fn take(_: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {})
    }
}

impl Field for Placement {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Automatic { partitions, replication_factor } => {
                out.i8(0);
                partitions.put(out);
                replication_factor.put(out);
            }
            Self::Manual(replicas) => {
                out.i8(1);
                replicas.put(out);
            }
        }
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        match from.i8()? {
            0 => Ok(Self::Automatic {
                partitions: Field::take(from)?,
                replication_factor: Field::take(from)?,
            }),
            1 => Field::take(from).map(Self::Manual),
            _ => Err(WireError::Forbidden("a placement of another kind")),
        }
    }
}

impl Field for TopicRef {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Name(name) => {
                out.i8(0);
                name.put(out);
            }
            Self::Id(id) => {
                out.i8(1);
                id.put(out);
            }
        }
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        match from.i8()? {
            0 => Field::take(from).map(Self::Name),
            1 => Field::take(from).map(Self::Id),
            _ => Err(WireError::Forbidden("a topic of another kind")),
        }
    }
}

/// The keys of configs are constants, and go by their names.
impl Field for &'static str {
    fn put(&self, out: &mut Writer) {
        out.string(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        let name: Arc<str> = from.string()?;
        let mut names = TOPIC_KEYS.iter().flat_map(|key| [key.name, key.server]);
        names
            .find(|known| **known == *name)
            .ok_or(WireError::Forbidden("a config that is not known"))
    }
}

/// The same where a broker may have other keys: nodes tell each other of those of topics alone.
impl Field for Cow<'static, str> {
    fn put(&self, out: &mut Writer) {
        out.string(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        <&'static str as Field>::take(from).map(Cow::Borrowed)
    }
}

impl<A: Field, B: Field, C: Field> Field for (A, B, C) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        Ok((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}

fields! {
    ConfigEntry { key, value, source, kind, read_only, inherited }
}
