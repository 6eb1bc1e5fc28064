//! Membership of a group: the classic protocol, and the consumer protocol (KIP-848). What both do to a
//! consumer's partitions is here.

mod classic;
mod consumer;

use super::assignors::{Assignor, Named};
use super::machine::Consumer;
use super::partition::Phase;
use crate::client::io::ClientCx;
use crate::client::wakeup::NEVER;
pub(crate) use classic::ClassicMember;
pub(crate) use consumer::ConsumerMember;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, NO_OFFSET};
use stormglass_broker_core::protocol::OffsetCommitRequest;

/// Connections to a coordinator have ids of their own, as Java's: this less the broker's.
pub(crate) const COORDINATOR_IDS: i32 = i32::MAX;

/// What a member is told beside its consumer's config (`group.protocol`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipSetup {
    /// `classic`
    Classic(ClassicSetup),
    /// `consumer`
    Consumer(HeartbeatSetup),
}

/// A member in the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicSetup {
    /// Who gets what.
    pub assignor: Assignor,
    /// Whether it says with its subscription of which generation that is (KIP-792).
    pub names_generation: bool,
    /// `group.instance.id`
    pub instance: Option<Arc<str>>,
    /// `client.id`
    pub client_id: Arc<str>,
    /// `session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `max.poll.interval.ms`
    pub rebalance_timeout_ms: i32,
    /// `heartbeat.interval.ms`, ns.
    pub heartbeat_ns: u64,
}

/// A member in the consumer protocol, whose session and heartbeats the coordinator times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatSetup {
    /// Id that the client makes for itself (KIP-1082). Nobody else may ever have it.
    pub member: Arc<str>,
    /// `group.remote.assignor`
    pub assignor: Arc<str>,
    /// `group.instance.id`
    pub instance: Option<Arc<str>>,
    /// `client.id`
    pub client_id: Arc<str>,
    /// `max.poll.interval.ms`
    pub rebalance_timeout_ms: i32,
    /// A regular expression for topics, in place of their names.
    pub pattern: Option<Arc<str>>,
    /// Which of its topics, in order, it does not subscribe to when it is another consumer for the first time, and the
    /// next one each time after that; `None`: it always subscribes to all.
    pub leaves_out: Option<u32>,
    /// A topic that it subscribes to as well, and that may not be there yet. The application does not know it: nothing is
    /// read of it.
    pub ahead: Option<Arc<str>>,
    /// When the application is paused it closes its consumer, and makes another one when it goes on. Only with an
    /// instance id.
    pub closes: bool,
}

/// A request of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupCall {
    /// JoinGroup, of an attempt.
    Join(u64),
    /// SyncGroup, of the same attempt.
    Sync(u64),
    /// Heartbeat, of a generation.
    Heartbeat(i32),
    /// ConsumerGroupHeartbeat, by its number.
    ConsumerHeartbeat(u64),
    /// LeaveGroup, or a ConsumerGroupHeartbeat that says so: the answer changes nothing.
    Leave,
}

/// A member of a group.
#[derive(Debug)]
pub(crate) enum Membership {
    /// In the classic protocol.
    Classic(Box<ClassicMember>),
    /// In the consumer protocol.
    Consumer(Box<ConsumerMember>),
}

impl Membership {
    pub(super) fn new(setup: MembershipSetup) -> Self {
        match setup {
            MembershipSetup::Classic(setup) => Self::Classic(Box::new(ClassicMember::new(setup))),
            MembershipSetup::Consumer(setup) => {
                Self::Consumer(Box::new(ConsumerMember::new(setup)))
            }
        }
    }

    fn classic(&self) -> Option<&ClassicMember> {
        match self {
            Self::Classic(member) => Some(member),
            Self::Consumer(_) => None,
        }
    }

    fn classic_mut(&mut self) -> Option<&mut ClassicMember> {
        match self {
            Self::Classic(member) => Some(member),
            Self::Consumer(_) => None,
        }
    }

    pub(super) fn consumer(&self) -> Option<&ConsumerMember> {
        match self {
            Self::Consumer(member) => Some(member),
            Self::Classic(_) => None,
        }
    }

    fn consumer_mut(&mut self) -> Option<&mut ConsumerMember> {
        match self {
            Self::Consumer(member) => Some(member),
            Self::Classic(_) => None,
        }
    }

    /// Whether it has a place in its group, and may commit.
    pub(super) fn is_member(&self) -> bool {
        match self {
            Self::Classic(member) => member.is_member(),
            Self::Consumer(member) => member.is_member(),
        }
    }

    /// Who commits: generation or member epoch, member id and instance.
    pub(super) fn sign(&self, request: &mut OffsetCommitRequest) {
        match self {
            Self::Classic(member) => {
                request.generation = member.generation;
                request.member = Arc::clone(&member.member);
                request.instance = member.instance();
            }
            Self::Consumer(member) => {
                request.generation = member.epoch();
                request.member = Arc::clone(member.id());
                request.instance = member.instance();
            }
        }
    }
}

impl Consumer {
    /// Works towards having a share, and keeping it. When to come back, ns.
    pub(super) fn keep_membership(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        match &self.membership {
            None => NEVER,
            Some(Membership::Classic(_)) => self.go_on_as_classic(cx),
            Some(Membership::Consumer(_)) => self.go_on_as_consumer(cx),
        }
    }

    /// The coordinator refuses a commit because of the membership.
    pub(super) fn group_refused(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        match &self.membership {
            None => {}
            Some(Membership::Classic(_)) => self.classic_refused(error, cx),
            Some(Membership::Consumer(_)) => self.commit_of_member_refused(error, cx.now_ns),
        }
    }

    /// A request of the member got no answer.
    pub(super) fn group_call_lost(&mut self, call: GroupCall, now_ns: u64) {
        match &self.membership {
            None => {}
            Some(Membership::Classic(_)) => self.classic_call_lost(call, now_ns),
            Some(Membership::Consumer(_)) => self.heartbeat_lost(call, now_ns),
        }
    }

    fn revoke_all(&mut self, cx: &mut ClientCx<'_>) {
        for at in 0..self.partitions.len() {
            if self.partitions[at].phase != Phase::Unassigned {
                self.unassign(at, cx.now_ns);
            }
        }
        self.uncommitted.clear();
    }

    /// A partition that goes to another member is committed no more.
    fn recommit_lost(&mut self, at: usize) {
        let id = u32::try_from(at).unwrap_or(u32::MAX);
        self.uncommitted.retain(|other| *other != id);
    }

    fn assign(&mut self, at: usize, now_ns: u64) {
        self.assignments += 1;
        self.set_phase(at, Phase::Committed);
        self.touch(at, now_ns);
    }

    fn unassign(&mut self, at: usize, now_ns: u64) {
        self.assignments += 1;
        self.drop_buffered(at);
        self.set_phase(at, Phase::Unassigned);
        let state = &mut self.partitions[at];
        state.seek(NO_OFFSET, NO_EPOCH);
        (state.retry_ns, state.uncommitted, state.preferred) = (0, false, None);
        self.touch(at, now_ns);
    }

    fn named(&self, at: usize) -> Option<Named> {
        let state = &self.partitions[at];
        let topic = self.network.view.topics().get(state.topic)?;
        Some((Arc::clone(&topic.name), u32::try_from(state.partition).ok()?))
    }

    fn owned(&self) -> Vec<Named> {
        let owned = |at: &usize| self.partitions[*at].phase != Phase::Unassigned;
        (0..self.partitions.len()).filter(owned).filter_map(|at| self.named(at)).collect()
    }

    /// What the member waits for, in words; `None` without membership.
    #[must_use]
    pub fn membership_waits(&self) -> Option<String> {
        let waits = match self.membership.as_ref()? {
            Membership::Classic(member) => member.waits(),
            Membership::Consumer(member) => member.waits(),
        };
        Some(format!("{waits}, coordinator {:?}", self.coordinator))
    }
}
