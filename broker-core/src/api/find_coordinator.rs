//! FindCoordinator (key 10) of groups: the leader of the group's `__consumer_offsets` partition.

use crate::error::ErrorCode;
use crate::group::{OFFSETS_TOPIC, partition_for};
use crate::protocol::{
    CreateTopicsRequest, FindCoordinatorRequest, FindCoordinatorResponse, NewTopic, Placement,
    Request, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeMap;

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
    if role.image.topic_named(OFFSETS_TOPIC).is_none() {
        create_offsets_topic(role, step);
    }
    let error = if node.is_some() { ErrorCode::None } else { ErrorCode::CoordinatorNotAvailable };
    let response = FindCoordinatorResponse { error, node };
    step.reply(to, Response::FindCoordinator(response));
}

/// The first group of a cluster brings `__consumer_offsets` into being.
fn create_offsets_topic(role: &mut BrokerRole, step: &mut Step<'_>) {
    if role.creating_offsets_topic {
        return;
    }
    role.creating_offsets_topic = true;
    let server = &role.config.server;
    let replication_factor = i16::try_from(server.offsets_topic_replication_factor).unwrap_or(3);
    let topic = NewTopic {
        name: OFFSETS_TOPIC.into(),
        placement: Placement::Automatic {
            partitions: server.offsets_topic_num_partitions,
            replication_factor,
        },
        config: BTreeMap::from([("segment.bytes".to_owned(), (100 << 20).to_string())]),
    };
    let request = CreateTopicsRequest { topics: vec![topic] };
    role.ask_controller(step, Request::CreateTopics(request), None);
}
