//! DeleteGroups (key 42).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{DeleteGroupsRequest, DeleteGroupsResponse, Request};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let groups = reader.array(Reader::string)?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::DeleteGroups(DeleteGroupsRequest { groups })))
}

pub(crate) fn encode(out: &mut Writer, response: &DeleteGroupsResponse) {
    out.i32(0); // throttle time
    out.array(response.groups.iter(), |out, (group, error)| {
        out.string(group);
        out.error(*error);
        out.no_tags();
    });
    out.no_tags();
}
