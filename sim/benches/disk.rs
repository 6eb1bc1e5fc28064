//! The simulated disk on the hot path: append of a 16 KiB batch and read of the tail, through the
//! page cache, with background writeback running as it would at 100 MB/s.

mod common;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::{
    BATCH_OVERHEAD, Batch, BatchHeader, Body, BodyTemplate, Records,
};
use stormglass_broker_core::seam::{DiskOp, DiskOpKind, ReadRange};
use stormglass_sim::disk::Disk;
use stormglass_sim::rng::Streams;

const RECORDS: i32 = 16;
const BATCH_BYTES: u32 = 16 << 10;
const PARTITIONS: u64 = 60;
const SEGMENT_BYTES: u64 = 1 << 30;
/// 16 KiB each 160 us are 100 MB/s.
const GAP_NS: u64 = 160_000;

fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("far below 2^63")
}

/// Writes to 60 partitions in turn.
struct Writer {
    disk: Disk,
    template: Arc<BodyTemplate>,
    now_ns: u64,
    made: u64,
}

impl Writer {
    fn new() -> Self {
        let body = Bytes::from(vec![7; (BATCH_BYTES - BATCH_OVERHEAD) as usize]);
        let template = Arc::new(BodyTemplate::new(body, 0));
        Self {
            disk: Disk::new(common::disk_config(), &Streams::new(1), 1),
            template,
            now_ns: 0,
            made: 0,
        }
    }

    /// Partition, base offset of the segment, and base offset of batch `index`.
    fn place(index: u64) -> (TopicPartition, Offset, Offset) {
        let partition = signed(index % PARTITIONS) as i32;
        let round = index / PARTITIONS;
        let per_segment = SEGMENT_BYTES / u64::from(BATCH_BYTES);
        let offset = |round: u64| signed(round) * i64::from(RECORDS);
        let segment = offset(round / per_segment * per_segment);
        (TopicPartition::new(TopicId(7), partition), segment, offset(round))
    }

    fn op(&mut self) -> DiskOp {
        let index = self.made;
        self.made += 1;
        self.now_ns += GAP_NS;
        let (tp, segment, base_offset) = Self::place(index);
        let header = BatchHeader {
            base_offset,
            partition_leader_epoch: 1,
            attributes: 0,
            last_offset_delta: RECORDS - 1,
            base_timestamp: signed(self.now_ns / 1_000_000),
            max_timestamp: signed(self.now_ns / 1_000_000),
            producer_id: i64::from(tp.partition % 6),
            producer_epoch: 0,
            base_sequence: (base_offset & 0x7fff_ffff) as i32,
            record_count: RECORDS,
        };
        let body = Body::Template { template: Arc::clone(&self.template), tag: index };
        let records = Records::single(Arc::new(Batch { header, body }));
        DiskOp { id: DiskOpId(index), kind: DiskOpKind::Append { tp, segment, records } }
    }

    fn append(&mut self) {
        let op = self.op();
        if self.disk.next_wakeup().is_some_and(|at_ns| at_ns <= self.now_ns) {
            self.disk.on_wakeup(self.now_ns);
        }
        black_box(self.disk.submit(self.now_ns, op));
    }
}

fn bench(criterion: &mut Criterion) {
    criterion.bench_function("disk/make_batch_only", |bencher| {
        let mut writer = Writer::new();
        bencher.iter(|| black_box(writer.op()));
    });
    criterion.bench_function("disk/append_16KiB", |bencher| {
        let mut writer = Writer::new();
        bencher.iter(|| writer.append());
    });
    criterion.bench_function("disk/tail_read_16KiB", |bencher| {
        let mut writer = Writer::new();
        for _ in 0..100_000 {
            writer.append();
        }
        let mut index = writer.made - PARTITIONS;
        bencher.iter(|| {
            let (tp, segment, from) = Writer::place(index);
            index = if index + 1 == writer.made { writer.made - PARTITIONS } else { index + 1 };
            let range = ReadRange {
                tp,
                segment,
                position: 0,
                from,
                upto: Offset::MAX,
                max_bytes: BATCH_BYTES,
            };
            let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: BATCH_BYTES };
            black_box(writer.disk.submit(writer.now_ns, DiskOp { id: DiskOpId(0), kind }))
        });
    });
    criterion.bench_function("disk/cold_read_1MiB", |bencher| {
        let mut writer = Writer::new();
        for _ in 0..600_000 {
            writer.append();
        }
        let mut round = 0;
        bencher.iter(|| {
            round = (round + 64) % 4096;
            let range = ReadRange {
                tp: TopicPartition::new(TopicId(7), 3),
                segment: 0,
                position: 0,
                from: round * i64::from(RECORDS),
                upto: Offset::MAX,
                max_bytes: 1 << 20,
            };
            let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: 1 << 20 };
            black_box(writer.disk.submit(writer.now_ns, DiskOp { id: DiskOpId(0), kind }))
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
