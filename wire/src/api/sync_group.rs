//! SyncGroup (key 14).

use super::shared::{DecodeCx, kept_bytes};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{Request, SyncGroupRequest, SyncGroupResponse};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let generation = reader.i32()?;
    let member = reader.string()?;
    let instance = if version >= 3 { reader.nullable_string()? } else { None };
    let protocol_type = if version >= 5 { reader.nullable_string()? } else { None };
    let protocol = if version >= 5 { reader.nullable_string()? } else { None };
    let assignments = reader.array(|reader| {
        let assignment = (reader.string()?, kept_bytes(reader)?);
        reader.skip_tags()?;
        Ok(assignment)
    })?;
    reader.skip_tags()?;
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
    if call.version >= 5 {
        out.nullable_string(response.protocol_type.as_deref());
        out.nullable_string(response.protocol.as_deref());
    }
    out.bytes(&response.assignment);
    out.no_tags();
}
