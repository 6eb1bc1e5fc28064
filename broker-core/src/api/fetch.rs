//! Fetch (key 1) of consumers and followers. Fetches of the metadata log go to Raft instead.

use crate::protocol::FetchRequest;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: Box<FetchRequest>,
) {
    role.replicas.fetch(step, to, &request);
}
