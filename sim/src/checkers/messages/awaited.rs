//! Whoever asks something of a broker is answered: at once where that needs nobody else, and later where it does; until
//! then a part of the broker knows who waits. Leaves out fetches, and questions about groups, which are known one by one.

use super::{Says, Talk, controller};
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::OwedView;
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::seam::Reply;

/// By node, connection and correlation.
type Key = (i32, u64, u64);

/// What a question is, by who has to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Produce,
    Commit,
    Transaction,
    Markers,
    Lookup,
    Forwarded,
}

/// Questions that brokers have not answered.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    questions: BTreeMap<Key, Kind>,
    /// The one that is being handled, if it is to be answered with that.
    at_once: Option<Key>,
}

impl Awaited {
    /// A node begins to work on a request.
    pub(super) fn asked(&mut self, key: Key, broker: &Broker, request: &Request) {
        self.at_once = None;
        if broker.metadata().is_none() {
            return; // a controller
        }
        if is_answered_at_once(request) {
            self.at_once = Some(key);
        } else if let Some(kind) = kind(broker, request) {
            self.questions.insert(key, kind);
        }
    }

    /// A node answers, if only by doing what it was asked.
    pub(super) fn answered(&mut self, key: Key) {
        self.questions.remove(&key);
    }

    /// A node hears that a connection has ended: nobody waits there any more.
    pub(super) fn closed(&mut self, node: i32, conn: u64) {
        let of_conn = self.questions.range((node, conn, 0)..=(node, conn, u64::MAX));
        let gone: Vec<Key> = of_conn.map(|(key, _)| *key).collect();
        for key in gone {
            self.questions.remove(&key);
        }
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.questions.retain(|(of, ..), _| *of != node);
        self.at_once = None;
    }

    /// Whether a request is being handled that is to be answered with that.
    pub(super) fn is_due(&self) -> bool {
        self.at_once.is_some()
    }

    /// That request, once it is handled.
    pub(super) fn due(&mut self) -> Option<Key> {
        self.at_once.take()
    }

    fn count(&self, node: i32) -> OwedView {
        let mut owed = OwedView::default();
        for (_, kind) in self.questions.range((node, 0, 0)..=(node, u64::MAX, u64::MAX)) {
            let count = match kind {
                Kind::Produce => &mut owed.produces,
                Kind::Commit => &mut owed.commits,
                Kind::Transaction => &mut owed.transactions,
                Kind::Markers => &mut owed.markers,
                Kind::Lookup => &mut owed.lookups,
                Kind::Forwarded => &mut owed.forwarded,
            };
            *count += 1;
        }
        owed
    }
}

impl Talk {
    /// Requests that a node has not answered, on connections that are still there.
    pub(crate) fn awaited(&self, node: i32) -> OwedView {
        self.awaited.count(node)
    }
}

/// What a broker can answer from what it holds.
fn is_answered_at_once(request: &Request) -> bool {
    if let Request::AddPartitionsToTxn(asked) = request {
        return asked.transactions.iter().all(|one| one.verify_only);
    }
    matches!(
        request,
        Request::Metadata(_)
            | Request::FindCoordinator(_)
            | Request::OffsetFetch(_)
            | Request::Heartbeat(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::DeleteRecords(_)
            | Request::DescribeConfigs(_)
            | Request::ListConfigResources(_)
            | Request::DescribeClientQuotas(_)
            | Request::DescribeTopicPartitions(_)
            | Request::DescribeLogDirs(_)
            | Request::AlterReplicaLogDirs(_)
            | Request::DescribeProducers(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::ConsumerGroupDescribe(_)
            | Request::DescribeTransactions(_)
            | Request::ListTransactions(_)
    )
}

/// `None`: a question that is not counted.
fn kind(broker: &Broker, request: &Request) -> Option<Kind> {
    Some(match request {
        Request::Produce(_) | Request::TransactionalProduce(_) => Kind::Produce,
        Request::TxnOffsetCommit(_) => Kind::Commit,
        Request::InitProducerId(_)
        | Request::AddPartitionsToTxn(_)
        | Request::AddOffsetsToTxn(_)
        | Request::EndTxn(_) => Kind::Transaction,
        Request::WriteTxnMarkers(_) => Kind::Markers,
        Request::ListOffsets(_) => Kind::Lookup,
        Request::CreateTopics(_)
        | Request::ElectLeaders(_)
        | Request::DeleteTopics(_)
        | Request::CreatePartitions(_)
        | Request::AlterPartitionReassignments(_)
        | Request::ListPartitionReassignments(_)
        | Request::AlterClientQuotas(_)
        | Request::AlterConfigs(_)
        | Request::UpdateFeatures(_)
        | Request::UnregisterBroker(_)
            if !controller::is_controller(broker) =>
        {
            Kind::Forwarded
        }
        _ => return None,
    })
}

/// A broker has handled a request that needs nobody else.
pub(super) fn at_once(says: &mut Says<'_>, node: i32, key: Key, replies: &[Reply]) {
    if key.0 != node {
        return; // it was asked as it ended
    }
    let holds = replies.iter().any(|reply| (node, reply.conn.0, reply.correlation.0) == key);
    says.rule(holds, &|| {
        format!(
            "broker {node} does not answer request {} of connection {}, though it knows all that it takes",
            key.2, key.1
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken_by;
    use super::*;
    use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
    use stormglass_broker_core::protocol::{
        AddPartitionsToTxnRequest, DeleteRecordsRequest, ProducerIdAndEpoch, TxnPartitions,
    };

    #[test]
    fn what_is_asked_counts_until_it_is_answered_or_nobody_is_there() {
        let mut awaited = Awaited::default();
        let keys = [(1, 5, 7), (1, 5, 8), (1, 6, 7), (2, 5, 7)];
        let kinds = [Kind::Produce, Kind::Lookup, Kind::Lookup, Kind::Commit];
        for (key, kind) in keys.into_iter().zip(kinds) {
            awaited.questions.insert(key, kind);
        }
        let owed = OwedView { produces: 1, lookups: 2, ..OwedView::default() };
        assert_eq!(awaited.count(1), owed);
        awaited.answered((1, 6, 7));
        assert_eq!(awaited.count(1), OwedView { lookups: 1, ..owed });
        awaited.closed(1, 5);
        assert_eq!(awaited.count(1), OwedView::default());
        assert_eq!(awaited.count(2), OwedView { commits: 1, ..OwedView::default() });
        awaited.forget(2);
        assert_eq!(awaited.count(2), OwedView::default());
    }

    #[test]
    fn what_needs_nobody_else_is_answered_at_once() {
        let asked = DeleteRecordsRequest { partitions: Vec::new() };
        assert!(is_answered_at_once(&Request::DeleteRecords(asked)));
        let transactions = |verify_only| {
            let one = TxnPartitions {
                transactional_id: "x".into(),
                producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
                verify_only,
                partitions: Vec::new(),
            };
            let asked = AddPartitionsToTxnRequest { transactions: vec![one], by_broker: true };
            Request::AddPartitionsToTxn(asked)
        };
        assert!(is_answered_at_once(&transactions(true)));
        assert!(!is_answered_at_once(&transactions(false)), "the log is told first");
        let broken = |correlation| {
            let reply = Reply {
                conn: ConnectionId(5),
                correlation: CorrelationId(correlation),
                response: None,
                throttle_ms: 0,
                closes: false,
            };
            broken_by(|says| at_once(says, 1, (1, 5, 7), &[reply]))
        };
        assert_eq!((broken(7), broken(8)), (0, 1));
    }
}
