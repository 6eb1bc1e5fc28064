use super::rig::{Rig, nodes};
use crate::controller::Controller;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId, TopicPartition};
use crate::metadata::{LeaderUpdate, MetadataRecord, PartitionChangeRecord};
use crate::protocol::{
    CreateTopicsRequest, ElectLeadersRequest, ElectionKind, NewTopic, Placement, Request, Response,
};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

fn automatic(partitions: i32, replication_factor: i16) -> Placement {
    Placement::Automatic { partitions, replication_factor }
}

#[test]
fn topics_are_created_with_leaders_and_ids() {
    let mut rig = Rig::with_brokers(3);
    let a = rig.create("a", automatic(6, 3), &[("retention.ms", "1000")]).unwrap();
    let b = rig.create("b", automatic(-1, -1), &[]).unwrap();
    assert!(a != b && a != TopicId::METADATA && a.0 > 1);
    let topic = rig.controller.image().topic(a).unwrap();
    assert_eq!(topic.partitions.len(), 6);
    for partition in &topic.partitions {
        assert_eq!(partition.leader, partition.preferred_leader());
        assert_eq!((partition.isr.len(), partition.leader_epoch), (3, 0));
    }
    let overrides = rig.overrides("a");
    assert_eq!(overrides["retention.ms"], "1000");
    assert_eq!(rig.controller.image().topic(b).unwrap().partitions.len(), 1);
}

#[test]
fn impossible_topics_are_refused_and_leave_nothing() {
    let mut rig = Rig::with_brokers(2);
    rig.create("a", automatic(1, 1), &[]).unwrap();
    let end = rig.solo.raft.log_end_offset();
    let manual =
        |replicas: &[&[i32]]| Placement::Manual(replicas.iter().map(|r| nodes(r)).collect());
    for (name, placement, config, error) in [
        ("a", automatic(1, 1), None, ErrorCode::TopicAlreadyExists),
        ("", automatic(1, 1), None, ErrorCode::InvalidTopic),
        ("..", automatic(1, 1), None, ErrorCode::InvalidTopic),
        ("a/b", automatic(1, 1), None, ErrorCode::InvalidTopic),
        ("__cluster_metadata", automatic(1, 1), None, ErrorCode::InvalidRequest),
        ("b", automatic(0, 0), None, ErrorCode::InvalidReplicationFactor),
        ("b", automatic(0, 1), None, ErrorCode::InvalidPartitions),
        ("b", automatic(1, 0), None, ErrorCode::InvalidReplicationFactor),
        ("b", automatic(1, 3), None, ErrorCode::InvalidReplicationFactor),
        ("b", manual(&[]), None, ErrorCode::InvalidReplicaAssignment),
        ("b", manual(&[&[1, 1]]), None, ErrorCode::InvalidReplicaAssignment),
        ("b", manual(&[&[1, 2], &[1]]), None, ErrorCode::InvalidReplicaAssignment),
        ("b", manual(&[&[1, 9]]), None, ErrorCode::InvalidReplicaAssignment),
        ("b", automatic(1, 1), Some(("retention.ms", "soon")), ErrorCode::InvalidConfig),
    ] {
        let config: Vec<_> = config.into_iter().collect();
        assert_eq!(rig.create(name, placement.clone(), &config), Err(error), "{placement:?}");
    }
    assert_eq!(rig.solo.raft.log_end_offset(), end);
}

/// Kafka's `ReplicationControlManager.createTopic` and `validateManualPartitionAssignment`, and `Topic.validate`.
#[test]
fn what_is_wrong_with_a_new_topic_is_said_in_kafkas_words() {
    let mut rig = Rig::with_brokers(2);
    rig.create("a", automatic(1, 1), &[]).unwrap();
    let mut why = |name: &str, placement: Placement| {
        let topic = NewTopic { name: name.into(), placement, config: BTreeMap::new() };
        let request = CreateTopicsRequest { topics: vec![topic], validate_only: false };
        match rig.ask(Request::CreateTopics(request)) {
            Response::CreateTopics(answer) => {
                answer.topics[0].message.as_deref().unwrap_or_default().to_owned()
            }
            other => panic!("{other:?}"),
        }
    };
    let manual =
        |replicas: &[&[i32]]| Placement::Manual(replicas.iter().map(|r| nodes(r)).collect());
    assert_eq!(why("a", automatic(1, 1)), "Topic 'a' already exists.");
    let empty = "Topic name is invalid: the empty string is not allowed";
    assert_eq!(why("", automatic(1, 1)), empty);
    assert_eq!(why("..", automatic(1, 1)), "Topic name is invalid: '..' is not allowed");
    assert!(
        why(&"x".repeat(250), automatic(1, 1)).ends_with("longer than the max allowed length 249")
    );
    let too_many = "Unable to replicate the partition 3 time(s): The target replication factor of 3 \
                    cannot be reached because only 2 broker(s) are registered.";
    assert_eq!(why("b", automatic(1, 3)), too_many);
    let none = "The manual partition assignment includes an empty replica list.";
    assert_eq!(why("b", manual(&[&[]])), none);
    let strange =
        "The manual partition assignment includes broker 9, but no such broker is registered.";
    assert_eq!(why("b", manual(&[&[9, 1]])), strange);
    let twice = "The manual partition assignment includes the broker 1 more than once.";
    assert_eq!(why("b", manual(&[&[1, 2, 1]])), twice);
    let unequal = "The manual partition assignment includes a partition with 1 replica(s), but this is \
                   not consistent with previous partitions, which have 2 replica(s).";
    assert_eq!(why("b", manual(&[&[1, 2], &[1]])), unequal);
}

#[test]
fn isr_24_a_fenced_replica_is_not_in_the_first_isr() {
    let mut rig = Rig::with_brokers(3);
    rig.only_heard(&[1, 3]);
    let tp = rig.create_on(&[2, 1, 3], &[]);
    assert_eq!(rig.state(tp), (1, 0, vec![1, 3]));
    let placement = Placement::Manual(vec![nodes(&[2])]);
    assert_eq!(rig.create("x", placement, &[]), Err(ErrorCode::InvalidReplicaAssignment));
}

#[test]
fn proposals_are_checked_against_what_is_there() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    let data = |change: fn(&mut crate::protocol::AlterPartitionData)| {
        move |r: &mut crate::protocol::AlterPartitionRequest| change(&mut r.partitions[0])
    };
    let unknown = TopicPartition::new(TopicId(99), 0);
    assert_eq!(
        rig.alter(tp, &[1], |r| r.partitions[0].tp = unknown),
        Err(ErrorCode::UnknownTopicId)
    );
    for (isr, change, error) in [
        (&[1][..], data(|d| d.tp.partition = 5), ErrorCode::UnknownTopicOrPartition),
        (&[1], data(|d| d.leader_epoch += 1), ErrorCode::NotController),
        (&[1], data(|d| d.partition_epoch += 1), ErrorCode::NotController),
        (&[1], data(|d| d.leader_epoch -= 1), ErrorCode::FencedLeaderEpoch),
        (&[1], data(|d| d.partition_epoch -= 1), ErrorCode::InvalidUpdateVersion),
        (&[2], data(|_| {}), ErrorCode::InvalidRequest),
        (&[1, 3], data(|_| {}), ErrorCode::InvalidRequest),
        (&[1, 1], data(|_| {}), ErrorCode::InvalidRequest),
        (&[], data(|_| {}), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(rig.alter(tp, isr, change), Err(error), "{isr:?} {error:?}");
    }
    let epoch = rig.broker(2).epoch;
    let not_leader = rig.alter(tp, &[1], |r| {
        (r.broker, r.broker_epoch) = (NodeId(2), epoch);
    });
    assert_eq!(not_leader, Err(ErrorCode::InvalidRequest));
    assert_eq!(rig.state(tp), (1, 0, vec![1, 2]));

    let shrunk = rig.alter(tp, &[1], |_| {}).unwrap();
    assert_eq!((shrunk.isr, shrunk.partition_epoch), (nodes(&[1]), 1));
    let same = rig.alter(tp, &[1], |_| {}).unwrap();
    assert_eq!(same.partition_epoch, 1, "no change, no record");
}

#[test]
fn a_fenced_replica_does_not_enter_the_isr() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[1, 3]);
    assert_eq!(rig.state(tp), (1, 0, vec![1]));
    assert_eq!(rig.alter(tp, &[1, 2], |_| {}), Err(ErrorCode::IneligibleReplica));
}

#[test]
fn preferred_leaders_are_elected_on_request() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[2]);
    rig.register(1, 77).unwrap();
    rig.beat(1);
    let elect = |rig: &mut Rig, partitions: Option<Vec<TopicPartition>>| match rig.ask(
        Request::ElectLeaders(ElectLeadersRequest { kind: ElectionKind::Preferred, partitions }),
    ) {
        Response::ElectLeaders(response) => response.partitions,
        other => panic!("{other:?}"),
    };
    let outcome = elect(&mut rig, Some(vec![tp]));
    assert_eq!(outcome, [(tp, ErrorCode::PreferredLeaderNotAvailable)], "not in sync yet");
    rig.alter(tp, &[2, 1], |_| {}).unwrap();
    assert_eq!(elect(&mut rig, None), [(tp, ErrorCode::None)]);
    assert_eq!(rig.state(tp).0, 1);
    assert_eq!(elect(&mut rig, Some(vec![tp])), [(tp, ErrorCode::ElectionNotNeeded)]);
    assert_eq!(elect(&mut rig, None), []);
}

#[test]
fn where_nobody_leads_a_preferred_election_takes_whoever_is_in_sync() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[2]);
    assert_eq!(rig.state(tp), (2, 1, vec![2]));
    let leader = LeaderUpdate::NoLeader;
    let change = PartitionChangeRecord { leader, ..PartitionChangeRecord::new(tp) };
    rig.act(|controller, step, raft| {
        controller.stage(MetadataRecord::PartitionChange(change));
        controller.submit(step, raft);
    });
    rig.settle();
    assert_eq!(rig.state(tp), (0, 2, vec![2]));
    let (kind, partitions) = (ElectionKind::Preferred, Some(vec![tp]));
    let request = Request::ElectLeaders(ElectLeadersRequest { kind, partitions });
    for told in [ErrorCode::None, ErrorCode::PreferredLeaderNotAvailable] {
        let Response::ElectLeaders(answer) = rig.ask(request.clone()) else {
            panic!("{request:?}")
        };
        assert_eq!(answer.partitions, [(tp, told)]);
        assert_eq!(rig.state(tp), (2, 3, vec![2]));
    }
}

#[test]
fn leaders_move_back_by_themselves_after_the_interval() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[2]);
    rig.register(1, 77).unwrap();
    rig.beat(1);
    rig.alter(tp, &[2, 1], |_| {}).unwrap();
    for second in 0..300 {
        if rig.state(tp).0 == 1 {
            assert!(second > 100, "not before the interval of 300 s");
            return;
        }
        rig.wait(1);
        rig.beat(1);
        rig.beat(2);
    }
    assert_eq!(rig.state(tp).0, 1);
}

/// So in Kafka's `PeriodicTaskControlManager`: others have a turn in between, and the next interval is not waited for.
#[test]
fn more_leaderships_than_one_look_gives_back_are_given_back_at_once() {
    let mut rig = Rig::with_brokers(2);
    let placement = Placement::Manual(vec![nodes(&[1, 2]); 1001]);
    let topic = rig.create("t", placement, &[]).unwrap();
    rig.controller.server.leader_imbalance_per_broker_percentage = 0;
    rig.act(|controller, step, raft| {
        for partition in 0..1001 {
            let mut change = PartitionChangeRecord::new(TopicPartition::new(topic, partition));
            change.leader = LeaderUpdate::Elected(NodeId(2));
            controller.stage(MetadataRecord::PartitionChange(change));
        }
        controller.submit(step, raft);
    });
    rig.settle();
    let look = |rig: &mut Rig, after: Duration| {
        rig.solo.now += after.as_nanos();
        rig.controller.active.as_mut().unwrap().balance_at = Instant::from_nanos(rig.solo.now);
        rig.act(Controller::on_timer);
        rig.settle();
        let next = rig.controller.active.as_ref().unwrap().balance_at;
        let image = rig.controller.image();
        let missed = image.partitions().filter(|(_, p)| p.leader == Some(NodeId(2))).count();
        (missed, next.since(Instant::from_nanos(rig.solo.now)))
    };
    let (soon, interval) = (Duration::from_millis(10), Duration::from_millis(300_000));
    assert_eq!(look(&mut rig, Duration::ZERO), (1, soon));
    assert_eq!(look(&mut rig, soon), (0, interval));
}

#[test]
fn sixty_thousand_partitions_and_a_lost_broker() {
    let mut rig = Rig::with_brokers(3);
    for n in 0..6 {
        rig.create(&format!("t{n}"), automatic(10_000, 3), &[]).unwrap();
    }
    rig.only_heard(&[1, 2]);
    let leads = |broker: i32| {
        let image = rig.controller.image();
        image.partitions().filter(|(_, p)| p.leader == Some(NodeId(broker))).count()
    };
    assert_eq!((leads(1) + leads(2), leads(3)), (60_000, 0));
}

fn elect_unclean(rig: &mut Rig, partitions: Option<Vec<TopicPartition>>) -> Vec<ErrorCode> {
    let request = ElectLeadersRequest { kind: ElectionKind::Unclean, partitions };
    match rig.ask(Request::ElectLeaders(request)) {
        Response::ElectLeaders(answer) => answer.partitions.iter().map(|(_, e)| *e).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unclean_election_is_held_on_request_where_nobody_leads() {
    let mut rig = Rig::with_brokers(3);
    let lost = rig.create_on(&[1, 2], &[]);
    let gone = rig.create_on(&[1], &[]);
    let led = rig.create_on(&[3], &[]);
    rig.only_heard(&[1, 3]);
    rig.only_heard(&[3]);
    assert_eq!(rig.state(lost), (0, 1, vec![1]));
    assert_eq!(elect_unclean(&mut rig, Some(vec![lost])), [ErrorCode::EligibleLeadersNotAvailable]);
    rig.only_heard(&[2, 3]);
    assert_eq!(rig.state(lost).0, 0, "broker 2 is out of sync");
    let nowhere = TopicPartition::new(TopicId(99), 0);
    let asked = Some(vec![lost, gone, led, nowhere]);
    let expected = [
        ErrorCode::None,
        ErrorCode::EligibleLeadersNotAvailable,
        ErrorCode::ElectionNotNeeded,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(elect_unclean(&mut rig, asked), expected);
    assert_eq!(rig.state(lost), (2, 2, vec![2]));
    assert!(rig.partition(lost).recovering);
    assert_eq!(elect_unclean(&mut rig, None), [ErrorCode::EligibleLeadersNotAvailable]);
}
