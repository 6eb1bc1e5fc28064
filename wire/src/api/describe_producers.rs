//! DescribeProducers (key 61, KIP-664).

use super::shared::{DecodeCx, by_topic, topic_name, tp};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    DescribeProducersRequest, DescribeProducersResponse, Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    Ok(Asked::Broker(Request::DescribeProducers(DescribeProducersRequest { partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &DescribeProducersResponse,
) {
    out.i32(0); // throttle time
    out.by_topic(
        &response.partitions,
        |(tp, _)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, found)| {
            out.i32(tp.partition);
            out.error(found.as_ref().err().copied().unwrap_or(ErrorCode::None));
            out.nullable_string(None); // error message
            let producers = found.as_ref().map_or(&[][..], Vec::as_slice);
            out.array(producers.iter(), |out, producer| {
                out.i64(producer.id);
                out.i32(i32::from(producer.epoch));
                out.i32(producer.last_sequence);
                out.i64(producer.last_timestamp);
                out.i32(producer.coordinator_epoch);
                out.i64(producer.open_transaction);
                out.no_tags();
            });
            out.no_tags();
        },
    );
    out.no_tags();
}
