//! From one generation to the next: waiting for members, choosing protocol and leader.

use super::{Cx, Joining, Membership, Store, Then};
use crate::error::ErrorCode;
use crate::group::timers::Due;
use crate::protocol::GroupState;
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::sync::Arc;

impl Membership {
    /// Something changed that calls for another generation.
    pub(super) fn rebalance(&mut self, cx: &mut Cx<'_, '_>) {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare(cx);
            }
            GroupState::PreparingRebalance => self.try_complete_join(cx),
            GroupState::Dead => {}
        }
    }

    /// Members that go may complete a rebalance or call for one; an empty group has none.
    pub(super) fn rebalance_without(&mut self, cx: &mut Cx<'_, '_>) {
        if self.state != GroupState::Empty {
            self.rebalance(cx);
        }
    }

    pub(super) fn prepare(&mut self, cx: &mut Cx<'_, '_>) {
        if self.state == GroupState::CompletingRebalance {
            self.fail_syncs(cx, ErrorCode::RebalanceInProgress);
        }
        self.sync_until = None;
        self.unsynced.clear();
        let timeout = self.rebalance_timeout();
        let initial = self.state == GroupState::Empty;
        self.enter(cx, GroupState::PreparingRebalance);
        if initial {
            self.newcomer = false;
            self.put_off(cx, timeout);
        } else {
            self.wait_for_joins(cx, cx.step.now + timeout, None);
            self.try_complete_join(cx);
        }
    }

    /// The first rebalance waits a little for members that start at the same time.
    fn put_off(&mut self, cx: &mut Cx<'_, '_>, rest: Duration) {
        let delay = cx.initial_delay.min(rest);
        if delay == Duration::ZERO {
            return self.complete_join(cx);
        }
        self.wait_for_joins(cx, cx.step.now + delay, Some(rest - delay));
    }

    fn wait_for_joins(&mut self, cx: &mut Cx<'_, '_>, until: Instant, initial: Option<Duration>) {
        self.joining = Some(Joining { until, initial });
        cx.timers.insert(until, &self.group, Due::Join);
    }

    /// Completes the join when nobody is missing.
    pub(super) fn try_complete_join(&mut self, cx: &mut Cx<'_, '_>) {
        let waits = self.joining.is_some_and(|joining| joining.initial.is_none());
        let all_here = self.members.values().all(|member| member.joining.is_some());
        if waits && all_here && self.pending.is_empty() {
            self.complete_join(cx);
        }
    }

    /// The time for joining is over.
    pub(super) fn joining_over(&mut self, cx: &mut Cx<'_, '_>) {
        let rest = self.joining.and_then(|joining| joining.initial);
        match rest {
            Some(rest) if self.newcomer && rest > Duration::ZERO => {
                self.newcomer = false;
                self.put_off(cx, rest);
            }
            _ => self.complete_join(cx),
        }
    }

    fn complete_join(&mut self, cx: &mut Cx<'_, '_>) {
        // static members keep their place until their session ends (KIP-345)
        let missing = self.members.values().filter(|m| m.joining.is_none() && m.instance.is_none());
        let missing: Vec<_> = missing.map(|member| Arc::clone(&member.id)).collect();
        for id in missing {
            self.remove(cx, &id);
        }
        if !self.members.is_empty() && !self.elect_leader() {
            let until = cx.step.now + self.rebalance_timeout();
            return self.wait_for_joins(cx, until, None);
        }
        self.joining = None;
        self.generation += 1;
        if self.members.is_empty() {
            self.protocol = None;
            self.enter(cx, GroupState::Empty);
            cx.stores.push(Store { value: self.value(None), then: Then::Nothing });
            return;
        }
        self.protocol = self.best_protocol();
        self.enter(cx, GroupState::CompletingRebalance);
        self.begin_sync(cx);
    }

    /// Tells members what the generation is, and waits for them to ask for their assignment. With it all sessions begin
    /// anew, those of static members that have not joined among them (`completeClassicGroupJoin`).
    fn begin_sync(&mut self, cx: &mut Cx<'_, '_>) {
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in &ids {
            let answer = self.joined(id);
            if let Some(member) = self.members.get_mut(id) {
                member.answer_join(cx, answer);
                member.is_new = false;
                let session = member.session;
                member.expect(cx, &self.group, session);
            }
        }
        self.unsynced = ids.into_iter().collect();
        let until = cx.step.now + self.rebalance_timeout();
        self.sync_until = Some(until);
        cx.timers.insert(until, &self.group, Due::Sync);
    }

    /// Whether somebody who has joined leads, if need be from now on.
    fn elect_leader(&mut self) -> bool {
        let here = |id: &Arc<str>| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_ref().is_some_and(here) {
            return true;
        }
        let next = self.members.values().find(|member| member.joining.is_some());
        let Some(next) = next.map(|member| Arc::clone(&member.id)) else { return false };
        self.leader = Some(next);
        true
    }

    /// Each member votes for the protocol that it prefers among those that all support. Equal votes
    /// are decided by the leader's order.
    pub(super) fn best_protocol(&self) -> Option<Arc<str>> {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id))?;
        let by_all = |name: &Arc<str>| self.members.values().all(|m| m.supports(name));
        let candidates: Vec<_> =
            leader.protocols.iter().map(|(name, _)| name).filter(|name| by_all(name)).collect();
        let mut best = None;
        let mut votes_max = 0;
        for candidate in &candidates {
            let votes = self.members.values().filter(|member| {
                let own = member.protocols.iter().map(|(name, _)| name);
                own.into_iter().find(|name| candidates.contains(name)) == Some(candidate)
            });
            let votes = votes.count();
            if votes > votes_max {
                (best, votes_max) = (Some(Arc::clone(candidate)), votes);
            }
        }
        best
    }

    /// The longest that any member may take.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance).max().unwrap_or(Duration::ZERO)
    }

    /// Members that wait for an assignment must join again.
    pub(super) fn fail_syncs(&mut self, cx: &mut Cx<'_, '_>, error: ErrorCode) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if member.syncing.is_some() {
                member.answer_sync_error(cx, error);
                let session = member.session;
                member.expect(cx, &self.group, session);
            }
        }
    }
}
