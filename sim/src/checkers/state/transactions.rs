//! What a log knows of transactions is what its batches on disk say: which are open, which were
//! aborted, and the last stable offset that follows. Leaves out what began below the log's start.

use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::records::{Batch, EndTxnMarker};

/// Aborted transactions: producer and first offset.
type Aborted = BTreeSet<(i64, Offset)>;

/// A check: whether it holds, and what was seen if not.
type Says<'a> = dyn FnMut(bool, &dyn Fn() -> String) + 'a;

/// A log's transactions, read from its batches.
#[derive(Debug, Default)]
struct Read {
    /// First offset by producer.
    open: BTreeMap<i64, Offset>,
    aborted: Aborted,
    /// First offsets of those that ended, and where.
    ended: Vec<(Offset, Offset)>,
}

impl Read {
    fn add(&mut self, batch: &Batch) {
        let producer = batch.header.producer_id;
        if !batch.header.is_transactional() {
            return;
        }
        let Some(marker) = EndTxnMarker::of(batch) else {
            self.open.entry(producer).or_insert(batch.base_offset());
            return;
        };
        let Some(first) = self.open.remove(&producer) else { return };
        self.ended.push((first, batch.last_offset()));
        if !marker.commit {
            self.aborted.insert((producer, first));
        }
    }

    /// First offset whose transaction is not known to every in-sync replica to have ended.
    fn last_stable(&self, high_watermark: Offset) -> Offset {
        let open = self.open.values().copied();
        let late = self.ended.iter().filter(|(_, marker)| *marker >= high_watermark);
        open.chain(late.map(|(first, _)| *first)).fold(high_watermark, Offset::min)
    }
}

/// Compares a replica's transactions with the batches on its disk.
pub(super) fn check<'a>(
    replica: &ReplicaView<'_>,
    batches: impl Iterator<Item = &'a Batch>,
    says: &mut Says<'_>,
) {
    let log = replica.log;
    // a process that has just started may not know that what is below is in remote storage
    let start = log.local_log_start_offset().max(log.first_local_offset());
    let end = log.log_end_offset();
    let mut read = Read::default();
    batches.for_each(|batch| read.add(batch));
    let known = log.active_producers();
    let open: BTreeMap<i64, Offset> = known
        .iter()
        .filter(|producer| producer.open_transaction >= 0)
        .map(|producer| (producer.id, producer.open_transaction))
        .collect();
    if open.values().any(|first| *first < start) {
        return;
    }
    says(open == read.open, &|| {
        format!("open transactions are {open:?}, by its batches {:?} (producer, offset)", read.open)
    });
    let aborted = log.aborted_transactions(start, end).into_iter();
    let (aborted, cut): (Aborted, Aborted) = aborted
        .map(|transaction| (transaction.producer_id, transaction.first_offset))
        .partition(|(_, first)| *first >= start);
    // what is left of one that began below the start looks like a whole one
    for (producer, _) in cut {
        let rest = read.aborted.range((producer, start)..=(producer, Offset::MAX)).next().copied();
        if let Some(rest) = rest.filter(|rest| !aborted.contains(rest)) {
            read.aborted.remove(&rest);
        }
    }
    says(aborted == read.aborted, &|| {
        let only = |a: &Aborted, b: &Aborted| a.difference(b).take(4).copied().collect();
        let (known, missing): (Vec<_>, Vec<_>) =
            (only(&aborted, &read.aborted), only(&read.aborted, &aborted));
        format!(
            "aborted transactions are known that its batches do not have: {known:?}, and not known \
             that they have: {missing:?} (producer, offset), of {start}..{end}"
        )
    });
    if replica.lead.is_some() && start == 0 {
        let (found, wanted) = (
            log.last_stable_offset(replica.high_watermark),
            read.last_stable(replica.high_watermark),
        );
        says(found == wanted, &|| {
            let high_watermark = replica.high_watermark;
            format!(
                "the last stable offset is {found}, by its batches {wanted} (high watermark \
                 {high_watermark})"
            )
        });
    }
}

/// What compaction leaves of a transaction has its marker behind it, or else it would be part of the next
/// one of its producer for whoever reads the log anew (KAFKA-8351). `known` are the markers that the replica
/// has appended, by producer. Of one that came too late nothing but the header may have been left, as in
/// Kafka (hunt seed 773160).
pub(super) fn marked<'a>(
    known: &BTreeMap<(i64, Offset), bool>,
    batches: impl Iterator<Item = &'a Batch>,
    says: &mut Says<'_>,
) {
    for (producer, first, marker) in unmarked(known, batches) {
        says(false, &|| {
            format!(
                "the records of producer {producer} at offset {first} are there, and the marker of \
                 their transaction, at {marker}, is not"
            )
        });
    }
}

/// Producer and offset of records whose marker is gone, and where that was.
fn unmarked<'a>(
    known: &BTreeMap<(i64, Offset), bool>,
    batches: impl Iterator<Item = &'a Batch>,
) -> Vec<(i64, Offset, Offset)> {
    let mut open: BTreeMap<i64, Offset> = BTreeMap::new();
    let mut gone = Vec::new();
    for batch in batches.filter(|batch| batch.header.is_transactional()) {
        let (header, base) = (&batch.header, batch.base_offset());
        let producer = header.producer_id;
        let expected = |first: Offset| {
            let mut later = known.range((producer, first)..=(producer, Offset::MAX));
            let next = later.next().map(|((_, marker), is_whole)| (*marker, *is_whole));
            next.filter(|(marker, _)| *marker < base)
        };
        let missed = open.get(&producer).and_then(|first| Some((*first, expected(*first)?)));
        if let Some((first, (marker, is_whole))) = missed {
            gone.extend(is_whole.then_some((producer, first, marker)));
            open.remove(&producer);
        }
        if EndTxnMarker::of(batch).is_some() {
            open.remove(&producer);
        } else if !header.is_control() && header.record_count > 0 {
            open.entry(producer).or_insert(base);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    fn written(base: Offset) -> Batch {
        let mut batch = Batch::clone(&batch(base, 2, 1));
        batch.header = batch.header.as_transactional();
        batch
    }

    fn marker(base: Offset, commit: bool) -> Batch {
        let mut batch = EndTxnMarker { commit, coordinator_epoch: 0 }.to_batch(1, 0, 0);
        batch.header.base_offset = base;
        batch
    }

    #[test]
    fn what_is_left_of_a_transaction_has_its_marker() {
        let known = BTreeMap::from([((1, 2), true), ((1, 7), true)]);
        let of = |batches: &[Batch]| unmarked(&known, batches.iter());
        assert_eq!(of(&[written(0), marker(2, true), written(5), marker(7, true)]), []);
        assert_eq!(of(&[written(0), written(5), marker(7, true)]), [(1, 0, 2)]);
        assert_eq!(of(&[written(5), marker(7, true)]), [], "its records are gone as well");
        let mut empty = written(0);
        empty.header.record_count = 0;
        assert_eq!(of(&[empty, written(5)]), [], "a batch that only keeps its producer");
        let late = BTreeMap::from([((1, 2), false), ((1, 7), true)]);
        assert_eq!(unmarked(&late, [written(0), written(8)].iter()), [], "only its header came");
    }

    #[test]
    fn batches_tell_what_is_open_aborted_and_stable() {
        let mut read = Read::default();
        for batch in [written(0), written(2), marker(4, false), written(5), marker(7, true)] {
            read.add(&batch);
        }
        assert!(read.open.is_empty() && read.aborted.contains(&(1, 0)));
        assert_eq!((read.aborted.len(), read.last_stable(8)), (1, 8));
        assert_eq!(read.last_stable(7), 5, "the marker is not replicated");
        assert_eq!(read.last_stable(4), 0);
        read.add(&written(8));
        assert_eq!((read.last_stable(10), read.open.get(&1)), (8, Some(&8)));
    }
}
