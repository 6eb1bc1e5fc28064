//! Transactions are all or nothing, to everybody who reads committed records.
//!
//! What producers decided is compared with what readers got, and at the end with the markers in the
//! leaders' logs. Positions that are committed within transactions are in `txn_positions`.

use super::configured::{emptied_groups, given_positions};
use super::final_state::{FinalPartition, FinalState};
use super::history::History;
use super::history::seconds;
use super::late_markers::Written;
use super::ledger::{Check, Ledger, More, Promise};
use super::table::Entry;
use super::txn_positions::Positions;
use crate::client::{ConsumerConfig, TransactionStep};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::IsolationLevel;
use stormglass_broker_core::records::{Batch, EndTxnMarker};
use stormglass_reports::recording::Excuse;
use stormglass_scenarios::plan::Plan;

pub(crate) const PROMISE: Promise = Promise {
    name: "transactions",
    text: "a reader of committed records gets all batches of a transaction that was committed and \
           none of one that was not, in every partition; every transaction ends, with a marker in \
           each of its partitions; coordinators know the positions of committed transactions, and \
           no others",
};

/// A transaction that its producer ended this long before the end of a run must have its markers, ns.
const MARKERS_NS: u64 = 6_000_000_000;
/// `transaction.timeout.ms` of applications, unless the load has one; Kafka's default.
const APPLICATION_TIMEOUT_MS: u64 = 60_000;
/// Batches of a transaction that an account names.
const BATCHES_SHOWN: usize = 6;

/// What the producer knows of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// It has not asked to commit.
    Open,
    /// It has asked to commit, and heard nothing.
    CommitSent,
    Committed,
    Aborted,
}

/// What the log says of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Marker {
    None,
    Commit,
    Abort,
}

#[derive(Debug)]
struct Transaction {
    number: u64,
    began_ns: u64,
    /// When the producer last did something about it, ns.
    touched_ns: u64,
    decision: Decision,
    endangered: bool,
    batches: Vec<(TopicPartition, u64)>,
    /// A reader has got a batch of it.
    shown: bool,
    /// A reader was told that it is aborted.
    hidden: bool,
}

/// All transactions of a run. Present where some producer has any.
#[derive(Debug)]
pub(crate) struct Transactions {
    list: Vec<Transaction>,
    by_number: BTreeMap<u64, usize>,
    by_tag: BTreeMap<u64, usize>,
    /// Whether each consumer group reads committed records only.
    read_committed: Vec<bool>,
    /// How long a transaction may stay open behind its producer's back, ns.
    timeout_ns: u64,
    /// Partitions that have been where Kafka promises nothing.
    void: BTreeSet<String>,
    /// Compacted partitions of which a replica was away for a while, with the time after which a marker
    /// may be gone, ns. Whoever comes back later has a transaction's records, and never gets their
    /// marker: the next one of the producer ends them, in Kafka as here (hunt seed 400047).
    forgetful: BTreeMap<String, u64>,
    /// So has a partition of the coordinators: nothing is promised of any transaction.
    pub(super) is_void: bool,
    pub(super) positions: Positions,
    pub(super) written: Written,
}

impl Transactions {
    /// For a plan with transactions.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let transactional =
            plan.producers.iter().filter(|producer| producer.transactions.is_some());
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
        let timeouts = transactional.map(|producer| {
            let own_ms = number(producer.config.get("transaction.timeout.ms")).unwrap_or(60_000);
            let later_ms = producer.transactions.and_then(|of| of.restart_timeout_ms).unwrap_or(0);
            own_ms.max(u64::try_from(later_ms).unwrap_or(0))
        });
        Some(Self::ending_after(plan, timeouts.max()?))
    }

    /// For a plan without transactions of its own, whose applications may have some.
    pub(crate) fn expected(plan: &Plan) -> Self {
        Self::ending_after(plan, APPLICATION_TIMEOUT_MS)
    }

    fn ending_after(plan: &Plan, timeout_ms: u64) -> Self {
        let check = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
        let check_ms = plan.cluster.config_ms(check, 10_000);
        let isolation = |group| ConsumerConfig::parse(group).map(|config| config.isolation);
        let is_committed = |group| isolation(group) == Ok(IsolationLevel::ReadCommitted);
        Self {
            list: Vec::new(),
            by_number: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            read_committed: plan.consumers.iter().map(is_committed).collect(),
            timeout_ns: (timeout_ms + check_ms) * 1_000_000,
            void: BTreeSet::new(),
            forgetful: BTreeMap::new(),
            is_void: false,
            positions: Positions::new(emptied_groups(plan), given_positions(plan)),
            written: Written::default(),
        }
    }

    /// Nothing is promised of a partition's records.
    pub(crate) fn gave_up(&mut self, label: &str) {
        if !self.void.contains(label) {
            self.void.insert(label.to_owned());
        }
    }

    /// A replica of a compacted partition was away; markers may go after so long, ns.
    pub(crate) fn left_behind(&mut self, label: &str, after_ns: u64) {
        if !self.forgetful.contains_key(label) {
            self.forgetful.insert(label.to_owned(), after_ns);
        }
    }

    /// Whether a transaction may never end in a partition, as records that Kafka does not promise to
    /// keep are gone: those of its coordinator, or of the partition.
    pub(crate) fn may_hang(&self, label: &str, now_ns: u64) -> bool {
        let forgets = self.forgetful.get(label).is_some_and(|after_ns| *after_ns <= now_ns);
        self.is_void || self.void.contains(label) || forgets
    }

    /// Whether the marker of a transaction may be gone from some replica of a partition.
    fn has_lost_marker(&self, label: &str, transaction: &Transaction, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(transaction.touched_ns);
        self.forgetful.get(label).is_some_and(|after_ns| *after_ns <= since_ns)
    }

    /// A producer got further.
    pub(crate) fn step(&mut self, now_ns: u64, step: TransactionStep) {
        self.positions.step(now_ns, step);
        let (number, decision) = match step {
            TransactionStep::Began { number, endangered } => {
                self.by_number.insert(number, self.list.len());
                self.list.push(Transaction {
                    number,
                    began_ns: now_ns,
                    touched_ns: now_ns,
                    decision: Decision::Open,
                    endangered,
                    batches: Vec::new(),
                    shown: false,
                    hidden: false,
                });
                return;
            }
            TransactionStep::Wrote { number, tp, tag } => {
                if let Some(&at) = self.by_number.get(&number) {
                    self.by_tag.insert(tag, at);
                    self.list[at].batches.push((tp, tag));
                    self.list[at].touched_ns = now_ns;
                }
                return;
            }
            TransactionStep::Positioned { .. } => return,
            TransactionStep::CommitSent { number } => (number, Decision::CommitSent),
            TransactionStep::Ended { number, committed: true } => (number, Decision::Committed),
            TransactionStep::Ended { number, committed: false } => (number, Decision::Aborted),
            // nothing is learned of how it ended
            TransactionStep::Abandoned { .. } => return,
        };
        if let Some(&at) = self.by_number.get(&number) {
            (self.list[at].decision, self.list[at].touched_ns) = (decision, now_ns);
        }
    }

    fn read(&self, now_ns: u64, (group, label): (usize, &str), batch: &Batch) -> Option<usize> {
        let reads = self.read_committed.get(group).copied().unwrap_or(false);
        let sure = !self.is_void && !self.void.contains(label);
        if !reads || !sure || !batch.header.is_transactional() || batch.header.is_control() {
            return None;
        }
        let at = self.by_tag.get(&Entry::of(batch).tag).copied()?;
        (!self.has_lost_marker(label, &self.list[at], now_ns)).then_some(at)
    }

    /// A group was given a batch.
    pub(crate) fn delivered(
        &mut self,
        ledger: &mut Ledger,
        (group, label): (usize, &str),
        batch: &Batch,
    ) {
        let Some(at) = self.read(ledger.now_ns, (group, label), batch) else { return };
        ledger.checked(Check::Transactions, 1);
        let seen = &mut self.list[at];
        seen.shown = true;
        let base = batch.base_offset();
        match seen.decision {
            Decision::Open => broken(ledger, seen, label, &|| {
                format!(
                    "a reader of committed records got offset {base} of {label}, whose transaction \
                     nobody has asked to commit"
                )
            }),
            Decision::Aborted => broken(ledger, seen, label, &|| {
                format!(
                    "a reader of committed records got offset {base} of {label}, whose transaction \
                     was aborted"
                )
            }),
            Decision::CommitSent if seen.hidden => broken(ledger, seen, label, &|| {
                format!(
                    "a reader got offset {base} of {label} and was told before that its \
                         transaction is aborted"
                )
            }),
            Decision::CommitSent | Decision::Committed => {}
        }
    }

    /// A group passed over a batch.
    pub(crate) fn skipped(
        &mut self,
        ledger: &mut Ledger,
        (group, label): (usize, &str),
        batch: &Batch,
    ) {
        let Some(at) = self.read(ledger.now_ns, (group, label), batch) else { return };
        ledger.checked(Check::Transactions, 1);
        let seen = &mut self.list[at];
        seen.hidden = true;
        let base = batch.base_offset();
        if seen.decision == Decision::Committed || seen.shown {
            broken(ledger, seen, label, &|| {
                format!(
                    "a reader of committed records was told that offset {base} of {label} is \
                     aborted, whose transaction was committed"
                )
            });
        }
    }

    /// The markers of the leaders' logs against what producers decided.
    pub(crate) fn check_final(&self, ledger: &mut Ledger, state: &FinalState<'_>, labels: &[&str]) {
        if self.is_void || !state.drained {
            return;
        }
        let mut found: BTreeMap<u64, (Marker, usize)> = BTreeMap::new();
        for (at, last) in state.partitions.iter().enumerate() {
            if !self.void.contains(labels[at]) {
                read_markers(last, at, &mut found);
            }
        }
        let stuck_since = |transaction: &Transaction| match transaction.decision {
            Decision::Committed | Decision::Aborted => transaction.touched_ns + MARKERS_NS,
            _ => transaction.touched_ns + self.timeout_ns + MARKERS_NS,
        };
        for transaction in &self.list {
            ledger.checked(Check::Transactions, 1);
            let of = |(_, tag): &(TopicPartition, u64)| found.get(tag).copied();
            let is_sure = |(_, at): &(Marker, usize)| {
                !self.has_lost_marker(labels[*at], transaction, ledger.now_ns)
            };
            let kept = transaction.batches.iter().filter_map(of).filter(is_sure);
            let kept: Vec<(Marker, usize)> = kept.collect();
            let first = |wanted| kept.iter().find(|(marker, _)| *marker == wanted);
            if let Some((_, at)) = first(Marker::None)
                && stuck_since(transaction) < ledger.now_ns
            {
                let label = labels[*at];
                broken(ledger, transaction, label, &|| {
                    let waits: String = state
                        .notes
                        .iter()
                        .take(8)
                        .fold(String::new(), |all, note| all + "\n  waits: " + note);
                    format!(
                        "{label} has no marker of the transaction, although every fault is over{waits}"
                    )
                });
            }
            let (committed, aborted) = (first(Marker::Commit), first(Marker::Abort));
            let wrong = match transaction.decision {
                Decision::Open | Decision::Aborted => committed,
                Decision::Committed => aborted,
                Decision::CommitSent => committed.and(aborted),
            };
            if let Some((marker, at)) = wrong {
                let label = labels[*at];
                broken(ledger, transaction, label, &|| {
                    format!("{label} has the transaction with marker {marker:?}: {kept:?}")
                });
            }
        }
    }
}

/// How each batch of a leader's log ends, by its tag.
fn read_markers(last: &FinalPartition<'_>, at: usize, found: &mut BTreeMap<u64, (Marker, usize)>) {
    let Some(log) = last.log else { return };
    let mut open: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    log.visit(log.log_start(), &mut |batch| {
        if batch.base_offset() >= last.high_watermark || !batch.header.is_transactional() {
            return;
        }
        let producer = batch.header.producer_id;
        match EndTxnMarker::of(batch) {
            Some(marker) => {
                let end = if marker.commit { Marker::Commit } else { Marker::Abort };
                for tag in open.remove(&producer).unwrap_or_default() {
                    found.insert(tag, (end, at));
                }
            }
            None => open.entry(producer).or_default().push(Entry::of(batch).tag),
        }
    });
    for tag in open.into_values().flatten() {
        found.insert(tag, (Marker::None, at));
    }
}

/// Tells of a broken promise; one that a late EndTxn may have broken is excused.
fn broken(ledger: &mut Ledger, transaction: &Transaction, label: &str, seen: &dyn Fn() -> String) {
    let excuse = Excuse {
        at_ns: transaction.began_ns,
        node: 0,
        event: None,
        detail: "an EndTxn of the transaction before was never answered, and may have come late and \
                 ended this one (KAFKA-17754): no broker can tell without the second part of KIP-890"
            .to_owned(),
    };
    let excuses: &[Excuse] = if transaction.endangered { &[excuse] } else { &[] };
    let more = More { times: 1, at_ns: ledger.now_ns, excused_by: excuses };
    ledger.broken_more(Check::Transactions, more, (label, &History::default()), &|| {
        let Transaction { number, began_ns, touched_ns, decision, batches, .. } = transaction;
        let shown: Vec<String> = batches
            .iter()
            .take(BATCHES_SHOWN)
            .map(|(tp, tag)| format!("{tag:#x} in partition {}", tp.partition))
            .collect();
        format!(
            "{}\n  transaction {number:#x} began at {}, its producer's last word at {} is \
             {decision:?}; {} batches: {}",
            seen(),
            seconds(*began_ns),
            seconds(*touched_ns),
            batches.len(),
            shown.join(", ")
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::final_state::LogView;
    use super::*;
    use crate::recorder::testing::{
        batch, consumer_plan, plan, producer_plan, tp, transactions_plan,
    };
    use std::sync::Arc;
    use stormglass_broker_core::ids::{NodeId, Offset};

    struct Log(Vec<Arc<Batch>>);

    impl LogView for Log {
        fn log_start(&self) -> Offset {
            0
        }
        fn visit(&self, _: Offset, visit: &mut dyn FnMut(&Batch)) {
            self.0.iter().for_each(|batch| visit(batch));
        }
    }

    fn written(base: Offset, tag: u64) -> Arc<Batch> {
        let mut batch = Batch::clone(&batch(base, 1, tag));
        batch.header = batch.header.as_transactional();
        Arc::new(batch)
    }

    fn marker(base: Offset, commit: bool) -> Arc<Batch> {
        let mut batch = EndTxnMarker { commit, coordinator_epoch: 0 }.to_batch(1, 0, 0);
        batch.header.base_offset = base;
        Arc::new(batch)
    }

    /// A transaction (number 1) with a batch (tag 10 + partition) in each of two partitions.
    fn begun(endangered: bool) -> Transactions {
        let mut plan = plan();
        let mut producer = producer_plan("p", "all");
        producer.transactions = Some(transactions_plan());
        plan.producers = vec![producer];
        let mut group = consumer_plan("g");
        group.config.insert("isolation.level".to_owned(), "read_committed".to_owned());
        plan.consumers = vec![group];
        let mut transactions = Transactions::of(&plan).unwrap();
        transactions.step(1, TransactionStep::Began { number: 1, endangered });
        for partition in 0..2_i32 {
            let tag = 10 + u64::from(partition.unsigned_abs());
            transactions.step(2, TransactionStep::Wrote { number: 1, tp: tp(partition), tag });
        }
        transactions
    }

    fn end(transactions: &Transactions, logs: [Vec<Arc<Batch>>; 2]) -> Vec<String> {
        let logs = logs.map(Log);
        let partitions = (0..2).zip(&logs).map(|(partition, log)| FinalPartition {
            tp: tp(partition),
            leader: Some(NodeId(1)),
            replicas: vec![NodeId(1)],
            isr: vec![NodeId(1)],
            high_watermark: 100,
            log: Some(log),
        });
        let state =
            FinalState { partitions: partitions.collect(), drained: true, ..FinalState::default() };
        let mut ledger = Ledger::default();
        ledger.now_ns = 600_000_000_000;
        transactions.check_final(&mut ledger, &state, &["t-0", "t-1"]);
        seen(ledger)
    }

    fn seen(ledger: Ledger) -> Vec<String> {
        let (_, violations) = ledger.finish();
        let line = |account: &str| account.lines().nth(1).unwrap_or_default().to_owned();
        violations.iter().map(|violation| line(&violation.account)).collect()
    }

    fn both(first: bool, second: bool) -> [Vec<Arc<Batch>>; 2] {
        [vec![written(0, 10), marker(1, first)], vec![written(0, 11), marker(1, second)]]
    }

    const ENDED: TransactionStep = TransactionStep::Ended { number: 1, committed: true };
    const ABORTED: TransactionStep = TransactionStep::Ended { number: 1, committed: false };
    const COMMIT_SENT: TransactionStep = TransactionStep::CommitSent { number: 1 };

    #[test]
    fn torn_lost_and_unwanted_transactions_are_found_in_the_final_logs() {
        let with = |step: Option<TransactionStep>, logs| {
            let mut transactions = begun(false);
            if let Some(step) = step {
                transactions.step(3, step);
            }
            end(&transactions, logs).len()
        };
        assert_eq!(with(Some(ENDED), both(true, true)), 0);
        assert_eq!(with(Some(ENDED), both(true, false)), 1, "torn");
        assert_eq!(with(Some(ENDED), both(false, false)), 1, "lost");
        assert_eq!(with(Some(ABORTED), both(false, false)), 0);
        assert_eq!(with(Some(ABORTED), both(false, true)), 1, "came back");
        assert_eq!(with(Some(COMMIT_SENT), both(true, true)), 0);
        assert_eq!(with(Some(COMMIT_SENT), both(false, false)), 0);
        assert_eq!(with(Some(COMMIT_SENT), both(false, true)), 1, "torn");
        assert_eq!(with(None, both(false, false)), 0);
        assert_eq!(with(None, both(true, true)), 1, "nobody asked");
    }

    #[test]
    fn a_transaction_without_its_marker_hangs() {
        let mut transactions = begun(false);
        transactions.step(3, ENDED);
        let logs = [vec![written(0, 10), marker(1, true)], vec![written(0, 11)]];
        let seen = end(&transactions, logs);
        assert_eq!(seen.len(), 1);
        assert!(seen[0].contains("t-1 has no marker"), "{seen:?}");
    }

    #[test]
    fn readers_of_committed_records_are_watched() {
        let batch = written(0, 10);
        let read = |step: TransactionStep, shown: bool| {
            let (mut transactions, mut ledger) = (begun(false), Ledger::default());
            transactions.step(3, step);
            match shown {
                true => transactions.delivered(&mut ledger, (0, "t-0"), &batch),
                false => transactions.skipped(&mut ledger, (0, "t-0"), &batch),
            }
            seen(ledger).len()
        };
        assert_eq!((read(ENDED, true), read(ENDED, false)), (0, 1));
        assert_eq!((read(ABORTED, true), read(ABORTED, false)), (1, 0));
        assert_eq!((read(COMMIT_SENT, true), read(COMMIT_SENT, false)), (0, 0));
        let (mut transactions, mut ledger) = (begun(false), Ledger::default());
        transactions.delivered(&mut ledger, (0, "t-0"), &batch);
        assert!(seen(ledger)[0].contains("nobody has asked to commit"));
    }

    #[test]
    fn a_replica_that_was_away_may_have_missed_a_marker_that_compaction_took_away() {
        let broken = |away: Option<(&str, u64)>| {
            let mut transactions = begun(false);
            transactions.step(3, ABORTED);
            if let Some((label, after_ns)) = away {
                transactions.left_behind(label, after_ns);
            }
            end(&transactions, both(true, false)).len()
        };
        assert_eq!(broken(Some(("t-0", 0))), 0);
        assert_eq!(broken(None), 1, "nobody was away");
        assert_eq!(broken(Some(("t-1", 0))), 1, "of another partition");
        assert_eq!(broken(Some(("t-0", u64::MAX))), 1, "markers are kept for longer");
    }

    #[test]
    fn a_late_end_and_a_void_partition_are_excuses() {
        let mut transactions = begun(true);
        transactions.step(3, ENDED);
        let mut ledger = Ledger::default();
        transactions.skipped(&mut ledger, (0, "t-0"), &written(0, 10));
        assert_eq!(ledger.finish().1[0].excused_by.len(), 1);
        let mut transactions = begun(false);
        transactions.step(3, ENDED);
        transactions.gave_up("t-1");
        assert!(end(&transactions, both(true, false)).is_empty());
        transactions.is_void = true;
        assert!(end(&transactions, both(false, false)).is_empty());
    }
}
