//! Membership of a group by the classic protocol: Kafka's `AbstractCoordinator` and
//! `ConsumerCoordinator`.
//!
//! A member joins, learns its share through the group's leader, and keeps its place with heartbeats.
//! It talks to the coordinator on a connection of its own, as Java's does. Left out: `enforceRebalance`,
//! and the time that Java's heartbeat thread takes to notice what the application does.

use super::{ClassicSetup, GroupCall, Membership};
use crate::client::cluster_view::ClusterView;
use crate::client::consumer::assignors::{self, Assignor, Named, Subscriber};
use crate::client::consumer::machine::{Call, Consumer, Coordinator};
use crate::client::consumer::partition::Phase;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    NO_GENERATION, Request, SyncGroupRequest, SyncGroupResponse,
};

/// What a JoinGroup may take beyond the time that the group gives its members, ns, as Java's.
const JOIN_EXTRA_NS: u64 = 5_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Has to join.
    Unjoined,
    /// Waits for JoinGroup.
    Joining,
    /// Has to tell, or ask for, assignments.
    Joined,
    /// Waits for SyncGroup.
    Syncing,
    /// Has its share.
    Stable,
}

/// A member of a group in the classic protocol.
#[derive(Debug)]
pub(crate) struct ClassicMember {
    setup: ClassicSetup,
    stage: Stage,
    /// Number of the last JoinGroup. Answers to what was asked in an earlier attempt, as another
    /// member or of another generation, come too late.
    attempt: u64,
    pub(super) member: Arc<str>,
    pub(super) generation: i32,
    protocol: Option<Arc<str>>,
    /// What the leader deals out; empty for others.
    shares: Vec<(Arc<str>, Vec<Named>)>,
    /// How many partitions each topic had when it became the leader; empty for others.
    divided: Vec<(Arc<str>, u32)>,
    /// Version of the metadata that is known to be so.
    divided_at: u64,
    heartbeat_due_ns: u64,
    heartbeat_asked: bool,
    /// The coordinator last answered then, ns.
    heard_ns: u64,
    retry_ns: u64,
    failures: u32,
    /// Since when the application does not poll, ns.
    idle_since_ns: Option<u64>,
    /// Positions have been committed for the rebalance that is about to come, or that was tried.
    has_committed: bool,
}

impl ClassicMember {
    pub(super) fn new(setup: ClassicSetup) -> Self {
        Self {
            setup,
            stage: Stage::Unjoined,
            attempt: 0,
            member: Arc::from(""),
            generation: NO_GENERATION,
            protocol: None,
            shares: Vec::new(),
            divided: Vec::new(),
            divided_at: 0,
            heartbeat_due_ns: NEVER,
            heartbeat_asked: false,
            heard_ns: 0,
            retry_ns: 0,
            failures: 0,
            idle_since_ns: None,
            has_committed: false,
        }
    }

    pub(super) fn instance(&self) -> Option<Arc<str>> {
        self.setup.instance.clone()
    }

    /// Whether it belongs to a generation, and may commit in it.
    pub(super) fn is_member(&self) -> bool {
        self.generation != NO_GENERATION
    }

    /// How long an answer to a request may take; JoinGroup waits for the other members, ns.
    fn join_timeout_ns(&self, request_timeout_ns: u64) -> u64 {
        let rebalance_ns = u64::from(self.setup.rebalance_timeout_ms.unsigned_abs()) * 1_000_000;
        request_timeout_ns.max(rebalance_ns + JOIN_EXTRA_NS)
    }

    /// Whether the answer to a JoinGroup or SyncGroup counts.
    fn waits_for(&self, call: GroupCall) -> bool {
        match call {
            GroupCall::Join(attempt) => self.stage == Stage::Joining && self.attempt == attempt,
            GroupCall::Sync(attempt) => self.stage == Stage::Syncing && self.attempt == attempt,
            _ => false,
        }
    }

    /// What it waits for, in words.
    pub(super) fn waits(&self) -> String {
        let Self { stage, member, generation, .. } = self;
        format!("member {member:?} of generation {generation} is {stage:?}")
    }
}

/// How many partitions the topics have that it reads.
fn partition_counts(view: &ClusterView) -> Vec<(Arc<str>, u32)> {
    let counts = view.topics().iter().map(|topic| {
        (Arc::clone(&topic.name), u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX))
    });
    counts.collect()
}

impl Consumer {
    fn classic_member(&mut self) -> Option<&mut ClassicMember> {
        self.membership.as_mut().and_then(Membership::classic_mut)
    }

    /// Works towards having a share, and keeping it. When to come back, ns.
    #[cold]
    pub(super) fn go_on_as_classic(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let idle_ns = self.leave_if_idle(cx);
        if !self.paused && self.is_to_divide_anew() {
            self.rejoin();
        }
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        match membership.stage {
            _ if membership.idle_since_ns.is_some() && membership.stage != Stage::Stable => idle_ns,
            Stage::Unjoined => self.join(cx).min(idle_ns),
            Stage::Joined => self.sync(cx).min(idle_ns),
            Stage::Joining | Stage::Syncing => idle_ns,
            Stage::Stable => self.heartbeat(cx).min(idle_ns),
        }
    }

    /// Whether it leads a group whose topics have other partitions than those that were divided: it joins again then
    /// (`ConsumerCoordinator.rejoinNeededOrPending`).
    fn is_to_divide_anew(&mut self) -> bool {
        let view = &self.network.view;
        let membership = self.membership.as_mut().and_then(Membership::classic_mut);
        let leads = |of: &&mut ClassicMember| of.stage == Stage::Stable && !of.divided.is_empty();
        let Some(membership) = membership.filter(leads) else { return false };
        if std::mem::replace(&mut membership.divided_at, view.version()) == view.version() {
            return false;
        }
        membership.divided != partition_counts(view)
    }

    /// An application that does not poll for `max.poll.interval.ms` is taken out of its group.
    fn leave_if_idle(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let paused = self.paused;
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        if !paused {
            membership.idle_since_ns = None;
            return NEVER;
        }
        let since_ns = *membership.idle_since_ns.get_or_insert(cx.now_ns);
        let limit_ms = u64::from(membership.setup.rebalance_timeout_ms.unsigned_abs());
        let due_ns = since_ns.saturating_add(limit_ms * 1_000_000);
        if cx.now_ns < due_ns {
            return due_ns;
        }
        if membership.is_member() {
            let members = vec![(Arc::clone(&membership.member), membership.instance())];
            let is_fixed = membership.setup.instance.is_some();
            if !is_fixed && let Ok(node) = self.coordinator_ready(cx) {
                let group = self.config.group.clone();
                let request = Request::LeaveGroup(LeaveGroupRequest { group, members });
                let call = Some(Call::Group(GroupCall::Leave));
                self.network.connections.send(node, request, call, cx);
            }
            self.lose_membership(true, cx);
        }
        NEVER
    }

    fn join(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        if self.network.view.topics().iter().any(|topic| topic.id.is_none()) {
            return NEVER; // metadata will tell
        }
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        if self.commit_in_flight || self.commit_before_rebalance(node, cx) {
            return NEVER; // its answer comes first
        }
        let Some(membership) = self.membership.as_ref().and_then(Membership::classic) else {
            return NEVER;
        };
        if membership.retry_ns > cx.now_ns {
            return membership.retry_ns;
        }
        if membership.setup.assignor == Assignor::Range {
            self.revoke_all(cx);
        }
        let owned = self.owned();
        let topics: Vec<Arc<str>> =
            self.network.view.topics().iter().map(|topic| Arc::clone(&topic.name)).collect();
        let group = self.config.group.clone();
        let timeout_ns = self.config.connection.request_timeout_ns;
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        let setup = &membership.setup;
        let generation = if setup.names_generation { membership.generation } else { NO_GENERATION };
        let metadata = assignors::subscription(&topics, &owned, generation);
        let request = JoinGroupRequest {
            group,
            member: Arc::clone(&membership.member),
            instance: setup.instance.clone(),
            session_timeout_ms: setup.session_timeout_ms,
            rebalance_timeout_ms: setup.rebalance_timeout_ms,
            protocol_type: Arc::from("consumer"),
            protocols: vec![(Arc::from(assignors::name_of(setup.assignor)), metadata)],
            requires_known_member: true,
            can_skip_assignment: true,
            client_id: Arc::clone(&setup.client_id),
            client_host: Arc::from("/127.0.0.1"),
        };
        let timeout_ns = membership.join_timeout_ns(timeout_ns);
        membership.stage = Stage::Joining;
        membership.attempt += 1;
        let call = Call::Group(GroupCall::Join(membership.attempt));
        let request = Request::JoinGroup(Box::new(request));
        self.network.connections.send_within(node, request, Some(call), timeout_ns, cx);
        NEVER
    }

    /// Positions are committed before they may go to another member. Whether a commit was sent.
    fn commit_before_rebalance(&mut self, node: NodeId, cx: &mut ClientCx<'_>) -> bool {
        let commits = self.config.commit_interval_ns.is_some() && !self.uncommitted.is_empty();
        let Some(membership) = self.classic_member().filter(|member| member.is_member()) else {
            return false;
        };
        if std::mem::replace(&mut membership.has_committed, true) || !commits {
            return false;
        }
        self.send_commit(node, cx);
        true
    }

    fn sync(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let group = self.config.group.clone();
        let timeout_ns = self.config.connection.request_timeout_ns;
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        let shares = std::mem::take(&mut membership.shares).into_iter();
        let request = SyncGroupRequest {
            group,
            generation: membership.generation,
            member: Arc::clone(&membership.member),
            instance: membership.instance(),
            protocol_type: Some(Arc::from("consumer")),
            protocol: membership.protocol.clone(),
            assignments: shares.map(|(m, share)| (m, assignors::assignment(&share))).collect(),
        };
        let timeout_ns = membership.join_timeout_ns(timeout_ns);
        membership.stage = Stage::Syncing;
        let call = Call::Group(GroupCall::Sync(membership.attempt));
        let request = Request::SyncGroup(Box::new(request));
        self.network.connections.send_within(node, request, Some(call), timeout_ns, cx);
        NEVER
    }

    fn heartbeat(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        let session_ns = u64::from(membership.setup.session_timeout_ms.unsigned_abs()) * 1_000_000;
        let lost_ns = membership.heard_ns.saturating_add(session_ns);
        if cx.now_ns >= lost_ns {
            membership.heard_ns = cx.now_ns;
            self.coordinator = Coordinator::Unknown { retry_ns: cx.now_ns };
            return cx.now_ns + 1;
        }
        if membership.heartbeat_asked || membership.heartbeat_due_ns > cx.now_ns {
            return lost_ns.min(match membership.heartbeat_asked {
                true => NEVER,
                false => membership.heartbeat_due_ns,
            });
        }
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return lost_ns.min(retry_ns),
        };
        let group = self.config.group.clone();
        let Some(membership) = self.classic_member() else {
            return NEVER;
        };
        membership.heartbeat_asked = true;
        membership.heartbeat_due_ns = cx.now_ns + membership.setup.heartbeat_ns;
        let generation = membership.generation;
        let request = HeartbeatRequest {
            group,
            generation,
            member: Arc::clone(&membership.member),
            instance: membership.instance(),
        };
        let call = Some(Call::Group(GroupCall::Heartbeat(generation)));
        self.network.connections.send(node, Request::Heartbeat(Box::new(request)), call, cx);
        lost_ns
    }

    /// Takes the answer to JoinGroup.
    pub(crate) fn joined(
        &mut self,
        attempt: u64,
        answer: &JoinGroupResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let view = &self.network.view;
        let (counts, version) = (partition_counts(view), view.version());
        let Some(membership) = self.classic_member() else {
            return;
        };
        if !membership.waits_for(GroupCall::Join(attempt)) {
            return; // it has lost its membership meanwhile
        }
        membership.stage = Stage::Unjoined;
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                membership.member = Arc::clone(&answer.member);
                return;
            }
            error => {
                self.group_backs_off(cx.now_ns);
                return self.classic_refused(error, cx);
            }
        }
        cx.effects.marks.push("consumer: joined its group");
        (membership.failures, membership.has_committed) = (0, false);
        membership.stage = Stage::Joined;
        membership.member = Arc::clone(&answer.member);
        membership.generation = answer.generation;
        membership.protocol.clone_from(&answer.protocol);
        let leads = answer.leader == answer.member;
        if leads && !answer.skip_assignment {
            let read = answer.members.iter().filter_map(|member| {
                assignors::subscriber(
                    &member.member,
                    member.instance.as_ref(),
                    member.metadata.clone(),
                )
            });
            let members: Vec<Subscriber> = read.collect();
            membership.shares = assignors::divide(membership.setup.assignor, &members, &counts);
        }
        // also where it does not divide them now, as it is back (KIP-814)
        membership.divided = if leads { counts } else { Vec::new() };
        membership.divided_at = version;
    }

    /// Takes the answer to SyncGroup.
    pub(crate) fn synced(
        &mut self,
        attempt: u64,
        answer: &SyncGroupResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(membership) = self.classic_member() else {
            return;
        };
        if !membership.waits_for(GroupCall::Sync(attempt)) {
            return; // it has lost its membership meanwhile
        }
        membership.stage = Stage::Unjoined;
        if !answer.error.is_ok() {
            return self.classic_refused(answer.error, cx);
        }
        membership.stage = Stage::Stable;
        membership.failures = 0;
        // of the answer that it has asked upon
        let asked_ns = std::mem::replace(&mut membership.heard_ns, cx.now_ns);
        membership.heartbeat_asked = false;
        membership.heartbeat_due_ns = cx.now_ns + membership.setup.heartbeat_ns;
        let share = assignors::assigned(answer.assignment.clone());
        let mut gives_up = false;
        for at in 0..self.partitions.len() {
            let is_mine = self.named(at).is_some_and(|named| share.contains(&named));
            let had = self.partitions[at].phase != Phase::Unassigned;
            if had && !is_mine {
                gives_up = true;
                self.recommit_lost(at);
                self.unassign(at, cx.now_ns);
            } else if is_mine && !had {
                self.assign(at, cx.now_ns);
            }
        }
        let partitions: Vec<TopicPartition> = (0..self.partitions.len())
            .filter(|at| self.partitions[*at].phase != Phase::Unassigned)
            .filter_map(|at| self.tp(at))
            .collect();
        let Some(membership) = self.classic_member() else {
            return;
        };
        if gives_up {
            // others wait for what was given up (KIP-429)
            membership.stage = Stage::Unjoined;
        }
        let generation = membership.generation;
        // who has an identity of its own is the same member after a restart (KIP-345)
        let member = membership.instance().unwrap_or_else(|| Arc::clone(&membership.member));
        cx.effects.outcomes.push(Outcome::Assigned {
            generation,
            member,
            partitions,
            asked_ns,
            consumer_protocol: false,
        });
    }

    /// Takes the answer to a heartbeat.
    pub(crate) fn heartbeat_answered(
        &mut self,
        generation: i32,
        answer: HeartbeatResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(membership) = self.classic_member() else {
            return;
        };
        if membership.generation != generation || membership.stage != Stage::Stable {
            return;
        }
        membership.heartbeat_asked = false;
        if answer.error.is_ok() {
            membership.heard_ns = cx.now_ns;
        } else {
            self.classic_refused(answer.error, cx);
        }
    }

    /// The coordinator refuses something because of the membership.
    pub(super) fn classic_refused(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        match error {
            ErrorCode::RebalanceInProgress => self.rejoin(),
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                cx.effects.marks.push("consumer: lost its membership");
                self.lose_membership(true, cx);
            }
            ErrorCode::IllegalGeneration => self.lose_membership(false, cx),
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_coordinator(cx.now_ns);
            }
            _ => self.group_backs_off(cx.now_ns),
        }
    }

    fn rejoin(&mut self) {
        if let Some(membership) = self.classic_member()
            && membership.stage == Stage::Stable
        {
            membership.stage = Stage::Unjoined;
        }
    }

    fn group_backs_off(&mut self, now_ns: u64) {
        let backoff = self.config.connection.retry_backoff();
        // The field alone: the draws are borrowed, too.
        let Some(membership) = self.membership.as_mut().and_then(Membership::classic_mut) else {
            return;
        };
        membership.retry_ns = now_ns + backoff.after(membership.failures, &mut self.network.draws);
        membership.failures = membership.failures.saturating_add(1);
    }

    /// Partitions are somebody else's by now, and nothing of them can be committed. `forgotten`: the
    /// group does not know the member any more.
    fn lose_membership(&mut self, forgotten: bool, cx: &mut ClientCx<'_>) {
        self.revoke_all(cx);
        self.group_backs_off(cx.now_ns);
        let Some(membership) = self.classic_member() else {
            return;
        };
        membership.stage = Stage::Unjoined;
        membership.generation = NO_GENERATION;
        if forgotten {
            membership.member = Arc::from("");
        }
    }

    /// A request of the member got no answer.
    pub(super) fn classic_call_lost(&mut self, call: GroupCall, now_ns: u64) {
        let Some(membership) = self.classic_member() else {
            return;
        };
        match call {
            GroupCall::Join(_) | GroupCall::Sync(_) if membership.waits_for(call) => {
                membership.stage = Stage::Unjoined;
            }
            GroupCall::Heartbeat(_) => membership.heartbeat_asked = false,
            _ => return,
        }
        self.group_backs_off(now_ns);
    }
}
