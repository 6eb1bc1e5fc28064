//! ListTransactions (key 66, KIP-664), by pattern of the id since v2 (KIP-1152).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    ListTransactionsRequest, ListTransactionsResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let states = reader.array(Reader::string)?;
    let producer_ids = reader.array(Reader::i64)?;
    let duration_ms = if cx.version >= 1 { reader.i64()? } else { -1 };
    let pattern = if cx.version >= 2 { reader.nullable_string()? } else { None };
    reader.skip_tags()?;
    let pattern = pattern.filter(|pattern| !pattern.is_empty());
    let request = ListTransactionsRequest { states, producer_ids, duration_ms, pattern };
    Ok(Asked::Broker(Request::ListTransactions(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, response: &ListTransactionsResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.array(response.unknown_states.iter(), |out, name| out.string(name));
    out.array(response.transactions.iter(), |out, (id, producer_id, state)| {
        out.string(id);
        out.i64(*producer_id);
        out.string(state.name());
        out.no_tags();
    });
    out.no_tags();
}
