//! Sessions of brokers: the controller fences a broker that it has not heard for `broker.session.timeout.ms`, and none
//! before. Reckoned anew from what controllers hear.

use super::{SLACK_NS, hurry_ppm, says, soonest};
use crate::checkers::ledger::Ledger;
use crate::checkers::state::NodeView;
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::seam::TraceEvent;
use stormglass_scenarios::plan::Plan;

/// What a controller's decision takes to be committed, ns.
const COMMIT_NS: u64 = 5_000_000_000;
/// Times at which a broker was heard that are remembered.
const HEARD_MAX: usize = 64;

/// When a controller heard a broker.
#[derive(Debug, Default)]
struct Heard {
    at_ns: Vec<u64>,
    /// It registered, or asked to be fenced or to shut down.
    asked_ns: Option<u64>,
}

/// What controllers have heard of brokers.
#[derive(Debug)]
pub(in crate::checkers) struct Sessions {
    session_ns: u64,
    /// By how much the fastest clock of the plan may be fast, parts per million.
    hurry_ppm: u64,
    /// By controller and broker.
    heard: BTreeMap<(i32, i32), Heard>,
    /// Since when each controller is active, ns.
    active: BTreeMap<i32, u64>,
}

impl Sessions {
    pub(super) fn new(plan: &Plan) -> Self {
        let session_ms = plan.cluster.config_ms("broker.session.timeout.ms", 9_000);
        Self {
            session_ns: session_ms.saturating_mul(1_000_000),
            hurry_ppm: hurry_ppm(plan),
            heard: BTreeMap::new(),
            active: BTreeMap::new(),
        }
    }

    /// A node works on a request. Of brokers it hears by heartbeats and registrations only.
    pub(in crate::checkers) fn asked(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        request: &Request,
    ) {
        match request {
            Request::BrokerHeartbeat(heartbeat) => {
                // one of an earlier life is refused, and keeps no session
                let known =
                    broker.active_metadata().and_then(|image| image.broker(heartbeat.broker));
                let Some(known) = known.filter(|known| known.epoch == heartbeat.broker_epoch)
                else {
                    return;
                };
                // whoever began to shut down is let go by whatever it says next: a heartbeat from before
                // its wish may arrive late, on an old connection (hunt seed 870802)
                let asks = heartbeat.want_fence
                    || heartbeat.want_shut_down
                    || known.in_controlled_shutdown;
                self.hears(now_ns, (node, heartbeat.broker), asks);
            }
            Request::BrokerRegistration(register) => {
                self.hears(now_ns, (node, register.broker), true);
            }
            Request::UnregisterBroker(asked) => {
                // it is fenced with that, however well it is
                self.heard.entry((node, asked.broker.0)).or_default().asked_ns = Some(now_ns);
            }
            _ => {}
        }
    }

    fn hears(&mut self, now_ns: u64, (node, broker): (i32, NodeId), asks: bool) {
        let heard = self.heard.entry((node, broker.0)).or_default();
        if heard.at_ns.len() == HEARD_MAX {
            heard.at_ns.remove(0);
        }
        heard.at_ns.push(now_ns);
        if asks {
            heard.asked_ns = Some(now_ns);
        }
    }

    /// Something changed inside a node.
    pub(super) fn trace(
        &mut self,
        (ledger, now_ns): (&mut Ledger, u64),
        node: i32,
        event: &TraceEvent,
    ) {
        match event {
            TraceEvent::ControllerElected { .. } => {
                self.heard.retain(|(of, _), _| *of != node);
                self.active.insert(node, now_ns);
            }
            TraceEvent::ControllerResigned { .. } => {
                self.active.remove(&node);
            }
            TraceEvent::BrokerFenced { broker, fenced: true } => {
                self.fenced((ledger, now_ns), node, broker.0);
            }
            _ => {}
        }
    }

    /// Some time before it was fenced, the broker must have been silent for long enough.
    fn fenced(&self, (ledger, now_ns): (&mut Ledger, u64), node: i32, broker: i32) {
        let Some(active_ns) = self.active.get(&node) else { return };
        let Some(heard) = self.heard.get(&(node, broker)) else { return };
        if heard.asked_ns.is_some_and(|asked_ns| now_ns - asked_ns < COMMIT_NS) {
            return;
        }
        let mut before_ns = *active_ns;
        let mut longest_ns = 0;
        for at_ns in heard.at_ns.iter().copied().chain([now_ns]) {
            if now_ns - at_ns < COMMIT_NS {
                longest_ns = longest_ns.max(at_ns.saturating_sub(before_ns));
            }
            before_ns = at_ns;
        }
        says(ledger, longest_ns >= soonest(self.session_ns, self.hurry_ppm), &|| {
            format!(
                "controller {node} fences broker {broker}, which was never silent for longer than \
                 {} ms; broker.session.timeout.ms is {}",
                longest_ns / 1_000_000,
                self.session_ns / 1_000_000
            )
        });
    }

    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.heard.retain(|(of, _), _| *of != node);
        self.active.remove(&node);
    }

    /// Which brokers a controller that is awake should have fenced.
    pub(super) fn overdue(&self, (ledger, now_ns): (&mut Ledger, u64), view: &NodeView<'_>) {
        let node = view.node;
        let Some((image, active_ns)) = view.broker.active_metadata().zip(self.active.get(&node))
        else {
            return;
        };
        for (broker, _) in image.brokers().filter(|(_, image)| !image.fenced) {
            let heard = self.heard.get(&(node, broker.0)).and_then(|heard| heard.at_ns.last());
            let silent_ns = now_ns.saturating_sub(*heard.unwrap_or(active_ns));
            says(ledger, silent_ns <= self.session_ns + SLACK_NS, &|| {
                format!(
                    "controller {node} has not heard broker {broker} for {} ms, and does not fence \
                     it; broker.session.timeout.ms is {}",
                    silent_ns / 1_000_000,
                    self.session_ns / 1_000_000
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;

    const MS: u64 = 1_000_000;

    /// A controller that is active from 0 on and hears broker 1 at these times, ms; how many rules
    /// are broken when it fences that broker at `at_ms`.
    fn fenced(heard_ms: &[u64], asks: bool, at_ms: u64) -> usize {
        let mut plan = plan();
        plan.cluster.config.insert("broker.session.timeout.ms".to_owned(), "1000".to_owned());
        let (mut sessions, mut ledger) = (Sessions::new(&plan), Ledger::default());
        let elected = TraceEvent::ControllerElected { epoch: 1 };
        sessions.trace((&mut ledger, 0), 9, &elected);
        for at in heard_ms {
            sessions.hears(at * MS, (9, NodeId(1)), asks);
        }
        let fenced = TraceEvent::BrokerFenced { broker: NodeId(1), fenced: true };
        sessions.trace((&mut ledger, at_ms * MS), 9, &fenced);
        ledger.finish().1.len()
    }

    #[test]
    fn a_broker_is_fenced_after_its_session() {
        assert_eq!(fenced(&[300, 600], false, 1_600), 0, "silent for a second");
        assert_eq!(fenced(&[300, 1_400], false, 1_410), 0, "heard again before it was committed");
        assert_eq!(fenced(&[300, 600], true, 700), 0, "it asked for it");
        assert_eq!(fenced(&[300, 600], false, 1_500), 1, "too early");
    }
}
