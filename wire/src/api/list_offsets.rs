//! ListOffsets (key 2). Without tiered storage the local log begins where the log does, and nothing is
//! the newest tiered record: whether that may be asked here, the broker says as of any other.

use super::shared::{DecodeCx, by_topic, isolation, topic_name};
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::ids::{NO_EPOCH, TopicPartition};
use stormglass_broker_core::protocol::{
    IsolationLevel, ListOffsetsRequest, ListOffsetsResponse, OffsetSpec, Request,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
/// First version with the newest tiered record (KIP-1005).
const TIERED_FROM: i16 = 9;
/// First version that says how long to wait for tiered storage (KIP-1075).
const TIMEOUT_FROM: i16 = 10;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let _replica = reader.i32()?;
    let isolation = if version >= 2 { isolation(reader)? } else { IsolationLevel::ReadUncommitted };
    let partitions = by_topic(
        reader,
        cx,
        |reader, cx| cx.named_topic(reader),
        |reader, topic| {
            let tp = TopicPartition::new(topic, reader.i32()?);
            let epoch = if version >= 4 { reader.i32()? } else { NO_EPOCH };
            let timestamp = reader.i64()?;
            reader.skip_tags()?;
            let is_tiered = timestamp == LATEST_TIERED && version >= TIERED_FROM;
            let spec = if is_tiered { OffsetSpec::Latest } else { spec(timestamp)? };
            Ok(((tp, epoch, spec), is_tiered))
        },
    )?;
    if version >= TIMEOUT_FROM {
        let _timeout_ms = reader.i32()?;
    }
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    let tiered = partitions.iter().filter(|(_, is_tiered)| *is_tiered).map(|((tp, ..), _)| *tp);
    cx.aside = Aside::Tiered(tiered.collect());
    let partitions = partitions.into_iter().map(|(asked, _)| asked).collect();
    Ok(Asked::Broker(Request::ListOffsets(ListOffsetsRequest { isolation, partitions })))
}

fn spec(timestamp: i64) -> Result<OffsetSpec, WireError> {
    match timestamp {
        LATEST => Ok(OffsetSpec::Latest),
        EARLIEST | EARLIEST_LOCAL => Ok(OffsetSpec::Earliest),
        MAX_TIMESTAMP => Ok(OffsetSpec::MaxTimestamp),
        ms if ms >= 0 => Ok(OffsetSpec::Timestamp(ms)),
        other => Ok(OffsetSpec::Unsupported(other)),
    }
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ListOffsetsResponse,
) {
    let version = call.version;
    let tiered: &[TopicPartition] = match &call.aside {
        Aside::Tiered(tps) => tps,
        _ => &[],
    };
    if version >= 2 {
        out.i32(0); // throttle time
    }
    out.by_topic(
        &response.partitions,
        |partition| partition.tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, partition| {
            out.i32(partition.tp.partition);
            out.error(partition.error);
            let nothing = partition.error.is_ok() && tiered.contains(&partition.tp);
            let (timestamp, offset, epoch) = match nothing {
                true => (-1, -1, NO_EPOCH),
                false => (partition.timestamp, partition.offset, partition.leader_epoch),
            };
            out.i64(timestamp);
            out.i64(offset);
            if version >= 4 {
                out.i32(epoch);
            }
            out.no_tags();
        },
    );
    out.no_tags();
}
