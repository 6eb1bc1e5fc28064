//! OffsetCommit (key 8).

use super::shared::{DecodeCx, committed_offsets, error_codes};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{OffsetCommitRequest, OffsetCommitResponse, Request};

/// First version with epochs of members (KIP-848), and in which clients hear that there is no such group.
const MEMBER_EPOCHS_FROM: i16 = 9;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let group = reader.string()?;
    let generation = reader.i32()?;
    let member = reader.string()?;
    let instance = if version >= 7 { reader.nullable_string()? } else { None };
    if version <= 4 {
        let _retention_ms = reader.i64()?;
    }
    let offsets = committed_offsets(reader, cx, 6)?;
    reader.skip_tags()?;
    let knows_epochs = version >= MEMBER_EPOCHS_FROM;
    let request =
        OffsetCommitRequest { group, generation, member, instance, offsets, knows_epochs };
    Ok(Asked::Broker(Request::OffsetCommit(Box::new(request))))
}

pub(crate) fn encode(
    out: &mut Writer,
    call: &Call,
    cluster: &dyn Cluster,
    response: &OffsetCommitResponse,
) {
    if call.version >= 3 {
        out.i32(0); // throttle time
    }
    let is_older = call.version < MEMBER_EPOCHS_FROM;
    let told = |error| match error {
        // members with epochs must know this one
        ErrorCode::StaleMemberEpoch if is_older => ErrorCode::UnsupportedVersion,
        // to whom a group that is gone has another generation (`OffsetMetadataManager.validateOffsetCommit`)
        ErrorCode::GroupIdNotFound if is_older => ErrorCode::IllegalGeneration,
        error => error,
    };
    error_codes(out, call, cluster, &response.partitions, told);
    out.no_tags();
}
