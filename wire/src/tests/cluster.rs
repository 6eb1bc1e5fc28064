//! ApiVersions, Metadata, CreateTopics.

use super::{Known, answer, ask, frame, read, text, topic_id, topic_name, versions};
use crate::apis::{APIS, Api, ApiKey};
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use std::collections::BTreeMap;
use stormglass_broker_core::config::ConfigKind;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{
    ConfigEntry, ConfigSource, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic,
    MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic, NewTopic, Placement,
    Request, Response,
};

fn told(version: i16, body: &theirs::ApiVersionsRequest) -> bytes::Bytes {
    match decode_request(frame(ApiKey::ApiVersions, version, body), &Known) {
        Ok(Decoded::Answer(answer)) => answer.to_bytes(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn exactly_what_is_served_is_advertised() {
    for version in versions(ApiKey::ApiVersions) {
        let body = theirs::ApiVersionsRequest::default();
        let body = if version >= 3 {
            body.with_client_software_name(text("kcat")).with_client_software_version(text("1"))
        } else {
            body
        };
        let answer: theirs::ApiVersionsResponse = read(told(version, &body), version);
        assert_eq!(answer.error_code, 0);
        let listed =
            answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version));
        // Kafka's exception for librdkafka (KAFKA-18659)
        let oldest = |api: &Api| if api.key == ApiKey::Produce { 0 } else { api.min };
        let served = APIS.iter().map(|api| (api.key as i16, oldest(api), api.max));
        assert!(listed.eq(served), "v{version}");
    }
    assert!(!Api::of(ApiKey::Produce).serves(2), "it is told, and refused");
}

#[test]
fn a_version_of_the_future_is_answered_in_the_oldest_layout() {
    let mut future = frame(ApiKey::ApiVersions, 4, &theirs::ApiVersionsRequest::default()).to_vec();
    future[3] = 9;
    let answer = match decode_request(future.into(), &Known) {
        Ok(Decoded::Answer(answer)) => answer.to_bytes(),
        other => panic!("{other:?}"),
    };
    let answer: theirs::ApiVersionsResponse = read(answer, 0);
    assert_eq!(answer.error_code, 35);
    let only = &answer.api_keys[0];
    assert_eq!((only.api_key, only.min_version, only.max_version), (18, 0, 4));
}

fn topic(topic: u128) -> MetadataTopic {
    let partition = MetadataPartition {
        error: ErrorCode::None,
        leader: Some(NodeId(1)),
        leader_epoch: 3,
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1)],
    };
    let lost = MetadataPartition {
        error: ErrorCode::LeaderNotAvailable,
        leader: None,
        ..partition.clone()
    };
    MetadataTopic {
        error: ErrorCode::None,
        name: format!("topic-{topic}").into(),
        id: TopicId(super::ID_FIRST + topic),
        partitions: vec![partition, lost],
    }
}

#[test]
fn metadata_in_every_version() {
    use theirs::metadata_request::MetadataRequestTopic;
    for version in versions(ApiKey::Metadata) {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(1)));
        let body = theirs::MetadataRequest::default().with_topics(Some(vec![asked]));
        let body = body.with_allow_auto_topic_creation(version < 4);
        let (request, call) = ask(ApiKey::Metadata, version, &body);
        let topics = Some(vec!["topic-1".into()]);
        let expected = MetadataRequest { topics, allow_auto_topic_creation: version < 4 };
        assert_eq!(request, Request::Metadata(expected));

        let response = MetadataResponse {
            brokers: vec![(NodeId(1), Some("az-1".into())), (NodeId(2), None), (NodeId(99), None)],
            controller: Some(NodeId(1)),
            topics: vec![topic(1), topic(2)],
        };
        let read: theirs::MetadataResponse = answer(&call, &Response::Metadata(Box::new(response)));
        assert_eq!(read.brokers.len(), 2, "the third has no known address");
        assert_eq!((read.brokers[0].host.as_str(), read.brokers[0].port), ("broker.example", 9092));
        assert_eq!(read.topics[1].name, Some(topic_name(2)));
        assert_eq!(read.topics[1].partitions[1].leader_id.0, -1);
        if version >= 10 {
            assert_eq!(read.topics[1].topic_id, topic_id(2));
        }
    }
}

#[test]
fn all_topics_are_asked_for_in_two_ways() {
    let none = theirs::MetadataRequest::default().with_topics(Some(Vec::new()));
    let null = theirs::MetadataRequest::default().with_topics(None);
    let topics = |version, body| match ask(ApiKey::Metadata, version, body).0 {
        Request::Metadata(request) => request.topics,
        other => panic!("{other:?}"),
    };
    assert_eq!(topics(0, &none), None);
    assert_eq!(topics(1, &none), Some(Vec::new()));
    assert_eq!(topics(1, &null), None);
    assert_eq!(topics(12, &null), None);
}

/// As librdkafka 2.16 asks for all topics.
#[test]
fn a_null_array_in_four_bytes_is_one() {
    let body = theirs::MetadataRequest::default().with_topics(None);
    let frame = frame(ApiKey::Metadata, 12, &body);
    let cut = frame.len() - 4;
    let odd = [&frame[..cut], &[0, 0, 0, 0, 1, 0, 0]].concat();
    match decode_request(odd.into(), &Known) {
        Ok(Decoded::Ask(request, _)) => {
            let topics = None;
            let expected = MetadataRequest { topics, allow_auto_topic_creation: false };
            assert_eq!(*request, Request::Metadata(expected));
        }
        other => panic!("{other:?}"),
    }
    let longer = [&frame[..cut], &[0, 0, 0, 0, 1, 0, 0, 0]].concat();
    assert!(decode_request(longer.into(), &Known).is_err());
}

#[test]
fn topics_are_found_by_id_and_unknown_ids_are_said_to_be_unknown() {
    use theirs::metadata_request::MetadataRequestTopic;
    let by_id =
        |topic| MetadataRequestTopic::default().with_name(None).with_topic_id(topic_id(topic));
    // Java's client says so
    let nameless = by_id(1).with_name(Some(theirs::TopicName(text(""))));
    let topics = vec![by_id(2), by_id(55), nameless];
    let body = theirs::MetadataRequest::default().with_topics(Some(topics));
    let (request, call) = ask(ApiKey::Metadata, 12, &body);
    let Request::Metadata(request) = request else { panic!("{request:?}") };
    assert_eq!(request.topics, Some(vec!["topic-2".into(), "topic-1".into()]));
    let response =
        MetadataResponse { brokers: Vec::new(), controller: None, topics: vec![topic(2)] };
    let read: theirs::MetadataResponse = answer(&call, &Response::Metadata(Box::new(response)));
    assert_eq!((read.topics[1].error_code, read.topics[1].topic_id), (100, topic_id(55)));
}

/// A topic that was created, and one that was not.
fn created_and_refused() -> Vec<CreatedTopic> {
    let config = ConfigEntry {
        key: "retention.ms".into(),
        value: "1000".into(),
        source: ConfigSource::Topic,
        kind: ConfigKind::Long,
        read_only: false,
        inherited: None,
    };
    let created = CreatedTopic {
        name: "topic-8".into(),
        error: ErrorCode::None,
        message: None,
        id: TopicId(5),
        partitions: 6,
        replication_factor: 2,
        configs: vec![config],
    };
    let message = Some("there is one".into());
    let refused = CreatedTopic::refused("topic-9".into(), ErrorCode::TopicAlreadyExists, message);
    vec![created, refused]
}

#[test]
fn topics_are_created_in_every_version() {
    use theirs::create_topics_request::{
        CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
    };
    for version in versions(ApiKey::CreateTopics) {
        let config = CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("1000")));
        let automatic = CreatableTopic::default()
            .with_name(topic_name(8))
            .with_num_partitions(6)
            .with_replication_factor(2)
            .with_configs(vec![config]);
        let replicas = |index, ids: &[i32]| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index)
                .with_broker_ids(ids.iter().map(|id| (*id).into()).collect())
        };
        let manual = CreatableTopic::default()
            .with_name(topic_name(9))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![replicas(1, &[2, 1]), replicas(0, &[1, 2])]);
        let body = theirs::CreateTopicsRequest::default()
            .with_topics(vec![automatic, manual])
            .with_validate_only(true);
        let (request, call) = ask(ApiKey::CreateTopics, version, &body);
        let nodes = |ids: [i32; 2]| ids.map(NodeId).to_vec();
        let automatic = NewTopic {
            name: "topic-8".into(),
            placement: Placement::Automatic { partitions: 6, replication_factor: 2 },
            config: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        };
        let manual = NewTopic {
            name: "topic-9".into(),
            placement: Placement::Manual(vec![nodes([1, 2]), nodes([2, 1])]),
            config: BTreeMap::new(),
        };
        let expected = CreateTopicsRequest { topics: vec![automatic, manual], validate_only: true };
        assert_eq!(request, Request::CreateTopics(expected));

        let topics = created_and_refused();
        let response = Response::CreateTopics(CreateTopicsResponse { topics });
        let read: theirs::CreateTopicsResponse = answer(&call, &response);
        assert_eq!(read.topics[1].error_code, 36);
        assert_eq!(read.topics[1].error_message.as_deref(), Some("there is one"));
        if version >= 5 {
            let created = &read.topics[0];
            assert_eq!((created.num_partitions, created.replication_factor), (6, 2));
            let config = &created.configs.as_ref().unwrap()[0];
            assert_eq!((config.name.as_str(), config.config_source), ("retention.ms", 1));
        }
        if version >= 7 {
            assert_eq!(read.topics[0].topic_id, uuid::Uuid::from_u128(5));
        }
    }
}
