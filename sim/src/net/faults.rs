//! What faults and operators do to the network: link rules, power, processes, credits. Leaves out
//! faults of hosts beyond their sockets.

use super::conn::{ConnId, MsgKind, Side, State, Status};
use super::event::{NetOut, Schedule};
use super::host::HostId;
use super::link::LinkRule;
use super::network::{Network, OPEN_BYTES, RuleId, pipe_index};

impl Network {
    /// Puts a rule in force.
    pub fn add_rule(&mut self, now_ns: u64, rule: LinkRule, sched: &mut impl Schedule) -> RuleId {
        let id = self.next_rule_id();
        self.rules.insert(id, rule);
        self.apply_rules(now_ns, sched);
        id
    }

    /// Lifts a rule. Lifting it twice does nothing.
    pub fn remove_rule(&mut self, now_ns: u64, id: RuleId, sched: &mut impl Schedule) {
        if self.rules.remove(&id).is_some() {
            self.apply_rules(now_ns, sched);
        }
    }

    /// Turns a host's power off or on. Off: its sockets vanish without a word, what has left its
    /// NIC still arrives. On: it has no connection and listens to nothing.
    pub fn host_power(
        &mut self,
        now_ns: u64,
        (host, on): (HostId, bool),
        sched: &mut impl Schedule,
        out: &mut Vec<NetOut>,
    ) {
        self.advance(now_ns, host);
        self.hosts[host.0 as usize].powered = on;
        if on {
            self.heal_all(now_ns, sched);
            return;
        }
        self.hosts[host.0 as usize].listening = false;
        for end in self.ends_at(host) {
            self.cut_off(end, out);
        }
    }

    /// Whether a host has power.
    #[must_use]
    pub fn is_powered(&self, host: HostId) -> bool {
        self.hosts[host.0 as usize].powered
    }

    /// The process on a host ends, however: the system closes its sockets. What has left the NIC
    /// still arrives, then the peers learn.
    pub fn process_exit(&mut self, now_ns: u64, host: HostId, out: &mut Vec<NetOut>) {
        self.advance(now_ns, host);
        self.hosts[host.0 as usize].listening = false;
        for (conn, side) in self.ends_at(host) {
            if self.conn(conn).is_some_and(|slot| slot.gone[side.index()]) {
                // Closed before: the system goes on to send what is left.
                continue;
            }
            self.cut_off((conn, side), out);
            if self.conn(conn).is_some_and(|slot| slot.state == State::Open) {
                self.drop_pipe(now_ns, (conn, side.other()), out);
                self.enqueue(now_ns, (conn, side), (MsgKind::Fin, OPEN_BYTES, 0));
            }
        }
    }

    /// Sets the NIC's credits of both directions, parts per thousand of a full bucket.
    pub fn set_credits(
        &mut self,
        now_ns: u64,
        (host, permille): (HostId, u32),
        sched: &mut impl Schedule,
    ) {
        self.advance(now_ns, host);
        let state = &mut self.hosts[host.0 as usize];
        state.egress.set_credits(permille);
        state.ingress.set_credits(now_ns, permille);
        self.forecast_again(now_ns, host, sched);
    }

    /// A side's process is no more: what has not left the NIC is lost.
    fn cut_off(&mut self, (conn, side): (ConnId, Side), out: &mut Vec<NetOut>) {
        let slot = &mut self.conns[conn.index as usize];
        if slot.state != State::Open {
            // A client that opens vanishes; a server's host is found out by the next attempt.
            if side == Side::Client {
                self.free_conn(conn, out);
            }
            return;
        }
        slot.gone[side.index()] = true;
        if slot.gone[side.other().index()] {
            self.free_conn(conn, out);
            return;
        }
        let host = self.host_of(conn, side);
        self.hosts[host.0 as usize].egress.remove(pipe_index(conn, side));
        let tokens = self.pipe_mut((conn, side)).drop_unsent();
        out.extend(tokens.map(|token| NetOut::Dropped { token }));
    }

    fn apply_rules(&mut self, now_ns: u64, sched: &mut impl Schedule) {
        for link in &mut self.links {
            link.set_rules(self.rules.values());
        }
        for conn in self.live() {
            for from in [Side::Client, Side::Server] {
                self.refresh_cap(now_ns, (conn, from), sched);
            }
        }
        self.heal_all(now_ns, sched);
    }

    fn refresh_cap(
        &mut self,
        now_ns: u64,
        (conn, from): (ConnId, Side),
        sched: &mut impl Schedule,
    ) {
        let cap = self.flow_cap((conn, from));
        if self.pipe_mut((conn, from)).cap == cap {
            return;
        }
        self.pipe_mut((conn, from)).cap = cap;
        let host = self.host_of(conn, from);
        self.advance(now_ns, host);
        self.hosts[host.0 as usize].egress.set_cap(pipe_index(conn, from), cap);
        self.forecast_again(now_ns, host, sched);
    }

    /// Forecasts of what a NIC still has to send may have become late: they are made again.
    fn forecast_again(&mut self, now_ns: u64, host: HostId, sched: &mut impl Schedule) {
        for index in self.hosts[host.0 as usize].egress.pipes() {
            let from = if index % 2 == 0 { Side::Client } else { Side::Server };
            let slot = index / 2;
            let generation = self.conns[slot as usize].generation;
            let conn = ConnId { index: slot, generation };
            let pipe = self.pipe_mut((conn, from));
            if pipe.through == 0 && pipe.status == Status::Due {
                pipe.epoch += 1;
                self.schedule_head(now_ns, (conn, from), sched);
            }
        }
    }

    fn heal_all(&mut self, now_ns: u64, sched: &mut impl Schedule) {
        for conn in self.live() {
            for from in [Side::Client, Side::Server] {
                let is_stalled =
                    matches!(self.pipe_mut((conn, from)).status, Status::Stalled { .. });
                if is_stalled && !self.is_blocked((conn, from)) {
                    self.heal(now_ns, (conn, from), sched);
                }
            }
        }
    }

    fn ends_at(&self, host: HostId) -> Vec<(ConnId, Side)> {
        let live = self.live().into_iter();
        let ends = live.flat_map(|conn| [(conn, Side::Client), (conn, Side::Server)]);
        ends.filter(|&(conn, side)| self.host_of(conn, side) == host).collect()
    }
}
