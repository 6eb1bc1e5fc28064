//! How messages arrive: the first one of each direction has an event, the others wait behind it.
//! Leaves out the sending side, which is in `egress`, and what makes links cut, which is in
//! `faults`.

use super::conn::{ConnId, MsgKind, Pipe, Side, State, Status};
use super::event::{Kind, NetEvent, NetOut, Schedule};
use super::link::Link;
use super::network::{Network, pipe_index};

/// Longest time between two retransmissions, ns.
const RTO_MAX_NS: u64 = 120_000_000_000;

/// A sender gives up after this long without an answer, ns (Linux's `tcp_retries2` of 15).
const GIVE_UP_NS: u64 = 924_600_000_000;

impl Network {
    /// Handles an event at its time. What happened is appended to `out`.
    pub fn on_event(
        &mut self,
        now_ns: u64,
        event: NetEvent,
        sched: &mut impl Schedule,
        out: &mut Vec<NetOut>,
    ) {
        let conn = event.conn;
        if self.conn(conn).is_none() {
            return;
        }
        let is_fresh =
            |from: Side| self.pipes.0[pipe_index(conn, from) as usize].epoch == event.epoch;
        match event.kind {
            Kind::Arrive(from) if is_fresh(from) => {
                self.on_arrive(now_ns, (conn, from), sched, out)
            }
            Kind::Received(from) if is_fresh(from) => {
                // A receiver that went away meanwhile is treated as at an arrival.
                let lost = self.is_blocked((conn, from)) || !self.has_receiver((conn, from));
                if lost || self.deliver((conn, from), out) {
                    self.on_arrive(now_ns, (conn, from), sched, out);
                }
            }
            Kind::Resume(from) if is_fresh(from) => self.on_resume(now_ns, (conn, from), sched),
            Kind::GiveUp(from) if is_fresh(from) => self.on_give_up(now_ns, (conn, from), out),
            Kind::Reset(from) if is_fresh(from) => self.on_reset((conn, from), out),
            Kind::Syn => self.on_syn(now_ns, conn, sched),
            Kind::SynTimeout => self.on_syn_timeout(now_ns, conn, sched, out),
            Kind::Established => self.on_established(now_ns, conn, out),
            Kind::Refused => self.on_refused(conn, out),
            Kind::Arrive(_)
            | Kind::Received(_)
            | Kind::Resume(_)
            | Kind::GiveUp(_)
            | Kind::Reset(_) => {}
        }
    }

    /// Delivers what has arrived by now and schedules what comes next.
    fn on_arrive(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        sched: &mut impl Schedule,
        out: &mut Vec<NetOut>,
    ) {
        let index = pipe_index(conn, from) as usize;
        loop {
            let mut pipe = &mut self.pipes.0[index];
            if pipe.queue.is_empty() {
                pipe.status = Status::Idle;
                return;
            }
            if pipe.through == 0 {
                // The sending NIC runs up to now only if that may let the first message through.
                let sender = pipe.sender;
                self.advance(now_ns, sender);
                pipe = &mut self.pipes.0[index];
            }
            let head = &pipe.queue[0];
            if pipe.through == 0 || head.through_ns + head.latency_ns > now_ns {
                self.schedule_head(now_ns, (conn, from), sched);
                return;
            }
            if self.is_blocked((conn, from)) {
                self.stall((conn, from), sched);
                return;
            }
            if !self.has_receiver((conn, from)) {
                self.send_reset(now_ns, (conn, from), sched);
                return;
            }
            let received_ns = self.receive(now_ns, (conn, from));
            if received_ns > now_ns {
                let epoch = self.pipe_mut((conn, from)).epoch;
                sched.at(received_ns, NetEvent { conn, epoch, kind: Kind::Received(from) });
                return;
            }
            if !self.deliver((conn, from), out) {
                return;
            }
        }
    }

    /// The first message passes the receiving NIC; returns when it is through.
    fn receive(&mut self, now_ns: u64, (conn, from): (ConnId, Side)) -> u64 {
        let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
        if pipe.is_loopback() {
            return now_ns;
        }
        let head = pipe.queue.front().expect("a message arrives");
        let began_ns = head.sent_at_ns.max(pipe.previous_through_ns).min(head.through_ns);
        let first_ns = now_ns - (head.through_ns - began_ns).min(now_ns);
        let ingress = &mut self.hosts[pipe.receiver.0 as usize].ingress;
        ingress.accept(first_ns, now_ns, head.wire_bytes)
    }

    /// Hands the first message over. `false`: the connection ended with it.
    fn deliver(&mut self, (conn, from): (ConnId, Side), out: &mut Vec<NetOut>) -> bool {
        let pipe = self.pipe_mut((conn, from));
        let msg = pipe.queue.pop_front().expect("a message arrives");
        if pipe.queue.is_empty() {
            // Begins anew at its first place, which is in the processor's caches.
            pipe.queue.clear();
        }
        pipe.through -= 1;
        pipe.previous_through_ns = msg.through_ns;
        let to = from.other();
        match msg.kind {
            MsgKind::Data { token, bytes } => {
                let sent_at_ns = msg.sent_at_ns;
                out.push(NetOut::Delivered { conn, to, token, sent_at_ns, bytes });
            }
            MsgKind::Open => {
                let (from, to) = (self.host_of(conn, from), self.host_of(conn, to));
                out.push(NetOut::Accepted { conn, from, to });
            }
            MsgKind::Fin => {
                self.free_conn(conn, out);
                out.push(NetOut::Closed { conn, side: to });
                return false;
            }
        }
        true
    }

    /// Whether the receiving host has a socket for this connection.
    fn has_receiver(&self, (conn, from): (ConnId, Side)) -> bool {
        if self.conns[conn.index as usize].gone[from.other().index()] {
            return false;
        }
        let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
        // A process that came up since the request does not know of it.
        let first = pipe.queue.front().is_some_and(|msg| msg.kind == MsgKind::Open);
        !first || self.hosts[pipe.receiver.0 as usize].listening
    }

    /// What is under way was lost at a cut: it stays with its sender.
    fn stall(&mut self, (conn, from): (ConnId, Side), sched: &mut impl Schedule) {
        let host = self.host_of(conn, from);
        self.hosts[host.0 as usize].egress.remove(pipe_index(conn, from));
        let pipe = self.pipe_mut((conn, from));
        let since_ns = pipe.queue.front().expect("a message was lost").through_ns;
        pipe.rewind();
        pipe.status = Status::Stalled { since_ns, resuming: false };
        let event = NetEvent { conn, epoch: pipe.epoch, kind: Kind::GiveUp(from) };
        sched.at(since_ns + GIVE_UP_NS, event);
    }

    /// The way is free again: the sender notices at its next retransmission.
    pub(super) fn heal(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        sched: &mut impl Schedule,
    ) {
        let rtt_ns = 2 * self.link_of((conn, from)).typical_ns();
        let mut interval_ns = rtt_ns + self.config.rto_min_ns;
        let pipe = self.pipe_mut((conn, from));
        let Status::Stalled { since_ns, resuming: resuming @ false } = &mut pipe.status else {
            return;
        };
        *resuming = true;
        let mut at_ns = *since_ns;
        while at_ns < now_ns {
            at_ns += interval_ns;
            interval_ns = (interval_ns * 2).min(RTO_MAX_NS);
        }
        let event = NetEvent { conn, epoch: pipe.epoch, kind: Kind::Resume(from) };
        sched.at(at_ns, event);
    }

    /// A retransmission: everything is sent again, if the way is still free.
    fn on_resume(&mut self, now_ns: u64, (conn, from): (ConnId, Side), sched: &mut impl Schedule) {
        let blocked = self.is_blocked((conn, from));
        let host = self.host_of(conn, from);
        let index = pipe_index(conn, from);
        let pipe = self.pipe_mut((conn, from));
        let Status::Stalled { resuming, .. } = &mut pipe.status else { return };
        *resuming = false;
        if blocked {
            return;
        }
        // The give-up timer and any other event of the stall become stale.
        pipe.rewind();
        pipe.previous_through_ns = now_ns;
        let (cap, link) = (pipe.cap, pipe.link);
        let units: Vec<u64> = pipe.queue.iter().map(super::conn::Msg::units).collect();
        self.links[link as usize].bytes += pipe_bytes(&self.pipes.0[index as usize]);
        self.advance(now_ns, host);
        for units in units {
            self.hosts[host.0 as usize].egress.push(index, cap, units);
        }
        self.schedule_head(now_ns, (conn, from), sched);
    }

    fn on_give_up(&mut self, now_ns: u64, (conn, from): (ConnId, Side), out: &mut Vec<NetOut>) {
        let was_gone = self.conns[conn.index as usize].gone[from.index()];
        self.lose_side(now_ns, (conn, from), out);
        if !was_gone {
            out.push(NetOut::Closed { conn, side: from });
        }
    }

    /// A side ends without telling the other one.
    pub(super) fn lose_side(
        &mut self,
        now_ns: u64,
        (conn, side): (ConnId, Side),
        out: &mut Vec<NetOut>,
    ) {
        self.conns[conn.index as usize].gone[side.index()] = true;
        if self.conns[conn.index as usize].gone[side.other().index()] {
            self.free_conn(conn, out);
        } else {
            self.drop_pipe(now_ns, (conn, side), out);
        }
    }

    /// The receiver's host knows no such connection and says so; the answer may be lost, too.
    fn send_reset(&mut self, now_ns: u64, (conn, from): (ConnId, Side), sched: &mut impl Schedule) {
        if self.link_of((conn, from.other())).effect.cut {
            self.stall((conn, from), sched);
            return;
        }
        // Also a side that never accepted is gone from now on.
        self.conns[conn.index as usize].gone[from.other().index()] = true;
        let latency_ns = self.draw_latency((conn, from.other()), 0);
        let host = self.host_of(conn, from);
        self.hosts[host.0 as usize].egress.remove(pipe_index(conn, from));
        let pipe = self.pipe_mut((conn, from));
        pipe.rewind();
        pipe.status = Status::Resetting;
        let event = NetEvent { conn, epoch: pipe.epoch, kind: Kind::Reset(from) };
        sched.at(now_ns + latency_ns, event);
    }

    fn on_reset(&mut self, (conn, side): (ConnId, Side), out: &mut Vec<NetOut>) {
        let was_gone = self.conns[conn.index as usize].gone[side.index()];
        self.free_conn(conn, out);
        if !was_gone {
            out.push(NetOut::Closed { conn, side });
        }
    }

    /// Whether packets of this direction get lost on their way or at a host without power.
    pub(super) fn is_blocked(&self, (conn, from): (ConnId, Side)) -> bool {
        let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
        self.links[pipe.link as usize].effect.cut || !self.hosts[pipe.receiver.0 as usize].powered
    }

    pub(super) fn link_of(&self, (conn, from): (ConnId, Side)) -> &Link {
        let pipe = &self.pipes.0[pipe_index(conn, from) as usize];
        &self.links[pipe.link as usize]
    }

    pub(super) fn pipe_mut(&mut self, (conn, from): (ConnId, Side)) -> &mut Pipe {
        &mut self.pipes.0[pipe_index(conn, from) as usize]
    }

    /// Connections that are open, in order of their numbers.
    pub(super) fn live(&self) -> Vec<ConnId> {
        let slots = (0_u32..).zip(&self.conns).filter(|(_, slot)| slot.state != State::Free);
        slots.map(|(index, slot)| ConnId { index, generation: slot.generation }).collect()
    }
}

fn pipe_bytes(pipe: &Pipe) -> u64 {
    pipe.queue.iter().map(|msg| msg.wire_bytes).sum()
}
