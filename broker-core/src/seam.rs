//! The seam: what goes into [`crate::Broker::step`] and what comes out. Pure data.

mod remote;

pub use remote::{RemoteError, RemoteIndexes, RemoteOp, RemoteOpKind, RemoteResult, RemoteSegment};

use crate::ids::{
    ConnectionId, CorrelationId, DiskOpId, LeaderEpoch, NodeId, Offset, RemoteOpId, TopicPartition,
};
use crate::protocol::{Request, Response};
use crate::records::{Batch, Records};
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The process has started; first input of a broker's life.
    Start,
    /// A request from a client or a peer.
    Request {
        /// Where it came from.
        conn: ConnectionId,
        /// To be given back with the reply.
        correlation: CorrelationId,
        /// What is asked.
        request: Request,
    },
    /// The answer to an [`Effects::sends`] entry, or why there is none.
    Response {
        /// Peer that was asked.
        from: NodeId,
        /// As in [`PeerRequest`].
        correlation: CorrelationId,
        /// Answer.
        result: Result<Response, PeerError>,
    },
    /// A disk operation has ended. Completions of one partition's appends arrive in order.
    Disk {
        /// As in [`DiskOp`].
        id: DiskOpId,
        /// Outcome.
        result: DiskResult,
    },
    /// An operation on remote storage has ended.
    Remote {
        /// As in [`RemoteOp`].
        id: RemoteOpId,
        /// Outcome.
        result: RemoteResult,
    },
    /// A timer is due. Timers are never cancelled; stale ones are ignored by the core.
    Timer(TimerKey),
    /// A connection ended: what waits for it is dropped.
    ConnectionClosed(ConnectionId),
    /// A connection's client says what it is (`client.id`), for quotas. Clients that no shell tells
    /// of have no name.
    Client {
        /// Connection.
        conn: ConnectionId,
        /// `client.id`.
        client_id: Arc<str>,
    },
    /// What a request took of a thread. Told when [`crate::Broker::counts_thread_time`] says so, after the
    /// step of the request.
    Spent {
        /// Connection that it came from.
        conn: ConnectionId,
        /// Time of a thread.
        time: Duration,
    },
    /// SIGTERM: controlled shutdown begins. Again: it goes on without the controller.
    Shutdown,
    /// Wall clock, ms since the epoch, that belongs to this step's `now`; sent at the start and
    /// whenever the offset between the two clocks changes.
    WallClock(i64),
}

/// Why a peer did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerError {
    /// Connection refused, reset or closed.
    Disconnected,
    /// No answer within [`PeerRequest::timeout`]; the shell has closed the connection.
    TimedOut,
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

/// What the core wants done. Reused between steps; the shell drains it.
#[derive(Debug, Default)]
pub struct Effects {
    /// Answers to requests.
    pub replies: Vec<Reply>,
    /// Requests to peers.
    pub sends: Vec<PeerRequest>,
    /// Disk operations, to be started in this order. When one that changes something fails, the shell
    /// refuses all later ones that do: the log directory is offline, as in Kafka (KIP-112), and a
    /// deletion may rest on the write before it.
    pub disk: Vec<DiskOp>,
    /// Operations on remote storage, to be started. Empty unless
    /// `remote.log.storage.system.enable` is set.
    pub remote: Vec<RemoteOp>,
    /// Timers to arm.
    pub timers: Vec<(Instant, TimerKey)>,
    /// Work done in this step, for the CPU model.
    pub work: Work,
    /// What changed, for checkers and traces.
    pub trace: Vec<TraceEvent>,
    /// Set when the process should exit: controlled shutdown done, or a fatal error.
    pub exit: Option<Exit>,
}

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Controlled shutdown finished.
    ShutdownComplete,
    /// The only log directory failed.
    LogDirFailed(DiskError),
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Where to.
    pub conn: ConnectionId,
    /// Which request.
    pub correlation: CorrelationId,
    /// What. `None`: the request has no answer (`acks=0`), but its turn is over.
    pub response: Option<Response>,
    /// Quotas: nothing is read from the connection for so long after the answer, ms (KIP-219).
    pub throttle_ms: u32,
    /// The connection ends here. Producers that ask for no answer (`acks=0`) hear in this way that something was
    /// refused, and look for the leader (`KafkaApis.handleProduceRequest`).
    pub closes: bool,
}

/// Which of a node's connections to a peer carries a request. Requests on one channel keep their
/// order; different channels do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Raft messages (votes, epochs, metadata fetches).
    Raft,
    /// Broker -> controller requests (registration, heartbeat).
    Lifecycle,
    /// Broker -> controller requests (AlterPartition, ids, forwarded requests).
    Controller,
    /// Replica fetcher thread n.
    Fetcher(u16),
    /// Markers and verifications of transactions.
    Transactions,
}

/// A request to a peer.
#[derive(Debug)]
pub struct PeerRequest {
    /// Peer.
    pub to: NodeId,
    /// Which connection.
    pub channel: Channel,
    /// To be given back with the response.
    pub correlation: CorrelationId,
    /// What.
    pub request: Request,
    /// After this long without an answer the shell reports [`PeerError::TimedOut`].
    pub timeout: Duration,
}

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

/// Names of timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKey {
    /// Raft: election, fetch and resign timeouts, whichever is next.
    Raft,
    /// Controller: broker sessions, leader imbalance.
    Controller,
    /// Broker lifecycle: registration retry, heartbeat.
    Lifecycle,
    /// Delayed produce and fetch.
    Purgatory,
    /// Look for followers that fell out of sync.
    IsrCheck,
    /// A fetcher's back-off is over.
    Fetcher(NodeId, u16),
    /// AlterPartition retry.
    AlterPartition,
    /// Retention.
    Retention,
    /// Checkpoints of high watermarks, recovery points and log starts.
    Checkpoint,
    /// Age out idle producer ids, sessions and the like.
    Expiry,
    /// Requests that wait for a controller: when to ask again, when to give up.
    Forward,
    /// Flush of a rolled segment is due.
    Flush,
    /// Groups: sessions and rebalances, whichever ends next.
    Groups,
    /// Look for positions of groups that are too old.
    GroupExpiry,
    /// Look for transactions that take too long, and for transactional ids that nobody uses.
    TxnTimeouts,
    /// Markers that could not be written are sent again.
    TxnMarkers,
    /// Partitions of transactions whose coordinator was busy.
    TxnAdditions,
    /// The log cleaner has rested, or may read and write again.
    Cleaner,
    /// Remote storage: look for what to copy and to delete.
    RemoteLog,
    /// Fetches that wait for remote storage have waited long enough.
    RemoteFetch,
    /// Transactions that could not be read are read again.
    TxnLoads,
}

/// Work done in a step: counts that a CPU cost profile turns into time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Partitions of produce requests.
    pub produce_partitions: u32,
    /// Batches validated and appended by a leader.
    pub produce_batches: u32,
    /// Bytes validated, checksummed and copied by a leader.
    pub produce_bytes: u64,
    /// Records walked one by one.
    pub records_walked: u64,
    /// Partitions looked at by fetches.
    pub fetch_partitions: u32,
    /// Partitions of a cached fetch session that were walked.
    pub session_partitions: u32,
    /// Bytes sent to consumers.
    pub fetch_bytes: u64,
    /// Bytes sent to followers.
    pub replica_fetch_bytes: u64,
    /// Bytes appended as a follower.
    pub follower_bytes: u64,
    /// Batches appended as a follower.
    pub follower_batches: u32,
    /// Metadata records applied or written.
    pub metadata_records: u32,
    /// Bytes that the log cleaner read or wrote.
    pub cleaner_bytes: u64,
    /// Records that the log cleaner looked up in its map.
    pub cleaner_records: u64,
    /// Bytes copied in memory on the way from a log to a Fetch's answer. There is no such copy here, as
    /// bodies are shared: whoever adds one counts it, and the CPU model charges for it.
    pub fetch_copied_bytes: u64,
}

impl Work {
    /// Takes the counts and leaves zeros.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// What changed inside, for checkers, traces and the cluster's story. Not needed to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent {
    /// A leader appended batches (after the disk confirmed, unless they have been cut off before).
    LeaderAppended {
        /// Partition.
        tp: TopicPartition,
        /// What, with the epoch in which each batch was written.
        records: Records,
    },
    /// A follower appended batches.
    FollowerAppended {
        /// Partition.
        tp: TopicPartition,
        /// What.
        records: Records,
    },
    /// A replica cut its log; or dropped it, to go on at `to`, above where it ended (`from`).
    Truncated {
        /// Partition.
        tp: TopicPartition,
        /// First offset that went, or offset at which the log goes on.
        to: Offset,
        /// Log end before.
        from: Offset,
        /// High watermark at that time.
        high_watermark: Offset,
    },
    /// The high watermark moved.
    HighWatermark {
        /// Partition.
        tp: TopicPartition,
        /// New value.
        offset: Offset,
        /// Whether this replica leads.
        leader: bool,
        /// Leader epoch.
        epoch: LeaderEpoch,
    },
    /// The log start moved (retention).
    LogStart {
        /// Partition.
        tp: TopicPartition,
        /// New value.
        offset: Offset,
    },
    /// A log whose older segments are in remote storage deleted local ones.
    LocalLogStart {
        /// Partition.
        tp: TopicPartition,
        /// First offset that is still on the local disk.
        offset: Offset,
    },
    /// The log cleaner replaced the segments that hold these offsets.
    Compacted {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the first segment.
        from: Offset,
        /// Offset after the last one's last record.
        upto: Offset,
    },
    /// This broker leads a partition now.
    BecameLeader {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Where the epoch starts.
        start: Offset,
        /// ISR.
        isr: Vec<NodeId>,
    },
    /// This broker follows now.
    BecameFollower {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Leader.
        leader: Option<NodeId>,
    },
    /// The leader asked for another ISR.
    IsrProposed {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Proposed.
        isr: Vec<NodeId>,
    },
    /// The leader knows of a committed ISR.
    IsrCommitted {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Before.
        old: Vec<NodeId>,
        /// Now.
        isr: Vec<NodeId>,
    },
    /// The active controller committed a partition change.
    PartitionChanged {
        /// Partition.
        tp: TopicPartition,
        /// Leader, if any.
        leader: Option<NodeId>,
        /// Epoch.
        epoch: LeaderEpoch,
        /// ISR.
        isr: Vec<NodeId>,
        /// Whether the leader was elected from outside the ISR.
        unclean: bool,
    },
    /// A controller became active.
    ControllerElected {
        /// Raft epoch.
        epoch: LeaderEpoch,
    },
    /// A controller resigned or lost its leadership.
    ControllerResigned {
        /// Raft epoch.
        epoch: LeaderEpoch,
    },
    /// A Raft node voted.
    Voted {
        /// Epoch.
        epoch: LeaderEpoch,
        /// For whom.
        candidate: NodeId,
    },
    /// The active controller fenced or unfenced a broker.
    BrokerFenced {
        /// Broker.
        broker: NodeId,
        /// State now.
        fenced: bool,
    },
    /// A coordinator writes that a group is gone, which a later one may be the first to know of: one of this
    /// name begins anew.
    GroupRemoved {
        /// Its id.
        group: Arc<str>,
    },
    /// A broker finished loading its logs.
    Recovered {
        /// Bytes scanned.
        scanned_bytes: u64,
        /// Bytes cut from torn tails.
        truncated_bytes: u64,
    },
    /// A rare branch was taken (a *sometimes* mark).
    Mark(&'static str),
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
