//! What each rule about messages must catch, and what it must let pass.

use super::fetches::{self, Question};
use super::looked::Looked;
use super::sessions::Sessions;
use super::{Says, Talk, answers, peers, written};
use crate::checkers::history::History;
use crate::checkers::ledger::Ledger;
use crate::recorder::testing::{batch, tp};
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::config::{ServerConfig, TopicConfig};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::{
    Follower, LeadView, ProducerView, ReplicaView, TransactionalIdView,
};
use stormglass_broker_core::log::{Log, LogConfig};
use stormglass_broker_core::protocol::{
    EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse,
    IsolationLevel, JoinGroupRequest, ProducerIdAndEpoch, ReplicaState, Request, TransactionState,
};
use stormglass_broker_core::records::{Batch, Records};

const ISR: [NodeId; 1] = [NodeId(1)];

fn batches(of: &[(Offset, LeaderEpoch)]) -> Records {
    let one = |&(base, epoch): &(Offset, LeaderEpoch)| {
        let mut batch: Batch = (*batch(base, 10, 1)).clone();
        batch.header.partition_leader_epoch = epoch;
        Arc::new(batch)
    };
    Records::new(of.iter().map(one).collect())
}

/// Offsets 0 to 29: epoch 1, then 3 from offset 20 on.
pub(super) fn log() -> Log {
    let server = ServerConfig::kafka_defaults();
    let mut log =
        Log::create(tp(0), LogConfig::new(&TopicConfig::from_server(&server), &server), 0);
    let three = batches(&[(0, 1), (10, 1), (20, 3)]);
    let appended = log.append_as_follower(three, 0, &mut Vec::new()).unwrap();
    log.append_done(appended.number);
    log
}

pub(super) fn view(log: &Log) -> ReplicaView<'_> {
    let lead = LeadView {
        epoch_start: 20,
        isr: &ISR,
        pending_isr: None,
        min_isr: 1,
        followers: Vec::new().into(),
    };
    ReplicaView {
        tp: tp(0),
        log,
        leader: Some(NodeId(1)),
        leader_epoch: 3,
        partition_epoch: 0,
        high_watermark: 20,
        lead: Some(lead),
    }
}

fn part(offset: Offset, last_fetched_epoch: LeaderEpoch) -> FetchPartition {
    FetchPartition {
        tp: tp(0),
        current_leader_epoch: 3,
        fetch_offset: offset,
        last_fetched_epoch,
        log_start_offset: -1,
        max_bytes: 1 << 20,
    }
}

fn fetch(session: (i32, i32), partitions: Vec<FetchPartition>) -> FetchRequest {
    FetchRequest {
        replica: None,
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session_id: session.0,
        session_epoch: session.1,
        partitions,
        forgotten: Vec::new(),
        rack: None,
    }
}

#[test]
fn a_fetch_that_is_copied_over_another_one_is_as_it_was_asked() {
    let of = |session, partitions| Request::Fetch(Box::new(fetch(session, partitions)));
    let follower = ReplicaState { id: NodeId(2), epoch: 1 };
    let (forgotten, rack) = (vec![tp(1)], Some("a".into()));
    let most = fetch((9, 4), vec![part(10, 1), part(20, 3)]);
    let most = FetchRequest { replica: Some(follower), forgotten, rack, ..most };
    let most = Request::Fetch(Box::new(most));
    let mut talk = Talk::default();
    for request in [&most, &of((0, -1), vec![part(30, 3)]), &of((9, 5), vec![]), &most] {
        assert_eq!(talk.copy_of(request), *request, "with none to spare");
        for before in [&most, &of((0, -1), vec![part(40, 2), part(50, 2)])] {
            talk.spare.push(before.clone());
            assert_eq!(talk.copy_of(request), *request);
            assert!(talk.spare.is_empty());
        }
    }
}

pub(super) fn told(records: Records) -> FetchPartitionResponse {
    FetchPartitionResponse {
        tp: tp(0),
        error: ErrorCode::None,
        high_watermark: 20,
        last_stable_offset: 20,
        log_start_offset: 0,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        preferred_read_replica: None,
        aborted: None,
        records,
    }
}

/// Of group `g`.
pub(super) fn join_request(member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group: "g".into(),
        member: member.into(),
        instance: None,
        session_timeout_ms: 1,
        rebalance_timeout_ms: 9,
        protocol_type: "consumer".into(),
        protocols: Vec::new(),
        requires_known_member: true,
        can_skip_assignment: false,
        client_id: "c".into(),
        client_host: "/h".into(),
    }
}

/// A transactional id whose producer is in epoch 3, after a bump of epoch 2.
pub(super) fn bumped(state: TransactionState) -> TransactionalIdView {
    TransactionalIdView {
        producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
        last: ProducerIdAndEpoch { id: -1, epoch: 2 },
        next_id: None,
        is_epoch_each: true,
        state,
        partitions: BTreeSet::new(),
        began_ms: -1,
        timeout_ms: 60,
        is_changing: false,
    }
}

/// How many rules are broken.
pub(super) fn broken_by(check: impl FnOnce(&mut Says<'_>)) -> usize {
    let (mut ledger, history) = (Ledger::default(), History::default());
    check(&mut Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true });
    ledger.finish().1.len()
}

/// One of several partitions, of which nothing was noted as the fetch came.
fn asked<'a>(fetch: &'a FetchRequest, position: &'a FetchPartition) -> Question<'a> {
    let (is_alone, is_at_once, was_outside, has_agreed) = (false, false, false, false);
    Question {
        fetch,
        position,
        is_alone,
        is_at_once,
        was_outside,
        has_agreed,
        had: None,
        differed: None,
        unknown: &[],
    }
}

/// What the rules say of a consumer's answer.
fn said(position: &FetchPartition, answer: &FetchPartitionResponse) -> Vec<String> {
    let log = log();
    let request = fetch((0, -1), vec![*position]);
    let (mut ledger, history) = (Ledger::default(), History::default());
    let mut says = Says { ledger: &mut ledger, label: "t-0", history: &history, is_gapless: true };
    let question = Question { is_alone: true, ..asked(&request, position) };
    fetches::of_replica(&mut says, 1, &view(&log), question, answer);
    ledger.finish().1.into_iter().map(|violation| violation.account).collect()
}

#[test]
fn who_was_ahead_may_hear_of_it_when_others_are_read() {
    let log = log();
    let (request, position) = (fetch((0, -1), Vec::new()), part(25, -1));
    let error = ErrorCode::OffsetOutOfRange;
    let answer = FetchPartitionResponse { error, ..told(Records::default()) };
    let broken = |is_alone, was_outside| {
        let question = Question { is_alone, was_outside, ..asked(&request, &position) };
        broken_by(|says| fetches::of_replica(says, 1, &view(&log), question, &answer))
    };
    assert_eq!(broken(false, true), 0);
    assert_eq!(broken(true, true), 1, "alone, it is told at once");
    assert_eq!(broken(false, false), 1, "it was within the log as it came");
}

/// KAFKA-14372: who is not in sync may never have what comes next.
#[test]
fn consumers_are_sent_to_replicas_in_sync() {
    let log = log();
    let (request, position) = (fetch((0, -1), Vec::new()), part(10, -1));
    let request = FetchRequest { rack: Some("a".into()), ..request };
    let preferred_read_replica = Some(NodeId(2));
    let answer = FetchPartitionResponse { preferred_read_replica, ..told(Records::default()) };
    let broken = |isr: &[NodeId], is_at_once, log_end| {
        let mut follower = Follower::unknown(NodeId(2));
        (follower.log_start, follower.log_end) = (0, log_end);
        let led = view(&log);
        let lead = led.lead.map(|lead| LeadView { isr, followers: vec![follower].into(), ..lead });
        let led = ReplicaView { lead, ..view(&log) };
        let question = Question { is_alone: true, is_at_once, ..asked(&request, &position) };
        broken_by(|says| fetches::of_replica(says, 1, &led, question, &answer))
    };
    let (both, alone) = ([NodeId(1), NodeId(2)], [NodeId(1)]);
    assert_eq!((broken(&both, true, 15), broken(&both, true, 9)), (0, 1), "it has less");
    assert_eq!(broken(&alone, true, 15), 1);
    assert_eq!(broken(&alone, false, 15), 0, "it may have been in sync before a read");
}

/// Hunt seed 28002533.
#[test]
fn a_high_watermark_may_be_that_from_before_a_cut_when_others_are_read() {
    let log = log();
    let (request, position) = (fetch((0, -1), Vec::new()), part(10, -1));
    let cut = ReplicaView { high_watermark: 20, ..view(&log) };
    let answer = FetchPartitionResponse {
        high_watermark: 25,
        last_stable_offset: 25,
        ..told(Records::default())
    };
    let broken = |is_alone, had| {
        let question = Question { is_alone, had, ..asked(&request, &position) };
        broken_by(|says| fetches::of_replica(says, 1, &cut, question, &answer))
    };
    assert_eq!(broken(false, Some(25)), 0);
    assert_eq!(broken(false, Some(24)), 1, "it never had as much");
    assert_eq!(broken(true, Some(25)), 1, "alone, it is told at once");
    assert_eq!(broken(false, None), 1, "it was not cut");
}

/// Hunt seed 41002473: its leadership ends while others are read, and the next leader has it cut away its own epoch, in
/// which it had nothing yet.
#[test]
fn where_logs_differ_may_be_by_epochs_from_before_a_cut_when_others_are_read() {
    let mut log = log();
    let (request, position) = (fetch((0, -1), Vec::new()), part(20, 2));
    let come = |view: ReplicaView<'_>, part: &FetchPartition| {
        let told = fetches::is_told(view.log, part);
        fetches::differing(&[Looked { part, view, told }])
    };
    let end = EpochEndOffset { epoch: 1, end_offset: 20 };
    assert_eq!(come(view(&log), &position), [(tp(0), 20, end)]);
    assert!(come(view(&log), &part(20, 1)).is_empty(), "they agree");
    let follows = ReplicaView { lead: None, ..view(&log) };
    let is_later = ReplicaView { leader_epoch: 4, ..view(&log) };
    assert!(come(follows, &position).is_empty() && come(is_later, &position).is_empty());
    log.truncate_to(20, &mut Vec::new());
    let diverging_epoch = Some(end);
    let answer = FetchPartitionResponse { diverging_epoch, ..told(Records::default()) };
    let broken = |is_alone, leader_epoch, differed| {
        let cut = ReplicaView { lead: None, leader_epoch, ..view(&log) };
        let question = Question { is_alone, differed, ..asked(&request, &position) };
        broken_by(|says| fetches::of_replica(says, 1, &cut, question, &answer))
    };
    assert_eq!(broken(false, 5, Some(end)), 0);
    assert_eq!(broken(true, 5, Some(end)), 1, "alone, it is told at once");
    assert_eq!(broken(false, 3, Some(end)), 1, "who leads cuts nothing");
    assert_eq!(broken(false, 5, None), 1, "they did not differ");
    let other = EpochEndOffset { epoch: 1, end_offset: 10 };
    assert_eq!(broken(false, 5, Some(other)), 1, "they differed elsewhere");
}

/// Hunt seed 33008269: it came in epoch 0, and that others were read took until epoch 3.
#[test]
fn an_epoch_may_be_unknown_as_it_was_when_others_are_read() {
    let log = log();
    let request = fetch((0, -1), Vec::new());
    let error = ErrorCode::UnknownLeaderEpoch;
    let answer = FetchPartitionResponse { error, ..told(Records::default()) };
    let broken = |is_alone, current_leader_epoch, unknown: &[(TopicPartition, LeaderEpoch)]| {
        let position = FetchPartition { current_leader_epoch, ..part(10, -1) };
        let question = Question { is_alone, unknown, ..asked(&request, &position) };
        broken_by(|says| fetches::of_replica(says, 1, &view(&log), question, &answer))
    };
    assert_eq!((broken(false, 1, &[(tp(0), 1)]), broken(false, 3, &[(tp(0), 3)])), (0, 0));
    assert_eq!(broken(true, 1, &[(tp(0), 1)]), 1, "alone, it is told at once");
    assert_eq!((broken(false, 1, &[]), broken(false, 3, &[])), (1, 1), "it was known");
    assert_eq!(broken(false, 1, &[(tp(0), 2), (tp(1), 1)]), 1, "another one was not");
}

#[test]
fn who_fetches_knows_more_in_a_later_epoch_or_as_a_replica_that_is_new() {
    let log = log();
    let mut request = fetch((0, -1), Vec::new());
    let led = view(&log);
    let knows_less =
        |request: &FetchRequest| [2, 3, 4].map(|epoch| fetches::knows_less(&led, request, epoch));
    assert_eq!(knows_less(&request), [false, false, true]);
    request.replica = Some(ReplicaState { id: NodeId(2), epoch: 1 });
    assert_eq!(knows_less(&request), [false, true, true], "the leader has no such follower");
    let followed = ReplicaView { lead: None, ..view(&log) };
    assert!(!fetches::knows_less(&followed, &request, 3), "others say that they do not lead");
}

/// Hunt seed 28002844.
#[test]
fn what_was_proven_as_a_fetch_came_is_not_undone_by_what_is_deleted_since() {
    let mut log = log();
    let mut request = fetch((0, -1), Vec::new());
    request.replica = Some(ReplicaState { id: NodeId(2), epoch: 1 });
    let position = FetchPartition { log_start_offset: 0, ..part(20, 1) };
    log.advance_log_start(20, &mut Vec::new());
    let answer = FetchPartitionResponse { log_start_offset: 20, ..told(batches(&[(20, 3)])) };
    let broken = |position: &FetchPartition, has_agreed| {
        let question = Question { is_alone: true, has_agreed, ..asked(&request, position) };
        broken_by(|says| fetches::of_replica(says, 1, &view(&log), question, &answer))
    };
    assert_eq!((broken(&position, true), broken(&position, false)), (0, 1));
    let other = FetchPartition { fetch_offset: 25, ..position };
    assert!(broken(&other, true) > 0, "its log differs");
}

#[test]
fn a_true_answer_passes() {
    assert_eq!(said(&part(10, -1), &told(batches(&[(10, 1)]))), [""; 0]);
    assert_eq!(said(&part(15, -1), &told(batches(&[(10, 1)]))), [""; 0]);
    assert_eq!(said(&part(20, -1), &told(Records::default())), [""; 0]);
    let diverging = Some(EpochEndOffset { epoch: 1, end_offset: 20 });
    let answer = FetchPartitionResponse { diverging_epoch: diverging, ..told(Records::default()) };
    assert_eq!(said(&part(25, 2), &answer), [""; 0]);
}

#[test]
fn each_lie_is_seen() {
    let with = |change: fn(&mut FetchPartitionResponse), records| {
        let mut answer = told(records);
        change(&mut answer);
        answer
    };
    let none = Records::default;
    let cases: Vec<(&str, FetchPartition, FetchPartitionResponse)> = vec![
        (
            "a fetcher of epoch 4",
            FetchPartition { current_leader_epoch: 4, ..part(10, -1) },
            told(none()),
        ),
        ("high watermark 21", part(10, -1), with(|a| a.high_watermark = 21, none())),
        ("log start 1", part(10, -1), with(|a| a.log_start_offset = 1, none())),
        ("above 20", part(10, -1), with(|a| a.last_stable_offset = 21, none())),
        ("where 0 is expected", part(0, -1), told(batches(&[(10, 1)]))),
        ("where 10 is expected", part(0, -1), told(batches(&[(0, 1), (20, 1)]))),
        ("its log has 1 there", part(10, -1), told(batches(&[(10, 2)]))),
        ("may see up to 20", part(20, -1), told(batches(&[(20, 3)]))),
        ("whose log differs", part(15, 0), told(batches(&[(10, 1)]))),
        (
            "that it is behind",
            part(10, -1),
            with(|a| a.error = ErrorCode::FencedLeaderEpoch, none()),
        ),
        (
            "know epoch 3 yet",
            part(10, -1),
            with(|a| a.error = ErrorCode::UnknownLeaderEpoch, none()),
        ),
        ("outside its log", part(10, -1), with(|a| a.error = ErrorCode::OffsetOutOfRange, none())),
        (
            "that it diverges",
            part(20, 1),
            with(|a| a.diverging_epoch = Some(EpochEndOffset { epoch: 1, end_offset: 10 }), none()),
        ),
    ];
    for (seen, position, answer) in cases {
        let said = said(&position, &answer);
        assert!(said.iter().any(|account| account.contains(seen)), "{seen}: {said:?}");
    }
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let log = log();
    let end = |epoch| {
        let end = fetches::epoch_end(&log, epoch);
        (end.epoch, end.end_offset)
    };
    assert_eq!([0, 1, 2, 3, 4].map(end), [(0, 0), (1, 20), (1, 20), (3, 30), (-1, -1)]);
    for epoch in 0..5 {
        assert_eq!(log.end_offset_for_epoch(epoch), fetches::epoch_end(&log, epoch));
    }
}

#[test]
fn a_session_holds_what_was_said_last() {
    let mut sessions = Sessions::default();
    let answer = |session_id| FetchResponse {
        throttle_ms: 0,
        error: ErrorCode::None,
        session_id,
        partitions: vec![told(Records::default())],
    };
    let first = fetch((0, 0), vec![part(5, -1)]);
    sessions.asked(1, &first);
    let positions = sessions.answered(1, &first, &answer(9));
    assert_eq!(positions[0].unwrap().fetch_offset, 5);
    let later = fetch((9, 1), vec![part(15, -1)]);
    sessions.asked(1, &later);
    assert_eq!(sessions.positions(1, &later).next().unwrap().fetch_offset, 15);
    let wrong_epoch = fetch((9, 7), vec![part(25, -1)]);
    sessions.asked(1, &wrong_epoch);
    assert!(sessions.positions(1, &wrong_epoch).next().is_none());
    assert_eq!(sessions.positions(1, &later).next().unwrap().fetch_offset, 15);
    let dropped = FetchRequest { forgotten: vec![tp(0)], ..fetch((9, 2), Vec::new()) };
    sessions.asked(1, &dropped);
    assert!(sessions.positions(1, &dropped).next().is_none());
    sessions.forget(1);
    assert!(sessions.answered(1, &later, &answer(9))[0].is_none_or(|part| part.fetch_offset == 15));
}

/// How many rules about a view are broken.
fn broken(check: impl FnOnce(&mut Says<'_>, &ReplicaView<'_>)) -> usize {
    let log = log();
    broken_by(|says| check(says, &view(&log)))
}

#[test]
fn a_log_ends_where_its_disk_has_lost_something() {
    let loads = |lost| broken(|says, view| written::ends_at_loss(says, 1, view, lost));
    assert_eq!([None, Some(30), Some(29)].map(loads), [0, 0, 1]);
}

#[test]
fn a_leader_counts_whom_the_controller_has_taken_in() {
    let counts = |epoch, isr: &[NodeId]| {
        broken(|says, view| peers::counts_taken_in(says, 1, view, &(isr.to_vec(), epoch)))
    };
    assert_eq!(counts(3, &[NodeId(1)]), 0);
    assert_eq!(counts(3, &[NodeId(1), NodeId(2)]), 1);
    assert_eq!(counts(4, &[NodeId(1), NodeId(2)]), 0, "another leadership");
}

#[test]
fn a_batch_is_in_order_after_its_producers_last_one_or_in_a_new_epoch() {
    let written = |epoch: i16, base_sequence: i32| {
        let mut batch: Batch = (*batch(0, 10, 1)).clone();
        batch.header.producer_epoch = epoch;
        batch.header.base_sequence = base_sequence;
        batch
    };
    let known = |last: i32| {
        let (newest, last_ms, is_open) = (Some((last, 9)), 0, false);
        ProducerView { id: 7, epoch: 2, batches: 1, newest, last_ms, is_open }
    };
    let is_in_order = |batch: Batch, known| answers::is_in_order(&batch, known);
    assert!(is_in_order(written(2, 10), Some(known(9))), "the next");
    assert!(!is_in_order(written(2, 11), Some(known(9))), "one is missing");
    assert!(is_in_order(written(2, 0), Some(known(i32::MAX))), "sequences begin anew");
    assert!(is_in_order(written(3, 0), Some(known(9))), "a new epoch");
    assert!(!is_in_order(written(3, 10), Some(known(9))), "a new epoch goes on");
    assert!(is_in_order(written(2, 10), None), "nobody knows better");
}
