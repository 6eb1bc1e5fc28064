//! One hosted replica: its log, its role, the ISR and the high watermark.
//!
//! Follows `kafka.cluster.Partition` and `Replica`. What of a log is in remote storage, and where
//! its local part begins, the log itself knows.

use super::throttle::Throttled;
use crate::config::TopicConfig;
use crate::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::log::Log;
use crate::plant::{Plant, planted};
use crate::protocol::ReplicaState;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::Arc;

/// A partition in a fetch session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Session slot.
    pub(crate) session: u32,
    /// Index within the session.
    pub(crate) part: u32,
}

/// A part of a produce that waits for an offset: for the high watermark to reach it (`ack_waiters`), or the disk
/// (`duplicates`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckWaiter {
    /// Offset after its last record.
    pub(crate) required: Offset,
    /// Delayed produce.
    pub(crate) produce: u64,
    /// Partition's index within that request.
    pub(crate) index: u32,
}

/// A hosted replica.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) tp: TopicPartition,
    pub(crate) topic: Arc<str>,
    pub(crate) log: Log,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) partition_epoch: i32,
    pub(crate) high_watermark: Offset,
    pub(crate) min_isr: usize,
    pub(crate) throttled: Throttled,
    pub(crate) role: Role,
    /// In order of `required`, as appends are.
    pub(crate) ack_waiters: VecDeque<AckWaiter>,
    /// Batches that were sent again while the disk had the first copy.
    pub(crate) duplicates: Vec<AckWaiter>,
    /// Sessions of followers and of consumers that read here.
    pub(crate) follower_watch: Vec<Watch>,
    pub(crate) consumer_watch: Vec<Watch>,
    pub(crate) plant: Option<Plant>,
}

/// What this replica is to the partition.
#[derive(Debug)]
pub(crate) enum Role {
    /// Hosted, but no leader epoch applied yet, or the replica is gone.
    Idle,
    /// Leads.
    Leader(Leadership),
    /// Follows `Partition::leader`, if there is one.
    Follower,
}

/// A leader's knowledge of its followers.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Log end when the epoch began: a follower must have reached it to join the ISR (REP-07).
    pub(crate) epoch_start: Offset,
    /// Committed ISR, this replica included.
    pub(crate) isr: Vec<NodeId>,
    /// ISR proposed to the controller and not yet answered.
    pub(crate) pending_isr: Option<Vec<NodeId>>,
    pub(crate) followers: Vec<Follower>,
}

/// A follower as its leader sees it.
#[derive(Debug, Clone)]
pub struct Follower {
    /// Which.
    pub id: NodeId,
    /// Its log end, from its last fetch; `NO_OFFSET` before the first one in this epoch.
    pub log_end: Offset,
    /// Where its log starts, from the same fetch.
    pub log_start: Offset,
    /// Last time at which it had everything that the leader had.
    pub(crate) caught_up_at: Instant,
    last_fetch_at: Instant,
    leader_end_at_last_fetch: Offset,
    /// Epoch of its registration, from its fetches (KIP-903).
    pub broker_epoch: i64,
    /// Slot of the session whose fetch said so last, unless that has said since what counts for nothing.
    heard_in: Option<u32>,
}

impl Partition {
    pub(crate) fn new(tp: TopicPartition, topic: Arc<str>, log: Log, plant: Option<Plant>) -> Self {
        let high_watermark = log.log_start_offset();
        Self {
            tp,
            topic,
            log,
            replicas: Vec::new(),
            leader: None,
            leader_epoch: NO_EPOCH,
            partition_epoch: -1,
            high_watermark,
            min_isr: 1,
            throttled: Throttled::default(),
            role: Role::Idle,
            ack_waiters: VecDeque::new(),
            duplicates: Vec::new(),
            follower_watch: Vec::new(),
            consumer_watch: Vec::new(),
            plant,
        }
    }

    pub(crate) fn leadership(&self) -> Option<&Leadership> {
        match &self.role {
            Role::Leader(leadership) => Some(leadership),
            Role::Idle | Role::Follower => None,
        }
    }

    pub(crate) fn leadership_mut(&mut self) -> Option<&mut Leadership> {
        match &mut self.role {
            Role::Leader(leadership) => Some(leadership),
            Role::Idle | Role::Follower => None,
        }
    }

    pub(crate) fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Whether `acks=all` must be refused (`NOT_ENOUGH_REPLICAS`).
    pub(crate) fn is_under_min_isr(&self) -> bool {
        self.leadership().is_some_and(|lead| lead.isr.len() < self.min_isr)
    }

    /// Followers that had everything have less after an append: they were last known to be caught
    /// up when they fetched last, which the session knows in which they were heard of.
    pub(crate) fn note_append(
        &mut self,
        end_before: Offset,
        last_fetch: impl Fn(&[Watch], (NodeId, u32)) -> Option<Instant>,
    ) {
        let Role::Leader(lead) = &mut self.role else { return };
        for follower in lead.followers.iter_mut().filter(|f| f.log_end >= end_before) {
            let heard = follower.heard_in.map(|session| (follower.id, session));
            let fetched_at = heard.and_then(|of| last_fetch(&self.follower_watch, of));
            let fetched_at = fetched_at.unwrap_or(follower.last_fetch_at);
            follower.caught_up_at = follower.caught_up_at.max(fetched_at);
        }
    }

    /// A follower's fetch says how far it is. Returns whether it is a known replica.
    pub(crate) fn note_follower_fetch(
        &mut self,
        ReplicaState { id, epoch: broker_epoch }: ReplicaState,
        (log_start, fetch_offset): (Offset, Offset),
        now: Instant,
    ) -> bool {
        let leader_end = self.log.log_end_offset();
        let Role::Leader(lead) = &mut self.role else { return false };
        let Some(follower) = lead.followers.iter_mut().find(|f| f.id == id) else { return false };
        if fetch_offset >= leader_end || planted(self.plant, Plant::AnyFetchCatchesUp) {
            follower.caught_up_at = now;
        } else if fetch_offset >= follower.leader_end_at_last_fetch && follower.log_end != NO_OFFSET
        {
            follower.caught_up_at = follower.caught_up_at.max(follower.last_fetch_at);
        }
        follower.leader_end_at_last_fetch = leader_end;
        follower.last_fetch_at = now;
        (follower.log_start, follower.log_end) = (log_start, fetch_offset);
        follower.broker_epoch = broker_epoch;
        true
    }

    /// A follower was heard of in a session. Returns the slot of another one in which it was before.
    pub(crate) fn hear_in(&mut self, id: NodeId, session: u32) -> Option<u32> {
        let lead = self.leadership_mut()?;
        let follower = lead.followers.iter_mut().find(|f| f.id == id)?;
        follower.heard_in.replace(session).filter(|before| *before != session)
    }

    /// What a session says of a follower counts no longer. Whether it did.
    pub(crate) fn unhear(&mut self, id: NodeId, session: u32) -> bool {
        let Some(lead) = self.leadership_mut() else { return false };
        let follower = lead.followers.iter_mut().find(|f| f.id == id);
        follower.is_some_and(|f| f.heard_in.take_if(|heard| *heard == session).is_some())
    }

    /// A follower fetched last at that time, without saying anything new: it counts as caught up then if it
    /// had everything.
    pub(crate) fn had_everything(&mut self, id: NodeId, fetched_at: Instant) {
        let end = self.log.log_end_offset();
        let Some(lead) = self.leadership_mut() else { return };
        let own = lead.followers.iter_mut().filter(|f| f.id == id && f.log_end >= end);
        own.for_each(|follower| follower.caught_up_at = follower.caught_up_at.max(fetched_at));
    }

    /// Moves the leader's high watermark to the smallest log end that counts. `lag_max` is
    /// `replica.lag.time.max.ms`; `eligible` says whether a follower outside the ISR could join.
    /// Returns whether it moved.
    pub(crate) fn advance_high_watermark(
        &mut self,
        now: Instant,
        lag_max: Duration,
        eligible: impl Fn(&Follower) -> bool,
    ) -> bool {
        // KAFKA-15583: below min ISR nothing becomes committed (ISR-02).
        if self.is_under_min_isr() && !planted(self.plant, Plant::HighWatermarkBelowMinIsr) {
            return false;
        }
        let end = self.log.log_end_offset();
        let Role::Leader(lead) = &self.role else { return false };
        let mut candidate = end;
        for follower in &lead.followers {
            if follower.log_end >= candidate {
                continue;
            }
            let joins_soon = || {
                follower.is_caught_up(end, now, lag_max)
                    && follower.log_end != NO_OFFSET
                    && eligible(follower)
            };
            let counts = if planted(self.plant, Plant::ProposedIsrCounts) {
                lead.pending_isr.as_ref().unwrap_or(&lead.isr).contains(&follower.id)
            } else {
                lead.is_in_maximal_isr(follower.id) || joins_soon()
            };
            if counts {
                candidate = follower.log_end;
                if planted(self.plant, Plant::HighWatermarkOneAhead) {
                    candidate = end.min(candidate + 1);
                }
            }
        }
        if candidate > self.high_watermark {
            self.high_watermark = candidate;
            return true;
        }
        false
    }

    /// Whether a follower outside the ISR may be proposed for it.
    pub(crate) fn may_expand_isr(&self, id: NodeId) -> bool {
        let Role::Leader(lead) = &self.role else { return false };
        if lead.pending_isr.is_some() || lead.isr.contains(&id) {
            return false;
        }
        let Some(follower) = lead.followers.iter().find(|f| f.id == id) else { return false };
        let reached_epoch = follower.log_end >= lead.epoch_start
            || planted(self.plant, Plant::IsrExpandWithoutEpochStart);
        follower.log_end >= self.high_watermark && reached_epoch
    }

    /// Members of the ISR that fell behind for longer than `lag_max`.
    pub(crate) fn out_of_sync(&self, now: Instant, lag_max: Duration) -> Vec<NodeId> {
        let end = self.log.log_end_offset();
        let half = Duration::from_nanos(lag_max.as_nanos() / 2);
        let lag_max = if planted(self.plant, Plant::IsrShrinksEarly) { half } else { lag_max };
        let Role::Leader(lead) = &self.role else { return Vec::new() };
        if lead.pending_isr.is_some() {
            return Vec::new();
        }
        lead.followers
            .iter()
            .filter(|f| lead.isr.contains(&f.id) && !f.is_caught_up(end, now, lag_max))
            .map(|f| f.id)
            .collect()
    }

    /// Takes an assignment. A leader that goes on in its epoch hears of replicas that a reassignment
    /// adds.
    pub(crate) fn set_replicas(&mut self, replicas: &[NodeId], this: NodeId) {
        if self.replicas == replicas {
            return;
        }
        self.replicas = replicas.to_vec();
        let Role::Leader(lead) = &mut self.role else { return };
        lead.followers.retain(|follower| replicas.contains(&follower.id));
        for id in replicas.iter().filter(|id| **id != this) {
            if !lead.followers.iter().any(|follower| follower.id == *id) {
                lead.followers.push(Follower::unknown(*id));
            }
        }
    }

    /// Takes those of its topic's configs that its log does not know. Whether fewer replicas in sync are enough
    /// now.
    pub(crate) fn take_config(&mut self, topic: &TopicConfig, this: NodeId) -> bool {
        let min_isr = usize::try_from(topic.min_insync_replicas).unwrap_or(1).max(1);
        let before = std::mem::replace(&mut self.min_isr, min_isr.min(self.replicas.len().max(1)));
        self.throttled = Throttled::new(topic, self.tp, this);
        self.min_isr < before
    }

    /// Takes over leadership in a new epoch.
    pub(crate) fn lead(&mut self, this: NodeId, isr: Vec<NodeId>, now: Instant) {
        let epoch_start = self.log.next_offset();
        let assumes = planted(self.plant, Plant::FollowersAssumedCaughtUp);
        let assumed = |id: &NodeId| assumes && isr.contains(id);
        let followers = self
            .replicas
            .iter()
            .filter(|id| **id != this)
            .map(|id| Follower {
                log_end: if assumed(id) { epoch_start } else { NO_OFFSET },
                caught_up_at: if isr.contains(id) { now } else { Instant::ZERO },
                ..Follower::unknown(*id)
            })
            .collect();
        self.role = Role::Leader(Leadership { epoch_start, isr, pending_isr: None, followers });
    }
}

impl Leadership {
    /// ISR together with what is proposed: whoever might be in the ISR must have the record
    /// before it counts as committed (ISR-01).
    fn is_in_maximal_isr(&self, id: NodeId) -> bool {
        self.isr.contains(&id) || self.pending_isr.as_ref().is_some_and(|isr| isr.contains(&id))
    }
}

impl Follower {
    /// One that has not fetched yet.
    #[must_use]
    pub fn unknown(id: NodeId) -> Self {
        Self {
            id,
            log_end: NO_OFFSET,
            log_start: NO_OFFSET,
            caught_up_at: Instant::ZERO,
            last_fetch_at: Instant::ZERO,
            leader_end_at_last_fetch: NO_OFFSET,
            broker_epoch: -1,
            heard_in: None,
        }
    }

    fn is_caught_up(&self, leader_end: Offset, now: Instant, lag_max: Duration) -> bool {
        self.log_end == leader_end || now.since(self.caught_up_at) <= lag_max
    }
}
