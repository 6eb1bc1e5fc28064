//! DeleteGroups (key 42).

use crate::protocol::DeleteGroupsRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: DeleteGroupsRequest,
) {
    role.groups.delete(step, &mut role.replicas, &role.image, to, request);
}
