//! A topic whose records have the brokers' times (`message.timestamp.type`), and clocks that are behind for a while: in
//! its logs times go back, and on again. Where records are deleted in between, what is left of a segment is older than
//! what has gone, and who looks for a time finds it further on. Draws come from a stream of their own, so that the other
//! seeds stay as they are.

use super::adding::{Window, add, asks, brokers, lasting, window};
use super::dice::Dice;
use super::expiring::forgets_producers;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan, TopicPlan};

const MS: u64 = 1_000_000;
/// Clocks are behind by so much: times come again only when they are right.
const BACK_NS: i64 = 9_000_000_000;

/// Adds them to a storm, and has brokers give records their times.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    let Some((at, events)) = drawn(plan, window) else { return };
    if let Some(topic) = plan.topics.get_mut(at) {
        for (key, value) in
            [("message.timestamp.type", "LogAppendTime"), ("segment.bytes", "20000")]
        {
            topic.config.insert(key.to_owned(), value.to_owned());
        }
    }
    add(plan, window.1, events);
}

/// Whether nothing but the administrator deletes records of a topic for their times, all of it is on the disk, and nobody
/// sends what is from the future, which would be stamped, too, and not refused.
fn may_be_stamped(topic: &TopicPlan) -> bool {
    let keys = [
        "cleanup.policy",
        "retention.ms",
        "remote.storage.enable",
        "message.timestamp.after.max.ms",
    ];
    !keys.iter().any(|key| topic.config.contains_key(*key))
}

/// The topic's index, and what happens.
fn drawn(plan: &Plan, (from_ns, _): Window) -> Option<(usize, Vec<EventPlan>)> {
    let mut dice = Dice::new(plan.seed, "times that go back");
    let all = plan.topics.iter().enumerate().filter(|(_, topic)| may_be_stamped(topic));
    let all: Vec<usize> = all.map(|(at, _)| at).collect();
    if all.is_empty() || forgets_producers(plan) || !dice.percent(9) {
        return None;
    }
    let at = dice.pick(&all);
    let topic = || plan.topics[at].name.clone();
    let mut at_ns = from_ns + dice.between(1_500, 5_000) * MS;
    let mut events = Vec::new();
    for _ in 0..dice.between(3, 4) {
        let lasts = dice.between(3_000, 4_500) * MS;
        let behind = |node| lasting(at_ns, lasts, Action::ClockJump { node, by_ns: -BACK_NS });
        events.extend(brokers(plan).into_iter().map(behind));
        for _ in 0..2 {
            let soon = at_ns + dice.between(50, 500) * MS;
            let operation = Operation::DeleteRecords { topic: topic(), before: None };
            events.push(asks(soon, operation));
        }
        let ends_ns = at_ns + lasts;
        for _ in 0..dice.between(8, 12) {
            let asked_ns = ends_ns + dice.between(300, 2_000) * MS;
            // what was written just before clocks went back
            let back_ns = asked_ns - at_ns + dice.between(0, 2_500) * MS;
            let (back_ms, committed) = (u32::try_from(back_ns / MS).ok(), dice.percent(25));
            let operation = Operation::ListOffsets { topic: topic(), back_ms, committed };
            events.push(asks(asked_ns, operation));
        }
        at_ns = ends_ns + 2_500 * MS;
    }
    Some((at, events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_times_that_go_back() {
        assert_some_seeds_have(&[|plan, window| {
            drawn(plan, window).map_or_else(Vec::new, |(_, events)| events)
        }]);
    }

    #[test]
    fn brokers_stamp_what_is_looked_for() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let jump_ns = |event: &EventPlan| match event.action {
            Action::ClockJump { by_ns, .. } => by_ns,
            _ => 0,
        };
        let mut seeds = 0;
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let is_stamped = |topic: &&TopicPlan| {
                topic.config.get("message.timestamp.type").is_some_and(|of| of == "LogAppendTime")
            };
            let Some(topic) = plan.topics.iter().find(is_stamped) else { continue };
            seeds += 1;
            assert_eq!(topic.config["segment.bytes"], "20000", "seed {seed}");
            assert!(may_be_stamped(topic) && !forgets_producers(&plan), "seed {seed}");
            assert!(drawn(&plan, window(&plan)).is_some(), "seed {seed}");
            let jumps = plan.events.iter().filter(|event| jump_ns(event) == -BACK_NS).count();
            assert!(jumps > 0, "seed {seed}");
        }
        assert!((5..80).contains(&seeds), "{seeds}");
    }
}
