//! A node of the metadata quorum.

use crate::broker::Broker;
use crate::ids::{LeaderEpoch, NodeId, Offset};

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
}

/// What a node's `quorum-state` file says: epoch and vote. `None` when it says nothing.
#[must_use]
pub fn quorum_state(bytes: &[u8]) -> Option<(LeaderEpoch, Option<NodeId>)> {
    crate::raft::persisted(bytes)
}

impl Broker {
    /// This node's part in the quorum.
    #[must_use]
    pub fn quorum(&self) -> QuorumView {
        self.raft().view()
    }
}
