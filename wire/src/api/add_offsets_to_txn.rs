//! AddOffsetsToTxn (key 25).

use super::shared::{DecodeCx, fenced, producer};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, Request};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactional_id = reader.string()?;
    let producer = producer(reader)?;
    let group = reader.string()?;
    reader.skip_tags()?;
    let request = AddOffsetsToTxnRequest { transactional_id, producer, group };
    Ok(Asked::Broker(Request::AddOffsetsToTxn(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &AddOffsetsToTxnResponse) {
    out.i32(0); // throttle time
    out.error(fenced(response.error, call.version >= 2));
    out.no_tags();
}
