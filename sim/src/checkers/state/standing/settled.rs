//! A generation of a group in the classic protocol is settled once its members have joined: one of them leads, and it
//! goes by the protocol that most of them prefer of those that all speak. Until the next one begins it has the same
//! members, though static ones may come back under other ids (KIP-345), and the same leader and protocol; and while it
//! is stable, everybody keeps what it was assigned. Who leads, and joins each time, goes on leading. Of a group that is
//! stable, or has lost its last member, its log has been told.

use super::super::NodeView;
use super::last_look::LastLook;
use crate::checkers::ledger::Ledger;
use crate::checkers::state::metadata;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::inspect::{ClassicGroupView, ClassicPlaceView};
use stormglass_broker_core::protocol::GroupState;

/// A group in a generation that is settled. Static members go by their names, others by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    generation: i32,
    is_stable: bool,
    leader: Option<Arc<str>>,
    /// Whether its leader has no name of its own: it is a member as long as it joins each time.
    is_led_by_id: bool,
    protocol: Option<Arc<str>>,
    assignments: BTreeMap<Arc<str>, Bytes>,
}

impl Seen {
    /// `None`: another generation is to come.
    fn of(view: &ClassicGroupView<'_>) -> Option<Self> {
        let leader = view.places.iter().find(|place| Some(place.id) == view.leader);
        let of = view.places.iter().map(|place| (name(place), place.assignment.clone()));
        is_settled(view).then(|| Self {
            generation: view.generation,
            is_stable: view.state == GroupState::Stable,
            leader: leader.map(name),
            is_led_by_id: leader.is_some_and(|place| place.instance.is_none()),
            protocol: view.protocol.cloned(),
            assignments: of.collect(),
        })
    }

    /// What is not as it was, though no other generation has begun, or none that would change it.
    fn changed(&self, before: &Self) -> Option<&'static str> {
        if self.generation != before.generation {
            let led = before.leader.as_ref().filter(|_| before.is_led_by_id);
            let is_there = led.is_some_and(|id| self.assignments.contains_key(id));
            let is_other = is_there && self.leader.as_ref() != led;
            return is_other.then_some("another leader, and has the one before");
        }
        if !self.assignments.keys().eq(before.assignments.keys()) {
            return Some("other members");
        }
        if (&self.leader, &self.protocol) != (&before.leader, &before.protocol) {
            return Some("another leader or protocol");
        }
        let is_other = before.is_stable && *self != *before;
        is_other.then_some("other assignments, or is not stable any more")
    }
}

/// Members have joined, and the next generation has not been called for.
fn is_settled(view: &ClassicGroupView<'_>) -> bool {
    matches!(view.state, GroupState::CompletingRebalance | GroupState::Stable)
}

fn name(place: &ClassicPlaceView<'_>) -> Arc<str> {
    Arc::clone(place.instance.unwrap_or(place.id))
}

/// What a group cannot be.
fn flaw(view: &ClassicGroupView<'_>) -> Option<&'static str> {
    let has_members = !view.places.is_empty();
    if has_members && view.state == GroupState::Empty || !has_members && is_settled(view) {
        return Some("has members and counts as empty, or the other way round");
    }
    let leads = view.places.iter().any(|place| Some(place.id) == view.leader);
    if has_members && !leads {
        return Some("is led by none of its members");
    }
    if view.places.iter().filter(|place| place.instance.is_some()).count() != view.instances.len() {
        return Some("does not know each of its static members by its name");
    }
    // whoever loads that would have members back that have left
    if !view.is_logged {
        return Some("is not what its log was told last");
    }
    let is_best = || view.protocol.is_some() && view.protocol == preferred(view);
    (is_settled(view) && !is_best())
        .then_some("does not go by the protocol that its members prefer")
}

/// The protocol that most members prefer of those that all speak; equals are decided by the leader's order.
fn preferred<'a>(view: &ClassicGroupView<'a>) -> Option<&'a Arc<str>> {
    let leader = view.places.iter().find(|place| Some(place.id) == view.leader)?;
    let speaks = |place: &ClassicPlaceView<'a>, name: &Arc<str>| {
        place.protocols.iter().any(|(known, _)| known == name)
    };
    let names = leader.protocols.iter().map(|(name, _)| name);
    let common: Vec<&'a Arc<str>> =
        names.filter(|name| view.places.iter().all(|place| speaks(place, name))).collect();
    let votes = |name: &Arc<str>| {
        let choice = |place: &ClassicPlaceView<'a>| {
            place.protocols.iter().map(|(known, _)| known).find(|known| common.contains(known))
        };
        view.places.iter().filter(|place| choice(place) == Some(name)).count()
    };
    common.iter().copied().rev().max_by_key(|&name| votes(name))
}

/// Groups in generations that are settled.
#[derive(Debug, Default)]
pub(super) struct Settled(LastLook<Seen>);

impl Settled {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.0.node_down(node);
    }

    /// Looks at what the coordinators know. Of groups that were `removed` since the last look others may have come into
    /// being.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        nodes: &[NodeView<'_>],
        removed: &BTreeSet<Arc<str>>,
    ) {
        self.0.renew(nodes, removed, |view, group, before| {
            says(ledger, view.node, flaw(group), group);
            let now = Seen::of(group)?;
            says(ledger, view.node, before.and_then(|before| now.changed(before)), group);
            Some(now)
        });
    }
}

fn says(ledger: &mut Ledger, node: i32, wrong: Option<&'static str>, view: &ClassicGroupView<'_>) {
    metadata::says(ledger, "", wrong.is_none(), &|| {
        let wrong = wrong.unwrap_or_default();
        format!("group {} of coordinator {node} {wrong}: {view:?}", view.group)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::classic_group;
    use stormglass_broker_core::time::Instant;

    /// A member's id, its name, and its protocols.
    type Member = (Arc<str>, Option<Arc<str>>, Vec<(Arc<str>, Bytes)>);

    fn member(id: &str, instance: Option<&str>, protocols: &[&str]) -> Member {
        let protocols = protocols.iter().map(|name| (Arc::from(*name), Bytes::new())).collect();
        (id.into(), instance.map(Into::into), protocols)
    }

    fn with<R>(
        state: GroupState,
        (leader, protocol): (&str, &str),
        members: &[Member],
        check: impl FnOnce(&ClassicGroupView<'_>) -> R,
    ) -> R {
        let (group, assignment): (Arc<str>, _) = ("g".into(), Bytes::new());
        let (leader, protocol): (Arc<str>, Arc<str>) = (leader.into(), protocol.into());
        let named = members.iter().filter_map(|(_, instance, _)| instance.as_ref());
        let place = members.iter().map(|(id, instance, protocols)| ClassicPlaceView {
            id,
            instance: instance.as_ref(),
            protocols,
            assignment: &assignment,
        });
        check(&ClassicGroupView {
            state,
            protocol: Some(&protocol),
            leader: Some(&leader),
            members: members.iter().map(|(id, ..)| id).collect(),
            places: place.collect(),
            instances: named.map(|name| (name, Instant::ZERO)).collect(),
            ..classic_group(&group)
        })
    }

    #[test]
    fn a_member_leads_and_all_speak_the_protocol_that_most_prefer() {
        use GroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
        let both = [
            member("a", None, &["x", "y", "z"]),
            member("b", None, &["y", "x"]),
            member("c", Some("n"), &["y", "x", "z"]),
        ];
        let flaw = |state, of: (&str, &str)| with(state, of, &both, flaw);
        assert_eq!((flaw(Stable, ("a", "y")), flaw(CompletingRebalance, ("a", "y"))), (None, None));
        assert!(flaw(Stable, ("a", "x")).is_some(), "most prefer the other one");
        assert!(flaw(Stable, ("a", "z")).is_some(), "not all speak it");
        assert_eq!(flaw(PreparingRebalance, ("a", "z")), None, "it is yet to be chosen");
        assert!(
            flaw(PreparingRebalance, ("d", "y")).is_some() && flaw(Empty, ("a", "y")).is_some()
        );
        let equal = [member("a", None, &["x", "y"]), member("b", None, &["y", "x"])];
        let preferred = |leader: &str| {
            with(Stable, (leader, "x"), &equal, |view| preferred(view).cloned()).unwrap()
        };
        assert_eq!((&*preferred("a"), &*preferred("b")), ("x", "y"));
        let none = |state| with(state, ("a", "x"), &[], super::flaw);
        assert!(none(Stable).is_some() && none(Empty).is_none());
        assert!(none(PreparingRebalance).is_none(), "one may be about to come");
    }

    #[test]
    fn the_log_is_told_of_a_group_that_has_lost_its_last_member() {
        let flaw = |is_logged| {
            with(GroupState::Empty, ("a", "x"), &[], |view| {
                let (members, places, instances) = (Vec::new(), Vec::new(), Vec::new());
                flaw(&ClassicGroupView { is_logged, members, places, instances, ..*view })
            })
        };
        assert_eq!(flaw(true), None);
        assert!(flaw(false).is_some());
    }

    #[test]
    fn a_generation_stays_as_it_is() {
        let of =
            |state, leader: &str, members: &[Member]| with(state, (leader, "x"), members, Seen::of);
        let named = |id: &str| [member(id, Some("n"), &["x"]), member("b", None, &["x"])];
        let stable = |leader: &str, id: &str| of(GroupState::Stable, leader, &named(id)).unwrap();
        let before = stable("a", "a");
        assert_eq!(stable("c", "c").changed(&before), None, "it is back under another id");
        assert!(stable("b", "c").changed(&before).is_some(), "another one leads");
        let alone = of(GroupState::Stable, "a", &named("a")[..1]).unwrap();
        assert!(alone.changed(&before).is_some());
        let given: [(Arc<str>, Bytes); 2] =
            [("n".into(), Bytes::from_static(b"1")), ("b".into(), Bytes::new())];
        let other = Seen { assignments: BTreeMap::from(given), ..before.clone() };
        assert!(other.changed(&before).is_some());
        let joined = Seen { is_stable: false, ..before.clone() };
        assert_eq!(other.changed(&joined), None, "it has just been given out");
        assert_eq!(Seen { generation: 5, ..other }.changed(&before), None);
        assert_eq!(of(GroupState::PreparingRebalance, "a", &named("a")), None);
    }

    #[test]
    fn who_leads_and_joins_again_goes_on_leading() {
        let of = |generation: i32, leader: &str, ids: &[&str]| {
            let members: Vec<Member> = ids.iter().map(|id| member(id, None, &["x"])).collect();
            let seen = with(GroupState::Stable, (leader, "x"), &members, Seen::of);
            Seen { generation, ..seen.unwrap() }
        };
        let before = of(4, "b", &["a", "b"]);
        assert_eq!(of(5, "b", &["a", "b"]).changed(&before), None);
        assert!(of(6, "a", &["a", "b"]).changed(&before).is_some());
        assert_eq!(of(5, "a", &["a", "c"]).changed(&before), None, "it has left");
        let named = Seen { is_led_by_id: false, ..before };
        assert_eq!(of(5, "a", &["a", "b"]).changed(&named), None, "it may not have joined");
    }
}
