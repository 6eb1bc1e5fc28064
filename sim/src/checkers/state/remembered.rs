//! What a log remembers of producers is of what it holds, or has held: nothing beyond its end, nothing at all once it
//! has begun anew, and of each producer the time of its newest batch or marker, from which it is idle, and the
//! coordinator of its newest marker, so that an older one is refused.

use super::logs::Found;
use super::replicas::Of;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::partition::Partition;
use crate::checkers::table::Entry;
use std::collections::BTreeMap;
use std::ops::Range;
use stormglass_broker_core::ids::{NO_EPOCH, Offset};
use stormglass_broker_core::log::{ActiveProducer, Log};
use stormglass_broker_core::records::{Batch, EndTxnMarker};

/// Clocks of nodes that are right may be apart by this much, ms.
const SLACK_MS: i64 = 1_000;

/// The newest batch or marker of a producer in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Newest {
    offset: Offset,
    timestamp: i64,
    /// Of its newest marker: its timestamp, and the epoch of the coordinator that has written it.
    marker: Option<(i64, i32)>,
}

/// Looks at what a log remembers; just after it has begun anew, whether it knows what comes with that, and no more.
pub(crate) fn look(
    p: &mut Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    has_right_clocks: bool,
) {
    let log = replica.log;
    let end = log.next_offset();
    let beyond = beyond(log);
    says(p, ledger, beyond.is_none(), &|| {
        format!("replica {node} remembers of a producer what is beyond its end, {end}: {beyond:?}")
    });
    let at = p.replica(node);
    let begins = p.replicas[at].begins_anew.take().filter(|begins| *begins == end);
    let Some(begins) = begins else { return };
    if log.log_start_offset() < begins {
        return begins_after_tier(p, ledger, Of { node, replica }, (begins, has_right_clocks));
    }
    let left = left(log, begins);
    says(p, ledger, left.is_none(), &|| {
        format!("replica {node} has begun anew at {begins}, and still knows {left:?}")
    });
}

/// A producer with a batch, or a transaction, beyond the log's end.
fn beyond(log: &Log) -> Option<(i64, Offset)> {
    let end = log.next_offset();
    let newest = |id: i64| log.producer_view(id).and_then(|known| known.newest);
    log.active_producers().iter().find_map(|known| {
        let written = newest(known.id).map_or(-1, |(_, offset)| offset);
        let last = written.max(known.open_transaction);
        (last >= end).then_some((known.id, last))
    })
}

/// What a log knows of something that was there before it began anew, in words.
fn left(log: &Log, begins: Offset) -> Option<String> {
    if let Some(known) = log.active_producers().first() {
        return Some(format!("{known:?}"));
    }
    let aborted = log.aborted_transactions(0, Offset::MAX);
    if let Some(aborted) = aborted.first() {
        return Some(format!("{aborted:?}"));
    }
    let stable = log.last_stable_offset(begins);
    (stable != begins).then(|| format!("that all is stable up to {stable} only"))
}

/// Whose batch is acknowledged and written after this is remembered.
#[derive(Debug, Clone, Copy)]
struct Since {
    /// When its producer learned of it, ns of the run.
    acked_ns: u64,
    /// Its timestamp, ms since 1970.
    written_ms: i64,
}

impl Since {
    /// For a log that begins now. A producer is idle from its newest batch's timestamp on
    /// (`ProducerStateManager.isProducerExpired`), and what it held back, under a quota or without a leader, may be
    /// acknowledged when the producer is to be forgotten already (hunt seed 41001541). An acknowledgement counts for
    /// half of that time only: the leader may have had a shorter one before (KIP-854).
    fn of(log: &Log, ledger: &Ledger) -> Self {
        let expiration_ms = log.config().producer_expiration_ms;
        let young_ns = expiration_ms.unsigned_abs().saturating_mul(1_000_000) / 2;
        Self {
            acked_ns: ledger.now_ns.saturating_sub(young_ns),
            written_ms: ledger.wall_ms(ledger.now_ns) - expiration_ms + SLACK_MS,
        }
    }

    fn is_before(self, entry: &Entry) -> bool {
        entry.acked_ns > self.acked_ns && entry.max_timestamp > self.written_ms
    }
}

/// What comes before is in remote storage alone: epochs and producers of that come with it, or else nothing there would
/// be of its history once it leads, and what is sent again would be taken twice (`buildRemoteLogAuxState`).
fn begins_after_tier(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    (begins, has_right_clocks): (Offset, bool),
) {
    if p.void.is_some() || p.was_unclean() {
        return; // there may be several histories
    }
    let log = replica.log;
    // others may have deleted more than its leader had heard of
    let from = log.log_start_offset().max(p.stored.log_start);
    let differs = match from < begins && log.epoch_at(from) == NO_EPOCH {
        true => Some(from),
        false => p.stored.differs(from..begins, &|offset| log.epoch_at(offset)),
    };
    says(p, ledger, differs.is_none(), &|| {
        format!(
            "replica {node} has begun at {begins}, after what is in remote storage, and does not know the epoch of \
             offset {differs:?} there; it knows {:?}",
            log.epoch_entries()
        )
    });
    let since = has_right_clocks.then(|| Since::of(log, ledger));
    let unknown = since.and_then(|since| unknown_producer(p, log, from..begins, since));
    says(p, ledger, unknown.is_none(), &|| {
        format!(
            "replica {node} has begun at {begins}, after what is in remote storage, and does not know a producer of \
             that: {unknown:?}"
        )
    });
}

/// A batch of a part of the log that is young, and whose producer a log does not know. What is deleted does not count:
/// who begins anew where its leader has deleted all knows nobody, and what it copies to remote storage, once it leads,
/// says no more (hunt seed 21010267). Nor does anything count once a replica has led that was cut below its high
/// watermark: it has forgotten producers (hunt seed 21009333).
fn unknown_producer(p: &Partition, log: &Log, part: Range<Offset>, since: Since) -> Option<Entry> {
    if !p.guessed_in.is_empty() {
        return None;
    }
    let known = log.active_producers();
    let is_unknown = |entry: &&Entry| {
        let is_young = entry.producer_id >= 0 && since.is_before(entry);
        is_young && !known.iter().any(|known| known.id == entry.producer_id)
    };
    let within = |entry: &&Entry| part.start <= entry.base && entry.next() <= part.end;
    p.table.main.iter().filter(within).rev().find(is_unknown).copied()
}

/// Compares what a log remembers of each producer with the newest that was found on its disk. No append may be in
/// flight. Left out: logs that are compacted, whose newest batches may be gone, and those of which a replica was cut
/// below its high watermark, as in `logs::rebuilt`.
pub(crate) fn newest(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    (found, has_right_clocks): (&[Found], bool),
) {
    let log = replica.log;
    let is_cut = p.replicas.iter().any(|known| known.cut_deep);
    if is_cut || !p.is_gapless {
        return;
    }
    if found.last().map(|last| last.batch.next_offset()) != Some(log.log_end_offset()) {
        return; // rot, or a crash, has left less of it
    }
    let start = log.local_log_start_offset();
    let readable = found.iter().map(|found| &*found.batch);
    let read = read(readable.filter(|batch| batch.base_offset() >= start));
    // who was idle for too long is forgotten
    let idle_ms = ledger.wall_ms(ledger.now_ns) - log.config().producer_expiration_ms + SLACK_MS;
    let young_ms = if has_right_clocks { idle_ms } else { i64::MAX };
    let differs = differs(&log.active_producers(), &read, young_ms);
    says(p, ledger, differs.is_none(), &|| {
        let (id, newest, known) = differs.unwrap_or_default();
        let at = newest.map(|newest| newest.offset);
        format!(
            "replica {node} has the newest batch or marker of producer {id} at {at:?}, {newest:?}; it remembers \
             {known:?}"
        )
    });
}

/// The newest of each producer, markers included.
fn read<'a>(batches: impl Iterator<Item = &'a Batch>) -> BTreeMap<i64, Newest> {
    let mut read: BTreeMap<i64, Newest> = BTreeMap::new();
    for batch in batches {
        let header = &batch.header;
        if !header.has_producer_id() {
            continue;
        }
        let (offset, timestamp) = (batch.base_offset(), header.max_timestamp);
        let before = read.get(&header.producer_id).and_then(|newest| newest.marker);
        let marker = EndTxnMarker::of(batch).map(|marker| (timestamp, marker.coordinator_epoch));
        let marker = marker.or(before);
        read.insert(header.producer_id, Newest { offset, timestamp, marker });
    }
    read
}

/// A producer of which something else is remembered, or nothing although it was not idle.
type Differs = (i64, Option<Newest>, Option<ActiveProducer>);

fn differs(
    known: &[ActiveProducer],
    read: &BTreeMap<i64, Newest>,
    young_ms: i64,
) -> Option<Differs> {
    read.iter().find_map(|(id, newest)| {
        let remembered = known.iter().find(|known| known.id == *id);
        let holds = match remembered {
            None => newest.timestamp <= young_ms,
            Some(known) => {
                // who was forgotten since its last marker has come back without it
                let marker = newest.marker.filter(|(timestamp, _)| *timestamp > young_ms);
                known.last_timestamp == newest.timestamp
                    && marker.is_none_or(|(_, epoch)| known.coordinator_epoch == epoch)
            }
        };
        (!holds).then(|| (*id, Some(*newest), remembered.copied()))
    })
}

fn says(p: &Partition, ledger: &mut Ledger, holds: bool, seen: &dyn Fn() -> String) {
    ledger.checked(Check::Logs, 1);
    if !holds {
        ledger.broken(Check::Logs, p.about(), seen);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LOG, log, view};
    use super::*;
    use crate::recorder::testing::batch;

    fn written(base: Offset, timestamp: i64) -> Batch {
        let mut batch = Batch::clone(&batch(base, 2, 1));
        batch.header = batch.header.as_transactional();
        batch.header.max_timestamp = timestamp;
        batch
    }

    fn marker(base: Offset, timestamp: i64, coordinator_epoch: i32) -> Batch {
        let mut batch = EndTxnMarker { commit: true, coordinator_epoch }.to_batch(1, 0, timestamp);
        batch.header.base_offset = base;
        batch
    }

    fn known(last_timestamp: i64, coordinator_epoch: i32) -> ActiveProducer {
        let (id, epoch, last_sequence, open_transaction) = (1, 0, 1, -1);
        ActiveProducer {
            id,
            epoch,
            last_sequence,
            last_timestamp,
            coordinator_epoch,
            open_transaction,
        }
    }

    #[test]
    fn markers_count_for_a_producers_time() {
        let read = read([written(0, 100), marker(2, 300, 5)].iter());
        let is_wrong = |of: &[ActiveProducer], young_ms| differs(of, &read, young_ms).is_some();
        assert!(!is_wrong(&[known(300, 5)], 0));
        assert!(is_wrong(&[known(100, 5)], 0), "of its last batch");
        assert!(is_wrong(&[known(300, 4)], 0), "an older coordinator's marker would be taken");
        assert!(is_wrong(&[], 299) && !is_wrong(&[], 300), "forgotten too soon, or in time");
    }

    #[test]
    fn who_was_forgotten_comes_back_without_its_marker() {
        let read = read([marker(0, 100, 5), written(1, 900)].iter());
        assert!(differs(&[known(900, -1)], &read, 200).is_none());
        assert!(differs(&[known(900, -1)], &read, 50).is_some());
    }

    /// What is said of a log that has begun anew at an offset, or at none.
    fn seen(log: &Log, begins: Option<Offset>) -> usize {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let at = p.replica(1);
        p.replicas[at].begins_anew = begins;
        look(&mut p, &mut ledger, Of { node: 1, replica: &view(log) }, true);
        ledger.finish().1.len()
    }

    #[test]
    fn who_wrote_what_is_in_remote_storage_is_known() {
        let mut p = Partition::new("t-0".to_owned(), 2);
        p.table.main.push_back(Entry { acked_ns: 100, ..Entry::of(&written(0, 500)) });
        let mut log = log(&LOG);
        log.truncate_fully_and_start_at(40, &mut Vec::new());
        let is_unknown = |p: &Partition, part, acked_ns| {
            unknown_producer(p, &log, part, Since { acked_ns, written_ms: 499 }).is_some()
        };
        assert!(is_unknown(&p, 0..40, 99));
        assert!(!is_unknown(&p, 0..40, 100), "it may be forgotten");
        assert!(!is_unknown(&p, 0..0, 99), "the log comes to that yet");
        assert!(!is_unknown(&p, 1..40, 99), "it is deleted (hunt seed 21010267)");
        p.table.main[0].max_timestamp = 499;
        assert!(!is_unknown(&p, 0..40, 99), "it came late (hunt seed 41001541)");
        p.table.main[0].max_timestamp = 500;
        assert!(is_unknown(&p, 0..40, 99));
        p.guessed_in.insert(1);
        assert!(!is_unknown(&p, 0..40, 99), "its leader has forgotten it (hunt seed 21009333)");
    }

    #[test]
    fn producers_are_forgotten_by_what_they_wrote_and_not_by_when_it_was_acknowledged() {
        let log = log(&LOG);
        let expiration_ms = log.config().producer_expiration_ms;
        let run_ns = 2 * expiration_ms.unsigned_abs() * 1_000_000;
        let mut ledger = Ledger::default();
        ledger.now_ns = run_ns;
        let since = Since::of(&log, &ledger);
        let is_known = |idle_ms, acked_ns| {
            let batch = written(0, ledger.wall_ms(run_ns) - idle_ms);
            since.is_before(&Entry { acked_ns, ..Entry::of(&batch) })
        };
        let young_ms = expiration_ms - SLACK_MS - 1;
        assert!(is_known(0, run_ns) && is_known(young_ms, run_ns));
        assert!(!is_known(young_ms + 1, run_ns), "just acknowledged, and forgotten");
        assert!(!is_known(0, run_ns / 4 * 3), "its leader may have forgotten it sooner");
        assert!(is_known(0, run_ns / 4 * 3 + 1));
    }

    #[test]
    fn a_log_that_has_begun_anew_knows_nobody() {
        let mut log = log(&LOG);
        assert_eq!((seen(&log, None), seen(&log, Some(40))), (0, 0), "it has gone on since");
        log.advance_log_start(30, &mut Vec::new());
        assert_eq!(seen(&log, None), 0, "what is deleted may be remembered");
        assert_eq!(seen(&log, Some(30)), 1);
        log.truncate_fully_and_start_at(40, &mut Vec::new());
        assert_eq!(seen(&log, Some(40)), 0);
    }
}
