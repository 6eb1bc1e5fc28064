//! Produce, Fetch, Metadata, and offsets by time and epoch.

use super::{CLUSTER_ID, HOST, TOPIC, check_request, check_response, ids, text, topic, tp};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol as ours;
use crate::protocol::{Acks, IsolationLevel, LeaderAndEpoch, OffsetSpec, Request, Response};
use crate::records::{Batch, Record, Records};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use std::sync::Arc;

fn records(value_bytes: usize) -> Records {
    let value = Bytes::from(vec![0; value_bytes]);
    Records::single(Arc::new(Batch::build(5, &mut [Record::new(None, Some(value))])))
}

fn encoded(records: &Records) -> Option<Bytes> {
    let mut out = BytesMut::new();
    records.encode(&mut out);
    Some(out.freeze())
}

#[test]
fn produce() {
    for value_bytes in [0, 40, 100, 3000, 20_000, 2_200_000] {
        let records = records(value_bytes);
        let partition = |index| ours::ProducePartition { tp: index, records: records.clone() };
        let request = ours::ProduceRequest {
            acks: Acks::All,
            timeout_ms: 30_000,
            partitions: vec![partition(tp(1, 0)), partition(tp(1, 1)), partition(tp(2, 0))],
        };
        let theirs_partition = |index| {
            theirs::produce_request::PartitionProduceData::default()
                .with_index(index)
                .with_records(encoded(&records))
        };
        let topic = |count| {
            theirs::produce_request::TopicProduceData::default()
                .with_name(topic())
                .with_partition_data((0..count).map(theirs_partition).collect())
        };
        let body = theirs::ProduceRequest::default().with_topic_data(vec![topic(2), topic(1)]);
        check_request(Request::Produce(request), body, 11);
    }
}

#[test]
fn produce_response() {
    let leader = |id| Some(LeaderAndEpoch { leader: NodeId(id), epoch: 4 });
    let partition = |index, current_leader| ours::ProducePartitionResponse {
        tp: tp(1, index),
        error: ErrorCode::None,
        base_offset: 7,
        log_append_time_ms: -1,
        log_start_offset: 0,
        current_leader,
        invalid: None,
    };
    let theirs_partition = |index, leader: Option<i32>| {
        let moved = theirs::produce_response::LeaderIdAndEpoch::default()
            .with_leader_id(leader.unwrap_or(-1).into())
            .with_leader_epoch(if leader.is_some() { 4 } else { -1 });
        theirs::produce_response::PartitionProduceResponse::default()
            .with_index(index)
            .with_current_leader(moved)
    };
    for moved in [None, Some(2)] {
        let partitions = (0..3).map(|index| partition(index, moved.and_then(leader))).collect();
        let response = ours::ProduceResponse { partitions, throttle_ms: 0 };
        let topic = theirs::produce_response::TopicProduceResponse::default()
            .with_name(topic())
            .with_partition_responses((0..3).map(|index| theirs_partition(index, moved)).collect());
        let endpoint = theirs::produce_response::NodeEndpoint::default().with_host(text(HOST));
        let body = theirs::ProduceResponse::default()
            .with_responses(vec![topic])
            .with_node_endpoints(moved.map(|_| endpoint).into_iter().collect());
        check_response(Response::Produce(response), body, 11);
    }
}

#[test]
fn produce_response_with_invalid_records() {
    use theirs::produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse};
    let told = ours::InvalidRecords {
        message: "no".into(),
        records: (0..200).map(|index| (index, "too old".into())).collect(),
    };
    let partition = ours::ProducePartitionResponse {
        invalid: Some(Arc::new(told)),
        ..ours::ProducePartitionResponse::refused(tp(1, 0), ErrorCode::InvalidTimestamp)
    };
    let response = ours::ProduceResponse { partitions: vec![partition], throttle_ms: 0 };
    let record =
        BatchIndexAndErrorMessage::default().with_batch_index_error_message(Some(text("too old")));
    let theirs_partition = PartitionProduceResponse::default()
        .with_record_errors(vec![record; 200])
        .with_error_message(Some(text("no")));
    let topic = theirs::produce_response::TopicProduceResponse::default()
        .with_name(topic())
        .with_partition_responses(vec![theirs_partition]);
    let body = theirs::ProduceResponse::default().with_responses(vec![topic]);
    check_response(Response::Produce(response), body, 11);
}

#[test]
fn fetch() {
    use theirs::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
    for (replica, partitions, forgotten) in [(None, 1, 0), (Some(3), 0, 0), (Some(3), 200, 2)] {
        let request = ours::FetchRequest {
            replica: replica.map(|id| ours::ReplicaState { id: NodeId(id), epoch: 9 }),
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: -1,
            partitions: (0..partitions)
                .map(|index| ours::FetchPartition {
                    tp: tp(1, index),
                    current_leader_epoch: 1,
                    fetch_offset: 2,
                    last_fetched_epoch: 1,
                    log_start_offset: 0,
                    max_bytes: 1 << 20,
                })
                .collect(),
            forgotten: (0..forgotten).map(|index| tp(2, index)).collect(),
            rack: Some(Arc::from("use1-az1")),
        };
        let topic = FetchTopic::default().with_partitions(
            (0..partitions).map(|i| FetchPartition::default().with_partition(i)).collect(),
        );
        let gone = ForgottenTopic::default().with_partitions((0..forgotten).collect());
        let state = ReplicaState::default()
            .with_replica_id(replica.unwrap_or(-1).into())
            .with_replica_epoch(if replica.is_some() { 9 } else { -1 });
        let body = theirs::FetchRequest::default()
            .with_replica_state(state)
            .with_topics(if partitions == 0 { vec![] } else { vec![topic] })
            .with_forgotten_topics_data(if forgotten == 0 { vec![] } else { vec![gone] })
            .with_rack_id(text("use1-az1"));
        check_request(Request::Fetch(Box::new(request)), body, 17);
    }
}

#[test]
fn fetch_response() {
    use theirs::fetch_response::{
        EpochEndOffset, FetchableTopicResponse, PartitionData, SnapshotId,
    };
    for (value_bytes, special) in [(0, false), (100, true), (50_000, false)] {
        let records = if value_bytes == 0 { Records::default() } else { records(value_bytes) };
        let partition = ours::FetchPartitionResponse {
            tp: tp(1, 0),
            error: ErrorCode::None,
            high_watermark: 5,
            last_stable_offset: 5,
            log_start_offset: 0,
            diverging_epoch: special.then_some(ours::EpochEndOffset { epoch: 1, end_offset: 2 }),
            snapshot_id: special.then_some(ours::SnapshotId { epoch: 1, end_offset: 2 }),
            current_leader: None,
            preferred_read_replica: None,
            aborted: None,
            records: records.clone(),
        };
        let response = ours::FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id: 8,
            partitions: vec![partition],
        };
        let mut data = PartitionData::default().with_records(encoded(&records));
        if special {
            data = data
                .with_diverging_epoch(EpochEndOffset::default().with_epoch(1).with_end_offset(2))
                .with_snapshot_id(SnapshotId::default().with_epoch(1).with_end_offset(2));
        }
        data = data.with_aborted_transactions(None);
        let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
        let body = theirs::FetchResponse::default().with_responses(vec![topic]);
        check_response(Response::Fetch(response), body, 17);
    }
}

#[test]
fn metadata() {
    use theirs::metadata_request::MetadataRequestTopic;
    use theirs::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    let all = ours::MetadataRequest { topics: None, allow_auto_topic_creation: false };
    check_request(Request::Metadata(all), theirs::MetadataRequest::default().with_topics(None), 12);
    let one = ours::MetadataRequest {
        topics: Some(vec![Arc::from(TOPIC)]),
        allow_auto_topic_creation: false,
    };
    let name = MetadataRequestTopic::default().with_name(Some(topic()));
    let body = theirs::MetadataRequest::default().with_topics(Some(vec![name]));
    check_request(Request::Metadata(one), body, 12);

    let nodes = vec![NodeId(1), NodeId(2), NodeId(3)];
    let partition = ours::MetadataPartition {
        error: ErrorCode::None,
        leader: Some(NodeId(1)),
        leader_epoch: 4,
        replicas: nodes.clone(),
        isr: nodes[..2].to_vec(),
    };
    let response = ours::MetadataResponse {
        brokers: vec![(NodeId(1), Some(Arc::from("use1-az1"))), (NodeId(2), None)],
        controller: Some(NodeId(1)),
        topics: vec![ours::MetadataTopic {
            error: ErrorCode::None,
            name: Arc::from(TOPIC),
            id: TopicId(1),
            partitions: vec![partition; 130],
        }],
    };
    let partition =
        MetadataResponsePartition::default().with_replica_nodes(ids(3)).with_isr_nodes(ids(2));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic()))
        .with_partitions(vec![partition; 130]);
    let broker = MetadataResponseBroker::default().with_host(text(HOST));
    let body = theirs::MetadataResponse::default()
        .with_brokers(vec![broker.clone().with_rack(Some(text("use1-az1"))), broker])
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_topics(vec![topic]);
    check_response(Response::Metadata(Box::new(response)), body, 12);
}

#[test]
fn offsets_by_time_and_epoch() {
    use theirs::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use theirs::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let request = ours::ListOffsetsRequest {
        isolation: IsolationLevel::ReadUncommitted,
        partitions: vec![(tp(1, 0), 1, OffsetSpec::Latest), (tp(1, 1), 1, OffsetSpec::Earliest)],
    };
    let topic_of_two = ListOffsetsTopic::default()
        .with_name(topic())
        .with_partitions(vec![ListOffsetsPartition::default(); 2]);
    let body = theirs::ListOffsetsRequest::default().with_topics(vec![topic_of_two]);
    check_request(Request::ListOffsets(request), body, 9);
    let request = ours::OffsetForLeaderEpochRequest { partitions: vec![(tp(1, 0), 3, 2)] };
    let topic_of_one = OffsetForLeaderTopic::default()
        .with_topic(topic())
        .with_partitions(vec![OffsetForLeaderPartition::default()]);
    let body = theirs::OffsetForLeaderEpochRequest::default().with_topics(vec![topic_of_one]);
    check_request(Request::OffsetForLeaderEpoch(request), body, 4);

    use theirs::list_offsets_response as list;
    let answer = ours::ListOffsetsPartitionResponse {
        tp: tp(1, 0),
        error: ErrorCode::None,
        timestamp: 4,
        offset: 5,
        leader_epoch: 1,
    };
    let response = ours::ListOffsetsResponse { partitions: vec![answer; 2] };
    let topic_of_two = list::ListOffsetsTopicResponse::default()
        .with_name(topic())
        .with_partitions(vec![list::ListOffsetsPartitionResponse::default(); 2]);
    let body = theirs::ListOffsetsResponse::default().with_topics(vec![topic_of_two]);
    check_response(Response::ListOffsets(response), body, 9);
    use theirs::offset_for_leader_epoch_response as epoch;
    let end = ours::EpochEndOffset { epoch: 1, end_offset: 2 };
    let partitions = vec![(tp(1, 0), ErrorCode::None, end)];
    let topic_of_one = epoch::OffsetForLeaderTopicResult::default()
        .with_topic(topic())
        .with_partitions(vec![epoch::EpochEndOffset::default()]);
    let body = theirs::OffsetForLeaderEpochResponse::default().with_topics(vec![topic_of_one]);
    let response = ours::OffsetForLeaderEpochResponse { partitions };
    check_response(Response::OffsetForLeaderEpoch(response), body, 4);
}
