//! What goes and what stays, case by case.

use super::rig::{Rig, config};
use crate::log::testing::{TP, client};
use crate::log::{AppendError, CleaningError, Log, LogConfig, Progress, Recover};
use crate::records::{Batch, Record, Records};
use bytes::Bytes;
use std::sync::Arc;

/// Three keys, each written three times; a batch has two records.
fn written() -> Rig {
    let mut rig = Rig::new();
    for value in 0..3 {
        rig.write(&[(1, Some(value * 10)), (2, Some(value * 10 + 1))]);
        rig.write(&[(3, Some(value * 10 + 2))]);
    }
    rig
}

#[test]
fn the_newest_record_of_each_key_stays_where_it_was() {
    let mut rig = written();
    assert_eq!(rig.clean_all(), 1);
    let expected = [(6, 1, Some(20)), (7, 2, Some(21)), (8, 3, Some(22))];
    assert_eq!(rig.records(), expected);
    assert_eq!(rig.log.log_start_offset(), 0);
    assert_eq!(rig.log.next_offset(), 9);
    assert_eq!(rig.clean_all(), 0, "nothing is dirty any more");
}

#[test]
fn a_batch_that_loses_some_records_keeps_its_offsets_and_timestamps() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
    rig.roll();
    rig.now_ms += 500;
    rig.write(&[(1, Some(4)), (3, Some(5))]);
    rig.clean_all();
    let batch = &rig.disk.batches()[0];
    assert_eq!((batch.base_offset(), batch.last_offset()), (0, 2));
    assert_eq!((batch.header.record_count, batch.header.base_timestamp), (1, 10_000));
    assert_eq!(batch.records().unwrap()[0].offset_delta, 1);
    assert_eq!(rig.log.max_timestamp().0, 10_500);
}

#[test]
fn a_tombstone_stays_for_delete_retention_ms_after_its_first_cleaning() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1))]);
    rig.write(&[(1, None), (2, Some(2))]);
    rig.clean_all();
    let batch = rig.disk.batches().into_iter().find(|b| b.header.record_count > 0).unwrap();
    assert_eq!(batch.header.delete_horizon_ms(), Some(11_000));
    assert_eq!(rig.records(), [(1, 1, None), (2, 2, Some(2))]);
    let timestamp = batch.header.base_timestamp + batch.records().unwrap()[0].timestamp_delta;
    assert_eq!(timestamp, 10_000, "timestamps of records stay");
    rig.now_ms = 10_999;
    rig.write(&[(7, Some(7))]);
    rig.clean_all();
    assert_eq!(rig.records().len(), 3, "the horizon is set once, and not over yet");
    rig.now_ms = 11_000;
    rig.write(&[(8, Some(8))]);
    rig.clean_all();
    assert_eq!(rig.records(), [(2, 2, Some(2)), (3, 7, Some(7)), (4, 8, Some(8))]);
}

#[test]
fn small_segments_become_one_up_to_a_segments_size() {
    let mut rig = Rig::new();
    for value in 0..12 {
        rig.write(&[(value, Some(value))]);
        rig.roll();
    }
    assert_eq!(rig.log.segment_count(), 13);
    rig.clean_all();
    let bytes = rig.disk.segment_bytes(0);
    assert!(rig.log.segment_count() < 6, "{}", rig.log.segment_count());
    assert!(bytes <= config().segment_bytes);
}

#[test]
fn neither_the_active_segment_nor_what_is_not_stable_is_touched() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1))]);
    rig.write(&[(1, Some(2))]);
    assert!(rig.pass().is_none(), "all in the active segment");
    rig.roll();
    rig.write(&[(2, Some(1))]);
    rig.write_in_txn(9, &[(1, Some(3))]);
    rig.roll();
    rig.write(&[(1, Some(4))]);
    rig.roll();
    rig.clean();
    assert_eq!(rig.cleaned, Some(2), "the open transaction is in the segment from 2 on");
    assert_eq!(rig.records()[0], (1, 1, Some(2)));
    let dirty = rig.log.dirty(rig.cleaned, 3, rig.now_ms).unwrap();
    assert_eq!((dirty.upto, dirty.dirty_bytes), (2, 0), "the high watermark is below (LOG-02)");
}

#[test]
fn what_is_too_young_waits_and_what_is_too_old_does_not() {
    let mut rig = Rig::new();
    let mut compaction = config().compaction.unwrap();
    compaction.min_lag_ms = 100;
    rig.log.set_config(LogConfig { compaction: Some(compaction), ..config() });
    rig.write(&[(1, Some(1))]);
    rig.roll();
    let dirty = |rig: &Rig| rig.log.dirty(None, 1, rig.now_ms).unwrap();
    assert_eq!(dirty(&rig).upto, 0);
    rig.now_ms += 100;
    assert_eq!(dirty(&rig).upto, 1);
    compaction.max_lag_ms = 150;
    compaction.min_dirty_ratio = crate::config::Ratio::of_text("1").unwrap();
    rig.log.set_config(LogConfig { compaction: Some(compaction), ..config() });
    assert!(!dirty(&rig).is_due(&compaction));
    rig.now_ms += 51;
    assert!(dirty(&rig).is_overdue && dirty(&rig).is_due(&compaction));
}

#[test]
fn what_is_too_old_does_not_wait_after_a_restart_either() {
    let mut rig = Rig::new();
    let mut compaction = config().compaction.unwrap();
    compaction.max_lag_ms = 150;
    compaction.min_dirty_ratio = crate::config::Ratio::of_text("1").unwrap();
    rig.write(&[(1, Some(1))]);
    rig.now_ms += 100;
    rig.write(&[(1, Some(2))]);
    rig.roll();
    rig.write(&[(1, Some(3))]);
    let mut ops = Vec::new();
    rig.log.close(&mut ops);
    rig.carry_out(&ops);
    rig.log = rig.recovered(true);
    assert_eq!(rig.log.oldest().first_timestamp, 10_000, "that of its first batch");
    rig.log.set_config(LogConfig { compaction: Some(compaction), ..config() });
    let is_due = |rig: &Rig| rig.log.dirty(None, 3, rig.now_ms).unwrap().is_due(&compaction);
    rig.now_ms += 50;
    assert!(!is_due(&rig));
    rig.now_ms += 1;
    assert!(is_due(&rig));
}

/// Retention by age goes by it where records have no timestamps.
#[test]
fn cleaning_makes_no_segment_younger() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1))]);
    rig.write(&[(1, Some(2))]);
    rig.clean_all();
    assert_eq!(rig.records().len(), 1);
    assert_eq!(rig.log.oldest().modified_ms, client(1).wall_ms, "when it was written");
}

/// So in Kafka's `LogSegment.largestTimestamp`, which `cleanableOffsets` goes by.
#[test]
fn records_without_timestamps_are_too_young_while_their_segment_was_just_changed() {
    let mut rig = Rig::new();
    let mut compaction = config().compaction.unwrap();
    compaction.min_lag_ms = 100;
    rig.log.set_config(LogConfig { compaction: Some(compaction), ..config() });
    let (now_ms, written_ms) = (rig.now_ms, client(1).wall_ms);
    rig.now_ms = -1;
    rig.write(&[(1, Some(1))]);
    rig.now_ms = now_ms;
    rig.roll();
    let upto = |now_ms| rig.log.dirty(None, 1, now_ms).unwrap().upto;
    assert_eq!((upto(written_ms + 99), upto(written_ms + 100)), (0, 1));
}

#[test]
fn aborted_records_go_first_and_their_marker_after_the_horizon() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1))]);
    rig.write_in_txn(9, &[(1, Some(2)), (2, Some(2))]);
    rig.end_txn(9, false);
    rig.write(&[(3, Some(3))]);
    rig.clean_all();
    assert_eq!(rig.records(), [(0, 1, Some(1)), (4, 3, Some(3))], "an aborted record hides none");
    let markers = |rig: &Rig| rig.disk.batches().iter().filter(|b| b.header.is_control()).count();
    assert_eq!((markers(&rig), rig.log.aborted_transactions(0, 9).len()), (1, 1));
    let batch = rig.disk.batches()[1].clone();
    assert_eq!(
        (batch.header.record_count, batch.header.base_sequence),
        (0, 0),
        "kept for its sequence"
    );

    // another batch of the producer: the empty one is no longer its last
    rig.write_in_txn(9, &[(4, Some(4))]);
    rig.end_txn(9, true);
    for now_ms in [12_000, 13_000, 14_000] {
        rig.now_ms = now_ms;
        rig.write(&[(5, Some(5))]);
        rig.clean_all();
    }
    let markers = rig.disk.batches().into_iter().filter(|batch| batch.header.is_control());
    let offsets: Vec<_> = markers.map(|batch| batch.base_offset()).collect();
    assert_eq!(offsets, [6], "the aborted transaction's is gone, the committed one's stays");
    assert_eq!(rig.log.aborted_transactions(0, 99), []);
    assert!(rig.records().contains(&(5, 4, Some(4))));
}

#[test]
fn a_marker_stays_while_an_earlier_segment_has_its_records() {
    // LOG-04: records, and their marker groups of segments later
    let mut rig = Rig::new();
    rig.write_in_txn(9, &[(1, Some(1))]);
    for filler in 10..30 {
        rig.write(&[(filler, Some(1))]);
    }
    rig.end_txn(9, true);
    for pass in 0..3 {
        rig.now_ms += 5_000;
        rig.write(&[(50 + pass, Some(1))]);
        rig.clean_all();
        let markers = rig.disk.batches().iter().filter(|b| b.header.is_control()).count();
        assert_eq!(markers, 1, "pass {pass}");
    }
}

#[test]
fn producers_are_known_after_a_recovery_from_what_is_left() {
    let mut rig = Rig::new();
    rig.write_in_txn(9, &[(1, Some(1))]);
    rig.end_txn(9, true);
    rig.write(&[(1, Some(2))]);
    rig.clean_all();
    rig.disk.files.clear();
    let log = rig.recovered(false);
    assert_eq!(log.producers.get(9).unwrap().last_sequence(), 0);
    assert_eq!((log.next_offset(), log.producers.get(9).unwrap().open_transaction), (3, None));
}

#[test]
fn a_log_that_is_cut_or_loses_segments_is_not_cleaned_to_the_end() {
    for cuts in [false, true] {
        let mut rig = written();
        rig.roll();
        let mut pass = rig.pass().unwrap();
        for _ in 0..3 {
            assert_eq!(rig.step(&mut pass, &mut |_| {}), Ok(Progress::Waits));
        }
        let mut ops = Vec::new();
        if cuts {
            rig.log.truncate_to(7, &mut ops);
        } else {
            rig.log.advance_log_start(7, &mut ops);
        }
        rig.carry_out(&ops);
        assert_eq!(rig.step(&mut pass, &mut |_| {}), Err(CleaningError::Changed));
    }
}

#[test]
fn records_without_keys_are_refused() {
    let mut rig = Rig::new();
    let mut records = [Record::new(None, Some(Bytes::from_static(b"value")))];
    let batch = Records::single(Arc::new(Batch::build(0, &mut records)));
    let refused = rig.log.append_as_leader(&batch, client(1), &mut Vec::new());
    let is_named = matches!(
        &refused,
        Err(AppendError::InvalidRecords { told, .. }) if told.records[0].0 == 0
    );
    assert!(is_named, "{refused:?}");
}

/// What a leader of a compacted topic says to a batch of keyed records once it was changed.
fn appended(change: impl FnOnce(&mut Batch)) -> Result<(), AppendError> {
    let mut rig = Rig::new();
    let mut batch = rig.batch(&[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
    change(&mut batch);
    let records = Records::single(Arc::new(batch));
    rig.log.append_as_leader(&records, client(1), &mut Vec::new()).map(|_| ())
}

#[test]
fn records_that_are_not_where_the_header_says_are_refused() {
    assert_eq!(appended(|_| {}), Ok(()));
    for count in [2, 4, 1000] {
        let counted = appended(|batch| {
            batch.header.record_count = count;
            batch.header.last_offset_delta = count - 1;
        });
        assert!(matches!(counted, Err(AppendError::InvalidRecord(_))), "{count} {counted:?}");
    }
    for deltas in [[0, 1, 3], [1, 2, 3], [0, 2, 1], [0, 0, 1], [-1, 0, 1]] {
        let moved = appended(|batch| {
            let mut records = batch.records().unwrap();
            for (record, delta) in records.iter_mut().zip(deltas) {
                record.offset_delta = delta;
            }
            *batch = batch.with_records(records, None).unwrap();
        });
        assert!(matches!(moved, Err(AppendError::InvalidRecord(_))), "{deltas:?} {moved:?}");
    }
}

#[test]
fn a_batch_that_unpacks_to_far_more_than_it_is_is_refused() {
    let padded = |value_bytes: usize| {
        let mut rig = Rig::new();
        rig.log.set_config(LogConfig { segment_bytes: 1 << 20, ..config() });
        let value = Some(Bytes::from(vec![0; value_bytes]));
        let key = Some(Bytes::from_static(b"key"));
        let mut batch = Batch::build(0, &mut [Record::new(key, value)]);
        let records = batch.records().unwrap();
        batch.header.attributes |= 1;
        let packed = batch.with_records(records, None).unwrap();
        assert!(packed.size_bytes() < 40_000);
        let records = Records::single(Arc::new(packed));
        rig.log.append_as_leader(&records, client(1), &mut Vec::new()).map(|_| ())
    };
    assert_eq!(padded(8 << 20), Ok(()));
    assert!(matches!(padded(17 << 20), Err(AppendError::InvalidRecord(_))));
}

#[test]
fn a_follower_takes_a_compacted_log_with_its_gaps() {
    let mut rig = written();
    rig.write(&[(4, Some(4))]);
    rig.clean_all();
    let mut follower = Rig::new();
    for batch in rig.disk.batches() {
        let mut ops = Vec::new();
        let taken = follower.log.append_as_follower(Records::single(batch), 0, &mut ops).unwrap();
        follower.carry_out(&ops);
        follower.log.append_done(taken.number);
    }
    follower.check();
    assert_eq!(follower.table(), rig.table());
    assert_eq!(follower.log.next_offset(), rig.log.next_offset());
    follower.clean_all();
    assert_eq!(follower.records(), rig.records());
}

#[test]
fn compressed_batches_are_cleaned_and_compressed_again() {
    for codec in 1..=4_i16 {
        let mut rig = Rig::new();
        rig.write_packed(codec, &[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
        rig.write_packed(codec, &[(1, Some(4)), (3, None)]);
        rig.clean_all();
        assert_eq!(rig.records(), [(1, 2, Some(2)), (3, 1, Some(4)), (4, 3, None)], "{codec}");
        assert!(rig.disk.batches().iter().all(|batch| batch.header.attributes & 7 == codec));
    }
}

#[test]
fn a_log_with_records_that_cannot_be_read_is_left_alone() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(1))]);
    rig.roll();
    rig.write(&[(1, Some(2))]);
    rig.roll();
    let mut pass = rig.pass().unwrap();
    let stored = rig.disk.segments.get_mut(&1).unwrap();
    let mut damaged = Batch::clone(&stored.batches[0]);
    damaged.header.attributes |= 5;
    stored.batches[0] = Arc::new(damaged);
    let outcome = std::iter::repeat_with(|| rig.step(&mut pass, &mut |_| {})).find(|o| o.is_err());
    assert_eq!(outcome, Some(Err(CleaningError::Unreadable)));
}

#[test]
fn a_record_outside_of_its_batch_cannot_be_read() {
    // the first is met while keys are learnt, the other only when segments are copied
    for cleaned in [None, Some(1)] {
        let mut rig = Rig::new();
        rig.write(&[(1, Some(1))]);
        rig.roll();
        rig.write(&[(1, Some(2))]);
        rig.roll();
        rig.cleaned = cleaned;
        let mut pass = rig.pass().unwrap();
        let stored = rig.disk.segments.get_mut(&0).unwrap();
        let mut records = stored.batches[0].records().unwrap();
        records[0].offset_delta = 700;
        let moved = stored.batches[0].with_records(records, None).unwrap();
        stored.batches[0] = Arc::new(moved);
        let steps = std::iter::repeat_with(|| rig.step(&mut pass, &mut |_| {}));
        let outcome = steps.take(20).find(|outcome| *outcome != Ok(Progress::Waits));
        assert_eq!(outcome, Some(Err(CleaningError::Unreadable)), "{cleaned:?}");
    }
}

/// Where nothing is left below a cut, whoever loads the log must still know that it goes on there.
#[test]
fn a_log_that_is_cut_behind_a_gap_goes_on_at_the_cut_after_a_restart() {
    for noted in [10, 15] {
        let mut rig = Rig::new();
        for value in 0..15 {
            rig.write(&[(1, Some(value))]);
        }
        rig.clean_all();
        rig.log.note_high_watermark(noted);
        let mut ops = Vec::new();
        rig.log.truncate_to(12, &mut ops);
        rig.carry_out(&ops);
        for clean in [false, true] {
            let boot = Recover {
                clean,
                recovery_point: rig.log.recovery_point(),
                high_watermark: Some(12),
                ..Recover::default()
            };
            let (again, _) = Log::recover(TP, config(), &rig.disk, boot, &mut Vec::new());
            assert_eq!(again.next_offset(), 12, "cut from {noted} on, clean: {clean}");
        }
        rig.write(&[(2, Some(1))]);
        assert_eq!(rig.records(), [(12, 2, Some(1))]);
    }
}

/// Nothing else tells where an epoch began whose records have all been superseded.
#[test]
fn a_crash_forgets_no_epoch_that_the_cleaner_has_left_no_record_of() {
    let mut rig = Rig::new();
    rig.write(&[(1, Some(0))]);
    for epoch in [2, 3] {
        let mut ops = Vec::new();
        let end = rig.log.next_offset();
        rig.log.assign_epoch_start(epoch, end, &mut ops);
        rig.carry_out(&ops);
        rig.write_in_epoch(epoch, &[(2, Some(1))]);
    }
    rig.write_in_epoch(3, &[(2, Some(2))]);
    rig.clean_all();
    assert_eq!(rig.records(), [(0, 1, Some(0)), (3, 2, Some(2))]);
    let (entries, again) = (rig.log.epoch_entries().to_vec(), rig.recovered(false));
    assert_eq!(entries.len(), 3);
    assert_eq!(again.epoch_entries(), entries);
}

/// Bugs that no simulated client can show, as none writes transactions.
#[cfg(feature = "planted-bugs")]
mod planted {
    use super::*;
    use crate::plant::Plant;

    fn markers_left(plant: Plant) -> usize {
        let mut rig = Rig::new();
        rig.log.set_config(LogConfig { plant: Some(plant), ..config() });
        rig.write_in_txn(8, &[(1, Some(1))]);
        rig.write_in_txn(9, &[(2, Some(1))]);
        for filler in 10..30 {
            rig.write(&[(filler, Some(1))]);
        }
        rig.end_txn(8, true);
        rig.end_txn(9, true);
        for pass in 0..3 {
            rig.now_ms += 5_000;
            rig.write(&[(50 + pass, Some(1))]);
            rig.clean_all();
        }
        let batches = rig.disk.batches().into_iter();
        batches.filter(|b| b.header.is_control() && b.header.record_count > 0).count()
    }

    #[test]
    fn log_04_and_log_08_lose_markers_of_transactions_that_are_there() {
        assert_eq!(markers_left(Plant::TombstonesGoAtOnce), 2, "another bug leaves them alone");
        assert!(markers_left(Plant::TransactionsForgottenPerGroup) < 2);
        assert!(markers_left(Plant::MarkersCleanedByKey) < 2);
    }
}
