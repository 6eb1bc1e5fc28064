//! FindCoordinator (key 10): the leader of the partition of `__consumer_offsets` or
//! `__transaction_state` where the key's state is kept.

use super::auto_create;
use crate::error::ErrorCode;
use crate::group::{OFFSETS_TOPIC, partition_for};
use crate::ids::NodeId;
use crate::metadata::MetadataImage;
use crate::protocol::{
    CoordinatorKind, FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use crate::txn::{self, TRANSACTIONS_TOPIC};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: FindCoordinatorRequest,
) {
    let FindCoordinatorRequest { kind, keys } = request;
    let topic = match kind {
        CoordinatorKind::Group => OFFSETS_TOPIC,
        CoordinatorKind::Transaction => TRANSACTIONS_TOPIC,
    };
    // The first one of a cluster brings the topic into being.
    if role.image.topic_named(topic).is_none() {
        auto_create::create(role, step, &[topic.into()]);
    }
    let found = keys.into_iter().map(|key| {
        let node = match kind {
            CoordinatorKind::Group => coordinator(&role.image, &key),
            CoordinatorKind::Transaction => txn::coordinator(&role.image, &key),
        };
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
