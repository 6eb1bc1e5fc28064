//! Events of the simulation and their order among equals.

use crate::client::ClientTimer;
use crate::cpu::Pool;
use crate::net::NetEvent;
use stormglass_broker_core::ids::{ConnectionId, DiskOpId, RemoteOpId};
use stormglass_broker_core::seam::TimerKey;

/// Something that is due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// The network has something to do.
    Net(NetEvent),
    /// A request has passed its network processor, or a peer's answer has arrived: it queues for
    /// a thread of the pool.
    Ready { node: u16, life: u32, pool: Pool, job: u32 },
    /// A thread of the pool may be free again.
    Pump { node: u16, life: u32, pool: Pool },
    /// A node's timer.
    Timer { node: u16, life: u32, key: TimerKey },
    /// A disk operation ends later than it was submitted.
    Disk { node: u16, life: u32, id: DiskOpId, result: u32 },
    /// Background writeback.
    Writeback { node: u16 },
    /// The oldest request to a peer may have timed out.
    PeerTimeout { node: u16, life: u32, link: u32 },
    /// A process starts: it reads its disk.
    Boot { node: u16, life: u32 },
    /// Its logs are loaded: it serves.
    Start { node: u16, life: u32 },
    /// A client's timer.
    Client { client: u32, life: u32, timer: ClientTimer },
    /// A client has worked off what it was busy with.
    ClientReady { client: u32, life: u32 },
    /// A client process starts.
    ClientStart { client: u32, life: u32 },
    /// Applications have something to do.
    Applications,
    /// A millisecond has passed for them.
    ApplicationTick,
    /// A process that was stopped goes on.
    ApplicationResume { instance: u32 },
    /// Set-up: looks whether all replicas are in sync.
    Settle,
    /// The plan's n-th action begins.
    ActionBegin { index: u32 },
    /// It ends.
    ActionEnd { index: u32 },
    /// One step of a rolling restart.
    Rolling { index: u32, step: u32 },
    /// A connection that quotas muted is read again.
    Unmute { node: u16, life: u32, conn: ConnectionId },
    /// A broker ends a client's connection.
    HangUp { node: u16, life: u32, conn: ConnectionId },
    /// A request to object storage goes on.
    RemoteStep { node: u16, life: u32, transfer: u32 },
    /// An operation on remote storage ends.
    RemoteDone { node: u16, life: u32, id: RemoteOpId, result: u32 },
    /// A simulated second ends.
    Second,
    /// A phase begins.
    Phase { index: u8 },
}

impl Event {
    /// Order among events of one time, first to last:
    ///
    /// | class | events |
    /// |---|---|
    /// | 0 | actions of the plan and phases |
    /// | 1 | network |
    /// | 2 | disk, timers, process starts |
    /// | 3 | threads |
    /// | 4 | clients, applications |
    /// | 5 | end of a second: it sees everything before |
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::ActionBegin { .. }
            | Self::ActionEnd { .. }
            | Self::Rolling { .. }
            | Self::Settle
            | Self::Phase { .. } => 0,
            Self::Net(_) => 1,
            Self::Timer { .. }
            | Self::Disk { .. }
            | Self::Writeback { .. }
            | Self::PeerTimeout { .. }
            | Self::Boot { .. }
            | Self::Unmute { .. }
            | Self::HangUp { .. }
            | Self::RemoteStep { .. }
            | Self::RemoteDone { .. }
            | Self::Start { .. } => 2,
            Self::Ready { .. } | Self::Pump { .. } => 3,
            Self::Client { .. }
            | Self::ClientReady { .. }
            | Self::ClientStart { .. }
            | Self::Applications
            | Self::ApplicationTick
            | Self::ApplicationResume { .. } => 4,
            Self::Second => 5,
        }
    }

    /// What happens in turn even where the order of equal times is shuffled: faults come as the plan
    /// lists them, and a node's disk answers in the order in which it was asked. `class` is the event's own.
    pub(super) fn lane(&self, class: u8) -> Option<u32> {
        match self {
            Self::Disk { node, .. } => Some(u32::from(*node)),
            _ => (class == 0).then_some(u32::MAX),
        }
    }

    /// Code for the audit: what it is, and whose. `None` counts for the whole world.
    pub(super) fn audit(&self) -> (Option<u16>, u64) {
        match self {
            Self::Net(_) => (None, 1),
            Self::Ready { node, job, .. } => (Some(*node), 2 | u64::from(*job) << 8),
            Self::Pump { node, .. } => (Some(*node), 3),
            Self::Timer { node, .. } => (Some(*node), 5),
            Self::Disk { node, id, .. } => (Some(*node), 6 | id.0 << 8),
            Self::Writeback { node } => (Some(*node), 7),
            Self::PeerTimeout { node, link, .. } => (Some(*node), 8 | u64::from(*link) << 8),
            Self::Boot { node, .. } => (Some(*node), 9),
            Self::Start { node, .. } => (Some(*node), 10),
            Self::Client { client, .. } => (None, 11 | u64::from(*client) << 8),
            Self::ClientReady { client, .. } => (None, 12 | u64::from(*client) << 8),
            Self::ActionBegin { index } => (None, 14 | u64::from(*index) << 8),
            Self::ActionEnd { index } => (None, 15 | u64::from(*index) << 8),
            Self::Rolling { index, step } => {
                (None, 16 | u64::from(*index) << 8 | u64::from(*step) << 40)
            }
            Self::ClientStart { client, .. } => (None, 19 | u64::from(*client) << 8),
            Self::Settle => (None, 20),
            Self::Applications => (None, 24),
            Self::ApplicationTick => (None, 25),
            Self::ApplicationResume { instance } => (None, 26 | u64::from(*instance) << 8),
            Self::Unmute { node, conn, .. } => (Some(*node), 21 | conn.0 << 8),
            Self::HangUp { node, conn, .. } => (Some(*node), 27 | conn.0 << 8),
            Self::RemoteStep { node, transfer, .. } => {
                (Some(*node), 22 | u64::from(*transfer) << 8)
            }
            Self::RemoteDone { node, id, .. } => (Some(*node), 23 | id.0 << 8),
            Self::Second => (None, 17),
            Self::Phase { index } => (None, 18 | u64::from(*index) << 8),
        }
    }
}
