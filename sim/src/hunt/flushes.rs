//! Some storms have records that are flushed before they count as appended, so that appends are under way for as long
//! as a volume takes. In most of these a replica leaves a broker meanwhile, or one gives up what groups have written and
//! leads it again at once. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    OFFSETS_TOPIC, Window, add, asks, brokers, copied, lasting, positions, reassigns,
    reassigns_each, window,
};
use super::dice::Dice;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan, TopicPlan};

const MS: u64 = 1_000_000;
const OF_TOPIC: &str = "flush.messages";
const OF_ALL: &str = "log.flush.interval.messages";

/// Of a topic, or of all: each record, or a few at a time.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "flushes");
    if !dice.percent(15) {
        if Dice::new(plan.seed, "flushes of all").percent(12) {
            plan.cluster.config.insert(OF_ALL.to_owned(), "1".to_owned());
        }
        return;
    }
    let messages = dice.pick(&["1", "1", "5", "100"]).to_owned();
    if dice.percent(25) {
        plan.cluster.config.insert(OF_ALL.to_owned(), messages);
        return;
    }
    let at = dice.index(plan.topics.len().max(1));
    if let Some(topic) = plan.topics.get_mut(at) {
        topic.config.insert(OF_TOPIC.to_owned(), messages);
    }
}

/// Adds replicas that leave to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    for events in [gone_while_written(plan, window), led_back(plan, window)] {
        add(plan, window.1, events);
    }
}

/// A broker gives up what groups have written, and leads it again before its slow volume has all of that.
fn led_back(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "led back");
    let (partitions, replicas) = positions(plan);
    let mut order = dice.shuffled(&brokers(plan));
    order.truncate(replicas);
    if !flushes_all(plan) || order.len() < 2 || !dice.percent(80) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(2, 4) {
        let (at_ns, extra_latency_ns) = (dice.between(from_ns, to_ns), dice.pick(&[300, 700]) * MS);
        let slow_ns = at_ns + 1_200 * MS;
        let action = Action::SlowDisk { node: order[0], rate_permille: 1_000, extra_latency_ns };
        events.push(lasting(slow_ns, 3_000 * MS, action));
        let away_ns = slow_ns + dice.between(400, 1_200) * MS;
        let back_ns = away_ns + dice.between(60, 250) * MS;
        for moves_ns in [at_ns, away_ns, back_ns] {
            events.extend(reassigns_each(moves_ns, OFFSETS_TOPIC, partitions.clone(), &order));
            let soon = moves_ns + dice.between(15, 50) * MS;
            events.push(asks(soon, Operation::ElectPreferred));
            order.swap(0, 1);
        }
        // it has led anyway by then, unless replicas had to be made first
        events.push(asks(at_ns + 700 * MS, Operation::ElectPreferred));
        order.swap(0, 1);
    }
    events
}

/// A replica leaves a broker while what it has copied waits for a flush there, on a slow volume, and mostly comes back
/// soon, when what was on record of it should be forgotten.
fn gone_while_written(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "gone while written");
    let brokers = brokers(plan);
    let of_all = flushes_all(plan);
    let flushes = |topic: &&TopicPlan| of_all || topic.config.contains_key(OF_TOPIC);
    let mut partitions = copied(plan.topics.iter().filter(flushes));
    partitions.retain(|(.., replicas)| replicas.len() < brokers.len());
    if partitions.is_empty() || !dice.percent(80) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let (topic, partition, replicas) = dice.pick(&partitions);
        let spare: Vec<i32> = brokers.iter().copied().filter(|id| !replicas.contains(id)).collect();
        let leaves = if dice.percent(25) { 0 } else { dice.index(replicas.len()) };
        let (node, mut target) = (replicas[leaves], replicas.to_vec());
        target[leaves] = dice.pick(&spare);
        let extra_latency_ns = dice.pick(&[40, 150, 400]) * MS;
        let lasts = 8 * extra_latency_ns + dice.between(1_000, 4_000) * MS;
        let at_ns = dice.between(from_ns, to_ns);
        let action = Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns };
        events.push(lasting(at_ns, lasts, action));
        let moves_ns = at_ns + extra_latency_ns + dice.around(300 * MS);
        events.push(reassigns(moves_ns, &topic.name, partition, &target));
        if dice.percent(75) {
            let back_ns = moves_ns + dice.between(200, 2_500) * MS;
            events.push(reassigns(back_ns, &topic.name, partition, replicas));
        }
    }
    events
}

/// Whether every log of the cluster flushes: a plan names defaults, too, and by default none does.
fn flushes_all(plan: &Plan) -> bool {
    let messages = plan.cluster.config.get(OF_ALL).and_then(|messages| messages.parse().ok());
    messages.is_some_and(|messages: i64| messages < i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_flush_and_of_some_of_them_replicas_leave() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut flushed, mut left, mut back) = (0, 0, 0);
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let to_ns = plan.phases.heal_starts_ns() - 2_000 * MS;
            let of_topic = plan.topics.iter().any(|topic| topic.config.contains_key(OF_TOPIC));
            let flushes = of_topic || flushes_all(&plan);
            let leaves = !gone_while_written(&plan, (plan.phases.warmup_ns, to_ns)).is_empty();
            assert!(flushes || !leaves, "seed {seed}");
            (flushed, left) = (flushed + u32::from(flushes), left + u32::from(leaves));
            back += u32::from(!led_back(&plan, (plan.phases.warmup_ns, to_ns)).is_empty());
            assert_in_time(&plan);
        }
        assert!((50..150).contains(&flushed) && (8..90).contains(&left), "{flushed} {left}");
        assert!((10..90).contains(&back), "{back}");
    }
}
