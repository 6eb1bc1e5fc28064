//! Metadata (key 3), topics by name or, since v10, by id.

use super::operations::Operations;
use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{
    MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic, Request,
};

/// Topics that Kafka itself makes.
pub(super) const INTERNAL: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let mut unknown_ids = Vec::new();
    let topics = reader.nullable_array(|reader| {
        let id = if version >= 10 { reader.topic_id()? } else { TopicId(0) };
        let name = if version >= 10 { reader.nullable_string()? } else { Some(reader.string()?) };
        reader.skip_tags()?;
        // an id counts more than a name: Java's client leaves the name empty beside it
        let name = if id == TopicId(0) { name } else { cx.cluster.topic_name(id) };
        if name.is_none() {
            unknown_ids.push(id);
        }
        Ok(name)
    })?;
    // v0 has no null array: none means all
    let topics = topics.filter(|topics| version >= 1 || !topics.is_empty());
    let allow_auto_topic_creation = if version >= 4 { reader.bool()? } else { true };
    if (8..=10).contains(&version) {
        cx.operations.on_cluster = reader.bool()?;
    }
    if version >= 8 {
        cx.operations.on_each = reader.bool()?;
    }
    reader.skip_tags()?;
    if topics.is_none() {
        // librdkafka 2.16 writes the null array of a flexible version in four bytes instead of
        // one. Kafka reads the first, and never looks at the three bytes that are left then.
        reader.ignore(3);
    }
    cx.aside = Aside::UnknownIds(unknown_ids);
    let topics = topics.map(|topics| once_each(topics.into_iter().flatten().collect()));
    Ok(Asked::Broker(Request::Metadata(MetadataRequest { topics, allow_auto_topic_creation })))
}

/// A topic that is named several times is told of once.
fn once_each(mut names: Vec<Arc<str>>) -> Vec<Arc<str>> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(Arc::clone(name)));
    names
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &MetadataResponse,
) {
    let version = call.version;
    if version >= 3 {
        out.i32(0); // throttle time
    }
    write_brokers(out, version, cluster, &response.brokers);
    if version >= 2 {
        out.nullable_string(Some(cluster.cluster_id()));
    }
    if version >= 1 {
        out.i32(response.controller.map_or(-1, |node| node.0));
    }
    let unknown: &[TopicId] = match &call.aside {
        Aside::UnknownIds(ids) => ids,
        _ => &[],
    };
    out.array_len(response.topics.len() + unknown.len());
    for topic in &response.topics {
        write_topic(out, call, topic);
    }
    for id in unknown {
        write_unknown(out, call, *id);
    }
    if (8..=10).contains(&version) {
        out.i32(call.operations.cluster());
    }
    if version >= 13 {
        out.error(ErrorCode::None); // of the request as a whole
    }
    out.no_tags();
}

/// Brokers whose address is known.
fn write_brokers(
    out: &mut Writer,
    version: i16,
    cluster: &dyn Cluster,
    brokers: &[(NodeId, Option<Arc<str>>)],
) {
    let known: Vec<_> = brokers
        .iter()
        .filter_map(|(node, rack)| Some((node, rack, cluster.endpoint(*node)?)))
        .collect();
    out.array(known.into_iter(), |out, (node, rack, endpoint)| {
        out.i32(node.0);
        out.string(endpoint.host);
        out.i32(i32::from(endpoint.port));
        if version >= 1 {
            out.nullable_string(rack.as_deref());
        }
        out.no_tags();
    });
}

fn write_topic(out: &mut Writer, call: &Call, topic: &MetadataTopic) {
    let version = call.version;
    out.error(topic.error);
    out.string(&topic.name);
    if version >= 10 {
        out.topic_id(topic.id);
    }
    if version >= 1 {
        out.bool(INTERNAL.contains(&&*topic.name));
    }
    out.array((0..).zip(&topic.partitions).collect::<Vec<_>>().into_iter(), |out, partition| {
        write_partition(out, version, partition);
    });
    end_topic(out, call, call.operations.topic());
}

fn write_partition(out: &mut Writer, version: i16, (index, at): (i32, &MetadataPartition)) {
    let node = |out: &mut Writer, node: &NodeId| out.i32(node.0);
    out.error(at.error);
    out.i32(index);
    out.i32(at.leader.map_or(-1, |leader| leader.0));
    if version >= 7 {
        out.i32(at.leader_epoch);
    }
    out.array(at.replicas.iter(), node);
    out.array(at.isr.iter(), node);
    if version >= 5 {
        out.array_len(0); // offline replicas
    }
    out.no_tags();
}

fn write_unknown(out: &mut Writer, call: &Call, id: TopicId) {
    let version = call.version;
    out.error(ErrorCode::UnknownTopicId);
    if version >= 12 {
        out.nullable_string(None);
    } else {
        out.string("");
    }
    out.topic_id(id);
    out.bool(false);
    out.array_len(0);
    end_topic(out, call, Operations::default().topic());
}

fn end_topic(out: &mut Writer, call: &Call, operations: i32) {
    if call.version >= 8 {
        out.i32(operations);
    }
    out.no_tags();
}
