//! The formulas that others size clusters by, beside our own answer: Equation 1 of AWS's right-sizing
//! article, and AWS's sizing script.

use super::types::{Candidate, Formulas, Requirements};
use crate::cost::{Workload, aws_sizer};
use stormglass_scenarios::plan::{ClusterKind, Plan};

/// MSK brokers come in threes over three AZs.
const AZS: u128 = 3;

/// Why answers differ.
pub const FORMULA_NOTES: [&str; 4] = [
    "Equation 1 divides bytes by baselines of network and volumes, for the peak with every broker up: it \
     knows no lost AZ, no CPU, no TLS, no small batches and no latency",
    "AWS's script plans for a lost AZ, permanent rebalancing of three times the ingress and half of the \
     hardware used, whatever latency is wanted; it bills transfer, and volumes of twice what is kept",
    "this plan simulates the states that were asked for, requests and CPU included, and takes the least \
     that holds: it leaves no reserve beyond its headroom",
    "the bill of this plan has brokers, volumes of a quarter more than is kept, and the transfer of the \
     average load; the script bills transfer by its own rule, at list prices of us-east-1: where others \
     count it has no bill here",
];

/// Brokers by Equation 1: bytes at peak, each resource at its baseline; nothing where there are no
/// brokers to choose.
#[must_use]
pub fn equation_1(plan: &Plan, requirements: &Requirements) -> Option<u32> {
    if plan.cluster.kind == ClusterKind::MskServerless {
        return None;
    }
    let host = plan.cluster.brokers.first().map(|node| &node.host)?;
    let peak = u128::from(requirements.ingress_bytes_per_sec)
        * u128::from(requirements.peak_permille)
        / 1000;
    let copies = u128::from(requirements.replication);
    let flows = u128::from(requirements.groups) + copies - 1;
    let sum = |of: fn(&stormglass_scenarios::plan::VolumePlan) -> u64| -> u128 {
        host.volumes.iter().map(|volume| u128::from(of(volume))).sum()
    };
    let volumes = sum(|volume| volume.throughput.baseline_per_sec);
    // Nought is no path that volumes share.
    let path = match sum(|volume| volume.instance_throughput.baseline_per_sec) {
        0 => u128::from(u64::MAX),
        path => path,
    };
    let network = u128::from(host.nic.baseline_per_sec);
    let needed = [(peak * copies, volumes), (peak * copies, path), (peak * flows, network)]
        .map(|(bytes, has)| bytes.div_ceil(has.max(1)));
    let brokers = needed.into_iter().max().unwrap_or(1).max(copies).next_multiple_of(AZS);
    Some(u32::try_from(brokers).unwrap_or(u32::MAX))
}

/// Both formulas' answers for every instance type among the candidates.
#[must_use]
pub fn formulas<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    requirements: &Requirements,
) -> Vec<Formulas> {
    let mut all: Vec<Formulas> = Vec::new();
    for candidate in candidates {
        let Some(equation_1) = candidate.equation_1 else { continue };
        let cluster = &candidate.cluster;
        let known = all.iter().position(|one| one.instance == cluster.instance);
        let at = known.unwrap_or_else(|| {
            all.push(of_instance(candidate, equation_1, requirements));
            all.len() - 1
        });
        if candidate.fits && all[at].simulated.is_none_or(|least| cluster.brokers < least) {
            all[at].simulated = Some(cluster.brokers);
            all[at].simulated_usd = Some(cluster.monthly_usd);
        }
    }
    all
}

fn of_instance(candidate: &Candidate, equation_1: u32, requirements: &Requirements) -> Formulas {
    let cluster = &candidate.cluster;
    let mut workload = Workload::steady(
        requirements.ingress_bytes_per_sec,
        requirements.groups,
        requirements.peak_permille,
        requirements.record_bytes,
    )
    .kept_for(requirements.retention_seconds);
    workload.replication = requirements.replication;
    let replicas = u64::from(cluster.partitions) * u64::from(requirements.replication);
    let sized = aws_sizer(&workload, replicas).sizes;
    let script = sized.into_iter().find(|one| one.instance == cluster.instance);
    Formulas {
        instance: cluster.instance.clone(),
        simulated: None,
        simulated_usd: None,
        equation_1,
        aws_script: script.as_ref().map(|one| one.brokers),
        aws_script_usd: script.map(|one| one.monthly_usd),
    }
}
