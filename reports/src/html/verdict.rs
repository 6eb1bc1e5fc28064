//! The top of the page: what was asked, the answer in a sentence, the figures behind it.

use crate::result::{FULL_VOLUME, Milli, RunResult, Status, ThresholdResult};
use crate::run_dir::ReportInput;
use crate::summary::{cost_basis, failed_sentence};
use crate::text;
use maud::{Markup, html};

/// Title, question, answer.
pub(super) fn banner(input: &ReportInput<'_>) -> Markup {
    let result = input.result;
    let (class, mark, word) = match result.verdict.status {
        Status::Ok => ("ok", "✓", "Passed"),
        Status::ThresholdMissed => ("missed", "!", "Threshold missed"),
        Status::Violated => ("violated", "✗", "A promise was broken"),
        Status::Interrupted => ("interrupted", "…", "Interrupted"),
    };
    html! {
        header {
            p.kind { "Stormglass report" }
            h1 { (result.scenario.name) }
            p.setting { (setting(input)) }
            div class={ "verdict " (class) } role="status" {
                p.word { span.mark aria-hidden="true" { (mark) } (word) }
                div {
                    p.question { (result.scenario.question) }
                    p.answer { (answer(result)) }
                    @if !result.verdict.reasons.is_empty() {
                        ul.reasons { @for reason in &result.verdict.reasons { li { (reason) } } }
                    }
                    details.expect {
                        summary { "What a healthy cluster is expected to do" }
                        p { (result.scenario.expect) }
                    }
                }
            }
        }
    }
}

/// `3 × kafka.m5.large in 3 AZs of us-east-1, seed 7, 200 simulated seconds`.
fn setting(input: &ReportInput<'_>) -> String {
    let cluster = &input.plan.cluster;
    let instance = cluster.brokers.first().map_or("", |node| node.host.instance.as_str());
    let uniform = cluster.brokers.iter().all(|node| node.host.instance == instance);
    let instance = if uniform { instance } else { "mixed instances" };
    format!(
        "{} × {instance} in {} of {}, seed {}, {} {}",
        cluster.brokers.len(),
        text::counted(cluster.azs.len() as u64, "AZ"),
        cluster.region,
        input.result.seed,
        text::number(input.result.simulated.seconds, 0),
        input.result.kind_of_time(),
    )
}

/// The answer in a sentence or two.
fn answer(result: &RunResult) -> String {
    let mut parts = Vec::new();
    parts.push(match result.lost_records {
        0 => "No acknowledged record was lost".to_owned(),
        1 => "1 acknowledged record was lost".to_owned(),
        lost => format!("{} acknowledged records were lost", text::grouped(lost)),
    });
    if let Some(worst) = result.availability.worst_partitions.first() {
        let longest = text::duration(worst.longest_ms);
        parts.push(format!("the longest gap on a partition was {longest}"));
    }
    if let [only] = result.recoveries.as_slice()
        && let Some(after) = only.leaders_after_s
    {
        parts.push(format!("new leaders stood after {}", text::seconds(after)));
    }
    let p99 = |phase| result.latency_of(phase, "response").map(|row| text::duration(row.p99_ms));
    if let Some(measure) = p99("measure") {
        let heal = p99("heal").map_or(String::new(), |heal| format!(", and {heal} after healing"));
        parts.push(format!("the response p99 was {measure} in the measured phase{heal}"));
    }
    if parts.len() == 1 {
        return "Nothing was recorded that could answer the question.".to_owned();
    }
    let last = parts.pop().expect("more than one part");
    format!("{}; {last}.", parts.join(", "))
}

/// A figure, its name, and what goes with it.
struct Figure {
    name: &'static str,
    value: String,
    note: String,
}

/// The figures that people ask for first.
pub(super) fn key_figures(result: &RunResult) -> Markup {
    let mut figures = Vec::new();
    for (phase, name) in [("measure", "p99 in measure"), ("heal", "p99 in heal")] {
        if let Some(row) = result.latency_of(phase, "response") {
            let note = format!("response; median {}", text::duration(row.p50_ms));
            figures.push(Figure { name, value: text::duration(row.p99_ms), note });
        }
    }
    if let Some(worst) = result.availability.worst_partitions.first() {
        let note = format!("{}, from t={}\u{a0}s", worst.partition, text::number(worst.from_s, 1));
        let value = text::duration(worst.longest_ms);
        figures.push(Figure { name: "Longest gap", value, note });
    }
    figures.push(Figure {
        name: "Acked records lost",
        value: text::grouped(result.lost_records),
        note: failed_sentence(result),
    });
    if let Some(row) = result.throughput.first() {
        let note = format!("of {} MB/s offered", text::short(row.offered.mb_per_s_avg));
        let value = format!("{} MB/s", text::short(row.acked.mb_per_s_avg));
        figures.push(Figure { name: "Acknowledged", value, note });
    }
    if result.is_simulated() {
        figures.push(replicas(result));
        figures.push(saturation(result));
    }
    figures.push(Figure {
        name: "Cost a month",
        value: text::dollars(result.cost.total_usd),
        note: cost_basis(result),
    });
    html! {
        section.figures aria-label="Key figures" {
            @for figure in figures {
                div { p.name { (figure.name) } p.value { (figure.value) } p.note { (figure.note) } }
            }
        }
    }
}

fn replicas(result: &RunResult) -> Figure {
    let availability = &result.availability;
    let offline = availability.seconds_with_offline_partitions;
    Figure {
        name: "Under-replicated",
        value: format!("{} s", text::grouped(availability.seconds_with_under_replicated)),
        note: format!("{offline} s with leaderless partitions"),
    }
}

fn saturation(result: &RunResult) -> Figure {
    let name = "Saturated first";
    match &result.saturated_first {
        Some(first) if first.resource == FULL_VOLUME => Figure {
            name,
            value: first.resource.clone(),
            note: format!("broker {}, full at t={}\u{a0}s", first.broker, first.second),
        },
        Some(first) => Figure {
            name,
            value: first.resource.clone(),
            note: format!(
                "broker {}, {}\u{a0}% at t={}\u{a0}s",
                first.broker,
                text::number(first.percent, 0),
                first.second
            ),
        },
        None => Figure { name, value: "nothing".to_owned(), note: "all below 90 %".to_owned() },
    }
}

/// Every threshold with what was measured.
pub(super) fn thresholds(result: &RunResult) -> Markup {
    html! {
        @if !result.thresholds.is_empty() {
            section id="thresholds" {
                h2 { "Thresholds" }
                div.table {
                    table {
                        thead { tr {
                            th { "Outcome" } th { "Metric" } th { "Must hold" } th { "Phase" }
                            th.n { "Measured" } th.n { "Slack" }
                        } }
                        tbody {
                            @for threshold in &result.thresholds { (threshold_row(threshold)) }
                        }
                    }
                }
            }
        }
    }
}

fn threshold_row(threshold: &ThresholdResult) -> Markup {
    let measured = |value: Option<Milli>| {
        value.map_or("no samples".to_owned(), |value| text::with_unit(value, &threshold.unit))
    };
    let slack = match threshold.margin {
        Some(margin) if margin < Milli::ZERO => {
            let missed = Milli::from_units(-margin.units());
            format!("off by {}", text::with_unit(missed, &threshold.unit))
        }
        Some(margin) if margin > Milli::ZERO => text::with_unit(margin, &threshold.unit),
        _ => "-".to_owned(),
    };
    html! {
        tr {
            td { @if threshold.passed { span.pass { "✓ met" } } @else { span.fail { "✗ missed" } } }
            td { (threshold.metric.replace('_', " ")) }
            td { code { (threshold.text) } }
            td { (threshold.phase) }
            td.n { (measured(threshold.actual)) }
            td.n { (slack) }
        }
    }
}
