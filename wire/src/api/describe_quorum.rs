//! DescribeQuorum (key 55, KIP-595, KIP-836): of the metadata log, which is all that a quorum has.
//! Voters have no directory ids, and are named where clients or nodes reach them.

use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicId;
use stormglass_broker_core::protocol::{
    DescribeQuorumRequest, DescribeQuorumResponse, QuorumReplica, Request, Response,
};

const METADATA_TOPIC: &str = "__cluster_metadata";
/// First version with the times of fetches.
const TIMES_FROM: i16 = 1;
/// First version with messages, directories and addresses (KIP-853).
const NODES_FROM: i16 = 2;
/// Name of the listener.
const LISTENER: &str = "CONTROLLER";

/// A topic, and partitions of it.
type Named = (Arc<str>, Vec<i32>);

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let asked: Vec<Named> = reader.array(|reader| {
        let topic = reader.string()?;
        let partitions = reader.array(|reader| {
            let index = reader.i32()?;
            reader.skip_tags()?;
            Ok(index)
        })?;
        reader.skip_tags()?;
        Ok((topic, partitions))
    })?;
    reader.skip_tags()?;
    let is_metadata = matches!(&asked[..], [(topic, partitions)] if **topic == *METADATA_TOPIC && *partitions == [0]);
    if is_metadata {
        return Ok(Asked::Broker(Request::DescribeQuorum(DescribeQuorumRequest {})));
    }
    cx.aside = Aside::NoQuorum(asked);
    let refused = DescribeQuorumResponse::refused(ErrorCode::UnknownTopicOrPartition);
    Ok(Asked::Edge(Response::DescribeQuorum(Box::new(refused))))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &DescribeQuorumResponse,
) {
    let version = call.version;
    let is_answered = response.error.is_ok();
    let (error, metadata): (_, &[Named]) = match &call.aside {
        // partitions that have no quorum, each with the error
        Aside::NoQuorum(asked) => (ErrorCode::None, asked),
        _ if is_answered => (ErrorCode::None, &[(METADATA_TOPIC.into(), vec![0])]),
        _ => (response.error, &[]),
    };
    out.error(error);
    message(out, version);
    out.array(metadata.iter(), |out, (topic, partitions)| {
        out.string(topic);
        out.array(partitions.iter(), |out, index| {
            out.i32(*index);
            write_partition(out, version, response);
        });
        out.no_tags();
    });
    if version >= NODES_FROM {
        write_nodes(out, cluster, &response.voters);
    }
    out.no_tags();
}

fn write_partition(out: &mut Writer, version: i16, response: &DescribeQuorumResponse) {
    out.error(response.error);
    message(out, version);
    if response.error.is_ok() {
        out.i32(response.leader.map_or(-1, |leader| leader.0));
        out.i32(response.epoch);
        out.i64(response.high_watermark);
    } else {
        // as in Kafka, whose structures begin with noughts
        out.i32(0);
        out.i32(0);
        out.i64(0);
    }
    for replicas in [&response.voters, &response.observers] {
        out.array(replicas.iter(), |out, replica| {
            out.i32(replica.node.0);
            if version >= NODES_FROM {
                out.topic_id(TopicId(0)); // its directory
            }
            out.i64(replica.log_end_offset);
            if version >= TIMES_FROM {
                out.i64(replica.last_fetch_ms);
                out.i64(replica.last_caught_up_ms);
            }
            out.no_tags();
        });
    }
    out.no_tags();
}

/// Voters whose address is known.
fn write_nodes(out: &mut Writer, cluster: &dyn Cluster, voters: &[QuorumReplica]) {
    let known: Vec<_> = voters
        .iter()
        .filter_map(|voter| Some((voter.node, cluster.endpoint(voter.node)?)))
        .collect();
    out.array(known.into_iter(), |out, (node, endpoint)| {
        out.i32(node.0);
        out.array([endpoint].into_iter(), |out, endpoint| {
            out.string(LISTENER);
            out.string(endpoint.host);
            out.i16(endpoint.port.cast_signed());
            out.no_tags();
        });
        out.no_tags();
    });
}

/// The code says it all.
fn message(out: &mut Writer, version: i16) {
    if version >= NODES_FROM {
        out.nullable_string(None);
    }
}
