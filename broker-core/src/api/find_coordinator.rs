//! FindCoordinator (key 10) of groups: the leader of the group's `__consumer_offsets` partition.

use super::auto_create;
use crate::error::ErrorCode;
use crate::group::{OFFSETS_TOPIC, partition_for};
use crate::ids::NodeId;
use crate::metadata::MetadataImage;
use crate::protocol::{
    FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: FindCoordinatorRequest,
) {
    // The first group of a cluster brings the topic into being.
    if role.image.topic_named(OFFSETS_TOPIC).is_none() {
        auto_create::create(role, step, &[OFFSETS_TOPIC.into()]);
    }
    let found = request.keys.into_iter().map(|key| {
        let node = coordinator(&role.image, &key);
        let none = ErrorCode::CoordinatorNotAvailable;
        let error = if node.is_some() { ErrorCode::None } else { none };
        FoundCoordinator { key, error, node }
    });
    let response = FindCoordinatorResponse { coordinators: found.collect() };
    step.reply(to, Response::FindCoordinator(response));
}

fn coordinator(image: &MetadataImage, group: &str) -> Option<NodeId> {
    let topic = image.topic_named(OFFSETS_TOPIC)?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let index = usize::try_from(partition_for(group, count)).ok()?;
    topic.partitions.get(index)?.leader
}
