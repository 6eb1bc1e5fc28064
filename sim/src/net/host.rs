//! A host as the network sees it: its AZ, its NIC and whether it answers. Leaves out everything
//! that happens above the socket.

use super::bucket::Ingress;
use super::egress::Egress;
use stormglass_scenarios::plan::RatePlan;

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// What a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSpec {
    /// Index of its AZ.
    pub az: usize,
    /// Its NIC, each direction, bytes per second.
    pub nic: RatePlan,
    /// Highest rate of a single flow, bytes per second.
    pub flow_cap_bytes_per_sec: u64,
}

/// What a host's NIC did since it was last asked. Bytes are on the wire, headers included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// How long the sending side ran at its limit, ns.
    pub tx_saturated_ns: u64,
    /// Bytes that wait to be sent now.
    pub tx_backlog_bytes: u64,
    /// Credits left for receiving, parts per thousand; 1000 when the NIC has none.
    pub rx_credits_permille: u32,
    /// Credits left for sending, parts per thousand; 1000 when the NIC has none.
    pub tx_credits_permille: u32,
}

/// A host's state.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) spec: HostSpec,
    pub(super) powered: bool,
    pub(super) listening: bool,
    pub(super) egress: Egress,
    pub(super) ingress: Ingress,
}

impl Host {
    pub(super) fn new(spec: HostSpec) -> Self {
        Self {
            spec,
            powered: true,
            listening: false,
            egress: Egress::new(spec.nic),
            ingress: Ingress::new(spec.nic),
        }
    }

    /// Counters since the last call. The caller has advanced the sending side to now.
    pub(super) fn take_counters(&mut self, now_ns: u64) -> HostCounters {
        let (tx_bytes, tx_saturated_ns) = self.egress.take_usage();
        HostCounters {
            rx_bytes: std::mem::take(&mut self.ingress.bytes),
            tx_bytes,
            tx_saturated_ns,
            tx_backlog_bytes: self.egress.backlog_bytes(),
            rx_credits_permille: self.ingress.credits_permille(now_ns),
            tx_credits_permille: self.egress.credits_permille(),
        }
    }
}
