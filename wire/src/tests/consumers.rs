//! The consumer protocol of KIP-848, and the features that announce it.

use super::{
    answer, ask, by_topic, frame, partitions, read, text, topic_id, topic_name, tp, versions,
};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use proptest::prelude::*;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, ConsumerGroupState, ConsumerGroupState as State,
    DescribedConsumer, DescribedConsumerGroup, OffsetCommitResponse, OffsetFetchGroup, Request,
    Response,
};

fn group() -> theirs::GroupId {
    theirs::GroupId(text("billing"))
}

fn some(word: &str) -> Option<Arc<str>> {
    Some(word.into())
}

proptest! {
    #[test]
    fn heartbeats_in_every_version(list in partitions(Just(())), full in any::<bool>()) {
        use theirs::consumer_group_heartbeat_request::TopicPartitions;
        for version in versions(ApiKey::ConsumerGroupHeartbeat) {
            let topics = by_topic(&list, |index, ()| index, |topic, partitions| {
                TopicPartitions::default().with_topic_id(topic_id(topic)).with_partitions(partitions)
            });
            let body = theirs::ConsumerGroupHeartbeatRequest::default()
                .with_group_id(group())
                .with_member_id(text("m"))
                .with_member_epoch(7);
            let body = if full {
                body.with_instance_id(Some(text("one")))
                    .with_rack_id(Some(text("az-1")))
                    .with_rebalance_timeout_ms(9)
                    .with_subscribed_topic_names(Some(vec![topic_name(1), topic_name(2)]))
                    .with_subscribed_topic_regex((version >= 1).then(|| text("t.*")))
                    .with_server_assignor(Some(text("range")))
                    .with_topic_partitions(Some(topics))
            } else {
                body.with_subscribed_topic_names(None).with_topic_partitions(None)
            };
            let (request, _) = ask(ApiKey::ConsumerGroupHeartbeat, version, &body);
            let told = |word: &str| full.then(|| word.into());
            let expected = ConsumerGroupHeartbeatRequest {
                group: "billing".into(),
                member: "m".into(),
                epoch: 7,
                instance: told("one"),
                rack: told("az-1"),
                rebalance_timeout_ms: if full { 9 } else { -1 },
                topics: full.then(|| vec!["topic-1".into(), "topic-2".into()]),
                regex: told("t.*").filter(|_| version >= 1),
                assignor: told("range"),
                owned: full.then(|| list.iter().map(|(tp, ())| *tp).collect()),
                makes_member_id: version >= 1,
                client_id: "client-7".into(),
                client_host: "".into(),
            };
            prop_assert_eq!(request, Request::ConsumerGroupHeartbeat(Box::new(expected)));
        }
    }

    #[test]
    fn answers_to_heartbeats_in_every_version(list in partitions(Just(())), told in any::<bool>()) {
        for version in versions(ApiKey::ConsumerGroupHeartbeat) {
            let body = theirs::ConsumerGroupHeartbeatRequest::default().with_group_id(group());
            let (_, call) = ask(ApiKey::ConsumerGroupHeartbeat, version, &body);
            let flat: Vec<_> = list.iter().map(|(tp, ())| *tp).collect();
            let response = ConsumerGroupHeartbeatResponse {
                error: ErrorCode::FencedMemberEpoch,
                message: some("why"),
                member: some("m"),
                epoch: 3,
                heartbeat_interval_ms: 5000,
                assignment: told.then(|| flat.clone()),
            };
            let response = Response::ConsumerGroupHeartbeat(Box::new(response));
            let read: theirs::ConsumerGroupHeartbeatResponse = answer(&call, &response);
            prop_assert_eq!((read.error_code, read.member_epoch), (110, 3));
            prop_assert_eq!(read.error_message.as_deref(), Some("why"));
            let count = read.assignment.map(|given| {
                given.topic_partitions.iter().map(|topic| topic.partitions.len()).sum::<usize>()
            });
            prop_assert_eq!(count, told.then_some(flat.len()));
        }
    }
}

#[test]
fn descriptions_in_every_version() {
    for version in versions(ApiKey::ConsumerGroupDescribe) {
        let body = theirs::ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()]);
        let (request, call) = ask(ApiKey::ConsumerGroupDescribe, version, &body);
        let expected = ConsumerGroupDescribeRequest { groups: vec!["billing".into()] };
        assert_eq!(request, Request::ConsumerGroupDescribe(expected));
        let member = DescribedConsumer {
            member: "m".into(),
            instance: some("one"),
            rack: None,
            epoch: 4,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            topics: vec!["topic-1".into()],
            regex: None,
            assignment: vec![tp(1, 0), tp(1, 2), tp(2, 0)],
            target: vec![tp(1, 0)],
        };
        let there = DescribedConsumerGroup {
            error: ErrorCode::None,
            message: None,
            group: "billing".into(),
            state: Some(State::Reconciling),
            epoch: 5,
            assignment_epoch: 4,
            assignor: "uniform".into(),
            members: vec![member],
        };
        let gone = DescribedConsumerGroup {
            error: ErrorCode::GroupIdNotFound,
            message: some("Group billing not found."),
            state: None,
            members: Vec::new(),
            ..there.clone()
        };
        let response = ConsumerGroupDescribeResponse { groups: vec![there, gone] };
        let read: theirs::ConsumerGroupDescribeResponse =
            answer(&call, &Response::ConsumerGroupDescribe(response));
        assert_eq!(read.groups[0].group_state.as_str(), ConsumerGroupState::Reconciling.name());
        let topics = &read.groups[0].members[0].assignment.topic_partitions;
        assert_eq!(topics[0].topic_name.as_str(), "topic-1");
        assert_eq!(topics[0].partitions, [0, 2]);
        assert_eq!(read.groups[0].error_message, None);
        assert_eq!(read.groups[1].error_code, 69);
        let told = read.groups[1].error_message.as_deref();
        assert_eq!(told, Some("Group billing not found."));
    }
}

#[test]
fn members_say_who_they_are_when_they_ask_for_positions() {
    use theirs::offset_fetch_request::OffsetFetchRequestGroup;
    let of = |member: Option<&str>, epoch| {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group())
            .with_member_id(member.map(text))
            .with_member_epoch(epoch)
            .with_topics(None);
        let body = theirs::OffsetFetchRequest::default().with_groups(vec![group]);
        match ask(ApiKey::OffsetFetch, 9, &body) {
            (Request::OffsetFetch(fetch), _) => fetch.groups.into_iter().next(),
            other => panic!("{other:?}"),
        }
    };
    let expected =
        |member| Some(OffsetFetchGroup { group: "billing".into(), partitions: None, member });
    assert_eq!(of(Some("m"), 4), expected(Some(("m".into(), 4))));
    assert_eq!(of(None, -1), expected(None));
}

#[test]
fn stale_epochs_and_missing_groups_are_for_versions_that_know_them() {
    for version in versions(ApiKey::OffsetCommit) {
        let body = theirs::OffsetCommitRequest::default().with_group_id(group());
        let (_, call) = ask(ApiKey::OffsetCommit, version, &body);
        for (error, newer, older) in
            [(ErrorCode::StaleMemberEpoch, 113, 35), (ErrorCode::GroupIdNotFound, 69, 22)]
        {
            let partitions = vec![(tp(1, 0), error)];
            let response = Response::OffsetCommit(OffsetCommitResponse { partitions });
            let read: theirs::OffsetCommitResponse = answer(&call, &response);
            let told = read.topics[0].partitions[0].error_code;
            assert_eq!(told, if version >= 9 { newer } else { older }, "v{version}");
        }
    }
}

#[test]
fn features_are_announced() {
    for version in versions(ApiKey::ApiVersions) {
        let body = theirs::ApiVersionsRequest::default();
        let frame = frame(ApiKey::ApiVersions, version, &body);
        let Ok(Decoded::Answer(frame)) = decode_request(frame, &super::Known) else {
            panic!("it is answered at the edge")
        };
        let read: theirs::ApiVersionsResponse = read(frame.to_bytes(), version);
        if version >= 3 {
            let supported = read.supported_features.iter();
            let ranges = supported.map(|f| (f.name.as_str(), f.min_version, f.max_version));
            let lowest = i16::from(version < 4);
            let expected = [
                ("metadata.version", 21, 27),
                ("group.version", lowest, 1),
                ("transaction.version", lowest, 2),
            ];
            assert_eq!(ranges.collect::<Vec<_>>(), expected);
            let finalized = read.finalized_features.iter();
            let levels =
                finalized.map(|f| (f.name.as_str(), f.min_version_level, f.max_version_level));
            assert_eq!(levels.collect::<Vec<_>>(), [("group.version", 1, 1)]);
            assert_eq!(read.finalized_features_epoch, 17);
        }
    }
}
