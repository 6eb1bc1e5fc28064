//! What a broker does from time to time it does for as long as it runs, or coordinates what it looks after: every chore
//! arms the timer for its next turn, whatever becomes of this one.

use super::NodeView;
use super::timers::LATE_NS;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use std::collections::BTreeMap;
use stormglass_broker_core::seam::TimerKey;
use stormglass_broker_core::time::Instant;

/// A chore that a broker has for as long as it coordinates transactions: the timer of one that coordinates none rings a
/// last time, and is armed anew with the next partition of `__transaction_state` that it leads.
const TRANSACTIONS: &str = "transactions that take too long";

/// When chores of nodes are due next, by node and name.
#[derive(Debug, Default)]
pub(crate) struct Chores(BTreeMap<(i32, &'static str), Instant>);

impl Chores {
    /// A node has armed a timer, for a time on its monotonic clock.
    pub(crate) fn armed(&mut self, node: i32, at: Instant, key: TimerKey) {
        if let Some(name) = name(key) {
            let due = self.0.entry((node, name)).or_insert(at);
            *due = at.max(*due);
        }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.retain(|(of, _), _| *of != node);
    }

    /// Looks whether a node has all its chores before it.
    pub(crate) fn look(&self, ledger: &mut Ledger, view: &NodeView<'_>) {
        if view.awake_ns < LATE_NS {
            return;
        }
        let coordinates = || !view.broker.transactions_logs().is_empty();
        let past = self.past(view.node, view.mono, coordinates);
        says(ledger, past.is_none(), &|| {
            format!(
                "broker {} has not looked for something that it was to look for by now, {:?}: {past:?}",
                view.node, view.mono
            )
        });
    }

    /// A chore of a node whose time is long over. `coordinates`: whether the node coordinates transactions.
    fn past(
        &self,
        node: i32,
        now: Instant,
        coordinates: impl Fn() -> bool,
    ) -> Option<(&'static str, Instant)> {
        let own = self.0.range((node, "")..(node + 1, ""));
        let mut late = own.filter(|(_, due)| now.since(**due).as_nanos() > LATE_NS);
        let past = late.find(|((_, name), _)| *name != TRANSACTIONS || coordinates());
        past.map(|((_, name), due)| (*name, *due))
    }
}

/// What a timer is for, if it is armed as long as a broker runs, or coordinates what it is for.
fn name(key: TimerKey) -> Option<&'static str> {
    match key {
        TimerKey::IsrCheck => Some("followers that are behind"),
        TimerKey::Retention => Some("segments that are old"),
        TimerKey::Checkpoint => Some("high watermarks to write down"),
        TimerKey::Flush => Some("recovery points to write down"),
        TimerKey::Expiry => Some("producers that are idle"),
        TimerKey::RemoteLog => Some("what to copy to remote storage"),
        // once it coordinates groups
        TimerKey::GroupExpiry => Some("positions that are old"),
        TimerKey::TxnTimeouts => Some(TRANSACTIONS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chore_is_always_ahead() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut chores = Chores::default();
        for node in [1, 2] {
            chores.armed(node, at(10), TimerKey::Retention);
            chores.armed(node, at(10), TimerKey::Purgatory);
        }
        assert_eq!(chores.past(1, at(13), || false), None, "it may be late");
        chores.armed(1, at(20), TimerKey::Retention);
        assert_eq!(chores.past(1, at(14), || false), None);
        assert_eq!(chores.past(2, at(14), || false), Some(("segments that are old", at(10))));
        chores.node_down(2);
        assert_eq!(chores.past(2, at(14), || false), None, "it begins anew");
        assert!(chores.past(1, at(24), || false).is_some());
    }

    /// A timer that rang while a broker coordinated nothing is armed anew once it does.
    #[test]
    fn who_coordinates_transactions_looks_for_those_that_take_too_long() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut chores = Chores::default();
        assert_eq!(chores.past(1, at(9), || true), None, "it has just begun");
        chores.armed(1, at(10), TimerKey::TxnTimeouts);
        assert_eq!(chores.past(1, at(13), || true), None, "it may be late");
        assert_eq!(chores.past(1, at(20), || false), None, "there is nothing to look for");
        assert_eq!(chores.past(1, at(20), || true), Some((TRANSACTIONS, at(10))));
        chores.armed(1, at(21), TimerKey::TxnTimeouts);
        assert_eq!(chores.past(1, at(20), || true), None);
    }
}
