//! Fetch (key 1) of consumers. The answer is framed here, so that records are never copied.
//!
//! Versions that name topics get no sessions: what a session keeps must outlive names that the
//! cluster does not know yet. Replicas fetch on other ways, so a client that claims to be one is
//! turned away; and what only replicas say is skipped (their high watermark, since v18).

use super::shared::{
    DecodeCx, by_topic, current_leader, error_by_id, isolation, node_endpoints, topic_name, tp,
};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, NO_OFFSET, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, Request,
    SESSION_EPOCH_FINAL,
};

/// First version whose clients know that a disk may fail (KIP-112).
const STORAGE_ERRORS_FROM: i16 = 6;
/// First version with topic ids.
const BY_ID: i16 = 13;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    if version <= 14 {
        check_replica(reader.i32()?)?;
    }
    let max_wait_ms = reader.i32()?;
    let min_bytes = reader.i32()?;
    let max_bytes = reader.i32()?;
    let isolation = isolation(reader)?;
    let session =
        if version >= 7 { (reader.i32()?, reader.i32()?) } else { (0, SESSION_EPOCH_FINAL) };
    let partitions =
        by_topic(reader, cx, read_topic, |reader, topic| read_partition(reader, version, topic))?;
    let forgotten =
        if version >= 7 { by_topic(reader, cx, read_topic, tp)? } else { Some(Vec::new()) };
    let rack = if version >= 11 { Some(reader.string()?) } else { None };
    reader.tags(|tag, field| if tag == 1 { check_replica(field.i32()?) } else { Ok(()) })?;
    let (session_id, session_epoch) =
        if version >= BY_ID { session } else { (0, SESSION_EPOCH_FINAL) };
    Ok(Asked::Broker(Request::Fetch(Box::new(FetchRequest {
        replica: None,
        max_wait_ms,
        min_bytes,
        max_bytes,
        isolation,
        session_id,
        session_epoch,
        partitions: partitions.ok_or(WireError::Null)?,
        forgotten: forgotten.ok_or(WireError::Null)?,
        rack,
    }))))
}

fn check_replica(id: i32) -> Result<(), WireError> {
    if id >= 0 {
        return Err(WireError::Forbidden("a client fetches as if it were a broker"));
    }
    Ok(())
}

fn read_topic(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<TopicId, WireError> {
    if cx.version < BY_ID {
        return cx.named_topic(reader);
    }
    match reader.topic_id()? {
        TopicId::METADATA => Err(WireError::Forbidden("a client fetches the metadata log")),
        id => Ok(id),
    }
}

fn read_partition(
    reader: &mut Reader,
    version: i16,
    topic: TopicId,
) -> Result<FetchPartition, WireError> {
    let index = reader.i32()?;
    let current_leader_epoch = if version >= 9 { reader.i32()? } else { NO_EPOCH };
    let fetch_offset = reader.i64()?;
    let last_fetched_epoch = if version >= 12 { reader.i32()? } else { NO_EPOCH };
    let log_start_offset = if version >= 5 { reader.i64()? } else { NO_OFFSET };
    let max_bytes = reader.i32()?;
    reader.skip_tags()?;
    Ok(FetchPartition {
        tp: TopicPartition::new(topic, index),
        current_leader_epoch,
        fetch_offset,
        last_fetched_epoch,
        log_start_offset,
        max_bytes,
    })
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &FetchResponse,
) {
    let version = call.version;
    out.i32(response.throttle_ms);
    if version >= 7 {
        out.error(response.error);
        out.i32(response.session_id);
    }
    out.by_topic(
        &response.partitions,
        |partition| partition.tp.topic,
        |out, id| {
            if version >= BY_ID {
                out.topic_id(id);
            } else {
                topic_name(out, call, cluster, id);
            }
        },
        |out, partition| write_partition(out, version, cluster, partition),
    );
    let leaders = response.partitions.iter().map(|partition| partition.current_leader);
    let endpoints = if version >= 16 { node_endpoints(cluster, leaders) } else { None };
    out.tags(endpoints.into_iter().map(|field| (0, field)).collect());
}

fn write_partition(
    out: &mut Writer,
    version: i16,
    cluster: &dyn Cluster,
    partition: &FetchPartitionResponse,
) {
    let error = match partition.error {
        ErrorCode::KafkaStorageError if version < STORAGE_ERRORS_FROM => {
            ErrorCode::NotLeaderOrFollower
        }
        error if version >= BY_ID => error_by_id(error, partition.tp.topic, cluster),
        error => error,
    };
    out.i32(partition.tp.partition);
    out.error(error);
    out.i64(partition.high_watermark);
    out.i64(partition.last_stable_offset);
    if version >= 5 {
        out.i64(partition.log_start_offset);
    }
    match &partition.aborted {
        None => out.null_array(),
        Some(aborted) => out.array(aborted.iter(), |out, transaction| {
            out.i64(transaction.producer_id);
            out.i64(transaction.first_offset);
            out.no_tags();
        }),
    }
    if version >= 11 {
        out.i32(partition.preferred_read_replica.map_or(-1, |node| node.0));
    }
    out.records(&partition.records);
    out.tags(if version >= 12 { tags(partition) } else { Vec::new() });
}

fn tags(partition: &FetchPartitionResponse) -> Vec<(u32, Writer)> {
    let mut tags = Vec::new();
    if let Some(diverging) = partition.diverging_epoch {
        let mut field = Writer::field();
        field.i32(diverging.epoch);
        field.i64(diverging.end_offset);
        field.no_tags();
        tags.push((0, field));
    }
    if let Some(leader) = partition.current_leader {
        tags.push((1, current_leader(leader)));
    }
    if let Some(snapshot) = partition.snapshot_id {
        let mut field = Writer::field();
        field.i64(snapshot.end_offset);
        field.i32(snapshot.epoch);
        field.no_tags();
        tags.push((2, field));
    }
    tags
}
