//! ConsumerGroupDescribe (key 69, KIP-848). There are no authorized operations to tell, and no
//! member speaks the classic protocol.

use super::shared::{DecodeCx, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedConsumer,
    DescribedConsumerGroup, Request,
};

/// A member that speaks the consumer protocol (KIP-1099).
const CONSUMER: i8 = 1;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let groups = reader.array(Reader::string)?;
    cx.operations.on_each = reader.bool()?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::ConsumerGroupDescribe(ConsumerGroupDescribeRequest { groups })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ConsumerGroupDescribeResponse,
) {
    out.i32(0); // throttle time
    out.array(response.groups.iter(), |out, group| write_group(out, call, cluster, group));
    out.no_tags();
}

fn write_group(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    group: &DescribedConsumerGroup,
) {
    out.error(group.error);
    out.nullable_string(group.message.as_deref());
    out.string(&group.group);
    out.string(group.state.map_or("", |state| state.name()));
    out.i32(group.epoch);
    out.i32(group.assignment_epoch);
    out.string(&group.assignor);
    out.array(group.members.iter(), |out, member| write_member(out, call, cluster, member));
    out.i32(call.operations.group());
    out.no_tags();
}

fn write_member(out: &mut Writer, call: &Call, cluster: &dyn Cluster, member: &DescribedConsumer) {
    out.string(&member.member);
    out.nullable_string(member.instance.as_deref());
    out.nullable_string(member.rack.as_deref());
    out.i32(member.epoch);
    out.string(&member.client_id);
    out.string(&member.client_host);
    out.array(member.topics.iter(), |out, topic| out.string(topic));
    // Kafka says nothing where there is no pattern, rather than null
    out.nullable_string(Some(member.regex.as_deref().unwrap_or("")));
    write_assignment(out, call, cluster, &member.assignment);
    write_assignment(out, call, cluster, &member.target);
    if call.version >= 1 {
        out.i8(CONSUMER);
    }
    out.no_tags();
}

fn write_assignment(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    partitions: &[TopicPartition],
) {
    out.by_topic(
        partitions,
        |tp| tp.topic,
        |out, id| {
            out.topic_id(id);
            topic_name(out, call, cluster, id);
        },
        |out, tp| out.i32(tp.partition),
    );
    out.no_tags();
}
