//! InitProducerId (key 22).

use super::shared::{DecodeCx, fenced};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    InitProducerIdRequest, InitProducerIdResponse, Request, TransactionalId,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let id = reader.nullable_string()?;
    let timeout_ms = reader.i32()?;
    let producer_id = if cx.version >= 3 { reader.i64()? } else { -1 };
    let producer_epoch = if cx.version >= 3 { reader.i16()? } else { -1 };
    reader.skip_tags()?;
    let transactional = id.map(|id| Box::new(TransactionalId { id, timeout_ms }));
    let request = InitProducerIdRequest { transactional, producer_id, producer_epoch };
    Ok(Asked::Broker(Request::InitProducerId(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    _cluster: &dyn Cluster,
    response: &InitProducerIdResponse,
) {
    out.i32(0); // throttle time
    out.error(fenced(response.error, call.version >= 4));
    out.i64(response.producer_id);
    out.i16(response.producer_epoch);
    out.no_tags();
}
