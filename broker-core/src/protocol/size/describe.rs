//! Sizes of the bodies of requests and responses that describe the cluster, in the version named
//! beside each.

use super::{
    HOST_BYTES, LOG_DIR_BYTES, NULL, TAGS, UUID, array, blob, by_topic, metadata_topic, nodes,
    nullable, topic_name,
};
use crate::protocol::{DescribeQuorumResponse, DescribedTopic, PartitionCursor, Request, Response};

/// Bytes of `CONTROLLER`.
const LISTENER_BYTES: u64 = 10;

pub(super) fn request(request: &Request) -> u64 {
    match request {
        // v0: topics, limit, cursor
        Request::DescribeTopicPartitions(request) => {
            let topics = request.topics.iter().map(|topic| text(topic) + TAGS);
            array(request.topics.len()) + topics.sum::<u64>() + 4 + at(&request.cursor) + TAGS
        }
        // v2: timeout; per feature name, level, direction; flag
        Request::UpdateFeatures(request) => {
            let updates = request.updates.iter().map(|update| text(&update.name) + 2 + 1 + TAGS);
            4 + array(request.updates.len()) + updates.sum::<u64>() + 1 + TAGS
        }
        // v0: broker
        Request::UnregisterBroker(_) => 4 + TAGS,
        // v2: the metadata topic
        Request::DescribeQuorum(_) => metadata_topic(4 + TAGS) + TAGS,
        // v4: partitions or all
        Request::DescribeLogDirs(request) => {
            let partitions = request
                .partitions
                .as_ref()
                .map_or(NULL, |asked| by_topic(asked, topic_name(), |tp| tp.topic, |_| 4));
            partitions + TAGS
        }
        // v2: one directory
        Request::AlterReplicaLogDirs(request) => {
            let partitions = by_topic(&request.partitions, topic_name(), |p| p.0.topic, |_| 4);
            array(1) + blob(LOG_DIR_BYTES) + partitions + TAGS + TAGS
        }
        _ => 0,
    }
}

pub(super) fn response(response: &Response) -> u64 {
    match response {
        // v0: throttle; per topic error, name, id, flag, partitions, operations; cursor
        Response::DescribeTopicPartitions(response) => {
            let topics = response.topics.iter().map(described_topic);
            4 + array(response.topics.len()) + topics.sum::<u64>() + at(&response.next) + TAGS
        }
        // v2: throttle, error, message
        Response::UpdateFeatures(response) => 4 + 2 + nullable(response.message.as_deref()) + TAGS,
        // v0: throttle, error, a message that is empty or names a broker, by one digit
        Response::UnregisterBroker(response) => {
            let unknown = "Broker ID 1 is not currently registered";
            let message = if response.error.is_ok() { "" } else { unknown };
            4 + 2 + nullable(Some(message)) + TAGS
        }
        // v2: error, no message, metadata topic, addresses of voters
        Response::DescribeQuorum(response) => described_quorum(response),
        // v4: throttle, error, one directory: error, path, partitions, room in all and left
        Response::DescribeLogDirs(response) => {
            // index, size, lag, flag
            let of = |_: &_| 4 + 8 + 8 + 1 + TAGS;
            let replicas = by_topic(&response.replicas, topic_name(), |r| r.tp.topic, of);
            let dir = 2 + blob(LOG_DIR_BYTES) + replicas + 8 + 8 + TAGS;
            4 + 2 + array(1) + dir + TAGS
        }
        // v2: throttle; per partition index, error
        Response::AlterReplicaLogDirs(response) => {
            let of = |_: &_| 4 + 2 + TAGS;
            4 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, of) + TAGS
        }
        _ => 0,
    }
}

fn described_topic(topic: &DescribedTopic) -> u64 {
    // error, index, leader, epoch, replicas, ISR, no ELR and none known, offline replicas
    let partitions = topic.partitions.iter().map(|partition| {
        let lists = [&partition.at.replicas, &partition.at.isr, &partition.offline];
        let lists: u64 = lists.map(|list| nodes(list.len())).iter().sum();
        2 + 4 + 4 + 4 + lists + 2 * nodes(0) + TAGS
    });
    let partitions = array(topic.partitions.len()) + partitions.sum::<u64>();
    2 + text(&topic.name) + UUID + 1 + partitions + 4 + TAGS
}

fn described_quorum(response: &DescribeQuorumResponse) -> u64 {
    // id, directory, log end, times of fetch and of having caught up
    let replica = 4 + UUID + 8 + 8 + 8 + TAGS;
    let replicas = |count: usize| array(count) + replica * count as u64;
    // index, error, no message, leader, epoch, high watermark
    let lists = replicas(response.voters.len()) + replicas(response.observers.len());
    let partition = 4 + 2 + NULL + 4 + 4 + 8 + lists + TAGS;
    let topics = if response.error.is_ok() { metadata_topic(partition) } else { array(0) };
    let listener = blob(LISTENER_BYTES) + blob(HOST_BYTES) + 2 + TAGS;
    let voters = response.voters.len();
    let nodes = array(voters) + (4 + array(1) + listener + TAGS) * voters as u64;
    2 + NULL + topics + nodes + TAGS
}

/// A structure that may be null: whether it is there, and its fields.
fn at(cursor: &Option<PartitionCursor>) -> u64 {
    cursor.as_ref().map_or(NULL, |cursor| 1 + text(&cursor.topic) + 4 + TAGS)
}

fn text(text: &str) -> u64 {
    blob(text.len() as u64)
}
