//! A node of the metadata quorum.

use crate::broker::Broker;
use crate::ids::{LeaderEpoch, NodeId, Offset};
use crate::time::{Duration, Instant};

/// What a Raft node holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumView {
    /// Epoch.
    pub epoch: LeaderEpoch,
    /// Vote in this epoch.
    pub voted: Option<NodeId>,
    /// Leader of this epoch, if it knows one; itself once it leads.
    pub leader: Option<NodeId>,
    /// Epoch of its log's last record.
    pub last_epoch: LeaderEpoch,
    /// Next offset of its log.
    pub log_end: Offset,
    /// Offset below which it knows everything to be committed.
    pub high_watermark: Offset,
    /// It follows that leader, and has been answered by it.
    pub in_touch: bool,
}

/// What must hold of a Raft node whatever it has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumAudit {
    /// Next offset of its log.
    pub log_end: Offset,
    /// Offset below which its log counts for the quorum.
    pub durable_end: Offset,
    /// Newest epoch that its log has on record.
    pub last_epoch: LeaderEpoch,
    /// Epoch of the newest batch that it holds, if it holds one.
    pub newest_batch: Option<LeaderEpoch>,
    /// An epoch that its log has on record, and no record of.
    pub empty_epoch: Option<LeaderEpoch>,
    /// Fetches that wait at a leader, though there is something that their nodes have not been told.
    pub stale_fetches: usize,
    /// End and epoch of the snapshot that its `quorum-state` names, and how many bytes it has of that for nodes that
    /// ask for it (KIP-630). `None`: there is none, or another one is taking its place.
    pub snapshot: Option<(Offset, LeaderEpoch, usize)>,
}

/// What a node's `quorum-state` file says: epoch and vote. `None` when it says nothing.
#[must_use]
pub fn quorum_state(bytes: &[u8]) -> Option<(LeaderEpoch, Option<NodeId>)> {
    crate::raft::persisted(bytes)
}

/// End and epoch of the snapshot that a node's `quorum-state` file names, if it names one.
#[must_use]
pub fn named_snapshot(bytes: &[u8]) -> Option<(Offset, LeaderEpoch)> {
    crate::raft::named_snapshot(bytes)
}

impl Broker {
    /// This node's part in the quorum.
    #[must_use]
    pub fn quorum(&self) -> QuorumView {
        self.raft().view()
    }

    /// When this node, if it is a voter and does not lead, goes on by itself, on its monotonic clock, and how long
    /// that may take at most.
    #[must_use]
    pub fn acts_by(&self) -> Option<(Instant, Duration)> {
        self.raft().acts_by()
    }

    /// The same node, with what must agree in it.
    #[must_use]
    pub fn quorum_audit(&self) -> QuorumAudit {
        self.raft().audit()
    }
}
