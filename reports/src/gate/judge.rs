//! Limits against changes, thresholds against runs.

use super::types::{CheckReport, LimitReport, Outcome, ThresholdReport, worst};
use crate::compare::{Comparison, Delta, Trend, agree, signed};
use crate::figures::{ALL_MEASURED, Better, FigureName};
use crate::result::{Milli, RunResult};
use crate::text;
use stormglass_scenarios::suite::{Amount, Check, Limit, Side};

/// What a scenario is judged by.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The scenario in the suite.
    pub check: &'a Check,
    /// This side's runs.
    pub runs: &'a [&'a RunResult],
    /// The base's runs; empty without a base.
    pub base: &'a [&'a RunResult],
    /// The comparison, if there is a base.
    pub comparison: Option<Comparison>,
    /// What another program or catalogue alone changes.
    pub rebased: Option<Vec<Delta>>,
    /// Why the base cannot be compared with.
    pub not_comparable: Option<String>,
    /// The command that runs this side's first seed.
    pub command: String,
}

/// The verdict on a scenario.
#[must_use]
pub fn check(judged: Judged<'_>) -> CheckReport {
    let limits: Vec<LimitReport> = match &judged.comparison {
        Some(comparison) => {
            judged.check.limits.iter().map(|limit| limit_outcome(limit, comparison)).collect()
        }
        None => Vec::new(),
    };
    let thresholds = thresholds(judged.runs, judged.base);
    let broken = broken(judged.runs);
    let mut outcomes: Vec<Outcome> = limits.iter().map(|limit| limit.outcome).collect();
    if thresholds.iter().any(|threshold| !threshold.missed_by.is_empty()) {
        outcomes.push(Outcome::ThresholdMissed);
    }
    if !broken.is_empty() {
        outcomes.push(Outcome::PromiseBroken);
    }
    if judged.not_comparable.is_some() {
        outcomes.push(Outcome::NotComparable);
    } else if judged.comparison.is_none() && !judged.check.limits.is_empty() {
        outcomes.push(Outcome::New);
    }
    CheckReport {
        name: judged.check.name.clone(),
        line: judged.check.line,
        outcome: worst(outcomes.into_iter()),
        limits,
        thresholds,
        broken,
        not_comparable: judged.not_comparable,
        comparison: judged.comparison,
        rebased: judged.rebased,
        command: judged.command,
    }
}

/// A limit against a comparison.
#[must_use]
pub fn limit_outcome(limit: &Limit, comparison: &Comparison) -> LimitReport {
    let phase = limit.phase.as_deref().unwrap_or(ALL_MEASURED);
    let figure = FigureName::new(&limit.metric, phase, &limit.aggregate);
    let delta = comparison.delta(&figure).cloned();
    let (outcome, reason) = match &delta {
        None => (
            Outcome::Regression,
            format!("{figure} was not measured on either side: nothing measured proves nothing"),
        ),
        Some(delta) => judge(limit, delta),
    };
    let text = limit.text.clone();
    LimitReport { figure, text, line: limit.line, outcome, delta, reason }
}

fn judge(limit: &Limit, delta: &Delta) -> (Outcome, String) {
    let told = told(delta);
    let upwards = matches!(limit.side, Side::Below | Side::AtMost);
    let with = if upwards { delta.up } else { delta.down };
    let agrees = agree(with, delta.pairs);
    // A value that is never reached any more has no change, and is worse than any.
    let lost = delta.a.is_some() && delta.b.is_none();
    let is_worse =
        delta.better == Better::Higher && !upwards || delta.better != Better::Higher && upwards;
    if lost && is_worse {
        return (Outcome::Regression, format!("{told}: never reached any more"));
    }
    let Some(beyond) = is_beyond(limit, delta) else {
        return (Outcome::Passed, told);
    };
    match (beyond, agrees) {
        (true, true) => (Outcome::Regression, format!("{told}: beyond {}", limit.text)),
        (true, false) => {
            (Outcome::Passed, format!("{told}: beyond {}, but the seeds disagree", limit.text))
        }
        (false, _) => (Outcome::Passed, told),
    }
}

/// Whether the median change is on the wrong side; nothing when there is no change to judge.
fn is_beyond(limit: &Limit, delta: &Delta) -> Option<bool> {
    let change = delta.change?;
    let (change, bound) = match (limit.amount, delta.change_percent) {
        (Amount::Absolute(bound), _) => (change.units(), bound),
        (Amount::Percent(bound), Some(percent)) => (percent.units(), bound),
        // From nought any change is larger than any percentage.
        (Amount::Percent(bound), None) => match change.units().signum() {
            0 => (0, bound),
            1 => (i64::MAX, bound),
            _ => (i64::MIN, bound),
        },
    };
    Some(match limit.side {
        Side::Below => change >= bound && change != 0,
        Side::AtMost => change > bound,
        Side::Above => change <= bound && change != 0,
        Side::AtLeast => change < bound,
    })
}

/// `6.87 ms to 8.10 ms, +17.9 %, up in 8 of 8 seeds`.
fn told(delta: &Delta) -> String {
    let value = |value: Option<Milli>| {
        value.map_or_else(|| "never".to_owned(), |value| text::with_unit(value, &delta.unit))
    };
    if delta.trend == Trend::Same {
        return format!("{}, exactly the same", value(delta.b));
    }
    let change = match (delta.change_percent, delta.change) {
        (Some(percent), _) => {
            let sign = if percent.units() > 0 { "+" } else { "" };
            format!(", {sign}{} %", text::number(percent, 1))
        }
        (None, Some(change)) => format!(", {}", signed(change, &delta.unit)),
        (None, None) => String::new(),
    };
    let (word, count) =
        if delta.up >= delta.down { ("up", delta.up) } else { ("down", delta.down) };
    format!(
        "{} to {}{change}, {word} in {count} of {}",
        value(delta.a),
        value(delta.b),
        text::counted(u64::from(delta.pairs), "seed")
    )
}

/// The scenario's thresholds over all runs of this side.
#[must_use]
pub fn thresholds(runs: &[&RunResult], base: &[&RunResult]) -> Vec<ThresholdReport> {
    let Some(first) = runs.first() else { return Vec::new() };
    let is_missed = |result: &RunResult, metric: &str, phase: &str, text: &str| {
        result.thresholds.iter().any(|one| {
            !one.passed && one.metric == metric && one.phase == phase && one.text == text
        })
    };
    (first.thresholds.iter().enumerate())
        .map(|(at, threshold)| {
            let all = || runs.iter().filter_map(|run| Some((run.seed, run.thresholds.get(at)?)));
            let worst = all().min_by_key(|(_, one)| one.margin);
            let (metric, phase, text) = (&threshold.metric, &threshold.phase, &threshold.text);
            ThresholdReport {
                metric: metric.clone(),
                phase: phase.clone(),
                text: text.clone(),
                missed_by: all().filter(|(_, one)| !one.passed).map(|(seed, _)| seed).collect(),
                worst: worst.and_then(|(_, one)| one.actual),
                unit: threshold.unit.clone(),
                base_misses: base.iter().any(|run| is_missed(run, metric, phase, text)),
            }
        })
        .collect()
}

fn broken(runs: &[&RunResult]) -> Vec<String> {
    let told = |run: &&RunResult| {
        let checkers: Vec<&str> =
            run.violations.iter().map(|violation| violation.checker.as_str()).collect();
        let first = checkers.first()?;
        Some(match checkers.len() {
            1 => format!("seed {}: {first}", run.seed),
            count => format!("seed {}: {first} and {} more", run.seed, count - 1),
        })
    };
    runs.iter().filter_map(told).collect()
}
