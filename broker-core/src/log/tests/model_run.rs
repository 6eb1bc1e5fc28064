//! Random lives of a log, each step compared with the naive model.

use super::model::Model;
use crate::ids::Offset;
use crate::log::testing::{MemoryDisk, TP, batch, client, epochs_written, sequenced};
use crate::log::{Log, LogConfig, Recover};
use crate::records::{Batch, Records};
use crate::seam::DiskOpKind;
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    /// A client's batch: records, body bytes, timestamp.
    Plain(i32, usize, i64),
    /// An idempotent producer's next batch: id, records.
    Sequenced(i64, i32),
    /// A producer with a new epoch.
    Bump(i64),
    /// A producer repeats one of its remembered batches.
    Repeat(i64, usize),
    /// A follower takes some batches: gap before, epochs added, records of each.
    Follow(i64, i32, Vec<i32>),
    /// A new leader epoch.
    Lead,
    /// Truncate this many batches, and perhaps into the next one.
    Truncate(usize, bool),
    /// The disk confirms some of what is in flight.
    Confirm(usize),
    /// The high watermark moves this share of the way to the log end, in eighths.
    HighWatermark(i64),
    /// Keep at most this many bytes.
    Retain(u64),
    /// Power failure: per segment, how many unflushed batches survive.
    Crash(Vec<usize>, bool),
    /// Shutdown and start.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = 0..180_usize;
    prop_oneof![
        4 => (1..6, sizes, 0..10_000_i64).prop_map(|(n, size, ts)| Step::Plain(n, size, ts)),
        6 => (0..4_i64, 1..6).prop_map(|(id, n)| Step::Sequenced(id, n)),
        1 => (0..4_i64).prop_map(Step::Bump),
        2 => (0..4_i64, 0..5_usize).prop_map(|(id, nth)| Step::Repeat(id, nth)),
        2 => (0..3_i64, 0..2, prop::collection::vec(1..4, 1..6))
            .prop_map(|(gap, epochs, counts)| Step::Follow(gap, epochs, counts)),
        1 => Just(Step::Lead),
        3 => (0..12_usize, any::<bool>()).prop_map(|(n, into)| Step::Truncate(n, into)),
        3 => (0..4_usize).prop_map(Step::Confirm),
        2 => (0..9_i64).prop_map(Step::HighWatermark),
        1 => (0..3000_u64).prop_map(Step::Retain),
        1 => (prop::collection::vec(0..8_usize, 4), any::<bool>())
            .prop_map(|(keep, old)| Step::Crash(keep, old)),
        1 => Just(Step::Restart),
    ]
}

struct World {
    log: Log,
    disk: MemoryDisk,
    model: Model,
    epoch: i32,
    high_watermark: Offset,
    /// Numbers of appends.
    in_flight: Vec<u64>,
    syncs: Vec<Offset>,
    /// The log was cut within a gap, and may have gone on there.
    ends_in_gap: bool,
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 150, ..LogConfig::kafka_defaults() }
}

impl World {
    fn new() -> Self {
        let model = Model { exact: true, ..Model::default() };
        Self {
            log: Log::create(TP, config(), 0),
            disk: MemoryDisk::default(),
            model,
            epoch: 0,
            high_watermark: 0,
            in_flight: Vec::new(),
            syncs: Vec::new(),
            ends_in_gap: false,
        }
    }

    /// The disk does it at once; completions come later.
    fn submit(&mut self, ops: &[DiskOpKind]) {
        self.disk.apply(ops);
        epochs_written(&mut self.log, ops);
        for op in ops {
            if let DiskOpKind::Sync { segment, .. } = op {
                self.syncs.push(*segment);
            }
        }
    }

    fn keep(&mut self, records: &Records) {
        self.model.batches.extend(records.batches().iter().cloned());
        self.model.end = records.last_offset().map_or(self.model.end, |last| last + 1);
    }

    fn lead(&mut self, batch: Batch) {
        let mut ops = Vec::new();
        let records = Records::single(Arc::new(batch));
        let appended = self
            .log
            .append_as_leader(&records, client(self.epoch), &mut ops)
            .expect("a batch in sequence is accepted");
        assert!(!appended.duplicate);
        assert_eq!(appended.first_offset, self.model.end);
        assert!(matches!(ops.last(), Some(DiskOpKind::Append { .. })));
        self.submit(&ops);
        self.in_flight.push(appended.number);
        self.keep(&appended.records);
    }

    fn repeat(&mut self, id: i64, nth: usize) {
        let known = self.log.producers.entries().iter().find(|p| p.id == id).copied();
        let Some(producer) = known else { return };
        let Some(meta) = producer.batches().get(nth) else { return };
        let again = sequenced(id, producer.epoch, meta.first_sequence(), meta.offset_delta + 1);
        let mut ops = Vec::new();
        let records = Records::single(Arc::new(again));
        let answer = self
            .log
            .append_as_leader(&records, client(self.epoch), &mut ops)
            .expect("a repetition is no error");
        assert!(answer.duplicate && ops.is_empty());
        assert_eq!(answer.last_offset, meta.last_offset);
    }

    fn follow(&mut self, gap: i64, epochs: i32, counts: &[i32]) {
        // nobody follows in an epoch in which it leads
        let leads =
            self.log.epoch_entries().last().is_some_and(|e| e.start_offset == self.model.end);
        self.epoch += if leads { 1 } else { epochs };
        let mut base = self.log.next_offset() + gap;
        let mut records = Records::default();
        for count in counts {
            let mut next = batch(*count, 60, 500);
            next.header.base_offset = base;
            next.header.partition_leader_epoch = self.epoch;
            base = next.next_offset();
            records.push(Arc::new(next));
        }
        let mut ops = Vec::new();
        let appended =
            self.log.append_as_follower(records.clone(), 0, &mut ops).expect("offsets go up");
        self.submit(&ops);
        self.in_flight.push(appended.number);
        self.keep(&records);
    }

    fn truncate(&mut self, count: usize, into: bool) {
        let keep = self.model.batches.len().saturating_sub(count);
        let end = keep.checked_sub(1).map_or(0, |last| self.model.batches[last].next_offset());
        let mut offset = end.min(self.model.end).max(self.log.log_start_offset());
        // deeper, epochs begin with batches, and so do truncations
        if into
            && let Some(next) = self.model.batches.get(keep)
            && self.log.marks.reach(next.base_offset())
        {
            offset = offset.max(next.last_offset());
        }
        let deep = offset < self.high_watermark || !self.log.marks.reach(offset);
        let before = self.log.next_offset();
        let mut ops = Vec::new();
        let cut = self.log.truncate_to(offset, &mut ops);
        assert_eq!(cut, offset < before);
        self.submit(&ops);
        self.model.truncate(offset);
        self.model.end = self.log.next_offset();
        let whole = self.model.batches.last().map_or(0, |last| last.next_offset());
        assert!(self.model.end >= whole && self.model.end <= offset.min(before));
        self.model.exact &= !(deep && cut);
        self.ends_in_gap |= self.model.end > whole;
        self.high_watermark = self.high_watermark.min(self.model.end);
    }

    fn confirm(&mut self, count: usize) {
        let mut done: Vec<u64> = self.in_flight.drain(..count.min(self.in_flight.len())).collect();
        if count % 2 == 1 {
            done.reverse(); // a flushed append may end before one that is not
        }
        for number in done {
            self.log.append_done(number);
        }
        if self.in_flight.is_empty() {
            assert!(!self.log.has_in_flight());
            assert_eq!(self.log.log_end_offset(), self.log.next_offset());
        }
        for segment in self.syncs.drain(..count.min(self.syncs.len())) {
            self.log.sync_done(segment);
        }
    }

    fn retain(&mut self, bytes: u64) {
        let limit = LogConfig { retention_bytes: Some(bytes), ..config() };
        self.log.set_config(limit);
        let start = self.log.log_start_offset();
        let mut ops = Vec::new();
        let moved = self.log.retention(0, self.high_watermark, &mut ops);
        assert!(moved.is_none_or(|to| to > start && to <= self.high_watermark));
        self.submit(&ops);
        self.log.set_config(config());
    }

    fn load(&mut self, boot: Recover) {
        self.in_flight.clear();
        self.syncs.clear();
        let mut ops = Vec::new();
        (self.log, _) = Log::recover(TP, config(), &self.disk, boot, &mut ops);
        self.submit(&ops);
        self.high_watermark = self.high_watermark.min(self.log.next_offset());
        assert_eq!(self.log.log_end_offset(), self.log.next_offset());
        // loading again changes nothing more
        let mut ops = Vec::new();
        let recovery_point = self.log.recovery_point();
        let (again, stats) =
            Log::recover(TP, config(), &self.disk, Recover { recovery_point, ..boot }, &mut ops);
        let cuts = ops.iter().any(|op| matches!(op, DiskOpKind::Truncate { .. }));
        assert_eq!((stats.truncated_bytes, cuts), (0, false), "{ops:?}");
        assert_eq!(again.next_offset(), self.log.next_offset());
        // an epoch that began in a gap, which only these tests make, may be forgotten
        assert!(again.epoch_entries().iter().all(|entry| self.log.epoch_entries().contains(entry)));
    }

    fn crash(&mut self, keep: &[usize], old_checkpoint: bool) {
        let mut turn = 0;
        self.disk.crash(|_, _| {
            turn += 1;
            keep[turn % keep.len()]
        });
        let recovery_point = if old_checkpoint { 0 } else { self.log.recovery_point() };
        let log_start_offset = self.log.log_start_offset();
        let last = self.model.batches.iter().rev().map(|batch| batch.next_offset());
        let flushed = last.filter(|end| *end <= self.log.recovery_point()).max().unwrap_or(0);
        self.load(Recover { recovery_point, log_start_offset, ..Recover::default() });
        let end = self.log.next_offset();
        // Who finds an old checkpoint cannot tell a segment that was cut within a gap from one that lost its
        // tail: what comes behind is fetched again.
        let is_told_apart = !(old_checkpoint && self.ends_in_gap);
        assert!(end >= flushed || !is_told_apart, "what was flushed is still there");
        self.model.truncate(end);
        assert_eq!(self.model.end, end);
        self.model.exact = false;
    }

    fn restart(&mut self) {
        self.confirm(usize::MAX);
        let mut ops = Vec::new();
        self.log.close(&mut ops);
        self.submit(&ops);
        self.confirm(usize::MAX);
        let whole = self.model.batches.last().map_or(0, |last| last.next_offset());
        assert!(self.log.recovery_point() >= whole, "a clean shutdown flushes");
        self.load(Recover {
            recovery_point: self.log.recovery_point(),
            log_start_offset: self.log.log_start_offset(),
            clean: true,
            high_watermark: Some(self.high_watermark),
            tiered: false,
        });
        // a gap at the very end is not on disk
        assert!((whole..=self.model.end).contains(&self.log.next_offset()));
        self.model.end = self.log.next_offset();
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Plain(count, size, timestamp) => self.lead(batch(*count, *size, *timestamp)),
            Step::Sequenced(id, count) => {
                let state = self.model.producers().remove(id).unwrap_or_default();
                let next = state.batches.last().map_or(0, |last| last.last_sequence + 1);
                self.lead(sequenced(*id, state.epoch, next, *count));
            }
            Step::Bump(id) => {
                let state = self.model.producers().remove(id).unwrap_or_default();
                self.lead(sequenced(*id, state.epoch + 1, 0, 1));
            }
            Step::Repeat(id, nth) => self.repeat(*id, *nth),
            Step::Follow(gap, epochs, counts) => self.follow(*gap, *epochs, counts),
            Step::Lead => {
                self.epoch += 1;
                let mut ops = Vec::new();
                self.log.assign_epoch_start(self.epoch, self.log.next_offset(), &mut ops);
                self.submit(&ops);
            }
            Step::Truncate(count, into) => self.truncate(*count, *into),
            Step::Confirm(count) => self.confirm(*count),
            Step::HighWatermark(eighths) => {
                let room = self.log.log_end_offset() - self.high_watermark;
                self.high_watermark += room.max(0) * eighths / 8;
                self.log.note_high_watermark(self.high_watermark);
            }
            Step::Retain(bytes) => self.retain(*bytes),
            Step::Crash(keep, old) => self.crash(keep, *old),
            Step::Restart => self.restart(),
        }
        self.model.check(&self.log, &self.disk);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_log_is_what_the_naive_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
    }
}

/// The segment that goes on behind a cut in a gap stayed when the next cut was below its base: what was appended
/// then had a place before its first.
#[test]
fn a_log_is_cut_below_where_it_went_on_in_a_gap() {
    let mut world = World::new();
    let plain = || Step::Plain(1, 0, 0);
    let first = [plain(), Step::Follow(1, 0, vec![1; 4]), Step::Truncate(4, true)];
    let more = (0..5).map(|_| plain());
    let last = [Step::Truncate(5, false), Step::Follow(0, 0, vec![2])];
    for step in first.iter().cloned().chain(more).chain(last.iter().cloned()) {
        world.take(&step);
    }
    assert_eq!(world.log.next_offset(), 3);
    // with nothing behind the gap, too
    let mut world = World::new();
    for step in first.iter().chain(&[Step::Truncate(0, false), Step::Follow(0, 0, vec![2])]) {
        world.take(step);
    }
    assert_eq!(world.log.next_offset(), 3);
}

/// The snapshot of a clean end was forgotten by the start after a crash, outlived the cut below it, and told of
/// producers whose batches were gone.
#[test]
fn a_snapshot_of_a_clean_end_goes_with_what_it_tells_of() {
    let mut world = World::new();
    let plain = |count| Step::Plain(count, 0, 0);
    let first = [plain(3), Step::Sequenced(0, 4), Step::Restart, plain(1)];
    let cut = [Step::Crash(vec![0, 1, 0, 0], false), Step::Truncate(3, false)];
    let again = [Step::Follow(2, 0, vec![1, 2, 1, 1]), Step::Truncate(2, false)];
    let more = [Step::Follow(2, 0, vec![1; 3]), plain(1), Step::Restart, Step::Truncate(4, true)];
    let steps = first.into_iter().chain(cut).chain(again).chain(more);
    for step in steps.chain([Step::Crash(vec![0; 4], false)]) {
        world.take(&step);
    }
}

/// Recovery cut a torn segment behind a gap to nothing, and took its file along: the next start ended before the gap.
#[test]
fn a_log_that_lost_what_came_behind_a_gap_ends_there_again() {
    let mut world = World::new();
    let plain = |bytes| Step::Plain(1, bytes, 0);
    let first = [plain(158), Step::Follow(1, 0, vec![1; 5]), plain(40), plain(15)];
    let cut = [Step::Truncate(7, true), plain(0), Step::Confirm(1), plain(0)];
    for step in first.into_iter().chain(cut).chain([Step::Crash(vec![0; 4], false)]) {
        world.take(&step);
    }
    assert_eq!(world.log.next_offset(), 2);
}

/// What was appended where the log was cut in a gap was flushed, and a clean restart took it for what
/// follows a lost tail.
#[test]
fn a_log_that_went_on_in_a_gap_is_whole_after_a_restart() {
    let mut world = World::new();
    let follow = |gap| Step::Follow(gap, 0, vec![1; 5]);
    let plain = |bytes| Step::Plain(1, bytes, 0);
    let first = [plain(6), follow(0), plain(40), follow(1), plain(0)];
    for step in first.into_iter().chain([Step::Truncate(6, true), plain(167), Step::Restart]) {
        world.take(&step);
    }
    assert_eq!(world.log.next_offset(), 9);
}
