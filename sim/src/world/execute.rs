//! How a node works: requests pass its network processors and handlers, a step runs when its
//! thread starts, and what the step says leaves when its CPU time is over. Leaves out that sending
//! bytes which are not cached blocks a network processor and all connections that it serves
//! (KAFKA-7504): a group that catches up disturbs others through the volume alone.

use super::event::Event;
use super::node::{Arrived, Job, Marks};
use super::payload::Payload;
use super::{World, schedule};
use crate::checkers::Cause;
use crate::cpu::{CostProfile, Pool};
use crate::net::Side;
use stormglass_broker_core::ids::{ConnectionId, CorrelationId};
use stormglass_broker_core::protocol::Response;
use stormglass_broker_core::seam::{
    DiskError, DiskOpKind, Effects, Exit, Input, Reply, TimerKey, Work,
};
use stormglass_broker_core::time::Instant;
use stormglass_reports::recording::VOLUME_FULL;

/// `client_id` bytes in a request header.
pub(super) const CLIENT_ID_LEN: u64 = 16;

impl World {
    /// A request arrived at a node: it waits for its turn on the connection.
    pub(super) fn request_arrived(&mut self, node: u16, conn: ConnectionId, arrived: Arrived) {
        let Some(accepted) = self.nodes[node as usize].accepted.get_mut(conn) else { return };
        if accepted.busy {
            accepted.inbox.push_back(arrived);
        } else {
            self.read_request(node, conn, arrived);
        }
    }

    /// A request of an unmuted connection goes to a network processor, and from there to a
    /// handler. When nobody waits for a handler it is handled here and now, with the times that
    /// it will have: state changes up to one network service early, and an event is saved.
    fn read_request(&mut self, node: u16, conn: ConnectionId, arrived: Arrived) {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        let Some(accepted) = at.accepted.get_mut(conn) else { return };
        let unmuted = now.max(accepted.muted_until_ns);
        let demand = at.profile.network_ns(arrived.bytes, 0, accepted.tls);
        at.tally.network_ns += demand;
        let service = at.cpu.submit(unmuted, Pool::Network, demand);
        let ready = service.finish_ns;
        accepted.busy = true;
        accepted.marks = Marks {
            sent: arrived.sent_ns,
            arrived: arrived.arrived_ns,
            unmuted,
            network_start: service.start_ns,
            network_finish: ready,
            ..Marks::default()
        };
        let correlation = CorrelationId(arrived.correlation);
        let job = Job::Request { conn, correlation, request: arrived.request };
        let idle = at.queues[Pool::Handler as usize].is_idle()
            && at.paused_until_ns <= now
            && at.cpu.earliest_start(ready, Pool::Handler) == ready;
        if idle {
            return self.run_job(node, Pool::Handler, ready, job);
        }
        let job = at.jobs.insert(job);
        at.queues[Pool::Handler as usize].coming += 1;
        let life = at.life;
        self.at(ready, Event::Ready { node, life, pool: Pool::Handler, job });
    }

    /// A request that has passed its network processor queues for a handler.
    pub(super) fn arrived_at_pool(&mut self, node: u16, pool: Pool, job: u32) {
        self.nodes[node as usize].queues[pool as usize].coming -= 1;
        self.ready(node, pool, job);
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
            self.run_job(node, pool, now, job);
            if !self.nodes[node as usize].is_up() {
                return;
            }
        }
    }

    /// A thread starts a job at `start`, which is now or will be shortly.
    pub(super) fn run_job(&mut self, node: u16, pool: Pool, start: u64, job: Job) {
        match job {
            Job::Request { conn, correlation, request } => {
                let accepted = &mut self.nodes[node as usize].accepted;
                let Some(accepted) = accepted.get_mut(conn).filter(|a| a.busy) else {
                    return; // the connection ended while the request was waiting
                };
                accepted.marks.handler_start = start;
                let input = Input::Request { conn, correlation, request };
                self.step_node(node, input, Some(Thread { pool, start, conn: Some(conn) }));
            }
            Job::Response { from, correlation, result } => {
                let input = Input::Response { from, correlation, result };
                self.step_node(node, input, Some(Thread { pool, start, conn: None }));
            }
        }
    }

    /// One step of a node's core, with everything that follows at once.
    pub(super) fn step_node(&mut self, node: u16, input: Input, thread: Option<Thread>) {
        let mut effects = self.effects.take().unwrap_or_default();
        if self.watches {
            self.watch_input(node, &input);
        }
        let held_until = self.run_core(node, input, &mut effects);
        let finish = self.charge(node, &effects.work.take(), thread, held_until);
        if !effects.timers.is_empty() {
            self.arm_timers(node, &mut effects);
        }
        if !effects.trace.is_empty() {
            self.observe_trace(node, &mut effects);
        }
        if let Some(Thread { conn: Some(conn), start, .. }) = thread
            && let Some(accepted) = self.nodes[node as usize].accepted.get_mut(conn)
        {
            accepted.marks.handler_finish = finish;
            accepted.marks.disk_wait = held_until.saturating_sub(start);
        }
        let exit = effects.exit.take();
        self.collect_outgoing(node, &mut effects, finish);
        debug_assert!(effects.disk.is_empty());
        self.effects = Some(effects);
        if self.has_client_quotas
            && let Some(Thread { conn: Some(conn), start, .. }) = thread
        {
            self.tell_spent(node, conn, finish.saturating_sub(start));
        }
        self.schedule_writeback(node);
        self.read_next_requests(node);
        if let Some(exit) = exit {
            self.process_exits(node, exit);
        }
    }

    #[cold]
    fn process_exits(&mut self, node: u16, exit: Exit) {
        match exit {
            Exit::ShutdownComplete => {
                self.show_closed(node);
                self.process_ended(node, &exit_cause("controlled shutdown"));
            }
            Exit::LogDirFailed(DiskError::Full) => {
                self.process_ended(node, &exit_cause(VOLUME_FULL));
            }
            Exit::LogDirFailed(error) => {
                let why = format!("log directory failed: {error:?}");
                self.process_ended(node, &exit_cause(&why));
            }
        }
    }

    /// Connections that were unmuted in this step have their next request read.
    pub(super) fn read_next_requests(&mut self, node: u16) {
        if std::mem::replace(&mut self.reading_later, true) {
            return; // the outer call goes on with it
        }
        while let Some((conn, arrived)) = self.later.pop_front() {
            self.read_request(node, conn, arrived);
        }
        self.reading_later = false;
    }

    /// Steps the core until no disk operation completes at once. Returns until when the thread is
    /// blocked in the disk (`now` when it is not).
    fn run_core(&mut self, node: u16, input: Input, effects: &mut Effects) -> u64 {
        let now = self.now;
        let mono = Instant::from_nanos(self.nodes[node as usize].clock.monotonic_ns(now));
        let mut held_until = now;
        let mut input = input;
        loop {
            let at = &mut self.nodes[node as usize];
            let Some(broker) = &mut at.broker else { break };
            let said = (effects.replies.len(), effects.sends.len());
            broker.step(mono, input, effects);
            if self.watches {
                self.watch_output(node, effects, said);
            }
            if !effects.remote.is_empty() {
                self.begin_remote(node, &mut effects.remote);
            }
            // half of the steps ask nothing of a disk
            if !effects.disk.is_empty() {
                held_until = held_until.max(self.submit(node, effects));
            }
            let Some((id, result)) = self.completed.pop_front() else { break };
            input = Input::Disk { id, result };
        }
        held_until
    }

    /// Hands a step's operations to the disk. Those that end at once are completed; returns until when
    /// appends block the thread (`now` when none does).
    fn submit(&mut self, node: u16, effects: &mut Effects) -> u64 {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        let mut held_until = now;
        for op in effects.disk.drain(..) {
            let is_append = matches!(op.kind, DiskOpKind::Append { .. });
            // a stray that is set aside is as good as deleted (hunt seed 803709)
            if let DiskOpKind::DeleteLog { tp } | DiskOpKind::SetLogAside { tp } = op.kind {
                self.checkers.log_deleted(at.id.0, tp);
            }
            let done = at.disk.submit(now, op);
            // what was done while the process was stopped is taken in turn now: nothing overtakes an append
            let waits = is_append && at.paused_until_ns == now;
            if done.at_ns <= now && !waits {
                self.completed.push_back((done.id, done.result));
                continue;
            }
            if is_append {
                held_until = held_until.max(done.at_ns);
            }
            let result = at.results.insert(done.result);
            let event = Event::Disk { node, life: at.life, id: done.id, result };
            schedule(&mut self.queue, done.at_ns, event);
        }
        held_until
    }

    /// CPU time of a step. Returns when its thread is done with it.
    fn charge(&mut self, node: u16, work: &Work, thread: Option<Thread>, held_until: u64) -> u64 {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        let costs = at.profile.costs(work);
        let (pool, start, demand) = match thread {
            Some(thread) => (thread.pool, thread.start, at.profile.handler_ns(&costs)),
            None => (Pool::Handler, now, at.profile.step_ns(&costs)),
        };
        at.tally.costs.add(&costs);
        at.tally.handled += u64::from(thread.is_some());
        at.tally.bytes_in += work.produce_bytes;
        at.tally.bytes_out += work.fetch_bytes;
        at.tally.replication_in += work.follower_bytes;
        at.tally.replication_out += work.replica_fetch_bytes;
        if demand == 0 {
            return start.max(held_until);
        }
        let service = at.cpu.begin(pool, start, demand);
        // What is received is allocated; sendfile allocates nothing.
        at.cpu.on_received(now, work.produce_bytes + work.follower_bytes);
        if held_until > service.finish_ns {
            at.cpu.hold_until(service.ticket, held_until);
        }
        service.finish_ns.max(held_until)
    }

    fn arm_timers(&mut self, node: u16, effects: &mut Effects) {
        for (at, key) in effects.timers.drain(..) {
            if at == Instant::FAR_FUTURE {
                continue;
            }
            let state = &mut self.nodes[node as usize];
            if self.watches {
                self.checkers.armed(state.id.0, at, key);
            }
            if let Some(armed) = &mut state.armed {
                armed.push((at.as_nanos(), key));
            }
            let due = state.clock.sim_time_of(at.as_nanos()).max(self.now);
            let life = state.life;
            self.at(due, Event::Timer { node, life, key });
        }
    }

    /// Answers and requests leave at `finish`; answers pass a network processor first.
    fn collect_outgoing(&mut self, node: u16, effects: &mut Effects, finish: u64) {
        for reply in effects.replies.drain(..) {
            self.send_reply(node, reply, finish);
        }
        if effects.sends.is_empty() {
            return;
        }
        for send in effects.sends.drain(..) {
            let link = self.link(node, send.to, send.channel);
            let times = (finish, send.timeout.as_nanos());
            self.send_to_peer(node, link, send.correlation, send.request, times);
        }
    }

    fn send_reply(&mut self, node: u16, reply: Reply, finish: u64) {
        let Reply { conn, correlation, response, throttle_ms, closes } = reply;
        if throttle_ms > 0 {
            self.throttle(node, conn, throttle_ms, response.as_ref());
        }
        if let Some(response) = response.as_ref().filter(|_| self.wire.is_some()) {
            self.back_through_wire(conn, correlation.0, response);
        }
        let at = &mut self.nodes[node as usize];
        let mut leaves = finish;
        let Some(accepted) = at.accepted.get_mut(conn) else { return };
        let (net, is_client, crosses_az) = (accepted.conn, accepted.is_client, accepted.crosses_az);
        let mut message = None;
        if let Some(response) = response {
            let bytes = response.wire_size();
            let demand = answer_ns(&at.profile, &response, bytes, accepted.tls);
            at.tally.network_ns += demand;
            if !accepted.is_client && has_records(&response) {
                at.tally.follower_fetches += 1;
                at.tally.follower_fetch_bytes_max = at.tally.follower_fetch_bytes_max.max(bytes);
            }
            leaves = at.cpu.submit(finish, Pool::Network, demand).finish_ns;
            // Only the way of a batch to its acknowledgement is looked at.
            let marks = (accepted.busy && matches!(response, Response::Produce(_)))
                .then(|| Box::new(Marks { answered: self.now, ..accepted.marks }));
            let payload = Payload::Response { correlation: correlation.0, response, marks };
            message = Some((bytes, payload));
        }
        accepted.ends = closes;
        accepted.busy = throttle_ms > 0 || closes;
        accepted.muted_until_ns = leaves;
        let next = if accepted.busy { None } else { accepted.inbox.pop_front() };
        if closes {
            let life = at.life;
            self.at(leaves, Event::HangUp { node, life, conn });
        }
        if let Some((bytes, payload)) = message {
            if crosses_az {
                self.note_answer_transfer(is_client, bytes);
            }
            self.net_send((net, Side::Server), leaves, bytes, payload);
        }
        if let Some(next) = next {
            self.later.push_back((conn, next));
        }
    }

    /// A node's timer is due.
    pub(super) fn timer_due(&mut self, node: u16, key: TimerKey) {
        if self.nodes[node as usize].takes_timer(self.now, key) {
            self.step_node(node, Input::Timer(key), None);
        }
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

/// Why a process ended by itself.
fn exit_cause(why: &str) -> Cause {
    Cause { event: None, what: why.to_owned() }
}

/// Whether an answer hands over records.
fn has_records(response: &Response) -> bool {
    let Response::Fetch(fetch) = response else { return false };
    fetch.partitions.iter().any(|partition| partition.records.size_bytes() > 0)
}

/// Time of a network processor for an answer. Its fixed cost is in that of the request.
fn answer_ns(profile: &CostProfile, response: &Response, bytes: u64, tls: bool) -> u64 {
    let fixed = profile.network_ns(0, 0, tls);
    let whole = if matches!(response, Response::Fetch(_)) {
        profile.fetch_network_ns(0, bytes, tls)
    } else {
        profile.network_ns(0, bytes, tls)
    };
    whole.saturating_sub(fixed)
}

/// The thread that a step runs on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    pub(super) pool: Pool,
    /// When it starts, ns.
    pub(super) start: u64,
    /// Connection of the request that it handles.
    pub(super) conn: Option<ConnectionId>,
}
