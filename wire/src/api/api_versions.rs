//! ApiVersions (key 18), answered at the edge: it is about the codec.
//!
//! Tagged fields that hold their default are not written: older librdkafka cannot skip them.

use crate::apis::{APIS, Api, ApiKey};
use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;

pub(crate) fn decode(reader: &mut Reader, version: i16) -> Result<(), WireError> {
    if version >= 3 {
        let _software = reader.string()?;
        let _software_version = reader.string()?;
    }
    reader.skip_tags()
}

/// The table. The header of this response never has tagged fields, so that a client that sent a
/// version which the broker does not know can read it (KIP-511).
pub(crate) fn encode(version: i16, correlation: i32) -> Frame {
    let flexible = Api::of(ApiKey::ApiVersions).is_flexible(version);
    let mut out = Writer::response(correlation, flexible, false);
    out.error(ErrorCode::None);
    out.array(APIS.into_iter(), write_api);
    if version >= 1 {
        out.i32(0); // throttle time
    }
    out.tags(features(version));
    out.finish()
}

/// The answer to a version that is too new: in the oldest layout, and with what is served.
pub(crate) fn refuse(correlation: i32) -> Frame {
    let mut out = Writer::response(correlation, false, false);
    out.error(ErrorCode::UnsupportedVersion);
    out.array([Api::of(ApiKey::ApiVersions)].into_iter(), write_api);
    out.finish()
}

/// Features and their highest levels, all of them finalized (KIP-584): the consumer protocol
/// (KIP-848).
const FEATURES: [(&str, i16); 1] = [("group.version", 1)];
/// First version in which a feature's lowest level may be 0 (KIP-1022).
const LEVEL_ZERO_FROM: i16 = 4;

/// Supported and finalized features, and the epoch of the latter.
fn features(version: i16) -> Vec<(u32, Writer)> {
    let lowest = i16::from(version < LEVEL_ZERO_FROM);
    let (mut supported, mut epoch, mut finalized) =
        (Writer::field(), Writer::field(), Writer::field());
    supported.array(FEATURES.into_iter(), |out, (name, level)| {
        out.string(name);
        out.i16(lowest);
        out.i16(level);
        out.no_tags();
    });
    epoch.i64(0);
    finalized.array(FEATURES.into_iter(), |out, (name, level)| {
        out.string(name);
        out.i16(level); // highest
        out.i16(level); // lowest
        out.no_tags();
    });
    vec![(0, supported), (1, epoch), (2, finalized)]
}

fn write_api(out: &mut Writer, api: Api) {
    out.i16(api.key as i16);
    out.i16(api.min);
    out.i16(api.max);
    out.no_tags();
}
