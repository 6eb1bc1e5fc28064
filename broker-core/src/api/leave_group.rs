//! LeaveGroup (key 13).

use crate::protocol::{LeaveGroupRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: LeaveGroupRequest,
) {
    let response = role.groups.leave(step, &mut role.replicas, &role.image, request);
    step.reply(to, Response::LeaveGroup(response));
}
