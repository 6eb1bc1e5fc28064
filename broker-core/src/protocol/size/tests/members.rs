//! Membership, and what tools ask of groups.

use super::{TOPIC, check_request, check_response, text, topic, tp};
use crate::error::ErrorCode;
use crate::protocol as ours;
use crate::protocol::{Request, Response};
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use std::sync::Arc;

const GROUP: &str = "billing-v2";
const MEMBER: &str = "client-c33f0ce4-1442-47c3-8544-1d9c6f2cae18";
const INSTANCE: &str = "instance-1";
const BLOB: Bytes = Bytes::from_static(b"some bytes that mean something to clients");

fn group() -> theirs::GroupId {
    theirs::GroupId(text(GROUP))
}

fn arc(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[test]
fn join_group() {
    use theirs::join_group_request::JoinGroupRequestProtocol;
    use theirs::join_group_response::JoinGroupResponseMember;
    let request = ours::JoinGroupRequest {
        group: arc(GROUP),
        member: arc(MEMBER),
        instance: Some(arc(INSTANCE)),
        session_timeout_ms: 1,
        rebalance_timeout_ms: 2,
        protocol_type: arc("consumer"),
        protocols: vec![(arc("range"), BLOB), (arc("sticky"), BLOB)],
        requires_known_member: true,
        can_skip_assignment: true,
        client_id: arc("client"),
        client_host: arc("/127.0.0.1"),
    };
    let protocol =
        |name| JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(BLOB);
    let body = theirs::JoinGroupRequest::default()
        .with_group_id(group())
        .with_member_id(text(MEMBER))
        .with_group_instance_id(Some(text(INSTANCE)))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol("range"), protocol("sticky")]);
    check_request(Request::JoinGroup(Box::new(request)), body, 9);
    let member =
        ours::JoinedMember { member: arc(MEMBER), instance: Some(arc(INSTANCE)), metadata: BLOB };
    let response = ours::JoinGroupResponse {
        error: ErrorCode::None,
        generation: 1,
        protocol_type: Some(arc("consumer")),
        protocol: Some(arc("range")),
        leader: arc(MEMBER),
        skip_assignment: false,
        member: arc(MEMBER),
        members: vec![member; 3],
    };
    let member = JoinGroupResponseMember::default()
        .with_member_id(text(MEMBER))
        .with_group_instance_id(Some(text(INSTANCE)))
        .with_metadata(BLOB);
    let body = theirs::JoinGroupResponse::default()
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_leader(text(MEMBER))
        .with_member_id(text(MEMBER))
        .with_members(vec![member; 3]);
    check_response(Response::JoinGroup(Box::new(response)), body, 9);
}

#[test]
fn sync_group() {
    use theirs::sync_group_request::SyncGroupRequestAssignment;
    let request = ours::SyncGroupRequest {
        group: arc(GROUP),
        generation: 1,
        member: arc(MEMBER),
        instance: None,
        protocol_type: Some(arc("consumer")),
        protocol: Some(arc("range")),
        assignments: vec![(arc(MEMBER), BLOB); 2],
    };
    let given =
        SyncGroupRequestAssignment::default().with_member_id(text(MEMBER)).with_assignment(BLOB);
    let body = theirs::SyncGroupRequest::default()
        .with_group_id(group())
        .with_member_id(text(MEMBER))
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignments(vec![given; 2]);
    check_request(Request::SyncGroup(Box::new(request)), body, 5);
    let response = ours::SyncGroupResponse {
        error: ErrorCode::None,
        protocol_type: Some(arc("consumer")),
        protocol: Some(arc("range")),
        assignment: BLOB,
    };
    let body = theirs::SyncGroupResponse::default()
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignment(BLOB);
    check_response(Response::SyncGroup(Box::new(response)), body, 5);
}

#[test]
fn heartbeat_and_leave() {
    let request = ours::HeartbeatRequest {
        group: arc(GROUP),
        generation: 1,
        member: arc(MEMBER),
        instance: None,
    };
    let body =
        theirs::HeartbeatRequest::default().with_group_id(group()).with_member_id(text(MEMBER));
    check_request(Request::Heartbeat(Box::new(request)), body, 4);
    let response = ours::HeartbeatResponse { error: ErrorCode::None };
    check_response(Response::Heartbeat(response), theirs::HeartbeatResponse::default(), 4);

    use theirs::leave_group_request::MemberIdentity;
    let gone = vec![(arc(MEMBER), None), (arc(""), Some(arc(INSTANCE)))];
    let members = vec![
        MemberIdentity::default().with_member_id(text(MEMBER)),
        MemberIdentity::default().with_group_instance_id(Some(text(INSTANCE))),
    ];
    let request = ours::LeaveGroupRequest { group: arc(GROUP), members: gone.clone() };
    let body = theirs::LeaveGroupRequest::default().with_group_id(group()).with_members(members);
    check_request(Request::LeaveGroup(request), body, 5);
    use theirs::leave_group_response::MemberResponse;
    let members = gone.into_iter().map(|(id, instance)| (id, instance, ErrorCode::None)).collect();
    let response = ours::LeaveGroupResponse { error: ErrorCode::None, members };
    let members = vec![
        MemberResponse::default().with_member_id(text(MEMBER)),
        MemberResponse::default().with_group_instance_id(Some(text(INSTANCE))),
    ];
    let body = theirs::LeaveGroupResponse::default().with_members(members);
    check_response(Response::LeaveGroup(response), body, 5);
}

#[test]
fn describe_and_list() {
    use theirs::describe_groups_response as described;
    let request = ours::DescribeGroupsRequest { groups: vec![arc(GROUP); 2] };
    let body = theirs::DescribeGroupsRequest::default().with_groups(vec![group(); 2]);
    check_request(Request::DescribeGroups(request), body, 6);
    let member = ours::DescribedMember {
        member: arc(MEMBER),
        instance: None,
        client_id: arc("client"),
        client_host: arc("/127.0.0.1"),
        metadata: BLOB,
        assignment: BLOB,
    };
    let one = ours::DescribedGroup {
        error: ErrorCode::None,
        group: arc(GROUP),
        state: Some(ours::GroupState::PreparingRebalance),
        protocol_type: arc("consumer"),
        protocol: arc("range"),
        members: vec![member; 2],
    };
    let response = ours::DescribeGroupsResponse { groups: vec![one] };
    let member = described::DescribedGroupMember::default()
        .with_member_id(text(MEMBER))
        .with_client_id(text("client"))
        .with_client_host(text("/127.0.0.1"))
        .with_member_metadata(BLOB)
        .with_member_assignment(BLOB);
    let one = described::DescribedGroup::default()
        .with_group_id(group())
        .with_error_message(None)
        .with_group_state(text("PreparingRebalance"))
        .with_protocol_type(text("consumer"))
        .with_protocol_data(text("range"))
        .with_members(vec![member; 2]);
    let body = theirs::DescribeGroupsResponse::default().with_groups(vec![one]);
    check_response(Response::DescribeGroups(response), body, 6);

    let request = ours::ListGroupsRequest { states: vec![arc("Stable")], types: Vec::new() };
    let body = theirs::ListGroupsRequest::default().with_states_filter(vec![text("Stable")]);
    check_request(Request::ListGroups(request), body, 5);
    let one = ours::ListedGroup {
        group: arc(GROUP),
        protocol_type: arc("consumer"),
        state: ours::ListedState::Classic(ours::GroupState::Stable),
    };
    let response = ours::ListGroupsResponse { error: ErrorCode::None, groups: vec![one] };
    let one = theirs::list_groups_response::ListedGroup::default()
        .with_group_id(group())
        .with_protocol_type(text("consumer"))
        .with_group_state(text("Stable"))
        .with_group_type(text("classic"));
    let body = theirs::ListGroupsResponse::default().with_groups(vec![one]);
    check_response(Response::ListGroups(response), body, 5);
}

#[test]
fn deletions() {
    let request = ours::DeleteGroupsRequest { groups: vec![arc(GROUP)] };
    let body = theirs::DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    check_request(Request::DeleteGroups(request), body, 2);
    let response = ours::DeleteGroupsResponse { groups: vec![(arc(GROUP), ErrorCode::None)] };
    let one =
        theirs::delete_groups_response::DeletableGroupResult::default().with_group_id(group());
    let body = theirs::DeleteGroupsResponse::default().with_results(vec![one]);
    check_response(Response::DeleteGroups(response), body, 2);

    use theirs::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    use theirs::offset_delete_response::{
        OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
    };
    assert_eq!(TOPIC.len(), 16);
    let partitions = vec![tp(1, 0), tp(1, 1)];
    let request = ours::OffsetDeleteRequest { group: arc(GROUP), partitions: partitions.clone() };
    let one = OffsetDeleteRequestTopic::default()
        .with_name(topic())
        .with_partitions(vec![OffsetDeleteRequestPartition::default(); 2]);
    let body = theirs::OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![one]);
    check_request(Request::OffsetDelete(request), body, 0);
    let partitions = partitions.into_iter().map(|tp| (tp, ErrorCode::None)).collect();
    let response = ours::OffsetDeleteResponse { error: ErrorCode::None, partitions };
    let one = OffsetDeleteResponseTopic::default()
        .with_name(topic())
        .with_partitions(vec![OffsetDeleteResponsePartition::default(); 2]);
    let body = theirs::OffsetDeleteResponse::default().with_topics(vec![one]);
    check_response(Response::OffsetDelete(response), body, 0);
}

#[test]
fn consumer_group_heartbeat() {
    use theirs::consumer_group_heartbeat_request::TopicPartitions;
    use theirs::consumer_group_heartbeat_response as answer;
    let request = ours::ConsumerGroupHeartbeatRequest {
        group: arc(GROUP),
        member: arc(MEMBER),
        epoch: 3,
        instance: Some(arc(INSTANCE)),
        rack: None,
        rebalance_timeout_ms: 1,
        topics: Some(vec![arc(TOPIC), arc(TOPIC)]),
        regex: Some(arc("a.*")),
        assignor: Some(arc("uniform")),
        owned: Some(vec![tp(1, 0), tp(1, 1)]),
        makes_member_id: true,
        client_id: arc("client"),
        client_host: arc("/127.0.0.1"),
    };
    let topics = TopicPartitions::default().with_partitions(vec![0, 1]);
    let body = theirs::ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text(MEMBER))
        .with_instance_id(Some(text(INSTANCE)))
        .with_subscribed_topic_names(Some(vec![topic(), topic()]))
        .with_subscribed_topic_regex(Some(text("a.*")))
        .with_server_assignor(Some(text("uniform")))
        .with_topic_partitions(Some(vec![topics]));
    check_request(Request::ConsumerGroupHeartbeat(Box::new(request)), body, 1);
    for assignment in [None, Some(vec![tp(1, 0), tp(1, 1)])] {
        let topics = answer::TopicPartitions::default().with_partitions(vec![0, 1]);
        let given = answer::Assignment::default().with_topic_partitions(vec![topics]);
        let body = theirs::ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(text(MEMBER)))
            .with_assignment(assignment.as_ref().map(|_| given));
        let response = ours::ConsumerGroupHeartbeatResponse {
            error: ErrorCode::None,
            message: None,
            member: Some(arc(MEMBER)),
            epoch: 3,
            heartbeat_interval_ms: 5000,
            assignment,
        };
        check_response(Response::ConsumerGroupHeartbeat(Box::new(response)), body, 1);
    }
}

#[test]
fn consumer_group_describe() {
    use theirs::consumer_group_describe_response as answer;
    let request = ours::ConsumerGroupDescribeRequest { groups: vec![arc(GROUP); 2] };
    let body = theirs::ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(); 2]);
    check_request(Request::ConsumerGroupDescribe(request), body, 1);
    let member = ours::DescribedConsumer {
        member: arc(MEMBER),
        instance: Some(arc(INSTANCE)),
        rack: None,
        epoch: 1,
        client_id: arc("client"),
        client_host: arc("/127.0.0.1"),
        topics: vec![arc(TOPIC)],
        regex: None,
        assignment: vec![tp(1, 0), tp(1, 1)],
        target: Vec::new(),
    };
    let response = ours::DescribedConsumerGroup {
        error: ErrorCode::None,
        message: None,
        group: arc(GROUP),
        state: Some(ours::ConsumerGroupState::Stable),
        epoch: 1,
        assignment_epoch: 1,
        assignor: arc("uniform"),
        members: vec![member],
    };
    let topics =
        answer::TopicPartitions::default().with_topic_name(topic()).with_partitions(vec![0, 1]);
    let member = answer::Member::default()
        .with_member_id(text(MEMBER))
        .with_instance_id(Some(text(INSTANCE)))
        .with_client_id(text("client"))
        .with_client_host(text("/127.0.0.1"))
        .with_subscribed_topic_names(vec![topic()])
        .with_assignment(answer::Assignment::default().with_topic_partitions(vec![topics]));
    let body = answer::DescribedGroup::default()
        .with_group_id(group())
        .with_group_state(text("Stable"))
        .with_assignor_name(text("uniform"))
        .with_members(vec![member]);
    let body = theirs::ConsumerGroupDescribeResponse::default().with_groups(vec![body]);
    let response = ours::ConsumerGroupDescribeResponse { groups: vec![response] };
    check_response(Response::ConsumerGroupDescribe(response), body, 1);
}
