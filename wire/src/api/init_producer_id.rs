//! InitProducerId (key 22) of idempotent producers; transactional ones are refused.

use super::shared::DecodeCx;
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    InitProducerIdRequest, InitProducerIdResponse, Request, Response,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let transactional_id = reader.nullable_string()?;
    let _transaction_timeout_ms = reader.i32()?;
    let producer_id = if cx.version >= 3 { reader.i64()? } else { -1 };
    let producer_epoch = if cx.version >= 3 { reader.i16()? } else { -1 };
    reader.skip_tags()?;
    if transactional_id.is_some() {
        let error = ErrorCode::InvalidRequest;
        let response = InitProducerIdResponse { error, producer_id: -1, producer_epoch: -1 };
        return Ok(Asked::Edge(Response::InitProducerId(response)));
    }
    let request = InitProducerIdRequest { producer_id, producer_epoch };
    Ok(Asked::Broker(Request::InitProducerId(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    _call: &Call,
    _cluster: &dyn Cluster,
    response: &InitProducerIdResponse,
) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.i64(response.producer_id);
    out.i16(response.producer_epoch);
    out.no_tags();
}
