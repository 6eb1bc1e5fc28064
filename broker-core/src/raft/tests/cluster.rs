//! A world of Raft nodes: one queue of events in time order, seeded delays, cut links, crashes.

use super::checks::Checks;
use super::disk::TestDisk;
use crate::config::{NodeConfig, ServerConfig};
use crate::ids::{ConnectionId, CorrelationId, DiskOpId, NodeId, Offset};
use crate::metadata::{MetadataDelta, MetadataImage, MetadataRecord};
use crate::protocol::{Request, Response};
use crate::raft::{Committed, Content, Raft, RoleName};
use crate::seam::{DiskOpKind, DiskResult, Effects, PeerError, TimerKey};
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const MS: u64 = 1_000_000;

/// Splitmix64.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub(super) struct Node {
    pub(super) config: NodeConfig,
    pub(super) raft: Option<Raft>,
    pub(super) disk: TestDisk,
    pub(super) image: MetadataImage,
    ids: IdCounters,
    life: u64,
    ops: VecDeque<(DiskOpId, DiskOpKind)>,
    open: BTreeSet<CorrelationId>,
    /// Marks seen in all lives.
    pub(super) marks: BTreeSet<&'static str>,
    pub(super) exited: bool,
}

impl Node {
    pub(super) fn raft(&self) -> &Raft {
        self.raft.as_ref().expect("the node is up")
    }
}

enum Event {
    Timer(usize, u64),
    DiskDone(usize, u64),
    Request {
        from: usize,
        from_life: u64,
        to: usize,
        id: CorrelationId,
        request: Request,
    },
    Response {
        to: usize,
        life: u64,
        from: usize,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    },
}

/// The world.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) voters: usize,
    pub(super) now: u64,
    pub(super) rng: Rng,
    /// Links cut, one-way.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// One message in this many is lost.
    pub(super) loss: Option<u64>,
    pub(super) checks: Checks,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    conns: BTreeMap<ConnectionId, (usize, u64, CorrelationId)>,
    pub(super) handled: u64,
    lives: u64,
    /// No spikes of latency.
    pub(super) calm: bool,
}

impl Cluster {
    /// With timeouts a tenth of Kafka's, so that a storm has many elections.
    pub(super) fn new(voters: usize, observers: usize, seed: u64, snapshot_bytes: i64) -> Self {
        let mut server = ServerConfig::kafka_defaults();
        server.quorum_election_timeout = Duration::from_millis(100);
        server.quorum_election_backoff_max = Duration::from_millis(100);
        server.quorum_fetch_timeout = Duration::from_millis(200);
        server.quorum_request_timeout = Duration::from_millis(600);
        server.quorum_retry_backoff = Duration::from_millis(5);
        server.metadata_log_max_record_bytes_between_snapshots = snapshot_bytes;
        Self::with(voters, observers, seed, &server)
    }

    pub(super) fn with(voters: usize, observers: usize, seed: u64, server: &ServerConfig) -> Self {
        let ids: Vec<NodeId> = (0..voters as i32).map(NodeId).collect();
        let nodes = (0..voters + observers)
            .map(|n| Node {
                config: NodeConfig {
                    node: NodeId(n as i32),
                    broker: n >= voters,
                    controller: n < voters,
                    voters: ids.clone(),
                    rack: None,
                    endpoint: None,
                    server: server.clone(),
                    limits: crate::BrokerLimits::default(),
                    features: crate::features::UNCHOSEN,
                    seed: 0,
                    incarnation: 0,
                    first_producer_epoch: 0,
                    plant: None,
                },
                raft: None,
                disk: TestDisk::default(),
                image: MetadataImage::default(),
                ids: IdCounters::default(),
                life: 0,
                ops: VecDeque::new(),
                open: BTreeSet::new(),
                marks: BTreeSet::new(),
                exited: false,
            })
            .collect();
        let mut cluster = Self {
            nodes,
            voters,
            now: 0,
            rng: Rng(seed),
            cut: BTreeSet::new(),
            loss: None,
            checks: Checks::new(voters),
            events: BTreeMap::new(),
            sequence: 0,
            conns: BTreeMap::new(),
            handled: 0,
            lives: 0,
            calm: false,
        };
        for n in 0..voters + observers {
            cluster.start(n);
        }
        cluster
    }

    /// Starts a node from its disk.
    pub(super) fn start(&mut self, n: usize) {
        assert!(self.nodes[n].raft.is_none(), "it is down");
        self.lives += 1;
        let seed = self.rng.next();
        let node = &mut self.nodes[n];
        node.life = self.lives;
        node.config.seed = seed;
        node.exited = false;
        node.image = MetadataImage::default();
        node.raft = Some(Raft::new(&node.config, &node.disk));
        self.checks.restarted(n, node.raft().high_watermark());
        self.act(n, Raft::on_start);
    }

    /// Stops a node at once; with `power`, what was not fsynced is gone.
    pub(super) fn crash(&mut self, n: usize, power: bool) {
        let node = &mut self.nodes[n];
        node.raft = None;
        node.life = 0;
        node.open.clear();
        let started: Vec<_> = node.ops.drain(..).collect();
        if power {
            node.disk.lose_power();
        } else {
            // the kernel finishes what the process has handed over
            for (_, kind) in started {
                node.disk.apply(kind);
            }
        }
    }

    pub(super) fn isolate(&mut self, n: usize) {
        for other in 0..self.nodes.len() {
            self.cut.insert((n, other));
            self.cut.insert((other, n));
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
        self.loss = None;
        for n in 0..self.nodes.len() {
            if self.nodes[n].raft.is_none() {
                self.start(n);
            }
        }
    }

    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |n: &usize| {
            self.nodes[*n].raft.as_ref().is_some_and(|raft| raft.role() == RoleName::Leader)
        };
        (0..self.voters).filter(leads).max_by_key(|n| self.nodes[*n].raft().epoch())
    }

    pub(super) fn propose(&mut self, n: usize, records: &[MetadataRecord]) -> Option<Offset> {
        let mut base = None;
        self.act(n, |raft, step| base = raft.propose(step, records));
        base
    }

    /// Steps a node and carries out what it wants.
    pub(super) fn act(&mut self, n: usize, act: impl FnOnce(&mut Raft, &mut Step<'_>)) {
        let now = Instant::from_nanos(self.now);
        let mut effects = Effects::default();
        let node = &mut self.nodes[n];
        let raft = node.raft.as_mut().expect("the node is up");
        let mut step = Step { now, wall_ms: 0, effects: &mut effects, ids: &mut node.ids };
        act(raft, &mut step);
        for committed in raft.take_committed(&mut step) {
            apply(&mut node.image, &committed);
            self.checks.committed(n, &committed, &node.image);
        }
        if raft.snapshot_due() {
            raft.create_snapshot(&mut step, &node.image);
        }
        self.carry_out(n, effects);
        self.checks.check(n, &self.nodes);
    }

    fn carry_out(&mut self, n: usize, effects: Effects) {
        let life = self.nodes[n].life;
        for event in &effects.trace {
            self.checks.traced(n, event);
            if let crate::seam::TraceEvent::Mark(mark) = event {
                self.nodes[n].marks.insert(mark);
            }
        }
        for op in effects.disk {
            self.nodes[n].ops.push_back((op.id, op.kind));
            let delay = self.disk_delay();
            self.schedule(delay, Event::DiskDone(n, life));
        }
        for (at, key) in effects.timers {
            assert_eq!(key, TimerKey::Raft);
            let delay = at.as_nanos().saturating_sub(self.now);
            self.schedule(delay, Event::Timer(n, life));
        }
        for send in effects.sends {
            self.nodes[n].open.insert(send.correlation);
            let to = send.to.0 as usize;
            let (id, request) = (send.correlation, send.request);
            let lost =
                Event::Response { to: n, life, from: to, id, result: Err(PeerError::TimedOut) };
            self.schedule(send.timeout.as_nanos(), lost);
            if !self.is_lost(n, to) {
                let delay = self.network_delay();
                self.schedule(delay, Event::Request { from: n, from_life: life, to, id, request });
            }
        }
        for reply in effects.replies {
            let (to, life, id) = self.conns.remove(&reply.conn).expect("each request has a conn");
            if !self.is_lost(n, to) {
                let result = Ok(reply.response.expect("Raft always answers"));
                let delay = self.network_delay();
                self.schedule(delay, Event::Response { to, life, from: n, id, result });
            }
        }
        if effects.exit.is_some() {
            self.nodes[n].exited = true;
            self.crash(n, false);
        }
    }

    fn is_lost(&mut self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to)) || self.loss.is_some_and(|n| self.rng.one_in(n))
    }

    fn disk_delay(&mut self) -> u64 {
        let spike = !self.calm && self.rng.one_in(50);
        if spike { self.rng.below(80 * MS) } else { self.rng.below(2 * MS) }
    }

    fn network_delay(&mut self) -> u64 {
        let spike = !self.calm && self.rng.one_in(100);
        if spike { self.rng.below(300 * MS) } else { self.rng.below(2 * MS) }
    }

    fn schedule(&mut self, delay: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    /// Runs until a time, in ms.
    pub(super) fn run_until(&mut self, until_ms: u64) {
        while self.step_before(until_ms * MS) {}
        self.now = until_ms * MS;
    }

    /// Runs until something holds, for at most so many ms; whether it does.
    pub(super) fn run_until_that(&mut self, within_ms: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + within_ms * MS;
        while !holds(self) {
            if !self.step_before(until) {
                return false;
            }
        }
        true
    }

    fn step_before(&mut self, until: u64) -> bool {
        match self.events.first_key_value() {
            Some(((at, _), _)) if *at < until => {}
            _ => return false,
        }
        let Some(((at, _), event)) = self.events.pop_first() else { return false };
        self.now = at;
        self.handled += 1;
        self.dispatch(event);
        true
    }

    fn is_alive(&self, n: usize, life: u64) -> bool {
        self.nodes[n].life == life && self.nodes[n].raft.is_some()
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Timer(n, life) if self.is_alive(n, life) => self.act(n, Raft::on_timer),
            Event::DiskDone(n, life) if self.is_alive(n, life) => {
                let (id, kind) = self.nodes[n].ops.pop_front().expect("one event per operation");
                let result: DiskResult = self.nodes[n].disk.apply(kind);
                self.act(n, |raft, step| raft.on_disk(step, id, result));
            }
            Event::Request { from, from_life, to, id, request } => {
                if self.nodes[to].raft.is_none() {
                    let result = Err(PeerError::Disconnected);
                    let delay = self.network_delay();
                    let refused =
                        Event::Response { to: from, life: from_life, from: to, id, result };
                    self.schedule(delay, refused);
                    return;
                }
                self.sequence += 1;
                let conn = ConnectionId(self.sequence);
                self.conns.insert(conn, (from, from_life, id));
                let reply_to = ReplyTo { conn, correlation: id };
                self.act(to, |raft, step| raft.on_request(step, reply_to, request));
            }
            Event::Response { to, life, from, id, result } if self.is_alive(to, life) => {
                if self.nodes[to].open.remove(&id) {
                    let from = NodeId(from as i32);
                    self.act(to, |raft, step| raft.on_response(step, from, id, result));
                }
            }
            Event::Timer(..) | Event::DiskDone(..) | Event::Response { .. } => {}
        }
    }
}

fn apply(image: &mut MetadataImage, committed: &Committed) {
    let delta = &mut MetadataDelta::default();
    match &committed.content {
        Content::Snapshot(snapshot) => image.replace(snapshot.as_ref().clone(), delta),
        Content::Records(records) => image
            .apply_batch(committed.last_offset, committed.epoch, records, delta)
            .expect("committed records apply"),
    }
    assert_eq!(image.offset(), committed.last_offset);
}
