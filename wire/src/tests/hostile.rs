//! Frames that no honest client sends: never a panic, never much memory.

use super::{ID_FIRST, Known, ask, by_topic, frame, read, text, topic_name, tp};
use crate::apis::{APIS, ApiKey};
use crate::codec::{Decoded, decode_request};
use crate::error::WireError;
use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use proptest::prelude::*;
use std::sync::Arc;
use stormglass_broker_core::ids::TopicId;
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::records::{Batch, Record, Records};

fn decode(bytes: impl Into<Bytes>) -> Result<Decoded, WireError> {
    decode_request(bytes.into(), &Known)
}

fn header(key: i16, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(1);
    out.put_i16(-1);
    out
}

fn produce(records: Option<Bytes>, acks: i16) -> theirs::ProduceRequest {
    let data = PartitionProduceData::default().with_records(records);
    let topic =
        TopicProduceData::default().with_name(topic_name(1)).with_partition_data(vec![data]);
    theirs::ProduceRequest::default().with_acks(acks).with_topic_data(vec![topic])
}

fn batch() -> Bytes {
    let mut out = BytesMut::new();
    let record = Record::new(None, Some(Bytes::from_static(b"value")));
    Records::single(Arc::new(Batch::build(5, &mut [record]))).encode(&mut out);
    out.freeze()
}

/// One frame of every API, in its newest version.
fn samples() -> Vec<Bytes> {
    use theirs::fetch_request::{FetchPartition, FetchTopic};
    use theirs::metadata_request::MetadataRequestTopic;
    let fetch_topic = FetchTopic::default()
        .with_topic_id(uuid::Uuid::from_u128(ID_FIRST + 1))
        .with_partitions(vec![FetchPartition::default()]);
    let asked = MetadataRequestTopic::default().with_name(Some(topic_name(1)));
    let group = || theirs::GroupId(text("g"));
    let topics = by_topic(
        &[(tp(1, 0), ()), (tp(2, 3), ())],
        |index, ()| index,
        |topic, list| {
            theirs::offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partition_indexes(list)
        },
    );
    vec![
        frame(ApiKey::Produce, 12, &produce(Some(batch()), -1)),
        frame(ApiKey::Fetch, 17, &theirs::FetchRequest::default().with_topics(vec![fetch_topic])),
        frame(ApiKey::ListOffsets, 8, &theirs::ListOffsetsRequest::default()),
        frame(
            ApiKey::Metadata,
            12,
            &theirs::MetadataRequest::default().with_topics(Some(vec![asked])),
        ),
        frame(
            ApiKey::OffsetCommit,
            9,
            &theirs::OffsetCommitRequest::default().with_group_id(group()),
        ),
        frame(
            ApiKey::OffsetFetch,
            7,
            &theirs::OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(topics)),
        ),
        frame(ApiKey::OffsetFetch, 9, &several_groups()),
        frame(
            ApiKey::FindCoordinator,
            6,
            &theirs::FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]),
        ),
        frame(ApiKey::ApiVersions, 3, &theirs::ApiVersionsRequest::default()),
        frame(ApiKey::CreateTopics, 7, &theirs::CreateTopicsRequest::default()),
        frame(ApiKey::InitProducerId, 4, &theirs::InitProducerIdRequest::default()),
        frame(ApiKey::OffsetForLeaderEpoch, 4, &theirs::OffsetForLeaderEpochRequest::default()),
    ]
    .into_iter()
    .chain(membership())
    .chain(transactions())
    .chain(super::admin::samples())
    .chain(super::describe::samples())
    .chain(super::security::samples())
    .collect()
}

fn several_groups() -> theirs::OffsetFetchRequest {
    let group = theirs::offset_fetch_request::OffsetFetchRequestGroup::default()
        .with_group_id(theirs::GroupId(text("g")));
    theirs::OffsetFetchRequest::default().with_groups(vec![group])
}

/// The same of the APIs of members and of tools.
fn membership() -> Vec<Bytes> {
    use theirs::join_group_request::JoinGroupRequestProtocol;
    use theirs::leave_group_request::MemberIdentity;
    use theirs::sync_group_request::SyncGroupRequestAssignment;
    let group = || theirs::GroupId(text("g"));
    let blob = Bytes::from_static(b"topics");
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(blob.clone());
    let join = theirs::JoinGroupRequest::default()
        .with_group_id(group())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let given =
        SyncGroupRequestAssignment::default().with_member_id(text("a")).with_assignment(blob);
    let sync = theirs::SyncGroupRequest::default()
        .with_group_id(group())
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignments(vec![given]);
    let gone = vec![MemberIdentity::default().with_member_id(text("a"))];
    let leave = theirs::LeaveGroupRequest::default().with_group_id(group()).with_members(gone);
    let beat = theirs::HeartbeatRequest::default().with_group_id(group());
    let describe = theirs::DescribeGroupsRequest::default().with_groups(vec![group()]);
    let list = theirs::ListGroupsRequest::default().with_states_filter(vec![text("Empty")]);
    let delete = theirs::DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    let positions = theirs::OffsetDeleteRequest::default().with_group_id(group());
    vec![
        frame(ApiKey::JoinGroup, 9, &join),
        frame(ApiKey::SyncGroup, 5, &sync),
        frame(ApiKey::Heartbeat, 4, &beat),
        frame(ApiKey::LeaveGroup, 5, &leave),
        frame(ApiKey::DescribeGroups, 6, &describe),
        frame(ApiKey::ListGroups, 5, &list),
        frame(ApiKey::DeleteGroups, 2, &delete),
        frame(ApiKey::OffsetDelete, 0, &positions),
        consumers_heartbeat(),
    ]
}

/// A heartbeat of the consumer protocol that says everything.
fn consumers_heartbeat() -> Bytes {
    use theirs::consumer_group_heartbeat_request::TopicPartitions;
    let owned = TopicPartitions::default().with_partitions(vec![0, 1]);
    let beat = theirs::ConsumerGroupHeartbeatRequest::default()
        .with_group_id(theirs::GroupId(text("g")))
        .with_member_id(text("m"))
        .with_subscribed_topic_names(Some(vec![topic_name(1)]))
        .with_subscribed_topic_regex(Some(text("t.*")))
        .with_topic_partitions(Some(vec![owned]));
    frame(ApiKey::ConsumerGroupHeartbeat, 1, &beat)
}

/// The same of the APIs of transactions.
fn transactions() -> Vec<Bytes> {
    use theirs::add_partitions_to_txn_request::{
        AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
    };
    use theirs::txn_offset_commit_request::{
        TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    };
    use theirs::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
    let id = || theirs::TransactionalId(text("t"));
    let topic =
        || AddPartitionsToTxnTopic::default().with_name(topic_name(1)).with_partitions(vec![0, 1]);
    let one = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(id())
        .with_topics(vec![topic()]);
    let several = theirs::AddPartitionsToTxnRequest::default().with_transactions(vec![one; 2]);
    let single = theirs::AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_topics(vec![topic()]);
    let offsets = theirs::AddOffsetsToTxnRequest::default().with_transactional_id(id());
    let end = theirs::EndTxnRequest::default().with_transactional_id(id());
    let marked = WritableTxnMarkerTopic::default()
        .with_name(topic_name(1))
        .with_partition_indexes(vec![0, 1]);
    let marker = WritableTxnMarker::default().with_topics(vec![marked]);
    let markers = theirs::WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let positions = TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name(1))
        .with_partitions(vec![TxnOffsetCommitRequestPartition::default()]);
    let commit = theirs::TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_topics(vec![positions]);
    let describe =
        theirs::DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let list = theirs::ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing")]);
    vec![
        frame(ApiKey::AddPartitionsToTxn, 3, &single),
        frame(ApiKey::AddPartitionsToTxn, 5, &several),
        frame(ApiKey::AddOffsetsToTxn, 4, &offsets),
        frame(ApiKey::EndTxn, 4, &end),
        frame(ApiKey::WriteTxnMarkers, 1, &markers),
        frame(ApiKey::TxnOffsetCommit, 4, &commit),
        frame(ApiKey::DescribeProducers, 0, &theirs::DescribeProducersRequest::default()),
        frame(ApiKey::DescribeTransactions, 0, &describe),
        frame(ApiKey::ListTransactions, 1, &list),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bodies_do_no_harm(
        api in 0..APIS.len(),
        version in 0..20_i16,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut out = header(APIS[api].key as i16, version);
        out.put_slice(&body);
        let _ = decode(out.freeze());
    }

    #[test]
    fn damaged_frames_do_no_harm(
        sample in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sample.get(&samples()).to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(1 + cut.index(2 * bytes.len()));
        let _ = decode(bytes);
    }
}

#[test]
fn a_frame_that_is_cut_or_continued_is_refused() {
    for sample in samples() {
        assert!(decode(sample.clone()).is_ok());
        for len in 0..sample.len() {
            assert!(decode(sample.slice(..len)).is_err(), "{len} of {sample:?}");
        }
        let longer = [&sample[..], b"!"].concat();
        assert_eq!(decode(longer).err(), Some(WireError::TrailingBytes(1)), "{sample:?}");
    }
}

#[test]
fn lengths_beyond_the_end_ask_for_no_memory() {
    // arrays, strings and blobs of two gigabytes, in both encodings
    for (key, version) in [(3, 8), (1, 4), (19, 2), (9, 2)] {
        let mut out = header(key, version);
        out.put_slice(&[0x7f; 40]);
        assert!(decode(out.freeze()).is_err(), "API {key}");
    }
    let mut flexible = header(3, 9);
    flexible.put_u8(0);
    flexible.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decode(flexible.freeze()).err(), Some(WireError::BadLength));
    let mut many = header(3, 1);
    many.put_i32(2_000_000);
    many.put_slice(&vec![0; 4_000_000]);
    assert_eq!(decode(many.freeze()).err(), Some(WireError::TooManyElements));
}

#[test]
fn what_is_not_served_is_refused() {
    assert_eq!(decode(header(99, 0)).err(), Some(WireError::UnsupportedApi(99)));
    let too_old = WireError::UnsupportedVersion { api: 0, version: 2 };
    assert_eq!(decode(header(0, 2)).err(), Some(too_old));
    for api in APIS {
        if api.key != ApiKey::ApiVersions {
            assert!(decode(header(api.key as i16, api.max + 1)).is_err());
        }
    }
}

#[test]
fn a_client_cannot_pose_as_a_replica_or_read_the_metadata_log() {
    let replica = theirs::FetchRequest::default().with_replica_id(1.into());
    assert!(matches!(decode(frame(ApiKey::Fetch, 12, &replica)), Err(WireError::Forbidden(_))));
    let state = theirs::fetch_request::ReplicaState::default().with_replica_id(1.into());
    let replica = theirs::FetchRequest::default().with_replica_state(state);
    assert!(matches!(decode(frame(ApiKey::Fetch, 17, &replica)), Err(WireError::Forbidden(_))));
    let topic = theirs::fetch_request::FetchTopic::default()
        .with_topic_id(uuid::Uuid::from_u128(TopicId::METADATA.0));
    let metadata = theirs::FetchRequest::default().with_topics(vec![topic]);
    assert!(matches!(decode(frame(ApiKey::Fetch, 17, &metadata)), Err(WireError::Forbidden(_))));
}

#[test]
fn a_bad_batch_is_refused_alone() {
    let mut damaged = batch().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let bad = PartitionProduceData::default().with_index(1).with_records(Some(damaged.into()));
    let mut body = produce(Some(batch()), -1);
    body.topic_data[0].partition_data.push(bad);
    let (request, call) = ask(ApiKey::Produce, 9, &body);
    let Request::Produce(request) = request else { panic!("{request:?}") };
    assert_eq!(request.partitions.len(), 1);
    let partitions = Vec::new();
    let response = stormglass_broker_core::protocol::ProduceResponse { partitions, throttle_ms: 0 };
    let response = stormglass_broker_core::protocol::Response::Produce(response);
    let answer: theirs::ProduceResponse = super::answer(&call, &response);
    let refused = &answer.responses[0].partition_responses[0];
    assert_eq!((refused.index, refused.error_code), (1, 2));
}

#[test]
fn nothing_but_bad_batches_is_answered_at_once_if_an_answer_is_wanted() {
    let junk = Some(Bytes::from_static(b"no batch"));
    match decode(frame(ApiKey::Produce, 9, &produce(junk.clone(), 1))) {
        Ok(Decoded::Answer(answer)) => {
            let mut answer = BytesMut::from(&answer.to_bytes()[..]);
            answer[4..8].copy_from_slice(&super::CORRELATION.to_be_bytes());
            let answer: theirs::ProduceResponse = read(answer.freeze(), 9);
            // shorter than any batch: no batch at all, as Kafka has it
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 87);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(decode(frame(ApiKey::Produce, 9, &produce(junk, 0))), Ok(Decoded::Silence)));
    assert!(matches!(decode(frame(ApiKey::Produce, 9, &produce(None, 7))), Ok(Decoded::Answer(_))));
}

#[test]
fn unknown_names_are_asked_for_and_told_apart() {
    let data = |name: &str| {
        let list = vec![PartitionProduceData::default().with_records(Some(batch()))];
        let name = theirs::TopicName(text(name));
        TopicProduceData::default().with_name(name).with_partition_data(list)
    };
    let body = theirs::ProduceRequest::default().with_acks(1).with_topic_data(vec![
        data("nowhere"),
        data("topic-1"),
        data("elsewhere"),
        data("nowhere"),
    ]);
    let (request, call) = ask(ApiKey::Produce, 9, &body);
    let Request::Produce(request) = request else { panic!("{request:?}") };
    let ids: Vec<TopicId> = request.partitions.iter().map(|partition| partition.tp.topic).collect();
    assert_eq!(ids[1], tp(1, 0).topic);
    assert!(ids[0] != ids[2] && ids[0] == ids[3] && ids[0] != ids[1]);
    assert_eq!(&*call.names.name(&Known, ids[0]), "nowhere");
    assert_eq!(&*call.names.name(&Known, ids[2]), "elsewhere");
}
