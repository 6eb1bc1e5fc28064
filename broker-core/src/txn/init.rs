//! InitProducerId of a transactional producer: a new session, which fences those before it.

use super::coordinator::{Cx, Then, TransactionCoordinator};
use super::state::{Init, NOBODY, Transaction};
use crate::error::ErrorCode;
use crate::plant::{Plant, planted};
use crate::protocol::{
    InitProducerIdRequest, InitProducerIdResponse, ProducerIdAndEpoch, Response, TransactionalId,
};
use crate::step::{ReplyTo, Step};

/// A request that may have to wait for a producer id.
#[derive(Debug)]
pub(crate) struct InitTransactions {
    pub(crate) to: ReplyTo,
    pub(crate) transactional: TransactionalId,
    held: Option<ProducerIdAndEpoch>,
}

impl InitTransactions {
    /// From a request of a transactional producer.
    ///
    /// # Errors
    /// Either id or epoch is missing.
    pub(crate) fn new(
        to: ReplyTo,
        transactional: TransactionalId,
        request: &InitProducerIdRequest,
    ) -> Result<Self, ErrorCode> {
        let InitProducerIdRequest { producer_id, producer_epoch, .. } = *request;
        let held = match (producer_id >= 0, producer_epoch >= 0) {
            (false, false) => None,
            (true, true) => Some(ProducerIdAndEpoch { id: producer_id, epoch: producer_epoch }),
            _ => return Err(ErrorCode::InvalidRequest),
        };
        Ok(Self { to, transactional, held })
    }
}

impl TransactionCoordinator {
    /// Begins a session. Gives the request back if it needs a producer id first.
    pub(crate) fn init(
        &mut self,
        cx: &mut Cx<'_, '_>,
        request: InitTransactions,
        new_id: Option<i64>,
    ) -> Option<InitTransactions> {
        match self.try_init(cx, &request, new_id) {
            Ok(true) => None,
            Ok(false) => Some(request),
            Err(error) => {
                refuse(cx.step, request.to, error);
                None
            }
        }
    }

    /// False when a producer id is needed.
    fn try_init(
        &mut self,
        cx: &mut Cx<'_, '_>,
        request: &InitTransactions,
        new_id: Option<i64>,
    ) -> Result<bool, ErrorCode> {
        let InitTransactions { to, transactional: TransactionalId { id, timeout_ms }, held } =
            request;
        let partition = self.ready(cx.image, id)?;
        if !(1..=self.limits.timeout_ms_max).contains(timeout_ms) {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        let wall_ms = cx.step.wall_ms;
        let Some(state) = self.partitions.get_mut(&partition) else {
            return Err(ErrorCode::NotCoordinator);
        };
        if !state.transactions.contains_key(id) {
            let Some(producer_id) = new_id else { return Ok(false) };
            let new = Transaction::new(producer_id, *timeout_ms, wall_ms);
            state.transactions.insert(id.clone(), new);
        }
        let Some(transaction) = state.transactions.get_mut(id) else { return Ok(false) };
        if planted(cx.replicas.config.plant, Plant::SessionLeavesOpen) {
            transaction.leave_open();
        }
        let is_unused = transaction.values.producer.epoch == NOBODY.epoch;
        let (values, then) = match transaction.init(*timeout_ms, *held, new_id, wall_ms)? {
            Init::NeedsId => return Ok(false),
            Init::Ready(mut values) => {
                if is_unused {
                    values.producer.epoch += self.limits.first_epoch;
                }
                (values, Then::Begun(*to))
            }
            Init::Fence(values) => (values, Then::Fenced(Some(*to))),
        };
        self.write(cx, partition, id, Some(values), then);
        Ok(true)
    }
}

/// Answers with an error.
pub(crate) fn refuse(step: &mut Step<'_>, to: ReplyTo, error: ErrorCode) {
    let response = InitProducerIdResponse { error, producer_id: -1, producer_epoch: -1 };
    step.reply(to, Response::InitProducerId(response));
}
