//! Acknowledged records are in the log when all is over.
//!
//! Promised for `acks=all` while the ISR keeps an intact member and no unclean election happens;
//! whatever else is lost is counted, but breaks no promise. Retention may delete.

use super::final_state::LogView;
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use super::table::{ACKED, ACKED_ALL, Block, EXCUSED, Entry, digest};
use crate::client::BatchDone;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

pub(crate) const PROMISE: Promise = Promise {
    name: "no-acked-loss",
    text: "a record acknowledged with acks=all is on the leader at its offset in the end, unless \
           an election was unclean, every in-sync copy lost unsynced bytes, or retention passed it",
};

/// A producer was told that a batch is in the log: the table remembers it.
pub(crate) fn acked(p: &mut Partition, ledger: &mut Ledger, done: &BatchDone, acks_all: bool) {
    let Some(batch) = done.batch.as_ref().filter(|_| done.base_offset >= 0) else { return };
    let fingerprint = batch.fingerprint();
    let flags = if acks_all { ACKED | ACKED_ALL } else { ACKED };
    let Some(at) = p.table.find(done.base_offset, &mut p.acked_hint) else { return };
    ledger.checked(Check::AckedLoss, 1);
    if p.table.main[at].fingerprint == fingerprint {
        p.table.main[at].flags |= flags;
        return;
    }
    let from = (done.base_offset, i32::MIN);
    let fork = p.table.forks.range_mut(from..).take_while(|((base, _), _)| *base == from.0);
    if let Some((_, entry)) = fork.into_iter().find(|(_, e)| e.fingerprint == fingerprint) {
        entry.flags |= flags;
    }
}

/// Compares the final log with what was acknowledged. Returns lost records, excused ones included.
pub(crate) fn check_final(p: &Partition, ledger: &mut Ledger, log: &dyn LogView) -> u64 {
    let start = log.log_start();
    let mut expected = expected_batches(p, start);
    ledger.checked(Check::AckedLoss, expected.len() as u64);
    let blocks: Vec<&Block> = p.table.blocks.iter().filter(|block| block.from >= start).collect();
    ledger.checked(Check::AckedLoss, blocks.len() as u64);
    let mut found = vec![Block::default(); blocks.len()];
    let mut next_expected = 0;
    let from = blocks.first().map_or(Offset::MAX, |block| block.from);
    let from = expected.first().map_or(from, |entry| entry.base.min(from));
    if from < Offset::MAX {
        log.visit(from, &mut |batch| {
            count_in_block(&blocks, &mut found, batch);
            let base = batch.base_offset();
            while expected.get(next_expected).is_some_and(|entry| entry.base < base) {
                next_expected += 1;
            }
            let is_here = |entry: &&mut Entry| entry.base == base;
            for entry in expected[next_expected..].iter_mut().take_while(is_here) {
                if entry.fingerprint == batch.fingerprint() {
                    entry.count = 0;
                }
            }
        });
    }
    expected.retain(|entry| entry.count > 0);
    let lost = report_batches(p, ledger, &expected) + report_blocks(p, ledger, &blocks, &found);
    lost + p.lost_excused
}

fn expected_batches(p: &Partition, start: Offset) -> Vec<Entry> {
    let is_expected = |entry: &&Entry| entry.flags & ACKED != 0 && entry.base >= start;
    let all = p.table.main.iter().chain(p.table.forks.values());
    let mut expected: Vec<Entry> = all.filter(is_expected).copied().collect();
    expected.sort_unstable_by_key(|entry| (entry.base, entry.epoch));
    expected
}

fn count_in_block(blocks: &[&Block], found: &mut [Block], batch: &Batch) {
    let base = batch.base_offset();
    let at = blocks.partition_point(|block| block.to <= base);
    if blocks.get(at).is_some_and(|block| block.from <= base) {
        found[at].sum = found[at].sum.wrapping_add(digest(base, batch.fingerprint()));
        found[at].batches += 1;
        found[at].promised += u64::from(batch.header.record_count.unsigned_abs());
    }
}

fn report_batches(p: &Partition, ledger: &mut Ledger, lost: &[Entry]) -> u64 {
    for entry in lost.iter().filter(|entry| entry.flags & (ACKED_ALL | EXCUSED) == ACKED_ALL) {
        let records = u64::from(entry.count);
        ledger.broken_times(Check::AckedLoss, records, p.about(), &|| {
            format!(
                "offsets {}..{} of {}, acknowledged with acks=all in leader epoch {} (batch tag \
                 {:#x}), are not in the final log, or hold other records",
                entry.base,
                entry.next(),
                p.label,
                entry.epoch,
                entry.tag
            )
        });
    }
    lost.iter().map(|entry| u64::from(entry.count)).sum()
}

fn report_blocks(p: &Partition, ledger: &mut Ledger, blocks: &[&Block], found: &[Block]) -> u64 {
    let mut lost = 0;
    for (block, found) in blocks.iter().zip(found) {
        if block.sum == found.sum && block.batches == found.batches || block.promised == 0 {
            continue;
        }
        let records = (block.promised.saturating_sub(found.promised)).max(1);
        lost += records;
        ledger.broken_times(Check::AckedLoss, records, p.about(), &|| {
            format!(
                "offsets {}..{} of {} were committed as {} batches with sum {:016x}; the final \
                 log has {} batches with sum {:016x} there",
                block.from, block.to, p.label, block.batches, block.sum, found.batches, found.sum
            )
        });
    }
    lost
}
