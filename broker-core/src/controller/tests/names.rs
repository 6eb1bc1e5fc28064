//! New topics whose names metrics could not tell from others' (Kafka's `validateNewTopicNames`).

use super::rig::{Rig, SECOND};
use crate::controller::Controller;
use crate::controller::names::CollidingNames;
use crate::error::ErrorCode;
use crate::protocol::{
    CreateTopicsRequest, DeleteTopicsRequest, NewTopic, Placement, Request, Response, TopicRef,
};
use crate::raft::Raft;
use crate::raft::tests::{Solo, config};
use std::collections::BTreeMap;

impl Rig {
    /// Asks for topics with one request.
    fn create_all(
        &mut self,
        names: &[&str],
        validate_only: bool,
    ) -> Vec<(ErrorCode, Option<String>)> {
        let topic = |name: &&str| NewTopic {
            name: (*name).into(),
            placement: Placement::Automatic { partitions: 1, replication_factor: 1 },
            config: BTreeMap::new(),
        };
        let topics = names.iter().map(topic).collect();
        let answer = self.ask(Request::CreateTopics(CreateTopicsRequest { topics, validate_only }));
        self.names_are_those_of_the_image();
        match answer {
            Response::CreateTopics(answer) => {
                let told = answer.topics.into_iter();
                told.map(|topic| (topic.error, topic.message.map(|m| m.to_string()))).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn create_one(&mut self, name: &str) -> ErrorCode {
        self.create_all(&[name], false)[0].0
    }

    fn delete_one(&mut self, name: &str) {
        let topics = vec![TopicRef::Name(name.into())];
        match self.ask(Request::DeleteTopics(DeleteTopicsRequest { topics })) {
            Response::DeleteTopics(answer) => assert_eq!(answer.topics[0].error, ErrorCode::None),
            other => panic!("{other:?}"),
        }
        self.names_are_those_of_the_image();
    }

    fn names_are_those_of_the_image(&self) {
        let kept = &self.controller.active.as_ref().unwrap().names;
        assert_eq!(*kept, CollidingNames::of(self.controller.image()));
    }
}

#[test]
fn names_that_are_the_same_in_metrics_are_refused_and_others_are_not() {
    let mut rig = Rig::with_brokers(1);
    assert_eq!(rig.create_one("a.b_c"), ErrorCode::None);
    let end = rig.solo.raft.log_end_offset();
    for name in ["a_b_c", "a.b.c", "a_b.c"] {
        let said = format!("Topic '{name}' collides with existing topic: a.b_c");
        let refused = vec![(ErrorCode::InvalidTopic, Some(said))];
        assert_eq!(rig.create_all(&[name], false), refused);
        assert_eq!(rig.create_all(&[name], true), refused);
    }
    assert_eq!(rig.create_one("a.b_c"), ErrorCode::TopicAlreadyExists);
    assert_eq!(rig.solo.raft.log_end_offset(), end);
    for name in ["abc", "a-b-c", "a.b", "a._b_c", "a_b_c_", "A_b_c"] {
        assert_eq!(rig.create_one(name), ErrorCode::None, "{name}");
    }
    assert_eq!(rig.create_one("a-b-c"), ErrorCode::TopicAlreadyExists);
}

/// KAFKA-14358.
#[test]
fn the_metadata_has_a_topic_that_nobody_makes() {
    let mut rig = Rig::with_brokers(1);
    let end = rig.solo.raft.log_end_offset();
    let said = "Creation of internal topic __cluster_metadata is prohibited.".to_owned();
    let refused = [(ErrorCode::InvalidRequest, Some(said))];
    assert_eq!(rig.create_all(&["__cluster_metadata"], false), refused);
    assert_eq!(rig.create_all(&["__cluster_metadata"], true), refused);
    let twice = (ErrorCode::InvalidRequest, Some("Duplicate topic name.".to_owned()));
    assert_eq!(rig.create_all(&["__cluster_metadata", "__cluster_metadata"], false), [twice]);
    assert_eq!(rig.solo.raft.log_end_offset(), end);
    assert_eq!(rig.create_one("__consumer_offsets"), ErrorCode::None);
}

#[test]
fn what_is_only_checked_takes_no_name() {
    let mut rig = Rig::with_brokers(1);
    assert_eq!(rig.create_all(&["a.b"], true)[0].0, ErrorCode::None);
    assert_eq!(rig.create_one("a_b"), ErrorCode::None);
}

#[test]
fn a_name_is_free_once_the_topic_is_gone() {
    let mut rig = Rig::with_brokers(1);
    assert_eq!(rig.create_one("a.b"), ErrorCode::None);
    assert_eq!(rig.create_one("a_b"), ErrorCode::InvalidTopic);
    rig.delete_one("a.b");
    assert_eq!(rig.create_one("a_b"), ErrorCode::None);
    assert_eq!(rig.create_one("a.b"), ErrorCode::InvalidTopic);
}

#[test]
fn two_topics_of_one_request_may_collide_as_in_kafka() {
    let mut rig = Rig::with_brokers(1);
    let both = rig.create_all(&["a.b", "a_b"], false);
    assert!(both.len() == 2 && both.iter().all(|(error, _)| error.is_ok()), "{both:?}");
    rig.delete_one("a.b");
    assert_eq!(rig.create_one("a.b"), ErrorCode::InvalidTopic, "the other one is still there");
    rig.delete_one("a_b");
    assert_eq!(rig.create_one("a.b"), ErrorCode::None);
}

#[test]
fn a_controller_that_loads_a_snapshot_knows_the_names() {
    let mut rig = Rig::with_brokers(1);
    for n in 0..20 {
        assert_eq!(rig.create_one(&format!("of.snapshot_{n}")), ErrorCode::None);
    }
    rig.act(|controller, step, raft| controller.take_snapshot(step, raft));
    rig.settle();
    assert_eq!(rig.create_one("behind.it"), ErrorCode::None);
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
    rig.names_are_those_of_the_image();
    for name in ["of_snapshot_7", "behind_it"] {
        assert_eq!(rig.create_one(name), ErrorCode::InvalidTopic, "{name}");
    }
}
