//! ElectLeaders (key 43).

use super::shared::{DecodeCx, by_topic, partition_errors};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    ElectLeadersRequest, ElectLeadersResponse, ElectionKind, Request, Response,
};

/// What version 0 asks for.
const PREFERRED: i8 = 0;

fn kind_of(number: i8) -> Option<ElectionKind> {
    match number {
        PREFERRED => Some(ElectionKind::Preferred),
        1 => Some(ElectionKind::Unclean),
        _ => None,
    }
}

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let kind = if cx.version >= 1 { reader.i8()? } else { PREFERRED };
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| Ok(TopicPartition::new(topic, reader.i32()?)),
    )?;
    let _timeout_ms = reader.i32()?;
    reader.skip_tags()?;
    let Some(kind) = kind_of(kind) else {
        let error = ErrorCode::InvalidRequest;
        let refused = partitions.into_iter().flatten().map(|tp| (tp, error));
        let response = ElectLeadersResponse { error, partitions: refused.collect() };
        return Ok(Asked::Edge(Response::ElectLeaders(response)));
    };
    Ok(Asked::Broker(Request::ElectLeaders(ElectLeadersRequest { kind, partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ElectLeadersResponse,
) {
    out.i32(0); // throttle time
    if call.version >= 1 {
        out.error(response.error);
    }
    partition_errors(out, call, cluster, &response.partitions);
    out.no_tags();
}
