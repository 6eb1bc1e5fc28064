//! SyncGroup: the leader's assignment, handed out once the log has it (GRP-16).

use super::member::sync_error;
use super::{Cx, Membership, Store, Then};
use crate::error::ErrorCode;
use crate::protocol::{GroupState, Response, SyncGroupRequest, SyncGroupResponse};
use crate::step::ReplyTo;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Membership {
    /// A member wants its assignment, the leader brings those of all.
    pub(in crate::group) fn sync(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: SyncGroupRequest,
    ) {
        match self.check_sync(&request) {
            Err(error) => {
                let answer = Box::new(sync_error(error));
                cx.step.reply(to, Response::SyncGroup(answer));
            }
            Ok(()) if self.state == GroupState::Stable => {
                let answer = self.synced(&request.member);
                cx.step.reply(to, Response::SyncGroup(Box::new(answer)));
                self.has_synced(&request.member);
                self.touch(cx, &request.member);
            }
            Ok(()) => self.sync_waits(cx, to, request),
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.check_member(&request.member, request.instance.as_ref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |said: &Option<Arc<str>>, is: &Option<Arc<str>>| {
            said.is_some() && is.is_some() && said != is
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            GroupState::Empty | GroupState::Dead => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn sync_waits(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, request: SyncGroupRequest) {
        if let Some(member) = self.members.get_mut(&request.member) {
            member.wait_sync(cx, to);
        }
        self.has_synced(&request.member);
        if self.leader.as_ref() != Some(&request.member) {
            return;
        }
        let mut given: BTreeMap<_, _> = request.assignments.into_iter().collect();
        let of_member = |id: &Arc<str>| {
            let assignment = given.remove(id).unwrap_or_default();
            (Arc::clone(id), assignment)
        };
        let assignments: BTreeMap<_, _> = self.members.keys().map(of_member).collect();
        let value = self.value(Some(&assignments));
        let then = Then::Assign { generation: self.generation, assignments };
        cx.stores.push(Store { value, then });
    }

    /// Hands out what the log does not have yet: a planted bug.
    pub(in crate::group) fn assign_early(&mut self, cx: &mut Cx<'_, '_>) {
        let assigned = |store: &Store| match &store.then {
            Then::Assign { generation, assignments } => Some((*generation, assignments.clone())),
            Then::Nothing | Then::Replace(_) => None,
        };
        let early: Vec<_> = cx.stores.iter().filter_map(assigned).collect();
        for (generation, assignments) in early {
            self.assigned(cx, generation, assignments, ErrorCode::None);
        }
    }

    /// Counts generations anew: a planted bug.
    pub(in crate::group) fn forget_generation(&mut self) {
        self.generation = 0;
        self.logged = None;
    }

    fn has_synced(&mut self, member: &Arc<str>) {
        self.unsynced.remove(member);
        if self.unsynced.is_empty() {
            self.sync_until = None;
        }
    }

    /// The log has the assignment, or has not.
    pub(super) fn assigned(
        &mut self,
        cx: &mut Cx<'_, '_>,
        generation: i32,
        assignments: BTreeMap<Arc<str>, Bytes>,
        error: ErrorCode,
    ) {
        if self.state != GroupState::CompletingRebalance || self.generation != generation {
            return; // the group rebalances again
        }
        if !error.is_ok() {
            self.fail_syncs(cx, error);
            return self.rebalance(cx);
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.enter(cx, GroupState::Stable);
        let waiting = self.members.values_mut().filter_map(|member| {
            let to = member.syncing.take()?;
            Some((Arc::clone(&member.id), to))
        });
        let waiting: Vec<_> = waiting.collect();
        for (id, to) in waiting {
            let answer = self.synced(&id);
            cx.step.reply(to, Response::SyncGroup(Box::new(answer)));
            self.touch(cx, &id);
        }
    }

    fn synced(&self, member: &Arc<str>) -> SyncGroupResponse {
        let assignment = self.members.get(member).map(|member| member.assignment.clone());
        SyncGroupResponse {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: assignment.unwrap_or_default(),
        }
    }

    /// Members that have not asked for their assignment in time are gone.
    pub(super) fn sync_over(&mut self, cx: &mut Cx<'_, '_>) {
        self.sync_until = None;
        let late = std::mem::take(&mut self.unsynced);
        for id in &late {
            self.remove(cx, id);
        }
        if !late.is_empty() {
            self.rebalance_without(cx);
        }
    }
}
