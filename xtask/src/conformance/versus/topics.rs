//! Topics of the cases, made and deleted without a JVM.

use crate::conformance::differential::peer::{Answer, Peer};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

/// Versions of both requests that name topics.
const CREATE_VERSION: i16 = 5;
const DELETE_VERSION: i16 = 5;
const TIMEOUT_MS: i32 = 10_000;

/// A broker's topics.
pub(super) struct Topics {
    peer: Peer,
}

impl Topics {
    pub(super) fn connect(bootstrap: &str) -> Result<Self, String> {
        Peer::connect(bootstrap).map(|peer| Self { peer })
    }

    pub(super) fn create(&mut self, topic: &str, partitions: u32) -> Result<(), String> {
        let partitions = i32::try_from(partitions).map_err(|error| error.to_string())?;
        let asked = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request =
            CreateTopicsRequest::default().with_topics(vec![asked]).with_timeout_ms(TIMEOUT_MS);
        let error = match self.peer.ask(CREATE_VERSION, &request) {
            Answer::Said(answer) => answer.topics.first().map(|topic| topic.error_code),
            other => return Err(format!("no topic {topic}: {other:?}")),
        };
        done("made", topic, error)
    }

    pub(super) fn delete(&mut self, topic: &str) -> Result<(), String> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![name(topic)])
            .with_timeout_ms(TIMEOUT_MS);
        let error = match self.peer.ask(DELETE_VERSION, &request) {
            Answer::Said(answer) => answer.responses.first().map(|topic| topic.error_code),
            other => return Err(format!("topic {topic} stays: {other:?}")),
        };
        done("deleted", topic, error)
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn done(what: &str, topic: &str, error: Option<i16>) -> Result<(), String> {
    match error {
        Some(0) => Ok(()),
        error => Err(format!("topic {topic} is not {what}: error code {error:?}")),
    }
}
