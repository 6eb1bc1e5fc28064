//! TxnOffsetCommit (key 28). Version 5 makes the group's partition a part of the transaction by
//! itself (KIP-890, second part).

use super::shared::{DecodeCx, committed_offsets, error_codes, producer, rules};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    NO_GENERATION, Request, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// First version that names the member (KIP-447).
const MEMBER_FROM: i16 = 3;
/// First version that adds the group's partition to the transaction.
const EPOCH_EACH_FROM: i16 = 5;
/// First version with `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 4;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let transactional_id = reader.string()?;
    let group = reader.string()?;
    let producer = producer(reader)?;
    let (generation, member, instance) = if version >= MEMBER_FROM {
        (reader.i32()?, reader.string()?, reader.nullable_string()?)
    } else {
        (NO_GENERATION, Arc::from(""), None)
    };
    let offsets = committed_offsets(reader, cx, 2)?;
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::TxnOffsetCommit(Box::new(TxnOffsetCommitRequest {
        transactional_id,
        rules: rules(version, EPOCH_EACH_FROM),
        producer,
        group,
        generation,
        member,
        instance,
        offsets,
    }))))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &TxnOffsetCommitResponse,
) {
    let told = |error| match error {
        ErrorCode::TransactionAbortable if call.version < ABORTABLE_FROM => {
            ErrorCode::InvalidTxnState
        }
        // producers before Kafka 2.0 do not know that a coordinator may be loading
        ErrorCode::CoordinatorLoadInProgress if call.version < 2 => {
            ErrorCode::CoordinatorNotAvailable
        }
        error => error,
    };
    out.i32(0); // throttle time
    error_codes(out, call, cluster, &response.partitions, told);
    out.no_tags();
}
