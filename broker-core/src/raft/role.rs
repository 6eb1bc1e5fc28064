//! Roles of a Raft node and what each remembers. Forgotten with the role.

use super::describe::Seen;
use crate::ids::{LeaderEpoch, NodeId, Offset};
use crate::step::ReplyTo;
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// Role in the quorum, without its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleName {
    /// Knows no leader of its epoch.
    Unattached,
    /// Asks whether it would be elected (KIP-996).
    Prospective,
    /// Asks to be elected.
    Candidate,
    /// Leads.
    Leader,
    /// Fetches from a leader, as voter or observer.
    Follower,
    /// Has led this epoch and will not again (RAFT-02).
    Resigned,
}

#[derive(Debug)]
pub(super) enum Role {
    /// A voter stands for election at this time; an observer never.
    Unattached {
        election_at: Instant,
    },
    Prospective(Ballot),
    Candidate(Ballot),
    Leader(Box<Leader>),
    Follower(Follower),
    Resigned {
        until: Instant,
    },
}

impl Role {
    pub(super) fn name(&self) -> RoleName {
        match self {
            Self::Unattached { .. } => RoleName::Unattached,
            Self::Prospective(_) => RoleName::Prospective,
            Self::Candidate(_) => RoleName::Candidate,
            Self::Leader(_) => RoleName::Leader,
            Self::Follower(_) => RoleName::Follower,
            Self::Resigned { .. } => RoleName::Resigned,
        }
    }
}

/// Votes of one (pre-)election.
#[derive(Debug)]
pub(super) struct Ballot {
    pub(super) granted: BTreeSet<NodeId>,
    pub(super) rejected: BTreeSet<NodeId>,
    pub(super) until: Instant,
}

impl Ballot {
    pub(super) fn new(own: NodeId, until: Instant) -> Self {
        Self { granted: BTreeSet::from([own]), rejected: BTreeSet::new(), until }
    }

    pub(super) fn count(&mut self, from: NodeId, granted: bool) {
        let votes = if granted { &mut self.granted } else { &mut self.rejected };
        votes.insert(from);
    }
}

#[derive(Debug)]
pub(super) struct Follower {
    pub(super) leader: NodeId,
    /// The leader counts as lost then.
    pub(super) until: Instant,
    /// Whether the leader has answered a fetch; then pre-votes are refused.
    pub(super) in_touch: bool,
}

#[derive(Debug)]
pub(super) struct Leader {
    /// Offset of the record that opened the epoch.
    pub(super) epoch_start: Offset,
    /// The other voters.
    pub(super) voters: BTreeMap<NodeId, Progress>,
    /// High watermark last sent to each fetching node.
    pub(super) told: BTreeMap<NodeId, Offset>,
    pub(super) parked: Vec<Parked>,
    /// Who fetches, voters or not.
    pub(super) seen: BTreeMap<NodeId, Seen>,
}

/// What the leader knows of another voter.
#[derive(Debug)]
pub(super) struct Progress {
    /// Offset up to which it has the log, verified by its last fetch; `None` before the first.
    pub(super) end: Option<Offset>,
    pub(super) last_fetch: Instant,
    pub(super) begin: Begin,
    pub(super) failures: u32,
}

/// Whether a voter knows of the new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// To be told at this time.
    Due(Instant),
    /// Asked.
    Sent,
    /// Knows.
    Done,
}

/// A fetch that waits for news.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parked {
    pub(super) reply_to: ReplyTo,
    pub(super) replica: NodeId,
    pub(super) offset: Offset,
    pub(super) last_epoch: LeaderEpoch,
    pub(super) max_bytes: i32,
    pub(super) until: Instant,
}

/// Doubles with each failure, up to the 16-fold and at most a second.
pub(super) fn backoff(base: Duration, failures: u32) -> Duration {
    let factor = 1_u64 << failures.min(4);
    Duration::from_nanos((base.as_nanos() * factor).min(Duration::from_millis(1000).as_nanos()))
}
