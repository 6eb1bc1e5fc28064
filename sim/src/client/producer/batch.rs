//! A batch on the producer's side: record times, size, sequence, and how often it was sent.
//! Kafka's `ProducerBatch`.

use super::application::Content;
use crate::client::io::{BatchDone, ClientCx, RecordTimes};
use crate::client::templates::{record_bytes, round_shape};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NodeId, Offset, TopicPartition};
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, BatchHeader, Body};

/// Offset delta whose varint has two bytes: sizes are estimated with it, slightly above the truth
/// for the first 64 records, as Java's upper bound is.
const ESTIMATE_DELTA: u32 = 64;
const NS_PER_MS: u64 = 1_000_000;

/// Producer id and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerId {
    /// Id, `-1` = none.
    pub(crate) id: i64,
    /// Epoch, `-1` = none.
    pub(crate) epoch: i16,
}

impl ProducerId {
    /// Without idempotence, or not known yet.
    pub(crate) const NONE: Self = Self { id: -1, epoch: -1 };
}

/// Sizes of one record, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordSizes {
    /// Key and value.
    pub(crate) raw: u32,
    /// Value in the batch: after compression.
    pub(crate) value: u32,
    /// Encoded record, estimated.
    pub(crate) record: u32,
    /// Encoded record if it were not compressed, estimated.
    pub(crate) record_raw: u32,
}

impl RecordSizes {
    /// Sizes of a record that compresses to `permille` of its size.
    pub(crate) fn new(raw: u32, permille: u32) -> Self {
        let scaled = u64::from(raw) * u64::from(permille) / 1_000;
        let value = u32::try_from(scaled).unwrap_or(u32::MAX);
        let record = record_bytes(value, ESTIMATE_DELTA);
        Self { raw, value, record, record_raw: record_bytes(raw, ESTIMATE_DELTA) }
    }
}

/// A batch from its first record to its outcome.
#[derive(Debug)]
pub(crate) struct ProducerBatch {
    /// Unique over the run.
    pub(crate) tag: u64,
    /// Per record.
    pub(crate) records: Vec<RecordTimes>,
    /// Keys and values before compression.
    pub(crate) raw_bytes: u64,
    /// Estimated encoded size, overhead included.
    pub(crate) size_bytes: u32,
    value_total: u64,
    value_first: u32,
    mixed: bool,
    /// When the first record came; linger and delivery timeout count from here, ns.
    pub(crate) created_ns: u64,
    /// Share of `buffer.memory` to be freed at the end.
    pub(crate) memory_bytes: u64,
    /// Position among the batches of the partition that were sent; 0 = never sent.
    pub(crate) order: u64,
    /// Base sequence, `-1` = none yet.
    pub(crate) sequence: i32,
    /// Owner of the sequence.
    pub(crate) producer: ProducerId,
    /// Sends so far.
    pub(crate) sends: u32,
    /// Not to be sent again before, ns.
    pub(crate) retry_ns: u64,
    /// Leader epoch known at the last send.
    pub(crate) sent_epoch: LeaderEpoch,
    /// First send, ns.
    pub(crate) first_sent_ns: u64,
    /// Last send, ns.
    pub(crate) sent_ns: u64,
    /// Takes no more records.
    pub(crate) closed: bool,
    /// Some send ended without an answer.
    pub(crate) ambiguous: bool,
    /// Part of a transaction.
    pub(crate) is_transactional: bool,
    /// Broker of the last send.
    pub(crate) broker: NodeId,
    /// Correlation of the last send.
    pub(crate) correlation: u64,
    built: Option<Arc<Batch>>,
    /// What an application has written; empty where bodies come from templates.
    pub(super) contents: Vec<Content>,
}

impl ProducerBatch {
    /// Without records yet.
    pub(crate) fn new(tag: u64, times: Vec<RecordTimes>, created_ns: u64) -> Self {
        Self {
            tag,
            records: times,
            raw_bytes: 0,
            size_bytes: BATCH_OVERHEAD,
            value_total: 0,
            value_first: 0,
            mixed: false,
            created_ns,
            memory_bytes: 0,
            order: 0,
            sequence: -1,
            producer: ProducerId::NONE,
            sends: 0,
            retry_ns: 0,
            sent_epoch: NO_EPOCH,
            first_sent_ns: 0,
            sent_ns: 0,
            closed: false,
            ambiguous: false,
            is_transactional: false,
            broker: NodeId(-1),
            correlation: 0,
            built: None,
            contents: Vec::new(),
        }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, times: RecordTimes, sizes: RecordSizes) {
        self.push_run(std::iter::once(times), sizes);
    }

    /// Adds records of one size.
    pub(crate) fn push_run(&mut self, run: impl Iterator<Item = RecordTimes>, sizes: RecordSizes) {
        debug_assert!(!self.closed, "a closed batch takes no records");
        let before = self.records.len();
        if before == 0 {
            self.value_first = sizes.value;
        }
        self.records.extend(run);
        let count = (self.records.len() - before) as u64;
        self.mixed |= sizes.value != self.value_first;
        self.value_total += u64::from(sizes.value) * count;
        self.raw_bytes += u64::from(sizes.raw) * count;
        let bytes = u32::try_from(u64::from(sizes.record) * count).unwrap_or(u32::MAX);
        self.size_bytes = self.size_bytes.saturating_add(bytes);
    }

    /// Number of records.
    pub(crate) fn count(&self) -> i32 {
        i32::try_from(self.records.len()).unwrap_or(i32::MAX)
    }

    /// Gives it a new identity; what was built for the old one is void.
    pub(crate) fn set_sequence(&mut self, producer: ProducerId, sequence: i32) {
        self.producer = producer;
        self.sequence = sequence;
        self.built = None;
    }

    /// The batch as it goes on the wire, built once per identity; with `keys` keys in its body. Record
    /// timestamps are the intended times on the client's wall clock.
    pub(crate) fn build(&mut self, keys: Option<u64>, cx: &mut ClientCx<'_>) -> Arc<Batch> {
        if let Some(built) = &self.built {
            return built.clone();
        }
        let count = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let mean = u32::try_from(self.value_total.div_ceil(u64::from(count.max(1))));
        let value =
            if self.mixed { round_shape(mean.unwrap_or(u32::MAX)) } else { self.value_first };
        let body = if self.contents.is_empty() {
            let template = match keys {
                Some(keys) => cx.shared.templates.keyed(value, count, (keys, self.tag)),
                None => cx.shared.templates.body(value, count),
            };
            Body::Template { template, tag: self.tag }
        } else {
            Body::Owned(self.encode_contents())
        };
        let wall_ms = |times: Option<&RecordTimes>| {
            let age_ns = times.map_or(0, |times| cx.now_ns.saturating_sub(times.intended_ns));
            cx.wall_ms - i64::try_from(age_ns / NS_PER_MS).unwrap_or(0)
        };
        let header = BatchHeader {
            base_offset: 0,
            partition_leader_epoch: NO_EPOCH,
            attributes: 0,
            last_offset_delta: self.count() - 1,
            base_timestamp: wall_ms(self.records.first()),
            max_timestamp: wall_ms(self.records.last()),
            producer_id: self.producer.id,
            producer_epoch: self.producer.epoch,
            base_sequence: self.sequence,
            record_count: self.count(),
        };
        let header = if self.is_transactional { header.as_transactional() } else { header };
        let batch = Arc::new(Batch { header, body });
        self.built = Some(batch.clone());
        batch
    }

    /// Cuts the second half of the records off, as a batch with its own tag (KIP-126).
    pub(crate) fn split(&mut self, tag: u64, mut times: Vec<RecordTimes>) -> Self {
        let keep = self.records.len().div_ceil(2);
        times.extend(self.records.drain(keep..));
        let mut rest = Self::new(tag, times, self.created_ns);
        let total = (keep + rest.records.len()) as u64;
        let share = |whole: u64| whole * rest.records.len() as u64 / total;
        (rest.value_total, rest.raw_bytes) = (share(self.value_total), share(self.raw_bytes));
        rest.size_bytes +=
            u32::try_from(share(u64::from(self.size_bytes - BATCH_OVERHEAD))).unwrap_or(u32::MAX);
        (rest.value_first, rest.mixed, rest.closed) = (self.value_first, self.mixed, true);
        rest.is_transactional = self.is_transactional;
        rest.contents = self.contents.split_off(keep.min(self.contents.len()));
        self.value_total -= rest.value_total;
        self.raw_bytes -= rest.raw_bytes;
        self.size_bytes -= rest.size_bytes - BATCH_OVERHEAD;
        self.built = None;
        if self.sequence >= 0 {
            rest.set_sequence(self.producer, next_sequence(self.sequence, self.count()));
        }
        rest
    }

    /// The outcome's data; the batch ends here.
    pub(crate) fn finish(self, tp: TopicPartition, base_offset: Offset, done_ns: u64) -> BatchDone {
        BatchDone {
            tp,
            base_offset,
            batch: self.built,
            tag: self.tag,
            records: self.records,
            raw_bytes: self.raw_bytes,
            first_sent_ns: self.first_sent_ns,
            sent_ns: self.sent_ns,
            done_ns,
            retries: self.sends.saturating_sub(1),
            ambiguous: self.ambiguous,
            broker: self.broker,
            correlation: self.correlation,
        }
    }
}

/// Sequence after `count` records, wrapping to 0 after `i32::MAX`.
pub(crate) fn next_sequence(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(next_sequence(0, 5), 5);
        assert_eq!(next_sequence(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 2, 10), 7);
    }

    #[test]
    fn a_split_keeps_records_bytes_and_sequences() {
        let mut batch = ProducerBatch::new(1, Vec::new(), 5);
        for index in 0..5 {
            let times = RecordTimes { intended_ns: index, handed_ns: index };
            batch.push(times, RecordSizes::new(100, 1_000));
        }
        batch.set_sequence(ProducerId { id: 4, epoch: 0 }, 10);
        let (raw, size) = (batch.raw_bytes, batch.size_bytes);
        let rest = batch.split(2, Vec::new());
        assert_eq!((batch.count(), rest.count(), rest.sequence, rest.tag), (3, 2, 13, 2));
        assert_eq!(batch.raw_bytes + rest.raw_bytes, raw);
        assert_eq!(batch.size_bytes + rest.size_bytes, size + BATCH_OVERHEAD);
        assert_eq!(rest.records[0].intended_ns, 3);
    }
}
