//! The second half of `stormglass cost`: the workload on other services, AWS's sizing script, what
//! would save money, and when Kafka is the wrong tool.

use crate::output::columns;
use serde::Serialize;
use stormglass_reports::cost::{
    Alternative, AtLoad, CostOptions, CostReport, Saving, SizerReport, Unsaved, Workload, advice,
    alternatives, at_load, aws_sizer, savings, self_managed, unsaved,
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
    /// Changes that save nothing here.
    unsaved: Vec<Unsaved>,
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
        unsaved: Vec::new(),
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
        unsaved: unsaved(plan, &workload, options),
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
    let brokers = plan.cluster.brokers.len() as u64;
    self_managed(workload, (ec2, brokers, gib), Workload::remote_bytes(plan), options)
}

/// `100 MB/s`, `200 KB/s`: to a tenth, rounded.
fn rate(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} B/s"),
        1_000..1_000_000 => (1_000, "KB/s"),
        _ => (1_000_000, "MB/s"),
    };
    let tenths = (bytes + unit / 20) / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// For people, after the bill.
pub(super) fn text(found: &Elsewhere) -> String {
    let workload = &found.workload;
    let mut text = format!(
        "{} in (peak {}), {} out, compressed as on the wire; {} records/s, kept {} h, {} partitions\n\n",
        rate(workload.in_bytes_per_sec),
        rate(workload.in_peak_bytes_per_sec),
        rate(workload.out_bytes_per_sec),
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
    let mut sources = Sources::default();
    text.push_str(&services(&found.alternatives, &mut sources));
    text.push_str(&sources.new_lines());
    text.push_str(&changes(found, &mut sources));
    text.push_str(&script(&found.aws_sizer));
    if !found.advice.is_empty() {
        text.push_str("\nIs Kafka the right tool?\n");
    }
    for line in &found.advice {
        text.push_str(&format!("- {line}\n"));
    }
    text
}

/// What would save money, and what would not.
fn changes(found: &Elsewhere, sources: &mut Sources) -> String {
    let mut text = String::new();
    if !found.savings.is_empty() {
        let month = found.at_load.as_ref().map_or(Cents::ZERO, |month| month.total_usd);
        text.push_str(&format!(
            "\nWhat would save money here, each on its own, of ${month} a month with this load:\n"
        ));
    }
    for saving in &found.savings {
        let usd = saving.usd;
        let by = if usd < Cents::ZERO {
            format!("${} more:", Cents::from_units(-usd.units()))
        } else {
            format!("${usd}")
        };
        let numbers = sources.numbers(&saving.sources);
        text.push_str(&format!("- {by} {}: {} {numbers}\n", saving.change, saving.because));
    }
    text.push_str(&sources.new_lines());
    if !found.unsaved.is_empty() {
        text.push_str("\nWhat would save nothing here:\n");
    }
    for one in &found.unsaved {
        text.push_str(&format!("- {}: {}\n", one.change, one.because));
    }
    text
}

/// AWS's script, its smallest bills.
fn script(report: &SizerReport) -> String {
    let mut text = "\nAWS's sizing script for this workload:\n".to_owned();
    let titles = ["cluster", "USD", "decided by"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(report.sizes.iter().take(SIZES_SHOWN).map(|one| {
        let cluster = format!("{} x {}", one.brokers, one.instance);
        vec![cluster, one.monthly_usd.to_string(), one.binds.clone()]
    }));
    text.push_str(&columns(&rows, &[false, true, false]));
    for quirk in &report.quirks {
        text.push_str(&format!("note: {quirk}\n"));
    }
    text.push_str(&format!("source: {}\n", report.source));
    text
}

/// What the cluster costs with this load, which the bill of its hosts and volumes does not say.
fn month_text(month: &AtLoad) -> String {
    let AtLoad { cluster_usd, more_storage_usd, traffic_usd, total_usd, sources } = month;
    let mut text = format!(
        "This cluster with this load and retention: ${total_usd} a month: ${cluster_usd} for the \
         cluster, ${traffic_usd} for traffic across AZs"
    );
    if *more_storage_usd > Cents::ZERO {
        text.push_str(&format!(
            ", ${more_storage_usd} for larger volumes, as these do not hold what is kept"
        ));
    }
    text.push_str(".\n");
    for source in sources {
        text.push_str(&format!("source: {source}\n"));
    }
    text.push('\n');
    text
}

/// Sources by number, in the order in which they were first named.
#[derive(Debug, Default)]
struct Sources {
    all: Vec<String>,
    /// How many were written out.
    written: usize,
}

impl Sources {
    /// `[1] [3]`.
    fn numbers<'a>(&mut self, sources: impl IntoIterator<Item = &'a String>) -> String {
        let mut numbers: Vec<usize> = Vec::new();
        for source in sources {
            let at = self.all.iter().position(|known| known == source).unwrap_or_else(|| {
                self.all.push(source.clone());
                self.all.len() - 1
            });
            if !numbers.contains(&at) {
                numbers.push(at);
            }
        }
        let shown: Vec<String> = numbers.iter().map(|at| format!("[{}]", at + 1)).collect();
        shown.join(" ")
    }

    /// A line for each that was not written yet.
    fn new_lines(&mut self) -> String {
        let lines = self.all.iter().enumerate().skip(self.written);
        let text = lines.map(|(at, source)| format!("[{}] {source}\n", at + 1)).collect();
        self.written = self.all.len();
        text
    }
}

fn services(alternatives: &[Alternative], sources: &mut Sources) -> String {
    let titles = ["service", "USD", "limits", "source", "to know"];
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
        vec![one.name.clone(), total, limits, numbers(one, sources), notes]
    }));
    columns(&rows, &[false, true, false, false, false])
}

/// `[1] [3]`: where the prices of a service and its limits are from.
fn numbers(one: &Alternative, sources: &mut Sources) -> String {
    let prices = one.bill.lines.iter().map(|line| format!("{} ({})", line.source, line.date));
    let all: Vec<String> =
        prices.chain(one.limits.iter().map(|limit| limit.source.clone())).collect();
    sources.numbers(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_and_small_ones_have_their_own_unit() {
        let shown = [999, 199_680, 999_960, 1_949_999, 1_950_000, 100_000_000].map(rate);
        let wanted = ["999 B/s", "199.7 KB/s", "1000.0 KB/s", "1.9 MB/s", "2.0 MB/s", "100.0 MB/s"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn sources_keep_their_numbers() {
        let mut sources = Sources::default();
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(sources.numbers(&of(&["a", "b", "a"])), "[1] [2]");
        assert_eq!(sources.new_lines(), "[1] a\n[2] b\n");
        assert_eq!(sources.numbers(&of(&["c", "b"])), "[3] [2]");
        assert_eq!(sources.new_lines(), "[3] c\n");
    }
}
