//! Replication quotas (KIP-73, Kafka's `ReplicationQuotaManager`): how fast replicas may be copied,
//! as leader and as follower. What goes to or comes from throttled replicas counts; only those that
//! are out of sync are held back while the rate is above its bound, so that no ISR shrinks for it.

use super::look::Look;
use super::session::FetchSession;
use super::{Partition, ReplicaManager};
use crate::config::TopicConfig;
use crate::ids::{NodeId, TopicPartition};
use crate::protocol::FetchPartitionResponse;
use crate::quota::Rate;
use crate::step::Step;
use crate::time::{Duration, Instant};

/// Which quotas a replica is under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Throttled {
    /// While this broker leads it: `leader.replication.throttled.replicas`.
    pub(super) as_leader: bool,
    /// While this broker copies it: `follower.replication.throttled.replicas`.
    pub(super) as_follower: bool,
}

impl Throttled {
    pub(super) fn new(topic: &TopicConfig, tp: TopicPartition, node: NodeId) -> Self {
        Self {
            as_leader: topic.leader_throttled.contains(tp.partition, node),
            as_follower: topic.follower_throttled.contains(tp.partition, node),
        }
    }
}

/// Bytes in one direction.
#[derive(Debug, Default)]
struct Quota {
    /// Bytes per second; `None`: as fast as it goes.
    bound: Option<u64>,
    rate: Rate,
    /// Whether a replica here may be under it: without one nothing is looked at.
    is_used: bool,
}

impl Quota {
    /// Until when the rate is above its bound, ms.
    fn exceeded_until_ms(&mut self, now: Instant) -> Option<u64> {
        if !self.is_used {
            return None;
        }
        self.rate.above_until_ms(now.as_millis(), self.bound?)
    }
}

/// Both quotas of a broker.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    leader: Quota,
    follower: Quota,
}

impl Throttles {
    /// Whether what is sent to followers may have to be held back now.
    pub(super) fn holds_back(&mut self, now: Instant) -> bool {
        self.leader.exceeded_until_ms(now).is_some()
    }

    /// Whether what is sent to followers may have to be counted.
    pub(super) fn counts_sent(&self) -> bool {
        self.leader.is_used
    }

    /// Whether what is fetched may have to be counted.
    pub(super) fn counts_fetched(&self) -> bool {
        self.follower.is_used
    }

    /// A replica is under these quotas.
    pub(super) fn note(&mut self, throttled: Throttled) {
        self.leader.is_used |= throttled.as_leader;
        self.follower.is_used |= throttled.as_follower;
    }

    /// All replicas will be noted again.
    pub(super) fn forget(&mut self) {
        self.leader.is_used = false;
        self.follower.is_used = false;
    }
}

/// A throttled replica that is out of sync gets no records; it stays to be looked at. Its state is
/// told as always. Its follower does not name it in its next fetch, and is where it was
/// (`FetchSession::restate_left_out`).
#[cold]
pub(super) fn hold_back(
    session: &mut FetchSession,
    part: u32,
    partition: Option<&Partition>,
    looked: Look,
) -> Look {
    let (Look::Data(_), Some(partition)) = (&looked, partition) else { return looked };
    let Some(replica) = session.replica else { return looked };
    let is_in_sync = partition.leadership().is_some_and(|lead| lead.isr.contains(&replica.id));
    if is_in_sync || !partition.throttled.as_leader {
        return looked;
    }
    session.mark(part);
    session.restate_part(part);
    Look::at_state(&session.parts[part as usize], partition)
}

impl ReplicaManager {
    /// What `leader.replication.throttled.rate` and `follower.replication.throttled.rate` are now,
    /// bytes per second.
    #[cold]
    pub(crate) fn set_throttled_rates(&mut self, leader: Option<u64>, follower: Option<u64>) {
        self.throttles.leader.bound = leader;
        self.throttles.follower.bound = follower;
    }

    /// Bytes per second that throttled replicas may take, as leaders and as followers; for checkers.
    pub(crate) fn throttled_rates(&self) -> (Option<u64>, Option<u64>) {
        (self.throttles.leader.bound, self.throttles.follower.bound)
    }

    /// Counts what followers are sent of throttled partitions.
    #[cold]
    pub(super) fn count_sent(
        &mut self,
        step: &Step<'_>,
        session: u32,
        answers: &[FetchPartitionResponse],
    ) {
        let of_replica = |session: &FetchSession| session.replica.is_some();
        if !self.sessions.get(session).is_some_and(of_replica) {
            return;
        }
        let is_throttled = |tp| self.find(tp).is_some_and(|p| p.throttled.as_leader);
        let throttled = answers.iter().filter(|answer| is_throttled(answer.tp));
        let bytes: u64 = throttled.map(|answer| u64::from(answer.records.size_bytes())).sum();
        if bytes > 0 {
            self.throttles.leader.rate.record(step.now.as_millis(), bytes);
        }
    }

    /// Counts what was fetched for a throttled replica.
    #[cold]
    pub(super) fn count_fetched(
        &mut self,
        step: &Step<'_>,
        slot: u32,
        answer: &FetchPartitionResponse,
    ) {
        let is_throttled = self.partition(slot).is_some_and(|p| p.throttled.as_follower);
        let bytes = u64::from(answer.records.size_bytes());
        if is_throttled && bytes > 0 {
            self.throttles.follower.rate.record(step.now.as_millis(), bytes);
        }
    }

    /// Leaves the throttled replicas of a fetcher out for as long as the rate is too high: its next
    /// fetch takes them out of its session.
    #[cold]
    pub(super) fn hold_throttled(&mut self, step: &mut Step<'_>, at: u32) {
        let Some(until_ms) = self.throttles.follower.exceeded_until_ms(step.now) else { return };
        let wait = Duration::from_millis(until_ms.saturating_sub(step.now.as_millis()).max(1));
        // the bound may change, and windows are forgotten
        let until = step.now + wait.min(self.config.server.replica_fetch_backoff);
        let Self { fetchers, partitions, .. } = self;
        let held = |slot: u32| {
            let partition = partitions.get(slot as usize).and_then(Option::as_ref);
            partition.is_some_and(|partition| partition.throttled.as_follower)
        };
        if let Some(timer) = fetchers.hold(at, until, held) {
            step.timer(until, timer);
        }
    }
}
