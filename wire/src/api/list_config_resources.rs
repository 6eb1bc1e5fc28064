//! ListConfigResources (key 74, KIP-1142). Version 0 asks for client metrics, of which there are
//! none.

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    ListConfigResourcesRequest, ListConfigResourcesResponse, Request,
};

/// Kafka's number for client metrics.
const CLIENT_METRICS: i8 = 16;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let kinds = if cx.version >= 1 { reader.array(Reader::i8)? } else { vec![CLIENT_METRICS] };
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::ListConfigResources(ListConfigResourcesRequest { kinds })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &ListConfigResourcesResponse) {
    out.i32(0); // throttle time
    out.error(ErrorCode::None);
    out.array(response.resources.iter(), |out, of| {
        out.string(&of.name);
        if call.version >= 1 {
            out.i8(of.kind);
        }
        out.no_tags();
    });
    out.no_tags();
}
