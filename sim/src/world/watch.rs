//! Shows the checkers what nodes are asked, and what they say.

use super::World;
use crate::checkers::Speaker;
use stormglass_broker_core::protocol::Request;
use stormglass_broker_core::seam::{DiskImage, Effects, FileName, Input, TraceEvent};

/// Whether a node is worth a look after this event.
pub(super) fn is_turn(event: &TraceEvent) -> bool {
    matches!(
        event,
        TraceEvent::BecameLeader { .. }
            | TraceEvent::BecameFollower { .. }
            | TraceEvent::Truncated { .. }
            | TraceEvent::IsrProposed { .. }
            | TraceEvent::IsrCommitted { .. }
            | TraceEvent::LogStart { .. }
            | TraceEvent::LocalLogStart { .. }
            | TraceEvent::Recovered { .. }
    )
}

impl World {
    /// Time since the run began, ns; 0 before.
    fn run_ns(&self) -> u64 {
        self.now.saturating_sub(self.origin_ns)
    }

    /// A node is about to take an input.
    pub(super) fn watch_input(&mut self, node: u16, input: &Input) {
        let now_ns = self.run_ns();
        let Self { nodes, checkers, origin_ns, .. } = self;
        let at = &nodes[node as usize];
        let Some(broker) = &at.broker else { return };
        let of = (at.id.0, broker);
        match input {
            Input::Request { conn, correlation, request } => {
                if let Request::WriteTxnMarkers(asked) = request
                    && let Some(accepted) = at.accepted.get(*conn)
                {
                    let sent_ns = accepted.marks.sent.saturating_sub(*origin_ns);
                    checkers.takes_markers(broker, sent_ns, asked);
                }
                checkers.asked(now_ns, of, (conn.0, correlation.0), request);
            }
            Input::Response { from, correlation, result } => {
                checkers.hears(now_ns, of, (*from, correlation.0), result);
            }
            Input::Disk { .. } => checkers.reads(now_ns, at.id.0),
            Input::Timer(key) => checkers.rings(now_ns, of, *key),
            Input::Client { .. } | Input::Spent { .. } | Input::ConnectionClosed(_) => {
                checkers.hears_of_client(now_ns, of, input);
            }
            _ => {}
        }
    }

    /// A node has taken an input: what it says is what comes after the first `said` replies and
    /// requests.
    pub(super) fn watch_output(&mut self, node: u16, effects: &Effects, said: (usize, usize)) {
        let at = &self.nodes[node as usize];
        if let Some(broker) = &at.broker {
            self.checkers.stepped(at.id.0, broker);
        }
        let is_silent = effects.replies.len() == said.0 && effects.sends.len() == said.1;
        if is_silent && !self.checkers.has_heard() {
            return;
        }
        let now_ns = self.run_ns();
        let Self { nodes, checkers, now, .. } = self;
        let at = &mut nodes[node as usize];
        if effects.sends.len() > said.1 {
            at.disk.catch_up(*now);
        }
        let Some(broker) = &at.broker else { return };
        let by = Speaker { node: at.id.0, broker, disk: &at.disk, disk_now_ns: *now };
        checkers.said(now_ns, by, &effects.replies[said.0..], &effects.sends[said.1..]);
    }

    /// A process has started.
    pub(super) fn watch_start(&mut self, node: u16) {
        if !self.watches {
            return;
        }
        let now_ns = self.run_ns();
        let Self { nodes, checkers, now, .. } = self;
        let at = &nodes[node as usize];
        let Some(broker) = &at.broker else { return };
        let by = Speaker { node: at.id.0, broker, disk: &at.disk, disk_now_ns: *now };
        let file = at.disk.file(&FileName::QuorumState);
        checkers.started(now_ns, by, file.as_deref());
    }
}
