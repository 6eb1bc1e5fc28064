//! What quotas say of requests and answers, without a broker around them.

use super::*;
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::log::testing::{batch, records};
use crate::protocol::{
    Acks, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, FetchPartitionResponse,
    FetchResponse, IsolationLevel, ProducePartition, ProduceResponse, ReplicaState,
};
use crate::replica::tests::{Rig, TP, nothing_new};

const KIB: u64 = 1024;

fn limited(limits: BrokerLimits) -> (Quotas, Rig) {
    (Quotas::new(limits), Rig::with_partition(1, &[1, 2, 3]))
}

fn conn(number: u64) -> ReplyTo {
    ReplyTo { conn: ConnectionId(number), correlation: CorrelationId(number) }
}

/// What a client of its own is told after producing about so many KiB: milliseconds.
fn produce(quotas: &mut Quotas, rig: &mut Rig, number: u64, kib: u64, acks: Acks) -> u32 {
    let body = usize::try_from(kib * KIB).unwrap_or(0);
    let part = ProducePartition { tp: TP, records: records(batch(1, body, 0)) };
    let partitions = vec![part];
    let mut request = Request::Produce(ProduceRequest { acks, timeout_ms: 1, partitions });
    quotas.asked(conn(number), &mut request);
    let response = (acks != Acks::None)
        .then(|| Response::Produce(ProduceResponse { partitions: Vec::new(), throttle_ms: 0 }));
    answered(quotas, rig, number, response).0
}

/// What a broker says in place of `response`.
fn answered(
    quotas: &mut Quotas,
    rig: &mut Rig,
    number: u64,
    response: Option<Response>,
) -> (u32, Option<Response>) {
    let ReplyTo { conn, correlation } = conn(number);
    rig.act(|replicas, step| {
        step.effects.replies =
            vec![Reply { conn, correlation, response, throttle_ms: 0, closes: false }];
        quotas.answering(step, replicas);
        let reply = step.effects.replies.remove(0);
        (reply.throttle_ms, reply.response)
    })
}

fn fetch(replica: Option<i32>, session_epoch: i32) -> Request {
    Request::Fetch(Box::new(FetchRequest {
        replica: replica.map(|id| ReplicaState { id: NodeId(id), epoch: 1 }),
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: i32::MAX,
        isolation: IsolationLevel::ReadUncommitted,
        session_id: 0,
        session_epoch,
        partitions: Vec::new(),
        forgotten: Vec::new(),
        rack: None,
    }))
}

fn found(kib: u64) -> Response {
    let body = usize::try_from(kib * KIB).unwrap_or(0);
    let part = FetchPartitionResponse { records: records(batch(1, body, 0)), ..nothing_new(1) };
    let partitions = vec![part, nothing_new(1)];
    Response::Fetch(FetchResponse {
        throttle_ms: 0,
        error: ErrorCode::None,
        session_id: 9,
        partitions,
    })
}

#[test]
fn brokers_that_are_up_share_the_quotas_of_their_cluster() {
    let third = BrokerLimits {
        produce_bytes_per_sec: Some(100),
        fetch_bytes_per_sec: Some(200),
        partition_produce_bytes_per_sec: Some(7),
        partition_fetch_bytes_per_sec: None,
        requests_per_sec: Some(5),
        shared_by: Some(3),
    };
    assert_eq!(third.with_active(3), third);
    let half = third.with_active(2);
    assert_eq!(half.produce_bytes_per_sec, Some(150));
    assert_eq!((half.fetch_bytes_per_sec, half.requests_per_sec), (Some(300), Some(7)));
    assert_eq!(half.partition_produce_bytes_per_sec, Some(7), "a partition has its own");
    assert_eq!(third.with_active(0).produce_bytes_per_sec, Some(300), "whoever asks is up");
    let own = BrokerLimits { shared_by: None, ..third };
    assert_eq!(own.with_active(1), own);
}

#[test]
fn all_clients_of_a_broker_share_its_limit() {
    let limits = BrokerLimits { produce_bytes_per_sec: Some(100 * KIB), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    // Ten seconds' worth is free.
    assert_eq!(produce(&mut quotas, &mut rig, 1, 600, Acks::All), 0);
    let second = produce(&mut quotas, &mut rig, 2, 600, Acks::All);
    assert!((2_000..2_050).contains(&second), "200 KiB over, at 100 KiB a second: {second}");
    // Who has no answer is made to wait all the same.
    let silent = produce(&mut quotas, &mut rig, 3, 100, Acks::None);
    assert!((3_000..3_050).contains(&silent), "{silent}");
    rig.now_ms += 30_000;
    assert_eq!(produce(&mut quotas, &mut rig, 2, 1, Acks::All), 0);
}

#[test]
fn a_partition_has_a_limit_of_its_own() {
    let limits =
        BrokerLimits { partition_produce_bytes_per_sec: Some(10 * KIB), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    assert_eq!(produce(&mut quotas, &mut rig, 1, 90, Acks::All), 0);
    let wait = produce(&mut quotas, &mut rig, 1, 30, Acks::All);
    assert!((2_000..2_050).contains(&wait), "{wait}");
}

#[test]
fn requests_are_counted_too() {
    let limits = BrokerLimits { requests_per_sec: Some(2), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    for _ in 0..20 {
        assert_eq!(produce(&mut quotas, &mut rig, 1, 1, Acks::All), 0);
    }
    assert_eq!(produce(&mut quotas, &mut rig, 1, 1, Acks::All), 500);
}

/// A leader may add partitions for a producer (KIP-890, second part).
#[test]
fn what_brokers_add_to_transactions_is_no_request_of_a_client() {
    let limits = BrokerLimits { requests_per_sec: Some(1), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    let mut add = |by_broker: bool| {
        let request = AddPartitionsToTxnRequest { transactions: Vec::new(), by_broker };
        quotas.asked(conn(1), &mut Request::AddPartitionsToTxn(request));
        let response = AddPartitionsToTxnResponse { transactions: Vec::new() };
        answered(&mut quotas, &mut rig, 1, Some(Response::AddPartitionsToTxn(response))).0
    };
    assert_eq!((0..20).map(|_| add(true)).max(), Some(0));
    assert!((0..20).map(|_| add(false)).max() > Some(0));
}

#[test]
fn a_fetch_over_the_limit_brings_no_records_and_does_not_count() {
    let limits = BrokerLimits { fetch_bytes_per_sec: Some(100 * KIB), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    let mut ask = |kib: u64, epoch: i32| {
        quotas.asked(conn(1), &mut fetch(None, epoch));
        match answered(&mut quotas, &mut rig, 1, Some(found(kib))) {
            (wait, Some(Response::Fetch(answer))) => {
                assert_eq!(answer.throttle_ms.unsigned_abs(), wait);
                (wait, answer.session_id, answer.partitions.len())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(900, 3), (0, 9, 2));
    let (wait, session, parts) = ask(300, 4);
    assert!((2_000..2_050).contains(&wait), "{wait}");
    assert_eq!((session, parts), (9, 1), "what has no records is still said");
    assert_eq!(ask(300, SESSION_EPOCH_INITIAL).1, 0, "a full fetch gets no session");
    assert_eq!(ask(50, 5), (0, 9, 2), "what was not sent did not count");
}

#[test]
fn an_answer_fits_into_the_windows_and_followers_have_no_limit() {
    let limits = BrokerLimits { fetch_bytes_per_sec: Some(KIB), ..BrokerLimits::default() };
    let (mut quotas, mut rig) = limited(limits);
    let mut of_client = fetch(None, 1);
    quotas.asked(conn(1), &mut of_client);
    assert!(matches!(of_client, Request::Fetch(fetch) if fetch.max_bytes == 10 * 1024));
    let mut of_follower = fetch(Some(2), 1);
    quotas.asked(conn(2), &mut of_follower);
    assert!(matches!(of_follower, Request::Fetch(fetch) if fetch.max_bytes == i32::MAX));
    assert_eq!(answered(&mut quotas, &mut rig, 2, Some(found(100))).0, 0);
    quotas.drop_connection(ConnectionId(1));
    assert!(!quotas.awaits_answers());
}
