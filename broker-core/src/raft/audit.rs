//! What must hold of a Raft node whatever it has heard, for checkers.

use super::node::Raft;
use super::role::{Leader, Role, backoff};
use crate::ids::NO_OFFSET;
use crate::inspect::QuorumAudit;
use crate::time::{Duration, Instant};

impl Raft {
    /// Log and waiting fetches.
    pub(crate) fn audit(&self) -> QuorumAudit {
        let stale_fetches = match &self.role {
            Role::Leader(leader) => self.stale_fetches(leader),
            _ => 0,
        };
        let snapshot = self.state.snapshot.zip(self.snapshots.held());
        QuorumAudit {
            log_end: self.log.end_offset(),
            durable_end: self.log.durable_end(),
            last_epoch: self.log.last_epoch(),
            newest_batch: self.log.newest_batch(),
            empty_epoch: self.log.empty_epoch(),
            stale_fetches,
            snapshot: snapshot.map(|(id, held)| (id.end_offset, id.epoch, held)),
        }
    }

    /// When a voter that does not lead goes on by itself, whatever it hears, and how long that may take at most.
    pub(crate) fn acts_by(&self) -> Option<(Instant, Duration)> {
        let at = match &self.role {
            Role::Leader(_) => return None,
            Role::Unattached { election_at } => *election_at,
            Role::Prospective(ballot) | Role::Candidate(ballot) => ballot.until,
            Role::Follower(follower) => follower.until,
            Role::Resigned { until } => *until,
        };
        let timing = &self.timing;
        let succeeds = backoff(timing.retry, u32::MAX);
        let most = [
            timing.election + timing.election,
            timing.fetch,
            timing.retry + timing.election_backoff_max,
            succeeds + succeeds,
        ];
        let most = most.into_iter().max().unwrap_or_default();
        self.is_voter().then_some((at, most))
    }

    fn stale_fetches(&self, leader: &Leader) -> usize {
        let told = |node| leader.told.get(node).copied().unwrap_or(NO_OFFSET);
        let durable_end = self.log.durable_end();
        let has_news = leader.parked.iter().filter(|parked| {
            parked.offset < durable_end || told(&parked.replica) < self.high_watermark
        });
        has_news.count()
    }
}
