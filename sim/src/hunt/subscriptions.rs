//! Members of a swarm's groups that read different topics, subscribe by regular expressions, or to what is not there yet,
//! and close their consumers to come back (KIP-848), some of them to read other topics, by name or by another regular
//! expression. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{Window, add, asks, lasting, window};
use super::dice::Dice;
use stormglass_scenarios::plan::{
    Action, ConsumerPlan, EventPlan, MembershipPlan, Operation, Plan, Subscriptions,
};

const MS: u64 = 1_000_000;

/// Whether members of some group subscribe by regular expressions.
pub(super) fn has_patterns(plan: &Plan) -> bool {
    let of = [Subscriptions::Patterns, Subscriptions::Pattern, Subscriptions::ChangingPattern];
    let by_pattern = |membership: MembershipPlan| of.contains(&membership.subscriptions);
    plan.consumers.iter().any(|group| group.membership.is_some_and(by_pattern))
}

/// The name of a topic that no client of a plan names. Where members subscribe by regular expressions it may be one
/// that only has in it what they look for.
pub(super) fn spare_topic(plan: &Plan, name: &str) -> String {
    let mut dice = Dice::new(plan.seed, "names of spare topics");
    if !has_patterns(plan) || plan.topics.is_empty() || dice.percent(40) {
        return name.to_owned();
    }
    let of = dice.pick(&plan.topics).name;
    dice.pick(&[format!("{of}-{name}"), format!("no-{name}")])
}

/// Gives some groups of the consumer protocol such members. Those that are back as others, and read other topics, have
/// what they give up in their targets until somebody finds new ones.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "subscriptions");
    let topics: Vec<String> = plan.topics.iter().map(|topic| topic.name.clone()).collect();
    let azs = plan.cluster.azs.len().max(1);
    for group in plan.consumers.iter_mut().filter(|group| is_remote(group)) {
        if dice.percent(40) {
            let kinds = [Subscriptions::Different, Subscriptions::Patterns, Subscriptions::Pattern];
            subscribe(group, dice.pick(&kinds));
            share(&mut dice, group, (&topics[..], azs));
        }
        if dice.percent(35) {
            close(group);
        }
    }
    let mut dice = Dice::new(plan.seed, "changing subscriptions");
    let is_plain = |group: &&mut ConsumerPlan| {
        let same = |of: MembershipPlan| of.subscriptions == Subscriptions::Same;
        is_remote(group) && group.membership.is_some_and(same)
    };
    for group in plan.consumers.iter_mut().filter(is_plain) {
        if dice.percent(40) {
            subscribe(group, Subscriptions::Changing);
            share(&mut dice, group, (&topics[..], azs));
            close(group);
        }
    }
    let mut dice = Dice::new(plan.seed, "changing patterns");
    for group in plan.consumers.iter_mut().filter(is_plain) {
        if dice.percent(40) {
            subscribe(group, Subscriptions::ChangingPattern);
            share(&mut dice, group, (&topics[..], azs));
            close(group);
        }
    }
}

fn is_remote(group: &ConsumerPlan) -> bool {
    group.membership.is_some_and(|of| of.assignor.is_remote())
}

fn subscribe(group: &mut ConsumerPlan, subscriptions: Subscriptions) {
    if let Some(membership) = &mut group.membership {
        membership.subscriptions = subscriptions;
    }
}

/// Members have names of their own, and close their consumers when they are paused.
fn close(group: &mut ConsumerPlan) {
    if let Some(membership) = &mut group.membership {
        (membership.static_members, membership.closes) = (true, true);
    }
}

/// There is something to choose from, and somebody to share it with.
fn share(dice: &mut Dice, group: &mut ConsumerPlan, (topics, azs): (&[String], usize)) {
    group.topics = topics.to_vec();
    group.count = group.count.max(dice.pick(&[2, 3, 4]));
    while group.azs.len() < group.count as usize {
        group.azs.push(dice.index(azs));
    }
}

/// Has members that close their consumers leave for a while, shorter or longer than their sessions.
pub(super) fn storm(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "closed consumers");
    let closes = plan.consumers.iter().filter(|group| group.membership.is_some_and(|of| of.closes));
    let groups: Vec<(String, u32)> =
        closes.map(|group| (group.group.clone(), group.count)).collect();
    let from_ns = plan.phases.warmup_ns + 500 * MS;
    let to_ns = plan.phases.heal_starts_ns();
    for (group, count) in groups {
        for _ in 0..dice.between(1, 4) {
            let lasts = dice.pick(&[50, 300, 800, 2_500, 7_000]) * MS;
            let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
            let one = u32::try_from(dice.between(0, u64::from(count.max(1)) - 1)).ok();
            let member = one.filter(|_| dice.percent(75));
            let action = Action::ConsumerPause { group: group.clone(), member };
            add(plan, to_ns, [lasting(at_ns, lasts, action)]);
        }
    }
}

/// Has some groups of the consumer protocol whose members all read the same name a topic that is not there, and comes when
/// they have joined.
pub(super) fn look_ahead(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "topics to come");
    for membership in plan.consumers.iter_mut().filter_map(|group| group.membership.as_mut()) {
        let is_plain = membership.assignor.is_remote()
            && membership.subscriptions == Subscriptions::Same
            && membership.restarts_as.is_none();
        if is_plain && dice.percent(70) {
            membership.subscriptions = Subscriptions::Ahead;
        }
    }
    let window = window(plan);
    let events = to_come(plan, window);
    add(plan, window.1, events);
}

/// That topic comes, and may go and come again, before or after its members have heard that it is gone.
fn to_come(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "topics that come");
    let looks_ahead = |of: MembershipPlan| of.subscriptions == Subscriptions::Ahead;
    if !plan.consumers.iter().any(|group| group.membership.is_some_and(looks_ahead)) {
        return Vec::new();
    }
    let replicas = u32::try_from(plan.cluster.brokers.len().min(3)).unwrap_or(1);
    let topic = || Subscriptions::AHEAD.to_owned();
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 2);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let partitions = dice.pick(&[1, 2, 3]);
        events.push(asks(at_ns, Operation::PlaceTopic { topic: topic(), partitions, replicas }));
        at_ns += dice.between(1_500, 3_000) * MS;
        if dice.percent(30) {
            break;
        }
        events.push(asks(at_ns, Operation::DeleteTopic { topic: topic() }));
        at_ns += if dice.percent(50) { MS } else { dice.between(1_000, 3_000) * MS };
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_members_that_name_what_is_not_there() {
        assert_some_seeds_have(&[to_come]);
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        for seed in 1..200 {
            for of in swarm(&base, seed).consumers.iter().filter_map(|group| group.membership) {
                let is_ahead = of.subscriptions == Subscriptions::Ahead;
                let stays = of.assignor.is_remote() && of.restarts_as.is_none();
                assert!(!is_ahead || stays, "seed {seed}");
            }
        }
    }

    #[test]
    fn some_seeds_have_members_of_either_kind() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut different, mut patterns, mut alike, mut changing) = (0, 0, 0, 0);
        let (mut closed, mut changing_patterns) = (0, 0);
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let mut of_members = plan.consumers.iter().filter_map(|group| group.membership);
            let has = |subscriptions| {
                u32::from(of_members.clone().any(|of| of.subscriptions == subscriptions))
            };
            different += has(Subscriptions::Different);
            patterns += has(Subscriptions::Patterns);
            alike += has(Subscriptions::Pattern);
            changing += has(Subscriptions::Changing);
            changing_patterns += has(Subscriptions::ChangingPattern);
            let kinds = [Subscriptions::Changing, Subscriptions::ChangingPattern];
            let changes = |of: &MembershipPlan| kinds.contains(&of.subscriptions);
            assert!(of_members.clone().filter(changes).all(|of| of.closes));
            assert!(of_members.all(|of| !of.closes || of.static_members));
            let is_one = |event: &EventPlan| {
                matches!(event.action, Action::ConsumerPause { member: Some(_), .. })
            };
            closed += u32::from(plan.events.iter().any(is_one));
            for group in plan.consumers {
                assert_eq!(group.azs.len(), group.count as usize);
            }
        }
        let of_all = [different, patterns, alike, changing];
        assert!(of_all.iter().all(|seeds| (8..80).contains(seeds)), "{of_all:?}");
        assert!((8..140).contains(&closed), "{closed}");
        assert!((3..80).contains(&changing_patterns), "{changing_patterns}");
    }
}
