//! Controllers that have written what nobody else has: one is cut off from the others while much is asked for, and as
//! it comes back the others begin anew, which have elected one of them meanwhile. If it has led, its log is longer
//! than theirs, and ends in an older epoch: who has more is not who may lead. Draws come from a stream of their own,
//! so that the other seeds stay as they are.

use super::adding::{Window, add, asks, lasting, window};
use super::dice::Dice;
use super::timing::Timing;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, LinkEffect, NodePlan, Operation, Plan,
};

const MS: u64 = 1_000_000;
/// Topics that no client of the plan has. Members that subscribe by a regular expression may.
const MADE: &str = "spare-tail";

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    let events = short_reigns(plan, window);
    add(plan, window.1, events);
    long_tails(plan, window);
}

/// Controllers begin anew and elect one of them while what they send each other comes late, and are cut off before the
/// others have what it writes first.
fn short_reigns(plan: &Plan, (from_ns, _): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "short reigns");
    let controllers = ids(&plan.cluster.controllers);
    if !dice.percent(12) || controllers.len() < 3 {
        return Vec::new();
    }
    let among = |effect: LinkEffect| {
        let (from, to) = (vec![Endpoint::Controllers], vec![Endpoint::Controllers]);
        Action::Link { from, to, one_way: false, effect }
    };
    let (late, fetch_ns) = (dice.pick(&[150, 300, 450]) * MS, Timing::of(plan).quorum_fetch_ns);
    let mut at_ns = from_ns + dice.around(2_000 * MS);
    let mut events = Vec::new();
    for _ in 0..dice.between(2, 4) {
        let slow = LinkEffect::Delay { extra_ns: late, jitter_ns: late / 10 };
        let (elected_ns, cut_ns) =
            (dice.between(800, 3_500) * MS, fetch_ns + dice.around(500 * MS));
        events.push(lasting(at_ns, elected_ns + cut_ns, among(slow)));
        for node in &controllers {
            let down = dice.between(20, 200) * MS;
            events.push(lasting(at_ns + MS, down, Action::ProcessCrash { node: *node }));
        }
        events.push(lasting(at_ns + elected_ns, cut_ns, among(LinkEffect::Cut)));
        at_ns += elected_ns + cut_ns + 2 * fetch_ns + dice.around(1_500 * MS);
    }
    events
}

fn long_tails(plan: &mut Plan, (from_ns, to_ns): Window) {
    let mut dice = Dice::new(plan.seed, "long tails");
    let controllers = ids(&plan.cluster.controllers);
    if !dice.percent(8) || controllers.len() < 3 || plan.cluster.brokers.is_empty() {
        return;
    }
    let mut at_ns = from_ns + dice.around(2_000 * MS);
    let fetch_ns = Timing::of(plan).quorum_fetch_ns;
    // whoever leads is one of them
    for (turn, node) in dice.shuffled(&controllers).into_iter().enumerate() {
        let (events, over_ns) = one(&mut dice, plan, (turn, node), at_ns);
        add(plan, to_ns, events);
        at_ns = over_ns + 2 * fetch_ns + dice.around(1_500 * MS);
    }
}

/// A controller is cut off, and the others restart; when that is over.
fn one(
    dice: &mut Dice,
    plan: &Plan,
    (turn, node): (usize, i32),
    at_ns: u64,
) -> (Vec<EventPlan>, u64) {
    // the others have just elected one of them
    let lasts = Timing::of(plan).quorum_fetch_ns + dice.between(200, 2_000) * MS;
    let mut others = ids(&plan.cluster.controllers);
    others.retain(|id| *id != node);
    let brokers = ids(&plan.cluster.brokers);
    let action = Action::Link {
        from: vec![Endpoint::Node(node)],
        to: others.iter().map(|id| Endpoint::Node(*id)).collect(),
        one_way: false,
        effect: LinkEffect::Cut,
    };
    let mut events = vec![lasting(at_ns, lasts, action)];
    let topic = || format!("{MADE}-{turn}");
    let assignment = (0..dice.between(4, 16)).map(|_| vec![dice.pick(&brokers)]).collect();
    let made_ns = at_ns + dice.between(10, 300) * MS;
    events.push(asks(made_ns, Operation::CreateTopic { topic: topic(), assignment }));
    let over_ns = at_ns + lasts;
    for id in others {
        let early = dice.between(0, 150) * MS;
        let down = dice.between(5, 80) * MS + early;
        let action = Action::ProcessCrash { node: id };
        let at_ns = over_ns.saturating_sub(early);
        events.push(lasting(at_ns, down, action));
    }
    events.push(asks(over_ns + 1_500 * MS, Operation::DeleteTopic { topic: topic() }));
    (events, over_ns)
}

fn ids(nodes: &[NodePlan]) -> Vec<i32> {
    nodes.iter().map(|node| node.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_a_controller_with_a_long_tail() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut found, mut short) = (0, 0);
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let is_made = |event: &EventPlan| {
                let Action::Admin { operation } = &event.action else { return false };
                matches!(operation, Operation::CreateTopic { topic, .. } if topic.starts_with(MADE))
            };
            assert_in_time(&plan);
            found += u32::from(plan.events.iter().any(is_made));
            short += u32::from(!short_reigns(&plan, window(&plan)).is_empty());
        }
        assert!((20..80).contains(&short), "{short} of 399");
        assert!((12..50).contains(&found), "{found} of 399");
    }
}
