//! The Raft node: inputs, what they lead to, and the next timer. Roles are in their own files.

use super::follower::Fetcher;
use super::log::MetaLog;
use super::outbox::{Out, Outbox, Sent};
use super::role::{Role, RoleName};
use super::snapshots::Snapshots;
use super::state::QuorumState;
use crate::config::NodeConfig;
use crate::ids::{
    ConnectionId, CorrelationId, DiskOpId, LeaderEpoch, NO_EPOCH, NodeId, Offset, TopicPartition,
};
use crate::inspect::QuorumView;
use crate::metadata::{MetadataImage, MetadataRecord, decode_batch};
use crate::plant::{Plant, planted};
use crate::protocol::{Request, Response};
use crate::random::SplitMix64;
use crate::seam::{
    DiskError, DiskImage, DiskResult, Exit, FileName, PeerError, Reply, TimerKey, TraceEvent,
};
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// A committed batch of the metadata log, or a snapshot that stands for all before its end.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    /// Offset of the first record; 0 for a snapshot.
    pub(crate) base_offset: Offset,
    /// Offset of the last record.
    pub(crate) last_offset: Offset,
    /// Raft epoch of the last record.
    pub(crate) epoch: LeaderEpoch,
    /// What.
    pub(crate) content: Content,
}

/// Content of a [`Committed`].
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Records in order; none for a control batch.
    Records(Vec<MetadataRecord>),
    /// The whole image, for [`MetadataImage::replace`].
    Snapshot(Arc<MetadataImage>),
}

/// Timeouts as configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) election: Duration,
    pub(super) election_backoff_max: Duration,
    pub(super) fetch: Duration,
    pub(super) retry: Duration,
    pub(super) snapshot_bytes: u64,
}

/// A voter on controllers, an observer on brokers.
///
/// After each `on_*`, [`Self::take_committed`] has what became final.
#[derive(Debug)]
pub(crate) struct Raft {
    pub(super) node: NodeId,
    pub(super) voters: Vec<NodeId>,
    pub(super) plant: Option<Plant>,
    pub(super) timing: Timing,
    rng: SplitMix64,
    pub(super) state: QuorumState,
    pub(super) role: Role,
    pub(super) log: MetaLog,
    pub(super) high_watermark: Offset,
    /// Next offset for [`Self::take_committed`].
    pub(super) delivered: Offset,
    pub(super) outbox: Outbox,
    pub(super) fetcher: Fetcher,
    pub(super) snapshots: Snapshots,
    armed: Instant,
    failed: Option<DiskError>,
}

impl Raft {
    /// Recovers from disk; [`Self::on_start`] must follow.
    pub(crate) fn new(config: &NodeConfig, image: &dyn DiskImage) -> Self {
        let server = &config.server;
        let state = image.file(&FileName::QuorumState);
        let state = state.map(|bytes| QuorumState::decode(&bytes));
        let mut failed = state.is_some_and(|state| state.is_none()).then_some(DiskError::Damaged);
        let mut state = state.flatten().unwrap_or_default();
        let is_voter = config.voters.contains(&config.node);
        let flushes = is_voter && !planted(config.plant, Plant::UnflushedCounts);
        let log = MetaLog::recover(image, flushes, state.snapshot);
        let snapshots = Snapshots::recover(image, state.snapshot).unwrap_or_else(|error| {
            failed = Some(error);
            Snapshots::default()
        });
        let snapshot_end = state.snapshot.map_or(0, |snapshot| snapshot.end_offset);
        if log.start_offset() > snapshot_end {
            failed = Some(DiskError::Damaged); // records are missing between snapshot and log
        }
        // the epoch never falls, even without the file (RAFT-12)
        let known = log.last_epoch().max(state.snapshot.map_or(NO_EPOCH, |s| s.epoch));
        let mut outbox = Outbox::new(server.quorum_request_timeout);
        if let Some(snapshot) = state.snapshot
            && planted(config.plant, Plant::EpochFromSnapshot)
        {
            (state.epoch, state.voted, state.leader) = (snapshot.epoch, None, None);
        }
        if known > state.epoch {
            state.enter(known);
            outbox.mark_dirty();
        }
        Self {
            node: config.node,
            voters: config.voters.clone(),
            plant: config.plant,
            timing: Timing {
                election: server.quorum_election_timeout,
                election_backoff_max: server.quorum_election_backoff_max,
                fetch: server.quorum_fetch_timeout,
                retry: server.quorum_retry_backoff,
                snapshot_bytes: server
                    .metadata_log_max_record_bytes_between_snapshots
                    .unsigned_abs(),
            },
            rng: SplitMix64::new(config.seed),
            state,
            role: Role::Unattached { election_at: Instant::FAR_FUTURE },
            log,
            high_watermark: snapshot_end,
            delivered: snapshot_end,
            outbox,
            fetcher: Fetcher::default(),
            snapshots,
            armed: Instant::FAR_FUTURE,
            failed,
        }
    }

    /// First input.
    pub(crate) fn on_start(&mut self, step: &mut Step<'_>) {
        if let Some(error) = self.failed {
            step.effects.exit = Some(Exit::LogDirFailed(error));
            return;
        }
        self.log.start(step);
        match self.state.leader {
            // nobody else can lead, and nobody's vote is waited for
            _ if self.voters == [self.node] => self.stand(step),
            Some(leader)
                if leader == self.node && planted(self.plant, Plant::LeadsOnAfterRestart) =>
            {
                self.state.leader = None;
                let voters = self.voters.clone();
                self.win(step, &voters);
            }
            // it may have lost records of this epoch that others have (RAFT-02)
            Some(leader) if leader == self.node => {
                self.role = Role::Resigned { until: self.election_deadline(step.now) };
            }
            Some(leader) => self.follow(step, self.state.epoch, leader),
            None => self.detach(step),
        }
        self.finish(step);
    }

    /// Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot, DescribeQuorum, and Fetch of the
    /// metadata log.
    pub(crate) fn on_request(&mut self, step: &mut Step<'_>, from: ReplyTo, request: Request) {
        if self.failed.is_some() {
            return;
        }
        match request {
            Request::Vote(vote) => self.on_vote(step, from, vote),
            Request::BeginQuorumEpoch(begin) => self.on_begin_quorum_epoch(step, from, begin),
            Request::EndQuorumEpoch(end) => self.on_end_quorum_epoch(step, from, &end),
            Request::Fetch(fetch) => self.on_fetch(step, from, &fetch),
            Request::FetchSnapshot(fetch) => self.on_fetch_snapshot(step, from, fetch),
            Request::DescribeQuorum(_) => self.on_describe(step, from),
            // not for this module: its turn is over, without an answer
            _ => step.effects.replies.push(Reply {
                conn: from.conn,
                correlation: from.correlation,
                response: None,
                throttle_ms: 0,
                closes: false,
            }),
        }
        self.finish(step);
    }

    /// The answer to a request of this node.
    pub(crate) fn on_response(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some((sent, epoch)) = self.outbox.answered(id) else { return };
        match (sent, result) {
            (Sent::Fetch(number), result) => {
                if self.fetcher.is_current(number) {
                    self.on_fetch_result(step, from, result);
                }
            }
            (Sent::PreVote | Sent::Vote, Ok(Response::Vote(vote))) => {
                self.on_vote_response(step, from, sent, epoch, vote);
            }
            (Sent::Begin, result) => self.on_begin_result(step, from, epoch, result),
            // a lost vote is asked for again with the next election
            (Sent::PreVote | Sent::Vote | Sent::End, _) => {}
        }
        self.finish(step);
    }

    /// `TimerKey::Raft`.
    pub(crate) fn on_timer(&mut self, step: &mut Step<'_>) {
        if step.now >= self.armed {
            self.armed = Instant::FAR_FUTURE;
        }
        if self.failed.is_some() {
            return;
        }
        self.on_time(step);
        self.finish(step);
    }

    /// A disk operation of this node is done.
    pub(crate) fn on_disk(&mut self, step: &mut Step<'_>, id: DiskOpId, result: DiskResult) {
        if let DiskResult::Failed(error) = result {
            self.fail(step, error);
            return;
        }
        if self.outbox.on_done(id) {
            // `finish` lets out what waited
        } else if !self.log.on_done(step, id) {
            self.on_snapshot_written(id);
        }
        self.finish(step);
    }

    /// A connection ended: nobody waits for these answers.
    pub(crate) fn drop_connection(&mut self, conn: ConnectionId) {
        self.outbox.drop_connection(conn);
        if let Role::Leader(leader) = &mut self.role {
            leader.parked.retain(|parked| parked.reply_to.conn != conn);
        }
    }

    /// What has been committed since the last call, in order.
    pub(crate) fn take_committed(&mut self, step: &mut Step<'_>) -> Vec<Committed> {
        let mut committed = Vec::new();
        if let Some(image) = self.snapshots.take_delivery() {
            committed.push(Committed {
                base_offset: 0,
                last_offset: image.offset(),
                epoch: image.epoch(),
                content: Content::Snapshot(image),
            });
        }
        let mut corrupt = false;
        // asked after every input of a quorum, and nearly always for nothing
        let news = (self.delivered < self.high_watermark).then_some(self.delivered);
        for batch in news.into_iter().flat_map(|from| self.log.batches_from(from)) {
            if batch.next_offset() > self.high_watermark {
                break;
            }
            let Ok(records) = decode_batch(batch) else {
                corrupt = true;
                break;
            };
            self.delivered = batch.next_offset();
            self.snapshots.count(batch.size_bytes());
            step.effects.work.metadata_records += batch.header.record_count.unsigned_abs();
            committed.push(Committed {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset(),
                epoch: batch.header.partition_leader_epoch,
                content: Content::Records(records),
            });
        }
        if corrupt {
            // a node that skips committed metadata would go on with wrong state (RAFT-22)
            step.trace(TraceEvent::Mark("raft-corrupt-metadata"));
            self.fail(step, DiskError::Damaged);
        }
        committed
    }

    /// For checkers.
    pub(crate) fn view(&self) -> QuorumView {
        QuorumView {
            epoch: self.state.epoch,
            voted: self.state.voted,
            leader: self.state.leader,
            last_epoch: self.log.last_epoch(),
            log_end: self.log.end_offset(),
            high_watermark: self.high_watermark,
            in_touch: matches!(&self.role, Role::Follower(follower) if follower.in_touch),
        }
    }

    /// Role.
    pub(crate) fn role(&self) -> RoleName {
        self.role.name()
    }

    /// Leader of this epoch as far as known, this node included. Not once it has resigned, nor
    /// after this node lost touch with it.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.node),
            Role::Follower(follower) => Some(follower.leader),
            _ => None,
        }
    }

    /// Epoch.
    pub(crate) fn epoch(&self) -> LeaderEpoch {
        self.state.epoch
    }

    /// Offset before which everything is known to be committed.
    #[cfg(test)]
    pub(crate) fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Next offset of the log.
    pub(crate) fn log_end_offset(&self) -> Offset {
        self.log.end_offset()
    }

    /// While it leads: offset of the record that opened its epoch.
    pub(crate) fn epoch_start_offset(&self) -> Option<Offset> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start),
            _ => None,
        }
    }

    pub(super) fn is_voter(&self) -> bool {
        self.voters.contains(&self.node)
    }

    pub(super) fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    pub(super) fn other_voters(&self) -> Vec<NodeId> {
        self.voters.iter().copied().filter(|voter| *voter != self.node).collect()
    }

    /// The node cannot go on; it must leave before it harms others.
    pub(super) fn fail(&mut self, step: &mut Step<'_>, error: DiskError) {
        self.failed = Some(error);
        step.effects.exit = Some(Exit::LogDirFailed(error));
    }

    /// Election jitter and the first voter that an observer asks.
    pub(super) fn random(&mut self) -> u64 {
        self.rng.next()
    }

    /// Between one and two election timeouts from now.
    pub(super) fn election_deadline(&mut self, now: Instant) -> Instant {
        let span = self.timing.election.as_nanos().max(1);
        now + self.timing.election + Duration::from_nanos(self.random() % span)
    }

    /// Raises the high watermark.
    pub(super) fn commit(&mut self, step: &mut Step<'_>, offset: Offset) {
        assert!(offset <= self.log.end_offset(), "only what is there can be committed");
        if offset <= self.high_watermark {
            return;
        }
        self.high_watermark = offset;
        step.trace(TraceEvent::HighWatermark {
            tp: TopicPartition::METADATA,
            offset,
            leader: matches!(self.role, Role::Leader(_)),
            epoch: self.state.epoch,
        });
    }

    /// Does what became possible: fsync, count, fetch, let messages out, arm the timer.
    pub(super) fn finish(&mut self, step: &mut Step<'_>) {
        if self.failed.is_some() {
            return;
        }
        self.log.poll_sync(step);
        self.lead(step);
        self.maybe_fetch(step);
        self.outbox.poll(step, &self.state);
        if self.outbox.is_open() {
            self.after_persisted(step);
            self.count_votes(step);
            self.maybe_fetch(step);
            self.outbox.poll(step, &self.state);
        }
        let deadline = self.next_deadline();
        if deadline < self.armed {
            self.armed = deadline;
            step.timer(deadline, TimerKey::Raft);
        }
    }

    fn next_deadline(&self) -> Instant {
        let role = match &self.role {
            Role::Unattached { election_at } => *election_at,
            Role::Prospective(ballot) | Role::Candidate(ballot) => ballot.until,
            Role::Leader(leader) => self.leader_deadline(leader),
            Role::Follower(follower) => follower.until,
            Role::Resigned { until } => *until,
        };
        if self.wants_fetch() { role.min(self.fetcher.not_before) } else { role }
    }

    fn on_time(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        match &self.role {
            Role::Unattached { election_at } if now >= *election_at => self.stand(step),
            Role::Prospective(ballot) | Role::Candidate(ballot) if now >= ballot.until => {
                self.lose_election(step);
            }
            Role::Follower(follower) if now >= follower.until => {
                step.trace(TraceEvent::Mark("raft-fetch-timeout"));
                if self.is_voter() { self.stand(step) } else { self.detach(step) }
            }
            Role::Resigned { until } if now >= *until => self.detach(step),
            Role::Leader(_) => self.lead_on_time(step),
            _ => {}
        }
    }

    /// Notes a message or event for when the quorum state is durable.
    pub(super) fn out(&mut self, out: Out) {
        self.outbox.push(out);
    }
}
