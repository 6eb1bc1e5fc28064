//! How many connections there may be, and how many may come: what the shell needs to know to see to it
//! (Kafka's `ConnectionQuotas`, KIP-402 and KIP-612). Leaves out limits of listeners, and
//! `max.connections.per.ip.overrides`.

use super::clients::IP_QUOTA_KEY;
use crate::config::{NO_BOUND, ServerConfig};
use crate::metadata::QuotaMap;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Limits of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `max.connections`.
    pub total_max: usize,
    /// `max.connections.per.ip`.
    pub per_ip_max: usize,
    /// `max.connection.creation.rate`, new ones per second; `None`: no limit.
    pub rate_max: Option<u64>,
    /// `connection_creation_rate` of addresses.
    ip_rates: BTreeMap<IpAddr, u64>,
    /// The same of all others.
    ip_rate_default: Option<u64>,
}

impl ConnectionLimits {
    /// As server.properties says, without quotas.
    #[must_use]
    pub fn of_server(server: &ServerConfig) -> Self {
        Self::new(server, &QuotaMap::new())
    }

    /// As server.properties and the metadata's quotas say.
    pub(crate) fn new(server: &ServerConfig, quotas: &QuotaMap) -> Self {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let rate = server.max_connection_creation_rate;
        let mut limits = Self {
            total_max: count(server.max_connections),
            per_ip_max: count(server.max_connections_per_ip),
            rate_max: (rate != NO_BOUND).then(|| u64::from(rate)),
            ip_rates: BTreeMap::new(),
            ip_rate_default: None,
        };
        for (owner, values) in quotas {
            let (Some(ip), Some(rate)) = (&owner.ip, values.get(IP_QUOTA_KEY)) else { continue };
            match ip.as_deref().map(str::parse) {
                None => limits.ip_rate_default = Some(rate.per_sec()),
                Some(Ok(ip)) => {
                    limits.ip_rates.insert(ip, rate.per_sec());
                }
                // the controller has checked it
                Some(Err(_)) => {}
            }
        }
        limits
    }

    /// New connections per second that an address may have; `None`: no limit.
    #[must_use]
    pub fn rate_of(&self, ip: IpAddr) -> Option<u64> {
        self.ip_rates.get(&ip).copied().or(self.ip_rate_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::QuotaOwner;
    use crate::protocol::QuotaValue;
    use std::sync::Arc;

    #[test]
    fn an_address_has_its_own_rate_or_that_of_all() {
        let quota = |ip: Option<&str>, rate| {
            let owner = QuotaOwner { ip: Some(ip.map(Arc::from)), ..QuotaOwner::default() };
            (owner, BTreeMap::from([(Arc::from(IP_QUOTA_KEY), QuotaValue::of(rate))]))
        };
        let server = ServerConfig::kafka_defaults();
        let of = |quotas: QuotaMap| ConnectionLimits::new(&server, &quotas);
        let (near, far) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
        let limits = of([quota(None, 5), quota(Some("127.0.0.1"), 50)].into());
        assert_eq!((limits.rate_of(near), limits.rate_of(far)), (Some(50), Some(5)));
        let limits = of([quota(Some("127.0.0.1"), 50)].into());
        assert_eq!((limits.rate_of(near), limits.rate_of(far)), (Some(50), None));
        assert_eq!((limits.total_max, limits.rate_max), (i32::MAX as usize, None));
    }

    #[test]
    fn server_properties_has_no_limit_below_zero() {
        let apply = |key: &str, value: &str| {
            let properties = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            ServerConfig::kafka_defaults().apply(&properties)
        };
        let keys = ["max.connections", "max.connections.per.ip", "max.connection.creation.rate"];
        for key in keys {
            assert!(apply(key, "-1").is_err() && apply(key, "2147483648").is_err(), "{key}");
            assert_eq!(apply(key, "0"), Ok(()), "{key}");
        }
    }
}
