//! Partitions that nobody leads are looked at now and then (KAFKA-12670), and whose config says that
//! a replica outside the ISR may lead.

use super::rig::{Rig, SECOND, nodes};
use crate::controller::Controller;
use crate::controller::elections::Election;
use crate::error::ErrorCode;
use crate::ids::{TopicId, TopicPartition};
use crate::protocol::{
    AlterConfigsRequest, AlteredResource, ConfigChange, ConfigOp, ConfigTarget,
    DeleteTopicsRequest, Placement, Request, Response, TopicRef,
};
use crate::raft::Raft;
use crate::raft::tests::{Solo, config};
use crate::time::{Duration, Instant};

const MINUTES_5: Duration = Duration::from_millis(300_000);

/// Sets `unclean.leader.election.enable`.
fn enable(rig: &mut Rig, kind: i8, name: &str, value: &str) {
    let key = "unclean.leader.election.enable".into();
    let change = ConfigChange { key, op: ConfigOp::Set, value: Some(value.into()) };
    let target = ConfigTarget { kind, name: name.into() };
    let resources = vec![AlteredResource { target, replace: false, changes: vec![change] }];
    match rig.ask(Request::AlterConfigs(AlterConfigsRequest { resources, validate_only: false })) {
        Response::AlterConfigs(answer) => assert_eq!(answer.resources[0].error, ErrorCode::None),
        other => panic!("{other:?}"),
    }
}

/// Topic `t0` of brokers 1 and 2: 1 was in sync, alone, and is gone since just now.
fn leaderless() -> (Rig, TopicPartition) {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.alter(tp, &[1], |_| {}).unwrap();
    rig.only_heard(&[2, 3]);
    assert_eq!(rig.state(tp), (0, 1, vec![1]));
    (rig, tp)
}

/// When the next look is due.
fn due(rig: &Rig) -> Option<Instant> {
    rig.controller.active.as_ref().unwrap().unclean_at
}

fn now(rig: &Rig) -> Instant {
    Instant::from_nanos(rig.solo.now)
}

#[test]
fn kafka_12670_what_nobody_leads_is_given_a_leader_once_the_config_allows_it() {
    for (kind, name) in [(ConfigTarget::TOPIC, "t0"), (ConfigTarget::BROKER, "")] {
        let (mut rig, tp) = leaderless();
        assert_eq!(due(&rig), Some(now(&rig) + MINUTES_5));
        enable(&mut rig, kind, name, "true");
        for _ in 0..29 {
            rig.only_heard(&[2, 3]);
        }
        assert_eq!(rig.state(tp), (0, 1, vec![1]), "not before the interval");
        rig.only_heard(&[2, 3]);
        assert_eq!(rig.state(tp), (2, 2, vec![2]));
        assert!(rig.partition(tp).recovering);
        assert_eq!(due(&rig), None);
    }
}

#[test]
fn where_the_config_forbids_it_nothing_is_written_and_the_next_look_is_due() {
    let (mut rig, tp) = leaderless();
    enable(&mut rig, ConfigTarget::BROKER, "", "true");
    enable(&mut rig, ConfigTarget::TOPIC, "t0", "false");
    let (before, first) = (rig.partition(tp).clone(), due(&rig).unwrap());
    for _ in 0..31 {
        rig.only_heard(&[2, 3]);
    }
    assert_eq!(*rig.partition(tp), before);
    assert_eq!(due(&rig), Some(first + MINUTES_5));
}

#[test]
fn the_interval_is_a_config() {
    let mut rig = Rig::with_brokers(2);
    rig.controller.server.unclean_leader_election_interval = Duration::from_millis(4000);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.alter(tp, &[1], |_| {}).unwrap();
    rig.only_heard(&[2]);
    enable(&mut rig, ConfigTarget::TOPIC, "t0", "true");
    rig.wait(2);
    rig.beat(2);
    assert_eq!(rig.state(tp).0, 0);
    rig.wait(2);
    assert_eq!(rig.state(tp), (2, 2, vec![2]));
}

#[test]
fn no_look_is_due_while_everything_is_led() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[2, 3]);
    assert_eq!((rig.state(tp).0, due(&rig)), (2, None));
    rig.only_heard(&[3]);
    assert_eq!((rig.state(tp).0, due(&rig)), (0, Some(now(&rig) + MINUTES_5)));
    // it comes back: the look that is due finds nothing, and is the last one
    rig.register(2, 22).unwrap();
    rig.beat(2);
    let before = rig.partition(tp).clone();
    assert!(before.leader.is_some() && due(&rig).is_some());
    for _ in 0..30 {
        rig.only_heard(&[2, 3]);
    }
    assert_eq!(due(&rig), None);
    assert_eq!(*rig.partition(tp), before);
}

#[test]
fn a_look_at_what_was_deleted_is_the_last_one() {
    let (mut rig, _) = leaderless();
    let topics = vec![TopicRef::Name("t0".into())];
    rig.ask(Request::DeleteTopics(DeleteTopicsRequest { topics }));
    for _ in 0..30 {
        rig.only_heard(&[2, 3]);
    }
    assert_eq!(due(&rig), None);
}

#[test]
fn a_thousand_leaders_are_elected_at_once_and_the_others_soon_after() {
    let mut rig = Rig::with_brokers(3);
    rig.only_heard(&[1, 3]);
    let placement = Placement::Manual(vec![nodes(&[1, 2]); 1500]);
    let topic = rig.create("t0", placement, &[]).unwrap();
    rig.register(2, 22).unwrap();
    rig.beat(2);
    rig.only_heard(&[2, 3]);
    let led = |rig: &Rig, topic: TopicId| {
        let topic = rig.controller.image().topic(topic).unwrap();
        topic.partitions.iter().filter(|partition| partition.leader.is_some()).count()
    };
    enable(&mut rig, ConfigTarget::TOPIC, "t0", "true");
    for _ in 0..150 {
        assert_eq!(led(&rig, topic), 0);
        rig.wait(2);
        rig.beat(2);
        rig.beat(3);
    }
    assert_eq!(led(&rig, topic), 1000);
    assert_eq!(due(&rig), Some(now(&rig) + Duration::from_millis(10)));
    rig.wait(1);
    assert_eq!((led(&rig, topic), due(&rig)), (1500, None));
}

#[test]
fn a_new_controller_looks_after_an_interval_of_its_own() {
    let (mut rig, tp) = leaderless();
    let then = rig.solo.now;
    rig.solo = Solo::new(1, &rig.disk);
    rig.controller = Controller::new(&config(1));
    rig.settle();
    for _ in 0..4 {
        rig.solo.now = rig.solo.now.max(then) + 2 * SECOND;
        rig.solo.act(Raft::on_timer);
        rig.settle();
    }
    assert!(rig.controller.active().is_some());
    assert_eq!(rig.state(tp), (0, 1, vec![1]));
    assert!(due(&rig).is_some());
}

#[test]
fn checkers_are_shown_when_a_controller_goes_on_by_itself() {
    let (rig, tp) = leaderless();
    let view = rig.controller.view().unwrap();
    assert_eq!((view.unclean_at, view.epoch), (due(&rig), rig.controller.active().unwrap()));
    assert!(view.image.partition(tp).is_some_and(|state| state.leader.is_none()));
    let own = [Some(view.balance_at), view.unclean_at, view.session_ends_at, view.idle_at];
    assert!(view.rings_at.is_some() && view.rings_at <= own.into_iter().flatten().min());
}

/// Kafka's `KafkaConfigSchema.resolveEffectiveTopicConfig`.
#[test]
fn a_topics_config_counts_first_then_the_nodes_then_all_brokers_then_server_properties() {
    let mut rig = Rig::with_brokers(1);
    let tp = rig.create_on(&[1], &[]);
    let is_unclean = |rig: &Rig| rig.controller.election_for(tp) == Election::Unclean;
    assert!(!is_unclean(&rig));
    rig.controller.server.unclean_leader_election_enable = true;
    assert!(is_unclean(&rig));
    enable(&mut rig, ConfigTarget::BROKER, "", "false");
    assert!(!is_unclean(&rig));
    enable(&mut rig, ConfigTarget::BROKER, "1", "true");
    assert!(!is_unclean(&rig), "that is another node's");
    let own = rig.controller.node.0.to_string();
    enable(&mut rig, ConfigTarget::BROKER, &own, "true");
    assert!(is_unclean(&rig));
    enable(&mut rig, ConfigTarget::TOPIC, "t0", "false");
    assert!(!is_unclean(&rig));
}
