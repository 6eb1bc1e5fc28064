//! A coordinator that looks for transactions that take too long ends all that have been open for longer than their
//! producers have said, since they began, whatever has become part of them meanwhile (Kafka's
//! `timedOutTransactions`): readers of committed records wait for them.

use super::waits::says;
use crate::checkers::suite::Checkers;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::seam::TimerKey;

/// What a node's clock may be behind the time at which it is looked at, ms.
const BEHIND_MS: i64 = 100;

/// The node that looks for them in this very step, and when, ns.
#[derive(Debug, Default)]
pub(crate) struct Overdue(Option<(i32, u64)>);

impl Overdue {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.take_if(|(of, _)| *of == node);
    }

    /// A node's timer rings.
    pub(super) fn rings(&mut self, now_ns: u64, node: i32, key: TimerKey) {
        self.0 = (key == TimerKey::TxnTimeouts).then_some((node, now_ns));
    }

    /// When a node that has just looked did so, ns.
    fn looked(&mut self, node: i32) -> Option<u64> {
        let (of, at_ns) = self.0.take()?;
        (of == node).then_some(at_ns)
    }
}

impl Checkers {
    /// A node has taken an input: it may have looked for them.
    pub(super) fn has_looked(&mut self, node: i32, broker: &Broker) {
        let Some(at_ns) = self.overdue.looked(node) else { return };
        if broker.waits().is_closing {
            return;
        }
        let wall_ms = self.ledger.wall_ms(at_ns) - BEHIND_MS;
        let mut overdue = broker.overdue_transactions(wall_ms);
        let left = overdue.find(|(tp, epoch, _)| {
            let log = broker.replica_view(*tp).filter(|log| log.leader_epoch == *epoch);
            log.is_some_and(|log| takes(&log))
        });
        self.ledger.now_ns = at_ns;
        says(&mut self.ledger, left.is_none(), &|| {
            format!(
                "coordinator {node} has looked for transactions that take too long, and leaves one as it is: {left:?}"
            )
        });
    }
}

/// Whether a log takes what its coordinator writes.
fn takes(log: &ReplicaView<'_>) -> bool {
    log.lead.as_ref().is_some_and(|lead| lead.isr.len() >= lead.min_isr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_for_late_transactions_is_looked_at_once() {
        let mut overdue = Overdue::default();
        overdue.rings(5, 1, TimerKey::Retention);
        assert_eq!(overdue.looked(1), None, "it looks for something else");
        overdue.rings(5, 1, TimerKey::TxnTimeouts);
        assert_eq!((overdue.looked(1), overdue.looked(1)), (Some(5), None));
        overdue.rings(6, 1, TimerKey::TxnTimeouts);
        assert_eq!((overdue.looked(2), overdue.looked(1)), (None, None));
        overdue.rings(7, 1, TimerKey::TxnTimeouts);
        overdue.node_down(1);
        assert_eq!(overdue.looked(1), None, "it has ended meanwhile");
    }
}
