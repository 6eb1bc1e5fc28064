//! What is added to a storm that has been drawn already.

use super::storm::clash;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;

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
        let is_in_time = event.at_ns + event.for_ns.unwrap_or(0) <= to_ns;
        if is_in_time && !plan.events.iter().any(|other| clash(other, &event)) {
            plan.events.push(event);
        }
    }
    plan.events.sort_by_key(|event| event.at_ns);
}

/// The administrator asks for something.
pub(super) fn asks(at_ns: u64, operation: Operation) -> EventPlan {
    EventPlan { at_ns, for_ns: None, action: Action::Admin { operation }, line: None }
}

/// Ids of the brokers.
pub(super) fn brokers(plan: &Plan) -> Vec<i32> {
    plan.cluster.brokers.iter().map(|node| node.id).collect()
}
