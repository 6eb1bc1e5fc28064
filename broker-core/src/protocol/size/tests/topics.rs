//! What administrators do to topics.

use super::{TOPIC, check_request, check_response, ids, text, topic, tp};
use crate::config::ConfigKind;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol as ours;
use crate::protocol::{ConfigOp, ConfigSource, ConfigTarget, Request, Response, TopicRef};
use kafka_protocol::messages as theirs;
use std::sync::Arc;

fn target() -> ConfigTarget {
    ConfigTarget { kind: ConfigTarget::TOPIC, name: TOPIC.into() }
}

#[test]
fn delete_topics() {
    use theirs::delete_topics_request::DeleteTopicState;
    use theirs::delete_topics_response::DeletableTopicResult;
    let topics = vec![TopicRef::Name(TOPIC.into()), TopicRef::Id(TopicId(7))];
    let request = Request::DeleteTopics(ours::DeleteTopicsRequest { topics });
    let topics = vec![
        DeleteTopicState::default().with_name(Some(topic())),
        DeleteTopicState::default().with_name(None),
    ];
    check_request(request, theirs::DeleteTopicsRequest::default().with_topics(topics), 6);
    let named = |name| ours::DeletedTopic { name, id: TopicId(7), error: ErrorCode::None };
    let topics = vec![named(Some(TOPIC.into())), named(None)];
    let response = Response::DeleteTopics(ours::DeleteTopicsResponse { topics });
    let result = |name| DeletableTopicResult::default().with_name(name).with_error_message(None);
    let results = vec![result(Some(topic())), result(None)];
    check_response(response, theirs::DeleteTopicsResponse::default().with_responses(results), 6);
}

#[test]
fn create_partitions() {
    use theirs::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    use theirs::create_partitions_response::CreatePartitionsTopicResult;
    let more = |assignments| ours::NewPartitions { name: TOPIC.into(), count: 6, assignments };
    let topics = vec![more(None), more(Some(vec![vec![NodeId(1), NodeId(2)]; 3]))];
    let request = ours::CreatePartitionsRequest { topics, validate_only: false };
    let placed = CreatePartitionsAssignment::default().with_broker_ids(ids(2));
    let more = CreatePartitionsTopic::default().with_name(topic()).with_count(6);
    let topics =
        vec![more.clone().with_assignments(None), more.with_assignments(Some(vec![placed; 3]))];
    let body = theirs::CreatePartitionsRequest::default().with_topics(topics);
    check_request(Request::CreatePartitions(request), body, 3);
    let topics = vec![(Arc::from(TOPIC), ErrorCode::None)];
    let response = Response::CreatePartitions(ours::CreatePartitionsResponse { topics });
    let result = CreatePartitionsTopicResult::default().with_name(topic()).with_error_message(None);
    let body = theirs::CreatePartitionsResponse::default().with_results(vec![result]);
    check_response(response, body, 3);
}

#[test]
fn alter_configs() {
    use theirs::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    use theirs::incremental_alter_configs_response::AlterConfigsResourceResponse;
    let change = |value: Option<&str>| ours::ConfigChange {
        key: "retention.ms".into(),
        op: ConfigOp::Set,
        value: value.map(Into::into),
    };
    let changes = vec![change(Some("1000")), change(None)];
    let resource = ours::AlteredResource { target: target(), replace: false, changes };
    let request = ours::AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let config = |value: Option<&'static str>| {
        AlterableConfig::default().with_name(text("retention.ms")).with_value(value.map(text))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config(Some("1000")), config(None)]);
    let body = theirs::IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    check_request(Request::AlterConfigs(request), body, 1);
    let message = Some("it is too large".into());
    let altered =
        ours::AlteredConfigs { target: target(), error: ErrorCode::InvalidConfig, message };
    let response = ours::AlterConfigsResponse { resources: vec![altered] };
    let altered = AlterConfigsResourceResponse::default()
        .with_resource_name(text(TOPIC))
        .with_error_message(Some(text("it is too large")));
    let body = theirs::IncrementalAlterConfigsResponse::default().with_responses(vec![altered]);
    check_response(Response::AlterConfigs(response), body, 1);
}

#[test]
fn describe_configs() {
    use theirs::describe_configs_request::DescribeConfigsResource;
    use theirs::describe_configs_response as described;
    let resources = vec![(target(), None), (target(), Some(vec!["retention.ms".into()]))];
    let request = ours::DescribeConfigsRequest { resources };
    let resource = |keys| {
        DescribeConfigsResource::default()
            .with_resource_name(text(TOPIC))
            .with_configuration_keys(keys)
    };
    let resources = vec![resource(None), resource(Some(vec![text("retention.ms")]))];
    let body = theirs::DescribeConfigsRequest::default().with_resources(resources);
    check_request(Request::DescribeConfigs(request), body, 4);
    let entry = ours::ConfigEntry {
        key: "retention.ms".into(),
        value: "1000".into(),
        source: ConfigSource::Topic,
        kind: ConfigKind::Long,
        read_only: false,
        inherited: None,
    };
    let one = ours::DescribedConfigs {
        target: target(),
        error: ErrorCode::None,
        message: None,
        entries: vec![entry; 2],
    };
    let response = ours::DescribeConfigsResponse { resources: vec![one] };
    let entry = described::DescribeConfigsResourceResult::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1000")))
        .with_documentation(None);
    let one = described::DescribeConfigsResult::default()
        .with_error_message(None)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![entry; 2]);
    let body = theirs::DescribeConfigsResponse::default().with_results(vec![one]);
    check_response(Response::DescribeConfigs(response), body, 4);
}

#[test]
fn delete_records() {
    use theirs::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use theirs::delete_records_response as deleted;
    let partitions = vec![(tp(1, 0), 5), (tp(1, 1), -1)];
    let request = Request::DeleteRecords(ours::DeleteRecordsRequest { partitions });
    let one = DeleteRecordsTopic::default()
        .with_name(topic())
        .with_partitions(vec![DeleteRecordsPartition::default(); 2]);
    check_request(request, theirs::DeleteRecordsRequest::default().with_topics(vec![one]), 2);
    let partitions = vec![(tp(1, 0), 5, ErrorCode::None), (tp(1, 1), 5, ErrorCode::None)];
    let response = Response::DeleteRecords(ours::DeleteRecordsResponse { partitions });
    let one = deleted::DeleteRecordsTopicResult::default()
        .with_name(topic())
        .with_partitions(vec![deleted::DeleteRecordsPartitionResult::default(); 2]);
    check_response(response, theirs::DeleteRecordsResponse::default().with_topics(vec![one]), 2);
}

#[test]
fn list_config_resources() {
    let request = ours::ListConfigResourcesRequest { kinds: vec![2, 32] };
    let body = theirs::ListConfigResourcesRequest::default().with_resource_types(vec![2, 32]);
    check_request(Request::ListConfigResources(request), body, 1);
    let response =
        ours::ListConfigResourcesResponse { error: ErrorCode::None, resources: vec![target(); 2] };
    let one = theirs::list_config_resources_response::ConfigResource::default()
        .with_resource_name(text(TOPIC))
        .with_resource_type(2);
    let body = theirs::ListConfigResourcesResponse::default().with_config_resources(vec![one; 2]);
    check_response(Response::ListConfigResources(response), body, 1);
}
