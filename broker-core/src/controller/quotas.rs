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
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How far from a whole number a rate may be, as floats are not exact.
const NEARLY_WHOLE: f64 = 1e-6;

impl Controller {
    pub(super) fn alter_client_quotas(&mut self, request: &AlterClientQuotasRequest) -> Response {
        let mut seen: BTreeSet<QuotaOwner> = BTreeSet::new();
        let mut entries = Vec::with_capacity(request.entries.len());
        for alter in &request.entries {
            let checked = check(alter).and_then(|owner| {
                if seen.contains(&owner) {
                    return Err("An entity is named twice.".to_owned());
                }
                seen.insert(owner.clone());
                Ok(owner)
            });
            let (error, message) = match checked {
                Ok(owner) => {
                    if !request.validate_only {
                        self.stage_quotas(&owner, alter);
                    }
                    (ErrorCode::None, None)
                }
                Err(message) => (ErrorCode::InvalidRequest, Some(message.into())),
            };
            entries.push(AlteredQuotas { error, message, entity: alter.entity.clone() });
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

/// Whom the changes are for, if all of them are possible.
fn check(alter: &AlterQuotas) -> Result<QuotaOwner, String> {
    let owner = QuotaOwner::of(&alter.entity)?;
    for (at, (key, value)) in alter.changes.iter().enumerate() {
        if alter.changes.iter().take(at).any(|(other, _)| other == key) {
            return Err(format!("Configuration key {key} is named twice."));
        }
        let is_whole = match owner.ip {
            Some(_) => (&**key == IP_QUOTA_KEY).then_some(true),
            None => QUOTA_KEYS.iter().find(|(known, _)| *known == &**key).map(|(_, whole)| *whole),
        };
        let Some(is_whole) = is_whole else {
            return Err(format!("Invalid configuration key {key}"));
        };
        if let Some(value) = value {
            check_value(key, *value, is_whole)?;
        }
    }
    if let Some(Some(ip)) = &owner.ip
        && ip.parse::<IpAddr>().is_err()
    {
        return Err(format!("{ip} is not a valid IP or resolvable host."));
    }
    Ok(owner)
}

fn check_value(key: &str, value: QuotaValue, is_whole: bool) -> Result<(), String> {
    let value = value.get();
    if value.is_nan() || value <= 0.0 {
        return Err(format!("Quota {key} must be greater than 0"));
    }
    if is_whole && !is_nearly_whole(value) {
        return Err(format!("{key} cannot be a fractional value."));
    }
    Ok(())
}

#[expect(clippy::float_arithmetic, reason = "the value is one, and decides nothing but itself")]
fn is_nearly_whole(value: f64) -> bool {
    (value - value.round()).abs() <= NEARLY_WHOLE && value < 9e18
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
            (client, &[("producer_byte_rate", Some(1.0)), ("producer_byte_rate", None)][..]),
        ] {
            assert!(check(&alter(entity, changes)).is_err(), "{entity:?} {changes:?}");
        }
    }
}
