//! ListPartitionReassignments (key 46, KIP-455).

use super::shared::{DecodeCx, by_topic, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let _timeout_ms = reader.i32()?;
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| Ok(TopicPartition::new(topic, reader.i32()?)),
    )?;
    reader.skip_tags()?;
    let request = ListPartitionReassignmentsRequest { partitions };
    Ok(Asked::Broker(Request::ListPartitionReassignments(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ListPartitionReassignmentsResponse,
) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.nullable_string(None); // error message
    out.by_topic(
        &response.partitions,
        |moved| moved.tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, moved| {
            out.i32(moved.tp.partition);
            for nodes in [&moved.replicas, &moved.adding, &moved.removing] {
                out.array(nodes.iter(), |out, node| out.i32(node.0));
            }
            out.no_tags();
        },
    );
    out.no_tags();
}
