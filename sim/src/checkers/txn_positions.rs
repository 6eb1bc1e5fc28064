//! Positions that are committed within transactions are all or nothing, too: a group's coordinator answers
//! with the position of a transaction that was committed, and of none before the last of those.
//!
//! Positions of a load's transactions go up, each producer has a group of its own
//! (`TransactionStep::group_of`).

use super::history::{History, seconds};
use super::ledger::{Check, Ledger};
use crate::client::TransactionStep;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::PositionKey;

/// In a healed cluster a transaction that ended this long ago has its markers, ns.
const MARKERS_NS: u64 = 6_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody has asked to commit.
    Open,
    /// It may be committed.
    Asked,
    Committed,
    Aborted,
}

#[derive(Debug)]
struct One {
    position: Offset,
    end: End,
    ended_ns: u64,
}

/// A producer whose transactions have positions, in their order.
#[derive(Debug, Default)]
struct Producer {
    ones: Vec<One>,
    /// An end that comes late may end another transaction (KAFKA-17754).
    is_in_doubt: bool,
}

/// What producers have made of positions, by group.
#[derive(Debug, Default)]
pub(super) struct Positions {
    producers: BTreeMap<Arc<str>, Producer>,
    /// Groups that lose positions on request.
    emptied: BTreeSet<String>,
    /// Groups that get positions from elsewhere, too: which, their logs must tell.
    shared: BTreeSet<String>,
}

impl Positions {
    /// None yet; some groups may lose theirs, and some get others.
    pub(super) fn new(emptied: BTreeSet<String>, shared: BTreeSet<String>) -> Self {
        Self { emptied, shared, ..Self::default() }
    }

    /// Whether groups get positions from transactions and from elsewhere.
    pub(super) fn has_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    /// A producer got further.
    pub(super) fn step(&mut self, now_ns: u64, step: TransactionStep) {
        let (number, end) = match step {
            TransactionStep::Positioned { number } => (number, End::Open),
            TransactionStep::CommitSent { number } => (number, End::Asked),
            TransactionStep::Ended { number, committed: true } => (number, End::Committed),
            TransactionStep::Ended { number, committed: false } => (number, End::Aborted),
            TransactionStep::Began { number, endangered } if endangered => {
                let group = TransactionStep::group_of(number);
                self.producers.entry(group).or_default().is_in_doubt = true;
                return;
            }
            _ => return,
        };
        let (group, position) =
            (TransactionStep::group_of(number), TransactionStep::position_of(number));
        if end == End::Open {
            let one = One { position, end, ended_ns: now_ns };
            self.producers.entry(group).or_default().ones.push(one);
        } else if let Some(producer) = self.producers.get_mut(&group)
            && let Some(one) = producer.ones.last_mut().filter(|one| one.position == position)
        {
            (one.end, one.ended_ns) = (end, now_ns);
        }
    }

    /// Compares what groups' coordinators know. `is_healed`: every fault has been over for a while.
    pub(super) fn look(
        &self,
        ledger: &mut Ledger,
        known: &BTreeMap<PositionKey, Offset>,
        is_healed: bool,
    ) {
        let own = self.producers.iter().filter(|(group, _)| !self.shared.contains(&***group));
        for (group, producer) in own.filter(|(_, of)| !of.is_in_doubt) {
            let from = (Arc::clone(group), Arc::from(""), i32::MIN);
            let found = known.range(from..).next().filter(|((of, ..), _)| of == group);
            let found = found.map(|(_, position)| *position);
            let least = producer.least(ledger.now_ns, is_healed);
            let least = least.filter(|_| !self.emptied.contains(&**group));
            let holds = match found {
                None => least.is_none(),
                Some(position) => producer.may_be(position) && Some(position) >= least,
            };
            ledger.checked(Check::Transactions, 1);
            if !holds {
                ledger.broken(Check::Transactions, ("", &History::default()), &|| {
                    let last = producer.ones.iter().rev().take(4);
                    let last = last.map(|one| (one.position, one.end, seconds(one.ended_ns)));
                    format!(
                        "the coordinator of {group} knows position {found:?}; those of transactions \
                         that were committed go up to {least:?} at least; the last ones: {:?}",
                        last.collect::<Vec<_>>()
                    )
                });
            }
        }
    }
}

impl Producer {
    /// The position of the last transaction that is known to be over and committed: another one was
    /// committed after it, or its markers have had their time.
    fn least(&self, now_ns: u64, is_healed: bool) -> Option<Offset> {
        let mut committed = self.ones.iter().rev().filter(|one| one.end == End::Committed);
        let last = committed.next()?;
        if is_healed && last.ended_ns + MARKERS_NS < now_ns {
            return Some(last.position);
        }
        committed.next().map(|one| one.position)
    }

    /// Whether a transaction with this position may have been committed.
    fn may_be(&self, position: Offset) -> bool {
        let found = self.ones.binary_search_by_key(&position, |one| one.position);
        found.is_ok_and(|at| matches!(self.ones[at].end, End::Asked | End::Committed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransactionStep::{CommitSent, Ended, Positioned};

    /// Rules that are broken where the coordinator knows this, after two commits, an abort, and a commit
    /// without an answer.
    fn broken(known: Option<Offset>, is_healed: bool) -> usize {
        broken_of(known, is_healed, BTreeSet::new())
    }

    /// The same, of groups that lose positions.
    fn broken_of(known: Option<Offset>, is_healed: bool, emptied: BTreeSet<String>) -> usize {
        let mut positions = Positions::new(emptied, BTreeSet::new());
        for number in [1, 2, 3, 4] {
            positions.step(number, Positioned { number });
            if number != 3 {
                positions.step(number, CommitSent { number });
            }
            if number != 4 {
                positions.step(number, Ended { number, committed: number != 3 });
            }
        }
        let key = (TransactionStep::group_of(1), Arc::from("t"), 0);
        let known = known.map(|position| (key, position)).into_iter().collect();
        let mut ledger = Ledger::default();
        ledger.now_ns = 10_000_000_000;
        positions.look(&mut ledger, &known, is_healed);
        ledger.finish().1.len()
    }

    #[test]
    fn a_coordinator_knows_the_last_position_that_was_committed() {
        for position in [2, 4] {
            assert_eq!(broken(Some(position), true), 0, "{position}");
        }
        assert_eq!(broken(Some(1), false), 0, "the markers of the last one may be on their way");
        assert_eq!(broken(Some(1), true), 1, "it is lost");
        assert_eq!(broken(None, false), 1, "so is what was committed before it");
        assert_eq!(broken(Some(3), false), 1, "it was aborted");
        assert_eq!(broken(Some(9), false), 1, "nobody has had that position");
        let emptied = || BTreeSet::from([TransactionStep::group_of(1).to_string()]);
        assert_eq!(broken_of(None, true, emptied()), 0, "it was deleted");
        assert_eq!(broken_of(Some(3), true, emptied()), 1, "it was aborted");
    }
}
