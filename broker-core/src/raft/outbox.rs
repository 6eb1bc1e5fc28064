//! Nothing leaves a Raft node while a change of its quorum state is not yet durable
//! (RAFT-01, RAFT-03): messages queue here until the file is written.

use super::state::QuorumState;
use crate::ids::{ConnectionId, CorrelationId, DiskOpId, LeaderEpoch, NodeId};
use crate::protocol::{Request, Response};
use crate::seam::{Channel, DiskOpKind, FileName, TraceEvent};
use crate::step::{Owner, ReplyTo, Step};
use crate::time::Duration;
use std::collections::BTreeMap;

/// A message on its way out.
#[derive(Debug)]
pub(super) enum Out {
    /// Answer.
    Reply(ReplyTo, Response),
    /// Request to a peer, and the epoch in which it is asked.
    Send(NodeId, Request, Sent, LeaderEpoch),
    /// Something for the checkers that only holds once it is durable.
    Trace(TraceEvent),
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Pre-vote.
    PreVote,
    /// Vote.
    Vote,
    /// BeginQuorumEpoch.
    Begin,
    /// EndQuorumEpoch.
    End,
    /// Fetch or FetchSnapshot, numbered: only the answer to the latest counts.
    Fetch(u64),
}

/// The gate.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Vec<Out>,
    dirty: bool,
    writing: Option<DiskOpId>,
    timeout: Duration,
    in_flight: BTreeMap<CorrelationId, (Sent, LeaderEpoch)>,
}

impl Outbox {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { queue: Vec::new(), dirty: false, writing: None, timeout, in_flight: BTreeMap::new() }
    }

    /// The quorum state has changed.
    pub(super) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// Whether the quorum state on disk is the one in memory.
    pub(super) fn is_open(&self) -> bool {
        !self.dirty && self.writing.is_none()
    }

    pub(super) fn push(&mut self, out: Out) {
        self.queue.push(out);
    }

    /// Writes the state if it changed; lets everything out if it is durable.
    pub(super) fn poll(&mut self, step: &mut Step<'_>, state: &QuorumState) {
        if self.dirty && self.writing.is_none() {
            self.dirty = false;
            let kind = DiskOpKind::WriteFile { file: FileName::QuorumState, bytes: state.encode() };
            self.writing = Some(step.disk(Owner::Raft, kind));
        }
        if !self.is_open() {
            return;
        }
        for out in self.queue.drain(..) {
            match out {
                Out::Reply(to, response) => step.reply(to, response),
                Out::Trace(event) => step.trace(event),
                Out::Send(to, request, sent, epoch) => {
                    let id = step.send(Owner::Raft, to, Channel::Raft, self.timeout, request);
                    self.in_flight.insert(id, (sent, epoch));
                }
            }
        }
    }

    /// A write is done; whether it was the quorum state's.
    pub(super) fn on_done(&mut self, id: DiskOpId) -> bool {
        let ours = self.writing == Some(id);
        if ours {
            self.writing = None;
        }
        ours
    }

    /// What a response answers, and in which epoch it was asked.
    pub(super) fn answered(&mut self, id: CorrelationId) -> Option<(Sent, LeaderEpoch)> {
        self.in_flight.remove(&id)
    }

    /// Answers to a connection that is gone are dropped.
    pub(super) fn drop_connection(&mut self, conn: ConnectionId) {
        self.queue.retain(|out| !matches!(out, Out::Reply(to, _) if to.conn == conn));
    }
}
