//! How connections open: request, answer, and the client's first acknowledgement, on which the
//! server accepts. Leaves out full accept queues and cookies.
//!
//! A request that gets no answer is sent again after 1, 3, 7, 15, 31 and 63 s, and given up after
//! 127 s, with `net.syn_timeout_ns` = 1 s. A host that is up but does not listen refuses after one
//! round trip; one without power, or behind a cut, does not answer.

use super::conn::{ConnId, MsgKind, Side, State, Windows};
use super::event::{Kind, NetEvent, NetOut, Schedule};
use super::host::HostId;
use super::network::{Network, OPEN_BYTES, pipe_index};

/// Requests after the first one (Linux's `tcp_syn_retries`).
const SYN_RETRIES: u32 = 6;

impl Network {
    /// Opens a connection. The outcome comes as [`NetOut::Connected`] or
    /// [`NetOut::ConnectFailed`]; `close` gives up earlier.
    pub fn connect(
        &mut self,
        now_ns: u64,
        (from, to): (HostId, HostId),
        windows: Windows,
        sched: &mut impl Schedule,
    ) -> ConnId {
        assert!(self.hosts[from.0 as usize].powered, "nothing connects without power");
        let state = State::Opening { began_ns: now_ns, attempt: 0 };
        let conn = self.new_conn([from, to], state);
        self.set_windows(conn, windows);
        self.send_syn(now_ns, conn, sched);
        conn
    }

    /// The request reaches the server's host, unless something is in the way.
    pub(super) fn on_syn(&mut self, now_ns: u64, conn: ConnId, sched: &mut impl Schedule) {
        let server = self.host_of(conn, Side::Server);
        let answered = !self.is_blocked((conn, Side::Client))
            && !self.link_of((conn, Side::Server)).effect.cut
            && !self.loses_packet((conn, Side::Server));
        if !answered {
            self.expect_timeout(now_ns, conn, sched);
            return;
        }
        let latency_ns = self.draw_latency((conn, Side::Server), OPEN_BYTES);
        let listening = self.hosts[server.0 as usize].listening;
        let kind = if listening { Kind::Established } else { Kind::Refused };
        sched.at(now_ns + latency_ns, NetEvent { conn, epoch: 0, kind });
    }

    pub(super) fn on_syn_timeout(
        &mut self,
        now_ns: u64,
        conn: ConnId,
        sched: &mut impl Schedule,
        out: &mut Vec<NetOut>,
    ) {
        let slot = &mut self.conns[conn.index as usize];
        let State::Opening { attempt, .. } = &mut slot.state else { return };
        if *attempt == SYN_RETRIES {
            self.free_conn(conn, out);
            out.push(NetOut::ConnectFailed { conn, refused: false });
            return;
        }
        *attempt += 1;
        self.send_syn(now_ns, conn, sched);
    }

    pub(super) fn on_established(&mut self, now_ns: u64, conn: ConnId, out: &mut Vec<NetOut>) {
        self.conns[conn.index as usize].state = State::Open;
        out.push(NetOut::Connected { conn });
        self.enqueue(now_ns, (conn, Side::Client), (MsgKind::Open, OPEN_BYTES, 0));
    }

    pub(super) fn on_refused(&mut self, conn: ConnId, out: &mut Vec<NetOut>) {
        self.free_conn(conn, out);
        out.push(NetOut::ConnectFailed { conn, refused: true });
    }

    fn send_syn(&mut self, now_ns: u64, conn: ConnId, sched: &mut impl Schedule) {
        if self.loses_packet((conn, Side::Client)) {
            self.expect_timeout(now_ns, conn, sched);
            return;
        }
        let latency_ns = self.draw_latency((conn, Side::Client), OPEN_BYTES);
        sched.at(now_ns + latency_ns, NetEvent { conn, epoch: 0, kind: Kind::Syn });
    }

    /// The current attempt will not be answered; its timeout is only scheduled now. On a slow link
    /// it may be over already.
    fn expect_timeout(&self, now_ns: u64, conn: ConnId, sched: &mut impl Schedule) {
        let State::Opening { began_ns, attempt } = self.conns[conn.index as usize].state else {
            unreachable!("only an opening connection waits for an answer");
        };
        let waits = (2 << attempt) - 1;
        let at_ns = began_ns + waits * self.config.syn_timeout_ns;
        sched.at(at_ns.max(now_ns), NetEvent { conn, epoch: 0, kind: Kind::SynTimeout });
    }

    fn loses_packet(&mut self, (conn, from): (ConnId, Side)) -> bool {
        let link = self.pipes.0[pipe_index(conn, from) as usize].link;
        self.links[link as usize].loses_packet()
    }
}
