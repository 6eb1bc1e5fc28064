//! FindCoordinator (key 10), several at once from version 4 on (KIP-699).

use super::messages;
use super::shared::DecodeCx;
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    CoordinatorKind, FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator, Request,
    Response,
};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// First version that asks for several keys.
const KEYS_FROM: i16 = 4;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let mut keys = Vec::new();
    if cx.version < KEYS_FROM {
        keys.push(reader.string()?);
    }
    let kind = if cx.version >= 1 { reader.i8()? } else { GROUP };
    if cx.version >= KEYS_FROM {
        keys = reader.array(Reader::string)?;
    }
    reader.skip_tags()?;
    let kind = match kind {
        GROUP => CoordinatorKind::Group,
        TRANSACTION => CoordinatorKind::Transaction,
        _ => {
            let error = ErrorCode::InvalidRequest;
            let refused = keys.into_iter().map(|key| FoundCoordinator { key, error, node: None });
            let response = FindCoordinatorResponse { coordinators: refused.collect() };
            return Ok(Asked::Edge(Response::FindCoordinator(response)));
        }
    };
    Ok(Asked::Broker(Request::FindCoordinator(FindCoordinatorRequest { kind, keys })))
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
    if call.version >= KEYS_FROM {
        out.array(response.coordinators.iter(), |out, found| {
            let (error, node) = reachable(cluster, found);
            out.string(&found.key);
            write_node(out, node);
            out.error(error);
            // Kafka says nothing where there is no error, rather than null
            out.nullable_string(Some(messages::of(error).unwrap_or("")));
            out.no_tags();
        });
    } else if let Some(found) = response.coordinators.first() {
        let (error, node) = reachable(cluster, found);
        out.error(error);
        if call.version >= 1 {
            out.nullable_string(Some(messages::of(error).unwrap_or("NONE")));
        }
        write_node(out, node);
    }
    out.no_tags();
}

type Node<'a> = Option<(i32, &'a str, u16)>;

/// A coordinator that cannot be reached is none.
fn reachable<'a>(cluster: &'a dyn Cluster, found: &FoundCoordinator) -> (ErrorCode, Node<'a>) {
    let node = found.node.and_then(|node| {
        let endpoint = cluster.endpoint(node)?;
        Some((node.0, endpoint.host, endpoint.port))
    });
    match node {
        None if found.error.is_ok() => (ErrorCode::CoordinatorNotAvailable, None),
        _ => (found.error, node),
    }
}

fn write_node(out: &mut Writer, node: Node<'_>) {
    let (id, host, port) = node.map_or((-1, "", -1), |(id, host, port)| (id, host, port.into()));
    out.i32(id);
    out.string(host);
    out.i32(port);
}
