//! Static members of groups in the classic protocol keep their places until their sessions end (KIP-345): who does
//! not join in time is in the next generation all the same.

use super::super::{GroupKey, NodeView};
use crate::checkers::ledger::Ledger;
use crate::checkers::state::metadata::says;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::protocol::GroupState;
use stormglass_broker_core::time::Instant;

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
    seen: BTreeMap<GroupKey, Seen>,
}

impl Places {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.seen.retain(|(of, ..), _| *of != node);
    }

    /// Looks at what the coordinators know. `left`: groups that somebody has asked to take members out of since the
    /// last look.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        nodes: &[NodeView<'_>],
        left: &BTreeSet<Arc<str>>,
    ) {
        let before = std::mem::take(&mut self.seen);
        for view in nodes {
            for group in view.broker.classic_groups() {
                let key = (view.node, group.epoch, Arc::clone(group.group));
                let now = Seen::of(&group);
                // those that have no static members any more, too
                let before = before.get(&key).filter(|_| !left.contains(group.group));
                if let Some(before) = before {
                    stays(ledger, &key, before.lost(&now, view.mono));
                }
                if !now.until.is_empty() {
                    self.seen.insert(key, now);
                }
            }
        }
    }
}

fn stays(ledger: &mut Ledger, (node, _, group): &GroupKey, lost: Option<&Arc<str>>) {
    says(ledger, "", lost.is_none(), &|| {
        format!(
            "coordinator {node} has thrown static member {lost:?} out of {group} before its session was over, as it \
             had not joined in time"
        )
    });
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
