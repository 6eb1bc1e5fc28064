//! The way from one host to another: latency, loss and what faults do to it. Leaves out routers,
//! queues inside the provider's network, and packets.
//!
//! One-way latency = `max(Q(0), base + Q(u) - Q(1/2))`, where `Q` is the inverse distribution of the
//! plan (same AZ or cross AZ), `u` is drawn anew for each message and `base = Q(v)` belongs to the
//! pair of hosts, `v` uniform in its middle half. Pairs differ as real ones do, and each shows the
//! plan's spread. Over all pairs together the median is the plan's, and the upper percentiles are at
//! most `Q(3/4) - Q(1/2)` above it. On one host it is a constant. Rules add delay and uniform jitter.
//!
//! Loss never loses a message. Of its packets (by MSS) each is lost with chance `p`; at most one
//! loss per ten packets, TCP's initial window, costs time of its own. With three packets of the
//! message behind it, a loss costs a round trip (fast retransmit), otherwise the retransmission
//! timeout `RTT + rto_min`; each further loss of the same packet doubles that. The flow's rate is
//! at most `MSS / RTT * sqrt(3 / 2p)` (Mathis et al. 1997; Reno, so a floor under CUBIC).

use super::HostId;
use super::latency::Sampler;
use crate::rng::{Stream, Streams, quantile_at};
use stormglass_scenarios::plan::{LinkEffect, Quantiles};

const PPM: u64 = 1_000_000;
const PACKETS_PER_LOSS: u64 = 10;
const LOSS_BACKOFF_MAX: u32 = 6;

/// A set of hosts. `Az` and `OutsideAz` hold for hosts added later, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Every host.
    All,
    /// Hosts of an AZ.
    Az(usize),
    /// Hosts of every other AZ.
    OutsideAz(usize),
    /// These hosts.
    Listed(Vec<HostId>),
}

impl Hosts {
    fn contains(&self, host: HostId, az: usize) -> bool {
        match self {
            Self::All => true,
            Self::Az(of) => az == *of,
            Self::OutsideAz(of) => az != *of,
            Self::Listed(hosts) => hosts.contains(&host),
        }
    }
}

/// A fault between two sets of hosts, never within one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRule {
    /// One side.
    pub from: Hosts,
    /// Other side.
    pub to: Hosts,
    /// Only messages from `from` to `to`.
    pub one_way: bool,
    /// What happens to them.
    pub effect: LinkEffect,
}

impl LinkRule {
    /// No packet enters or leaves an AZ.
    #[must_use]
    pub fn isolate_az(az: usize) -> Self {
        let (from, to) = (Hosts::Az(az), Hosts::OutsideAz(az));
        Self { from, to, one_way: false, effect: LinkEffect::Cut }
    }

    fn covers(&self, link: &Link) -> bool {
        let (from, to) = ((link.from, link.from_az), (link.to, link.to_az));
        let covers = |a: (HostId, usize), b: (HostId, usize)| {
            self.from.contains(a.0, a.1) && self.to.contains(b.0, b.1)
        };
        covers(from, to) || (!self.one_way && covers(to, from))
    }
}

/// What all rules together do to a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) cut: bool,
    pub(super) extra_ns: u64,
    pub(super) jitter_ns: u64,
    pub(super) loss_ppm: u32,
}

impl Effect {
    fn add(&mut self, effect: LinkEffect) {
        match effect {
            LinkEffect::Cut => self.cut = true,
            LinkEffect::Delay { extra_ns, jitter_ns } => {
                self.extra_ns += extra_ns;
                self.jitter_ns += jitter_ns;
            }
            LinkEffect::Loss { ppm } => {
                let passes =
                    (PPM - u64::from(self.loss_ppm)) * (PPM - u64::from(ppm).min(PPM)) / PPM;
                self.loss_ppm = (PPM - passes) as u32;
                self.cut |= passes == 0;
            }
        }
    }
}

/// The way from one host to another, one direction.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) from: HostId,
    pub(super) to: HostId,
    from_az: usize,
    to_az: usize,
    base_ns: u64,
    /// Least and median latency of the plan, ns.
    least_ns: u64,
    median_ns: u64,
    stream: Stream,
    pub(super) effect: Effect,
    /// Bytes sent into it.
    pub(super) bytes: u64,
}

/// What a message meets on a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    pub(super) packets: u64,
    pub(super) rtt_ns: u64,
    pub(super) rto_min_ns: u64,
}

impl Link {
    pub(super) fn new(
        (from, from_az): (HostId, usize),
        (to, to_az): (HostId, usize),
        quantiles: &Quantiles,
        loopback_ns: u64,
        streams: &Streams,
    ) -> Self {
        let number = |a: HostId, b: HostId| u64::from(a.0) << 32 | u64::from(b.0);
        // Both directions of a pair take the same way.
        let mut pair = streams.stream(("pair", number(from.min(to), from.max(to))), "base latency");
        let middle = pair.uniform(PPM / 4, 3 * PPM / 4) as u32;
        let base_ns = if from == to { loopback_ns } else { quantile_at(quantiles, middle) };
        Self {
            from,
            to,
            from_az,
            to_az,
            base_ns,
            least_ns: quantile_at(quantiles, 0),
            median_ns: quantile_at(quantiles, 500_000),
            stream: streams.stream(("link", number(from, to)), "latency"),
            effect: Effect::default(),
            bytes: 0,
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.from == self.to
    }

    pub(super) fn is_cross_az(&self) -> bool {
        self.from_az != self.to_az
    }

    /// Typical latency, ns: what TCP would know as half its round-trip time.
    pub(super) fn typical_ns(&self) -> u64 {
        self.base_ns + self.effect.extra_ns + self.effect.jitter_ns / 2
    }

    /// Applies the rules in force.
    pub(super) fn set_rules<'a>(&mut self, rules: impl Iterator<Item = &'a LinkRule>) {
        let mut effect = Effect::default();
        if !self.is_loopback() {
            rules.filter(|rule| rule.covers(self)).for_each(|rule| effect.add(rule.effect));
        }
        self.effect = effect;
    }

    /// Draws the latency of one message without loss, ns.
    pub(super) fn latency_ns(&mut self, sampler: &Sampler) -> u64 {
        if self.is_loopback() {
            return self.base_ns;
        }
        let drawn = self.base_ns + sampler.draw(&mut self.stream);
        let latency_ns = drawn.saturating_sub(self.median_ns).max(self.least_ns);
        let jitter_ns = match self.effect.jitter_ns {
            0 => 0,
            most => self.stream.uniform(0, most),
        };
        latency_ns + self.effect.extra_ns + jitter_ns
    }

    /// Draws what lost packets cost a message, ns.
    pub(super) fn loss_delay_ns(&mut self, passage: Passage) -> u64 {
        let ppm = self.effect.loss_ppm;
        assert!(ppm > 0 && u64::from(ppm) < PPM, "some packets are lost and some are not");
        let log_pass = libm::log1p(-f64::from(ppm) / PPM as f64);
        let mut delay_ns = 0;
        let mut packet = 0;
        loop {
            // Packets until the next loss are geometric.
            packet += (libm::log(self.stream.unit()) / log_pass) as u64;
            if packet >= passage.packets {
                return delay_ns;
            }
            let rto_ns = passage.rtt_ns + passage.rto_min_ns;
            let fast = passage.packets - packet > 3;
            delay_ns += if fast { passage.rtt_ns } else { rto_ns };
            let mut doublings = u32::from(!fast);
            while doublings < LOSS_BACKOFF_MAX && self.stream.chance_ppm(ppm) {
                delay_ns += rto_ns << doublings;
                doublings += 1;
            }
            packet += PACKETS_PER_LOSS;
        }
    }

    /// Whether messages pass, but some packets of theirs get lost.
    pub(super) fn is_lossy(&self) -> bool {
        self.effect.loss_ppm > 0 && !self.effect.cut
    }

    /// Whether a single small packet is lost. No draw without loss.
    pub(super) fn loses_packet(&mut self) -> bool {
        self.effect.loss_ppm > 0 && self.stream.chance_ppm(self.effect.loss_ppm)
    }

    /// The highest rate that TCP keeps up under loss, bytes per second.
    pub(super) fn loss_cap(&self, mss_bytes: u64, rtt_ns: u64) -> u64 {
        if self.effect.loss_ppm == 0 {
            return u64::MAX;
        }
        let root = libm::sqrt(1.5 * PPM as f64 / f64::from(self.effect.loss_ppm));
        (mss_bytes as f64 * 1e9 / rtt_ns.max(1) as f64 * root) as u64
    }
}
