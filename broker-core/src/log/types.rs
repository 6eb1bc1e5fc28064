//! What goes into a log's operations and what comes out of them.

use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, Offset};
use crate::plant::Plant;
use crate::protocol::InvalidRecords;
use crate::records::Records;
use std::sync::Arc;

/// Who appends to a leader's log (Kafka's `AppendOrigin`; replication has its own method).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: fully validated, exactly one batch, no control batches.
    Client,
    /// The group or transaction coordinator of this broker.
    Coordinator,
    /// The Raft leader of the metadata log.
    RaftLeader,
}

/// Circumstances of an append.
#[derive(Debug, Clone, Copy)]
pub struct AppendContext {
    /// Wall clock, ms since the epoch.
    pub wall_ms: i64,
    /// Epoch in which this replica leads.
    pub leader_epoch: LeaderEpoch,
    /// Who appends.
    pub origin: Origin,
    /// The planted bug that is switched on.
    pub plant: Option<Plant>,
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Time that the broker has set, ms since the epoch, or `-1` with CreateTime.
    pub log_append_time_ms: i64,
    /// The batch was already in the log: nothing was appended, and the offsets are those of the
    /// first time, which may still be in flight to the disk.
    pub duplicate: bool,
    /// The batches with final offsets; empty for a duplicate.
    pub records: Records,
    /// Size of `records`, bytes.
    pub bytes: u32,
    /// Names the append to [`Log::append_done`](super::Log::append_done); `0` for a duplicate.
    pub number: u64,
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// Larger than `max.message.bytes`.
    MessageTooLarge {
        /// Size of the batch, bytes.
        bytes: u32,
    },
    /// Larger than a segment (Kafka's `RecordBatchTooLargeException`).
    BatchTooLarge {
        /// Size of the batch, bytes.
        bytes: u32,
    },
    /// A header field contradicts another one, or is not allowed here.
    InvalidRecord(&'static str),
    /// The batch's header has a time that is too far from the broker's clock.
    InvalidTimestamp,
    /// Some records are not to be had, so the batch is not (Kafka's `RecordValidationException`).
    InvalidRecords {
        /// `INVALID_TIMESTAMP` or `INVALID_RECORD`.
        error: ErrorCode,
        /// Which ones.
        told: Arc<InvalidRecords>,
    },
    /// A sequence is missing between the last batch of the producer and this one.
    OutOfOrderSequence {
        /// Producer.
        producer_id: i64,
        /// Sequence that would follow.
        expected: i32,
        /// Sequence of the batch.
        found: i32,
    },
    /// A newer epoch of this producer has written already.
    InvalidProducerEpoch {
        /// Producer.
        producer_id: i64,
        /// Newest epoch.
        current: i16,
        /// Epoch of the batch.
        found: i16,
    },
    /// A producer writes outside of its open transaction.
    InvalidTxnState {
        /// Producer.
        producer_id: i64,
    },
    /// A marker of a coordinator that has a successor.
    CoordinatorFenced {
        /// Producer.
        producer_id: i64,
    },
    /// A follower was given offsets that it already has, or that go down.
    OffsetsOutOfOrder {
        /// Smallest acceptable offset.
        expected: Offset,
        /// Offset of the batch.
        found: Offset,
    },
}

impl AppendError {
    /// What the client is told.
    #[must_use]
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::BatchTooLarge { .. } => ErrorCode::RecordListTooLarge,
            Self::InvalidRecord(_) => ErrorCode::InvalidRecord,
            Self::InvalidTimestamp => ErrorCode::InvalidTimestamp,
            Self::InvalidRecords { error, .. } => *error,
            Self::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            Self::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            Self::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
            Self::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
            Self::OffsetsOutOfOrder { .. } => ErrorCode::UnknownServerError,
        }
    }
}

/// What is known of a log before it is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recover {
    /// Checkpointed recovery point; 0 when there is none.
    pub recovery_point: Offset,
    /// Checkpointed log start; 0 when there is none.
    pub log_start_offset: Offset,
    /// Whether the shutdown before was a clean one.
    pub clean: bool,
    /// Checkpointed high watermark.
    pub high_watermark: Option<Offset>,
    /// Whether the log may begin in remote storage, before its first segment.
    pub tiered: bool,
}

/// What loading has cost and cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryStats {
    /// Bytes of batches that were read and validated.
    pub scanned_bytes: u64,
    /// Bytes cut: torn tails, and segments after them.
    pub truncated_bytes: u64,
    /// Whether a segment had lost its tail, and later ones were there.
    pub has_hole: bool,
    /// Whether nothing was left from the log's start on, and offsets below it would have been used again.
    pub ends_below_start: bool,
}

/// A fetch offset below the log start or above the log end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetOutOfRange {
    /// Offset asked for.
    pub offset: Offset,
    /// First offset of the log.
    pub log_start_offset: Offset,
    /// Offset after the last confirmed record.
    pub log_end_offset: Offset,
}

/// Where to look for a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampLookup {
    /// Scan this segment from this position (`DiskOpKind::FindTimestamp`). When that finds
    /// nothing, go on with [`super::Log::offset_for_timestamp_after`].
    Scan {
        /// Base offset of the segment.
        segment: Offset,
        /// Position, bytes.
        position: u32,
    },
    /// Every record is older.
    None,
}
