//! A member against the mock: joining, losing its place, giving up what moves.

use super::membership::{COORDINATOR_IDS, ClassicSetup, HeartbeatSetup, MembershipSetup};
use super::tests::{delivered, fill, plan, tp};
use super::{Assignment, Assignor, Consumer, ConsumerSetup};
use crate::client::config::{ClientCosts, ConsumerConfig};
use crate::client::io::{ClientInput, Outcome};
use crate::client::mock::{Log, MS, Mock};
use crate::rng::Streams;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};

/// The only member of a group that reads three partitions with 100 records each.
fn mock(assignor: Assignor) -> Mock<Consumer> {
    member("200", MembershipSetup::Classic(classic(assignor)))
}

fn classic(assignor: Assignor) -> ClassicSetup {
    ClassicSetup {
        assignor,
        names_generation: true,
        instance: None,
        client_id: Arc::from("g-0"),
        session_timeout_ms: 2_000,
        rebalance_timeout_ms: 4_000,
        heartbeat_ns: 500 * MS,
    }
}

/// The same in the consumer protocol.
fn by_heartbeats() -> Mock<Consumer> {
    by_heartbeats_with_commits("200")
}

fn by_heartbeats_with_commits(interval_ms: &str) -> Mock<Consumer> {
    member(interval_ms, MembershipSetup::Consumer(remote()))
}

fn remote() -> HeartbeatSetup {
    HeartbeatSetup {
        member: Arc::from("m"),
        assignor: Arc::from("uniform"),
        instance: None,
        client_id: Arc::from("g-0"),
        rebalance_timeout_ms: 4_000,
        pattern: None,
        leaves_out: None,
        ahead: None,
        closes: false,
    }
}

fn member(commit_interval_ms: &str, membership: MembershipSetup) -> Mock<Consumer> {
    member_with(&[("auto.commit.interval.ms", commit_interval_ms)], membership)
}

fn member_with(keys: &[(&str, &str)], membership: MembershipSetup) -> Mock<Consumer> {
    let plan = plan(keys);
    let assign = |partition| Assignment { topic: Arc::from("t"), partition };
    let consumer = Consumer::new(ConsumerSetup {
        config: ConsumerConfig::parse(&plan).unwrap(),
        costs: ClientCosts::default(),
        bootstrap: vec![NodeId(1)],
        assignment: (0..3).map(assign).collect(),
        membership: Some(membership),
        draws: Streams::new(5).stream("client", "draws"),
    });
    let mut mock = Mock::new(consumer, 2, 3);
    mock.logs.iter_mut().for_each(|log| fill(log, 10));
    mock
}

/// Generation, member and number of partitions of each assignment.
fn shares(mock: &Mock<Consumer>) -> Vec<(i32, String, usize)> {
    let share = |outcome: &Outcome| match outcome {
        Outcome::Assigned { generation, member, partitions, .. } => {
            Some((*generation, member.to_string(), partitions.len()))
        }
        _ => None,
    };
    mock.outcomes.iter().filter_map(share).collect()
}

#[test]
fn a_member_joins_and_reads_and_commits_what_it_was_given() {
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        let mut mock = mock(assignor);
        mock.run_until(3_000 * MS);
        assert_eq!(shares(&mock), [(1, "member-1".to_owned(), 3)]);
        assert!(delivered(&mock.outcomes, 0).values().all(|end| *end == 100));
        let all: Vec<TopicPartition> = (0..3).map(tp).collect();
        assert!(all.iter().all(|tp| mock.committed[tp].0 == 100));
        assert!(mock.heartbeats >= 4, "{}", mock.heartbeats);
    }
}

#[test]
fn a_rebalance_goes_on_from_what_was_committed() {
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        let mut mock = mock(assignor);
        mock.run_until(1_000 * MS);
        mock.heartbeat_errors.push_back(ErrorCode::RebalanceInProgress);
        mock.logs.iter_mut().for_each(|log| fill(log, 1));
        mock.run_until(4_000 * MS);
        let member = "member-1".to_owned();
        assert_eq!(shares(&mock), [(1, member.clone(), 3), (2, member, 3)]);
        assert!(delivered(&mock.outcomes, 0).values().all(|end| *end == 110));
    }
}

#[test]
fn a_leader_joins_again_when_a_topic_has_grown() {
    for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
        let mut mock = mock(assignor);
        mock.run_until(1_000 * MS);
        mock.client.network.view.want_refresh();
        mock.run_until(2_000 * MS);
        let member = "member-1".to_owned();
        assert_eq!(shares(&mock), [(1, member.clone(), 3)], "it is as it was");
        let mut more = Log::default();
        (more.leader, more.epoch) = (1, 1);
        mock.logs.push(more);
        mock.client.network.view.want_refresh();
        mock.run_until(4_000 * MS);
        assert_eq!(shares(&mock), [(1, member.clone(), 3), (2, member, 3)]);
    }
}

#[test]
fn a_member_that_was_given_up_joins_as_another_one() {
    let mut mock = mock(Assignor::CooperativeSticky);
    mock.run_until(1_000 * MS);
    mock.heartbeat_errors.push_back(ErrorCode::UnknownMemberId);
    mock.run_until(4_000 * MS);
    let names: Vec<String> = shares(&mock).into_iter().map(|(_, member, _)| member).collect();
    assert_eq!(names, ["member-1", "member-2"]);
    assert!(mock.marks.contains(&"consumer: lost its membership"));
}

#[test]
fn who_does_not_poll_leaves_and_comes_back() {
    let mut mock = mock(Assignor::Range);
    mock.run_until(1_000 * MS);
    mock.input(ClientInput::Pause);
    mock.run_until(9_000 * MS);
    assert_eq!(mock.left, 1);
    mock.input(ClientInput::Resume);
    mock.run_until(12_000 * MS);
    assert_eq!(shares(&mock).len(), 2);
}

#[test]
fn an_answer_to_who_the_member_was_before_does_not_count() {
    let mut mock = mock(Assignor::Range);
    mock.run_until(1_000 * MS);
    mock.heartbeat_errors.push_back(ErrorCode::RebalanceInProgress);
    while !mock.client.membership_waits().unwrap().contains("Joining") {
        mock.run_until(mock.now_ns + MS / 10);
    }
    let joins_ns = mock.now_ns;
    mock.latency_ns = 6_000 * MS; // of the answer
    mock.run_until(joins_ns + 10 * MS);
    mock.latency_ns = 1_000 * MS;
    mock.input(ClientInput::Pause);
    mock.run_until(joins_ns + 4_050 * MS);
    mock.input(ClientInput::Resume);
    // it asks to join as somebody new when the answer to the old one comes
    mock.run_until(joins_ns + 5_900 * MS);
    assert!(
        mock.client
            .membership_waits()
            .unwrap()
            .starts_with("member \"\" of generation -1 is Joining")
    );
    mock.latency_ns = MS;
    mock.run_until(joins_ns + 12_000 * MS);
    assert_eq!(shares(&mock), [(1, "member-1".to_owned(), 3), (3, "member-2".to_owned(), 3)]);
}

/// Times and partitions of what a member in the consumer protocol said that it has.
fn owned(mock: &Mock<Consumer>) -> Vec<(i32, Vec<TopicPartition>)> {
    let said = mock.told_heartbeats.iter();
    said.filter_map(|told| Some((told.epoch, told.owned.clone()?))).collect()
}

#[test]
fn a_member_takes_what_heartbeats_tell_it_and_says_so() {
    let mut mock = by_heartbeats();
    let all: Vec<TopicPartition> = (0..3).map(tp).collect();
    mock.assignment.clone_from(&all);
    mock.run_until(3_000 * MS);
    assert_eq!(shares(&mock)[0], (1, "m".to_owned(), 3));
    assert_eq!(owned(&mock), [(0, Vec::new()), (1, all.clone())], "once each");
    assert!(delivered(&mock.outcomes, 0).values().all(|end| *end == 100));
    assert!(all.iter().all(|tp| mock.committed[tp].0 == 100));
}

#[test]
fn what_is_given_up_is_committed_first_and_said_then() {
    let mut mock = by_heartbeats_with_commits("60000");
    mock.assignment = (0..3).map(tp).collect();
    mock.run_until(1_100 * MS);
    mock.logs.iter_mut().for_each(|log| fill(log, 1));
    mock.run_until(2_000 * MS);
    assert!(mock.committed.is_empty(), "read, and not committed");
    mock.assignment = vec![tp(1)];
    mock.run_until(3_500 * MS);
    assert_eq!(mock.committed[&tp(0)].0, 110);
    assert_eq!(owned(&mock).last(), Some(&(1, vec![tp(1)])));
    mock.logs.iter_mut().for_each(|log| fill(log, 1));
    mock.run_until(5_000 * MS);
    let ends = delivered(&mock.outcomes, 0);
    assert_eq!(ends.values().copied().collect::<Vec<_>>(), [110, 120, 110]);
}

#[test]
fn a_fenced_member_gives_up_everything_and_joins_again_as_itself() {
    let mut mock = by_heartbeats();
    mock.assignment = (0..3).map(tp).collect();
    mock.run_until(1_000 * MS);
    mock.heartbeat_errors.push_back(ErrorCode::FencedMemberEpoch);
    mock.run_until(3_000 * MS);
    assert!(mock.marks.contains(&"consumer: fenced by its coordinator"));
    let released = |outcome: &Outcome| match outcome {
        Outcome::Released { partitions, .. } => partitions.len() == 3,
        _ => false,
    };
    assert!(mock.outcomes.iter().any(released));
    let said = owned(&mock);
    assert_eq!(said.last(), Some(&(2, (0..3).map(tp).collect())));
    assert!(mock.told_heartbeats.iter().all(|told| &*told.member == "m"));
}

#[test]
fn an_error_that_ends_javas_consumer_makes_another_member_of_it() {
    let mut mock = by_heartbeats();
    mock.heartbeat_errors.push_back(ErrorCode::UnreleasedInstanceId);
    mock.assignment = vec![tp(0)];
    mock.run_until(2_000 * MS);
    assert_eq!(shares(&mock)[0], (1, "m+2".to_owned(), 1));
}

#[test]
fn who_does_not_poll_steps_out_by_a_heartbeat() {
    let mut mock = by_heartbeats();
    mock.assignment = (0..3).map(tp).collect();
    mock.run_until(1_000 * MS);
    mock.input(ClientInput::Pause);
    mock.run_until(9_000 * MS);
    assert_eq!(mock.left, 1);
    let quiet = mock.heartbeats;
    mock.run_until(12_000 * MS);
    assert_eq!(mock.heartbeats, quiet);
    mock.input(ClientInput::Resume);
    mock.run_until(14_000 * MS);
    assert_eq!(owned(&mock).last(), Some(&(2, (0..3).map(tp).collect())));
}

#[test]
fn only_what_the_coordinator_knows_is_held() {
    let mut mock = by_heartbeats();
    mock.assignment = (0..3).map(tp).collect();
    mock.run_until(1_000 * MS);
    let held = |outcome: &Outcome| match outcome {
        Outcome::Holds { partitions, .. } => Some(partitions.len()),
        _ => None,
    };
    let held: Vec<usize> = mock.outcomes.iter().filter_map(held).collect();
    assert_eq!(held[..2], [0, 3], "at first it has not said that it has anything");
}

/// Members of both protocols, without and with an instance id. No session ends before a test does.
fn of_each_kind() -> [MembershipSetup; 4] {
    let instance = Some(Arc::<str>::from("i"));
    let classic = classic(Assignor::CooperativeSticky);
    let classic = ClassicSetup { session_timeout_ms: 30_000, ..classic };
    [
        MembershipSetup::Classic(classic.clone()),
        MembershipSetup::Classic(ClassicSetup { instance: instance.clone(), ..classic }),
        MembershipSetup::Consumer(remote()),
        MembershipSetup::Consumer(HeartbeatSetup { instance, ..remote() }),
    ]
}

/// The connection to a coordinator.
fn link(node: i32) -> NodeId {
    NodeId(COORDINATOR_IDS - node)
}

#[test]
fn a_coordinator_whose_idle_connection_fails_is_looked_for() {
    for setup in of_each_kind() {
        let mut mock = member("200", setup.clone());
        mock.run_until(1_000 * MS);
        let (connects, heartbeats) = (mock.connects.len(), mock.heartbeats);
        mock.coordinator = 2;
        mock.disconnect(link(1).0);
        mock.run_until(2_000 * MS);
        let since: Vec<NodeId> = mock.connects[connects..].iter().map(|(_, node)| *node).collect();
        assert_eq!(since, [link(2)], "{setup:?}");
        assert!(mock.heartbeats > heartbeats, "{setup:?}");
    }
}

/// It waited until it might connect again, though the coordinator had moved meanwhile.
#[test]
fn a_coordinator_that_is_found_where_no_connection_is_tried_yet_is_looked_for_again() {
    let keys = [
        ("auto.commit.interval.ms", "200"),
        ("reconnect.backoff.ms", "10000"),
        ("reconnect.backoff.max.ms", "10000"),
        ("retry.backoff.max.ms", "100"),
    ];
    for setup in of_each_kind() {
        let mut mock = member_with(&keys, setup.clone());
        mock.run_until(1_000 * MS);
        mock.disconnect(link(1).0);
        mock.run_until(2_000 * MS);
        let heartbeats = mock.heartbeats;
        mock.coordinator = 2;
        mock.run_until(2_500 * MS);
        assert!(mock.heartbeats > heartbeats, "{setup:?}");
    }
}
