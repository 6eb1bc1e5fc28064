//! Ctrl-C: what was simulated is written and marked, and the exit code is 130.
#![cfg(unix)]

use crate::common::{Called, Place, scenario};
use std::process::{Child, Command};
use std::time::Duration;

/// Far more simulated time than any machine gets through before the signal.
const LONG: &str = "phases.measure=4h";

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

#[expect(clippy::disallowed_methods, reason = "a signal comes while the simulation runs")]
fn wait_a_moment() {
    std::thread::sleep(Duration::from_millis(1500));
}

#[test]
fn the_first_signal_writes_what_there_is() {
    let place = Place::new();
    let short = scenario("short");
    let child = place.command(&["run", &short, "--set", LONG, "--out", "a"]).spawn().unwrap();
    wait_a_moment();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("INTERRUPTED"), "{}", called.stdout);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {short} --seed 1 --set {LONG}"));
    let result: serde_json::Value = serde_json::from_str(&place.read("a/result.json")).unwrap();
    assert_eq!(result["verdict"]["status"], "interrupted");
    assert_eq!(result["verdict"]["exit_code"], 130);
    assert!(result["simulated"]["seconds"].as_f64().unwrap() < 14_000.0);
    assert!(place.path("a/index.html").exists() && place.path("a/plan.json").exists());
}

#[test]
fn seeds_not_begun_are_left_out_and_said_so() {
    let place = Place::new();
    let short = scenario("short");
    let words = ["run", &short, "--set", LONG, "--seeds", "4", "--jobs", "1"];
    let child = place.command(&words).spawn().unwrap();
    wait_a_moment();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("3 seeds were not run"), "{}", called.stdout);
    assert!(place.path("stormglass-out/short-1/result.json").exists());
    assert!(!place.path("stormglass-out/short-2").exists());
}

#[test]
fn an_audit_that_is_cut_short_compares_nothing() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    let mut plan: serde_json::Value = serde_json::from_str(&place.read("a/plan.json")).unwrap();
    plan["phases"]["measure_ns"] = 14_400_000_000_000_u64.into();
    place.write("long.json", plan.to_string());
    let child = place.command(&["replay", "long.json", "--check"]).spawn().unwrap();
    wait_a_moment();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stderr.contains("nothing was compared"), "{}", called.stderr);
}
