//! DescribeGroups (key 15).

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, Request,
};

/// First version in which a group that does not exist is an error (KIP-1043).
const NOT_FOUND_FROM: i16 = 6;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let groups = reader.array(Reader::string)?;
    if cx.version >= 3 {
        cx.operations.on_each = reader.bool()?;
    }
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::DescribeGroups(DescribeGroupsRequest { groups })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &DescribeGroupsResponse) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    out.array(response.groups.iter(), |out, group| write_group(out, call, group));
    out.no_tags();
}

fn write_group(out: &mut Writer, call: &Call, group: &DescribedGroup) {
    let version = call.version;
    let not_found = group.error == ErrorCode::GroupIdNotFound;
    if version >= NOT_FOUND_FROM {
        out.error(group.error);
        let message = not_found.then(|| format!("Group {} not found.", group.group));
        out.nullable_string(message.as_deref());
    } else {
        out.error(if not_found { ErrorCode::None } else { group.error });
    }
    out.string(&group.group);
    out.string(group.state.map_or("", |state| state.name()));
    out.string(&group.protocol_type);
    out.string(&group.protocol);
    out.array(group.members.iter(), |out, member| {
        out.string(&member.member);
        if version >= 4 {
            out.nullable_string(member.instance.as_deref());
        }
        out.string(&member.client_id);
        out.string(&member.client_host);
        out.bytes(&member.metadata);
        out.bytes(&member.assignment);
        out.no_tags();
    });
    if version >= 3 {
        out.i32(call.operations.group());
    }
    out.no_tags();
}
