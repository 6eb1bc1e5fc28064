//! The consumer as a state machine: one step per input, one timer.
//!
//! Without membership the assignment is fixed. Left out: pausing single partitions. Java talks to the
//! coordinator on a second connection; here commits share the connection of the fetches, so a commit
//! may wait for a long poll.

use super::application::Desk;
use super::membership::{GroupCall, Membership, MembershipSetup};
use super::partition::{PartitionState, Phase};
use super::poll::Chunk;
use super::session::Session;
use crate::client::config::{AutoOffsetReset, ClientCosts, ConsumerConfig};
use crate::client::connections::InFlight;
use crate::client::io::{ClientCx, ClientInput};
use crate::client::network::Network;
use crate::client::wakeup::{NEVER, Wakeup};
use crate::partition_index::PartitionIndex;
use crate::rng::Stream;
use std::collections::VecDeque;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::protocol::Response;

/// What a request in flight is for.
#[derive(Debug)]
pub(crate) enum Call {
    /// Leaders.
    Metadata,
    /// Group coordinator.
    FindCoordinator,
    /// Committed offsets of these partitions, as assigned then.
    OffsetFetch(Vec<u32>, u64),
    /// Log start or end of these partitions.
    ListOffsets(Vec<u32>),
    /// Validation of these partitions' positions.
    Validate(Vec<u32>),
    /// Records; the session's index.
    Fetch(usize),
    /// Commit of these offsets.
    Commit(Vec<(u32, Offset)>),
    /// Of the membership.
    Group(GroupCall),
    /// Commit that an application under test asked for.
    CommitAsked,
}

/// A partition assigned to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: u32,
}

/// What a [`Consumer`] is made from.
#[derive(Debug)]
pub struct ConsumerSetup {
    /// Parsed config.
    pub config: ConsumerConfig,
    /// CPU time of its work.
    pub costs: ClientCosts,
    /// Bootstrap servers.
    pub bootstrap: Vec<NodeId>,
    /// Partitions to read; with membership all that its group reads.
    pub assignment: Vec<Assignment>,
    /// Present where members divide partitions among themselves.
    pub membership: Option<MembershipSetup>,
    /// Random draws of this instance alone.
    pub draws: Stream,
}

/// Where the group's coordinator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coordinator {
    /// To be asked for, not before, ns.
    Unknown { retry_ns: u64 },
    /// Asked for.
    Asked,
    /// Known.
    Known(NodeId),
}

/// A member of a consumer group.
#[derive(Debug)]
pub struct Consumer {
    pub(super) config: ConsumerConfig,
    pub(super) costs: ClientCosts,
    pub(super) network: Network<Call>,
    pub(super) partitions: Vec<PartitionState>,
    /// Position in `partitions`, once the topic's id is known.
    pub(super) by_tp: PartitionIndex,
    pub(super) sessions: Vec<Session>,
    /// Fetched, waiting for `poll()`.
    pub(super) chunks: VecDeque<Chunk>,
    /// How often records were taken from an answer, by partition.
    pub(super) takes: u64,
    /// The polling thread processes until then, ns.
    pub(super) busy_until_ns: u64,
    pub(super) coordinator: Coordinator,
    /// How often it was looked for since there was a way to it.
    pub(super) coordinator_failures: u32,
    /// Partitions whose consumed offset is not committed.
    pub(super) uncommitted: Vec<u32>,
    pub(super) commit_in_flight: bool,
    pub(super) commit_ns: u64,
    /// Partitions in a phase before `Fetch`.
    pub(super) unsettled: usize,
    /// No partition's back-off ends earlier, ns.
    pub(super) retry_floor_ns: u64,
    /// Retries in a row of position lookups.
    pub(super) lookup_failures: u32,
    pub(super) paused: bool,
    pub(super) membership: Option<Membership>,
    /// Present where an application under test calls.
    pub(super) desk: Option<Box<Desk>>,
    /// Changes of the assignment so far.
    pub(super) assignments: u64,
    seen_version: u64,
    started: bool,
    wakeup: Wakeup,
}

impl Consumer {
    /// A consumer that waits for [`ClientInput::Start`].
    #[must_use]
    pub fn new(setup: ConsumerSetup) -> Self {
        let ConsumerSetup { config, costs, bootstrap, assignment, membership, draws } = setup;
        let mut topics: Vec<Arc<str>> = Vec::new();
        let first = match &membership {
            Some(_) => Phase::Unassigned,
            None if config.group.is_empty() => Phase::Reset(config.start),
            None => Phase::Committed,
        };
        let mut partitions = Vec::with_capacity(assignment.len());
        for Assignment { topic, partition } in assignment {
            let known = topics.iter().position(|other| *other == topic);
            let at = known.unwrap_or_else(|| {
                topics.push(topic);
                topics.len() - 1
            });
            partitions.push(PartitionState::new(at, partition as usize, first));
        }
        Self {
            network: Network::new(config.connection, &bootstrap, topics, draws),
            config,
            costs,
            unsettled: if membership.is_some() { 0 } else { partitions.len() },
            partitions,
            by_tp: PartitionIndex::default(),
            sessions: Vec::new(),
            chunks: VecDeque::new(),
            takes: 0,
            busy_until_ns: 0,
            coordinator: Coordinator::Unknown { retry_ns: 0 },
            coordinator_failures: 0,
            uncommitted: Vec::new(),
            commit_in_flight: false,
            commit_ns: NEVER,
            retry_floor_ns: NEVER,
            lookup_failures: 0,
            paused: false,
            membership: membership.map(Membership::new),
            desk: None,
            assignments: 0,
            seen_version: 0,
            started: false,
            wakeup: Wakeup::new(),
        }
    }

    /// A consumer that does what an application asks of it ([`ClientInput::Asked`]).
    #[must_use]
    pub fn for_application(setup: ConsumerSetup) -> Self {
        let mut consumer = Self::new(setup);
        consumer.desk = Some(Box::default());
        consumer
    }

    /// Takes one input. Everything that follows from it is in `cx.effects`.
    pub fn step(&mut self, mut input: ClientInput, cx: &mut ClientCx<'_>) {
        if let ClientInput::Timer(timer) = input
            && !self.wakeup.fired(timer)
        {
            return;
        }
        self.handle(&mut input, cx);
        if !self.started || self.partitions.is_empty() {
            return;
        }
        while let Some(node) = self.network.connections.expired(cx) {
            self.disconnected(node, cx);
        }
        if self.network.view.version() != self.seen_version {
            self.notice_leaders(cx.now_ns);
        }
        if cx.now_ns >= self.retry_floor_ns {
            self.end_backoffs(cx.now_ns);
        }
        if self.desk.is_some() {
            self.poll_for_application(cx);
        } else {
            self.poll(cx);
        }
        let wake_ns = [
            self.keep_membership(cx),
            self.look_up_positions(cx),
            self.send_fetches(cx),
            self.commit_if_due(cx),
            self.network.refresh(Call::Metadata, cx),
            self.network.connections.deadline_ns(),
            self.retry_floor_ns,
            if self.chunks.is_empty() || self.polls_later() { NEVER } else { self.busy_until_ns },
        ];
        let mut wake_ns = wake_ns.into_iter().min().unwrap_or(NEVER);
        if self.desk.is_some() {
            wake_ns = wake_ns.min(self.commit_as_asked(cx));
        }
        if wake_ns != NEVER {
            self.wakeup.arm(wake_ns.max(cx.now_ns + 1), cx.effects);
        }
    }

    /// Whether what was fetched waits for an input.
    fn polls_later(&self) -> bool {
        self.paused || self.desk.is_some()
    }

    fn handle(&mut self, input: &mut ClientInput, cx: &mut ClientCx<'_>) {
        match input {
            ClientInput::Start => {
                self.started = true;
                let interval_ns = self.config.commit_interval_ns;
                self.commit_ns = interval_ns.map_or(NEVER, |interval| cx.now_ns + interval);
            }
            ClientInput::Connected { node } => {
                self.network.connections.connected(*node);
            }
            ClientInput::ConnectFailed { node } | ClientInput::Disconnected { node } => {
                self.disconnected(*node, cx);
            }
            ClientInput::Response { node, correlation, response } => {
                self.answered(*node, *correlation, response, cx);
            }
            ClientInput::Pause => self.paused = true,
            ClientInput::Resume => self.paused = false,
            ClientInput::Asked { id, ask } => self.asked(*id, ask, cx),
            ClientInput::Timer(_) | ClientInput::StopLoad | ClientInput::LoadChanged { .. } => {}
        }
    }

    fn answered(
        &mut self,
        node: NodeId,
        correlation: u64,
        response: &mut Response,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(request) = self.network.connections.answered(node, correlation) else { return };
        match (request.call, response) {
            (Call::Fetch(session), Response::Fetch(answer)) => {
                if answer.throttle_ms > 0 {
                    self.network.connections.throttle(node, answer.throttle_ms, cx.now_ns);
                }
                self.fetched(session, answer, cx);
            }
            (call, response) => self.rarely_answered(call, response, cx),
        }
    }

    /// Everything but records.
    #[cold]
    fn rarely_answered(&mut self, call: Call, response: &Response, cx: &mut ClientCx<'_>) {
        match (call, response) {
            (Call::Metadata, Response::Metadata(answer)) => {
                self.network.view.update(answer, &mut self.network.draws, cx.now_ns);
            }
            (Call::FindCoordinator, Response::FindCoordinator(answer)) => {
                self.coordinator_found(answer, cx.now_ns);
            }
            (Call::OffsetFetch(asked, since), Response::OffsetFetch(answer)) => {
                if since == self.assignments {
                    self.committed_found(&asked, answer, cx);
                } else {
                    self.look_up_later(&asked, cx.now_ns);
                }
            }
            (Call::Group(GroupCall::Join(attempt)), Response::JoinGroup(answer)) => {
                self.joined(attempt, answer, cx);
            }
            (Call::Group(GroupCall::Sync(attempt)), Response::SyncGroup(answer)) => {
                self.synced(attempt, answer, cx);
            }
            (Call::Group(GroupCall::Heartbeat(generation)), Response::Heartbeat(answer)) => {
                self.heartbeat_answered(generation, *answer, cx);
            }
            (
                Call::Group(GroupCall::ConsumerHeartbeat(number)),
                Response::ConsumerGroupHeartbeat(answer),
            ) => self.consumer_heartbeat_answered(number, answer, cx),
            (
                Call::Group(GroupCall::Leave),
                Response::LeaveGroup(_) | Response::ConsumerGroupHeartbeat(_),
            ) => {}
            (Call::ListOffsets(asked), Response::ListOffsets(answer)) => {
                self.offsets_listed(&asked, answer, cx);
            }
            (Call::Validate(asked), Response::OffsetForLeaderEpoch(answer)) => {
                self.validated(&asked, answer, cx);
            }
            (Call::Commit(asked), Response::OffsetCommit(answer)) => {
                self.commit_answered(&asked, answer, cx);
            }
            (Call::CommitAsked, Response::OffsetCommit(answer)) => {
                self.asked_commit_answered(Some(answer), cx);
            }
            (call, _) => {
                debug_assert!(false, "an answer has its request's kind");
                self.call_lost(call, cx);
            }
        }
    }

    #[cold]
    fn disconnected(&mut self, node: NodeId, cx: &mut ClientCx<'_>) {
        let network = &mut self.network;
        let lost = network.connections.disconnected(node, &mut network.draws, cx.now_ns);
        network.view.want_refresh();
        for InFlight { call, .. } in lost {
            self.call_lost(call, cx);
        }
        // also where nothing was asked on it, as a consumer of Java's that polls sees that
        // (`AbstractCoordinator.checkAndGetCoordinator`)
        if self.coordinator == Coordinator::Known(node) {
            self.lose_coordinator(cx.now_ns);
        }
        // a closer replica that is gone is not preferred any more
        for at in 0..self.partitions.len() {
            if self.partitions[at].preferred.is_some_and(|(preferred, _)| preferred == node) {
                self.partitions[at].preferred = None;
                self.touch(at, cx.now_ns);
            }
        }
    }

    #[cold]
    fn call_lost(&mut self, call: Call, cx: &mut ClientCx<'_>) {
        let now_ns = cx.now_ns;
        match call {
            Call::Metadata => self.network.view.failed(&mut self.network.draws, now_ns),
            Call::FindCoordinator => {
                self.lose_coordinator(now_ns);
            }
            Call::Group(call) => self.group_call_lost(call, now_ns),
            Call::OffsetFetch(asked, _) | Call::ListOffsets(asked) | Call::Validate(asked) => {
                self.look_up_later(&asked, now_ns);
            }
            Call::Fetch(session) => self.sessions[session].lost(),
            Call::Commit(asked) => self.commit_lost(&asked),
            Call::CommitAsked => self.asked_commit_answered(None, cx),
        }
    }

    /// Reacts to changed leaders: positions are validated, sessions changed.
    #[cold]
    fn notice_leaders(&mut self, now_ns: u64) {
        self.seen_version = self.network.view.version();
        for at in 0..self.partitions.len() {
            if let Some(tp) = self.tp(at) {
                self.by_tp.insert(tp, at);
            }
            let state = &mut self.partitions[at];
            let known = self.network.view.partition(state.topic, state.partition);
            let epoch = known.map_or(state.leader_epoch, |known| known.epoch);
            if state.phase == Phase::Fetch && epoch > state.leader_epoch {
                // the new leader is asked at once, and not after what the old one deserved
                state.retry_ns = 0;
                state.leader_epoch = epoch;
                if state.position_epoch >= 0 {
                    self.set_phase(at, Phase::Validate);
                }
            }
            self.touch(at, now_ns);
        }
    }

    #[cold]
    fn end_backoffs(&mut self, now_ns: u64) {
        self.retry_floor_ns = NEVER;
        for at in 0..self.partitions.len() {
            let retry_ns = self.partitions[at].retry_ns;
            if retry_ns > now_ns {
                self.retry_floor_ns = self.retry_floor_ns.min(retry_ns);
            } else if retry_ns > 0 {
                self.partitions[at].retry_ns = 0;
                self.touch(at, now_ns);
            }
        }
    }

    /// Leaves a partition alone for a while.
    #[cold]
    pub(super) fn back_off(&mut self, at: usize, wait_ns: u64, now_ns: u64) {
        let retry_ns = now_ns + wait_ns;
        self.partitions[at].retry_ns = retry_ns;
        self.retry_floor_ns = self.retry_floor_ns.min(retry_ns);
    }

    /// Moves a partition to another phase.
    pub(super) fn set_phase(&mut self, at: usize, phase: Phase) {
        let state = &mut self.partitions[at];
        let before = usize::from(state.is_unsettled());
        state.phase = phase;
        state.pending = false;
        self.unsettled = self.unsettled - before + usize::from(state.is_unsettled());
    }

    /// The reset policy applies to a partition.
    pub(super) fn reset(&mut self, at: usize, policy: AutoOffsetReset) {
        let none = policy == AutoOffsetReset::None;
        self.set_phase(at, if none { Phase::Stopped } else { Phase::Reset(policy) });
    }

    /// A partition's name; `None` before metadata.
    pub(super) fn tp(&self, at: usize) -> Option<TopicPartition> {
        let state = &self.partitions[at];
        let id = self.network.view.topics().get(state.topic)?.id?;
        Some(TopicPartition::new(id, i32::try_from(state.partition).ok()?))
    }

    /// Brokers whose quotas have made it wait until later than this, ns.
    pub fn throttled_after(&self, at_ns: u64) -> impl Iterator<Item = NodeId> + '_ {
        self.network.connections.throttled_after(at_ns)
    }

    /// Next offset that the application gets, per assigned partition with a known id; `-1` before
    /// the first position.
    pub fn positions(&self) -> impl Iterator<Item = (TopicPartition, Offset)> + '_ {
        let position = |at: usize| Some((self.tp(at)?, self.partitions[at].consumed));
        (0..self.partitions.len()).filter_map(position)
    }
}
