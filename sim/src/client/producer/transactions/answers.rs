//! What becomes of a producer's transactions as their coordinator answers, or does not.

use super::{Coordinator, Stage, TransactionCall, tell};
use crate::client::io::{ClientCx, FailReason, TransactionStep};
use crate::client::producer::batch::ProducerId;
use crate::client::producer::machine::Producer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    AddPartitionsToTxnResponse, FindCoordinatorResponse, InitProducerIdResponse,
    ProducerIdAndEpoch, Response,
};

/// Back-off after CONCURRENT_TRANSACTIONS of a transaction's first partitions, ns, as Java's.
const CONCURRENT_BACKOFF_NS: u64 = 20_000_000;

impl Producer {
    /// Takes an answer about transactions.
    #[cold]
    pub(in crate::client::producer) fn transaction_answered(
        &mut self,
        call: TransactionCall,
        response: &Response,
        cx: &mut ClientCx<'_>,
    ) {
        if call.is_of_group() {
            return self.group_answered(call, response, cx);
        }
        if call != TransactionCall::FindCoordinator
            && let Some(txn) = self.transactions.as_mut()
        {
            txn.is_asked = false;
        }
        match (call, response) {
            (TransactionCall::FindCoordinator, Response::FindCoordinator(answer)) => {
                self.transaction_coordinator_found(answer, cx.now_ns);
            }
            (TransactionCall::Init, Response::InitProducerId(answer)) => {
                self.session_begun(*answer, cx);
            }
            (TransactionCall::AddPartitions, Response::AddPartitionsToTxn(answer)) => {
                self.partitions_added(answer, cx);
            }
            (TransactionCall::AddOffsets, Response::AddOffsetsToTxn(answer)) => {
                self.offsets_added(answer.error, cx);
            }
            (TransactionCall::End, Response::EndTxn(answer)) if answer.error.is_ok() => {
                self.take_next_epoch(answer.producer);
                self.transaction_ended(cx);
            }
            (TransactionCall::End, Response::EndTxn(answer)) => {
                self.coordinator_refused(answer.error, cx);
            }
            _ => debug_assert!(false, "an answer has its request's kind"),
        }
    }

    fn transaction_coordinator_found(&mut self, answer: &FindCoordinatorResponse, now_ns: u64) {
        let found = answer.coordinators.first().filter(|found| found.error.is_ok());
        match found.and_then(|found| found.node).zip(self.transactions.as_mut()) {
            Some((node, txn)) => txn.coordinator = Coordinator::Known(node),
            None => {
                self.lose_transaction_coordinator(now_ns);
            }
        }
    }

    fn session_begun(&mut self, answer: InitProducerIdResponse, cx: &mut ClientCx<'_>) {
        if !answer.error.is_ok() {
            return self.coordinator_refused(answer.error, cx);
        }
        let producer = ProducerId { id: answer.producer_id, epoch: answer.producer_epoch };
        self.idempotence.begin_session(producer, &mut self.accumulator.partitions);
        if let Some(txn) = self.transactions.as_mut() {
            txn.clear();
            (txn.stage, txn.held, txn.failures) = (Stage::Ready, None, 0);
            txn.end_lost = false;
            self.flushing = txn.stopped;
        }
        self.answer_init(cx);
        self.intake.resume(cx.now_ns);
    }

    fn partitions_added(&mut self, answer: &AddPartitionsToTxnResponse, cx: &mut ClientCx<'_>) {
        let Some(answer) = answer.transactions.first() else { return };
        let errors = answer.partitions.iter().map(|(_, error)| *error);
        // the others of the request were not tried
        let mut errors = errors.filter(|error| !error.is_ok());
        let first = errors.clone().find(|error| *error != ErrorCode::OperationNotAttempted);
        if let Some(error) = first.or(errors.next()) {
            return self.coordinator_refused(error, cx);
        }
        if let Some(txn) = self.transactions.as_mut() {
            txn.failures = 0;
            txn.added.extend(txn.adding.drain(..));
        }
    }

    /// Who the producer is from now on, where each transaction has an epoch.
    fn take_next_epoch(&mut self, next: Option<ProducerIdAndEpoch>) {
        let Some(ProducerIdAndEpoch { id, epoch }) = next else { return };
        let producer = ProducerId { id, epoch };
        self.idempotence.begin_session(producer, &mut self.accumulator.partitions);
        if let Some(txn) = self.transactions.as_mut() {
            // that was the bump; and whatever comes late is of an epoch that is over
            (txn.is_spoilt, txn.end_lost) = (false, false);
            if let Some(calls) = &mut txn.calls {
                calls.is_doubtful = false;
            }
        }
    }

    /// EndTxn has succeeded, or was not needed.
    pub(super) fn transaction_ended(&mut self, cx: &mut ClientCx<'_>) {
        let held = self.idempotence.producer;
        let Some(txn) = self.transactions.as_mut() else { return };
        let committed = matches!(txn.stage, Stage::Ending { commit: true });
        tell(TransactionStep::Ended { number: txn.number, committed }, cx);
        txn.failures = 0;
        if txn.is_spoilt || txn.is_doubtful() {
            cx.effects.marks.push("producer: epoch bumped after an abort");
            (txn.stage, txn.held) = (Stage::Init, Some(held));
        } else {
            txn.stage = Stage::Ready;
            self.flushing = txn.stopped;
        }
        txn.clear();
        if self.desk.is_some() {
            self.answer_end(committed, cx);
        }
        self.intake.resume(cx.now_ns);
    }

    /// The coordinator has answered with an error.
    pub(in crate::client::producer) fn coordinator_refused(
        &mut self,
        error: ErrorCode,
        cx: &mut ClientCx<'_>,
    ) {
        match error {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_transaction_coordinator(cx.now_ns);
            }
            ErrorCode::ConcurrentTransactions => {
                if let Some(txn) = self.transactions.as_mut() {
                    txn.retry_ns = cx.now_ns + CONCURRENT_BACKOFF_NS;
                }
            }
            error if error.is_retriable() => {
                let wait_ns = self.transaction_backoff();
                if let Some(txn) = self.transactions.as_mut() {
                    txn.retry_ns = cx.now_ns + wait_ns;
                }
            }
            error => self.close(error, cx),
        }
    }

    /// A fatal error.
    pub(in crate::client::producer) fn close(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        if self.desk.is_some() {
            self.refuse_all(error, cx);
        }
        self.close_and_begin_anew(cx);
    }

    /// A fatal error, of which being fenced is the commonest: nothing of what was sent is known to be
    /// committed, and a new session ends what is open.
    #[cold]
    fn close_and_begin_anew(&mut self, cx: &mut ClientCx<'_>) {
        cx.effects.marks.push("producer: fatal error of a transaction");
        for at in 0..self.accumulator.partitions.len() {
            let queue = &mut self.accumulator.partitions[at];
            let waiting = std::mem::take(&mut queue.waiting);
            let in_flight = std::mem::take(&mut queue.in_flight);
            for mut batch in in_flight.into_iter().chain(waiting) {
                batch.ambiguous |= batch.sends > 0;
                self.give_up(at, batch, FailReason::TransactionAborted, cx);
            }
        }
        self.accumulator.prune();
        self.idempotence.producer = ProducerId::NONE;
        let wait_ns = self.transaction_backoff();
        let Some(txn) = self.transactions.as_mut() else { return };
        txn.retry_ns = cx.now_ns + wait_ns;
        if txn.is_open() {
            tell(TransactionStep::Abandoned { number: txn.number }, cx);
        }
        txn.clear();
        if let Some(calls) = &mut txn.calls {
            calls.forget();
        }
        (txn.stage, txn.held) = (Stage::Init, None);
    }

    /// A request got no answer.
    #[cold]
    pub(in crate::client::producer) fn transaction_call_lost(
        &mut self,
        call: TransactionCall,
        now_ns: u64,
    ) {
        if call.is_of_group() {
            return self.group_call_lost(call, now_ns);
        }
        let wait_ns = self.transaction_backoff();
        let Some(txn) = self.transactions.as_mut() else { return };
        if let Some(calls) = &mut txn.calls {
            calls.is_doubtful |=
                !matches!(call, TransactionCall::FindCoordinator | TransactionCall::Init);
        }
        if call == TransactionCall::FindCoordinator {
            txn.coordinator = Coordinator::Unknown { retry_ns: now_ns + wait_ns };
            return;
        }
        txn.is_asked = false;
        txn.retry_ns = now_ns + wait_ns;
        txn.end_lost |= call == TransactionCall::End;
        // it may have moved: Java looks for it after each lost connection
        txn.coordinator = Coordinator::Unknown { retry_ns: now_ns };
    }
}
