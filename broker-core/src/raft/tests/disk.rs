//! A disk with a page cache: operations take effect in order when they complete; a power failure
//! keeps what was fsynced, a killed process leaves everything that was written.

use crate::ids::{Offset, TopicPartition};
use crate::records::Batch;
use crate::seam::{DiskImage, DiskOpKind, DiskResult, FileName, ScanEnd, SegmentSummary};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

type Segments = BTreeMap<Offset, Vec<Arc<Batch>>>;

/// The disk of one node, for its metadata log only.
#[derive(Debug, Default, Clone)]
pub(crate) struct TestDisk {
    created: bool,
    cached: Segments,
    durable: Segments,
    files: BTreeMap<FileName, Bytes>,
}

impl TestDisk {
    /// Completes an operation.
    pub(crate) fn apply(&mut self, kind: DiskOpKind) -> DiskResult {
        match kind {
            DiskOpKind::CreateLog { .. } => {
                assert!(!self.created, "the log is created once");
                self.created = true;
            }
            DiskOpKind::Append { segment, records, .. } => {
                assert!(self.created, "the log is created before");
                let batches = self.cached.entry(segment).or_default();
                batches.extend(records.batches().iter().cloned());
            }
            DiskOpKind::Sync { segment, .. } => {
                let batches = self.cached.get(&segment).expect("only what exists is synced");
                self.durable.insert(segment, batches.clone());
                // the directory shows the same segments as the cache from here on
                let cached = &self.cached;
                self.durable.retain(|base, _| cached.contains_key(base));
            }
            DiskOpKind::Truncate { to, .. } => {
                self.cached.retain(|base, _| *base <= to);
                for batches in self.cached.values_mut() {
                    batches.retain(|batch| batch.base_offset() < to);
                    assert!(batches.last().is_none_or(|batch| batch.next_offset() <= to));
                }
            }
            DiskOpKind::DeleteSegments { segments, .. } => {
                for base in segments {
                    self.cached.remove(&base);
                    self.durable.remove(&base);
                }
            }
            DiskOpKind::WriteFile { file, bytes } => {
                self.files.insert(file, bytes);
            }
            DiskOpKind::DeleteFile { file } => {
                self.files.remove(&file).expect("only what exists is deleted");
            }
            kind => panic!("Raft does not need {kind:?}"),
        }
        DiskResult::Done
    }

    /// What a power failure leaves.
    pub(super) fn lose_power(&mut self) {
        self.cached = self.durable.clone();
    }

    /// Offset after the last fsynced record.
    pub(super) fn durable_end(&self) -> Offset {
        self.durable.values().flatten().map(|batch| batch.next_offset()).max().unwrap_or(0)
    }

    /// The fsynced batch that ends at an offset.
    pub(super) fn durable_batch_ending_at(&self, end: Offset) -> Option<&Arc<Batch>> {
        self.durable.values().flatten().find(|batch| batch.next_offset() == end)
    }

    pub(super) fn has_snapshot_at(&self, end: Offset) -> bool {
        self.files
            .keys()
            .any(|file| matches!(file, FileName::MetadataSnapshot(offset, _) if *offset >= end))
    }

    pub(super) fn remove_file(&mut self, file: &FileName) {
        self.files.remove(file);
    }
}

impl DiskImage for TestDisk {
    fn logs(&self) -> Vec<TopicPartition> {
        if self.created { vec![TopicPartition::METADATA] } else { Vec::new() }
    }

    fn segments(&self, _: TopicPartition) -> Vec<Offset> {
        self.cached.keys().copied().collect()
    }

    fn summary(&self, _: TopicPartition, _: Offset) -> SegmentSummary {
        panic!("the metadata log is always scanned")
    }

    fn scan(
        &self,
        _: TopicPartition,
        segment: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd {
        let mut position = 0;
        for batch in self.cached.get(&segment).into_iter().flatten() {
            visit(position, batch);
            position += batch.size_bytes();
        }
        ScanEnd::Clean
    }

    fn file(&self, file: &FileName) -> Option<Bytes> {
        self.files.get(file).cloned()
    }

    fn producer_snapshots(&self, _: TopicPartition) -> Vec<Offset> {
        Vec::new()
    }
}
