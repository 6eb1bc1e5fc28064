//! Random operations against the plainest model there is: lists of batches.

use super::testing::{MS, Maker, Shape, config, tp};
use super::{Disk, DiskConfig};
use crate::rng::{Stream, Streams};
use std::sync::Arc;
use stormglass_broker_core::ids::{DiskOpId, Offset};
use stormglass_broker_core::records::{Batch, Records};
use stormglass_broker_core::seam::{DiskImage, DiskOp, DiskOpKind, DiskResult, ReadRange, ScanEnd};

const BATCH: u64 = 2 << 10;
const RECORDS: i64 = 4;

/// Segments with what was appended to them.
type Model = Vec<(Offset, Vec<Arc<Batch>>)>;

struct World {
    disk: Disk,
    model: Model,
    maker: Maker,
    stream: Stream,
    now_ns: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let shape = Shape { size_bytes: 2048, records: 4, ..Shape::default() };
        // A small cache, so that eviction, writeback and throttling all take part.
        let config = DiskConfig {
            cache_bytes: 1 << 20,
            dirty_background_bytes: 100 << 10,
            dirty_limit_bytes: 200 << 10,
            writeback_expire_ns: 20 * MS,
            writeback_interval_ns: 5 * MS,
            readahead_bytes: 8 << 10,
            chunk_bytes: 64 << 10,
            ..config()
        };
        Self {
            disk: Disk::new(config, &Streams::new(seed), 1),
            model: vec![(0, Vec::new())],
            maker: Maker::new(shape),
            stream: Streams::new(seed).stream("test", "operations"),
            now_ns: 0,
        }
    }

    fn submit(&mut self, kind: DiskOpKind) -> DiskResult {
        let done = self.disk.submit(self.now_ns, DiskOp { id: DiskOpId(0), kind });
        assert!(done.at_ns >= self.now_ns);
        done.result
    }

    fn end(&self) -> Offset {
        let (base, batches) = self.model.last().unwrap();
        batches.last().map_or(*base, |batch| batch.next_offset())
    }

    fn append(&mut self) {
        if self.stream.below(6) == 0 && !self.model.last().unwrap().1.is_empty() {
            self.model.push((self.end(), Vec::new()));
        }
        let count = 1 + self.stream.below(200) as usize;
        self.maker.continue_at(self.end());
        let batches = self.maker.batches(count);
        let (segment, held) = self.model.last_mut().unwrap();
        held.extend(batches.iter().cloned());
        let segment = *segment;
        let records = Records::new(batches);
        assert_eq!(
            self.submit(DiskOpKind::Append { tp: tp(0), segment, records }),
            DiskResult::Done
        );
    }

    fn truncate(&mut self) {
        let start = self.model[0].0;
        let to = self.end() - self.stream.below((self.end() - start + 3).unsigned_abs()) as i64;
        assert_eq!(self.submit(DiskOpKind::Truncate { tp: tp(0), to }), DiskResult::Done);
        self.cut(to);
    }

    fn cut(&mut self, to: Offset) {
        if to <= self.model[0].0 {
            self.model = vec![(to, Vec::new())];
        } else {
            self.model.retain(|(base, _)| *base < to);
            let (_, batches) = self.model.last_mut().unwrap();
            batches.retain(|batch| batch.last_offset() < to);
        }
    }

    fn delete_oldest(&mut self) {
        if self.model.len() > 1 {
            let (oldest, _) = self.model.remove(0);
            self.submit(DiskOpKind::DeleteSegments { tp: tp(0), segments: vec![oldest] });
        }
    }

    fn read(&mut self) {
        let at = self.stream.below(self.model.len() as u64) as usize;
        let (segment, batches) = self.model[at].clone();
        let span = batches.len() as u64 * RECORDS as u64 + 1;
        let from = segment + self.stream.below(span) as i64;
        let max_bytes = self.stream.below(50 * BATCH) as u32;
        let upto = from + self.stream.below(200) as i64;
        let range = ReadRange { tp: tp(0), segment, position: 0, from, upto, max_bytes };
        let kind = DiskOpKind::Read { ranges: vec![range], max_bytes };
        let DiskResult::Read(records) = self.submit(kind) else { panic!("a read yields records") };
        let fits = (u64::from(max_bytes) / BATCH).max(1) as usize;
        let expected = batches
            .iter()
            .skip_while(|batch| batch.last_offset() < from)
            .take_while(|batch| batch.last_offset() < upto)
            .take(fits);
        assert!(records[0].batches().iter().eq(expected), "from {from} upto {upto}");
    }

    /// What survives must be a beginning of each segment, and at least what was synced.
    fn crash(&mut self) {
        let synced = (self.stream.below(2) == 0).then(|| {
            let (segment, batches) = self.model.last().unwrap().clone();
            let kind = DiskOpKind::Sync { tp: tp(0), segment };
            let op = DiskOp { id: DiskOpId(0), kind };
            self.now_ns = self.disk.submit(self.now_ns, op).at_ns;
            (segment, batches.len())
        });
        let stream = &mut self.stream;
        self.disk.crash_power(self.now_ns, &mut |n| stream.below(n));
        let mut first_torn = None;
        for (base, batches) in &mut self.model {
            let mut left = Vec::new();
            let end = self.disk.scan(tp(0), *base, &mut |_, batch| left.push(Arc::clone(batch)));
            assert_eq!(left, batches[..left.len()], "a beginning survives");
            if synced.is_some_and(|(segment, _)| segment == *base) {
                assert_eq!(Some(left.len()), synced.map(|(_, count)| count), "synced is durable");
            }
            if let ScanEnd::Torn { bytes } = end {
                assert!(bytes > 0 && bytes < BATCH && left.len() < batches.len());
            }
            if left.len() < batches.len() && first_torn.is_none() {
                first_torn = Some(*base + left.len() as i64 * RECORDS);
            }
            *batches = left;
        }
        // recovery cuts at the first loss, as Kafka does
        if let Some(to) = first_torn {
            self.submit(DiskOpKind::Truncate { tp: tp(0), to });
            self.cut(to);
        }
    }

    fn check(&mut self) {
        let bases: Vec<Offset> = self.model.iter().map(|segment| segment.0).collect();
        // an empty last segment exists on the disk only once something was appended
        let on_disk: Vec<Offset> = self.disk.segments(tp(0));
        let filled = |base: &&Offset| self.disk.summary(tp(0), **base).bytes > 0;
        assert!(
            on_disk.iter().filter(filled).eq(bases.iter().filter(filled)),
            "{on_disk:?} {bases:?}"
        );
        let bytes: u64 = self.model.iter().map(|(_, held)| held.len() as u64 * BATCH).sum();
        let counters = self.disk.take_counters(self.now_ns);
        assert_eq!(counters.used_bytes, bytes);
        assert!(counters.dirty_bytes <= counters.cached_bytes + (8 << 20));
        for (base, held) in &self.model {
            let summary = self.disk.summary(tp(0), *base);
            assert_eq!(u64::from(summary.bytes), held.len() as u64 * BATCH);
            assert_eq!(summary.next_offset, held.last().map_or(*base, |last| last.next_offset()));
            let newest = held.iter().map(|batch| batch.header.max_timestamp).max();
            assert_eq!(summary.max_timestamp, newest.unwrap_or(-1));
        }
    }
}

#[test]
fn the_disk_holds_what_a_list_would_hold() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            match world.stream.below(20) {
                0..8 => world.append(),
                8..15 => world.read(),
                15..17 => world.truncate(),
                17..19 => world.delete_oldest(),
                _ => world.crash(),
            }
            world.now_ns += world.stream.below(10 * MS);
            if world.disk.next_wakeup().is_some_and(|at_ns| at_ns <= world.now_ns) {
                world.disk.on_wakeup(world.now_ns);
            }
            world.check();
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let run = || {
        let mut world = World::new(3);
        let mut ends = Vec::new();
        for _ in 0..200 {
            world.append();
            world.now_ns += MS;
            let kind = DiskOpKind::Sync { tp: tp(0), segment: world.model.last().unwrap().0 };
            let done = world.disk.submit(world.now_ns, DiskOp { id: DiskOpId(0), kind });
            ends.push(done.at_ns);
        }
        ends
    };
    assert_eq!(run(), run());
}
