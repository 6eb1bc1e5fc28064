//! Active or not, what is proposed but not committed, and who waits for it.
//!
//! The image is changed when a record is proposed, so that the next decision builds on it
//! (ISR-18), and changed back when leadership is lost before the record is committed.

use super::names::CollidingNames;
use super::sessions::Sessions;
use crate::config::{NodeConfig, ServerConfig};
use crate::error::ErrorCode;
use crate::features::InitialLevels;
use crate::ids::{ConnectionId, LeaderEpoch, NodeId, Offset};
use crate::inspect::ControllerView;
use crate::metadata::{
    ApplyError, Change, LeaderUpdate, MetadataDelta, MetadataImage, MetadataRecord,
};
use crate::plant::{Plant, planted};
use crate::protocol::{
    AllocateProducerIdsResponse, AlterPartitionResponse, BrokerHeartbeatResponse,
    BrokerRegistrationResponse, CreateTopicsResponse, CreatedTopic, ElectLeadersResponse, NewTopic,
    Request, Response,
};
use crate::raft::{Committed, Content, Raft, RoleName};
use crate::seam::{DiskError, Exit, Reply, TimerKey, TraceEvent};
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// The controller of a node with the controller role.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(super) node: NodeId,
    /// Controllers, this one included.
    pub(super) voters: Vec<NodeId>,
    pub(super) server: ServerConfig,
    pub(super) plant: Option<Plant>,
    /// Of a new cluster.
    pub(super) features: InitialLevels,
    /// Of this process, and so of the broker that may run in it.
    pub(super) incarnation: u128,
    pub(super) image: MetadataImage,
    draft: Draft,
    proposed: VecDeque<Proposed>,
    waiting: VecDeque<Waiting>,
    pub(super) active: Option<Active>,
    armed: Instant,
}

/// State of an active controller; gone with its epoch.
#[derive(Debug)]
pub(super) struct Active {
    epoch: LeaderEpoch,
    pub(super) sessions: Sessions,
    pub(super) balance_at: Instant,
    /// When partitions without a leader are looked at; `None`: there are none.
    pub(super) unclean_at: Option<Instant>,
    /// What new topics may not be called, proposals included.
    pub(super) names: CollidingNames,
    last_write: Instant,
}

/// Records decided in this step, already in the image.
#[derive(Debug, Default)]
struct Draft {
    records: Vec<MetadataRecord>,
    changes: Vec<Change>,
    events: Vec<TraceEvent>,
}

#[derive(Debug)]
struct Proposed {
    base_offset: Offset,
    last_offset: Offset,
    epoch: LeaderEpoch,
    draft: Draft,
}

/// An answer that holds once everything up to an offset is committed.
#[derive(Debug)]
struct Waiting {
    offset: Offset,
    reply_to: ReplyTo,
    response: Option<Response>,
}

impl Controller {
    /// Knows nothing until Raft delivers.
    pub(crate) fn new(config: &NodeConfig) -> Self {
        Self {
            node: config.node,
            voters: config.voters.clone(),
            server: config.server.clone(),
            plant: config.plant,
            features: config.features,
            incarnation: config.incarnation,
            image: MetadataImage::default(),
            draft: Draft::default(),
            proposed: VecDeque::new(),
            waiting: VecDeque::new(),
            active: None,
            armed: Instant::FAR_FUTURE,
        }
    }

    /// After every step of this node's Raft: notices leadership gained or lost, applies what was
    /// committed, answers who waited for it, takes a snapshot when one is due.
    pub(crate) fn on_committed(
        &mut self,
        step: &mut Step<'_>,
        raft: &mut Raft,
        batches: &[Committed],
    ) {
        let was_active = self.active();
        self.notice_role(step, raft);
        let leads = raft.role() == RoleName::Leader;
        for batch in batches {
            self.commit(step, batch, leads);
        }
        self.notice_role(step, raft);
        if raft.snapshot_due() {
            self.take_snapshot(step, raft);
        }
        // asked after every input of a quorum, and nearly always for nothing: what is due is armed by whoever decides
        if !batches.is_empty() || self.active() != was_active {
            self.arm(step);
        }
    }

    /// A snapshot of what is committed, without what is only proposed (RAFT-26).
    pub(super) fn take_snapshot(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        if planted(self.plant, Plant::SnapshotWithProposals) {
            return raft.create_snapshot(step, &self.image);
        }
        if planted(self.plant, Plant::SnapshotWithoutConfigs) {
            return raft.create_snapshot(step, &self.image.without_configs());
        }
        self.take_back_proposals();
        raft.create_snapshot(step, &self.image);
        self.redo_proposals();
    }

    /// BrokerRegistration, BrokerHeartbeat, AlterPartition, CreateTopics, ElectLeaders and
    /// AllocateProducerIds.
    pub(crate) fn on_request(
        &mut self,
        step: &mut Step<'_>,
        raft: &mut Raft,
        from: ReplyTo,
        request: Request,
    ) {
        self.notice_role(step, raft);
        let response = if self.active.is_some() {
            self.handle(step, raft, request)
        } else {
            not_controller(request)
        };
        self.submit(step, raft);
        self.respond(step, from, response);
        self.arm(step);
    }

    /// `None` for requests that are not a controller's.
    fn handle(&mut self, step: &mut Step<'_>, raft: &Raft, request: Request) -> Option<Response> {
        Some(match request {
            Request::BrokerRegistration(r) => self.register_broker(step, raft, &r),
            Request::BrokerHeartbeat(r) => self.heartbeat(step, raft, r),
            Request::AlterPartition(r) => self.alter_partition(&r),
            Request::CreateTopics(r) => self.create_topics(raft, &r),
            Request::ElectLeaders(r) => self.elect_leaders(&r),
            Request::AllocateProducerIds(r) => self.allocate_producer_ids(r),
            Request::DeleteTopics(r) => self.delete_topics(&r),
            Request::CreatePartitions(r) => self.create_partitions(&r),
            Request::AlterConfigs(r) => self.alter_configs(&r),
            Request::AlterPartitionReassignments(r) => self.alter_reassignments(&r),
            Request::ListPartitionReassignments(r) => self.list_reassignments(&r),
            Request::AlterClientQuotas(r) => self.alter_client_quotas(&r),
            Request::UpdateFeatures(r) => self.update_features(&r),
            Request::UnregisterBroker(r) => self.unregister_broker(r.broker),
            _ => return None,
        })
    }

    /// `TimerKey::Controller`.
    pub(crate) fn on_timer(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        if step.now >= self.armed {
            self.armed = Instant::FAR_FUTURE;
        }
        self.notice_role(step, raft);
        if self.active.is_some() {
            self.fence_silent_brokers(step, raft);
            self.elect_unclean_leaders(step, raft);
            self.balance_leaders(step, raft);
            self.write_no_op(step, raft);
        }
        self.arm(step);
    }

    /// A connection ended: nobody waits for these answers.
    pub(crate) fn drop_connection(&mut self, conn: ConnectionId) {
        self.waiting.retain(|waiting| waiting.reply_to.conn != conn);
    }

    /// Committed metadata; while active, with what is proposed on top.
    pub(crate) fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Epoch in which it is active.
    pub(crate) fn active(&self) -> Option<LeaderEpoch> {
        self.active.as_ref().map(|active| active.epoch)
    }

    /// When its timer rings, if it is armed, for checkers.
    pub(crate) fn rings_at(&self) -> Option<Instant> {
        Some(self.armed).filter(|at| *at != Instant::FAR_FUTURE)
    }

    /// What it does by itself while it is active, for checkers.
    pub(crate) fn view(&self) -> Option<ControllerView<'_>> {
        let active = self.active.as_ref()?;
        Some(ControllerView {
            node: self.node,
            epoch: active.epoch,
            server: &self.server,
            image: &self.image,
            balance_at: active.balance_at,
            unclean_at: active.unclean_at,
            session_ends_at: self.session_deadline(),
            idle_at: self.idle_deadline(),
            rings_at: self.rings_at(),
        })
    }

    fn notice_role(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        let leads = raft.role() == RoleName::Leader;
        if self.active().is_some_and(|epoch| !leads || epoch != raft.epoch()) {
            self.deactivate(step);
        }
        // what earlier leaders committed is applied once the record that opened this epoch is
        // (RAFT-06)
        let caught_up = raft.epoch_start_offset().is_some_and(|start| self.image.offset() >= start)
            || planted(self.plant, Plant::ActiveBeforeCommit);
        if self.active.is_none() && leads && caught_up {
            self.activate(step, raft);
        }
    }

    fn activate(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        assert!(self.proposed.is_empty(), "nothing is left of an earlier epoch");
        let epoch = raft.epoch();
        step.trace(TraceEvent::ControllerElected { epoch });
        let interval = self.server.leader_imbalance_check_interval_seconds.max(1).unsigned_abs();
        let mut sessions = Sessions::default();
        for (broker, _) in self.image.brokers() {
            // nobody is fenced for having been silent towards somebody else
            sessions.touch(broker, step.now);
        }
        self.active = Some(Active {
            epoch,
            sessions,
            balance_at: step.now + Duration::from_millis(interval * 1000),
            unclean_at: self.next_unclean_look(step.now, self.unclean_interval()),
            names: CollidingNames::of(&self.image),
            last_write: step.now,
        });
        self.stage_first_levels();
        self.submit(step, raft);
    }

    fn deactivate(&mut self, step: &mut Step<'_>) {
        let Some(active) = self.active.take() else { return };
        step.trace(TraceEvent::ControllerResigned { epoch: active.epoch });
        self.take_back_proposals();
        self.proposed.clear();
        for waiting in std::mem::take(&mut self.waiting) {
            reply(step, waiting.reply_to, waiting.response.map(refuse));
        }
    }

    fn commit(&mut self, step: &mut Step<'_>, batch: &Committed, leads: bool) {
        match &batch.content {
            Content::Snapshot(image) => {
                assert!(self.active.is_none(), "an active controller is not behind");
                self.image.replace(image.as_ref().clone(), &mut MetadataDelta::default());
                if planted(self.plant, Plant::ProducerIdsForgotten) {
                    self.image.forget_producer_ids();
                }
                return;
            }
            Content::Records(records) => {
                let mut events = Vec::new();
                let own = self.proposed.front().is_some_and(|front| {
                    (front.base_offset, front.epoch) == (batch.base_offset, batch.epoch)
                });
                if own {
                    let proposed = self.proposed.pop_front().expect("it is at the front");
                    assert_eq!(proposed.last_offset, batch.last_offset, "batches are atomic");
                    step.effects.trace.extend(proposed.draft.events);
                } else if self.apply(records, &mut events).is_err() {
                    // a controller with holes in its state must not become active (RAFT-22)
                    step.trace(TraceEvent::Mark("controller-replay-failed"));
                    step.effects.exit = Some(Exit::LogDirFailed(DiskError::Damaged));
                    return;
                }
                if leads {
                    // an earlier leader's, which never learnt that they are committed
                    step.effects.trace.append(&mut events);
                }
            }
        }
        self.image.advance(batch.last_offset, batch.epoch);
        while let Some(first) = self.waiting.pop_front_if(|w| w.offset <= batch.last_offset) {
            reply(step, first.reply_to, first.response);
        }
    }

    /// Applies what another controller decided, or this one in an earlier epoch.
    fn apply(
        &mut self,
        records: &[MetadataRecord],
        events: &mut Vec<TraceEvent>,
    ) -> Result<(), ApplyError> {
        assert!(self.proposed.is_empty(), "only an active controller proposes");
        for record in records {
            let change = self.image.apply(record)?;
            events.extend(self.event(record, &change));
        }
        Ok(())
    }

    fn take_back_proposals(&mut self) {
        for proposed in self.proposed.iter_mut().rev() {
            for change in std::mem::take(&mut proposed.draft.changes).into_iter().rev() {
                self.image.undo(change);
            }
        }
    }

    fn redo_proposals(&mut self) {
        for proposed in &mut self.proposed {
            for record in &proposed.draft.records {
                let change = self.image.apply(record).expect("it applied before");
                proposed.draft.changes.push(change);
            }
        }
    }

    /// Decides a record: it is in the image from here on.
    pub(super) fn stage(&mut self, record: MetadataRecord) {
        let change = self.image.apply(&record).expect("a decision fits what it was based on");
        if let Some(event) = self.event(&record, &change) {
            self.draft.events.push(event);
        }
        if let Some(active) = &mut self.active {
            active.names.note(&record, &change);
        }
        self.draft.records.push(record);
        self.draft.changes.push(change);
    }

    fn event(&self, record: &MetadataRecord, change: &Change) -> Option<TraceEvent> {
        let (tp, unclean) = match record {
            MetadataRecord::Partition(partition) => (partition.tp, false),
            MetadataRecord::PartitionChange(change) => {
                let elected = matches!(change.leader, LeaderUpdate::Elected(_));
                (change.tp, elected && change.recovering == Some(true))
            }
            MetadataRecord::BrokerRegistrationChange { broker, fenced: Some(fenced), .. } => {
                return Some(TraceEvent::BrokerFenced { broker: *broker, fenced: *fenced });
            }
            _ => return None,
        };
        let partition = self.image.partition(tp)?;
        Some(TraceEvent::PartitionChanged {
            tp,
            leader: partition.leader,
            epoch: partition.leader_epoch,
            isr: partition.isr.clone(),
            unclean: unclean || self.reverts_uncleanly(tp, change, partition),
        })
    }

    /// Number of records decided since the last [`Self::submit`].
    pub(super) fn staged(&self) -> usize {
        self.draft.records.len()
    }

    /// Proposes what was decided, as one batch.
    pub(super) fn submit(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        let draft = std::mem::take(&mut self.draft);
        if draft.records.is_empty() {
            return;
        }
        self.note_leaderless(step.now, &draft.records);
        let active = self.active.as_mut().expect("only an active controller decides");
        let base_offset = raft.propose(step, &draft.records).expect("leadership was checked");
        active.last_write = step.now;
        step.effects.work.metadata_records += u32::try_from(draft.records.len()).unwrap_or(0);
        let last_offset = base_offset + draft.records.len() as Offset - 1;
        let epoch = active.epoch;
        self.proposed.push_back(Proposed { base_offset, last_offset, epoch, draft });
    }

    /// Answers once everything that the answer may depend on is committed.
    fn respond(&mut self, step: &mut Step<'_>, reply_to: ReplyTo, response: Option<Response>) {
        match self.proposed.back() {
            None => reply(step, reply_to, response),
            Some(last) => {
                let offset = last.last_offset;
                self.waiting.push_back(Waiting { offset, reply_to, response });
            }
        }
    }

    /// Keeps the log's end moving, so that brokers' lag can be seen.
    fn write_no_op(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        if self.idle_deadline().is_some_and(|at| step.now >= at) {
            self.stage(MetadataRecord::NoOp);
            self.submit(step, raft);
        }
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let interval = self.server.metadata_max_idle_interval;
        let idle = interval > Duration::ZERO;
        self.active.as_ref().filter(|_| idle).map(|active| active.last_write + interval)
    }

    fn arm(&mut self, step: &mut Step<'_>) {
        let Some(active) = &self.active else { return };
        let own = [Some(active.balance_at), active.unclean_at];
        let deadlines = [self.idle_deadline(), self.session_deadline()].into_iter().chain(own);
        let deadline = deadlines.flatten().min();
        if let Some(deadline) = deadline.filter(|deadline| *deadline < self.armed) {
            self.armed = deadline;
            step.timer(deadline, TimerKey::Controller);
        }
    }
}

fn reply(step: &mut Step<'_>, to: ReplyTo, response: Option<Response>) {
    let ReplyTo { conn, correlation } = to;
    step.effects.replies.push(Reply { conn, correlation, response, throttle_ms: 0, closes: false });
}

/// The answer of a node that is not the active controller.
fn not_controller(request: Request) -> Option<Response> {
    let error = ErrorCode::NotController;
    Some(match request {
        Request::BrokerRegistration(_) => {
            Response::BrokerRegistration(BrokerRegistrationResponse { error, broker_epoch: -1 })
        }
        Request::BrokerHeartbeat(_) => Response::BrokerHeartbeat(heartbeat_error(error)),
        Request::AlterPartition(_) => {
            Response::AlterPartition(AlterPartitionResponse { error, partitions: Vec::new() })
        }
        Request::CreateTopics(request) => {
            let refused = |topic: NewTopic| CreatedTopic::refused(topic.name, error, None);
            let topics = request.topics.into_iter().map(refused);
            Response::CreateTopics(CreateTopicsResponse { topics: topics.collect() })
        }
        Request::ElectLeaders(_) => {
            Response::ElectLeaders(ElectLeadersResponse { error, partitions: Vec::new() })
        }
        Request::AllocateProducerIds(_) => {
            Response::AllocateProducerIds(AllocateProducerIdsResponse { error, first: -1, len: 0 })
        }
        other => return super::refuse_topics(&other, error),
    })
}

/// Takes back an answer that was never given: whether it will be committed is unknown.
fn refuse(mut response: Response) -> Response {
    let not_controller = ErrorCode::NotController;
    match &mut response {
        Response::BrokerRegistration(response) => response.error = not_controller,
        Response::BrokerHeartbeat(response) => *response = heartbeat_error(not_controller),
        Response::AlterPartition(response) => {
            response.error = not_controller;
            response.partitions.clear();
        }
        Response::CreateTopics(response) => {
            for topic in &mut response.topics {
                *topic = CreatedTopic::refused(topic.name.clone(), not_controller, None);
            }
        }
        Response::ElectLeaders(response) => {
            response.error = not_controller;
            response.partitions.clear();
        }
        Response::AllocateProducerIds(response) => response.error = not_controller,
        other => super::take_back_topics(other, not_controller),
    }
    response
}

pub(super) fn heartbeat_error(error: ErrorCode) -> BrokerHeartbeatResponse {
    BrokerHeartbeatResponse { error, is_caught_up: false, is_fenced: true, should_shut_down: false }
}
