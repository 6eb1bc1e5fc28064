//! OffsetFetch (key 9).

use crate::protocol::{OffsetFetchRequest, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: OffsetFetchRequest,
) {
    let response = role.groups.fetch(&role.image, &request);
    step.reply(to, Response::OffsetFetch(response));
}
