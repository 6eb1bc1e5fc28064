//! How many connections a node has, and how fast new ones come (Kafka's `ConnectionQuotas`). Those
//! beyond `max.connections` are closed at once, where Kafka lets them wait; those of an address that is
//! above its `connection_creation_rate` after a while (KIP-612).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_broker_core::time::Instant;
use stormglass_broker_core::{ConnectionLimits, Rate};

/// Addresses whose rates are kept before those that nothing is known of are looked for, once a window.
const RATES_KEPT: usize = 1000;

/// Connections of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    gate: Arc<Mutex<Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    /// `None` before the node says them.
    limits: Option<ConnectionLimits>,
    /// Open connections by address.
    open: BTreeMap<IpAddr, usize>,
    /// New connections.
    rate: Rate,
    /// New connections of addresses that have a quota.
    ip_rates: IpRates,
}

#[derive(Debug, Default)]
struct IpRates {
    rates: BTreeMap<IpAddr, Rate>,
    /// When those that nothing is known of were last looked for, ms.
    swept_ms: u64,
}

/// Whether a connection is served.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is, and counts while this is there.
    Place(Place),
    /// There are too many.
    TooMany,
    /// Its address has too many new ones; it is closed after this time.
    TooFast(Duration),
}

/// A connection that counts while this is there.
#[derive(Debug)]
pub(super) struct Place {
    counted: Counted,
    from: IpAddr,
}

impl Counted {
    /// Connections that are open.
    pub(crate) fn total(&self) -> usize {
        self.lock().open.values().sum()
    }

    /// Limits for those that come from now on.
    pub(crate) fn set_limits(&self, limits: ConnectionLimits) {
        self.lock().limits = Some(limits);
    }

    /// One more has come: how long it and all that follow wait for `max.connection.creation.rate`.
    pub(super) fn arrives(&self, now: Instant) -> Duration {
        let mut gate = self.lock();
        let Some(bound) = gate.limits.as_ref().and_then(|limits| limits.rate_max) else {
            return Duration::ZERO;
        };
        gate.rate.record(now.as_millis(), 1);
        wait(gate.rate.throttle_ms(now.as_millis(), 0, bound))
    }

    /// Counts one more, unless there are too many.
    pub(super) fn admit(&self, from: IpAddr, now: Instant) -> Admission {
        let mut gate = self.lock();
        let gate = &mut *gate;
        let here = gate.open.get(&from).copied().unwrap_or(0);
        if let Some(limits) = &gate.limits {
            let total: usize = gate.open.values().sum();
            if total >= limits.total_max || here >= limits.per_ip_max {
                return Admission::TooMany;
            }
            if let Some(bound) = limits.rate_of(from)
                && let Some(wait) = gate.ip_rates.too_fast(from, now, bound)
            {
                return Admission::TooFast(wait);
            }
        }
        Admission::Place(self.opened(gate, from))
    }

    /// Counts one more that no limit is for.
    pub(super) fn place(&self, from: IpAddr) -> Place {
        self.opened(&mut self.lock(), from)
    }

    fn opened(&self, gate: &mut Gate, from: IpAddr) -> Place {
        *gate.open.entry(from).or_default() += 1;
        Place { counted: self.clone(), from }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        // counts are whole after every statement, so a panic elsewhere has not broken them
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IpRates {
    /// Counts a new connection of an address, unless it is above its rate then.
    fn too_fast(&mut self, from: IpAddr, now: Instant, bound: u64) -> Option<Duration> {
        let now_ms = now.as_millis();
        let is_sweep_due = now_ms.saturating_sub(self.swept_ms) >= Rate::WINDOW_MS;
        if is_sweep_due && self.rates.len() >= RATES_KEPT && !self.rates.contains_key(&from) {
            self.rates.retain(|_, rate| !rate.is_idle(now_ms));
            self.swept_ms = now_ms;
        }
        let rate = self.rates.entry(from).or_default();
        let wait_ms = rate.throttle_ms(now_ms, 1, bound);
        if wait_ms > 0 {
            return Some(wait(wait_ms));
        }
        rate.record(now_ms, 1);
        None
    }
}

/// A window is the longest wait for a rate.
fn wait(ms: u64) -> Duration {
    Duration::from_millis(ms.min(Rate::WINDOW_MS))
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut gate = self.counted.lock();
        match gate.open.get_mut(&self.from) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(gate.open.remove(&self.from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::config::ServerConfig;

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn counted(change: impl FnOnce(&mut ServerConfig)) -> Counted {
        let mut server = ServerConfig::kafka_defaults();
        change(&mut server);
        let counted = Counted::default();
        counted.set_limits(ConnectionLimits::of_server(&server));
        counted
    }

    fn place(counted: &Counted, from: IpAddr) -> Option<Place> {
        match counted.admit(from, Instant::ZERO) {
            Admission::Place(place) => Some(place),
            Admission::TooMany => None,
            Admission::TooFast(wait) => panic!("{wait:?}"),
        }
    }

    #[test]
    fn connections_count_while_they_are_open() {
        let counted = counted(|server| {
            server.max_connections = 3;
            server.max_connections_per_ip = 2;
        });
        let first = place(&counted, NEAR).unwrap();
        let second = place(&counted, NEAR).unwrap();
        assert!(place(&counted, NEAR).is_none(), "two of one address");
        let third = place(&counted, FAR).unwrap();
        assert!(place(&counted, FAR).is_none(), "three in all");
        assert_eq!(counted.total(), 3);
        drop(first);
        let fourth = place(&counted, FAR).unwrap();
        let controller = counted.place(FAR);
        assert_eq!(counted.total(), 4, "which no limit is for");
        drop((second, third, fourth, controller));
        assert_eq!(counted.total(), 0);
    }

    #[test]
    fn new_connections_wait_when_they_come_too_fast() {
        let counted = counted(|server| server.max_connection_creation_rate = 2);
        // twenty in ten seconds
        let waits: Vec<_> = (0..22).map(|_| counted.arrives(Instant::ZERO)).collect();
        assert!(waits[..20].iter().all(Duration::is_zero));
        assert_eq!(waits[20].as_millis(), 500);
        assert_eq!(waits[21].as_millis(), 1000);
    }

    #[test]
    fn an_address_above_its_rate_is_turned_away_and_does_not_count() {
        let mut rates = IpRates::default();
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let mut fast = |ms, ip| rates.too_fast(ip, at(ms), 1).map(|wait| wait.as_millis());
        for _ in 0..10 {
            assert_eq!(fast(0, NEAR), None);
        }
        for _ in 0..3 {
            assert_eq!(fast(0, NEAR), Some(1000));
        }
        assert_eq!(fast(0, FAR), None);
        assert_eq!(fast(10_999, NEAR), Some(1));
        assert_eq!(fast(11_000, NEAR), None);
    }
}
