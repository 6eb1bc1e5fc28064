//! From a plan that fails to a small one that fails in the same way: delta debugging over events,
//! clients, topics, nodes, configs, load and time.
//!
//! A candidate is kept only when it has the failure's signature. The result is run twice more before
//! it counts. Deterministic, and bounded by a number of runs.

use stormglass_scenarios::plan::{Action, Arrival, Plan};

const SECOND_NS: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// A smaller plan, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The plan; the one given when nothing could be left out.
    pub plan: Plan,
    /// Runs that it took.
    pub runs: u32,
    /// Whether the plan failed in the same way twice more.
    pub verified: bool,
}

/// Makes `plan` smaller as long as `fails` says that it fails in the same way, in at most `runs_max`
/// runs. `base` has the configs that a drawn one is put back to.
pub fn shrink(
    plan: &Plan,
    base: &Plan,
    runs_max: u32,
    fails: &mut dyn FnMut(&Plan) -> bool,
) -> Shrunk {
    let mut search = Search { best: plan.clone(), runs: 0, runs_max, fails };
    loop {
        let before = search.best.clone();
        search.events();
        search.time();
        search.clients();
        search.topics();
        search.nodes();
        search.configs(base);
        search.load();
        search.lengths();
        if search.best == before || search.is_spent() {
            break;
        }
    }
    let Search { best, runs, fails, .. } = search;
    let verified = fails(&best) && fails(&best);
    Shrunk { plan: best, runs: runs + 2, verified }
}

struct Search<'a> {
    best: Plan,
    runs: u32,
    runs_max: u32,
    fails: &'a mut dyn FnMut(&Plan) -> bool,
}

impl Search<'_> {
    fn is_spent(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// Keeps a candidate if it is another plan and fails in the same way.
    fn keep(&mut self, candidate: Plan) -> bool {
        if self.is_spent() || candidate == self.best {
            return false;
        }
        self.runs += 1;
        let kept = (self.fails)(&candidate);
        if kept {
            self.best = candidate;
        }
        kept
    }

    /// Keeps what a change makes of the best plan, if it fails in the same way.
    fn try_change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.keep(candidate)
    }

    /// Leaves out runs of `len` elements, halving `len`: delta debugging of a list.
    fn list(&mut self, count: impl Fn(&Plan) -> usize, remove: impl Fn(&mut Plan, usize, usize)) {
        let mut len = count(&self.best).div_ceil(2);
        while len > 0 && !self.is_spent() {
            let mut from = count(&self.best);
            while from > 0 {
                from = from.saturating_sub(len);
                let to = (from + len).min(count(&self.best));
                if from < to {
                    self.try_change(|plan| remove(plan, from, to));
                }
            }
            len = if len == 1 { 0 } else { len.div_ceil(2) };
        }
    }

    fn events(&mut self) {
        self.list(|plan| plan.events.len(), |plan, from, to| drop(plan.events.drain(from..to)));
    }

    /// Ends the storm right after its last event, and heals and drains no longer than needed.
    fn time(&mut self) {
        let heals_ns = self.best.phases.heal_starts_ns();
        // what is asked of a healed cluster is no part of the storm
        let of_storm = self.best.events.iter().filter(|event| event.at_ns < heals_ns);
        let last = of_storm.map(|event| event.at_ns).max().unwrap_or(0);
        for later in [SECOND_NS, 3 * SECOND_NS, 8 * SECOND_NS] {
            let end = (last + later).div_ceil(SECOND_NS) * SECOND_NS;
            let measure = end.saturating_sub(self.best.phases.warmup_ns).max(SECOND_NS);
            if measure < self.best.phases.measure_ns
                && self.try_change(|plan| plan.phases.measure_ns = measure)
            {
                break;
            }
        }
        while self.best.phases.heal_ns > 2 * SECOND_NS
            && self.try_change(|plan| plan.phases.heal_ns /= 2)
        {}
        while self.best.phases.drain_ns > 2 * SECOND_NS
            && self.try_change(|plan| plan.phases.drain_ns /= 2)
        {}
        self.earlier();
    }

    /// Moves the whole storm towards the beginning.
    fn earlier(&mut self) {
        let first = self.best.events.iter().map(|event| event.at_ns).min().unwrap_or(0);
        let room = first.saturating_sub(self.best.phases.warmup_ns + 500 * MS);
        for by in [room, room / 2] {
            let by = by / SECOND_NS * SECOND_NS;
            if by > 0 && self.try_change(|plan| move_earlier(plan, by)) {
                break;
            }
        }
    }

    fn clients(&mut self) {
        self.list(
            |plan| plan.consumers.len(),
            |plan, from, to| {
                drop(plan.consumers.drain(from..to));
            },
        );
        self.list(
            |plan| plan.producers.len(),
            |plan, from, to| {
                if plan.producers.len() > to - from {
                    plan.producers.drain(from..to);
                }
            },
        );
        for at in 0..self.best.producers.len() {
            self.try_change(|plan| plan.producers[at].count = 1);
            self.try_change(|plan| plan.producers[at].arrival = Arrival::Uniform);
        }
        for at in 0..self.best.producers.len() {
            self.try_change(|plan| plan.producers[at].transactions = None);
        }
        for at in 0..self.best.consumers.len() {
            self.try_change(|plan| plan.consumers[at].membership = None);
            self.try_change(|plan| plan.consumers[at].count = 1);
        }
    }

    fn topics(&mut self) {
        let names: Vec<String> = self.best.topics.iter().map(|topic| topic.name.clone()).collect();
        for name in names {
            if self.best.producers.iter().any(|producer| producer.topic == name) {
                continue;
            }
            self.try_change(|plan| {
                plan.topics.retain(|topic| topic.name != name);
                for group in &mut plan.consumers {
                    group.topics.retain(|topic| *topic != name);
                }
                plan.consumers.retain(|group| !group.topics.is_empty());
            });
        }
        for at in 0..self.best.topics.len() {
            self.list(
                |plan| plan.topics[at].assignment.len(),
                |plan, from, to| {
                    if plan.topics[at].assignment.len() > to - from {
                        plan.topics[at].assignment.drain(from..to);
                    }
                },
            );
            for key in self.best.topics[at].config.keys().cloned().collect::<Vec<_>>() {
                self.try_change(|plan| drop(plan.topics[at].config.remove(&key)));
            }
        }
    }

    /// Leaves out brokers that hold no replica, and two controllers of three.
    fn nodes(&mut self) {
        let needed = |plan: &Plan, id: i32| {
            let placed = plan.topics.iter().flat_map(|topic| &topic.assignment).flatten();
            placed.into_iter().any(|replica| *replica == id)
        };
        let ids: Vec<i32> = self.best.cluster.brokers.iter().map(|node| node.id).collect();
        for id in ids.into_iter().rev() {
            if needed(&self.best, id) || self.best.cluster.brokers.len() == 1 {
                continue;
            }
            self.try_change(|plan| {
                plan.cluster.brokers.retain(|node| node.id != id);
                plan.events.retain(|event| !names(&event.action, id));
            });
        }
        if self.best.cluster.controllers.len() > 1 {
            self.try_change(|plan| {
                let gone: Vec<i32> =
                    plan.cluster.controllers.drain(1..).map(|node| node.id).collect();
                plan.events.retain(|event| !gone.iter().any(|id| names(&event.action, *id)));
            });
        }
    }

    /// Puts configs back to what they are in the base.
    fn configs(&mut self, base: &Plan) {
        // where the order of equal times does not matter, a fixed one is easier to follow
        self.try_change(|plan| plan.shuffled = base.shuffled);
        self.try_change(|plan| plan.cluster.config = base.cluster.config.clone());
        for (key, value) in &base.cluster.config {
            if self.best.cluster.config.get(key) != Some(value) {
                self.try_change(|plan| {
                    plan.cluster.config.insert(key.clone(), value.clone());
                });
            }
        }
        // of a few configs plans name no default: those are there only where they are drawn
        let mut drawn: Vec<String> = self.best.cluster.config.keys().cloned().collect();
        drawn.retain(|key| !base.cluster.config.contains_key(key));
        for key in drawn {
            self.try_change(|plan| drop(plan.cluster.config.remove(&key)));
        }
        for at in 0..self.best.producers.len() {
            let name = self.best.producers[at].name.clone();
            let Some(original) = base.producers.iter().find(|p| p.name == name) else { continue };
            self.try_change(|plan| plan.producers[at].config = original.config.clone());
        }
        for at in 0..self.best.consumers.len() {
            let name = self.best.consumers[at].group.clone();
            let Some(original) = base.consumers.iter().find(|c| c.group == name) else { continue };
            self.try_change(|plan| plan.consumers[at].config = original.config.clone());
        }
    }

    /// Fewer records.
    fn load(&mut self) {
        for at in 0..self.best.producers.len() {
            for divisor in [16, 4, 2] {
                let halved = self.try_change(|plan| {
                    for point in &mut plan.producers[at].rate_curve {
                        point.1 = (point.1 / divisor).max(1_000);
                    }
                });
                if halved {
                    break;
                }
            }
        }
    }

    /// Rounder times.
    fn lengths(&mut self) {
        for at in 0..self.best.events.len() {
            for unit in [SECOND_NS, 100 * MS, 10 * MS, MS] {
                let round = |ns: u64| (ns.div_ceil(unit) * unit).max(unit);
                if self.try_change(|plan| {
                    plan.events[at].at_ns = round(plan.events[at].at_ns);
                    plan.events[at].for_ns = plan.events[at].for_ns.map(round);
                }) {
                    break;
                }
            }
        }
        self.try_change(|plan| plan.events.sort_by_key(|event| event.at_ns));
    }
}

fn move_earlier(plan: &mut Plan, by: u64) {
    for event in &mut plan.events {
        event.at_ns -= by;
    }
    plan.phases.measure_ns = plan.phases.measure_ns.saturating_sub(by).max(SECOND_NS);
}

/// Whether an action is about a node by its id.
fn names(action: &Action, id: i32) -> bool {
    use stormglass_scenarios::plan::{Endpoint, Operation};
    let ends = |ends: &[Endpoint]| ends.iter().all(|end| *end == Endpoint::Node(id));
    match action {
        Action::HostCrash { node }
        | Action::ProcessCrash { node }
        | Action::ProcessPause { node }
        | Action::SlowDisk { node, .. }
        | Action::DiskFull { node }
        | Action::DiskError { node }
        | Action::SyncError { node }
        | Action::BitRot { node, .. }
        | Action::ClockDrift { node, .. }
        | Action::ClockJump { node, .. }
        | Action::SetCredits { node, .. } => *node == id,
        Action::Link { from, to, .. } => ends(from) || ends(to),
        Action::AzDown { .. }
        | Action::RollingRestart { .. }
        | Action::ObjectStorage { .. }
        | Action::Load { .. }
        | Action::ConsumerPause { .. }
        | Action::ClientCrash { .. }
        | Action::ClientPause { .. } => false,
        Action::Admin { operation } => match operation {
            Operation::Reassign { replicas, .. } => replicas.contains(&id),
            Operation::UnregisterBroker { node } => *node == id,
            Operation::SetBrokerConfig { node, .. } => *node == Some(id),
            Operation::CreateTopic { assignment, .. } => {
                assignment.iter().flatten().any(|n| *n == id)
            }
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    fn base() -> Plan {
        load(&Source::library(SWARM).unwrap(), &[], 1).unwrap()
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let base = base();
        let plan = (1..50)
            .map(|seed| swarm(&base, seed))
            .find(|plan| plan.events.iter().any(is_pause) && plan.events.len() > 8)
            .unwrap();
        let mut fails = |plan: &Plan| plan.events.iter().any(is_pause);
        let shrunk = shrink(&plan, &base, 1_000, &mut fails);
        assert!(shrunk.verified && shrunk.runs < 400, "{} runs", shrunk.runs);
        let small = &shrunk.plan;
        assert_eq!((small.events.len(), small.consumers.len(), small.producers.len()), (1, 0, 1));
        assert_eq!((small.topics.len(), small.topics[0].assignment.len()), (1, 1));
        assert_eq!(small.cluster.controllers.len(), 1);
        assert_eq!(small.cluster.config, base.cluster.config);
        assert!(small.phases.heal_ns < base.phases.heal_ns);
        assert_eq!((small.seed, small.shuffled), (plan.seed, false));
    }

    #[test]
    fn a_failure_that_does_not_come_again_is_not_verified() {
        let base = base();
        let plan = swarm(&base, 3);
        let mut runs = 0;
        let shrunk = shrink(&plan, &base, 20, &mut |_| {
            runs += 1;
            runs == 1
        });
        assert!(!shrunk.verified);
        assert_eq!(shrunk.runs, 22);
    }

    /// A broker's, not a controller's.
    fn is_pause(event: &stormglass_scenarios::plan::EventPlan) -> bool {
        matches!(event.action, Action::ProcessPause { node } if node < 10_000)
    }
}
