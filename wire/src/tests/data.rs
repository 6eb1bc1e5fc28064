//! Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, InitProducerId.

use super::{
    Known, answer, ask, by_topic, frame, partitions, read, topic_id, topic_name, tp, versions,
};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    AbortedTransaction, Acks, EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest,
    FetchResponse, InitProducerIdRequest, InitProducerIdResponse, InvalidRecords, IsolationLevel,
    LeaderAndEpoch, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetSpec, ProducePartition,
    ProducePartitionResponse, ProduceRequest, ProduceResponse, Request, Response, SnapshotId,
    TransactionRules, TransactionalProduceRequest,
};
use stormglass_broker_core::records::{Batch, Record, Records};

fn records(sizes: &[usize]) -> Records {
    let batch = |size: &usize| {
        let record = Record::new(None, Some(Bytes::from(vec![b'v'; *size])));
        Arc::new(Batch::build(5, &mut [record]))
    };
    Records::new(sizes.iter().map(batch).collect())
}

fn encoded(records: &Records) -> Bytes {
    let mut out = BytesMut::new();
    records.encode(&mut out);
    out.freeze()
}

/// Small and large batches: bodies that are copied and bodies that are shared.
fn sizes() -> impl Strategy<Value = Vec<usize>> + Clone {
    proptest::collection::vec(prop_oneof![0..200_usize, 900..1100_usize, 5000..20_000_usize], 0..4)
}

fn leader() -> impl Strategy<Value = Option<LeaderAndEpoch>> + Clone {
    let known =
        (1..4, 0..9).prop_map(|(node, epoch)| LeaderAndEpoch { leader: NodeId(node), epoch });
    proptest::option::of(known)
}

fn errors() -> impl Strategy<Value = ErrorCode> + Clone {
    let some = [
        ErrorCode::None,
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownServerError,
        ErrorCode::OffsetOutOfRange,
    ];
    proptest::sample::select(some.to_vec())
}

fn produce(parts: &[(TopicPartition, Vec<usize>)], version: i16) -> theirs::ProduceRequest {
    use theirs::produce_request::{PartitionProduceData, TopicProduceData};
    let partition = |index, sizes: &Vec<usize>| {
        let bytes = encoded(&records(sizes));
        PartitionProduceData::default().with_index(index).with_records(Some(bytes))
    };
    let topics = by_topic(parts, partition, |topic, list| {
        let data = TopicProduceData::default().with_partition_data(list);
        if version >= 13 {
            data.with_topic_id(topic_id(topic))
        } else {
            data.with_name(topic_name(topic))
        }
    });
    theirs::ProduceRequest::default().with_acks(-1).with_timeout_ms(77).with_topic_data(topics)
}

const ABORTED: AbortedTransaction = AbortedTransaction { producer_id: 4000, first_offset: 17 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn produce_in_every_version(
        parts in partitions(sizes()),
        error in errors(),
        current_leader in leader(),
        offset in 0..i64::MAX,
    ) {
        for version in versions(ApiKey::Produce) {
            let (request, call) = ask(ApiKey::Produce, version, &produce(&parts, version));
            let expected = parts.iter().map(|(tp, sizes)| ProducePartition {
                tp: *tp,
                records: records(sizes),
            });
            let partitions = expected.collect();
            let expected = ProduceRequest { acks: Acks::All, timeout_ms: 77, partitions };
            prop_assert_eq!(request, Request::Produce(expected));

            let outcome = |tp: &TopicPartition| ProducePartitionResponse {
                tp: *tp,
                error,
                base_offset: offset,
                log_append_time_ms: 12,
                log_start_offset: 3,
                current_leader,
                invalid: None,
            };
            let partitions = parts.iter().map(|(tp, _)| outcome(tp)).collect();
            let response = Response::Produce(ProduceResponse { partitions, throttle_ms: 9 });
            let read: theirs::ProduceResponse = answer(&call, &response);
            prop_assert_eq!(read.throttle_time_ms, 9);
            let first = &read.responses[0].partition_responses[0];
            prop_assert_eq!(first.index, parts[0].0.partition);
            prop_assert_eq!(first.error_code, error as i16);
            prop_assert_eq!(first.base_offset, offset);
            if version >= 10 {
                let told = current_leader.map_or(-1, |leader| leader.leader.0);
                prop_assert_eq!(first.current_leader.leader_id.0, told);
                prop_assert_eq!(read.node_endpoints.len(), usize::from(current_leader.is_some()));
                let of_rack = |node: &theirs::produce_response::NodeEndpoint| {
                    node.rack.as_ref().is_some_and(|rack| rack.as_str() == "az-1")
                };
                prop_assert!(read.node_endpoints.iter().all(of_rack), "as in Metadata");
            }
        }
    }

    #[test]
    fn fetch_in_every_version(
        parts in partitions((0..i64::MAX, 0..9_i32, 0..1_000_000_i32)),
        sizes in sizes(),
        current_leader in leader(),
        diverging in proptest::option::of(0..9_i32),
        committed in any::<bool>(),
    ) {
        for version in versions(ApiKey::Fetch) {
            let (request, call) = ask(ApiKey::Fetch, version, &fetch(&parts, version, committed));
            prop_assert_eq!(request, Request::Fetch(Box::new(fetched(&parts, version, committed))));

            let diverging = diverging.filter(|_| version >= 12);
            let state = |tp: TopicPartition| FetchPartitionResponse {
                tp,
                error: ErrorCode::None,
                high_watermark: 90,
                last_stable_offset: 80,
                log_start_offset: 7,
                diverging_epoch: diverging.map(|epoch| EpochEndOffset { epoch, end_offset: 4 }),
                snapshot_id: diverging.map(|epoch| SnapshotId { end_offset: 5, epoch }),
                current_leader,
                preferred_read_replica: None,
                aborted: committed.then(|| vec![ABORTED; 2].into()),
                records: records(&sizes),
            };
            let partitions = parts.iter().map(|(tp, _)| state(*tp)).collect();
            let (throttle_ms, error, session_id) = (0, ErrorCode::None, 8);
            let response = FetchResponse { throttle_ms, error, session_id, partitions };
            let read: theirs::FetchResponse = answer(&call, &Response::Fetch(response));
            let count: usize = read.responses.iter().map(|topic| topic.partitions.len()).sum();
            prop_assert_eq!(count, parts.len());
            let last = read.responses.last().unwrap().partitions.last().unwrap();
            prop_assert_eq!(last.records.clone(), Some(encoded(&records(&sizes))));
            prop_assert_eq!(last.high_watermark, 90);
            if version >= 12 {
                prop_assert_eq!(last.diverging_epoch.epoch, diverging.unwrap_or(-1));
                prop_assert_eq!(last.snapshot_id.end_offset, diverging.map_or(-1, |_| 5));
            }
        }
    }

    #[test]
    fn offsets_in_every_version(
        parts in partitions((-4..5000_i64, 0..9_i32)),
        error in errors(),
        offset in -1..i64::MAX,
    ) {
        for version in versions(ApiKey::ListOffsets) {
            use theirs::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
            let partition = |index, (timestamp, epoch): &(i64, i32)| {
                let asked = ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_timestamp(*timestamp);
                if version >= 4 { asked.with_current_leader_epoch(*epoch) } else { asked }
            };
            let topics = by_topic(&parts, partition, |topic, list| {
                ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(list)
            });
            let body = theirs::ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_topics(topics);
            let (request, call) = ask(ApiKey::ListOffsets, version, &body);
            let expected = parts.iter().map(|(tp, (timestamp, epoch))| {
                let spec = match timestamp {
                    -1 => OffsetSpec::Latest,
                    -2 => OffsetSpec::Earliest,
                    -4 => OffsetSpec::EarliestLocal,
                    -3 => OffsetSpec::MaxTimestamp,
                    ms => OffsetSpec::Timestamp(*ms),
                };
                (*tp, if version >= 4 { *epoch } else { -1 }, spec)
            });
            let isolation = IsolationLevel::ReadUncommitted;
            let expected = ListOffsetsRequest { isolation, partitions: expected.collect() };
            prop_assert_eq!(request, Request::ListOffsets(expected));

            let found = |tp: &TopicPartition| ListOffsetsPartitionResponse {
                tp: *tp,
                error,
                timestamp: 11,
                offset,
                leader_epoch: 2,
            };
            let partitions = parts.iter().map(|(tp, _)| found(tp)).collect();
            let response = Response::ListOffsets(ListOffsetsResponse { partitions });
            let read: theirs::ListOffsetsResponse = answer(&call, &response);
            let first = &read.topics[0].partitions[0];
            prop_assert_eq!((first.offset, first.error_code), (offset, error as i16));
        }
    }

    #[test]
    fn the_end_of_remote_storage_is_asked_for_from_version_9_on(version in 1..=10_i16) {
        use theirs::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
        let asked = ListOffsetsPartition::default().with_timestamp(-5);
        let topic =
            ListOffsetsTopic::default().with_name(topic_name(1)).with_partitions(vec![asked]);
        let body = theirs::ListOffsetsRequest::default().with_topics(vec![topic]);
        let (request, _) = ask(ApiKey::ListOffsets, version, &body);
        let Request::ListOffsets(request) = request else { panic!("{request:?}") };
        let expected =
            if version >= 9 { OffsetSpec::LatestTiered } else { OffsetSpec::Unsupported(-5) };
        prop_assert_eq!(request.partitions[0].2, expected);
    }

    #[test]
    fn epochs_in_every_version(parts in partitions((0..9_i32, 0..9_i32)), end in 0..i64::MAX) {
        for version in versions(ApiKey::OffsetForLeaderEpoch) {
            use theirs::offset_for_leader_epoch_request::{
                OffsetForLeaderPartition, OffsetForLeaderTopic,
            };
            let partition = |index, (current, epoch): &(i32, i32)| {
                OffsetForLeaderPartition::default()
                    .with_partition(index)
                    .with_current_leader_epoch(*current)
                    .with_leader_epoch(*epoch)
            };
            let topics = by_topic(&parts, partition, |topic, list| {
                OffsetForLeaderTopic::default().with_topic(topic_name(topic)).with_partitions(list)
            });
            let body = theirs::OffsetForLeaderEpochRequest::default().with_topics(topics);
            let (request, call) = ask(ApiKey::OffsetForLeaderEpoch, version, &body);
            let expected = parts.iter().map(|(tp, (current, epoch))| (*tp, *current, *epoch));
            let expected = OffsetForLeaderEpochRequest { partitions: expected.collect() };
            prop_assert_eq!(request, Request::OffsetForLeaderEpoch(expected));

            let found = EpochEndOffset { epoch: 3, end_offset: end };
            let partitions = parts.iter().map(|(tp, _)| (*tp, ErrorCode::None, found)).collect();
            let response = OffsetForLeaderEpochResponse { partitions };
            let response = Response::OffsetForLeaderEpoch(response);
            let read: theirs::OffsetForLeaderEpochResponse = answer(&call, &response);
            prop_assert_eq!(read.topics[0].partitions[0].end_offset, end);
        }
    }

    #[test]
    fn producer_ids_in_every_version(id in 0..i64::MAX, epoch in 0..i16::MAX) {
        for version in versions(ApiKey::InitProducerId) {
            let body = theirs::InitProducerIdRequest::default().with_transactional_id(None);
            let body = if version >= 3 {
                body.with_producer_id(id.into()).with_producer_epoch(epoch)
            } else {
                body
            };
            let (request, call) = ask(ApiKey::InitProducerId, version, &body);
            let held = if version >= 3 { (id, epoch) } else { (-1, -1) };
            let expected = InitProducerIdRequest {
                transactional: None,
                producer_id: held.0,
                producer_epoch: held.1,
            };
            prop_assert_eq!(request, Request::InitProducerId(expected));

            let (error, producer_id, producer_epoch) = (ErrorCode::None, id, epoch);
            let response = InitProducerIdResponse { error, producer_id, producer_epoch };
            let read: theirs::InitProducerIdResponse =
                answer(&call, &Response::InitProducerId(response));
            prop_assert_eq!((read.producer_id.0, read.producer_epoch), (id, epoch));
        }
    }
}

type Position = (i64, i32, i32);

fn fetch(
    parts: &[(TopicPartition, Position)],
    version: i16,
    committed: bool,
) -> theirs::FetchRequest {
    use theirs::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
    let partition = |index, (offset, epoch, max_bytes): &Position| {
        let mut asked = FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(*max_bytes);
        if version >= 9 {
            asked.current_leader_epoch = *epoch;
        }
        if version >= 12 {
            asked.last_fetched_epoch = *epoch;
        }
        asked
    };
    let topics = by_topic(parts, partition, |topic, list| {
        let asked = FetchTopic::default().with_partitions(list);
        if version >= 13 {
            asked.with_topic_id(topic_id(topic))
        } else {
            asked.with_topic(topic_name(topic))
        }
    });
    let mut body = theirs::FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_isolation_level(i8::from(committed))
        .with_topics(topics);
    if version >= 7 {
        let gone = ForgottenTopic::default().with_partitions(vec![4]);
        let gone = if version >= 13 {
            gone.with_topic_id(topic_id(2))
        } else {
            gone.with_topic(topic_name(2))
        };
        body = body.with_session_id(6).with_session_epoch(3).with_forgotten_topics_data(vec![gone]);
    }
    if version >= 11 { body.with_rack_id(super::text("az-1")) } else { body }
}

fn fetched(parts: &[(TopicPartition, Position)], version: i16, committed: bool) -> FetchRequest {
    let partition =
        |(tp, (offset, epoch, max_bytes)): &(TopicPartition, Position)| FetchPartition {
            tp: *tp,
            current_leader_epoch: if version >= 9 { *epoch } else { -1 },
            fetch_offset: *offset,
            last_fetched_epoch: if version >= 12 { *epoch } else { -1 },
            log_start_offset: -1,
            max_bytes: *max_bytes,
        };
    FetchRequest {
        replica: None,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: if committed {
            IsolationLevel::ReadCommitted
        } else {
            IsolationLevel::ReadUncommitted
        },
        session_id: if version >= 13 { 6 } else { 0 },
        session_epoch: if version >= 13 { 3 } else { -1 },
        partitions: parts.iter().map(partition).collect(),
        forgotten: if version >= 7 { vec![tp(2, 4)] } else { Vec::new() },
        rack: (version >= 11).then(|| "az-1".into()),
    }
}

#[test]
fn an_id_that_no_topic_has_is_named_as_such() {
    let strange = TopicPartition::new(TopicId(99 << 64), 0);
    for (version, expected) in [(12, 3), (13, 100)] {
        let (_, call) = ask(ApiKey::Produce, version, &produce(&[(tp(1, 0), vec![5])], version));
        let refused = ProducePartitionResponse {
            tp: strange,
            error: ErrorCode::UnknownTopicOrPartition,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            current_leader: None,
            invalid: None,
        };
        let response = ProduceResponse { partitions: vec![refused], throttle_ms: 0 };
        let read: theirs::ProduceResponse = answer(&call, &Response::Produce(response));
        assert_eq!(read.responses[0].partition_responses[0].error_code, expected);
    }
}

#[test]
fn records_that_are_to_blame_are_named_from_version_8_on() {
    for version in versions(ApiKey::Produce) {
        let (_, call) = ask(ApiKey::Produce, version, &produce(&[(tp(1, 0), vec![5])], version));
        let told = InvalidRecords { message: "no".into(), records: vec![(2, "too old".into())] };
        let refused = ProducePartitionResponse {
            invalid: Some(Arc::new(told)),
            ..ProducePartitionResponse::refused(tp(1, 0), ErrorCode::InvalidTimestamp)
        };
        let response = ProduceResponse { partitions: vec![refused], throttle_ms: 0 };
        let read: theirs::ProduceResponse = answer(&call, &Response::Produce(response));
        let part = &read.responses[0].partition_responses[0];
        let records = part.record_errors.iter();
        let records: Vec<_> =
            records.map(|it| (it.batch_index, it.batch_index_error_message.as_deref())).collect();
        let message = part.error_message.as_deref();
        match version {
            8.. => assert_eq!((&records[..], message), (&[(2, Some("too old"))][..], Some("no"))),
            _ => assert!(records.is_empty() && message.is_none()),
        }
    }
}

/// A batch of a transaction, with a CRC that is right.
fn transactional() -> Records {
    let mut batch = Batch::clone(&records(&[5]).batches()[0]);
    batch.header = batch.header.as_transactional();
    batch.header.producer_id = 4000;
    batch.header.producer_epoch = 0;
    batch.header.base_sequence = 0;
    Records::single(Arc::new(batch))
}

#[test]
fn transactions_are_produced_under_their_name_only() {
    for version in versions(ApiKey::Produce) {
        let mut body = produce(&[(tp(1, 0), vec![5])], version);
        body.topic_data[0].partition_data[0].records = Some(encoded(&transactional()));
        let id = theirs::TransactionalId(super::text("billing-1"));
        let named = body.clone().with_transactional_id(Some(id));
        let (request, call) = ask(ApiKey::Produce, version, &named);
        let partitions = vec![ProducePartition { tp: tp(1, 0), records: transactional() }];
        let produce = ProduceRequest { acks: Acks::All, timeout_ms: 77, partitions };
        let rules = match version {
            12.. => TransactionRules::EpochEach,
            _ => TransactionRules::Added,
        };
        let transactional_id = "billing-1".into();
        let expected = TransactionalProduceRequest { transactional_id, rules, produce };
        assert_eq!(request, Request::TransactionalProduce(Box::new(expected)));
        let refused = ProducePartitionResponse::refused(tp(1, 0), ErrorCode::TransactionAbortable);
        let response = ProduceResponse { partitions: vec![refused], throttle_ms: 0 };
        let answered: theirs::ProduceResponse = answer(&call, &Response::Produce(response));
        let told = answered.responses[0].partition_responses[0].error_code;
        assert_eq!(told, if version >= 11 { 120 } else { 48 });

        let answer = match decode_request(frame(ApiKey::Produce, version, &body), &Known) {
            Ok(Decoded::Answer(answer)) => answer.to_bytes(),
            other => panic!("{other:?}"),
        };
        let answer: theirs::ProduceResponse = read(answer, version);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 53);
    }
}

/// So in Kafka (`ReplicaManager.fetchOffset`).
#[test]
fn old_clients_are_told_of_an_unknown_end_as_they_know_it() {
    for version in versions(ApiKey::ListOffsets) {
        let (_, call) = ask(ApiKey::ListOffsets, version, &theirs::ListOffsetsRequest::default());
        let refused = ListOffsetsPartitionResponse {
            tp: tp(1, 0),
            error: ErrorCode::OffsetNotAvailable,
            timestamp: -1,
            offset: -1,
            leader_epoch: -1,
        };
        let response = ListOffsetsResponse { partitions: vec![refused] };
        let read: theirs::ListOffsetsResponse = answer(&call, &Response::ListOffsets(response));
        assert_eq!(read.topics[0].partitions[0].error_code, if version >= 5 { 78 } else { 5 });
    }
}

/// So in Kafka (`maybeDownConvertStorageError`).
#[test]
fn old_clients_look_for_another_leader_where_a_disk_fails() {
    for version in versions(ApiKey::Fetch) {
        let asked = fetch(&[(tp(1, 0), (0, 0, 1))], version, false);
        let (_, call) = ask(ApiKey::Fetch, version, &asked);
        let refused = FetchPartitionResponse {
            tp: tp(1, 0),
            error: ErrorCode::KafkaStorageError,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            snapshot_id: None,
            current_leader: None,
            preferred_read_replica: None,
            aborted: None,
            records: records(&[]),
        };
        let (throttle_ms, error, session_id) = (0, ErrorCode::None, 0);
        let partitions = vec![refused];
        let response = FetchResponse { throttle_ms, error, session_id, partitions };
        let read: theirs::FetchResponse = answer(&call, &Response::Fetch(response));
        let told = read.responses[0].partitions[0].error_code;
        assert_eq!(told, if version >= 6 { 56 } else { 6 });
    }
}
