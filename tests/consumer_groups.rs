//! Groups in the consumer protocol (KIP-848), against a real broker: epochs, positions, static
//! members, a new coordinator, and groups that go over from one protocol to the other.

use crate::common::Place;
use crate::kafka::{Client, Serving, group_id, retry, text, topic_name};
use bytes::Bytes;
use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, CreatePartitionsRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
};

const GROUP: &str = "billing";
const TOPIC: &str = "orders";
/// Sessions as short as tests are.
const SHORT: [&str; 8] = [
    "--set",
    "group.consumer.min.session.timeout.ms=400",
    "--set",
    "group.consumer.session.timeout.ms=600",
    "--set",
    "group.consumer.min.heartbeat.interval.ms=50",
    "--set",
    "group.consumer.heartbeat.interval.ms=100",
];

/// A member with its own connection to the coordinator.
struct Member {
    client: Client,
    id: &'static str,
    instance: Option<&'static str>,
    epoch: i32,
    /// What it has, as it says it.
    given: Vec<TopicPartitions>,
}

impl Member {
    fn new(serving: &Serving, id: &'static str) -> Self {
        let client = Client::connect(&coordinator(serving));
        Self { client, id, instance: None, epoch: 0, given: Vec::new() }
    }

    fn ask(&mut self, epoch: i32) -> ConsumerGroupHeartbeatResponse {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(self.id))
            .with_member_epoch(epoch)
            .with_instance_id(self.instance.map(text))
            .with_rebalance_timeout_ms(20_000)
            .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]))
            .with_topic_partitions(Some(self.given.clone()));
        self.client.call(1, &request)
    }

    /// A heartbeat; what it says is done at once.
    fn beat(&mut self) -> i16 {
        let answer = self.ask(self.epoch);
        if answer.error_code == 0 {
            self.epoch = answer.member_epoch;
        }
        if let Some(assignment) = answer.assignment {
            let said = assignment.topic_partitions.into_iter().map(|topic| {
                let said = TopicPartitions::default().with_topic_id(topic.topic_id);
                said.with_partitions(topic.partitions)
            });
            self.given = said.collect();
        }
        answer.error_code
    }

    /// Partitions that it has.
    fn owned(&self) -> Vec<i32> {
        self.given.iter().flat_map(|topic| topic.partitions.clone()).collect()
    }

    fn join(&mut self) {
        (self.epoch, self.given) = (0, Vec::new());
        assert_eq!(self.beat_when_ready(), 0);
    }

    /// A heartbeat to a coordinator that may not be ready yet.
    fn beat_when_ready(&mut self) -> i16 {
        retry(|| Some(self.beat()).filter(|error| !(14..=16).contains(error)))
    }

    fn commit(&mut self, epoch: i32, offset: i64) -> i16 {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(GROUP))
            .with_generation_id_or_member_epoch(epoch)
            .with_member_id(text(self.id))
            .with_topics(vec![topic]);
        self.client.call(9, &request).topics[0].partitions[0].error_code
    }

    /// The group's position, asked for by a member with this epoch.
    fn position(&mut self, epoch: i32) -> (i16, i64) {
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(Some(text(self.id)))
            .with_member_epoch(epoch)
            .with_topics(None);
        let answer = self.client.call(9, &OffsetFetchRequest::default().with_groups(vec![asked]));
        let group = &answer.groups[0];
        let found = group.topics.first().map(|topic| topic.partitions[0].committed_offset);
        (group.error_code, found.unwrap_or(-1))
    }

    fn describe(&mut self) -> DescribedGroup {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(GROUP)]);
        self.client.call(1, &request).groups.remove(0)
    }

    fn state(&mut self) -> String {
        self.describe().group_state.to_string()
    }

    fn list(&mut self, kind: &str) -> usize {
        let request = ListGroupsRequest::default().with_types_filter(vec![text(kind)]);
        self.client.call(5, &request).groups.len()
    }

    fn delete_group(&mut self) -> i16 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(GROUP)]);
        self.client.call(2, &request).results[0].error_code
    }

    /// JoinGroup of the classic protocol.
    fn join_classic(&mut self) -> (i16, String) {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff"));
        let request = |id: &str| {
            JoinGroupRequest::default()
                .with_group_id(group_id(GROUP))
                .with_session_timeout_ms(10_000)
                .with_rebalance_timeout_ms(20_000)
                .with_member_id(text(id))
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol.clone()])
        };
        let first = self.client.call(9, &request(""));
        if first.error_code != 79 {
            return (first.error_code, String::new());
        }
        let answer = self.client.call(9, &request(&first.member_id));
        (answer.error_code, answer.member_id.to_string())
    }

    fn leave_classic(&mut self, id: &str, instance: Option<&str>) -> i16 {
        let who = MemberIdentity::default()
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text));
        let request =
            LeaveGroupRequest::default().with_group_id(group_id(GROUP)).with_members(vec![who]);
        self.client.call(5, &request).members[0].error_code
    }
}

/// Address of the group's coordinator.
fn coordinator(serving: &Serving) -> String {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
    let mut client = serving.client();
    let node = retry(|| {
        let answer = client.call(6, &request);
        let found = &answer.coordinators[0];
        (found.error_code == 0).then(|| usize::try_from(found.node_id.0).unwrap())
    });
    serving.addresses[node - 1].clone()
}

/// A broker with a topic of four partitions.
fn start(place: &Place, more: &[&str]) -> Serving {
    let serving = again(place, more);
    serving.client().topic(TOPIC);
    grow(&serving, 4);
    serving
}

/// The broker with the data that there is.
fn again(place: &Place, more: &[&str]) -> Serving {
    let all = [&["--set", "group.initial.rebalance.delay.ms=0"], more].concat();
    Serving::start(place, "data", &all)
}

fn grow(serving: &Serving, count: i32) {
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name(TOPIC))
        .with_count(count)
        .with_assignments(None);
    let request =
        CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    assert_eq!(serving.client().call(3, &request).results[0].error_code, 0);
}

#[test]
fn partitions_go_from_member_to_member_by_way_of_nobody() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let versions = serving.client().call(4, &ApiVersionsRequest::default());
    assert_eq!(versions.finalized_features[0].name.as_str(), "group.version");
    let (mut a, mut b) = (Member::new(&serving, "a"), Member::new(&serving, "b"));
    a.join();
    retry(|| (a.beat() == 0 && a.owned() == [0, 1, 2, 3]).then_some(()));
    let before = a.epoch;
    b.join();
    assert_eq!((b.epoch, b.owned().len()), (before + 1, 0), "nothing is free yet");
    assert_eq!(a.state(), "Reconciling");
    assert_eq!((a.beat(), a.epoch, a.owned().len()), (0, before, 2));
    assert_eq!((b.beat(), b.owned().len()), (0, 0));
    assert_eq!((a.beat(), a.epoch), (0, before + 1), "it has given them up");
    assert_eq!((b.beat(), b.owned().len()), (0, 2));
    let described = a.describe();
    assert_eq!(
        (described.group_state.as_str(), described.assignor_name.as_str()),
        ("Stable", "uniform")
    );
    assert_eq!((described.group_epoch, described.assignment_epoch), (a.epoch, a.epoch));
    let member = &described.members[0];
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("test", "/127.0.0.1"));
    assert_eq!(member.assignment.topic_partitions[0].topic_name.as_str(), TOPIC);
    assert_eq!((a.list("consumer"), a.list("classic")), (1, 0));
    let classic = DescribeGroupsRequest::default().with_groups(vec![group_id(GROUP)]);
    assert_eq!(a.client.call(6, &classic).groups[0].error_code, 69);

    let (epoch, stale) = (a.epoch, a.epoch - 1);
    assert_eq!((a.commit(epoch, 7), a.commit(stale, 8)), (0, 113));
    assert_eq!((a.position(epoch), a.position(stale)), ((0, 7), (113, -1)));
    assert_eq!(a.delete_group(), 68, "it has members");

    assert_eq!(b.ask(-1).member_epoch, -1);
    assert_eq!(b.beat(), 25);
    assert_eq!((a.beat(), a.owned().len()), (0, 4));
    grow(&serving, 5);
    retry(|| (a.beat() == 0 && a.owned().len() == 5).then_some(()));
    assert_eq!(a.ask(-1).error_code, 0);
    assert_eq!(a.state(), "Empty");
    assert_eq!((a.delete_group(), a.delete_group()), (0, 69));
    serving.stop();
}

#[test]
fn silence_and_wrong_epochs_are_punished() {
    let place = Place::new();
    let serving = start(&place, &SHORT);
    let (mut a, mut b) = (Member::new(&serving, "a"), Member::new(&serving, "b"));
    a.join();
    a.epoch += 5;
    assert_eq!(a.beat(), 110);
    a.join();
    b.join();
    // b says nothing more
    retry(|| {
        (a.beat() == 0 && a.owned().len() == 4 && a.describe().members.len() == 1).then_some(())
    });
    assert_eq!(b.beat(), 25);
    serving.stop();
}

#[test]
fn a_static_member_finds_its_partitions_when_it_is_back() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let (mut a, mut b) = (Member::new(&serving, "a"), Member::new(&serving, "b"));
    (a.instance, b.instance) = (Some("one"), Some("one"));
    a.join();
    retry(|| (a.beat() == 0 && a.owned().len() == 4).then_some(()));
    assert_eq!(b.ask(0).error_code, 111, "the name is taken");
    assert_eq!(a.ask(-2).member_epoch, -2);
    b.join();
    assert_eq!((b.epoch, b.owned().len()), (a.epoch, 4), "no rebalance");
    assert_eq!(a.beat(), 82);
    // tools remove it by its name, and nobody else
    assert_eq!(b.leave_classic("b", None), 25);
    assert_eq!(b.leave_classic("", Some("one")), 0);
    assert_eq!(b.state(), "Empty");
    serving.stop();
}

#[test]
fn a_group_survives_a_kill_of_its_coordinator() {
    let place = Place::new();
    let serving = start(&place, &SHORT);
    let (mut a, mut b) = (Member::new(&serving, "a"), Member::new(&serving, "b"));
    a.join();
    b.join();
    retry(|| {
        let _ = (a.beat(), b.beat());
        ((a.owned().len(), b.owned().len()) == (2, 2)).then_some(())
    });
    let epoch = a.epoch;
    assert_eq!(a.commit(epoch, 3), 0);
    serving.kill();
    let serving = again(&place, &SHORT);
    a.client = Client::connect(&coordinator(&serving));
    assert_eq!(a.beat_when_ready(), 0);
    assert_eq!((a.epoch, a.owned().len()), (epoch, 2), "nothing has changed for it");
    assert_eq!(a.position(epoch), (0, 3));
    // b does not come back
    retry(|| (a.beat() == 0 && a.owned().len() == 4).then_some(()));
    serving.stop();
}

#[test]
fn a_group_without_members_goes_over_to_the_other_protocol() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let mut a = Member::new(&serving, "a");
    let (error, id) =
        retry(|| Some(a.join_classic()).filter(|(error, _)| !(14..=16).contains(error)));
    assert_eq!(error, 0);
    assert_eq!(a.ask(0).error_code, 69, "it has members of the classic protocol");
    assert_eq!(a.leave_classic(&id, None), 0);
    assert_eq!(a.list("classic"), 1);
    a.join();
    assert_eq!((a.list("consumer"), a.list("classic")), (1, 0));
    let epoch = a.epoch;
    assert_eq!(a.commit(epoch, 5), 0);
    assert_eq!(a.join_classic().0, 23, "it has members of the consumer protocol");
    assert_eq!(a.ask(-1).error_code, 0);
    serving.kill();

    let serving = again(&place, &[]);
    let mut a = Member::new(&serving, "a");
    let (error, _) =
        retry(|| Some(a.join_classic()).filter(|(error, _)| !(14..=16).contains(error)));
    assert_eq!(error, 0);
    assert_eq!((a.list("consumer"), a.list("classic")), (0, 1));
    assert_eq!(a.position(-1).1, 5, "positions stay");
    serving.stop();
}

#[test]
fn the_protocol_can_be_switched_off() {
    let place = Place::new();
    let serving = start(&place, &["--set", "group.coordinator.rebalance.protocols=classic"]);
    let mut a = Member::new(&serving, "a");
    assert_eq!(a.ask(0).error_code, 35);
    serving.stop();
    let wrong = ["serve", "--data-dir", "data", "--set", "group.consumer.session.timeout.ms=5"];
    let called = place.expect(2, &wrong);
    assert!(called.stderr.contains("group.consumer.min.session.timeout.ms"), "{}", called.stderr);
}
