//! The verdict as text for a terminal.

use super::types::{CheckReport, GateReport, LimitReport, Outcome, ThresholdReport};
use crate::columns::columns;
use crate::compare::{keys_text, signed_duration};
use crate::compare::{path_sentence, table as comparison_table, work_sentences};
use crate::text;

/// The whole verdict. With `verbose`, every figure of scenarios that did not pass.
#[must_use]
pub fn table(report: &GateReport, verbose: bool) -> String {
    let mut out = format!("Suite {} against {}\n", report.suite, report.base);
    let seeds = text::counted(report.seeds.len() as u64, "paired seed");
    out.push_str(&format!("{seeds}, {}\n", text::counted(u64::from(report.runs), "simulation")));
    for check in &report.checks {
        out.push('\n');
        out.push_str(&check_text(check));
        if verbose
            && !check.outcome.is_good()
            && let Some(comparison) = &check.comparison
        {
            out.push('\n');
            out.push_str(&comparison_table(comparison));
        }
    }
    out.push_str(&format!("\n{}\n", sentence(report)));
    out
}

/// The verdict in a sentence.
pub(crate) fn sentence(report: &GateReport) -> String {
    let count = |outcome: Outcome| {
        report.checks.iter().filter(|check| check.outcome == outcome).count() as u64
    };
    let mut parts = Vec::new();
    for outcome in [
        Outcome::PromiseBroken,
        Outcome::NotComparable,
        Outcome::Regression,
        Outcome::ThresholdMissed,
    ] {
        let word = outcome.word().to_lowercase();
        match (count(outcome), outcome) {
            (0, _) => {}
            (count, Outcome::Regression) => parts.push(text::counted(count, &word)),
            (count, _) => parts.push(format!("{count} {word}")),
        }
    }
    let all = text::counted(report.checks.len() as u64, "scenario");
    if parts.is_empty() {
        let limits = text::counted(report.limit_count() as u64, "limit");
        return format!("Passed: {all}, {limits}.");
    }
    format!("Failed: {} of {all} (exit {}).", parts.join(", "), report.exit_code)
}

fn check_text(check: &CheckReport) -> String {
    let mut out = format!("{}: {}\n", check.name, check.outcome.word());
    if let Some(reason) = &check.not_comparable {
        out.push_str(&format!("  {reason}\n"));
    }
    let mut rows: Vec<Vec<String>> = check.limits.iter().map(limit_row).collect();
    rows.extend(check.thresholds.iter().map(threshold_row));
    for line in columns(&rows, &[false, false, false]).lines() {
        out.push_str(&format!("  {line}\n"));
    }
    for broken in &check.broken {
        out.push_str(&format!("  promise broken with {broken}\n"));
    }
    if let Some(rebased) = &check.rebased {
        out.push_str(&rebased_text(rebased, &check.limits));
    }
    if check.outcome == Outcome::Regression {
        for told in attribution(check) {
            out.push_str(&format!("  {told}\n"));
        }
        if let Some(keys) = check.keys() {
            for line in keys_text(keys).lines() {
                out.push_str(&format!("  {line}\n"));
            }
        }
    }
    if !check.outcome.is_good() {
        out.push_str(&format!("  run it: {}\n", check.command));
    }
    out
}

fn limit_row(limit: &LimitReport) -> Vec<String> {
    let mark = if limit.outcome.is_good() { "ok" } else { "FAIL" };
    vec![mark.to_owned(), limit.label(), limit.reason.clone()]
}

fn threshold_row(threshold: &ThresholdReport) -> Vec<String> {
    let mark = if threshold.missed_by.is_empty() { "ok" } else { "FAIL" };
    let ThresholdReport { metric, phase, text, .. } = threshold;
    let what = format!("{metric} {text} in {phase}");
    vec![mark.to_owned(), what, threshold_reason(threshold)]
}

/// `worst 26.1 ms, missed by seeds 3, 7; the base misses it, too`.
pub(crate) fn threshold_reason(threshold: &ThresholdReport) -> String {
    let mut reason = threshold.worst.map_or_else(
        || "no samples".to_owned(),
        |worst| format!("worst {}", text::with_unit(worst, &threshold.unit)),
    );
    if !threshold.missed_by.is_empty() {
        let seeds: Vec<String> = threshold.missed_by.iter().map(u64::to_string).collect();
        reason.push_str(&format!(", missed by seed {}", seeds.join(", ")));
        if threshold.base_misses {
            reason.push_str("; the base misses it, too");
        }
    }
    reason
}

fn rebased_text(rebased: &[crate::compare::Delta], limits: &[LimitReport]) -> String {
    let mut out =
        "  what another program or catalogue alone changes in the base's scenario:\n".to_owned();
    for limit in limits {
        let delta = rebased.iter().find(|delta| delta.name == limit.figure);
        let told = delta.and_then(|delta| Some((delta.change?, delta))).map_or_else(
            || "not measured".to_owned(),
            |(change, delta)| crate::compare::signed(change, &delta.unit),
        );
        out.push_str(&format!("    {} {told}\n", limit.figure));
    }
    out
}

/// Which part of a request's way explains the change near p99, and which kind of work the change of
/// CPU time.
pub(crate) fn attribution(check: &CheckReport) -> Vec<String> {
    let Some(comparison) = &check.comparison else { return Vec::new() };
    let shift = comparison.path.iter().find(|shift| shift.band == "p99");
    let path = shift.and_then(|shift| {
        let change = signed_duration(shift.change_ms);
        Some(format!("requests' p99 {change}: {}", path_sentence(shift)?))
    });
    path.into_iter().chain(comparison.work.iter().flat_map(work_sentences)).collect()
}
