//! docs/validation.md: the tables, and below them the explanations of `notes.md`.

use super::Predicted;
use super::published::{Metric, RUNS, Run, Stat};
use crate::ci::today;
use std::fmt::Write as _;

const HEAD: &str = "\
# Predicted against published

Written by `cargo xtask validate` on DATE: tables from the runs, explanations from \
xtask/src/validate/notes.md. Do not edit by hand.

One set of constants serves every row; none was fitted to a row, and where a set-up is not \
published, its scenario says what was assumed. Each run is a file in scenarios/validation with \
seed 1; `error` is predicted over published, less one.
";

const NOTES: &str = include_str!("notes.md");

/// The page.
pub(super) fn page(predicted: &[Predicted]) -> String {
    let mut text = HEAD.replace("DATE", &today());
    text.push_str("\n## Results\n\n");
    text.push_str("| run | figure | published | predicted | error |\n|---|---|--:|--:|--:|\n");
    for (run, one) in RUNS.iter().zip(predicted) {
        for (cell, value) in run.cells.iter().zip(&one.values) {
            let error = (value / cell.published - 1.0) * 100.0;
            let (name, digits) = figure(cell.metric);
            let (id, published) = (run.id, cell.published);
            let _ = writeln!(
                text,
                "| {id} | {name} | {published:.digits$} | {value:.digits$} | {error:+.0} % |"
            );
        }
    }
    text.push_str(&median_error(predicted));
    text.push_str("\n## Runs\n\n| run | published by | command |\n|---|---|---|\n");
    for run in RUNS {
        let (id, source) = (run.id, run.source);
        let _ = writeln!(text, "| {id} | {source} | `{}` |", command(run));
    }
    let digest = predicted.first().map_or("", |one| &one.model_digest[..12]);
    let _ = writeln!(
        text,
        "\nAll runs have the catalogue's values with the digest `{digest}`; what a set-up says about \
         hosts, disks and network comes on top, from its scenario.\n"
    );
    text + NOTES
}

fn command(run: &Run) -> String {
    let mut text = format!("stormglass run {}", run.path());
    for (path, value) in run.sets {
        let _ = write!(text, " --set '{path}={value}'");
    }
    text
}

/// A metric's name with its unit, and the digits that it is printed with.
fn figure(metric: Metric) -> (String, usize) {
    let stat = |stat| match stat {
        Stat::Mean => "mean".to_owned(),
        Stat::Quantile(quantile) => format!("p{}", (quantile * 1e6_f64).round() / 1e4),
        Stat::Max => "max".to_owned(),
    };
    match metric {
        Metric::Publish(which) => (format!("publish {}, ms", stat(which)), 2),
        Metric::EndToEnd(which) => (format!("end to end {}, ms", stat(which)), 2),
        Metric::RecordsPerSec => ("records/s".to_owned(), 0),
        Metric::MbPerSec => ("MB/s".to_owned(), 0),
    }
}

fn median_error(predicted: &[Predicted]) -> String {
    let cells = RUNS.iter().zip(predicted).flat_map(|(run, one)| run.cells.iter().zip(&one.values));
    let mut ratios: Vec<f64> =
        cells.map(|(cell, value)| (value / cell.published).max(cell.published / value)).collect();
    ratios.sort_by(f64::total_cmp);
    let within = |factor: f64| ratios.iter().filter(|ratio| **ratio <= factor).count();
    format!(
        "\nOf {} figures {} are within 25 % of the published one (as a factor, either way), {} \
         within a factor of 2, {} beyond; the median factor is {:.2}.\n",
        ratios.len(),
        within(1.25),
        within(2.0),
        ratios.len() - within(2.0),
        ratios[ratios.len() / 2],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_a_scenario_and_a_name_of_its_own() {
        for run in RUNS {
            assert!(crate::ci::root().join(run.path()).is_file(), "{}", run.path());
            assert_eq!(RUNS.iter().filter(|other| other.id == run.id).count(), 1, "{}", run.id);
        }
    }
}
