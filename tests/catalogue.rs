//! What is built in: scenarios, schemas, completions; and the split of a run's latency.

use crate::common::{Place, scenario};

#[test]
fn every_listed_scenario_can_be_shown_and_priced() {
    let place = Place::new();
    let listed = place.expect(0, &["scenarios", "--json"]).json();
    let text = place.expect(0, &["scenarios"]).stdout;
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= 12, "{}", listed.len());
    for entry in listed {
        let name = entry["name"].as_str().unwrap();
        assert!(text.contains(name) && text.contains(entry["question"].as_str().unwrap()));
        let shown = place.expect(0, &["scenarios", "show", name]).stdout;
        place.write("shown.toml", &shown);
        place.expect(0, &["cost", "shown.toml"]);
    }
    let called = place.expect(5, &["scenarios", "show", "stedy"]);
    assert!(called.stderr.contains("steady"), "{}", called.stderr);
}

#[test]
fn the_printed_result_schema_is_the_committed_one() {
    let committed = include_str!("../reports/schema/result.schema.json");
    assert_eq!(Place::new().expect(0, &["schema", "result"]).stdout, committed);
}

#[test]
fn schemas_are_schemas() {
    let place = Place::new();
    for of in ["scenario", "plan", "result", "hunt"] {
        let schema = place.expect(0, &["schema", of]).json();
        assert!(jsonschema::validator_for(&schema).is_ok(), "{of}");
        assert!(schema["properties"].as_object().is_some_and(|keys| keys.len() > 3), "{of}");
    }
}

#[test]
fn completions_know_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.expect(0, &["completions", shell]).stdout;
        for word in ["replay", "scenarios", "seeds"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    place.expect(2, &["completions", "cmd"]);
}

#[test]
fn a_runs_latency_is_split_into_parts_that_add_up() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let bands = place.expect(0, &["explain", "a", "--json"]).json();
    let bands = bands.as_array().unwrap();
    assert!(!bands.is_empty(), "requests are sampled");
    for band in bands {
        let ms = |key: &str| band[key].as_f64().unwrap();
        let parts = ["client_queue", "network", "cpu_queue", "cpu", "disk", "replication"];
        let rest = ["purgatory", "response"];
        let sum: f64 = parts.iter().chain(&rest).map(|part| ms(&format!("{part}_ms"))).sum();
        assert!((sum - ms("total_ms")).abs() < 0.01, "{band}");
    }
    let text = place.expect(0, &["explain", "a/result.json", "--band", "p99"]).stdout;
    assert!(text.lines().next().unwrap().ends_with("p99"), "{text}");
    assert!(text.contains("replication"), "{text}");
}
