//! A coordinator whose partition of `__transaction_state` broker 1 leads: what it writes, answers
//! and asks of the leaders of a transaction's partitions.

use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, TopicId, TopicPartition};
use crate::log::testing::numbered;
use crate::metadata::{
    LeaderUpdate, MetadataDelta, MetadataRecord, PartitionChangeRecord, PartitionRecord,
};
use crate::protocol::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
    ProducerIdAndEpoch, Request, Response, TransactionRules, TransactionState, TransactionalId,
    TxnMarker, TxnPartitions, WriteTxnMarkersResponse,
};
use crate::records::{Batch, Record, Records};
use crate::replica::tests::{Rig, TP};
use crate::seam::{DiskError, DiskResult, PeerError, TimerKey};
use crate::step::{Owner, ReplyTo, owner_of};
use crate::txn::state::{NOBODY, Values};
use crate::txn::{Cx, InitTransactions, TRANSACTIONS_TOPIC, TransactionCoordinator, codec};
use std::collections::BTreeSet;

const ORDERS: TopicPartition = TopicPartition::new(TopicId(99), 0);
const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 5000, epoch: 0 };
const CLIENT: ReplyTo = ReplyTo { conn: ConnectionId(9), correlation: CorrelationId(1) };

/// Broker 1, which coordinates; `orders` is led by broker 2.
struct Bed {
    rig: Rig,
    coordinator: TransactionCoordinator,
}

impl Bed {
    fn new() -> Self {
        let mut rig = Rig::new(TRANSACTIONS_TOPIC, |_| {});
        rig.apply(&[
            MetadataRecord::Topic { name: "orders".into(), id: ORDERS.topic },
            MetadataRecord::Partition(PartitionRecord::in_sync(ORDERS, &[NodeId(2), NodeId(3)])),
        ]);
        let coordinator = TransactionCoordinator::new(&rig.replicas.config);
        Self { rig, coordinator }
    }

    /// Leads with an empty log.
    fn leading() -> Self {
        let mut bed = Self::new();
        bed.rig.create(1, &[1]);
        let delta = MetadataDelta { partitions: BTreeSet::from([TP]), ..MetadataDelta::default() };
        bed.learn(&delta);
        bed
    }

    fn learn(&mut self, delta: &MetadataDelta) {
        self.act(|coordinator, cx| coordinator.apply_metadata(cx, delta));
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut TransactionCoordinator, &mut Cx<'_, '_>) -> T) -> T {
        let image = self.rig.image.clone();
        let coordinator = &mut self.coordinator;
        self.rig.act(|replicas, step| act(coordinator, &mut Cx { step, replicas, image: &image }))
    }

    /// The disk does what it was asked, and what follows from it.
    fn settle(&mut self) {
        loop {
            self.rig.disk();
            let outcomes = self.rig.act(|replicas, _| replicas.take_outcomes());
            if outcomes.is_empty() {
                return;
            }
            for outcome in outcomes {
                self.act(|coordinator, cx| coordinator.append_done(cx, outcome));
            }
        }
    }

    fn reply(&mut self) -> Response {
        self.settle();
        let mut replies = self.rig.replies();
        assert_eq!(replies.len(), 1, "{replies:?}");
        replies.remove(0)
    }

    /// InitProducerId; a new producer id is 5000.
    fn init(&mut self) -> Result<ProducerIdAndEpoch, ErrorCode> {
        let transactional = TransactionalId { id: "billing".into(), timeout_ms: 60_000 };
        let request =
            InitProducerIdRequest { transactional: None, producer_id: -1, producer_epoch: -1 };
        let request = InitTransactions::new(CLIENT, transactional, &request).unwrap();
        self.act(|coordinator, cx| {
            if let Some(request) = coordinator.init(cx, request, None) {
                assert!(coordinator.init(cx, request, Some(5000)).is_none());
            }
        });
        match self.reply() {
            Response::InitProducerId(answer) if answer.error.is_ok() => {
                Ok(ProducerIdAndEpoch { id: answer.producer_id, epoch: answer.producer_epoch })
            }
            Response::InitProducerId(answer) => Err(answer.error),
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, verify_only: bool, partitions: &[TopicPartition]) -> Vec<ErrorCode> {
        let transactions = vec![TxnPartitions {
            transactional_id: "billing".into(),
            producer: PRODUCER,
            verify_only,
            partitions: partitions.to_vec(),
        }];
        let request = AddPartitionsToTxnRequest { transactions, by_broker: false };
        self.act(|coordinator, cx| coordinator.add_partitions(cx, CLIENT, request));
        match self.reply() {
            Response::AddPartitionsToTxn(answer) => {
                answer.transactions[0].partitions.iter().map(|(_, error)| *error).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, commit: bool) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: "billing".into(),
            producer: PRODUCER,
            commit,
            rules: TransactionRules::Added,
        };
        self.act(|coordinator, cx| coordinator.end(cx, CLIENT, request, None));
        match self.reply() {
            Response::EndTxn(answer) => answer.error,
            other => panic!("{other:?}"),
        }
    }

    /// The marker that was sent, and to whom.
    fn marker(&mut self) -> (CorrelationId, NodeId, TxnMarker) {
        let sent = self.rig.sent().into_iter().filter_map(|sent| match sent.request {
            Request::WriteTxnMarkers(mut request) => {
                Some((sent.correlation, sent.to, request.markers.remove(0)))
            }
            _ => None,
        });
        let sent: Vec<_> = sent.collect();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.into_iter().next().unwrap()
    }

    fn answer(&mut self, id: CorrelationId, result: Result<ErrorCode, PeerError>) {
        let result = result.map(|error| {
            let markers = vec![(PRODUCER.id, vec![(ORDERS, error)])];
            Response::WriteTxnMarkers(WriteTxnMarkersResponse { markers })
        });
        assert!(self.act(|coordinator, cx| coordinator.markers_answered(cx, id, &result)));
        self.settle();
    }

    fn state(&mut self) -> TransactionState {
        self.coordinator.find(0, "billing").unwrap().values.state
    }

    fn is_armed(&self, key: TimerKey) -> bool {
        self.rig.effects.timers.iter().any(|(_, armed)| *armed == key)
    }
}

#[test]
fn a_commit_is_decided_told_and_completed() {
    let mut bed = Bed::leading();
    assert_eq!(bed.init(), Ok(PRODUCER));
    assert_eq!(bed.add(false, &[ORDERS]), [ErrorCode::None]);
    assert_eq!(bed.state(), TransactionState::Ongoing);
    assert_eq!(bed.end(true), ErrorCode::None, "the client need not wait for markers");
    assert_eq!(bed.state(), TransactionState::PrepareCommit);
    let (id, to, marker) = bed.marker();
    assert_eq!((to, marker.producer, marker.commit), (NodeId(2), PRODUCER, true));
    assert_eq!((marker.partitions, marker.coordinator_epoch), (vec![ORDERS], 0));
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.state(), TransactionState::CompleteCommit);
}

#[test]
fn a_marker_is_sent_until_it_is_written_and_follows_the_leader() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    bed.end(false);
    let (id, _, _) = bed.marker();
    bed.answer(id, Ok(ErrorCode::NotLeaderOrFollower));
    assert!(bed.is_armed(TimerKey::TxnMarkers) && bed.rig.sent().is_empty());
    let mut change = PartitionChangeRecord::new(ORDERS);
    change.leader = LeaderUpdate::Elected(NodeId(3));
    bed.rig.apply(&[MetadataRecord::PartitionChange(change)]);
    bed.act(|coordinator, cx| coordinator.markers_due(cx));
    let (id, to, marker) = bed.marker();
    assert_eq!((to, marker.commit), (NodeId(3), false));
    // TXN-08: nothing that may pass is final
    let mut id = id;
    for told in [
        Ok(ErrorCode::KafkaStorageError),
        Ok(ErrorCode::NotEnoughReplicas),
        Ok(ErrorCode::RequestTimedOut),
        Err(PeerError::TimedOut),
        Err(PeerError::Disconnected),
    ] {
        bed.answer(id, told);
        assert_eq!(bed.state(), TransactionState::PrepareAbort);
        bed.act(|coordinator, cx| coordinator.markers_due(cx));
        id = bed.marker().0;
    }
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.state(), TransactionState::CompleteAbort);
}

#[test]
fn a_partition_of_a_deleted_topic_needs_no_marker() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    bed.rig.apply(&[MetadataRecord::RemoveTopic { id: ORDERS.topic }]);
    assert_eq!(bed.end(true), ErrorCode::None);
    bed.settle();
    assert_eq!(bed.state(), TransactionState::CompleteCommit);
}

#[test]
fn what_does_not_exist_is_not_added_and_neither_is_the_rest() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    let unknown = TopicPartition::new(ORDERS.topic, 1);
    let refused = [ErrorCode::OperationNotAttempted, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(bed.add(false, &[ORDERS, unknown]), refused);
    assert_eq!(bed.state(), TransactionState::Empty);
}

#[test]
fn leaders_are_told_what_is_part_of_a_transaction() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    assert_eq!(bed.add(true, &[ORDERS]), [ErrorCode::TransactionAbortable]);
    bed.add(false, &[ORDERS]);
    assert_eq!(bed.add(true, &[ORDERS]), [ErrorCode::None]);
    bed.end(true);
    assert_eq!(bed.add(true, &[ORDERS]), [ErrorCode::ConcurrentTransactions]);
    let (id, _, _) = bed.marker();
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.add(true, &[ORDERS]), [ErrorCode::TransactionAbortable]);
}

#[test]
fn a_second_producer_aborts_the_first_ones_transaction() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    assert_eq!(bed.init(), Err(ErrorCode::ConcurrentTransactions));
    let (id, _, marker) = bed.marker();
    assert_eq!((marker.commit, marker.producer.epoch), (false, 1));
    assert_eq!(bed.init(), Err(ErrorCode::ConcurrentTransactions), "markers are on their way");
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.init(), Ok(ProducerIdAndEpoch { epoch: 2, ..PRODUCER }));
    assert_eq!(bed.end(true), ErrorCode::ProducerFenced);
}

#[test]
fn what_takes_too_long_is_aborted() {
    let mut bed = Bed::leading();
    assert!(bed.is_armed(TimerKey::TxnTimeouts));
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    bed.rig.now_ms += 60_000;
    bed.act(|coordinator, cx| coordinator.timeouts_due(cx));
    bed.settle();
    assert_eq!(bed.state(), TransactionState::Ongoing, "to the millisecond");
    bed.rig.now_ms += 1;
    bed.act(|coordinator, cx| coordinator.timeouts_due(cx));
    bed.settle();
    assert_eq!(bed.state(), TransactionState::PrepareAbort);
    let (id, _, marker) = bed.marker();
    assert_eq!((marker.commit, marker.producer.epoch), (false, 1));
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.end(true), ErrorCode::ProducerFenced);
}

#[test]
fn unused_ids_are_forgotten() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.rig.now_ms += 604_800_000;
    bed.act(|coordinator, cx| coordinator.timeouts_due(cx));
    bed.settle();
    assert!(bed.coordinator.find(0, "billing").is_none());
    assert_eq!(bed.end(true), ErrorCode::InvalidProducerIdMapping);
}

#[test]
fn who_does_not_lead_coordinates_nothing_and_late_answers_change_nothing() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    bed.end(true);
    let (id, _, _) = bed.marker();
    let delta = bed.rig.elect(2);
    bed.learn(&delta);
    assert_eq!(bed.end(true), ErrorCode::NotCoordinator);
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.init(), Err(ErrorCode::NotCoordinator));
}

#[test]
fn a_change_that_the_log_does_not_take_has_not_happened() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    let transactions = vec![TxnPartitions {
        transactional_id: "billing".into(),
        producer: PRODUCER,
        verify_only: false,
        partitions: vec![ORDERS],
    }];
    let request = AddPartitionsToTxnRequest { transactions, by_broker: false };
    bed.act(|coordinator, cx| coordinator.add_partitions(cx, CLIENT, request));
    // deposed before the disk has it
    let delta = bed.rig.elect(2);
    bed.learn(&delta);
    bed.settle();
    let replies = bed.rig.replies();
    let Some(Response::AddPartitionsToTxn(answer)) = replies.first() else { panic!("{replies:?}") };
    assert_eq!(answer.transactions[0].partitions, [(ORDERS, ErrorCode::NotCoordinator)]);
}

/// What a coordinator has left behind.
fn left_behind(state: TransactionState) -> Record {
    let values = Values {
        producer: PRODUCER,
        last: NOBODY,
        next_id: None,
        rules: TransactionRules::Added,
        timeout_ms: 60_000,
        state,
        partitions: BTreeSet::from([("orders".into(), 0)]),
        start_ms: 1,
        update_ms: 2,
    };
    let key = codec::encode_key("billing");
    Record::new(Some(key), Some(codec::encode_value(&values, 0)))
}

/// Broker 1 has these records as a follower, and then leads.
fn taken_over(record: Record) -> Bed {
    let (mut bed, records) = taking_over(record);
    bed.load(records);
    bed
}

/// The same before it has read them.
fn taking_over(record: Record) -> (Bed, Records) {
    let mut bed = Bed::new();
    bed.rig.create(2, &[1, 2]);
    let records = numbered(Batch::build(1, &mut [record]), 0, 0);
    let (id, _) = bed.rig.sent_fetch();
    let answer = crate::protocol::FetchPartitionResponse {
        records: records.clone(),
        ..crate::replica::tests::nothing_new(0)
    };
    bed.rig.answer_fetch(id, answer);
    bed.rig.disk();
    let delta = bed.rig.elect(1);
    bed.rig.sent();
    bed.learn(&delta);
    (bed, records)
}

#[test]
fn a_load_that_could_not_read_goes_on_later() {
    let (mut bed, records) = taking_over(left_behind(TransactionState::Ongoing));
    bed.read(DiskResult::Failed(DiskError::Io));
    assert!(bed.is_armed(TimerKey::TxnLoads));
    bed.act(|coordinator, cx| coordinator.timeouts_due(cx));
    assert!(bed.rig.effects.disk.iter().all(|op| owner_of(op.id.0) != Some(Owner::Transactions)));
    bed.rig.now_ms += 1000;
    bed.act(|coordinator, cx| coordinator.retry_loads(cx));
    bed.load(records);
    let asked = TxnPartitions {
        transactional_id: "billing".into(),
        producer: PRODUCER,
        verify_only: true,
        partitions: vec![ORDERS],
    };
    let request = AddPartitionsToTxnRequest { transactions: vec![asked], by_broker: true };
    bed.act(|coordinator, cx| coordinator.add_partitions(cx, CLIENT, request));
    match bed.reply() {
        Response::AddPartitionsToTxn(answer) => {
            assert_eq!(answer.transactions[0].partitions, [(ORDERS, ErrorCode::None)]);
        }
        other => panic!("{other:?}"),
    }
}

impl Bed {
    /// The one read of the coordinator's returns these records, and all replicas have them.
    fn load(&mut self, records: Records) {
        self.read(DiskResult::Read(vec![records]));
        self.replicate();
    }

    fn replicate(&mut self) {
        let end = self.rig.partition().log.log_end_offset();
        self.rig.fetched_by(2, end, 0);
        self.rig.replies();
        self.act(|coordinator, cx| coordinator.resume_loads(cx));
    }

    fn read(&mut self, result: DiskResult) {
        assert_eq!(self.end_at_once(), ErrorCode::CoordinatorLoadInProgress);
        let ops = &mut self.rig.effects.disk;
        let is_load = |id: u64| owner_of(id) == Some(Owner::Transactions);
        let at = ops.iter().position(|op| is_load(op.id.0)).expect("it reads");
        let id = ops.remove(at).id;
        self.act(|coordinator, cx| coordinator.disk_done(cx, id, result));
    }

    /// EndTxn that is refused without the log.
    fn end_at_once(&mut self) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: "billing".into(),
            producer: PRODUCER,
            commit: true,
            rules: TransactionRules::Added,
        };
        self.act(|coordinator, cx| coordinator.end(cx, CLIENT, request, None));
        match self.rig.replies().pop() {
            Some(Response::EndTxn(answer)) => answer.error,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_decided_is_carried_out_by_the_next_coordinator() {
    for (state, commit) in
        [(TransactionState::PrepareCommit, true), (TransactionState::PrepareAbort, false)]
    {
        let mut bed = taken_over(left_behind(state));
        let (_, to, marker) = bed.marker();
        assert_eq!((to, marker.commit, marker.coordinator_epoch), (NodeId(2), commit, 1));
        assert_eq!(bed.end(commit), ErrorCode::ConcurrentTransactions);
    }
}

/// Hunt seed 1011714: the marker was written, and the next leader did not have the decision.
#[test]
fn what_may_be_lost_with_its_leader_is_not_carried_out() {
    let (mut bed, records) = taking_over(left_behind(TransactionState::PrepareAbort));
    bed.read(DiskResult::Read(vec![records]));
    bed.act(|coordinator, cx| coordinator.resume_loads(cx));
    assert!(bed.rig.sent().is_empty());
    assert_eq!(bed.end_at_once(), ErrorCode::CoordinatorLoadInProgress);
    let waits = |coordinator: &TransactionCoordinator| {
        coordinator.logs().any(|log| log.is_stalled && !log.is_loaded)
    };
    assert!(bed.act(|coordinator, _| waits(coordinator)));
    bed.replicate();
    assert!(!bed.act(|coordinator, _| waits(coordinator)));
    assert!(!bed.marker().2.commit);
}

#[test]
fn a_load_that_waits_begins_anew_with_the_next_epoch_and_once() {
    let (mut bed, records) = taking_over(left_behind(TransactionState::Ongoing));
    bed.read(DiskResult::Read(vec![records]));
    bed.act(|coordinator, cx| coordinator.resume_loads(cx));
    let delta = bed.rig.elect(1);
    bed.rig.effects.disk.clear();
    bed.learn(&delta);
    bed.act(|coordinator, cx| coordinator.resume_loads(cx));
    let reads =
        bed.rig.effects.disk.iter().filter(|op| owner_of(op.id.0) == Some(Owner::Transactions));
    assert_eq!(reads.count(), 1);
}

#[test]
fn what_was_open_goes_on_at_the_next_coordinator() {
    let mut bed = taken_over(left_behind(TransactionState::Ongoing));
    assert!(bed.rig.sent().is_empty());
    assert_eq!(bed.add(true, &[ORDERS]), [ErrorCode::None]);
}

#[test]
fn transactions_are_listed_by_pattern() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    let list = |pattern: &str| {
        let request = ListTransactionsRequest {
            states: Vec::new(),
            producer_ids: Vec::new(),
            duration_ms: -1,
            pattern: Some(pattern.into()),
        };
        let answer = bed.coordinator.list(&request, 0);
        (answer.error, answer.transactions.len())
    };
    assert_eq!(list("bill(ing|ed)"), (ErrorCode::None, 1));
    assert_eq!(list("bill"), (ErrorCode::None, 0), "it must match as a whole");
    assert_eq!(list("bill("), (ErrorCode::InvalidRegularExpression, 0));
}

/// `TransactionStateManager.listTransactionStates`: what has not begun counts from before 1970.
#[test]
fn ids_without_a_transaction_are_listed_as_long_ones() {
    let mut bed = Bed::leading();
    bed.init().unwrap();
    let list = |bed: &Bed, duration_ms: i64| {
        let (states, producer_ids) = (Vec::new(), Vec::new());
        let request = ListTransactionsRequest { states, producer_ids, duration_ms, pattern: None };
        bed.coordinator.list(&request, 1_000).transactions.len()
    };
    assert_eq!((list(&bed, 0), list(&bed, 1_000), list(&bed, 1_001)), (1, 1, 0));
    bed.add(false, &[ORDERS]); // at 1 s
    assert_eq!((list(&bed, -1), list(&bed, 0)), (1, 0));
}

#[test]
fn where_epochs_end_a_transaction_waits_for_a_new_producer_id() {
    let last = ProducerIdAndEpoch { epoch: i16::MAX - 1, ..PRODUCER };
    let next = ProducerIdAndEpoch { id: 7000, epoch: 0 };
    let mut bed = Bed::leading();
    bed.init().unwrap();
    bed.add(false, &[ORDERS]);
    bed.coordinator.find(0, "billing").unwrap().values.producer = last;
    let request = EndTxnRequest {
        transactional_id: "billing".into(),
        producer: last,
        commit: true,
        rules: TransactionRules::EpochEach,
    };
    let request = bed.act(|coordinator, cx| coordinator.end(cx, CLIENT, request, None)).unwrap();
    assert!(bed.rig.replies().is_empty(), "it waits");
    let again = request.clone();
    assert!(bed.act(|coordinator, cx| coordinator.end(cx, CLIENT, request, Some(7000))).is_none());
    let ended = |reply| match reply {
        Response::EndTxn(answer) => (answer.error, answer.producer),
        other => panic!("{other:?}"),
    };
    assert_eq!(ended(bed.reply()), (ErrorCode::None, Some(next)));
    let (id, _, marker) = bed.marker();
    assert_eq!((marker.producer.id, marker.producer.epoch), (PRODUCER.id, i16::MAX));
    bed.answer(id, Ok(ErrorCode::None));
    assert_eq!(bed.coordinator.find(0, "billing").unwrap().values.producer, next);
    assert!(bed.act(|coordinator, cx| coordinator.end(cx, CLIENT, again, None)).is_none());
    assert_eq!(ended(bed.reply()), (ErrorCode::None, Some(next)), "a retry");
}

#[test]
fn only_the_first_session_of_an_id_begins_near_the_end_of_epochs() {
    let mut bed = Bed::leading();
    bed.coordinator.limits.first_epoch = i16::MAX - 2;
    let epoch = |bed: &mut Bed| bed.init().map(|of| of.epoch);
    assert_eq!(epoch(&mut bed), Ok(i16::MAX - 2));
    assert_eq!(epoch(&mut bed), Ok(i16::MAX - 1));
    assert_eq!(epoch(&mut bed), Ok(0), "of another producer id");
    assert_eq!(epoch(&mut bed), Ok(1));
}
