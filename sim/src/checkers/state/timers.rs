//! Timers ring: a part of a node that counts on one, and arms no other before it has rung, would wait for ever for
//! one whose time is over.

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use stormglass_broker_core::time::Instant;

/// What a node that is awake is given beyond the time at which it is to do something by itself, ns.
pub(super) const LATE_NS: u64 = 3_000_000_000;

/// No timer that a node counts on is long past.
pub(super) fn ring(ledger: &mut Ledger, view: &NodeView<'_>) {
    if view.awake_ns < LATE_NS {
        return;
    }
    for (what, due) in view.broker.armed_timers() {
        says(ledger, !is_past(due, view.mono), &|| {
            format!(
                "node {} waits for a timer, for {what}, that was due at {due:?}; it is {:?} now",
                view.node, view.mono
            )
        });
    }
}

fn is_past(due: Instant, now: Instant) -> bool {
    now.since(due).as_nanos() > LATE_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_has_rung_soon() {
        let at = Instant::from_nanos;
        assert!(!is_past(at(9), at(5)) && !is_past(at(5), at(5 + LATE_NS)), "it may be late");
        assert!(is_past(at(5), at(6 + LATE_NS)));
    }
}
