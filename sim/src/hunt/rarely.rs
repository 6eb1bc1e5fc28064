//! What happens to a cluster now and then: a broker's registration ends, groups and positions are deleted, a
//! topic's replicas are throttled, a producer is clumsy, members with names of their own start anew all at once. Draws
//! come from streams of their own, so that the other seeds stay as they are.

use super::adding::{Window, add, asks, groups_with_positions, lasting, window};
use super::dice::Dice;
use super::quotas;
use super::settings;
use super::storm::clash;
use stormglass_scenarios::plan::{Action, Assignor, EventPlan, Flaw, Operation, Plan, TopicPlan};

const MS: u64 = 1_000_000;
/// A group that no client of the plan is in.
const SPARE: &str = "spare-group";
/// Which replicas of a topic are throttled, as leaders and as followers.
const THROTTLED: [&str; 2] =
    ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() {
        return;
    }
    let window = window(plan);
    let changes = [
        unregister(plan, window),
        groups(plan, window),
        throttle(plan, window),
        flaws(plan, window),
        quotas::changes(plan, window),
        settings::changes(plan, window),
        in_sync(plan, window),
    ];
    let changes = changes.into_iter().flatten();
    add(plan, window.1, changes.map(|(at_ns, operation)| asks(at_ns, operation)));
    plan.events.extend(unthrottled(plan));
    restart_members(plan, window);
    plan.events.sort_by_key(|event| event.at_ns);
}

type Changes = Vec<(u64, Operation)>;

/// The registration of a broker ends, mostly of one that is away: it comes back, and registers anew.
fn unregister(plan: &Plan, (from_ns, to_ns): Window) -> Changes {
    let mut dice = Dice::new(plan.seed, "unregistered");
    if !dice.percent(8) {
        return Vec::new();
    }
    let away = plan.events.iter().filter_map(|event| match event.action {
        Action::HostCrash { node }
        | Action::ProcessCrash { node }
        | Action::ProcessPause { node } => Some((event.at_ns, node)),
        _ => None,
    });
    let is_broker = |id: i32| plan.cluster.brokers.iter().any(|node| node.id == id);
    let away: Vec<_> = away.filter(|(_, node)| is_broker(*node)).collect();
    let one = |dice: &mut Dice| {
        if away.is_empty() || dice.percent(30) {
            let brokers = &plan.cluster.brokers;
            return (dice.between(from_ns, to_ns), brokers[dice.index(brokers.len())].id);
        }
        let (at_ns, node) = dice.pick(&away);
        (at_ns + dice.around(400 * MS), node)
    };
    let times = dice.between(1, 2);
    let ones: Vec<_> = (0..times).map(|_| one(&mut dice)).collect();
    ones.into_iter().map(|(at_ns, node)| (at_ns, Operation::UnregisterBroker { node })).collect()
}

/// A group gets positions, loses them, goes, and comes again; so may one that transactions give positions.
fn groups(plan: &Plan, (from_ns, to_ns): Window) -> Changes {
    let mut dice = Dice::new(plan.seed, "deleted groups");
    if !dice.percent(14) {
        return Vec::new();
    }
    let topic = plan.topics[dice.index(plan.topics.len())].name.clone();
    let given = groups_with_positions(plan);
    let group = match !given.is_empty() && dice.percent(60) {
        true => dice.pick(&given).0,
        false => SPARE.to_owned(),
    };
    let (mut at_ns, mut changes) = (dice.between(from_ns, to_ns), Vec::new());
    for _ in 0..dice.between(3, 8) {
        let group = group.clone();
        let topic = topic.clone();
        let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
        let operation = match dice.index(5) {
            // a transaction's position may be any but this
            0 | 1 if group == SPARE => Operation::CommitPositions { group, topic, offset },
            0..=2 => Operation::DeletePositions { group, topic },
            _ => Operation::DeleteGroup { group },
        };
        changes.push((at_ns, operation));
        at_ns += dice.around(250 * MS);
    }
    changes
}

/// Brokers get more or fewer fetchers, or the replicas of a topic are throttled for a while. To end it is asked for
/// several times, as a request may be lost.
fn throttle(plan: &Plan, (from_ns, to_ns): Window) -> Changes {
    let mut dice = Dice::new(plan.seed, "throttled");
    if !dice.percent(22) {
        return Vec::new();
    }
    let (at_ns, mut changes) = (dice.between(from_ns, to_ns), Vec::new());
    let mut set = |at_ns: u64, key: &str, value: Option<&str>| {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        changes.push((at_ns, Operation::SetBrokerConfig { node: None, key, value }));
    };
    if dice.percent(35) {
        let value = dice.pick(&["1", "2"]);
        set(at_ns, "num.replica.fetchers", Some(value));
        set(at_ns + dice.around(2_000 * MS), "num.replica.fetchers", None);
        return changes;
    }
    // mostly less than what is written to a topic, so that quotas do hold somebody back
    let rate = dice.pick(&["15000", "30000", "30000", "100000"]);
    for key in ["leader.replication.throttled.rate", "follower.replication.throttled.rate"] {
        set(at_ns, key, Some(rate));
    }
    let throttled = &plan.topics[dice.index(plan.topics.len())];
    let topic = throttled.name.clone();
    let (leaders, followers) =
        dice.pick(&[(true, false), (true, false), (false, true), (true, true)]);
    let ends_ns = at_ns + dice.between(1_000, 6_000) * MS;
    for (key, _) in THROTTLED.into_iter().zip([leaders, followers]).filter(|(_, is_set)| *is_set) {
        let mut set = |at_ns: u64, value: Option<&str>| {
            let (topic, key, value) = (topic.clone(), key.to_owned(), value.map(str::to_owned));
            changes.push((at_ns.min(to_ns), Operation::SetTopicConfig { topic, key, value }));
        };
        set(at_ns, Some(&throttled_replicas(&mut dice, throttled)));
        (0..4).for_each(|turn| set(ends_ns + turn * 700 * MS, None));
    }
    changes
}

/// Replicas are throttled no more once all is healed: an outage may have taken every request before.
pub(super) fn unthrottled(plan: &Plan) -> Vec<EventPlan> {
    let at_ns = plan.phases.heal_starts_ns() + 1_000 * MS;
    let throttles = plan.events.iter().filter_map(|event| {
        let Action::Admin { operation } = &event.action else { return None };
        let Operation::SetTopicConfig { topic, key, value: Some(_) } = operation else {
            return None;
        };
        THROTTLED.contains(&key.as_str()).then(|| (topic.clone(), key.clone()))
    });
    let ends = |(topic, key)| asks(at_ns, Operation::SetTopicConfig { topic, key, value: None });
    throttles.map(ends).collect()
}

/// All replicas of a topic, or some of them with their partitions, in any order.
fn throttled_replicas(dice: &mut Dice, topic: &TopicPlan) -> String {
    let of = |(index, replicas): (usize, &Vec<i32>)| {
        replicas.iter().map(|id| format!("{index}:{id}")).collect::<Vec<String>>()
    };
    let all: Vec<String> = topic.assignment.iter().enumerate().flat_map(of).collect();
    let mut some = dice.shuffled(&all);
    some.retain(|_| dice.percent(70));
    if some.is_empty() || dice.percent(35) { "*".to_owned() } else { some.join(",") }
}

/// Other numbers of replicas must be in sync for a while, mostly when one has just gone or come.
fn in_sync(plan: &Plan, (from_ns, to_ns): Window) -> Changes {
    let mut dice = Dice::new(plan.seed, "replicas in sync");
    if !dice.percent(15) {
        return Vec::new();
    }
    let topic = &plan.topics[dice.index(plan.topics.len())];
    let replicas = topic.assignment.first().map_or(1, Vec::len);
    let faults: Vec<u64> = plan.events.iter().map(|event| event.at_ns).collect();
    let mut changes = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let at_ns = match faults.is_empty() || dice.percent(30) {
            true => dice.between(from_ns, to_ns),
            false => dice.pick(&faults) + dice.around(1_500 * MS),
        };
        let value = dice.pick(&[Some("1"), Some("1"), Some("2"), None]);
        let value = value.filter(|value| replicas > 1 || *value == "1").map(str::to_owned);
        let (topic, key) = (topic.name.clone(), "min.insync.replicas".to_owned());
        changes.push((at_ns.max(from_ns), Operation::SetTopicConfig { topic, key, value }));
    }
    changes
}

/// A clumsy producer sends batches that must be refused, a few of each sort. What is from the future is so by ten
/// days: clocks that are wrong are so by less.
fn flaws(plan: &mut Plan, (from_ns, to_ns): Window) -> Changes {
    let mut dice = Dice::new(plan.seed, "flawed batches");
    if !dice.percent(8) {
        return Vec::new();
    }
    let topic = dice.index(plan.topics.len());
    let topic = &mut plan.topics[topic];
    let (key, ten_days) = ("message.timestamp.after.max.ms".to_owned(), "864000000".to_owned());
    topic.config.entry(key).or_insert(ten_days);
    let kinds = [
        Flaw::RecordCount,
        Flaw::BaseOffset,
        Flaw::Control,
        Flaw::NoSequence,
        Flaw::NoProducer,
        Flaw::TooLarge,
        Flaw::FromTheFuture,
        Flaw::TwoBatches,
    ];
    let one = |dice: &mut Dice| {
        let partition = u32::try_from(dice.index(topic.assignment.len())).unwrap_or(0);
        let (topic, flaw) = (topic.name.clone(), dice.pick(&kinds));
        let operation = Operation::ProduceFlawed { topic, partition, flaw };
        (dice.between(from_ns, to_ns), operation)
    };
    (0..dice.between(4, 12)).map(|_| one(&mut dice)).collect()
}

/// Members of a group in the classic protocol that have names of their own start anew within their sessions: the
/// one that leads, too.
fn restart_members(plan: &mut Plan, (from_ns, to_ns): Window) {
    let mut dice = Dice::new(plan.seed, "named members");
    let is_named =
        |assignor: Assignor| matches!(assignor, Assignor::Range | Assignor::CooperativeSticky);
    let groups = plan.consumers.iter().filter(|group| {
        group.membership.is_some_and(|of| of.static_members && is_named(of.assignor))
    });
    let groups: Vec<String> = groups.map(|group| group.group.clone()).collect();
    for client in groups {
        for _ in 0..dice.between(0, 2) {
            let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(20, 700) * MS);
            let action = Action::ClientCrash { client: client.clone() };
            let event = lasting(at_ns, lasts, action);
            if !plan.events.iter().any(|other| clash(other, &event)) {
                plan.events.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::adding::OFFSETS_TOPIC;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_each_of_them() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut unregistered, mut deleted, mut throttled, mut flawed) = (0, 0, 0, 0);
        let (mut in_sync, mut others) = (0, 0);
        for seed in 1..300 {
            let plan = swarm(&base, seed);
            let of = |is: &dyn Fn(&Operation) -> bool| {
                let mut events = plan.events.iter();
                events.any(
                    |event| matches!(&event.action, Action::Admin { operation } if is(operation)),
                )
            };
            unregistered += u32::from(of(&|operation| {
                let Operation::UnregisterBroker { node } = operation else { return false };
                assert!(plan.cluster.brokers.iter().any(|broker| broker.id == *node));
                true
            }));
            deleted += u32::from(of(&|of| matches!(of, Operation::DeleteGroup { .. })));
            let is_throttle = |of: &Operation| match of {
                Operation::SetTopicConfig { key, .. } => key.contains("throttled"),
                _ => false,
            };
            throttled += u32::from(of(&is_throttle));
            flawed += u32::from(of(&|of| matches!(of, Operation::ProduceFlawed { .. })));
            let is_in_sync = |of: &Operation| match of {
                Operation::SetTopicConfig { topic, key, .. } => {
                    key == "min.insync.replicas" && topic != OFFSETS_TOPIC
                }
                _ => false,
            };
            in_sync += u32::from(of(&is_in_sync));
            others +=
                u32::from(!plan.events.iter().any(|e| matches!(e.action, Action::Admin { .. })));
        }
        let of_all = [unregistered, deleted, throttled, flawed, in_sync];
        assert!(of_all.iter().all(|seeds| (10..110).contains(seeds)), "{of_all:?}");
        assert!(others > 10, "{others} without an administrator");
    }
}
