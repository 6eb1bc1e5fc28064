//! Which part of a log may be cleaned, and how dirty it is (Kafka's `LogToClean` and
//! `cleanableOffsets`).

use crate::ids::Offset;
use crate::log::Compaction;
use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::plant::{Plant, planted};

/// What a pass would go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dirty {
    /// Everything below has been cleaned.
    pub(crate) from: Offset,
    /// First offset that may not be cleaned: the base of a segment.
    pub(crate) upto: Offset,
    /// Bytes of the segments before `from`.
    pub(crate) clean_bytes: u64,
    /// Bytes of the segments from `from` on.
    pub(crate) dirty_bytes: u64,
    /// Whether the oldest dirty records are older than `max.compaction.lag.ms`.
    pub(crate) is_overdue: bool,
}

impl Dirty {
    /// Whether it is worth a pass.
    pub(crate) fn is_due(&self, config: &Compaction) -> bool {
        let whole = self.clean_bytes + self.dirty_bytes;
        self.dirty_bytes > 0
            && (self.is_overdue || config.min_dirty_ratio.is_below(self.dirty_bytes, whole))
    }

    /// Whether a larger share of it is dirty.
    pub(crate) fn is_dirtier_than(&self, other: &Self) -> bool {
        let whole = |dirty: &Self| u128::from(dirty.clean_bytes + dirty.dirty_bytes);
        u128::from(self.dirty_bytes) * whole(other) > u128::from(other.dirty_bytes) * whole(self)
    }
}

impl Log {
    /// What a pass would go over; `None` when the topic is not compacted. `checkpoint` is where the
    /// last one ended.
    ///
    /// Never cleaned are the active segment, what is not stable yet (LOG-02), and what is younger
    /// than `min.compaction.lag.ms`. Beyond Kafka's rules, neither is what has not been flushed: a
    /// power failure must not take the newest record of a key when the one before is gone already.
    pub(crate) fn dirty(
        &self,
        checkpoint: Option<Offset>,
        high_watermark: Offset,
        wall_ms: i64,
    ) -> Option<Dirty> {
        let config = self.config.compaction?;
        let start = self.log_start;
        let from = checkpoint.filter(|offset| (start..=self.next_offset).contains(offset));
        let from = from.unwrap_or(start);
        let upto = self.first_uncleanable(from, &config, high_watermark, wall_ms);
        let first = self.segment_floor(from);
        let before = self.segments.range(..first);
        let dirty = || self.segments.range(first..).take_while(|segment| segment.base < upto);
        let bytes = |segment: &Segment| u64::from(segment.bytes);
        let firsts = dirty().map(|segment| segment.first_timestamp);
        let oldest = firsts.filter(|timestamp| *timestamp > 0).min();
        let lag_max_ms = config.max_lag_ms.max(config.min_lag_ms);
        Some(Dirty {
            from,
            upto,
            clean_bytes: before.map(bytes).sum(),
            dirty_bytes: dirty().map(bytes).sum(),
            is_overdue: oldest.is_some_and(|oldest| wall_ms.saturating_sub(oldest) > lag_max_ms),
        })
    }

    fn first_uncleanable(
        &self,
        from: Offset,
        config: &Compaction,
        high_watermark: Offset,
        wall_ms: i64,
    ) -> Offset {
        let active = self.active().base;
        let mut bound = active.min(self.recovery_point);
        if planted(self.config.plant, Plant::CleanerPassesHighWatermark) {
            bound = active;
        } else {
            bound = bound.min(self.last_stable_offset(high_watermark));
        }
        if config.min_lag_ms > 0 {
            let youngest = wall_ms.saturating_sub(config.min_lag_ms);
            let old = self.segments.range(self.segment_floor(from)..);
            let young = old.into_iter().find(|s| s.largest_timestamp() > youngest);
            bound = young.map_or(bound, |segment| bound.min(segment.base));
        }
        self.segments[self.segment_floor(bound)].base
    }

    /// Segments that become one: neighbours from the log's beginning on, whose bytes now are no
    /// more than a segment may have, and whose offsets fit one (Kafka's `groupSegmentsBySize`).
    pub(super) fn groups(&self, upto: Offset) -> Vec<Vec<Offset>> {
        let mut groups: Vec<Vec<Offset>> = Vec::new();
        let mut bytes = 0_u64;
        for segment in self.segments.iter().take_while(|segment| segment.base < upto) {
            bytes += u64::from(segment.bytes);
            let near = |base: Offset| segment.next_offset - 1 - base <= Offset::from(i32::MAX);
            match groups.last_mut() {
                Some(group)
                    if bytes <= u64::from(self.config.segment_bytes)
                        && group.first().is_some_and(|base| near(*base)) =>
                {
                    group.push(segment.base);
                }
                _ => {
                    bytes = u64::from(segment.bytes);
                    groups.push(vec![segment.base]);
                }
            }
        }
        groups
    }
}
