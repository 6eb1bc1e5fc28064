//! Positions that are old by the clocks of brokers, which are put forward while members of a group are away: those
//! of a group with members are kept all the same, and those of one that has just lost its last member, too. Draws come
//! from a stream of their own, so that the other seeds stay as they are.

use super::adding::{add, brokers, is_classic, lasting, window};
use super::dice::Dice;
use super::timing::config_ms;
use stormglass_scenarios::plan::{Action, ConsumerPlan, EventPlan, Plan};

const MS: u64 = 1_000_000;
/// Longer than positions are kept then, ns.
const JUMP_NS: i64 = 70_000_000_000;
/// Where idle producers are forgotten sooner, no clock may be wrong, ms.
const PRODUCERS_KEPT_MS: u64 = 3_600_000;

/// Has some groups' positions grow old at once.
pub(super) fn storm(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "old positions");
    let groups: Vec<ConsumerPlan> =
        plan.consumers.iter().filter(|group| is_classic(group)).cloned().collect();
    if groups.is_empty() || forgets_producers(plan) || !dice.percent(25) {
        return;
    }
    let check = dice.pick(&["100", "300"]).to_owned();
    for (key, value) in [
        ("offsets.retention.minutes", "1".to_owned()),
        ("offsets.retention.check.interval.ms", check),
    ] {
        plan.cluster.config.insert(key.to_owned(), value);
    }
    let (from_ns, to_ns) = window(plan);
    // there are positions by then
    let from_ns = (from_ns + 3_000 * MS).min(to_ns);
    for _ in 0..dice.between(1, 3) {
        let (at_ns, group) = (dice.between(from_ns, to_ns), dice.pick(&groups));
        let events = forward(&mut dice, &brokers(plan), &group, at_ns);
        add(plan, to_ns, events);
    }
}

fn forgets_producers(plan: &Plan) -> bool {
    let key = "producer.id.expiration.ms";
    plan.cluster.config_ms(key, PRODUCERS_KEPT_MS) < PRODUCERS_KEPT_MS
}

/// A member of a group is away, or all of them, for longer than their sessions last; meanwhile clocks are put forward.
fn forward(dice: &mut Dice, nodes: &[i32], group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    let session = config_ms(&group.config, "session.timeout.ms").unwrap_or(45_000) * MS;
    let client = group.group.clone();
    let away = match group.count > 1 && dice.percent(60) {
        true => Action::ClientPause { client, instance: Some(0) },
        false => Action::ClientCrash { client },
    };
    let for_ns = session + dice.between(1_500, 3_000) * MS;
    let jumps_ns = at_ns + dice.between(20, 400) * MS;
    let jump =
        |node: &i32| lasting(jumps_ns, for_ns, Action::ClockJump { node: *node, by_ns: JUMP_NS });
    nodes.iter().map(jump).chain([lasting(at_ns, for_ns, away)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_positions_that_are_old() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            assert_in_time(&plan);
            let is_old = plan.cluster.config.get("offsets.retention.minutes");
            if is_old.is_some_and(|minutes| minutes == "1") {
                let is_forward = |event: &EventPlan| {
                    matches!(event.action, Action::ClockJump { by_ns: JUMP_NS, .. })
                };
                seeds += i32::from(plan.events.iter().any(is_forward));
                assert!(!forgets_producers(&plan), "seed {seed}");
            }
        }
        assert!((5..60).contains(&seeds), "{seeds}");
    }
}
