//! One pass over a log as a state machine: each step asks for one disk operation, whose outcome
//! leads to the next. The log may be written to meanwhile; when it is cut or loses segments, the
//! pass ends without a result.

use super::dirty::Dirty;
use super::filter::Filter;
use super::offset_map::OffsetMap;
use super::transactions::CleanedTransactions;
use crate::ids::{Offset, TopicPartition};
use crate::log::Compaction;
use crate::log::aborted::Aborted;
use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::plant::{Plant, planted};
use crate::records::{Batch, RecordError, Records};
use crate::seam::{DiskOpKind, ReadRange, TraceEvent};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a pass is told at its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// What it goes over.
    pub(crate) dirty: Dirty,
    /// Wall clock, ms since the epoch.
    pub(crate) wall_ms: i64,
    /// `log.cleaner.dedupe.buffer.size`, bytes.
    pub(crate) map_bytes: u64,
    /// `log.cleaner.io.buffer.size`: bytes read at once.
    pub(crate) read_bytes: u32,
}

/// A pass.
#[derive(Debug)]
pub(crate) struct Pass {
    tp: TopicPartition,
    start: Start,
    config: Compaction,
    /// The log's when the pass began.
    revision: u64,
    map: OffsetMap,
    transactions: CleanedTransactions,
    groups: VecDeque<Vec<Offset>>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Learns keys from here on.
    Mapping { at: Offset },
    /// Copies a group of segments.
    Copying(Copying),
    /// The copy is complete; waits for its fsync.
    Syncing(Copying),
    /// Everything is done below this offset.
    Done { upto: Offset },
}

#[derive(Debug)]
struct Copying {
    group: Vec<Offset>,
    /// Index in the group of the segment that is read, and offset to go on from.
    at: (usize, Offset),
    /// Offset after the group's last record.
    end: Offset,
    into: Segment,
}

/// What a pass does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The last operation pushed leads on.
    Waits,
    /// It is over; the log is clean below this offset.
    Done(Offset),
}

/// Why a pass ends without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CleaningError {
    /// The log was cut or has lost segments.
    Changed,
    /// Records that cannot be read: the log is not cleaned any more.
    Unreadable,
}

impl From<RecordError> for CleaningError {
    fn from(_: RecordError) -> Self {
        Self::Unreadable
    }
}

/// What a pass did, for the CPU model and checkers.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Bytes read and written.
    pub(crate) bytes: u64,
    /// Records looked at.
    pub(crate) records: u64,
    /// Segments replaced.
    pub(crate) events: Vec<TraceEvent>,
}

impl Pass {
    /// The first step of a pass; `next` begins it.
    pub(crate) fn new(log: &Log, config: Compaction, start: Start) -> Self {
        let Dirty { from, upto, .. } = start.dirty;
        Self {
            tp: log.tp,
            start,
            config,
            revision: log.revision,
            map: OffsetMap::with_buffer(start.map_bytes),
            transactions: transactions(log, from, upto),
            groups: VecDeque::new(),
            phase: Phase::Mapping { at: from },
        }
    }

    /// Whose log it cleans.
    pub(crate) fn tp(&self) -> TopicPartition {
        self.tp
    }

    /// Goes on, after the operation pushed last has ended: pushes the next one.
    pub(crate) fn next(
        &mut self,
        log: &mut Log,
        ops: &mut Vec<DiskOpKind>,
        done: &mut Done,
    ) -> Result<Progress, CleaningError> {
        self.check(log)?;
        loop {
            let range = match &mut self.phase {
                Phase::Mapping { at } => {
                    let upto = self.start.dirty.upto;
                    next_range(log, *at, upto, self.start.read_bytes)
                }
                Phase::Copying(copying) => copying.next_range(log, self.start.read_bytes),
                Phase::Syncing(_) => {
                    self.swap(log, ops, done);
                    continue;
                }
                Phase::Done { upto } => return Ok(Progress::Done(*upto)),
            };
            match range {
                Some(range) => {
                    let max_bytes = range.max_bytes;
                    ops.push(DiskOpKind::Read { ranges: vec![range], max_bytes });
                    return Ok(Progress::Waits);
                }
                None if matches!(self.phase, Phase::Mapping { .. }) => {
                    self.begin_copying(log, self.start.dirty.upto);
                }
                None if self.begin_sync(log, ops) => return Ok(Progress::Waits),
                None => self.begin_group(log),
            }
        }
    }

    /// Takes what was read. Returns whether an operation was pushed; if none was, [`Self::next`]
    /// goes on at once.
    pub(crate) fn take(
        &mut self,
        log: &Log,
        records: &Records,
        ops: &mut Vec<DiskOpKind>,
        done: &mut Done,
    ) -> Result<bool, CleaningError> {
        self.check(log)?;
        done.bytes += u64::from(records.size_bytes());
        if records.is_empty() {
            self.skip(log);
            return Ok(false);
        }
        if matches!(self.phase, Phase::Mapping { .. }) {
            self.learn(log, records, done)?;
            return Ok(false);
        }
        self.copy(log, records, ops, done)
    }

    /// A segment whose end was cut deep may have less than its bookkeeping says: it ends here.
    fn skip(&mut self, log: &Log) {
        match &mut self.phase {
            Phase::Mapping { at } => {
                *at = log.segments[log.segment_floor(*at)].next_offset.max(*at + 1)
            }
            Phase::Copying(copying) => copying.at.0 += 1,
            Phase::Syncing(_) | Phase::Done { .. } => {}
        }
    }

    /// Whether the log is still what was planned with (LOG-10).
    fn check(&self, log: &Log) -> Result<(), CleaningError> {
        let same = log.revision == self.revision && log.tp == self.tp;
        if same { Ok(()) } else { Err(CleaningError::Changed) }
    }

    fn learn(
        &mut self,
        log: &Log,
        records: &Records,
        done: &mut Done,
    ) -> Result<(), CleaningError> {
        for batch in records.batches() {
            let keyed = planted(log.config.plant, Plant::MarkersCleanedByKey);
            let skips = if batch.header.is_control() && !keyed {
                self.transactions.meets_marker(batch);
                true
            } else {
                self.transactions.meets_batch(batch)
            };
            if !skips && !self.learn_keys(batch, done)? {
                let upto = self.map.latest().map_or(self.start.dirty.from, |latest| latest + 1);
                self.begin_copying(log, upto);
                return Ok(());
            }
            self.map.note_read(batch.last_offset());
            self.phase = Phase::Mapping { at: batch.next_offset() };
        }
        Ok(())
    }

    /// Keys of a batch; false when the map is full.
    fn learn_keys(&mut self, batch: &Batch, done: &mut Done) -> Result<bool, CleaningError> {
        let mut has_room = true;
        batch.walk(&batch.unpack()?, |record| {
            if !has_room {
                return Ok(());
            }
            let offset = batch.offset_of(record)?;
            done.records += 1;
            if let Some(key) = record.key.filter(|_| offset >= self.start.dirty.from) {
                has_room = self.map.put(key, offset);
            }
            Ok::<(), RecordError>(())
        })?;
        Ok(has_room)
    }

    /// All keys that there is room for are known: segments below `upto` are copied.
    fn begin_copying(&mut self, log: &Log, upto: Offset) {
        self.start.dirty.upto = upto;
        self.groups = log.groups(upto).into();
        let first = log.oldest().base;
        // segments are copied to their ends, which may be behind `upto`
        self.transactions = transactions(log, first, Offset::MAX);
        self.begin_group(log);
    }

    fn begin_group(&mut self, log: &Log) {
        let upto = self.start.dirty.upto;
        let Some(group) = self.groups.pop_front() else {
            self.phase = Phase::Done { upto };
            return;
        };
        let ends = || group.iter().rev().find_map(|base| log.segment_end(*base));
        let (base, end) = (group.first().copied().unwrap_or(upto), ends().unwrap_or(upto));
        if planted(log.config.plant, Plant::TransactionsForgottenPerGroup) {
            self.transactions = transactions(log, base, Offset::MAX);
        }
        self.phase =
            Phase::Copying(Copying { at: (0, base), end, into: Segment::new(base, 0), group });
    }

    fn copy(
        &mut self,
        log: &Log,
        records: &Records,
        ops: &mut Vec<DiskOpKind>,
        done: &mut Done,
    ) -> Result<bool, CleaningError> {
        let Phase::Copying(copying) = &mut self.phase else { return Ok(false) };
        let mut filter = Filter {
            map: &self.map,
            transactions: &mut self.transactions,
            producers: &log.producers,
            now_ms: self.start.wall_ms,
            delete_retention_ms: self.config.delete_retention_ms,
            last_offset: copying.end - 1,
            plant: log.config.plant,
            walked: 0,
        };
        let mut kept = Records::default();
        for batch in records.batches() {
            copying.at.1 = batch.next_offset();
            if let Some(rest) = filter.apply(batch)? {
                copying.keep(&mut kept, rest, log.config.index_interval_bytes);
            }
        }
        done.records += filter.walked;
        if kept.is_empty() {
            return Ok(false);
        }
        done.bytes += u64::from(kept.size_bytes());
        let (tp, segment) = (self.tp, copying.into.base);
        ops.push(DiskOpKind::AppendCleaned { tp, segment, records: kept });
        Ok(true)
    }

    /// The copy is complete. Returns whether there is one: a segment without a byte has none.
    fn begin_sync(&mut self, log: &Log, ops: &mut Vec<DiskOpKind>) -> bool {
        let nothing = Phase::Done { upto: self.start.dirty.upto };
        let Phase::Copying(copying) = std::mem::replace(&mut self.phase, nothing) else {
            return false;
        };
        if copying.into.bytes == 0 {
            return false;
        }
        let (tp, segment) = (self.tp, copying.into.base);
        let aborted = log.aborted_after_cleaning(segment, copying.end, &self.transactions);
        ops.push(DiskOpKind::SyncCleaned { tp, segment, aborted });
        self.phase = Phase::Syncing(copying);
        true
    }

    fn swap(&mut self, log: &mut Log, ops: &mut Vec<DiskOpKind>, done: &mut Done) {
        let nothing = Phase::Done { upto: self.start.dirty.upto };
        let Phase::Syncing(copying) = std::mem::replace(&mut self.phase, nothing) else { return };
        let Copying { group, into, end, .. } = copying;
        let (tp, from) = (self.tp, into.base);
        log.replace_segments(&group, into, &self.transactions, ops);
        done.events.push(TraceEvent::Compacted { tp, from, upto: end });
        self.begin_group(log);
    }
}

impl Copying {
    fn next_range(&mut self, log: &Log, max_bytes: u32) -> Option<ReadRange> {
        while let Some(base) = self.group.get(self.at.0) {
            let from = self.at.1.max(*base);
            if let Some(range) = log.segment_range(*base, from, max_bytes) {
                return Some(range);
            }
            self.at.0 += 1;
        }
        None
    }

    fn keep(&mut self, kept: &mut Records, batch: Arc<Batch>, index_interval_bytes: u32) {
        self.into.append(&batch, index_interval_bytes);
        kept.push(batch);
    }
}

/// What to read next of everything at or after `at` and below `upto`.
fn next_range(log: &Log, at: Offset, upto: Offset, max_bytes: u32) -> Option<ReadRange> {
    let first = log.segment_floor(at);
    let below = log.segments.range(first..).take_while(|segment| segment.base < upto);
    below.into_iter().find_map(|s| log.segment_range(s.base, at.max(s.base), max_bytes))
}

/// What is known of transactions that were aborted in a part of the log.
fn transactions(log: &Log, from: Offset, upto: Offset) -> CleanedTransactions {
    let inside = |entry: &&Aborted| entry.last_offset >= from && entry.first_offset < upto;
    CleanedTransactions::new(log.producers.aborted().iter().filter(inside).copied().collect())
}
