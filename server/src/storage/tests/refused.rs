//! What a starting process must not take for lost: it says so and stops.

use super::{Rig, TP, aside, batch, filled, segment_name};
use crate::storage::Store;
use std::fs;
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_broker_core::seam::{DiskImage as _, DiskOpKind, DiskResult, FileName};

#[test]
fn two_directories_of_one_partition_stop_the_start() {
    let (rig, _) = filled(&[10]);
    let (log, copy) = (rig.dir.path().join("orders-0"), rig.dir.path().join("orders-00"));
    fs::create_dir(&copy).unwrap();
    for file in ["partition.metadata".to_owned(), segment_name(0, "log")] {
        fs::copy(log.join(&file), copy.join(&file)).unwrap();
    }
    let error = Store::open(rig.dir.path()).unwrap_err().to_string();
    assert!(error.contains("orders-0 ") && error.contains("orders-00"), "{error}");
    fs::remove_dir_all(&copy).unwrap();
    assert_eq!(Store::open(rig.dir.path()).unwrap().logs(), [TP]);
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_is_no_missing_file() {
    let rig = Rig::new();
    for file in [FileName::QuorumState, FileName::LogStartOffsets, FileName::LeaderEpochs(TP)] {
        let store = Store::open(rig.dir.path()).unwrap();
        assert_eq!(store.file(&file), None);
        store.check_readable().unwrap();
        // a directory cannot be read, whoever tries
        let path = store.path(&file).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(store.file(&file), None);
        let error = store.check_readable().unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        fs::remove_dir(&path).unwrap();
    }
}

#[test]
fn an_index_that_is_no_file_stops_the_start() {
    let mut rig = Rig::new();
    rig.append(0, &batch(0, 10));
    let index = rig.dir.path().join("orders-0").join(segment_name(0, "timeindex"));
    fs::create_dir(&index).unwrap();
    let error = Store::open(rig.dir.path()).unwrap_err().to_string();
    assert!(error.contains(index.to_str().unwrap()), "{error}");
}

#[test]
fn an_index_that_cannot_be_opened_stops_the_start() {
    let mut rig = Rig::new();
    rig.append(0, &batch(0, 10));
    let index = rig.dir.path().join("orders-0").join(segment_name(0, "timeindex"));
    std::os::unix::fs::symlink(&index, &index).unwrap();
    let error = Store::open(rig.dir.path()).unwrap_err().to_string();
    assert!(error.contains(index.to_str().unwrap()), "{error}");
}

#[test]
fn a_segment_within_another_one_stops_the_start() {
    let (rig, written) = filled(&[10, 10, 10]);
    let dir = rig.dir.path().join("orders-0");
    let end = written.last().unwrap().next_offset();
    fs::write(dir.join(segment_name(end - 1, "log")), [0xff; 100]).unwrap();
    let store = Store::open(rig.dir.path()).unwrap();
    store.summary(TP, 0);
    let error = store.check_readable().unwrap_err().to_string();
    assert!(error.contains(&segment_name(end - 1, "log")), "{error}");
    // one that begins where the other ends is a log's next segment
    fs::remove_file(dir.join(segment_name(end - 1, "log"))).unwrap();
    fs::write(dir.join(segment_name(end, "log")), []).unwrap();
    let store = Store::open(rig.dir.path()).unwrap();
    assert_eq!(store.summary(TP, 0).next_offset, end);
    store.check_readable().unwrap();
}

#[test]
fn a_segment_that_no_log_gets_to_stops_the_start() {
    let mut rig = Rig::new();
    rig.append(0, &batch(0, 10));
    for base in [1 << 62, i64::MAX] {
        let far = rig.dir.path().join("orders-0").join(segment_name(base, "log"));
        fs::write(&far, b"noise").unwrap();
        let error = Store::open(rig.dir.path()).unwrap_err().to_string();
        assert!(error.contains(far.to_str().unwrap()), "{error}");
        fs::remove_file(&far).unwrap();
    }
}

/// Nothing but its place in the segment says what a batch's base offset was.
#[test]
fn a_batch_that_no_log_gets_to_is_damaged() {
    let mut rig = Rig::new();
    let first = batch(0, 10);
    rig.append(0, &first);
    rig.append(0, &batch(first.next_offset(), 10));
    let log = rig.dir.path().join("orders-0").join(segment_name(0, "log"));
    let mut bytes = fs::read(&log).unwrap();
    let second = bytes.len() / 2;
    bytes[second] = 0x7f; // the highest byte of the base offset
    fs::write(&log, bytes).unwrap();
    let store = Store::open(rig.dir.path()).unwrap();
    assert_eq!(store.summary(TP, 0).next_offset, first.next_offset());
}

#[test]
fn no_segment_is_given_up_for_what_the_cleaner_has_not_written() {
    for content in [&b""[..], &[0xff; 200]] {
        let (rig, _) = filled(&[10, 10]);
        let before = fs::read(rig.file(0)).unwrap();
        let swap = rig.dir.path().join("orders-0").join(segment_name(0, "log.swap"));
        fs::write(&swap, content).unwrap();
        let error = Store::open(rig.dir.path()).unwrap_err().to_string();
        assert!(error.contains(".log.swap"), "{error}");
        assert_eq!(fs::read(rig.file(0)).unwrap(), before);
    }
}

#[test]
fn the_metadata_log_is_nobody_elses() {
    let (rig, _) = filled(&[10]);
    let metadata = rig.dir.path().join("__cluster_metadata-0");
    for file in ["partition.metadata".to_owned(), segment_name(0, "log")] {
        fs::copy(rig.dir.path().join("orders-0").join(&file), metadata.join(&file)).unwrap();
    }
    fs::remove_dir_all(rig.dir.path().join("orders-0")).unwrap();
    let error = Store::open(rig.dir.path()).unwrap_err().to_string();
    assert!(error.contains("__cluster_metadata-0"), "{error}");
    assert!(metadata.join(segment_name(0, "log")).exists());
}

#[test]
fn a_new_log_deletes_no_records_of_another() {
    let (mut rig, _) = filled(&[10]);
    let again = TopicPartition::new(TopicId(99 << 64), 0);
    let create = DiskOpKind::CreateLog { tp: again, topic: "orders".into() };
    assert_eq!(rig.submit(create), DiskResult::Done);
    assert_eq!(rig.store.logs(), [again]);
    assert_eq!(aside(&rig), 1);
}
