//! OffsetCommit, OffsetFetch, OffsetDelete, FindCoordinator.

use super::{answer, ask, by_topic, partitions, text, topic_name, versions};
use crate::apis::ApiKey;
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    CommittedOffset, CoordinatorKind, FindCoordinatorRequest, FindCoordinatorResponse,
    FoundCoordinator, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest,
    OffsetFetchResponse, Request, Response,
};

type Position = (i64, i32);

fn commit(parts: &[(TopicPartition, Position)], version: i16) -> theirs::OffsetCommitRequest {
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
    let body = theirs::OffsetCommitRequest::default()
        .with_group_id(theirs::GroupId(text("billing")))
        .with_member_id(text("a-1"))
        .with_generation_id_or_member_epoch(3)
        .with_topics(topics);
    if version >= 7 { body.with_group_instance_id(Some(text("a"))) } else { body }
}

fn positions(parts: &[(TopicPartition, Position)], with_epoch: bool) -> Vec<CommittedOffset> {
    let position = |(tp, (offset, epoch)): &(TopicPartition, Position)| CommittedOffset {
        tp: *tp,
        offset: *offset,
        leader_epoch: if with_epoch { *epoch } else { -1 },
        metadata: Some("why".into()),
    };
    parts.iter().map(position).collect()
}

fn fetched(error: ErrorCode, offsets: Vec<CommittedOffset>) -> Response {
    let group =
        OffsetFetchGroupResponse { group: "billing".into(), error, offsets, unstable: Vec::new() };
    Response::OffsetFetch(OffsetFetchResponse { groups: vec![group.clone(), group] })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn commits_in_every_version(parts in partitions((0..i64::MAX, 0..9_i32))) {
        for version in versions(ApiKey::OffsetCommit) {
            let (request, call) = ask(ApiKey::OffsetCommit, version, &commit(&parts, version));
            let expected = OffsetCommitRequest {
                group: "billing".into(),
                generation: 3,
                member: "a-1".into(),
                instance: (version >= 7).then(|| "a".into()),
                offsets: positions(&parts, version >= 6),
                knows_epochs: version >= 9,
            };
            prop_assert_eq!(request, Request::OffsetCommit(Box::new(expected)));

            let partitions = parts.iter().map(|(tp, _)| (*tp, ErrorCode::NotCoordinator)).collect();
            let response = Response::OffsetCommit(OffsetCommitResponse { partitions });
            let read: theirs::OffsetCommitResponse = answer(&call, &response);
            prop_assert_eq!(&read.topics[0].name, &topic_name(1));
            prop_assert_eq!(read.topics[0].partitions[0].error_code, 16);
        }
    }

    #[test]
    fn positions_in_every_version(parts in partitions((0..i64::MAX, 0..9_i32)), all in any::<bool>()) {
        for version in 1..=7 {
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
            let group = OffsetFetchGroup { group: "billing".into(), partitions, member: None };
            let expected = OffsetFetchRequest { require_stable: false, groups: vec![group] };
            prop_assert_eq!(request, Request::OffsetFetch(expected));

            let response = fetched(ErrorCode::None, positions(&parts, true));
            let read: theirs::OffsetFetchResponse = answer(&call, &response);
            let first = &read.topics[0].partitions[0];
            prop_assert_eq!(first.committed_offset, parts[0].1.0);
            prop_assert_eq!(first.metadata.as_deref(), Some("why"));

            let response = fetched(ErrorCode::NotCoordinator, Vec::new());
            let read: theirs::OffsetFetchResponse = answer(&call, &response);
            let told = match version {
                1 => read.topics[0].partitions[0].error_code,
                _ => read.error_code,
            };
            prop_assert_eq!(told, 16);
        }
    }

    #[test]
    fn positions_of_several_groups(parts in partitions((0..i64::MAX, 0..9_i32))) {
        for version in 8..=*versions(ApiKey::OffsetFetch).end() {
            use theirs::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
            let topics = by_topic(&parts, |index, _| index, |topic, list| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic_name(topic))
                    .with_partition_indexes(list)
            });
            let group = |name, topics| OffsetFetchRequestGroup::default()
                .with_group_id(theirs::GroupId(text(name)))
                .with_topics(topics);
            let body = theirs::OffsetFetchRequest::default()
                .with_groups(vec![group("billing", Some(topics)), group("audit", None)])
                .with_require_stable(true);
            let (request, call) = ask(ApiKey::OffsetFetch, version, &body);
            let partitions = Some(parts.iter().map(|(tp, _)| *tp).collect());
            let groups = vec![
                OffsetFetchGroup { group: "billing".into(), partitions, member: None },
                OffsetFetchGroup { group: "audit".into(), partitions: None, member: None },
            ];
            prop_assert_eq!(request, Request::OffsetFetch(OffsetFetchRequest { require_stable: true, groups }));

            let response = fetched(ErrorCode::None, positions(&parts, true));
            let read: theirs::OffsetFetchResponse = answer(&call, &response);
            let group = &read.groups[1];
            prop_assert_eq!(group.group_id.as_str(), "billing");
            prop_assert_eq!(group.topics[0].partitions[0].committed_leader_epoch, parts[0].1.1);
            let read: theirs::OffsetFetchResponse =
                answer(&call, &fetched(ErrorCode::NotCoordinator, Vec::new()));
            prop_assert_eq!(read.groups[0].error_code, 16);
        }
    }
}

#[test]
fn positions_are_deleted() {
    use theirs::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(4);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name(2))
        .with_partitions(vec![partition]);
    let body = theirs::OffsetDeleteRequest::default()
        .with_group_id(theirs::GroupId(text("billing")))
        .with_topics(vec![topic]);
    let (request, call) = ask(ApiKey::OffsetDelete, 0, &body);
    let at = super::tp(2, 4);
    let expected = OffsetDeleteRequest { group: "billing".into(), partitions: vec![at] };
    assert_eq!(request, Request::OffsetDelete(expected));
    let partitions = vec![(at, ErrorCode::GroupSubscribedToTopic)];
    let response = OffsetDeleteResponse { error: ErrorCode::None, partitions };
    let read: theirs::OffsetDeleteResponse = answer(&call, &Response::OffsetDelete(response));
    let partition = &read.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (4, 86));
}

#[test]
fn coordinators_in_every_version() {
    for version in versions(ApiKey::FindCoordinator) {
        let several = version >= 4;
        let body = theirs::FindCoordinatorRequest::default();
        let body = if several {
            body.with_coordinator_keys(vec![text("billing"), text("audit")])
        } else {
            body.with_key(text("billing"))
        };
        let (request, call) = ask(ApiKey::FindCoordinator, version, &body);
        let keys =
            if several { vec!["billing".into(), "audit".into()] } else { vec!["billing".into()] };
        assert_eq!(
            request,
            Request::FindCoordinator(FindCoordinatorRequest { kind: CoordinatorKind::Group, keys })
        );
        for (node, told_error, told_node) in [(Some(2), 0, 2), (None, 15, -1), (Some(77), 15, -1)] {
            let node = node.map(NodeId);
            let found = FoundCoordinator { key: "billing".into(), error: ErrorCode::None, node };
            let response = FindCoordinatorResponse { coordinators: vec![found] };
            let read: theirs::FindCoordinatorResponse =
                answer(&call, &Response::FindCoordinator(response));
            let told = if several {
                let only = &read.coordinators[0];
                assert_eq!(only.key.as_str(), "billing");
                (only.error_code, only.node_id.0)
            } else {
                (read.error_code, read.node_id.0)
            };
            assert_eq!(told, (told_error, told_node), "v{version} {node:?}");
        }
    }
}

#[test]
fn positions_of_an_open_transaction_must_be_asked_for_again() {
    use theirs::offset_fetch_request::OffsetFetchRequestGroup;
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(theirs::GroupId(text("billing")))
        .with_topics(None);
    let body = theirs::OffsetFetchRequest::default().with_groups(vec![group]);
    let (_, call) = ask(ApiKey::OffsetFetch, 8, &body);
    let at = super::tp(1, 0);
    let offsets = positions(&[(at, (42, 1))], true);
    let group = OffsetFetchGroupResponse {
        group: "billing".into(),
        error: ErrorCode::None,
        offsets,
        unstable: vec![at],
    };
    let response = Response::OffsetFetch(OffsetFetchResponse { groups: vec![group] });
    let read: theirs::OffsetFetchResponse = answer(&call, &response);
    let partition = &read.groups[0].topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.committed_offset), (88, -1));
}
