//! What a starting broker finds in its log directory.

use super::layout::{segment_base, segment_name};
use super::segment::load_index;
use super::store::Store;
use super::walk::{Walk, WalkError};
use bytes::Bytes;
use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch};
use stormglass_broker_core::seam::{DiskImage, FileName, ScanEnd, SegmentSummary};

/// Bytes read at a time by a scan.
const SCAN_CHUNK: usize = 1 << 20;

impl DiskImage for Store {
    fn logs(&self) -> Vec<TopicPartition> {
        let mut logs: Vec<TopicPartition> = self.logs.keys().copied().collect();
        logs.sort_unstable();
        logs
    }

    fn segments(&self, tp: TopicPartition) -> Vec<Offset> {
        self.logs.get(&tp).map_or_else(Vec::new, |log| log.segments.keys().copied().collect())
    }

    fn summary(&self, tp: TopicPartition, segment: Offset) -> SegmentSummary {
        self.summarize(tp, segment).unwrap_or_else(|error| {
            self.note_segment(tp, segment, &error);
            empty(segment)
        })
    }

    fn scan(
        &self,
        tp: TopicPartition,
        segment: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd {
        match self.scan_segment(tp, segment, visit) {
            Ok(0) => ScanEnd::Clean,
            Ok(bytes) => ScanEnd::Torn { bytes },
            Err(error) => {
                self.note_segment(tp, segment, &error);
                ScanEnd::Torn { bytes: 0 }
            }
        }
    }

    fn file(&self, file: &FileName) -> Option<Bytes> {
        let path = self.path(file)?;
        match fs::read(&path) {
            Ok(bytes) => Some(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.note_unreadable(&path, &error);
                None
            }
        }
    }

    fn producer_snapshots(&self, tp: TopicPartition) -> Vec<Offset> {
        let Some(log) = self.logs.get(&tp) else { return Vec::new() };
        snapshots_in(&log.path).unwrap_or_else(|error| {
            self.note_unreadable(&log.path, &error);
            Vec::new()
        })
    }
}

fn snapshots_in(dir: &Path) -> io::Result<Vec<Offset>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| segment_base(name, ".snapshot")));
    }
    found.sort_unstable();
    Ok(found)
}

impl Store {
    fn note_segment(&self, tp: TopicPartition, base: Offset, error: &io::Error) {
        let dir = self.logs.get(&tp).map_or(&self.root, |log| &log.path);
        self.note_unreadable(&dir.join(segment_name(base, "log")), error);
    }

    /// A vote or a log's start that could not be read is none that was never given.
    fn note_unreadable(&self, path: &Path, error: &io::Error) {
        // only the first counts
        let _ = self.unreadable.set(format!("cannot read {}: {error}", path.display()));
    }

    fn log_file(&self, tp: TopicPartition, base: Offset) -> Option<(PathBuf, u64)> {
        let log = self.logs.get(&tp)?;
        let segment = log.segments.get(&base)?;
        Some((log.path.clone(), segment.size()))
    }

    /// The end of the segment is found behind its last index entry; beside that, only its first header is read.
    fn summarize(&self, tp: TopicPartition, base: Offset) -> io::Result<SegmentSummary> {
        let Some((dir, size)) = self.log_file(tp, base) else { return Ok(empty(base)) };
        let file = File::open(dir.join(segment_name(base, "log")))?;
        let index = load_index(&dir, base, &file, size)?;
        let mut walk = Walk::new(&file, size, index.last_position(), SCAN_CHUNK);
        let mut next_offset = base;
        while let Some(head) = walk.head()? {
            next_offset = head.last_offset.saturating_add(1);
            walk.skip(&head);
        }
        self.check_no_overlap(tp, base, next_offset)?;
        let max = index.max();
        Ok(SegmentSummary {
            bytes: u32::try_from(size - walk.rest()).unwrap_or(u32::MAX),
            next_offset,
            max_timestamp: max.timestamp,
            max_timestamp_offset: max.offset,
            first_timestamp: first_timestamp(&file, size)?,
            modified_ms: modified_ms(&file.metadata()?),
        })
    }

    /// A segment that begins within the one before it does not belong there, or the one before it is
    /// damaged. Recovery would believe either, and cut what the other has.
    fn check_no_overlap(&self, tp: TopicPartition, base: Offset, end: Offset) -> io::Result<()> {
        let behind = (Bound::Excluded(base), Bound::Unbounded);
        let next = self.logs.get(&tp).and_then(|log| log.segments.range(behind).next());
        match next {
            Some((next, _)) if *next < end => {
                let name = segment_name(*next, "log");
                let message = format!("it goes on to offset {end}, but {name} is there, too");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
            _ => Ok(()),
        }
    }

    /// Bytes after the last sound batch.
    fn scan_segment(
        &self,
        tp: TopicPartition,
        base: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> io::Result<u64> {
        let Some((dir, size)) = self.log_file(tp, base) else { return Ok(0) };
        let file = File::open(dir.join(segment_name(base, "log")))?;
        let mut walk = Walk::new(&file, size, 0, SCAN_CHUNK);
        while let Some(head) = walk.head()? {
            match walk.take(&head) {
                Ok(batch) => {
                    visit(u32::try_from(head.position).unwrap_or(u32::MAX), &Arc::new(batch));
                }
                Err(WalkError::Corrupt) => break,
                Err(WalkError::Io(error)) => return Err(error),
            }
        }
        Ok(walk.rest())
    }
}

/// Largest timestamp of the first batch, ms since the epoch; `-1` where no whole one is.
fn first_timestamp(file: &File, size: u64) -> io::Result<i64> {
    let first = Walk::new(file, size, 0, BATCH_OVERHEAD as usize).head()?;
    Ok(first.map_or(-1, |head| head.max_timestamp))
}

/// When a file was changed last, ms since the epoch; 0 where the file system does not say.
fn modified_ms(file: &Metadata) -> i64 {
    let since = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn empty(base: Offset) -> SegmentSummary {
    SegmentSummary {
        bytes: 0,
        next_offset: base,
        max_timestamp: -1,
        max_timestamp_offset: base,
        first_timestamp: -1,
        modified_ms: 0,
    }
}
