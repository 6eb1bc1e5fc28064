//! CreatePartitions (key 37).

use super::messages;
use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    CreatePartitionsRequest, CreatePartitionsResponse, NewPartitions, Request,
};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let topics = reader.array(|reader| {
        let (name, count) = (reader.string()?, reader.i32()?);
        let assignments = reader.nullable_array(|reader| {
            let replicas = reader.array(|reader| reader.i32().map(NodeId))?;
            reader.skip_tags()?;
            Ok(replicas)
        })?;
        reader.skip_tags()?;
        Ok(NewPartitions { name, count, assignments })
    })?;
    let _timeout_ms = reader.i32()?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    let request = CreatePartitionsRequest { topics, validate_only };
    Ok(Asked::Broker(Request::CreatePartitions(request)))
}

pub(crate) fn encode(out: &mut Writer, response: &CreatePartitionsResponse) {
    out.i32(0); // throttle time
    out.array(response.topics.iter(), |out, (name, error)| {
        out.string(name);
        out.error(*error);
        out.nullable_string(messages::of(*error));
        out.no_tags();
    });
    out.no_tags();
}
