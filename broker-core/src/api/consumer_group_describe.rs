//! ConsumerGroupDescribe (key 69).

use crate::protocol::{ConsumerGroupDescribeRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &ConsumerGroupDescribeRequest,
) {
    let response = role.groups.describe_consumers(&role.image, request);
    step.reply(to, Response::ConsumerGroupDescribe(response));
}
