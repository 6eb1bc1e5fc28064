//! What is added to a storm that has been drawn already, and what several of those additions are made of.

use super::storm::clash;
use stormglass_scenarios::plan::{
    Action, ConsumerPlan, Endpoint, EventPlan, LinkEffect, Operation, Plan, ProducerPlan,
};

const MS: u64 = 1_000_000;
/// Where groups' positions are.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// From when to when something may happen, ns.
pub(super) type Window = (u64, u64);

/// Clients are at work, and what happens last has time to have consequences before all is healed.
pub(super) fn window(plan: &Plan) -> Window {
    let from_ns = plan.phases.warmup_ns + 500 * MS;
    (from_ns, plan.phases.heal_starts_ns().saturating_sub(2_000 * MS).max(from_ns))
}

/// Adds events, but for those that are not over by then, or that would undo others.
pub(super) fn add(plan: &mut Plan, to_ns: u64, events: impl IntoIterator<Item = EventPlan>) {
    for event in events {
        if is_free(plan, to_ns, &event) {
            plan.events.push(event);
        }
    }
    plan.events.sort_by_key(|event| event.at_ns);
}

/// Whether each of these would be added by itself.
pub(super) fn fit(plan: &Plan, to_ns: u64, events: &[EventPlan]) -> bool {
    events.iter().all(|event| is_free(plan, to_ns, event))
}

fn is_free(plan: &Plan, to_ns: u64, event: &EventPlan) -> bool {
    let is_in_time = event.at_ns + event.for_ns.unwrap_or(0) <= to_ns;
    is_in_time && !plan.events.iter().any(|other| clash(other, event))
}

/// Something is so for a while.
pub(super) fn lasting(at_ns: u64, for_ns: u64, action: Action) -> EventPlan {
    EventPlan { at_ns, for_ns: Some(for_ns), action, line: None }
}

/// The administrator asks for something.
pub(super) fn asks(at_ns: u64, operation: Operation) -> EventPlan {
    EventPlan { at_ns, for_ns: None, action: Action::Admin { operation }, line: None }
}

/// The administrator asks that so many replicas of a topic must be in sync.
pub(super) fn sets_min_isr(at_ns: u64, topic: &str, value: &str) -> EventPlan {
    let (topic, key) = (topic.to_owned(), "min.insync.replicas".to_owned());
    asks(at_ns, Operation::SetTopicConfig { topic, key, value: Some(value.to_owned()) })
}

/// Messages between brokers come so much later.
pub(super) fn slow_brokers(extra_ns: u64) -> Action {
    let (from, to) = (vec![Endpoint::Brokers], vec![Endpoint::Brokers]);
    let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 10 };
    Action::Link { from, to, one_way: false, effect }
}

/// Whether a group's members stay in the classic protocol.
pub(super) fn is_classic(group: &ConsumerPlan) -> bool {
    group.membership.is_some_and(|of| !of.assignor.is_remote() && of.restarts_as.is_none())
}

/// Ids of the brokers.
pub(super) fn brokers(plan: &Plan) -> Vec<i32> {
    plan.cluster.brokers.iter().map(|node| node.id).collect()
}

/// A config of the brokers, in words.
pub(super) fn server(plan: &Plan, key: &str, default: &str) -> String {
    plan.cluster.config.get(key).cloned().unwrap_or_else(|| default.to_owned())
}

/// Topics of producers whose transactions commit positions, once for each of these.
pub(super) fn topics_with_positions(plan: &Plan) -> Vec<String> {
    let commits = |producer: &&ProducerPlan| producer.transactions.is_some_and(|of| of.positions);
    let producers = plan.producers.iter().filter(commits);
    producers.map(|producer| producer.topic.clone()).collect()
}
