//! What several APIs encode alike.

use super::{messages, operations::Operations};
use crate::call::{Aside, Call, Names};
use crate::cluster::Cluster;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    CommittedOffset, IsolationLevel, LeaderAndEpoch, ProducerIdAndEpoch, TransactionRules,
};

/// A request that is being decoded.
pub(crate) struct DecodeCx<'a> {
    pub(crate) version: i16,
    pub(crate) cluster: &'a dyn Cluster,
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) names: Names,
    pub(crate) aside: Aside,
    pub(crate) operations: Operations,
}

impl DecodeCx<'_> {
    /// Reads a topic's name and finds its id.
    pub(super) fn named_topic(&mut self, reader: &mut Reader) -> Result<TopicId, WireError> {
        let name = reader.string()?;
        Ok(self.names.resolve(self.cluster, name))
    }
}

/// Topics with their partitions, flat. `topic` reads the topic's name or id.
pub(super) fn by_topic<T>(
    reader: &mut Reader,
    cx: &mut DecodeCx<'_>,
    topic: impl Fn(&mut Reader, &mut DecodeCx<'_>) -> Result<TopicId, WireError>,
    partition: impl Fn(&mut Reader, TopicId) -> Result<T, WireError>,
) -> Result<Option<Vec<T>>, WireError> {
    let mut flat = Vec::new();
    let topics = reader.nullable_array(|reader| {
        let id = topic(reader, cx)?;
        flat.extend(reader.array(|reader| partition(reader, id))?);
        reader.skip_tags()
    })?;
    Ok(topics.map(|_| flat))
}

/// Positions that a group commits, in a transaction or not. `epoch_from`: first version with epochs.
pub(super) fn committed_offsets(
    reader: &mut Reader,
    cx: &mut DecodeCx<'_>,
    epoch_from: i16,
) -> Result<Vec<CommittedOffset>, WireError> {
    let version = cx.version;
    let offsets = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let tp = tp(reader, topic)?;
            let offset = reader.i64()?;
            let leader_epoch = if version >= epoch_from { reader.i32()? } else { NO_EPOCH };
            let metadata = reader.nullable_string()?.filter(|text| !text.is_empty());
            reader.skip_tags()?;
            Ok(CommittedOffset { tp, offset, leader_epoch, metadata })
        },
    )?;
    offsets.ok_or(WireError::Null)
}

/// A blob that will be kept for long, and must not keep the whole frame with it.
pub(super) fn kept_bytes(reader: &mut Reader) -> Result<Bytes, WireError> {
    Ok(Bytes::copy_from_slice(&reader.bytes()?))
}

/// A partition's index.
pub(super) fn tp(reader: &mut Reader, topic: TopicId) -> Result<TopicPartition, WireError> {
    Ok(TopicPartition::new(topic, reader.i32()?))
}

pub(super) fn isolation(reader: &mut Reader) -> Result<IsolationLevel, WireError> {
    match reader.i8()? {
        0 => Ok(IsolationLevel::ReadUncommitted),
        1 => Ok(IsolationLevel::ReadCommitted),
        _ => Err(WireError::Forbidden("an unknown isolation level")),
    }
}

/// Producer id and epoch.
pub(super) fn producer(reader: &mut Reader) -> Result<ProducerIdAndEpoch, WireError> {
    Ok(ProducerIdAndEpoch { id: reader.i64()?, epoch: reader.i16()? })
}

/// Which rules a producer goes by that uses this version.
pub(super) fn rules(version: i16, epoch_each_from: i16) -> TransactionRules {
    if version >= epoch_each_from { TransactionRules::EpochEach } else { TransactionRules::Added }
}

/// Versions before KIP-588 have another error for a producer that is fenced.
pub(super) fn fenced(error: ErrorCode, is_known: bool) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if !is_known => ErrorCode::InvalidProducerEpoch,
        error => error,
    }
}

/// Writes the name of a topic.
pub(super) fn topic_name(out: &mut Writer, call: &Call, cluster: &dyn Cluster, id: TopicId) {
    out.string(&call.names.name(cluster, id));
}

/// How it went, for each partition: a code, which some versions have by another name.
pub(super) fn error_codes(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    partitions: &[(TopicPartition, ErrorCode)],
    told: impl Fn(ErrorCode) -> ErrorCode,
) {
    outcomes(out, call, cluster, partitions, |out, error| out.error(told(error)));
}

/// How it went, for each partition, with a message.
pub(super) fn partition_errors(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    partitions: &[(TopicPartition, ErrorCode)],
) {
    outcomes(out, call, cluster, partitions, |out, error| {
        out.error(error);
        out.nullable_string(messages::of(error));
    });
}

fn outcomes(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    partitions: &[(TopicPartition, ErrorCode)],
    outcome: impl Fn(&mut Writer, ErrorCode),
) {
    out.by_topic(
        partitions,
        |(tp, _)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, error)| {
            out.i32(tp.partition);
            outcome(out, *error);
            out.no_tags();
        },
    );
}

/// Requests by topic id are told when the id is what is wrong (KIP-516).
pub(super) fn error_by_id(error: ErrorCode, id: TopicId, cluster: &dyn Cluster) -> ErrorCode {
    if error == ErrorCode::UnknownTopicOrPartition && cluster.topic_name(id).is_none() {
        ErrorCode::UnknownTopicId
    } else {
        error
    }
}

/// A leader and its epoch, as a tagged field.
pub(super) fn current_leader(leader: LeaderAndEpoch) -> Writer {
    let mut field = Writer::field();
    field.i32(leader.leader.0);
    field.i32(leader.epoch);
    field.no_tags();
    field
}

/// Addresses of leaders that an answer names, as a tagged field (KIP-951).
pub(super) fn node_endpoints(
    cluster: &dyn Cluster,
    leaders: impl Iterator<Item = Option<LeaderAndEpoch>>,
) -> Option<Writer> {
    let nodes: BTreeSet<NodeId> = leaders.flatten().map(|leader| leader.leader).collect();
    let known: Vec<_> =
        nodes.into_iter().filter_map(|node| Some((node, cluster.endpoint(node)?))).collect();
    if known.is_empty() {
        return None;
    }
    let mut field = Writer::field();
    field.array(known.into_iter(), |out, (node, endpoint)| {
        out.i32(node.0);
        out.string(endpoint.host);
        out.i32(i32::from(endpoint.port));
        out.nullable_string(endpoint.rack);
        out.no_tags();
    });
    Some(field)
}
