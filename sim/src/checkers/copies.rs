//! What an application copies from one topic to another is there exactly once: Kafka's own
//! `transactions_test` copies messages so, under clean and hard bounces.
//!
//! Looks at the leaders' logs when the run is over, as a reader of committed records would read them.

use super::final_state::{FinalState, LogView};
use super::history::{History, seconds};
use super::ledger::{Check, Ledger, Promise};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::{Batch, EndTxnMarker, Record};

pub(crate) const PROMISE: Promise = Promise {
    name: "exactly-once-copy",
    text: "every committed record of the one topic is made into exactly one committed record of the \
           other, in the order of its partition",
};

/// Says from which partition and offset a record of a partition was made.
pub(crate) type SourceOf = Arc<dyn Fn(i32, Record) -> Option<(i32, Offset)> + Send + Sync>;

/// A promise of an application.
#[derive(Clone)]
pub(crate) struct CopyPromise {
    /// Topic that is copied.
    pub(crate) from: String,
    /// Topic of the copies.
    pub(crate) to: String,
    /// What a copy was made from.
    pub(crate) source: SourceOf,
}

impl fmt::Debug for CopyPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyPromise")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A promise with the partitions that it is about, and when the run's time began, ms since 1970.
#[derive(Debug)]
pub(crate) struct Copied<'a> {
    pub(crate) promise: &'a CopyPromise,
    pub(crate) from: Vec<TopicPartition>,
    pub(crate) to: Vec<TopicPartition>,
    pub(crate) began_ms: i64,
}

/// A copy in a log.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: i32,
    offset: Offset,
    written_ms: i64,
    producer: (i64, i16),
}

impl Place {
    /// Where, when, and by whom, in words.
    fn about(&self, copied: &Copied<'_>) -> String {
        let Self { partition, offset, written_ms, producer: (id, epoch) } = self;
        let since_ns = u64::try_from(written_ms - copied.began_ms).unwrap_or(0) * 1_000_000;
        let topic = &copied.promise.to;
        format!(
            "offset {offset} of {topic}-{partition}, written at {} by producer {id} in epoch {epoch}",
            seconds(since_ns)
        )
    }
}

/// Name and history of a partition.
pub(crate) type About<'a> = &'a dyn Fn(TopicPartition) -> (&'a str, &'a History);

/// Partition and offset of a record that is copied.
type Original = (i32, Offset);

/// Both topics side by side.
struct Comparison<'a, 'l> {
    ledger: &'l mut Ledger,
    copied: &'a Copied<'a>,
    about: About<'a>,
    originals: BTreeSet<Original>,
    /// Where each partition of the originals begins: what was there before is gone.
    starts: BTreeMap<i32, Offset>,
    copies: BTreeMap<Original, Place>,
}

/// Compares both topics. The caller knows that Kafka promises something of their partitions.
pub(crate) fn check_final<'a>(
    ledger: &mut Ledger,
    copied: &'a Copied<'a>,
    state: &FinalState<'_>,
    about: About<'a>,
) {
    let view = |tp: &TopicPartition| {
        let last = state.partitions.iter().find(|last| last.tp == *tp)?;
        Some((*tp, last.log?, last.high_watermark))
    };
    let logs = |of: &[TopicPartition]| of.iter().map(view).collect::<Option<Vec<_>>>();
    let Some((from, to)) = logs(&copied.from).zip(logs(&copied.to)) else { return };
    let (originals, starts, copies) = Default::default();
    let mut comparison = Comparison { ledger, copied, about, originals, starts, copies };
    for (tp, log, high_watermark) in from {
        comparison.starts.insert(tp.partition, log.log_start());
        visit_committed(log, high_watermark, &mut |batch| {
            let offsets = batch.base_offset()..batch.next_offset();
            comparison.originals.extend(offsets.map(|offset| (tp.partition, offset)));
        });
    }
    // positions of a transaction that nobody has ended yet are waited for by whoever takes over
    let mut is_open = false;
    // where retention has taken copies away, nothing is known of what is missing
    let is_whole = to.iter().all(|(_, log, _)| log.log_start() == 0);
    for (tp, log, high_watermark) in to {
        let mut last = BTreeMap::new();
        is_open |= visit_committed(log, high_watermark, &mut |batch| {
            for (place, record) in places(tp.partition, batch) {
                comparison.copy(tp, place, record, &mut last);
            }
        });
    }
    if state.drained && is_whole && !is_open {
        comparison.missing();
    }
}

/// Batches that a reader of committed records gets. Whether a transaction is open.
fn visit_committed(
    log: &dyn LogView,
    high_watermark: Offset,
    visit: &mut dyn FnMut(&Batch),
) -> bool {
    let mut open: BTreeMap<i64, Vec<Offset>> = BTreeMap::new();
    let mut committed: BTreeSet<Offset> = BTreeSet::new();
    let is_below = |batch: &Batch| batch.base_offset() < high_watermark;
    log.visit(log.log_start(), &mut |batch| {
        let header = &batch.header;
        if !is_below(batch) || !header.is_transactional() {
            return;
        }
        match EndTxnMarker::of(batch) {
            Some(marker) => {
                let ended = open.remove(&header.producer_id).unwrap_or_default();
                committed.extend(ended.into_iter().filter(|_| marker.commit));
            }
            None => open.entry(header.producer_id).or_default().push(batch.base_offset()),
        }
    });
    log.visit(log.log_start(), &mut |batch| {
        let is_committed = || committed.contains(&batch.base_offset());
        let header = &batch.header;
        let shown = !header.is_control() && (!header.is_transactional() || is_committed());
        if is_below(batch) && shown {
            visit(batch);
        }
    });
    !open.is_empty()
}

fn places(partition: i32, batch: &Batch) -> impl Iterator<Item = (Place, Record)> {
    let header = batch.header;
    let records = batch.records().unwrap_or_default();
    records.into_iter().map(move |record| {
        let place = Place {
            partition,
            offset: header.base_offset + Offset::from(record.offset_delta),
            written_ms: header.max_timestamp,
            producer: (header.producer_id, header.producer_epoch),
        };
        (place, record)
    })
}

impl Comparison<'_, '_> {
    /// Looks at a copy; `last` has what its partition had before, per partition of originals.
    fn copy(
        &mut self,
        tp: TopicPartition,
        place: Place,
        record: Record,
        last: &mut BTreeMap<i32, (Offset, Place)>,
    ) {
        self.ledger.checked(Check::Copies, 1);
        let source = (self.copied.promise.source)(tp.partition, record);
        let is_gone = |at: &Original| self.starts.get(&at.0).is_some_and(|start| at.1 < *start);
        let is_known = |at: &Original| self.originals.contains(at) || is_gone(at);
        let Some(original) = source.filter(is_known) else {
            return self.foreign(tp, place, source);
        };
        if let Some(first) = self.copies.insert(original, place) {
            self.twice(original, (first, place));
        }
        let before = last.insert(original.0, (original.1, place));
        if let Some((offset, other)) = before.filter(|(offset, _)| *offset > original.1) {
            self.swapped((original, place), (offset, other));
        }
    }

    fn told(&mut self, tp: Option<TopicPartition>, seen: &dyn Fn(&str) -> String) {
        let Some(tp) = tp else { return };
        let about = (self.about)(tp);
        self.ledger.broken(Check::Copies, about, &|| seen(about.0));
    }

    /// A partition that is copied.
    fn from(&self, partition: i32) -> Option<TopicPartition> {
        self.copied.from.iter().find(|tp| tp.partition == partition).copied()
    }

    fn twice(&mut self, (partition, offset): Original, (first, second): (Place, Place)) {
        let copied = self.copied;
        self.told(self.from(partition), &|from| {
            let (first, second) = (first.about(copied), second.about(copied));
            format!(
                "offset {offset} of {from} was copied twice\n  first: {first}\n  again: {second}"
            )
        });
    }

    fn swapped(
        &mut self,
        ((partition, offset), place): (Original, Place),
        (before, other): (Offset, Place),
    ) {
        let copied = self.copied;
        self.told(self.from(partition), &|from| {
            let (first, then) = (other.about(copied), place.about(copied));
            format!(
                "offset {offset} of {from} was copied behind offset {before}\n  first: {first}\n  \
                 then: {then}"
            )
        });
    }

    fn foreign(&mut self, tp: TopicPartition, place: Place, source: Option<Original>) {
        let copied = self.copied;
        self.told(Some(tp), &|to| match source {
            None => format!("{to} has a record made from nothing: {}", place.about(copied)),
            Some((partition, offset)) => format!(
                "{to} has a copy of offset {offset} of {}-{partition}, which is not committed \
                 there: {}",
                copied.promise.from,
                place.about(copied)
            ),
        });
    }

    fn missing(&mut self) {
        let mut by_partition: BTreeMap<i32, Vec<Offset>> = BTreeMap::new();
        for (partition, offset) in &self.originals {
            if !self.copies.contains_key(&(*partition, *offset)) {
                by_partition.entry(*partition).or_default().push(*offset);
            }
        }
        let to = &self.copied.promise.to;
        for (partition, offsets) in by_partition {
            self.told(self.from(partition), &|from| {
                let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
                format!(
                    "offset {first} of {from} was not copied to {to}, nor were others up to {last}: \
                     {} in all",
                    offsets.len()
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::final_state::FinalPartition;
    use super::*;
    use stormglass_broker_core::ids::TopicId;
    use stormglass_broker_core::records::BatchHeader;

    const FROM: TopicPartition = TopicPartition::new(TopicId(1), 0);
    const TO: TopicPartition = TopicPartition::new(TopicId(2), 0);
    const PRODUCER: i64 = 7;

    struct Log(Vec<Batch>);

    impl LogView for Log {
        fn log_start(&self) -> Offset {
            0
        }

        fn visit(&self, from: Offset, visit: &mut dyn FnMut(&Batch)) {
            self.0.iter().filter(|batch| batch.last_offset() >= from).for_each(visit);
        }
    }

    /// A batch at an offset, whose records name these offsets in their values.
    fn batch(base: Offset, named: &[&'static str]) -> Batch {
        let record = |text: &&'static str| {
            Record::new(None, Some(bytes::Bytes::from_static(text.as_bytes())))
        };
        let mut records: Vec<Record> = named.iter().map(record).collect();
        let batch = Batch::build(0, &mut records);
        let producer_id = PRODUCER;
        Batch { header: BatchHeader { base_offset: base, producer_id, ..batch.header }, ..batch }
    }

    fn in_transaction(base: Offset, named: &[&'static str]) -> Batch {
        let batch = batch(base, named);
        Batch { header: batch.header.as_transactional(), ..batch }
    }

    fn marker(base: Offset, commit: bool) -> Batch {
        let batch = EndTxnMarker { commit, coordinator_epoch: 0 }.to_batch(PRODUCER, 0, 0);
        Batch { header: BatchHeader { base_offset: base, ..batch.header }, ..batch }
    }

    /// Three originals, and these copies: what is seen.
    fn seen(copies: Vec<Batch>) -> Vec<String> {
        let promise = CopyPromise {
            from: "a".to_owned(),
            to: "b".to_owned(),
            source: Arc::new(|partition, record| {
                let value = record.value?;
                Some((partition, std::str::from_utf8(&value).ok()?.parse().ok()?))
            }),
        };
        let copied = Copied { promise: &promise, from: vec![FROM], to: vec![TO], began_ms: 0 };
        let logs = [Log(vec![batch(0, &["x", "y", "z"])]), Log(copies)];
        let last = |(tp, log)| FinalPartition {
            tp,
            leader: None,
            replicas: Vec::new(),
            isr: Vec::new(),
            high_watermark: 100,
            log: Some(log as &dyn LogView),
        };
        let partitions = [FROM, TO].into_iter().zip(&logs).map(last).collect();
        let state = FinalState { partitions, drained: true, ..FinalState::default() };
        let (mut ledger, history) = (Ledger::default(), History::default());
        check_final(&mut ledger, &copied, &state, &|tp| match tp == FROM {
            true => ("a-0", &history),
            false => ("b-0", &history),
        });
        ledger.finish().1.into_iter().map(|violation| violation.account).collect()
    }

    #[test]
    fn one_copy_of_each_is_what_was_promised() {
        assert!(seen(vec![batch(0, &["0", "1"]), batch(2, &["2"])]).is_empty());
        let aborted = [in_transaction(0, &["0", "1"]), marker(2, false)];
        let committed = [in_transaction(3, &["0", "1", "2"]), marker(6, true)];
        assert!(seen(aborted.into_iter().chain(committed).collect()).is_empty());
    }

    #[test]
    fn copies_that_are_missing_or_too_many_are_told() {
        let aborted = seen(vec![in_transaction(0, &["0", "1", "2"]), marker(3, false)]);
        assert!(aborted[0].contains("offset 0 of a-0 was not copied to b"), "{aborted:?}");
        let open = seen(vec![in_transaction(0, &["0", "1", "2"])]);
        assert!(open.is_empty(), "whoever takes over waits for it: {open:?}");
        let twice = seen(vec![batch(0, &["0", "1", "2", "2"])]);
        assert!(twice[0].contains("offset 2 of a-0 was copied twice"), "{twice:?}");
        let foreign = seen(vec![batch(0, &["0", "1", "2", "3", "x"])]);
        assert!(foreign[0].contains("copy of offset 3 of a-0, which is not"), "{foreign:?}");
        assert!(foreign[1].contains("made from nothing"), "{foreign:?}");
        let swapped = seen(vec![batch(0, &["0", "2", "1"])]);
        assert!(swapped[0].contains("offset 1 of a-0 was copied behind offset 2"), "{swapped:?}");
    }
}
