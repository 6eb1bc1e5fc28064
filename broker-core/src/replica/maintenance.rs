//! Periodic chores: retention, checkpoints, recovery points of flushed segments.

use super::{Partition, ReplicaManager};
use crate::config::ServerConfig;
use crate::ids::{DiskOpId, Offset, TopicId, TopicPartition};
use crate::log::Log;
use crate::plant::{Plant, planted};
use crate::seam::{DiskOpKind, FileName, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What must be on disk before a rolled segment counts as flushed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Durable {
    /// Its records; by base offset.
    Segment(Offset),
    /// Its index of aborted transactions.
    TxnIndex(Offset),
    /// Its log's leader epochs.
    Epochs,
}

impl Durable {
    /// What an operation makes durable.
    pub(super) fn of(kind: &DiskOpKind) -> Option<Self> {
        match kind {
            DiskOpKind::Sync { segment, .. } => Some(Self::Segment(*segment)),
            DiskOpKind::WriteFile { file: FileName::TransactionIndex(_, base), .. } => {
                Some(Self::TxnIndex(*base))
            }
            DiskOpKind::WriteFile { file: FileName::LeaderEpochs(_), .. } => Some(Self::Epochs),
            _ => None,
        }
    }
}

/// Syncs under way.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    under_way: FxHashMap<u64, (u32, Durable)>,
    /// Present from the beginning of the end: what must be on disk before logs count as closed.
    closing: Option<BTreeSet<u64>>,
    /// Writes that replicas wait for until they are copied further, and the replicas' slots.
    held: BTreeSet<(u64, u32)>,
    /// Logs that are gone, and the write under way that takes their recovery points off the record.
    gone: BTreeMap<TopicPartition, DiskOpId>,
    /// Checkpoints as they were written last. Their text is made only when they have changed.
    written: BTreeMap<FileName, Vec<Row>>,
}

/// A line of a checkpoint: a log, an offset of it, and whether it may begin in remote storage.
pub(super) type Row = (TopicPartition, Offset, bool);

impl Maintenance {
    pub(super) fn arm(&self, server: &ServerConfig, step: &mut Step<'_>) {
        step.timer(step.now + server.log_retention_check_interval, TimerKey::Retention);
        step.timer(
            step.now + server.replica_high_watermark_checkpoint_interval,
            TimerKey::Checkpoint,
        );
        step.timer(step.now + server.log_flush_offset_checkpoint_interval, TimerKey::Flush);
        step.timer(step.now + server.producer_id_expiration_check_interval, TimerKey::Expiry);
    }

    /// A rolled segment is being flushed; its end becomes the recovery point.
    pub(super) fn note(&mut self, id: DiskOpId, slot: u32, what: Durable) {
        self.under_way.insert(id.0, (slot, what));
    }

    /// Syncs under way of a replica's segments.
    #[cold]
    pub(super) fn syncs(&self, slot: u32) -> Vec<u64> {
        let of = |what: &(u32, Durable)| what.0 == slot && matches!(what.1, Durable::Segment(_));
        let mut syncs: Vec<_> =
            self.under_way.iter().filter(|(_, what)| of(what)).map(|(id, _)| *id).collect();
        syncs.sort_unstable();
        syncs
    }

    /// A replica is copied further once this is on disk.
    pub(super) fn hold(&mut self, id: DiskOpId, slot: u32) {
        self.held.insert((id.0, slot));
    }

    /// A replica begins where another one was not long ago: nothing is copied to it as long as the recovery point of
    /// that one may be on record.
    pub(super) fn begins(&mut self, tp: TopicPartition, slot: u32) {
        if let Some(&id) = self.gone.get(&tp) {
            self.hold(id, slot);
        }
    }

    /// Whether a replica waits for a write.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.held.iter().any(|(_, held)| *held == slot)
    }

    /// Something is on disk: the replicas that waited for it, and for nothing else.
    pub(super) fn release(&mut self, id: DiskOpId) -> Vec<u32> {
        self.gone.retain(|_, write| *write != id);
        let waited = self.held.range((id.0, 0)..=(id.0, u32::MAX));
        let mut slots: Vec<u32> = waited.map(|(_, slot)| *slot).collect();
        self.held.retain(|(write, _)| *write != id.0);
        slots.retain(|slot| !self.holds(*slot));
        slots
    }
}

impl ReplicaManager {
    /// A disk operation that is not an append has ended.
    pub(super) fn maintenance_done(&mut self, step: &mut Step<'_>, id: DiskOpId) {
        if let Some(closing) = &mut self.maintenance.closing {
            closing.remove(&id.0);
        }
        self.tiering_recorded(step, id);
        self.release_written(id);
        if let Some((slot, what)) = self.maintenance.under_way.remove(&id.0)
            && let Some(partition) = self.partition_mut(slot)
        {
            match what {
                Durable::Segment(base) => partition.log.sync_done(base),
                Durable::TxnIndex(base) => partition.log.txn_index_written(base),
                Durable::Epochs => partition.log.epochs_written(),
            }
        }
    }

    /// Carries out what brings a disk in line with a log.
    pub(crate) fn carry_out(&mut self, step: &mut Step<'_>, kind: DiskOpKind) -> DiskOpId {
        let log = match &kind {
            DiskOpKind::Sync { tp, .. }
            | DiskOpKind::WriteFile {
                file: FileName::TransactionIndex(tp, _) | FileName::LeaderEpochs(tp),
                ..
            } => Some(*tp),
            _ => None,
        };
        let slot = log.and_then(|tp| self.slot(tp));
        let noted = slot.zip(Durable::of(&kind));
        let id = step.disk(Owner::Replica, kind);
        if let Some((slot, durable)) = noted {
            self.maintenance.note(id, slot, durable);
        }
        id
    }

    /// Timer: deletes what is too old or too much.
    pub(crate) fn retention_due(&mut self, step: &mut Step<'_>) {
        for slot in 0..u32::try_from(self.partitions.len()).unwrap_or(u32::MAX) {
            self.delete_old_segments(step, slot);
        }
        step.timer(step.now + self.config.server.log_retention_check_interval, TimerKey::Retention);
    }

    /// Deletes what is too old or too much of one log, unless the cleaner is at it, or nobody knows yet what its
    /// topic keeps.
    pub(super) fn delete_old_segments(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(tp) = self.partition(slot).map(|partition| partition.tp) else { return };
        if !self.knows_configs() || self.is_being_cleaned(tp) {
            return;
        }
        let Some(partition) = self.partition_mut(slot) else { return };
        let mut ops = Vec::new();
        let high_watermark = partition.high_watermark;
        let local_before = partition.log.local_log_start_offset();
        let moved = partition.log.retention(step.wall_ms, high_watermark, &mut ops);
        let local = partition.log.local_log_start_offset();
        for kind in ops {
            self.carry_out(step, kind);
        }
        if moved.is_none() && local > local_before {
            step.trace(TraceEvent::LocalLogStart { tp, offset: local });
            // who reads there must turn to remote storage
            self.wake_watchers(slot);
        }
        if let Some(offset) = moved {
            step.trace(TraceEvent::LogStart { tp, offset });
            self.wake_watchers(slot);
            self.tell_log_start(slot);
        }
    }

    /// A follower's log starts where its leader's does.
    pub(super) fn follow_log_start(&mut self, step: &mut Step<'_>, slot: u32, leader: Offset) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let target = leader.min(partition.high_watermark);
        if target <= partition.log.log_start_offset() {
            return;
        }
        let mut ops = Vec::new();
        partition.log.advance_log_start(target, &mut ops);
        let tp = partition.tp;
        step.trace(TraceEvent::LogStart { tp, offset: target });
        for kind in ops {
            self.carry_out(step, kind);
        }
        self.wake_watchers(slot);
        self.tell_log_start(slot);
    }

    /// Timer: forgets producers that were idle for `producer.id.expiration.ms`, which may have been set for all
    /// brokers.
    pub(crate) fn expiry_due(&mut self, step: &mut Step<'_>) {
        if self.knows_configs() {
            self.expire_producers(step.wall_ms);
        }
        let every = self.config.server.producer_id_expiration_check_interval;
        step.timer(step.now + every, TimerKey::Expiry);
    }

    fn expire_producers(&mut self, wall_ms: i64) {
        for partition in self.partitions.iter_mut().flatten() {
            partition.log.expire_producers(wall_ms);
        }
    }

    /// Timer: high watermarks survive a restart.
    pub(crate) fn checkpoint_due(&mut self, step: &mut Step<'_>) {
        self.checkpoint_high_watermarks(step);
        if planted(self.config.plant, Plant::HighWatermarksKeptOnce) {
            return;
        }
        let every = self.config.server.replica_high_watermark_checkpoint_interval;
        step.timer(step.now + every, TimerKey::Checkpoint);
    }

    /// Timer: recovery points and log starts survive a restart.
    pub(crate) fn flush_due(&mut self, step: &mut Step<'_>) {
        self.checkpoint_recovery_points(step);
        self.checkpoint_log_starts(step);
        let every = self.config.server.log_flush_offset_checkpoint_interval;
        step.timer(step.now + every, TimerKey::Flush);
    }

    /// Recovery points survive a restart. Returns the write of those that have changed.
    pub(super) fn checkpoint_recovery_points(&mut self, step: &mut Step<'_>) -> Option<DiskOpId> {
        let points = self.rows(|p| p.log.recovery_point());
        self.write_if_changed(step, FileName::RecoveryPoints, points)
    }

    /// Logs have been deleted, or set aside as strays: what was on record of them must not be taken for
    /// that of logs that come in their place (`LogManager.asyncDelete`). A replica that was moved back
    /// would count as flushed as far as the one before it (hunt seeds 730043, 821629), on a slow volume also if it
    /// was copied to before that is on disk, which whoever applies metadata waits for in Kafka (hunt seed 23001753).
    #[cold]
    pub(super) fn checkpoint_all(&mut self, step: &mut Step<'_>, gone: &[TopicPartition]) {
        if let Some(id) = self.checkpoint_recovery_points(step) {
            self.maintenance.gone.extend(gone.iter().map(|tp| (*tp, id)));
        }
        self.checkpoint_high_watermarks(step);
        self.checkpoint_log_starts(step);
    }

    fn checkpoint_high_watermarks(&mut self, step: &mut Step<'_>) {
        let marks = self.rows(|p| p.high_watermark);
        self.write_if_changed(step, FileName::HighWatermarks, marks);
    }

    /// Log starts survive a restart. Returns the write of those that have changed.
    pub(super) fn checkpoint_log_starts(&mut self, step: &mut Step<'_>) -> Option<DiskOpId> {
        if planted(self.config.plant, Plant::LogStartsNotKept) {
            return None;
        }
        let starts = self.log_starts();
        self.write_if_changed(step, FileName::LogStartOffsets, starts)
    }

    /// Logs take nothing more: they are being closed.
    pub(super) fn is_closing(&self) -> bool {
        self.maintenance.closing.is_some()
    }

    /// End of a controlled shutdown, to be called until it is done: everything is flushed, and when
    /// it is on disk, a marker says so.
    pub(crate) fn close(&mut self, step: &mut Step<'_>) -> bool {
        if self.maintenance.closing.is_none() {
            self.flush_all(step);
        }
        let is_flushed = self.maintenance.closing.as_ref().is_some_and(BTreeSet::is_empty);
        if is_flushed {
            self.note_closed(step);
        }
        is_flushed
    }

    fn flush_all(&mut self, step: &mut Step<'_>) {
        let mut ops = Vec::new();
        for partition in self.partitions.iter_mut().flatten() {
            partition.log.close(&mut ops);
        }
        // rolls have begun to flush older segments: they count as flushed afterwards, too
        let begun: Vec<u64> = self.maintenance.under_way.keys().copied().collect();
        let under_way = ops.into_iter().map(|kind| step.disk(Owner::Replica, kind).0);
        self.maintenance.closing = Some(under_way.chain(begun).collect());
    }

    fn note_closed(&mut self, step: &mut Step<'_>) {
        let ends = self.rows(|p| p.log.log_end_offset());
        self.write_if_changed(step, FileName::RecoveryPoints, ends);
        self.checkpoint_high_watermarks(step);
        // a clean shutdown keeps them with bug LOG-START-LOST, too
        let starts = self.log_starts();
        self.write_if_changed(step, FileName::LogStartOffsets, starts);
        let marker = DiskOpKind::WriteFile { file: FileName::CleanShutdown, bytes: Bytes::new() };
        step.disk(Owner::Replica, marker);
    }

    pub(super) fn write_if_changed(
        &mut self,
        step: &mut Step<'_>,
        file: FileName,
        rows: Vec<Row>,
    ) -> Option<DiskOpId> {
        if self.maintenance.written.get(&file) == Some(&rows) {
            return None;
        }
        self.write_checkpoint(step, file, rows)
    }

    /// Writes a checkpoint, unless the log directory is gone.
    pub(super) fn write_checkpoint(
        &mut self,
        step: &mut Step<'_>,
        file: FileName,
        rows: Vec<Row>,
    ) -> Option<DiskOpId> {
        if self.log_dir_failed.is_some() {
            return None;
        }
        let bytes = checkpoint(rows.iter().copied());
        self.maintenance.written.insert(file.clone(), rows);
        Some(step.disk(Owner::Replica, DiskOpKind::WriteFile { file, bytes }))
    }

    /// The checkpoint of log starts. A line says so where the log may begin in remote storage.
    pub(super) fn log_starts(&self) -> Vec<Row> {
        let is_tiered = |log: &Log| log.is_tiered() || log.is_tiering_on_record();
        self.iter().map(|p| (p.tp, p.log.log_start_offset(), is_tiered(&p.log))).collect()
    }

    /// A checkpoint with a line for each log.
    fn rows(&self, offset: impl Fn(&Partition) -> Offset) -> Vec<Row> {
        self.iter().map(|partition| (partition.tp, offset(partition), false)).collect()
    }
}

/// What a line of a checkpoint takes at most as a rule, bytes: an id in hex, and two numbers.
const LINE_BYTES: usize = 48;
/// What version and count take at most, bytes.
const HEAD_BYTES: usize = 24;
/// How a line of the checkpoint of log starts ends when the log may begin in remote storage.
const TIERED_LINE_END: &str = " remote\n";

/// Logs that may begin in remote storage, by the checkpoint of log starts.
pub(crate) fn parse_tiered(bytes: &[u8]) -> BTreeSet<TopicPartition> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with(TIERED_LINE_END));
    let rows = lines.filter_map(|line| {
        let mut words = line.split(' ');
        let topic = TopicId(u128::from_str_radix(words.next()?, 16).ok()?);
        Some(TopicPartition::new(topic, words.next()?.parse().ok()?))
    });
    rows.collect()
}

/// Kafka's `OffsetCheckpointFile` (version, count, one line each), with the topic's id in hex in
/// the place of its name; of each log, whether it may begin in remote storage.
pub fn checkpoint(rows: impl Iterator<Item = (TopicPartition, Offset, bool)>) -> Bytes {
    let mut lines = String::with_capacity(rows.size_hint().0.saturating_mul(LINE_BYTES));
    let mut count = 0usize;
    // neighbours are of one topic as a rule: its id is written once
    let (mut topic, mut hex) = (None, String::new());
    for (tp, offset, is_tiered) in rows {
        count += 1;
        if topic.replace(tp.topic) != Some(tp.topic) {
            hex.clear();
            let _ = write!(hex, "{:x}", { tp.topic.0 });
        }
        lines.push_str(&hex);
        let _ = write!(lines, " {} {offset}", tp.partition);
        lines.push_str(if is_tiered { TIERED_LINE_END } else { "\n" });
    }
    let mut text = String::with_capacity(HEAD_BYTES + lines.len());
    let _ = write!(text, "0\n{count}\n");
    text.push_str(&lines);
    Bytes::from(text)
}

/// Reads a checkpoint; a broken one counts as absent, as nothing in it is needed for safety.
pub(crate) fn parse_checkpoint(bytes: &[u8]) -> BTreeMap<TopicPartition, Offset> {
    let Ok(text) = std::str::from_utf8(bytes) else { return BTreeMap::new() };
    let mut lines = text.lines().skip(2);
    // as they are written: a topic's id is read once for lines that follow each other
    let mut before: Option<(&str, TopicId)> = None;
    let rows: Option<BTreeMap<_, _>> = lines.try_fold(BTreeMap::new(), |mut rows, line| {
        let mut words = line.split(' ');
        let hex = words.next()?;
        let topic = match before {
            Some((known, topic)) if known == hex => topic,
            _ => TopicId(u128::from_str_radix(hex, 16).ok()?),
        };
        before = Some((hex, topic));
        let partition = words.next()?.parse().ok()?;
        rows.insert(TopicPartition::new(topic, partition), words.next()?.parse().ok()?);
        Some(rows)
    });
    rows.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back() {
        let rows = BTreeMap::from([
            (TopicPartition::new(TopicId(7), 0), 12),
            (TopicPartition::new(TopicId(7), 1), 5),
            (TopicPartition::new(TopicId(u128::MAX), 3), 0),
        ]);
        let bytes = checkpoint(rows.iter().map(|(tp, offset)| (*tp, *offset, false)));
        let lines = format!("7 0 12\n7 1 5\n{} 3 0\n", "f".repeat(32));
        assert_eq!(bytes, format!("0\n3\n{lines}"));
        assert_eq!(parse_checkpoint(&bytes), rows);
        // in whatever order
        let mixed = b"0\n3\n7 1 5\nffffffffffffffffffffffffffffffff 3 0\n7 0 12\n";
        assert_eq!(parse_checkpoint(mixed), rows);
    }

    #[test]
    fn a_broken_checkpoint_counts_as_absent() {
        assert!(parse_checkpoint(b"0\n1\nnonsense").is_empty());
        assert!(parse_checkpoint(&[0xff, 0xfe]).is_empty());
    }
}
