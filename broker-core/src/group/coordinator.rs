//! The coordinator of a broker: groups whose `__consumer_offsets` partition it leads.

use super::admin::Deletions;
use super::codec::{OffsetValue, encode_group_key};
use super::consumer::ConsumerSettings;
use super::membership::{Cx, Membership, Store};
use super::roster::Roster;
use super::timers::Timers;
use super::writes::{Pending, Write, Writes};
use super::{OFFSETS_TOPIC, partition_for};
use crate::config::NodeConfig;
use crate::error::ErrorCode;
use crate::failed_loads::FailedLoads;
use crate::ids::{LeaderEpoch, Offset, TopicPartition};
use crate::metadata::MetadataImage;
use crate::plant::{Plant, planted};
use crate::random::SplitMix64;
use crate::records::Record;
use crate::replica::{ProduceOutcome, ReplicaManager};
use crate::step::Step;
use crate::time::Duration;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keeps the draws of member ids apart from those of elections.
const MEMBER_IDS: u64 = 0x6d65_6d62_6572_7321;

/// Limits from server.properties.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) initial_delay: Duration,
    pub(super) session_timeout_ms: (i32, i32),
    pub(super) members_max: usize,
    pub(super) metadata_bytes_max: usize,
    pub(super) retention_ms: i64,
    pub(super) retention_check: Duration,
}

/// The coordinator of a broker.
#[derive(Debug)]
pub(crate) struct GroupCoordinator {
    pub(super) partitions: BTreeMap<i32, OffsetsPartition>,
    pub(super) loads: FxHashMap<u64, (i32, LeaderEpoch)>,
    /// Loads that wait for appends of the leadership before, which the disk has not confirmed.
    pub(super) stalled: Vec<i32>,
    /// Loads whose read has failed.
    pub(super) failed_loads: FailedLoads,
    pub(super) writes: Writes,
    pub(super) deletions: Deletions,
    pub(super) limits: Limits,
    pub(super) consumer_settings: ConsumerSettings,
    pub(super) plant: Option<Plant>,
    /// Whether the timer for what expires is armed.
    pub(super) looks_for_expired: bool,
    pub(super) timers: Timers,
    pub(super) random: SplitMix64,
}

/// Where a group's records go: the partition, and the epoch in which it is led here.
pub(super) type Place = (TopicPartition, LeaderEpoch);

/// One led partition of `__consumer_offsets`.
#[derive(Debug)]
pub(super) struct OffsetsPartition {
    pub(super) tp: TopicPartition,
    pub(super) epoch: LeaderEpoch,
    /// Next offset to load; `None` when loaded.
    pub(super) loading: Option<Offset>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
}

/// A position, and the offset of its record: of two, the one that comes later in the log counts, whichever transaction
/// ends last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) value: OffsetValue,
    pub(super) at: Offset,
}

/// By topic and partition.
pub(super) type Positions = BTreeMap<(Arc<str>, i32), Recorded>;

/// Members and positions of a group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) roster: Roster,
    /// Those that count.
    pub(super) positions: Positions,
    /// Positions of open transactions, by producer id.
    pub(super) pending: BTreeMap<i64, Positions>,
}

impl Group {
    pub(super) fn new(id: &Arc<str>) -> Self {
        Self {
            roster: Roster::Classic(Box::new(Membership::new(Arc::clone(id)))),
            positions: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }
}

impl OffsetsPartition {
    /// A group, made when there is none.
    pub(super) fn group(&mut self, id: &Arc<str>) -> &mut Group {
        self.groups.entry(Arc::clone(id)).or_insert_with(|| Group::new(id))
    }
}

impl GroupCoordinator {
    pub(crate) fn new(config: &NodeConfig) -> Self {
        let server = &config.server;
        let limits = Limits {
            initial_delay: server.group_initial_rebalance_delay,
            session_timeout_ms: (
                server.group_min_session_timeout_ms,
                server.group_max_session_timeout_ms,
            ),
            members_max: usize::try_from(server.group_max_size).unwrap_or(0),
            metadata_bytes_max: usize::try_from(server.offset_metadata_max_bytes).unwrap_or(0),
            retention_ms: i64::from(server.offsets_retention_minutes.max(1)) * 60_000,
            retention_check: server.offsets_retention_check_interval,
        };
        Self {
            partitions: BTreeMap::new(),
            loads: FxHashMap::default(),
            stalled: Vec::new(),
            failed_loads: FailedLoads::default(),
            writes: Writes::default(),
            deletions: Deletions::default(),
            limits,
            consumer_settings: ConsumerSettings::new(server),
            plant: config.plant,
            looks_for_expired: false,
            timers: Timers::default(),
            random: SplitMix64::for_purpose(config.seed, MEMBER_IDS),
        }
    }

    /// The partition of a group, when this broker coordinates it and has read it.
    pub(super) fn ready(
        &mut self,
        image: &MetadataImage,
        group: &str,
    ) -> Result<&mut OffsetsPartition, ErrorCode> {
        let topic = image.topic_named(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let partition = self.partitions.get_mut(&partition_for(group, count)).ok_or(
            match planted(self.plant, Plant::MovedCoordinatorLoads) {
                true => ErrorCode::CoordinatorLoadInProgress,
                false => ErrorCode::NotCoordinator,
            },
        )?;
        if partition.loading.is_some() && !planted(self.plant, Plant::AnswersWhileLoading) {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        Ok(partition)
    }

    /// Lets something happen to the members of a group in the classic protocol; what they want
    /// written is appended. `None` when the group is not here.
    pub(super) fn act<T>(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        partition: i32,
        group: &Arc<str>,
        act: impl FnOnce(&mut Membership, &mut Cx<'_, '_>) -> T,
    ) -> Option<T> {
        let early = planted(self.plant, Plant::AssignsBeforeWritten);
        let Self { partitions, timers, random, limits, .. } = self;
        let partition = partitions.get_mut(&partition)?;
        let (tp, epoch) = (partition.tp, partition.epoch);
        let membership = partition.groups.get_mut(group)?.roster.classic_mut()?;
        let mut stores = Vec::new();
        let initial_delay = limits.initial_delay;
        let mut cx = Cx { step, timers, stores: &mut stores, random, initial_delay };
        let result = act(membership, &mut cx);
        if early {
            membership.assign_early(&mut cx);
        }
        if let Some(Store { value, .. }) = stores.last() {
            membership.notes_logged(value);
        }
        for Store { value, then } in stores {
            let value = super::codec::encode_group_value(&value);
            let record = Record::new(Some(encode_group_key(group)), Some(value));
            let write = Write::Members { group: Arc::clone(group), then };
            self.writes.append(step, replicas, (tp, epoch), vec![record], write);
        }
        Some(result)
    }

    /// Deadlines of groups.
    pub(crate) fn timer_due(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
    ) {
        self.timers.fired(step.now);
        self.retry_loads(step, (&mut *replicas, image));
        while let Some(deadline) = self.timers.pop(step.now) {
            let holds =
                self.partitions.iter().find(|(_, p)| p.groups.contains_key(&deadline.group));
            let Some(place) = holds.map(|(_, p)| (p.tp, p.epoch)) else { continue };
            let partition = place.0.partition;
            self.consumer_due(step, replicas, image, place, &deadline);
            self.act(step, replicas, partition, &deadline.group, |membership, cx| {
                membership.due(cx, deadline.at, &deadline.due);
            });
        }
    }

    /// An append is replicated, or failed, or takes too long (GRP-06: clients must see retriable errors).
    pub(crate) fn append_done(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        outcome: ProduceOutcome,
    ) {
        let ProduceOutcome { token, error, is_overdue } = outcome;
        let Some(mut done) = self.writes.take(token) else { return };
        self.tell(step, replicas, &mut done, (token, error));
        if is_overdue {
            self.writes.put_back(token, done);
        } else {
            self.take_effect(done, error);
        }
    }

    /// Whether an append's partition is coordinated here in the epoch that it was appended in.
    fn place_of(&mut self, append: &Pending) -> Option<&mut OffsetsPartition> {
        self.partitions.get_mut(&append.partition).filter(|p| p.epoch == append.epoch)
    }

    /// Whoever waits for an append hears what became of it.
    fn tell(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        append: &mut Pending,
        (token, error): (u64, ErrorCode),
    ) {
        let is_here = self.place_of(append).is_some();
        let partition = append.partition;
        match &mut append.write {
            Write::Consumers { group } if is_here => {
                let error = error.told_by_coordinator();
                self.act_consumer(step, partition, group, |members, cx| {
                    members.written(cx.step, token, error);
                });
            }
            Write::Consumers { .. } => {}
            Write::Members { group, then } if is_here => {
                let (mut then, error) = (std::mem::take(then), error.told_by_coordinator());
                self.act(step, replicas, partition, group, |membership, cx| {
                    membership.stored(cx, std::mem::take(&mut then), error);
                });
                // the group has lost its members, and is in the other protocol or gone: nobody else would answer
                then.abandon(step, ErrorCode::UnknownMemberId);
            }
            // the group is elsewhere now: whoever waits must look for it
            Write::Members { then, .. } => {
                std::mem::take(then).abandon(step, ErrorCode::NotCoordinator);
            }
            Write::Positions(commit) => commit.answer(step, self.answer_to_commit(error)),
            Write::Deletion(deletion) => self.answer_deletion(step, deletion, error),
        }
    }

    /// An append has ended: the log has it for good, or has not.
    fn take_effect(&mut self, append: Pending, error: ErrorCode) {
        let Some(state) = self.place_of(&append) else { return };
        match append.write {
            // groups have been told
            Write::Consumers { .. } | Write::Members { .. } => {}
            Write::Positions(commit) if error.is_ok() => {
                state.group(&commit.group).committed(commit);
            }
            Write::Positions(_) => {}
            Write::Deletion(deletion) if error.is_ok() => state.deleted(deletion),
            Write::Deletion(deletion) => state.not_deleted(&deletion),
        }
    }

    /// After every input: goes on with loads that had to wait, arms the timer.
    pub(crate) fn finish_step(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
    ) {
        self.resume_loads(step, (replicas, image));
        self.timers.arm(step);
    }
}
