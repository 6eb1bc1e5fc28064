//! Sizes of request bodies, in the version named beside each.

use super::{
    CLUSTER_ID_BYTES, HOST_BYTES, NULL, TAGS, UUID, array, blob, by_topic, describe, groups,
    metadata_topic, metadata_topic_rigid, nodes, nullable, quotas, tagged, topic_name, topics, txn,
};
use crate::protocol::{
    AlterPartitionRequest, BrokerRegistrationRequest, CreateTopicsRequest, ElectLeadersRequest,
    EndQuorumEpochRequest, FetchRequest, MetadataRequest, NewTopic, Placement, ProduceRequest,
    Request,
};

/// Listener name, as brokers register it.
const LISTENER_NAME_BYTES: u64 = 10;
/// `metadata.version`, the one feature that every broker registers.
const FEATURE_NAME_BYTES: u64 = 16;

pub(super) fn body(request: &Request) -> u64 {
    match request {
        Request::Produce(request) => produce(request, NULL),
        Request::Fetch(request) => fetch(request),
        // v9: replica id, isolation level; per partition index, epoch, timestamp
        Request::ListOffsets(request) => {
            4 + 1
                + by_topic(&request.partitions, topic_name(), |p| p.0.topic, |_| 4 + 4 + 8 + TAGS)
                + TAGS
        }
        Request::Metadata(request) => metadata(request),
        // v4: replica id; per partition index, current epoch, epoch asked for
        Request::OffsetForLeaderEpoch(request) => {
            4 + by_topic(&request.partitions, topic_name(), |p| p.0.topic, |_| 4 + 4 + 4 + TAGS)
                + TAGS
        }
        Request::InitProducerId(request) => txn::init_producer_id(request.transactional.as_deref()),
        Request::FindCoordinator(_)
        | Request::OffsetCommit(_)
        | Request::OffsetFetch(_)
        | Request::JoinGroup(_)
        | Request::SyncGroup(_)
        | Request::Heartbeat(_)
        | Request::LeaveGroup(_)
        | Request::ConsumerGroupHeartbeat(_)
        | Request::ConsumerGroupDescribe(_)
        | Request::DescribeGroups(_)
        | Request::ListGroups(_)
        | Request::DeleteGroups(_)
        | Request::OffsetDelete(_) => groups::request(request),
        Request::CreateTopics(request) => create_topics(request),
        Request::ElectLeaders(request) => elect_leaders(request),
        Request::DeleteTopics(_)
        | Request::CreatePartitions(_)
        | Request::AlterPartitionReassignments(_)
        | Request::ListPartitionReassignments(_)
        | Request::AlterConfigs(_)
        | Request::DescribeConfigs(_)
        | Request::ListConfigResources(_)
        | Request::DeleteRecords(_) => topics::request(request),
        Request::UpdateFeatures(_)
        | Request::UnregisterBroker(_)
        | Request::DescribeTopicPartitions(_)
        | Request::DescribeQuorum(_)
        | Request::DescribeLogDirs(_)
        | Request::AlterReplicaLogDirs(_) => describe::request(request),
        Request::DescribeClientQuotas(_) | Request::AlterClientQuotas(_) => {
            quotas::request(request)
        }
        Request::TransactionalProduce(_)
        | Request::AddPartitionsToTxn(_)
        | Request::AddOffsetsToTxn(_)
        | Request::EndTxn(_)
        | Request::WriteTxnMarkers(_)
        | Request::TxnOffsetCommit(_)
        | Request::DescribeProducers(_)
        | Request::DescribeTransactions(_)
        | Request::ListTransactions(_) => txn::request(request),
        Request::AlterPartition(request) => alter_partition(request),
        Request::BrokerRegistration(request) => broker_registration(request),
        // v1: broker, epoch, metadata offset, two flags; no failed directories (a tagged field)
        Request::BrokerHeartbeat(_) => 4 + 8 + 8 + 1 + 1 + TAGS,
        // v0: broker, epoch
        Request::AllocateProducerIds(_) => 4 + 8 + TAGS,
        // v2: voter; per partition index, epoch, candidate, two directories, last epoch and offset,
        // pre-vote
        Request::Vote(_) => {
            let partition = 4 + 4 + 4 + 2 * UUID + 4 + 8 + 1 + TAGS;
            blob(CLUSTER_ID_BYTES) + 4 + metadata_topic(partition) + TAGS
        }
        // v0, not flexible: per partition index, leader, epoch
        Request::BeginQuorumEpoch(_) => cluster_id_rigid() + metadata_topic_rigid(4 + 4 + 4),
        Request::EndQuorumEpoch(request) => end_quorum_epoch(request),
        // v0: cluster id (a tagged field), replica, max bytes; per partition index, epoch,
        // snapshot, position
        Request::FetchSnapshot(_) => {
            let partition = 4 + 4 + (8 + 4 + TAGS) + 8 + TAGS;
            4 + 4 + metadata_topic(partition) + TAGS + tagged(blob(CLUSTER_ID_BYTES))
        }
    }
}

fn cluster_id_rigid() -> u64 {
    2 + CLUSTER_ID_BYTES
}

/// v11: transactional id, acks, timeout; per partition index and records.
pub(super) fn produce(request: &ProduceRequest, transactional_id: u64) -> u64 {
    let partitions = by_topic(
        &request.partitions,
        topic_name(),
        |partition| partition.tp.topic,
        |partition| 4 + blob(u64::from(partition.records.size_bytes())) + TAGS,
    );
    transactional_id + 2 + 4 + partitions + TAGS
}

/// v17: four limits, isolation level, session; replica state is a tagged field.
fn fetch(request: &FetchRequest) -> u64 {
    // index, epoch, offset, last fetched epoch, log start, max bytes
    let partition = 4 + 4 + 8 + 4 + 8 + 4 + TAGS;
    let partitions = by_topic(&request.partitions, UUID, |p| p.tp.topic, |_| partition);
    let forgotten = by_topic(&request.forgotten, UUID, |tp| tp.topic, |_| 4);
    let rack = blob(request.rack.as_deref().map_or(0, str::len) as u64);
    let replica_state = request.replica.map_or(0, |_| tagged(4 + 8 + TAGS));
    4 + 4 + 4 + 1 + 4 + 4 + partitions + forgotten + rack + TAGS + replica_state
}

/// v12: topics by name, two flags.
fn metadata(request: &MetadataRequest) -> u64 {
    let topics = request.topics.as_ref().map_or(NULL, |topics| {
        let names = topics.iter().map(|name| UUID + blob(name.len() as u64) + TAGS);
        array(topics.len()) + names.sum::<u64>()
    });
    topics + 1 + 1 + TAGS
}

/// v7: timeout, validate-only flag.
fn create_topics(request: &CreateTopicsRequest) -> u64 {
    let topics: u64 = request.topics.iter().map(new_topic).sum();
    array(request.topics.len()) + topics + 4 + 1 + TAGS
}

fn new_topic(topic: &NewTopic) -> u64 {
    let assignments = match &topic.placement {
        Placement::Automatic { .. } => array(0),
        Placement::Manual(partitions) => {
            let each = partitions.iter().map(|replicas| 4 + nodes(replicas.len()) + TAGS);
            array(partitions.len()) + each.sum::<u64>()
        }
    };
    let configs = topic
        .config
        .iter()
        .map(|(key, value)| blob(key.len() as u64) + blob(value.len() as u64) + TAGS)
        .sum::<u64>();
    let name = blob(topic.name.len() as u64);
    name + 4 + 2 + assignments + array(topic.config.len()) + configs + TAGS
}

/// v2: election type, partitions or all, timeout.
fn elect_leaders(request: &ElectLeadersRequest) -> u64 {
    let partitions = request
        .partitions
        .as_ref()
        .map_or(NULL, |partitions| by_topic(partitions, topic_name(), |tp| tp.topic, |_| 4));
    1 + partitions + 4 + TAGS
}

/// v3: broker, epoch; per partition index, leader epoch, ISR with epochs, recovery state, epoch.
fn alter_partition(request: &AlterPartitionRequest) -> u64 {
    let partitions = by_topic(
        &request.partitions,
        UUID,
        |partition| partition.tp.topic,
        |partition| {
            let isr = partition.new_isr.len();
            4 + 4 + array(isr) + isr as u64 * (4 + 8 + TAGS) + 1 + 4 + TAGS
        },
    );
    4 + 8 + partitions + TAGS
}

/// v4: with one listener, one feature and one log directory.
fn broker_registration(request: &BrokerRegistrationRequest) -> u64 {
    let listener = blob(LISTENER_NAME_BYTES) + blob(HOST_BYTES) + 2 + 2 + TAGS;
    let feature = blob(FEATURE_NAME_BYTES) + 2 + 2 + TAGS;
    let identity = 4 + blob(CLUSTER_ID_BYTES) + UUID;
    let rack = nullable(request.rack.as_deref());
    let directories = array(1) + UUID;
    identity + array(1) + listener + array(1) + feature + rack + 1 + directories + 8 + TAGS
}

/// v0, not flexible: per partition index, leader, epoch, successors.
fn end_quorum_epoch(request: &EndQuorumEpochRequest) -> u64 {
    let successors = 4 + 4 * request.preferred_successors.len() as u64;
    cluster_id_rigid() + metadata_topic_rigid(4 + 4 + 4 + successors)
}
