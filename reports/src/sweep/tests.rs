//! Sweeps of made-up results.

use super::*;
use crate::figures::FigureName;
use crate::result::{self, Milli, RunResult, Status, Verdict};
use crate::testing;

fn run(p99_ms: i64) -> RunResult {
    let mut result = result::build("plan", "model", &testing::plan(), &testing::az_outage());
    for row in result.latency.iter_mut().filter(|row| row.kind == "response") {
        row.p99_ms = Milli::from_units(p99_ms * 1000);
    }
    if p99_ms > 100 {
        let reasons = vec!["p99 is too long".to_owned()];
        result.verdict = Verdict { status: Status::ThresholdMissed, exit_code: 4, reasons };
    }
    result
}

fn sweep(keys: &[&str], points: &[(&[&str], i64)]) -> Sweep {
    let names: Vec<FigureName> =
        SWEPT.iter().map(|name| FigureName::parse(name).unwrap()).collect();
    let sample = run(1);
    let figures = Column::of(&names, &[&sample]);
    let point = |(values, p99): &(&[&str], i64)| {
        let (one, other) = (run(*p99), run(*p99 + 2));
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Point::of(values, &[&one, &other], &figures)
    };
    Sweep {
        schema_version: SWEEP_SCHEMA_VERSION,
        scenario: "az-outage".to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        points: points.iter().map(point).collect(),
        figures,
        seeds: vec![1, 2],
        left_out: 0,
        command: "stormglass sweep az-outage".to_owned(),
    }
}

fn by_rate() -> Sweep {
    sweep(&["producers.*.rate"], &[(&["5 MB/s"], 10), (&["10 MB/s"], 12), (&["20 MB/s"], 300)])
}

#[test]
fn a_row_has_medians_of_its_seeds() {
    let sweep = by_rate();
    let p99 = sweep.figures.iter().position(|one| one.name.to_string() == SWEPT[1]).unwrap();
    let values: Vec<_> = sweep.points.iter().map(|point| point.figures[p99].unwrap()).collect();
    assert_eq!(values, [11_000, 13_000, 301_000].map(Milli::from_units));
    assert_eq!([0, 2].map(|at| sweep.points[at].status), [Status::Ok, Status::ThresholdMissed]);
    assert_eq!(sweep.points[2].reasons, ["p99 is too long"]);
    insta::assert_snapshot!(table(&sweep));
}

#[test]
fn csv_has_units_and_plain_numbers() {
    let text = String::from_utf8(csv(&by_rate()).unwrap()).unwrap();
    let mut lines = text.lines();
    let titles = lines.next().unwrap();
    assert!(titles.starts_with("producers.*.rate,response_latency med [ms],"), "{titles}");
    assert!(lines.next().unwrap().starts_with("5 MB/s,7.418,11.000,"), "{text}");
}

#[test]
fn one_key_has_a_chart_for_each_unit_and_two_keys_one_for_each_figure() {
    let names =
        |sweep: &Sweep| charts(sweep).iter().map(|chart| chart.name).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&by_rate()), "sweep-latency sweep-throughput sweep-use sweep-cost");
    let two = sweep(
        &["a", "b"],
        &[(&["1", "x"], 1), (&["1", "y"], 2), (&["2", "x"], 3), (&["2", "y"], 4)],
    );
    assert_eq!(names(&two), "sweep-1 sweep-2 sweep-3 sweep-4");
    let lines = charts(&two)[1].standalone();
    let texts: Vec<&str> = lines.lines().map(str::trim).collect();
    assert!(texts.contains(&"x") && texts.contains(&"y"), "a line for each value of b");
    assert!(charts(&sweep(&["a"], &[(&["1"], 1)])).is_empty());
}

#[test]
fn the_page_has_every_point_and_needs_no_network() {
    let page = page(&by_rate());
    for text in ["20 MB/s", "301 ms", "threshold missed", "stormglass sweep az-outage"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("src=") && !page.contains("url("));
}
