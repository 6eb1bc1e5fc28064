//! Fetches that need remote storage (`DelayedRemoteFetch` and `RemoteLogReader`): one partition per
//! fetch is read there, by at most as many reads at one time as Kafka has threads for it. What other
//! partitions have on the local disk is read first and goes with the answer.

use super::{Op, Tier};
use crate::error::ErrorCode;
use crate::ids::{Offset, RemoteSegmentId};
use crate::log::aborted_in;
use crate::pending::Window;
use crate::protocol::{AbortedTransaction, FetchPartitionResponse, IsolationLevel};
use crate::records::Records;
use crate::replica::fetch::readable_end;
use crate::replica::read::{Lists, failure, state_of};
use crate::replica::{Partition, ReplicaManager};
use crate::seam::{RemoteError, RemoteOpKind, RemoteResult, TimerKey, TraceEvent};
use crate::step::{Owner, ReplyTo, Step};
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// Fetches that wait for remote storage.
#[derive(Debug, Default)]
pub(super) struct RemoteFetches {
    fetches: Window<RemoteFetch>,
    running: usize,
    /// Those whose read has not begun.
    waiting: VecDeque<u64>,
    /// In order, as all wait equally long.
    deadlines: VecDeque<(Instant, u64)>,
}

impl RemoteFetches {
    /// Reader threads that are busy, for checkers.
    pub(super) fn running(&self) -> usize {
        self.running
    }
}

/// A fetch whose answer lacks one partition.
#[derive(Debug)]
pub(in crate::replica) struct RemoteRead {
    pub(in crate::replica) session: u32,
    pub(in crate::replica) to: ReplyTo,
    /// Index of the partition in its session.
    pub(in crate::replica) part: u32,
    pub(in crate::replica) answers: Vec<FetchPartitionResponse>,
    pub(in crate::replica) lists: Lists,
}

#[derive(Debug)]
struct RemoteFetch {
    read: RemoteRead,
    segment: RemoteSegmentId,
    from: Offset,
    upto: Offset,
    max_bytes: u32,
}

impl ReplicaManager {
    /// Goes on with a fetch whose one partition begins in remote storage.
    #[cold]
    pub(in crate::replica) fn fetch_remotely(&mut self, step: &mut Step<'_>, read: RemoteRead) {
        if let Some(session) = self.sessions.get_mut(read.session) {
            session.reading = true;
        }
        self.start_where_remote_does(step, &read);
        let fetch = match self.locate_remotely(&read) {
            Ok((segment, from, upto, max_bytes)) => {
                RemoteFetch { read, segment, from, upto, max_bytes }
            }
            Err(error) => return self.answer_remote(step, read, Err(error)),
        };
        let server = &self.config.server;
        let threads = server.remote_log_reader_threads.max(1).unsigned_abs() as usize;
        let pending = server.remote_log_reader_max_pending_tasks.max(0).unsigned_abs() as usize;
        let wait_ms = u64::from(server.remote_fetch_max_wait_ms.max(1).unsigned_abs());
        let Some(tier) = &mut self.tier else { return };
        let fetches = &mut tier.fetches;
        if fetches.running >= threads && fetches.waiting.len() >= pending {
            step.trace(TraceEvent::Mark("remote-readers-busy"));
            return self.answer_remote(step, fetch.read, Err(ErrorCode::UnknownServerError));
        }
        let deadline = step.now + Duration::from_millis(wait_ms);
        let id = fetches.fetches.push(fetch);
        fetches.waiting.push_back(id);
        fetches.deadlines.push_back((deadline, id));
        step.timer(deadline, TimerKey::RemoteFetch);
        tier.read_more(step, threads);
    }

    /// A leader whose high watermark was behind as it took stock could not start its log where remote storage does;
    /// by now its disk may have less than it had then. No other fetch looks at all that is there.
    fn start_where_remote_does(&mut self, step: &mut Step<'_>, read: &RemoteRead) {
        let Some(session) = self.sessions.get(read.session) else { return };
        let Some(slot) = self.slot(session.parts[read.part as usize].tp) else { return };
        let remote = self.tier.as_ref().and_then(|tier| tier.logs.get(&slot));
        let is_pending = remote.is_some_and(|log| log.is_listed && log.start_pending);
        if is_pending && self.partition(slot).is_some_and(Partition::is_leader) {
            self.raise_to_remote_start(step, slot);
        }
    }

    /// Where the partition's fetch offset is in remote storage.
    fn locate_remotely(
        &self,
        read: &RemoteRead,
    ) -> Result<(RemoteSegmentId, Offset, Offset, u32), ErrorCode> {
        let session = self.sessions.get(read.session).ok_or(ErrorCode::UnknownServerError)?;
        let entry = &session.parts[read.part as usize];
        let partition = self.partition_of(entry).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if entry.fetch_offset < partition.log.log_start_offset() {
            // deleted since it was looked at: what comes next would skip it unawares (`RemoteLogManager.read`; hunt
            // seed 30004513)
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let remote = self.tier.as_ref().and_then(|tier| tier.logs.get(&entry.slot?));
        let remote = remote.filter(|log| log.is_listed).ok_or(ErrorCode::ReplicaNotAvailable)?;
        let (segment, end) =
            remote.find(&partition.log, entry.fetch_offset).ok_or(ErrorCode::OffsetOutOfRange)?;
        if segment.base > entry.fetch_offset && !partition.is_leader() {
            // its leader has deleted what is between, and it has not heard that the log starts later: a consumer
            // would skip that unawares, where the leader tells it (KIP-392; hunt seed 11005983)
            return Err(ErrorCode::OffsetOutOfRange);
        }
        // a new leader may not know yet that all of it is committed
        let end = end.min(readable_end(false, session.isolation, partition));
        if end <= entry.fetch_offset {
            return Err(ErrorCode::None);
        }
        let max_bytes = entry.max_bytes.min(session.max_bytes);
        Ok((segment.id, entry.fetch_offset, end, max_bytes))
    }

    /// Remote storage has answered.
    pub(super) fn remotely_read(&mut self, step: &mut Step<'_>, fetch: u64, result: RemoteResult) {
        let threads = self.config.server.remote_log_reader_threads.max(1).unsigned_abs() as usize;
        let Some(tier) = &mut self.tier else { return };
        tier.fetches.running -= 1;
        let waiting = tier.fetches.fetches.remove(fetch);
        tier.read_more(step, threads);
        let Some(RemoteFetch { read, .. }) = waiting else { return };
        let records = match result {
            RemoteResult::Read(records) => Ok(records),
            RemoteResult::Failed(RemoteError::NotFound) => {
                self.list_again(step, &read);
                Err(ErrorCode::UnknownServerError)
            }
            _ => Err(ErrorCode::UnknownServerError),
        };
        self.answer_remote(step, read, records);
    }

    /// Somebody else deleted the segment.
    fn list_again(&mut self, step: &mut Step<'_>, read: &RemoteRead) {
        let session = self.sessions.get(read.session);
        let tp = session.map(|session| session.parts[read.part as usize].tp);
        if let Some(slot) = tp.and_then(|tp| self.slot(tp)) {
            self.list(step, slot);
        }
    }

    /// Timer: fetches have waited for `remote.fetch.max.wait.ms`; they are answered with what there is.
    /// A read that has begun goes on, and its thread with it.
    pub(crate) fn remote_fetch_due(&mut self, step: &mut Step<'_>) {
        loop {
            let Some(tier) = &mut self.tier else { return };
            let fetches = &mut tier.fetches;
            let due = fetches.deadlines.front().filter(|(at, _)| *at <= step.now);
            let Some((_, id)) = due.copied() else { return };
            fetches.deadlines.pop_front();
            let Some(fetch) = fetches.fetches.remove(id) else { continue };
            fetches.waiting.retain(|waits| *waits != id);
            step.trace(TraceEvent::Mark("remote-fetch-timed-out"));
            self.answer_remote(step, fetch.read, Ok(Records::default()));
        }
    }

    /// Answers a fetch, with the partition that was read in remote storage. A replica that has gone answers for
    /// nothing, though another one of the partition may have come since: the log of that does not know what was
    /// aborted in the one that was looked at (hunt seed 38002280). In Kafka the reader keeps the `UnifiedLog`
    /// that it began with (`RemoteLogManager.addAbortedTransactions`).
    fn answer_remote(
        &mut self,
        step: &mut Step<'_>,
        read: RemoteRead,
        result: Result<Records, ErrorCode>,
    ) {
        let RemoteRead { session: slot, to, part, mut answers, mut lists } = read;
        if let Some(session) = self.sessions.get_mut(slot) {
            session.reading = false;
        }
        let Some(session) = self.sessions.get(slot) else { return };
        let entry = &session.parts[part as usize];
        let is_committed = session.isolation == IsolationLevel::ReadCommitted;
        answers.push(match (self.partition_of(entry), result) {
            (None, _) => failure(entry.tp, ErrorCode::UnknownTopicOrPartition),
            (Some(partition), Ok(_)) if !session.is_served_by(partition) => {
                state_of(partition, ErrorCode::NotLeaderOrFollower)
            }
            // What was deleted while it was read: nothing tells any more what was aborted there (hunt seed
            // 11006466; as of a local read, 2701915).
            (Some(partition), Ok(_))
                if is_committed && entry.fetch_offset < partition.log.log_start_offset() =>
            {
                state_of(partition, ErrorCode::OffsetOutOfRange)
            }
            (Some(partition), Ok(records)) => {
                let bytes = u64::from(records.size_bytes());
                step.effects.work.fetch_bytes += bytes;
                let aborted = is_committed
                    .then(|| self.aborted_remotely(partition, entry.fetch_offset, &records));
                FetchPartitionResponse { records, aborted, ..state_of(partition, ErrorCode::None) }
            }
            (Some(partition), Err(error)) => state_of(partition, error),
        });
        lists.told_read(part);
        self.send_fetch(step, slot, to, answers, &lists);
        self.keep_room(lists);
        self.free_if_closed(slot);
    }

    /// Transactions that were aborted, with records among these: by the indexes of remote segments,
    /// then by the local log's (`RemoteLogManager.collectAbortedTransactions`).
    fn aborted_remotely(
        &self,
        partition: &Partition,
        from: Offset,
        records: &Records,
    ) -> Box<[AbortedTransaction]> {
        let upto = records.last_offset().map_or(from, |last| last + 1);
        let mut found = Vec::new();
        let remote = self.slot(partition.tp).zip(self.tier.as_ref());
        let remote = remote.and_then(|(slot, tier)| tier.logs.get(&slot));
        let log = &partition.log;
        let local = log.local_log_start_offset();
        let segments = remote.iter().flat_map(|remote| &remote.segments);
        let mut reached = from;
        for segment in segments.filter(|s| s.end >= from && s.base < local) {
            // a copy of what another copy had is not counted twice
            if log.lineage_end(segment) <= segment.base || segment.end < reached {
                continue;
            }
            if aborted_in(segment, (reached, from, upto), &mut found) {
                return found.into();
            }
            reached = segment.end + 1;
        }
        found.extend(log.aborted_transactions(reached.max(from), upto));
        found.into()
    }
}

impl Tier {
    /// Begins reads while threads are free.
    fn read_more(&mut self, step: &mut Step<'_>, threads: usize) {
        while self.fetches.running < threads {
            let Some(id) = self.fetches.waiting.pop_front() else { return };
            let Some(fetch) = self.fetches.fetches.get(id) else { continue };
            let RemoteFetch { segment, from, upto, max_bytes, .. } = *fetch;
            let kind = RemoteOpKind::Read { segment, from, upto, max_bytes };
            let op = step.remote(Owner::Remote, kind);
            self.fetches.running += 1;
            self.ops.insert(op.0, Op::Read { fetch: id });
        }
    }
}
