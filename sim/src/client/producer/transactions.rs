//! Transactions of a producer: Kafka's `TransactionManager` with transactions (KIP-98, KIP-360).
//!
//! The application begins a transaction with its first record, and calls `commitTransaction()` or
//! `abortTransaction()` after so many records or so much time; until that returns it sends nothing.
//! An error that spoils a transaction makes it abort; a fatal one makes it close the producer and
//! begin anew with the same transactional id. Where each transaction has an epoch of its own (KIP-890,
//! second part), leaders add its partitions, and the answer to EndTxn brings the next epoch. Left out:
//! two-phase commit.

mod answers;
mod requests;

use super::application::Calls;
use super::batch::ProducerId;
use super::machine::Producer;
use crate::client::asks::GroupMember;
use crate::client::io::{ClientCx, FailReason, Outcome, TransactionStep};
use crate::client::wakeup::NEVER;
use crate::rng::Stream;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::TransactionRules;
use stormglass_scenarios::plan::TransactionsPlan;

/// What a producer with transactions is told beside its config.
#[derive(Debug)]
pub struct TransactionsSetup {
    /// `transactional.id`
    pub id: Arc<str>,
    /// How records are divided.
    pub plan: TransactionsPlan,
    /// `transaction.timeout.ms`
    pub timeout_ms: i32,
    /// Which transactions are aborted.
    pub draws: Stream,
    /// First number of a transaction; they count up, unique over the run.
    pub first_number: u64,
    /// A group in the consumer protocol, and a member that it has at first.
    pub member: Option<(Arc<str>, Arc<str>)>,
}

impl TransactionsSetup {
    /// For whom the position of a transaction is committed: for no member, or now and then for one that its group does
    /// not have any more, or not in that epoch (KIP-447's zombie).
    fn committer(&self, number: u64) -> GroupMember {
        let is_former = self.plan.former_members && number.is_multiple_of(8);
        let known = self.member.clone().filter(|_| number.is_multiple_of(16));
        let (group, generation, member) = match (is_former, known) {
            (true, Some((group, member))) => (group, i32::MAX, member),
            (true, None) => (TransactionStep::group_of(number), 1, "former-member".into()),
            (false, _) => (TransactionStep::group_of(number), -1, "".into()),
        };
        GroupMember { group, generation, member, instance: None }
    }
}

/// A request to the coordinator, or for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionCall {
    /// Where it is.
    FindCoordinator,
    /// The producer's session.
    Init,
    /// Partitions of the transaction.
    AddPartitions,
    /// Commit or abort.
    End,
    /// A group whose positions become part of the transaction.
    AddOffsets,
    /// Where that group's coordinator is.
    FindGroup,
    /// The positions of a transaction, to that coordinator.
    CommitOffsets { number: u64 },
}

impl TransactionCall {
    /// Whether it is between the producer and a group's coordinator.
    fn is_of_group(self) -> bool {
        matches!(self, Self::FindGroup | Self::CommitOffsets { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinator {
    Unknown { retry_ns: u64 },
    Asked,
    Known(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `initTransactions()`, or the bump of the epoch after an abort.
    Init,
    /// No transaction.
    Ready,
    /// The application sends.
    Open,
    /// It has called commit or abort.
    Ending { commit: bool },
}

/// The transactions of one producer.
#[derive(Debug)]
pub(crate) struct Transactions {
    setup: TransactionsSetup,
    coordinator: Coordinator,
    pub(super) stage: Stage,
    /// The coordinator owes an answer.
    is_asked: bool,
    /// Nothing is asked of it before, ns.
    retry_ns: u64,
    failures: u32,
    /// Id and epoch to be bumped, for [`Stage::Init`].
    held: Option<ProducerId>,
    pub(super) number: u64,
    began_ns: u64,
    records: u64,
    /// Partitions of the transaction, as the coordinator has confirmed.
    added: BTreeSet<u32>,
    adding: Vec<u32>,
    /// The coordinator may know of the transaction.
    pub(super) is_known: bool,
    /// Some batch of the transaction has failed: it must be aborted, and the epoch bumped.
    pub(super) is_spoilt: bool,
    /// An EndTxn of this epoch was never answered: it may arrive late and end a later transaction
    /// (KAFKA-17754).
    end_lost: bool,
    /// The load is over.
    pub(super) stopped: bool,
    /// Present where an application begins and ends transactions itself, or each commits a position.
    pub(super) calls: Option<Box<Calls>>,
}

impl Transactions {
    pub(super) fn new(setup: TransactionsSetup) -> Self {
        let calls = setup.plan.positions.then(|| Box::new(Calls::of_load()));
        Self {
            number: setup.first_number,
            setup,
            coordinator: Coordinator::Unknown { retry_ns: 0 },
            stage: Stage::Init,
            is_asked: false,
            retry_ns: 0,
            failures: 0,
            held: None,
            began_ns: 0,
            records: 0,
            added: BTreeSet::new(),
            adding: Vec::new(),
            is_known: false,
            is_spoilt: false,
            end_lost: false,
            stopped: false,
            calls,
        }
    }

    /// Whether the application sends nothing now.
    pub(super) fn holds_back(&self) -> bool {
        matches!(self.stage, Stage::Init | Stage::Ending { .. })
    }

    /// Whether batches of a partition may go.
    pub(super) fn allows(&self, partition: u32) -> bool {
        self.added.contains(&partition) || self.has_epochs() && self.is_open()
    }

    /// Whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Ending { .. })
    }

    fn has_epochs(&self) -> bool {
        self.setup.plan.epoch_each
    }

    /// The rules by which requests of this producer are.
    pub(super) fn rules(&self) -> TransactionRules {
        if self.has_epochs() { TransactionRules::EpochEach } else { TransactionRules::Added }
    }

    /// Transactional id, for produce requests.
    pub(super) fn id(&self) -> Arc<str> {
        Arc::clone(&self.setup.id)
    }

    /// A batch goes out for the first time.
    pub(super) fn wrote(
        &mut self,
        tp: TopicPartition,
        tag: u64,
        records: usize,
        cx: &mut ClientCx<'_>,
    ) {
        self.records += records as u64;
        // its leader tells the coordinator
        self.is_known |= self.has_epochs();
        let number = self.number;
        tell(TransactionStep::Wrote { number, tp, tag }, cx);
    }

    /// What it waits for, in words. `is_quiet`: all its batches are done.
    pub(super) fn waits(&self, is_quiet: bool) -> String {
        let Self { setup, number, coordinator, .. } = self;
        let what = match (self.stage, self.is_asked) {
            (Stage::Init, _) => "InitProducerId".to_owned(),
            (Stage::Ending { commit }, true) => format!("EndTxn (commit: {commit})"),
            (Stage::Ending { .. }, false) if is_quiet => "a way to end the transaction".to_owned(),
            (Stage::Ending { .. }, false) => "its batches, to end the transaction".to_owned(),
            (_, true) => "AddPartitionsToTxn".to_owned(),
            (_, false) => "nothing".to_owned(),
        };
        format!("{} in transaction {number:#x} waits for {what} from {coordinator:?}", setup.id)
    }

    /// Whether an application has not called `initTransactions()` yet, or the producer is closed.
    fn waits_to_begin(&self) -> bool {
        let waits = |calls: &Calls| calls.init.is_none() && !calls.is_of_load;
        self.held.is_none() && self.calls.as_deref().is_some_and(waits)
    }

    fn has_sent_offsets(&self) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.has_sent_offsets())
    }

    /// Whether a request of this epoch may arrive late, and must not count for the next transaction of
    /// an application.
    fn is_doubtful(&self) -> bool {
        self.calls.as_ref().is_some_and(|calls| calls.is_doubtful)
    }

    fn end_is_due(&self, now_ns: u64) -> bool {
        let TransactionsPlan { records, length_ns, .. } = self.setup.plan;
        self.is_spoilt
            || self.stopped
            || self.records >= u64::from(records)
            || now_ns >= self.began_ns.saturating_add(length_ns)
    }

    /// The transaction is over, or forgotten.
    fn clear(&mut self) {
        self.added.clear();
        self.adding.clear();
        (self.is_known, self.is_spoilt) = (false, false);
        self.records = 0;
    }
}

fn tell(step: TransactionStep, cx: &mut ClientCx<'_>) {
    cx.effects.outcomes.push(Outcome::Transaction(step));
}

impl Producer {
    /// Works towards the next step of the transactions. When to come back, ns.
    #[cold]
    pub(super) fn transact(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        self.note_bumps();
        let mut wake_ns = NEVER;
        if self.desk.is_some() {
            wake_ns = self.transact_by_hand(cx);
        } else if let Some(txn) = self.transactions.as_mut() {
            if txn.stage == Stage::Ready && !self.accumulator.active.is_empty() {
                begin(txn, cx);
            }
            if txn.stage == Stage::Open {
                if txn.end_is_due(cx.now_ns) {
                    let aborted = txn.setup.plan.aborted_permille * 1_000;
                    let commit = !txn.is_spoilt && !txn.setup.draws.chance_ppm(aborted);
                    txn.stage = Stage::Ending { commit };
                    self.flushing = true;
                } else {
                    wake_ns = txn.began_ns.saturating_add(txn.setup.plan.length_ns);
                }
            }
            wake_ns = wake_ns.min(self.commit_offsets(cx));
        }
        if let Some(txn) = self.transactions.as_mut().filter(|txn| txn.is_spoilt && !txn.is_asked)
            && let Stage::Ending { commit } = &mut txn.stage
        {
            *commit = false;
        }
        self.drop_unwanted(cx);
        wake_ns.min(self.ask_coordinator(cx))
    }

    /// A partition whose sequences must restart takes the whole producer with it.
    fn note_bumps(&mut self) {
        if self.idempotence.take_bumps() {
            self.spoil_transaction();
        }
    }

    /// The transaction cannot be committed any more.
    pub(super) fn spoil_transaction(&mut self) {
        if let Some(txn) = self.transactions.as_mut().filter(|txn| txn.is_open()) {
            txn.is_spoilt = true;
        }
    }

    /// Batches of a transaction that is aborted need not go out. What may be in a log already is
    /// retried to its end, as the sequences go on; after an error they start anew.
    fn drop_unwanted(&mut self, cx: &mut ClientCx<'_>) {
        let Some(txn) = &self.transactions else { return };
        if txn.stage != (Stage::Ending { commit: false }) {
            return;
        }
        let all = txn.is_spoilt;
        if txn.calls.is_some() {
            self.drop_unwanted_calls(cx);
        }
        for at in 0..self.accumulator.partitions.len() {
            while let Some(last) = self.accumulator.partitions[at].waiting.back()
                && (all || last.order == 0)
            {
                let Some(batch) = self.accumulator.partitions[at].waiting.pop_back() else { break };
                self.give_up(at, batch, FailReason::TransactionAborted, cx);
            }
        }
        self.accumulator.prune();
    }

    /// Whether no batch is on its way or about to be.
    pub(super) fn is_quiet(&self) -> bool {
        let queues = &self.accumulator.partitions;
        queues.iter().all(|queue| queue.waiting.is_empty() && queue.in_flight.is_empty())
    }
}

pub(super) fn begin(txn: &mut Transactions, cx: &mut ClientCx<'_>) {
    txn.clear();
    txn.number += 1;
    (txn.stage, txn.began_ns) = (Stage::Open, cx.now_ns);
    let is_added = txn.has_epochs();
    if let Some(calls) = txn.calls.as_mut().filter(|calls| calls.is_of_load) {
        calls.begin_of_load(txn.setup.committer(txn.number), is_added);
    }
    let endangered = txn.end_lost;
    tell(TransactionStep::Began { number: txn.number, endangered }, cx);
}
