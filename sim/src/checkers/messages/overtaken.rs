//! What a leader has asked a coordinator about a transaction counts no more once a marker has ended that (KIP-890, first
//! part, KAFKA-14561): the answer would let in a batch behind the marker, which begins a transaction that nobody ends. So
//! it is in each partition that the marker names, as the marker is taken.

use super::{Says, Speaker};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::QuestionView;
use stormglass_broker_core::protocol::{Request, Response, TransactionRules, TxnMarker};
use stormglass_broker_core::seam::Reply;

/// Markers of the request that is being handled, if whoever has it waits for answers.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    node: i32,
    markers: Vec<TxnMarker>,
}

impl Overtaken {
    /// A node begins to work on a request.
    pub(super) fn asked(&mut self, (node, broker): (i32, &Broker), request: &Request) {
        self.markers.clear();
        if let Request::WriteTxnMarkers(asked) = request
            && broker.open_questions().next().is_some()
        {
            (self.node, self.markers) = (node, asked.markers.clone());
        }
    }

    /// Whether there are such markers.
    pub(super) fn is_asked(&self) -> bool {
        !self.markers.is_empty()
    }

    /// Those that a node has handled.
    pub(super) fn taken(&mut self, node: i32) -> Vec<TxnMarker> {
        let markers = std::mem::take(&mut self.markers);
        if node == self.node { markers } else { Vec::new() }
    }
}

/// A leader has handled markers.
pub(super) fn count_no_more(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (markers, replies): (&[TxnMarker], &[Reply]),
) {
    let leads = |tp| by.broker.replica_view(tp).is_some_and(|view| view.lead.is_some());
    for question in by.broker.open_questions() {
        let marker = markers.iter().find(|marker| is_ended(&question, marker));
        let is_due = leads(question.tp) && !is_refused(question.tp, replies);
        says.rule(marker.is_none() || !is_due, &|| {
            format!(
                "leader {} still waits for what it has asked before the transaction has ended: {question:?}, {marker:?}",
                by.node
            )
        });
    }
}

/// Whether a question is about a transaction that a marker ends. Where each transaction has an epoch, the marker has the
/// next one's: what is asked in that is about the next transaction, and what is of an older one the log itself refuses.
fn is_ended(question: &QuestionView, marker: &TxnMarker) -> bool {
    let (asked, ends) = (question.producer, marker.producer);
    let is_of_it = match marker.rules {
        TransactionRules::EpochEach => asked.epoch < ends.epoch,
        TransactionRules::Added => asked.epoch <= ends.epoch,
    };
    let is_let_in = asked.epoch == ends.epoch || !question.is_epoch_each;
    let is_same = asked.id == ends.id && marker.partitions.contains(&question.tp);
    is_same && is_of_it && is_let_in
}

/// Whether a marker is refused at once, as somebody else decides by now.
fn is_refused(tp: TopicPartition, replies: &[Reply]) -> bool {
    let mut told = replies.iter().filter_map(|reply| match &reply.response {
        Some(Response::WriteTxnMarkers(answer)) => Some(answer),
        _ => None,
    });
    told.any(|answer| {
        let mut outcomes = answer.markers.iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.any(|(of, error)| *of == tp && !error.is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
    use stormglass_broker_core::protocol::{ProducerIdAndEpoch, WriteTxnMarkersResponse};

    #[test]
    fn a_marker_ends_what_was_asked_in_all_of_its_partitions() {
        use TransactionRules::{Added, EpochEach};
        let is_ended = |(index, id, epoch, is_epoch_each): (i32, i64, i16, bool), rules| {
            let producer = ProducerIdAndEpoch { id, epoch };
            let marker = TxnMarker {
                producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
                commit: false,
                coordinator_epoch: 0,
                rules,
                partitions: vec![tp(0), tp(1)],
            };
            is_ended(&QuestionView { tp: tp(index), producer, is_epoch_each }, &marker)
        };
        for index in [0, 1] {
            assert!(is_ended((index, 7, 3, false), Added) && is_ended((index, 7, 2, false), Added));
        }
        assert!(!is_ended((2, 7, 3, false), Added), "another partition");
        assert!(!is_ended((0, 8, 3, false), Added) && !is_ended((0, 7, 4, false), Added));
        assert!(is_ended((0, 7, 3, true), Added), "a client may mix its requests' versions");
        assert!(!is_ended((1, 7, 2, true), Added), "its epoch is over");
        assert!(!is_ended((1, 7, 3, false), EpochEach), "of the next transaction");
        assert!(is_ended((1, 7, 2, false), EpochEach) && !is_ended((1, 7, 2, true), EpochEach));
    }

    #[test]
    fn a_marker_that_is_refused_ends_nothing() {
        let refused = |error| {
            let markers = vec![(7, vec![(tp(0), ErrorCode::None), (tp(1), error)])];
            let reply = Reply {
                conn: ConnectionId(1),
                correlation: CorrelationId(1),
                response: Some(Response::WriteTxnMarkers(WriteTxnMarkersResponse { markers })),
                throttle_ms: 0,
                closes: false,
            };
            is_refused(tp(1), &[reply])
        };
        assert!(!refused(ErrorCode::None) && refused(ErrorCode::TransactionCoordinatorFenced));
    }

    #[test]
    fn markers_are_taken_once_and_by_who_has_them() {
        let marker = TxnMarker {
            producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
            commit: true,
            coordinator_epoch: 0,
            rules: TransactionRules::Added,
            partitions: vec![tp(0)],
        };
        let of = || Overtaken { node: 1, markers: vec![marker.clone()] };
        let (mut own, mut other) = (of(), of());
        assert!(own.is_asked());
        assert_eq!((own.taken(1).len(), other.taken(2).len()), (1, 0));
        assert!(!own.is_asked() && !other.is_asked());
    }
}
