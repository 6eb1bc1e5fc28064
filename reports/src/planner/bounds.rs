//! What arithmetic alone says of a cluster: the least that each broker must carry in a state.
//!
//! Bounds are optimistic on purpose: they count bytes, not requests, queues or pauses, so what they
//! rule out no simulation could save. With `n` brokers, `m` survivors, ingress `I` and egress `E`, a
//! survivor receives `I*rf/n` (its replicas stay what they were), leads `I/m` and sends `E/m` to
//! consumers and `I*rf/n - I/m` to followers.

use super::growth::kept;
use super::types::{Bound, Requirements, State};
use crate::cost::with_reserve;
use crate::result::Milli;
use stormglass_scenarios::plan::{LimitsPlan, Plan};

const NS_PER_SECOND: u128 = 1_000_000_000;

/// The tightest bound of each resource over the required states, the tightest first.
/// `partitions_max` is the quota of replicas for each broker.
#[must_use]
pub fn bounds(plan: &Plan, requirements: &Requirements, partitions_max: u64) -> Vec<Bound> {
    let mut tightest: Vec<Bound> = Vec::new();
    for state in &requirements.states {
        for (resource, percent) in of_state(plan, requirements, *state, partitions_max) {
            let bound = Bound { resource: resource.to_owned(), state: *state, percent };
            match tightest.iter_mut().find(|known| known.resource == resource) {
                Some(known) if known.percent < percent => *known = bound,
                Some(_) => {}
                None => tightest.push(bound),
            }
        }
    }
    tightest.sort_by_key(|bound| std::cmp::Reverse(bound.percent));
    tightest
}

fn of_state(
    plan: &Plan,
    requirements: &Requirements,
    state: State,
    partitions_max: u64,
) -> Vec<(&'static str, Milli)> {
    let brokers = plan.cluster.brokers.len() as u64;
    let left = u128::from(state.survivors(brokers, plan.cluster.azs.len() as u64).max(1));
    let (brokers, copies) = (u128::from(brokers), u128::from(requirements.replication));
    let load = u128::from(state.load_permille(requirements.peak_permille));
    let ingress = u128::from(requirements.ingress_bytes_per_sec) * load / 1000;
    let egress = ingress * u128::from(requirements.groups);
    let received = ingress * copies / brokers;
    let led = ingress / left;
    let followed = received.saturating_sub(led);
    let sent = egress / left + followed;
    let Some(host) = plan.cluster.brokers.first().map(|broker| &broker.host) else {
        return Vec::new();
    };
    let disk: u128 = host
        .volumes
        .iter()
        .map(|volume| {
            let path = volume.instance_throughput.baseline_per_sec;
            // Nought is no path that volumes share.
            let path = if path == 0 { u64::MAX } else { path };
            u128::from(volume.throughput.baseline_per_sec.min(path))
        })
        .sum();
    let constant = |name: &str| -> u128 {
        let value = plan.model.constants.get(name).map_or(0, |constant| constant.value);
        u128::try_from(value).unwrap_or(0)
    };
    let (network, tls) = (constant("cpu.network_ns_per_kib"), constant("cpu.tls_ns_per_kib"));
    let client = network + if plan.cluster.tls_client { tls } else { 0 };
    let peer = network + if plan.cluster.tls_in_cluster { tls } else { 0 };
    let work = led * (client + constant("cpu.produce_ns_per_kib"))
        + followed * (peer + constant("cpu.follower_append_ns_per_kib"))
        + egress / left * (client + constant("cpu.fetch_ns_per_kib"))
        + followed * (peer + constant("cpu.fetch_ns_per_kib"));
    let speed = u128::from(host.vcpus) * u128::from(host.cpu_speed_permille);
    let cores = speed * u128::from(host.cpu_baseline_permille) / 1000;
    let replicas: u128 = plan.topics.iter().map(|topic| topic.assignment.len() as u128).sum();
    let mut all = vec![
        ("network", percent(received.max(sent), u128::from(host.nic.baseline_per_sec))),
        ("disk", percent(received, disk)),
        ("cpu", percent(work / 1024, cores * NS_PER_SECOND / 1000)),
        ("partitions", percent(replicas * copies / brokers, u128::from(partitions_max))),
    ];
    // Volumes are made as large as they must be; local disks are as large as they are.
    if host.volumes.iter().all(|volume| volume.kind == "nvme") && !host.volumes.is_empty() {
        let has: u128 = host.volumes.iter().map(|volume| u128::from(volume.size_bytes)).sum();
        let kept = kept(requirements) / brokers;
        all.push(("storage", percent(with_reserve(kept), has)));
    }
    all.extend(quotas(plan, [ingress, egress], left));
    all
}

/// Quotas of a managed service: of the brokers that are left, or of the whole cluster, and a
/// partition's; keys are even, so that every partition takes its share.
///
/// Above the sustained quotas AWS promises no undegraded performance; what is throttled shows only after
/// the ten seconds over which quotas are measured, longer than a trial is judged.
fn quotas(
    plan: &Plan,
    [ingress, egress]: [u128; 2],
    left: u128,
) -> impl Iterator<Item = (&'static str, Milli)> {
    let partitions = plan.topics.iter().map(|topic| topic.assignment.len() as u128).sum::<u128>();
    let partitions = partitions.max(1);
    let limits = plan.cluster.limits.as_ref();
    let of = |limit: fn(&LimitsPlan) -> Option<u64>| limits.and_then(limit).map(u128::from);
    // Quotas of a whole cluster are there for whoever is left.
    let shared_by = limits.and_then(|limits| limits.shared_by).map(u128::from);
    let of_broker = |limit| Some(of(limit)? * shared_by.unwrap_or(left));
    let quotas = [
        (
            "ingress quota",
            ingress,
            of_broker(|limits| limits.in_sustained_bytes_per_sec.or(limits.in_bytes_per_sec)),
        ),
        (
            "egress quota",
            egress,
            of_broker(|limits| limits.out_sustained_bytes_per_sec.or(limits.out_bytes_per_sec)),
        ),
        (
            "partition ingress quota",
            ingress / partitions,
            of(|limits| limits.partition_in_bytes_per_sec),
        ),
        (
            "partition egress quota",
            egress / partitions,
            of(|limits| limits.partition_out_bytes_per_sec),
        ),
    ];
    quotas
        .into_iter()
        .filter_map(|(name, needed, limit)| limit.map(|limit| (name, percent(needed, limit))))
}

fn percent(part: u128, whole: u128) -> Milli {
    let signed = |value: u128| i128::try_from(value).unwrap_or(i128::MAX / 1_000_000);
    if whole == 0 {
        // Nothing is there: whatever is needed is too much.
        return Milli::from_units(if part == 0 { 0 } else { i64::MAX });
    }
    Milli::ratio(signed(part) * 100, signed(whole))
}
