//! A plan alone gives the same run again, and the audit notices when it does not.

use crate::common::{Called, Place, scenario};

#[test]
fn a_replay_gives_the_same_result() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--seed", "7", "--out", "a"]);
    place.expect(0, &["replay", "a/plan.json"]);
    let replayed = place.read("stormglass-out/short-7-replay/result.json");
    assert_eq!(replayed, place.read("a/result.json"));
    assert_eq!(place.read("stormglass-out/short-7-replay/plan.json"), place.read("a/plan.json"));
}

/// A crash on the way, so that clients look for leaders, and are told.
#[test]
fn through_the_codec_the_results_are_the_same() {
    let place = Place::new();
    let crash = scenario("crash");
    place.expect(0, &["run", &crash, "--out", "typed"]);
    place.expect(0, &["run", &crash, "--set", "wire=true", "--out", "wire"]);
    let result = |of: &str| -> serde_json::Value {
        let mut result: serde_json::Value =
            serde_json::from_str(&place.read(&format!("{of}/result.json"))).unwrap();
        result.as_object_mut().unwrap().remove("scenario");
        result.as_object_mut().unwrap().remove("plan_digest");
        result
    };
    assert_eq!(result("wire"), result("typed"));
}

#[test]
fn the_audit_passes_and_writes_nothing() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--seed", "7", "--out", "a"]);
    let called = place.expect(0, &["replay", "a", "--check"]);
    assert!(called.stdout.starts_with("identical: two runs of"), "{}", called.stdout);
    assert!(called.stdout.contains("and so is the recorded result.json"), "{}", called.stdout);
    assert!(!place.path("stormglass-out").exists());
    let audit = place.expect(0, &["replay", "a/plan.json", "--check", "--json"]).json();
    assert_eq!(audit["identical"], true);
    assert_eq!(audit["recorded"], "identical");
}

#[test]
fn a_recorded_result_that_differs_is_exit_9_and_named() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let result = place.read("a/result.json");
    place.write("a/result.json", result.replace("\"lost_records\": 0", "\"lost_records\": 1"));
    let called = place.expect(9, &["replay", "a", "--check"]);
    assert!(called.stdout.contains("recorded result: result.json line"), "{}", called.stdout);
    assert!(called.stdout.contains("`\"lost_records\": 1,`"), "{}", called.stdout);
    assert_eq!(Called::last_line(&called.stdout), "stormglass replay a --check");
    let audit = place.expect(9, &["replay", "a", "--check", "--json"]).json();
    assert_eq!((&audit["identical"], &audit["exit_code"]), (&false.into(), &9.into()));
}

#[test]
fn a_result_of_another_plan_is_not_compared() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--seed", "1", "--out", "a"]);
    place.expect(0, &["run", &short, "--seed", "2", "--out", "b"]);
    std::fs::copy(place.path("b/result.json"), place.path("a/result.json")).unwrap();
    let audit = place.expect(0, &["replay", "a", "--check", "--json"]).json();
    assert_eq!(audit["recorded"], "not-comparable");
}
