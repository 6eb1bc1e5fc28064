//! Acknowledged records are in the log when all is over.
//!
//! Promised for `acks=all`. What the configuration gives up (`acks=0` or `1`, an unclean election) is
//! counted, but breaks no promise. Retention may delete. What is lost because every in-sync replica
//! lost power is lost all the same; its account says that Kafka's own promise ends there.

use super::final_state::LogView;
use super::history::{nodes, seconds};
use super::ledger::{Check, Ledger, More, Promise};
use super::partition::Partition;
use super::table::{ACKED, ACKED_ALL, Block, Entry, GIVEN_UP, digest};
use super::void::{Loss, Void, end_of_promise};
use crate::client::BatchDone;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

pub(crate) const PROMISE: Promise = Promise {
    name: "no-acked-loss",
    text: "a record acknowledged with acks=all is on the leader at its offset in the end, unless \
           retention passed it or unclean.leader.election.enable gave it up",
};

/// A batch whose offset its producer was told.
#[derive(Debug)]
pub(crate) struct Acked<'a> {
    pub(crate) done: &'a BatchDone,
    pub(crate) fingerprint: u64,
    /// Index into the table's `main` of the batch at that offset.
    pub(crate) found: Option<usize>,
}

impl<'a> Acked<'a> {
    /// `None` without an offset.
    pub(crate) fn of(p: &mut Partition, done: &'a BatchDone) -> Option<Self> {
        let batch = done.batch.as_ref().filter(|_| done.base_offset >= 0)?;
        let found = p.table.find(done.base_offset, &mut p.acked_hint);
        Some(Self { done, fingerprint: batch.fingerprint(), found })
    }
}

/// A producer was told that a batch is in the log: the table remembers it, when, and who had it.
pub(crate) fn acked(p: &mut Partition, ledger: &mut Ledger, acked: &Acked<'_>, acks_all: bool) {
    let (base, fingerprint) = (acked.done.base_offset, acked.fingerprint);
    let in_main = acked.found.filter(|at| p.table.main[*at].fingerprint == fingerprint);
    let epoch = match in_main {
        Some(at) => Some(p.table.main[at].epoch),
        None => p.table.fork_of(base, fingerprint),
    };
    let Some(epoch) = epoch else { return };
    ledger.checked(Check::AckedLoss, 1);
    let holders = p.holders(epoch, base);
    let entry = match in_main {
        Some(at) => p.table.main.get_mut(at),
        None => p.table.forks.get_mut(&(base, epoch)),
    };
    let Some(entry) = entry else { return };
    if entry.flags & ACKED == 0 {
        (entry.acked_ns, entry.holders) = (ledger.now_ns, holders);
    }
    entry.flags |= if acks_all { ACKED | ACKED_ALL } else { ACKED };
}

/// Records that one loss took away.
#[derive(Debug, Default)]
struct Gone {
    records: u64,
    /// Of them, those that were not kept one by one.
    folded: u64,
    /// In order of offsets.
    batches: Vec<Entry>,
}

/// Compares the final log with what was acknowledged. Returns lost records, given up ones included.
pub(crate) fn check_final(p: &Partition, ledger: &mut Ledger, log: &dyn LogView) -> u64 {
    if p.keys.is_some() {
        return 0; // most records go; which ones stay is the compaction checker's business
    }
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
    let counted = count_given_up(p, &expected);
    counted
        + report_losses(p, ledger, &expected, (&blocks, &found))
        + report_blocks(p, ledger, &blocks, &found)
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

/// Whether a lost record was promised. What an unclean election took away was given up, also if its old
/// leader, which had not heard of it, acknowledged it later (hunt seed 30060).
fn is_promised(p: &Partition, entry: &Entry) -> bool {
    entry.flags & (ACKED_ALL | GIVEN_UP) == ACKED_ALL && !p.was_given_up(entry.epoch, entry.base)
}

/// Lost records that break no promise.
fn count_given_up(p: &Partition, lost: &[Entry]) -> u64 {
    let given_up = lost.iter().filter(|entry| !is_promised(p, entry));
    let by_batch: u64 = given_up.map(|entry| u64::from(entry.count)).sum();
    let unclean = p.losses.iter().filter(|(_, loss)| loss.void == Some(Void::Unclean));
    by_batch + unclean.map(|(_, loss)| loss.folded).sum::<u64>()
}

/// Tells of losses of promised records, one account for each new leader that did not have them.
fn report_losses(
    p: &Partition,
    ledger: &mut Ledger,
    lost: &[Entry],
    (blocks, found): (&[&Block], &[Block]),
) -> u64 {
    let mut gone: BTreeMap<Option<usize>, Gone> = BTreeMap::new();
    for entry in lost.iter().filter(|entry| is_promised(p, entry)) {
        let gone = gone.entry(loss_of(p, entry)).or_default();
        gone.records += u64::from(entry.count);
        gone.batches.push(*entry);
    }
    let of_blocks =
        blocks.iter().zip(found).filter(|(block, _)| block.is_cut).map(|(block, found)| {
            (p.losses.from(block.to), block.promised.saturating_sub(found.promised))
        });
    let of_losses = p.losses.iter().map(|(at, loss)| (Some(at), loss.folded));
    // what an unclean election took was given up, whether it was kept one by one or not (seed 300680)
    let given_up = |at: &Option<usize>| {
        let loss = at.and_then(|at| p.losses.get(at));
        loss.is_some_and(|loss| loss.void == Some(Void::Unclean))
    };
    let folded = of_losses.chain(of_blocks).filter(|(at, n)| *n > 0 && !given_up(at));
    for (at, folded) in folded {
        let gone = gone.entry(at).or_default();
        gone.records += folded;
        gone.folded += folded;
    }
    let mut lost = 0;
    for (at, gone) in gone {
        lost += gone.records;
        report(p, ledger, at.and_then(|at| p.losses.get(at)), &gone);
    }
    lost
}

fn loss_of(p: &Partition, entry: &Entry) -> Option<usize> {
    p.losses.of_acked((entry.epoch, entry.base), entry.acked_ns)
}

fn report(p: &Partition, ledger: &mut Ledger, loss: Option<&Loss>, gone: &Gone) {
    let excuses = loss.map_or(&[][..], Loss::excuses);
    let at_ns = loss.map_or(ledger.now_ns, |loss| loss.at_ns);
    let more = More { times: gone.records, at_ns, excused_by: excuses };
    ledger.broken_more(Check::AckedLoss, more, p.about(), &|| {
        let mut seen =
            format!("{} of {}, acknowledged with acks=all, ", records(gone.records), p.label);
        let is_one = gone.records == 1;
        seen.push_str(if is_one { "is not in the final log" } else { "are not in the final log" });
        if gone.folded > 0 {
            let from = loss.map_or(0, |loss| loss.from);
            let _ = write!(
                seen,
                "\n  from offset {from} on: {}, known by number only",
                records(gone.folded)
            );
        }
        let last = gone.batches.last().filter(|_| gone.batches.len() > 1);
        for (which, entry) in [("first", gone.batches.first()), ("last ", last)] {
            if let Some(entry) = entry {
                let _ = write!(seen, "\n  {which}: {}", describe(p, entry));
            }
        }
        let decided = loss.map_or_else(
            || "by no election: the log of the last leader holds something else there".to_owned(),
            Loss::decided,
        );
        let _ = write!(seen, "\n  lost : {decided}");
        match loss {
            Some(_) if !excuses.is_empty() => {
                let _ = write!(seen, "\n{}", end_of_promise(excuses, p.min_isr));
            }
            _ => seen
                .push_str("\nKafka promises to keep them: not every in-sync replica lost its data"),
        }
        seen
    });
}

/// A lost batch: where it was, who acknowledged it when, who had it.
fn describe(p: &Partition, entry: &Entry) -> String {
    let leader = p.leaders.get(&entry.epoch).map_or("?".to_owned(), ToString::to_string);
    let held = p.holder_nodes(entry.holders);
    let plural = if held.len() == 1 { "" } else { "s" };
    let held = nodes(&held);
    format!(
        "offsets {}..{} in leader epoch {}, acknowledged by broker {leader} at {}; held then by \
         broker{plural} {held}",
        entry.base,
        entry.next(),
        entry.epoch,
        seconds(entry.acked_ns),
    )
}

fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

/// Blocks that no leader cut, and that are not what they were.
fn report_blocks(p: &Partition, ledger: &mut Ledger, blocks: &[&Block], found: &[Block]) -> u64 {
    let mut lost = 0;
    for (block, found) in blocks.iter().zip(found).filter(|(block, _)| !block.is_cut) {
        if block.sum == found.sum && block.batches == found.batches || block.promised == 0 {
            continue;
        }
        let gone = (block.promised.saturating_sub(found.promised)).max(1);
        lost += gone;
        let more = More { times: gone, at_ns: ledger.now_ns, excused_by: &[] };
        ledger.broken_more(Check::AckedLoss, more, p.about(), &|| {
            format!(
                "offsets {}..{} of {} were committed as {} batches with sum {:016x}; the final \
                 log has {} batches with sum {:016x} there. Every replica had them, and no election \
                 took them away: the last leader lost or changed them by itself",
                block.from, block.to, p.label, block.batches, block.sum, found.batches, found.sum
            )
        });
    }
    lost
}
