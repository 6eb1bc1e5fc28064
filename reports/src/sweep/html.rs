//! A sweep as charts and as a page.

use super::types::{Sweep, word};
use crate::charts::Chart;
use crate::charts::steps::{Line, Steps, chart};
use crate::html::{figure, shell};
use crate::result::{Milli, Status};
use crate::text;
use maud::{Markup, html};

/// More lines than colours are no help.
const LINES_MAX: usize = 8;

/// Charts over the first key: a line per figure of a unit, or per value of the other keys.
#[must_use]
pub fn charts(sweep: &Sweep) -> Vec<Chart> {
    if sweep.points.len() < 2 || sweep.keys.is_empty() {
        return Vec::new();
    }
    if sweep.keys.len() == 1 { by_unit(sweep) } else { by_figure(sweep) }
}

/// One key: figures of the same unit share a chart.
fn by_unit(sweep: &Sweep) -> Vec<Chart> {
    let units = [
        ("ms", "sweep-latency", "Latency"),
        ("MB/s", "sweep-throughput", "Throughput"),
        ("%", "sweep-use", "Use of resources"),
        ("USD", "sweep-cost", "Cost a month"),
    ];
    let labels: Vec<String> = sweep.points.iter().map(|point| point.values[0].clone()).collect();
    let of_unit = |(unit, name, title): (&'static str, &'static str, &str)| {
        let lines: Vec<Line> = (sweep.figures.iter().enumerate())
            .filter(|(_, column)| column.unit == unit)
            .take(LINES_MAX)
            .map(|(at, column)| Line {
                label: column.name.to_string(),
                values: sweep.points.iter().map(|point| point.figures[at]).collect(),
            })
            .collect();
        let caption = format!("Over {}.", sweep.keys[0]);
        chart(&Steps {
            name,
            title,
            caption,
            unit,
            labels: &labels,
            places: &[],
            mark: None,
            lines: &lines,
        })
    };
    units.into_iter().filter_map(of_unit).collect()
}

/// Several keys: a chart per figure, a line per combination of the other keys' values.
fn by_figure(sweep: &Sweep) -> Vec<Chart> {
    const NAMES: [&str; 4] = ["sweep-1", "sweep-2", "sweep-3", "sweep-4"];
    let mut labels: Vec<String> = Vec::new();
    let mut others: Vec<Vec<String>> = Vec::new();
    for point in &sweep.points {
        if !labels.contains(&point.values[0]) {
            labels.push(point.values[0].clone());
        }
        let rest = point.values[1..].to_vec();
        if !others.contains(&rest) {
            others.push(rest);
        }
    }
    let value = |label: &String, rest: &[String], at: usize| -> Option<Milli> {
        let is_it = |values: &[String]| values[0] == *label && values[1..] == *rest;
        sweep.points.iter().find(|point| is_it(&point.values))?.figures[at]
    };
    let charts = sweep.figures.iter().enumerate().zip(NAMES).filter_map(|((at, column), name)| {
        let lines: Vec<Line> = others
            .iter()
            .take(LINES_MAX)
            .map(|rest| Line {
                label: rest.join(", "),
                values: labels.iter().map(|label| value(label, rest, at)).collect(),
            })
            .collect();
        let title = column.name.to_string();
        let rest = sweep.keys[1..].join(", ");
        let caption = format!("Over {}; a line for each value of {rest}.", sweep.keys[0]);
        let (title, unit) = (title.as_str(), column.unit.as_str());
        chart(&Steps {
            name,
            title,
            caption,
            unit,
            labels: &labels,
            places: &[],
            mark: None,
            lines: &lines,
        })
    });
    charts.collect()
}

/// The whole page.
#[must_use]
pub fn page(sweep: &Sweep) -> String {
    let charts = charts(sweep);
    let seeds = text::counted(sweep.seeds.len() as u64, "seed");
    let body = html! {
        header {
            p.kind { "Stormglass sweep" }
            h1 { (sweep.scenario) }
            p.setting {
                (text::counted(sweep.points.len() as u64, "point")) " over "
                (sweep.keys.join(", ")) "; medians of " (seeds)
            }
            @if let Some(told) = sweep.interruption() {
                div.verdict.interrupted role="status" {
                    p.word { span.mark aria-hidden="true" { "…" } "Interrupted" }
                    div { p.answer { (told) "." } }
                }
            }
        }
        main {
            section id="points" { h2 { "Points" } (points(sweep)) }
            @if !charts.is_empty() {
                section id="charts" {
                    h2 { "Charts" }
                    @for chart in &charts { (figure(chart)) }
                }
            }
            section id="reproduce" {
                h2 { "Reproduce" }
                pre.command { code { (sweep.command) } }
            }
        }
    };
    shell(&format!("Sweep of {}", sweep.scenario), &body)
}

fn points(sweep: &Sweep) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr {
                    @for key in &sweep.keys { th { (key) } }
                    @for column in &sweep.figures { th.n { (column.name) } }
                    th { "Verdict" }
                } }
                tbody {
                    @for point in &sweep.points {
                        tr {
                            @for value in &point.values { td { code { (value) } } }
                            @for (column, value) in sweep.figures.iter().zip(&point.figures) {
                                td.n { (value.map_or("-".to_owned(),
                                                     |value| text::with_unit(value, &column.unit))) }
                            }
                            td.wide {
                                @if point.status == Status::Ok { span.pass { "✓ ok" } }
                                @else {
                                    span.fail { "✗ " (word(point.status)) }
                                    @for reason in &point.reasons { br; span.small { (reason) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
