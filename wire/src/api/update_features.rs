//! UpdateFeatures (key 57, KIP-584).

use super::shared::DecodeCx;
use crate::call::Call;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    FeatureDirection, FeatureUpdate, Request, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

/// First version that tells a safe downgrade from an unsafe one.
const DIRECTION_FROM: i16 = 1;
/// First version without an outcome for each feature.
const NO_RESULTS_FROM: i16 = 2;

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let version = cx.version;
    let _timeout_ms = reader.i32()?;
    let updates = reader.array(|reader| {
        let (name, level) = (reader.string()?, reader.i16()?);
        let direction = if version >= DIRECTION_FROM {
            match reader.i8()? {
                1 => FeatureDirection::Upgrade,
                2 => FeatureDirection::SafeDowngrade,
                3 => FeatureDirection::UnsafeDowngrade,
                _ => FeatureDirection::Unknown,
            }
        } else if reader.bool()? {
            FeatureDirection::SafeDowngrade
        } else {
            FeatureDirection::Upgrade
        };
        reader.skip_tags()?;
        Ok(FeatureUpdate { name, level, direction })
    })?;
    let validate_only = if version >= DIRECTION_FROM { reader.bool()? } else { false };
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::UpdateFeatures(UpdateFeaturesRequest { updates, validate_only })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &UpdateFeaturesResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    out.nullable_string(response.message.as_deref());
    if call.version < NO_RESULTS_FROM {
        out.array(response.updated.iter(), |out, name| {
            out.string(name);
            out.error(ErrorCode::None);
            out.nullable_string(None);
            out.no_tags();
        });
    }
    out.no_tags();
}
