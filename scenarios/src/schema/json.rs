//! The JSON Schemas of scenario and plan.

use super::scenario::Scenario;
use serde_json::Value;

/// Keys of a scenario that must be there; lists and the rest default to nothing.
const REQUIRED: &[&str] = &["name", "question", "expect", "cluster", "phases"];

/// JSON Schema of a scenario file, read as TOML.
///
/// It shows the shape: names that must exist elsewhere in the file, limits of AWS and Kafka, and
/// Kafka's own config keys are checked when a scenario is loaded, not by the schema.
#[must_use]
pub fn scenario_schema() -> Value {
    let mut schema = schemars::schema_for!(Scenario).to_value();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|key| key.as_str().is_some_and(|key| REQUIRED.contains(&key)));
    }
    drop_null(&mut schema);
    schema
}

/// JSON Schema of `plan.json`.
#[must_use]
pub fn plan_schema() -> Value {
    schemars::schema_for!(crate::plan::Plan).to_value()
}

/// TOML has no null: what is optional is left out.
fn drop_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        Value::Object(object) => {
            object.values_mut().for_each(drop_null);
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                object.extend(only);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{library, negative};

    #[test]
    fn every_scenario_of_the_library_satisfies_the_schema() {
        let validator = jsonschema::validator_for(&scenario_schema()).unwrap();
        for entry in library().iter().chain(negative()) {
            let table: toml::Table = toml::from_str(entry.text).unwrap();
            let json = serde_json::to_value(table).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&json).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{}", entry.name);
        }
    }

    #[test]
    fn the_schema_refuses_what_the_reader_refuses() {
        let validator = jsonschema::validator_for(&scenario_schema()).unwrap();
        let text = library()[0].text;
        for (from, to) in [
            ("brokers = 3", "brokrs = 3"),
            ("rate = \"15 MB/s\"", "rate = 15"),
            ("measure = \"120s\"", "measure = \"120 parsecs\""),
            ("kind = \"msk-standard\"", "kind = \"msk\""),
            ("lost_records", "lost_record"),
            ("[phases]", "[[events]]\nat = \"5s\"\nfault = \"az-up\"\n[phases]"),
        ] {
            assert!(text.contains(from), "{from}");
            let table: toml::Table = toml::from_str(&text.replacen(from, to, 1)).unwrap();
            assert!(!validator.is_valid(&serde_json::to_value(table).unwrap()), "{to}");
        }
    }

    #[test]
    fn every_plan_satisfies_its_schema() {
        let validator = jsonschema::validator_for(&plan_schema()).unwrap();
        for entry in library() {
            let source = crate::Source::new(entry.name, entry.text);
            let plan = crate::load(&source, &[], 1).unwrap();
            let json = serde_json::to_value(&plan).unwrap();
            assert!(validator.is_valid(&json), "{}", entry.name);
        }
    }
}
