//! InitProducerId of transactional producers (key 22), AddPartitionsToTxn (24), AddOffsetsToTxn
//! (25), EndTxn (26), WriteTxnMarkers (27), TxnOffsetCommit (28), DescribeTransactions (65),
//! ListTransactions (66), and Produce within a transaction: what the broker role makes of them.

use super::auto_create;
use super::init_producer_id::hand_out;
use crate::error::ErrorCode;
use crate::group::OFFSETS_TOPIC;
use crate::ids::{CorrelationId, DiskOpId};
use crate::protocol::{
    EndTxnRequest, InitProducerIdRequest, Request, Response, TransactionalId,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, WriteTxnMarkersRequest,
};
use crate::replica::{AppendOrigin, ProduceOutcome};
use crate::role::BrokerRole;
use crate::seam::{DiskResult, PeerError};
use crate::step::{ReplyTo, Step};
use crate::txn::{Cx, InitTransactions, TokenOwner, Verified, owner_of_token, refuse_init};

/// A request about transactions.
pub(crate) fn handle(role: &mut BrokerRole, step: &mut Step<'_>, to: ReplyTo, request: Request) {
    let BrokerRole { replicas, image, transactions, verifier, .. } = role;
    let mut cx = Cx { step, replicas, image };
    match request {
        Request::TransactionalProduce(request) => {
            if let Some(verified) = verifier.produce(&mut cx, to, request) {
                go_on(role, step, verified);
            }
        }
        Request::AddPartitionsToTxn(request) => transactions.add_partitions(&mut cx, to, request),
        Request::AddOffsetsToTxn(request) => {
            // a group that has no members yet may be the first of the cluster
            if image.topic_named(OFFSETS_TOPIC).is_none() {
                auto_create::create(role, step, &[OFFSETS_TOPIC.into()]);
            }
            let BrokerRole { replicas, image, transactions, .. } = role;
            transactions.add_offsets(&mut Cx { step, replicas, image }, to, &request);
        }
        Request::EndTxn(request) => end(role, step, to, request, None),
        Request::WriteTxnMarkers(request) => write_markers(role, step, to, &request),
        Request::TxnOffsetCommit(request) => commit_offsets(role, step, to, request),
        Request::DescribeTransactions(request) => {
            let response = transactions.describe(image, &request);
            step.reply(to, Response::DescribeTransactions(response));
        }
        Request::ListTransactions(request) => {
            let response = transactions.list(&request, step.wall_ms);
            step.reply(to, Response::ListTransactions(Box::new(response)));
        }
        _ => debug_assert!(false, "not about transactions"),
    }
}

/// InitProducerId with a transactional id.
pub(super) fn init(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    transactional: TransactionalId,
    request: &InitProducerIdRequest,
) {
    match InitTransactions::new(to, transactional, request) {
        Ok(request) => begin(role, step, request, None),
        Err(error) => refuse_init(step, to, error),
    }
}

/// Begins a session; waits for a producer id if one is needed.
pub(super) fn begin(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    request: InitTransactions,
    new_id: Option<i64>,
) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    let mut cx = Cx { step, replicas, image };
    if let Some(request) = transactions.init(&mut cx, request, new_id) {
        role.producer_ids.wait(super::init_producer_id::Waiting::Transactions(request));
        hand_out(role, step);
    }
}

/// EndTxn; waits for a producer id if one is needed.
pub(super) fn end(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: EndTxnRequest,
    new_id: Option<i64>,
) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    if let Some(request) = transactions.end(&mut Cx { step, replicas, image }, to, request, new_id)
    {
        role.producer_ids.wait(super::init_producer_id::Waiting::End(to, request));
        hand_out(role, step);
    }
}

fn write_markers(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &WriteTxnMarkersRequest,
) {
    let BrokerRole { replicas, image, markers, verifier, groups, .. } = role;
    let (image, groups) = (&*image, &*groups);
    for marker in &request.markers {
        for tp in &marker.partitions {
            verifier.marker_written(*tp, marker.producer, marker.rules);
        }
    }
    let coordinated = |tp| groups.coordinated(image, tp);
    markers.write(&mut Cx { step, replicas, image }, to, request, coordinated);
}

fn commit_offsets(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: Box<TxnOffsetCommitRequest>,
) {
    let BrokerRole { replicas, image, groups, verifier, .. } = role;
    match groups.partition_of(image, &request.group) {
        Ok(tp) => {
            let mut cx = Cx { step, replicas, image };
            if let Some(verified) = verifier.offsets(&mut cx, to, tp, request) {
                go_on(role, step, verified);
            }
        }
        Err(error) => refuse_offsets(step, to, &request, error),
    }
}

/// The coordinator has been asked, or need not be.
fn go_on(role: &mut BrokerRole, step: &mut Step<'_>, verified: Verified) {
    match verified {
        Verified::Produce(to, request, refused) => {
            let origin = AppendOrigin::Client(to);
            role.replicas.produce_verified(step, origin, request, &refused);
        }
        Verified::Offsets(to, request, error) if error.is_ok() => {
            role.groups.commit_in_transaction(step, &mut role.replicas, &role.image, to, *request);
        }
        Verified::Offsets(to, request, error) => refuse_offsets(step, to, &request, error),
    }
}

fn refuse_offsets(
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &TxnOffsetCommitRequest,
    error: ErrorCode,
) {
    let partitions = request.offsets.iter().map(|at| (at.tp, error)).collect();
    step.reply(to, Response::TxnOffsetCommit(TxnOffsetCommitResponse { partitions }));
}

/// An answer of a peer that was asked for transactions.
pub(crate) fn answered(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    id: CorrelationId,
    result: &Result<Response, PeerError>,
) {
    let BrokerRole { replicas, image, transactions, verifier, .. } = role;
    let mut cx = Cx { step, replicas, image };
    if !transactions.markers_answered(&mut cx, id, result)
        && let Some(verified) = verifier.answered(&mut cx, id, result)
    {
        go_on(role, step, verified);
    }
}

/// An append of the coordinators' ended.
pub(crate) fn append_done(role: &mut BrokerRole, step: &mut Step<'_>, outcome: ProduceOutcome) {
    let BrokerRole { replicas, image, transactions, markers, groups, .. } = role;
    match owner_of_token(outcome.token) {
        TokenOwner::Coordinator => {
            transactions.append_done(&mut Cx { step, replicas, image }, outcome);
        }
        TokenOwner::Marker => {
            if let Some(ended) = markers.append_done(step, outcome)
                && let Some(epoch) = ended.epoch
            {
                groups.transaction_ended((ended.tp, epoch), ended.producer_id, ended.commit);
            }
        }
        TokenOwner::Other => groups.append_done(step, replicas, outcome),
    }
}

/// A read of the coordinator's ended.
pub(crate) fn disk_done(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    id: DiskOpId,
    result: DiskResult,
) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    transactions.disk_done(&mut Cx { step, replicas, image }, id, result);
}

/// Timer: transactions that take too long.
pub(crate) fn timeouts_due(role: &mut BrokerRole, step: &mut Step<'_>) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    transactions.timeouts_due(&mut Cx { step, replicas, image });
}

/// Timer: loads that could not read.
pub(crate) fn loads_due(role: &mut BrokerRole, step: &mut Step<'_>) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    transactions.retry_loads(&mut Cx { step, replicas, image });
}

/// Timer: markers that could not be written.
pub(crate) fn markers_due(role: &mut BrokerRole, step: &mut Step<'_>) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    transactions.markers_due(&mut Cx { step, replicas, image });
}

/// Timer: partitions whose coordinator was busy.
pub(crate) fn additions_due(role: &mut BrokerRole, step: &mut Step<'_>) {
    let BrokerRole { replicas, image, verifier, .. } = role;
    for verified in verifier.additions_due(&mut Cx { step, replicas, image }) {
        go_on(role, step, verified);
    }
}

/// After an input: loads that had to wait.
#[cold]
pub(crate) fn resume_loads(role: &mut BrokerRole, step: &mut Step<'_>) {
    let BrokerRole { replicas, image, transactions, .. } = role;
    transactions.resume_loads(&mut Cx { step, replicas, image });
}
