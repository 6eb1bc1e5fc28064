//! Members that go, or say nothing.

use super::rig::{DELAY_MS, REBALANCE_MS, Rig, SESSION_MS, join};
use crate::error::ErrorCode;
use crate::protocol::GroupState;

const SESSION: u64 = SESSION_MS as u64;

#[test]
fn heartbeats_keep_a_member_and_silence_removes_it() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    for _ in 0..5 {
        rig.wait(SESSION - 1);
        assert_eq!((rig.beat(&a, 1), rig.beat(&b, 1)), (ErrorCode::None, ErrorCode::None));
    }
    rig.wait(SESSION - 1);
    rig.beat(&b, 1);
    rig.wait(1);
    assert_eq!(rig.ids(), std::slice::from_ref(&b));
    assert_eq!(rig.beat(&b, 1), ErrorCode::RebalanceInProgress);
    assert_eq!(rig.beat(&a, 1), ErrorCode::UnknownMemberId);
    let again = rig.join_as(join("b", &b));
    let again = rig.joined(again);
    assert_eq!((again.generation, again.leader), (2, b));
}

#[test]
fn who_waits_for_an_answer_need_not_show_that_it_is_alive() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let mut request = join("a", &a);
    request.rebalance_timeout_ms = 10 * SESSION_MS;
    let waits = rig.join_as(request);
    for _ in 0..8 {
        rig.wait(SESSION - 1);
        rig.beat(&b, 1);
    }
    assert!(rig.is_open(waits));
    let last = rig.join_as(join("b", &b));
    assert_eq!((rig.joined(waits).generation, rig.joined(last).generation), (2, 2));
    rig.wait(SESSION - 1);
    assert_eq!(rig.ids().len(), 2, "sessions begin with the answer");
    rig.wait(1);
    assert_eq!((rig.ids().len(), rig.state()), (0, GroupState::Empty));
}

#[test]
fn members_leave_and_the_last_one_leaves_an_empty_group_in_the_log() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    assert_eq!(rig.leave("stranger"), ErrorCode::UnknownMemberId);
    assert_eq!(rig.leave(&a), ErrorCode::None);
    assert_eq!(rig.leave(&a), ErrorCode::UnknownMemberId);
    assert_eq!(rig.beat(&b, 1), ErrorCode::RebalanceInProgress);
    assert_eq!(rig.leave(&b), ErrorCode::None);
    assert_eq!(rig.state(), GroupState::Empty);
    let written = rig.stores.pop_back().unwrap().value;
    assert_eq!((written.generation, written.members.len()), (2, 0));
    assert_eq!((written.protocol, written.leader), (None, None));
    assert_eq!(&*written.protocol_type, "consumer");
}

#[test]
fn a_member_that_leaves_while_it_waits_is_told() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.leave(&a);
    assert_eq!(rig.joined(first).error, ErrorCode::UnknownMemberId);
    rig.wait(2 * DELAY_MS);
    assert_eq!(rig.state(), GroupState::Empty);
}

#[test]
fn who_does_not_ask_for_its_assignment_in_time_is_out() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    let (b, second) = rig.join_new("b");
    rig.wait(2 * DELAY_MS);
    assert_eq!((rig.joined(first).generation, rig.joined(second).generation), (1, 1));
    let sync = rig.sync(&a, &[(&a, "A"), (&b, "B")]);
    rig.written(ErrorCode::None);
    assert_eq!(rig.synced(sync).error, ErrorCode::None);
    for _ in 0..REBALANCE_MS / SESSION_MS + 1 {
        rig.beat(&a, 1);
        rig.beat(&b, 1);
        rig.wait(SESSION - 1);
    }
    assert_eq!(rig.ids(), [a]);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
}

#[test]
fn grp_12_ids_that_are_not_used_expire_and_hold_up_a_rebalance_until_then_only() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let lost = rig.join_as(join("lost", ""));
    assert_eq!(rig.joined(lost).error, ErrorCode::MemberIdRequired);
    assert_eq!(rig.state(), GroupState::Stable, "an id alone is no member");
    rig.leave(&b);
    let again = rig.join_as(join("a", &a));
    assert!(rig.is_open(again));
    rig.wait(SESSION);
    assert_eq!(rig.joined(again).generation, 2);
    let (c, _) = rig.join_new("c");
    rig.leave(&c);
    assert_eq!(rig.leave(&c), ErrorCode::UnknownMemberId);
}

#[test]
fn an_id_that_was_given_out_can_be_given_back() {
    let mut rig = Rig::new();
    let asked = rig.join_as(join("a", ""));
    let id = rig.joined(asked).member;
    assert_eq!(rig.leave(&id), ErrorCode::None);
    let asked = rig.join_as(join("a", &id));
    assert_eq!(rig.joined(asked).error, ErrorCode::UnknownMemberId);
}

#[test]
fn grp_10_a_group_that_is_going_answers_so_that_members_keep_their_ids() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let waits = rig.join_as(join("a", &a));
    rig.act(|group, cx| group.unload(cx));
    assert_eq!(rig.joined(waits).error, ErrorCode::NotCoordinator);
    rig.group.set_dead(true);
    assert_eq!(rig.beat(&b, 1), ErrorCode::CoordinatorNotAvailable);
    let refused = rig.join_as(join("b", &b));
    assert_eq!(rig.joined(refused).error, ErrorCode::CoordinatorNotAvailable);
}

#[test]
fn a_rebalance_ends_though_nobody_joins_or_asks() {
    let mut rig = Rig::new();
    let hangs = |rig: &mut Rig| {
        rig.act(|group, cx| {
            cx.timers.arm(cx.step);
            group.hangs(cx.timers)
        })
    };
    let (a, first) = rig.join_new("a");
    assert!(!hangs(&mut rig), "it waits for those that start at the same time");
    rig.wait(2 * DELAY_MS);
    assert_eq!((rig.joined(first).leader, rig.state()), (a, GroupState::CompletingRebalance));
    assert!(!hangs(&mut rig), "it waits for the leader's assignment");
    rig.forget_deadlines();
    assert!(hangs(&mut rig), "nobody would look");
}

#[test]
fn a_rebalance_ends_when_the_last_that_is_missing_goes() {
    let mut rig = Rig::new();
    rig.join_new("a");
    assert!(!rig.group.waits_for_nobody(), "it waits for those that start at the same time");
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    assert!(!rig.group.waits_for_nobody(), "it does not rebalance");
    let again = rig.join_as(join("a", &a));
    assert!(rig.is_open(again) && !rig.group.waits_for_nobody(), "one is missing");
    let missing = rig.group.members.remove(&b).unwrap();
    assert!(rig.group.waits_for_nobody(), "nobody has looked");
    rig.group.members.insert(b.clone(), missing);
    assert_eq!(rig.leave(&b), ErrorCode::None);
    assert_eq!(rig.joined(again).generation, 2);
    assert!(!rig.group.waits_for_nobody());
}

#[test]
fn an_id_that_was_given_out_is_taken_back_when_nobody_uses_it() {
    let mut rig = Rig::new();
    let is_guarded = |rig: &mut Rig| {
        rig.act(|group, cx| {
            cx.timers.arm(cx.step);
            group.unguarded(cx.timers).is_none()
        })
    };
    let asked = rig.join_as(join("a", ""));
    assert_eq!(rig.joined(asked).error, ErrorCode::MemberIdRequired);
    assert!(is_guarded(&mut rig));
    rig.forget_deadlines();
    assert!(!is_guarded(&mut rig), "nobody would look");
}

#[test]
fn who_joins_by_the_id_that_it_was_given_has_used_it() {
    let mut rig = Rig::new();
    let asked = rig.join_as(join("a", ""));
    let id = rig.joined(asked).member;
    assert_eq!(rig.group.joined_unused(), None, "an id alone is no member");
    rig.join_as(join("a", &id));
    assert!(rig.group.members.contains_key(&id));
    assert_eq!(rig.group.joined_unused(), None);
    let until = rig.group.members[&id].expires;
    rig.group.pending.insert(id.clone(), until);
    assert_eq!(rig.group.joined_unused(), Some(&id), "the others would wait for it");
}
