//! What is late between coordinators of transactions and leaders: markers that have been given up and sent again come
//! all the same, an answer about a transaction comes when that is over, be it about one partition or about several, the
//! log of transactions is slower than producers wait, the first transactions follow each other faster than their
//! markers, partitions have moved away from where markers are sent, and what a producer asks of its coordinator comes
//! after it has asked once more. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{Window, add, brokers, lasting, reassigns, server, slow_brokers, window};
use super::dice::Dice;
use super::timing::config_ms;
use std::collections::BTreeSet;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, KeyDist, LinkEffect, Plan, ProducerPlan, TopicPlan,
    TransactionsPlan,
};

const MS: u64 = 1_000_000;
/// How long brokers wait for each other, about transactions.
const PATIENCE: &str = "request.timeout.ms";
/// In storms with late markers they wait for less, ms.
const PATIENCE_MAX_MS: u64 = 2_000;
/// How long producers wait for an answer in storms with late ends, ms.
const ASKS_AGAIN_MS: u64 = 500;
/// Partitions of topics that transactions are spread over, at most.
const SPREAD_MAX: usize = 6;

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.cluster.brokers.len() < 2 {
        return;
    }
    draw_patience(plan);
    draw_spread(plan);
    let window = window(plan);
    let (answers, bumps) = (late_answers(plan, window), slow_bumps(plan, window));
    let at_first = busy_at_first(plan);
    if !answers.is_empty() {
        wait(plan, "10000");
    }
    if !bumps.is_empty() {
        configure(plan, &[("request.timeout.ms", "500"), ("socket.timeout.ms", "500")]);
    }
    if !at_first.is_empty() {
        // several batches are under way
        configure(plan, &[("linger.ms", "50"), ("max.in.flight.requests.per.connection", "5")]);
    }
    let (moved, ends) = (moved_unheard(plan, window), late_ends(plan, window));
    if !ends.is_empty() {
        ask_again(plan);
    }
    for events in [late_markers(plan, window), answers, bumps, at_first, moved, ends] {
        add(plan, window.1, events);
    }
}

/// Brokers wait for so long, and nobody who is not reached holds up the others.
pub(super) fn wait(plan: &mut Plan, patience: &str) {
    for (key, value) in [
        (PATIENCE, patience),
        ("replica.lag.time.max.ms", "300"),
        ("replica.fetch.wait.max.ms", "100"),
    ] {
        plan.cluster.config.insert(key.to_owned(), value.to_owned());
    }
}

/// Sets configs of producers with transactions.
fn configure(plan: &mut Plan, configs: &[(&str, &str)]) {
    for producer in plan.producers.iter_mut().filter(|of| of.transactions.is_some()) {
        for (key, value) in configs {
            producer.config.insert((*key).to_owned(), (*value).to_owned());
        }
    }
}

/// Messages of a broker to some come so much later.
pub(super) fn late(from: Endpoint, to: Endpoint, extra_ns: u64) -> Action {
    let effect = LinkEffect::Delay { extra_ns, jitter_ns: 0 };
    Action::Link { from: vec![from], to: vec![to], one_way: true, effect }
}

/// Producers with transactions, and those.
pub(super) fn transactions(plan: &Plan) -> impl Iterator<Item = (&ProducerPlan, TransactionsPlan)> {
    plan.producers.iter().filter_map(|producer| Some((producer, producer.transactions?)))
}

/// Whether there are producers with transactions, and each transaction of theirs has an epoch of its own. Without such
/// epochs nobody can tell what is late from what the next transaction brings (KIP-1228, KAFKA-17754).
fn has_epochs(plan: &Plan) -> bool {
    let mut all = transactions(plan).peekable();
    all.peek().is_some() && all.all(|(_, of)| of.epoch_each)
}

/// Producers with transactions wait for less than those last.
fn ask_again(plan: &mut Plan) {
    for of in plan.producers.iter_mut().filter_map(|producer| producer.transactions.as_mut()) {
        (of.length_ns, of.records) = (1_500 * MS, 1_000);
    }
    let patience = ASKS_AGAIN_MS.to_string();
    let configs = [
        ("request.timeout.ms", patience.as_str()),
        ("socket.timeout.ms", patience.as_str()),
        ("linger.ms", "50"),
        ("transaction.timeout.ms", "8000"),
    ];
    configure(plan, &configs);
}

/// Brokers wait less for each other where each transaction has an epoch of its own, and transactions are long. Without
/// such epochs nobody can tell a late marker from the next one (KIP-1228).
fn draw_patience(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "patience");
    if !has_epochs(plan) || !dice.percent(75) {
        return;
    }
    wait(plan, dice.pick(&["1000", "2000"]));
    for of in plan.producers.iter_mut().filter_map(|producer| producer.transactions.as_mut()) {
        (of.length_ns, of.records) = (1_500 * MS, 1_000);
    }
}

/// Some producers whose epochs last for a session write to several partitions of a broker within each transaction: its
/// leader asks about all of them at once, and so does a marker end all of them. And they give up what is under way long
/// before their coordinator would end the transaction, which it does in another epoch.
fn draw_spread(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "spread transactions");
    if transactions(plan).all(|(_, of)| of.epoch_each) || !dice.percent(50) {
        return;
    }
    let mut topics = BTreeSet::new();
    for producer in &mut plan.producers {
        let Some(of) = &mut producer.transactions else { continue };
        if of.epoch_each {
            continue;
        }
        (of.records, of.length_ns) = (200, 400 * MS);
        if producer.keys == KeyDist::None {
            producer.keys = KeyDist::Uniform { count: 50 };
        }
        for (key, value) in [
            ("delivery.timeout.ms", "2500"),
            ("message.timeout.ms", "2500"),
            ("transaction.timeout.ms", "8000"),
        ] {
            producer.config.insert(key.to_owned(), value.to_owned());
        }
        topics.insert(producer.topic.clone());
    }
    let brokers = brokers(plan);
    for topic in plan.topics.iter_mut().filter(|topic| topics.contains(&topic.name)) {
        spread(&mut dice, &brokers, topic);
    }
}

/// A topic gets more partitions, so that brokers lead two of them.
fn spread(dice: &mut Dice, brokers: &[i32], topic: &mut TopicPlan) {
    let replicas = topic.assignment.first().map_or(1, Vec::len);
    for leader in brokers.iter().chain(brokers) {
        let led = topic.assignment.iter().filter(|of| of.first() == Some(leader)).count();
        if led >= 2 || topic.assignment.len() >= SPREAD_MAX {
            continue;
        }
        let mut order = dice.shuffled(brokers);
        order.retain(|id| id != leader);
        order.insert(0, *leader);
        order.truncate(replicas);
        topic.assignment.push(order);
    }
}

/// Brokers that coordinate transactions as a run begins, which places the partitions of their log in turn, from the
/// second one on.
pub(super) fn coordinators(plan: &Plan) -> Vec<i32> {
    let brokers = brokers(plan);
    let partitions = server(plan, "transaction.state.log.num.partitions", "50");
    let partitions: usize = partitions.parse().unwrap_or(1);
    let count = partitions.clamp(1, brokers.len().max(1));
    brokers.iter().cycle().skip(1).take(count).copied().collect()
}

/// A broker does not reach others for about as long as they wait. A marker is given up and sent again, the next
/// transaction begins, and then the first copy comes, as it was tried again less and less often.
fn late_markers(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "late markers");
    let patience_ms = plan.cluster.config_ms(PATIENCE, u64::MAX);
    if patience_ms > PATIENCE_MAX_MS {
        return Vec::new();
    }
    let one = |dice: &mut Dice| {
        let order = dice.shuffled(&brokers(plan));
        let others = if dice.percent(50) { order.len() - 1 } else { 1 };
        let to = order.iter().skip(1).take(others).map(|id| Endpoint::Node(*id)).collect();
        let from = vec![Endpoint::Node(order[0])];
        let action = Action::Link { from, to, one_way: false, effect: LinkEffect::Cut };
        let lasts = patience_ms * dice.between(95, 155) / 100 * MS;
        lasting(dice.between(from_ns, to_ns), lasts, action)
    };
    (0..dice.between(6, 10)).map(|_| one(&mut dice)).collect()
}

/// A leader asks whether a partition is part of a transaction, and the answer is under way for long. Its producer, that
/// does not reach the leader any more, gives the batch up, and the transaction; when that is over, the answer comes.
fn late_answers(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "late answers");
    let patient = transactions(plan).filter(|(_, of)| !of.epoch_each);
    let patient = patient.filter_map(|(producer, _)| {
        let gives_up_ms = config_ms(&producer.config, "delivery.timeout.ms")?;
        // else its coordinator ends the transaction before, in another epoch
        let ends_ms = config_ms(&producer.config, "transaction.timeout.ms")?;
        (ends_ms > gives_up_ms).then_some(gives_up_ms)
    });
    let patient: Vec<u64> = patient.collect();
    if patient.is_empty() || !dice.percent(60) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(3, 6) {
        let mut order = dice.shuffled(&brokers(plan));
        // others may coordinate transactions by then
        let coordinator = if dice.percent(70) { dice.pick(&coordinators(plan)) } else { order[0] };
        order.retain(|id| *id != coordinator);
        let leader = order[0];
        let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(60, 300) * MS);
        let away = (dice.pick(&patient) + dice.between(700, 1_300)) * MS;
        // once its producer is back, in another epoch, that fences what is late
        let extra_ns = match dice.percent(60) {
            true => away - dice.between(50, 350) * MS,
            false => away + dice.between(500, 1_500) * MS,
        };
        let action = late(Endpoint::Node(coordinator), Endpoint::Node(leader), extra_ns);
        events.push(lasting(at_ns, lasts, action));
        let (from, to) = (vec![Endpoint::Clients], vec![Endpoint::Node(leader)]);
        let action = Action::Link { from, to, one_way: false, effect: LinkEffect::Cut };
        events.push(lasting(at_ns + lasts * 2 / 3, away, action));
    }
    events
}

/// What producers ask of a coordinator is under way for so long that they connect anew, and ask again: that is answered,
/// the next transaction begins, and then the end of the one before comes once more (KAFKA-17754).
fn late_ends(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "late ends");
    if !has_epochs(plan) || !dice.percent(50) {
        return Vec::new();
    }
    let (all, coordinators) = (brokers(plan), coordinators(plan));
    let one = |dice: &mut Dice| {
        // others may coordinate transactions by then
        let of = if dice.percent(80) { &coordinators } else { &all };
        let to = dice.pick(of);
        let extra_ns = (ASKS_AGAIN_MS + dice.between(350, 1_400)) * MS;
        // over before they ask again
        let lasts = dice.between(80, ASKS_AGAIN_MS * 3 / 5) * MS;
        let action = late(Endpoint::Clients, Endpoint::Node(to), extra_ns);
        lasting(dice.between(from_ns, to_ns), lasts, action)
    };
    (0..dice.between(12, 20)).map(|_| one(&mut dice)).collect()
}

/// Partitions go from their leaders to other brokers, and a coordinator hears of that late: it wants markers of leaders
/// that do not have the partitions any more.
fn moved_unheard(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "moved unheard");
    let topics: BTreeSet<&str> = transactions(plan).map(|(of, _)| of.topic.as_str()).collect();
    let brokers = brokers(plan);
    let coordinator = dice.pick(&coordinators(plan));
    let mut partitions = Vec::new();
    for topic in plan.topics.iter().filter(|topic| topics.contains(topic.name.as_str())) {
        for (index, replicas) in (0_u32..).zip(&topic.assignment) {
            let is_elsewhere = replicas.first().is_some_and(|leader| *leader != coordinator);
            if is_elsewhere && replicas.len() < brokers.len() {
                partitions.push((topic.name.clone(), index, replicas.clone()));
            }
        }
    }
    if partitions.is_empty() || !dice.percent(60) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(2, 4) {
        let (topic, partition, replicas) = dice.pick(&partitions);
        let mut target = dice.shuffled(&brokers);
        target.retain(|id| replicas.first() != Some(id));
        target.truncate(replicas.len());
        let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(1_500, 3_000) * MS);
        let extra_ns = dice.between(300, 900) * MS;
        let action = late(Endpoint::Controllers, Endpoint::Node(coordinator), extra_ns);
        events.push(lasting(at_ns, lasts, action));
        events.push(reassigns(at_ns + 100 * MS, &topic, partition, &target));
        events.push(reassigns(at_ns + lasts + 500 * MS, &topic, partition, &replicas));
    }
    events
}

/// What coordinators write takes longer than producers wait: those are not sure what has become of a request, and ask
/// for another epoch, more than once.
fn slow_bumps(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "slow bumps");
    let mut doubtful = transactions(plan).filter(|(_, of)| of.positions && !of.epoch_each);
    if doubtful.next().is_none() || !dice.percent(60) {
        return Vec::new();
    }
    let one = |dice: &mut Dice| {
        let extra_ns = dice.pick(&[200, 300, 500]) * MS;
        let lasts = dice.between(600, 2_000) * MS;
        lasting(dice.between(from_ns, to_ns), lasts, slow_brokers(extra_ns))
    };
    (0..dice.between(5, 9)).map(|_| one(&mut dice)).collect()
}

/// As producers begin, their transactions follow each other faster than the markers are written: leaders that know
/// nothing of them yet refuse some of what they send for now.
fn busy_at_first(plan: &Plan) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "busy at first");
    if !transactions(plan).any(|(_, of)| of.epoch_each) || !dice.percent(35) {
        return Vec::new();
    }
    let action = slow_brokers(dice.between(30, 90) * MS);
    let at_ns = dice.between(300, plan.phases.warmup_ns / MS + 500) * MS;
    vec![lasting(at_ns, dice.between(1_500, 3_000) * MS, action)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_transactions_in_several_partitions_of_a_broker() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let is_spread = |of: &&ProducerPlan| {
            let long =
                of.transactions.is_some_and(|of| (of.records, of.epoch_each) == (200, false));
            let patience_ms = config_ms(&of.config, "transaction.timeout.ms");
            long && patience_ms == Some(8_000) && of.keys == KeyDist::Uniform { count: 50 }
        };
        let mut seeds = 0;
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let Some(producer) = plan.producers.iter().find(is_spread) else { continue };
            seeds += 1;
            let topic = plan.topics.iter().find(|topic| topic.name == producer.topic).unwrap();
            let led = |id: i32| topic.assignment.iter().filter(|of| of[0] == id).count();
            assert!(brokers(&plan).into_iter().any(|id| led(id) > 1), "seed {seed}");
            let replicas = topic.assignment[0].len();
            for of in &topic.assignment {
                let ids: BTreeSet<&i32> = of.iter().collect();
                assert_eq!((of.len(), ids.len()), (replicas, replicas), "seed {seed}");
            }
        }
        assert!((15..100).contains(&seeds), "{seeds} of 399");
    }

    #[test]
    fn transactions_are_coordinated_where_set_up_places_their_log() {
        let mut plan = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let key = "transaction.state.log.num.partitions".to_owned();
        let ids = brokers(&plan);
        let of = |plan: &mut Plan, partitions: &str| {
            plan.cluster.config.insert(key.clone(), partitions.to_owned());
            coordinators(plan)
        };
        assert_eq!(of(&mut plan, "1"), [ids[1]]);
        assert_eq!(of(&mut plan, "50"), [ids[1], ids[2], ids[0]]);
    }

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&[
            late_markers,
            late_answers,
            slow_bumps,
            |plan, _| busy_at_first(plan),
            moved_unheard,
            late_ends,
        ]);
    }

    #[test]
    fn producers_ask_again_before_what_is_late_comes() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let events = late_ends(&plan, window(&plan));
            for (producer, of) in transactions(&plan).filter(|_| !events.is_empty()) {
                let patience_ms = config_ms(&producer.config, "request.timeout.ms");
                assert!(of.epoch_each && patience_ms == Some(ASKS_AGAIN_MS), "seed {seed}");
                seeds += 1;
            }
            for event in events {
                let Action::Link { effect: LinkEffect::Delay { extra_ns, .. }, .. } = event.action
                else {
                    panic!("seed {seed}: {event:?}");
                };
                let patience_ns = ASKS_AGAIN_MS * MS;
                assert!(extra_ns > patience_ns && event.for_ns < Some(patience_ns), "seed {seed}");
            }
        }
        assert!(seeds > 5, "{seeds}");
    }
}
