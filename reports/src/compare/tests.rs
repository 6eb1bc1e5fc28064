//! Comparisons of made-up results.

use super::*;
use crate::figures::{ALL_MEASURED, FigureName};
use crate::result::{self, Milli, Status};
use crate::testing;

fn outage() -> RunResult {
    result::build("plan", "model", &testing::plan(), &testing::az_outage())
}

/// The outage with the response p99 and its path longer by so many microseconds.
fn slower(us: i64) -> RunResult {
    let mut result = outage();
    let more = |value: &mut Milli| *value = Milli::from_units(value.units() + us);
    for row in &mut result.latency {
        if row.kind == "response" {
            more(&mut row.p99_ms);
        }
    }
    for band in &mut result.critical_path {
        more(&mut band.client_queue_ms);
        more(&mut band.total_ms);
    }
    result
}

fn p99() -> FigureName {
    FigureName::new("response_latency", ALL_MEASURED, "p(99)")
}

pub(crate) fn comparison(pairs: &[(&RunResult, &RunResult)]) -> Comparison {
    let side = |name: &str, result: &RunResult| Side {
        name: name.to_owned(),
        scenario: result.scenario.name.clone(),
        scenario_digest: result.scenario.digest.clone(),
        model_digest: result.model_digest.clone(),
        version: result.version.clone(),
    };
    Comparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: side("before", pairs[0].0),
        b: side("after", pairs[0].1),
        seeds: (1..=pairs.len() as u64).collect(),
        deltas: deltas(pairs),
        path: path_shifts(pairs),
        work: work_shift(pairs),
        plan_changes: Vec::new(),
        keys: None,
        notes: Vec::new(),
    }
}

fn keys() -> KeyAttribution {
    let key = |path: &str, before: &str, after: &str| ChangedKey {
        path: path.to_owned(),
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
    };
    let share = |key, alone: i64, share: i64| KeyShare {
        keys: vec![key],
        alone: Some(Milli::from_units(alone)),
        missing_without: Some(Milli::from_units(alone)),
        explains: Some(Milli::from_units(alone)),
        share_percent: Some(Milli::from_units(share)),
        takes_part: true,
    };
    KeyAttribution {
        figure: p99(),
        unit: "ms".to_owned(),
        change: Some(Milli::from_units(5_000)),
        seeds: vec![1, 2],
        keys: vec![
            share(key("producers.checkout.config.linger.ms", "5", "10"), 4_850, 97_000),
            share(key("topics.orders.partitions", "60", "61"), 100, 2_000),
        ],
        together: Some(Milli::from_units(50)),
        runs: 8,
    }
}

#[test]
fn the_same_run_has_changes_of_exactly_nought() {
    let result = outage();
    let comparison = comparison(&[(&result, &result)]);
    assert!(comparison.is_same());
    for delta in &comparison.deltas {
        assert!(delta.change.is_none_or(|change| change == Milli::ZERO), "{}", delta.name);
        assert_eq!((delta.up, delta.down), (0, 0), "{}", delta.name);
    }
    assert!(comparison.path.iter().all(|shift| shift.change_ms == Milli::ZERO));
    assert!(table(&comparison).contains("Nothing changed"));
}

#[test]
fn a_change_has_its_size_its_direction_and_its_part() {
    let (a, b) = (outage(), slower(5_000));
    let forth = comparison(&[(&a, &b), (&a, &b)]);
    let delta = forth.delta(&p99()).unwrap();
    assert_eq!(delta.change, Some(Milli::from_units(5_000)));
    assert_eq!((delta.up, delta.down, delta.trend), (2, 0, Trend::Worse));
    let shift = forth.path.iter().find(|shift| shift.band == "p99").unwrap();
    assert_eq!(shift.change_ms, Milli::from_units(5_000));
    assert_eq!(path_sentence(shift).unwrap(), "client queue +5.00 ms (100 %)");
    let back = comparison(&[(&b, &a)]);
    assert_eq!(back.delta(&p99()).unwrap().trend, Trend::Better);
    for shift in &forth.path {
        let sum: i64 = shift.parts.iter().map(|part| part.change_ms.units()).sum();
        assert_eq!(sum, shift.change_ms.units(), "{}", shift.band);
    }
}

#[test]
fn seeds_that_disagree_are_mixed_but_one_of_sixteen_may() {
    let base = outage();
    let (up, down) = (slower(1_000), slower(-1_000));
    let trend = |ups: usize, downs: usize| {
        let pairs: Vec<(&RunResult, &RunResult)> = std::iter::repeat_n((&base, &up), ups)
            .chain(std::iter::repeat_n((&base, &down), downs))
            .collect();
        deltas(&pairs).into_iter().find(|delta| delta.name == p99()).unwrap().trend
    };
    assert_eq!(trend(8, 0), Trend::Worse);
    assert_eq!(trend(7, 1), Trend::Mixed);
    assert_eq!(trend(15, 1), Trend::Worse);
    assert_eq!(trend(1, 15), Trend::Better);
    assert_eq!(trend(14, 2), Trend::Mixed);
    assert_eq!(trend(3, 0), Trend::Worse);
}

#[test]
fn a_recovery_that_no_longer_ends_is_worse_than_any_other() {
    let a = outage();
    let mut b = outage();
    b.recoveries[0].produce = result::Return::NotBack;
    let deltas = deltas(&[(&a, &b)]);
    let delta = deltas.iter().find(|one| one.name.metric == "recovery_produce").unwrap();
    assert_eq!((delta.trend, delta.b, delta.change), (Trend::Worse, None, None));
}

#[test]
fn what_cannot_be_compared_says_why() {
    let a = outage();
    assert_eq!(incomparable(&a, &a), None);
    let mut b = outage();
    b.model_digest = "other".to_owned();
    let why = incomparable(&a, &b).unwrap();
    assert!(why.reason.contains("catalogue's values differ"), "{why:?}");
    let mut b = outage();
    b.schema_version += 1;
    assert!(incomparable(&a, &b).unwrap().reason.contains("schema"));
    let mut b = outage();
    b.verdict.status = Status::Interrupted;
    let why = incomparable(&a, &b).unwrap();
    assert!(why.reason.contains("interrupted") && why.help.contains("to its end"), "{why:?}");
    let mut b = outage();
    (b.verdict.status, b.simulated.interrupted) = (Status::Violated, true);
    assert_eq!(incomparable(&a, &b), Some(why), "whatever else it is");
}

#[test]
fn kinds_are_compared_by_the_values_that_both_use() {
    let of = |digest: &str| RunResult { model_digest: digest.to_owned(), ..outage() };
    let standard = of("aa");
    let express = of("aa+express:bb");
    assert_eq!(incomparable(&standard, &express), None);
    assert_eq!(incomparable(&express, &of("aa+express:bb+remote:cc")), None);
    for other in ["dd", "dd+express:bb", "aa+express:ee"] {
        assert!(incomparable(&express, &of(other)).is_some(), "{other}");
    }
}

#[test]
fn medians_are_middles() {
    let of = |values: &[i64]| {
        median(&values.iter().map(|value| Milli::from_units(*value)).collect::<Vec<_>>())
            .map(Milli::units)
    };
    assert_eq!([of(&[]), of(&[3]), of(&[9, 1, 2]), of(&[1, 4])], [None, Some(3), Some(2), Some(3)]);
}

#[test]
fn the_text_of_a_comparison() {
    let (a, b) = (outage(), slower(5_000));
    let mut comparison = comparison(&[(&a, &b), (&a, &b)]);
    comparison.keys = Some(keys());
    comparison.notes.push("B has other thresholds".to_owned());
    insta::assert_snapshot!(table(&comparison));
}

#[test]
fn the_page_is_whole_and_needs_no_network() {
    let (a, b) = (outage(), slower(5_000));
    let pairs = [(&a, &b)];
    let mut comparison = comparison(&pairs);
    comparison.a.name = "<before>".to_owned();
    comparison.keys = Some(keys());
    let page = page(&comparison, &pairs, "stormglass compare a b");
    for text in [
        "Slower",
        "linger.ms",
        "97 %",
        "client queue +5.00 ms (100 %)",
        "stormglass compare a b",
        "A, response",
        "&lt;before&gt;",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<figure").count(), 2);
    for forbidden in ["src=", "url(", "<link", "<before>"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}
