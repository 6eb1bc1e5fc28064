//! SyncGroup (key 14). Members must name their group's kind and protocol from version 5 on (KIP-559).

use super::shared::{DecodeCx, kept_bytes};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{Request, Response, SyncGroupRequest, SyncGroupResponse};

/// First version that names them.
const NAMES_FROM: i16 = 5;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let generation = reader.i32()?;
    let member = reader.string()?;
    let instance = if version >= 3 { reader.nullable_string()? } else { None };
    let says = version >= NAMES_FROM;
    let protocol_type = if says { reader.nullable_string()? } else { None };
    let protocol = if says { reader.nullable_string()? } else { None };
    let assignments = reader.array(|reader| {
        let assignment = (reader.string()?, kept_bytes(reader)?);
        reader.skip_tags()?;
        Ok(assignment)
    })?;
    reader.skip_tags()?;
    if says && (protocol_type.is_none() || protocol.is_none()) {
        // Kafka's `SyncGroupRequest.areMandatoryProtocolTypeAndNamePresent`
        let refused = SyncGroupResponse {
            error: ErrorCode::InconsistentGroupProtocol,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        };
        return Ok(Asked::Edge(Response::SyncGroup(Box::new(refused))));
    }
    let request = SyncGroupRequest {
        group,
        generation,
        member,
        instance,
        protocol_type,
        protocol,
        assignments,
    };
    Ok(Asked::Broker(Request::SyncGroup(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &SyncGroupResponse) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    out.error(response.error);
    if call.version >= NAMES_FROM {
        out.nullable_string(response.protocol_type.as_deref());
        out.nullable_string(response.protocol.as_deref());
    }
    out.bytes(&response.assignment);
    out.no_tags();
}
