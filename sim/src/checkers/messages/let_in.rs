//! What becomes part of a transaction is let in in time, and in order (KIP-890). What was sent before the transaction
//! has ended in a partition does not go on behind its marker: it would begin another one, which nobody ends. And
//! nothing is let in before what its producer has sent earlier, and what was refused for now: that would be missing
//! there, or come too late. With an epoch for each transaction, whom a leader does not know begins with the first
//! sequence (KAFKA-18202): what comes before another one may have been refused elsewhere.

use super::{Speaker, answers};
use crate::checkers::suite::Checkers;
use rustc_hash::FxHashMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{
    ProduceResponse, Request, TransactionRules, TransactionalProduceRequest, TxnMarker,
};
use stormglass_broker_core::records::{Batch, BatchHeader, Records};

/// A leader, a partition and a producer.
type Place = (i32, TopicPartition, i64);

/// A partition as a batch of a transaction comes for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    tp: TopicPartition,
    led_in: LeaderEpoch,
    /// Where its log ends.
    end: Offset,
    /// Its log knows the producer.
    is_known: bool,
}

/// A marker that a leader has written, with the producer's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marker {
    offset: Offset,
    epoch: i16,
}

/// A batch that a leader has refused for now, as its coordinator did not answer, or was busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    /// Of the producer.
    epoch: i16,
    led_in: LeaderEpoch,
    sequence: i32,
}

/// The first batch that a leader has written in an epoch of a producer while it led in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begun {
    /// Of the producer.
    epoch: i16,
    led_in: LeaderEpoch,
    offset: Offset,
}

/// What leaders have let in, and refused.
#[derive(Debug, Default)]
pub(super) struct LetIn {
    /// The newest ones.
    markers: FxHashMap<Place, Marker>,
    /// The first ones that have not been let in since.
    refused: FxHashMap<Place, Refused>,
    /// In the newest epochs.
    begun: FxHashMap<Place, Begun>,
}

impl LetIn {
    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.markers.retain(|(of, ..), _| *of != node);
        self.refused.retain(|(of, ..), _| *of != node);
        self.begun.retain(|(of, ..), _| *of != node);
    }

    /// A node begins to work on a request: with a transaction, or an epoch of a producer, ends what was refused of it.
    pub(super) fn asked(&mut self, node: i32, request: &Request) {
        match request {
            Request::WriteTxnMarkers(asked) if !self.refused.is_empty() => {
                asked.markers.iter().for_each(|marker| self.ends(node, marker));
            }
            Request::TransactionalProduce(asked) if !self.refused.is_empty() => {
                for (tp, header) in headers(asked) {
                    let place = (node, tp, header.producer_id);
                    let is_other = |of: &Refused| of.epoch != header.producer_epoch;
                    if self.refused.get(&place).is_some_and(is_other) {
                        self.refused.remove(&place);
                    }
                }
            }
            _ => {}
        }
    }

    /// A marker that has the next transaction's epoch ends nothing of that.
    fn ends(&mut self, node: i32, marker: &TxnMarker) {
        for tp in &marker.partitions {
            let place = (node, *tp, marker.producer.id);
            let is_of_it = |of: &Refused| is_over(of.epoch, marker.producer.epoch, marker.rules);
            if self.refused.get(&place).is_some_and(is_of_it) {
                self.refused.remove(&place);
            }
        }
    }

    /// A leader has written a batch of a transaction, or a marker. What should have been let in first, if something was
    /// left out.
    fn written(&mut self, (node, tp): (i32, TopicPartition), batch: &Batch) -> Option<Refused> {
        let header = &batch.header;
        let place = (node, tp, header.producer_id);
        if header.is_control() {
            let marker = Marker { offset: batch.base_offset(), epoch: header.producer_epoch };
            self.markers.insert(place, marker);
            return None;
        }
        let of = (header.producer_epoch, header.partition_leader_epoch);
        let new = Begun { epoch: of.0, led_in: of.1, offset: batch.base_offset() };
        let begun = self.begun.entry(place).or_insert(new);
        if (begun.epoch, begun.led_in) != of {
            *begun = new;
        }
        let before = *self.refused.get(&place)?;
        if (before.epoch, before.led_in) != of {
            return None;
        }
        self.refused.remove(&place);
        (before.sequence < header.base_sequence).then_some(before)
    }

    /// The marker of a transaction behind which a batch of it was written that had come before.
    fn ended_before(
        &self,
        node: i32,
        (came, rules): (Came, TransactionRules),
        (header, offset): (&BatchHeader, Offset),
    ) -> Option<Marker> {
        let marker = *self.markers.get(&(node, came.tp, header.producer_id))?;
        let is_since = (came.end..offset).contains(&marker.offset);
        let is_late = is_since && is_over(header.producer_epoch, marker.epoch, rules);
        is_late.then_some(marker)
    }

    /// Whether a batch that was written is the first one of its producer's epoch, though it does not begin with the
    /// first sequence, and nothing was known of the producer as it came. What is known since was written by the same
    /// leader: behind that an epoch begins with the first sequence, too.
    fn begins_amid(
        &self,
        node: i32,
        (came, rules): (Came, TransactionRules),
        (header, offset): (&BatchHeader, Offset),
    ) -> bool {
        let begun = self.begun.get(&(node, came.tp, header.producer_id));
        let first = Begun { epoch: header.producer_epoch, led_in: came.led_in, offset };
        let is_unknown = rules == TransactionRules::EpochEach && !came.is_known;
        is_unknown && header.base_sequence != 0 && begun == Some(&first)
    }

    /// A batch is refused, or was let in. `is_for_now`: surely because its coordinator is not there, or busy.
    fn answered(&mut self, place: Place, batch: Refused, (error, is_for_now): (ErrorCode, bool)) {
        let known = self.refused.get(&place).copied();
        let same = known.filter(|of| (of.epoch, of.led_in) == (batch.epoch, batch.led_in));
        match error {
            ErrorCode::NotEnoughReplicas | ErrorCode::ConcurrentTransactions if is_for_now => {
                let sequence = same.map_or(batch.sequence, |of| of.sequence.min(batch.sequence));
                self.refused.insert(place, Refused { sequence, ..batch });
            }
            ErrorCode::None if known.is_some_and(|of| of.sequence < batch.sequence) => {}
            // the log's sequences tell, or those of what was refused
            ErrorCode::OutOfOrderSequenceNumber => {}
            _ => {
                self.refused.remove(&place);
            }
        }
    }
}

/// Whether a marker ends what is of an epoch of its producer. Where each transaction has one, it has the next one's.
fn is_over(epoch: i16, marker: i16, rules: TransactionRules) -> bool {
    match rules {
        TransactionRules::EpochEach => epoch < marker,
        TransactionRules::Added => epoch <= marker,
    }
}

/// Partitions that a transaction's batches come for, where they are led.
pub(super) fn came(broker: &Broker, asked: &TransactionalProduceRequest) -> Vec<Came> {
    let led = asked.produce.partitions.iter().filter_map(|data| {
        let view = broker.replica_view(data.tp).filter(|view| view.lead.is_some())?;
        let first = data.records.batches().first();
        let is_known =
            first.is_none_or(|batch| view.log.producer_view(batch.header.producer_id).is_some());
        let (led_in, end) = (view.leader_epoch, view.log.next_offset());
        Some(Came { tp: data.tp, led_in, end, is_known })
    });
    led.collect()
}

/// Batches of transactions in a request.
fn headers(
    asked: &TransactionalProduceRequest,
) -> impl Iterator<Item = (TopicPartition, &BatchHeader)> {
    let first = asked.produce.partitions.iter().filter_map(|data| {
        let batch = data.records.batches().first()?;
        Some((data.tp, &batch.header))
    });
    first.filter(|(_, header)| header.is_transactional())
}

/// Whether a leader would have taken a batch: enough replicas are in sync, and its log does not have it.
fn would_take(view: &ReplicaView<'_>, header: &BatchHeader) -> bool {
    let has_enough = view.lead.as_ref().is_some_and(|lead| lead.isr.len() >= lead.min_isr);
    let known = view.log.producer_view(header.producer_id);
    let known = known.filter(|known| known.epoch == header.producer_epoch);
    let newest = known.and_then(|known| known.newest);
    has_enough && newest.is_none_or(|(sequence, _)| sequence < header.base_sequence)
}

impl Checkers {
    /// A leader has written batches. `at`: index of the partition.
    pub(crate) fn lets_in(
        &mut self,
        node: i32,
        (at, tp): (usize, TopicPartition),
        records: &Records,
    ) {
        if self.coordinators.contains(&at) {
            self.talk.decided.wrote(node, records);
        }
        for batch in records.batches().iter().filter(|batch| batch.header.is_transactional()) {
            let before = self.talk.let_in.written((node, tp), batch);
            self.about(tp, |says| {
                says.rule(before.is_none(), &|| {
                    let header = &batch.header;
                    format!(
                        "leader {node} lets in sequence {} of producer {}, and what its producer has sent earlier \
                         was refused for now: {before:?}",
                        header.base_sequence, header.producer_id
                    )
                });
            });
        }
    }

    /// A produce within a transaction is answered.
    pub(super) fn answers_in_transaction(
        &mut self,
        by: Speaker<'_>,
        (asked, came): (&TransactionalProduceRequest, &[Came]),
        answer: &ProduceResponse,
    ) {
        let is_refused = answer.partitions.iter().all(|part| !part.error.is_ok());
        for (tp, header) in headers(asked) {
            let Some(part) = answer.partitions.iter().find(|part| part.tp == tp) else { continue };
            let Some(view) = by.broker.replica_view(tp) else { continue };
            let (epoch, led_in) = (header.producer_epoch, view.leader_epoch);
            let batch = Refused { epoch, led_in, sequence: header.base_sequence };
            let is_for_now = is_refused && would_take(&view, header);
            let place = (by.node, tp, header.producer_id);
            self.talk.let_in.answered(place, batch, (part.error, is_for_now));
            if !part.error.is_ok() {
                continue;
            }
            let came = came.iter().find(|came| (came.tp, came.led_in) == (tp, led_in));
            let written = (header, part.base_offset);
            let ended = came.and_then(|came| {
                self.talk.let_in.ended_before(by.node, (*came, asked.rules), written)
            });
            let is_amid = came.is_some_and(|came| {
                self.talk.let_in.begins_amid(by.node, (*came, asked.rules), written)
            });
            self.about(tp, |says| {
                answers::produce(says, by, (&asked.produce, &[]), part);
                says.rule(ended.is_none(), &|| {
                    format!(
                        "leader {} has written a batch of producer {} in epoch {epoch} at offset {}, which came before \
                         its transaction had ended there: {ended:?}",
                        by.node, header.producer_id, part.base_offset
                    )
                });
                says.rule(!is_amid, &|| {
                    format!(
                        "leader {} did not know producer {}, but lets epoch {epoch} begin with sequence {} at {}",
                        by.node, header.producer_id, header.base_sequence, part.base_offset
                    )
                });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{batch, plan, tp};
    use stormglass_broker_core::protocol::{ProducerIdAndEpoch, WriteTxnMarkersRequest};
    use stormglass_broker_core::records::EndTxnMarker;

    fn place() -> Place {
        (1, tp(0), 1)
    }

    /// Of producer 1 in epoch 0, led in epoch 0.
    fn written(base: Offset, sequence: i32) -> Batch {
        let mut batch = Batch::clone(&batch(base, 2, 1));
        batch.header = batch.header.as_transactional();
        batch.header.base_sequence = sequence;
        batch
    }

    fn marker(base: Offset) -> Batch {
        let marker = EndTxnMarker { commit: true, coordinator_epoch: 0 };
        let mut batch = marker.to_batch(1, 0, 0);
        batch.header.base_offset = base;
        batch
    }

    fn ends(epoch: i16, rules: TransactionRules) -> Request {
        let marker = TxnMarker {
            producer: ProducerIdAndEpoch { id: 1, epoch },
            commit: true,
            coordinator_epoch: 0,
            rules,
            partitions: vec![tp(0)],
        };
        Request::WriteTxnMarkers(WriteTxnMarkersRequest { markers: vec![marker] })
    }

    /// Sequence 5 was refused for now.
    fn refused() -> LetIn {
        refused_by(ErrorCode::NotEnoughReplicas)
    }

    fn refused_by(error: ErrorCode) -> LetIn {
        let mut let_in = LetIn::default();
        let batch = Refused { epoch: 0, led_in: 0, sequence: 5 };
        let_in.answered(place(), batch, (error, true));
        let_in
    }

    #[test]
    fn only_coordinators_keep_transactions_in_their_log() {
        let mut checkers = Checkers::new(&plan());
        let names = ["__transaction_state", "__transaction_state_x", "orders"];
        let of = (0..).zip(names).map(|(index, name)| {
            checkers.topic(tp(index), name, 1);
            let at = checkers.partition(tp(index));
            checkers.coordinators.contains(&at)
        });
        assert!(of.eq([true, false, false]));
    }

    #[test]
    fn what_was_refused_for_now_comes_first() {
        let is_left_out = |let_in: &mut LetIn, sequence| {
            let_in.written((1, tp(0)), &written(0, sequence)).is_some()
        };
        assert!(is_left_out(&mut refused(), 7));
        let mut busy = refused_by(ErrorCode::ConcurrentTransactions);
        assert!(is_left_out(&mut busy, 7), "with an epoch each, the coordinator was busy");
        let mut let_in = refused();
        assert!(!is_left_out(&mut let_in, 5) && !is_left_out(&mut let_in, 7), "it was let in");
        for error in [ErrorCode::NotEnoughReplicas, ErrorCode::InvalidTxnState] {
            let mut let_in = refused();
            let batch = Refused { epoch: 0, led_in: 0, sequence: 5 };
            let_in.answered(place(), batch, (error, false));
            assert!(!is_left_out(&mut let_in, 7), "it was refused for good, or by the log");
        }
        let mut later = written(0, 7);
        later.header.partition_leader_epoch = 1;
        assert_eq!(refused().written((1, tp(0)), &later), None, "another one led meanwhile");
    }

    #[test]
    fn a_transaction_that_ends_takes_what_was_refused_with_it() {
        let is_left_out = |epoch, rules| {
            let mut let_in = refused();
            let_in.asked(1, &ends(epoch, rules));
            let_in.written((1, tp(0)), &written(0, 7)).is_some()
        };
        assert!(!is_left_out(0, TransactionRules::Added));
        assert!(!is_left_out(1, TransactionRules::EpochEach));
        assert!(is_left_out(0, TransactionRules::EpochEach), "the one before has ended");
    }

    #[test]
    fn what_comes_before_a_marker_is_not_written_behind_it() {
        let is_late = |end: Offset, offset: Offset, rules| {
            let mut let_in = LetIn::default();
            let_in.written((1, tp(0)), &marker(10));
            let came = Came { tp: tp(0), led_in: 0, end, is_known: true };
            let batch = written(offset, 7);
            let_in.ended_before(1, (came, rules), (&batch.header, offset)).is_some()
        };
        let added = TransactionRules::Added;
        assert!(is_late(9, 11, added) && is_late(10, 12, added));
        assert!(!is_late(11, 12, added), "it came later");
        assert!(!is_late(8, 9, added), "it was written before");
        assert!(!is_late(9, 11, TransactionRules::EpochEach), "of the next transaction");
    }

    #[test]
    fn with_an_epoch_each_who_is_not_known_begins_with_the_first_sequence() {
        let is_amid = |let_in: &LetIn, sequence, is_known, rules| {
            let came = Came { tp: tp(0), led_in: 0, end: 9, is_known };
            let_in.begins_amid(1, (came, rules), (&written(10, sequence).header, 10))
        };
        let each = TransactionRules::EpochEach;
        let mut let_in = LetIn::default();
        let_in.written((1, tp(0)), &written(10, 5));
        assert!(is_amid(&let_in, 5, false, each));
        assert!(!is_amid(&let_in, 5, true, each), "the log knows what comes next");
        assert!(!is_amid(&let_in, 5, false, TransactionRules::Added), "it may begin with any");
        assert!(!is_amid(&let_in, 0, false, each));
        let mut let_in = LetIn::default();
        let_in.written((1, tp(0)), &written(8, 3));
        let_in.written((1, tp(0)), &written(10, 5));
        assert!(!is_amid(&let_in, 5, false, each), "another one has come before");
        let_in.forget(1);
        let_in.written((1, tp(0)), &written(10, 5));
        assert!(is_amid(&let_in, 5, false, each));
    }
}
