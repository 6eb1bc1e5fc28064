//! The world: nodes, clients, network and faults, driven by one queue of events.
//!
//! Nodes and clients are called synchronously; nothing here waits. Set-up comes first: nodes boot,
//! elect a controller and create the topics. Then the run's time begins at 0.

mod apps;
mod boot;
mod client_quotas;
mod clients;
mod conn_table;
mod describe;
mod event;
mod execute;
mod faults;
mod finish;
mod flawed;
mod inspect;
mod lags;
mod load;
mod looks;
mod node;
mod observe;
mod operations;
mod payload;
mod peers;
mod remote;
mod remote_preload;
mod setup;
mod slab;
mod throttle;
mod transport;
mod watch;
mod wire;

use crate::checkers::{Checkers, Marks, Story};
use crate::client::{ClientEffects, ClientShared};
use crate::kernel::{Audit, EventQueue};
use crate::net::{ConnId, NetOut, Network, RuleId};
use crate::recorder::Recorder;
use crate::rng::Streams;
use crate::runtime::SimError;
use clients::Client;
use conn_table::ConnTable;
use event::Event;
use lags::Lags;
use node::Node;
use payload::Payload;
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use stormglass_broker_core::ids::{ConnectionId, DiskOpId, NodeId, TopicPartition};
use stormglass_broker_core::seam::{DiskResult, Effects};
use stormglass_reports::recording::{ClusterEvent, Phase, Recording, ReplicaSecond};
use stormglass_reports::result::phase_at;
use stormglass_scenarios::plan::Plan;

pub use setup::SetupError;

pub(crate) use crate::recorder::Transfer;

/// Wall clock at simulated time zero, ms since 1970: 2026-01-01T00:00:00Z.
const WALL_EPOCH_MS: i64 = 1_767_225_600_000;

/// What right clocks show at a simulated time, ms since 1970.
pub(crate) fn wall_ms(now_ns: u64) -> i64 {
    WALL_EPOCH_MS + i64::try_from(now_ns / 1_000_000).unwrap_or(i64::MAX)
}
/// Longest set-up, ns of simulated time.
const SETUP_LIMIT_NS: u64 = 300_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
/// How often madsim's clock is moved, ns: nothing of a run reads it but applications, which move it themselves.
const CLOCK_STEP_NS: u64 = 100_000_000;
/// What is committed this long before the end of a run must be consumed by then, and producers must
/// have been acknowledged something within it, ns.
const DEADLINE_NS: u64 = 6 * SECOND_NS;

/// Who opened a connection.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A client, to a broker.
    Client { client: u32, node: NodeId },
    /// A node, to a peer.
    Peer { node: u16, link: u32 },
    /// A broker, to object storage.
    Storage { node: u16 },
}

impl End {
    fn is_client(self) -> bool {
        matches!(self, Self::Client { .. })
    }
}

/// Told about progress; must not change the run.
pub(crate) trait Observer {
    /// Simulated time (ns since the run began) and events so far, about once a simulated second.
    fn progress(&mut self, sim_ns: u64, events: u64);
    /// madsim's clock follows the simulation, by steps of [`CLOCK_STEP_NS`] or more.
    fn advance(&mut self, by_ns: u64);
}

/// A running simulation.
#[derive(Debug)]
pub(crate) struct World {
    plan: Plan,
    now: u64,
    /// When the run's time began, ns; `u64::MAX` during set-up.
    origin_ns: u64,
    ends_ns: u64,
    queue: EventQueue<Event>,
    audit: Audit,
    net: Network,
    net_out: Vec<NetOut>,
    nodes: Vec<Node>,
    node_index: FxHashMap<NodeId, u16>,
    clients: Vec<Client>,
    /// Node of each host, by host number.
    host_node: Vec<Option<u16>>,
    conns: ConnTable<End>,
    payloads: Slab<Payload>,
    shared: ClientShared,
    /// Emptied after each step and taken again for the next.
    effects: Option<Box<Effects>>,
    client_effects: Option<Box<ClientEffects>>,
    completed: VecDeque<(DiskOpId, DiskResult)>,
    /// Next requests of connections that were unmuted in the current step.
    later: VecDeque<(ConnectionId, node::Arrived)>,
    reading_later: bool,
    tls_client: bool,
    tls_in_cluster: bool,
    topics: BTreeMap<String, stormglass_broker_core::ids::TopicId>,
    partition_names: BTreeMap<TopicPartition, String>,
    /// Replicas at the end of each second, of a small cluster.
    samples: Vec<ReplicaSecond>,
    /// Whether they are wanted.
    samples_replicas: bool,
    streams: Streams,
    setup: setup::Stage,
    boot_times: setup::BootTimes,
    /// Nodes whose process is about to start.
    booting: BTreeSet<u16>,
    /// Link rules of each running action.
    rules: BTreeMap<u32, Vec<RuleId>>,
    /// Action and step of the rolling restart that a node is in.
    rolling: BTreeMap<u16, (u32, u32)>,
    /// Next step of a rolling restart, and how long it may wait for replicas.
    rolling_waits: BTreeMap<u32, (u32, u64)>,
    /// Number of each client within its group.
    instances: BTreeMap<u32, u32>,
    second: u32,
    /// Whether the cluster is small enough for its nodes and what they say to be looked at.
    watches: bool,
    drained: bool,
    recorder: Recorder,
    checkers: Checkers,
    marks: Marks,
    story: Story,
    story_out: Vec<ClusterEvent>,
    lags: Lags,
    /// Present where a topic has remote storage.
    remote: Option<Box<remote::Remote>>,
    /// Present where applications run.
    apps: Option<Box<apps::Apps>>,
    /// Present with `wire = true`.
    wire: Option<Box<wire::Wire>>,
    /// Whether clients are under quotas at some time.
    has_client_quotas: bool,
}

impl World {
    /// Runs to the end of the plan, or until `interrupt` is set. The flag is looked at once a
    /// simulated second. More than `events_max` events make a run endless.
    pub(crate) fn run(
        mut self,
        observer: &mut dyn Observer,
        interrupt: &AtomicBool,
        events_max: u64,
    ) -> Result<Recording, SimError> {
        let (mut told_ns, mut tell_at_ns) = (0, CLOCK_STEP_NS);
        let mut interrupted = false;
        while let Some((at, event)) = self.queue.pop() {
            self.now = at;
            if at >= tell_at_ns {
                observer.advance(at - told_ns);
                told_ns = at;
                tell_at_ns = (at / CLOCK_STEP_NS + 1) * CLOCK_STEP_NS;
            }
            self.audit_event(&event);
            let is_second = matches!(event, Event::Second);
            self.handle(event);
            self.flush_network();
            if is_second {
                observer.progress(at - self.origin_ns.min(at), self.audit.events());
                interrupted = interrupt.load(Ordering::Relaxed);
            }
            if interrupted || self.is_over() {
                break;
            }
            if self.origin_ns == u64::MAX && at > SETUP_LIMIT_NS {
                return Err(self.setup_failed().into());
            }
            if self.audit.events() > events_max {
                return Err(SimError::Endless(events_max));
            }
        }
        Ok(self.finish(interrupted))
    }

    fn is_over(&self) -> bool {
        self.now >= self.ends_ns || self.drained
    }

    fn audit_event(&mut self, event: &Event) {
        let (node, kind) = event.audit();
        let world = self.nodes.len();
        self.audit.event(self.now, node.map_or(world, usize::from), kind);
        if let Event::Net(event) = event {
            self.audit.mix(&event.words());
        }
    }

    /// Schedules an event.
    fn at(&mut self, at_ns: u64, event: Event) {
        schedule(&mut self.queue, at_ns, event);
    }

    fn is_current(&self, node: u16, life: u32) -> bool {
        let at = &self.nodes[node as usize];
        at.life == life && at.powered
    }

    fn handle(&mut self, event: Event) {
        // Nine of ten are of the network, and none of those waits for a stopped process.
        if let Event::Net(event) = event {
            return self.network_event(event);
        }
        if let Some(until) = self.paused_until(&event) {
            return self.at(until, event);
        }
        match event {
            Event::Net(event) => self.network_event(event),
            Event::Ready { node, life, pool, job } => {
                if self.is_current(node, life) {
                    self.arrived_at_pool(node, pool, job);
                }
            }
            Event::Pump { node, life, pool } => {
                if self.is_current(node, life) {
                    self.pump(node, pool);
                }
            }
            Event::Timer { node, life, key } => {
                if self.is_current(node, life) {
                    self.timer_due(node, key);
                }
            }
            Event::Disk { node, life, id, result } => self.disk_due(node, life, id, result),
            Event::Writeback { node } => self.writeback_due(node),
            Event::Client { client, life, timer } => {
                if self.is_alive(client, life) {
                    self.client_timer(client, timer);
                }
            }
            Event::ClientReady { client, life } => {
                if self.is_alive(client, life) {
                    self.client_ready(client);
                }
            }
            rare => self.rare_event(rare),
        }
    }

    /// What happens a few times in a run, or a second.
    #[cold]
    fn rare_event(&mut self, event: Event) {
        match event {
            Event::PeerTimeout { node, life, link } => {
                if self.is_current(node, life) {
                    self.link_timeout(node, link);
                }
            }
            Event::ClientStart { client, life } => {
                if self.is_alive(client, life) {
                    self.client_input(client, crate::client::ClientInput::Start);
                }
            }
            Event::Boot { node, life } => {
                if self.is_current(node, life) {
                    self.boot(node);
                }
            }
            Event::Start { node, life } => {
                if self.is_current(node, life) {
                    self.start_process(node);
                }
            }
            Event::Unmute { node, life, conn } => {
                if self.is_current(node, life) {
                    self.unmute(node, conn);
                }
            }
            Event::HangUp { node, life, conn } => {
                if self.is_current(node, life) {
                    self.hang_up(node, conn);
                }
            }
            Event::RemoteStep { node, life, transfer } => {
                if self.is_current(node, life) {
                    self.remote_step(node, transfer);
                }
            }
            Event::RemoteDone { node, life, id, result } => {
                self.remote_op_done(node, life, id, result);
            }
            Event::Applications => self.run_applications(),
            Event::ApplicationTick => self.application_tick(),
            Event::ApplicationResume { instance } => self.resume_instance(instance),
            Event::Settle => self.settle(),
            Event::ActionBegin { index } => self.begin_action(index),
            Event::ActionEnd { index } => self.end_action(index),
            Event::Rolling { index, step } => self.rolling_step(index, step),
            Event::Phase { index } => self.begin_phase(index),
            Event::Second => self.end_of_second(),
            Event::Net(_)
            | Event::Ready { .. }
            | Event::Pump { .. }
            | Event::Timer { .. }
            | Event::Disk { .. }
            | Event::Writeback { .. }
            | Event::Client { .. }
            | Event::ClientReady { .. } => self.handle(event),
        }
    }

    fn is_alive(&self, client: u32, life: u32) -> bool {
        let at = &self.clients[client as usize];
        at.running && at.life == life
    }

    /// A stopped process does nothing until it goes on; its sockets and disk do.
    fn paused_until(&self, event: &Event) -> Option<u64> {
        let node = match event {
            Event::Ready { node, .. }
            | Event::Pump { node, .. }
            | Event::Timer { node, .. }
            | Event::Disk { node, .. }
            | Event::Unmute { node, .. }
            | Event::HangUp { node, .. }
            | Event::RemoteStep { node, .. }
            | Event::RemoteDone { node, .. }
            | Event::PeerTimeout { node, .. } => *node,
            _ => return None,
        };
        let until = self.nodes[node as usize].paused_until_ns;
        (until > self.now).then_some(until)
    }

    fn disk_due(&mut self, node: u16, life: u32, id: DiskOpId, result: u32) {
        if self.is_current(node, life)
            && let Some(result) = self.nodes[node as usize].results.take(result)
        {
            let input = stormglass_broker_core::seam::Input::Disk { id, result };
            self.step_node(node, input, None);
        }
    }

    fn writeback_due(&mut self, node: u16) {
        let at = &mut self.nodes[node as usize];
        at.writeback_at = None;
        if at.powered {
            at.disk.on_wakeup(self.now);
            self.schedule_writeback(node);
        }
    }

    /// Phase of a time since the run began, ns.
    fn phase_at(&self, at_ns: u64) -> Phase {
        phase_at(&self.plan.phases, at_ns)
    }

    fn end_of(&self, conn: ConnId) -> Option<End> {
        self.conns.get(ConnectionId(conn.as_u64())).copied()
    }
}

/// Schedules an event; apart from [`World`] for whoever has borrowed a node.
fn schedule(queue: &mut EventQueue<Event>, at_ns: u64, event: Event) {
    let class = event.class();
    match event.lane(class) {
        Some(lane) => queue.push_in_lane(at_ns, class, lane, event),
        None => queue.push(at_ns, class, event),
    }
}
