//! The seam to remote storage (KIP-405): what Kafka's `RemoteStorageManager` (the bytes) and
//! `RemoteLogMetadataManager` (what is there) do, as operations that the shell carries out.
//!
//! The shell keeps the metadata in a store that is strongly consistent: what a finished copy has
//! added is in every list that is asked for afterwards, whoever asks. Kafka's own
//! `__remote_log_metadata` topic shows it a moment later, and shows copies that have begun.

use crate::ids::{LeaderEpoch, NO_EPOCH, Offset, RemoteOpId, RemoteSegmentId, TopicPartition};
use crate::log::EpochEntry;
use crate::records::Records;
use bytes::Bytes;
use std::sync::Arc;

/// An operation on remote storage.
#[derive(Debug)]
pub struct RemoteOp {
    /// To be given back with the result.
    pub id: RemoteOpId,
    /// What.
    pub kind: RemoteOpKind,
}

/// Kinds of operations on remote storage. Each ends with one [`RemoteResult`].
#[derive(Debug)]
pub enum RemoteOpKind {
    /// Copy a rolled segment of the local log with its producer snapshot (`<end + 1>.snapshot`) and
    /// its `.txnindex`, then add it to the metadata. A copy that fails adds nothing.
    Copy {
        /// What it is; the shell fills in [`RemoteSegment::indexes`].
        segment: RemoteSegment,
    },
    /// What the metadata has of a partition.
    List {
        /// Partition.
        tp: TopicPartition,
    },
    /// Read batches of a segment from the one that holds an offset on, at least one.
    Read {
        /// Segment.
        segment: RemoteSegmentId,
        /// First offset wanted.
        from: Offset,
        /// Only batches that end below this offset are returned.
        upto: Offset,
        /// Soft limit, bytes.
        max_bytes: u32,
    },
    /// First record of a segment with a timestamp at or after the given one, and not below an offset.
    FindTimestamp {
        /// Segment.
        segment: RemoteSegmentId,
        /// Lowest offset that may be found: the log may begin within the segment.
        from: Offset,
        /// Timestamp, ms.
        timestamp: i64,
    },
    /// Delete a segment, then take it out of the metadata. One that is not there counts as deleted.
    Delete {
        /// Segment.
        segment: RemoteSegmentId,
    },
    /// The topic is gone: delete all that a partition has.
    DeletePartition {
        /// Partition.
        tp: TopicPartition,
    },
}

/// Outcome of an operation on remote storage.
#[derive(Debug)]
pub enum RemoteResult {
    /// Deleted.
    Done,
    /// Copied: as the metadata has it now.
    Copied(Arc<RemoteSegment>),
    /// Segments, in order of their base offsets.
    Listed(Vec<Arc<RemoteSegment>>),
    /// Records of a read.
    Read(Records),
    /// `(timestamp, offset)`.
    Found(Option<(i64, Offset)>),
    /// It failed.
    Failed(RemoteError),
}

/// Why an operation on remote storage failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteError {
    /// No answer, or the connection broke.
    Unavailable,
    /// The storage asks for fewer requests (503 Slow Down), and went on to.
    SlowDown,
    /// The segment is not there, in remote storage or, for a copy, on the local disk.
    NotFound,
}

/// A segment in remote storage, as its metadata tells (Kafka's `RemoteLogSegmentMetadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSegment {
    /// Which.
    pub id: RemoteSegmentId,
    /// Partition.
    pub tp: TopicPartition,
    /// Base offset, as of the local segment.
    pub base: Offset,
    /// Offset of its last record.
    pub end: Offset,
    /// Bytes of its records.
    pub bytes: u32,
    /// Largest timestamp, ms since the epoch; where no batch has one, when the segment was changed last.
    pub max_timestamp: i64,
    /// The log's leader epochs up to the segment's end, those before the segment included.
    pub epochs: Vec<EpochEntry>,
    /// What Kafka keeps in index files beside the segment, and the shell with its metadata.
    pub indexes: RemoteIndexes,
}

/// Small files of a segment in remote storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteIndexes {
    /// Producer snapshot as of the segment's end.
    pub producers: Bytes,
    /// `.txnindex`; empty when no transaction of the segment was aborted.
    pub aborted: Bytes,
}

impl RemoteSegment {
    /// Epoch of its last record.
    #[must_use]
    pub fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.last().map_or(NO_EPOCH, |entry| entry.epoch)
    }
}
