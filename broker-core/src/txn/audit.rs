//! What a coordinator knows of transactions, and what it would know had it just read its log: for
//! checkers.

use super::coordinator::{LogPartition, TransactionCoordinator};
use super::state::{Transaction, Values};
use crate::ids::{LeaderEpoch, NO_EPOCH, TopicPartition};
use crate::inspect::{MarkerView, TransactionView, TransactionalIdView, TransactionsLogView};
use crate::metadata::MetadataImage;
use crate::protocol::{ProducerIdAndEpoch, TransactionRules, TransactionState};
use crate::records::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

impl TransactionCoordinator {
    /// Transactional ids of a partition; `None` while it is not coordinated here, or being loaded, or
    /// a change is under way.
    pub(crate) fn views(&self, partition: i32) -> Option<BTreeMap<Arc<str>, TransactionView>> {
        let state = self.partitions.get(&partition).filter(|state| state.loading.is_none())?;
        let mut all = state.transactions.values();
        // an id that has got no further than its first InitProducerId is not in the log
        (!all.any(|transaction| transaction.is_changing)).then(|| state.views())
    }

    /// Partitions that are coordinated here.
    pub(crate) fn logs(&self) -> impl Iterator<Item = TransactionsLogView> {
        self.partitions.iter().map(|(partition, state)| TransactionsLogView {
            tp: state.tp,
            epoch: state.epoch,
            is_loaded: state.loading.is_none(),
            is_stalled: self.stalled.contains(partition),
        })
    }

    /// A partition whose load nothing goes on with.
    pub(crate) fn idle_load(&self) -> Option<i32> {
        let loading = self.partitions.iter().filter(|(_, state)| state.loading.is_some());
        let loading = loading.map(|(partition, state)| (*partition, state.epoch));
        self.failed_loads.idle(loading, &self.loads, &self.stalled)
    }

    /// Transactions whose end is decided, and nothing brings it about.
    pub(crate) fn idle_ends(&self) -> usize {
        let loaded = self.partitions.iter().filter(|(_, state)| state.loading.is_none());
        let all = loaded.flat_map(|(partition, state)| {
            state.transactions.iter().map(move |(id, known)| (*partition, id, known))
        });
        let idle = all.filter(|(partition, id, known)| {
            let waits = known.values.state.is_ending() && !known.is_changing;
            waits && !self.markers.goes_on_with(*partition, id)
        });
        idle.count()
    }

    /// Transactional ids with partitions that are to get a marker, and of which there is no topic.
    pub(crate) fn homeless_markers<'a>(
        &'a self,
        image: &'a MetadataImage,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a (Arc<str>, i32))> {
        self.markers.homeless(image)
    }

    /// What a request has asked a leader to write, as far as it is not known to be written.
    pub(crate) fn asked_markers(&self, correlation: u64) -> Vec<MarkerView> {
        let asked = self.markers.asked_by(correlation);
        let view = |(end, tp, named): (u64, TopicPartition, &(Arc<str>, i32))| MarkerView {
            end,
            tp,
            topic: Arc::clone(&named.0),
        };
        asked.map(view).collect()
    }

    /// Whether the partition of a marker is still to get it.
    pub(crate) fn lacks_marker(&self, marker: &MarkerView) -> bool {
        let named = (Arc::clone(&marker.topic), marker.tp.partition);
        self.markers.lacks(marker.end, &named)
    }

    /// Transactions that have been open for longer, at a time in ms, than their producers have said, and of which no
    /// change is under way: where their log is, the epoch in which it is led, and the id.
    pub(crate) fn overdue(
        &self,
        wall_ms: i64,
    ) -> impl Iterator<Item = (TopicPartition, LeaderEpoch, &Arc<str>)> {
        let loaded = self.partitions.values().filter(|state| state.loading.is_none());
        loaded.flat_map(move |state| {
            let overdue = move |known: &Transaction| {
                let Values { state, start_ms, timeout_ms, .. } = &known.values;
                let ends_ms = start_ms.saturating_add(i64::from(*timeout_ms));
                !known.is_changing && *state == TransactionState::Ongoing && ends_ms < wall_ms
            };
            let all = state.transactions.iter().filter(move |(_, known)| overdue(known));
            all.map(move |(id, _)| (state.tp, state.epoch, id))
        })
    }

    /// The producer of a transactional id.
    pub(crate) fn producer_of(&self, id: &str) -> Option<ProducerIdAndEpoch> {
        let loaded = self.partitions.values().filter(|state| state.loading.is_none());
        let known = loaded.filter_map(|state| state.transactions.get(id)).next()?;
        let producer = known.values.producer;
        (!known.is_changing && producer.epoch >= 0).then_some(producer)
    }

    /// All of a transactional id.
    pub(crate) fn view_of(&self, id: &str) -> Option<TransactionalIdView> {
        let mut loaded = self.partitions.values().filter(|state| state.loading.is_none());
        loaded.find_map(|state| state.transactions.get(id)).map(Transaction::view)
    }

    /// All of the transactional id that a producer id belongs to.
    pub(crate) fn view_of_producer(&self, producer_id: i64) -> Option<TransactionalIdView> {
        let loaded = self.partitions.values().filter(|state| state.loading.is_none());
        let mut known = loaded.flat_map(|state| state.transactions.values());
        known.find(|known| known.values.producer.id == producer_id).map(Transaction::view)
    }
}

impl Transaction {
    fn view(&self) -> TransactionalIdView {
        let values = &self.values;
        TransactionalIdView {
            producer: values.producer,
            last: values.last,
            next_id: values.next_id,
            is_epoch_each: values.rules == TransactionRules::EpochEach,
            state: values.state,
            partitions: values.partitions.clone(),
            began_ms: values.start_ms,
            timeout_ms: values.timeout_ms,
            is_changing: self.is_changing,
        }
    }
}

impl LogPartition {
    fn views(&self) -> BTreeMap<Arc<str>, TransactionView> {
        let written =
            self.transactions.iter().filter(|(_, known)| known.values.producer.epoch >= 0);
        written.map(|(id, known)| (Arc::clone(id), known.view().written())).collect()
    }
}

/// Transactional ids that follow from a log's batches.
pub(crate) fn replay_transactions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeMap<Arc<str>, TransactionView> {
    let mut state = LogPartition {
        tp: TopicPartition::METADATA,
        epoch: NO_EPOCH,
        loading: None,
        transactions: BTreeMap::new(),
    };
    for batch in batches {
        let Ok(body) = batch.unpack() else { continue };
        for record in &batch.views(&body).unwrap_or_default() {
            state.replay(record);
        }
    }
    state.views()
}
