//! Fsyncs that fail, and bytes that rot.

use super::device::Disk;
use super::testing::{MS, Maker, SEC, Shape, config, tp};
use crate::rng::Streams;
use bytes::Bytes;
use stormglass_broker_core::ids::{DiskOpId, Offset};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{
    DiskError, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange,
};

fn submit(disk: &mut Disk, now_ns: u64, kind: DiskOpKind) -> DiskResult {
    disk.submit(now_ns, DiskOp { id: DiskOpId(1), kind }).result
}

/// A log of so many batches of 16 records in its first segment.
fn disk(batches: usize) -> (Disk, Maker) {
    let (mut disk, mut maker) =
        (Disk::new(config(), &Streams::new(5), 1), Maker::new(Shape::default()));
    append(&mut disk, 0, &mut maker, batches);
    (disk, maker)
}

fn append(disk: &mut Disk, now_ns: u64, maker: &mut Maker, batches: usize) {
    let records = Records::new(maker.batches(batches));
    submit(disk, now_ns, DiskOpKind::Append { tp: tp(0), segment: 0, records });
}

fn sync() -> DiskOpKind {
    DiskOpKind::Sync { tp: tp(0), segment: 0 }
}

/// Base offsets of what a read from an offset on yields.
fn read(disk: &mut Disk, now_ns: u64, from: Offset) -> Result<Vec<Offset>, DiskError> {
    let (upto, max_bytes) = (Offset::MAX, u32::MAX);
    let range = ReadRange { tp: tp(0), segment: 0, position: 0, from, upto, max_bytes };
    match submit(disk, now_ns, DiskOpKind::Read { ranges: vec![range], max_bytes }) {
        DiskResult::Read(read) => {
            Ok(read[0].batches().iter().map(|batch| batch.base_offset()).collect())
        }
        DiskResult::Failed(error) => Err(error),
        other => panic!("a read yields records, not {other:?}"),
    }
}

#[test]
fn a_failed_fsync_fails_what_needs_it_and_may_cost_what_was_not_synced() {
    let (mut disk, mut maker) = disk(4);
    assert_eq!(submit(&mut disk, 0, sync()), DiskResult::Done);
    disk.on_wakeup(SEC);
    append(&mut disk, SEC, &mut maker, 4);
    disk.set_sync_error(true);
    assert_eq!(read(&mut disk, SEC, 0).unwrap().len(), 8, "reads and writes go on");
    assert!(!disk.drop_unsynced(SEC, &mut |_| 0), "nothing has failed yet");
    let failed = DiskResult::Failed(DiskError::Io);
    assert_eq!(submit(&mut disk, SEC, sync()), failed);
    let file = FileName::RecoveryPoints;
    let bytes = Bytes::from_static(b"new");
    assert_eq!(submit(&mut disk, SEC, DiskOpKind::WriteFile { file, bytes }), failed);
    disk.crash_process(SEC);
    assert!(disk.drop_unsynced(SEC, &mut |_| 0));
    assert_eq!(read(&mut disk, SEC, 0).unwrap(), [0, 16, 32, 48], "what had been synced is there");
    assert!(!disk.drop_unsynced(SEC, &mut |_| 0), "once");
    disk.set_sync_error(false);
    maker.continue_at(64);
    append(&mut disk, SEC, &mut maker, 1);
    assert_eq!(submit(&mut disk, SEC, sync()), DiskResult::Done);
}

#[test]
fn luck_may_leave_all_that_was_written() {
    let (mut disk, _) = disk(4);
    disk.set_sync_error(true);
    submit(&mut disk, 0, sync());
    assert!(disk.drop_unsynced(0, &mut |below| below - 1));
    assert_eq!(read(&mut disk, 0, 0).unwrap().len(), 4);
}

#[test]
fn what_a_failed_fsync_has_left_is_not_written_back_again() {
    let (mut disk, mut maker) = disk(70); // a chunk of the cache, and the beginning of the next
    disk.set_sync_error(true);
    submit(&mut disk, 0, sync());
    disk.crash_process(0);
    assert!(disk.drop_unsynced(0, &mut |below| below - 1));
    disk.set_sync_error(false);
    assert_eq!(disk.take_counters(0).dirty_bytes, 0, "the kernel takes it for clean");
    let now_ns = 30 * SEC - MS / 2;
    append(&mut disk, now_ns, &mut maker, 1);
    let synced = disk.submit(now_ns, DiskOp { id: DiskOpId(2), kind: sync() });
    assert!((30 * SEC..31 * SEC).contains(&synced.at_ns), "{synced:?}");
    // were the first chunk dirty, it would be written now, and be on its way when the sync is over
    disk.stall_until(31 * SEC);
    disk.on_wakeup(30 * SEC);
    disk.catch_up(synced.at_ns);
    assert!(disk.has_synced(tp(0), Offset::MAX), "what was synced stays");
}

#[test]
fn rotten_batches_are_never_read_and_those_before_them_are() {
    let (mut disk, mut maker) = disk(200);
    submit(&mut disk, 0, sync());
    disk.on_wakeup(SEC);
    append(&mut disk, SEC, &mut maker, 10);
    disk.set_rot(SEC, Some((100, 7)));
    let (mut found, mut damaged, mut from) = (Vec::new(), Vec::new(), 0);
    while from < 210 * 16 {
        match read(&mut disk, SEC, from) {
            Ok(read) => {
                from = read.last().unwrap() + 16;
                found.extend(read);
            }
            Err(error) => {
                assert_eq!(error, DiskError::Corrupt);
                damaged.push(from);
                from += 16;
            }
        }
    }
    assert!((5..45).contains(&damaged.len()), "a tenth of them: {}", damaged.len());
    assert!(damaged.iter().all(|base| *base < 200 * 16), "the cache keeps what is new");
    assert_eq!(found.len() + damaged.len(), 210);
    assert_eq!(read(&mut disk, 2 * SEC, damaged[0]), Err(DiskError::Corrupt), "it stays so");
    let to = damaged[0];
    submit(&mut disk, 2 * SEC, DiskOpKind::Truncate { tp: tp(0), to });
    maker.continue_at(to);
    append(&mut disk, 2 * SEC, &mut maker, 1);
    assert_eq!(read(&mut disk, 2 * SEC, to).unwrap(), [to], "written anew");
    disk.set_rot(3 * SEC, None);
    assert_eq!(read(&mut disk, 3 * SEC, 0).unwrap().len(), usize::try_from(to / 16).unwrap() + 1);
}

#[test]
fn a_log_that_rots_does_not_hold_up_another() {
    let (mut disk, mut maker) = disk(4);
    submit(&mut disk, 0, sync());
    disk.set_rot(SEC, Some((1000, 7)));
    let records = Records::new(maker.batches(2));
    let kind = DiskOpKind::Append { tp: tp(1), segment: 0, records: records.clone() };
    submit(&mut disk, SEC, kind);
    let ranges = [tp(0), tp(1)].map(|tp| {
        let (upto, max_bytes) = (Offset::MAX, u32::MAX);
        ReadRange { tp, segment: 0, position: 0, from: 0, upto, max_bytes }
    });
    let kind = DiskOpKind::Read { ranges: ranges.into(), max_bytes: u32::MAX };
    let DiskResult::Read(read) = submit(&mut disk, SEC, kind) else { panic!("there is one") };
    let counts: Vec<_> = read.iter().map(|records| records.batches().len()).collect();
    assert_eq!(counts, [0, 2]);
}
