//! From the first member to the assignment, and from one generation to the next.

use super::super::CommitBy;
use super::rig::{DELAY_MS, REBALANCE_MS, Rig, SESSION_MS, join, join_with};
use crate::error::ErrorCode;
use crate::protocol::{GroupState, JoinGroupRequest};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn the_first_rebalance_waits_for_more_members_and_the_first_of_them_leads() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.wait(DELAY_MS - 1);
    let (b, second) = rig.join_new("b");
    rig.wait(1);
    assert!(rig.is_open(first), "another member came while it was put off");
    rig.wait(DELAY_MS);
    let leader = rig.joined(first);
    assert_eq!((leader.error, leader.generation), (ErrorCode::None, 1));
    assert_eq!((&leader.leader, leader.protocol.as_deref()), (&a, Some("range")));
    let listed: Vec<_> = leader.members.iter().map(|m| (&m.member, &m.metadata[..])).collect();
    let mut expected = vec![(&a, &b"topics"[..]), (&b, b"topics")];
    expected.sort();
    assert_eq!(listed, expected);
    let other = rig.joined(second);
    assert_eq!((other.generation, &other.leader), (1, &a));
    assert!(other.members.is_empty(), "only the leader is told who the members are");
}

#[test]
fn a_first_rebalance_is_not_put_off_for_longer_than_members_may_take() {
    let mut rig = Rig::new();
    let (_, first) = rig.join_new("a");
    let mut waited = 0;
    while rig.is_open(first) {
        rig.join_new("more");
        rig.wait(DELAY_MS - 1);
        waited += DELAY_MS - 1;
        assert!(waited <= u64::try_from(REBALANCE_MS).unwrap() + DELAY_MS);
    }
}

#[test]
fn grp_16_assignments_are_handed_out_once_the_log_has_them() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.wait(2 * DELAY_MS);
    rig.joined(first);
    let sync = rig.sync(&a, &[(&a, "A")]);
    assert!(rig.is_open(sync));
    let written = &rig.stores[0].value;
    assert_eq!((&written.members[0].assignment[..], written.generation), (&b"A"[..], 1));
    rig.written(ErrorCode::None);
    assert_eq!(rig.synced(sync).assignment, "A");
}

#[test]
fn a_write_that_fails_makes_members_join_again() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.wait(2 * DELAY_MS);
    rig.joined(first);
    let sync = rig.sync(&a, &[(&a, "A")]);
    rig.written(ErrorCode::CoordinatorNotAvailable);
    assert_eq!(rig.synced(sync).error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let again = rig.join_as(join("a", &a));
    assert_eq!(rig.joined(again).generation, 2);
}

#[test]
fn a_write_of_a_generation_that_is_over_hands_out_nothing() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.wait(2 * DELAY_MS);
    rig.joined(first);
    let sync = rig.sync(&a, &[(&a, "A")]);
    let (b, second) = rig.join_new("b");
    assert_eq!(rig.synced(sync).error, ErrorCode::RebalanceInProgress);
    rig.written(ErrorCode::None);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let again = rig.join_as(join("a", &a));
    assert_eq!((rig.joined(again).generation, rig.joined(second).generation), (2, 2));
    rig.settle(&a, &b);
}

#[test]
fn members_hear_of_a_rebalance_by_heartbeat_and_the_rest_go_on_without_those_that_stay_away() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let (c, third) = rig.join_new("c");
    assert_eq!(rig.beat(&a, 1), ErrorCode::RebalanceInProgress);
    let again = rig.join_as(join("b", &b));
    for _ in 0..REBALANCE_MS / SESSION_MS + 1 {
        rig.beat(&a, 1);
        rig.wait(u64::try_from(SESSION_MS).unwrap() - 1);
    }
    assert_eq!(rig.joined(third).generation, 2);
    assert_ne!(rig.joined(again).leader, a, "it did not join again in time");
    assert_eq!(rig.beat(&a, 1), ErrorCode::UnknownMemberId);
    let mut ids = vec![b, c];
    ids.sort();
    assert_eq!(rig.ids(), ids);
}

#[test]
fn joining_again_unchanged_is_answered_at_once_unless_the_leader_does() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let again = rig.join_as(join("b", &b));
    assert_eq!((rig.joined(again).generation, rig.state()), (1, GroupState::Stable));
    let again = rig.join_as(join("a", &a));
    assert!(rig.is_open(again), "a leader that joins wants another assignment");
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
}

#[test]
fn an_answer_that_was_lost_between_join_and_sync_is_given_again() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    rig.wait(2 * DELAY_MS);
    assert_eq!(rig.joined(first).generation, 1);
    let again = rig.join_as(join("a", &a));
    let again = rig.joined(again);
    assert_eq!((again.generation, again.members.len()), (1, 1));
    let other = rig.join_as(join_with("a", &a, &["roundrobin", "range"]));
    assert_eq!(rig.joined(other).protocol.as_deref(), Some("roundrobin"));
    assert_eq!(rig.generation(), 2);
}

#[test]
fn the_protocol_is_one_that_all_support_and_most_prefer() {
    let mut rig = Rig::new();
    let ask = |rig: &mut Rig, client, protocols: &[&str]| {
        let mut request = join_with(client, "", protocols);
        request.requires_known_member = false;
        rig.join_as(request)
    };
    let first = ask(&mut rig, "a", &["sticky", "range", "roundrobin"]);
    ask(&mut rig, "b", &["range", "roundrobin"]);
    ask(&mut rig, "c", &["roundrobin", "range", "sticky"]);
    ask(&mut rig, "d", &["roundrobin", "range"]);
    let lonely = ask(&mut rig, "e", &["sticky"]);
    assert_eq!(rig.joined(lonely).error, ErrorCode::InconsistentGroupProtocol);
    let mut connect = join("f", "");
    connect.protocol_type = "connect".into();
    let refused = rig.join_as(connect);
    assert_eq!(rig.joined(refused).error, ErrorCode::InconsistentGroupProtocol);
    rig.wait(2 * DELAY_MS);
    // two votes each: the leader prefers range
    assert_eq!(rig.joined(first).protocol.as_deref(), Some("range"));
}

#[test]
fn a_full_group_takes_nobody() {
    let mut rig = Rig::new();
    let (a, _) = rig.stable();
    let refused = rig.join_of(join("c", ""), 2);
    assert_eq!(rig.joined(refused).error, ErrorCode::GroupMaxSizeReached);
    let again = rig.join_of(join("a", &a), 2);
    assert!(rig.is_open(again), "members stay");
}

#[test]
fn who_finds_no_room_in_a_rebalance_is_a_member_no_longer() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let first = rig.join_of(join("a", &a), 1);
    let refused = rig.join_of(join("b", &b), 1);
    let refused = rig.joined(refused);
    assert_eq!((refused.error, &*refused.member), (ErrorCode::GroupMaxSizeReached, ""));
    assert_eq!(rig.beat(&b, 1), ErrorCode::UnknownMemberId);
    assert_eq!(rig.joined(first).generation, 2, "nobody is missing");
    assert_eq!(rig.ids(), [a]);
}

#[test]
fn an_id_that_finds_no_room_is_not_waited_for() {
    let mut rig = Rig::new();
    let (a, b) = rig.stable();
    let asked = rig.join_as(join("c", ""));
    let c = rig.joined(asked).member;
    let (first, second) = (rig.join_as(join("a", &a)), rig.join_as(join("b", &b)));
    assert!(rig.is_open(first) && rig.is_open(second), "it may come yet");
    let refused = rig.join_of(join("c", &c), 2);
    assert_eq!(rig.joined(refused).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!((rig.joined(first).generation, rig.joined(second).generation), (2, 2));
}

#[test]
fn what_a_sync_says_must_fit() {
    let mut rig = Rig::new();
    let (a, _) = rig.stable();
    let request = |member: &Arc<str>, generation, kind: &str| crate::protocol::SyncGroupRequest {
        group: "billing".into(),
        generation,
        member: Arc::clone(member),
        instance: None,
        protocol_type: Some(kind.into()),
        protocol: Some("range".into()),
        assignments: Vec::new(),
    };
    let stranger = "stranger".into();
    let cases = [
        (request(&stranger, 1, "consumer"), ErrorCode::UnknownMemberId),
        (request(&a, 7, "consumer"), ErrorCode::IllegalGeneration),
        (request(&a, 1, "connect"), ErrorCode::InconsistentGroupProtocol),
        (request(&a, 1, "consumer"), ErrorCode::None),
    ];
    for (request, error) in cases {
        let asked = rig.sync_as(request);
        assert_eq!(rig.synced(asked).error, error);
    }
    rig.join_new("c");
    let asked = rig.sync_as(request(&a, 1, "consumer"));
    assert_eq!(rig.synced(asked).error, ErrorCode::RebalanceInProgress);
}

#[test]
fn who_waits_under_the_same_name_before_is_not_left_hanging() {
    let mut rig = Rig::new();
    let (a, first) = rig.join_new("a");
    let second = rig.join_as(join("a", &a));
    assert_eq!(rig.joined(first).error, ErrorCode::RebalanceInProgress);
    rig.wait(2 * DELAY_MS);
    assert_eq!(rig.joined(second).error, ErrorCode::None);
}

#[test]
fn commits_are_taken_from_members_of_this_generation() {
    let mut rig = Rig::new();
    let check = |rig: &mut Rig, generation: i32, member: &str| {
        let member = member.into();
        rig.act(|group, cx| group.check_commit(cx, generation, (&member, None), CommitBy::Member))
    };
    assert_eq!(check(&mut rig, -1, ""), Ok(()), "positions need no members");
    let (a, b) = rig.stable();
    assert_eq!(check(&mut rig, 1, &a), Ok(()));
    assert_eq!(check(&mut rig, 0, &a), Err(ErrorCode::IllegalGeneration));
    assert_eq!(check(&mut rig, -1, ""), Err(ErrorCode::UnknownMemberId));
    let (_, third) = rig.join_new("c");
    assert_eq!(check(&mut rig, 1, &a), Ok(()), "before it joins again");
    rig.join_as(join("a", &a));
    rig.join_as(join("b", &b));
    assert_eq!(rig.joined(third).generation, 2);
    assert_eq!(check(&mut rig, 1, &a), Err(ErrorCode::IllegalGeneration));
    assert_eq!(check(&mut rig, 2, &a), Err(ErrorCode::RebalanceInProgress));
    let (generation, member) = (2, Arc::clone(&a));
    let by_producer = rig
        .act(|group, cx| group.check_commit(cx, generation, (&member, None), CommitBy::Producer));
    assert_eq!(by_producer, Ok(()), "KIP-447: producers wait for no rebalance");
}

/// `ClassicGroup.isSubscribedToTopic`, `validateOffsetDelete`.
#[test]
fn what_members_read_may_be_anything_where_it_cannot_be_known() {
    type Known = Result<Option<BTreeSet<Arc<str>>>, ErrorCode>;
    let others: Known = Err(ErrorCode::NonEmptyGroup);
    let unknown: Known = Ok(None);
    let reads_t: Known = Ok(Some(BTreeSet::from(["t".into()])));
    // version 0, one topic, no user data
    let subscription: &'static [u8] = b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff";
    let nonsense: &'static [u8] = b"?";
    for (kind, metadata, before, after) in [
        ("consumer", subscription, &unknown, &reads_t),
        ("consumer", nonsense, &unknown, &unknown),
        ("connect", nonsense, &others, &others),
    ] {
        let mut rig = Rig::new();
        assert_eq!(rig.group.subscriptions(), Ok(Some(BTreeSet::new())), "it has no members");
        rig.join_as(JoinGroupRequest {
            protocol_type: kind.into(),
            protocols: vec![("range".into(), bytes::Bytes::from_static(metadata))],
            requires_known_member: false,
            ..join("a", "")
        });
        assert_eq!(rig.group.subscriptions(), *before, "no protocol is chosen yet");
        rig.wait(DELAY_MS);
        assert_eq!(rig.group.subscriptions(), *after);
    }
}
