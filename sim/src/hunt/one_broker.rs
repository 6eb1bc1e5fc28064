//! Configs of one broker change while it runs, as tools that move partitions set rates for each broker; sometimes the
//! same is set for all, which counts less. Draws come from a stream of their own, so that the other seeds stay as they
//! are.

use super::adding::{asks, brokers, window};
use super::dice::Dice;
use stormglass_scenarios::plan::{Operation, Plan};

/// Configs that break nothing, whatever they are.
const CONFIGS: [(&str, [&str; 2]); 6] = [
    ("num.replica.fetchers", ["1", "2"]),
    ("log.index.interval.bytes", ["500", "20000"]),
    ("log.segment.bytes", ["40000", "131072"]),
    ("remote.fetch.max.wait.ms", ["200", "1000"]),
    ("leader.replication.throttled.rate", ["100000", "400000"]),
    ("follower.replication.throttled.rate", ["100000", "400000"]),
];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let (from_ns, to_ns) = window(plan);
    let mut dice = Dice::new(plan.seed, "configs of one broker");
    if !dice.percent(12) || plan.cluster.brokers.is_empty() {
        return;
    }
    let brokers = brokers(plan);
    let (node, (key, values)) = (dice.pick(&brokers), dice.pick(&CONFIGS));
    for _ in 0..dice.between(1, 4) {
        // mostly of the same broker
        let node = if dice.percent(75) { node } else { dice.pick(&brokers) };
        let node = Some(node).filter(|_| !dice.percent(25));
        let value = Some(dice.pick(&values).to_owned()).filter(|_| !dice.percent(20));
        let operation = Operation::SetBrokerConfig { node, key: key.to_owned(), value };
        plan.events.push(asks(dice.between(from_ns, to_ns), operation));
    }
    plan.events.sort_by_key(|event| event.at_ns);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::plan::{Action, EventPlan};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_a_broker_with_configs_of_its_own() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut found = 0;
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let ends_ns = plan.phases.heal_starts_ns();
            let is_one = |event: &&EventPlan| {
                let Action::Admin { operation } = &event.action else { return false };
                matches!(operation, Operation::SetBrokerConfig { node: Some(_), .. })
            };
            let ones: Vec<&EventPlan> = plan.events.iter().filter(is_one).collect();
            assert!(ones.iter().all(|event| event.at_ns < ends_ns), "seed {seed}");
            found += u32::from(!ones.is_empty());
        }
        assert!((25..75).contains(&found), "{found} of 399");
    }
}
