//! What administrators look at.

use super::{TOPIC, check_request, check_response, ids, topic};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol as ours;
use crate::protocol::{PartitionCursor, Request, Response};
use kafka_protocol::messages as theirs;

#[test]
fn describe_topic_partitions() {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    use theirs::describe_topic_partitions_response as described;
    for at in [None, Some(3)] {
        let cursor = at.map(|partition| PartitionCursor { topic: TOPIC.into(), partition });
        let request = ours::DescribeTopicPartitionsRequest {
            topics: vec![TOPIC.into()],
            partition_limit: 2000,
            cursor: cursor.clone(),
        };
        let their_cursor =
            at.map(|index| Cursor::default().with_topic_name(topic()).with_partition_index(index));
        let body = theirs::DescribeTopicPartitionsRequest::default()
            .with_topics(vec![TopicRequest::default().with_name(topic())])
            .with_cursor(their_cursor);
        check_request(Request::DescribeTopicPartitions(Box::new(request)), body, 0);
        let partition = ours::DescribedPartition {
            index: 0,
            at: ours::MetadataPartition {
                error: ErrorCode::None,
                leader: Some(NodeId(1)),
                leader_epoch: 2,
                replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
                isr: vec![NodeId(1), NodeId(2)],
            },
            offline: vec![NodeId(3)],
        };
        let described_topic = ours::DescribedTopic {
            error: ErrorCode::None,
            name: TOPIC.into(),
            id: TopicId(7),
            partitions: vec![partition],
        };
        let response =
            ours::DescribeTopicPartitionsResponse { topics: vec![described_topic], next: cursor };
        let partition = described::DescribeTopicPartitionsResponsePartition::default()
            .with_replica_nodes(ids(3))
            .with_isr_nodes(ids(2))
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
            .with_offline_replicas(ids(1));
        let topics = vec![
            described::DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(topic()))
                .with_partitions(vec![partition]),
        ];
        let next = at.map(|index| {
            described::Cursor::default().with_topic_name(topic()).with_partition_index(index)
        });
        let body = theirs::DescribeTopicPartitionsResponse::default()
            .with_topics(topics)
            .with_next_cursor(next);
        check_response(Response::DescribeTopicPartitions(Box::new(response)), body, 0);
    }
}
