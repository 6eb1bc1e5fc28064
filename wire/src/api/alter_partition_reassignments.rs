//! AlterPartitionReassignments (key 45, KIP-455).

use super::shared::{DecodeCx, by_topic, partition_errors};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let _timeout_ms = reader.i32()?;
    let allow_replication_factor_change = cx.version < 1 || reader.bool()?;
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let tp = TopicPartition::new(topic, reader.i32()?);
            let replicas = reader.nullable_array(|reader| reader.i32().map(NodeId))?;
            reader.skip_tags()?;
            Ok((tp, replicas))
        },
    )?;
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    let request =
        AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
    Ok(Asked::Broker(Request::AlterPartitionReassignments(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &AlterPartitionReassignmentsResponse,
) {
    out.i32(0); // throttle time
    if call.version >= 1 {
        out.bool(response.allow_replication_factor_change);
    }
    out.error(response.error);
    out.nullable_string(None); // error message
    partition_errors(out, call, cluster, &response.partitions);
    out.no_tags();
}
