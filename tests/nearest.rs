//! librdkafka reads from the replica in its rack (KIP-392), and from the leader once that is gone.

use crate::kafka::{Client, batch, retry, topic_name};
use crate::processes::Cluster;
use kafka_protocol::messages::CreateTopicsRequest;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::{ClientConfig, Message as _, Offset, Statistics, TopicPartitionList};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

const TOPIC: &str = "orders";
const POLL: Duration = Duration::from_millis(20);

/// Keeps from which broker the partition is read.
#[derive(Default)]
struct Source(AtomicI32);

impl ClientContext for Source {
    fn stats(&self, statistics: Statistics) {
        let partition = statistics.topics.get(TOPIC).and_then(|topic| topic.partitions.get(&0));
        if let Some(partition) = partition {
            self.0.store(partition.broker, Ordering::SeqCst);
        }
    }
}

impl ConsumerContext for Source {}

/// A consumer in that node's rack.
fn consumer(cluster: &Cluster, node: usize) -> BaseConsumer<Source> {
    let consumer: BaseConsumer<Source> = ClientConfig::new()
        .set("bootstrap.servers", cluster.addresses().join(","))
        .set("group.id", "nearest")
        .set("enable.auto.commit", "false")
        .set("client.rack", format!("az-{node}"))
        .set("statistics.interval.ms", "50")
        .create_with_context(Source::default())
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    consumer
}

/// The next records' values.
fn read(consumer: &BaseConsumer<Source>, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    retry(|| {
        while let Some(Ok(record)) = consumer.poll(POLL) {
            found.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap());
        }
        (found.len() >= count).then_some(())
    });
    found
}

/// Until the partition is read from that broker.
fn reads_from(consumer: &BaseConsumer<Source>, node: i32) {
    retry(|| {
        assert!(!matches!(consumer.poll(POLL), Some(Ok(_))), "everything was read before");
        (consumer.context().0.load(Ordering::SeqCst) == node).then_some(())
    });
}

#[test]
fn librdkafka_reads_in_its_own_rack_until_that_is_gone() {
    let mut cluster = Cluster::start();
    let addresses = cluster.addresses();
    let topic = CreatableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_num_partitions(1)
        .with_replication_factor(3);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let mut client = Client::connect(&addresses[0]);
    assert_eq!(client.call(5, &request).topics[0].error_code, 0);
    let leader = retry(|| cluster.leader());
    let near = (leader + 1) % addresses.len();
    let mut client = Client::connect(&addresses[leader]);
    // the leader itself may be the last one to hear of the topic
    retry(|| (client.produce(TOPIC, batch(&["a", "b"], None)).0 == 0).then_some(()));

    let consumer = consumer(&cluster, near + 1);
    assert_eq!(read(&consumer, 2), ["a", "b"]);
    reads_from(&consumer, i32::try_from(near + 1).unwrap());
    assert_eq!(client.produce(TOPIC, batch(&["c"], None)).0, 0);
    assert_eq!(read(&consumer, 1), ["c"]);

    cluster.kill(near);
    assert_eq!(client.produce(TOPIC, batch(&["d"], None)).0, 0);
    assert_eq!(read(&consumer, 1), ["d"]);
    reads_from(&consumer, i32::try_from(leader + 1).unwrap());
}
