//! Produce (key 0).

use crate::protocol::ProduceRequest;
use crate::replica::AppendOrigin;
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: ProduceRequest,
) {
    role.replicas.produce(step, AppendOrigin::Client(to), request);
}
