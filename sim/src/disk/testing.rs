//! Batches and configurations for tests of the disk.

use super::config::DiskConfig;
use crate::cpu::testing::{fixed, model};
use bytes::Bytes;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, BatchHeader, Body, BodyTemplate};
use stormglass_scenarios::plan::{RatePlan, VolumePlan};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const SEC: u64 = 1_000_000_000;
pub(crate) const MS: u64 = 1_000_000;

/// What batches look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) size_bytes: usize,
    pub(crate) records: i32,
    pub(crate) producers: i64,
    pub(crate) idempotent: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { size_bytes: 16 << 10, records: 16, producers: 6, idempotent: true }
    }
}

/// Makes batches as several producers would.
#[derive(Debug)]
pub(crate) struct Maker {
    shape: Shape,
    template: Arc<BodyTemplate>,
    made: i64,
    next_offset: Offset,
}

impl Maker {
    pub(crate) fn new(shape: Shape) -> Self {
        let body = vec![7; shape.size_bytes - BATCH_OVERHEAD as usize];
        let template = Arc::new(BodyTemplate::new(Bytes::from(body), 0));
        Self { shape, template, made: 0, next_offset: 0 }
    }

    pub(crate) fn next(&mut self) -> Arc<Batch> {
        let index = self.made;
        let producer = index * 7 % self.shape.producers;
        let rounds = i32::try_from(index / self.shape.producers).unwrap();
        let header = BatchHeader {
            base_offset: self.next_offset,
            partition_leader_epoch: 3,
            attributes: 0,
            last_offset_delta: self.shape.records - 1,
            base_timestamp: 1_700_000_000_000 + index * 9,
            max_timestamp: 1_700_000_000_000 + index * 9 + 4,
            producer_id: if self.shape.idempotent { 1000 + producer } else { -1 },
            producer_epoch: if self.shape.idempotent { 0 } else { -1 },
            base_sequence: if self.shape.idempotent { rounds * self.shape.records } else { -1 },
            record_count: self.shape.records,
        };
        self.made += 1;
        self.next_offset += i64::from(self.shape.records);
        let tag = (producer.unsigned_abs() << 32) | u64::from(rounds.unsigned_abs());
        Arc::new(Batch {
            header,
            body: Body::Template { template: Arc::clone(&self.template), tag },
        })
    }

    /// The next batch begins at this offset, as after a truncation.
    pub(crate) fn continue_at(&mut self, offset: Offset) {
        self.next_offset = offset;
    }

    pub(crate) fn batches(&mut self, count: usize) -> Vec<Arc<Batch>> {
        (0..count).map(|_| self.next()).collect()
    }
}

pub(crate) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicId(42), partition)
}

pub(crate) fn flat(per_sec: u64) -> RatePlan {
    RatePlan { baseline_per_sec: per_sec, burst_per_sec: per_sec, bucket: 0, initial: 0 }
}

/// One 250 MiB/s volume of 100 GiB, 1 ms latency, and 1 GiB of page cache.
pub(crate) fn config() -> DiskConfig {
    let model = model();
    let cache_bytes = 1 << 30;
    DiskConfig {
        volumes: vec![VolumePlan {
            kind: "gp3".to_owned(),
            size_bytes: 100 << 30,
            throughput: flat(250 * MIB),
            iops: flat(3000),
            provisioned_iops: None,
            instance_throughput: flat(0),
            io_size_bytes: 256 << 10,
        }],
        read: fixed(MS),
        write: fixed(MS),
        cache_bytes,
        dirty_background_bytes: cache_bytes / 10,
        dirty_limit_bytes: cache_bytes / 5,
        writeback_expire_ns: 30 * SEC,
        writeback_interval_ns: 5 * SEC,
        readahead_bytes: 128 << 10,
        chunk_bytes: 1 << 20,
        recovery_bytes_per_sec: u64::try_from(model.constants["node.recovery_bytes_per_sec"].value)
            .unwrap(),
        survives_power_failure: false,
    }
}
