//! Who leads the quorum and hears from a majority of it goes on: one voter that is silent deposes nobody.

use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::timeouts::hurry_ppm;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, TopicPartition};
use stormglass_broker_core::protocol::{EndQuorumEpochRequest, Request};
use stormglass_scenarios::plan::{Action, Plan};

/// When leaders of the quorum heard from its other voters.
#[derive(Debug)]
pub(crate) struct InTouch {
    voters: BTreeSet<i32>,
    /// One and a half times `controller.quorum.fetch.timeout.ms` by the fastest clock, ns. 0: controllers may end in
    /// order, and then give up what they lead.
    patience_ns: u64,
    /// By leader and voter: in which epoch it fetched last, and when, ns.
    heard: BTreeMap<(i32, i32), (LeaderEpoch, u64)>,
}

impl InTouch {
    pub(crate) fn new(plan: &Plan) -> Self {
        let timeout_ms = plan.cluster.config_ms("controller.quorum.fetch.timeout.ms", 2_000);
        let exact_ns = u128::from(timeout_ms) * 1_500_000;
        let fast = u128::from(1_000_000 - hurry_ppm(plan));
        let patience_ns = u64::try_from(exact_ns * fast / 1_000_000).unwrap_or(0);
        let voters: BTreeSet<i32> = plan.cluster.controllers.iter().map(|node| node.id).collect();
        let may_end = plan.events.iter().any(|event| match &event.action {
            Action::RollingRestart { nodes, .. } => nodes.iter().any(|id| voters.contains(id)),
            _ => false,
        });
        let patience_ns = if may_end { 0 } else { patience_ns };
        Self { voters, patience_ns, heard: BTreeMap::new() }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.heard.retain(|(of, _), _| *of != node);
    }

    /// A node is about to handle a request: a voter's fetch in the epoch that it leads.
    pub(crate) fn asked(&mut self, now_ns: u64, (node, broker): (i32, &Broker), request: &Request) {
        let Request::Fetch(asked) = request else { return };
        let (Some(voter), [part]) = (asked.replica, asked.partitions.as_slice()) else { return };
        if part.tp != TopicPartition::METADATA || !self.voters.contains(&voter.id.0) {
            return;
        }
        let quorum = broker.quorum();
        if (quorum.epoch, quorum.leader) == (part.current_leader_epoch, Some(NodeId(node))) {
            self.heard.insert((node, voter.id.0), (quorum.epoch, now_ns));
        }
    }

    /// A leader tells another voter that it leads no longer.
    pub(crate) fn resigns(&self, ledger: &mut Ledger, node: i32, says: &EndQuorumEpochRequest) {
        if self.patience_ns == 0 {
            return;
        }
        let now_ns = ledger.now_ns;
        let is_recent = |(of, (epoch, at_ns)): &(&(i32, i32), &(LeaderEpoch, u64))| {
            let ago_ns = now_ns.saturating_sub(*at_ns);
            of.0 == node && of.1 != node && *epoch == says.epoch && ago_ns < self.patience_ns
        };
        let heard = self.heard.iter().filter(is_recent).count();
        ledger.checked(Check::Quorum, 1);
        if heard >= self.voters.len() / 2 && heard > 0 {
            ledger.broken(Check::Quorum, ("", &History::default()), &|| {
                format!(
                    "controller {node} gives up epoch {}, in which {heard} of {} voters beside it have asked it \
                     for metadata in the last {} ms",
                    says.epoch,
                    self.voters.len(),
                    self.patience_ns / 1_000_000
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;

    /// Accounts of controller 1 of five, which gives up epoch 7 at second 9. It heard others in an epoch, so long ago,
    /// in ms.
    fn broken(heard: &[(i32, LeaderEpoch, u64)]) -> usize {
        let (mut of, mut ledger) = (InTouch::new(&plan()), Ledger::default());
        of.voters = (1..=5).collect();
        assert_eq!(of.patience_ns, 3_000_000_000);
        ledger.now_ns = 9_000_000_000;
        for (voter, epoch, ago_ms) in heard {
            of.heard.insert((1, *voter), (*epoch, ledger.now_ns - ago_ms * 1_000_000));
        }
        let says =
            EndQuorumEpochRequest { leader: NodeId(1), epoch: 7, preferred_successors: Vec::new() };
        of.resigns(&mut ledger, 1, &says);
        ledger.finish().1.len()
    }

    #[test]
    fn who_hears_from_a_majority_does_not_resign() {
        assert_eq!(broken(&[(2, 7, 100), (3, 7, 2_999), (4, 7, 8_000)]), 1);
        assert_eq!(broken(&[(2, 7, 100), (3, 7, 3_000), (4, 7, 8_000)]), 0, "two are too few");
        assert_eq!(broken(&[(2, 7, 100), (3, 6, 100)]), 0, "of an earlier epoch");
        assert_eq!(broken(&[]), 0);
    }
}
