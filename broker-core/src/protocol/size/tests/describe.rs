//! What administrators look at.

use super::{HOST, TOPIC, check_request, check_response, ids, text, topic, tp};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol as ours;
use crate::protocol::{PartitionCursor, Request, Response};
use kafka_protocol::messages as theirs;

#[test]
fn describe_topic_partitions() {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    use theirs::describe_topic_partitions_response as described;
    for at in [None, Some(3)] {
        let cursor = at.map(|partition| PartitionCursor { topic: TOPIC.into(), partition });
        let request = ours::DescribeTopicPartitionsRequest {
            topics: vec![TOPIC.into()],
            partition_limit: 2000,
            cursor: cursor.clone(),
        };
        let their_cursor =
            at.map(|index| Cursor::default().with_topic_name(topic()).with_partition_index(index));
        let body = theirs::DescribeTopicPartitionsRequest::default()
            .with_topics(vec![TopicRequest::default().with_name(topic())])
            .with_cursor(their_cursor);
        check_request(Request::DescribeTopicPartitions(Box::new(request)), body, 0);
        let partition = ours::DescribedPartition {
            index: 0,
            at: ours::MetadataPartition {
                error: ErrorCode::None,
                leader: Some(NodeId(1)),
                leader_epoch: 2,
                replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
                isr: vec![NodeId(1), NodeId(2)],
            },
            offline: vec![NodeId(3)],
        };
        let described_topic = ours::DescribedTopic {
            error: ErrorCode::None,
            name: TOPIC.into(),
            id: TopicId(7),
            partitions: vec![partition],
        };
        let response =
            ours::DescribeTopicPartitionsResponse { topics: vec![described_topic], next: cursor };
        let partition = described::DescribeTopicPartitionsResponsePartition::default()
            .with_replica_nodes(ids(3))
            .with_isr_nodes(ids(2))
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
            .with_offline_replicas(ids(1));
        let topics = vec![
            described::DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(topic()))
                .with_partitions(vec![partition]),
        ];
        let next = at.map(|index| {
            described::Cursor::default().with_topic_name(topic()).with_partition_index(index)
        });
        let body = theirs::DescribeTopicPartitionsResponse::default()
            .with_topics(topics)
            .with_next_cursor(next);
        check_response(Response::DescribeTopicPartitions(Box::new(response)), body, 0);
    }
}

#[test]
fn describe_log_dirs() {
    use theirs::describe_log_dirs_request::DescribableLogDirTopic;
    use theirs::describe_log_dirs_response as described;
    let request =
        ours::DescribeLogDirsRequest { partitions: Some(vec![tp(7, 0), tp(7, 3), tp(8, 1)]) };
    let asked = |list| DescribableLogDirTopic::default().with_topic(topic()).with_partitions(list);
    let body = theirs::DescribeLogDirsRequest::default()
        .with_topics(Some(vec![asked(vec![0, 3]), asked(vec![1])]));
    check_request(Request::DescribeLogDirs(request), body, 4);
    let request = ours::DescribeLogDirsRequest { partitions: None };
    let body = theirs::DescribeLogDirsRequest::default().with_topics(None);
    check_request(Request::DescribeLogDirs(request), body, 4);
    let replica = |tp| ours::ReplicaLog { tp, size_bytes: 5, offset_lag: 0 };
    let replicas = [tp(7, 0), tp(7, 3), tp(8, 1)].map(replica).to_vec();
    let response = Response::DescribeLogDirs(ours::DescribeLogDirsResponse { replicas });
    let told = |count| {
        let partition = described::DescribeLogDirsPartition::default();
        let topic = described::DescribeLogDirsTopic::default().with_name(topic());
        topic.with_partitions(vec![partition; count])
    };
    let dir = described::DescribeLogDirsResult::default()
        .with_log_dir(text("/var/lib/kafka/data"))
        .with_topics(vec![told(2), told(1)]);
    let body = theirs::DescribeLogDirsResponse::default().with_results(vec![dir]);
    check_response(response, body, 4);
}

#[test]
fn alter_replica_log_dirs() {
    use theirs::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    use theirs::alter_replica_log_dirs_response as altered;
    let request = ours::AlterReplicaLogDirsRequest { partitions: vec![(tp(7, 0), true)] };
    let moved = AlterReplicaLogDirTopic::default().with_name(topic()).with_partitions(vec![0]);
    let dir = AlterReplicaLogDir::default()
        .with_path(text("/var/lib/kafka/data"))
        .with_topics(vec![moved]);
    let body = theirs::AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
    check_request(Request::AlterReplicaLogDirs(request), body, 2);
    let partitions = vec![(tp(7, 0), ErrorCode::LogDirNotFound)];
    let response = Response::AlterReplicaLogDirs(ours::AlterReplicaLogDirsResponse { partitions });
    let result = altered::AlterReplicaLogDirTopicResult::default()
        .with_topic_name(topic())
        .with_partitions(vec![altered::AlterReplicaLogDirPartitionResult::default()]);
    let body = theirs::AlterReplicaLogDirsResponse::default().with_results(vec![result]);
    check_response(response, body, 2);
}

#[test]
fn describe_quorum() {
    use theirs::describe_quorum_response as described;
    let partition = theirs::describe_quorum_request::PartitionData::default();
    let metadata = || theirs::TopicName(text("__cluster_metadata"));
    let asked = theirs::describe_quorum_request::TopicData::default()
        .with_topic_name(metadata())
        .with_partitions(vec![partition]);
    let body = theirs::DescribeQuorumRequest::default().with_topics(vec![asked]);
    check_request(Request::DescribeQuorum(ours::DescribeQuorumRequest {}), body, 2);
    let replica = ours::QuorumReplica {
        node: NodeId(1),
        log_end_offset: 5,
        last_fetch_ms: 6,
        last_caught_up_ms: 6,
    };
    let response = ours::DescribeQuorumResponse {
        error: ErrorCode::None,
        leader: Some(NodeId(1)),
        epoch: 2,
        high_watermark: 5,
        voters: vec![replica; 3],
        observers: vec![replica; 2],
    };
    let listener =
        described::Listener::default().with_name(text("CONTROLLER")).with_host(text(HOST));
    let node = described::Node::default().with_listeners(vec![listener]);
    let partition = described::PartitionData::default()
        .with_error_message(None)
        .with_current_voters(vec![described::ReplicaState::default(); 3])
        .with_observers(vec![described::ReplicaState::default(); 2]);
    let topic = described::TopicData::default()
        .with_topic_name(metadata())
        .with_partitions(vec![partition]);
    let body = theirs::DescribeQuorumResponse::default()
        .with_error_message(None)
        .with_topics(vec![topic])
        .with_nodes(vec![node; 3]);
    check_response(Response::DescribeQuorum(Box::new(response)), body, 2);
}

#[test]
fn update_features() {
    use theirs::update_features_request::FeatureUpdateKey;
    let update = ours::FeatureUpdate {
        name: "group.version".into(),
        level: 1,
        direction: ours::FeatureDirection::Upgrade,
    };
    let request = ours::UpdateFeaturesRequest { updates: vec![update], validate_only: true };
    let update = FeatureUpdateKey::default().with_feature(text("group.version"));
    let body = theirs::UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    check_request(Request::UpdateFeatures(request), body, 2);
    for message in [None, Some("wrong")] {
        let response = ours::UpdateFeaturesResponse::refused(
            ErrorCode::InvalidUpdateVersion,
            message.map(Into::into),
        );
        let body = theirs::UpdateFeaturesResponse::default().with_error_message(message.map(text));
        check_response(Response::UpdateFeatures(Box::new(response)), body, 2);
    }
}

#[test]
fn unregister_broker() {
    let request = ours::UnregisterBrokerRequest { broker: NodeId(3) };
    let body = theirs::UnregisterBrokerRequest::default().with_broker_id(3.into());
    check_request(Request::UnregisterBroker(request), body, 0);
    let response = ours::UnregisterBrokerResponse { error: ErrorCode::BrokerIdNotRegistered };
    let body = theirs::UnregisterBrokerResponse::default()
        .with_error_code(102)
        .with_error_message(Some(text("Broker ID 3 is not currently registered")));
    check_response(Response::UnregisterBroker(response), body, 0);
}
