//! The file that the log cleaner writes, and how it takes the place of segments: in one moment, as
//! renames are durable at once here. What a process has left of one is gone when the next starts.

use super::segment::{FileId, Segment, find};
use super::store::{Cut, Extent, LogIndex, Store};
use bytes::Bytes;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::FileName;

/// The cleaned file of a log.
#[derive(Debug)]
pub(super) struct Cleaned {
    pub(super) segment: Segment,
    /// Its index of aborted transactions.
    aborted: Bytes,
}

impl Store {
    /// Appends to the cleaned file of a log, made when absent; where the bytes went.
    pub(crate) fn append_cleaned(
        &mut self,
        LogIndex(at): LogIndex,
        base: Offset,
        batches: &[Arc<Batch>],
    ) -> Extent {
        let log = self.logs[at].as_mut().expect("the log was located");
        let owners = &mut self.owners;
        let begin = || {
            let file = FileId(u32::try_from(owners.len()).expect("fewer than 2^32 files"));
            owners.push((at, base));
            Cleaned { segment: Segment::new(base, file), aborted: Bytes::new() }
        };
        let cleaned = &mut log.cleaned.get_or_insert_with(begin).segment;
        debug_assert_eq!(cleaned.base, base, "a log has one cleaned file at a time");
        let from = cleaned.bytes();
        for batch in batches {
            cleaned.saw(batch.header.max_timestamp, batch.last_offset());
            cleaned.content.push(Arc::clone(batch), &mut self.dictionary);
        }
        let to = cleaned.bytes();
        self.used_bytes[log.volume] += to - from;
        Extent { volume: log.volume, file: cleaned.file, from, to, len: to }
    }

    /// The cleaned file of a log: which, what of it is durable, and its length.
    pub(crate) fn cleaned(&self, tp: TopicPartition) -> Option<(FileId, u64, u64)> {
        let cleaned = &self.log(tp)?.cleaned.as_ref()?.segment;
        Some((cleaned.file, cleaned.durable, cleaned.len()))
    }

    /// The cleaned file's index of aborted transactions.
    pub(crate) fn set_cleaned_aborted(&mut self, tp: TopicPartition, base: Offset, bytes: Bytes) {
        if let Some(cleaned) = self.log_mut(tp).and_then(|log| log.cleaned.as_mut()) {
            debug_assert_eq!(cleaned.segment.base, base, "of the file that was written");
            cleaned.aborted = bytes;
        }
    }

    /// Puts the cleaned file, with its index of aborted transactions, in the place of segments.
    pub(crate) fn replace_segments(
        &mut self,
        tp: TopicPartition,
        base: Offset,
        replaced: &[Offset],
        cuts: &mut Vec<Cut>,
    ) {
        let last = replaced.last().and_then(|last| self.segment(tp, *last));
        let modified_ms = last.map_or(0, |last| last.modified_ms);
        self.delete_segments(tp, replaced, cuts);
        let Some(log) = self.log_mut(tp) else { return };
        let Some(Cleaned { segment: mut cleaned, aborted }) = log.cleaned.take() else { return };
        let at = log.segments.partition_point(|segment| segment.base < base);
        debug_assert!(cleaned.base == base && find(&log.segments, base).is_none());
        let keeps = (!aborted.is_empty()).then_some(aborted);
        cleaned.modified_ms = modified_ms;
        cleaned.content.seal(&mut self.dictionary);
        let log = self.log_mut(tp).expect("found above");
        log.segments.insert(at, cleaned);
        self.set_file(&FileName::TransactionIndex(tp, base), keeps);
    }

    /// Deletes the cleaned file of a log, if there is one.
    pub(crate) fn drop_cleaned(&mut self, tp: TopicPartition, cuts: &mut Vec<Cut>) {
        let Some(log) = self.log_mut(tp) else { return };
        let Some(cleaned) = log.cleaned.take() else { return };
        let (volume, len) = (log.volume, cleaned.segment.len());
        self.used_bytes[volume] -= len;
        cuts.push((cleaned.segment.file, 0, len));
    }

    /// Deletes what processes have left of cleaned files.
    pub(crate) fn drop_all_cleaned(&mut self, cuts: &mut Vec<Cut>) {
        for log in self.logs.iter_mut().flatten() {
            if let Some(cleaned) = log.cleaned.take() {
                let len = cleaned.segment.len();
                self.used_bytes[log.volume] -= len;
                cuts.push((cleaned.segment.file, 0, len));
            }
        }
    }
}
