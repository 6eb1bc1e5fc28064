//! What changed since somebody last looked (Kafka's `MetadataDelta`), as sets of names.

use super::image::{Change, MetadataImage, TopicImage};
use super::records::ConfigResource;
use crate::ids::{NodeId, TopicPartition};
use std::collections::BTreeSet;

/// Names of what changed; the state itself is in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataDelta {
    /// Partitions created or changed.
    pub partitions: BTreeSet<TopicPartition>,
    /// Topics removed, in their last state.
    pub removed_topics: Vec<TopicImage>,
    /// Brokers registered, changed or unregistered.
    pub brokers: BTreeSet<NodeId>,
    /// Resources with changed configs.
    pub configs: BTreeSet<ConfigResource>,
    /// Whether quotas of clients changed.
    pub quotas: bool,
    /// Whether levels of features changed: nothing that replicas do follows from it.
    pub features: bool,
}

impl MetadataDelta {
    /// Whether nothing changed that replicas, groups or transactions follow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
            && self.removed_topics.is_empty()
            && self.brokers.is_empty()
            && self.configs.is_empty()
            && !self.quotas
    }

    /// Whether the limits of connections may have changed.
    pub(crate) fn limits_connections(&self) -> bool {
        let of_brokers = |of: &ConfigResource| {
            matches!(of, ConfigResource::AllBrokers | ConfigResource::Broker(_))
        };
        self.quotas || self.configs.iter().any(of_brokers)
    }

    /// Takes what is there and leaves nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn note(&mut self, change: Change) {
        match change {
            Change::Broker(broker, _) => {
                self.brokers.insert(broker);
            }
            Change::Partition(tp, _) => {
                self.partitions.insert(tp);
            }
            Change::TopicRemoved(topic, _) => self.note_removed(*topic),
            Change::Config(resource, ..) => {
                self.configs.insert(resource);
            }
            Change::Quota(..) => self.quotas = true,
            Change::Feature(..) => self.features = true,
            Change::None | Change::TopicCreated(_) | Change::ProducerIds(_) => {}
        }
    }

    fn note_removed(&mut self, topic: TopicImage) {
        self.partitions.retain(|tp| tp.topic != topic.id);
        self.removed_topics.push(topic);
    }

    pub(super) fn note_difference(&mut self, before: &MetadataImage, after: &MetadataImage) {
        for topic in before.topics.values() {
            if !after.topics.contains_key(&topic.id) {
                self.note_removed(topic.clone());
            }
        }
        for (tp, partition) in after.partitions() {
            if before.partition(tp) != Some(partition) {
                self.partitions.insert(tp);
            }
        }
        let brokers = before.brokers.keys().chain(after.brokers.keys());
        self.brokers
            .extend(brokers.filter(|id| before.brokers.get(id) != after.brokers.get(id)).copied());
        self.quotas |= before.quotas != after.quotas;
        self.features |= before.features != after.features;
        let configs = before.configs.keys().chain(after.configs.keys());
        self.configs.extend(
            configs.filter(|id| before.configs.get(*id) != after.configs.get(*id)).cloned(),
        );
    }
}
