//! Transactional ids, one by one.

use crate::broker::Broker;
use crate::ids::{ConnectionId, CorrelationId, LeaderEpoch, TopicPartition};
use crate::inspect::TransactionView;
use crate::protocol::{ProducerIdAndEpoch, TransactionState};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A transactional id as its coordinator has it, a change that is under way left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionalIdView {
    /// Producer id and epoch; epoch `-1` before the first session.
    pub producer: ProducerIdAndEpoch,
    /// Who had the id before, for retries; epoch `-1` = nobody who may come again.
    pub last: ProducerIdAndEpoch,
    /// Producer id after this transaction, as this one's epochs have ended.
    pub next_id: Option<i64>,
    /// Whether the last end began an epoch (KIP-890, second part).
    pub is_epoch_each: bool,
    /// Where its transaction is.
    pub state: TransactionState,
    /// Partitions of the transaction, by the names of their topics.
    pub partitions: BTreeSet<(Arc<str>, i32)>,
    /// When the transaction began, ms; `-1` = it has not.
    pub began_ms: i64,
    /// `transaction.timeout.ms` of its producer.
    pub timeout_ms: i32,
    /// Whether the log is being told of a change.
    pub is_changing: bool,
}

impl TransactionalIdView {
    /// What a log has of it.
    #[must_use]
    pub fn written(self) -> TransactionView {
        let is_epoch_each = self.is_epoch_each;
        TransactionView {
            producer: self.producer,
            state: self.state,
            partitions: self.partitions.into_iter().collect(),
            began_ms: self.began_ms,
            timeout_ms: self.timeout_ms,
            is_epoch_each,
            previous_producer_id: is_epoch_each.then_some(self.last.id),
            next_producer_id: self.next_id.filter(|_| is_epoch_each),
        }
    }
}

/// A partition of `__transaction_state` that a broker coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionsLogView {
    /// Partition.
    pub tp: TopicPartition,
    /// Epoch in which its log is led.
    pub epoch: LeaderEpoch,
    /// Whether all of the log has been read, and what it says counts.
    pub is_loaded: bool,
    /// Whether all of it has been read, and is not committed yet.
    pub is_stalled: bool,
}

/// What a leader has asked a coordinator about: whether a partition is part of a producer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionView {
    /// Partition.
    pub tp: TopicPartition,
    /// Producer, in the epoch in which something came of it.
    pub producer: ProducerIdAndEpoch,
    /// Whether each of its transactions has an epoch (KIP-890, second part).
    pub is_epoch_each: bool,
}

/// A marker that a coordinator has asked a leader to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerView {
    /// The end of a transaction that it belongs to, by a number of the process's own.
    pub end: u64,
    /// Where it is to be.
    pub tp: TopicPartition,
    /// The name of that topic.
    pub topic: Arc<str>,
}

impl Broker {
    /// Markers that this broker has asked a leader for by a request, and that are not known to be written.
    #[must_use]
    pub fn asked_markers(&self, correlation: u64) -> Vec<MarkerView> {
        self.role().map(|role| role.transactions.asked_markers(correlation)).unwrap_or_default()
    }

    /// Whether a partition is still to get a marker from this broker.
    #[must_use]
    pub fn lacks_marker(&self, marker: &MarkerView) -> bool {
        self.role().is_some_and(|role| role.transactions.lacks_marker(marker))
    }

    /// Questions that this broker has asked, and whose answers still count.
    pub fn open_questions(&self) -> impl Iterator<Item = QuestionView> {
        self.role().into_iter().flat_map(|role| role.verifier.open_questions())
    }

    /// Requests of producers that wait until this broker asks a coordinator again that is busy, in the order in which
    /// they have begun to, by connection.
    pub fn put_off(&self) -> impl Iterator<Item = (ConnectionId, CorrelationId)> {
        let put_off = self.role().into_iter().flat_map(|role| role.verifier.put_off());
        put_off.map(|to| (to.conn, to.correlation))
    }

    /// Transactions that are coordinated here, and have been open for longer, at a time in ms, than their producers have
    /// said, while no change of them is under way: where their log is, the epoch in which it is led, and the id.
    pub fn overdue_transactions(
        &self,
        wall_ms: i64,
    ) -> impl Iterator<Item = (TopicPartition, LeaderEpoch, &Arc<str>)> {
        self.role().into_iter().flat_map(move |role| role.transactions.overdue(wall_ms))
    }

    /// Partitions of `__transaction_state` that are coordinated here.
    #[must_use]
    pub fn transactions_logs(&self) -> Vec<TransactionsLogView> {
        self.role().map(|role| role.transactions.logs().collect()).unwrap_or_default()
    }

    /// A transactional id that is coordinated here, and loaded.
    #[must_use]
    pub fn transactional_id(&self, id: &str) -> Option<TransactionalIdView> {
        self.role()?.transactions.view_of(id)
    }

    /// Transactional ids whose end is decided here, and partitions that are to get a marker of that, and of which there
    /// is no topic any more.
    #[must_use]
    pub fn homeless_markers(&self) -> Vec<(&Arc<str>, &Arc<str>, i32)> {
        let Some(role) = self.role() else { return Vec::new() };
        let homeless = role.transactions.homeless_markers(&role.image);
        homeless.map(|(id, (topic, partition))| (id, topic, *partition)).collect()
    }

    /// The transactional id, coordinated here, and loaded, that a producer id belongs to.
    #[must_use]
    pub fn transactional_id_of(&self, producer_id: i64) -> Option<TransactionalIdView> {
        self.role()?.transactions.view_of_producer(producer_id)
    }
}
