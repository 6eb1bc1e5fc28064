//! The header of a request (RequestHeader v1 and v2).

use crate::apis::{Api, ApiKey};
use crate::error::WireError;
use crate::reader::Reader;
use std::sync::Arc;

/// What a request says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    pub(crate) api: Api,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<Arc<str>>,
}

impl RequestHeader {
    /// Takes the header; the reader then knows the version's encoding.
    ///
    /// A version of ApiVersions that is too new ends here, as its layout is unknown; it must be
    /// answered all the same (KIP-511).
    pub(crate) fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let (key, version) = (reader.i16()?, reader.i16()?);
        let correlation = reader.i32()?;
        let api = Api::find(key).ok_or(WireError::UnsupportedApi(key))?;
        let mut header = Self { api, version, correlation, client_id: None };
        if !api.serves(version) {
            if api.key == ApiKey::ApiVersions {
                return Ok(header);
            }
            return Err(WireError::UnsupportedVersion { api: key, version });
        }
        // the client id has a fixed-size length in every version of the header
        header.client_id = reader.short_string()?;
        reader.set_flexible(api.is_flexible(version));
        reader.skip_tags()?;
        Ok(header)
    }
}
