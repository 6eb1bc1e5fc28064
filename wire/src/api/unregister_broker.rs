//! UnregisterBroker (key 64).

use super::messages;
use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    Request, UnregisterBrokerRequest, UnregisterBrokerResponse,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let broker = NodeId(reader.i32()?);
    reader.skip_tags()?;
    cx.aside = Aside::Unregistered(broker);
    Ok(Asked::Broker(Request::UnregisterBroker(UnregisterBrokerRequest { broker })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &UnregisterBrokerResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    let unknown = match call.aside {
        Aside::Unregistered(id) if response.error == ErrorCode::BrokerIdNotRegistered => {
            Some(format!("Broker ID {id} is not currently registered"))
        }
        _ => None,
    };
    // Kafka says nothing where there is no error, rather than null (`UnregisterBrokerRequest.getErrorResponse`)
    let message = unknown.as_deref().or(messages::of(response.error)).unwrap_or("");
    out.nullable_string(Some(message));
    out.no_tags();
}
