//! Compaction keeps the newest record of each key, and tombstones for as long as readers may need
//! them. Leaves out topics that transactional producers write: what is aborted is compacted away.

use super::epoch_log::EpochLog;
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};
use stormglass_broker_core::records::{Batch, Body};

pub(crate) const PROMISE: Promise = Promise {
    name: "compaction",
    text: "of each key of a compacted topic, the newest committed record is in the log at its \
           offset; a tombstone may go delete.retention.ms after it was written, and no older value \
           comes back then",
};

/// Records of a partition that are kept to compare with; with more, nothing is compared.
const RECORDS_MAX: usize = 500_000;

/// A record that a leader wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    key: Vec<u8>,
    /// Digest of the value; `None` for a tombstone.
    value: Option<u64>,
    at_ns: u64,
}

/// What leaders have written to a compacted partition.
#[derive(Debug)]
pub(crate) struct Keys {
    delete_retention_ns: u64,
    /// Leaders of several epochs may write the same offset; which of them counts is known once the
    /// offset is committed.
    written: BTreeMap<(Offset, LeaderEpoch), Written>,
    is_complete: bool,
    /// In-sync replicas as last heard.
    in_sync: Option<BTreeSet<NodeId>>,
    /// A replica was out of sync at some time.
    left_behind: bool,
}

/// The newest record of each key: its offset, and a digest of its value.
pub(crate) type Table = BTreeMap<Vec<u8>, (Offset, Option<u64>)>;

impl Keys {
    /// Nothing yet.
    pub(crate) fn new(delete_retention_ms: u64) -> Self {
        Self {
            delete_retention_ns: delete_retention_ms.saturating_mul(1_000_000),
            written: BTreeMap::new(),
            is_complete: true,
            in_sync: None,
            left_behind: false,
        }
    }

    /// Values are not compared: what is aborted is compacted away, and counted here.
    pub(crate) fn incomplete(mut self) -> Self {
        self.is_complete = false;
        self
    }

    /// Committed records may be gone: what they had replaced may have been compacted away before, and
    /// is gone with them, in Kafka as here (hunt seed 110429).
    pub(crate) fn gave_up(&mut self) {
        self.is_complete = false;
    }

    /// These replicas are in sync now. Whichever way that changes, one was not: also where as many are, as when
    /// a reassignment ends (hunt seed 1017865).
    pub(crate) fn in_sync(&mut self, isr: &[NodeId]) {
        let isr = BTreeSet::from_iter(isr.iter().copied());
        self.left_behind |= self.in_sync.as_ref().is_some_and(|before| *before != isr);
        self.in_sync = Some(isr);
    }

    /// How long deleted records and markers are kept, if a replica was away and may have missed one,
    /// ns.
    pub(crate) fn forgets_after(&self) -> Option<u64> {
        self.left_behind.then_some(self.delete_retention_ns)
    }

    /// Records that are committed, in order.
    fn committed<'a>(
        &'a self,
        committed: &'a EpochLog,
        (start, upto): (Offset, Offset),
    ) -> impl DoubleEndedIterator<Item = (Offset, &'a Written)> {
        let range = (start, LeaderEpoch::MIN)..(upto.max(start), LeaderEpoch::MIN);
        let written = self.written.range(range);
        written.filter_map(|((offset, epoch), written)| {
            (committed.epoch_at(*offset) == Some(*epoch)).then_some((*offset, written))
        })
    }

    /// Whether the newest committed record of a key is a tombstone that may be gone by now.
    pub(crate) fn is_deleted(
        &self,
        key: &[u8],
        (committed, upto): (&EpochLog, Offset),
        now_ns: u64,
    ) -> bool {
        let mut newest_first = self.committed(committed, (0, upto)).rev();
        let newest = newest_first.find(|(_, written)| written.key == key);
        newest.is_some_and(|(_, written)| {
            written.value.is_none()
                && self.left_behind
                && now_ns.saturating_sub(written.at_ns) >= self.delete_retention_ns
        })
    }

    /// Whether a key was deleted at some time, whatever was written with it since.
    pub(crate) fn was_deleted(&self, key: &[u8], (committed, upto): (&EpochLog, Offset)) -> bool {
        let mut written = self.committed(committed, (0, upto));
        written.any(|(_, written)| written.key == key && written.value.is_none())
    }

    /// As [`Self::is_deleted`], and nothing was written with the key since, committed or not.
    pub(crate) fn is_over(&self, key: &[u8], committed: (&EpochLog, Offset), now_ns: u64) -> bool {
        let newest = self.written.values().rev().find(|written| written.key == key);
        newest.is_some_and(|written| written.value.is_none())
            && self.is_deleted(key, committed, now_ns)
    }

    /// Whether the newest committed record of a key was written by a leader before `epoch` that may have had what
    /// was deleted with one of these keys: others deleted it before that one led, and the tombstone may have been
    /// gone when it wrote.
    pub(crate) fn may_rest_on_deleted(
        &self,
        (key, is_of): (&[u8], impl Fn(&[u8]) -> bool),
        (committed, upto): (&EpochLog, Offset),
        epoch: LeaderEpoch,
    ) -> bool {
        let mut newest: BTreeMap<&[u8], (Offset, &Written)> = BTreeMap::new();
        for (offset, written) in self.committed(committed, (0, upto)) {
            newest.insert(&written.key, (offset, written));
        }
        let Some((at, rests)) = newest.get(key).filter(|_| self.left_behind) else { return false };
        let Some(led) = committed.epoch_at(*at).filter(|led| *led < epoch) else { return false };
        let may_be_gone = |offset: Offset, deleted: &Written| {
            deleted.value.is_none()
                && committed.epoch_at(offset).is_some_and(|epoch| epoch < led)
                && rests.at_ns.saturating_sub(deleted.at_ns) >= self.delete_retention_ns
        };
        newest.iter().any(|(key, (at, of))| is_of(key) && may_be_gone(*at, of))
    }

    /// Whether something is lost that was written with one of these keys.
    pub(crate) fn lost_any(
        &self,
        is_of: impl Fn(&[u8]) -> bool,
        is_lost: impl Fn(LeaderEpoch, Offset) -> bool,
    ) -> bool {
        let mut written = self.written.iter();
        written.any(|((offset, epoch), record)| is_of(&record.key) && is_lost(*epoch, *offset))
    }

    /// Whether all that was written is known.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// A leader appended a batch.
    pub(crate) fn appended(&mut self, now_ns: u64, batch: &Batch) {
        let epoch = batch.header.partition_leader_epoch;
        if batch.header.is_control() {
            return;
        }
        visit(batch, |offset, key, value| {
            let (key, at_ns) = (key.to_vec(), now_ns);
            self.written.insert((offset, epoch), Written { key, value, at_ns });
        });
        self.is_complete &= self.written.len() <= RECORDS_MAX;
    }
}

/// Looks at the records of a batch that have keys: offset, key, digest of the value. What cannot be read is left out.
fn visit(batch: &Batch, mut look: impl FnMut(Offset, &[u8], Option<u64>)) {
    let seen = batch.visit(|offset, key, value| {
        if let Some(key) = key {
            look(offset, key, value.map(Body::digest));
        }
    });
    seen.ok(); // what is no record is others' to see
}

/// The newest records of batches, below an offset.
pub(crate) fn table<'a>(batches: impl Iterator<Item = &'a Batch>, upto: Offset) -> Table {
    let mut table = Table::new();
    // most keys come again: each is copied once
    visit_below(batches, upto, |offset, key, value| match table.get_mut(key) {
        Some(newest) => *newest = (offset, value),
        None => {
            table.insert(key.to_vec(), (offset, value));
        }
    });
    table
}

/// Looks at records below an offset in order.
fn visit_below<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    upto: Offset,
    mut look: impl FnMut(Offset, &[u8], Option<u64>),
) {
    for batch in batches.filter(|batch| !batch.header.is_control()) {
        visit(batch, |offset, key, value| {
            if offset < upto {
                look(offset, key, value);
            }
        });
    }
}

/// The newest committed record of a key, and what a log has: its newest offset, and a digest of the value.
struct Newest<'a> {
    offset: Offset,
    written: &'a Written,
    there: Option<(Offset, Option<u64>)>,
}

impl Newest<'_> {
    /// Whether a log may have that.
    fn holds(&self, keys: &Keys, now_ns: u64) -> bool {
        let age_ns = now_ns.saturating_sub(self.written.at_ns);
        match (self.there, self.written.value) {
            // a replica that was away for longer never saw the tombstone, and kept the value before it
            (there, None) if age_ns >= keys.delete_retention_ns => {
                there.is_none() || keys.left_behind || there == Some((self.offset, None))
            }
            (there, value) => there == Some((self.offset, value)),
        }
    }
}

/// Compares a replica's log, which begins at `start` and is these batches, with what was written and committed.
pub(crate) fn check<'a>(
    p: &Partition,
    ledger: &mut Ledger,
    (node, start, end): (i32, Offset, Offset),
    batches: impl Iterator<Item = &'a Batch>,
) {
    let Some(keys) = p.keys.as_ref().filter(|keys| keys.is_complete) else { return };
    if p.void.is_some() {
        return;
    }
    let upto = p.exposed().min(end);
    let mut by_key: FxHashMap<&[u8], Newest<'_>> = FxHashMap::default();
    for (offset, written) in keys.committed(&p.committed, (start, upto)) {
        by_key.insert(&written.key, Newest { offset, written, there: None });
    }
    visit_below(batches, upto, |offset, key, value| {
        if let Some(of) = by_key.get_mut(key) {
            of.there = Some((offset, value));
        }
    });
    let now_ns = ledger.now_ns;
    ledger.checked(Check::Compaction, by_key.len() as u64);
    let differing = by_key.iter().filter(|(_, of)| !of.holds(keys, now_ns));
    // one key stands for all, the first in order
    let Some((key, Newest { offset, written, there })) = differing.min_by_key(|(key, _)| **key)
    else {
        return;
    };
    ledger.broken(Check::Compaction, p.about(), &|| {
        let what = if written.value.is_some() { "a value" } else { "a tombstone" };
        format!(
            "the newest record of key {} below {upto} is {what} at offset {offset}, written {} \
             ms ago; replica {node}, whose log begins at {start}, has {there:?} (offset, digest \
             of the value)",
            String::from_utf8_lossy(key),
            now_ns.saturating_sub(written.at_ns) / 1_000_000
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stormglass_broker_core::records::Record;

    fn batch(base: Offset, writes: &[(&str, Option<&str>)]) -> Batch {
        let bytes = |text: &str| Bytes::from(text.to_owned());
        let record =
            |(key, value): &(&str, Option<&str>)| Record::new(Some(bytes(key)), value.map(bytes));
        let mut records: Vec<Record> = writes.iter().map(record).collect();
        let mut batch = Batch::build(0, &mut records);
        batch.header.base_offset = base;
        batch.header.partition_leader_epoch = 0;
        batch
    }

    /// Accounts of a log, of which everything is committed, `age_ms` after its last batch.
    fn accounts(written: &[Batch], log: &[Batch], age_ms: u64) -> usize {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        p.keys = Some(Keys::new(1000));
        for batch in written {
            p.keys.as_mut().unwrap().appended(0, batch);
            p.committed.append(0, batch.base_offset(), batch.next_offset());
        }
        ledger.now_ns = age_ms * 1_000_000;
        check(&p, &mut ledger, (1, 0, 99), log.iter());
        ledger.finish().1.len()
    }

    #[test]
    fn the_newest_of_each_key_must_be_there_and_nothing_else() {
        let written = [
            batch(0, &[("a", Some("1")), ("b", Some("1"))]),
            batch(2, &[("a", Some("2"))]),
            batch(3, &[("b", None)]),
        ];
        let [first, second, tombstone] = &written;
        let without_b = batch(0, &[("a", Some("1"))]);
        assert_eq!(accounts(&written, &written, 0), 0, "whole");
        let compacted = [second.clone(), tombstone.clone()];
        assert_eq!(accounts(&written, &compacted, 0), 0, "compacted");
        assert_eq!(
            accounts(&written, std::slice::from_ref(second), 1000),
            0,
            "the tombstone may go"
        );
        assert_eq!(accounts(&written, std::slice::from_ref(second), 999), 1, "but not yet");
        assert_eq!(accounts(&written, &[without_b, tombstone.clone()], 0), 1, "an older value");
        assert_eq!(accounts(&written, &[first.clone(), second.clone()], 5000), 1, "b came back");
    }

    #[test]
    fn of_two_leaders_that_write_an_offset_the_one_counts_that_is_committed() {
        let [old, new] = [("old", 1), ("new", 2)].map(|(value, epoch)| {
            let mut batch = batch(0, &[("a", Some(value))]);
            batch.header.partition_leader_epoch = epoch;
            batch
        });
        for (epoch, there, accounts) in [(1, &old, 0), (1, &new, 1), (2, &new, 0), (2, &old, 1)] {
            let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
            let mut keys = Keys::new(0);
            keys.appended(0, &new);
            // deposed, and has not heard of it
            keys.appended(0, &old);
            p.keys = Some(keys);
            p.committed.append(epoch, 0, 1);
            check(&p, &mut ledger, (1, 0, 99), [there].into_iter());
            assert_eq!(ledger.finish().1.len(), accounts, "{epoch}");
        }
    }
}
