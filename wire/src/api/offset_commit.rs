//! OffsetCommit (key 8) of groups without members. Metadata that a client attaches to a position
//! is not kept.

use super::shared::{DecodeCx, by_topic, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, TopicPartition};
use stormglass_broker_core::protocol::{
    OffsetCommitRequest, OffsetCommitResponse, Request, Response,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let generation = reader.i32()?;
    let member = reader.string()?;
    if version >= 7 {
        let _instance = reader.nullable_string()?;
    }
    if version <= 4 {
        let _retention_ms = reader.i64()?;
    }
    let offsets = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let tp = TopicPartition::new(topic, reader.i32()?);
            let offset = reader.i64()?;
            let epoch = if version >= 6 { reader.i32()? } else { NO_EPOCH };
            let _metadata = reader.nullable_string()?;
            reader.skip_tags()?;
            Ok((tp, offset, epoch))
        },
    )?;
    reader.skip_tags()?;
    let offsets = offsets.ok_or(WireError::Null)?;
    if generation >= 0 || !member.is_empty() {
        // nobody is a member of anything here
        let refused = offsets.iter().map(|(tp, ..)| (*tp, ErrorCode::UnknownMemberId));
        let response = OffsetCommitResponse { partitions: refused.collect() };
        return Ok(Asked::Edge(Response::OffsetCommit(response)));
    }
    Ok(Asked::Broker(Request::OffsetCommit(OffsetCommitRequest { group, offsets })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetCommitResponse,
) {
    if call.version >= 3 {
        out.i32(0); // throttle time
    }
    out.by_topic(
        &response.partitions,
        |(tp, _)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, error)| {
            out.i32(tp.partition);
            out.error(*error);
            out.no_tags();
        },
    );
    out.no_tags();
}
