//! Partitions that move from broker to broker, on a real cluster.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, retry, text, topic_name};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateTopicsRequest,
    ListPartitionReassignmentsRequest, MetadataRequest,
};

const TOPIC: &str = "orders";

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn create_on(client: &mut Client, replicas: &[i32]) -> i16 {
    let assignment = CreatableReplicaAssignment::default().with_broker_ids(brokers(replicas));
    let topic = CreatableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    client.call(4, &request).topics[0].error_code
}

fn reassign(client: &mut Client, replicas: Option<&[i32]>) -> i16 {
    let partition = ReassignablePartition::default().with_replicas(replicas.map(brokers));
    let topic =
        ReassignableTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    let answer = client.call(0, &request);
    assert_eq!((answer.error_code, &answer.responses[0].name.0), (0, &text(TOPIC)));
    answer.responses[0].partitions[0].error_code
}

/// Leader and replicas.
fn assignment(client: &mut Client) -> (i32, Vec<i32>) {
    let answer = client.call(9, &MetadataRequest::default().with_topics(None));
    let topic = answer.topics.iter().find(|topic| topic.name == Some(topic_name(TOPIC)));
    let partition = &topic.unwrap().partitions[0];
    (partition.leader_id.0, partition.replica_nodes.iter().map(|id| id.0).collect())
}

#[test]
fn a_partition_moves_with_its_records() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut first = serving.client();
    retry(|| (create_on(&mut first, &[1]) == 0).then_some(()));
    retry(|| (first.produce(TOPIC, batch(&["a", "b"], None)) == (0, 0)).then_some(()));
    assert_eq!(reassign(&mut first, None), 85, "nothing is under way");
    assert_eq!(reassign(&mut first, Some(&[2, 9])), 39, "there is no broker 9");
    assert_eq!(reassign(&mut first, Some(&[2, 3])), 0);
    retry(|| (assignment(&mut first) == (2, vec![2, 3])).then_some(()));
    let listing = ListPartitionReassignmentsRequest::default().with_topics(None);
    assert!(first.call(0, &listing).topics.is_empty());
    let log = |node: u32| place.path(&format!("data/node-{node}/orders-0"));
    retry(|| (!log(1).exists()).then_some(()));

    let mut second = Client::connect(&serving.addresses[1]);
    let read = retry(|| {
        let read = second.consume(TOPIC, 0);
        (!read.is_empty()).then_some(read)
    });
    let values: Vec<&[u8]> = read.iter().map(|(_, value)| &value[..]).collect();
    assert_eq!(values, [b"a", b"b"]);
    assert_eq!(second.produce(TOPIC, batch(&["c"], None)), (0, 2));
    serving.stop();
    let bytes = |node| std::fs::read(log(node).join("00000000000000000000.log")).unwrap();
    assert_eq!(bytes(2), bytes(3));
}
