//! What administrators ask: topics, partitions, configs, elections, the cluster.

use super::{Known, answer, ask, frame, read, text, topic_id, topic_name, tp, versions};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use stormglass_broker_core::config::ConfigKind;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, AlteredConfigs, AlteredResource, ConfigChange,
    ConfigEntry, ConfigOp, ConfigSource, ConfigTarget, CreatePartitionsRequest,
    CreatePartitionsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, DeletedTopic, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribedConfigs, ElectLeadersRequest, ElectLeadersResponse, ElectionKind,
    ListConfigResourcesRequest, ListConfigResourcesResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, MetadataRequest, MetadataResponse, NewPartitions,
    Reassignment, Request, Response, TopicRef,
};

#[test]
fn topics_are_deleted_in_every_version() {
    use theirs::delete_topics_request::DeleteTopicState;
    for version in versions(ApiKey::DeleteTopics) {
        let by_id = version >= 6;
        let body = theirs::DeleteTopicsRequest::default();
        let (body, topics) = if by_id {
            let named = DeleteTopicState::default().with_name(Some(topic_name(1)));
            let known = DeleteTopicState::default().with_topic_id(topic_id(2));
            let expected = vec![TopicRef::Name("topic-1".into()), TopicRef::Id(tp(2, 0).topic)];
            (body.with_topics(vec![named, known]), expected)
        } else {
            let expected = vec![TopicRef::Name("topic-1".into())];
            (body.with_topic_names(vec![topic_name(1)]), expected)
        };
        let (request, call) = ask(ApiKey::DeleteTopics, version, &body);
        assert_eq!(request, Request::DeleteTopics(DeleteTopicsRequest { topics }));
        let gone = DeletedTopic {
            name: Some("topic-1".into()),
            id: tp(1, 0).topic,
            error: ErrorCode::TopicDeletionDisabled,
        };
        let unknown = DeletedTopic { name: None, error: ErrorCode::UnknownTopicId, ..gone.clone() };
        let topics = if by_id { vec![gone, unknown] } else { vec![gone] };
        let response = Response::DeleteTopics(DeleteTopicsResponse { topics });
        let read: theirs::DeleteTopicsResponse = answer(&call, &response);
        assert_eq!(read.responses[0].error_code, if version >= 3 { 73 } else { 42 });
        assert_eq!(read.responses[0].name, Some(topic_name(1)));
        if by_id {
            assert_eq!(read.responses[0].topic_id, topic_id(1));
            assert_eq!(read.responses[1].name, None);
        }
    }
}

#[test]
fn topics_that_are_named_by_name_and_id_are_refused() {
    use theirs::delete_topics_request::DeleteTopicState;
    let both =
        DeleteTopicState::default().with_name(Some(topic_name(1))).with_topic_id(topic_id(1));
    let named = DeleteTopicState::default().with_name(Some(topic_name(2)));
    let topics = vec![both.clone(), named];
    let body = theirs::DeleteTopicsRequest::default().with_topics(topics);
    let (request, call) = ask(ApiKey::DeleteTopics, 6, &body);
    let topics = vec![TopicRef::Name("topic-2".into())];
    assert_eq!(request, Request::DeleteTopics(DeleteTopicsRequest { topics }));
    let gone =
        DeletedTopic { name: Some("topic-2".into()), id: tp(2, 0).topic, error: ErrorCode::None };
    let response = Response::DeleteTopics(DeleteTopicsResponse { topics: vec![gone] });
    let read: theirs::DeleteTopicsResponse = answer(&call, &response);
    let told: Vec<_> = read.responses.iter().map(|topic| (&topic.name, topic.error_code)).collect();
    assert_eq!(told, [(&Some(topic_name(1)), 42), (&Some(topic_name(2)), 0)]);
    assert_eq!(read.responses[0].topic_id, topic_id(1));
    // nothing is left to be asked
    let body = theirs::DeleteTopicsRequest::default().with_topics(vec![both]);
    let asked = decode_request(frame(ApiKey::DeleteTopics, 6, &body), &Known).unwrap();
    assert!(matches!(asked, Decoded::Answer(_)), "{asked:?}");
}

#[test]
fn partitions_are_added_in_every_version() {
    use theirs::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    for version in versions(ApiKey::CreatePartitions) {
        let placed = CreatePartitionsAssignment::default().with_broker_ids(vec![2.into()]);
        let topic =
            |number| CreatePartitionsTopic::default().with_name(topic_name(number)).with_count(6);
        let body = theirs::CreatePartitionsRequest::default()
            .with_topics(vec![
                topic(1).with_assignments(None),
                topic(2).with_assignments(Some(vec![placed])),
            ])
            .with_validate_only(true);
        let (request, call) = ask(ApiKey::CreatePartitions, version, &body);
        let topic =
            |name: &str, assignments| NewPartitions { name: name.into(), count: 6, assignments };
        let topics = vec![topic("topic-1", None), topic("topic-2", Some(vec![vec![NodeId(2)]]))];
        let expected = CreatePartitionsRequest { topics, validate_only: true };
        assert_eq!(request, Request::CreatePartitions(expected));
        let topics = vec![("topic-1".into(), ErrorCode::InvalidPartitions)];
        let response = Response::CreatePartitions(CreatePartitionsResponse { topics });
        let read: theirs::CreatePartitionsResponse = answer(&call, &response);
        assert_eq!(read.results[0].error_code, 37);
    }
}

fn topic_target() -> ConfigTarget {
    ConfigTarget { kind: ConfigTarget::TOPIC, name: "topic-1".into() }
}

fn altered(change: ConfigChange, replace: bool) -> Request {
    let resource = AlteredResource { target: topic_target(), replace, changes: vec![change] };
    Request::AlterConfigs(AlterConfigsRequest { resources: vec![resource], validate_only: true })
}

fn refused() -> Response {
    let resource = AlteredConfigs {
        target: topic_target(),
        error: ErrorCode::InvalidConfig,
        message: Some("no".into()),
    };
    Response::AlterConfigs(AlterConfigsResponse { resources: vec![resource] })
}

#[test]
fn configs_are_replaced_in_every_version() {
    use theirs::alter_configs_request::{AlterConfigsResource, AlterableConfig};
    for version in versions(ApiKey::AlterConfigs) {
        let config =
            AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("1")));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("topic-1"))
            .with_configs(vec![config]);
        let body = theirs::AlterConfigsRequest::default()
            .with_resources(vec![resource])
            .with_validate_only(true);
        let (request, call) = ask(ApiKey::AlterConfigs, version, &body);
        let change =
            ConfigChange { key: "retention.ms".into(), op: ConfigOp::Set, value: Some("1".into()) };
        assert_eq!(request, altered(change, true));
        let read: theirs::AlterConfigsResponse = answer(&call, &refused());
        let read = &read.responses[0];
        assert_eq!((read.error_code, read.error_message.as_deref()), (40, Some("no")));
    }
}

#[test]
fn configs_are_changed_one_by_one_in_every_version() {
    use theirs::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let ops = [ConfigOp::Set, ConfigOp::Delete, ConfigOp::Append, ConfigOp::Subtract];
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        for (number, op) in (0..).zip(ops) {
            let config = AlterableConfig::default()
                .with_name(text("cleanup.policy"))
                .with_config_operation(number)
                .with_value(None);
            let resource = AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("topic-1"))
                .with_configs(vec![config]);
            let body = theirs::IncrementalAlterConfigsRequest::default()
                .with_resources(vec![resource])
                .with_validate_only(true);
            let (request, call) = ask(ApiKey::IncrementalAlterConfigs, version, &body);
            let change = ConfigChange { key: "cleanup.policy".into(), op, value: None };
            assert_eq!(request, altered(change, false));
            let read: theirs::IncrementalAlterConfigsResponse = answer(&call, &refused());
            assert_eq!(read.responses[0].resource_name.as_str(), "topic-1");
        }
    }
}

#[test]
fn configs_are_described_in_every_version() {
    use theirs::describe_configs_request::DescribeConfigsResource;
    for version in versions(ApiKey::DescribeConfigs) {
        for synonyms in [true, false] {
            let resource = |keys| {
                DescribeConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text("topic-1"))
                    .with_configuration_keys(keys)
            };
            let body = theirs::DescribeConfigsRequest::default()
                .with_resources(vec![
                    resource(None),
                    resource(Some(Vec::new())),
                    resource(Some(vec![text("retention.ms")])),
                ])
                .with_include_synonyms(synonyms);
            let (request, call) = ask(ApiKey::DescribeConfigs, version, &body);
            let only = Some(vec!["retention.ms".into()]);
            let resources =
                vec![(topic_target(), None), (topic_target(), None), (topic_target(), only)];
            assert_eq!(request, Request::DescribeConfigs(DescribeConfigsRequest { resources }));

            let entry = |source| ConfigEntry {
                key: "retention.ms".into(),
                value: "1".into(),
                source,
                kind: ConfigKind::Long,
                read_only: false,
                inherited: Some(("log.retention.ms", "9".into(), ConfigSource::Default)),
            };
            let described = DescribedConfigs {
                target: topic_target(),
                error: ErrorCode::None,
                message: None,
                entries: vec![entry(ConfigSource::Topic), entry(ConfigSource::Default)],
            };
            let response = DescribeConfigsResponse { resources: vec![described] };
            let read: theirs::DescribeConfigsResponse =
                answer(&call, &Response::DescribeConfigs(response));
            let configs = &read.results[0].configs;
            assert_eq!((configs[0].config_source, configs[1].config_source), (1, 5));
            let names: Vec<_> = configs[0].synonyms.iter().map(|s| s.name.as_str()).collect();
            let expected: &[&str] =
                if synonyms { &["retention.ms", "log.retention.ms"] } else { &[] };
            assert_eq!(names, expected);
            assert_eq!(configs[1].synonyms.len(), usize::from(synonyms));
            assert_eq!(configs[0].config_type, if version >= 3 { 5 } else { 0 });
        }
    }
}

#[test]
fn records_are_deleted_in_every_version() {
    use theirs::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    for version in versions(ApiKey::DeleteRecords) {
        let partition = DeleteRecordsPartition::default().with_partition_index(3).with_offset(-1);
        let topic =
            DeleteRecordsTopic::default().with_name(topic_name(2)).with_partitions(vec![partition]);
        let body = theirs::DeleteRecordsRequest::default().with_topics(vec![topic]);
        let (request, call) = ask(ApiKey::DeleteRecords, version, &body);
        let partitions = vec![(tp(2, 3), -1)];
        assert_eq!(request, Request::DeleteRecords(DeleteRecordsRequest { partitions }));
        let partitions = vec![(tp(2, 3), 77, ErrorCode::None)];
        let response = Response::DeleteRecords(DeleteRecordsResponse { partitions });
        let read: theirs::DeleteRecordsResponse = answer(&call, &response);
        assert_eq!(read.topics[0].partitions[0].low_watermark, 77);
    }
}

#[test]
fn leaders_are_elected_in_every_version() {
    use theirs::elect_leaders_request::TopicPartitions;
    const PREFERRED: ElectionKind = ElectionKind::Preferred;
    for version in versions(ApiKey::ElectLeaders) {
        let topic = TopicPartitions::default().with_topic(topic_name(2)).with_partitions(vec![3]);
        let body = theirs::ElectLeadersRequest::default();
        let some = body.clone().with_topic_partitions(Some(vec![topic]));
        let (request, call) = ask(ApiKey::ElectLeaders, version, &some);
        let expected = ElectLeadersRequest { kind: PREFERRED, partitions: Some(vec![tp(2, 3)]) };
        assert_eq!(request, Request::ElectLeaders(expected));
        let all = body.with_topic_partitions(None);
        let (request, _) = ask(ApiKey::ElectLeaders, version, &all);
        let expected = ElectLeadersRequest { kind: PREFERRED, partitions: None };
        assert_eq!(request, Request::ElectLeaders(expected));
        let partitions = vec![(tp(2, 3), ErrorCode::ElectionNotNeeded)];
        let response = ElectLeadersResponse { error: ErrorCode::None, partitions };
        let read: theirs::ElectLeadersResponse = answer(&call, &Response::ElectLeaders(response));
        let result = &read.replica_election_results[0].partition_result[0];
        assert_eq!((result.partition_id, result.error_code), (3, 84));
        if version >= 1 {
            let (request, _) =
                ask(ApiKey::ElectLeaders, version, &all.clone().with_election_type(1));
            let expected = ElectLeadersRequest { kind: ElectionKind::Unclean, partitions: None };
            assert_eq!(request, Request::ElectLeaders(expected));
            let odd = frame(ApiKey::ElectLeaders, version, &all.with_election_type(2));
            let told = match decode_request(odd, &Known) {
                Ok(Decoded::Answer(answer)) => answer.to_bytes(),
                other => panic!("{other:?}"),
            };
            assert_eq!(super::read::<theirs::ElectLeadersResponse>(told, version).error_code, 42);
        }
    }
}

#[test]
fn partitions_are_reassigned_in_every_version() {
    use theirs::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    for version in versions(ApiKey::AlterPartitionReassignments) {
        let partition = |index, replicas: Option<Vec<theirs::BrokerId>>| {
            ReassignablePartition::default().with_partition_index(index).with_replicas(replicas)
        };
        let moved = Some(vec![4.into(), 1.into()]);
        let topic = ReassignableTopic::default()
            .with_name(topic_name(2))
            .with_partitions(vec![partition(3, moved), partition(5, None)]);
        let mut body =
            theirs::AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        if version >= 1 {
            body.allow_replication_factor_change = false;
        }
        let (request, call) = ask(ApiKey::AlterPartitionReassignments, version, &body);
        let expected = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: version < 1,
            partitions: vec![(tp(2, 3), Some(vec![NodeId(4), NodeId(1)])), (tp(2, 5), None)],
        };
        assert_eq!(request, Request::AlterPartitionReassignments(expected));
        let response = AlterPartitionReassignmentsResponse {
            error: ErrorCode::None,
            allow_replication_factor_change: false,
            partitions: vec![(tp(2, 5), ErrorCode::NoReassignmentInProgress)],
        };
        let response = Response::AlterPartitionReassignments(response);
        let read: theirs::AlterPartitionReassignmentsResponse = answer(&call, &response);
        let told = &read.responses[0].partitions[0];
        assert_eq!((told.partition_index, told.error_code), (5, 85));
        assert_eq!(read.allow_replication_factor_change, version < 1);
    }
}

#[test]
fn reassignments_are_listed() {
    use theirs::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
    let topic = ListPartitionReassignmentsTopics::default()
        .with_name(topic_name(2))
        .with_partition_indexes(vec![3]);
    let body = theirs::ListPartitionReassignmentsRequest::default();
    let all = body.clone().with_topics(None);
    let (request, _) = ask(ApiKey::ListPartitionReassignments, 0, &all);
    let expected = ListPartitionReassignmentsRequest { partitions: None };
    assert_eq!(request, Request::ListPartitionReassignments(expected));
    let some = body.with_topics(Some(vec![topic]));
    let (request, call) = ask(ApiKey::ListPartitionReassignments, 0, &some);
    let expected = ListPartitionReassignmentsRequest { partitions: Some(vec![tp(2, 3)]) };
    assert_eq!(request, Request::ListPartitionReassignments(expected));
    let moved = Reassignment {
        tp: tp(2, 3),
        replicas: vec![NodeId(4), NodeId(1)],
        adding: vec![NodeId(4)],
        removing: vec![NodeId(1)],
    };
    let response =
        ListPartitionReassignmentsResponse { error: ErrorCode::None, partitions: vec![moved] };
    let response = Response::ListPartitionReassignments(response);
    let read: theirs::ListPartitionReassignmentsResponse = answer(&call, &response);
    let told = &read.topics[0].partitions[0];
    let ids = |list: &[theirs::BrokerId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
    let lists = [&told.replicas, &told.adding_replicas, &told.removing_replicas];
    assert_eq!(lists.map(|list| ids(list)), [vec![4, 1], vec![4], vec![1]]);
}

#[test]
fn the_cluster_is_described_in_every_version() {
    for version in versions(ApiKey::DescribeCluster) {
        let body = theirs::DescribeClusterRequest::default();
        let (request, call) = ask(ApiKey::DescribeCluster, version, &body);
        let topics = Some(Vec::new());
        let expected = MetadataRequest { topics, allow_auto_topic_creation: false };
        assert_eq!(request, Request::Metadata(expected));
        let response = MetadataResponse {
            brokers: vec![(NodeId(1), Some("az-1".into())), (NodeId(99), None)],
            controller: Some(NodeId(1)),
            topics: Vec::new(),
        };
        let told: theirs::DescribeClusterResponse =
            answer(&call, &Response::Metadata(Box::new(response)));
        assert_eq!((told.brokers.len(), told.controller_id.0), (1, 1));
        assert_eq!(told.cluster_id.as_str(), "a-cluster");
        assert_eq!(told.brokers[0].rack.as_deref(), Some("az-1"));
        if version >= 1 {
            for (kind, error) in [(2, 114), (9, 115)] {
                let body = body.clone().with_endpoint_type(kind);
                let told =
                    match decode_request(frame(ApiKey::DescribeCluster, version, &body), &Known) {
                        Ok(Decoded::Answer(answer)) => answer.to_bytes(),
                        other => panic!("{other:?}"),
                    };
                let told = read::<theirs::DescribeClusterResponse>(told, version);
                assert_eq!((told.error_code, told.cluster_id.as_str()), (error, ""));
                assert!(told.error_message.is_some());
            }
        }
    }
}

/// One frame of every API of this file, in its newest version.
pub(super) fn samples() -> Vec<bytes::Bytes> {
    use theirs::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use theirs::delete_topics_request::DeleteTopicState;
    let named = DeleteTopicState::default().with_topic_id(uuid::Uuid::from_u128(TopicId(9).0));
    let delete = theirs::DeleteTopicsRequest::default().with_topics(vec![named]);
    let more = theirs::create_partitions_request::CreatePartitionsTopic::default();
    let more = theirs::CreatePartitionsRequest::default().with_topics(vec![more]);
    let replaced = theirs::alter_configs_request::AlterConfigsResource::default();
    let replaced = theirs::AlterConfigsRequest::default().with_resources(vec![replaced]);
    let changed = theirs::incremental_alter_configs_request::AlterConfigsResource::default();
    let changed = theirs::IncrementalAlterConfigsRequest::default().with_resources(vec![changed]);
    let described = theirs::describe_configs_request::DescribeConfigsResource::default();
    let described = theirs::DescribeConfigsRequest::default().with_resources(vec![described]);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name(1))
        .with_partitions(vec![DeleteRecordsPartition::default()]);
    let records = theirs::DeleteRecordsRequest::default().with_topics(vec![topic]);
    vec![
        frame(ApiKey::DeleteTopics, 6, &delete),
        frame(ApiKey::CreatePartitions, 3, &more),
        frame(ApiKey::AlterConfigs, 2, &replaced),
        frame(ApiKey::IncrementalAlterConfigs, 1, &changed),
        frame(ApiKey::DescribeConfigs, 4, &described),
        frame(ApiKey::DeleteRecords, 2, &records),
        frame(ApiKey::ElectLeaders, 2, &theirs::ElectLeadersRequest::default()),
        frame(ApiKey::DescribeCluster, 2, &theirs::DescribeClusterRequest::default()),
    ]
}

#[test]
fn resources_with_configs_in_every_version() {
    for version in versions(ApiKey::ListConfigResources) {
        let kinds = if version >= 1 { vec![ConfigTarget::GROUP] } else { Vec::new() };
        let body = theirs::ListConfigResourcesRequest::default().with_resource_types(kinds.clone());
        let (request, call) = ask(ApiKey::ListConfigResources, version, &body);
        let kinds = if version >= 1 { kinds } else { vec![16] };
        assert_eq!(request, Request::ListConfigResources(ListConfigResourcesRequest { kinds }));
        let billing = ConfigTarget { kind: 16, name: "billing".into() };
        let error = ErrorCode::None;
        let response = ListConfigResourcesResponse { error, resources: vec![billing] };
        let read: theirs::ListConfigResourcesResponse =
            answer(&call, &Response::ListConfigResources(response));
        assert_eq!((read.error_code, read.config_resources.len()), (0, 1));
        assert_eq!(read.config_resources[0].resource_name.as_str(), "billing");
        let error = ErrorCode::UnsupportedVersion;
        let response = ListConfigResourcesResponse { error, resources: Vec::new() };
        let read: theirs::ListConfigResourcesResponse =
            answer(&call, &Response::ListConfigResources(response));
        assert_eq!((read.error_code, read.config_resources.len()), (35, 0));
    }
}

/// What Kafka tells of a config that it does not know, and of a subscription to metrics.
#[test]
fn secrets_are_told_by_name_alone_and_what_is_not_set_has_no_synonyms() {
    let resource = theirs::describe_configs_request::DescribeConfigsResource::default();
    let body = theirs::DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true);
    let (_, call) = ask(ApiKey::DescribeConfigs, 4, &body);
    let entry = |key: &'static str, kind, source| ConfigEntry {
        key: key.into(),
        value: "7".into(),
        source,
        kind,
        read_only: true,
        inherited: None,
    };
    let described = DescribedConfigs {
        target: topic_target(),
        error: ErrorCode::None,
        message: None,
        entries: vec![
            entry("foo.bar", ConfigKind::Unknown, ConfigSource::Broker),
            entry("interval.ms", ConfigKind::Int, ConfigSource::ClientMetrics),
            entry("match", ConfigKind::List, ConfigSource::Default),
            entry("root", ConfigKind::String, ConfigSource::BrokerLogger),
        ],
    };
    let response = DescribeConfigsResponse { resources: vec![described] };
    let read: theirs::DescribeConfigsResponse = answer(&call, &Response::DescribeConfigs(response));
    let [unknown, set, unset, logger] = &read.results[0].configs[..] else { panic!("{read:?}") };
    assert_eq!((&unknown.value, unknown.is_sensitive, unknown.config_type), (&None, true, 0));
    assert_eq!((unknown.config_source, unknown.synonyms.len()), (2, 1));
    assert_eq!(unknown.synonyms[0].value, None);
    assert_eq!((set.value.as_deref(), set.config_source, set.config_type), (Some("7"), 7, 3));
    assert_eq!((set.synonyms.len(), set.synonyms[0].source), (1, 7));
    assert_eq!((unset.config_source, unset.synonyms.len()), (5, 0));
    assert_eq!((logger.config_source, logger.config_type), (6, 0));
    assert_eq!((logger.value.as_deref(), logger.synonyms.len()), (Some("7"), 0));
}
