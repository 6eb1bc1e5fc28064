//! OffsetDelete (key 47).

use crate::protocol::OffsetDeleteRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: OffsetDeleteRequest,
) {
    role.groups.delete_offsets(step, &mut role.replicas, &role.image, to, request);
}
