//! Groups that have members, and get positions from transactions, too: of a producer that names no member, as those of
//! before KIP-447 do, and in a topic that the members do not read. Transactions end while the members rebalance, in
//! either protocol. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{Window, add, groups_with_positions, lasting, window};
use super::dice::Dice;
use super::timing::config_ms;
use super::transactions::{allow_heartbeats, allows_heartbeats};
use crate::client::TransactionStep;
use stormglass_scenarios::plan::{
    Action, Assignor, ConsumerPlan, EventPlan, MembershipPlan, Operation, Plan, Subscriptions,
};

const MS: u64 = 1_000_000;

/// Gives the group of a producer's positions members, which read another topic.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "members beside transactions");
    let (is_drawn, is_remote) = (dice.percent(60), dice.percent(50));
    let given = groups_with_positions(plan);
    if given.is_empty() || !is_drawn {
        return;
    }
    let (name, topic) = dice.pick(&given);
    let others = plan.topics.iter().map(|topic| topic.name.clone());
    let others: Vec<String> = others.filter(|name| *name != topic).collect();
    let Some(like) = plan.consumers.first().filter(|_| !others.is_empty()) else { return };
    let azs = plan.cluster.azs.len().max(1);
    let assignor = match is_remote {
        true => dice.pick(&[Assignor::RemoteUniform, Assignor::RemoteRange]),
        false => dice.pick(&[Assignor::Range, Assignor::CooperativeSticky]),
    };
    let count = dice.pick(&[2, 2, 3]);
    let mut group = ConsumerPlan {
        group: name,
        topics: vec![dice.pick(&others)],
        count,
        azs: (0..count).map(|_| dice.index(azs)).collect(),
        membership: Some(MembershipPlan {
            assignor,
            static_members: dice.percent(20),
            subscriptions: Subscriptions::Same,
            closes: false,
            restarts_as: None,
        }),
        ..like.clone()
    };
    let session_ms = dice.pick(&[1_500, 3_000]);
    for (key, value) in [
        ("session.timeout.ms", session_ms),
        ("heartbeat.interval.ms", session_ms / 5),
        ("max.poll.interval.ms", dice.pick(&[2_000, 4_000])),
    ] {
        group.config.insert(key.to_owned(), value.to_string());
    }
    let_in(&mut dice, plan, is_remote);
    plan.consumers.push(group);
}

/// Lets brokers have such members beside those that are drawn already, if there are any: by default they refuse
/// sessions as short as theirs, and all heartbeats of the consumer protocol.
fn let_in(dice: &mut Dice, plan: &mut Plan, is_remote: bool) {
    if is_remote && !allows_heartbeats(plan) {
        allow_heartbeats(dice, plan);
    }
    let mut set = |key: &str, value: &str| {
        plan.cluster.config.insert(key.to_owned(), value.to_owned());
    };
    set("group.min.session.timeout.ms", "500");
    if plan.consumers.iter().all(|group| group.membership.is_none()) {
        set("group.initial.rebalance.delay.ms", "200");
    }
}

/// Groups that have members and get positions from transactions.
fn groups(plan: &Plan) -> impl Iterator<Item = &ConsumerPlan> {
    plan.consumers.iter().filter(|group| group.group.starts_with(TransactionStep::GROUPS))
}

/// Has their members come and go.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    let events = restless(plan, window);
    add(plan, window.1, events);
}

/// Members stand still for longer than they may, or begin anew, and all others wait for them, or for what they have.
fn restless(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "restless members beside transactions");
    let mut events = Vec::new();
    for group in groups(plan) {
        let session_ms = config_ms(&group.config, "session.timeout.ms").unwrap_or(3_000);
        for _ in 0..dice.between(2, 5) {
            let client = group.group.clone();
            let (action, ms) = match dice.percent(50) {
                true => {
                    let ms = session_ms + dice.between(200, 1_500);
                    (Action::ClientPause { client, instance: Some(0) }, ms)
                }
                false => (Action::ClientCrash { client }, dice.between(50, 800)),
            };
            events.push(lasting(dice.between(from_ns, to_ns), ms * MS, action));
        }
    }
    events
}

/// Nobody takes from their members what those have read, be it by giving the group other positions while they are away.
pub(super) fn spare(plan: &mut Plan) {
    let of = |group: &ConsumerPlan| (group.group.clone(), group.topics.clone());
    let groups: Vec<(String, Vec<String>)> = groups(plan).map(of).collect();
    let is_theirs = |group: &String, topic: Option<&String>| {
        let mut all = groups.iter().filter(|(name, _)| name == group);
        all.any(|(_, topics)| topic.is_none_or(|topic| topics.contains(topic)))
    };
    plan.events.retain(|event| match &event.action {
        Action::Admin { operation: Operation::DeleteGroup { group } } => !is_theirs(group, None),
        Action::Admin {
            operation:
                Operation::DeletePositions { group, topic }
                | Operation::CommitPositions { group, topic, .. },
        } => !is_theirs(group, Some(topic)),
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::adding::asks;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use crate::recorder::testing::transactions_plan;
    use std::collections::BTreeSet;
    use stormglass_scenarios::plan::TransactionsPlan;
    use stormglass_scenarios::{Source, load};

    fn base() -> Plan {
        load(&Source::library(SWARM).unwrap(), &[], 1).unwrap()
    }

    #[test]
    fn some_seeds_have_members_that_come_and_go() {
        assert_some_seeds_have(&[restless]);
    }

    #[test]
    fn the_group_is_that_of_a_producer_whose_topic_its_members_do_not_read() {
        let mut base = base();
        let last = base.producers.len() - 1;
        base.producers[last].transactions =
            Some(TransactionsPlan { positions: true, ..transactions_plan() });
        let before: u32 = base.producers[..last].iter().map(|of| of.count).sum();
        let number = u64::from(TransactionStep::FIRST_PRODUCER + before);
        let mut protocols = BTreeSet::new();
        for seed in 1..60 {
            let mut plan = Plan { seed, ..base.clone() };
            draw(&mut plan);
            for group in groups(&plan) {
                assert_eq!(*group.group, *TransactionStep::group_of(number << 40));
                assert!(!group.topics.contains(&base.producers[last].topic), "seed {seed}");
                protocols.insert(group.membership.unwrap().assignor.is_remote());
            }
        }
        assert_eq!(protocols.len(), 2);
    }

    #[test]
    fn brokers_have_such_members_and_keep_what_is_drawn_for_others() {
        const DELAY: &str = "group.initial.rebalance.delay.ms";
        let mut base = base();
        for producer in &mut base.producers {
            producer.transactions =
                Some(TransactionsPlan { positions: true, ..transactions_plan() });
        }
        let mut beside = base.clone();
        beside.consumers[0].membership = Some(MembershipPlan {
            assignor: Assignor::Range,
            static_members: false,
            subscriptions: Subscriptions::Same,
            closes: false,
            restarts_as: None,
        });
        beside.cluster.config.insert(DELAY.to_owned(), "1000".to_owned());
        for (base, delay_ms) in [(base, 200), (beside, 1_000)] {
            let mut protocols = BTreeSet::new();
            for seed in 1..60 {
                let mut plan = Plan { seed, ..base.clone() };
                draw(&mut plan);
                let config_of = |key: &str, default_ms| plan.cluster.config_ms(key, default_ms);
                for group in groups(&plan) {
                    let session_ms = config_ms(&group.config, "session.timeout.ms").unwrap();
                    let least_ms = config_of("group.min.session.timeout.ms", 6_000);
                    assert!(least_ms <= session_ms, "seed {seed}");
                    assert_eq!(config_of(DELAY, 3_000), delay_ms, "seed {seed}");
                    let is_remote = group.membership.unwrap().assignor.is_remote();
                    assert!(!is_remote || allows_heartbeats(&plan), "seed {seed}");
                    protocols.insert(is_remote);
                }
            }
            assert_eq!(protocols.len(), 2);
        }
    }

    #[test]
    fn what_members_have_read_is_theirs() {
        let mut plan = base();
        let name = format!("{}0", TransactionStep::GROUPS);
        plan.consumers[0].group.clone_from(&name);
        plan.consumers[0].topics = vec!["theirs".to_owned()];
        let is_kept = |of: &str, topic: &str, operation: fn(String, String) -> Operation| {
            let mut plan = plan.clone();
            plan.events = vec![asks(7, operation(of.to_owned(), topic.to_owned()))];
            spare(&mut plan);
            !plan.events.is_empty()
        };
        let operations: [fn(String, String) -> Operation; 2] = [
            |group, topic| Operation::DeletePositions { group, topic },
            |group, topic| Operation::CommitPositions { group, topic, offset: 1 },
        ];
        for operation in operations {
            assert!(!is_kept(&name, "theirs", operation));
            assert!(is_kept(&name, "other", operation), "of a transaction");
            assert!(is_kept("positions-9", "theirs", operation), "it has no members");
        }
        let deletes = |group: String, _: String| Operation::DeleteGroup { group };
        assert!(!is_kept(&name, "", deletes) && is_kept("positions-9", "", deletes));
    }

    #[test]
    fn nobody_deletes_such_a_group() {
        let base = base();
        for plan in (1..300).map(|seed| swarm(&base, seed)) {
            let named: BTreeSet<&String> = groups(&plan).map(|group| &group.group).collect();
            let is_deleted = |event: &EventPlan| match &event.action {
                Action::Admin { operation: Operation::DeleteGroup { group } } => {
                    named.contains(group)
                }
                _ => false,
            };
            assert!(!plan.events.iter().any(is_deleted), "seed {}", plan.seed);
        }
    }
}
