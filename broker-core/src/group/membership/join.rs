//! JoinGroup: new members, members that come again, and what they are told.

use super::member::{Member, join_error};
use super::{Cx, Membership, NEW_MEMBER_TIMEOUT};
use crate::error::ErrorCode;
use crate::group::timers::Due;
use crate::protocol::{GroupState, JoinGroupRequest, JoinGroupResponse, JoinedMember, Response};
use crate::random::SplitMix64;
use crate::step::ReplyTo;
use crate::time::Duration;
use std::sync::Arc;

impl Membership {
    /// A member joins. Its answer may have to wait for others.
    pub(in crate::group) fn join(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: JoinGroupRequest,
        size_max: usize,
    ) {
        let member = Arc::clone(&request.member);
        if !self.accepts(&member, size_max) {
            return self.turn_away(cx, to, &member);
        }
        let joined = if self.state == GroupState::Dead {
            Err(ErrorCode::CoordinatorNotAvailable)
        } else if !self.supports_protocols(&request) {
            Err(ErrorCode::InconsistentGroupProtocol)
        } else if member.is_empty() {
            self.join_new(cx, to, request);
            Ok(())
        } else {
            self.join_known(cx, to, request)
        };
        if let Err(error) = joined {
            refuse(cx, to, member, error);
        }
    }

    /// Whether there is room. Members that have not joined again may have to make it.
    fn accepts(&self, member: &Arc<str>, size_max: usize) -> bool {
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                let waits = self.members.get(member).is_some_and(|m| m.joining.is_some());
                waits || self.members.values().filter(|m| m.joining.is_some()).count() < size_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.members.contains_key(member) || self.members.len() < size_max
            }
        }
    }

    /// There is no room: who was a member, or was given its id, is not waited for any more. Kafka waits for
    /// the rebalance timeout where all others have joined already.
    fn turn_away(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, member: &Arc<str>) {
        self.pending.remove(member);
        self.remove(cx, member);
        refuse(cx, to, "".into(), ErrorCode::GroupMaxSizeReached);
        self.try_complete_join(cx);
    }

    /// Whether all members can go on with one of the protocols.
    fn supports_protocols(&self, request: &JoinGroupRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let by_all = |name: &str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|(name, _)| by_all(name))
    }

    fn join_new(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, request: JoinGroupRequest) {
        let prefix = request.instance.as_ref().unwrap_or(&request.client_id);
        let id = member_id(prefix, cx.random);
        if let Some(old) = request.instance.as_ref().and_then(|name| self.instances.get(name)) {
            let old = Arc::clone(old);
            self.join_returning(cx, to, &old, id, &request);
        } else if request.instance.is_none() && request.requires_known_member {
            let session = u64::try_from(request.session_timeout_ms).unwrap_or(0);
            let until = cx.step.now + Duration::from_millis(session);
            self.pending.insert(Arc::clone(&id), until);
            cx.timers.insert(until, &self.group, Due::Pending(Arc::clone(&id)));
            refuse(cx, to, id, ErrorCode::MemberIdRequired);
        } else {
            self.add(cx, to, id, request);
        }
    }

    fn join_known(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        let id = Arc::clone(&request.member);
        if request.instance.is_none() && self.pending.contains_key(&id) {
            self.add(cx, to, id, request);
            return Ok(());
        }
        self.check_member(&id, request.instance.as_ref())?;
        let unchanged = self.members.get(&id).is_some_and(|m| m.protocols == request.protocols);
        let is_leader = self.leader.as_ref() == Some(&id);
        match self.state {
            GroupState::PreparingRebalance => self.rejoin(cx, to, &id, &request),
            // it has not seen the answer to its first attempt
            GroupState::CompletingRebalance if unchanged => self.tell_again(cx, to, &id),
            // a leader that joins again wants another assignment
            GroupState::Stable if unchanged && !is_leader => self.tell_again(cx, to, &id),
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.rejoin(cx, to, &id, &request);
            }
            GroupState::Empty | GroupState::Dead => return Err(ErrorCode::UnknownMemberId),
        }
        Ok(())
    }

    /// Adds a member and makes the group rebalance.
    fn add(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, id: Arc<str>, request: JoinGroupRequest) {
        if self.state == GroupState::PreparingRebalance && self.generation == 0 {
            self.newcomer = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(&request.protocol_type));
        }
        self.pending.remove(&id);
        if let Some(instance) = &request.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(&id));
        }
        self.leader.get_or_insert_with(|| Arc::clone(&id));
        let mut member = Member::new(Arc::clone(&id), request);
        member.joining = Some(to);
        member.expect(cx, &self.group, NEW_MEMBER_TIMEOUT);
        self.members.insert(id, member);
        self.rebalance(cx);
    }

    /// A member joins again, and with that the group rebalances.
    pub(super) fn rejoin(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        id: &Arc<str>,
        request: &JoinGroupRequest,
    ) {
        if let Some(member) = self.members.get_mut(id) {
            member.update(request);
            member.wait_join(cx, to);
        }
        self.rebalance(cx);
    }

    /// What this generation is, to a member of it.
    fn tell_again(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, id: &Arc<str>) {
        let answer = self.joined(id);
        cx.step.reply(to, Response::JoinGroup(Box::new(answer)));
        self.touch(cx, id);
    }

    /// The answer to a member of the current generation.
    pub(super) fn joined(&self, id: &Arc<str>) -> JoinGroupResponse {
        let leads = self.leader.as_ref() == Some(id);
        JoinGroupResponse {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            member: Arc::clone(id),
            members: if leads { self.for_leader() } else { Vec::new() },
        }
    }

    pub(super) fn for_leader(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_ref();
        let member = |member: &Member| JoinedMember {
            member: Arc::clone(&member.id),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.values().map(member).collect()
    }
}

fn refuse(cx: &mut Cx<'_, '_>, to: ReplyTo, member: Arc<str>, error: ErrorCode) {
    cx.step.reply(to, Response::JoinGroup(Box::new(join_error(member, error))));
}

/// `<prefix>-<random UUID>`, as Kafka makes them.
fn member_id(prefix: &str, random: &mut SplitMix64) -> Arc<str> {
    let bits = u128::from(random.next()) << 64 | u128::from(random.next());
    // version 4, variant 1 (RFC 9562)
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let part = |shift: u32, digits: u32| bits >> shift & ((1 << (4 * digits)) - 1);
    let (a, b, c, d) = (part(96, 8), part(80, 4), part(64, 4), part(48, 4));
    format!("{prefix}-{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", part(0, 12)).into()
}
