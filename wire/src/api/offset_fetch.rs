//! OffsetFetch (key 9); of several groups from version 8 on (KIP-709).

use super::shared::{DecodeCx, by_topic, topic_name, tp};
use crate::call::{Aside, Call};
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_OFFSET, TopicPartition};
use stormglass_broker_core::protocol::{
    CommittedOffset, OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest,
    OffsetFetchResponse, Request,
};

/// First version that asks about several groups.
const GROUPS_FROM: i16 = 8;
/// First version in which members say who they are.
const MEMBERS_FROM: i16 = 9;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let groups = if cx.version >= GROUPS_FROM {
        reader.array(|reader| read_group(reader, cx))?
    } else {
        let group = reader.string()?;
        let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
        vec![OffsetFetchGroup { group, partitions, member: None }]
    };
    let require_stable = if cx.version >= 7 { reader.bool()? } else { false };
    reader.skip_tags()?;
    if cx.version < 2 {
        let asked = groups.first().and_then(|group| group.partitions.as_ref());
        cx.aside = Aside::Asked(asked.ok_or(WireError::Null)?.clone());
    }
    Ok(Asked::Broker(Request::OffsetFetch(OffsetFetchRequest { require_stable, groups })))
}

fn read_group(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<OffsetFetchGroup, WireError> {
    let group = reader.string()?;
    let member = if cx.version >= MEMBERS_FROM { read_member(reader)? } else { None };
    let partitions = by_topic(reader, cx, |reader, cx| cx.named_topic(reader), tp)?;
    reader.skip_tags()?;
    Ok(OffsetFetchGroup { group, partitions, member })
}

/// Who asks, if a member of the consumer protocol does (KIP-848).
fn read_member(reader: &mut Reader) -> Result<Option<(Arc<str>, i32)>, WireError> {
    let (member, epoch) = (reader.nullable_string()?, reader.i32()?);
    let is_member = member.is_some() || epoch >= 0;
    Ok(is_member.then(|| (member.unwrap_or_else(|| "".into()), epoch)))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetFetchResponse,
) {
    if call.version >= 3 {
        out.i32(0); // throttle time
    }
    if call.version >= GROUPS_FROM {
        out.array(response.groups.iter(), |out, group| {
            out.string(&group.group);
            write_positions(out, call, cluster, &group.offsets, |tp| unstable(group, tp));
            out.error(group.error);
            out.no_tags();
        });
    } else if let Some(group) = response.groups.first() {
        write_only(out, call, cluster, group);
    }
    out.no_tags();
}

/// The one group of older versions, the oldest of which has an error per partition only.
fn write_only(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    group: &OffsetFetchGroupResponse,
) {
    match &call.aside {
        Aside::Asked(asked) if !group.error.is_ok() => {
            let none: Vec<_> = asked.iter().map(|tp| CommittedOffset::none(*tp)).collect();
            write_positions(out, call, cluster, &none, |_| group.error);
        }
        _ => write_positions(out, call, cluster, &group.offsets, |tp| unstable(group, tp)),
    }
    if call.version >= 2 {
        out.error(group.error);
    }
}

/// Whether a position must be asked for again, as a transaction is open.
fn unstable(group: &OffsetFetchGroupResponse, tp: TopicPartition) -> ErrorCode {
    if group.unstable.contains(&tp) { ErrorCode::UnstableOffsetCommit } else { ErrorCode::None }
}

fn write_positions(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    offsets: &[CommittedOffset],
    error: impl Fn(TopicPartition) -> ErrorCode,
) {
    out.by_topic(
        offsets,
        |at| at.tp.topic,
        |out, id| topic_name(out, call, cluster, id),
        |out, at| {
            out.i32(at.tp.partition);
            let error = error(at.tp);
            let offset = if error.is_ok() { at.offset } else { NO_OFFSET };
            out.i64(offset);
            if call.version >= 5 {
                out.i32(at.leader_epoch);
            }
            out.string(at.metadata.as_deref().unwrap_or(""));
            out.error(error);
            out.no_tags();
        },
    );
}
