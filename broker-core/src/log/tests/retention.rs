//! What retention deletes, and what it never does.

use crate::log::testing::{TP, batch, client, records};
use crate::log::{AppendContext, Log, LogConfig};
use crate::seam::DiskOpKind;

/// Batches of one record and 100 bytes, three to a segment, with timestamps 0, 1000, 2000...
fn written(count: i64, config: LogConfig) -> Log {
    let mut log = Log::create(TP, LogConfig { segment_bytes: 300, ..config }, 0);
    for second in 0..count {
        let batch = records(batch(1, 39, second * 1000));
        let appended = log.append_as_leader(&batch, client(1), &mut Vec::new()).unwrap();
        log.append_done(appended.number);
    }
    log
}

fn by_age(ms: i64) -> LogConfig {
    LogConfig { retention_ms: Some(ms), ..LogConfig::kafka_defaults() }
}

fn by_size(bytes: u64) -> LogConfig {
    LogConfig { retention_bytes: Some(bytes), retention_ms: None, ..LogConfig::kafka_defaults() }
}

fn deleted(ops: &[DiskOpKind]) -> Vec<i64> {
    let bases = ops.iter().filter_map(|op| match op {
        DiskOpKind::DeleteSegments { segments, .. } => Some(segments.clone()),
        _ => None,
    });
    bases.flatten().collect()
}

#[test]
fn by_age_whole_segments_go_when_their_youngest_record_is_too_old() {
    let (mut log, mut ops) = (written(8, by_age(5000)), Vec::new()); // segments 0, 3, 6
    assert_eq!(log.retention(7000, 8, &mut ops), None, "record 2 is 5000 ms old");
    assert_eq!(log.retention(7001, 8, &mut ops), Some(3));
    assert_eq!((deleted(&ops), log.log_start_offset()), (vec![0], 3));
    assert!(log.read_plan(2, 8, 100).is_err());
    assert_eq!(log.epoch_entries()[0].start_offset, 3);
}

/// The segment's last change counts then (Kafka's `LogSegment.largestTimestamp`).
#[test]
fn by_age_records_without_timestamps_go_too() {
    let mut log = Log::create(TP, LogConfig { segment_bytes: 300, ..by_age(5000) }, 0);
    for wall_ms in [1000, 2000, 3000, 4000] {
        let context = AppendContext { wall_ms, ..client(1) };
        let batch = records(batch(1, 39, -1));
        let appended = log.append_as_leader(&batch, context, &mut Vec::new()).unwrap();
        log.append_done(appended.number);
    }
    let mut ops = Vec::new();
    assert_eq!(log.retention(8000, 4, &mut ops), None, "segment 0 was changed 5000 ms ago");
    assert_eq!(log.retention(8001, 4, &mut ops), Some(3));
    assert_eq!(log.retention(9001, 4, &mut ops), Some(4), "the active one, too");
}

#[test]
fn by_size_the_log_stays_at_or_above_the_limit() {
    let (mut log, mut ops) = (written(8, by_size(450)), Vec::new());
    assert_eq!(log.retention(0, 8, &mut ops), Some(3), "800 - 300 is still enough");
    assert_eq!(log.size_bytes(), 500);
    assert_eq!(log.retention(0, 8, &mut ops), None, "500 - 300 would be below");
}

/// Syncs end in any order, and an earlier one stands for later ones that are done.
#[test]
fn what_was_flushed_behind_a_deleted_segment_stays_flushed() {
    let (mut log, mut ops) = (written(9, by_size(600)), Vec::new());
    log.epochs_written();
    log.roll(&mut ops);
    for segment in [3, 6] {
        log.sync_done(segment);
    }
    assert_eq!(log.recovery_point(), 0, "segment 0 is on its way");
    assert_eq!(log.retention(0, 9, &mut ops), Some(3));
    assert_eq!(log.recovery_point(), 9);
    log.sync_done(0); // it ends late
    assert_eq!((log.recovery_point(), log.is_flush_due()), (9, false));
}

/// A new segment has no file before its first batch, and when all before it is deleted the log's end would
/// be forgotten (hunt seed 800333).
#[test]
fn the_end_of_a_log_that_was_rolled_or_cut_is_kept_on_disk_when_all_records_go() {
    for cut in [false, true] {
        let (mut log, mut ops) = (written(8, by_size(0)), Vec::new());
        if cut {
            log.note_high_watermark(8);
            log.flush(&mut Vec::new());
            log.truncate_to(7, &mut Vec::new());
        } else {
            log.roll(&mut Vec::new());
        }
        let end = log.next_offset();
        log.retention(0, end, &mut ops);
        assert_eq!((log.log_start_offset(), end), if cut { (7, 7) } else { (8, 8) });
        let keeps =
            |op: &DiskOpKind| matches!(op, DiskOpKind::Append { segment, .. } if *segment == end);
        assert!(ops.iter().any(keeps), "cut: {cut}, {ops:?}");
    }
}

#[test]
fn nothing_at_or_above_the_high_watermark_is_deleted() {
    let (mut log, mut ops) = (written(8, by_size(0)), Vec::new());
    assert_eq!(log.retention(0, 2, &mut ops), None);
    assert_eq!(log.retention(0, 5, &mut ops), Some(3));
    assert_eq!(log.retention(0, 6, &mut ops), Some(6));
}

#[test]
fn an_expired_active_segment_is_rolled_and_deleted() {
    let (mut log, mut ops) = (written(8, by_age(5000)), Vec::new());
    assert_eq!(log.retention(1_000_000, 8, &mut ops), Some(8));
    assert_eq!(deleted(&ops), [0, 3, 6]);
    let created = |op: &DiskOpKind| matches!(op, DiskOpKind::Append { segment: 8, .. });
    assert!(ops.iter().any(created), "LOG-22: a restart finds where the log ends");
    assert_eq!((log.segment_count(), log.active_segment(), log.next_offset()), (1, 8, 8));
    assert_eq!(log.last_epoch(), 1);
    assert_eq!(log.retention(2_000_000, 8, &mut ops), None, "an empty segment stays");
}

#[test]
fn an_append_in_flight_keeps_its_segment() {
    let (mut log, mut ops) = (written(8, by_age(0)), Vec::new());
    log.append_as_leader(&records(batch(1, 39, 0)), client(1), &mut ops).unwrap();
    assert_eq!(log.retention(1_000_000, 9, &mut ops), Some(6));
    assert_eq!(log.active_segment(), 6);
}

#[test]
fn a_moved_log_start_deletes_what_is_wholly_below() {
    let (mut log, mut ops) = (written(8, by_size(1 << 30)), Vec::new());
    assert!(log.advance_log_start(4, &mut ops));
    assert_eq!((deleted(&ops), log.log_start_offset()), (vec![0], 4));
    assert!(!log.advance_log_start(4, &mut ops));
    assert!(log.advance_log_start(20, &mut ops), "beyond the end the log is empty");
    assert_eq!((log.log_start_offset(), log.next_offset(), log.log_end_offset()), (20, 20, 20));
    assert!(log.epoch_entries().is_empty());
}
