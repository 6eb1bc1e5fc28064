//! Markers that a broken connection delivers late, when a copy of them has ended their transaction.

use super::suite::Checkers;
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{TransactionRules, WriteTxnMarkersRequest};
use stormglass_broker_core::records::Records;

/// When producers' newest markers were written.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeMap<(TopicPartition, i64), u64>);

impl Written {
    /// A leader appends.
    pub(crate) fn appended(&mut self, now_ns: u64, tp: TopicPartition, records: &Records) {
        for batch in records.batches().iter().filter(|batch| batch.header.is_control()) {
            self.0.insert((tp, batch.header.producer_id), now_ns);
        }
    }

    /// Partitions where a request that was sent at `sent_ns` would end a transaction that has begun since:
    /// another marker has been written meanwhile. Where epochs last for a session nothing tells the two
    /// apart, in Kafka as here (hunt seed 1517318); with one for each transaction they are fenced (KIP-1228).
    fn endangered(
        &self,
        broker: &Broker,
        sent_ns: u64,
        asked: &WriteTxnMarkersRequest,
    ) -> Vec<TopicPartition> {
        let mut found = Vec::new();
        for marker in asked.markers.iter().filter(|it| it.rules == TransactionRules::Added) {
            let (id, epoch) = (marker.producer.id, marker.producer.epoch);
            let is_late = |tp: &&TopicPartition| {
                self.0.get(&(**tp, id)).is_some_and(|written_ns| *written_ns > sent_ns)
            };
            let is_open = |tp: &TopicPartition| {
                let view = broker.replica_view(*tp);
                view.is_some_and(|view| view.log.has_open_transaction(id, epoch))
            };
            found.extend(marker.partitions.iter().filter(is_late).filter(|tp| is_open(tp)));
        }
        found
    }
}

impl Checkers {
    /// A broker is about to take markers that were sent at a time.
    pub fn takes_markers(&mut self, broker: &Broker, sent_ns: u64, asked: &WriteTxnMarkersRequest) {
        let Some(transactions) = &self.transactions else { return };
        for tp in transactions.written.endangered(broker, sent_ns, asked) {
            let at = self.partition(tp);
            let Some(transactions) = &mut self.transactions else { return };
            transactions.gave_up(&self.partitions[at].label);
        }
    }
}
