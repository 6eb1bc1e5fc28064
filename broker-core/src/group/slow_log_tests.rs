//! A log that takes too long over what groups write: clients hear that it failed, and what it has taken
//! counts once it is replicated.

use super::consumers_tests::{World, alive, client, join};
use crate::error::ErrorCode;
use crate::ids::{NO_OFFSET, Offset};
use crate::protocol::{
    CommittedOffset, ConsumerGroupHeartbeatRequest, LeaveGroupRequest, LeaveGroupResponse,
    OffsetDeleteRequest, OffsetFetchGroup, OffsetFetchRequest, ProducerIdAndEpoch, Response,
    TxnOffsetCommitRequest,
};
use crate::replica::tests::TP;

/// Longer than `offsets.commit.timeout.ms`.
const TOO_LONG_MS: u64 = 5_001;

impl World {
    /// The log takes too long over what it has. What is answered.
    fn waited(&mut self) -> Vec<Response> {
        self.disk();
        self.rig.now_ms += TOO_LONG_MS;
        self.rig.act(|replicas, step| replicas.purgatory_due(step));
        self.outcomes()
    }

    /// The last member is gone, and the log takes too long over it. What is answered.
    fn emptied_slowly(&mut self) -> Vec<Response> {
        self.beat(&join("x"));
        self.disk();
        self.replicated();
        self.beat(&alive("x", -1));
        self.waited()
    }

    /// The group's position, and whether no transaction is about to change it.
    fn position(&mut self) -> (Offset, bool) {
        let asked =
            OffsetFetchGroup { group: "billing".into(), partitions: Some(vec![TP]), member: None };
        let request = OffsetFetchRequest { require_stable: true, groups: vec![asked] };
        let found = self.groups.fetch(&self.rig.image, &request).groups.remove(0);
        (found.offsets[0].offset, found.unstable.is_empty())
    }

    fn commit_in_transaction(&mut self, offset: Offset) {
        self.commit_of(7, offset);
    }

    fn commit_of(&mut self, producer_id: i64, offset: Offset) {
        let request = TxnOffsetCommitRequest {
            transactional_id: "billing".into(),
            group: "billing".into(),
            producer: ProducerIdAndEpoch { id: producer_id, epoch: 0 },
            generation: -1,
            member: "".into(),
            instance: None,
            offsets: vec![CommittedOffset { offset, ..CommittedOffset::none(TP) }],
            rules: crate::protocol::TransactionRules::Added,
        };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| {
            groups.commit_in_transaction(step, replicas, &image, client(), request);
        });
    }

    /// The marker that commits a producer's transaction is replicated.
    fn ends(&mut self, producer_id: i64) {
        let epoch = self.groups.partitions[&0].epoch;
        self.groups.transaction_ended((TP, epoch), producer_id, true);
    }

    fn delete_position(&mut self) {
        let request = OffsetDeleteRequest { group: "billing".into(), partitions: vec![TP] };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.delete_offsets(step, replicas, &image, client(), request));
    }

    /// Somebody leaves, or is sent away by its instance. What is answered at once.
    #[track_caller]
    fn leave(&mut self, member: &str, instance: Option<&str>) -> LeaveGroupResponse {
        let members = vec![(member.into(), instance.map(Into::into))];
        let request = LeaveGroupRequest { group: "billing".into(), members };
        let Self { rig, groups, .. } = self;
        let image = rig.image.clone();
        rig.act(|replicas, step| groups.leave(step, replicas, &image, client(), request));
        match self.outcomes().pop() {
            Some(Response::LeaveGroup(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }
}

/// Hunt seed 735429.
#[test]
fn a_commit_that_took_too_long_counts_once_it_is_replicated() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    let told = world.waited();
    let [Response::OffsetCommit(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.partitions, [(TP, ErrorCode::CoordinatorNotAvailable)]);
    assert_eq!(world.position(), (NO_OFFSET, true), "it may be lost yet");
    let told = world.replicated();
    assert!(!told.iter().any(|told| matches!(told, Response::OffsetCommit(_))), "{told:?}");
    assert_eq!(world.position(), (7, true));
}

#[test]
fn commits_count_in_the_order_of_the_log_whoever_took_too_long() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    world.waited();
    world.commit_at(6, "", -1);
    world.disk();
    world.replicated();
    assert_eq!(world.position(), (6, true));
}

#[test]
fn a_commit_that_took_too_long_is_lost_with_the_leadership() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    world.waited();
    world.rig.elect(2);
    assert!(world.outcomes().is_empty());
    assert_eq!(world.position(), (NO_OFFSET, true));
    assert_eq!(world.groups.writes.commits_of(&"billing".into()).count(), 0);
}

#[test]
fn a_commit_of_a_transaction_that_took_too_long_waits_for_the_marker() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_in_transaction(7);
    let told = world.waited();
    let [Response::TxnOffsetCommit(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.partitions, [(TP, ErrorCode::CoordinatorNotAvailable)]);
    assert_eq!(world.position(), (NO_OFFSET, false));
    world.replicated();
    assert_eq!(world.position(), (NO_OFFSET, false));
    world.ends(7);
    assert_eq!(world.position(), (7, true));
}

#[test]
fn of_two_transactions_the_one_that_said_a_position_last_counts_whichever_ends_last() {
    for ends in [[7, 8], [8, 7]] {
        let mut world = World::new(&[1], 1);
        world.commit_of(7, 100);
        world.commit_of(8, 90);
        world.disk();
        assert_eq!(world.position(), (NO_OFFSET, false));
        for producer in ends {
            world.ends(producer);
        }
        assert_eq!(world.position(), (90, true), "{ends:?}");
    }
}

#[test]
fn what_was_committed_since_counts_more_than_a_transaction_that_ends_later() {
    let mut world = World::new(&[1], 1);
    world.commit_in_transaction(100);
    world.commit_at(90, "", -1);
    world.disk();
    assert_eq!(world.position(), (90, false), "its end is not known yet");
    world.ends(7);
    assert_eq!(world.position(), (90, true));
}

#[test]
fn a_deletion_that_took_too_long_counts_once_it_is_replicated() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    world.disk();
    world.replicated();
    world.delete_position();
    let told = world.waited();
    let [Response::OffsetDelete(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.error, ErrorCode::CoordinatorNotAvailable);
    assert!(answer.partitions.is_empty(), "what is said of a partition is final");
    assert_eq!(world.position(), (7, true));
    world.replicated();
    assert_eq!(world.position(), (NO_OFFSET, true));
}

#[test]
fn a_commit_on_its_way_goes_with_its_topic() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    let World { rig, groups, .. } = &mut world;
    let topic = rig.image.topic(TP.topic).unwrap().name.clone();
    rig.act(|replicas, step| groups.forget_topic(step, replicas, &topic));
    world.disk();
    world.replicated();
    assert_eq!(world.position(), (NO_OFFSET, true));
}

#[test]
fn a_group_whose_deletion_took_too_long_is_gone_once_it_is_replicated() {
    let mut world = World::new(&[1, 2], 1);
    world.commit_at(7, "", -1);
    world.disk();
    world.replicated();
    world.delete();
    let told = world.waited();
    let [Response::DeleteGroups(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.groups[0].1, ErrorCode::CoordinatorNotAvailable);
    let told = world.delete();
    let [Response::DeleteGroups(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.groups[0].1, ErrorCode::GroupIdNotFound, "the log has its end already");
    assert_eq!(world.listed().len(), 1);
    world.replicated();
    assert!(world.listed().is_empty());
}

#[test]
fn a_group_that_was_emptied_slowly_takes_classic_members() {
    let mut world = World::new(&[1, 2], 1);
    let told = world.emptied_slowly();
    let [Response::ConsumerGroupHeartbeat(answer)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(answer.error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.described(), (ErrorCode::None, 1, 1));
    assert_eq!(world.join_classic(), ErrorCode::MemberIdRequired);
}

#[test]
fn a_group_that_was_emptied_slowly_is_shown_as_empty_once_the_log_goes_on() {
    let mut world = World::new(&[1, 2], 1);
    world.emptied_slowly();
    assert_eq!(world.described(), (ErrorCode::None, 1, 1));
    world.replicated();
    assert_eq!(world.described(), (ErrorCode::None, 2, 0));
}

#[test]
fn a_group_that_was_emptied_slowly_expires() {
    let mut world = World::new(&[1, 2], 1);
    world.emptied_slowly();
    let World { rig, groups, .. } = &mut world;
    rig.act(|replicas, step| groups.expiry_due(step, replicas));
    world.disk();
    assert_eq!(world.listed().len(), 1, "the log has not confirmed it");
    world.replicated();
    assert!(world.listed().is_empty());
}

/// What is said of a member is final, and the request as a whole is asked again.
#[test]
fn who_leaves_while_the_group_is_deleted_asks_again_as_a_whole() {
    let mut world = World::new(&[1], 1);
    assert_eq!(world.join_classic(), ErrorCode::MemberIdRequired);
    assert!(world.delete().is_empty());
    let told = world.leave("x", None);
    assert_eq!((told.error, told.members.len()), (ErrorCode::CoordinatorNotAvailable, 0));
}

#[test]
fn a_static_member_whose_removal_the_log_does_not_take_is_removed_as_a_whole_or_not() {
    let mut world = World::new(&[1], 1);
    world.told(&ConsumerGroupHeartbeatRequest { instance: Some("a".into()), ..join("x") });
    world.rig.elect(2);
    let told = world.leave("", Some("a"));
    assert_eq!((told.error, told.members.len()), (ErrorCode::NotCoordinator, 0));
    assert_eq!(world.described(), (ErrorCode::None, 1, 1));
}
