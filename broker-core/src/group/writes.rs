//! Appends to `__consumer_offsets`: what waits for each of them.
//!
//! Nobody waits longer than `offsets.commit.timeout.ms`. What the log has taken counts all the same when it
//! is confirmed later, as whoever loads the log would find it.

use super::admin::Deletion;
use super::coordinator::Place;
use super::membership::Then;
use super::positions::Commit;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NO_OFFSET, TopicPartition};
use crate::plant::{Plant, planted};
use crate::protocol::{Acks, ProducePartition, ProduceRequest, ProducerIdAndEpoch};
use crate::records::{BATCH_OVERHEAD, Batch, Record, Records};
use crate::replica::{AppendOrigin, ReplicaManager};
use crate::step::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `offsets.commit.timeout.ms`.
const COMMIT_TIMEOUT_MS: i32 = 5000;

/// Bytes by which a record grows at most when it gets its place in a batch.
const OFFSET_DELTA_BYTES: usize = 4;

/// What an append is for.
#[derive(Debug)]
pub(super) enum Write {
    /// Changes of a group in the consumer protocol.
    Consumers { group: Arc<str> },
    /// Members of a group.
    Members { group: Arc<str>, then: Then },
    /// Positions.
    Positions(Commit),
    /// Tombstones.
    Deletion(Deletion),
}

/// An append under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) partition: i32,
    pub(super) epoch: LeaderEpoch,
    pub(super) write: Write,
}

impl Pending {
    fn commit(&self) -> Option<&Commit> {
        match &self.write {
            Write::Positions(commit) => Some(commit),
            Write::Members { .. } | Write::Consumers { .. } | Write::Deletion(_) => None,
        }
    }

    /// Whether somebody waits for it, for checkers. Producers that commit positions are left out, and so are members
    /// in the consumer protocol, whose groups know.
    fn owes_answer(&self) -> bool {
        match &self.write {
            Write::Consumers { .. } => false,
            Write::Members { then, .. } => matches!(then, Then::Replace(_)),
            Write::Positions(commit) => commit.owes_answer(),
            Write::Deletion(deletion) => deletion.owes_answer(),
        }
    }
}

/// All appends under way, by token.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pending: BTreeMap<u64, Pending>,
    next_token: u64,
}

impl Writes {
    /// Appends records with `acks=all`; the outcome comes with the step's other outcomes.
    pub(super) fn append(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        (tp, epoch): Place,
        mut records: Vec<Record>,
        write: Write,
    ) {
        let batch = Batch::build(step.wall_ms, &mut records);
        self.append_batch(step, replicas, (tp, epoch), batch, write);
    }

    /// The same, within a transaction.
    pub(super) fn append_in_transaction(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        place: Place,
        producer: ProducerIdAndEpoch,
        mut records: Vec<Record>,
        write: Write,
    ) {
        let mut batch = Batch::build(step.wall_ms, &mut records);
        batch.header = batch.header.as_transactional();
        batch.header.producer_id = producer.id;
        batch.header.producer_epoch = producer.epoch;
        self.append_batch(step, replicas, place, batch, write);
    }

    fn append_batch(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        (tp, epoch): Place,
        batch: Batch,
        mut write: Write,
    ) {
        if let Write::Positions(commit) = &mut write {
            let next = replicas.find(tp).map(|partition| partition.log.next_offset());
            commit.begins_at(next.unwrap_or(NO_OFFSET));
        }
        let early = planted(replicas.config.plant, Plant::CommitNotReplicated);
        self.next_token += 1;
        self.pending.insert(self.next_token, Pending { partition: tp.partition, epoch, write });
        let request = ProduceRequest {
            acks: if early { Acks::Leader } else { Acks::All },
            timeout_ms: COMMIT_TIMEOUT_MS,
            partitions: vec![ProducePartition { tp, records: Records::single(Arc::new(batch)) }],
        };
        replicas.produce(step, AppendOrigin::Coordinator(self.next_token), request);
    }

    /// Appends changes of a group in the consumer protocol. The token is that of the outcome, which
    /// comes later.
    ///
    /// # Errors
    /// The log did not take them, for members to be told.
    pub(super) fn append_consumers(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        place: Place,
        group: &Arc<str>,
        records: Vec<Record>,
    ) -> Result<u64, ErrorCode> {
        let write = Write::Consumers { group: Arc::clone(group) };
        self.append(step, replicas, place, records, write);
        let token = self.next_token;
        match replicas.take_refusal(token) {
            None => Ok(token),
            Some(error) => {
                self.pending.remove(&token);
                Err(error.told_by_coordinator())
            }
        }
    }

    pub(super) fn take(&mut self, token: u64) -> Option<Pending> {
        self.pending.remove(&token)
    }

    /// Appends under way that are none of the open ones, for checkers.
    pub(super) fn lost(&self, open: &BTreeSet<u64>) -> usize {
        self.pending.keys().filter(|token| !open.contains(*token)).count()
    }

    /// Answers that wait for one of these appends, for checkers.
    pub(super) fn answers_owed(&self) -> usize {
        self.pending.values().filter(|pending| pending.owes_answer()).count()
    }

    /// Producers that commit positions and are not answered, for checkers.
    pub(super) fn producers_owed(&self) -> usize {
        let waits = |pending: &&Pending| match &pending.write {
            Write::Positions(commit) => commit.owes_producer(),
            Write::Members { .. } | Write::Consumers { .. } | Write::Deletion(_) => false,
        };
        self.pending.values().filter(waits).count()
    }

    /// Those of them that wait for one of these appends, for checkers.
    pub(super) fn late_answers(&self, overdue: &BTreeSet<u64>) -> usize {
        let late = overdue.iter().filter_map(|token| self.pending.get(token));
        late.filter(|pending| pending.owes_answer()).count()
    }

    /// Whether a group is being deleted, for checkers.
    pub(super) fn deletes(&self, group: &str) -> bool {
        self.pending.values().any(|pending| match &pending.write {
            Write::Deletion(Deletion::Group { group: of, .. }) => **of == *group,
            Write::Deletion(_)
            | Write::Consumers { .. }
            | Write::Members { .. }
            | Write::Positions(_) => false,
        })
    }

    /// Whether something is being written to a partition, for checkers.
    pub(super) fn has_any_of(&self, partition: i32) -> bool {
        self.pending.values().any(|pending| pending.partition == partition)
    }

    /// It takes too long, and goes on waiting.
    pub(super) fn put_back(&mut self, token: u64, pending: Pending) {
        self.pending.insert(token, pending);
    }

    /// Commits of a group that the log may have soon, or has and has not confirmed.
    pub(super) fn commits_of(&self, group: &Arc<str>) -> impl Iterator<Item = &Commit> {
        self.pending.values().filter_map(Pending::commit).filter(move |of| of.group == *group)
    }

    /// Those to a partition in an epoch.
    pub(super) fn commits_to(&self, (tp, epoch): Place) -> impl Iterator<Item = &Commit> {
        let all = self.pending.values();
        let there = all.filter(move |of| (of.partition, of.epoch) == (tp.partition, epoch));
        there.filter_map(Pending::commit)
    }
}

/// Records that need not be written together in as many batches as they need (Kafka's `CoordinatorResult.isAtomic`),
/// none of them above `bytes_max` where a single record is not.
pub(super) fn in_batches(records: Vec<Record>, bytes_max: u32) -> Vec<Vec<Record>> {
    let (empty, bytes_max) = (BATCH_OVERHEAD as usize, bytes_max as usize);
    let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), empty);
    for record in records {
        let size = record.size_bytes() + OFFSET_DELTA_BYTES;
        if bytes + size > bytes_max && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = empty;
        }
        bytes += size;
        batch.push(record);
    }
    batches.push(batch);
    batches
}

/// `max.message.bytes` of a coordinator's partition.
pub(super) fn batch_bytes_max(replicas: &ReplicaManager, tp: TopicPartition) -> u32 {
    replicas.find(tp).map_or(u32::MAX, |partition| partition.log.config().max_message_bytes)
}

/// What a client is told of a commit's or deletion's failed append.
pub(super) fn commit_error(error: ErrorCode) -> ErrorCode {
    match error {
        // of a transaction
        ErrorCode::InvalidProducerEpoch | ErrorCode::InvalidTxnState => error,
        _ => error.told_by_coordinator(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_need_not_be_written_together_is_written_in_batches_that_the_log_takes() {
        let key = |n: u8| Some(bytes::Bytes::from(vec![n; 20]));
        let records: Vec<Record> = (0..200).map(|n| Record::new(key(n), None)).collect();
        let batches = in_batches(records.clone(), 1000);
        assert!(batches.len() > 1);
        let sizes = batches.iter().map(|batch| Batch::build(0, &mut batch.clone()).size_bytes());
        assert!(sizes.clone().all(|bytes| bytes <= 1000), "{:?}", sizes.collect::<Vec<_>>());
        assert_eq!(batches.concat(), records);
        assert_eq!(in_batches(records.clone(), u32::MAX), vec![records.clone()]);
        assert_eq!(in_batches(records, 10).len(), 200, "a record is not divided");
    }

    /// So in Kafka's `CoordinatorOperationExceptionHelper`.
    #[test]
    fn clients_are_told_what_they_can_make_something_of() {
        use ErrorCode::{CoordinatorNotAvailable, NotCoordinator, UnknownServerError};
        for (error, told) in [
            (ErrorCode::NotEnoughReplicas, CoordinatorNotAvailable),
            (ErrorCode::UnknownTopicOrPartition, CoordinatorNotAvailable),
            (ErrorCode::RequestTimedOut, CoordinatorNotAvailable),
            (ErrorCode::NotLeaderOrFollower, NotCoordinator),
            (ErrorCode::KafkaStorageError, NotCoordinator),
            (ErrorCode::MessageTooLarge, UnknownServerError),
            (ErrorCode::RecordListTooLarge, UnknownServerError),
        ] {
            let of_both = (commit_error(error), error.told_by_coordinator());
            assert_eq!(of_both, (told, told), "{error:?}");
        }
        let of_transaction = ErrorCode::InvalidProducerEpoch;
        assert_eq!(commit_error(of_transaction), of_transaction);
    }
}
