//! What a gate says, as `--json` prints it, and what it stores to be compared with later.

use crate::compare::{Comparison, Delta, KeyAttribution};
use crate::figures::FigureName;
use crate::result::{Milli, RunResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the shape of a gate's report and of its stored base.
pub const GATE_SCHEMA_VERSION: u32 = 1;

/// The verdict on a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateReport {
    /// [`GATE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the suite.
    pub suite: String,
    /// Its file as it was named by the user.
    pub file: String,
    /// What it was compared with, in words.
    pub base: String,
    /// 0 passed, 3 regression, 4 threshold missed, 6 not comparable, 8 promise broken.
    pub exit_code: u8,
    /// Paired seeds.
    pub seeds: Vec<u64>,
    /// Simulations that this took.
    pub runs: u32,
    /// The scenarios.
    pub checks: Vec<CheckReport>,
    /// The command that repeats this.
    pub command: String,
}

/// How a scenario, a limit or a threshold came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Within its limits.
    Passed,
    /// Worse than its base by more than a limit.
    Regression,
    /// A threshold of the scenario was missed.
    ThresholdMissed,
    /// A promise was broken.
    PromiseBroken,
    /// There is a base, and it cannot be compared with.
    NotComparable,
    /// There is no base for it yet.
    New,
}

impl Outcome {
    /// The exit code that goes with it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::New => 0,
            Self::Regression => 3,
            Self::ThresholdMissed => 4,
            Self::NotComparable => 6,
            Self::PromiseBroken => 8,
        }
    }

    /// Whether it lets the suite pass.
    #[must_use]
    pub const fn is_good(self) -> bool {
        self.exit_code() == 0
    }

    /// In words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Regression => "REGRESSION",
            Self::ThresholdMissed => "THRESHOLD MISSED",
            Self::PromiseBroken => "PROMISE BROKEN",
            Self::NotComparable => "NOT COMPARABLE",
            Self::New => "new, no base",
        }
    }
}

/// A scenario of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckReport {
    /// What the suite calls it.
    pub name: String,
    /// Line of the suite, from 1.
    pub line: u32,
    /// How it came out: the worst of what follows.
    pub outcome: Outcome,
    /// The declared limits.
    pub limits: Vec<LimitReport>,
    /// The scenario's thresholds.
    pub thresholds: Vec<ThresholdReport>,
    /// Broken promises by seed, as sentences.
    pub broken: Vec<String>,
    /// Why it cannot be compared.
    pub not_comparable: Option<String>,
    /// All changes and where they come from; absent without a base.
    pub comparison: Option<Comparison>,
    /// With `--rebaseline`: what another program or catalogue alone changes in the base's scenario.
    /// The limits are on the rest.
    pub rebased: Option<Vec<Delta>>,
    /// The command that runs this side's first seed.
    pub command: String,
}

/// A limit and how it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitReport {
    /// The figure.
    pub figure: FigureName,
    /// As written in the suite.
    pub text: String,
    /// Line of the suite, from 1.
    pub line: u32,
    /// How it came out.
    pub outcome: Outcome,
    /// The figure's change; absent when no run has the figure.
    pub delta: Option<Delta>,
    /// In a sentence.
    pub reason: String,
}

impl LimitReport {
    /// `response_latency{phase:heal} p(99) < +5%`.
    #[must_use]
    pub fn label(&self) -> String {
        let figure = self.figure.to_string();
        let head = figure.strip_suffix(self.figure.aggregate.as_str()).unwrap_or(&figure);
        format!("{head}{}", self.text)
    }
}

/// A threshold over all seeds of this side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdReport {
    /// Metric.
    pub metric: String,
    /// Phase.
    pub phase: String,
    /// As written in the scenario.
    pub text: String,
    /// Seeds that missed it; one is enough for it to be missed.
    pub missed_by: Vec<u64>,
    /// The measured value that is furthest on the wrong side.
    pub worst: Option<Milli>,
    /// Unit of `worst`.
    pub unit: String,
    /// Whether the base misses it, too.
    pub base_misses: bool,
}

/// Results to be compared with later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredBase {
    /// [`GATE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of Stormglass.
    pub version: String,
    /// Name of the suite.
    pub suite: String,
    /// The scenarios.
    pub checks: Vec<StoredCheck>,
}

/// A scenario's stored results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredCheck {
    /// What the suite calls it.
    pub name: String,
    /// The scenario's text with the suite's changes, so that it can be run again.
    pub scenario: String,
    /// A result per seed.
    pub results: Vec<RunResult>,
}

impl GateReport {
    /// The outcome that the exit code stands for.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        worst(self.checks.iter().map(|check| check.outcome))
    }

    /// Limits that decided something.
    #[must_use]
    pub fn limit_count(&self) -> usize {
        self.checks.iter().map(|check| check.limits.len()).sum()
    }
}

impl CheckReport {
    /// What the keys explain, if that was found out.
    #[must_use]
    pub fn keys(&self) -> Option<&KeyAttribution> {
        self.comparison.as_ref()?.keys.as_ref()
    }
}

/// The outcome that counts when several hold, by the order of exit codes.
pub(crate) fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    const ORDER: [Outcome; 6] = [
        Outcome::PromiseBroken,
        Outcome::NotComparable,
        Outcome::Regression,
        Outcome::ThresholdMissed,
        Outcome::New,
        Outcome::Passed,
    ];
    let rank = |outcome: Outcome| ORDER.iter().position(|other| *other == outcome);
    outcomes.min_by_key(|outcome| rank(*outcome)).unwrap_or(Outcome::Passed)
}
