//! `limits`: how far a figure may move from its base.
//!
//! `figure = ["aggregate < +change"]`: the change must stay below it; `>` with a negative change is
//! for figures of which more is better. A change is relative (`+5%`) or in the figure's own unit
//! (`+2ms`).

use crate::schema::decode::{Decode, Errors, table, wrong_kind};
use crate::text::diagnostic::{Diagnostic, suggestion};
use crate::text::source::Span;
use crate::text::tree::{Entry, Node, Value};
use crate::units::{self, UnitError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The unit of a figure's own change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureUnit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// MB/s.
    Throughput,
    /// A number.
    Count,
    /// Percentage points.
    Points,
    /// US dollars.
    Usd,
    /// Milliseconds of vCPUs per second.
    CpuTime,
    /// KiB.
    Size,
}

/// A figure that limits can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FigureSpec {
    /// Metric.
    pub metric: &'static str,
    /// Its aggregates.
    pub aggregates: &'static [&'static str],
    /// Its unit.
    pub unit: FigureUnit,
    /// Whether a phase can be named.
    pub by_phase: bool,
}

const LATENCY: &[&str] =
    &["avg", "min", "med", "p(75)", "p(90)", "p(95)", "p(99)", "p(99.9)", "p(99.99)", "max"];
const AVG_MAX: &[&str] = &["avg", "max"];
const AVG: &[&str] = &["avg"];
const MAX: &[&str] = &["max"];
const MIN: &[&str] = &["min"];

const fn spec(
    metric: &'static str,
    aggregates: &'static [&'static str],
    unit: FigureUnit,
) -> FigureSpec {
    FigureSpec { metric, aggregates, unit, by_phase: false }
}

const fn by_phase(
    metric: &'static str,
    aggregates: &'static [&'static str],
    unit: FigureUnit,
) -> FigureSpec {
    FigureSpec { metric, aggregates, unit, by_phase: true }
}

/// Every figure that limits can name.
pub const LIMITED: &[FigureSpec] = &[
    by_phase("response_latency", LATENCY, FigureUnit::Milliseconds),
    by_phase("service_latency", LATENCY, FigureUnit::Milliseconds),
    by_phase("delay_latency", LATENCY, FigureUnit::Milliseconds),
    by_phase("end_to_end_latency", LATENCY, FigureUnit::Milliseconds),
    by_phase("produce_throughput", &["avg"], FigureUnit::Throughput),
    by_phase("consume_throughput", &["avg"], FigureUnit::Throughput),
    spec("unavailability", MAX, FigureUnit::Milliseconds),
    spec("produce_errors", &["count"], FigureUnit::Count),
    spec("lost_records", &["value"], FigureUnit::Count),
    spec("offline_partitions", &["seconds"], FigureUnit::Seconds),
    spec("under_replicated", &["seconds"], FigureUnit::Seconds),
    spec("recovery_detection", MAX, FigureUnit::Seconds),
    spec("recovery_leaders", MAX, FigureUnit::Seconds),
    spec("recovery_produce", MAX, FigureUnit::Seconds),
    spec("recovery_backlog", MAX, FigureUnit::Seconds),
    spec("recovery_latency", MAX, FigureUnit::Seconds),
    spec("recovery_replicas", MAX, FigureUnit::Seconds),
    spec("recovery_consumers", MAX, FigureUnit::Seconds),
    spec("cpu_utilisation", AVG_MAX, FigureUnit::Points),
    spec("network_utilisation", AVG_MAX, FigureUnit::Points),
    spec("disk_utilisation", AVG_MAX, FigureUnit::Points),
    spec("handler_idle", MIN, FigureUnit::Points),
    spec("network_credits", MIN, FigureUnit::Points),
    spec("burst_balance", MIN, FigureUnit::Points),
    spec("cache_hits", MIN, FigureUnit::Points),
    spec("request_queue", MAX, FigureUnit::Count),
    spec("monthly_cost", &["value"], FigureUnit::Usd),
    spec("cpu_time", AVG, FigureUnit::CpuTime),
    spec("cpu_time_network", AVG, FigureUnit::CpuTime),
    spec("cpu_time_requests", AVG, FigureUnit::CpuTime),
    spec("cpu_time_produce", AVG, FigureUnit::CpuTime),
    spec("cpu_time_fetch_partitions", AVG, FigureUnit::CpuTime),
    spec("cpu_time_consumer_fetch", AVG, FigureUnit::CpuTime),
    spec("cpu_time_follower_fetch", AVG, FigureUnit::CpuTime),
    spec("cpu_time_follower_append", AVG, FigureUnit::CpuTime),
    spec("cpu_time_fetch_copies", AVG, FigureUnit::CpuTime),
    spec("cpu_time_other", AVG, FigureUnit::CpuTime),
    spec("follower_fetch_size", AVG_MAX, FigureUnit::Size),
];

/// Phases that a result has figures of.
const PHASES: &[&str] = &["measure", "heal"];

/// On which side of the limit a change must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Below it.
    Below,
    /// At most it.
    AtMost,
    /// Above it.
    Above,
    /// At least it.
    AtLeast,
}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Relative to the base, thousandths of a percent.
    Percent(i64),
    /// In thousandths of the figure's unit.
    Absolute(i64),
}

/// How far a figure may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Metric, such as `response_latency`.
    pub metric: String,
    /// Phase; `None`: measure and heal together.
    pub phase: Option<String>,
    /// Aggregate, such as `p(99)`.
    pub aggregate: String,
    /// On which side.
    pub side: Side,
    /// Of what.
    pub amount: Amount,
    /// As written, such as `p(99) < +5%`.
    pub text: String,
    /// Line in the suite, from 1.
    pub line: u32,
}

/// All limits of a scenario, each with its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    /// In the order written.
    pub(crate) items: Vec<(Limit, Span)>,
}

impl Decode for Limits {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let table = table(node, "[scenarios.limits]", errors)?;
        let before = errors.len();
        let mut limits = Self::default();
        for entry in &table.entries {
            read_entry(entry, &mut limits, errors);
        }
        (errors.len() == before).then_some(limits)
    }
}

fn read_entry(entry: &Entry, limits: &mut Limits, errors: &mut Errors) {
    let Some((spec, phase)) = read_key(entry, errors) else { return };
    let example = example(spec);
    let Value::Array(items) = &entry.node.value else {
        let help = format!("write {} = [\"{example}\"]", entry.key);
        errors.push(wrong_kind(&entry.node, "an array of limits").help(help));
        return;
    };
    for item in items {
        let Value::String(text) = &item.value else {
            errors.push(wrong_kind(item, "a limit").help(format!("\"{example}\"")));
            continue;
        };
        match parse(spec, text) {
            Ok((aggregate, side, amount)) => {
                let limit = Limit {
                    metric: spec.metric.to_owned(),
                    phase: phase.map(str::to_owned),
                    aggregate,
                    side,
                    amount,
                    text: text.trim().to_owned(),
                    line: 0,
                };
                limits.items.push((limit, item.span));
            }
            Err(error) => {
                errors.push(Diagnostic::new(item.span, error.message, "here").help(error.help));
            }
        }
    }
}

/// `metric` or `metric{phase:heal}`.
fn read_key<'a>(
    entry: &'a Entry,
    errors: &mut Errors,
) -> Option<(&'static FigureSpec, Option<&'a str>)> {
    let (name, selector) = match entry.key.split_once('{') {
        None => (entry.key.trim(), None),
        Some((name, rest)) => (name.trim(), Some(rest)),
    };
    let Some(spec) = LIMITED.iter().find(|spec| spec.metric == name) else {
        let message = format!("`{name}` is not a figure");
        let names: Vec<&str> = LIMITED.iter().map(|spec| spec.metric).collect();
        let help = suggestion(name, names.iter().copied())
            .unwrap_or_else(|| format!("known figures: {}", names.join(", ")));
        errors.push(Diagnostic::new(entry.key_span, message, "unknown figure").help(help));
        return None;
    };
    let Some(selector) = selector else { return Some((spec, None)) };
    let phase = selector.strip_suffix('}').and_then(|inner| inner.trim().strip_prefix("phase:"));
    match phase.map(str::trim).filter(|phase| spec.by_phase && PHASES.contains(phase)) {
        Some(phase) => Some((spec, Some(phase))),
        None => {
            let message = format!("`{{{selector}` does not select a phase of {name}");
            let help = if spec.by_phase {
                format!("write \"{name}{{phase:heal}}\"; phases: {}", PHASES.join(", "))
            } else {
                format!("{name} covers measure and heal together: write {name}")
            };
            errors.push(Diagnostic::new(entry.key_span, message, "here").help(help));
            None
        }
    }
}

fn example(spec: &FigureSpec) -> &'static str {
    match (spec.unit, spec.metric) {
        (FigureUnit::Milliseconds, "unavailability") => "max < +1s",
        (FigureUnit::Milliseconds, _) => "p(99) < +5%",
        (FigureUnit::Seconds, _) if spec.aggregates == MAX => "max < +2s",
        (FigureUnit::Seconds, _) => "seconds < +2s",
        (FigureUnit::Throughput, _) => "avg > -1%",
        (FigureUnit::Count, "lost_records") => "value <= +0",
        (FigureUnit::Count, "request_queue") => "max < +50%",
        (FigureUnit::Count, _) => "count <= +0",
        (FigureUnit::Points, _) if spec.aggregates == MIN => "min > -5 points",
        (FigureUnit::Points, _) => "avg < +3%",
        (FigureUnit::Usd, _) => "value <= +$0.00",
        (FigureUnit::CpuTime, _) => "avg < +2%",
        (FigureUnit::Size, _) => "avg > -10%",
    }
}

fn parse(spec: &FigureSpec, text: &str) -> Result<(String, Side, Amount), UnitError> {
    const SIDES: &[(&str, Side)] =
        &[("<=", Side::AtMost), (">=", Side::AtLeast), ("<", Side::Below), (">", Side::Above)];
    let found = text.find(['<', '>', '=']).and_then(|place| {
        let (aggregate, rest) = text.split_at(place);
        let (symbol, side) = SIDES.iter().find(|(symbol, _)| rest.starts_with(symbol))?;
        Some((aggregate.trim(), *side, rest[symbol.len()..].trim()))
    });
    let Some((aggregate, side, amount)) = found else {
        return Err(UnitError {
            message: format!("`{text}` is not a limit"),
            help: format!("write aggregate, `<` or `>`, and a change: \"{}\"", example(spec)),
        });
    };
    if !spec.aggregates.contains(&aggregate) {
        return Err(UnitError {
            message: format!("`{aggregate}` is not an aggregate of {}", spec.metric),
            help: format!("one of {}", spec.aggregates.join(", ")),
        });
    }
    let amount = parse_amount(spec, amount)?;
    let (Amount::Percent(size) | Amount::Absolute(size)) = amount;
    let is_rise = matches!(side, Side::Below | Side::AtMost);
    if is_rise && size < 0 || !is_rise && size > 0 {
        return Err(UnitError {
            message: format!("`{text}` is met only by a change the other way"),
            help: "a limit on a rise has `<` and `+`, one on a fall `>` and `-`".to_owned(),
        });
    }
    Ok((aggregate.to_owned(), side, amount))
}

fn parse_amount(spec: &FigureSpec, text: &str) -> Result<Amount, UnitError> {
    let (sign, size) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest.trim()),
        (_, Some(rest)) => (-1, rest.trim()),
        _ => {
            return Err(UnitError {
                message: format!("`{text}` is not a change: it has no sign"),
                help: format!("a limit is on the change from the base: \"{}\"", example(spec)),
            });
        }
    };
    if let Some(percent) = size.strip_suffix('%') {
        // Parts per million are ten-thousandths of a percent.
        let ppm = units::parse_share_ppm(&format!("{}%", percent.trim()))
            .or_else(|_| large_percent(percent))?;
        return Ok(Amount::Percent(sign * signed(ppm / 10)?));
    }
    let thousandths = match spec.unit {
        FigureUnit::Milliseconds => units::parse_duration_ns(size)? / 1_000,
        FigureUnit::Seconds => units::parse_duration_ns(size)? / 1_000_000,
        FigureUnit::Throughput => units::parse_byte_rate(size)? / 1_000,
        FigureUnit::Usd => units::parse_usd_cents(size)? * 10,
        FigureUnit::Count => whole(size)?.saturating_mul(1_000),
        FigureUnit::Size => units::parse_bytes(size)?.saturating_mul(1_000) / 1_024,
        FigureUnit::CpuTime => match size.strip_suffix("/s") {
            Some(time) => units::parse_duration_ns(time.trim())? / 1_000,
            None => {
                return Err(UnitError {
                    message: format!("`{size}` is no CPU time per second"),
                    help: "write a relative change such as `+2%`, or `+1ms/s`".to_owned(),
                });
            }
        },
        FigureUnit::Points => match size.strip_suffix("points") {
            Some(points) => units::parse_share_ppm(&format!("{}%", points.trim()))? / 10,
            None => {
                return Err(UnitError {
                    message: format!("`{size}` has no unit"),
                    help: "write a relative change such as `+3%`, or `+3 points`".to_owned(),
                });
            }
        },
    };
    Ok(Amount::Absolute(sign * signed(thousandths)?))
}

/// Percent above a hundred, which is no share but may well be a change.
fn large_percent(text: &str) -> Result<u64, UnitError> {
    whole(text.trim()).map(|percent| percent.saturating_mul(10_000))
}

fn whole(text: &str) -> Result<u64, UnitError> {
    text.replace('_', "").parse().map_err(|_| UnitError {
        message: format!("`{text}` is not a whole number"),
        help: "write digits, such as `+10`".to_owned(),
    })
}

fn signed(value: u64) -> Result<i64, UnitError> {
    i64::try_from(value).map_err(|_| UnitError {
        message: format!("{value} is too large"),
        help: format!("at most {}", i64::MAX),
    })
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = LIMITED.iter().map(|spec| spec.metric).collect();
        let key = format!(r"^({})(\{{phase:({})\}})?$", names.join("|"), PHASES.join("|"));
        json_schema!({
            "description": "Limits by figure, such as `response_latency = [\"p(99) < +5%\"]`.",
            "type": "object",
            "propertyNames": { "pattern": key },
            "additionalProperties": {
                "type": "array",
                "items": { "type": "string", "pattern": r"^\s*\S+\s*(<=|>=|<|>)\s*[+-].*$" }
            }
        })
    }
}
