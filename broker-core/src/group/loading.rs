//! Taking over and giving up partitions of `__consumer_offsets`.

use super::OFFSETS_TOPIC;
use super::codec::{Key, decode_group_value, decode_key, decode_offset_value, is_offset_key};
use super::consumer::{Change, ConsumerGroup};
use super::coordinator::{Group, GroupCoordinator, OffsetsPartition, Recorded};
use super::membership::Membership;
use super::roster::Roster;
use crate::ids::{DiskOpId, LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::plant::{Plant, planted};
use crate::records::{Batch, RecordView};
use crate::replica::ReplicaManager;
use crate::seam::{DiskOpKind, DiskResult, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `offsets.load.buffer.size`.
const LOAD_BYTES: u32 = 5 << 20;

impl GroupCoordinator {
    /// Loads partitions that this broker leads from now on, drops those that it leads no longer.
    pub(crate) fn apply_metadata(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        delta: &MetadataDelta,
    ) {
        for topic in &delta.removed_topics {
            if *topic.name == *OFFSETS_TOPIC {
                let led: Vec<_> = self.partitions.keys().copied().collect();
                led.into_iter().for_each(|index| self.unload(step, replicas, index));
            } else {
                self.forget_topic(step, replicas, &topic.name);
            }
        }
        self.topics_changed(image, delta);
        let Some(topic) = image.topic_named(OFFSETS_TOPIC) else { return };
        let node: NodeId = replicas.config.node;
        for tp in delta.partitions.iter().filter(|tp| tp.topic == topic.id) {
            let Some(state) = image.partition(*tp) else { continue };
            let known = self.partitions.get(&tp.partition);
            let is_newer = known.is_none_or(|p| p.epoch < state.leader_epoch);
            if state.leader != Some(node) {
                if !planted(self.plant, Plant::CoordinatorStays) {
                    self.unload(step, replicas, tp.partition);
                }
            } else if is_newer {
                self.unload(step, replicas, tp.partition);
                self.begin_load(step, (replicas, image), *tp, state.leader_epoch);
            }
        }
    }

    fn unload(&mut self, step: &mut Step<'_>, replicas: &mut ReplicaManager, partition: i32) {
        let Some(state) = self.partitions.get(&partition) else { return };
        let groups: Vec<_> = state.groups.keys().cloned().collect();
        for group in groups {
            self.act(step, replicas, partition, &group, Membership::unload);
            self.act_consumer(step, partition, &group, |group, cx| group.unload(cx.step));
        }
        self.partitions.remove(&partition);
        self.stalled.retain(|stalled| *stalled != partition);
    }

    fn begin_load(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
        tp: TopicPartition,
        epoch: LeaderEpoch,
    ) {
        let start = replicas.find(tp).map_or(0, |p| p.log.log_start_offset());
        let groups = BTreeMap::new();
        let loading = OffsetsPartition { tp, epoch, loading: Some(start), groups };
        self.partitions.insert(tp.partition, loading);
        if !self.looks_for_expired {
            self.arm_expiry(step);
        }
        self.load_more(step, (replicas, image), tp.partition);
    }

    /// Reads on, up to the log's end: what a former leader appended counts, committed or not yet,
    /// as the new leader's log is what will be committed. Where retention has passed what it has read
    /// (`compact,delete`), it begins anew after a pause.
    fn load_more(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
        partition: i32,
    ) {
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        let Some(from) = state.loading else { return };
        let Some(replica) = replicas.find(state.tp) else { return };
        let mut end = replica.log.log_end_offset();
        if planted(self.plant, Plant::LoadEndsEarly) {
            end = (end - 1).max(replica.log.log_start_offset());
        }
        match replica.log.read_plan(from, end, LOAD_BYTES) {
            Ok(Some(range)) => {
                let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: LOAD_BYTES };
                let id = step.disk(Owner::Group, kind);
                self.loads.insert(id.0, (partition, state.epoch));
            }
            Err(_) if from < replica.log.log_start_offset() => {
                // what was read may be half of something: Kafka's `CoordinatorLoaderImpl` gives such a load up
                step.trace(TraceEvent::Mark("coordinator-load-failed"));
                state.loading = Some(replica.log.log_start_offset());
                state.groups.clear();
                let epoch = state.epoch;
                self.failed_loads.add(step, (partition, epoch), TimerKey::Groups);
            }
            Ok(None) | Err(_) => {
                let Some(lead) = replica.leadership() else { return };
                if end < lead.epoch_start {
                    self.stalled.push(partition);
                } else {
                    state.loading = None;
                    self.loaded(step, (replicas, image), partition);
                }
            }
        }
    }

    /// Members that the log knows must show that they are alive, within the time that their group has.
    fn loaded(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
        partition: i32,
    ) {
        if planted(self.plant, Plant::GenerationsBeginAnew)
            && let Some(state) = self.partitions.get_mut(&partition)
        {
            let classic = state.groups.values_mut().filter_map(|group| group.roster.classic_mut());
            classic.for_each(Membership::forget_generation);
        }
        let Some(state) = self.partitions.get(&partition) else { return };
        let groups: Vec<_> = state.groups.keys().cloned().collect();
        if planted(self.plant, Plant::LoadedMembersStay) {
            return;
        }
        let size_max = self.limits.members_max;
        for group in groups {
            self.act(step, replicas, partition, &group, |members, cx| members.loaded(cx, size_max));
            self.act_consumer_of(step, image, partition, &group, ConsumerGroup::loaded);
        }
    }

    /// Goes on with loads that had to wait; to be called after every input.
    pub(super) fn resume_loads(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
    ) {
        if self.stalled.is_empty() {
            return;
        }
        for partition in std::mem::take(&mut self.stalled) {
            self.load_more(step, (&mut *replicas, image), partition);
        }
    }

    /// Goes on with loads that could not read, when their pause is over.
    pub(super) fn retry_loads(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
    ) {
        for (partition, epoch) in self.failed_loads.take_due(step.now) {
            if self.partitions.get(&partition).is_some_and(|state| state.epoch == epoch) {
                self.load_more(step, (&mut *replicas, image), partition);
            }
        }
    }

    /// A read of a load ended.
    pub(crate) fn disk_done(
        &mut self,
        step: &mut Step<'_>,
        (replicas, image): (&mut ReplicaManager, &MetadataImage),
        id: DiskOpId,
        result: DiskResult,
    ) {
        let Some((partition, epoch)) = self.loads.remove(&id.0) else { return };
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        if state.epoch != epoch || state.loading.is_none() {
            return;
        }
        let DiskResult::Read(read) = result else {
            step.trace(TraceEvent::Mark("coordinator-load-failed"));
            if planted(self.plant, Plant::FailedLoadStays) {
                return;
            }
            self.failed_loads.add(step, (partition, epoch), TimerKey::Groups);
            return;
        };
        // what begins in a gap that a cut has left finds nothing, and must get on
        state.loading = state.loading.map(|at| at + 1);
        let batches = read.iter().flat_map(|records| records.batches());
        for batch in batches {
            state.loading = state.loading.map(|at| at.max(batch.next_offset()));
            step.effects.work.records_walked += state.replay_batch(batch);
        }
        self.load_more(step, (replicas, image), partition);
    }
}

impl OffsetsPartition {
    /// Takes a batch of the log. Returns how many records were walked.
    pub(super) fn replay_batch(&mut self, batch: &Batch) -> u64 {
        if batch.header.is_control() {
            self.replay_marker(batch);
            return 0;
        }
        let producer_id = batch.header.is_transactional().then_some(batch.header.producer_id);
        let Ok(body) = batch.unpack() else { return 0 };
        let Ok(records) = batch.views(&body) else { return 0 };
        for record in &records {
            let at = batch.base_offset() + Offset::from(record.offset_delta);
            self.replay(record, at, producer_id);
        }
        records.len() as u64
    }

    /// Takes what a batch of the log says of groups and their members, for whoever asks for nothing else: positions
    /// change nothing of that, and most records are of them.
    pub(super) fn replay_members(&mut self, batch: &Batch) {
        if batch.header.is_control() {
            return; // positions of a transaction count, or not
        }
        let Ok(body) = batch.unpack() else { return };
        let Ok(records) = batch.views(&body) else { return };
        let is_position = |record: &&RecordView<'_>| record.key.is_some_and(is_offset_key);
        for record in records.iter().filter(|record| !is_position(record)) {
            let at = batch.base_offset() + Offset::from(record.offset_delta);
            self.replay(record, at, None);
        }
    }

    /// Takes the log's record at an offset, perhaps of a producer's transaction. A value that cannot be
    /// read is none.
    fn replay(&mut self, record: &RecordView<'_>, at: Offset, producer_id: Option<i64>) {
        let value = record.value;
        match record.key.and_then(decode_key) {
            Some(Key::Offset(key)) => {
                let place = (key.topic, key.partition);
                if let Some(value) = value.and_then(decode_offset_value) {
                    let said = Recorded { value, at };
                    self.group(&key.group).record(place, said, producer_id);
                } else if let Some(group) = self.groups.get_mut(&key.group) {
                    group.forget_open(&place);
                    group.positions.remove(&place);
                }
            }
            Some(Key::Group(id)) => match value.and_then(decode_group_value) {
                Some(value) => {
                    let loaded = Membership::load(Arc::clone(&id), value);
                    self.group(&id).roster = Roster::Classic(Box::new(loaded));
                }
                // it was deleted so that it could begin anew in the other protocol
                None if self.groups.get(&id).is_some_and(|g| g.roster.consumer().is_some()) => {}
                None => {
                    let Some(Group { positions, pending, .. }) = self.groups.remove(&id) else {
                        return;
                    };
                    if !positions.is_empty() || !pending.is_empty() {
                        let group = self.group(&id);
                        (group.positions, group.pending) = (positions, pending);
                    }
                }
            },
            Some(Key::Consumer(key)) => {
                if let Some(change) = key.change(value) {
                    self.replay_consumers(key.group(), &change);
                }
            }
            None => {}
        }
    }

    /// Takes a change of a group in the consumer protocol.
    fn replay_consumers(&mut self, id: &Arc<str>, change: &Change) {
        let is_known = self.groups.get(id).is_some_and(|group| group.roster.consumer().is_some());
        if !is_known && change.is_removal() {
            return;
        }
        let group = self.group(id);
        if !is_known {
            group.roster = Roster::Consumer(Box::new(ConsumerGroup::new(id)));
        }
        let Some(members) = group.roster.consumer_mut() else { return };
        members.replay(change);
        if members.is_gone() && *change == Change::Group(None) {
            if group.positions.is_empty() && group.pending.is_empty() {
                self.groups.remove(id);
            } else {
                group.roster = Roster::Classic(Box::new(Membership::new(Arc::clone(id))));
            }
        }
    }
}
