//! The replicated metadata log: batches in memory since the last snapshot but one, and the same
//! batches in segments on disk. Tracks what is written and what is fsynced.
//!
//! No indexes: everything that is read is in memory. Segments only exist to trim the prefix.

use crate::ids::{DiskOpId, LeaderEpoch, NO_EPOCH, Offset, TopicPartition};
use crate::protocol::{EpochEndOffset, SnapshotId};
use crate::records::{Batch, Records};
use crate::seam::{DiskImage, DiskOpKind, ScanEnd, TraceEvent};
use crate::step::{Owner, Step};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const TP: TopicPartition = TopicPartition::METADATA;

/// The log.
#[derive(Debug)]
pub(super) struct MetaLog {
    batches: VecDeque<Arc<Batch>>,
    start: Offset,
    end: Offset,
    /// Epochs and where they start, ascending. The first may stand for a trimmed prefix that ends
    /// at `start`.
    epochs: Vec<(LeaderEpoch, Offset)>,
    segments: Vec<Offset>,
    /// Whether fsync matters: a voter's log counts for the quorum, an observer's does not.
    durable: bool,
    appending: VecDeque<Appending>,
    /// Everything below is written.
    appended: Offset,
    unsynced_segments: BTreeSet<Offset>,
    syncing: BTreeSet<DiskOpId>,
    sync_target: Offset,
    /// Everything below survives a power failure.
    synced: Offset,
    repairs: Vec<DiskOpKind>,
    /// Start and end of what a snapshot of the life before has replaced.
    replaced: Option<(Offset, Offset)>,
}

#[derive(Debug)]
struct Appending {
    id: DiskOpId,
    segment: Offset,
    end: Offset,
    trace: TraceEvent,
}

/// Where an append comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Written by this node, which leads.
    Leader,
    /// Fetched from the leader.
    Follower,
}

/// How a follower's position relates to this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// On this log.
    Valid,
    /// Not on it; the follower must truncate.
    Diverging(EpochEndOffset),
    /// Before its start.
    Trimmed,
}

impl MetaLog {
    /// What the disk holds. A torn or inconsistent tail is cut by [`Self::start`].
    pub(super) fn recover(
        image: &dyn DiskImage,
        durable: bool,
        snapshot: Option<SnapshotId>,
    ) -> Self {
        let mut log = Self::empty(durable);
        if !image.logs().contains(&TP) {
            log.repairs.push(DiskOpKind::CreateLog { tp: TP, topic: "__cluster_metadata".into() });
        }
        log.segments = image.segments(TP);
        let first = log.segments.first().copied().unwrap_or(0);
        (log.start, log.end) = (first, first);
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.end_offset == first) {
            log.epochs.push((snapshot.epoch, first));
        }
        if !log.scan(image) {
            log.repairs.push(DiskOpKind::Truncate { tp: TP, to: log.end });
            let end = log.end;
            log.segments.retain(|base| *base <= end);
        }
        log.appended = log.end;
        // what a killed process had written may still be in the page cache only
        (log.synced, log.sync_target) = (log.start, log.start);
        log.unsynced_segments =
            log.segments.iter().copied().filter(|base| *base < log.end).collect();
        // a crash may have come between a fetched snapshot and the end of what it replaces
        if let Some(snapshot) = snapshot.filter(|snapshot| !log.contains(*snapshot)) {
            log.replaced = Some((log.start, log.end));
            log.forget_all(snapshot);
        }
        log
    }

    fn empty(durable: bool) -> Self {
        Self {
            batches: VecDeque::new(),
            start: 0,
            end: 0,
            epochs: Vec::new(),
            segments: Vec::new(),
            durable,
            appending: VecDeque::new(),
            appended: 0,
            unsynced_segments: BTreeSet::new(),
            syncing: BTreeSet::new(),
            sync_target: 0,
            synced: 0,
            repairs: Vec::new(),
            replaced: None,
        }
    }

    /// Reads the segments; false when it had to stop before the last byte.
    fn scan(&mut self, image: &dyn DiskImage) -> bool {
        for base in self.segments.clone() {
            if base != self.end {
                return false;
            }
            let mut fits = true;
            let end = image.scan(TP, base, &mut |_, batch| {
                fits = fits
                    && batch.base_offset() == self.end
                    && batch.header.partition_leader_epoch >= self.last_epoch();
                if fits {
                    self.push(batch.clone());
                }
            });
            if !fits || end != ScanEnd::Clean {
                return false;
            }
        }
        true
    }

    /// Repairs found necessary by [`Self::recover`], then the first fsync.
    pub(super) fn start(&mut self, step: &mut Step<'_>) {
        for kind in std::mem::take(&mut self.repairs) {
            step.disk(Owner::Raft, kind);
        }
        if let Some((start, end)) = self.replaced.take() {
            self.note_replaced(step, start, end);
        }
        self.poll_sync(step);
    }

    /// As when a snapshot is installed: what was not committed is cut, the rest is in the snapshot.
    fn note_replaced(&self, step: &mut Step<'_>, start: Offset, end: Offset) {
        let (to, high_watermark) = (self.start, self.start);
        if end > to {
            step.trace(TraceEvent::Truncated { tp: TP, to, from: end, high_watermark });
        }
        let from = start.min(to - 1);
        step.trace(TraceEvent::Truncated { tp: TP, to, from, high_watermark });
    }

    fn push(&mut self, batch: Arc<Batch>) {
        let epoch = batch.header.partition_leader_epoch;
        if epoch > self.last_epoch() {
            self.epochs.push((epoch, batch.base_offset()));
        }
        self.end = batch.next_offset();
        self.batches.push_back(batch);
    }

    /// First offset.
    pub(super) fn start_offset(&self) -> Offset {
        self.start
    }

    /// Next offset.
    pub(super) fn end_offset(&self) -> Offset {
        self.end
    }

    /// End of what is fsynced (for an observer: written).
    pub(super) fn durable_end(&self) -> Offset {
        if self.durable { self.synced } else { self.appended }
    }

    /// Whether everything is as durable as it will get.
    pub(super) fn is_settled(&self) -> bool {
        self.durable_end() == self.end
    }

    /// Epoch of the last record, `-1` when empty.
    pub(super) fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.last().map_or(NO_EPOCH, |(epoch, _)| *epoch)
    }

    /// Epoch of the newest batch here; `None` when all is in a snapshot.
    pub(super) fn newest_batch(&self) -> Option<LeaderEpoch> {
        self.batches.back().map(|batch| batch.header.partition_leader_epoch)
    }

    /// An epoch that ends where it begins: before the next one, or at the log's end.
    pub(super) fn empty_epoch(&self) -> Option<LeaderEpoch> {
        let ends = self.epochs.iter().skip(1).map(|(_, start)| *start).chain([self.end]);
        let mut with_ends = self.epochs.iter().zip(ends);
        let empty = with_ends.find(|((_, start), end)| start >= end && *end > self.start);
        empty.map(|((epoch, _), _)| *epoch)
    }

    /// Appends a batch with final offset and epoch.
    pub(super) fn append(&mut self, step: &mut Step<'_>, batch: Arc<Batch>, origin: Origin) {
        assert_eq!(batch.base_offset(), self.end, "the log has no holes");
        assert!(batch.header.partition_leader_epoch >= self.last_epoch(), "epochs never fall");
        if self.segments.is_empty() {
            self.segments.push(self.end);
        }
        let segment = self.segments.last().copied().expect("there is a segment");
        let records = Records::single(batch.clone());
        self.push(batch);
        let append = DiskOpKind::Append { tp: TP, segment, records: records.clone() };
        let id = step.disk(Owner::Raft, append);
        let trace = match origin {
            Origin::Leader => TraceEvent::LeaderAppended { tp: TP, records },
            Origin::Follower => TraceEvent::FollowerAppended { tp: TP, records },
        };
        self.appending.push_back(Appending { id, segment, end: self.end, trace });
    }

    /// A disk operation is done; false when it was none of this log's that matter.
    pub(super) fn on_done(&mut self, step: &mut Step<'_>, id: DiskOpId) -> bool {
        if self.appending.front().is_some_and(|front| front.id == id) {
            let done = self.appending.pop_front().expect("it is at the front");
            if done.end > self.appended {
                self.appended = done.end;
                self.unsynced_segments.insert(done.segment);
                step.trace(done.trace);
            }
            return true;
        }
        if self.syncing.remove(&id) {
            if self.syncing.is_empty() {
                self.synced = self.synced.max(self.sync_target);
            }
            return true;
        }
        false
    }

    /// Starts an fsync of what is written, one at a time, so that appends share it.
    pub(super) fn poll_sync(&mut self, step: &mut Step<'_>) {
        if !self.durable || !self.syncing.is_empty() || self.unsynced_segments.is_empty() {
            return;
        }
        self.sync_target = self.appended;
        for segment in std::mem::take(&mut self.unsynced_segments) {
            self.syncing.insert(step.disk(Owner::Raft, DiskOpKind::Sync { tp: TP, segment }));
        }
    }

    /// Batches from `from` up to `upto`, at least one if there is one.
    pub(super) fn read(&self, from: Offset, upto: Offset, bytes_max: u32) -> Records {
        let mut records = Records::default();
        for batch in self.batches_from(from) {
            let fits = records.is_empty() || records.size_bytes() + batch.size_bytes() <= bytes_max;
            if batch.next_offset() > upto || !fits {
                break;
            }
            records.push(batch.clone());
        }
        records
    }

    /// Batches from the one that holds `from`.
    pub(super) fn batches_from(&self, from: Offset) -> impl Iterator<Item = &Arc<Batch>> {
        let at = self.batches.partition_point(|batch| batch.next_offset() <= from);
        self.batches.range(at..)
    }

    /// Largest known epoch not above `epoch`, and where it ends here.
    pub(super) fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        let after = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let (known, _) = self.epochs.get(after.checked_sub(1)?)?;
        let end_offset = self.epochs.get(after).map_or(self.end, |(_, start)| *start);
        Some(EpochEndOffset { epoch: *known, end_offset })
    }

    /// Where a follower stands that wants `offset` next and whose last record is of `epoch`.
    pub(super) fn position(&self, offset: Offset, epoch: LeaderEpoch) -> Position {
        if offset == 0 && self.start == 0 {
            return Position::Valid;
        }
        if offset < self.start {
            return Position::Trimmed;
        }
        match self.end_offset_for_epoch(epoch) {
            None if self.start == 0 => {
                Position::Diverging(EpochEndOffset { epoch: NO_EPOCH, end_offset: 0 })
            }
            None => Position::Trimmed,
            Some(known) if known.epoch == epoch && offset <= known.end_offset => Position::Valid,
            Some(known) => Position::Diverging(known),
        }
    }

    /// Whether the last record of a snapshot is, or was, on this log.
    fn contains(&self, snapshot: SnapshotId) -> bool {
        self.position(snapshot.end_offset, snapshot.epoch) == Position::Valid
    }

    /// Whether a snapshot leads further than this log.
    pub(super) fn is_behind(&self, snapshot: SnapshotId) -> bool {
        (snapshot.epoch, snapshot.end_offset) > (self.last_epoch(), self.end)
    }

    /// Where to cut so that nothing is left that the leader does not have (KIP-595).
    pub(super) fn truncation_point(&self, leader: EpochEndOffset) -> Offset {
        match self.end_offset_for_epoch(leader.epoch) {
            Some(own) if own.epoch == leader.epoch => own.end_offset.min(leader.end_offset),
            Some(own) => own.end_offset,
            None => self.start,
        }
    }

    /// Cuts everything at and after `to`, which is between two batches.
    pub(super) fn truncate(&mut self, step: &mut Step<'_>, to: Offset) {
        assert!(to >= self.start && to <= self.end, "the log holds the truncation point");
        // the fetch that told of the divergence was not sent before
        assert!(self.is_settled() && self.appending.is_empty(), "nothing is in flight");
        while self.batches.back().is_some_and(|batch| batch.next_offset() > to) {
            self.batches.pop_back();
        }
        self.end = self.batches.back().map_or(self.start, |batch| batch.next_offset());
        let prefix = self.epochs.first().copied();
        self.epochs.retain(|(_, start)| *start < to);
        if self.epochs.is_empty() && self.start > 0 {
            self.epochs.extend(prefix);
        }
        step.disk(Owner::Raft, DiskOpKind::Truncate { tp: TP, to: self.end });
        let end = self.end;
        self.segments.retain(|base| *base <= end);
        self.unsynced_segments.retain(|base| *base < end);
        self.appended = self.appended.min(end);
        self.synced = self.synced.min(end);
        self.sync_target = self.sync_target.min(end);
    }

    /// Begins a new segment, so that the prefix can go once a snapshot covers it.
    pub(super) fn roll(&mut self) {
        if self.segments.last().is_some_and(|base| *base < self.end) {
            self.segments.push(self.end);
        }
    }

    /// Deletes segments that a durable snapshot covers (RAFT-14: never more).
    pub(super) fn trim(&mut self, step: &mut Step<'_>, snapshot: SnapshotId) {
        let covered = self.segments.partition_point(|base| *base <= snapshot.end_offset);
        let keep_from = covered.saturating_sub(1);
        if keep_from == 0 {
            return;
        }
        let segments: Vec<Offset> = self.segments.drain(..keep_from).collect();
        self.start = self.segments[0];
        while self.batches.front().is_some_and(|batch| batch.next_offset() <= self.start) {
            self.batches.pop_front();
        }
        let first = self.epochs.partition_point(|(_, start)| *start < self.start);
        if let Some(last_trimmed) = first.checked_sub(1) {
            self.epochs.drain(..last_trimmed);
            self.epochs[0].1 = self.start;
        }
        self.unsynced_segments.retain(|base| !segments.contains(base));
        // the snapshot holds what is before the new start
        self.appended = self.appended.max(self.start);
        self.synced = self.synced.max(self.start);
        step.disk(Owner::Raft, DiskOpKind::DeleteSegments { tp: TP, segments });
        step.trace(TraceEvent::LogStart { tp: TP, offset: self.start });
    }

    /// Starts over after a snapshot that leads further.
    pub(super) fn reset(&mut self, step: &mut Step<'_>, snapshot: SnapshotId) {
        assert!(self.is_behind(snapshot), "a snapshot never replaces records that follow it");
        self.forget_all(snapshot);
        for kind in std::mem::take(&mut self.repairs) {
            step.disk(Owner::Raft, kind);
        }
        step.trace(TraceEvent::LogStart { tp: TP, offset: self.start });
    }

    fn forget_all(&mut self, snapshot: SnapshotId) {
        let segments = std::mem::take(&mut self.segments);
        if !segments.is_empty() {
            self.repairs.push(DiskOpKind::DeleteSegments { tp: TP, segments });
        }
        self.batches.clear();
        self.epochs = vec![(snapshot.epoch, snapshot.end_offset)];
        (self.start, self.end) = (snapshot.end_offset, snapshot.end_offset);
        self.appending.clear();
        self.unsynced_segments.clear();
        self.syncing.clear();
        (self.appended, self.synced, self.sync_target) = (self.end, self.end, self.end);
    }
}
