//! Groups with members, against a real broker: generations, positions, deletion, and what a new
//! coordinator knows of them.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, group_id, retry, text, topic_name};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, ElectLeadersRequest, FindCoordinatorRequest,
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};

const GROUP: &str = "billing";
const TOPIC: &str = "orders";
/// Nobody waits for more members than there are.
const NO_DELAY: [&str; 2] = ["--set", "group.initial.rebalance.delay.ms=0"];

/// A member with its own connection to the coordinator.
struct Member {
    client: Client,
    group: String,
    id: String,
    instance: Option<&'static str>,
    generation: i32,
    session_ms: i32,
}

impl Member {
    fn new(address: &str) -> Self {
        Self::of(GROUP, address)
    }

    fn of(group: &str, address: &str) -> Self {
        Self {
            client: Client::connect(address),
            group: group.to_owned(),
            id: String::new(),
            instance: None,
            generation: -1,
            session_ms: 10_000,
        }
    }

    fn ask_to_join(&mut self) {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff"));
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_session_timeout_ms(self.session_ms)
            .with_rebalance_timeout_ms(20_000)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        self.client.send(9, &request);
    }

    fn hear_of_join(&mut self) -> JoinGroupResponse {
        let answer = self.client.receive::<JoinGroupRequest>(9);
        self.id = answer.member_id.to_string();
        self.generation = answer.generation_id;
        answer
    }

    /// Joins alone, or as the last one.
    fn join(&mut self) -> JoinGroupResponse {
        loop {
            self.ask_to_join();
            let answer = self.hear_of_join();
            match answer.error_code {
                79 => {}      // again, with the id that it has now
                14..=16 => {} // the coordinator is not ready yet
                _ => return answer,
            }
        }
    }

    /// Gets an id, and begins to wait for the rebalance.
    fn begin_to_join(&mut self) {
        self.ask_to_join();
        assert_eq!(self.hear_of_join().error_code, 79);
        self.ask_to_join();
    }

    fn sync(&mut self, given: &[(&str, &'static str)]) -> (i16, Bytes) {
        self.ask_to_sync(given);
        let answer = self.client.receive::<SyncGroupRequest>(5);
        (answer.error_code, answer.assignment)
    }

    fn ask_to_sync(&mut self, given: &[(&str, &'static str)]) {
        let given = given.iter().map(|(id, what)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(id))
                .with_assignment(Bytes::from_static(what.as_bytes()))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.map(text))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(given.collect());
        self.client.send(5, &request);
    }

    fn beat(&mut self) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.map(text));
        self.client.call(4, &request).error_code
    }

    /// Until a heartbeat says this.
    fn beat_until(&mut self, error: i16) {
        retry(|| (self.beat() == error).then_some(()));
    }

    fn commit(&mut self, offset: i64) -> i16 {
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("so far")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.id))
            .with_topics(vec![topic]);
        self.client.call(9, &request).topics[0].partitions[0].error_code
    }

    fn leave(&mut self) {
        let who = MemberIdentity::default().with_member_id(text(&self.id));
        let request = LeaveGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_members(vec![who]);
        let answer = self.client.call(5, &request);
        assert_eq!((answer.error_code, answer.members[0].error_code), (0, 0));
    }

    /// The group's position, and what was attached to it.
    fn position(&mut self) -> (i64, String) {
        let asked = OffsetFetchRequestGroup::default().with_group_id(group_id(&self.group));
        let request = OffsetFetchRequest::default().with_groups(vec![asked.with_topics(None)]);
        let answer = retry(|| {
            let answer = self.client.call(8, &request);
            (answer.groups[0].error_code == 0).then_some(answer)
        });
        let Some(topic) = answer.groups[0].topics.first() else { return (-1, String::new()) };
        let found = &topic.partitions[0];
        (found.committed_offset, found.metadata.as_deref().unwrap_or("").to_owned())
    }

    fn state(&mut self) -> String {
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id(&self.group)]);
        self.client.call(5, &request).groups[0].group_state.to_string()
    }

    fn delete_group(&mut self) -> i16 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&self.group)]);
        self.client.call(2, &request).results[0].error_code
    }
}

/// Address of the group's coordinator.
fn coordinator(serving: &Serving) -> String {
    let node = coordinators(serving, &[GROUP]).remove(0);
    serving.addresses[node - 1].clone()
}

/// Nodes that coordinate several groups.
fn coordinators(serving: &Serving, groups: &[&str]) -> Vec<usize> {
    let keys = groups.iter().map(|group| text(group)).collect();
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    let mut client = serving.client();
    retry(|| {
        let answer = client.call(6, &request);
        let found = answer.coordinators.iter();
        let node = found.map(|at| {
            assert!(
                at.error_code != 0
                    || serving
                        .addresses
                        .iter()
                        .any(|address| { *address == format!("{}:{}", at.host, at.port) })
            );
            (at.error_code == 0).then(|| usize::try_from(at.node_id.0).unwrap())
        });
        node.collect()
    })
}

/// A broker with a topic and a record in it.
fn start(place: &Place, more: &[&str]) -> Serving {
    let serving = Serving::start(place, "data", &[&NO_DELAY, more].concat());
    serving.client().topic(TOPIC);
    serving
}

/// Two members in a stable group, the first of which leads.
fn pair(address: &str) -> (Member, Member) {
    pair_of(GROUP, address)
}

fn pair_of(group: &str, address: &str) -> (Member, Member) {
    let (mut a, mut b) = (Member::of(group, address), Member::of(group, address));
    let first = a.join();
    assert_eq!((first.error_code, first.leader.to_string()), (0, a.id.clone()));
    assert_eq!(a.sync(&[(&a.id.clone(), "all")]), (0, Bytes::from_static(b"all")));
    b.begin_to_join();
    a.beat_until(27);
    let again = a.join();
    assert_eq!((again.generation_id, again.members.len()), (2, 2));
    let other = b.hear_of_join();
    assert_eq!((other.error_code, other.generation_id, other.members.len()), (0, 2, 0));
    b.ask_to_sync(&[]);
    let given = [(a.id.clone(), "A"), (b.id.clone(), "B")];
    let given = given.each_ref().map(|(id, what)| (id.as_str(), *what));
    assert_eq!(a.sync(&given), (0, Bytes::from_static(b"A")));
    let answer = b.client.receive::<SyncGroupRequest>(5);
    assert_eq!((answer.error_code, answer.assignment), (0, Bytes::from_static(b"B")));
    (a, b)
}

#[test]
fn members_share_a_topic_until_they_leave() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let address = coordinator(&serving);
    let (mut a, mut b) = pair(&address);
    assert_eq!((a.beat(), b.beat()), (0, 0));
    let late = Member { generation: 1, id: b.id.clone(), ..Member::new(&address) };
    assert_eq!({ late }.commit(9), 22, "of a generation that is over");
    assert_eq!(b.commit(1), 0);
    assert_eq!(a.position(), (1, "so far".to_owned()));

    let described =
        a.client.call(5, &DescribeGroupsRequest::default().with_groups(vec![group_id(GROUP)]));
    let group = &described.groups[0];
    assert_eq!((group.group_state.as_str(), group.protocol_data.as_str()), ("Stable", "range"));
    assert_eq!(group.members[0].client_id.as_str(), "test");
    assert_eq!(group.members[0].client_host.as_str(), "/127.0.0.1");
    assert_eq!(a.delete_group(), 68, "it has members");

    b.leave();
    a.beat_until(27);
    assert_eq!(a.join().members.len(), 1);
    a.leave();
    assert_eq!(a.state(), "Empty");
    let list = |client: &mut Client, state: &str| {
        let request = ListGroupsRequest::default().with_states_filter(vec![text(state)]);
        client.call(5, &request).groups.len()
    };
    assert_eq!((list(&mut a.client, "Empty"), list(&mut a.client, "Stable")), (1, 0));
    serving.stop();
}

#[test]
fn what_a_group_leaves_behind_can_be_deleted() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let mut a = Member::new(&coordinator(&serving));
    a.join();
    a.sync(&[(&a.id.clone(), "all")]);
    assert_eq!(a.commit(1), 0);
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    let forget =
        OffsetDeleteRequest::default().with_group_id(group_id(GROUP)).with_topics(vec![topic]);
    let answer = a.client.call(0, &forget);
    assert_eq!(answer.topics[0].partitions[0].error_code, 86, "it reads the topic");
    a.leave();
    let answer = a.client.call(0, &forget);
    assert_eq!((answer.error_code, answer.topics[0].partitions[0].error_code), (0, 0));
    assert_eq!(a.position().0, -1);
    assert_eq!((a.delete_group(), a.delete_group()), (0, 69));
    assert_eq!(a.state(), "Dead");
    serving.kill();

    let serving = start(&place, &[]);
    let mut a = Member::new(&coordinator(&serving));
    retry(|| (a.state() == "Dead").then_some(()));
}

#[test]
fn a_member_that_says_nothing_is_out() {
    let place = Place::new();
    let serving = start(&place, &["--set", "group.min.session.timeout.ms=100"]);
    let address = coordinator(&serving);
    let mut short = Member::new(&address);
    short.session_ms = 50;
    assert_eq!(short.join().error_code, 26, "too short a session");
    let (mut a, mut b) = (Member::new(&address), Member::new(&address));
    b.session_ms = 200;
    a.join();
    assert_eq!(a.sync(&[]).0, 0);
    b.begin_to_join();
    a.beat_until(27);
    assert_eq!(a.join().members.len(), 2);
    assert_eq!(b.hear_of_join().error_code, 0);
    assert_eq!(a.sync(&[]).0, 0);
    a.beat_until(27);
    assert_eq!(a.join().members.len(), 1);
    assert_eq!(b.beat(), 25);
}

#[test]
fn a_group_survives_a_kill_of_its_coordinator() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let (mut a, mut b) = pair(&coordinator(&serving));
    assert_eq!(b.commit(1), 0);
    serving.kill();

    let serving = start(&place, &[]);
    let address = coordinator(&serving);
    (a.client, b.client) = (Client::connect(&address), Client::connect(&address));
    a.beat_until(0);
    assert_eq!(b.beat(), 0, "the generation goes on");
    assert_eq!(b.sync(&[]), (0, Bytes::from_static(b"B")));
    assert_eq!(b.position(), (1, "so far".to_owned()));
    a.leave();
    b.beat_until(27);
    assert_eq!(b.join().generation_id, 3);
    serving.stop();
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let place = Place::new();
    let serving = start(&place, &[]);
    let address = coordinator(&serving);
    let mut a = Member::new(&address);
    a.instance = Some("instance-1");
    a.join();
    assert_eq!(a.sync(&[(&a.id.clone(), "all")]).0, 0);
    let mut back = Member::new(&address);
    back.instance = Some("instance-1");
    let answer = back.join();
    assert_eq!((answer.error_code, answer.generation_id), (0, 1));
    assert!(answer.skip_assignment);
    assert_eq!(back.sync(&[]), (0, Bytes::from_static(b"all")));
    assert_eq!(a.beat(), 82, "fenced by its successor");
    assert_eq!(back.beat(), 0);
}

#[test]
fn three_brokers_hand_a_group_on() {
    let place = Place::new();
    let sets = ["--brokers", "3", "--set", "default.replication.factor=3"];
    let serving = start(&place, &sets);
    let (mut a, mut b) = pair(&coordinator(&serving));
    let leader = usize::try_from(serving.client().topic(TOPIC)).unwrap();
    let mut client = Client::connect(&serving.addresses[leader - 1]);
    retry(|| (client.produce(TOPIC, batch(&["x"], None)).0 == 0).then_some(()));
    assert_eq!(b.commit(1), 0);
    serving.stop();

    let serving = start(&place, &sets);
    let address = retry(|| {
        let address = coordinator(&serving);
        (Member { id: a.id.clone(), generation: 2, ..Member::new(&address) }.beat() == 0)
            .then_some(address)
    });
    (a.client, b.client) = (Client::connect(&address), Client::connect(&address));
    assert_eq!((a.beat(), b.beat()), (0, 0));
    assert_eq!(a.sync(&[]), (0, Bytes::from_static(b"A")));
    assert_eq!(b.position(), (1, "so far".to_owned()));
}

/// A stop in order moves leaders away from brokers; preferred leaders come back on request, and with
/// them coordinators, while members are there.
#[test]
fn a_coordinator_moves_while_members_are_there() {
    const GROUPS: [&str; 12] =
        ["g-1", "g-2", "g-3", "g-4", "g-5", "g-6", "g-7", "g-8", "g-9", "g-10", "g-11", "g-12"];
    let place = Place::new();
    let sets = ["--brokers", "3", "--set", "auto.leader.rebalance.enable=false"];
    let serving = start(&place, &sets);
    let preferred = coordinators(&serving, &GROUPS);
    serving.stop();
    let serving = start(&place, &sets);
    let now = coordinators(&serving, &GROUPS);
    let moved = (0..GROUPS.len()).find(|at| preferred[*at] != now[*at]);
    let at = moved.expect("the last broker to stop leads everything that it can");
    let (group, home) = (GROUPS[at], &serving.addresses[preferred[at] - 1]);
    let away = &serving.addresses[now[at] - 1];
    retry(|| (Member::of(group, away).state() == "Dead").then_some(()));
    let (mut a, mut b) = pair_of(group, away);
    assert_eq!(b.commit(1), 0);
    let elect = ElectLeadersRequest::default().with_topic_partitions(None);
    retry(|| {
        // brokers may still be on their way into the ISR
        serving.client().call(2, &elect);
        (coordinators(&serving, &[group])[0] == preferred[at]).then_some(())
    });
    a.beat_until(16);
    (a.client, b.client) = (Client::connect(home), Client::connect(home));
    a.beat_until(0);
    assert_eq!(b.beat(), 0);
    assert_eq!(b.sync(&[]), (0, Bytes::from_static(b"B")));
    assert_eq!(a.position(), (1, "so far".to_owned()));
}
