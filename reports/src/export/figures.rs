//! The flat formats: every figure of a result with name, unit and value.

use crate::figures::{Better, Figure, figures};
use crate::gate::{family_name, label_set};
use crate::result::RunResult;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Gauges without timestamps: the same run gives the same bytes.
pub(super) fn open_metrics(result: &RunResult) -> String {
    let seed = result.seed.to_string();
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for figure in figures(result) {
        let Some(value) = figure.value else { continue };
        let name = family_name(&figure.name.metric, figure.unit);
        let labels = label_set(&[
            ("scenario", &result.scenario.name),
            ("seed", &seed),
            ("phase", &figure.name.phase),
            ("aggregate", &figure.name.aggregate),
        ]);
        families.entry(name.clone()).or_default().push(format!("{name}{labels} {value}"));
    }
    let mut text = String::new();
    for (name, lines) in families {
        text.push_str(&format!("# TYPE {name} gauge\n{}\n", lines.join("\n")));
    }
    text.push_str("# EOF\n");
    text
}

/// `{benchmark: {measure: {value}}}`.
pub(super) fn bencher(result: &RunResult) -> String {
    let mut measures = Map::new();
    for figure in figures(result) {
        if let Some(value) = figure.value {
            let name = slug(&format!("{} {}", figure.name, unit_word(&figure)));
            measures.insert(name, json!({ "value": value.to_f64() }));
        }
    }
    let mut document = Map::new();
    document.insert(result.scenario.name.clone(), Value::Object(measures));
    pretty(&Value::Object(document))
}

fn unit_word(figure: &Figure) -> &'static str {
    match figure.unit {
        "%" => "percent",
        "MB/s" => "mb per s",
        unit => unit,
    }
}

/// Lower case, with `-` for what is neither letter nor digit nor point.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}

/// Two files, as the tool has one direction for each: smaller is better, bigger is better.
pub(super) fn github_action_benchmark(result: &RunResult) -> (String, String) {
    let figures = figures(result);
    let of = |better: Better| {
        let entries: Vec<Value> = figures
            .iter()
            .filter(|figure| figure.better == better)
            .filter_map(|figure| {
                Some(json!({
                    "name": format!("{}: {}", result.scenario.name, figure.name),
                    "unit": figure.unit,
                    "value": figure.value?.to_f64(),
                    "extra": format!("seed {}", result.seed),
                }))
            })
            .collect();
        pretty(&Value::Array(entries))
    };
    (of(Better::Lower), of(Better::Higher))
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON's own types can be written");
    text.push('\n');
    text
}
