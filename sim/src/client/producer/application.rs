//! A producer that an application under test calls: records with contents, and transactions that
//! begin and end when it says so.
//!
//! Everything below the calls is the load's producer: accumulator, sender, retries, coordinator. What
//! this one does more carefully than Java's is to take a new epoch after a transaction of which some
//! request was never answered: that request may arrive late, and would count for a later transaction
//! of the same epoch (KAFKA-17754). Brokers with the second part of KIP-890 see to that themselves.

use super::accumulator::Append;
use super::batch::{ProducerBatch, RecordSizes};
use super::machine::{Call, Producer};
use super::transactions::{Coordinator, Stage, TransactionCall, Transactions, begin};
use crate::client::asks::{Answer, Ask, GroupMember, Refusal};
use crate::client::io::{BatchDone, ClientCx, FailReason, Outcome, RecordTimes, TransactionStep};
use crate::client::wakeup::NEVER;
use crate::workload::murmur2;
use std::collections::VecDeque;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, NodeId, Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    AddOffsetsToTxnRequest, CommittedOffset, CoordinatorKind, FindCoordinatorRequest,
    ProducerIdAndEpoch, Request, Response, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use stormglass_broker_core::records::Record;

/// Bytes of a record beside key, value and headers' contents, at most: lengths and attributes.
const RECORD_EXTRA: usize = 16;

/// A record of an application in its batch, with the call to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) ask: u64,
    pub(crate) record: Record,
}

/// Records that are in no batch yet.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    sends: VecDeque<(Content, Option<u32>)>,
    /// Where the next record without a key goes.
    turn: usize,
}

/// Positions that become part of a transaction.
#[derive(Debug)]
struct Offsets {
    /// The call to answer; none of a load's.
    ask: Option<u64>,
    group: GroupMember,
    /// Of a load there is one, known once its topic is.
    offsets: Vec<CommittedOffset>,
    /// The transaction's coordinator knows of the group.
    is_added: bool,
}

/// What the application has asked of its transactions.
#[derive(Debug)]
pub(crate) struct Calls {
    /// `initTransactions()` waits, or is over.
    pub(super) init: Option<u64>,
    begin: Option<u64>,
    end: Option<(u64, bool)>,
    offsets: VecDeque<Offsets>,
    group_coordinator: Coordinator,
    group_asked: bool,
    group_retry_ns: u64,
    /// Nothing works any more, for this reason.
    fatal: Option<Refusal>,
    /// A request of this epoch was never answered, and may arrive late.
    pub(super) is_doubtful: bool,
    /// No application calls: a load commits a position in each of its transactions.
    pub(super) is_of_load: bool,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            init: None,
            begin: None,
            end: None,
            offsets: VecDeque::new(),
            group_coordinator: Coordinator::Unknown { retry_ns: 0 },
            group_asked: false,
            group_retry_ns: 0,
            fatal: None,
            is_doubtful: false,
            is_of_load: false,
        }
    }
}

impl Calls {
    /// Of a load.
    pub(super) fn of_load() -> Self {
        Self { is_of_load: true, ..Self::default() }
    }

    /// A load's transaction begins, and commits a position for a group. `is_added`: nobody has to be told of that.
    pub(super) fn begin_of_load(&mut self, group: GroupMember, is_added: bool) {
        debug_assert!(self.is_of_load, "applications hand positions over themselves");
        let offsets = Vec::new();
        self.offsets.push_back(Offsets { ask: None, group, offsets, is_added });
    }

    /// The producer is closed, and begins anew.
    pub(super) fn forget(&mut self) {
        self.offsets.clear();
        self.group_asked = false;
    }

    /// Whether every position that the application has handed over is in the transaction.
    pub(super) fn has_sent_offsets(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The group whose positions the transaction's coordinator has to hear of.
    pub(super) fn group_to_add(&self) -> Option<Arc<str>> {
        let next = self.offsets.iter().find(|offsets| !offsets.is_added);
        next.map(|offsets| Arc::clone(&offsets.group.group))
    }
}

/// Ends a call.
fn answer(id: u64, answer: Answer, cx: &mut ClientCx<'_>) {
    cx.effects.outcomes.push(Outcome::Answered { id, answer });
}

fn refuse(id: u64, refusal: Refusal, cx: &mut ClientCx<'_>) {
    answer(id, Answer::Refused(refusal), cx);
}

/// Ends a call about positions; a load has made none.
fn answer_offsets(ask: Option<u64>, ended: Answer, cx: &mut ClientCx<'_>) {
    if let Some(id) = ask {
        answer(id, ended, cx);
    }
}

/// The calls of a finished batch's records end with it.
pub(super) fn answer_sends(contents: Vec<Content>, outcome: &Outcome, cx: &mut ClientCx<'_>) {
    for (index, content) in (0..).zip(contents) {
        let ended = match outcome {
            Outcome::Acked(BatchDone { tp, base_offset, .. }) => {
                let offset = if *base_offset < 0 { -1 } else { base_offset + Offset::from(index) };
                Answer::Sent { partition: tp.partition, offset }
            }
            Outcome::Failed(_, reason) => Answer::Refused(Refusal::NotSent(*reason)),
            _ => unreachable!("a batch is acknowledged or fails"),
        };
        answer(content.ask, ended, cx);
    }
}

impl Producer {
    /// A call of the application.
    #[cold]
    pub(super) fn asked(&mut self, id: u64, ask: &Ask, cx: &mut ClientCx<'_>) {
        if let Some(refusal) = self.calls().and_then(|calls| calls.fatal) {
            return refuse(id, refusal, cx);
        }
        if let Ask::Send { record, partition } = ask {
            return self.asked_to_send(id, (record, *partition), cx);
        }
        let Some((txn, calls)) = self.transactions.as_deref_mut().and_then(by_hand) else {
            return refuse(id, Refusal::Misused("there is no transactional.id"), cx);
        };
        let is_open = *txn.stage == Stage::Open && calls.end.is_none();
        match ask {
            Ask::InitTransactions if *txn.stage != Stage::Init => answer(id, Answer::Done, cx),
            Ask::InitTransactions => calls.init = Some(id),
            Ask::Begin if *txn.stage == Stage::Open => {
                refuse(id, Refusal::Misused("a transaction is open"), cx);
            }
            Ask::Begin => calls.begin = Some(id),
            Ask::SendOffsets { group, offsets } if is_open => {
                let (group, offsets) = (group.clone(), offsets.clone());
                let ask = Some(id);
                calls.offsets.push_back(Offsets { ask, group, offsets, is_added: false });
            }
            Ask::End { commit } if is_open => calls.end = Some((id, *commit)),
            Ask::End { commit: false } => answer(id, Answer::Done, cx),
            Ask::SendOffsets { .. } | Ask::End { .. } => {
                refuse(id, Refusal::Misused("no transaction is open"), cx);
            }
            _ => refuse(id, Refusal::Misused("not a call of a producer"), cx),
        }
    }

    fn asked_to_send(
        &mut self,
        id: u64,
        (record, partition): (&Record, Option<u32>),
        cx: &mut ClientCx<'_>,
    ) {
        if let Some((txn, calls)) = self.transactions.as_deref_mut().and_then(by_hand) {
            if *txn.is_spoilt {
                return refuse(id, Refusal::Aborted, cx);
            }
            if *txn.stage != Stage::Open || calls.end.is_some() {
                return refuse(id, Refusal::Misused("no transaction is open"), cx);
            }
        }
        if let Some(desk) = &mut self.desk {
            desk.sends.push_back((Content { ask: id, record: record.clone() }, partition));
        }
    }

    fn calls(&self) -> Option<&Calls> {
        self.transactions.as_ref().and_then(|txn| txn.calls.as_deref())
    }

    fn calls_mut(&mut self) -> Option<&mut Calls> {
        self.transactions.as_mut().and_then(|txn| txn.calls.as_deref_mut())
    }

    /// Puts the application's records into batches.
    #[cold]
    pub(super) fn hand_over_records(&mut self, cx: &mut ClientCx<'_>) {
        while let Some((content, partition)) = self.next_record(cx) {
            let sizes = RecordSizes::new(bytes_of(&content.record), 1_000);
            let times = RecordTimes { intended_ns: cx.now_ns, handed_ns: cx.now_ns };
            let mut result = Append::Closed;
            while result == Append::Closed {
                result = self.accumulator.append(partition, times, sizes, &self.config, cx);
            }
            let Some(desk) = &mut self.desk else { return };
            match result {
                Append::Done { .. } => {
                    let expiry_ns = cx.now_ns.saturating_add(self.config.delivery_timeout_ns);
                    self.expiry_floor_ns = self.expiry_floor_ns.min(expiry_ns);
                    cx.effects.cpu_ns += self.costs.record_ns;
                    if let Some(batch) = self.accumulator.partitions[partition].waiting.back_mut() {
                        batch.contents.push(content);
                    }
                    desk.turn += 1;
                }
                Append::TooLarge => refuse(content.ask, Refusal::TooLarge, cx),
                // there is room when a batch ends
                Append::NoMemory | Append::Closed => {
                    let partition = u32::try_from(partition).ok();
                    return desk.sends.push_front((content, partition));
                }
            }
        }
    }

    /// The next record and where it goes, once the partitions are known.
    fn next_record(&mut self, cx: &mut ClientCx<'_>) -> Option<(Content, usize)> {
        let desk = self.desk.as_mut().filter(|desk| !desk.sends.is_empty())?;
        let partitions = self.accumulator.partitions.len();
        if partitions == 0 {
            self.network.view.want_refresh();
            return None;
        }
        let (content, wanted) = desk.sends.pop_front()?;
        let hashed = content.record.key.as_ref().map(|key| murmur2(key) & 0x7fff_ffff);
        let at = wanted.or(hashed).map_or(desk.turn, |number| number as usize);
        if wanted.is_some_and(|wanted| wanted as usize >= partitions) {
            refuse(content.ask, Refusal::Misused("the topic has no such partition"), cx);
            return self.next_record(cx);
        }
        Some((content, at % partitions))
    }

    /// Begins and ends transactions as asked. When to come back, ns.
    pub(super) fn transact_by_hand(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let handed_over = self.desk.as_ref().is_none_or(|desk| desk.sends.is_empty());
        let Some(txn) = self.transactions.as_mut() else { return NEVER };
        let Some(calls) = txn.calls.as_deref_mut() else { return NEVER };
        if txn.stage == Stage::Ready
            && let Some(id) = calls.begin.take()
        {
            begin(txn, cx);
            answer(id, Answer::Done, cx);
        }
        let Some(txn) = self.transactions.as_mut() else { return NEVER };
        let end = txn.calls.as_ref().and_then(|calls| calls.end);
        if txn.stage == Stage::Open
            && let Some((_, commit)) = end
        {
            let commit = commit && !txn.is_spoilt;
            if handed_over || !commit {
                txn.stage = Stage::Ending { commit };
                self.flushing = true;
            }
        }
        self.commit_offsets(cx)
    }

    /// A transaction that is aborted takes nothing more in.
    pub(super) fn drop_unwanted_calls(&mut self, cx: &mut ClientCx<'_>) {
        if let Some(desk) = &mut self.desk {
            for (content, _) in desk.sends.drain(..) {
                let reason = FailReason::TransactionAborted;
                refuse(content.ask, Refusal::NotSent(reason), cx);
            }
        }
        let Some(calls) = self.calls_mut() else { return };
        // what is on its way is waited for
        let kept = usize::from(calls.group_asked);
        for offsets in calls.offsets.drain(kept..) {
            answer_offsets(offsets.ask, Answer::Refused(Refusal::Aborted), cx);
        }
    }

    /// AddOffsetsToTxn for the next group.
    pub(super) fn add_offsets_request(
        txn: &Transactions,
        producer: ProducerIdAndEpoch,
    ) -> Option<(TransactionCall, Request)> {
        let group = txn.calls.as_ref()?.group_to_add()?;
        let request = AddOffsetsToTxnRequest { transactional_id: txn.id(), producer, group };
        Some((TransactionCall::AddOffsets, Request::AddOffsetsToTxn(Box::new(request))))
    }

    /// The coordinator of the transaction knows of the group.
    pub(super) fn offsets_added(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        if !error.is_ok() {
            return self.coordinator_refused(error, cx);
        }
        if let Some(calls) = self.calls_mut()
            && let Some(next) = calls.offsets.iter_mut().find(|offsets| !offsets.is_added)
        {
            next.is_added = true;
        }
    }

    /// Sends the next positions to their group's coordinator. When to come back, ns.
    pub(super) fn commit_offsets(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(calls) = self.calls() else { return NEVER };
        let Some(next) = calls.offsets.front().filter(|next| next.is_added) else { return NEVER };
        if calls.group_asked || calls.group_retry_ns > cx.now_ns {
            return if calls.group_asked { NEVER } else { calls.group_retry_ns };
        }
        let group = Arc::clone(&next.group.group);
        let node = match self.group_coordinator(group, cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let held = self.idempotence.producer;
        let topic = self.network.view.topics().first().and_then(|topic| topic.id);
        let Some(txn) = self.transactions.as_mut() else { return NEVER };
        let (transactional_id, rules, number) = (txn.id(), txn.rules(), txn.number);
        let Some(calls) = txn.calls.as_deref_mut() else { return NEVER };
        let Some(next) = calls.offsets.front_mut() else { return NEVER };
        if next.offsets.is_empty() && next.ask.is_none() {
            let Some(topic) = topic else { return NEVER }; // metadata will tell
            next.offsets.push(CommittedOffset {
                tp: TopicPartition::new(topic, 0),
                offset: TransactionStep::position_of(number),
                leader_epoch: NO_EPOCH,
                metadata: None,
            });
        }
        let GroupMember { group, generation, member, instance } = next.group.clone();
        let request = TxnOffsetCommitRequest {
            transactional_id,
            rules,
            producer: ProducerIdAndEpoch { id: held.id, epoch: held.epoch },
            group,
            generation,
            member,
            instance,
            offsets: next.offsets.clone(),
        };
        calls.group_asked = true;
        txn.is_known = true;
        let call = Some(Call::Transaction(TransactionCall::CommitOffsets { number }));
        self.network.connections.send(node, Request::TxnOffsetCommit(Box::new(request)), call, cx);
        NEVER
    }

    fn group_coordinator(&mut self, group: Arc<str>, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        let known = self.calls().map(|calls| calls.group_coordinator);
        match known {
            Some(Coordinator::Known(node)) => {
                let ready = self.network.coordinator_ready(node, cx);
                return ready.unwrap_or_else(|| Err(self.lose_group_coordinator(cx.now_ns)));
            }
            Some(Coordinator::Unknown { retry_ns }) if retry_ns > cx.now_ns => {
                return Err(retry_ns);
            }
            Some(Coordinator::Unknown { .. }) => {}
            Some(Coordinator::Asked) | None => return Err(NEVER),
        }
        let node = self.network.any_ready(cx)?;
        let request = FindCoordinatorRequest { kind: CoordinatorKind::Group, keys: vec![group] };
        let call = Some(Call::Transaction(TransactionCall::FindGroup));
        self.network.connections.send(node, Request::FindCoordinator(request), call, cx);
        if let Some(calls) = self.calls_mut() {
            calls.group_coordinator = Coordinator::Asked;
        }
        Err(NEVER)
    }

    /// An answer about a group.
    pub(super) fn group_answered(
        &mut self,
        call: TransactionCall,
        response: &Response,
        cx: &mut ClientCx<'_>,
    ) {
        match (call, response) {
            (TransactionCall::FindGroup, Response::FindCoordinator(found)) => {
                let found = found.coordinators.first().filter(|found| found.error.is_ok());
                match (found.and_then(|found| found.node), self.calls_mut()) {
                    (Some(node), Some(calls)) => calls.group_coordinator = Coordinator::Known(node),
                    _ => {
                        self.lose_group_coordinator(cx.now_ns);
                    }
                }
            }
            (TransactionCall::CommitOffsets { number }, Response::TxnOffsetCommit(committed)) => {
                // an earlier transaction's, of a producer that has begun anew, says nothing of this one
                if self.transactions.as_ref().is_some_and(|txn| txn.number == number) {
                    self.offsets_committed(number, committed, cx);
                }
            }
            _ => debug_assert!(false, "an answer has its request's kind"),
        }
    }

    fn offsets_committed(
        &mut self,
        number: u64,
        committed: &TxnOffsetCommitResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let errors = committed.partitions.iter().map(|(_, error)| *error);
        let error = errors.into_iter().find(|error| !error.is_ok());
        let retry_ns = cx.now_ns + self.config.connection.retry_backoff_ns;
        let Some(calls) = self.calls_mut() else { return };
        calls.group_asked = false;
        let error = error.unwrap_or(ErrorCode::None);
        match error {
            ErrorCode::None => {
                if let Some(offsets) = calls.offsets.pop_front() {
                    let step = TransactionStep::Positioned { number };
                    if offsets.ask.is_none() {
                        cx.effects.outcomes.push(Outcome::Transaction(step));
                    }
                    answer_offsets(offsets.ask, Answer::Done, cx);
                }
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_group_coordinator(cx.now_ns);
            }
            ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::FencedInstanceId
            | ErrorCode::TransactionAbortable
            | ErrorCode::RebalanceInProgress => {
                if let Some(offsets) = calls.offsets.pop_front() {
                    let refused = Answer::Refused(Refusal::CommitFailed(error));
                    answer_offsets(offsets.ask, refused, cx);
                }
                self.spoil_transaction();
            }
            error if error.is_retriable() => calls.group_retry_ns = retry_ns,
            error => self.close(error, cx),
        }
    }

    /// The group's coordinator must be looked for; from when on, ns.
    fn lose_group_coordinator(&mut self, now_ns: u64) -> u64 {
        let retry_ns = now_ns + self.config.connection.retry_backoff_ns;
        if let Some(calls) = self.calls_mut() {
            calls.group_coordinator = Coordinator::Unknown { retry_ns };
        }
        retry_ns
    }

    /// A request about a group got no answer.
    pub(super) fn group_call_lost(&mut self, call: TransactionCall, now_ns: u64) {
        self.lose_group_coordinator(now_ns);
        let number = self.transactions.as_ref().map(|txn| txn.number);
        let is_current = |of: u64| number == Some(of);
        if let Some(calls) = self.calls_mut()
            && matches!(call, TransactionCall::CommitOffsets { number } if is_current(number))
        {
            calls.group_asked = false;
            calls.is_doubtful = true;
        }
    }

    /// The coordinator has given an epoch.
    pub(super) fn answer_init(&mut self, cx: &mut ClientCx<'_>) {
        let Some(calls) = self.calls_mut() else { return };
        calls.is_doubtful = false;
        if let Some(id) = calls.init.take() {
            answer(id, Answer::Done, cx);
        }
    }

    /// A transaction has ended.
    pub(super) fn answer_end(&mut self, committed: bool, cx: &mut ClientCx<'_>) {
        let Some((id, commit)) = self.calls_mut().and_then(|calls| calls.end.take()) else {
            return;
        };
        match commit == committed {
            true => answer(id, Answer::Done, cx),
            false => refuse(id, Refusal::Aborted, cx),
        }
    }

    /// A fatal error: every call ends with it, and those to come.
    #[cold]
    pub(super) fn refuse_all(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        let fenced = [ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch];
        let refusal = match fenced.contains(&error) {
            true => Refusal::Fenced,
            false => Refusal::Fatal(error),
        };
        let sends = self.desk.as_mut().map(|desk| std::mem::take(&mut desk.sends));
        let Some(calls) = self.calls_mut() else { return };
        calls.fatal = Some(refusal);
        calls.group_asked = false;
        let end = calls.end.take().map(|(id, _)| id);
        let mut ids: Vec<u64> =
            [calls.init.take(), calls.begin.take(), end].into_iter().flatten().collect();
        ids.extend(calls.offsets.drain(..).filter_map(|offsets| offsets.ask));
        ids.extend(sends.into_iter().flatten().map(|(content, _)| content.ask));
        for id in ids {
            refuse(id, refusal, cx);
        }
    }
}

/// A view of transactions and of the application's calls side by side.
struct ByHand<'a> {
    stage: &'a Stage,
    is_spoilt: &'a bool,
}

fn by_hand(txn: &mut Transactions) -> Option<(ByHand<'_>, &mut Calls)> {
    let calls = txn.calls.as_deref_mut()?;
    Some((ByHand { stage: &txn.stage, is_spoilt: &txn.is_spoilt }, calls))
}

/// Key, value and headers, and what a record needs besides, bytes.
fn bytes_of(record: &Record) -> u32 {
    let length = |bytes: Option<&bytes::Bytes>| bytes.map_or(0, bytes::Bytes::len);
    let headers = record
        .headers
        .iter()
        .map(|header| RECORD_EXTRA + header.key.len() + length(header.value.as_ref()));
    let total =
        length(record.key.as_ref()) + length(record.value.as_ref()) + headers.sum::<usize>();
    u32::try_from(total + RECORD_EXTRA).unwrap_or(u32::MAX)
}

impl ProducerBatch {
    /// The records section of an application's batch.
    pub(super) fn encode_contents(&self) -> bytes::Bytes {
        let mut out = bytes::BytesMut::new();
        for (delta, content) in (0..).zip(&self.contents) {
            let mut record = content.record.clone();
            record.offset_delta = delta;
            record.encode(&mut out);
        }
        out.freeze()
    }
}
