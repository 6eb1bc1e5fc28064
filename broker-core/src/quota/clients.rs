//! Kafka's own quotas, of users and client ids: `producer_byte_rate` and `consumer_byte_rate`
//! (Kafka's `ClientQuotaManager`), and `request_percentage` of a thread's time (KIP-124, Kafka's
//! `ClientRequestQuotaManager`), which the shell tells. Every user is `ANONYMOUS`, as there is no
//! authentication. `controller_mutation_rate` is kept and shown, without effect.

use super::limits::{Flow, Moved};
use super::rate::Rate;
use crate::ids::ConnectionId;
use crate::metadata::{QuotaMap, QuotaOwner};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Percent of a thread's time.
const TIME_KEY: &str = "request_percentage";
/// Quotas that can be set, and whether they are whole numbers.
pub(crate) const QUOTA_KEYS: [(&str, bool); 4] = [
    ("producer_byte_rate", true),
    ("consumer_byte_rate", true),
    (TIME_KEY, false),
    ("controller_mutation_rate", false),
];

/// What a quota of an IP address may be.
pub(crate) const IP_QUOTA_KEY: &str = "connection_creation_rate";
/// Longest wait for thread time, a window.
const TIME_WAIT_MS_MAX: u64 = Rate::WINDOW_MS;

/// Who everybody is.
const ANONYMOUS: &str = "ANONYMOUS";
/// Sensors beyond which those that have nothing to tell are looked for.
const SENSORS_KEPT: usize = 1_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    /// Bytes.
    Bytes(Flow),
    /// Thread time, ns.
    Time,
}

/// Whose bytes or times are counted together: those of the level at which the quota is set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sensor {
    counted: Counted,
    user: bool,
    client_id: Option<Arc<str>>,
}

/// Quotas, clients, and how much they have moved.
#[derive(Debug, Default)]
pub(super) struct ClientQuotas {
    quotas: QuotaMap,
    /// Whether any of them is of thread time.
    has_times: bool,
    /// Looked up by connection, never walked.
    clients: FxHashMap<ConnectionId, Arc<str>>,
    rates: BTreeMap<Sensor, Rate>,
}

impl ClientQuotas {
    pub(super) fn is_set(&self) -> bool {
        !self.quotas.is_empty()
    }

    pub(super) fn replace(&mut self, mut quotas: QuotaMap) {
        // those of addresses are the shell's
        quotas.retain(|owner, _| owner.ip.is_none());
        self.has_times = quotas.values().any(|values| values.contains_key(TIME_KEY));
        self.quotas = quotas;
    }

    /// Whether thread time has to be told.
    pub(super) fn has_times(&self) -> bool {
        self.has_times
    }

    /// Counts thread time, ns.
    pub(super) fn record_time(&mut self, conn: ConnectionId, now_ms: u64, ns: u64) {
        if let Some((_, sensor)) = self.find(conn, Counted::Time) {
            self.sensor(sensor, now_ms).record(now_ms, ns);
        }
    }

    /// How long a client must wait for the thread time that it has had, ms.
    pub(super) fn time_throttle_ms(&mut self, conn: ConnectionId, now_ms: u64) -> u64 {
        if !self.has_times {
            return 0;
        }
        let Some((bound, sensor)) = self.find(conn, Counted::Time) else { return 0 };
        let rate = self.rates.get_mut(&sensor);
        rate.map_or(0, |rate| rate.throttle_ms(now_ms, 0, bound)).min(TIME_WAIT_MS_MAX)
    }

    pub(super) fn client(&mut self, conn: ConnectionId, client_id: Arc<str>) {
        self.clients.insert(conn, client_id);
    }

    pub(super) fn drop_connection(&mut self, conn: ConnectionId) {
        self.clients.remove(&conn);
    }

    /// The quota that holds for a connection, bytes per second.
    pub(super) fn bound(&self, conn: ConnectionId, flow: Flow) -> Option<u64> {
        self.find(conn, Counted::Bytes(flow)).map(|(bound, _)| bound)
    }

    /// How long bytes must wait if they are counted now, ms.
    pub(super) fn throttle_ms(&mut self, conn: ConnectionId, now_ms: u64, moved: &Moved) -> u64 {
        let counted = Counted::Bytes(moved.flow);
        let Some((bound, sensor)) = self.find(conn, counted) else { return 0 };
        self.rates.get_mut(&sensor).map_or_else(
            || Rate::default().throttle_ms(now_ms, moved.bytes, bound),
            |rate| rate.throttle_ms(now_ms, moved.bytes, bound),
        )
    }

    /// Counts bytes.
    pub(super) fn record(&mut self, conn: ConnectionId, now_ms: u64, moved: &Moved) {
        let Some((_, sensor)) = self.find(conn, Counted::Bytes(moved.flow)) else { return };
        self.sensor(sensor, now_ms).record(now_ms, moved.bytes);
    }

    fn sensor(&mut self, sensor: Sensor, now_ms: u64) -> &mut Rate {
        if self.rates.len() >= SENSORS_KEPT && !self.rates.contains_key(&sensor) {
            self.rates.retain(|_, rate| !rate.is_idle(now_ms));
        }
        self.rates.entry(sensor).or_default()
    }

    /// The quota of the most special owner that has one, in Kafka's order.
    fn find(&self, conn: ConnectionId, counted: Counted) -> Option<(u64, Sensor)> {
        let client: Arc<str> = self.clients.get(&conn).cloned().unwrap_or_else(|| "".into());
        let named = || Some(Some(client.clone()));
        let anonymous = || Some(Some(Arc::from(ANONYMOUS)));
        let default = || Some(None);
        let owners = [
            (anonymous(), named()),
            (anonymous(), default()),
            (anonymous(), None),
            (default(), named()),
            (default(), default()),
            (default(), None),
            (None, named()),
            (None, default()),
        ];
        let key = match counted {
            Counted::Bytes(Flow::Produce) => "producer_byte_rate",
            Counted::Bytes(Flow::Fetch) => "consumer_byte_rate",
            Counted::Time => TIME_KEY,
        };
        owners.into_iter().find_map(|(user, client_id)| {
            let (by_user, by_client) = (user.is_some(), client_id.is_some());
            let owner = QuotaOwner { user, client_id, ip: None };
            let value = self.quotas.get(&owner)?.get(key)?;
            let bound = match counted {
                Counted::Bytes(_) => value.per_sec(),
                Counted::Time => value.percent_ns_per_sec(),
            };
            let client_id = by_client.then(|| client.clone());
            Some((bound, Sensor { counted, user: by_user, client_id }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::QuotaValue;

    type Part = Option<Option<&'static str>>;

    fn quotas(of: &[(Part, Part, u64)]) -> ClientQuotas {
        let name = |part: Part| part.map(|name| name.map(Arc::from));
        let mut quotas = ClientQuotas::default();
        quotas.replace(
            of.iter()
                .map(|(user, client, rate)| {
                    let owner =
                        QuotaOwner { user: name(*user), client_id: name(*client), ip: None };
                    let key: Arc<str> = "producer_byte_rate".into();
                    (owner, BTreeMap::from([(key, QuotaValue::of(*rate))]))
                })
                .collect(),
        );
        quotas.client(ConnectionId(1), "a".into());
        quotas.client(ConnectionId(2), "b".into());
        quotas
    }

    fn of(kilobytes: u64) -> Moved {
        Moved { flow: Flow::Produce, bytes: kilobytes * 1000, partitions: Vec::new() }
    }

    #[test]
    fn the_most_special_quota_counts() {
        let all: &[(Part, Part, u64)] = &[
            (Some(Some("ANONYMOUS")), Some(Some("a")), 1),
            (Some(Some("ANONYMOUS")), Some(None), 2),
            (Some(Some("ANONYMOUS")), None, 3),
            (Some(None), Some(Some("a")), 4),
            (Some(None), Some(None), 5),
            (Some(None), None, 6),
            (None, Some(Some("a")), 7),
            (None, Some(None), 8),
        ];
        for from in 0..all.len() {
            let quotas = quotas(&all[from..]);
            let expected = Some(from as u64 + 1);
            assert_eq!(quotas.bound(ConnectionId(1), Flow::Produce), expected);
            assert_eq!(quotas.bound(ConnectionId(1), Flow::Fetch), None);
        }
        assert_eq!(quotas(&all[6..]).bound(ConnectionId(2), Flow::Produce), Some(8));
    }

    #[test]
    fn clients_share_a_users_quota_and_have_their_own_by_client_id() {
        for (user, client, shared) in
            [(Some(None), None, true), (None, Some(None), false), (Some(None), Some(None), false)]
        {
            let mut quotas = quotas(&[(user, client, 100_000)]);
            quotas.record(ConnectionId(1), 0, &of(900));
            let wait = quotas.throttle_ms(ConnectionId(2), 0, &of(300));
            assert_eq!(wait > 0, shared, "{user:?} {client:?}");
        }
    }

    #[test]
    fn thread_time_is_limited_by_percent_for_a_window_at_a_time() {
        let mut quotas = ClientQuotas::default();
        let owner = QuotaOwner { client_id: Some(Some("a".into())), ..QuotaOwner::default() };
        let ten = QuotaValue::from_bits(10.0_f64.to_bits());
        quotas.replace([(owner, BTreeMap::from([(TIME_KEY.into(), ten)]))].into());
        assert!(quotas.has_times() && quotas.is_set());
        for (conn, id) in [(1, "a"), (2, "b")] {
            quotas.client(ConnectionId(conn), id.into());
        }
        let (limited, free) = (ConnectionId(1), ConnectionId(2));
        // a tenth of ten seconds
        quotas.record_time(limited, 0, 1_000_000_000);
        quotas.record_time(free, 0, 9_000_000_000);
        assert_eq!(quotas.time_throttle_ms(limited, 0), 0);
        quotas.record_time(limited, 0, 20_000_000);
        assert_eq!(quotas.time_throttle_ms(limited, 0), 200);
        quotas.record_time(limited, 0, 900_000_000);
        assert_eq!(quotas.time_throttle_ms(limited, 0), 1000, "it looks again");
        assert_eq!(quotas.time_throttle_ms(free, 0), 0);
    }
}
