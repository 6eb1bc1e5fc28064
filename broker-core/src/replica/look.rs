//! What a partition has for a fetch: an error, another replica to read from, where the fetcher's log diverges, records of
//! which segment, or nothing.

use super::Partition;
use super::fetch::{find_host, readable_end};
use super::nearest::Racks;
use super::partition::Watch;
use super::session::{FetchSession, SessionPartition};
use super::throttle::hold_back;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::log::Log;
use crate::plant::{Plant, planted};
use crate::protocol::EpochEndOffset;
use crate::seam::ReadRange;
use rustc_hash::FxHashMap;

/// What is told of a partition besides its state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) error: ErrorCode,
    pub(super) diverging: Option<EpochEndOffset>,
    /// Where a consumer is to read instead.
    pub(super) nearest: Option<NodeId>,
}

impl Told {
    /// Nothing but the state, which has changed.
    pub(super) const STATE: Self = Self { error: ErrorCode::None, diverging: None, nearest: None };

    fn error(error: ErrorCode) -> Self {
        Self { error, ..Self::STATE }
    }

    /// Whether the fetcher has to know at once.
    pub(super) fn is_urgent(self) -> bool {
        !self.error.is_ok() || self.diverging.is_some() || self.nearest.is_some()
    }
}

/// What one partition contributes.
pub(super) enum Look {
    Nothing,
    Answer(Told),
    Data(ReadRange),
    /// What comes next is in remote storage only.
    Remote,
}

impl Look {
    /// Where there are no records to give: the state, if it has changed.
    pub(super) fn at_state(entry: &SessionPartition, partition: &Partition) -> Self {
        let changed = entry.must_answer
            || entry.told_high_watermark != partition.high_watermark
            || entry.told_log_start != partition.log.log_start_offset();
        if changed { Self::Answer(Told::STATE) } else { Self::Nothing }
    }
}

/// What a fetcher says of its log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Epoch of its last record, `-1`: it has none.
    pub(super) last_epoch: LeaderEpoch,
    /// Where it begins; `-1` of a consumer, which has none.
    pub(super) log_start: Offset,
    /// Where it ends.
    pub(super) offset: Offset,
}

/// Whether the fetcher's log differs from this one before its fetch offset (KIP-595), and from where
/// on; `NO_OFFSET` when nothing here can tell.
///
/// Where a follower goes on at this log's start, and its last epoch has no record here, nothing tells
/// whether what it has is of the same history: all of it has been deleted here. Kafka lets it keep that, and
/// join the ISR; a follower that led while it was cut off then shows as committed, once it leads again, what
/// never was (hunt seed 880191). Here it begins anew: `NO_EPOCH`, and where.
pub(super) fn diverges(log: &Log, tail: Tail) -> Option<EpochEndOffset> {
    let Tail { last_epoch, log_start, offset } = tail;
    if last_epoch == NO_EPOCH {
        return None;
    }
    let end = log.end_offset_for_epoch(last_epoch);
    if planted(log.config().plant, Plant::DivergenceByOffsetOnly) {
        return (log.log_end_offset() < offset).then_some(end);
    }
    if end.epoch < last_epoch || end.end_offset < offset {
        return Some(end);
    }
    let has_more = (0..offset).contains(&log_start);
    let is_unproven =
        has_more && offset == log.log_start_offset() && log.is_before_epochs(last_epoch);
    is_unproven.then_some(EpochEndOffset { epoch: NO_EPOCH, end_offset: offset })
}

/// What a look goes by besides the partition.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    /// Whether the rate of throttled replicas is above its bound.
    pub(super) is_held: bool,
    pub(super) racks: &'a Racks,
    pub(super) node: NodeId,
}

/// Looks for a partition of a session, and at it.
#[inline]
pub(super) fn look_up<'a>(
    session: &mut FetchSession,
    watch: Watch,
    (by_tp, partitions): (&FxHashMap<TopicPartition, u32>, &'a mut [Option<Partition>]),
    here: Here<'_>,
) -> (Look, Option<&'a Partition>) {
    let at = find_host(session, watch, false, by_tp, partitions);
    let hosted = at.and_then(|at| partitions.get(at as usize)?.as_ref());
    let looked = look(session, watch.part, hosted, (here.racks, here.node));
    let looked = if here.is_held { hold_back(session, watch.part, hosted, looked) } else { looked };
    (looked, hosted)
}

fn look(
    session: &FetchSession,
    part: u32,
    partition: Option<&Partition>,
    (racks, node): (&Racks, NodeId),
) -> Look {
    let entry = &session.parts[part as usize];
    let Some(partition) = partition else {
        return Look::Answer(Told::error(ErrorCode::UnknownTopicOrPartition));
    };
    if let Some(error) = fence_epoch(partition, entry.current_leader_epoch) {
        return Look::Answer(Told::error(error));
    }
    if !session.is_served_by(partition) {
        return Look::Answer(Told::error(ErrorCode::NotLeaderOrFollower));
    }
    if session.replica.is_some_and(|replica| !partition.replicas.contains(&replica.id)) {
        return Look::Answer(Told::error(not_a_replica(entry.current_leader_epoch)));
    }
    let log = &partition.log;
    let out_of_range = Look::Answer(Told::error(ErrorCode::OffsetOutOfRange));
    // Also where logs differ: what the fetcher would be compared with is gone.
    if entry.fetch_offset < log.log_start_offset() {
        return out_of_range;
    }
    if let (None, Some(rack)) = (session.replica, &session.rack)
        && let nearest @ Some(_) = racks.nearest(node, partition, (rack, entry.fetch_offset))
    {
        return Look::Answer(Told { nearest, ..Told::STATE });
    }
    if let Some(diverging) = diverges(log, entry.tail()) {
        if diverging.end_offset == NO_OFFSET {
            return out_of_range;
        }
        return Look::Answer(Told { diverging: Some(diverging), ..Told::STATE });
    }
    if entry.fetch_offset > log.log_end_offset() {
        return out_of_range;
    }
    if log.is_tiered() && entry.fetch_offset < log.local_log_start_offset() {
        return match session.replica {
            Some(_) => Look::Answer(Told::error(ErrorCode::OffsetMovedToTieredStorage)),
            None => Look::Remote,
        };
    }
    let end = readable_end(session.replica.is_some(), session.isolation, partition);
    if entry.fetch_offset < end
        && let Ok(Some(range)) = log.read_plan(entry.fetch_offset, end, entry.max_bytes)
    {
        return Look::Data(range);
    }
    Look::at_state(entry, partition)
}

/// Who leads here answers those with the same idea of the epoch.
pub(super) fn fence(partition: &Partition, epoch: i32) -> Option<ErrorCode> {
    let is_elsewhere = || (!partition.is_leader()).then_some(ErrorCode::NotLeaderOrFollower);
    fence_epoch(partition, epoch).or_else(is_elsewhere)
}

/// KIP-320: a fetcher with another idea of the epoch is told so.
pub(super) fn fence_epoch(partition: &Partition, epoch: i32) -> Option<ErrorCode> {
    if epoch != NO_EPOCH && epoch < partition.leader_epoch {
        Some(ErrorCode::FencedLeaderEpoch)
    } else if epoch != NO_EPOCH
        && epoch > partition.leader_epoch
        && !planted(partition.plant, Plant::NewerEpochServed)
    {
        Some(ErrorCode::UnknownLeaderEpoch)
    } else {
        None
    }
}

/// Who fetches as a replica and is none, as far as this leader knows: a reassignment adds it, or took
/// it away. It asks again (Kafka's `followerReplicaOrThrow`).
#[cold]
fn not_a_replica(epoch: i32) -> ErrorCode {
    if epoch == NO_EPOCH { ErrorCode::NotLeaderOrFollower } else { ErrorCode::UnknownLeaderEpoch }
}
