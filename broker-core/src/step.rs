//! What a module sees of the current step: time, and where its effects go.

use crate::ids::{ConnectionId, CorrelationId, DiskOpId, NodeId, RemoteOpId};
use crate::protocol::{Request, Response};
use crate::seam::{
    Channel, DiskOp, DiskOpKind, Effects, PeerRequest, RemoteOp, RemoteOpKind, Reply, TimerKey,
    TraceEvent,
};
use crate::time::{Duration, Instant};

/// Which module a disk completion or a peer's response goes back to: the top byte of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Owner {
    /// The Raft node.
    Raft = 1,
    /// The broker's registration and heartbeats.
    Lifecycle = 2,
    /// Replica manager: appends, truncations, retention.
    Replica = 3,
    /// Reads for fetch requests.
    Fetch = 4,
    /// Replica fetchers.
    Fetcher = 5,
    /// AlterPartition.
    AlterPartition = 6,
    /// Forwarded client requests and producer id blocks.
    Forward = 7,
    /// ListOffsets by timestamp.
    ListOffsets = 8,
    /// Group coordinator.
    Group = 9,
    /// Transactions.
    Transactions = 10,
    /// The log cleaner.
    Cleaner = 11,
    /// Remote storage, and what followers ask about it.
    Remote = 12,
}

const OWNER_SHIFT: u32 = 56;

/// Owner of an id.
pub(crate) fn owner_of(id: u64) -> Option<Owner> {
    Some(match id >> OWNER_SHIFT {
        1 => Owner::Raft,
        2 => Owner::Lifecycle,
        3 => Owner::Replica,
        4 => Owner::Fetch,
        5 => Owner::Fetcher,
        6 => Owner::AlterPartition,
        7 => Owner::Forward,
        8 => Owner::ListOffsets,
        9 => Owner::Group,
        10 => Owner::Transactions,
        11 => Owner::Cleaner,
        12 => Owner::Remote,
        _ => return None,
    })
}

/// A node's counters for ids; they live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct IdCounters {
    next: u64,
}

/// The current step.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// Monotonic time.
    pub(crate) now: Instant,
    /// Wall clock, ms since the epoch.
    pub(crate) wall_ms: i64,
    /// Where effects go.
    pub(crate) effects: &'a mut Effects,
    /// Id counters.
    pub(crate) ids: &'a mut IdCounters,
}

impl Step<'_> {
    fn next_id(&mut self, owner: Owner) -> u64 {
        self.ids.next += 1;
        (owner as u64) << OWNER_SHIFT | self.ids.next
    }

    /// Starts a disk operation.
    pub(crate) fn disk(&mut self, owner: Owner, kind: DiskOpKind) -> DiskOpId {
        let id = DiskOpId(self.next_id(owner));
        self.effects.disk.push(DiskOp { id, kind });
        id
    }

    /// Starts an operation on remote storage.
    pub(crate) fn remote(&mut self, owner: Owner, kind: RemoteOpKind) -> RemoteOpId {
        let id = RemoteOpId(self.next_id(owner));
        self.effects.remote.push(RemoteOp { id, kind });
        id
    }

    /// Sends a request to a peer.
    pub(crate) fn send(
        &mut self,
        owner: Owner,
        to: NodeId,
        channel: Channel,
        timeout: Duration,
        request: Request,
    ) -> CorrelationId {
        let correlation = CorrelationId(self.next_id(owner));
        self.effects.sends.push(PeerRequest { to, channel, correlation, request, timeout });
        correlation
    }

    /// Answers a request.
    pub(crate) fn reply(&mut self, to: ReplyTo, response: Response) {
        let ReplyTo { conn, correlation } = to;
        let response = Some(response);
        self.effects.replies.push(Reply {
            conn,
            correlation,
            response,
            throttle_ms: 0,
            closes: false,
        });
    }

    /// Arms a timer.
    pub(crate) fn timer(&mut self, at: Instant, key: TimerKey) {
        self.effects.timers.push((at, key));
    }

    /// Notes a change for checkers and traces.
    pub(crate) fn trace(&mut self, event: TraceEvent) {
        self.effects.trace.push(event);
    }
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReplyTo {
    /// Connection.
    pub(crate) conn: ConnectionId,
    /// Request.
    pub(crate) correlation: CorrelationId,
}
