//! Transactions with an epoch each: how they end, retries, and where epochs end.

use crate::error::ErrorCode;
use crate::protocol::{ProducerIdAndEpoch, TransactionState};
use crate::txn::end_each::End;
use crate::txn::state::{Init, NamedPartition, Transaction};
use std::collections::BTreeSet;

const TIMEOUT_MS: i32 = 60_000;
/// The last epoch that a producer may have.
const LAST: i16 = i16::MAX - 1;

fn producer(epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { id: 1000, epoch }
}

fn parts() -> BTreeSet<NamedPartition> {
    BTreeSet::from([("orders".into(), 0)])
}

fn begin(transaction: &mut Transaction, producer: ProducerIdAndEpoch) {
    let values = transaction.add(producer, parts(), 5).unwrap().unwrap();
    transaction.apply(values);
}

/// A session that begins in this epoch.
fn begun(epoch: i16) -> Transaction {
    let mut transaction = Transaction::new(1000, TIMEOUT_MS, 0);
    transaction.values.producer.epoch = epoch - 1;
    match transaction.init(TIMEOUT_MS, None, None, 0).unwrap() {
        Init::Ready(values) => transaction.apply(values),
        other => panic!("{other:?}"),
    }
    assert_eq!(transaction.values.producer, producer(epoch));
    transaction
}

/// The same, with a partition in its transaction.
fn ongoing(epoch: i16) -> Transaction {
    let mut transaction = begun(epoch);
    begin(&mut transaction, producer(epoch));
    transaction
}

/// EndTxn, and the log takes what it comes to. Returns who the producer is told to be.
fn end(
    transaction: &mut Transaction,
    producer: ProducerIdAndEpoch,
    commit: bool,
) -> Result<ProducerIdAndEpoch, ErrorCode> {
    match transaction.end_each(producer, commit, Some(2000), 9)? {
        End::Decided(values) => {
            let next = values.next_producer();
            transaction.apply(values);
            Ok(next)
        }
        End::Already(next) => Ok(next),
        End::NeedsId => panic!("it has one"),
    }
}

fn complete(transaction: &mut Transaction) {
    let values = transaction.complete(10).unwrap();
    transaction.apply(values);
}

#[test]
fn each_end_begins_an_epoch_and_markers_carry_it() {
    let mut transaction = ongoing(0);
    for epoch in 1..4 {
        let commit = epoch % 2 == 0;
        assert_eq!(end(&mut transaction, producer(epoch - 1), commit), Ok(producer(epoch)));
        assert!(transaction.values.state.is_ending());
        assert_eq!(transaction.values.producer, producer(epoch), "what markers say");
        complete(&mut transaction);
        assert_eq!(transaction.values.producer, producer(epoch));
        begin(&mut transaction, producer(epoch));
    }
}

#[test]
fn a_retry_of_the_end_is_told_what_the_first_one_was() {
    for commit in [true, false] {
        let mut transaction = ongoing(0);
        assert_eq!(end(&mut transaction, producer(0), commit), Ok(producer(1)));
        let wait = Err(ErrorCode::ConcurrentTransactions);
        assert_eq!(end(&mut transaction, producer(0), commit), wait, "markers are on their way");
        let other = Err(ErrorCode::InvalidTxnState);
        assert_eq!(end(&mut transaction, producer(0), !commit), other);
        complete(&mut transaction);
        assert_eq!(end(&mut transaction, producer(0), commit), Ok(producer(1)));
        assert_eq!(end(&mut transaction, producer(0), !commit), other);
        assert!(!transaction.has_gone_on(producer(0)), "nothing is open");
        begin(&mut transaction, producer(1));
        assert!(transaction.has_gone_on(producer(0)) && !transaction.has_gone_on(producer(1)));
        let fenced = Err(ErrorCode::ProducerFenced);
        assert_eq!(end(&mut transaction, producer(0), commit), fenced, "the next one is open");
    }
}

#[test]
fn while_the_log_is_told_everybody_waits() {
    let mut transaction = ongoing(0);
    let End::Decided(_) = transaction.end_each(producer(0), true, None, 9).unwrap() else {
        panic!("it is open")
    };
    let wait = Err(ErrorCode::ConcurrentTransactions);
    assert_eq!(end(&mut transaction, producer(0), true), wait);
    transaction.give_up();
    assert_eq!(end(&mut transaction, producer(0), true), Ok(producer(1)));
}

#[test]
fn records_of_the_next_transaction_wait_for_markers_and_late_ones_are_fenced() {
    let mut transaction = ongoing(0);
    end(&mut transaction, producer(0), true).unwrap();
    let wait = Err(ErrorCode::ConcurrentTransactions);
    assert_eq!(transaction.add(producer(1), parts(), 9), wait);
    assert_eq!(transaction.add(producer(0), parts(), 9), Err(ErrorCode::ProducerFenced));
    complete(&mut transaction);
    assert_eq!(transaction.add(producer(0), parts(), 9), Err(ErrorCode::ProducerFenced));
    begin(&mut transaction, producer(1));
}

#[test]
fn an_abort_of_nothing_begins_an_epoch_too_and_a_commit_of_nothing_is_wrong() {
    let mut transaction = begun(0);
    assert_eq!(end(&mut transaction, producer(0), true), Err(ErrorCode::InvalidTxnState));
    for epoch in 1..4 {
        assert_eq!(end(&mut transaction, producer(epoch - 1), false), Ok(producer(epoch)));
        assert_eq!(transaction.values.state, TransactionState::PrepareAbort);
        complete(&mut transaction);
    }
    assert_eq!(end(&mut transaction, producer(2), false), Ok(producer(3)), "a retry");
    assert_eq!(end(&mut transaction, producer(3), true), Err(ErrorCode::InvalidTxnState));
}

#[test]
fn the_last_epoch_of_an_id_is_for_markers_and_a_new_id_follows() {
    let next = ProducerIdAndEpoch { id: 2000, epoch: 0 };
    for commit in [true, false] {
        let mut transaction = ongoing(LAST);
        assert_eq!(transaction.end_each(producer(LAST), commit, None, 9), Ok(End::NeedsId));
        assert_eq!(end(&mut transaction, producer(LAST), commit), Ok(next));
        assert_eq!(transaction.values.producer, producer(i16::MAX), "what markers say");
        let wait = Err(ErrorCode::ConcurrentTransactions);
        assert_eq!(end(&mut transaction, producer(LAST), commit), wait);
        // it knows its new id, and may be faster than the markers
        let faster = transaction.add(next, parts(), 9);
        assert_eq!(faster, Err(ErrorCode::ConcurrentTransactions));
        assert_eq!(end(&mut transaction, next, commit), wait);
        let nobody = Err(ErrorCode::ProducerFenced);
        assert_eq!(end(&mut transaction, producer(i16::MAX), commit), nobody);
        complete(&mut transaction);
        assert_eq!(transaction.values.producer, next);
        assert_eq!(end(&mut transaction, producer(LAST), commit), Ok(next), "a retry");
        begin(&mut transaction, next);
        let mapping = Err(ErrorCode::InvalidProducerIdMapping);
        assert_eq!(transaction.add(producer(LAST), parts(), 9), mapping);
        let after = ProducerIdAndEpoch { epoch: 1, ..next };
        assert_eq!(end(&mut transaction, next, commit), Ok(after));
    }
}

/// `TransactionMetadata.prepareComplete`.
#[test]
fn who_had_the_id_before_this_one_is_a_stranger_after_the_next_transaction() {
    let mut transaction = ongoing(LAST);
    let next = end(&mut transaction, producer(LAST), true).unwrap();
    complete(&mut transaction);
    begin(&mut transaction, next);
    let next = end(&mut transaction, next, true).unwrap();
    complete(&mut transaction);
    begin(&mut transaction, next);
    let zombie = transaction.init(TIMEOUT_MS, Some(producer(LAST)), None, 11);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));
    assert_eq!(transaction.values.state, TransactionState::Ongoing);
}

#[test]
fn who_was_fenced_does_not_learn_the_next_epoch() {
    // by a time-out
    let mut transaction = ongoing(0);
    let values = transaction.fence(9);
    transaction.apply(values);
    let fenced = Err(ErrorCode::ProducerFenced);
    assert_eq!(end(&mut transaction, producer(0), false), fenced);
    complete(&mut transaction);
    assert_eq!(end(&mut transaction, producer(0), false), fenced);
    // by a successor, after an end whose answer was lost
    let mut transaction = ongoing(0);
    end(&mut transaction, producer(0), true).unwrap();
    complete(&mut transaction);
    match transaction.init(TIMEOUT_MS, None, None, 9).unwrap() {
        Init::Ready(values) => transaction.apply(values),
        other => panic!("{other:?}"),
    }
    assert_eq!(transaction.values.producer, producer(2));
    for epoch in [0, 1] {
        assert_eq!(end(&mut transaction, producer(epoch), true), fenced);
    }
}

#[test]
fn an_older_client_is_served_by_its_own_rules() {
    let mut transaction = ongoing(0);
    let values = transaction.end(producer(0), true, 9).unwrap().unwrap();
    transaction.apply(values);
    assert_eq!(transaction.values.producer, producer(0), "the session's epoch stays");
    complete(&mut transaction);
    begin(&mut transaction, producer(0));
    // the same producer, newer now
    assert_eq!(end(&mut transaction, producer(0), true), Ok(producer(1)));
    complete(&mut transaction);
    // and older again
    assert_eq!(transaction.end(producer(0), true, 11), Err(ErrorCode::ProducerFenced));
    assert_eq!(transaction.end(producer(1), true, 11), Ok(None));
}

#[test]
fn the_epoch_of_markers_is_nobodys() {
    // fenced by a time-out in the last epoch but one, and over
    let mut transaction = begun(LAST);
    transaction.values.producer.epoch = i16::MAX;
    let fenced = Err(ErrorCode::ProducerFenced);
    assert_eq!(transaction.add(producer(i16::MAX), parts(), 9), fenced);
    assert_eq!(end(&mut transaction, producer(i16::MAX), false), Err(ErrorCode::ProducerFenced));
}
