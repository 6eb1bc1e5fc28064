//! Static members (KIP-345).

use super::rig::{DELAY_MS, Rig, SESSION_MS, join_fixed};
use crate::error::ErrorCode;
use crate::protocol::{GroupState, JoinGroupRequest};
use std::sync::Arc;

/// Two static members in a stable group; their ids, the leader's first.
fn stable(rig: &mut Rig) -> (Arc<str>, Arc<str>) {
    let first = rig.join_as(join_fixed("a", ""));
    let second = rig.join_as(join_fixed("b", ""));
    rig.wait(2 * DELAY_MS);
    let (a, b) = (rig.joined(first), rig.joined(second));
    assert_eq!(a.leader, a.member);
    assert!(a.member.starts_with("a-"), "ids begin with the instance");
    rig.settle(&a.member, &b.member);
    (a.member, b.member)
}

#[test]
fn a_member_that_comes_back_takes_its_place_without_a_rebalance() {
    let mut rig = Rig::new();
    let (a, b) = stable(&mut rig);
    let back = rig.join_as(join_fixed("b", ""));
    assert!(rig.is_open(back), "the log must know the new id");
    rig.written(ErrorCode::None);
    let back = rig.joined(back);
    assert_eq!((back.error, back.generation, &back.leader), (ErrorCode::None, 1, &a));
    assert!(!back.skip_assignment && back.member != b);
    assert_eq!(rig.state(), GroupState::Stable);
    let sync = rig.sync(&back.member, &[]);
    assert_eq!(rig.synced(sync).assignment, "B");
    let fenced = join_fixed("b", &b);
    let fenced = rig.join_as(fenced);
    assert_eq!(rig.joined(fenced).error, ErrorCode::FencedInstanceId);
}

#[test]
fn a_leader_that_comes_back_must_not_assign() {
    for can_skip_assignment in [true, false] {
        let mut rig = Rig::new();
        let (a, _) = stable(&mut rig);
        let back = rig.join_as(JoinGroupRequest { can_skip_assignment, ..join_fixed("a", "") });
        rig.written(ErrorCode::None);
        let back = rig.joined(back);
        if can_skip_assignment {
            assert!(back.skip_assignment && back.leader == back.member);
            assert_eq!(back.members.len(), 2);
        } else {
            assert_eq!((&back.leader, back.members.len()), (&a, 0), "it must not think it leads");
        }
        let sync = rig.sync(&back.member, &[]);
        assert_eq!(rig.synced(sync).assignment, "A");
    }
}

#[test]
fn a_return_that_the_log_does_not_take_is_undone() {
    let mut rig = Rig::new();
    let (a, b) = stable(&mut rig);
    let before = rig.group.value(None).members;
    let mut other = join_fixed("b", "");
    (other.session_timeout_ms, other.rebalance_timeout_ms) = (SESSION_MS * 2, SESSION_MS * 3);
    let back = rig.join_as(other);
    assert_ne!(rig.group.value(None).members, before);
    rig.written(ErrorCode::CoordinatorNotAvailable);
    let told = rig.joined(back);
    assert_eq!((told.error, &*told.member), (ErrorCode::CoordinatorNotAvailable, ""));
    assert_eq!(rig.group.value(None).members, before, "its timeouts are back, too");
    let mut ids = vec![a, b.clone()];
    ids.sort();
    assert_eq!(rig.ids(), ids);
    let sync = rig.sync(&b, &[]);
    assert_eq!(rig.synced(sync).assignment, "B");
}

#[test]
fn other_protocols_call_for_a_rebalance() {
    let mut rig = Rig::new();
    let (a, _) = stable(&mut rig);
    let mut request = join_fixed("b", "");
    request.protocols.insert(0, ("sticky".into(), bytes::Bytes::from_static(b"topics")));
    let back = rig.join_as(request);
    // the other one supports range only, so that range stays
    rig.written(ErrorCode::None);
    assert_eq!(rig.joined(back).generation, 1);
    let mut request = join_fixed("a", &a);
    request.protocols.insert(0, ("sticky".into(), bytes::Bytes::from_static(b"topics")));
    let leader = rig.join_as(request);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let back = rig.join_as(join_fixed("b", ""));
    let (leader, back) = (rig.joined(leader), rig.joined(back));
    assert_eq!((leader.generation, back.generation), (2, 2));
}

#[test]
fn grp_08_a_return_between_join_and_sync_begins_another_generation() {
    let mut rig = Rig::new();
    let first = rig.join_as(join_fixed("a", ""));
    let second = rig.join_as(join_fixed("b", ""));
    rig.wait(2 * DELAY_MS);
    let (a, b) = (rig.joined(first).member, rig.joined(second).member);
    let old = rig.sync(&b, &[]);
    let back = rig.join_as(join_fixed("b", ""));
    assert_eq!(rig.synced(old).error, ErrorCode::FencedInstanceId);
    assert!(rig.is_open(back));
    assert_eq!(rig.beat(&a, 1), ErrorCode::RebalanceInProgress);
    let again = rig.join_as(join_fixed("a", &a));
    let (again, back) = (rig.joined(again), rig.joined(back));
    assert_eq!((again.generation, again.members.len(), back.generation), (2, 2, 2));
    rig.settle(&a, &back.member);
}

#[test]
fn static_members_keep_their_place_through_a_rebalance_with_which_their_session_begins_anew() {
    let mut rig = Rig::new();
    let (a, b) = stable(&mut rig);
    let timeout = 6 * SESSION_MS / 10;
    let mut request = join_fixed("a", &a);
    request.rebalance_timeout_ms = timeout;
    let other = JoinGroupRequest { rebalance_timeout_ms: timeout, ..join_fixed("b", &b) };
    let (first, second) = (rig.join_as(request.clone()), rig.join_as(other));
    assert_eq!((rig.joined(first).generation, rig.joined(second).generation), (2, 2));
    rig.settle(&a, &b);
    let first = rig.join_as(request);
    rig.wait(u64::try_from(timeout).unwrap());
    let first = rig.joined(first);
    assert_eq!((first.generation, first.members.len()), (3, 2), "b has not joined again");
    let sync = rig.sync(&a, &[(&a, "A"), (&b, "B")]);
    rig.written(ErrorCode::None);
    assert_eq!(rig.synced(sync).assignment, "A");
    rig.wait(u64::try_from(SESSION_MS - timeout).unwrap());
    assert_eq!(rig.ids().len(), 2, "b has not been heard of for a session");
    rig.wait(u64::try_from(2 * timeout - SESSION_MS).unwrap());
    assert_eq!(rig.ids(), [a], "it has not asked for its assignment");
}

#[test]
fn the_session_of_a_static_member_that_is_away_ends() {
    let mut rig = Rig::new();
    let (a, b) = stable(&mut rig);
    rig.wait(u64::try_from(SESSION_MS / 2).unwrap());
    assert_eq!(rig.beat(&a, 1), ErrorCode::None);
    rig.wait(u64::try_from(SESSION_MS / 2).unwrap());
    assert_eq!((rig.ids(), rig.state()), (vec![a], GroupState::PreparingRebalance), "without {b}");
}

#[test]
fn a_static_member_can_be_sent_away_by_its_instance() {
    let mut rig = Rig::new();
    let (a, b) = stable(&mut rig);
    let (nobody, instance) = ("".into(), "b".into());
    let leave =
        |rig: &mut Rig, id: &Arc<str>| rig.act(|group, cx| group.leave(cx, id, Some(&instance)));
    assert_eq!(leave(&mut rig, &a), ErrorCode::FencedInstanceId);
    assert_eq!(leave(&mut rig, &nobody), ErrorCode::None);
    assert_eq!(leave(&mut rig, &b), ErrorCode::UnknownMemberId);
    assert_eq!(rig.ids(), [a]);
}
