//! Retention by time takes nothing that is young enough to stay. Known of topics that lose records by
//! `retention.ms` and for no other reason, in runs whose clocks are right.

use super::configured::has_right_clocks;
use super::epoch_log::EpochLog;
use super::ledger::{Check, Ledger};
use super::partition::{Partition, Replica};
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
    /// By base offset.
    batches: BTreeMap<Offset, Written>,
}

/// A batch that a leader wrote.
#[derive(Debug, Clone, Copy)]
struct Written {
    next: Offset,
    epoch: LeaderEpoch,
    newest_ms: i64,
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
        let (next, newest_ms) = (batch.next_offset(), batch.header.max_timestamp);
        self.batches.insert(batch.base_offset(), Written { next, epoch, newest_ms });
    }

    /// The youngest batch of a log below an offset, which are forgotten; `None` where the log has others.
    fn take_below(&mut self, start: Offset, log: &EpochLog) -> Option<(Offset, Written)> {
        let of_log = || self.batches.range(log.known_from()..);
        let below = || of_log().take_while(|(_, batch)| batch.next <= start);
        if !below().all(|(base, batch)| log.epoch_at(*base) == Some(batch.epoch)) {
            return None;
        }
        let (base, youngest) = below().max_by_key(|(_, batch)| batch.newest_ms)?;
        let youngest = (*base, *youngest);
        self.batches.retain(|_, batch| batch.next > start);
        Some(youngest)
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

/// A replica's log begins at an offset; the first one to say so has deleted what is below. One that is of
/// another history has not (hunt seed 1406750). Nor does a follower judge what is old: where its leader's log
/// begins, its own does, whatever it had there of another history (hunt seed 21007923).
pub(super) fn deleted(
    p: &mut Partition,
    ledger: &mut Ledger,
    node: i32,
    (start, wall_ms): (Offset, i64),
) {
    let mine = p.replica(node);
    let follows = p.replicas[mine].leads.is_none();
    let has_told = |other: &Replica| other.leads.is_some() && other.log_start >= start;
    let is_told = follows && p.replicas.iter().any(has_told);
    let Some(ages) = &mut p.ages else { return };
    let Some((base, youngest)) = ages.take_below(start, &p.replicas[mine].log) else { return };
    if is_told {
        return;
    }
    let (retention_ms, age_ms) = (ages.retention_ms, wall_ms - youngest.newest_ms);
    ledger.checked(Check::Replicas, 1);
    if age_ms + CLOCKS_MS <= retention_ms {
        ledger.broken(Check::Replicas, p.about(), &|| {
            format!(
                "replica {node} deletes what is below {start}; the batch at offset {base} is \
                 {age_ms} ms old, and retention.ms is {retention_ms}"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;

    fn broken(start: Offset, wall_ms: i64) -> usize {
        broken_in(0, start, wall_ms)
    }

    /// By a replica whose log is of an epoch.
    fn broken_in(epoch: LeaderEpoch, start: Offset, wall_ms: i64) -> usize {
        violations(aged(epoch), (start, wall_ms))
    }

    /// Replica 1 has the log of an epoch.
    fn aged(epoch: LeaderEpoch) -> Partition {
        let mut p = Partition::new("t-0".to_owned(), 1);
        let mine = p.replica(1);
        p.replicas[mine].log.append(epoch, 0, 30);
        let mut ages = Ages::new(1_000);
        for (base, time) in [(0, 9_000), (10, 12_000), (20, 5_000), (10, 7_000), (20, 8_000)] {
            let mut batch = Batch::clone(&batch(base, 10, 1));
            batch.header.max_timestamp = time;
            ages.appended(&batch);
        }
        p.ages = Some(ages);
        p
    }

    /// Of replica 1, whose log begins at an offset.
    fn violations(mut p: Partition, begins: (Offset, i64)) -> usize {
        let mut ledger = Ledger::default();
        deleted(&mut p, &mut ledger, 1, begins);
        deleted(&mut p, &mut ledger, 1, begins); // nobody deletes it again
        ledger.finish().1.len()
    }

    /// Hunt seed 21007923: replica 2 has deleted old batches, and was elected uncleanly; replica 1 has younger
    /// ones there, of the epoch that was given up.
    #[test]
    fn a_follower_deletes_as_its_leader_has() {
        let broken = |epochs: [Option<LeaderEpoch>; 2], leader_start: Offset| {
            let mut p = aged(0);
            for (node, leads) in [1, 2].into_iter().zip(epochs) {
                let at = p.replica(node);
                p.replicas[at].leads = leads;
            }
            let other = p.replica(2);
            p.replicas[other].log_start = leader_start;
            violations(p, (20, 9_200))
        };
        assert_eq!(broken([None, Some(1)], 20), 0);
        assert_eq!(broken([None, Some(1)], 19), 1, "its leader has them");
        assert_eq!(broken([None, None], 20), 1, "nobody has told it");
        assert_eq!(broken([Some(0), Some(1)], 20), 1, "who leads judges itself");
    }

    #[test]
    fn what_goes_is_old_enough() {
        assert_eq!(broken(20, 10_001), 0);
        assert_eq!(broken(20, 9_200), 1, "the batch at offset 0 is young");
        assert_eq!(broken(9, 9_200), 0, "it has not gone");
        assert_eq!(broken(30, 10_100), 0, "what was written over counts no more");
        assert_eq!(broken_in(1, 20, 9_200), 0, "it has not got that batch");
    }
}
