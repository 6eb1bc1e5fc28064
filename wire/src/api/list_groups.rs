//! ListGroups (key 16).

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{ListGroupsRequest, ListGroupsResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let states = if cx.version >= 4 { reader.array(Reader::string)? } else { Vec::new() };
    let types = if cx.version >= 5 { reader.array(Reader::string)? } else { Vec::new() };
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::ListGroups(ListGroupsRequest { states, types })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &ListGroupsResponse) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    out.error(response.error);
    out.array(response.groups.iter(), |out, group| {
        out.string(&group.group);
        out.string(&group.protocol_type);
        if call.version >= 4 {
            out.string(group.state.name());
        }
        if call.version >= 5 {
            out.string(group.state.kind());
        }
        out.no_tags();
    });
    out.no_tags();
}
