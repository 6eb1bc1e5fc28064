//! Logs whose older part is in remote storage: their history, and what a restart finds.

use crate::ids::{Offset, RemoteSegmentId};
use crate::log::producers::Producers;
use crate::log::testing::{MemoryDisk, TP, batch, client, epochs_written, records, sequenced};
use crate::log::{EpochEntry, Log, LogConfig, Recover, TierStart, Tiering, snapshot};
use crate::seam::{DiskOpKind, RemoteIndexes, RemoteSegment};

fn config() -> LogConfig {
    let tiering = Tiering { local_retention_ms: None, local_retention_bytes: Some(0) };
    LogConfig { segment_bytes: 300, tiering: Some(tiering), ..LogConfig::kafka_defaults() }
}

/// Batches of one record, three to a segment; each epoch writes so many.
fn written(epochs: &[(i32, usize)]) -> (Log, MemoryDisk) {
    let (mut log, mut disk, mut ops) =
        (Log::create(TP, config(), 0), MemoryDisk::default(), vec![]);
    for (epoch, count) in epochs {
        for _ in 0..*count {
            let appended =
                log.append_as_leader(&records(batch(1, 39, 0)), client(*epoch), &mut ops).unwrap();
            log.append_done(appended.number);
        }
    }
    disk.apply(&ops);
    epochs_written(&mut log, &ops);
    for op in &ops {
        if let DiskOpKind::Sync { segment, .. } = op {
            log.sync_done(*segment);
        }
    }
    (log, disk)
}

fn segment(base: Offset, end: Offset, epochs: &[(i32, Offset)]) -> RemoteSegment {
    let entry = |(epoch, start_offset): &(i32, Offset)| EpochEntry {
        epoch: *epoch,
        start_offset: *start_offset,
    };
    RemoteSegment {
        id: RemoteSegmentId(1),
        tp: TP,
        base,
        end,
        bytes: 300,
        max_timestamp: 0,
        epochs: epochs.iter().map(entry).collect(),
        indexes: RemoteIndexes::default(),
    }
}

#[test]
fn a_remote_segment_counts_as_far_as_the_history_is_the_same() {
    let (log, _) = written(&[(0, 4), (2, 4)]); // epoch 2 begins at 4
    let cases = [
        (segment(0, 2, &[(0, 0)]), 3),
        (segment(3, 5, &[(0, 0), (2, 4)]), 6),
        (segment(3, 5, &[(0, 0)]), 4), // epoch 0 went on where it was not elected
        (segment(3, 5, &[(0, 0), (1, 4)]), 4), // another leader wrote what was lost
        (segment(6, 8, &[(0, 0), (1, 4)]), 6),
    ];
    for (segment, end) in cases {
        assert_eq!(log.lineage_end(&segment), end, "{segment:?}");
    }
}

/// So in Kafka's `RemoteLogManager.copyLogSegment`: what is there ages, too.
#[test]
fn a_copy_of_records_without_timestamps_is_as_old_as_the_last_change_of_their_segment() {
    let (mut log, mut ops) = (Log::create(TP, config(), 0), vec![]);
    for _ in 0..4 {
        let appended =
            log.append_as_leader(&records(batch(1, 39, -1)), client(1), &mut ops).unwrap();
        log.append_done(appended.number);
    }
    epochs_written(&mut log, &ops);
    log.sync_done(0);
    let copied = log.next_to_copy(4, RemoteSegmentId(7)).unwrap();
    assert_eq!((copied.end, copied.max_timestamp), (2, 5000));
}

#[test]
fn a_segment_of_another_history_does_not_count_as_copied() {
    let (mut log, _) = written(&[(0, 4), (2, 4)]);
    log.note_remote([segment(0, 2, &[(0, 0)]), segment(3, 8, &[(0, 0), (1, 4)])].iter());
    assert_eq!(log.remote_end_offset(), 4);
    let next = log.next_to_copy(8, RemoteSegmentId(7)).unwrap();
    assert_eq!((next.base, next.end), (3, 5), "from the segment that holds the first one missing");
    assert_eq!(next.epochs.len(), 2);
}

#[test]
fn a_cut_log_forgets_that_what_it_lost_was_copied() {
    let (mut log, _) = written(&[(0, 8)]);
    log.note_remote([segment(0, 5, &[(0, 0)])].iter());
    log.truncate_to(4, &mut Vec::new());
    assert_eq!(log.remote_end_offset(), 4);
}

/// What is in remote storage was committed, and others have it in their logs.
#[test]
fn a_log_that_is_cut_below_its_disk_keeps_what_is_in_remote_storage() {
    let (mut log, mut disk) = written(&[(0, 3), (1, 6)]);
    let mut ops = Vec::new();
    log.note_remote([segment(0, 5, &[(0, 0), (1, 3)])].iter());
    log.tiering_is_on_record();
    log.retention(0, 9, &mut ops);
    assert_eq!((log.log_start_offset(), log.local_log_start_offset()), (0, 6));
    log.truncate_to(4, &mut ops);
    disk.apply(&ops);
    for log in [&log, &restarted(&disk, true)] {
        assert_eq!((log.log_start_offset(), log.next_offset()), (0, 4));
        assert_eq!((log.epoch_at(2), log.epoch_at(3)), (0, 1));
    }
    assert_eq!(log.remote_end_offset(), 4);
}

fn restarted(disk: &MemoryDisk, tiered: bool) -> Log {
    let boot = Recover { clean: true, tiered, ..Recover::default() };
    Log::recover(TP, LogConfig::kafka_defaults(), disk, boot, &mut Vec::new()).0
}

#[test]
fn a_restart_finds_the_log_start_before_the_first_segment() {
    let (mut log, mut disk) = written(&[(0, 8)]);
    let mut ops = Vec::new();
    log.note_remote([segment(0, 5, &[(0, 0)])].iter());
    assert_eq!((log.retention(0, 8, &mut ops), ops.len()), (None, 0), "not on record yet");
    log.tiering_is_on_record();
    log.retention(0, 8, &mut ops);
    assert!(ops.iter().any(
        |op| matches!(op, DiskOpKind::DeleteSegments { segments, .. } if segments == &[0, 3])
    ));
    disk.apply(&ops);
    assert_eq!((log.log_start_offset(), log.local_log_start_offset()), (0, 6));
    let mut again = restarted(&disk, true);
    assert_eq!((again.log_start_offset(), again.epoch_at(0)), (0, 0));
    again.set_config(config());
    assert_eq!((again.local_log_start_offset(), again.log_end_offset()), (6, 8));
    assert!(again.read_plan(5, 8, 100).is_err() && again.read_plan(6, 8, 100).is_ok());
    assert_eq!(restarted(&disk, false).log_start_offset(), 6);
}

#[test]
fn a_log_that_starts_after_remote_storage_learns_of_nobody_who_is_idle_for_too_long() {
    let mut producers = Producers::default();
    producers.update(&sequenced(9, 0, 0, 1));
    let mut open = sequenced(8, 0, 0, 1);
    open.header = open.header.as_transactional();
    producers.update(&open);
    let mut before = segment(0, 2, &[(0, 0)]);
    before.indexes.producers = snapshot::encode(3, 0, &producers);
    let known = |wall_ms| {
        let mut log = Log::create(TP, config(), 0);
        let start = TierStart { local_start: 3, log_start: 0, segment: &before, wall_ms };
        log.start_after_tier(&start, &mut Vec::new());
        log.producer_views().iter().map(|producer| producer.id).collect::<Vec<_>>()
    };
    let idle_from = 1000 + config().producer_expiration_ms;
    assert_eq!(known(idle_from - 1), [8, 9]);
    assert_eq!(known(idle_from), [8], "its transaction is open");
}

/// What is left would seem to go on in the epoch before, and others would be told to cut what they have in
/// this one (hunt seed 7013344).
#[test]
fn a_segment_stays_until_the_epochs_of_its_records_are_on_record() {
    let (mut log, _) = written(&[(0, 3)]);
    let mut ops = Vec::new();
    for _ in 0..5 {
        let appended =
            log.append_as_leader(&records(batch(1, 39, 0)), client(1), &mut ops).unwrap();
        log.append_done(appended.number);
    }
    for base in [0, 3] {
        log.sync_done(base);
    }
    log.tiering_is_on_record();
    log.note_remote([segment(0, 2, &[(0, 0)]), segment(3, 5, &[(0, 0), (1, 3)])].iter());
    assert_eq!(log.remote_end_offset(), 6);
    log.retention(0, 8, &mut ops);
    assert_eq!((log.local_log_start_offset(), log.recovery_point()), (3, 3));
    epochs_written(&mut log, &ops);
    log.retention(0, 8, &mut ops);
    assert_eq!((log.local_log_start_offset(), log.recovery_point()), (6, 6));
}

#[test]
fn deleted_records_leave_the_disk_whether_they_are_copied_or_not() {
    let (mut log, _) = written(&[(0, 8)]);
    let mut ops = Vec::new();
    log.advance_log_start(4, &mut ops);
    assert_eq!((log.log_start_offset(), log.local_log_start_offset()), (4, 4));
}

#[test]
fn a_restart_keeps_what_was_deleted_of_a_log_whether_its_start_was_on_disk_or_not() {
    let (mut log, mut disk) = written(&[(0, 8)]);
    let mut ops = Vec::new();
    log.advance_log_start(4, &mut ops);
    disk.apply(&ops);
    let boot = |log_start_offset| {
        let boot = Recover { clean: true, tiered: true, log_start_offset, ..Recover::default() };
        Log::recover(TP, config(), &disk, boot, &mut Vec::new()).0
    };
    for checkpoint in [0, 4] {
        let again = boot(checkpoint);
        // the segment of 3 is there as a whole, and the epochs begin at 4
        assert_eq!((again.log_start_offset(), again.epoch_at(4)), (4, 0), "{checkpoint}");
        assert_eq!(again.lineage_end(&segment(3, 5, &[(0, 0)])), 6);
    }
}

/// KAFKA-15047: where nobody writes any more nothing else would roll it, and its records would stay for ever.
#[test]
fn an_expired_active_segment_is_rolled_so_that_it_can_be_copied() {
    let (mut log, _) = written(&[(0, 2)]);
    let mut ops = Vec::new();
    log.retention(0, 1, &mut ops);
    assert_eq!((log.active_segment(), ops.len()), (0, 0), "not all of it is committed");
    for _ in 0..2 {
        assert_eq!(log.retention(0, 2, &mut ops), None);
        assert_eq!((log.segment_count(), log.active_segment()), (2, 2), "an empty one stays");
    }
    let created = |op: &DiskOpKind| matches!(op, DiskOpKind::Append { segment: 2, .. });
    assert_eq!(ops.iter().filter(|op| created(op)).count(), 1);
    log.sync_done(0);
    let copied = log.next_to_copy(2, RemoteSegmentId(7)).unwrap();
    assert_eq!((copied.base, copied.end), (0, 1));
    log.tiering_is_on_record();
    log.note_remote([copied].iter());
    log.retention(0, 2, &mut ops);
    assert_eq!((log.log_start_offset(), log.local_log_start_offset()), (0, 2));
}

#[test]
fn a_segment_is_copied_when_it_is_on_its_own_disk() {
    let (mut log, mut ops) = (Log::create(TP, config(), 0), vec![]);
    for _ in 0..4 {
        let appended =
            log.append_as_leader(&records(batch(1, 39, 0)), client(0), &mut ops).unwrap();
        log.append_done(appended.number);
    }
    assert_eq!(log.next_to_copy(4, RemoteSegmentId(7)), None);
    log.sync_done(0);
    assert_eq!(log.next_to_copy(4, RemoteSegmentId(7)), None, "its epochs are not there yet");
    log.epochs_written();
    assert_eq!(log.next_to_copy(4, RemoteSegmentId(7)).map(|segment| segment.end), Some(2));
}
