//! Raft messages.

use super::{CLUSTER_ID, check_request, check_response, text};
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::protocol as ours;
use crate::protocol::{LeaderAndEpoch, Request, Response, SnapshotId};
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::StrBytes;

const METADATA: theirs::TopicName =
    theirs::TopicName(StrBytes::from_static_str("__cluster_metadata"));

#[test]
fn vote() {
    use theirs::{vote_request as ask, vote_response as answer};
    let request = ours::VoteRequest {
        epoch: 3,
        candidate: NodeId(1),
        last_offset_epoch: 2,
        last_offset: 100,
        pre_vote: true,
    };
    let topic = ask::TopicData::default()
        .with_topic_name(METADATA)
        .with_partitions(vec![ask::PartitionData::default()]);
    let body = theirs::VoteRequest::default()
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_topics(vec![topic]);
    check_request(Request::Vote(request), body, 2);
    let response =
        ours::VoteResponse { error: ErrorCode::None, leader: None, epoch: 3, granted: true };
    let topic = answer::TopicData::default()
        .with_topic_name(METADATA)
        .with_partitions(vec![answer::PartitionData::default()]);
    check_response(
        Response::Vote(response),
        theirs::VoteResponse::default().with_topics(vec![topic]),
        2,
    );
}

#[test]
fn begin_quorum_epoch() {
    use theirs::{begin_quorum_epoch_request as ask, begin_quorum_epoch_response as answer};
    let request = ours::BeginQuorumEpochRequest { leader: NodeId(1), epoch: 3 };
    let topic = ask::TopicData::default()
        .with_topic_name(METADATA)
        .with_partitions(vec![ask::PartitionData::default()]);
    let body = theirs::BeginQuorumEpochRequest::default()
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_topics(vec![topic]);
    check_request(Request::BeginQuorumEpoch(request), body, 0);
    let response =
        ours::BeginQuorumEpochResponse { error: ErrorCode::None, leader: None, epoch: 3 };
    let topic = answer::TopicData::default()
        .with_topic_name(METADATA)
        .with_partitions(vec![answer::PartitionData::default()]);
    let body = theirs::BeginQuorumEpochResponse::default().with_topics(vec![topic]);
    check_response(Response::BeginQuorumEpoch(response), body, 0);
}

#[test]
fn end_quorum_epoch() {
    use theirs::{end_quorum_epoch_request as ask, end_quorum_epoch_response as answer};
    let request = ours::EndQuorumEpochRequest {
        leader: NodeId(1),
        epoch: 3,
        preferred_successors: vec![NodeId(2), NodeId(3)],
    };
    let partition = ask::PartitionData::default().with_preferred_successors(vec![2, 3]);
    let topic =
        ask::TopicData::default().with_topic_name(METADATA).with_partitions(vec![partition]);
    let body = theirs::EndQuorumEpochRequest::default()
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_topics(vec![topic]);
    check_request(Request::EndQuorumEpoch(request), body, 0);
    let response = ours::EndQuorumEpochResponse { error: ErrorCode::None, epoch: 3 };
    let topic = answer::TopicData::default()
        .with_topic_name(METADATA)
        .with_partitions(vec![answer::PartitionData::default()]);
    let body = theirs::EndQuorumEpochResponse::default().with_topics(vec![topic]);
    check_response(Response::EndQuorumEpoch(response), body, 0);
}

#[test]
fn fetch_snapshot() {
    use theirs::{fetch_snapshot_request as ask, fetch_snapshot_response as answer};
    let snapshot_id = SnapshotId { end_offset: 100, epoch: 3 };
    let request = ours::FetchSnapshotRequest {
        replica: NodeId(2),
        current_leader_epoch: 3,
        snapshot_id,
        position: 0,
        max_bytes: 1 << 20,
    };
    let topic = ask::TopicSnapshot::default()
        .with_name(METADATA)
        .with_partitions(vec![ask::PartitionSnapshot::default()]);
    let body = theirs::FetchSnapshotRequest::default()
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_topics(vec![topic]);
    check_request(Request::FetchSnapshot(request), body, 0);
    let response = ours::FetchSnapshotResponse {
        error: ErrorCode::None,
        current_leader: Some(LeaderAndEpoch { leader: NodeId(1), epoch: 3 }),
        snapshot_id,
        size: 5000,
        position: 0,
        bytes: Bytes::from(vec![0; 5000]),
    };
    let leader = answer::LeaderIdAndEpoch::default().with_leader_id(1.into()).with_leader_epoch(3);
    let partition = answer::PartitionSnapshot::default()
        .with_current_leader(leader)
        .with_unaligned_records(Bytes::from(vec![0; 5000]));
    let topic =
        answer::TopicSnapshot::default().with_name(METADATA).with_partitions(vec![partition]);
    let body = theirs::FetchSnapshotResponse::default().with_topics(vec![topic]);
    check_response(Response::FetchSnapshot(Box::new(response)), body, 0);
}
