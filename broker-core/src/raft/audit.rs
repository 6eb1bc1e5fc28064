//! What must hold of a Raft node whatever it has heard, for checkers.

use super::node::Raft;
use super::role::{Leader, Role};
use crate::ids::NO_OFFSET;
use crate::inspect::QuorumAudit;

impl Raft {
    /// Log and waiting fetches.
    pub(crate) fn audit(&self) -> QuorumAudit {
        let stale_fetches = match &self.role {
            Role::Leader(leader) => self.stale_fetches(leader),
            _ => 0,
        };
        QuorumAudit {
            log_end: self.log.end_offset(),
            durable_end: self.log.durable_end(),
            last_epoch: self.log.last_epoch(),
            newest_batch: self.log.newest_batch(),
            stale_fetches,
        }
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
