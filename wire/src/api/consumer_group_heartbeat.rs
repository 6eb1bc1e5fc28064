//! ConsumerGroupHeartbeat (key 68, KIP-848); with member ids of the client's own and regular
//! expressions from version 1 on.

use super::shared::{DecodeCx, by_topic, tp};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Request,
};

/// A nullable struct that is null.
const NULL: i8 = -1;
/// A nullable struct that is there.
const PRESENT: i8 = 1;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let (group, member, epoch) = (reader.string()?, reader.string()?, reader.i32()?);
    let (instance, rack) = (reader.nullable_string()?, reader.nullable_string()?);
    let rebalance_timeout_ms = reader.i32()?;
    let topics = reader.nullable_array(Reader::string)?;
    let regex = if cx.version >= 1 { reader.nullable_string()? } else { None };
    let assignor = reader.nullable_string()?;
    let owned = by_topic(reader, cx, |reader, _| reader.topic_id(), tp)?;
    reader.skip_tags()?;
    let request = ConsumerGroupHeartbeatRequest {
        group,
        member,
        epoch,
        instance,
        rack,
        rebalance_timeout_ms,
        topics,
        regex,
        assignor,
        owned,
        makes_member_id: cx.version >= 1,
        client_id: cx.client_id.take().unwrap_or_else(|| "".into()),
        client_host: "".into(),
    };
    Ok(Asked::Broker(Request::ConsumerGroupHeartbeat(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, _call: &Call, response: &ConsumerGroupHeartbeatResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.nullable_string(response.message.as_deref());
    out.nullable_string(response.member.as_deref());
    out.i32(response.epoch);
    out.i32(response.heartbeat_interval_ms);
    match &response.assignment {
        None => out.i8(NULL),
        Some(partitions) => {
            out.i8(PRESENT);
            out.by_topic(
                partitions,
                |tp| tp.topic,
                Writer::topic_id,
                |out, tp| out.i32(tp.partition),
            );
            out.no_tags();
        }
    }
    out.no_tags();
}
