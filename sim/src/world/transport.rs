//! Between the network's tokens and the messages of nodes and clients.

use super::event::Event;
use super::node::{Accepted, Arrived, Marks};
use super::payload::Payload;
use super::{End, Transfer, World};
use crate::kernel::EventQueue;
use crate::net::{ConnId, HostId, NetEvent, NetOut, Network, Schedule, Side, Windows};
use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
use stormglass_broker_core::protocol::{EndTxnRequest, Request, TransactionRules};
use stormglass_broker_core::seam::{Input, PeerError};

/// The queue as the network sees it.
pub(super) struct Sched<'a>(&'a mut EventQueue<Event>);

impl Schedule for Sched<'_> {
    fn at(&mut self, at_ns: u64, event: NetEvent) {
        let event = Event::Net(event);
        self.0.push(at_ns, event.class(), event);
    }
}

impl World {
    pub(super) fn net_connect(&mut self, from: HostId, to: HostId, end: End) -> ConnId {
        let windows = Windows::default();
        let conn = self.net.connect(self.now, (from, to), windows, &mut Sched(&mut self.queue));
        self.conns.insert(ConnectionId(conn.as_u64()), end);
        conn
    }

    /// Sends a message that leaves its process at `leaves_ns`.
    pub(super) fn net_send(
        &mut self,
        (conn, from): (ConnId, Side),
        leaves_ns: u64,
        bytes: u64,
        payload: Payload,
    ) {
        let token = self.payloads.insert(payload);
        let hold_ns = leaves_ns - self.now;
        let message = (bytes, u64::from(token));
        if !self.net.send(self.now, (conn, from), message, hold_ns) {
            self.payloads.take(token);
        }
    }

    pub(super) fn net_close(&mut self, conn: ConnId, side: Side) {
        let mut out = std::mem::take(&mut self.net_out);
        self.net.close(self.now, (conn, side), &mut out);
        self.network_did(&mut out);
        self.net_out = out;
    }

    pub(super) fn network_event(&mut self, event: NetEvent) {
        let mut out = std::mem::take(&mut self.net_out);
        self.net.on_event(self.now, event, &mut Sched(&mut self.queue), &mut out);
        self.network_did(&mut out);
        self.net_out = out;
    }

    /// Ends an event for the network: what was sent during it gets its events.
    pub(super) fn flush_network(&mut self) {
        self.net.flush(self.now, &mut Sched(&mut self.queue));
    }

    /// Runs a change of the network and deals with what comes of it.
    pub(super) fn with_net(
        &mut self,
        change: impl FnOnce(&mut Network, u64, &mut Sched<'_>, &mut Vec<NetOut>),
    ) {
        let mut out = Vec::new();
        change(&mut self.net, self.now, &mut Sched(&mut self.queue), &mut out);
        self.network_did(&mut out);
    }

    fn network_did(&mut self, out: &mut Vec<NetOut>) {
        for what in out.drain(..) {
            match what {
                NetOut::Delivered { conn, to, token, bytes, .. } => {
                    self.delivered(conn, to, token, bytes);
                }
                rare => self.connection_changed(rare),
            }
        }
    }

    #[cold]
    fn connection_changed(&mut self, what: NetOut) {
        match what {
            NetOut::Accepted { conn, from, to } => self.accepted(conn, from, to),
            NetOut::Connected { conn } => match self.end_of(conn) {
                Some(End::Client { client, node }) => self.client_connected(client, node, conn),
                Some(End::Peer { node, link }) => self.peer_connected(node, link, conn),
                Some(End::Storage { node }) => self.storage_connected(node, conn, true),
                None => {}
            },
            NetOut::ConnectFailed { conn, .. } => {
                self.opener_lost(conn);
                self.conns.remove(ConnectionId(conn.as_u64()));
            }
            NetOut::Closed { conn, side: Side::Client } => self.opener_lost(conn),
            NetOut::Closed { conn, side: Side::Server } => self.acceptor_lost(conn),
            NetOut::Dropped { token } => {
                self.payloads.take(token_key(token));
            }
            NetOut::Delivered { conn, to, token, bytes, .. } => {
                self.delivered(conn, to, token, bytes);
            }
        }
    }

    fn peer_connected(&mut self, node: u16, link: u32, conn: ConnId) {
        let at = &self.nodes[node as usize];
        if at.links.get(link as usize).is_some_and(|l| l.conn == Some(conn)) {
            self.link_connected(node, link);
        }
    }

    fn accepted(&mut self, conn: ConnId, from: HostId, to: HostId) {
        let id = ConnectionId(conn.as_u64());
        let from_az = self.az_of_host(from);
        let now = self.now;
        let is_client = self.conns.get(id).is_some_and(|end| end.is_client());
        let tls = if is_client { self.tls_client } else { self.tls_in_cluster };
        let Some(index) = self.nodes.iter().position(|n| n.host == to) else { return };
        let node = &mut self.nodes[index];
        let demand = node.profile.connection_ns(tls);
        node.tally.network_ns += demand;
        node.cpu.submit(now, crate::cpu::Pool::Network, demand);
        let accepted = Accepted {
            conn,
            is_client,
            tls,
            crosses_az: node.az != from_az,
            inbox: std::collections::VecDeque::new(),
            busy: false,
            ends: false,
            marks: Marks::default(),
            muted_until_ns: now,
        };
        node.accepted.insert(id, accepted);
        if self.has_client_quotas && is_client {
            self.tell_client(u16::try_from(index).unwrap_or(u16::MAX), id);
        }
    }

    fn az_of_host(&self, host: HostId) -> usize {
        let node = self.nodes.iter().find(|n| n.host == host).map(|n| n.az);
        node.or_else(|| self.clients.iter().find(|c| c.host == host).map(|c| c.az)).unwrap_or(0)
    }

    /// The side that connected learns that the connection is gone.
    fn opener_lost(&mut self, conn: ConnId) {
        self.forget_calls(ConnectionId(conn.as_u64()));
        match self.conns.remove(ConnectionId(conn.as_u64())) {
            Some(End::Client { client, node }) => self.client_lost(client, node, conn),
            Some(End::Peer { node, link }) => {
                let at = &self.nodes[node as usize];
                if at.links.get(link as usize).is_some_and(|l| l.conn == Some(conn)) {
                    self.fail_link(node, link, PeerError::Disconnected);
                }
            }
            Some(End::Storage { node }) => self.storage_connected(node, conn, false),
            None => {}
        }
    }

    /// The side that accepted learns it.
    fn acceptor_lost(&mut self, conn: ConnId) {
        let id = ConnectionId(conn.as_u64());
        let owner = self.nodes.iter().position(|n| n.accepted.contains(id));
        let Some(index) = owner else { return };
        self.nodes[index].accepted.remove(id);
        let node = u16::try_from(index).unwrap_or(u16::MAX);
        if self.nodes[index].is_up() {
            self.step_node(node, Input::ConnectionClosed(id), None);
        }
    }

    /// A broker ends a connection; what came on it and was not read is dropped.
    pub(super) fn hang_up(&mut self, node: u16, conn: ConnectionId) {
        let Some(accepted) = self.nodes[node as usize].accepted.get(conn) else { return };
        let net = accepted.conn;
        self.net_close(net, Side::Server);
        self.acceptor_lost(net);
    }

    fn delivered(&mut self, conn: ConnId, to: Side, token: u64, bytes: u64) {
        let Some(payload) = self.payloads.take(token_key(token)) else { return };
        match (payload, to) {
            (Payload::Request { correlation, request, sent_ns }, Side::Server) => {
                let Some(index) = self.acceptor(conn, &request) else { return };
                let arrived_ns = self.now;
                let arrived = Arrived { correlation, request, bytes, sent_ns, arrived_ns };
                self.request_arrived(index, ConnectionId(conn.as_u64()), arrived);
            }
            (Payload::Response { correlation, response, marks }, Side::Client) => {
                match self.end_of(conn) {
                    Some(End::Client { client, node }) => {
                        self.client_answered(client, node, correlation, response, marks);
                    }
                    Some(End::Peer { node, link }) => {
                        self.link_answered(node, link, CorrelationId(correlation), response);
                    }
                    Some(End::Storage { .. }) | None => {}
                }
            }
            (Payload::Storage(message), Side::Server) => self.storage_asked(conn, message),
            (Payload::Storage(message), Side::Client) => self.storage_answered(conn, message),
            (Payload::Request { .. }, Side::Client) | (Payload::Response { .. }, Side::Server) => {
                debug_assert!(false, "requests go to servers, answers to clients");
            }
        }
    }

    /// The node that a request is for. One that comes together with the end of its connection, as its client has given
    /// it up, is lost; but not the end of a transaction with an epoch of its own, which Kafka's coordinators carry out
    /// whenever it comes (KAFKA-17754).
    fn acceptor(&self, conn: ConnId, request: &Request) -> Option<u16> {
        if let Some((_, host)) = self.net.hosts_of(conn) {
            return self.host_node.get(host.0 as usize).copied().flatten();
        }
        let is_end = |asked: &EndTxnRequest| asked.rules == TransactionRules::EpochEach;
        if !matches!(request, Request::EndTxn(asked) if is_end(asked)) {
            return None;
        }
        let id = ConnectionId(conn.as_u64());
        let index = self.nodes.iter().position(|node| node.accepted.contains(id))?;
        u16::try_from(index).ok()
    }

    /// Bytes that an answer takes across AZs, for the bill.
    pub(super) fn note_answer_transfer(&mut self, to_client: bool, bytes: u64) {
        if self.origin_ns != u64::MAX {
            let kind = if to_client { Transfer::Consume } else { Transfer::Replication };
            self.recorder.transfer(self.now - self.origin_ns, kind, bytes);
        }
    }
}

fn token_key(token: u64) -> u32 {
    u32::try_from(token).unwrap_or(u32::MAX)
}
