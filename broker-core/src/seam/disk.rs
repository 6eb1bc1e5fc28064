//! The seam to a node's disk: operations that the shell carries out, and what a starting broker finds there.

use crate::ids::{DiskOpId, LeaderEpoch, Offset, TopicPartition};
use crate::records::{Batch, Records};
use bytes::Bytes;
use std::sync::Arc;

/// A disk operation.
#[derive(Debug)]
pub struct DiskOp {
    /// To be given back with the result.
    pub id: DiskOpId,
    /// What.
    pub kind: DiskOpKind,
}

impl DiskOpKind {
    /// Whether it changes what is on the disk.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::FindTimestamp { .. } | Self::ReadFile { .. })
    }
}

/// Kinds of disk operations.
///
/// A partition's log is a sequence of segments, named by their base offset.
#[derive(Debug)]
pub enum DiskOpKind {
    /// Make the directory of a partition's log.
    CreateLog {
        /// Partition.
        tp: TopicPartition,
        /// Topic's name, for the directory's name.
        topic: Arc<str>,
    },
    /// Append batches to a segment, created when absent.
    Append {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the segment.
        segment: Offset,
        /// Batches with final offsets.
        records: Records,
    },
    /// Read from several segments into one answer, in order, until `max_bytes` is reached; at
    /// least one batch is returned even if larger.
    Read {
        /// What to read.
        ranges: Vec<ReadRange>,
        /// Soft limit over all ranges, bytes.
        max_bytes: u32,
    },
    /// First record with a timestamp at or after the given one, in a segment from a position, and not
    /// below an offset.
    FindTimestamp {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the segment.
        segment: Offset,
        /// Position to scan from, bytes.
        position: u32,
        /// Lowest offset that may be found: the log may begin within the segment.
        from: Offset,
        /// Timestamp, ms.
        timestamp: i64,
    },
    /// fsync a segment.
    Sync {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the segment.
        segment: Offset,
    },
    /// Cut everything at and after an offset, later segments included. An offset at or below the
    /// first segment's base empties the log; it then goes on at `to`.
    Truncate {
        /// Partition.
        tp: TopicPartition,
        /// First offset that goes.
        to: Offset,
    },
    /// Delete whole segments (retention, after a rename as in Kafka).
    DeleteSegments {
        /// Partition.
        tp: TopicPartition,
        /// Base offsets.
        segments: Vec<Offset>,
    },
    /// Append batches to the file that will replace segments of a log: `<base>.log.cleaned`, made
    /// when absent. A log has one at a time. A starting shell drops what it finds of it.
    AppendCleaned {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the segment that it will be.
        segment: Offset,
        /// Batches.
        records: Records,
    },
    /// fsync the cleaned file, and write the index of aborted transactions that belongs to it.
    SyncCleaned {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the segment that it will be.
        segment: Offset,
        /// Content of `<base>.txnindex`; empty when there is none.
        aborted: Bytes,
    },
    /// Put the cleaned file in the place of segments, all or nothing: it is renamed to
    /// `<base>.log.swap`, they are deleted, and it is renamed to `<base>.log`. A starting shell that
    /// finds a `.swap` goes on from there (Kafka's `replaceSegments` and `LogLoader`).
    ReplaceSegments {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the cleaned file.
        segment: Offset,
        /// Base offsets of the segments that go, neighbours of each other.
        replaced: Vec<Offset>,
    },
    /// Delete the cleaned file, if there is one.
    DropCleaned {
        /// Partition.
        tp: TopicPartition,
    },
    /// Delete a partition's log.
    DeleteLog {
        /// Partition.
        tp: TopicPartition,
    },
    /// Set a partition's log aside under a name that no start reads (Kafka's `-stray`). Its bytes stay
    /// until an operator deletes them.
    SetLogAside {
        /// Partition.
        tp: TopicPartition,
    },
    /// Write a small file whole: temporary file, fsync, rename, fsync of the directory.
    WriteFile {
        /// Which.
        file: FileName,
        /// Content.
        bytes: Bytes,
    },
    /// Read a small file.
    ReadFile {
        /// Which.
        file: FileName,
    },
    /// Delete a small file.
    DeleteFile {
        /// Which.
        file: FileName,
    },
}

/// What to read of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRange {
    /// Partition.
    pub tp: TopicPartition,
    /// Base offset of the segment.
    pub segment: Offset,
    /// A position at or before the batch that holds `from`, from the offset index.
    pub position: u32,
    /// First offset wanted; the batch that holds it is the first returned.
    pub from: Offset,
    /// Only batches that end below this offset are returned.
    pub upto: Offset,
    /// Soft limit for this range, bytes.
    pub max_bytes: u32,
}

/// Small files beside the logs, with Kafka's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `recovery-point-offset-checkpoint`
    RecoveryPoints,
    /// `replication-offset-checkpoint`
    HighWatermarks,
    /// `log-start-offset-checkpoint`
    LogStartOffsets,
    /// `cleaner-offset-checkpoint`
    CleanerOffsets,
    /// `.kafka_cleanshutdown`
    CleanShutdown,
    /// `quorum-state`
    QuorumState,
    /// `leader-epoch-checkpoint` of a partition.
    LeaderEpochs(TopicPartition),
    /// `<offset>.snapshot`: producer state of a partition.
    ProducerSnapshot(TopicPartition, Offset),
    /// `<base>.txnindex`: aborted transactions of a segment.
    TransactionIndex(TopicPartition, Offset),
    /// `<offset>-<epoch>.checkpoint`: snapshot of the metadata log.
    MetadataSnapshot(Offset, LeaderEpoch),
}

/// Outcome of a disk operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskResult {
    /// Append, sync, truncate, delete or write is done.
    Done,
    /// Records of each range of a read, in order.
    Read(Vec<Records>),
    /// Offsets found by [`DiskOpKind::FindTimestamp`]: `(timestamp, offset)`.
    Found(Option<(i64, Offset)>),
    /// Bytes of [`DiskOpKind::ReadFile`].
    File(Option<Bytes>),
    /// It failed.
    Failed(DiskError),
}

/// Why a disk operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskError {
    /// ENOSPC.
    Full,
    /// EIO.
    Io,
    /// A batch does not fit its checksum; others can be read.
    Corrupt,
    /// What the node's metadata directory holds does not fit together.
    Damaged,
}

/// What a broker finds on its disk when it starts; the only thing that survives a restart.
pub trait DiskImage {
    /// Partitions that have a log.
    fn logs(&self) -> Vec<TopicPartition>;
    /// Base offsets of a log's segments, ascending.
    fn segments(&self, tp: TopicPartition) -> Vec<Offset>;
    /// Summary of a segment as a clean shutdown leaves it; costs no scan.
    fn summary(&self, tp: TopicPartition, segment: Offset) -> SegmentSummary;
    /// Batches of a segment with their positions, in order. Ends at the first torn or corrupt one.
    fn scan(
        &self,
        tp: TopicPartition,
        segment: Offset,
        visit: &mut dyn FnMut(u32, &Arc<Batch>),
    ) -> ScanEnd;
    /// A small file.
    fn file(&self, file: &FileName) -> Option<Bytes>;
    /// Offsets of a log's producer snapshots, ascending, whatever state they are in.
    fn producer_snapshots(&self, tp: TopicPartition) -> Vec<Offset>;
}

/// A segment without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Bytes of whole batches.
    pub bytes: u32,
    /// Offset after the last record; the base offset when empty.
    pub next_offset: Offset,
    /// Largest timestamp, `-1` when empty.
    pub max_timestamp: i64,
    /// Offset of the record with the largest timestamp, or of the last one of its batch.
    pub max_timestamp_offset: Offset,
    /// Largest timestamp of the first batch, ms since the epoch, `-1` when it has none or there is no batch
    /// (Kafka's `LogSegment.loadFirstBatchTimestamp`).
    pub first_timestamp: i64,
    /// When the file was changed last, ms since the epoch. A cleaned segment has that of the last one that it
    /// replaces.
    pub modified_ms: i64,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanEnd {
    /// At the end of the file.
    Clean,
    /// At a batch that is cut short or fails its CRC; this many bytes follow the last good one.
    Torn {
        /// Bytes after the last good batch.
        bytes: u64,
    },
}
