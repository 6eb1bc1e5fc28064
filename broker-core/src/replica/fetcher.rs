//! Replica fetchers: how a follower copies its leader's log.
//!
//! One fetcher per (leader, n) as `num.replica.fetchers` says, each with its own connection and an
//! incremental session. Truncation follows the leader's answer (KIP-595), never the follower's own
//! high watermark (REP-01).

use super::ReplicaManager;
use crate::error::ErrorCode;
use crate::ids::{CorrelationId, LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::inspect::FollowedView;
use crate::pending::Pending;
use crate::plant::{Plant, planted};
use crate::protocol::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, IsolationLevel,
    ReplicaState, Request, Response, SESSION_EPOCH_INITIAL,
};
use crate::records::{Batch, Records};
use crate::seam::{Channel, PeerError, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use crate::time::Instant;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All fetchers of a broker.
#[derive(Debug, Default)]
pub(super) struct Fetchers {
    list: Vec<Fetcher>,
    by_key: FxHashMap<(NodeId, u16), u32>,
    /// Fetcher of each followed slot.
    by_slot: FxHashMap<u32, u32>,
    by_request: Pending<u32>,
    /// Fetchers that may have something to send.
    idle: Vec<u32>,
}

#[derive(Debug)]
struct Fetcher {
    leader: NodeId,
    id: u16,
    session_id: i32,
    session_epoch: i32,
    parts: BTreeMap<u32, Followed>,
    changed: Vec<u32>,
    forgotten: Vec<TopicPartition>,
    /// Id of the fetch under way.
    in_flight: Option<u64>,
    /// Appends of the last response that the disk has not confirmed.
    appending: u32,
    backoff_until: Option<Instant>,
    /// No partition that is left out is due before. Each has a timer of its own, and thousands of them
    /// may be due at once.
    delayed_from: Instant,
    /// How often records were taken from an answer without a session, by partition.
    takes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    tp: TopicPartition,
    epoch: LeaderEpoch,
    /// Offset that the leader was last asked for in this epoch.
    asked: Offset,
    /// Left out until then, after an error or for a quota.
    delayed_until: Option<Instant>,
    /// Whether the last answer did not go up to the high watermark.
    is_behind: bool,
    /// Whether it was asked for in this session and not taken back since.
    is_asked: bool,
    /// Which of the fetcher's takes brought its last records (`Fetcher::takes`).
    taken: u64,
}

impl Fetcher {
    #[cold]
    fn reset_session(&mut self) {
        self.session_id = 0;
        self.session_epoch = SESSION_EPOCH_INITIAL;
        self.changed = self.parts.keys().copied().collect();
        self.forgotten.clear();
        self.parts.values_mut().for_each(|followed| followed.is_asked = false);
    }

    /// Leaves partitions out of fetches until then, and out of the session those that are in it.
    #[cold]
    fn leave_out(&mut self, slots: &[u32], until: Instant) {
        self.delayed_from = self.delayed_from.min(until);
        for slot in slots {
            let Some(followed) = self.parts.get_mut(slot) else { continue };
            followed.delayed_until = followed.delayed_until.max(Some(until));
            if std::mem::take(&mut followed.is_asked) {
                self.forgotten.push(followed.tp);
            }
        }
        let Self { parts, changed, .. } = self;
        changed.retain(|slot| parts.get(slot).is_some_and(|part| part.delayed_until.is_none()));
    }

    /// Partitions that are left out no longer.
    #[cold]
    fn take_due(&mut self, now: Instant) -> Vec<u32> {
        let mut due = Vec::new();
        if self.delayed_from > now {
            return due;
        }
        self.delayed_from = Instant::FAR_FUTURE;
        for (slot, followed) in &mut self.parts {
            match followed.delayed_until {
                Some(until) if until <= now => {
                    followed.delayed_until = None;
                    due.push(*slot);
                }
                Some(until) => self.delayed_from = self.delayed_from.min(until),
                None => {}
            }
        }
        due
    }

    /// A partition has got records. Where its leader keeps no session for this fetcher, it is asked for after all
    /// others from now on, so that none starves: each fetch names all, and is filled in their order
    /// (`PartitionStates.updateAndMoveToEnd`).
    #[cold]
    fn moves_to_end(&mut self, slot: u32) {
        self.takes += 1;
        if let Some(followed) = self.parts.get_mut(&slot) {
            followed.taken = self.takes;
        }
    }

    fn touch(&mut self, slot: u32) {
        if !self.changed.contains(&slot) {
            self.changed.push(slot);
        }
    }
}

impl ReplicaManager {
    /// Starts to copy a partition from its leader.
    pub(super) fn start_following(
        &mut self,
        slot: u32,
        tp: TopicPartition,
        leader: NodeId,
        epoch: LeaderEpoch,
    ) {
        self.stop_following(slot);
        let fetchers = self.config.server.num_replica_fetchers;
        let at = self.fetchers.fetcher_for(leader, fetcher_id(tp, fetchers));
        self.fetchers.by_slot.insert(slot, at);
        let fetcher = &mut self.fetchers.list[at as usize];
        let followed = Followed {
            tp,
            epoch,
            asked: NO_OFFSET,
            delayed_until: None,
            is_behind: false,
            is_asked: false,
            taken: fetcher.takes,
        };
        fetcher.parts.insert(slot, followed);
        fetcher.forgotten.retain(|other| *other != tp);
        fetcher.touch(slot);
        self.fetchers.idle.push(at);
        if self.maintenance.holds(slot) {
            self.leave_out_held(slot);
        }
    }

    /// Leaves a partition out of fetches until it is resumed.
    #[cold]
    pub(super) fn leave_out_held(&mut self, slot: u32) {
        if let Some(&at) = self.fetchers.by_slot.get(&slot) {
            self.fetchers.list[at as usize].leave_out(&[slot], Instant::FAR_FUTURE);
        }
    }

    /// There are more or fewer fetchers per leader now (`AbstractFetcherManager.resizeThreadPool`).
    #[cold]
    pub(super) fn spread_over_fetchers(&mut self) {
        let of = |fetcher: &Fetcher| {
            let leader = fetcher.leader;
            let parts = fetcher.parts.iter();
            parts.map(move |(slot, part)| (*slot, part.tp, leader, part.epoch)).collect::<Vec<_>>()
        };
        let followed: Vec<_> = self.fetchers.list.iter().flat_map(of).collect();
        for (slot, tp, leader, epoch) in followed {
            self.start_following(slot, tp, leader, epoch);
        }
    }

    /// Stops copying a partition; an answer under way for it is ignored.
    pub(super) fn stop_following(&mut self, slot: u32) {
        let Some(at) = self.fetchers.by_slot.remove(&slot) else { return };
        let fetcher = &mut self.fetchers.list[at as usize];
        if let Some(followed) = fetcher.parts.remove(&slot) {
            fetcher.changed.retain(|other| *other != slot);
            fetcher.forgotten.push(followed.tp);
            self.fetchers.idle.push(at);
        }
    }

    /// Sends what fetchers have to send.
    pub(super) fn pump_fetchers(&mut self, step: &mut Step<'_>, broker_epoch: i64) {
        if self.log_dir_failed.is_some() {
            return;
        }
        while let Some(at) = self.fetchers.idle.pop() {
            self.pump_fetcher(step, at, broker_epoch);
        }
    }

    fn pump_fetcher(&mut self, step: &mut Step<'_>, at: u32, broker_epoch: i64) {
        self.abandon_if_unused(at);
        let fetcher = &self.fetchers.list[at as usize];
        let waits = fetcher.in_flight.is_some()
            || fetcher.appending > 0
            || fetcher.backoff_until.is_some_and(|until| until > step.now);
        if waits {
            return;
        }
        if self.throttles.counts_fetched() {
            self.hold_throttled(step, at);
        }
        let fetcher = &self.fetchers.list[at as usize];
        let has_parts = fetcher.parts.values().any(|part| part.delayed_until.is_none());
        if !has_parts && fetcher.forgotten.is_empty() {
            return;
        }
        let request = self.fetch_request(at, broker_epoch);
        let timeout = self.config.server.replica_socket_timeout;
        let fetcher = &mut self.fetchers.list[at as usize];
        let channel = Channel::Fetcher(fetcher.id);
        let id = step.send(
            Owner::Fetcher,
            fetcher.leader,
            channel,
            timeout,
            Request::Fetch(Box::new(request)),
        );
        fetcher.in_flight = Some(id.0);
        self.fetchers.by_request.insert(id.0, at);
    }

    /// A fetcher without partitions waits for nobody, and asks nobody, be it to take back what it had asked for
    /// (`shutdownIdleFetcherThreads`): its peer may be gone, and lead again long before a request times out.
    fn abandon_if_unused(&mut self, at: u32) {
        let fetcher = &mut self.fetchers.list[at as usize];
        if !fetcher.parts.is_empty() {
            return;
        }
        fetcher.reset_session();
        if let Some(id) = fetcher.in_flight.take() {
            self.fetchers.by_request.remove(id);
        }
    }

    fn fetch_request(&mut self, at: u32, broker_epoch: i64) -> FetchRequest {
        let (server, plant) = (&self.config.server, self.config.plant);
        let max_bytes = server.replica_fetch_max_bytes;
        let fetcher = &mut self.fetchers.list[at as usize];
        let mut changed = std::mem::take(&mut fetcher.changed);
        changed.sort_unstable();
        if fetcher.takes > 0 && fetcher.session_id == 0 {
            let taken = |slot: &u32| fetcher.parts.get(slot).map_or(0, |part| part.taken);
            changed.sort_by_cached_key(taken);
        }
        let mut partitions = Vec::with_capacity(changed.len());
        partitions.extend(changed.drain(..).filter_map(|slot| {
            let followed = fetcher.parts.get_mut(&slot)?;
            let followed = Some(followed).filter(|p| p.delayed_until.is_none())?;
            let log = &self.partitions.get(slot as usize)?.as_ref()?.log;
            let is_first = followed.asked == NO_OFFSET;
            let forgets = is_first && planted(plant, Plant::LastEpochForgotten);
            followed.asked = log.log_end_offset();
            followed.is_asked = true;
            Some(FetchPartition {
                tp: followed.tp,
                current_leader_epoch: followed.epoch,
                fetch_offset: followed.asked,
                last_fetched_epoch: if forgets { NO_EPOCH } else { log.last_epoch() },
                log_start_offset: log.log_start_offset(),
                max_bytes,
            })
        }));
        fetcher.changed = changed;
        FetchRequest {
            replica: Some(ReplicaState { id: self.config.node, epoch: broker_epoch }),
            max_wait_ms: server.replica_fetch_wait_max_ms,
            min_bytes: server.replica_fetch_min_bytes,
            max_bytes: server.replica_fetch_response_max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: fetcher.session_id,
            session_epoch: fetcher.session_epoch,
            partitions,
            forgotten: std::mem::take(&mut fetcher.forgotten),
            rack: None,
        }
    }

    /// The leader answered, or did not.
    pub(crate) fn fetcher_response(
        &mut self,
        step: &mut Step<'_>,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some(at) = self.fetchers.by_request.remove(id.0) else { return };
        self.fetchers.list[at as usize].in_flight = None;
        match result {
            Ok(Response::Fetch(response)) if response.error.is_ok() => {
                self.take_fetched(step, at, response);
            }
            Ok(Response::Fetch(_)) => self.fetchers.list[at as usize].reset_session(),
            Ok(_) | Err(_) => self.back_off(step, at),
        }
        self.fetchers.idle.push(at);
    }

    #[cold]
    fn back_off(&mut self, step: &mut Step<'_>, at: u32) {
        let until = step.now + self.config.server.replica_fetch_backoff;
        let fetcher = &mut self.fetchers.list[at as usize];
        fetcher.reset_session();
        fetcher.backoff_until = Some(until);
        step.timer(until, TimerKey::Fetcher(fetcher.leader, fetcher.id));
    }

    /// A back-off is over.
    pub(crate) fn fetcher_due(&mut self, step: &Step<'_>, leader: NodeId, id: u16) {
        let Some(&at) = self.fetchers.by_key.get(&(leader, id)) else { return };
        let fetcher = &mut self.fetchers.list[at as usize];
        if fetcher.backoff_until.is_some_and(|until| until <= step.now) {
            fetcher.backoff_until = None;
        }
        for slot in fetcher.take_due(step.now) {
            if !planted(self.config.plant, Plant::DelayHasNoEnd) {
                fetcher.touch(slot);
            }
        }
        self.fetchers.idle.push(at);
    }

    fn take_fetched(&mut self, step: &mut Step<'_>, at: u32, mut response: FetchResponse) {
        let fetcher = &mut self.fetchers.list[at as usize];
        if fetcher.session_epoch == SESSION_EPOCH_INITIAL {
            fetcher.session_id = response.session_id;
            // The leader's cache may be full: then every fetch names every partition.
            fetcher.session_epoch = i32::from(response.session_id != 0);
        } else {
            fetcher.session_epoch =
                if fetcher.session_epoch == i32::MAX { 1 } else { fetcher.session_epoch + 1 };
        }
        if fetcher.session_id == 0 {
            fetcher.changed = fetcher.parts.keys().copied().collect();
        }
        for answer in &mut response.partitions {
            self.take_partition(step, at, answer);
        }
    }

    fn take_partition(
        &mut self,
        step: &mut Step<'_>,
        at: u32,
        answer: &mut FetchPartitionResponse,
    ) {
        let Some(slot) = self.slot(answer.tp) else { return };
        if let Some(diverging) = answer.diverging_epoch
            && planted(self.config.plant, Plant::TruncationWithoutOwnership)
        {
            self.truncate_to_leader(step, slot, diverging);
        }
        let fetcher = &mut self.fetchers.list[at as usize];
        let Some(followed) = fetcher.parts.get(&slot).copied() else { return };
        // A new epoch began while the answer was on its way (REP-14).
        let is_current = self
            .partition(slot)
            .is_some_and(|p| !p.is_leader() && p.leader_epoch == followed.epoch);
        if !is_current {
            return;
        }
        // The log was cut or written to meanwhile, as by appends of a lost leadership that the disk
        // confirmed late: the answer says nothing about what it holds now.
        let asked_now = |p: &super::Partition| p.log.log_end_offset() == followed.asked;
        if !planted(self.config.plant, Plant::StaleAnswerTaken)
            && !self.partition(slot).is_some_and(asked_now)
        {
            self.fetchers.list[at as usize].touch(slot);
            return;
        }
        if let Some(diverging) = answer.diverging_epoch {
            step.trace(TraceEvent::Mark("fetch-diverged"));
            if planted(self.config.plant, Plant::HighWatermarkBeforeTruncation) {
                self.follow_high_watermark(step, slot, answer.high_watermark);
            }
            self.truncate_to_leader(step, slot, diverging);
            self.fetchers.list[at as usize].touch(slot);
            return;
        }
        match answer.error {
            ErrorCode::None => self.take_records(step, at, (slot, followed), answer),
            ErrorCode::OffsetOutOfRange => {
                if self.reset_to_leader(step, slot, answer) {
                    self.fetchers.list[at as usize].touch(slot);
                } else {
                    self.delay(step, at, slot);
                }
            }
            ErrorCode::OffsetMovedToTieredStorage => {
                let channel = Channel::Fetcher(self.fetchers.list[at as usize].id);
                self.begin_rebuild(step, slot, channel, answer.log_start_offset);
                self.delay(step, at, slot);
            }
            _ => self.delay(step, at, slot),
        }
    }

    fn take_records(
        &mut self,
        step: &mut Step<'_>,
        at: u32,
        (slot, followed): (u32, Followed),
        answer: &mut FetchPartitionResponse,
    ) {
        if self.throttles.counts_fetched() {
            self.count_fetched(step, slot, answer);
        }
        let end = answer.records.last_offset().map_or(followed.asked, |last| last + 1);
        let is_behind = end < answer.high_watermark;
        if is_behind != followed.is_behind
            && let Some(followed) = self.fetchers.list[at as usize].parts.get_mut(&slot)
        {
            followed.is_behind = is_behind;
        }
        if answer.records.is_empty() {
            if !planted(self.config.plant, Plant::HighWatermarkNeedsData) {
                self.follow_high_watermark(step, slot, answer.high_watermark);
            }
        } else {
            let fetcher = &mut self.fetchers.list[at as usize];
            fetcher.touch(slot);
            if fetcher.session_id == 0 {
                fetcher.moves_to_end(slot);
            }
            let records = up_to_epoch(std::mem::take(&mut answer.records), followed.epoch);
            let asked = followed.asked;
            let amid =
                |first: &&Arc<Batch>| first.base_offset() < asked && first.next_offset() > asked;
            if let Some(first) = records.batches().first().filter(amid) {
                self.begin_with_batch(step, slot, first.base_offset());
            }
            let appended = self.append_as_follower(step, slot, at, records, answer.high_watermark);
            match appended {
                Ok(true) => self.fetchers.list[at as usize].appending += 1,
                Ok(false) => {}
                Err(_) => return self.delay(step, at, slot),
            }
        }
        self.follow_log_start(step, slot, answer.log_start_offset);
    }

    /// The disk confirmed an append of this fetcher's last response.
    pub(super) fn follower_append_done(&mut self, at: u32) {
        let fetcher = &mut self.fetchers.list[at as usize];
        fetcher.appending = fetcher.appending.saturating_sub(1);
        if fetcher.appending == 0 {
            self.fetchers.idle.push(at);
        }
    }

    /// A follower's high watermark is the leader's, as far as its own log goes.
    pub(super) fn follow_high_watermark(&mut self, step: &mut Step<'_>, slot: u32, leader: Offset) {
        let Some(partition) = self.partition_mut(slot) else { return };
        if partition.is_leader() {
            return;
        }
        let ahead = planted(partition.plant, Plant::HighWatermarkUnbounded);
        let target = if ahead { leader } else { leader.min(partition.log.log_end_offset()) };
        let before = partition.high_watermark;
        if target > before {
            partition.high_watermark = target;
            partition.log.note_high_watermark(target);
            let (tp, epoch) = (partition.tp, partition.leader_epoch);
            step.trace(TraceEvent::HighWatermark { tp, offset: target, leader: false, epoch });
            self.mark_readable(slot, before);
        }
    }

    /// A partition that was left out is asked for again.
    #[cold]
    pub(super) fn resume_following(&mut self, slot: u32) {
        let Some(&at) = self.fetchers.by_slot.get(&slot) else { return };
        let fetcher = &mut self.fetchers.list[at as usize];
        if let Some(followed) = fetcher.parts.get_mut(&slot) {
            followed.delayed_until = None;
            fetcher.touch(slot);
            self.fetchers.idle.push(at);
        }
    }

    /// The log of a replica begins elsewhere. Where it is a follower, its next fetch says so: its leader is not
    /// to send consumers here for what is gone (KIP-392).
    #[cold]
    pub(super) fn tell_log_start(&mut self, slot: u32) {
        let Some(&at) = self.fetchers.by_slot.get(&slot) else { return };
        let fetcher = &mut self.fetchers.list[at as usize];
        if fetcher.parts.get(&slot).is_some_and(|followed| followed.delayed_until.is_none()) {
            fetcher.touch(slot);
        }
    }

    #[cold]
    fn delay(&mut self, step: &mut Step<'_>, at: u32, slot: u32) {
        let until = step.now + self.config.server.replica_fetch_backoff;
        let fetcher = &mut self.fetchers.list[at as usize];
        fetcher.leave_out(&[slot], until);
        step.timer(until, TimerKey::Fetcher(fetcher.leader, fetcher.id));
    }
}

impl Fetchers {
    /// What is copied from whom, for checkers.
    pub(super) fn views(&self) -> Vec<FollowedView> {
        let of = |fetcher: &Fetcher| {
            let (leader, delayed_from) = (fetcher.leader, fetcher.delayed_from);
            let parts = fetcher.parts.values().map(move |part| FollowedView {
                tp: part.tp,
                leader,
                epoch: part.epoch,
                is_asked: part.is_asked,
                is_delayed: part.delayed_until.is_some(),
                is_forgotten: part.delayed_until.is_some_and(|until| until < delayed_from),
            });
            parts.collect::<Vec<_>>()
        };
        self.list.iter().flat_map(of).collect()
    }

    /// Appends that fetchers wait for, for checkers.
    pub(super) fn awaited_appends(&self) -> usize {
        self.list.iter().map(|fetcher| fetcher.appending as usize).sum()
    }

    /// Fetchers that wait for an answer which nobody will hand them, or that have something to copy and wait for
    /// nothing, for checkers.
    pub(super) fn stuck(&self) -> usize {
        let is_expected = |at: usize| self.by_request.values().any(|of| *of as usize == at);
        let is_stuck = |(at, fetcher): &(usize, &Fetcher)| {
            let copies = fetcher.parts.values().any(|part| part.delayed_until.is_none());
            match fetcher.in_flight {
                Some(_) => !is_expected(*at),
                None => copies && fetcher.appending == 0 && fetcher.backoff_until.is_none(),
            }
        };
        self.list.iter().enumerate().filter(is_stuck).count()
    }

    /// Fetchers that wait for an answer though they have stopped copying all that they had asked for, for checkers.
    pub(super) fn unused(&self) -> usize {
        let is_unused =
            |fetcher: &&Fetcher| fetcher.in_flight.is_some() && fetcher.parts.is_empty();
        self.list.iter().filter(is_unused).count()
    }

    /// Delays those partitions of a fetcher that are behind and held back. Returns the timer that
    /// ends it; `None`: there are none.
    pub(super) fn hold(
        &mut self,
        at: u32,
        until: Instant,
        is_held: impl Fn(u32) -> bool,
    ) -> Option<TimerKey> {
        let fetcher = self.list.get_mut(at as usize)?;
        let parts = fetcher.parts.iter();
        let behind = parts.filter(|(_, part)| part.is_behind && part.delayed_until.is_none());
        let held: Vec<u32> = behind.map(|(slot, _)| *slot).filter(|slot| is_held(*slot)).collect();
        if held.is_empty() {
            return None;
        }
        fetcher.leave_out(&held, until);
        Some(TimerKey::Fetcher(fetcher.leader, fetcher.id))
    }

    fn fetcher_for(&mut self, leader: NodeId, id: u16) -> u32 {
        if let Some(&at) = self.by_key.get(&(leader, id)) {
            return at;
        }
        let at = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(Fetcher {
            leader,
            id,
            session_id: 0,
            session_epoch: SESSION_EPOCH_INITIAL,
            parts: BTreeMap::new(),
            changed: Vec::new(),
            forgotten: Vec::new(),
            in_flight: None,
            appending: 0,
            backoff_until: None,
            delayed_from: Instant::FAR_FUTURE,
            takes: 0,
        });
        self.by_key.insert((leader, id), at);
        at
    }
}

/// What of an answer is of the epoch in which it was asked for, or of earlier ones (KAFKA-18723, where
/// `UnifiedLog.analyzeAndValidateRecords` leaves out the rest). While its leader read, that may have been deposed,
/// have cut its log and have copied others: nothing tells that this log is the same up to their batches.
fn up_to_epoch(records: Records, epoch: LeaderEpoch) -> Records {
    let batches = records.batches();
    match batches.iter().position(|batch| batch.header.partition_leader_epoch > epoch) {
        Some(first) => Records::new(batches[..first].to_vec()),
        None => records,
    }
}

/// As `AbstractFetcherManager.getFetcherId`, with the topic id in the name's place.
fn fetcher_id(tp: TopicPartition, fetchers: u16) -> u16 {
    let topic = tp.topic.0 ^ (tp.topic.0 >> 64);
    let hash = (topic as u64).wrapping_mul(31).wrapping_add(u64::from(tp.partition.unsigned_abs()));
    u16::try_from(hash % u64::from(fetchers.max(1))).unwrap_or(0)
}
