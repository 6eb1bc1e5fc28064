//! The times that a cluster's protocols wait for. Faults that last a little less or a little more,
//! or that fall right behind one of them, hit a protocol between two of its steps.

use std::collections::BTreeMap;
use stormglass_scenarios::plan::Plan;

const NS_PER_MS: u64 = 1_000_000;

/// A time from a client's config, ms, if it has one.
pub(super) fn config_ms(config: &BTreeMap<String, String>, key: &str) -> Option<u64> {
    config.get(key)?.parse().ok()
}

/// Time-outs and start-up times of a plan, ns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) heartbeat_ns: u64,
    pub(super) session_ns: u64,
    pub(super) lag_ns: u64,
    pub(super) quorum_fetch_ns: u64,
    pub(super) process_start_ns: u64,
    pub(super) host_boot_ns: u64,
}

impl Timing {
    /// As configured; Kafka's defaults for what is not.
    pub(super) fn of(plan: &Plan) -> Self {
        let config = |key: &str, default_ms: u64| {
            plan.cluster.config_ms(key, default_ms).saturating_mul(NS_PER_MS)
        };
        let constant = |key: &str| {
            let value = plan.model.constants.get(key).map_or(0, |constant| constant.value);
            u64::try_from(value).unwrap_or(0)
        };
        Self {
            heartbeat_ns: config("broker.heartbeat.interval.ms", 2_000),
            session_ns: config("broker.session.timeout.ms", 9_000),
            lag_ns: config("replica.lag.time.max.ms", 30_000),
            quorum_fetch_ns: config("controller.quorum.fetch.timeout.ms", 2_000),
            process_start_ns: constant("node.process_start_ns"),
            host_boot_ns: constant("node.host_boot_ns"),
        }
    }

    /// What something may wait for before it gives up.
    pub(super) fn patience(&self) -> [u64; 4] {
        [self.heartbeat_ns, self.session_ns, self.lag_ns, self.quorum_fetch_ns]
    }

    /// Moments after a fault that lasts `for_ns` at which a protocol is about to take a step: the
    /// session ends and leaders move, followers leave the ISR, the fault ends, processes are back.
    pub(super) fn boundaries(&self, for_ns: u64) -> [u64; 6] {
        let booted = for_ns + self.host_boot_ns + self.process_start_ns;
        [0, self.session_ns, self.lag_ns, for_ns, for_ns + self.process_start_ns, booted]
    }
}
