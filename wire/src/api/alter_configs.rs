//! AlterConfigs (key 33) and IncrementalAlterConfigs (key 44, KIP-339).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, AlteredResource, ConfigChange, ConfigOp,
    ConfigTarget, Request,
};

/// What is not named loses its value.
pub(crate) fn decode(reader: &mut Reader, _cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    read(reader, true, |_| Ok(ConfigOp::Set))
}

/// Each config says what shall become of it.
pub(crate) fn decode_incremental(
    reader: &mut Reader,
    _cx: &mut DecodeCx<'_>,
) -> Result<Asked, WireError> {
    read(reader, false, |reader| match reader.i8()? {
        0 => Ok(ConfigOp::Set),
        1 => Ok(ConfigOp::Delete),
        2 => Ok(ConfigOp::Append),
        3 => Ok(ConfigOp::Subtract),
        _ => Ok(ConfigOp::Unknown),
    })
}

fn read(
    reader: &mut Reader,
    replace: bool,
    op: impl Fn(&mut Reader) -> Result<ConfigOp, WireError>,
) -> Result<Asked, WireError> {
    let resources = reader.array(|reader| {
        let target = ConfigTarget { kind: reader.i8()?, name: reader.string()? };
        let changes = reader.array(|reader| {
            let key = reader.string()?;
            let change = ConfigChange { key, op: op(reader)?, value: reader.nullable_string()? };
            reader.skip_tags()?;
            Ok(change)
        })?;
        reader.skip_tags()?;
        Ok(AlteredResource { target, replace, changes })
    })?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    let request = AlterConfigsRequest { resources, validate_only };
    Ok(Asked::Broker(Request::AlterConfigs(request)))
}

pub(crate) fn encode(out: &mut Writer, response: &AlterConfigsResponse) {
    out.i32(0); // throttle time
    out.array(response.resources.iter(), |out, altered| {
        out.error(altered.error);
        out.nullable_string(altered.message.as_deref());
        out.i8(altered.target.kind);
        out.string(&altered.target.name);
        out.no_tags();
    });
    out.no_tags();
}
