//! Epochs: who joins, who must give up what, and who is fenced.

use super::rig::{
    Beat, REBALANCE_MS, Rig, SESSION_MS, a, alive, change_of, join, join_static, owns,
};
use crate::error::ErrorCode;
use crate::group::consumer::state::{Change, Current, GroupEpoch};
use crate::ids::ConnectionId;
use crate::protocol::ConsumerGroupState;
use std::sync::Arc;

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut rig = Rig::new(3);
    let told = rig.beat(&join("x", &["a"]));
    assert_eq!((told.error, told.epoch), (ErrorCode::None, 1));
    assert_eq!(told.heartbeat_interval_ms, 5000);
    assert_eq!(told.assignment, Some(a(0..3)));
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Stable);
    let told = rig.beat(&alive("x", 1));
    assert_eq!((told.epoch, told.assignment), (1, None), "nothing new is not told");
}

#[test]
fn an_answer_waits_for_the_log() {
    let mut rig = Rig::new(3);
    let asked = rig.send(&join("x", &["a"]));
    assert!(rig.answers.is_empty());
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Empty, "tools see what is confirmed");
    // what is said after it waits, too, although it changes nothing
    let again = rig.send(&alive("x", 1));
    assert!(rig.answers.is_empty());
    rig.confirm();
    assert_eq!(rig.answers[&asked].epoch, 1);
    assert_eq!(rig.answers[&again].epoch, 1);
}

#[test]
fn a_change_that_the_log_refuses_has_not_happened() {
    let mut rig = Rig::new(3);
    rig.refuses = true;
    let told = rig.beat(&join("x", &["a"]));
    assert_eq!(told.error, ErrorCode::CoordinatorNotAvailable);
    assert!(rig.state().members.is_empty());
    rig.refuses = false;
    assert_eq!(rig.beat(&join("x", &["a"])).epoch, 1);
}

#[test]
fn after_an_append_that_took_too_long_the_log_must_show_that_it_goes_on() {
    let mut rig = Rig::new(3);
    let asked = rig.send(&join("x", &["a"]));
    rig.time_out();
    let told = rig.answers.remove(&asked).unwrap();
    assert_eq!(told.error, ErrorCode::CoordinatorNotAvailable);
    // the log has the member all the same; whether it keeps it is not known
    let asked = rig.send(&alive("x", 1));
    assert!(rig.answers.is_empty());
    rig.confirm();
    assert_eq!(rig.answers[&asked].epoch, 1);
    assert_eq!(rig.committed(), rig.state());
}

#[test]
fn a_second_member_waits_for_what_the_first_must_give_up() {
    let mut rig = Rig::new(4);
    rig.beat(&join("x", &["a"]));
    let told = rig.beat(&join("y", &["a"]));
    assert_eq!((told.epoch, told.assignment), (2, Some(vec![])));
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Reconciling);
    let told = rig.beat(&owns("x", 1, &a(0..4)));
    assert_eq!((told.epoch, told.assignment), (1, Some(a(0..2))), "it keeps its epoch until then");
    assert_eq!(rig.beat(&alive("y", 2)).assignment, None);
    // it has not given anything up yet
    let told = rig.beat(&owns("x", 1, &a(0..4)));
    assert_eq!((told.epoch, told.assignment), (1, None));
    assert_eq!(rig.beat(&owns("x", 1, &a(0..2))).epoch, 2);
    assert_eq!(rig.beat(&alive("y", 2)).assignment, Some(a(2..4)));
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Stable);
}

/// Hunt seed 23011818: what had become free meanwhile was given to a heartbeat that came late, after its client had
/// given it up and asked again. Nobody heard of that, and nobody read it.
#[test]
fn who_was_heard_on_another_connection_is_told_what_it_has() {
    let mut rig = Rig::new(4);
    rig.beat(&join("x", &["a"]));
    rig.beat(&join("y", &["a"]));
    let first = std::mem::replace(&mut rig.conn, ConnectionId(2));
    let full = Beat { epoch: 2, ..join("y", &["a"]) };
    assert_eq!(rig.beat(&full).assignment, Some(vec![]));
    rig.beat(&owns("x", 1, &a(0..4)));
    rig.beat(&owns("x", 1, &a(0..2)));
    let second = std::mem::replace(&mut rig.conn, first);
    assert_eq!(rig.beat(&alive("y", 2)).assignment, Some(a(2..4)), "too late");
    rig.conn = second;
    assert_eq!(rig.beat(&alive("y", 2)).assignment, Some(a(2..4)));
    assert_eq!(rig.beat(&alive("y", 2)).assignment, None);
}

#[test]
fn a_member_that_leaves_makes_room() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    rig.beat(&join("y", &["a"]));
    rig.beat(&owns("x", 1, &a(0..2)));
    rig.beat(&owns("x", 1, &a(0..1)));
    rig.beat(&alive("y", 2));
    assert_eq!(rig.beat(&alive("x", -1)).epoch, -1);
    let told = rig.beat(&alive("y", 2));
    assert_eq!((told.epoch, told.assignment), (3, Some(a(0..2))));
    rig.beat(&alive("y", -1));
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Empty);
    assert_eq!(rig.state().group_epoch, rig.state().assignment_epoch, "KAFKA-20442");
    let told = rig.beat(&alive("y", -1));
    assert_eq!(told.error, ErrorCode::UnknownMemberId);
}

#[test]
fn wrong_epochs_are_fenced() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    rig.beat(&join("y", &["a"]));
    rig.beat(&owns("x", 1, &a(0..2)));
    rig.beat(&owns("x", 1, &a(0..1)));
    let error = |rig: &mut Rig, beat| rig.beat(&beat).error;
    assert_eq!(error(&mut rig, alive("x", 7)), ErrorCode::FencedMemberEpoch);
    assert_eq!(error(&mut rig, alive("x", 1)), ErrorCode::FencedMemberEpoch);
    assert_eq!(error(&mut rig, alive("z", 1)), ErrorCode::UnknownMemberId);
    // it may not have heard of its new epoch, but then it has nothing that it may not have
    assert_eq!(error(&mut rig, owns("x", 1, &a(0..2))), ErrorCode::FencedMemberEpoch);
    let told = rig.beat(&owns("x", 1, &a(0..1)));
    assert_eq!((told.error, told.epoch), (ErrorCode::None, 2));
    // who was fenced joins again under its name (KAFKA-19233)
    let told = rig.beat(&join("x", &["a"]));
    assert_eq!((told.epoch, told.assignment), (2, Some(a(0..1))));
}

/// Hunt seed 9014942: of its log, the newest records were lost, and what they replaced was cleaned.
#[test]
fn a_group_without_an_epoch_shares_out_although_nobody_is_new() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    let nothing = Change::Current("x".into(), Some(Current::default()));
    for lost in
        [Change::Group(None), Change::TargetEpoch(None), Change::Target("x".into(), None), nothing]
    {
        rig.group.replay(&lost);
    }
    assert_eq!(rig.beat(&alive("x", 1)).error, ErrorCode::FencedMemberEpoch);
    let told = rig.beat(&join("x", &["a"]));
    assert_eq!((told.epoch, told.assignment), (1, Some(a(0..2))));
}

/// Hunt seed 12000734: the log of its coordinator has lost that `x` has left, before `y` came.
#[test]
fn a_member_that_is_back_gets_nothing_that_another_has_in_the_same_epoch() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    let x = Arc::clone(&rig.state().members["x"]);
    rig.beat(&alive("x", -1));
    let last = rig.beat(&join("y", &["a"])).epoch;
    let y = rig.state().members["y"].current.clone();
    let target = x.current.assigned.clone();
    rig.group.replay(&Change::Member("x".into(), Some(x.subscription.clone())));
    rig.group.replay(&Change::Target("x".into(), Some(Arc::new(target))));
    rig.group.replay(&Change::Current("x".into(), Some(x.current.clone())));
    let mut error = |epoch: i32| {
        rig.group.replay(&Change::Current("y".into(), Some(Current { epoch, ..y.clone() })));
        rig.beat(&join("x", &["a"])).error
    };
    assert_eq!(error(last), ErrorCode::UnknownServerError);
    assert_eq!(error(last - 1), ErrorCode::None, "of one that is behind, as in Kafka");
}

#[test]
fn silence_ends_a_session_and_slowness_a_rebalance() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    rig.wait(SESSION_MS - 1);
    rig.beat(&alive("x", 1));
    rig.wait(SESSION_MS - 1);
    assert_eq!(rig.beat(&alive("x", 1)).epoch, 1);
    rig.beat(&join("y", &["a"]));
    rig.beat(&owns("x", 1, &a(0..2)));
    // alive, but it does not give up its partition
    for _ in 0..4 {
        rig.wait(u64::from(REBALANCE_MS.unsigned_abs()) / 4 - 1);
        rig.beat(&owns("x", 1, &a(0..2)));
        rig.beat(&alive("y", 2));
    }
    assert_eq!(rig.beat(&alive("y", 2)).assignment, None);
    rig.wait(4);
    assert_eq!(rig.beat(&alive("x", 1)).error, ErrorCode::UnknownMemberId);
    assert_eq!(rig.beat(&alive("y", 2)).assignment, Some(a(0..2)));
    rig.wait(SESSION_MS);
    rig.confirm();
    assert_eq!(rig.group.shown_state(), ConsumerGroupState::Empty);
}

#[test]
fn who_gives_nothing_up_goes_although_the_log_took_nothing_at_first() {
    let mut rig = Rig::new(4);
    rig.beat(&join("x", &["a"]));
    rig.beat(&join("y", &["a"]));
    rig.beat(&owns("x", 1, &a(0..4)));
    rig.refuses = true;
    rig.wait(u64::from(REBALANCE_MS.unsigned_abs()) + 10);
    rig.refuses = false;
    assert_eq!(rig.beat(&alive("x", 1)).epoch, 1, "it is alive");
    rig.wait(600);
    assert_eq!(rig.beat(&alive("x", 1)).error, ErrorCode::UnknownMemberId);
}

#[test]
fn nothing_is_kept_of_members_that_fell_silent() {
    let mut rig = Rig::new(2);
    for member in ["x", "y", "z"] {
        rig.beat(&join(member, &["a"]));
        rig.wait(SESSION_MS + 1);
        rig.confirm();
    }
    assert!(rig.state().members.is_empty());
    assert!(!rig.keeps_deadlines());
}

#[test]
fn a_member_that_the_log_does_not_let_go_is_tried_again() {
    let mut rig = Rig::new(1);
    rig.beat(&join("x", &["a"]));
    rig.refuses = true;
    rig.wait(SESSION_MS + 100);
    assert_eq!(rig.state().members.len(), 1);
    rig.refuses = false;
    rig.wait(1000);
    assert!(rig.state().members.is_empty());
}

#[test]
fn new_partitions_and_topics_make_the_group_think_again() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.beat(&join("x", &["a", "b"])).assignment, Some(a(0..2)));
    rig.grow(1, 2..3);
    let told = rig.beat(&alive("x", 1));
    assert_eq!((told.epoch, told.assignment), (2, Some(a(0..3))));
    rig.create("b", 2, 1);
    let told = rig.beat(&alive("x", 2));
    assert_eq!((told.epoch, told.assignment.map(|list| list.len())), (3, Some(4)));
}

/// KIP-1101: clients that read from the replica in their rack may be given others then.
#[test]
fn replicas_in_other_racks_make_the_group_think_again() {
    let mut rig = Rig::new(2);
    for (broker, rack) in [(1, "az-a"), (2, "az-b"), (3, "az-a")] {
        rig.register(broker, rack);
    }
    rig.beat(&join("x", &["a"]));
    rig.place(0, &[3]);
    assert_eq!(rig.beat(&alive("x", 1)).epoch, 1, "another broker in the same rack");
    rig.place(0, &[2]);
    assert_eq!(rig.beat(&alive("x", 1)).epoch, 2);
    assert_eq!(rig.beat(&alive("x", 2)).epoch, 2, "once");
    rig.register(2, "az-c");
    assert_eq!(rig.beat(&alive("x", 2)).epoch, 3);
    rig.register(2, "az-c");
    assert_eq!(rig.beat(&alive("x", 3)).epoch, 3, "only started anew");
}

/// Up to Kafka 4.0 the log has topics with their sizes, and no hash of them.
#[test]
fn what_older_versions_say_of_topics_goes_with_the_next_look() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    let is_of_topics = |rig: &Rig| {
        rig.log.iter().any(|(_, record)| matches!(change_of(record), Change::Topics(_)))
    };
    assert!(!is_of_topics(&rig));
    let old = GroupEpoch { epoch: 1, metadata_hash: 0 };
    rig.group.replay(&Change::Group(Some(old)));
    rig.group.replay(&Change::Topics(Some(())));
    rig.group.topic_changed("a");
    let told = rig.beat(&alive("x", 1));
    assert_eq!((told.error, told.epoch), (ErrorCode::None, 2));
    assert!(is_of_topics(&rig) && !rig.state().has_topics_record);
}

#[test]
fn a_regular_expression_reads_topics_that_come() {
    let mut rig = Rig::new(1);
    let by = |regex: &str| {
        let mut beat = join("x", &[]);
        (beat.topics, beat.regex) = (None, Some(regex.into()));
        beat
    };
    assert_eq!(rig.beat(&by("a(")).error, ErrorCode::InvalidRegularExpression);
    assert_eq!(rig.beat(&by("[ab]")).assignment, Some(a(0..1)));
    rig.create("ab", 3, 5);
    assert_eq!(rig.beat(&alive("x", 1)).assignment, None, "a whole name must match");
    rig.create("b", 2, 2);
    assert_eq!(rig.beat(&alive("x", 1)).assignment.map(|list| list.len()), Some(3));
    rig.beat(&alive("x", -1));
    assert!(rig.state().regexes.is_empty() && rig.state().metadata_hash == 0);
}

#[test]
fn regular_expressions_are_compiled_as_long_as_somebody_reads_by_them() {
    let mut rig = Rig::new(1);
    let mut beat = join("x", &[]);
    (beat.topics, beat.regex) = (None, Some("[ab]".into()));
    rig.beat(&beat);
    let compiled = |rig: &Rig| -> Vec<String> {
        rig.group.patterns.keys().map(|regex| regex.to_string()).collect()
    };
    assert_eq!(compiled(&rig), ["[ab]"]);
    (beat.member, beat.regex) = ("y".into(), Some("b".into()));
    let joined = rig.beat(&beat);
    assert_eq!(compiled(&rig), ["[ab]", "b"]);
    rig.beat(&alive("x", -1));
    rig.create("b", 2, 2);
    let told = rig.beat(&alive("y", joined.epoch));
    assert_eq!(told.assignment.map(|list| list.len()), Some(2), "it reads what has come");
    assert_eq!(compiled(&rig), ["b"]);
}

#[test]
fn a_group_has_only_so_many_members() {
    let mut rig = Rig::new(1);
    rig.settings.size_max = 1;
    rig.beat(&join("x", &["a"]));
    assert_eq!(rig.beat(&join("y", &["a"])).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(rig.beat(&alive("x", 1)).error, ErrorCode::None);
    // who was fenced may find its place taken (`throwIfConsumerGroupIsFull`)
    assert_eq!(rig.beat(&alive("y", 1)).error, ErrorCode::GroupMaxSizeReached);
    let named = |epoch| Beat { instance: Some("one".into()), ..alive("y", epoch) };
    assert_eq!(rig.beat(&named(1)).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(rig.beat(&named(-1)).error, ErrorCode::UnknownMemberId, "it goes");
    assert_eq!(rig.beat(&join_static("x", "one")).error, ErrorCode::None, "it has its place");
}

/// `GroupMetadataManager.hasMemberSubscriptionChanged`: so in Kafka, where consumers may be members all the same.
#[test]
fn who_comes_and_reads_nothing_makes_no_new_epoch() {
    let mut rig = Rig::new(2);
    rig.beat(&join("x", &["a"]));
    let told = rig.beat(&join("y", &[]));
    assert_eq!((told.error, told.epoch, told.assignment), (ErrorCode::None, 1, Some(vec![])));
    assert_eq!(rig.state().group_epoch, 1);
    assert_eq!(rig.beat(&alive("y", 1)).epoch, 1);
    let reads = Beat { topics: Some(vec!["a".into()]), ..alive("y", 1) };
    assert_eq!(rig.beat(&reads).epoch, 2);
}

/// Kafka's `GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid` and `GroupMetadataManager`.
#[test]
fn refusals_say_what_is_wrong() {
    let mut rig = Rig::new(1);
    rig.beat(&join("x", &["a"]));
    let mut why = |beat: Beat| {
        let told = rig.beat(&beat);
        (told.error, told.message.map(|message| message.to_string()).unwrap_or_default())
    };
    let unknown = ErrorCode::UnknownMemberId;
    let nobody = "Member z is not a member of group billing.".to_owned();
    assert_eq!(why(alive("z", 1)), (unknown, nobody.clone()));
    assert_eq!(why(alive("z", -1)), (unknown, nobody));
    let too_low = "MemberEpoch is -3, but must be greater than or equal to -2.".to_owned();
    assert_eq!(why(alive("x", -3)), (ErrorCode::InvalidRequest, too_low));
    let nameless = "MemberId can't be empty.".to_owned();
    let blank = Beat { group: "".into(), ..alive("", 1) };
    assert_eq!(why(blank), (ErrorCode::InvalidRequest, nameless), "the group comes after it");
    // version 0, whose clients have their ids from the coordinator
    let away = Beat { instance: Some("one".into()), makes_member_id: false, ..alive("", -2) };
    assert_eq!(why(away), (unknown, "Instance id one is unknown.".to_owned()));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut rig = Rig::new(1);
    let mut without_topics = join("x", &[]);
    without_topics.topics = None;
    let mut without_timeout = join("x", &["a"]);
    without_timeout.rebalance_timeout_ms = -1;
    let mut with_partitions = join("x", &["a"]);
    with_partitions.owned = Some(a(0..1));
    let mut nameless = join("", &["a"]);
    for beat in [&without_topics, &without_timeout, &with_partitions, &nameless, &alive("x", -3)] {
        assert_eq!(rig.beat(beat).error, ErrorCode::InvalidRequest, "{beat:?}");
    }
    nameless.makes_member_id = false;
    assert!(rig.beat(&nameless).member.is_some_and(|id| !id.is_empty()));
    let mut foreign = join("y", &["a"]);
    foreign.assignor = Some("sticky".into());
    assert_eq!(rig.beat(&foreign).error, ErrorCode::UnsupportedAssignor);
}

#[test]
fn commits_need_the_epoch_of_the_member() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.group.check_commit("", -1, true), Ok(()));
    rig.beat(&join("x", &["a"]));
    assert_eq!(rig.group.check_commit("x", 1, true), Ok(()));
    assert_eq!(rig.group.check_commit("x", 0, true), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(rig.group.check_commit("y", 1, true), Err(ErrorCode::UnknownMemberId));
    assert_eq!(rig.group.check_commit("", -1, true), Err(ErrorCode::UnknownMemberId));
    assert_eq!(rig.group.check_commit("x", 1, false), Err(ErrorCode::UnsupportedVersion));
    assert_eq!(rig.group.check_commit("y", 1, false), Err(ErrorCode::UnknownMemberId));
    assert_eq!(rig.group.check_fetch("x", 1), Ok(()));
    assert_eq!(rig.group.check_fetch("x", 2), Err(ErrorCode::StaleMemberEpoch));
}
