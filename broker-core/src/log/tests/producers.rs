//! Idempotent producers: duplicates, sequences, fencing, transactions, expiry, snapshots.

use crate::log::producers::Producers;
use crate::log::testing::{TP, batch, client, numbered, records, sequenced};
use crate::log::{AppendContext, AppendError, Appended, Log, LogConfig, Origin, snapshot};
use crate::plant::Plant;
use crate::records::Batch;

fn log() -> Log {
    Log::create(TP, LogConfig::kafka_defaults(), 0)
}

fn append(log: &mut Log, batch: Batch) -> Result<Appended, AppendError> {
    log.append_as_leader(&records(batch), client(1), &mut Vec::new())
}

#[test]
fn idem_01_a_repeated_batch_is_answered_with_its_first_offset() {
    let mut log = log();
    let first = append(&mut log, sequenced(9, 0, 0, 3)).unwrap();
    append(&mut log, batch(5, 10, 0)).unwrap();
    let again = append(&mut log, sequenced(9, 0, 0, 3)).unwrap();
    assert!(again.duplicate && again.records.is_empty());
    assert_eq!((again.first_offset, again.last_offset), (first.first_offset, first.last_offset));
    assert_eq!(log.next_offset(), 8, "nothing was appended");
}

#[test]
fn idem_02_any_of_the_last_five_batches_may_be_repeated() {
    let mut log = log();
    for sequence in 0..6 {
        append(&mut log, sequenced(9, 0, sequence, 1)).unwrap();
    }
    for sequence in 1..6 {
        let again = append(&mut log, sequenced(9, 0, sequence, 1)).unwrap();
        assert_eq!((again.duplicate, again.first_offset), (true, i64::from(sequence)));
    }
    let forgotten = append(&mut log, sequenced(9, 0, 0, 1)).unwrap_err();
    assert!(matches!(forgotten, AppendError::OutOfOrderSequence { expected: 6, found: 0, .. }));
}

#[test]
fn a_gap_in_sequences_is_refused_and_an_unknown_producer_starts_anywhere() {
    let mut log = log();
    append(&mut log, sequenced(9, 0, 40, 2)).unwrap();
    let gap = append(&mut log, sequenced(9, 0, 43, 1)).unwrap_err();
    assert!(matches!(gap, AppendError::OutOfOrderSequence { expected: 42, found: 43, .. }));
    append(&mut log, sequenced(9, 0, 42, 1)).unwrap();
}

#[test]
fn sequences_wrap_after_the_largest() {
    let mut log = log();
    append(&mut log, sequenced(9, 0, i32::MAX - 1, 4)).unwrap();
    let again = append(&mut log, sequenced(9, 0, i32::MAX - 1, 4)).unwrap();
    assert!(again.duplicate);
    append(&mut log, sequenced(9, 0, 2, 1)).unwrap();
    let mut log = self::log();
    append(&mut log, sequenced(9, 0, i32::MAX - 1, 2)).unwrap();
    append(&mut log, sequenced(9, 0, 0, 1)).unwrap();
}

#[test]
fn a_newer_epoch_fences_the_older_one_and_starts_at_zero() {
    let mut log = log();
    append(&mut log, sequenced(9, 0, 0, 3)).unwrap();
    let late = append(&mut log, sequenced(9, 1, 3, 1)).unwrap_err();
    assert!(matches!(late, AppendError::OutOfOrderSequence { expected: 0, found: 3, .. }));
    append(&mut log, sequenced(9, 1, 0, 1)).unwrap();
    let fenced = append(&mut log, sequenced(9, 0, 3, 1)).unwrap_err();
    assert_eq!(fenced, AppendError::InvalidProducerEpoch { producer_id: 9, current: 1, found: 0 });
}

#[test]
fn idem_14_followers_take_what_the_leader_has_accepted() {
    let (mut log, mut ops) = (log(), Vec::new());
    log.append_as_follower(numbered(sequenced(9, 2, 70, 1), 0, 1), 0, &mut ops).unwrap();
    log.append_as_follower(numbered(sequenced(9, 2, 90, 1), 1, 1), 0, &mut ops).unwrap();
    assert_eq!(log.producers.entries()[0].batches().len(), 2);
}

#[test]
fn the_planted_bug_appends_repetitions_again() {
    let context = AppendContext { plant: Some(Plant::NoDeduplication), ..client(1) };
    let mut log = log();
    for _ in 0..2 {
        let batch = records(sequenced(9, 0, 0, 3));
        log.append_as_leader(&batch, context, &mut Vec::new()).unwrap();
    }
    let planted = cfg!(feature = "planted-bugs");
    assert_eq!(log.next_offset(), if planted { 6 } else { 3 });
}

#[test]
fn truncation_takes_producers_back_to_what_they_were() {
    let mut log = log();
    append(&mut log, sequenced(9, 0, 0, 1)).unwrap();
    for sequence in 1..7 {
        append(&mut log, sequenced(9, 0, sequence, 1)).unwrap();
    }
    let before = log.producers.clone();
    append(&mut log, sequenced(9, 0, 7, 1)).unwrap();
    append(&mut log, sequenced(9, 1, 0, 1)).unwrap();
    append(&mut log, sequenced(3, 0, 0, 1)).unwrap();
    log.truncate_to(7, &mut Vec::new());
    assert_eq!(log.producers, before);
}

#[test]
fn idle_producers_expire_unless_their_transaction_is_open() {
    let mut log = log();
    append(&mut log, sequenced(1, 0, 0, 1)).unwrap();
    let mut open = sequenced(2, 0, 0, 1);
    open.header = open.header.as_transactional();
    append(&mut log, open).unwrap();
    log.expire_producers(1000 + 86_400_000 - 1);
    assert_eq!(log.producer_count(), 2);
    log.expire_producers(1000 + 86_400_000);
    assert_eq!(log.producer_count(), 1);
}

#[test]
fn the_last_stable_offset_stays_below_open_and_unreplicated_transactions() {
    let mut log = log();
    append(&mut log, batch(4, 10, 0)).unwrap();
    assert_eq!(log.last_stable_offset(3), 3, "no transaction");
    let mut open = sequenced(2, 0, 0, 2);
    open.header = open.header.as_transactional();
    append(&mut log, open).unwrap();
    assert_eq!([log.last_stable_offset(3), log.last_stable_offset(6)], [3, 4]);
    let mut marker = sequenced(2, 0, 0, 1);
    marker.header.base_sequence = -1;
    marker.header = marker.header.as_transactional().as_control();
    let context = AppendContext { origin: Origin::Coordinator, ..client(1) };
    log.append_as_leader(&records(marker), context, &mut Vec::new()).unwrap();
    assert_eq!([log.last_stable_offset(6), log.last_stable_offset(7)], [4, 7]);
    let with_marker = log.producers.clone();
    log.truncate_to(6, &mut Vec::new());
    assert_ne!(log.producers, with_marker);
    assert_eq!(log.last_stable_offset(6), 4, "the transaction is open again");
    log.truncate_to(4, &mut Vec::new());
    assert_eq!(log.last_stable_offset(4), 4);
    assert_eq!(log.producer_count(), 0);
}

#[test]
fn snapshots_come_back_whole_or_not_at_all() {
    let mut producers = Producers::default();
    for (offset, id) in (0..9).zip([4, 7, 4, 4, 4, 4, 4, 4, 1]) {
        let mut written = sequenced(id, 3, i32::try_from(offset).unwrap(), 1);
        written.header.base_offset = offset;
        if id == 7 {
            written.header = written.header.as_transactional();
        }
        producers.update(&written);
    }
    let bytes = snapshot::encode(9, 5, &producers);
    let decoded = snapshot::decode(&bytes).expect("intact");
    assert_eq!((decoded.offset, decoded.last_epoch), (9, 5));
    assert_eq!(decoded.producers, producers);
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1;
        assert_eq!(snapshot::decode(&damaged), None, "byte {at}");
        assert_eq!(snapshot::decode(&bytes[..at]), None, "cut at {at}");
    }
}
