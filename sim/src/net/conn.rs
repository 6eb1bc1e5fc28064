//! Connections and their two directions, as data. Leaves out every rule about them.

use super::bucket::UNITS_PER_BYTE;
use super::host::HostId;
use std::collections::VecDeque;

/// A connection. A number is never used for another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ConnId {
    /// The connection as one number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Who connected.
    Client,
    /// Who accepted.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

/// How many bytes may be under way in each direction: the smaller of the sender's socket buffer
/// and the receiver's window. `None` leaves it to the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Windows {
    /// From client to server, bytes.
    pub to_server: Option<u64>,
    /// From server to client, bytes.
    pub to_client: Option<u64>,
}

/// A slot for a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) generation: u32,
    pub(super) state: State,
    /// Hosts of client and server.
    pub(super) hosts: [HostId; 2],
    /// Sides that have no socket any more.
    pub(super) gone: [bool; 2],
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The slot is free.
    Free,
    /// The client waits for an answer.
    Opening { began_ns: u64, attempt: u32 },
    /// Both directions work.
    Open,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MsgKind {
    /// The caller's.
    Data { token: u64, bytes: u64 },
    /// The end of the handshake: the server accepts when it arrives.
    Open,
    /// The sender has closed.
    Fin,
}

/// A message under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Msg {
    pub(super) kind: MsgKind,
    pub(super) sent_at_ns: u64,
    pub(super) wire_bytes: u64,
    /// From the sending NIC to the receiving one.
    pub(super) latency_ns: u64,
    /// When its last byte left the sending NIC.
    pub(super) through_ns: u64,
}

impl Msg {
    pub(super) fn units(&self) -> u64 {
        self.wire_bytes * UNITS_PER_BYTE
    }
}

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Nothing is under way.
    Idle,
    /// An event will come for the first message.
    Due,
    /// What is under way was lost at a cut.
    Stalled {
        /// When the first message was first sent.
        since_ns: u64,
        /// A retransmission is scheduled.
        resuming: bool,
    },
    /// A reset is on its way back to the sender.
    Resetting,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) queue: VecDeque<Msg>,
    /// How many of the first messages have left the sending NIC.
    pub(super) through: usize,
    pub(super) status: Status,
    /// Events of another epoch are stale.
    pub(super) epoch: u32,
    pub(super) link: u32,
    /// Hosts at its ends.
    pub(super) sender: HostId,
    pub(super) receiver: HostId,
    pub(super) window_bytes: u64,
    /// Highest rate, bytes per second.
    pub(super) cap: u64,
    /// When the message before the first one left the sending NIC.
    pub(super) previous_through_ns: u64,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            through: 0,
            status: Status::Idle,
            epoch: 0,
            link: 0,
            sender: HostId(0),
            receiver: HostId(0),
            window_bytes: 0,
            cap: u64::MAX,
            previous_through_ns: 0,
        }
    }

    /// Both ends are on one host.
    pub(super) fn is_loopback(&self) -> bool {
        self.sender == self.receiver
    }

    /// The next message to leave the sending NIC leaves at `at_ns`. Returns the units of the one
    /// after it, 0 if there is none.
    pub(super) fn next_through(&mut self, at_ns: u64) -> u64 {
        self.queue[self.through].through_ns = at_ns;
        self.through += 1;
        self.queue.get(self.through).map_or(0, Msg::units)
    }

    /// Forgets what has not left the NIC; returns its tokens. If nothing is left under way,
    /// scheduled events become stale.
    pub(super) fn drop_unsent(&mut self) -> impl Iterator<Item = u64> + '_ {
        if self.through == 0 {
            self.epoch += 1;
            self.status = Status::Idle;
        }
        self.queue.drain(self.through..).filter_map(|msg| token_of(&msg))
    }

    /// Forgets everything; returns its tokens. Scheduled events become stale.
    pub(super) fn drop_all(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.through = 0;
        self.epoch += 1;
        self.status = Status::Idle;
        self.queue.drain(..).filter_map(|msg| token_of(&msg))
    }

    /// Everything under way must be sent again.
    pub(super) fn rewind(&mut self) {
        self.through = 0;
        self.epoch += 1;
    }
}

fn token_of(msg: &Msg) -> Option<u64> {
    match msg.kind {
        MsgKind::Data { token, .. } => Some(token),
        MsgKind::Open | MsgKind::Fin => None,
    }
}
