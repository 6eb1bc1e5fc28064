//! Retention by time takes nothing that is young enough to stay. Known of topics that lose records by
//! `retention.ms` and for no other reason, in runs whose clocks are right.

use super::configured::has_right_clocks;
use super::ledger::{Check, Ledger};
use super::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, Offset};
use stormglass_broker_core::records::Batch;
use stormglass_scenarios::plan::{Action, Operation, Plan, TopicPlan};

/// Clocks of brokers and clients differ by less, ms.
const CLOCKS_MS: i64 = 500;

/// Batches of a partition that have not been deleted.
#[derive(Debug)]
pub(crate) struct Ages {
    retention_ms: i64,
    /// Newest epoch of a leader that has appended: one that is deposed and does not know it deletes nothing here.
    epoch: LeaderEpoch,
    /// Offset after a batch and its newest time, by base offset.
    batches: BTreeMap<Offset, (Offset, i64)>,
}

/// `retention.ms` of topics that lose records by that alone.
pub(super) fn aged_topics(plan: &Plan) -> BTreeMap<String, i64> {
    let topics = plan.topics.iter().filter(|topic| !loses_otherwise(plan, topic));
    let aged = topics.filter_map(|topic| {
        let retention_ms = topic.config.get("retention.ms")?.parse().ok().filter(|ms| *ms >= 0)?;
        Some((topic.name.clone(), retention_ms))
    });
    aged.collect()
}

impl Ages {
    /// Of a partition without records.
    pub(super) fn new(retention_ms: i64) -> Self {
        Self { retention_ms, epoch: NO_EPOCH, batches: BTreeMap::new() }
    }

    /// A leader has appended a batch: what was there is gone.
    pub(super) fn appended(&mut self, batch: &Batch) {
        let epoch = batch.header.partition_leader_epoch;
        if epoch < self.epoch {
            return;
        }
        self.epoch = epoch;
        self.batches.split_off(&batch.base_offset());
        let (next, newest) = (batch.next_offset(), batch.header.max_timestamp);
        self.batches.insert(batch.base_offset(), (next, newest));
    }

    /// The youngest batch below an offset, which are forgotten.
    fn take_below(&mut self, start: Offset) -> Option<(Offset, i64)> {
        let mut youngest: Option<(Offset, i64)> = None;
        while let Some(first) = self.batches.first_entry().filter(|first| first.get().0 <= start) {
            let (base, (_, newest)) = first.remove_entry();
            if youngest.is_none_or(|(_, known)| known < newest) {
                youngest = Some((base, newest));
            }
        }
        youngest
    }
}

fn loses_otherwise(plan: &Plan, topic: &TopicPlan) -> bool {
    let has = |key: &str| topic.config.contains_key(key);
    let size = topic.config.get("retention.bytes");
    let size = size.or_else(|| plan.cluster.config.get("log.retention.bytes"));
    let by_size = size.is_some_and(|bytes| bytes != "-1");
    let is_other = by_size || has("cleanup.policy") || has("remote.storage.enable");
    let changes = plan.events.iter().any(|event| match &event.action {
        Action::Admin { operation: Operation::SetTopicConfig { topic: of, .. } }
        | Action::Admin { operation: Operation::DeleteRecords { topic: of, .. } } => {
            *of == topic.name
        }
        _ => false,
    });
    is_other || changes || !has_right_clocks(plan)
}

/// A replica's log begins at an offset; the first one to say so has deleted what is below.
pub(super) fn deleted(
    p: &mut Partition,
    ledger: &mut Ledger,
    node: i32,
    (start, wall_ms): (Offset, i64),
) {
    let Some(ages) = &mut p.ages else { return };
    let Some((base, newest)) = ages.take_below(start) else { return };
    let retention_ms = ages.retention_ms;
    ledger.checked(Check::Replicas, 1);
    if wall_ms - newest + CLOCKS_MS <= retention_ms {
        ledger.broken(Check::Replicas, p.about(), &|| {
            format!(
                "replica {node} deletes what is below {start}; the batch at offset {base} is {} ms \
                 old, and retention.ms is {retention_ms}",
                wall_ms - newest
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    fn broken(start: Offset, wall_ms: i64) -> usize {
        let mut p = Partition::new("t-0".to_owned(), 1);
        let mut ages = Ages::new(1_000);
        for (base, time) in [(0, 9_000), (10, 12_000), (20, 5_000), (10, 7_000), (20, 8_000)] {
            let mut batch = Batch::clone(&batch(base, 10, 1));
            batch.header.max_timestamp = time;
            ages.appended(&batch);
        }
        p.ages = Some(ages);
        let mut ledger = Ledger::default();
        deleted(&mut p, &mut ledger, 1, (start, wall_ms));
        deleted(&mut p, &mut ledger, 2, (start, wall_ms));
        ledger.finish().1.len()
    }

    #[test]
    fn what_goes_is_old_enough() {
        assert_eq!(broken(20, 10_001), 0);
        assert_eq!(broken(20, 9_200), 1, "the batch at offset 0 is young");
        assert_eq!(broken(9, 9_200), 0, "it has not gone");
        assert_eq!(broken(30, 10_100), 0, "what was written over counts no more");
    }
}
