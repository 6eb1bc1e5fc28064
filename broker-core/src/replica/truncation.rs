//! How a follower's log is cut: to where it agrees with its leader's, or to begin anew elsewhere.
//!
//! Nothing is copied to it again before the checkpoints say so that a restart would go by.

use super::ReplicaManager;
use crate::ids::{DiskOpId, LeaderEpoch, NO_EPOCH, Offset};
use crate::log::Log;
use crate::plant::{Plant, planted};
use crate::protocol::{EpochEndOffset, FetchPartitionResponse};
use crate::seam::TraceEvent;
use crate::step::Step;

impl ReplicaManager {
    /// KIP-595: cut to where the leader's log and ours last agree, then ask again.
    #[cold]
    pub(super) fn truncate_to_leader(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        leader: EpochEndOffset,
    ) {
        let Some(partition) = self.partition(slot) else { return };
        let log = &partition.log;
        if leader.epoch == NO_EPOCH {
            return self.begin_anew(step, slot, leader.end_offset.max(log.log_end_offset()));
        }
        let ours = log.end_offset_for_epoch(leader.epoch);
        let to = if ours.end_offset < 0 {
            partition.high_watermark
        } else if ours.epoch == leader.epoch {
            leader.end_offset.min(ours.end_offset)
        } else {
            ours.end_offset
        };
        self.truncate(step, slot, to.min(log.log_end_offset()));
        self.keep_epoch(step, slot, leader.epoch);
    }

    /// A cut that leaves nothing takes the last epoch along, and without one nothing tells a later leader which
    /// history the log goes on from. Behind one with a shorter log it joined the ISR without the records in
    /// between, once that one had passed its end (hunt seed 9012754; Kafka forgets the epoch). Up to the cut the
    /// history is this leader's; a log that ends at 0 goes on from nothing.
    #[cold]
    fn keep_epoch(&mut self, step: &mut Step<'_>, slot: u32, epoch: LeaderEpoch) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let log = &mut partition.log;
        let end = log.next_offset();
        if end == 0 || log.log_start_offset() < end || log.last_epoch() != NO_EPOCH {
            return;
        }
        let mut ops = Vec::new();
        log.assign_epoch_start(epoch, end, &mut ops);
        for kind in ops {
            self.carry_out(step, kind);
        }
    }

    /// Cuts a replica's log. Even where no record goes, an epoch that begins at the end does
    /// (REP-09): a leader that was deposed before its first append would diverge for ever.
    #[cold]
    pub(super) fn truncate(&mut self, step: &mut Step<'_>, slot: u32, to: Offset) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let from = partition.log.next_offset();
        let to = to.max(0).min(partition.log.log_end_offset());
        let mut ops = Vec::new();
        // the second is what this process has on record; an earlier one may have left the first there
        let points = |log: &Log| (log.flushed_below(), log.recovery_point());
        let (before, start) = (points(&partition.log), partition.log.log_start_offset());
        if partition.log.truncate_to(to, &mut ops) {
            let high_watermark = partition.high_watermark;
            if !planted(partition.plant, Plant::HighWatermarkSurvivesCut) {
                partition.high_watermark = high_watermark.min(to);
            }
            let tp = partition.tp;
            step.trace(TraceEvent::Truncated { tp, to, from, high_watermark });
            self.cleaned_log_was_cut(step, tp, to);
            self.wake_watchers(slot);
        }
        let Some(partition) = self.partition(slot) else { return };
        let after = points(&partition.log);
        if after.0 < before.0 || after.1 < before.1 {
            // What is written there again is not flushed yet (DUR-01, `LogManager.truncateTo`). On a slow
            // volume it could be there long before, and count as flushed after a loss of power (hunt seed
            // 8005198).
            if let Some(id) = self.checkpoint_recovery_points(step) {
                self.hold_until_written(slot, id);
            }
        }
        let Some(partition) = self.partition(slot) else { return };
        if partition.log.log_start_offset() < start {
            // A restart would go on at the start that is on record, and lack what is written below it
            // (hunt seed 891518; Kafka does).
            if let Some(id) = self.checkpoint_log_starts(step) {
                self.hold_until_written(slot, id);
            }
        }
        for kind in ops {
            self.carry_out(step, kind);
        }
    }

    /// The leader has nothing where this log goes on: not any more, or not yet. Start again at its log start
    /// (REP-16), or where its log ends. Returns whether to ask again at once.
    #[cold]
    pub(super) fn reset_to_leader(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        answer: &FetchPartitionResponse,
    ) -> bool {
        let Some(partition) = self.partition_mut(slot) else { return false };
        let start = answer.log_start_offset;
        if start <= partition.log.log_end_offset() {
            if partition.log.last_epoch() == NO_EPOCH {
                // without an epoch nothing else tells that its log ends before this one, and what it has
                // there later would be missing here (`AbstractFetcherThread.fetchOffsetAndTruncate`)
                self.truncate(step, slot, answer.high_watermark);
            }
            return false;
        }
        self.begin_anew(step, slot, start);
        true
    }

    /// The leader has deleted all that this log holds, or may hold: it goes on where the leader's begins.
    #[cold]
    fn begin_anew(&mut self, step: &mut Step<'_>, slot: u32, start: Offset) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let (tp, from) = (partition.tp, partition.log.log_end_offset());
        let high_watermark = partition.high_watermark;
        let mut ops = Vec::new();
        partition.log.truncate_fully_and_start_at(start, &mut ops);
        if !planted(partition.plant, Plant::HighWatermarkLeftBehind) {
            partition.high_watermark = start;
        }
        step.trace(TraceEvent::Truncated { tp, to: start, from, high_watermark });
        step.trace(TraceEvent::LogStart { tp, offset: start });
        for kind in ops {
            self.carry_out(step, kind);
        }
        self.wake_watchers(slot);
    }

    /// A log that is empty, and is to begin amid a batch, takes that batch as a whole: records were deleted
    /// up to there where it leads (`Partition.appendRecordsToFollowerOrFutureReplica`).
    #[cold]
    pub(super) fn begin_with_batch(&mut self, step: &mut Step<'_>, slot: u32, base: Offset) {
        let Some(partition) = self.partition(slot) else { return };
        let log = &partition.log;
        let end = log.log_end_offset();
        if log.log_start_offset() == end && log.next_offset() == end {
            self.truncate(step, slot, base);
        }
    }

    /// Copies nothing more to a replica until a file is on disk: a fetcher's thread waits for it in Kafka.
    #[cold]
    pub(super) fn hold_until_written(&mut self, slot: u32, id: DiskOpId) {
        self.maintenance.hold(id, slot);
        self.leave_out_held(slot);
    }

    /// A file is on disk that replicas may have had to wait for.
    #[cold]
    pub(super) fn release_written(&mut self, id: DiskOpId) {
        for slot in self.maintenance.release(id) {
            self.resume_following(slot);
        }
    }
}
