//! Transactions: what producers ask, markers between brokers, and what tools ask.

use super::{
    Known, answer, ask, by_topic, frame, partitions, read, text, topic_name, tp, versions,
};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::log::ActiveProducer;
use stormglass_broker_core::protocol as ours;
use stormglass_broker_core::protocol::{
    CoordinatorKind, ProducerIdAndEpoch, Request, Response, TransactionState,
};

const ID: &str = "billing-1";
const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 4000, epoch: 7 };

fn id() -> theirs::TransactionalId {
    theirs::TransactionalId(text(ID))
}

fn outcomes(tps: &[TopicPartition], error: ErrorCode) -> Vec<(TopicPartition, ErrorCode)> {
    tps.iter().map(|tp| (*tp, error)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn partitions_are_added_in_every_version(parts in partitions(Just(())), verify in any::<bool>()) {
        use theirs::add_partitions_to_txn_request::{
            AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
        };
        for version in versions(ApiKey::AddPartitionsToTxn) {
            let topics = by_topic(&parts, |index, ()| index, |topic, list| {
                AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(list)
            });
            let several = version >= 4;
            let verify_only = several && verify;
            let body = if several {
                let one = AddPartitionsToTxnTransaction::default()
                    .with_transactional_id(id())
                    .with_producer_id(PRODUCER.id.into())
                    .with_producer_epoch(PRODUCER.epoch)
                    .with_verify_only(verify_only)
                    .with_topics(topics);
                theirs::AddPartitionsToTxnRequest::default().with_transactions(vec![one.clone(), one])
            } else {
                theirs::AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(id())
                    .with_v3_and_below_producer_id(PRODUCER.id.into())
                    .with_v3_and_below_producer_epoch(PRODUCER.epoch)
                    .with_v3_and_below_topics(topics)
            };
            let (request, call) = ask(ApiKey::AddPartitionsToTxn, version, &body);
            let tps: Vec<_> = parts.iter().map(|(tp, ())| *tp).collect();
            let one = ours::TxnPartitions {
                transactional_id: ID.into(),
                producer: PRODUCER,
                verify_only,
                partitions: tps.clone(),
            };
            let transactions = if several { vec![one.clone(), one] } else { vec![one] };
            let expected = ours::AddPartitionsToTxnRequest { transactions, by_broker: several };
            prop_assert_eq!(request, Request::AddPartitionsToTxn(expected));

            for (error, told) in [
                (ErrorCode::None, 0),
                (ErrorCode::ProducerFenced, if version >= 2 { 90 } else { 47 }),
                (ErrorCode::TransactionAbortable, if version >= 5 { 120 } else { 48 }),
            ] {
                let result = ours::TxnPartitionsResult {
                    transactional_id: ID.into(),
                    partitions: outcomes(&tps, error),
                };
                let response = ours::AddPartitionsToTxnResponse { transactions: vec![result] };
                let read: theirs::AddPartitionsToTxnResponse =
                    answer(&call, &Response::AddPartitionsToTxn(response));
                let topics = if several {
                    &read.results_by_transaction[0].topic_results
                } else {
                    &read.results_by_topic_v3_and_below
                };
                prop_assert_eq!(topics[0].results_by_partition[0].partition_error_code, told);
            }
        }
    }

    #[test]
    fn positions_in_every_version(parts in partitions((0..i64::MAX, 0..9_i32))) {
        use theirs::txn_offset_commit_request::{
            TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
        };
        for version in versions(ApiKey::TxnOffsetCommit) {
            let partition = |index, (offset, epoch): &(i64, i32)| {
                let at = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(*offset)
                    .with_committed_metadata(Some(text("why")));
                if version >= 2 { at.with_committed_leader_epoch(*epoch) } else { at }
            };
            let topics = by_topic(&parts, partition, |topic, list| {
                TxnOffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(list)
            });
            let body = theirs::TxnOffsetCommitRequest::default()
                .with_transactional_id(id())
                .with_group_id(theirs::GroupId(text("group")))
                .with_producer_id(PRODUCER.id.into())
                .with_producer_epoch(PRODUCER.epoch)
                .with_topics(topics);
            let named = version >= 3;
            let body = if named {
                body.with_generation_id(5).with_member_id(text("a-1")).with_group_instance_id(Some(text("a")))
            } else {
                body
            };
            let (request, call) = ask(ApiKey::TxnOffsetCommit, version, &body);
            let position = |(tp, (offset, epoch)): &(TopicPartition, (i64, i32))| {
                let leader_epoch = if version >= 2 { *epoch } else { -1 };
                ours::CommittedOffset { tp: *tp, offset: *offset, leader_epoch, metadata: Some("why".into()) }
            };
            let expected = ours::TxnOffsetCommitRequest {
                transactional_id: ID.into(),
                rules: rules(version >= 5),
                producer: PRODUCER,
                group: "group".into(),
                generation: if named { 5 } else { -1 },
                member: if named { "a-1" } else { "" }.into(),
                instance: named.then(|| "a".into()),
                offsets: parts.iter().map(position).collect(),
            };
            prop_assert_eq!(request, Request::TxnOffsetCommit(Box::new(expected)));

            let tps: Vec<_> = parts.iter().map(|(tp, _)| *tp).collect();
            for (error, told) in [
                (ErrorCode::TransactionAbortable, if version >= 4 { 120 } else { 48 }),
                (ErrorCode::CoordinatorLoadInProgress, if version >= 2 { 14 } else { 15 }),
            ] {
                let response =
                    ours::TxnOffsetCommitResponse { partitions: outcomes(&tps, error) };
                let read: theirs::TxnOffsetCommitResponse =
                    answer(&call, &Response::TxnOffsetCommit(response));
                prop_assert_eq!(read.topics[0].partitions[0].error_code, told);
            }
        }
    }

    #[test]
    fn markers(parts in partitions(Just(())), commit in any::<bool>()) {
        use theirs::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
        let topics = by_topic(&parts, |index, ()| index, |topic, list| {
            WritableTxnMarkerTopic::default().with_name(topic_name(topic)).with_partition_indexes(list)
        });
        let marker = WritableTxnMarker::default()
            .with_producer_id(PRODUCER.id.into())
            .with_producer_epoch(PRODUCER.epoch)
            .with_transaction_result(commit)
            .with_coordinator_epoch(11)
            .with_topics(topics);
        let body = theirs::WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let (request, call) = ask(ApiKey::WriteTxnMarkers, 1, &body);
        let tps: Vec<_> = parts.iter().map(|(tp, ())| *tp).collect();
        let marker = ours::TxnMarker {
            producer: PRODUCER,
            commit,
            coordinator_epoch: 11,
            rules: ours::TransactionRules::Added,
            partitions: tps.clone(),
        };
        let expected = ours::WriteTxnMarkersRequest { markers: vec![marker] };
        prop_assert_eq!(request, Request::WriteTxnMarkers(expected));
        let markers = vec![(PRODUCER.id, outcomes(&tps, ErrorCode::NotEnoughReplicas))];
        let response = Response::WriteTxnMarkers(ours::WriteTxnMarkersResponse { markers });
        let read: theirs::WriteTxnMarkersResponse = answer(&call, &response);
        prop_assert_eq!(read.markers[0].topics[0].partitions[0].error_code, 19);
    }
}

fn rules(epoch_each: bool) -> ours::TransactionRules {
    match epoch_each {
        true => ours::TransactionRules::EpochEach,
        false => ours::TransactionRules::Added,
    }
}

#[test]
fn ends_in_every_version() {
    for version in versions(ApiKey::EndTxn) {
        let body = theirs::EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(PRODUCER.id.into())
            .with_producer_epoch(PRODUCER.epoch)
            .with_committed(true);
        let (request, call) = ask(ApiKey::EndTxn, version, &body);
        let expected = ours::EndTxnRequest {
            transactional_id: ID.into(),
            producer: PRODUCER,
            commit: true,
            rules: rules(version >= 5),
        };
        assert_eq!(request, Request::EndTxn(expected));
        let refused = ours::EndTxnResponse::refused(ErrorCode::ProducerFenced);
        let read: theirs::EndTxnResponse = answer(&call, &Response::EndTxn(refused));
        assert_eq!(read.error_code, if version >= 2 { 90 } else { 47 });
        assert_eq!((read.producer_id.0, read.producer_epoch), (-1, -1));
        let ended = ours::EndTxnResponse { error: ErrorCode::None, producer: Some(PRODUCER) };
        let read: theirs::EndTxnResponse = answer(&call, &Response::EndTxn(ended));
        let next = if version >= 5 { (PRODUCER.id, PRODUCER.epoch) } else { (-1, -1) };
        assert_eq!((read.error_code, read.producer_id.0, read.producer_epoch), (0, next.0, next.1));
    }
}

#[test]
fn groups_are_added_in_every_version() {
    for version in versions(ApiKey::AddOffsetsToTxn) {
        let body = theirs::AddOffsetsToTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(PRODUCER.id.into())
            .with_producer_epoch(PRODUCER.epoch)
            .with_group_id(theirs::GroupId(text("group")));
        let (request, call) = ask(ApiKey::AddOffsetsToTxn, version, &body);
        let expected = ours::AddOffsetsToTxnRequest {
            transactional_id: ID.into(),
            producer: PRODUCER,
            group: "group".into(),
        };
        assert_eq!(request, Request::AddOffsetsToTxn(Box::new(expected)));
        let error = ErrorCode::ConcurrentTransactions;
        let response = Response::AddOffsetsToTxn(ours::AddOffsetsToTxnResponse { error });
        let read: theirs::AddOffsetsToTxnResponse = answer(&call, &response);
        assert_eq!(read.error_code, 51);
    }
}

#[test]
fn sessions_in_every_version() {
    for version in versions(ApiKey::InitProducerId) {
        let body = theirs::InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(60_000);
        let (request, call) = ask(ApiKey::InitProducerId, version, &body);
        let transactional = ours::TransactionalId { id: ID.into(), timeout_ms: 60_000 };
        let expected = ours::InitProducerIdRequest {
            transactional: Some(Box::new(transactional)),
            producer_id: -1,
            producer_epoch: -1,
        };
        assert_eq!(request, Request::InitProducerId(expected));
        let response = ours::InitProducerIdResponse {
            error: ErrorCode::ProducerFenced,
            producer_id: -1,
            producer_epoch: -1,
        };
        let read: theirs::InitProducerIdResponse =
            answer(&call, &Response::InitProducerId(response));
        assert_eq!(read.error_code, if version >= 4 { 90 } else { 47 });
    }
}

#[test]
fn coordinators_of_transactions() {
    let body = theirs::FindCoordinatorRequest::default().with_key(text(ID)).with_key_type(1);
    for version in 1..=3 {
        let (request, _) = ask(ApiKey::FindCoordinator, version, &body);
        let kind = CoordinatorKind::Transaction;
        let expected = ours::FindCoordinatorRequest { kind, keys: vec![ID.into()] };
        assert_eq!(request, Request::FindCoordinator(expected));
    }
    let body = theirs::FindCoordinatorRequest::default()
        .with_coordinator_keys(vec![text(ID)])
        .with_key_type(9);
    let answer = match decode_request(frame(ApiKey::FindCoordinator, 6, &body), &Known) {
        Ok(Decoded::Answer(answer)) => answer.to_bytes(),
        other => panic!("{other:?}"),
    };
    let answer: theirs::FindCoordinatorResponse = read(answer, 6);
    assert_eq!(answer.coordinators[0].error_code, 42);
}

#[test]
fn producers_of_partitions() {
    use theirs::describe_producers_request::TopicRequest;
    let topic = TopicRequest::default().with_name(topic_name(2)).with_partition_indexes(vec![3, 4]);
    let body = theirs::DescribeProducersRequest::default().with_topics(vec![topic]);
    let (request, call) = ask(ApiKey::DescribeProducers, 0, &body);
    let partitions = vec![tp(2, 3), tp(2, 4)];
    let expected = ours::DescribeProducersRequest { partitions };
    assert_eq!(request, Request::DescribeProducers(expected));
    let producer = ActiveProducer {
        id: 4000,
        epoch: 7,
        last_sequence: 99,
        last_timestamp: 1_700_000_000_000,
        coordinator_epoch: 3,
        open_transaction: 1234,
    };
    let partitions =
        vec![(tp(2, 3), Ok(vec![producer])), (tp(2, 4), Err(ErrorCode::NotLeaderOrFollower))];
    let response = Response::DescribeProducers(ours::DescribeProducersResponse { partitions });
    let read: theirs::DescribeProducersResponse = answer(&call, &response);
    let [first, second] = &read.topics[0].partitions[..] else { panic!("{read:?}") };
    let active = &first.active_producers[0];
    assert_eq!((active.producer_epoch, active.last_sequence), (7, 99));
    assert_eq!((active.coordinator_epoch, active.current_txn_start_offset), (3, 1234));
    assert_eq!(second.error_code, 6);
}

#[test]
fn transactions_are_described_and_listed() {
    let body = theirs::DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let (request, call) = ask(ApiKey::DescribeTransactions, 0, &body);
    let expected = ours::DescribeTransactionsRequest { transactional_ids: vec![ID.into()] };
    assert_eq!(request, Request::DescribeTransactions(expected));
    let described = ours::DescribedTransaction {
        state: TransactionState::PrepareCommit,
        timeout_ms: 60_000,
        start_ms: 1_700_000_000_000,
        producer: PRODUCER,
        partitions: vec![("orders".into(), vec![0, 3])],
    };
    let transactions =
        vec![(ID.into(), Ok(described)), ("other".into(), Err(ErrorCode::TransactionalIdNotFound))];
    let response = ours::DescribeTransactionsResponse { transactions };
    let read: theirs::DescribeTransactionsResponse =
        answer(&call, &Response::DescribeTransactions(response));
    let [first, second] = &read.transaction_states[..] else { panic!("{read:?}") };
    assert_eq!(first.transaction_state.as_str(), "PrepareCommit");
    assert_eq!(first.topics[0].partitions, [0, 3]);
    assert_eq!(second.error_code, 105);

    for version in versions(ApiKey::ListTransactions) {
        let body = theirs::ListTransactionsRequest::default()
            .with_state_filters(vec![text("Ongoing"), text("Sleeping")])
            .with_producer_id_filters(vec![4000.into()]);
        let body = if version >= 1 { body.with_duration_filter(5) } else { body };
        let body = match version {
            2.. => body.with_transactional_id_pattern(Some(text("b.*"))),
            _ => body,
        };
        let (request, call) = ask(ApiKey::ListTransactions, version, &body);
        let expected = ours::ListTransactionsRequest {
            states: vec!["Ongoing".into(), "Sleeping".into()],
            producer_ids: vec![4000],
            duration_ms: if version >= 1 { 5 } else { -1 },
            pattern: (version >= 2).then(|| "b.*".into()),
        };
        assert_eq!(request, Request::ListTransactions(Box::new(expected)));
        let response = ours::ListTransactionsResponse {
            error: ErrorCode::None,
            unknown_states: vec!["Sleeping".into()],
            transactions: vec![(ID.into(), 4000, TransactionState::Ongoing)],
        };
        let response = Response::ListTransactions(Box::new(response));
        let read: theirs::ListTransactionsResponse = answer(&call, &response);
        assert_eq!(read.unknown_state_filters, vec![text("Sleeping")]);
        assert_eq!(read.transaction_states[0].transaction_state.as_str(), "Ongoing");
    }
}
