//! The newest batches of a log one by one, so that a truncation near its end restores position,
//! largest timestamp and producer state exactly without reading the disk. Leaves out everything
//! below the high watermark, which only an unclean election can truncate.

use super::producers::Undo;
use super::segment::TimestampAt;
use crate::ids::Offset;
use std::collections::VecDeque;

/// Marks kept when the high watermark does not move.
const MARKS_MAX: usize = 2048;

/// A batch, and how to take it back.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// Offset of its first record.
    pub(crate) base_offset: Offset,
    /// Offset after its last record.
    pub(crate) next_offset: Offset,
    /// Offset after the last record before it in its segment; lower than `base_offset` after a gap.
    pub(crate) segment_end_before: Offset,
    /// Its position in its segment, bytes.
    pub(crate) position: u32,
    /// Largest timestamp of the segment before it.
    pub(crate) max_timestamp_before: TimestampAt,
    /// Its effect on the producer state.
    pub(crate) undo: Undo,
}

/// Marks of the newest batches, without holes up to the log's end.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: VecDeque<Mark>,
}

impl Marks {
    /// Adds the newest batch.
    pub(crate) fn push(&mut self, mark: Mark) {
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    /// Takes the newest batch if it ends above an offset.
    pub(crate) fn pop_above(&mut self, offset: Offset) -> Option<Mark> {
        self.marks.pop_back_if(|mark| mark.next_offset > offset)
    }

    /// Whether the batches from an offset on are all here.
    pub(crate) fn reach(&self, offset: Offset) -> bool {
        self.marks.front().is_some_and(|first| first.base_offset <= offset)
    }

    /// Drops batches that end at or below an offset.
    pub(crate) fn forget_below(&mut self, offset: Offset) {
        while self.marks.pop_front_if(|mark| mark.next_offset <= offset).is_some() {}
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        self.marks.clear();
    }
}
