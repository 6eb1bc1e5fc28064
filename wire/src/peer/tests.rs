//! What one node says is what the other hears; what is cut short or damaged is refused.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use stormglass_broker_core::config::ConfigKind;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_broker_core::protocol::*;
use stormglass_broker_core::records::{Batch, Record, Records};

fn tp() -> TopicPartition {
    TopicPartition::new(TopicId(u128::MAX - 5), 17)
}

fn batch() -> Records {
    let record = Record::new(Some(Bytes::from_static(b"key")), Some(vec![7; 5000].into()));
    Records::single(Arc::new(Batch::build(1_700_000_000_000, &mut [record])))
}

fn reassignment() -> Request {
    Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: true,
        partitions: vec![(tp(), Some(vec![NodeId(3)])), (tp(), None)],
    })
}

fn registration() -> Request {
    Request::BrokerRegistration(Box::new(BrokerRegistrationRequest {
        broker: NodeId(3),
        incarnation: u128::MAX / 3,
        rack: Some("az-1".into()),
        endpoint: Some(Arc::new(BrokerEndpoint { host: "broker.example".into(), port: 65535 })),
        previous_broker_epoch: -1,
    }))
}

fn requests() -> Vec<Request> {
    let named: Arc<str> = "orders".into();
    vec![
        Request::UnregisterBroker(UnregisterBrokerRequest { broker: NodeId(3) }),
        reassignment(),
        Request::Vote(VoteRequest {
            epoch: 4,
            candidate: NodeId(2),
            last_offset_epoch: 3,
            last_offset: i64::MAX,
            pre_vote: true,
        }),
        Request::AddPartitionsToTxn(AddPartitionsToTxnRequest {
            transactions: vec![TxnPartitions {
                transactional_id: "copy".into(),
                producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
                verify_only: true,
                partitions: vec![tp()],
            }],
            by_broker: true,
        }),
        Request::WriteTxnMarkers(WriteTxnMarkersRequest {
            markers: vec![TxnMarker {
                producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
                commit: true,
                coordinator_epoch: 4,
                rules: TransactionRules::EpochEach,
                partitions: vec![tp()],
            }],
        }),
        Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: NodeId(1),
            epoch: 9,
            preferred_successors: vec![NodeId(3), NodeId(2)],
        }),
        Request::Fetch(Box::new(FetchRequest {
            replica: Some(ReplicaState { id: NodeId(2), epoch: 77 }),
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 10 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 5,
            session_epoch: 6,
            partitions: vec![FetchPartition {
                tp: tp(),
                current_leader_epoch: 1,
                fetch_offset: 2,
                last_fetched_epoch: 3,
                log_start_offset: 4,
                max_bytes: 5,
            }],
            forgotten: vec![tp()],
            rack: None,
        })),
        registration(),
        Request::CreateTopics(CreateTopicsRequest {
            topics: vec![NewTopic {
                name: Arc::clone(&named),
                placement: Placement::Manual(vec![vec![NodeId(1), NodeId(2)], vec![]]),
                config: BTreeMap::from([("retention.ms".to_owned(), "1".to_owned())]),
            }],
            validate_only: true,
        }),
        Request::DeleteTopics(DeleteTopicsRequest {
            topics: vec![TopicRef::Name(named), TopicRef::Id(TopicId(1 << 100))],
        }),
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::AddPartitionsToTxn(AddPartitionsToTxnResponse {
            transactions: vec![TxnPartitionsResult {
                transactional_id: "copy".into(),
                partitions: vec![(tp(), ErrorCode::InvalidTxnState)],
            }],
        }),
        Response::WriteTxnMarkers(WriteTxnMarkersResponse {
            markers: vec![(7, vec![(tp(), ErrorCode::None)])],
        }),
        Response::Fetch(FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id: 5,
            partitions: vec![FetchPartitionResponse {
                tp: tp(),
                error: ErrorCode::FencedLeaderEpoch,
                high_watermark: 1,
                last_stable_offset: 2,
                log_start_offset: 3,
                diverging_epoch: Some(EpochEndOffset { epoch: 1, end_offset: 2 }),
                snapshot_id: Some(SnapshotId { end_offset: 4, epoch: 1 }),
                current_leader: Some(LeaderAndEpoch { leader: NodeId(2), epoch: 8 }),
                preferred_read_replica: None,
                aborted: Some(Box::new([AbortedTransaction { producer_id: 4, first_offset: 2 }])),
                records: batch(),
            }],
        }),
        Response::FetchSnapshot(Box::new(FetchSnapshotResponse {
            error: ErrorCode::None,
            current_leader: None,
            snapshot_id: SnapshotId { end_offset: 4, epoch: 1 },
            size: u64::MAX,
            position: 3,
            bytes: Bytes::from_static(b"chunk"),
        })),
        Response::CreateTopics(CreateTopicsResponse {
            topics: vec![CreatedTopic {
                configs: vec![ConfigEntry {
                    key: "retention.ms".into(),
                    value: "1".into(),
                    source: ConfigSource::Topic,
                    kind: ConfigKind::Long,
                    read_only: false,
                    inherited: Some(("log.retention.ms", "2".into(), ConfigSource::Default)),
                }],
                ..CreatedTopic::refused("orders".into(), ErrorCode::None, None)
            }],
        }),
        Response::ListPartitionReassignments(ListPartitionReassignmentsResponse {
            error: ErrorCode::None,
            partitions: vec![Reassignment {
                tp: tp(),
                replicas: vec![NodeId(1), NodeId(2)],
                adding: vec![NodeId(1)],
                removing: Vec::new(),
            }],
        }),
        Response::CreatePartitions(CreatePartitionsResponse {
            topics: vec![("orders".into(), ErrorCode::InvalidPartitions)],
        }),
    ]
}

/// The same of what administrators look at.
fn descriptions() -> Vec<Response> {
    vec![
        Response::UnregisterBroker(UnregisterBrokerResponse {
            error: ErrorCode::BrokerIdNotRegistered,
        }),
        Response::UpdateFeatures(Box::new(UpdateFeaturesResponse {
            error: ErrorCode::None,
            message: None,
            updated: vec!["group.version".into()],
        })),
        Response::DescribeQuorum(Box::new(DescribeQuorumResponse {
            error: ErrorCode::None,
            leader: Some(NodeId(1)),
            epoch: 2,
            high_watermark: 3,
            voters: vec![QuorumReplica {
                node: NodeId(1),
                log_end_offset: 4,
                last_fetch_ms: 5,
                last_caught_up_ms: -1,
            }],
            observers: Vec::new(),
        })),
    ]
}

/// A frame without its length, which must be right.
fn content(frame: &Frame) -> Bytes {
    let bytes = frame.to_bytes();
    let len = i32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(usize::try_from(len).unwrap() + 4, bytes.len());
    bytes.slice(4..)
}

#[test]
fn what_is_said_is_heard() {
    for request in requests() {
        let frame = encode_peer_request(CorrelationId(u64::MAX), &request).unwrap();
        let heard = decode_peer_request(content(&frame)).unwrap();
        assert_eq!(heard, (CorrelationId(u64::MAX), request));
    }
    for response in responses().into_iter().chain(descriptions()) {
        let frame = encode_peer_response(CorrelationId(3), &response).unwrap();
        assert_eq!(decode_peer_response(content(&frame)).unwrap(), (CorrelationId(3), response));
    }
}

#[test]
fn what_is_cut_short_or_goes_on_is_refused() {
    let frames = requests()
        .into_iter()
        .map(|request| content(&encode_peer_request(CorrelationId(1), &request).unwrap()));
    for frame in frames {
        for len in 0..frame.len() {
            assert!(decode_peer_request(frame.slice(..len)).is_err(), "{len} bytes");
        }
        let more = Bytes::from([&frame[..], &[0]].concat());
        assert_eq!(decode_peer_request(more), Err(WireError::TrailingBytes(1)));
    }
}

#[test]
fn what_only_clients_ask_is_not_said() {
    let request = Request::ListGroups(ListGroupsRequest { states: Vec::new(), types: Vec::new() });
    assert!(encode_peer_request(CorrelationId(1), &request).is_none());
}

#[test]
fn a_hello_is_told_from_a_request() {
    let hello = Hello { cluster_id: "a-cluster".into(), from: NodeId(2), to: NodeId(1) };
    let frame = content(&hello.encode());
    assert!(Hello::is_hello(&frame));
    assert_eq!(Hello::decode(frame.clone()), Ok(hello));
    let api_versions = [0, 18, 0, 3];
    assert!(!Hello::is_hello(&api_versions));
    let mut other = frame.to_vec();
    other[3] = 9;
    let refused = WireError::UnsupportedVersion { api: HELLO_KEY, version: 9 };
    assert_eq!(Hello::decode(other.into()), Err(refused));
}

proptest! {
    #[test]
    fn noise_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let frame = Bytes::from(bytes);
        let _ = decode_peer_request(frame.clone());
        let _ = decode_peer_response(frame.clone());
        let _ = Hello::decode(frame);
    }

    #[test]
    fn damage_does_no_harm(which in 0..6_usize, at in 8..400_usize, byte in any::<u8>()) {
        let frame = encode_peer_request(CorrelationId(1), &requests()[which]).unwrap();
        let mut bytes = content(&frame).to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decode_peer_request(bytes.into());
    }
}
