//! `cargo xtask validate`: simulates the set-ups of published benchmarks and writes
//! docs/validation.md, predicted against published.
//!
//! Nothing is fitted here and nothing fails on an error: the page says how far off the model is.

mod page;
mod published;

use crate::ci::root;
use published::{Metric, RUNS, Run, Stat};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use stormglass_reports::recording::{LatencyKind, Phase, Recording};
use stormglass_scenarios::{Source, load};
use stormglass_sim::{RunOptions, simulate};

/// What a run predicts.
struct Predicted {
    /// One value per published one, in its unit.
    values: Vec<f64>,
    /// The catalogue's values.
    model_digest: String,
    /// Promises that did not hold.
    violations: usize,
}

/// Simulates all runs, on all cores, and writes the page.
pub(crate) fn validate() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return again_optimised();
    }
    let predicted = simulate_all()?;
    let path = root().join("docs/validation.md");
    fs::write(&path, page::page(&predicted))
        .map_err(|error| format!("docs/validation.md: {error}"))?;
    println!("docs/validation.md is written");
    let broken: usize = predicted.iter().map(|one| one.violations).sum();
    if broken == 0 { Ok(()) } else { Err(format!("{broken} promises were broken on the way")) }
}

/// Unoptimised, the runs take many minutes.
fn again_optimised() -> Result<(), String> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package", "xtask", "validate"])
        .current_dir(root())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("validate failed: {status}")) }
}

fn simulate_all() -> Result<Vec<Predicted>, String> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Predicted, String>)>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(RUNS.len()) {
            scope.spawn(|| {
                while let Some(run) = RUNS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = predict(run);
                    let at = RUNS.iter().position(|other| other.id == run.id).unwrap_or(0);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn predict(run: &Run) -> Result<Predicted, String> {
    let path = run.path();
    let text = fs::read(root().join(&path)).map_err(|error| format!("{path}: {error}"))?;
    let owned = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
    let sets: Vec<(String, String)> = run.sets.iter().map(owned).collect();
    let plan = load(&Source::new(path, text), &sets, 1).map_err(|error| error.to_string())?;
    let finished = simulate(&plan, RunOptions::default(), Box::new(()))
        .map_err(|error| format!("{}: {error}", run.id))?;
    let recording = finished.recording;
    eprintln!("{} done in {:.1} s", run.id, finished.wall.as_secs_f64());
    Ok(Predicted {
        values: run.cells.iter().map(|cell| value(&recording, cell.metric)).collect(),
        model_digest: plan.model.catalogue_digest.clone(),
        violations: recording.violations.len(),
    })
}

/// A metric over the measure phase.
fn value(recording: &Recording, metric: Metric) -> f64 {
    match metric {
        Metric::Publish(stat) => latency_ms(recording, LatencyKind::Response, stat),
        Metric::EndToEnd(stat) => latency_ms(recording, LatencyKind::EndToEnd, stat),
        Metric::RecordsPerSec => per_second(recording, |second| second.acked_records),
        Metric::MbPerSec => per_second(recording, |second| second.acked_bytes) / 1e6,
    }
}

fn latency_ms(recording: &Recording, kind: LatencyKind, stat: Stat) -> f64 {
    let measured = recording
        .latency
        .iter()
        .filter(|series| series.kind == kind && series.phase == Phase::Measure)
        .map(|series| series.histogram.clone());
    let merged = measured.reduce(|mut sum, one| {
        sum.add(one).expect("an auto-resizing histogram takes every value");
        sum
    });
    let Some(histogram) = merged else { return f64::NAN };
    let ns = match stat {
        Stat::Mean => histogram.mean(),
        Stat::Quantile(quantile) => histogram.value_at_quantile(quantile) as f64,
        Stat::Max => histogram.max() as f64,
    };
    ns / 1e6
}

fn per_second(
    recording: &Recording,
    of: impl Fn(&stormglass_reports::recording::Second) -> u64,
) -> f64 {
    let seconds = recording.seconds.iter().filter(|second| second.phase == Phase::Measure);
    let values: Vec<u64> = seconds.map(of).collect();
    values.iter().sum::<u64>() as f64 / values.len() as f64
}
