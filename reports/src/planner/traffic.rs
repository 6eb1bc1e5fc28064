//! The traffic that a candidate is billed for: that of the average load, reckoned, not measured.
//!
//! Clients are spread over the AZs evenly and talk to leaders, so that one of each AZ's share stays
//! within it; followers fetch from leaders wherever the placement has put them.

use super::types::Requirements;
use crate::recording::TransferTotals;
use stormglass_scenarios::plan::Plan;

const SECOND_NS: u64 = 1_000_000_000;

/// A second of average load, all brokers up.
#[must_use]
pub fn transfer(plan: &Plan, requirements: &Requirements) -> TransferTotals {
    let ingress = requirements.ingress_bytes_per_sec;
    let egress = ingress.saturating_mul(u64::from(requirements.groups));
    let azs = plan.cluster.azs.len().max(1) as u64;
    let elsewhere = |bytes: u64| bytes / azs * (azs - 1);
    let az_of = |broker: i32| {
        plan.cluster.brokers.iter().find(|node| node.id == broker).map(|node| node.az)
    };
    let (mut partitions, mut crossings) = (0_u64, 0_u64);
    for replicas in plan.topics.iter().flat_map(|topic| &topic.assignment) {
        let leader = replicas.first().copied().and_then(az_of);
        partitions += 1;
        crossings += replicas.iter().skip(1).filter(|one| az_of(**one) != leader).count() as u64;
    }
    let replicated = u128::from(ingress) * u128::from(crossings) / u128::from(partitions.max(1));
    TransferTotals {
        measured_ns: SECOND_NS,
        in_bytes: ingress,
        out_bytes: egress,
        produce_cross_az_bytes: elsewhere(ingress),
        consume_cross_az_bytes: elsewhere(egress),
        replication_cross_az_bytes: u64::try_from(replicated).unwrap_or(u64::MAX),
        remote_fetched_bytes: 0,
    }
}
