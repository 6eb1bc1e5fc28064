use super::rig::Rig;
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::{
    AllocateProducerIdsRequest, Request, Response, UnregisterBrokerRequest,
    UnregisterBrokerResponse,
};
use crate::seam::TraceEvent;

#[test]
fn a_broker_is_fenced_until_it_has_caught_up_with_its_registration() {
    let mut rig = Rig::new();
    let epoch = rig.register(1, 1).unwrap();
    assert!(rig.broker(1).fenced);
    let behind = rig.beat_with(1, |r| r.current_metadata_offset = epoch - 1);
    assert!(behind.is_fenced && !behind.is_caught_up);
    let unwilling = rig.beat_with(1, |r| r.want_fence = true);
    assert!(unwilling.is_fenced && unwilling.is_caught_up);
    assert!(!rig.beat_with(1, |r| r.current_metadata_offset = epoch).is_fenced);
    assert!(rig.traced(&TraceEvent::BrokerFenced { broker: NodeId(1), fenced: false }));
}

#[test]
fn the_broker_epoch_is_the_offset_of_its_registration() {
    let mut rig = Rig::new();
    let end = rig.solo.raft.log_end_offset();
    assert_eq!(rig.register(1, 1), Ok(end));
    assert_eq!(rig.register(1, 1), Ok(end), "the same process again");
    assert_eq!(rig.solo.raft.log_end_offset(), end + 1, "which writes nothing");
}

#[test]
fn a_live_broker_id_is_not_given_away() {
    let mut rig = Rig::with_brokers(1);
    assert_eq!(rig.register(1, 2), Err(ErrorCode::DuplicateBrokerRegistration));
    rig.only_heard(&[]);
    assert!(rig.broker(1).fenced);
    assert!(rig.register(1, 2).is_ok());
}

#[test]
fn isr_22_heartbeats_and_proposals_of_an_earlier_life_are_refused() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    let old = rig.broker(1).epoch;
    rig.only_heard(&[2]);
    rig.register(1, 99).unwrap();
    let stale = rig.beat_with(1, |r| r.broker_epoch = old);
    assert_eq!(stale.error, ErrorCode::StaleBrokerEpoch);
    rig.beat(1);
    // the leader proposes the member that it knew, not the one that is there now
    let proposal = rig.alter(tp, &[2, 1], |r| r.partitions[0].new_isr[1].1 = old);
    assert_eq!(proposal, Err(ErrorCode::IneligibleReplica));
    assert!(rig.alter(tp, &[2, 1], |_| {}).is_ok());
    // and one from the old life of a leader
    let epoch = rig.broker(2).epoch;
    let proposal = rig.alter(tp, &[2], |r| r.broker_epoch = epoch - 1);
    assert_eq!(proposal, Err(ErrorCode::StaleBrokerEpoch));
    // as in Kafka (`ClusterControlManager.checkBrokerEpoch`)
    assert_eq!(rig.beat_with(1, |r| r.broker = NodeId(7)).error, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_silent_broker_is_fenced_after_its_session_and_not_before() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    for _ in 0..4 {
        rig.wait(2);
        rig.beat(2);
    }
    assert_eq!(rig.state(tp), (1, 0, vec![1, 2]), "8 s are within the session");
    rig.wait(1);
    assert_eq!(rig.state(tp), (2, 1, vec![2]));
    assert!(rig.traced(&TraceEvent::BrokerFenced { broker: NodeId(1), fenced: true }));
    assert!(rig.traced(&TraceEvent::PartitionChanged {
        tp,
        leader: Some(NodeId(2)),
        epoch: 1,
        isr: vec![NodeId(2)],
        unclean: false,
    }));
}

#[test]
fn isr_18_brokers_that_fall_silent_together_leave_no_dead_leader() {
    let mut rig = Rig::with_brokers(3);
    let both = rig.create_on(&[1, 2, 3], &[]);
    let dead = rig.create_on(&[1, 2], &[]);
    rig.only_heard(&[3]);
    assert_eq!(rig.state(both), (3, 2, vec![3]));
    let (leader, _, isr) = rig.state(dead);
    assert_eq!((leader, isr), (0, vec![2]), "the last one in sync stays");
    // only that one may lead again
    rig.register(1, 11).unwrap();
    rig.beat(1);
    assert_eq!(rig.state(dead).0, 0);
    rig.register(2, 22).unwrap();
    rig.beat(2);
    assert_eq!(rig.state(dead).0, 2);
}

#[test]
fn unclean_elections_happen_only_where_allowed_and_are_marked() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2], &[("unclean.leader.election.enable", "true")]);
    rig.alter(tp, &[1], |_| {}).unwrap();
    rig.only_heard(&[2, 3]);
    assert_eq!(rig.state(tp), (2, 1, vec![2]));
    assert!(rig.partition(tp).recovering);
    assert!(rig.traced(&TraceEvent::PartitionChanged {
        tp,
        leader: Some(NodeId(2)),
        epoch: 1,
        isr: vec![NodeId(2)],
        unclean: true,
    }));
}

#[test]
fn controlled_shutdown_moves_leaders_and_waits_until_all_know() {
    let mut rig = Rig::with_brokers(3);
    let tp = rig.create_on(&[1, 2, 3], &[]);
    for broker in 1..=3 {
        rig.beat(broker);
    }
    let first = rig.beat_with(1, |r| r.want_shut_down = true);
    assert!(!first.should_shut_down && !first.is_fenced);
    assert_eq!(rig.state(tp), (2, 1, vec![2, 3]));
    assert!(rig.broker(1).in_controlled_shutdown);
    // nobody else has reported that it knows the new leader
    assert!(!rig.beat_with(1, |r| r.want_shut_down = true).should_shut_down);
    // a copy of its registration that comes late takes nothing back
    rig.register(1, 1).unwrap();
    assert!(!rig.beat_with(1, |r| r.want_shut_down = true).should_shut_down);
    rig.beat(2);
    assert!(!rig.beat_with(1, |r| r.want_shut_down = true).should_shut_down);
    rig.beat(3);
    let last = rig.beat_with(1, |r| r.want_shut_down = true);
    assert!(last.should_shut_down && last.is_fenced);
    // it cannot come back into the ISR before it registers anew
    assert_eq!(rig.alter(tp, &[2, 3, 1], |_| {}), Err(ErrorCode::IneligibleReplica));
    rig.register(1, 50).unwrap();
    rig.beat(1);
    assert!(rig.alter(tp, &[2, 3, 1], |_| {}).is_ok());
}

#[test]
fn producer_ids_come_in_blocks_that_never_overlap() {
    let mut rig = Rig::with_brokers(2);
    let mut firsts = Vec::new();
    for broker in [1, 2, 1] {
        let broker_epoch = rig.broker(broker).epoch;
        let request = AllocateProducerIdsRequest { broker: NodeId(broker), broker_epoch };
        match rig.ask(Request::AllocateProducerIds(request)) {
            Response::AllocateProducerIds(r) => firsts.push((r.error, r.first, r.len)),
            other => panic!("{other:?}"),
        }
    }
    let block = |first| (ErrorCode::None, first, 1000);
    assert_eq!(firsts, [block(0), block(1000), block(2000)]);
}

fn unregister(rig: &mut Rig, broker: i32) -> ErrorCode {
    let request = UnregisterBrokerRequest { broker: NodeId(broker) };
    match rig.ask(Request::UnregisterBroker(request)) {
        Response::UnregisterBroker(UnregisterBrokerResponse { error }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unregistered_broker_leads_nothing_and_is_not_there() {
    let mut rig = Rig::with_brokers(2);
    let shared = rig.create_on(&[1, 2], &[]);
    let alone = rig.create_on(&[1], &[]);
    assert_eq!(unregister(&mut rig, 7), ErrorCode::BrokerIdNotRegistered);
    assert_eq!(unregister(&mut rig, 1), ErrorCode::None);
    let image = rig.controller.image();
    assert!(image.broker(NodeId(1)).is_none());
    let partition = image.partition(shared).unwrap();
    assert_eq!((partition.leader, partition.isr.as_slice()), (Some(NodeId(2)), &[NodeId(2)][..]));
    let partition = image.partition(alone).unwrap();
    assert_eq!((partition.leader, partition.isr.as_slice()), (None, &[NodeId(1)][..]));
    assert_eq!(unregister(&mut rig, 1), ErrorCode::BrokerIdNotRegistered);
}

#[test]
fn an_unregistered_broker_that_lives_registers_anew() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1], &[]);
    let old = rig.broker(1).epoch;
    assert_eq!(unregister(&mut rig, 1), ErrorCode::None);
    let refused = rig.beat_with(2, |r| (r.broker, r.broker_epoch) = (NodeId(1), old));
    assert_eq!(refused.error, ErrorCode::StaleBrokerEpoch);
    let epoch = rig.register(1, 1).unwrap();
    assert!(epoch > old);
    rig.beat_with(1, |r| {
        r.broker_epoch = epoch;
        r.current_metadata_offset = epoch;
    });
    assert_eq!(rig.controller.image().partition(tp).unwrap().leader, Some(NodeId(1)));
}
