//! What administrators look at: partitions page by page, log directories,
//! the quorum, features.

use super::{Known, answer, ask, frame, read, text, topic_id, topic_name, tp, versions};
use crate::apis::ApiKey;
use crate::cluster::{Cluster, Endpoint};
use crate::codec::{Decoded, decode_request, encode_response};
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeQuorumRequest, DescribeQuorumResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribedPartition,
    DescribedTopic, FeatureDirection, FeatureUpdate, MetadataPartition, PartitionCursor,
    QuorumReplica, ReplicaLog, Request, Response, UnregisterBrokerRequest,
    UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

#[test]
fn partitions_are_described_page_by_page() {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    let key = ApiKey::DescribeTopicPartitions;
    let all = theirs::DescribeTopicPartitionsRequest::default();
    let (request, _) = ask(key, 0, &all);
    let expected =
        DescribeTopicPartitionsRequest { topics: vec![], partition_limit: 2000, cursor: None };
    assert_eq!(request, Request::DescribeTopicPartitions(Box::new(expected)));
    let cursor = Cursor::default().with_topic_name(topic_name(1)).with_partition_index(5);
    let some = all
        .with_topics(vec![TopicRequest::default().with_name(topic_name(1))])
        .with_response_partition_limit(7)
        .with_cursor(Some(cursor));
    let (request, call) = ask(key, 0, &some);
    let cursor = PartitionCursor { topic: "topic-1".into(), partition: 5 };
    let expected = DescribeTopicPartitionsRequest {
        topics: vec!["topic-1".into()],
        partition_limit: 7,
        cursor: Some(cursor.clone()),
    };
    assert_eq!(request, Request::DescribeTopicPartitions(Box::new(expected)));
    let partition = DescribedPartition {
        index: 5,
        at: MetadataPartition {
            error: ErrorCode::LeaderNotAvailable,
            leader: None,
            leader_epoch: 9,
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(2)],
        },
        offline: vec![NodeId(2)],
    };
    let topic = DescribedTopic {
        error: ErrorCode::None,
        name: "topic-1".into(),
        id: tp(1, 0).topic,
        partitions: vec![partition],
    };
    let internal = DescribedTopic {
        error: ErrorCode::UnknownTopicOrPartition,
        name: "__consumer_offsets".into(),
        id: tp(2, 0).topic,
        partitions: Vec::new(),
    };
    for next in [None, Some(cursor)] {
        let response = DescribeTopicPartitionsResponse {
            topics: vec![topic.clone(), internal.clone()],
            next: next.clone(),
        };
        let response = Response::DescribeTopicPartitions(Box::new(response));
        let read: theirs::DescribeTopicPartitionsResponse = answer(&call, &response);
        let told = &read.topics[0];
        assert_eq!((told.error_code, &told.name), (0, &Some(topic_name(1))));
        assert_eq!((told.topic_id, told.is_internal), (topic_id(1), false));
        let at = &told.partitions[0];
        let place = (at.error_code, at.partition_index, at.leader_id.0, at.leader_epoch);
        assert_eq!(place, (0, 5, -1, 9));
        let ids = |list: &[theirs::BrokerId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
        let lists = [&at.replica_nodes, &at.isr_nodes, &at.offline_replicas];
        assert_eq!(lists.map(|list| ids(list)), [vec![1, 2], vec![2], vec![2]]);
        assert_eq!(at.eligible_leader_replicas, Some(Vec::new()));
        assert_eq!((read.topics[1].error_code, read.topics[1].is_internal), (3, true));
        let place = read.next_cursor.map(|at| (at.topic_name, at.partition_index));
        assert_eq!(place, next.map(|_| (topic_name(1), 5)));
    }
}

/// A node whose volume is not to be asked for anything.
struct VolumeIsBusy;

impl Cluster for VolumeIsBusy {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        Known.topic_id(name)
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        Known.topic_name(id)
    }

    fn endpoint(&self, node: NodeId) -> Option<Endpoint<'_>> {
        Known.endpoint(node)
    }

    fn cluster_id(&self) -> &str {
        Known.cluster_id()
    }

    fn log_dir_room(&self) -> Option<(i64, i64)> {
        panic!("older versions do not tell it")
    }
}

#[test]
fn log_directories_are_described_in_every_version() {
    use theirs::describe_log_dirs_request::DescribableLogDirTopic;
    let key = ApiKey::DescribeLogDirs;
    for version in versions(key) {
        let all = theirs::DescribeLogDirsRequest::default().with_topics(None);
        let (request, _) = ask(key, version, &all);
        let expected = DescribeLogDirsRequest { partitions: None };
        assert_eq!(request, Request::DescribeLogDirs(expected));
        let topic =
            DescribableLogDirTopic::default().with_topic(topic_name(2)).with_partitions(vec![0, 3]);
        let (request, call) = ask(key, version, &all.with_topics(Some(vec![topic])));
        let expected = DescribeLogDirsRequest { partitions: Some(vec![tp(2, 0), tp(2, 3)]) };
        assert_eq!(request, Request::DescribeLogDirs(expected));
        let replicas = vec![ReplicaLog { tp: tp(2, 3), size_bytes: 1 << 40, offset_lag: 7 }];
        if version < 4 {
            let nothing = DescribeLogDirsResponse { replicas: Vec::new() };
            let response = Response::DescribeLogDirs(nothing);
            assert!(encode_response(&call, &response, &VolumeIsBusy).is_some());
        }
        let response = Response::DescribeLogDirs(DescribeLogDirsResponse { replicas });
        let read: theirs::DescribeLogDirsResponse = answer(&call, &response);
        let dir = &read.results[0];
        assert_eq!((read.error_code, dir.error_code, &dir.log_dir), (0, 0, &text("/logs")));
        let room = if version >= 4 { (500, 20) } else { (-1, -1) };
        assert_eq!((dir.total_bytes, dir.usable_bytes), room);
        assert_eq!(dir.topics[0].name, topic_name(2));
        let told = &dir.topics[0].partitions[0];
        let log = (told.partition_index, told.partition_size, told.offset_lag, told.is_future_key);
        assert_eq!(log, (3, 1 << 40, 7, false));
    }
}

#[test]
fn replicas_are_moved_between_directories_in_every_version() {
    use theirs::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    let key = ApiKey::AlterReplicaLogDirs;
    for version in versions(key) {
        let topic = |number| {
            let topic = AlterReplicaLogDirTopic::default().with_name(topic_name(number));
            vec![topic.with_partitions(vec![4])]
        };
        let dir =
            |path, topics| AlterReplicaLogDir::default().with_path(text(path)).with_topics(topics);
        let dirs = vec![dir("/logs", topic(1)), dir("/elsewhere", topic(2))];
        let body = theirs::AlterReplicaLogDirsRequest::default().with_dirs(dirs);
        let (request, call) = ask(key, version, &body);
        let partitions = vec![(tp(1, 4), true), (tp(2, 4), false)];
        let expected = AlterReplicaLogDirsRequest { partitions };
        assert_eq!(request, Request::AlterReplicaLogDirs(expected));
        let partitions = vec![(tp(1, 4), ErrorCode::None), (tp(2, 4), ErrorCode::LogDirNotFound)];
        let response = Response::AlterReplicaLogDirs(AlterReplicaLogDirsResponse { partitions });
        let read: theirs::AlterReplicaLogDirsResponse = answer(&call, &response);
        let told = read.results.iter().map(|topic| {
            let partition = &topic.partitions[0];
            (topic.topic_name.clone(), partition.partition_index, partition.error_code)
        });
        assert_eq!(told.collect::<Vec<_>>(), [(topic_name(1), 4, 0), (topic_name(2), 4, 57)]);
    }
}

fn quorum_of(topic: &'static str, index: i32) -> theirs::DescribeQuorumRequest {
    use theirs::describe_quorum_request::{PartitionData, TopicData};
    let partition = PartitionData::default().with_partition_index(index);
    let topic = TopicData::default()
        .with_topic_name(theirs::TopicName(text(topic)))
        .with_partitions(vec![partition]);
    theirs::DescribeQuorumRequest::default().with_topics(vec![topic])
}

#[test]
fn the_quorum_is_described_in_every_version() {
    let key = ApiKey::DescribeQuorum;
    for version in versions(key) {
        let (request, call) = ask(key, version, &quorum_of("__cluster_metadata", 0));
        assert_eq!(request, Request::DescribeQuorum(DescribeQuorumRequest {}));
        let replica = |node, log_end_offset| QuorumReplica {
            node: NodeId(node),
            log_end_offset,
            last_fetch_ms: 1000,
            last_caught_up_ms: 900,
        };
        let response = DescribeQuorumResponse {
            error: ErrorCode::None,
            leader: Some(NodeId(2)),
            epoch: 4,
            high_watermark: 70,
            voters: vec![replica(2, 71), replica(10_001, 70)],
            observers: vec![replica(3, 69)],
        };
        let read: theirs::DescribeQuorumResponse =
            answer(&call, &Response::DescribeQuorum(Box::new(response)));
        assert_eq!((read.error_code, &*read.topics[0].topic_name.0), (0, "__cluster_metadata"));
        let told = &read.topics[0].partitions[0];
        let state = (told.leader_id.0, told.leader_epoch, told.high_watermark);
        assert_eq!(state, (2, 4, 70));
        let times = if version >= 1 { (1000, 900) } else { (-1, -1) };
        let of = |list: &[theirs::describe_quorum_response::ReplicaState]| {
            let all = list.iter().map(|r| {
                let times = (r.last_fetch_timestamp, r.last_caught_up_timestamp);
                (r.replica_id.0, r.log_end_offset, times)
            });
            all.collect::<Vec<_>>()
        };
        assert_eq!(of(&told.current_voters), [(2, 71, times), (10_001, 70, times)]);
        assert_eq!(of(&told.observers), [(3, 69, times)]);
        let nodes = read.nodes.iter().map(|node| {
            let listener = &node.listeners[0];
            (node.node_id.0, listener.host.to_string(), listener.port)
        });
        let known = (2, "broker.example".to_owned(), 9092);
        let expected = if version >= 2 { vec![known] } else { Vec::new() };
        assert_eq!(nodes.collect::<Vec<_>>(), expected, "nobody knows where 10001 is");
        let refused = DescribeQuorumResponse::refused(ErrorCode::NotController);
        let read: theirs::DescribeQuorumResponse =
            answer(&call, &Response::DescribeQuorum(Box::new(refused)));
        assert_eq!((read.error_code, read.topics.len()), (41, 0));
    }
}

#[test]
fn nothing_but_the_metadata_log_has_a_quorum() {
    let key = ApiKey::DescribeQuorum;
    for version in versions(key) {
        for body in [quorum_of("topic-1", 0), quorum_of("__cluster_metadata", 1)] {
            let answer = match decode_request(frame(key, version, &body), &Known) {
                Ok(Decoded::Answer(answer)) => answer,
                other => panic!("{other:?}"),
            };
            let read: theirs::DescribeQuorumResponse = read(answer.to_bytes(), version);
            let (asked, told) = (&body.topics[0], &read.topics[0]);
            assert_eq!((read.error_code, &told.topic_name), (0, &asked.topic_name));
            let partition = &told.partitions[0];
            let index = asked.partitions[0].partition_index;
            assert_eq!((partition.partition_index, partition.error_code), (index, 3));
        }
    }
}

#[test]
fn features_are_updated_in_every_version() {
    use theirs::update_features_request::FeatureUpdateKey;
    let key = ApiKey::UpdateFeatures;
    for version in versions(key) {
        for number in 0..4_i8 {
            let direction = match number {
                1 => FeatureDirection::Upgrade,
                2 => FeatureDirection::SafeDowngrade,
                3 => FeatureDirection::UnsafeDowngrade,
                _ => FeatureDirection::Unknown,
            };
            let update = FeatureUpdateKey::default()
                .with_feature(text("group.version"))
                .with_max_version_level(1);
            let (update, direction) = match (version, number) {
                (0, 0 | 3) => continue,
                (0, _) => (update.with_allow_downgrade(number == 2), direction),
                _ => (update.with_upgrade_type(number), direction),
            };
            let body = theirs::UpdateFeaturesRequest::default()
                .with_feature_updates(vec![update])
                .with_validate_only(version >= 1);
            let (request, _) = ask(key, version, &body);
            let update = FeatureUpdate { name: "group.version".into(), level: 1, direction };
            let expected =
                UpdateFeaturesRequest { updates: vec![update], validate_only: version >= 1 };
            assert_eq!(request, Request::UpdateFeatures(expected));
        }
        let (_, call) = ask(key, version, &theirs::UpdateFeaturesRequest::default());
        let response = UpdateFeaturesResponse {
            error: ErrorCode::None,
            message: None,
            updated: vec!["group.version".into()],
        };
        let read: theirs::UpdateFeaturesResponse =
            answer(&call, &Response::UpdateFeatures(Box::new(response)));
        assert_eq!((read.error_code, read.results.len()), (0, usize::from(version < 2)));
        let refused =
            UpdateFeaturesResponse::refused(ErrorCode::InvalidUpdateVersion, Some("no".into()));
        let read: theirs::UpdateFeaturesResponse =
            answer(&call, &Response::UpdateFeatures(Box::new(refused)));
        assert_eq!((read.error_code, read.error_message.as_deref()), (95, Some("no")));
    }
}

#[test]
fn brokers_are_unregistered() {
    let key = ApiKey::UnregisterBroker;
    for version in versions(key) {
        let body = theirs::UnregisterBrokerRequest::default().with_broker_id(3.into());
        let (request, call) = ask(key, version, &body);
        let expected = UnregisterBrokerRequest { broker: NodeId(3) };
        assert_eq!(request, Request::UnregisterBroker(expected));
        let response = UnregisterBrokerResponse { error: ErrorCode::BrokerIdNotRegistered };
        let read: theirs::UnregisterBrokerResponse =
            answer(&call, &Response::UnregisterBroker(response));
        let told = (read.error_code, read.error_message.as_deref());
        assert_eq!(told, (102, Some("Broker ID 3 is not currently registered")));
        let response = UnregisterBrokerResponse { error: ErrorCode::None };
        let read: theirs::UnregisterBrokerResponse =
            answer(&call, &Response::UnregisterBroker(response));
        assert_eq!((read.error_code, read.error_message.as_deref()), (0, Some("")));
    }
}

/// Frames for damage to be done to.
pub(super) fn samples() -> Vec<Bytes> {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    let topic = TopicRequest::default().with_name(topic_name(1));
    let cursor = Cursor::default().with_topic_name(topic_name(1));
    let paged = theirs::DescribeTopicPartitionsRequest::default()
        .with_topics(vec![topic])
        .with_cursor(Some(cursor));
    vec![
        frame(ApiKey::DescribeTopicPartitions, 0, &paged),
        frame(ApiKey::DescribeLogDirs, 4, &theirs::DescribeLogDirsRequest::default()),
        frame(ApiKey::UpdateFeatures, 2, &theirs::UpdateFeaturesRequest::default()),
        frame(ApiKey::UnregisterBroker, 0, &theirs::UnregisterBrokerRequest::default()),
        frame(ApiKey::DescribeQuorum, 2, &quorum_of("__cluster_metadata", 0)),
        frame(ApiKey::AlterReplicaLogDirs, 2, &theirs::AlterReplicaLogDirsRequest::default()),
    ]
}

#[test]
fn without_an_authorizer_acls_are_refused_one_by_one() {
    use theirs::create_acls_request::AclCreation;
    use theirs::delete_acls_request::DeleteAclsFilter;
    let answered = |key, version, asked| match decode_request(asked, &Known) {
        Ok(Decoded::Answer(frame)) => frame.to_bytes(),
        other => panic!("{key:?} v{version}: {other:?}"),
    };
    let code = ErrorCode::SecurityDisabled as i16;
    for version in versions(ApiKey::DescribeAcls) {
        let key = ApiKey::DescribeAcls;
        let asked = theirs::DescribeAclsRequest::default()
            .with_resource_type_filter(2)
            .with_principal_filter(Some(text("User:alice")))
            .with_operation(1)
            .with_permission_type(1);
        let read: theirs::DescribeAclsResponse =
            read(answered(key, version, frame(key, version, &asked)), version);
        assert_eq!((read.error_code, read.resources.len()), (code, 0));
    }
    for version in versions(ApiKey::CreateAcls) {
        let key = ApiKey::CreateAcls;
        let acl = AclCreation::default()
            .with_resource_type(2)
            .with_resource_name(text("orders"))
            .with_principal(text("User:alice"))
            .with_host(text("*"))
            .with_operation(3)
            .with_permission_type(3);
        let asked = theirs::CreateAclsRequest::default().with_creations(vec![acl; 2]);
        let read: theirs::CreateAclsResponse =
            read(answered(key, version, frame(key, version, &asked)), version);
        assert_eq!(read.results.iter().map(|it| it.error_code).collect::<Vec<_>>(), [code; 2]);
    }
    for version in versions(ApiKey::DeleteAcls) {
        let key = ApiKey::DeleteAcls;
        let filter = DeleteAclsFilter::default()
            .with_resource_type_filter(1)
            .with_operation(1)
            .with_permission_type(1);
        let asked = theirs::DeleteAclsRequest::default().with_filters(vec![filter; 3]);
        let read: theirs::DeleteAclsResponse =
            read(answered(key, version, frame(key, version, &asked)), version);
        let found = read.filter_results.iter().map(|it| it.error_code);
        assert_eq!(found.collect::<Vec<_>>(), [code; 3]);
    }
}

#[test]
fn unknown_elements_of_acls_are_no_request() {
    for version in versions(ApiKey::DescribeAcls) {
        let known = theirs::DescribeAclsRequest::default()
            .with_resource_type_filter(1)
            .with_operation(1)
            .with_permission_type(1);
        let unknown = [
            known.clone().with_resource_type_filter(0),
            known.clone().with_pattern_type_filter(0),
            known.clone().with_operation(0),
            known.clone().with_permission_type(0),
        ];
        let decoded =
            |asked| decode_request(frame(ApiKey::DescribeAcls, version, asked), &Known).is_ok();
        assert!(decoded(&known));
        assert!(unknown.iter().all(|asked| !decoded(asked)));
    }
}
