//! `--json`: one document on stdout, valid by its schema, also when things go wrong.

use crate::common::{Called, Place, scenario};
use serde_json::Value;

fn assert_valid(schema: &Value, document: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_run_prints_its_result_and_only_that() {
    let place = Place::new();
    let called = place.expect(0, &["run", &scenario("short"), "--json", "--out", "a"]);
    assert_eq!(called.stdout, place.read("a/result.json"));
    assert_eq!(called.stderr, "");
    let schemas = place.expect(0, &["schema"]).json();
    assert_valid(&schemas["result"], &called.json());
    let plan: Value = serde_json::from_str(&place.read("a/plan.json")).unwrap();
    assert_valid(&schemas["plan"], &plan);
}

#[test]
fn several_seeds_print_one_document() {
    let place = Place::new();
    let called = place.expect(0, &["run", &scenario("short"), "--seeds", "2", "--json"]);
    let document = called.json();
    let schema = place.expect(0, &["schema", "result"]).json();
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for (run, seed) in runs.iter().zip(1..) {
        assert_eq!((&run["seed"], &run["exit_code"]), (&Value::from(seed), &Value::from(0)));
        assert_valid(&schema, &run["result"]);
    }
    assert_eq!((&document["exit_code"], &document["not_run"]), (&0.into(), &0.into()));
}

#[test]
fn a_bad_verdict_is_in_the_document_and_the_command_beside_it() {
    let place = Place::new();
    let short = scenario("short");
    let set = "thresholds.response_latency=[\"p(99) < 1us\"]";
    let called = place.expect(4, &["--json", "run", &short, "--set", set]);
    assert_eq!(called.json()["verdict"]["exit_code"], 4);
    assert_eq!(
        Called::last_line(&called.stderr),
        format!("stormglass run {short} --seed 1 --set '{set}'")
    );
}

#[test]
fn an_invalid_scenario_is_a_document_with_places() {
    let place = Place::new();
    let words = ["run", "steady", "--set", "cluster.brokrs=3", "--json"];
    let called = place.expect(5, &words);
    let document = called.json();
    assert_eq!(document["exit_code"], 5);
    let first = &document["diagnostics"][0];
    assert!(first["message"].as_str().unwrap().contains("brokrs"), "{document}");
    assert!(first["line"].as_u64().unwrap() >= 1 && first["column"].as_u64().unwrap() >= 1);
    assert_eq!(document["command"], format!("stormglass {}", words.join(" ")));
    assert!(called.stderr.contains("brokrs"), "people are told as well");
}

#[test]
fn refused_arguments_are_a_document_too() {
    let called = Place::new().expect(2, &["run", "--json"]);
    let document = called.json();
    assert_eq!(document["exit_code"], 2);
    assert!(document["error"].as_str().unwrap().contains("required"), "{document}");
}
