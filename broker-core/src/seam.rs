//! The seam: what goes into [`crate::Broker::step`] and what comes out. Pure data.

mod disk;
mod remote;
mod trace;

pub use disk::{
    DiskError, DiskImage, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange, ScanEnd,
    SegmentSummary,
};
pub use remote::{RemoteError, RemoteIndexes, RemoteOp, RemoteOpKind, RemoteResult, RemoteSegment};
pub use trace::TraceEvent;

use crate::ids::{ConnectionId, CorrelationId, DiskOpId, NodeId, RemoteOpId};
use crate::protocol::{Request, Response};
use crate::time::{Duration, Instant};
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
