//! The disk of a host as a broker uses it: each operation is answered at submission with the time
//! at which it ends. Leaves out file-system metadata, the journal and fragmentation; index files
//! cost nothing, as they are a thousandth of the log.
//!
//! Content changes at submission, so that operations take effect in the order of submission;
//! only the confirmation takes time. Memory copies are the CPU model's matter.

use super::config::DiskConfig;
use super::damage::Damage;
use super::flusher::{Flusher, Target};
use super::page_cache::PageCache;
use super::reader::Reader;
use super::segment::FileId;
use super::store::{Cut, Extent, Preload, Store};
use super::volume::{Io, Slow, VolumeCounters, Volumes};
use crate::rng::Streams;
use bytes::Bytes;
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{
    DiskError, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange,
};

/// When an operation ends, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// As in [`DiskOp`].
    pub id: DiskOpId,
    /// When, ns; the time of submission when the page cache served or took it.
    pub at_ns: u64,
    /// How.
    pub result: DiskResult,
}

/// Use of a disk since the last [`Disk::take_counters`], and its state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskCounters {
    /// Bytes appended to logs.
    pub append_bytes: u64,
    /// Bytes of reads that were in the page cache.
    pub hit_bytes: u64,
    /// Bytes of reads that were not.
    pub miss_bytes: u64,
    /// Dirty bytes that reached a volume.
    pub writeback_bytes: u64,
    /// Time that appends waited for writeback, summed, ns.
    pub throttled_ns: u64,
    /// Bytes in the page cache now.
    pub cached_bytes: u64,
    /// Bytes not yet on a volume now.
    pub dirty_bytes: u64,
    /// Bytes in files now, all volumes.
    pub used_bytes: u64,
    /// Per volume.
    pub volumes: Vec<VolumeCounters>,
}

/// A small file whose write is not confirmed yet.
#[derive(Debug)]
pub(super) struct PendingFile {
    pub(super) name: FileName,
    pub(super) before: Option<Bytes>,
    pub(super) at_ns: u64,
}

/// The disk of a host. It outlives the broker's process; a restarted broker reads it as a
/// [`stormglass_broker_core::seam::DiskImage`].
///
/// Times of calls must not run backwards. After each call, [`Self::next_wakeup`] says when
/// [`Self::on_wakeup`] is due.
#[derive(Debug)]
pub struct Disk {
    config: DiskConfig,
    /// A right wall clock at time zero, ms since the epoch, for the times at which files were changed: where a node's
    /// own has jumped or drifts, those do not follow it.
    wall_epoch_ms: i64,
    pub(crate) store: Store,
    pub(super) cache: PageCache,
    pub(super) volumes: Volumes,
    flusher: Flusher,
    reader: Reader,
    pub(super) pending_files: Vec<PendingFile>,
    full: bool,
    io_error: bool,
    /// Why the process's log directory is offline: something that it wrote has failed.
    failed: Option<DiskError>,
    /// Present where the plan has such faults, from the first on.
    pub(super) damage: Option<Box<Damage>>,
    /// A snapshot of the metadata that went while the state of the quorum on the volume named it.
    pub(super) named_gone: Option<FileName>,
    /// Where the log of the metadata was made to begin, and where the snapshot ended that was named on the volume
    /// then, if something of it was in neither.
    pub(super) trimmed_early: Option<(Offset, Offset)>,
    append_bytes: u64,
    throttled_ns: u64,
    /// Reused by reads and cuts.
    extents: Vec<Extent>,
    pub(super) cuts: Vec<Cut>,
}

impl Disk {
    /// Empty and idle. `node` names the random streams of its volumes.
    #[must_use]
    pub fn new(config: DiskConfig, streams: &Streams, node: u64) -> Self {
        Self {
            store: Store::new(config.volumes.len()),
            cache: PageCache::new(config.cache_bytes, config.chunk_bytes),
            volumes: Volumes::new(&config, streams, node),
            flusher: Flusher::new(&config),
            reader: Reader::new(&config),
            pending_files: Vec::new(),
            full: false,
            io_error: false,
            failed: None,
            damage: None,
            named_gone: None,
            trimmed_early: None,
            append_bytes: 0,
            throttled_ns: 0,
            extents: Vec::new(),
            cuts: Vec::new(),
            config,
            wall_epoch_ms: 0,
        }
    }

    /// The same with the wall clock at time zero, ms since the epoch.
    #[must_use]
    pub fn with_wall_epoch_ms(mut self, wall_epoch_ms: i64) -> Self {
        self.wall_epoch_ms = wall_epoch_ms;
        self
    }

    fn wall_ms(&self, now_ns: u64) -> i64 {
        self.wall_epoch_ms.saturating_add(i64::try_from(now_ns / 1_000_000).unwrap_or(i64::MAX))
    }

    /// Starts an operation.
    pub fn submit(&mut self, now_ns: u64, op: DiskOp) -> Completion {
        let DiskOp { id, kind } = op;
        self.settle(now_ns);
        let is_change = kind.is_change();
        let (at_ns, result) = if let Some(error) = self.failed.filter(|_| is_change) {
            (now_ns, DiskResult::Failed(error))
        } else if self.io_error {
            (now_ns, DiskResult::Failed(DiskError::Io))
        } else if let Some(result) = self.refused(&kind) {
            (now_ns, result)
        } else {
            self.execute(now_ns, kind)
        };
        if let DiskResult::Failed(error) = result
            && is_change
        {
            self.failed = Some(error);
        }
        debug_assert!(at_ns >= now_ns, "nothing ends before it begins");
        Completion { id, at_ns, result }
    }

    fn execute(&mut self, now_ns: u64, kind: DiskOpKind) -> (u64, DiskResult) {
        match kind {
            DiskOpKind::CreateLog { tp, .. } => {
                self.store.log_or_create(tp);
                (now_ns, DiskResult::Done)
            }
            DiskOpKind::Append { tp, segment, records } => {
                self.append(now_ns, tp, segment, records)
            }
            DiskOpKind::Read { ranges, max_bytes } => self.read(now_ns, &ranges, max_bytes),
            DiskOpKind::FindTimestamp { tp, segment, position, from, timestamp } => {
                let place = (tp, segment, position);
                let (found, extent) = self.store.find_timestamp(place, from, timestamp);
                self.extents.extend(extent);
                (self.read_extents(now_ns), DiskResult::Found(found))
            }
            DiskOpKind::Sync { tp, segment } => (self.sync(now_ns, tp, segment), DiskResult::Done),
            DiskOpKind::Truncate { tp, to } => {
                let wall_ms = self.wall_ms(now_ns);
                self.store.truncate((tp, to), wall_ms, &mut self.cuts);
                self.rot_ends(tp, to);
                self.cut(now_ns)
            }
            DiskOpKind::DeleteSegments { tp, segments } => {
                self.store.delete_segments(tp, &segments, &mut self.cuts);
                self.note_trimmed(now_ns, tp);
                self.cut(now_ns)
            }
            DiskOpKind::AppendCleaned { tp, segment, records } => {
                self.append_cleaned(now_ns, tp, segment, &records)
            }
            DiskOpKind::SyncCleaned { tp, segment, aborted } => {
                self.store.set_cleaned_aborted(tp, segment, aborted);
                (self.sync_cleaned(now_ns, tp), DiskResult::Done)
            }
            DiskOpKind::ReplaceSegments { tp, segment, replaced } => {
                self.store.replace_segments(tp, segment, &replaced, &mut self.cuts);
                self.cut(now_ns)
            }
            DiskOpKind::DropCleaned { tp } => {
                self.store.drop_cleaned(tp, &mut self.cuts);
                self.cut(now_ns)
            }
            DiskOpKind::DeleteLog { tp } => {
                self.rot_ends(tp, 0);
                self.store.delete_log(tp, &mut self.cuts);
                self.cut(now_ns)
            }
            DiskOpKind::SetLogAside { tp } => {
                self.rot_ends(tp, 0);
                self.store.set_log_aside(tp);
                (now_ns, DiskResult::Done)
            }
            DiskOpKind::WriteFile { file, bytes } => self.write_file(now_ns, &file, &bytes),
            DiskOpKind::ReadFile { file } => {
                (now_ns, DiskResult::File(self.store.file(&file).cloned()))
            }
            DiskOpKind::DeleteFile { file } => {
                self.note_named(now_ns, &file);
                self.store.set_file(&file, None);
                self.pending_files.retain(|pending| pending.name != file);
                (now_ns, DiskResult::Done)
            }
        }
    }

    /// Whether a write of the process has failed: nothing is changed any more until it ends.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.failed.is_some()
    }

    /// When [`Self::on_wakeup`] should be called, ns: background writeback goes on then. An
    /// earlier or later call does no harm.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<u64> {
        self.flusher.next_wakeup(&self.cache)
    }

    /// Background writeback goes on.
    pub fn on_wakeup(&mut self, now_ns: u64) {
        self.settle(now_ns);
        self.with_flusher(|flusher, target| flusher.pump(now_ns, target));
    }

    /// Adds a backlog to a log, durable and in no cache; before the run.
    pub fn preload(&mut self, tp: TopicPartition, preload: &Preload) {
        self.store.preload(tp, preload);
    }

    /// Batches stay as they are, before any is written: a short run does not need the memory that
    /// packing saves.
    pub fn keeps_whole_batches(&mut self) {
        self.store.dictionary.keeps_whole = true;
    }

    /// Reads a stretch of a segment, as for a copy of it; when it is there, ns. `None`: there is no
    /// such segment.
    pub fn read_stretch(
        &mut self,
        now_ns: u64,
        (tp, segment): (TopicPartition, Offset),
        (from, to): (u64, u64),
    ) -> Option<u64> {
        self.settle(now_ns);
        let volume = self.store.log(tp)?.volume;
        let found = self.store.segment(tp, segment)?;
        let (file, len) = (found.file, found.len());
        self.extents.push(Extent { volume, file, from, to: to.min(len).max(from), len });
        Some(self.read_extents(now_ns))
    }

    /// Deletes segments of a backlog; before the run.
    pub(crate) fn drop_preloaded(&mut self, tp: TopicPartition, segments: &[Offset]) {
        self.store.delete_segments(tp, segments, &mut self.cuts);
        self.cuts.clear();
    }

    /// Puts a small file in its place, durable; before the run.
    pub fn put_file(&mut self, file: &FileName, bytes: Bytes) {
        self.store.set_file(file, Some(bytes));
    }

    /// The process died: the page cache and all that was submitted stay.
    pub fn crash_process(&mut self, now_ns: u64) {
        self.settle(now_ns);
        self.failed = None;
        self.store.drop_all_cleaned(&mut self.cuts);
        self.cut(now_ns);
    }

    /// The host lost power: the page cache is gone, and of what was not written back only what
    /// luck left, or all of it where storage is apart from the host. `below(n)` draws uniformly from `0..n`.
    pub fn crash_power(&mut self, now_ns: u64, below: &mut dyn FnMut(u64) -> u64) {
        self.settle(now_ns);
        self.failed = None;
        self.store.drop_all_cleaned(&mut self.cuts);
        self.cut(now_ns);
        if let Some(damage) = &mut self.damage {
            damage.forget_failures();
        }
        if self.config.survives_power_failure {
            self.store.outlive_power();
            self.pending_files.clear();
        } else {
            self.lose_unsynced(now_ns, below);
        }
        self.cache = PageCache::new(self.config.cache_bytes, self.config.chunk_bytes);
        self.flusher.reset();
        self.reader.reset();
        self.volumes.reset(now_ns);
    }

    fn lose_unsynced(&mut self, now_ns: u64, below: &mut dyn FnMut(u64) -> u64) {
        self.store.crash_power(below);
        // Latest first: an older value can only come back if the newer ones were lost.
        while let Some(pending) = self.pending_files.pop() {
            if pending.at_ns > now_ns && below(2) == 0 {
                self.store.set_file(&pending.name, pending.before);
            } else {
                self.pending_files.retain(|older| older.name != pending.name);
            }
        }
    }

    /// Whether a power failure of the host loses what was not written back.
    #[must_use]
    pub fn loses_unsynced(&self) -> bool {
        !self.config.survives_power_failure
    }

    /// Time to scan that many bytes of logs when recovering, ns: reading and checking overlap,
    /// the slower one counts.
    #[must_use]
    pub fn recovery_time_ns(&self, scanned_bytes: u64) -> u64 {
        let plan = &self.config.volumes[0];
        let limits = [
            self.config.recovery_bytes_per_sec,
            plan.throughput.baseline_per_sec.max(plan.throughput.burst_per_sec),
            plan.instance_throughput.baseline_per_sec.max(plan.instance_throughput.burst_per_sec),
        ];
        let rate = limits.into_iter().filter(|&rate| rate > 0).min().unwrap_or(1);
        let ns = u128::from(scanned_bytes) * 1_000_000_000 / u128::from(rate);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// From now on all volumes are as slow as this.
    pub fn set_slow(&mut self, now_ns: u64, slow: Slow) {
        for volume in 0..self.volumes.len() {
            self.volumes.set_slow(now_ns, volume, slow);
        }
    }

    /// Volumes end nothing that is submitted from now on before `until_ns`.
    pub fn stall_until(&mut self, until_ns: u64) {
        for volume in 0..self.volumes.len() {
            self.volumes.stall_until(volume, until_ns);
        }
    }

    /// Whether writes fail with ENOSPC.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether every operation fails with EIO.
    pub fn set_io_error(&mut self, io_error: bool) {
        self.io_error = io_error;
    }

    /// Sets credits of volumes and of the instance's path to parts per thousand of their buckets.
    pub fn set_credit_level(&mut self, now_ns: u64, permille: u32) {
        self.volumes.set_credit_level(now_ns, permille);
    }

    /// Use since the last call, and state.
    pub fn take_counters(&mut self, now_ns: u64) -> DiskCounters {
        self.settle(now_ns);
        let count = self.volumes.len();
        DiskCounters {
            append_bytes: std::mem::take(&mut self.append_bytes),
            hit_bytes: std::mem::take(&mut self.reader.hit_bytes),
            miss_bytes: std::mem::take(&mut self.reader.miss_bytes),
            writeback_bytes: std::mem::take(&mut self.flusher.written_bytes),
            throttled_ns: std::mem::take(&mut self.throttled_ns),
            cached_bytes: self.cache.resident_bytes(),
            dirty_bytes: self.cache.unwritten_bytes(),
            used_bytes: (0..count).map(|volume| self.store.used_bytes(volume)).sum(),
            volumes: (0..count).map(|at| self.volumes.take_counters(now_ns, at)).collect(),
        }
    }

    /// Memory that this host's content takes in the simulator, bytes; approximate.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.store.memory_bytes()
    }

    fn append(
        &mut self,
        now_ns: u64,
        tp: TopicPartition,
        segment: Offset,
        records: Records,
    ) -> (u64, DiskResult) {
        let (log, volume) = self.store.locate(tp);
        let size = u64::from(records.size_bytes());
        if self.full
            || self.store.used_bytes(volume) + size > self.config.volumes[volume].size_bytes
        {
            let at_ns = self.store.confirm_append(log, now_ns, now_ns);
            return (at_ns, DiskResult::Failed(DiskError::Full));
        }
        let wall_ms = self.wall_ms(now_ns);
        let extent = self.store.append(log, segment, wall_ms, records.into_batches());
        self.append_bytes += size;
        self.cache.append(now_ns, extent.file, extent.from, extent.to);
        let free_ns = self.with_flusher(|flusher, target| {
            flusher.pump(now_ns, target);
            flusher.throttle(now_ns, target)
        });
        let at_ns = self.store.confirm_append(log, now_ns, free_ns);
        self.throttled_ns += at_ns - now_ns;
        (at_ns, DiskResult::Done)
    }

    fn append_cleaned(
        &mut self,
        now_ns: u64,
        tp: TopicPartition,
        segment: Offset,
        records: &Records,
    ) -> (u64, DiskResult) {
        let (log, volume) = self.store.locate(tp);
        let size = u64::from(records.size_bytes());
        if self.full
            || self.store.used_bytes(volume) + size > self.config.volumes[volume].size_bytes
        {
            return (now_ns, DiskResult::Failed(DiskError::Full));
        }
        let extent = self.store.append_cleaned(log, segment, records.batches());
        self.cache.append(now_ns, extent.file, extent.from, extent.to);
        let free_ns = self.with_flusher(|flusher, target| {
            flusher.pump(now_ns, target);
            flusher.throttle(now_ns, target)
        });
        (free_ns, DiskResult::Done)
    }

    fn sync_cleaned(&mut self, now_ns: u64, tp: TopicPartition) -> u64 {
        let Some((file, from, to)) = self.store.cleaned(tp) else { return now_ns };
        self.sync_file(now_ns, file, from, to)
    }

    fn read(&mut self, now_ns: u64, ranges: &[ReadRange], max_bytes: u32) -> (u64, DiskResult) {
        let records = self.store.read(ranges, max_bytes, &mut self.extents);
        let at_ns = self.read_extents(now_ns);
        if self.damage.is_none() {
            return (at_ns, DiskResult::Read(records));
        }
        (at_ns, self.checked(ranges, records))
    }

    fn read_extents(&mut self, now_ns: u64) -> u64 {
        let mut ready_ns = now_ns;
        for extent in self.extents.drain(..) {
            let at_ns = self.reader.read(now_ns, &extent, &mut self.cache, &mut self.volumes);
            ready_ns = ready_ns.max(at_ns);
        }
        ready_ns
    }

    fn sync(&mut self, now_ns: u64, tp: TopicPartition, base: Offset) -> u64 {
        let Some(segment) = self.store.segment(tp, base) else { return now_ns };
        let (file, from, to) = (segment.file, segment.durable, segment.len());
        self.sync_file(now_ns, file, from, to)
    }

    fn sync_file(&mut self, now_ns: u64, file: FileId, from: u64, to: u64) -> u64 {
        let Some(volume) = self.store.volume_of(file) else { return now_ns };
        if from == to {
            return now_ns;
        }
        let written_ns =
            self.with_flusher(|flusher, target| flusher.write_file(now_ns, file, from, to, target));
        self.volumes.submit_after(now_ns, written_ns, volume, Io::Flush)
    }

    fn write_file(&mut self, now_ns: u64, file: &FileName, bytes: &Bytes) -> (u64, DiskResult) {
        if self.full {
            return (now_ns, DiskResult::Failed(DiskError::Full));
        }
        let written_ns = self.volumes.submit(now_ns, 0, Io::Write(bytes.len() as u64));
        let at_ns = self.volumes.submit_after(now_ns, written_ns, 0, Io::Flush);
        let before = self.store.set_file(file, Some(bytes.clone()));
        // once this content is durable, no older one comes back, however late its own write would end
        for older in self.pending_files.iter_mut().filter(|pending| pending.name == *file) {
            older.at_ns = older.at_ns.min(at_ns);
        }
        self.pending_files.retain(|pending| pending.at_ns > now_ns);
        self.pending_files.push(PendingFile { name: file.clone(), before, at_ns });
        (at_ns, DiskResult::Done)
    }

    pub(super) fn cut(&mut self, now_ns: u64) -> (u64, DiskResult) {
        for (file, len, before) in self.cuts.drain(..) {
            self.cache.truncate(file, len, before);
            self.flusher.forget(file, len);
        }
        (now_ns, DiskResult::Done)
    }

    pub(super) fn settle(&mut self, now_ns: u64) {
        self.with_flusher(|flusher, target| flusher.settle(now_ns, target));
    }

    fn with_flusher<R>(&mut self, run: impl FnOnce(&mut Flusher, &mut Target<'_>) -> R) -> R {
        let Self { store, cache, volumes, flusher, .. } = self;
        run(flusher, &mut Target { cache, store, volumes })
    }
}
