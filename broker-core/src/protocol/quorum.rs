//! KRaft (KIP-595, KIP-630): votes, epochs, snapshots. The log itself is replicated by Fetch.

use super::data::{LeaderAndEpoch, SnapshotId};
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NodeId, Offset};
use bytes::Bytes;

/// Vote, or pre-vote (KIP-996).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteRequest {
    /// Epoch of the candidate (for a pre-vote: its current epoch).
    pub epoch: LeaderEpoch,
    /// Candidate.
    pub candidate: NodeId,
    /// Epoch of the candidate's last record.
    pub last_offset_epoch: LeaderEpoch,
    /// Candidate's log end offset.
    pub last_offset: Offset,
    /// Only asks whether a vote would be granted.
    pub pre_vote: bool,
}

/// Answer to [`VoteRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Voter's leader, if it knows one, and its epoch.
    pub leader: Option<NodeId>,
    /// Voter's epoch.
    pub epoch: LeaderEpoch,
    /// Whether the vote was granted.
    pub granted: bool,
}

/// BeginQuorumEpoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    /// New leader.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// Answer to [`BeginQuorumEpochRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginQuorumEpochResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Answering node's leader, if it knows one.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// EndQuorumEpoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    /// Leader that resigns.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Voters by how far they have replicated, best first.
    pub preferred_successors: Vec<NodeId>,
}

/// Answer to [`EndQuorumEpochRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndQuorumEpochResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Answering node's epoch.
    pub epoch: LeaderEpoch,
}

/// FetchSnapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    /// Fetching node.
    pub replica: NodeId,
    /// Leader epoch as known.
    pub current_leader_epoch: LeaderEpoch,
    /// Which snapshot.
    pub snapshot_id: SnapshotId,
    /// Byte position.
    pub position: u64,
    /// Largest chunk, bytes.
    pub max_bytes: i32,
}

/// Answer to [`FetchSnapshotRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSnapshotResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Leader as the answering node knows it.
    pub current_leader: Option<LeaderAndEpoch>,
    /// Which snapshot.
    pub snapshot_id: SnapshotId,
    /// Size of the whole snapshot, bytes.
    pub size: u64,
    /// Byte position of the chunk.
    pub position: u64,
    /// Chunk.
    pub bytes: Bytes,
}

/// DescribeQuorum (KIP-595, KIP-836), of the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeQuorumRequest {}

/// Answer to [`DescribeQuorumRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeQuorumResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Offset before which everything is committed.
    pub high_watermark: Offset,
    /// Voters.
    pub voters: Vec<QuorumReplica>,
    /// Nodes that fetch and do not vote.
    pub observers: Vec<QuorumReplica>,
}

impl DescribeQuorumResponse {
    /// Nothing but an error.
    #[must_use]
    pub fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            leader: None,
            epoch: -1,
            high_watermark: -1,
            voters: Vec::new(),
            observers: Vec::new(),
        }
    }
}

/// A replica of the metadata log, as the leader knows it. Times are ms since the epoch, `-1` =
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Which.
    pub node: NodeId,
    /// Offset up to which it has the log, `-1` = unknown.
    pub log_end_offset: Offset,
    /// When it fetched last.
    pub last_fetch_ms: i64,
    /// When it had last all that the leader had.
    pub last_caught_up_ms: i64,
}
