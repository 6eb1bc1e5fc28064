//! Clients on their hosts: connections, busy time, and what becomes of their records.

use super::apps::AppClient;
use super::event::Event;
use super::node::Marks;
use super::payload::Payload;
use super::{End, World};
use crate::client::{
    Admin, COORDINATOR_IDS, ClientCx, ClientEffects, ClientInput, ClientSend, ClientTimer,
    Consumer, Operator, Outcome, Producer,
};
use crate::net::{ConnId, HostId, Side};
use crate::recorder::PathTaken;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stormglass_broker_core::ids::{ConnectionId, NodeId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_reports::recording::PathParts;

use super::execute::CLIENT_ID_LEN;

/// A client process.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) kind: ClientKind,
    pub(super) az: usize,
    pub(super) host: HostId,
    pub(super) life: u32,
    pub(super) running: bool,
    /// Its own time zero, ns: clients know no set-up time.
    pub(super) origin_ns: u64,
    conns: FxHashMap<NodeId, (ConnId, bool)>,
    busy_until_ns: u64,
    /// It has been stopped by a fault.
    is_paused: bool,
    /// When it was last acknowledged something, ns.
    pub(super) acked_at_ns: u64,
    inbox: VecDeque<ClientInput>,
    /// Path of the answer that is being handled.
    answered: Option<(u64, Option<Box<Marks>>)>,
}

/// What a client is.
#[derive(Debug)]
pub(super) enum ClientKind {
    /// Instance of a producer group.
    Producer { group: usize, machine: Producer },
    /// Member of a consumer group.
    Consumer { group: usize, machine: Consumer },
    /// Creates the topics.
    Admin(Admin),
    /// Does what an application under test asks of it.
    Application(Box<AppClient>),
    /// Asks for the changes that the plan has.
    Operator(Operator),
}

impl Client {
    pub(super) fn new(kind: ClientKind, az: usize, host: HostId, origin_ns: u64) -> Self {
        Self {
            kind,
            az,
            host,
            life: 0,
            running: true,
            origin_ns,
            conns: FxHashMap::default(),
            busy_until_ns: 0,
            is_paused: false,
            acked_at_ns: 0,
            inbox: VecDeque::new(),
            answered: None,
        }
    }

    /// The process is stopped until then; one that is not running has nothing to stop.
    pub(super) fn pause(&mut self, until_ns: u64) {
        if self.running {
            self.busy_until_ns = self.busy_until_ns.max(until_ns);
            self.is_paused = true;
        }
    }

    /// The process is gone, its connections with it.
    pub(super) fn stop(&mut self) {
        self.running = false;
        if std::mem::take(&mut self.is_paused) {
            self.busy_until_ns = 0;
        }
        self.life += 1;
        self.conns.clear();
        self.inbox.clear();
    }
}

impl World {
    /// Something happened to a client: handled now, or when it is no longer busy.
    pub(super) fn client_input(&mut self, client: u32, input: ClientInput) {
        let now = self.now;
        let at = &mut self.clients[client as usize];
        if !at.running {
            return;
        }
        if at.busy_until_ns > now || !at.inbox.is_empty() {
            let is_first = at.inbox.is_empty();
            at.inbox.push_back(input);
            if is_first {
                let (due, life) = (at.busy_until_ns.max(now), at.life);
                self.at(due, Event::ClientReady { client, life });
            }
            return;
        }
        self.step_client(client, input);
    }

    /// A client has worked off what it was busy with.
    pub(super) fn client_ready(&mut self, client: u32) {
        let now = self.now;
        while self.clients[client as usize].busy_until_ns <= now {
            let Some(input) = self.clients[client as usize].inbox.pop_front() else { return };
            self.step_client(client, input);
        }
        let at = &self.clients[client as usize];
        if !at.inbox.is_empty() {
            let (due, life) = (at.busy_until_ns, at.life);
            self.at(due, Event::ClientReady { client, life });
        }
    }

    fn step_client(&mut self, client: u32, input: ClientInput) {
        let now = self.now;
        let mut effects = self.client_effects.take().unwrap_or_default();
        let at = &mut self.clients[client as usize];
        at.forget_other_marks(&input);
        let now_ns = now - at.origin_ns;
        let wall_ms = super::wall_ms(now);
        let shared = &mut self.shared;
        let mut cx = ClientCx { now_ns, wall_ms, shared, effects: &mut effects };
        match &mut at.kind {
            ClientKind::Producer { machine, .. } => machine.step(input, &mut cx),
            ClientKind::Consumer { machine, .. } => machine.step(input, &mut cx),
            ClientKind::Admin(machine) => step_admin(machine, input, &mut cx),
            ClientKind::Application(client) => client.step(input, &mut cx),
            ClientKind::Operator(machine) => step_operator(machine, input, &mut cx),
        }
        self.client_did(client, &mut effects);
        self.clients[client as usize].answered = None;
        self.client_effects = Some(effects);
    }

    fn client_did(&mut self, client: u32, effects: &mut ClientEffects) {
        let now = self.now;
        let at = &mut self.clients[client as usize];
        let (origin, life) = (at.origin_ns, at.life);
        at.busy_until_ns = at.busy_until_ns.max(now) + std::mem::take(&mut effects.cpu_ns);
        let leaves = at.busy_until_ns;
        if !effects.closes.is_empty() || !effects.connects.is_empty() {
            self.change_connections(client, effects);
        }
        for (at_ns, timer) in effects.timers.drain(..) {
            if at_ns != u64::MAX {
                let due = at_ns.saturating_add(origin).max(now);
                self.at(due, Event::Client { client, life, timer });
            }
        }
        for send in effects.sends.drain(..) {
            self.send_from_client(client, send, leaves);
        }
        for mark in effects.marks.drain(..) {
            self.marks.hit(mark);
        }
        for outcome in &mut effects.outcomes {
            self.client_outcome(client, outcome);
        }
        effects.outcomes.clear();
    }

    #[cold]
    fn change_connections(&mut self, client: u32, effects: &mut ClientEffects) {
        for node in effects.closes.drain(..) {
            if let Some((conn, _)) = self.clients[client as usize].conns.remove(&node) {
                self.net_close(conn, Side::Client);
            }
        }
        for node in effects.connects.drain(..) {
            self.connect_client(client, node);
        }
    }

    /// A client ends all its connections.
    #[cold]
    pub(super) fn close_connections(&mut self, client: u32) {
        let conns = &self.clients[client as usize].conns;
        let mut open: Vec<(NodeId, ConnId)> =
            conns.iter().map(|(node, at)| (*node, at.0)).collect();
        open.sort_unstable_by_key(|(node, _)| *node);
        for (_, conn) in open {
            self.net_close(conn, Side::Client);
        }
    }

    fn connect_client(&mut self, client: u32, node: NodeId) {
        // a second connection to a broker that coordinates a group
        let broker = match node.0 > COORDINATOR_IDS / 2 {
            true => NodeId(COORDINATOR_IDS - node.0),
            false => node,
        };
        let Some(&to) = self.node_index.get(&broker) else { return };
        let (from, to) = (self.clients[client as usize].host, self.nodes[to as usize].host);
        let conn = self.net_connect(from, to, End::Client { client, node });
        self.clients[client as usize].conns.insert(node, (conn, false));
    }

    /// A request leaves a client when it has worked on it.
    fn send_from_client(&mut self, client: u32, send: ClientSend, leaves_ns: u64) {
        let Some((conn, true)) = self.clients[client as usize].conns.get(&send.node).copied()
        else {
            return; // closed in the same step; the client knows
        };
        if self.wire.is_some() {
            self.through_wire(ConnectionId(conn.as_u64()), send.correlation, &send.request);
        }
        let bytes = send.request.wire_size(CLIENT_ID_LEN);
        if let Request::Produce(_) | Request::TransactionalProduce(_) = send.request {
            self.note_produce_transfer(client, send.node, bytes);
        }
        let (correlation, request, sent_ns) = (send.correlation, send.request, leaves_ns);
        let payload = Payload::Request { correlation, request, sent_ns };
        self.net_send((conn, Side::Client), leaves_ns, bytes, payload);
    }

    pub(super) fn client_connected(&mut self, client: u32, node: NodeId, conn: ConnId) {
        let at = &mut self.clients[client as usize];
        if let Some(known) = at.conns.get_mut(&node).filter(|known| known.0 == conn) {
            known.1 = true;
            self.client_input(client, ClientInput::Connected { node });
        }
    }

    pub(super) fn client_lost(&mut self, client: u32, node: NodeId, conn: ConnId) {
        let at = &mut self.clients[client as usize];
        let Some((_, connected)) = at.conns.get(&node).copied().filter(|known| known.0 == conn)
        else {
            return;
        };
        at.conns.remove(&node);
        let input = if connected {
            ClientInput::Disconnected { node }
        } else {
            ClientInput::ConnectFailed { node }
        };
        self.client_input(client, input);
    }

    /// An answer arrived at a client.
    pub(super) fn client_answered(
        &mut self,
        client: u32,
        node: NodeId,
        correlation: u64,
        response: Response,
        marks: Option<Box<Marks>>,
    ) {
        let at = &mut self.clients[client as usize];
        at.answered = Some((correlation, marks));
        self.client_input(client, ClientInput::Response { node, correlation, response });
    }

    /// A client's timer.
    pub(super) fn client_timer(&mut self, client: u32, timer: ClientTimer) {
        self.client_input(client, ClientInput::Timer(timer));
    }

    fn client_outcome(&mut self, client: u32, outcome: &mut Outcome) {
        let now = self.now.saturating_sub(self.origin_ns);
        match &self.clients[client as usize].kind {
            ClientKind::Producer { group, .. } => {
                let group = *group;
                self.sample_path(client, group, outcome);
                self.checkers.produced(now, group, outcome);
                self.recorder.produced(group, outcome);
                if let Outcome::Acked(_) = outcome {
                    self.clients[client as usize].acked_at_ns = self.now;
                }
                if let Outcome::Acked(done) | Outcome::Failed(done, _) = outcome {
                    self.shared.recycle(std::mem::take(&mut done.records));
                }
            }
            ClientKind::Consumer { group, .. } => {
                let group = *group;
                self.lags.note(group, outcome);
                self.checkers.consumed(now, group, outcome);
                self.recorder.delivered(group, outcome);
            }
            ClientKind::Admin(_) => {
                if let Outcome::TopicsReady(topics) = outcome {
                    self.topics_ready(std::mem::take(topics));
                }
            }
            ClientKind::Application(_) => self.application_outcome(client, outcome),
            ClientKind::Operator(_) => {}
        }
    }

    /// Splits an acknowledged batch's latency over the stations that its request passed.
    fn sample_path(&mut self, client: u32, group: usize, outcome: &Outcome) {
        let Outcome::Acked(done) = outcome else { return };
        let at = &self.clients[client as usize];
        let Some((correlation, Some(marks))) = &at.answered else { return };
        if *correlation != done.correlation || done.records.is_empty() || marks.sent == 0 {
            return;
        }
        let origin = at.origin_ns;
        let intended = done.records[0].intended_ns + origin;
        let acked = done.done_ns + origin;
        // an answer may be there before the thread is done with what else it does for the request
        let begun = marks.handler_start.min(acked);
        let worked = marks.handler_finish.clamp(begun, acked);
        let disk_ns = marks.disk_wait.min(worked - begun);
        let network_cpu = marks.network_finish.saturating_sub(marks.network_start);
        let handler_cpu = worked - begun - disk_ns;
        let answered = marks.answered.clamp(worked, acked);
        let parts = PathParts {
            client_queue_ns: marks.sent.saturating_sub(intended),
            network_ns: marks.arrived.saturating_sub(marks.sent),
            purgatory_ns: marks.unmuted.saturating_sub(marks.arrived),
            cpu_queue_ns: marks.network_start.saturating_sub(marks.unmuted)
                + begun.saturating_sub(marks.network_finish),
            cpu_ns: network_cpu + handler_cpu,
            disk_ns,
            replication_ns: answered - worked,
            response_ns: acked.saturating_sub(answered),
        };
        debug_assert_eq!(parts.total_ns(), acked - intended, "the parts add up: {marks:?}");
        let broker = done.broker.0;
        self.recorder.path(PathTaken {
            at_ns: intended - self.origin_ns,
            phase: self.phase_at(intended - self.origin_ns),
            group,
            broker,
            parts,
        });
    }

    fn note_produce_transfer(&mut self, client: u32, node: NodeId, bytes: u64) {
        let az = self.clients[client as usize].az;
        let Some(&to) = self.node_index.get(&node) else { return };
        if self.nodes[to as usize].az != az {
            let now = self.now - self.origin_ns;
            self.recorder.transfer(now, super::Transfer::Produce, bytes);
        }
    }
}

#[cold]
fn step_operator(machine: &mut Operator, input: ClientInput, cx: &mut ClientCx<'_>) {
    machine.step(input, cx);
}

#[cold]
fn step_admin(machine: &mut Admin, input: ClientInput, cx: &mut ClientCx<'_>) {
    machine.step(input, cx);
}

impl Client {
    /// Inputs that waited lost the marks of their answer: only one handled at once is sampled.
    fn forget_other_marks(&mut self, input: &ClientInput) {
        if let (ClientInput::Response { correlation, .. }, Some((sampled, _))) =
            (input, &self.answered)
            && correlation != sampled
        {
            self.answered = None;
        }
    }
}
