//! InitProducerId, coordinators and committed offsets.

use super::{HOST, check_request, check_response, text, topic, tp};
use crate::error::ErrorCode;
use crate::protocol as ours;
use crate::protocol::{Request, Response};
use kafka_protocol::messages as theirs;
use std::sync::Arc;

const GROUP: &str = "billing-v2";

fn position(index: i32, metadata: Option<&str>) -> ours::CommittedOffset {
    let metadata = metadata.map(Into::into);
    ours::CommittedOffset { tp: tp(1, index), offset: 5, leader_epoch: 1, metadata }
}

#[test]
fn init_producer_id() {
    let request =
        ours::InitProducerIdRequest { transactional: None, producer_id: -1, producer_epoch: -1 };
    let body = theirs::InitProducerIdRequest::default().with_transactional_id(None);
    check_request(Request::InitProducerId(request), body, 5);
    let response = ours::InitProducerIdResponse {
        error: ErrorCode::None,
        producer_id: 1000,
        producer_epoch: 0,
    };
    let body = theirs::InitProducerIdResponse::default();
    check_response(Response::InitProducerId(response), body, 5);
}

#[test]
fn find_coordinator() {
    let request = ours::FindCoordinatorRequest {
        kind: ours::CoordinatorKind::Group,
        keys: vec![Arc::from(GROUP)],
    };
    let body = theirs::FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
    check_request(Request::FindCoordinator(request), body, 6);
    let found =
        ours::FoundCoordinator { key: Arc::from(GROUP), error: ErrorCode::None, node: None };
    let response = ours::FindCoordinatorResponse { coordinators: vec![found] };
    let coordinator = theirs::find_coordinator_response::Coordinator::default()
        .with_key(text(GROUP))
        .with_error_message(None)
        .with_host(text(HOST));
    let body = theirs::FindCoordinatorResponse::default().with_coordinators(vec![coordinator]);
    check_response(Response::FindCoordinator(response), body, 6);
}

#[test]
fn offset_commit() {
    use theirs::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use theirs::offset_commit_response::{
        OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    };
    let offsets = (0..3).map(|index| position(index, None)).collect();
    let request = ours::OffsetCommitRequest::without_member(Arc::from(GROUP), offsets);
    let partition = OffsetCommitRequestPartition::default().with_committed_metadata(Some(text("")));
    let topics =
        OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition; 3]);
    let body = theirs::OffsetCommitRequest::default()
        .with_group_id(theirs::GroupId(text(GROUP)))
        .with_topics(vec![topics]);
    check_request(Request::OffsetCommit(Box::new(request)), body, 9);
    let partitions = (0..3).map(|index| (tp(1, index), ErrorCode::None)).collect();
    let response = ours::OffsetCommitResponse { partitions };
    let topics = OffsetCommitResponseTopic::default()
        .with_name(topic())
        .with_partitions(vec![OffsetCommitResponsePartition::default(); 3]);
    let body = theirs::OffsetCommitResponse::default().with_topics(vec![topics]);
    check_response(Response::OffsetCommit(response), body, 9);
}

#[test]
fn offset_fetch() {
    use theirs::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
    use theirs::offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    };
    let partitions = vec![tp(1, 0), tp(1, 1)];
    let asked = ours::OffsetFetchGroup {
        group: Arc::from(GROUP),
        partitions: Some(partitions),
        member: None,
    };
    let request = ours::OffsetFetchRequest { require_stable: true, groups: vec![asked] };
    let topics =
        OffsetFetchRequestTopics::default().with_name(topic()).with_partition_indexes(vec![0, 1]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(theirs::GroupId(text(GROUP)))
        .with_member_id(None)
        .with_topics(Some(vec![topics]));
    let body = theirs::OffsetFetchRequest::default().with_groups(vec![group]);
    check_request(Request::OffsetFetch(request), body, 9);
    let offsets = vec![position(0, Some("why")), position(1, Some("why"))];
    let group = Arc::from(GROUP);
    let answer = ours::OffsetFetchGroupResponse {
        group,
        error: ErrorCode::None,
        offsets,
        unstable: Vec::new(),
    };
    let response = ours::OffsetFetchResponse { groups: vec![answer] };
    let partition = OffsetFetchResponsePartitions::default().with_metadata(Some(text("why")));
    let topics =
        OffsetFetchResponseTopics::default().with_name(topic()).with_partitions(vec![partition; 2]);
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(theirs::GroupId(text(GROUP)))
        .with_topics(vec![topics]);
    let body = theirs::OffsetFetchResponse::default().with_groups(vec![group]);
    check_response(Response::OffsetFetch(response), body, 9);
}
