//! Metadata (key 3), from this broker's image.

use super::auto_create;
use crate::controller::is_legal_name;
use crate::error::ErrorCode;
use crate::ids::TopicId;
use crate::metadata::{MetadataImage, PartitionImage, TopicImage};
use crate::protocol::{
    MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: MetadataRequest,
) {
    if request.allow_auto_topic_creation && role.config.server.auto_create_topics_enable {
        create_missing(role, step, &request);
    }
    let image = &role.image;
    let topics = match request.topics {
        None => image.topics().map(|topic| describe(image, topic)).collect(),
        Some(names) => names.iter().map(|name| find(image, name)).collect(),
    };
    let brokers = image
        .brokers()
        .filter(|(_, broker)| !broker.fenced)
        .map(|(id, broker)| (id, broker.rack.clone()))
        .collect();
    let response = MetadataResponse { brokers, controller: role.controller, topics };
    step.reply(to, Response::Metadata(Box::new(response)));
}

/// Topics that do not exist are on their way; the client asks again for them.
fn create_missing(role: &mut BrokerRole, step: &mut Step<'_>, request: &MetadataRequest) {
    let asked = request.topics.iter().flatten();
    let missing: Vec<Arc<str>> = asked
        .filter(|name| role.image.topic_named(name).is_none() && is_legal_name(name))
        .cloned()
        .collect();
    auto_create::create(role, step, &missing);
}

fn find(image: &MetadataImage, name: &Arc<str>) -> MetadataTopic {
    image.topic_named(name).map_or_else(
        || MetadataTopic {
            error: if is_legal_name(name) {
                ErrorCode::UnknownTopicOrPartition
            } else {
                ErrorCode::InvalidTopic
            },
            name: Arc::clone(name),
            id: TopicId(0),
            partitions: Vec::new(),
        },
        |topic| describe(image, topic),
    )
}

fn describe(image: &MetadataImage, topic: &TopicImage) -> MetadataTopic {
    MetadataTopic {
        error: ErrorCode::None,
        name: Arc::clone(&topic.name),
        id: topic.id,
        partitions: topic.partitions.iter().map(|p| describe_partition(image, p)).collect(),
    }
}

/// Leader and replicas of a partition, as clients are told.
pub(super) fn describe_partition(
    image: &MetadataImage,
    partition: &PartitionImage,
) -> MetadataPartition {
    let leader = partition.leader.filter(|id| image.broker(*id).is_some_and(|b| !b.fenced));
    let error = if leader.is_some() { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    MetadataPartition {
        error,
        leader,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
    }
}
