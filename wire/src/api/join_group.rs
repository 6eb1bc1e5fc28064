//! JoinGroup (key 11).

use super::shared::{DecodeCx, kept_bytes};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{JoinGroupRequest, JoinGroupResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let session_timeout_ms = reader.i32()?;
    // the oldest version has one time for both
    let rebalance_timeout_ms = if version >= 1 { reader.i32()? } else { session_timeout_ms };
    let member = reader.string()?;
    let instance = if version >= 5 { reader.nullable_string()? } else { None };
    let protocol_type = reader.string()?;
    let protocols = reader.array(|reader| {
        let protocol = (reader.string()?, kept_bytes(reader)?);
        reader.skip_tags()?;
        Ok(protocol)
    })?;
    if version >= 8 {
        let _reason = reader.nullable_string()?;
    }
    reader.skip_tags()?;
    let request = JoinGroupRequest {
        group,
        member,
        requires_known_member: version >= 4,
        can_skip_assignment: version >= 9,
        instance,
        session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type,
        protocols,
        client_id: cx.client_id.take().unwrap_or_else(|| "".into()),
        client_host: "".into(),
    };
    Ok(Asked::Broker(Request::JoinGroup(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &JoinGroupResponse) {
    let version = call.version;
    if version >= 2 {
        out.i32(0); // throttle time
    }
    out.error(response.error);
    out.i32(response.generation);
    if version >= 7 {
        out.nullable_string(response.protocol_type.as_deref());
        out.nullable_string(response.protocol.as_deref());
    } else {
        out.string(response.protocol.as_deref().unwrap_or(""));
    }
    out.string(&response.leader);
    if version >= 9 {
        out.bool(response.skip_assignment);
    }
    out.string(&response.member);
    out.array(response.members.iter(), |out, member| {
        out.string(&member.member);
        if version >= 5 {
            out.nullable_string(member.instance.as_deref());
        }
        out.bytes(&member.metadata);
        out.no_tags();
    });
    out.no_tags();
}
