//! The network's state and its commands. How messages travel is in `delivery`, how connections
//! open in `handshake`, what faults do in `faults`.

use super::config::NetConfig;
use super::conn::{Conn, ConnId, Msg, MsgKind, Pipe, Side, State, Status, Windows};
use super::egress::Marks;
use super::event::{Kind, NetEvent, NetOut, Schedule};
use super::host::{Host, HostCounters, HostId, HostSpec};
use super::latency::Sampler;
use super::link::{Link, LinkRule, Passage};
use crate::rng::Streams;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::Quantiles;

/// Bytes of a packet without payload, Ethernet to TCP options.
const CONTROL_BYTES: u64 = 66;

/// A rule in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(super) u32);

/// All hosts, links and connections. Payloads stay with the caller, who names them by tokens.
#[derive(Debug)]
pub struct Network {
    pub(super) config: NetConfig,
    /// Latencies within an AZ, and between AZs.
    samplers: [Sampler; 2],
    streams: Streams,
    pub(super) hosts: Vec<Host>,
    pub(super) links: Vec<Link>,
    link_index: FxHashMap<(HostId, HostId), u32>,
    pub(super) conns: Vec<Conn>,
    /// Two per connection: what the client sends, then what the server sends.
    pub(super) pipes: Pipes,
    free: Vec<u32>,
    pub(super) rules: BTreeMap<RuleId, LinkRule>,
    next_rule: u32,
    /// Directions that got a first message since the last [`Self::flush`], with their epochs.
    started: Vec<(ConnId, Side, u32)>,
}

/// All directions, apart from the hosts so that both can be borrowed.
#[derive(Debug, Default)]
pub(super) struct Pipes(pub(super) Vec<Pipe>);

impl Marks for Pipes {
    fn through(&mut self, pipe: u32, at_ns: u64) -> u64 {
        self.0[pipe as usize].next_through(at_ns)
    }
}

impl Network {
    /// A network without hosts.
    #[must_use]
    pub fn new(config: NetConfig, streams: Streams) -> Self {
        Self {
            samplers: [Sampler::new(&config.same_az), Sampler::new(&config.cross_az)],
            config,
            streams,
            hosts: Vec::new(),
            links: Vec::new(),
            link_index: FxHashMap::default(),
            conns: Vec::new(),
            pipes: Pipes::default(),
            free: Vec::new(),
            rules: BTreeMap::new(),
            next_rule: 0,
            started: Vec::new(),
        }
    }

    /// Adds a host that has power and listens to nothing.
    pub fn add_host(&mut self, spec: HostSpec) -> HostId {
        let id = HostId(u32::try_from(self.hosts.len()).expect("fewer than 2^32 hosts"));
        self.hosts.push(Host::new(spec));
        id
    }

    /// A process on `host` accepts connections, or no longer does.
    pub fn listen(&mut self, host: HostId, on: bool) {
        let host = &mut self.hosts[host.0 as usize];
        assert!(host.powered || !on, "nothing runs without power");
        host.listening = on;
    }

    /// Sends a message of `bytes` as soon as its process has worked for `hold_ns` on it. That time
    /// counts as latency: a message held back needs no event of its own. `false`: the connection
    /// is closed, refused or not yet open, and the token is the caller's again.
    #[must_use = "a token that was not taken must be freed"]
    pub fn send(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        (bytes, token): (u64, u64),
        hold_ns: u64,
    ) -> bool {
        let Some(slot) = self.conn(conn) else { return false };
        if slot.state != State::Open || slot.gone[from.index()] {
            return false;
        }
        let wire_bytes = self.config.wire_bytes(bytes).max(CONTROL_BYTES);
        let msg = (MsgKind::Data { token, bytes }, wire_bytes, hold_ns);
        self.enqueue(now_ns, (conn, from), msg);
        true
    }

    /// `side` closes: what it has sent still arrives, then the other side learns. What was under
    /// way to it is dropped. Closing a connection that is gone does nothing.
    pub fn close(&mut self, now_ns: u64, (conn, side): (ConnId, Side), out: &mut Vec<NetOut>) {
        let Some(slot) = self.conn(conn) else { return };
        let opening = slot.state != State::Open;
        if opening || slot.gone[side.other().index()] {
            self.free_conn(conn, out);
        } else if !slot.gone[side.index()] {
            self.conns[conn.index as usize].gone[side.index()] = true;
            self.drop_pipe(now_ns, (conn, side.other()), out);
            self.enqueue(now_ns, (conn, side), (MsgKind::Fin, CONTROL_BYTES, 0));
        }
    }

    /// Whether `side` may send.
    #[must_use]
    pub fn is_open(&self, conn: ConnId, side: Side) -> bool {
        self.conn(conn).is_some_and(|c| c.state == State::Open && !c.gone[side.index()])
    }

    /// Hosts of client and server; `None` when the connection is gone.
    #[must_use]
    pub fn hosts_of(&self, conn: ConnId) -> Option<(HostId, HostId)> {
        self.conn(conn).map(|slot| (slot.hosts[0], slot.hosts[1]))
    }

    /// Number of connections that are open or opening.
    #[must_use]
    pub fn conn_count(&self) -> usize {
        self.conns.len() - self.free.len()
    }

    /// Counters of a host since it was last asked.
    pub fn take_counters(&mut self, now_ns: u64, host: HostId) -> HostCounters {
        self.advance(now_ns, host);
        self.hosts[host.0 as usize].take_counters(now_ns)
    }

    /// Bytes sent between hosts of different AZs since it was last asked, headers included, in the
    /// order in which the pairs first met.
    pub fn take_cross_az_bytes(&mut self) -> Vec<(HostId, HostId, u64)> {
        let links = self.links.iter_mut().filter(|link| link.is_cross_az() && link.bytes > 0);
        links.map(|link| (link.from, link.to, std::mem::take(&mut link.bytes))).collect()
    }

    /// Typical round-trip time between two hosts, ns.
    pub fn typical_rtt_ns(&mut self, from: HostId, to: HostId) -> u64 {
        let (there, back) = (self.link_between(from, to), self.link_between(to, from));
        self.links[there as usize].typical_ns() + self.links[back as usize].typical_ns()
    }

    /// The connection's slot while it lives.
    pub(super) fn conn(&self, id: ConnId) -> Option<&Conn> {
        let slot = &self.conns[id.index as usize];
        (slot.generation == id.generation && slot.state != State::Free).then_some(slot)
    }

    pub(super) fn new_conn(&mut self, hosts: [HostId; 2], state: State) -> ConnId {
        let gone = [false; 2];
        let Some(index) = self.free.pop() else {
            let index = u32::try_from(self.conns.len()).expect("fewer than 2^32 connections");
            assert!(index < u32::MAX / 2, "two directions each are numbered by 32 bits");
            self.conns.push(Conn { generation: 0, state, hosts, gone });
            self.pipes.0.extend([Pipe::new(), Pipe::new()]);
            return ConnId { index, generation: 0 };
        };
        let slot = &mut self.conns[index as usize];
        let generation = slot.generation + 1;
        *slot = Conn { generation, state, hosts, gone };
        ConnId { index, generation }
    }

    /// Ends a connection at once and drops what is under way.
    pub(super) fn free_conn(&mut self, conn: ConnId, out: &mut Vec<NetOut>) {
        for side in [Side::Client, Side::Server] {
            let host = self.host_of(conn, side);
            let pipe = pipe_index(conn, side);
            self.hosts[host.0 as usize].egress.remove(pipe);
            let tokens = self.pipes.0[pipe as usize].drop_all();
            out.extend(tokens.map(|token| NetOut::Dropped { token }));
        }
        self.conns[conn.index as usize].state = State::Free;
        self.free.push(conn.index);
    }

    /// Drops what is under way in one direction.
    pub(super) fn drop_pipe(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        out: &mut Vec<NetOut>,
    ) {
        let host = self.host_of(conn, from);
        self.advance(now_ns, host);
        let pipe = pipe_index(conn, from);
        self.hosts[host.0 as usize].egress.remove(pipe);
        let tokens = self.pipes.0[pipe as usize].drop_all();
        out.extend(tokens.map(|token| NetOut::Dropped { token }));
    }

    /// Puts a message at the end of a direction.
    pub(super) fn enqueue(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        (kind, wire_bytes, hold_ns): (MsgKind, u64, u64),
    ) {
        let index = pipe_index(conn, from);
        let latency_ns = hold_ns + self.draw_latency((conn, from), wire_bytes);
        let msg = Msg { kind, sent_at_ns: now_ns, wire_bytes, latency_ns, through_ns: u64::MAX };
        let pipe = &self.pipes.0[index as usize];
        let (sender, loopback, status) = (pipe.sender, pipe.is_loopback(), pipe.status);
        let moving = matches!(status, Status::Idle | Status::Due);
        if moving && !loopback {
            // The fluid runs up to now before the message joins it.
            self.advance(now_ns, sender);
        }
        let pipe = &mut self.pipes.0[index as usize];
        pipe.queue.push_back(msg);
        if !moving {
            return;
        }
        self.links[pipe.link as usize].bytes += wire_bytes;
        if loopback {
            pipe.next_through(now_ns);
        } else {
            self.hosts[sender.0 as usize].egress.push(index, pipe.cap, msg.units());
        }
        if status == Status::Idle {
            pipe.status = Status::Due;
            self.started.push((conn, from, pipe.epoch));
        }
    }

    /// Schedules the arrivals of what was sent. To be called after each event, so that messages
    /// sent at one time share a NIC before they are forecast: none of them is looked at too early.
    pub fn flush(&mut self, now_ns: u64, sched: &mut impl Schedule) {
        for at in 0..self.started.len() {
            let (conn, from, epoch) = self.started[at];
            let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
            if pipe.epoch == epoch && pipe.status == Status::Due {
                self.schedule_head(now_ns, (conn, from), sched);
            }
        }
        self.started.clear();
    }

    /// Schedules the arrival of a direction's first message. The sending NIC is at `now_ns`.
    pub(super) fn schedule_head(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        sched: &mut impl Schedule,
    ) {
        let index = pipe_index(conn, from);
        let pipe = &mut self.pipes.0[index as usize];
        let head = pipe.queue.front().expect("a direction with a first message");
        let through_ns = if pipe.through > 0 {
            head.through_ns
        } else {
            self.hosts[pipe.sender.0 as usize].egress.forecast(index)
        };
        pipe.status = Status::Due;
        let event = NetEvent { conn, epoch: pipe.epoch, kind: Kind::Arrive(from) };
        sched.at(now_ns.max(through_ns + head.latency_ns), event);
    }

    /// Lets a sending NIC run until now.
    pub(super) fn advance(&mut self, now_ns: u64, host: HostId) {
        self.hosts[host.0 as usize].egress.advance(now_ns, &mut self.pipes);
    }

    pub(super) fn host_of(&self, conn: ConnId, side: Side) -> HostId {
        self.conns[conn.index as usize].hosts[side.index()]
    }

    /// The link from one host to another; made when first asked for.
    pub(super) fn link_between(&mut self, from: HostId, to: HostId) -> u32 {
        if let Some(&index) = self.link_index.get(&(from, to)) {
            return index;
        }
        let az = |host: HostId| self.hosts[host.0 as usize].spec.az;
        let ends = ((from, az(from)), (to, az(to)));
        let quantiles = quantiles(&self.config, az(from) != az(to));
        let mut link = Link::new(ends.0, ends.1, quantiles, self.config.loopback_ns, &self.streams);
        link.set_rules(self.rules.values());
        let index = u32::try_from(self.links.len()).expect("fewer than 2^32 links");
        self.links.push(link);
        self.link_index.insert((from, to), index);
        index
    }

    /// Sets a direction's link, window and cap when the connection begins.
    pub(super) fn set_pipe(&mut self, (conn, from): (ConnId, Side), window_bytes: Option<u64>) {
        let (host, peer) = (self.host_of(conn, from), self.host_of(conn, from.other()));
        let link = self.link_between(host, peer);
        let pipe = &mut self.pipes.0[pipe_index(conn, from) as usize];
        (pipe.link, pipe.sender, pipe.receiver) = (link, host, peer);
        pipe.window_bytes = window_bytes.unwrap_or(self.config.window_bytes);
        pipe.previous_through_ns = 0;
        let cap = self.flow_cap((conn, from));
        self.pipes.0[pipe_index(conn, from) as usize].cap = cap;
    }

    /// The highest rate of a direction, bytes per second.
    pub(super) fn flow_cap(&mut self, (conn, from): (ConnId, Side)) -> u64 {
        let (host, peer) = (self.host_of(conn, from), self.host_of(conn, from.other()));
        let rtt_ns = self.typical_rtt_ns(host, peer).max(1);
        let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
        let window_rate = u128::from(pipe.window_bytes) * 1_000_000_000 / u128::from(rtt_ns);
        let caps = [
            u64::try_from(window_rate).unwrap_or(u64::MAX),
            self.links[pipe.link as usize].loss_cap(self.config.mss_bytes, rtt_ns),
            self.hosts[host.0 as usize].spec.flow_cap_bytes_per_sec,
            self.hosts[peer.0 as usize].spec.flow_cap_bytes_per_sec,
        ];
        caps.into_iter().min().unwrap_or(u64::MAX).max(1)
    }

    pub(super) fn draw_latency(&mut self, (conn, from): (ConnId, Side), wire_bytes: u64) -> u64 {
        let index = self.pipes.0[pipe_index(conn, from) as usize].link as usize;
        let link = &mut self.links[index];
        let latency_ns = link.latency_ns(&self.samplers[usize::from(link.is_cross_az())]);
        if !link.is_lossy() {
            return latency_ns;
        }
        let packets = wire_bytes.div_ceil(self.config.mss_bytes);
        let (rtt_ns, rto_min_ns) = (2 * link.typical_ns(), self.config.rto_min_ns);
        latency_ns + link.loss_delay_ns(Passage { packets, rtt_ns, rto_min_ns })
    }

    pub(super) fn next_rule_id(&mut self) -> RuleId {
        self.next_rule += 1;
        RuleId(self.next_rule)
    }

    /// Sets up both directions of a new connection.
    pub(super) fn set_windows(&mut self, conn: ConnId, windows: Windows) {
        self.set_pipe((conn, Side::Client), windows.to_server);
        self.set_pipe((conn, Side::Server), windows.to_client);
    }
}

/// The number of a direction.
pub(super) fn pipe_index(conn: ConnId, from: Side) -> u32 {
    conn.index * 2 + u32::from(from == Side::Server)
}

fn quantiles(config: &NetConfig, cross_az: bool) -> &Quantiles {
    if cross_az { &config.cross_az } else { &config.same_az }
}

/// The wire size of control messages, for the handshake.
pub(super) const OPEN_BYTES: u64 = CONTROL_BYTES;
