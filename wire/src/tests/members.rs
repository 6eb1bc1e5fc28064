//! Membership, and what tools ask of groups.

use super::{Known, answer, ask, frame, read, text, versions};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use bytes::Bytes;
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribedGroup, DescribedMember, GroupState, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, JoinedMember, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, ListedGroup, ListedState, Request, Response,
    SyncGroupRequest, SyncGroupResponse,
};

/// Names with what clients attach to them.
fn blobs() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    proptest::collection::vec(("[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..300)), 0..4)
}

fn ours(blobs: &[(String, Vec<u8>)]) -> Vec<(Arc<str>, Bytes)> {
    blobs.iter().map(|(name, blob)| (name.as_str().into(), blob.clone().into())).collect()
}

fn group() -> theirs::GroupId {
    theirs::GroupId(text("billing"))
}

fn instance(there: bool) -> Option<Arc<str>> {
    there.then(|| "instance-1".into())
}

fn join(blobs: &[(String, Vec<u8>)], version: i16, fixed: bool) -> theirs::JoinGroupRequest {
    use theirs::join_group_request::JoinGroupRequestProtocol;
    let protocol = |(name, blob): &(String, Vec<u8>)| {
        JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(blob.clone().into())
    };
    let body = theirs::JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_member_id(text("a-1"))
        .with_protocol_type(text("consumer"))
        .with_protocols(blobs.iter().map(protocol).collect());
    let body = if version >= 1 { body.with_rebalance_timeout_ms(60_000) } else { body };
    let body = if version >= 8 { body.with_reason(Some(text("why"))) } else { body };
    if fixed { body.with_group_instance_id(Some(text("instance-1"))) } else { body }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn joins_in_every_version(list in blobs(), fixed in any::<bool>()) {
        for version in versions(ApiKey::JoinGroup) {
            let fixed = fixed && version >= 5;
            let (request, call) = ask(ApiKey::JoinGroup, version, &join(&list, version, fixed));
            let expected = JoinGroupRequest {
                group: "billing".into(),
                member: "a-1".into(),
                instance: instance(fixed),
                session_timeout_ms: 10_000,
                rebalance_timeout_ms: if version >= 1 { 60_000 } else { 10_000 },
                protocol_type: "consumer".into(),
                protocols: ours(&list),
                requires_known_member: version >= 4,
                can_skip_assignment: version >= 9,
                client_id: "client-7".into(),
                client_host: "".into(),
            };
            prop_assert_eq!(request, Request::JoinGroup(Box::new(expected)));

            let member = |(name, metadata): (Arc<str>, Bytes)| JoinedMember {
                member: name,
                instance: instance(fixed),
                metadata,
            };
            let response = JoinGroupResponse {
                error: ErrorCode::None,
                generation: 4,
                protocol_type: Some("consumer".into()),
                protocol: Some("range".into()),
                leader: "a-1".into(),
                skip_assignment: true,
                member: "b-2".into(),
                members: ours(&list).into_iter().map(member).collect(),
            };
            let read: theirs::JoinGroupResponse =
                answer(&call, &Response::JoinGroup(Box::new(response)));
            prop_assert_eq!((read.generation_id, read.leader.as_str()), (4, "a-1"));
            prop_assert_eq!(read.protocol_name.as_deref(), Some("range"));
            prop_assert_eq!(read.skip_assignment, version >= 9);
            prop_assert_eq!(read.members.len(), list.len());
            for (member, (name, blob)) in read.members.iter().zip(&list) {
                prop_assert_eq!(member.member_id.as_str(), name.as_str());
                prop_assert_eq!(&member.metadata[..], &blob[..]);
                prop_assert_eq!(member.group_instance_id.is_some(), fixed);
            }
        }
    }

    #[test]
    fn syncs_in_every_version(list in blobs(), fixed in any::<bool>()) {
        use theirs::sync_group_request::SyncGroupRequestAssignment;
        for version in versions(ApiKey::SyncGroup) {
            let fixed = fixed && version >= 3;
            let given = |(name, blob): &(String, Vec<u8>)| SyncGroupRequestAssignment::default()
                .with_member_id(text(name))
                .with_assignment(blob.clone().into());
            let body = theirs::SyncGroupRequest::default()
                .with_group_id(group())
                .with_generation_id(4)
                .with_member_id(text("a-1"))
                .with_assignments(list.iter().map(given).collect());
            let body = if fixed { body.with_group_instance_id(Some(text("instance-1"))) } else { body };
            let body = if version >= 5 {
                body.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
            } else {
                body
            };
            let (request, call) = ask(ApiKey::SyncGroup, version, &body);
            let expected = SyncGroupRequest {
                group: "billing".into(),
                generation: 4,
                member: "a-1".into(),
                instance: instance(fixed),
                protocol_type: (version >= 5).then(|| "consumer".into()),
                protocol: (version >= 5).then(|| "range".into()),
                assignments: ours(&list),
            };
            prop_assert_eq!(request, Request::SyncGroup(Box::new(expected)));
            let response = SyncGroupResponse {
                error: ErrorCode::None,
                protocol_type: Some("consumer".into()),
                protocol: Some("range".into()),
                assignment: Bytes::from_static(b"what it reads"),
            };
            let read: theirs::SyncGroupResponse =
                answer(&call, &Response::SyncGroup(Box::new(response)));
            prop_assert_eq!(&read.assignment[..], b"what it reads");
            prop_assert_eq!(read.protocol_name.is_some(), version >= 5);
        }
    }
}

/// KIP-559, Kafka's `KafkaApis.handleSyncGroupRequest`.
#[test]
fn who_does_not_name_its_kind_of_group_and_protocol_is_refused() {
    let names = [(None, None), (Some("consumer"), None), (None, Some("range"))];
    for (kind, protocol) in names {
        let body = theirs::SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(4)
            .with_member_id(text("a-1"))
            .with_protocol_type(kind.map(text))
            .with_protocol_name(protocol.map(text));
        let asked = decode_request(frame(ApiKey::SyncGroup, 5, &body), &Known);
        let Ok(Decoded::Answer(told)) = asked else { panic!("{asked:?}") };
        let told: theirs::SyncGroupResponse = read(told.to_bytes(), 5);
        assert_eq!((told.error_code, told.protocol_type, told.assignment.len()), (23, None, 0));
    }
    let body = theirs::SyncGroupRequest::default().with_group_id(group());
    assert!(matches!(ask(ApiKey::SyncGroup, 4, &body).0, Request::SyncGroup(_)));
}

#[test]
fn a_join_that_is_refused_in_every_version() {
    for version in versions(ApiKey::JoinGroup) {
        let (_, call) = ask(ApiKey::JoinGroup, version, &join(&[], version, false));
        let response = JoinGroupResponse {
            error: ErrorCode::MemberIdRequired,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member: "a-2".into(),
            members: Vec::new(),
        };
        let read: theirs::JoinGroupResponse =
            answer(&call, &Response::JoinGroup(Box::new(response)));
        assert_eq!((read.error_code, read.member_id.as_str()), (79, "a-2"));
        assert_eq!(read.protocol_name.is_some(), version < 7, "v{version}");
    }
}

#[test]
fn heartbeats_in_every_version() {
    for version in versions(ApiKey::Heartbeat) {
        let fixed = version >= 3;
        let body = theirs::HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(4)
            .with_member_id(text("a-1"))
            .with_group_instance_id(fixed.then(|| text("instance-1")));
        let (request, call) = ask(ApiKey::Heartbeat, version, &body);
        let expected = HeartbeatRequest {
            group: "billing".into(),
            generation: 4,
            member: "a-1".into(),
            instance: instance(fixed),
        };
        assert_eq!(request, Request::Heartbeat(Box::new(expected)));
        let response = HeartbeatResponse { error: ErrorCode::RebalanceInProgress };
        let read: theirs::HeartbeatResponse = answer(&call, &Response::Heartbeat(response));
        assert_eq!(read.error_code, 27);
    }
}

#[test]
fn departures_in_every_version() {
    use theirs::leave_group_request::MemberIdentity;
    for version in versions(ApiKey::LeaveGroup) {
        let body = theirs::LeaveGroupRequest::default().with_group_id(group());
        let (body, members) = if version >= 3 {
            let by_id = MemberIdentity::default().with_member_id(text("a-1"));
            let by_instance =
                MemberIdentity::default().with_group_instance_id(Some(text("instance-1")));
            let expected = vec![("a-1".into(), None), ("".into(), instance(true))];
            (body.with_members(vec![by_id, by_instance]), expected)
        } else {
            (body.with_member_id(text("a-1")), vec![("a-1".into(), None)])
        };
        let (request, call) = ask(ApiKey::LeaveGroup, version, &body);
        let expected = LeaveGroupRequest { group: "billing".into(), members };
        assert_eq!(request, Request::LeaveGroup(expected));
        let members = vec![("a-1".into(), None, ErrorCode::UnknownMemberId)];
        let response = LeaveGroupResponse { error: ErrorCode::None, members };
        let read: theirs::LeaveGroupResponse = answer(&call, &Response::LeaveGroup(response));
        let told = if version >= 3 { read.members[0].error_code } else { read.error_code };
        assert_eq!((told, read.error_code == 0), (25, version >= 3), "v{version}");
    }
}

#[test]
fn descriptions_in_every_version() {
    for version in versions(ApiKey::DescribeGroups) {
        let body = theirs::DescribeGroupsRequest::default().with_groups(vec![group()]);
        let (request, call) = ask(ApiKey::DescribeGroups, version, &body);
        let expected = DescribeGroupsRequest { groups: vec!["billing".into()] };
        assert_eq!(request, Request::DescribeGroups(expected));
        let member = DescribedMember {
            member: "a-1".into(),
            instance: instance(version >= 4),
            client_id: "a".into(),
            client_host: "/127.0.0.1".into(),
            metadata: Bytes::from_static(b"topics"),
            assignment: Bytes::from_static(b"partitions"),
        };
        let there = DescribedGroup {
            error: ErrorCode::None,
            group: "billing".into(),
            state: Some(GroupState::Stable),
            protocol_type: "consumer".into(),
            protocol: "range".into(),
            members: vec![member],
        };
        let gone = DescribedGroup {
            error: ErrorCode::GroupIdNotFound,
            state: Some(GroupState::Dead),
            protocol: "".into(),
            members: Vec::new(),
            ..there.clone()
        };
        let elsewhere =
            DescribedGroup { error: ErrorCode::NotCoordinator, state: None, ..gone.clone() };
        let response = DescribeGroupsResponse { groups: vec![there, gone, elsewhere] };
        let read: theirs::DescribeGroupsResponse =
            answer(&call, &Response::DescribeGroups(response));
        let members = &read.groups[0].members;
        assert_eq!(members[0].client_host.as_str(), "/127.0.0.1");
        assert_eq!(&members[0].member_assignment[..], b"partitions");
        let errors: Vec<_> = read.groups.iter().map(|group| group.error_code).collect();
        assert_eq!(errors, [0, if version >= 6 { 69 } else { 0 }, 16], "v{version}");
        let states: Vec<_> = read.groups.iter().map(|group| group.group_state.as_str()).collect();
        assert_eq!(states, ["Stable", "Dead", ""]);
    }
}

#[test]
fn lists_in_every_version() {
    for version in versions(ApiKey::ListGroups) {
        let body = theirs::ListGroupsRequest::default();
        let body = if version >= 4 { body.with_states_filter(vec![text("Empty")]) } else { body };
        let body = if version >= 5 { body.with_types_filter(vec![text("classic")]) } else { body };
        let (request, call) = ask(ApiKey::ListGroups, version, &body);
        let only = |from, name: &str| if version >= from { vec![name.into()] } else { Vec::new() };
        let expected = ListGroupsRequest { states: only(4, "Empty"), types: only(5, "classic") };
        assert_eq!(request, Request::ListGroups(expected));
        let listed = ListedGroup {
            group: "billing".into(),
            protocol_type: "consumer".into(),
            state: ListedState::Classic(GroupState::PreparingRebalance),
        };
        let response = ListGroupsResponse { error: ErrorCode::None, groups: vec![listed] };
        let read: theirs::ListGroupsResponse = answer(&call, &Response::ListGroups(response));
        let state = if version >= 4 { "PreparingRebalance" } else { "" };
        assert_eq!(read.groups[0].group_state.as_str(), state);
        assert_eq!(read.groups[0].group_type.as_str(), if version >= 5 { "classic" } else { "" });
    }
}

#[test]
fn deletions_in_every_version() {
    for version in versions(ApiKey::DeleteGroups) {
        let body = theirs::DeleteGroupsRequest::default().with_groups_names(vec![group()]);
        let (request, call) = ask(ApiKey::DeleteGroups, version, &body);
        let expected = DeleteGroupsRequest { groups: vec!["billing".into()] };
        assert_eq!(request, Request::DeleteGroups(expected));
        let groups = vec![("billing".into(), ErrorCode::NonEmptyGroup)];
        let response = DeleteGroupsResponse { groups };
        let read: theirs::DeleteGroupsResponse = answer(&call, &Response::DeleteGroups(response));
        assert_eq!(read.results[0].error_code, 68);
    }
}
