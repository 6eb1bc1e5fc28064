//! The second half of `stormglass cost`: the workload on other services, AWS's sizing script, what
//! would save money, and when Kafka is the wrong tool.

use crate::output::columns;
use serde::Serialize;
use stormglass_reports::cost::{
    Alternative, AtLoad, CostOptions, CostReport, Saving, SizerReport, Workload, advice,
    alternatives, at_load, aws_sizer, savings, self_managed,
};
use stormglass_reports::result::Cents;
use stormglass_scenarios::plan::{ClusterKind, Plan};

/// Sizes of the script that are shown to people.
const SIZES_SHOWN: usize = 9;
const GIB: u64 = 1 << 30;

/// Everything, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Elsewhere {
    /// The cluster's own bill, if there is a cluster.
    bill: Option<CostReport>,
    /// A month of the cluster with its load and retention, if there is a cluster.
    at_load: Option<AtLoad>,
    workload: Workload,
    alternatives: Vec<Alternative>,
    savings: Vec<Saving>,
    advice: Vec<String>,
    aws_sizer: SizerReport,
}

/// Of a workload without a cluster. The cheapest cluster of the script stands in for one.
pub(super) fn of_workload(workload: Workload, replicas: u64, options: &CostOptions) -> Elsewhere {
    let aws_sizer = aws_sizer(&workload, replicas);
    let alternatives = alternatives(&workload, options);
    let own = aws_sizer.sizes.first().map_or(Cents::ZERO, |one| one.monthly_usd);
    let advice = advice(&workload, own, &alternatives);
    Elsewhere {
        bill: None,
        at_load: None,
        workload,
        alternatives,
        savings: Vec::new(),
        advice,
        aws_sizer,
    }
}

/// Of a plan's cluster and load.
pub(super) fn of_plan(plan: &Plan, bill: CostReport, options: &CostOptions) -> Elsewhere {
    let workload = Workload::of_plan(plan);
    let replicas = workload.partitions.saturating_mul(u64::from(workload.replication));
    let mut alternatives = alternatives(&workload, options);
    alternatives.extend(on_ec2(plan, &workload, options));
    alternatives.sort_by_key(|one| (!one.fits, !one.bill.complete, one.bill.total_usd));
    let at_load = at_load(plan, &workload, options);
    let advice = advice(&workload, at_load.total_usd, &alternatives);
    Elsewhere {
        savings: savings(plan, &workload, options),
        aws_sizer: aws_sizer(&workload, replicas),
        bill: Some(bill),
        at_load: Some(at_load),
        workload,
        alternatives,
        advice,
    }
}

/// The same brokers without MSK.
fn on_ec2(plan: &Plan, workload: &Workload, options: &CostOptions) -> Option<Alternative> {
    if plan.cluster.kind != ClusterKind::MskStandard {
        return None;
    }
    let host = &plan.cluster.brokers.first()?.host;
    let gib = host.volumes.iter().map(|volume| volume.size_bytes).sum::<u64>() / GIB;
    let ec2 = host.instance.strip_prefix("kafka.")?;
    self_managed(workload, (ec2, plan.cluster.brokers.len() as u64, gib), options)
}

/// For people, after the bill.
pub(super) fn text(found: &Elsewhere) -> String {
    let workload = &found.workload;
    let mb = |bytes: u64| format!("{}.{} MB/s", bytes / 1_000_000, bytes / 100_000 % 10);
    let mut text = format!(
        "{} in (peak {}), {} out, {} records/s, kept {} h, {} partitions\n\n",
        mb(workload.in_bytes_per_sec),
        mb(workload.in_peak_bytes_per_sec),
        mb(workload.out_bytes_per_sec),
        workload.records_per_sec,
        workload.retention_seconds / 3600,
        workload.partitions,
    );
    if let Some(month) = &found.at_load {
        text.push_str(&month_text(month));
    }
    text.push_str(
        "The same workload elsewhere, a month at list prices of us-east-1 and its like:\n",
    );
    text.push_str(&services(&found.alternatives));
    if !found.savings.is_empty() {
        let month = found.at_load.as_ref().map_or(Cents::ZERO, |month| month.total_usd);
        text.push_str(&format!(
            "\nWhat would save money here, each on its own, of ${month} a month with this load:\n"
        ));
    }
    for saving in &found.savings {
        text.push_str(&format!("- ${} {}: {}\n", saving.usd, saving.change, saving.because));
    }
    text.push_str("\nAWS's sizing script for this workload:\n");
    let titles = ["cluster", "USD", "decided by"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(found.aws_sizer.sizes.iter().take(SIZES_SHOWN).map(|one| {
        let cluster = format!("{} x {}", one.brokers, one.instance);
        vec![cluster, one.monthly_usd.to_string(), one.binds.clone()]
    }));
    text.push_str(&columns(&rows, &[false, true, false]));
    for quirk in &found.aws_sizer.quirks {
        text.push_str(&format!("note: {quirk}\n"));
    }
    text.push_str(&format!("source: {}\n", found.aws_sizer.source));
    if !found.advice.is_empty() {
        text.push_str("\nIs Kafka the right tool?\n");
    }
    for line in &found.advice {
        text.push_str(&format!("- {line}\n"));
    }
    text
}

/// What the cluster costs with this load, which the bill of its hosts and volumes does not say.
fn month_text(month: &AtLoad) -> String {
    let AtLoad { cluster_usd, more_storage_usd, traffic_usd, total_usd } = month;
    let mut text = format!(
        "This cluster with this load and retention: ${total_usd} a month: ${cluster_usd} for the \
         cluster, ${traffic_usd} for traffic across AZs"
    );
    if *more_storage_usd > Cents::ZERO {
        text.push_str(&format!(
            ", ${more_storage_usd} for larger volumes, as these do not hold what is kept"
        ));
    }
    text.push_str(".\n\n");
    text
}

fn services(alternatives: &[Alternative]) -> String {
    let titles = ["service", "USD", "limits", "source", "to know"];
    let mut sources: Vec<String> = Vec::new();
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(alternatives.iter().map(|one| {
        let more = if one.bill.complete { "" } else { " and more" };
        let passed: Vec<String> = one
            .limits
            .iter()
            .filter(|limit| !limit.holds)
            .map(|limit| format!("{} of {} {}", limit.needed, limit.limit, limit.unit))
            .collect();
        let limits = match (passed.is_empty(), one.limits.is_empty()) {
            (false, _) => format!("passed: {}", passed.join("; ")),
            (true, true) => "not known".to_owned(),
            (true, false) => "hold".to_owned(),
        };
        let notes = one.notes.first().cloned().unwrap_or_default();
        let total = format!("{}{more}", one.bill.total_usd);
        vec![one.name.clone(), total, limits, numbers(one, &mut sources), notes]
    }));
    let mut text = columns(&rows, &[false, true, false, false, false]);
    for (at, source) in (1..).zip(&sources) {
        text.push_str(&format!("[{at}] {source}\n"));
    }
    text
}

/// `[1] [3]`: where the prices of a service and its limits are from.
fn numbers(one: &Alternative, sources: &mut Vec<String>) -> String {
    let prices = one.bill.lines.iter().map(|line| format!("{} ({})", line.source, line.date));
    let mut numbers: Vec<usize> = Vec::new();
    for source in prices.chain(one.limits.iter().map(|limit| limit.source.clone())) {
        let at = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        if !numbers.contains(&at) {
            numbers.push(at);
        }
    }
    let shown: Vec<String> = numbers.iter().map(|at| format!("[{}]", at + 1)).collect();
    shown.join(" ")
}
