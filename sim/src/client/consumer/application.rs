//! A consumer that an application under test calls: it hands over records when it is polled, and
//! commits and seeks when it is told to.
//!
//! Fetching, positions and membership are those of the load's consumers. Left out: an application that
//! does not poll for `max.poll.interval.ms` keeps its place in its group.

use super::machine::{Call, Consumer};
use super::partition::Phase;
use crate::client::asks::{Answer, Ask, GroupMember, Refusal};
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::collections::VecDeque;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_EPOCH, Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    CommittedOffset, OffsetCommitRequest, OffsetCommitResponse, Request,
};

/// What the application has asked for.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Records at most.
    poll: Option<(u64, u32)>,
    commits: VecDeque<(u64, Vec<CommittedOffset>)>,
    is_asked: bool,
    retry_ns: u64,
}

fn answer(id: u64, answer: Answer, cx: &mut ClientCx<'_>) {
    cx.effects.outcomes.push(Outcome::Answered { id, answer });
}

impl Consumer {
    /// A call of the application.
    #[cold]
    pub(super) fn asked(&mut self, id: u64, ask: &Ask, cx: &mut ClientCx<'_>) {
        let Some(desk) = &mut self.desk else { return };
        match ask {
            Ask::Poll { records_max } => desk.poll = Some((id, (*records_max).max(1))),
            Ask::CancelPoll => {
                desk.poll = None;
                answer(id, Answer::Done, cx);
            }
            Ask::Commit { offsets } => desk.commits.push_back((id, offsets.clone())),
            Ask::Seek { tp, offset, only_back } => self.sought(id, *tp, (*offset, *only_back), cx),
            _ => {
                let refusal = Refusal::Misused("not a call of a consumer");
                answer(id, Answer::Refused(refusal), cx);
            }
        }
    }

    fn sought(
        &mut self,
        id: u64,
        tp: TopicPartition,
        (offset, only_back): (Offset, bool),
        cx: &mut ClientCx<'_>,
    ) {
        let at = self.by_tp.get(tp).filter(|at| self.partitions[*at].phase != Phase::Unassigned);
        let Some(at) = at else {
            let refusal = Refusal::Misused("the partition is not assigned");
            return answer(id, Answer::Refused(refusal), cx);
        };
        if !only_back || self.partitions[at].consumed > offset {
            self.drop_buffered(at);
            self.partitions[at].seek(offset, NO_EPOCH);
            self.set_phase(at, Phase::Fetch);
            self.touch(at, cx.now_ns);
        }
        answer(id, Answer::Done, cx);
    }

    /// Hands over what there is, if the application waits for it.
    #[cold]
    pub(super) fn poll_for_application(&mut self, cx: &mut ClientCx<'_>) {
        let Some((id, records_max)) = self.desk.as_ref().and_then(|desk| desk.poll) else { return };
        let mut records = 0;
        while !self.paused && records < records_max && !self.chunks.is_empty() {
            records += self.hand_over(records_max - records, cx);
        }
        if records > 0 {
            if let Some(desk) = &mut self.desk {
                desk.poll = None;
            }
            answer(id, Answer::Polled(self.group_member()), cx);
        }
    }

    /// Who commits what was just polled.
    fn group_member(&self) -> GroupMember {
        let OffsetCommitRequest { group, generation, member, instance, .. } =
            self.signed(Vec::new());
        GroupMember { group, generation, member, instance }
    }

    fn signed(&self, offsets: Vec<CommittedOffset>) -> OffsetCommitRequest {
        let group = Arc::clone(&self.config.group);
        let mut request = OffsetCommitRequest::without_member(group, offsets);
        if let Some(membership) = &self.membership {
            membership.sign(&mut request);
        }
        request
    }

    /// Commits what the application has asked for. When to come back, ns.
    pub(super) fn commit_as_asked(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(desk) = &self.desk else { return NEVER };
        if desk.commits.is_empty() || desk.is_asked {
            return NEVER;
        }
        if desk.retry_ns > cx.now_ns {
            return desk.retry_ns;
        }
        let node = match self.coordinator_ready(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let Some(desk) = &mut self.desk else { return NEVER };
        desk.is_asked = true;
        let offsets = desk.commits.front().map(|(_, offsets)| offsets.clone()).unwrap_or_default();
        let request = Request::OffsetCommit(Box::new(self.signed(offsets)));
        self.network.connections.send(node, request, Some(Call::CommitAsked), cx);
        NEVER
    }

    /// Takes the outcome of such a commit; `None`: there was no answer.
    pub(super) fn asked_commit_answered(
        &mut self,
        committed: Option<&OffsetCommitResponse>,
        cx: &mut ClientCx<'_>,
    ) {
        let backoff_ns = self.config.connection.retry_backoff_ns;
        let Some(desk) = &mut self.desk else { return };
        desk.is_asked = false;
        desk.retry_ns = cx.now_ns + backoff_ns;
        let Some(committed) = committed else { return };
        let mut errors = committed.partitions.iter().map(|(_, error)| *error);
        let error = errors.find(|error| !error.is_ok()).unwrap_or(ErrorCode::None);
        if matches!(error, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) {
            self.lose_coordinator(cx.now_ns);
            return;
        }
        if !error.is_ok() && error.is_retriable() && error != ErrorCode::RebalanceInProgress {
            return;
        }
        desk.retry_ns = 0;
        if let Some((id, _)) = desk.commits.pop_front() {
            let ended = match error {
                ErrorCode::None => Answer::Done,
                error => Answer::Refused(Refusal::CommitFailed(error)),
            };
            answer(id, ended, cx);
        }
    }
}
