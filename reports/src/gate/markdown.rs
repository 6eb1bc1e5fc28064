//! The verdict as Markdown, for a step's summary or a comment.

use super::text::{attribution, sentence, threshold_reason};
use super::types::{CheckReport, GateReport, Outcome};
use crate::compare::{Delta, KeyAttribution, signed_percent, value};
use crate::text;

/// The page.
#[must_use]
pub fn summary(report: &GateReport) -> String {
    let mark = if report.exit_code == 0 { "✅" } else { "❌" };
    let mut out = format!("## {mark} Stormglass gate: {}\n\n", cell(&report.suite));
    out.push_str(&format!("{} Against {}; ", sentence(report), cell(&report.base)));
    let seeds = text::counted(report.seeds.len() as u64, "paired seed");
    out.push_str(&format!("{seeds}, medians.\n\n"));
    out.push_str("| scenario | outcome | figure | limit | base | now | change | seeds up/down |\n");
    out.push_str("|---|---|---|---|--:|--:|--:|--:|\n");
    for check in &report.checks {
        rows(check, &mut out);
    }
    for check in report.checks.iter().filter(|check| !check.outcome.is_good()) {
        details(check, &mut out);
    }
    out.push_str(&format!("\nRepeat it: `{}`\n", report.command));
    out
}

fn rows(check: &CheckReport, out: &mut String) {
    let name = cell(&check.name);
    if check.limits.is_empty() {
        out.push_str(&format!("| {name} | {} | - | - | - | - | - | - |\n", check.outcome.word()));
    }
    for limit in &check.limits {
        let mark = if limit.outcome.is_good() { "ok" } else { "**FAIL**" };
        let shown =
            |of: fn(&Delta) -> String| limit.delta.as_ref().map_or_else(|| "-".to_owned(), of);
        out.push_str(&format!(
            "| {name} | {mark} | {} | {} | {} | {} | {} | {} |\n",
            cell(&limit.figure.to_string()),
            cell(&limit.text),
            shown(|delta| value(delta.a, &delta.unit)),
            shown(|delta| value(delta.b, &delta.unit)),
            shown(|delta| delta.change_percent.map_or_else(
                || crate::compare::change(delta),
                |percent| format!("{} %", signed_percent(percent))
            )),
            shown(|delta| format!("{}/{}", delta.up, delta.down)),
        ));
    }
}

fn details(check: &CheckReport, out: &mut String) {
    out.push_str(&format!("\n### {}: {}\n\n", cell(&check.name), check.outcome.word()));
    for broken in &check.broken {
        out.push_str(&format!("- promise broken with {}\n", cell(broken)));
    }
    if let Some(reason) = &check.not_comparable {
        out.push_str(&format!("- {}\n", cell(reason)));
    }
    for threshold in check.thresholds.iter().filter(|one| !one.missed_by.is_empty()) {
        out.push_str(&format!(
            "- {} {} in {}: {}\n",
            cell(&threshold.metric),
            cell(&threshold.text),
            threshold.phase,
            threshold_reason(threshold)
        ));
    }
    if check.outcome == Outcome::Regression {
        for told in attribution(check) {
            out.push_str(&format!("- {}\n", cell(&told)));
        }
        if let Some(keys) = check.keys() {
            self::keys(keys, out);
        }
    }
    out.push_str(&format!("\n```sh\n{}\n```\n", check.command));
}

fn keys(keys: &KeyAttribution, out: &mut String) {
    out.push_str(&format!("\n| changed key | base | now | explains of {} |\n", keys.figure));
    out.push_str("|---|---|---|--:|\n");
    for share in keys.keys.iter().filter(|share| share.takes_part) {
        let percent = share
            .share_percent
            .map_or_else(|| "-".to_owned(), |percent| format!("{} %", text::number(percent, 0)));
        for key in &share.keys {
            let shown = |value: &Option<String>| cell(value.as_deref().unwrap_or("-"));
            out.push_str(&format!(
                "| {} | {} | {} | {percent} |\n",
                cell(&key.path),
                shown(&key.before),
                shown(&key.after)
            ));
        }
    }
}

/// Text that cannot end its cell or become markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
