//! A v2 record batch: header fields as Kafka's `DefaultRecordBatch` lays them out.
//!
//! Codec and validation of the bytes are in `codec.rs`.

use super::Body;
use crate::ids::{LeaderEpoch, Offset};

/// Bytes of a batch before its records section.
pub const BATCH_OVERHEAD: u32 = 61;

/// Bits of `attributes` that name the compression codec, 0 = none.
const COMPRESSION: i16 = 0x07;
/// Bit of `attributes` that marks a control batch.
const CONTROL: i16 = 0x20;
/// Bit of `attributes` that marks a transactional batch.
const TRANSACTIONAL: i16 = 0x10;
/// Bit of `attributes` for LogAppendTime.
const LOG_APPEND_TIME: i16 = 0x08;

/// Bit of `attributes` that says that the base timestamp is the delete horizon (KIP-534).
const DELETE_HORIZON: i16 = 0x40;

/// Header of a v2 batch. `batchLength`, `magic` and `crc` are not kept: the first two follow from
/// the rest, the CRC (which does not cover base offset and leader epoch) is a function of the rest
/// and the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; assigned by the leader.
    pub base_offset: Offset,
    /// Epoch of the leader that appended it; assigned by the leader.
    pub partition_leader_epoch: LeaderEpoch,
    /// Compression codec (bits 0-2), timestamp type (3), transactional (4), control (5), delete
    /// horizon (6).
    pub attributes: i16,
    /// Offset of the last record minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, ms since the epoch; with a delete horizon, the horizon.
    pub base_timestamp: i64,
    /// Largest timestamp, ms since the epoch.
    pub max_timestamp: i64,
    /// Producer id, `-1` without idempotence.
    pub producer_id: i64,
    /// Producer epoch.
    pub producer_epoch: i16,
    /// Sequence of the first record, `-1` without idempotence.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
}

/// A batch: header and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Parsed header.
    pub header: BatchHeader,
    /// Opaque records section.
    pub body: Body,
}

impl Batch {
    /// Encoded size in bytes, header included.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        BATCH_OVERHEAD + u32::try_from(self.body.len()).unwrap_or(u32::MAX - BATCH_OVERHEAD)
    }

    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.header.base_offset + Offset::from(self.header.last_offset_delta)
    }

    /// Offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset() + 1
    }

    /// Identity of everything that the producer set, for checkers: equal content, equal value.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.body.fingerprint()
            ^ self.header.producer_id.unsigned_abs().rotate_left(17)
            ^ u64::from(self.header.base_sequence.unsigned_abs()).rotate_left(41)
    }
}

impl BatchHeader {
    /// Whether the body is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION != 0
    }

    /// Which codec has compressed the body, if one has.
    pub(crate) fn codec_bits(&self) -> Option<i16> {
        Some(self.attributes & COMPRESSION).filter(|bits| *bits != 0)
    }

    /// Whether it holds control records (markers, leader changes).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether it is part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the broker set the timestamps.
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether an idempotent or transactional producer wrote it.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence of the last record, wrapping as Kafka's sequences do after `i32::MAX`.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        let wrapped = if sum > i64::from(i32::MAX) { sum - i64::from(i32::MAX) - 1 } else { sum };
        i32::try_from(wrapped).unwrap_or(i32::MAX)
    }

    /// When tombstones and markers in it may go, ms since the epoch; `None` before the first
    /// cleaning that found some (KIP-534).
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// The header with a delete horizon. Timestamps of records count from it now.
    #[must_use]
    pub(crate) fn with_delete_horizon(mut self, horizon_ms: i64) -> Self {
        self.attributes |= DELETE_HORIZON;
        self.base_timestamp = horizon_ms;
        self
    }

    /// The header of a batch that has lost all its records, as Kafka's `writeEmptyHeader` has it:
    /// offsets, producer and sequence stay.
    #[must_use]
    pub(crate) fn without_records(mut self) -> Self {
        self.attributes &= !(COMPRESSION | DELETE_HORIZON);
        self.base_timestamp = -1;
        self.record_count = 0;
        self
    }

    /// The header with timestamps set by the broker: `max_timestamp` becomes the append time, the
    /// base stays, as Kafka's `setMaxTimestamp` leaves it.
    #[must_use]
    pub fn with_log_append_time(mut self, wall_ms: i64) -> Self {
        self.attributes |= LOG_APPEND_TIME;
        self.max_timestamp = wall_ms;
        self
    }

    /// The header with the transactional bit set.
    #[must_use]
    pub fn as_transactional(mut self) -> Self {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// The header with the control bit set.
    #[must_use]
    pub fn as_control(mut self) -> Self {
        self.attributes |= CONTROL;
        self
    }
}
