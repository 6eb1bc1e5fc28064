//! Where a partition's log is in the store. Found by topic, then by number: few topics have many
//! partitions, so what is looked at stays in the cache.

use rustc_hash::FxHashMap;
use stormglass_broker_core::ids::{TopicId, TopicPartition};

/// No log.
const NONE: u32 = u32::MAX;

/// Places of logs. Looked up only, never iterated.
#[derive(Debug, Default)]
pub(crate) struct LogTable {
    topics: FxHashMap<TopicId, Vec<u32>>,
}

impl LogTable {
    pub(crate) fn get(&self, tp: TopicPartition) -> Option<usize> {
        let place = *self.topics.get(&tp.topic)?.get(slot_of(tp)?)?;
        (place != NONE).then_some(place as usize)
    }

    pub(crate) fn insert(&mut self, tp: TopicPartition, place: usize) {
        let partitions = self.topics.entry(tp.topic).or_default();
        let slot = slot_of(tp).expect("partitions are numbered from 0");
        if slot >= partitions.len() {
            partitions.resize(slot + 1, NONE);
        }
        partitions[slot] = u32::try_from(place).expect("fewer than 2^32 logs");
    }

    pub(crate) fn remove(&mut self, tp: TopicPartition) -> Option<usize> {
        let slot = self.topics.get_mut(&tp.topic)?.get_mut(slot_of(tp)?)?;
        let place = std::mem::replace(slot, NONE);
        (place != NONE).then_some(place as usize)
    }
}

fn slot_of(tp: TopicPartition) -> Option<usize> {
    usize::try_from(tp.partition).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::tp;

    #[test]
    fn a_removed_log_is_gone_and_its_number_free_again() {
        let mut table = LogTable::default();
        assert_eq!((table.get(tp(3)), table.remove(tp(3))), (None, None));
        table.insert(tp(3), 7);
        table.insert(tp(0), 8);
        assert_eq!(
            (table.get(tp(3)), table.get(tp(0)), table.get(tp(1))),
            (Some(7), Some(8), None)
        );
        assert_eq!((table.remove(tp(3)), table.get(tp(3))), (Some(7), None));
        table.insert(tp(3), 9);
        assert_eq!(table.get(tp(3)), Some(9));
    }
}
