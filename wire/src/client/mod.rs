//! The client's half of the codec, in the version of each API that `wire_size` measures: the newest one,
//! or the one before it that says as much.

mod requests;
mod responses;
#[cfg(test)]
mod tests;

use crate::apis::{Api, ApiKey};
use crate::call::Call;
use crate::cluster::Cluster;
use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use stormglass_broker_core::protocol::{Request, Response};

/// Encodes a request as a client sends it; `None` when no client of ours does.
#[must_use]
pub fn encode_request(
    request: &Request,
    (correlation, client_id): (i32, &str),
    cluster: &dyn Cluster,
) -> Option<Frame> {
    let api = Api::of(key_of(request)?);
    let mut out = Writer::request(api, version_of(api), correlation, client_id);
    requests::encode(&mut out, cluster, request);
    Some(out.finish())
}

/// Decodes the answer to a call, without its length prefix. Returns its correlation id, too.
///
/// # Errors
/// It is no answer to that call.
pub fn decode_response(
    call: &Call,
    frame: Bytes,
    cluster: &dyn Cluster,
) -> Result<(i32, Response), WireError> {
    let mut reader = Reader::new(frame);
    let correlation = reader.i32()?;
    reader.set_flexible(Api::of(call.api).is_flexible(call.version));
    reader.skip_tags()?;
    let response = responses::decode(&mut reader, call.api, cluster)?;
    reader.end()?;
    Ok((correlation, response))
}

/// What newer versions add, simulated clients have no use for.
fn version_of(api: Api) -> i16 {
    match api.key {
        ApiKey::Fetch => 17,
        ApiKey::ListOffsets => 8,
        ApiKey::Metadata => 12,
        _ => api.max,
    }
}

fn key_of(request: &Request) -> Option<ApiKey> {
    match request {
        Request::Produce(_) => Some(ApiKey::Produce),
        Request::Fetch(fetch) if fetch.replica.is_none() => Some(ApiKey::Fetch),
        Request::ListOffsets(_) => Some(ApiKey::ListOffsets),
        Request::Metadata(_) => Some(ApiKey::Metadata),
        Request::OffsetForLeaderEpoch(_) => Some(ApiKey::OffsetForLeaderEpoch),
        Request::InitProducerId(_) => Some(ApiKey::InitProducerId),
        Request::FindCoordinator(_) => Some(ApiKey::FindCoordinator),
        Request::OffsetCommit(_) => Some(ApiKey::OffsetCommit),
        Request::OffsetFetch(_) => Some(ApiKey::OffsetFetch),
        Request::CreateTopics(_) => Some(ApiKey::CreateTopics),
        Request::ElectLeaders(_) => Some(ApiKey::ElectLeaders),
        _ => None,
    }
}
