//! What a log shows to checkers.

use super::partition_log::Log;
use crate::ids::Offset;

/// A segment, as its log has it in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentView {
    /// Its name: no record in it has a smaller offset.
    pub base: Offset,
    /// Bytes of the log before it, counted from an arbitrary origin.
    pub start_bytes: u64,
    /// Bytes in it.
    pub bytes: u32,
    /// Largest timestamp in it, ms since the epoch, `-1` = none.
    pub max_timestamp: i64,
    /// The timestamp from which its age is counted: its first batch's, `-1` where that has none.
    pub first_timestamp: i64,
}

impl Log {
    /// Segments, the active one last.
    pub fn segment_views(&self) -> impl DoubleEndedIterator<Item = SegmentView> {
        self.segments.iter().map(|segment| SegmentView {
            base: segment.base,
            start_bytes: segment.start_bytes,
            bytes: segment.bytes,
            max_timestamp: segment.max_timestamp.timestamp,
            first_timestamp: segment.first_timestamp,
        })
    }
}
