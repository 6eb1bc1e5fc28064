//! SASL (keys 17 and 36), delegation tokens (keys 38 to 41) and DescribeUserScramCredentials (key 50),
//! answered at the edge as by a broker of Kafka's that has plaintext listeners and no credentials:
//! clients that are set up for SASL are told so, and tools that look for credentials go on without them.

use crate::apis::{Api, ApiKey};
use crate::error::WireError;
use crate::frame::Frame;
use crate::reader::Reader;
use crate::writer::Writer;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;

/// Who everybody is, as nobody is authenticated.
const ANYBODY: (&str, &str) = ("User", "ANONYMOUS");
/// A time that there is not.
const NO_TIME: i64 = -1;
/// First version of SaslAuthenticate with a session's lifetime.
const LIFETIME_FROM: i16 = 1;
/// First version of CreateDelegationToken that tells apart who owns a token and who asks for it.
const OWNER_FROM: i16 = 3;

/// Type and name of a principal.
type Principal = (Arc<str>, Arc<str>);

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To begin with SASL.
    Handshake,
    /// To go on with it.
    Authenticate,
    /// A token, for somebody else if there is one.
    CreateToken(Option<Principal>),
    /// That a token ends later, or at once.
    ChangeToken,
    /// Which tokens there are.
    DescribeTokens,
    /// Credentials of these users, or of all if there is none.
    DescribeCredentials(Vec<Arc<str>>),
}

/// `None` for other APIs.
pub(crate) fn decode(
    key: ApiKey,
    version: i16,
    reader: &mut Reader,
) -> Result<Option<Asked>, WireError> {
    let asked = match key {
        ApiKey::SaslHandshake => {
            let _mechanism = reader.string()?;
            Asked::Handshake
        }
        ApiKey::SaslAuthenticate => {
            let _secret = reader.bytes()?;
            Asked::Authenticate
        }
        ApiKey::CreateDelegationToken => Asked::CreateToken(creation(version, reader)?),
        ApiKey::RenewDelegationToken | ApiKey::ExpireDelegationToken => {
            let _token = reader.bytes()?;
            let _period_ms = reader.i64()?;
            Asked::ChangeToken
        }
        ApiKey::DescribeDelegationToken => {
            let _owners = reader.nullable_array(principal)?;
            Asked::DescribeTokens
        }
        ApiKey::DescribeUserScramCredentials => {
            let users = reader.nullable_array(user)?;
            Asked::DescribeCredentials(users.unwrap_or_default())
        }
        _ => return Ok(None),
    };
    reader.skip_tags()?;
    Ok(Some(asked))
}

/// Who is to own a new token, if it is not who asks.
fn creation(version: i16, reader: &mut Reader) -> Result<Option<Principal>, WireError> {
    let owner = if version >= OWNER_FROM {
        let (kind, name) = (reader.nullable_string()?, reader.nullable_string()?);
        kind.zip(name.filter(|name| !name.is_empty()))
    } else {
        None
    };
    let _renewers = reader.array(principal)?;
    let _lifetime_ms = reader.i64()?;
    Ok(owner)
}

fn principal(reader: &mut Reader) -> Result<Principal, WireError> {
    let principal = (reader.string()?, reader.string()?);
    reader.skip_tags()?;
    Ok(principal)
}

fn user(reader: &mut Reader) -> Result<Arc<str>, WireError> {
    let name = reader.string()?;
    reader.skip_tags()?;
    Ok(name)
}

/// The answer to what [`decode`] has found of this API.
pub(crate) fn answer(key: ApiKey, asked: &Asked, version: i16, correlation: i32) -> Frame {
    let flexible = Api::of(key).is_flexible(version);
    let mut out = Writer::response(correlation, flexible, flexible);
    match asked {
        Asked::Handshake => {
            out.error(ErrorCode::IllegalSaslState);
            out.array_len(0); // mechanisms
        }
        Asked::Authenticate => not_authenticated(&mut out, version),
        Asked::CreateToken(owner) => no_token(&mut out, version, owner.as_ref()),
        Asked::ChangeToken => {
            out.error(ErrorCode::DelegationTokenRequestNotAllowed);
            out.i64(NO_TIME); // its end
            out.i32(0); // throttle time
        }
        Asked::DescribeTokens => {
            out.error(ErrorCode::DelegationTokenRequestNotAllowed);
            out.array_len(0);
            out.i32(0); // throttle time
        }
        Asked::DescribeCredentials(users) => no_credentials(&mut out, users),
    }
    out.no_tags();
    out.finish()
}

fn not_authenticated(out: &mut Writer, version: i16) {
    out.error(ErrorCode::IllegalSaslState);
    out.nullable_string(Some("This listener is plaintext: nobody authenticates here."));
    out.bytes(&[]);
    if version >= LIFETIME_FROM {
        out.i64(0);
    }
}

fn no_token(out: &mut Writer, version: i16, owner: Option<&Principal>) {
    out.error(ErrorCode::DelegationTokenRequestNotAllowed);
    let (kind, name) = owner.map_or(ANYBODY, |(kind, name)| (&**kind, &**name));
    out.string(kind);
    out.string(name);
    if version >= OWNER_FROM {
        out.string(ANYBODY.0);
        out.string(ANYBODY.1);
    }
    out.i64(NO_TIME); // its beginning
    out.i64(NO_TIME); // its end
    out.i64(NO_TIME); // its latest end
    out.string(""); // its id
    out.bytes(&[]);
    out.i32(0); // throttle time
}

/// Each user once, as none of them has any.
fn no_credentials(out: &mut Writer, users: &[Arc<str>]) {
    out.i32(0); // throttle time
    out.error(ErrorCode::None);
    // Kafka says nothing where there is no error, rather than null
    out.nullable_string(Some(""));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *counts.entry(&**user).or_default() += 1;
    }
    out.array(counts.into_iter(), |out, (user, count)| {
        out.string(user);
        let (error, message) = match count {
            1 => (ErrorCode::ResourceNotFound, "This user has no SCRAM credentials."),
            _ => (ErrorCode::DuplicateResource, "The request names this user more than once."),
        };
        out.error(error);
        out.nullable_string(Some(message));
        out.array_len(0); // credentials
        out.no_tags();
    });
}
