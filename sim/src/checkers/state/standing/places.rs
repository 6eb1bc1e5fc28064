//! Static members of groups in the classic protocol keep their places until their sessions end (KIP-345): who does
//! not join in time is in the next generation all the same.

use super::NodeView;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::protocol::GroupState;
use stormglass_broker_core::time::Instant;

/// A node, the epoch in which it leads a group's log, and the group.
type Place = (i32, LeaderEpoch, Arc<str>);

/// A group at the last look.
#[derive(Debug)]
struct Seen {
    state: GroupState,
    generation: i32,
    /// Static members, and when their sessions end, on the node's monotonic clock.
    until: BTreeMap<Arc<str>, Instant>,
}

impl Seen {
    fn of(view: &ClassicGroupView<'_>) -> Self {
        let until = view.instances.iter().map(|(name, until)| (Arc::clone(name), *until));
        Self { state: view.state, generation: view.generation, until: until.collect() }
    }

    /// A member that is gone though its session is not over, where all that has happened is that the group's members
    /// have joined: nobody can have been given up for not asking for an assignment.
    fn lost(&self, now: &Self, mono: Instant) -> Option<&Arc<str>> {
        let has_joined = matches!(now.state, GroupState::CompletingRebalance | GroupState::Stable);
        let was_joining = self.state == GroupState::PreparingRebalance;
        let is_next = has_joined && was_joining && now.generation == self.generation + 1;
        let mut there = self.until.iter().filter(|(_, until)| is_next && **until > mono);
        there.find(|(name, _)| !now.until.contains_key(*name)).map(|(name, _)| name)
    }
}

/// Groups with static members.
#[derive(Debug, Default)]
pub(super) struct Places {
    seen: BTreeMap<Place, Seen>,
    /// Groups that somebody has asked to take members out of since the last look.
    left: BTreeSet<Arc<str>>,
}

impl Places {
    /// Somebody asks to take members out of a group.
    pub(super) fn leaves(&mut self, group: &Arc<str>) {
        self.left.insert(Arc::clone(group));
    }

    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.seen.retain(|(of, ..), _| *of != node);
    }

    /// Looks at what the coordinators know.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let before = std::mem::take(&mut self.seen);
        let left = std::mem::take(&mut self.left);
        for view in nodes {
            for group in view.broker.classic_groups().filter(|group| !group.instances.is_empty()) {
                let place = (view.node, group.epoch, Arc::clone(group.group));
                self.seen.insert(place, Seen::of(&group));
            }
            // those that have none any more, too
            for group in view.broker.classic_groups().filter(|group| !left.contains(group.group)) {
                let place = (view.node, group.epoch, Arc::clone(group.group));
                if let Some(before) = before.get(&place) {
                    stays(ledger, &place, before.lost(&Seen::of(&group), view.mono));
                }
            }
        }
    }
}

fn stays(ledger: &mut Ledger, (node, _, group): &Place, lost: Option<&Arc<str>>) {
    ledger.checked(Check::Metadata, 1);
    if lost.is_some() {
        ledger.broken(Check::Metadata, ("", &History::default()), &|| {
            format!(
                "coordinator {node} has thrown static member {lost:?} out of {group} before its session was \
                 over, as it had not joined in time"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: GroupState, generation: i32, names: &[&str]) -> Seen {
        let until = names.iter().map(|name| (Arc::from(*name), Instant::from_nanos(9)));
        Seen { state, generation, until: until.collect() }
    }

    #[test]
    fn a_static_member_keeps_its_place_until_its_session_ends() {
        use GroupState::{CompletingRebalance, PreparingRebalance, Stable};
        let before = seen(PreparingRebalance, 4, &["a", "b"]);
        let lost = |now: &Seen, mono| before.lost(now, Instant::from_nanos(mono)).is_some();
        assert!(lost(&seen(CompletingRebalance, 5, &["a"]), 5));
        assert!(lost(&seen(Stable, 5, &[]), 5));
        assert!(!lost(&seen(Stable, 5, &["a", "b"]), 5));
        assert!(!lost(&seen(Stable, 5, &["a"]), 9), "its session is over");
        assert!(!lost(&seen(Stable, 6, &["a"]), 5), "it may not have asked for its assignment");
        assert!(!lost(&seen(PreparingRebalance, 5, &["a"]), 5), "the same");
        let settled = seen(Stable, 4, &["a", "b"]);
        assert_eq!(settled.lost(&seen(Stable, 5, &["a"]), Instant::ZERO), None);
    }
}
