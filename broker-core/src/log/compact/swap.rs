//! Cleaned segments take the place of those that they were made from, in the log's bookkeeping and
//! on its disk.

use super::transactions::CleanedTransactions;
use crate::ids::Offset;
use crate::log::aborted;
use crate::log::partition_log::Log;
use crate::log::roll::delete_snapshot;
use crate::log::segment::Segment;
use crate::seam::{DiskOpKind, FileName, ReadRange};
use bytes::Bytes;

impl Log {
    /// What to read of a segment from an offset on; `None` at its end.
    pub(super) fn segment_range(&self, base: Offset, from: Offset, max: u32) -> Option<ReadRange> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        let segment = &self.segments[at];
        (from < segment.next_offset && segment.bytes > 0).then(|| ReadRange {
            tp: self.tp,
            segment: base,
            position: segment.position_floor(from),
            from,
            upto: segment.next_offset,
            max_bytes: max,
        })
    }

    /// Offset after the last record of a segment.
    pub(super) fn segment_end(&self, base: Offset) -> Option<Offset> {
        let at = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.segments.get(at).map(|segment| segment.next_offset)
    }

    /// Index of aborted transactions of the segment that will replace those from `from` to `end`.
    pub(super) fn aborted_after_cleaning(
        &self,
        from: Offset,
        end: Offset,
        transactions: &CleanedTransactions,
    ) -> Bytes {
        let all = self.producers.aborted().iter();
        let own = all.filter(|entry| (from..end).contains(&entry.last_offset));
        let kept: Vec<_> = own.filter(|entry| transactions.keeps(entry)).copied().collect();
        aborted::encode(&kept)
    }

    /// Replaces neighbouring segments by one, which has the first one's base and the last one's
    /// end. Transactions of which nothing is left there are forgotten: a reader that is told of
    /// one whose marker it never meets would skip what the producer wrote later.
    pub(super) fn replace_segments(
        &mut self,
        replaced: &[Offset],
        mut with: Segment,
        transactions: &CleanedTransactions,
        ops: &mut Vec<DiskOpKind>,
    ) {
        let (base, end) = (with.base, with.next_offset);
        let first = self.segment_floor(base);
        debug_assert!(self.segments[first].base == base && replaced.first() == Some(&base));
        with.start_bytes = self.segments[first].start_bytes;
        // cleaning makes nothing younger (Kafka's `Cleaner.cleanSegments`)
        with.modified_ms = self.segments[first + replaced.len() - 1].modified_ms;
        with.created_ms = with.modified_ms;
        with.index.seal();
        self.segments.drain(first..first + replaced.len());
        self.segments.insert(first, with);
        let mut start_bytes = self.segments[first].end_bytes();
        for segment in self.segments.range_mut(first + 1..) {
            segment.start_bytes = start_bytes;
            start_bytes = segment.end_bytes();
        }
        // positions of marks would be those of the old segments
        self.marks.forget_below(end);
        let mut has_aborted = false;
        self.producers.retain_aborted(|entry| {
            let is_inside = (base..end).contains(&entry.last_offset);
            let stays = !is_inside || transactions.keeps(entry);
            has_aborted |= is_inside && stays;
            stays
        });
        let tp = self.tp;
        ops.push(DiskOpKind::ReplaceSegments { tp, segment: base, replaced: replaced.to_vec() });
        self.forget_files_of(replaced.get(1..).unwrap_or_default(), ops);
        // the index of the first one was replaced with it
        self.txn_indexes.retain(|index| *index != base);
        if has_aborted {
            let at = self.txn_indexes.partition_point(|index| *index < base);
            self.txn_indexes.insert(at, base);
        }
    }

    /// Producer snapshots and transaction indexes of segments that are gone.
    fn forget_files_of(&mut self, gone: &[Offset], ops: &mut Vec<DiskOpKind>) {
        let tp = self.tp;
        self.snapshots.retain(|snapshot| {
            let goes = gone.contains(snapshot);
            ops.extend(goes.then(|| delete_snapshot(tp, *snapshot)));
            !goes
        });
        self.txn_indexes.retain(|index| {
            let goes = gone.contains(index);
            let file = FileName::TransactionIndex(tp, *index);
            ops.extend(goes.then_some(DiskOpKind::DeleteFile { file }));
            !goes
        });
    }
}
