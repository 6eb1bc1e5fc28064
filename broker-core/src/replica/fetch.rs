//! Fetch, as the leader answers it, and followers to consumers (KIP-392): sessions, follower progress, long polls.

use super::look::{Tail, diverges};
use super::session::FetchSession;
use super::{Partition, ReplicaManager, deadline};
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::plant::{Plant, planted};
use crate::protocol::{
    FetchPartition, FetchRequest, FetchResponse, IsolationLevel, ReplicaState, Response,
    SESSION_EPOCH_FINAL, SESSION_EPOCH_INITIAL,
};
use crate::replica::partition::Watch;
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use rustc_hash::FxHashMap;

/// How far a follower's log goes, and in which session it said so.
#[derive(Debug, Clone, Copy)]
struct Position {
    session: u32,
    /// Whether in an earlier life.
    is_outlived: bool,
    leader_epoch: LeaderEpoch,
    tail: Tail,
}

impl ReplicaManager {
    /// Answers a fetch now, or parks it until there is something to say.
    pub(crate) fn fetch(&mut self, step: &mut Step<'_>, to: ReplyTo, request: &FetchRequest) {
        let slot = match self.open_session(step, to, request) {
            Ok(slot) => slot,
            Err(error) => {
                step.trace(TraceEvent::Mark("fetch-session-unknown"));
                return refuse_session(step, to, error);
            }
        };
        for tp in &request.forgotten {
            self.forget(slot, *tp);
        }
        let is_outlived = request.replica.is_some_and(|replica| self.is_outlived(replica));
        if let Some(session) = self.sessions.get_mut(slot) {
            session.is_outlived = is_outlived;
            if is_outlived {
                // what it does not name proves no more than what it names
                session.restate_all();
                step.trace(TraceEvent::Mark("fetch-of-an-earlier-life"));
            }
        }
        for fetch in &request.partitions {
            self.update_position(step, slot, fetch);
        }
        if let Some(replica) = request.replica {
            self.restate_positions(step, slot, replica);
            self.retry_expansions(step, replica.id);
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.used_at = step.now;
        session.available = 0;
        step.effects.work.session_partitions += session.len();
        let is_for_now = request.max_wait_ms <= 0 || session.min_bytes == 0;
        let until = deadline(step.now, request.max_wait_ms);
        self.park(step, slot, to, until);
        self.answer_fetch(step, slot, is_for_now);
    }

    fn open_session(
        &mut self,
        step: &mut Step<'_>,
        to: ReplyTo,
        request: &FetchRequest,
    ) -> Result<u32, ErrorCode> {
        let is_full = request.session_epoch == SESSION_EPOCH_INITIAL
            || request.session_epoch == SESSION_EPOCH_FINAL;
        if is_full {
            Ok(self.begin_session(step, request))
        } else {
            self.continue_session(to, request)
        }
    }

    #[cold]
    fn begin_session(&mut self, step: &mut Step<'_>, request: &FetchRequest) -> u32 {
        if let Some(old) = self.sessions.slot_of(request.session_id) {
            self.end_session(step, old);
        }
        let value = (request.replica.is_some(), request.partitions.len());
        let keeps =
            request.session_epoch == SESSION_EPOCH_INITIAL && self.has_session_room(step, value);
        let id = if keeps { self.sessions.next_id() } else { 0 };
        let (min_bytes, max_bytes) = self.limits(request);
        self.sessions.insert(FetchSession {
            id,
            next_epoch: 1,
            replica: request.replica,
            is_outlived: false,
            rack: request.rack.clone(),
            isolation: request.isolation,
            min_bytes,
            max_bytes,
            parts: Vec::with_capacity(request.partitions.len()),
            index: FxHashMap::default(),
            live: 0,
            dirty: std::collections::VecDeque::new(),
            later: std::collections::VecDeque::new(),
            restated: Vec::new(),
            available: 0,
            parked: None,
            reading: false,
            began_at: step.now,
            used_at: step.now,
            closed: false,
        })
    }

    /// What is enough for an answer, and its soft limit, bytes. Nobody waits for more than an answer may have
    /// (`KafkaApis.handleFetchRequest`).
    fn limits(&self, request: &FetchRequest) -> (u64, u32) {
        let max = request.max_bytes.min(self.config.server.fetch_max_bytes);
        let min = request.min_bytes.min(max);
        (u64::from(min.max(0).unsigned_abs()), max.max(0).unsigned_abs())
    }

    fn continue_session(&mut self, to: ReplyTo, request: &FetchRequest) -> Result<u32, ErrorCode> {
        let (min_bytes, max_bytes) = self.limits(request);
        let slot =
            self.sessions.slot_of(request.session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let session = self.sessions.get_mut(slot).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let is_busy = session.reading || session.parked.is_some_and(|p| p.to.conn == to.conn);
        if session.next_epoch != request.session_epoch || is_busy {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        session.next_epoch =
            if session.next_epoch == i32::MAX { 1 } else { session.next_epoch + 1 };
        if session.replica != request.replica {
            // registered anew meanwhile (KIP-903), which holds for what is not named again, too
            session.restate_all();
        }
        session.replica = request.replica;
        if session.rack != request.rack {
            session.rack.clone_from(&request.rack);
        }
        session.isolation = request.isolation;
        (session.min_bytes, session.max_bytes) = (min_bytes, max_bytes);
        Ok(slot)
    }

    /// Room for one more session: a free slot, or that of one that was idle for two minutes, or else of the one that is
    /// worth least, if it is worth less (KIP-227, `FetchSessionCacheShard.tryEvict`): `value` is whether it is a
    /// follower's, and how many partitions it has. A younger one than two minutes stays, but a consumer's makes room
    /// for a follower's.
    #[cold]
    fn has_session_room(&mut self, step: &mut Step<'_>, value: (bool, usize)) -> bool {
        const OLD_NANOS: u64 = 120_000_000_000;
        let limit =
            self.config.server.max_incremental_fetch_session_cache_slots.max(0).unsigned_abs();
        if self.sessions.len() < limit as usize {
            return true;
        }
        let idle = self
            .sessions
            .slots()
            .filter(|(_, s)| s.id != 0 && s.parked.is_none() && !s.reading)
            .filter(|(_, s)| step.now.since(s.used_at).as_nanos() > OLD_NANOS)
            .min_by_key(|(_, s)| s.used_at)
            .map(|(slot, _)| slot);
        let value_of = |s: &FetchSession| (s.replica.is_some(), s.len() as usize);
        let may_go = |s: &FetchSession| {
            let is_old = s.used_at.since(s.began_at).as_nanos() > OLD_NANOS;
            s.id != 0 && !s.closed && (is_old || value.0 && s.replica.is_none())
        };
        let least = || {
            let those = self.sessions.slots().filter(|(_, s)| may_go(s));
            let least = those.min_by_key(|(_, s)| (value_of(s), s.id));
            least.filter(|(_, s)| value_of(s) < value).map(|(slot, _)| slot)
        };
        let goes = idle.or_else(least);
        if let Some(slot) = goes {
            self.end_session(step, slot);
        }
        goes.is_some()
    }

    /// Takes a session out, watches included. A fetch that waits in it is answered: whoever sent it
    /// does not know that somebody else ended its session.
    #[cold]
    pub(super) fn end_session(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.closed = true;
        if let Some(parked) = session.parked.take() {
            refuse_session(step, parked.to, ErrorCode::FetchSessionIdNotFound);
        }
        self.free_if_closed(slot);
    }

    /// Forgets a session of which its fetcher never hears.
    #[cold]
    pub(crate) fn drop_session(&mut self, step: &mut Step<'_>, id: i32) {
        if let Some(slot) = self.sessions.slot_of(id) {
            self.end_session(step, slot);
        }
    }

    pub(super) fn free_if_closed(&mut self, slot: u32) {
        if !self.sessions.get(slot).is_some_and(|s| s.closed && !s.reading) {
            return;
        }
        let Some(session) = self.sessions.remove(slot) else { return };
        if planted(self.config.plant, Plant::WatchesSurviveSession) {
            return;
        }
        for part in session.parts.iter().filter(|part| part.live) {
            if let Some(partition) = part.slot.and_then(|at| self.partition_mut(at)) {
                partition.follower_watch.retain(|w| w.session != slot);
                partition.consumer_watch.retain(|w| w.session != slot);
            }
        }
    }

    fn forget(&mut self, slot: u32, tp: TopicPartition) {
        if planted(self.config.plant, Plant::ForgottenStays) {
            return;
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some(part) = session.forget(tp) else { return };
        let at = session.parts[part as usize].slot;
        let gone = Watch { session: slot, part };
        if let Some(partition) = at.and_then(|at| self.partition_mut(at)) {
            partition.follower_watch.retain(|w| *w != gone);
            partition.consumer_watch.retain(|w| *w != gone);
        }
    }

    fn update_position(&mut self, step: &mut Step<'_>, slot: u32, fetch: &FetchPartition) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let keeps_epoch = planted(self.config.plant, Plant::SessionKeepsOldEpoch);
        let epoch_before = if keeps_epoch { session.epoch_of(fetch.tp) } else { None };
        let keeps_last = planted(self.config.plant, Plant::SessionKeepsLastEpoch);
        let last_before = if keeps_last { session.last_epoch_of(fetch.tp) } else { None };
        let (part, is_new) = session.update(fetch);
        if let Some(last) = last_before {
            session.parts[part as usize].last_fetched_epoch = last;
        }
        if let Some(epoch) = epoch_before {
            session.parts[part as usize].current_leader_epoch = epoch;
        }
        if is_new {
            // The first answer of a session names every partition.
            session.parts[part as usize].must_answer = session.next_epoch == 1;
            session.mark_later(part);
        } else {
            session.mark(part);
        }
        let replica = session.replica;
        let Self { sessions, by_tp, partitions, .. } = self;
        let Some(session) = sessions.get_mut(slot) else { return };
        let at = find_host(session, Watch { session: slot, part }, is_new, by_tp, partitions);
        if let (Some(replica), Some(at)) = (replica, at) {
            let position = Position {
                session: slot,
                is_outlived: session.is_outlived,
                leader_epoch: fetch.current_leader_epoch,
                tail: session.parts[part as usize].tail(),
            };
            self.note_follower(step, at, replica, position);
        }
    }

    /// Notes positions that this fetch does not name, where something else was noted since they were named.
    /// Kafka notes all of a session's at every fetch (`FetchContext.foreachPartition`,
    /// `Partition.updateFollowerFetchState`): a fetch of a session that its follower has given up may come
    /// late, and what it says holds only until the next one. And a follower whose fetches have no room for a
    /// partition, or that a quota holds back, lags for as long as that takes (`FetchSession::restate_left_out`,
    /// `hold_back`).
    fn restate_positions(&mut self, step: &mut Step<'_>, slot: u32, replica: ReplicaState) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if !session.restated.is_empty() {
            let parts = std::mem::take(&mut session.restated);
            parts.into_iter().for_each(|part| self.restate(step, slot, part, replica));
        }
    }

    #[cold]
    fn restate(&mut self, step: &mut Step<'_>, slot: u32, part: u32, replica: ReplicaState) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let entry = &mut session.parts[part as usize];
        if !std::mem::take(&mut entry.restates) || !entry.live {
            return;
        }
        let (tp, at) = (entry.tp, entry.slot);
        let position = Position {
            session: slot,
            is_outlived: session.is_outlived,
            leader_epoch: entry.current_leader_epoch,
            tail: entry.tail(),
        };
        let Some(at) = at.filter(|at| self.hosts(*at, tp)) else { return };
        step.trace(TraceEvent::Mark("fetch-position-restated"));
        self.note_follower(step, at, replica, position);
    }

    /// Whether a fetch was sent before its follower registered as it is known by now (KIP-903). What the follower had
    /// then it may have lost since: Kafka does not count it (`Replica.updateFetchStateOrThrow`, which knows the
    /// epochs of unfenced brokers).
    fn is_outlived(&self, replica: ReplicaState) -> bool {
        let is_older = |registered: &i64| *registered > replica.epoch;
        replica.epoch != -1
            && self.unfenced.get(&replica.id).is_some_and(is_older)
            && !planted(self.config.plant, Plant::StaleFetchNewBroker)
    }

    /// What a follower's fetch tells its leader: how far its log goes.
    fn note_follower(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        replica: ReplicaState,
        position: Position,
    ) {
        let Position { session, is_outlived, leader_epoch, tail } = position;
        let offset = tail.offset;
        if is_outlived {
            return self.unhear(slot, replica.id, session);
        }
        let Some(partition) = self.partition_mut(slot) else { return };
        let same_epoch = leader_epoch == partition.leader_epoch
            || planted(partition.plant, Plant::OldEpochFetchCounts);
        // A fetch of another epoch, or one that diverges, proves nothing (REP-06).
        if !same_epoch {
            step.trace(TraceEvent::Mark("fetch-wrong-epoch"));
        }
        if !same_epoch
            || diverges(&partition.log, tail).is_some()
            || offset > partition.log.log_end_offset()
        {
            return self.unhear(slot, replica.id, session);
        }
        if let Some(other) = partition.hear_in(replica.id, session) {
            self.outdo(slot, replica.id, other);
        }
        let Some(partition) = self.partition_mut(slot) else { return };
        if partition.note_follower_fetch(replica, (tail.log_start, offset), step.now) {
            self.maybe_expand_isr(step, slot, replica.id);
            self.try_advance_high_watermark(step, slot);
        }
    }

    /// A session says of a follower what proves nothing. Nor does it with its next fetches, until it says something
    /// else (hunt seed 21006539): Kafka does not get to `updateFollowerFetchState` with those.
    #[cold]
    fn unhear(&mut self, slot: u32, id: NodeId, session: u32) {
        let Self { partitions, sessions, .. } = self;
        let Some(partition) = partitions[slot as usize].as_mut() else { return };
        if !partition.unhear(id, session) {
            return;
        }
        // one that has just begun was not used before: another one was heard of in its slot
        if let Some(session) = sessions.get(session).filter(|session| session.next_epoch > 1) {
            partition.had_everything(id, session.used_at);
        }
    }

    /// What another session said of a follower counts no longer. That one goes on as far as is known here,
    /// and its position counts again when it fetches next.
    #[cold]
    fn outdo(&mut self, slot: u32, id: NodeId, other: u32) {
        let Self { partitions, sessions, .. } = self;
        let Some(partition) = partitions[slot as usize].as_mut() else { return };
        let session = sessions.get_mut(other);
        let Some(session) = session.filter(|s| s.replica.is_some_and(|r| r.id == id)) else {
            return;
        };
        if session.restate(partition.tp) {
            partition.had_everything(id, session.used_at);
        }
    }

    /// New bytes at the log's end: followers may read them.
    pub(super) fn mark_for_followers(&mut self, slot: u32, bytes: u64) {
        let Self { partitions, sessions, ready, .. } = self;
        let Some(partition) = &partitions[slot as usize] else { return };
        for watch in &partition.follower_watch {
            note_readable(sessions, ready, *watch, bytes);
        }
    }

    /// The high watermark moved: consumers may read further, followers want to know it.
    pub(super) fn mark_readable(&mut self, slot: u32, before: Offset) {
        let Self { partitions, sessions, ready, .. } = self;
        let Some(partition) = &partitions[slot as usize] else { return };
        for watch in &partition.consumer_watch {
            let Some(session) = sessions.get(watch.session) else { continue };
            let bytes = if session.min_bytes <= 1 {
                1
            } else if session.isolation == IsolationLevel::ReadCommitted
                || partition.log.is_in_older_segment(before - 1, partition.high_watermark - 1)
            {
                // the end of a transaction makes more readable than itself, and who has not read all of an older
                // segment waits no longer
                u64::from(u32::MAX)
            } else {
                partition.log.bytes_between(before, partition.high_watermark)
            };
            note_readable(sessions, ready, *watch, bytes);
        }
        if planted(partition.plant, Plant::FollowersNotTold) {
            return;
        }
        for watch in &partition.follower_watch {
            if let Some(session) = sessions.get_mut(watch.session) {
                session.mark(watch.part);
            }
        }
    }

    /// Leadership, existence or the log's start changed: parked fetches must say so at once. Who reads
    /// below the start would otherwise wait for the next record.
    #[cold]
    pub(super) fn wake_watchers(&mut self, slot: u32) {
        let Self { partitions, sessions, ready, .. } = self;
        let Some(partition) = &partitions[slot as usize] else { return };
        for watch in partition.follower_watch.iter().chain(&partition.consumer_watch) {
            note_readable(sessions, ready, *watch, u64::from(u32::MAX));
        }
    }

    /// Answers the parked fetches that became ready in this step.
    pub(super) fn complete_ready_fetches(&mut self, step: &mut Step<'_>) {
        while let Some(slot) = self.ready.pop() {
            let session = self.sessions.get(slot);
            if session.is_some_and(|s| s.parked.is_some() && !s.reading && s.is_ready()) {
                self.answer_fetch(step, slot, false);
            }
        }
    }
}

fn note_readable(
    sessions: &mut super::SessionCache,
    ready: &mut Vec<u32>,
    watch: Watch,
    bytes: u64,
) {
    let Some(session) = sessions.get_mut(watch.session) else { return };
    session.mark(watch.part);
    // a read that is under way may find nothing, and its fetch wait on
    if session.parked.is_none() && !session.reading {
        return;
    }
    let was_ready = session.is_ready();
    session.available = session.available.saturating_add(bytes);
    if !was_ready && session.is_ready() {
        ready.push(watch.session);
    }
}

fn refuse_session(step: &mut Step<'_>, to: ReplyTo, error: ErrorCode) {
    let response = FetchResponse { throttle_ms: 0, error, session_id: 0, partitions: Vec::new() };
    step.reply(to, Response::Fetch(response));
}

/// Where a session's partition is hosted. There it is watched from now on if it was not: it is new in the
/// session, or its replica came, or came back, since the session asked last.
#[inline]
pub(super) fn find_host(
    session: &mut FetchSession,
    watch: Watch,
    is_new: bool,
    by_tp: &FxHashMap<TopicPartition, u32>,
    partitions: &mut [Option<Partition>],
) -> Option<u32> {
    let entry = &session.parts[watch.part as usize];
    let hosted = entry.slot.and_then(|at| partitions.get(at as usize)?.as_ref());
    if !is_new && hosted.is_some_and(|partition| partition.tp == entry.tp) {
        return entry.slot;
    }
    begin_watch(session, watch, by_tp, partitions)
}

#[cold]
fn begin_watch(
    session: &mut FetchSession,
    watch: Watch,
    by_tp: &FxHashMap<TopicPartition, u32>,
    partitions: &mut [Option<Partition>],
) -> Option<u32> {
    let entry = &mut session.parts[watch.part as usize];
    entry.slot = by_tp.get(&entry.tp).copied();
    let partition = partitions.get_mut(entry.slot? as usize)?.as_mut()?;
    let list = match session.replica {
        Some(_) => &mut partition.follower_watch,
        None => &mut partition.consumer_watch,
    };
    list.push(watch);
    entry.slot
}

/// What a fetch may see of a partition that is here.
pub(super) fn readable_end(
    session_replica: bool,
    isolation: IsolationLevel,
    partition: &Partition,
) -> Offset {
    if session_replica || planted(partition.plant, Plant::ConsumersReadToTheEnd) {
        partition.log.log_end_offset()
    } else {
        match isolation {
            IsolationLevel::ReadUncommitted => partition.high_watermark,
            _ if planted(partition.plant, Plant::ReadsBeyondStable) => partition.high_watermark,
            IsolationLevel::ReadCommitted => {
                partition.log.last_stable_offset(partition.high_watermark)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NodeConfig, ServerConfig};
    use crate::ids::{ConnectionId, CorrelationId};
    use crate::replica::tests::consumer_fetch;
    use crate::seam::Effects;
    use crate::step::IdCounters;
    use crate::time::Instant;

    fn manager(seed: u64) -> ReplicaManager {
        let config = NodeConfig {
            node: NodeId(1),
            broker: true,
            controller: false,
            voters: vec![NodeId(9)],
            rack: None,
            endpoint: None,
            server: ServerConfig::kafka_defaults(),
            limits: crate::BrokerLimits::default(),
            features: crate::features::UNCHOSEN,
            seed,
            incarnation: 1,
            first_producer_epoch: 0,
            plant: None,
        };
        ReplicaManager::new(config, Vec::new())
    }

    /// Fetches on a connection of its own; what was answered, by connection.
    fn fetch(
        manager: &mut ReplicaManager,
        conn: u64,
        session_id: i32,
    ) -> Vec<(u64, ErrorCode, i32)> {
        ask(manager, conn, &consumer_fetch(session_id, SESSION_EPOCH_INITIAL, Vec::new()))
    }

    fn ask(
        manager: &mut ReplicaManager,
        conn: u64,
        request: &FetchRequest,
    ) -> Vec<(u64, ErrorCode, i32)> {
        let (mut effects, mut ids) = (Effects::default(), IdCounters::default());
        let mut step =
            Step { now: Instant::ZERO, wall_ms: 0, effects: &mut effects, ids: &mut ids };
        let to = ReplyTo { conn: ConnectionId(conn), correlation: CorrelationId(1) };
        manager.fetch(&mut step, to, request);
        let answers = effects.replies.into_iter().filter_map(|reply| match reply.response {
            Some(Response::Fetch(answer)) => Some((reply.conn.0, answer.error, answer.session_id)),
            _ => None,
        });
        answers.collect()
    }

    #[test]
    fn who_waits_in_a_session_that_another_one_ends_is_told() {
        let mut manager = manager(7);
        let id = fetch(&mut manager, 1, 0)[0].2;
        let slot = manager.sessions.slot_of(id).unwrap();
        let (mut effects, mut ids) = (Effects::default(), IdCounters::default());
        let mut step =
            Step { now: Instant::ZERO, wall_ms: 0, effects: &mut effects, ids: &mut ids };
        let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(2) };
        manager.park(&mut step, slot, to, Instant::FAR_FUTURE);
        let answers = fetch(&mut manager, 2, id);
        assert_eq!(answers[0], (1, ErrorCode::FetchSessionIdNotFound, 0));
        assert_eq!((answers[1].0, answers[1].1), (2, ErrorCode::None));
        assert!(manager.sessions.slot_of(id).is_none());
    }

    /// `FetchSessionCacheShard.tryEvict`.
    #[test]
    fn where_there_is_no_room_a_followers_session_takes_the_place_of_a_consumers() {
        let mut manager = manager(7);
        manager.config.server.max_incremental_fetch_session_cache_slots = 1;
        let of_consumer = fetch(&mut manager, 1, 0)[0].2;
        assert_eq!(fetch(&mut manager, 2, 0)[0].2, 0, "the first one is young");
        let replica = Some(ReplicaState { id: NodeId(2), epoch: 20 });
        let request = consumer_fetch(0, SESSION_EPOCH_INITIAL, Vec::new());
        let of_follower = ask(&mut manager, 3, &FetchRequest { replica, ..request })[0].2;
        assert!(of_follower != 0 && manager.sessions.slot_of(of_consumer).is_none());
        assert_eq!(fetch(&mut manager, 4, 0)[0].2, 0, "a follower's stays");
        assert!(manager.sessions.slot_of(of_follower).is_some());
    }

    #[test]
    fn a_session_of_an_earlier_life_is_none_of_this_one() {
        let old = fetch(&mut manager(1 << 60), 1, 0)[0].2;
        let mut reborn = manager((1_u64 << 60).wrapping_add(0x9e37_79b9_7f4a_7c15));
        let current = fetch(&mut reborn, 1, 0)[0].2;
        assert_ne!(old, current);
        assert_eq!(fetch(&mut reborn, 2, old).len(), 1, "nobody else's session ends");
        assert!(reborn.sessions.slot_of(current).is_some());
    }
}
