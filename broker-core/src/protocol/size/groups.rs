//! Sizes of the bodies of requests and responses about groups, in the version named beside each.

use super::{
    HOST_BYTES, NULL, TAGS, TOPIC_NAME_BYTES, UUID, array, blob, by_topic, nullable, topic_name,
};
use crate::ids::TopicPartition;
use crate::protocol::{
    CommittedOffset, ConsumerGroupHeartbeatRequest, DescribedConsumerGroup, DescribedGroup,
    JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetFetchGroup,
    OffsetFetchGroupResponse, Request, Response, SyncGroupRequest,
};
use std::sync::Arc;

pub(super) fn request(request: &Request) -> u64 {
    match request {
        // v6: key type, keys
        Request::FindCoordinator(request) => 1 + texts(&request.keys) + TAGS,
        Request::OffsetCommit(request) => offset_commit(request),
        // v9: groups, require-stable flag
        Request::OffsetFetch(request) => {
            let groups: u64 = request.groups.iter().map(offset_fetch_group).sum();
            array(request.groups.len()) + groups + 1 + TAGS
        }
        Request::JoinGroup(request) => join_group(request),
        Request::SyncGroup(request) => sync_group(request),
        // v4: group, generation, member
        Request::Heartbeat(request) => {
            let instance = nullable(request.instance.as_deref());
            text(&request.group) + 4 + text(&request.member) + instance + TAGS
        }
        // v5: group, members without a reason
        Request::LeaveGroup(request) => {
            let member = |(id, instance): &(Arc<str>, Option<Arc<str>>)| {
                text(id) + nullable(instance.as_deref()) + NULL + TAGS
            };
            let members: u64 = request.members.iter().map(member).sum();
            text(&request.group) + array(request.members.len()) + members + TAGS
        }
        Request::ConsumerGroupHeartbeat(request) => consumer_heartbeat(request),
        // v1: groups, flag
        Request::ConsumerGroupDescribe(request) => texts(&request.groups) + 1 + TAGS,
        // v6: groups, flag
        Request::DescribeGroups(request) => texts(&request.groups) + 1 + TAGS,
        // v5: states, types
        Request::ListGroups(request) => texts(&request.states) + texts(&request.types) + TAGS,
        // v2
        Request::DeleteGroups(request) => texts(&request.groups) + TAGS,
        // v0, not flexible: group, topics with indices
        Request::OffsetDelete(request) => {
            let topics = request.partitions.chunk_by(|a, b| a.topic == b.topic);
            let topics = topics.map(|list| 2 + TOPIC_NAME_BYTES + 4 + 4 * list.len() as u64);
            2 + request.group.len() as u64 + 4 + topics.sum::<u64>()
        }
        _ => 0,
    }
}

/// v9: group, generation, member; per partition index, offset, epoch, metadata.
fn offset_commit(request: &OffsetCommitRequest) -> u64 {
    let partition = |at: &CommittedOffset| 4 + 8 + 4 + metadata(at) + TAGS;
    let offsets = by_topic(&request.offsets, topic_name(), |at| at.tp.topic, partition);
    let member = text(&request.member) + nullable(request.instance.as_deref());
    text(&request.group) + 4 + member + offsets + TAGS
}

/// v1: group, member, epoch, instance, rack, timeout, topics, regex, assignor, partitions.
fn consumer_heartbeat(request: &ConsumerGroupHeartbeatRequest) -> u64 {
    let who = text(&request.group) + text(&request.member) + 4;
    let place = nullable(request.instance.as_deref()) + nullable(request.rack.as_deref());
    let topics = request.topics.as_ref().map_or(NULL, |topics| texts(topics));
    let wishes = nullable(request.regex.as_deref()) + nullable(request.assignor.as_deref());
    let owned = request.owned.as_ref().map_or(NULL, |list| owned(list));
    who + place + 4 + topics + wishes + owned + TAGS
}

/// Partitions below the ids of their topics.
fn owned(partitions: &[TopicPartition]) -> u64 {
    by_topic(partitions, UUID, |tp| tp.topic, |_| 4)
}

/// v9: id, member id, epoch, partitions or all.
fn offset_fetch_group(group: &OffsetFetchGroup) -> u64 {
    let partitions = group.partitions.as_ref();
    let topics = partitions.map_or(NULL, |p| by_topic(p, topic_name(), |tp| tp.topic, |_| 4));
    let member = nullable(group.member.as_ref().map(|(id, _)| &**id));
    text(&group.group) + member + 4 + topics + TAGS
}

/// v9: two timeouts, no reason.
fn join_group(request: &JoinGroupRequest) -> u64 {
    let protocol =
        |(name, metadata): &(Arc<str>, bytes::Bytes)| text(name) + blob_of(metadata) + TAGS;
    let protocols: u64 = request.protocols.iter().map(protocol).sum();
    let member = text(&request.member) + nullable(request.instance.as_deref());
    let kind = text(&request.protocol_type);
    text(&request.group)
        + 4
        + 4
        + member
        + kind
        + array(request.protocols.len())
        + protocols
        + NULL
        + TAGS
}

/// v5.
fn sync_group(request: &SyncGroupRequest) -> u64 {
    let given = request.assignments.iter().map(|(id, blob)| text(id) + blob_of(blob) + TAGS);
    let given = array(request.assignments.len()) + given.sum::<u64>();
    let member = text(&request.member) + nullable(request.instance.as_deref());
    let protocol =
        nullable(request.protocol_type.as_deref()) + nullable(request.protocol.as_deref());
    text(&request.group) + 4 + member + protocol + given + TAGS
}

pub(super) fn response(response: &Response) -> u64 {
    match response {
        // v6: throttle; per key, node, host, port, error, no message
        Response::FindCoordinator(response) => {
            let found = response
                .coordinators
                .iter()
                .map(|found| text(&found.key) + 4 + blob(HOST_BYTES) + 4 + 2 + NULL + TAGS);
            4 + array(response.coordinators.len()) + found.sum::<u64>() + TAGS
        }
        // v9: throttle; per partition index, error
        Response::OffsetCommit(response) => {
            4 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, |_| 4 + 2 + TAGS) + TAGS
        }
        // v9: throttle, groups
        Response::OffsetFetch(response) => {
            let groups: u64 = response.groups.iter().map(fetched_group).sum();
            4 + array(response.groups.len()) + groups + TAGS
        }
        Response::JoinGroup(response) => joined(response),
        // v5: throttle, error, protocol, assignment
        Response::SyncGroup(response) => {
            let kind = nullable(response.protocol_type.as_deref());
            let protocol = nullable(response.protocol.as_deref());
            4 + 2 + kind + protocol + blob_of(&response.assignment) + TAGS
        }
        // v4: throttle, error
        Response::Heartbeat(_) => 4 + 2 + TAGS,
        // v5: throttle, error, members
        Response::LeaveGroup(response) => {
            let left = response
                .members
                .iter()
                .map(|(id, instance, _)| text(id) + nullable(instance.as_deref()) + 2 + TAGS);
            4 + 2 + array(response.members.len()) + left.sum::<u64>() + TAGS
        }
        // v1: throttle, error, message, member, epoch, interval, assignment
        Response::ConsumerGroupHeartbeat(response) => {
            let who = nullable(response.message.as_deref()) + nullable(response.member.as_deref());
            // whether there is one takes a byte
            let assignment = response.assignment.as_ref();
            let assignment = assignment.map_or(1, |list| 1 + owned(list) + TAGS);
            4 + 2 + who + 4 + 4 + assignment + TAGS
        }
        // v1: throttle, groups
        Response::ConsumerGroupDescribe(response) => {
            let groups: u64 = response.groups.iter().map(described_consumers).sum();
            4 + array(response.groups.len()) + groups + TAGS
        }
        // v6: throttle, groups
        Response::DescribeGroups(response) => {
            let groups: u64 = response.groups.iter().map(described).sum();
            4 + array(response.groups.len()) + groups + TAGS
        }
        // v5: throttle, error, groups with state and type
        Response::ListGroups(response) => {
            let groups = response.groups.iter().map(|group| {
                let state = blob(group.state.name().len() as u64);
                text(&group.group)
                    + text(&group.protocol_type)
                    + state
                    + blob(group.state.kind().len() as u64)
                    + TAGS
            });
            4 + 2 + array(response.groups.len()) + groups.sum::<u64>() + TAGS
        }
        // v2: throttle; per group, error
        Response::DeleteGroups(response) => {
            let groups: u64 = response.groups.iter().map(|(id, _)| text(id) + 2 + TAGS).sum();
            4 + array(response.groups.len()) + groups + TAGS
        }
        // v0, not flexible: error, throttle; per partition index, error
        Response::OffsetDelete(response) => {
            let topics = response.partitions.chunk_by(|a, b| a.0.topic == b.0.topic);
            let topics = topics.map(|list| 2 + TOPIC_NAME_BYTES + 4 + 6 * list.len() as u64);
            2 + 4 + 4 + topics.sum::<u64>()
        }
        _ => 0,
    }
}

/// v9: id, error; per partition index, offset, epoch, metadata, error.
fn fetched_group(group: &OffsetFetchGroupResponse) -> u64 {
    let partition = |at: &CommittedOffset| 4 + 8 + 4 + metadata(at) + 2 + TAGS;
    let topics = by_topic(&group.offsets, topic_name(), |at| at.tp.topic, partition);
    text(&group.group) + topics + 2 + TAGS
}

/// v9: throttle, error, generation, flag.
fn joined(response: &JoinGroupResponse) -> u64 {
    let members = response.members.iter().map(|member| {
        let instance = nullable(member.instance.as_deref());
        text(&member.member) + instance + blob_of(&member.metadata) + TAGS
    });
    let protocol =
        nullable(response.protocol_type.as_deref()) + nullable(response.protocol.as_deref());
    let ids = text(&response.leader) + text(&response.member);
    let members = array(response.members.len()) + members.sum::<u64>();
    4 + 2 + 4 + protocol + ids + 1 + members + TAGS
}

/// v6: error, no message, state, protocol, members, operations.
fn described(group: &DescribedGroup) -> u64 {
    let members = group.members.iter().map(|member| {
        let who = text(&member.member) + nullable(member.instance.as_deref());
        let client = text(&member.client_id) + text(&member.client_host);
        who + client + blob_of(&member.metadata) + blob_of(&member.assignment) + TAGS
    });
    let state = blob(group.state.map_or(0, |state| state.name().len()) as u64);
    let protocol = text(&group.protocol_type) + text(&group.protocol);
    let members = array(group.members.len()) + members.sum::<u64>();
    2 + NULL + text(&group.group) + state + protocol + members + 4 + TAGS
}

/// v1: error, message, id, state, two epochs, assignor, members, operations.
fn described_consumers(group: &DescribedConsumerGroup) -> u64 {
    let partitions =
        |list: &[TopicPartition]| by_topic(list, UUID + topic_name(), |tp| tp.topic, |_| 4) + TAGS;
    let members = group.members.iter().map(|member| {
        let who = text(&member.member) + nullable(member.instance.as_deref());
        let rack = nullable(member.rack.as_deref());
        let client = text(&member.client_id) + text(&member.client_host);
        let topics = texts(&member.topics) + nullable(member.regex.as_deref());
        let assigned = partitions(&member.assignment) + partitions(&member.target);
        // and whether it speaks the classic protocol
        who + rack + 4 + client + topics + assigned + 1 + TAGS
    });
    let state = blob(group.state.map_or(0, |state| state.name().len()) as u64);
    let members = array(group.members.len()) + members.sum::<u64>();
    let message = nullable(group.message.as_deref());
    2 + message + text(&group.group) + state + 4 + 4 + text(&group.assignor) + members + 4 + TAGS
}

fn metadata(at: &CommittedOffset) -> u64 {
    blob(at.metadata.as_deref().map_or(0, str::len) as u64)
}

fn text(text: &str) -> u64 {
    blob(text.len() as u64)
}

fn blob_of(bytes: &[u8]) -> u64 {
    blob(bytes.len() as u64)
}

fn texts(list: &[Arc<str>]) -> u64 {
    array(list.len()) + list.iter().map(|entry| text(entry)).sum::<u64>()
}
