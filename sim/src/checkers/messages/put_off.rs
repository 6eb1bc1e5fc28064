//! Whoever waits for a coordinator of transactions that is busy with the end of the last one waits for no longer than
//! that is tried (KIP-890, second part; Kafka's `ReplicaManager.maybeRetryOnConcurrentTransactions`): then the producer
//! is told, which knows better than a broker how long it waits.

use super::{Says, Speaker};
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{Request, Response, TransactionRules};
use stormglass_broker_core::seam::PeerError;

/// How long a coordinator that is busy is asked again, ns (`add.partitions.to.txn.retry.backoff.max.ms`).
const PATIENCE_NS: u64 = 100_000_000;
/// Rounding of clocks, ns.
const ROUNDING_NS: u64 = 1_000_000;

/// By node, connection and correlation.
type Key = (i32, u64, u64);

/// Somebody is about to hear that a coordinator is busy.
#[derive(Debug, Clone, Copy)]
struct Heard {
    node: i32,
    at_ns: u64,
    /// How many requests it has put off already.
    others: usize,
}

/// Requests that may be put off.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    /// When they came, ns.
    came: BTreeMap<Key, u64>,
    busy: Option<Heard>,
}

impl PutOff {
    /// A node begins to work on a request.
    pub(super) fn asked(&mut self, now_ns: u64, key: Key, request: &Request) {
        self.busy = None;
        let rules = match request {
            Request::TransactionalProduce(asked) => asked.rules,
            Request::TxnOffsetCommit(asked) => asked.rules,
            _ => return,
        };
        if rules == TransactionRules::EpochEach {
            self.came.insert(key, now_ns);
        }
    }

    /// A node answers.
    pub(super) fn answered(&mut self, key: Key) {
        self.came.remove(&key);
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.came.retain(|(of, ..), _| *of != node);
        self.busy = None;
    }

    /// A node is about to take a peer's answer.
    pub(super) fn hears(
        &mut self,
        at_ns: u64,
        (node, broker): (i32, &Broker),
        result: &Result<Response, PeerError>,
    ) {
        let heard = || Heard { node, at_ns, others: broker.put_off().count() };
        self.busy = is_busy(result).then(heard);
    }

    /// Whether somebody has heard so.
    pub(super) fn is_due(&self) -> bool {
        self.busy.is_some()
    }

    /// It has been taken.
    pub(super) fn is_not_too_long(&mut self, says: &mut Says<'_>, by: Speaker<'_>) {
        let Some(heard) = self.busy.take().filter(|of| of.node == by.node) else { return };
        let put_off = by.broker.put_off().map(|(conn, correlation)| (conn.0, correlation.0));
        let waited_ns = self.waited_ns(heard, put_off);
        says.rule(waited_ns.is_none_or(|ns| ns <= PATIENCE_NS + ROUNDING_NS), &|| {
            format!(
                "broker {} asks a busy coordinator again for a request that has waited for it for {} ms",
                by.node,
                waited_ns.unwrap_or(0) / 1_000_000
            )
        });
    }

    /// How long the request has waited that has been put off by then, ns: it is the last one.
    fn waited_ns(&self, heard: Heard, put_off: impl Iterator<Item = (u64, u64)>) -> Option<u64> {
        let (conn, correlation) = put_off.skip(heard.others).last()?;
        let came_ns = self.came.get(&(heard.node, conn, correlation))?;
        Some(heard.at_ns.saturating_sub(*came_ns))
    }
}

/// Whether a coordinator says that a transaction is about to end.
fn is_busy(result: &Result<Response, PeerError>) -> bool {
    let Ok(Response::AddPartitionsToTxn(answer)) = result else { return false };
    let mut told = answer.transactions.iter().flat_map(|of| &of.partitions);
    told.any(|(_, error)| *error == ErrorCode::ConcurrentTransactions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::protocol::{
        Acks, AddPartitionsToTxnResponse, ProduceRequest, TransactionalProduceRequest,
        TxnPartitionsResult,
    };

    fn produce(rules: TransactionRules) -> Request {
        let produce = ProduceRequest { acks: Acks::All, timeout_ms: 1, partitions: Vec::new() };
        let transactional_id = "x".into();
        let asked = TransactionalProduceRequest { transactional_id, rules, produce };
        Request::TransactionalProduce(Box::new(asked))
    }

    #[test]
    fn a_coordinator_that_is_busy_says_so_of_a_partition() {
        let told = |error| {
            let partitions = vec![(tp(0), ErrorCode::None), (tp(1), error)];
            let result = TxnPartitionsResult { transactional_id: "x".into(), partitions };
            let transactions = vec![result];
            Ok(Response::AddPartitionsToTxn(AddPartitionsToTxnResponse { transactions }))
        };
        assert!(is_busy(&told(ErrorCode::ConcurrentTransactions)));
        assert!(!is_busy(&told(ErrorCode::None)) && !is_busy(&Err(PeerError::TimedOut)));
    }

    #[test]
    fn who_is_put_off_once_more_has_waited_since_it_came() {
        let mut put_off = PutOff::default();
        put_off.asked(5, (1, 3, 7), &produce(TransactionRules::EpochEach));
        put_off.asked(9, (1, 4, 7), &produce(TransactionRules::Added));
        let waited = |put_off: &PutOff, node, others, all: &[(u64, u64)]| {
            put_off.waited_ns(Heard { node, at_ns: 25, others }, all.iter().copied())
        };
        assert_eq!(waited(&put_off, 1, 0, &[(3, 7)]), Some(20));
        assert_eq!(waited(&put_off, 1, 1, &[(4, 7), (3, 7)]), Some(20), "the last one");
        assert_eq!(waited(&put_off, 1, 1, &[(3, 7)]), None, "it is put off no more");
        assert_eq!(waited(&put_off, 1, 0, &[(4, 7)]), None, "nobody puts that off");
        assert_eq!(waited(&put_off, 2, 0, &[(3, 7)]), None, "at another node");
        put_off.answered((1, 3, 7));
        assert_eq!(waited(&put_off, 1, 0, &[(3, 7)]), None);
    }

    #[test]
    fn who_ends_is_forgotten() {
        let mut put_off = PutOff::default();
        put_off.asked(5, (1, 3, 7), &produce(TransactionRules::EpochEach));
        put_off.busy = Some(Heard { node: 1, at_ns: 6, others: 0 });
        assert!(put_off.is_due());
        put_off.forget(1);
        assert!(!put_off.is_due() && put_off.came.is_empty());
    }
}
