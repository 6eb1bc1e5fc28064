//! Heartbeat (key 12).

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{HeartbeatRequest, HeartbeatResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let group = reader.string()?;
    let generation = reader.i32()?;
    let member = reader.string()?;
    let instance = if cx.version >= 3 { reader.nullable_string()? } else { None };
    reader.skip_tags()?;
    let request = HeartbeatRequest { group, generation, member, instance };
    Ok(Asked::Broker(Request::Heartbeat(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &HeartbeatResponse) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    out.error(response.error);
    out.no_tags();
}
