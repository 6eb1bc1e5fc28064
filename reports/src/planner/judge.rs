//! Whether a cluster holds in a state, from what was recorded of it.
//!
//! A failure has a transition, in which detection and election stall some records for seconds
//! whatever the cluster's size, and a state that lasts. The thresholds are on the latter; the longest
//! gap of the former is reported beside it.

use super::types::{Judgement, Requirements, State, Use};
use crate::recording::{BrokerSecond, Recording, Second, SecondLatency};
use crate::result::{Milli, RunResult};
use crate::text;
use std::ops::Range;

/// Less than this share of the offered load acknowledged means that the cluster falls behind.
const ACKED_MIN: i64 = 98_000;
/// Less than this share of the load given to producers means that they are blocked: records count as
/// offered once they have an outcome, so that those of a producer that still waits are missing. Lower
/// than [`ACKED_MIN`], as few large records arrive unevenly.
const OFFERED_MIN: i64 = 90_000;

/// The judgement over the settled seconds, counted from the run's begin.
#[must_use]
pub fn judge(
    state: State,
    load_permille: u64,
    requirements: &Requirements,
    settled: &Range<u32>,
    (result, recording): (&RunResult, &Recording),
) -> Judgement {
    let seconds: Vec<&Second> =
        recording.seconds.iter().filter(|second| settled.contains(&second.index)).collect();
    let p99_ns = median(&seconds, |response| response.p99_ns);
    let sum = |of: fn(&Second) -> u64| seconds.iter().map(|second| i128::from(of(second))).sum();
    let acked: i128 = sum(|second| second.acked_records);
    let acked_percent = Milli::ratio(acked * 100, sum(|second| second.offered_records));
    let wanted = u128::from(requirements.ingress_bytes_per_sec) * u128::from(load_permille) / 1000;
    let wanted = i128::try_from(wanted * seconds.len() as u128).unwrap_or(i128::MAX);
    let offered_percent = Milli::ratio(sum(|second| second.offered_bytes) * 100, wanted);
    let gap = result.availability.worst_partitions.first();
    let limit = Milli::ms_from_ns(requirements.p99_ns);
    let reason = if result.lost_records > 0 {
        Some(format!("{} were lost", text::counted(result.lost_records, "acknowledged record")))
    } else if acked_percent < Milli::from_units(ACKED_MIN) {
        Some(format!("only {} % of the load is acknowledged", text::number(acked_percent, 1)))
    } else if offered_percent < Milli::from_units(OFFERED_MIN) {
        let percent = text::number(offered_percent, 1);
        Some(format!("producers are blocked: only {percent} % of the load has an outcome"))
    } else {
        match p99_ns {
            Some(ns) if ns < requirements.p99_ns => None,
            Some(ns) => Some(format!(
                "response p99 {}, not below {}",
                text::duration(Milli::ms_from_ns(ns)),
                text::duration(limit)
            )),
            None => Some("nothing was acknowledged".to_owned()),
        }
    };
    Judgement {
        state,
        load_permille,
        holds: reason.is_none(),
        reason,
        p50_ms: median(&seconds, |response| response.p50_ns).map(Milli::ms_from_ns),
        p99_ms: p99_ns.map(Milli::ms_from_ns),
        acked_percent,
        longest_gap_ms: gap.map_or(Milli::ZERO, |gap| gap.longest_ms),
        lost_records: result.lost_records,
        uses: uses(&seconds),
    }
}

/// The median second's percentile.
fn median(seconds: &[&Second], of: fn(&SecondLatency) -> u64) -> Option<u64> {
    let responses = seconds.iter().map(|second| &second.response);
    let mut values: Vec<u64> = responses.filter(|one| one.count > 0).map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// A resource's use in a second, parts per thousand.
type Permille = fn(&BrokerSecond) -> u32;

/// Use of the busiest broker that is up, the most used resource first.
fn uses(seconds: &[&Second]) -> Vec<Use> {
    let resources: [(&str, Permille); 3] = [
        ("cpu", |broker| broker.cpu_permille),
        ("network", |broker| broker.net_permille),
        ("disk", |broker| broker.disk_permille),
    ];
    let brokers = seconds.first().map_or(0, |second| second.brokers.len());
    let mean = |broker: usize, of: Permille| {
        let up = || seconds.iter().filter_map(|s| s.brokers.get(broker)).filter(|one| one.up);
        Milli::ratio(up().map(|one| i128::from(of(one))).sum(), up().count() as i128 * 10)
    };
    let mut uses: Vec<Use> = resources
        .into_iter()
        .map(|(resource, of)| {
            let percent = (0..brokers).map(|broker| mean(broker, of)).max().unwrap_or(Milli::ZERO);
            Use { resource: resource.to_owned(), percent }
        })
        .collect();
    uses.sort_by_key(|one| std::cmp::Reverse(one.percent));
    uses
}
