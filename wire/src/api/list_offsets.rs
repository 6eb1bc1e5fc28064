//! ListOffsets (key 2). Where logs end in remote storage may be asked from version 9 on (KIP-1005).

use super::shared::{DecodeCx, by_topic, isolation, topic_name};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, TopicPartition};
use stormglass_broker_core::protocol::{
    IsolationLevel, ListOffsetsRequest, ListOffsetsResponse, OffsetSpec, Request,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
/// First version with a name of its own for an end that a new leader does not know (KIP-207).
const NOT_AVAILABLE_FROM: i16 = 5;
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
            let spec = spec(reader.i64()?, version);
            reader.skip_tags()?;
            Ok((tp, epoch, spec))
        },
    )?;
    if version >= TIMEOUT_FROM {
        let _timeout_ms = reader.i32()?;
    }
    reader.skip_tags()?;
    let partitions = partitions.ok_or(WireError::Null)?;
    Ok(Asked::Broker(Request::ListOffsets(ListOffsetsRequest { isolation, partitions })))
}

fn spec(timestamp: i64, version: i16) -> OffsetSpec {
    match timestamp {
        LATEST => OffsetSpec::Latest,
        EARLIEST => OffsetSpec::Earliest,
        EARLIEST_LOCAL => OffsetSpec::EarliestLocal,
        LATEST_TIERED if version >= TIERED_FROM => OffsetSpec::LatestTiered,
        MAX_TIMESTAMP => OffsetSpec::MaxTimestamp,
        ms if ms >= 0 => OffsetSpec::Timestamp(ms),
        other => OffsetSpec::Unsupported(other),
    }
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &ListOffsetsResponse,
) {
    let version = call.version;
    if version >= 2 {
        out.i32(0); // throttle time
    }
    out.by_topic(
        &response.partitions,
        |partition| partition.tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, partition| {
            out.i32(partition.tp.partition);
            out.error(match partition.error {
                ErrorCode::OffsetNotAvailable if version < NOT_AVAILABLE_FROM => {
                    ErrorCode::LeaderNotAvailable
                }
                error => error,
            });
            out.i64(partition.timestamp);
            out.i64(partition.offset);
            if version >= 4 {
                out.i32(partition.leader_epoch);
            }
            out.no_tags();
        },
    );
    out.no_tags();
}
