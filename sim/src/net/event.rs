//! What the network asks the event loop for, and what it tells its caller.

use super::conn::{ConnId, Side};
use super::host::HostId;

/// An event of the network. The caller keeps it until its time and gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetEvent {
    pub(super) conn: ConnId,
    /// Which schedule of a direction this belongs to; an old one is ignored.
    pub(super) epoch: u32,
    pub(super) kind: Kind,
}

const _: () = assert!(size_of::<NetEvent>() <= 16, "a network event stays small");

/// What an event is about. `Side` is the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first message of a direction arrives at the receiving NIC.
    Arrive(Side),
    /// It has passed the receiving NIC.
    Received(Side),
    /// A stalled direction retransmits.
    Resume(Side),
    /// A stalled direction is given up.
    GiveUp(Side),
    /// A reset reaches the side that sent to a socket that is no more.
    Reset(Side),
    /// A connection request reaches the server's host.
    Syn,
    /// A connection request was not answered in time.
    SynTimeout,
    /// The answer reaches the client.
    Established,
    /// A refusal reaches the client.
    Refused,
}

impl NetEvent {
    /// The event as words for the audit's hash.
    #[must_use]
    pub fn words(&self) -> [u64; 2] {
        let (kind, side) = match self.kind {
            Kind::Arrive(side) => (0, Some(side)),
            Kind::Received(side) => (1, Some(side)),
            Kind::Resume(side) => (2, Some(side)),
            Kind::GiveUp(side) => (3, Some(side)),
            Kind::Reset(side) => (4, Some(side)),
            Kind::Syn => (5, None),
            Kind::SynTimeout => (6, None),
            Kind::Established => (7, None),
            Kind::Refused => (8, None),
        };
        let side = side.map_or(2, |side| side.index() as u64);
        [self.conn.as_u64(), u64::from(self.epoch) << 8 | kind << 2 | side]
    }
}

/// Where the network puts its events.
pub trait Schedule {
    /// Gives `event` back to [`Network::on_event`](super::Network::on_event) at `at_ns`.
    fn at(&mut self, at_ns: u64, event: NetEvent);
}

/// What happened on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetOut {
    /// The client may send.
    Connected {
        /// Connection.
        conn: ConnId,
    },
    /// The server may send.
    Accepted {
        /// Connection.
        conn: ConnId,
        /// Client's host.
        from: HostId,
        /// Server's host.
        to: HostId,
    },
    /// The attempt failed; the connection is no more.
    ConnectFailed {
        /// Connection.
        conn: ConnId,
        /// The server's host refused; otherwise nobody answered.
        refused: bool,
    },
    /// A message is in the receiver's socket.
    Delivered {
        /// Connection.
        conn: ConnId,
        /// Receiving side.
        to: Side,
        /// As given to `send`.
        token: u64,
        /// When it was sent, ns.
        sent_at_ns: u64,
        /// As given to `send`.
        bytes: u64,
    },
    /// A side learns that the other one is gone. It need not close.
    Closed {
        /// Connection.
        conn: ConnId,
        /// Who learns.
        side: Side,
    },
    /// A message will never arrive: its payload may be freed.
    Dropped {
        /// As given to `send`.
        token: u64,
    },
}
