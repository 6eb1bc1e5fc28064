//! Single values of a scenario: names, counts, quantities with units, Kafka config values.

use super::decode::{Decode, Errors, string, wrong_kind};
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;
use crate::text::tree::{Node, Table, Value};
use crate::units;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Free text that is not empty.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Text(#[schemars(length(min = 1, max = 4096))] pub(crate) String);

impl Decode for Text {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let text = string(node, "a string", errors)?;
        if text.trim().is_empty() || text.len() > 4096 {
            let message = "the text must have between 1 and 4096 characters";
            errors.push(Diagnostic::new(node.span, message, "here"));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// A name by Kafka's rule for topics: letters, digits, `.`, `_` and `-`, at most 249.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Name(#[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"))] pub(crate) String);

impl Decode for Name {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let text = string(node, "a string", errors)?;
        let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
        let valid = !text.is_empty()
            && text.len() <= 249
            && text.chars().all(legal)
            && !matches!(text, "." | "..");
        if !valid {
            let message = format!("`{}` is not a name", text.chars().take(60).collect::<String>());
            errors.push(
                Diagnostic::new(node.span, message, "not a name")
                    .help("use 1 to 249 letters, digits, `.`, `_` and `-`"),
            );
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

/// A whole number between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> JsonSchema for Count<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Count{MIN}To{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<const MIN: u32, const MAX: u32> Decode for Count<MIN, MAX> {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let Value::Integer(digits) = &node.value else {
            let diagnostic = wrong_kind(node, "a whole number");
            errors.push(match &node.value {
                Value::String(text) if text.parse::<u32>().is_ok() => {
                    diagnostic.help(format!("write {text} without quotes"))
                }
                _ => diagnostic,
            });
            return None;
        };
        let number = digits.replace('_', "").parse::<u32>().ok();
        let Some(number) = number.filter(|number| (MIN..=MAX).contains(number)) else {
            let message = format!("{} is out of range", shortened(digits));
            let help = format!("a whole number from {MIN} to {MAX}");
            errors.push(Diagnostic::new(node.span, message, "out of range").help(help));
            return None;
        };
        Some(Self(number))
    }
}

/// Digits for a message: a number of ten thousand digits is cut.
fn shortened(digits: &str) -> String {
    if digits.len() <= 40 { digits.to_owned() } else { format!("{}...", &digits[..40]) }
}

/// A boolean.
impl Decode for bool {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let Value::Boolean(value) = node.value else {
            errors.push(wrong_kind(node, "true or false"));
            return None;
        };
        Some(value)
    }
}

/// Declares a quantity that is written as a string with a unit.
macro_rules! quantity {
    (
        $(#[$meta:meta])* $name:ident($inner:ty),
        $parse:expr, $expected:literal, $pattern:literal, $example:literal
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) $inner);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }

        impl Decode for $name {
            fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
                let text = quantity_text(node, $expected, errors)?;
                unit_result($parse(&text), node.span, errors).map(Self)
            }
        }
    };
}

quantity!(
    /// A duration.
    Duration(u64), units::parse_duration_ns, "a duration such as \"50ms\"",
    r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*(ns|us|µs|ms|s|min|m|h|d)\s*$", "50ms"
);
quantity!(
    /// A size in bytes.
    Size(u64), units::parse_bytes, "a size such as \"1 KiB\"",
    r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)\s*$", "1 KiB"
);
quantity!(
    /// Bytes per second.
    ByteRate(u64), units::parse_byte_rate, "a rate such as \"250 MiB/s\"",
    r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*(B|[kK]B|MB|GB|KiB|MiB|GiB)/s\s*$", "250 MiB/s"
);
quantity!(
    /// A share, kept in parts per million.
    Share(u64), units::parse_share_ppm, "a share such as \"25%\"",
    r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*%\s*$", "25%"
);
quantity!(
    /// A load in records or bytes per second.
    Rate(RateValue), parse_rate, "a rate such as \"100 MB/s\" or \"50000 records/s\"",
    r"^\s*[0-9][0-9_]*(\.[0-9_]+)?\s*((B|[kK]B|MB|GB|KiB|MiB|GiB)/s|records?/s)\s*$", "100 MB/s"
);

/// A load as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RateValue {
    /// Bytes per second.
    Bytes(u64),
    /// Milli-records per second.
    MilliRecords(u64),
}

fn parse_rate(text: &str) -> Result<RateValue, units::UnitError> {
    if text.contains("record") {
        return units::parse_record_rate(text).map(RateValue::MilliRecords);
    }
    units::parse_byte_rate(text).map(RateValue::Bytes).map_err(|mut error| {
        error.help.push_str(", or records/s");
        error
    })
}

/// The text of a quantity. A bare number has no unit, and the message says so.
fn quantity_text(node: &Node, expected: &str, errors: &mut Errors) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(digits) | Value::Float(digits) => {
            let message = format!("`{}` has no unit", shortened(digits));
            let help = format!("write {expected}, in quotes");
            errors.push(Diagnostic::new(node.span, message, "no unit").help(help));
            None
        }
        _ => {
            errors.push(wrong_kind(node, expected));
            None
        }
    }
}

/// Turns a unit error into a diagnostic.
pub(crate) fn unit_result<T>(
    result: Result<T, units::UnitError>,
    span: Span,
    errors: &mut Errors,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(Diagnostic::new(span, error.message, "here").help(error.help));
            None
        }
    }
}

/// A plain number with at most three decimals, kept in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Factor(#[schemars(with = "f64", range(min = 0))] pub(crate) u64);

impl Decode for Factor {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let (Value::Integer(digits) | Value::Float(digits)) = &node.value else {
            errors.push(wrong_kind(node, "a number"));
            return None;
        };
        unit_result(units::parse_permille(digits), node.span, errors).map(Self)
    }
}

/// Kafka config keys and values. Dotted keys may be written with or without quotes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Entries in the order written.
    pub(crate) entries: Vec<ConfigEntry>,
}

/// One Kafka config.
#[derive(Debug, Clone)]
pub(crate) struct ConfigEntry {
    /// Kafka's name.
    pub(crate) key: String,
    /// Where the name stands.
    pub(crate) key_span: Span,
    /// The value as Kafka reads it.
    pub(crate) value: String,
    /// Where the value stands.
    pub(crate) span: Span,
}

impl Config {
    /// The value of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn collect(&mut self, prefix: &str, table: &Table, errors: &mut Errors) {
        for entry in &table.entries {
            let key = if prefix.is_empty() {
                entry.key.clone()
            } else {
                format!("{prefix}.{}", entry.key)
            };
            let value = match &entry.node.value {
                // `min.insync.replicas = 2` without quotes is three nested tables in TOML.
                Value::Table(inner) => {
                    self.collect(&key, inner, errors);
                    continue;
                }
                Value::String(text) | Value::Float(text) => text.clone(),
                Value::Integer(digits) => digits.replace('_', ""),
                Value::Boolean(value) => value.to_string(),
                Value::Array(_) | Value::Datetime(_) => {
                    let help = "write lists as one string: \"a,b\"";
                    errors.push(wrong_kind(&entry.node, "a string, number or boolean").help(help));
                    continue;
                }
            };
            if let Some(first) = self.entry(&key) {
                let message = format!("`{key}` is set twice");
                errors.push(
                    Diagnostic::new(entry.key_span, message, "set again")
                        .related(first.key_span, "first set here"),
                );
                continue;
            }
            let (key_span, span) = (entry.key_span, entry.node.span);
            self.entries.push(ConfigEntry { key, key_span, value, span });
        }
    }
}

impl Decode for Config {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let table = super::decode::table(node, "a config", errors)?;
        let mut config = Self::default();
        let before = errors.len();
        config.collect("", table, errors);
        (errors.len() == before).then_some(config)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "Config".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Unquoted dotted keys arrive as nested tables, hence `object`.
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": ["string", "integer", "number", "boolean", "object"] }
        })
    }
}
