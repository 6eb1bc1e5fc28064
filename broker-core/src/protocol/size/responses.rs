//! Sizes of response bodies, in the version named beside each.

use super::{
    CLUSTER_ID_BYTES, HOST_BYTES, NULL, TAGS, UUID, array, blob, by_topic, describe, groups,
    metadata_topic, metadata_topic_rigid, nodes, nullable, quotas, tagged, topic_name, topics, txn,
};
use crate::protocol::{
    AlterPartitionResponse, CreateTopicsResponse, ElectLeadersResponse, FetchPartitionResponse,
    FetchResponse, FetchSnapshotResponse, InvalidRecords, LeaderAndEpoch, MetadataPartition,
    MetadataResponse, ProducePartitionResponse, ProduceResponse, Response,
};
use std::sync::Arc;

/// A leader and its epoch, as a tagged field.
fn current_leader(leader: Option<LeaderAndEpoch>) -> u64 {
    leader.map_or(0, |_| tagged(4 + 4 + TAGS))
}

/// Address of a node, as the brokers of Metadata and the endpoints of KIP-951 carry it.
fn endpoint(rack: Option<&str>) -> u64 {
    4 + blob(HOST_BYTES) + 4 + nullable(rack) + TAGS
}

/// Endpoints of the new leaders, a tagged field: one per leader that is named. Their racks, a few
/// bytes each, are not known here.
/// Leaders are told apart by the last seven bits of their ids.
fn endpoints(leaders: impl Iterator<Item = Option<LeaderAndEpoch>>) -> u64 {
    let mut seen = 0_u128;
    for leader in leaders.flatten() {
        seen |= 1 << leader.leader.0.rem_euclid(128);
    }
    let count = seen.count_ones();
    if count == 0 { 0 } else { tagged(array(count as usize) + u64::from(count) * endpoint(None)) }
}

pub(super) fn body(response: &Response) -> u64 {
    match response {
        Response::Produce(response) => produce(response),
        Response::Fetch(response) => fetch(response),
        // v9: per partition index, error, timestamp, offset, epoch
        Response::ListOffsets(response) => {
            let partition = 4 + 2 + 8 + 8 + 4 + TAGS;
            4 + by_topic(&response.partitions, topic_name(), |p| p.tp.topic, |_| partition) + TAGS
        }
        Response::Metadata(response) => metadata(response),
        // v4: per partition error, index, epoch, end offset
        Response::OffsetForLeaderEpoch(response) => {
            let partition = 2 + 4 + 4 + 8 + TAGS;
            4 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, |_| partition) + TAGS
        }
        // v5: throttle, error, producer id, epoch
        Response::InitProducerId(_) => 4 + 2 + 8 + 2 + TAGS,
        Response::FindCoordinator(_)
        | Response::OffsetCommit(_)
        | Response::OffsetFetch(_)
        | Response::JoinGroup(_)
        | Response::SyncGroup(_)
        | Response::Heartbeat(_)
        | Response::LeaveGroup(_)
        | Response::ConsumerGroupHeartbeat(_)
        | Response::ConsumerGroupDescribe(_)
        | Response::DescribeGroups(_)
        | Response::ListGroups(_)
        | Response::DeleteGroups(_)
        | Response::OffsetDelete(_) => groups::response(response),
        Response::CreateTopics(response) => create_topics(response),
        Response::ElectLeaders(response) => elect_leaders(response),
        Response::DeleteTopics(_)
        | Response::CreatePartitions(_)
        | Response::AlterPartitionReassignments(_)
        | Response::ListPartitionReassignments(_)
        | Response::AlterConfigs(_)
        | Response::DescribeConfigs(_)
        | Response::ListConfigResources(_)
        | Response::DeleteRecords(_) => topics::response(response),
        Response::UpdateFeatures(_)
        | Response::UnregisterBroker(_)
        | Response::DescribeTopicPartitions(_)
        | Response::DescribeQuorum(_)
        | Response::DescribeLogDirs(_)
        | Response::AlterReplicaLogDirs(_) => describe::response(response),
        Response::DescribeClientQuotas(_) | Response::AlterClientQuotas(_) => {
            quotas::response(response)
        }
        Response::AddPartitionsToTxn(_)
        | Response::AddOffsetsToTxn(_)
        | Response::EndTxn(_)
        | Response::WriteTxnMarkers(_)
        | Response::TxnOffsetCommit(_)
        | Response::DescribeProducers(_)
        | Response::DescribeTransactions(_)
        | Response::ListTransactions(_) => txn::response(response),
        Response::AlterPartition(response) => alter_partition(response),
        // v4: throttle, error, epoch
        Response::BrokerRegistration(_) => 4 + 2 + 8 + TAGS,
        // v1: throttle, error, three flags
        Response::BrokerHeartbeat(_) => 4 + 2 + 3 + TAGS,
        // v0: throttle, error, first id, number
        Response::AllocateProducerIds(_) => 4 + 2 + 8 + 4 + TAGS,
        // v2: error; per partition index, error, leader, epoch, granted
        Response::Vote(_) => 2 + metadata_topic(4 + 2 + 4 + 4 + 1 + TAGS) + TAGS,
        // v0, not flexible: error; per partition index, error, leader, epoch
        Response::BeginQuorumEpoch(_) | Response::EndQuorumEpoch(_) => {
            2 + metadata_topic_rigid(4 + 2 + 4 + 4)
        }
        Response::FetchSnapshot(response) => fetch_snapshot(response),
    }
}

/// v11: throttle; per partition index, error, base offset, append time, log start, records that are to blame.
fn produce(response: &ProduceResponse) -> u64 {
    let partition = |partition: &ProducePartitionResponse| {
        let told = partition.invalid.as_deref().map_or(array(0) + NULL, invalid);
        4 + 2 + 8 + 8 + 8 + told + TAGS + current_leader(partition.current_leader)
    };
    let partitions = by_topic(&response.partitions, topic_name(), |p| p.tp.topic, partition);
    let moved = response.partitions.iter().map(|partition| partition.current_leader);
    partitions + 4 + TAGS + endpoints(moved)
}

/// Per record index and message; a message for all.
fn invalid(told: &InvalidRecords) -> u64 {
    let record = |(_, why): &(i32, Arc<str>)| 4 + blob(why.len() as u64) + TAGS;
    let records: u64 = told.records.iter().map(record).sum();
    array(told.records.len()) + records + blob(told.message.len() as u64)
}

/// v17: throttle, error, session; the rest per partition.
fn fetch(response: &FetchResponse) -> u64 {
    let partitions = by_topic(&response.partitions, UUID, |p| p.tp.topic, fetched);
    let moved = response.partitions.iter().map(|partition| partition.current_leader);
    4 + 2 + 4 + partitions + TAGS + endpoints(moved)
}

/// Index, error, three offsets, aborted transactions, read replica, records.
fn fetched(partition: &FetchPartitionResponse) -> u64 {
    let tags = partition.diverging_epoch.map_or(0, |_| tagged(4 + 8 + TAGS))
        + current_leader(partition.current_leader)
        + partition.snapshot_id.map_or(0, |_| tagged(8 + 4 + TAGS));
    let records = blob(u64::from(partition.records.size_bytes()));
    let aborted = partition
        .aborted
        .as_ref()
        .map_or(NULL, |list| array(list.len()) + (8 + 8 + TAGS) * list.len() as u64);
    4 + 2 + 8 + 8 + 8 + aborted + 4 + records + TAGS + tags
}

/// v12: throttle, brokers, cluster id, controller, topics.
fn metadata(response: &MetadataResponse) -> u64 {
    let brokers: u64 = response.brokers.iter().map(|(_, rack)| endpoint(rack.as_deref())).sum();
    let mut topics = array(response.topics.len());
    for topic in &response.topics {
        let partitions: u64 = topic.partitions.iter().map(metadata_partition).sum();
        let name = blob(topic.name.len() as u64);
        topics += 2 + name + UUID + 1 + array(topic.partitions.len()) + partitions + 4 + TAGS;
    }
    4 + array(response.brokers.len()) + brokers + blob(CLUSTER_ID_BYTES) + 4 + topics + TAGS
}

/// Error, index, leader, epoch, replicas, ISR, no offline replicas.
fn metadata_partition(partition: &MetadataPartition) -> u64 {
    let (replicas, isr) = (partition.replicas.len(), partition.isr.len());
    2 + 4 + 4 + 4 + nodes(replicas) + nodes(isr) + nodes(0) + TAGS
}

/// v7: throttle; per topic name, id, error, message, partitions, replication factor, configs with
/// name, value, two flags and source.
fn create_topics(response: &CreateTopicsResponse) -> u64 {
    let topics = response.topics.iter().map(|topic| {
        let configs = topic.configs.iter().map(|config| {
            blob(config.key.len() as u64) + blob(config.value.len() as u64) + 1 + 1 + 1 + TAGS
        });
        let configs = array(topic.configs.len()) + configs.sum::<u64>();
        let message = nullable(topic.message.as_deref());
        blob(topic.name.len() as u64) + UUID + 2 + message + 4 + 2 + configs + TAGS
    });
    4 + array(response.topics.len()) + topics.sum::<u64>() + TAGS
}

/// v2: throttle, error; per partition index, error, no message.
fn elect_leaders(response: &ElectLeadersResponse) -> u64 {
    let partition = 4 + 2 + NULL + TAGS;
    4 + 2 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, |_| partition) + TAGS
}

/// v3: throttle, error; per partition index, error, leader, epoch, ISR, recovery state, epoch.
fn alter_partition(response: &AlterPartitionResponse) -> u64 {
    let partitions = by_topic(
        &response.partitions,
        UUID,
        |partition| partition.tp.topic,
        |partition| 4 + 2 + 4 + 4 + nodes(partition.isr.len()) + 1 + 4 + TAGS,
    );
    4 + 2 + partitions + TAGS
}

/// v0: throttle, error; per partition index, error, snapshot, size, position, bytes.
fn fetch_snapshot(response: &FetchSnapshotResponse) -> u64 {
    let bytes = blob(response.bytes.len() as u64);
    let leader = current_leader(response.current_leader);
    let partition = 4 + 2 + (8 + 4 + TAGS) + 8 + 8 + bytes + TAGS + leader;
    4 + 2 + metadata_topic(partition) + TAGS
}
