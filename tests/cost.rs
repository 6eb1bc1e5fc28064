//! Bills: to the cent, of clusters, scenarios, plans and runs.

use crate::common::{Place, scenario};

/// Three small brokers at $0.05 an hour for 30 days, and 100 GB at $0.10: the worked example.
const WORKED_EXAMPLE: [&str; 13] = [
    "cost",
    "--instance",
    "kafka.t3.small",
    "--brokers",
    "3",
    "--storage",
    "100 GiB",
    "--month",
    "30d",
    "--price",
    "broker-hour=0.05",
    "--price",
    "storage-gb-month=0.10",
];

#[test]
fn the_worked_example_comes_out_to_the_cent() {
    let place = Place::new();
    insta::assert_snapshot!(place.expect(0, &WORKED_EXAMPLE).stdout);
    let bill = place.expect(0, &[&WORKED_EXAMPLE[..], &["--json"]].concat()).stdout;
    for amount in ["\"amount_usd\": 108.00", "\"amount_usd\": 10.00", "\"total_usd\": 118.00"] {
        assert!(bill.contains(amount), "{amount}\n{bill}");
    }
}

#[test]
fn without_a_price_what_cannot_be_simulated_is_refused() {
    let called = Place::new().expect(5, &WORKED_EXAMPLE[..5]);
    assert!(called.stderr.contains("not offer kafka.t3.small in KRaft mode"), "{}", called.stderr);
    assert!(called.stderr.contains("--price broker-hour=USD"), "{}", called.stderr);
}

#[test]
fn a_scenario_and_its_plan_cost_the_same() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    let of_scenario = place.expect(0, &["cost", &short]).stdout;
    assert_eq!(of_scenario, place.expect(0, &["cost", "a/plan.json"]).stdout);
    let more = place.expect(0, &["cost", &short, "--set", "cluster.brokers=6", "--json"]).json();
    let less = place.expect(0, &["cost", &short, "--json"]).json();
    let total = |bill: &serde_json::Value| bill["total_usd"].as_f64().unwrap();
    assert!((total(&more) - 2.0 * total(&less)).abs() < 0.005, "{more} {less}");
}

#[test]
fn a_runs_bill_includes_its_traffic_and_can_be_priced_again() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let bill = place.expect(0, &["cost", "./a", "--json"]).json();
    let result: serde_json::Value = serde_json::from_str(&place.read("a/result.json")).unwrap();
    assert_eq!(bill, result["cost"]);
    let lines = |bill: &serde_json::Value| bill["lines"].as_array().unwrap().len();
    let words = ["cost", "a", "--price", "cross-az-gb=2", "--json"];
    let dearer = place.expect(0, &words).json();
    assert_eq!(lines(&dearer), lines(&bill));
    assert!(lines(&bill) > 2, "brokers, storage, and traffic across AZs: {bill}");
    let total = |bill: &serde_json::Value| bill["total_usd"].as_f64().unwrap();
    assert!(total(&dearer) > total(&bill));
}

#[test]
fn a_finished_run_cannot_be_changed() {
    let place = Place::new();
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    let called = place.expect(2, &["cost", "a", "--set", "cluster.brokers=6"]);
    assert!(called.stderr.contains("comes too late"), "{}", called.stderr);
}
