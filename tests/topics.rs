//! Administration, against a real broker: deletion, more partitions, configs, deleted records.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, keyed_batch, retry, text, topic_name};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    CreatePartitionsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest,
};
use std::collections::BTreeSet;

const TOPIC: &str = "orders";
/// Kafka's number of a topic's configs.
const OF_TOPIC: i8 = 2;
/// The same of a broker's.
const OF_BROKER: i8 = 4;

fn delete(client: &mut Client) -> i16 {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(TOPIC)]);
    client.call(4, &request).responses[0].error_code
}

fn topics(client: &mut Client) -> Vec<(String, usize)> {
    let answer = client.call(9, &MetadataRequest::default().with_topics(None));
    let named = answer.topics.into_iter();
    named.map(|t| (t.name.unwrap().to_string(), t.partitions.len())).collect()
}

fn extend(client: &mut Client, count: i32) -> i16 {
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name(TOPIC))
        .with_count(count)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    client.call(3, &request).results[0].error_code
}

/// Sets a config, or deletes it.
fn alter(client: &mut Client, key: &str, value: Option<&str>) -> i16 {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(OF_TOPIC)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.call(1, &request).responses[0].error_code
}

/// A config's value, and whether the topic has one of its own.
fn config(client: &mut Client, key: &str) -> (String, bool) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(OF_TOPIC)
        .with_resource_name(text(TOPIC))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = client.call(4, &request);
    assert_eq!(answer.results[0].error_code, 0);
    let found = &answer.results[0].configs[0];
    (found.value.as_ref().unwrap().to_string(), found.config_source == 1)
}

fn log_start(client: &mut Client) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-2);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    client.call(7, &request).topics[0].partitions[0].offset
}

/// The newest value of each key stays, at its offset; what a kill leaves is the same.
#[test]
fn a_compacted_topic_keeps_the_newest_record_of_each_key() {
    let place = Place::new();
    let flags =
        ["--set", "log.cleaner.backoff.ms=100", "--set", "log.cleaner.min.cleanable.ratio=0"];
    let serving = Serving::start(&place, "data", &flags);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!(alter(&mut client, "cleanup.policy", Some("compact")), 0);
    assert_eq!(alter(&mut client, "segment.bytes", Some("200")), 0);
    let policy = |client: &mut Client| config(client, "cleanup.policy").0;
    retry(|| (policy(&mut client) == "compact").then_some(()));
    retry(|| (client.produce(TOPIC, batch(&["no key"], None)).0 == 87).then_some(()));
    let base = client.produce(TOPIC, keyed_batch(&[("a", Some("1"))])).1;
    for _ in 0..4 {
        let pairs = [("a", Some("2")), ("b", Some("2")), ("c", Some("2"))];
        assert_eq!(client.produce(TOPIC, keyed_batch(&pairs)).0, 0);
    }
    for value in ["3", "4", "5"] {
        let pairs = [("a", Some(value)), ("b", None), ("d", Some("in the active segment"))];
        assert_eq!(client.produce(TOPIC, keyed_batch(&pairs)).0, 0);
    }
    // 1 + 12 + 9 records, the last three in the active segment
    // an answer has records of one segment, and perhaps only a batch that has lost all of them
    let offsets = |client: &mut Client| -> Vec<i64> {
        let read = (0..22).flat_map(|from| client.consume(TOPIC, base + from));
        let found: BTreeSet<i64> = read.map(|(offset, _)| offset - base).collect();
        found.into_iter().collect()
    };
    retry(|| {
        let found = offsets(&mut client);
        // c, then a, b and d of the last batch but one, and the active segment
        (found == [12, 16, 17, 18, 19, 20, 21]).then_some(())
    });
    let checkpoint = place.path("data/cleaner-offset-checkpoint");
    retry(|| checkpoint.exists().then_some(()));
    let before = offsets(&mut client);
    serving.kill();
    let serving = Serving::start(&place, "data", &flags);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!(offsets(&mut client), before);
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    assert_eq!(delete(&mut client), 3, "there is none");
    client.topic(TOPIC);
    assert_eq!(client.produce(TOPIC, batch(&["a", "b"], None)), (0, 0));
    assert_eq!(delete(&mut client), 0);
    retry(|| topics(&mut client).is_empty().then_some(()));
    retry(|| (!place.path("data/orders-0").exists()).then_some(()));
    client.topic(TOPIC);
    assert_eq!(client.produce(TOPIC, batch(&["c"], None)), (0, 0), "a new topic");
    serving.kill();

    let serving = Serving::start(&place, "data", &["--set", "delete.topic.enable=false"]);
    let mut client = serving.client();
    client.topic(TOPIC);
    let read = client.consume(TOPIC, 0);
    assert_eq!(read.iter().map(|(_, value)| &value[..]).collect::<Vec<_>>(), [b"c"]);
    assert_eq!(delete(&mut client), 73, "that is forbidden here");
}

#[test]
fn topics_grow_and_change() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!((extend(&mut client, 3), extend(&mut client, 2)), (0, 37));
    retry(|| (topics(&mut client) == [(TOPIC.to_owned(), 3)]).then_some(()));
    let large = "v".repeat(3000);
    assert_eq!(client.produce(TOPIC, batch(&[&large], None)), (0, 0));
    assert_eq!(alter(&mut client, "max.message.bytes", Some("2000")), 0);
    let limit = |client: &mut Client| config(client, "max.message.bytes");
    retry(|| (limit(&mut client) == ("2000".to_owned(), true)).then_some(()));
    assert_eq!(client.produce(TOPIC, batch(&[&large], None)).0, 10, "too large now");
    assert_eq!(alter(&mut client, "max.message.bytes", Some("lots")), 40);
    assert_eq!(alter(&mut client, "no.such.config", Some("1")), 40);
    serving.stop();

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!(client.produce(TOPIC, batch(&[&large], None)).0, 10, "still");
    assert_eq!(alter(&mut client, "max.message.bytes", None), 0);
    retry(|| (limit(&mut client) == ("1048588".to_owned(), false)).then_some(()));
    assert_eq!(client.produce(TOPIC, batch(&[&large], None)), (0, 1));
    let cluster = client.call(1, &DescribeClusterRequest::default());
    assert_eq!((cluster.brokers.len(), cluster.controller_id.0), (1, 1));
}

#[test]
fn records_can_be_deleted_up_to_an_offset() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    for offset in 0..4 {
        assert_eq!(client.produce(TOPIC, batch(&["a"], None)), (0, offset));
    }
    let delete = |client: &mut Client, before| {
        let partition = DeleteRecordsPartition::default().with_offset(before);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let answer = client.call(2, &request);
        let told = &answer.topics[0].partitions[0];
        (told.error_code, told.low_watermark)
    };
    assert_eq!(delete(&mut client, 9), (1, -1), "there is no such offset");
    assert_eq!(delete(&mut client, 3), (0, 3));
    assert_eq!(log_start(&mut client), 3);
    let left: Vec<i64> = client.consume(TOPIC, 3).iter().map(|(offset, _)| *offset).collect();
    assert_eq!(left, [3]);
    serving.stop();

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!(log_start(&mut client), 3);
    assert_eq!(delete(&mut client, -1), (0, 4));
}

/// Sets a config of a broker, or of all brokers, or deletes it.
fn alter_broker(client: &mut Client, broker: &str, key: &str, value: Option<&str>) -> i16 {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(OF_BROKER)
        .with_resource_name(text(broker))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.call(1, &request).responses[0].error_code
}

#[test]
fn configs_of_brokers_change_while_they_run_and_survive_a_kill() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    retry(|| (client.produce(TOPIC, batch(&["a"], None)) == (0, 0)).then_some(()));
    let long = "x".repeat(2000);
    assert_eq!(client.produce(TOPIC, batch(&[&long], None)), (0, 1));
    assert_eq!(alter_broker(&mut client, "1", "num.io.threads", Some("2")), 42);
    assert_eq!(alter_broker(&mut client, "", "message.max.bytes", Some("1000")), 0);
    retry(|| (client.produce(TOPIC, batch(&[&long], None)).0 == 10).then_some(()));
    let (value, is_own) = config(&mut client, "max.message.bytes");
    assert_eq!((value.as_str(), is_own), ("1000", false));
    serving.kill();

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    retry(|| (client.produce(TOPIC, batch(&[&long], None)).0 == 10).then_some(()));
    assert_eq!(alter_broker(&mut client, "1", "message.max.bytes", Some("100000")), 0);
    retry(|| (client.produce(TOPIC, batch(&[&long], None)).0 == 0).then_some(()));
}
