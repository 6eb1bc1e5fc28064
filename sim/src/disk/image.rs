//! What a starting broker finds on its disk. Leaves out the time that looking takes:
//! [`Disk::recovery_time_ns`] tells that.

use super::device::Disk;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::{DiskImage, FileName, ScanEnd, SegmentSummary};

impl Disk {
    /// Batches of a log that lie wholly within these offsets, in order; of a damaged segment those before the
    /// damage.
    #[must_use]
    pub fn batches(&self, tp: TopicPartition, within: &Range<Offset>) -> Vec<Arc<Batch>> {
        let mut found = Vec::new();
        for segment in self.segments(tp) {
            self.scan(tp, segment, &mut |_, batch| {
                if within.start <= batch.base_offset() && batch.next_offset() <= within.end {
                    found.push(Arc::clone(batch));
                }
            });
        }
        found
    }
}

impl DiskImage for Disk {
    fn logs(&self) -> Vec<TopicPartition> {
        let mut logs: Vec<_> = self.store.logs().map(|log| log.tp).collect();
        logs.sort_unstable();
        logs
    }

    fn segments(&self, tp: TopicPartition) -> Vec<Offset> {
        let segments = self.store.log(tp).map(|log| &log.segments);
        segments.into_iter().flatten().map(|segment| segment.base).collect()
    }

    fn summary(&self, tp: TopicPartition, segment: Offset) -> SegmentSummary {
        let Some(found) = self.store.segment(tp, segment) else {
            return SegmentSummary {
                bytes: 0,
                next_offset: segment,
                max_timestamp: -1,
                max_timestamp_offset: segment,
                first_timestamp: -1,
                modified_ms: 0,
            };
        };
        SegmentSummary {
            bytes: found.content.end_position(),
            next_offset: found.next_offset(),
            max_timestamp: found.max_timestamp,
            max_timestamp_offset: found.max_timestamp_offset,
            first_timestamp: self.store.first_timestamp(found),
            modified_ms: found.modified_ms,
        }
    }

    fn scan(
        &self,
        tp: TopicPartition,
        segment: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd {
        let Some(found) = self.store.segment(tp, segment) else { return ScanEnd::Clean };
        let dictionary = self.store.dictionary();
        for batch in found.content.batches_from(found.base, dictionary) {
            let position = batch.position();
            visit(position, &batch.into_batch(dictionary));
        }
        if found.torn > 0 { ScanEnd::Torn { bytes: found.torn } } else { ScanEnd::Clean }
    }

    fn file(&self, file: &FileName) -> Option<Bytes> {
        self.store.file(file).cloned()
    }

    fn producer_snapshots(&self, tp: TopicPartition) -> Vec<Offset> {
        self.store.producer_snapshots(tp).collect()
    }
}
