//! Random histories of one transactional id against what must always hold: an end that was decided
//! is not changed, epochs only go up, and whoever was fenced stays so.

use crate::protocol::TransactionRules::EpochEach;
use crate::protocol::{ProducerIdAndEpoch, TransactionState};
use crate::txn::end_each::End;
use crate::txn::state::{Init, Transaction, Values};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Act {
    Init {
        held: Option<usize>,
    },
    Add {
        who: usize,
        index: i32,
    },
    End {
        who: usize,
        commit: bool,
    },
    /// The same where each transaction has an epoch.
    EndEach {
        who: usize,
        commit: bool,
    },
    Complete,
    TimeOut,
    /// The log does not take the last change.
    Fail,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        proptest::option::of(0..4_usize).prop_map(|held| Act::Init { held }),
        (0..4_usize, 0..3).prop_map(|(who, index)| Act::Add { who, index }),
        (0..4_usize, any::<bool>()).prop_map(|(who, commit)| Act::End { who, commit }),
        (0..4_usize, any::<bool>()).prop_map(|(who, commit)| Act::EndEach { who, commit }),
        Just(Act::Complete),
        Just(Act::TimeOut),
        Just(Act::Fail),
    ]
}

/// Producers that have had an answer, newest first.
struct History {
    transaction: Transaction,
    sessions: Vec<ProducerIdAndEpoch>,
    next_id: i64,
    fails_next: bool,
}

impl History {
    fn who(&self, index: usize) -> ProducerIdAndEpoch {
        let newest = self.sessions.iter().rev().nth(index);
        newest.copied().unwrap_or(ProducerIdAndEpoch { id: 1, epoch: 99 })
    }

    fn take(&mut self, values: Values) -> bool {
        if std::mem::take(&mut self.fails_next) {
            self.transaction.give_up();
            return false;
        }
        let before = self.transaction.values.clone();
        check(&before, &values);
        self.transaction.apply(values);
        true
    }

    fn act(&mut self, act: &Act, wall_ms: i64) {
        match act {
            Act::Init { held } => {
                let held = held.map(|index| self.who(index));
                self.next_id += 1;
                let id = Some(self.next_id);
                match self.transaction.init(1000, held, id, wall_ms) {
                    Ok(Init::Ready(values)) => {
                        let producer = values.producer;
                        if self.take(values) {
                            self.sessions.push(producer);
                        }
                    }
                    Ok(Init::Fence(values)) => {
                        self.take(values);
                    }
                    Ok(Init::NeedsId) => panic!("there was one"),
                    Err(_) => {}
                }
            }
            Act::Add { who, index } => {
                let partitions = BTreeSet::from([("orders".into(), *index)]);
                let added = self.transaction.add(self.who(*who), partitions, wall_ms);
                if let Ok(Some(values)) = added {
                    self.take(values);
                }
            }
            Act::End { who, commit } => {
                let who = self.who(*who);
                if let Ok(Some(values)) = self.transaction.end(who, *commit, wall_ms) {
                    assert_eq!(who, self.transaction.values.producer, "a fenced producer ends it");
                    self.take(values);
                }
            }
            Act::EndEach { who, commit } => self.end_each(self.who(*who), *commit, wall_ms),
            Act::Complete => {
                if !self.transaction.is_changing
                    && let Some(values) = self.transaction.complete(wall_ms)
                {
                    self.take(values);
                }
            }
            Act::TimeOut => {
                if self.transaction.is_late(i64::MAX) {
                    let values = self.transaction.fence(wall_ms);
                    self.take(values);
                }
            }
            Act::Fail => self.fails_next = true,
        }
    }

    fn end_each(&mut self, who: ProducerIdAndEpoch, commit: bool, wall_ms: i64) {
        self.next_id += 1;
        match self.transaction.end_each(who, commit, Some(self.next_id), wall_ms) {
            Ok(End::Decided(values)) => {
                assert_eq!(who, self.transaction.values.producer, "a fenced producer ends it");
                let next = values.next_producer();
                if self.take(values) {
                    self.sessions.push(next);
                }
            }
            Ok(End::Already(next)) => {
                assert_eq!(next, self.transaction.values.producer, "somebody else's epoch");
                assert!(who.id != next.id || who.epoch + 1 == next.epoch, "fenced long since");
            }
            Ok(End::NeedsId) => panic!("there was one"),
            Err(_) => {}
        }
    }
}

fn check(before: &Values, after: &Values) {
    use TransactionState as S;
    let same_id = before.producer.id == after.producer.id;
    assert!(!same_id || before.producer.epoch <= after.producer.epoch, "an epoch went back");
    match before.state {
        S::PrepareCommit => assert_eq!(after.state, S::CompleteCommit),
        S::PrepareAbort => assert_eq!(after.state, S::CompleteAbort),
        S::Ongoing => {
            assert!(after.partitions.is_superset(&before.partitions), "a partition was lost");
            assert!(matches!(after.state, S::Ongoing | S::PrepareCommit | S::PrepareAbort));
        }
        S::Empty | S::CompleteCommit | S::CompleteAbort => {
            // an abort of nothing begins an epoch
            let is_nothing = after.rules == EpochEach && after.partitions.is_empty();
            let next = matches!(after.state, S::Empty | S::Ongoing);
            assert!(next || after.state == S::PrepareAbort && is_nothing, "{after:?}");
        }
    }
    let is_other = before.producer != after.producer;
    match after.state {
        S::Empty | S::PrepareAbort => {}
        S::PrepareCommit => assert_eq!(is_other, after.rules == EpochEach, "fenced, and then this"),
        S::Ongoing => assert!(!is_other, "fenced, and then this"),
        S::CompleteCommit | S::CompleteAbort => {
            assert_eq!(after.producer, before.next_producer(), "what was told is what comes");
        }
    }
}

proptest! {
    #[test]
    fn what_is_decided_stays_and_epochs_go_up(
        acts in proptest::collection::vec(act(), 1..60),
        epoch in prop_oneof![Just(-1_i16), Just(i16::MAX - 4)],
    ) {
        let mut transaction = Transaction::new(1000, 1000, 0);
        transaction.values.producer.epoch = epoch;
        let mut history =
            History { transaction, sessions: Vec::new(), next_id: 5000, fails_next: false };
        for (wall_ms, act) in (1..).zip(&acts) {
            history.act(act, wall_ms);
            prop_assert!(!history.transaction.is_changing);
        }
    }
}
