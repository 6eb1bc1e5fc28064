//! What the cleaner leaves of a batch without records is there for its producer's sake: the last batch that one has
//! written stays, and markers of one that has written none since (Kafka's `Cleaner.isBatchLastRecordOfProducer`). Any
//! other goes, or logs of coordinators grow by a header with each transaction (KAFKA-8335). The last batch of a segment
//! stays, too: where that ends would not be known without.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::disk::Disk;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::log::Log;
use stormglass_broker_core::records::Batch;

/// Where producers are forgotten sooner, a marker may come later than that, and is the last thing of a producer of whom
/// nothing else is known, ms.
const LONG_MS: i64 = 3_600_000;

/// Looks at what the cleaner has gone over since the last look, between two steps of the node: within one, the disk may
/// not have it yet.
pub(super) fn look(p: &mut Partition, ledger: &mut Ledger, of: Of<'_>, disk: &Disk) {
    let mine = p.replica(of.node);
    let Some(cleaned) = p.replicas[mine].emptied.take() else { return };
    let (log, replica) = (of.replica.log, &p.replicas[mine]);
    // who was cut deep has forgotten what its log still has
    let is_sure = p.void.is_none() && !p.was_unclean() && !replica.cut_deep;
    if !is_sure || !p.guessed_in.is_empty() || log.config().producer_expiration_ms < LONG_MS {
        return;
    }
    let batches = disk.batches(of.replica.tp, &cleaned.offsets());
    let bases: Vec<Offset> = log.segment_views().map(|segment| segment.base).collect();
    let left = left(&batches, &bases).filter(|batch| knows_batches(log, batch));
    check(p, ledger, left.is_none(), &|| {
        let about = left.map(|batch| {
            let header = &batch.header;
            (batch.base_offset(), header.producer_id, header.producer_epoch, header.is_control())
        });
        format!(
            "the cleaner of replica {} leaves a batch without records, after which its producer has written others \
             below {}: {about:?} (offset, producer, epoch, whether it is a marker)",
            of.node,
            cleaned.offsets().end
        )
    });
}

/// Whether a log knows what a batch's producer has written, or nothing of it at all.
fn knows_batches(log: &Log, batch: &Batch) -> bool {
    let known = log.producer_view(batch.header.producer_id);
    known.is_none_or(|known| known.newest.is_some())
}

/// A batch without records, in order, that is not the last one of its segment, and after which its producer has written
/// records. `bases`: where segments begin.
fn left<'a>(batches: &'a [Arc<Batch>], bases: &[Offset]) -> Option<&'a Batch> {
    // epochs of what producers have written last, of what comes after a batch
    let mut later: BTreeMap<i64, i16> = BTreeMap::new();
    let mut next: Option<Offset> = None;
    for batch in batches.iter().rev() {
        let (header, base) = (&batch.header, batch.base_offset());
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        let ends = |next: Offset| bases.iter().any(|of| base < *of && *of <= next);
        let goes = |last: &i16| *last >= epoch && next.is_some_and(|next| !ends(next));
        if header.record_count == 0 && later.get(&id).is_some_and(goes) {
            return Some(batch.as_ref());
        }
        if header.has_producer_id() && !header.is_control() {
            later.entry(id).or_insert(epoch);
        }
        next = Some(base);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    /// A batch of ten records, or of what was that.
    fn of(base: Offset, change: impl FnOnce(&mut Batch)) -> Arc<Batch> {
        let mut of = Batch::clone(&batch(base, 10, 1));
        change(&mut of);
        Arc::new(of)
    }

    fn empty(batch: &mut Batch) {
        batch.header.record_count = 0;
    }

    fn marker(batch: &mut Batch) {
        empty(batch);
        batch.header = batch.header.as_control();
    }

    fn found(batches: &[Arc<Batch>], bases: &[Offset]) -> Option<Offset> {
        left(batches, bases).map(Batch::base_offset)
    }

    #[test]
    fn only_the_last_batch_of_a_producer_stays_without_records() {
        assert_eq!(found(&[of(0, empty), of(10, |_| {})], &[0]), Some(0));
        assert_eq!(found(&[of(0, |_| {}), of(10, empty)], &[0]), None, "it is the last");
        assert_eq!(found(&[of(0, empty), of(10, |_| {})], &[0, 10]), None, "of its segment");
        assert_eq!(found(&[of(0, empty), of(10, |_| {})], &[0, 5]), None);
        let other = of(10, |batch| batch.header.producer_id = 2);
        assert_eq!(found(&[of(0, empty), other], &[0]), None, "another producer's");
    }

    #[test]
    fn a_marker_goes_once_its_producer_has_written_again() {
        assert_eq!(found(&[of(0, marker), of(10, empty)], &[0]), Some(0));
        assert_eq!(found(&[of(0, |_| {}), of(10, marker), of(20, marker)], &[0]), None);
        let before = of(10, |batch| batch.header.producer_epoch = -1);
        assert_eq!(found(&[of(0, marker), before], &[0]), None, "in an epoch before");
    }
}
