//! What the log knows of a group is the group.

use super::rig::{Rig, SESSION_MS, join};
use crate::error::ErrorCode;
use crate::group::codec::{decode_group_value, encode_group_value};
use crate::group::membership::Membership;
use crate::protocol::GroupState;

fn reload(rig: &Rig) -> Rig {
    reload_with(rig, usize::MAX)
}

fn reload_with(rig: &Rig, size_max: usize) -> Rig {
    let bytes = encode_group_value(&rig.group.value(None));
    let value = decode_group_value(&bytes).unwrap();
    let mut loaded = Rig::of(Membership::load("billing".into(), value));
    loaded.now_ms = rig.now_ms;
    loaded.act(|group, cx| group.loaded(cx, size_max));
    loaded
}

#[test]
fn members_go_on_with_another_coordinator() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let mut rig = reload(&rig);
    assert_eq!((rig.state(), rig.generation()), (GroupState::Stable, 1));
    assert_eq!(rig.beat(&a, 1), ErrorCode::None);
    let sync = rig.sync(&b, &[]);
    assert_eq!(rig.synced(sync).assignment, "B");
    let again = rig.join_as(join("a", &a));
    assert!(rig.is_open(again), "it still leads");
    let described = rig.group.describe();
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
}

#[test]
fn members_that_do_not_come_to_the_new_coordinator_are_out_after_a_session() {
    let mut rig = Rig::new();
    let (a, _) = rig.stable();
    let mut rig = reload(&rig);
    rig.wait(u64::try_from(SESSION_MS).unwrap() - 1);
    rig.beat(&a, 1);
    rig.wait(1);
    assert_eq!(rig.ids(), [a]);
}

#[test]
fn where_there_is_room_for_fewer_members_who_joins_again_first_stays() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    assert_eq!(reload_with(&rig, 2).state(), GroupState::Stable);
    let mut rig = reload_with(&rig, 1);
    assert_eq!((rig.state(), rig.generation()), (GroupState::PreparingRebalance, 1));
    assert_eq!(rig.beat(&b, 1), ErrorCode::RebalanceInProgress);
    let first = rig.join_of(join("b", &b), 1);
    assert!(rig.is_open(first), "the other one has its time");
    let late = rig.join_of(join("a", &a), 1);
    let late = rig.joined(late);
    assert_eq!((late.error, &*late.member), (ErrorCode::GroupMaxSizeReached, ""));
    let first = rig.joined(first);
    assert_eq!((first.error, first.generation, first.leader), (ErrorCode::None, 2, b.clone()));
    assert_eq!(rig.ids(), [b]);
}

#[test]
fn an_empty_group_stays_one() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    rig.leave(&a);
    rig.leave(&b);
    let rig = reload(&rig);
    assert_eq!((rig.state(), rig.generation()), (GroupState::Empty, 2));
    assert_eq!(rig.group.describe().state.unwrap().name(), "Empty");
}

#[test]
fn what_the_log_was_told_is_known_until_it_does_not_take_that() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let with_members = reload(&rig);
    rig.leave(&a);
    rig.leave(&b);
    assert!(!rig.group.view(1).is_logged, "the rig tells nobody");
    assert!(rig.group.differs_from(Some(&with_members.group)).is_some());
    let empty = reload(&rig);
    assert_eq!(rig.group.differs_from(Some(&empty.group)), None);
    assert!(empty.group.view(1).is_logged && with_members.group.view(1).is_logged);
    rig.written(ErrorCode::NotEnoughReplicas);
    assert!(rig.group.view(1).is_logged);
    assert_eq!(rig.group.differs_from(Some(&with_members.group)), None, "nobody can help it");
}
