//! Static members of groups in the classic protocol keep their places until their sessions end (KIP-345): who does
//! not join in time is in the next generation all the same.

use super::super::NodeView;
use super::last_look::LastLook;
use crate::checkers::ledger::Ledger;
use crate::checkers::places::Places;
use crate::checkers::state::metadata::says;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::protocol::GroupState;
use stormglass_broker_core::time::Instant;

/// A group with static members at the last look.
#[derive(Debug)]
struct Seen {
    state: GroupState,
    generation: i32,
    places: Places,
}

impl Seen {
    fn of(view: &ClassicGroupView<'_>) -> Self {
        Self { state: view.state, generation: view.generation, places: Places::of(view) }
    }

    /// A member that is gone though its session is not over, where all that has happened is that the group's members
    /// have joined: nobody can have been given up for not asking for an assignment.
    fn lost(&self, next: &ClassicGroupView<'_>, mono: Instant) -> Option<&Arc<str>> {
        let has_joined = matches!(next.state, GroupState::CompletingRebalance | GroupState::Stable);
        let was_joining = self.state == GroupState::PreparingRebalance;
        let is_next = has_joined && was_joining && next.generation == self.generation + 1;
        if is_next { self.places.lost(next, mono) } else { None }
    }
}

/// Groups with static members.
#[derive(Debug, Default)]
pub(super) struct PlacesKept(LastLook<Seen>);

impl PlacesKept {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.0.node_down(node);
    }

    /// Looks at what the coordinators know. `left`: groups that somebody has asked to take members out of since the
    /// last look.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        nodes: &[NodeView<'_>],
        left: &BTreeSet<Arc<str>>,
    ) {
        self.0.renew(nodes, left, |view, group, before| {
            // those that have no static members any more, too
            if let Some(before) = before {
                stays(ledger, (view.node, group.group), before.lost(group, view.mono));
            }
            Some(Seen::of(group)).filter(|now| !now.places.is_empty())
        });
    }
}

fn stays(ledger: &mut Ledger, (node, group): (i32, &Arc<str>), lost: Option<&Arc<str>>) {
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
    use crate::checkers::testing::classic_group;

    fn with<R>(
        state: GroupState,
        generation: i32,
        names: &[&str],
        check: impl FnOnce(&ClassicGroupView<'_>) -> R,
    ) -> R {
        let group: Arc<str> = "g".into();
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        let instances = names.iter().map(|name| (name, Instant::from_nanos(9))).collect();
        check(&ClassicGroupView { state, generation, instances, ..classic_group(&group) })
    }

    #[test]
    fn a_static_member_keeps_its_place_until_its_session_ends() {
        use GroupState::{CompletingRebalance, PreparingRebalance, Stable};
        let before = with(PreparingRebalance, 4, &["a", "b"], Seen::of);
        let lost = |state, generation, names: &[&str], mono| {
            with(state, generation, names, |next| {
                before.lost(next, Instant::from_nanos(mono)).is_some()
            })
        };
        assert!(lost(CompletingRebalance, 5, &["a"], 5));
        assert!(lost(Stable, 5, &[], 5));
        assert!(!lost(Stable, 5, &["a", "b"], 5));
        assert!(!lost(Stable, 5, &["a"], 9), "its session is over");
        assert!(!lost(Stable, 6, &["a"], 5), "it may not have asked for its assignment");
        assert!(!lost(PreparingRebalance, 5, &["a"], 5), "the same");
        let settled = with(Stable, 4, &["a", "b"], Seen::of);
        assert!(!with(Stable, 5, &["a"], |next| settled.lost(next, Instant::ZERO).is_some()));
    }
}
