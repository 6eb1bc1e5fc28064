//! The first generation of a group in the classic protocol waits a little for members that start at the same time
//! (KIP-134), for `group.initial.rebalance.delay.ms`, and again as long as somebody new has come meanwhile; and no longer.

use super::super::NodeView;
use super::last_look::LastLook;
use crate::checkers::ledger::Ledger;
use crate::checkers::state::waits::says;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::time::Instant;

/// What a timer may be late, ns.
const LATE_NS: u64 = 1_000_000_000;

/// Members of a group that waits for others, and since when it has had just these, on the node's monotonic clock.
#[derive(Debug, Clone)]
struct Waits {
    members: BTreeSet<Arc<str>>,
    since: Instant,
}

impl Waits {
    fn of(view: &ClassicGroupView<'_>, now: Instant, before: Option<&Self>) -> Self {
        let members: BTreeSet<Arc<str>> = view.members.iter().copied().cloned().collect();
        let same = before.filter(|before| before.members == members);
        Self { members, since: same.map_or(now, |before| before.since) }
    }

    /// Whoever came last had come when it was first seen: that is waited out, and once more.
    fn is_too_long(&self, now: Instant, delay_ns: u64) -> bool {
        now.as_nanos().saturating_sub(self.since.as_nanos()) > 2 * delay_ns + LATE_NS
    }
}

/// Groups that wait for members before their first generation.
#[derive(Debug, Default)]
pub(super) struct PutOff(LastLook<Waits>);

impl PutOff {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.0.node_down(node);
    }

    /// Looks at what the coordinators wait for. `changed`: groups that members have left since the last look, or that
    /// were removed.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        nodes: &[NodeView<'_>],
        changed: &BTreeSet<Arc<str>>,
    ) {
        self.0.renew(nodes, changed, |view, group, before| {
            let server = view.broker.properties().filter(|_| group.is_put_off)?;
            let delay_ns = server.group_initial_rebalance_delay.as_nanos();
            let waits = Waits::of(group, view.mono, before);
            let is_due = view.awake_ns > 2 * delay_ns + LATE_NS;
            let is_late = is_due && waits.is_too_long(view.mono, delay_ns);
            begins(ledger, (view.node, group.group), is_late, &waits);
            Some(waits)
        });
    }
}

fn begins(ledger: &mut Ledger, (node, group): (i32, &Arc<str>), is_too_long: bool, waits: &Waits) {
    says(ledger, !is_too_long, &|| {
        format!(
            "coordinator {node} puts the first generation of {group} off, and nobody has come for longer than it \
             should wait: {waits:?}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::classic_group;
    use stormglass_broker_core::protocol::GroupState;

    /// A group that has these members.
    fn with<R>(ids: &[Arc<str>], check: impl FnOnce(&ClassicGroupView<'_>) -> R) -> R {
        let group: Arc<str> = "g".into();
        check(&ClassicGroupView {
            state: GroupState::PreparingRebalance,
            generation: 0,
            is_put_off: true,
            leader: ids.first(),
            members: ids.iter().collect(),
            ..classic_group(&group)
        })
    }

    #[test]
    fn a_group_waits_twice_after_its_last_member_has_come() {
        let second = 1_000_000_000;
        let at = |seconds: u64| Instant::from_nanos(seconds * second);
        let ids: Vec<Arc<str>> = ["a", "b"].map(Arc::from).to_vec();
        let first = with(&ids[..1], |view| Waits::of(view, at(1), None));
        let same = with(&ids[..1], |view| Waits::of(view, at(4), Some(&first)));
        assert!(!same.is_too_long(at(4), second) && same.is_too_long(at(5), second));
        let more = with(&ids, |view| Waits::of(view, at(5), Some(&first)));
        assert!(!more.is_too_long(at(5), second), "another one has come");
    }
}
