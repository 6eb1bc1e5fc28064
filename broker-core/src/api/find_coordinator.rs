//! FindCoordinator (key 10) of groups: the leader of the group's `__consumer_offsets` partition.

use super::auto_create;
use crate::error::ErrorCode;
use crate::group::{OFFSETS_TOPIC, partition_for};
use crate::protocol::{FindCoordinatorRequest, FindCoordinatorResponse, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: FindCoordinatorRequest,
) {
    let node = role.image.topic_named(OFFSETS_TOPIC).and_then(|topic| {
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let index = usize::try_from(partition_for(&request.key, count)).ok()?;
        topic.partitions.get(index)?.leader
    });
    // The first group of a cluster brings the topic into being.
    if role.image.topic_named(OFFSETS_TOPIC).is_none() {
        auto_create::create(role, step, &[OFFSETS_TOPIC.into()]);
    }
    let error = if node.is_some() { ErrorCode::None } else { ErrorCode::CoordinatorNotAvailable };
    let response = FindCoordinatorResponse { error, node };
    step.reply(to, Response::FindCoordinator(response));
}
