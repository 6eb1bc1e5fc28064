//! Fetch sessions (KIP-227) and, in the same place, the fetches that wait for data.
//!
//! A session remembers its partitions; appends and high-watermark moves mark them dirty, so a
//! fetch looks only at partitions that have something to say, however many the session holds.
//! Kafka walks all of them; the CPU model charges for that walk all the same.

use super::look::Tail;
use super::partition::{Partition, Role, Watch};
use crate::ids::{LeaderEpoch, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::protocol::{FetchPartition, IsolationLevel, ReplicaState};
use crate::random::SplitMix64;
use crate::step::ReplyTo;
use crate::time::Instant;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Purpose of the random stream of session ids.
const IDS: u64 = 0x5e55_10ff;

/// A partition of a session.
#[derive(Debug, Clone)]
pub(crate) struct SessionPartition {
    pub(crate) tp: TopicPartition,
    /// Replica slot when the partition was added; checked against `tp` at use.
    pub(crate) slot: Option<u32>,
    pub(crate) fetch_offset: Offset,
    pub(crate) current_leader_epoch: LeaderEpoch,
    pub(crate) last_fetched_epoch: LeaderEpoch,
    /// Where a follower's log begins, `-1` of a consumer.
    pub(crate) log_start: Offset,
    pub(crate) max_bytes: u32,
    /// Last values told to the fetcher; a change alone is worth an entry in the response.
    pub(crate) told_high_watermark: Offset,
    pub(crate) told_log_start: Offset,
    /// Must appear in the next response (full fetches, errors).
    pub(crate) must_answer: bool,
    pub(crate) queued: bool,
    /// Its position counts again at the next fetch, unless that names it.
    pub(crate) restates: bool,
    pub(crate) live: bool,
}

impl SessionPartition {
    /// What the fetcher said of its log.
    pub(super) fn tail(&self) -> Tail {
        let (last_epoch, log_start) = (self.last_fetched_epoch, self.log_start);
        Tail { last_epoch, log_start, offset: self.fetch_offset }
    }

    /// Whether the session has said nothing of it that counts.
    pub(crate) fn is_untold(&self) -> bool {
        self.live && self.told_high_watermark == NO_OFFSET
    }
}

/// A fetch that has not been answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked {
    pub(crate) to: ReplyTo,
    pub(crate) deadline: Instant,
}

/// A session, or (with `id` 0) a fetch without one.
#[derive(Debug)]
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    /// Epoch that the next request must carry.
    pub(crate) next_epoch: i32,
    pub(crate) replica: Option<ReplicaState>,
    /// Whether its last fetch came from a follower's earlier life.
    pub(crate) is_outlived: bool,
    /// Where a consumer is (`FetchRequest::rack`).
    pub(crate) rack: Option<Arc<str>>,
    pub(crate) isolation: IsolationLevel,
    pub(crate) min_bytes: u64,
    pub(crate) max_bytes: u32,
    pub(crate) parts: Vec<SessionPartition>,
    pub(crate) index: FxHashMap<TopicPartition, u32>,
    pub(crate) live: u32,
    /// Dirty partitions, in the order in which they are looked at.
    pub(crate) dirty: VecDeque<u32>,
    /// Dirty partitions that are looked at after all those, so that none starves (FETCH-02): those of which the last
    /// answers had records, the longest ago first, and new ones. Kafka moves a partition to the end of its session
    /// when an answer has records of it (`IncrementalFetchContext.PartitionIterator`).
    pub(crate) later: VecDeque<u32>,
    /// Partitions that are, or were, to be restated: something else was noted of the follower since the
    /// session named them, the last answer had no room for them, or a quota held them back.
    pub(crate) restated: Vec<u32>,
    /// Bytes that became readable since the fetch was parked, or its read began.
    pub(crate) available: u64,
    pub(crate) parked: Option<Parked>,
    /// A read is at the disk.
    pub(crate) reading: bool,
    pub(crate) began_at: Instant,
    pub(crate) used_at: Instant,
    /// Connection gone: the slot is freed when no read is under way.
    pub(crate) closed: bool,
}

impl FetchSession {
    /// Adds a partition or moves its position. Returns its index and whether it is new.
    pub(crate) fn update(&mut self, fetch: &FetchPartition) -> (u32, bool) {
        if let Some(&at) = self.index.get(&fetch.tp) {
            let part = &mut self.parts[at as usize];
            if part.fetch_offset == fetch.fetch_offset {
                // named again where it was: the last answer was of no use, and is wanted again
                part.told_high_watermark = NO_OFFSET;
            }
            part.fetch_offset = fetch.fetch_offset;
            part.current_leader_epoch = fetch.current_leader_epoch;
            part.last_fetched_epoch = fetch.last_fetched_epoch;
            part.log_start = fetch.log_start_offset;
            part.max_bytes = fetch.max_bytes.max(0).unsigned_abs();
            part.restates = false;
            let is_new = !part.live;
            if is_new {
                part.live = true;
                part.told_high_watermark = NO_OFFSET;
                self.live += 1;
            }
            return (at, is_new);
        }
        let at = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.parts.push(SessionPartition {
            tp: fetch.tp,
            slot: None,
            fetch_offset: fetch.fetch_offset,
            current_leader_epoch: fetch.current_leader_epoch,
            last_fetched_epoch: fetch.last_fetched_epoch,
            log_start: fetch.log_start_offset,
            max_bytes: fetch.max_bytes.max(0).unsigned_abs(),
            told_high_watermark: NO_OFFSET,
            told_log_start: NO_OFFSET,
            must_answer: false,
            queued: false,
            restates: false,
            live: true,
        });
        self.index.insert(fetch.tp, at);
        self.live += 1;
        (at, true)
    }

    /// Leader epoch with which a partition is in the session.
    pub(crate) fn epoch_of(&self, tp: TopicPartition) -> Option<LeaderEpoch> {
        let at = *self.index.get(&tp)?;
        Some(self.parts[at as usize].current_leader_epoch)
    }

    /// Last fetched epoch with which a partition is in the session.
    pub(crate) fn last_epoch_of(&self, tp: TopicPartition) -> Option<LeaderEpoch> {
        let at = *self.index.get(&tp)?;
        Some(self.parts[at as usize].last_fetched_epoch)
    }

    /// Has a partition's position count again at the next fetch. `false`: it is not in the session.
    #[cold]
    pub(crate) fn restate(&mut self, tp: TopicPartition) -> bool {
        let Some(&at) = self.index.get(&tp) else { return false };
        self.restate_part(at);
        self.parts[at as usize].live
    }

    /// Has the position of the partition at this index count again at the next fetch.
    pub(crate) fn restate_part(&mut self, at: u32) {
        let part = &mut self.parts[at as usize];
        if part.live && !std::mem::replace(&mut part.restates, true) {
            self.restated.push(at);
        }
    }

    /// Has all positions count again at the next fetch.
    #[cold]
    pub(crate) fn restate_all(&mut self) {
        for at in 0..u32::try_from(self.parts.len()).unwrap_or(u32::MAX) {
            self.restate_part(at);
        }
    }

    /// What an answer has no room for: a follower does not name those partitions in its next fetch, and is
    /// where it was. A consumer's position is of no interest.
    #[cold]
    pub(crate) fn restate_left_out(&mut self) {
        if self.replica.is_some() {
            let (dirty, later) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.later));
            dirty.iter().chain(&later).for_each(|at| self.restate_part(*at));
            (self.dirty, self.later) = (dirty, later);
        }
    }

    /// Queues a partition for the next look.
    pub(crate) fn mark(&mut self, part: u32) {
        let entry = &mut self.parts[part as usize];
        if entry.live && !entry.queued {
            entry.queued = true;
            self.dirty.push_back(part);
        }
    }

    /// Queues a partition for the next look, behind all others: it has its turn now, or is new.
    pub(crate) fn mark_later(&mut self, part: u32) {
        let entry = &mut self.parts[part as usize];
        if entry.live && !entry.queued {
            entry.queued = true;
            self.later.push_back(part);
        }
    }

    /// Partitions that were to be read, and that others had left no room for, are still the next ones.
    #[cold]
    pub(crate) fn keep_turns(&mut self, parts: &[u32]) {
        for part in parts.iter().rev() {
            if let Some(at) = self.later.iter().rposition(|other| other == part) {
                self.later.remove(at);
                self.dirty.push_front(*part);
            }
        }
    }

    /// Takes a partition out. Its entry is kept for its return: consumers leave out partitions
    /// with buffered records and bring them back all the time.
    pub(crate) fn forget(&mut self, tp: TopicPartition) -> Option<u32> {
        let at = *self.index.get(&tp)?;
        let part = &mut self.parts[at as usize];
        if part.live {
            part.live = false;
            self.live -= 1;
        }
        Some(at)
    }

    /// Whether a replica here answers this fetcher: followers do so to consumers that may be in another rack
    /// than the leader (KIP-392).
    pub(crate) fn is_served_by(&self, partition: &Partition) -> bool {
        match partition.role {
            Role::Leader(_) => true,
            Role::Follower => self.replica.is_none() && self.rack.is_some(),
            Role::Idle => false,
        }
    }

    /// Whether enough became readable for an answer.
    pub(crate) fn is_ready(&self) -> bool {
        self.available >= self.min_bytes.max(1)
    }

    /// Partitions in the session.
    pub(crate) fn len(&self) -> u32 {
        self.live
    }
}

/// All sessions of a broker.
#[derive(Debug)]
pub(crate) struct SessionCache {
    slots: Vec<Option<FetchSession>>,
    free: Vec<u32>,
    by_id: FxHashMap<i32, u32>,
    ids: SplitMix64,
}

impl SessionCache {
    /// No sessions; ids are drawn from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: FxHashMap::default(),
            ids: SplitMix64::for_purpose(seed, IDS),
        }
    }

    /// A new session id, never 0. As in Kafka it is drawn: a fetcher may come back with an id from
    /// before a restart, and must not meet the session of another.
    pub(crate) fn next_id(&mut self) -> i32 {
        loop {
            let id = i32::try_from(self.ids.next() >> 33).unwrap_or(0);
            if id != 0 && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    pub(crate) fn insert(&mut self, session: FetchSession) -> u32 {
        let id = session.id;
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(session);
            slot
        } else {
            self.slots.push(Some(session));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        if id != 0 {
            self.by_id.insert(id, slot);
        }
        slot
    }

    pub(crate) fn slot_of(&self, id: i32) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&FetchSession> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut FetchSession> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The answer of a session has nothing of a partition that is behind (`FetchSession::restate_left_out`).
    #[cold]
    pub(crate) fn restate_follower(&mut self, slot: u32, part: u32) {
        if let Some(session) = self.get_mut(slot).filter(|session| session.replica.is_some()) {
            session.restate_part(part);
        }
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<FetchSession> {
        let session = self.slots.get_mut(slot as usize)?.take()?;
        if session.id != 0 {
            self.by_id.remove(&session.id);
        }
        self.free.push(slot);
        Some(session)
    }

    /// When a follower fetched last in the session in this slot, if that watches a partition.
    pub(crate) fn last_fetch(
        &self,
        watches: &[Watch],
        (follower, slot): (NodeId, u32),
    ) -> Option<Instant> {
        let is_watching = watches.iter().any(|watch| watch.session == slot);
        let session = self.get(slot).filter(|_| is_watching)?;
        session.replica.filter(|replica| replica.id == follower)?;
        Some(session.used_at)
    }

    /// Deadline of a session's parked fetch.
    pub(crate) fn parked_until(&self, slot: u32) -> Option<Instant> {
        Some(self.get(slot)?.parked?.deadline)
    }

    /// Sessions with an id (fetches without one come and go).
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Slots in use, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &FetchSession)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, session)| Some((u32::try_from(slot).ok()?, session.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_an_earlier_life_mean_nothing() {
        let golden = 0x9e37_79b9_7f4a_7c15_u64;
        let ids = |life: u64| {
            let mut cache = SessionCache::new(golden.wrapping_mul(life));
            (0..1_000).map(|_| cache.next_id()).collect::<std::collections::BTreeSet<_>>()
        };
        let (first, second) = (ids(1), ids(2));
        assert!(first.iter().all(|id| *id > 0) && first.len() == 1_000);
        assert!(first.is_disjoint(&second), "seeds one step apart give ids of their own");
    }
}
