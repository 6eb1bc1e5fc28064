//! Topics that are asked for together, with configs: some are there already, some are called like another one in
//! metrics, and some have more replicas than there are brokers. Those are refused, and nothing is left of them; the
//! others are made, grow, go, and come again under the same names. Draws come from a stream of their own, so that the
//! other seeds stay as they are.

use super::adding::{Window, add, asks, brokers, window};
use super::dice::Dice;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;
/// Topics that no client of the plan has; the first two are one in metrics.
const NAMES: [&str; 4] = ["spare.alike", "spare_alike", "spare.beside", "spare-beside"];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    let events = asked_together(plan, window);
    add(plan, window.1, events);
}

fn asked_together(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "topics asked for together");
    if plan.topics.is_empty() || !dice.percent(14) {
        return Vec::new();
    }
    let number = |number: u64| u32::try_from(number).unwrap_or(1);
    let known = u64::try_from(brokers(plan).len()).unwrap_or(1);
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 3);
    let mut events = Vec::new();
    for _ in 0..dice.between(5, 10) {
        let topics = names(&mut dice, plan);
        let replicas = if dice.percent(30) { known + 1 } else { dice.between(1, known) };
        let (partitions, replicas) = (number(dice.between(1, 2)), number(replicas));
        let config = config(&mut dice);
        let operation = Operation::PlaceTopics { topics, partitions, replicas, config };
        events.push(asks(at_ns, operation));
        at_ns += 100 * MS + dice.around(400 * MS);
        if dice.percent(40) {
            let (topic, partitions) = (dice.pick(&NAMES).to_owned(), number(dice.between(2, 4)));
            events.push(asks(at_ns, Operation::AddPartitions { topic, partitions }));
            at_ns += dice.around(200 * MS);
        }
        for name in NAMES {
            if dice.percent(40) {
                events.push(asks(at_ns, Operation::DeleteTopic { topic: name.to_owned() }));
                at_ns += dice.around(150 * MS);
            }
        }
        at_ns += dice.around(300 * MS);
    }
    events
}

/// Some of the names, in any order; now and then one that a client has, or one of them twice.
fn names(dice: &mut Dice, plan: &Plan) -> Vec<String> {
    let count = usize::try_from(dice.between(1, 3)).unwrap_or(1);
    let mut names: Vec<String> =
        dice.shuffled(&NAMES).into_iter().take(count).map(str::to_owned).collect();
    if dice.percent(40) {
        names.push(dice.pick(&plan.topics).name);
    }
    if dice.percent(10) {
        names.push(names[0].clone());
    }
    dice.shuffled(&names)
}

fn config(dice: &mut Dice) -> BTreeMap<String, String> {
    let all = [("retention.bytes", "65536"), ("segment.bytes", "20000"), ("retention.ms", "60000")];
    let some = all.into_iter().filter(|_| dice.percent(50));
    some.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::plan::Action;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_them() {
        assert_some_seeds_have(&[asked_together]);
    }

    #[test]
    fn topics_of_clients_do_not_go() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut several, mut refused) = (0, 0);
        for plan in (1..300).map(|seed| swarm(&base, seed)) {
            for event in asked_together(&plan, window(&plan)) {
                let Action::Admin { operation } = event.action else { panic!("{event:?}") };
                match operation {
                    Operation::DeleteTopic { topic } | Operation::AddPartitions { topic, .. } => {
                        assert!(NAMES.contains(&topic.as_str()));
                    }
                    Operation::PlaceTopics { topics, replicas, .. } => {
                        several += u32::from(topics.len() > 1);
                        refused += u32::from(replicas as usize > plan.cluster.brokers.len());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(several > 20 && refused > 10, "{several} {refused}");
    }
}
