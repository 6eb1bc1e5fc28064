//! FindCoordinator (key 10) of groups; there are no transactions to coordinate.

use super::shared::DecodeCx;
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    FindCoordinatorRequest, FindCoordinatorResponse, Request, Response,
};

const GROUP: i8 = 0;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let key = reader.string()?;
    let kind = if cx.version >= 1 { reader.i8()? } else { GROUP };
    reader.skip_tags()?;
    if kind != GROUP {
        let error = ErrorCode::InvalidRequest;
        let response = FindCoordinatorResponse { error, node: None };
        return Ok(Asked::Edge(Response::FindCoordinator(response)));
    }
    Ok(Asked::Broker(Request::FindCoordinator(FindCoordinatorRequest { key })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &FindCoordinatorResponse,
) {
    if call.version >= 1 {
        out.i32(0); // throttle time
    }
    let found = response.node.and_then(|node| Some((node, cluster.endpoint(node)?)));
    // a coordinator that cannot be reached is none
    let error = match found {
        None if response.error.is_ok() => ErrorCode::CoordinatorNotAvailable,
        _ => response.error,
    };
    out.error(error);
    if call.version >= 1 {
        out.nullable_string(None); // error message
    }
    out.i32(found.map_or(-1, |(node, _)| node.0));
    out.string(found.map_or("", |(_, endpoint)| endpoint.host));
    out.i32(found.map_or(-1, |(_, endpoint)| i32::from(endpoint.port)));
    out.no_tags();
}
