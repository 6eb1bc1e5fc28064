//! A run: the same bytes every time, a whole directory, and a verdict in the exit code.

use crate::common::{Called, Place, files, scenario};

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let place = Place::new();
    let short = scenario("short");
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        place.expect(0, &["run", &short, "--seed", seed, "--out", out]);
    }
    let result = |dir: &str| place.read(&format!("{dir}/result.json"));
    assert_eq!(result("a"), result("b"));
    assert_ne!(result("a"), result("c"));
    for name in files(&place.path("a")) {
        // run.json holds wall time, and the page quotes it.
        if name != "run.json" && name != "index.html" {
            assert_eq!(
                place.read(&format!("a/{name}")),
                place.read(&format!("b/{name}")),
                "{name}"
            );
        }
    }
}

#[test]
fn the_directory_is_whole_and_where_it_was_promised() {
    let place = Place::new();
    let called = place.expect(0, &["run", &scenario("short"), "--seed", "3"]);
    let dir = place.path("stormglass-out/short-3");
    let found = files(&dir);
    for name in [
        "result.json",
        "run.json",
        "plan.json",
        "timeline.csv",
        "latency/response.hgrm",
        "latency/response.hlog",
        "cost.csv",
        "events.jsonl",
        "index.html",
    ] {
        assert!(found.iter().any(|file| file == name), "{name} is not in {found:?}");
    }
    assert!(found.iter().any(|file| file.starts_with("charts/") && file.ends_with(".svg")));
    assert!(!found.iter().any(|file| file.ends_with(".partial")));
    let rows = place.read("stormglass-out/short-3/timeline.csv").lines().count();
    assert!((6..=8).contains(&rows), "a header and a row per simulated second, not {rows}");
    assert!(called.stdout.contains("stormglass-out/short-3/index.html"), "{}", called.stdout);
    assert_eq!(called.stderr, "", "silence where there is no terminal");
}

#[test]
fn a_config_that_changes_nothing_is_named_on_stderr() {
    let place = Place::new();
    let set = "cluster.config.queued.max.requests=100";
    let called = place.expect(0, &["run", &scenario("short"), "--set", set, "--out", "a"]);
    let note = "note: queued.max.requests (--set) changes nothing in a simulation\n";
    assert_eq!(called.stderr, note);
}

#[test]
fn nothing_of_the_machine_gets_into_the_result() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let here = place.path("").display().to_string();
    for name in ["result.json", "plan.json", "events.jsonl", "timeline.csv"] {
        let text = place.read(&format!("a/{name}"));
        assert!(!text.contains(&here) && !text.contains(env!("CARGO_MANIFEST_DIR")), "{name}");
    }
}

#[test]
fn a_missed_threshold_is_exit_4_with_the_reproducing_command_last() {
    let place = Place::new();
    let short = scenario("short");
    let set = "thresholds.response_latency=[\"p(99) < 1us\"]";
    let called = place.expect(4, &["run", &short, "--set", set, "--seed", "5", "--out", "a"]);
    assert!(called.stdout.contains("THRESHOLD MISSED"), "{}", called.stdout);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {short} --seed 5 --set '{set}'"));
    assert!(place.read("a/result.json").contains("\"exit_code\": 4"));
}

#[test]
fn acknowledged_records_that_the_configuration_gives_up_are_counted() {
    let place = Place::new();
    let called = place.expect(4, &["run", &scenario("loss"), "--seed", "2", "--json"]);
    let result = called.json();
    assert!(result["lost_records"].as_u64().unwrap() > 0, "{result}");
    assert_eq!(result["violations"].as_array().unwrap().len(), 0);
}

#[test]
fn killing_the_whole_isr_is_exit_8_and_says_where_kafkas_promise_ends() {
    let place = Place::new();
    let called = place.expect(8, &["run", "isr-power-loss", "--seed", "2"]);
    for words in ["no-acked-loss broken at", "Kafka's own promise ends here", "in-sync replicas"] {
        assert!(called.stdout.contains(words), "{words}\n{}", called.stdout);
    }
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, "stormglass run isr-power-loss --seed 2");
    let result = place.read("stormglass-out/isr-power-loss-2/result.json");
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let excuses = result["violations"][0]["excused_by"].as_array().unwrap();
    assert_eq!(excuses.len(), 3);
    assert_eq!(excuses[0]["detail"], "host of node 1 loses power");
    let page = place.read("stormglass-out/isr-power-loss-2/index.html");
    assert!(page.contains("Broken promises") && page.contains("promise ends here"));
}

#[test]
fn a_broken_promise_is_exit_8_with_an_account() {
    let place = Place::new();
    let crash = scenario("crash");
    place.expect(0, &["run", &crash]);
    // A host that takes an hour to boot: its replicas are never in sync again.
    let set = "model.node.host_boot_ns=3600000000000";
    let called = place.expect(8, &["run", &crash, "--set", set]);
    assert!(called.stdout.contains("PROMISE BROKEN"), "{}", called.stdout);
    assert!(called.stdout.contains("everything-consumed broken at"), "{}", called.stdout);
    assert!(called.stdout.contains("node 1 does not run"), "{}", called.stdout);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {crash} --seed 1 --set {set}"));
}

#[test]
fn seeds_run_side_by_side_and_agree_with_runs_of_their_own() {
    let place = Place::new();
    let short = scenario("short");
    let words = ["run", &short, "--seed", "7", "--seeds", "3", "--jobs", "2", "--out", "many"];
    let called = place.expect(0, &words);
    assert_eq!(called.stdout.lines().count(), 4, "{}", called.stdout);
    place.expect(0, &["run", &short, "--seed", "8", "--out", "one"]);
    assert_eq!(place.read("many/seed-8/result.json"), place.read("one/result.json"));
    assert!(place.path("many/seed-7/index.html").exists());
    assert!(place.path("many/seed-9/result.json").exists());
}

#[test]
fn of_several_seeds_the_worst_decides() {
    let place = Place::new();
    let short = scenario("short");
    let set = "thresholds.response_latency=[\"p(99) < 1us\"]";
    let called = place.expect(4, &["run", &short, "--seeds", "2", "--set", set]);
    assert!(called.stdout.contains("2 of 2 seeds failed"), "{}", called.stdout);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {short} --seed 1 --set '{set}'"));
    assert!(place.path("stormglass-out/short-2/result.json").exists());
}

#[test]
fn run_json_says_what_the_run_took() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a", "--trace"]);
    let run: serde_json::Value = serde_json::from_str(&place.read("a/run.json")).unwrap();
    assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
    assert!(run["wall_seconds"].as_f64().unwrap() > 0.0);
    assert!(run["sim_seconds"].as_f64().unwrap() >= 5.0);
    assert!(run["events"].as_u64().unwrap() > 0);
    assert!(run["host"].as_str().unwrap().contains(std::env::consts::ARCH));
    if cfg!(target_os = "linux") {
        assert!(run["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
}

/// No build has that bug.
#[test]
fn a_run_that_is_refused_leaves_an_earlier_one_whole_and_nothing_else() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    let (before, plan) = (files(&place.path("a")), place.read("a/plan.json"));
    let refused = ["run", &short, "--seed", "2", "--plant", "REP-99"];
    place.expect(2, &[&refused[..], &["--out", "a"]].concat());
    assert_eq!((files(&place.path("a")), place.read("a/plan.json")), (before, plan));
    place.expect(2, &[&refused[..], &["--out", "b/c"]].concat());
    place.expect(2, &[&refused[..], &["--seeds", "3", "--jobs", "3"]].concat());
    assert!(!place.path("b").exists() && !place.path("stormglass-out").exists());
}
