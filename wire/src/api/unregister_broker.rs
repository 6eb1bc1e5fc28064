//! UnregisterBroker (key 64).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    Request, UnregisterBrokerRequest, UnregisterBrokerResponse,
};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let broker = NodeId(reader.i32()?);
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::UnregisterBroker(UnregisterBrokerRequest { broker })))
}

pub(crate) fn encode(out: &mut Writer, response: &UnregisterBrokerResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.nullable_string(Some("")); // as Kafka, which sets no message
    out.no_tags();
}
