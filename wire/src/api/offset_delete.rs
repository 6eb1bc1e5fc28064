//! OffsetDelete (key 47), which has no flexible version.

use super::shared::{DecodeCx, by_topic, error_codes, tp};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{OffsetDeleteRequest, OffsetDeleteResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let group = reader.string()?;
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    let partitions = partitions.ok_or(WireError::Null)?;
    Ok(Asked::Broker(Request::OffsetDelete(OffsetDeleteRequest { group, partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetDeleteResponse,
) {
    out.error(response.error);
    out.i32(0); // throttle time
    error_codes(out, call, cluster, &response.partitions, |error| error);
}
