//! What a comparison says, as `--json` prints it.

use crate::figures::{Better, FigureName};
use crate::result::Milli;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the shape of a comparison.
pub const COMPARISON_SCHEMA_VERSION: u32 = 1;

/// What changed from one side to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// First side.
    pub a: Side,
    /// Second side.
    pub b: Side,
    /// Seeds that both sides have; runs are paired by them.
    pub seeds: Vec<u64>,
    /// Every figure.
    pub deltas: Vec<Delta>,
    /// Where the time of a produce request changed, by band of latency.
    pub path: Vec<PathShift>,
    /// What the change of CPU time went to; absent when a side does not know.
    #[serde(default)]
    pub work: Option<WorkShift>,
    /// What differs in the plans, the first forty values; empty where a plan is not known.
    pub plan_changes: Vec<ChangedKey>,
    /// Keys that differ, with what each explains, where that was found out.
    pub keys: Option<KeyAttribution>,
    /// What is to be kept in mind.
    pub notes: Vec<String>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// As it was named by the user.
    pub name: String,
    /// Scenario's name.
    pub scenario: String,
    /// SHA-256 of its text, hex.
    pub scenario_digest: String,
    /// Digest of the catalogue's values, hex.
    pub model_digest: String,
    /// Version of Stormglass.
    pub version: String,
}

/// Which way a figure went over the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    /// Not changed in any seed.
    Same,
    /// Better in all seeds; one of sixteen may differ.
    Better,
    /// Worse in all seeds; one of sixteen may differ.
    Worse,
    /// Other, and neither direction is good.
    Other,
    /// Up in some seeds and down in others.
    Mixed,
}

/// The change of one figure. Values are medians over the seeds, changes medians of the pairs'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// Which figure.
    pub name: FigureName,
    /// Its unit.
    pub unit: String,
    /// Which direction is good.
    pub better: Better,
    /// First side; absent when no seed has a value.
    pub a: Option<Milli>,
    /// Second side.
    pub b: Option<Milli>,
    /// Median change of the pairs, in `unit`; absent when no pair has both values.
    pub change: Option<Milli>,
    /// Median relative change, percent; absent when the first side is nought.
    pub change_percent: Option<Milli>,
    /// Smallest change of a pair.
    pub change_min: Option<Milli>,
    /// Largest change of a pair.
    pub change_max: Option<Milli>,
    /// Pairs that went up. A value that only the first side has counts as up when less is better.
    pub up: u32,
    /// Pairs that went down.
    pub down: u32,
    /// Pairs.
    pub pairs: u32,
    /// Which way it went.
    pub trend: Trend,
}

/// How the time of sampled requests near a percentile changed, means over the seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathShift {
    /// `all`, `p50`, `p90`, `p99` or `max`.
    pub band: String,
    /// First side.
    pub a_ms: Milli,
    /// Second side.
    pub b_ms: Milli,
    /// Change, the sum of the parts' changes.
    pub change_ms: Milli,
    /// The parts in order of a request's way.
    pub parts: Vec<PartShift>,
}

/// One part's share of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartShift {
    /// Such as `client queue`.
    pub part: String,
    /// First side.
    pub a_ms: Milli,
    /// Second side.
    pub b_ms: Milli,
    /// Change.
    pub change_ms: Milli,
    /// Share of the band's change, percent; negative where a part went the other way. Absent when
    /// the band did not change.
    pub share_percent: Option<Milli>,
}

/// How the CPU time of all brokers changed, milliseconds of vCPUs per second, means over the seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkShift {
    /// First side.
    pub a_ms: Milli,
    /// Second side.
    pub b_ms: Milli,
    /// Change, the sum of the parts' changes.
    pub change_ms: Milli,
    /// Kinds of work, in a fixed order.
    pub parts: Vec<PartShift>,
    /// Answers with records to followers, first side.
    pub a_follower_fetches_per_s: Milli,
    /// The same, second side.
    pub b_follower_fetches_per_s: Milli,
    /// Mean size of such an answer, first side.
    pub a_follower_fetch_kib: Milli,
    /// The same, second side.
    pub b_follower_fetch_kib: Milli,
    /// The largest, first side.
    pub a_follower_fetch_kib_max: Milli,
    /// The same, second side.
    pub b_follower_fetch_kib_max: Milli,
}

/// Which changed keys explain how much of one figure's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyAttribution {
    /// The figure.
    pub figure: FigureName,
    /// Its unit.
    pub unit: String,
    /// Its change with all keys, median over the seeds used here.
    pub change: Option<Milli>,
    /// Seeds used here.
    pub seeds: Vec<u64>,
    /// The keys, those that explain most first.
    pub keys: Vec<KeyShare>,
    /// What only several keys together explain.
    pub together: Option<Milli>,
    /// Runs that this took.
    pub runs: u32,
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyShare {
    /// Path as `--set` takes it; several when they were only switched together.
    pub keys: Vec<ChangedKey>,
    /// Change when only this key is switched over; absent when that is no valid scenario.
    pub alone: Option<Milli>,
    /// Change that is missing when all but this key are switched over; absent likewise.
    pub missing_without: Option<Milli>,
    /// The mean of the two, or the one that there is.
    pub explains: Option<Milli>,
    /// `explains` as a share of the whole change, percent.
    pub share_percent: Option<Milli>,
    /// Whether the key takes part in a run at all.
    pub takes_part: bool,
}

/// A key's two values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedKey {
    /// Path as `--set` takes it.
    pub path: String,
    /// Value on the first side; absent when it does not have the key.
    pub before: Option<String>,
    /// Value on the second side.
    pub after: Option<String>,
}

impl Comparison {
    /// A figure's change.
    #[must_use]
    pub fn delta(&self, name: &FigureName) -> Option<&Delta> {
        self.deltas.iter().find(|delta| delta.name == *name)
    }

    /// Whether nothing changed at all.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.deltas.iter().all(|delta| delta.trend == Trend::Same)
    }
}
