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
