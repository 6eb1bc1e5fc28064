//! Topics, elections, and what brokers tell the controller.

use super::{CLUSTER_ID, HOST, TOPIC, check_request, check_response, ids, text, topic, tp};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol as ours;
use crate::protocol::{Placement, Request, Response};
use kafka_protocol::messages as theirs;
use std::sync::Arc;

#[test]
fn create_topics() {
    use theirs::create_topics_request::{
        CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
    };
    let new = |placement| ours::NewTopic {
        name: Arc::from(TOPIC),
        placement,
        config: [("retention.ms".to_owned(), "1000".to_owned())].into(),
    };
    let automatic = new(Placement::Automatic { partitions: 6, replication_factor: 3 });
    let manual = new(Placement::Manual(vec![vec![NodeId(1), NodeId(2)]; 2]));
    let request =
        ours::CreateTopicsRequest { topics: vec![automatic, manual], validate_only: false };
    let config = CreatableTopicConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1000")));
    let plain = CreatableTopic::default().with_name(topic()).with_configs(vec![config]);
    let assignment = CreatableReplicaAssignment::default().with_broker_ids(ids(2));
    let assigned = plain.clone().with_assignments(vec![assignment; 2]);
    let body = theirs::CreateTopicsRequest::default().with_topics(vec![plain, assigned]);
    check_request(Request::CreateTopics(request), body, 7);
    let config = ours::ConfigEntry {
        key: "retention.ms".into(),
        value: "1000".into(),
        source: ours::ConfigSource::Topic,
        kind: crate::config::ConfigKind::Long,
        read_only: false,
        inherited: None,
    };
    let created = ours::CreatedTopic {
        name: TOPIC.into(),
        error: ErrorCode::None,
        message: None,
        id: TopicId(4),
        partitions: 6,
        replication_factor: 3,
        configs: vec![config],
    };
    let message = Some("no such config".into());
    let refused = ours::CreatedTopic::refused(TOPIC.into(), ErrorCode::InvalidConfig, message);
    let topics = vec![created, refused];
    let result = theirs::create_topics_response::CreatableTopicResult::default().with_name(topic());
    let config = theirs::create_topics_response::CreatableTopicConfigs::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1000")));
    let results = vec![
        result.clone().with_error_message(None).with_configs(Some(vec![config])),
        result.with_error_message(Some(text("no such config"))),
    ];
    let body = theirs::CreateTopicsResponse::default().with_topics(results);
    check_response(Response::CreateTopics(ours::CreateTopicsResponse { topics }), body, 7);
}

#[test]
fn elect_leaders() {
    use theirs::elect_leaders_request::TopicPartitions;
    use theirs::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
    let all = Request::ElectLeaders(ours::ElectLeadersRequest {
        kind: ours::ElectionKind::Preferred,
        partitions: None,
    });
    check_request(all, theirs::ElectLeadersRequest::default().with_topic_partitions(None), 2);
    let (kind, partitions) = (ours::ElectionKind::Unclean, Some(vec![tp(1, 0), tp(1, 1)]));
    let request = ours::ElectLeadersRequest { kind, partitions };
    let partitions = TopicPartitions::default().with_topic(topic()).with_partitions(vec![0, 1]);
    let body = theirs::ElectLeadersRequest::default().with_topic_partitions(Some(vec![partitions]));
    check_request(Request::ElectLeaders(request), body, 2);
    let partitions = vec![(tp(1, 0), ErrorCode::ElectionNotNeeded)];
    let response = ours::ElectLeadersResponse { error: ErrorCode::None, partitions };
    let result = ReplicaElectionResult::default()
        .with_topic(topic())
        .with_partition_result(vec![PartitionResult::default().with_error_message(None)]);
    let body = theirs::ElectLeadersResponse::default().with_replica_election_results(vec![result]);
    check_response(Response::ElectLeaders(response), body, 2);
}

#[test]
fn alter_partition() {
    use theirs::{alter_partition_request as ask, alter_partition_response as answer};
    let data = |index| ours::AlterPartitionData {
        tp: tp(1, index),
        leader_epoch: 3,
        new_isr: vec![(NodeId(1), 10), (NodeId(2), 11)],
        partition_epoch: 9,
    };
    let request = ours::AlterPartitionRequest {
        broker: NodeId(1),
        broker_epoch: 10,
        partitions: vec![data(0), data(1)],
    };
    let partition = ask::PartitionData::default()
        .with_new_isr_with_epochs(vec![ask::BrokerState::default(); 2]);
    let topics = ask::TopicData::default().with_partitions(vec![partition; 2]);
    let body = theirs::AlterPartitionRequest::default().with_topics(vec![topics]);
    check_request(Request::AlterPartition(request), body, 3);
    let result = ours::AlterPartitionResult {
        tp: tp(1, 0),
        error: ErrorCode::None,
        leader: Some(NodeId(1)),
        leader_epoch: 3,
        isr: vec![NodeId(1), NodeId(2)],
        partition_epoch: 10,
    };
    let partitions = vec![result; 2];
    let response = ours::AlterPartitionResponse { error: ErrorCode::None, partitions };
    let partition = answer::PartitionData::default().with_isr(ids(2));
    let topics = answer::TopicData::default().with_partitions(vec![partition; 2]);
    let body = theirs::AlterPartitionResponse::default().with_topics(vec![topics]);
    check_response(Response::AlterPartition(response), body, 3);
}

#[test]
fn broker_registration() {
    use theirs::broker_registration_request::{Feature, Listener};
    let request = ours::BrokerRegistrationRequest {
        broker: NodeId(1),
        incarnation: 5,
        rack: Some(Arc::from("use1-az1")),
        endpoint: None,
        previous_broker_epoch: -1,
    };
    let listener = Listener::default().with_name(text("CLIENT_TLS")).with_host(text(HOST));
    let feature = Feature::default().with_name(text("metadata.version"));
    let body = theirs::BrokerRegistrationRequest::default()
        .with_cluster_id(text(CLUSTER_ID))
        .with_listeners(vec![listener])
        .with_features(vec![feature])
        .with_rack(Some(text("use1-az1")))
        .with_log_dirs(vec![Default::default()]);
    check_request(Request::BrokerRegistration(Box::new(request)), body, 4);
    let response = ours::BrokerRegistrationResponse { error: ErrorCode::None, broker_epoch: 7 };
    let body = theirs::BrokerRegistrationResponse::default();
    check_response(Response::BrokerRegistration(response), body, 4);
}

#[test]
fn heartbeats_and_producer_ids() {
    let request = ours::BrokerHeartbeatRequest {
        broker: NodeId(1),
        broker_epoch: 7,
        current_metadata_offset: 100,
        want_fence: false,
        want_shut_down: false,
    };
    let body = theirs::BrokerHeartbeatRequest::default();
    check_request(Request::BrokerHeartbeat(request), body, 1);
    let response = ours::BrokerHeartbeatResponse {
        error: ErrorCode::None,
        is_caught_up: true,
        is_fenced: false,
        should_shut_down: false,
    };
    let body = theirs::BrokerHeartbeatResponse::default();
    check_response(Response::BrokerHeartbeat(response), body, 1);
    let request = ours::AllocateProducerIdsRequest { broker: NodeId(1), broker_epoch: 7 };
    let body = theirs::AllocateProducerIdsRequest::default();
    check_request(Request::AllocateProducerIds(request), body, 0);
    let response = ours::AllocateProducerIdsResponse { error: ErrorCode::None, first: 0, len: 9 };
    let body = theirs::AllocateProducerIdsResponse::default();
    check_response(Response::AllocateProducerIds(response), body, 0);
}
