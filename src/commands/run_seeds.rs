//! `stormglass run --seeds`: the same scenario with many seeds, several at a time.
//!
//! Each seed has its own plan, thread and directory, so the number of jobs changes no result.

use super::load::{plan_of, source, tell_unread};
use super::run::reproducing;
use crate::args::Run;
use crate::batch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::interrupt;
use crate::output::{Output, columns};
use crate::progress::{self, Board};
use crate::simulation::{Job, check_plant, default_dir, total_ns};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stormglass_reports::result::{Milli, RunResult, Status};

/// One finished seed.
#[derive(Debug, Serialize)]
struct SeedRun {
    seed: u64,
    exit_code: u8,
    dir: PathBuf,
    result: RunResult,
}

/// All finished seeds, as `--json` prints them.
#[derive(Debug, Serialize)]
struct SeedRuns<'a> {
    scenario: &'a str,
    exit_code: u8,
    /// Seeds that were asked for and not begun, after an interruption.
    not_run: u64,
    runs: &'a [SeedRun],
}

/// Simulates `count` seeds, writes a report for each, prints a table.
pub(super) fn run(args: &Run, count: u64, output: Output) -> Result<Exit, Failure> {
    let plan = plan_of(&args.target, &args.sets, args.seed)?;
    check_plant(args.plant.as_deref(), &reproducing(args, args.seed))?;
    let first_dir = args.out.clone().unwrap_or_else(|| default_dir(&plan, ""));
    files::ready(&first_dir)?;
    let made = files::missing(&first_dir);
    tell_unread(&source(&args.target)?, &[&args.sets], output);
    let label = format!("{}, {count} seeds", plan.scenario);
    let interrupt = interrupt::install()?;
    let total_ns = total_ns(&plan).saturating_mul(count);
    let seeds: Vec<u64> = (args.seed..=args.seed + (count - 1)).collect();
    let runs = progress::watch(output, &label, total_ns, |board| {
        batch::map(seeds.len(), args.jobs, &interrupt, |index| {
            seed(args, seeds[index], &interrupt, board)
        })
    });
    // seeds that are refused at the same time leave their common directory to each other
    let runs = runs.inspect_err(|_| files::remove_empty(&made))?;
    let not_run = count - runs.len() as u64;
    let cut_short = if not_run > 0 { Exit::Interrupted } else { Exit::Ok };
    let exit =
        runs.iter().fold(cut_short, |worst, run| worst.worst(Exit::of_verdict(run.exit_code)));
    let shown = if output.is_json() {
        let scenario = plan.scenario.as_str();
        output.json(&SeedRuns { scenario, exit_code: exit.code(), not_run, runs: &runs })
    } else {
        output.text(&table(args, &runs, not_run))
    };
    shown?;
    Ok(exit)
}

/// Simulates one seed and writes its report.
fn seed(
    args: &Run,
    seed: u64,
    interrupt: &Arc<AtomicBool>,
    board: &Arc<Board>,
) -> Result<SeedRun, Failure> {
    let plan = plan_of(&args.target, &args.sets, seed)?;
    let dir = match &args.out {
        Some(out) => out.join(format!("seed-{seed}")),
        None => default_dir(&plan, ""),
    };
    let job = Job {
        plan,
        plant: args.plant.clone(),
        interrupt: Arc::clone(interrupt),
        command: reproducing(args, seed),
    };
    let outcome = job.simulate_into(&dir, board.meter())?;
    Ok(SeedRun { seed, exit_code: outcome.exit().code(), dir, result: outcome.result })
}

/// A row per seed; after bad seeds, the command that runs the worst of them again.
fn table(args: &Run, runs: &[SeedRun], not_run: u64) -> String {
    let titles =
        ["seed", "verdict", "p50 ms", "p99 ms", "p99.9 ms", "longest gap ms", "lost", "report"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(row));
    let right = [true, false, true, true, true, true, true, false];
    let mut text = columns(&rows, &right);
    if not_run > 0 {
        text.push_str(&format!("\ninterrupted: {not_run} seeds were not run\n"));
    }
    let worst =
        runs.iter().fold(Exit::Ok, |worst, run| worst.worst(Exit::of_verdict(run.exit_code)));
    let first = runs.iter().find(|run| worst != Exit::Ok && run.exit_code == worst.code());
    if let Some(run) = first {
        let bad = runs.iter().filter(|run| run.exit_code != 0).count();
        text.push_str(&format!(
            "\n{bad} of {} seeds failed. Reproduce the first with:\n",
            runs.len()
        ));
        text.push_str(&reproducing(args, run.seed));
        text.push('\n');
    }
    text
}

fn row(run: &SeedRun) -> Vec<String> {
    let result = &run.result;
    let verdict = match result.verdict.status {
        Status::Ok => "ok",
        Status::ThresholdMissed => "threshold missed",
        Status::Violated => "promise broken",
        Status::Interrupted => "interrupted",
    };
    let latency = result.latency_of("measure+heal", "response");
    let ms = |value: Option<Milli>| value.map_or("-".to_owned(), |value| value.to_string());
    let gap = result.availability.worst_partitions.first();
    vec![
        run.seed.to_string(),
        verdict.to_owned(),
        ms(latency.map(|row| row.p50_ms)),
        ms(latency.map(|row| row.p99_ms)),
        ms(latency.map(|row| row.p99_9_ms)),
        ms(gap.map(|gap| gap.longest_ms)),
        result.lost_records.to_string(),
        run.dir.join("index.html").display().to_string(),
    ]
}
