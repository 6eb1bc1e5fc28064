//! The data path: Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, InitProducerId.

use super::txn::{AbortedTransaction, TransactionalId};
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::records::Records;
use std::sync::Arc;

/// When a produce request counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `acks=0`: no response at all.
    None,
    /// `acks=1`: the leader has appended.
    Leader,
    /// `acks=all`: the high watermark has passed the batch.
    All,
}

/// Leader and its epoch, sent with errors since KIP-951 so that clients need no metadata refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// Leader.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// Produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceRequest {
    /// When to answer.
    pub acks: Acks,
    /// How long `acks=all` may wait, ms.
    pub timeout_ms: i32,
    /// Records per partition.
    pub partitions: Vec<ProducePartition>,
}

/// Records for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducePartition {
    /// Where to.
    pub tp: TopicPartition,
    /// What.
    pub records: Records,
}

/// Answer to [`ProduceRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceResponse {
    /// One entry per partition of the request, in its order.
    pub partitions: Vec<ProducePartitionResponse>,
    /// Quota throttling, ms.
    pub throttle_ms: i32,
}

/// Outcome for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducePartitionResponse {
    /// Partition.
    pub tp: TopicPartition,
    /// Outcome.
    pub error: ErrorCode,
    /// Offset of the first record, `-1` on error.
    pub base_offset: Offset,
    /// LogAppendTime, or `-1` with CreateTime.
    pub log_append_time_ms: i64,
    /// First offset of the log.
    pub log_start_offset: Offset,
    /// Present when the leader is another one.
    pub current_leader: Option<LeaderAndEpoch>,
    /// Present when single records are the reason.
    pub invalid: Option<Arc<InvalidRecords>>,
}

/// Records for which a batch was refused, from version 8 on (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRecords {
    /// What is said of the batch.
    pub message: Arc<str>,
    /// Index in the batch of each such record, and what is wrong with it.
    pub records: Vec<(i32, Arc<str>)>,
}

impl ProducePartitionResponse {
    /// Nothing was appended, for this reason.
    #[must_use]
    pub fn refused(tp: TopicPartition, error: ErrorCode) -> Self {
        Self {
            tp,
            error,
            base_offset: NO_OFFSET,
            log_append_time_ms: -1,
            log_start_offset: NO_OFFSET,
            current_leader: None,
            invalid: None,
        }
    }
}

/// Which records a fetch may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

/// Identity of a fetching follower (KIP-903: with its broker epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaState {
    /// Follower.
    pub id: NodeId,
    /// Epoch of its registration, `-1` for controllers and observers.
    pub epoch: i64,
}

/// `session_epoch` of a fetch that opens a session (KIP-227).
pub const SESSION_EPOCH_INITIAL: i32 = 0;
/// `session_epoch` of a fetch without, or closing, a session.
pub const SESSION_EPOCH_FINAL: i32 = -1;

/// Fetch. With a session only what changed is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Present when a follower (or metadata observer) fetches.
    pub replica: Option<ReplicaState>,
    /// Longest wait for `min_bytes`, ms.
    pub max_wait_ms: i32,
    /// Bytes worth answering for.
    pub min_bytes: i32,
    /// Soft limit of the whole response, bytes.
    pub max_bytes: i32,
    /// Which records may be seen.
    pub isolation: IsolationLevel,
    /// Session, 0 = none.
    pub session_id: i32,
    /// [`SESSION_EPOCH_INITIAL`], [`SESSION_EPOCH_FINAL`] or the next epoch.
    pub session_epoch: i32,
    /// New or changed partitions (all of them without a session).
    pub partitions: Vec<FetchPartition>,
    /// Partitions to take out of the session.
    pub forgotten: Vec<TopicPartition>,
    /// A consumer's rack (KIP-392), empty where it names none; `None` below version 11, whose consumers read
    /// from leaders only.
    pub rack: Option<Arc<str>>,
}

/// Position of a fetch in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// Partition.
    pub tp: TopicPartition,
    /// Leader epoch as the fetcher knows it, `-1` = unknown (no fencing).
    pub current_leader_epoch: LeaderEpoch,
    /// Next offset wanted.
    pub fetch_offset: Offset,
    /// Epoch of the last record that the fetcher has, `-1` = unknown (KIP-595 divergence check).
    pub last_fetched_epoch: LeaderEpoch,
    /// Follower's log start offset, `-1` for consumers.
    pub log_start_offset: Offset,
    /// Soft limit for this partition, bytes.
    pub max_bytes: i32,
}

/// Answer to [`FetchRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    /// Quota throttling, ms.
    pub throttle_ms: i32,
    /// Session errors.
    pub error: ErrorCode,
    /// Session, 0 = none.
    pub session_id: i32,
    /// Partitions with something to say.
    pub partitions: Vec<FetchPartitionResponse>,
}

/// An epoch and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// Largest epoch not above the asked one.
    pub epoch: LeaderEpoch,
    /// Offset after its last record.
    pub end_offset: Offset,
}

/// A metadata snapshot's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// Offset after the last record that it covers.
    pub end_offset: Offset,
    /// Epoch of that record.
    pub epoch: LeaderEpoch,
}

/// Records and state of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPartitionResponse {
    /// Partition.
    pub tp: TopicPartition,
    /// Outcome.
    pub error: ErrorCode,
    /// High watermark.
    pub high_watermark: Offset,
    /// Last stable offset.
    pub last_stable_offset: Offset,
    /// First offset of the log.
    pub log_start_offset: Offset,
    /// Follower's log differs: truncate to this and try again.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Follower or observer must fetch this snapshot first (metadata log only).
    pub snapshot_id: Option<SnapshotId>,
    /// Present when the leader is another one.
    pub current_leader: Option<LeaderAndEpoch>,
    /// Closer replica to read from (KIP-392).
    pub preferred_read_replica: Option<NodeId>,
    /// For readers of committed records: transactions to leave out, by marker.
    pub aborted: Option<Box<[AbortedTransaction]>>,
    /// Whole batches; the first may begin before the fetch offset.
    pub records: Records,
}

/// Where in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// `-2`: log start.
    Earliest,
    /// `-1`: high watermark (or LSO).
    Latest,
    /// `-3`: record with the largest timestamp.
    MaxTimestamp,
    /// `-4`: first offset on the leader's disk.
    EarliestLocal,
    /// `-5`: last offset in remote storage, `-1` when there is none.
    LatestTiered,
    /// First record at or after this time, ms since the epoch.
    Timestamp(i64),
    /// A negative time that stands for nothing here.
    Unsupported(i64),
}

/// ListOffsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsRequest {
    /// Which records count for `Latest`.
    pub isolation: IsolationLevel,
    /// Partition, leader epoch as known or `-1`, what is asked.
    pub partitions: Vec<(TopicPartition, LeaderEpoch, OffsetSpec)>,
}

/// Answer to [`ListOffsetsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsResponse {
    /// In the request's order.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// Offset found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOffsetsPartitionResponse {
    /// Partition.
    pub tp: TopicPartition,
    /// Outcome.
    pub error: ErrorCode,
    /// Timestamp of the record found, `-1` when not by time.
    pub timestamp: i64,
    /// Offset, `-1` when there is none.
    pub offset: Offset,
    /// Epoch of that offset, `-1` = unknown.
    pub leader_epoch: LeaderEpoch,
}

/// OffsetForLeaderEpoch (KIP-101, KIP-320).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetForLeaderEpochRequest {
    /// Partition, current leader epoch as known or `-1`, epoch asked for.
    pub partitions: Vec<(TopicPartition, LeaderEpoch, LeaderEpoch)>,
}

/// Answer to [`OffsetForLeaderEpochRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetForLeaderEpochResponse {
    /// In the request's order: outcome, epoch and end offset (`-1`, `-1` when unknown).
    pub partitions: Vec<(TopicPartition, ErrorCode, EpochEndOffset)>,
}

/// InitProducerId for an idempotent or a transactional producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerIdRequest {
    /// Present for a transactional producer.
    pub transactional: Option<Box<TransactionalId>>,
    /// Id held before, `-1` = none (KIP-360: ask for an epoch bump).
    pub producer_id: i64,
    /// Epoch held before, `-1` = none.
    pub producer_epoch: i16,
}

/// Answer to [`InitProducerIdRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitProducerIdResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Producer id.
    pub producer_id: i64,
    /// Epoch.
    pub producer_epoch: i16,
}
