//! Positions that a group's log gives it, reckoned from its bytes by rules of its own: whichever the log has last counts,
//! and what a transaction says counts when its marker is there, unless the log has something else since; what was
//! deleted no open transaction brings back.

use super::NodeView;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::suite::OFFSETS_TOPIC;
use crate::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::{PositionKey, ReplicaView};
use stormglass_broker_core::records::{Batch, EndTxnMarker, Record};

/// Positions of groups.
type Positions = BTreeMap<PositionKey, Offset>;
/// Positions, and the place of each among all that the log says.
type Said = BTreeMap<PositionKey, (u64, Offset)>;
/// Positions of open transactions, by producer.
type Open = BTreeMap<i64, Positions>;

/// A coordinator knows them, while nothing is under way. Its log is loaded.
pub(super) fn look(ledger: &mut Ledger, view: &NodeView<'_>, tp: TopicPartition) {
    if view.broker.replica_view(tp).is_none_or(|replica| !replica.is_quiet()) {
        return;
    }
    let batches = view.disk.batches(tp, &(0..Offset::MAX));
    let log = from_log(batches.iter().map(Arc::as_ref));
    let memory = view.broker.positions(tp.partition);
    ledger.checked(Check::Metadata, 1);
    let differs = log.iter().find(|(key, offset)| memory.get(*key) != Some(offset));
    let differs = differs.or_else(|| memory.iter().find(|(key, _)| !log.contains_key(*key)));
    let Some((key, _)) = differs else { return };
    ledger.broken(Check::Metadata, (OFFSETS_TOPIC, &History::default()), &|| {
        format!(
            "coordinator {} of partition {} knows position {:?} of {key:?}; whoever reads its log finds {:?}",
            view.node,
            tp.partition,
            memory.get(key),
            log.get(key)
        )
    });
}

/// A coordinator knows what open transactions say of positions, and nothing else, while nothing is under way. Its log
/// is loaded.
pub(super) fn look_open(ledger: &mut Ledger, view: &NodeView<'_>, tp: TopicPartition) {
    ledger.checked(Check::Metadata, 1);
    let Some(differs) = open_differs(view.broker, view.disk, tp) else { return };
    ledger.broken(Check::Metadata, (OFFSETS_TOPIC, &History::default()), &|| {
        format!("coordinator {} of partition {}: {differs}", view.node, tp.partition)
    });
}

/// How what a coordinator knows of open transactions' positions differs from what its log has; `None` also while
/// something is under way.
pub(crate) fn open_differs(broker: &Broker, disk: &Disk, tp: TopicPartition) -> Option<String> {
    let replica = broker.replica_view(tp).filter(ReplicaView::is_quiet)?;
    let producers = replica.log.active_producers().into_iter();
    let open = producers.map(|producer| producer.open_transaction).filter(|first| *first >= 0);
    let log = open.min().map_or_else(Open::new, |first| {
        let batches = disk.batches(tp, &(first..Offset::MAX));
        said_and_open(batches.iter().map(Arc::as_ref))
    });
    let memory = broker.open_positions(tp.partition);
    (memory != log).then(|| {
        format!("of positions in open transactions it knows {memory:?}, and its log has {log:?}")
    })
}

/// What open transactions say, without those that say nothing any more.
fn said_and_open<'a>(batches: impl Iterator<Item = &'a Batch>) -> Open {
    let mut open = read(batches).1;
    open.retain(|_, positions| !positions.is_empty());
    open
}

/// Positions that transactions say something of which are open at the end of a log, or of a part of it that has all of
/// these transactions.
pub(crate) fn open_positions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeSet<PositionKey> {
    read(batches).1.into_values().flat_map(BTreeMap::into_keys).collect()
}

/// All positions that somebody has said in a log, or in a part of it.
pub(crate) fn said_positions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> BTreeSet<(PositionKey, Offset)> {
    records(batches).filter_map(|record| Some((key(&record)?, offset(&record)?))).collect()
}

/// Positions that a part of a log deletes.
pub(super) fn deleted_positions<'a>(
    batches: impl Iterator<Item = &'a Batch>,
) -> impl Iterator<Item = PositionKey> {
    let tombstones = records(batches).filter(|record| record.value.is_none());
    tombstones.filter_map(|record| key(&record))
}

/// Records of a part of a log, without markers.
fn records<'a>(batches: impl Iterator<Item = &'a Batch>) -> impl Iterator<Item = Record> {
    let data = batches.filter(|batch| !batch.header.is_control());
    data.flat_map(|batch| batch.records().unwrap_or_default())
}

/// Positions that count at the end of a log.
fn from_log<'a>(batches: impl Iterator<Item = &'a Batch>) -> Positions {
    read(batches).0
}

/// Positions that count, and those of open transactions, by producer.
fn read<'a>(batches: impl Iterator<Item = &'a Batch>) -> (Positions, Open) {
    let mut known = Said::new();
    let mut open = BTreeMap::<i64, Said>::new();
    let mut count = 0;
    for batch in batches {
        let producer = batch.header.producer_id;
        if batch.header.is_control() {
            let said = open.remove(&producer).unwrap_or_default();
            if EndTxnMarker::of(batch).is_some_and(|marker| marker.commit) {
                for (key, said) in said {
                    settle(&mut known, key, said);
                }
            }
            continue;
        }
        for record in batch.records().unwrap_or_default() {
            let Some(key) = key(&record) else { continue };
            count += 1;
            match offset(&record) {
                Some(offset) if batch.header.is_transactional() => {
                    open.entry(producer).or_default().insert(key, (count, offset));
                }
                Some(offset) => settle(&mut known, key, (count, offset)),
                None => {
                    for said in open.values_mut().chain([&mut known]) {
                        said.remove(&key);
                    }
                }
            }
        }
    }
    let open = open.into_iter().map(|(producer, said)| (producer, offsets(said)));
    (offsets(known), open.collect())
}

fn offsets(said: Said) -> Positions {
    said.into_iter().map(|(key, (_, offset))| (key, offset)).collect()
}

/// A position counts, unless one does that was said later.
fn settle(known: &mut Said, key: PositionKey, said: (u64, Offset)) {
    let newest = known.entry(key).or_insert(said);
    *newest = said.max(*newest);
}

/// Group, topic and partition (`OffsetCommitKey`), if a record has a position.
fn key(record: &Record) -> Option<PositionKey> {
    let bytes = record.key.as_deref()?;
    let (version, rest) = bytes.split_first_chunk()?;
    if !(0..=1).contains(&i16::from_be_bytes(*version)) {
        return None;
    }
    let (group, rest) = text(rest)?;
    let (topic, rest) = text(rest)?;
    let (partition, _) = rest.split_first_chunk()?;
    Some((group, topic, i32::from_be_bytes(*partition)))
}

fn text(bytes: &[u8]) -> Option<(Arc<str>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((Arc::from(std::str::from_utf8(text).ok()?), rest))
}

/// The offset of an `OffsetCommitValue`, which comes first in every version.
fn offset(record: &Record) -> Option<Offset> {
    let (_version, rest) = record.value.as_deref()?.split_first_chunk::<2>()?;
    let (offset, _) = rest.split_first_chunk()?;
    Some(Offset::from_be_bytes(*offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(position: Option<Offset>, producer: Option<i64>) -> Batch {
        let mut key = 1_i16.to_be_bytes().to_vec();
        for text in ["g", "t"] {
            key.extend(1_i16.to_be_bytes());
            key.extend(text.as_bytes());
        }
        key.extend(0_i32.to_be_bytes());
        let value = position.map(|at| {
            let mut value = 3_i16.to_be_bytes().to_vec();
            value.extend(at.to_be_bytes());
            value.extend([0; 4]);
            value.into()
        });
        let mut batch = Batch::build(0, &mut [Record::new(Some(key.into()), value)]);
        if let Some(producer) = producer {
            batch.header = batch.header.as_transactional();
            batch.header.producer_id = producer;
        }
        batch
    }

    fn ends(producer: i64, commit: bool) -> Batch {
        EndTxnMarker { commit, coordinator_epoch: 0 }.to_batch(producer, 0, 0)
    }

    #[test]
    fn what_the_log_has_last_counts_and_of_a_transaction_with_its_marker() {
        let of = |batches: &[Batch]| from_log(batches.iter()).into_values().next();
        let open = || says(Some(5), Some(7));
        assert_eq!(of(&[says(Some(3), None), open()]), Some(3));
        assert_eq!(of(&[says(Some(3), None), open(), ends(7, false)]), Some(3));
        assert_eq!(of(&[says(Some(3), None), open(), ends(7, true)]), Some(5));
        assert_eq!(of(&[open(), says(Some(3), None), ends(7, true)]), Some(3), "said since");
        assert_eq!(of(&[open(), says(None, None), ends(7, true)]), None, "deleted since");
        assert_eq!(of(&[open(), ends(8, true)]), None, "another one's end");
        let other = || says(Some(4), Some(8));
        for (first, last) in [(7, 8), (8, 7)] {
            let log = [open(), other(), ends(first, true), ends(last, true)];
            assert_eq!(of(&log), Some(4), "said last, whichever ends last");
        }
    }

    #[test]
    fn a_transaction_that_says_nothing_any_more_is_not_open() {
        let of = |batches: &[Batch]| said_and_open(batches.iter());
        let open = || says(Some(5), Some(7));
        assert_eq!(of(&[open()]).into_keys().collect::<Vec<_>>(), [7]);
        assert_eq!(of(&[open(), says(None, None)]), Open::new(), "deleted since");
        assert_eq!(of(&[open(), ends(7, true)]), Open::new());
    }

    #[test]
    fn a_position_without_a_value_is_deleted() {
        let of = |batches: &[Batch]| deleted_positions(batches.iter()).count();
        assert_eq!(of(&[says(Some(3), None), says(None, None), ends(7, true)]), 1);
    }

    #[test]
    fn what_an_open_transaction_says_is_not_stable() {
        let of = |batches: &[Batch]| open_positions(batches.iter()).len();
        let open = || says(Some(5), Some(7));
        assert_eq!(of(&[says(Some(3), None), open()]), 1);
        assert_eq!(of(&[open(), ends(8, true)]), 1, "another one's end");
        assert_eq!(of(&[open(), ends(7, false)]), 0);
        assert_eq!(of(&[open(), says(Some(3), None)]), 1, "it may still have been before that");
        assert_eq!(of(&[open(), says(None, None)]), 0, "deleted since");
    }
}
