//! The naive model: a list of all batches ever kept, and state rebuilt from it each time.

use crate::ids::{LeaderEpoch, Offset};
use crate::log::Log;
use crate::log::producers::{BatchMeta, REMEMBERED_BATCHES};
use crate::log::testing::MemoryDisk;
use crate::records::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the log should be.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Every batch since the beginning, those deleted by retention included.
    pub(super) batches: Vec<Arc<Batch>>,
    /// End of the log, gaps included.
    pub(super) end: Offset,
    /// Whether positions and producer state are known exactly.
    pub(super) exact: bool,
}

/// State of one producer, rebuilt.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct NaiveProducer {
    pub(super) epoch: i16,
    pub(super) batches: Vec<BatchMeta>,
}

impl Model {
    /// Producers, rebuilt from the batches.
    pub(super) fn producers(&self) -> BTreeMap<i64, NaiveProducer> {
        let mut state: BTreeMap<i64, NaiveProducer> = BTreeMap::new();
        for batch in self.batches.iter().filter(|batch| batch.header.has_producer_id()) {
            let header = &batch.header;
            let producer = state.entry(header.producer_id).or_default();
            if producer.epoch != header.producer_epoch {
                *producer = NaiveProducer { epoch: header.producer_epoch, batches: Vec::new() };
            }
            producer.batches.push(BatchMeta {
                last_sequence: header.base_sequence + header.last_offset_delta,
                offset_delta: header.last_offset_delta,
                last_offset: batch.last_offset(),
                timestamp: header.max_timestamp,
            });
            let forget = producer.batches.len().saturating_sub(REMEMBERED_BATCHES);
            producer.batches.drain(..forget);
        }
        state
    }

    /// Cuts at an offset; the batch that holds it goes whole.
    pub(super) fn truncate(&mut self, offset: Offset) {
        self.batches.retain(|batch| batch.next_offset() <= offset);
        self.end = self.end.min(offset);
    }

    /// Batches that can still be read.
    fn kept(&self, from: Offset) -> impl Iterator<Item = &Arc<Batch>> {
        self.batches.iter().filter(move |batch| batch.base_offset() >= from)
    }

    /// Compares everything that can be seen.
    pub(super) fn check(&self, log: &Log, disk: &MemoryDisk) {
        assert_eq!(log.next_offset(), self.end, "log end");
        assert!(log.log_start_offset() <= log.log_end_offset());
        assert!(log.log_end_offset() <= log.next_offset());
        assert!(log.recovery_point() <= log.next_offset());
        let first = disk.segments.keys().next().copied().unwrap_or(self.end);
        let expected: Vec<_> = self.kept(first).cloned().collect();
        assert_eq!(disk.batches(), expected, "what is on disk");
        self.check_reads(log, disk);
        self.check_epochs(log);
        self.check_producers(log);
        self.check_sizes(log);
    }

    fn check_reads(&self, log: &Log, disk: &MemoryDisk) {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(log.read_plan(start - 1, end, 1).is_err());
        assert!(log.read_plan(end + 1, end + 2, 1).is_err());
        for from in start..=end {
            let wanted =
                self.batches.iter().find(|b| b.last_offset() >= from && b.base_offset() < end);
            let plan = log.read_plan(from, end, 100).expect("in range");
            let found = plan.map(|plan| {
                let mut position = 0;
                let batches = &disk.segments[&plan.segment].batches;
                let mut boundary = plan.position == 0;
                let found = batches.iter().find(|batch| {
                    boundary |= position == plan.position;
                    let here = position >= plan.position && batch.last_offset() >= from;
                    position += batch.size_bytes();
                    here
                });
                assert!(boundary, "position {} is where a batch starts", plan.position);
                // records in flight are in the file, but not to be returned
                found.filter(|batch| batch.base_offset() < plan.upto)
            });
            let nothing_left = from >= end;
            assert_eq!(found.flatten(), wanted.filter(|_| !nothing_left), "read from {from}");
        }
    }

    fn check_epochs(&self, log: &Log) {
        let start = log.log_start_offset();
        let mut rebuilt: Vec<(LeaderEpoch, Offset)> = Vec::new();
        for batch in self.batches.iter().filter(|batch| batch.next_offset() > start) {
            let epoch = batch.header.partition_leader_epoch;
            if rebuilt.last().is_none_or(|last| last.0 < epoch) {
                rebuilt.push((epoch, batch.base_offset().max(start)));
            }
        }
        // an epoch may have begun at the end of the log, or in a gap, without writing
        let without_data = |entry: &(LeaderEpoch, Offset)| {
            let covers = |b: &Arc<Batch>| (b.base_offset()..b.next_offset()).contains(&entry.1);
            rebuilt.iter().all(|with| with.0 != entry.0) && !self.kept(start).any(covers)
        };
        let entries: Vec<_> =
            log.epoch_entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        assert!(entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{entries:?}");
        let mut with_data: Vec<_> = entries.iter().filter(|e| !without_data(e)).copied().collect();
        if let (Some(ours), Some(first)) = (with_data.first_mut(), rebuilt.first())
            && (start..first.1).contains(&ours.1)
        {
            ours.1 = first.1; // the log starts in a gap before its first batch
        }
        assert_eq!(with_data, rebuilt, "epochs");
    }

    fn check_producers(&self, log: &Log) {
        let naive = self.producers();
        for producer in log.producers.entries() {
            let expected = &naive[&producer.id];
            assert_eq!(producer.epoch, expected.epoch);
            assert!(expected.batches.ends_with(producer.batches()), "{producer:?} of {expected:?}");
            if self.exact {
                assert_eq!(producer.batches(), expected.batches);
            }
        }
        if self.exact {
            assert_eq!(log.producer_count(), naive.len());
        }
    }

    fn check_sizes(&self, log: &Log) {
        let end = log.next_offset();
        let bytes: u64 =
            self.kept(log.oldest().base).map(|batch| u64::from(batch.size_bytes())).sum();
        if self.exact {
            assert_eq!(log.size_bytes(), bytes);
            let youngest = self.kept(log.oldest().base).map(|b| b.header.max_timestamp).max();
            assert_eq!(log.max_timestamp().0, youngest.unwrap_or(-1));
        }
        for from in log.log_start_offset()..end {
            assert!(log.bytes_between(from, end) > 0, "records are never nothing");
            assert!(log.bytes_between(from, end) >= log.bytes_between(from + 1, end));
        }
        assert_eq!(log.bytes_between(end, end), 0);
    }
}
