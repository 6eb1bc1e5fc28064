//! DescribeTopicPartitions (key 75, KIP-966): topics in order of name, from this broker's image, up
//! to a number of partitions; a cursor says where the next answer begins. Nobody is eligible to
//! lead but the ISR.

use super::metadata::describe_partition;
use crate::controller::is_legal_name;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::metadata::{MetadataImage, TopicImage};
use crate::protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribedPartition,
    DescribedTopic, PartitionCursor, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `max.request.partition.size.limit`, which nobody changes.
const PARTITIONS_MAX: usize = 2000;

pub(crate) fn handle(
    role: &BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeTopicPartitionsRequest,
) {
    let response = describe(&role.image, request);
    step.reply(to, Response::DescribeTopicPartitions(Box::new(response)));
}

fn describe(
    image: &MetadataImage,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let cursor = request.cursor.as_ref();
    let all = request.topics.is_empty();
    let is_bad = |cursor: &PartitionCursor| {
        cursor.partition < 0 || !all && !request.topics.contains(&cursor.topic)
    };
    if cursor.is_some_and(is_bad) {
        let refused = |name| refused(name, ErrorCode::InvalidRequest);
        let topics = request.topics.iter().map(refused).collect();
        return DescribeTopicPartitionsResponse { topics, next: None };
    }
    let names: BTreeSet<&Arc<str>> = if all {
        image.topics().map(|topic| &topic.name).collect()
    } else {
        request.topics.iter().collect()
    };
    let names = names.into_iter().filter(|name| cursor.is_none_or(|from| **name >= from.topic));
    let limit = usize::try_from(request.partition_limit).unwrap_or(0);
    let mut left = limit.clamp(1, PARTITIONS_MAX);
    let mut topics = Vec::new();
    for name in names {
        if left == 0 {
            let next = Some(PartitionCursor { topic: Arc::clone(name), partition: 0 });
            return DescribeTopicPartitionsResponse { topics, next };
        }
        let Some(topic) = image.topic_named(name) else {
            topics.push(unknown(name));
            continue;
        };
        let first = cursor.filter(|from| from.topic == *name).map_or(0, |from| from.partition);
        let (described, next) = page(image, topic, first, left);
        left -= described.partitions.len();
        topics.push(described);
        if next.is_some() {
            return DescribeTopicPartitionsResponse { topics, next };
        }
    }
    DescribeTopicPartitionsResponse { topics, next: None }
}

/// Partitions of a topic from `first` on, and where to go on when there are more of them.
fn page(
    image: &MetadataImage,
    topic: &TopicImage,
    first: i32,
    limit: usize,
) -> (DescribedTopic, Option<PartitionCursor>) {
    let is_offline = |id: &NodeId| image.broker(*id).is_none_or(|broker| broker.fenced);
    let mut indexed = (0..).zip(&topic.partitions).skip_while(|(index, _)| *index < first);
    let partitions = indexed.by_ref().take(limit).map(|(index, partition)| DescribedPartition {
        index,
        at: describe_partition(image, partition),
        offline: partition.replicas.iter().copied().filter(is_offline).collect(),
    });
    let described = DescribedTopic {
        error: ErrorCode::None,
        name: Arc::clone(&topic.name),
        id: topic.id,
        partitions: partitions.collect(),
    };
    let next = indexed
        .next()
        .map(|(partition, _)| PartitionCursor { topic: Arc::clone(&topic.name), partition });
    (described, next)
}

fn unknown(name: &Arc<str>) -> DescribedTopic {
    let is_legal = is_legal_name(name);
    let error = if is_legal { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopic };
    refused(name, error)
}

fn refused(name: &Arc<str>, error: ErrorCode) -> DescribedTopic {
    DescribedTopic { error, name: Arc::clone(name), id: TopicId(0), partitions: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TopicPartition;
    use crate::metadata::{MetadataRecord, PartitionRecord, RegisterBrokerRecord};

    /// Topics a, b and c of three partitions each on brokers 1 and 2, of which 2 is fenced.
    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        let mut apply = |record| image.apply(&record).map(drop).unwrap();
        for (broker, fenced) in [(1, false), (2, true)] {
            apply(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: NodeId(broker),
                incarnation: 1,
                epoch: 0,
                rack: None,
                endpoint: None,
                fenced,
                in_controlled_shutdown: false,
            }));
        }
        for (number, name) in (1..).zip(["c", "a", "b"]) {
            let id = TopicId(number);
            apply(MetadataRecord::Topic { name: name.into(), id });
            for index in 0..3 {
                apply(MetadataRecord::Partition(PartitionRecord {
                    tp: TopicPartition::new(id, index),
                    replicas: vec![NodeId(1), NodeId(2)],
                    isr: vec![NodeId(1)],
                    moving: None,
                    leader: Some(NodeId(1)),
                    recovering: false,
                    leader_epoch: 4,
                    partition_epoch: 0,
                }));
            }
        }
        image
    }

    /// What an answer lists, and its cursor.
    fn ask(
        topics: &[&str],
        partition_limit: i32,
        cursor: Option<(&str, i32)>,
    ) -> (Vec<String>, Option<(String, i32)>) {
        let request = DescribeTopicPartitionsRequest {
            topics: topics.iter().map(|name| Arc::from(*name)).collect(),
            partition_limit,
            cursor: cursor
                .map(|(topic, partition)| PartitionCursor { topic: topic.into(), partition }),
        };
        let response = describe(&image(), &request);
        let listed = response.topics.iter().flat_map(|topic| {
            let error = (!topic.error.is_ok()).then(|| format!("{} {:?}", topic.name, topic.error));
            let indexes = topic.partitions.iter().map(|p| format!("{}-{}", topic.name, p.index));
            error.into_iter().chain(indexes).collect::<Vec<_>>()
        });
        (listed.collect(), response.next.map(|at| (at.topic.to_string(), at.partition)))
    }

    #[test]
    fn topics_come_in_order_of_name_with_what_is_offline() {
        let (listed, next) = ask(&["b", "a"], 2000, None);
        assert_eq!(listed, ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]);
        assert_eq!(next, None);
        let request =
            DescribeTopicPartitionsRequest { topics: vec![], partition_limit: 1, cursor: None };
        let first = &describe(&image(), &request).topics[0].partitions[0];
        assert_eq!((first.at.leader, first.at.leader_epoch), (Some(NodeId(1)), 4));
        assert_eq!((&first.at.isr, &first.offline), (&vec![NodeId(1)], &vec![NodeId(2)]));
    }

    #[test]
    fn a_cursor_leads_through_all_partitions_once() {
        for limit in 1..=10 {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let at = cursor
                    .as_ref()
                    .map(|(topic, partition): &(String, i32)| (topic.as_str(), *partition));
                let (listed, next) = ask(&[], limit, at);
                assert!(listed.len() <= limit as usize, "{listed:?}");
                seen.extend(listed);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            let all = ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2", "c-0", "c-1", "c-2"];
            assert_eq!(seen, all, "{limit} at a time");
        }
    }

    #[test]
    fn the_limit_is_at_least_one() {
        assert_eq!(ask(&["a"], -7, None), (vec!["a-0".to_owned()], Some(("a".to_owned(), 1))));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let (listed, _) = ask(&["a", "nothing", "a/b"], 2000, None);
        let expected = ["a-0", "a-1", "a-2", "a/b InvalidTopic", "nothing UnknownTopicOrPartition"];
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_cursor_must_fit_the_topics() {
        let refused = (vec!["a InvalidRequest".to_owned()], None);
        assert_eq!(ask(&["a"], 10, Some(("b", 0))), refused);
        assert_eq!(ask(&["a"], 10, Some(("a", -1))), refused);
        assert_eq!(ask(&["a"], 10, Some(("a", 3))), (vec![], None));
    }
}
