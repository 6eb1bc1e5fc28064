//! `.index` and `.timeindex` of a segment, in Kafka's formats: an entry for about every four
//! kilobytes of batches. Held in memory, written when enough has come together; what a killed
//! process had not written costs a longer walk, never an answer.

use super::walk::Head;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use stormglass_broker_core::ids::Offset;

/// `log.index.interval.bytes`.
const INTERVAL_BYTES: u64 = 4096;
/// Entries that are written at a time.
const FLUSH_ENTRIES: usize = 256;
const OFFSET_ENTRY_BYTES: usize = 8;
const TIME_ENTRY_BYTES: usize = 12;

/// Largest timestamp of a segment and the offset where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaxTimestamp {
    /// `-1` = none.
    pub(super) timestamp: i64,
    pub(super) offset: Offset,
}

/// Both indexes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    base: Offset,
    /// Last offset of a batch relative to the base, and the batch's position.
    offsets: Vec<(u32, u32)>,
    /// Largest timestamp so far and its offset relative to the base.
    times: Vec<(i64, u32)>,
    /// Entries that are in the files.
    written: (usize, usize),
    bytes_since_entry: u64,
    max: MaxTimestamp,
}

impl SegmentIndex {
    /// Of an empty segment.
    pub(super) fn new(base: Offset) -> Self {
        Self {
            base,
            offsets: Vec::new(),
            times: Vec::new(),
            written: (0, 0),
            bytes_since_entry: 0,
            max: MaxTimestamp { timestamp: -1, offset: base },
        }
    }

    /// From the files; `size` is that of the segment. Entries that cannot be right are left out,
    /// with all that follow them. Files that are not there have none.
    pub(super) fn load(
        base: Offset,
        index: &Path,
        time_index: &Path,
        size: u64,
    ) -> io::Result<Self> {
        let mut loaded = Self::new(base);
        for entry in read(index)?.as_chunks::<OFFSET_ENTRY_BYTES>().0 {
            let (offset, position) = (be_u32(&entry[..4]), be_u32(&entry[4..]));
            let grows = loaded.offsets.last().is_none_or(|l| l.0 < offset && l.1 < position);
            if !grows || u64::from(position) >= size {
                break;
            }
            loaded.offsets.push((offset, position));
        }
        for entry in read(time_index)?.as_chunks::<TIME_ENTRY_BYTES>().0 {
            let time = i64::from(be_u32(&entry[..4])) << 32 | i64::from(be_u32(&entry[4..8]));
            let offset = be_u32(&entry[8..]);
            let grows = loaded.times.last().is_none_or(|l| l.0 < time && l.1 <= offset);
            if !grows || loaded.offsets.last().is_none_or(|last| last.0 < offset) {
                break;
            }
            loaded.times.push((time, offset));
        }
        if let Some(&(timestamp, offset)) = loaded.times.last() {
            loaded.max = MaxTimestamp { timestamp, offset: base + Offset::from(offset) };
        }
        loaded.written = (loaded.offsets.len(), loaded.times.len());
        Ok(loaded)
    }

    /// Largest timestamp of what was noted.
    pub(super) fn max(&self) -> MaxTimestamp {
        self.max
    }

    /// A batch is in the segment.
    pub(super) fn note(&mut self, head: &Head) {
        let Ok(position) = u32::try_from(head.position) else { return };
        if head.max_timestamp > self.max.timestamp {
            self.max = MaxTimestamp { timestamp: head.max_timestamp, offset: head.last_offset };
        }
        if self.bytes_since_entry > INTERVAL_BYTES {
            let relative = |offset: Offset| u32::try_from(offset - self.base).unwrap_or(u32::MAX);
            let (entry, time) = ((relative(head.last_offset), position), relative(self.max.offset));
            self.offsets.push(entry);
            if self.times.last().is_none_or(|last| last.0 < self.max.timestamp) {
                self.times.push((self.max.timestamp, time));
            }
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += head.size;
    }

    /// Position of a batch at or before the one that holds an offset.
    pub(super) fn floor(&self, offset: Offset) -> u64 {
        let relative = offset - self.base;
        let after = self.offsets.partition_point(|entry| i64::from(entry.0) <= relative);
        after.checked_sub(1).map_or(0, |at| u64::from(self.offsets[at].1))
    }

    /// Position at or before the first batch with a timestamp at or after the given one.
    pub(super) fn floor_timestamp(&self, timestamp: i64) -> u64 {
        let after = self.times.partition_point(|entry| entry.0 < timestamp);
        let older = after.checked_sub(1).map(|at| self.times[at].1);
        older.map_or(0, |offset| self.floor(self.base + Offset::from(offset)))
    }

    /// Position of the last entry.
    pub(super) fn last_position(&self) -> u64 {
        self.offsets.last().map_or(0, |entry| u64::from(entry.1))
    }

    /// Whether its last entry is about this batch, which is at that entry's position.
    pub(super) fn ends_at(&self, head: Option<Head>) -> bool {
        let Some(&(offset, _)) = self.offsets.last() else { return true };
        head.is_some_and(|head| head.last_offset == self.base + Offset::from(offset))
    }

    /// Whether it is worth writing.
    pub(super) fn is_flush_due(&self) -> bool {
        self.offsets.len() - self.written.0 >= FLUSH_ENTRIES
    }

    /// Writes what is not in the files yet.
    pub(super) fn flush(&mut self, index: &Path, time_index: &Path) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (offset, position) in &self.offsets[self.written.0..] {
            bytes.extend_from_slice(&offset.to_be_bytes());
            bytes.extend_from_slice(&position.to_be_bytes());
        }
        append(index, self.written.0 * OFFSET_ENTRY_BYTES, &bytes)?;
        bytes.clear();
        for (time, offset) in &self.times[self.written.1..] {
            bytes.extend_from_slice(&time.to_be_bytes());
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        append(time_index, self.written.1 * TIME_ENTRY_BYTES, &bytes)?;
        self.written = (self.offsets.len(), self.times.len());
        Ok(())
    }
}

/// An index that is not there only makes walks longer; one that cannot be read could not be written
/// either.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        read => read,
    }
}

/// Puts bytes at a position, and cuts what a killed process may have left there.
fn append(path: &Path, position: usize, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.set_len(position as u64)?;
    file.write_all(bytes)
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(n: u32) -> Head {
        let offset = Offset::from(n) * 10 + 100;
        Head {
            position: u64::from(n) * 3000,
            size: 3000,
            base_offset: offset,
            last_offset: offset + 9,
            max_timestamp: i64::from(n) * 7,
        }
    }

    #[test]
    fn floors_never_pass_the_target_and_survive_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let (index, times) = (dir.path().join("a.index"), dir.path().join("a.timeindex"));
        let mut written = SegmentIndex::new(100);
        for n in 0..500 {
            written.note(&head(n));
            if n % 97 == 0 {
                written.flush(&index, &times).unwrap();
            }
        }
        written.flush(&index, &times).unwrap();
        let loaded = SegmentIndex::load(100, &index, &times, 500 * 3000).unwrap();
        assert!(loaded.offsets.len() > 200, "{}", loaded.offsets.len());
        for read in [&written, &loaded] {
            for n in 0..500 {
                let floor = read.floor(head(n).base_offset + 4);
                assert!(floor <= head(n).position && head(n).position - floor <= 9000, "{n}");
                let floor = read.floor_timestamp(head(n).max_timestamp);
                assert!(floor <= head(n).position && head(n).position - floor <= 15_000, "{n}");
            }
        }
        assert_eq!((loaded.floor(0), loaded.floor_timestamp(-5)), (0, 0));
    }

    #[test]
    fn entries_beyond_the_segment_or_out_of_order_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (index, times) = (dir.path().join("a.index"), dir.path().join("a.timeindex"));
        let mut written = SegmentIndex::new(100);
        (0..50).for_each(|n| written.note(&head(n)));
        written.flush(&index, &times).unwrap();
        let short = SegmentIndex::load(100, &index, &times, 20_000).unwrap();
        assert!(short.last_position() < 20_000);
        let mut bytes = fs::read(&index).unwrap();
        bytes[16..24].fill(0);
        fs::write(&index, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(SegmentIndex::load(100, &index, &times, 150_000).unwrap().offsets.len(), 2);
    }
}
