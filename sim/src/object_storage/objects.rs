//! Segments in object storage with their metadata, which is strongly consistent: what is added is in
//! the next list.

use crate::disk::{Content, Dictionary, first_at_or_after};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, RemoteSegmentId, TopicPartition};
use stormglass_broker_core::records::{Batch, Records};
use stormglass_broker_core::seam::RemoteSegment;

/// A segment.
#[derive(Debug)]
struct Object {
    segment: Arc<RemoteSegment>,
    content: Content,
}

/// All segments.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// What batches have in common.
    dictionary: Dictionary,
    by_id: BTreeMap<RemoteSegmentId, Object>,
    /// In order of base offsets.
    by_tp: BTreeMap<TopicPartition, Vec<RemoteSegmentId>>,
    bytes: u64,
}

/// A stretch of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Objects {
    /// Packs the batches of a segment.
    pub(crate) fn pack(&mut self, batches: &mut dyn Iterator<Item = Arc<Batch>>) -> Content {
        let mut content = Content::default();
        batches.for_each(|batch| content.push(batch, &mut self.dictionary));
        content.seal(&mut self.dictionary);
        content
    }

    /// Adds a segment.
    pub(crate) fn add(&mut self, segment: RemoteSegment, content: Content) -> Arc<RemoteSegment> {
        let segment = Arc::new(segment);
        let (id, tp, base) = (segment.id, segment.tp, segment.base);
        self.bytes += u64::from(segment.bytes);
        self.by_id.insert(id, Object { segment: Arc::clone(&segment), content });
        let by_id = &self.by_id;
        let list = self.by_tp.entry(tp).or_default();
        let at = list.partition_point(|other| by_id[other].segment.base <= base);
        list.insert(at, id);
        segment
    }

    /// Removes a segment; what it was.
    pub(crate) fn remove(&mut self, id: RemoteSegmentId) -> Option<Arc<RemoteSegment>> {
        let Object { segment, .. } = self.by_id.remove(&id)?;
        self.bytes -= u64::from(segment.bytes);
        if let Some(list) = self.by_tp.get_mut(&segment.tp) {
            list.retain(|other| *other != id);
        }
        Some(segment)
    }

    /// Segments of a partition, in order of base offsets.
    pub(crate) fn list(&self, tp: TopicPartition) -> Vec<Arc<RemoteSegment>> {
        let ids = self.by_tp.get(&tp).into_iter().flatten();
        ids.map(|id| Arc::clone(&self.by_id[id].segment)).collect()
    }

    /// Bytes stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A segment's partition, and its length in bytes.
    pub(crate) fn find(&self, id: RemoteSegmentId) -> Option<(TopicPartition, u64)> {
        let object = self.by_id.get(&id)?;
        Some((object.segment.tp, u64::from(object.content.end_position())))
    }

    /// Batches from the one that holds `from`, below `upto`: at least one, more while they fit into
    /// `max_bytes`; and where they lie.
    pub(crate) fn read(
        &self,
        id: RemoteSegmentId,
        (from, upto): (Offset, Offset),
        max_bytes: u32,
    ) -> Option<(Records, Stretch)> {
        let object = self.by_id.get(&id)?;
        let (mut records, mut stretch) = (Records::default(), Stretch { from: 0, to: 0 });
        for found in object.content.batches_from(from, &self.dictionary) {
            let fits = records.size_bytes() + found.size_bytes() <= max_bytes;
            if found.last_offset() >= upto || !(fits || records.is_empty()) {
                break;
            }
            if records.is_empty() {
                stretch.from = u64::from(found.position());
            }
            stretch.to = u64::from(found.position() + found.size_bytes());
            records.push(found.into_batch(&self.dictionary));
        }
        Some((records, stretch))
    }

    /// First record at or after an offset and a timestamp, and where its batch lies.
    pub(crate) fn find_timestamp(
        &self,
        id: RemoteSegmentId,
        from: Offset,
        timestamp: i64,
    ) -> Option<(Option<(i64, Offset)>, Stretch)> {
        let object = self.by_id.get(&id)?;
        let first = object.segment.base.max(from);
        let all = object.content.batches_from(first, &self.dictionary);
        let mut young =
            all.filter(|found| found.max_timestamp() >= timestamp && found.has_records());
        let found = young.find_map(|found| {
            let start = u64::from(found.position());
            let stretch = Stretch { from: start, to: start + u64::from(found.size_bytes()) };
            let batch = found.into_batch(&self.dictionary);
            Some((first_at_or_after(&batch, from, timestamp)?, stretch))
        });
        let found = found.map(|(record, stretch)| (Some(record), stretch));
        Some(found.unwrap_or((None, Stretch { from: 0, to: 1 })))
    }

    /// Every batch of a partition, segment by segment.
    pub(crate) fn visit(&self, tp: TopicPartition, from: Offset, visit: &mut dyn FnMut(&Batch)) {
        for id in self.by_tp.get(&tp).into_iter().flatten() {
            let object = &self.by_id[id];
            if object.segment.end < from {
                continue;
            }
            for found in object.content.batches_from(from, &self.dictionary) {
                visit(&found.into_batch(&self.dictionary));
            }
        }
    }
}
