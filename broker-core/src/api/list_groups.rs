//! ListGroups (key 16).

use crate::protocol::{ListGroupsRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &ListGroupsRequest,
) {
    let response = role.groups.list(request);
    step.reply(to, Response::ListGroups(response));
}
