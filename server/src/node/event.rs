//! What can happen to a node.

use crate::net::LinkId;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use stormglass_broker_core::ids::{ConnectionId, CorrelationId, DiskOpId, NodeId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::DiskResult;
use stormglass_broker_core::{BrokerGauges, ReplicaState};
use tokio::sync::oneshot;

/// Where a node's events come from.
pub(crate) type Inbox = Receiver<Event>;
/// Where they are sent.
pub(crate) type Outbox = Sender<Event>;

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `None`: there is no answer, but the client's turn is over.
    pub(crate) response: Option<Response>,
    /// Quotas: nothing is read from the client for so long, ms.
    pub(crate) throttle_ms: u32,
    /// The connection ends here.
    pub(crate) closes: bool,
}

/// An event.
#[derive(Debug)]
pub(crate) enum Event {
    /// A client asks, or a node of another process.
    Request {
        conn: ConnectionId,
        correlation: CorrelationId,
        request: Box<Request>,
        reply: oneshot::Sender<Answer>,
    },
    /// A node of this process asks.
    PeerRequest { conn: ConnectionId, correlation: CorrelationId, request: Box<Request> },
    /// A node answers.
    PeerResponse { from: NodeId, correlation: CorrelationId, response: Box<Response> },
    /// A connection to a node of another process ended, and what it was asked gets no answer.
    LinkDown(LinkId),
    /// A connection's client has said what it is.
    Client { conn: ConnectionId, client_id: Arc<str> },
    /// A connection ended.
    Closed(ConnectionId),
    /// A disk operation ended.
    Disk(DiskOpId, DiskResult),
    /// Somebody wants to know how things are.
    Scrape(oneshot::Sender<Snapshot>),
    /// The node shall stop in order.
    Shutdown,
}

/// How things are with a node.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) gauges: BrokerGauges,
    pub(crate) offline_partitions: u32,
    pub(crate) active_controller: Option<NodeId>,
    pub(crate) replicas: Vec<ReplicaState>,
}
