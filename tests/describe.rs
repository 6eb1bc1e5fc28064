//! What tools look at, on a real cluster: partitions page by page.

use crate::common::Place;
use crate::kafka::{Client, Serving, retry, topic_name};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::{CreateTopicsRequest, DescribeTopicPartitionsRequest};

fn create(client: &mut Client, name: &str, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(2);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    retry(|| (client.call(4, &request).topics[0].error_code == 0).then_some(()));
}

#[test]
fn partitions_are_described_page_by_page() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut client = serving.client();
    create(&mut client, "orders", 3);
    create(&mut client, "bills", 2);
    let mut request = DescribeTopicPartitionsRequest::default()
        .with_topics(
            ["orders", "bills", "none"]
                .map(|name| TopicRequest::default().with_name(topic_name(name)))
                .to_vec(),
        )
        .with_response_partition_limit(2);
    // this broker may hear of the topics a moment after the controller has made them
    retry(|| {
        let answer = client.call(0, &request.clone().with_response_partition_limit(9));
        (answer.topics.iter().all(|t| t.name == Some(topic_name("none")) || t.error_code == 0))
            .then_some(())
    });
    let mut seen = Vec::new();
    loop {
        let answer = client.call(0, &request);
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            if topic.partitions.is_empty() {
                seen.push(format!("{name}: {}", topic.error_code));
            }
            for partition in &topic.partitions {
                assert_eq!(partition.replica_nodes.len(), 2);
                assert!(partition.replica_nodes.contains(&partition.leader_id));
                assert!(partition.offline_replicas.is_empty());
                seen.push(format!("{name}-{}", partition.partition_index));
            }
        }
        let Some(next) = answer.next_cursor else { break };
        let cursor = Cursor::default()
            .with_topic_name(next.topic_name)
            .with_partition_index(next.partition_index);
        request = request.with_cursor(Some(cursor));
    }
    assert_eq!(seen, ["bills-0", "bills-1", "none: 3", "orders-0", "orders-1", "orders-2"]);
}
