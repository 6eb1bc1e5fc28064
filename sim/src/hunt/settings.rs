//! What else an administrator does now and then: has the controller place the replicas of a topic, changes lists among
//! configs, gives groups configs of their own, asks for configs, and for any leader of a partition that has none. Draws
//! come from streams of their own, so that the other seeds stay as they are.

use super::dice::Dice;
use super::subscriptions::{has_patterns, spare_topic};
use stormglass_scenarios::plan::{Operation, Plan};

const MS: u64 = 1_000_000;
/// A topic that no client of the plan has. Members that subscribe by a regular expression may.
const PLACED: &str = "spare-placed";
/// A group with positions in it, and without members.
const POSITIONS: &str = "spare-positions";

type Changes = Vec<(u64, Operation)>;

/// All of that.
pub(super) fn changes(plan: &Plan, window: (u64, u64)) -> Changes {
    let of = [placed(plan, window), group_configs(plan, window), unclean(plan, window)];
    of.into_iter().flatten().collect()
}

/// A topic comes, grows, has lists among its configs, goes, and comes again under the same name.
fn placed(plan: &Plan, (from_ns, to_ns): (u64, u64)) -> Changes {
    let mut dice = Dice::new(plan.seed, "placed topics");
    if !dice.percent(if has_patterns(plan) { 30 } else { 8 }) {
        return Vec::new();
    }
    let commits = dice.percent(60);
    let brokers = u64::try_from(plan.cluster.brokers.len()).unwrap_or(1);
    let mut changes = Vec::new();
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 2);
    for _ in 0..dice.between(1, 3) {
        let topic = || spare_topic(plan, PLACED);
        // now and then there are too few brokers
        let most = if dice.percent(10) { brokers + 1 } else { brokers };
        let number = |number: u64| u32::try_from(number).unwrap_or(1);
        let (partitions, replicas) = (number(dice.between(1, 6)), number(dice.between(1, most)));
        changes.push((at_ns, Operation::PlaceTopic { topic: topic(), partitions, replicas }));
        at_ns += dice.around(500 * MS);
        for _ in 0..dice.between(0, 3) {
            changes.push((at_ns, list(&mut dice, topic())));
            at_ns += dice.around(200 * MS);
        }
        if commits && dice.percent(75) {
            let group = POSITIONS.to_owned();
            let offset = number(dice.between(0, 1_000));
            changes.push((at_ns, Operation::CommitPositions { group, topic: topic(), offset }));
            at_ns += 200 * MS + dice.around(800 * MS);
        }
        if dice.percent(50) {
            let partitions = partitions + number(dice.between(1, 3));
            changes.push((at_ns, Operation::AddPartitions { topic: topic(), partitions }));
            at_ns += dice.around(300 * MS);
        }
        let groups = plan.consumers.iter().map(|group| group.group.clone());
        let groups: Vec<String> = groups.chain(["spare-group".to_owned()]).collect();
        let group = dice.pick(&groups);
        changes.push((at_ns, Operation::DescribeConfigs { topic: topic(), group }));
        at_ns += dice.around(100 * MS);
        if dice.percent(25) {
            break;
        }
        changes.push((at_ns, Operation::DeleteTopic { topic: topic() }));
        at_ns += dice.around(500 * MS);
    }
    changes
}

fn list(dice: &mut Dice, topic: String) -> Operation {
    let (key, words) = dice.pick(&[
        ("cleanup.policy", ["compact", "delete", "compact,delete"]),
        ("leader.replication.throttled.replicas", ["0:1", "1:2", "0:1,1:2"]),
        ("follower.replication.throttled.replicas", ["0:2", "1:1", "0:2,0:3"]),
    ]);
    let words = dice.pick(&words).to_owned();
    let subtracts = dice.percent(40);
    Operation::ChangeTopicList { topic, key: key.to_owned(), words, subtracts }
}

/// Groups of the consumer protocol have longer or shorter sessions for a while, and are heard more or less often.
fn group_configs(plan: &Plan, (from_ns, to_ns): (u64, u64)) -> Changes {
    let mut dice = Dice::new(plan.seed, "group configs");
    let mut changes = Vec::new();
    let remote = plan
        .consumers
        .iter()
        .filter(|group| group.membership.is_some_and(|membership| membership.assignor.is_remote()));
    for group in remote {
        if !dice.percent(30) {
            continue;
        }
        for _ in 0..dice.between(1, 4) {
            let (key, values) = dice.pick(&[
                ("consumer.session.timeout.ms", ["1800", "4000", "9000"]),
                ("consumer.heartbeat.interval.ms", ["150", "300", "600"]),
            ]);
            let value = Some(dice.pick(&values).to_owned()).filter(|_| !dice.percent(25));
            let (group, key) = (group.group.clone(), key.to_owned());
            let at_ns = dice.between(from_ns, to_ns);
            changes.push((at_ns, Operation::SetGroupConfig { group, key, value }));
            if dice.percent(40) {
                let topic = plan.topics[dice.index(plan.topics.len())].name.clone();
                let group = group_of(&changes);
                let at_ns = at_ns + dice.around(300 * MS);
                changes.push((at_ns, Operation::DescribeConfigs { topic, group }));
            }
        }
    }
    changes
}

/// The group of the last change.
fn group_of(changes: &Changes) -> String {
    match changes.last() {
        Some((_, Operation::SetGroupConfig { group, .. })) => group.clone(),
        _ => String::new(),
    }
}

/// Any leader is asked for, mostly in vain, as there is one.
fn unclean(plan: &Plan, (from_ns, to_ns): (u64, u64)) -> Changes {
    let mut dice = Dice::new(plan.seed, "unclean elections");
    if !dice.percent(3) {
        return Vec::new();
    }
    let topic = &plan.topics[dice.index(plan.topics.len())];
    let mut changes = Vec::new();
    for _ in 0..dice.between(2, 5) {
        let at_ns = dice.between(from_ns, to_ns);
        for partition in (0..).take(topic.assignment.len()) {
            let topic = topic.name.clone();
            changes.push((at_ns, Operation::ElectUnclean { topic, partition }));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::plan::Action;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_each_of_them() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut of_all = [0; 3];
        for seed in 1..500 {
            let plan = swarm(&base, seed);
            let has = |is: &dyn Fn(&Operation) -> bool| {
                let mut events = plan.events.iter();
                u32::from(events.any(
                    |event| matches!(&event.action, Action::Admin { operation } if is(operation)),
                ))
            };
            // others place more topics, with numbers or names of their own
            let is_placed = |topic: &String| topic.ends_with(PLACED);
            of_all[0] +=
                has(&|of| matches!(of, Operation::PlaceTopic { topic, .. } if is_placed(topic)));
            of_all[1] += has(&|of| matches!(of, Operation::SetGroupConfig { .. }));
            of_all[2] += has(&|of| matches!(of, Operation::ElectUnclean { .. }));
        }
        assert!(of_all.iter().all(|seeds| (5..80).contains(seeds)), "{of_all:?}");
    }
}
