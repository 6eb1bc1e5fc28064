//! What a starting process must not take for lost: it says so and stops.

use super::{Rig, TP, batch, filled, segment_name};
use crate::storage::Store;
use std::fs;
use stormglass_broker_core::seam::{DiskImage as _, FileName};

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
