//! What brokers answer, from bytes.

use crate::apis::ApiKey;
use crate::cluster::Cluster;
use crate::error::WireError;
use crate::reader::Reader;
use std::sync::Arc;
use stormglass_broker_core::config::TOPIC_KEYS;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    AbortedTransaction, CommittedOffset, ConfigEntry, ConfigSource, CreateTopicsResponse,
    CreatedTopic, ElectLeadersResponse, EpochEndOffset, FetchPartitionResponse, FetchResponse,
    FindCoordinatorResponse, FoundCoordinator, InitProducerIdResponse, InvalidRecords,
    LeaderAndEpoch, ListOffsetsPartitionResponse, ListOffsetsResponse, MetadataPartition,
    MetadataResponse, MetadataTopic, OffsetCommitResponse, OffsetFetchGroupResponse,
    OffsetFetchResponse, OffsetForLeaderEpochResponse, ProducePartitionResponse, ProduceResponse,
    Response, SnapshotId,
};
use stormglass_broker_core::records::Records;

type Read<T> = Result<T, WireError>;

/// Reads the body.
pub(super) fn decode(reader: &mut Reader, api: ApiKey, cluster: &dyn Cluster) -> Read<Response> {
    if api == ApiKey::Produce {
        return Ok(Response::Produce(read_produce(reader)?));
    }
    let throttle_ms = reader.i32()?;
    let response = match api {
        ApiKey::Fetch => Response::Fetch(read_fetch(reader, throttle_ms)?),
        ApiKey::ListOffsets => Response::ListOffsets(list_offsets(reader, cluster)?),
        ApiKey::Metadata => Response::Metadata(Box::new(read_metadata(reader)?)),
        ApiKey::OffsetForLeaderEpoch => {
            Response::OffsetForLeaderEpoch(end_of_epoch(reader, cluster)?)
        }
        ApiKey::InitProducerId => Response::InitProducerId(InitProducerIdResponse {
            error: reader.error()?,
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
        }),
        ApiKey::FindCoordinator => {
            let coordinators = reader.array(found_coordinator)?;
            Response::FindCoordinator(FindCoordinatorResponse { coordinators })
        }
        ApiKey::OffsetCommit => Response::OffsetCommit(offset_commit(reader, cluster)?),
        ApiKey::OffsetFetch => {
            let groups = reader.array(|reader| positions(reader, cluster))?;
            Response::OffsetFetch(OffsetFetchResponse { groups })
        }
        ApiKey::CreateTopics => {
            let topics = reader.array(created_topic)?;
            Response::CreateTopics(CreateTopicsResponse { topics })
        }
        ApiKey::ElectLeaders => Response::ElectLeaders(elected(reader, cluster)?),
        other => return Err(WireError::UnsupportedApi(other as i16)),
    };
    reader.skip_tags()?;
    Ok(response)
}

/// Topics with their partitions, flat. `topic` reads the topic's name or id.
fn by_topic<T>(
    reader: &mut Reader,
    topic: impl Fn(&mut Reader) -> Read<TopicId>,
    partition: impl Fn(&mut Reader, TopicId) -> Read<T>,
) -> Read<Vec<T>> {
    let mut flat = Vec::new();
    reader.array(|reader| {
        let id = topic(reader)?;
        flat.extend(reader.array(|reader| partition(reader, id))?);
        reader.skip_tags()
    })?;
    Ok(flat)
}

/// The same where topics have names.
fn by_name<T>(
    reader: &mut Reader,
    cluster: &dyn Cluster,
    partition: impl Fn(&mut Reader, TopicId) -> Read<T>,
) -> Read<Vec<T>> {
    let unknown = WireError::Forbidden("an answer about a topic that nobody asked for");
    by_topic(reader, |reader| cluster.topic_id(&reader.string()?).ok_or(unknown), partition)
}

fn tp(reader: &mut Reader, topic: TopicId) -> Read<TopicPartition> {
    Ok(TopicPartition::new(topic, reader.i32()?))
}

fn node(reader: &mut Reader) -> Read<Option<NodeId>> {
    Ok(Some(NodeId(reader.i32()?)).filter(|node| node.0 >= 0))
}

fn nodes(reader: &mut Reader) -> Read<Vec<NodeId>> {
    reader.array(|reader| reader.i32().map(NodeId))
}

fn current_leader(field: &mut Reader) -> Read<LeaderAndEpoch> {
    Ok(LeaderAndEpoch { leader: NodeId(field.i32()?), epoch: field.i32()? })
}

fn read_produce(reader: &mut Reader) -> Read<ProduceResponse> {
    let partitions = by_topic(reader, Reader::topic_id, produced)?;
    let throttle_ms = reader.i32()?;
    reader.skip_tags()?;
    Ok(ProduceResponse { partitions, throttle_ms })
}

fn produced(reader: &mut Reader, topic: TopicId) -> Read<ProducePartitionResponse> {
    let mut partition = ProducePartitionResponse {
        tp: tp(reader, topic)?,
        error: reader.error()?,
        base_offset: reader.i64()?,
        log_append_time_ms: reader.i64()?,
        log_start_offset: reader.i64()?,
        current_leader: None,
        invalid: None,
    };
    let records = reader.array(|reader| {
        let told = (reader.i32()?, reader.nullable_string()?.unwrap_or_default());
        reader.skip_tags()?;
        Ok(told)
    })?;
    let message = reader.nullable_string()?.unwrap_or_default();
    partition.invalid =
        (!records.is_empty()).then(|| Arc::new(InvalidRecords { message, records }));
    reader.tags(|tag, field| {
        if tag == 0 {
            partition.current_leader = Some(current_leader(field)?);
        }
        Ok(())
    })?;
    Ok(partition)
}

fn read_fetch(reader: &mut Reader, throttle_ms: i32) -> Read<FetchResponse> {
    let (error, session_id) = (reader.error()?, reader.i32()?);
    let partitions = by_topic(reader, Reader::topic_id, fetched)?;
    Ok(FetchResponse { throttle_ms, error, session_id, partitions })
}

fn fetched(reader: &mut Reader, topic: TopicId) -> Read<FetchPartitionResponse> {
    let mut partition = FetchPartitionResponse {
        tp: tp(reader, topic)?,
        error: reader.error()?,
        high_watermark: reader.i64()?,
        last_stable_offset: reader.i64()?,
        log_start_offset: reader.i64()?,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        aborted: reader.nullable_array(aborted)?.map(Vec::into_boxed_slice),
        preferred_read_replica: node(reader)?,
        records: Records::decode(reader.nullable_bytes()?.unwrap_or_default())
            .map_err(|_| WireError::Forbidden("records that are no whole batches"))?,
    };
    reader.tags(|tag, field| {
        match tag {
            0 => {
                let (epoch, end_offset) = (field.i32()?, field.i64()?);
                partition.diverging_epoch = Some(EpochEndOffset { epoch, end_offset });
            }
            1 => partition.current_leader = Some(current_leader(field)?),
            2 => {
                let (end_offset, epoch) = (field.i64()?, field.i32()?);
                partition.snapshot_id = Some(SnapshotId { end_offset, epoch });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(partition)
}

fn aborted(reader: &mut Reader) -> Read<AbortedTransaction> {
    let (producer_id, first_offset) = (reader.i64()?, reader.i64()?);
    reader.skip_tags()?;
    Ok(AbortedTransaction { producer_id, first_offset })
}

fn list_offsets(reader: &mut Reader, cluster: &dyn Cluster) -> Read<ListOffsetsResponse> {
    let partitions = by_name(reader, cluster, |reader, topic| {
        let partition = ListOffsetsPartitionResponse {
            tp: tp(reader, topic)?,
            error: reader.error()?,
            timestamp: reader.i64()?,
            offset: reader.i64()?,
            leader_epoch: reader.i32()?,
        };
        reader.skip_tags()?;
        Ok(partition)
    })?;
    Ok(ListOffsetsResponse { partitions })
}

fn read_metadata(reader: &mut Reader) -> Read<MetadataResponse> {
    let brokers = reader.array(|reader| {
        let node = NodeId(reader.i32()?);
        let (_host, _port) = (reader.string()?, reader.i32()?);
        let rack = reader.nullable_string()?;
        reader.skip_tags()?;
        Ok((node, rack))
    })?;
    let _cluster_id = reader.nullable_string()?;
    let controller = node(reader)?;
    let topics = reader.array(|reader| {
        let error = reader.error()?;
        let name = reader.nullable_string()?.unwrap_or_default();
        let id = reader.topic_id()?;
        let _internal = reader.bool()?;
        let partitions = reader.array(metadata_partition)?;
        let _operations = reader.i32()?;
        reader.skip_tags()?;
        Ok(MetadataTopic { error, name, id, partitions })
    })?;
    Ok(MetadataResponse { brokers, controller, topics })
}

fn metadata_partition(reader: &mut Reader) -> Read<MetadataPartition> {
    let error = reader.error()?;
    let _index = reader.i32()?;
    let (leader, leader_epoch) = (node(reader)?, reader.i32()?);
    let (replicas, isr) = (nodes(reader)?, nodes(reader)?);
    let _offline = nodes(reader)?;
    reader.skip_tags()?;
    Ok(MetadataPartition { error, leader, leader_epoch, replicas, isr })
}

fn end_of_epoch(reader: &mut Reader, cluster: &dyn Cluster) -> Read<OffsetForLeaderEpochResponse> {
    let partitions = by_name(reader, cluster, |reader, topic| {
        let error = reader.error()?;
        let tp = tp(reader, topic)?;
        let end = EpochEndOffset { epoch: reader.i32()?, end_offset: reader.i64()? };
        reader.skip_tags()?;
        Ok((tp, error, end))
    })?;
    Ok(OffsetForLeaderEpochResponse { partitions })
}

fn found_coordinator(reader: &mut Reader) -> Read<FoundCoordinator> {
    let key = reader.string()?;
    let node = node(reader)?;
    let (_host, _port) = (reader.string()?, reader.i32()?);
    let error = reader.error()?;
    let _message = reader.nullable_string()?;
    reader.skip_tags()?;
    Ok(FoundCoordinator { key, error, node })
}

fn offset_commit(reader: &mut Reader, cluster: &dyn Cluster) -> Read<OffsetCommitResponse> {
    let partitions = by_name(reader, cluster, |reader, topic| {
        let of = (tp(reader, topic)?, reader.error()?);
        reader.skip_tags()?;
        Ok(of)
    })?;
    Ok(OffsetCommitResponse { partitions })
}

fn positions(reader: &mut Reader, cluster: &dyn Cluster) -> Read<OffsetFetchGroupResponse> {
    let group = reader.string()?;
    let offsets = by_name(reader, cluster, |reader, topic| {
        let at = CommittedOffset {
            tp: tp(reader, topic)?,
            offset: reader.i64()?,
            leader_epoch: reader.i32()?,
            metadata: reader.nullable_string()?.filter(|text| !text.is_empty()),
        };
        let _error = reader.error()?;
        reader.skip_tags()?;
        Ok(at)
    })?;
    let error = reader.error()?;
    reader.skip_tags()?;
    let unstable = Vec::new();
    Ok(OffsetFetchGroupResponse { group, error, offsets, unstable })
}

fn created_topic(reader: &mut Reader) -> Read<CreatedTopic> {
    let (name, id) = (reader.string()?, reader.topic_id()?);
    let (error, message) = (reader.error()?, reader.nullable_string()?);
    let (partitions, replication_factor) = (reader.i32()?, reader.i16()?);
    let configs = reader.nullable_array(config)?.unwrap_or_default();
    reader.skip_tags()?;
    Ok(CreatedTopic { name, error, message, id, partitions, replication_factor, configs })
}

/// A topic's config. What it would be without an override is not in the answer.
fn config(reader: &mut Reader) -> Read<ConfigEntry> {
    let key: Arc<str> = reader.string()?;
    let known = TOPIC_KEYS.iter().find(|known| known.name == &*key);
    let known = known.ok_or(WireError::Forbidden("a config that no topic has"))?;
    let value = reader.nullable_string()?.unwrap_or_default();
    let read_only = reader.bool()?;
    let source = match reader.i8()? {
        1 => ConfigSource::Topic,
        2 => ConfigSource::Broker,
        3 => ConfigSource::AllBrokers,
        4 => ConfigSource::Static,
        _ => ConfigSource::Default,
    };
    let _sensitive = reader.bool()?;
    reader.skip_tags()?;
    let (key, kind) = (known.name.into(), known.kind);
    Ok(ConfigEntry { key, value, source, kind, read_only, inherited: None })
}

fn elected(reader: &mut Reader, cluster: &dyn Cluster) -> Read<ElectLeadersResponse> {
    let error = reader.error()?;
    let partitions = by_name(reader, cluster, |reader, topic| {
        let of = (tp(reader, topic)?, reader.error()?);
        let _message = reader.nullable_string()?;
        reader.skip_tags()?;
        Ok(of)
    })?;
    Ok(ElectLeadersResponse { error, partitions })
}
