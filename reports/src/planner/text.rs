//! The answer as text for a terminal.

use super::formulas::FORMULA_NOTES;
use super::types::{Candidate, Cluster, Judgement, PlanReport, Requirements};
use crate::columns::columns;
use crate::result::Milli;
use crate::text;

/// What there is when it was cut short.
pub(super) const INTERRUPTED: &str = "INTERRUPTED: what was found until then. What was simulated is \
                                      kept: the same command goes on from there.";

/// The ranking, or the nearest miss.
#[must_use]
pub fn table(report: &PlanReport) -> String {
    let mut out = format!("{}\n\n", question(&report.requirements));
    if report.interrupted {
        out.push_str(&format!("{INTERRUPTED}\n\n"));
    }
    if report.fits.is_empty() {
        out.push_str(if report.interrupted { "None found yet." } else { "No cluster meets it." });
        if let Some(miss) = report.nearest_miss() {
            out.push_str(&format!(" Nearest: {}, {}.", miss.name(), missed(miss)));
        }
        out.push_str("\n\n");
    } else {
        out.push_str(&ranking(&report.fits));
        out.push('\n');
    }
    for candidate in report.fits.iter().take(1) {
        out.push_str(&states(candidate));
        out.push('\n');
    }
    if let Some(first) = report.fits.first() {
        for line in outlook(report) {
            out.push_str(&format!("{line}\n"));
        }
        out.push_str(&format!("\n{}\n", bill(first)));
        if !report.formulas.is_empty() {
            out.push_str(&format!("{}\n", side_by_side(report)));
        }
    }
    for one in &report.ruled_out {
        out.push_str(&format!("No {}: of {} {}.\n", one.kind.name(), one.cluster, one.reason));
    }
    if !report.ruled_out.is_empty() {
        out.push('\n');
    }
    if !report.misses.is_empty() {
        out.push_str("Simulated and too small:\n");
        for miss in &report.misses {
            let cost = text::dollars(miss.cluster.monthly_usd);
            out.push_str(&format!("  {} ({cost}): {}\n", miss.name(), missed(miss)));
        }
        out.push('\n');
    }
    let cut = text::counted(u64::from(report.cut_by_bounds), "cluster");
    let runs = text::counted(u64::from(report.runs), "simulation");
    out.push_str(&format!("{cut} ruled out without a simulation, {runs}.\n"));
    for assumption in &report.assumptions {
        out.push_str(&format!("note: {assumption}\n"));
    }
    out
}

/// `100 MB/s in, 200 MB/s out, peak 2x, ...`.
pub(super) fn question(requirements: &Requirements) -> String {
    let rate = |bytes: u64| format!("{} MB/s", text::short(Milli::mb_from_bytes(bytes)));
    let states: Vec<&str> = requirements.states.iter().map(|state| state.name()).collect();
    let hours = Milli::ratio(i128::from(requirements.retention_seconds), 3600);
    format!(
        "{} in, {} out, peak {}x, {} h kept, {} replicas, {}; response p99 below {} in: {}",
        rate(requirements.ingress_bytes_per_sec),
        rate(requirements.ingress_bytes_per_sec * u64::from(requirements.groups)),
        text::short_seconds(Milli::ratio(i128::from(requirements.peak_permille), 1000)),
        text::short_seconds(hours),
        requirements.replication,
        requirements.region,
        text::duration(Milli::ms_from_ns(requirements.p99_ns)),
        states.join(", "),
    )
}

fn ranking(fits: &[Candidate]) -> String {
    let titles = [
        "cluster",
        "USD/month",
        "of it traffic",
        "storage",
        "partitions",
        "headroom",
        "binds first",
        "at",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(fits.iter().map(|candidate| {
        let cluster = &candidate.cluster;
        vec![
            candidate.name(),
            text::dollars(cluster.monthly_usd),
            text::dollars(cluster.traffic_usd),
            storage(cluster),
            cluster.partitions.to_string(),
            headroom(candidate),
            binds(candidate),
            candidate.headroom.as_ref().map_or("-", |one| one.state.name()).to_owned(),
        ]
    }));
    columns(&rows, &[false, true, true, true, true, true, false, false])
}

/// Of each broker.
pub(super) fn storage(cluster: &Cluster) -> String {
    if cluster.kind.has_elastic_storage() {
        return "elastic".to_owned();
    }
    format!("{} GiB", text::grouped(cluster.storage_gib))
}

/// `1.25x`, `over 3x`.
pub(super) fn headroom(candidate: &Candidate) -> String {
    candidate.headroom.as_ref().map_or_else(
        || "-".to_owned(),
        |headroom| {
            let at = text::short_seconds(headroom.holds_at);
            if headroom.breaks_at.is_some() { format!("{at}x") } else { format!("over {at}x") }
        },
    )
}

/// `cpu 92 %`.
pub(super) fn binds(candidate: &Candidate) -> String {
    let binds = candidate.headroom.as_ref().and_then(|headroom| headroom.binds.as_ref());
    binds.map_or_else(
        || "-".to_owned(),
        |one| format!("{} {} %", one.resource, text::number(one.percent, 0)),
    )
}

/// The judgement of the hardest state that was asked for.
pub(super) fn required(candidate: &Candidate) -> Option<&Judgement> {
    candidate.states.first()
}

/// What was checked of each cluster's headroom, and what growth does to it.
pub(super) fn outlook(report: &PlanReport) -> Vec<String> {
    let of = |candidate| lines(candidate).map(|text| format!("{}: {text}", candidate.name()));
    report.fits.iter().filter_map(of).collect()
}

fn lines(candidate: &Candidate) -> Option<String> {
    let mut lines = Vec::new();
    let verified = candidate.headroom.as_ref().and_then(|one| one.verified.as_ref());
    if let Some(verified) = verified {
        let because = |reason: &Option<String>| {
            reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"))
        };
        let below =
            if verified.holds_below { "every state holds" } else { "NOT every state holds" };
        let above = match verified.breaks_above {
            Some(true) => "; at 1.3 times, one breaks",
            Some(false) => "; at 1.3 times, NONE breaks",
            None => "; no limit was found",
        };
        lines.push(format!(
            "simulated again at 0.9 times its headroom, {below}{}{above}{}",
            because(&verified.reason_below),
            because(&verified.reason_above),
        ));
    }
    if let Some(growth) = &candidate.growth {
        let more = if growth.is_beyond { "more than " } else { "" };
        let volumes = growth.volume_months.map_or_else(String::new, |months| {
            format!(", and volumes are full in {} months", text::number(months, 0))
        });
        lines.push(format!(
            "at this growth the load is there in {more}{} months{volumes}",
            text::number(growth.load_months, 0),
        ));
    }
    (!lines.is_empty()).then(|| format!("{}.", lines.join("; ")))
}

/// A month's bill, line by line.
fn bill(candidate: &Candidate) -> String {
    let titles = ["item", "quantity", "unit price", "USD", "source"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(candidate.bill.iter().map(|line| {
        vec![
            line.item.clone(),
            format!("{} {}", text::number(line.quantity, 0), line.unit),
            line.unit_price_usd.to_string(),
            text::dollars(line.amount_usd),
            line.source.clone(),
        ]
    }));
    let table = columns(&rows, &[false, true, true, true, false]);
    format!("{} for a month at average load:\n{table}", candidate.name())
}

/// Brokers by other formulas, and why they differ.
fn side_by_side(report: &PlanReport) -> String {
    let titles = ["instance", "this plan", "Equation 1", "AWS's script", "USD here", "USD script"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    rows.extend(report.formulas.iter().map(|one| {
        vec![
            one.instance.clone(),
            or_dash(one.simulated.map(|count| count.to_string())),
            one.equation_1.to_string(),
            or_dash(one.aws_script.map(|count| count.to_string())),
            or_dash(one.simulated_usd.map(text::dollars)),
            or_dash(one.aws_script_usd.map(text::dollars)),
        ]
    }));
    let table = columns(&rows, &[false, true, true, true, true, true]);
    let notes: String = FORMULA_NOTES.iter().map(|note| format!("note: {note}\n")).collect();
    format!("Brokers by other formulas:\n{table}{notes}")
}

fn states(candidate: &Candidate) -> String {
    let titles = ["state", "load", "p99", "acknowledged", "longest gap", "most used"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(candidate.states.iter().map(|judgement| {
        vec![
            judgement.state.name().to_owned(),
            format!("{} %", judgement.load_permille / 10),
            judgement.p99_ms.map_or("-".to_owned(), text::duration),
            format!("{} %", text::number(judgement.acked_percent, 1)),
            text::duration(judgement.longest_gap_ms),
            judgement.uses.first().map_or("-".to_owned(), |one| {
                format!("{} {} %", one.resource, text::number(one.percent, 0))
            }),
        ]
    }));
    let table = columns(&rows, &[false, true, true, true, true, false]);
    format!("{} in each state, once it has settled:\n{table}", candidate.name())
}

/// Which state a cluster fails in, and why.
pub(super) fn missed(candidate: &Candidate) -> String {
    candidate.failed().map_or_else(
        || "not simulated".to_owned(),
        |failed| {
            let reason = failed.reason.as_deref().unwrap_or("does not hold");
            format!("{}: {reason}{}", failed.state.name(), tight(candidate))
        },
    )
}

/// What arithmetic says is nearly used up: simulation shows the effect, not the resource behind it.
fn tight(candidate: &Candidate) -> String {
    const NEARLY: Milli = Milli::from_units(90_000);
    let tightest = candidate.bounds.first().filter(|bound| bound.percent >= NEARLY);
    tightest.map_or(String::new(), |bound| {
        let percent = text::number(bound.percent, 0);
        format!(" ({} at {percent} % in {}, by arithmetic)", bound.resource, bound.state.name())
    })
}
