//! ListOffsets (key 2): log start, high watermark, largest timestamp, or by timestamp.
//!
//! Only the last one reads: the log names a segment and a position, the disk scans from there. Where
//! the log begins in remote storage, that is searched first.

use crate::error::ErrorCode;
use crate::ids::{
    DiskOpId, LeaderEpoch, NO_EPOCH, NO_OFFSET, Offset, RemoteOpId, RemoteSegmentId, TopicPartition,
};
use crate::log::TimestampLookup;
use crate::pending::Pending;
use crate::plant::{Plant, planted};
use crate::protocol::{
    IsolationLevel, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetSpec, Response,
};
use crate::replica::Partition;
use crate::role::BrokerRole;
use crate::seam::{DiskOpKind, DiskResult, RemoteOpKind, RemoteResult};
use crate::step::{Owner, ReplyTo, Step};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Requests that wait for a scan.
#[derive(Debug, Default)]
pub(crate) struct ListOffsetsWaits {
    by_op: Pending<Scan>,
    requests: FxHashMap<u64, Waiting>,
    next: u64,
}

impl ListOffsetsWaits {
    /// Requests that are not answered, for checkers.
    pub(crate) fn answers_owed(&self) -> usize {
        self.requests.len()
    }
}

#[derive(Debug)]
struct Waiting {
    to: ReplyTo,
    isolation: IsolationLevel,
    answers: Vec<ListOffsetsPartitionResponse>,
    open: usize,
}

/// Where a timestamp is looked for.
#[derive(Debug, Clone, Copy)]
enum Lookup {
    Local(TimestampLookup),
    /// In a segment of remote storage, with its base offset.
    Remote(RemoteSegmentId, Offset),
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    timestamp: i64,
    /// Whether a record counts that DeleteRecords has taken, and whose segment is still there.
    is_deleted_too: bool,
}

impl Wanted {
    /// The first offset that counts in a log with this start. What DeleteRecords has taken is not there, though its
    /// segment is; but it may be the newest of all, of which Kafka tells all the same.
    fn first_in(self, log_start: Offset) -> Offset {
        if self.is_deleted_too { 0 } else { log_start }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scan {
    request: u64,
    index: usize,
    tp: TopicPartition,
    /// In which this broker leads.
    epoch: LeaderEpoch,
    segment: Offset,
    is_remote: bool,
    wanted: Wanted,
}

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: ListOffsetsRequest,
) {
    role.list_offsets.next += 1;
    let id = role.list_offsets.next;
    let isolation = request.isolation;
    let mut waiting = Waiting { to, isolation, answers: Vec::new(), open: 0 };
    for (index, (tp, epoch, spec)) in once_each(&request.partitions).into_iter().enumerate() {
        let (answer, lookup) = match spec {
            Some(spec) => answer(role, tp, epoch, spec, isolation),
            None => (refused(tp, ErrorCode::InvalidRequest), None),
        };
        waiting.answers.push(answer);
        if let Some((wanted, lookup)) = lookup {
            waiting.open += usize::from(scan(role, step, lookup, id, index, tp, wanted));
        }
    }
    role.list_offsets.requests.insert(id, waiting);
    finish(role, step, id);
}

type Asked<S> = (TopicPartition, LeaderEpoch, S);

/// Each partition once; without what is asked if that is asked twice.
fn once_each(partitions: &[Asked<OffsetSpec>]) -> Vec<Asked<Option<OffsetSpec>>> {
    let mut asked: BTreeMap<TopicPartition, u32> = BTreeMap::new();
    for (tp, ..) in partitions {
        *asked.entry(*tp).or_default() += 1;
    }
    let each = partitions.iter().filter_map(|(tp, epoch, spec)| {
        let times = asked.remove(tp)?;
        Some((*tp, *epoch, (times == 1).then_some(*spec)))
    });
    each.collect()
}

fn refused(tp: TopicPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        tp,
        error,
        timestamp: -1,
        offset: NO_OFFSET,
        leader_epoch: NO_EPOCH,
    }
}

fn answer(
    role: &BrokerRole,
    tp: TopicPartition,
    epoch: LeaderEpoch,
    spec: OffsetSpec,
    isolation: IsolationLevel,
) -> (ListOffsetsPartitionResponse, Option<(Wanted, Lookup)>) {
    let mut answer = refused(tp, ErrorCode::None);
    if matches!(spec, OffsetSpec::Unsupported(_)) {
        answer.error = ErrorCode::UnsupportedVersion;
        return (answer, None);
    }
    let partition = match role.replicas.led(tp, epoch) {
        Ok(partition) => partition,
        Err(error) => return (ListOffsetsPartitionResponse { error, ..answer }, None),
    };
    if spec == OffsetSpec::Latest && is_end_unknown(partition) {
        answer.error = ErrorCode::OffsetNotAvailable;
        return (answer, None);
    }
    if matches!(spec, OffsetSpec::Timestamp(_)) && !role.replicas.knows_remote_part(tp) {
        answer.error = ErrorCode::ReplicaNotAvailable;
        return (answer, None);
    }
    let mut lookup = None;
    match spec {
        OffsetSpec::Earliest => answer.offset = partition.log.log_start_offset(),
        OffsetSpec::EarliestLocal => answer.offset = partition.log.local_log_start_offset(),
        OffsetSpec::LatestTiered => {
            let last = partition.log.remote_end_offset().max(0) - 1;
            let end = readable_end(isolation, partition);
            match is_told(Some(last), end, is_end_unknown(partition)) {
                Ok(true) => answer.offset = last,
                Ok(false) => {}
                Err(error) => answer.error = error,
            }
        }
        OffsetSpec::Latest if planted(partition.plant, Plant::ListsLogEnd) => {
            answer.offset = partition.log.log_end_offset();
        }
        OffsetSpec::Latest => answer.offset = readable_end(isolation, partition),
        OffsetSpec::MaxTimestamp => {
            // the log knows the batch; which of its records it is takes a look (KAFKA-16310), and what is not
            // committed yet is not told (hunt seed 5028)
            let newest = partition.log.newest_timestamp();
            let (timestamp, local) = newest.unwrap_or((-1, TimestampLookup::None));
            lookup = Some((Wanted { timestamp, is_deleted_too: true }, Lookup::Local(local)));
        }
        OffsetSpec::Timestamp(timestamp) => {
            let remote = role.replicas.remote_for_timestamp(tp, timestamp, None);
            let local = || Lookup::Local(partition.log.offset_for_timestamp(timestamp));
            let place = remote.map_or_else(local, |(segment, base)| Lookup::Remote(segment, base));
            lookup = Some((Wanted { timestamp, is_deleted_too: false }, place));
        }
        OffsetSpec::Unsupported(_) => {}
    }
    answer.leader_epoch = partition.log.epoch_at(answer.offset);
    let is_nowhere = matches!(lookup, Some((_, Lookup::Local(TimestampLookup::None))));
    if is_nowhere && is_end_unknown(partition) {
        return (refused(tp, ErrorCode::OffsetNotAvailable), None);
    }
    (answer, lookup)
}

/// What a reader may see ends here.
fn readable_end(isolation: IsolationLevel, partition: &Partition) -> Offset {
    match isolation {
        IsolationLevel::ReadUncommitted => partition.high_watermark,
        IsolationLevel::ReadCommitted => partition.log.last_stable_offset(partition.high_watermark),
    }
}

/// A new leader knows the end only once its high watermark is in its own epoch (KIP-207).
fn is_end_unknown(partition: &Partition) -> bool {
    partition.leadership().is_some_and(|lead| partition.high_watermark < lead.epoch_start)
}

/// Whether a reader is told of an offset that was found, in a log that ends for it at `end`. A new leader tells of
/// what is committed for all that it knows, and not that there is nothing (Kafka's
/// `Partition.fetchOffsetForTimestamp`, `OffsetResultHolder.maybeOffsetsError`).
fn is_told(found: Option<Offset>, end: Offset, is_end_unknown: bool) -> Result<bool, ErrorCode> {
    match found.is_some_and(|offset| offset < end) {
        false if is_end_unknown => Err(ErrorCode::OffsetNotAvailable),
        is_told => Ok(is_told),
    }
}

fn scan(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    lookup: Lookup,
    request: u64,
    index: usize,
    tp: TopicPartition,
    wanted: Wanted,
) -> bool {
    let timestamp = wanted.timestamp;
    let known = role.replicas.find(tp);
    let from = known.map_or(0, |partition| wanted.first_in(partition.log.log_start_offset()));
    let epoch = known.map_or(NO_EPOCH, |partition| partition.leader_epoch);
    let (op, segment, is_remote) = match lookup {
        Lookup::Local(TimestampLookup::None) => return false,
        Lookup::Local(TimestampLookup::Scan { segment, position }) => {
            let kind = DiskOpKind::FindTimestamp { tp, segment, position, from, timestamp };
            (step.disk(Owner::ListOffsets, kind).0, segment, false)
        }
        Lookup::Remote(segment, base) => {
            let kind = RemoteOpKind::FindTimestamp { segment, from, timestamp };
            (step.remote(Owner::ListOffsets, kind).0, base, true)
        }
    };
    let scan = Scan { request, index, tp, epoch, segment, is_remote, wanted };
    role.list_offsets.by_op.insert(op, scan);
    true
}

/// A scan of the disk ended.
pub(crate) fn disk_done(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    id: DiskOpId,
    result: &DiskResult,
) {
    let found = match result {
        DiskResult::Found(found) => Ok(*found),
        _ => Err(ErrorCode::KafkaStorageError),
    };
    scanned(role, step, id.0, found);
}

/// A scan in remote storage ended.
pub(crate) fn remote_done(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    id: RemoteOpId,
    result: &RemoteResult,
) {
    let found = match result {
        RemoteResult::Found(found) => Ok(*found),
        _ => Err(ErrorCode::UnknownServerError),
    };
    scanned(role, step, id.0, found);
}

/// Without a find the next segment is tried.
fn scanned(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    op: u64,
    found: Result<Option<(i64, Offset)>, ErrorCode>,
) {
    let Some(done) = role.list_offsets.by_op.remove(op) else { return };
    let Scan { request, index, tp, epoch, segment, is_remote, wanted } = done;
    let timestamp = wanted.timestamp;
    if let (Ok(None), Ok(partition)) = (found, role.replicas.led_in(tp, epoch)) {
        let log = &partition.log;
        let remote = role.replicas.remote_for_timestamp(tp, timestamp, Some(segment));
        let lookup = match remote.filter(|_| is_remote) {
            Some((segment, base)) => Lookup::Remote(segment, base),
            None if is_remote => Lookup::Local(log.offset_for_timestamp(timestamp)),
            None => Lookup::Local(log.offset_for_timestamp_after(segment, timestamp)),
        };
        if scan(role, step, lookup, request, index, tp, wanted) {
            return;
        }
    }
    let Some(waiting) = role.list_offsets.requests.get_mut(&request) else { return };
    let isolation = waiting.isolation;
    let told = role.replicas.led_in(tp, epoch).and_then(|partition| {
        // What is not committed yet is not there for clients.
        let (end, found) = (readable_end(isolation, partition), found?);
        let is_told = is_told(found.map(|(_, offset)| offset), end, is_end_unknown(partition))?;
        let found = found.filter(|_| is_told);
        Ok(found.map(|(timestamp, offset)| (timestamp, offset, partition.log.epoch_at(offset))))
    });
    let answer = &mut waiting.answers[index];
    match told {
        Ok(None) => {}
        Ok(Some((timestamp, offset, leader_epoch))) => {
            (answer.timestamp, answer.offset, answer.leader_epoch) =
                (timestamp, offset, leader_epoch);
        }
        Err(error) => *answer = refused(tp, error),
    }
    waiting.open -= 1;
    finish(role, step, request);
}

fn finish(role: &mut BrokerRole, step: &mut Step<'_>, request: u64) {
    let is_done = role.list_offsets.requests.get(&request).is_some_and(|w| w.open == 0);
    if is_done && let Some(waiting) = role.list_offsets.requests.remove(&request) {
        let response = ListOffsetsResponse { partitions: waiting.answers };
        step.reply(waiting.to, Response::ListOffsets(response));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_does_not_know_the_end_tells_of_what_is_below_it() {
        let unknown = Err(ErrorCode::OffsetNotAvailable);
        let told = |found| (is_told(found, 5, true), is_told(found, 5, false));
        assert_eq!(told(Some(4)), (Ok(true), Ok(true)));
        assert_eq!(told(Some(5)), (unknown, Ok(false)), "it may be committed");
        assert_eq!(told(None), (unknown, Ok(false)), "it may be committed, and be there");
    }

    #[test]
    fn only_the_newest_record_is_told_of_once_it_is_deleted() {
        let from = |is_deleted_too| Wanted { timestamp: 5, is_deleted_too }.first_in(7);
        assert_eq!((from(false), from(true)), (7, 0));
    }
}
