//! Appends: Produce as a leader, and the completion of every append at the disk.

use super::maintenance::Durable;
use super::partition::AckWaiter;
use super::purgatory::DelayedProduce;
use super::{ReplicaManager, deadline, is_internal};
use crate::error::ErrorCode;
use crate::ids::{DiskOpId, NO_OFFSET, Offset, TopicPartition};
use crate::log::{AppendContext, AppendError, Appended, Origin};
use crate::plant::{Plant, planted};
use crate::protocol::{
    Acks, LeaderAndEpoch, ProducePartition, ProducePartitionResponse, ProduceRequest,
};
use crate::records::Records;
use crate::seam::{DiskError, DiskOpKind, DiskResult, Exit, TraceEvent};
use crate::step::{Owner, ReplyTo, Step};
use std::sync::Arc;

/// Who appends as a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendOrigin {
    /// A client's Produce.
    Client(ReplyTo),
    /// The group coordinator; the number is given back in the outcome.
    Coordinator(u64),
}

/// End of a coordinator's append, or what comes before it: that the append takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProduceOutcome {
    /// As given in [`AppendOrigin::Coordinator`].
    pub(crate) token: u64,
    /// Outcome.
    pub(crate) error: ErrorCode,
    /// Only the time is over: the log keeps the records, and how they end follows.
    pub(crate) is_overdue: bool,
}

/// An append at the disk.
#[derive(Debug)]
pub(super) struct PendingAppend {
    slot: u32,
    tp: TopicPartition,
    number: u64,
    bytes: u32,
    records: Records,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// Part of a delayed produce.
    Produce { produce: u64, index: u32 },
    /// Part of a follower's fetch.
    Follow { fetcher: u32, leader_high_watermark: Offset },
}

impl PendingAppend {
    /// The part of a produce that waits for it, for checkers.
    pub(super) fn produce(&self) -> Option<(u64, u32)> {
        match self.then {
            Then::Produce { produce, index } => Some((produce, index)),
            Then::Follow { .. } => None,
        }
    }
}

impl ReplicaManager {
    /// Appends a request's records to partitions led here; the answer follows when `acks` says.
    pub(crate) fn produce(
        &mut self,
        step: &mut Step<'_>,
        origin: AppendOrigin,
        request: ProduceRequest,
    ) {
        self.produce_verified(step, origin, request, &[]);
    }

    /// The same without the partitions that the transaction coordinator has refused.
    pub(crate) fn produce_verified(
        &mut self,
        step: &mut Step<'_>,
        origin: AppendOrigin,
        request: ProduceRequest,
        refused: &[(TopicPartition, ErrorCode)],
    ) {
        step.effects.work.produce_partitions +=
            u32::try_from(request.partitions.len()).unwrap_or(u32::MAX);
        let acks = if planted(self.config.plant, Plant::AckBeforeReplication) {
            request.acks.min_leader()
        } else {
            request.acks
        };
        let produce = self.purgatory.open(DelayedProduce::new(
            origin,
            acks,
            deadline(step.now, request.timeout_ms),
            request.partitions.len(),
        ));
        if request.partitions.len() > 1
            && super::has_duplicates(request.partitions.iter().map(|p| p.tp))
        {
            for (index, partition) in (0u32..).zip(&request.partitions) {
                let refused =
                    ProducePartitionResponse::refused(partition.tp, ErrorCode::InvalidRequest);
                self.purgatory.settle(produce, index, refused);
            }
        } else {
            for (index, partition) in (0u32..).zip(request.partitions) {
                match refused.iter().find(|(tp, _)| *tp == partition.tp) {
                    Some((tp, error)) => {
                        let answer = ProducePartitionResponse::refused(*tp, *error);
                        self.purgatory.settle(produce, index, answer);
                    }
                    None => self.produce_partition(step, origin, acks, produce, index, partition),
                }
            }
        }
        self.finish_produce(step, produce);
    }

    fn produce_partition(
        &mut self,
        step: &mut Step<'_>,
        origin: AppendOrigin,
        acks: Acks,
        produce: u64,
        index: u32,
        data: ProducePartition,
    ) {
        let tp = data.tp;
        let (slot, appended) = match self.append_to_leader(step, origin, acks, data) {
            Ok(done) => done,
            Err(refused) => return self.purgatory.settle(produce, index, refused),
        };
        let answer = ProducePartitionResponse {
            tp,
            error: ErrorCode::None,
            base_offset: appended.first_offset,
            log_append_time_ms: appended.log_append_time_ms,
            log_start_offset: self.partition(slot).map_or(NO_OFFSET, |p| p.log.log_start_offset()),
            current_leader: None,
            invalid: None,
        };
        self.purgatory.expect(produce, index, answer, appended.last_offset + 1);
        if appended.duplicate {
            step.trace(TraceEvent::Mark("duplicate-batch"));
            if planted(self.config.plant, Plant::DuplicateAckedEarly) {
                return self.purgatory.done(produce, index);
            }
            return self.duplicate_appended(slot, produce, index);
        }
        let work = &mut step.effects.work;
        work.produce_batches += u32::try_from(appended.records.batches().len()).unwrap_or(u32::MAX);
        work.produce_bytes += u64::from(appended.records.size_bytes());
        let then = Then::Produce { produce, index };
        self.submit_append(step, slot, appended, then);
    }

    fn append_to_leader(
        &mut self,
        step: &mut Step<'_>,
        origin: AppendOrigin,
        acks: Acks,
        data: ProducePartition,
    ) -> Result<(u32, Appended), ProducePartitionResponse> {
        let tp = data.tp;
        let refused = |error| ProducePartitionResponse::refused(tp, error);
        if self.log_dir_failed.is_some() {
            return Err(refused(ErrorCode::KafkaStorageError));
        }
        if self.is_closing() {
            return Err(refused(ErrorCode::NotLeaderOrFollower));
        }
        let slot = self.slot(tp).ok_or_else(|| refused(ErrorCode::UnknownTopicOrPartition))?;
        let plant = self.config.plant;
        let Self { partitions, ops, .. } = self;
        let Some(partition) = partitions.get_mut(slot as usize).and_then(Option::as_mut) else {
            return Err(refused(ErrorCode::UnknownTopicOrPartition));
        };
        if matches!(origin, AppendOrigin::Client(_)) && is_internal(&partition.topic) {
            return Err(refused(ErrorCode::InvalidTopic));
        }
        if !partition.is_leader() {
            let current_leader = partition
                .leader
                .map(|leader| LeaderAndEpoch { leader, epoch: partition.leader_epoch });
            return Err(ProducePartitionResponse {
                current_leader,
                ..refused(ErrorCode::NotLeaderOrFollower)
            });
        }
        if acks == Acks::All && partition.is_under_min_isr() {
            step.trace(TraceEvent::Mark("not-enough-replicas"));
            let log_start_offset = partition.log.log_start_offset();
            let refused = refused(ErrorCode::NotEnoughReplicas);
            return Err(ProducePartitionResponse { log_start_offset, ..refused });
        }
        let context = AppendContext {
            wall_ms: step.wall_ms,
            leader_epoch: partition.leader_epoch,
            origin: match origin {
                AppendOrigin::Client(_) => Origin::Client,
                AppendOrigin::Coordinator(_) => Origin::Coordinator,
            },
            plant,
        };
        let log_start = partition.log.log_start_offset();
        let appended =
            partition.log.append_as_leader(&data.records, context, ops).map_err(|error| {
                if error.error_code() == ErrorCode::OutOfOrderSequenceNumber {
                    step.trace(TraceEvent::Mark("out-of-order-sequence"));
                }
                not_appended(tp, &error, log_start)
            })?;
        Ok((slot, appended))
    }

    /// Hands an append to the disk. Other operations that it needs (a new segment's checkpoint,
    /// the sync of a rolled one) go along; their completions are not waited for, unless the topic wants
    /// records flushed before they count.
    fn submit_append(&mut self, step: &mut Step<'_>, slot: u32, appended: Appended, then: Then) {
        let Self { partitions, ops, .. } = self;
        let Some(partition) = partitions.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let tp = partition.tp;
        let bytes = appended.records.size_bytes();
        let appends = ops.len();
        let flushes = partition.log.flushes_appends();
        if flushes {
            partition.log.flush(ops);
        }
        let (mut last_append, mut rolls) = (None, false);
        for (index, kind) in self.ops.drain(..).enumerate() {
            let is_flush = index >= appends;
            let is_append = matches!(kind, DiskOpKind::Append { .. });
            let durable = Durable::of(&kind);
            let id = step.disk(Owner::Replica, kind);
            if is_append {
                last_append = Some(id);
            }
            if let Some(durable) = durable {
                rolls |= !is_flush && matches!(durable, Durable::Segment(_));
                self.maintenance.note(id, slot, durable);
            }
        }
        if rolls {
            self.wake_cleaner(step);
        }
        let Some(op) = last_append else { return };
        let pending = PendingAppend {
            slot,
            tp,
            number: appended.number,
            bytes,
            records: appended.records,
            then,
        };
        if flushes || self.flushing.has_queue(slot) {
            let mut needs = if flushes { self.maintenance.syncs(slot) } else { Vec::new() };
            needs.push(op.0);
            self.flushing.push(slot, needs, pending);
        } else {
            self.appends.insert(op.0, pending);
        }
    }

    /// Appends what a leader sent; `None` when there is nothing to wait for.
    pub(super) fn append_as_follower(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        fetcher: u32,
        records: Records,
        leader_high_watermark: Offset,
    ) -> Result<bool, ErrorCode> {
        if self.is_closing() {
            return Ok(false);
        }
        let Self { partitions, ops, .. } = self;
        let Some(partition) = partitions.get_mut(slot as usize).and_then(Option::as_mut) else {
            return Ok(false);
        };
        let appended = partition
            .log
            .append_as_follower(records, step.wall_ms, ops)
            .map_err(|error| error.error_code())?;
        if appended.records.is_empty() {
            return Ok(false);
        }
        let work = &mut step.effects.work;
        work.follower_batches +=
            u32::try_from(appended.records.batches().len()).unwrap_or(u32::MAX);
        work.follower_bytes += u64::from(appended.records.size_bytes());
        let then = Then::Follow { fetcher, leader_high_watermark };
        self.submit_append(step, slot, appended, then);
        Ok(true)
    }

    /// A disk operation of this manager ended. `None` when the id is not an append's.
    pub(crate) fn disk_done(&mut self, step: &mut Step<'_>, id: DiskOpId, result: &DiskResult) {
        let failed = match result {
            DiskResult::Failed(error) => Some(*error),
            _ => None,
        };
        if let Some(error) = failed {
            self.fail_log_dir(step, error);
        }
        let pending = self.appends.remove(id.0);
        if failed.is_some() {
            for pending in pending.into_iter().chain(self.flushing.ended(id.0)) {
                if let Then::Produce { produce, index } = pending.then {
                    self.purgatory.fail(produce, index, ErrorCode::KafkaStorageError);
                    self.finish_produce(step, produce);
                }
            }
            return;
        }
        if let Some(pending) = pending {
            return self.append_done(step, pending);
        }
        self.maintenance_done(step, id);
        for pending in self.flushing.ended(id.0) {
            self.append_done(step, pending);
        }
    }

    fn append_done(&mut self, step: &mut Step<'_>, pending: PendingAppend) {
        let PendingAppend { slot, tp, number, bytes, records, then } = pending;
        let partition = self.partitions.get_mut(slot as usize).and_then(Option::as_mut);
        let Some(partition) = partition.filter(|p| p.tp == tp) else {
            return self.append_lost(step, then);
        };
        let end_before = partition.log.log_end_offset();
        let is_kept = partition.log.append_done(number);
        let sessions = &self.sessions;
        partition.note_append(end_before, |watches, of| sessions.last_fetch(watches, of));
        match then {
            Then::Produce { produce, index } => {
                if is_kept {
                    step.trace(TraceEvent::LeaderAppended { tp, records });
                }
                self.log_end_moved(step, slot, u64::from(bytes));
                if is_kept {
                    self.appended_locally(slot, produce, index);
                } else {
                    // whoever leads again has not what was cut since, whatever is committed there now
                    self.purgatory.fail(produce, index, ErrorCode::NotLeaderOrFollower);
                }
                self.finish_produce(step, produce);
            }
            Then::Follow { fetcher, leader_high_watermark } => {
                let leads = partition.is_leader();
                if is_kept {
                    step.trace(TraceEvent::FollowerAppended { tp, records });
                }
                if leads {
                    // elected meanwhile: what it copied last, its followers have to get from it (hunt seed
                    // 7002964; Kafka's replica appends at once)
                    self.log_end_moved(step, slot, u64::from(bytes));
                }
                self.follow_high_watermark(step, slot, leader_high_watermark);
                self.follower_append_done(fetcher);
            }
        }
    }

    /// The disk has an append of a replica that is gone. A fetcher has waited for it all the same, with all
    /// else that it copies (hunt seed 899479).
    #[cold]
    fn append_lost(&mut self, step: &mut Step<'_>, then: Then) {
        match then {
            Then::Produce { produce, index } => {
                self.purgatory.fail(produce, index, ErrorCode::UnknownTopicOrPartition);
                self.finish_produce(step, produce);
            }
            Then::Follow { fetcher, .. } => self.follower_append_done(fetcher),
        }
    }

    /// A batch that was appended before. Only replication may still be missing, or that the disk confirms the first copy.
    fn duplicate_appended(&mut self, slot: u32, produce: u64, index: u32) {
        let Some(required) = self.purgatory.required(produce, index) else { return };
        match self.partition_mut(slot) {
            Some(partition) if partition.log.log_end_offset() < required => {
                partition.duplicates.push(AckWaiter { required, produce, index });
            }
            _ => self.appended_locally(slot, produce, index),
        }
    }

    /// The disk has confirmed more of a log that is led here.
    fn log_end_moved(&mut self, step: &mut Step<'_>, slot: u32, bytes: u64) {
        self.mark_for_followers(slot, bytes);
        self.try_advance_high_watermark(step, slot);
        if self.partition(slot).is_some_and(|partition| !partition.duplicates.is_empty()) {
            self.duplicates_on_disk(step, slot);
        }
    }

    /// Of what was sent twice, the disk may have the first copy now.
    #[cold]
    fn duplicates_on_disk(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let end = partition.log.log_end_offset();
        let done: Vec<_> = partition.duplicates.extract_if(.., |it| it.required <= end).collect();
        for AckWaiter { produce, index, .. } in done {
            self.appended_locally(slot, produce, index);
            self.finish_produce(step, produce);
        }
    }

    /// The leader has the batch: answers `acks=1`, or waits for the high watermark.
    fn appended_locally(&mut self, slot: u32, produce: u64, index: u32) {
        let Some(required) = self.purgatory.required(produce, index) else { return };
        let waits_for_all = self.purgatory.acks(produce) == Some(Acks::All);
        let Some(partition) = self.partition_mut(slot) else { return };
        if !partition.is_leader() {
            self.purgatory.fail(produce, index, ErrorCode::NotLeaderOrFollower);
        } else if !waits_for_all || partition.high_watermark >= required {
            self.purgatory.done(produce, index);
        } else {
            let waiter = AckWaiter { required, produce, index };
            let at = partition.ack_waiters.partition_point(|w| w.required <= required);
            partition.ack_waiters.insert(at, waiter);
        }
    }

    /// The high watermark moved: answers what waited for it.
    pub(super) fn satisfy_acks(&mut self, step: &mut Step<'_>, slot: u32) {
        while let Some(partition) = self.partition_mut(slot) {
            let high_watermark = partition.high_watermark;
            let under_min_isr = partition.is_under_min_isr();
            let Some(waiter) = partition.ack_waiters.front().copied() else { return };
            if waiter.required > high_watermark {
                return;
            }
            partition.ack_waiters.pop_front();
            if under_min_isr {
                step.trace(TraceEvent::Mark("not-enough-replicas-after-append"));
                let error = ErrorCode::NotEnoughReplicasAfterAppend;
                self.purgatory.fail(waiter.produce, waiter.index, error);
            } else {
                self.purgatory.done(waiter.produce, waiter.index);
            }
            self.finish_produce(step, waiter.produce);
            if planted(self.config.plant, Plant::OneAckPerMove) {
                return;
            }
        }
    }

    /// This replica leads no longer: nothing that waits here can be acknowledged by it.
    #[cold]
    pub(super) fn fail_acks(&mut self, step: &mut Step<'_>, slot: u32, error: ErrorCode) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let duplicates = std::mem::take(&mut partition.duplicates);
        for waiter in std::mem::take(&mut partition.ack_waiters).into_iter().chain(duplicates) {
            if planted(self.config.plant, Plant::DeposedLeaderAcks) {
                self.purgatory.done(waiter.produce, waiter.index);
            }
            self.purgatory.fail(waiter.produce, waiter.index, error);
            self.finish_produce(step, waiter.produce);
        }
    }

    /// ENOSPC or EIO on the only log directory: Kafka halts the broker, and so do we. Nothing
    /// that was not confirmed by the disk has been acknowledged.
    #[cold]
    pub(super) fn fail_log_dir(&mut self, step: &mut Step<'_>, error: DiskError) {
        self.log_dir_failed = Some(error);
        step.effects.exit = Some(Exit::LogDirFailed(error));
    }
}

/// What a producer is told. The log's start comes along unless the batch is too large, as in Kafka's
/// `ReplicaManager.appendRecordsToLeader`.
#[cold]
fn not_appended(
    tp: TopicPartition,
    error: &AppendError,
    log_start_offset: Offset,
) -> ProducePartitionResponse {
    let refused = ProducePartitionResponse::refused(tp, error.error_code());
    let invalid = match error {
        AppendError::MessageTooLarge { .. } | AppendError::BatchTooLarge { .. } => return refused,
        AppendError::InvalidRecords { told, .. } => Some(Arc::clone(told)),
        _ => None,
    };
    ProducePartitionResponse { log_start_offset, invalid, ..refused }
}

impl Acks {
    fn min_leader(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Leader | Self::All => Self::Leader,
        }
    }
}
