use super::rig::{Rig, SECOND};
use crate::controller::Controller;
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::{BrokerRegistrationRequest, Placement, Request, Response};
use crate::raft::Raft;
use crate::raft::tests::{Solo, TestDisk, config, elected, fetch};
use crate::seam::TraceEvent;

/// The leader of three voters, nothing committed yet.
fn leading_three() -> Rig {
    let mut disk = TestDisk::default();
    let solo = elected(&mut disk);
    Rig { controller: Controller::new(&config(3)), solo, disk }
}

fn register(rig: &mut Rig, broker: i32) {
    rig.request(Request::BrokerRegistration(Box::new(BrokerRegistrationRequest {
        broker: NodeId(broker),
        incarnation: 1,
        rack: None,
        endpoint: None,
        previous_broker_epoch: -1,
    })));
}

fn error_of(response: Option<Response>) -> Option<ErrorCode> {
    match response? {
        Response::BrokerRegistration(response) => Some(response.error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn raft_06_a_leader_is_no_controller_before_its_first_record_is_committed() {
    let mut rig = leading_three();
    rig.settle();
    assert_eq!(rig.controller.active(), None);
    rig.solo.effects.replies.clear();
    register(&mut rig, 1);
    assert_eq!(error_of(rig.reply()), Some(ErrorCode::NotController));

    let epoch = rig.solo.raft.epoch();
    rig.solo.ask(fetch(epoch, 1, epoch)); // a follower has the record
    rig.settle();
    assert_eq!(rig.controller.active(), Some(epoch));
    assert!(rig.traced(&TraceEvent::ControllerElected { epoch }));
}

#[test]
fn answers_wait_for_the_commit() {
    let mut rig = leading_three();
    let epoch = rig.solo.raft.epoch();
    rig.solo.ask(fetch(epoch, 1, epoch));
    rig.settle();
    rig.solo.effects.replies.clear();
    register(&mut rig, 1);
    rig.settle();
    assert_eq!(error_of(rig.reply()), None, "fsynced here, but on no other voter");
    let end = rig.solo.raft.log_end_offset();
    rig.solo.ask(fetch(epoch, end, epoch));
    rig.solo.effects.replies.clear();
    rig.settle();
    assert_eq!(error_of(rig.reply()), Some(ErrorCode::None));
}

#[test]
fn what_is_not_committed_is_taken_back_when_leadership_is_lost() {
    let mut rig = leading_three();
    let epoch = rig.solo.raft.epoch();
    rig.solo.ask(fetch(epoch, 1, epoch));
    rig.settle();
    // the record that raises the metadata version is committed too
    let end = rig.solo.raft.log_end_offset();
    rig.solo.ask(fetch(epoch, end, epoch));
    rig.settle();
    let before = rig.controller.image().clone();
    rig.solo.effects.replies.clear();
    register(&mut rig, 1);
    assert!(rig.controller.image().broker(NodeId(1)).is_some(), "the next decision builds on it");
    rig.solo.act(Raft::resign);
    rig.publish();
    assert_eq!(error_of(rig.reply()), Some(ErrorCode::NotController));
    assert_eq!(*rig.controller.image(), before);
    assert_eq!(rig.controller.active(), None);
    assert!(rig.traced(&TraceEvent::ControllerResigned { epoch }));
}

#[test]
fn a_new_controller_gives_everybody_a_fresh_session() {
    let mut rig = Rig::with_brokers(2);
    let tp = rig.create_on(&[1, 2], &[]);
    rig.wait(8);
    // the process restarts; brokers were last heard more than a session ago
    let now = rig.solo.now + 5 * SECOND;
    rig.solo = Solo::new(1, &rig.disk);
    rig.controller = Controller::new(&config(1));
    rig.settle();
    for _ in 0..4 {
        rig.solo.now = rig.solo.now.max(now) + 2 * SECOND;
        rig.solo.act(Raft::on_timer);
        rig.settle();
    }
    assert!(rig.controller.active().is_some());
    assert_eq!(rig.state(tp), (1, 0, vec![1, 2]));
    rig.only_heard(&[2]);
    assert_eq!(rig.state(tp).0, 2);
}

#[test]
fn an_idle_controller_writes_a_no_op_every_half_second() {
    let mut rig = Rig::new();
    let end = rig.solo.raft.log_end_offset();
    for _ in 0..10 {
        rig.solo.now += SECOND / 4;
        rig.act(Controller::on_timer);
        rig.settle();
    }
    assert_eq!(rig.solo.raft.log_end_offset() - end, 5);
}

#[test]
fn a_snapshot_holds_only_what_is_committed() {
    let mut rig = Rig::with_brokers(3);
    for n in 0..40 {
        let placement = Placement::Automatic { partitions: 500, replication_factor: 3 };
        rig.create(&format!("t{n}"), placement, &[]).unwrap();
    }
    let before = rig.controller.image().clone();
    // uncommitted on top
    register(&mut rig, 9);
    let image_with = rig.controller.image().clone();
    rig.act(|controller, step, raft| controller.take_snapshot(step, raft));
    assert_eq!(*rig.controller.image(), image_with);
    rig.settle();
    let solo = &mut Solo::new(1, &rig.disk);
    let mut restarted = Controller::new(&config(1));
    let committed = solo.act(|raft, step| raft.take_committed(step));
    solo.act(|raft, step| restarted.on_committed(step, raft, &committed));
    assert_eq!(*restarted.image(), before);
}
