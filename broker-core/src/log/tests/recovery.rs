//! Loading after clean and unclean ends, by the bugs of the catalogue.

use crate::ids::Offset;
use crate::log::testing::{MemoryDisk, TP, batch, client, records, sequenced};
use crate::log::{EpochEntry, Log, LogConfig, Recover, RecoveryStats};
use crate::seam::{DiskOpKind, FileName};

fn config() -> LogConfig {
    LogConfig { segment_bytes: 300, ..LogConfig::kafka_defaults() }
}

/// A log of batches of one record and 100 bytes each, three to a segment.
fn written(count: i64) -> (Log, MemoryDisk) {
    let (mut log, mut disk) = (Log::create(TP, config(), 0), MemoryDisk::default());
    for timestamp in 0..count {
        let mut ops = Vec::new();
        let appended =
            log.append_as_leader(&records(batch(1, 39, timestamp)), client(1), &mut ops).unwrap();
        disk.apply(&ops);
        log.append_done(appended.number);
    }
    (log, disk)
}

fn load(disk: &mut MemoryDisk, boot: Recover) -> (Log, RecoveryStats) {
    let mut ops = Vec::new();
    let (log, stats) = Log::recover(TP, config(), disk, boot, &mut ops);
    disk.apply(&ops);
    (log, stats)
}

fn unclean(recovery_point: Offset) -> Recover {
    Recover { recovery_point, ..Recover::default() }
}

#[test]
fn a_torn_tail_is_cut_and_only_unflushed_segments_are_read() {
    let (_, mut disk) = written(11); // segments 0, 3, 6, 9
    disk.crash(|_, _| 1);
    let (log, stats) = load(&mut disk, unclean(6));
    assert_eq!(log.next_offset(), 10);
    assert_eq!(stats.truncated_bytes, 50, "half of batch 10");
    assert_eq!(stats.scanned_bytes, 300 + 100 + 50, "segments 6 and 9");
    assert_eq!(disk.batches().len(), 10);
    let (_, stats) = load(&mut disk, unclean(0));
    assert_eq!((stats.scanned_bytes, stats.truncated_bytes), (1000, 0));
}

#[test]
fn an_unflushed_segment_that_lost_its_tail_ends_the_log() {
    let (_, mut disk) = written(11);
    disk.segments.get_mut(&6).unwrap().batches.truncate(1);
    let (log, stats) = load(&mut disk, unclean(6));
    assert_eq!(log.next_offset(), 7, "no hole stays inside the log");
    assert_eq!(stats.truncated_bytes, 200, "segment 9");
    assert_eq!(disk.batches().len(), 7);
}

/// Kafka reads it from the file, too (`LogSegment.loadFirstBatchTimestamp`): a log that is loaded more often than once
/// per `segment.ms` is rolled all the same.
#[test]
fn a_segment_is_as_old_after_a_restart_as_before() {
    let (mut log, mut disk) = written(5); // segments 0, 3
    let mut ops = Vec::new();
    log.close(&mut ops);
    disk.apply(&ops);
    disk.segments.get_mut(&3).unwrap().modified_ms = 77;
    for boot in [unclean(0), unclean(3), Recover { clean: true, ..unclean(5) }] {
        let (mut again, _) = load(&mut disk.clone(), boot);
        let firsts: Vec<i64> = again.segment_views().map(|of| of.first_timestamp).collect();
        assert_eq!(firsts, [0, 3], "{boot:?}");
        assert_eq!((again.active().created_ms, again.active().modified_ms), (77, 77), "{boot:?}");
        again.set_config(LogConfig { segment_age_ms: 10, ..config() });
        let late = records(batch(1, 39, 14));
        again.append_as_leader(&late, client(1), &mut ops).unwrap();
        assert_eq!(again.active_segment(), 5, "{boot:?}");
    }
}

#[test]
fn a_clean_end_costs_no_reading() {
    let (mut log, mut disk) = written(11);
    let mut ops = Vec::new();
    log.close(&mut ops);
    disk.apply(&ops);
    let boot = Recover { recovery_point: 9, clean: true, ..Recover::default() };
    let (again, stats) = load(&mut disk, boot);
    assert_eq!(stats, RecoveryStats::default());
    assert_eq!((again.next_offset(), again.recovery_point()), (11, 11));
    assert_eq!(again.size_bytes(), log.size_bytes());
    assert_eq!(again.max_timestamp(), log.max_timestamp());
    assert_eq!(again.epoch_entries(), log.epoch_entries());
}

#[test]
fn dur_01_the_recovery_point_is_not_raised_by_an_unclean_start_nor_ahead_of_the_log() {
    let (_, mut disk) = written(11);
    assert_eq!(load(&mut disk, unclean(3)).0.recovery_point(), 3);
    disk.crash(|_, _| 0);
    let (log, _) = load(&mut disk, unclean(1000));
    assert_eq!((log.next_offset(), log.recovery_point()), (9, 9));
}

#[test]
fn log_22_an_empty_log_goes_on_at_its_start() {
    let boot = Recover { log_start_offset: 50, ..Recover::default() };
    let (log, _) = load(&mut MemoryDisk::default(), boot);
    assert_eq!((log.log_start_offset(), log.next_offset(), log.active_segment()), (50, 50, 50));
    // segments that end below the checkpointed start
    let (_, mut disk) = written(7);
    let (log, _) = load(&mut disk, boot);
    assert_eq!((log.log_start_offset(), log.next_offset(), log.active_segment()), (50, 50, 50));
    assert!(disk.segments.keys().eq([&50]), "an empty one, whose name says where the log goes on");
    assert_eq!(log.last_epoch(), 1, "the newest epoch is still known");
}

/// Hunt seed 740296: without it, a leader cannot be told which history the log had.
#[test]
fn the_epoch_of_a_log_whose_records_are_all_deleted_outlives_restarts() {
    let (mut log, mut disk) = written(7);
    let mut ops = Vec::new();
    log.set_config(LogConfig { retention_bytes: Some(0), ..config() });
    assert_eq!(log.retention(0, 7, &mut ops), Some(7));
    disk.apply(&ops);
    for _ in 0..2 {
        let boot = Recover { log_start_offset: 7, ..unclean(7) };
        let (again, _) = load(&mut disk, boot);
        assert_eq!((again.log_start_offset(), again.next_offset()), (7, 7));
        assert_eq!(again.epoch_entries(), [EpochEntry { epoch: 1, start_offset: 7 }]);
    }
}

#[test]
fn epochs_are_rebuilt_when_their_file_is_missing_or_damaged() {
    let (log, disk) = written(11);
    for damage in [None, Some("0\n7\n")] {
        let mut disk = disk.clone();
        let file = FileName::LeaderEpochs(TP);
        match damage {
            None => disk.files.remove(&file),
            Some(text) => disk.files.insert(file.clone(), text.into()),
        };
        let (again, stats) = load(&mut disk, Recover { clean: true, ..unclean(11) });
        assert_eq!(again.epoch_entries(), log.epoch_entries());
        assert_eq!(stats.scanned_bytes, 1100);
        assert_eq!(disk.files[&file], "0\n1\n1 0\n");
    }
}

#[test]
fn an_epoch_ahead_of_the_log_is_dropped() {
    let (mut log, mut disk) = written(5);
    let mut ops = Vec::new();
    log.assign_epoch_start(2, 5, &mut ops);
    disk.apply(&ops);
    disk.crash(|_, _| 0);
    let (log, _) = load(&mut disk, unclean(0));
    assert_eq!((log.next_offset(), log.last_epoch()), (3, 1));
    assert_eq!(disk.files[&FileName::LeaderEpochs(TP)], "0\n1\n1 0\n");
}

#[test]
fn idem_04_and_06_producers_outlive_deleted_segments_and_restarts() {
    let (mut log, mut disk) = (Log::create(TP, config(), 0), MemoryDisk::default());
    let mut ops = Vec::new();
    log.append_as_leader(&records(sequenced(9, 0, 0, 1)), client(1), &mut ops).unwrap();
    for timestamp in 0..8 {
        log.append_as_leader(&records(batch(1, 39, timestamp)), client(1), &mut ops).unwrap();
    }
    (1..=9).for_each(|number| assert!(log.append_done(number)));
    log.set_config(LogConfig { retention_bytes: Some(0), ..config() });
    assert_eq!(log.retention(0, 9, &mut ops), Some(9));
    log.set_config(config());
    disk.apply(&ops);
    for boot in [unclean(9), unclean(0), Recover { clean: true, ..unclean(9) }] {
        let (mut again, _) = load(&mut disk.clone(), Recover { log_start_offset: 9, ..boot });
        assert_eq!(again.producer_count(), 1, "{boot:?}");
        let repeat = records(sequenced(9, 0, 0, 1));
        assert!(again.append_as_leader(&repeat, client(1), &mut ops).unwrap().duplicate);
    }
}

#[test]
fn a_snapshot_of_another_history_is_not_used() {
    let (log, mut disk) = written(7);
    let newest = FileName::ProducerSnapshot(TP, log.active_segment());
    let stray = crate::log::snapshot::encode(6, 0, &{
        let mut producers = crate::log::producers::Producers::default();
        producers.update(&sequenced(9, 0, 0, 1));
        producers
    });
    disk.files.insert(newest, stray);
    let (again, _) = load(&mut disk, unclean(6));
    assert_eq!(again.producer_count(), 0, "its record 5 is of epoch 0, ours of epoch 1");
}

#[test]
fn each_segment_keeps_its_snapshot_and_those_above_a_truncation_go() {
    let (mut log, mut disk) = written(14); // segments 0, 3, 6, 9, 12
    let snapshots = |disk: &MemoryDisk| -> Vec<Offset> {
        let offset = |file: &FileName| match file {
            FileName::ProducerSnapshot(_, offset) => Some(*offset),
            _ => None,
        };
        disk.files.keys().filter_map(offset).collect()
    };
    assert_eq!(snapshots(&disk), [3, 6, 9, 12]);
    let mut ops = Vec::new();
    log.truncate_to(10, &mut ops);
    disk.apply(&ops);
    assert_eq!(snapshots(&disk), [3, 6, 9]);
    log.truncate_fully_and_start_at(100, &mut ops);
    assert!(matches!(ops.last(), Some(DiskOpKind::WriteFile { .. })), "epochs are cleared");
    disk.apply(&ops);
    assert!(snapshots(&disk).is_empty());
    // it began at 100 whatever the checkpoint of log starts says: nothing was appended since (hunt seed 23)
    let stale = Recover { log_start_offset: 3, ..Recover::default() };
    let (log, _) = load(&mut disk, stale);
    assert_eq!((log.log_start_offset(), log.next_offset()), (100, 100));
}

/// Hunt seed 10000781: the power went before the snapshot was on disk, and retention then took the batches that say the
/// same.
#[test]
fn idem_04_a_snapshot_that_a_crash_has_lost_is_written_again() {
    let (mut log, mut disk) = (Log::create(TP, config(), 0), MemoryDisk::default());
    let mut ops = Vec::new();
    log.append_as_leader(&records(sequenced(9, 0, 0, 1)), client(1), &mut ops).unwrap();
    for timestamp in 0..11 {
        log.append_as_leader(&records(batch(1, 39, timestamp)), client(1), &mut ops).unwrap();
    }
    disk.apply(&ops);
    let (start, newest) = (log.active_segment(), log.newest_snapshot());
    assert_eq!(newest, Some(start));
    disk.files.remove(&FileName::ProducerSnapshot(TP, start)).unwrap();

    let (mut log, _) = load(&mut disk, unclean(start));
    assert_eq!((log.producer_count(), log.newest_snapshot()), (1, newest));
    let mut ops = Vec::new();
    assert!(log.advance_log_start(start, &mut ops));
    disk.apply(&ops);
    assert!(disk.segments.keys().eq([&start]), "what the producer wrote is deleted");
    let (again, _) = load(&mut disk, Recover { log_start_offset: start, ..unclean(start) });
    assert_eq!(again.producer_views(), log.producer_views());
}

/// A producer's batches from an offset on, the last ones not committed when the log is closed in good order.
fn closed_with_a_tail(start: Offset, committed: Offset) -> (Log, MemoryDisk) {
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let (mut log, mut disk) = (Log::create(TP, config, 0), MemoryDisk::default());
    let mut ops = Vec::new();
    if start > 0 {
        log.truncate_fully_and_start_at(start, &mut ops);
    }
    for sequence in 0..9 {
        let batch = records(sequenced(9, 0, sequence, 1));
        let appended = log.append_as_leader(&batch, client(1), &mut ops).unwrap();
        log.append_done(appended.number);
    }
    log.note_high_watermark(committed);
    log.close(&mut ops);
    disk.apply(&ops);
    let (log_start_offset, high_watermark) = (start, Some(committed));
    let clean = Recover { clean: true, high_watermark, log_start_offset, ..Recover::default() };
    let (log, stats) = load(&mut disk, clean);
    assert_eq!(stats, RecoveryStats::default(), "Kafka reads nothing here");
    (log, disk)
}

#[test]
fn idem_08_a_tail_cut_after_a_clean_end_leaves_its_producers_as_they_were() {
    // a log that began anew at its leader's start has no snapshot of its first offset (hunt seed 3001852)
    for start in [0, 100] {
        let (mut log, _) = closed_with_a_tail(start, start + 3);
        log.truncate_to(start + 3, &mut Vec::new()); // more than a producer's five remembered batches
        let mut append = |sequence| {
            let batch = records(sequenced(9, 0, sequence, 1));
            log.append_as_leader(&batch, client(2), &mut Vec::new())
        };
        assert!(append(2).unwrap().duplicate, "it was committed before");
        append(5).unwrap_err();
        assert!(!append(3).unwrap().duplicate);
    }
}

#[test]
fn idem_04_a_producer_whose_records_are_deleted_is_known_after_a_crash() {
    let config = LogConfig { retention_bytes: Some(600), ..config() };
    let (mut log, mut disk) = (Log::create(TP, config, 0), MemoryDisk::default());
    let append = |log: &mut Log, disk: &mut MemoryDisk, batch| {
        let mut ops = Vec::new();
        let appended = log.append_as_leader(&records(batch), client(1), &mut ops).unwrap();
        disk.apply(&ops);
        if !appended.duplicate {
            log.append_done(appended.number);
        }
        appended
    };
    append(&mut log, &mut disk, sequenced(9, 0, 0, 1));
    for timestamp in 0..12 {
        append(&mut log, &mut disk, batch(1, 39, timestamp));
    }
    let mut ops = Vec::new();
    let start = log.retention(0, 7, &mut ops).expect("the first segments go");
    disk.apply(&ops);
    let crashed = Recover { log_start_offset: start, ..unclean(start) };
    let (mut log, _) = load(&mut disk, crashed);
    assert!(append(&mut log, &mut disk, sequenced(9, 0, 0, 1)).duplicate);
}
