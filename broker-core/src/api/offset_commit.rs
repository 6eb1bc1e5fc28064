//! OffsetCommit (key 8).

use crate::protocol::OffsetCommitRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: OffsetCommitRequest,
) {
    role.groups.commit(step, &mut role.replicas, &role.image, to, request);
}
