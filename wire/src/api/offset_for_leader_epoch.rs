//! OffsetForLeaderEpoch (key 23).

use super::shared::{DecodeCx, by_topic, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    if cx.version >= 3 {
        let _replica = reader.i32()?;
    }
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let tp = TopicPartition::new(topic, reader.i32()?);
            let (current_epoch, epoch) = (reader.i32()?, reader.i32()?);
            reader.skip_tags()?;
            Ok((tp, current_epoch, epoch))
        },
    )?;
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    let request = OffsetForLeaderEpochRequest { partitions };
    Ok(Asked::Broker(Request::OffsetForLeaderEpoch(request)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetForLeaderEpochResponse,
) {
    out.i32(0); // throttle time
    out.by_topic(
        &response.partitions,
        |(tp, ..)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, error, end)| {
            out.error(*error);
            out.i32(tp.partition);
            out.i32(end.epoch);
            out.i64(end.end_offset);
            out.no_tags();
        },
    );
    out.no_tags();
}
