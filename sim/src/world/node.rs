//! A broker or controller process on its host: the core, and the resources it runs on.

use super::conn_table::ConnTable;
use super::slab::Slab;
use super::throttle::Throttled;
use crate::clock::NodeClock;
use crate::cpu::{CostProfile, Cpu, Pool, WorkCosts};
use crate::disk::Disk;
use crate::net::{ConnId, HostId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stormglass_broker_core::Broker;
use stormglass_broker_core::config::NodeConfig;
use stormglass_broker_core::ids::{ConnectionId, CorrelationId, NodeId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::{Channel, DiskResult, PeerError, TimerKey};
use stormglass_scenarios::plan::RatePlan;

/// A node of the cluster.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) is_broker: bool,
    pub(super) az: usize,
    pub(super) host: HostId,
    pub(super) nic: RatePlan,
    /// Most CPU credits that can be kept, vCPU-milliseconds.
    pub(super) credit_cap_ms: u64,
    pub(super) config: NodeConfig,
    pub(super) broker: Option<Broker>,
    /// Started, loading its logs.
    pub(super) starting: Option<Broker>,
    /// Grows with every process start; events of an earlier life are stale.
    pub(super) life: u32,
    pub(super) powered: bool,
    /// SIGSTOP until then, ns.
    pub(super) paused_until_ns: u64,
    pub(super) disk: Disk,
    /// Time that it takes to come up, parts per thousand of the usual.
    pub(super) recovery_permille: u64,
    pub(super) cpu: Cpu,
    pub(super) profile: CostProfile,
    pub(super) clock: NodeClock,
    /// Timers by their times on the node's own clock, ns, where that may drift.
    pub(super) armed: Option<Vec<(u64, TimerKey)>>,
    pub(super) writeback_at: Option<u64>,
    /// Requests and answers on their way through the process.
    pub(super) jobs: Slab<Job>,
    pub(super) queues: [PoolQueue; 3],
    /// Results of disk operations that end later.
    pub(super) results: Slab<DiskResult>,
    /// Connections accepted.
    pub(super) accepted: ConnTable<Accepted>,
    pub(super) links: Vec<Link>,
    pub(super) link_index: FxHashMap<(NodeId, Channel), u32>,
    /// Running totals since the last second.
    pub(super) tally: Tally,
    /// What quotas made clients wait, over the whole run.
    pub(super) throttled: Throttled,
}

/// What a broker did since the last second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) replication_in: u64,
    pub(super) replication_out: u64,
    pub(super) messages_in: u64,
    /// Work of steps, by kind.
    pub(super) costs: WorkCosts,
    /// Requests and answers of peers that were handled.
    pub(super) handled: u64,
    /// Time of network processors, ns.
    pub(super) network_ns: u64,
    /// Answers with records to followers.
    pub(super) follower_fetches: u64,
    /// Size of the largest, bytes.
    pub(super) follower_fetch_bytes_max: u64,
    /// Bytes that remote storage took, and gave.
    pub(super) remote_copied: u64,
    pub(super) remote_fetched: u64,
    /// Requests that it answered with 503.
    pub(super) remote_rejected: u64,
}

/// Jobs that wait for a thread of a pool.
#[derive(Debug, Default)]
pub(super) struct PoolQueue {
    pub(super) waiting: VecDeque<u32>,
    /// Jobs that will queue shortly.
    pub(super) coming: u32,
    pub(super) pump_at: Option<u64>,
}

impl PoolQueue {
    /// Whether a job that comes now is the next one.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.coming == 0
    }

    /// Whether nobody waits, and nobody was put off until a thread is free.
    pub(super) fn is_unattended(&self) -> bool {
        self.waiting.is_empty() && self.pump_at.is_none()
    }
}

/// Something that a thread works on.
#[derive(Debug)]
pub(super) enum Job {
    /// A request.
    Request { conn: ConnectionId, correlation: CorrelationId, request: Request },
    /// A peer's answer.
    Response { from: NodeId, correlation: CorrelationId, result: Result<Response, PeerError> },
}

/// A connection that this node accepted. Requests of one connection are handled one at a time:
/// Kafka mutes the channel until the answer is sent.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) conn: ConnId,
    pub(super) is_client: bool,
    pub(super) tls: bool,
    /// The other end is in another AZ.
    pub(super) crosses_az: bool,
    pub(super) inbox: VecDeque<Arrived>,
    /// A request is being handled, or quotas keep the connection muted.
    pub(super) busy: bool,
    /// The broker ends it: nothing more is read from it.
    pub(super) ends: bool,
    /// The way of that request.
    pub(super) marks: Marks,
    /// The last answer leaves then: the next request cannot be read earlier, ns.
    pub(super) muted_until_ns: u64,
}

/// A request in a connection's inbox.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) correlation: u64,
    pub(super) request: Request,
    pub(super) bytes: u64,
    pub(super) sent_ns: u64,
    pub(super) arrived_ns: u64,
}

/// When a request passed its stations, ns. The critical path is made from these.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) sent: u64,
    pub(super) arrived: u64,
    /// Its turn on the connection.
    pub(super) unmuted: u64,
    pub(super) network_start: u64,
    pub(super) network_finish: u64,
    pub(super) handler_start: u64,
    pub(super) handler_finish: u64,
    pub(super) disk_wait: u64,
    /// The step that answered.
    pub(super) answered: u64,
}

/// A node's own connection to a peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: NodeId,
    pub(super) channel: Channel,
    pub(super) conn: Option<ConnId>,
    pub(super) connected: bool,
    /// Requests that wait for the connection.
    pub(super) unsent: VecDeque<(CorrelationId, Request)>,
    /// Every request without an answer, oldest first: id and deadline, ns.
    pub(super) open: VecDeque<(CorrelationId, u64)>,
    pub(super) timer_at: Option<u64>,
}

impl Node {
    pub(super) fn is_up(&self) -> bool {
        self.broker.is_some()
    }

    /// Pool that a job of this kind queues for.
    pub(super) fn pool_of(channel: Channel) -> Pool {
        match channel {
            Channel::Fetcher(_) => Pool::Fetcher,
            Channel::Raft | Channel::Lifecycle | Channel::Controller | Channel::Transactions => {
                Pool::Handler
            }
        }
    }

    /// Whether a timer that fires is one that has not fired yet, and due by the node's clock.
    pub(super) fn takes_timer(&mut self, now_ns: u64, key: TimerKey) -> bool {
        let Some(armed) = &mut self.armed else { return true };
        let mono_ns = self.clock.monotonic_ns(now_ns);
        let is_it = |(due_ns, other): &(u64, TimerKey)| *other == key && *due_ns <= mono_ns;
        let found = armed.iter().position(is_it);
        found.map(|at| armed.swap_remove(at)).is_some()
    }

    /// What a process loses when it ends, however it ends.
    pub(super) fn forget_process(&mut self, now_ns: u64) {
        self.broker = None;
        self.starting = None;
        self.life += 1;
        self.paused_until_ns = 0;
        self.jobs = Slab::default();
        self.queues = [PoolQueue::default(), PoolQueue::default(), PoolQueue::default()];
        self.results = Slab::default();
        self.armed.iter_mut().for_each(Vec::clear);
        self.accepted.clear();
        self.links.clear();
        self.link_index.clear();
        self.cpu.reset(now_ns);
    }
}
