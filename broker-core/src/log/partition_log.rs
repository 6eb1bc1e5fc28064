//! The log of one partition (Kafka's `UnifiedLog`) as pure bookkeeping: what is where, and which
//! disk operations make it so. Leaves out the bytes, which the shell stores.

use super::awaited::Awaited;
use super::config::LogConfig;
use super::epochs::{EpochCache, EpochEntry};
use super::marks::Marks;
use super::producers::Producers;
use super::segment::Segment;
use super::tier::TierState;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};
use crate::inspect::ProducerView;
use crate::plant::{Plant, planted};
use crate::protocol::EpochEndOffset;
use crate::seam::{DiskOpKind, FileName};
use std::collections::VecDeque;

/// A partition's log.
///
/// Appends assign offsets at once, and become visible when the shell reports them done:
/// [`Log::append_as_leader`] or [`Log::append_as_follower`], then [`Log::append_done`]. Methods
/// that take `ops` push disk operations to be started in that order.
#[derive(Debug)]
pub struct Log {
    pub(super) tp: TopicPartition,
    pub(super) config: LogConfig,
    pub(super) log_start: Offset,
    /// Offset of the next record to append.
    pub(super) next_offset: Offset,
    /// Offset after the last record that the disk has confirmed.
    pub(super) log_end: Offset,
    /// Everything below is flushed.
    pub(super) recovery_point: Offset,
    /// Never empty; the last one is the active segment.
    pub(super) segments: VecDeque<Segment>,
    pub(super) epochs: EpochCache,
    pub(super) producers: Producers,
    pub(super) awaited: Awaited,
    pub(super) marks: Marks,
    pub(super) in_flight: VecDeque<InFlight>,
    /// Number of the latest append.
    pub(super) appends: u64,
    pub(super) syncs: VecDeque<PendingSync>,
    /// Offsets of the producer snapshots on disk, ascending.
    pub(super) snapshots: Vec<Offset>,
    /// Base offsets of the segments that have a `.txnindex`, ascending.
    pub(super) txn_indexes: Vec<Offset>,
    /// Base offsets of rolled segments whose `.txnindex` is on its way to the disk, ascending.
    pub(super) txn_indexes_under_way: Vec<Offset>,
    /// For each write of the leader-epoch checkpoint that is on its way to the disk, in order, the offset from
    /// which on it says something new.
    pub(super) epochs_under_way: VecDeque<Offset>,
    /// Another one after each change of what was appended before: whoever cleans the log begins
    /// anew then (LOG-10).
    pub(super) revision: u64,
    /// Where older segments are, with remote storage.
    pub(super) tier: TierState,
}

/// An append that the disk has not confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    /// Which append it belongs to.
    pub(super) number: u64,
    /// Last offset, as appended.
    pub(super) last_offset: Offset,
    /// Log end that its completion confirms; a truncation meanwhile lowers it.
    pub(super) confirms: Offset,
}

/// An fsync that the disk has not confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingSync {
    /// Base offset of the segment.
    pub(super) segment: Offset,
    /// Recovery point that its completion allows; a truncation meanwhile lowers it.
    pub(super) confirms: Offset,
}

impl Log {
    /// An empty log that begins at an offset.
    #[must_use]
    pub fn create(tp: TopicPartition, config: LogConfig, start_offset: Offset) -> Self {
        debug_assert!(start_offset >= 0, "offsets count from 0");
        Self {
            tp,
            config,
            log_start: start_offset,
            next_offset: start_offset,
            log_end: start_offset,
            recovery_point: start_offset,
            segments: VecDeque::from([Segment::new(start_offset, 0)]),
            epochs: EpochCache::default(),
            producers: Producers::default(),
            awaited: Awaited::default(),
            marks: Marks::default(),
            in_flight: VecDeque::new(),
            appends: 0,
            syncs: VecDeque::new(),
            snapshots: Vec::new(),
            txn_indexes: Vec::new(),
            txn_indexes_under_way: Vec::new(),
            epochs_under_way: VecDeque::new(),
            revision: 0,
            tier: TierState::default(),
        }
    }

    /// Whose log this is.
    #[must_use]
    pub fn tp(&self) -> TopicPartition {
        self.tp
    }

    /// Configs in force.
    #[must_use]
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes configs; they hold from the next operation on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// First offset that may be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.log_start
    }

    /// Offset after the last record that the disk has confirmed.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.log_end
    }

    /// Offset of the next record to append: the log end, appends in flight included.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The disk has confirmed an append, and with it all before it. To be called once for each, in any order: with
    /// `flush.messages` an append counts once it is flushed, and one before it may have no need of that. Returns
    /// whether the log still has its last record: it may have been cut meanwhile.
    pub fn append_done(&mut self, number: u64) -> bool {
        // numbers rise, and so does what completions confirm: cuts lower it for all
        let from = self.in_flight.partition_point(|append| append.number < number);
        let upto = self.in_flight.partition_point(|append| append.number <= number);
        let Some(done) = self.in_flight.drain(from..upto).next_back() else {
            debug_assert!(false, "completion of an append that is not in flight: {number}");
            return false;
        };
        self.log_end = self.log_end.max(done.confirms);
        debug_assert!(self.log_end <= self.next_offset, "only appended records are confirmed");
        done.confirms > done.last_offset
    }

    /// Whether appends are in flight to the disk.
    #[must_use]
    pub fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Newest leader epoch that the log knows, `-1` = none.
    #[must_use]
    pub fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.latest_epoch()
    }

    /// Leader epochs with their start offsets, oldest first.
    #[must_use]
    pub fn epoch_entries(&self) -> &[EpochEntry] {
        self.epochs.entries()
    }

    /// Epoch of the record at an offset, `-1` = unknown.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.epochs.epoch_at(offset)
    }

    /// Where an epoch ends in this log, as OffsetForLeaderEpoch answers: the log end for the
    /// newest epoch, the start of the next one otherwise, `-1`, `-1` for an unknown later epoch.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEndOffset {
        let end = self.epochs.end_offset_for(epoch, self.log_end);
        if end.end_offset >= 0 && planted(self.config.plant, Plant::EpochEndsAtLogEnd) {
            return EpochEndOffset { epoch, end_offset: self.log_end };
        }
        if epoch < self.last_epoch() && planted(self.config.plant, Plant::EpochEndOneOff) {
            return EpochEndOffset { end_offset: end.end_offset + 1, ..end };
        }
        end
    }

    /// Whether an epoch is older than all that have a record here.
    #[must_use]
    pub fn is_before_epochs(&self, epoch: LeaderEpoch) -> bool {
        self.epochs.oldest().is_some_and(|oldest| epoch < oldest.epoch)
    }

    /// Notes that an epoch starts at an offset. A new leader calls this with [`Log::next_offset`]
    /// at once, before its first append (REP-08).
    pub fn assign_epoch_start(
        &mut self,
        epoch: LeaderEpoch,
        start_offset: Offset,
        ops: &mut Vec<DiskOpKind>,
    ) {
        let begins = self.epochs.assign(epoch, start_offset);
        if begins && !planted(self.config.plant, Plant::EpochsNotWritten) {
            self.checkpoint_epochs(start_offset, ops);
        }
    }

    /// A write of the leader-epoch checkpoint, pushed by this log, is done.
    pub fn epochs_written(&mut self) {
        self.epochs_under_way.pop_front();
    }

    /// The disk has the epochs of all records below on record.
    pub(super) fn epochs_written_below(&self) -> Offset {
        self.epochs_under_way.iter().copied().min().unwrap_or(Offset::MAX)
    }

    /// Where the high watermark is: what is below it is never truncated one batch at a time, so
    /// details kept for that are dropped. May be called often.
    pub fn note_high_watermark(&mut self, high_watermark: Offset) {
        self.marks.forget_below(high_watermark);
        self.producers.note_high_watermark(high_watermark);
    }

    /// Last stable offset for a high watermark: no record of an undecided transaction is below.
    #[must_use]
    pub fn last_stable_offset(&self, high_watermark: Offset) -> Offset {
        let unstable = self.producers.first_unstable_offset(high_watermark);
        unstable.map_or(high_watermark, |first| first.max(self.log_start).min(high_watermark))
    }

    /// Forgets idle producers.
    pub fn expire_producers(&mut self, wall_ms: i64) {
        self.producers.expire(wall_ms, self.config.producer_expiration_ms);
        self.awaited.expire(wall_ms, self.config.producer_expiration_ms);
    }

    /// Number of producers with state.
    #[must_use]
    pub fn producer_count(&self) -> usize {
        self.producers.entries().len()
    }

    /// What is remembered of a producer.
    #[must_use]
    pub fn producer_view(&self, id: i64) -> Option<ProducerView> {
        self.producers.get(id).map(|producer| producer.view())
    }

    /// Timestamp of a producer's newest batch that is remembered, ms: markers do not count.
    #[must_use]
    pub fn newest_batch_ms(&self, id: i64) -> Option<i64> {
        let newest = self.producers.get(id)?.batches().last()?;
        Some(newest.timestamp)
    }

    /// What is remembered of producers, by id.
    #[must_use]
    pub fn producer_views(&self) -> Vec<ProducerView> {
        self.producers.views()
    }

    /// The leader-epoch checkpoint as it should be on disk.
    #[must_use]
    pub fn epoch_checkpoint(&self) -> bytes::Bytes {
        self.epochs.to_checkpoint()
    }

    /// Bytes in all segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.active().end_bytes() - self.oldest().start_bytes
    }

    /// Number of segments, the active one included.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the active segment.
    #[must_use]
    pub fn active_segment(&self) -> Offset {
        self.active().base
    }

    pub(super) fn active(&self) -> &Segment {
        self.segments.back().expect("a log has at least its active segment")
    }

    pub(super) fn active_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log has at least its active segment")
    }

    pub(super) fn oldest(&self) -> &Segment {
        self.segments.front().expect("a log has at least its active segment")
    }

    /// Index of the segment that holds an offset: the last one that does not start after it.
    pub(super) fn segment_floor(&self, offset: Offset) -> usize {
        let last = self.segments.len() - 1;
        if self.segments[last].base <= offset {
            return last;
        }
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// Writes the epochs down, which are new from an offset on.
    pub(super) fn checkpoint_epochs(&mut self, from: Offset, ops: &mut Vec<DiskOpKind>) {
        self.epochs_under_way.push_back(from);
        let (file, bytes) = (FileName::LeaderEpochs(self.tp), self.epochs.to_checkpoint());
        ops.push(DiskOpKind::WriteFile { file, bytes });
    }
}
