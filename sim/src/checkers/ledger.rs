//! What was checked and what was found, per promise.

use super::history::{Faults, History};
use super::{
    acked_loss, commits, compaction, completeness, consumed, copies, duplicates, high_watermark,
    isr_rules, log_matching, messages, one_leader, one_value, order, ownership, state, tiering,
    timeouts, transactions,
};
use std::fmt::Write as _;
use stormglass_reports::recording::{CheckerSummary, Excuse, Violation};

/// Accounts kept per checker, of excused violations and of the others; more are only counted.
const ACCOUNTS_MAX: usize = 5;

/// A checker's name and its promise in a sentence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// The checkers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    AckedLoss,
    OneValue,
    LogMatching,
    OneLeader,
    HighWatermark,
    Completeness,
    Duplicates,
    Order,
    Consumed,
    IsrRules,
    Commits,
    Replicas,
    Logs,
    Metadata,
    Quorum,
    Compaction,
    Waits,
    Messages,
    Timeouts,
    Transactions,
    Ownership,
    Tiering,
    Copies,
}

/// Checkers that are listed only where there is something for them to check.
const RARE: [Check; 4] = [Check::Transactions, Check::Ownership, Check::Tiering, Check::Copies];

const PROMISES: [Promise; 23] = [
    acked_loss::PROMISE,
    one_value::PROMISE,
    log_matching::PROMISE,
    one_leader::PROMISE,
    high_watermark::PROMISE,
    completeness::PROMISE,
    duplicates::PROMISE,
    order::PROMISE,
    consumed::PROMISE,
    isr_rules::PROMISE,
    commits::PROMISE,
    state::REPLICAS,
    state::LOGS,
    state::METADATA,
    state::QUORUM,
    compaction::PROMISE,
    state::WAITS,
    messages::PROMISE,
    timeouts::PROMISE,
    transactions::PROMISE,
    ownership::PROMISE,
    tiering::PROMISE,
    copies::PROMISE,
];

/// Names of the checkers, in order.
#[cfg(test)]
pub(crate) const NAMES: [&str; PROMISES.len()] = {
    let mut names = [""; PROMISES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = PROMISES[at].name;
        at += 1;
    }
    names
};

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    checked: u64,
    violations: u64,
    /// Of excused violations, and of the others.
    accounts: [usize; 2],
}

/// What is to be said of a violation beside its account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct More<'a> {
    /// For how many violations it stands.
    pub(crate) times: u64,
    /// When it happened.
    pub(crate) at_ns: u64,
    /// Faults that Kafka itself does not promise to survive all together, if they did it.
    pub(crate) excused_by: &'a [Excuse],
}

/// Tallies and accounts of all checkers.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Time of the event that is looked at, ns.
    pub(crate) now_ns: u64,
    /// When the run began, on the clock that is the wall clocks', ns.
    pub(crate) origin_ns: u64,
    tallies: [Tally; PROMISES.len()],
    violations: Vec<Violation>,
    pub(crate) faults: Faults,
}

impl Ledger {
    /// What right wall clocks show at a time of the run, ms since 1970.
    pub(crate) fn wall_ms(&self, at_ns: u64) -> i64 {
        crate::world::wall_ms(self.origin_ns + at_ns)
    }

    /// Facts were looked at.
    pub(crate) fn checked(&mut self, check: Check, facts: u64) {
        self.tallies[check as usize].checked += facts;
    }

    /// A promise was broken. `seen` says how, in whole lines.
    pub(crate) fn broken(
        &mut self,
        check: Check,
        (partition, history): (&str, &History),
        seen: &dyn Fn() -> String,
    ) {
        let more = More { times: 1, at_ns: self.now_ns, excused_by: &[] };
        self.broken_more(check, more, (partition, history), seen);
    }

    /// As [`Ledger::broken`], for what is more than one violation, or happened earlier.
    pub(crate) fn broken_more(
        &mut self,
        check: Check,
        more: More<'_>,
        (partition, history): (&str, &History),
        seen: &dyn Fn() -> String,
    ) {
        let tally = &mut self.tallies[check as usize];
        tally.violations += more.times;
        let accounts = &mut tally.accounts[usize::from(more.excused_by.is_empty())];
        if *accounts == ACCOUNTS_MAX {
            return;
        }
        *accounts += 1;
        let promise = PROMISES[check as usize];
        let mut account = format!("promised: {}\nseen: {}\n", promise.text, seen());
        if !history.is_empty() {
            let of = if partition.is_empty() { "the quorum" } else { partition };
            let _ = writeln!(account, "history of {of}:");
            history.write(&self.faults, &mut account);
        }
        self.violations.push(Violation {
            checker: promise.name.to_owned(),
            at_ns: more.at_ns,
            partition: (!partition.is_empty()).then(|| partition.to_owned()),
            account,
            excused_by: more.excused_by.to_vec(),
        });
    }

    /// Summaries in a fixed order, and violations in order of detection.
    pub(crate) fn finish(self) -> (Vec<CheckerSummary>, Vec<Violation>) {
        let idle = |at: usize| RARE.iter().any(|rare| *rare as usize == at);
        let listed = self.tallies.iter().zip(PROMISES).enumerate();
        let listed = listed.filter(|(at, (tally, _))| tally.checked > 0 || !idle(*at));
        let summaries = listed.map(|(_, (tally, promise))| CheckerSummary {
            name: promise.name.to_owned(),
            promise: promise.text.to_owned(),
            checked: tally.checked,
            violations: tally.violations,
        });
        (summaries.collect(), self.violations)
    }
}
