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

/// Compares both topics. The caller knows that Kafka promises something of their partitions.
pub(crate) fn check_final(ledger: &mut Ledger, copied: &Copied<'_>, state: &FinalState<'_>) {
    let view = |tp: &TopicPartition| {
        let last = state.partitions.iter().find(|last| last.tp == *tp)?;
        Some((last.log?, last.high_watermark))
    };
    let mut originals: BTreeSet<(i32, Offset)> = BTreeSet::new();
    let mut starts: BTreeMap<i32, Offset> = BTreeMap::new();
    for tp in &copied.from {
        let Some((log, high_watermark)) = view(tp) else { return };
        starts.insert(tp.partition, log.log_start());
        visit_committed(log, high_watermark, &mut |batch| {
            let offsets = batch.base_offset()..batch.next_offset();
            originals.extend(offsets.map(|offset| (tp.partition, offset)));
        });
    }
    let mut copies: BTreeMap<(i32, Offset), Place> = BTreeMap::new();
    for tp in &copied.to {
        let Some((log, high_watermark)) = view(tp) else { return };
        // retention has taken copies away: nothing is known of what is missing
        let mut last: BTreeMap<i32, (Offset, Place)> = BTreeMap::new();
        visit_committed(log, high_watermark, &mut |batch| {
            for (place, record) in places(tp.partition, batch) {
                let source = (copied.promise.source)(tp.partition, record);
                let is_gone =
                    |at: &(i32, Offset)| starts.get(&at.0).is_some_and(|start| at.1 < *start);
                let is_known = |at: &(i32, Offset)| originals.contains(at) || is_gone(at);
                ledger.checked(Check::Copies, 1);
                match source.filter(is_known) {
                    None => foreign(ledger, copied, place, source),
                    Some(source) => {
                        if let Some(first) = copies.insert(source, place) {
                            twice(ledger, copied, source, (first, place));
                        }
                        let before = last.insert(source.0, (source.1, place));
                        if let Some((offset, other)) =
                            before.filter(|(offset, _)| *offset > source.1)
                        {
                            swapped(ledger, copied, (source, place), (offset, other));
                        }
                    }
                }
            }
        });
    }
    let is_whole = copied.to.iter().all(|tp| view(tp).is_some_and(|(log, _)| log.log_start() == 0));
    if state.drained && is_whole {
        missing(ledger, copied, originals.iter().filter(|at| !copies.contains_key(at)));
    }
}

/// Batches that a reader of committed records gets.
fn visit_committed(log: &dyn LogView, high_watermark: Offset, visit: &mut dyn FnMut(&Batch)) {
    let mut open: BTreeMap<i64, Vec<Offset>> = BTreeMap::new();
    let mut committed: BTreeMap<Offset, bool> = BTreeMap::new();
    let is_below = |batch: &Batch| batch.base_offset() < high_watermark;
    log.visit(log.log_start(), &mut |batch| {
        let header = &batch.header;
        if !is_below(batch) || !header.is_transactional() {
            return;
        }
        match EndTxnMarker::of(batch) {
            Some(marker) => {
                let ended = open.remove(&header.producer_id).unwrap_or_default();
                committed.extend(ended.into_iter().map(|base| (base, marker.commit)));
            }
            None => open.entry(header.producer_id).or_default().push(batch.base_offset()),
        }
    });
    log.visit(log.log_start(), &mut |batch| {
        let is_committed = || committed.get(&batch.base_offset()).copied().unwrap_or(false);
        let header = &batch.header;
        let shown = !header.is_control() && (!header.is_transactional() || is_committed());
        if is_below(batch) && shown {
            visit(batch);
        }
    });
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

fn told(ledger: &mut Ledger, label: &str, seen: &dyn Fn() -> String) {
    ledger.broken(Check::Copies, (label, &History::default()), seen);
}

fn twice(
    ledger: &mut Ledger,
    copied: &Copied<'_>,
    (partition, offset): (i32, Offset),
    (first, second): (Place, Place),
) {
    let from = format!("{}-{partition}", copied.promise.from);
    told(ledger, &from, &|| {
        format!(
            "offset {offset} of {from} was copied twice\n  first: {}\n  again: {}",
            first.about(copied),
            second.about(copied)
        )
    });
}

fn swapped(
    ledger: &mut Ledger,
    copied: &Copied<'_>,
    ((partition, offset), place): ((i32, Offset), Place),
    (before, other): (Offset, Place),
) {
    let from = format!("{}-{partition}", copied.promise.from);
    told(ledger, &from, &|| {
        format!(
            "offset {offset} of {from} was copied behind offset {before}\n  first: {}\n  then: {}",
            other.about(copied),
            place.about(copied)
        )
    });
}

fn foreign(ledger: &mut Ledger, copied: &Copied<'_>, place: Place, source: Option<(i32, Offset)>) {
    let to = format!("{}-{}", copied.promise.to, place.partition);
    told(ledger, &to, &|| match source {
        None => format!("{to} has a record that was made from nothing: {}", place.about(copied)),
        Some((partition, offset)) => format!(
            "{to} has a copy of offset {offset} of {}-{partition}, which is not committed there: {}",
            copied.promise.from,
            place.about(copied)
        ),
    });
}

fn missing<'k>(
    ledger: &mut Ledger,
    copied: &Copied<'_>,
    missing: impl Iterator<Item = &'k (i32, Offset)>,
) {
    let mut by_partition: BTreeMap<i32, Vec<Offset>> = BTreeMap::new();
    for (partition, offset) in missing {
        by_partition.entry(*partition).or_default().push(*offset);
    }
    for (partition, offsets) in by_partition {
        let from = format!("{}-{partition}", copied.promise.from);
        told(ledger, &from, &|| {
            let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
            format!(
                "offset {first} of {from} was not copied to {}, as {} between it and offset {last}",
                copied.promise.to,
                offsets.len()
            )
        });
    }
}
