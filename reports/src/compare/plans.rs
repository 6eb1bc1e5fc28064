//! What differs in two plans, value by value.

use super::types::ChangedKey;
use serde_json::Value;
use stormglass_scenarios::plan::Plan;

/// More would be another cluster, and nobody reads on.
const LISTED_MAX: usize = 40;
/// Top-level keys that differ without changing a run, or for every scenario text.
const SKIPPED: [&str; 5] = ["scenario", "question", "expect", "scenario_digest", "seed"];

/// Values that differ, at most forty.
#[must_use]
pub fn plan_changes(a: &Plan, b: &Plan) -> Vec<ChangedKey> {
    let value = |plan: &Plan| serde_json::to_value(plan).expect("a plan is plain data");
    let mut changes = Vec::new();
    let (mut a, mut b) = (value(a), value(b));
    for side in [&mut a, &mut b] {
        if let Value::Object(fields) = side {
            fields.retain(|key, _| !SKIPPED.contains(&key.as_str()));
        }
    }
    compare("", Some(&a), Some(&b), &mut changes);
    changes.truncate(LISTED_MAX);
    changes
}

fn compare(path: &str, a: Option<&Value>, b: Option<&Value>, changes: &mut Vec<ChangedKey>) {
    if a == b || changes.len() >= LISTED_MAX {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                compare(&below(key), a.get(key), b.get(key), changes);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if is_long(a) || is_long(b) => {
            for index in 0..a.len().max(b.len()) {
                compare(&below(&index.to_string()), a.get(index), b.get(index), changes);
            }
        }
        _ => {
            let shown = |value: Option<&Value>| value.map(short);
            changes.push(ChangedKey { path: path.to_owned(), before: shown(a), after: shown(b) });
        }
    }
}

/// Lists of tables differ element by element, lists of numbers as a whole.
fn is_long(items: &[Value]) -> bool {
    items.iter().any(Value::is_object)
}

/// Its text, cut where it gets long.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(57).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn differences_have_their_place_and_both_values() {
        let a = testing::plan();
        let mut b = a.clone();
        assert!(plan_changes(&a, &b).is_empty());
        b.seed += 1;
        b.question.push('!');
        assert!(plan_changes(&a, &b).is_empty());
        b.producers[0].config.insert("linger.ms".to_owned(), "77".to_owned());
        b.phases.heal_ns += 1;
        let changes = plan_changes(&a, &b);
        let paths: Vec<&str> = changes.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["producers.0.config.linger.ms", "phases.heal_ns"]);
        assert_eq!(changes[0].after.as_deref(), Some("\"77\""));
    }
}
