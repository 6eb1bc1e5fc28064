//! What is under way while something that it needs is not there: the log of positions takes nothing for longer than a
//! coordinator waits, configs are changed while the controllers elect one, a topic goes in which a transaction is
//! open, and producers begin their next transactions while brokers are slow to end the last ones. Draws come from
//! streams of their own, so that the other seeds stay as they are.

use super::adding::{
    Draw, OFFSETS_TOPIC, Window, add_each, asks, brokers, lasting, server, sets_min_isr,
    slow_brokers,
};
use super::dice::Dice;
use stormglass_scenarios::plan::{Action, ConsumerPlan, EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;
/// A group that no client of the plan is in.
const STALLED: &str = "spare-stalled";
/// A topic that no client of the plan has. Members that subscribe by a regular expression do.
const OPEN: &str = "spare-open";

const SORTS: [Draw; 4] =
    [positions_with_few, changed_while_elected, deleted_while_open, busy_coordinators];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.is_empty() {
        return;
    }
    add_each(plan, &SORTS);
}

/// All replicas of the positions must be in sync, and one stands still: what was taken before it is missed waits for
/// it, and nothing more is taken. Members begin anew meanwhile, and a group is to go.
fn positions_with_few(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions with few in sync");
    let all = server(plan, "offsets.topic.replication.factor", "3");
    let least = server(plan, "min.insync.replicas", "1");
    let lasts = dice.between(6_500, 9_000) * MS;
    let latest_ns = to_ns.saturating_sub(lasts + 4_000 * MS);
    if all == least || latest_ns <= from_ns || !dice.percent(15) {
        return Vec::new();
    }
    let at_ns = dice.between(from_ns, latest_ns);
    let (topic, group) = (plan.topics[0].name.clone(), STALLED.to_owned());
    let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
    let mut events = vec![asks(at_ns, Operation::CommitPositions { group, topic, offset })];
    let set = |at_ns: u64, value: &str| sets_min_isr(at_ns, OFFSETS_TOPIC, value);
    events.extend([400, 550].map(|ms| set(at_ns + ms * MS, &all)));
    let stops_ns = at_ns + 800 * MS;
    let ends_ns = stops_ns + lasts;
    let node = dice.pick(&brokers(plan));
    events.push(lasting(stops_ns, lasts, Action::ProcessPause { node }));
    let with_members = |group: &&ConsumerPlan| group.membership.is_some();
    for group in plan.consumers.iter().filter(with_members) {
        let action = Action::ClientCrash { client: group.group.clone() };
        let begins_ns = stops_ns + dice.between(20, 600) * MS;
        events.push(lasting(begins_ns, dice.between(50, 300) * MS, action));
    }
    // the first before it is missed: that is taken, and has no answer for as long as somebody waits for one
    let later = (1_500, lasts / MS - 500);
    for (from_ms, to_ms) in [(50, 300), later, later] {
        let goes_ns = stops_ns + dice.between(from_ms, to_ms) * MS;
        events.push(asks(goes_ns, Operation::DeleteGroup { group: STALLED.to_owned() }));
    }
    // a request may be lost
    events.extend((0..3).map(|turn| set(ends_ns + turn * 700 * MS, &least)));
    events
}

/// All controllers begin anew, and meanwhile configs are to change: who is elected is asked before it can decide.
fn changed_while_elected(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "changed while elected");
    if !dice.percent(20) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (at_ns, down) = (dice.between(from_ns, to_ns), dice.between(50, 500) * MS);
        for node in plan.cluster.controllers.iter().map(|node| node.id) {
            events.push(lasting(at_ns, down, Action::ProcessCrash { node }));
        }
        let mut asked_ns = at_ns + dice.between(0, 400) * MS;
        for _ in 0..dice.between(3, 8) {
            let topic = plan.topics[dice.index(plan.topics.len())].name.clone();
            let value = dice.pick(&[Some("40000"), Some("131072"), None]).map(str::to_owned);
            let key = "segment.bytes".to_owned();
            events.push(asks(asked_ns, Operation::SetTopicConfig { topic, key, value }));
            asked_ns += dice.around(150 * MS);
        }
    }
    events
}

/// Somebody begins a transaction in a topic, which goes before the coordinator ends that.
fn deleted_while_open(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "deleted while open");
    let has_transactions = plan.producers.iter().any(|producer| producer.transactions.is_some());
    if !has_transactions || !dice.percent(35) {
        return Vec::new();
    }
    let (replicas, topic) = (dice.shuffled(&brokers(plan)), || OPEN.to_owned());
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) * 2 / 3);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let assignment = vec![replicas.iter().copied().take(3).collect()];
        events.push(asks(at_ns, Operation::CreateTopic { topic: topic(), assignment }));
        let begins_ns = at_ns + 150 * MS + dice.around(100 * MS);
        events.push(asks(begins_ns, Operation::BeginTransaction { topic: topic() }));
        let gone_ns = begins_ns + 450 * MS + dice.around(250 * MS);
        events.push(asks(gone_ns, Operation::DeleteTopic { topic: topic() }));
        at_ns = gone_ns + 3_000 * MS + dice.around(1_000 * MS);
    }
    events
}

/// Messages between brokers come late: markers are under way for as long, and producers whose transactions have
/// epochs of their own go on with the next ones (KIP-890, second part).
fn busy_coordinators(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "busy coordinators");
    let mut transactions = plan.producers.iter().filter_map(|producer| producer.transactions);
    if !transactions.any(|of| of.epoch_each) || !dice.percent(60) {
        return Vec::new();
    }
    let one = |dice: &mut Dice| {
        let action = slow_brokers(dice.pick(&[5, 15, 40]) * MS);
        lasting(dice.between(from_ns, to_ns), dice.between(1_000, 3_000) * MS, action)
    };
    (0..dice.between(1, 3)).map(|_| one(&mut dice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&SORTS);
    }
}
