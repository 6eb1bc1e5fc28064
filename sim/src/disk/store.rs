//! Content of a host's log directories: segments of partitions, and small files. Knows what would
//! survive a power failure. Leaves out time, which is the device's matter, and directories: a
//! file's creation, truncation and deletion are durable at once.

mod power;
mod preload;
mod reading;

pub use preload::Preload;

use super::cleaned::Cleaned;
use super::dictionary::Dictionary;
use super::log_table::LogTable;
use super::segment::{FileId, Segment, find};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::FileName;

/// A partition's log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) tp: TopicPartition,
    /// Its log directory.
    pub(crate) volume: usize,
    /// Ascending by base offset; only the last one grows.
    pub(crate) segments: Vec<Segment>,
    /// What will replace segments.
    pub(super) cleaned: Option<Cleaned>,
    /// When the last append is confirmed, ns: later ones are not confirmed earlier.
    pub(crate) appended_ns: u64,
    /// That append had to wait when it came.
    pub(crate) append_waits: bool,
    /// First offset that a power failure has taken, until the log is cut or written to.
    pub(super) lost_from: Option<Offset>,
    /// Where a batch was appended behind a torn one: whoever reads the file again ends there.
    pub(super) buried: Option<Offset>,
}

/// A log's place in the store, until it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogIndex(pub(super) usize);

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) volume: usize,
    pub(crate) file: FileId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Length of the whole file.
    pub(crate) len: u64,
}

/// Files gone or cut, for the page cache: `(file, length now, length before)`.
pub(crate) type Cut = (FileId, u64, u64);

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) logs: Vec<Option<Log>>,
    index: LogTable,
    /// Of each file, the log and segment that it belongs to.
    pub(super) owners: Vec<(usize, Offset)>,
    files: BTreeMap<FileName, Bytes>,
    pub(super) dictionary: Dictionary,
    /// Per volume.
    pub(super) used_bytes: Vec<u64>,
}

impl Store {
    pub(crate) fn new(volumes: usize) -> Self {
        Self {
            logs: Vec::new(),
            index: LogTable::default(),
            owners: Vec::new(),
            files: BTreeMap::new(),
            dictionary: Dictionary::default(),
            used_bytes: vec![0; volumes],
        }
    }

    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Bytes in files of a volume.
    pub(crate) fn used_bytes(&self, volume: usize) -> u64 {
        self.used_bytes[volume]
    }

    pub(crate) fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.iter().flatten()
    }

    pub(crate) fn log(&self, tp: TopicPartition) -> Option<&Log> {
        self.logs[self.index.get(tp)?].as_ref()
    }

    pub(super) fn log_mut(&mut self, tp: TopicPartition) -> Option<&mut Log> {
        self.logs[self.index.get(tp)?].as_mut()
    }

    pub(crate) fn segment(&self, tp: TopicPartition, base: Offset) -> Option<&Segment> {
        let segments = &self.log(tp)?.segments;
        Some(&segments[find(segments, base)?])
    }

    /// The log, made when absent in the directory with the fewest logs, as Kafka chooses it.
    pub(crate) fn log_or_create(&mut self, tp: TopicPartition) -> &mut Log {
        let at = match self.index.get(tp) {
            Some(at) => at,
            None => {
                let volume = self.emptiest_volume();
                let at = self.logs.len();
                self.logs.push(Some(Log {
                    tp,
                    volume,
                    segments: Vec::new(),
                    cleaned: None,
                    appended_ns: 0,
                    append_waits: false,
                    lost_from: None,
                    buried: None,
                }));
                self.index.insert(tp, at);
                at
            }
        };
        self.logs[at].as_mut().expect("the index names logs that exist")
    }

    fn emptiest_volume(&self) -> usize {
        let count = |volume: usize| self.logs().filter(|log| log.volume == volume).count();
        (0..self.used_bytes.len()).min_by_key(|&volume| count(volume)).unwrap_or(0)
    }

    /// Where a log is kept, made when absent.
    pub(crate) fn locate(&mut self, tp: TopicPartition) -> (LogIndex, usize) {
        if let Some(at) = self.index.get(tp)
            && let Some(log) = &self.logs[at]
        {
            return (LogIndex(at), log.volume);
        }
        let volume = self.log_or_create(tp).volume;
        (LogIndex(self.index.get(tp).expect("made above")), volume)
    }

    /// The volume that a file is on; `None` when its log is gone.
    pub(crate) fn volume_of(&self, file: FileId) -> Option<usize> {
        self.logs[self.owners[file.0 as usize].0].as_ref().map(|log| log.volume)
    }

    /// An append that comes at `now_ns` would be confirmed at `at_ns`: not before the one that came
    /// before it. If that one had to wait, and until this very moment, the event that confirms it
    /// may still be due: then one ns later.
    pub(crate) fn confirm_append(
        &mut self,
        LogIndex(at): LogIndex,
        now_ns: u64,
        at_ns: u64,
    ) -> u64 {
        let log = self.logs[at].as_mut().expect("the log was appended to");
        let is_due = log.append_waits && log.appended_ns == now_ns;
        log.appended_ns = at_ns.max(log.appended_ns + u64::from(is_due));
        log.append_waits = log.appended_ns > now_ns;
        log.appended_ns
    }

    /// Appends to a segment, made when absent; where the bytes went.
    pub(crate) fn append(
        &mut self,
        LogIndex(at): LogIndex,
        base: Offset,
        wall_ms: i64,
        batches: impl Iterator<Item = Arc<Batch>>,
    ) -> Extent {
        let log = self.logs[at].as_mut().expect("the log was located");
        log.lost_from = None;
        if log.segments.last().is_none_or(|last| last.base != base) {
            open(log, base, at, &mut self.owners, &mut self.dictionary);
        }
        let segment = log.segments.last_mut().expect("opened above");
        if std::mem::take(&mut segment.torn) > 0 {
            log.buried = log.buried.or(Some(segment.next_offset()));
        }
        let from = segment.bytes();
        for batch in batches {
            segment.saw(batch.header.max_timestamp, batch.last_offset());
            segment.content.push(batch, &mut self.dictionary);
        }
        segment.modified_ms = wall_ms;
        let to = segment.bytes();
        self.used_bytes[log.volume] += to - from;
        Extent { volume: log.volume, file: segment.file, from, to, len: to }
    }

    /// Cuts a log as [`stormglass_broker_core::seam::DiskOpKind::Truncate`] says.
    pub(crate) fn truncate(
        &mut self,
        (tp, to): (TopicPartition, Offset),
        wall_ms: i64,
        cuts: &mut Vec<Cut>,
    ) {
        let Some(at) = self.index.get(tp) else { return };
        let log = self.logs[at].as_mut().expect("the index names logs that exist");
        log.lost_from = None;
        let used = &mut self.used_bytes[log.volume];
        let empties = log.segments.first().is_none_or(|first| to <= first.base);
        let keep = if empties { 0 } else { log.segments.partition_point(|s| s.base < to) };
        for segment in log.segments.drain(keep..) {
            *used -= segment.len();
            cuts.push((segment.file, 0, segment.len()));
        }
        if empties {
            open(log, to, at, &mut self.owners, &mut self.dictionary);
        } else if let Some(segment) = log.segments.last_mut() {
            let before = segment.len();
            if segment.torn > 0 || segment.next_offset() > to {
                segment.truncate(to, &self.dictionary);
                segment.modified_ms = wall_ms;
                *used -= before - segment.len();
                cuts.push((segment.file, segment.len(), before));
            }
        }
    }

    pub(crate) fn delete_segments(
        &mut self,
        tp: TopicPartition,
        bases: &[Offset],
        cuts: &mut Vec<Cut>,
    ) {
        let Some(at) = self.index.get(tp) else { return };
        let log = self.logs[at].as_mut().expect("the index names logs that exist");
        for &base in bases {
            if let Some(at) = find(&log.segments, base) {
                let segment = log.segments.remove(at);
                self.used_bytes[log.volume] -= segment.len();
                cuts.push((segment.file, 0, segment.len()));
            }
        }
    }

    /// Deletes a log and the small files of its directory.
    pub(crate) fn delete_log(&mut self, tp: TopicPartition, cuts: &mut Vec<Cut>) {
        let Some(log) = self.take_log(tp) else { return };
        for segment in log.segments.iter().chain(log.cleaned.as_ref().map(|c| &c.segment)) {
            self.used_bytes[log.volume] -= segment.len();
            cuts.push((segment.file, 0, segment.len()));
        }
    }

    /// Nobody reads the log any more; its bytes still take room.
    pub(crate) fn set_log_aside(&mut self, tp: TopicPartition) {
        self.take_log(tp);
    }

    fn take_log(&mut self, tp: TopicPartition) -> Option<Log> {
        let at = self.index.remove(tp)?;
        let log = self.logs[at].take().expect("the index names logs that exist");
        self.files.retain(|name, _| match name {
            FileName::LeaderEpochs(owner)
            | FileName::ProducerSnapshot(owner, _)
            | FileName::TransactionIndex(owner, _) => *owner != tp,
            _ => true,
        });
        Some(log)
    }

    /// A stretch of a file has reached the volume. Durable is what lies before `to` and before
    /// `barrier`, where an earlier stretch is still on its way.
    pub(crate) fn written_back(&mut self, file: FileId, to: u64, barrier: u64) {
        let (at, base) = self.owners[file.0 as usize];
        let Some(log) = self.logs[at].as_mut() else { return };
        let segment = match &mut log.cleaned {
            Some(cleaned) if cleaned.segment.file == file => Some(&mut cleaned.segment),
            _ => find(&log.segments, base).map(|at| &mut log.segments[at]),
        };
        let Some(segment) = segment else { return };
        if segment.file == file {
            segment.reached = segment.reached.max(to.min(segment.bytes()));
            segment.durable = segment.durable.max(segment.reached.min(barrier));
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&FileName, &Bytes)> {
        self.files.iter()
    }

    pub(crate) fn file(&self, name: &FileName) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// Offsets of a log's producer snapshots, ascending.
    pub(crate) fn producer_snapshots(&self, tp: TopicPartition) -> impl Iterator<Item = Offset> {
        let name = |offset| FileName::ProducerSnapshot(tp, offset);
        let found = self.files.range(name(Offset::MIN)..=name(Offset::MAX));
        found.filter_map(|(name, _)| match name {
            FileName::ProducerSnapshot(_, offset) => Some(*offset),
            _ => None,
        })
    }

    /// Sets or removes a small file; what was there before.
    pub(crate) fn set_file(&mut self, name: &FileName, bytes: Option<Bytes>) -> Option<Bytes> {
        match bytes {
            Some(bytes) => self.files.insert(name.clone(), bytes),
            None => self.files.remove(name),
        }
    }

    /// Memory that the content takes, bytes; approximate.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.logs().flat_map(|log| &log.segments).map(|s| s.content.memory_bytes()).sum()
    }
}

/// Makes `base` the last segment of a log. Empty segments at and behind it go, the one before is
/// packed.
fn open(
    log: &mut Log,
    base: Offset,
    at: usize,
    owners: &mut Vec<(usize, Offset)>,
    dictionary: &mut Dictionary,
) {
    while log.segments.pop_if(|last| last.base > base && last.len() == 0).is_some() {}
    match log.segments.last_mut() {
        Some(last) if last.base == base => return,
        Some(last) => {
            assert!(last.base < base, "segments are appended to in order");
            last.content.seal(dictionary);
        }
        None => {}
    }
    let file = FileId(u32::try_from(owners.len()).expect("fewer than 2^32 files"));
    owners.push((at, base));
    log.segments.push(Segment::new(base, file));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape, tp};

    #[test]
    fn durable_has_no_gaps() {
        let mut store = Store::new(1);
        let (log, _) = store.locate(tp(0));
        let batches = Maker::new(Shape::default()).batches(192);
        let extent = store.append(log, 0, 0, batches.into_iter());
        let mib = 1 << 20;
        // the second MiB arrives first
        store.written_back(extent.file, 2 * mib, 0);
        assert_eq!(store.segment(tp(0), 0).unwrap().durable, 0);
        store.written_back(extent.file, mib, u64::MAX);
        assert_eq!(store.segment(tp(0), 0).unwrap().durable, 2 * mib);
    }

    #[test]
    fn logs_spread_over_volumes() {
        let mut store = Store::new(2);
        let volumes: Vec<usize> = (0..4).map(|at| store.log_or_create(tp(at)).volume).collect();
        assert_eq!(volumes, [0, 1, 0, 1]);
        store.delete_log(tp(1), &mut Vec::new());
        assert_eq!(store.log_or_create(tp(9)).volume, 1, "the directory with the fewest logs");
    }
}
