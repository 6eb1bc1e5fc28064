//! Partitions by name: every event asks, so it must be cheap.

use stormglass_broker_core::ids::{TopicId, TopicPartition};

/// Numbers of partitions. Topics are a handful and partition ids dense, so two short steps do.
#[derive(Debug, Default)]
pub(crate) struct PartitionIndex {
    topics: Vec<(TopicId, Vec<Option<u32>>)>,
    /// Slot of the topic asked for last.
    last: usize,
}

impl PartitionIndex {
    /// The number of a partition.
    #[inline]
    pub(crate) fn get(&mut self, tp: TopicPartition) -> Option<usize> {
        let slot = self.slot(tp.topic)?;
        let known = &self.topics[slot].1;
        known.get(usize::try_from(tp.partition).ok()?)?.map(|at| at as usize)
    }

    /// Gives a partition a number.
    ///
    /// # Panics
    /// If the partition's id is negative.
    pub(crate) fn insert(&mut self, tp: TopicPartition, at: usize) {
        let slot = self.slot(tp.topic).unwrap_or_else(|| {
            self.topics.push((tp.topic, Vec::new()));
            self.topics.len() - 1
        });
        let known = &mut self.topics[slot].1;
        let partition = usize::try_from(tp.partition).expect("partition ids count from 0");
        if known.len() <= partition {
            known.resize(partition + 1, None);
        }
        known[partition] = u32::try_from(at).ok();
    }

    #[inline]
    fn slot(&mut self, topic: TopicId) -> Option<usize> {
        if self.topics.get(self.last).is_none_or(|(known, _)| *known != topic) {
            self.last = self.topics.iter().position(|(known, _)| *known == topic)?;
        }
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_several_topics_keep_their_numbers() {
        let mut index = PartitionIndex::default();
        let tps = [(7, 0), (7, 2), (9, 0), (8, 5), (9, 1)];
        let tps = tps.map(|(topic, partition)| TopicPartition::new(TopicId(topic), partition));
        for (at, tp) in tps.into_iter().enumerate() {
            assert_eq!(index.get(tp), None);
            index.insert(tp, at);
        }
        for (at, tp) in tps.into_iter().enumerate() {
            assert_eq!(index.get(tp), Some(at));
        }
        assert_eq!(index.get(TopicPartition::new(TopicId(7), 1)), None);
        assert_eq!(index.get(TopicPartition::new(TopicId(7), -1)), None);
    }
}
