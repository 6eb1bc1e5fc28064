//! A backlog of a topic with remote storage: everything that was rolled is there, and what local
//! retention no longer keeps is only there.

use super::{WALL_EPOCH_MS, World};
use bytes::Bytes;
use stormglass_broker_core::checkpoint;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::seam::{DiskImage, FileName};
use stormglass_scenarios::plan::TopicPlan;

/// The epoch in which a backlog was written, and its beginning.
const EPOCHS: &str = "0\n1\n0 0\n";

impl World {
    /// Copies the rolled segments of a partition's backlog to remote storage, and deletes from its
    /// replicas' disks what local retention would have deleted.
    pub(super) fn preload_tiers(&mut self, tp: TopicPartition, plan: &TopicPlan, replicas: &[i32]) {
        let nodes: Vec<u16> =
            replicas.iter().filter_map(|id| self.node_index.get(&NodeId(*id)).copied()).collect();
        let Some(&first) = nodes.first() else { return };
        let disk = &self.nodes[first as usize].disk;
        let segments = disk.segments(tp);
        let Some((_, rolled)) = segments.split_last() else { return };
        let sizes: Vec<(u64, i64)> = segments
            .iter()
            .map(|base| disk.summary(tp, *base))
            .map(|summary| (u64::from(summary.bytes), summary.max_timestamp))
            .collect();
        let gone = local_retention(plan).deletes(&sizes[..rolled.len()], &sizes);
        for (index, base) in (0u64..).zip(rolled) {
            let name = u128::from(u64::MAX) << 64
                | u128::from(tp.partition.unsigned_abs()) << 32
                | u128::from(index);
            let name = name ^ { tp.topic.0 } << 64;
            self.preload_remote(first, (tp, *base), name);
        }
        for node in nodes {
            let disk = &mut self.nodes[node as usize].disk;
            disk.drop_preloaded(tp, &rolled[..gone]);
            disk.put_file(&FileName::LeaderEpochs(tp), Bytes::from_static(EPOCHS.as_bytes()));
        }
    }

    /// Brokers find on their disks that these logs begin in remote storage.
    pub(super) fn record_preloaded_tiers(&mut self) {
        let tiered: Vec<TopicPartition> = self
            .plan
            .topics
            .iter()
            .filter(|topic| topic.is_tiered() && topic.preload_bytes > 0)
            .filter_map(|topic| Some((*self.topics.get(&topic.name)?, topic.assignment.len())))
            .flat_map(|(id, count)| {
                (0..i32::try_from(count).unwrap_or(0)).map(move |p| TopicPartition::new(id, p))
            })
            .collect();
        if tiered.is_empty() {
            return;
        }
        for node in &mut self.nodes {
            let held: Vec<TopicPartition> =
                tiered.iter().copied().filter(|tp| !node.disk.segments(*tp).is_empty()).collect();
            let rows = held.into_iter().map(|tp| (tp, 0, true));
            node.disk.put_file(&FileName::LogStartOffsets, checkpoint(rows));
        }
    }
}

/// What stays on disks: by size, bytes, and by age, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LocalRetention {
    bytes: Option<u64>,
    ms: Option<i64>,
}

impl LocalRetention {
    /// How many of the rolled segments local retention has deleted; segments are `(bytes, largest
    /// timestamp)`.
    fn deletes(self, rolled: &[(u64, i64)], all: &[(u64, i64)]) -> usize {
        let total: u64 = all.iter().map(|(bytes, _)| bytes).sum();
        let mut excess = self.bytes.map_or(0, |limit| total.saturating_sub(limit));
        let mut count = 0;
        for (bytes, newest) in rolled {
            let too_much = excess > 0 && excess >= *bytes;
            let too_old = self.ms.is_some_and(|limit| WALL_EPOCH_MS - newest > limit);
            if !too_much && !too_old {
                break;
            }
            excess = excess.saturating_sub(*bytes);
            count += 1;
        }
        count
    }
}

fn local_retention(plan: &TopicPlan) -> LocalRetention {
    let number = |key: &str| plan.config.get(key).and_then(|text| text.trim().parse::<i64>().ok());
    let of =
        |local: &str, whole: &str| number(local).filter(|v| *v != -2).or_else(|| number(whole));
    let bytes = of("local.retention.bytes", "retention.bytes");
    let ms = of("local.retention.ms", "retention.ms");
    LocalRetention {
        bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        ms: ms.filter(|ms| *ms >= 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_retention_deletes_whole_segments_from_the_oldest_on() {
        let minute = 60_000;
        let all: Vec<(u64, i64)> =
            (0..6).map(|i| (100, WALL_EPOCH_MS - (5 - i) * minute)).collect();
        let keeps = |bytes, ms| LocalRetention { bytes, ms }.deletes(&all[..5], &all);
        assert_eq!(keeps(None, None), 0);
        assert_eq!(keeps(Some(250), None), 3, "300 are enough, 200 would not be");
        assert_eq!(keeps(None, Some(2 * minute)), 3);
        assert_eq!(keeps(Some(0), None), 5, "the active segment stays");
    }
}
