//! Reading logs: ranges for fetches, and the first record at or after a timestamp.

use super::{Extent, Store};
use crate::disk::content::Hot;
use crate::disk::segment::{Segment, find};
use crate::disk::timestamp::first_at_or_after;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::ReadRange;

impl Store {
    /// Largest timestamp of a segment's first batch, ms; `-1` when there is none.
    pub(in crate::disk) fn first_timestamp(&self, segment: &Segment) -> i64 {
        let first = segment.content.batches_from(segment.base, &self.dictionary).next();
        first.map_or(-1, |found| found.max_timestamp())
    }

    /// Reads ranges, in order; the stretches read are added to `extents`.
    pub(crate) fn read(
        &self,
        ranges: &[ReadRange],
        max_bytes: u32,
        extents: &mut Vec<Extent>,
    ) -> Vec<Records> {
        let mut left = max_bytes;
        let mut first = true;
        let mut answer = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (records, extent) = self.read_range(range, left, first);
            left = left.saturating_sub(records.size_bytes());
            first &= records.is_empty();
            extents.extend(extent);
            answer.push(records);
        }
        answer
    }

    /// `first`: a batch that is larger than the limits is returned all the same.
    fn read_range(&self, range: &ReadRange, left: u32, first: bool) -> (Records, Option<Extent>) {
        let mut records = Records::default();
        let Some(log) = self.log(range.tp) else { return (records, None) };
        let Some(at) = find(&log.segments, range.segment) else { return (records, None) };
        let segment = &log.segments[at];
        let limit = range.max_bytes.min(left);
        // From the first batch to the end of the last one.
        let mut span = (u32::MAX, 0);
        let mut take = |last_offset, position, size_bytes| {
            let over = span.1 - span.0.min(span.1) + size_bytes > limit;
            let exempt = first && span.1 == 0;
            let takes = last_offset < range.upto && (exempt || !over);
            if takes {
                span = (span.0.min(position), position + size_bytes);
            }
            takes
        };
        match segment.content.tail_from(range.from) {
            Some(tail) => {
                for Hot { position, batch, .. } in tail {
                    if !take(batch.last_offset(), *position, batch.size_bytes()) {
                        break;
                    }
                    records.push(Arc::clone(batch));
                }
            }
            None => {
                for found in segment.content.batches_from(range.from, &self.dictionary) {
                    if !take(found.last_offset(), found.position(), found.size_bytes()) {
                        break;
                    }
                    records.push(found.into_batch(&self.dictionary));
                }
            }
        }
        let (from, to) = (u64::from(span.0), u64::from(span.1));
        let (volume, file, len) = (log.volume, segment.file, segment.len());
        let extent = (to > 0).then_some(Extent { volume, file, from, to, len });
        (records, extent)
    }

    /// First record of a segment (by its base) from a position on, at or after an offset and a
    /// timestamp, and the stretch that was read for it.
    pub(crate) fn find_timestamp(
        &self,
        (tp, base, position): (TopicPartition, Offset, u32),
        from: Offset,
        timestamp: i64,
    ) -> (Option<(i64, Offset)>, Option<Extent>) {
        let Some(log) = self.log(tp) else { return (None, None) };
        let Some(at) = find(&log.segments, base) else { return (None, None) };
        let segment = &log.segments[at];
        let start = segment.content.batch_across(u64::from(position), &self.dictionary);
        let Some((first, _)) = start else { return (None, None) };
        let mut young = segment
            .content
            .batches_from(first.max(from), &self.dictionary)
            .filter(|found| found.max_timestamp() >= timestamp && found.has_records());
        let found = young.find_map(|found| {
            let to = u64::from(found.position() + found.size_bytes());
            let batch = found.into_batch(&self.dictionary);
            Some((first_at_or_after(&batch, from, timestamp)?, to))
        });
        let to = found.map_or(segment.bytes(), |(_, to)| to);
        let extent = Extent {
            volume: log.volume,
            file: segment.file,
            from: u64::from(position),
            to,
            len: segment.len(),
        };
        (found.map(|(found, _)| found), Some(extent))
    }
}
