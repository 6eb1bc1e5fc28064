//! The leader: appends, serves fetches, moves the high watermark, and steps down when a majority
//! no longer fetches from it (KIP-595).

use super::log::{Origin, Position};
use super::node::Raft;
use super::outbox::{Out, Sent};
use super::role::{Begin, Leader, Parked, Progress, Role, backoff};
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, NO_OFFSET, NodeId, Offset, TopicPartition};
use crate::metadata::{MetadataRecord, encode_batch, encode_leader_change};
use crate::plant::{Plant, planted};
use crate::protocol::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, EpochEndOffset, FetchPartition,
    FetchPartitionResponse, FetchRequest, FetchResponse, LeaderAndEpoch, Request, Response,
    SnapshotId,
};
use crate::records::Records;
use crate::seam::{PeerError, TraceEvent};
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stands for "nobody" where a message needs a leader.
pub(super) const NOBODY: NodeId = NodeId(-1);

/// What a fetch is answered with.
enum Answer {
    Error(ErrorCode),
    Records(Records),
    Diverging(EpochEndOffset),
    Snapshot(SnapshotId),
}

impl Raft {
    /// Elected: opens the epoch with a control record (KIP-595).
    pub(super) fn win(&mut self, step: &mut Step<'_>, granted: &[NodeId]) {
        let now = step.now;
        let epoch = self.state.epoch;
        assert_eq!(self.state.voted, Some(self.node), "only a candidate is elected");
        assert!(self.state.leader.is_none(), "an epoch has at most one leader");
        self.state.leader = Some(self.node);
        self.outbox.mark_dirty();
        let voters = self.other_voters().into_iter().map(|voter| {
            let begin = Begin::Due(now);
            (voter, Progress { end: None, last_fetch: now, begin, failures: 0 })
        });
        let leader = Leader {
            epoch_start: self.log.end_offset(),
            voters: voters.collect(),
            told: BTreeMap::new(),
            parked: Vec::new(),
            seen: BTreeMap::new(),
        };
        self.turn(step, Role::Leader(Box::new(leader)));
        let base = self.log.end_offset();
        let batch =
            encode_leader_change(base, epoch, step.wall_ms, self.node, &self.voters, granted);
        self.log.append(step, Arc::new(batch), Origin::Leader);
        self.lead_on_time(step);
    }

    /// Appends records as one atomic batch and returns the offset of the first; `None` when this
    /// node does not lead.
    pub(crate) fn propose(
        &mut self,
        step: &mut Step<'_>,
        records: &[MetadataRecord],
    ) -> Option<Offset> {
        if !matches!(self.role, Role::Leader(_)) || records.is_empty() {
            return None;
        }
        let (base, epoch) = (self.log.end_offset(), self.state.epoch);
        let batch = encode_batch(base, epoch, step.wall_ms, records);
        self.log.append(step, Arc::new(batch), Origin::Leader);
        Some(base)
    }

    /// Gives up leadership, as a graceful shutdown does: the voter with the most of the log is
    /// asked to stand at once.
    pub(crate) fn resign(&mut self, step: &mut Step<'_>) {
        self.step_down(step);
        self.finish(step);
    }

    fn step_down(&mut self, step: &mut Step<'_>) {
        if let Role::Leader(leader) = &self.role {
            let epoch = self.state.epoch;
            let mut successors: Vec<_> =
                leader.voters.iter().map(|(id, progress)| (progress.end, *id)).collect();
            successors.sort_by_key(|(end, id)| (std::cmp::Reverse(*end), *id));
            let request = EndQuorumEpochRequest {
                leader: self.node,
                epoch,
                preferred_successors: successors.into_iter().map(|(_, id)| id).collect(),
            };
            let until = self.election_deadline(step.now);
            self.turn(step, Role::Resigned { until });
            for voter in self.other_voters() {
                self.out(Out::Send(
                    voter,
                    Request::EndQuorumEpoch(request.clone()),
                    Sent::End,
                    epoch,
                ));
            }
        }
    }

    /// No longer leader: whoever waits must learn it now (RAFT-34).
    pub(super) fn abdicate(&mut self, leader: Leader) {
        for parked in leader.parked {
            let answer = Answer::Error(ErrorCode::NotLeaderOrFollower);
            self.answer_fetch(parked.reply_to, answer);
        }
    }

    pub(super) fn on_fetch(&mut self, step: &mut Step<'_>, from: ReplyTo, request: &FetchRequest) {
        let (Some(replica), [partition]) = (request.replica, request.partitions.as_slice()) else {
            self.answer_fetch(from, Answer::Error(ErrorCode::InvalidRequest));
            return;
        };
        assert_eq!(partition.tp, TopicPartition::METADATA, "only metadata fetches come here");
        let error = self.check_leadership(partition.current_leader_epoch);
        if !error.is_ok() {
            self.answer_fetch(from, Answer::Error(error));
            return;
        }
        let wait = Duration::from_millis(u64::from(request.max_wait_ms.max(0).unsigned_abs()));
        let FetchPartition { fetch_offset: offset, last_fetched_epoch: last_epoch, .. } =
            *partition;
        let parked = Parked {
            reply_to: from,
            replica: replica.id,
            offset,
            last_epoch,
            max_bytes: partition.max_bytes.min(request.max_bytes),
            until: step.now + wait,
        };
        let answer = self.look_up(&parked);
        let on_log = matches!(answer, Answer::Records(_))
            || planted(self.plant, Plant::UnverifiedOffsetsCount);
        let verified_end = on_log.then_some(offset);
        self.hear_from(replica.id, step.now, verified_end);
        self.note_fetch(replica.id, step.now, verified_end);
        let moved = self.advance_high_watermark(step);
        self.answer_or_park(step.now, parked, answer);
        if moved {
            self.wake_parked(step.now, true);
        }
    }

    /// Whether this node leads the epoch that a request names.
    pub(super) fn check_leadership(&self, epoch: LeaderEpoch) -> ErrorCode {
        if epoch < self.state.epoch && !planted(self.plant, Plant::OldRaftEpochServed) {
            ErrorCode::FencedLeaderEpoch
        } else if epoch > self.state.epoch {
            ErrorCode::UnknownLeaderEpoch
        } else if !matches!(self.role, Role::Leader(_)) {
            ErrorCode::NotLeaderOrFollower
        } else {
            ErrorCode::None
        }
    }

    fn look_up(&self, parked: &Parked) -> Answer {
        match self.log.position(parked.offset, parked.last_epoch) {
            Position::Trimmed => match self.state.snapshot {
                Some(snapshot) => Answer::Snapshot(snapshot),
                None => Answer::Error(ErrorCode::UnknownServerError),
            },
            Position::Diverging(end) => Answer::Diverging(end),
            // what is not fsynced is not served: a follower would hold what the leader may lose
            Position::Valid => Answer::Records(self.log.read(
                parked.offset,
                self.log.durable_end(),
                parked.max_bytes.max(0).unsigned_abs(),
            )),
        }
    }

    /// A voter is in touch; only a position that was found on this log counts (RAFT-08).
    pub(super) fn hear_from(&mut self, replica: NodeId, now: Instant, end: Option<Offset>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(progress) = leader.voters.get_mut(&replica) {
            progress.last_fetch = now;
            progress.begin = Begin::Done;
            if end > progress.end {
                progress.end = end;
            }
        }
    }

    fn answer_or_park(&mut self, now: Instant, parked: Parked, answer: Answer) {
        let high_watermark = self.high_watermark;
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("leadership was checked");
        };
        let told = leader.told.entry(parked.replica).or_insert(NO_OFFSET);
        let is_news = match &answer {
            Answer::Records(records) => !records.is_empty() || *told < high_watermark,
            _ => true,
        };
        if is_news || parked.until <= now {
            *told = high_watermark;
            self.answer_fetch(parked.reply_to, answer);
        } else {
            leader.parked.push(parked);
        }
    }

    /// Whom this node names as leader of its epoch. One that has resigned, or that a restart
    /// deposed, does not name itself.
    pub(super) fn known_leader(&self) -> Option<NodeId> {
        let leads = matches!(self.role, Role::Leader(_));
        self.state.leader.filter(|leader| *leader != self.node || leads)
    }

    fn answer_fetch(&mut self, to: ReplyTo, answer: Answer) {
        let mut response = FetchPartitionResponse {
            tp: TopicPartition::METADATA,
            error: ErrorCode::None,
            high_watermark: self.high_watermark,
            last_stable_offset: self.high_watermark,
            log_start_offset: self.log.start_offset(),
            diverging_epoch: None,
            snapshot_id: None,
            current_leader: Some(LeaderAndEpoch {
                leader: self.known_leader().unwrap_or(NOBODY),
                epoch: self.state.epoch,
            }),
            preferred_read_replica: None,
            aborted: None,
            records: Records::default(),
        };
        match answer {
            Answer::Error(error) => response.error = error,
            Answer::Records(records) => response.records = records,
            Answer::Diverging(end) => response.diverging_epoch = Some(end),
            Answer::Snapshot(snapshot) => response.snapshot_id = Some(snapshot),
        }
        let response = FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            partitions: vec![response],
        };
        self.out(Out::Reply(to, Response::Fetch(response)));
    }

    /// Counts what is fsynced and answers fetches that waited for it.
    pub(super) fn lead(&mut self, step: &mut Step<'_>) {
        let moved = self.advance_high_watermark(step);
        self.wake_parked(step.now, moved);
    }

    /// Answers parked fetches that have something to learn; a moved high watermark is news to all,
    /// brokers above all: what they wait for is committed only now (KIP-1166).
    fn wake_parked(&mut self, now: Instant, moved: bool) {
        let durable_end = self.log.durable_end();
        let Role::Leader(leader) = &mut self.role else { return };
        let is_ready =
            |parked: &mut Parked| moved || parked.offset < durable_end || parked.until <= now;
        let ready: Vec<Parked> = leader.parked.extract_if(.., is_ready).collect();
        for parked in ready {
            let answer = self.look_up(&parked);
            self.answer_or_park(now, parked, answer);
        }
    }

    /// What a majority has fsynced is committed, once it includes a record of this epoch
    /// (RAFT-04: the record at `epoch_start` itself must be replicated).
    /// Returns whether the high watermark moved.
    fn advance_high_watermark(&mut self, step: &mut Step<'_>) -> bool {
        let before = self.high_watermark;
        let Role::Leader(leader) = &self.role else { return false };
        let others = leader.voters.values().map(|progress| progress.end.unwrap_or(NO_OFFSET));
        let ends = others.chain([self.log.durable_end()]);
        if ends.clone().all(|end| end <= before) {
            return false; // all is committed, as nearly always
        }
        let mut ends: Vec<Offset> = ends.collect();
        ends.sort_unstable_by_key(|end| std::cmp::Reverse(*end));
        let needed = if planted(self.plant, Plant::MinorityCommits) { 1 } else { self.majority() };
        let replicated = ends[needed - 1];
        let any_epoch = planted(self.plant, Plant::EarlierEpochsCommit);
        if replicated > leader.epoch_start || any_epoch && replicated > before {
            self.commit(step, replicated);
        }
        self.high_watermark > before
    }

    /// When a majority was last in touch, this node included.
    fn majority_seen(&self, leader: &Leader) -> Instant {
        // this node always is in touch with itself
        let others = self.majority() - 1;
        if others == 0 {
            return Instant::FAR_FUTURE;
        }
        let seen = || leader.voters.values().map(|progress| progress.last_fetch);
        let is_shared = |at: &Instant| seen().filter(|other| other >= at).count() >= others;
        seen().filter(is_shared).max().expect("a majority is among the voters")
    }

    /// Half as long again as a follower waits, so that the follower moves first (KAFKA-15489).
    fn quorum_deadline(&self, leader: &Leader) -> Instant {
        let patience = Duration::from_nanos(self.timing.fetch.as_nanos() / 2 * 3);
        self.majority_seen(leader) + patience
    }

    pub(super) fn leader_deadline(&self, leader: &Leader) -> Instant {
        let parked = leader.parked.iter().map(|parked| parked.until);
        let begins = leader.voters.values().filter_map(|progress| match progress.begin {
            Begin::Due(at) => Some(at),
            Begin::Sent | Begin::Done => None,
        });
        parked.chain(begins).chain([self.quorum_deadline(leader)]).min().expect("never empty")
    }

    pub(super) fn lead_on_time(&mut self, step: &mut Step<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        if step.now >= self.quorum_deadline(leader) {
            step.trace(TraceEvent::Mark("raft-check-quorum-resigned"));
            self.step_down(step);
            return;
        }
        let epoch = self.state.epoch;
        let request = BeginQuorumEpochRequest { leader: self.node, epoch };
        let Role::Leader(leader) = &mut self.role else { return };
        let mut due = Vec::new();
        for (voter, progress) in &mut leader.voters {
            if matches!(progress.begin, Begin::Due(at) if at <= step.now) {
                progress.begin = Begin::Sent;
                due.push(*voter);
            }
        }
        for voter in due {
            self.out(Out::Send(voter, Request::BeginQuorumEpoch(request), Sent::Begin, epoch));
        }
    }

    pub(super) fn on_begin_result(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        asked_in: LeaderEpoch,
        result: Result<Response, PeerError>,
    ) {
        let known = match result {
            Ok(Response::BeginQuorumEpoch(response)) => {
                self.learn(step, response.epoch, response.leader);
                response.error.is_ok()
            }
            _ => false,
        };
        let retry = self.timing.retry;
        let epoch = self.state.epoch;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.voters.get_mut(&from) else { return };
        if asked_in == epoch && progress.begin == Begin::Sent {
            progress.begin = if known {
                Begin::Done
            } else {
                progress.failures += 1;
                Begin::Due(step.now + backoff(retry, progress.failures))
            };
        }
    }
}
