//! A result as a flat list of figures with names, units and a direction: what two runs are compared
//! by, and what a gate's limits name.
//!
//! Names follow the thresholds of scenarios: `response_latency{phase:heal} p(99)`. Figures come from
//! `result.json` alone, so a stored result has the same ones as a fresh run. Shares of resources are
//! those of the busiest broker.

use crate::result::{
    BrokerResources, LatencyRow, Milli, Recovery, Return, RunResult, ThroughputRow, WorkResult,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Phases taken together when a name has none.
pub const ALL_MEASURED: &str = "measure+heal";

/// Name of a figure.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct FigureName {
    /// Such as `response_latency`.
    pub metric: String,
    /// `measure+heal` or one phase.
    pub phase: String,
    /// Such as `p(99)`, `avg`, `value`.
    pub aggregate: String,
}

impl FigureName {
    /// A name of its parts.
    #[must_use]
    pub fn new(metric: &str, phase: &str, aggregate: &str) -> Self {
        let [metric, phase, aggregate] = [metric, phase, aggregate].map(str::to_owned);
        Self { metric, phase, aggregate }
    }

    /// Reads `metric aggregate` or `metric{phase:heal} aggregate`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, aggregate) = text.trim().rsplit_once(' ')?;
        let (metric, phase) = match head.trim().split_once('{') {
            None => (head.trim(), ALL_MEASURED),
            Some((metric, rest)) => {
                (metric.trim(), rest.strip_suffix('}')?.trim().strip_prefix("phase:")?.trim())
            }
        };
        let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        (is_name(metric) && is_name(phase)).then(|| Self::new(metric, phase, aggregate))
    }
}

impl fmt::Display for FigureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.phase == ALL_MEASURED {
            write!(f, "{} {}", self.metric, self.aggregate)
        } else {
            write!(f, "{}{{phase:{}}} {}", self.metric, self.phase, self.aggregate)
        }
    }
}

/// Which direction is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: it says what was, such as the offered load.
    Neither,
}

/// A figure of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Its name.
    pub name: FigureName,
    /// `ms`, `s`, `MB/s`, `records`, `%`, `USD`, `events`.
    pub unit: &'static str,
    /// Which direction is good.
    pub better: Better,
    /// The value; absent when it was never reached, such as a recovery that did not end.
    pub value: Option<Milli>,
}

/// Aggregates of a latency that a result has.
pub const LATENCY_AGGREGATES: [&str; 11] = [
    "avg", "min", "med", "p(75)", "p(90)", "p(95)", "p(99)", "p(99.9)", "p(99.99)", "max", "count",
];

/// All figures of a result, in an order that does not depend on values.
#[must_use]
pub fn figures(result: &RunResult) -> Vec<Figure> {
    let mut list = List(Vec::new());
    let totals = result.latency.iter().filter(|row| row.group == "*" && row.topic == "*");
    for row in totals.filter(|row| is_shown(&row.phase)) {
        latency(&mut list, row);
    }
    for row in result.throughput.iter().filter(|row| is_shown(&row.phase)) {
        throughput(&mut list, row);
    }
    availability(&mut list, result);
    if !result.recoveries.is_empty() {
        recovery(&mut list, &result.recoveries);
    }
    resources(&mut list, &result.resources);
    if let Some(work) = &result.work {
        self::work(&mut list, work);
    }
    list.add("monthly_cost", "value", "USD", Better::Lower, cents(result));
    for (kind, count) in &result.cluster_events.by_kind {
        let metric = format!("events_{}", kind.replace('-', "_"));
        list.add(&metric, "count", "events", Better::Neither, whole(*count));
    }
    list.0
}

fn is_shown(phase: &str) -> bool {
    [ALL_MEASURED, "measure", "heal"].contains(&phase)
}

fn whole(count: u64) -> Milli {
    Milli::from_units(i64::try_from(count).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
}

fn cents(result: &RunResult) -> Milli {
    Milli::from_units(result.cost.total_usd.units().saturating_mul(10))
}

struct List(Vec<Figure>);

impl List {
    fn add(&mut self, metric: &str, aggregate: &str, unit: &'static str, b: Better, value: Milli) {
        self.push(FigureName::new(metric, ALL_MEASURED, aggregate), unit, b, Some(value));
    }

    fn push(&mut self, name: FigureName, unit: &'static str, better: Better, value: Option<Milli>) {
        self.0.push(Figure { name, unit, better, value });
    }
}

fn latency(list: &mut List, row: &LatencyRow) {
    let metric = format!("{}_latency", row.kind);
    let values = [
        Some(row.mean_ms),
        Some(row.min_ms),
        Some(row.p50_ms),
        Some(row.p75_ms),
        Some(row.p90_ms),
        Some(row.p95_ms),
        Some(row.p99_ms),
        Some(row.p99_9_ms),
        row.p99_99_ms,
        Some(row.max_ms),
        Some(whole(row.count)),
    ];
    for (aggregate, value) in LATENCY_AGGREGATES.into_iter().zip(values) {
        let (unit, better) = match aggregate {
            "count" => ("records", Better::Neither),
            _ => ("ms", Better::Lower),
        };
        // A percentile that too few records carry is no figure at all.
        if value.is_some() {
            list.push(FigureName::new(&metric, &row.phase, aggregate), unit, better, value);
        }
    }
}

fn throughput(list: &mut List, row: &ThroughputRow) {
    let rates = [
        ("offered_throughput", row.offered, Better::Neither),
        ("produce_throughput", row.acked, Better::Higher),
        ("consume_throughput", row.consumed, Better::Higher),
    ];
    for (metric, rate, better) in rates {
        let name = |aggregate| FigureName::new(metric, &row.phase, aggregate);
        list.push(name("avg"), "MB/s", better, Some(rate.mb_per_s_avg));
        list.push(name("max"), "MB/s", Better::Neither, Some(rate.mb_per_s_max));
    }
}

fn availability(list: &mut List, result: &RunResult) {
    let availability = &result.availability;
    let gap = availability.worst_partitions.first().map_or(Milli::ZERO, |gap| gap.longest_ms);
    list.add("unavailability", "max", "ms", Better::Lower, gap);
    let (lower, failed) = (Better::Lower, whole(availability.failed_records));
    list.add("produce_errors", "count", "records", lower, failed);
    list.add("lost_records", "value", "records", lower, whole(result.lost_records));
    let (offline, under) =
        (availability.seconds_with_offline_partitions, availability.seconds_with_under_replicated);
    list.add("offline_partitions", "seconds", "s", lower, whole(offline));
    list.add("under_replicated", "seconds", "s", lower, whole(under));
}

/// One of the things that return to normal after a fault.
type Returned = fn(&Recovery) -> Return;

/// The slowest recovery of each kind over all faults.
fn recovery(list: &mut List, recoveries: &[Recovery]) {
    let worst = |of: fn(&Recovery) -> Option<Milli>| recoveries.iter().filter_map(of).max();
    for (metric, value) in [
        ("recovery_detection", worst(|one| one.detected_after_s)),
        ("recovery_leaders", worst(|one| one.leaders_after_s)),
    ] {
        if let Some(value) = value {
            list.add(metric, "max", "s", Better::Lower, value);
        }
    }
    let returns: [(&str, Returned); 5] = [
        ("recovery_produce", |one| one.produce),
        ("recovery_backlog", |one| one.backlog),
        ("recovery_latency", |one| one.latency),
        ("recovery_replicas", |one| one.replicas),
        ("recovery_consumers", |one| one.consumers),
    ];
    for (metric, of) in returns {
        // One that did not end outranks every one that did.
        let value = recoveries.iter().map(of).try_fold(Milli::ZERO, |worst, one| match one {
            Return::Undisturbed => Some(worst),
            Return::Back { after_s } => Some(worst.max(after_s)),
            Return::NotBack => None,
        });
        list.push(FigureName::new(metric, ALL_MEASURED, "max"), "s", Better::Lower, value);
    }
}

fn resources(list: &mut List, brokers: &[BrokerResources]) {
    let busiest = |of: fn(&BrokerResources) -> Milli| brokers.iter().map(of).max();
    let shares: [(&str, &str, Option<Milli>); 6] = [
        ("cpu_utilisation", "avg", busiest(|one| one.cpu_percent_avg)),
        ("cpu_utilisation", "max", busiest(|one| one.cpu_percent_max)),
        ("network_utilisation", "avg", busiest(|one| one.network_percent_avg)),
        ("network_utilisation", "max", busiest(|one| one.network_percent_max)),
        ("disk_utilisation", "avg", busiest(|one| one.disk_percent_avg)),
        ("disk_utilisation", "max", busiest(|one| one.disk_percent_max)),
    ];
    for (metric, aggregate, value) in shares {
        if let Some(value) = value {
            list.add(metric, aggregate, "%", Better::Lower, value);
        }
    }
    let least = |of: fn(&BrokerResources) -> Option<Milli>| brokers.iter().filter_map(of).min();
    for (metric, value) in [
        ("handler_idle", least(|one| Some(one.handler_idle_percent_min))),
        ("network_credits", least(|one| one.network_credits_percent_min)),
        ("burst_balance", least(|one| one.burst_balance_percent_min)),
        ("cache_hits", least(|one| one.cache_hit_percent)),
    ] {
        if let Some(value) = value {
            list.add(metric, "min", "%", Better::Higher, value);
        }
    }
    let queue = brokers.iter().map(|one| u64::from(one.request_queue_max)).max();
    if let Some(queue) = queue {
        list.add("request_queue", "max", "requests", Better::Lower, whole(queue));
    }
}

/// Whether a figure is one of those that [`WorkResult`] gives.
pub(crate) fn is_of_work(name: &FigureName) -> bool {
    name.metric.starts_with("cpu_time") || name.metric.starts_with("follower_fetch")
}

/// CPU time by kind, such as `cpu_time_follower_fetch`; all brokers together.
fn work(list: &mut List, work: &WorkResult) {
    let lower = Better::Lower;
    let total: i64 = work.cpu.iter().map(|share| share.ms_per_s.units()).sum();
    list.add("cpu_time", "avg", "ms/s", lower, Milli::from_units(total));
    for share in &work.cpu {
        let metric = format!("cpu_time_{}", share.work.replace(' ', "_"));
        list.add(&metric, "avg", "ms/s", lower, share.ms_per_s);
    }
    let (count, size) = (work.follower_fetches_per_s, work.follower_fetch_kib_avg);
    list.add("follower_fetches", "avg", "/s", Better::Neither, count);
    list.add("follower_fetch_size", "avg", "KiB", Better::Neither, size);
    list.add("follower_fetch_size", "max", "KiB", Better::Neither, work.follower_fetch_kib_max);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result;
    use crate::testing;

    fn outage() -> RunResult {
        result::build("plan", "model", &testing::plan(), &testing::az_outage())
    }

    #[test]
    fn names_are_unique_and_values_are_the_results() {
        let result = outage();
        let figures = figures(&result);
        let mut names: Vec<String> = figures.iter().map(|one| one.name.to_string()).collect();
        let find = |name: &str| figures.iter().find(|one| one.name.to_string() == name).unwrap();
        let heal = result.latency_of("heal", "response").unwrap();
        assert_eq!(find("response_latency{phase:heal} p(99)").value, Some(heal.p99_ms));
        let cost = find("monthly_cost value").value.unwrap();
        assert_eq!(cost.units(), result.cost.total_usd.units() * 10);
        assert_eq!(find("lost_records value").value, Some(Milli::ZERO));
        for one in &figures {
            assert_eq!(FigureName::parse(&one.name.to_string()), Some(one.name.clone()));
        }
        for text in ["", "p99", "{phase:heal} p(99)", "a{heal} p(99)", "a b p(99)"] {
            assert_eq!(FigureName::parse(text), None, "{text}");
        }
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_recovery_that_did_not_end_has_no_value() {
        let mut result = outage();
        result.recoveries[0].consumers = Return::NotBack;
        let figures = figures(&result);
        let of = |metric: &str| {
            figures.iter().find(|one| one.name.metric == metric).map(|one| one.value)
        };
        assert_eq!(of("recovery_consumers"), Some(None));
        assert!(matches!(of("recovery_leaders"), Some(Some(_))));
    }
}
