//! Transactions of a producer: Kafka's `TransactionManager` with transactions (KIP-98, KIP-360).
//!
//! The application begins a transaction with its first record, and calls `commitTransaction()` or
//! `abortTransaction()` after so many records or so much time; until that returns it sends nothing.
//! An error that spoils a transaction makes it abort; a fatal one makes it close the producer and
//! begin anew with the same transactional id. Where each transaction has an epoch of its own (KIP-890,
//! second part), leaders add its partitions, and the answer to EndTxn brings the next epoch. Left out:
//! two-phase commit.

use super::application::Calls;
use super::batch::ProducerId;
use super::machine::{Call, Producer};
use crate::client::asks::GroupMember;
use crate::client::io::{ClientCx, FailReason, Outcome, TransactionStep};
use crate::client::wakeup::NEVER;
use crate::rng::Stream;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, CoordinatorKind, EndTxnRequest,
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProducerIdAndEpoch, Request, Response, TransactionRules, TransactionalId, TxnPartitions,
};
use stormglass_scenarios::plan::TransactionsPlan;

/// Back-off after CONCURRENT_TRANSACTIONS of a transaction's first partitions, ns, as Java's.
const CONCURRENT_BACKOFF_NS: u64 = 20_000_000;

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
    /// For whom the position of a transaction is committed, if that is somebody who may not: a member that its group does
    /// not have, or one in an epoch that it is not in.
    fn former(&self, number: u64) -> Option<GroupMember> {
        if !self.plan.former_members || !number.is_multiple_of(8) {
            return None;
        }
        let known = self.member.clone().filter(|_| number.is_multiple_of(16));
        Some(match known {
            Some((group, member)) => {
                GroupMember { group, generation: i32::MAX, member, instance: None }
            }
            None => GroupMember {
                group: TransactionStep::group_of(number),
                generation: 1,
                member: "former-member".into(),
                instance: None,
            },
        })
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

    fn ask_coordinator(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some((call, request)) = self.next_request(cx) else { return NEVER };
        let node = match self.transaction_coordinator(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let Some(txn) = self.transactions.as_mut() else { return NEVER };
        if txn.retry_ns > cx.now_ns {
            return txn.retry_ns;
        }
        txn.is_asked = true;
        match (call, &request) {
            (TransactionCall::AddPartitions | TransactionCall::AddOffsets, _) => {
                txn.is_known = true
            }
            (TransactionCall::End, Request::EndTxn(EndTxnRequest { commit: true, .. })) => {
                tell(TransactionStep::CommitSent { number: txn.number }, cx);
            }
            _ => {}
        }
        cx.effects.cpu_ns += self.costs.request_ns;
        self.network.connections.send(node, request, Some(Call::Transaction(call)), cx);
        NEVER
    }

    /// What has to be asked of the coordinator now, if anything.
    fn next_request(&mut self, cx: &mut ClientCx<'_>) -> Option<(TransactionCall, Request)> {
        let is_quiet = self.is_quiet();
        let topic = self.network.view.topics().first().and_then(|topic| topic.id);
        let txn = self.transactions.as_mut()?;
        if txn.is_asked {
            return None;
        }
        let id = txn.id();
        let held = self.idempotence.producer;
        let producer = ProducerIdAndEpoch { id: held.id, epoch: held.epoch };
        match txn.stage {
            Stage::Ready => None,
            Stage::Init if txn.waits_to_begin() => None,
            Stage::Init => {
                let timeout_ms = txn.setup.timeout_ms;
                let held = txn.held.unwrap_or(ProducerId::NONE);
                let request = InitProducerIdRequest {
                    transactional: Some(Box::new(TransactionalId { id, timeout_ms })),
                    producer_id: held.id,
                    producer_epoch: held.epoch,
                };
                Some((TransactionCall::Init, Request::InitProducerId(request)))
            }
            Stage::Ending { commit } if is_quiet && txn.has_sent_offsets() => {
                if !txn.is_known {
                    self.transaction_ended(cx);
                    return None;
                }
                let rules = txn.rules();
                let request = EndTxnRequest { transactional_id: id, producer, commit, rules };
                Some((TransactionCall::End, Request::EndTxn(request)))
            }
            Stage::Ending { commit: false } => None,
            Stage::Open | Stage::Ending { .. } => {
                let partitions = &self.accumulator.partitions;
                let waits = |at: &&u32| !partitions[**at as usize].waiting.is_empty();
                let active = self.accumulator.active.iter().filter(waits);
                let missing = active.filter(|at| !txn.allows(**at));
                txn.adding = missing.copied().collect();
                txn.adding.sort_unstable();
                if txn.adding.is_empty() {
                    return Self::add_offsets_request(txn, producer);
                }
                let topic = topic?;
                let index = |at: &u32| i32::try_from(*at).unwrap_or(i32::MAX);
                let partitions =
                    txn.adding.iter().map(|at| TopicPartition::new(topic, index(at))).collect();
                let transactions = vec![TxnPartitions {
                    transactional_id: id,
                    producer,
                    verify_only: false,
                    partitions,
                }];
                let request = AddPartitionsToTxnRequest { transactions, by_broker: false };
                Some((TransactionCall::AddPartitions, Request::AddPartitionsToTxn(request)))
            }
        }
    }

    /// Whether no batch is on its way or about to be.
    pub(super) fn is_quiet(&self) -> bool {
        let queues = &self.accumulator.partitions;
        queues.iter().all(|queue| queue.waiting.is_empty() && queue.in_flight.is_empty())
    }

    /// The coordinator, connected; otherwise works towards it and says when to come back, ns.
    fn transaction_coordinator(&mut self, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        let Some(txn) = self.transactions.as_mut() else { return Err(NEVER) };
        match txn.coordinator {
            Coordinator::Known(node) => match self.network.coordinator_ready(node, cx) {
                Some(ready) => ready,
                None => Err(self.lose_transaction_coordinator(cx.now_ns)),
            },
            Coordinator::Asked => Err(NEVER),
            Coordinator::Unknown { retry_ns } if retry_ns > cx.now_ns => Err(retry_ns),
            Coordinator::Unknown { .. } => {
                let keys = vec![txn.id()];
                let node = self.network.any_ready(cx)?;
                let request = FindCoordinatorRequest { kind: CoordinatorKind::Transaction, keys };
                let request = Request::FindCoordinator(request);
                let call = Call::Transaction(TransactionCall::FindCoordinator);
                self.network.connections.send(node, request, Some(call), cx);
                txn.coordinator = Coordinator::Asked;
                Err(NEVER)
            }
        }
    }

    /// Takes an answer about transactions.
    #[cold]
    pub(super) fn transaction_answered(
        &mut self,
        call: TransactionCall,
        response: &Response,
        cx: &mut ClientCx<'_>,
    ) {
        if call.is_of_group() {
            return self.group_answered(call, response, cx);
        }
        if call != TransactionCall::FindCoordinator
            && let Some(txn) = self.transactions.as_mut()
        {
            txn.is_asked = false;
        }
        match (call, response) {
            (TransactionCall::FindCoordinator, Response::FindCoordinator(answer)) => {
                self.transaction_coordinator_found(answer, cx.now_ns);
            }
            (TransactionCall::Init, Response::InitProducerId(answer)) => {
                self.session_begun(*answer, cx);
            }
            (TransactionCall::AddPartitions, Response::AddPartitionsToTxn(answer)) => {
                self.partitions_added(answer, cx);
            }
            (TransactionCall::AddOffsets, Response::AddOffsetsToTxn(answer)) => {
                self.offsets_added(answer.error, cx);
            }
            (TransactionCall::End, Response::EndTxn(answer)) if answer.error.is_ok() => {
                self.take_next_epoch(answer.producer);
                self.transaction_ended(cx);
            }
            (TransactionCall::End, Response::EndTxn(answer)) => {
                self.coordinator_refused(answer.error, cx);
            }
            _ => debug_assert!(false, "an answer has its request's kind"),
        }
    }

    fn transaction_coordinator_found(&mut self, answer: &FindCoordinatorResponse, now_ns: u64) {
        let found = answer.coordinators.first().filter(|found| found.error.is_ok());
        match found.and_then(|found| found.node).zip(self.transactions.as_mut()) {
            Some((node, txn)) => txn.coordinator = Coordinator::Known(node),
            None => {
                self.lose_transaction_coordinator(now_ns);
            }
        }
    }

    /// The coordinator must be looked for; from when on, ns.
    fn lose_transaction_coordinator(&mut self, now_ns: u64) -> u64 {
        let retry_ns = now_ns + self.transaction_backoff();
        if let Some(txn) = self.transactions.as_mut() {
            txn.coordinator = Coordinator::Unknown { retry_ns };
        }
        retry_ns
    }

    fn transaction_backoff(&mut self) -> u64 {
        let backoff = self.config.connection.retry_backoff();
        let Some(txn) = self.transactions.as_mut() else { return 0 };
        let wait_ns = backoff.after(txn.failures, &mut self.network.draws);
        txn.failures = txn.failures.saturating_add(1);
        wait_ns
    }

    fn session_begun(&mut self, answer: InitProducerIdResponse, cx: &mut ClientCx<'_>) {
        if !answer.error.is_ok() {
            return self.coordinator_refused(answer.error, cx);
        }
        let producer = ProducerId { id: answer.producer_id, epoch: answer.producer_epoch };
        self.idempotence.begin_session(producer, &mut self.accumulator.partitions);
        if let Some(txn) = self.transactions.as_mut() {
            txn.clear();
            (txn.stage, txn.held, txn.failures) = (Stage::Ready, None, 0);
            txn.end_lost = false;
            self.flushing = txn.stopped;
        }
        self.answer_init(cx);
        self.intake.resume(cx.now_ns);
    }

    fn partitions_added(&mut self, answer: &AddPartitionsToTxnResponse, cx: &mut ClientCx<'_>) {
        let Some(answer) = answer.transactions.first() else { return };
        let errors = answer.partitions.iter().map(|(_, error)| *error);
        // the others of the request were not tried
        let mut errors = errors.filter(|error| !error.is_ok());
        let first = errors.clone().find(|error| *error != ErrorCode::OperationNotAttempted);
        if let Some(error) = first.or(errors.next()) {
            return self.coordinator_refused(error, cx);
        }
        if let Some(txn) = self.transactions.as_mut() {
            txn.failures = 0;
            txn.added.extend(txn.adding.drain(..));
        }
    }

    /// Who the producer is from now on, where each transaction has an epoch.
    fn take_next_epoch(&mut self, next: Option<ProducerIdAndEpoch>) {
        let Some(ProducerIdAndEpoch { id, epoch }) = next else { return };
        let producer = ProducerId { id, epoch };
        self.idempotence.begin_session(producer, &mut self.accumulator.partitions);
        if let Some(txn) = self.transactions.as_mut() {
            // that was the bump; and whatever comes late is of an epoch that is over
            (txn.is_spoilt, txn.end_lost) = (false, false);
            if let Some(calls) = &mut txn.calls {
                calls.is_doubtful = false;
            }
        }
    }

    /// EndTxn has succeeded, or was not needed.
    fn transaction_ended(&mut self, cx: &mut ClientCx<'_>) {
        let held = self.idempotence.producer;
        let Some(txn) = self.transactions.as_mut() else { return };
        let committed = matches!(txn.stage, Stage::Ending { commit: true });
        tell(TransactionStep::Ended { number: txn.number, committed }, cx);
        txn.failures = 0;
        if txn.is_spoilt || txn.is_doubtful() {
            cx.effects.marks.push("producer: epoch bumped after an abort");
            (txn.stage, txn.held) = (Stage::Init, Some(held));
        } else {
            txn.stage = Stage::Ready;
            self.flushing = txn.stopped;
        }
        txn.clear();
        if self.desk.is_some() {
            self.answer_end(committed, cx);
        }
        self.intake.resume(cx.now_ns);
    }

    /// The coordinator has answered with an error.
    pub(super) fn coordinator_refused(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        match error {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_transaction_coordinator(cx.now_ns);
            }
            ErrorCode::ConcurrentTransactions => {
                if let Some(txn) = self.transactions.as_mut() {
                    txn.retry_ns = cx.now_ns + CONCURRENT_BACKOFF_NS;
                }
            }
            error if error.is_retriable() => {
                let wait_ns = self.transaction_backoff();
                if let Some(txn) = self.transactions.as_mut() {
                    txn.retry_ns = cx.now_ns + wait_ns;
                }
            }
            error => self.close(error, cx),
        }
    }

    /// A fatal error.
    pub(super) fn close(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        if self.desk.is_some() {
            self.refuse_all(error, cx);
        }
        self.close_and_begin_anew(cx);
    }

    /// A fatal error, of which being fenced is the commonest: nothing of what was sent is known to be
    /// committed, and a new session ends what is open.
    #[cold]
    fn close_and_begin_anew(&mut self, cx: &mut ClientCx<'_>) {
        cx.effects.marks.push("producer: fatal error of a transaction");
        for at in 0..self.accumulator.partitions.len() {
            let queue = &mut self.accumulator.partitions[at];
            let waiting = std::mem::take(&mut queue.waiting);
            let in_flight = std::mem::take(&mut queue.in_flight);
            for mut batch in in_flight.into_iter().chain(waiting) {
                batch.ambiguous |= batch.sends > 0;
                self.give_up(at, batch, FailReason::TransactionAborted, cx);
            }
        }
        self.accumulator.prune();
        self.idempotence.producer = ProducerId::NONE;
        let wait_ns = self.transaction_backoff();
        let Some(txn) = self.transactions.as_mut() else { return };
        txn.retry_ns = cx.now_ns + wait_ns;
        if txn.is_open() {
            tell(TransactionStep::Abandoned { number: txn.number }, cx);
        }
        txn.clear();
        if let Some(calls) = &mut txn.calls {
            calls.forget();
        }
        (txn.stage, txn.held) = (Stage::Init, None);
    }

    /// A request got no answer.
    #[cold]
    pub(super) fn transaction_call_lost(&mut self, call: TransactionCall, now_ns: u64) {
        if call.is_of_group() {
            return self.group_call_lost(call, now_ns);
        }
        let wait_ns = self.transaction_backoff();
        let Some(txn) = self.transactions.as_mut() else { return };
        if let Some(calls) = &mut txn.calls {
            calls.is_doubtful |=
                !matches!(call, TransactionCall::FindCoordinator | TransactionCall::Init);
        }
        if call == TransactionCall::FindCoordinator {
            txn.coordinator = Coordinator::Unknown { retry_ns: now_ns + wait_ns };
            return;
        }
        txn.is_asked = false;
        txn.retry_ns = now_ns + wait_ns;
        txn.end_lost |= call == TransactionCall::End;
        // it may have moved: Java looks for it after each lost connection
        txn.coordinator = Coordinator::Unknown { retry_ns: now_ns };
    }
}

pub(super) fn begin(txn: &mut Transactions, cx: &mut ClientCx<'_>) {
    txn.clear();
    txn.number += 1;
    (txn.stage, txn.began_ns) = (Stage::Open, cx.now_ns);
    let is_added = txn.has_epochs();
    let former = txn.setup.former(txn.number);
    if let Some(calls) = &mut txn.calls {
        calls.begin_of_load(txn.number, is_added, former);
    }
    let endangered = txn.end_lost;
    tell(TransactionStep::Began { number: txn.number, endangered }, cx);
}
