//! CreateTopics (key 19).

use super::messages;
use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    ConfigEntry, CreateTopicsRequest, CreateTopicsResponse, NewTopic, Placement, Request,
};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let topics = reader.array(read_topic)?;
    let _timeout_ms = reader.i32()?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::CreateTopics(CreateTopicsRequest { topics, validate_only })))
}

fn read_topic(reader: &mut Reader) -> Result<NewTopic, WireError> {
    let name = reader.string()?;
    let partitions = reader.i32()?;
    let replication_factor = reader.i16()?;
    let assignments = reader.array(|reader| {
        let index = reader.i32()?;
        let replicas = reader.array(|reader| reader.i32().map(NodeId))?;
        reader.skip_tags()?;
        Ok((index, replicas))
    })?;
    let config = reader.array(|reader| {
        let (key, value) = (reader.string()?, reader.nullable_string()?);
        reader.skip_tags()?;
        Ok(value.map(|value| (key.to_string(), value.to_string())))
    })?;
    reader.skip_tags()?;
    let placement = if assignments.is_empty() {
        Placement::Automatic { partitions, replication_factor }
    } else {
        Placement::Manual(manual(assignments))
    };
    Ok(NewTopic { name, placement, config: config.into_iter().flatten().collect() })
}

/// Replicas in the order of partitions. Indices that do not count from 0 make a placement that no
/// controller accepts.
fn manual(assignments: Vec<(i32, Vec<NodeId>)>) -> Vec<Vec<NodeId>> {
    let count = assignments.len();
    let by_index: BTreeMap<i32, Vec<NodeId>> = assignments.into_iter().collect();
    let consecutive = by_index.len() == count && (0..).zip(by_index.keys()).all(|(i, k)| i == *k);
    if consecutive { by_index.into_values().collect() } else { Vec::new() }
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &CreateTopicsResponse) {
    out.i32(0); // throttle time
    out.array(response.topics.iter(), |out, topic| {
        out.string(&topic.name);
        if call.version >= 7 {
            out.topic_id(topic.id);
        }
        out.error(topic.error);
        out.nullable_string(topic.message.as_deref().or(messages::of(topic.error)));
        if call.version >= 5 {
            out.i32(topic.partitions);
            out.i16(topic.replication_factor);
            out.array(topic.configs.iter(), write_config);
        }
        out.no_tags();
    });
    out.no_tags();
}

fn write_config(out: &mut Writer, config: &ConfigEntry) {
    out.string(&config.key);
    out.nullable_string(Some(&config.value));
    out.bool(config.read_only);
    out.i8(config.source as i8);
    out.bool(false); // sensitive
    out.no_tags();
}
