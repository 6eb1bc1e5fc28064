//! What is late between coordinators of transactions and leaders: markers that have been given up and sent again come
//! all the same, an answer about a transaction comes when that is over, the log of transactions is slower than
//! producers wait, and the first transactions follow each other faster than their markers. Draws come from streams of
//! their own, so that the other seeds stay as they are.

use super::adding::{Window, add, brokers, lasting, slow_brokers, window};
use super::dice::Dice;
use super::timing::config_ms;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, LinkEffect, Plan, ProducerPlan, TransactionsPlan,
};

const MS: u64 = 1_000_000;
/// How long brokers wait for each other, about transactions.
const PATIENCE: &str = "request.timeout.ms";
/// In storms with late markers they wait for less, ms.
const PATIENCE_MAX_MS: u64 = 2_000;

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.cluster.brokers.len() < 2 {
        return;
    }
    draw_patience(plan);
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
    for events in [late_markers(plan, window), answers, bumps, at_first] {
        add(plan, window.1, events);
    }
}

/// Brokers wait for so long, and nobody who is not reached holds up the others.
fn wait(plan: &mut Plan, patience: &str) {
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
fn late(from: Endpoint, to: Endpoint, extra_ns: u64) -> Action {
    let effect = LinkEffect::Delay { extra_ns, jitter_ns: 0 };
    Action::Link { from: vec![from], to: vec![to], one_way: true, effect }
}

fn transactions(plan: &Plan) -> impl Iterator<Item = (&ProducerPlan, TransactionsPlan)> {
    plan.producers.iter().filter_map(|producer| Some((producer, producer.transactions?)))
}

/// Brokers wait less for each other where each transaction has an epoch of its own, and transactions are long. Without
/// such epochs nobody can tell a late marker from the next one (KIP-1228).
fn draw_patience(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "patience");
    let all: Vec<bool> = transactions(plan).map(|(_, of)| of.epoch_each).collect();
    if all.is_empty() || all.contains(&false) || !dice.percent(75) {
        return;
    }
    wait(plan, dice.pick(&["1000", "2000"]));
    for of in plan.producers.iter_mut().filter_map(|producer| producer.transactions.as_mut()) {
        (of.length_ns, of.records) = (1_500 * MS, 1_000);
    }
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
        let order = dice.shuffled(&brokers(plan));
        let (coordinator, leader) = (order[0], order[1]);
        let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(60, 300) * MS);
        let away = (dice.pick(&patient) + dice.between(400, 1_200)) * MS;
        let extra_ns = away + dice.between(500, 1_500) * MS;
        let action = late(Endpoint::Node(coordinator), Endpoint::Node(leader), extra_ns);
        events.push(lasting(at_ns, lasts, action));
        let (from, to) = (vec![Endpoint::Clients], vec![Endpoint::Node(leader)]);
        let action = Action::Link { from, to, one_way: false, effect: LinkEffect::Cut };
        events.push(lasting(at_ns + lasts * 2 / 3, away, action));
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

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&[late_markers, late_answers, slow_bumps, |plan, _| {
            busy_at_first(plan)
        }]);
    }
}
