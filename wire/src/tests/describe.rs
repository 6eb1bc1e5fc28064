//! What administrators look at: partitions page by page.

use super::{answer, ask, frame, topic_id, topic_name, tp};
use crate::apis::ApiKey;
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribedPartition,
    DescribedTopic, MetadataPartition, PartitionCursor, Request, Response,
};

#[test]
fn partitions_are_described_page_by_page() {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    let key = ApiKey::DescribeTopicPartitions;
    let all = theirs::DescribeTopicPartitionsRequest::default();
    let (request, _) = ask(key, 0, &all);
    let expected =
        DescribeTopicPartitionsRequest { topics: vec![], partition_limit: 2000, cursor: None };
    assert_eq!(request, Request::DescribeTopicPartitions(Box::new(expected)));
    let cursor = Cursor::default().with_topic_name(topic_name(1)).with_partition_index(5);
    let some = all
        .with_topics(vec![TopicRequest::default().with_name(topic_name(1))])
        .with_response_partition_limit(7)
        .with_cursor(Some(cursor));
    let (request, call) = ask(key, 0, &some);
    let cursor = PartitionCursor { topic: "topic-1".into(), partition: 5 };
    let expected = DescribeTopicPartitionsRequest {
        topics: vec!["topic-1".into()],
        partition_limit: 7,
        cursor: Some(cursor.clone()),
    };
    assert_eq!(request, Request::DescribeTopicPartitions(Box::new(expected)));
    let partition = DescribedPartition {
        index: 5,
        at: MetadataPartition {
            error: ErrorCode::LeaderNotAvailable,
            leader: None,
            leader_epoch: 9,
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(2)],
        },
        offline: vec![NodeId(2)],
    };
    let topic = DescribedTopic {
        error: ErrorCode::None,
        name: "topic-1".into(),
        id: tp(1, 0).topic,
        partitions: vec![partition],
    };
    let internal = DescribedTopic {
        error: ErrorCode::UnknownTopicOrPartition,
        name: "__consumer_offsets".into(),
        id: tp(2, 0).topic,
        partitions: Vec::new(),
    };
    for next in [None, Some(cursor)] {
        let response = DescribeTopicPartitionsResponse {
            topics: vec![topic.clone(), internal.clone()],
            next: next.clone(),
        };
        let response = Response::DescribeTopicPartitions(Box::new(response));
        let read: theirs::DescribeTopicPartitionsResponse = answer(&call, &response);
        let told = &read.topics[0];
        assert_eq!((told.error_code, &told.name), (0, &Some(topic_name(1))));
        assert_eq!((told.topic_id, told.is_internal), (topic_id(1), false));
        let at = &told.partitions[0];
        let place = (at.error_code, at.partition_index, at.leader_id.0, at.leader_epoch);
        assert_eq!(place, (0, 5, -1, 9));
        let ids = |list: &[theirs::BrokerId]| list.iter().map(|id| id.0).collect::<Vec<_>>();
        let lists = [&at.replica_nodes, &at.isr_nodes, &at.offline_replicas];
        assert_eq!(lists.map(|list| ids(list)), [vec![1, 2], vec![2], vec![2]]);
        assert_eq!(at.eligible_leader_replicas, Some(Vec::new()));
        assert_eq!((read.topics[1].error_code, read.topics[1].is_internal), (3, true));
        let place = read.next_cursor.map(|at| (at.topic_name, at.partition_index));
        assert_eq!(place, next.map(|_| (topic_name(1), 5)));
    }
}

/// Frames for damage to be done to.
pub(super) fn samples() -> Vec<Bytes> {
    use theirs::describe_topic_partitions_request::{Cursor, TopicRequest};
    let topic = TopicRequest::default().with_name(topic_name(1));
    let cursor = Cursor::default().with_topic_name(topic_name(1));
    let paged = theirs::DescribeTopicPartitionsRequest::default()
        .with_topics(vec![topic])
        .with_cursor(Some(cursor));
    vec![frame(ApiKey::DescribeTopicPartitions, 0, &paged)]
}
