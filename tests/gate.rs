//! `stormglass gate`: what got worse is caught, with its cause; what did not is not.

use crate::common::{Called, Place, scenario};
use serde_json::Value;
use std::process::Command;

const LIMITS: &str = r#"
[scenarios.limits]
response_latency = ["med < +10%", "p(99) < +10%"]
end_to_end_latency = ["p(99) < +10%"]
produce_throughput = ["avg > -1%"]
cpu_utilisation = ["avg < +2%"]
"#;

/// A suite of one scenario, which lies beside it as `day.toml`.
fn suite(base: &str, seeds: u32, limits: &str) -> String {
    format!(
        "name = \"core\"\nbase = \"{base}\"\nseeds = {seeds}\n\n[[scenarios]]\n\
         scenario = \"./day.toml\"\nname = \"day\"\n{limits}"
    )
}

fn place(base: &str, seeds: u32, limits: &str) -> Place {
    let place = Place::new();
    place.write("suite.toml", suite(base, seeds, limits));
    std::fs::copy(scenario("gated"), place.path("day.toml")).unwrap();
    place
}

fn git(place: &Place, words: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let output = Command::new("git")
        .args(identity)
        .args(words)
        .current_dir(place.path("."))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?} {}", String::from_utf8_lossy(&output.stderr));
}

fn committed(limits: &str) -> Place {
    let place = place("git:HEAD", 3, limits);
    git(&place, &["init", "--quiet"]);
    git(&place, &["add", "."]);
    git(&place, &["commit", "--quiet", "-m", "base"]);
    place
}

fn limit<'a>(report: &'a Value, metric: &str, aggregate: &str) -> &'a Value {
    let limits = report["checks"][0]["limits"].as_array().unwrap();
    let is_it =
        |one: &&Value| one["figure"]["metric"] == metric && one["figure"]["aggregate"] == aggregate;
    limits.iter().find(is_it).unwrap()
}

#[test]
fn no_change_gives_exactly_no_deltas_from_a_revision_and_from_a_file() {
    let place = committed(LIMITS);
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    let stored = place.expect(0, &["gate", "suite.toml", "--base", "base.json", "--json"]).json();
    let of_git = place.expect(0, &["gate", "suite.toml", "--json"]).json();
    for report in [&stored, &of_git] {
        let check = &report["checks"][0];
        assert_eq!(check["outcome"], "passed", "{check:#}");
        let deltas = check["comparison"]["deltas"].as_array().unwrap();
        assert!(deltas.len() > 50);
        for delta in deltas {
            assert_eq!((&delta["up"], &delta["down"]), (&0.into(), &0.into()), "{delta}");
        }
    }
    // A base of the same text is not run twice; a stored one was run by another process.
    assert_eq!((&stored["runs"], &of_git["runs"]), (&3.into(), &3.into()));
    for file in ["index.html", "junit.xml", "metrics.txt", "summary.md", "gate.json"] {
        assert!(place.path("stormglass-out/gate").join(file).is_file(), "{file}");
    }
    let worktrees = Command::new("git")
        .args(["worktree", "list"])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(worktrees.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_changed_linger_is_caught_with_its_key_and_its_part() {
    let place = committed(LIMITS);
    let text = place.read("day.toml").replace("linger.ms = 5", "linger.ms = 15");
    place.write(
        "day.toml",
        text.replace("storage.size = \"100 GiB\"", "storage.size = \"101 GiB\""),
    );
    let called = place.expect(3, &["gate", "suite.toml", "--github", "--json"]);
    let report = called.json();
    assert_eq!(limit(&report, "response_latency", "med")["outcome"], "regression");
    assert_eq!(limit(&report, "produce_throughput", "avg")["outcome"], "passed");
    let comparison = &report["checks"][0]["comparison"];
    let keys = comparison["keys"]["keys"].as_array().unwrap();
    assert_eq!(keys[0]["keys"][0]["path"], "producers.checkout.config.linger.ms");
    assert!(keys[0]["share_percent"].as_f64().unwrap() > 95.0, "{keys:#?}");
    let bands = comparison["path"].as_array().unwrap();
    let p50 = bands.iter().find(|band| band["band"] == "p50").unwrap();
    let queue = p50["parts"].as_array().unwrap().iter().find(|one| one["part"] == "client queue");
    assert!(queue.unwrap()["share_percent"].as_f64().unwrap() > 80.0, "{p50:#}");
    // The annotation stands on the line of the limit.
    let suite = place.read("suite.toml");
    let line = 1 + suite.lines().position(|line| line.starts_with("response_latency")).unwrap();
    let annotation = format!("::error file=suite.toml,line={line},title=day%3A regression::");
    assert!(called.stderr.contains(&annotation), "{}", called.stderr);
    assert_eq!(Called::last_line(&called.stderr), "stormglass gate suite.toml --github --json");
    let text = place.expect(3, &["gate", "suite.toml"]).stdout;
    assert!(text.contains("Failed: 1 regression of 1 scenario (exit 3)."), "{text}");
    assert!(text.contains("run it: stormglass run ./day.toml --seed 1"), "{text}");
}

#[test]
fn five_percent_more_cpu_for_each_request_is_caught_and_named() {
    let place = place("base.json", 3, LIMITS);
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    let more = [
        ("model.cpu.network_request_ns", 42_000),
        ("model.cpu.request_ns", 47_250),
        ("model.cpu.produce_partition_ns", 8_400),
        ("model.cpu.produce_batch_ns", 7_350),
        ("model.cpu.fetch_partition_ns", 5_250),
    ];
    let sets: Vec<String> = more.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let mut words = vec!["gate", "suite.toml", "--json"];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let report = place.expect(3, &words).json();
    let cpu = limit(&report, "cpu_utilisation", "avg");
    assert_eq!((&cpu["outcome"], &cpu["delta"]["up"]), (&"regression".into(), &3.into()));
    assert_eq!(limit(&report, "response_latency", "p(99)")["outcome"], "passed");
    let keys = &report["checks"][0]["comparison"]["keys"];
    assert_eq!(keys["figure"]["metric"], "cpu_utilisation");
    let first = keys["keys"][0]["keys"][0]["path"].as_str().unwrap();
    assert!(first.starts_with("model.cpu."), "{keys:#}");
}

#[test]
fn a_slower_election_is_caught() {
    let limits = "[scenarios.limits]\nunavailability = [\"max < +1s\"]\n\
                  recovery_leaders = [\"max < +1s\"]\n";
    let place = place("base.json", 2, limits);
    std::fs::copy(scenario("crash"), place.path("day.toml")).unwrap();
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    let slower = "cluster.config.broker.session.timeout.ms=12000";
    let report = place.expect(3, &["gate", "suite.toml", "--set", slower, "--json"]).json();
    let leaders = limit(&report, "recovery_leaders", "max");
    assert_eq!(leaders["outcome"], "regression", "{leaders:#}");
    let change = leaders["delta"]["change"].as_f64().unwrap();
    assert!((2.0..4.0).contains(&change), "three seconds more until a broker is fenced: {change}");
    let keys = report["checks"][0]["comparison"]["keys"]["keys"].as_array().unwrap();
    let share = &keys[0];
    assert_eq!(share["keys"][0]["path"], "cluster.config.broker.session.timeout.ms");
    assert_eq!(share["share_percent"].as_f64().unwrap(), 100.0);
}

#[test]
fn other_seeds_alone_are_noise_and_not_caught() {
    let place = place("none", 8, LIMITS);
    let report = place.expect(0, &["gate", "suite.toml", "--noise", "--json"]).json();
    let moved = report["checks"][0]["comparison"]["deltas"].as_array().unwrap();
    let is_moved = |delta: &&Value| delta["up"] != 0 || delta["down"] != 0;
    assert!(moved.iter().filter(is_moved).count() > 20, "other seeds deal other figures");
    assert_eq!(report["runs"], 16);
}

#[test]
fn a_missed_threshold_is_exit_4_whatever_the_base() {
    let place = place("none", 2, "");
    let set = "thresholds.response_latency=[\"p(99) < 1ms\"]";
    let called = place.expect(4, &["gate", "suite.toml", "--set", set]);
    assert!(called.stdout.contains("missed by seed 1, 2"), "{}", called.stdout);
    assert!(place.read("stormglass-out/gate/junit.xml").contains("failures=\"1\""));
}

#[test]
fn another_model_is_exit_6_and_rebaseline_shows_both_effects_apart() {
    let place = place("base.json", 2, LIMITS);
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    let base = place.read("base.json");
    let parsed: Value = serde_json::from_str(&base).unwrap();
    let result = &parsed["checks"][0]["results"][0];
    let digest = result["model_digest"].as_str().unwrap();
    let p99 = result["latency"].as_array().unwrap().iter().find(|row| {
        row["kind"] == "response" && row["phase"] == "measure+heal" && row["group"] == "*"
    });
    let p99 = p99.unwrap()["p99_ms"].to_string();
    // As if an earlier catalogue had given half of the latency.
    let other = base
        .replace(digest, &"0".repeat(64))
        .replace(&format!("\"p99_ms\": {p99}"), "\"p99_ms\": 1.000");
    place.write("base.json", other);
    let called = place.expect(6, &["gate", "suite.toml"]);
    assert!(called.stdout.contains("the catalogue's values differ"), "{}", called.stdout);
    assert!(called.stdout.contains("--rebaseline"), "{}", called.stdout);
    let report = place.expect(0, &["gate", "suite.toml", "--rebaseline", "--json"]).json();
    let check = &report["checks"][0];
    let is_p99 = |delta: &&Value| {
        delta["name"]["metric"] == "response_latency" && delta["name"]["aggregate"] == "p(99)"
    };
    let rebased = check["rebased"].as_array().unwrap().iter().find(is_p99).unwrap();
    assert_ne!(rebased["change"].as_f64(), Some(0.0), "the model's effect");
    let change = check["comparison"]["deltas"].as_array().unwrap().iter().find(is_p99).unwrap();
    assert_eq!(change["change"].as_f64(), Some(0.0), "the scenario's effect");
    let linger = "producers.checkout.config.linger.ms=15";
    place.expect(3, &["gate", "suite.toml", "--rebaseline", "--set", linger]);
}

#[test]
fn a_base_of_another_program_is_built_and_run_by_it() {
    let place = committed(LIMITS);
    // The program of the base is this one, behind a name that its build makes.
    let program = env!("CARGO_BIN_EXE_stormglass");
    let build =
        format!("build = \"ln -s {program} stormglass-of-base\"\nbinary = \"stormglass-of-base\"");
    let text = place.read("suite.toml").replace("seeds = 3", &format!("seeds = 2\n{build}"));
    place.write("suite.toml", &text);
    let report = place.expect(0, &["gate", "suite.toml", "--json"]).json();
    assert!(report["base"].as_str().unwrap().contains("by its own program"), "{}", report["base"]);
    assert_eq!(report["checks"][0]["outcome"], "passed");
    place.write("suite.toml", text.replace("build = \"ln -s", "build = \"exit 3;"));
    let called = place.expect(6, &["gate", "suite.toml"]);
    assert!(called.stderr.contains("cannot build"), "{}", called.stderr);
}

#[test]
fn a_base_that_is_not_there_is_exit_6_and_a_broken_suite_exit_5() {
    let place = place("base.json", 2, LIMITS);
    let called = place.expect(6, &["gate", "suite.toml"]);
    assert!(called.stderr.contains("--save FILE"), "{}", called.stderr);
    place.expect(6, &["gate", "suite.toml", "--base", "git:HEAD"]);
    place.write("base.json", "{}");
    place.expect(6, &["gate", "suite.toml"]);
    git(&place, &["init", "--quiet"]);
    let called = place.expect(6, &["gate", "suite.toml", "--base", "git:no-such"]);
    assert!(called.stderr.contains("no revision `no-such`"), "{}", called.stderr);
    let broken = place.read("suite.toml").replace("p(99) < +10%", "p(99) < 10%");
    place.write("suite.toml", broken);
    let called = place.expect(5, &["gate", "suite.toml", "--json"]);
    let diagnostic = &called.json()["diagnostics"][0];
    assert_eq!((&diagnostic["file"], &diagnostic["line"]), (&"suite.toml".into(), &10.into()));
    place.expect(5, &["gate", "no-such-suite.toml"]);
}

#[test]
fn a_scenario_that_the_base_does_not_have_is_new() {
    let place = committed(LIMITS);
    std::fs::rename(place.path("day.toml"), place.path("new.toml")).unwrap();
    place.write("suite.toml", place.read("suite.toml").replace("day.toml", "new.toml"));
    let called = place.expect(0, &["gate", "suite.toml"]);
    assert!(called.stdout.contains("day: new, no base"), "{}", called.stdout);
}

/// What a change of the program moves even where no latency shows it.
const WORK_LIMITS: &str = r#"
[scenarios.limits]
response_latency = ["med < +10%", "p(99) < +10%"]
cpu_time = ["avg < +5%"]
cpu_time_consumer_fetch = ["avg < +5%"]
cpu_time_follower_fetch = ["avg < +5%"]
cpu_time_fetch_copies = ["avg <= +0ms/s"]
follower_fetch_size = ["avg > -10%"]
"#;

/// A part of a request's way.
fn part<'a>(report: &'a Value, band: &str, part: &str) -> &'a Value {
    let bands = report["checks"][0]["comparison"]["path"].as_array().unwrap();
    let band = bands.iter().find(|one| one["band"] == band).unwrap();
    band["parts"].as_array().unwrap().iter().find(|one| one["part"] == part).unwrap()
}

#[test]
fn one_more_copy_in_the_fetch_path_is_caught_and_named() {
    let place = place("base.json", 3, WORK_LIMITS);
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    // A copy at 4 GB/s, as cpu.fetch_tls_ns_per_kib has two of.
    let copy = "model.cpu.fetch_ns_per_kib=550";
    let called = place.expect(3, &["gate", "suite.toml", "--set", copy, "--json"]);
    let report = called.json();
    for metric in ["cpu_time_consumer_fetch", "cpu_time_follower_fetch"] {
        let limit = limit(&report, metric, "avg");
        assert_eq!((&limit["outcome"], &limit["delta"]["up"]), (&"regression".into(), &3.into()));
        let percent = limit["delta"]["change_percent"].as_f64().unwrap();
        assert!((83.0..84.0).contains(&percent), "250 more than 300: {percent}");
    }
    assert_eq!(limit(&report, "follower_fetch_size", "avg")["outcome"], "passed");
    let work = &report["checks"][0]["comparison"]["work"];
    let share: f64 = work["parts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["part"].as_str().unwrap().ends_with(" fetch"))
        .map(|one| one["share_percent"].as_f64().unwrap())
        .sum();
    assert!((95.0..105.0).contains(&share), "{work:#}");
    let keys = &report["checks"][0]["comparison"]["keys"]["keys"];
    assert_eq!(keys[0]["keys"][0]["path"], "model.cpu.fetch_ns_per_kib");
    let text = place.expect(3, &["gate", "suite.toml", "--set", copy]).stdout;
    assert!(text.contains("CPU time +") && text.contains("follower fetch +"), "{text}");
}

#[test]
fn followers_fetches_halved_in_size_are_caught_and_named() {
    let place = place("base.json", 2, WORK_LIMITS);
    std::fs::copy(scenario("stretched"), place.path("day.toml")).unwrap();
    place.expect(0, &["gate", "suite.toml", "--base", "none", "--save", "base.json"]);
    let key = "cluster.config.replica.fetch.response.max.bytes";
    let halved = format!("{key}=8192");
    let called = place.expect(3, &["gate", "suite.toml", "--set", &halved, "--json"]);
    let report = called.json();
    for (metric, aggregate) in [("response_latency", "med"), ("follower_fetch_size", "avg")] {
        let limit = limit(&report, metric, aggregate);
        assert_eq!(limit["outcome"], "regression", "{limit:#}");
    }
    // A record waits for its followers: until they fetch it, and until all of them have.
    let waits = ["replication", "purgatory"].map(|name| part(&report, "p50", name));
    let share: f64 = waits.iter().map(|one| one["share_percent"].as_f64().unwrap()).sum();
    assert!(share > 80.0, "{waits:#?}");
    let keys = report["checks"][0]["comparison"]["keys"]["keys"].as_array().unwrap();
    assert_eq!(keys[0]["keys"][0]["path"], key);
    assert_eq!(keys[0]["share_percent"].as_f64(), Some(100.0));
    let text = place.expect(3, &["gate", "suite.toml", "--set", &halved]).stdout;
    assert!(text.contains("followers' fetches "), "{text}");
}
