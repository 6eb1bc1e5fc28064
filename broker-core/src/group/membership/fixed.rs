//! Static members (KIP-345) that come back: they take their old place, under a new member id.

use super::member::{Member, join_error};
use super::{Cx, Membership, Store, Then};
use crate::error::ErrorCode;
use crate::protocol::{GroupState, JoinGroupRequest, JoinGroupResponse, Response};
use crate::step::{ReplyTo, Step};
use crate::time::Duration;
use bytes::Bytes;
use std::sync::Arc;

/// A member that takes the place of its former self, until the log has it.
#[derive(Debug)]
pub(in crate::group) struct Replacement {
    to: ReplyTo,
    old: Arc<str>,
    new: Arc<str>,
    generation: i32,
    can_skip_assignment: bool,
    /// Should the write fail.
    before: Before,
}

/// What a place had before its member came back.
#[derive(Debug)]
struct Before {
    protocols: Vec<(Arc<str>, Bytes)>,
    session: Duration,
    rebalance: Duration,
}

impl Replacement {
    /// Nothing comes of it, and nobody has the new id
    /// (`GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin`).
    pub(super) fn abandon(self, step: &mut Step<'_>, error: ErrorCode) {
        let answer = join_error("".into(), error);
        step.reply(self.to, Response::JoinGroup(Box::new(answer)));
    }
}

impl Membership {
    /// A static member without a member id comes back.
    pub(super) fn join_returning(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        old: &Arc<str>,
        new: Arc<str>,
        request: &JoinGroupRequest,
    ) {
        let Some(mut member) = self.take_place(cx, old, &new) else { return };
        let protocols = std::mem::take(&mut member.protocols);
        let before = Before { protocols, session: member.session, rebalance: member.rebalance };
        member.update(request);
        let session = member.session;
        member.expect(cx, &self.group, session);
        self.members.insert(Arc::clone(&new), member);
        if self.state == GroupState::Stable && self.best_protocol() == self.protocol {
            let replacement = Replacement {
                to,
                old: Arc::clone(old),
                new,
                generation: self.generation,
                can_skip_assignment: request.can_skip_assignment,
                before,
            };
            let then = Then::Replace(replacement);
            return cx.stores.push(Store { value: self.value(None), then });
        }
        // Between join and sync the leader assigns to ids that it was told (GRP-08).
        self.rejoin(cx, to, &new, request);
    }

    /// Moves a member to another id. Whoever waits under the old one is fenced.
    fn take_place(
        &mut self,
        cx: &mut Cx<'_, '_>,
        old: &Arc<str>,
        new: &Arc<str>,
    ) -> Option<Member> {
        let mut member = self.members.remove(old)?;
        member.answer_join_error(cx, ErrorCode::FencedInstanceId);
        member.answer_sync_error(cx, ErrorCode::FencedInstanceId);
        member.id = Arc::clone(new);
        member.queued = None;
        if self.unsynced.remove(old) {
            self.unsynced.insert(Arc::clone(new));
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(new));
        }
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(Arc::clone(new));
        }
        Some(member)
    }

    /// The log knows the new id, or does not.
    pub(super) fn replaced(
        &mut self,
        cx: &mut Cx<'_, '_>,
        replacement: Replacement,
        error: ErrorCode,
    ) {
        if !error.is_ok() {
            self.undo(cx, &replacement);
            return replacement.abandon(cx.step, error);
        }
        if self.generation != replacement.generation {
            // the client asks for its place once more, with no id
            return replacement.abandon(cx.step, ErrorCode::UnknownMemberId);
        }
        let Replacement { to, old, new, can_skip_assignment, .. } = replacement;
        let answer = self.returned(&new, &old, can_skip_assignment);
        cx.step.reply(to, Response::JoinGroup(Box::new(answer)));
    }

    /// A member goes by its old id again, and is what it was.
    fn undo(&mut self, cx: &mut Cx<'_, '_>, replacement: &Replacement) {
        let Replacement { old, new, before, .. } = replacement;
        let Some(mut member) = self.take_place(cx, new, old) else { return };
        let Before { protocols, session, rebalance } = before;
        member.protocols.clone_from(protocols);
        (member.session, member.rebalance) = (*session, *rebalance);
        member.expect(cx, &self.group, *session);
        self.members.insert(Arc::clone(old), member);
    }

    /// The place as it is. A leader learns who the members are only if it knows that it must not
    /// assign (KIP-814); others are told of a leader that they are not.
    fn returned(
        &self,
        new: &Arc<str>,
        old: &Arc<str>,
        can_skip_assignment: bool,
    ) -> JoinGroupResponse {
        let leads = self.leader.as_ref() == Some(new);
        let answer = self.joined(new);
        if can_skip_assignment {
            return JoinGroupResponse { skip_assignment: leads, ..answer };
        }
        let leader = if leads { Arc::clone(old) } else { answer.leader };
        JoinGroupResponse { leader, members: Vec::new(), ..answer }
    }
}
