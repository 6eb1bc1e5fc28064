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

/// `stormglass_response_latency_ms`: a unit ends the name, as OpenMetrics wants it.
fn family(delta: &Delta) -> String {
    let unit = match delta.unit.as_str() {
        "ms" => "_milliseconds",
        "s" => "_seconds",
        "MB/s" => "_megabytes_per_second",
        "%" => "_percent",
        "USD" => "_usd",
        _ => "",
    };
    format!("stormglass_{}{unit}", delta.name.metric)
}

fn labels(check: &CheckReport, more: &[(&str, &str)]) -> String {
    let pair = |name: &str, value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    let mut pairs = vec![pair("scenario", &check.name)];
    pairs.extend(more.iter().map(|(name, value)| pair(name, value)));
    format!("{{{}}}", pairs.join(","))
}
