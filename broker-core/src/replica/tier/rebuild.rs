//! A follower whose leader has what comes next in remote storage only: it starts its log at the
//! leader's local log start, with the leader epochs and producers that belong there
//! (`ReplicaFetcherTierStateMachine`). It asks the leader where that is and which epoch comes before
//! it, and remote storage for the segment that ends there. Whatever fails is begun anew when the leader
//! says so again.

use super::Op;
use crate::error::ErrorCode;
use crate::ids::{CorrelationId, LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::log::TierStart;
use crate::protocol::{
    IsolationLevel, ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetSpec, Request, Response,
};
use crate::replica::ReplicaManager;
use crate::replica::maintenance::Durable;
use crate::seam::{Channel, PeerError, RemoteOpKind, RemoteResult, RemoteSegment, TraceEvent};
use crate::step::{Owner, Step};
use std::sync::Arc;

/// How far a follower is with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebuild {
    tp: TopicPartition,
    leader: NodeId,
    /// Leader epoch in which it began.
    epoch: LeaderEpoch,
    /// Where the replica's log ended when it began.
    log_end: Offset,
    /// Connection to the leader.
    channel: Channel,
    /// First offset of the leader's log.
    log_start: Offset,
    /// First offset of its local log, and that record's epoch.
    local_start: (Offset, LeaderEpoch),
    /// Epoch of the record before.
    target: LeaderEpoch,
}

impl ReplicaManager {
    /// The leader answered `OFFSET_MOVED_TO_TIERED_STORAGE`.
    #[cold]
    pub(in crate::replica) fn begin_rebuild(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        channel: Channel,
        log_start: Offset,
    ) {
        let Some(partition) = self.partition(slot) else { return };
        let (tp, epoch) = (partition.tp, partition.leader_epoch);
        let log_end = partition.log.log_end_offset();
        let Some(leader) = partition.leader.filter(|_| !partition.is_leader()) else { return };
        let Some(tier) = &mut self.tier else { return };
        if tier.rebuilds.get(&slot).is_some_and(|at| at.tp == tp && at.epoch == epoch) {
            return;
        }
        step.trace(TraceEvent::Mark("offset-moved-to-tiered-storage"));
        let (local_start, target) = ((0, -1), -1);
        let at = Rebuild { tp, leader, epoch, log_end, channel, log_start, local_start, target };
        tier.rebuilds.insert(slot, at);
        let request = Request::ListOffsets(ListOffsetsRequest {
            isolation: IsolationLevel::ReadUncommitted,
            partitions: vec![(tp, epoch, OffsetSpec::EarliestLocal)],
        });
        self.ask_leader(step, slot, at, request);
    }

    fn ask_leader(&mut self, step: &mut Step<'_>, slot: u32, at: Rebuild, request: Request) {
        let timeout = self.config.server.replica_socket_timeout;
        let id = step.send(Owner::Remote, at.leader, at.channel, timeout, request);
        if let Some(tier) = &mut self.tier {
            tier.ops.insert(id.0, Op::Rebuild { slot });
        }
    }

    /// The leader has answered.
    pub(crate) fn rebuild_response(
        &mut self,
        step: &mut Step<'_>,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some(tier) = &mut self.tier else { return };
        let Some(Op::Rebuild { slot }) = tier.ops.remove(&id.0) else { return };
        let Some(mut at) = tier.rebuilds.remove(&slot) else { return };
        if !self.goes_on(slot, at) {
            return;
        }
        match result {
            Ok(Response::ListOffsets(answer)) => {
                let Some(part) = answer.partitions.first().filter(|p| p.error.is_ok()) else {
                    return;
                };
                at.local_start = (part.offset, part.leader_epoch);
                at.target = part.leader_epoch;
                if part.leader_epoch > 0 {
                    let earlier = (at.tp, at.epoch, part.leader_epoch - 1);
                    let partitions = vec![earlier];
                    let request = OffsetForLeaderEpochRequest { partitions };
                    self.keep_rebuild(slot, at);
                    return self.ask_leader(step, slot, at, Request::OffsetForLeaderEpoch(request));
                }
            }
            Ok(Response::OffsetForLeaderEpoch(answer)) => {
                let Some((_, ErrorCode::None, end)) = answer.partitions.first() else { return };
                // an epoch's end is exclusive: the record before the local start is of that epoch
                if end.end_offset >= at.local_start.0 {
                    at.target = end.epoch;
                }
            }
            Ok(_) | Err(_) => return,
        }
        self.keep_rebuild(slot, at);
        let Some(tier) = &mut self.tier else { return };
        let id = step.remote(Owner::Remote, RemoteOpKind::List { tp: at.tp });
        tier.ops.insert(id.0, Op::Rebuild { slot });
    }

    fn keep_rebuild(&mut self, slot: u32, at: Rebuild) {
        if let Some(tier) = &mut self.tier {
            tier.rebuilds.insert(slot, at);
        }
    }

    /// Whether the replica still follows this leader, in the same epoch, and its log ends where it did. The
    /// replica fetches on meanwhile. Once its leader has deleted all that is in remote storage only, it begins
    /// anew without it, and what it has copied since counts in the ISR: it must not be dropped (hunt seed
    /// 9012385). In Kafka the fetcher's thread does nothing else until it is done.
    fn goes_on(&self, slot: u32, at: Rebuild) -> bool {
        self.partition(slot).is_some_and(|p| {
            p.tp == at.tp
                && p.leader_epoch == at.epoch
                && p.leader == Some(at.leader)
                && p.log.log_end_offset() == at.log_end
                && !p.is_leader()
        })
    }

    /// Remote storage has told what it has.
    pub(super) fn rebuild_listed(&mut self, step: &mut Step<'_>, slot: u32, result: RemoteResult) {
        let at = self.tier.as_mut().and_then(|tier| tier.rebuilds.remove(&slot));
        let (Some(at), RemoteResult::Listed(segments)) = (at, result) else { return };
        let before = at.local_start.0 - 1;
        let segment = segments.iter().find(|segment| {
            (segment.base..=segment.end).contains(&before)
                && epoch_at(segment, before) == Some(at.target)
        });
        // until a restart would find that the log may begin in remote storage, it must not: the leader
        // will say so again
        let on_record = self.partition(slot).is_some_and(|p| p.log.is_tiering_on_record());
        if let Some(segment) = segment
            && on_record
            && self.goes_on(slot, at)
        {
            self.rebuild(step, slot, (at, segment));
            self.note_segments(slot, (at.tp, segments));
        }
    }

    /// A list of before may lack what the leader has copied since: readers would not be told of what was aborted
    /// between the end of that and the local log. In Kafka all ask the same `RemoteLogMetadataManager`.
    fn note_segments(
        &mut self,
        slot: u32,
        (tp, segments): (TopicPartition, Vec<Arc<RemoteSegment>>),
    ) {
        if let Some(log) = self.remote_log(slot, tp) {
            log.segments = segments;
            // one that is under way may be older
            log.listing = log.listing.map(|_| true);
        }
    }

    fn rebuild(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        (at, segment): (Rebuild, &RemoteSegment),
    ) {
        let wall_ms = step.wall_ms;
        let Some(partition) = self.partition_mut(slot) else { return };
        let (from, high_watermark) = (partition.log.log_end_offset(), partition.high_watermark);
        let local_start = segment.end + 1;
        let mut ops = Vec::new();
        let start = TierStart { local_start, log_start: at.log_start, segment, wall_ms };
        partition.log.start_after_tier(&start, &mut ops);
        partition.high_watermark = local_start;
        let tp = partition.tp;
        step.trace(TraceEvent::Truncated { tp, to: local_start, from, high_watermark });
        step.trace(TraceEvent::Mark("started-after-remote-segment"));
        // it was left out while it was told; it goes on once its epochs are on disk
        self.resume_following(slot);
        for kind in ops {
            let is_epochs = matches!(Durable::of(&kind), Some(Durable::Epochs));
            let id = self.carry_out(step, kind);
            if is_epochs {
                self.hold_until_written(slot, id);
            }
        }
        // consumers may read here (hunt seeds 7301649, 7302683, 7303229)
        self.wake_watchers(slot);
    }
}

fn epoch_at(segment: &RemoteSegment, offset: Offset) -> Option<LeaderEpoch> {
    segment.epochs.iter().rev().find(|entry| entry.start_offset <= offset).map(|entry| entry.epoch)
}
