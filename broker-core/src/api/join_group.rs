//! JoinGroup (key 11).

use crate::protocol::JoinGroupRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: JoinGroupRequest,
) {
    role.groups.join(step, &mut role.replicas, &role.image, to, request);
}
