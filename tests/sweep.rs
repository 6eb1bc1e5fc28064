//! `stormglass sweep`: a scenario at many values of some keys.

use crate::common::{Place, scenario};

#[test]
fn figures_follow_the_key_that_varies() {
    let place = Place::new();
    let short = scenario("short");
    let vary = "producers.checkout.config.linger.ms=5,15,25";
    let sweep = place.expect(0, &["sweep", &short, "--vary", vary, "--json"]).json();
    let points = sweep["points"].as_array().unwrap();
    let columns = sweep["figures"].as_array().unwrap();
    let is_p99 = |column: &serde_json::Value| {
        column["name"]["metric"] == "response_latency" && column["name"]["aggregate"] == "p(99)"
    };
    let at = columns.iter().position(is_p99).unwrap();
    let p99: Vec<f64> = points.iter().map(|point| point["figures"][at].as_f64().unwrap()).collect();
    assert_eq!(points[1]["values"], serde_json::json!(["15"]));
    for pair in p99.windows(2) {
        assert!((9.0..11.0).contains(&(pair[1] - pair[0])), "linger grows by 10 ms: {p99:?}");
    }
    // The same point as a run of its own.
    let set = "producers.checkout.config.linger.ms=15";
    let run = place.expect(0, &["run", &short, "--set", set, "--json"]).json();
    let rows = run["latency"].as_array().unwrap();
    let row = rows.iter().find(|row| {
        row["kind"] == "response" && row["phase"] == "measure+heal" && row["group"] == "*"
    });
    assert_eq!(row.unwrap()["p99_ms"].as_f64().unwrap(), p99[1]);
    let csv = place.read("stormglass-out/sweep/sweep.csv");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(place.path("stormglass-out/sweep/charts/sweep-latency.svg").is_file());
    assert!(place.read("stormglass-out/sweep/index.html").contains("linger.ms"));
}

#[test]
fn keys_combine_and_seeds_make_medians() {
    let place = Place::new();
    let words = [
        "sweep",
        &scenario("short"),
        "--seeds",
        "2",
        "--out",
        "s",
        "--vary",
        "cluster.brokers=3,6",
        "--vary",
        "producers.*.rate=100 records/s,200 records/s",
        "--figure",
        "response_latency{phase:measure} p(99)",
        "--figure",
        "monthly_cost value",
    ];
    let text = place.expect(0, &words).stdout;
    assert!(text.contains("short: medians of 2 seeds"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.ends_with("ok")).collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[1].starts_with("3 ") && rows[1].contains("200 records/s"), "{text}");
}

#[test]
fn what_cannot_be_swept_says_why() {
    let place = Place::new();
    let short = scenario("short");
    let called = place.expect(5, &["sweep", &short, "--vary", "producers.0.raet=1 MB/s"]);
    assert!(called.stderr.contains("did you mean `rate`?"), "{}", called.stderr);
    place.expect(2, &["sweep", &short]);
    place.expect(2, &["sweep", &short, "--vary", "phases.measure"]);
    let twice = ["--vary", "phases.measure=1s", "--vary", "phases.measure=2s"];
    place.expect(2, &[&["sweep", &short][..], &twice].concat());
    let nothing = ["sweep", &short, "--vary", "phases.measure=2s", "--figure", "nonsense p(99)"];
    let called = place.expect(2, &nothing);
    assert!(called.stderr.contains("no run has the figure"), "{}", called.stderr);
}

#[test]
fn a_point_that_misses_a_threshold_is_a_finding_and_no_failure() {
    let place = Place::new();
    let vary = "thresholds.response_latency=[\"p(99) < 1us\"],[\"p(99) < 10s\"]";
    let text = place.expect(0, &["sweep", &scenario("short"), "--vary", vary]).stdout;
    assert!(text.contains("threshold missed") && text.contains("ok"), "{text}");
}
