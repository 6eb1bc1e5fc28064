//! The cluster, its leaders, reassignments, quotas, log directories, quorum and features.

use super::{ABSENT, Script, TOPIC, text, topic};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterPartitionReassignmentsRequest, BrokerId, CreateAclsRequest,
    DeleteAclsRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeQuorumRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, UnregisterBrokerRequest, UpdateFeaturesRequest,
};

pub(super) fn all(script: &mut Script) {
    cluster(script);
    elections(script);
    reassignments(script);
    quotas(script);
    places(script);
    features(script);
    acls(script);
}

/// Neither has an authorizer.
fn acls(script: &mut Script) {
    let acl = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_resource_pattern_type(3)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_operation(1)
        .with_permission_type(1);
    let any = || {
        DescribeAclsRequest::default()
            .with_resource_type_filter(1)
            .with_pattern_type_filter(1)
            .with_operation(1)
            .with_permission_type(1)
    };
    script.every("DescribeAcls", |_, _| any());
    script.every("DescribeAcls, an unknown operation", |_, _| any().with_operation(0));
    script.every("CreateAcls", |_, _| {
        CreateAclsRequest::default().with_creations(vec![acl.clone(); 2])
    });
    script.every("DeleteAcls", |_, _| {
        DeleteAclsRequest::default().with_filters(vec![filter.clone(); 2])
    });
}

fn cluster(script: &mut Script) {
    script.every("DescribeCluster", |_, _| DescribeClusterRequest::default());
    script.every("DescribeCluster, authorized operations", |_, _| {
        DescribeClusterRequest::default().with_include_cluster_authorized_operations(true)
    });
    script.every("DescribeCluster, no such kind of endpoint", |_, version| {
        DescribeClusterRequest::default().with_endpoint_type(if version >= 1 { 9 } else { 1 })
    });
}

fn elections(script: &mut Script) {
    let request = |name: &str, partition: i32, kind: i8| {
        let asked =
            TopicPartitions::default().with_topic(topic(name)).with_partitions(vec![partition]);
        ElectLeadersRequest::default()
            .with_election_type(kind)
            .with_topic_partitions(Some(vec![asked]))
            .with_timeout_ms(10_000)
    };
    script.every("ElectLeaders, preferred", |_, _| request(TOPIC, 0, 0));
    script.every("ElectLeaders, unknown", |_, _| request(ABSENT, 0, 0));
    script.every("ElectLeaders, an unknown partition", |_, _| request(TOPIC, 99, 0));
    script.every("ElectLeaders, no such kind", |_, version| {
        request(TOPIC, 0, if version >= 1 { 9 } else { 0 })
    });
    script.every("ElectLeaders, unclean", |_, version| request(TOPIC, 0, i8::from(version >= 1)));
    script.every("ElectLeaders, all", |_, _| {
        ElectLeadersRequest::default().with_topic_partitions(None).with_timeout_ms(10_000)
    });
}

fn reassignments(script: &mut Script) {
    let request = |name: &str, partition: i32, replicas: Option<Vec<i32>>| {
        let replicas = replicas.map(|ids| ids.into_iter().map(BrokerId).collect());
        let asked = ReassignablePartition::default()
            .with_partition_index(partition)
            .with_replicas(replicas);
        let asked =
            ReassignableTopic::default().with_name(topic(name)).with_partitions(vec![asked]);
        AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![asked])
            .with_timeout_ms(10_000)
    };
    let cases: [(&'static str, &'static str, i32, Option<Vec<i32>>); 7] = [
        ("AlterPartitionReassignments, to where it is", TOPIC, 0, Some(vec![1])),
        ("AlterPartitionReassignments, to nobody", TOPIC, 0, Some(vec![77])),
        ("AlterPartitionReassignments, to none", TOPIC, 0, Some(vec![])),
        ("AlterPartitionReassignments, one twice", TOPIC, 0, Some(vec![1, 1])),
        ("AlterPartitionReassignments, nothing to cancel", TOPIC, 0, None),
        ("AlterPartitionReassignments, unknown", ABSENT, 0, Some(vec![1])),
        ("AlterPartitionReassignments, an unknown partition", TOPIC, 99, Some(vec![1])),
    ];
    for (question, name, partition, replicas) in cases {
        script.every(question, |_, _| request(name, partition, replicas.clone()));
    }
    let listed = |name: &str| {
        let asked = ListPartitionReassignmentsTopics::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0]);
        ListPartitionReassignmentsRequest::default()
            .with_topics(Some(vec![asked]))
            .with_timeout_ms(10_000)
    };
    script.every("ListPartitionReassignments, one", |_, _| listed(TOPIC));
    script.every("ListPartitionReassignments, unknown", |_, _| listed(ABSENT));
    script.every("ListPartitionReassignments, all", |_, _| {
        ListPartitionReassignmentsRequest::default().with_topics(None).with_timeout_ms(10_000)
    });
}

/// Kind and name.
type Entity = (&'static str, Option<&'static str>);
/// Quota and value.
type Change = (&'static str, f64);

fn quotas(script: &mut Script) {
    let request = |(kind, name): (&str, Option<&str>), (key, value): (&str, f64)| {
        let entity =
            EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text));
        let change = OpData::default().with_key(text(key)).with_value(value);
        let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![change]);
        AlterClientQuotasRequest::default().with_entries(vec![entry])
    };
    let rate = "consumer_byte_rate";
    let cases: [(&'static str, Entity, Change); 8] = [
        ("AlterClientQuotas, a client", ("client-id", Some("c")), (rate, 1e9)),
        ("AlterClientQuotas, by default", ("client-id", None), (rate, 1e9)),
        ("AlterClientQuotas, no such kind", ("colour", Some("red")), (rate, 1e9)),
        ("AlterClientQuotas, no such quota", ("client-id", Some("c")), ("speed", 1.0)),
        ("AlterClientQuotas, below 0", ("client-id", Some("c")), (rate, -1.0)),
        ("AlterClientQuotas, half a byte", ("client-id", Some("c")), (rate, 0.5)),
        ("AlterClientQuotas, no name", ("client-id", Some("")), (rate, 1e9)),
        ("AlterClientQuotas, no address", ("ip", Some("nowhere.invalid")), (rate, 1e9)),
    ];
    for (question, entity, change) in cases {
        script.every(question, |_, _| request(entity, change));
    }
    let described = |kind: &str, match_type: i8, name: Option<&str>| {
        let component = ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(match_type)
            .with_match(name.map(text));
        DescribeClientQuotasRequest::default().with_components(vec![component])
    };
    script.every("DescribeClientQuotas, all", |_, _| DescribeClientQuotasRequest::default());
    script.every("DescribeClientQuotas, one", |_, _| described("client-id", 0, Some("c")));
    script.every("DescribeClientQuotas, the default", |_, _| described("client-id", 1, None));
    script.every("DescribeClientQuotas, any", |_, _| described("client-id", 2, None));
    script.every("DescribeClientQuotas, no such kind", |_, _| described("colour", 2, None));
    script.every("DescribeClientQuotas, no such match", |_, _| described("client-id", 9, None));
}

fn places(script: &mut Script) {
    let request = |name: &str| {
        let asked =
            DescribableLogDirTopic::default().with_topic(topic(name)).with_partitions(vec![0, 99]);
        DescribeLogDirsRequest::default().with_topics(Some(vec![asked]))
    };
    script.every("DescribeLogDirs, one topic", |_, _| request(TOPIC));
    script.every("DescribeLogDirs, unknown", |_, _| request(ABSENT));
    let quorum = |name: &str| {
        let partition = PartitionData::default();
        let asked =
            TopicData::default().with_topic_name(topic(name)).with_partitions(vec![partition]);
        DescribeQuorumRequest::default().with_topics(vec![asked])
    };
    script.every("DescribeQuorum, another topic", |_, _| quorum(TOPIC));
}

fn features(script: &mut Script) {
    let request = |feature: &str, level: i16, version: i16| {
        let update =
            FeatureUpdateKey::default().with_feature(text(feature)).with_max_version_level(level);
        let update = if version >= 1 { update.with_upgrade_type(1) } else { update };
        UpdateFeaturesRequest::default().with_feature_updates(vec![update]).with_timeout_ms(10_000)
    };
    script.every("UpdateFeatures, unknown", |_, version| request("colour", 1, version));
    script.every("UpdateFeatures, a level to come", |_, version| {
        request("transaction.version", 99, version)
    });
    script.every("UnregisterBroker, unknown", |_, _| {
        UnregisterBrokerRequest::default().with_broker_id(BrokerId(99))
    });
    script.every("UpdateFeatures, none", |_, _| {
        UpdateFeaturesRequest::default().with_timeout_ms(10_000)
    });
}
