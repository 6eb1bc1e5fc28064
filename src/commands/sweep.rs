//! `stormglass sweep`: a scenario at many values of some keys.

use super::load::{source, tell_unread};
use crate::args::{Context, Sweep, Vary};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::json_text;
use crate::trials::{Sameness, Trials};
use std::sync::Arc;
use stormglass_reports::result::{RunResult, Status};
use stormglass_reports::sweep::{self as report, Column, Point, SWEEP_SCHEMA_VERSION};
use stormglass_scenarios::load;

/// More points than anybody reads.
const POINTS_MAX: usize = 10_000;

/// Prints the table and writes CSV, charts and page.
pub(super) fn sweep(args: &Sweep, context: &Context) -> Result<Exit, Failure> {
    let points = combinations(&args.vary)?;
    let source = source(&args.target)?;
    let mut plans = Vec::new();
    let sets: Vec<Vec<(String, String)>> =
        points.iter().map(|values| sets_of(args, values)).collect();
    for sets in &sets {
        for seed in &args.seeds {
            plans.push(load(&source, sets, *seed)?);
        }
    }
    let scenario = plans[0].scenario.clone();
    files::ready(&args.out)?;
    // The two furthest apart: one of them at least has another value than the default.
    tell_unread(&source, &[&sets[0], &sets[sets.len() - 1]], context.output);
    let trials = Trials::new(args.jobs, context.output)?;
    let results = trials.run_until_interrupted(&plans, Sameness::Plan, &scenario)?;
    // Of a point that was cut short, nothing is shown.
    let whole: Vec<(Vec<String>, Vec<&RunResult>)> = (points.iter())
        .zip(results.chunks(args.seeds.len()))
        .filter_map(|(values, runs)| Some((values.clone(), of_point(runs)?)))
        .collect();
    let left_out = points.len() - whole.len();
    if whole.is_empty() {
        let help = "nothing is written: no point was finished";
        return Err(Failure::new(Exit::Interrupted, "interrupted").help(help));
    }
    let all: Vec<&RunResult> = whole.iter().flat_map(|(_, runs)| runs.iter().copied()).collect();
    let figures = Column::of(&args.figures, &all);
    if let Some(unknown) = figures.iter().find(|column| column.unit.is_empty()) {
        let message = format!("no run has the figure `{}`", unknown.name);
        return Err(Failure::usage(message).help("`compare --json` lists those that runs have"));
    }
    let points: Vec<Point> =
        whole.into_iter().map(|(values, runs)| Point::of(values, &runs, &figures)).collect();
    let sweep = report::Sweep {
        schema_version: SWEEP_SCHEMA_VERSION,
        scenario,
        keys: args.vary.iter().map(|vary| vary.key.clone()).collect(),
        figures,
        seeds: args.seeds.clone(),
        points,
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        command: context.invocation.clone(),
    };
    write(args, &sweep)?;
    if context.output.is_json() {
        context.output.json(&sweep)?;
    } else {
        let page = args.out.join("index.html");
        context.output.text(&format!("{}\nPage: {}\n", report::table(&sweep), page.display()))?;
    }
    Ok(exit(&sweep, context))
}

/// What is laid over the scenario at a point.
fn sets_of(args: &Sweep, values: &[String]) -> Vec<(String, String)> {
    let keys = args.vary.iter().map(|vary| vary.key.clone());
    args.sets.iter().cloned().chain(keys.zip(values.iter().cloned())).collect()
}

/// The runs of a point, if all are there.
fn of_point(runs: &[Option<Arc<RunResult>>]) -> Option<Vec<&RunResult>> {
    runs.iter().map(Option::as_deref).collect()
}

/// A point that misses a threshold is what a sweep looks for; one that breaks a promise is not.
fn exit(sweep: &report::Sweep, context: &Context) -> Exit {
    if sweep.points.iter().any(|point| point.status == Status::Violated) {
        context.output.note(&context.invocation);
        return Exit::PromiseBroken;
    }
    if sweep.left_out > 0 {
        context.output.note(&context.invocation);
        return Exit::Interrupted;
    }
    Exit::Ok
}

/// Every combination of values, the last key's changing fastest.
fn combinations(vary: &[Vary]) -> Result<Vec<Vec<String>>, Failure> {
    let count = vary.iter().try_fold(1_usize, |count, one| count.checked_mul(one.values.len()));
    if count.is_none_or(|count| count > POINTS_MAX) {
        let message = format!("the values of all --vary make more than {POINTS_MAX} points");
        return Err(Failure::usage(message).help("vary fewer keys, or fewer values of each"));
    }
    let mut points: Vec<Vec<String>> = vec![Vec::new()];
    for one in vary {
        points = points
            .iter()
            .flat_map(|point| {
                one.values.iter().map(|value| {
                    let mut longer = point.clone();
                    longer.push(value.clone());
                    longer
                })
            })
            .collect();
    }
    Ok(points)
}

fn write(args: &Sweep, sweep: &report::Sweep) -> Result<(), Failure> {
    let csv = report::csv(sweep).map_err(Failure::internal)?;
    let (json, page) = (json_text(sweep)?, report::page(sweep));
    files::write(
        &args.out,
        &[("sweep.json", json.as_bytes()), ("sweep.csv", &csv), ("index.html", page.as_bytes())],
    )?;
    for chart in report::charts(sweep) {
        let name = format!("charts/{}.svg", chart.name);
        files::write(&args.out, &[(&name, chart.standalone().as_bytes())])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vary(key: &str, values: &[&str]) -> Vary {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Vary { key: key.to_owned(), values }
    }

    #[test]
    fn the_last_keys_values_change_fastest() {
        let points = combinations(&[vary("a", &["1", "2"]), vary("b", &["x", "y"])]).unwrap();
        let shown: Vec<String> = points.iter().map(|point| point.join("")).collect();
        assert_eq!(shown, ["1x", "1y", "2x", "2y"]);
    }

    #[test]
    fn too_many_points_are_refused() {
        let many: Vec<&str> = std::iter::repeat_n("1", 101).collect();
        assert!(combinations(&[vary("a", &many), vary("b", &many)]).is_err());
    }
}
