//! What an administrator does in a swarm: some seeds move replicas, elect preferred leaders, change
//! configs, and create, grow and delete topics, most of it about when a fault begins or ends. Draws
//! come from a stream of their own, so that the other seeds stay as they are.

use super::adding::{add, asks, lasting, window};
use super::dice::Dice;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, LinkEffect, NodePlan, Operation, Plan, TopicPlan,
};

const MS: u64 = 1_000_000;
/// A topic that no client of the plan has.
const SPARE: &str = "spare";

/// Whether a seed has an administrator.
fn has_operator(seed: u64) -> bool {
    Dice::new(seed, "operator").percent(35)
}

/// Gives most of these seeds a broker beyond the replicas, so that there is somewhere to go.
pub(super) fn widen(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "spare broker");
    let cluster = &mut plan.cluster;
    if !has_operator(plan.seed) || cluster.brokers.len() > 3 || dice.percent(25) {
        return;
    }
    let azs = cluster.azs.len().max(1);
    if let Some(last) = cluster.brokers.last() {
        let id = last.id + 1;
        let more = NodePlan { id, az: cluster.brokers.len() % azs, host: last.host.clone() };
        cluster.brokers.push(more);
    }
}

/// Adds the changes of a seed, after its faults.
pub(super) fn storm(plan: &mut Plan) {
    if !has_operator(plan.seed) || plan.topics.is_empty() {
        return;
    }
    let (from_ns, to_ns) = window(plan);
    let mut draw = Draw { dice: Dice::new(plan.seed, "operations"), plan, from_ns, to_ns };
    let mut changes = Vec::new();
    for _ in 0..draw.dice.between(1, 5) {
        draw.change(&mut changes);
    }
    if draw.dice.percent(45) {
        draw.spare_topic(&mut changes);
    }
    if draw.dice.percent(40) {
        draw.records(&mut changes);
    }
    if draw.dice.percent(30) {
        let slow = draw.back_and_forth(&mut changes);
        plan.events.push(slow);
    }
    add(plan, to_ns, changes.into_iter().map(|(at_ns, operation)| asks(at_ns, operation)));
}

struct Draw<'a> {
    dice: Dice,
    plan: &'a Plan,
    from_ns: u64,
    to_ns: u64,
}

type Changes = Vec<(u64, Operation)>;

impl Draw<'_> {
    /// At any time, or about when a fault begins or ends.
    fn time(&mut self) -> u64 {
        let faults = &self.plan.events;
        if faults.is_empty() || self.dice.percent(35) {
            return self.dice.between(self.from_ns, self.to_ns);
        }
        let fault = &faults[self.dice.index(faults.len())];
        let edge = match self.dice.percent(50) {
            true => fault.at_ns,
            false => fault.at_ns + fault.for_ns.unwrap_or(0),
        };
        let late = self.dice.around(200 * MS);
        let at = if self.dice.percent(30) { edge.saturating_sub(late) } else { edge + late };
        at.clamp(self.from_ns, self.to_ns)
    }

    /// Leaders move in order, to and fro, while messages between brokers are under way for as long:
    /// answers of one leadership arrive in another one. The delay.
    fn back_and_forth(&mut self, changes: &mut Changes) -> EventPlan {
        let (topic, partitions) = {
            let topic = self.topic();
            (topic.name.clone(), topic.assignment.clone())
        };
        let moves = self.dice.between(3, 6);
        let every = self.dice.pick(&[250, 500, 900]) * MS;
        let from = self.time().min(self.to_ns.saturating_sub(moves * every)).max(self.from_ns);
        let mut at = from + every / 2;
        for turn in 0..moves {
            for (index, replicas) in partitions.iter().enumerate() {
                let mut replicas = replicas.clone();
                let by = usize::try_from(turn + 1).unwrap_or(1) % replicas.len().max(1);
                replicas.rotate_left(by);
                let partition = u32::try_from(index).unwrap_or(0);
                let topic = topic.clone();
                changes.push((at, Operation::Reassign { topic, partition, replicas }));
            }
            let soon = at + self.dice.between(20, 120) * MS;
            changes.push((soon, Operation::ElectPreferred));
            at += every;
        }
        let extra_ns = self.dice.pick(&[100, 300, 700]) * MS;
        let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / self.dice.pick(&[2, 10]) };
        let brokers = || vec![Endpoint::Brokers];
        let action = Action::Link { from: brokers(), to: brokers(), one_way: false, effect };
        lasting(from, at - from, action)
    }

    /// Records go, mostly up to amid a batch, and somebody asks where logs end and what is newest in them.
    fn records(&mut self, changes: &mut Changes) {
        let topic = self.topic().name.clone();
        for _ in 0..self.dice.between(1, 3) {
            let offset = u32::try_from(self.dice.between(20, 3_000)).unwrap_or(u32::MAX);
            let before = Some(offset).filter(|_| !self.dice.percent(15));
            let topic = topic.clone();
            changes.push((self.time(), Operation::DeleteRecords { topic, before }));
        }
        for _ in 0..self.dice.between(1, 6) {
            let back_ms = match self.dice.percent(70) {
                true => u32::try_from(self.dice.between(0, 8_000)).ok(),
                false => None,
            };
            let (topic, committed) = (topic.clone(), self.dice.percent(40));
            changes.push((self.time(), Operation::ListOffsets { topic, back_ms, committed }));
        }
    }

    fn topic(&mut self) -> &TopicPlan {
        let at = self.dice.index(self.plan.topics.len());
        &self.plan.topics[at]
    }

    fn change(&mut self, changes: &mut Changes) {
        let at = self.time();
        match self.dice.index(6) {
            0 => changes.push((at, Operation::ElectPreferred)),
            1 => {
                let change = self.config_change();
                changes.push((at, change));
            }
            _ => self.reassignment(at, changes),
        }
    }

    /// A partition moves, several may at once; now and then somebody thinks better of it.
    fn reassignment(&mut self, at: u64, changes: &mut Changes) {
        let brokers: Vec<i32> = self.plan.cluster.brokers.iter().map(|node| node.id).collect();
        for _ in 0..self.dice.pick(&[1_u32, 1, 2]) {
            let (name, partitions) = {
                let topic = self.topic();
                (topic.name.clone(), topic.assignment.clone())
            };
            let index = self.dice.index(partitions.len());
            let Some(now) = partitions.get(index) else { continue };
            let replicas = self.dice.shuffled(&brokers).into_iter().take(now.len()).collect();
            let partition = u32::try_from(index).unwrap_or(0);
            changes.push((at, Operation::Reassign { topic: name.clone(), partition, replicas }));
            if self.dice.percent(25) {
                let later = at + self.dice.around(300 * MS);
                changes.push((later, Operation::CancelReassignment { topic: name, partition }));
            }
        }
    }

    /// Segments roll sooner or later, more or less is kept.
    fn config_change(&mut self) -> Operation {
        let topic = self.topic().name.clone();
        let (key, values) = self.dice.pick(&[
            ("segment.bytes", [Some("20000"), Some("40000"), Some("131072"), None]),
            ("retention.bytes", [Some("20000"), Some("65536"), Some("-1"), None]),
        ]);
        let value = self.dice.pick(&values).map(str::to_owned);
        Operation::SetTopicConfig { topic, key: key.to_owned(), value }
    }

    /// A topic comes, grows, goes, and comes again under the same name.
    fn spare_topic(&mut self, changes: &mut Changes) {
        let mut at = self.time();
        for _ in 0..self.dice.pick(&[1_u32, 2, 2]) {
            let topic = SPARE.to_owned();
            let assignment = self.spare_assignment();
            let partitions = u32::try_from(assignment.len()).unwrap_or(1);
            changes.push((at, Operation::CreateTopic { topic: topic.clone(), assignment }));
            at += self.dice.around(600 * MS);
            if self.dice.percent(40) {
                // what it is told must go with it
                let topic = topic.clone();
                let (key, value) = ("retention.bytes".to_owned(), Some("65536".to_owned()));
                changes.push((at - 20 * MS, Operation::SetTopicConfig { topic, key, value }));
            }
            if self.dice.percent(40) {
                let partitions = partitions + self.dice.pick(&[1, 2]);
                let topic = topic.clone();
                changes.push((at, Operation::AddPartitions { topic, partitions }));
                at += self.dice.around(400 * MS);
            }
            if self.dice.percent(20) {
                return;
            }
            changes.push((at, Operation::DeleteTopic { topic }));
            at += self.dice.around(500 * MS);
        }
    }

    fn spare_assignment(&mut self) -> Vec<Vec<i32>> {
        let brokers: Vec<i32> = self.plan.cluster.brokers.iter().map(|node| node.id).collect();
        let replicas = self.dice.pick(&[1_usize, 2, 3, 3]);
        let partitions = self.dice.pick(&[1_u32, 2, 3]);
        (0..partitions)
            .map(|_| self.dice.shuffled(&brokers).into_iter().take(replicas).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    fn moves(plan: &Plan) -> Vec<(&str, u32, &[i32])> {
        let operations = plan.events.iter().filter_map(|event| match &event.action {
            Action::Admin { operation } => Some(operation),
            _ => None,
        });
        let reassignment = |operation| match operation {
            &Operation::Reassign { ref topic, partition, ref replicas } => {
                Some((topic.as_str(), partition, replicas.as_slice()))
            }
            _ => None,
        };
        operations.filter_map(reassignment).collect()
    }

    #[test]
    fn half_of_the_seeds_move_partitions_to_brokers_that_there_are() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut movers = 0;
        for seed in 1..200 {
            let plan = swarm(&base, seed);
            let mut moves = moves(&plan);
            moves.retain(|(name, ..)| !name.starts_with("__"));
            movers += u32::from(!moves.is_empty());
            for (name, partition, replicas) in moves {
                let topic = plan.topics.iter().find(|topic| topic.name == name).unwrap();
                assert_eq!(topic.assignment[partition as usize].len(), replicas.len());
                let is_there = |id: &i32| plan.cluster.brokers.iter().any(|node| node.id == *id);
                assert!(replicas.iter().all(is_there), "seed {seed}");
            }
        }
        assert!((80..150).contains(&movers), "{movers} of 199");
    }
}
