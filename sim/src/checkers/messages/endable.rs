//! Who has a transactional id may end its transaction, whatever has become part of that: with an epoch for each one,
//! the leaders add its partitions, and where none has, its producer still gives it up (KIP-890, second part; Kafka's
//! `TransactionCoordinator.endTransaction`). `INVALID_TXN_STATE` would end the producer.

use super::transactional::EXHAUSTED;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::inspect::TransactionalIdView as View;
use stormglass_broker_core::protocol::{
    EndTxnRequest, Request, Response, TransactionRules, TransactionState,
};

/// What is wrong with an answer to EndTxn; `known` is the id as it was when its coordinator was asked.
pub(super) fn wrongly(known: &View, asked: &Request, answer: &Response) -> Option<&'static str> {
    let (Request::EndTxn(asked), Response::EndTxn(answer)) = (asked, answer) else { return None };
    let is_wrong = answer.error == ErrorCode::InvalidTxnState && may_end(known, asked);
    is_wrong.then_some("does not let its producer end what may be ended")
}

/// Whether a producer has something to end, or to give up. Who may while something is under way, or once epochs have
/// ended, is not looked at, nor who asks once more.
fn may_end(known: &View, asked: &EndTxnRequest) -> bool {
    use TransactionState::{
        CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
    };
    let is_its_own = asked.producer == known.producer;
    if !is_its_own || known.is_changing || !(0..EXHAUSTED).contains(&known.producer.epoch) {
        return false;
    }
    match known.state {
        Ongoing => true,
        Empty | CompleteAbort | CompleteCommit => {
            asked.rules == TransactionRules::EpochEach && !asked.commit
        }
        PrepareAbort | PrepareCommit => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bumped;
    use super::*;
    use stormglass_broker_core::protocol::{EndTxnResponse, ProducerIdAndEpoch};

    /// Whether it is wrong to refuse an end, by whether that is a commit.
    fn is_wrong(known: &View, epoch: i16, rules: TransactionRules) -> [bool; 2] {
        [false, true].map(|commit| {
            let producer = ProducerIdAndEpoch { id: 7, epoch };
            let asked = EndTxnRequest { transactional_id: "x".into(), producer, commit, rules };
            let answer = EndTxnResponse::refused(ErrorCode::InvalidTxnState);
            wrongly(known, &Request::EndTxn(asked), &Response::EndTxn(answer)).is_some()
        })
    }

    #[test]
    fn a_producer_gives_up_what_nobody_has_heard_of() {
        use TransactionState::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort};
        let each = TransactionRules::EpochEach;
        for state in [Empty, CompleteCommit, CompleteAbort] {
            assert_eq!(is_wrong(&bumped(state), 3, each), [true, false], "{state:?}");
            assert_eq!(is_wrong(&bumped(state), 3, TransactionRules::Added), [false; 2]);
        }
        assert_eq!(is_wrong(&bumped(Ongoing), 3, each), [true; 2]);
        assert_eq!(is_wrong(&bumped(Ongoing), 3, TransactionRules::Added), [true; 2]);
        assert_eq!(is_wrong(&bumped(PrepareAbort), 3, each), [false; 2]);
    }

    #[test]
    fn who_asks_once_more_or_too_early_may_be_refused() {
        use TransactionState::{CompleteCommit, Empty};
        let each = TransactionRules::EpochEach;
        assert_eq!(is_wrong(&bumped(CompleteCommit), 2, each), [false; 2], "it was committed");
        let changing = View { is_changing: true, ..bumped(Empty) };
        assert_eq!(is_wrong(&changing, 3, each), [false; 2]);
        let concurrent = EndTxnResponse::refused(ErrorCode::ConcurrentTransactions);
        let producer = ProducerIdAndEpoch { id: 7, epoch: 3 };
        let (transactional_id, commit) = ("x".into(), false);
        let asked = EndTxnRequest { transactional_id, producer, commit, rules: each };
        let told = wrongly(&bumped(Empty), &Request::EndTxn(asked), &Response::EndTxn(concurrent));
        assert_eq!(told, None);
    }
}
