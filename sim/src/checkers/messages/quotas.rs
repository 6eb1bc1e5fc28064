//! Quotas of clients (KIP-13, KIP-124, KIP-219): what answers say of how long a client has to wait is reckoned anew, from
//! what brokers were sent, what they answered and what the metadata says.
//!
//! Kafka counts in windows of a second, of which it keeps eleven, and spreads what is in them over ten seconds at least.
//! Where windows begin is nobody's business: what came within the last ten seconds counts for sure, and nothing older
//! than eleven does. So a wait has a least and a longest length. A client that waits as it is told is held at its quota.

use super::Says;
use crate::checkers::suite::Checkers;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::metadata::{MetadataImage, QuotaOwner};
use stormglass_broker_core::protocol::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    QuotaEntity, QuotaMatch, QuotaValue, Request, Response,
};
use stormglass_broker_core::seam::{Input, Reply};

/// Who everybody is, without authentication.
const ANONYMOUS: &str = "ANONYMOUS";
/// What is younger counts, ms.
const COUNTED_MS: u64 = 10_000;
/// What is older does not, ms.
const FORGOTTEN_MS: u64 = 11_000;
/// Rounding of times, ms.
const ROUNDING_MS: u64 = 3;
/// Longest wait for a thread's time, ms.
const THREAD_WAIT_MS_MAX: u64 = 1_000;
/// Beyond its records an answer has headers.
const HEADERS_MAX: u64 = 32 << 10;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Limited {
    Produced,
    Fetched,
    ThreadTime,
}

impl Limited {
    fn key(self) -> &'static str {
        match self {
            Self::Produced => "producer_byte_rate",
            Self::Fetched => "consumer_byte_rate",
            Self::ThreadTime => "request_percentage",
        }
    }
}

/// Who is counted together: everybody of a user, or of a client id, or both, by where the quota is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Account {
    node: i32,
    limited: Limited,
    by_user: bool,
    client_id: Option<Arc<str>>,
}

/// A quota that holds for a client, per second, and with whom it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quota {
    per_sec: u64,
    account: Account,
}

/// What was counted: when (ms), how much, on which connection.
type Entry = (u64, u64, u64);
/// Quotas of an entity.
type Known = (QuotaEntity, Vec<(Arc<str>, QuotaValue)>);

/// A request of a client that is under quotas.
#[derive(Debug)]
struct Asked {
    correlation: u64,
    /// Bytes of a Produce.
    produced: Option<u64>,
    /// Bytes of records that a Fetch may be answered with, but for its first batch: what it asks for, and no more than
    /// fits into the windows of its quota, as it could never be answered (KAFKA-9677).
    fetched_max: u64,
}

/// Quotas of clients in a run.
#[derive(Debug)]
pub(super) struct Quotas {
    /// Whether the clocks of brokers are those of the simulation.
    has_right_clocks: bool,
    /// By node and connection.
    clients: FxHashMap<(i32, u64), Arc<str>>,
    asked: FxHashMap<(i32, u64), Asked>,
    /// What was counted within the last eleven seconds.
    counted: FxHashMap<Account, VecDeque<Entry>>,
    /// The same of what was produced since the quota has its value, and that value.
    under: FxHashMap<Account, (u64, VecDeque<Entry>)>,
    /// Bytes that somebody has produced to a partition at once, at most.
    largest: u64,
}

impl Quotas {
    pub(super) fn new(has_right_clocks: bool) -> Self {
        Self {
            has_right_clocks,
            clients: FxHashMap::default(),
            asked: FxHashMap::default(),
            counted: FxHashMap::default(),
            under: FxHashMap::default(),
            largest: 0,
        }
    }

    /// A broker hears who is at the other end of a connection.
    pub(super) fn named(&mut self, node: i32, conn: u64, client_id: Arc<str>) {
        self.clients.insert((node, conn), client_id);
    }

    /// A broker hears that a connection has ended: what it still answers goes nowhere (hunt seed 5000204).
    pub(super) fn closed(&mut self, node: i32, conn: u64) {
        self.clients.remove(&(node, conn));
        self.asked.remove(&(node, conn));
    }

    /// A broker hears what a request took of a thread, ns.
    pub(super) fn spent(
        &mut self,
        (now_ns, node): (u64, i32),
        broker: &Broker,
        conn: u64,
        ns: u64,
    ) {
        let Some(image) = broker.metadata().filter(|_| broker.applies_metadata()) else { return };
        if let Some(quota) = self.of(image, (node, conn), Limited::ThreadTime) {
            self.count(quota.account, (now_ns / 1_000_000, ns, conn));
        }
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.clients.retain(|(of, _), _| *of != node);
        self.asked.retain(|(of, _), _| *of != node);
        self.counted.retain(|account, _| account.node != node);
        self.under.retain(|account, _| account.node != node);
    }

    /// A node begins to work on a request.
    pub(super) fn asked(
        &mut self,
        (node, broker): (i32, &Broker),
        key: (u64, u64),
        asked: &Request,
    ) {
        self.largest = self.largest.max(largest(asked));
        let Some(image) = broker.metadata().filter(|_| broker.applies_metadata()) else { return };
        let is_limited = image.quotas().keys().any(|owner| owner.ip.is_none());
        if !is_limited || !self.clients.contains_key(&(node, key.0)) {
            return;
        }
        let is_produced = matches!(asked, Request::Produce(_) | Request::TransactionalProduce(_));
        let produced = is_produced.then(|| asked.wire_size(0));
        let fetched_max = match asked {
            Request::Fetch(fetch) => {
                let quota = self.of(image, (node, key.0), Limited::Fetched);
                fits(fetch.max_bytes, quota.as_ref())
            }
            _ => 0,
        };
        self.asked.insert((node, key.0), Asked { correlation: key.1, produced, fetched_max });
    }

    /// A client is answered, or is told nothing.
    pub(super) fn answered(
        &mut self,
        says: &mut Says<'_>,
        (now_ns, node, broker): (u64, i32, &Broker),
        reply: &Reply,
    ) {
        let at = (node, reply.conn.0);
        let asked = self.asked.remove(&at).filter(|of| of.correlation == reply.correlation.0);
        told(says, node, reply);
        let Some(image) = broker.metadata().filter(|_| broker.applies_metadata()) else { return };
        let Some(asked) = asked else {
            return says.rule(reply.throttle_ms == 0, &|| {
                format!("broker {node} throttles who has no quota: {} ms", reply.throttle_ms)
            });
        };
        let now_ms = now_ns / 1_000_000;
        let of_time = self.of(image, at, Limited::ThreadTime);
        let mut wait = self.time_wait(now_ms, of_time.as_ref());
        let limited = match &reply.response {
            Some(Response::Fetch(_)) => Some(Limited::Fetched),
            _ => asked.produced.map(|_| Limited::Produced),
        };
        let quota = limited.and_then(|limited| self.of(image, at, limited));
        if let Some(quota) = &quota {
            let of_bytes = match (&reply.response, asked.produced) {
                (Some(Response::Fetch(answer)), _) => {
                    if reply.throttle_ms == 0 {
                        let bytes = reply.response.as_ref().map_or(0, Response::wire_size);
                        self.count(quota.account.clone(), (now_ms, bytes, at.1));
                    }
                    let is_empty = answer.partitions.iter().all(|of| of.records.is_empty());
                    says.rule(reply.throttle_ms == 0 || is_empty, &|| {
                        format!("broker {node} hands records to a client that is over its quota")
                    });
                    self.fetch_wait(now_ms, quota, (reply.throttle_ms > 0, asked.fetched_max))
                }
                (_, bytes) => {
                    let entry = (now_ms, bytes.unwrap_or(0), at.1);
                    self.produced(says, quota, entry);
                    self.wait(now_ms, quota, 0)
                }
            };
            wait = (wait.0.max(of_bytes.0), wait.1.max(of_bytes.1));
        }
        if !self.has_right_clocks {
            wait = (0, if quota.is_some() || of_time.is_some() { u64::MAX } else { 0 });
        }
        let told_ms = u64::from(reply.throttle_ms);
        says.rule((wait.0..=wait.1).contains(&told_ms), &|| {
            format!(
                "broker {node} lets client {:?} wait for {told_ms} ms; by its quotas ({quota:?}, {of_time:?}) it has \
                 to wait for {} to {} ms",
                self.clients.get(&at),
                wait.0,
                wait.1
            )
        });
    }

    /// The quota of the most special owner that has one: a user's name goes before the default of all users, that
    /// before no user at all, and then the same of client ids.
    fn of(&self, image: &MetadataImage, at: (i32, u64), limited: Limited) -> Option<Quota> {
        let client = self.clients.get(&at)?;
        let of_owner = |(owner, values): (&QuotaOwner, &BTreeMap<Arc<str>, QuotaValue>)| {
            let value = *values.get(limited.key())?;
            let rank = (rank(&owner.user, ANONYMOUS)?, rank(&owner.client_id, client)?);
            (owner.ip.is_none()).then_some((rank, value))
        };
        let (rank, value) = image.quotas().iter().filter_map(of_owner).max_by_key(|of| of.0)?;
        let per_sec = match limited {
            Limited::ThreadTime => value.percent_ns_per_sec(),
            Limited::Produced | Limited::Fetched => value.per_sec(),
        };
        let client_id = (rank.1 > 0).then(|| Arc::clone(client));
        let account = Account { node: at.0, limited, by_user: rank.0 > 0, client_id };
        Some(Quota { per_sec, account })
    }

    fn count(&mut self, account: Account, entry: Entry) {
        push(self.counted.entry(account).or_default(), entry);
    }

    /// Something was produced: what came before must have waited. Who waits for its excess at each connection is
    /// above its quota for a while, as waits grow with the excess only.
    fn produced(&mut self, says: &mut Says<'_>, quota: &Quota, entry: Entry) {
        self.count(quota.account.clone(), entry);
        let fresh = || (quota.per_sec, VecDeque::new());
        let (value, entries) = self.under.entry(quota.account.clone()).or_insert_with(fresh);
        if *value != quota.per_sec {
            (*value, *entries) = fresh();
        }
        let before = sum(entries, entry.0, COUNTED_MS);
        push(entries, entry);
        let mut largest: BTreeMap<u64, u64> = BTreeMap::new();
        for (_, bytes, conn) in entries.iter() {
            let of = largest.entry(*conn).or_default();
            *of = (*of).max(*bytes);
        }
        let at_once: u64 = largest.values().sum();
        let bound = quota.per_sec * 2 * FORGOTTEN_MS / 1_000 + 2 * at_once;
        says.rule(before <= bound || !self.has_right_clocks, &|| {
            format!("{before} bytes were produced within 10 s under a quota of {quota:?}")
        });
    }

    /// Least and longest wait for what was counted, ms; `more` may count as well.
    fn wait(&self, now_ms: u64, quota: &Quota, more: u64) -> (u64, u64) {
        let none = VecDeque::new();
        let entries = self.counted.get(&quota.account).unwrap_or(&none);
        let due = |amount: u64| amount.saturating_mul(1_000) / quota.per_sec;
        let (sure, may) = (sum(entries, now_ms, COUNTED_MS), sum(entries, now_ms, FORGOTTEN_MS));
        let least = due(sure).saturating_sub(FORGOTTEN_MS + ROUNDING_MS);
        (least, (due(may + more) + ROUNDING_MS).saturating_sub(COUNTED_MS))
    }

    /// The same for an answer whose records were left out, if it has to wait: they might have been as many as the
    /// answer may have.
    fn fetch_wait(&self, now_ms: u64, quota: &Quota, (waits, most): (bool, u64)) -> (u64, u64) {
        self.wait(now_ms, quota, if waits { most + self.largest + HEADERS_MAX } else { 0 })
    }

    fn time_wait(&self, now_ms: u64, quota: Option<&Quota>) -> (u64, u64) {
        let Some(quota) = quota else { return (0, 0) };
        let (least, longest) = self.wait(now_ms, quota, 0);
        (least.min(THREAD_WAIT_MS_MAX), longest.min(THREAD_WAIT_MS_MAX))
    }
}

/// Bytes that a request produces to one partition.
fn largest(asked: &Request) -> u64 {
    let produced = match asked {
        Request::Produce(produce) => produce,
        Request::TransactionalProduce(within) => &within.produce,
        _ => return 0,
    };
    let sizes = produced.partitions.iter().map(|data| u64::from(data.records.size_bytes()));
    sizes.max().unwrap_or(0)
}

/// What is asked for, as far as it fits into all windows together.
fn fits(max_bytes: i32, quota: Option<&Quota>) -> u64 {
    let asked = u64::try_from(max_bytes).unwrap_or(0);
    let windows = quota.map(|quota| quota.per_sec.saturating_mul(COUNTED_MS / 1_000));
    windows.map_or(asked, |windows| asked.min(windows))
}

/// How special a part of an owner is for a name; `None`: it is not for it.
fn rank(part: &Option<Option<Arc<str>>>, name: &str) -> Option<u8> {
    match part {
        None => Some(0),
        Some(None) => Some(1),
        Some(Some(own)) => (**own == *name).then_some(2),
    }
}

fn push(entries: &mut VecDeque<Entry>, entry: Entry) {
    let is_old = |first: &Entry| entry.0 - first.0.min(entry.0) > FORGOTTEN_MS + ROUNDING_MS;
    while entries.front().is_some_and(is_old) {
        entries.pop_front();
    }
    entries.push_back(entry);
}

/// What is not older than that.
fn sum(entries: &VecDeque<Entry>, now_ms: u64, age_ms: u64) -> u64 {
    let younger = entries.iter().rev().take_while(|entry| now_ms.saturating_sub(entry.0) < age_ms);
    younger.map(|entry| entry.1).sum()
}

/// What an answer says of the wait is how long its connection is not read.
fn told(says: &mut Says<'_>, node: i32, reply: &Reply) {
    let told_ms = match &reply.response {
        Some(Response::Produce(answer)) => answer.throttle_ms,
        Some(Response::Fetch(answer)) => answer.throttle_ms,
        _ => return,
    };
    says.rule(i64::from(told_ms) == i64::from(reply.throttle_ms), &|| {
        format!(
            "broker {node} tells a client to wait for {told_ms} ms, and does not read for {} ms",
            reply.throttle_ms
        )
    });
}

/// Why a controller must refuse a change of quotas; `None`: it may take it.
pub(super) fn objection(request: &Request) -> Option<String> {
    let Request::AlterClientQuotas(asked) = request else { return None };
    let flaw = asked.entries.iter().find_map(|entry| {
        let is_ip = |kind: &str| kind == "ip";
        let kinds: Vec<&str> = entry.entity.iter().map(|(kind, _)| &**kind).collect();
        let of_clients = ["producer_byte_rate", "consumer_byte_rate", "controller_mutation_rate"];
        let is_known = |key: &str| match kinds.as_slice() {
            ["ip"] => key == "connection_creation_rate",
            _ => of_clients.contains(&key) || key == "request_percentage",
        };
        // what was never set may be taken away, whatever it is
        let mut set = entry.changes.iter().filter_map(|(key, value)| Some((key, (*value)?.get())));
        let bad = set.find(|(key, value)| !is_known(key) || value.is_nan() || *value <= 0.0);
        let mixes = kinds.len() > 1 && kinds.iter().any(|kind| is_ip(kind));
        (kinds.is_empty() || mixes || bad.is_some()).then(|| format!("{entry:?}"))
    });
    flaw.map(|flaw| format!("it would set a quota that nobody may: {flaw}"))
}

/// A quota that has not been set, or taken away, though that is said to be done.
pub(super) fn undone(image: &MetadataImage, asked: &AlterClientQuotasRequest) -> Option<String> {
    asked.entries.iter().find_map(|entry| {
        let owner = QuotaOwner::of(&entry.entity).ok()?;
        let known = image.quotas().get(&owner);
        let wrong = entry
            .changes
            .iter()
            .find(|(key, value)| known.and_then(|known| known.get(key)) != value.as_ref())?;
        Some(format!("{wrong:?} of {owner:?}, which has {known:?}"))
    })
}

/// A broker tells the quotas that its metadata has.
pub(super) fn described(
    says: &mut Says<'_>,
    (node, broker): (i32, &Broker),
    asked: &DescribeClientQuotasRequest,
    answer: &DescribeClientQuotasResponse,
) {
    let Some(image) = broker.metadata().filter(|_| answer.error.is_ok()) else { return };
    let mut known: Vec<Known> = Vec::new();
    for (owner, values) in image.quotas() {
        let parts = owner.entity();
        let has = |kind: &str| parts.iter().find(|(own, _)| **own == *kind).map(|(_, name)| name);
        let is_asked_for = asked.components.iter().all(|filter| {
            has(&filter.kind).is_some_and(|name| match &filter.matches {
                QuotaMatch::Any => true,
                QuotaMatch::Default => name.is_none(),
                QuotaMatch::Exact(wanted) => name.as_deref() == Some(&**wanted),
            })
        });
        if is_asked_for && (!asked.strict || parts.len() == asked.components.len()) {
            known.push((parts, values.iter().map(|(key, value)| (key.clone(), *value)).collect()));
        }
    }
    let told = answer.entries.iter();
    let is_same = told.clone().count() == known.len()
        && told
            .zip(&known)
            .all(|(told, known)| (&told.entity, &told.values) == (&known.0, &known.1));
    says.rule(is_same, &|| {
        format!(
            "broker {node} tells {answer:?} when it is asked for {asked:?}, and knows {known:?}"
        )
    });
}

impl Checkers {
    /// A broker hears of a client, what its request took of a thread, or that it is gone.
    #[cold]
    pub(crate) fn hears_of_client(
        &mut self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        of: &Input,
    ) {
        if let Input::ConnectionClosed(conn) = of {
            self.talk.awaited.closed(node, conn.0);
        }
        let Some(quotas) = &mut self.talk.quotas else { return };
        match of {
            Input::Client { conn, client_id } => quotas.named(node, conn.0, Arc::clone(client_id)),
            Input::Spent { conn, time } => {
                quotas.spent((now_ns, node), broker, conn.0, time.as_nanos());
            }
            Input::ConnectionClosed(conn) => quotas.closed(node, conn.0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use stormglass_broker_core::protocol::AlterQuotas;

    fn quota(per_sec: u64) -> Quota {
        let client_id = Some(Arc::from("c"));
        let account = Account { node: 1, limited: Limited::Produced, by_user: false, client_id };
        Quota { per_sec, account }
    }

    #[test]
    fn a_wait_is_what_windows_of_a_second_allow() {
        let mut quotas = Quotas::new(true);
        let quota = quota(1_000);
        quotas.count(quota.account.clone(), (0, 15_000, 7));
        // Kafka's own: 15 s of bytes over 10 s
        let (least, longest) = quotas.wait(0, &quota, 0);
        assert!(least <= 5_000 && longest >= 5_000 && (least, longest) == (3_997, 5_003));
        assert_eq!(quotas.wait(10_500, &quota, 0).0, 0, "it may be forgotten");
        assert_eq!(quotas.wait(11_000, &quota, 0), (0, 0), "it is");
    }

    #[test]
    fn an_answer_that_would_never_fit_is_seen() {
        let (mut quotas, quota) = (Quotas::new(true), quota(1_000));
        quotas.largest = 5_000;
        let longest = |asked: i32, quota: &Quota| {
            let most = fits(asked, Some(quota));
            quotas.fetch_wait(0, quota, (true, most)).1
        };
        // headers, and the first batch, on top of full windows
        assert_eq!(longest(1 << 20, &quota), 32_768 + 5_000 + ROUNDING_MS);
        assert_eq!(longest(4_000, &quota), 32_768 + 5_000 + ROUNDING_MS - 6_000);
        assert_eq!(fits(1 << 20, None), 1 << 20);
        assert_eq!(quotas.fetch_wait(0, &quota, (false, 1 << 20)).1, 0);
    }

    #[test]
    fn who_does_not_wait_is_seen() {
        let broken = |every_ms: u64| {
            let (mut ledger, history) = (Ledger::default(), History::default());
            let (label, is_gapless) = ("", true);
            let mut says = Says { ledger: &mut ledger, label, history: &history, is_gapless };
            let (mut quotas, quota) = (Quotas::new(true), quota(1_000));
            for turn in 0..200 {
                quotas.produced(&mut says, &quota, (turn * every_ms, 1_000, 7));
            }
            ledger.finish().1.len()
        };
        assert_eq!(broken(1_000), 0);
        assert!(broken(100) > 0);
    }

    #[test]
    fn names_go_before_defaults() {
        let of = |part: Option<Option<&str>>| rank(&part.map(|name| name.map(Arc::from)), "c");
        assert_eq!(of(None), Some(0));
        assert_eq!(of(Some(None)), Some(1));
        assert_eq!(of(Some(Some("c"))), Some(2));
        assert_eq!(of(Some(Some("d"))), None);
    }

    #[test]
    fn what_nobody_may_set_is_refused() {
        let asked = |entity: &[(&str, Option<&str>)], key: &str, value: f64| {
            let entity = entity.iter();
            let entity = entity.map(|(kind, name)| ((*kind).into(), name.map(Into::into)));
            let value = Some(QuotaValue::from_bits(value.to_bits()));
            let entry =
                AlterQuotas { entity: entity.collect(), changes: vec![(key.into(), value)] };
            let asked = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
            objection(&Request::AlterClientQuotas(asked)).is_some()
        };
        let client = ("client-id", Some("c"));
        assert!(!asked(&[client], "producer_byte_rate", 1.0));
        assert!(asked(&[client], "producer_byte_rate", 0.0));
        assert!(asked(&[client], "connection_creation_rate", 1.0));
        assert!(asked(&[], "producer_byte_rate", 1.0));
        assert!(asked(&[client, ("ip", None)], "producer_byte_rate", 1.0));
        assert!(!asked(&[("ip", None)], "connection_creation_rate", 1.0));
        let gone = vec![("producer_byte_rate".into(), None)];
        let entries = vec![AlterQuotas { entity: vec![("ip".into(), None)], changes: gone }];
        let asked = AlterClientQuotasRequest { entries, validate_only: false };
        assert!(objection(&Request::AlterClientQuotas(asked)).is_none(), "it was never there");
    }
}
