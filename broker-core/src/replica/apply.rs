//! Metadata becomes roles: who leads, who follows, what is gone (`ReplicaManager.applyDelta`).

use super::nearest::Racks;
use super::partition::{Partition, Role};
use super::{BrokerEpochs, ReplicaManager};
use crate::config::{CleanupPolicy, TopicConfig};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId, TopicPartition};
use crate::log::{Log, LogConfig};
use crate::metadata::{BrokerImage, ConfigResource, MetadataDelta, MetadataImage, PartitionImage};
use crate::plant::{Plant, planted};
use crate::seam::{DiskOpKind, TraceEvent};
use crate::step::{Owner, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What topics' configs come to, each read once however many partitions there are.
type TopicConfigs = BTreeMap<TopicId, TopicConfig>;

impl ReplicaManager {
    /// Applies what changed since the last call.
    pub(crate) fn apply_metadata(
        &mut self,
        step: &mut Step<'_>,
        image: &MetadataImage,
        delta: &MetadataDelta,
    ) {
        step.effects.work.metadata_records +=
            u32::try_from(delta.partitions.len() + delta.brokers.len()).unwrap_or(u32::MAX);
        if !delta.brokers.is_empty() {
            let epochs_of = |counts: fn(&BrokerImage) -> bool| -> BrokerEpochs {
                let those = image.brokers().filter(move |(_, broker)| counts(broker));
                those.map(|(id, broker)| (id, broker.epoch)).collect()
            };
            self.eligible = epochs_of(BrokerImage::is_active);
            self.unfenced = epochs_of(|broker| !broker.fenced);
            self.racks = Racks::of(image, self.config.server.replica_selector);
        }
        let is_first = !std::mem::replace(&mut self.has_metadata, true);
        let stays = planted(self.config.plant, Plant::DeletedTopicStays);
        let mut gone = if is_first { self.set_strays_aside(step, image) } else { Vec::new() };
        for topic in delta.removed_topics.iter().filter(|_| !stays) {
            for index in 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX) {
                self.delete_remote_log(step, TopicPartition::new(topic.id, index));
                self.delete(step, TopicPartition::new(topic.id, index), &mut gone);
            }
        }
        let mut configs = TopicConfigs::new();
        // logs found at the start wait for it, whether the metadata has configs or not
        let is_late = planted(self.config.plant, Plant::ConfigChangesIgnored);
        if is_first || !delta.configs.is_empty() && !is_late {
            self.apply_configs(step, image, &mut configs);
        }
        for tp in &delta.partitions {
            let Some(state) = image.partition(*tp) else { continue };
            let Some(topic) = image.topic(tp.topic) else { continue };
            if state.is_replica(self.config.node) {
                let read = || self.topic_config(image, &topic.name);
                let config = configs.entry(topic.id).or_insert_with(read);
                self.apply_partition(step, config, *tp, &topic.name, state);
            } else if !planted(self.config.plant, Plant::MovedReplicaStays) {
                self.delete(step, *tp, &mut gone);
            }
        }
        if !gone.is_empty() {
            self.checkpoint_all(step, &gone);
        }
    }

    /// Logs that the process found at its start and that are not its own by the metadata: their topics
    /// were deleted meanwhile. The first metadata that is applied is complete. Metadata can be lost or
    /// be another cluster's, so the bytes are kept, as in Kafka (`LogManager.isStrayKraftReplica`).
    /// Returns those that were there.
    fn set_strays_aside(
        &mut self,
        step: &mut Step<'_>,
        image: &MetadataImage,
    ) -> Vec<TopicPartition> {
        let inverted = planted(self.config.plant, Plant::StraysInverted);
        let node = self.config.node;
        let is_own = |tp| image.partition(tp).is_some_and(|state| state.is_replica(node));
        let mut strays: Vec<_> =
            self.iter().map(|p| p.tp).filter(|tp| is_own(*tp) == inverted).collect();
        strays.retain(|tp| {
            let was_here = self.drop_replica(step, *tp);
            if was_here {
                step.disk(Owner::Replica, DiskOpKind::SetLogAside { tp: *tp });
            }
            was_here
        });
        strays
    }

    fn apply_partition(
        &mut self,
        step: &mut Step<'_>,
        config: &TopicConfig,
        tp: TopicPartition,
        topic: &Arc<str>,
        state: &PartitionImage,
    ) {
        let is_new = self.slot(tp).is_none();
        let slot = self.slot_or_create(step, config, tp, topic);
        if is_new {
            self.note_compaction(step, slot);
        }
        let node = self.config.node;
        let hosted = self.partitions.get_mut(slot as usize).and_then(Option::as_mut);
        let Some(partition) = hosted else { return };
        if partition.topic != *topic {
            partition.topic = Arc::clone(topic);
        }
        partition.set_replicas(&state.replicas, node);
        partition.take_config(config, node);
        self.throttles.note(partition.throttled);
        let is_new_epoch = state.leader_epoch > partition.leader_epoch || is_new;
        if is_new_epoch {
            self.begin_epoch(step, slot, state);
            self.note_tiering(step, slot);
        } else if state.partition_epoch > partition.partition_epoch {
            if partition.is_leader() {
                if planted(partition.plant, Plant::IsrChangeForgetsFollowers) {
                    partition.lead(node, state.isr.clone(), step.now);
                }
                self.commit_isr(step, slot, state.isr.clone(), state.partition_epoch);
            } else {
                partition.partition_epoch = state.partition_epoch;
            }
        }
    }

    /// A new leader epoch: this replica leads, or follows somebody, or nobody.
    fn begin_epoch(&mut self, step: &mut Step<'_>, slot: u32, state: &PartitionImage) {
        let node = self.config.node;
        let Some(partition) = self.partition_mut(slot) else { return };
        let was_leader = partition.is_leader();
        let same_leader = matches!(partition.role, Role::Follower)
            && partition.leader == state.leader
            && planted(partition.plant, Plant::SameLeaderSkipped);
        partition.leader = state.leader;
        partition.leader_epoch = state.leader_epoch;
        if !planted(partition.plant, Plant::PartitionEpochNotTaken) {
            partition.partition_epoch = state.partition_epoch;
        }
        if same_leader {
            return;
        }
        if state.leader == Some(node) {
            self.become_leader(step, slot, state);
        } else {
            self.become_follower(step, slot, state.leader);
        }
        self.note_isr(slot);
        // Who leads on keeps its log, and what waits for replication goes on waiting.
        let leads = self.partition(slot).is_some_and(Partition::is_leader);
        let keeps = planted(self.config.plant, Plant::DeposedKeepsWaiting);
        if was_leader && !leads && !keeps {
            self.fail_acks(step, slot, ErrorCode::NotLeaderOrFollower);
        }
        self.wake_watchers(slot);
    }

    fn become_leader(&mut self, step: &mut Step<'_>, slot: u32, state: &PartitionImage) {
        self.stop_following(slot);
        let node = self.config.node;
        let now = step.now;
        let mut ops = Vec::new();
        let Some(partition) = self.partition_mut(slot) else { return };
        let start = partition.log.next_offset();
        // The epoch is on record before the first append in it (REP-08).
        if !planted(partition.plant, Plant::EpochStartsWithFirstAppend) {
            partition.log.assign_epoch_start(state.leader_epoch, start, &mut ops);
        }
        partition.lead(node, state.isr.clone(), now);
        step.trace(TraceEvent::BecameLeader {
            tp: partition.tp,
            epoch: state.leader_epoch,
            start,
            isr: state.isr.clone(),
        });
        for kind in ops {
            self.carry_out(step, kind);
        }
        self.try_advance_high_watermark(step, slot);
    }

    fn become_follower(&mut self, step: &mut Step<'_>, slot: u32, leader: Option<NodeId>) {
        let Some(partition) = self.partition_mut(slot) else { return };
        partition.role = Role::Follower;
        let (tp, epoch) = (partition.tp, partition.leader_epoch);
        step.trace(TraceEvent::BecameFollower { tp, epoch, leader });
        if planted(partition.plant, Plant::TruncateToHighWatermark) {
            let to = partition.high_watermark;
            self.truncate(step, slot, to);
        }
        match leader {
            Some(leader) => self.start_following(slot, tp, leader, epoch),
            None => self.stop_following(slot),
        }
    }

    fn slot_or_create(
        &mut self,
        step: &mut Step<'_>,
        config: &TopicConfig,
        tp: TopicPartition,
        topic: &Arc<str>,
    ) -> u32 {
        if let Some(slot) = self.slot(tp) {
            return slot;
        }
        let log = Log::create(tp, self.log_config(config), 0);
        let kind = DiskOpKind::CreateLog { tp, topic: Arc::clone(topic) };
        step.disk(Owner::Replica, kind);
        let slot = self.insert(Partition::new(tp, Arc::clone(topic), log, self.config.plant));
        self.maintenance.begins(tp, slot);
        slot
    }

    /// A topic's configs over the broker's.
    fn topic_config(&self, image: &MetadataImage, topic: &Arc<str>) -> TopicConfig {
        let mut config = self.topic_defaults.clone();
        if super::is_internal(topic) {
            // whatever the broker's default is: coordinators need what deletion would take
            config.cleanup_policy = CleanupPolicy::COMPACT;
        }
        if let Some(overrides) = image.configs(&ConfigResource::Topic(Arc::clone(topic))) {
            config.apply_readable(overrides);
        }
        config
    }

    /// Logs found at the start were loaded with defaults; from now on their topic's configs hold.
    fn apply_configs(
        &mut self,
        step: &mut Step<'_>,
        image: &MetadataImage,
        configs: &mut TopicConfigs,
    ) {
        self.throttles.forget();
        let node = self.config.node;
        for slot in 0..self.partitions.len() {
            let hosted = self.partitions[slot].as_ref();
            let Some(topic) = hosted.and_then(|p| image.topic(p.tp.topic)) else { continue };
            let read = || self.topic_config(image, &topic.name);
            let config = configs.entry(topic.id).or_insert_with(read);
            let log_config = self.log_config(config);
            let Some(partition) = &mut self.partitions[slot] else { continue };
            partition.log.set_config(log_config);
            let is_enough = partition.take_config(config, node);
            self.throttles.note(partition.throttled);
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            if is_enough {
                self.try_advance_high_watermark(step, slot);
            }
            self.note_compaction(step, slot);
            self.tiering_may_begin(step, slot);
        }
    }

    fn log_config(&self, topic: &TopicConfig) -> LogConfig {
        LogConfig { plant: self.config.plant, ..LogConfig::new(topic, &self.config.server) }
    }

    /// A replica that is no longer here: its log goes, if there is one, and counts among those that are gone.
    fn delete(&mut self, step: &mut Step<'_>, tp: TopicPartition, gone: &mut Vec<TopicPartition>) {
        if self.drop_replica(step, tp) {
            step.disk(Owner::Replica, DiskOpKind::DeleteLog { tp });
            gone.push(tp);
        }
    }

    /// Whoever waits for the replica hears that it is gone. `false`: there is none.
    fn drop_replica(&mut self, step: &mut Step<'_>, tp: TopicPartition) -> bool {
        let Some(slot) = self.slot(tp) else { return false };
        self.stop_following(slot);
        self.fail_acks(step, slot, ErrorCode::UnknownTopicOrPartition);
        self.wake_watchers(slot);
        self.incomplete.remove(&slot);
        self.by_tp.remove(&tp);
        self.forget_compaction(step, slot, tp);
        self.forget_tiering(slot);
        self.partitions[slot as usize] = None;
        true
    }
}
