//! DescribeProducers (key 61, KIP-664).

use crate::ids::NO_EPOCH;
use crate::protocol::{DescribeProducersRequest, DescribeProducersResponse, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: DescribeProducersRequest,
) {
    let describe = |tp| {
        let led = role.replicas.led(tp, NO_EPOCH);
        (tp, led.map(|partition| partition.log.active_producers()))
    };
    let partitions = request.partitions.into_iter().map(describe).collect();
    step.reply(to, Response::DescribeProducers(DescribeProducersResponse { partitions }));
}
