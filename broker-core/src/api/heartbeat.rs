//! Heartbeat (key 12).

use crate::protocol::{HeartbeatRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &HeartbeatRequest,
) {
    let response = role.groups.heartbeat(step, &mut role.replicas, &role.image, request);
    step.reply(to, Response::Heartbeat(response));
}
