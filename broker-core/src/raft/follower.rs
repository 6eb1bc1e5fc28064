//! Fetching: a follower replicates its leader's log, and a node without a leader asks the voters
//! in turn who leads. One fetch at a time; the next one says that the last is fsynced.

use super::leader::NOBODY;
use super::log::Origin;
use super::node::Raft;
use super::outbox::{Out, Sent};
use super::role::{Role, backoff};
use crate::error::ErrorCode;
use crate::ids::{NO_OFFSET, NodeId, TopicPartition};
use crate::plant::{Plant, planted};
use crate::protocol::{
    EpochEndOffset, FetchPartition, FetchPartitionResponse, FetchRequest, FetchSnapshotRequest,
    IsolationLevel, ReplicaState, Request, Response, SESSION_EPOCH_FINAL,
};
use crate::seam::{DiskError, PeerError, TraceEvent};
use crate::step::Step;
use crate::time::Instant;

/// Kafka's long poll of the metadata log, ms.
const FETCH_WAIT_MS_MAX: u64 = 500;
/// Kafka's limit of a metadata fetch, bytes.
const FETCH_BYTES_MAX: i32 = 8 << 20;
/// Failures that a voter starts with when it looks for a leader: others are about to tell it.
const PATIENCE: u32 = 3;

/// State of the fetch loop.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    number: u64,
    in_flight: bool,
    pub(super) not_before: Instant,
    failures: u32,
    cursor: usize,
}

impl Fetcher {
    /// Whether this is the fetch whose answer is waited for.
    pub(super) fn is_current(&self, number: u64) -> bool {
        self.in_flight && self.number == number
    }
}

impl Raft {
    /// The role has changed: answers to earlier fetches no longer count.
    pub(super) fn restart_fetching(&mut self, now: Instant) {
        let waits = self.is_voter() && matches!(self.role, Role::Unattached { .. });
        let failures = if waits { PATIENCE } else { 0 };
        let pause = if waits { backoff(self.timing.retry, failures) } else { Default::default() };
        self.fetcher.in_flight = false;
        self.fetcher.failures = failures;
        self.fetcher.not_before = now + pause;
        self.snapshots.abandon_download();
    }

    /// Whether a fetch would go out if it were time.
    pub(super) fn wants_fetch(&self) -> bool {
        let may = match &self.role {
            Role::Follower(_) => true,
            Role::Unattached { .. } => self.voters.iter().any(|voter| *voter != self.node),
            _ => false,
        };
        // the next fetch tells the leader that everything before it is fsynced (RAFT-03)
        let settled = self.log.is_settled() || planted(self.plant, Plant::FetchesUnsettled);
        may && !self.fetcher.in_flight && settled && !self.snapshots.is_installing()
    }

    pub(super) fn maybe_fetch(&mut self, step: &mut Step<'_>) {
        if !self.wants_fetch() || step.now < self.fetcher.not_before {
            return;
        }
        let (to, max_wait_ms) = match &self.role {
            // the leader did not answer twice: perhaps somebody knows a newer one
            Role::Follower(follower) if self.fetcher.failures % 3 < 2 => {
                (follower.leader, self.fetch_wait_ms())
            }
            _ => (self.next_voter(), 0),
        };
        self.fetcher.in_flight = true;
        self.fetcher.number += 1;
        let request = match self.snapshots.wanted() {
            Some((snapshot_id, position)) => Request::FetchSnapshot(FetchSnapshotRequest {
                replica: self.node,
                current_leader_epoch: self.state.epoch,
                snapshot_id,
                position,
                max_bytes: FETCH_BYTES_MAX,
            }),
            None => self.fetch_request(max_wait_ms),
        };
        self.out(Out::Send(to, request, Sent::Fetch(self.fetcher.number), self.state.epoch));
    }

    /// Several long polls must fit into the time after which the leader counts as lost.
    fn fetch_wait_ms(&self) -> i32 {
        let wait_ms = FETCH_WAIT_MS_MAX.min(self.timing.fetch.as_millis() / 4);
        i32::try_from(wait_ms).expect("at most half a second")
    }

    fn next_voter(&mut self) -> NodeId {
        let voters = self.other_voters();
        if self.fetcher.cursor == 0 {
            // observers that start together ask different voters
            self.fetcher.cursor = usize::try_from(self.random() % 1024).unwrap_or(0);
        }
        self.fetcher.cursor += 1;
        voters[self.fetcher.cursor % voters.len()]
    }

    fn fetch_request(&self, max_wait_ms: i32) -> Request {
        Request::Fetch(Box::new(FetchRequest {
            replica: Some(ReplicaState { id: self.node, epoch: -1 }),
            max_wait_ms,
            min_bytes: 0,
            max_bytes: FETCH_BYTES_MAX,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: SESSION_EPOCH_FINAL,
            partitions: vec![FetchPartition {
                tp: TopicPartition::METADATA,
                current_leader_epoch: self.state.epoch,
                fetch_offset: self.log.end_offset(),
                last_fetched_epoch: self.log.last_epoch(),
                log_start_offset: NO_OFFSET,
                max_bytes: FETCH_BYTES_MAX,
            }],
            forgotten: Vec::new(),
            rack: None,
        }))
    }

    pub(super) fn on_fetch_result(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        result: Result<Response, PeerError>,
    ) {
        self.fetcher.in_flight = false;
        let done = match result {
            Ok(Response::Fetch(mut response)) => match response.partitions.pop() {
                Some(partition) => self.on_fetched(step, from, partition),
                None => false,
            },
            Ok(Response::FetchSnapshot(response)) => self.on_snapshot_chunk(step, from, &response),
            _ => false,
        };
        if done {
            self.fetcher.failures = 0;
        } else {
            self.fetcher.failures += 1;
            let pause = backoff(self.timing.retry, self.fetcher.failures);
            self.fetcher.not_before = step.now + pause;
        }
    }

    /// Takes what the leader sent; false when the answer was of no use.
    fn on_fetched(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        response: FetchPartitionResponse,
    ) -> bool {
        let before = (self.state.epoch, self.leader());
        if let Some(current) = response.current_leader {
            let leader = (current.leader != NOBODY).then_some(current.leader);
            self.learn(step, current.epoch, leader);
        }
        if response.error != ErrorCode::None || !self.touch(step.now, from) {
            if response.error == ErrorCode::NotLeaderOrFollower && self.leader() == Some(from) {
                self.detach(step); // it has resigned
            }
            // who has just learnt of a leader asks it at once
            return before != (self.state.epoch, self.leader()) && self.leader().is_some();
        }
        if let Some(end) = response.diverging_epoch {
            self.truncate(step, end);
        } else if let Some(snapshot) = response.snapshot_id {
            self.want_snapshot(step, snapshot);
        } else {
            self.append_fetched(step, response);
        }
        true
    }

    /// Heard from the leader; false when `from` is not it.
    pub(super) fn touch(&mut self, now: Instant, from: NodeId) -> bool {
        let until = now + self.timing.fetch;
        match &mut self.role {
            Role::Follower(follower) if follower.leader == from => {
                follower.until = until;
                follower.in_touch = true;
                true
            }
            _ => false,
        }
    }

    fn append_fetched(&mut self, step: &mut Step<'_>, response: FetchPartitionResponse) {
        for batch in response.records.batches() {
            let fits = batch.base_offset() == self.log.end_offset()
                && batch.header.partition_leader_epoch >= self.log.last_epoch()
                && batch.header.partition_leader_epoch <= self.state.epoch;
            if !fits {
                step.trace(TraceEvent::Mark("raft-fetched-batch-refused"));
                break;
            }
            self.log.append(step, batch.clone(), Origin::Follower);
        }
        self.commit(step, response.high_watermark.min(self.log.end_offset()));
    }

    /// The leader's log differs from here on. Committed records never go: if they would, some
    /// voter has lost its disk and its vote, and this node stops rather than lose them too
    /// (RAFT-16).
    fn truncate(&mut self, step: &mut Step<'_>, leader: EpochEndOffset) {
        let to = self.log.truncation_point(leader);
        let from = self.log.end_offset();
        let high_watermark = self.high_watermark;
        if to < high_watermark {
            step.trace(TraceEvent::Mark("raft-truncation-below-high-watermark"));
            self.fail(step, DiskError::Damaged);
            return;
        }
        self.log.truncate(step, to);
        let tp = TopicPartition::METADATA;
        step.trace(TraceEvent::Truncated { tp, to: self.log.end_offset(), from, high_watermark });
    }
}
