//! `stormglass run --seeds`: the same scenario with many seeds, several at a time.
//!
//! Each seed has its own plan, thread and directory, so the number of jobs changes no result.

use super::load::plan_of;
use super::run::reproducing;
use crate::args::Run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{Output, columns};
use crate::progress::{self, Board};
use crate::simulation::{Job, default_dir, total_ns};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
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

/// The work shared by the jobs.
struct Crew<'a> {
    args: &'a Run,
    count: u64,
    next: AtomicU64,
    interrupt: Arc<AtomicBool>,
    failed: AtomicBool,
}

/// Simulates `count` seeds, writes a report for each, prints a table.
pub(super) fn run(args: &Run, count: u64, output: Output) -> Result<Exit, Failure> {
    let plan = plan_of(&args.target, &args.sets, args.seed)?;
    let label = format!("{}, {count} seeds", plan.scenario);
    let crew = Crew {
        args,
        count,
        next: AtomicU64::new(0),
        interrupt: interrupt::install()?,
        failed: AtomicBool::new(false),
    };
    let total_ns = total_ns(&plan).saturating_mul(count);
    let runs = progress::watch(output, &label, total_ns, |board| crew.work(board))?;
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

impl Crew<'_> {
    fn work(&self, board: &Arc<Board>) -> Result<Vec<SeedRun>, Failure> {
        let jobs = self.args.jobs.min(usize::try_from(self.count).unwrap_or(usize::MAX)).max(1);
        let outcomes: Vec<Result<Vec<SeedRun>, Failure>> = thread::scope(|scope| {
            let job = || scope.spawn(|| self.job(board));
            let handles: Vec<_> = std::iter::repeat_with(job).take(jobs).collect();
            let join = |handle: thread::ScopedJoinHandle<'_, _>| {
                handle.join().unwrap_or_else(|_| Err(Failure::internal("a job panicked")))
            };
            handles.into_iter().map(join).collect()
        });
        let mut runs = Vec::new();
        for outcome in outcomes {
            runs.extend(outcome?);
        }
        runs.sort_by_key(|run| run.seed);
        Ok(runs)
    }

    /// Takes one seed after another until there is none left.
    fn job(&self, board: &Arc<Board>) -> Result<Vec<SeedRun>, Failure> {
        let mut runs = Vec::new();
        while !self.interrupt.load(Ordering::Relaxed) && !self.failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.count {
                break;
            }
            let run = self.seed(self.args.seed + index, board);
            if run.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            runs.push(run?);
        }
        Ok(runs)
    }

    fn seed(&self, seed: u64, board: &Arc<Board>) -> Result<SeedRun, Failure> {
        let args = self.args;
        let plan = plan_of(&args.target, &args.sets, seed)?;
        let dir = match &args.out {
            Some(out) => out.join(format!("seed-{seed}")),
            None => default_dir(&plan, ""),
        };
        let job = Job {
            plan,
            plant: args.plant.clone(),
            interrupt: Arc::clone(&self.interrupt),
            command: reproducing(args, seed),
        };
        let outcome = job.simulate(board.meter())?;
        outcome.write(&dir)?;
        Ok(SeedRun { seed, exit_code: outcome.exit().code(), dir, result: outcome.result })
    }
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
