//! Transactions: what follows what, and what errors do to them.

use super::batch::ProducerId;
use super::machine::{Producer, ProducerSetup};
use super::tests_batching::{acked, config};
use super::transactions::TransactionsSetup;
use crate::client::config::ClientCosts;
use crate::client::io::{ClientInput, Outcome, TransactionStep};
use crate::client::mock::{Listed, MS, Mock};
use crate::rng::Streams;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_scenarios::plan::{ClientProfile, TransactionsPlan};

/// A producer of 1,000 records in a second, in transactions of 50 ms.
fn mock(aborted_permille: u32) -> Mock<Producer> {
    with_rules(aborted_permille, false)
}

fn with_rules(aborted_permille: u32, epoch_each: bool) -> Mock<Producer> {
    Mock::new(Producer::new(setup(aborted_permille, epoch_each)), 2, 3)
}

fn setup(aborted_permille: u32, epoch_each: bool) -> ProducerSetup {
    let (records, length_ns, positions) = (10_000, 50 * MS, epoch_each);
    ProducerSetup {
        config: config(ClientProfile::Java, &[]),
        costs: ClientCosts::default(),
        bootstrap: vec![NodeId(1)],
        topic: Arc::from("t"),
        arrivals: Listed::even(100 * MS, MS, 1_000, 100),
        draws: Streams::new(5).stream("client", "draws"),
        first_tag: 5 << 40,
        transactions: Some(TransactionsSetup {
            id: Arc::from("id"),
            plan: TransactionsPlan {
                records,
                length_ns,
                aborted_permille,
                epoch_each,
                positions,
                former_members: false,
                restart_timeout_ms: None,
            },
            timeout_ms: 60_000,
            draws: Streams::new(5).stream("client", "transactions"),
            first_number: 0,
            member: None,
        }),
    }
}

#[test]
fn with_an_epoch_each_the_first_sequence_is_the_only_one_to_begin_with() {
    let first = |epoch_each| {
        let mut setup = setup(0, epoch_each);
        setup.config.first_sequence = 7;
        Producer::new(setup).idempotence.first_of(ProducerId { id: 1, epoch: 0 })
    };
    assert_eq!((first(false), first(true)), (7, 0));
}

fn steps(mock: &Mock<Producer>) -> Vec<TransactionStep> {
    let step = |outcome: &Outcome| match outcome {
        Outcome::Transaction(step) => Some(*step),
        _ => None,
    };
    mock.outcomes.iter().filter_map(step).collect()
}

fn ends(mock: &Mock<Producer>) -> Vec<bool> {
    let end = |step: TransactionStep| match step {
        TransactionStep::Ended { committed, .. } => Some(committed),
        _ => None,
    };
    steps(mock).into_iter().filter_map(end).collect()
}

/// How many transactions the producer has asked to be committed.
fn commits_sent(mock: &Mock<Producer>) -> usize {
    let is_sent = |step: &TransactionStep| matches!(step, TransactionStep::CommitSent { .. });
    steps(mock).iter().filter(|step| is_sent(step)).count()
}

/// Runs until the producer asks for one more transaction to be committed.
fn run_to_commit(mock: &mut Mock<Producer>) {
    let before = commits_sent(mock);
    while commits_sent(mock) == before {
        mock.run_until(mock.now_ns + MS / 10);
    }
}

/// Runs to the end of the load and beyond.
fn drain(mock: &mut Mock<Producer>) {
    mock.run_until(5_000 * MS);
    mock.input(ClientInput::StopLoad);
    mock.run_until(20_000 * MS);
    assert!(mock.client.is_drained(), "{:?}", mock.client.transaction_waits());
}

/// Transactions do not overlap, and write between their begin and their end.
fn check_order(steps: &[TransactionStep]) {
    let (mut open, mut last) = (None, 0);
    for step in steps {
        match *step {
            TransactionStep::Began { number, .. } => {
                assert_eq!((open, number > last), (None, true));
                (open, last) = (Some(number), number);
            }
            TransactionStep::Wrote { number, .. }
            | TransactionStep::Positioned { number }
            | TransactionStep::CommitSent { number } => {
                assert_eq!(open, Some(number));
            }
            TransactionStep::Ended { number, .. } | TransactionStep::Abandoned { number } => {
                assert_eq!(open.take(), Some(number));
            }
        }
    }
    assert_eq!(open, None);
}

#[test]
fn everything_goes_in_transactions_one_after_the_other() {
    let mut mock = mock(0);
    drain(&mut mock);
    check_order(&steps(&mock));
    let ends = ends(&mock);
    assert!((15..=25).contains(&ends.len()) && ends.iter().all(|committed| *committed), "{ends:?}");
    let records: usize = acked(&mock.outcomes).iter().map(|batch| batch.records.len()).sum();
    assert_eq!((records, mock.sessions_begun), (1_000, 1));
    let batches = mock.logs.iter().flat_map(|log| &log.batches);
    assert!(batches.into_iter().all(|batch| batch.header.is_transactional()));
}

#[test]
fn the_application_aborts_some() {
    let mut mock = mock(400);
    drain(&mut mock);
    check_order(&steps(&mock));
    let aborted = ends(&mock).iter().filter(|committed| !**committed).count();
    assert!((3..=15).contains(&aborted), "{aborted}");
    assert_eq!(mock.sessions_begun, 1, "an abort alone needs no new epoch");
}

#[test]
fn a_failed_batch_spoils_its_transaction_and_begins_an_epoch() {
    let mut mock = mock(0);
    mock.run_until(400 * MS);
    mock.produce_errors.push_back(ErrorCode::InvalidTxnState);
    drain(&mut mock);
    check_order(&steps(&mock));
    let aborted = ends(&mock).iter().filter(|committed| !**committed).count();
    assert_eq!((aborted, mock.sessions_begun), (1, 2));
    assert!(mock.marks.contains(&"producer: epoch bumped after an abort"));
}

#[test]
fn a_fenced_producer_begins_anew() {
    let mut mock = mock(0);
    mock.run_until(400 * MS);
    mock.transaction_errors.push_back(ErrorCode::ProducerFenced);
    drain(&mut mock);
    let steps = steps(&mock);
    check_order(&steps);
    let abandoned = steps.iter().filter(|s| matches!(s, TransactionStep::Abandoned { .. }));
    assert_eq!((abandoned.count(), mock.sessions_begun), (1, 2));
}

#[test]
fn what_may_pass_is_tried_again() {
    let mut mock = mock(0);
    mock.run_until(400 * MS);
    for error in [
        ErrorCode::ConcurrentTransactions,
        ErrorCode::NotCoordinator,
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::CoordinatorNotAvailable,
    ] {
        mock.transaction_errors.push_back(error);
    }
    drain(&mut mock);
    check_order(&steps(&mock));
    assert!(ends(&mock).iter().all(|committed| *committed));
    assert_eq!((acked(&mock.outcomes).len() > 20, mock.sessions_begun), (true, 1));
}

#[test]
fn an_end_without_an_answer_endangers_what_follows_in_its_epoch() {
    let mut mock = mock(0);
    mock.run_until(400 * MS);
    run_to_commit(&mut mock);
    mock.disconnect(1);
    drain(&mut mock);
    let steps = steps(&mock);
    check_order(&steps);
    let began = |step: &&TransactionStep| matches!(step, TransactionStep::Began { .. });
    let endangered =
        |step: &&TransactionStep| matches!(step, TransactionStep::Began { endangered: true, .. });
    let (all, after) =
        (steps.iter().filter(began).count(), steps.iter().filter(endangered).count());
    assert!(after > 0 && after < all, "{after} of {all}");
    assert!(ends(&mock).iter().all(|committed| *committed));
}

/// Its host was lost between two requests: the producer waited for it to come back, for as long as that took.
#[test]
fn a_coordinator_without_a_connection_is_looked_for() {
    let mut mock = mock(0);
    mock.run_until(400 * MS);
    let asks_nothing = "waits for nothing from Known(NodeId(1))";
    while !mock.client.transaction_waits().is_some_and(|waits| waits.ends_with(asks_nothing)) {
        mock.run_until(mock.now_ns + MS / 10);
    }
    mock.down.insert(NodeId(1));
    mock.coordinator = 2;
    (0..mock.logs.len()).for_each(|partition| mock.elect(partition, 2));
    mock.disconnect(1);
    drain(&mut mock);
    check_order(&steps(&mock));
    assert!(ends(&mock).iter().all(|committed| *committed));
    assert_eq!(mock.sessions_begun, 1);
    let records: usize = acked(&mock.outcomes).iter().map(|batch| batch.records.len()).sum();
    assert_eq!(records, 1_000);
}

#[test]
fn each_transaction_has_an_epoch_where_brokers_give_one() {
    let mut mock = with_rules(300, true);
    mock.run_until(400 * MS);
    mock.produce_errors.push_back(ErrorCode::InvalidTxnState);
    drain(&mut mock);
    check_order(&steps(&mock));
    let ends = ends(&mock).len();
    assert!(ends > 10, "{ends}");
    assert_eq!(mock.sessions_begun, 1, "the end of each transaction brings the next epoch");
    let headers: Vec<_> = mock.logs.iter().flat_map(|log| &log.batches).map(|b| b.header).collect();
    let epochs: BTreeSet<i16> = headers.iter().map(|header| header.producer_epoch).collect();
    assert!(epochs.len() > 10, "{epochs:?}");
    let begin = |epoch: &i16| {
        let of_epoch = headers.iter().filter(|header| header.producer_epoch == *epoch);
        of_epoch.map(|header| header.base_sequence).min() == Some(0)
    };
    assert!(epochs.iter().all(begin), "sequences begin anew with each epoch");
}

/// They had no outcome when the run ended, and their wait was the longest response latency.
#[test]
fn what_the_last_commit_holds_back_goes_in_a_transaction_of_its_own() {
    let mut mock = mock(0);
    mock.latency_ns = 5 * MS;
    mock.run_until(400 * MS);
    run_to_commit(&mut mock);
    mock.run_until(mock.now_ns + 5 * MS);
    let is_held_back = mock.client.transactions.as_ref().is_some_and(|txn| txn.holds_back());
    assert!(is_held_back, "the answer takes longer");
    let (stopped_ns, ended) = (mock.now_ns, ends(&mock).len());
    mock.input(ClientInput::StopLoad);
    assert!(!mock.client.is_drained());
    mock.run_until(20_000 * MS);
    assert!(mock.client.is_drained(), "{:?}", mock.client.transaction_waits());
    check_order(&steps(&mock));
    assert_eq!(ends(&mock)[ended..], [true, true], "the one that was ending, and the last one");
    let offered = (stopped_ns - 100 * MS) / MS + 1;
    let records: usize = acked(&mock.outcomes).iter().map(|batch| batch.records.len()).sum();
    assert_eq!(records as u64, offered);
    let mut unfinished = 0;
    mock.client.unfinished(mock.now_ns, &mut |held| unfinished += held.times_ns.len());
    assert_eq!(unfinished, 0);
}

/// Those in transactions went on through the drain, with all that they had not got rid of before.
#[test]
fn what_a_full_buffer_holds_back_is_no_load_of_the_drain() {
    for in_transactions in [false, true] {
        let mut setup = setup(0, false);
        setup.config = config(ClientProfile::Java, &[("buffer.memory", "65536")]);
        setup.arrivals = Listed::even(100 * MS, MS / 10, 40_000, 1_024);
        setup.transactions = setup.transactions.filter(|_| in_transactions);
        let mut mock = Mock::new(Producer::new(setup), 2, 3);
        mock.latency_ns = 20 * MS;
        mock.run_until(1_000 * MS);
        assert!(mock.client.intake.is_blocked(), "four batches fit");
        mock.input(ClientInput::StopLoad);
        mock.run_until(60_000 * MS);
        assert!(mock.client.is_drained(), "{:?}", mock.client.transaction_waits());
        let mut unfinished = 0;
        mock.client.unfinished(mock.now_ns, &mut |held| unfinished += held.times_ns.len());
        let acked = acked(&mock.outcomes);
        let sent: usize = acked.iter().map(|batch| batch.records.len()).sum();
        assert!(unfinished > 5_000, "{unfinished}");
        assert_eq!(sent + unfinished, 9_001, "all that was offered until the load stopped");
    }
}
