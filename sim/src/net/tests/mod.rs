//! The network against closed forms, with a driver that is nothing but a queue.

mod faults;
mod handshake;
mod theory;
mod transfer;

use super::*;
use crate::kernel::{EventQueue, Order};
use crate::rng::Streams;
use stormglass_scenarios::plan::{Quantiles, RatePlan};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;
const MB: u64 = 1_000_000;
/// Latencies of the test network.
const SAME: u64 = 100 * US;
const CROSS: u64 = 500 * US;

impl Schedule for EventQueue<NetEvent> {
    fn at(&mut self, at_ns: u64, event: NetEvent) {
        self.push(at_ns, 0, event);
    }
}

struct World {
    net: Network,
    queue: EventQueue<NetEvent>,
    now_ns: u64,
    seen: Vec<(u64, NetOut)>,
}

fn constant(ns: u64) -> Quantiles {
    spread(&[(0, ns), (1_000_000, ns)])
}

fn spread(points: &[(u32, u64)]) -> Quantiles {
    Quantiles { points: points.to_vec(), source: String::new(), confidence: "U".into() }
}

fn config() -> NetConfig {
    NetConfig {
        same_az: constant(SAME),
        cross_az: constant(CROSS),
        rto_min_ns: 200 * MS,
        syn_timeout_ns: S,
        mss_bytes: 1_000,
        frame_overhead_permille: 0,
        window_bytes: 1 << 40,
        loopback_ns: 20 * US,
    }
}

fn nic(rate: u64) -> RatePlan {
    RatePlan { baseline_per_sec: rate, burst_per_sec: rate, bucket: 0, initial: 0 }
}

impl World {
    /// Hosts of 100 MB/s, one for each AZ given.
    fn new(config: NetConfig, azs: &[usize]) -> Self {
        let specs = azs.iter().map(|&az| HostSpec {
            az,
            nic: nic(100 * MB),
            flow_cap_bytes_per_sec: u64::MAX,
        });
        Self::with_hosts(config, specs.collect())
    }

    fn with_hosts(config: NetConfig, specs: Vec<HostSpec>) -> Self {
        let mut net = Network::new(config, Streams::new(1));
        for spec in specs {
            let host = net.add_host(spec);
            net.listen(host, true);
        }
        Self { net, queue: EventQueue::new(Order::Fixed), now_ns: 0, seen: Vec::new() }
    }

    /// An open connection; the clock moves on until it is accepted.
    fn conn(&mut self, from: u32, to: u32) -> ConnId {
        self.conn_with(from, to, Windows::default())
    }

    fn conn_with(&mut self, from: u32, to: u32, windows: Windows) -> ConnId {
        let ends = (HostId(from), HostId(to));
        let conn = self.net.connect(self.now_ns, ends, windows, &mut self.queue);
        let accepted = |(_, out): &(u64, NetOut)| matches!(out, NetOut::Accepted { conn: c, .. } if *c == conn);
        while !self.seen.iter().any(accepted) {
            assert!(self.step(u64::MAX), "the handshake ends");
        }
        conn
    }

    fn send(&mut self, conn: ConnId, from: Side, bytes: u64, token: u64) {
        assert!(self.net.send(self.now_ns, (conn, from), (bytes, token), 0));
        self.net.flush(self.now_ns, &mut self.queue);
    }

    fn step(&mut self, limit_ns: u64) -> bool {
        let Some((at_ns, event)) = self.queue.pop_until(limit_ns) else { return false };
        self.now_ns = at_ns;
        let mut out = Vec::new();
        self.net.on_event(at_ns, event, &mut self.queue, &mut out);
        self.note(out);
        true
    }

    fn note(&mut self, out: Vec<NetOut>) {
        let now_ns = self.now_ns;
        self.net.flush(now_ns, &mut self.queue);
        self.seen.extend(out.into_iter().map(|out| (now_ns, out)));
    }

    fn run_until(&mut self, at_ns: u64) {
        while self.step(at_ns) {}
        self.now_ns = at_ns;
    }

    fn run(&mut self) {
        while self.step(u64::MAX) {}
    }

    fn rule(&mut self, rule: LinkRule) -> RuleId {
        self.net.add_rule(self.now_ns, rule, &mut self.queue)
    }

    fn lift(&mut self, id: RuleId) {
        self.net.remove_rule(self.now_ns, id, &mut self.queue);
    }

    fn power(&mut self, host: u32, on: bool) {
        let mut out = Vec::new();
        self.net.host_power(self.now_ns, (HostId(host), on), &mut self.queue, &mut out);
        self.note(out);
    }

    fn exit(&mut self, host: u32) {
        let mut out = Vec::new();
        self.net.process_exit(self.now_ns, HostId(host), &mut out);
        self.note(out);
    }

    fn close(&mut self, conn: ConnId, side: Side) {
        let mut out = Vec::new();
        self.net.close(self.now_ns, (conn, side), &mut out);
        self.note(out);
    }

    /// Deliveries: when, and which.
    fn delivered(&self) -> Vec<(u64, u64)> {
        let times = self.seen.iter().filter_map(|&(at_ns, out)| match out {
            NetOut::Delivered { token, .. } => Some((at_ns, token)),
            _ => None,
        });
        times.collect()
    }

    fn dropped(&self) -> Vec<u64> {
        let tokens = self.seen.iter().filter_map(|&(_, out)| match out {
            NetOut::Dropped { token } => Some(token),
            _ => None,
        });
        tokens.collect()
    }

    fn closed(&self) -> Vec<(u64, Side)> {
        let sides = self.seen.iter().filter_map(|&(at_ns, out)| match out {
            NetOut::Closed { side, .. } => Some((at_ns, side)),
            _ => None,
        });
        sides.collect()
    }
}
