//! Requests between nodes, a node's requests to itself included. Each pair of nodes of one process
//! has one connection per channel, named by a [`ConnectionId`] that no client gets; nodes of other
//! processes are behind [`Links`].

use super::event::{Event, Outbox};
use crate::net::{LinkId, Links};
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
    links: Option<Links>,
    open: BTreeMap<CorrelationId, Asked>,
}

/// A request without an answer yet.
#[derive(Debug, Clone, Copy)]
struct Asked {
    to: NodeId,
    channel: Channel,
    /// `None` within this process.
    link: Option<LinkId>,
}

impl Peers {
    /// Nodes of this process, and the ways to others if there are any.
    pub(super) fn new(
        node: NodeId,
        outboxes: BTreeMap<NodeId, Outbox>,
        links: Option<Links>,
    ) -> Self {
        Self { node, outboxes, links, open: BTreeMap::new() }
    }

    /// Sends a request; false when nobody is there.
    pub(super) fn ask(&mut self, asked: PeerRequest) -> bool {
        let PeerRequest { to, channel, correlation, request, .. } = asked;
        let link = if let Some(outbox) = self.outboxes.get(&to) {
            let conn = connection(self.node, channel);
            let event = Event::PeerRequest { conn, correlation, request: Box::new(request) };
            if outbox.send(event).is_err() {
                return false;
            }
            None
        } else {
            let links = self.links.as_mut();
            let link = links.and_then(|links| links.ask(to, channel, correlation, request));
            if link.is_none() {
                return false;
            }
            link
        };
        self.open.insert(correlation, Asked { to, channel, link });
        true
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
        let Asked { to, channel, link } = self.open.remove(&correlation)?;
        if link.is_some() {
            if let Some(links) = &mut self.links {
                links.close(to, channel);
            }
        } else if let Some(outbox) = self.outboxes.get(&to) {
            let _ = outbox.send(Event::Closed(connection(self.node, channel)));
        }
        Some(to)
    }

    /// A connection ended: who was asked what on it and gives no answer.
    pub(super) fn link_down(&mut self, link: LinkId) -> Vec<(NodeId, CorrelationId)> {
        let lost = self.open.extract_if(.., |_, asked| asked.link == Some(link));
        lost.map(|(correlation, asked)| (asked.to, correlation)).collect()
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
