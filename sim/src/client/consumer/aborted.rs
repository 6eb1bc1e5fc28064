//! Which batches a reader of committed records leaves out: Kafka's `CompletedFetch` with its
//! `abortedTransactions` and `abortedProducerIds`.

use std::collections::BTreeSet;
use stormglass_broker_core::protocol::AbortedTransaction;
use stormglass_broker_core::records::{Batch, EndTxnMarker};

/// The aborted transactions of one fetched partition.
#[derive(Debug)]
pub(crate) struct Aborted {
    /// Those that have not begun yet, the last one first.
    ahead: Vec<AbortedTransaction>,
    /// Producers in the middle of one.
    producers: BTreeSet<i64>,
}

impl Aborted {
    /// From an answer's list; `None` when there is nothing to leave out.
    pub(crate) fn new(list: &[AbortedTransaction]) -> Option<Box<Self>> {
        let mut ahead = list.to_vec();
        ahead.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        let producers = BTreeSet::new();
        (!ahead.is_empty()).then(|| Box::new(Self { ahead, producers }))
    }

    /// Whether a batch is to be left out. Batches come in order; one may come several times.
    pub(crate) fn hides(&mut self, batch: &Batch) -> bool {
        while let Some(next) = self.ahead.last()
            && next.first_offset <= batch.last_offset()
        {
            self.producers.insert(next.producer_id);
            self.ahead.pop();
        }
        let producer = batch.header.producer_id;
        if batch.header.is_control() {
            if EndTxnMarker::of(batch).is_some_and(|marker| !marker.commit) {
                self.producers.remove(&producer);
            }
            return true;
        }
        batch.header.is_transactional() && self.producers.contains(&producer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    fn of(producer_id: i64, base: i64) -> Batch {
        let mut batch = Batch::clone(&batch(base, 2, 1));
        batch.header = batch.header.as_transactional();
        batch.header.producer_id = producer_id;
        batch
    }

    fn marker(producer_id: i64, base: i64, commit: bool) -> Batch {
        let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
        let mut batch = marker.to_batch(producer_id, 0, 0);
        batch.header.base_offset = base;
        batch
    }

    #[test]
    fn a_producers_batches_are_hidden_up_to_its_abort_marker() {
        let list = [AbortedTransaction { producer_id: 7, first_offset: 2 }];
        let mut aborted = Aborted::new(&list).unwrap();
        assert!(!aborted.hides(&of(7, 0)), "of the transaction before");
        assert!(aborted.hides(&of(7, 2)) && aborted.hides(&of(7, 2)));
        assert!(!aborted.hides(&of(8, 4)));
        assert!(aborted.hides(&marker(8, 6, true)) && aborted.hides(&of(7, 7)));
        assert!(aborted.hides(&marker(7, 9, false)) && !aborted.hides(&of(7, 10)));
        assert!(Aborted::new(&[]).is_none());
    }
}
