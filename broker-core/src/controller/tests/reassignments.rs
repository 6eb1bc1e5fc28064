//! Partitions that move to other brokers (KIP-455).

use super::rig::{Rig, nodes};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId, TopicPartition};
use crate::protocol::{
    AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest, Reassignment, Request,
    Response,
};
use crate::seam::TraceEvent;
use proptest::prelude::*;

impl Rig {
    fn reassign(&mut self, tp: TopicPartition, target: Option<&[i32]>) -> ErrorCode {
        self.reassign_with(tp, target, true)
    }

    fn reassign_with(
        &mut self,
        tp: TopicPartition,
        target: Option<&[i32]>,
        allow_replication_factor_change: bool,
    ) -> ErrorCode {
        let partitions = vec![(tp, target.map(nodes))];
        let request =
            AlterPartitionReassignmentsRequest { allow_replication_factor_change, partitions };
        match self.ask(Request::AlterPartitionReassignments(request)) {
            Response::AlterPartitionReassignments(response) => response.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn moving(&mut self, partitions: Option<Vec<TopicPartition>>) -> Vec<Reassignment> {
        let request = ListPartitionReassignmentsRequest { partitions };
        match self.ask(Request::ListPartitionReassignments(request)) {
            Response::ListPartitionReassignments(response) => response.partitions,
            other => panic!("{other:?}"),
        }
    }

    fn replicas(&self, tp: TopicPartition) -> Vec<i32> {
        self.partition(tp).replicas.iter().map(|node| node.0).collect()
    }

    /// A broker's next process.
    fn back(&mut self, broker: i32) {
        self.register(broker, 100 + broker as u128).unwrap();
        self.beat(broker);
    }

    /// Whether the partition's present state was told, and as what.
    fn was_told(&self, tp: TopicPartition, unclean: bool) -> bool {
        let (leader, epoch, isr) = self.state(tp);
        let leader = (leader != 0).then_some(NodeId(leader));
        let isr = nodes(&isr);
        self.traced(&TraceEvent::PartitionChanged { tp, leader, epoch, isr, unclean })
    }
}

#[test]
fn a_partition_moves_once_what_is_added_is_in_sync() {
    let mut rig = Rig::with_brokers(4);
    let tp = rig.create_on(&[1, 2], &[]);
    assert_eq!(rig.reassign(tp, Some(&[3, 4])), ErrorCode::None);
    assert_eq!(rig.replicas(tp), [3, 4, 1, 2]);
    assert_eq!(
        rig.state(tp),
        (1, 0, vec![1, 2]),
        "nothing is in sync yet, so nobody stops leading"
    );
    let expected = Reassignment {
        tp,
        replicas: nodes(&[3, 4, 1, 2]),
        adding: nodes(&[3, 4]),
        removing: nodes(&[1, 2]),
    };
    assert_eq!(rig.moving(None), std::slice::from_ref(&expected));
    assert_eq!(rig.moving(Some(vec![tp, TopicPartition::new(TopicId(9), 0)])), [expected]);

    let joined = rig.alter(tp, &[1, 2, 3], |_| {}).unwrap();
    assert_eq!(joined.isr, nodes(&[1, 2, 3]));
    let ended = rig.alter(tp, &[1, 2, 3, 4], |_| {});
    assert_eq!(ended, Err(ErrorCode::NewLeaderElected), "the old leader is none of the new ones");
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![3, 4], (3, 1, vec![3, 4])));
    assert!(rig.was_told(tp, false));
    assert_eq!(rig.moving(None), []);
}

#[test]
fn replicas_that_only_go_or_change_places_need_not_wait() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2, 3], &[]);
    assert_eq!(rig.reassign(tp, Some(&[2, 1, 3])), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![2, 1, 3], (1, 0, vec![1, 2, 3])));
    assert_eq!(rig.reassign(tp, Some(&[2, 1])), ErrorCode::None);
    // the epoch ends all the same: who goes must not be taken for one in sync
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![2, 1], (1, 1, vec![1, 2])));
    let epoch = rig.partition(tp).partition_epoch;
    assert_eq!(rig.reassign(tp, Some(&[2, 1])), ErrorCode::None);
    assert_eq!(rig.partition(tp).partition_epoch, epoch, "no change, no record");
}

#[test]
fn what_stays_must_be_in_sync() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[1]);
    assert_eq!(rig.state(tp), (1, 0, vec![1]));
    assert_eq!(rig.reassign(tp, Some(&[2])), ErrorCode::None);
    assert_eq!(rig.state(tp), (1, 0, vec![1]), "2 lacks records");
    rig.register(2, 22).unwrap();
    rig.beat(2);
    assert_eq!(rig.alter(tp, &[1, 2], |_| {}), Err(ErrorCode::NewLeaderElected));
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![2], (2, 1, vec![2])));
}

#[test]
fn what_is_asked_twice_or_keeps_a_lagging_replica_waits_for_all_of_them() {
    let mut rig = Rig::with_brokers(6);
    let tp = rig.create_on(&[1, 2, 3], &[]);
    for _ in 0..2 {
        assert_eq!(rig.reassign(tp, Some(&[4, 5, 6])), ErrorCode::None);
    }
    rig.alter(tp, &[1, 2, 3, 4], |_| {}).unwrap();
    assert_eq!(rig.state(tp), (1, 0, vec![1, 2, 3, 4]), "5 and 6 have no copy yet");
    let ended = rig.alter(tp, &[1, 2, 3, 4, 5, 6], |_| {});
    assert_eq!(ended, Err(ErrorCode::NewLeaderElected));
    assert_eq!((rig.replicas(tp), rig.state(tp).2), (vec![4, 5, 6], vec![4, 5, 6]));

    let tp = rig.create_on(&[1, 2, 3], &[]);
    rig.alter(tp, &[1, 3], |_| {}).unwrap();
    assert_eq!(rig.reassign(tp, Some(&[1, 2])), ErrorCode::None);
    assert_eq!(rig.state(tp).2, [1, 3], "2 lags: 3 must stay");
    rig.alter(tp, &[1, 2, 3], |_| {}).unwrap_err();
    assert_eq!((rig.replicas(tp), rig.state(tp).2), (vec![1, 2], vec![1, 2]));
}

#[test]
fn a_reassignment_is_taken_back() {
    let mut rig = Rig::with_brokers(4);
    let tp = rig.create_on(&[1, 2], &[]);
    assert_eq!(rig.reassign(tp, None), ErrorCode::NoReassignmentInProgress);
    rig.reassign(tp, Some(&[3, 4]));
    rig.alter(tp, &[1, 2, 3], |_| {}).unwrap();
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![1, 2], (1, 1, vec![1, 2])));
    assert!(rig.was_told(tp, false));

    // only what is added is left in sync: taking it back would lose records
    rig.reassign(tp, Some(&[3, 4]));
    rig.alter(tp, &[1, 2, 3], |_| {}).unwrap();
    rig.only_heard(&[3, 4]);
    assert_eq!(rig.state(tp).2, [3]);
    assert_eq!(rig.reassign(tp, None), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(rig.moving(None).len(), 1);
}

/// Kafka's `changePartitionReassignment` leaves `addingReplicas` and `removingReplicas` as they are where its
/// target adds nothing, or nothing goes.
#[test]
fn what_is_asked_twice_is_taken_back_all_the_same() {
    let mut rig = Rig::with_brokers(6);
    let tp = rig.create_on(&[1, 2, 3], &[]);
    assert_eq!(rig.reassign(tp, Some(&[4, 5, 6])), ErrorCode::None);
    let epoch = rig.partition(tp).partition_epoch;
    assert_eq!(rig.reassign(tp, Some(&[4, 5, 6])), ErrorCode::None);
    assert_eq!(rig.partition(tp).partition_epoch, epoch, "no change, no record");
    assert_eq!(rig.reassign(tp, Some(&[6, 5, 4, 3, 2, 1])), ErrorCode::None);
    let expected = Reassignment {
        tp,
        replicas: nodes(&[6, 5, 4, 3, 2, 1]),
        adding: nodes(&[4, 5, 6]),
        removing: nodes(&[1, 2, 3]),
    };
    assert_eq!(rig.moving(None), [expected], "nothing more goes or comes");
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.moving(None)), (vec![3, 2, 1], vec![]));
}

/// Kafka's `calculateDifference` has sorted sets.
#[test]
fn replicas_that_go_come_last_by_their_ids() {
    let mut rig = Rig::with_brokers(5);
    let tp = rig.create_on(&[3, 1, 2], &[]);
    assert_eq!(rig.reassign(tp, Some(&[5, 4])), ErrorCode::None);
    let expected = Reassignment {
        tp,
        replicas: nodes(&[5, 4, 1, 2, 3]),
        adding: nodes(&[4, 5]),
        removing: nodes(&[1, 2, 3]),
    };
    assert_eq!(rig.moving(None), [expected]);
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!(rig.replicas(tp), [1, 2, 3]);
}

/// A partition of brokers 1 and 2 that was to move to 3 and 4, of which 3 is in sync, alone, and is to be where
/// it was again.
#[test]
fn who_is_added_and_goes_again_hands_over_and_nothing_is_lost() {
    for (before, leader) in [(&[1, 2][..], 1), (&[2][..], 2)] {
        let mut rig = Rig::with_brokers(4);
        let tp = rig.create_on(before, &[]);
        rig.reassign(tp, Some(&[3, 4]));
        rig.alter(tp, &[leader, 3], |_| {}).unwrap();
        rig.only_heard(&[3, 4]);
        assert_eq!(rig.reassign(tp, Some(before)), ErrorCode::None);
        let moving = rig.moving(None).remove(0);
        assert_eq!((&moving.adding, &moving.removing), (&nodes(&[3, 4]), &nodes(&[3, 4])));
        assert_eq!(rig.reassign(tp, None), ErrorCode::InvalidReplicaAssignment);
        for broker in before {
            rig.back(*broker);
        }
        let isr = [before, &[3]].concat();
        assert_eq!(rig.alter(tp, &isr, |_| {}), Err(ErrorCode::NewLeaderElected));
        assert_eq!((rig.replicas(tp), rig.state(tp).2), (before.to_vec(), before.to_vec()));
        assert!(rig.was_told(tp, false), "it is no reassignment that is taken back");
    }
}

/// Kafka's `changePartitionReassignment` elects from the ISR only, `cancelPartitionReassignment` does not.
#[test]
fn what_nobody_leads_has_no_unclean_election_for_being_moved() {
    let mut rig = Rig::with_brokers(4);
    let tp = rig.create_on(&[1], &[("unclean.leader.election.enable", "true")]);
    rig.only_heard(&[2, 3, 4]);
    assert_eq!(rig.state(tp), (0, 1, vec![1]));
    assert_eq!(rig.reassign(tp, Some(&[2, 3])), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![2, 3, 1], (0, 1, vec![1])));
    rig.back(1);
    assert_eq!(rig.state(tp), (1, 2, vec![1]), "no record is lost");
}

/// A partition of brokers 1 and 2, which are gone, moves to 3 and 4, of which 3 is in sync, alone.
fn only_what_is_added_is_in_sync(unclean: &str) -> (Rig, TopicPartition) {
    let mut rig = Rig::with_brokers(4);
    let tp = rig.create_on(&[1, 2], &[("unclean.leader.election.enable", unclean)]);
    rig.reassign(tp, Some(&[3, 4]));
    rig.alter(tp, &[1, 2, 3], |_| {}).unwrap();
    rig.only_heard(&[3, 4]);
    assert_eq!(rig.state(tp), (3, 1, vec![3]));
    (rig, tp)
}

#[test]
fn taking_back_what_alone_is_in_sync_needs_unclean_elections() {
    let (mut rig, tp) = only_what_is_added_is_in_sync("false");
    rig.back(1);
    let before = rig.partition(tp).clone();
    assert_eq!(rig.reassign(tp, None), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(*rig.partition(tp), before);
}

/// As Kafka's `PartitionReassignmentRevert` has it.
#[test]
fn the_first_replica_from_before_leads_though_it_was_not_in_sync() {
    let (mut rig, tp) = only_what_is_added_is_in_sync("true");
    rig.back(2);
    rig.back(1);
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![1, 2], (1, 2, vec![1])));
    assert!(!rig.partition(tp).recovering, "Kafka's record does not say that it is");
    assert!(rig.was_told(tp, true), "records were given up all the same");
    assert_eq!(rig.moving(None), []);
}

#[test]
fn another_replica_from_before_is_elected_uncleanly_where_the_first_is_gone() {
    let (mut rig, tp) = only_what_is_added_is_in_sync("true");
    rig.back(2);
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![1, 2], (2, 2, vec![2])));
    assert!(rig.partition(tp).recovering && rig.was_told(tp, true));
}

#[test]
fn a_reassignment_is_taken_back_to_replicas_that_are_gone_and_somebody_is_in_the_isr() {
    let (mut rig, tp) = only_what_is_added_is_in_sync("true");
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![1, 2], (0, 2, vec![1])));
    assert!(rig.was_told(tp, true));
    rig.back(1);
    assert_eq!(rig.state(tp), (1, 3, vec![1]));
    assert!(rig.was_told(tp, false), "what is lost was told before");

    // where nobody led, an epoch ends all the same
    let (mut rig, tp) = only_what_is_added_is_in_sync("true");
    rig.only_heard(&[]);
    assert_eq!(rig.state(tp), (0, 3, vec![4]));
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!((rig.replicas(tp), rig.state(tp)), (vec![1, 2], (0, 4, vec![1])));
}

#[test]
fn wrong_assignments_are_refused() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    let unknown = TopicPartition::new(TopicId(99), 0);
    assert_eq!(rig.reassign(unknown, Some(&[1])), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(rig.reassign(unknown, None), ErrorCode::UnknownTopicOrPartition);
    for target in [&[][..], &[1, 1], &[1, 7], &[-1]] {
        assert_eq!(rig.reassign(tp, Some(target)), ErrorCode::InvalidReplicaAssignment);
    }
    let fewer = rig.reassign_with(tp, Some(&[3]), false);
    assert_eq!(fewer, ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.reassign_with(tp, Some(&[3, 1]), false), ErrorCode::None);
    assert_eq!(rig.reassign_with(tp, Some(&[2, 3, 1]), false), ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.reassign_with(tp, Some(&[2, 3]), false), ErrorCode::None);
    assert_eq!(rig.reassign_with(tp, Some(&[1, 2]), false), ErrorCode::None);
    // what counts is how many there will be, not how many there were
    assert_eq!(rig.reassign(tp, Some(&[1, 2, 3])), ErrorCode::None);
    assert_eq!(rig.reassign_with(tp, Some(&[3, 1]), false), ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.reassign_with(tp, Some(&[3, 2, 1]), false), ErrorCode::None);
}

/// Kafka's `changePartitionReassignment` leaves `addingReplicas` as they are where nothing else is added.
#[test]
fn what_is_being_added_is_still_new_when_the_target_changes() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.reassign(tp, Some(&[3, 1]));
    assert_eq!(rig.reassign(tp, Some(&[2, 3])), ErrorCode::None);
    let moving = rig.moving(None).remove(0);
    assert_eq!((moving.adding, moving.removing), (nodes(&[3]), nodes(&[1])));
    assert_eq!(rig.reassign(tp, None), ErrorCode::None);
    assert_eq!(rig.replicas(tp), [2, 1], "as many as there were");
    // another order ends nothing
    rig.reassign(tp, Some(&[1, 2, 3]));
    rig.reassign(tp, Some(&[3, 2, 1]));
    assert_eq!(rig.moving(None).remove(0).adding, nodes(&[3]));
    rig.reassign(tp, None);
    assert_eq!(rig.replicas(tp), [2, 1]);
}

/// KIP-860: what counts is how many replicas there will be, not how many there were.
#[test]
fn a_factor_that_changes_already_is_the_one_to_keep() {
    let mut rig = Rig::with_brokers(4);
    let tp = rig.create_on(&[1, 2], &[]);
    assert_eq!(rig.reassign_with(tp, Some(&[2, 3, 4]), true), ErrorCode::None);
    let fewer = rig.reassign_with(tp, Some(&[3, 4]), false);
    assert_eq!(fewer, ErrorCode::InvalidReplicationFactor);
    assert_eq!(rig.reassign_with(tp, Some(&[1, 3, 4]), false), ErrorCode::None);
}

#[derive(Debug, Clone)]
enum Deed {
    Reassign(Vec<i32>),
    Cancel,
    InSync(Vec<i32>),
    Heard(Vec<i32>),
}

fn deed() -> impl Strategy<Value = Deed> {
    let all = vec![1, 2, 3, 4];
    let some = move |least| prop::sample::subsequence(all.clone(), least..=4).prop_shuffle();
    prop_oneof![
        3 => some(1).prop_map(Deed::Reassign),
        1 => Just(Deed::Cancel),
        4 => some(1).prop_map(Deed::InSync),
        1 => some(1).prop_map(Deed::Heard),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_asked_a_leader_is_in_sync_and_nothing_in_sync_is_forgotten(
        deeds in prop::collection::vec(deed(), 1..20),
        unclean in any::<bool>(),
    ) {
        let mut rig = Rig::with_brokers(4);
        let enable = if unclean { "true" } else { "false" };
        let tp = rig.create_on(&[1, 2], &[("unclean.leader.election.enable", enable)]);
        for deed in deeds {
            let mut complete = rig.state(tp).2;
            let before = rig.solo.effects.trace.len();
            match deed {
                Deed::Reassign(target) => {
                    prop_assert_eq!(rig.reassign(tp, Some(&target)), ErrorCode::None);
                }
                Deed::Cancel => {
                    rig.reassign(tp, None);
                }
                Deed::InSync(isr) if rig.state(tp).0 != 0 => {
                    let outcome = rig.alter(tp, &isr, |_| {});
                    if matches!(outcome, Ok(_) | Err(ErrorCode::NewLeaderElected)) {
                        complete.extend(isr);
                    }
                }
                Deed::InSync(_) => {}
                Deed::Heard(brokers) => {
                    rig.only_heard(&brokers);
                    for broker in 1..=4 {
                        if rig.broker(broker).fenced {
                            rig.register(broker, 100 + u128::from(rig.solo.now)).unwrap();
                            rig.beat(broker);
                        }
                    }
                }
            }
            let partition = rig.partition(tp);
            prop_assert!(!partition.isr.is_empty());
            prop_assert!(partition.isr.iter().all(|node| partition.is_replica(*node)));
            prop_assert!(partition.leader.is_none_or(|leader| partition.in_isr(leader)));
            let moving = partition.moving.as_deref().cloned().unwrap_or_default();
            let mut known = moving.adding.iter().chain(&moving.removing);
            prop_assert!(known.all(|node| partition.is_replica(*node)));
            // there is something to end with, and something to go back to
            let mut replicas = partition.replicas.iter();
            prop_assert!(replicas.clone().any(|node| !moving.removing.contains(node)));
            prop_assert!(replicas.any(|node| !moving.adding.contains(node)));
            // no record is lost without a word: somebody who has all of them is still there
            let now = rig.state(tp).2;
            let lost = |event: &TraceEvent| {
                matches!(event, TraceEvent::PartitionChanged { unclean: true, .. })
            };
            let is_told = rig.solo.effects.trace[before..].iter().any(lost);
            prop_assert!(unclean || !is_told);
            let is_kept = now.iter().all(|node| complete.contains(node));
            prop_assert!(is_kept || is_told, "{now:?} {complete:?}");
        }
    }
}
