//! Topics of a swarm whose rolled segments go to remote storage, which is slow, or busy, for a while, and is read by
//! those who are late, and needed by followers that were away; some of what is there is deleted while somebody looks for
//! a time. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{asks, lasting};
use super::dice::Dice;
use super::storm::clash;
use super::timing::Timing;
use stormglass_scenarios::add_remote_storage;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, LinkEffect, Operation, Plan, TopicPlan,
};

const MS: u64 = 1_000_000;
/// Bytes that stay on the disk.
const LOCAL: &str = "local.retention.bytes";

/// Draws who has remote storage. After all other configs, as compacted topics cannot.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "remote storage");
    // what readers of committed records are told of remote ones needs both
    let is_written = |topic: &TopicPlan| {
        let mut producers = plan.producers.iter().filter(|of| of.topic == topic.name);
        producers.any(|of| of.transactions.is_some()) && may_have(topic)
    };
    let written = plan.topics.iter().position(is_written);
    if !dice.percent(if written.is_some() { 20 } else { 10 }) {
        return;
    }
    let at = written.unwrap_or(dice.index(plan.topics.len()));
    let Some(topic) = plan.topics.get_mut(at).filter(|topic| may_have(topic)) else { return };
    let limit = topic.config.get("retention.bytes").and_then(|text| text.parse().ok());
    let local = dice.pick(&[0_u64, 20_000, 40_000]).min(limit.unwrap_or(u64::MAX));
    let mut set = |key: &str, value: &str| topic.config.insert(key.to_owned(), value.to_owned());
    set("remote.storage.enable", "true");
    set(LOCAL, &local.to_string());
    set("segment.bytes", dice.pick(&["20000", "20000", "40000"]));
    let every = dice.pick(&["300", "1000", "3000"]);
    let name = topic.name.clone();
    let replicas: Vec<i32> = topic.assignment.iter().flatten().copied().collect();
    add_remote_storage(plan);
    let server = &mut plan.cluster.config;
    server.insert("remote.log.manager.task.interval.ms".to_owned(), every.to_owned());
    if dice.percent(50) {
        (0..dice.between(1, 3)).for_each(|_| trouble(plan, &mut dice));
    }
    if dice.percent(70) {
        (0..dice.between(1, 3)).for_each(|_| late_readers(plan, &mut dice, &name));
    }
    let mut dice = Dice::new(plan.seed, "behind remote storage");
    if dice.percent(60) && !replicas.is_empty() {
        (0..dice.between(1, 3)).for_each(|_| late_followers(plan, &mut dice, &replicas));
    }
    let mut dice = Dice::new(plan.seed, "deleted in remote storage");
    if dice.percent(45) {
        (0..dice.between(3, 6)).for_each(|_| deleted(plan, &mut dice, &name));
    }
    plan.events.sort_by_key(|event| event.at_ns);
}

fn may_have(topic: &TopicPlan) -> bool {
    !topic.config.contains_key("cleanup.policy")
}

/// Remote storage is slow, or refuses some of what it is asked.
fn trouble(plan: &mut Plan, dice: &mut Dice) {
    let ends_ns = plan.phases.heal_starts_ns();
    let at_ns = dice.between(plan.phases.warmup_ns, ends_ns.saturating_sub(4_000 * MS));
    let for_ns = dice.between(200, 3_000) * MS;
    let reject_permille = dice.pick(&[0, 200, 800, 1_000]);
    let extra_latency_ns = dice.pick(&[0, 100, 1_500]) * MS;
    let action = Action::ObjectStorage { reject_permille, extra_latency_ns };
    add(plan, lasting(at_ns, for_ns, action));
}

/// A group that reads the topic stops for so long that most of what is next is remote, up to the newest of it.
fn late_readers(plan: &mut Plan, dice: &mut Dice, topic: &str) {
    let groups = plan.consumers.iter().filter(|of| of.topics.iter().any(|name| name == topic));
    let groups: Vec<String> = groups.map(|group| group.group.clone()).collect();
    if groups.is_empty() {
        return;
    }
    let ends_ns = plan.phases.heal_starts_ns();
    let for_ns = dice.between(3_000, 9_000) * MS;
    let at_ns = dice.between(plan.phases.warmup_ns, ends_ns.saturating_sub(for_ns + 1_000 * MS));
    let action = Action::ConsumerPause { group: dice.pick(&groups), member: None };
    add(plan, lasting(at_ns, for_ns, action));
}

/// A follower is away until what it goes on with is in remote storage alone, and comes back while that, or its leader,
/// does not answer: what it begins then fails, and it has to begin again.
fn late_followers(plan: &mut Plan, dice: &mut Dice, replicas: &[i32]) {
    let (from_ns, ends_ns) = (plan.phases.warmup_ns, plan.phases.heal_starts_ns());
    let (away, lasts) = (dice.between(2_000, 6_000) * MS, dice.between(500, 3_000) * MS);
    let latest_ns = ends_ns.saturating_sub(away + lasts + 3_000 * MS);
    let (node, at_ns) = (dice.pick(replicas), dice.between(from_ns, latest_ns.max(from_ns)));
    let process_ns = Timing::of(plan).process_start_ns;
    let mut event = |at_ns: u64, for_ns: u64, action: Action| {
        add(plan, lasting(at_ns, for_ns, action));
    };
    event(at_ns, away, Action::ProcessCrash { node });
    let back_ns = at_ns + away;
    if dice.percent(60) {
        let reject_permille = dice.pick(&[500, 1_000]);
        let action = Action::ObjectStorage { reject_permille, extra_latency_ns: 0 };
        return event(back_ns, lasts, action);
    }
    // what it asks its leader takes a few messages
    let starts_ns = back_ns + process_ns + dice.between(0, 600) * MS;
    let (from, to) = (vec![Endpoint::Node(node)], vec![Endpoint::Brokers]);
    let action = Action::Link { from, to, one_way: dice.percent(50), effect: LinkEffect::Cut };
    event(starts_ns, lasts, action);
}

/// Records go, often all that are committed, and somebody looks for the oldest that are left before remote storage has
/// deleted what is below them: there is nothing in that any more, and what is left is further on.
fn deleted(plan: &mut Plan, dice: &mut Dice, topic: &str) {
    let from_ns = plan.phases.warmup_ns + 3_000 * MS;
    let to_ns = plan.phases.heal_starts_ns().saturating_sub(2_000 * MS).max(from_ns);
    let topic = || topic.to_owned();
    let at_ns = dice.between(from_ns, to_ns);
    let before = u32::try_from(dice.between(100, 2_500)).ok().filter(|_| dice.percent(50));
    add(plan, asks(at_ns, Operation::DeleteRecords { topic: topic(), before }));
    for _ in 0..2 {
        let (soon, committed) = (at_ns + dice.between(20, 500) * MS, dice.percent(30));
        let back_ms = Some(60_000);
        add(plan, asks(soon, Operation::ListOffsets { topic: topic(), back_ms, committed }));
    }
}

fn add(plan: &mut Plan, event: EventPlan) {
    if !plan.events.iter().any(|other| clash(other, &event)) {
        plan.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_remote_storage_that_kafka_would_take() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut tiered, mut slow, mut troubled, mut deleted) = (0, 0, 0, 0);
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let is_on = |topic: &&TopicPlan| topic.config.contains_key("remote.storage.enable");
            for topic in plan.topics.iter().filter(is_on) {
                let number = |key: &str| topic.config.get(key).and_then(|text| text.parse().ok());
                let (local, whole): (Option<u64>, Option<u64>) =
                    (number(LOCAL), number("retention.bytes"));
                assert!(local.is_some() && whole.is_none_or(|whole| local <= Some(whole)));
                assert!(may_have(topic), "seed {seed}");
                tiered += 1;
                deleted += i32::from(plan.events.iter().any(|event| {
                    let Action::Admin { operation } = &event.action else { return false };
                    matches!(operation, Operation::DeleteRecords { topic: of, .. } if *of == topic.name)
                }));
            }
            let has = |is: &dyn Fn(u64) -> bool| {
                let mut events = plan.events.iter();
                u32::from(events.any(|event| {
                    matches!(event.action, Action::ObjectStorage { extra_latency_ns, .. } if is(extra_latency_ns))
                }))
            };
            slow += has(&|extra_ns| extra_ns > 0);
            troubled += has(&|_| true);
        }
        assert!((25..75).contains(&tiered) && (10..45).contains(&slow), "{tiered} {slow}");
        assert!((slow + 5..75).contains(&troubled), "it refuses followers, too: {troubled}");
        assert!((8..tiered).contains(&deleted), "{deleted} of {tiered}");
    }
}
