//! Unavailability of partitions: how long records waited while nothing was acknowledged.
//!
//! When a batch ends at `done`, its oldest record had waited since `intended`. The partition was
//! unavailable to it from the later of `intended` and the partition's last acknowledgement until
//! `done`; the longest such time counts. A batch that fails ends a wait but is no acknowledgement,
//! so the next one counts from the same point. The warm-up does not count: a gap begins at its end
//! at the earliest. Records that still wait when the run ends have waited until then. Left out: an older
//! batch that is overtaken (its wait is counted from the overtaking acknowledgement when its own turn comes).

use stormglass_broker_core::ids::TopicPartition;
use stormglass_reports::recording::Unavailability;

use super::topics::Topics;
use crate::client::BatchDone;
use crate::partition_index::PartitionIndex;

/// The longest one of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gap {
    last_ack_ns: u64,
    longest_ns: u64,
    from_ns: u64,
}

/// Longest gaps by partition.
#[derive(Debug)]
pub(crate) struct Outages {
    index: PartitionIndex,
    gaps: Vec<(TopicPartition, Gap)>,
    from_ns: u64,
}

impl Outages {
    /// Gaps count from `from_ns` on.
    pub(crate) fn new(from_ns: u64) -> Self {
        Self { index: PartitionIndex::default(), gaps: Vec::new(), from_ns }
    }

    /// A batch ended.
    pub(crate) fn ended(&mut self, done: &BatchDone, acked: bool) {
        let Some(oldest) = done.records.first() else { return };
        let gap = self.waited(done.tp, oldest.intended_ns, done.done_ns);
        if acked {
            gap.last_ack_ns = gap.last_ack_ns.max(done.done_ns);
        }
    }

    /// A record has waited from when it was intended until `until_ns`.
    pub(crate) fn waited(
        &mut self,
        tp: TopicPartition,
        intended_ns: u64,
        until_ns: u64,
    ) -> &mut Gap {
        let at = self.index.get(tp).unwrap_or_else(|| {
            self.index.insert(tp, self.gaps.len());
            self.gaps.push((tp, Gap::default()));
            self.gaps.len() - 1
        });
        let gap = &mut self.gaps[at].1;
        let from_ns = intended_ns.max(gap.last_ack_ns).max(self.from_ns);
        let length_ns = until_ns.saturating_sub(from_ns);
        if length_ns > gap.longest_ns {
            (gap.longest_ns, gap.from_ns) = (length_ns, from_ns);
        }
        gap
    }

    /// Worst first, then by name.
    pub(crate) fn into_list(self, topics: &Topics) -> Vec<Unavailability> {
        let mut partitions = self.gaps;
        partitions.sort_unstable_by_key(|(tp, gap)| (std::cmp::Reverse(gap.longest_ns), *tp));
        let list = partitions.into_iter().map(|(tp, gap)| Unavailability {
            partition: topics.label(tp),
            longest_ns: gap.longest_ns,
            from_ns: gap.from_ns,
        });
        list.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{batch_done, tp};

    fn longest(batches: &[(u64, u64, bool)]) -> (u64, u64) {
        let mut outages = Outages::new(100);
        for &(intended_ns, done_ns, acked) in batches {
            outages.ended(&batch_done(tp(0), 1, &[intended_ns], done_ns), acked);
        }
        let list = outages.into_list(&Topics::default());
        (list[0].longest_ns, list[0].from_ns)
    }

    #[test]
    fn a_gap_begins_with_the_first_record_that_waits() {
        // acked at 210; nothing wanted until 500; that record waits until 900
        assert_eq!(longest(&[(200, 210, true), (500, 900, true)]), (400, 500));
    }

    #[test]
    fn a_gap_begins_with_the_last_acknowledgement_at_the_earliest() {
        // both records waited since 200, but acknowledgements kept coming
        assert_eq!(longest(&[(200, 260, true), (200, 300, true), (201, 350, true)]), (60, 200));
    }

    #[test]
    fn a_failure_does_not_end_a_gap() {
        assert_eq!(longest(&[(200, 210, true), (300, 400, false), (305, 450, true)]), (145, 305));
        assert_eq!(longest(&[(200, 210, true), (300, 700, false)]), (400, 300));
    }

    #[test]
    fn what_still_waits_has_waited_until_the_end() {
        let mut outages = Outages::new(100);
        outages.ended(&batch_done(tp(0), 1, &[200], 210), true);
        outages.waited(tp(0), 205, 1_000);
        outages.waited(tp(0), 600, 1_000);
        let list = outages.into_list(&Topics::default());
        assert_eq!((list[0].longest_ns, list[0].from_ns), (790, 210));
    }

    #[test]
    fn the_warm_up_does_not_count() {
        assert_eq!(longest(&[(0, 150, true)]), (50, 100));
    }

    #[test]
    fn the_worst_partition_comes_first() {
        let mut outages = Outages::new(0);
        for (partition, done_ns) in [(0, 20), (1, 90), (2, 50)] {
            outages.ended(&batch_done(tp(partition), 1, &[10], done_ns), true);
        }
        let list = outages.into_list(&Topics::default());
        let order: Vec<u64> = list.iter().map(|entry| entry.longest_ns).collect();
        assert_eq!(order, [80, 40, 10]);
    }
}
