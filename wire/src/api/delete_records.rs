//! DeleteRecords (key 21).

use super::shared::{DecodeCx, by_topic, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{DeleteRecordsRequest, DeleteRecordsResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let before = (TopicPartition::new(topic, reader.i32()?), reader.i64()?);
            reader.skip_tags()?;
            Ok(before)
        },
    )?;
    let _timeout_ms = reader.i32()?;
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    Ok(Asked::Broker(Request::DeleteRecords(DeleteRecordsRequest { partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &DeleteRecordsResponse,
) {
    out.i32(0); // throttle time
    out.by_topic(
        &response.partitions,
        |(tp, ..)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, start, error)| {
            out.i32(tp.partition);
            out.i64(*start);
            out.error(*error);
            out.no_tags();
        },
    );
    out.no_tags();
}
