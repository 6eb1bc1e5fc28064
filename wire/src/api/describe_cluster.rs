//! DescribeCluster (key 60): what Metadata says of the cluster, without topics. Controllers have no
//! addresses of their own.

use super::messages;
use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{MetadataRequest, MetadataResponse, Request, Response};

/// Brokers, as opposed to controllers.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    cx.operations.on_cluster = reader.bool()?;
    let endpoints = if cx.version >= 1 { reader.i8()? } else { BROKERS };
    if cx.version >= 2 {
        let _with_fenced = reader.bool()?;
    }
    reader.skip_tags()?;
    if endpoints != BROKERS {
        let error = match endpoints {
            CONTROLLERS => ErrorCode::MismatchedEndpointType,
            _ => ErrorCode::UnsupportedEndpointType,
        };
        cx.aside = Aside::Refusal(error);
        let nothing =
            MetadataResponse { brokers: Vec::new(), controller: None, topics: Vec::new() };
        return Ok(Asked::Edge(Response::Metadata(Box::new(nothing))));
    }
    let request = MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: false };
    Ok(Asked::Broker(Request::Metadata(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &MetadataResponse,
) {
    let error = match call.aside {
        Aside::Refusal(error) => error,
        _ => ErrorCode::None,
    };
    out.i32(0); // throttle time
    out.error(error);
    out.nullable_string(messages::of(error));
    if call.version >= 1 {
        out.i8(BROKERS);
    }
    out.string(if error.is_ok() { cluster.cluster_id() } else { "" });
    out.i32(response.controller.map_or(-1, |node| node.0));
    let reachable = response.brokers.iter().filter_map(|(node, rack)| {
        let endpoint = cluster.endpoint(*node)?;
        Some((node.0, endpoint, rack))
    });
    let reachable: Vec<_> = reachable.collect();
    out.array(reachable.into_iter(), |out, (node, endpoint, rack)| {
        out.i32(node);
        out.string(endpoint.host);
        out.i32(endpoint.port.into());
        out.nullable_string(rack.as_deref());
        if call.version >= 2 {
            out.bool(false); // fenced ones are not listed
        }
        out.no_tags();
    });
    out.i32(call.operations.cluster());
    out.no_tags();
}
