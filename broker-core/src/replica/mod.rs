//! Replicas on this broker: appends, fetches, replication, ISR and high watermarks.
//!
//! Follows `kafka.server.ReplicaManager` and its fetcher threads, with one difference in shape:
//! nothing blocks. An append or read is a disk operation whose completion goes on with the request.

mod append;
mod apply;
mod cleaner;
mod delete_records;
mod fetch;
mod fetcher;
mod flushing;
mod isr;
mod look;
mod maintenance;
mod nearest;
mod partition;
mod purgatory;
mod read;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod throttle;
mod tier;
mod truncation;
mod views;

pub(crate) use append::{AppendOrigin, ProduceOutcome};
pub use maintenance::checkpoint;
pub(crate) use maintenance::{parse_checkpoint, parse_tiered};
pub use partition::Follower;
pub(crate) use partition::Partition;

use crate::config::{NodeConfig, ServerConfig, TopicConfig};
use crate::group::OFFSETS_TOPIC;
use crate::ids::{NodeId, TopicPartition};
use crate::log::Log;
use crate::pending::Pending;
use crate::plant::{Plant, planted};
use crate::seam::{DiskError, DiskOpKind, TraceEvent};
use crate::step::{ReplyTo, Step};
use crate::time::Instant;
use crate::txn::TRANSACTIONS_TOPIC;
use append::PendingAppend;
use fetcher::Fetchers;
use isr::AlterPartitions;
use nearest::Racks;
use purgatory::Purgatory;
use read::PendingRead;
use rustc_hash::{FxHashMap, FxHashSet};
use session::SessionCache;
use std::collections::{BTreeMap, BTreeSet};
use throttle::Throttles;
use tier::Tier;

/// Brokers with the epochs of their registrations.
type BrokerEpochs = BTreeMap<NodeId, i64>;

/// All replicas of a broker.
#[derive(Debug)]
pub(crate) struct ReplicaManager {
    pub(crate) config: NodeConfig,
    pub(crate) topic_defaults: TopicConfig,
    /// Slots never move: ids of partitions elsewhere stay valid. A deleted one is `None`.
    partitions: Vec<Option<Partition>>,
    by_tp: FxHashMap<TopicPartition, u32>,
    /// Those that may join an ISR: registered, unfenced, not shutting down.
    eligible: BrokerEpochs,
    /// Those that are registered and unfenced.
    unfenced: BrokerEpochs,
    racks: Racks,
    appends: Pending<PendingAppend>,
    flushing: flushing::Flushing,
    reads: Pending<PendingRead>,
    purgatory: Purgatory,
    sessions: SessionCache,
    /// Led slots whose ISR lacks a replica: each fetch of a follower may bring one back.
    incomplete: BTreeSet<u32>,
    /// Sessions whose parked fetch may be answered now.
    ready: Vec<u32>,
    fetchers: Fetchers,
    alter: AlterPartitions,
    maintenance: maintenance::Maintenance,
    cleaner: cleaner::Cleaner,
    throttles: Throttles,
    /// Present with remote storage.
    tier: Option<Box<Tier>>,
    /// Whether metadata was applied since the start: what the first of it does not know is a stray, and all others
    /// go by their topics' configs from then on.
    has_metadata: bool,
    log_dir_failed: Option<DiskError>,
    /// What a log wants from the disk; emptied after each use, kept for its room.
    ops: Vec<DiskOpKind>,
    /// Empty lists for the next fetches.
    spare_lists: Vec<read::Lists>,
}

impl ReplicaManager {
    /// With the logs that recovery found.
    pub(crate) fn new(config: NodeConfig, logs: Vec<(Log, i64)>) -> Self {
        let topic_defaults = TopicConfig::from_server(&config.server);
        let mut manager = Self {
            topic_defaults,
            partitions: Vec::new(),
            by_tp: FxHashMap::default(),
            eligible: BrokerEpochs::new(),
            unfenced: BrokerEpochs::new(),
            racks: Racks::default(),
            appends: Pending::default(),
            flushing: flushing::Flushing::default(),
            reads: Pending::default(),
            purgatory: Purgatory::default(),
            sessions: SessionCache::new(config.seed),
            incomplete: BTreeSet::new(),
            ready: Vec::new(),
            fetchers: Fetchers::default(),
            alter: AlterPartitions::default(),
            maintenance: maintenance::Maintenance::default(),
            cleaner: cleaner::Cleaner::default(),
            throttles: Throttles::default(),
            tier: Tier::new(&config.server),
            has_metadata: false,
            log_dir_failed: None,
            ops: Vec::new(),
            spare_lists: Vec::new(),
            config,
        };
        for (log, high_watermark) in logs {
            let tp = log.tp();
            let mut partition = Partition::new(tp, "".into(), log, manager.config.plant);
            // what has left the disk was committed
            let start = partition.log.first_local_offset();
            let end = partition.log.log_end_offset();
            let all = planted(manager.config.plant, Plant::HighWatermarkFromLogEnd);
            partition.high_watermark = if all { end } else { high_watermark.clamp(start, end) };
            manager.insert(partition);
        }
        manager
    }

    /// What server.properties comes to has changed. Logs take over what topics inherit with the metadata
    /// that says so; a pass of the cleaner that is under way keeps its buffers.
    #[cold]
    pub(crate) fn set_server(&mut self, server: ServerConfig) {
        self.topic_defaults = TopicConfig::from_server(&server);
        let before = std::mem::replace(&mut self.config.server, server);
        if before.num_replica_fetchers != self.config.server.num_replica_fetchers {
            self.spread_over_fetchers();
        }
    }

    fn insert(&mut self, partition: Partition) -> u32 {
        let slot = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        self.by_tp.insert(partition.tp, slot);
        self.partitions.push(Some(partition));
        slot
    }

    /// Slot of a partition hosted here.
    pub(crate) fn slot(&self, tp: TopicPartition) -> Option<u32> {
        self.by_tp.get(&tp).copied()
    }

    /// Whether a slot holds this partition.
    fn hosts(&self, slot: u32, tp: TopicPartition) -> bool {
        self.partition(slot).is_some_and(|partition| partition.tp == tp)
    }

    pub(crate) fn partition(&self, slot: u32) -> Option<&Partition> {
        self.partitions.get(slot as usize)?.as_ref()
    }

    pub(crate) fn partition_mut(&mut self, slot: u32) -> Option<&mut Partition> {
        self.partitions.get_mut(slot as usize)?.as_mut()
    }

    /// A partition hosted here.
    pub(crate) fn find(&self, tp: TopicPartition) -> Option<&Partition> {
        self.partition(self.slot(tp)?)
    }

    /// Hosted partitions in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().flatten()
    }

    /// Whether the disk has not confirmed some append.
    pub(crate) fn has_appends_in_flight(&self) -> bool {
        self.iter().any(|partition| partition.log.has_in_flight())
    }

    /// First input of the process: arms periodic timers.
    pub(crate) fn start(&mut self, step: &mut Step<'_>) {
        self.maintenance.arm(&self.config.server, step);
        self.arm_isr_check(step);
        self.arm_tier(step);
    }

    /// Whether logs go by their topics' configs. Those found at the start have what server.properties says until
    /// metadata is applied, which takes a quorum: judged by that, what a topic keeps for ever, or compacts, would be
    /// deleted. Kafka loads logs with the first metadata, and begins to look at them then
    /// (`BrokerMetadataPublisher.initializeManagers`). The cleaner, and remote storage, know no log before.
    fn knows_configs(&self) -> bool {
        self.has_metadata
    }

    /// Connections that ended take their waiting requests with them.
    pub(crate) fn drop_connection(&mut self, conn: crate::ids::ConnectionId) {
        self.purgatory.drop_connection(conn);
        let gone: Vec<u32> = self
            .sessions
            .slots()
            .filter(|(_, session)| session.parked.is_some_and(|parked| parked.to.conn == conn))
            .map(|(slot, _)| slot)
            .collect();
        for slot in gone {
            if let Some(session) = self.sessions.get_mut(slot) {
                session.parked = None;
                // A session outlives its connection; a fetch without one does not.
                session.closed = session.id == 0;
            }
            self.free_if_closed(slot);
        }
    }

    /// After every input: answers parked fetches that became ready and sends what piled up.
    pub(crate) fn finish_step(
        &mut self,
        step: &mut Step<'_>,
        controller: Option<NodeId>,
        epoch: i64,
    ) {
        self.complete_ready_fetches(step);
        self.send_alter_partitions(step, controller, epoch);
        self.pump_fetchers(step, epoch);
    }

    /// Moves a leader's high watermark if it can, and everything that waits for it.
    fn try_advance_high_watermark(&mut self, step: &mut Step<'_>, slot: u32) {
        let lag_max = self.config.server.replica_lag_time_max;
        let Self { partitions, eligible, .. } = self;
        let Some(partition) = partitions[slot as usize].as_mut() else { return };
        let before = partition.high_watermark;
        let eligible = |follower: &Follower| is_eligible(eligible, follower);
        if !partition.advance_high_watermark(step.now, lag_max, eligible) {
            return;
        }
        debug_assert!(partition.high_watermark > before, "a high watermark never goes back");
        step.trace(TraceEvent::HighWatermark {
            tp: partition.tp,
            offset: partition.high_watermark,
            leader: true,
            epoch: partition.leader_epoch,
        });
        self.high_watermark_moved(step, slot, before);
    }

    fn high_watermark_moved(&mut self, step: &mut Step<'_>, slot: u32, before: i64) {
        if let Some(partition) = self.partition_mut(slot) {
            let high_watermark = partition.high_watermark;
            partition.log.note_high_watermark(high_watermark);
        }
        self.satisfy_acks(step, slot);
        self.mark_readable(slot, before);
    }
}

/// Whether a follower may join an ISR as it has fetched: not as another registration than the controller knows
/// (KIP-903, `Partition.isReplicaIsrEligible`).
fn is_eligible(eligible: &BrokerEpochs, follower: &Follower) -> bool {
    let registered = eligible.get(&follower.id);
    registered.is_some_and(|epoch| [-1, *epoch].contains(&follower.broker_epoch))
}

/// Whether only coordinators write to a topic (Kafka's `Topic.isInternal`).
fn is_internal(topic: &str) -> bool {
    topic == OFFSETS_TOPIC || topic == TRANSACTIONS_TOPIC
}

/// The deadline of a request that may wait `timeout_ms`.
fn deadline(now: Instant, timeout_ms: i32) -> Instant {
    now + crate::time::Duration::from_millis(u64::from(timeout_ms.max(0).unsigned_abs()))
}

/// Partitions named twice in one request would be answered twice; Kafka refuses them as invalid.
fn has_duplicates(tps: impl Iterator<Item = TopicPartition>) -> bool {
    let mut seen = FxHashSet::default();
    let mut tps = tps;
    tps.any(|tp| !seen.insert(tp))
}

/// A request that waits, and the connection it came from.
type Waiting = ReplyTo;

impl ReplicaManager {
    /// A partition that this broker leads, for requests that carry the client's idea of the epoch.
    pub(crate) fn led(
        &self,
        tp: TopicPartition,
        epoch: crate::ids::LeaderEpoch,
    ) -> Result<&Partition, crate::error::ErrorCode> {
        let partition = self.find(tp).ok_or(crate::error::ErrorCode::UnknownTopicOrPartition)?;
        look::fence(partition, epoch).map_or(Ok(partition), Err)
    }

    /// A partition that this broker still leads in the epoch in which it began to search the log: Kafka searches under
    /// the lock that a change of leader needs. Without a look "nothing found" would be told of a log that is gone, and
    /// consumers would begin at its end.
    pub(crate) fn led_in(
        &self,
        tp: TopicPartition,
        epoch: crate::ids::LeaderEpoch,
    ) -> Result<&Partition, crate::error::ErrorCode> {
        let partition = self.led(tp, crate::ids::NO_EPOCH)?;
        let is_same = partition.leader_epoch == epoch;
        is_same.then_some(partition).ok_or(crate::error::ErrorCode::NotLeaderOrFollower)
    }
}
