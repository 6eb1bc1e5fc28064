//! One segment of a log (Kafka's `LogSegment`) as bookkeeping. Leaves out its bytes, which the
//! shell stores.

use super::index::{IndexEntry, SparseIndex};
use crate::ids::Offset;
use crate::records::Batch;
use crate::seam::SegmentSummary;

/// Largest distance of an offset from its segment's base (Kafka's 4-byte relative offsets).
const RELATIVE_OFFSET_MAX: i64 = i32::MAX as i64;

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its name: no record in it has a smaller offset.
    pub(crate) base: Offset,
    /// Bytes of the log before this segment, counted from an arbitrary origin.
    pub(crate) start_bytes: u64,
    /// Bytes in it.
    pub(crate) bytes: u32,
    /// Offset after its last record.
    pub(crate) next_offset: Offset,
    /// Largest timestamp and the last offset of its batch.
    pub(crate) max_timestamp: TimestampAt,
    /// Largest timestamp of the first batch; the age is counted from it. `-1` when that has none, or there is
    /// no batch.
    pub(crate) first_timestamp: i64,
    /// Wall clock when the first batch came, ms since the epoch: the age is counted from it where that batch has
    /// no timestamp. Of a loaded segment, its last change: Kafka's counts anew from the restart.
    pub(crate) created_ms: i64,
    /// Wall clock of its last change (the file's modification time), ms since the epoch: it stands for the largest
    /// timestamp where there is none.
    pub(crate) modified_ms: i64,
    /// Sparse index.
    pub(crate) index: SparseIndex,
}

/// A timestamp and the offset where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampAt {
    /// Milliseconds since the epoch, `-1` = none.
    pub(crate) timestamp: i64,
    /// Offset.
    pub(crate) offset: Offset,
}

impl TimestampAt {
    /// No timestamp in a segment that begins here.
    pub(crate) fn none(base: Offset) -> Self {
        Self { timestamp: -1, offset: base }
    }
}

impl Segment {
    /// An empty segment.
    pub(crate) fn new(base: Offset, start_bytes: u64) -> Self {
        Self {
            base,
            start_bytes,
            bytes: 0,
            next_offset: base,
            max_timestamp: TimestampAt::none(base),
            first_timestamp: -1,
            created_ms: 0,
            modified_ms: 0,
            index: SparseIndex::default(),
        }
    }

    /// A segment that is trusted to be what its summary says; without index entries.
    pub(crate) fn from_summary(base: Offset, start_bytes: u64, summary: SegmentSummary) -> Self {
        Self {
            bytes: summary.bytes,
            next_offset: summary.next_offset.max(base),
            max_timestamp: TimestampAt {
                timestamp: summary.max_timestamp,
                offset: summary.max_timestamp_offset,
            },
            first_timestamp: summary.first_timestamp,
            created_ms: summary.modified_ms,
            modified_ms: summary.modified_ms,
            ..Self::new(base, start_bytes)
        }
    }

    /// Largest timestamp, ms since the epoch; where no batch has one, when the segment was changed last, so that
    /// it ages all the same (Kafka's `LogSegment.largestTimestamp`).
    pub(crate) fn largest_timestamp(&self) -> i64 {
        let timestamp = self.max_timestamp.timestamp;
        if timestamp >= 0 { timestamp } else { self.modified_ms }
    }

    /// Something is about to be appended.
    pub(crate) fn touch(&mut self, wall_ms: i64) {
        if self.bytes == 0 {
            self.created_ms = wall_ms;
        }
        self.modified_ms = wall_ms;
    }

    /// Whether a batch must go to a new segment (Kafka's `shouldRoll`).
    pub(crate) fn should_roll(
        &self,
        batch: &Batch,
        (segment_bytes, age_ms): (u32, i64),
        wall_ms: i64,
    ) -> bool {
        if !self.fits_relative_offset(batch.last_offset()) {
            return true;
        }
        if self.bytes == 0 {
            return false;
        }
        let full = u64::from(self.bytes) + u64::from(batch.size_bytes()) > u64::from(segment_bytes);
        full || self.waited_ms(batch, wall_ms) > age_ms
    }

    /// How old it is when a batch comes, ms, by its batches' timestamps if the first one has one (Kafka's
    /// `timeWaitedForRoll`).
    fn waited_ms(&self, batch: &Batch, wall_ms: i64) -> i64 {
        if self.first_timestamp >= 0 {
            batch.header.max_timestamp.saturating_sub(self.first_timestamp)
        } else {
            wall_ms.saturating_sub(self.created_ms)
        }
    }

    /// Whether an offset can be expressed relative to the base.
    pub(crate) fn fits_relative_offset(&self, offset: Offset) -> bool {
        (0..=RELATIVE_OFFSET_MAX).contains(&(offset - self.base))
    }

    /// Adds a batch at the end.
    pub(crate) fn append(&mut self, batch: &Batch, index_interval_bytes: u32) {
        debug_assert!(batch.base_offset() >= self.next_offset, "offsets only go up");
        let position = self.bytes;
        if position > 0 && position - self.index.last_position() > index_interval_bytes {
            self.index.push(IndexEntry {
                relative_offset: self.relative(batch.base_offset()),
                position,
                max_timestamp_before: self.max_timestamp.timestamp,
            });
        }
        if position == 0 {
            self.first_timestamp = batch.header.max_timestamp;
        }
        if batch.header.max_timestamp > self.max_timestamp.timestamp {
            self.max_timestamp =
                TimestampAt { timestamp: batch.header.max_timestamp, offset: batch.last_offset() };
        }
        self.bytes += batch.size_bytes();
        self.next_offset = batch.next_offset();
    }

    /// Cuts at the start of a batch; `end` is the offset after the last record that stays.
    pub(crate) fn cut(&mut self, end: Offset, position: u32, max_timestamp: TimestampAt) {
        debug_assert!(end >= self.base && position <= self.bytes);
        self.index.truncate(position);
        self.bytes = position;
        self.next_offset = end;
        self.max_timestamp = max_timestamp;
        if position == 0 {
            self.first_timestamp = -1;
        }
    }

    /// Position, bytes, at or before the batch that holds an offset.
    pub(crate) fn position_floor(&self, offset: Offset) -> u32 {
        self.index.floor(self.relative(offset)).position
    }

    /// Bug LOG-INDEX: position of the entry after the right one, if there is one.
    pub(crate) fn position_after(&self, offset: Offset) -> u32 {
        let (low, above) = self.index.around(self.relative(offset));
        above.map_or(low.position, |above| above.position)
    }

    /// Best guess of an offset's position, bytes: exact at index entries and at both ends.
    pub(crate) fn position_estimate(&self, offset: Offset) -> u32 {
        if offset >= self.next_offset {
            return self.bytes;
        }
        let relative = self.relative(offset);
        let (low, above) = self.index.around(relative);
        let (high_offset, high_position) = above.map_or_else(
            || (self.next_offset - self.base, self.bytes),
            |above| (i64::from(above.relative_offset), above.position),
        );
        let span = u64::try_from(high_offset - i64::from(low.relative_offset)).unwrap_or(1).max(1);
        let into = u64::from(relative - low.relative_offset);
        let bytes = u64::from(high_position - low.position) * into / span;
        low.position + u32::try_from(bytes).unwrap_or(0)
    }

    /// Offset relative to the base; offsets below it count as the base.
    pub(crate) fn relative(&self, offset: Offset) -> u32 {
        u32::try_from((offset - self.base).max(0)).unwrap_or(u32::MAX)
    }

    /// Position after the last byte, counted from the log's origin.
    pub(crate) fn end_bytes(&self) -> u64 {
        self.start_bytes + u64::from(self.bytes)
    }
}
