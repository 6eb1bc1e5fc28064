//! What coordinators' logs have been through: where Kafka promises nothing of one of them, nothing is promised of the
//! positions and transactions in it.

use super::{Checkers, OFFSETS_TOPIC};
use crate::checkers::ownership::Reign;
use crate::checkers::partition::Partition;
use stormglass_broker_core::inspect::partition_for_group;

/// An answer is on its way for less than this, ns.
const ANSWER_NS: u64 = 2_000_000_000;

impl Checkers {
    /// A node leads a partition no longer.
    pub(super) fn resigns(&mut self, at: usize, node: i32, now_ns: u64) {
        let p = &mut self.partitions[at];
        let was_stale = self.positions.contains(&at) && p.has_stale_leader();
        p.resigns(node);
        if was_stale && !p.has_stale_leader() {
            self.stale_coordinator_ns = Some(now_ns);
        }
    }

    /// Whether a position may come, or be on its way, from a coordinator that does not know of its
    /// successor. Kafka's answers OffsetFetch from memory: nothing fences it until it hears of the
    /// new leader.
    pub(super) fn coordinator_may_be_stale(&self) -> bool {
        let now_ns = self.ledger.now_ns;
        let mut positions = self.positions.iter().map(|at| &self.partitions[*at]);
        self.stale_coordinator_ns.is_some_and(|ended_ns| now_ns - ended_ns < ANSWER_NS)
            || positions.any(Partition::has_stale_leader)
    }

    pub(super) fn note_positions_void(&mut self) {
        let mut positions = self.positions.iter().map(|at| &self.partitions[*at]);
        self.positions_void |= positions.any(|p| p.void.is_some());
        if self.transactions.is_some() {
            self.note_transactions_void();
        }
    }

    #[cold]
    fn note_transactions_void(&mut self) {
        let Some(transactions) = &mut self.transactions else { return };
        for (at, p) in self.partitions.iter().enumerate().filter(|(_, p)| p.void.is_some()) {
            transactions.is_void |= self.coordinators.contains(&at);
            transactions.gave_up(&p.label);
        }
        if !transactions.is_void {
            return;
        }
        for p in self.partitions.iter_mut().filter(|p| !p.producers.epochs_return) {
            let topic = p.label.rsplit_once('-').map(|(topic, _)| topic);
            p.producers.epochs_return = topic.is_some_and(|it| self.transactional.contains(it));
        }
    }

    /// How the log of a group is led.
    pub(super) fn reign_of(&self, group: &str) -> Option<Reign> {
        let count = i32::try_from(self.positions.len()).ok().filter(|count| *count > 0)?;
        let index = partition_for_group(group, count);
        let label = format!("{OFFSETS_TOPIC}-{index}");
        let mut all = self.positions.iter().map(|at| &self.partitions[*at]);
        all.find(|p| p.label == label).map(Partition::reign)
    }
}
