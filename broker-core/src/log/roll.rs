//! New segments, flushes and the recovery point. A rolled segment is synced and the producer state
//! snapshotted, as Kafka's `LocalLog.roll` and its flush do.

use super::partition_log::{Log, PendingSync};
use super::producers::Producers;
use super::segment::Segment;
use super::snapshot;
use crate::ids::Offset;
use crate::plant::{Plant, planted};
use crate::records::Batch;
use crate::seam::{DiskOpKind, FileName};

impl Log {
    /// Everything below is flushed, so recovery after a crash need not read it. A segment counts when
    /// its index of aborted transactions and its leader epochs are on disk as well: recovery takes from
    /// there what it does not read.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point.min(self.indexed_below()).min(self.epochs_written_below())
    }

    /// Everything below is flushed, whatever else recovery needs.
    pub(crate) fn flushed_below(&self) -> Offset {
        self.recovery_point
    }

    /// A segment is read again as long as the recovery point is below its end. One with aborted transactions
    /// is held there before it is rolled: with `flush.messages` all of it may be on record as flushed by then,
    /// and to lower that only when its index is on its way came too late (hunt seed 11004754). Kafka flushes the
    /// index with the segment, and its recovery point goes back with a truncation only.
    fn indexed_below(&self) -> Offset {
        let active = self.active().base;
        let last = self.producers.aborted().last();
        let unrolled = last.filter(|aborted| aborted.last_offset >= active).map(|_| active);
        let unsure = self.txn_indexes_under_way.first().copied().or(unrolled);
        unsure.map_or(Offset::MAX, |base| self.segments[self.segment_floor(base)].next_offset - 1)
    }

    /// The `.txnindex` of a rolled segment is on disk.
    pub fn txn_index_written(&mut self, segment: Offset) {
        self.txn_indexes_under_way.retain(|base| *base != segment);
    }

    /// A `Sync` of a segment, pushed by this log, is done: raises the recovery point.
    pub fn sync_done(&mut self, segment: Offset) {
        let Some(index) = self.syncs.iter().position(|sync| sync.segment == segment) else {
            return; // the segment was deleted meanwhile
        };
        let Some(done) = self.syncs.remove(index) else { return };
        match index.checked_sub(1).and_then(|before| self.syncs.get_mut(before)) {
            // syncs end in any order, but the recovery point needs all older ones
            Some(older) => older.confirms = older.confirms.max(done.confirms),
            None => self.recovery_point = self.recovery_point.max(done.confirms),
        }
    }

    /// Everything below is flushed or about to be.
    fn flushing_to(&self) -> Offset {
        self.syncs.back().map_or(self.recovery_point, |sync| sync.confirms)
    }

    /// Whether something is neither flushed nor about to be.
    #[must_use]
    pub fn is_flush_due(&self) -> bool {
        self.flushing_to() < self.next_offset
    }

    /// Whether so many records are not flushed that those appended last must be before they are acknowledged
    /// (`flush.messages`; Kafka's `UnifiedLog.append`). Those whose flush is under way count, too.
    #[must_use]
    pub fn flushes_appends(&self) -> bool {
        self.config.flush_messages != i64::MAX
            && self.next_offset - self.recovery_point >= self.config.flush_messages
    }

    /// Pushes the syncs of everything appended so far.
    pub fn flush(&mut self, ops: &mut Vec<DiskOpKind>) {
        let from = self.flushing_to();
        let first = self.segment_floor(from);
        for segment in self.segments.iter().skip(first) {
            if segment.bytes > 0 && segment.next_offset > from {
                let confirms = segment.next_offset;
                self.syncs.push_back(PendingSync { segment: segment.base, confirms });
                ops.push(DiskOpKind::Sync { tp: self.tp, segment: segment.base });
            }
        }
    }

    /// Pushes what a clean shutdown leaves behind: everything flushed, and producer state as of
    /// the log's end. No append may be in flight.
    pub fn close(&mut self, ops: &mut Vec<DiskOpKind>) {
        debug_assert!(!self.has_in_flight(), "a log is closed when all appends are done");
        self.push_txn_index(ops);
        self.flush(ops);
        self.push_snapshot(ops);
    }

    /// Starts a new segment at the log's end; does nothing when the active one is empty.
    pub fn roll(&mut self, ops: &mut Vec<DiskOpKind>) {
        if self.active().bytes > 0 {
            self.roll_to(self.next_offset, ops);
        }
    }

    /// Starts the segment that a batch goes to.
    #[cold]
    pub(super) fn roll_for(&mut self, batch: &Batch, ops: &mut Vec<DiskOpKind>) {
        let next = self.next_offset;
        // LOG-18: after a large jump the batch's own offset is the only base it can refer to
        let near = batch.last_offset() - next <= Offset::from(i32::MAX);
        self.roll_to(if near { next } else { batch.base_offset() }, ops);
    }

    /// Nothing more comes to the active segment: whoever loads the log takes from its index what was aborted.
    pub(super) fn seal(&mut self, ops: &mut Vec<DiskOpKind>) {
        self.active_mut().index.seal();
        if self.push_txn_index(ops) {
            self.txn_indexes_under_way.push(self.active().base);
        }
    }

    fn roll_to(&mut self, base: Offset, ops: &mut Vec<DiskOpKind>) {
        if self.active().bytes == 0 {
            self.segments.pop_back();
        } else {
            self.seal(ops);
            self.flush(ops);
            if planted(self.config.plant, Plant::RollCountsAsFlushed) {
                self.recovery_point = self.next_offset;
            }
        }
        let start_bytes = self.segments.back().map_or(0, Segment::end_bytes);
        debug_assert!(self.segments.back().is_none_or(|last| last.base < base));
        self.segments.push_back(Segment::new(base, start_bytes));
        self.push_snapshot(ops);
    }

    /// Writes the producer state as of the log's end. It is kept as long as records after it are:
    /// recovery may begin at any segment, when those with a producer's batches are gone (IDEM-04).
    pub(super) fn push_snapshot(&mut self, ops: &mut Vec<DiskOpKind>) {
        let offset = self.next_offset;
        let none = Producers::default();
        let is_empty = planted(self.config.plant, Plant::SnapshotWithoutProducers);
        let producers = if is_empty { &none } else { &self.producers };
        let bytes = snapshot::encode(offset, self.epochs.epoch_at(offset - 1), producers);
        ops.push(DiskOpKind::WriteFile {
            file: FileName::ProducerSnapshot(self.tp, offset),
            bytes,
        });
        if self.snapshots.last() != Some(&offset) {
            self.snapshots.push(offset);
        }
    }

    /// Drops the snapshots that lie before the first segment.
    pub(super) fn drop_old_snapshots(&mut self, ops: &mut Vec<DiskOpKind>) {
        let count = self.snapshots.partition_point(|snapshot| *snapshot < self.oldest().base);
        for snapshot in self.snapshots.drain(..count) {
            ops.push(delete_snapshot(self.tp, snapshot));
        }
    }
}

/// Deletes a producer snapshot.
pub(super) fn delete_snapshot(tp: crate::ids::TopicPartition, offset: Offset) -> DiskOpKind {
    DiskOpKind::DeleteFile { file: FileName::ProducerSnapshot(tp, offset) }
}
