//! OffsetCommit, OffsetFetch, FindCoordinator.

use super::{Known, answer, ask, by_topic, frame, partitions, read, text, topic_name, versions};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    FindCoordinatorRequest, FindCoordinatorResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, Request, Response,
};

type Position = (i64, i32);

fn commit(
    parts: &[(TopicPartition, Position)],
    version: i16,
    generation: i32,
) -> theirs::OffsetCommitRequest {
    use theirs::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    let partition = |index, (offset, epoch): &Position| {
        let at = OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("why")));
        if version >= 6 { at.with_committed_leader_epoch(*epoch) } else { at }
    };
    let topics = by_topic(parts, partition, |topic, list| {
        OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(list)
    });
    theirs::OffsetCommitRequest::default()
        .with_group_id(theirs::GroupId(text("billing")))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(topics)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn commits_in_every_version(parts in partitions((0..i64::MAX, 0..9_i32))) {
        for version in versions(ApiKey::OffsetCommit) {
            let (request, call) = ask(ApiKey::OffsetCommit, version, &commit(&parts, version, -1));
            let epoch = |epoch: i32| if version >= 6 { epoch } else { -1 };
            let offsets = parts.iter().map(|(tp, at)| (*tp, at.0, epoch(at.1))).collect();
            let expected = OffsetCommitRequest { group: "billing".into(), offsets };
            prop_assert_eq!(request, Request::OffsetCommit(expected));

            let partitions = parts.iter().map(|(tp, _)| (*tp, ErrorCode::NotCoordinator)).collect();
            let response = Response::OffsetCommit(OffsetCommitResponse { partitions });
            let read: theirs::OffsetCommitResponse = answer(&call, &response);
            prop_assert_eq!(&read.topics[0].name, &topic_name(1));
            prop_assert_eq!(read.topics[0].partitions[0].error_code, 16);
        }
    }

    #[test]
    fn positions_in_every_version(parts in partitions((0..i64::MAX, 0..9_i32)), all in any::<bool>()) {
        for version in versions(ApiKey::OffsetFetch) {
            use theirs::offset_fetch_request::OffsetFetchRequestTopic;
            let topics = by_topic(&parts, |index, _| index, |topic, list| {
                OffsetFetchRequestTopic::default()
                    .with_name(topic_name(topic))
                    .with_partition_indexes(list)
            });
            let all = all && version >= 2;
            let body = theirs::OffsetFetchRequest::default()
                .with_group_id(theirs::GroupId(text("billing")))
                .with_topics((!all).then_some(topics));
            let (request, call) = ask(ApiKey::OffsetFetch, version, &body);
            let partitions = (!all).then(|| parts.iter().map(|(tp, _)| *tp).collect());
            let expected = OffsetFetchRequest { group: "billing".into(), partitions };
            prop_assert_eq!(request, Request::OffsetFetch(expected));

            let offsets = parts.iter().map(|(tp, at)| (*tp, at.0, at.1)).collect();
            let response = OffsetFetchResponse { error: ErrorCode::None, offsets };
            let read: theirs::OffsetFetchResponse = answer(&call, &Response::OffsetFetch(response));
            prop_assert_eq!(read.topics[0].partitions[0].committed_offset, parts[0].1.0);

            let error = ErrorCode::NotCoordinator;
            let response = OffsetFetchResponse { error, offsets: Vec::new() };
            let read: theirs::OffsetFetchResponse = answer(&call, &Response::OffsetFetch(response));
            let told = match version {
                1 => read.topics[0].partitions[0].error_code,
                _ => read.error_code,
            };
            prop_assert_eq!(told, 16);
        }
    }
}

#[test]
fn coordinators_in_every_version() {
    for version in versions(ApiKey::FindCoordinator) {
        let body = theirs::FindCoordinatorRequest::default().with_key(text("billing"));
        let (request, call) = ask(ApiKey::FindCoordinator, version, &body);
        let expected = FindCoordinatorRequest { key: "billing".into() };
        assert_eq!(request, Request::FindCoordinator(expected));
        for (node, error, told) in [(Some(2), 0, 2), (None, 15, -1), (Some(77), 15, -1)] {
            let found = FindCoordinatorResponse { error: ErrorCode::None, node: node.map(NodeId) };
            let read: theirs::FindCoordinatorResponse =
                answer(&call, &Response::FindCoordinator(found));
            assert_eq!((read.node_id.0, read.error_code), (told, error), "v{version} {node:?}");
        }
    }
}

#[test]
fn what_needs_members_or_transactions_is_refused_without_asking_the_broker() {
    let refused = |frame, version| match decode_request(frame, &Known) {
        Ok(Decoded::Answer(answer)) => (answer.to_bytes(), version),
        other => panic!("{other:?}"),
    };
    let parts = [(super::tp(1, 0), (5, 0))];
    let (answer, version) = refused(frame(ApiKey::OffsetCommit, 8, &commit(&parts, 8, 3)), 8);
    let answer: theirs::OffsetCommitResponse = read(answer, version);
    assert_eq!(answer.topics[0].partitions[0].error_code, 25);

    let body = theirs::FindCoordinatorRequest::default().with_key(text("t")).with_key_type(1);
    let (answer, version) = refused(frame(ApiKey::FindCoordinator, 3, &body), 3);
    assert_eq!(read::<theirs::FindCoordinatorResponse>(answer, version).error_code, 42);

    let id = theirs::TransactionalId(text("t"));
    let body = theirs::InitProducerIdRequest::default().with_transactional_id(Some(id));
    let (answer, version) = refused(frame(ApiKey::InitProducerId, 4, &body), 4);
    assert_eq!(read::<theirs::InitProducerIdResponse>(answer, version).error_code, 42);
}
