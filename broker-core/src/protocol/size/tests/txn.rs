//! Transactions.

use super::{TOPIC, check_request, check_response, text, topic, tp};
use crate::error::ErrorCode;
use crate::log::ActiveProducer;
use crate::protocol as ours;
use crate::protocol::{ProducerIdAndEpoch, Request, Response, TransactionState};
use crate::records::{Batch, Record, Records};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use std::sync::Arc;

const ID: &str = "billing-1";
const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 1, epoch: 2 };

fn id() -> theirs::TransactionalId {
    theirs::TransactionalId(text(ID))
}

fn outcomes() -> Vec<(crate::ids::TopicPartition, ErrorCode)> {
    (0..3).map(|index| (tp(1, index), ErrorCode::None)).collect()
}

#[test]
fn sessions_and_ends() {
    let transactional = ours::TransactionalId { id: ID.into(), timeout_ms: 1 };
    let request = ours::InitProducerIdRequest {
        transactional: Some(Box::new(transactional)),
        producer_id: -1,
        producer_epoch: -1,
    };
    let body = theirs::InitProducerIdRequest::default().with_transactional_id(Some(id()));
    check_request(Request::InitProducerId(request), body, 5);

    let request = ours::EndTxnRequest {
        transactional_id: ID.into(),
        producer: PRODUCER,
        commit: true,
        rules: ours::TransactionRules::Added,
    };
    let body = theirs::EndTxnRequest::default().with_transactional_id(id());
    check_request(Request::EndTxn(request), body, 4);
    for (producer, version) in [(None, 4), (Some(PRODUCER), 5)] {
        let response = ours::EndTxnResponse { error: ErrorCode::None, producer };
        check_response(Response::EndTxn(response), theirs::EndTxnResponse::default(), version);
    }

    let request = ours::AddOffsetsToTxnRequest {
        transactional_id: ID.into(),
        producer: PRODUCER,
        group: "group".into(),
    };
    let body = theirs::AddOffsetsToTxnRequest::default()
        .with_transactional_id(id())
        .with_group_id(theirs::GroupId(text("group")));
    check_request(Request::AddOffsetsToTxn(Box::new(request)), body, 4);
    let response = ours::AddOffsetsToTxnResponse { error: ErrorCode::None };
    let body = theirs::AddOffsetsToTxnResponse::default();
    check_response(Response::AddOffsetsToTxn(response), body, 4);
}

#[test]
fn produce_within_a_transaction() {
    use theirs::produce_request::{PartitionProduceData, TopicProduceData};
    let record = Record::new(None, Some(Bytes::from_static(b"value")));
    let records = Records::single(Arc::new(Batch::build(0, &mut [record])));
    let mut bytes = BytesMut::new();
    records.encode(&mut bytes);
    let data = PartitionProduceData::default().with_records(Some(bytes.freeze()));
    let data = TopicProduceData::default().with_name(topic()).with_partition_data(vec![data]);
    let body = theirs::ProduceRequest::default()
        .with_transactional_id(Some(id()))
        .with_topic_data(vec![data]);
    let partitions = vec![ours::ProducePartition { tp: tp(1, 0), records }];
    let produce = ours::ProduceRequest { acks: ours::Acks::All, timeout_ms: 1, partitions };
    let rules = ours::TransactionRules::Added;
    let request = ours::TransactionalProduceRequest { transactional_id: ID.into(), rules, produce };
    check_request(Request::TransactionalProduce(Box::new(request)), body, 11);
}

#[test]
fn partitions_of_transactions() {
    use theirs::add_partitions_to_txn_request::{
        AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
    };
    use theirs::add_partitions_to_txn_response::{
        AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
    };
    let one = ours::TxnPartitions {
        transactional_id: ID.into(),
        producer: PRODUCER,
        verify_only: true,
        partitions: vec![tp(1, 0), tp(1, 1)],
    };
    let transactions = vec![one.clone(), one];
    let request = ours::AddPartitionsToTxnRequest { transactions, by_broker: true };
    let topics = AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![0, 1]);
    let one = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(id())
        .with_topics(vec![topics]);
    let body = theirs::AddPartitionsToTxnRequest::default().with_transactions(vec![one; 2]);
    check_request(Request::AddPartitionsToTxn(request), body, 5);

    let one = ours::TxnPartitionsResult { transactional_id: ID.into(), partitions: outcomes() };
    let response = ours::AddPartitionsToTxnResponse { transactions: vec![one] };
    let topics = AddPartitionsToTxnTopicResult::default()
        .with_name(topic())
        .with_results_by_partition(vec![AddPartitionsToTxnPartitionResult::default(); 3]);
    let one = AddPartitionsToTxnResult::default()
        .with_transactional_id(id())
        .with_topic_results(vec![topics]);
    let body = theirs::AddPartitionsToTxnResponse::default().with_results_by_transaction(vec![one]);
    check_response(Response::AddPartitionsToTxn(response), body, 5);
}

#[test]
fn markers() {
    use theirs::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
    use theirs::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };
    let marker = ours::TxnMarker {
        producer: PRODUCER,
        commit: true,
        coordinator_epoch: 3,
        rules: ours::TransactionRules::Added,
        partitions: vec![tp(1, 0), tp(1, 1)],
    };
    let request = ours::WriteTxnMarkersRequest { markers: vec![marker] };
    let topics =
        WritableTxnMarkerTopic::default().with_name(topic()).with_partition_indexes(vec![0, 1]);
    let marker = WritableTxnMarker::default().with_topics(vec![topics]);
    let body = theirs::WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    check_request(Request::WriteTxnMarkers(request), body, 1);

    let response = ours::WriteTxnMarkersResponse { markers: vec![(1, outcomes())] };
    let topics = WritableTxnMarkerTopicResult::default()
        .with_name(topic())
        .with_partitions(vec![WritableTxnMarkerPartitionResult::default(); 3]);
    let marker = WritableTxnMarkerResult::default().with_topics(vec![topics]);
    let body = theirs::WriteTxnMarkersResponse::default().with_markers(vec![marker]);
    check_response(Response::WriteTxnMarkers(response), body, 1);
}

#[test]
fn positions_within_a_transaction() {
    use theirs::txn_offset_commit_request::{
        TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    };
    use theirs::txn_offset_commit_response::{
        TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
    };
    let position = ours::CommittedOffset {
        tp: tp(1, 0),
        offset: 5,
        leader_epoch: 1,
        metadata: Some("why".into()),
    };
    let request = ours::TxnOffsetCommitRequest {
        transactional_id: ID.into(),
        rules: ours::TransactionRules::Added,
        producer: PRODUCER,
        group: "group".into(),
        generation: 1,
        member: "member".into(),
        instance: None,
        offsets: vec![position],
    };
    let partition =
        TxnOffsetCommitRequestPartition::default().with_committed_metadata(Some(text("why")));
    let topics =
        TxnOffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition]);
    let body = theirs::TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(theirs::GroupId(text("group")))
        .with_member_id(text("member"))
        .with_topics(vec![topics]);
    check_request(Request::TxnOffsetCommit(Box::new(request)), body, 4);

    let response = ours::TxnOffsetCommitResponse { partitions: outcomes() };
    let topics = TxnOffsetCommitResponseTopic::default()
        .with_name(topic())
        .with_partitions(vec![TxnOffsetCommitResponsePartition::default(); 3]);
    let body = theirs::TxnOffsetCommitResponse::default().with_topics(vec![topics]);
    check_response(Response::TxnOffsetCommit(response), body, 4);
}

#[test]
fn what_tools_ask() {
    use theirs::describe_producers_request::TopicRequest;
    use theirs::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
    use theirs::{
        describe_transactions_response as described, list_transactions_response as listed,
    };
    let request = ours::DescribeProducersRequest { partitions: vec![tp(1, 0), tp(1, 1)] };
    let topics = TopicRequest::default().with_name(topic()).with_partition_indexes(vec![0, 1]);
    let body = theirs::DescribeProducersRequest::default().with_topics(vec![topics]);
    check_request(Request::DescribeProducers(request), body, 0);
    let producer = ActiveProducer {
        id: 1,
        epoch: 2,
        last_sequence: 3,
        last_timestamp: 4,
        coordinator_epoch: 5,
        open_transaction: 6,
    };
    let partitions = vec![(tp(1, 0), Ok(vec![producer; 2]))];
    let response = ours::DescribeProducersResponse { partitions };
    let partition = PartitionResponse::default()
        .with_error_message(None)
        .with_active_producers(vec![ProducerState::default(); 2]);
    let topics = TopicResponse::default().with_name(topic()).with_partitions(vec![partition]);
    let body = theirs::DescribeProducersResponse::default().with_topics(vec![topics]);
    check_response(Response::DescribeProducers(response), body, 0);

    let request = ours::DescribeTransactionsRequest { transactional_ids: vec![ID.into()] };
    let body = theirs::DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    check_request(Request::DescribeTransactions(request), body, 0);
    let transaction = ours::DescribedTransaction {
        state: TransactionState::PrepareAbort,
        timeout_ms: 1,
        start_ms: 2,
        producer: PRODUCER,
        partitions: vec![(TOPIC.into(), vec![0, 1])],
    };
    let transactions = vec![(ID.into(), Ok(transaction))];
    let response = ours::DescribeTransactionsResponse { transactions };
    let topics = described::TopicData::default().with_topic(topic()).with_partitions(vec![0, 1]);
    let state = described::TransactionState::default()
        .with_transactional_id(id())
        .with_transaction_state(text("PrepareAbort"))
        .with_topics(vec![topics]);
    let body = theirs::DescribeTransactionsResponse::default().with_transaction_states(vec![state]);
    check_response(Response::DescribeTransactions(response), body, 0);

    let request = ours::ListTransactionsRequest {
        states: vec!["Ongoing".into()],
        producer_ids: vec![1, 2],
        duration_ms: -1,
        pattern: Some("b.*".into()),
    };
    let body = theirs::ListTransactionsRequest::default()
        .with_transactional_id_pattern(Some(text("b.*")))
        .with_state_filters(vec![text("Ongoing")])
        .with_producer_id_filters(vec![1.into(), 2.into()]);
    check_request(Request::ListTransactions(Box::new(request)), body, 2);
    let response = ours::ListTransactionsResponse {
        error: ErrorCode::None,
        unknown_states: vec!["Sleeping".into()],
        transactions: vec![(ID.into(), 1, TransactionState::Ongoing)],
    };
    let state = listed::TransactionState::default()
        .with_transactional_id(id())
        .with_transaction_state(text("Ongoing"));
    let body = theirs::ListTransactionsResponse::default()
        .with_unknown_state_filters(vec![text("Sleeping")])
        .with_transaction_states(vec![state]);
    check_response(Response::ListTransactions(Box::new(response)), body, 1);
}
