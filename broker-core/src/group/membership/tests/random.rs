//! Members that come, go, fall silent and return in any order, with writes that end late or fail:
//! nobody is left without an answer, and the group's books stay in order.

use super::rig::{Rig, SESSION_MS, join, join_fixed};
use crate::error::ErrorCode;
use crate::group::membership::Membership;
use crate::protocol::{GroupState, Response};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What happens next; numbers pick a member.
#[derive(Debug, Clone)]
enum Act {
    Come,
    Return(usize),
    Rejoin(usize),
    Sync(usize),
    Beat(usize),
    Leave(usize),
    Wait(u64),
    Written(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Come),
        2 => (0..3_usize).prop_map(Act::Return),
        4 => (0..8_usize).prop_map(Act::Rejoin),
        4 => (0..8_usize).prop_map(Act::Sync),
        2 => (0..8_usize).prop_map(Act::Beat),
        1 => (0..8_usize).prop_map(Act::Leave),
        2 => (1..20_000_u64).prop_map(Act::Wait),
        4 => prop::bool::weighted(0.8).prop_map(Act::Written),
    ]
}

/// Questions that are open, and ids that clients know.
#[derive(Default)]
struct Clients {
    open: BTreeSet<u64>,
    ids: BTreeSet<Arc<str>>,
}

impl Clients {
    fn pick(&self, at: usize) -> Option<Arc<str>> {
        self.ids.iter().cycle().nth(at).cloned()
    }

    /// Takes answers, and learns ids from them.
    fn hear(&mut self, rig: &mut Rig) {
        for (asked, answer) in std::mem::take(&mut rig.answers) {
            assert!(self.open.remove(&asked), "an answer to no question");
            if let Response::JoinGroup(answer) = answer
                && (answer.error.is_ok() || answer.error == ErrorCode::MemberIdRequired)
            {
                self.ids.insert(answer.member);
            }
        }
    }
}

fn step(rig: &mut Rig, clients: &mut Clients, act: Act) {
    match act {
        Act::Come => {
            clients.open.insert(rig.join_as(join("client", "")));
        }
        Act::Return(name) => {
            let name = ["x", "y", "z"][name];
            clients.open.insert(rig.join_as(join_fixed(name, "")));
        }
        Act::Rejoin(at) => {
            if let Some(id) = clients.pick(at) {
                clients.open.insert(rig.join_as(join("client", &id)));
            }
        }
        Act::Sync(at) => {
            if let Some(id) = clients.pick(at) {
                let given: Vec<_> = clients.ids.iter().map(|id| (id, "mine")).collect();
                clients.open.insert(rig.sync(&id, &given));
            }
        }
        Act::Beat(at) => {
            if let Some(id) = clients.pick(at) {
                rig.beat(&id, rig.generation());
            }
        }
        Act::Leave(at) => {
            if let Some(id) = clients.pick(at) {
                rig.leave(&id);
            }
        }
        Act::Wait(ms) => rig.wait(ms),
        Act::Written(well) => {
            let error = if well { ErrorCode::None } else { ErrorCode::CoordinatorNotAvailable };
            if !rig.stores.is_empty() {
                rig.written(error);
            }
        }
    }
}

/// What holds between any two events.
fn check(group: &Membership) {
    let members: BTreeSet<_> = group.members.keys().collect();
    assert!(group.leader.iter().all(|leader| members.contains(leader)), "the leader is a member");
    assert_eq!(group.leader.is_none(), members.is_empty());
    assert!(group.unsynced.iter().all(|id| members.contains(id)));
    assert!(!group.waits_for_nobody(), "a rebalance ends when nobody is missing");
    assert_eq!(group.joined_unused(), None);
    for (instance, id) in &group.instances {
        assert_eq!(group.members[id].instance.as_ref(), Some(instance));
    }
    for (id, member) in &group.members {
        assert_eq!(id, &member.id);
        assert!(member.queued.is_some() || member.is_waiting(), "its session ends some day");
        assert!(member.joining.is_none() || group.state == GroupState::PreparingRebalance);
        assert!(member.syncing.is_none() || group.state == GroupState::CompletingRebalance);
    }
    match group.state {
        GroupState::Empty => assert!(members.is_empty()),
        GroupState::PreparingRebalance => assert!(group.joining.is_some()),
        GroupState::CompletingRebalance | GroupState::Stable => {
            assert!(!members.is_empty() && group.protocol.is_some());
        }
        GroupState::Dead => panic!("nobody has deleted it"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_waits_for_ever(acts in proptest::collection::vec(act(), 1..80)) {
        let (mut rig, mut clients) = (Rig::new(), Clients::default());
        let mut generation = 0;
        for act in acts {
            step(&mut rig, &mut clients, act);
            clients.hear(&mut rig);
            check(&rig.group);
            prop_assert!(rig.generation() >= generation, "generations only grow");
            generation = rig.generation();
        }
        // everybody falls silent
        for _ in 0..100 {
            while !rig.stores.is_empty() {
                rig.written(ErrorCode::None);
            }
            rig.wait(u64::try_from(SESSION_MS).unwrap());
            check(&rig.group);
        }
        clients.hear(&mut rig);
        prop_assert!(clients.open.is_empty(), "unanswered: {:?}", clients.open);
        prop_assert_eq!(rig.state(), GroupState::Empty);
    }
}
