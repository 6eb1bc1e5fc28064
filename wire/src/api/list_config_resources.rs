//! ListConfigResources (key 74, KIP-1142). Version 0, which was ListClientMetricsResources (KIP-714), asks for nothing
//! else than those.

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    ConfigTarget, ListConfigResourcesRequest, ListConfigResourcesResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let kinds = if cx.version >= 1 {
        reader.array(Reader::i8)?
    } else {
        vec![ConfigTarget::CLIENT_METRICS]
    };
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::ListConfigResources(ListConfigResourcesRequest { kinds })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &ListConfigResourcesResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.array(response.resources.iter(), |out, of| {
        out.string(&of.name);
        if call.version >= 1 {
            out.i8(of.kind);
        }
        out.no_tags();
    });
    out.no_tags();
}
