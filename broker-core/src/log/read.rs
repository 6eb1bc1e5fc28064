//! Finding things in a log: by offset, by timestamp, and how many bytes lie between two offsets.
//! Leaves out the reading.

use super::partition_log::Log;
use super::types::{OffsetOutOfRange, TimestampLookup};
use crate::ids::Offset;
use crate::plant::{Plant, planted};
use crate::seam::ReadRange;

impl Log {
    /// What to read of one segment to get records from `from`, below `upto`; `None` when there is
    /// none. A read that ends with its segment goes on with the next plan.
    ///
    /// # Errors
    /// `from` is below the (local) log start or above the confirmed log end.
    pub fn read_plan(
        &self,
        from: Offset,
        upto: Offset,
        max_bytes: u32,
    ) -> Result<Option<ReadRange>, OffsetOutOfRange> {
        if from < self.local_log_start_offset() || from > self.log_end {
            return Err(OffsetOutOfRange {
                offset: from,
                log_start_offset: self.log_start,
                log_end_offset: self.log_end,
            });
        }
        let upto = upto.min(self.log_end);
        let mut index = self.segment_floor(from);
        // gaps: a segment may end below the next one's base
        while self.segments.get(index).is_some_and(|segment| from >= segment.next_offset) {
            index += 1;
        }
        let Some(segment) = self.segments.get(index) else { return Ok(None) };
        if from >= upto || segment.base >= upto {
            return Ok(None);
        }
        Ok(Some(ReadRange {
            tp: self.tp,
            segment: segment.base,
            position: match planted(self.config.plant, Plant::IndexOneOff) {
                true => segment.position_after(from),
                false => segment.position_floor(from),
            },
            from,
            upto,
            max_bytes,
        }))
    }

    /// Bytes from one offset to another: exact when both are known to the index or ends of
    /// segments, interpolated otherwise, and not 0 when records are between them.
    #[must_use]
    pub fn bytes_between(&self, from: Offset, to: Offset) -> u64 {
        let (from, to) = (from.max(self.log_start), to.min(self.next_offset));
        if from >= to {
            return 0;
        }
        self.position_estimate(to).saturating_sub(self.position_estimate(from)).max(1)
    }

    /// Whether an offset is in an earlier segment than another one.
    #[must_use]
    pub(crate) fn is_in_older_segment(&self, offset: Offset, than: Offset) -> bool {
        self.segment_floor(offset) < self.segment_floor(than)
    }

    fn position_estimate(&self, offset: Offset) -> u64 {
        let segment = &self.segments[self.segment_floor(offset)];
        segment.start_bytes + u64::from(segment.position_estimate(offset))
    }

    /// Where to look for the first record at or after a time, ms since the epoch.
    #[must_use]
    pub fn offset_for_timestamp(&self, timestamp: i64) -> TimestampLookup {
        self.lookup_timestamp(self.segment_floor(self.log_start), timestamp)
    }

    /// The largest timestamp, and where to look for the first record with it: one that is deleted counts for as long as
    /// its segment is there (Kafka's `UnifiedLog.fetchOffsetByTimestamp`). `None`: there is none.
    pub(crate) fn newest_timestamp(&self) -> Option<(i64, TimestampLookup)> {
        let (newest, _) = self.max_timestamp();
        (newest >= 0).then(|| (newest, self.lookup_timestamp(0, newest)))
    }

    /// As [`Log::offset_for_timestamp`], in the segments after one that was scanned in vain.
    #[must_use]
    pub fn offset_for_timestamp_after(&self, segment: Offset, timestamp: i64) -> TimestampLookup {
        let after = self.segments.partition_point(|candidate| candidate.base <= segment);
        self.lookup_timestamp(after, timestamp)
    }

    fn lookup_timestamp(&self, first: usize, timestamp: i64) -> TimestampLookup {
        let young = self
            .segments
            .iter()
            .skip(first)
            .find(|segment| segment.bytes > 0 && segment.max_timestamp.timestamp >= timestamp);
        young.map_or(TimestampLookup::None, |segment| TimestampLookup::Scan {
            segment: segment.base,
            position: segment.index.floor_timestamp(timestamp).position,
        })
    }

    /// Largest timestamp and the last offset of its batch; `-1`, `-1` in an empty log.
    #[must_use]
    pub fn max_timestamp(&self) -> (i64, Offset) {
        let mut best = (-1, -1);
        for segment in self.segments.iter().filter(|segment| segment.bytes > 0) {
            if segment.max_timestamp.timestamp > best.0 {
                best = (segment.max_timestamp.timestamp, segment.max_timestamp.offset);
            }
        }
        best
    }
}
