//! What the cleaner leaves of a batch covers the offsets of all that its leader wrote, and says who wrote it and with
//! which sequences: whoever reads the log anew goes by that (`MemoryRecords.filterTo`).

use super::replicas::check;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::records::Batch;

/// Batches of a partition that are kept to compare with; of later ones nothing is compared.
const BATCHES_MAX: usize = 100_000;

/// What stays of a batch, however little is left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    next: Offset,
    /// Id, epoch and first sequence.
    producer: (i64, i16, i32),
    /// Whether it is a marker, or part of a transaction.
    kind: (bool, bool),
}

impl Shape {
    fn of(batch: &Batch) -> Self {
        let header = &batch.header;
        Self {
            next: batch.next_offset(),
            producer: (header.producer_id, header.producer_epoch, header.base_sequence),
            kind: (header.is_control(), header.is_transactional()),
        }
    }
}

/// Batches that leaders have written to a compacted partition, by first offset and epoch.
#[derive(Debug, Default)]
pub(crate) struct Shapes(BTreeMap<(Offset, LeaderEpoch), Shape>);

impl Shapes {
    /// A leader appended a batch.
    pub(crate) fn appended(&mut self, batch: &Batch) {
        if self.0.len() < BATCHES_MAX {
            self.0.insert(key(batch), Shape::of(batch));
        }
    }
}

fn key(batch: &Batch) -> (Offset, LeaderEpoch) {
    (batch.base_offset(), batch.header.partition_leader_epoch)
}

/// Compares a replica's batches with what was written.
pub(super) fn kept<'a>(
    p: &Partition,
    ledger: &mut Ledger,
    node: i32,
    batches: impl Iterator<Item = &'a Batch>,
) {
    let mut batches = batches.peekable();
    let Some(first) = batches.peek() else { return };
    // both are in order: one walk through what was written
    let mut written = p.shapes.0.range((first.base_offset(), LeaderEpoch::MIN)..).peekable();
    let differs = batches.find_map(|batch| {
        let key = key(batch);
        while written.next_if(|(at, _)| **at < key).is_some() {}
        let (_, written) = written.next_if(|(at, _)| **at == key)?;
        let there = Shape::of(batch);
        (*written != there).then_some((key.0, *written, there))
    });
    check(p, ledger, differs.is_none(), &|| {
        let (base, written, there) = differs.expect("one differs");
        format!(
            "replica {node} holds the batch at offset {base} as {there:?}, its leader wrote {written:?}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    /// Accounts of a batch of ten records that is changed after it was written.
    fn broken(change: impl FnOnce(&mut Batch)) -> usize {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        p.shapes.appended(&batch(20, 10, 1));
        let mut changed = Batch::clone(&batch(20, 10, 1));
        change(&mut changed);
        kept(&p, &mut ledger, 1, std::iter::once(&changed));
        ledger.finish().1.len()
    }

    #[test]
    fn a_cleaned_batch_has_fewer_records_and_nothing_else_less() {
        assert_eq!(broken(|batch| batch.header.record_count = 0), 0);
        assert_eq!(broken(|batch| batch.header.base_timestamp = 7), 0, "a delete horizon");
        assert_eq!(broken(|batch| batch.header.partition_leader_epoch = 1), 0, "another one");
        assert_eq!(broken(|batch| batch.header.last_offset_delta = 8), 1);
        assert_eq!(broken(|batch| batch.header.base_sequence = 1), 1);
        assert_eq!(broken(|batch| batch.header.producer_id = -1), 1);
        assert_eq!(broken(|batch| batch.header = batch.header.as_transactional()), 1);
    }
}
