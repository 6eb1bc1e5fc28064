//! Cost of the log's bookkeeping per batch: append as leader and as follower, and finding a read.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_broker_core::log::{AppendContext, Appended, Log, LogConfig, Origin};
use stormglass_broker_core::records::{Batch, Body, BodyTemplate, Record, Records};
use stormglass_broker_core::seam::DiskOpKind;

const TP: TopicPartition = TopicPartition::new(TopicId(1), 0);
const CONTEXT: AppendContext =
    AppendContext { wall_ms: 1000, leader_epoch: 1, origin: Origin::Client, plant: None };

/// 15 records of 1 KiB: just below 16 KiB.
fn template_batch() -> Batch {
    let template = Arc::new(BodyTemplate::of_records(15, 0, 1024));
    let mut batch = Batch::build(1000, &mut vec![Record::default(); 15]);
    batch.body = Body::Template { template, tag: 7 };
    batch
}

fn log() -> Log {
    Log::create(TP, LogConfig::kafka_defaults(), 0)
}

/// What a partition does with each append, once it is on disk and replicated.
fn settle(log: &mut Log, appended: &Appended, ops: &mut Vec<DiskOpKind>) {
    log.append_done(appended.number);
    log.note_high_watermark(appended.last_offset + 1);
    ops.clear();
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log/append");
    group.throughput(Throughput::Elements(1));
    let plain = Records::single(Arc::new(template_batch()));
    group.bench_function("leader", |b| {
        let (mut log, mut ops) = (log(), Vec::new());
        b.iter(|| {
            let appended = log.append_as_leader(&plain, CONTEXT, &mut ops).expect("valid");
            settle(&mut log, &appended, &mut ops);
        });
    });
    let mut batch = template_batch();
    (batch.header.producer_id, batch.header.producer_epoch) = (5, 0);
    group.bench_function("leader, idempotent", |b| {
        let (mut log, mut ops) = (log(), Vec::new());
        let mut sequence = 0;
        b.iter(|| {
            batch.header.base_sequence = sequence;
            sequence = (sequence + 15) & 0x3fff_ffff;
            if sequence < 15 {
                batch.header.producer_epoch += 1;
                (batch.header.base_sequence, sequence) = (0, 15);
            }
            let records = Records::single(Arc::new(batch.clone()));
            let appended = log.append_as_leader(&records, CONTEXT, &mut ops).expect("in sequence");
            settle(&mut log, &appended, &mut ops);
        });
    });
    group.bench_function("follower", |b| {
        let (mut log, mut ops) = (log(), Vec::new());
        let mut next = 0;
        b.iter_batched_ref(
            || {
                let mut batch = template_batch();
                batch.header.base_offset = next;
                batch.header.partition_leader_epoch = 1;
                next += 15;
                Records::single(Arc::new(batch))
            },
            |records| {
                let appended =
                    log.append_as_follower(std::mem::take(records), 0, &mut ops).expect("in order");
                settle(&mut log, &appended, &mut ops);
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let (mut log, mut ops) = (log(), Vec::new());
    let plain = Records::single(Arc::new(template_batch()));
    for _ in 0..200_000 {
        let appended = log.append_as_leader(&plain, CONTEXT, &mut ops).expect("valid");
        settle(&mut log, &appended, &mut ops);
    }
    let end = log.log_end_offset();
    let mut group = c.benchmark_group("log/read_plan");
    group.bench_function("tail", |b| {
        b.iter(|| log.read_plan(black_box(end - 15), end, 1 << 20));
    });
    group.bench_function("anywhere in 3 GiB", |b| {
        let mut from = 0;
        b.iter(|| {
            from = (from + 1_000_003) % end;
            log.read_plan(black_box(from), end, 1 << 20)
        });
    });
    group.bench_function("bytes_between", |b| {
        b.iter(|| log.bytes_between(black_box(end - 15), end));
    });
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
