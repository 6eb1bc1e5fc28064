//! The loop of a node: take what happened, step the broker, do what it wants done.

use super::directory::SharedDirectory;
use super::event::{Answer, Event, Inbox, Outbox, Snapshot};
use super::peers::{Peers, node_of};
use super::timers::{Due, Timers};
use crate::clock::{Clock, std_duration};
use crate::error::ServeError;
use crate::net::{Counted, Links};
use crate::storage::{Store, Submitted};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use stormglass_broker_core::Broker;
use stormglass_broker_core::config::NodeConfig;
use stormglass_broker_core::ids::{ConnectionId, CorrelationId, NodeId, TopicPartition};
use stormglass_broker_core::seam::{
    DiskError, DiskOp, Effects, Exit, Input, PeerError, Reply, TimerKey, TraceEvent,
};
use stormglass_broker_core::time::{Duration, Instant};
use stormglass_wire::Cluster as _;
use tokio::sync::oneshot;

/// Events taken before timers are looked at again.
const EVENTS_MAX: usize = 256;
/// The same where timers are late.
const EVENTS_LATE_MAX: usize = 100_000;
/// A timer that is not heard for so long is late.
const LATE: Duration = Duration::from_millis(500);
/// Longest sleep, so that a wall clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(1000);
/// Difference of the clocks' distance that the core is told, ms.
const WALL_STEP_MS: i64 = 5;
/// A controller that has not let a broker go by then is waited for no longer.
const HANDOVER_MAX: Duration = Duration::from_millis(10_000);
/// A shutdown that takes longer than this after that is given up; the next start recovers.
const CLOSE_MAX: Duration = Duration::from_millis(20_000);

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) store: Store,
    pub(crate) inbox: Inbox,
    pub(crate) outboxes: BTreeMap<NodeId, Outbox>,
    /// Ways to nodes of other processes.
    pub(crate) links: Option<Links>,
    pub(crate) directory: SharedDirectory,
    pub(crate) clock: Clock,
    /// Connections, which are told their limits.
    pub(crate) counted: Counted,
    /// Nodes of this process that have not ended; none, if others have controllers.
    pub(crate) peers_here: Option<Arc<AtomicUsize>>,
    /// Told once, when the cluster lets the broker serve, or the controller has found its quorum.
    pub(crate) ready: std::sync::mpsc::Sender<NodeId>,
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    id: NodeId,
    is_broker: bool,
    broker: Broker,
    effects: Effects,
    store: Store,
    inbox: Inbox,
    peers: Peers,
    timers: Timers,
    directory: SharedDirectory,
    counted: Counted,
    topics_revision: u64,
    limits_revision: u64,
    clock: Clock,
    /// Wall clock minus monotonic clock as the core knows it, ms.
    wall_offset_ms: Option<i64>,
    waiting: FxHashMap<(ConnectionId, CorrelationId), oneshot::Sender<Answer>>,
    /// Inputs that follow from what was done.
    next: VecDeque<Input>,
    ready: Option<std::sync::mpsc::Sender<NodeId>>,
    shutdown: Option<Closing>,
    peers_here: Option<Arc<AtomicUsize>>,
    /// Voters that make a majority.
    quorum: usize,
}

/// A shutdown that is under way.
#[derive(Debug)]
enum Closing {
    /// Until the controller has moved leaderships away, or this time.
    HandingOver(Instant),
    /// Until the logs are closed, or this time.
    ClosingLogs(Instant),
}

impl Node {
    /// Recovers what the disk holds.
    pub(crate) fn new(parts: Parts) -> Result<Self, ServeError> {
        let Parts { config, mut store, inbox, outboxes, links, directory, clock, counted, .. } =
            parts;
        let (id, is_broker) = (config.node, config.broker);
        let quorum = config.voters.len() / 2 + 1;
        let broker = Broker::new(config, &store);
        counted.set_limits(broker.connection_limits());
        let limits_revision = broker.limits_revision();
        store.check_readable()?;
        let own = outboxes.get(&id).expect("a node can send to itself");
        store.start_workers(own, Event::Disk).map_err(|error| {
            ServeError::new(format!("cannot start a thread: {error}"), "raise the limit on threads")
        })?;
        Ok(Self {
            id,
            is_broker,
            broker,
            effects: Effects::default(),
            store,
            inbox,
            peers: Peers::new(id, outboxes, links),
            timers: Timers::default(),
            directory,
            counted,
            topics_revision: 0,
            limits_revision,
            clock,
            wall_offset_ms: None,
            waiting: FxHashMap::default(),
            next: VecDeque::new(),
            ready: Some(parts.ready),
            shutdown: None,
            peers_here: parts.peers_here,
            quorum,
        })
    }

    /// Runs until the broker is done; closes its files.
    pub(crate) fn run(mut self) -> Result<(), ServeError> {
        self.sync_wall_clock();
        self.act(Input::Start);
        let mut begun;
        let exit = loop {
            if let Some(exit) = self.effects.exit.take() {
                break exit;
            }
            let sleep = self.timers.next().map_or(SLEEP_MAX, |at| at.since(self.clock.now()));
            match self.inbox.recv_timeout(std_duration(sleep.min(SLEEP_MAX))) {
                Ok(event) => {
                    begun = self.clock.now();
                    self.take_events(event);
                }
                Err(RecvTimeoutError::Timeout) => begun = self.clock.now(),
                Err(RecvTimeoutError::Disconnected) => break Exit::ShutdownComplete,
            }
            self.sync_wall_clock();
            self.fire_timers();
            self.tell_of_silence(begun);
            self.announce();
            if self.hurry() {
                tracing::warn!(node = self.id.0, "shutdown takes too long; stopping");
                break Exit::ShutdownComplete;
            }
        };
        if let Some(here) = &self.peers_here {
            here.fetch_sub(1, Ordering::Relaxed);
        }
        self.finish(exit)
    }

    /// A turn that took long is what others may have taken for silence.
    fn tell_of_silence(&self, begun: Instant) {
        let busy_ms = self.clock.now().since(begun).as_millis();
        if busy_ms >= LATE.as_millis() {
            tracing::warn!(node = self.id.0, busy_ms, "a turn took long: timers are late");
        }
    }

    /// Goes on with a shutdown that nobody answers any more. Whether to stop now, come what may.
    fn hurry(&mut self) -> bool {
        let now = self.clock.now();
        match self.shutdown {
            Some(Closing::HandingOver(until)) => {
                let alone = |here: &Arc<AtomicUsize>| here.load(Ordering::Relaxed) < self.quorum;
                if self.peers_here.as_ref().is_some_and(alone) || now >= until {
                    tracing::info!(
                        node = self.id.0,
                        "no controller lets it go; closing all the same"
                    );
                    self.shutdown = Some(Closing::ClosingLogs(now + CLOSE_MAX));
                    self.act(Input::Shutdown);
                }
                false
            }
            Some(Closing::ClosingLogs(until)) => now >= until,
            None => false,
        }
    }

    fn take_events(&mut self, first: Event) {
        self.happen(first);
        self.take_waiting(EVENTS_MAX);
    }

    fn take_waiting(&mut self, max: usize) {
        for _ in 0..max {
            match self.inbox.try_recv() {
                Ok(event) if self.effects.exit.is_none() => self.happen(event),
                Ok(_) | Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let input = match event {
            Event::Request { conn, correlation, request, reply } => {
                self.waiting.insert((conn, correlation), reply);
                let input = Input::Request { conn, correlation, request: *request };
                if self.broker.counts_thread_time() {
                    return self.act_on_time(conn, input);
                }
                input
            }
            Event::Client { conn, client_id } => Input::Client { conn, client_id },
            Event::PeerRequest { conn, correlation, request } => {
                Input::Request { conn, correlation, request: *request }
            }
            Event::PeerResponse { from, correlation, response } => {
                if !self.peers.answered(correlation) {
                    return;
                }
                Input::Response { from, correlation, result: Ok(*response) }
            }
            Event::LinkDown(link) => {
                for (from, correlation) in self.peers.link_down(link) {
                    let result = Err(PeerError::Disconnected);
                    self.act(Input::Response { from, correlation, result });
                }
                return;
            }
            Event::Scrape(reply) => {
                // whoever asked may be gone
                let _ = reply.send(self.snapshot());
                return;
            }
            Event::Closed(conn) => {
                // nodes close connections whose requests wait; nobody answers those any more
                self.waiting.retain(|(of, _), _| *of != conn);
                Input::ConnectionClosed(conn)
            }
            Event::Disk(id, result) => Input::Disk { id, result },
            Event::Shutdown => {
                tracing::info!(node = self.id.0, "shutting down");
                let until = self.clock.now() + HANDOVER_MAX;
                self.shutdown.get_or_insert(Closing::HandingOver(until));
                Input::Shutdown
            }
        };
        self.act(input);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            gauges: self.broker.gauges(),
            offline_partitions: self.broker.offline_partitions(),
            active_controller: self.broker.active_controller(),
            replicas: self.broker.replicas(),
        }
    }

    /// A node that was stopped, or had much to do, finds its timers late, and must not take others for
    /// silent, its own broker among them: what has come meanwhile goes first, then what its other timers
    /// have it say, and its controller looks at sessions last.
    fn fire_timers(&mut self) {
        let now = self.clock.now();
        let is_late = self.timers.next().is_some_and(|at| at <= now && now.since(at) >= LATE);
        let mut held = false;
        if is_late {
            self.take_waiting(EVENTS_LATE_MAX);
        }
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Core(TimerKey::Controller) if is_late => held = true,
                Due::Core(key) => self.act(Input::Timer(key)),
                Due::Peer(correlation) => {
                    if let Some(from) = self.peers.expire(correlation) {
                        let result = Err(PeerError::TimedOut);
                        self.act(Input::Response { from, correlation, result });
                    }
                }
            }
        }
        if held {
            self.take_waiting(EVENTS_LATE_MAX);
            self.act(Input::Timer(TimerKey::Controller));
        }
    }

    /// Steps the broker, and goes on until nothing follows at once.
    fn act(&mut self, input: Input) {
        self.next.push_back(input);
        self.go_on();
    }

    fn go_on(&mut self) {
        while let Some(input) = self.next.pop_front() {
            self.broker.step(self.clock.now(), input, &mut self.effects);
            self.publish_topics();
            self.publish_limits();
            self.carry_out();
        }
    }

    /// Steps the broker, and tells it how long that took.
    #[cold]
    fn act_on_time(&mut self, conn: ConnectionId, input: Input) {
        let begun = self.clock.now();
        self.act(input);
        let time = self.clock.now().since(begun);
        self.act(Input::Spent { conn, time });
    }

    /// Connections must know a topic before its first client does.
    fn publish_topics(&mut self) {
        let revision = self.broker.topics_revision();
        if revision != self.topics_revision {
            self.topics_revision = revision;
            let (topics, endpoints) = (self.broker.topics(), self.broker.endpoints());
            self.directory.replace(topics, endpoints, self.broker.features());
        }
    }

    /// Connections that come from now on are held to them.
    fn publish_limits(&mut self) {
        let revision = self.broker.limits_revision();
        if revision != self.limits_revision {
            self.limits_revision = revision;
            self.counted.set_limits(self.broker.connection_limits());
        }
    }

    fn carry_out(&mut self) {
        let mut ops = std::mem::take(&mut self.effects.disk);
        for op in ops.drain(..) {
            self.submit(op);
        }
        self.effects.disk = ops; // its room is used again
        for Reply { conn, correlation, response, throttle_ms, closes } in
            self.effects.replies.drain(..)
        {
            if let Some(reply) = self.waiting.remove(&(conn, correlation)) {
                // a connection that is gone needs no answer
                let _ = reply.send(Answer { response, throttle_ms, closes });
            } else if let (Some(node), Some(response)) = (node_of(conn), response) {
                self.peers.answer(node, correlation, response);
            }
        }
        for asked in self.effects.sends.drain(..) {
            let (from, correlation) = (asked.to, asked.correlation);
            self.timers.arm(self.clock.now() + asked.timeout, Due::Peer(correlation));
            if !self.peers.ask(asked) {
                let result = Err(PeerError::Disconnected);
                self.next.push_back(Input::Response { from, correlation, result });
            }
        }
        for (at, key) in self.effects.timers.drain(..) {
            self.timers.arm(at, Due::Core(key));
        }
        self.effects.work.take();
        let topics = &self.directory;
        for event in self.effects.trace.drain(..) {
            log(self.id, topics, &event);
        }
    }

    fn submit(&mut self, op: DiskOp) {
        let id = op.id;
        if let Submitted::Now(result) = self.store.submit(op) {
            self.next.push_back(Input::Disk { id, result });
        }
    }

    fn sync_wall_clock(&mut self) {
        let wall_ms = self.clock.wall_ms();
        let now_ms = i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX);
        let offset = wall_ms - now_ms;
        if self.wall_offset_ms.is_none_or(|known| (known - offset).abs() >= WALL_STEP_MS) {
            self.wall_offset_ms = Some(offset);
            self.act(Input::WallClock(wall_ms));
        }
    }

    /// Clients are let in when the cluster lets the node serve; not when it is about to go.
    fn announce(&mut self) {
        let is_ready = || match self.is_broker {
            true => self.broker.gauges().unfenced,
            false => self.broker.active_controller().is_some(),
        };
        if self.ready.is_some()
            && self.shutdown.is_none()
            && is_ready()
            && let Some(ready) = self.ready.take()
        {
            // whoever wanted to know may have given up
            let _ = ready.send(self.id);
        }
    }

    fn finish(self, exit: Exit) -> Result<(), ServeError> {
        let (node, dir) = (self.id.0, self.store.log_dir().display().to_string());
        let closed = self.store.close();
        match exit {
            Exit::ShutdownComplete => {
                closed?;
                tracing::info!(node, "stopped");
                Ok(())
            }
            Exit::LogDirFailed(DiskError::Damaged) => Err(ServeError::new(
                format!("the metadata of node {node} in __cluster_metadata-0 is damaged"),
                "restore quorum-state, snapshots and log of that directory; no log was changed",
            )),
            Exit::LogDirFailed(error) => Err(ServeError::new(
                format!("the log directory {dir} of node {node} failed: {}", reason(error)),
                "the log says which operation; make room or replace the volume, then start again",
            )),
        }
    }
}

const fn reason(error: DiskError) -> &'static str {
    match error {
        DiskError::Full => "its volume is full",
        DiskError::Io => "input/output error",
        DiskError::Corrupt | DiskError::Damaged => "it is damaged",
    }
}

/// Changes that an operator wants to know of.
fn log(node: NodeId, topics: &SharedDirectory, event: &TraceEvent) {
    let node = node.0;
    let name = |tp: &TopicPartition| match topics.current().topic_name(tp.topic) {
        Some(topic) => format!("{topic}-{}", tp.partition),
        None => format!("{:?}-{}", tp.topic, tp.partition),
    };
    match event {
        TraceEvent::Recovered { scanned_bytes, truncated_bytes } => {
            tracing::info!(node, scanned_bytes, truncated_bytes, "logs loaded");
        }
        TraceEvent::ControllerElected { epoch } => tracing::info!(node, epoch, "controls now"),
        TraceEvent::ControllerResigned { epoch } => tracing::info!(node, epoch, "controls no more"),
        TraceEvent::BrokerFenced { broker, fenced } => {
            tracing::info!(node, broker = broker.0, fenced, "broker's fence changed");
        }
        TraceEvent::Truncated { tp, to, from, .. } => {
            tracing::warn!(node, log = name(tp), to, from, "log cut");
        }
        TraceEvent::BecameLeader { tp, epoch, .. } => {
            tracing::debug!(node, log = name(tp), epoch, "leads");
        }
        TraceEvent::IsrCommitted { tp, isr, .. } => {
            let isr: Vec<i32> = isr.iter().map(|node| node.0).collect();
            tracing::info!(node, log = name(tp), ?isr, "ISR changed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::node::{Directory, Endpoints};
    use std::net::Ipv4Addr;
    use std::sync::mpsc::channel;

    #[test]
    fn a_node_that_is_about_to_go_is_not_announced() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            data_dir: dir.path().to_owned(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            advertised_host: None,
            brokers: 1,
            cluster_id: None,
            properties: BTreeMap::new(),
        };
        let (outbox, inbox) = channel();
        let (ready, announced) = channel();
        let parts = Parts {
            config: options.node_config(NodeId(1), options.server_config().unwrap()),
            store: Store::open(dir.path()).unwrap(),
            inbox,
            outboxes: BTreeMap::from([(NodeId(1), outbox)]),
            links: None,
            directory: SharedDirectory::new(Directory::new("cluster", Endpoints::new())),
            clock: Clock::start(),
            counted: Counted::default(),
            peers_here: None,
            ready,
        };
        let mut node = Node::new(parts).unwrap();
        let until = node.clock.now() + Duration::from_millis(60_000);
        node.sync_wall_clock();
        node.act(Input::Start);
        while !node.broker.gauges().unfenced {
            assert!(node.clock.now() < until, "it is not unfenced");
            if let Ok(event) = node.inbox.recv_timeout(std_duration(Duration::from_millis(10))) {
                node.take_events(event);
            }
            node.fire_timers();
        }
        node.shutdown = Some(Closing::HandingOver(until));
        node.announce();
        assert!(announced.try_recv().is_err());
        node.shutdown = None;
        node.announce();
        assert_eq!(announced.try_recv(), Ok(NodeId(1)));
        node.finish(Exit::ShutdownComplete).unwrap();
    }
}
