//! A member against the mock: joining, losing its place, giving up what moves.

use super::membership::MembershipSetup;
use super::tests::{delivered, fill, plan, tp};
use super::{Assignment, Consumer, ConsumerSetup};
use crate::client::config::{ClientCosts, ConsumerConfig};
use crate::client::io::{ClientInput, Outcome};
use crate::client::mock::{MS, Mock};
use crate::rng::Streams;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_scenarios::plan::Assignor;

/// The only member of a group that reads three partitions with 100 records each.
fn mock(assignor: Assignor) -> Mock<Consumer> {
    let plan = plan(&[("auto.commit.interval.ms", "200")]);
    let assign = |partition| Assignment { topic: Arc::from("t"), partition };
    let consumer = Consumer::new(ConsumerSetup {
        config: ConsumerConfig::parse(&plan).unwrap(),
        costs: ClientCosts::default(),
        bootstrap: vec![NodeId(1)],
        assignment: (0..3).map(assign).collect(),
        membership: Some(MembershipSetup {
            assignor,
            instance: None,
            client_id: Arc::from("g-0"),
            session_timeout_ms: 2_000,
            rebalance_timeout_ms: 4_000,
            heartbeat_ns: 500 * MS,
        }),
        draws: Streams::new(5).stream("client", "draws"),
    });
    let mut mock = Mock::new(consumer, 2, 3);
    mock.logs.iter_mut().for_each(|log| fill(log, 10));
    mock
}

/// Generation, member and number of partitions of each assignment.
fn shares(mock: &Mock<Consumer>) -> Vec<(i32, String, usize)> {
    let share = |outcome: &Outcome| match outcome {
        Outcome::Assigned { generation, member, partitions } => {
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
