//! The group's coordinator and automatic commits.
//!
//! Every `auto.commit.interval.ms` what `poll()` has returned is committed, without waiting for
//! the answer. Java commits only what an earlier `poll()` returned; the difference is one poll.

use super::machine::{Call, Consumer, Coordinator};
use super::membership::COORDINATOR_IDS;
use super::partition::Phase;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, Offset};
use stormglass_broker_core::protocol::{
    CommittedOffset, CoordinatorKind, FindCoordinatorRequest, FindCoordinatorResponse,
    OffsetCommitRequest, OffsetCommitResponse, Request,
};

impl Consumer {
    /// The coordinator, connected; otherwise works towards it and says when to come back, ns.
    #[cold]
    pub(crate) fn coordinator_ready(&mut self, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        match self.coordinator {
            Coordinator::Known(node) => match self.network.coordinator_ready(node, cx) {
                Some(ready) => {
                    self.coordinator_failures = 0;
                    ready
                }
                // found again where the connection to it has just failed
                None => Err(self.lose_coordinator(cx.now_ns)),
            },
            Coordinator::Asked => Err(NEVER),
            Coordinator::Unknown { retry_ns } if retry_ns > cx.now_ns => Err(retry_ns),
            Coordinator::Unknown { .. } => {
                let node = self.network.any_ready(cx)?;
                let keys = vec![self.config.group.clone()];
                let request = Request::FindCoordinator(FindCoordinatorRequest {
                    kind: CoordinatorKind::Group,
                    keys,
                });
                let call = Some(Call::FindCoordinator);
                self.network.connections.send(node, request, call, cx);
                self.coordinator = Coordinator::Asked;
                Err(NEVER)
            }
        }
    }

    /// Takes the coordinator's name.
    pub(crate) fn coordinator_found(&mut self, answer: &FindCoordinatorResponse, now_ns: u64) {
        let found = answer.coordinators.first().filter(|found| found.error.is_ok());
        match found.and_then(|found| found.node) {
            Some(node) => {
                // Java's members talk to it on a connection of its own
                let id = self.membership.as_ref().map_or(node.0, |_| COORDINATOR_IDS - node.0);
                self.coordinator = Coordinator::Known(NodeId(id));
            }
            None => {
                self.lose_coordinator(now_ns);
            }
        }
    }

    /// The coordinator must be asked for again, after a back-off; from when on, ns. As in Java that grows until there
    /// is a way to the one that was found.
    pub(crate) fn lose_coordinator(&mut self, now_ns: u64) -> u64 {
        let backoff = self.config.connection.retry_backoff();
        let wait_ns = backoff.after(self.coordinator_failures, &mut self.network.draws);
        self.coordinator_failures = self.coordinator_failures.saturating_add(1);
        let retry_ns = now_ns + wait_ns;
        self.coordinator = Coordinator::Unknown { retry_ns };
        retry_ns
    }

    /// Commits when the interval is over. When to come back, ns.
    pub(crate) fn commit_if_due(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(interval_ns) = self.config.commit_interval_ns else { return NEVER };
        if cx.now_ns < self.commit_ns || self.commit_in_flight {
            return if self.commit_in_flight { NEVER } else { self.commit_ns };
        }
        self.commit_now(interval_ns, cx)
    }

    #[cold]
    fn commit_now(&mut self, interval_ns: u64, cx: &mut ClientCx<'_>) -> u64 {
        let may_commit = self.membership.as_ref().is_none_or(|member| member.is_member());
        if self.uncommitted.is_empty() || !may_commit {
            self.commit_ns = cx.now_ns + interval_ns;
            return self.commit_ns;
        }
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        self.commit_ns = cx.now_ns + interval_ns;
        self.send_commit(node, cx);
        NEVER
    }

    /// Sends a commit of everything consumed and not committed.
    pub(super) fn send_commit(&mut self, node: NodeId, cx: &mut ClientCx<'_>) {
        let (mut offsets, mut asked) = (Vec::new(), Vec::new());
        for at in std::mem::take(&mut self.uncommitted) {
            let Some(tp) = self.tp(at as usize) else { continue };
            let state = &mut self.partitions[at as usize];
            state.uncommitted = false;
            let (offset, leader_epoch) = (state.consumed, state.consumed_epoch);
            offsets.push(CommittedOffset { tp, offset, leader_epoch, metadata: None });
            asked.push((at, state.consumed));
            cx.effects.outcomes.push(Outcome::CommitSent { tp, offset });
        }
        let group = self.config.group.clone();
        let mut request = OffsetCommitRequest::without_member(group, offsets);
        if let Some(membership) = &self.membership {
            membership.sign(&mut request);
        }
        let request = Request::OffsetCommit(Box::new(request));
        self.network.connections.send(node, request, Some(Call::Commit(asked)), cx);
        self.commit_in_flight = true;
    }

    /// Takes the outcome of a commit.
    #[cold]
    pub(crate) fn commit_answered(
        &mut self,
        asked: &[(u32, Offset)],
        answer: &OffsetCommitResponse,
        cx: &mut ClientCx<'_>,
    ) {
        self.commit_in_flight = false;
        let mut moved = false;
        for ((at, offset), (tp, error)) in asked.iter().zip(&answer.partitions) {
            if error.is_ok() {
                cx.effects.outcomes.push(Outcome::Committed { tp: *tp, offset: *offset });
                continue;
            }
            self.recommit(*at);
            moved |=
                matches!(error, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable);
        }
        if moved {
            self.lose_coordinator(cx.now_ns);
        }
        self.commit_refused(answer, cx);
        if !self.uncommitted.is_empty() && answer.partitions.iter().any(|(_, e)| !e.is_ok()) {
            // sooner than the next interval, as Java retries a failed automatic commit
            let retry_ns = cx.now_ns + self.config.connection.retry_backoff_ns;
            self.commit_ns = self.commit_ns.min(retry_ns);
        }
    }

    /// A commit's connection was lost.
    #[cold]
    pub(crate) fn commit_lost(&mut self, asked: &[(u32, Offset)]) {
        self.commit_in_flight = false;
        for (at, _) in asked {
            self.recommit(*at);
        }
    }

    /// A member that is none any more hears of it.
    fn commit_refused(&mut self, answer: &OffsetCommitResponse, cx: &mut ClientCx<'_>) {
        if self.membership.is_none() {
            return;
        }
        let membership_errors = [
            ErrorCode::UnknownMemberId,
            ErrorCode::IllegalGeneration,
            ErrorCode::FencedInstanceId,
            ErrorCode::RebalanceInProgress,
            ErrorCode::StaleMemberEpoch,
        ];
        let mut errors = answer.partitions.iter().map(|(_, error)| *error);
        if let Some(error) = errors.find(|error| membership_errors.contains(error)) {
            self.group_refused(error, cx);
        }
    }

    fn recommit(&mut self, at: u32) {
        if self.partitions[at as usize].phase == Phase::Unassigned {
            return;
        }
        let state = &mut self.partitions[at as usize];
        if !state.uncommitted {
            state.uncommitted = true;
            self.uncommitted.push(at);
        }
    }
}
