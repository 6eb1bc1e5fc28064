//! A run's results in the formats of other tools, from the files of its directory.
//!
//! OpenMessaging Benchmark's result JSON, HdrHistogram's two texts, CSV, OpenMetrics, JUnit, Bencher,
//! github-action-benchmark, and a trace for Perfetto.

mod figures;
mod hlog;
mod junit;
mod omb;
mod perfetto;
mod table;

#[cfg(test)]
mod tests;

use crate::result::{LatencyRow, RunResult};
use std::collections::BTreeMap;
use std::fmt;
use stormglass_scenarios::plan::Plan;

/// A format of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Result JSON of OpenMessaging Benchmark, and a note on how it was made.
    Omb(OmbMode),
    /// Percentile distributions of HdrHistogram.
    Hgrm,
    /// Interval logs of HdrHistogram.
    Hlog,
    /// Timeline, latency and cost as CSV.
    Csv,
    /// OpenMetrics text.
    OpenMetrics,
    /// JUnit XML.
    Junit,
    /// Bencher Metric Format.
    Bencher,
    /// github-action-benchmark's custom JSON: smaller is better, and bigger is better.
    GithubActionBenchmark,
    /// Chrome's trace format, which Perfetto reads.
    Perfetto,
}

/// How true to the benchmark's own habits its result is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OmbMode {
    /// All latencies as they were.
    #[default]
    Precise,
    /// As the benchmark would have measured: end to end in whole milliseconds, those below one
    /// dropped; publish latency cut off at 60 s.
    Strict,
}

/// A run's directory in memory.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// `plan.json`.
    pub plan: Plan,
    /// `result.json`.
    pub result: RunResult,
    /// Every other file by name below the directory, such as `latency/response.hgrm`.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why a run cannot be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportError {
    /// File of the run's directory.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

impl ExportError {
    fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), message: message.into() }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for ExportError {}

impl RunFiles {
    fn file(&self, name: &str) -> Result<&[u8], ExportError> {
        let bytes = self.files.get(name).map(Vec::as_slice);
        bytes.ok_or_else(|| ExportError::new(name, "not there: the run's directory is incomplete"))
    }
}

/// Files of the format, by name.
///
/// # Errors
/// When a file of the run's directory is missing or damaged.
pub fn export(format: Format, run: &RunFiles) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    let one = |name: &str, text: String| Ok(vec![(name.to_owned(), text.into_bytes())]);
    match format {
        Format::Omb(mode) => omb::files(run, mode),
        Format::Hgrm => below_latency(run, ".hgrm"),
        Format::Hlog => below_latency(run, ".hlog"),
        Format::Csv => csv_files(run),
        Format::OpenMetrics => one("metrics.txt", figures::open_metrics(&run.result)),
        Format::Junit => one("junit.xml", junit::document(&run.result)),
        Format::Bencher => one("bencher.json", figures::bencher(&run.result)),
        Format::GithubActionBenchmark => {
            let (smaller, bigger) = figures::github_action_benchmark(&run.result);
            Ok(vec![
                ("smaller-is-better.json".to_owned(), smaller.into_bytes()),
                ("bigger-is-better.json".to_owned(), bigger.into_bytes()),
            ])
        }
        Format::Perfetto => one("trace.json", perfetto::trace(run)?),
    }
}

fn below_latency(run: &RunFiles, ending: &str) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    let files: Vec<(String, Vec<u8>)> = run
        .files
        .iter()
        .filter_map(|(name, bytes)| Some((name.strip_prefix("latency/")?, bytes)))
        .filter(|(name, _)| name.ends_with(ending))
        .map(|(name, bytes)| (name.to_owned(), bytes.clone()))
        .collect();
    if files.is_empty() {
        return Err(ExportError::new("latency", format!("has no {ending} files")));
    }
    Ok(files)
}

fn csv_files(run: &RunFiles) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    let latency = latency_csv(&run.result.latency)
        .map_err(|error| ExportError::new("result.json", error.to_string()))?;
    Ok(vec![
        ("timeline.csv".to_owned(), run.file("timeline.csv")?.to_vec()),
        ("latency.csv".to_owned(), latency),
        ("cost.csv".to_owned(), run.file("cost.csv")?.to_vec()),
    ])
}

/// A row per latency, phase, group and topic, in milliseconds.
fn latency_csv(rows: &[LatencyRow]) -> std::io::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "kind",
        "phase",
        "group",
        "topic",
        "count",
        "mean_ms",
        "min_ms",
        "p50_ms",
        "p75_ms",
        "p90_ms",
        "p95_ms",
        "p99_ms",
        "p99_9_ms",
        "p99_99_ms",
        "max_ms",
    ])?;
    for row in rows {
        let last = row.p99_99_ms.map(|value| value.to_string()).unwrap_or_default();
        let values = [
            row.mean_ms,
            row.min_ms,
            row.p50_ms,
            row.p75_ms,
            row.p90_ms,
            row.p95_ms,
            row.p99_ms,
            row.p99_9_ms,
        ];
        let mut cells = vec![
            row.kind.clone(),
            row.phase.clone(),
            row.group.clone(),
            row.topic.clone(),
            row.count.to_string(),
        ];
        cells.extend(values.map(|value| value.to_string()));
        cells.extend([last, row.max_ms.to_string()]);
        csv.write_record(cells)?;
    }
    csv.into_inner().map_err(csv::IntoInnerError::into_error)
}
