//! `[thresholds]`: what a run must meet, in k6's grammar.
//!
//! `metric = ["aggregate operator limit"]`, optionally `"metric{phase:heal}"`.

use super::decode::{Decode, Errors, table, wrong_kind};
use crate::plan::{Aggregate, Comparison, Metric, Threshold};
use crate::text::diagnostic::{Diagnostic, suggestion};
use crate::text::source::Span;
use crate::text::tree::{Entry, Node, Value};
use crate::units::{self, UnitError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Phases that a threshold may name.
pub(crate) const PHASES: &[&str] = &["warmup", "measure", "heal", "drain"];

/// The unit of a metric's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Duration,
    ByteRate,
    Number,
    Share,
    Usd,
}

/// A metric as thresholds see it.
struct MetricSpec {
    name: &'static str,
    metric: Metric,
    unit: Unit,
    /// Aggregates by name; `p` stands for every percentile.
    aggregates: &'static [&'static str],
    doc: &'static str,
}

const SAMPLED: &[&str] = &["avg", "min", "max", "med", "p", "count"];
const RATE: &[&str] = &["avg", "min", "max", "med", "p", "rate", "value"];
const COUNTED: &[&str] = &["count", "rate", "value"];
const GAUGED: &[&str] = &["avg", "min", "max", "med", "p", "value"];

const METRICS: &[MetricSpec] = &[
    MetricSpec {
        name: "response_latency",
        metric: Metric::ResponseLatency,
        unit: Unit::Duration,
        aggregates: SAMPLED,
        doc: "intended time to acknowledgement",
    },
    MetricSpec {
        name: "service_latency",
        metric: Metric::ServiceLatency,
        unit: Unit::Duration,
        aggregates: SAMPLED,
        doc: "send to acknowledgement",
    },
    MetricSpec {
        name: "delay_latency",
        metric: Metric::DelayLatency,
        unit: Unit::Duration,
        aggregates: SAMPLED,
        doc: "intended time to the client's acceptance",
    },
    MetricSpec {
        name: "end_to_end_latency",
        metric: Metric::EndToEndLatency,
        unit: Unit::Duration,
        aggregates: SAMPLED,
        doc: "intended time to delivery to a consumer",
    },
    MetricSpec {
        name: "produce_throughput",
        metric: Metric::ProduceThroughput,
        unit: Unit::ByteRate,
        aggregates: RATE,
        doc: "acknowledged bytes per second",
    },
    MetricSpec {
        name: "consume_throughput",
        metric: Metric::ConsumeThroughput,
        unit: Unit::ByteRate,
        aggregates: RATE,
        doc: "delivered bytes per second",
    },
    MetricSpec {
        name: "produce_errors",
        metric: Metric::ProduceErrors,
        unit: Unit::Number,
        aggregates: COUNTED,
        doc: "records that failed after all retries",
    },
    MetricSpec {
        name: "unavailability",
        metric: Metric::Unavailability,
        unit: Unit::Duration,
        aggregates: &["max", "value"],
        doc: "longest time without an acknowledgement on a partition although records were offered",
    },
    MetricSpec {
        name: "consumer_lag",
        metric: Metric::ConsumerLag,
        unit: Unit::Number,
        aggregates: GAUGED,
        doc: "records behind, largest partition, per second",
    },
    MetricSpec {
        name: "lost_records",
        metric: Metric::LostRecords,
        unit: Unit::Number,
        aggregates: &["count", "value"],
        doc: "acknowledged records that no consumer can read any more",
    },
    MetricSpec {
        name: "cpu_utilisation",
        metric: Metric::CpuUtilisation,
        unit: Unit::Share,
        aggregates: GAUGED,
        doc: "share of vCPU time used on the busiest broker",
    },
    MetricSpec {
        name: "monthly_cost",
        metric: Metric::MonthlyCost,
        unit: Unit::Usd,
        aggregates: &["value"],
        doc: "US dollars a month",
    },
];

/// Shape of a condition; metric and unit are checked when it is read.
const CONDITION_PATTERN: &str = concat!(
    r"^\s*(avg|min|max|med|count|rate|value|p\([0-9.]+\))",
    r"\s*(<=|>=|==|!=|<|>)\s*\S.*$"
);

/// All thresholds of a scenario.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thresholds {
    /// In the order written.
    pub(crate) items: Vec<Threshold>,
}

impl Decode for Thresholds {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let table = table(node, "[thresholds]", errors)?;
        let before = errors.len();
        let mut thresholds = Self::default();
        for entry in &table.entries {
            read_entry(entry, &mut thresholds, errors);
        }
        (errors.len() == before).then_some(thresholds)
    }
}

fn read_entry(entry: &Entry, thresholds: &mut Thresholds, errors: &mut Errors) {
    let Some((spec, phase)) = read_key(&entry.key, entry.key_span, errors) else { return };
    let Value::Array(items) = &entry.node.value else {
        let help = format!("write {} = [\"{}\"]", entry.key, example(spec));
        errors.push(wrong_kind(&entry.node, "an array of conditions").help(help));
        return;
    };
    if items.is_empty() {
        let message = format!("`{}` has no condition", entry.key);
        let help = format!("write {} = [\"{}\"], or leave it out", entry.key, example(spec));
        errors.push(Diagnostic::new(entry.node.span, message, "empty").help(help));
    }
    for item in items {
        let Value::String(text) = &item.value else {
            errors.push(wrong_kind(item, "a condition").help(format!("\"{}\"", example(spec))));
            continue;
        };
        match parse_condition(spec, text) {
            Ok((aggregate, op, limit)) => thresholds.items.push(Threshold {
                metric: spec.metric,
                phase: phase.map(str::to_owned),
                aggregate,
                op,
                limit,
                text: text.trim().to_owned(),
            }),
            Err(error) => {
                errors.push(Diagnostic::new(item.span, error.message, "here").help(error.help));
            }
        }
    }
}

/// `metric` or `metric{phase:heal}`.
fn read_key<'a>(
    key: &'a str,
    span: Span,
    errors: &mut Errors,
) -> Option<(&'static MetricSpec, Option<&'a str>)> {
    let (name, selector) = match key.split_once('{') {
        None => (key.trim(), None),
        Some((name, rest)) => (name.trim(), Some(rest)),
    };
    let Some(spec) = METRICS.iter().find(|spec| spec.name == name) else {
        let message = format!("`{name}` is not a metric");
        let names = METRICS.iter().map(|spec| spec.name);
        let diagnostic = Diagnostic::new(span, message, "unknown metric");
        errors.push(match suggestion(name, names) {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        return None;
    };
    let Some(selector) = selector else { return Some((spec, None)) };
    let phase = selector.strip_suffix('}').and_then(|inner| inner.trim().strip_prefix("phase:"));
    let phase = phase.map(str::trim);
    match phase.filter(|phase| PHASES.contains(phase)) {
        Some(phase) => Some((spec, Some(phase))),
        None => {
            let message = format!("`{{{selector}` does not select a phase");
            errors.push(
                Diagnostic::new(span, message, "here")
                    .help(format!("write \"{name}{{phase:heal}}\"; phases: {}", PHASES.join(", "))),
            );
            None
        }
    }
}

fn example(spec: &MetricSpec) -> &'static str {
    match spec.unit {
        Unit::Duration if spec.metric == Metric::Unavailability => "max < 20s",
        Unit::Duration => "p(99) < 50ms",
        Unit::ByteRate => "avg > 95 MB/s",
        Unit::Number => "value == 0",
        Unit::Share => "max < 60%",
        Unit::Usd => "value < $5000",
    }
}

/// `aggregate operator limit`.
fn parse_condition(
    spec: &MetricSpec,
    text: &str,
) -> Result<(Aggregate, Comparison, i64), UnitError> {
    const OPERATORS: &[(&str, Comparison)] = &[
        ("<=", Comparison::Le),
        (">=", Comparison::Ge),
        ("==", Comparison::Eq),
        ("!=", Comparison::Ne),
        ("<", Comparison::Lt),
        (">", Comparison::Gt),
    ];
    let found = text.find(['<', '>', '=', '!']).and_then(|place| {
        let (aggregate, rest) = text.split_at(place);
        let (symbol, op) = OPERATORS.iter().find(|(symbol, _)| rest.starts_with(symbol))?;
        Some((aggregate.trim(), *op, rest[symbol.len()..].trim()))
    });
    let Some((aggregate, op, limit)) = found else {
        return Err(UnitError {
            message: format!("`{text}` is not a condition"),
            help: format!("write aggregate, operator and limit: \"{}\"", example(spec)),
        });
    };
    let aggregate = parse_aggregate(spec, aggregate)?;
    // A count of samples has no unit, whatever the samples have.
    let unit = if aggregate == Aggregate::Count { Unit::Number } else { spec.unit };
    Ok((aggregate, op, parse_limit(unit, limit)?))
}

fn parse_aggregate(spec: &MetricSpec, text: &str) -> Result<Aggregate, UnitError> {
    let percentile = text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
    let name = if percentile.is_some() { "p" } else { text };
    if !spec.aggregates.contains(&name) || text == "p" {
        let choices: Vec<&str> =
            spec.aggregates.iter().map(|name| if *name == "p" { "p(99)" } else { name }).collect();
        return Err(UnitError {
            message: format!("`{text}` is not an aggregate of `{}`", spec.name),
            help: format!("one of {}", choices.join(", ")),
        });
    }
    Ok(match name {
        "avg" => Aggregate::Avg,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "med" => Aggregate::Med,
        "count" => Aggregate::Count,
        "rate" => Aggregate::Rate,
        "value" => Aggregate::Value,
        _ => Aggregate::P(units::parse_percentile_ppm(percentile.unwrap_or_default().trim())?),
    })
}

fn parse_limit(unit: Unit, text: &str) -> Result<i64, UnitError> {
    let limit = match unit {
        Unit::Duration => units::parse_duration_ns(text)?,
        Unit::ByteRate => units::parse_byte_rate(text)?,
        Unit::Share => units::parse_share_ppm(text)? / 1_000,
        Unit::Usd => units::parse_usd_cents(text)?,
        Unit::Number => text.replace('_', "").parse().map_err(|_| UnitError {
            message: format!("`{text}` is not a whole number"),
            help: "counts have no unit; write a number such as \"count > 100\"".to_owned(),
        })?,
    };
    i64::try_from(limit).map_err(|_| UnitError {
        message: format!("`{text}` is too large"),
        help: format!("at most {}", i64::MAX),
    })
}

/// Metrics with what they measure and their aggregates, for the reference.
pub(crate) fn metric_rows() -> Vec<[String; 4]> {
    let row = |spec: &MetricSpec| {
        let unit = match spec.unit {
            Unit::Duration => "duration",
            Unit::ByteRate => "bytes/s",
            Unit::Number => "number",
            Unit::Share => "%",
            Unit::Usd => "$",
        };
        let aggregates: Vec<&str> =
            spec.aggregates.iter().map(|name| if *name == "p" { "p(..)" } else { name }).collect();
        [spec.name.into(), spec.doc.into(), unit.into(), aggregates.join(", ")]
    };
    METRICS.iter().map(row).collect()
}

impl JsonSchema for Thresholds {
    fn schema_name() -> Cow<'static, str> {
        "Thresholds".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = METRICS.iter().map(|spec| spec.name).collect();
        let key = format!(r"^({})(\{{phase:({})\}})?$", names.join("|"), PHASES.join("|"));
        json_schema!({
            "description": "Conditions by metric, such as `response_latency = [\"p(99) < 50ms\"]`.",
            "type": "object",
            "propertyNames": { "pattern": key },
            "additionalProperties": {
                "type": "array",
                "items": { "type": "string", "pattern": CONDITION_PATTERN }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(metric: &str, text: &str) -> Result<(Aggregate, Comparison, i64), UnitError> {
        let spec = METRICS.iter().find(|spec| spec.name == metric).unwrap();
        parse_condition(spec, text)
    }

    #[test]
    fn conditions_follow_k6() {
        assert_eq!(
            condition("response_latency", "p(99.9) < 50ms"),
            Ok((Aggregate::P(999_000), Comparison::Lt, 50_000_000))
        );
        assert_eq!(
            condition("lost_records", "value==0"),
            Ok((Aggregate::Value, Comparison::Eq, 0))
        );
        assert_eq!(
            condition("cpu_utilisation", "max <= 60%"),
            Ok((Aggregate::Max, Comparison::Le, 600))
        );
        assert_eq!(
            condition("response_latency", "count > 1_000"),
            Ok((Aggregate::Count, Comparison::Gt, 1_000))
        );
        assert_eq!(
            condition("monthly_cost", "value < $118.00"),
            Ok((Aggregate::Value, Comparison::Lt, 11_800))
        );
    }

    #[test]
    fn wrong_units_and_aggregates_are_refused() {
        for (metric, text) in [
            ("response_latency", "p(99) < 50"),
            ("response_latency", "p(99) < 50 MB/s"),
            ("response_latency", "p99 < 50ms"),
            ("response_latency", "p(101) < 50ms"),
            ("response_latency", "rate < 50ms"),
            ("response_latency", "p(99) ~ 50ms"),
            ("lost_records", "avg == 0"),
            ("lost_records", "value == -1"),
            ("monthly_cost", "value < 100"),
            ("unavailability", "p < 1s"),
        ] {
            assert!(condition(metric, text).is_err(), "{metric}: {text}");
        }
    }
}
