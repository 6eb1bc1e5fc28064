//! Transactions as a cleaning pass meets them (Kafka's `CleanedTransactionMetadata`): whose records
//! are aborted, and which markers have nothing left to decide.

use crate::ids::Offset;
use crate::log::aborted::Aborted;
use crate::records::{Batch, EndTxnMarker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An aborted transaction that the pass is inside of.
#[derive(Debug)]
struct Ongoing {
    entry: Aborted,
    /// Whether records of it were met.
    has_records: bool,
}

/// State of a pass; one for all segments of it, so that a marker knows what came before (LOG-04).
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Not yet met, by first offset.
    ahead: VecDeque<Aborted>,
    aborted: BTreeMap<i64, Ongoing>,
    committed: BTreeSet<i64>,
    /// Offsets of the markers of aborted transactions that had records.
    kept: BTreeSet<Offset>,
}

impl CleanedTransactions {
    /// Before the first batch; `aborted` are those with records at or after it.
    pub(super) fn new(mut aborted: Vec<Aborted>) -> Self {
        aborted.sort_by_key(|entry| (entry.first_offset, entry.last_offset));
        Self { ahead: aborted.into(), ..Self::default() }
    }

    fn advance(&mut self, offset: Offset) {
        while let Some(entry) = self.ahead.pop_front_if(|entry| entry.first_offset <= offset) {
            let begun = Ongoing { entry, has_records: false };
            self.aborted.entry(entry.producer_id).or_insert(begun);
        }
    }

    /// A batch of records: whether they were aborted.
    pub(super) fn meets_batch(&mut self, batch: &Batch) -> bool {
        self.advance(batch.last_offset());
        if !batch.header.is_transactional() {
            return false;
        }
        let producer_id = batch.header.producer_id;
        match self.aborted.get_mut(&producer_id) {
            Some(ongoing) => {
                ongoing.has_records = true;
                true
            }
            None => {
                self.committed.insert(producer_id);
                false
            }
        }
    }

    /// A control batch: whether it decides nothing that is still there.
    pub(super) fn meets_marker(&mut self, batch: &Batch) -> bool {
        self.advance(batch.last_offset());
        if batch.header.record_count == 0 {
            return true; // cleaned before, and kept for its producer's epoch
        }
        let Some(marker) = EndTxnMarker::of(batch) else { return false };
        let producer_id = batch.header.producer_id;
        if marker.commit {
            return !self.committed.remove(&producer_id);
        }
        let Some(ended) = self.aborted.remove(&producer_id) else { return true };
        if ended.has_records {
            self.kept.insert(ended.entry.last_offset);
        }
        !ended.has_records
    }

    /// Whether readers must still learn of an aborted transaction whose marker has been met.
    pub(super) fn keeps(&self, entry: &Aborted) -> bool {
        self.kept.contains(&entry.last_offset)
    }
}
