//! The store against what was written: what is appended is read, whatever is cut, damaged or
//! opened again.

mod damaged;
mod directories;
mod files;
mod refused;

use super::layout::segment_name;
use super::read_memory;
use super::store::{Store, Submitted};
use super::swap;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, UNIX_EPOCH};
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::{Batch, Body, Record, Records};
use stormglass_broker_core::seam::{
    DiskImage as _, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange, ScanEnd,
};
use tempfile::TempDir;

const TP: TopicPartition = TopicPartition::new(TopicId(77 << 64), 0);

struct Rig {
    dir: TempDir,
    store: Store,
}

impl Rig {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut rig = Self { dir, store };
        rig.submit(DiskOpKind::CreateLog { tp: TP, topic: "orders".into() });
        rig
    }

    fn submit(&mut self, kind: DiskOpKind) -> DiskResult {
        match self.store.submit(DiskOp { id: DiskOpId(1), kind }) {
            Submitted::Now(result) => result,
            Submitted::Later => panic!("only a worker can tell"),
        }
    }

    fn append(&mut self, segment: Offset, batch: &Arc<Batch>) {
        let records = Records::single(Arc::clone(batch));
        let result = self.submit(DiskOpKind::Append { tp: TP, segment, records });
        assert_eq!(result, DiskResult::Done);
    }

    fn read(&mut self, segment: Offset, from: Offset, upto: Offset, max_bytes: u32) -> Records {
        let range = ReadRange { tp: TP, segment, position: 0, from, upto, max_bytes };
        match self.submit(DiskOpKind::Read { ranges: vec![range], max_bytes }) {
            DiskResult::Read(mut read) => read.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn file(&self, base: Offset) -> PathBuf {
        self.dir.path().join("orders-0").join(segment_name(base, "log"))
    }

    /// As after a kill: nothing is closed.
    fn reopen(&mut self) {
        self.store = Store::open(self.dir.path()).unwrap();
    }

    fn scan(&self, base: Offset) -> (Vec<Arc<Batch>>, ScanEnd) {
        let mut found = Vec::new();
        let end = self.store.scan(TP, base, &mut |_, batch| found.push(Arc::clone(batch)));
        (found, end)
    }
}

/// A batch of three records whose timestamps grow with the offset.
fn batch(base_offset: Offset, value_bytes: usize) -> Arc<Batch> {
    let value = Bytes::from(vec![b'v'; value_bytes]);
    let record = |delta| {
        let mut record = Record::new(None, Some(value.clone()));
        record.timestamp_delta = delta;
        record
    };
    let mut batch = Batch::build(1000 + base_offset * 10, &mut [record(0), record(10), record(20)]);
    batch.header.base_offset = base_offset;
    batch.header.partition_leader_epoch = 4;
    Arc::new(batch)
}

/// Consecutive batches of these sizes.
fn batches(first: Offset, sizes: &[usize]) -> Vec<Arc<Batch>> {
    let offsets = (0..).map(|n| first + 3 * n);
    offsets.zip(sizes).map(|(offset, size)| batch(offset, *size)).collect()
}

fn filled(sizes: &[usize]) -> (Rig, Vec<Arc<Batch>>) {
    let (mut rig, written) = (Rig::new(), batches(0, sizes));
    written.iter().for_each(|batch| rig.append(0, batch));
    (rig, written)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(
        prop_oneof![0..50_usize, 500..3000_usize, 20_000..30_000_usize],
        1..20,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_offset_is_found_and_limits_are_kept(sizes in sizes(), max_bytes in 0..60_000_u32) {
        let (mut rig, written) = filled(&sizes);
        let end = written.last().unwrap().next_offset();
        for from in 0..end {
            let first = usize::try_from(from / 3).unwrap();
            let read = rig.read(0, from, end, max_bytes);
            let count = read.batches().len();
            prop_assert_eq!(read.batches(), &written[first..first + count]);
            prop_assert!(count == 1 || read.size_bytes() <= max_bytes);
            let next = written.get(first + count);
            let fits = |batch: &Arc<Batch>| read.size_bytes() + batch.size_bytes() <= max_bytes;
            prop_assert!(!next.is_some_and(fits), "no more is left out than has to be");
        }
        prop_assert!(rig.read(0, end, end + 9, max_bytes).is_empty());
    }

    #[test]
    fn a_file_that_ends_anywhere_is_cut_to_whole_batches(
        sizes in sizes(),
        cut in any::<prop::sample::Index>(),
        reopened in any::<bool>(),
    ) {
        let (mut rig, written) = filled(&sizes);
        let bytes = fs::read(rig.file(0)).unwrap();
        let cut = cut.index(bytes.len() + 1);
        fs::write(rig.file(0), &bytes[..cut]).unwrap();
        rig.reopen();
        let whole = written.iter().scan(0, |at, batch| {
            *at += batch.size_bytes() as usize;
            Some(*at)
        });
        let ends: Vec<usize> = whole.take_while(|end| *end <= cut).collect();
        let torn = cut - ends.last().copied().unwrap_or(0);
        let (found, end) = rig.scan(0);
        prop_assert_eq!(&found[..], &written[..ends.len()]);
        let expected = if torn == 0 { ScanEnd::Clean } else { ScanEnd::Torn { bytes: torn as u64 } };
        prop_assert_eq!(end, expected);
        let summary = rig.store.summary(TP, 0);
        prop_assert_eq!(summary.bytes as usize, cut - torn);
        let to = found.last().map_or(0, |batch| batch.next_offset());
        prop_assert_eq!(summary.next_offset, to);

        rig.submit(DiskOpKind::Truncate { tp: TP, to });
        written[ends.len()..].iter().for_each(|batch| rig.append(0, batch));
        if reopened {
            rig.reopen();
        }
        prop_assert_eq!(&rig.scan(0).0[..], &written[..]);
        prop_assert_eq!(fs::read(rig.file(0)).unwrap(), bytes);
    }

    #[test]
    fn a_damaged_byte_ends_the_log_before_its_batch(
        sizes in sizes(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let (mut rig, written) = filled(&sizes);
        let mut bytes = fs::read(rig.file(0)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(rig.file(0), &bytes).unwrap();
        rig.reopen();
        let mut start = 0;
        let damaged = written.iter().position(|batch| {
            start += batch.size_bytes() as usize;
            at < start
        });
        let damaged = damaged.unwrap();
        let into = at + written[damaged].size_bytes() as usize - start;
        // the CRC does not cover base offset and leader epoch; the core checks their order
        let is_covered = !matches!(into, 0..8 | 12..16);
        let (found, _) = rig.scan(0);
        let expected = if is_covered { damaged } else { found.len().max(damaged) };
        prop_assert_eq!(found.len(), expected);
        prop_assert_eq!(&found[..damaged], &written[..damaged]);
    }

    #[test]
    fn what_is_cut_is_gone_and_can_be_written_again(
        sizes in sizes(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..3000_usize), 1..6),
    ) {
        let (mut rig, mut written) = filled(&sizes);
        for (cut, size) in cuts {
            let end = written.last().map_or(0, |batch| batch.next_offset());
            let to = Offset::try_from(cut.index(usize::try_from(end).unwrap() + 1)).unwrap();
            rig.submit(DiskOpKind::Truncate { tp: TP, to });
            written.retain(|batch| batch.next_offset() <= to);
            let from = written.last().map_or(0, |batch| batch.next_offset());
            for batch in batches(from, &[size, 7, size / 2]) {
                rig.append(0, &batch);
                written.push(batch);
            }
            rig.reopen();
            prop_assert_eq!(&rig.scan(0).0[..], &written[..]);
            let last = written.last().unwrap();
            let summary = rig.store.summary(TP, 0);
            prop_assert_eq!(summary.next_offset, last.next_offset());
            prop_assert_eq!(summary.max_timestamp, last.header.max_timestamp);
            for batch in &written {
                let read = rig.read(0, batch.base_offset(), batch.next_offset(), u32::MAX);
                prop_assert_eq!(read.batches(), std::slice::from_ref(batch));
            }
        }
    }
}

#[test]
fn a_log_is_the_batches_as_kafka_encodes_them() {
    let (rig, written) = filled(&[10, 5000, 0]);
    let mut expected = BytesMut::new();
    written.iter().for_each(|batch| batch.encode(&mut expected));
    assert_eq!(fs::read(rig.file(0)).unwrap(), expected);
    let metadata = fs::read_to_string(rig.dir.path().join("orders-0/partition.metadata")).unwrap();
    assert_eq!(metadata, "version: 0\ntopic_id: AAAAAAAAAE0AAAAAAAAAAA\n");
}

/// What is returned keeps what was read for it, and that is little more. Reads go on where the one before
/// ended, as a consumer's do, within the index's distance of a batch or two.
#[test]
fn a_read_takes_little_more_memory_than_it_returns_and_few_system_calls() {
    // what is skipped at the front, a part of a batch per chunk, and the shortest chunk
    const SLACK_BYTES: usize = 128 << 10;
    let (mut rig, written) = filled(&[5_400; 300]);
    let (batch_bytes, end) = (written[0].size_bytes(), written[299].next_offset());
    for limit in [1, batch_bytes, 100_000, 1 << 20, (1 << 20) + batch_bytes, 3 << 20] {
        let (mut from, mut returned) = (0, 0);
        while from < end {
            read_memory::take_lengths();
            let read = rig.read(0, from, end, limit);
            let lengths = read_memory::take_lengths();
            let bytes = read.size_bytes() as usize;
            let allowed = (limit.max(batch_bytes) as usize).min(bytes + SLACK_BYTES / 2);
            assert!(lengths.iter().sum::<usize>() <= allowed + SLACK_BYTES, "{limit}: {lengths:?}");
            assert!(lengths.len() <= 3 + bytes / (1 << 20), "{limit}: {lengths:?}");
            returned += bytes;
            from = read.last_offset().unwrap() + 1;
        }
        assert_eq!(returned, fs::read(rig.file(0)).unwrap().len());
    }
}

#[test]
fn times_are_found() {
    let (mut rig, written) = filled(&[3000; 40]);
    let find = |rig: &mut Rig, timestamp| {
        let kind =
            DiskOpKind::FindTimestamp { tp: TP, segment: 0, position: 0, from: 0, timestamp };
        match rig.submit(kind) {
            DiskResult::Found(found) => found,
            other => panic!("{other:?}"),
        }
    };
    for _ in 0..2 {
        assert_eq!(find(&mut rig, 0), Some((1000, 0)));
        for offset in 0..written.last().unwrap().next_offset() {
            assert_eq!(find(&mut rig, 1000 + offset * 10), Some((1000 + offset * 10, offset)));
            assert_eq!(find(&mut rig, 991 + offset * 10), Some((1000 + offset * 10, offset)));
        }
        assert_eq!(find(&mut rig, 1000 + 120 * 10), None);
        rig.reopen();
    }
}

#[test]
fn segments_are_kept_apart_and_deleted_whole() {
    let mut rig = Rig::new();
    for (segment, size) in [(0, 40), (3, 5000), (6, 9)] {
        rig.append(segment, &batch(segment, size));
    }
    assert_eq!(rig.store.segments(TP), [0, 3, 6]);
    rig.submit(DiskOpKind::DeleteSegments { tp: TP, segments: vec![0] });
    rig.reopen();
    assert_eq!(rig.store.segments(TP), [3, 6]);
    // a cut at or below the first segment empties the log, which goes on there
    rig.submit(DiskOpKind::Truncate { tp: TP, to: 2 });
    rig.reopen();
    assert_eq!(rig.store.segments(TP), [2]);
    assert_eq!(rig.store.summary(TP, 2).next_offset, 2);
    let (outbox, inbox) = channel();
    rig.store.start_workers(&outbox, |id, result| (id, result)).unwrap();
    rig.store.submit(DiskOp { id: DiskOpId(1), kind: DiskOpKind::DeleteLog { tp: TP } });
    assert_eq!(inbox.recv().unwrap().1, DiskResult::Done);
    let Rig { dir, store } = rig;
    store.close().unwrap();
    let left = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["__cluster_metadata-0"], "the renamed one is gone, too");
}

/// Hunt seed 710994: a full volume had no room for the new segment of a log whose old ones had all grown
/// too old. They were deleted all the same, and the log began anew below offsets that had been used.
#[test]
fn nothing_is_deleted_after_a_write_that_failed() {
    let mut rig = Rig::new();
    rig.append(0, &batch(0, 40));
    let in_the_way = rig.dir.path().join("orders-0").join(segment_name(1, "log"));
    fs::create_dir(&in_the_way).unwrap();
    let append = DiskOpKind::Append { tp: TP, segment: 1, records: Records::default() };
    let delete = DiskOpKind::DeleteSegments { tp: TP, segments: vec![0] };
    for (id, kind) in (1..).zip([append, delete]) {
        let submitted = rig.store.submit(DiskOp { id: DiskOpId(id), kind });
        assert!(matches!(submitted, Submitted::Now(DiskResult::Failed(_))), "{submitted:?}");
    }
    fs::remove_dir(in_the_way).unwrap();
    rig.reopen();
    assert_eq!(rig.store.segments(TP), [0]);
}

#[test]
fn an_index_that_lies_is_not_believed() {
    let (mut rig, written) = filled(&[3000; 40]);
    rig.append(120, &batch(120, 5)); // a new segment: the index of the first one is written
    let index = rig.dir.path().join("orders-0").join(segment_name(0, "index"));
    let mut bytes = fs::read(&index).unwrap();
    assert!(bytes.len() > 8 * 10);
    let last = bytes.len() - 1;
    bytes[last] ^= 0x55;
    fs::write(&index, bytes).unwrap();
    rig.reopen();
    for batch in &written {
        let read = rig.read(0, batch.base_offset() + 1, 120, 1);
        assert_eq!(read.batches(), std::slice::from_ref(batch));
    }
}

#[test]
fn the_marker_of_a_clean_shutdown_is_written_last() {
    let (mut rig, _) = filled(&[10]);
    let (outbox, inbox) = channel();
    rig.store.start_workers(&outbox, |id, result| (id, result)).unwrap();
    let marker = rig.dir.path().join(".kafka_cleanshutdown");
    let epochs = FileName::LeaderEpochs(TP);
    let checkpoint = Bytes::from_static(b"0\n1\n4 0\n");
    for (id, kind) in [
        (7, DiskOpKind::Sync { tp: TP, segment: 0 }),
        (8, DiskOpKind::WriteFile { file: FileName::CleanShutdown, bytes: Bytes::new() }),
        (9, DiskOpKind::WriteFile { file: epochs.clone(), bytes: checkpoint.clone() }),
    ] {
        rig.store.submit(DiskOp { id: DiskOpId(id), kind });
    }
    assert!(!marker.exists());
    rig.store.close().unwrap();
    drop(outbox);
    let mut done: Vec<u64> = inbox
        .iter()
        .map(|(id, result)| {
            assert_eq!(result, DiskResult::Done);
            id.0
        })
        .collect();
    done.sort_unstable();
    assert_eq!(done, [7, 9]);
    assert!(marker.exists());
    let store = Store::open(rig.dir.path()).unwrap();
    assert_eq!(store.file(&epochs), Some(checkpoint));
    assert_eq!(store.file(&FileName::CleanShutdown), Some(Bytes::new()));
}

/// Directories that were set aside and hold a log.
fn aside(rig: &Rig) -> usize {
    let names = fs::read_dir(rig.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        path.to_str().unwrap().ends_with("-stray") && path.join(segment_name(0, "log")).exists()
    };
    names.filter(is_aside).count()
}

#[test]
fn a_log_that_belongs_to_no_topic_is_set_aside_with_all_its_bytes() {
    let long = "l".repeat(249);
    let mut rig = Rig::new();
    let two = [0, 10_000].map(|index| TopicPartition::new(TopicId(78 << 64), index));
    for tp in two {
        rig.submit(DiskOpKind::CreateLog { tp, topic: long.as_str().into() });
        let records = Records::single(batch(0, 10));
        rig.submit(DiskOpKind::Append { tp, segment: 0, records });
    }
    rig.append(0, &batch(0, 10));
    for tp in two.into_iter().chain([TP]) {
        assert_eq!(rig.submit(DiskOpKind::SetLogAside { tp }), DiskResult::Done);
    }
    rig.reopen();
    assert!(rig.store.logs().is_empty());
    assert_eq!(aside(&rig), 3);
}

#[test]
fn a_metadata_log_that_does_not_say_what_it_is_stops_the_start() {
    let (rig, _) = filled(&[10]);
    let (dir, metadata) = (rig.dir.path(), rig.dir.path().join("__cluster_metadata-0"));
    let store = Store::open(dir).unwrap();
    drop(store);
    fs::copy(rig.file(0), metadata.join(segment_name(0, "log"))).unwrap();
    for damage in [None, Some("\0\0\0")] {
        if let Some(text) = damage {
            fs::write(metadata.join("partition.metadata"), text).unwrap();
        }
        let error = Store::open(dir).unwrap_err().to_string();
        assert!(error.contains("__cluster_metadata-0"), "{error}");
    }
    assert!(metadata.join(segment_name(0, "log")).exists());
}

#[test]
fn a_log_whose_name_was_never_fsynced_begins_anew_after_a_power_failure() {
    let (mut rig, _) = filled(&[10, 20]);
    // the file is there, but its content did not get to the disk; nor did what else was written
    fs::write(rig.dir.path().join("orders-0/partition.metadata"), "").unwrap();
    rig.reopen();
    assert!(rig.store.logs().is_empty());
    rig.submit(DiskOpKind::CreateLog { tp: TP, topic: "orders".into() });
    assert!(rig.store.segments(TP).is_empty(), "what was left of it is not in it");
    assert_eq!(aside(&rig), 1);
    rig.append(0, &batch(0, 5));
    rig.reopen();
    assert_eq!((rig.store.logs(), rig.store.segments(TP)), (vec![TP], vec![0]));
}

/// Three segments of which the first two are cleaned into one; what readers find then.
fn cleaned() -> (Rig, [Arc<Batch>; 2], Bytes) {
    let mut rig = Rig::new();
    for segment in [0, 6, 12] {
        rig.append(segment, &batch(segment, 400));
        rig.append(segment, &batch(segment + 3, 400));
    }
    let kept = [batch(3, 9), batch(9, 400)];
    for batch in &kept {
        let records = Records::single(Arc::clone(batch));
        let append = DiskOpKind::AppendCleaned { tp: TP, segment: 0, records };
        assert_eq!(rig.submit(append), DiskResult::Done);
    }
    let aborted = Bytes::from(vec![7; 34]);
    let (outbox, inbox) = channel();
    rig.store.start_workers(&outbox, |id, result| (id, result)).unwrap();
    let sync = DiskOpKind::SyncCleaned { tp: TP, segment: 0, aborted: aborted.clone() };
    rig.store.submit(DiskOp { id: DiskOpId(1), kind: sync });
    assert_eq!(inbox.recv().unwrap().1, DiskResult::Done);
    (rig, kept, aborted)
}

#[test]
fn a_cleaned_segment_takes_the_place_of_those_it_was_made_from() {
    let (mut rig, kept, aborted) = cleaned();
    let day = UNIX_EPOCH + Duration::from_secs(86_400);
    let last = fs::OpenOptions::new().append(true).open(rig.file(6)).unwrap();
    last.set_modified(day).unwrap();
    let kind = DiskOpKind::ReplaceSegments { tp: TP, segment: 0, replaced: vec![0, 6] };
    rig.store.submit(DiskOp { id: DiskOpId(2), kind });
    for _ in 0..2 {
        assert_eq!(rig.store.segments(TP), [0, 12]);
        assert_eq!(rig.read(0, 0, 99, 1 << 20).batches(), kept);
        let summary = rig.store.summary(TP, 0);
        assert_eq!(summary.next_offset, kept[1].next_offset());
        assert_eq!(summary.first_timestamp, kept[0].header.max_timestamp);
        assert_eq!(summary.modified_ms, 86_400_000, "cleaning makes nothing younger");
        let index = FileName::TransactionIndex(TP, 0);
        assert_eq!(rig.store.file(&index), Some(aborted.clone()));
        rig.reopen();
    }
}

#[test]
fn a_crash_at_any_step_of_the_swap_leaves_the_old_segments_or_the_new_one() {
    let steps = swap::acts(&PathBuf::new(), 0, &[0, 6]).len();
    let mut counts_from = None;
    for done in 0..=steps {
        let (mut rig, kept, aborted) = cleaned();
        let dir = rig.dir.path().join("orders-0");
        for act in &swap::acts(&dir, 0, &[0, 6])[..done] {
            act.carry_out().unwrap();
        }
        rig.reopen();
        let is_new = rig.store.segments(TP) == [0, 12];
        let index = rig.store.file(&FileName::TransactionIndex(TP, 0));
        if is_new {
            counts_from.get_or_insert(done);
            assert_eq!(rig.read(0, 0, 99, 1 << 20).batches(), kept, "step {done}");
            assert_eq!(index, Some(aborted), "step {done}");
        } else {
            assert_eq!(counts_from, None, "it never goes back");
            assert_eq!(rig.store.segments(TP), [0, 6, 12], "step {done}");
            assert_eq!((rig.scan(0).0.len(), rig.scan(6).0.len()), (2, 2), "step {done}");
            assert_eq!(index, None, "step {done}");
        }
        let names = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut odd = names.filter_map(|name| name.into_string().ok());
        let odd = odd.find(|name| name.ends_with(".cleaned") || name.ends_with(".swap"));
        assert_eq!(odd, None, "step {done}");
    }
    assert_eq!(counts_from, Some(4), "when the log ends in .swap");
}

#[test]
fn a_batch_that_has_lost_its_records_is_not_found_by_time() {
    let mut rig = Rig::new();
    let mut empty = Batch::clone(&batch(0, 5));
    (empty.header.record_count, empty.body) = (0, Body::Owned(Bytes::new()));
    rig.append(0, &Arc::new(empty));
    rig.append(0, &batch(3, 5));
    let find =
        DiskOpKind::FindTimestamp { tp: TP, segment: 0, position: 0, from: 0, timestamp: 1000 };
    assert_eq!(rig.submit(find), DiskResult::Found(Some((1030, 3))));
}
