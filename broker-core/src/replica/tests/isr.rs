//! AlterPartition and what counts for the high watermark meanwhile.

use super::rig::{Rig, TP, consumer_fetch};
use crate::config::ServerConfig;
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, Offset};
use crate::metadata::{MetadataRecord, Moving, PartitionChangeRecord, RegisterBrokerRecord};
use crate::protocol::{
    AlterPartitionResponse, AlterPartitionResult, FetchPartition, FetchRequest, ReplicaState,
    Request, Response,
};
use crate::step::ReplyTo;
use crate::time::Duration;

/// Broker 1 leads alone; broker 2 has caught up and is proposed.
fn proposing() -> (Rig, CorrelationId) {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    assert_eq!(rig.high_watermark(), 1);
    rig.fetched_by(2, 1, 0);
    let id = proposal(&mut rig).expect("broker 2 is proposed");
    (rig, id)
}

fn proposal(rig: &mut Rig) -> Option<CorrelationId> {
    let is_proposal = |request: &Request| matches!(request, Request::AlterPartition(_));
    Some(rig.sent().into_iter().find(|sent| is_proposal(&sent.request))?.correlation)
}

fn answer(rig: &mut Rig, id: CorrelationId, error: ErrorCode) {
    let result = AlterPartitionResult {
        tp: TP,
        error,
        leader: None,
        leader_epoch: -1,
        isr: Vec::new(),
        partition_epoch: -1,
    };
    let response = AlterPartitionResponse { error: ErrorCode::None, partitions: vec![result] };
    let result = Ok(Response::AlterPartition(response));
    rig.act(|replicas, step| replicas.alter_partition_response(step, id, result));
}

#[test]
fn isr_01_a_proposal_that_may_have_been_applied_counts_until_the_metadata_decides() {
    for error in [
        ErrorCode::InvalidUpdateVersion,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::InvalidRequest,
        ErrorCode::NewLeaderElected,
        ErrorCode::UnknownTopicOrPartition,
    ] {
        let (mut rig, id) = proposing();
        answer(&mut rig, id, error);
        rig.now_ms += 60_000; // too long ago to be waited for as one that is about to join
        rig.produce();
        rig.disk();
        assert_eq!(rig.high_watermark(), 1, "{error:?}: broker 2 may be in the ISR");
        rig.fetched_by(2, 2, 0);
        assert_eq!(rig.high_watermark(), 2);
    }
}

#[test]
fn an_ineligible_replica_was_not_added_and_counts_no_more() {
    let (mut rig, id) = proposing();
    answer(&mut rig, id, ErrorCode::IneligibleReplica);
    rig.now_ms += 60_000;
    rig.produce();
    rig.disk();
    assert_eq!(rig.high_watermark(), 2);
}

#[test]
fn a_controller_that_does_not_answer_is_waited_for_as_long_as_the_config_says() {
    let waits = |change: fn(&mut ServerConfig)| {
        let mut rig = Rig::new("orders", change);
        rig.create(1, &[1]);
        rig.produce();
        rig.disk();
        rig.fetched_by(2, 1, 0);
        let is_proposal = |request: &Request| matches!(request, Request::AlterPartition(_));
        rig.sent().into_iter().find(|sent| is_proposal(&sent.request)).unwrap().timeout
    };
    assert_eq!(waits(|_| {}), Duration::from_millis(30_000));
    let ms = Duration::from_millis(1_500);
    assert_eq!(waits(|server| server.controller_socket_timeout = Duration::from_millis(1_500)), ms);
}

#[test]
fn isr_12_a_controller_that_is_behind_is_asked_again() {
    let (mut rig, id) = proposing();
    answer(&mut rig, id, ErrorCode::NotController);
    assert_eq!(proposal(&mut rig), None, "not at once");
    rig.act(|replicas, _| replicas.alter_partition_due());
    assert!(proposal(&mut rig).is_some());
    let lead = rig.partition().leadership().unwrap();
    assert_eq!(lead.pending_isr, Some([1, 2].map(NodeId).to_vec()));
}

#[test]
fn a_replica_that_a_reassignment_adds_is_known_without_a_new_epoch_and_one_that_goes_is_forgotten()
{
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    let assigned = |rig: &mut Rig, replicas: &[i32], moving: Moving| {
        let mut change = PartitionChangeRecord::new(TP);
        change.replicas = Some(replicas.iter().copied().map(NodeId).collect());
        change.moving = Some(moving);
        rig.apply(&[MetadataRecord::PartitionChange(change)]);
    };
    assigned(&mut rig, &[1, 2], Moving::default());
    rig.replies();
    rig.fetched_by(3, 1, 0);
    assert_eq!(proposal(&mut rig), None, "3 is no replica any more");
    match &rig.replies()[..] {
        // told so, it asks again: nothing else would make it known here once it is added
        [Response::Fetch(told)] => {
            assert_eq!(told.partitions[0].error, ErrorCode::UnknownLeaderEpoch);
        }
        other => panic!("{other:?}"),
    }
    assigned(&mut rig, &[3, 1, 2], Moving { adding: vec![NodeId(3)], removing: Vec::new() });
    assert_eq!((rig.partition().leader_epoch, rig.high_watermark()), (0, 1));
    rig.fetched_by(3, 1, 0);
    assert!(proposal(&mut rig).is_some(), "3 has caught up");
}

/// A follower's session at its leader.
pub(super) struct Session {
    id: i32,
    epoch: i32,
    conn: u64,
}

impl Session {
    pub(super) fn new(conn: u64) -> Self {
        Self { id: 0, epoch: 0, conn }
    }

    /// Broker 2 fetches, and names the partition only where it says how far its log goes.
    pub(super) fn fetch(&mut self, rig: &mut Rig, broker_epoch: i64, offset: Option<Offset>) {
        let named = offset.map(|fetch_offset| FetchPartition {
            tp: TP,
            current_leader_epoch: 0,
            fetch_offset,
            last_fetched_epoch: if fetch_offset == 0 { -1 } else { 0 },
            log_start_offset: 0,
            max_bytes: 1 << 20,
        });
        let request = FetchRequest {
            replica: Some(ReplicaState { id: NodeId(2), epoch: broker_epoch }),
            max_wait_ms: 0,
            ..consumer_fetch(self.id, self.epoch, named.into_iter().collect())
        };
        let to = ReplyTo { conn: ConnectionId(self.conn), correlation: CorrelationId(1) };
        rig.act(|replicas, step| replicas.fetch(step, to, &request));
        if let Some(Response::Fetch(answer)) = rig.replies().pop() {
            assert_eq!(answer.error, ErrorCode::None);
            self.id = answer.session_id;
        }
        self.epoch += 1;
    }
}

/// Hunt seed 760296: a fetch that the follower had given up got through when the network was back, and
/// what it said held until the next record, which for want of in-sync replicas never came.
#[test]
fn a_late_fetch_of_a_session_that_was_given_up_counts_only_until_the_next_fetch() {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    let (mut lost, mut current) = (Session::new(7), Session::new(8));
    lost.fetch(&mut rig, 20, Some(0));
    rig.produce();
    rig.disk();
    current.fetch(&mut rig, 20, Some(1));
    assert_eq!(rig.high_watermark(), 1);
    rig.now_ms += 60_000;
    current.fetch(&mut rig, 20, None);
    lost.fetch(&mut rig, 20, Some(0));
    rig.act(|replicas, step| replicas.check_isr(step));
    assert_eq!(proposal(&mut rig), None, "it had everything when it fetched last");
    current.fetch(&mut rig, 20, None);
    rig.now_ms += 60_000;
    rig.act(|replicas, step| replicas.check_isr(step));
    assert_eq!(proposal(&mut rig), None, "it has everything");
}

/// Hunt seed 21006539: a follower that was told to cut its log counted as caught up at the next append, as its
/// session was used.
#[test]
fn a_fetch_that_proves_nothing_does_not_make_its_follower_a_caught_up_one() {
    let is_let_go = |fetched_before: bool, is_anew: bool| {
        let mut rig = Rig::with_partition(1, &[1, 2]);
        rig.produce();
        rig.disk();
        let mut session = Session::new(7);
        session.fetch(&mut rig, 20, Some(1));
        rig.now_ms += 60_000;
        if fetched_before {
            session.fetch(&mut rig, 20, None);
        }
        if is_anew {
            session = Session::new(8);
        }
        session.fetch(&mut rig, 20, Some(2));
        rig.produce();
        rig.disk();
        rig.act(|replicas, step| replicas.check_isr(step));
        proposal(&mut rig).is_some()
    };
    assert!(is_let_go(false, false), "it has more than its leader, and is told so");
    assert!(is_let_go(false, true), "the same in another session");
    assert!(!is_let_go(true, false), "it had everything just before");
    assert!(!is_let_go(true, true), "the same in another session");
}

/// Broker 1 leads alone; broker 2 is registered anew, with epoch 25.
fn registered_anew() -> Rig {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    register_anew(&mut rig, false);
    rig
}

fn register_anew(rig: &mut Rig, fenced: bool) {
    rig.apply(&[MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker: NodeId(2),
        incarnation: 1,
        epoch: 25,
        rack: None,
        endpoint: None,
        fenced,
        in_controlled_shutdown: false,
    })]);
}

/// Log end and epoch with which the leader knows broker 2.
fn known(rig: &Rig) -> (Offset, i64) {
    let followers = &rig.partition().leadership().unwrap().followers;
    let follower = followers.iter().find(|follower| follower.id == NodeId(2)).unwrap();
    (follower.log_end, follower.broker_epoch)
}

/// What it had then it may have lost since (`Replica.updateFetchStateOrThrow`).
#[test]
fn a_late_fetch_of_an_earlier_life_does_not_move_its_follower() {
    let mut rig = registered_anew();
    let (mut late, mut current) = (Session::new(7), Session::new(8));
    current.fetch(&mut rig, 25, Some(0));
    assert_eq!(known(&rig), (0, 25));
    late.fetch(&mut rig, 20, Some(1));
    assert_eq!(known(&rig), (0, 25));
    late.fetch(&mut rig, 25, None);
    assert_eq!(known(&rig), (1, 25), "registered anew without a new start, it goes on");
}

#[test]
fn a_fetch_counts_while_its_follower_is_fenced_in_its_next_life() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    register_anew(&mut rig, true);
    Session::new(7).fetch(&mut rig, 20, Some(1));
    assert_eq!(known(&rig), (1, 20));
}

#[test]
fn a_follower_is_not_caught_up_by_the_session_of_an_earlier_life() {
    let is_let_go = |epoch: i64| {
        let mut rig = Rig::with_partition(1, &[1, 2]);
        rig.produce();
        rig.disk();
        let mut session = Session::new(7);
        session.fetch(&mut rig, 20, Some(1));
        register_anew(&mut rig, false);
        rig.now_ms += 60_000;
        session.fetch(&mut rig, epoch, None);
        rig.produce();
        rig.disk();
        rig.act(|replicas, step| replicas.check_isr(step));
        proposal(&mut rig).is_some()
    };
    assert_eq!([20, 25].map(is_let_go), [true, false]);
}

/// It is waited for as long as it may be about to join, which it could not (`Partition.maybeIncrementLeaderHW`).
#[test]
fn a_follower_of_an_older_registration_does_not_hold_the_high_watermark() {
    for (broker_epoch, high_watermark) in [(20, 2), (25, 1)] {
        let mut rig = registered_anew();
        Session::new(7).fetch(&mut rig, broker_epoch, Some(1));
        rig.produce();
        rig.disk();
        assert_eq!(rig.high_watermark(), high_watermark, "{broker_epoch}");
    }
}

#[test]
fn a_follower_that_registers_anew_joins_without_a_new_record() {
    let mut rig = registered_anew();
    let mut session = Session::new(7);
    session.fetch(&mut rig, 20, Some(1));
    assert_eq!(
        proposal(&mut rig),
        None,
        "not the registration that the controller knows (KIP-903)"
    );
    session.fetch(&mut rig, 25, None);
    assert!(proposal(&mut rig).is_some());
}
