//! Requests between the nodes of this process, a node's requests to itself included. Each pair of
//! nodes has one connection per channel, named by a [`ConnectionId`] that no client gets.

use super::event::{Event, Outbox};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{ConnectionId, CorrelationId, NodeId};
use stormglass_broker_core::protocol::Response;
use stormglass_broker_core::seam::{Channel, PeerRequest};

/// Marks connections between nodes.
const PEER: u64 = 1 << 63;
const NODE_SHIFT: u32 = 24;

/// Ways to the nodes, and what they have been asked.
#[derive(Debug)]
pub(super) struct Peers {
    node: NodeId,
    outboxes: BTreeMap<NodeId, Outbox>,
    open: FxHashMap<CorrelationId, (NodeId, ConnectionId)>,
}

impl Peers {
    pub(super) fn new(node: NodeId, outboxes: BTreeMap<NodeId, Outbox>) -> Self {
        Self { node, outboxes, open: FxHashMap::default() }
    }

    /// Sends a request; false when nobody is there.
    pub(super) fn ask(&mut self, asked: PeerRequest) -> bool {
        let PeerRequest { to, channel, correlation, request, .. } = asked;
        let conn = connection(self.node, channel);
        let event = Event::PeerRequest { conn, correlation, request: Box::new(request) };
        let sent = self.outboxes.get(&to).is_some_and(|outbox| outbox.send(event).is_ok());
        if sent {
            self.open.insert(correlation, (to, conn));
        }
        sent
    }

    /// Answers a request that came on a connection of [`node_of`].
    pub(super) fn answer(&self, to: NodeId, correlation: CorrelationId, response: Response) {
        let response = Box::new(response);
        let event = Event::PeerResponse { from: self.node, correlation, response };
        if let Some(outbox) = self.outboxes.get(&to) {
            // a node that is gone needs no answer
            let _ = outbox.send(event);
        }
    }

    /// An answer came; false when it is too late.
    pub(super) fn answered(&mut self, correlation: CorrelationId) -> bool {
        self.open.remove(&correlation).is_some()
    }

    /// The time of a request is over: who did not answer, if it was still open. The connection
    /// ends with it.
    pub(super) fn expire(&mut self, correlation: CorrelationId) -> Option<NodeId> {
        let (to, conn) = self.open.remove(&correlation)?;
        if let Some(outbox) = self.outboxes.get(&to) {
            let _ = outbox.send(Event::Closed(conn));
        }
        Some(to)
    }
}

fn connection(from: NodeId, channel: Channel) -> ConnectionId {
    let channel = match channel {
        Channel::Raft => 0,
        Channel::Lifecycle => 1,
        Channel::Controller => 2,
        Channel::Transactions => 3,
        Channel::Fetcher(thread) => 4 + u64::from(thread),
    };
    ConnectionId(PEER | u64::from(from.0.unsigned_abs()) << NODE_SHIFT | channel)
}

/// The node at the other end; `None` for a client's connection.
pub(super) fn node_of(conn: ConnectionId) -> Option<NodeId> {
    if conn.0 & PEER == 0 {
        return None;
    }
    i32::try_from((conn.0 & !PEER) >> NODE_SHIFT).ok().map(NodeId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_tell_whose_they_are() {
        let conn = connection(NodeId(3), Channel::Fetcher(7));
        assert_eq!(node_of(conn), Some(NodeId(3)));
        assert_ne!(conn, connection(NodeId(3), Channel::Raft));
        assert_eq!(node_of(ConnectionId(17)), None);
    }
}
