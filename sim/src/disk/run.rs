//! Synthetic batches of one shape, as a backlog that was produced before the run: any number of
//! them costs nothing. Leaves out idempotence: they have no producer id.

use super::dictionary::Dictionary;
use super::packed::Cold;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::records::BatchHeader;

/// Identical batches in a row.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) count: u32,
    pub(crate) batch_bytes: u32,
    /// Records per batch.
    pub(crate) records: i32,
    pub(crate) template: u32,
    pub(crate) first_tag: u64,
    pub(crate) base_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    /// Timestamp of the first batch, ms, and nanoseconds from one batch to the next.
    pub(crate) first_timestamp_ms: i64,
    pub(crate) step_ns: u64,
}

impl Run {
    pub(crate) fn first_offset(&self) -> Offset {
        self.base_offset
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.base_offset + i64::from(self.count) * i64::from(self.records)
    }

    pub(crate) fn size_bytes(&self) -> u32 {
        self.count * self.batch_bytes
    }

    pub(crate) fn timestamp_ms(&self, index: u32) -> i64 {
        let since_ms = u128::from(self.step_ns) * u128::from(index) / 1_000_000;
        self.first_timestamp_ms.saturating_add(i64::try_from(since_ms).unwrap_or(i64::MAX))
    }

    /// Without the batches that hold `to` or come after it; `None` when nothing is left.
    pub(crate) fn truncated(mut self, to: Offset) -> Option<Self> {
        let kept = (to - self.base_offset).max(0) / i64::from(self.records);
        self.count = self.count.min(u32::try_from(kept).unwrap_or(u32::MAX));
        (self.count > 0).then_some(self)
    }

    /// Batches from the one that holds `from` on.
    pub(crate) fn iter<'a>(
        &'a self,
        from: Offset,
        first_position: u32,
        dictionary: &'a Dictionary,
    ) -> impl Iterator<Item = Cold> + 'a {
        let skip = (from - self.base_offset).max(0) / i64::from(self.records);
        let skip = u32::try_from(skip).unwrap_or(u32::MAX).min(self.count);
        (skip..self.count).map(move |index| {
            let position = first_position + index * self.batch_bytes;
            let tag = self.first_tag.wrapping_add(u64::from(index));
            Cold::of_template(position, self.header(index), self.template, tag, dictionary)
        })
    }

    fn header(&self, index: u32) -> BatchHeader {
        let timestamp = self.timestamp_ms(index);
        BatchHeader {
            base_offset: self.base_offset + i64::from(index) * i64::from(self.records),
            partition_leader_epoch: self.leader_epoch,
            attributes: 0,
            last_offset_delta: self.records - 1,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: self.records,
        }
    }
}
