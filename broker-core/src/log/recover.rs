//! Loading a log from what its disk holds (Kafka's `LogLoader`). After a clean shutdown, and below
//! the recovery point, segments are taken as their summaries say; otherwise they are scanned, and
//! cut at the first batch that is torn, corrupt or missing. What lies above the high watermark is
//! read in any case, so that a new leader's truncation finds every batch and restores the producer
//! state exactly; Kafka reads it when it truncates, so it is not counted here. Leaves out index files: a segment that
//! was not scanned has no index entries, and lookups in it start at its beginning.

use super::aborted;
use super::config::LogConfig;
use super::epochs::EpochCache;
use super::partition_log::Log;
use super::roll::delete_snapshot;
use super::segment::Segment;
use super::snapshot::{self, ProducerSnapshot};
use super::types::{Recover, RecoveryStats};
use crate::ids::{NO_EPOCH, Offset, TopicPartition};
use crate::plant::{Plant, planted};
use crate::records::{Batch, Records};
use crate::seam::{DiskImage, DiskOpKind, FileName, ScanEnd};
use bytes::Bytes;
use std::collections::BTreeMap;

impl Log {
    /// Loads a log. Pushes the operations that bring the disk in line: the cut of a torn tail, the
    /// reconciled leader-epoch checkpoint, producer snapshots that are missing, the deletion of stray ones.
    #[must_use]
    pub fn recover(
        tp: TopicPartition,
        config: LogConfig,
        image: &dyn DiskImage,
        boot: Recover,
        ops: &mut Vec<DiskOpKind>,
    ) -> (Self, RecoveryStats) {
        Loader::new(tp, config, image, boot).load(ops)
    }
}

struct Loader<'a> {
    image: &'a dyn DiskImage,
    boot: Recover,
    log: Log,
    stats: RecoveryStats,
    /// Base offsets of the segments found.
    bases: Vec<Offset>,
    /// The epoch checkpoint, if it is there and whole.
    checkpoint: Option<EpochCache>,
    /// Records from this offset on are not in the producer snapshot.
    replay_from: Offset,
    /// Indexes of aborted transactions that were found, by segment.
    txn_indexes: BTreeMap<Offset, Bytes>,
    /// Set when the log must end here although the disk holds more.
    cut: bool,
}

impl<'a> Loader<'a> {
    fn new(tp: TopicPartition, config: LogConfig, image: &'a dyn DiskImage, boot: Recover) -> Self {
        let bases = image.segments(tp);
        debug_assert!(bases.is_sorted(), "segments come in order");
        let first = bases.first().copied();
        let checkpoint = image
            .file(&FileName::LeaderEpochs(tp))
            .and_then(|bytes| EpochCache::from_checkpoint(&bytes));
        // what lies before the first segment may be in remote storage; epochs are cut before the log's
        // start is on disk, and what they do not reach is deleted
        let epochs = checkpoint.as_ref().and_then(|cache| cache.entries().first());
        let least = if boot.tiered { epochs.map(|entry| entry.start_offset) } else { first };
        let log_start = boot.log_start_offset.max(least.unwrap_or(0));
        let mut log = Log::create(tp, config, log_start);
        log.tier.is_on_record = boot.tiered;
        Self {
            image,
            boot,
            log,
            stats: RecoveryStats::default(),
            bases,
            checkpoint,
            replay_from: 0,
            txn_indexes: BTreeMap::new(),
            cut: false,
        }
    }

    fn load(mut self, ops: &mut Vec<DiskOpKind>) -> (Log, RecoveryStats) {
        self.log.epochs = self.checkpoint.clone().unwrap_or_default();
        self.load_producers();
        if !self.bases.is_empty() {
            self.log.segments.clear();
            self.load_segments(ops);
        }
        self.reconcile(ops);
        self.log.mend_txn_indexes(&self.txn_indexes, ops);
        let hw = self.boot.high_watermark;
        if let Some(high_watermark) = hw {
            self.log.note_high_watermark(high_watermark);
        }
        (self.log, self.stats)
    }

    /// Whether a segment is what its summary says. Without the epochs everything must be read.
    fn is_intact(&self, index: usize) -> bool {
        let flushed =
            self.bases.get(index + 1).is_some_and(|next| *next <= self.boot.recovery_point);
        self.checkpoint.is_some() && (self.boot.clean || flushed)
    }

    /// Whether a segment need not be read.
    fn is_trusted(&self, index: usize) -> bool {
        self.is_intact(index) && !self.may_be_cut(index)
    }

    /// Whether a new leader may cut into a segment whose producer state can be restored.
    fn may_be_cut(&self, index: usize) -> bool {
        let Some(high_watermark) = self.boot.high_watermark else { return false };
        let base = self.bases[index];
        let end = self.bases.get(index + 1).copied();
        let end = end.unwrap_or_else(|| self.image.summary(self.log.tp, base).next_offset);
        end > high_watermark
            && (base == 0
                || self.snapshot(base).is_some()
                || (index == 0 && self.knows_nobody_below(base)))
    }

    /// Whether every producer has written something from an offset on, so that its batches from there say
    /// all. A log that began anew at its leader's log start has no snapshot of its first offset (hunt seed
    /// 3001852).
    fn knows_nobody_below(&self, base: Offset) -> bool {
        let last = self.bases.last().map(|last| self.image.summary(self.log.tp, *last).next_offset);
        let mut ends = self.bases.iter().copied().chain(last).rev();
        let newest = ends.find_map(|offset| self.snapshot(offset));
        newest.is_none_or(|newest| {
            let mut producers = newest.producers.entries().iter();
            producers.all(|p| p.batches().last().is_some_and(|batch| batch.last_offset >= base))
        })
    }

    /// Takes the newest producer snapshot that belongs to this log and is not ahead of what can be
    /// trusted.
    fn load_producers(&mut self) {
        let trusted = (0..self.bases.len()).take_while(|i| self.is_trusted(*i)).count();
        let mut candidates: Vec<Offset> = self.bases.iter().take(trusted + 1).copied().collect();
        if trusted == self.bases.len()
            && let Some(last) = self.bases.last()
        {
            candidates.push(self.image.summary(self.log.tp, *last).next_offset);
        }
        if candidates.is_empty() {
            // all records are deleted, but what their producers may repeat is not (IDEM-04)
            candidates.push(self.log.log_start);
        }
        let found = candidates.iter().rev().find_map(|offset| self.snapshot(*offset));
        if let Some(snapshot) = found {
            self.replay_from = snapshot.offset;
            self.log.producers = snapshot.producers;
        }
    }

    fn snapshot(&self, offset: Offset) -> Option<ProducerSnapshot> {
        let bytes = self.image.file(&FileName::ProducerSnapshot(self.log.tp, offset))?;
        let snapshot = snapshot::decode(&bytes)?;
        let epoch = self.log.epochs.epoch_at(offset - 1);
        // epochs are trimmed with the records; then no other history can be told, nor be there
        let trimmed = offset <= self.log.log_start || self.log.epochs.latest().is_some();
        let same_history = epoch == snapshot.last_epoch || (epoch == NO_EPOCH && trimmed);
        (snapshot.offset == offset && same_history).then_some(snapshot)
    }

    fn load_segments(&mut self, ops: &mut Vec<DiskOpKind>) {
        let mut rebuilding = false;
        for index in 0..self.bases.len() {
            let base = self.bases[index];
            let next_base = self.bases.get(index + 1).copied();
            self.load_txn_index(base);
            let trusted = self.is_trusted(index) && !rebuilding;
            if !trusted && !rebuilding && planted(self.log.config.plant, Plant::EpochZeroNotRebuilt)
            {
                self.log.epochs.truncate_from_end(base); // where the bug was, all were rebuilt
            }
            rebuilding |= !trusted;
            let start_bytes = self.log.segments.back().map_or(0, Segment::end_bytes);
            if let Some(sealed) = self.log.segments.back_mut() {
                sealed.index.seal();
            }
            let summary = self.image.summary(self.log.tp, base);
            let replayed = next_base.unwrap_or(summary.next_offset) > self.replay_from;
            if trusted && !replayed {
                let segment = Segment::from_summary(base, start_bytes, summary);
                self.log.next_offset = segment.next_offset;
                self.log.segments.push_back(segment);
                continue;
            }
            self.log.segments.push_back(Segment::new(base, start_bytes));
            self.log.next_offset = base;
            self.mend_snapshot(index, ops);
            let counts = !(self.is_intact(index) && self.may_be_cut(index));
            self.scan(base, next_base, counts);
            let read = self.log.active_mut();
            (read.created_ms, read.modified_ms) = (summary.modified_ms, summary.modified_ms);
            // An unflushed segment that ends before the next one begins has lost its tail. One that was
            // flushed was cut in a gap that compaction left, and the log went on there.
            let hole = !planted(self.log.config.plant, Plant::HoleAfterCrash)
                && !self.is_intact(index)
                && next_base.is_some_and(|next| self.log.next_offset < next);
            self.stats.has_hole |= hole;
            if self.cut || hole {
                self.cut_after(index, ops);
                return;
            }
        }
    }

    /// A snapshot that was lost is written again, as Kafka does where it recovers a segment: once retention has
    /// deleted the segments before, nothing else tells what their producers wrote (hunt seed 10000781). What lies
    /// before the first segment cannot be told any more.
    fn mend_snapshot(&mut self, index: usize, ops: &mut Vec<DiskOpKind>) {
        let base = self.bases[index];
        if index > 0 && base > self.replay_from && self.snapshot(base).is_none() {
            self.log.push_snapshot(ops);
        }
    }

    /// Takes what was aborted below the snapshot from the segment's index; the rest comes from the
    /// batches.
    fn load_txn_index(&mut self, base: Offset) {
        let file = FileName::TransactionIndex(self.log.tp, base);
        let Some(bytes) = self.image.file(&file) else { return };
        self.log.txn_indexes.push(base);
        let replay_from = self.replay_from;
        let entries = aborted::decode(&bytes).into_iter();
        self.log.producers.load_aborted(entries.filter(|e| e.last_offset < replay_from));
        self.txn_indexes.insert(base, bytes);
    }

    /// Reads the batches of a segment into the log.
    fn scan(&mut self, base: Offset, next_base: Option<Offset>, counts: bool) {
        let (tp, log, cut) = (self.log.tp, &mut self.log, &mut self.cut);
        let replay_from = self.replay_from;
        let end = self.image.scan(tp, base, &mut |_, batch| {
            let beyond = next_base.is_some_and(|next| batch.last_offset() >= next);
            *cut |= batch.base_offset() < log.next_offset || beyond;
            if !*cut {
                replay(log, batch, replay_from);
            }
        });
        self.stats.scanned_bytes += u64::from(if counts { log.active().bytes } else { 0 });
        if let ScanEnd::Torn { bytes } = end {
            *cut = true;
            self.stats.scanned_bytes += bytes;
            self.stats.truncated_bytes += bytes;
        }
    }

    /// Ends the log after what was read of segment `index`.
    fn cut_after(&mut self, index: usize, ops: &mut Vec<DiskOpKind>) {
        let tp = self.log.tp;
        let found = self.image.summary(tp, self.bases[index]).bytes;
        self.stats.truncated_bytes += u64::from(found.saturating_sub(self.log.active().bytes));
        for later in &self.bases[index + 1..] {
            self.stats.truncated_bytes += u64::from(self.image.summary(tp, *later).bytes);
            let index = FileName::TransactionIndex(tp, *later);
            if self.image.file(&index).is_some() {
                ops.push(DiskOpKind::DeleteFile { file: index });
            }
        }
        let (to, base) = (self.log.next_offset, self.log.active().base);
        ops.push(DiskOpKind::Truncate { tp, to });
        if index > 0 && base == to {
            // the cut takes the empty file along: one behind a gap says where the log goes on
            ops.push(DiskOpKind::Append { tp, segment: base, records: Records::default() });
        }
    }

    /// Makes ends, epochs and snapshots agree with the records that are there.
    fn reconcile(&mut self, ops: &mut Vec<DiskOpKind>) {
        let log = &mut self.log;
        let start = log.log_start;
        if log.next_offset < start && !planted(log.config.plant, Plant::EmptyLogEndsAtZero) {
            self.stats.ends_below_start = true;
            // LOG-22: the log goes on at its start, never at an offset that was used before
            let epochs = std::mem::take(&mut log.epochs);
            log.truncate_fully_and_start_at(start, ops);
            log.epochs = epochs;
        }
        let end = log.next_offset;
        log.log_end = end;
        // DUR-01: never ahead of the log, and never raised without a clean shutdown
        let clean = self.boot.clean || planted(log.config.plant, Plant::RecoveryPointUnflushed);
        let flushed = if clean { end } else { self.boot.recovery_point.min(end) };
        log.recovery_point = flushed.max(log.oldest().base.min(end));
        log.epochs.truncate_from_end(end);
        if end <= start {
            // All records are deleted: the epoch of the last one is all that is left to tell a leader which
            // history this log had (hunt seed 740296; Kafka forgets it).
            let on_record = self.checkpoint.as_ref().and_then(EpochCache::latest);
            if let Some(last) = on_record.filter(|last| last.start_offset <= end) {
                log.epochs.assign(last.epoch, last.start_offset);
            }
        }
        log.epochs.truncate_from_start(start);
        if self.checkpoint.as_ref() != Some(&log.epochs)
            && (self.checkpoint.is_some() || !log.epochs.entries().is_empty())
        {
            log.checkpoint_epochs(log.recovery_point, ops);
        }
        // also those of clean ends: unknown, one outlived a cut, and counted for what came there later
        for offset in self.image.producer_snapshots(log.tp) {
            if offset <= end {
                log.snapshots.push(offset);
            } else {
                ops.push(delete_snapshot(log.tp, offset));
            }
        }
        log.snapshots.sort_unstable(); // some were written again before
        log.snapshots.dedup();
    }
}

/// Takes a batch that the disk holds into the log.
fn replay(log: &mut Log, batch: &Batch, replay_from: Offset) {
    mend_epochs(log, batch);
    if batch.base_offset() >= replay_from {
        log.take(batch);
        return;
    }
    let interval = log.config.index_interval_bytes;
    log.active_mut().append(batch, interval);
    log.next_offset = batch.next_offset();
}

/// Where the checkpoint of epochs says something else than a batch, the batch is right. What the cleaner has
/// left no batch of, the checkpoint alone knows (hunt seed 2103931; Kafka only assigns).
fn mend_epochs(log: &mut Log, batch: &Batch) {
    let (epoch, base) = (batch.header.partition_leader_epoch, batch.base_offset());
    let skipped = epoch == 0 && planted(log.config.plant, Plant::EpochZeroNotRebuilt);
    if log.epochs.epoch_at(base) != epoch {
        log.epochs.truncate_from_end(base);
        if epoch > log.epochs.latest_epoch() && !skipped {
            log.epochs.assign(epoch, base);
        }
    }
}
