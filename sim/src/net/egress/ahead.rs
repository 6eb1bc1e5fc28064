//! When a message is through if nothing else is submitted, although others leave before it and the
//! credits may run out. Works on what is left of each flow, on nothing else.

use super::{Fill, Flow};
use crate::net::bucket::Bucket;

/// Changes of the rates, at most, in a look ahead; beyond, it is only a lower bound.
const STEPS: u32 = 8;

/// What is left of a flow.
#[derive(Debug, Clone, Copy)]
struct Left {
    cap: u64,
    /// Units of all its messages; of the flow in question, those of the first one.
    units: u64,
}

/// A look ahead. Kept to be used again.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Lowest cap first, as in the NIC.
    flows: Vec<Left>,
    /// Place of the flow in question.
    own: usize,
}

impl Ahead {
    /// When the first message of the flow at `own` is through, ns; never later than what will
    /// happen. Flows and bucket are those of `at_ns`.
    pub(super) fn look(
        &mut self,
        mut at_ns: u64,
        flows: &[Flow],
        own: usize,
        mut bucket: Bucket,
    ) -> u64 {
        self.own = own;
        self.flows.clear();
        self.flows.extend(flows.iter().map(|flow| {
            let head = flow.at(at_ns).head;
            Left { cap: flow.cap, units: head.saturating_add(flow.behind) }
        }));
        self.flows[own].units = flows[own].at(at_ns).head;
        for _ in 0..STEPS {
            let fill = Fill::of(self.flows.iter().map(|flow| flow.cap), bucket.limit());
            let Left { cap, units } = self.flows[self.own];
            let end_ns = units.div_ceil(fill.rate(self.own, cap));
            // Who runs at its cap does so whoever leaves, and the use of credits only falls.
            if self.own < fill.capped && bucket.depletion_within(fill.total, end_ns) == end_ns {
                return at_ns + end_ns;
            }
            let until_ns = self.first_leave_ns(fill).min(end_ns);
            let dt_ns = bucket.depletion_within(fill.total, until_ns);
            if end_ns <= dt_ns {
                return at_ns + end_ns;
            }
            bucket.flow(fill.total, dt_ns);
            at_ns += dt_ns;
            self.run(fill, dt_ns);
        }
        let Left { cap, units } = self.flows[self.own];
        at_ns + (units / cap.min(bucket.limit())).max(1)
    }

    /// When the first of the other flows has nothing left, ns.
    fn first_leave_ns(&self, fill: Fill) -> u64 {
        let mut first_ns = u64::MAX;
        let mut least_fair = u64::MAX;
        for (index, flow) in self.flows.iter().enumerate() {
            if index == self.own {
                continue;
            }
            if index < fill.capped {
                first_ns = first_ns.min(flow.units.div_ceil(flow.cap));
            } else {
                least_fair = least_fair.min(flow.units);
            }
        }
        // One division for all that share evenly.
        if least_fair < u64::MAX {
            first_ns = first_ns.min(least_fair.div_ceil(fill.share));
        }
        first_ns
    }

    /// Lets all flows run for `dt_ns`; who has nothing left goes.
    fn run(&mut self, fill: Fill, dt_ns: u64) {
        let mut kept = 0;
        let mut own = self.own;
        for index in 0..self.flows.len() {
            let Left { cap, units } = self.flows[index];
            let units = units.saturating_sub(fill.rate(index, cap) * dt_ns);
            if units > 0 {
                self.flows[kept] = Left { cap, units };
                kept += 1;
            } else if index < self.own {
                own -= 1;
            }
        }
        self.flows.truncate(kept);
        self.own = own;
    }
}
