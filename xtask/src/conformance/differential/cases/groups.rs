//! Groups without members, and their positions.

use super::{ABSENT, Script, TOPIC, await_groups, group, text, topic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest,
};

pub(super) fn all(script: &mut Script) -> Result<(), String> {
    await_groups(script, &["readers", "nobody", "", "team", "consumers", "patterns", "payers"])?;
    coordinator(script);
    commit(script);
    fetch(script);
    describe(script);
    delete(script);
    Ok(())
}

fn coordinator(script: &mut Script) {
    let request = |key: &str, kind: i8, version: i16| {
        let request = FindCoordinatorRequest::default();
        let request = if version >= 1 { request.with_key_type(kind) } else { request };
        if version >= 4 {
            return request.with_coordinator_keys(vec![text(key), text("readers")]);
        }
        request.with_key(text(key))
    };
    script.every("FindCoordinator, of a group", |_, version| request("readers", 0, version));
    script.every("FindCoordinator, no name", |_, version| request("", 0, version));
    script.every("FindCoordinator, no such kind", |_, version| request("readers", 9, version));
}

/// A commit, with the epoch of a record where the version has one.
fn committed(name: &str, topic_name: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let position = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("note")));
    let asked = OffsetCommitRequestTopic::default()
        .with_name(topic(topic_name))
        .with_partitions(vec![position]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![asked])
}

fn commit(script: &mut Script) {
    script.every("OffsetCommit, without members", |_, version| {
        committed("readers", TOPIC, 0, i64::from(version))
    });
    script.every("OffsetCommit, an unknown topic", |_, _| committed("readers", ABSENT, 0, 1));
    script.every("OffsetCommit, an unknown partition", |_, _| committed("readers", TOPIC, 99, 1));
    script.every("OffsetCommit, no group", |_, _| committed("", TOPIC, 0, 1));
    script.every("OffsetCommit, below 0", |_, _| committed("readers", TOPIC, 2, -5));
    script.every("OffsetCommit, a long note", |_, _| {
        let mut request = committed("readers", TOPIC, 2, 1);
        request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(5000)));
        request
    });
    script.every("OffsetCommit, no note", |_, _| {
        let mut request = committed("readers", TOPIC, 1, 1);
        request.topics[0].partitions[0].committed_metadata = None;
        request
    });
    script.every("OffsetCommit, a generation without members", |_, _| {
        committed("readers", TOPIC, 0, 1).with_generation_id_or_member_epoch(3)
    });
    script.every("OffsetCommit, a member of nowhere", |_, _| {
        committed("readers", TOPIC, 0, 1)
            .with_generation_id_or_member_epoch(3)
            .with_member_id(text("nobody"))
    });
}

fn fetch(script: &mut Script) {
    let request = |name: &str, topics: Option<(&str, Vec<i32>)>, version: i16| {
        if version >= 8 {
            let topics = topics.map(|(name, partitions)| {
                let topics = OffsetFetchRequestTopics::default().with_name(topic(name));
                vec![topics.with_partition_indexes(partitions)]
            });
            let asked =
                OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(topics);
            let asked = if version >= 9 { asked.with_member_epoch(-1) } else { asked };
            return OffsetFetchRequest::default().with_groups(vec![asked]);
        }
        let topics = topics.map(|(name, partitions)| {
            let topics = OffsetFetchRequestTopic::default().with_name(topic(name));
            vec![topics.with_partition_indexes(partitions)]
        });
        let all = topics.is_none() && version < 2;
        let topics = if all { Some(Vec::new()) } else { topics };
        OffsetFetchRequest::default().with_group_id(group(name)).with_topics(topics)
    };
    script.every("OffsetFetch, some partitions", |_, version| {
        request("readers", Some((TOPIC, vec![0, 1, 3])), version)
    });
    script.every("OffsetFetch, all", |_, version| request("readers", None, version));
    script.every("OffsetFetch, an unknown group", |_, version| {
        request("nobody", Some((TOPIC, vec![0])), version)
    });
    script.every("OffsetFetch, an unknown topic", |_, version| {
        request("readers", Some((ABSENT, vec![0])), version)
    });
    script
        .every("OffsetFetch, no group", |_, version| request("", Some((TOPIC, vec![0])), version));
    script.every("OffsetFetch, of a member of nowhere", |_, version| {
        let mut request = request("readers", Some((TOPIC, vec![0])), version);
        if version >= 9 {
            request.groups[0].member_id = Some(text("nobody"));
            request.groups[0].member_epoch = 4;
        }
        request
    });
}

fn describe(script: &mut Script) {
    let request = |name: &str| DescribeGroupsRequest::default().with_groups(vec![group(name)]);
    script.every("DescribeGroups, without members", |_, _| request("readers"));
    script.every("DescribeGroups, unknown", |_, _| request("nobody"));
    script.every("DescribeGroups, no name", |_, _| request(""));
    script.every("DescribeGroups, authorized operations", |_, version| {
        request("readers").with_include_authorized_operations(version >= 3)
    });
    script.every("ConsumerGroupDescribe, of the classic protocol", |_, _| {
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("readers")])
    });
    script.every("ConsumerGroupDescribe, unknown", |_, _| {
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("nobody")])
    });
    script.every("ListGroups", |_, _| ListGroupsRequest::default());
    script.every("ListGroups, by state", |_, version| {
        let states = if version >= 4 { vec![text("empty"), text("Stable")] } else { Vec::new() };
        ListGroupsRequest::default().with_states_filter(states)
    });
    script.every("ListGroups, by kind", |_, version| {
        let kinds = if version >= 5 { vec![text("CONSUMER")] } else { Vec::new() };
        ListGroupsRequest::default().with_types_filter(kinds)
    });
}

fn delete(script: &mut Script) {
    let positions = |name: &str, topic_name: &str, partition: i32| {
        let position = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let asked = OffsetDeleteRequestTopic::default()
            .with_name(topic(topic_name))
            .with_partitions(vec![position]);
        OffsetDeleteRequest::default().with_group_id(group(name)).with_topics(vec![asked])
    };
    script.every("OffsetDelete, one", |_, _| positions("readers", TOPIC, 1));
    script.every("OffsetDelete, one that is not there", |_, _| positions("readers", TOPIC, 3));
    script.every("OffsetDelete, an unknown topic", |_, _| positions("readers", ABSENT, 0));
    script.every("OffsetDelete, an unknown group", |_, _| positions("nobody", TOPIC, 0));
    let groups = |name: &str| DeleteGroupsRequest::default().with_groups_names(vec![group(name)]);
    script.every("DeleteGroups, unknown", |_, _| groups("nobody"));
    script.every("DeleteGroups, no name", |_, _| groups(""));
    script.once("DeleteGroups, without members", |_, _| groups("readers"));
    script.every("DeleteGroups, one that is gone", |_, _| groups("readers"));
}
