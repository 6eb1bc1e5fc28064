//! SyncGroup (key 14).

use crate::protocol::SyncGroupRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: SyncGroupRequest,
) {
    role.groups.sync(step, &mut role.replicas, &role.image, to, request);
}
