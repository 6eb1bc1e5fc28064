//! The batches of a partition by offset, as far back as somebody may still need them.
//!
//! `main` is the log of the newest leader. Batches of other epochs at the same offsets are `forks`.
//! What everybody has passed is folded into blocks: a sum over (offset, fingerprint) of some batches,
//! with which the final log is compared.

use super::epoch_log::EpochLog;
use std::collections::{BTreeMap, VecDeque};
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::records::{Batch, Body};

/// Batches per block.
const BLOCK_BATCHES: u32 = 1_024;

/// Forks beyond which those go that lie behind `main` and were never acknowledged.
const FORKS_MAX: usize = 4_096;

/// Acknowledged.
pub(crate) const ACKED: u8 = 1;
/// Acknowledged with `acks=all`.
pub(crate) const ACKED_ALL: u8 = 2;
/// Displaced while promises were void: a consumer may still get what it fetched before.
pub(crate) const EXCUSED: u8 = 4;
/// The configuration gave it up: its loss is counted and breaks no promise.
pub(crate) const GIVEN_UP: u8 = 8;

/// A batch in some replica's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) base: Offset,
    pub(crate) fingerprint: u64,
    /// Tag of the producer's batch, 0 = none.
    pub(crate) tag: u64,
    pub(crate) epoch: LeaderEpoch,
    /// Offsets.
    pub(crate) count: u32,
    pub(crate) sequence: i32,
    pub(crate) producer_epoch: i16,
    /// [`ACKED`], [`ACKED_ALL`], [`EXCUSED`], [`GIVEN_UP`].
    pub(crate) flags: u8,
    /// Replicas that held it when it was acknowledged, as bits by index.
    pub(crate) holders: u8,
    pub(crate) producer_id: i64,
    /// When its producer learned of the first acknowledgement.
    pub(crate) acked_ns: u64,
    /// Its largest timestamp, ms since 1970: by that its producer is forgotten, not by when it was acknowledged.
    pub(crate) max_timestamp: i64,
}

impl Entry {
    pub(crate) fn of(batch: &Batch) -> Self {
        let header = &batch.header;
        let tag = match batch.body {
            Body::Template { tag, .. } => tag,
            Body::Owned(_) => 0,
        };
        Self {
            base: header.base_offset,
            fingerprint: batch.fingerprint(),
            tag,
            epoch: header.partition_leader_epoch,
            count: header.last_offset_delta.unsigned_abs() + 1,
            sequence: header.base_sequence,
            producer_epoch: header.producer_epoch,
            flags: 0,
            holders: 0,
            producer_id: header.producer_id,
            acked_ns: 0,
            max_timestamp: header.max_timestamp,
        }
    }

    /// Offset after the last one.
    pub(crate) fn next(&self) -> Offset {
        self.base + Offset::from(self.count)
    }

    /// What the entry adds to a block's sum.
    pub(crate) fn digest(&self) -> u64 {
        digest(self.base, self.fingerprint)
    }
}

/// Order does not matter to a sum, so each summand must mix offset and content well.
pub(crate) fn digest(base: Offset, fingerprint: u64) -> u64 {
    let mut z = fingerprint ^ base.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z ^ (z >> 32)
}

/// Committed batches that nobody needs one by one any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) sum: u64,
    pub(crate) batches: u32,
    /// Acknowledged records whose loss would break the promise.
    pub(crate) promised: u64,
    /// A leader's log ended within it: the sum says more than is left.
    pub(crate) is_cut: bool,
}

/// Batches of a partition.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) main: VecDeque<Entry>,
    /// Position of `main[0]` since the beginning; positions are hints that survive trimming.
    head: u64,
    pub(crate) forks: BTreeMap<(Offset, LeaderEpoch), Entry>,
    pub(crate) blocks: Vec<Block>,
}

impl Table {
    /// Offset after the newest leader's last batch.
    pub(crate) fn end(&self) -> Option<Offset> {
        self.main.back().map(Entry::next)
    }

    /// First offset that is still kept one by one.
    pub(crate) fn start(&self) -> Option<Offset> {
        self.main.front().map(|entry| entry.base)
    }

    /// Index into `main` of the batch that starts at an offset. `hint` is a position to try first,
    /// and becomes the position after the one found.
    #[inline]
    pub(crate) fn find(&self, base: Offset, hint: &mut u64) -> Option<usize> {
        let try_at = usize::try_from(hint.wrapping_sub(self.head)).ok();
        let hit = try_at.filter(|at| self.main.get(*at).is_some_and(|entry| entry.base == base));
        let at = hit.or_else(|| self.search(base))?;
        *hint = self.head + at as u64 + 1;
        Some(at)
    }

    fn search(&self, base: Offset) -> Option<usize> {
        let (first, last) = self.main.front().zip(self.main.back())?;
        if base < first.base || base > last.base {
            return None; // a leader's append, or far behind
        }
        let at = self.main.partition_point(|entry| entry.base < base);
        (self.main.get(at)?.base == base).then_some(at)
    }

    /// Epoch of the batch with this content that was at an offset in a log other than the newest.
    pub(crate) fn fork_of(&self, base: Offset, fingerprint: u64) -> Option<LeaderEpoch> {
        let forks = self.forks.range((base, LeaderEpoch::MIN)..=(base, LeaderEpoch::MAX));
        forks.into_iter().find(|(_, e)| e.fingerprint == fingerprint).map(|(_, e)| e.epoch)
    }

    /// Makes `main` the log of a new leader; displaced batches become forks with `flags` added.
    /// Returns the first offset displaced, if any, and the index of the first batch that came back
    /// from the forks.
    pub(crate) fn adopt(&mut self, log: &EpochLog, flags: u8) -> (Option<Offset>, usize) {
        let mut displaced = None;
        while let Some(last) = self.main.back() {
            // a log may begin within a batch, which it holds all the same (hunt seed 7009828)
            let held = log.epoch_at(last.base.max(log.known_from())) == Some(last.epoch);
            if held || last.next() <= log.known_from() {
                break;
            }
            displaced = Some(last.base);
            self.displace_last(flags);
        }
        (displaced, self.bring_back(log))
    }

    /// What the newest leader's log goes on with comes back from the forks. Returns the index of the first batch.
    pub(crate) fn bring_back(&mut self, log: &EpochLog) -> usize {
        let returned_from = self.main.len();
        while let Some(end) = self.end() {
            let Some(epoch) = log.epoch_at(end) else { break };
            let Some(mut entry) = self.forks.remove(&(end, epoch)) else { break };
            entry.flags &= !(EXCUSED | GIVEN_UP);
            self.main.push_back(entry);
        }
        returned_from
    }

    /// Moves the last batch to the forks.
    pub(crate) fn displace_last(&mut self, flags: u8) {
        if let Some(mut last) = self.main.pop_back() {
            last.flags |= flags;
            self.forks.insert((last.base, last.epoch), last);
        }
    }

    /// Folds batches below `upto` into blocks.
    pub(crate) fn trim(&mut self, upto: Offset) {
        while self.main.len() > 1 {
            let Some(first) = self.main.pop_front_if(|entry| entry.next() <= upto) else { break };
            self.head += 1;
            self.fold(&first);
        }
        if self.forks.len() > FORKS_MAX {
            let start = self.start().unwrap_or(0);
            self.forks.retain(|(base, _), entry| *base >= start || entry.flags & ACKED != 0);
        }
    }

    /// Takes out what blocks say about offsets from `end` on: other batches will come there. Returns
    /// how many promised records that were; a block that begins before `end` goes on promising all
    /// of its records, so that the final log shows how many are missing.
    pub(crate) fn cut_blocks(&mut self, end: Offset) -> u64 {
        let mut records = 0;
        while let Some(last) = self.blocks.last_mut().filter(|last| last.to > end) {
            if last.from < end {
                (last.to, last.is_cut) = (end, true);
                break;
            }
            records += last.promised;
            self.blocks.pop();
        }
        records
    }

    fn fold(&mut self, entry: &Entry) {
        let joins = self
            .blocks
            .last()
            .is_some_and(|b| b.batches < BLOCK_BATCHES && b.to == entry.base && !b.is_cut);
        if !joins {
            self.blocks.push(Block { from: entry.base, ..Block::default() });
        }
        let Some(block) = self.blocks.last_mut() else { return };
        block.to = entry.next();
        block.sum = block.sum.wrapping_add(entry.digest());
        block.batches += 1;
        let is_promised = entry.flags & (ACKED_ALL | GIVEN_UP) == ACKED_ALL;
        block.promised += if is_promised { u64::from(entry.count) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    fn entry(base: Offset, epoch: LeaderEpoch) -> Entry {
        Entry { epoch, ..Entry::of(&batch(base, 10, base.unsigned_abs() + 1)) }
    }

    fn table(count: i64) -> Table {
        let main = (0..count).map(|index| entry(index * 10, 0)).collect();
        Table { main, ..Table::default() }
    }

    #[test]
    fn batches_are_found_with_and_without_a_good_hint() {
        let mut table = table(5);
        let mut hint = 0;
        for base in [0, 10, 20, 40, 10, 30] {
            assert_eq!(table.find(base, &mut hint).map(|at| table.main[at].base), Some(base));
        }
        table.trim(25);
        assert_eq!((table.start(), table.find(30, &mut hint)), (Some(20), Some(1)));
        assert_eq!(table.find(10, &mut hint), None);
    }

    #[test]
    fn a_new_leaders_log_displaces_and_brings_back() {
        let mut table = table(3);
        let mut other = EpochLog::default();
        other.append(0, 0, 10);
        assert_eq!(table.adopt(&other, 0), (Some(10), 1));
        assert_eq!((table.main.len(), table.forks.len()), (1, 2));
        table.main.push_back(entry(10, 1));
        let mut first = EpochLog::default();
        first.append(0, 0, 30);
        assert_eq!(table.adopt(&first, 0), (Some(10), 1));
        assert_eq!((table.end(), table.forks.len()), (Some(30), 1));
    }

    #[test]
    fn a_log_that_begins_within_a_batch_holds_it() {
        let mut table = table(3);
        let mut log = EpochLog::default();
        log.append(0, 0, 30);
        log.forget_below(25);
        assert_eq!(table.adopt(&log, 0), (None, 3));
        let mut other = EpochLog::default();
        other.append(1, 25, 30);
        assert_eq!(table.adopt(&other, 0), (Some(20), 2), "of another epoch");
    }

    #[test]
    fn folding_keeps_a_sum_per_block() {
        let mut table = table(2_100);
        table.main[3].flags = ACKED | ACKED_ALL;
        let sum = table.main.iter().take(1_024).fold(0, |a: u64, e| a.wrapping_add(e.digest()));
        table.trim(20_000);
        assert_eq!(table.blocks.len(), 2);
        let block = table.blocks[0];
        assert_eq!((block.from, block.to, block.batches), (0, 10_240, 1_024));
        assert_eq!((block.sum, block.promised), (sum, 10));
    }

    #[test]
    fn what_is_cut_off_leaves_no_block_behind_to_compare_with() {
        let mut table = table(2_100);
        for entry in &mut table.main {
            entry.flags = ACKED | ACKED_ALL;
        }
        table.trim(20_000);
        assert_eq!(table.cut_blocks(20_000), 0);
        assert_eq!(table.cut_blocks(10_240), 20_000 - 10_240);
        assert_eq!(table.cut_blocks(5_000), 0, "the final log will show what is missing");
        let block = table.blocks[0];
        assert_eq!((table.blocks.len(), block.to, block.promised), (1, 5_000, 10_240));
        assert!(block.is_cut);
        table.fold(&entry(5_000, 1));
        assert_eq!(table.blocks.len(), 2, "nothing joins what was cut");
    }
}
