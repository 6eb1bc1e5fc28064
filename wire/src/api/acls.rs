//! DescribeAcls, CreateAcls, DeleteAcls (keys 29 to 31), refused at the edge as by a broker of Kafka's
//! without an authorizer: tools that look for ACLs go on without them.

use crate::apis::{Api, ApiKey};
use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    /// All that match a filter.
    Describe,
    /// To make so many.
    Create(usize),
    /// To delete what matches so many filters.
    Delete(usize),
}

/// `None` for other APIs.
pub(crate) fn decode(key: ApiKey, reader: &mut Reader) -> Result<Option<Asked>, WireError> {
    let asked = match key {
        ApiKey::DescribeAcls => {
            filter(reader)?;
            Asked::Describe
        }
        ApiKey::CreateAcls => Asked::Create(reader.array(creation)?.len()),
        ApiKey::DeleteAcls => {
            let entry = |reader: &mut Reader| {
                filter(reader)?;
                reader.skip_tags()
            };
            Asked::Delete(reader.array(entry)?.len())
        }
        _ => return Ok(None),
    };
    reader.skip_tags()?;
    Ok(Some(asked))
}

fn filter(reader: &mut Reader) -> Result<(), WireError> {
    known(reader)?; // type of the resource
    let _resource = reader.nullable_string()?;
    known(reader)?; // type of the pattern
    let _principal = reader.nullable_string()?;
    let _host = reader.nullable_string()?;
    known(reader)?; // operation
    known(reader) // allowed or denied
}

fn creation(reader: &mut Reader) -> Result<(), WireError> {
    known(reader)?; // type of the resource
    let _resource = reader.string()?;
    known(reader)?; // type of the pattern
    let _principal = reader.string()?;
    let _host = reader.string()?;
    known(reader)?; // operation
    known(reader)?; // allowed or denied
    reader.skip_tags()
}

/// Kafka closes the connection of who asks for UNKNOWN, whether it has an authorizer or not.
fn known(reader: &mut Reader) -> Result<(), WireError> {
    match reader.i8()? {
        0 => Err(WireError::Forbidden("the request has an unknown element of an ACL")),
        _ => Ok(()),
    }
}

/// The answer: SECURITY_DISABLED, for each thing that was asked for.
pub(crate) fn refuse(asked: Asked, version: i16, correlation: i32) -> Frame {
    let key = match asked {
        Asked::Describe => ApiKey::DescribeAcls,
        Asked::Create(_) => ApiKey::CreateAcls,
        Asked::Delete(_) => ApiKey::DeleteAcls,
    };
    let flexible = Api::of(key).is_flexible(version);
    let mut out = Writer::response(correlation, flexible, flexible);
    out.i32(0); // throttle time
    match asked {
        Asked::Describe => {
            refusal(&mut out, "No Authorizer is configured on the broker");
            out.array_len(0);
        }
        Asked::Create(count) => out.array(0..count, |out, _| {
            refusal(out, "No Authorizer is configured.");
            out.no_tags();
        }),
        Asked::Delete(count) => out.array(0..count, |out, _| {
            refusal(out, "No Authorizer is configured.");
            out.array_len(0);
            out.no_tags();
        }),
    }
    out.no_tags();
    out.finish()
}

fn refusal(out: &mut Writer, message: &str) {
    out.error(ErrorCode::SecurityDisabled);
    out.nullable_string(Some(message));
}
