//! The disk as a broker sees it: what is confirmed when, and what is left after a crash.

use super::testing::{MIB, MS, Maker, SEC, Shape, config, tp};
use super::{Completion, Disk, DiskConfig, Preload, QUEUE_DEPTH, Slow};
use crate::rng::Streams;
use bytes::Bytes;
use std::sync::Arc;
use stormglass_broker_core::ids::{DiskOpId, Offset};
use stormglass_broker_core::records::{Batch, Records};
use stormglass_broker_core::seam::{
    DiskError, DiskImage, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange, ScanEnd,
};

const BATCH: u64 = 16 << 10;

fn disk(config: DiskConfig) -> Disk {
    Disk::new(config, &Streams::new(5), 1)
}

fn submit(disk: &mut Disk, now_ns: u64, kind: DiskOpKind) -> Completion {
    disk.submit(now_ns, DiskOp { id: DiskOpId(1), kind })
}

fn append(disk: &mut Disk, now_ns: u64, segment: Offset, batches: Vec<Arc<Batch>>) -> Completion {
    let records = Records::new(batches);
    submit(disk, now_ns, DiskOpKind::Append { tp: tp(0), segment, records })
}

fn range(segment: Offset, from: Offset, max_bytes: u32) -> ReadRange {
    ReadRange { tp: tp(0), segment, position: 0, from, upto: Offset::MAX, max_bytes }
}

fn read(disk: &mut Disk, now_ns: u64, range: ReadRange) -> (u64, Vec<Arc<Batch>>) {
    let max_bytes = range.max_bytes;
    let done = submit(disk, now_ns, DiskOpKind::Read { ranges: vec![range], max_bytes });
    let DiskResult::Read(records) = done.result else { panic!("a read yields records") };
    (done.at_ns, records[0].batches().to_vec())
}

fn scan(disk: &Disk, segment: Offset) -> (Vec<Arc<Batch>>, ScanEnd) {
    let mut batches = Vec::new();
    let end = disk.scan(tp(0), segment, &mut |_, batch| batches.push(Arc::clone(batch)));
    (batches, end)
}

fn preload(bytes: u64) -> Preload {
    let Batch { body, .. } = Arc::unwrap_or_clone(Maker::new(Shape::default()).next());
    let stormglass_broker_core::records::Body::Template { template, .. } = body else {
        panic!("test batches are templates")
    };
    Preload {
        bytes,
        template,
        records_per_batch: 16,
        first_timestamp_ms: 1_000_000,
        last_timestamp_ms: 2_000_000,
        segment_bytes: 1 << 30,
        leader_epoch: 0,
        first_tag: 0,
    }
}

/// Runs background writeback until `until_ns`.
fn run_until(disk: &mut Disk, until_ns: u64) {
    while let Some(at_ns) = disk.next_wakeup().filter(|&at_ns| at_ns <= until_ns) {
        disk.on_wakeup(at_ns);
    }
    disk.on_wakeup(until_ns);
}

#[test]
fn the_page_cache_takes_appends_and_serves_tail_reads_at_once() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(10);
    assert_eq!(append(&mut disk, 7, 0, batches.clone()).at_ns, 7);
    let (at_ns, found) = read(&mut disk, 9, range(0, 5 * 16 + 3, 2 * (16 << 10)));
    assert_eq!(at_ns, 9);
    assert_eq!(found.len(), 2, "the limit holds two batches");
    assert!(Arc::ptr_eq(&found[0], &batches[5]), "hot batches are shared");
}

#[test]
fn a_file_says_when_it_was_changed_last_and_a_cleaned_one_when_those_that_it_replaces_were() {
    let mut disk = disk(config()).with_wall_epoch_ms(1000);
    let batches = Maker::new(Shape::default()).batches(6);
    let seen = |disk: &Disk, segment| {
        let summary = disk.summary(tp(0), segment);
        (summary.first_timestamp, summary.modified_ms)
    };
    let first = |at: usize| batches[at].header.max_timestamp;
    append(&mut disk, 0, 0, batches[..1].to_vec());
    append(&mut disk, 2 * MS, 0, batches[1..2].to_vec());
    append(&mut disk, 5 * MS, 2 * 16, batches[2..5].to_vec());
    assert_eq!([seen(&disk, 0), seen(&disk, 2 * 16)], [(first(0), 1002), (first(2), 1005)]);
    submit(&mut disk, 7 * MS, DiskOpKind::Truncate { tp: tp(0), to: 4 * 16 });
    assert_eq!([seen(&disk, 0), seen(&disk, 2 * 16)], [(first(0), 1002), (first(2), 1007)]);
    append(&mut disk, 8 * MS, 4 * 16, batches[4..].to_vec());
    let records = Records::new(batches[1..3].to_vec());
    let kept = DiskOpKind::AppendCleaned { tp: tp(0), segment: 0, records };
    submit(&mut disk, 9 * MS, kept);
    let replaced = vec![0, 2 * 16];
    submit(&mut disk, 9 * MS, DiskOpKind::ReplaceSegments { tp: tp(0), segment: 0, replaced });
    assert_eq!([seen(&disk, 0), seen(&disk, 4 * 16)], [(first(1), 1007), (first(4), 1008)]);
}

#[test]
fn the_first_batch_may_exceed_the_limit_but_no_other() {
    let mut disk = disk(config());
    append(&mut disk, 0, 0, Maker::new(Shape::default()).batches(10));
    let ranges = vec![range(0, 0, 100), range(0, 0, 100)];
    let done = submit(&mut disk, 0, DiskOpKind::Read { ranges, max_bytes: 100 });
    let DiskResult::Read(records) = done.result else { panic!("a read yields records") };
    assert_eq!(records.iter().map(|r| r.batches().len()).collect::<Vec<_>>(), [1, 0]);
    let mut limited = range(0, 0, 1 << 20);
    limited.upto = 3 * 16;
    assert_eq!(read(&mut disk, 0, limited).1.len(), 3, "nothing at or after `upto`");
}

#[test]
fn cold_reads_wait_for_the_volume_and_read_ahead() {
    let mut disk = disk(config());
    disk.preload(tp(0), &preload(4 << 30));
    assert_eq!(disk.segments(tp(0)).len(), 4);
    assert!(disk.memory_bytes() < 4096, "a backlog costs nothing");
    let (at_ns, found) = read(&mut disk, 0, range(0, 0, 16 << 10));
    assert_eq!((found.len(), at_ns), (1, MS), "service latency; 128 KiB pass in half of it");
    let next = disk.take_counters(at_ns);
    assert_eq!(next.volumes[0].read_bytes, 128 << 10, "read ahead");
    let (again_ns, _) = read(&mut disk, 2 * MS, range(0, 7 * 16, 16 << 10));
    assert_eq!(again_ns, 2 * MS, "the eighth batch came with the first");
}

#[test]
fn a_sequential_reader_gets_the_throughput_of_the_volume() {
    let mut disk = disk(config());
    disk.preload(tp(0), &preload(1 << 30));
    let (mut now_ns, mut from) = (0, 0);
    while from < 16 * 16_384 {
        let (at_ns, found) = read(&mut disk, now_ns, range(0, from, 8 << 20));
        now_ns = at_ns;
        from = found.last().unwrap().next_offset();
    }
    // 256 MiB at 250 MiB/s, plus a latency for each of 32 reads at most
    let floor_ns = 256 * SEC / 250;
    assert!((floor_ns..floor_ns + 50 * MS).contains(&now_ns), "{now_ns}");
}

#[test]
fn writeback_starts_above_the_background_threshold_and_conserves_bytes() {
    let mut disk = disk(config());
    let mut maker = Maker::new(Shape { size_bytes: 1 << 20, ..Shape::default() });
    let mut written = 0;
    // 100 MiB/s for 20 s into a 250 MiB/s volume
    for tick in 0..2000_u64 {
        let now_ns = tick * 10 * MS;
        run_until(&mut disk, now_ns);
        assert_eq!(append(&mut disk, now_ns, 0, maker.batches(1)).at_ns, now_ns, "no throttling");
        written += MIB;
    }
    let counters = disk.take_counters(20 * SEC);
    assert_eq!(counters.append_bytes, written);
    assert_eq!(counters.writeback_bytes + counters.dirty_bytes, written, "nothing is lost");
    // in steady state what comes in goes out, and the threshold is what stays
    assert!(counters.dirty_bytes.abs_diff(config().dirty_background_bytes) < 10 * MIB);
    assert!(counters.volumes[0].write_bytes >= counters.writeback_bytes);
    // in the end everything is old enough
    run_until(&mut disk, 60 * SEC);
    assert_eq!(disk.take_counters(60 * SEC).dirty_bytes, 0);
    assert_eq!(disk.next_wakeup(), None);
}

#[test]
fn writers_over_the_limit_get_the_throughput_of_the_volume() {
    let mut disk = disk(config());
    let mut maker = Maker::new(Shape { size_bytes: 1 << 20, ..Shape::default() });
    let mut now_ns = 0;
    let total = 2000_u64;
    for _ in 0..total {
        run_until(&mut disk, now_ns);
        // a closed loop, as a blocked handler is
        now_ns = append(&mut disk, now_ns, 0, maker.batches(1)).at_ns;
    }
    let limit_mib = config().dirty_limit_bytes / MIB;
    let floor_ns = (total - limit_mib) * SEC / 250;
    assert!(now_ns.abs_diff(floor_ns) * 100 < floor_ns, "{now_ns} {floor_ns}");
    assert!(disk.take_counters(now_ns).throttled_ns > floor_ns / 2);
}

#[test]
fn appends_of_a_partition_are_confirmed_in_order() {
    let mut disk = disk(config());
    let mut maker = Maker::new(Shape { size_bytes: 1 << 20, ..Shape::default() });
    let ends: Vec<u64> =
        (0..400).map(|now_ns| append(&mut disk, now_ns, 0, maker.batches(1)).at_ns).collect();
    assert!(ends.is_sorted());
    assert!(ends[399] > 100 * MS, "the limit was passed");
}

#[test]
fn an_append_is_confirmed_after_one_that_ends_when_it_comes() {
    let mut disk = disk(config());
    let mut maker = Maker::new(Shape { size_bytes: 1 << 20, ..Shape::default() });
    let at_once = append(&mut disk, 0, 0, maker.batches(1)).at_ns;
    let again = append(&mut disk, 0, 0, maker.batches(1)).at_ns;
    assert_eq!((at_once, again), (0, 0), "neither waits for an event");
    let waits_ns = append(&mut disk, 0, 0, maker.batches(400)).at_ns;
    assert!(waits_ns > 100 * MS, "the limit was passed");
    let next_ns = append(&mut disk, waits_ns, 0, maker.batches(1)).at_ns;
    assert!(next_ns > waits_ns, "the event of the one before it is still in the queue");
}

#[test]
fn a_sync_waits_for_its_file_and_makes_it_durable() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(160);
    append(&mut disk, 0, 0, batches.clone());
    let sync = DiskOpKind::Sync { tp: tp(0), segment: 0 };
    let done = submit(&mut disk, 0, sync);
    // 2.5 MiB at 250 MiB/s are 10 ms, then a flush of 1 ms
    assert!(done.at_ns.abs_diff(11 * MS) <= 1, "{}", done.at_ns);
    disk.crash_power(done.at_ns, &mut |_| 0);
    assert_eq!(scan(&disk, 0), (batches, ScanEnd::Clean));
}

#[test]
fn a_power_failure_loses_what_was_not_written_back() {
    let batches = Maker::new(Shape::default()).batches(100);
    // nothing survives, 40 batches and half a batch that is kept or not, all survive
    let half = 40 * BATCH + BATCH / 2;
    let cases = [(0, 0, 0), (half - 1, 40, BATCH / 2 - 1), (half, 40, 0), (100 * BATCH, 100, 0)];
    for (survive, whole, torn) in cases {
        let mut disk = disk(config());
        append(&mut disk, 0, 0, batches.clone());
        disk.crash_power(1, &mut |below| survive.min(below - 1));
        let (left, end) = scan(&disk, 0);
        assert_eq!(left, batches[..whole]);
        let expected = if torn > 0 { ScanEnd::Torn { bytes: torn } } else { ScanEnd::Clean };
        assert_eq!(end, expected);
        let summary = disk.summary(tp(0), 0);
        assert_eq!(u64::from(summary.bytes), whole as u64 * BATCH);
        assert_eq!(summary.next_offset, whole as i64 * 16);
        // recovery cuts the torn batch, then the log goes on
        let to = summary.next_offset;
        submit(&mut disk, 2, DiskOpKind::Truncate { tp: tp(0), to });
        append(&mut disk, 2, 0, batches[whole..].to_vec());
        assert_eq!(scan(&disk, 0), (batches.clone(), ScanEnd::Clean));
        assert_eq!(disk.take_counters(2).used_bytes, 100 * BATCH);
        assert_eq!(disk.buried(tp(0)), None);
    }
}

#[test]
fn what_is_appended_behind_a_torn_batch_is_known() {
    let batches = Maker::new(Shape::default()).batches(100);
    let mut disk = disk(config());
    append(&mut disk, 0, 0, batches.clone());
    disk.crash_power(1, &mut |_| 40 * BATCH + BATCH / 2 - 1);
    append(&mut disk, 2, 0, batches[40..].to_vec());
    assert_eq!(disk.buried(tp(0)), Some(40 * 16));
}

#[test]
fn a_killed_process_loses_nothing() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(700);
    append(&mut disk, 0, 0, batches.clone());
    disk.crash_process(1);
    assert_eq!(scan(&disk, 0), (batches, ScanEnd::Clean));
    assert_eq!(read(&mut disk, 1, range(0, 0, 1 << 20)).0, 1, "the page cache survives");
}

#[test]
fn what_was_cut_while_on_its_way_is_not_durable() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(64);
    append(&mut disk, 0, 0, batches.clone());
    submit(&mut disk, 0, DiskOpKind::Sync { tp: tp(0), segment: 0 });
    submit(&mut disk, 1, DiskOpKind::Truncate { tp: tp(0), to: 32 * 16 });
    append(&mut disk, 1, 0, batches[32..].to_vec());
    disk.crash_power(SEC, &mut |_| 0);
    assert!(scan(&disk, 0).0.len() <= 32, "the new half was never written");
}

/// Hunt seed 1011600: a write that a slow volume still had to end held up what was written after the cut.
#[test]
fn what_was_cut_off_altogether_holds_up_nothing() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(64);
    let sync = || DiskOpKind::Sync { tp: tp(0), segment: 0 };
    append(&mut disk, 0, 0, batches[..32].to_vec());
    submit(&mut disk, 0, sync());
    disk.set_slow(SEC, slow(1000, 10 * SEC));
    append(&mut disk, SEC, 0, batches[32..].to_vec());
    submit(&mut disk, SEC, sync());
    disk.set_slow(SEC, Slow::NOT);
    submit(&mut disk, SEC, DiskOpKind::Truncate { tp: tp(0), to: 32 * 16 });
    append(&mut disk, SEC, 0, batches[32..].to_vec());
    let synced_ns = submit(&mut disk, SEC, sync()).at_ns;
    run_until(&mut disk, 5 * SEC);
    disk.crash_power(synced_ns, &mut |_| 0);
    assert_eq!(scan(&disk, 0).0, batches);
}

/// What the page cache had still to write counted as unsynced for ever, as nobody was left to write it.
#[test]
fn storage_that_is_apart_from_its_host_has_all_of_it_after_a_power_failure() {
    let mut disk = disk(DiskConfig { survives_power_failure: true, ..config() });
    let batches = Maker::new(Shape::default()).batches(64);
    append(&mut disk, 0, 0, batches[..32].to_vec());
    append(&mut disk, 0, 512, batches[32..].to_vec());
    let name = FileName::HighWatermarks;
    let bytes = Bytes::from_static(b"new");
    submit(&mut disk, 0, DiskOpKind::WriteFile { file: name.clone(), bytes });
    assert!(!disk.has_synced(tp(0), 1024) && disk.durable_file(0, &name).is_none());
    disk.crash_power(1, &mut |_| 0);
    let held = [0, 512].map(|segment| scan(&disk, segment).0).concat();
    assert_eq!(held, batches);
    assert_eq!((disk.has_synced(tp(0), 1024), disk.durable_end(tp(0))), (true, Some(1024)));
    assert_eq!(disk.durable_file(1, &name).map(|bytes| &bytes[..]), Some(&b"new"[..]));
}

#[test]
fn a_small_file_is_old_or_new_after_a_power_failure() {
    let name = FileName::HighWatermarks;
    for (luck, expected) in [(0, "old"), (1, "new")] {
        let mut disk = disk(config());
        disk.put_file(&name, Bytes::from_static(b"old"));
        let bytes = Bytes::from_static(b"new");
        let done = submit(&mut disk, 0, DiskOpKind::WriteFile { file: name.clone(), bytes });
        assert!(done.at_ns.abs_diff(2 * MS) <= 1, "a write and a flush: {}", done.at_ns);
        disk.crash_power(MS, &mut |_| luck);
        assert_eq!(disk.file(&name).unwrap(), expected);
    }
    let mut disk = disk(config());
    let bytes = Bytes::from_static(b"new");
    let done = submit(&mut disk, 0, DiskOpKind::WriteFile { file: name.clone(), bytes });
    disk.crash_power(done.at_ns, &mut |_| 0);
    assert_eq!(disk.file(&name).unwrap(), "new", "confirmed is durable");
}

/// Hunt seed 722344: a write that a slow volume still had to end brought back what was there before it, two
/// contents ago.
#[test]
fn what_is_durable_is_not_undone_by_an_older_write_that_ends_later() {
    let name = FileName::HighWatermarks;
    let mut disk = disk(config());
    let write = |disk: &mut Disk, now_ns, text: &'static str| {
        let bytes = Bytes::from_static(text.as_bytes());
        submit(disk, now_ns, DiskOpKind::WriteFile { file: name.clone(), bytes }).at_ns
    };
    write(&mut disk, 0, "first");
    disk.set_slow(SEC, slow(1000, 60 * SEC));
    let second_ns = write(&mut disk, SEC, "second");
    disk.set_slow(SEC, Slow::NOT);
    let third_ns = write(&mut disk, SEC, "third");
    assert!(third_ns < second_ns, "the slow one ends later");
    write(&mut disk, third_ns, "fourth"); // on its way
    disk.crash_power(third_ns, &mut |_| 0);
    assert_eq!(disk.file(&name).unwrap(), "third");
}

#[test]
fn segments_roll_and_are_cut_and_deleted() {
    let mut disk = disk(config());
    let batches = Maker::new(Shape::default()).batches(300);
    for (segment, part) in batches.chunks(100).enumerate() {
        append(&mut disk, 0, segment as i64 * 1600, part.to_vec());
    }
    assert_eq!(disk.segments(tp(0)), [0, 1600, 3200]);
    submit(&mut disk, 0, DiskOpKind::Truncate { tp: tp(0), to: 2000 });
    assert_eq!(disk.segments(tp(0)), [0, 1600]);
    assert_eq!(disk.summary(tp(0), 1600).next_offset, 2000);
    assert_eq!(scan(&disk, 1600).0, batches[100..125]);
    submit(&mut disk, 0, DiskOpKind::DeleteSegments { tp: tp(0), segments: vec![0] });
    assert_eq!(disk.segments(tp(0)), [1600]);
    submit(&mut disk, 0, DiskOpKind::Truncate { tp: tp(0), to: 500 });
    assert_eq!(disk.segments(tp(0)), [500], "the log goes on where it was cut");
    let counters = disk.take_counters(0);
    assert_eq!((counters.used_bytes, counters.cached_bytes, counters.dirty_bytes), (0, 0, 0));
    submit(&mut disk, 0, DiskOpKind::DeleteLog { tp: tp(0) });
    assert!(disk.logs().is_empty());
}

#[test]
fn timestamps_are_found_in_a_backlog() {
    let mut disk = disk(config());
    disk.preload(tp(0), &preload(256 << 20));
    let from_offset = |from, timestamp| DiskOpKind::FindTimestamp {
        tp: tp(0),
        segment: 0,
        position: 0,
        from,
        timestamp,
    };
    let kind = |timestamp| from_offset(0, timestamp);
    let done = submit(&mut disk, 0, kind(1_500_000));
    let DiskResult::Found(Some((timestamp, offset))) = done.result else { panic!("it is there") };
    assert!(timestamp.abs_diff(1_500_000) < 100, "{timestamp}");
    assert!(offset.abs_diff(16 * 16_384 / 2) < 32, "{offset}");
    assert_eq!(submit(&mut disk, 0, kind(3_000_000)).result, DiskResult::Found(None));
    let later = submit(&mut disk, 0, from_offset(offset + 5, 1_500_000)).result;
    let DiskResult::Found(Some((_, found))) = later else { panic!("it is there") };
    assert!((offset + 5..offset + 40).contains(&found), "the log begins there: {found}");
}

#[test]
fn full_and_broken_volumes_refuse() {
    let mut small = config();
    small.volumes[0].size_bytes = 10 * BATCH;
    let mut disk = disk(small);
    let batches = Maker::new(Shape::default()).batches(11);
    assert_eq!(append(&mut disk, 0, 0, batches[..10].to_vec()).result, DiskResult::Done);
    let full = DiskResult::Failed(DiskError::Full);
    assert_eq!(append(&mut disk, 0, 0, batches[10..].to_vec()).result, full);
    // what was to come after it may rest on it: a new segment, and the deletion of the old ones
    let delete = DiskOpKind::DeleteSegments { tp: tp(0), segments: vec![0] };
    assert_eq!(submit(&mut disk, 0, delete).result, full);
    assert_eq!(disk.segments(tp(0)), [0]);
    disk.crash_process(0);
    submit(&mut disk, 0, DiskOpKind::Truncate { tp: tp(0), to: 16 });
    disk.set_full(true);
    assert_eq!(append(&mut disk, 0, 0, batches[1..2].to_vec()).result, full);
    disk.set_full(false);
    disk.crash_process(0);
    disk.set_io_error(true);
    let broken = DiskResult::Failed(DiskError::Io);
    assert_eq!(append(&mut disk, 0, 0, batches[1..2].to_vec()).result, broken);
    disk.set_io_error(false);
    disk.crash_process(0);
    assert_eq!(append(&mut disk, 0, 0, batches[1..2].to_vec()).result, DiskResult::Done);
}

fn slow(rate_permille: u32, extra_latency_ns: u64) -> Slow {
    Slow { rate_permille, extra_latency_ns, until_ns: u64::MAX }
}

/// Hunt seeds 926099 and 1702330: a queue of a slow volume kept a broker away long after it was over.
#[test]
fn what_waits_for_its_place_in_a_queue_is_slow_only_while_the_volume_is() {
    let mut disk = disk(config());
    let slow = Slow { rate_permille: 1000, extra_latency_ns: SEC, until_ns: 3 * SEC };
    disk.set_slow(0, slow);
    let name = FileName::HighWatermarks;
    let write = |disk: &mut Disk| {
        let bytes = Bytes::from_static(b"x");
        submit(disk, 0, DiskOpKind::WriteFile { file: name.clone(), bytes }).at_ns
    };
    let ends: Vec<u64> = (0..20 * QUEUE_DEPTH).map(|_| write(&mut disk)).collect();
    assert!(ends[0] >= SEC, "{}", ends[0]);
    let last_ns = ends.iter().max().unwrap();
    assert!((3 * SEC..5 * SEC).contains(last_ns), "twenty times as much at once: {last_ns}");
}

/// A second's reads of a volume at a hundredth of its rate kept it busy for a quarter of a minute after that.
#[test]
fn what_is_left_of_a_slow_volumes_queue_is_served_at_the_full_rate() {
    let mut disk = disk(config());
    disk.preload(tp(0), &preload(1 << 30));
    disk.set_slow(0, Slow { until_ns: SEC, ..slow(10, 0) });
    // at 2.5 MiB/s, and at 250 MiB/s from a second on
    let ends: Vec<u64> =
        (0..16).map(|at| read(&mut disk, 0, range(0, at * 1024, 1 << 20)).0).collect();
    assert!(ends[1] < SEC, "{ends:?}");
    assert!((SEC..SEC + 100 * MS).contains(&ends[15]), "{ends:?}");
}

#[test]
fn a_slow_volume_slows_cold_reads_and_heals() {
    let mut disk = disk(config());
    disk.preload(tp(0), &preload(1 << 30));
    disk.set_slow(0, slow(100, 5 * MS));
    let (slow_ns, _) = read(&mut disk, 0, range(0, 0, 1 << 20));
    assert!(slow_ns.abs_diff(SEC / 25) < MS, "1 MiB at 25 MiB/s: {slow_ns}");
    disk.set_slow(slow_ns, Slow::NOT);
    let (at_ns, _) = read(&mut disk, slow_ns, range(0, 16 * 64, 1 << 20));
    assert!(at_ns - slow_ns < 6 * MS, "{}", at_ns - slow_ns);
    disk.stall_until(at_ns + SEC);
    let (stalled_ns, _) = read(&mut disk, at_ns, range(0, 16 * 128, 1 << 20));
    assert!(stalled_ns >= at_ns + SEC);
}

#[test]
fn recovery_is_limited_by_the_slower_of_scan_and_volume() {
    let mut config = config();
    assert_eq!(disk(config.clone()).recovery_time_ns(400_000_000), 2 * SEC);
    config.volumes[0].throughput = super::testing::flat(100_000_000);
    assert_eq!(disk(config).recovery_time_ns(400_000_000), 4 * SEC);
}
