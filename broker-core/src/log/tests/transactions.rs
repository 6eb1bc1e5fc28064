//! Transactions in a log: what readers of committed records must not see, in every way in which a
//! log can lose its end or be loaded.

use crate::ids::Offset;
use crate::log::testing::{
    MemoryDisk, TP, batch, client, epochs_written, numbered, records, sequenced,
};
use crate::log::{AppendContext, AppendError, Log, LogConfig, Origin, Recover};
use crate::protocol::AbortedTransaction;
use crate::records::{Batch, EndTxnMarker};
use crate::seam::FileName;

/// Three batches of 100 bytes, or about as many markers, to a segment.
fn config() -> LogConfig {
    LogConfig { segment_bytes: 300, ..LogConfig::kafka_defaults() }
}

struct Rig {
    config: LogConfig,
    log: Log,
    disk: MemoryDisk,
}

impl Rig {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: LogConfig) -> Self {
        Self { config, log: Log::create(TP, config, 0), disk: MemoryDisk::default() }
    }

    fn append(&mut self, batch: Batch, origin: Origin) -> Result<Offset, AppendError> {
        let mut ops = Vec::new();
        let context = AppendContext { origin, ..client(1) };
        let appended = self.log.append_as_leader(&records(batch), context, &mut ops)?;
        self.disk.apply(&ops);
        epochs_written(&mut self.log, &ops);
        self.log.append_done(appended.number);
        Ok(appended.first_offset)
    }

    /// One record in a producer's transaction.
    fn write(&mut self, producer: i64, sequence: i32) -> Offset {
        self.append(within(producer, 0, sequence), Origin::Client).unwrap()
    }

    /// What lies before these batches is cut deep.
    fn write_more_than_is_remembered(&mut self) {
        for _ in 0..2_100 {
            self.append(batch(1, 10, 0), Origin::Client).unwrap();
        }
    }

    fn end(&mut self, producer: i64, commit: bool) -> Offset {
        self.append(marker(producer, 0, commit, 1), Origin::Coordinator).unwrap()
    }

    fn stable(&self) -> Offset {
        self.log.last_stable_offset(self.log.log_end_offset())
    }

    fn aborted(&self) -> Vec<AbortedTransaction> {
        self.log.aborted_transactions(0, self.log.log_end_offset())
    }

    fn load(&mut self, boot: Recover) {
        let mut ops = Vec::new();
        (self.log, _) = Log::recover(TP, self.config, &self.disk, boot, &mut ops);
        self.disk.apply(&ops);
        epochs_written(&mut self.log, &ops);
    }

    /// Flushes the first segment. Returns the recovery point.
    fn flushed(&mut self) -> Offset {
        let mut ops = Vec::new();
        self.log.flush(&mut ops);
        self.disk.apply(&ops);
        self.log.sync_done(0);
        self.log.recovery_point()
    }

    fn roll(&mut self) {
        let mut ops = Vec::new();
        self.log.roll(&mut ops);
        self.disk.apply(&ops);
    }

    fn has_index(&self, base: Offset) -> bool {
        self.disk.files.contains_key(&FileName::TransactionIndex(TP, base))
    }
}

fn within(producer: i64, epoch: i16, sequence: i32) -> Batch {
    let mut batch = sequenced(producer, epoch, sequence, 1);
    batch.header = batch.header.as_transactional();
    batch
}

fn marker(producer: i64, epoch: i16, commit: bool, coordinator_epoch: i32) -> Batch {
    EndTxnMarker { commit, coordinator_epoch }.to_batch(producer, epoch, 0)
}

fn of(producer_id: i64, first_offset: Offset) -> AbortedTransaction {
    AbortedTransaction { producer_id, first_offset }
}

#[test]
fn stable_is_what_lies_before_the_first_open_transaction() {
    let mut rig = Rig::new();
    rig.append(batch(1, 10, 0), Origin::Client).unwrap();
    assert_eq!(rig.stable(), 1);
    rig.write(7, 0); // 1
    rig.write(8, 0); // 2
    rig.write(7, 1); // 3
    assert_eq!(rig.stable(), 1);
    assert!(rig.log.has_open_transaction(7, 0) && !rig.log.has_open_transaction(7, 1));
    assert_eq!(rig.end(7, true), 4);
    assert_eq!(rig.stable(), 2, "8 is open still");
    assert_eq!(rig.log.last_stable_offset(3), 1, "the marker is not committed yet");
    rig.end(8, false);
    assert_eq!(rig.stable(), 6);
    assert_eq!(rig.aborted(), [of(8, 2)]);
    assert!(!rig.log.has_open_transaction(7, 0));
}

#[test]
fn a_reader_hears_of_the_transactions_that_it_reads_into() {
    let mut rig = Rig::new();
    for producer in [7, 8, 9] {
        rig.write(producer, 0); // 0, 2, 4
        rig.end(producer, false); // 1, 3, 5
    }
    assert_eq!(rig.aborted(), [of(7, 0), of(8, 2), of(9, 4)]);
    assert_eq!(rig.log.aborted_transactions(2, 4), [of(8, 2)]);
    assert_eq!(rig.log.aborted_transactions(1, 3), [of(7, 0), of(8, 2)]);
    assert_eq!(rig.log.aborted_transactions(6, 9), []);
}

#[test]
fn a_transaction_around_others_is_found_from_inside_of_them() {
    let mut rig = Rig::new();
    rig.write(7, 0); // 0
    rig.write(8, 0); // 1
    rig.end(8, false); // 2
    rig.write(8, 1); // 3
    rig.end(8, true); // 4
    rig.end(7, false); // 5
    assert_eq!(rig.log.aborted_transactions(1, 2), [of(8, 1), of(7, 0)]);
    assert_eq!(rig.log.aborted_transactions(3, 4), [of(7, 0)]);
}

#[test]
fn a_marker_without_records_ends_nothing_but_fences() {
    let mut rig = Rig::new();
    rig.append(marker(7, 3, false, 1), Origin::Coordinator).unwrap();
    assert_eq!(rig.aborted(), []);
    let late = rig.append(within(7, 2, 0), Origin::Client).unwrap_err();
    assert!(matches!(late, AppendError::InvalidProducerEpoch { current: 3, found: 2, .. }));
}

#[test]
fn a_coordinator_that_has_a_successor_writes_no_marker() {
    let mut rig = Rig::new();
    rig.write(7, 0);
    rig.append(marker(7, 0, true, 5), Origin::Coordinator).unwrap();
    rig.write(7, 1);
    let old = rig.append(marker(7, 0, false, 4), Origin::Coordinator).unwrap_err();
    assert_eq!(old, AppendError::CoordinatorFenced { producer_id: 7 });
    assert!(rig.log.has_open_transaction(7, 0));
    rig.append(marker(7, 0, false, 5), Origin::Coordinator).unwrap();
}

#[test]
fn a_producer_does_not_write_around_its_transaction() {
    let mut rig = Rig::new();
    rig.write(7, 0);
    for (epoch, sequence) in [(0, 1), (1, 0)] {
        let around = rig.append(sequenced(7, epoch, sequence, 1), Origin::Client).unwrap_err();
        assert_eq!(around, AppendError::InvalidTxnState { producer_id: 7 }, "in epoch {epoch}");
    }
    rig.end(7, true);
    rig.append(sequenced(7, 0, 1, 1), Origin::Client).unwrap();
}

#[test]
fn what_a_truncation_cuts_is_open_again() {
    let mut rig = Rig::new();
    rig.write(7, 0); // 0
    rig.end(7, false); // 1
    rig.write(7, 1); // 2
    let mut ops = Vec::new();
    assert!(rig.log.truncate_to(1, &mut ops));
    rig.disk.apply(&ops);
    assert_eq!((rig.stable(), rig.aborted()), (0, vec![]));
    assert!(rig.log.has_open_transaction(7, 0));
    rig.end(7, true);
    assert_eq!((rig.stable(), rig.aborted()), (2, vec![]));
}

#[test]
fn a_clean_end_keeps_the_index() {
    let mut rig = Rig::new();
    for sequence in 0..6 {
        rig.write(7, sequence);
        rig.end(7, sequence % 2 == 0);
    }
    rig.write(8, 0);
    let aborted = rig.aborted();
    assert_eq!(aborted.len(), 3);
    let mut ops = Vec::new();
    rig.log.close(&mut ops);
    rig.disk.apply(&ops);
    rig.load(Recover { clean: true, ..Recover::default() });
    assert_eq!((rig.aborted(), rig.stable()), (aborted.clone(), 12));
    assert!(rig.log.has_open_transaction(8, 0));
    let producers = rig.log.active_producers();
    let coordinators = producers.iter().map(|producer| producer.coordinator_epoch);
    assert_eq!(coordinators.collect::<Vec<_>>(), [1, -1]);
    rig.end(8, false);
    assert_eq!(rig.aborted().len(), 4, "it is known where the open one began");
}

#[test]
fn a_crash_loses_nothing_of_the_index() {
    let mut rig = Rig::new();
    for sequence in 0..6 {
        rig.write(7, sequence);
        rig.end(7, false);
    }
    let aborted = rig.aborted();
    for recovery_point in 0..rig.log.log_end_offset() {
        rig.load(Recover { recovery_point, ..Recover::default() });
        assert_eq!(rig.aborted(), aborted, "flushed to {recovery_point}");
    }
}

#[test]
fn retention_takes_the_index_with_its_segment() {
    let mut rig = Rig::new();
    for sequence in 0..6 {
        rig.write(7, sequence);
        rig.end(7, false);
    }
    let last = rig.log.active_segment();
    assert!(rig.has_index(0), "of a segment that is rolled");
    let mut ops = Vec::new();
    assert!(rig.log.advance_log_start(last, &mut ops));
    rig.disk.apply(&ops);
    assert!(!rig.has_index(0));
    assert!(rig.aborted().iter().all(|aborted| aborted.first_offset >= last - 1));
}

#[test]
fn an_index_that_is_no_longer_true_goes_when_its_segment_is_rolled_again() {
    let mut rig = Rig::new();
    rig.write(7, 0);
    rig.end(7, false);
    let mut ops = Vec::new();
    rig.log.roll(&mut ops);
    assert!(rig.log.truncate_to(1, &mut ops));
    rig.log.roll(&mut ops);
    rig.disk.apply(&ops);
    assert!(!rig.has_index(0));
    rig.load(Recover { clean: true, ..Recover::default() });
    assert_eq!(rig.aborted(), []);
}

#[test]
fn a_follower_knows_what_its_leader_does() {
    let mut rig = Rig::new();
    let batches = [within(7, 0, 0), marker(7, 0, false, 1), within(8, 0, 0)];
    for (offset, batch) in (0..).zip(batches) {
        let records = numbered(batch, offset, 1);
        let appended = rig.log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
        rig.log.append_done(appended.number);
    }
    assert_eq!((rig.stable(), rig.aborted()), (2, vec![of(7, 0)]));
    let producers = rig.log.active_producers();
    assert_eq!((producers[0].coordinator_epoch, producers[0].open_transaction), (1, -1));
    assert_eq!((producers[1].coordinator_epoch, producers[1].open_transaction), (-1, 2));
}

/// More batches than are remembered one by one lie behind the marker.
#[test]
fn a_transaction_whose_marker_is_cut_deep_is_open_and_ends_again() {
    let mut rig = Rig::new();
    rig.write(7, 0); // 0
    rig.end(7, false); // 1
    rig.write_more_than_is_remembered();
    let mut ops = Vec::new();
    assert!(rig.log.truncate_to(1, &mut ops));
    rig.disk.apply(&ops);
    assert!(rig.log.has_open_transaction(7, 0));
    assert_eq!(rig.stable(), 0);
    rig.end(7, false); // 1
    assert_eq!((rig.stable(), rig.aborted()), (2, vec![of(7, 0)]));
}

/// Where each transaction has an epoch (KIP-890), its marker begins the next one.
#[test]
fn a_transaction_whose_marker_is_cut_deep_is_open_in_its_own_epoch() {
    let mut rig = Rig::new();
    rig.append(marker(7, 0, false, 1), Origin::Coordinator).unwrap(); // 0
    rig.write(7, 0); // 1
    rig.write(7, 1); // 2
    rig.append(marker(7, 1, false, 2), Origin::Coordinator).unwrap(); // 3
    rig.write_more_than_is_remembered();
    let mut ops = Vec::new();
    assert!(rig.log.truncate_to(2, &mut ops));
    rig.disk.apply(&ops);
    assert!(rig.log.has_open_transaction(7, 0) && !rig.log.has_open_transaction(7, 1));
    let known = rig.log.active_producers()[0];
    assert_eq!((known.id, known.epoch, known.open_transaction), (7, 0, 1));
    assert_eq!((known.last_sequence, known.coordinator_epoch), (0, 1), "what is left says so");
    rig.append(marker(7, 1, false, 2), Origin::Coordinator).unwrap(); // 2
    assert_eq!((rig.stable(), rig.aborted()), (3, vec![of(7, 1)]));
    assert_eq!(rig.log.producer_epoch(7), Some(1));
}

/// Of what has ended below the high watermark nothing is kept. Kafka reads what is left, and the transaction is open.
#[test]
fn a_transaction_whose_marker_was_committed_counts_as_ended_when_that_is_cut() {
    // a marker in the transaction's own epoch, and one in the next (KIP-890)
    for (epoch, known) in [(0, Some(0)), (1, None)] {
        let mut rig = Rig::new();
        rig.write(7, 0); // 0
        rig.append(marker(7, epoch, false, 1), Origin::Coordinator).unwrap(); // 1
        rig.append(batch(1, 10, 0), Origin::Client).unwrap(); // 2
        rig.log.note_high_watermark(2);
        let mut ops = Vec::new();
        assert!(rig.log.truncate_to(1, &mut ops));
        rig.disk.apply(&ops);
        assert!(!rig.log.has_open_transaction(7, 0) && !rig.log.has_open_transaction(7, 1));
        assert_eq!((rig.stable(), rig.aborted()), (1, Vec::new()));
        assert_eq!(rig.log.producer_epoch(7), known, "of whom no batch is remembered, nothing is");
        rig.append(marker(7, epoch, false, 1), Origin::Coordinator).unwrap(); // 1
        assert_eq!((rig.stable(), rig.aborted()), (2, Vec::new()), "it ends nothing");
    }
}

/// The log goes on in another segment after such a cut; what was aborted in the one before is read from its index.
#[test]
fn a_deep_cut_leaves_what_was_aborted_as_it_was() {
    for segment_bytes in [300, 1 << 20] {
        let mut rig = Rig::with(LogConfig { segment_bytes, ..config() });
        rig.write(7, 0); // 0
        rig.end(7, false); // 1
        rig.write(8, 0); // 2
        rig.end(8, false); // 3
        rig.write_more_than_is_remembered();
        let mut ops = Vec::new();
        assert!(rig.log.truncate_to(3, &mut ops));
        rig.disk.apply(&ops);
        rig.end(8, true); // 3
        let mut ops = Vec::new();
        rig.log.close(&mut ops);
        rig.disk.apply(&ops);
        rig.load(Recover { clean: true, high_watermark: Some(4), ..Recover::default() });
        assert_eq!(rig.aborted(), [of(7, 0)], "segments of {segment_bytes}");
    }
}

#[test]
fn stable_is_nowhere_below_the_start() {
    let mut rig = Rig::new();
    rig.write(7, 0); // 0
    for _ in 0..4 {
        rig.append(batch(1, 10, 0), Origin::Client).unwrap();
    }
    rig.log.advance_log_start(3, &mut Vec::new());
    assert_eq!(rig.stable(), 3);
}

/// Aborted transactions until a segment is rolled, whose sync is done.
fn rolled() -> Rig {
    let mut rig = Rig::new();
    for sequence in 0.. {
        rig.write(7, sequence);
        rig.end(7, false);
        if rig.log.segment_count() > 1 {
            break;
        }
    }
    assert!(rig.has_index(0));
    rig.log.sync_done(0);
    rig
}

#[test]
fn a_rolled_segment_is_read_again_until_its_index_is_on_disk() {
    let mut rig = rolled();
    let aborted = rig.aborted();
    let recovery_point = rig.log.recovery_point();
    assert!(recovery_point < rig.log.active_segment());
    // power that fails now takes the index along
    rig.disk.files.remove(&FileName::TransactionIndex(TP, 0)).unwrap();
    rig.load(Recover { recovery_point, ..Recover::default() });
    assert_eq!(rig.aborted(), aborted);

    let mut rig = rolled();
    rig.log.txn_index_written(0);
    assert_eq!(rig.log.recovery_point(), rig.log.active_segment());
}

#[test]
fn the_recovery_point_does_not_go_back_when_a_flushed_segment_is_rolled() {
    let mut rig = Rig::new();
    rig.write(7, 0); // 0
    assert_eq!(rig.flushed(), 1);
    rig.end(7, false); // 1
    assert_eq!((rig.log.recovery_point(), rig.flushed()), (1, 1), "its index is not on disk");
    rig.roll();
    assert_eq!(rig.log.recovery_point(), 1);
    rig.log.txn_index_written(0);
    assert_eq!(rig.log.recovery_point(), 2);
}

/// With `flush.messages` the recovery point of a whole segment may be on record before it is rolled.
#[test]
fn a_flushed_segment_is_read_again_when_power_takes_its_index() {
    let mut rig = Rig::new();
    rig.write(7, 0);
    rig.end(7, false);
    let recovery_point = rig.flushed();
    rig.roll();
    rig.write(8, 0);
    rig.disk.files.remove(&FileName::TransactionIndex(TP, 0)).unwrap();
    rig.load(Recover { recovery_point, ..Recover::default() });
    assert_eq!(rig.aborted(), [of(7, 0)]);
}

#[test]
fn an_index_that_power_took_is_made_again_before_its_segment_is_trusted() {
    let mut rig = rolled();
    let aborted = rig.aborted();
    let end = rig.log.log_end_offset();
    rig.disk.files.remove(&FileName::TransactionIndex(TP, 0)).unwrap();
    rig.load(Recover::default());
    assert!(rig.has_index(0), "made again from the batches");
    rig.log.txn_index_written(0);
    // all of it counts as flushed now: the batches are not read again
    rig.load(Recover { recovery_point: end, ..Recover::default() });
    assert_eq!(rig.aborted(), aborted);
}

#[test]
fn an_index_that_went_with_its_segment_holds_nothing_back() {
    let mut rig = rolled();
    let end = rig.log.log_end_offset();
    // the write of the active segment's index is on its way when retention takes the segment
    let mut ops = Vec::new();
    rig.log.retention(i64::MAX, end, &mut ops);
    assert_eq!(rig.log.segment_count(), 1);
    assert_eq!(rig.log.recovery_point(), end);
}
