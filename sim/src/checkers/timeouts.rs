//! Timeouts are kept, neither early nor late: followers leave the ISR when they have lagged for
//! `replica.lag.time.max.ms`, brokers are fenced when they have been silent for
//! `broker.session.timeout.ms`. Reckoned anew from what leaders and controllers hear.

mod lags;
mod sessions;

use super::history::History;
use super::ledger::{Check, Ledger, Promise};
use super::state::NodeView;
use super::suite::Checkers;
use lags::Lags;
use sessions::Sessions;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::seam::TraceEvent;
use stormglass_scenarios::plan::{Action, Plan};

pub(crate) const PROMISE: Promise = Promise {
    name: "timeouts-kept",
    text: "a follower leaves the ISR when it has lagged for replica.lag.time.max.ms and not before, \
           and a broker is fenced when its controller has not heard it for \
           broker.session.timeout.ms, or it asked for it",
};

/// What a node that is awake is given beyond a timeout, ns.
const SLACK_NS: u64 = 1_500_000_000;

/// What leaders and controllers have heard.
#[derive(Debug)]
pub(crate) struct Timeouts {
    pub(super) lags: Lags,
    pub(super) sessions: Sessions,
}

/// By how much the clocks of a plan may be wrong, parts per million. One that is slow makes another one
/// fast.
pub(super) fn hurry_ppm(plan: &Plan) -> u64 {
    let drifts = plan.events.iter().filter_map(|event| match event.action {
        Action::ClockDrift { ppm, .. } => Some(u64::from(ppm.unsigned_abs())),
        _ => None,
    });
    drifts.max().map_or(0, |ppm| (2 * ppm).min(999_999))
}

/// A part of this time that a clock which is wrong may take for the whole, ns.
fn soonest(ns: u64, hurry_ppm: u64) -> u64 {
    ns - ns / 1_000_000 * hurry_ppm
}

impl Timeouts {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { lags: Lags::new(plan), sessions: Sessions::new(plan) }
    }

    /// Something changed inside a node.
    pub(super) fn trace(
        &mut self,
        (ledger, now_ns): (&mut Ledger, u64),
        node: i32,
        event: &TraceEvent,
    ) {
        self.lags.trace(now_ns, node, event);
        self.sessions.trace((ledger, now_ns), node, event);
    }

    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.lags.node_down(node);
        self.sessions.node_down(node);
    }

    /// What is overdue at a node that is awake.
    pub(super) fn overdue(
        &mut self,
        (ledger, now_ns): (&mut Ledger, u64),
        view: &NodeView<'_>,
        lag_max_ns: u64,
    ) {
        if view.awake_ns < SLACK_NS {
            return self.lags.sees_nothing(view.node);
        }
        self.lags.overdue((&mut *ledger, now_ns), view, lag_max_ns);
        self.sessions.overdue((ledger, now_ns), view);
    }
}

fn says(ledger: &mut Ledger, holds: bool, seen: &dyn Fn() -> String) {
    ledger.checked(Check::Timeouts, 1);
    if !holds {
        ledger.broken(Check::Timeouts, ("", &History::default()), seen);
    }
}

impl Checkers {
    /// A leader's proposal: who leaves the ISR has lagged.
    pub(super) fn proposed(&mut self, node: i32, tp: TopicPartition, isr: &[NodeId]) {
        let at = self.partition(tp);
        let p = &mut self.partitions[at];
        let mine = p.replica(node);
        let replica = &mut p.replicas[mine];
        replica.proposed = true;
        let old = replica.lead_isr.1.clone();
        self.timeouts.lags.proposes((node, tp), isr);
        let now_ns = self.ledger.now_ns;
        if now_ns == 0 {
            return; // while the cluster is set up no time passes
        }
        for member in old.iter().filter(|member| !isr.contains(member)) {
            let of = (node, tp, *member);
            self.timeouts.lags.left((&mut self.ledger, now_ns), of, (&old, self.lag_max_ns));
        }
    }
}
