//! AlterClientQuotas (Kafka's `ClientQuotaControlManager`). Where Kafka looks up an IP entity's name, here
//! it is an address.

use super::state::Controller;
use crate::error::ErrorCode;
use crate::metadata::{MetadataRecord, QuotaOwner};
use crate::protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterQuotas, AlteredQuotas, QuotaValue,
    Response,
};
use crate::quota::{IP_QUOTA_KEY, QUOTA_KEYS};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How far above a whole number a rate may be, as floats are not exact.
const NEARLY_WHOLE: f64 = 1e-6;
/// `Integer.MAX_VALUE`.
const INT_MAX: f64 = 2_147_483_647.0;
/// `Long.MAX_VALUE`, as near as floats come.
const LONG_MAX: f64 = 9_223_372_036_854_775_808.0;

/// What a quota may be (Kafka's `QuotaConfig`).
#[derive(Debug, Clone, Copy)]
enum Kind {
    Int,
    Long,
    Double,
}

impl Controller {
    /// An entity that is named again has one answer, which says so, and what was said of it first.
    pub(super) fn alter_client_quotas(&mut self, request: &AlterClientQuotasRequest) -> Response {
        let mut seen: BTreeMap<BTreeMap<_, _>, usize> = BTreeMap::new();
        let mut entries = Vec::with_capacity(request.entries.len());
        for alter in &request.entries {
            let named: BTreeMap<_, _> = alter.entity.iter().cloned().collect();
            let known = seen.get(&named).copied();
            let checked = match known {
                Some(_) => Err(format!("Ignoring duplicate entity {:?}", alter.entity)),
                None => check(alter),
            };
            let (error, message) = match checked {
                Ok(owner) => {
                    if !request.validate_only {
                        self.stage_quotas(&owner, alter);
                    }
                    (ErrorCode::None, None)
                }
                Err(message) => (ErrorCode::InvalidRequest, Some(message.into())),
            };
            let altered = AlteredQuotas { error, message, entity: alter.entity.clone() };
            if let Some(at) = known {
                entries[at] = altered;
            } else {
                seen.insert(named, entries.len());
                entries.push(altered);
            }
        }
        Response::AlterClientQuotas(AlterClientQuotasResponse { entries })
    }

    fn stage_quotas(&mut self, owner: &QuotaOwner, alter: &AlterQuotas) {
        for (key, value) in &alter.changes {
            let current = self.image.quotas().get(owner).and_then(|quotas| quotas.get(key));
            if current != value.as_ref() {
                let (owner, key) = (owner.clone(), key.clone());
                self.stage(MetadataRecord::ClientQuota { owner, key, value: *value });
            }
        }
    }
}

/// Whom the changes are for, if all of them are possible. Nobody minds the end of a quota that cannot be.
fn check(alter: &AlterQuotas) -> Result<QuotaOwner, String> {
    let owner = QuotaOwner::of(&alter.entity)?;
    if let Some(Some(ip)) = &owner.ip
        && ip.parse::<IpAddr>().is_err()
    {
        return Err(format!("{ip} is not a valid IP or resolvable host."));
    }
    for (at, (key, value)) in alter.changes.iter().enumerate() {
        if alter.changes.iter().take(at).any(|(other, _)| other == key) {
            return Err(format!("Duplicate quota key {key}"));
        }
        if let Some(value) = value {
            let kind = kind_of(&owner, key);
            let kind = kind.ok_or_else(|| format!("Invalid configuration key {key}"))?;
            check_value(key, *value, kind)?;
        }
    }
    Ok(owner)
}

/// What a quota of an owner may be; `None`: it has no such quota.
fn kind_of(owner: &QuotaOwner, key: &str) -> Option<Kind> {
    if owner.ip.is_some() {
        return (key == IP_QUOTA_KEY).then_some(Kind::Int);
    }
    let (_, is_whole) = QUOTA_KEYS.iter().find(|(known, _)| *known == key)?;
    Some(if *is_whole { Kind::Long } else { Kind::Double })
}

/// Kafka takes what is no number (NaN) for a quota, here it is none.
fn check_value(key: &str, value: QuotaValue, kind: Kind) -> Result<(), String> {
    let value = value.get();
    if value.is_nan() || value <= 0.0 {
        return Err(format!("Quota {key} must be greater than 0"));
    }
    let (most, name) = match kind {
        Kind::Int => (INT_MAX, "an INT"),
        Kind::Long => (LONG_MAX, "a LONG"),
        Kind::Double => return Ok(()),
    };
    if value > most {
        return Err(format!("Proposed value for {key} is too large for {name}."));
    }
    if value.fract() > NEARLY_WHOLE {
        return Err(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alter(entity: &[(&str, Option<&str>)], changes: &[(&str, Option<f64>)]) -> AlterQuotas {
        AlterQuotas {
            entity: entity
                .iter()
                .map(|(kind, name)| ((*kind).into(), name.map(Into::into)))
                .collect(),
            changes: changes
                .iter()
                .map(|(key, value)| {
                    ((*key).into(), value.map(|value| QuotaValue::from_bits(value.to_bits())))
                })
                .collect(),
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        let client: &[_] = &[("client-id", Some("a"))];
        let rate: &[_] = &[("producer_byte_rate", Some(1024.0))];
        let connections: &[_] = &[("connection_creation_rate", Some(10.0))];
        assert!(check(&alter(&[("ip", Some("10.0.0.1"))], connections)).is_ok());
        assert!(check(&alter(&[("ip", None)], connections)).is_ok());
        assert!(check(&alter(client, rate)).is_ok());
        assert!(check(&alter(&[("user", None), ("client-id", None)], rate)).is_ok());
        assert!(check(&alter(client, &[("producer_byte_rate", None)])).is_ok());
        assert!(check(&alter(client, &[("request_percentage", Some(12.5))])).is_ok());
        assert!(check(&alter(client, &[("producer_byte_rate", Some(9.2e18))])).is_ok());
        assert!(check(&alter(client, &[("no_rate", None)])).is_ok(), "it is not there");
        assert!(check(&alter(&[("ip", None)], &[("producer_byte_rate", None)])).is_ok());
        for (entity, changes) in [
            (&[][..], rate),
            (&[("group", Some("g"))][..], rate),
            (&[("ip", Some("10.0.0.1"))][..], rate),
            (&[("ip", Some("nowhere"))][..], connections),
            (&[("ip", None), ("user", None)][..], connections),
            (client, connections),
            (&[("user", Some(""))][..], rate),
            (&[("user", Some("u")), ("user", None)][..], rate),
            (client, &[("produce_rate", Some(1.0))][..]),
            (client, &[("producer_byte_rate", Some(0.0))][..]),
            (client, &[("producer_byte_rate", Some(f64::NAN))][..]),
            (client, &[("producer_byte_rate", Some(1.5))][..]),
            (client, &[("producer_byte_rate", Some(1.999_999_9))][..]),
            (client, &[("producer_byte_rate", Some(9.3e18))][..]),
            (&[("ip", None)][..], &[("connection_creation_rate", Some(2_147_483_648.0))][..]),
            (&[("ip", None)][..], &[("connection_creation_rate", Some(1.5))][..]),
            (client, &[("producer_byte_rate", Some(1.0)), ("producer_byte_rate", None)][..]),
        ] {
            assert!(check(&alter(entity, changes)).is_err(), "{entity:?} {changes:?}");
        }
    }
}
