//! Positions that are old by the clocks of brokers, which are put forward while members of a group are away: those
//! of a group with members are kept all the same, whichever protocol they speak, and those of one in the classic protocol
//! that has just lost its last member, too. Or nobody has been there for a while, and somebody comes back while the group
//! is being removed; or nobody is ever there, and transactions are about to give the group other positions. Draws come
//! from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    TRIES, add, brokers, drawn_whole, is_classic, is_remote, lasting, slow_brokers,
    topics_with_positions, window,
};
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
    if groups.is_empty() || forgets_producers(plan) {
        return;
    }
    if !dice.percent(25) {
        return removed(plan, &groups);
    }
    let check = dice.pick(&["100", "300"]);
    expire(plan, check);
    let (from_ns, to_ns) = window(plan);
    // there are positions by then
    let from_ns = (from_ns + 3_000 * MS).min(to_ns);
    for _ in 0..dice.between(1, 3) {
        let (at_ns, group) = (dice.between(from_ns, to_ns), dice.pick(&groups));
        let events = forward(&mut dice, &brokers(plan), &group, at_ns);
        add(plan, to_ns, events);
    }
}

/// Has positions of groups in the consumer protocol grow old at once, each of which has the age of its commit
/// (`ConsumerGroup.offsetExpirationCondition`), and nobody away but one member at most.
pub(super) fn storm_of_heartbeats(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "old positions of heartbeats");
    let groups = plan.consumers.iter().filter(|group| is_remote(group));
    let groups: Vec<ConsumerPlan> = groups.cloned().collect();
    if groups.is_empty() || forgets_producers(plan) || !dice.percent(30) {
        return;
    }
    expire(plan, dice.pick(&["100", "300"]));
    let session = plan.cluster.config_ms("group.consumer.session.timeout.ms", 45_000) * MS;
    let (from_ns, to_ns) = window(plan);
    let from_ns = (from_ns + 3_000 * MS).min(to_ns);
    for _ in 0..dice.between(1, 3) {
        let (at_ns, for_ns) = (dice.between(from_ns, to_ns), dice.between(1_000, 4_000) * MS);
        let mut events: Vec<EventPlan> = all_ahead(&brokers(plan), at_ns, for_ns).collect();
        let group = dice.pick(&groups);
        if group.count > 1 && dice.percent(40) {
            let action = Action::ClientPause { client: group.group, instance: Some(0) };
            events.push(lasting(at_ns, session + for_ns, action));
        }
        add(plan, to_ns, events);
    }
}

/// Has positions grow old at once that transactions have given groups, while others are open that say something of
/// them: those stay until these end (KAFKA-14505).
pub(super) fn storm_of_transactions(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "old positions of transactions");
    let is_drawn = dice.percent(25);
    if topics_with_positions(plan).is_empty() || forgets_producers(plan) || !is_drawn {
        return;
    }
    expire(plan, "100");
    let (from_ns, to_ns) = window(plan);
    let from_ns = (from_ns + 2_000 * MS).min(to_ns);
    for _ in 0..dice.between(2, 5) {
        let (at_ns, for_ns) = (dice.between(from_ns, to_ns), dice.between(500, 2_000) * MS);
        let mut events: Vec<EventPlan> = all_ahead(&brokers(plan), at_ns, for_ns).collect();
        if dice.percent(40) {
            // markers come late: what has been decided is open for as long
            let slow_ns = at_ns.saturating_sub(dice.between(200, 800) * MS);
            events.push(lasting(slow_ns, for_ns, slow_brokers(dice.pick(&[80, 200]) * MS)));
        }
        add(plan, to_ns, events);
    }
}

/// The clocks of brokers are ahead for a while.
fn all_ahead(nodes: &[i32], at_ns: u64, for_ns: u64) -> impl Iterator<Item = EventPlan> {
    let jump =
        move |node: &i32| lasting(at_ns, for_ns, Action::ClockJump { node: *node, by_ns: JUMP_NS });
    nodes.iter().map(jump)
}

/// Positions are kept for a minute, and looked at so often, ms.
fn expire(plan: &mut Plan, check: &str) {
    for (key, value) in
        [("offsets.retention.minutes", "1"), ("offsets.retention.check.interval.ms", check)]
    {
        plan.cluster.config.insert(key.to_owned(), value.to_owned());
    }
}

/// Has groups removed that their members come back to.
fn removed(plan: &mut Plan, groups: &[ConsumerPlan]) {
    let mut dice = Dice::new(plan.seed, "groups that are removed");
    // what is checked of positions is not where they may be too old
    if !dice.percent(14) {
        return;
    }
    let mut is_added = false;
    let (from_ns, to_ns) = window(plan);
    let from_ns = (from_ns + 3_000 * MS).min(to_ns);
    for _ in 0..dice.between(2, 4) {
        let group = dice.pick(groups);
        let drawn = drawn_whole(plan, to_ns, TRIES, || {
            let at_ns = dice.between(from_ns, to_ns);
            back(&mut dice, &brokers(plan), &group, at_ns)
        });
        if let Ok(events) = drawn {
            is_added |= add(plan, to_ns, events);
        }
    }
    if is_added {
        expire(plan, "100");
    }
}

/// The sessions of all members of a group are over when clocks are put forward, and with them its time; brokers are slow
/// to copy that it is removed, and meanwhile its members are back.
fn back(dice: &mut Dice, nodes: &[i32], group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    let session = config_ms(&group.config, "session.timeout.ms").unwrap_or(45_000) * MS;
    let client = group.group.clone();
    let away = session + dice.between(700, 1_500) * MS;
    let down = away + dice.between(100, 500) * MS;
    let jumps_ns = at_ns + away;
    let slow = slow_brokers(dice.pick(&[250, 400]) * MS);
    let others = [
        lasting(at_ns, down, Action::ClientCrash { client }),
        lasting(jumps_ns - 50 * MS, 1_500 * MS, slow),
    ];
    all_ahead(nodes, jumps_ns, 2_000 * MS).chain(others).collect()
}

/// Whether idle producers are forgotten within a storm.
pub(super) fn forgets_producers(plan: &Plan) -> bool {
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
    all_ahead(nodes, jumps_ns, for_ns).chain([lasting(at_ns, for_ns, away)]).collect()
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
        let (mut seeds, mut backs) = (0, 0);
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            assert_in_time(&plan);
            let is_old = plan.cluster.config.get("offsets.retention.minutes");
            if is_old.is_some_and(|minutes| minutes == "1") {
                let is_forward = |event: &EventPlan| {
                    matches!(event.action, Action::ClockJump { by_ns: JUMP_NS, .. })
                };
                seeds += i32::from(plan.events.iter().any(is_forward));
                let is_slow = |event: &EventPlan| {
                    plan.events.iter().any(|of| {
                        matches!(of.action, Action::ClockJump { .. })
                            && of.at_ns == event.at_ns + 50 * MS
                    })
                };
                backs += i32::from(plan.events.iter().any(is_slow));
                assert!(!forgets_producers(&plan), "seed {seed}");
            }
        }
        assert!((5..150).contains(&seeds) && (3..90).contains(&backs), "{seeds} {backs}");
    }

    #[test]
    fn some_seeds_have_positions_of_heartbeats_that_are_old() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let is_ahead =
            |event: &EventPlan| matches!(event.action, Action::ClockJump { by_ns: JUMP_NS, .. });
        let mut seeds = 0;
        for plan in (1..600).map(|seed| swarm(&base, seed)) {
            let has_some = plan.consumers.iter().any(is_remote);
            let kept = plan.cluster.config.get("offsets.retention.minutes");
            let is_short = kept.is_some_and(|minutes| minutes == "1");
            let grows_old = is_short && plan.events.iter().any(is_ahead);
            seeds += i32::from(has_some && grows_old);
        }
        assert!((10..100).contains(&seeds), "{seeds}");
    }

    #[test]
    fn some_seeds_have_positions_of_transactions_that_are_old() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for mut plan in (1..600).map(|seed| swarm(&base, seed)) {
            plan.events.clear();
            storm_of_transactions(&mut plan);
            let has_some = !topics_with_positions(&plan).is_empty();
            assert!(plan.events.is_empty() || has_some && !forgets_producers(&plan));
            seeds += i32::from(!plan.events.is_empty());
        }
        assert!((5..60).contains(&seeds), "{seeds}");
    }
}
