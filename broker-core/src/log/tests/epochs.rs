//! Leader epochs: Kafka's answers, and the bugs of the catalogue.

use crate::log::epochs::EpochCache;
use crate::log::testing::{TP, batch, client, numbered, records};
use crate::log::{EpochEntry, Log, LogConfig};
use crate::protocol::EpochEndOffset;
use crate::seam::{DiskOpKind, FileName};

fn cache(entries: &[(i32, i64)]) -> EpochCache {
    let mut cache = EpochCache::default();
    for (epoch, start) in entries {
        assert!(cache.assign(*epoch, *start));
    }
    cache
}

fn entries(cache: &EpochCache) -> Vec<(i32, i64)> {
    cache.entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect()
}

fn end(epoch: i32, end_offset: i64) -> EpochEndOffset {
    EpochEndOffset { epoch, end_offset }
}

#[test]
fn ends_of_epochs() {
    let cache = cache(&[(2, 10), (4, 20), (7, 35)]);
    assert_eq!(cache.end_offset_for(7, 50), end(7, 50), "the newest ends with the log");
    assert_eq!(cache.end_offset_for(4, 50), end(4, 35));
    assert_eq!(cache.end_offset_for(6, 50), end(4, 35), "the largest one not above");
    assert_eq!(cache.end_offset_for(1, 50), end(1, 10), "older than all: where the first starts");
    assert_eq!(cache.end_offset_for(8, 50), end(-1, -1), "not known yet");
    assert_eq!(cache.end_offset_for(-1, 50), end(-1, -1));
    assert_eq!(EpochCache::default().end_offset_for(0, 0), end(-1, -1));
}

#[test]
fn assigning_keeps_both_columns_increasing() {
    let mut cache = cache(&[(2, 10), (4, 20), (7, 35)]);
    assert!(!cache.assign(7, 40), "known already");
    assert!(cache.assign(8, 35), "an epoch without records is replaced");
    assert_eq!(entries(&cache), [(2, 10), (4, 20), (8, 35)]);
    assert!(cache.assign(9, 15));
    assert_eq!(entries(&cache), [(2, 10), (9, 15)]);
    assert!(!cache.assign(-1, 100));
}

#[test]
fn truncation_at_both_ends() {
    let mut cache = cache(&[(2, 10), (4, 20), (7, 35)]);
    assert!(!cache.truncate_from_end(36));
    assert!(cache.truncate_from_end(35));
    assert!(cache.truncate_from_start(25));
    assert_eq!(entries(&cache), [(4, 25)]);
    assert!(!cache.truncate_from_start(25));
    assert!(!cache.truncate_from_start(3));
}

#[test]
fn the_checkpoint_is_kafkas_text() {
    let cache = cache(&[(0, 0), (3, 1200)]);
    assert_eq!(cache.to_checkpoint(), "0\n2\n0 0\n3 1200\n");
    assert_eq!(EpochCache::from_checkpoint(&cache.to_checkpoint()), Some(cache));
    for damaged in ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\n0 x\n", "0\n2\n3 5\n2 9\n", "0\n1\n0 -4\n"]
    {
        assert_eq!(EpochCache::from_checkpoint(damaged.as_bytes()), None, "{damaged:?}");
    }
}

#[test]
fn rep_08_a_new_leader_records_its_epoch_before_it_writes() {
    let (mut log, mut ops) = (Log::create(TP, LogConfig::kafka_defaults(), 0), Vec::new());
    log.append_as_leader(&records(batch(3, 10, 0)), client(1), &mut ops).unwrap();
    log.append_done(1);
    log.assign_epoch_start(2, log.next_offset(), &mut ops);
    log.assign_epoch_start(3, log.next_offset(), &mut ops);
    assert_eq!(log.last_epoch(), 3);
    assert_eq!(log.end_offset_for_epoch(3), end(3, 3));
    assert_eq!(log.end_offset_for_epoch(2), end(1, 3), "epoch 2 has written nothing");
    let Some(DiskOpKind::WriteFile { file, bytes }) = ops.last() else { panic!("checkpointed") };
    assert_eq!((file, &bytes[..]), (&FileName::LeaderEpochs(TP), &b"0\n2\n1 0\n3 3\n"[..]));
}

#[test]
fn rep_09_truncating_at_the_log_end_drops_epochs_that_start_there() {
    for offset in [3, 9] {
        let (mut log, mut ops) = (Log::create(TP, LogConfig::kafka_defaults(), 0), Vec::new());
        log.append_as_follower(numbered(batch(3, 10, 0), 0, 1), 0, &mut ops).unwrap();
        log.append_done(1);
        log.assign_epoch_start(2, 3, &mut ops);
        assert!(!log.truncate_to(offset, &mut ops), "no record goes");
        assert_eq!(log.epoch_entries(), [EpochEntry { epoch: 1, start_offset: 0 }]);
    }
}
