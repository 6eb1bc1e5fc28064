//! LeaveGroup (key 13); of several members from version 3 on (KIP-345).

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{LeaveGroupRequest, LeaveGroupResponse, Request};

/// First version that names several members.
const MEMBERS_FROM: i16 = 3;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let members = if version >= MEMBERS_FROM {
        reader.array(|reader| {
            let member = (reader.string()?, reader.nullable_string()?);
            if version >= 5 {
                let _reason = reader.nullable_string()?;
            }
            reader.skip_tags()?;
            Ok(member)
        })?
    } else {
        vec![(reader.string()?, None)]
    };
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::LeaveGroup(LeaveGroupRequest { group, members })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &LeaveGroupResponse) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    if call.version >= MEMBERS_FROM {
        out.error(response.error);
        out.array(response.members.iter(), |out, (member, instance, error)| {
            out.string(member);
            out.nullable_string(instance.as_deref());
            out.error(*error);
            out.no_tags();
        });
    } else {
        let only = response.members.first().map(|(.., error)| *error);
        let error = only.filter(|_| response.error.is_ok());
        out.error(error.unwrap_or(response.error));
    }
    out.no_tags();
}
