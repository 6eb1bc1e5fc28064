//! What a broker does from time to time it does for as long as it runs: every chore arms the timer for its next turn,
//! whatever becomes of this one.

use super::NodeView;
use super::timers::LATE_NS;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use std::collections::BTreeMap;
use stormglass_broker_core::seam::TimerKey;
use stormglass_broker_core::time::Instant;

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
        let past = self.past(view.node, view.mono);
        says(ledger, past.is_none(), &|| {
            format!(
                "broker {} has not looked for something that it was to look for by now, {:?}: {past:?}",
                view.node, view.mono
            )
        });
    }

    /// A chore of a node whose time is long over.
    fn past(&self, node: i32, now: Instant) -> Option<(&'static str, Instant)> {
        let mut own = self.0.range((node, "")..(node + 1, ""));
        let past = own.find(|(_, due)| now.since(**due).as_nanos() > LATE_NS);
        past.map(|((_, name), due)| (*name, *due))
    }
}

/// What a timer is for, if it is armed as long as a broker runs.
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
        assert_eq!(chores.past(1, at(13)), None, "it may be late");
        chores.armed(1, at(20), TimerKey::Retention);
        assert_eq!(chores.past(1, at(14)), None);
        assert_eq!(chores.past(2, at(14)), Some(("segments that are old", at(10))));
        chores.node_down(2);
        assert_eq!(chores.past(2, at(14)), None, "it begins anew");
        assert!(chores.past(1, at(24)).is_some());
    }
}
