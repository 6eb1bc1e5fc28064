//! The cluster as the metadata log describes it up to an offset (Kafka's `MetadataImage`).
//!
//! One image per reader, changed in place: [`MetadataImage::apply`] returns what it replaced, so
//! that a controller can take back records that never commit and a broker sees what changed.

use super::delta::MetadataDelta;
use super::quotas::{QuotaMap, QuotaOwner};
use super::records::{
    ConfigResource, LeaderUpdate, MetadataRecord, Moving, PartitionChangeRecord, PartitionRecord,
};
use crate::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicId, TopicPartition};
use crate::protocol::{BrokerEndpoint, QuotaValue};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// State of the cluster's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataImage {
    pub(super) offset: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) brokers: BTreeMap<NodeId, BrokerImage>,
    pub(super) topics: BTreeMap<TopicId, TopicImage>,
    pub(super) names: BTreeMap<Arc<str>, TopicId>,
    pub(super) configs: BTreeMap<ConfigResource, Configs>,
    pub(super) quotas: QuotaMap,
    pub(super) features: BTreeMap<Arc<str>, i16>,
    pub(super) next_producer_id: i64,
}

/// Keys and values of one resource.
pub(super) type Configs = BTreeMap<Arc<str>, Arc<str>>;

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    /// Broker epoch: offset of its registration record.
    pub epoch: Offset,
    /// Process start that registered.
    pub incarnation: u128,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// Where it listens, unless the shell knows.
    pub endpoint: Option<Arc<BrokerEndpoint>>,
    /// Fenced brokers lead nothing and join no ISR.
    pub fenced: bool,
    /// Whether controlled shutdown has begun.
    pub in_controlled_shutdown: bool,
}

impl BrokerImage {
    /// Whether it may lead partitions and be in their ISR.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Name.
    pub name: Arc<str>,
    /// Id.
    pub id: TopicId,
    /// Partitions in order of index, without gaps.
    pub partitions: Vec<PartitionImage>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// Replicas, preferred leader first.
    pub replicas: Vec<NodeId>,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
    /// What a reassignment changes, if one is under way.
    pub moving: Option<Box<Moving>>,
    /// Leader.
    pub leader: Option<NodeId>,
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change.
    pub partition_epoch: i32,
    /// Whether an unclean leader has not yet confirmed its recovery.
    pub recovering: bool,
}

impl PartitionImage {
    /// Whether `node` holds a replica.
    #[must_use]
    pub fn is_replica(&self, node: NodeId) -> bool {
        self.replicas.contains(&node)
    }

    /// Whether `node` is in sync.
    #[must_use]
    pub fn in_isr(&self, node: NodeId) -> bool {
        self.isr.contains(&node)
    }

    /// The replica that leads when all is well.
    #[must_use]
    pub fn preferred_leader(&self) -> Option<NodeId> {
        self.replicas.first().copied()
    }
}

/// A record that does not fit the image: the log is damaged or this broker is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplyError(pub &'static str);

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata record does not apply: {}", self.0)
    }
}

impl std::error::Error for ApplyError {}

/// What a record replaced; enough to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// A broker's registration.
    Broker(NodeId, Option<BrokerImage>),
    /// A topic was created.
    TopicCreated(TopicId),
    /// A topic was removed, with its configs.
    TopicRemoved(Box<TopicImage>, BTreeMap<Arc<str>, Arc<str>>),
    /// A partition; `None` = it is new.
    Partition(TopicPartition, Option<Box<PartitionImage>>),
    /// A config value.
    Config(ConfigResource, Arc<str>, Option<Arc<str>>),
    /// A quota's value.
    Quota(QuotaOwner, Arc<str>, Option<QuotaValue>),
    /// Next producer id.
    ProducerIds(i64),
    /// A feature's level.
    Feature(Arc<str>, Option<i16>),
}

impl Default for MetadataImage {
    fn default() -> Self {
        Self {
            offset: NO_OFFSET,
            epoch: NO_EPOCH,
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            names: BTreeMap::new(),
            configs: BTreeMap::new(),
            quotas: QuotaMap::new(),
            features: BTreeMap::new(),
            next_producer_id: 0,
        }
    }
}

impl MetadataImage {
    /// Offset of the last record applied, `-1` before the first.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Raft epoch of the last record applied, `-1` before the first.
    #[must_use]
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// A partition.
    #[must_use]
    pub fn partition(&self, tp: TopicPartition) -> Option<&PartitionImage> {
        self.topics.get(&tp.topic)?.partitions.get(usize::try_from(tp.partition).ok()?)
    }

    /// A topic by id.
    #[must_use]
    pub fn topic(&self, id: TopicId) -> Option<&TopicImage> {
        self.topics.get(&id)
    }

    /// A topic by name.
    #[must_use]
    pub fn topic_named(&self, name: &str) -> Option<&TopicImage> {
        self.topics.get(self.names.get(name)?)
    }

    /// Topics in order of name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        self.names.values().filter_map(|id| self.topics.get(id))
    }

    /// All partitions, in order of topic id and index.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &PartitionImage)> {
        self.topics.values().flat_map(|topic| {
            topic.partitions.iter().zip(0..).map(|(p, n)| (TopicPartition::new(topic.id, n), p))
        })
    }

    /// A broker's registration.
    #[must_use]
    pub fn broker(&self, broker: NodeId) -> Option<&BrokerImage> {
        self.brokers.get(&broker)
    }

    /// Registered brokers in order of id.
    pub fn brokers(&self) -> impl Iterator<Item = (NodeId, &BrokerImage)> {
        self.brokers.iter().map(|(id, broker)| (*id, broker))
    }

    /// Whether a broker is registered, unfenced and not shutting down.
    #[must_use]
    pub fn is_active(&self, broker: NodeId) -> bool {
        self.brokers.get(&broker).is_some_and(BrokerImage::is_active)
    }

    /// The same without overrides: what a planted bug writes to snapshots.
    pub(crate) fn without_configs(&self) -> Self {
        Self { configs: BTreeMap::new(), ..self.clone() }
    }

    /// Overrides of one resource.
    #[must_use]
    pub fn configs(&self, resource: &ConfigResource) -> Option<&BTreeMap<Arc<str>, Arc<str>>> {
        self.configs.get(resource)
    }

    /// Resources that have overrides.
    pub fn configured(&self) -> impl Iterator<Item = &ConfigResource> {
        self.configs.iter().filter(|(_, configs)| !configs.is_empty()).map(|(resource, _)| resource)
    }

    /// Quotas of clients.
    #[must_use]
    pub fn quotas(&self) -> &QuotaMap {
        &self.quotas
    }

    /// Features and their finalized levels; 0 = taken away.
    pub fn features(&self) -> impl Iterator<Item = (&Arc<str>, i16)> {
        self.features.iter().map(|(name, level)| (name, *level))
    }

    /// A feature's finalized level.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }

    /// First id of the next producer id block.
    #[must_use]
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Bug IDEM-12: the next block is the first again.
    pub(crate) fn forget_producer_ids(&mut self) {
        self.next_producer_id = 0;
    }

    /// Applies a committed batch and notes what changed.
    ///
    /// # Errors
    /// A record that does not fit; the node must stop (RAFT-22).
    pub fn apply_batch(
        &mut self,
        last_offset: Offset,
        epoch: LeaderEpoch,
        records: &[MetadataRecord],
        delta: &mut MetadataDelta,
    ) -> Result<(), ApplyError> {
        for record in records {
            delta.note(self.apply(record)?);
        }
        self.advance(last_offset, epoch);
        Ok(())
    }

    /// Says which batch was applied last.
    pub fn advance(&mut self, last_offset: Offset, epoch: LeaderEpoch) {
        assert!(last_offset > self.offset, "metadata is applied in order, each batch once");
        assert!(epoch >= self.epoch, "epochs of the metadata log never fall");
        self.offset = last_offset;
        self.epoch = epoch;
    }

    /// Becomes another image (a snapshot's) and notes what differs.
    pub fn replace(&mut self, with: Self, delta: &mut MetadataDelta) {
        delta.note_difference(self, &with);
        *self = with;
    }

    /// Applies one record.
    ///
    /// # Errors
    /// A record that does not fit; nothing has changed then.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<Change, ApplyError> {
        Ok(match record {
            MetadataRecord::RegisterBroker(broker) => {
                let image = BrokerImage {
                    epoch: broker.epoch,
                    incarnation: broker.incarnation,
                    rack: broker.rack.clone(),
                    endpoint: broker.endpoint.clone(),
                    fenced: broker.fenced,
                    in_controlled_shutdown: broker.in_controlled_shutdown,
                };
                Change::Broker(broker.broker, self.brokers.insert(broker.broker, image))
            }
            MetadataRecord::UnregisterBroker { broker, epoch } => {
                self.registered(*broker, *epoch)?;
                Change::Broker(*broker, self.brokers.remove(broker))
            }
            MetadataRecord::BrokerRegistrationChange {
                broker,
                epoch,
                fenced,
                in_controlled_shutdown,
            } => {
                let image = self.registered(*broker, *epoch)?;
                let before = image.clone();
                image.fenced = fenced.unwrap_or(image.fenced);
                image.in_controlled_shutdown |= in_controlled_shutdown;
                Change::Broker(*broker, Some(before))
            }
            MetadataRecord::Topic { name, id } => self.create_topic(name, *id)?,
            MetadataRecord::RemoveTopic { id } => self.remove_topic(*id)?,
            MetadataRecord::Partition(partition) => self.create_partition(partition)?,
            MetadataRecord::PartitionChange(change) => self.change_partition(change)?,
            MetadataRecord::Config { resource, key, value } => {
                self.set_config(resource, key, value.clone())
            }
            MetadataRecord::ClientQuota { owner, key, value } => {
                Change::Quota(owner.clone(), key.clone(), self.set_quota(owner, key, *value))
            }
            MetadataRecord::ProducerIds { next_producer_id, .. } => Change::ProducerIds(
                std::mem::replace(&mut self.next_producer_id, *next_producer_id),
            ),
            MetadataRecord::FeatureLevel { name, level } => {
                Change::Feature(name.clone(), self.features.insert(name.clone(), *level))
            }
            MetadataRecord::NoOp => Change::None,
        })
    }

    fn registered(
        &mut self,
        broker: NodeId,
        epoch: Offset,
    ) -> Result<&mut BrokerImage, ApplyError> {
        self.brokers
            .get_mut(&broker)
            .filter(|image| image.epoch == epoch)
            .ok_or(ApplyError("no such registration"))
    }

    fn create_topic(&mut self, name: &Arc<str>, id: TopicId) -> Result<Change, ApplyError> {
        if self.names.contains_key(name) || self.topics.contains_key(&id) {
            return Err(ApplyError("topic exists"));
        }
        self.names.insert(name.clone(), id);
        self.topics.insert(id, TopicImage { name: name.clone(), id, partitions: Vec::new() });
        Ok(Change::TopicCreated(id))
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<Change, ApplyError> {
        let topic = self.topics.remove(&id).ok_or(ApplyError("no such topic"))?;
        self.names.remove(&topic.name);
        let configs = self.configs.remove(&ConfigResource::Topic(topic.name.clone()));
        Ok(Change::TopicRemoved(Box::new(topic), configs.unwrap_or_default()))
    }

    fn create_partition(&mut self, record: &PartitionRecord) -> Result<Change, ApplyError> {
        let topic = self.topics.get_mut(&record.tp.topic).ok_or(ApplyError("no such topic"))?;
        if usize::try_from(record.tp.partition) != Ok(topic.partitions.len()) {
            return Err(ApplyError("partitions are created in order of index"));
        }
        topic.partitions.push(PartitionImage {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            moving: record.moving.clone(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            recovering: record.recovering,
        });
        Ok(Change::Partition(record.tp, None))
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<Change, ApplyError> {
        let image = self.partition_mut(record.tp).ok_or(ApplyError("no such partition"))?;
        let before = Box::new(image.clone());
        if let Some(isr) = &record.isr {
            image.isr.clone_from(isr);
        }
        if let Some(replicas) = &record.replicas {
            image.replicas.clone_from(replicas);
        }
        if let Some(moving) = &record.moving {
            image.moving = moving.clone().kept();
        }
        match record.leader {
            LeaderUpdate::Unchanged => {}
            LeaderUpdate::NoLeader => image.leader = None,
            LeaderUpdate::Elected(leader) => image.leader = Some(leader),
        }
        if record.leader != LeaderUpdate::Unchanged {
            image.leader_epoch += 1;
        }
        image.partition_epoch += 1;
        image.recovering = record.recovering.unwrap_or(image.recovering);
        Ok(Change::Partition(record.tp, Some(before)))
    }

    fn partition_mut(&mut self, tp: TopicPartition) -> Option<&mut PartitionImage> {
        self.topics.get_mut(&tp.topic)?.partitions.get_mut(usize::try_from(tp.partition).ok()?)
    }

    fn set_config(
        &mut self,
        resource: &ConfigResource,
        key: &Arc<str>,
        value: Option<Arc<str>>,
    ) -> Change {
        let configs = self.configs.entry(resource.clone()).or_default();
        let before = match value {
            Some(value) => configs.insert(key.clone(), value),
            None => configs.remove(key),
        };
        if configs.is_empty() {
            self.configs.remove(resource);
        }
        Change::Config(resource.clone(), key.clone(), before)
    }

    fn set_quota(
        &mut self,
        owner: &QuotaOwner,
        key: &Arc<str>,
        value: Option<QuotaValue>,
    ) -> Option<QuotaValue> {
        let quotas = self.quotas.entry(owner.clone()).or_default();
        let before = match value {
            Some(value) => quotas.insert(key.clone(), value),
            None => quotas.remove(key),
        };
        if quotas.is_empty() {
            self.quotas.remove(owner);
        }
        before
    }

    /// Takes back the record that was applied last.
    pub fn undo(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Broker(broker, Some(before)) => {
                self.brokers.insert(broker, before);
            }
            Change::Broker(broker, None) => {
                self.brokers.remove(&broker);
            }
            Change::TopicCreated(id) => {
                let topic = self.topics.remove(&id).expect("the topic was created before");
                assert!(topic.partitions.is_empty(), "partitions are taken back before");
                self.names.remove(&topic.name);
            }
            Change::TopicRemoved(topic, configs) => {
                self.names.insert(topic.name.clone(), topic.id);
                if !configs.is_empty() {
                    self.configs.insert(ConfigResource::Topic(topic.name.clone()), configs);
                }
                self.topics.insert(topic.id, *topic);
            }
            Change::Partition(tp, before) => self.undo_partition(tp, before),
            Change::Config(resource, key, before) => {
                self.set_config(&resource, &key, before);
            }
            Change::Quota(owner, key, before) => {
                self.set_quota(&owner, &key, before);
            }
            Change::ProducerIds(before) => self.next_producer_id = before,
            Change::Feature(name, Some(before)) => {
                self.features.insert(name, before);
            }
            Change::Feature(name, None) => {
                self.features.remove(&name);
            }
        }
    }

    fn undo_partition(&mut self, tp: TopicPartition, before: Option<Box<PartitionImage>>) {
        match before {
            Some(before) => {
                *self.partition_mut(tp).expect("the partition was changed before") = *before;
            }
            None => {
                let topic = self.topics.get_mut(&tp.topic).expect("its partition was created");
                topic.partitions.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests;
