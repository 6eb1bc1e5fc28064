//! `stormglass compare`: what changed from one run or scenario to another, and what explains it.

use super::compare_keys::{self, Question};
use super::sides::Side;
use crate::args::{Compare, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::{self, write};
use crate::trials::{Sameness, Trials};
use std::path::Path;
use std::sync::Arc;
use stormglass_reports::compare::{
    self as report, COMPARISON_SCHEMA_VERSION, Comparison, deltas, incomparable, path_shifts,
    work_shift,
};
use stormglass_reports::figures::FigureName;
use stormglass_reports::result::RunResult;
use stormglass_reports::sweep::Column;

/// Runs that are compared, first side first.
pub(super) type Pair = (Arc<RunResult>, Arc<RunResult>);

/// Prints the comparison and writes its page.
pub(super) fn compare(args: &Compare, context: &Context) -> Result<Exit, Failure> {
    let (a, b) = (Side::read(&args.a)?, Side::read(&args.b)?);
    files::ready(&args.out)?;
    a.tell_unread(context.output);
    b.tell_unread(context.output);
    let trials = Trials::new(args.jobs, context.output)?;
    let seeds = seeds(args, &a, &b);
    let (runs_a, runs_b) = (runs(&a, &seeds, &trials)?, runs(&b, &seeds, &trials)?);
    let (pairs, mut notes) = paired(&runs_a, &runs_b)?;
    for (one, other) in &pairs {
        if let Some(why) = incomparable(one, other) {
            return Err(Failure::new(Exit::NotComparable, why.reason).help(why.help));
        }
    }
    let borrowed: Vec<(&RunResult, &RunResult)> =
        pairs.iter().map(|(a, b)| (a.as_ref(), b.as_ref())).collect();
    let seeds: Vec<u64> = pairs.iter().map(|(a, _)| a.seed).collect();
    let plan_changes = match (a.plan(seeds[0])?, b.plan(seeds[0])?) {
        (Some(a), Some(b)) => report::plan_changes(&a, &b),
        _ => Vec::new(),
    };
    let keys = match (&a, &b) {
        (Side::Scenario(a), Side::Scenario(b)) if args.keys => {
            known(&args.figure, &borrowed)?;
            let question = Question { figure: &args.figure, seeds: &seeds, trials: &trials };
            compare_keys::attribution(&question, &a.document, &b.document)?
        }
        _ => None,
    };
    notes.extend(violations(&borrowed));
    let comparison = Comparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: side(&args.a.name, borrowed[0].0),
        b: side(&args.b.name, borrowed[0].1),
        seeds,
        deltas: deltas(&borrowed),
        path: path_shifts(&borrowed),
        work: work_shift(&borrowed),
        plan_changes,
        keys,
        notes,
    };
    publish(&comparison, &borrowed, &args.out, context)?;
    if context.output.is_json() {
        context.output.json(&comparison)?;
    }
    Ok(Exit::Ok)
}

/// A figure that no run has is explained by nothing.
fn known(figure: &FigureName, pairs: &[(&RunResult, &RunResult)]) -> Result<(), Failure> {
    let all: Vec<&RunResult> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    match Column::of(std::slice::from_ref(figure), &all).first() {
        Some(column) if column.unit.is_empty() => {
            let message = format!("no run has the figure `{}`", column.name);
            Err(Failure::usage(message).help("`compare --json` lists those that runs have"))
        }
        _ => Ok(()),
    }
}

/// Writes the page and the document, and prints the table for people.
pub(super) fn publish(
    comparison: &Comparison,
    pairs: &[(&RunResult, &RunResult)],
    dir: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let page = report::page(comparison, pairs, &context.invocation);
    let json = crate::output::json_text(comparison)?;
    write(dir, &[("compare.json", json.as_bytes()), ("index.html", page.as_bytes())])?;
    if context.output.is_json() {
        return Ok(());
    }
    let page = dir.join("index.html");
    context.output.text(&format!("{}\nPage: {}\n", report::table(comparison), page.display()))
}

/// Seeds of scenarios: those of the stored side, if there is one.
fn seeds(args: &Compare, a: &Side, b: &Side) -> Vec<u64> {
    a.seeds().or_else(|| b.seeds()).unwrap_or_else(|| args.seeds.clone())
}

fn runs(side: &Side, seeds: &[u64], trials: &Trials) -> Result<Vec<Arc<RunResult>>, Failure> {
    match side {
        Side::Stored(results, _) => Ok(results.clone()),
        Side::Scenario(side) => {
            let plans = seeds.iter().map(|seed| side.plan(*seed)).collect::<Result<Vec<_>, _>>()?;
            trials.run(&plans, Sameness::Figures, &plans[0].scenario)
        }
    }
}

/// Pairs of the same seed. Two single runs are a pair whatever their seeds.
fn paired(a: &[Arc<RunResult>], b: &[Arc<RunResult>]) -> Result<(Vec<Pair>, Vec<String>), Failure> {
    let partner = |one: &Arc<RunResult>| b.iter().find(|other| other.seed == one.seed);
    let pairs: Vec<Pair> =
        a.iter().filter_map(|one| Some((Arc::clone(one), Arc::clone(partner(one)?)))).collect();
    let mut notes = Vec::new();
    if pairs.is_empty() {
        if let ([a], [b]) = (a, b) {
            notes.push(format!(
                "seeds {} and {} differ: some of the change is what the seed deals",
                a.seed, b.seed
            ));
            return Ok((vec![(Arc::clone(a), Arc::clone(b))], notes));
        }
        let list = |side: &[Arc<RunResult>]| {
            side.iter().map(|one| one.seed.to_string()).collect::<Vec<_>>().join(", ")
        };
        let message = format!("no seed is on both sides: {} and {}", list(a), list(b));
        let help = "run both with the same --seed and --seeds";
        return Err(Failure::new(Exit::NotComparable, message).help(help));
    }
    let left_out = a.len() + b.len() - 2 * pairs.len();
    if left_out > 0 {
        notes.push(format!("{left_out} runs have no partner of the same seed and are left out"));
    }
    Ok((pairs, notes))
}

/// A side's broken promises are worth more than its latency.
fn violations(pairs: &[(&RunResult, &RunResult)]) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, is_b) in [("A", false), ("B", true)] {
        let broken: Vec<String> = pairs
            .iter()
            .map(|(a, b)| if is_b { b } else { a })
            .filter(|result| !result.violations.is_empty())
            .map(|result| result.seed.to_string())
            .collect();
        if !broken.is_empty() {
            notes.push(format!("{name} broke a promise with seed {}", broken.join(", ")));
        }
    }
    notes
}

pub(super) fn side(name: &str, result: &RunResult) -> report::Side {
    report::Side {
        name: name.to_owned(),
        scenario: result.scenario.name.clone(),
        scenario_digest: result.scenario.digest.clone(),
        model_digest: result.model_digest.clone(),
        version: result.version.clone(),
    }
}
