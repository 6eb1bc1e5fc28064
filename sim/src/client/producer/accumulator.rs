//! Batches per partition, waiting or in flight, and the memory they hold. Kafka's
//! `RecordAccumulator` with its `BufferPool`.
//!
//! Java takes `batch.size` from the pool per batch, however full it gets; librdkafka counts the
//! bytes and the number of records. Both are modelled.

use super::batch::{ProducerBatch, ProducerId, RecordSizes};
use crate::client::config::ProducerConfig;
use crate::client::io::{ClientCx, RecordTimes};
use std::collections::VecDeque;
use stormglass_broker_core::records::BATCH_OVERHEAD;
use stormglass_scenarios::plan::ClientProfile;

/// One partition's batches and sequence state. Batches are boxed: they change places often, and
/// those of few partitions are there at a time.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    /// To be sent, first first. Retries stand before new ones.
    pub(crate) waiting: VecDeque<Box<ProducerBatch>>,
    /// Sent, not answered, in order of first send.
    pub(crate) in_flight: VecDeque<Box<ProducerBatch>>,
    /// Listed in [`Accumulator::active`].
    pub(crate) active: bool,
    /// `order` of the next batch sent for the first time.
    pub(crate) next_order: u64,
    /// Sequence of the next batch sent for the first time.
    pub(crate) next_sequence: i32,
    /// Producer id and epoch that the sequences belong to.
    pub(crate) producer: ProducerId,
    /// Last sequence acknowledged, `-1` = none.
    pub(crate) acked_sequence: i32,
    /// A sent batch was given up, so the broker may or may not have its sequences: the sequence
    /// after it.
    pub(crate) unresolved: Option<i32>,
    /// Sequences must restart under a new epoch once nothing is in flight.
    pub(crate) bump_wanted: bool,
    /// Estimated bytes of looked-ahead arrivals for this partition.
    pub(crate) planned_bytes: u32,
}

impl PartitionQueue {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            active: false,
            next_order: 1,
            next_sequence: 0,
            producer: ProducerId::NONE,
            acked_sequence: -1,
            unresolved: None,
            bump_wanted: false,
            planned_bytes: 0,
        }
    }

    /// Bytes of the batch that takes records now, overhead included.
    pub(crate) fn open_bytes(&self) -> u32 {
        match self.waiting.back() {
            Some(last) if !last.closed => last.size_bytes,
            _ => BATCH_OVERHEAD,
        }
    }

    /// No batch takes records now.
    pub(crate) fn all_full(&self) -> bool {
        self.waiting.back().is_none_or(|last| last.closed)
    }

    /// Puts a batch that was sent back: in order of first send with idempotence, else first.
    pub(crate) fn put_back(&mut self, batch: Box<ProducerBatch>, in_order: bool) {
        let at = if in_order {
            let before = |other: &ProducerBatch| other.order > 0 && other.order < batch.order;
            self.waiting.iter().take_while(|other| before(other)).count()
        } else {
            0
        };
        self.waiting.insert(at, batch);
    }

    /// Takes a batch out of the flight.
    pub(crate) fn take_in_flight(&mut self, tag: u64) -> Option<Box<ProducerBatch>> {
        // answers come in order
        if self.in_flight.front()?.tag == tag {
            return self.in_flight.pop_front();
        }
        let at = self.in_flight.iter().position(|batch| batch.tag == tag)?;
        self.in_flight.remove(at)
    }
}

/// What became of a record offered to the accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Append {
    /// It is in a batch; estimated bytes added.
    Done { appended_bytes: u32 },
    /// The batch that it would have joined is closed for lack of room; try again.
    Closed,
    /// `buffer.memory` is full.
    NoMemory,
    /// It can never fit.
    TooLarge,
}

/// All partitions of the topic produced to.
#[derive(Debug)]
pub(crate) struct Accumulator {
    /// By partition index.
    pub(crate) partitions: Vec<PartitionQueue>,
    /// Partitions with waiting batches, in no particular (but deterministic) order.
    pub(crate) active: Vec<u32>,
    free_bytes: u64,
    free_records: u64,
    next_tag: u64,
}

impl Accumulator {
    /// Empty. Tags count up from `first_tag`.
    pub(crate) fn new(config: &ProducerConfig, first_tag: u64) -> Self {
        Self {
            partitions: Vec::new(),
            active: Vec::new(),
            free_bytes: config.buffer_bytes,
            free_records: config.buffer_records_max,
            next_tag: first_tag,
        }
    }

    /// Learns the number of partitions; it never shrinks.
    pub(crate) fn resize(&mut self, partitions: usize) {
        if self.partitions.len() < partitions {
            self.partitions.resize_with(partitions, PartitionQueue::new);
        }
    }

    /// A fresh tag.
    pub(crate) fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag - 1
    }

    /// Bytes of `buffer.memory` in use.
    pub(crate) fn used_bytes(&self, config: &ProducerConfig) -> u64 {
        config.buffer_bytes - self.free_bytes
    }

    /// Lists a partition as having waiting batches.
    pub(crate) fn activate(&mut self, partition: usize) {
        let queue = &mut self.partitions[partition];
        if !queue.active {
            queue.active = true;
            self.active.push(u32::try_from(partition).unwrap_or(u32::MAX));
        }
    }

    /// Forgets listed partitions whose last waiting batch has gone.
    pub(crate) fn prune(&mut self) {
        let partitions = &mut self.partitions;
        self.active.retain(|partition| {
            let queue = &mut partitions[*partition as usize];
            queue.active = !queue.waiting.is_empty();
            queue.active
        });
    }

    /// Offers a record to a partition.
    pub(crate) fn append(
        &mut self,
        partition: usize,
        times: RecordTimes,
        sizes: RecordSizes,
        config: &ProducerConfig,
        cx: &mut ClientCx<'_>,
    ) -> Append {
        let record = sizes.record;
        if is_too_large(sizes, config) {
            return Append::TooLarge;
        }
        let per_record = config.profile == ClientProfile::Librdkafka;
        let charge = if per_record { u64::from(sizes.raw) } else { 0 };
        if per_record && (self.free_bytes < charge || self.free_records == 0) {
            return Append::NoMemory;
        }
        let queue = &mut self.partitions[partition];
        let mut appended_bytes = record;
        match queue.waiting.back_mut() {
            Some(last) if !last.closed => {
                let fits = last.size_bytes.saturating_add(record) <= config.batch_bytes;
                if !fits {
                    last.closed = true;
                    return Append::Closed;
                }
            }
            _ => {
                let whole = u64::from(config.batch_bytes).max(batch_of_one(sizes));
                let memory = if per_record { 0 } else { whole };
                if self.free_bytes < memory {
                    return Append::NoMemory;
                }
                self.free_bytes -= memory;
                let mut batch =
                    ProducerBatch::new(self.next_tag, cx.shared.times(), times.handed_ns);
                batch.memory_bytes = memory;
                self.next_tag += 1;
                queue.waiting.push_back(Box::new(batch));
                appended_bytes += BATCH_OVERHEAD;
            }
        }
        self.free_bytes -= charge;
        self.free_records -= u64::from(per_record);
        let Some(batch) = self.partitions[partition].waiting.back_mut() else {
            unreachable!("a batch was found or added above")
        };
        batch.memory_bytes += charge;
        batch.push(times, sizes);
        let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        batch.closed = batch.size_bytes >= config.batch_bytes || count >= config.batch_records_max;
        self.activate(partition);
        Append::Done { appended_bytes }
    }

    /// Bytes of records like these that the open batch of a partition takes and stays open. None
    /// where each record takes memory of its own.
    pub(crate) fn room(
        &self,
        partition: usize,
        sizes: RecordSizes,
        config: &ProducerConfig,
    ) -> u32 {
        let Some(open) = self.partitions[partition].waiting.back().filter(|last| !last.closed)
        else {
            return 0;
        };
        if config.profile == ClientProfile::Librdkafka || is_too_large(sizes, config) {
            return 0;
        }
        config.batch_bytes.saturating_sub(open.size_bytes.saturating_add(1))
    }

    /// Adds records of one size, at most [`Accumulator::room`].
    pub(crate) fn append_run(
        &mut self,
        partition: usize,
        run: impl Iterator<Item = RecordTimes>,
        sizes: RecordSizes,
    ) {
        if let Some(open) = self.partitions[partition].waiting.back_mut() {
            open.push_run(run, sizes);
        }
    }

    /// Gives a finished batch's memory back.
    pub(crate) fn release(&mut self, batch: &ProducerBatch, config: &ProducerConfig) {
        self.free_bytes += batch.memory_bytes;
        if config.profile == ClientProfile::Librdkafka {
            self.free_records += batch.records.len() as u64;
        }
        debug_assert!(self.free_bytes <= config.buffer_bytes, "memory is freed once");
    }
}

/// Bytes of a batch with one record, not compressed.
fn batch_of_one(sizes: RecordSizes) -> u64 {
    u64::from(BATCH_OVERHEAD) + u64::from(sizes.record_raw)
}

/// Whether a record fits in no request, or not in memory.
fn is_too_large(sizes: RecordSizes, config: &ProducerConfig) -> bool {
    let bytes = batch_of_one(sizes);
    bytes > u64::from(config.request_bytes_max) || bytes > config.buffer_bytes
}
