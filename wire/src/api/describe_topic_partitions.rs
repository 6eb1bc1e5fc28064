//! DescribeTopicPartitions (key 75, KIP-966). Leaves out authorized operations; nobody is eligible
//! to lead but the ISR.

use super::metadata::INTERNAL;
use super::operations::Operations;
use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribedPartition,
    PartitionCursor, Request,
};

pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let topics = reader.array(|reader| {
        let name = reader.string()?;
        reader.skip_tags()?;
        Ok(name)
    })?;
    let partition_limit = reader.i32()?;
    let cursor = reader.nullable(|reader| {
        let cursor = PartitionCursor { topic: reader.string()?, partition: reader.i32()? };
        reader.skip_tags()?;
        Ok(cursor)
    })?;
    reader.skip_tags()?;
    let request = DescribeTopicPartitionsRequest { topics, partition_limit, cursor };
    Ok(Asked::Broker(Request::DescribeTopicPartitions(Box::new(request))))
}

pub(crate) fn encode(out: &mut Writer, response: &DescribeTopicPartitionsResponse) {
    out.i32(0); // throttle time
    out.array(response.topics.iter(), |out, topic| {
        out.error(topic.error);
        out.string(&topic.name);
        out.topic_id(topic.id);
        out.bool(INTERNAL.contains(&&*topic.name));
        out.array(topic.partitions.iter(), write_partition);
        // told whether it is asked for or not
        out.i32(Operations { on_cluster: false, on_each: true }.topic());
        out.no_tags();
    });
    out.nullable(response.next.as_ref(), |out, next| {
        out.string(&next.topic);
        out.i32(next.partition);
        out.no_tags();
    });
    out.no_tags();
}

fn write_partition(out: &mut Writer, partition: &DescribedPartition) {
    let nodes = |out: &mut Writer, list: &[NodeId]| out.array(list.iter(), |out, n| out.i32(n.0));
    // a leader that is not there is no error here, as in Kafka
    out.i16(0);
    out.i32(partition.index);
    out.i32(partition.at.leader.map_or(-1, |leader| leader.0));
    out.i32(partition.at.leader_epoch);
    nodes(out, &partition.at.replicas);
    nodes(out, &partition.at.isr);
    nodes(out, &[]); // eligible leaders outside of the ISR
    nodes(out, &[]); // those that were last
    nodes(out, &partition.offline);
    out.no_tags();
}
