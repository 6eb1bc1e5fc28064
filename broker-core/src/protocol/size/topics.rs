//! Sizes of the bodies of requests and responses of administrators, in the version named beside
//! each.

use super::{NULL, TAGS, UUID, array, blob, by_topic, nodes, nullable, topic_name};
use crate::ids::{NodeId, TopicPartition};
use crate::protocol::{
    AlteredResource, ConfigEntry, ConfigTarget, DescribedConfigs, NewPartitions, Reassignment,
    Request, Response, TopicRef,
};

/// Where a value comes from.
const SOURCE: u64 = 1;

pub(super) fn request(request: &Request) -> u64 {
    match request {
        // v6: topics by name or id, timeout
        Request::DeleteTopics(request) => {
            let topic = |topic: &TopicRef| match topic {
                TopicRef::Name(name) => text(name) + UUID + TAGS,
                TopicRef::Id(_) => NULL + UUID + TAGS,
            };
            let topics: u64 = request.topics.iter().map(topic).sum();
            array(request.topics.len()) + topics + 4 + TAGS
        }
        // v3: topics, timeout, flag
        Request::CreatePartitions(request) => {
            let topics: u64 = request.topics.iter().map(new_partitions).sum();
            array(request.topics.len()) + topics + 4 + 1 + TAGS
        }
        // IncrementalAlterConfigs v1: resources, flag
        Request::AlterConfigs(request) => {
            let resources: u64 = request.resources.iter().map(altered).sum();
            array(request.resources.len()) + resources + 1 + TAGS
        }
        // v1: kinds
        Request::ListConfigResources(request) => {
            array(request.kinds.len()) + request.kinds.len() as u64 + TAGS
        }
        // v4: resources, two flags
        Request::DescribeConfigs(request) => {
            let resource = |(of, keys): &(ConfigTarget, Option<Vec<std::sync::Arc<str>>>)| {
                let keys = keys.as_ref().map_or(NULL, |keys| {
                    array(keys.len()) + keys.iter().map(|key| text(key)).sum::<u64>()
                });
                target(of) + keys + TAGS
            };
            let resources: u64 = request.resources.iter().map(resource).sum();
            array(request.resources.len()) + resources + 1 + 1 + TAGS
        }
        // v2: per partition index, offset; timeout
        Request::DeleteRecords(request) => {
            by_topic(&request.partitions, topic_name(), |p| p.0.topic, |_| 4 + 8 + TAGS) + 4 + TAGS
        }
        // v1: timeout, flag, per partition index, replicas
        Request::AlterPartitionReassignments(request) => {
            let replicas = |wanted: &Option<Vec<NodeId>>| {
                wanted.as_ref().map_or(NULL, |wanted| nodes(wanted.len()))
            };
            let of = |p: &(TopicPartition, Option<Vec<NodeId>>)| 4 + replicas(&p.1) + TAGS;
            let partitions = by_topic(&request.partitions, topic_name(), |p| p.0.topic, of);
            4 + 1 + partitions + TAGS
        }
        // v0: timeout, partitions or all
        Request::ListPartitionReassignments(request) => {
            let partitions = request
                .partitions
                .as_ref()
                .map_or(NULL, |asked| by_topic(asked, topic_name(), |tp| tp.topic, |_| 4));
            4 + partitions + TAGS
        }
        _ => 0,
    }
}

fn new_partitions(topic: &NewPartitions) -> u64 {
    let assignments = topic.assignments.as_ref().map_or(NULL, |given| {
        let each = given.iter().map(|replicas| nodes(replicas.len()) + TAGS);
        array(given.len()) + each.sum::<u64>()
    });
    text(&topic.name) + 4 + assignments + TAGS
}

fn altered(resource: &AlteredResource) -> u64 {
    let changes = resource
        .changes
        .iter()
        .map(|change| text(&change.key) + 1 + nullable(change.value.as_deref()) + TAGS);
    target(&resource.target) + array(resource.changes.len()) + changes.sum::<u64>() + TAGS
}

pub(super) fn response(response: &Response) -> u64 {
    match response {
        // v1: throttle, flag, error, no message, per partition index, error, no message
        Response::AlterPartitionReassignments(response) => {
            let partition = 4 + 2 + NULL + TAGS;
            let of = |_: &_| partition;
            let partitions = by_topic(&response.partitions, topic_name(), |p| p.0.topic, of);
            4 + 1 + 2 + NULL + partitions + TAGS
        }
        // v0: throttle, error, no message, per partition index, three lists of replicas
        Response::ListPartitionReassignments(response) => {
            let of = |moved: &Reassignment| {
                let lists = [&moved.replicas, &moved.adding, &moved.removing];
                4 + lists.map(|list| nodes(list.len())).iter().sum::<u64>() + TAGS
            };
            let partitions = by_topic(&response.partitions, topic_name(), |p| p.tp.topic, of);
            4 + 2 + NULL + partitions + TAGS
        }
        // v6: throttle; per topic name, id, error, no message
        Response::DeleteTopics(response) => {
            let topics = response
                .topics
                .iter()
                .map(|t| nullable(t.name.as_deref()) + UUID + 2 + NULL + TAGS);
            4 + array(response.topics.len()) + topics.sum::<u64>() + TAGS
        }
        // v3: throttle; per topic name, error, no message
        Response::CreatePartitions(response) => {
            let topics = response.topics.iter().map(|(name, _)| text(name) + 2 + NULL + TAGS);
            4 + array(response.topics.len()) + topics.sum::<u64>() + TAGS
        }
        // IncrementalAlterConfigs v1: throttle; per resource error, message
        Response::AlterConfigs(response) => {
            let resources = response.resources.iter().map(|altered| {
                2 + nullable(altered.message.as_deref()) + target(&altered.target) + TAGS
            });
            4 + array(response.resources.len()) + resources.sum::<u64>() + TAGS
        }
        // v1: throttle, error, resources
        Response::ListConfigResources(response) => {
            let resources = response.resources.iter().map(|of| target(of) + TAGS);
            4 + 2 + array(response.resources.len()) + resources.sum::<u64>() + TAGS
        }
        // v4: throttle, resources
        Response::DescribeConfigs(response) => {
            let resources: u64 = response.resources.iter().map(described).sum();
            4 + array(response.resources.len()) + resources + TAGS
        }
        // v2: throttle; per partition index, log start, error
        Response::DeleteRecords(response) => {
            let partitions =
                by_topic(&response.partitions, topic_name(), |p| p.0.topic, |_| 4 + 8 + 2 + TAGS);
            4 + partitions + TAGS
        }
        _ => 0,
    }
}

fn described(configs: &DescribedConfigs) -> u64 {
    let entries: u64 = configs.entries.iter().map(entry).sum();
    let message = nullable(configs.message.as_deref());
    2 + message + target(&configs.target) + array(configs.entries.len()) + entries + TAGS
}

/// Without synonyms and documentation.
fn entry(entry: &ConfigEntry) -> u64 {
    text(&entry.key) + text(&entry.value) + 1 + SOURCE + 1 + array(0) + 1 + NULL + TAGS
}

fn target(target: &ConfigTarget) -> u64 {
    1 + text(&target.name)
}

fn text(text: &str) -> u64 {
    blob(text.len() as u64)
}
