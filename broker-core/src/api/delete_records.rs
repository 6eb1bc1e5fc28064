//! DeleteRecords (key 21): the leader's log starts later from now on.
//!
//! Answered once the leader has done it; Kafka waits until the followers have, too.

use crate::error::ErrorCode;
use crate::ids::NO_OFFSET;
use crate::protocol::{DeleteRecordsRequest, DeleteRecordsResponse, Response};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: DeleteRecordsRequest,
) {
    let partitions = request.partitions.into_iter().map(|(tp, before)| {
        match role.replicas.delete_records(step, tp, before) {
            Ok(start) => (tp, start, ErrorCode::None),
            Err(error) => (tp, NO_OFFSET, error),
        }
    });
    let response = DeleteRecordsResponse { partitions: partitions.collect() };
    step.reply(to, Response::DeleteRecords(response));
}
