//! EndTxn (key 26). Version 5 begins a new epoch (KIP-890, second part).

use super::shared::{DecodeCx, fenced, producer, rules};
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{EndTxnRequest, EndTxnResponse, Request};

/// First version with an epoch for each transaction.
const EPOCH_EACH_FROM: i16 = 5;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactional_id = reader.string()?;
    let producer = producer(reader)?;
    let commit = reader.bool()?;
    reader.skip_tags()?;
    let rules = rules(cx.version, EPOCH_EACH_FROM);
    let request = EndTxnRequest { transactional_id, producer, commit, rules };
    Ok(Asked::Broker(Request::EndTxn(request)))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &EndTxnResponse) {
    out.i32(0); // throttle time
    out.error(fenced(response.error, call.version >= 2));
    if call.version >= EPOCH_EACH_FROM {
        let next = response.producer.map_or((-1, -1), |next| (next.id, next.epoch));
        out.i64(next.0);
        out.i16(next.1);
    }
    out.no_tags();
}
