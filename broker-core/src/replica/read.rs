//! The reading half of Fetch: what of a session is read at the disk, and the answer made from that.

use super::fetch::readable_end;
use super::look::{Here, Look, Told, fence_epoch, look_up};
use super::partition::Watch;
use super::session::{FetchSession, Parked, SessionPartition};
use super::tier::RemoteRead;
use super::{Partition, ReplicaManager};
use crate::error::ErrorCode;
use crate::ids::{DiskOpId, NO_OFFSET, Offset, TopicPartition};
use crate::plant::{Plant, planted};
use crate::protocol::{
    AbortedTransaction, FetchPartitionResponse, FetchResponse, IsolationLevel, LeaderAndEpoch,
    Response,
};
use crate::records::Records;
use crate::seam::{DiskOpKind, DiskResult, ReadRange};
use crate::step::{Owner, ReplyTo, Step};
use rustc_hash::FxHashMap;

/// A read at the disk.
#[derive(Debug)]
pub(super) struct PendingRead {
    session: u32,
    fetch: Parked,
    /// Answers without data, with room for the rest.
    answers: Vec<FetchPartitionResponse>,
    lists: Lists,
    /// A partition that is to be read in remote storage afterwards.
    remote: Option<u32>,
}

/// Partitions of a session, by index. The lists come and go with every fetch, so their memory is
/// used again.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Those answered without data, in the order of the answers.
    told: Vec<(u32, Told)>,
    /// Those that are read, in the order of the ranges.
    read: Vec<u32>,
}

impl Lists {
    /// One more that was read, after all others.
    pub(super) fn told_read(&mut self, part: u32) {
        self.read.push(part);
    }
}

/// What a whole fetch would return.
#[derive(Default)]
struct Plan {
    ranges: Vec<ReadRange>,
    lists: Lists,
    /// Exact where it matters, otherwise the most that it could be.
    bytes: u64,
    urgent: bool,
    /// The first partition that needs remote storage: one per fetch, as in Kafka.
    remote: Option<u32>,
}

impl ReplicaManager {
    /// Answers a parked fetch when there is enough (`force`: whatever there is).
    pub(super) fn answer_fetch(&mut self, step: &mut Step<'_>, slot: u32, force: bool) {
        let Some(session) = self.sessions.get(slot) else { return };
        let Some(parked) = session.parked.filter(|_| !session.reading) else { return };
        let Plan { ranges, lists, bytes, urgent, remote } = self.plan_fetch(step, slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let enough =
            bytes >= session.min_bytes.max(1) || urgent || session.len() == 0 || remote.is_some();
        if !enough && !force {
            session.available = bytes;
            // What was looked at stays dirty until it has been told. What has data is queued already.
            for (part, _) in &lists.told {
                session.mark(*part);
            }
            return self.keep_room(lists);
        }
        session.parked = None;
        let answers = self.answers_without_data(slot, &lists);
        if let (true, Some(part)) = (ranges.is_empty(), remote) {
            let read = RemoteRead { session: slot, to: parked.to, part, answers, lists };
            return self.fetch_remotely(step, read);
        }
        if ranges.is_empty() {
            self.send_fetch(step, slot, parked.to, answers, &lists);
            return self.keep_room(lists);
        }
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.reading = true;
        session.available = 0;
        let max_bytes = session.max_bytes;
        let id = step.disk(Owner::Fetch, DiskOpKind::Read { ranges, max_bytes });
        let read = PendingRead { session: slot, fetch: parked, answers, lists, remote };
        self.reads.insert(id.0, read);
    }

    pub(super) fn keep_room(&mut self, mut lists: Lists) {
        lists.told.clear();
        lists.read.clear();
        self.spare_lists.push(lists);
    }

    /// Looks at every dirty partition once. Those with data stay dirty, and are looked at after all others: the
    /// fetcher says in its next request how far it got.
    fn plan_fetch(&mut self, step: &mut Step<'_>, slot: u32) -> Plan {
        let lists = self.spare_lists.pop().unwrap_or_default();
        let mut plan = Plan { lists, ..Plan::default() };
        let is_held = self.throttles.holds_back(step.now);
        let Self { sessions, by_tp, partitions, racks, config, .. } = self;
        let here = Here { is_held, racks, node: config.node };
        let Some(session) = sessions.get_mut(slot) else { return plan };
        let first = session.dirty.len();
        let dirty = first + session.later.len();
        // one batch is read for a fetch that has room for none
        let max_bytes = u64::from(session.max_bytes.max(1));
        // Any data is enough for nearly every fetch, and nearly none could be larger than it may
        // be. Then the most that a partition may contribute stands for what it has.
        let mut is_rough = session.min_bytes <= 1;
        for turn in 0..dirty {
            if plan.bytes >= max_bytes && is_rough {
                is_rough = false;
                plan.bytes = readable_bytes_of_all(session, partitions, &plan.lists.read);
            }
            if plan.bytes >= max_bytes {
                session.restate_left_out();
                let left = (first.saturating_sub(turn), dirty - turn.max(first));
                name_left_out((session, slot, left), &mut plan, (by_tp, partitions), here);
                break;
            }
            let queue = if turn < first { &mut session.dirty } else { &mut session.later };
            let Some(part) = queue.pop_front() else { break };
            let entry = &mut session.parts[part as usize];
            entry.queued = false;
            if !entry.live {
                continue;
            }
            step.effects.work.fetch_partitions += 1;
            let most_bytes = u64::from(entry.max_bytes.max(1));
            let watch = Watch { session: slot, part };
            let (looked, hosted) = look_up(session, watch, (by_tp, partitions), here);
            match looked {
                Look::Nothing => {}
                Look::Remote if plan.remote.is_none() => {
                    session.mark_later(part);
                    plan.remote = Some(part);
                }
                Look::Remote => {
                    session.mark(part);
                    if session.parts[part as usize].is_untold() {
                        plan.lists.told.push((part, Told::STATE));
                    }
                }
                Look::Answer(told) => {
                    plan.urgent |= told.is_urgent();
                    plan.lists.told.push((part, told));
                }
                Look::Data(range) => {
                    let counted = hosted.filter(|_| !is_rough);
                    plan.bytes += counted.map_or(most_bytes, |p| readable_bytes(session, part, p));
                    plan.urgent |= session.min_bytes > 1
                        && hosted.is_some_and(|p| goes_on_behind(session, &range, p));
                    session.mark_later(part);
                    if plan.ranges.is_empty() {
                        plan.ranges = Vec::with_capacity(dirty);
                    }
                    plan.ranges.push(range);
                    plan.lists.read.push(part);
                }
            }
        }
        plan
    }

    /// Answers of partitions that are not read, with room for those that are.
    fn answers_without_data(&self, slot: u32, lists: &Lists) -> Vec<FetchPartitionResponse> {
        let mut answers = Vec::with_capacity(lists.told.len() + lists.read.len());
        let Some(session) = self.sessions.get(slot) else { return answers };
        answers.extend(lists.told.iter().map(|(part, told)| {
            let entry = &session.parts[*part as usize];
            let Some(partition) = self.partition_of(entry) else {
                return failure(entry.tp, told.error);
            };
            let (diverging_epoch, preferred_read_replica) = (told.diverging, told.nearest);
            let state = state_of(partition, told.error);
            FetchPartitionResponse { diverging_epoch, preferred_read_replica, ..state }
        }));
        answers
    }

    /// The replica that was looked at for a fetch, if it is still here.
    pub(super) fn partition_of(&self, entry: &SessionPartition) -> Option<&Partition> {
        entry.slot.and_then(|at| self.partition(at)).filter(|partition| partition.tp == entry.tp)
    }

    /// The disk has read.
    pub(crate) fn read_done(&mut self, step: &mut Step<'_>, id: DiskOpId, result: DiskResult) {
        let Some(read) = self.reads.remove(id.0) else { return };
        if let Some(session) = self.sessions.get_mut(read.session) {
            session.reading = false;
        }
        if self.waits_on(step, &read, &result) {
            return self.keep_room(read.lists);
        }
        let PendingRead { session: slot, fetch: Parked { to, .. }, mut answers, lists, remote } =
            read;
        let (error, records) = match result {
            DiskResult::Read(records) => (ErrorCode::None, records),
            _ => (ErrorCode::KafkaStorageError, Vec::new()),
        };
        let mut records = records.into_iter();
        let (mut is_any_read, mut left_out) = (false, Vec::new());
        for &part in &lists.read {
            let records = records.next().unwrap_or_default();
            if records.is_empty() {
                self.sessions.restate_follower(slot, part);
                // what cannot be read although there is room waits for the others
                left_out.extend(is_any_read.then_some(part));
            }
            is_any_read |= !records.is_empty();
            if let Some(answer) = self.data_answer(step, slot, part, error, records) {
                answers.push(answer);
            }
        }
        if !left_out.is_empty()
            && let Some(session) = self.sessions.get_mut(slot)
        {
            session.keep_turns(&left_out);
        }
        if self.throttles.counts_sent() {
            self.count_sent(step, slot, &answers);
        }
        if let Some(part) = remote {
            let read = RemoteRead { session: slot, to, part, answers, lists };
            return self.fetch_remotely(step, read);
        }
        self.send_fetch(step, slot, to, answers, &lists);
        self.keep_room(lists);
    }

    /// A consumer's fetch that nothing was found for is parked again, and goes on when something more can be
    /// read, as in Kafka, which counts a batch as readable once all of it is: a high watermark from the
    /// checkpoint of an earlier log, which was cut, may lie within a batch (hunt seeds 1000494, 921815, 926292).
    fn waits_on(&mut self, step: &mut Step<'_>, read: &PendingRead, result: &DiskResult) -> bool {
        let slot = read.session;
        let Some(session) = self.sessions.get(slot) else { return false };
        let DiskResult::Read(records) = result else { return false };
        let is_vain = read.answers.is_empty()
            && read.remote.is_none()
            && records.iter().all(Records::is_empty);
        let may_wait = session.replica.is_none()
            && session.min_bytes > 0
            && !session.closed
            && step.now < read.fetch.deadline;
        if !is_vain || !may_wait {
            return false;
        }
        if session.is_ready() {
            self.ready.push(slot);
        }
        self.park(step, slot, read.fetch.to, read.fetch.deadline);
        true
    }

    fn data_answer(
        &self,
        step: &mut Step<'_>,
        slot: u32,
        part: u32,
        error: ErrorCode,
        records: Records,
    ) -> Option<FetchPartitionResponse> {
        let session = self.sessions.get(slot)?;
        let entry = &session.parts[part as usize];
        let partition = self.partition_of(entry);
        let bytes = u64::from(records.size_bytes());
        if session.replica.is_some() {
            step.effects.work.replica_fetch_bytes += bytes;
        } else {
            step.effects.work.fetch_bytes += bytes;
        }
        let refused = partition.and_then(|partition| refusal(session, entry, partition));
        Some(match (partition, refused) {
            (Some(partition), Some(refused)) => state_of(partition, refused),
            (Some(partition), None) if error.is_ok() => {
                let told = match session.isolation {
                    IsolationLevel::ReadUncommitted => Ok(None),
                    IsolationLevel::ReadCommitted => {
                        aborted(partition, entry.fetch_offset, &records).map(Some)
                    }
                };
                match told {
                    Ok(aborted) => {
                        FetchPartitionResponse { records, aborted, ..state_of(partition, error) }
                    }
                    Err(error) => state_of(partition, error),
                }
            }
            _ => {
                let error = if error.is_ok() { ErrorCode::UnknownTopicOrPartition } else { error };
                failure(entry.tp, error)
            }
        })
    }

    pub(super) fn send_fetch(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        to: ReplyTo,
        answers: Vec<FetchPartitionResponse>,
        lists: &Lists,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let parts = lists.told.iter().map(|(part, _)| *part).chain(lists.read.iter().copied());
        for (answer, part) in answers.iter().zip(parts) {
            let entry = &mut session.parts[part as usize];
            // who must cut its log first takes nothing else from the answer
            let is_taken = answer.diverging_epoch.is_none();
            entry.told_high_watermark = if is_taken { answer.high_watermark } else { NO_OFFSET };
            entry.told_log_start = answer.log_start_offset;
            entry.must_answer = !answer.error.is_ok();
            if entry.must_answer || answer.preferred_read_replica.is_some() {
                // It is repeated until the fetcher changes or drops the partition.
                session.mark(part);
            }
        }
        let session_id = session.id;
        session.closed |= session_id == 0;
        let response = FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id,
            partitions: answers,
        };
        step.reply(to, Response::Fetch(response));
        self.free_if_closed(slot);
    }
}

/// Of the next partitions, which an answer has no room for, those that the session has said nothing of are named all
/// the same: Kafka answers a full fetch with all of its partitions, and its Java consumer drops an answer that
/// lacks one (`FetchSessionHandler.verifyFullFetchResponsePartitions`). All of them keep their places, before those
/// that were read. `left`: how many there are at the front of either queue.
#[cold]
fn name_left_out(
    (session, slot, left): (&mut FetchSession, u32, (usize, usize)),
    plan: &mut Plan,
    (by_tp, partitions): (&FxHashMap<TopicPartition, u32>, &mut [Option<Partition>]),
    here: Here<'_>,
) {
    let left_out = session.dirty.iter().take(left.0).chain(session.later.iter().take(left.1));
    let is_untold = |part: &u32| session.parts[*part as usize].is_untold();
    let untold: Vec<u32> = left_out.copied().filter(is_untold).collect();
    for part in untold {
        let watch = Watch { session: slot, part };
        match look_up(session, watch, (by_tp, partitions), here).0 {
            Look::Nothing => {}
            Look::Answer(told) => plan.lists.told.push((part, told)),
            Look::Data(_) | Look::Remote => plan.lists.told.push((part, Told::STATE)),
        }
    }
}

/// Whether there is more in a later segment than in that which is read. No more comes to this one, and a read goes no
/// further: no fetch waits for that (`DelayedFetch.tryComplete`, "fetching older segments").
fn goes_on_behind(session: &FetchSession, range: &ReadRange, partition: &Partition) -> bool {
    let end = readable_end(session.replica.is_some(), session.isolation, partition);
    partition.log.is_in_older_segment(range.segment, end - 1)
}

/// Bytes that a partition with data contributes to an answer, at least 1.
fn readable_bytes(session: &FetchSession, part: u32, partition: &Partition) -> u64 {
    let entry = &session.parts[part as usize];
    let end = readable_end(session.replica.is_some(), session.isolation, partition);
    let bytes = partition.log.bytes_between(entry.fetch_offset, end);
    bytes.clamp(1, u64::from(entry.max_bytes.max(1)))
}

/// [`readable_bytes`] of the partitions of a session that are read.
#[cold]
fn readable_bytes_of_all(
    session: &FetchSession,
    partitions: &[Option<Partition>],
    read: &[u32],
) -> u64 {
    let hosted = |part: u32| {
        let slot = session.parts[part as usize].slot?;
        partitions.get(slot as usize)?.as_ref()
    };
    let bytes = read
        .iter()
        .filter_map(|&part| hosted(part).map(|partition| readable_bytes(session, part, partition)));
    bytes.sum()
}

/// Why what was read does not count: this replica leads no more, or in a later epoch than that of the fetch. It may
/// have been deposed while the disk read, have cut its log, and have other records there (KAFKA-18723).
fn refusal(
    session: &FetchSession,
    entry: &SessionPartition,
    partition: &Partition,
) -> Option<ErrorCode> {
    let is_served = session.is_served_by(partition);
    let is_elsewhere = (!is_served).then_some(ErrorCode::NotLeaderOrFollower);
    is_elsewhere.or_else(|| fence_epoch(partition, entry.current_leader_epoch))
}

/// Transactions that a reader of committed records must leave out of what was read. What was deleted, or moved
/// into remote storage, while the disk read it is asked for again: the log knows no more what was aborted
/// there (hunt seed 2701915).
#[cold]
fn aborted(
    partition: &Partition,
    from: Offset,
    records: &Records,
) -> Result<Box<[AbortedTransaction]>, ErrorCode> {
    if planted(partition.plant, Plant::AbortedNotTold) {
        return Ok(Box::default());
    }
    let log = &partition.log;
    if from < log.log_start_offset() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    if from < log.local_log_start_offset() {
        return Err(ErrorCode::OffsetNotAvailable);
    }
    let upto = records.last_offset().map_or(from, |last| last + 1);
    Ok(log.aborted_transactions(from, upto).into())
}

/// A replica's state, with an error or without; who is refused is told who leads (KIP-951).
pub(super) fn state_of(partition: &Partition, error: ErrorCode) -> FetchPartitionResponse {
    let is_refused = !error.is_ok() && !partition.is_leader();
    let current_leader = is_refused
        .then_some(partition.leader)
        .flatten()
        .map(|leader| LeaderAndEpoch { leader, epoch: partition.leader_epoch });
    FetchPartitionResponse {
        tp: partition.tp,
        error,
        high_watermark: partition.high_watermark,
        last_stable_offset: partition.log.last_stable_offset(partition.high_watermark),
        log_start_offset: partition.log.log_start_offset(),
        diverging_epoch: None,
        snapshot_id: None,
        current_leader,
        preferred_read_replica: None,
        aborted: None,
        records: Records::default(),
    }
}

/// How a partition is refused that has no replica here.
pub(super) fn failure(tp: TopicPartition, error: ErrorCode) -> FetchPartitionResponse {
    FetchPartitionResponse {
        tp,
        error,
        high_watermark: NO_OFFSET,
        last_stable_offset: NO_OFFSET,
        log_start_offset: NO_OFFSET,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        preferred_read_replica: None,
        aborted: None,
        records: Records::default(),
    }
}
