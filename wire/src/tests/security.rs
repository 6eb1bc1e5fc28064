//! SASL, delegation tokens and SCRAM credentials, in every version, against an encoder that we did not
//! write.

use super::{Known, frame, read, text, versions};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use std::fmt::Debug;
use stormglass_broker_core::error::ErrorCode;

/// What is answered without the broker.
fn told<A, Q>(key: ApiKey, version: i16, asked: &Q) -> A
where
    A: Decodable + Encodable + HeaderVersion,
    Q: Encodable + HeaderVersion + Debug,
{
    match decode_request(frame(key, version, asked), &Known) {
        Ok(Decoded::Answer(answer)) => read(answer.to_bytes(), version),
        other => panic!("{key:?} v{version}: {asked:?}: {other:?}"),
    }
}

#[test]
fn a_client_that_is_set_up_for_sasl_is_told_that_there_is_none() {
    let code = ErrorCode::IllegalSaslState as i16;
    assert_eq!(code, 34);
    let asked = theirs::SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    for version in versions(ApiKey::SaslHandshake) {
        let answer: theirs::SaslHandshakeResponse = told(ApiKey::SaslHandshake, version, &asked);
        assert_eq!((answer.error_code, answer.mechanisms.len()), (code, 0));
    }
    let asked = theirs::SaslAuthenticateRequest::default()
        .with_auth_bytes(Bytes::from_static(b"\0alice\0secret"));
    for version in versions(ApiKey::SaslAuthenticate) {
        let answer: theirs::SaslAuthenticateResponse =
            told(ApiKey::SaslAuthenticate, version, &asked);
        assert_eq!(answer.error_code, code);
        assert!(answer.error_message.is_some() && answer.auth_bytes.is_empty());
    }
}

fn creation(version: i16, owner: Option<&str>) -> theirs::CreateDelegationTokenRequest {
    use theirs::create_delegation_token_request::CreatableRenewers;
    let renewer = CreatableRenewers::default()
        .with_principal_type(text("User"))
        .with_principal_name(text("bob"));
    let asked = theirs::CreateDelegationTokenRequest::default()
        .with_renewers(vec![renewer])
        .with_max_lifetime_ms(-1);
    if version < 3 {
        return asked;
    }
    asked
        .with_owner_principal_type(owner.map(|_| text("User")))
        .with_owner_principal_name(owner.map(text))
}

fn renewal() -> theirs::RenewDelegationTokenRequest {
    theirs::RenewDelegationTokenRequest::default()
        .with_hmac(Bytes::from_static(b"hmac"))
        .with_renew_period_ms(1000)
}

fn expiry() -> theirs::ExpireDelegationTokenRequest {
    theirs::ExpireDelegationTokenRequest::default()
        .with_hmac(Bytes::from_static(b"hmac"))
        .with_expiry_time_period_ms(-1)
}

fn tokens_of(owner: &str) -> theirs::DescribeDelegationTokenRequest {
    use theirs::describe_delegation_token_request::DescribeDelegationTokenOwner;
    let owner = DescribeDelegationTokenOwner::default()
        .with_principal_type(text("User"))
        .with_principal_name(text(owner));
    theirs::DescribeDelegationTokenRequest::default().with_owners(Some(vec![owner]))
}

#[test]
fn nobody_gets_a_delegation_token() {
    let code = ErrorCode::DelegationTokenRequestNotAllowed as i16;
    assert_eq!(code, 64);
    for version in versions(ApiKey::CreateDelegationToken) {
        for (owner, expected) in [(None, "ANONYMOUS"), (Some(""), "ANONYMOUS"), (Some("al"), "al")]
        {
            let asked = creation(version, owner);
            let answer: theirs::CreateDelegationTokenResponse =
                told(ApiKey::CreateDelegationToken, version, &asked);
            assert_eq!(answer.error_code, code);
            let expected = if version < 3 { "ANONYMOUS" } else { expected };
            assert_eq!((&*answer.principal_type, &*answer.principal_name), ("User", expected));
            let asker = if version < 3 { "" } else { "ANONYMOUS" };
            assert_eq!(&*answer.token_requester_principal_name, asker);
            assert_eq!((answer.expiry_timestamp_ms, answer.hmac.len()), (-1, 0));
        }
    }
    for version in versions(ApiKey::RenewDelegationToken) {
        let answer: theirs::RenewDelegationTokenResponse =
            told(ApiKey::RenewDelegationToken, version, &renewal());
        assert_eq!((answer.error_code, answer.expiry_timestamp_ms), (code, -1));
    }
    for version in versions(ApiKey::ExpireDelegationToken) {
        let answer: theirs::ExpireDelegationTokenResponse =
            told(ApiKey::ExpireDelegationToken, version, &expiry());
        assert_eq!((answer.error_code, answer.expiry_timestamp_ms), (code, -1));
    }
    for version in versions(ApiKey::DescribeDelegationToken) {
        let all = theirs::DescribeDelegationTokenRequest::default().with_owners(None);
        for asked in [all, tokens_of("alice")] {
            let answer: theirs::DescribeDelegationTokenResponse =
                told(ApiKey::DescribeDelegationToken, version, &asked);
            assert_eq!((answer.error_code, answer.tokens.len()), (code, 0));
        }
    }
}

fn credentials_of(users: &[&str]) -> theirs::DescribeUserScramCredentialsRequest {
    use theirs::describe_user_scram_credentials_request::UserName;
    let users = users.iter().map(|user| UserName::default().with_name(text(user)));
    theirs::DescribeUserScramCredentialsRequest::default().with_users(Some(users.collect()))
}

#[test]
fn no_user_has_scram_credentials() {
    for version in versions(ApiKey::DescribeUserScramCredentials) {
        let found = |asked: &theirs::DescribeUserScramCredentialsRequest| {
            let answer: theirs::DescribeUserScramCredentialsResponse =
                told(ApiKey::DescribeUserScramCredentials, version, asked);
            assert_eq!(answer.error_code, 0);
            answer.results
        };
        let all = theirs::DescribeUserScramCredentialsRequest::default().with_users(None);
        assert!(found(&all).is_empty());
        assert!(found(&credentials_of(&[])).is_empty());
        let named = found(&credentials_of(&["bob", "alice", "bob"]));
        let codes: Vec<_> = named.iter().map(|user| (&*user.user, user.error_code)).collect();
        assert_eq!(codes, [("alice", 91), ("bob", 92)]);
        assert!(named.iter().all(|user| user.error_message.is_some()));
        assert!(named.iter().all(|user| user.credential_infos.is_empty()));
    }
}

/// One frame of each of these APIs, in its newest version.
pub(super) fn samples() -> Vec<Bytes> {
    let mechanism = theirs::SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    let secret = theirs::SaslAuthenticateRequest::default()
        .with_auth_bytes(Bytes::from_static(b"\0alice\0secret"));
    vec![
        frame(ApiKey::SaslHandshake, 1, &mechanism),
        frame(ApiKey::SaslAuthenticate, 2, &secret),
        frame(ApiKey::CreateDelegationToken, 3, &creation(3, Some("alice"))),
        frame(ApiKey::RenewDelegationToken, 2, &renewal()),
        frame(ApiKey::ExpireDelegationToken, 2, &expiry()),
        frame(ApiKey::DescribeDelegationToken, 3, &tokens_of("alice")),
        frame(ApiKey::DescribeUserScramCredentials, 0, &credentials_of(&["alice", "bob"])),
    ]
}
