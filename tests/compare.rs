//! `stormglass compare`: what changed, how much, and why.

use crate::common::{Called, Place, scenario};
use serde_json::Value;

/// A figure's change as JSON has it.
fn delta<'a>(comparison: &'a Value, metric: &str, aggregate: &str) -> &'a Value {
    let deltas = comparison["deltas"].as_array().unwrap();
    let is_it = |delta: &&Value| {
        let name = &delta["name"];
        name["metric"] == metric
            && name["aggregate"] == aggregate
            && name["phase"] == "measure+heal"
    };
    deltas.iter().find(is_it).unwrap()
}

#[test]
fn a_run_and_itself_have_no_difference_at_all() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    place.expect(0, &["run", &short, "--out", "b"]);
    let called = place.expect(0, &["compare", "a", "b"]);
    assert!(called.stdout.contains("Nothing changed"), "{}", called.stdout);
    let page = place.read("stormglass-out/compare/index.html");
    assert!(page.contains("Nothing changed") && page.contains("stormglass compare a b"));
    let comparison = place.expect(0, &["compare", "a/result.json", "b", "--json"]).json();
    for delta in comparison["deltas"].as_array().unwrap() {
        assert_eq!((&delta["up"], &delta["down"]), (&0.into(), &0.into()), "{delta}");
    }
    assert_eq!(comparison["plan_changes"].as_array().unwrap().len(), 0);
}

#[test]
fn each_changed_key_has_its_share() {
    let place = Place::new();
    let short = scenario("short");
    let words = [
        "compare",
        &short,
        &short,
        "--seeds",
        "2",
        "--json",
        "--set-b",
        "producers.checkout.config.linger.ms=25",
        "--set-b",
        "producers.checkout.config.buffer.memory=20000000",
        "--set-b",
        "question=Other?",
    ];
    let comparison = place.expect(0, &words).json();
    let p99 = delta(&comparison, "response_latency", "p(99)");
    assert_eq!((&p99["trend"], &p99["up"], &p99["pairs"]), (&"worse".into(), &2.into(), &2.into()));
    let change = p99["change"].as_f64().unwrap();
    assert!((19.0..21.0).contains(&change), "linger grew by 20 ms, p99 by {change}");
    let bands = comparison["path"].as_array().unwrap();
    let band = bands.iter().find(|band| band["band"] == "p99").unwrap();
    let parts = band["parts"].as_array().unwrap();
    let queue = parts.iter().find(|part| part["part"] == "client queue").unwrap();
    assert!(queue["share_percent"].as_f64().unwrap() > 95.0, "{band:#}");
    let keys = comparison["keys"]["keys"].as_array().unwrap();
    let of = |path: &str| keys.iter().find(|share| share["keys"][0]["path"] == path).unwrap();
    let linger = of("producers.checkout.config.linger.ms");
    assert_eq!(linger["share_percent"].as_f64().unwrap(), 100.0, "{linger:#}");
    assert_eq!(of("producers.checkout.config.buffer.memory")["explains"].as_f64().unwrap(), 0.0);
    assert_eq!(of("question")["takes_part"], false);
    assert_eq!(comparison["keys"]["together"].as_f64().unwrap(), 0.0);
}

#[test]
fn stored_seeds_are_paired_and_their_plans_told_apart() {
    let place = Place::new();
    let short = scenario("short");
    let seeds = |out: &str, set: &str| {
        place.expect(0, &["run", &short, "--seeds", "2", "--out", out, "--set", set]);
    };
    seeds("a", "producers.0.config.linger.ms=5");
    seeds("b", "producers.0.config.linger.ms=15");
    let comparison = place.expect(0, &["compare", "a", "b", "--json"]).json();
    assert_eq!(comparison["seeds"], serde_json::json!([1, 2]));
    let changes = comparison["plan_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0]["path"], "producers.0.config.linger.ms");
    let text = place.expect(0, &["compare", "a", "b"]).stdout;
    assert!(text.contains("client queue +10.0 ms"), "{text}");
}

#[test]
fn kinds_of_clusters_are_compared() {
    let place = Place::new();
    let standard = std::fs::read_to_string(scenario("short")).unwrap();
    let express = standard
        .replace("msk-standard", "msk-express")
        .replace("kafka.m7g.large", "express.m7g.large")
        .replace("storage.size = \"100 GiB\"\n", "");
    place.write("express.toml", express);
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    place.expect(0, &["run", "express.toml", "--out", "b"]);
    let comparison = place.expect(0, &["compare", "a", "b", "--json"]).json();
    assert!(!comparison["deltas"].as_array().unwrap().is_empty());
    assert_ne!(comparison["a"]["model_digest"], comparison["b"]["model_digest"]);
}

#[test]
fn what_cannot_be_compared_is_exit_6_with_the_reason() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let result = place.read("a/result.json");
    let digest = serde_json::from_str::<Value>(&result).unwrap()["model_digest"].clone();
    place.write("other.json", result.replace(digest.as_str().unwrap(), &"0".repeat(64)));
    let called = place.expect(6, &["compare", "a", "other.json"]);
    assert!(called.stderr.contains("the catalogue's values differ"), "{}", called.stderr);
    assert_eq!(Called::last_line(&called.stderr), "stormglass compare a other.json");
    let cut = result.replacen("\"status\": \"ok\"", "\"status\": \"interrupted\"", 1);
    place.write("cut.json", cut);
    let called = place.expect(6, &["compare", "a", "cut.json"]);
    assert!(called.stderr.contains("short seed 1 was interrupted"), "{}", called.stderr);
    assert!(called.stderr.contains("help: run it again to its end"), "{}", called.stderr);
    place.write("newer.json", result.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1));
    let called = place.expect(6, &["compare", "newer.json", "a"]);
    assert!(called.stderr.contains("result schema 2"), "{}", called.stderr);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.expect(6, &["compare", "a", "empty"]);
    for missing in ["nosuch", "./nosuch", "out/nosuch", "nosuch.json"] {
        for words in [["compare", "a", missing], ["compare", missing, "a"]] {
            let called = place.expect(6, &words);
            let message = format!("no `{missing}` to compare: neither a run nor a scenario");
            assert!(called.stderr.contains(&message), "{}", called.stderr);
        }
    }
    // What can only have been meant as a scenario is one that is wrong.
    let called = place.expect(5, &["compare", "a", "az-outge"]);
    assert!(called.stderr.contains("did you mean `az-outage`"), "{}", called.stderr);
    place.expect(5, &["compare", "a", "nosuch.toml"]);
    place.write("mine.toml", std::fs::read(scenario("short")).unwrap());
    for words in [["compare", "mine", "a"], ["compare", "a", "mine"]] {
        let called = place.expect(5, &words);
        assert!(called.stderr.contains("write `./mine.toml`"), "{}", called.stderr);
        assert!(!called.stderr.contains("the library has"), "{}", called.stderr);
    }
    let called = place.expect(2, &["compare", "a", "a", "--set", "phases.heal=1s"]);
    assert!(called.stderr.contains("--set comes too late"), "{}", called.stderr);
}

#[test]
fn a_figure_that_no_run_has_is_refused() {
    let place = Place::new();
    let short = scenario("short");
    let words = ["compare", &short, &short, "--seeds", "1", "--figure", "nonsense p(99)"];
    let called = place.expect(2, &words);
    assert!(called.stderr.contains("no run has the figure"), "{}", called.stderr);
}
