//! Keys, values, events and metrics of the scenario format, from the schema itself.

use super::figures;
use crate::catalogue::configs::{KeySet, KeySpec, configs};
use crate::catalogue::{groups, remote};
use crate::schema::json::scenario_schema;
use crate::schema::threshold::metric_rows;
use serde_json::{Map, Value};
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# The scenario format

Written by `stormglass_scenarios::format_reference`; a test keeps it current. Do not edit by hand.

A scenario is a TOML file: a cluster, a load, a storm, and what must hold. It has tables \
`[cluster]`, `[phases]`, `[thresholds]`, `[model]` and lists `[[topics]]`, `[[producers]]`, \
`[[consumers]]`, `[[events]]`. Unknown keys, missing or wrong units and impossible values are \
errors with file, line, column and a suggestion; `stormglass` then ends with exit code 5.

Times of events, curves and `start_at` count from the begin of the measure phase.

## Units

Quantities are strings with a unit; a bare number is an error. Decimals are exact, and what is \
finer than the smallest unit is refused.

| quantity | units | example |
|---|---|---|
| duration | `ns` `us` `ms` `s` `min` (`m`) `h` `d` | `\"50ms\"` |
| size | `B`, decimal `kB` `MB` `GB` `TB`, binary `KiB` `MiB` `GiB` `TiB` | `\"1 KiB\"` |
| rate in bytes | a size per second | `\"100 MB/s\"` |
| rate in records | `records/s` | `\"50000 records/s\"` |
| share | `%` | `\"25%\"` |
| money | `$` | `\"$118.00\"` |

Kafka configs keep Kafka's own units: `config.linger.ms = 5`. Dotted config keys may be written \
with or without quotes. Some are known and change nothing in a simulation: the tables below mark \
them, and `run` names those that a scenario sets to another value than the default.

## Changes from the command line

`--set path=value` changes a key before the scenario is checked: `producers.0.rate`, by name \
`producers.checkout.rate`, for all `producers.*.rate`; `cluster.config.min.insync.replicas` with \
or without quotes. The value is TOML, or text if it is no TOML: `--set 'producers.*.rate=50 MB/s'`.

## Keys
";

/// The reference of the scenario format, as Markdown: docs/scenario-format.md.
#[must_use]
pub fn format_reference() -> String {
    let schema = scenario_schema();
    let mut text = INTRODUCTION.to_owned();
    section(&mut text, "The scenario", &schema);
    for (title, name) in SECTIONS {
        if let Some(definition) = schema.pointer(&format!("/$defs/{name}")) {
            section(&mut text, title, definition);
        }
    }
    events(&mut text, &schema);
    metrics(&mut text);
    figures::instances(&mut text);
    for (title, keys) in [
        ("server.properties", &configs().server),
        ("server.properties where a topic has remote storage", remote::server_keys()),
        ("server.properties: bounds of groups", groups::server_keys()),
        ("Topic configs", &configs().topic),
        ("Java producer configs", &configs().java_producer),
        ("Java consumer configs", &configs().java_consumer),
        ("librdkafka producer configs", &configs().librdkafka_producer),
        ("librdkafka consumer configs", &configs().librdkafka_consumer),
    ] {
        config_table(&mut text, title, keys);
    }
    figures::constants(&mut text);
    figures::sources(&mut text);
    text
}

/// Sections in reading order, by the name of their type.
const SECTIONS: &[(&str, &str)] = &[
    ("`[cluster]`", "Cluster"),
    ("`cluster.storage`", "Storage"),
    ("`cluster.encryption`", "EncryptionPaths"),
    ("`cluster.host`", "HostSpec"),
    ("`cluster.network`", "NetworkSpec"),
    ("`[[topics]]`", "Topic"),
    ("`[[producers]]`", "Producer"),
    ("`transaction`", "Transaction"),
    ("`record_size` with bounds", "SizeRange"),
    ("`curve`", "CurvePoint"),
    ("`arrival = { bursty = { .. } }`", "Bursty"),
    ("`arrival = { closed = { .. } }`", "Closed"),
    ("`keys = { uniform = { .. } }`", "UniformKeys"),
    ("`keys = { zipf = { .. } }`", "ZipfKeys"),
    ("`[[consumers]]`", "Consumer"),
    ("`[phases]`", "Phases"),
];

pub(super) fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn section(text: &mut String, title: &str, schema: &Value) {
    let _ = write!(text, "\n### {title}\n\n");
    if let Some(Value::String(description)) = schema.get("description") {
        let _ = write!(text, "{}\n\n", one_line(description));
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |key: &str| required.is_some_and(|required| required.iter().any(|name| name == key));
        properties_table(text, properties, is_required);
    }
}

fn properties_table(
    text: &mut String,
    properties: &Map<String, Value>,
    is_required: impl Fn(&str) -> bool,
) {
    line(text, "| key | value | | meaning |");
    line(text, "|---|---|---|---|");
    for (key, schema) in properties {
        let required = if is_required(key) { "required" } else { "" };
        let meaning = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ =
            writeln!(text, "| `{key}` | {} | {required} | {} |", kind(schema), one_line(meaning));
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A value's type in words.
fn kind(schema: &Value) -> String {
    if let Some(Value::String(reference)) = schema.get("$ref") {
        return named(reference.trim_start_matches("#/$defs/"));
    }
    if let Some(Value::String(constant)) = schema.get("const") {
        return format!("`\"{constant}\"`");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let bounds = |kind: &str| match (schema.get("minimum"), schema.get("maximum")) {
        (Some(min), Some(max)) => format!("{kind} {min} to {max}"),
        _ => kind.to_owned(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => bounds("integer"),
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("number") => "number".to_owned(),
        _ => "table".to_owned(),
    }
}

/// A type of the schema's definitions, in words.
fn named(name: &str) -> String {
    match name {
        "Duration" => "duration".into(),
        "Size" => "size".into(),
        "ByteRate" => "rate in bytes".into(),
        "Rate" => "rate".into(),
        "Share" => "share".into(),
        "Factor" => "number".into(),
        "Name" => "name".into(),
        "Text" => "text".into(),
        "Config" => "Kafka configs".into(),
        "Thresholds" => "conditions by metric, see below".into(),
        "ModelOverrides" => "constants by name, see below".into(),
        other => choices(other),
    }
}

/// The choices of an enum, or the name of a section.
fn choices(name: &str) -> String {
    let schema = scenario_schema();
    let definition = schema.pointer(&format!("/$defs/{name}")).cloned().unwrap_or_default();
    let list = definition.get("oneOf").or_else(|| definition.get("anyOf"));
    let words = |choice: &Value| match choice.get("properties").and_then(Value::as_object) {
        Some(properties) if choice.get("const").is_none() => {
            let keys: Vec<String> =
                properties.keys().map(|key| format!("`{{ {key} = {{ .. }} }}`")).collect();
            keys.join(" or ")
        }
        _ => match choice.get("enum").and_then(Value::as_array) {
            Some(texts) => {
                texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
            }
            None => kind(choice),
        },
    };
    match (list, definition.get("enum")) {
        (Some(Value::Array(list)), _) if name != "Event" => {
            list.iter().map(words).collect::<Vec<_>>().join(" or ")
        }
        (_, Some(Value::Array(texts))) => {
            texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
        }
        _ => "table, see below".to_owned(),
    }
}

fn events(text: &mut String, schema: &Value) {
    line(text, "\n### `[[events]]`\n");
    line(
        text,
        "Each event is a fault or a load change, with `at` and, where it makes sense, `for`.",
    );
    let Some(Value::Array(variants)) = schema.pointer("/$defs/Event/oneOf") else { return };
    for variant in variants {
        let fault = variant.pointer("/properties/fault/const").and_then(Value::as_str);
        let title = fault.map_or("`load`".to_owned(), |fault| format!("`fault = \"{fault}\"`"));
        section(text, &title, variant);
    }
}

fn metrics(text: &mut String) {
    line(text, "\n### `[thresholds]`\n");
    line(
        text,
        "`metric = [\"aggregate operator limit\"]` in k6's grammar, with `<` `<=` `>` `>=` `==` \
         `!=`. `\"metric{phase:heal}\"` looks at one phase (`warmup`, `measure`, `heal`, `drain`); \
         without \
         it, measure and heal count together.\n",
    );
    line(text, "| metric | measures | unit of the limit | aggregates |");
    line(text, "|---|---|---|---|");
    for [name, meaning, unit, aggregates] in metric_rows() {
        let _ = writeln!(text, "| `{name}` | {meaning} | {unit} | {aggregates} |");
    }
}

fn config_table(text: &mut String, title: &str, keys: &KeySet) {
    let _ = write!(text, "\n## {title}\n\n");
    line(text, "| key | type | default | on MSK | from Kafka 4.0 | in a simulation |");
    line(text, "|---|---|---|---|---|---|");
    for (name, spec) in &keys.keys {
        let kind = format!("{:?}", spec.kind).to_lowercase();
        let cell = |value: &Option<String>| value.as_deref().unwrap_or_default().to_owned();
        let _ = writeln!(
            text,
            "| `{name}` | {kind} | {} | {} | {} | {} |",
            cell(&spec.default),
            cell(&spec.msk),
            cell(&spec.from_4_0),
            effect(spec)
        );
    }
}

/// What a config does in a simulation, where that is not what it does in Kafka.
fn effect(spec: &KeySpec) -> String {
    match &spec.needs {
        _ if !spec.simulated => "changes nothing".to_owned(),
        Some(needs) => format!("with `{needs}`"),
        None => String::new(),
    }
}
