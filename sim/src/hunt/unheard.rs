//! What is not heard of in time: the first transaction of a session fails before its coordinator has heard of it, a
//! leader hears of one partition of a transaction when that is over, and has let in another one without a question, a
//! controller is asked for changes that it cannot commit any more, and a group is far behind as it gets a quota. Draws
//! come from streams of their own, so that the other seeds stay as they are.

use super::adding::{Window, add, asks, lasting, window};
use super::dice::Dice;
use super::late::{coordinators, late, transactions, wait};
use super::timing::{Timing, config_ms};
use stormglass_scenarios::plan::{
    Action, ConsumerPlan, Endpoint, EventPlan, LinkEffect, Operation, Plan, ProducerPlan, QuotaOf,
};

const MS: u64 = 1_000_000;
/// How long producers of a storm try, ms: until then they give up what is not answered.
const GIVES_UP_MS: u64 = 2_500;
/// A client that waits for its quota waits for less, once that is gone, as a rule.
const THROTTLED_MAX_NS: u64 = 10_000 * MS;

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.len() < 2 {
        return;
    }
    let window = window(plan);
    let (given_up, mixed) = (given_up_at_once(plan, window), asked_in_part(plan, window));
    if !given_up.is_empty() {
        give_up_soon(plan);
    }
    if !mixed.is_empty() {
        wait(plan, "10000");
        ask_one_by_one(plan);
    }
    let (changes, behind) = (changed_in_vain(plan, window), far_behind(plan, window));
    for events in [given_up, mixed, changes, behind] {
        add(plan, window.1, events);
    }
}

/// Producers with an epoch for each transaction give up long before links are back, and what they send first waits for
/// long enough that nobody has heard of it when those go.
fn give_up_soon(plan: &mut Plan) {
    let patience = GIVES_UP_MS.to_string();
    let has_epochs = |of: &&mut ProducerPlan| of.transactions.is_some_and(|of| of.epoch_each);
    for producer in plan.producers.iter_mut().filter(has_epochs) {
        for (key, value) in [
            ("delivery.timeout.ms", patience.as_str()),
            ("message.timeout.ms", patience.as_str()),
            ("linger.ms", "400"),
        ] {
            producer.config.insert(key.to_owned(), value.to_owned());
        }
    }
}

/// A producer begins anew, and as it has its session, brokers do not reach each other any more: no leader can tell its
/// coordinator of the first transaction, which the producer gives up.
fn given_up_at_once(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "given up at once");
    let producers = transactions(plan).filter(|(_, of)| of.epoch_each);
    let producers: Vec<&str> = producers.map(|(producer, _)| producer.name.as_str()).collect();
    if producers.is_empty() || !dice.percent(50) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (at_ns, down) = (dice.between(from_ns, to_ns), dice.between(5, 80) * MS);
        let action = Action::ClientCrash { client: dice.pick(&producers).to_owned() };
        events.push(lasting(at_ns, down, action));
        let action = Action::Link {
            from: vec![Endpoint::Brokers],
            to: vec![Endpoint::Brokers],
            one_way: false,
            effect: LinkEffect::Cut,
        };
        let cut_ns = at_ns + down + dice.between(100, 400) * MS;
        let lasts = (GIVES_UP_MS + dice.between(600, 1_800)) * MS;
        events.push(lasting(cut_ns, lasts, action));
    }
    events
}

/// Producers whose epochs last for a session, that give up before their coordinator would end a transaction, and
/// brokers that lead several partitions of theirs.
fn spread(plan: &Plan) -> Vec<(&ProducerPlan, i32)> {
    let mut spread = Vec::new();
    for (producer, _) in transactions(plan).filter(|(_, of)| !of.epoch_each) {
        let patience_ms = config_ms(&producer.config, "transaction.timeout.ms").unwrap_or(0);
        let topic = plan.topics.iter().find(|topic| topic.name == producer.topic);
        let Some(topic) = topic.filter(|_| patience_ms > 2 * GIVES_UP_MS) else { continue };
        for node in &plan.cluster.brokers {
            let led = topic.assignment.iter().filter(|of| of.first() == Some(&node.id)).count();
            if led > 1 {
                spread.push((producer, node.id));
            }
        }
    }
    spread
}

/// They send one request after another, so that what waits for that goes on together, with other partitions perhaps.
fn ask_one_by_one(plan: &mut Plan) {
    let names: Vec<String> = spread(plan).iter().map(|(of, _)| of.name.clone()).collect();
    let patience = GIVES_UP_MS.to_string();
    for producer in plan.producers.iter_mut().filter(|of| names.contains(&of.name)) {
        if let Some(of) = &mut producer.transactions {
            (of.records, of.length_ns) = (1_000, 1_500 * MS);
        }
        for (key, value) in [
            ("delivery.timeout.ms", patience.as_str()),
            ("message.timeout.ms", patience.as_str()),
            ("request.timeout.ms", "500"),
            ("socket.timeout.ms", "500"),
            ("linger.ms", "50"),
            ("max.in.flight.requests.per.connection", "1"),
        ] {
            producer.config.insert(key.to_owned(), value.to_owned());
        }
    }
}

/// Little is written, so that a transaction gets its partitions one after another. A leader asks about a new one, with
/// a batch for an older one in the same request, and the answer is under way for long; meanwhile the producer, that
/// does not reach the leader any more, gives all of it up, and the transaction ends in the older one, too.
fn asked_in_part(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "asked in part");
    let (spread, coordinators) = (spread(plan), coordinators(plan));
    let spread: Vec<_> = spread.into_iter().filter(|(_, id)| !coordinators.contains(id)).collect();
    if spread.is_empty() || !dice.percent(60) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(4, 7) {
        let (producer, leader) = dice.pick(&spread);
        let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(700, 1_100) * MS);
        let rate_permille = dice.pick(&[30, 60, 100]);
        let action = Action::Load { producer: Some(producer.name.clone()), rate_permille };
        let before = (at_ns - from_ns).min(1_500 * MS);
        events.push(lasting(at_ns - before, before + lasts, action));
        let extra_ns = (GIVES_UP_MS + dice.between(200, 900)) * MS;
        for coordinator in &coordinators {
            let action = late(Endpoint::Node(*coordinator), Endpoint::Node(leader), extra_ns);
            events.push(lasting(at_ns, lasts, action));
        }
        let (from, to) = (vec![Endpoint::Clients], vec![Endpoint::Node(leader)]);
        let action = Action::Link { from, to, one_way: false, effect: LinkEffect::Cut };
        let away = (GIVES_UP_MS + dice.between(700, 1_300)) * MS;
        events.push(lasting(at_ns + lasts, away, action));
    }
    events
}

/// Controllers do not reach each other, and the active one is asked for changes until it finds that out: it cannot
/// commit them, and must not say that they are made.
fn changed_in_vain(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "changed in vain");
    if plan.cluster.controllers.len() < 2 || !dice.percent(12) {
        return Vec::new();
    }
    let patience_ms = Timing::of(plan).quorum_fetch_ns / MS;
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let at_ns = dice.between(from_ns, to_ns);
        let action = Action::Link {
            from: vec![Endpoint::Controllers],
            to: vec![Endpoint::Controllers],
            one_way: false,
            effect: LinkEffect::Cut,
        };
        let lasts = (2 * patience_ms + dice.between(200, 800)) * MS;
        events.push(lasting(at_ns, lasts, action));
        for _ in 0..dice.between(4, 8) {
            let soon = at_ns + dice.between(5, patience_ms * 3 / 2) * MS;
            events.push(asks(soon, change(&mut dice, plan)));
        }
    }
    events
}

/// A change of a config, or of leaders.
fn change(dice: &mut Dice, plan: &Plan) -> Operation {
    let topic = dice.pick(&plan.topics).name;
    match dice.index(5) {
        0 => Operation::ElectPreferred,
        1 => {
            let value = Some(dice.pick(&["1", "2"]).to_owned());
            Operation::SetBrokerConfig { node: None, key: "num.replica.fetchers".to_owned(), value }
        }
        _ => {
            let value = dice.pick(&[Some("20000"), Some("40000"), Some("131072"), None]);
            let (key, value) = ("segment.bytes".to_owned(), value.map(str::to_owned));
            Operation::SetTopicConfig { topic, key, value }
        }
    }
}

/// A group stops reading, and gets a quota before it goes on: what it has missed is more than the quota lets it have at
/// once (KAFKA-9677).
fn far_behind(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    const READS_NS: u64 = 2_500 * MS;
    let mut dice = Dice::new(plan.seed, "far behind under a quota");
    let lasts = dice.between(5_000, 8_000) * MS;
    let ends_ns = to_ns.saturating_sub(THROTTLED_MAX_NS);
    // others never ask for as much
    let asks_for_much = |group: &&ConsumerPlan| {
        let bytes = group.config.get("max.partition.fetch.bytes");
        bytes.is_none_or(|bytes| bytes.parse::<u64>().is_ok_and(|bytes| bytes >= 1 << 20))
    };
    let groups = plan.consumers.iter().filter(asks_for_much);
    let groups: Vec<&str> = groups.map(|group| group.group.as_str()).collect();
    if groups.is_empty() || !dice.percent(5) || from_ns + lasts + READS_NS >= ends_ns {
        return Vec::new();
    }
    let group = dice.pick(&groups).to_owned();
    let at_ns = dice.between(from_ns, ends_ns - lasts - READS_NS);
    let action = Action::ConsumerPause { group: group.clone(), member: None };
    let mut events = vec![lasting(at_ns, lasts, action)];
    let of = QuotaOf { user: None, client_id: Some(group), ip: None };
    let soon = at_ns + lasts - dice.between(300, 1_000) * MS;
    let value = dice.pick(&["4000", "6000"]).to_owned();
    for (at_ns, value) in [(soon, Some(value)), (ends_ns, None)] {
        let (of, key) = (of.clone(), "consumer_byte_rate".to_owned());
        events.push(asks(at_ns, Operation::SetClientQuota { of, key, value }));
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
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&[given_up_at_once, asked_in_part, changed_in_vain, far_behind]);
    }

    #[test]
    fn producers_of_such_storms_give_up_before_what_is_late_comes() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            if plan.cluster.brokers.len() < 2 {
                continue;
            }
            let window = window(&plan);
            let (at_once, in_part) =
                (given_up_at_once(&plan, window), asked_in_part(&plan, window));
            for (producer, of) in transactions(&plan) {
                let gives_up_ms = config_ms(&producer.config, "delivery.timeout.ms");
                let is_spread = spread(&plan).iter().any(|(of, _)| of.name == producer.name);
                if of.epoch_each && !at_once.is_empty() || is_spread && !in_part.is_empty() {
                    assert_eq!(gives_up_ms, Some(GIVES_UP_MS), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn a_quota_of_who_is_far_behind_does_not_stay() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let events = far_behind(&plan, window(&plan));
            let Some(last) = events.last() else { continue };
            assert!(
                matches!(
                    last.action,
                    Action::Admin { operation: Operation::SetClientQuota { value: None, .. } }
                ),
                "seed {seed}"
            );
            assert!(events.is_sorted_by_key(|event| event.at_ns), "seed {seed}");
        }
    }
}
