//! Static members (KIP-345): they leave for a while, and find their partitions when they are back.

use super::rig::{Beat, Rig, SESSION_MS, a, alive, join, join_static};
use crate::error::ErrorCode;

fn gone_for_a_while(member: &str, instance: &str) -> Beat {
    Beat { instance: Some(instance.into()), ..alive(member, -2) }
}

#[test]
fn a_static_member_that_comes_back_gets_what_it_had_without_a_rebalance() {
    let mut rig = Rig::new(2);
    rig.beat(&join_static("x", "one"));
    assert_eq!(rig.beat(&gone_for_a_while("x", "one")).epoch, -2);
    let epoch = rig.state().group_epoch;
    let told = rig.beat(&join_static("y", "one"));
    assert_eq!((told.error, told.epoch), (ErrorCode::None, epoch));
    assert_eq!(told.assignment, Some(a(0..2)));
    assert_eq!(rig.state().group_epoch, epoch);
    assert_eq!(rig.state().members.keys().map(|id| &**id).collect::<Vec<_>>(), ["y"]);
    // the old one is nobody now
    let mut old = alive("x", 1);
    old.instance = Some("one".into());
    assert_eq!(rig.beat(&old).error, ErrorCode::FencedInstanceId);
    assert_eq!(rig.beat(&alive("x", 1)).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_name_that_is_taken_is_not_given_away() {
    let mut rig = Rig::new(2);
    rig.beat(&join_static("x", "one"));
    assert_eq!(rig.beat(&join_static("y", "one")).error, ErrorCode::UnreleasedInstanceId);
    assert_eq!(rig.beat(&join_static("x", "one")).error, ErrorCode::None, "its owner may rejoin");
    let told = rig.beat(&gone_for_a_while("y", "one"));
    assert_eq!(told.error, ErrorCode::FencedInstanceId);
    let fenced = "Static member y with instance id one was fenced by member x.";
    assert_eq!(told.message.as_deref(), Some(fenced));
    let told = rig.beat(&gone_for_a_while("x", "two"));
    assert_eq!(told.error, ErrorCode::UnknownMemberId);
    assert_eq!(told.message.as_deref(), Some("Instance id two is unknown."));
}

/// Kafka's `throwIfConsumerGroupIsFull` comes before it looks for whoever has the name.
#[test]
fn who_comes_for_the_place_of_its_name_needs_room_beside_it() {
    let mut rig = Rig::new(2);
    rig.settings.size_max = 1;
    rig.beat(&join_static("x", "one"));
    assert_eq!(rig.beat(&join_static("y", "one")).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(rig.beat(&gone_for_a_while("x", "one")).epoch, -2);
    assert_eq!(rig.beat(&join_static("y", "one")).error, ErrorCode::GroupMaxSizeReached);
    rig.settings.size_max = 2;
    assert_eq!(rig.beat(&join_static("y", "one")).error, ErrorCode::None);
    assert_eq!(rig.state().members.len(), 1);
}

#[test]
fn partitions_of_a_static_member_wait_until_its_session_ends() {
    let mut rig = Rig::new(2);
    rig.beat(&join_static("x", "one"));
    rig.beat(&gone_for_a_while("x", "one"));
    assert_eq!(rig.beat(&join("z", &["a"])).assignment, Some(vec![]));
    rig.wait(SESSION_MS - 1000);
    assert_eq!(rig.beat(&alive("z", 2)).assignment, None);
    rig.wait(2000);
    assert_eq!(rig.beat(&alive("z", 2)).assignment, Some(a(0..2)));
}

#[test]
fn tools_remove_static_members_by_name() {
    let mut rig = Rig::new(2);
    rig.beat(&join_static("x", "one"));
    let refused = rig.act(|group, cx, image| group.remove_static(cx, image, "two").err());
    assert_eq!(refused, Some(ErrorCode::UnknownMemberId));
    let drafted = rig.act(|group, cx, image| group.remove_static(cx, image, "one")).unwrap();
    assert!(drafted.state.unwrap().members.is_empty());
}

#[test]
fn a_member_is_in_no_epoch_that_its_group_has_not_got_to() {
    let mut rig = Rig::new(2);
    rig.beat(&join_static("x", "one"));
    assert_eq!(rig.group.ahead().next(), None);
    rig.group.current.assignment_epoch -= 1;
    assert_eq!(rig.group.ahead().next().map(|id| &**id), Some("x"));
    rig.group.current.assignment_epoch += 2;
    assert!(rig.group.ahead().next().is_some(), "targets are of no epoch that there was");
}
