//! InitProducerId (key 22): producer ids come in blocks from the controller. Transactional
//! producers go on to their coordinator.

use super::transactions;
use crate::error::ErrorCode;
use crate::protocol::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, InitProducerIdResponse, Request, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use crate::txn::{InitTransactions, refuse_init};

/// Producer ids of this broker.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    next: i64,
    end: i64,
    waiting: Vec<Waiting>,
    asked: bool,
}

/// Who waits for a producer id.
#[derive(Debug)]
pub(super) enum Waiting {
    /// An idempotent producer.
    Producer(ReplyTo),
    /// A transactional one, at its coordinator.
    Transactions(InitTransactions),
    /// Another one, whose epochs end with its transaction.
    End(ReplyTo, EndTxnRequest),
}

impl ProducerIds {
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Whether a block is to come: somebody waits for it, or it is taken to be asked for. For checkers.
    pub(crate) fn is_to_come(&self) -> bool {
        self.asked || !self.waiting.is_empty()
    }

    /// Requests that wait for one, for checkers.
    pub(crate) fn answers_owed(&self) -> usize {
        self.waiting.len()
    }
}

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    mut request: InitProducerIdRequest,
) {
    if let Some(transactional) = request.transactional.take() {
        return transactions::init(role, step, to, *transactional, &request);
    }
    role.producer_ids.wait(Waiting::Producer(to));
    hand_out(role, step);
}

pub(super) fn hand_out(role: &mut BrokerRole, step: &mut Step<'_>) {
    while role.producer_ids.next < role.producer_ids.end {
        let Some(waiting) = role.producer_ids.waiting.pop() else { return };
        let producer_id = role.producer_ids.next;
        role.producer_ids.next += 1;
        match waiting {
            Waiting::Producer(to) => {
                let response = InitProducerIdResponse {
                    error: ErrorCode::None,
                    producer_id,
                    producer_epoch: 0,
                };
                step.reply(to, Response::InitProducerId(response));
            }
            Waiting::Transactions(request) => {
                transactions::begin(role, step, request, Some(producer_id));
            }
            Waiting::End(to, request) => {
                transactions::end(role, step, to, request, Some(producer_id));
            }
        }
    }
    if !role.producer_ids.waiting.is_empty() && !role.producer_ids.asked {
        role.producer_ids.asked = true;
        let broker_epoch = role.broker_epoch;
        let request = AllocateProducerIdsRequest { broker: role.config.node, broker_epoch };
        role.ask_controller(step, Request::AllocateProducerIds(request));
    }
}

/// The controller answered; on an error producers are told to try again.
pub(crate) fn allocated(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    response: Option<AllocateProducerIdsResponse>,
) {
    role.producer_ids.asked = false;
    match response.filter(|r| r.error.is_ok()) {
        Some(block) => {
            role.producer_ids.next = block.first;
            role.producer_ids.end = block.first + i64::from(block.len);
            hand_out(role, step);
        }
        None => {
            for waiting in std::mem::take(&mut role.producer_ids.waiting) {
                let error = ErrorCode::CoordinatorLoadInProgress;
                match waiting {
                    Waiting::Producer(to) => refuse_init(step, to, error),
                    Waiting::Transactions(request) => refuse_init(step, request.to, error),
                    Waiting::End(to, _) => {
                        step.reply(to, Response::EndTxn(EndTxnResponse::refused(error)));
                    }
                }
            }
        }
    }
}
