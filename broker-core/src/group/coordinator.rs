//! Positions of groups whose `__consumer_offsets` partition this broker leads.

use super::codec::{OffsetKey, OffsetValue, decode_key, decode_value, encode_key, encode_value};
use super::{OFFSETS_TOPIC, partition_for};
use crate::error::ErrorCode;
use crate::ids::{
    DiskOpId, LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicId, TopicPartition,
};
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::plant::{Plant, planted};
use crate::protocol::{
    Acks, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    ProducePartition, ProduceRequest, Response,
};
use crate::records::{Batch, Record, Records};
use crate::replica::{AppendOrigin, ProduceOutcome, ReplicaManager};
use crate::seam::{DiskOpKind, DiskResult, TraceEvent};
use crate::step::{Owner, ReplyTo, Step};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `offsets.commit.timeout.ms`.
const COMMIT_TIMEOUT_MS: i32 = 5000;
/// `offsets.load.buffer.size`.
const LOAD_BYTES: u32 = 5 << 20;

/// The coordinator of a broker.
#[derive(Debug, Default)]
pub(crate) struct GroupCoordinator {
    partitions: BTreeMap<i32, OffsetsPartition>,
    loads: FxHashMap<u64, (i32, LeaderEpoch)>,
    /// Loads that wait for appends of the leadership before, which the disk has not confirmed.
    stalled: Vec<i32>,
    commits: BTreeMap<u64, PendingCommit>,
    next_token: u64,
    plant: Option<Plant>,
}

/// One led partition of `__consumer_offsets`.
#[derive(Debug)]
struct OffsetsPartition {
    tp: TopicPartition,
    epoch: LeaderEpoch,
    /// Next offset to load; `None` when loaded.
    loading: Option<Offset>,
    positions: BTreeMap<OffsetKey, OffsetValue>,
}

#[derive(Debug)]
struct PendingCommit {
    to: ReplyTo,
    partition: i32,
    epoch: LeaderEpoch,
    positions: Vec<(TopicPartition, Option<(OffsetKey, OffsetValue)>)>,
}

impl GroupCoordinator {
    /// Loads partitions that this broker leads from now on, drops those that it leads no longer.
    pub(crate) fn apply_metadata(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        delta: &MetadataDelta,
    ) {
        let Some(topic) = image.topic_named(OFFSETS_TOPIC) else { return };
        let node: NodeId = replicas.config.node;
        self.plant = replicas.config.plant;
        for tp in delta.partitions.iter().filter(|tp| tp.topic == topic.id) {
            let Some(state) = image.partition(*tp) else { continue };
            if state.leader != Some(node) {
                if !planted(self.plant, Plant::CoordinatorStays) {
                    self.partitions.remove(&tp.partition);
                }
            } else if self
                .partitions
                .get(&tp.partition)
                .is_none_or(|p| p.epoch < state.leader_epoch)
            {
                self.begin_load(step, replicas, *tp, state.leader_epoch);
            }
        }
    }

    fn begin_load(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        tp: TopicPartition,
        epoch: LeaderEpoch,
    ) {
        let start = replicas.find(tp).map_or(0, |p| p.log.log_start_offset());
        let loading =
            OffsetsPartition { tp, epoch, loading: Some(start), positions: BTreeMap::new() };
        self.partitions.insert(tp.partition, loading);
        self.load_more(step, replicas, tp.partition);
    }

    /// Reads on, up to the log's end: what a former leader appended counts, committed or not yet,
    /// as the new leader's log is what will be committed.
    fn load_more(&mut self, step: &mut Step<'_>, replicas: &ReplicaManager, partition: i32) {
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        let Some(from) = state.loading else { return };
        let Some(replica) = replicas.find(state.tp) else { return };
        let end = replica.log.log_end_offset();
        match replica.log.read_plan(from, end, LOAD_BYTES) {
            Ok(Some(range)) => {
                let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: LOAD_BYTES };
                let id = step.disk(Owner::Group, kind);
                self.loads.insert(id.0, (partition, state.epoch));
            }
            Ok(None) | Err(_) => {
                let Some(lead) = replica.leadership() else { return };
                if end < lead.epoch_start {
                    self.stalled.push(partition);
                } else {
                    state.loading = None;
                }
            }
        }
    }

    /// Goes on with loads that had to wait; to be called after every input.
    pub(crate) fn resume_loads(&mut self, step: &mut Step<'_>, replicas: &ReplicaManager) {
        for partition in std::mem::take(&mut self.stalled) {
            self.load_more(step, replicas, partition);
        }
    }

    /// A read of a load ended.
    pub(crate) fn disk_done(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        id: DiskOpId,
        result: DiskResult,
    ) {
        let Some((partition, epoch)) = self.loads.remove(&id.0) else { return };
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        if state.epoch != epoch {
            return;
        }
        let DiskResult::Read(read) = result else { return };
        let batches = read.iter().flat_map(|records| records.batches());
        for batch in batches {
            state.loading = state.loading.map(|at| at.max(batch.next_offset()));
            let Ok(records) = batch.records() else { continue };
            step.effects.work.records_walked += records.len() as u64;
            for record in records {
                let Some(key) = record.key.as_deref().and_then(decode_key) else { continue };
                match record.value.as_deref().and_then(decode_value) {
                    Some(value) => state.positions.insert(key, value),
                    None => state.positions.remove(&key),
                };
            }
        }
        self.load_more(step, replicas, partition);
    }

    fn ready(&self, image: &MetadataImage, group: &str) -> Result<&OffsetsPartition, ErrorCode> {
        let topic = image.topic_named(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let partition =
            self.partitions.get(&partition_for(group, count)).ok_or(ErrorCode::NotCoordinator)?;
        if partition.loading.is_some() && !planted(self.plant, Plant::AnswersWhileLoading) {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        Ok(partition)
    }

    /// Positions of a group.
    pub(crate) fn fetch(
        &self,
        image: &MetadataImage,
        request: &OffsetFetchRequest,
    ) -> OffsetFetchResponse {
        let partition = match self.ready(image, &request.group) {
            Ok(partition) => partition,
            Err(error) => return OffsetFetchResponse { error, offsets: Vec::new() },
        };
        let offsets = match &request.partitions {
            None => partition.all_of(image, &request.group),
            Some(asked) => asked
                .iter()
                .map(|tp| {
                    let found = key(image, &request.group, *tp)
                        .and_then(|key| partition.positions.get(&key))
                        .map_or((NO_OFFSET, NO_EPOCH), |value| (value.offset, value.leader_epoch));
                    (*tp, found.0, found.1)
                })
                .collect(),
        };
        OffsetFetchResponse { error: ErrorCode::None, offsets }
    }

    /// Appends positions to the log; they count, and the client hears of it, once replicated.
    pub(crate) fn commit(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: OffsetCommitRequest,
    ) {
        let (tp, epoch) = match self.ready(image, &request.group) {
            Ok(partition) => (partition.tp, partition.epoch),
            Err(error) => {
                if error == ErrorCode::CoordinatorLoadInProgress {
                    step.trace(TraceEvent::Mark("coordinator-loading"));
                }
                return reply(step, to, request.offsets.iter().map(|o| (o.0, error)));
            }
        };
        let positions: Vec<_> = request
            .offsets
            .iter()
            .map(|(at, offset, leader_epoch)| {
                let value = OffsetValue {
                    offset: *offset,
                    leader_epoch: *leader_epoch,
                    commit_ms: step.wall_ms,
                };
                (*at, key(image, &request.group, *at).map(|key| (key, value)))
            })
            .collect();
        let known = positions.iter().filter_map(|(_, position)| position.as_ref());
        let mut records: Vec<_> = known
            .map(|(key, value)| Record::new(Some(encode_key(key)), Some(encode_value(value))))
            .collect();
        if records.is_empty() {
            let unknown = ErrorCode::UnknownTopicOrPartition;
            return reply(step, to, positions.iter().map(|p| (p.0, unknown)));
        }
        let batch = Batch::build(step.wall_ms, &mut records);
        self.next_token += 1;
        let commit = PendingCommit { to, partition: tp.partition, epoch, positions };
        self.commits.insert(self.next_token, commit);
        let request = ProduceRequest {
            acks: Acks::All,
            timeout_ms: COMMIT_TIMEOUT_MS,
            partitions: vec![ProducePartition { tp, records: Records::single(Arc::new(batch)) }],
        };
        replicas.produce(step, AppendOrigin::Coordinator(self.next_token), request);
    }

    /// A commit's append is replicated, or failed (GRP-06: clients must see retriable errors).
    pub(crate) fn append_done(&mut self, step: &mut Step<'_>, outcome: ProduceOutcome) {
        let Some(commit) = self.commits.remove(&outcome.token) else { return };
        let error = match outcome.error {
            ErrorCode::None => ErrorCode::None,
            ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => {
                ErrorCode::NotCoordinator
            }
            _ => ErrorCode::CoordinatorNotAvailable,
        };
        let state = self.partitions.get_mut(&commit.partition);
        let state = state.filter(|state| state.epoch == commit.epoch);
        let mut answers = Vec::with_capacity(commit.positions.len());
        let mut applied = state;
        for (tp, position) in commit.positions {
            let Some((key, value)) = position else {
                answers.push((tp, ErrorCode::UnknownTopicOrPartition));
                continue;
            };
            answers.push((tp, error));
            if error.is_ok()
                && let Some(state) = &mut applied
            {
                state.positions.insert(key, value);
            }
        }
        reply(step, commit.to, answers.into_iter());
    }
}

impl OffsetsPartition {
    /// Every position of a group in topics that exist.
    fn all_of(
        &self,
        image: &MetadataImage,
        group: &Arc<str>,
    ) -> Vec<(TopicPartition, Offset, LeaderEpoch)> {
        let first = OffsetKey { group: Arc::clone(group), topic: "".into(), partition: i32::MIN };
        self.positions
            .range(first..)
            .take_while(|(key, _)| key.group == *group)
            .filter_map(|(key, value)| {
                let topic = image.topic_named(&key.topic)?;
                let tp = TopicPartition::new(topic.id, key.partition);
                Some((tp, value.offset, value.leader_epoch))
            })
            .collect()
    }
}

fn key(image: &MetadataImage, group: &Arc<str>, tp: TopicPartition) -> Option<OffsetKey> {
    let topic = image.topic(tp.topic).filter(|t| t.id != TopicId::METADATA)?;
    usize::try_from(tp.partition).ok().filter(|index| *index < topic.partitions.len())?;
    let topic = Arc::clone(&topic.name);
    Some(OffsetKey { group: Arc::clone(group), topic, partition: tp.partition })
}

fn reply(
    step: &mut Step<'_>,
    to: ReplyTo,
    partitions: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) {
    let response = OffsetCommitResponse { partitions: partitions.collect() };
    step.reply(to, Response::OffsetCommit(response));
}
