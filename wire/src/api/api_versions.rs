//! ApiVersions (key 18), answered at the edge: it is about the codec.
//!
//! Tagged fields that hold their default are not written: older librdkafka cannot skip them.

use crate::apis::{APIS, Api, ApiKey};
use crate::cluster::Levels;
use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::features::FEATURES;

pub(crate) fn decode(reader: &mut Reader, version: i16) -> Result<(), WireError> {
    if version >= 3 {
        let _software = reader.string()?;
        let _software_version = reader.string()?;
    }
    reader.skip_tags()
}

/// The table. The header of this response never has tagged fields, so that a client that sent a
/// version which the broker does not know can read it (KIP-511).
pub(crate) fn encode(version: i16, correlation: i32, chosen: Levels<'_>) -> Frame {
    let flexible = Api::of(ApiKey::ApiVersions).is_flexible(version);
    let mut out = Writer::response(correlation, flexible, false);
    out.error(ErrorCode::None);
    out.array(APIS.into_iter(), write_api);
    if version >= 1 {
        out.i32(0); // throttle time
    }
    out.tags(features(version, chosen));
    out.finish()
}

/// The answer to a version that is too new: in the oldest layout, and with what is served.
pub(crate) fn refuse(correlation: i32) -> Frame {
    let mut out = Writer::response(correlation, false, false);
    out.error(ErrorCode::UnsupportedVersion);
    out.array([Api::of(ApiKey::ApiVersions)].into_iter(), write_api);
    out.finish()
}

/// First version in which a feature's lowest level may be 0 (KIP-1022).
const LEVEL_ZERO_FROM: i16 = 4;

/// Supported and finalized features, and the epoch of the latter.
fn features(version: i16, chosen: Levels<'_>) -> Vec<(u32, Writer)> {
    let lowest = i16::from(version < LEVEL_ZERO_FROM);
    let (mut supported, mut epoch, mut finalized) =
        (Writer::field(), Writer::field(), Writer::field());
    supported.array(FEATURES.into_iter(), |out, feature| {
        out.string(feature.name);
        out.i16(feature.min.max(lowest));
        out.i16(feature.max);
        out.no_tags();
    });
    if chosen.levels.is_empty() {
        return vec![(0, supported)];
    }
    epoch.i64(chosen.epoch);
    finalized.array(chosen.levels.iter(), |out, (name, level)| {
        out.string(name);
        out.i16(*level); // highest
        out.i16(*level); // lowest
        out.no_tags();
    });
    vec![(0, supported), (1, epoch), (2, finalized)]
}

fn write_api(out: &mut Writer, api: Api) {
    out.i16(api.key as i16);
    out.i16(api.told_from());
    out.i16(api.max);
    out.no_tags();
}
