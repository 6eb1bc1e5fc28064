//! Who has a transactional id is not fenced, and neither is who asks once more for what was done: an answer may have
//! been lost, and the producer would take itself for a zombie.

use super::transactional::{EXHAUSTED, next};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::inspect::TransactionalIdView as View;
use stormglass_broker_core::protocol::{
    EndTxnRequest, InitProducerIdRequest, ProducerIdAndEpoch, Request, Response, TransactionRules,
    TransactionState,
};

/// What is wrong with an answer that fences a producer; `known` is the id as it was when its coordinator was asked.
pub(super) fn wrongly(known: &View, asked: &Request, answer: &Response) -> Option<&'static str> {
    let is_wrong = is_told(answer) && has_right(known, asked);
    is_wrong.then_some("fences who has the id, or asks once more for what was done")
}

/// Whether an answer says that somebody else has the id.
fn is_told(answer: &Response) -> bool {
    use ErrorCode::{InvalidProducerEpoch, InvalidProducerIdMapping, ProducerFenced};
    let fences = |error: ErrorCode| {
        matches!(error, ProducerFenced | InvalidProducerEpoch | InvalidProducerIdMapping)
    };
    match answer {
        Response::InitProducerId(answer) => fences(answer.error),
        Response::AddOffsetsToTxn(answer) => fences(answer.error),
        Response::EndTxn(answer) => fences(answer.error),
        Response::AddPartitionsToTxn(answer) => {
            let mut results = answer.transactions.iter().flat_map(|one| &one.partitions);
            results.any(|(_, error)| fences(*error))
        }
        _ => false,
    }
}

/// Whether a producer may go on. Who may while something is under way, or once epochs have ended, is not looked at.
fn has_right(known: &View, asked: &Request) -> bool {
    let is_settled = !known.is_changing && !known.state.is_ending();
    if !is_settled || !(0..EXHAUSTED).contains(&known.producer.epoch) {
        return false;
    }
    match asked {
        Request::InitProducerId(asked) => next(known, held(asked)).is_some(),
        Request::AddPartitionsToTxn(asked) => {
            asked.transactions.first().is_some_and(|one| one.producer == known.producer)
        }
        Request::AddOffsetsToTxn(asked) => asked.producer == known.producer,
        Request::EndTxn(asked) => asked.producer == known.producer || is_retry(known, asked),
        _ => false,
    }
}

/// What a producer had before it asks for a session, if it says so.
pub(super) fn held(asked: &InitProducerIdRequest) -> Option<ProducerIdAndEpoch> {
    let (id, epoch) = (asked.producer_id, asked.producer_epoch);
    (epoch >= 0).then_some(ProducerIdAndEpoch { id, epoch })
}

/// Whether somebody asks for the end that has begun the epoch that is (KIP-890, second part).
fn is_retry(known: &View, asked: &EndTxnRequest) -> bool {
    use TransactionState::{CompleteAbort, CompleteCommit};
    let is_each = asked.rules == TransactionRules::EpochEach && known.is_epoch_each;
    let is_over = matches!(known.state, CompleteAbort | CompleteCommit);
    let ProducerIdAndEpoch { id, epoch } = asked.producer;
    is_each && is_over && (id, epoch + 1) == (known.producer.id, known.producer.epoch)
}

#[cfg(test)]
mod tests {
    use super::super::tests::bumped;
    use super::*;
    use stormglass_broker_core::protocol::{
        EndTxnResponse, InitProducerIdResponse, TransactionalId,
    };

    fn producer(epoch: i16) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch { id: 7, epoch }
    }

    fn begins(known: &View, epoch: i16, error: ErrorCode) -> bool {
        let transactional = TransactionalId { id: "x".into(), timeout_ms: 60 };
        let asked = InitProducerIdRequest {
            transactional: Some(Box::new(transactional)),
            producer_id: 7,
            producer_epoch: epoch,
        };
        let answer = InitProducerIdResponse { error, producer_id: -1, producer_epoch: -1 };
        let (asked, answer) = (Request::InitProducerId(asked), Response::InitProducerId(answer));
        wrongly(known, &asked, &answer).is_some()
    }

    #[test]
    fn who_bumps_its_epoch_once_more_is_not_fenced() {
        let empty = bumped(TransactionState::Empty);
        let fenced = ErrorCode::ProducerFenced;
        assert!(begins(&empty, 2, fenced) && begins(&empty, 3, fenced));
        assert!(!begins(&empty, 1, fenced), "somebody else has begun since");
        assert!(!begins(&empty, 2, ErrorCode::ConcurrentTransactions));
        let changing = View { is_changing: true, ..empty.clone() };
        assert!(!begins(&changing, 2, fenced));
        let last = View { producer: producer(EXHAUSTED), ..empty };
        assert!(!begins(&last, 2, fenced));
    }

    #[test]
    fn who_ends_its_transaction_once_more_is_not_fenced() {
        let ends = |known: &View, epoch: i16, rules: TransactionRules| {
            let asked = EndTxnRequest {
                transactional_id: "x".into(),
                producer: producer(epoch),
                commit: true,
                rules,
            };
            let answer = EndTxnResponse { error: ErrorCode::ProducerFenced, producer: None };
            let (asked, answer) = (Request::EndTxn(asked), Response::EndTxn(answer));
            wrongly(known, &asked, &answer).is_some()
        };
        let each = TransactionRules::EpochEach;
        let over = bumped(TransactionState::CompleteCommit);
        assert!(ends(&over, 2, each) && ends(&over, 3, each));
        assert!(!ends(&over, 1, each) && !ends(&over, 2, TransactionRules::Added));
        let open = bumped(TransactionState::Ongoing);
        assert!(!ends(&open, 2, each), "of the transaction before");
    }
}
