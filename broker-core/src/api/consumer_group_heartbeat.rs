//! ConsumerGroupHeartbeat (key 68).

use crate::protocol::ConsumerGroupHeartbeatRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &ConsumerGroupHeartbeatRequest,
) {
    role.groups.consumer_heartbeat(step, &mut role.replicas, &role.image, to, request);
}
