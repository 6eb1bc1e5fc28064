//! The coordinator of a broker: transactional ids whose `__transaction_state` partition it leads.

use super::markers::Markers;
use super::partitions::Additions;
use super::state::{Transaction, Values};
use super::{COORDINATOR_TOKEN, TRANSACTIONS_TOPIC, codec};
use crate::config::NodeConfig;
use crate::error::ErrorCode;
use crate::failed_loads::FailedLoads;
use crate::group::partition_for;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};
use crate::metadata::MetadataImage;
use crate::protocol::{
    Acks, AddOffsetsToTxnResponse, EndTxnResponse, InitProducerIdResponse, ProducePartition,
    ProduceRequest, Response, TransactionRules, TxnPartitionsResult,
};
use crate::records::{Batch, Record, Records};
use crate::replica::{AppendOrigin, ProduceOutcome, ReplicaManager};
use crate::step::{ReplyTo, Step};
use crate::time::Duration;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `request.timeout.ms`, which Kafka gives appends to `__transaction_state`.
const APPEND_TIMEOUT_MS: i32 = 30_000;

/// What the coordinator works with in a step.
#[derive(Debug)]
pub(crate) struct Cx<'a, 's> {
    pub(crate) step: &'a mut Step<'s>,
    pub(crate) replicas: &'a mut ReplicaManager,
    pub(crate) image: &'a MetadataImage,
}

/// Limits from server.properties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout_ms_max: i32,
    pub(super) timeout_check: Duration,
    pub(super) expiration_ms: i64,
    pub(super) expiration_check: Duration,
    /// Of an id that nobody has used.
    pub(super) first_epoch: i16,
}

/// The coordinator of a broker.
#[derive(Debug)]
pub(crate) struct TransactionCoordinator {
    pub(super) partitions: BTreeMap<i32, LogPartition>,
    pub(super) loads: FxHashMap<u64, (i32, LeaderEpoch)>,
    /// Loads that wait for appends of the leadership before, which the disk has not confirmed.
    pub(super) stalled: Vec<i32>,
    /// Loads whose read has failed.
    pub(super) failed_loads: FailedLoads,
    pub(super) markers: Markers,
    pub(super) additions: Additions,
    pub(super) limits: Limits,
    pub(super) timeouts: super::timeouts::Timeouts,
    writes: BTreeMap<u64, Write>,
    next_token: u64,
}

/// One led partition of `__transaction_state`.
#[derive(Debug)]
pub(super) struct LogPartition {
    pub(super) tp: TopicPartition,
    pub(super) epoch: LeaderEpoch,
    /// Next offset to load; `None` when loaded.
    pub(super) loading: Option<Offset>,
    pub(super) transactions: BTreeMap<Arc<str>, Transaction>,
}

/// An append under way.
#[derive(Debug)]
struct Write {
    partition: i32,
    epoch: LeaderEpoch,
    id: Arc<str>,
    /// `None`: a tombstone.
    values: Option<Values>,
    then: Then,
}

/// What follows when the log has a change.
#[derive(Debug)]
pub(super) enum Then {
    /// A producer's session has begun.
    Begun(ReplyTo),
    /// Partitions are part of the transaction.
    Added { request: u64, index: usize, result: TxnPartitionsResult },
    /// So is the partition of a group's positions.
    AddedOffsets(ReplyTo),
    /// The end is decided.
    Ended(ReplyTo, TransactionRules),
    /// An abort is decided that no request of the transaction's producer asked for; perhaps one of
    /// its successor did.
    Fenced(Option<ReplyTo>),
    /// The transaction is over.
    Completed,
    /// Nobody used the id.
    Forgotten,
}

impl TransactionCoordinator {
    pub(crate) fn new(config: &NodeConfig) -> Self {
        let server = &config.server;
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self {
            partitions: BTreeMap::new(),
            loads: FxHashMap::default(),
            stalled: Vec::new(),
            failed_loads: FailedLoads::default(),
            markers: Markers::default(),
            additions: Additions::default(),
            limits: Limits {
                timeout_ms_max: server.transaction_max_timeout_ms,
                timeout_check: server.transaction_timeout_check_interval,
                expiration_ms: millis(server.transactional_id_expiration),
                expiration_check: server.transactional_id_expiration_check_interval,
                first_epoch: config.first_producer_epoch,
            },
            timeouts: super::timeouts::Timeouts::default(),
            writes: BTreeMap::new(),
            next_token: 0,
        }
    }

    /// Partition of a transactional id that this broker coordinates and has read.
    pub(super) fn ready(&self, image: &MetadataImage, id: &str) -> Result<i32, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let topic = image.topic_named(TRANSACTIONS_TOPIC);
        let topic = topic.ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let index = partition_for(id, count);
        let partition = self.partitions.get(&index).ok_or(ErrorCode::NotCoordinator)?;
        if partition.loading.is_some() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        Ok(index)
    }

    /// A transaction that has been found with [`Self::ready`].
    pub(super) fn find(&mut self, partition: i32, id: &str) -> Option<&mut Transaction> {
        self.partitions.get_mut(&partition)?.transactions.get_mut(id)
    }

    /// A transactional id that somebody uses, for requests of its producer.
    pub(super) fn known(
        &mut self,
        image: &MetadataImage,
        id: &str,
    ) -> Result<(i32, &mut Transaction), ErrorCode> {
        let partition = self.ready(image, id)?;
        let transaction = self.find(partition, id);
        Ok((partition, transaction.ok_or(ErrorCode::InvalidProducerIdMapping)?))
    }

    /// Appends a change with `acks=all`; the outcome comes with the step's other outcomes.
    pub(super) fn write(
        &mut self,
        cx: &mut Cx<'_, '_>,
        partition: i32,
        id: &Arc<str>,
        values: Option<Values>,
        then: Then,
    ) {
        let Some(LogPartition { tp, epoch, .. }) = self.partitions.get(&partition) else { return };
        let (tp, epoch) = (*tp, *epoch);
        let value = values
            .as_ref()
            .map(|values| codec::encode_value(values, codec::value_version(cx.image, values)));
        let record = Record::new(Some(codec::encode_key(id)), value);
        let batch = Batch::build(cx.step.wall_ms, &mut [record]);
        self.next_token += 1;
        let token = COORDINATOR_TOKEN | self.next_token;
        let write = Write { partition, epoch, id: Arc::clone(id), values, then };
        self.writes.insert(token, write);
        let request = ProduceRequest {
            acks: Acks::All,
            timeout_ms: APPEND_TIMEOUT_MS,
            partitions: vec![ProducePartition { tp, records: Records::single(Arc::new(batch)) }],
        };
        cx.replicas.produce(cx.step, AppendOrigin::Coordinator(token), request);
    }

    /// An append is replicated, or failed.
    pub(crate) fn append_done(&mut self, cx: &mut Cx<'_, '_>, outcome: ProduceOutcome) {
        let Some(write) = self.writes.remove(&outcome.token) else { return };
        let Write { partition, epoch, id, values, then } = write;
        let is_here = self.partitions.get(&partition).is_some_and(|p| p.epoch == epoch);
        let error =
            if is_here { outcome.error.told_by_coordinator() } else { ErrorCode::NotCoordinator };
        if is_here && let Some(transaction) = self.find(partition, &id) {
            match values.clone() {
                Some(values) if error.is_ok() => transaction.apply(values),
                _ => transaction.give_up(),
            }
        }
        self.follow(cx, (partition, &id), error, values, then);
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_, '_>,
        (partition, id): (i32, &Arc<str>),
        error: ErrorCode,
        values: Option<Values>,
        then: Then,
    ) {
        match (then, values) {
            (Then::Begun(to), values) => {
                let producer = values.filter(|_| error.is_ok()).map(|values| values.producer);
                let producer = producer.unwrap_or(super::state::NOBODY);
                let (producer_id, producer_epoch) = (producer.id, producer.epoch);
                let response = InitProducerIdResponse { error, producer_id, producer_epoch };
                cx.step.reply(to, Response::InitProducerId(response));
            }
            (Then::Added { request, index, mut result }, _) => {
                result.partitions.iter_mut().for_each(|(_, outcome)| *outcome = error);
                self.additions.settle(cx.step, request, index, result);
            }
            (Then::AddedOffsets(to), _) => {
                let response = Response::AddOffsetsToTxn(AddOffsetsToTxnResponse { error });
                cx.step.reply(to, response);
            }
            (Then::Ended(to, rules), values) => {
                let tells = error.is_ok() && rules.has_epochs();
                let producer = values.as_ref().filter(|_| tells).map(Values::next_producer);
                cx.step.reply(to, Response::EndTxn(EndTxnResponse { error, producer }));
                self.end_decided(cx, partition, id, error, values);
            }
            (Then::Fenced(to), values) => {
                if let Some(to) = to {
                    let told =
                        if error.is_ok() { ErrorCode::ConcurrentTransactions } else { error };
                    super::init::refuse(cx.step, to, told);
                }
                self.end_decided(cx, partition, id, error, values);
            }
            (Then::Completed, _) => {
                if error == ErrorCode::CoordinatorNotAvailable {
                    self.markers.complete_later(cx.step, partition, id);
                }
            }
            (Then::Forgotten, _) => {
                if error.is_ok()
                    && let Some(state) = self.partitions.get_mut(&partition)
                {
                    state.transactions.remove(id);
                }
            }
        }
    }

    fn end_decided(
        &mut self,
        cx: &mut Cx<'_, '_>,
        partition: i32,
        id: &Arc<str>,
        error: ErrorCode,
        values: Option<Values>,
    ) {
        if let Some(values) = values.filter(|_| error.is_ok()) {
            self.send_markers(cx, partition, id, &values);
        }
    }

    /// Requests that wait for what the log takes, for checkers.
    pub(crate) fn answers_owed(&self) -> usize {
        // those that add partitions are known as such
        let waits = |write: &&Write| {
            let then = &write.then;
            matches!(then, Then::Begun(_) | Then::AddedOffsets(_) | Then::Ended(..))
                || matches!(then, Then::Fenced(Some(_)))
        };
        self.writes.values().filter(waits).count() + self.additions.answers_owed()
    }

    /// Appends under way that are none of the open ones, for checkers.
    pub(crate) fn lost_writes(&self, open: &BTreeSet<u64>) -> usize {
        self.writes.keys().filter(|token| !open.contains(*token)).count()
    }

    /// Transactional ids that wait for an append that is not under way, or do not wait for one that is; for checkers.
    pub(crate) fn stuck_changes(&self) -> usize {
        let is_written = |partition: i32, epoch: LeaderEpoch, id: &Arc<str>| {
            let is_its = |write: &Write| (write.partition, write.epoch) == (partition, epoch);
            self.writes.values().any(|write| is_its(write) && write.id == *id)
        };
        let mut stuck = 0;
        for (partition, state) in &self.partitions {
            let ids = state.transactions.iter();
            let ids =
                ids.filter(|&(id, of)| of.is_changing != is_written(*partition, state.epoch, id));
            stuck += ids.count();
        }
        stuck
    }

    /// After every input: goes on with loads that had to wait.
    pub(crate) fn has_stalled_loads(&self) -> bool {
        !self.stalled.is_empty()
    }
}
