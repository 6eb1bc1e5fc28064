//! A disk in memory for tests of the log: takes disk operations, loses what a crash may lose, and
//! is read back as a [`DiskImage`]. Leaves out time and errors.

use crate::ids::{Offset, TopicId, TopicPartition};
use crate::log::{AppendContext, Log, Origin};
use crate::records::{Batch, BatchHeader, Body, Records};
use crate::seam::{DiskImage, DiskOpKind, FileName, ReadRange, ScanEnd, SegmentSummary};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The partition of all tests here.
pub(crate) const TP: TopicPartition = TopicPartition::new(TopicId(7), 3);

/// Batches of one segment, and how much is flushed.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredSegment {
    pub(crate) batches: Vec<Arc<Batch>>,
    /// Number of batches that an fsync has covered.
    pub(crate) synced: usize,
    /// Bytes of half a batch at the end.
    pub(crate) torn_bytes: u64,
    /// Modification time, for tests to set, ms since the epoch.
    pub(crate) modified_ms: i64,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk {
    pub(crate) segments: BTreeMap<Offset, StoredSegment>,
    /// The file that will replace segments, and the transaction index that belongs to it.
    pub(crate) cleaned: Option<(Offset, StoredSegment, Bytes)>,
    pub(crate) files: BTreeMap<FileName, Bytes>,
}

impl MemoryDisk {
    /// Does what the operations say.
    pub(crate) fn apply(&mut self, ops: &[DiskOpKind]) {
        for op in ops {
            match op {
                DiskOpKind::Append { segment, records, .. } => {
                    let stored = self.segments.entry(*segment).or_default();
                    stored.batches.extend(records.batches().iter().cloned());
                }
                DiskOpKind::Sync { segment, .. } => {
                    let stored =
                        self.segments.get_mut(segment).expect("only what exists is synced");
                    stored.synced = stored.batches.len();
                }
                DiskOpKind::AppendCleaned { segment, records, .. } => {
                    let empty = || (*segment, StoredSegment::default(), Bytes::new());
                    let (base, stored, _) = self.cleaned.get_or_insert_with(empty);
                    assert_eq!(base, segment, "one at a time");
                    stored.batches.extend(records.batches().iter().cloned());
                }
                DiskOpKind::SyncCleaned { aborted, .. } => {
                    let cleaned = self.cleaned.as_mut().expect("only what exists is synced");
                    cleaned.1.synced = cleaned.1.batches.len();
                    cleaned.2 = aborted.clone();
                }
                DiskOpKind::ReplaceSegments { segment, replaced, .. } => {
                    self.replace(*segment, replaced);
                }
                DiskOpKind::DropCleaned { .. } => self.cleaned = None,
                DiskOpKind::Truncate { to, .. } => self.truncate(*to),
                DiskOpKind::DeleteSegments { segments, .. } => {
                    self.segments.retain(|base, _| !segments.contains(base));
                }
                DiskOpKind::WriteFile { file, bytes } => {
                    self.files.insert(file.clone(), bytes.clone());
                }
                DiskOpKind::DeleteFile { file } => {
                    self.files.remove(file);
                }
                other => panic!("a log does not do {other:?}"),
            }
        }
    }

    fn replace(&mut self, segment: Offset, replaced: &[Offset]) {
        let (base, mut stored, aborted) = self.cleaned.take().expect("it was written");
        assert_eq!(base, segment);
        assert_eq!(stored.synced, stored.batches.len(), "synced before it counts");
        assert!(replaced.iter().all(|base| self.segments.contains_key(base)));
        let last = replaced.last().and_then(|last| self.segments.get(last));
        stored.modified_ms = last.map_or(0, |last| last.modified_ms);
        self.segments.retain(|base, _| !replaced.contains(base));
        self.segments.insert(base, stored);
        let file = FileName::TransactionIndex(TP, base);
        self.files.remove(&file);
        if !aborted.is_empty() {
            self.files.insert(file, aborted);
        }
    }

    /// What a read finds.
    pub(crate) fn read(&self, range: &ReadRange) -> Records {
        let stored = &self.segments[&range.segment];
        let (mut records, mut position) = (Records::default(), 0);
        for batch in &stored.batches {
            let wanted = batch.last_offset() >= range.from && batch.base_offset() < range.upto;
            let fits =
                records.is_empty() || records.size_bytes() + batch.size_bytes() <= range.max_bytes;
            if !fits {
                break;
            }
            if wanted {
                assert!(position >= range.position, "a read begins at or before its first batch");
                records.push(Arc::clone(batch));
            }
            position += batch.size_bytes();
        }
        records
    }

    fn truncate(&mut self, to: Offset) {
        let first = self.segments.keys().next().copied();
        self.segments.retain(|base, _| *base < to || (Some(*base) == first && *base == to));
        for segment in self.segments.values_mut() {
            segment.batches.retain(|batch| batch.next_offset() <= to);
            segment.synced = segment.synced.min(segment.batches.len());
            segment.torn_bytes = 0;
        }
    }

    /// All batches in order.
    pub(crate) fn batches(&self) -> Vec<Arc<Batch>> {
        self.segments.values().flat_map(|segment| segment.batches.iter().cloned()).collect()
    }

    /// Power fails: of the batches after the flushed ones, `survivors(base, unsynced)` stay, and
    /// half of the next one when there is one.
    pub(crate) fn crash(&mut self, mut survivors: impl FnMut(Offset, usize) -> usize) {
        self.cleaned = None;
        for (base, segment) in &mut self.segments {
            let unsynced = segment.batches.len() - segment.synced;
            let keep = segment.synced + survivors(*base, unsynced).min(unsynced);
            segment.torn_bytes =
                segment.batches.get(keep).map_or(0, |b| u64::from(b.size_bytes()) / 2);
            segment.batches.truncate(keep);
            segment.synced = keep;
        }
    }

    /// Size of a segment, bytes.
    pub(crate) fn segment_bytes(&self, base: Offset) -> u32 {
        self.segments.get(&base).map_or(0, |s| s.batches.iter().map(|b| b.size_bytes()).sum())
    }
}

impl DiskImage for MemoryDisk {
    fn logs(&self) -> Vec<TopicPartition> {
        vec![TP]
    }

    fn segments(&self, _tp: TopicPartition) -> Vec<Offset> {
        self.segments.keys().copied().collect()
    }

    fn summary(&self, _tp: TopicPartition, segment: Offset) -> SegmentSummary {
        let stored = &self.segments[&segment];
        let mut summary = SegmentSummary {
            bytes: self.segment_bytes(segment),
            next_offset: stored.batches.last().map_or(segment, |b| b.next_offset()),
            max_timestamp: -1,
            max_timestamp_offset: segment,
            first_timestamp: stored.batches.first().map_or(-1, |b| b.header.max_timestamp),
            modified_ms: stored.modified_ms,
        };
        for batch in &stored.batches {
            if batch.header.max_timestamp > summary.max_timestamp {
                summary.max_timestamp = batch.header.max_timestamp;
                summary.max_timestamp_offset = batch.last_offset();
            }
        }
        summary
    }

    fn scan(
        &self,
        _tp: TopicPartition,
        segment: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd {
        let mut position = 0;
        for batch in &self.segments[&segment].batches {
            visit(position, batch);
            position += batch.size_bytes();
        }
        match self.segments[&segment].torn_bytes {
            0 => ScanEnd::Clean,
            bytes => ScanEnd::Torn { bytes },
        }
    }

    fn file(&self, file: &FileName) -> Option<Bytes> {
        self.files.get(file).cloned()
    }

    fn producer_snapshots(&self, tp: TopicPartition) -> Vec<Offset> {
        let offset = |name: &FileName| match name {
            FileName::ProducerSnapshot(of, offset) if *of == tp => Some(*offset),
            _ => None,
        };
        self.files.keys().filter_map(offset).collect()
    }
}

/// A batch of `count` records and `body_bytes` of body, without producer id.
pub(crate) fn batch(count: i32, body_bytes: usize, timestamp: i64) -> Batch {
    Batch {
        header: BatchHeader {
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
        },
        body: Body::Owned(Bytes::from(vec![b'x'; body_bytes])),
    }
}

/// A batch of an idempotent producer.
pub(crate) fn sequenced(id: i64, epoch: i16, sequence: i32, count: i32) -> Batch {
    let mut batch = batch(count, 40, 1000);
    batch.header.producer_id = id;
    batch.header.producer_epoch = epoch;
    batch.header.base_sequence = sequence;
    batch
}

/// A batch as a leader has numbered it.
pub(crate) fn numbered(mut batch: Batch, base_offset: Offset, epoch: i32) -> Records {
    batch.header.base_offset = base_offset;
    batch.header.partition_leader_epoch = epoch;
    Records::single(Arc::new(batch))
}

/// One batch as records.
pub(crate) fn records(batch: Batch) -> Records {
    Records::single(Arc::new(batch))
}

/// A client's append in a leader epoch.
pub(crate) fn client(leader_epoch: i32) -> AppendContext {
    AppendContext { wall_ms: 5000, leader_epoch, origin: Origin::Client, plant: None }
}

/// The disk has done these operations of a log: its leader epochs are on record.
pub(crate) fn epochs_written(log: &mut Log, ops: &[DiskOpKind]) {
    let is_of_epochs = |op: &&DiskOpKind| {
        matches!(op, DiskOpKind::WriteFile { file: FileName::LeaderEpochs(_), .. })
    };
    ops.iter().filter(is_of_epochs).for_each(|_| log.epochs_written());
}
