//! OffsetForLeaderEpoch (key 23): where an epoch ends in this leader's log (KIP-101, KIP-320).

use crate::error::ErrorCode;
use crate::ids::{NO_EPOCH, NO_OFFSET};
use crate::protocol::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: OffsetForLeaderEpochRequest,
) {
    let unknown = EpochEndOffset { epoch: NO_EPOCH, end_offset: NO_OFFSET };
    let partitions = request
        .partitions
        .into_iter()
        .map(|(tp, current_epoch, asked)| match role.replicas.led(tp, current_epoch) {
            Ok(partition) => (tp, ErrorCode::None, partition.log.end_offset_for_epoch(asked)),
            Err(error) => (tp, error, unknown),
        })
        .collect();
    step.reply(to, Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse { partitions }));
}
