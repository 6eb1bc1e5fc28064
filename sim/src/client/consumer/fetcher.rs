//! Fetch requests and their answers: Kafka's `Fetcher`.
//!
//! One fetch in flight per broker. A partition is read from its leader, or from the replica that
//! the leader names (KIP-392).

use super::aborted::Aborted;
use super::machine::{Call, Consumer};
use super::partition::Phase;
use super::poll::Chunk;
use super::session::Session;
use crate::client::io::ClientCx;
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, NO_OFFSET, NodeId};
use stormglass_broker_core::protocol::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, Request,
};

impl Consumer {
    /// Brings a partition's session membership up to date after anything about it changed.
    pub(crate) fn touch(&mut self, at: usize, now_ns: u64) {
        let wanted = if self.partitions[at].is_fetchable(now_ns) {
            self.source(at, now_ns).map(|node| self.session_index(node))
        } else {
            None
        };
        let before = self.partitions[at].session;
        if before != wanted {
            let tp = self.tp(at);
            let state = &mut self.partitions[at];
            state.session = wanted;
            let was_sent = state.sent.take().is_some();
            if let Some(session) = before.map(|index| &mut self.sessions[index]) {
                session.members -= 1;
                session.forgotten.extend(tp.filter(|_| was_sent));
            }
            if let Some(session) = wanted.map(|index| &mut self.sessions[index]) {
                session.members += 1;
            }
        }
        if let Some(index) = wanted {
            self.sessions[index].changed.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    /// Replica to read from.
    fn source(&mut self, at: usize, now_ns: u64) -> Option<NodeId> {
        let state = &mut self.partitions[at];
        state.preferred = state.preferred.filter(|(_, until_ns)| *until_ns > now_ns);
        let known = self.network.view.partition(state.topic, state.partition);
        state.preferred.map(|(node, _)| node).or(known?.leader)
    }

    fn session_index(&mut self, node: NodeId) -> usize {
        let known = self.sessions.iter().position(|session| session.node == node);
        known.unwrap_or_else(|| {
            self.sessions.push(Session::new(node));
            self.sessions.len() - 1
        })
    }

    /// Sends a fetch to every broker that has partitions for us and none in flight. When to come
    /// back, ns.
    pub(crate) fn send_fetches(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let mut wake_ns = NEVER;
        if self.paused {
            return wake_ns;
        }
        for index in 0..self.sessions.len() {
            let session = &self.sessions[index];
            if session.in_flight || session.members == 0 {
                continue;
            }
            if session.retry_ns > cx.now_ns {
                wake_ns = wake_ns.min(session.retry_ns);
                continue;
            }
            match self.network.ready(session.node, cx) {
                Ok(_) => self.send_fetch(index, cx),
                Err(retry_ns) => wake_ns = wake_ns.min(retry_ns),
            }
        }
        wake_ns
    }

    fn send_fetch(&mut self, index: usize, cx: &mut ClientCx<'_>) {
        let mut changed = std::mem::take(&mut self.sessions[index].changed);
        let mut partitions = Vec::with_capacity(changed.len());
        if self.sessions[index].is_full() {
            for at in self.in_turn(index) {
                self.partitions[at].sent = None;
                self.ask_for(at, &mut partitions);
            }
            self.sessions[index].forgotten.clear();
        } else {
            for at in &changed {
                let at = *at as usize;
                if self.partitions[at].session == Some(index) {
                    self.ask_for(at, &mut partitions);
                }
            }
        }
        changed.clear();
        let session = &mut self.sessions[index];
        session.changed = changed;
        session.in_flight = true;
        let mut forgotten = std::mem::take(&mut session.forgotten);
        // a partition that has come back meanwhile stays
        forgotten.retain(|tp| !partitions.iter().any(|asked| asked.tp == *tp));
        let request = FetchRequest {
            replica: None,
            max_wait_ms: self.config.max_wait_ms,
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            isolation: self.config.isolation,
            session_id: session.id,
            session_epoch: session.epoch,
            partitions,
            forgotten,
            rack: Some(Arc::clone(&self.config.rack)),
        };
        cx.effects.cpu_ns += self.costs.request_ns;
        let (node, call) = (session.node, Some(Call::Fetch(index)));
        self.network.connections.send(node, Request::Fetch(Box::new(request)), call, cx);
    }

    /// Partitions that are read from a broker, those at the end whose records came last (Java's `PartitionStates`): an
    /// answer is filled in the order of its request where the broker keeps no session.
    fn in_turn(&self, index: usize) -> Vec<usize> {
        let all = 0..self.partitions.len();
        let own = all.filter(|at| self.partitions[*at].session == Some(index));
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|at| self.partitions[*at].taken);
        own
    }

    /// Adds a partition to a request unless the session says the same already.
    fn ask_for(&mut self, at: usize, partitions: &mut Vec<FetchPartition>) {
        let Some(tp) = self.tp(at) else { return };
        let state = &mut self.partitions[at];
        let known = self.network.view.partition(state.topic, state.partition);
        let asked = FetchPartition {
            tp,
            current_leader_epoch: known.map_or(NO_EPOCH, |known| known.epoch),
            fetch_offset: state.position,
            // as Java's consumer and librdkafka: where logs part, they ask after each change of leader (KIP-320)
            last_fetched_epoch: NO_EPOCH,
            log_start_offset: NO_OFFSET,
            max_bytes: self.config.partition_bytes_max,
        };
        if state.sent != Some(asked) {
            state.sent = Some(asked);
            partitions.push(asked);
        }
    }

    /// Takes an answer.
    pub(crate) fn fetched(
        &mut self,
        index: usize,
        answer: &mut FetchResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let session = &mut self.sessions[index];
        session.answered(answer.error, answer.session_id);
        let from = session.node;
        if !answer.error.is_ok() {
            cx.effects.marks.push("consumer: fetch session restarted");
            if !is_session_error(answer.error) {
                session.retry_ns = cx.now_ns + self.config.connection.retry_backoff_ns;
            }
            return;
        }
        for part in &mut answer.partitions {
            let Some(at) = self.by_tp.get(part.tp) else { continue };
            let state = &self.partitions[at];
            let asked = state.sent.is_some_and(|sent| sent.fetch_offset == state.position);
            if state.session == Some(index) && asked {
                self.part_fetched(at, from, part, cx);
            }
        }
    }

    fn part_fetched(
        &mut self,
        at: usize,
        from: NodeId,
        part: &mut FetchPartitionResponse,
        cx: &mut ClientCx<'_>,
    ) {
        if !part.error.is_ok() {
            self.part_failed(at, from, part, cx);
            self.touch(at, cx.now_ns);
            return;
        }
        if let Some(node) = part.preferred_read_replica.filter(|node| *node != from) {
            let until_ns = cx.now_ns + self.config.connection.metadata_max_age_ns;
            self.partitions[at].preferred = Some((node, until_ns));
            self.touch(at, cx.now_ns);
        }
        let state = &mut self.partitions[at];
        let position = state.position;
        let batches = part.records.batches();
        let done = batches.iter().take_while(|batch| batch.last_offset() < position).count();
        let fresh = &batches[done..];
        let Some(last) = fresh.last() else { return };
        let bytes = fresh.iter().map(|batch| u64::from(batch.size_bytes())).sum::<u64>();
        cx.effects.cpu_ns +=
            fresh.len() as u64 * self.costs.batch_ns + bytes * self.costs.fetch_ns_per_kib / 1_024;
        state.position = last.next_offset();
        state.position_epoch = last.header.partition_leader_epoch;
        state.buffered = true;
        self.takes += 1;
        state.taken = self.takes;
        let records = std::mem::take(&mut part.records);
        let aborted = part.aborted.take().and_then(|list| Aborted::new(&list));
        self.chunks.push_back(Chunk { at, records, done, next: position, from, aborted });
        if self.config.process_ns_per_record > 0 || self.paused || self.desk.is_some() {
            // without processing time the records are gone before the next request is made
            self.touch(at, cx.now_ns);
        }
    }

    #[cold]
    fn part_failed(
        &mut self,
        at: usize,
        from: NodeId,
        part: &FetchPartitionResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let backoff_ns = self.config.connection.retry_backoff_ns;
        let state = &mut self.partitions[at];
        match part.error {
            ErrorCode::OffsetOutOfRange if state.preferred.is_some_and(|(n, _)| n == from) => {
                // a follower may be behind: the leader decides
                state.preferred = None;
            }
            ErrorCode::OffsetOutOfRange => {
                cx.effects.marks.push("consumer: offset out of range");
                self.reset(at, self.config.reset);
            }
            // the replica does not know of the offset yet
            ErrorCode::OffsetNotAvailable => self.back_off(at, backoff_ns, cx.now_ns),
            _ => {
                state.preferred = None;
                let (topic, partition) = (state.topic, state.partition);
                self.network.view.want_refresh();
                let hint = part.current_leader;
                let news = hint.is_some_and(|told| self.network.view.hint(topic, partition, told));
                if !news {
                    self.back_off(at, backoff_ns, cx.now_ns);
                }
            }
        }
        debug_assert!(self.partitions[at].phase != Phase::Committed, "a position is known");
    }
}

fn is_session_error(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch)
}
