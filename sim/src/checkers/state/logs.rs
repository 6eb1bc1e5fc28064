//! A log's bookkeeping is what its batches on disk say, and in-sync replicas hold the same batches.

use super::replicas::Of;
use super::{NodeView, transactions};
use crate::checkers::compaction;
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{NO_EPOCH, Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::log::TimestampLookup;
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::{DiskImage, FileName};

pub(crate) const PROMISE: Promise = Promise {
    name: "log-rebuild",
    text: "what a replica knows of its log (its end, leader epochs, producers, where offsets and times are) is \
           what its batches on disk say, and in-sync replicas hold the same batches",
};

/// Longer logs are not read, bytes: a hunt's are short.
pub(super) const BYTES_MAX: u64 = 8 << 20;

/// A batch that a disk holds.
pub(crate) struct Found {
    segment: Offset,
    /// Where it begins in its segment, bytes.
    position: u32,
    pub(super) batch: Arc<Batch>,
}

/// Compares what is in memory with the disk. No append may be in flight. Left out: producers of a log of
/// which a replica was cut below its high watermark. That is a loss, the core forgets them there, and as
/// a leader it takes from them what the others would have refused, such as a marker of an older epoch. Returns what
/// it has read, for others to compare: nothing of a log that is too long.
pub(crate) fn rebuilt(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    disk: &dyn DiskImage,
) -> Option<Vec<Found>> {
    if replica.log.size_bytes() > BYTES_MAX {
        return None;
    }
    let found = read(disk, replica.tp);
    let young_ms = ledger.wall_ms(ledger.now_ns) - replica.log.config().producer_expiration_ms;
    let mut says = |holds: bool, seen: &dyn Fn() -> String| {
        ledger.checked(Check::Logs, 1);
        if !holds {
            ledger.broken(Check::Logs, p.about(), &|| format!("replica {node}: {}", seen()));
        }
    };
    ends(replica, &found, (p.is_gapless, ends_below_start(p, node, replica)), &mut says);
    times(replica, &found, &mut says);
    epochs(replica, &found, (disk, p.producers.forgotten_below), &mut says);
    if !p.replicas.iter().any(|known| known.cut_deep) {
        producers(replica, &found, (p, young_ms), &mut says);
        let batches = readable(replica, &found).map(|found| &*found.batch);
        // of a compacted log what was aborted is gone, and known all the same
        match p.is_gapless {
            true => transactions::check(replica, batches, &mut says),
            false => {
                let known = p.known_replica(node).map(|replica| &replica.markers);
                let all = found.iter().map(|found| &*found.batch);
                known
                    .into_iter()
                    .for_each(|known| transactions::marked(known, all.clone(), &mut says));
            }
        }
    }
    Some(found)
}

type Says<'a> = dyn FnMut(bool, &dyn Fn() -> String) + 'a;

fn read(disk: &dyn DiskImage, tp: TopicPartition) -> Vec<Found> {
    let mut found = Vec::new();
    for segment in disk.segments(tp) {
        disk.scan(tp, segment, &mut |position, batch| {
            found.push(Found { segment, position, batch: Arc::clone(batch) });
        });
    }
    found
}

/// Whether a log was cut below its high watermark, and ends where another one's begins, or below. Who is told that its
/// leader has deleted all up to there is cut amid a batch, which goes as a whole, and hears where its leader's log
/// begins with the next answer (seed 746 of storms; so in Kafka: `LeaderEpochFileCache.endOffsetFor`, `truncateTo`).
fn ends_below_start(p: &Partition, node: i32, replica: &ReplicaView<'_>) -> bool {
    let was_cut = p.known_replica(node).is_some_and(|known| known.cut_deep);
    was_cut && replica.log.log_end_offset() <= p.stored.log_start
}

/// Offsets follow each other (or rise, in a compacted log), the log ends where its batches end, and every offset is
/// looked for in its segment.
fn ends(
    replica: &ReplicaView<'_>,
    found: &[Found],
    (is_gapless, ends_below_start): (bool, bool),
    says: &mut Says<'_>,
) {
    let log = replica.log;
    let mut next = Offset::MIN;
    for Found { batch, .. } in found {
        let base = batch.base_offset();
        let is_first = next == Offset::MIN || base <= log.local_log_start_offset();
        says(base == next || base > next && (is_first || !is_gapless), &|| {
            format!("a batch at offset {base} follows one that ends at {next}")
        });
        next = batch.next_offset();
    }
    if let Some(last) = found.last().map(|last| last.batch.next_offset()) {
        let end = log.log_end_offset();
        // where a compacted log is cut, the records before the cut may be compacted away
        let is_empty = log.local_log_start_offset() == end;
        let may_end_in_gap = is_empty || !is_gapless || ends_below_start;
        says(last == end || last < end && may_end_in_gap, &|| {
            format!("the log ends at {end}, its batches on disk at {last}")
        });
    }
    for Found { segment, position, batch } in readable(replica, found) {
        let from = batch.base_offset();
        let plan = log.read_plan(from, log.log_end_offset(), u32::MAX);
        let plan = plan.ok().flatten();
        says(plan.is_none_or(|range| range.position <= *position), &|| {
            format!(
                "offset {from} is at {position} in its segment, but looked for behind: {plan:?}"
            )
        });
        let at = plan.map(|range| range.segment);
        says(at == Some(*segment), &|| {
            format!("offset {from} is in segment {segment}, but looked for in {at:?}")
        });
    }
}

/// The first batch that is as young as any time is looked for where it is, or before.
fn times(replica: &ReplicaView<'_>, found: &[Found], says: &mut Says<'_>) {
    let mut newest = -1;
    for Found { segment, position, batch } in readable(replica, found) {
        let time = batch.header.max_timestamp;
        if time <= newest {
            continue;
        }
        newest = time;
        let lookup = replica.log.offset_for_timestamp(time);
        says(is_at_or_before(lookup, (*segment, *position)), &|| {
            format!(
                "the batch at offset {} is the first of time {time}, at {position} in segment {segment}; the time \
                 is looked for from {lookup:?} on",
                batch.base_offset()
            )
        });
    }
}

fn is_at_or_before(lookup: TimestampLookup, place: (Offset, u32)) -> bool {
    match lookup {
        TimestampLookup::Scan { segment, position } => (segment, position) <= place,
        TimestampLookup::None => false,
    }
}

/// Every batch's epoch is on record, and the checkpoint says the same. Where retention had passed, and
/// a restart went back to an older checkpoint of the log's start, epochs are trimmed already, in Kafka
/// as here (hunt seed 30369).
fn epochs(
    replica: &ReplicaView<'_>,
    found: &[Found],
    (disk, forgotten_below): (&dyn DiskImage, Offset),
    says: &mut Says<'_>,
) {
    let log = replica.log;
    for Found { batch, .. } in readable(replica, found) {
        let (base, epoch) = (batch.base_offset(), batch.header.partition_leader_epoch);
        let known = log.epoch_at(base);
        let is_trimmed = known == NO_EPOCH && base < forgotten_below;
        says(known == epoch || is_trimmed, &|| {
            format!("the batch at offset {base} is of epoch {epoch}, the epoch cache has {known}")
        });
    }
    let kept = disk.file(&FileName::LeaderEpochs(replica.tp));
    let same = kept.is_some_and(|kept| kept == log.epoch_checkpoint());
    says(same || log.epoch_entries().is_empty(), &|| {
        format!("the epochs in memory are {:?}, the checkpoint has others", log.epoch_entries())
    });
}

/// A log is not written to behind a torn batch: whoever loads it next would end there, and lose what follows.
pub(crate) fn nothing_buried(
    p: &Partition,
    ledger: &mut Ledger,
    node: i32,
    buried: Option<Offset>,
) {
    ledger.checked(Check::Logs, 1);
    if let Some(buried) = buried {
        ledger.broken(Check::Logs, p.about(), &|| {
            format!("replica {node} has appended offset {buried} behind a torn batch")
        });
    }
}

/// Epoch of the newest batch of each producer, markers included.
fn newest_epochs<'a>(found: impl Iterator<Item = &'a Found>) -> BTreeMap<i64, i16> {
    let headers = found.map(|found| &found.batch.header).filter(|of| of.has_producer_id());
    // many batches are of few producers: to sort them all first, as `collect` does, takes longer
    let mut newest = BTreeMap::new();
    newest.extend(headers.map(|of| (of.producer_id, of.producer_epoch)));
    newest
}

/// Of every producer whose newest batch is in the log, the log remembers that batch, until a marker of a newer epoch
/// makes it begin anew; one of an older epoch does so where a leader took it that was cut below its high watermark. Of
/// a compacted log the newest batch that is left may be an older one, and a marker of a newer epoch may be gone: what
/// made it old enough to go was cut with the tail, and the snapshot below the cut knows more (hunt seeds 600013,
/// 700123). What a producer wrote up to `young_ms` may be forgotten, as it has been idle since
/// (`producer.id.expiration.ms`).
fn producers(
    replica: &ReplicaView<'_>,
    found: &[Found],
    (p, young_ms): (&Partition, i64),
    says: &mut Says<'_>,
) {
    let mut newest: BTreeMap<i64, (i16, i32, Offset, usize)> = BTreeMap::new();
    let is_young = |batch: &Batch| batch.header.max_timestamp > young_ms;
    for Found { batch, .. } in readable(replica, found) {
        let header = &batch.header;
        if header.is_control() {
            let (id, epoch) = (header.producer_id, header.producer_epoch);
            let is_guess = p.guessed_in.contains(&header.partition_leader_epoch);
            if newest.get(&id).is_some_and(|of| of.0 < epoch || is_guess && of.0 > epoch) {
                newest.remove(&id);
            }
        } else if header.has_producer_id() {
            let (epoch, last) = (header.producer_epoch, header.last_sequence());
            let of = newest.entry(header.producer_id).or_insert((epoch, last, 0, 0));
            let before = if of.0 == epoch { of.3 } else { 0 };
            let count = if is_young(batch) { before + 1 } else { 0 };
            *of = (epoch, last, batch.last_offset(), count);
        }
    }
    let is_gone = |at: Offset| {
        let covers = |batch: &Batch| (batch.base_offset()..=batch.last_offset()).contains(&at);
        let is_left = found.iter().any(|found| covers(&found.batch));
        !p.is_gapless && at < replica.log.log_end_offset() && !is_left
    };
    let known = replica.log.producer_views();
    let epochs = newest_epochs(readable(replica, found));
    for (producer, epoch) in known.iter().filter_map(|of| Some((of, *epochs.get(&of.id)?))) {
        says(producer.epoch >= epoch, &|| {
            format!(
                "producer {} is known in epoch {}, its newest batch or marker in the log is of epoch \
                 {epoch}: what it wrote before would be taken",
                producer.id, producer.epoch
            )
        });
    }
    for (id, (epoch, sequence, offset, count)) in newest {
        let remembered = known.iter().find(|producer| producer.id == id);
        // a late marker makes it known again, without batches (hunt seed 2703474)
        if count == 0 && remembered.is_none_or(|producer| producer.batches == 0) {
            continue;
        }
        let same = remembered.is_some_and(|producer| {
            let is_marker_gone = !p.is_gapless && producer.epoch > epoch;
            let knows_more =
                is_marker_gone || producer.newest.is_some_and(|(_, at)| at > offset && is_gone(at));
            let is_newest = (producer.epoch, producer.newest) == (epoch, Some((sequence, offset)));
            knows_more || (is_newest && producer.batches >= count.min(5))
        });
        says(same, &|| {
            format!(
                "producer {id} wrote sequence {sequence} in epoch {epoch} at offset {offset}, \
                 its newest of {count} batches in the log; remembered is {remembered:?}"
            )
        });
    }
}

/// Batches that are not below the log's start, or below where its part on the disk begins.
fn readable<'a>(replica: &ReplicaView<'_>, found: &'a [Found]) -> impl Iterator<Item = &'a Found> {
    let start = replica.log.local_log_start_offset();
    found.iter().filter(move |found| found.batch.base_offset() >= start)
}

/// In-sync replicas hold what their leader holds below its high watermark.
pub(crate) fn equal(
    p: &Partition,
    ledger: &mut Ledger,
    (leader, of): (&NodeView<'_>, &ReplicaView<'_>),
    nodes: &[NodeView<'_>],
) {
    let Some(lead) = of.lead.as_ref().filter(|_| of.log.size_bytes() <= BYTES_MAX) else { return };
    let ours = read(leader.disk, of.tp);
    let members = nodes.iter().filter(|view| lead.isr.iter().any(|id| id.0 == view.node));
    for view in members.filter(|view| view.node != leader.node) {
        let Some(replica) = view.broker.replica_views().find(|r| r.tp == of.tp) else { continue };
        let from = of.log.local_log_start_offset().max(replica.log.local_log_start_offset());
        let theirs = read(view.disk, of.tp);
        let part = |found: &'_ [Found]| -> Vec<(Offset, i32, u64)> {
            let committed = found.iter().filter(|found| {
                found.batch.base_offset() >= from && found.batch.next_offset() <= of.high_watermark
            });
            committed.map(|found| key(&found.batch)).collect()
        };
        if let Some(keys) = &p.keys {
            if !keys.is_complete() {
                continue;
            }
            // cleaned at other times, they hold other records of the same newest values
            let to = of.high_watermark;
            same_values(p, ledger, (leader.node, &ours), (view.node, &theirs), (from, to));
            continue;
        }
        let (ours, theirs) = (part(&ours), part(&theirs));
        ledger.checked(Check::Logs, 1);
        if ours == theirs {
            continue;
        }
        let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        let at = differs.unwrap_or(ours.len().min(theirs.len()));
        ledger.broken(Check::Logs, p.about(), &|| {
            format!(
                "in-sync replicas differ below the high watermark {}: leader {} has {:?} where \
                 replica {} has {:?} (offset, epoch, fingerprint)",
                of.high_watermark,
                leader.node,
                ours.get(at),
                view.node,
                theirs.get(at)
            )
        });
    }
}

/// Replicas of a compacted partition agree on the newest value of each key.
fn same_values(
    p: &Partition,
    ledger: &mut Ledger,
    (leader, ours): (i32, &[Found]),
    (node, theirs): (i32, &[Found]),
    (from, upto): (Offset, Offset),
) {
    ledger.checked(Check::Logs, 1);
    // what holds the same batches holds the same values, and need not be looked into
    let (ours_within, theirs_within) = (within(ours, (from, upto)), within(theirs, (from, upto)));
    if ours_within.map(key).eq(theirs_within.map(key)) {
        return;
    }
    let values = |found: &[Found]| {
        let mut table = compaction::table(found.iter().map(|found| &*found.batch), upto);
        // of a key without a value, the tombstone may be gone
        table.retain(|_, (offset, value)| *offset >= from && value.is_some());
        table
    };
    let (ours, theirs) = (values(ours), values(theirs));
    let now_ns = ledger.now_ns;
    let is_deleted = |key: &[u8]| {
        p.keys.as_ref().is_some_and(|keys| keys.is_deleted(key, (&p.committed, upto), now_ns))
    };
    let differs = ours.iter().find(|(key, at)| theirs.get(*key) != Some(at) && !is_deleted(key));
    let differs = differs
        .or_else(|| theirs.iter().find(|(key, _)| !ours.contains_key(*key) && !is_deleted(key)));
    let Some((key, _)) = differs else { return };
    ledger.broken(Check::Logs, p.about(), &|| {
        format!(
            "in-sync replicas of a compacted log differ below the high watermark {upto}: of key \
             {}, leader {leader} has {:?}, replica {node} {:?} (offset, digest of the value)",
            String::from_utf8_lossy(key),
            ours.get(key),
            theirs.get(key)
        )
    });
}

/// The log of a compacted partition, as it was read, against what was written.
pub(crate) fn compacted(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    found: &[Found],
) {
    let log = replica.log;
    let of = (node, log.log_start_offset(), log.log_end_offset());
    compaction::check(p, ledger, of, found.iter().map(|found| &*found.batch));
}

/// Batches that have offsets between these.
fn within(found: &[Found], (from, upto): (Offset, Offset)) -> impl Iterator<Item = &Batch> {
    let batches = found.iter().map(|found| &*found.batch);
    batches.filter(move |batch| batch.next_offset() > from && batch.base_offset() < upto)
}

fn key(batch: &Batch) -> (Offset, i32, u64) {
    (batch.base_offset(), batch.header.partition_leader_epoch, batch.fingerprint())
}

#[cfg(test)]
mod tests {
    use super::{TimestampLookup, is_at_or_before};

    #[test]
    fn a_lookup_by_time_begins_no_later_than_the_first_batch_of_that_time() {
        let scan = |segment, position| TimestampLookup::Scan { segment, position };
        assert!(is_at_or_before(scan(10, 70), (10, 70)) && is_at_or_before(scan(0, 99), (10, 0)));
        assert!(!is_at_or_before(scan(10, 71), (10, 70)));
        assert!(!is_at_or_before(TimestampLookup::None, (10, 70)));
    }
}
