//! Each transition of one transactional id, and what is refused.

use crate::error::ErrorCode;
use crate::protocol::{ProducerIdAndEpoch, TransactionState};
use crate::txn::state::{Init, NamedPartition, Transaction, Values};
use std::collections::BTreeSet;

const TIMEOUT_MS: i32 = 60_000;

fn producer(epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { id: 1000, epoch }
}

fn parts(indices: &[i32]) -> BTreeSet<NamedPartition> {
    indices.iter().map(|index| ("orders".into(), *index)).collect()
}

/// The log takes what a change comes to.
fn take(transaction: &mut Transaction, values: Values) {
    assert!(transaction.is_changing);
    transaction.apply(values);
}

fn init(transaction: &mut Transaction, held: Option<ProducerIdAndEpoch>) -> ProducerIdAndEpoch {
    match transaction.init(TIMEOUT_MS, held, Some(2000), 0).unwrap() {
        Init::Ready(values) => take(transaction, values),
        other => panic!("{other:?}"),
    }
    transaction.values.producer
}

/// Epoch 0, nothing open.
fn begun() -> Transaction {
    let mut transaction = Transaction::new(1000, TIMEOUT_MS, 0);
    assert_eq!(init(&mut transaction, None), producer(0));
    transaction
}

fn add(transaction: &mut Transaction, epoch: i16, indices: &[i32], wall_ms: i64) {
    let values = transaction.add(producer(epoch), parts(indices), wall_ms).unwrap().unwrap();
    take(transaction, values);
}

/// Epoch 0, with partition 0.
fn ongoing() -> Transaction {
    let mut transaction = begun();
    add(&mut transaction, 0, &[0], 5);
    transaction
}

fn end(transaction: &mut Transaction, commit: bool) {
    let values = transaction.end(producer(0), commit, 9).unwrap().unwrap();
    take(transaction, values);
}

fn complete(transaction: &mut Transaction) {
    let values = transaction.complete(10).unwrap();
    take(transaction, values);
}

#[test]
fn a_transaction_from_begin_to_commit() {
    let mut transaction = ongoing();
    assert_eq!(transaction.values.start_ms, 5);
    assert_eq!(transaction.add(producer(0), parts(&[0]), 6), Ok(None), "it is there already");
    add(&mut transaction, 0, &[1], 7);
    assert_eq!((transaction.values.start_ms, transaction.values.update_ms), (5, 7));
    end(&mut transaction, true);
    assert_eq!(transaction.values.state, TransactionState::PrepareCommit);
    assert_eq!(transaction.values.partitions, parts(&[0, 1]));
    complete(&mut transaction);
    assert_eq!(transaction.values.state, TransactionState::CompleteCommit);
    assert!(transaction.values.partitions.is_empty());
    assert_eq!(transaction.end(producer(0), true, 11), Ok(None), "a retry");
    let other = transaction.end(producer(0), false, 11);
    assert_eq!(other, Err(ErrorCode::InvalidTxnState));
    add(&mut transaction, 0, &[2], 12);
    assert_eq!(transaction.values.start_ms, 12, "the next one");
    assert_eq!(transaction.values.partitions, parts(&[2]));
}

#[test]
fn while_the_log_is_told_everybody_waits_who_would_change_something() {
    let mut transaction = ongoing();
    let values = transaction.end(producer(0), false, 9).unwrap().unwrap();
    let wait = ErrorCode::ConcurrentTransactions;
    assert_eq!(transaction.add(producer(0), parts(&[1]), 9), Err(wait));
    assert_eq!(transaction.end(producer(0), false, 9), Err(wait));
    assert_eq!(transaction.init(TIMEOUT_MS, None, None, 9), Err(wait));
    assert_eq!(transaction.verify(producer(0)), Ok(()), "its partitions are what they were");
    assert_eq!(transaction.verify(producer(1)), Err(ErrorCode::ProducerFenced));
    assert!(!transaction.is_late(i64::MAX) && !transaction.is_unused(i64::MAX));
    transaction.give_up();
    assert_eq!(transaction.values.state, TransactionState::Ongoing, "as it was");
    let again = transaction.end(producer(0), false, 9).unwrap().unwrap();
    assert_eq!(again, values);
}

/// So in Kafka: who asks for a leader is told what the log has, and its answer is checked once more before the append.
#[test]
fn leaders_that_ask_do_not_wait_for_what_the_log_is_told() {
    let mut transaction = ongoing();
    let ends = transaction.end(producer(0), true, 9).unwrap().unwrap();
    assert_eq!(transaction.verify(producer(0)), Ok(()), "it is open until the log has its end");
    take(&mut transaction, ends);
    assert_eq!(transaction.verify(producer(0)), Err(ErrorCode::ConcurrentTransactions));
    let completes = transaction.complete(10).unwrap();
    assert_eq!(transaction.verify(producer(0)), Err(ErrorCode::ConcurrentTransactions));
    take(&mut transaction, completes);
    assert_eq!(transaction.verify(producer(0)), Ok(()));
    assert_eq!(transaction.verify(producer(1)), Err(ErrorCode::ProducerFenced));
}

#[test]
fn while_markers_are_on_their_way_everybody_waits() {
    let mut transaction = ongoing();
    end(&mut transaction, true);
    let wait = ErrorCode::ConcurrentTransactions;
    assert_eq!(transaction.add(producer(0), parts(&[1]), 9), Err(wait));
    assert_eq!(transaction.end(producer(0), true, 9), Err(wait));
    assert_eq!(transaction.end(producer(0), false, 9), Err(ErrorCode::InvalidTxnState));
    assert_eq!(transaction.init(TIMEOUT_MS, None, None, 9), Err(wait));
    assert_eq!(transaction.init(TIMEOUT_MS, Some(producer(0)), None, 9), Err(wait));
    assert_eq!(transaction.verify(producer(0)), Err(wait));
}

#[test]
fn who_has_another_id_is_fenced_at_once_unless_the_log_is_being_told() {
    let mut transaction = ongoing();
    let stranger = Some(ProducerIdAndEpoch { id: 7, epoch: 0 });
    let values = transaction.end(producer(0), true, 9).unwrap().unwrap();
    let told = transaction.init(TIMEOUT_MS, stranger, None, 9);
    assert_eq!(told, Err(ErrorCode::ConcurrentTransactions));
    take(&mut transaction, values);
    let told = transaction.init(TIMEOUT_MS, stranger, None, 9);
    assert_eq!(told, Err(ErrorCode::ProducerFenced), "markers are on their way");
}

#[test]
fn nothing_ends_where_nothing_began() {
    let refused = begun().end(producer(0), true, 1);
    assert_eq!(refused, Err(ErrorCode::InvalidTxnState));
}

#[test]
fn others_are_turned_away_older_and_newer_ones() {
    let mut transaction = begun();
    assert_eq!(init(&mut transaction, None), producer(1));
    for (asks, told) in [
        (producer(0), ErrorCode::ProducerFenced),
        (producer(2), ErrorCode::ProducerFenced), // TXN-12
        (ProducerIdAndEpoch { id: 7, epoch: 1 }, ErrorCode::InvalidProducerIdMapping),
    ] {
        assert_eq!(transaction.add(asks, parts(&[0]), 1), Err(told));
        assert_eq!(transaction.end(asks, true, 1), Err(told));
        assert_eq!(transaction.verify(asks), Err(told));
    }
}

#[test]
fn a_new_session_aborts_what_is_open_first() {
    let mut transaction = ongoing();
    let Init::Fence(values) = transaction.init(TIMEOUT_MS, None, None, 6).unwrap() else {
        panic!("it is open")
    };
    assert_eq!((values.state, values.producer), (TransactionState::PrepareAbort, producer(1)));
    take(&mut transaction, values);
    assert_eq!(transaction.end(producer(0), true, 7), Err(ErrorCode::ProducerFenced));
    complete(&mut transaction);
    assert_eq!(init(&mut transaction, None), producer(2));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_in_the_next_epoch() {
    let mut transaction = ongoing();
    let due = 5 + i64::from(TIMEOUT_MS);
    assert!(!transaction.is_late(due));
    assert!(transaction.is_late(due + 1));
    let values = transaction.fence(due + 1);
    assert_eq!((values.state, values.producer), (TransactionState::PrepareAbort, producer(1)));
    take(&mut transaction, values);
    // TXN-10: its producer finds out
    assert_eq!(transaction.end(producer(0), true, due), Err(ErrorCode::ProducerFenced));
}

#[test]
fn a_producer_may_ask_for_its_next_epoch_and_ask_again() {
    let mut transaction = begun();
    assert_eq!(init(&mut transaction, Some(producer(0))), producer(1));
    assert_eq!(init(&mut transaction, Some(producer(0))), producer(1), "a retry");
    assert_eq!(init(&mut transaction, Some(producer(1))), producer(2));
    let zombie = transaction.init(TIMEOUT_MS, Some(producer(0)), None, 0);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));
    let stranger = ProducerIdAndEpoch { id: 7, epoch: 2 };
    let stranger = transaction.init(TIMEOUT_MS, Some(stranger), None, 0);
    assert_eq!(stranger, Err(ErrorCode::ProducerFenced));
}

#[test]
fn when_epochs_are_used_up_there_is_a_new_id() {
    let mut transaction = begun();
    transaction.values.producer.epoch = i16::MAX - 1;
    assert_eq!(transaction.init(TIMEOUT_MS, None, None, 0), Ok(Init::NeedsId));
    let zombie = transaction.init(TIMEOUT_MS, Some(producer(7)), None, 0);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));
    let held = producer(i16::MAX - 1);
    let new = ProducerIdAndEpoch { id: 2000, epoch: 0 };
    assert_eq!(init(&mut transaction, Some(held)), new);
    assert_eq!(init(&mut transaction, Some(held)), new, "a retry");
}

/// In Kafka the retry is an error of the server's (`prepareIncrementProducerEpoch`).
#[test]
fn the_retry_of_what_led_to_the_last_epoch_is_not_fenced() {
    let mut transaction = begun();
    transaction.values.producer.epoch = i16::MAX - 2;
    let (held, last) = (Some(producer(i16::MAX - 2)), producer(i16::MAX - 1));
    assert_eq!(init(&mut transaction, held), last);
    assert_eq!(init(&mut transaction, held), last, "a retry needs no new id");
    let zombie = transaction.init(TIMEOUT_MS, Some(producer(i16::MAX - 3)), Some(2000), 0);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));
    let new = ProducerIdAndEpoch { id: 2000, epoch: 0 };
    assert_eq!(init(&mut transaction, Some(last)), new);
}

/// As `TransactionMetadata.previousProducerId`: it is who had the id before the change.
#[test]
fn who_had_the_id_before_this_one_fences_nothing_once_there_is_another_epoch() {
    let mut transaction = begun();
    transaction.values.producer.epoch = i16::MAX - 1;
    let held = producer(i16::MAX - 1);
    let new = ProducerIdAndEpoch { id: 2000, epoch: 0 };
    assert_eq!(init(&mut transaction, Some(held)), new);
    let next = ProducerIdAndEpoch { epoch: 1, ..new };
    assert_eq!(init(&mut transaction, Some(new)), next);
    let values = transaction.add(next, parts(&[0]), 5).unwrap().unwrap();
    take(&mut transaction, values);
    let zombie = transaction.init(TIMEOUT_MS, Some(held), None, 6);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));
    assert_eq!(transaction.values.state, TransactionState::Ongoing);
}

#[test]
fn the_last_epoch_of_all_only_fences() {
    let mut transaction = ongoing();
    transaction.values.producer.epoch = i16::MAX - 1;
    let values = transaction.fence(9);
    assert_eq!(values.producer, producer(i16::MAX));
    take(&mut transaction, values);
    complete(&mut transaction);
    let new = ProducerIdAndEpoch { id: 2000, epoch: 0 };
    assert_eq!(init(&mut transaction, None), new);
}

#[test]
fn ids_are_unused_when_nothing_is_open() {
    let mut transaction = begun();
    assert!(transaction.is_unused(0) && !transaction.is_unused(-1));
    add(&mut transaction, 0, &[0], 5);
    assert!(!transaction.is_unused(i64::MAX));
    end(&mut transaction, false);
    assert!(!transaction.is_unused(i64::MAX));
    complete(&mut transaction);
    assert!(transaction.is_unused(10));
}
