//! LeaveGroup (key 13).

use crate::protocol::LeaveGroupRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: LeaveGroupRequest,
) {
    role.groups.leave(step, &mut role.replicas, &role.image, to, request);
}
