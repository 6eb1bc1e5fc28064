//! What stays of a batch (Kafka's `Cleaner.cleanInto` and `shouldRetainRecord`).

use super::offset_map::OffsetMap;
use super::transactions::CleanedTransactions;
use crate::ids::Offset;
use crate::log::producers::Producers;
use crate::plant::{Plant, planted};
use crate::records::{Batch, Body, RecordError, RecordView};
use bytes::Bytes;
use std::sync::Arc;

/// What decides about batches of one segment.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) transactions: &'a mut CleanedTransactions,
    pub(super) producers: &'a Producers,
    /// Wall clock, ms since the epoch.
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    /// Last offset of what becomes one segment: its batch stays, empty if need be, so that recovery
    /// does not take a cleaned segment for one that has lost its tail.
    pub(super) last_offset: Offset,
    pub(super) plant: Option<Plant>,
    /// Records looked at.
    pub(super) walked: u64,
}

impl Filter<'_> {
    /// What stays of a batch; `None` when nothing does.
    pub(super) fn apply(&mut self, batch: &Arc<Batch>) -> Result<Option<Arc<Batch>>, RecordError> {
        let header = &batch.header;
        let keyed = planted(self.plant, Plant::MarkersCleanedByKey);
        if header.is_control() && !keyed {
            return Ok(self.apply_to_marker(batch));
        }
        if self.transactions.meets_batch(batch) {
            return Ok(self.empty(batch));
        }
        let body = batch.unpack()?;
        // as many as the header says, which may be anybody's
        let mut kept = Vec::with_capacity(header.record_count.clamp(0, 64) as usize);
        let mut count = 0;
        batch.walk(&body, |record| {
            count += 1;
            if self.keeps(batch.offset_of(record)?, batch, record) {
                kept.push(record);
            }
            Ok::<(), RecordError>(())
        })?;
        self.walked += count as u64;
        if kept.is_empty() {
            return Ok(self.empty(batch));
        }
        let has_tombstones = kept.iter().any(|record| record.value.is_none());
        let horizon = (has_tombstones && header.delete_horizon_ms().is_none())
            .then(|| self.now_ms.saturating_add(self.delete_retention_ms));
        if kept.len() == count && horizon.is_none() {
            return Ok(Some(Arc::clone(batch)));
        }
        let kept = kept.into_iter().map(|record| record.to_record(&body)).collect();
        batch.with_records(kept, horizon).map(|batch| Some(Arc::new(batch)))
    }

    /// A marker goes when nothing that it decides is left, and not before the horizon that the
    /// first pass to see this has set: a reader that is under way may need it.
    fn apply_to_marker(&mut self, batch: &Arc<Batch>) -> Option<Arc<Batch>> {
        if !self.transactions.meets_marker(batch) {
            return Some(Arc::clone(batch));
        }
        match batch.header.delete_horizon_ms() {
            _ if batch.header.record_count == 0 => self.empty(batch),
            Some(horizon_ms) if horizon_ms <= self.now_ms => self.empty(batch),
            Some(_) => Some(Arc::clone(batch)),
            None => {
                let horizon_ms = self.now_ms.saturating_add(self.delete_retention_ms);
                let records = batch.records().ok()?;
                batch.with_records(records, Some(horizon_ms)).ok().map(Arc::new)
            }
        }
    }

    fn keeps(&self, offset: Offset, batch: &Batch, record: RecordView<'_>) -> bool {
        if self.map.latest().is_none_or(|latest| offset > latest) {
            return true;
        }
        let Some(key) = record.key else { return false };
        let horizon_ms = batch.header.delete_horizon_ms();
        let is_over = horizon_ms.is_some_and(|horizon_ms| self.now_ms >= horizon_ms)
            || planted(self.plant, Plant::TombstonesGoAtOnce);
        !self.map.has_newer(key, offset) && (record.value.is_some() || !is_over)
    }

    /// A batch without records stays as its header when it is the last that a producer wrote: its
    /// sequence and epoch are needed when the log is read anew.
    fn empty(&self, batch: &Arc<Batch>) -> Option<Arc<Batch>> {
        let header = &batch.header;
        let producer = self.producers.get(header.producer_id);
        let is_last_of_producer = header.has_producer_id()
            && producer.is_some_and(|producer| match producer.batches().last() {
                Some(last) => last.last_offset == batch.last_offset(),
                None => header.is_control() && header.producer_epoch == producer.epoch,
            });
        if !is_last_of_producer && batch.last_offset() != self.last_offset {
            return None;
        }
        if header.record_count == 0 {
            return Some(Arc::clone(batch));
        }
        let body = Body::Owned(Bytes::new());
        Some(Arc::new(Batch { header: header.without_records(), body }))
    }
}
