//! Heartbeat, LeaveGroup, and sessions that end.

use super::{Cx, Membership};
use crate::error::ErrorCode;
use crate::protocol::{GroupState, HeartbeatRequest};
use crate::time::Instant;
use std::sync::Arc;

impl Membership {
    /// A member is alive; it is told whether to join again.
    pub(in crate::group) fn heartbeat(
        &mut self,
        cx: &mut Cx<'_, '_>,
        request: &HeartbeatRequest,
    ) -> ErrorCode {
        if self.state == GroupState::Dead {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if let Err(error) = self.check_member(&request.member, request.instance.as_ref()) {
            return error;
        }
        if request.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => ErrorCode::UnknownMemberId,
            GroupState::PreparingRebalance => {
                self.touch(cx, &request.member);
                ErrorCode::RebalanceInProgress
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.touch(cx, &request.member);
                ErrorCode::None
            }
        }
    }

    /// A member goes; a static one may be named by its instance alone.
    pub(in crate::group) fn leave(
        &mut self,
        cx: &mut Cx<'_, '_>,
        member: &Arc<str>,
        instance: Option<&Arc<str>>,
    ) -> ErrorCode {
        if self.state == GroupState::Dead {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if instance.is_none() && self.pending.remove(member).is_some() {
            self.try_complete_join(cx);
            return ErrorCode::None;
        }
        let id = match instance.and_then(|instance| self.instances.get(instance)) {
            Some(current) if member.is_empty() => Arc::clone(current),
            _ => Arc::clone(member),
        };
        if let Err(error) = self.check_member(&id, instance) {
            return error;
        }
        self.remove(cx, &id);
        self.rebalance_without(cx);
        ErrorCode::None
    }

    /// The queue of deadlines looks at a member.
    pub(super) fn session_due(&mut self, cx: &mut Cx<'_, '_>, at: Instant, id: &Arc<str>) {
        let Some(member) = self.members.get_mut(id) else { return };
        if member.queued != Some(at) {
            return;
        }
        member.queued = None;
        if member.expires > cx.step.now {
            return member.queue(cx, &self.group);
        }
        if !member.is_waiting() {
            self.remove(cx, id);
            self.rebalance_without(cx);
        }
    }

    /// Takes a member out. What waits for it is answered.
    pub(super) fn remove(&mut self, cx: &mut Cx<'_, '_>, id: &Arc<str>) {
        let Some(mut member) = self.members.remove(id) else { return };
        member.answer_join_error(cx, ErrorCode::UnknownMemberId);
        member.answer_sync_error(cx, ErrorCode::UnknownMemberId);
        if let Some(instance) = &member.instance
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
        self.unsynced.remove(id);
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }
}
