//! Every constant of the models, with value, unit, source and confidence.

use super::figures;
use super::reference::{line, one_line};
use crate::catalogue::managed::managed;
use crate::catalogue::model::{latencies, latency};
use crate::catalogue::remote;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Constants of the models

Written by `stormglass_scenarios::constants_reference` from scenarios/catalogue; a test keeps it \
current. Do not edit by hand. What each one does is in [model.md](model.md). Constants that are \
part of Linux, TCP or Kafka and that no scenario can change are named there.
";

/// The constants, as Markdown: docs/model-constants.md.
#[must_use]
pub fn constants_reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    figures::constants(&mut text);
    managed_constants(&mut text);
    remote_constants(&mut text);
    distributions(&mut text);
    figures::instances(&mut text);
    figures::sources(&mut text);
    text
}

/// What only MSK Express and Serverless have.
fn managed_constants(text: &mut String) {
    line(text, "\n## MSK Express and Serverless\n");
    line(text, "Quotas and prices of both are those of scenarios/catalogue/services.toml.\n");
    line(text, "| name | value | unit | confidence | source |");
    line(text, "|---|---|---|---|---|");
    let file = managed();
    for (name, constant) in file.express.iter().chain(&file.serverless) {
        let (value, unit) = (constant.value, &constant.unit);
        let (confidence, source) = (&constant.confidence, one_line(&constant.source));
        let _ = writeln!(text, "| `{name}` | {value} | {unit} | {confidence} | {source} |");
    }
}

/// What only clusters with a topic in remote storage have.
fn remote_constants(text: &mut String) {
    line(text, "\n## Remote storage\n");
    line(text, "Only where a topic has `remote.storage.enable`; scenarios can set each of them.\n");
    line(text, "| name | value | unit | confidence | source |");
    line(text, "|---|---|---|---|---|");
    for (name, constant) in remote::constants() {
        let (value, unit) = (constant.value, &constant.unit);
        let (confidence, source) = (&constant.confidence, one_line(&constant.source));
        let _ = writeln!(text, "| `{name}` | {value} | {unit} | {confidence} | {source} |");
    }
    let latency = remote::latency();
    let points = latency.points.iter();
    let points: Vec<String> =
        points.map(|(ppm, ns)| format!("{} %: {}", decimal(*ppm, 10_000), ns / 1_000)).collect();
    let (confidence, source) = (&latency.confidence, one_line(&latency.source));
    let points = points.join(", ");
    line(text, "\nTime to the first byte of an answer, us:\n");
    let _ = writeln!(text, "{points} ({confidence}; {source})");
}

/// The latency tables, in microseconds at each of their points.
fn distributions(text: &mut String) {
    line(text, "\n## Latency distributions\n");
    line(
        text,
        "Piecewise linear between the points. Networks one way; volumes per operation, queueing \
         apart.\n",
    );
    line(text, "| name | share of draws at or below: us | confidence | source |");
    line(text, "|---|---|---|---|");
    for name in latencies().keys() {
        let table = latency(name);
        let points: Vec<String> = table
            .points
            .iter()
            .map(|(ppm, ns)| format!("{} %: {}", decimal(*ppm, 10_000), ns / 1_000))
            .collect();
        let (confidence, source) = (&table.confidence, one_line(&table.source));
        let _ = writeln!(text, "| `{name}` | {} | {confidence} | {source} |", points.join(", "));
    }
}

/// A fraction without trailing zeros.
fn decimal(value: u32, of: u32) -> String {
    let text = format!("{}.{:04}", value / of, value % of);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
