//! What volumes do wrong beside being slow, full or gone: fsyncs that fail, and bytes that rot.
//!
//! A failed fsync is reported once, and so is failed writeback in the background; the kernel takes the
//! pages for clean (USENIX ATC'20), so that what was not on the volume may be gone whenever the process
//! looks again. Here that is when it ends, which it does at once. Rot hits whole batches that have been
//! flushed, in the page cache or not, by a share of them; they fail their checksum when they are read for
//! consumers, followers, coordinators and the cleaner. Left out: rot of small files, of the metadata log,
//! in lookups by time and copies to remote storage, and under a recovery, which reads what was written
//! last.

use super::device::Disk;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{DiskError, DiskOpKind, DiskResult, ReadRange};

/// Faults of a host's volumes.
#[derive(Debug, Default)]
pub(super) struct Damage {
    sync_fails: bool,
    /// An fsync has failed in this life of the process.
    has_failed: bool,
    rot: Option<Rot>,
}

/// Batches that fail their checksum.
#[derive(Debug)]
struct Rot {
    share_permille: u32,
    seed: u64,
    /// Where each log's bytes on the volume ended when it began.
    ends: BTreeMap<TopicPartition, Offset>,
}

impl Rot {
    /// Whether the batch that begins at an offset is hit: always the same ones are.
    fn hits(&self, tp: TopicPartition, base: Offset) -> bool {
        if self.ends.get(&tp).is_none_or(|end| base >= *end) {
            return false;
        }
        let words = [self.seed, tp.topic.0 as u64, u64::from(tp.partition.unsigned_abs())];
        let mixed = words.iter().fold(base.unsigned_abs(), |mixed, word| {
            let mixed = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ (mixed >> 29)
        });
        mixed % 1_000 < u64::from(self.share_permille)
    }
}

impl Damage {
    /// The page cache is gone, and with it what a failed fsync has left there.
    pub(super) fn forget_failures(&mut self) {
        self.has_failed = false;
    }
}

impl Disk {
    /// Whether every fsync fails with EIO.
    pub fn set_sync_error(&mut self, fails: bool) {
        self.damage.get_or_insert_default().sync_fails = fails;
    }

    /// Lets a share (parts per thousand) of the batches that are on the volumes now rot, drawn by a
    /// seed, or restores them.
    pub fn set_rot(&mut self, now_ns: u64, rot: Option<(u32, u64)>) {
        self.settle(now_ns);
        let logs: Vec<TopicPartition> = self.store.logs().map(|log| log.tp).collect();
        let ends = logs.into_iter().filter(|tp| *tp != TopicPartition::METADATA);
        let ends = ends.filter_map(|tp| Some((tp, self.durable_end(tp)?))).collect();
        let rot = rot.map(|(share_permille, seed)| Rot { share_permille, seed, ends });
        self.damage.get_or_insert_default().rot = rot;
    }

    /// The result of an operation that a failing fsync is part of.
    pub(super) fn refused(&mut self, kind: &DiskOpKind) -> Option<DiskResult> {
        let damage = self.damage.as_mut().filter(|damage| damage.sync_fails)?;
        let needs_sync = match kind {
            DiskOpKind::Sync { tp, segment } => {
                let found = self.store.segment(*tp, *segment)?;
                found.durable < found.len() // otherwise there is nothing to write
            }
            DiskOpKind::SyncCleaned { .. } | DiskOpKind::WriteFile { .. } => true,
            _ => false,
        };
        damage.has_failed |= needs_sync;
        needs_sync.then_some(DiskResult::Failed(DiskError::Io))
    }

    /// The process has ended. After a failed fsync only a part of what was not synced is there when the
    /// next process looks, drawn by `below(n)` (uniform in `0..n`). Whether that may be so. That part counts as
    /// durable, and its pages as clean: written back again in the background, they would hold back what the next
    /// process has synced behind them (hunt seed 33003437).
    pub fn drop_unsynced(&mut self, now_ns: u64, below: &mut dyn FnMut(u64) -> u64) -> bool {
        let damage = self.damage.as_mut();
        if !damage.is_some_and(|damage| std::mem::take(&mut damage.has_failed)) {
            return false;
        }
        self.store.tear_unsynced(&mut self.cuts, below);
        self.cut(now_ns);
        self.cache.give_up_dirty();
        true
    }

    /// A log was cut, or is gone: what is written there from now on is whole.
    pub(super) fn rot_ends(&mut self, tp: TopicPartition, to: Offset) {
        let rot = self.damage.as_mut().and_then(|damage| damage.rot.as_mut());
        if let Some(end) = rot.and_then(|rot| rot.ends.get_mut(&tp)) {
            *end = to.min(*end);
        }
    }

    /// What a read yields when checksums are looked at: of every range what lies before the first batch
    /// that is damaged, and an error where all that is nothing.
    pub(super) fn checked(&self, ranges: &[ReadRange], mut read: Vec<Records>) -> DiskResult {
        let Some(rot) = self.damage.as_ref().and_then(|damage| damage.rot.as_ref()) else {
            return DiskResult::Read(read);
        };
        let mut is_damaged = false;
        for (range, records) in ranges.iter().zip(&mut read) {
            let batches = records.batches();
            let whole = batches.iter().take_while(|batch| !rot.hits(range.tp, batch.base_offset()));
            let whole = whole.count();
            if whole == batches.len() {
                continue;
            }
            is_damaged = true;
            let mut kept = Records::default();
            batches.iter().take(whole).for_each(|batch| kept.push(batch.clone()));
            *records = kept;
        }
        if is_damaged && read.iter().all(Records::is_empty) {
            return DiskResult::Failed(DiskError::Corrupt);
        }
        DiskResult::Read(read)
    }
}
