//! EndTxn (key 26). Version 5 would begin a new epoch (KIP-890, second part), which the core does
//! not do.

use super::shared::{DecodeCx, fenced, producer};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{EndTxnRequest, EndTxnResponse, Request};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactional_id = reader.string()?;
    let producer = producer(reader)?;
    let commit = reader.bool()?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::EndTxn(EndTxnRequest { transactional_id, producer, commit })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &EndTxnResponse) {
    out.i32(0); // throttle time
    out.error(fenced(response.error, call.version >= 2));
    out.no_tags();
}
