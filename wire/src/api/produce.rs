//! Produce (key 0). Record batches are checked here, CRC included, and stay slices of the frame.

use super::shared::{
    DecodeCx, by_topic, current_leader, error_by_id, node_endpoints, rules, topic_name,
};
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use std::borrow::Cow;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    Acks, ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, Request,
    Response, TransactionalProduceRequest,
};
use stormglass_broker_core::records::Records;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let transactional_id = reader.nullable_string()?;
    let acks = acks(reader.i16()?);
    let timeout_ms = reader.i32()?;
    let topics = by_topic(
        reader,
        cx,
        |reader, cx| if version >= 13 { reader.topic_id() } else { cx.named_topic(reader) },
        |reader, topic| {
            let tp = TopicPartition::new(topic, reader.i32()?);
            let records = reader.nullable_bytes()?;
            reader.skip_tags()?;
            Ok((tp, records))
        },
    )?;
    reader.skip_tags()?;
    let refusal = match acks {
        None => Some(ErrorCode::InvalidRequiredAcks),
        Some(_) => None,
    };
    let (mut partitions, mut refused) = (Vec::new(), Vec::new());
    for (tp, bytes) in topics.ok_or(WireError::Null)? {
        match refusal.map_or_else(|| records(bytes, transactional_id.is_some()), Err) {
            Ok(records) => partitions.push(ProducePartition { tp, records }),
            Err(error) => refused.push(ProducePartitionResponse::refused(tp, error)),
        }
    }
    let all_refused = partitions.is_empty() && !refused.is_empty();
    cx.aside = Aside::Refused(refused);
    let acks = acks.unwrap_or(Acks::Leader);
    Ok(match (all_refused, acks) {
        (true, Acks::None) => Asked::Nobody,
        (true, _) => {
            let partitions = Vec::new();
            Asked::Edge(Response::Produce(ProduceResponse { partitions, throttle_ms: 0 }))
        }
        _ => {
            let produce = ProduceRequest { acks, timeout_ms, partitions };
            Asked::Broker(match transactional_id {
                None => Request::Produce(produce),
                Some(transactional_id) => {
                    Request::TransactionalProduce(Box::new(TransactionalProduceRequest {
                        transactional_id,
                        rules: rules(version, EPOCH_EACH_FROM),
                        produce,
                    }))
                }
            })
        }
    })
}

fn acks(value: i16) -> Option<Acks> {
    match value {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    }
}

fn records(bytes: Option<Bytes>, in_transaction: bool) -> Result<Records, ErrorCode> {
    let bytes = bytes.ok_or(ErrorCode::InvalidRecord)?;
    let records = Records::decode(bytes).map_err(|error| error.error_code())?;
    // whoever writes in a transaction must say in whose
    if !in_transaction && records.batches().iter().any(|batch| batch.header.is_transactional()) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    Ok(records)
}

/// First version whose records add their partition to the transaction.
const EPOCH_EACH_FROM: i16 = 12;
/// First version with `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 11;

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ProduceResponse,
) {
    let by_id = call.version >= 13;
    let all: Cow<'_, [ProducePartitionResponse]> = match &call.aside {
        Aside::Refused(refused) => {
            Cow::Owned([response.partitions.as_slice(), refused.as_slice()].concat())
        }
        _ => Cow::Borrowed(response.partitions.as_slice()),
    };
    out.by_topic(
        &all,
        |partition| partition.tp.topic,
        |out, id| if by_id { out.topic_id(id) } else { topic_name(out, call, cluster, id) },
        |out, partition| write_partition(out, call.version, cluster, partition),
    );
    out.i32(response.throttle_ms);
    let leaders = all.iter().map(|partition| partition.current_leader);
    let endpoints = if call.version >= 10 { node_endpoints(cluster, leaders) } else { None };
    out.tags(endpoints.into_iter().map(|field| (0, field)).collect());
}

fn write_partition(
    out: &mut Writer,
    version: i16,
    cluster: &dyn Cluster,
    partition: &ProducePartitionResponse,
) {
    let by_id = version >= 13;
    let error = partition.error;
    let error = if by_id { error_by_id(error, partition.tp.topic, cluster) } else { error };
    let error = match error {
        ErrorCode::TransactionAbortable if version < ABORTABLE_FROM => ErrorCode::InvalidTxnState,
        error => error,
    };
    out.i32(partition.tp.partition);
    out.error(error);
    out.i64(partition.base_offset);
    out.i64(partition.log_append_time_ms);
    if version >= 5 {
        out.i64(partition.log_start_offset);
    }
    if version >= 8 {
        let told = partition.invalid.as_deref();
        let records = told.map(|told| told.records.as_slice()).unwrap_or_default();
        out.array(records.iter(), |out, (index, why)| {
            out.i32(*index);
            out.nullable_string(Some(why));
            out.no_tags();
        });
        out.nullable_string(told.map(|told| &*told.message));
    }
    let leader = partition.current_leader.filter(|_| version >= 10);
    out.tags(leader.into_iter().map(|leader| (0, current_leader(leader))).collect());
}
