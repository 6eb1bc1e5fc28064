//! What is added to a storm that has been drawn already, and what several of those additions are made of.

use super::dice::Dice;
use super::storm::clash;
use crate::client::TransactionStep;
use std::ops::Range;
use stormglass_scenarios::plan::{
    Action, ConsumerPlan, Endpoint, EventPlan, LinkEffect, Operation, Plan, ProducerPlan, TopicPlan,
};

const MS: u64 = 1_000_000;
/// Where groups' positions are.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// How many times are tried for what is of no use in part.
pub(super) const TRIES: u32 = 8;

/// From when to when something may happen, ns.
pub(super) type Window = (u64, u64);

/// Draws one sort of what is added to a storm.
pub(super) type Draw = fn(&Plan, Window) -> Vec<EventPlan>;

/// Clients are at work, and what happens last has time to have consequences before all is healed.
pub(super) fn window(plan: &Plan) -> Window {
    let from_ns = plan.phases.warmup_ns + 500 * MS;
    (from_ns, plan.phases.heal_starts_ns().saturating_sub(2_000 * MS).max(from_ns))
}

/// Adds events, but for those that are not over by then, or that would undo others. Whether any was added.
pub(super) fn add(
    plan: &mut Plan,
    to_ns: u64,
    events: impl IntoIterator<Item = EventPlan>,
) -> bool {
    let before = plan.events.len();
    for event in events {
        if is_free(plan, to_ns, &event) {
            plan.events.push(event);
        }
    }
    plan.events.sort_by_key(|event| event.at_ns);
    plan.events.len() > before
}

/// Adds what each of these draws for the storm as it is before any of them.
pub(super) fn add_each(plan: &mut Plan, draws: &[Draw]) {
    let window = window(plan);
    let drawn: Vec<Vec<EventPlan>> = draws.iter().map(|draw| draw(plan, window)).collect();
    for events in drawn {
        add(plan, window.1, events);
    }
}

/// Whether each of these would be added by itself.
fn fit(plan: &Plan, to_ns: u64, events: &[EventPlan]) -> bool {
    events.iter().all(|event| is_free(plan, to_ns, event))
}

/// Draws until each of the events would be added, `tries` times at most; otherwise what was drawn last.
pub(super) fn drawn_whole(
    plan: &Plan,
    to_ns: u64,
    tries: u32,
    mut draw: impl FnMut() -> Vec<EventPlan>,
) -> Result<Vec<EventPlan>, Vec<EventPlan>> {
    let mut events = draw();
    for _ in 1..tries {
        if fit(plan, to_ns, &events) {
            return Ok(events);
        }
        events = draw();
    }
    if fit(plan, to_ns, &events) { Ok(events) } else { Err(events) }
}

fn is_free(plan: &Plan, to_ns: u64, event: &EventPlan) -> bool {
    let is_in_time = event.at_ns + event.for_ns.unwrap_or(0) <= to_ns;
    is_in_time && !plan.events.iter().any(|other| clash(other, event))
}

/// Something is so for a while.
pub(super) fn lasting(at_ns: u64, for_ns: u64, action: Action) -> EventPlan {
    EventPlan { at_ns, for_ns: Some(for_ns), action, line: None }
}

/// A broker is down for a while.
pub(super) fn down(node: i32, at_ns: u64, for_ns: u64) -> EventPlan {
    lasting(at_ns, for_ns, Action::ProcessCrash { node })
}

/// A time that leaves room for what takes so long, if there is one.
pub(super) fn begins(dice: &mut Dice, (from_ns, to_ns): Window, takes_ns: u64) -> Option<u64> {
    let latest_ns = to_ns.checked_sub(takes_ns).filter(|latest| *latest > from_ns)?;
    Some(dice.between(from_ns, latest_ns))
}

/// The administrator asks for something.
pub(super) fn asks(at_ns: u64, operation: Operation) -> EventPlan {
    EventPlan { at_ns, for_ns: None, action: Action::Admin { operation }, line: None }
}

/// The administrator asks for these replicas of a partition, in this order.
pub(super) fn reassigns(at_ns: u64, topic: &str, partition: u32, replicas: &[i32]) -> EventPlan {
    let (topic, replicas) = (topic.to_owned(), replicas.to_vec());
    asks(at_ns, Operation::Reassign { topic, partition, replicas })
}

/// The same for each of these partitions.
pub(super) fn reassigns_each(
    at_ns: u64,
    topic: &str,
    partitions: Range<u32>,
    replicas: &[i32],
) -> impl Iterator<Item = EventPlan> {
    partitions.map(move |partition| reassigns(at_ns, topic, partition, replicas))
}

/// The administrator asks that so many replicas of a topic must be in sync.
pub(super) fn sets_min_isr(at_ns: u64, topic: &str, value: &str) -> EventPlan {
    let (topic, key) = (topic.to_owned(), "min.insync.replicas".to_owned());
    asks(at_ns, Operation::SetTopicConfig { topic, key, value: Some(value.to_owned()) })
}

/// Messages between brokers come so much later.
pub(super) fn slow_brokers(extra_ns: u64) -> Action {
    let (from, to) = (vec![Endpoint::Brokers], vec![Endpoint::Brokers]);
    let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 10 };
    Action::Link { from, to, one_way: false, effect }
}

/// Whether a group's members stay in the classic protocol.
pub(super) fn is_classic(group: &ConsumerPlan) -> bool {
    group.membership.is_some_and(|of| !of.assignor.is_remote() && of.restarts_as.is_none())
}

/// Whether a group's members begin in the consumer protocol (KIP-848).
pub(super) fn is_remote(group: &ConsumerPlan) -> bool {
    group.membership.is_some_and(|of| of.assignor.is_remote())
}

/// Ids of the brokers.
pub(super) fn brokers(plan: &Plan) -> Vec<i32> {
    plan.cluster.brokers.iter().map(|node| node.id).collect()
}

/// A config of the brokers, in words.
pub(super) fn server(plan: &Plan, key: &str, default: &str) -> String {
    plan.cluster.config.get(key).cloned().unwrap_or_else(|| default.to_owned())
}

/// Some partitions that have groups' positions, and how many replicas they have.
pub(super) fn positions(plan: &Plan) -> (Range<u32>, usize) {
    let number = |key: &str, default: &str| server(plan, key, default).parse().unwrap_or(1_u32);
    let replicas = number("offsets.topic.replication.factor", "3") as usize;
    (0..number("offsets.topic.num.partitions", "50").min(2), replicas)
}

/// Partitions of these topics that have followers: topic, index, replicas.
pub(super) fn copied<'a>(
    topics: impl Iterator<Item = &'a TopicPlan>,
) -> Vec<(&'a TopicPlan, u32, &'a [i32])> {
    let of = topics.flat_map(|topic| {
        let partitions = (0..).zip(&topic.assignment);
        partitions.map(move |(index, replicas)| (topic, index, replicas.as_slice()))
    });
    of.filter(|(.., replicas)| replicas.len() > 1).collect()
}

/// One of some topics' partitions that have followers.
pub(super) fn partition<'a>(
    dice: &mut Dice,
    topics: impl Iterator<Item = &'a TopicPlan>,
) -> Option<(&'a TopicPlan, u32, &'a [i32])> {
    let all = copied(topics);
    (!all.is_empty()).then(|| dice.pick(&all))
}

/// Topics of producers whose transactions commit positions, once for each of these.
pub(super) fn topics_with_positions(plan: &Plan) -> Vec<String> {
    let commits = |producer: &&ProducerPlan| producer.transactions.is_some_and(|of| of.positions);
    let producers = plan.producers.iter().filter(commits);
    producers.map(|producer| producer.topic.clone()).collect()
}

/// Groups that get positions from transactions, which have the numbers of those producers among all clients in their
/// names; with the topics that these write to.
pub(super) fn groups_with_positions(plan: &Plan) -> Vec<(String, String)> {
    let mut groups = Vec::new();
    let mut next = TransactionStep::FIRST_PRODUCER;
    for producer in &plan.producers {
        if producer.transactions.is_some_and(|of| of.positions) {
            let name = |number: u32| format!("{}{number}", TransactionStep::GROUPS);
            let all = next..next + producer.count;
            groups.extend(all.map(|number| (name(number), producer.topic.clone())));
        }
        next += producer.count;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use crate::recorder::testing::{plan, transactions_plan};
    use stormglass_scenarios::plan::TransactionsPlan;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn what_is_of_no_use_in_part_is_drawn_until_it_fits() {
        let mut plan = plan();
        plan.events.clear();
        let drawn = |tries: u32, until_ns: u64| {
            let mut ends_ns = 70;
            let mut draws = 0;
            let events = drawn_whole(&plan, until_ns, tries, || {
                (ends_ns, draws) = (ends_ns - 10, draws + 1);
                let pause = |at_ns| lasting(at_ns, 1, Action::ProcessPause { node: 1 });
                vec![pause(0), pause(ends_ns - 1)]
            });
            let is_whole = events.is_ok();
            (is_whole, draws, events.unwrap_or_else(|last| last)[1].at_ns + 1)
        };
        assert_eq!(drawn(4, 60), (true, 1, 60));
        assert_eq!(drawn(4, 30), (true, 4, 30), "at the last try");
        assert_eq!(drawn(4, 20), (false, 4, 30), "what was drawn last");
        assert_eq!(drawn(1, 50), (false, 1, 60));
    }

    #[test]
    fn what_is_added_is_told() {
        let mut plan = plan();
        let pause = |at_ns| lasting(at_ns, 10, Action::ProcessPause { node: 1 });
        assert!(add(&mut plan, 100, [pause(0), pause(200)]));
        assert!(!add(&mut plan, 100, [pause(5), pause(95)]), "one clashes, the other is late");
        assert_eq!(plan.events, [pause(0)]);
        assert!(!add(&mut plan, 100, []));
    }

    #[test]
    fn partitions_with_followers_are_copied() {
        let mut plan = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let topic = &mut plan.topics[0];
        topic.assignment = vec![vec![1, 2], vec![3], vec![2, 3, 1]];
        let of = copied(plan.topics[..1].iter()).into_iter();
        let of: Vec<(u32, &[i32])> = of.map(|(_, index, replicas)| (index, replicas)).collect();
        assert_eq!(of, [(0, &[1, 2][..]), (2, &[2, 3, 1][..])]);
    }

    #[test]
    fn positions_are_asked_about_of_groups_that_get_them_from_transactions() {
        let mut base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut named = 0;
        for plan in (1..300).map(|seed| swarm(&base, seed)) {
            let groups = groups_with_positions(&plan);
            for event in &plan.events {
                let Action::Admin {
                    operation:
                        Operation::CommitPositions { group, .. }
                        | Operation::DeletePositions { group, .. }
                        | Operation::FetchPositions { group, .. }
                        | Operation::DeleteGroup { group },
                } = &event.action
                else {
                    continue;
                };
                if group.starts_with(TransactionStep::GROUPS) {
                    named += 1;
                    assert!(groups.iter().any(|(name, _)| name == group), "seed {}", plan.seed);
                }
            }
        }
        assert!(named > 100, "{named}");
        for (producer, count) in base.producers.iter_mut().zip([2, 1]) {
            producer.count = count;
        }
        let positions = TransactionsPlan { positions: true, ..transactions_plan() };
        base.producers[1].transactions = Some(positions);
        let topic = base.producers[1].topic.clone();
        assert_eq!(groups_with_positions(&base), [("positions-3".to_owned(), topic)]);
    }

    #[test]
    fn each_partition_gets_the_replicas() {
        let events: Vec<EventPlan> = reassigns_each(7, "t", 0..2, &[3, 1]).collect();
        let asked = |partition: u32| {
            let (topic, replicas) = ("t".to_owned(), vec![3, 1]);
            asks(7, Operation::Reassign { topic, partition, replicas })
        };
        assert_eq!(events, [asked(0), asked(1)]);
    }
}
