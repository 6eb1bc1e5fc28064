//! A coordinator of transactions goes by what it has written: as it tells leaders how a transaction ends, its log has the
//! decision with all that belongs to it. Whoever takes over in between reads that, and ends the transaction by it. What is
//! missing there, such as the producer id that follows where the epochs of one are over (KIP-890, second part), has been
//! told to a producer, and nobody knows it any more.

use super::{Speaker, Talk};
use rustc_hash::FxHashMap;
use std::iter;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_broker_core::inspect::{TransactionView, transactions_from_log};
use stormglass_broker_core::protocol::WriteTxnMarkersRequest;
use stormglass_broker_core::records::Records;

/// An end that a coordinator has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    node: i32,
    /// In which it leads its log.
    epoch: LeaderEpoch,
    /// What it has of the transaction then.
    view: TransactionView,
}

/// Ends by which a coordinator goes, and what it has written of them.
#[derive(Debug)]
struct Doubt {
    end: End,
    written: TransactionView,
}

/// What coordinators have decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What they have written last, by node and producer id.
    written: FxHashMap<(i32, i64), End>,
    /// That of a step is heard of after what is said in it: until then, an end may be another one than what is known to
    /// be written.
    doubts: Vec<Doubt>,
}

impl Decided {
    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.written.retain(|(of, _), _| *of != node);
        self.doubts.retain(|doubt| doubt.end.node != node);
    }

    /// A coordinator has written to its log.
    pub(super) fn wrote(&mut self, node: i32, records: &Records) {
        for batch in records.batches() {
            let epoch = batch.header.partition_leader_epoch;
            let views = transactions_from_log(iter::once(&**batch)).into_values();
            for view in views.filter(|view| view.state.is_ending()) {
                self.is_written(End { node, epoch, view });
            }
        }
    }

    fn is_written(&mut self, end: End) {
        self.doubts.retain(|doubt| doubt.end != end);
        self.written.insert((end.node, end.view.producer.id), end);
    }

    /// A coordinator tells leaders how transactions end.
    pub(super) fn tells(&mut self, by: Speaker<'_>, asked: &WriteTxnMarkersRequest) {
        for marker in &asked.markers {
            let known = by.broker.transactional_id_of(marker.producer.id);
            let known = known.filter(|known| known.state.is_ending() && !known.is_changing);
            let Some(known) = known else { continue };
            let (epoch, view) = (marker.coordinator_epoch, known.written());
            self.goes_by(End { node: by.node, epoch, view });
        }
    }

    /// What another one has decided before is not looked at: it was read from the log.
    fn goes_by(&mut self, end: End) {
        let written = self.written.get(&(end.node, end.view.producer.id));
        let Some(written) = written.filter(|written| written.epoch == end.epoch) else { return };
        if *written != end {
            let written = written.view.clone();
            self.doubts.push(Doubt { end, written });
        }
    }
}

impl Talk {
    /// Ends that a coordinator has told leaders of since this was asked last, and what it has written instead.
    pub(crate) fn otherwise_decided(
        &mut self,
        node: i32,
    ) -> Vec<(TransactionView, TransactionView)> {
        let doubts = &mut self.decided.doubts;
        let own = doubts.extract_if(.., |doubt| doubt.end.node == node);
        own.map(|doubt| (doubt.end.view, doubt.written)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use stormglass_broker_core::inspect::TransactionalIdView;
    use stormglass_broker_core::protocol::{ProducerIdAndEpoch, TransactionState};

    fn known(next_id: Option<i64>) -> TransactionalIdView {
        TransactionalIdView {
            producer: ProducerIdAndEpoch { id: 7, epoch: i16::MAX },
            last: ProducerIdAndEpoch { id: 3, epoch: i16::MAX - 1 },
            next_id,
            is_epoch_each: true,
            state: TransactionState::PrepareCommit,
            partitions: BTreeSet::from([(Arc::from("t"), 0)]),
            began_ms: 500,
            timeout_ms: 60,
            is_changing: false,
        }
    }

    fn end(epoch: LeaderEpoch, next_id: Option<i64>) -> End {
        End { node: 1, epoch, view: known(next_id).written() }
    }

    /// How many ends are not what was written.
    fn otherwise(decided: Decided, node: i32) -> usize {
        let mut talk = Talk { decided, ..Talk::default() };
        talk.otherwise_decided(node).len()
    }

    #[test]
    fn an_end_is_what_was_written() {
        let after = |written: End, goes_by: End| {
            let mut decided = Decided::default();
            decided.is_written(written);
            decided.goes_by(goes_by);
            otherwise(decided, 1)
        };
        assert_eq!(after(end(4, Some(9)), end(4, Some(9))), 0);
        assert_eq!(after(end(4, None), end(4, Some(9))), 1, "who follows is not in the log");
        assert_eq!(after(end(3, None), end(4, Some(9))), 0, "it was read, not written");
        let mut decided = Decided::default();
        decided.goes_by(end(4, Some(9)));
        assert_eq!(otherwise(decided, 1), 0, "the same");
    }

    #[test]
    fn what_is_written_is_heard_of_after_what_is_said() {
        let mut decided = Decided::default();
        let before = TransactionView { began_ms: 100, ..known(None).written() };
        decided.is_written(End { view: before, ..end(4, None) });
        decided.goes_by(end(4, Some(9)));
        decided.is_written(end(4, Some(9)));
        assert_eq!(otherwise(decided, 1), 0);
    }

    #[test]
    fn who_ends_is_forgotten() {
        let doubtful = || {
            let mut decided = Decided::default();
            decided.is_written(end(4, None));
            decided.goes_by(end(4, Some(9)));
            decided
        };
        assert_eq!((otherwise(doubtful(), 1), otherwise(doubtful(), 2)), (1, 0));
        let mut decided = doubtful();
        decided.forget(1);
        decided.goes_by(end(4, Some(9)));
        assert_eq!(otherwise(decided, 1), 0);
    }
}
