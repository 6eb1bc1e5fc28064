//! OffsetFetch (key 9) of one group.

use super::shared::{DecodeCx, by_topic, topic_name, tp};
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, Offset, TopicPartition};
use stormglass_broker_core::protocol::{OffsetFetchRequest, OffsetFetchResponse, Request};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let group = reader.string()?;
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    if cx.version >= 7 {
        // no position is of an open transaction here
        let _require_stable = reader.bool()?;
    }
    reader.skip_tags()?;
    if cx.version < 2 {
        let asked = partitions.as_ref().ok_or(WireError::Null)?;
        cx.aside = Aside::Asked(asked.clone());
    }
    Ok(Asked::Broker(Request::OffsetFetch(OffsetFetchRequest { group, partitions })))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetFetchResponse,
) {
    let version = call.version;
    if version >= 3 {
        out.i32(0); // throttle time
    }
    let (offsets, error) = match &call.aside {
        Aside::Asked(asked) if !response.error.is_ok() => (unknown(asked), response.error),
        _ => (response.offsets.clone(), ErrorCode::None),
    };
    out.by_topic(
        &offsets,
        |(tp, ..)| tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, (tp, offset, epoch)| {
            out.i32(tp.partition);
            out.i64(*offset);
            if version >= 5 {
                out.i32(*epoch);
            }
            out.nullable_string(Some("")); // metadata
            out.error(error);
            out.no_tags();
        },
    );
    if version >= 2 {
        out.error(response.error);
    }
    out.no_tags();
}

/// What the oldest version says of each partition when the group cannot be read.
fn unknown(asked: &[TopicPartition]) -> Vec<(TopicPartition, Offset, LeaderEpoch)> {
    asked.iter().map(|tp| (*tp, NO_OFFSET, NO_EPOCH)).collect()
}
