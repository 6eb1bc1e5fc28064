//! Names and ids of topics, cheap to copy and to add to: in shards that snapshots share, so that the
//! ten-thousandth topic does not cost a copy of all others.

use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;
use stormglass_broker_core::ids::TopicId;

/// Shards of each direction.
const SHARDS: usize = 64;

type Shard<K, V> = Arc<FxHashMap<K, V>>;

/// A snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    by_name: Vec<Shard<Arc<str>, TopicId>>,
    by_id: Vec<Shard<TopicId, Arc<str>>>,
    count: usize,
}

fn shard_of(key: &(impl Hash + ?Sized)) -> usize {
    // the low bits choose the place within the shard
    (FxBuildHasher.hash_one(key) >> 40) as usize % SHARDS
}

impl Names {
    pub(super) fn id(&self, name: &str) -> Option<TopicId> {
        self.by_name.get(shard_of(name))?.get(name).copied()
    }

    pub(super) fn name(&self, id: TopicId) -> Option<&Arc<str>> {
        self.by_id.get(shard_of(&id))?.get(&id)
    }

    /// The names of all topics: shared with these, as far as topics have only been added.
    pub(super) fn updated(&self, topics: &[(TopicId, &Arc<str>)]) -> Self {
        let is_new = |(id, name): &&(TopicId, &Arc<str>)| self.name(*id) != Some(*name);
        let added: Vec<_> = topics.iter().filter(is_new).copied().collect();
        // none of those that were known is missing
        let only_added = self.count + added.len() == topics.len();
        let (mut next, missing) =
            if only_added { (self.clone(), &added[..]) } else { (Self::default(), topics) };
        missing.iter().for_each(|(id, name)| next.insert(*id, name));
        next
    }

    fn insert(&mut self, id: TopicId, name: &Arc<str>) {
        if self.by_id.is_empty() {
            (self.by_name, self.by_id) =
                (vec![Arc::default(); SHARDS], vec![Arc::default(); SHARDS]);
        }
        Arc::make_mut(&mut self.by_name[shard_of(&**name)]).insert(Arc::clone(name), id);
        Arc::make_mut(&mut self.by_id[shard_of(&id)]).insert(id, Arc::clone(name));
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &Names, topics: &[(TopicId, Arc<str>)]) {
        assert_eq!(names.count, topics.len());
        for (id, name) in topics {
            assert_eq!(names.id(name), Some(*id));
            assert_eq!(names.name(*id), Some(name));
        }
    }

    #[test]
    fn topics_come_go_and_change_their_ids() {
        let topic = |n: u128| (TopicId(n << 64), format!("topic-{n}").into());
        let mut topics: Vec<(TopicId, Arc<str>)> = (1..500).map(topic).collect();
        let updated = |names: &Names, topics: &[(TopicId, Arc<str>)]| {
            names.updated(&topics.iter().map(|(id, name)| (*id, name)).collect::<Vec<_>>())
        };
        let first = updated(&Names::default(), &topics);
        check(&first, &topics);
        topics.push(topic(1000));
        let second = updated(&first, &topics);
        check(&second, &topics);
        assert_eq!(first.id("topic-1000"), None, "an older snapshot is as it was");
        let shared = first.by_id.iter().zip(&second.by_id).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), SHARDS - 1);
        topics.remove(7);
        let third = updated(&second, &topics);
        check(&third, &topics);
        assert_eq!(third.id("topic-8"), None);
        topics[3].0 = TopicId(u128::MAX);
        let fourth = updated(&third, &topics);
        check(&fourth, &topics);
        assert_eq!(fourth.name(TopicId(4 << 64)), None);
        check(&updated(&fourth, &[]), &[]);
    }
}
