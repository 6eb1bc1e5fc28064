//! How a node works: requests pass its network processors and handlers, a step runs when its
//! thread starts, and what the step says leaves when its CPU time is over.

use super::event::Event;
use super::node::{Arrived, Job, Marks, Message};
use super::World;
use crate::cpu::Pool;
use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::{DiskOpKind, Effects, Exit, Input, TimerKey, Work};
use stormglass_broker_core::time::Instant;

/// `client_id` bytes in a request header.
pub(super) const CLIENT_ID_LEN: u64 = 16;

impl World {
    /// A request arrived at a node: it waits for its turn on the connection.
    pub(super) fn request_arrived(&mut self, node: u16, conn: ConnectionId, arrived: Arrived) {
        let Some(accepted) = self.nodes[node as usize].accepted.get_mut(&conn) else { return };
        accepted.inbox.push_back(arrived);
        if accepted.current.is_none() {
            self.next_request(node, conn);
        }
    }

    /// The next request of an unmuted connection goes to a network processor.
    fn next_request(&mut self, node: u16, conn: ConnectionId) {
        let now = self.now;
        let tls = self.tls_of(node, conn);
        let at = &mut self.nodes[node as usize];
        let Some(accepted) = at.accepted.get_mut(&conn) else { return };
        let Some(arrived) = accepted.inbox.pop_front() else { return };
        let demand = at.profile.network_ns(arrived.bytes, 0, tls);
        let service = at.cpu.submit(now, Pool::Network, demand);
        accepted.current = Some(Marks {
            sent: arrived.sent_ns,
            arrived: arrived.arrived_ns,
            unmuted: now,
            network_start: service.start_ns,
            network_finish: service.finish_ns,
            is_fetch: matches!(arrived.request, Request::Fetch(_)),
            ..Marks::default()
        });
        let correlation = CorrelationId(arrived.correlation);
        let job = at.jobs.insert(Job::Request { conn, correlation, request: arrived.request });
        let life = at.life;
        self.at(service.finish_ns, Event::Ready { node, life, pool: Pool::Handler, job });
    }

    fn tls_of(&self, node: u16, conn: ConnectionId) -> bool {
        let from_client = self.conns.get(&conn).is_some_and(|end| end.is_client());
        let _ = node;
        if from_client { self.tls_client } else { self.tls_in_cluster }
    }

    /// A job queues for its pool.
    pub(super) fn ready(&mut self, node: u16, pool: Pool, job: u32) {
        self.nodes[node as usize].queues[pool as usize].waiting.push_back(job);
        if self.nodes[node as usize].queues[pool as usize].pump_at.is_none() {
            self.pump(node, pool);
        }
    }

    /// Starts waiting jobs while threads are free; otherwise comes back when one is.
    pub(super) fn pump(&mut self, node: u16, pool: Pool) {
        let now = self.now;
        self.nodes[node as usize].queues[pool as usize].pump_at = None;
        loop {
            let at = &mut self.nodes[node as usize];
            if at.queues[pool as usize].waiting.is_empty() {
                return;
            }
            let start = at.cpu.earliest_start(now, pool);
            if start > now {
                at.queues[pool as usize].pump_at = Some(start);
                let life = at.life;
                return self.at(start, Event::Pump { node, life, pool });
            }
            let Some(job) = at.queues[pool as usize].waiting.pop_front() else { return };
            let Some(job) = at.jobs.take(job) else { continue };
            self.run_job(node, pool, job);
            if !self.nodes[node as usize].is_up() {
                return;
            }
        }
    }

    fn run_job(&mut self, node: u16, pool: Pool, job: Job) {
        match job {
            Job::Request { conn, correlation, request } => {
                let now = self.now;
                let accepted = &mut self.nodes[node as usize].accepted;
                let Some(marks) = accepted.get_mut(&conn).and_then(|a| a.current.as_mut()) else {
                    return; // the connection ended while the request was waiting
                };
                marks.handler_start = now;
                let input = Input::Request { conn, correlation, request };
                self.step_node(node, input, Some((pool, Some(conn))));
            }
            Job::Response { from, correlation, result } => {
                self.step_node(node, Input::Response { from, correlation, result }, Some((pool, None)));
            }
        }
    }

    /// One step of a node's core, with everything that follows at once.
    pub(super) fn step_node(
        &mut self,
        node: u16,
        input: Input,
        job: Option<(Pool, Option<ConnectionId>)>,
    ) {
        let now = self.now;
        let mut effects = std::mem::take(&mut self.effects);
        let held_until = self.run_core(node, input, &mut effects);
        let finish = self.charge(node, &effects.work.take(), job, held_until);
        self.arm_timers(node, &mut effects);
        self.observe_trace(node, &mut effects);
        let exit = effects.exit.take();
        self.collect_outgoing(node, &mut effects, finish);
        debug_assert!(effects.disk.is_empty());
        self.effects = effects;
        if let Some((_, Some(conn))) = job
            && let Some(marks) = self.marks_mut(node, conn)
        {
            marks.handler_finish = finish;
            marks.disk_wait = held_until.saturating_sub(now);
        }
        self.schedule_writeback(node);
        match exit {
            Some(Exit::ShutdownComplete) => self.process_ended(node, "controlled shutdown"),
            Some(Exit::LogDirFailed(error)) => {
                self.process_ended(node, &format!("log directory failed: {error:?}"));
            }
            None => {}
        }
    }

    fn marks_mut(&mut self, node: u16, conn: ConnectionId) -> Option<&mut Marks> {
        self.nodes[node as usize].accepted.get_mut(&conn)?.current.as_mut()
    }

    /// Steps the core until no disk operation completes at once. Returns until when the thread is
    /// blocked in the disk (`now` when it is not).
    fn run_core(&mut self, node: u16, input: Input, effects: &mut Effects) -> u64 {
        let now = self.now;
        let mono = Instant::from_nanos(self.nodes[node as usize].clock.monotonic_ns(now));
        let mut held_until = now;
        let mut next = Some(input);
        let mut completed = std::mem::take(&mut self.completed);
        while let Some(input) = next.take() {
            let at = &mut self.nodes[node as usize];
            let Some(broker) = &mut at.broker else { break };
            broker.step(mono, input, effects);
            for op in effects.disk.drain(..) {
                let is_append = matches!(op.kind, DiskOpKind::Append { .. });
                let done = at.disk.submit(now, &op);
                if done.at_ns <= now {
                    completed.push_back((op.id, done.result));
                    continue;
                }
                if is_append {
                    held_until = held_until.max(done.at_ns);
                }
                let result = at.results.insert(done.result);
                let event = Event::Disk { node, life: at.life, id: op.id, result };
                self.queue.push(done.at_ns, event.class(), event);
            }
            if let Some((id, result)) = completed.pop_front() {
                next = Some(Input::Disk { id, result });
            }
        }
        self.completed = completed;
        held_until
    }

    /// CPU time of a step. Returns when its thread is done with it.
    fn charge(
        &mut self,
        node: u16,
        work: &Work,
        job: Option<(Pool, Option<ConnectionId>)>,
        held_until: u64,
    ) -> u64 {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        let (pool, demand) = match job {
            Some((pool, _)) => (pool, at.profile.handler_ns(work)),
            None => (Pool::Handler, at.profile.step_ns(work)),
        };
        at.tally.bytes_in += work.produce_bytes;
        at.tally.bytes_out += work.fetch_bytes;
        at.tally.replication_in += work.follower_bytes;
        at.tally.replication_out += work.replica_fetch_bytes;
        if demand == 0 {
            return now.max(held_until);
        }
        let service = at.cpu.begin(pool, now, demand);
        // What is received is allocated; sendfile allocates nothing.
        at.cpu.on_received(now, work.produce_bytes + work.follower_bytes);
        let finish = service.finish_ns.max(held_until);
        if held_until > service.finish_ns {
            at.cpu.hold_until(service.ticket, held_until);
        }
        finish
    }

    fn arm_timers(&mut self, node: u16, effects: &mut Effects) {
        let mut timers = std::mem::take(&mut effects.timers);
        for (at, key) in timers.drain(..) {
            if at == Instant::FAR_FUTURE {
                continue;
            }
            let state = &self.nodes[node as usize];
            let due = state.clock.sim_time_of(at.as_nanos()).max(self.now);
            let life = state.life;
            self.at(due, Event::Timer { node, life, key });
        }
        effects.timers = timers;
    }

    /// Answers and requests leave at `finish`; answers pass a network processor first.
    fn collect_outgoing(&mut self, node: u16, effects: &mut Effects, finish: u64) {
        if effects.replies.is_empty() && effects.sends.is_empty() {
            return;
        }
        let now = self.now;
        let mut leaves = finish;
        let mut messages = Vec::with_capacity(effects.replies.len() + effects.sends.len());
        for reply in effects.replies.drain(..) {
            let bytes = reply.response.as_ref().map_or(0, Response::wire_size);
            let tls = self.tls_of(node, reply.conn);
            let at = &mut self.nodes[node as usize];
            let is_fetch = matches!(reply.response, Some(Response::Fetch(_)));
            // The fixed cost of an answer is in that of its request.
            let fixed = at.profile.network_ns(0, 0, tls);
            let demand = if is_fetch {
                at.profile.fetch_network_ns(0, bytes, tls)
            } else {
                at.profile.network_ns(0, bytes, tls)
            };
            let demand = demand.saturating_sub(fixed);
            let service = at.cpu.submit(finish, Pool::Network, demand);
            leaves = leaves.max(service.finish_ns);
            if let Some(marks) = at.accepted.get_mut(&reply.conn).and_then(|a| a.current.as_mut()) {
                marks.answered = now;
            }
            let (conn, correlation, response) = (reply.conn, reply.correlation, reply.response);
            messages.push(Message::Reply { conn, correlation, response });
        }
        for send in effects.sends.drain(..) {
            let link = self.link(node, send.to, send.channel);
            let timeout_ns = send.timeout.as_nanos();
            let (correlation, request) = (send.correlation, send.request);
            messages.push(Message::Send { link, correlation, request, timeout_ns });
        }
        if leaves <= now {
            return self.release(node, messages);
        }
        let at = &mut self.nodes[node as usize];
        let outgoing = at.outgoing.insert(messages);
        let life = at.life;
        self.at(leaves, Event::Release { node, life, outgoing });
    }

    /// Messages leave the process.
    pub(super) fn release(&mut self, node: u16, messages: Vec<Message>) {
        for message in messages {
            match message {
                Message::Reply { conn, correlation, response } => {
                    self.send_reply(node, conn, correlation, response);
                }
                Message::Send { link, correlation, request, timeout_ns } => {
                    self.send_to_peer(node, link, correlation, request, timeout_ns);
                }
            }
        }
    }

    fn send_reply(
        &mut self,
        node: u16,
        conn: ConnectionId,
        correlation: CorrelationId,
        response: Option<Response>,
    ) {
        let now = self.now;
        let Some(accepted) = self.nodes[node as usize].accepted.get_mut(&conn) else { return };
        let (net, peer_az) = (accepted.conn, accepted.peer_az);
        let mut marks = accepted.current.take().unwrap_or_default();
        marks.released = now;
        if let Some(response) = response {
            let az = self.nodes[node as usize].az;
            self.send_response(net, correlation, response, marks, az != peer_az);
        }
        self.next_request(node, conn);
    }

    /// A node's timer is due.
    pub(super) fn timer_due(&mut self, node: u16, key: TimerKey) {
        self.step_node(node, Input::Timer(key), None);
    }

    pub(super) fn schedule_writeback(&mut self, node: u16) {
        let at = &mut self.nodes[node as usize];
        let Some(due) = at.disk.next_wakeup() else { return };
        if at.writeback_at.is_none_or(|armed| due < armed) {
            at.writeback_at = Some(due);
            let due = due.max(self.now);
            self.at(due, Event::Writeback { node });
        }
    }
}
