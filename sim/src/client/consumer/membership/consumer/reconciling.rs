//! Reconciliation: a member gives up what it shall not have any more, and takes what is new (Java's
//! `ConsumerMembershipManager`).

use super::Stage;
use crate::client::consumer::machine::Consumer;
use crate::client::consumer::partition::Phase;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use stormglass_broker_core::error::ErrorCode;

impl Consumer {
    /// A commit came back with an error that is about the member. What a new epoch helps against is
    /// tried again; otherwise a heartbeat will hear of it, and nobody waits for positions.
    pub(in crate::client::consumer::membership) fn commit_of_member_refused(
        &mut self,
        error: ErrorCode,
        now_ns: u64,
    ) {
        let backoff_ns = self.config.connection.retry_backoff_ns;
        let Some(member) = self.consumer_member() else { return };
        if let Stage::Reconciling { until_ns, retry_ns } = &mut member.stage {
            match error {
                ErrorCode::StaleMemberEpoch => *retry_ns = now_ns + backoff_ns,
                _ => *until_ns = 0,
            }
        }
    }

    /// Begins to reconcile what the member has with what it shall have. What it has to give up is
    /// read no further.
    pub(super) fn reconcile_if_told(&mut self, now_ns: u64) {
        let owned = self.owned_partitions();
        let Some(member) = self.consumer_member() else { return };
        match member.stage {
            Stage::Stable if member.target != owned => {
                let until_ns = now_ns + member.rebalance_timeout_ns();
                member.stage = Stage::Reconciling { until_ns, retry_ns: 0 };
            }
            Stage::Reconciling { .. } => {}
            Stage::Joining | Stage::Stable | Stage::Acknowledging | Stage::Left => return,
        }
        let target = member.target.clone();
        for at in 0..self.partitions.len() {
            let stays = self.tp(at).is_some_and(|tp| target.contains(&tp));
            let is_read = !matches!(self.partitions[at].phase, Phase::Unassigned | Phase::Revoking);
            if is_read && !stays {
                self.drop_buffered(at);
                self.set_phase(at, Phase::Revoking);
                self.touch(at, now_ns);
            }
        }
    }

    /// Goes on with it. When to come back, ns.
    pub(super) fn reconcile(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(member) = self.consumer_member() else { return NEVER };
        let Stage::Reconciling { until_ns, retry_ns } = member.stage else { return NEVER };
        let mut revoking = self.partitions.iter().filter(|p| p.phase == Phase::Revoking);
        let waits = self.commit_in_flight || revoking.any(|state| state.uncommitted);
        if waits && cx.now_ns < until_ns {
            if self.commit_in_flight {
                return until_ns;
            }
            if retry_ns > cx.now_ns {
                return retry_ns.min(until_ns);
            }
            return match self.coordinator_ready(cx) {
                Ok(node) => {
                    self.send_commit(node, cx);
                    let retry_ns = cx.now_ns + self.config.connection.retry_backoff_ns;
                    if let Some(member) = self.consumer_member() {
                        member.stage = Stage::Reconciling { until_ns, retry_ns };
                    }
                    until_ns
                }
                Err(retry_ns) => retry_ns.min(until_ns),
            };
        }
        self.take_and_give_up(cx);
        NEVER
    }

    /// Everything that had to be done before is done: partitions change hands.
    fn take_and_give_up(&mut self, cx: &mut ClientCx<'_>) {
        let Some(member) = self.consumer_member() else { return };
        member.stage = Stage::Acknowledging;
        let (identity, target) = (member.identity(), member.target.clone());
        let mut unread = std::mem::take(&mut member.unread);
        unread.retain(|tp| !target.contains(tp));
        let mut released = unread;
        let known: Vec<_> = (0..self.partitions.len()).filter_map(|at| self.tp(at)).collect();
        if let Some(member) = self.consumer_member() {
            member.unread = target.iter().filter(|tp| !known.contains(tp)).copied().collect();
        }
        for at in 0..self.partitions.len() {
            let Some(tp) = self.tp(at) else { continue };
            if self.partitions[at].phase == Phase::Revoking {
                self.recommit_lost(at);
                self.unassign(at, cx.now_ns);
                released.push(tp);
            }
            if self.partitions[at].phase == Phase::Unassigned && target.contains(&tp) {
                self.assign(at, cx.now_ns);
            }
        }
        cx.effects.outcomes.push(Outcome::Released { member: identity, partitions: released });
    }
}
