//! Quotas: how much clients may send and read, and what time of a thread they may have, before they are
//! made to wait (KIP-13, KIP-124, KIP-219).
//!
//! As in Kafka nothing is refused. Bytes are counted when a request is answered; the answer says
//! how long its client is over its quota (`throttle_time_ms`), and the connection is not read for
//! as long (`Reply::throttle_ms`, which the shell heeds). A fetch that is over it is answered
//! without records, which then do not count. Followers are limited elsewhere (`replica/throttle`).

mod clients;
mod connections;
mod limits;
mod rate;

pub(crate) use clients::{IP_QUOTA_KEY, QUOTA_KEYS};
pub use connections::ConnectionLimits;
pub use limits::BrokerLimits;
pub use rate::Rate;

use crate::ids::{ConnectionId, CorrelationId};
use crate::metadata::QuotaMap;
use crate::protocol::{FetchRequest, ProduceRequest, Request, Response, SESSION_EPOCH_INITIAL};
use crate::replica::ReplicaManager;
use crate::seam::Reply;
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};
use clients::ClientQuotas;
use limits::{Flow, LimitRates, Moved, window_bytes};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What is kept of a request until it is answered. A connection has one at a time.
#[derive(Debug)]
struct Asked {
    correlation: CorrelationId,
    /// Present for Produce.
    produced: Option<Moved>,
    /// A fetch that names all of its partitions.
    is_full_fetch: bool,
}

/// The quotas of a broker.
#[derive(Debug)]
pub(crate) struct Quotas {
    /// As configured.
    configured: BrokerLimits,
    /// What counts now.
    limits: BrokerLimits,
    rates: LimitRates,
    clients: ClientQuotas,
    /// Looked up by connection, never walked.
    asked: FxHashMap<ConnectionId, Asked>,
}

impl Quotas {
    pub(crate) fn new(limits: BrokerLimits) -> Self {
        Self {
            configured: limits,
            limits,
            rates: LimitRates::default(),
            clients: ClientQuotas::default(),
            asked: FxHashMap::default(),
        }
    }

    /// Whether any quota is set: without one nothing here costs anything.
    pub(crate) fn is_active(&self) -> bool {
        self.limits.is_limited() || self.clients.is_set()
    }

    /// The metadata's quotas of clients.
    #[cold]
    pub(crate) fn set_client_quotas(&mut self, quotas: QuotaMap) {
        self.clients.replace(quotas);
    }

    /// So many brokers of the cluster are up.
    #[cold]
    pub(crate) fn set_active_brokers(&mut self, brokers: u32) {
        self.limits = self.configured.with_active(brokers);
    }

    #[cfg(test)]
    pub(crate) const fn limits(&self) -> BrokerLimits {
        self.limits
    }

    /// Who is at the other end of a connection.
    pub(crate) fn client(&mut self, conn: ConnectionId, client_id: Arc<str>) {
        self.clients.client(conn, client_id);
    }

    /// Whether the shell has to tell what time requests take.
    pub(crate) fn counts_thread_time(&self) -> bool {
        self.clients.has_times()
    }

    /// What a request of a client has taken.
    #[cold]
    pub(crate) fn spent(&mut self, conn: ConnectionId, now: Instant, time: Duration) {
        self.clients.record_time(conn, now.as_millis(), time.as_nanos());
    }

    /// Whether an answer may have to be counted.
    pub(crate) fn awaits_answers(&self) -> bool {
        !self.asked.is_empty()
    }

    /// A request of a client begins.
    #[cold]
    pub(crate) fn asked(&mut self, to: ReplyTo, request: &mut Request) {
        let mut is_full_fetch = false;
        if is_of_brokers(request) {
            return;
        }
        let size = request.wire_size(0);
        let produced = match request {
            Request::Produce(produce) => Some(produced(produce, size)),
            Request::TransactionalProduce(within) => Some(produced(&within.produce, size)),
            Request::Fetch(fetch) => {
                self.fit_into_windows(to.conn, fetch);
                // without a session, too, and where one ends
                is_full_fetch = fetch.session_epoch <= SESSION_EPOCH_INITIAL;
                None
            }
            _ => None,
        };
        let asked = Asked { correlation: to.correlation, produced, is_full_fetch };
        self.asked.insert(to.conn, asked);
    }

    /// An answer that is larger than all windows together could never be sent.
    fn fit_into_windows(&self, conn: ConnectionId, fetch: &mut FetchRequest) {
        let (bound, bound_of_partition) = self.limits.of(Flow::Fetch);
        let fit = |wanted: i32, bound: Option<u64>| match bound {
            Some(bound) => wanted.min(i32::try_from(window_bytes(bound)).unwrap_or(i32::MAX)),
            None => wanted,
        };
        fetch.max_bytes = fit(fetch.max_bytes, bound);
        fetch.max_bytes = fit(fetch.max_bytes, self.clients.bound(conn, Flow::Fetch));
        for partition in &mut fetch.partitions {
            partition.max_bytes = fit(partition.max_bytes, bound_of_partition);
        }
    }

    /// Counts what this step answers, and says who must wait.
    #[cold]
    pub(crate) fn answering(&mut self, step: &mut Step<'_>, replicas: &mut ReplicaManager) {
        let mut replies = std::mem::take(&mut step.effects.replies);
        for reply in &mut replies {
            let Some(asked) = self.asked.get(&reply.conn) else { continue };
            if asked.correlation != reply.correlation {
                continue;
            }
            if let Some(asked) = self.asked.remove(&reply.conn) {
                self.answer(step, replicas, asked, reply);
            }
        }
        // what ended sessions answers comes after
        replies.append(&mut step.effects.replies);
        step.effects.replies = replies;
    }

    fn answer(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        asked: Asked,
        reply: &mut Reply,
    ) {
        let now_ms = step.now.as_millis();
        let bytes = reply.response.as_ref().map_or(0, Response::wire_size);
        let mut wait_ms = self.rates.request(&self.limits, now_ms);
        wait_ms = wait_ms.max(self.clients.time_throttle_ms(reply.conn, now_ms));
        match (&mut reply.response, asked.produced) {
            (Some(Response::Fetch(fetch)), _) => {
                let partitions = fetch.partitions.iter();
                let partitions =
                    partitions.map(|p| (p.tp, u64::from(p.records.size_bytes()))).collect();
                let moved = Moved { flow: Flow::Fetch, bytes, partitions };
                wait_ms = wait_ms.max(self.wait_ms(reply.conn, now_ms, &moved));
                if wait_ms == 0 {
                    self.record(reply.conn, now_ms, &moved);
                } else {
                    // Windows begin all the same: who has none would be refused the same for ever.
                    self.record(reply.conn, now_ms, &moved.without_bytes());
                    if asked.is_full_fetch {
                        // The fetcher takes an empty answer for no session at all.
                        replicas.drop_session(step, fetch.session_id);
                        fetch.session_id = 0;
                        fetch.partitions.clear();
                    } else {
                        // What has no records says something that is not said again.
                        fetch.partitions.retain(|p| p.records.is_empty());
                    }
                }
                fetch.throttle_ms = clamp(wait_ms);
            }
            (response, Some(moved)) => {
                self.record(reply.conn, now_ms, &moved);
                wait_ms = wait_ms.max(self.wait_ms(reply.conn, now_ms, &moved.without_bytes()));
                if let Some(Response::Produce(produce)) = response {
                    produce.throttle_ms = clamp(wait_ms);
                }
            }
            _ => {}
        }
        reply.throttle_ms = clamp(wait_ms).unsigned_abs();
    }

    /// How long bytes must wait if they are counted now, ms.
    fn wait_ms(&mut self, conn: ConnectionId, now_ms: u64, moved: &Moved) -> u64 {
        let of_broker = self.rates.throttle_ms(&self.limits, now_ms, moved);
        of_broker.max(self.clients.throttle_ms(conn, now_ms, moved))
    }

    fn record(&mut self, conn: ConnectionId, now_ms: u64, moved: &Moved) {
        self.rates.record(&self.limits, now_ms, moved);
        self.clients.record(conn, now_ms, moved);
    }

    #[cold]
    pub(crate) fn drop_connection(&mut self, conn: ConnectionId) {
        self.clients.drop_connection(conn);
        self.asked.remove(&conn);
    }
}

fn produced(request: &ProduceRequest, bytes: u64) -> Moved {
    let partitions = request.partitions.iter();
    let partitions = partitions.map(|p| (p.tp, u64::from(p.records.size_bytes()))).collect();
    Moved { flow: Flow::Produce, bytes, partitions }
}

fn clamp(wait_ms: u64) -> i32 {
    i32::try_from(wait_ms).unwrap_or(i32::MAX)
}

/// Requests that other nodes of the cluster send.
fn is_of_brokers(request: &Request) -> bool {
    match request {
        Request::Fetch(fetch) => fetch.replica.is_some(),
        Request::AddPartitionsToTxn(add) => add.by_broker,
        Request::WriteTxnMarkers(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
