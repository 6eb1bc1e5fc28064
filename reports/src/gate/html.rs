//! The verdict as a page.

use super::text::{attribution, sentence, threshold_reason};
use super::types::{CheckReport, GateReport, LimitReport, Outcome, ThresholdReport};
use crate::compare::{self, Delta, Trend, delta_rows, keys_table, path_table, work_table};
use crate::html::shell;
use crate::text;
use maud::{Markup, html};

/// The whole page.
#[must_use]
pub fn page(report: &GateReport) -> String {
    let body = html! {
        header {
            p.kind { "Stormglass gate" }
            h1 { (report.suite) }
            p.setting {
                "Against " (report.base) "; "
                (text::counted(report.seeds.len() as u64, "paired seed")) ", "
                (text::counted(u64::from(report.runs), "simulation"))
            }
            (verdict(report))
        }
        nav aria-label="Scenarios" {
            @for check in &report.checks { a href={ "#" (anchor(check)) } { (check.name) } }
        }
        main {
            (overview(report))
            @for check in &report.checks { (section(check)) }
            section id="reproduce" {
                h2 { "Reproduce" }
                pre.command { code { (report.command) } }
            }
        }
    };
    shell(&format!("Gate {}", report.suite), &body)
}

fn anchor(check: &CheckReport) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let plain: String = check.name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    format!("check-{}-{plain}", check.line)
}

fn verdict(report: &GateReport) -> Markup {
    let (class, mark, word) = match report.outcome() {
        Outcome::Passed | Outcome::New => ("ok", "✓", "Passed"),
        Outcome::Regression => ("violated", "▲", "Regression"),
        Outcome::ThresholdMissed => ("missed", "!", "Threshold missed"),
        Outcome::NotComparable => ("interrupted", "≠", "Not comparable"),
        Outcome::PromiseBroken => ("violated", "✗", "A promise was broken"),
    };
    html! {
        div class={ "verdict " (class) } role="status" {
            p.word { span.mark aria-hidden="true" { (mark) } (word) }
            div {
                p.answer { (sentence(report)) }
                ul.reasons {
                    @for check in report.checks.iter().filter(|check| !check.outcome.is_good()) {
                        @for limit in check.limits.iter().filter(|one| !one.outcome.is_good()) {
                            li { (check.name) ": " (limit.figure) ", " (limit.reason) }
                        }
                        @for one in check.thresholds.iter().filter(|one| !one.missed_by.is_empty()) {
                            li { (check.name) ": " (one.metric) " " (one.text) ", "
                                 (threshold_reason(one)) }
                        }
                        @for broken in &check.broken { li { (check.name) ": " (broken) } }
                        @if let Some(reason) = &check.not_comparable {
                            li { (check.name) ": " (reason) }
                        }
                    }
                }
            }
        }
    }
}

fn overview(report: &GateReport) -> Markup {
    html! {
        section id="limits" {
            h2 { "Declared figures" }
            p { "Only these decide. A limit is passed when the median of the paired changes is \
                 beyond it and all seeds agree on the direction; one of sixteen may differ." }
            div.table {
                table.packed {
                    thead { tr {
                        th { "Scenario" } th { "Outcome" } th { "Figure" } th { "Limit" }
                        th.n { "Base" } th.n { "Now" } th.n { "Change" } th.n { "Seeds up / down" }
                    } }
                    tbody {
                        @for check in &report.checks {
                            @if check.limits.is_empty() {
                                tr {
                                    td { (check.name) } td { (outcome(check.outcome)) }
                                    td { "none declared or no base" } td {} td {} td {} td {} td {}
                                }
                            }
                            @for limit in &check.limits { (limit_row(check, limit)) }
                        }
                    }
                }
            }
        }
    }
}

fn outcome(outcome: Outcome) -> Markup {
    html! {
        @if outcome == Outcome::New { span.unknown { (outcome.word()) } }
        @else if outcome.is_good() { span.pass { "✓ " (outcome.word()) } }
        @else { span.fail { "✗ " (outcome.word().to_lowercase()) } }
    }
}

fn limit_row(check: &CheckReport, limit: &LimitReport) -> Markup {
    let shown = |of: fn(&Delta) -> String| limit.delta.as_ref().map_or_else(|| "-".to_owned(), of);
    html! {
        tr {
            td { (check.name) }
            td { (outcome(limit.outcome)) }
            td { (limit.figure) }
            td { code { (limit.text) } }
            td.n { (shown(|delta| compare::value(delta.a, &delta.unit))) }
            td.n { (shown(|delta| compare::value(delta.b, &delta.unit))) }
            td.n { (shown(change)) }
            td.n { (shown(|delta| format!("{} / {}", delta.up, delta.down))) }
        }
    }
}

fn change(delta: &Delta) -> String {
    match delta.change_percent {
        _ if delta.trend == Trend::Same => "0".to_owned(),
        Some(percent) => format!("{} %", compare::signed_percent(percent)),
        None => compare::change(delta),
    }
}

fn section(check: &CheckReport) -> Markup {
    html! {
        section id=(anchor(check)) {
            h2 { (check.name) " " (outcome(check.outcome)) }
            @if let Some(reason) = &check.not_comparable { div.notes { p { (reason) } } }
            @for broken in &check.broken { p.fail { "Promise broken with " (broken) } }
            @for told in attribution(check) { p.reason { (text::capital(&told)) "." } }
            @if let Some(keys) = check.keys() { h3 { "Which key explains how much" } (keys_table(keys)) }
            @if let Some(comparison) = &check.comparison {
                @if !check.outcome.is_good() {
                    h3 { "Where the change comes from" }
                    (path_table(&comparison.path))
                    @if let Some(work) = &comparison.work { (work_table(work)) }
                }
                details {
                    summary { "Every figure that changed" }
                    (delta_rows(&changed(&comparison.deltas)))
                }
            }
            @if let Some(rebased) = &check.rebased {
                details {
                    summary { "What another program or catalogue alone changes in the base's scenario" }
                    (delta_rows(&changed(rebased)))
                }
            }
            (thresholds(&check.thresholds))
            pre.command { code { (check.command) } }
        }
    }
}

fn changed(deltas: &[Delta]) -> Vec<&Delta> {
    let is_told = |delta: &&Delta| delta.trend != Trend::Same && delta.name.phase != "measure";
    deltas.iter().filter(is_told).collect()
}

fn thresholds(thresholds: &[ThresholdReport]) -> Markup {
    html! {
        @if !thresholds.is_empty() {
            h3 { "Thresholds of the scenario" }
            div.table {
                table {
                    thead { tr {
                        th { "Outcome" } th { "Metric" } th { "Must hold" } th { "Phase" }
                        th { "Over all seeds" }
                    } }
                    tbody {
                        @for one in thresholds {
                            tr {
                                td {
                                    @if one.missed_by.is_empty() { span.pass { "✓ met" } }
                                    @else { span.fail { "✗ missed" } }
                                }
                                td { (one.metric.replace('_', " ")) }
                                td { code { (one.text) } }
                                td { (one.phase) }
                                td.wide { (threshold_reason(one)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
