//! Why a frame is not answered. The connection that sent it is closed; nobody else notices.

use std::fmt;

/// A frame that cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// It ends inside a field.
    CutShort,
    /// A length is negative, or of more bytes or elements than can follow.
    BadLength,
    /// A field that may not be null is.
    Null,
    /// A string is not UTF-8.
    NotUtf8,
    /// More elements in arrays than any sensible request has.
    TooManyElements,
    /// Bytes follow the last field.
    TrailingBytes(usize),
    /// An API that is not served.
    UnsupportedApi(i16),
    /// A version that is not served.
    UnsupportedVersion {
        /// API key.
        api: i16,
        /// Version.
        version: i16,
    },
    /// A value that no client may send.
    Forbidden(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort => f.write_str("the request ends inside a field"),
            Self::BadLength => f.write_str("a length in the request is wrong"),
            Self::Null => f.write_str("a field is null that must not be"),
            Self::NotUtf8 => f.write_str("a string is not UTF-8"),
            Self::TooManyElements => f.write_str("the request has too many elements"),
            Self::TrailingBytes(bytes) => write!(f, "{bytes} bytes follow the request"),
            Self::UnsupportedApi(key) => write!(f, "API {key} is not served"),
            Self::UnsupportedVersion { api, version } => {
                write!(f, "API {api} is not served in version {version}")
            }
            Self::Forbidden(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WireError {}
