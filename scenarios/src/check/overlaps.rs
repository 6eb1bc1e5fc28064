//! Two events of one kind that hit one target at the same time: the end of the first would lift the
//! second. Link faults add up, so they may overlap.

use crate::schema::decode::Errors;
use crate::schema::events::{Action, Event};
use crate::schema::scenario::Scenario;
use crate::text::diagnostic::Diagnostic;

/// Reports the later event of each pair that overlaps.
pub(super) fn check(scenario: &Scenario, errors: &mut Errors) {
    let events: Vec<&Event> = scenario.events.items.iter().map(|event| &event.value).collect();
    for (index, later) in events.iter().enumerate() {
        let clash = events[..index].iter().find(|earlier| clash(earlier, later));
        if let Some(earlier) = clash {
            let message = "this event overlaps with another of its kind on the same target";
            errors.push(
                Diagnostic::new(later.time.at.span, message, "before the other one has ended")
                    .related(earlier.time.at.span, "the other one begins here")
                    .help(
                        "the end of the first would lift the second: let one begin after the other",
                    ),
            );
        }
    }
}

fn clash(a: &Event, b: &Event) -> bool {
    let (from_a, from_b) = (a.time.at.value.0, b.time.at.value.0);
    let overlap = from_a < end(b) && from_b < end(a);
    overlap && same_target(&a.action, &b.action)
}

/// Without `for` an event lasts until the heal phase.
fn end(event: &Event) -> u64 {
    let lasts = event.time.r#for.as_ref().map(|duration| duration.value.0);
    lasts.map_or(u64::MAX, |lasts| event.time.at.value.0.saturating_add(lasts))
}

fn same_target(a: &Action, b: &Action) -> bool {
    match (a, b) {
        (Action::AzDown(a), Action::AzDown(b)) => a.az.value.0 == b.az.value.0,
        (Action::HostCrash(a), Action::HostCrash(b))
        | (Action::ProcessCrash(a), Action::ProcessCrash(b))
        | (Action::ProcessPause(a), Action::ProcessPause(b)) => a.node.value == b.node.value,
        (Action::DiskFull(a), Action::DiskFull(b)) => a.node.value == b.node.value,
        (Action::DiskError(a), Action::DiskError(b)) => a.node.value == b.node.value,
        (Action::SyncError(a), Action::SyncError(b)) => a.node.value == b.node.value,
        (Action::BitRot(a), Action::BitRot(b)) => a.node.value == b.node.value,
        (Action::ClockDrift(a), Action::ClockDrift(b)) => a.node.value == b.node.value,
        (Action::ClockJump(a), Action::ClockJump(b)) => a.node.value == b.node.value,
        (Action::SlowDisk(a), Action::SlowDisk(b)) => a.node.value == b.node.value,
        (Action::ObjectStorage(_), Action::ObjectStorage(_)) => true,
        (Action::ConsumerPause(a), Action::ConsumerPause(b)) => a.group.value.0 == b.group.value.0,
        (Action::ClientCrash(a), Action::ClientCrash(b)) => a.client.value.0 == b.client.value.0,
        (Action::ClientPause(a), Action::ClientPause(b)) => a.client.value.0 == b.client.value.0,
        (Action::Load(a), Action::Load(b)) => match (&a.producer, &b.producer) {
            (Some(a), Some(b)) => a.value.0 == b.value.0,
            _ => true,
        },
        _ => false,
    }
}
