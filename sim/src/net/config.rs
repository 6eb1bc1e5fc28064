//! The network's constants, taken from the plan. Leaves out per-host figures, which are in
//! [`HostSpec`](super::HostSpec).

use stormglass_scenarios::plan::{ModelPlan, Quantiles};

/// The network's constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// One-way latency within an AZ.
    pub same_az: Quantiles,
    /// One-way latency between AZs.
    pub cross_az: Quantiles,
    /// Least retransmission timeout beyond the round-trip time, ns.
    pub rto_min_ns: u64,
    /// First timeout of a connection attempt, ns; doubled each time.
    pub syn_timeout_ns: u64,
    /// Bytes in a packet.
    pub mss_bytes: u64,
    /// Headers, parts per thousand of a message's bytes.
    pub frame_overhead_permille: u64,
    /// Send and receive window of a connection that sets none, bytes.
    pub window_bytes: u64,
    /// Latency within a host, ns.
    pub loopback_ns: u64,
}

impl NetConfig {
    /// From the plan's constants; one that is missing has the default that the module states.
    #[must_use]
    pub fn from_plan(model: &ModelPlan) -> Self {
        let constant = |name: &str, default: u64| {
            model.constants.get(name).map_or(default, |constant| constant.value.unsigned_abs())
        };
        Self {
            same_az: model.latency_same_az.clone(),
            cross_az: model.latency_cross_az.clone(),
            rto_min_ns: constant("net.rto_min_ns", 200_000_000),
            syn_timeout_ns: constant("net.syn_timeout_ns", 1_000_000_000),
            mss_bytes: constant("net.mss_bytes", 8_949).max(1),
            frame_overhead_permille: constant("net.frame_overhead_permille", 8),
            window_bytes: constant("net.window_bytes", 6 << 20),
            loopback_ns: constant("net.loopback_ns", 20_000),
        }
    }

    /// Bytes of a message on the wire.
    pub(super) fn wire_bytes(&self, bytes: u64) -> u64 {
        bytes + (bytes * self.frame_overhead_permille).div_ceil(1000)
    }
}
