//! What a sweep says, as `--json` prints it.

use crate::compare::median;
use crate::figures::{FigureName, figures};
use crate::result::{Milli, RunResult, Status};
use crate::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the shape of a sweep.
pub const SWEEP_SCHEMA_VERSION: u32 = 2;

/// Figures that a sweep shows unless others are asked for.
pub const SWEPT: [&str; 7] = [
    "response_latency med",
    "response_latency p(99)",
    "response_latency p(99.9)",
    "end_to_end_latency p(99)",
    "produce_throughput avg",
    "cpu_utilisation avg",
    "monthly_cost value",
];

/// A scenario at many values of some keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// [`SWEEP_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The keys that vary, as `--set` takes them.
    pub keys: Vec<String>,
    /// Columns.
    pub figures: Vec<Column>,
    /// Seeds of every point.
    pub seeds: Vec<u64>,
    /// The points, the last key's values changing fastest.
    pub points: Vec<Point>,
    /// Points that an interruption left out.
    pub left_out: u32,
    /// The command that repeats this.
    pub command: String,
}

/// A figure of every point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The figure.
    pub name: FigureName,
    /// Its unit; empty when no point has it.
    pub unit: String,
}

/// The scenario at one value of each key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Values of the keys, in their order.
    pub values: Vec<String>,
    /// The worst over the seeds.
    pub status: Status,
    /// Why, over all seeds, without repetitions.
    pub reasons: Vec<String>,
    /// Medians over the seeds, in the order of the columns; absent where it has none.
    pub figures: Vec<Option<Milli>>,
}

impl Sweep {
    /// That points are missing, if any are.
    #[must_use]
    pub fn interruption(&self) -> Option<String> {
        let all = self.points.len() as u64 + u64::from(self.left_out);
        (self.left_out > 0).then(|| {
            format!(
                "INTERRUPTED: {} of {} are there",
                self.points.len(),
                text::counted(all, "point")
            )
        })
    }
}

impl Column {
    /// Columns of these names; their units are known from some run.
    #[must_use]
    pub fn of(names: &[FigureName], runs: &[&RunResult]) -> Vec<Self> {
        let all: Vec<_> = runs.iter().flat_map(|run| figures(run)).collect();
        let unit = |name: &FigureName| {
            all.iter().find(|one| one.name == *name).map_or("", |one| one.unit).to_owned()
        };
        names.iter().map(|name| Self { name: name.clone(), unit: unit(name) }).collect()
    }
}

impl Point {
    /// The point that some runs, one a seed, make.
    #[must_use]
    pub fn of(values: Vec<String>, runs: &[&RunResult], columns: &[Column]) -> Self {
        let all: Vec<_> = runs.iter().map(|run| figures(run)).collect();
        let value = |column: &Column| {
            let of_run: Vec<Milli> = all
                .iter()
                .filter_map(|list| list.iter().find(|one| one.name == column.name)?.value)
                .collect();
            if of_run.len() == runs.len() { median(&of_run) } else { None }
        };
        let mut reasons: Vec<String> =
            runs.iter().flat_map(|run| run.verdict.reasons.clone()).collect();
        reasons.sort();
        reasons.dedup();
        let worst = runs.iter().map(|run| &run.verdict).max_by_key(|verdict| verdict.exit_code);
        Self {
            values,
            status: worst.map_or(Status::Ok, |verdict| verdict.status),
            reasons,
            figures: columns.iter().map(value).collect(),
        }
    }
}

/// A status in words.
pub(super) const fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::ThresholdMissed => "threshold missed",
        Status::Violated => "PROMISE BROKEN",
        Status::Interrupted => "interrupted",
    }
}
