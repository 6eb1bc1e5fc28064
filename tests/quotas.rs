//! Quotas of clients, against a real broker: set, shown, felt, taken back, and there after a restart.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, retry, text, topic_name};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, FetchRequest, ProduceRequest,
};

const TOPIC: &str = "orders";
/// Of any name.
const ANY: i8 = 2;

/// Sets a quota of the test's client id, or takes it back.
fn alter(client: &mut Client, key: &str, value: Option<f64>) -> i16 {
    let entity = EntityData::default()
        .with_entity_type(text("client-id"))
        .with_entity_name(Some(text("test")));
    let change = OpData::default()
        .with_key(text(key))
        .with_value(value.unwrap_or_default())
        .with_remove(value.is_none());
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![change]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    client.call(1, &request).entries[0].error_code
}

/// Quotas of all client ids.
fn described(client: &mut Client) -> Vec<(String, f64)> {
    let any = ComponentData::default()
        .with_entity_type(text("client-id"))
        .with_match_type(ANY)
        .with_match(None);
    let request = DescribeClientQuotasRequest::default().with_components(vec![any]);
    let answer = client.call(1, &request);
    assert_eq!(answer.error_code, 0);
    let values = answer.entries.unwrap().into_iter().flat_map(|entry| entry.values);
    values.map(|value| (value.key.to_string(), value.value)).collect()
}

/// What a producer of so many bytes is told to wait, ms.
fn produce(client: &mut Client, bytes: usize) -> i32 {
    let records = batch(&[&"x".repeat(bytes)], None);
    let data = PartitionProduceData::default().with_records(Some(records));
    let data =
        TopicProduceData::default().with_name(topic_name(TOPIC)).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(20_000).with_topic_data(vec![data]);
    let answer = client.call(9, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    answer.throttle_time_ms
}

/// What a consumer is told to wait, ms, and how many topics it hears of.
fn fetch(client: &mut Client) -> (i32, usize) {
    let partition = FetchPartition::default().with_partition_max_bytes(10 << 20);
    let topic =
        FetchTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_topics(vec![topic]);
    let answer = client.call(11, &request);
    (answer.throttle_time_ms, answer.responses.len())
}

#[test]
fn a_quota_is_set_felt_and_taken_back() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    assert_eq!(produce(&mut client, 30_000), 0, "nothing is limited yet");
    assert_eq!(alter(&mut client, "producer_byte_rate", Some(2000.0)), 0);
    assert_eq!(alter(&mut client, "producer_byte_rate", Some(-1.0)), 42, "INVALID_REQUEST");
    assert_eq!(alter(&mut client, "produce_rate", Some(1.0)), 42, "INVALID_REQUEST");
    let set = retry(|| Some(described(&mut client)).filter(|found| !found.is_empty()));
    assert_eq!(set, [("producer_byte_rate".to_owned(), 2000.0)]);
    // 22 KB at 2 KB a second: 10 s are free, a second is to wait.
    let wait = produce(&mut client, 22_000);
    assert!((1_000..1_500).contains(&wait), "{wait}");
    assert_eq!(alter(&mut client, "consumer_byte_rate", Some(1000.0)), 0);
    let told = retry(|| Some(fetch(&mut client)).filter(|(wait, _)| *wait > 0));
    assert_eq!(told.1, 0, "no records, and more to wait than they would take");
    assert_eq!(alter(&mut client, "consumer_byte_rate", None), 0);
    retry(|| (fetch(&mut client) == (0, 1)).then_some(()));
    serving.stop();
    let again = Serving::start(&place, "data", &[]);
    let mut client = again.client();
    let kept = retry(|| Some(described(&mut client)).filter(|found| !found.is_empty()));
    assert_eq!(kept, [("producer_byte_rate".to_owned(), 2000.0)]);
}
