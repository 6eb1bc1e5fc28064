//! Kinds of clusters: quotas hold, recovery is fast, and the bill has the kind's meters.

use crate::common::{Place, scenario};
use serde_json::Value;

/// A finished run of a scenario, as JSON.
fn run(name: &str) -> (Place, Value) {
    let place = Place::new();
    place.expect(0, &["run", &scenario(name), "--out", "a"]);
    let result = serde_json::from_str(&place.read("a/result.json")).unwrap();
    (place, result)
}

/// Bytes per second that were acknowledged while it was measured.
fn acked(result: &Value) -> f64 {
    let rows = result["throughput"].as_array().unwrap();
    rows[0]["acked"]["mb_per_s_avg"].as_f64().unwrap() * 1e6
}

/// Within a twentieth of a quota.
fn is_held_at(result: &Value, quota: f64) -> bool {
    (acked(result) / quota - 1.0).abs() < 0.05
}

fn notes(result: &Value) -> String {
    result["validity_notes"].to_string()
}

fn items(result: &Value) -> Vec<String> {
    let lines = result["cost"]["lines"].as_array().unwrap();
    lines.iter().map(|line| line["item"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_partition_of_express_is_held_at_its_quota_and_a_broker_is_back_within_seconds() {
    let (place, result) = run("express");
    // Until the lost broker is fenced, nothing is acknowledged for some seconds.
    assert!((0.9..1.05).contains(&(acked(&result) / 15e6)), "{}", acked(&result));
    assert!(notes(&result).contains("made producers wait"), "{}", notes(&result));
    let items = items(&result);
    assert!(items.iter().any(|item| item.contains("express.m7g.large")), "{items:?}");
    assert!(items.iter().any(|item| item == "Data in"), "{items:?}");
    assert!(items.iter().all(|item| !item.contains("MSK storage")), "{items:?}");
    // Power returns 50 s into the measure phase; a Standard broker takes 70 s from there.
    let events = place.read("a/events.jsonl");
    let up = events.lines().rfind(|line| line.contains("broker-up")).unwrap();
    let up: Value = serde_json::from_str(up).unwrap();
    let at_s = up["at_s"].as_f64().unwrap();
    let expected = 97.0..99.5;
    assert!(expected.contains(&at_s), "a tenth of 70 s after 90 s, and its log: not {at_s}");
}

#[test]
fn a_partition_of_serverless_is_held_at_its_quota_and_its_five_meters_are_billed() {
    let (_, result) = run("serverless");
    assert!(is_held_at(&result, 5e6), "{}", acked(&result));
    let items = items(&result);
    for part in ["Cluster", "1 partitions", "Storage", "Data in", "Data out"] {
        assert!(items.iter().any(|item| item.starts_with(part)), "{part} is not in {items:?}");
    }
    assert_eq!(items.len(), 5, "{items:?}");
}

#[test]
fn a_bill_of_each_kind_needs_no_run() {
    let place = Place::new();
    for (name, part) in [("express", "express.m7g.large"), ("serverless", "Data out")] {
        let called = place.expect(0, &["cost", &scenario(name)]);
        assert!(called.stdout.contains(part), "{}", called.stdout);
        assert!(!called.stdout.contains("No price is known"), "{}", called.stdout);
    }
}
