//! A comparison as text for a terminal.

use super::path::{self, signed_duration};
use super::types::{ChangedKey, Comparison, Delta, KeyAttribution, KeyShare, Trend};
use super::work;
use crate::columns::columns;
use crate::figures::{ALL_MEASURED, Better};
use crate::result::Milli;
use crate::text;

/// Figures that are shown even when nothing changed.
const ALWAYS: [(&str, &str); 5] = [
    ("response_latency", "med"),
    ("response_latency", "p(99)"),
    ("produce_throughput", "avg"),
    ("unavailability", "max"),
    ("monthly_cost", "value"),
];

/// The whole comparison.
#[must_use]
pub fn table(comparison: &Comparison) -> String {
    let Comparison { a, b, seeds, .. } = comparison;
    let mut out = format!("A  {} ({})\nB  {} ({})\n", a.name, a.scenario, b.name, b.scenario);
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    out.push_str(&format!("seeds {}, paired\n\n", seeds.join(", ")));
    if comparison.is_same() {
        out.push_str("Nothing changed: every figure is exactly the same.\n\n");
    }
    out.push_str(&figures(comparison));
    if let Some(told) = attribution(comparison) {
        out.push_str(&told);
    }
    for told in comparison.work.iter().flat_map(work::sentences) {
        out.push_str(&format!("\n{}\n", text::capital(&told)));
    }
    if let Some(keys) = &comparison.keys {
        out.push('\n');
        out.push_str(&keys_text(keys));
    } else if !comparison.plan_changes.is_empty() {
        out.push('\n');
        out.push_str(&plans_text(&comparison.plan_changes));
    }
    for note in &comparison.notes {
        out.push_str(&format!("\nnote: {note}\n"));
    }
    out
}

fn figures(comparison: &Comparison) -> String {
    let titles = ["figure", "A", "B", "change", "%", "seeds up/down", ""];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let shown: Vec<&Delta> = comparison.deltas.iter().filter(|delta| is_shown(delta)).collect();
    rows.extend(shown.iter().map(|delta| row(delta)));
    let left_out = comparison.deltas.len() - shown.len();
    let table = columns(&rows, &[false, true, true, true, true, true, false]);
    format!("{table}\n{left_out} more figures did not change or say the same; --json has all.\n")
}

/// Of the phases, only those that differ from both together are worth a line.
fn is_shown(delta: &Delta) -> bool {
    let always = ALWAYS.contains(&(delta.name.metric.as_str(), delta.name.aggregate.as_str()));
    if delta.name.phase == ALL_MEASURED && always {
        return true;
    }
    let told = ["avg", "med", "p(99)", "p(99.9)", "max", "value", "min", "seconds"];
    delta.trend != Trend::Same
        && delta.better != Better::Neither
        && told.contains(&delta.name.aggregate.as_str())
        && !(delta.name.metric.ends_with("_latency") && delta.name.aggregate == "min")
        && delta.name.phase != "measure"
}

fn row(delta: &Delta) -> Vec<String> {
    let word = match delta.trend {
        Trend::Same => "",
        Trend::Better => "better",
        Trend::Worse => "WORSE",
        Trend::Other => "other",
        Trend::Mixed => "mixed",
    };
    vec![
        delta.name.to_string(),
        value(delta.a, &delta.unit),
        value(delta.b, &delta.unit),
        change(delta),
        delta.change_percent.map_or_else(|| "-".to_owned(), signed_percent),
        format!("{}/{}", delta.up, delta.down),
        word.to_owned(),
    ]
}

/// A value with its unit; one that was never reached is `never`.
pub(crate) fn value(value: Option<Milli>, unit: &str) -> String {
    value.map_or_else(|| "never".to_owned(), |value| text::with_unit(value, unit))
}

/// A change with its sign and unit.
pub(crate) fn change(delta: &Delta) -> String {
    delta.change.map_or_else(|| "-".to_owned(), |change| signed(change, &delta.unit))
}

/// `+12.3 %`.
pub(crate) fn signed_percent(value: Milli) -> String {
    let sign = if value.units() > 0 { "+" } else { "" };
    let places = if value.units().abs() < 100_000 { 1 } else { 0 };
    if value == Milli::ZERO {
        "0".to_owned()
    } else {
        format!("{sign}{}", text::number(value, places))
    }
}

fn attribution(comparison: &Comparison) -> Option<String> {
    let shift = comparison.path.iter().find(|shift| shift.band == "p99")?;
    let told = path::sentence(shift)?;
    let change = signed_duration(shift.change_ms);
    Some(format!("\nWhere the requests' p99 changed by {change}: {told}\n"))
}

fn plans_text(changes: &[ChangedKey]) -> String {
    let mut rows = vec![["differs in the plan", "A", "B"].map(str::to_owned).to_vec()];
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    rows.extend(
        changes.iter().map(|key| vec![key.path.clone(), shown(&key.before), shown(&key.after)]),
    );
    columns(&rows, &[false, false, false])
}

/// What each key explains, as a table.
pub(crate) fn keys_text(keys: &KeyAttribution) -> String {
    let figure = &keys.figure;
    let mut rows =
        vec![["changed key", "A", "B", "alone", "without", "explains"].map(str::to_owned).to_vec()];
    for share in &keys.keys {
        for (at, key) in share.keys.iter().enumerate() {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let mut row = vec![key.path.clone(), shown(&key.before), shown(&key.after)];
            row.extend(if at == 0 {
                effects(share, &keys.unit)
            } else {
                [const { String::new() }; 3].to_vec()
            });
            rows.push(row);
        }
    }
    let change = keys.change.map_or_else(
        || "has no value on one side".to_owned(),
        |change| format!("changed by {}", signed(change, &keys.unit)),
    );
    let mut out = format!("{figure} {change}; what each key explains:\n");
    out.push_str(&columns(&rows, &[false, false, false, true, true, true]));
    if let Some(together) = keys.together.filter(|rest| *rest != Milli::ZERO) {
        out.push_str(&format!("Keys together explain another {}.\n", signed(together, &keys.unit)));
    }
    out
}

fn effects(share: &KeyShare, unit: &str) -> Vec<String> {
    if !share.takes_part {
        return vec!["-".to_owned(), "-".to_owned(), "takes no part".to_owned()];
    }
    let shown =
        |value: Option<Milli>| value.map_or_else(|| "-".to_owned(), |one| signed(one, unit));
    let explains = match (share.explains, share.share_percent) {
        (Some(_), Some(percent)) => format!("{} %", text::number(percent, 0)),
        (Some(explains), None) => signed(explains, unit),
        (None, _) => "only with others".to_owned(),
    };
    vec![shown(share.alone), shown(share.missing_without), explains]
}

/// A change with its sign and unit.
pub(crate) fn signed(value: Milli, unit: &str) -> String {
    let sign = if value.units() > 0 { "+" } else { "" };
    // A change of a share is no share: +1 % of 50 % would be two things.
    let unit = if unit == "%" { "points" } else { unit };
    format!("{sign}{}", text::with_unit(value, unit))
}
