//! Charts of a plan: response latency against offered load with its knee, cost against latency, and
//! how much of each resource is used.

use super::text::required;
use super::types::{Candidate, Cluster, Judgement, PlanReport, Requirements};
use crate::charts::Chart;
use crate::charts::rows::{self, Row, Rows};
use crate::charts::steps::{Line, Steps, chart};
use crate::result::Milli;
use crate::text;

/// More clusters than this make no legible axis.
const CLUSTERS_MAX: usize = 12;

/// Every chart that there is something to draw for.
#[must_use]
pub fn charts(report: &PlanReport) -> Vec<Chart> {
    [knee(report), cost(report), resources(report)].into_iter().flatten().collect()
}

/// The best cluster at rising load in its hardest state.
fn knee(report: &PlanReport) -> Option<Chart> {
    let best = report.fits.first()?;
    let curve: Vec<&Judgement> = best.curve.iter().collect();
    if curve.len() < 2 {
        return None;
    }
    let average = report.requirements.ingress_bytes_per_sec;
    let labels: Vec<String> = curve
        .iter()
        .map(|one| {
            let bytes = average.saturating_mul(one.load_permille) / 1000;
            format!("{} MB/s", text::short(Milli::mb_from_bytes(bytes)))
        })
        .collect();
    let place = |load_permille: u64| f64::from(u32::try_from(load_permille).unwrap_or(u32::MAX));
    let places: Vec<f64> = curve.iter().map(|one| place(one.load_permille)).collect();
    // Where the headroom ends, of loads that were simulated.
    let mark = held(best, &report.requirements);
    let limit = Milli::ms_from_ns(report.requirements.p99_ns);
    let lines = [
        Line { label: "p50".to_owned(), values: curve.iter().map(|one| one.p50_ms).collect() },
        Line { label: "p99".to_owned(), values: curve.iter().map(|one| one.p99_ms).collect() },
        Line { label: "limit of p99".to_owned(), values: vec![Some(limit); curve.len()] },
    ];
    let state = best.headroom.as_ref().map_or("none", |one| one.state.name());
    chart(&Steps {
        name: "plan-load",
        title: "Response latency against offered load",
        caption: format!(
            "{} in the state {state}. It holds up to {} of the required load.",
            best.name(),
            super::text::headroom(best)
        ),
        unit: "ms",
        labels: &labels,
        places: &places,
        mark: mark.map(|one| (place(one), "holds up to here".to_owned())),
        lines: &lines,
    })
}

/// The highest load that holds, parts per thousand of the average, where one above it was tried.
fn held(best: &Candidate, requirements: &Requirements) -> Option<u64> {
    let headroom = best.headroom.as_ref()?;
    let required = headroom.state.load_permille(requirements.peak_permille);
    let multiple = u64::try_from(headroom.holds_at.units()).ok()?;
    let held = required * multiple / 1000;
    best.curve.iter().any(|one| one.load_permille > held).then_some(held)
}

/// Every simulated cluster in order of price.
fn cost(report: &PlanReport) -> Option<Chart> {
    let clusters = by_cost(report);
    if clusters.len() < 2 {
        return None;
    }
    let row = |one: &&Candidate| Row {
        label: short_name(one),
        values: vec![required(one).and_then(|judgement| judgement.p99_ms)],
    };
    let limit = Milli::ms_from_ns(report.requirements.p99_ns);
    rows::chart(&Rows {
        name: "plan-cost",
        title: "Cost against latency",
        caption: "Simulated clusters in order of price, response p99 in the first state that was \
                  judged. Bars far beyond the limit are cut off."
            .to_owned(),
        unit: "ms",
        series: &["response p99"],
        rows: &clusters.iter().map(row).collect::<Vec<Row>>(),
        limit: Some(("limit", limit)),
    })
}

/// What each cluster uses of each resource.
fn resources(report: &PlanReport) -> Option<Chart> {
    const RESOURCES: [&str; 3] = ["cpu", "network", "disk"];
    let used = |one: &Candidate, resource: &str| {
        let uses = &required(one)?.uses;
        Some(uses.iter().find(|used| used.resource == resource)?.percent)
    };
    let row = |one: &Candidate| Row {
        label: short_name(one),
        values: RESOURCES.map(|resource| used(one, resource)).to_vec(),
    };
    rows::chart(&Rows {
        name: "plan-use",
        title: "Use of each resource in the hardest state",
        caption: "Busiest broker, share of what there was at the time, bursts included.".to_owned(),
        unit: "%",
        series: &RESOURCES,
        rows: &report.fits.iter().take(CLUSTERS_MAX).map(row).collect::<Vec<Row>>(),
        limit: Some(("all of it", Milli::from_units(100_000))),
    })
}

fn by_cost(report: &PlanReport) -> Vec<&Candidate> {
    let mut all: Vec<&Candidate> = report.fits.iter().chain(&report.misses).collect();
    all.sort_by_key(|one| one.cluster.monthly_usd);
    let skipped = all.len().saturating_sub(CLUSTERS_MAX);
    all.split_off(skipped)
}

/// `6 x kafka.m7g.xlarge, $3,123`.
fn short_name(candidate: &Candidate) -> String {
    let cluster = &candidate.cluster;
    let name = Cluster::name_of(cluster.kind, cluster.brokers, &cluster.instance);
    let cents = u64::try_from(cluster.monthly_usd.units()).unwrap_or(0);
    format!("{name}, ${}", text::grouped((cents + 50) / 100))
}
