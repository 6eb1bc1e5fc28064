//! Cutting a log at its end (divergence from the leader) and emptying it (too far behind the
//! leader, or a metadata snapshot). Leaves out why: the replica manager and Raft decide.

use super::partition_log::Log;
use super::producers::Undo;
use super::roll::delete_snapshot;
use super::segment::{Segment, TimestampAt};
use crate::ids::Offset;
use crate::plant::{Plant, planted};
use crate::records::Records;
use crate::seam::DiskOpKind;

impl Log {
    /// Cuts everything at and after an offset. Epochs that start there go too, even when no record
    /// does (REP-09). Inside a batch, the whole batch goes. Returns whether records were cut.
    ///
    /// Above the noted high watermark every trace of the cut batches is taken back exactly. Deeper,
    /// in an unclean election only, the segment is left as it is estimated to be and a new one
    /// begins at the offset, so that all positions that are used stay exact; producers whose
    /// remembered batches are all cut are forgotten. Below the first segment, the log is emptied
    /// and goes on at the offset; what is in remote storage below stays part of it.
    pub fn truncate_to(&mut self, offset: Offset, ops: &mut Vec<DiskOpKind>) -> bool {
        if offset < self.oldest().base {
            self.cut_into_tier(offset, ops);
            return true;
        }
        self.log_start = self.log_start.min(offset);
        let cuts = offset < self.next_offset;
        if cuts {
            self.revision += 1;
            let is_deep = !self.marks.reach(offset);
            let end = if is_deep { self.cut_deep(offset) } else { self.take_back(offset) };
            ops.push(DiskOpKind::Truncate { tp: self.tp, to: end });
            self.lower_end(end, ops);
            self.drop_later_txn_indexes(ops);
            let has_gap = self.active().next_offset < end;
            if (is_deep || has_gap) && self.active().bytes > 0 {
                self.go_on_behind(end, ops);
            }
        }
        let keeps = !cuts && planted(self.config.plant, Plant::EpochsStayAtLogEnd);
        let end = self.next_offset.min(offset);
        if !keeps && self.epochs.truncate_from_end(end) {
            self.checkpoint_epochs(end, ops);
        }
        cuts
    }

    /// Drops the local log. Kafka's begins at the offset then, and once it leads nobody reads what is in remote
    /// storage below (`UnifiedLog.truncateTo`; hunt seed 2404329).
    fn cut_into_tier(&mut self, offset: Offset, ops: &mut Vec<DiskOpKind>) {
        let (start, epochs) = (self.log_start, self.epochs.clone());
        self.truncate_fully_and_start_at(offset, ops);
        if start < offset {
            (self.log_start, self.epochs) = (start, epochs);
            self.epochs.truncate_from_end(offset);
            self.checkpoint_epochs(offset, ops);
        }
    }

    /// Drops all records; the log goes on, empty, at an offset.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset, ops: &mut Vec<DiskOpKind>) {
        self.revision += 1;
        let segments = self.segments.iter().map(|segment| segment.base).collect();
        ops.push(DiskOpKind::DeleteSegments { tp: self.tp, segments });
        self.segments.clear();
        self.begin_segment(offset, 0, ops);
        self.marks.clear();
        self.producers.clear();
        self.awaited.clear();
        self.log_start = offset;
        self.lower_end(offset, ops);
        // what is on its way is gone, too, also where it lies below: it was taken for kept, and could be acknowledged
        // by who leads again (hunt seed 21006447)
        for append in &mut self.in_flight {
            append.confirms = 0;
        }
        (self.log_end, self.recovery_point) = (offset, offset);
        self.drop_txn_indexes(ops);
        for snapshot in self.snapshots.drain(..) {
            ops.push(delete_snapshot(self.tp, snapshot));
        }
        if self.epochs.clear() {
            self.checkpoint_epochs(offset, ops);
        }
    }

    /// Takes back batches one by one. Returns the log's new end.
    fn take_back(&mut self, offset: Offset) -> Offset {
        let mut first_cut = None;
        while let Some(mut mark) = self.marks.pop_above(offset) {
            let undo = std::mem::replace(&mut mark.undo, Undo::Nothing);
            if !planted(self.config.plant, Plant::ProducersNotUndone) {
                self.producers.undo(undo);
            }
            first_cut = Some(mark);
        }
        let Some(first) = first_cut else {
            // in a gap at the end
            self.segments.truncate(self.segment_floor(offset) + 1);
            return offset;
        };
        let end = offset.min(first.base_offset);
        if !planted(self.config.plant, Plant::OpenTransactionsSurviveCut) {
            self.producers.truncate_transactions(end);
        }
        // a segment that begins in a gap above the cut goes, too: what comes next would lie below its base
        let (holds, keep) = (self.segment_floor(first.base_offset), self.segment_floor(end));
        self.segments.truncate(keep + 1);
        if keep == holds {
            let segment_end = first.segment_end_before;
            self.active_mut().cut(segment_end, first.position, first.max_timestamp_before);
        }
        end
    }

    /// Cuts where batches are not remembered one by one. Returns the log's new end.
    fn cut_deep(&mut self, offset: Offset) -> Offset {
        self.marks.clear();
        self.producers.forget_from(offset);
        self.segments.truncate(self.segment_floor(offset) + 1);
        let segment = self.active_mut();
        if segment.base >= offset {
            let base = segment.base;
            segment.cut(base, 0, TimestampAt::none(base));
            return offset;
        }
        let position = segment.position_estimate(offset).max(1);
        // an upper bound: never deletes too early, and lookups by time go on in the next segment
        let max_timestamp = segment.max_timestamp;
        segment.cut(offset, position, max_timestamp);
        offset
    }

    /// Where a segment ends in bytes is not known after a deep cut, and where its log ends not behind a gap
    /// that the cleaner left (hunt seed 3001873): the log goes on in another one.
    fn go_on_behind(&mut self, end: Offset, ops: &mut Vec<DiskOpKind>) {
        self.seal(ops);
        let start_bytes = self.active().end_bytes();
        self.begin_segment(end, start_bytes, ops);
    }

    /// A restart before the next append must find where the log goes on: the name of the file says it.
    fn begin_segment(&mut self, base: Offset, start_bytes: u64, ops: &mut Vec<DiskOpKind>) {
        let (tp, records) = (self.tp, Records::default());
        ops.push(DiskOpKind::Append { tp, segment: base, records });
        self.segments.push_back(Segment::new(base, start_bytes));
    }

    /// The log ends here now; whatever is in flight confirms no more than that.
    fn lower_end(&mut self, end: Offset, ops: &mut Vec<DiskOpKind>) {
        self.next_offset = end;
        self.log_end = self.log_end.min(end);
        if !planted(self.config.plant, Plant::RecoveryPointSurvivesCut) {
            self.recovery_point = self.recovery_point.min(end);
        }
        self.tier.remote_end = self.tier.remote_end.min(end);
        for append in &mut self.in_flight {
            append.confirms = append.confirms.min(end);
        }
        for sync in &mut self.syncs {
            sync.confirms = sync.confirms.min(end);
        }
        let keeps = planted(self.config.plant, Plant::SnapshotsSurviveCut);
        while !keeps && self.snapshots.last().is_some_and(|snapshot| *snapshot > end) {
            ops.extend(self.snapshots.pop().map(|s| delete_snapshot(self.tp, s)));
        }
    }
}
