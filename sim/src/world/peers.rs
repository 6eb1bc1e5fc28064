//! A node's connections to its peers: set up on demand, requests in order, time-outs.

use super::event::Event;
use super::node::{Job, Link, Node};
use super::payload::Payload;
use super::{End, World};
use crate::net::Side;
use std::collections::VecDeque;
use stormglass_broker_core::ids::{CorrelationId, NodeId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::{Channel, PeerError};

use super::execute::CLIENT_ID_LEN;

impl World {
    /// The link of a node to a peer, made when absent.
    pub(super) fn link(&mut self, node: u16, peer: NodeId, channel: Channel) -> u32 {
        let at = &mut self.nodes[node as usize];
        if let Some(link) = at.link_index.get(&(peer, channel)) {
            return *link;
        }
        let link = u32::try_from(at.links.len()).expect("a node has few links");
        at.links.push(Link {
            peer,
            channel,
            conn: None,
            connected: false,
            unsent: VecDeque::new(),
            open: VecDeque::new(),
            timer_at: None,
        });
        at.link_index.insert((peer, channel), link);
        link
    }

    /// A request to a peer leaves, or waits for the connection.
    pub(super) fn send_to_peer(
        &mut self,
        node: u16,
        link: u32,
        correlation: CorrelationId,
        request: Request,
        (leaves_ns, timeout_ns): (u64, u64),
    ) {
        let deadline = leaves_ns + timeout_ns;
        let at = &mut self.nodes[node as usize];
        let state = &mut at.links[link as usize];
        state.open.push_back((correlation, deadline));
        let peer = state.peer;
        if state.connected {
            self.send_on_link(node, link, leaves_ns, correlation, request);
        } else {
            state.unsent.push_back((correlation, request));
            if state.conn.is_none() {
                self.connect_link(node, link, peer);
            }
        }
        self.arm_link(node, link);
    }

    fn connect_link(&mut self, node: u16, link: u32, peer: NodeId) {
        let Some(&to) = self.node_index.get(&peer) else { return };
        let (from, to) = (self.nodes[node as usize].host, self.nodes[to as usize].host);
        let conn = self.net_connect(from, to, End::Peer { node, link });
        self.nodes[node as usize].links[link as usize].conn = Some(conn);
    }

    fn send_on_link(
        &mut self,
        node: u16,
        link: u32,
        leaves_ns: u64,
        correlation: CorrelationId,
        request: Request,
    ) {
        let Some(conn) = self.nodes[node as usize].links[link as usize].conn else { return };
        let bytes = request.wire_size(CLIENT_ID_LEN);
        let sent_ns = leaves_ns;
        let payload = Payload::Request { correlation: correlation.0, request, sent_ns };
        self.net_send((conn, Side::Client), leaves_ns, bytes, payload);
    }

    fn arm_link(&mut self, node: u16, link: u32) {
        let at = &mut self.nodes[node as usize];
        let state = &mut at.links[link as usize];
        let Some(due) = state.open.iter().map(|(_, deadline)| *deadline).min() else { return };
        if state.timer_at.is_none_or(|armed| due < armed) {
            state.timer_at = Some(due);
            let life = at.life;
            self.at(due, Event::PeerTimeout { node, life, link });
        }
    }

    /// The link's timer: a request without an answer for too long ends the connection.
    pub(super) fn link_timeout(&mut self, node: u16, link: u32) {
        let now = self.now;
        let state = &mut self.nodes[node as usize].links[link as usize];
        state.timer_at = None;
        if state.open.iter().any(|(_, deadline)| *deadline <= now) {
            if let Some(conn) = state.conn {
                self.net_close(conn, Side::Client);
            }
            self.fail_link(node, link, PeerError::TimedOut);
        } else {
            self.arm_link(node, link);
        }
    }

    /// The connection is set up: what waits is sent.
    pub(super) fn link_connected(&mut self, node: u16, link: u32) {
        let state = &mut self.nodes[node as usize].links[link as usize];
        state.connected = true;
        for (correlation, request) in std::mem::take(&mut state.unsent) {
            self.send_on_link(node, link, self.now, correlation, request);
        }
    }

    /// The connection is gone: nobody will answer what is open.
    pub(super) fn fail_link(&mut self, node: u16, link: u32, error: PeerError) {
        let Some(state) = self.nodes[node as usize].links.get_mut(link as usize) else { return };
        state.conn = None;
        state.connected = false;
        state.unsent.clear();
        let (peer, channel) = (state.peer, state.channel);
        for (correlation, _) in std::mem::take(&mut state.open) {
            let job = Job::Response { from: peer, correlation, result: Err(error) };
            self.queue_response(node, channel, job);
        }
    }

    /// A peer answered.
    pub(super) fn link_answered(
        &mut self,
        node: u16,
        link: u32,
        correlation: CorrelationId,
        response: Response,
    ) {
        let Some(state) = self.nodes[node as usize].links.get_mut(link as usize) else { return };
        let Some(at) = state.open.iter().position(|(id, _)| *id == correlation) else { return };
        state.open.remove(at);
        let (peer, channel) = (state.peer, state.channel);
        let job = Job::Response { from: peer, correlation, result: Ok(response) };
        self.queue_response(node, channel, job);
    }

    fn queue_response(&mut self, node: u16, channel: Channel, job: Job) {
        let pool = Node::pool_of(channel);
        let at = &mut self.nodes[node as usize];
        let is_next = at.queues[pool as usize].is_unattended();
        if is_next && at.cpu.earliest_start(self.now, pool) == self.now {
            return self.run_job(node, pool, self.now, job);
        }
        let job = at.jobs.insert(job);
        self.ready(node, pool, job);
    }
}
