//! Sparse index of a segment: Kafka's offset index and time index, which are written at the same
//! moments, as one array. Leaves out the files: an index is rebuilt by scanning.
//!
//! Entries are dense near the end of the segment, where nearly all lookups fall, and about one per
//! MiB before, so that memory does not grow with the number of batches.

/// Entries that stay dense; between this and twice as many are held.
const DENSE_ENTRIES: usize = 32;

/// Distance between entries before the dense ones, bytes.
const SPARSE_BYTES: u32 = 1 << 20;

/// One batch that the index knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// Base offset of the batch minus base offset of the segment.
    pub(crate) relative_offset: u32,
    /// Where the batch starts, bytes.
    pub(crate) position: u32,
    /// Largest timestamp of all batches before it in the segment, `-1` when there is none.
    pub(crate) max_timestamp_before: i64,
}

/// The start of a segment, which needs no entry.
const ORIGIN: IndexEntry = IndexEntry { relative_offset: 0, position: 0, max_timestamp_before: -1 };

/// Index of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    entries: Vec<IndexEntry>,
    /// How many of the first entries have been thinned.
    thinned: usize,
}

impl SparseIndex {
    /// Adds an entry after all others.
    pub(crate) fn push(&mut self, entry: IndexEntry) {
        debug_assert!(self.entries.last().is_none_or(|last| last.position < entry.position));
        debug_assert!(
            self.entries.last().is_none_or(|l| l.relative_offset < entry.relative_offset)
        );
        self.entries.push(entry);
        if self.entries.len() - self.thinned >= 2 * DENSE_ENTRIES {
            self.thin(self.thinned + DENSE_ENTRIES);
        }
    }

    /// No more entries will come: thins all of them and gives memory back.
    pub(crate) fn seal(&mut self) {
        self.thin(self.entries.len());
        self.entries.shrink_to_fit();
    }

    /// Drops entries at or after a position.
    pub(crate) fn truncate(&mut self, position: u32) {
        let keep = self.entries.partition_point(|entry| entry.position < position);
        self.entries.truncate(keep);
        self.thinned = self.thinned.min(keep);
    }

    /// Largest entry at or below an offset.
    pub(crate) fn floor(&self, relative_offset: u32) -> IndexEntry {
        self.before(self.after(relative_offset))
    }

    /// Largest entry at or below an offset, and the smallest one above it.
    pub(crate) fn around(&self, relative_offset: u32) -> (IndexEntry, Option<IndexEntry>) {
        let after = self.after(relative_offset);
        (self.before(after), self.entries.get(after).copied())
    }

    /// Last entry before which every timestamp is smaller than the given one.
    pub(crate) fn floor_timestamp(&self, timestamp: i64) -> IndexEntry {
        let after = self.entries.partition_point(|e| e.max_timestamp_before < timestamp);
        self.before(after)
    }

    /// Position of the last entry.
    pub(crate) fn last_position(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.position)
    }

    /// Number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Number of entries at or below an offset. Nearly all lookups are for one of the last entries.
    fn after(&self, relative_offset: u32) -> usize {
        const NEAR_END: usize = 4;
        let near = self.entries.len().saturating_sub(NEAR_END);
        let (early, last) = self.entries.split_at(near);
        let above = last.iter().rev().take_while(|e| e.relative_offset > relative_offset).count();
        if above < last.len() {
            return self.entries.len() - above;
        }
        early.partition_point(|e| e.relative_offset <= relative_offset)
    }

    fn before(&self, index: usize) -> IndexEntry {
        index.checked_sub(1).and_then(|i| self.entries.get(i)).copied().unwrap_or(ORIGIN)
    }

    /// Keeps about one entry per [`SPARSE_BYTES`] of the dense entries before `upto`.
    fn thin(&mut self, upto: usize) {
        let start = self.thinned;
        let mut kept = self.before(start).position;
        let mut write = start;
        for read in start..upto {
            let entry = self.entries[read];
            if entry.position - kept >= SPARSE_BYTES {
                kept = entry.position;
                self.entries[write] = entry;
                write += 1;
            }
        }
        self.entries.drain(write..upto);
        self.thinned = write;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(entries: u32, step: u32) -> SparseIndex {
        let mut index = SparseIndex::default();
        for i in 1..=entries {
            index.push(IndexEntry {
                relative_offset: i * 10,
                position: i * step,
                max_timestamp_before: i64::from(i) * 100,
            });
        }
        index
    }

    #[test]
    fn lookups_never_pass_the_target_and_the_tail_is_exact() {
        let index = filled(10_000, 16 << 10);
        for target in 0..100_100 {
            let (floor, above) = index.around(target);
            assert_eq!(floor, index.floor(target));
            assert!(floor.relative_offset <= target);
            assert!(above.is_none_or(|above| above.relative_offset > target));
            if target >= 100_000 - 310 {
                assert_eq!(floor.relative_offset, (target / 10 * 10).min(100_000), "dense tail");
            }
        }
        assert_eq!(index.floor(9), ORIGIN);
    }

    #[test]
    fn thinning_bounds_both_memory_and_the_distance_to_scan() {
        let mut index = filled(60_000, 16 << 10); // about 940 MiB
        assert!(index.len() < 940 + 2 * DENSE_ENTRIES, "{} entries", index.len());
        index.seal();
        assert!(index.len() <= 940, "{} entries", index.len());
        for pair in index.entries.windows(2) {
            assert!(pair[1].position - pair[0].position < 2 * SPARSE_BYTES);
        }
    }

    #[test]
    fn timestamp_floor_leaves_nothing_young_enough_behind() {
        let index = filled(1000, 4096);
        for timestamp in [0, 99, 100, 101, 55_555, 99_999, 100_000, 200_000] {
            assert!(index.floor_timestamp(timestamp).max_timestamp_before < timestamp);
        }
    }

    #[test]
    fn truncation_drops_entries_from_the_position_on() {
        let mut index = filled(40, 4096);
        index.truncate(20 * 4096);
        assert_eq!(index.last_position(), 19 * 4096);
        index.truncate(0);
        assert_eq!(index.len(), 0);
        index.push(IndexEntry { relative_offset: 1, position: 70, max_timestamp_before: 0 });
        assert_eq!(index.last_position(), 70);
    }
}
