//! The verdict as OpenMetrics text, which GitLab shows as changes in a merge request.
//!
//! GitLab compares values as text: three decimals always, no timestamps.

use super::types::{CheckReport, GateReport};
use crate::compare::Delta;
use std::collections::BTreeMap;

/// Declared figures as gauges of this side's medians, and the outcome of each scenario.
#[must_use]
pub fn open_metrics(report: &GateReport) -> String {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for check in &report.checks {
        for limit in &check.limits {
            let Some((delta, value)) = limit.delta.as_ref().and_then(|d| Some((d, d.b?))) else {
                continue;
            };
            let name = family(delta);
            let labels = labels(
                check,
                &[("aggregate", &limit.figure.aggregate), ("phase", &limit.figure.phase)],
            );
            families.entry(name.clone()).or_default().push(format!("{name}{labels} {value}"));
        }
        let passed = u8::from(check.outcome.is_good());
        let name = "stormglass_gate_passed".to_owned();
        let line = format!("{name}{} {passed}", labels(check, &[]));
        families.entry(name).or_default().push(line);
    }
    let mut text = String::new();
    for (name, mut lines) in families {
        lines.dedup();
        text.push_str(&format!("# TYPE {name} gauge\n"));
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text.push_str("# EOF\n");
    text
}

fn family(delta: &Delta) -> String {
    family_name(&delta.name.metric, &delta.unit)
}

/// `stormglass_response_latency_milliseconds`: a unit ends the name, as OpenMetrics wants it.
pub(crate) fn family_name(metric: &str, unit: &str) -> String {
    let unit = match unit {
        "ms" => "_milliseconds",
        "s" => "_seconds",
        "MB/s" => "_megabytes_per_second",
        "%" => "_percent",
        "USD" => "_usd",
        _ => "",
    };
    format!("stormglass_{metric}{unit}")
}

fn labels(check: &CheckReport, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![("scenario", check.name.as_str())];
    pairs.extend(more);
    label_set(&pairs)
}

/// Labels in braces.
pub(crate) fn label_set(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(","))
}
