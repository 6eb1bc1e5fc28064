//! What the leader of a partition does for transactions: it asks before one begins, and writes
//! markers.

use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, TopicId, TopicPartition};
use crate::log::testing::sequenced;
use crate::metadata::{ConfigResource, MetadataRecord, PartitionRecord};
use crate::protocol::{
    Acks, AddPartitionsToTxnResponse, ProducePartition, ProduceRequest, ProducerIdAndEpoch,
    Request, Response, TransactionRules, TransactionalProduceRequest, TxnMarker,
    TxnOffsetCommitRequest, TxnPartitionsResult, WriteTxnMarkersRequest,
};
use crate::records::Records;
use crate::replica::tests::{Rig, TP};
use crate::replica::{AppendOrigin, ProduceOutcome};
use crate::seam::PeerError;
use crate::step::ReplyTo;
use crate::txn::{Cx, MarkerAppends, TRANSACTIONS_TOPIC, Verified, Verifier};
use std::sync::Arc;

const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 5000, epoch: 3 };
const CLIENT: ReplyTo = ReplyTo { conn: ConnectionId(9), correlation: CorrelationId(1) };

struct Bed {
    rig: Rig,
    verifier: Verifier,
    markers: MarkerAppends,
    rules: TransactionRules,
}

impl Bed {
    /// Broker 1 leads the partition, alone; broker 3 coordinates all transactions.
    fn new() -> Self {
        let mut bed = Self::without_coordinator();
        let tp = TopicPartition::new(TopicId(99), 0);
        bed.rig.apply(&[
            MetadataRecord::Topic { name: TRANSACTIONS_TOPIC.into(), id: tp.topic },
            MetadataRecord::Partition(PartitionRecord::in_sync(tp, &[NodeId(3)])),
        ]);
        bed
    }

    fn without_coordinator() -> Self {
        let rig = Rig::with_partition(1, &[1]);
        let (verifier, markers) = (Verifier::default(), MarkerAppends::default());
        Self { rig, verifier, markers, rules: TransactionRules::Added }
    }

    /// Another partition that broker 1 leads.
    fn with_another(&mut self) -> TopicPartition {
        let other = TopicPartition::new(TP.topic, TP.partition + 1);
        self.rig.apply(&[MetadataRecord::Partition(PartitionRecord::in_sync(other, &[NodeId(1)]))]);
        other
    }

    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Verifier, &mut MarkerAppends, &mut Cx<'_, '_>) -> T,
    ) -> T {
        let image = self.rig.image.clone();
        let Self { rig, verifier, markers, .. } = self;
        rig.act(|replicas, step| act(verifier, markers, &mut Cx { step, replicas, image: &image }))
    }

    /// A record of the transaction; nothing if the coordinator is asked first.
    fn produce(&mut self, sequence: i32) -> Option<Verified> {
        self.produce_to(&[(TP, sequence)])
    }

    fn produce_to(&mut self, to: &[(TopicPartition, i32)]) -> Option<Verified> {
        let data = |&(tp, sequence): &(TopicPartition, i32)| {
            let mut batch = sequenced(PRODUCER.id, PRODUCER.epoch, sequence, 1);
            batch.header = batch.header.as_transactional();
            ProducePartition { tp, records: Records::single(Arc::new(batch)) }
        };
        let partitions = to.iter().map(data).collect();
        let produce = ProduceRequest { acks: Acks::All, timeout_ms: 1000, partitions };
        let (transactional_id, rules) = ("billing".into(), self.rules);
        let request = TransactionalProduceRequest { transactional_id, rules, produce };
        self.act(|verifier, _, cx| verifier.produce(cx, CLIENT, Box::new(request)))
    }

    /// What was asked, of broker 3.
    fn question(&mut self) -> CorrelationId {
        let sent = self.rig.sent().pop().expect("the coordinator is asked");
        let Request::AddPartitionsToTxn(request) = sent.request else { panic!("{sent:?}") };
        let asked = &request.transactions[0];
        let verify_only = self.rules == TransactionRules::Added;
        assert_eq!((sent.to, asked.producer), (NodeId(3), PRODUCER));
        assert_eq!(asked.verify_only, verify_only);
        assert_eq!(asked.partitions, [TP]);
        sent.correlation
    }

    fn answer(&self, error: ErrorCode) -> Response {
        let transactional_id = "billing".into();
        let one = TxnPartitionsResult { transactional_id, partitions: vec![(TP, error)] };
        Response::AddPartitionsToTxn(AddPartitionsToTxnResponse { transactions: vec![one] })
    }

    fn told(&mut self, id: CorrelationId, result: Result<ErrorCode, PeerError>) -> Verified {
        let result = result.map(|error| self.answer(error));
        self.act(|verifier, _, cx| verifier.answered(cx, id, &result)).expect("it was asked")
    }

    /// What may be written is.
    fn write(&mut self, verified: Verified) {
        let Verified::Produce(to, request, refused) = verified else { panic!("{verified:?}") };
        let origin = AppendOrigin::Client(to);
        self.act(|_, _, cx| cx.replicas.produce_verified(cx.step, origin, request, &refused));
        self.rig.disk();
    }

    fn outcome(&mut self, verified: Verified) -> ErrorCode {
        self.write(verified);
        match self.rig.replies().pop() {
            Some(Response::Produce(answer)) => answer.partitions[0].error,
            other => panic!("{other:?}"),
        }
    }

    fn marker(&mut self, commit: bool, epoch: i16, coordinator_epoch: i32) -> ErrorCode {
        let rules = self.rules;
        self.marker_by(rules, commit, epoch, coordinator_epoch)
    }

    fn marker_request(
        rules: TransactionRules,
        commit: bool,
        epoch: i16,
        coordinator_epoch: i32,
    ) -> WriteTxnMarkersRequest {
        let marker = TxnMarker {
            producer: ProducerIdAndEpoch { epoch, ..PRODUCER },
            commit,
            coordinator_epoch,
            rules,
            partitions: vec![TP],
        };
        WriteTxnMarkersRequest { markers: vec![marker] }
    }

    fn marker_by(
        &mut self,
        rules: TransactionRules,
        commit: bool,
        epoch: i16,
        coordinator_epoch: i32,
    ) -> ErrorCode {
        let request = Self::marker_request(rules, commit, epoch, coordinator_epoch);
        let marker = request.markers[0].clone();
        self.act(|verifier, markers, cx| {
            verifier.marker_written(TP, marker.producer, marker.rules);
            markers.write(cx, CLIENT, &request, |_| Ok(None));
        });
        self.rig.disk();
        for outcome in self.rig.act(|replicas, _| replicas.take_outcomes()) {
            self.act(|_, markers, cx| markers.append_done(cx.step, outcome));
        }
        match self.rig.replies().pop() {
            Some(Response::WriteTxnMarkers(answer)) => answer.markers[0].1[0].1,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn txn_01_a_transaction_begins_here_when_its_coordinator_knows_of_it() {
    let mut bed = Bed::new();
    assert!(bed.produce(0).is_none());
    let id = bed.question();
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::None);
    let open = bed.produce(1).expect("it is open");
    assert_eq!(bed.outcome(open), ErrorCode::None);
    assert_eq!(bed.marker(true, 3, 1), ErrorCode::None);
    assert!(bed.produce(2).is_none(), "the next one is asked for again");
    let id = bed.question();
    let late = bed.told(id, Ok(ErrorCode::TransactionAbortable));
    assert_eq!(bed.outcome(late), ErrorCode::TransactionAbortable);
    assert_eq!(bed.rig.partition().log.log_end_offset(), 3);
}

#[test]
fn a_marker_that_took_too_long_ends_the_transaction_once_it_is_replicated() {
    let mut bed = Bed::new();
    let request = Bed::marker_request(bed.rules, true, 3, 1);
    bed.act(|_, markers, cx| markers.write(cx, CLIENT, &request, |_| Ok(None)));
    let mut outcome = |error, is_overdue| {
        let token = crate::txn::MARKER_TOKEN | 2;
        let outcome = ProduceOutcome { token, error, is_overdue };
        bed.act(|_, markers, cx| markers.append_done(cx.step, outcome).map(|ended| ended.tp))
    };
    assert_eq!(outcome(ErrorCode::RequestTimedOut, true), None);
    assert_eq!(outcome(ErrorCode::None, false), Some(TP));
    assert_eq!(outcome(ErrorCode::None, false), None);
    let told = bed.rig.replies();
    let [Response::WriteTxnMarkers(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.markers[0].1, [(TP, ErrorCode::RequestTimedOut)]);
}

#[test]
fn what_was_asked_before_a_marker_is_void() {
    let mut bed = Bed::new();
    bed.produce(0);
    let id = bed.question();
    let open: Vec<_> = bed.verifier.open_questions().map(|of| (of.tp, of.producer)).collect();
    assert_eq!(open, [(TP, PRODUCER)]);
    assert_eq!(bed.marker(false, 3, 1), ErrorCode::None);
    assert_eq!(bed.verifier.open_questions().count(), 0);
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::InvalidTxnState);
}

/// Another partition of the request has to be asked for, and this one's transaction ends meanwhile.
#[test]
fn what_was_open_when_another_partition_was_asked_for_must_be_open_still() {
    let mut bed = Bed::new();
    let other = bed.with_another();
    bed.produce(0);
    let id = bed.question();
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::None);
    assert!(bed.produce_to(&[(TP, 1), (other, 0)]).is_none());
    let id = bed.rig.sent().pop().expect("the coordinator is asked").correlation;
    assert_eq!(bed.marker(false, 3, 1), ErrorCode::None);
    let unknown = Err(PeerError::TimedOut);
    let Verified::Produce(_, _, refused) = bed.told(id, unknown) else { panic!("a produce") };
    let expected = [(other, ErrorCode::NotEnoughReplicas), (TP, ErrorCode::InvalidTxnState)];
    assert_eq!(refused, expected);
}

#[test]
fn what_was_asked_in_another_epoch_is_void() {
    let mut bed = Bed::new();
    bed.produce(0);
    let id = bed.question();
    bed.rig.elect(2);
    bed.rig.elect(1);
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::NotLeaderOrFollower);
}

#[test]
fn producers_try_again_when_the_coordinator_cannot_tell() {
    for told in [
        Ok(ErrorCode::ConcurrentTransactions),
        Ok(ErrorCode::CoordinatorLoadInProgress),
        Ok(ErrorCode::NotCoordinator),
        Err(PeerError::TimedOut),
    ] {
        let mut bed = Bed::new();
        bed.produce(0);
        let id = bed.question();
        let verified = bed.told(id, told);
        assert_eq!(bed.outcome(verified), ErrorCode::NotEnoughReplicas, "{told:?}");
    }
    let mut bed = Bed::without_coordinator();
    let verified = bed.produce(0).expect("there is nobody to ask");
    assert_eq!(bed.outcome(verified), ErrorCode::NotEnoughReplicas);
    let mut bed = Bed::new();
    bed.produce(0);
    let id = bed.question();
    let fenced = bed.told(id, Ok(ErrorCode::ProducerFenced));
    assert_eq!(bed.outcome(fenced), ErrorCode::InvalidProducerEpoch);
}

/// `CoordinatorOperationExceptionHelper`: the group's coordinator is here, and only the transaction's was silent.
#[test]
fn positions_are_committed_again_here_when_the_coordinator_does_not_answer() {
    let request = TxnOffsetCommitRequest {
        transactional_id: "billing".into(),
        rules: TransactionRules::Added,
        producer: PRODUCER,
        group: "billing".into(),
        generation: -1,
        member: "".into(),
        instance: None,
        offsets: Vec::new(),
    };
    for (told, error) in [
        (Err(PeerError::TimedOut), ErrorCode::CoordinatorLoadInProgress),
        (Ok(ErrorCode::NotCoordinator), ErrorCode::NotCoordinator),
        (Ok(ErrorCode::None), ErrorCode::None),
    ] {
        let mut bed = Bed::new();
        let commit = Box::new(request.clone());
        let at_once = bed.act(|verifier, _, cx| verifier.offsets(cx, CLIENT, TP, commit));
        assert!(at_once.is_none(), "the coordinator is asked");
        let id = bed.question();
        let Verified::Offsets(_, _, heard) = bed.told(id, told) else { panic!("positions") };
        assert_eq!(heard, error, "{told:?}");
    }
}

#[test]
fn nothing_is_let_in_before_what_was_refused() {
    let mut bed = Bed::new();
    bed.produce(0);
    let first = bed.question();
    bed.produce(1);
    let second = bed.question();
    let refused = bed.told(first, Err(PeerError::TimedOut));
    assert_eq!(bed.outcome(refused), ErrorCode::NotEnoughReplicas);
    let ahead = bed.told(second, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(ahead), ErrorCode::OutOfOrderSequenceNumber);
    for sequence in 0..2 {
        let verified = bed.produce(sequence).unwrap_or_else(|| {
            let id = bed.question();
            bed.told(id, Ok(ErrorCode::None))
        });
        assert_eq!(bed.outcome(verified), ErrorCode::None);
    }
}

/// What it has sent before may have been refused by another leader, of whose refusals nobody knows here.
#[test]
fn kafka_18202_with_an_epoch_each_a_producer_that_is_not_known_begins_with_0() {
    for (rules, sequence, outcome) in [
        (TransactionRules::EpochEach, 1, ErrorCode::OutOfOrderSequenceNumber),
        (TransactionRules::EpochEach, 0, ErrorCode::None),
        (TransactionRules::Added, 1, ErrorCode::None),
    ] {
        let mut bed = Bed::new();
        bed.rules = rules;
        assert!(bed.produce(sequence).is_none());
        let id = bed.question();
        let verified = bed.told(id, Ok(ErrorCode::None));
        assert_eq!(bed.outcome(verified), outcome, "{rules:?} {sequence}");
    }
}

#[test]
fn kafka_18042_nobody_is_asked_about_an_epoch_of_which_the_log_knows_a_newer_one() {
    let mut bed = Bed::new();
    let other = bed.with_another();
    assert_eq!(bed.marker(true, PRODUCER.epoch + 1, 1), ErrorCode::None);
    bed.rig.sent();
    let late = bed.produce(0).expect("nobody is asked");
    assert!(bed.rig.sent().is_empty());
    assert_eq!(bed.outcome(late), ErrorCode::InvalidProducerEpoch);
    // the coordinator is asked for what else is in the request
    assert!(bed.produce_to(&[(TP, 0), (other, 0)]).is_none());
    let sent = bed.rig.sent().pop().expect("the coordinator is asked");
    let Request::AddPartitionsToTxn(request) = sent.request else { panic!("{sent:?}") };
    assert_eq!(request.transactions[0].partitions, [other]);
    let verified = bed.told(sent.correlation, Err(PeerError::TimedOut));
    let Verified::Produce(_, _, refused) = verified else { panic!("{verified:?}") };
    let fenced = (TP, ErrorCode::InvalidProducerEpoch);
    assert_eq!(refused, [(other, ErrorCode::NotEnoughReplicas), fenced]);
}

/// The log would have it from another leader that has let it in since.
#[test]
fn what_was_refused_in_an_earlier_epoch_still_comes_first() {
    for leaders in [&[1] as &[i32], &[2, 1]] {
        let mut bed = Bed::new();
        bed.produce(0);
        let id = bed.question();
        let refused = bed.told(id, Err(PeerError::TimedOut));
        assert_eq!(bed.outcome(refused), ErrorCode::NotEnoughReplicas);
        for leader in leaders {
            bed.rig.elect(*leader);
        }
        for (sequence, outcome) in [(7, ErrorCode::OutOfOrderSequenceNumber), (0, ErrorCode::None)]
        {
            bed.produce(sequence);
            let id = bed.question();
            let verified = bed.told(id, Ok(ErrorCode::None));
            assert_eq!(bed.outcome(verified), outcome, "led by {leaders:?}");
        }
    }
}

#[test]
fn what_lacked_replicas_once_it_was_verified_still_comes_first() {
    let mut bed = Bed::new();
    for (replicas, sequence, outcome) in [
        ("2", 0, ErrorCode::NotEnoughReplicas),
        ("1", 1, ErrorCode::OutOfOrderSequenceNumber),
        ("1", 0, ErrorCode::None),
    ] {
        bed.rig.apply(&[MetadataRecord::Config {
            resource: ConfigResource::Topic("orders".into()),
            key: "min.insync.replicas".into(),
            value: Some(replicas.into()),
        }]);
        bed.produce(sequence);
        let id = bed.question();
        let verified = bed.told(id, Ok(ErrorCode::None));
        assert_eq!(bed.outcome(verified), outcome);
    }
}

#[test]
fn markers_of_the_past_are_refused() {
    let mut bed = Bed::new();
    assert_eq!(bed.marker(false, 4, 7), ErrorCode::None);
    assert_eq!(bed.marker(true, 4, 6), ErrorCode::TransactionCoordinatorFenced);
    assert_eq!(bed.marker(true, 3, 7), ErrorCode::InvalidProducerEpoch);
    assert_eq!(bed.marker(true, 4, 7), ErrorCode::None, "repeated, which does no harm");
}

/// A copy that a broken connection delivers late must not end the next transaction, which has its epoch.
#[test]
fn with_an_epoch_each_a_marker_ends_no_transaction_of_its_own_epoch() {
    let open = |rules| {
        let mut bed = Bed::new();
        bed.rules = rules;
        assert_eq!(bed.marker(true, PRODUCER.epoch, 1), ErrorCode::None);
        bed.produce(0);
        let id = bed.question();
        let verified = bed.told(id, Ok(ErrorCode::None));
        assert_eq!(bed.outcome(verified), ErrorCode::None);
        bed
    };
    let mut bed = open(TransactionRules::EpochEach);
    assert_eq!(bed.marker(true, PRODUCER.epoch, 1), ErrorCode::InvalidProducerEpoch);
    assert!(bed.rig.partition().log.has_open_transaction(PRODUCER.id, PRODUCER.epoch));
    assert_eq!(bed.marker(true, PRODUCER.epoch + 1, 1), ErrorCode::None);
    assert_eq!(bed.marker(true, PRODUCER.epoch + 1, 1), ErrorCode::None, "it is repeated");
    let mut bed = open(TransactionRules::Added);
    assert_eq!(bed.marker(true, PRODUCER.epoch, 1), ErrorCode::None, "it may be the right one");
}

#[test]
fn a_marker_for_a_partition_that_is_elsewhere_is_refused() {
    let mut bed = Bed::new();
    bed.rig.elect(2);
    assert_eq!(bed.marker(true, 3, 1), ErrorCode::NotLeaderOrFollower);
}

#[test]
fn with_an_epoch_each_the_first_record_adds_the_partition() {
    let mut bed = Bed::new();
    bed.rules = TransactionRules::EpochEach;
    assert!(bed.produce(0).is_none());
    let id = bed.question();
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::None);
    let verified = bed.produce(1).expect("it is open: nobody is asked");
    assert_eq!(bed.outcome(verified), ErrorCode::None);
}

#[test]
fn with_an_epoch_each_partitions_are_added_even_if_nobody_verifies() {
    let mut bed = Bed::new();
    bed.rig.replicas.config.server.transaction_partition_verification = false;
    assert!(bed.produce(0).is_some());
    bed.rules = TransactionRules::EpochEach;
    assert!(bed.produce(0).is_none());
    bed.question();
}

#[test]
fn with_an_epoch_each_the_marker_before_is_no_obstacle_and_what_is_late_is_fenced() {
    // the marker of the transaction before carries this one's epoch
    let mut bed = Bed::new();
    bed.rules = TransactionRules::EpochEach;
    assert!(bed.produce(0).is_none());
    let id = bed.question();
    assert_eq!(bed.marker(true, PRODUCER.epoch, 1), ErrorCode::None);
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::None);

    // its own marker carries the next one, and comes before the answer
    let mut bed = Bed::new();
    bed.rules = TransactionRules::EpochEach;
    assert!(bed.produce(0).is_none());
    let id = bed.question();
    assert_eq!(bed.marker(true, PRODUCER.epoch + 1, 1), ErrorCode::None);
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::InvalidProducerEpoch);
}

/// A client that asks in the newer version may end in the older one, and then there is no next epoch.
#[test]
fn what_was_asked_with_an_epoch_each_is_void_if_the_end_began_no_epoch() {
    for is_busy in [false, true] {
        let mut bed = Bed::new();
        bed.rules = TransactionRules::EpochEach;
        assert!(bed.produce(0).is_none());
        let mut id = bed.question();
        if is_busy {
            let wait = Ok(bed.answer(ErrorCode::ConcurrentTransactions));
            assert!(bed.act(|verifier, _, cx| verifier.answered(cx, id, &wait)).is_none());
        }
        let ended = bed.marker_by(TransactionRules::Added, false, PRODUCER.epoch, 1);
        assert_eq!(ended, ErrorCode::None);
        if is_busy {
            bed.rig.now_ms += 20;
            bed.act(|verifier, _, cx| verifier.additions_due(cx));
            id = bed.question();
        }
        let verified = bed.told(id, Ok(ErrorCode::None));
        assert_eq!(bed.outcome(verified), ErrorCode::InvalidTxnState);
    }
}

#[test]
fn a_question_of_the_next_transaction_outlives_the_marker_of_the_one_before() {
    let mut bed = Bed::new();
    bed.produce(0); // in the older version
    let id = bed.question();
    let ended = bed.marker_by(TransactionRules::EpochEach, true, PRODUCER.epoch, 1);
    assert_eq!(ended, ErrorCode::None);
    let verified = bed.told(id, Ok(ErrorCode::None));
    assert_eq!(bed.outcome(verified), ErrorCode::None);
}

#[test]
fn with_an_epoch_each_a_busy_coordinator_is_asked_again_for_a_while() {
    let mut bed = Bed::new();
    bed.rules = TransactionRules::EpochEach;
    assert!(bed.produce(0).is_none());
    let busy = Ok(bed.answer(ErrorCode::ConcurrentTransactions));
    for _ in 0..5 {
        let id = bed.question();
        assert!(bed.act(|verifier, _, cx| verifier.answered(cx, id, &busy)).is_none());
        assert!(bed.act(|verifier, _, cx| verifier.additions_due(cx)).is_empty(), "not yet");
        assert_eq!(bed.verifier.put_off().collect::<Vec<_>>(), [CLIENT]);
        bed.rig.now_ms += 20;
        assert!(bed.act(|verifier, _, cx| verifier.additions_due(cx)).is_empty());
        assert_eq!(bed.verifier.put_off().count(), 0, "it is asked");
    }
    let id = bed.question();
    let verified = bed.told(id, Ok(ErrorCode::ConcurrentTransactions));
    assert_eq!(bed.outcome(verified), ErrorCode::ConcurrentTransactions, "now the producer waits");
}
