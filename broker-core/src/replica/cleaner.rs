//! The log cleaner (Kafka's `LogCleaner` with one thread, and `LogCleanerManager`): cleans the
//! dirtiest log of all that need it, one after the other, at the allowed speed, and rests when none
//! does. Leaves out more threads, and Kafka's pausing of a log: a pass over a log that is cut
//! meanwhile ends without a result, and the log comes up again.

use super::maintenance::parse_checkpoint;
use super::{Partition, ReplicaManager};
use crate::ids::{DiskOpId, Offset, TopicPartition};
use crate::inspect::CleanerView;
use crate::log::{CleaningDone, CleaningError, CleaningStart, Dirty, Pass, Progress};
use crate::records::Records;
use crate::seam::{DiskError, DiskOpKind, DiskResult, FileName, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// The cleaner of a broker.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// Slots of compacted logs, as far as metadata has told.
    compacted: BTreeSet<u32>,
    /// First dirty offset of logs that have been cleaned (`cleaner-offset-checkpoint`).
    cleaned: BTreeMap<TopicPartition, Offset>,
    /// Logs with records that cannot be read.
    uncleanable: BTreeSet<TopicPartition>,
    /// Whether a timer is armed.
    is_armed: bool,
    running: Option<Running>,
    /// Nothing is read or written before this.
    allowed_at: Instant,
}

/// A pass under way.
#[derive(Debug)]
struct Running {
    slot: u32,
    pass: Pass,
    /// The operation that it waits for; `None` while the speed limit holds it.
    waits_for: Option<DiskOpId>,
}

impl ReplicaManager {
    /// Takes the checkpoint that the process found at its start.
    pub(crate) fn load_cleaner(&mut self, bytes: &[u8]) {
        self.cleaner.cleaned = parse_checkpoint(bytes);
    }

    /// A partition is new here, or its configs are.
    pub(super) fn note_compaction(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(partition) = self.partition(slot) else { return };
        if partition.log.config().compaction.is_none() {
            let tp = partition.tp;
            self.cleaner.compacted.remove(&slot);
            // what it has not taken away yet is to stay
            self.abandon_cleaning(step, tp);
            return;
        }
        self.cleaner.compacted.insert(slot);
        self.wake_cleaner(step);
    }

    /// A log has rolled, or may have more than its active segment: there may be something to clean.
    #[cold]
    pub(super) fn wake_cleaner(&mut self, step: &mut Step<'_>) {
        let Cleaner { compacted, is_armed, running, .. } = &self.cleaner;
        let idle = !is_armed && running.is_none() && !compacted.is_empty();
        if idle && self.config.server.log_cleaner_enable {
            self.cleaner_rests(step);
        }
    }

    /// A partition is no longer here.
    pub(super) fn forget_compaction(&mut self, step: &mut Step<'_>, slot: u32, tp: TopicPartition) {
        self.cleaner.compacted.remove(&slot);
        self.cleaner.uncleanable.remove(&tp);
        self.abandon_cleaning(step, tp);
        if self.cleaner.cleaned.remove(&tp).is_some() {
            self.write_cleaner_checkpoint(step);
        }
    }

    /// A log was cut: what is appended there now is dirty again, and its cleaning ends.
    pub(super) fn cleaned_log_was_cut(
        &mut self,
        step: &mut Step<'_>,
        tp: TopicPartition,
        to: Offset,
    ) {
        self.abandon_cleaning(step, tp);
        if let Some(cleaned) = self.cleaner.cleaned.get_mut(&tp)
            && *cleaned > to
        {
            *cleaned = to;
            self.write_cleaner_checkpoint(step);
        }
    }

    /// What it is at, for checkers.
    pub(crate) fn cleaner_view(&self) -> CleanerView<'_> {
        let Cleaner { running, uncleanable, .. } = &self.cleaner;
        let cleans = running.as_ref().map(|running| running.pass.tp());
        CleanerView { cleans, unreadable: uncleanable }
    }

    /// Whether a log is being cleaned.
    pub(super) fn is_being_cleaned(&self, tp: TopicPartition) -> bool {
        self.cleaner.running.as_ref().is_some_and(|running| running.pass.tp() == tp)
    }

    /// The cleaner looks again later; never, where no log has more than its active segment, until
    /// one has.
    fn cleaner_rests(&mut self, step: &mut Step<'_>) {
        // the limit's timer of a pass that was abandoned: a second one would stay for ever
        if self.cleaner.is_armed {
            return;
        }
        let mut logs = self.cleaner.compacted.iter().filter_map(|slot| self.partition(*slot));
        if !logs.any(|partition| partition.log.segment_count() > 1) {
            return;
        }
        self.cleaner.is_armed = true;
        // Kafka allows 0, which would be a loop without end here
        let rest = self.config.server.log_cleaner_backoff.max(Duration::from_millis(1));
        step.timer(step.now + rest, TimerKey::Cleaner);
    }

    /// Timer: the cleaner has rested, or waited long enough for its speed limit.
    pub(crate) fn cleaner_due(&mut self, step: &mut Step<'_>) {
        self.cleaner.is_armed = false;
        if self.is_closing() {
            return;
        }
        match &self.cleaner.running {
            None => self.clean_dirtiest(step),
            Some(running) if running.waits_for.is_none() => self.clean_on(step),
            Some(_) => {}
        }
    }

    /// Begins a pass over the log with the largest dirty share, if one is due.
    fn clean_dirtiest(&mut self, step: &mut Step<'_>) {
        let mut best: Option<(u32, Dirty)> = None;
        for &slot in &self.cleaner.compacted {
            let Some(partition) = self.partition(slot) else { continue };
            let Some(dirty) = self.dirty_part(partition, step.wall_ms) else { continue };
            if best.is_none_or(|(_, other)| dirty.is_dirtier_than(&other)) {
                best = Some((slot, dirty));
            }
        }
        let Some((slot, dirty)) = best else { return self.cleaner_rests(step) };
        let server = &self.config.server;
        let start = CleaningStart {
            dirty,
            wall_ms: step.wall_ms,
            map_bytes: u64::try_from(server.log_cleaner_dedupe_buffer_size).unwrap_or(0),
            read_bytes: u32::try_from(server.log_cleaner_io_buffer_size).unwrap_or(1),
        };
        let Some(partition) = self.partition(slot) else { return };
        let Some(config) = partition.log.config().compaction else { return };
        let pass = Pass::new(&partition.log, config, start);
        // What is cleaned must be on record as flushed: a log that is cut where cleaning has left a gap ends
        // before its next segment begins, and recovery takes what is not flushed and does so for torn (hunt
        // seed 960179; Kafka has no such rule).
        self.checkpoint_recovery_points(step);
        self.cleaner.running = Some(Running { slot, pass, waits_for: None });
        self.clean_on(step);
    }

    fn dirty_part(&self, partition: &Partition, wall_ms: i64) -> Option<Dirty> {
        let log = &partition.log;
        let config = log.config().compaction?;
        if self.cleaner.uncleanable.contains(&partition.tp) {
            return None;
        }
        let cleaned = self.cleaner.cleaned.get(&partition.tp).copied();
        let dirty = log.dirty(cleaned, partition.high_watermark, wall_ms)?;
        dirty.is_due(&config).then_some(dirty)
    }

    /// The pass goes on, unless the speed limit holds it.
    fn clean_on(&mut self, step: &mut Step<'_>) {
        if self.cleaner.allowed_at > step.now {
            self.cleaner.is_armed = true;
            return step.timer(self.cleaner.allowed_at, TimerKey::Cleaner);
        }
        let Some(mut running) = self.cleaner.running.take() else { return };
        let slot = running.slot;
        let tp = running.pass.tp();
        let (mut ops, mut done) = (Vec::new(), CleaningDone::default());
        let result = match self.partition_mut(slot).filter(|partition| partition.tp == tp) {
            Some(partition) => running.pass.next(&mut partition.log, &mut ops, &mut done),
            None => Err(CleaningError::Changed),
        };
        self.account(step, &mut done);
        match result {
            Ok(Progress::Waits) => {
                running.waits_for = start_all(step, ops);
                self.cleaner.running = Some(running);
            }
            Ok(Progress::Done(upto)) => {
                start_all(step, ops);
                self.cleaner.cleaned.insert(tp, upto);
                self.write_cleaner_checkpoint(step);
                self.delete_old_segments(step, slot);
                step.trace(TraceEvent::Mark("log-cleaned"));
                self.clean_dirtiest(step);
            }
            Err(error) => self.cleaning_failed(step, tp, error),
        }
    }

    /// An operation of the cleaner has ended.
    pub(crate) fn cleaner_disk_done(
        &mut self,
        step: &mut Step<'_>,
        id: DiskOpId,
        result: DiskResult,
    ) {
        if let DiskResult::Failed(error) = result {
            if error != DiskError::Corrupt {
                self.cleaner.running = None;
                return self.fail_log_dir(step, error);
            }
            // the log is not cleaned any more, and the broker goes on; a pass that was abandoned
            // says nothing about the one that runs now
            let failed = |running: &mut Running| running.waits_for == Some(id);
            if let Some(running) = self.cleaner.running.take_if(failed) {
                self.cleaning_failed(step, running.pass.tp(), CleaningError::Unreadable);
            }
            return;
        }
        if self.is_closing() {
            if let Some(running) = self.cleaner.running.take() {
                step.disk(Owner::Cleaner, DiskOpKind::DropCleaned { tp: running.pass.tp() });
            }
            return;
        }
        let Some(running) = &mut self.cleaner.running else { return };
        if running.waits_for != Some(id) {
            return;
        }
        running.waits_for = None;
        match result {
            DiskResult::Read(read) => self.cleaner_has_read(step, &read),
            _ => self.clean_on(step),
        }
    }

    fn cleaner_has_read(&mut self, step: &mut Step<'_>, read: &[Records]) {
        let Some(mut running) = self.cleaner.running.take() else { return };
        let tp = running.pass.tp();
        let (mut ops, mut done) = (Vec::new(), CleaningDone::default());
        let nothing = Records::default();
        let records = read.first().unwrap_or(&nothing);
        let partition = self.partition(running.slot).filter(|partition| partition.tp == tp);
        let result = match partition {
            Some(partition) => running.pass.take(&partition.log, records, &mut ops, &mut done),
            None => Err(CleaningError::Changed),
        };
        self.account(step, &mut done);
        match result {
            Ok(writes) => {
                running.waits_for = start_all(step, ops);
                debug_assert_eq!(writes, running.waits_for.is_some());
                self.cleaner.running = Some(running);
                if !writes {
                    self.clean_on(step);
                }
            }
            Err(error) => self.cleaning_failed(step, tp, error),
        }
    }

    /// Charges what was done, and holds the cleaner back for as long as its speed limit says.
    fn account(&mut self, step: &mut Step<'_>, done: &mut CleaningDone) {
        let work = &mut step.effects.work;
        work.cleaner_bytes += done.bytes;
        work.cleaner_records += done.records;
        if let Some(rate) = self.config.server.log_cleaner_io_rate_max.bytes_per_second {
            let ns = u128::from(done.bytes) * 1_000_000_000 / u128::from(rate);
            let from = self.cleaner.allowed_at.max(step.now);
            self.cleaner.allowed_at =
                from + Duration::from_nanos(ns.try_into().unwrap_or(u64::MAX));
        }
        for event in std::mem::take(&mut done.events) {
            step.trace(event);
        }
    }

    /// A pass ended without a result; the next one is some time away, so that a log which changes
    /// all the time does not keep the cleaner busy (LOG-14).
    #[cold]
    fn cleaning_failed(&mut self, step: &mut Step<'_>, tp: TopicPartition, error: CleaningError) {
        match error {
            CleaningError::Changed => step.trace(TraceEvent::Mark("cleaning-abandoned")),
            CleaningError::Unreadable => {
                self.cleaner.uncleanable.insert(tp);
                step.trace(TraceEvent::Mark("log-uncleanable"));
            }
        }
        step.disk(Owner::Cleaner, DiskOpKind::DropCleaned { tp });
        self.cleaner_rests(step);
    }

    #[cold]
    fn abandon_cleaning(&mut self, step: &mut Step<'_>, tp: TopicPartition) {
        if self.cleaner.running.take_if(|running| running.pass.tp() == tp).is_some() {
            self.cleaning_failed(step, tp, CleaningError::Changed);
        }
    }

    fn write_cleaner_checkpoint(&mut self, step: &mut Step<'_>) {
        let rows = self.cleaner.cleaned.iter().map(|(tp, offset)| (*tp, *offset, false));
        let rows = rows.collect();
        self.write_if_changed(step, FileName::CleanerOffsets, rows);
    }
}

/// Starts operations; the last one's id.
fn start_all(step: &mut Step<'_>, ops: Vec<DiskOpKind>) -> Option<DiskOpId> {
    ops.into_iter().map(|kind| step.disk(Owner::Cleaner, kind)).last()
}
