//! What a client sends is what the broker's half reads, and the other way round. The broker's half
//! is tested against an independent codec, so both halves are.

use super::{decode_response, encode_request};
use crate::call::Call;
use crate::codec::{Decoded, decode_request, encode_response};
use crate::tests::{Known, tp};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{
    AbortedTransaction, Acks, CommittedOffset, CoordinatorKind, CreateTopicsRequest,
    CreateTopicsResponse, CreatedTopic, ElectLeadersRequest, ElectLeadersResponse, ElectionKind,
    EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, FoundCoordinator, HeartbeatRequest,
    InitProducerIdRequest, InitProducerIdResponse, InvalidRecords, IsolationLevel, LeaderAndEpoch,
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataPartition,
    MetadataRequest, MetadataResponse, MetadataTopic, NewTopic, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetSpec,
    Placement, ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse,
    Request, Response, SnapshotId,
};
use stormglass_broker_core::records::{Batch, Record, Records};

const PREFIX: usize = 4;

fn records() -> Records {
    let record = Record::new(None, Some(Bytes::from_static(b"value")));
    Records::single(Arc::new(Batch::build(5, &mut [record])))
}

/// Through both halves; the call is for the answer.
fn sent(request: Request) -> Call {
    let frame = encode_request(&request, (7, "client-7"), &Known).expect("clients send it");
    match decode_request(frame.to_bytes().slice(PREFIX..), &Known) {
        Ok(Decoded::Ask(again, call)) => {
            assert_eq!(*again, request);
            call
        }
        other => panic!("{request:?} became {other:?}"),
    }
}

fn answered(call: &Call, response: Response) {
    let frame = encode_response(call, &response, &Known).expect("it answers that call");
    let again = decode_response(call, frame.to_bytes().slice(PREFIX..), &Known);
    assert_eq!(again, Ok((7, response.clone())));
    // cut anywhere, it is an error and no panic
    let bytes = frame.to_bytes().slice(PREFIX..);
    for len in 0..bytes.len() {
        assert!(decode_response(call, bytes.slice(..len), &Known).is_err(), "{len}: {response:?}");
    }
}

#[test]
fn records_come_and_go() {
    let partitions = vec![
        ProducePartition { tp: tp(1, 0), records: records() },
        ProducePartition { tp: tp(2, 5), records: records() },
    ];
    let produce = ProduceRequest { acks: Acks::All, timeout_ms: 30_000, partitions };
    let call = sent(Request::Produce(produce));
    let leader = LeaderAndEpoch { leader: NodeId(2), epoch: 9 };
    let refused = ProducePartitionResponse {
        current_leader: Some(leader),
        ..ProducePartitionResponse::refused(tp(2, 5), ErrorCode::NotLeaderOrFollower)
    };
    let done = ProducePartitionResponse {
        base_offset: 77,
        log_start_offset: 3,
        ..ProducePartitionResponse::refused(tp(1, 0), ErrorCode::None)
    };
    let told = InvalidRecords { message: "no".into(), records: vec![(3, "too old".into())] };
    let invalid = ProducePartitionResponse {
        invalid: Some(Arc::new(told)),
        ..ProducePartitionResponse::refused(tp(2, 4), ErrorCode::InvalidTimestamp)
    };
    let partitions = vec![done, refused, invalid];
    answered(&call, Response::Produce(ProduceResponse { partitions, throttle_ms: 4 }));
}

fn fetched(index: i32) -> FetchPartitionResponse {
    FetchPartitionResponse {
        tp: tp(1, index),
        error: ErrorCode::None,
        high_watermark: 12,
        last_stable_offset: 11,
        log_start_offset: 1,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        preferred_read_replica: None,
        aborted: None,
        records: records(),
    }
}

#[test]
fn fetches_with_everything_that_an_answer_may_tell() {
    let partition = FetchPartition {
        tp: tp(1, 3),
        current_leader_epoch: 4,
        fetch_offset: 5,
        last_fetched_epoch: 3,
        log_start_offset: -1,
        max_bytes: 1 << 20,
    };
    let call = sent(Request::Fetch(Box::new(FetchRequest {
        replica: None,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        isolation: IsolationLevel::ReadCommitted,
        session_id: 6,
        session_epoch: 7,
        partitions: vec![partition],
        forgotten: vec![tp(2, 0), tp(2, 1)],
        rack: Some("az1".into()),
    })));
    let told = FetchPartitionResponse {
        error: ErrorCode::FencedLeaderEpoch,
        diverging_epoch: Some(EpochEndOffset { epoch: 2, end_offset: 9 }),
        snapshot_id: Some(SnapshotId { end_offset: 8, epoch: 1 }),
        current_leader: Some(LeaderAndEpoch { leader: NodeId(3), epoch: 5 }),
        preferred_read_replica: Some(NodeId(2)),
        aborted: Some(Box::new([AbortedTransaction { producer_id: 4, first_offset: 2 }])),
        records: Records::default(),
        ..fetched(4)
    };
    let partitions = vec![fetched(3), told];
    let response =
        FetchResponse { throttle_ms: 1, error: ErrorCode::None, session_id: 6, partitions };
    answered(&call, Response::Fetch(response));
}

#[test]
fn offsets_and_epochs() {
    let spec = [OffsetSpec::Earliest, OffsetSpec::Latest, OffsetSpec::Timestamp(9)];
    let partitions = (0..).zip(spec).map(|(index, spec)| (tp(1, index), 2, spec)).collect();
    let isolation = IsolationLevel::ReadUncommitted;
    let call = sent(Request::ListOffsets(ListOffsetsRequest { isolation, partitions }));
    let partition = ListOffsetsPartitionResponse {
        tp: tp(1, 0),
        error: ErrorCode::None,
        timestamp: -1,
        offset: 44,
        leader_epoch: 2,
    };
    answered(&call, Response::ListOffsets(ListOffsetsResponse { partitions: vec![partition] }));

    let partitions = vec![(tp(1, 0), 5, 3)];
    let request = OffsetForLeaderEpochRequest { partitions };
    let call = sent(Request::OffsetForLeaderEpoch(request));
    let end = EpochEndOffset { epoch: 3, end_offset: 99 };
    let partitions = vec![(tp(1, 0), ErrorCode::None, end)];
    answered(&call, Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse { partitions }));

    let request = InitProducerIdRequest { transactional: None, producer_id: 8, producer_epoch: 2 };
    let call = sent(Request::InitProducerId(request));
    let (error, producer_epoch) = (ErrorCode::None, 3);
    let response = InitProducerIdResponse { error, producer_id: 8, producer_epoch };
    answered(&call, Response::InitProducerId(response));
}

#[test]
fn metadata() {
    let topics = Some(vec!["topic-1".into(), "unknown".into()]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: false };
    let call = sent(Request::Metadata(request));
    sent(Request::Metadata(MetadataRequest { topics: None, allow_auto_topic_creation: true }));
    let nodes = |ids: &[i32]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
    let partition = |leader| MetadataPartition {
        error: if leader == 0 { ErrorCode::LeaderNotAvailable } else { ErrorCode::None },
        leader: Some(NodeId(leader)).filter(|node| node.0 > 0),
        leader_epoch: 5,
        replicas: nodes(&[1, 2, 3]),
        isr: nodes(&[2]),
    };
    let topic = MetadataTopic {
        error: ErrorCode::None,
        name: "topic-1".into(),
        id: tp(1, 0).topic,
        partitions: vec![partition(1), partition(0)],
    };
    let response = MetadataResponse {
        brokers: vec![(NodeId(1), Some("az1".into())), (NodeId(2), None)],
        controller: Some(NodeId(3)),
        topics: vec![topic],
    };
    answered(&call, Response::Metadata(Box::new(response)));
}

#[test]
fn positions_of_groups() {
    let keys: Vec<Arc<str>> = vec!["billing".into()];
    let request = FindCoordinatorRequest { kind: CoordinatorKind::Group, keys };
    let call = sent(Request::FindCoordinator(request));
    let found =
        FoundCoordinator { key: "billing".into(), error: ErrorCode::None, node: Some(NodeId(2)) };
    let coordinators = vec![found];
    answered(&call, Response::FindCoordinator(FindCoordinatorResponse { coordinators }));

    let at = CommittedOffset {
        tp: tp(1, 3),
        offset: 9,
        leader_epoch: 2,
        metadata: Some("where".into()),
    };
    let commit = OffsetCommitRequest::without_member("billing".into(), vec![at.clone()]);
    let call = sent(Request::OffsetCommit(Box::new(commit)));
    let partitions = vec![(tp(1, 3), ErrorCode::None)];
    answered(&call, Response::OffsetCommit(OffsetCommitResponse { partitions }));

    let asked = |partitions| OffsetFetchGroup { group: "billing".into(), partitions, member: None };
    let groups = vec![asked(Some(vec![tp(1, 3), tp(1, 4)])), asked(None)];
    let request = OffsetFetchRequest { require_stable: true, groups };
    let call = sent(Request::OffsetFetch(request));
    let group = OffsetFetchGroupResponse {
        group: "billing".into(),
        error: ErrorCode::None,
        offsets: vec![at, CommittedOffset::none(tp(1, 4))],
        unstable: Vec::new(),
    };
    answered(&call, Response::OffsetFetch(OffsetFetchResponse { groups: vec![group] }));
}

#[test]
fn topics_and_leaders() {
    let config = BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]);
    let manual = Placement::Manual(vec![vec![NodeId(1), NodeId(2)], vec![NodeId(2), NodeId(3)]]);
    let automatic = Placement::Automatic { partitions: 6, replication_factor: 3 };
    let topic =
        |name: &str, placement| NewTopic { name: name.into(), placement, config: config.clone() };
    let topics = vec![topic("a", manual), topic("b", automatic)];
    let call = sent(Request::CreateTopics(CreateTopicsRequest { topics, validate_only: true }));
    let made = CreatedTopic {
        id: TopicId(1 << 70),
        partitions: 2,
        replication_factor: 2,
        ..CreatedTopic::refused("a".into(), ErrorCode::None, None)
    };
    let why = Some("it is there".into());
    let refused = CreatedTopic::refused("b".into(), ErrorCode::TopicAlreadyExists, why);
    let topics = vec![made, refused];
    answered(&call, Response::CreateTopics(CreateTopicsResponse { topics }));

    let partitions = Some(vec![tp(1, 0), tp(2, 1)]);
    let kind = ElectionKind::Unclean;
    let call = sent(Request::ElectLeaders(ElectLeadersRequest { kind, partitions }));
    let partitions = vec![(tp(1, 0), ErrorCode::ElectionNotNeeded)];
    let response = ElectLeadersResponse { error: ErrorCode::None, partitions };
    answered(&call, Response::ElectLeaders(response));
}

#[test]
fn what_no_client_sends_is_not_encoded() {
    let group: Arc<str> = "billing".into();
    let heartbeat = HeartbeatRequest { group, generation: 1, member: "m".into(), instance: None };
    let request = Request::Heartbeat(Box::new(heartbeat));
    assert!(encode_request(&request, (7, "client-7"), &Known).is_none());
}
