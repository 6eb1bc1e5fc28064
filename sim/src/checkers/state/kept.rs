//! Checkpoints keep up with what they are of: what a replica knew a while ago, its disk knows now.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::disk::Disk;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::{ReplicaView, offsets_of_checkpoint};
use stormglass_broker_core::seam::{DiskImage, FileName};
use stormglass_scenarios::plan::Plan;

/// What a write is given beyond its interval in a healed cluster, ns: looks are a second apart, and a
/// checkpoint is one write.
const SLACK_NS: u64 = 3_000_000_000;
/// Looks that are remembered of a replica; longer intervals are not checked.
const LOOKS_MAX: usize = 12;

/// What a replica knew.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// When the disk was through with what it had been given by then: a volume that was slow may work at that
    /// for long after it is as fast as ever (hunt seed 15000029).
    at_ns: u64,
    high_watermark: Offset,
    log_start: Offset,
    recovery_point: Offset,
    /// Where its newest segment begins.
    active: Offset,
}

impl Look {
    fn of(replica: &ReplicaView<'_>, at_ns: u64) -> Self {
        Self {
            at_ns,
            high_watermark: replica.high_watermark,
            log_start: replica.log.log_start_offset(),
            recovery_point: replica.log.recovery_point(),
            active: replica.log.active_segment(),
        }
    }
}

/// What replicas knew, by node.
#[derive(Debug)]
pub(crate) struct Kept {
    /// `replica.high.watermark.checkpoint.interval.ms`, ns.
    marks_ns: u64,
    /// `log.flush.offset.checkpoint.interval.ms`, ns.
    points_ns: u64,
    looks: BTreeMap<(i32, TopicPartition), VecDeque<Look>>,
    /// By node, as they were read last.
    checkpoints: BTreeMap<i32, Checkpoints>,
}

/// A checkpoint, and the bytes that it was read from.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    bytes: Option<Bytes>,
    pub(super) rows: BTreeMap<TopicPartition, Offset>,
}

impl Checkpoint {
    /// Reads it, if it is not what was read before: most are seldom written, or as they were.
    fn read(&mut self, disk: &Disk, name: &FileName) {
        let bytes = disk.file(name);
        if self.bytes != bytes {
            self.rows = bytes.as_deref().map_or_else(BTreeMap::new, offsets_of_checkpoint);
            self.bytes = bytes;
        }
    }

    pub(super) fn get(&self, tp: &TopicPartition) -> Option<Offset> {
        self.rows.get(tp).copied()
    }
}

/// A node's checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    pub(super) marks: Checkpoint,
    pub(super) starts: Checkpoint,
    pub(super) points: Checkpoint,
}

impl Checkpoints {
    /// As its disk has them, without high watermarks, which change with every write.
    pub(crate) fn without_marks(disk: &Disk) -> Self {
        let mut checkpoints = Self::default();
        checkpoints.read(disk, false);
        checkpoints
    }

    fn read(&mut self, disk: &Disk, with_marks: bool) {
        if with_marks {
            self.marks.read(disk, &FileName::HighWatermarks);
        }
        self.starts.read(disk, &FileName::LogStartOffsets);
        self.points.read(disk, &FileName::RecoveryPoints);
    }
}

impl Kept {
    /// With the intervals of a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let ns = |key: &str, default_ms: u64| {
            plan.cluster.config_ms(key, default_ms).saturating_mul(1_000_000)
        };
        Self {
            marks_ns: ns("replica.high.watermark.checkpoint.interval.ms", 5_000),
            points_ns: ns("log.flush.offset.checkpoint.interval.ms", 60_000),
            looks: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        }
    }

    /// A node's checkpoints, as its disk has them; high watermarks are as they were `with_marks` last.
    pub(crate) fn read(&mut self, node: i32, disk: &Disk, with_marks: bool) -> Checkpoints {
        let mut checkpoints = self.checkpoints.remove(&node).unwrap_or_default();
        checkpoints.read(disk, with_marks);
        checkpoints
    }

    /// They are compared, and kept for the next look.
    pub(crate) fn put_back(&mut self, node: i32, checkpoints: Checkpoints) {
        self.checkpoints.insert(node, checkpoints);
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.looks.retain(|(of, _), _| *of != node);
    }

    /// A replica was cut: what it knew before may have gone, and come again since (hunt seed 210285).
    pub(crate) fn cut(&mut self, node: i32, tp: TopicPartition) {
        self.looks.remove(&(node, tp));
    }

    /// Notes what a replica knows, whose disk still works for `backlog_ns`; in a healed cluster compares what it
    /// knew with its `checkpoints`.
    pub(crate) fn look(
        &mut self,
        p: &Partition,
        ledger: &mut Ledger,
        (Of { node, replica }, backlog_ns): (Of<'_>, u64),
        checkpoints: Option<&Checkpoints>,
    ) {
        let now_ns = ledger.now_ns;
        let now = Look::of(replica, now_ns.saturating_add(backlog_ns));
        let looks = self.looks.entry((node, replica.tp)).or_default();
        if let Some(kept) = checkpoints {
            let due = |interval_ns: u64| {
                let is_old =
                    |look: &&Look| now_ns.saturating_sub(look.at_ns) >= interval_ns + SLACK_NS;
                looks.iter().rev().find(is_old)
            };
            let rolled = due(SLACK_NS).map(|then| then.active);
            let rolled = rolled.filter(|then| looks.iter().any(|before| before.active < *then));
            check(p, ledger, rolled.is_none_or(|end| now.recovery_point >= end), &|| {
                format!(
                    "replica {node} has rolled a segment that ends at {rolled:?} a while ago, and knows it to \
                     be flushed up to {} only",
                    now.recovery_point
                )
            });
            let mut rule = |what: &str, known: Option<(Offset, Offset)>, kept: Option<Offset>| {
                let kept = kept.unwrap_or(0);
                // what has gone back since was cut
                let known = known.map_or(0, |(then, now)| then.min(now));
                check(p, ledger, kept >= known, &|| {
                    format!(
                        "replica {node} has had {what} {known} for a while, its checkpoint has {kept}"
                    )
                });
            };
            let (marks, points) = (due(self.marks_ns), due(self.points_ns));
            let tp = &replica.tp;
            let mark = marks.map(|then| (then.high_watermark, now.high_watermark));
            rule("high watermark", mark, kept.marks.get(tp));
            let start = points.map(|then| (then.log_start, now.log_start));
            rule("log start", start, kept.starts.get(tp));
            let point = points.map(|then| (then.recovery_point, now.recovery_point));
            rule("recovery point", point, kept.points.get(tp));
        }
        if looks.len() == LOOKS_MAX {
            looks.pop_front();
        }
        looks.push_back(now);
    }
}
