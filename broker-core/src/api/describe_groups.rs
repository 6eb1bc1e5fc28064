//! DescribeGroups (key 15).

use crate::protocol::{DescribeGroupsRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeGroupsRequest,
) {
    let response = role.groups.describe(&role.image, request);
    step.reply(to, Response::DescribeGroups(response));
}
