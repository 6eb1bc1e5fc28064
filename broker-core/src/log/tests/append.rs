//! What leaders and followers accept, and where batches go.

use crate::config::{Ratio, TimestampType};
use crate::error::ErrorCode;
use crate::log::testing::{TP, batch, client, numbered, records, sequenced};
use crate::log::{AppendContext, AppendError, Compaction, Log, LogConfig, Origin, TimestampLookup};
use crate::records::{Batch, Record, Records};
use crate::seam::DiskOpKind;
use bytes::Bytes;
use std::sync::Arc;

fn log(config: LogConfig) -> Log {
    Log::create(TP, config, 0)
}

fn refused(batch: Batch) -> ErrorCode {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    let error = log.append_as_leader(&records(batch), client(1), &mut ops).unwrap_err();
    assert!(ops.is_empty() && log.next_offset() == 0 && log.epoch_entries().is_empty());
    error.error_code()
}

#[test]
fn a_client_may_not_send_what_contradicts_itself() {
    let good = batch(2, 10, 0);
    let with = |change: fn(&mut Batch)| {
        let mut bad = good.clone();
        change(&mut bad);
        refused(bad)
    };
    let invalid = ErrorCode::InvalidRecord;
    assert_eq!(with(|b| b.header.last_offset_delta = 5), invalid, "DUR-20");
    assert_eq!(with(|b| b.header.record_count = 0), invalid);
    assert_eq!(with(|b| b.header = b.header.as_control()), invalid);
    assert_eq!(with(|b| b.header = b.header.as_transactional()), invalid);
    assert_eq!(with(|b| b.header.producer_id = 4), invalid, "no sequence");
    assert_eq!(with(|b| b.header = b.header.with_log_append_time(1)), ErrorCode::InvalidTimestamp);
    assert_eq!(refused(batch(1, 1_048_588, 0)), ErrorCode::MessageTooLarge);
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    let two = Records::new(vec![Arc::new(good.clone()), Arc::new(good)]);
    assert!(log.append_as_leader(&two, client(1), &mut ops).is_err());
    assert!(log.append_as_leader(&Records::default(), client(1), &mut ops).is_err());
}

/// So in Kafka's `UnifiedLog.analyzeAndValidateRecords` and `append`.
#[test]
fn a_batch_is_bounded_for_clients_and_coordinators_and_by_the_segment_for_all() {
    let config =
        LogConfig { max_message_bytes: 200, segment_bytes: 300, ..LogConfig::kafka_defaults() };
    let outcome = |config, origin, body_bytes| {
        let context = AppendContext { origin, ..client(1) };
        let batch = records(batch(1, body_bytes, 0));
        let appended = log(config).append_as_leader(&batch, context, &mut Vec::new());
        appended.err().map_or(ErrorCode::None, |error| error.error_code())
    };
    for origin in [Origin::Client, Origin::Coordinator] {
        assert_eq!(outcome(config, origin, 139), ErrorCode::None);
        assert_eq!(outcome(config, origin, 140), ErrorCode::MessageTooLarge);
        let config = LogConfig { max_message_bytes: 400, ..config };
        assert_eq!(outcome(config, origin, 240), ErrorCode::RecordListTooLarge);
        assert_eq!(outcome(config, origin, 340), ErrorCode::MessageTooLarge, "that comes first");
    }
    assert_eq!(outcome(config, Origin::RaftLeader, 239), ErrorCode::None);
    assert_eq!(outcome(config, Origin::RaftLeader, 240), ErrorCode::RecordListTooLarge);
}

/// What comes of a batch of records at these times, ms from the broker's clock, if they may be so far
/// behind and ahead of it.
fn with_times(times_ms: &[i64], (before, after): (i64, i64), max: Option<i64>) -> ErrorCode {
    let config = LogConfig {
        timestamp_before_max_ms: before,
        timestamp_after_max_ms: after,
        ..LogConfig::kafka_defaults()
    };
    let context = AppendContext { wall_ms: 1_000_000, ..client(1) };
    let record = |ms: &i64| Record { timestamp_delta: ms - times_ms[0], ..Record::default() };
    let mut records_of: Vec<Record> = times_ms.iter().map(record).collect();
    let mut batch = Batch::build(context.wall_ms + times_ms[0], &mut records_of);
    if let Some(ms) = max {
        batch.header.max_timestamp = context.wall_ms + ms;
    }
    let appended = log(config).append_as_leader(&records(batch), context, &mut Vec::new());
    appended.err().map_or(ErrorCode::None, |error| error.error_code())
}

#[test]
fn no_record_may_be_too_far_from_the_brokers_clock() {
    let (taken, refused, any) = (ErrorCode::None, ErrorCode::InvalidTimestamp, i64::MAX);
    assert_eq!(with_times(&[0, -1000, 0], (1000, any), None), taken);
    assert_eq!(with_times(&[0, -1001, 0], (1000, any), None), refused, "it is not the first");
    assert_eq!(with_times(&[-1001, 0], (1000, any), None), refused);
    assert_eq!(with_times(&[0, -900_000], (any, 3_600_000), None), taken, "the default");
    assert_eq!(with_times(&[0, 1000], (any, 1000), None), taken);
    assert_eq!(with_times(&[0, 1001], (any, 1000), None), refused);
    for bounds in [(any, 1000), (1000, 1000)] {
        assert_eq!(with_times(&[0, 1001], bounds, Some(0)), refused, "its header says otherwise");
    }
    let no_time = -1_000_001;
    assert_eq!(with_times(&[no_time, no_time], (1000, 1000), None), taken);
    assert_eq!(with_times(&[0, no_time], (1000, 1000), None), taken);
    assert_eq!(with_times(&[no_time, -1001], (1000, 1000), None), refused);
    let default = (any, 3_600_000);
    assert_eq!(with_times(&[no_time, 3_600_000], default, None), taken);
    assert_eq!(
        with_times(&[no_time, 3_600_001], default, None),
        refused,
        "only the first has none"
    );
}

/// So in Kafka's `LogValidator.processRecordErrors` (KIP-467).
#[test]
fn records_with_wrong_times_are_named() {
    let told = |config, times_ms: &[i64]| {
        let context = AppendContext { wall_ms: 1_000_000, ..client(1) };
        let record = |ms: &i64| Record { timestamp_delta: ms - times_ms[0], ..Record::default() };
        let mut all: Vec<Record> = times_ms.iter().map(record).collect();
        let batch = records(Batch::build(times_ms[0], &mut all));
        match log(config).append_as_leader(&batch, context, &mut Vec::new()) {
            Err(AppendError::InvalidRecords { error, told }) => {
                assert_eq!(error, ErrorCode::InvalidTimestamp);
                told.records.iter().map(|(index, _)| *index).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let config = LogConfig { timestamp_before_max_ms: 1000, ..LogConfig::kafka_defaults() };
    assert_eq!(told(config, &[1_000_000, 998_999, 999_000, -1, 0]), [1, 4]);
    let defaults = LogConfig::kafka_defaults();
    assert_eq!(told(defaults, &[1_000_000, 4_600_000, 4_600_001]), [2], "by its header");
}

/// Of a record without a key Kafka looks at nothing else; a wrong time of another one is told rather than that.
#[test]
fn records_of_a_compacted_topic_are_looked_at_for_keys_and_then_for_times() {
    let compaction = Compaction {
        min_dirty_ratio: Ratio::of_text("0").unwrap(),
        min_lag_ms: 0,
        max_lag_ms: i64::MAX,
        delete_retention_ms: 1000,
    };
    let config = LogConfig {
        timestamp_before_max_ms: 1000,
        compaction: Some(compaction),
        ..LogConfig::kafka_defaults()
    };
    let context = AppendContext { wall_ms: 1_000_000, ..client(1) };
    let outcome = |of: &[(Option<&'static str>, i64)]| {
        let record = |(key, timestamp_delta): &(Option<&'static str>, i64)| Record {
            key: key.map(Bytes::from),
            timestamp_delta: *timestamp_delta,
            ..Record::default()
        };
        let mut all: Vec<Record> = of.iter().map(record).collect();
        let batch = records(Batch::build(context.wall_ms, &mut all));
        let appended = log(config).append_as_leader(&batch, context, &mut Vec::new());
        appended.err().map_or(ErrorCode::None, |error| error.error_code())
    };
    let key = Some("k");
    assert_eq!(outcome(&[(key, 0), (key, -1000)]), ErrorCode::None);
    assert_eq!(outcome(&[(key, 0), (key, -1001)]), ErrorCode::InvalidTimestamp);
    assert_eq!(outcome(&[(key, 0), (None, -1001)]), ErrorCode::InvalidRecord);
    assert_eq!(outcome(&[(None, 0), (key, -1001)]), ErrorCode::InvalidTimestamp);
}

#[test]
fn times_are_looked_for_in_records_alone_where_they_can_be_wrong() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    let unreadable = records(batch(2, 10, 5000));
    log.append_as_leader(&unreadable, client(1), &mut ops).unwrap();
    log.set_config(LogConfig { timestamp_before_max_ms: 1000, ..LogConfig::kafka_defaults() });
    let error = log.append_as_leader(&unreadable, client(1), &mut ops).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
}

#[test]
fn nothing_is_visible_before_the_disk_confirms() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    for _ in 0..2 {
        log.append_as_leader(&records(batch(3, 10, 0)), client(1), &mut ops).unwrap();
    }
    assert_eq!((log.log_end_offset(), log.next_offset()), (0, 6));
    assert_eq!(log.read_plan(0, 6, 100), Ok(None));
    assert!(log.read_plan(1, 6, 100).is_err());
    log.append_done(1);
    assert_eq!(log.log_end_offset(), 3);
    assert_eq!(log.read_plan(0, 6, 100).unwrap().map(|plan| plan.upto), Some(3));
}

#[test]
fn a_completion_from_before_a_truncation_confirms_nothing_new() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    log.append_as_follower(numbered(batch(3, 10, 0), 0, 1), 0, &mut ops).unwrap();
    log.append_as_follower(numbered(batch(3, 10, 0), 3, 1), 0, &mut ops).unwrap();
    log.truncate_to(3, &mut ops);
    log.append_as_follower(numbered(batch(3, 10, 0), 3, 2), 0, &mut ops).unwrap();
    assert!(log.append_done(1));
    assert!(!log.append_done(2), "it has been cut (hunt seed 822872)");
    assert_eq!(log.log_end_offset(), 3, "the append of epoch 2 is still in flight");
    assert!(log.append_done(3));
    assert_eq!(log.log_end_offset(), 6);
}

#[test]
fn an_append_that_ends_after_the_next_one_is_not_kept_once_it_is_cut() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    log.append_as_follower(numbered(batch(3, 10, 0), 0, 1), 0, &mut ops).unwrap();
    log.truncate_to(0, &mut ops);
    log.append_as_follower(numbered(batch(3, 10, 0), 0, 2), 0, &mut ops).unwrap();
    assert!(log.append_done(2), "flushed");
    assert_eq!(log.log_end_offset(), 3);
    assert!(log.has_in_flight());
    assert!(!log.append_done(1), "another record is there now");
    assert!(!log.has_in_flight());
}

#[test]
fn what_is_on_its_way_when_a_log_begins_anew_behind_it_is_gone() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    log.append_as_follower(numbered(batch(3, 10, 0), 0, 1), 0, &mut ops).unwrap();
    log.truncate_fully_and_start_at(10, &mut ops);
    log.append_as_follower(numbered(batch(3, 10, 0), 10, 2), 0, &mut ops).unwrap();
    assert!(!log.append_done(1), "its leader had deleted more (hunt seed 21006447)");
    assert_eq!(log.log_end_offset(), 10);
    assert!(log.append_done(2));
    assert_eq!(log.log_end_offset(), 13);
}

#[test]
fn log_24_followers_keep_offsets_and_refuse_those_they_have() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    let appended = log.append_as_follower(numbered(batch(3, 10, 0), 5, 1), 0, &mut ops).unwrap();
    assert_eq!((appended.first_offset, appended.last_offset), (5, 7), "a gap may be there");
    for base in [0, 5, 7] {
        let error = log.append_as_follower(numbered(batch(3, 10, 0), base, 1), 0, &mut ops);
        assert_eq!(error, Err(AppendError::OffsetsOutOfOrder { expected: 8, found: base }));
    }
    let nothing = log.append_as_follower(Records::default(), 0, &mut ops).unwrap();
    assert!(nothing.records.is_empty() && !nothing.duplicate);
    assert_eq!(log.next_offset(), 8);
}

#[test]
fn followers_share_the_leaders_batches() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    let records = numbered(batch(3, 10, 0), 0, 1);
    log.append_as_follower(records.clone(), 0, &mut ops).unwrap();
    let Some(DiskOpKind::Append { records: stored, .. }) = ops.last() else { panic!("appended") };
    assert!(Arc::ptr_eq(&stored.batches()[0], &records.batches()[0]));
}

#[test]
fn log_append_time_is_set_by_the_leader() {
    let config =
        LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::kafka_defaults() };
    let (mut log, mut ops) = (log(config), Vec::new());
    let batch = records(sequenced(1, 0, 0, 1));
    let appended = log.append_as_leader(&batch, client(1), &mut ops).unwrap();
    assert_eq!(appended.log_append_time_ms, 5000);
    let header = appended.records.batches()[0].header;
    assert!(header.is_log_append_time() && header.max_timestamp == 5000);
    assert_eq!(header.base_timestamp, 1000, "as Kafka leaves it");
    let again = log.append_as_leader(&batch, client(1), &mut ops).unwrap();
    assert_eq!((again.duplicate, again.log_append_time_ms), (true, 5000));
}

#[test]
fn segments_roll_by_size_by_age_and_by_distance() {
    let config =
        LogConfig { segment_bytes: 300, segment_age_ms: 1000, ..LogConfig::kafka_defaults() };
    let (mut log, mut ops) = (log(config), Vec::new());
    let mut append = |base, timestamp| {
        ops.clear();
        log.append_as_follower(numbered(batch(1, 39, timestamp), base, 1), 0, &mut ops).unwrap();
        log.active_segment()
    };
    assert_eq!([append(0, 0), append(1, 0), append(2, 0)], [0, 0, 0]);
    assert_eq!(append(3, 0), 3, "full");
    assert_eq!(append(4, 1000), 3);
    assert_eq!(append(5, 1001), 5, "aged");
    let far = i64::from(i32::MAX);
    assert_eq!(append(5 + far, 1001), 5, "LOG-18: the largest relative offset");
    assert_eq!(append(6 + far, 1001), 6 + far);
    assert_eq!(append(3 * far, 1001), 3 * far, "after a jump, the batch's own offset");
    let kinds: Vec<_> = ops.iter().map(std::mem::discriminant).collect();
    let sync = std::mem::discriminant(&DiskOpKind::Sync { tp: TP, segment: 0 });
    assert_eq!(kinds[0], sync, "the rolled segment is synced");
    assert!(matches!(ops.last(), Some(DiskOpKind::Append { .. })));
}

/// So in Kafka's `LogSegment.timeWaitedForRoll`.
#[test]
fn a_segment_whose_first_batch_has_no_timestamp_is_rolled_by_the_wall_clock() {
    let config = LogConfig { segment_age_ms: 1000, ..LogConfig::kafka_defaults() };
    let (mut log, mut ops) = (log(config), Vec::new());
    let mut append = |timestamp, wall_ms| {
        let context = AppendContext { wall_ms, ..client(1) };
        log.append_as_leader(&records(batch(1, 39, timestamp)), context, &mut ops).unwrap();
        log.active_segment()
    };
    assert_eq!([append(-1, 5000), append(5000, 5500)], [0, 0]);
    assert_eq!(append(9000, 6000), 0, "1000 ms old");
    assert_eq!(append(-1, 6001), 3);
    assert_eq!(append(-1, 7001), 3);
    assert_eq!(append(-1, 7002), 5);
}

#[test]
fn the_raft_leader_may_write_control_batches() {
    let (mut log, mut ops) = (log(LogConfig::metadata(1 << 20)), Vec::new());
    let mut control = batch(1, 10, 0);
    control.header = control.header.as_control();
    let context = AppendContext { origin: Origin::RaftLeader, ..client(4) };
    log.append_as_leader(&records(control), context, &mut ops).unwrap();
    assert_eq!((log.next_offset(), log.last_epoch()), (1, 4));
}

#[test]
fn timestamps_are_found_by_segment_and_index() {
    let config =
        LogConfig { segment_bytes: 500, index_interval_bytes: 1, ..LogConfig::kafka_defaults() };
    let (mut log, mut ops) = (log(config), Vec::new());
    assert_eq!(log.max_timestamp(), (-1, -1));
    for timestamp in [10, 30, 20, 40, 50, 5, 60, 55, 70] {
        log.append_as_leader(&records(batch(1, 39, timestamp)), client(1), &mut ops).unwrap();
    }
    assert_eq!(log.max_timestamp(), (70, 8));
    let scan = |segment, position| TimestampLookup::Scan { segment, position };
    assert_eq!(log.offset_for_timestamp(0), scan(0, 0));
    assert_eq!(log.offset_for_timestamp(50), scan(0, 0), "the index of a full segment is thin");
    assert_eq!(log.offset_for_timestamp(51), scan(5, 100));
    assert_eq!(log.offset_for_timestamp(61), scan(5, 300));
    assert_eq!(log.offset_for_timestamp(71), TimestampLookup::None);
    assert_eq!(log.offset_for_timestamp_after(0, 30), scan(5, 100));
    assert_eq!(log.offset_for_timestamp_after(5, 30), TimestampLookup::None);
}

/// So in `UnifiedLog.fetchOffsetByTimestamp`, for as long as the segment is there.
#[test]
fn the_newest_time_may_be_one_of_deleted_records() {
    let (mut log, mut ops) = (log(LogConfig::kafka_defaults()), Vec::new());
    assert_eq!(log.newest_timestamp(), None);
    for timestamp in [10, 70, 20] {
        log.append_as_leader(&records(batch(1, 39, timestamp)), client(1), &mut ops).unwrap();
    }
    assert!(log.advance_log_start(2, &mut ops));
    let place = TimestampLookup::Scan { segment: 0, position: 0 };
    assert_eq!(log.newest_timestamp(), Some((70, place)));
}
