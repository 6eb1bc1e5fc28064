//! Appending to a log: what a leader validates and assigns (Kafka's `LogValidator`), what a
//! follower checks, and where batches go. Leaves out CRC and framing, checked when bytes are
//! decoded, and recompression.

use super::invalid::Wrong;
use super::marks::Mark;
use super::partition_log::{InFlight, Log};
use super::producers::BatchMeta;
use super::types::{AppendContext, AppendError, Appended, Origin};
use crate::config::TimestampType;
use crate::ids::Offset;
use crate::plant::{Plant, planted};
use crate::records::{Batch, BatchHeader, RecordError, Records};
use crate::seam::DiskOpKind;
use std::sync::Arc;

/// Value of `log_append_time_ms` with CreateTime.
const NO_TIMESTAMP: i64 = -1;

/// Kafka's default of `message.timestamp.after.max.ms`, for which the header's word is taken.
const AFTER_MAX_MS_DEFAULT: i64 = 3_600_000;

impl Log {
    /// Validates batches, assigns offsets and the leader epoch, and pushes the operations that
    /// append them; the last one is the `Append`. A repeated batch of an idempotent producer is
    /// not appended again.
    ///
    /// # Errors
    /// What is wrong with the batches; nothing has changed then.
    pub fn append_as_leader(
        &mut self,
        records: &Records,
        context: AppendContext,
        ops: &mut Vec<DiskOpKind>,
    ) -> Result<Appended, AppendError> {
        debug_assert!(context.leader_epoch >= self.last_epoch(), "a leader's epoch is the newest");
        let batches = records.batches();
        if context.origin == Origin::Client && batches.len() != 1 {
            return Err(AppendError::InvalidRecord("a partition takes exactly one batch"));
        }
        for batch in batches {
            self.validate(batch, context)?;
            let bytes = batch.size_bytes();
            if bytes > self.config.segment_bytes {
                return Err(AppendError::BatchTooLarge { bytes });
            }
            if batch.header.is_control() {
                self.producers.check_marker(batch)?;
            }
            if let Some(first) = self.validate_producer(&batch.header, context)? {
                return Ok(duplicate(first, self.config.timestamp_type));
            }
        }
        if batches.is_empty() {
            return Err(AppendError::InvalidRecord("nothing to append"));
        }
        let records = self.assign(batches, context);
        Ok(self.commit(records, context.wall_ms, ops))
    }

    /// Appends batches as the leader has numbered them, and pushes the operations for it; the last
    /// one is an `Append`, unless there is no batch. Offsets may leave gaps, but never go down
    /// (LOG-24). Sequences are not checked: the leader has done so (IDEM-14). `wall_ms`: ms since the epoch.
    ///
    /// # Errors
    /// [`AppendError::OffsetsOutOfOrder`]; nothing has changed then.
    pub fn append_as_follower(
        &mut self,
        records: Records,
        wall_ms: i64,
        ops: &mut Vec<DiskOpKind>,
    ) -> Result<Appended, AppendError> {
        let mut expected = self.next_offset;
        for batch in records.batches() {
            if batch.base_offset() < expected || batch.header.last_offset_delta < 0 {
                let found = batch.base_offset();
                return Err(AppendError::OffsetsOutOfOrder { expected, found });
            }
            if planted(self.config.plant, Plant::FollowerWantsProducer)
                && self.producers.is_stranger(&batch.header)
                && batch.header.base_sequence > 0
            {
                let found = batch.base_offset();
                return Err(AppendError::OffsetsOutOfOrder { expected, found });
            }
            expected = batch.next_offset();
        }
        Ok(self.commit(records, wall_ms, ops))
    }

    /// KIP-937. The header knows the times of the first and of the youngest record. A record without a
    /// time is of any; where the first has none, others may have one.
    fn has_wrong_time(&self, header: &BatchHeader, wall_ms: i64) -> bool {
        let is_first_wrong = header.base_timestamp != NO_TIMESTAMP
            && self.is_too_old(header.base_timestamp, wall_ms);
        is_first_wrong || self.is_too_young(header.max_timestamp, wall_ms)
    }

    /// Looks at the records themselves, where headers do not say enough: which of them have wrong times; with
    /// narrower bounds of times than by default, as any record may be the oldest and a client may have written any
    /// header; and where the topic is compacted. A key that is missing counts if no time is wrong (`LogValidator`).
    fn validate_records(&self, batch: &Batch, wall_ms: i64) -> Result<(), AppendError> {
        let config = &self.config;
        let has_own_times = config.timestamp_type == TimestampType::CreateTime;
        let is_wrong = has_own_times && self.has_wrong_time(&batch.header, wall_ms);
        let is_narrow = config.timestamp_before_max_ms != i64::MAX
            || config.timestamp_after_max_ms < AFTER_MAX_MS_DEFAULT;
        let is_timed = is_wrong || (has_own_times && is_narrow);
        let is_compacted = config.compaction.is_some();
        if !is_timed && !is_compacted {
            return Ok(());
        }
        let checked = self.validate_each_record(batch, is_compacted, is_timed.then_some(wall_ms));
        let is_told = matches!(checked, Err(AppendError::InvalidRecords { .. }));
        if is_wrong && !is_told { Err(AppendError::InvalidTimestamp) } else { checked }
    }

    /// A compacted topic takes no record without a key: nothing would ever replace it. The cleaner goes
    /// by the records' own offsets, so they must be those that the header promises. With `wall_ms` times
    /// are looked at.
    #[cold]
    fn validate_each_record(
        &self,
        batch: &Batch,
        is_compacted: bool,
        wall_ms: Option<i64>,
    ) -> Result<(), AppendError> {
        let base = batch.header.base_timestamp;
        let (mut expected, mut wrong) = (0, Wrong::default());
        batch.walk(&batch.unpack_up_to(unpacked_bytes_max(batch))?, |record| {
            if is_compacted && record.offset_delta != expected {
                return Err(AppendError::InvalidRecord("offsets of records do not go up by one"));
            }
            let index = expected;
            expected += 1;
            if is_compacted && record.key.is_none() {
                wrong.lacks_key(index);
                return Ok(());
            }
            let Some(wall_ms) = wall_ms else { return Ok(()) };
            let timestamp = base.saturating_add(record.timestamp_delta);
            let is_wrong = timestamp != NO_TIMESTAMP
                && (self.is_too_old(timestamp, wall_ms) || self.is_too_young(timestamp, wall_ms));
            if is_wrong {
                wrong.out_of_range(index, timestamp, self.time_bounds(wall_ms));
            }
            Ok(())
        })?;
        if wrong.is_any() { Err(wrong.refusal()) } else { Ok(()) }
    }

    /// The times that records may have, ms since the epoch.
    fn time_bounds(&self, wall_ms: i64) -> (i64, i64) {
        let (before, after) =
            (self.config.timestamp_before_max_ms, self.config.timestamp_after_max_ms);
        (wall_ms.saturating_sub(before), wall_ms.saturating_add(after))
    }

    fn is_too_old(&self, timestamp: i64, wall_ms: i64) -> bool {
        wall_ms.saturating_sub(timestamp) > self.config.timestamp_before_max_ms
    }

    fn is_too_young(&self, timestamp: i64, wall_ms: i64) -> bool {
        timestamp.saturating_sub(wall_ms) > self.config.timestamp_after_max_ms
    }

    fn validate(&self, batch: &Batch, context: AppendContext) -> Result<(), AppendError> {
        let (header, origin) = (&batch.header, context.origin);
        let bytes = batch.size_bytes();
        if origin != Origin::RaftLeader && bytes > self.config.max_message_bytes {
            return Err(AppendError::MessageTooLarge { bytes });
        }
        // DUR-20: offsets would overlap or leave gaps
        if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
            return Err(AppendError::InvalidRecord("record count and last offset delta disagree"));
        }
        if origin != Origin::Client {
            return Ok(());
        }
        if batch.base_offset() != 0 {
            return Err(AppendError::InvalidRecord("a client's batch begins at offset 0"));
        }
        if header.is_control() {
            return Err(AppendError::InvalidRecord("clients may not write control batches"));
        }
        if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
            return Err(AppendError::InvalidRecord("a producer id without sequence or epoch"));
        }
        if header.is_transactional() && !header.has_producer_id() {
            return Err(AppendError::InvalidRecord("a transaction without producer id"));
        }
        if header.is_log_append_time() {
            return Err(Wrong::all_timed_by_broker(header.record_count));
        }
        self.validate_records(batch, context.wall_ms)
    }

    /// Checks an idempotent producer's epoch and sequence; `Some` when the batch is a repetition.
    fn validate_producer(
        &self,
        header: &BatchHeader,
        context: AppendContext,
    ) -> Result<Option<BatchMeta>, AppendError> {
        if !header.has_producer_id() || planted(context.plant, Plant::NoDeduplication) {
            return Ok(None);
        }
        if context.origin == Origin::Client
            && let Some(first) = self.repeated(header, context)
            && !(planted(context.plant, Plant::FourBatchesRemembered)
                && self.producers.is_oldest_of_five(header.producer_id, &first))
            && (!planted(context.plant, Plant::NewestBatchOnly)
                || self.producers.is_newest(header.producer_id, &first))
        {
            return Ok(Some(first));
        }
        if planted(context.plant, Plant::OldEpochBatchesStay) {
            let held = self.producers.in_known_epoch(*header);
            self.producers.check(&held, context.origin)?;
            return Ok(None);
        }
        match self.producers.check(header, context.origin) {
            Err(AppendError::InvalidProducerEpoch { .. })
                if planted(context.plant, Plant::OldProducerEpochTaken) => {}
            checked => checked?,
        }
        Ok(None)
    }

    fn repeated(&self, header: &BatchHeader, context: AppendContext) -> Option<BatchMeta> {
        if planted(context.plant, Plant::DuplicateOfAnyEpoch) {
            return self.producers.duplicate_of(&self.producers.in_known_epoch(*header));
        }
        self.producers.duplicate_of(header)
    }

    fn assign(&self, batches: &[Arc<Batch>], context: AppendContext) -> Records {
        let mut next = self.next_offset;
        let log_append_time = self.config.timestamp_type == TimestampType::LogAppendTime;
        let mut assign_one = |batch: &Arc<Batch>| {
            let mut header = batch.header;
            header.base_offset = next;
            header.partition_leader_epoch = context.leader_epoch;
            if log_append_time {
                header = header.with_log_append_time(context.wall_ms);
            }
            let batch = Batch { header, body: batch.body.clone() };
            next = batch.next_offset();
            Arc::new(batch)
        };
        match batches {
            [one] => Records::single(assign_one(one)),
            many => Records::new(many.iter().map(assign_one).collect()),
        }
    }

    /// Takes batches with final offsets into the bookkeeping and pushes their operations.
    fn commit(&mut self, records: Records, wall_ms: i64, ops: &mut Vec<DiskOpKind>) -> Appended {
        self.appends += 1;
        let first_offset = records.first_offset().unwrap_or(self.next_offset);
        let by_broker = records.batches().last().filter(|b| b.header.is_log_append_time());
        let log_append_time_ms = by_broker.map_or(NO_TIMESTAMP, |b| b.header.max_timestamp);
        let mut group_start = 0;
        for (index, batch) in records.batches().iter().enumerate() {
            let limits = (self.config.segment_bytes, self.config.segment_age_ms);
            if self.active().should_roll(batch, limits, wall_ms) {
                if index > group_start {
                    let group = records.batches()[group_start..index].to_vec();
                    self.push_append(Records::new(group), ops);
                    group_start = index;
                }
                self.roll_for(batch, ops);
            }
            let header = &batch.header;
            if header.partition_leader_epoch != self.last_epoch() {
                self.assign_epoch_start(header.partition_leader_epoch, header.base_offset, ops);
            }
            self.active_mut().touch(wall_ms);
            self.take(batch);
        }
        if !records.is_empty() {
            let group = match group_start {
                0 => records.clone(),
                start => Records::new(records.batches()[start..].to_vec()),
            };
            self.push_append(group, ops);
        }
        Appended {
            first_offset,
            last_offset: self.next_offset - 1,
            log_append_time_ms,
            duplicate: false,
            bytes: records.size_bytes(),
            records,
            number: self.appends,
        }
    }

    /// One batch at the end of the active segment.
    pub(super) fn take(&mut self, batch: &Batch) {
        let undo = self.producers.update(batch);
        if batch.header.is_transactional() {
            self.awaited.written(batch.header.producer_id);
        }
        let interval = self.config.index_interval_bytes;
        let segment = self.segments.back_mut().expect("a log has at least its active segment");
        self.marks.push(Mark {
            base_offset: batch.base_offset(),
            next_offset: batch.next_offset(),
            segment_end_before: segment.next_offset,
            position: segment.bytes,
            max_timestamp_before: segment.max_timestamp,
            undo,
        });
        segment.append(batch, interval);
        self.next_offset = batch.next_offset();
    }

    fn push_append(&mut self, records: Records, ops: &mut Vec<DiskOpKind>) {
        let last_offset: Offset = self.next_offset - 1;
        debug_assert_eq!(records.last_offset(), Some(last_offset));
        let (number, confirms) = (self.appends, self.next_offset);
        self.in_flight.push_back(InFlight { number, last_offset, confirms });
        ops.push(DiskOpKind::Append { tp: self.tp, segment: self.active().base, records });
    }
}

/// Bytes that a client's batch is unpacked to, at most, so that a small request cannot take much
/// memory or time. Clients fill batches to 16 KiB by default, and rarely beyond 1 MiB: 16 MiB are
/// enough for them, however well they are compressed. Larger ones may shrink to a hundredth, which
/// records with keys hardly do. The limit is this broker's own; Kafka has none.
fn unpacked_bytes_max(batch: &Batch) -> u64 {
    (batch.body.len() as u64).saturating_mul(100).max(16 << 20)
}

impl From<RecordError> for AppendError {
    fn from(_: RecordError) -> Self {
        Self::InvalidRecord("records that cannot be read")
    }
}

/// Answer to a repeated batch: where it went the first time.
fn duplicate(first: BatchMeta, timestamp_type: TimestampType) -> Appended {
    Appended {
        first_offset: first.first_offset(),
        last_offset: first.last_offset,
        log_append_time_ms: match timestamp_type {
            TimestampType::CreateTime => NO_TIMESTAMP,
            TimestampType::LogAppendTime => first.timestamp,
        },
        duplicate: true,
        records: Records::default(),
        bytes: 0,
        number: 0,
    }
}
