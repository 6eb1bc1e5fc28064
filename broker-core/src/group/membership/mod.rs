//! Membership of a group in the classic protocol: Kafka's `GroupMetadata` and the state machine of
//! its `GroupCoordinator`, without IO. What is to be written to `__consumer_offsets` is asked for
//! as a [`Store`]; its end comes back to [`Membership::stored`].

mod describe;
mod fixed;
mod join;
mod leave;
mod member;
mod rebalance;
mod sync;
#[cfg(test)]
mod tests;

use super::codec::GroupValue;
use super::timers::{Due, Timers};
use crate::error::ErrorCode;
use crate::protocol::GroupState;
use crate::random::SplitMix64;
use crate::step::Step;
use crate::time::{Duration, Instant};
use bytes::Bytes;
use member::Member;
pub(super) use member::{join_error, sync_error};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a member that is new may wait for its first rebalance (`NewMemberJoinTimeoutMs`).
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_millis(5 * 60 * 1000);

/// What a group sees of the current step.
pub(super) struct Cx<'a, 's> {
    pub(super) step: &'a mut Step<'s>,
    pub(super) timers: &'a mut Timers,
    /// What is to be written.
    pub(super) stores: &'a mut Vec<Store>,
    /// For member ids.
    pub(super) random: &'a mut SplitMix64,
    /// `group.initial.rebalance.delay.ms`.
    pub(super) initial_delay: Duration,
}

/// Members to be written to the log.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) value: GroupValue,
    pub(super) then: Then,
}

/// What follows when the log has it.
#[derive(Debug, Default)]
pub(super) enum Then {
    /// Nothing waits for it.
    #[default]
    Nothing,
    /// The leader's assignment may be handed out.
    Assign { generation: i32, assignments: BTreeMap<Arc<str>, Bytes> },
    /// A static member that came back keeps its place without a rebalance.
    Replace(fixed::Replacement),
}

impl Then {
    /// What was waited for will not come of it: whoever waits hears why.
    pub(super) fn abandon(self, step: &mut Step<'_>, error: ErrorCode) {
        if let Self::Replace(replacement) = self {
            replacement.abandon(step, error);
        }
    }
}

/// Who commits positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitBy {
    /// A member, with OffsetCommit.
    Member,
    /// A transactional producer for a member, with TxnOffsetCommit (KIP-447).
    Producer,
}

/// Time for joining.
#[derive(Debug, Clone, Copy)]
struct Joining {
    until: Instant,
    /// First rebalance of a group: the rest of the time that it may be put off for others to come.
    initial: Option<Duration>,
}

/// Members of a group and where their rebalance stands.
#[derive(Debug)]
pub(super) struct Membership {
    group: Arc<str>,
    state: GroupState,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Member of each `group.instance.id`.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// Member ids given out and not used yet (KIP-394), and until when they hold.
    pending: BTreeMap<Arc<str>, Instant>,
    /// Members that have not asked for their assignment of this generation.
    unsynced: BTreeSet<Arc<str>>,
    joining: Option<Joining>,
    sync_until: Option<Instant>,
    /// A member came while the first rebalance was put off.
    newcomer: bool,
    state_since_ms: i64,
    /// Generation and number of members in its newest record, for checkers; `None`: the log has not taken that.
    logged: Option<(i32, usize)>,
}

impl Membership {
    /// A group without members.
    pub(super) fn new(group: Arc<str>) -> Self {
        Self {
            group,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            joining: None,
            sync_until: None,
            newcomer: false,
            state_since_ms: -1,
            logged: Some((0, 0)),
        }
    }

    pub(super) fn state(&self) -> GroupState {
        self.state
    }

    /// When the group came into its state, ms since the epoch; `-1` = unknown.
    pub(super) fn state_since_ms(&self) -> i64 {
        self.state_since_ms
    }

    /// Whether it has no members, and nobody is about to become one.
    pub(super) fn is_unused(&self) -> bool {
        self.state == GroupState::Empty && self.pending.is_empty()
    }

    /// Being deleted; `false` takes that back.
    pub(super) fn set_dead(&mut self, dead: bool) {
        self.state = if dead { GroupState::Dead } else { GroupState::Empty };
    }

    fn enter(&mut self, cx: &Cx<'_, '_>, state: GroupState) {
        self.state = state;
        self.state_since_ms = cx.step.wall_ms;
    }

    /// Whether this member is one, and is who it says.
    fn check_member(&self, member: &str, instance: Option<&Arc<str>>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            return match self.instances.get(instance) {
                None => Err(ErrorCode::UnknownMemberId),
                Some(current) if **current != *member => Err(ErrorCode::FencedInstanceId),
                Some(_) => Ok(()),
            };
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether a commit may come from this member in this generation. A member that commits is alive, unless its
    /// producer does so in a transaction: that says nothing of the member, and waits for no rebalance
    /// (`ClassicGroup.validateOffsetCommit`).
    pub(super) fn check_commit(
        &mut self,
        cx: &mut Cx<'_, '_>,
        generation: i32,
        (member, instance): (&Arc<str>, Option<&Arc<str>>),
        by: CommitBy,
    ) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let of_member = generation >= 0 || !member.is_empty() || instance.is_some();
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if !of_member {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(member, instance)?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match (by, self.state) {
            (CommitBy::Producer, _) => Ok(()),
            (CommitBy::Member, GroupState::CompletingRebalance) => {
                Err(ErrorCode::RebalanceInProgress)
            }
            (CommitBy::Member, _) => {
                self.touch(cx, member);
                Ok(())
            }
        }
    }

    /// A member has shown that it is alive: its session begins anew.
    fn touch(&mut self, cx: &mut Cx<'_, '_>, member: &Arc<str>) {
        if let Some(member) = self.members.get_mut(member) {
            let session = member.session;
            member.expect(cx, &self.group, session);
        }
    }

    /// Something is due; stale deadlines are none of this group's.
    pub(super) fn due(&mut self, cx: &mut Cx<'_, '_>, at: Instant, due: &Due) {
        match due {
            Due::Join if self.joining.is_some_and(|joining| joining.until == at) => {
                self.joining_over(cx);
            }
            Due::Sync if self.sync_until == Some(at) => self.sync_over(cx),
            Due::Session(member) => self.session_due(cx, at, member),
            Due::Pending(member) if self.pending.get(member) == Some(&at) => {
                self.pending.remove(member);
                self.try_complete_join(cx);
            }
            Due::Join | Due::Sync | Due::Pending(_) | Due::Rebalance(_) => {}
        }
    }

    /// The end of a [`Store`].
    pub(super) fn stored(&mut self, cx: &mut Cx<'_, '_>, then: Then, error: ErrorCode) {
        if !error.is_ok() {
            self.logged = None;
        }
        match then {
            Then::Nothing => {}
            Then::Assign { generation, assignments } => {
                self.assigned(cx, generation, assignments, error);
            }
            Then::Replace(replacement) => self.replaced(cx, replacement, error),
        }
    }

    /// This broker coordinates the group no longer.
    pub(super) fn unload(&mut self, cx: &mut Cx<'_, '_>) {
        for member in self.members.values_mut() {
            member.answer_join_error(cx, ErrorCode::NotCoordinator);
            member.answer_sync_error(cx, ErrorCode::NotCoordinator);
        }
    }
}
