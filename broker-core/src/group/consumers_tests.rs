//! Groups in the consumer protocol and the log of their coordinator.

use super::codec::{
    GroupValue, Key, MemberValue, decode_key, encode_group_key, encode_group_value,
};
use super::{GroupCoordinator, OFFSETS_TOPIC};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId};
use crate::metadata::{ConfigResource, MetadataDelta, MetadataRecord};
#[cfg(feature = "planted-bugs")]
use crate::plant::Plant;
use crate::protocol::{
    CommittedOffset, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, FetchPartitionResponse, GroupState,
    JoinGroupRequest, ListGroupsRequest, ListedState, OffsetCommitRequest, ProducerIdAndEpoch,
    Response, TransactionRules, TxnOffsetCommitRequest,
};
use crate::records::{Batch, Record, Records};
use crate::replica::tests::{Rig, TP, nothing_new};
use crate::seam::{DiskOpKind, DiskResult};
use crate::step::{Owner, ReplyTo, owner_of};

/// A broker that leads the one partition of `__consumer_offsets`, alone in its ISR.
pub(super) struct World {
    pub(super) rig: Rig,
    pub(super) groups: GroupCoordinator,
    /// Every record that the log has taken.
    log: Vec<Record>,
    /// Whether clients know epochs of members.
    knows_epochs: bool,
}

pub(super) fn client() -> ReplyTo {
    ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) }
}

fn classic() -> JoinGroupRequest {
    JoinGroupRequest {
        group: "billing".into(),
        member: "".into(),
        instance: None,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), bytes::Bytes::new())],
        requires_known_member: true,
        can_skip_assignment: true,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
    }
}

pub(super) fn join(member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group: "billing".into(),
        member: member.into(),
        epoch: 0,
        instance: None,
        rack: None,
        rebalance_timeout_ms: 20_000,
        topics: Some(vec![OFFSETS_TOPIC.into()]),
        regex: None,
        assignor: None,
        owned: Some(Vec::new()),
        makes_member_id: true,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
    }
}

pub(super) fn alive(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    let quiet = ConsumerGroupHeartbeatRequest { epoch, rebalance_timeout_ms: -1, ..join(member) };
    ConsumerGroupHeartbeatRequest { topics: None, owned: None, ..quiet }
}

impl World {
    pub(super) fn new(isr: &[i32], min_isr: i32) -> Self {
        let mut rig = Rig::new(OFFSETS_TOPIC, |server| server.min_insync_replicas = min_isr);
        let mut groups = GroupCoordinator::new(&rig.replicas.config);
        rig.create(1, isr);
        let delta = MetadataDelta { partitions: [TP].into(), ..MetadataDelta::default() };
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
        Self { rig, groups, log: Vec::new(), knows_epochs: true }
    }

    /// A request; what is answered before the disk does anything.
    pub(super) fn beat(&mut self, request: &ConsumerGroupHeartbeatRequest) -> Vec<Response> {
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| {
            groups.consumer_heartbeat(step, replicas, &image, client(), request);
        });
        self.outcomes()
    }

    pub(super) fn outcomes(&mut self) -> Vec<Response> {
        let Self { rig, groups, .. } = self;
        rig.act(|replicas, step| {
            for outcome in replicas.take_outcomes() {
                groups.append_done(step, replicas, outcome);
            }
        });
        rig.replies()
    }

    /// The disk does what was asked of it; what is answered then.
    pub(super) fn disk(&mut self) -> Vec<Response> {
        for op in self.rig.disk() {
            if let DiskOpKind::Append { records, .. } = op {
                let batches = records.batches().iter();
                self.log.extend(batches.flat_map(|batch| batch.records().unwrap()));
            }
        }
        self.outcomes()
    }

    /// The answer to a heartbeat, once the log has all.
    #[track_caller]
    pub(super) fn told(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        let mut answers = self.beat(request);
        answers.extend(self.disk());
        match answers.pop() {
            Some(Response::ConsumerGroupHeartbeat(answer)) => *answer,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &str, epoch: i32) -> ErrorCode {
        let mut answers = self.commit_at(7, member, epoch);
        answers.extend(self.disk());
        match answers.pop() {
            Some(Response::OffsetCommit(answer)) => answer.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// A commit within a producer's transaction.
    #[track_caller]
    fn commit_by_producer(&mut self, member: &str, generation: i32) -> ErrorCode {
        let request = TxnOffsetCommitRequest {
            transactional_id: "billing".into(),
            group: "billing".into(),
            producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
            generation,
            member: member.into(),
            instance: None,
            offsets: vec![CommittedOffset { offset: 7, ..CommittedOffset::none(TP) }],
            rules: TransactionRules::Added,
        };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| {
            groups.commit_in_transaction(step, replicas, &image, client(), request);
        });
        let mut answers = self.outcomes();
        answers.extend(self.disk());
        match answers.pop() {
            Some(Response::TxnOffsetCommit(answer)) => answer.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// A commit; what is answered before the disk does anything.
    pub(super) fn commit_at(&mut self, offset: i64, member: &str, epoch: i32) -> Vec<Response> {
        let at = CommittedOffset { offset, ..CommittedOffset::none(TP) };
        let request = OffsetCommitRequest {
            group: "billing".into(),
            generation: epoch,
            member: member.into(),
            instance: None,
            offsets: vec![at],
            knows_epochs: self.knows_epochs,
        };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.commit(step, replicas, &image, client(), request));
        self.outcomes()
    }

    pub(super) fn join_classic(&mut self) -> ErrorCode {
        let request = classic();
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.join(step, replicas, &image, client(), request));
        match self.outcomes().pop() {
            Some(Response::JoinGroup(answer)) => answer.error,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn listed(&self) -> Vec<ListedState> {
        let all = ListGroupsRequest { states: Vec::new(), types: Vec::new() };
        self.groups.list(&all).groups.into_iter().map(|group| group.state).collect()
    }

    /// Group epoch and members as tools see them.
    pub(super) fn described(&mut self) -> (ErrorCode, i32, usize) {
        let request = ConsumerGroupDescribeRequest { groups: vec!["billing".into()] };
        let image = self.rig.image.clone();
        let group = self.groups.describe_consumers(&image, &request).groups.remove(0);
        (group.error, group.epoch, group.members.len())
    }

    /// Why the group is not described.
    fn refusal(&mut self) -> Option<String> {
        let request = ConsumerGroupDescribeRequest { groups: vec!["billing".into()] };
        let image = self.rig.image.clone();
        let group = self.groups.describe_consumers(&image, &request).groups.remove(0);
        group.message.map(|message| message.to_string())
    }
}

/// Kafka's `GroupMetadataManager.consumerGroup`.
#[test]
fn a_group_that_is_not_there_is_told_from_one_without_the_protocol() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.described().0, ErrorCode::GroupIdNotFound);
    assert_eq!(world.refusal().as_deref(), Some("Group billing not found."));
    assert_eq!(world.commit("", -1), ErrorCode::None);
    assert_eq!(world.described().0, ErrorCode::GroupIdNotFound);
    assert_eq!(world.refusal().as_deref(), Some("Group billing is not a consumer group."));
}

/// Kafka's `getOrMaybeCreateConsumerGroup`, and `consumerGroup` for who leaves.
#[test]
fn heartbeats_are_told_which_group_they_did_not_find() {
    let mut world = World::new(&[1], 1);
    let why = |world: &mut World, epoch: i32| {
        let told = world.told(&alive("x", epoch));
        assert_eq!(told.error, ErrorCode::GroupIdNotFound);
        told.message.map(|message| message.to_string()).unwrap_or_default()
    };
    assert_eq!(why(&mut world, 3), "Consumer group billing not found.");
    assert_eq!(why(&mut world, -1), "Group billing not found.");
    assert_eq!(world.commit("", -1), ErrorCode::None);
    assert_eq!(why(&mut world, 3), "Group billing is not a consumer group.");
}

#[test]
fn grp_16_a_heartbeat_is_answered_once_the_log_has_what_it_says() {
    let mut world = World::new(&[1], 1);
    assert!(world.beat(&join("x")).is_empty());
    assert_eq!(world.described(), (ErrorCode::None, 0, 0), "nothing is confirmed");
    let answers = world.disk();
    let [Response::ConsumerGroupHeartbeat(answer)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.epoch, answer.assignment.as_deref()), (1, Some(&[TP][..])));
    assert_eq!(world.described(), (ErrorCode::None, 1, 1));
}

#[test]
fn what_replicas_do_not_have_is_not_told() {
    let mut world = World::new(&[1, 2], 1);
    assert!(world.beat(&join("x")).is_empty());
    assert!(world.disk().is_empty(), "the other replica does not have it");
    let end = world.rig.partition().log.log_end_offset();
    world.rig.fetched_by(2, end, 0);
    let answers = world.outcomes();
    let told = answers.iter().filter(|told| matches!(told, Response::ConsumerGroupHeartbeat(_)));
    assert_eq!(told.count(), 1);
}

#[test]
fn a_log_that_takes_nothing_leaves_the_group_as_it_was() {
    let mut world = World::new(&[1], 2);
    let told = world.told(&join("x"));
    assert_eq!(told.error, ErrorCode::CoordinatorNotAvailable);
    assert!(world.listed().is_empty());
}

#[test]
fn who_loads_the_log_knows_the_group() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    world.told(&join("y"));
    assert_eq!(world.commit("x", 1), ErrorCode::None);
    let expected = world.described();
    let mut records = world.log;
    let kinds = records.iter().filter(|record| {
        matches!(record.key.as_deref().and_then(decode_key), Some(Key::Consumer(_)))
    });
    assert_eq!(kinds.count(), records.len() - 1, "all but a position");

    let (mut world, records) = successor(&mut records);
    assert_eq!(world.told_while_loading(records), ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.described(), expected);
}

/// Another broker, which has copied these records, leads the log and is about to load it.
fn successor(records: &mut [Record]) -> (World, Records) {
    let mut rig = Rig::new(OFFSETS_TOPIC, |_| {});
    rig.create(2, &[1, 2]);
    let records = crate::log::testing::numbered(Batch::build(1, records), 0, 0);
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    let delta = rig.elect(1);
    let mut groups = GroupCoordinator::new(&rig.replicas.config);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    (World { rig, groups, log: Vec::new(), knows_epochs: true }, records)
}

/// So in Kafka (`ConsumerGroup` sessions that `onLoaded` schedules): the brokers' is 45 s.
#[test]
fn members_of_a_loaded_group_have_the_session_timeout_of_their_group() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    let (mut world, records) = successor(&mut world.log);
    world.rig.apply(&[own("consumer.session.timeout.ms", "60000")]);
    world.told_while_loading(records);
    world.passes(50_000);
    assert_eq!(world.told(&alive("x", 1)).error, ErrorCode::None);
    world.passes(60_000);
    assert_eq!(world.told(&alive("x", 1)).error, ErrorCode::UnknownMemberId);
}

/// A config of the group.
fn own(key: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config {
        resource: ConfigResource::Group("billing".into()),
        key: key.into(),
        value: Some(value.into()),
    }
}

impl World {
    /// So many ms pass, and the group does what is due then.
    fn passes(&mut self, ms: u64) {
        let Self { rig, groups, .. } = self;
        rig.now_ms += ms;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.timer_due(step, replicas, &image));
        self.disk();
    }

    /// What a heartbeat is told before the log is read; then it is read.
    fn told_while_loading(&mut self, records: Records) -> ErrorCode {
        let early = self.told(&alive("x", 1)).error;
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.finish_step(step, replicas, &image));
        let load = rig.effects.disk.pop().expect("it reads");
        assert_eq!(owner_of(load.id.0), Some(Owner::Group));
        let result = DiskResult::Read(vec![records]);
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.disk_done(step, (replicas, &image), load.id, result));
        early
    }
}

#[test]
fn a_group_without_members_goes_over_to_the_other_protocol_and_back() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    assert_eq!(world.join_classic(), ErrorCode::InconsistentGroupProtocol);
    world.told(&alive("x", -1));
    assert_eq!(world.join_classic(), ErrorCode::MemberIdRequired);
    assert_eq!(world.listed(), [ListedState::Classic(GroupState::Empty)]);
    world.disk();
    let removed = world.log.iter().rev().take_while(|record| record.value.is_none()).count();
    assert_eq!(removed, 2, "targets' epoch and group");
    assert_eq!(world.told(&join("y")).epoch, 1);
    assert_eq!(world.listed()[0].kind(), "consumer");
}

#[test]
fn a_group_has_times_of_its_own() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.told(&join("x")).heartbeat_interval_ms, 5000);
    world.rig.apply(&[own("consumer.heartbeat.interval.ms", "7000")]);
    assert_eq!(world.told(&alive("x", 1)).heartbeat_interval_ms, 7000);
}

#[test]
fn commits_of_members_need_their_epoch() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    assert_eq!(world.commit("x", 1), ErrorCode::None);
    assert_eq!(world.commit("x", 0), ErrorCode::StaleMemberEpoch);
    assert_eq!(world.commit("y", 1), ErrorCode::UnknownMemberId);
}

/// `ConsumerGroup.validateOffsetCommit`, in its order.
#[test]
fn members_commit_by_versions_that_know_their_epochs() {
    let mut world = World::new(&[1], 1);
    world.knows_epochs = false;
    assert_eq!(world.commit("", -1), ErrorCode::None, "nobody's");
    world.told(&join("x"));
    assert_eq!(world.commit("x", 1), ErrorCode::UnsupportedVersion);
    assert_eq!(world.commit("x", 0), ErrorCode::UnsupportedVersion);
    assert_eq!(world.commit("y", 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit_by_producer("x", 1), ErrorCode::None, "with TxnOffsetCommit");
    world.told(&alive("x", -1));
    assert_eq!(world.commit("", -1), ErrorCode::None);
}

/// `ConsumerGroup.validateOffsetCommit`: what names nobody is taken from producers, as producers of before KIP-447 name
/// nobody (KAFKA-18060); from others it is not.
#[test]
fn producers_need_not_say_for_which_member_of_the_consumer_protocol_they_commit() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.commit_by_producer("", -1), ErrorCode::None);
    world.told(&join("x"));
    assert_eq!(world.commit_by_producer("", -1), ErrorCode::None);
    assert_eq!(world.commit("", -1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit_by_producer("", 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit_by_producer("x", 0), ErrorCode::IllegalGeneration);
    assert_eq!(world.commit_by_producer("x", 1), ErrorCode::None);
    world.told(&alive("x", -1));
    assert_eq!(world.commit_by_producer("", -1), ErrorCode::None);
}

/// `OffsetMetadataManager.validateOffsetCommit` and `validateTransactionalOffsetCommit`.
#[test]
fn whoever_commits_in_a_generation_of_a_group_that_is_gone_is_told_so() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.commit("x", 3), ErrorCode::GroupIdNotFound);
    let told = world.commit_by_producer("x", 3);
    assert_eq!(told, ErrorCode::IllegalGeneration, "producers know no other");
    assert_eq!(world.commit("", -1), ErrorCode::None, "positions need no members");
}

#[test]
fn a_group_is_deleted_with_all_its_records() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    let mut delete = || {
        let mut answers = world.delete();
        answers.extend(world.disk());
        let Some(Response::DeleteGroups(answer)) = answers.pop() else { panic!("no answer") };
        let error = answer.groups[0].1;
        if error == ErrorCode::NonEmptyGroup {
            world.told(&alive("x", -1));
        }
        error
    };
    assert_eq!(delete(), ErrorCode::NonEmptyGroup);
    assert_eq!(delete(), ErrorCode::None);
    assert_eq!(delete(), ErrorCode::GroupIdNotFound);
    let mut alive: std::collections::BTreeSet<_> = std::collections::BTreeSet::new();
    for record in &world.log {
        if record.value.is_some() {
            alive.insert(record.key.clone());
        } else {
            alive.remove(&record.key);
        }
    }
    assert!(alive.is_empty(), "{alive:?}");
}

impl World {
    /// The other replica has all.
    pub(super) fn replicated(&mut self) -> Vec<Response> {
        let end = self.rig.partition().log.log_end_offset();
        self.rig.fetched_by(2, end, 0);
        self.outcomes()
    }

    pub(super) fn delete(&mut self) -> Vec<Response> {
        let request = DeleteGroupsRequest { groups: vec!["billing".into()] };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.delete(step, replicas, &image, client(), request));
        self.outcomes()
    }
}

#[test]
fn classic_members_come_after_who_left_was_told() {
    let mut world = World::new(&[1], 1);
    world.told(&join("x"));
    assert!(world.beat(&alive("x", -1)).is_empty());
    assert_eq!(world.join_classic(), ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.disk().len(), 1);
    assert_eq!(world.join_classic(), ErrorCode::MemberIdRequired);
}

#[test]
fn who_joins_while_a_classic_group_is_deleted_is_to_try_again() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.join_classic(), ErrorCode::MemberIdRequired);
    assert!(world.delete().is_empty());
    let told = world.beat(&join("x"));
    let [Response::ConsumerGroupHeartbeat(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.error, ErrorCode::CoordinatorNotAvailable);
    world.disk();
    assert_eq!(world.told(&join("x")).epoch, 1);
}

#[cfg(feature = "planted-bugs")]
mod plants {
    use super::*;

    fn planted(plant: Plant) -> World {
        let mut world = World::new(&[1], 1);
        world.groups.plant = Some(plant);
        world
    }

    #[test]
    fn grp_16_tells_what_a_crash_takes_back() {
        let mut world = planted(Plant::AssignmentNotWritten);
        assert_eq!(world.beat(&join("x")).len(), 1, "answered before the disk has it");
        assert!(world.log.is_empty());
    }

    #[test]
    fn grp_stale_lets_a_member_commit_in_an_epoch_that_is_over() {
        let mut world = planted(Plant::StaleEpochCommits);
        world.told(&join("x"));
        assert_eq!(world.commit("x", 0), ErrorCode::None);
    }

    #[test]
    fn grp_unreleased_gives_a_partition_two_owners() {
        let mut world = planted(Plant::UnreleasedGiven);
        let first = world.told(&join("y")).assignment.unwrap();
        let next = world.told(&join("x")).epoch;
        let elsewhere = Some(vec!["elsewhere".into()]);
        world.told(&ConsumerGroupHeartbeatRequest { topics: elsewhere, ..alive("y", 1) });
        let second = world.told(&alive("x", next)).assignment.unwrap();
        assert_eq!((first, second), (vec![TP], vec![TP]), "the first has not let go of it");
    }
}

/// Hunt seed 27003323.
#[test]
fn who_comes_back_is_answered_though_the_group_has_gone_over() {
    for is_overdue in [false, true] {
        let member = MemberValue {
            id: "a".into(),
            instance: Some("a".into()),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 10_000,
            session_timeout_ms: 10_000,
            subscription: bytes::Bytes::new(),
            assignment: bytes::Bytes::new(),
        };
        let value = GroupValue {
            protocol_type: "consumer".into(),
            generation: 5,
            protocol: Some("range".into()),
            leader: Some("a".into()),
            state_since_ms: 1,
            members: vec![member],
        };
        let group =
            Record::new(Some(encode_group_key("billing")), Some(encode_group_value(&value)));
        let (mut world, records) = successor(&mut [group]);
        world.told_while_loading(records);
        let asked = JoinGroupRequest { instance: Some("a".into()), ..classic() };
        let World { rig, groups, .. } = &mut world;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.join(step, replicas, &image, client(), asked));
        assert!(world.outcomes().is_empty(), "the log does not have its new id yet");
        world.passes(10_000);
        assert!(world.beat(&join("x")).is_empty(), "its session is over, and the group goes over");
        world.disk();
        if is_overdue {
            world.rig.act(|replicas, step| replicas.purgatory_due(step));
        } else {
            let end = world.rig.partition().log.log_end_offset();
            world.rig.fetched_by(2, end, 1);
        }
        let told = world.outcomes();
        let joins = told.iter().filter_map(|told| match told {
            Response::JoinGroup(answer) => Some(answer.error),
            _ => None,
        });
        assert_eq!(joins.collect::<Vec<_>>(), [ErrorCode::UnknownMemberId]);
    }
}
