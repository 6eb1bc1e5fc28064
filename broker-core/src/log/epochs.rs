//! Leader epochs of a log and where each one starts (Kafka's `LeaderEpochFileCache`), with the
//! text form of `leader-epoch-checkpoint`. Leaves out the writing of the file.

use crate::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, Offset};
use crate::protocol::EpochEndOffset;
use bytes::Bytes;
use std::fmt::Write as _;

/// Version in the first line of the checkpoint.
const CHECKPOINT_VERSION: &str = "0";

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// Epoch.
    pub epoch: LeaderEpoch,
    /// Offset of the first record, or of the log end while the epoch has none.
    pub start_offset: Offset,
}

/// The epochs of a log; both epochs and start offsets strictly increase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// From entries that are in order.
    pub(crate) fn of(entries: &[EpochEntry]) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.epoch < b.epoch));
        Self { entries: entries.to_vec() }
    }

    /// Entries, oldest first.
    pub(crate) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The oldest entry.
    pub(crate) fn oldest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The newest entry.
    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The newest epoch, `-1` without entries.
    pub(crate) fn latest_epoch(&self) -> LeaderEpoch {
        self.latest().map_or(NO_EPOCH, |entry| entry.epoch)
    }

    /// Notes that an epoch starts at an offset. Entries that contradict it go, so that order holds.
    /// Returns whether anything changed.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        if self.latest().is_some_and(|l| l.epoch == epoch && start_offset >= l.start_offset) {
            return false;
        }
        let keep = |entry: &EpochEntry| entry.epoch < epoch && entry.start_offset < start_offset;
        while self.entries.last().is_some_and(|entry| !keep(entry)) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// Where an epoch ends: the largest epoch not above the asked one and the start of the next;
    /// `log_end` for the newest epoch; `-1`, `-1` for an unknown future epoch.
    pub(crate) fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> EpochEndOffset {
        let unknown = EpochEndOffset { epoch: NO_EPOCH, end_offset: NO_OFFSET };
        let Some(latest) = self.latest() else { return unknown };
        if epoch == NO_EPOCH || epoch > latest.epoch {
            return unknown;
        }
        if epoch == latest.epoch {
            return EpochEndOffset { epoch, end_offset: log_end.max(latest.start_offset) };
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.entries[above].start_offset;
        // an epoch older than the first known one has no record here: it ends where the log begins
        let known = above.checked_sub(1).map_or(epoch, |i| self.entries[i].epoch);
        EpochEndOffset { epoch: known, end_offset }
    }

    /// Epoch of the record at an offset, `-1` when unknown.
    pub(crate) fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map_or(NO_EPOCH, |i| self.entries[i].epoch)
    }

    /// Drops entries that start at or after the log's new end. Returns whether anything changed.
    pub(crate) fn truncate_from_end(&mut self, end: Offset) -> bool {
        let keep = self.entries.partition_point(|entry| entry.start_offset < end);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// Drops epochs that ended at or before the log's new start; the one that holds it starts there
    /// now. Returns whether anything changed.
    pub(crate) fn truncate_from_start(&mut self, start: Offset) -> bool {
        let below = self.entries.partition_point(|entry| entry.start_offset <= start);
        let Some(last) = below.checked_sub(1) else { return false };
        if last == 0 && self.entries[0].start_offset == start {
            return false;
        }
        self.entries.drain(..last);
        self.entries[0].start_offset = start;
        true
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) -> bool {
        let changed = !self.entries.is_empty();
        self.entries.clear();
        changed
    }

    /// The checkpoint file.
    pub(crate) fn to_checkpoint(&self) -> Bytes {
        let mut text = String::with_capacity(16 + 24 * self.entries.len());
        text.push_str(CHECKPOINT_VERSION);
        // writing to a String cannot fail
        let _ = write!(text, "\n{}\n", self.entries.len());
        for EpochEntry { epoch, start_offset } in &self.entries {
            let _ = writeln!(text, "{epoch} {start_offset}");
        }
        Bytes::from(text)
    }

    /// From a checkpoint file; `None` when it is damaged or out of order.
    pub(crate) fn from_checkpoint(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        if lines.next()? != CHECKPOINT_VERSION {
            return None;
        }
        let count: usize = lines.next()?.parse().ok()?;
        let mut entries: Vec<EpochEntry> = Vec::new();
        for line in lines {
            let (epoch, start_offset) = line.split_once(' ')?;
            let entry =
                EpochEntry { epoch: epoch.parse().ok()?, start_offset: start_offset.parse().ok()? };
            let ordered = entries
                .last()
                .is_none_or(|l| l.epoch < entry.epoch && l.start_offset < entry.start_offset);
            if !ordered || entry.epoch < 0 || entry.start_offset < 0 {
                return None;
            }
            entries.push(entry);
        }
        (entries.len() == count).then_some(Self { entries })
    }
}
