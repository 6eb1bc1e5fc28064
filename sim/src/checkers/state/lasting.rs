//! Positions of a group in the classic protocol last while it has members, and for `offsets.retention.minutes` after the
//! last one has gone (KIP-211), unless somebody deletes them, or their topic. When they were committed is no matter.

use super::NodeView;
use crate::checkers::configured::deleted_topics;
use crate::checkers::configured::retention_of_positions_ns;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_broker_core::inspect::CoordinatorView;
use stormglass_broker_core::protocol::Request;
use stormglass_scenarios::plan::{Action, Plan};

/// A node, a partition of `__consumer_offsets`, and the epoch in which it leads that.
type Place = (i32, i32, LeaderEpoch);
/// Groups at a look.
type Groups = BTreeMap<Arc<str>, Seen>;
/// Members of groups.
type Members = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// A group at a look.
#[derive(Debug, Default)]
struct Seen {
    /// Members in the classic protocol.
    members: BTreeSet<Arc<str>>,
    /// When it had some last, ns.
    occupied_ns: Option<u64>,
    /// Topics and partitions.
    positions: BTreeSet<(Arc<str>, i32)>,
}

/// A wall clock is put forward.
#[derive(Debug, Clone, Copy)]
struct Jump {
    node: i32,
    at_ns: u64,
    by_ns: u64,
}

/// Groups in the classic protocol, and what becomes of their positions.
#[derive(Debug)]
pub(crate) struct Lasting {
    /// How long they are kept, ns.
    retention_ns: u64,
    jumps: Vec<Jump>,
    /// Topics that an administrator deletes.
    deleted: BTreeSet<String>,
    /// Groups that somebody deletes, or positions of, or that may have gone over to the other protocol.
    changed: BTreeSet<Arc<str>>,
    seen: BTreeMap<Place, Groups>,
}

impl Lasting {
    /// For a plan's retention, clocks and topics.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            retention_ns: retention_of_positions_ns(plan),
            jumps: jumps(plan),
            deleted: deleted_topics(plan),
            changed: BTreeSet::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Somebody asks for something.
    pub(crate) fn asked(&mut self, request: &Request) {
        match request {
            Request::DeleteGroups(asked) => self.changed.extend(asked.groups.iter().cloned()),
            Request::OffsetDelete(asked) => self.changes(&asked.group),
            Request::ConsumerGroupHeartbeat(asked) => self.changes(&asked.group),
            _ => {}
        }
    }

    fn changes(&mut self, group: &Arc<str>) {
        if !self.changed.contains(group) {
            self.changed.insert(Arc::clone(group));
        }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.seen.retain(|(of, ..), _| *of != node);
    }

    /// Looks at what the coordinators know.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        if self.deleted.contains(OFFSETS_TOPIC) {
            return; // all of them go with their topic
        }
        let before = std::mem::take(&mut self.seen);
        for view in nodes {
            let mut occupied = occupied(view);
            for at in view.broker.coordinated().into_iter().filter(|at| at.is_loaded) {
                let place = (view.node, at.partition, at.epoch);
                let members = occupied.remove(&at.partition).unwrap_or_default();
                let mut now = self.groups(view, (at, ledger.now_ns), members);
                for (group, was) in before.get(&place).into_iter().flatten() {
                    // one that is forgotten has no positions
                    let is = now.entry(Arc::clone(group)).or_default();
                    is.occupied_ns = is.occupied_ns.or(was.occupied_ns);
                    let is_due = self.lasts((view.node, ledger.now_ns), was, is);
                    if is_due && !self.changed.contains(group) {
                        stays(ledger, view.node, group, (was, &*is));
                    }
                }
                now.retain(|_, is| is.occupied_ns.is_some());
                let log = view.offsets_log(at.partition);
                if log.is_none_or(|log| !log.is_quiet()) {
                    // what went when nobody was there may be on its way
                    now.values_mut().for_each(|is| is.positions.clear());
                }
                self.seen.insert(place, now);
            }
        }
    }

    /// Groups of a partition, with their members, and their positions in topics that stay.
    fn groups(
        &self,
        view: &NodeView<'_>,
        (at, now_ns): (CoordinatorView, u64),
        members: Members,
    ) -> Groups {
        let mut groups = Groups::new();
        for (group, topic, partition) in view.broker.positions(at.partition).into_keys() {
            if !self.deleted.contains(&*topic) {
                groups.entry(group).or_default().positions.insert((topic, partition));
            }
        }
        for (group, members) in members {
            let seen = groups.entry(group).or_default();
            (seen.members, seen.occupied_ns) = (members, Some(now_ns));
        }
        groups
    }

    /// Whether a group has had members all the time since it was looked at last, as nobody comes back with the same id;
    /// or not so long ago that its positions may go.
    fn lasts(&self, (node, now_ns): (i32, u64), was: &Seen, is: &Seen) -> bool {
        let is_short = |since_ns: u64| {
            let passed_ns = (now_ns - since_ns) * 5 / 4; // clocks drift
            passed_ns.saturating_add(self.jumped(node, (since_ns, now_ns))) < self.retention_ns
        };
        !was.members.is_disjoint(&is.members) || was.occupied_ns.is_some_and(is_short)
    }

    /// By how much a node's clock was put forward within a time, ns.
    fn jumped(&self, node: i32, (from_ns, to_ns): (u64, u64)) -> u64 {
        let within = from_ns..=to_ns;
        let of = self.jumps.iter().filter(|of| of.node == node && within.contains(&of.at_ns));
        of.map(|jump| jump.by_ns).fold(0, u64::saturating_add)
    }
}

/// Groups in the classic protocol that have members, by partition of `__consumer_offsets`.
fn occupied(view: &NodeView<'_>) -> BTreeMap<i32, Members> {
    let mut occupied: BTreeMap<i32, Members> = BTreeMap::new();
    for group in view.broker.classic_groups().filter(|group| !group.members.is_empty()) {
        if let Some(tp) = view.broker.partition_of_group(group.group) {
            let members = group.members.into_iter().cloned().collect();
            occupied.entry(tp.partition).or_default().insert(Arc::clone(group.group), members);
        }
    }
    occupied
}

/// Times at which clocks are put forward: one that is put back goes on when that ends.
fn jumps(plan: &Plan) -> Vec<Jump> {
    let of = plan.events.iter().filter_map(|event| {
        let Action::ClockJump { node, by_ns } = event.action else { return None };
        let at_ns = if by_ns > 0 { event.at_ns } else { event.ends_ns(&plan.phases) };
        Some(Jump { node, at_ns, by_ns: by_ns.unsigned_abs() })
    });
    of.collect()
}

fn stays(ledger: &mut Ledger, node: i32, group: &str, (was, is): (&Seen, &Seen)) {
    ledger.checked(Check::Metadata, 1);
    let Some(lost) = was.positions.difference(&is.positions).next() else { return };
    ledger.broken(Check::Metadata, (OFFSETS_TOPIC, &History::default()), &|| {
        format!(
            "coordinator {node} has forgotten position {lost:?} of group {group}, which has members or had some not \
             long ago: {:?} a second ago, {:?} now",
            was.members, is.members
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: u64 = 60_000_000_000;

    fn lasting(jumps: Vec<Jump>) -> Lasting {
        let (deleted, changed, seen) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Lasting { retention_ns: MINUTE_NS, jumps, deleted, changed, seen }
    }

    fn seen(members: &[&str], occupied_ns: u64, positions: &[i32]) -> Seen {
        Seen {
            members: members.iter().map(|id| Arc::from(*id)).collect(),
            occupied_ns: Some(occupied_ns),
            positions: positions.iter().map(|partition| (Arc::from("t"), *partition)).collect(),
        }
    }

    #[test]
    fn positions_last_while_somebody_is_there_and_for_their_time() {
        let (empty, other) = (seen(&[], 0, &[]), seen(&["b"], 0, &[]));
        let of = lasting(Vec::new());
        assert!(of.lasts((1, 40 * 1_000_000_000), &seen(&["a"], 0, &[0]), &empty));
        assert!(!of.lasts((1, MINUTE_NS), &seen(&["a"], 0, &[0]), &empty));
        assert!(!of.lasts((1, MINUTE_NS), &seen(&["a"], 0, &[0]), &other), "it came later");
        assert!(of.lasts((1, MINUTE_NS), &seen(&["a", "b"], 0, &[0]), &other));
        let jump = Jump { node: 1, at_ns: 5, by_ns: MINUTE_NS };
        let of = lasting(vec![jump]);
        assert!(!of.lasts((1, 9), &seen(&["a"], 4, &[0]), &empty), "its clock may say so");
        assert!(of.lasts((2, 9), &seen(&["a"], 4, &[0]), &empty));
        assert!(of.lasts((1, 9), &seen(&["a"], 6, &[0]), &empty));
    }

    #[test]
    fn a_position_that_is_gone_is_seen() {
        let broken = |is: &[i32]| {
            let mut ledger = Ledger::default();
            stays(&mut ledger, 1, "g", (&seen(&["a"], 0, &[0, 1]), &seen(&["a"], 0, is)));
            ledger.finish().1.len()
        };
        assert_eq!((broken(&[0, 1, 2]), broken(&[1])), (0, 1));
    }

    #[test]
    fn who_changes_a_group_is_heard() {
        use stormglass_broker_core::protocol::DeleteGroupsRequest;
        let mut of = lasting(Vec::new());
        of.asked(&Request::DeleteGroups(DeleteGroupsRequest { groups: vec!["g".into()] }));
        assert!(of.changed.contains("g"));
    }
}
