//! Batches for tests.

use crate::client::{BatchDone, RecordTimes};
use bytes::Bytes;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::records::{Batch, BatchHeader, Body, BodyTemplate};

pub(crate) const TOPIC: TopicId = TopicId(7);

pub(crate) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

/// A batch of `count` records at an offset, with a tag of its own.
pub(crate) fn batch(base_offset: i64, count: i32, tag: u64) -> Arc<Batch> {
    let header = BatchHeader {
        base_offset,
        partition_leader_epoch: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        record_count: count,
    };
    let template = Arc::new(BodyTemplate::new(Bytes::from_static(&[0; 39]), 0));
    Arc::new(Batch { header, body: Body::Template { template, tag } })
}

/// A batch that was acknowledged, its records handed over when intended, sent 1 ns later.
pub(crate) fn batch_done(
    tp: TopicPartition,
    tag: u64,
    intended_ns: &[u64],
    done_ns: u64,
) -> BatchDone {
    let times = |&intended_ns: &u64| RecordTimes { intended_ns, handed_ns: intended_ns };
    let last_ns = intended_ns.last().copied().unwrap_or(0);
    BatchDone {
        tp,
        base_offset: 0,
        batch: Some(batch(0, i32::try_from(intended_ns.len()).unwrap(), tag)),
        tag,
        records: intended_ns.iter().map(times).collect(),
        raw_bytes: 100 * intended_ns.len() as u64,
        first_sent_ns: last_ns + 1,
        sent_ns: last_ns + 1,
        done_ns,
        retries: 0,
        ambiguous: false,
        broker: NodeId(1),
        correlation: 1,
    }
}
