//! Verdicts on made-up results.

use super::*;
use crate::compare::{
    COMPARISON_SCHEMA_VERSION, Comparison, Side as ComparedSide, deltas, path_shifts, work_shift,
};
use crate::figures::{Better, figures};
use crate::result::{self, Milli, RunResult};
use crate::testing;
use stormglass_scenarios::Source;
use stormglass_scenarios::suite::{LIMITED, Suite, load_suite};

fn outage() -> RunResult {
    result::build("plan", "model", &testing::plan(), &testing::az_outage())
}

/// The outage with response latencies changed by so many parts per thousand.
fn scaled(permille: i64) -> RunResult {
    let mut result = outage();
    let scale = |value: &mut Milli| {
        *value = Milli::from_units(value.units() * (1000 + permille) / 1000);
    };
    for row in result.latency.iter_mut().filter(|row| row.kind == "response") {
        scale(&mut row.p50_ms);
        scale(&mut row.p99_ms);
    }
    for band in &mut result.critical_path {
        let before = band.cpu_queue_ms.units();
        band.cpu_queue_ms = Milli::from_units(before + permille * 10);
        band.total_ms = Milli::from_units(band.total_ms.units() + permille * 10);
    }
    result
}

fn suite(limits: &str) -> Suite {
    let text = format!(
        "name = \"core\"\n[[scenarios]]\nscenario = \"az-outage\"\n[scenarios.limits]\n{limits}\n"
    );
    load_suite(&Source::new("suite.toml", text)).unwrap_or_else(|error| panic!("{error}"))
}

fn judged(limits: &str, pairs: &[(RunResult, RunResult)]) -> CheckReport {
    let suite = suite(limits);
    let pairs: Vec<(&RunResult, &RunResult)> = pairs.iter().map(|(a, b)| (a, b)).collect();
    let side = |name: &str| ComparedSide {
        name: name.to_owned(),
        scenario: "az-outage".to_owned(),
        scenario_digest: String::new(),
        model_digest: "model".to_owned(),
        version: "0".to_owned(),
    };
    let comparison = Comparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: side("base"),
        b: side("now"),
        seeds: (1..=pairs.len() as u64).collect(),
        deltas: deltas(&pairs),
        path: path_shifts(&pairs),
        work: work_shift(&pairs),
        plan_changes: Vec::new(),
        keys: None,
        notes: Vec::new(),
    };
    let (base, runs): (Vec<&RunResult>, Vec<&RunResult>) = pairs.into_iter().unzip();
    check(Judged {
        check: &suite.checks[0],
        runs: &runs,
        base: &base,
        comparison: Some(comparison),
        rebased: None,
        not_comparable: None,
        command: "stormglass run az-outage --seed 1".to_owned(),
    })
}

fn outcome(limits: &str, permille: &[i64]) -> Outcome {
    let pairs: Vec<(RunResult, RunResult)> =
        permille.iter().map(|permille| (met(outage()), met(scaled(*permille)))).collect();
    judged(limits, &pairs).outcome
}

/// The outage misses thresholds of its own; here they are met.
fn met(mut result: RunResult) -> RunResult {
    for threshold in &mut result.thresholds {
        threshold.passed = true;
    }
    result
}

const P99: &str = "response_latency = [\"p(99) < +5%\"]";

#[test]
fn every_limited_figure_is_a_figure_and_every_judged_figure_can_be_limited() {
    let all = figures(&outage());
    for figure in all.iter().filter(|figure| figure.better != Better::Neither) {
        let spec = LIMITED.iter().find(|spec| spec.metric == figure.name.metric);
        let spec = spec.unwrap_or_else(|| panic!("{} has no limits", figure.name));
        assert!(spec.aggregates.contains(&figure.name.aggregate.as_str()), "{}", figure.name);
    }
    // What this outage does not have.
    let rare = ["network_credits", "burst_balance", "cache_hits"];
    for spec in LIMITED.iter().filter(|spec| !rare.contains(&spec.metric)) {
        for aggregate in spec.aggregates {
            let is_it = |one: &&crate::figures::Figure| {
                one.name.metric == spec.metric && one.name.aggregate == *aggregate
            };
            assert!(all.iter().any(|one| is_it(&one)), "{} {aggregate}", spec.metric);
        }
    }
}

#[test]
fn a_regression_needs_the_median_beyond_the_limit_and_the_seeds_to_agree() {
    assert_eq!(outcome(P99, &[0; 8]), Outcome::Passed);
    assert_eq!(outcome(P99, &[60; 8]), Outcome::Regression);
    assert_eq!(outcome(P99, &[40; 8]), Outcome::Passed);
    assert_eq!(outcome(P99, &[-300; 8]), Outcome::Passed);
    assert_eq!(outcome(P99, &[60, 60, 60, 60, 60, 60, 60, -10]), Outcome::Passed);
    let mut many = [60; 16];
    many[3] = -10;
    assert_eq!(outcome(P99, &many), Outcome::Regression);
    assert_eq!(outcome(P99, &[60, 60, -10, 60]), Outcome::Passed);
    assert_eq!(outcome(P99, &[60]), Outcome::Regression);
}

#[test]
fn limits_are_absolute_or_relative_and_on_either_side() {
    let limit = |limit: &str| format!("response_latency = [\"{limit}\"]");
    // The p99 is 4,636.671 ms.
    for (text, permille, expected) in [
        ("p(99) < +100ms", 20, Outcome::Passed),
        ("p(99) < +100ms", 30, Outcome::Regression),
        ("p(99) <= +0%", 0, Outcome::Passed),
        ("p(99) < +0%", 0, Outcome::Passed),
        ("p(99) <= +0%", 1, Outcome::Regression),
        ("p(99) > -10%", -200, Outcome::Regression),
        ("p(99) > -10%", -50, Outcome::Passed),
        ("p(99) < +250%", 2000, Outcome::Passed),
    ] {
        assert_eq!(outcome(&limit(text), &[permille; 8]), expected, "{text} {permille}");
    }
}

#[test]
fn from_nought_any_rise_is_beyond_any_percentage() {
    let mut worse = met(outage());
    worse.lost_records = 1;
    let pairs = [(met(outage()), worse)];
    let report = judged("lost_records = [\"value < +1000%\"]", &pairs);
    assert_eq!(report.outcome, Outcome::Regression, "{:?}", report.limits[0].reason);
}

#[test]
fn what_is_never_reached_any_more_is_a_regression_and_what_nobody_measured_proves_nothing() {
    let mut stuck = met(outage());
    stuck.recoveries[0].consumers = result::Return::NotBack;
    let report = judged("recovery_consumers = [\"max < +900%\"]", &[(met(outage()), stuck)]);
    assert_eq!(report.outcome, Outcome::Regression);
    assert!(report.limits[0].reason.contains("never reached"));
    let mut none = met(outage());
    none.latency.retain(|row| row.kind != "delay");
    let same = [(none.clone(), none)];
    let report = judged("delay_latency = [\"p(99) < +1%\"]", &same);
    assert_eq!(report.outcome, Outcome::Regression);
    assert!(report.limits[0].reason.contains("not measured"));
}

#[test]
fn thresholds_and_promises_count_without_a_limit() {
    let mut missed = met(outage());
    missed.thresholds[0].passed = false;
    let report = judged(P99, &[(met(outage()), met(outage())), (met(outage()), missed)]);
    assert_eq!(report.outcome, Outcome::ThresholdMissed);
    assert_eq!(report.thresholds[0].missed_by, [7]);
    let mut recording = testing::az_outage();
    recording.violations = testing::violations();
    let broken = met(result::build("plan", "model", &testing::plan(), &recording));
    let report = judged(P99, &[(met(outage()), broken)]);
    assert_eq!(report.outcome, Outcome::PromiseBroken);
}

/// Two scenarios: one worse with its cause, one new.
fn report() -> GateReport {
    let pairs: Vec<(RunResult, RunResult)> =
        (0..8).map(|_| (met(outage()), met(scaled(100)))).collect();
    let worse = judged(
        "response_latency = [\"p(99) < +5%\", \"med < +50%\"]\nmonthly_cost = [\"value <= +$0.00\"]",
        &pairs,
    );
    let suite = suite(P99);
    let run = met(outage());
    let new = check(Judged {
        check: &suite.checks[0],
        runs: &[&run],
        base: &[],
        comparison: None,
        rebased: None,
        not_comparable: None,
        command: "stormglass run \"a|b\"".to_owned(),
    });
    GateReport {
        schema_version: GATE_SCHEMA_VERSION,
        suite: "core".to_owned(),
        file: "gates/core.toml".to_owned(),
        base: "git:main (1a2b3c4)".to_owned(),
        exit_code: 3,
        seeds: (1..=8).collect(),
        runs: 16,
        checks: vec![worse, new],
        command: "stormglass gate gates/core.toml".to_owned(),
    }
}

#[test]
fn the_verdict_as_text() {
    insta::assert_snapshot!(table(&report(), false));
}

#[test]
fn the_verdict_as_junit() {
    insta::assert_snapshot!(junit(&report()));
}

#[test]
fn the_verdict_as_annotations() {
    insta::assert_snapshot!(annotations(&report()));
}

#[test]
fn the_verdict_as_a_summary() {
    insta::assert_snapshot!(summary(&report()));
}

#[test]
fn the_verdict_as_open_metrics() {
    insta::assert_snapshot!(open_metrics(&report()));
}

#[test]
fn the_verdict_as_a_page() {
    let page = page(&report());
    for text in ["Regression", "CPU queue", "stormglass gate gates/core.toml", "az-outage"] {
        assert!(page.contains(text), "{text}");
    }
    for forbidden in ["src=", "url(", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_report_and_a_stored_base_survive_json() {
    let report = report();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<GateReport>(&text).unwrap(), report);
    let stored =
        StoredCheck { name: "a".to_owned(), scenario: "x = 1".to_owned(), results: vec![outage()] };
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<StoredCheck>(&text).unwrap(), stored);
}
