//! Transactions (KIP-98, KIP-890): coordinators, markers between brokers, and what tools ask.

use super::data::ProduceRequest;
use super::group::CommittedOffset;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};
use crate::log::ActiveProducer;
use std::sync::Arc;

/// A producer as requests name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdAndEpoch {
    /// Producer id.
    pub id: i64,
    /// Epoch.
    pub epoch: i16,
}

/// Which rules the transaction of a producer goes by; which, the versions of its requests say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionRules {
    /// Partitions are added before anything is sent to them; an epoch lasts for a session.
    Added,
    /// The first records to a partition add it; an epoch lasts for a transaction (KIP-890,
    /// `transaction.version` 2).
    EpochEach,
}

/// Produce within a transaction; answered as Produce is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionalProduceRequest {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Its rules.
    pub rules: TransactionRules,
    /// What.
    pub produce: ProduceRequest,
}

/// What InitProducerId says of a transactional producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionalId {
    /// `transactional.id`.
    pub id: Arc<str>,
    /// `transaction.timeout.ms`.
    pub timeout_ms: i32,
}

/// AddPartitionsToTxn: of one transaction when a client asks, of several when a broker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitionsToTxnRequest {
    /// Transactions.
    pub transactions: Vec<TxnPartitions>,
    /// Whether a broker asks, as from version 4 on (KIP-890).
    pub by_broker: bool,
}

/// Partitions of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnPartitions {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Only asks whether they are part of it (KIP-890).
    pub verify_only: bool,
    /// Partitions.
    pub partitions: Vec<TopicPartition>,
}

/// Answer to [`AddPartitionsToTxnRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitionsToTxnResponse {
    /// In the request's order.
    pub transactions: Vec<TxnPartitionsResult>,
}

/// Outcome for one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnPartitionsResult {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// Outcome per partition.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// AddOffsetsToTxn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOffsetsToTxnRequest {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Group whose positions become part of it.
    pub group: Arc<str>,
}

/// Answer to [`AddOffsetsToTxnRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddOffsetsToTxnResponse {
    /// Outcome.
    pub error: ErrorCode,
}

/// EndTxn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTxnRequest {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Commit, or else abort.
    pub commit: bool,
    /// Its rules.
    pub rules: TransactionRules,
}

/// Answer to [`EndTxnRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Who the producer is in its next transaction, if each has an epoch.
    pub producer: Option<ProducerIdAndEpoch>,
}

/// WriteTxnMarkers, coordinator -> leaders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTxnMarkersRequest {
    /// Markers.
    pub markers: Vec<TxnMarker>,
}

/// The end of a transaction, to be written to partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnMarker {
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Commit, or else abort.
    pub commit: bool,
    /// Leader epoch of the coordinator's partition.
    pub coordinator_epoch: LeaderEpoch,
    /// Rules by which the end was decided. Nodes tell each other; Kafka does from 4.2 on (KIP-1228).
    pub rules: TransactionRules,
    /// Where to.
    pub partitions: Vec<TopicPartition>,
}

/// Answer to [`WriteTxnMarkersRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTxnMarkersResponse {
    /// In the request's order: producer id, and outcome per partition.
    pub markers: Vec<(i64, Vec<(TopicPartition, ErrorCode)>)>,
}

/// TxnOffsetCommit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnOffsetCommitRequest {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Its rules.
    pub rules: TransactionRules,
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Group id.
    pub group: Arc<str>,
    /// Generation of the member, `-1` = unknown.
    pub generation: i32,
    /// Member id, empty = unknown.
    pub member: Arc<str>,
    /// `group.instance.id`.
    pub instance: Option<Arc<str>>,
    /// Positions.
    pub offsets: Vec<CommittedOffset>,
}

/// Answer to [`TxnOffsetCommitRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnOffsetCommitResponse {
    /// Outcome per partition, in the request's order.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// DescribeProducers (KIP-664).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersRequest {
    /// Partitions.
    pub partitions: Vec<TopicPartition>,
}

/// Answer to [`DescribeProducersRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersResponse {
    /// In the request's order.
    pub partitions: Vec<(TopicPartition, Result<Vec<ActiveProducer>, ErrorCode>)>,
}

/// DescribeTransactions (KIP-664).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTransactionsRequest {
    /// Transactional ids.
    pub transactional_ids: Vec<Arc<str>>,
}

/// Answer to [`DescribeTransactionsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTransactionsResponse {
    /// In the request's order.
    pub transactions: Vec<(Arc<str>, Result<DescribedTransaction, ErrorCode>)>,
}

/// A transaction as its coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedTransaction {
    /// State.
    pub state: TransactionState,
    /// `transaction.timeout.ms`.
    pub timeout_ms: i32,
    /// When it began, ms since the epoch; `-1` = it has not.
    pub start_ms: i64,
    /// Producer.
    pub producer: ProducerIdAndEpoch,
    /// Partitions by topic.
    pub partitions: Vec<(Arc<str>, Vec<i32>)>,
}

/// ListTransactions (KIP-664).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTransactionsRequest {
    /// Names of states wanted; empty = all.
    pub states: Vec<Arc<str>>,
    /// Producer ids wanted; empty = all.
    pub producer_ids: Vec<i64>,
    /// Only those that run for longer, ms; negative = all.
    pub duration_ms: i64,
    /// Regular expression that ids must match as a whole (KIP-1152).
    pub pattern: Option<Arc<str>>,
}

/// Answer to [`ListTransactionsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTransactionsResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Names in the request that are no states.
    pub unknown_states: Vec<Arc<str>>,
    /// Transactions: id, producer id, state.
    pub transactions: Vec<(Arc<str>, i64, TransactionState)>,
}

/// State of a transaction; values are those of `__transaction_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum TransactionState {
    /// There was none yet.
    Empty = 0,
    /// It has partitions.
    Ongoing = 1,
    /// Commit is decided; markers are on their way.
    PrepareCommit = 2,
    /// Abort is decided; markers are on their way.
    PrepareAbort = 3,
    /// Committed.
    CompleteCommit = 4,
    /// Aborted.
    CompleteAbort = 5,
}

impl EndTxnResponse {
    /// Nothing is decided.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, producer: None }
    }
}

impl TransactionState {
    const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];
    /// States that Kafka names besides; nothing is ever in them here.
    const OTHERS: [&str; 2] = ["Dead", "PrepareEpochFence"];

    /// From its value.
    #[must_use]
    pub fn from_value(value: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i8 == value)
    }

    /// Kafka's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether Kafka has a state of this name.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        Self::ALL.iter().any(|state| state.name() == name) || Self::OTHERS.contains(&name)
    }

    /// Whether the end is decided and not complete.
    #[must_use]
    pub fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// A transaction that readers of committed records must leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: Offset,
}
