//! Members of groups, in the classic protocol and in that of KIP-848.

use super::{Script, TOPIC, group, text, topic};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

const GROUP: &str = "team";
const CONSUMERS: &str = "consumers";

pub(super) fn all(script: &mut Script) {
    refused(script);
    classic(script);
    consumer(script);
}

fn join(member: StrBytes, version: i16) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\x01\0\0\0\0\0\0\0\0"));
    let request = JoinGroupRequest::default()
        .with_group_id(group(GROUP))
        .with_session_timeout_ms(30_000)
        .with_member_id(member)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    if version >= 1 { request.with_rebalance_timeout_ms(5_000) } else { request }
}

fn sync(member: &StrBytes, generation: i32, version: i16) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"all of it"));
    let request = SyncGroupRequest::default()
        .with_group_id(group(GROUP))
        .with_generation_id(generation)
        .with_member_id(member.clone())
        .with_assignments(vec![assignment]);
    if version < 5 {
        return request;
    }
    request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
}

fn heartbeat(member: &StrBytes, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(GROUP))
        .with_generation_id(generation)
        .with_member_id(member.clone())
}

fn leave(member: &StrBytes, version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group(GROUP));
    if version >= 3 {
        return request
            .with_members(vec![MemberIdentity::default().with_member_id(member.clone())]);
    }
    request.with_member_id(member.clone())
}

/// What is asked of a group that is not there, or in no way that makes sense.
fn refused(script: &mut Script) {
    let nobody = text("nobody");
    script.every("Heartbeat, no such group", |_, _| heartbeat(&nobody, 1));
    script.every("LeaveGroup, no such group", |_, version| leave(&nobody, version));
    script.every("SyncGroup, no such group", |_, version| sync(&nobody, 1, version));
    script.every("JoinGroup, a member of nowhere", |_, version| join(nobody.clone(), version));
    script.every("JoinGroup, a short session", |_, version| {
        join(StrBytes::default(), version).with_session_timeout_ms(1)
    });
    script.every("JoinGroup, a long session", |_, version| {
        join(StrBytes::default(), version).with_session_timeout_ms(i32::MAX)
    });
    script.every("JoinGroup, no group", |_, version| {
        join(StrBytes::default(), version).with_group_id(group(""))
    });
    script.every("JoinGroup, no protocols", |_, version| {
        join(StrBytes::default(), version).with_protocols(Vec::new())
    });
    script.every("JoinGroup, no kind of protocol", |_, version| {
        join(StrBytes::default(), version).with_protocol_type(StrBytes::default())
    });
    script.every("Heartbeat, no group", |_, _| heartbeat(&nobody, 1).with_group_id(group("")));
    script.every("SyncGroup, no group", |_, version| {
        sync(&nobody, 1, version).with_group_id(group(""))
    });
    script.every("LeaveGroup, no group", |_, version| {
        leave(&nobody, version).with_group_id(group(""))
    });
}

/// One member from its first question to its last.
fn classic(script: &mut Script) {
    let first =
        script.once("JoinGroup, without an id", |_, version| join(StrBytes::default(), version));
    let Some((ours, theirs)) = first else { return };
    let (left, right) = (ours.member_id, theirs.member_id);
    let own = script.own_of(left, right);
    script.once("JoinGroup, with the id", |peer, version| join(own(peer), version));
    script.every("DescribeGroups, amid a rebalance", |_, _| {
        DescribeGroupsRequest::default().with_groups(vec![group(GROUP)])
    });
    script.every("Heartbeat, before the assignment", |peer, _| heartbeat(&own(peer), 1));
    script.once("SyncGroup, another protocol", |peer, version| {
        sync(&own(peer), 1, version).with_protocol_name(Some(text("sticky")))
    });
    script.once("SyncGroup, an older generation", |peer, version| sync(&own(peer), 0, version));
    script.every("SyncGroup, the leader", |peer, version| sync(&own(peer), 1, version));
    script.every("Heartbeat, in time", |peer, _| heartbeat(&own(peer), 1));
    script.every("Heartbeat, another generation", |peer, _| heartbeat(&own(peer), 7));
    script.every("Heartbeat, another member", |_, _| heartbeat(&text("nobody"), 1));
    script.every("DescribeGroups, stable", |_, _| {
        DescribeGroupsRequest::default().with_groups(vec![group(GROUP)])
    });
    script.every("ListGroups, with a stable one", |_, _| ListGroupsRequest::default());
    script.every("DeleteGroups, with members", |_, _| {
        DeleteGroupsRequest::default().with_groups_names(vec![group(GROUP)])
    });
    script.once("JoinGroup, another kind of protocol", |_, version| {
        join(StrBytes::default(), version).with_protocol_type(text("connect"))
    });
    script.once("JoinGroup, nothing in common", |_, version| {
        let mut request = join(StrBytes::default(), version);
        request.protocols[0].name = text("sticky");
        request
    });
    script.every("LeaveGroup, another member", |_, version| leave(&text("nobody"), version));
    script.once("LeaveGroup, the member", |peer, version| leave(&own(peer), version));
    script.every("Heartbeat, after it has left", |peer, _| heartbeat(&own(peer), 1));
    script.every("DescribeGroups, left", |_, _| {
        DescribeGroupsRequest::default().with_groups(vec![group(GROUP)])
    });
}

fn beat(member: StrBytes, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(CONSUMERS))
        .with_member_id(member)
        .with_member_epoch(epoch)
}

fn joining(member: StrBytes) -> ConsumerGroupHeartbeatRequest {
    beat(member, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic(TOPIC)]))
        .with_topic_partitions(Some(Vec::new()))
}

fn consumer(script: &mut Script) {
    let member = || text("kF1ZRZWiQzypYpTVOhVSnQ");
    script.every("ConsumerGroupHeartbeat, no group", |_, _| {
        joining(member()).with_group_id(group(""))
    });
    script.every("ConsumerGroupHeartbeat, epoch 3 of nowhere", |_, _| beat(member(), 3));
    script.every("ConsumerGroupHeartbeat, epoch -7", |_, _| beat(member(), -7));
    script.every("ConsumerGroupHeartbeat, no time to rebalance", |_, _| {
        joining(member()).with_rebalance_timeout_ms(-1)
    });
    script.every("ConsumerGroupHeartbeat, no topics", |_, _| {
        joining(member()).with_subscribed_topic_names(None)
    });
    script.every("ConsumerGroupHeartbeat, an unknown assignor", |_, _| {
        joining(member()).with_server_assignor(Some(text("random")))
    });
    script.every("ConsumerGroupHeartbeat, a bad pattern", |_, version| {
        let pattern = (version >= 1).then(|| text("[a"));
        let request = joining(member()).with_subscribed_topic_regex(pattern);
        if version >= 1 { request.with_subscribed_topic_names(None) } else { request }
            .with_group_id(group("patterns"))
    });
    script.once("ConsumerGroupHeartbeat, joins", |_, _| joining(member()));
    script.once("ConsumerGroupHeartbeat, an epoch to come", |_, _| beat(member(), 99));
    script.once("ConsumerGroupHeartbeat, another member's epoch", |_, _| beat(text("other"), 1));
    script.every("ConsumerGroupDescribe, with a member", |_, _| {
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(CONSUMERS)])
    });
    script.every("DescribeGroups, of the consumer protocol", |_, _| {
        DescribeGroupsRequest::default().with_groups(vec![group(CONSUMERS)])
    });
    script.every("ListGroups, of both protocols", |_, _| ListGroupsRequest::default());
    script.once("ConsumerGroupHeartbeat, leaves", |_, _| beat(member(), -1));
    script.every("ConsumerGroupDescribe, left", |_, _| {
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(CONSUMERS)])
    });
}
