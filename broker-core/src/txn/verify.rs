//! KIP-890, first part: before a producer's transaction begins in a partition, the leader asks the
//! coordinator whether the partition is part of it. A late request of a transaction that is over
//! can then not begin one that nobody would end (TXN-01).
//!
//! Where each transaction has an epoch of its own (KIP-890, second part), the partition is added by the
//! same question, as producers do not do it; what is late has an older epoch than the log then knows.
//!
//! While it asks, markers and elections may come: what was asked before them is void. Where partitions
//! are added first, a producer of whom the log knows nothing may begin with any sequence; so the log
//! remembers the lowest one that was asked for (`log/awaited`), and nothing after it is let in before
//! it. With an epoch for each transaction such a producer begins with 0 (KAFKA-18202).

use super::TRANSACTIONS_TOPIC;
use super::coordinator::Cx;
use crate::error::ErrorCode;
use crate::group::partition_for;
use crate::ids::{CorrelationId, LeaderEpoch, NodeId, TopicPartition};
use crate::inspect::QuestionView;
use crate::metadata::MetadataImage;
use crate::protocol::{
    AddPartitionsToTxnRequest, ProducePartition, ProduceRequest, ProducerIdAndEpoch, Request,
    Response, TransactionRules, TransactionalProduceRequest, TxnOffsetCommitRequest, TxnPartitions,
};
use crate::seam::{Channel, PeerError, TimerKey, TraceEvent};
use crate::step::{Owner, ReplyTo};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pause before a coordinator is asked again that waits for markers, and how long that goes on
/// (`add.partitions.to.txn.retry.backoff.ms` and `.max.ms`).
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const BUSY_MAX: Duration = Duration::from_millis(100);

/// Questions under way.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    asked: BTreeMap<u64, Asked>,
    /// What is asked again, and when.
    later: Vec<(Instant, Asked)>,
}

#[derive(Debug)]
struct Asked {
    work: Work,
    producer: ProducerIdAndEpoch,
    guards: Vec<Guard>,
    /// Partitions that are not asked for, as their logs know a newer epoch of the producer.
    fenced: Vec<TopicPartition>,
    rules: TransactionRules,
    /// Since when.
    since: Instant,
}

/// What waits for the answer.
#[derive(Debug)]
enum Work {
    Produce(ReplyTo, Box<TransactionalProduceRequest>),
    Offsets(ReplyTo, Box<TxnOffsetCommitRequest>),
}

impl Work {
    fn transactional_id(&self) -> Arc<str> {
        match self {
            Self::Produce(_, request) => Arc::clone(&request.transactional_id),
            Self::Offsets(_, request) => Arc::clone(&request.transactional_id),
        }
    }
}

/// A partition that was asked for.
#[derive(Debug, Clone, Copy)]
struct Guard {
    tp: TopicPartition,
    epoch: LeaderEpoch,
    first_sequence: Option<i32>,
    /// A marker has been written meanwhile.
    is_void: bool,
}

/// What may go on.
#[derive(Debug)]
pub(crate) enum Verified {
    /// A produce, without these partitions.
    Produce(ReplyTo, ProduceRequest, Vec<(TopicPartition, ErrorCode)>),
    /// A commit of positions, or not.
    Offsets(ReplyTo, Box<TxnOffsetCommitRequest>, ErrorCode),
}

impl Verifier {
    /// A produce within a transaction; goes on at once if there is nothing to ask.
    pub(crate) fn produce(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: Box<TransactionalProduceRequest>,
    ) -> Option<Verified> {
        let mut producers = request.produce.partitions.iter().filter_map(producer_of);
        let first = producers.next();
        let Some(producer) = first.filter(|first| producers.all(|(other, _)| other == first.0))
        else {
            // without a transaction in it, or with those of several producers
            let error = ErrorCode::InvalidProducerIdMapping;
            let partitions = request.produce.partitions.iter().map(|p| (p.tp, error));
            let refused = if first.is_some() { partitions.collect() } else { Vec::new() };
            return Some(Verified::Produce(to, request.produce, refused));
        };
        let producer = producer.0;
        let rules = request.rules;
        if !asks(cx, rules) {
            return Some(Verified::Produce(to, request.produce, Vec::new()));
        }
        let (mut guards, mut fenced) = (Vec::new(), Vec::new());
        for data in &request.produce.partitions {
            let Some((_, sequence)) = producer_of(data) else { continue };
            match guard(cx, data.tp, producer, Some(sequence)) {
                Need::Nothing => {}
                Need::Question(guard) => guards.push(guard),
                Need::Newer => fenced.push(data.tp),
            }
        }
        if guards.is_empty() {
            let refused = fenced.into_iter().map(refused_as_fenced).collect();
            return Some(Verified::Produce(to, request.produce, refused));
        }
        for guard in &guards {
            note_sequence(cx, producer, guard);
        }
        let (work, since) = (Work::Produce(to, request), cx.step.now);
        self.ask(cx, Asked { work, producer, guards, fenced, rules, since })
    }

    /// A group's positions within a transaction.
    pub(crate) fn offsets(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        partition: TopicPartition,
        request: Box<TxnOffsetCommitRequest>,
    ) -> Option<Verified> {
        let producer = request.producer;
        let rules = request.rules;
        let need =
            if asks(cx, rules) { guard(cx, partition, producer, None) } else { Need::Nothing };
        let guards = match need {
            Need::Nothing => return Some(Verified::Offsets(to, request, ErrorCode::None)),
            Need::Newer => {
                let error = ErrorCode::InvalidProducerEpoch;
                return Some(Verified::Offsets(to, request, error));
            }
            Need::Question(guard) => vec![guard],
        };
        let (work, since) = (Work::Offsets(to, request), cx.step.now);
        let fenced = Vec::new();
        self.ask(cx, Asked { work, producer, guards, fenced, rules, since })
    }

    fn ask(&mut self, cx: &mut Cx<'_, '_>, asked: Asked) -> Option<Verified> {
        let id = asked.work.transactional_id();
        let Some(coordinator) = coordinator(cx.image, &id) else {
            return Some(outcome(cx, asked, |_| ErrorCode::CoordinatorNotAvailable));
        };
        let transaction = TxnPartitions {
            transactional_id: id,
            producer: asked.producer,
            verify_only: !asked.rules.has_epochs(),
            partitions: asked.guards.iter().map(|guard| guard.tp).collect(),
        };
        let transactions = vec![transaction];
        let request = AddPartitionsToTxnRequest { transactions, by_broker: true };
        let request = Request::AddPartitionsToTxn(request);
        let channel = Channel::Transactions;
        let timeout = cx.replicas.config.server.request_timeout;
        let sent = cx.step.send(Owner::Transactions, coordinator, channel, timeout, request);
        self.asked.insert(sent.0, asked);
        None
    }

    /// The coordinator answered, or did not.
    pub(crate) fn answered(
        &mut self,
        cx: &mut Cx<'_, '_>,
        id: CorrelationId,
        result: &Result<Response, PeerError>,
    ) -> Option<Verified> {
        let asked = self.asked.remove(&id.0)?;
        let outcomes: BTreeMap<TopicPartition, ErrorCode> = match result {
            Ok(Response::AddPartitionsToTxn(answer)) => {
                answer.transactions.iter().flat_map(|t| &t.partitions).copied().collect()
            }
            _ => BTreeMap::new(),
        };
        let is_busy = outcomes.values().any(|told| *told == ErrorCode::ConcurrentTransactions);
        if is_busy && asked.rules.has_epochs() && cx.step.now.since(asked.since) < BUSY_MAX {
            self.ask_later(cx, asked);
            return None;
        }
        // whoever commits positions need not look for its group's coordinator anew, as that is this broker
        // (`CoordinatorOperationExceptionHelper` of a `NETWORK_EXCEPTION`)
        Some(outcome(cx, asked, |tp| {
            outcomes.get(&tp).copied().unwrap_or(ErrorCode::CoordinatorLoadInProgress)
        }))
    }

    /// The transaction before is about to end; producers wait longer before they try again.
    fn ask_later(&mut self, cx: &mut Cx<'_, '_>, asked: Asked) {
        let at = cx.step.now + BUSY_PAUSE;
        self.later.push((at, asked));
        cx.step.timer(at, TimerKey::TxnAdditions);
    }

    /// Requests that wait for what a coordinator says, for checkers: those of producers, and those about positions.
    pub(crate) fn answers_owed(&self) -> (usize, usize) {
        let all = self.asked.values().chain(self.later.iter().map(|(_, asked)| asked));
        let produces = all.clone().filter(|asked| matches!(asked.work, Work::Produce(..))).count();
        (produces, all.count() - produces)
    }

    /// Questions under way whose answers still count, for checkers.
    pub(crate) fn open_questions(&self) -> impl Iterator<Item = QuestionView> {
        let all = self.asked.values().chain(self.later.iter().map(|(_, asked)| asked));
        all.flat_map(|asked| {
            let (producer, is_epoch_each) = (asked.producer, asked.rules.has_epochs());
            let open = asked.guards.iter().filter(|guard| !guard.is_void);
            open.map(move |guard| QuestionView { tp: guard.tp, producer, is_epoch_each })
        })
    }

    /// When the first of the questions that are asked again is due, for checkers.
    pub(crate) fn asks_again_at(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    /// Requests that wait until a busy coordinator is asked again, in the order in which they have begun to; for
    /// checkers.
    pub(crate) fn put_off(&self) -> impl Iterator<Item = ReplyTo> {
        self.later.iter().map(|(_, asked)| match &asked.work {
            Work::Produce(to, _) | Work::Offsets(to, _) => *to,
        })
    }

    /// Timer: asks again. Returns what can go on without an answer.
    pub(crate) fn additions_due(&mut self, cx: &mut Cx<'_, '_>) -> Vec<Verified> {
        let now = cx.step.now;
        let (due, later) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Asked)> = due;
        due.into_iter().filter_map(|(_, asked)| self.ask(cx, asked)).collect()
    }

    /// A transaction ends in a partition: what was asked within it is void, by whatever version of the
    /// request, as a client may mix them. Where `rules` give each transaction an epoch, the marker has
    /// the next one's: what is asked in that is of the next transaction.
    pub(crate) fn marker_written(
        &mut self,
        tp: TopicPartition,
        producer: ProducerIdAndEpoch,
        rules: TransactionRules,
    ) {
        let is_of_next = |epoch: i16| match rules.has_epochs() {
            true => epoch >= producer.epoch,
            false => epoch > producer.epoch,
        };
        let waiting = self.asked.values_mut().chain(self.later.iter_mut().map(|(_, asked)| asked));
        // what is asked in an older epoch, with an epoch each, the log itself fences
        let is_late = |asked: &&mut Asked| {
            asked.producer.id == producer.id
                && !is_of_next(asked.producer.epoch)
                && (asked.producer.epoch == producer.epoch || !asked.rules.has_epochs())
        };
        for asked in waiting.filter(is_late) {
            for guard in asked.guards.iter_mut().filter(|guard| guard.tp == tp) {
                guard.is_void = true;
            }
        }
    }
}

/// What may go on by what the coordinator has told.
fn outcome(
    cx: &mut Cx<'_, '_>,
    asked: Asked,
    told: impl Fn(TopicPartition) -> ErrorCode,
) -> Verified {
    let Asked { work, producer, guards, fenced, rules, .. } = asked;
    let errors: Vec<_> = guards
        .iter()
        .map(|guard| (guard.tp, check(cx, (producer, rules), guard, told(guard.tp))))
        .filter(|(_, error)| !error.is_ok())
        .collect();
    if !errors.is_empty() {
        cx.step.trace(TraceEvent::Mark("transaction-not-verified"));
    }
    match work {
        Work::Produce(to, request) => {
            let unasked = unasked(&request.produce, &guards).filter(|tp| !fenced.contains(tp));
            let over = unasked.filter(|tp| is_over(cx, *tp, producer));
            let over = over.map(|tp| (tp, ErrorCode::InvalidTxnState));
            let retriable = |(tp, error)| (tp, produce_error(error, rules));
            let fenced = fenced.iter().copied().map(refused_as_fenced);
            let refused = errors.into_iter().map(retriable).chain(over).chain(fenced).collect();
            Verified::Produce(to, request.produce, refused)
        }
        Work::Offsets(to, request) => {
            let error = match errors.first() {
                Some((_, ErrorCode::NotLeaderOrFollower)) => ErrorCode::NotCoordinator,
                Some((_, error)) => *error,
                None => ErrorCode::None,
            };
            Verified::Offsets(to, request, error)
        }
    }
}

fn check(
    cx: &Cx<'_, '_>,
    (producer, rules): (ProducerIdAndEpoch, TransactionRules),
    guard: &Guard,
    told: ErrorCode,
) -> ErrorCode {
    match told {
        ErrorCode::None => {}
        // a producer knows this error from its leaders
        ErrorCode::ProducerFenced => return ErrorCode::InvalidProducerEpoch,
        error => return error,
    }
    let led = cx.replicas.find(guard.tp).filter(|partition| partition.is_leader());
    let Some(led) = led.filter(|partition| partition.leader_epoch == guard.epoch) else {
        return ErrorCode::NotLeaderOrFollower;
    };
    if guard.is_void {
        return ErrorCode::InvalidTxnState;
    }
    let is_unknown = led.log.producer_epoch(producer.id).is_none();
    match guard.first_sequence {
        // what is missing before it may have been refused by another leader (KAFKA-18202)
        Some(first) if rules.has_epochs() && is_unknown && first != 0 => {
            ErrorCode::OutOfOrderSequenceNumber
        }
        Some(first) if led.log.awaits_before(producer, first) => {
            ErrorCode::OutOfOrderSequenceNumber
        }
        _ => ErrorCode::None,
    }
}

/// Whatever becomes of the question, what is behind this sequence has to wait for it.
fn note_sequence(cx: &mut Cx<'_, '_>, producer: ProducerIdAndEpoch, guard: &Guard) {
    let Some(sequence) = guard.first_sequence else { return };
    let Some(slot) = cx.replicas.slot(guard.tp) else { return };
    let Some(partition) = cx.replicas.partition_mut(slot) else { return };
    partition.log.await_sequence(producer, sequence, cx.step.wall_ms);
}

/// Whether the coordinator is asked at all.
fn asks(cx: &Cx<'_, '_>, rules: TransactionRules) -> bool {
    rules.has_epochs() || cx.replicas.config.server.transaction_partition_verification
}

/// Producer and first sequence of a transaction's batch.
fn producer_of(data: &ProducePartition) -> Option<(ProducerIdAndEpoch, i32)> {
    let header = data.records.batches().first()?.header;
    let producer = ProducerIdAndEpoch { id: header.producer_id, epoch: header.producer_epoch };
    header.is_transactional().then_some((producer, header.base_sequence))
}

/// Partitions of a transaction that needed no question when the others were asked for.
fn unasked<'a>(
    produce: &'a ProduceRequest,
    guards: &'a [Guard],
) -> impl Iterator<Item = TopicPartition> + 'a {
    let transactional = produce.partitions.iter().filter(|data| producer_of(data).is_some());
    transactional.map(|data| data.tp).filter(|tp| guards.iter().all(|guard| guard.tp != *tp))
}

/// Whether a transaction that was open when others were asked for has ended since: its batch must
/// not begin another one.
fn is_over(cx: &Cx<'_, '_>, tp: TopicPartition, producer: ProducerIdAndEpoch) -> bool {
    let led = cx.replicas.find(tp).filter(|partition| partition.is_leader());
    led.is_some_and(|led| !led.log.has_open_transaction(producer.id, producer.epoch))
}

/// What a partition needs before a batch of a transaction is written there.
#[derive(Debug)]
enum Need {
    /// Its transaction is open, or the partition is led elsewhere.
    Nothing,
    /// The coordinator is asked.
    Question(Guard),
    /// Nobody is asked: the log knows a newer epoch of the producer (KAFKA-18042).
    Newer,
}

/// How a partition is refused whose log knows a newer epoch of the producer.
const fn refused_as_fenced(tp: TopicPartition) -> (TopicPartition, ErrorCode) {
    (tp, ErrorCode::InvalidProducerEpoch)
}

fn guard(
    cx: &Cx<'_, '_>,
    tp: TopicPartition,
    producer: ProducerIdAndEpoch,
    first_sequence: Option<i32>,
) -> Need {
    let led = cx.replicas.find(tp).filter(|partition| partition.is_leader());
    let Some(led) = led else { return Need::Nothing };
    if led.log.has_open_transaction(producer.id, producer.epoch) {
        return Need::Nothing;
    }
    if led.log.producer_epoch(producer.id).is_some_and(|known| known > producer.epoch) {
        return Need::Newer;
    }
    Need::Question(Guard { tp, epoch: led.leader_epoch, first_sequence, is_void: false })
}

/// Leader of a transactional id's partition.
pub(crate) fn coordinator(image: &MetadataImage, id: &str) -> Option<NodeId> {
    let topic = image.topic_named(TRANSACTIONS_TOPIC)?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    topic.partitions.get(usize::try_from(partition_for(id, count)).ok()?)?.leader
}

/// Producers try again after this error, old ones included. Those with an epoch each know that the transaction before
/// may be about to end.
fn produce_error(error: ErrorCode, rules: TransactionRules) -> ErrorCode {
    match error {
        ErrorCode::ConcurrentTransactions if rules.has_epochs() => error,
        ErrorCode::ConcurrentTransactions
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        other => other,
    }
}
