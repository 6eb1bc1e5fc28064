//! Makes a [`RunResult`] from a plan and what was recorded.

use super::decimal::Milli;
use super::full::{self, Full};
use super::types::{
    Assumption, Availability, CheckerResult, ClusterEvents, EventRow, ExcuseResult,
    RESULT_SCHEMA_VERSION, RunResult, ScenarioRef, Simulated, Status, ThresholdResult, Verdict,
    ViolationResult,
};
use super::{
    critical_path, early, gap, latency, quotas, recovery, remote, resources, throughput, work,
};
use crate::cost;
use crate::recording::{ClusterEvent, Excuse, Recording};
use crate::text;
use crate::thresholds::{self, Measured};
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{Plan, Quantiles};

const EVENTS_LISTED_MAX: usize = 200;
/// How notes begin that the summary has a line for.
pub(crate) const SATURATION_NOTE: &str = "saturation: ";
pub(crate) const VOLUMES_NOTE: &str = "volumes: ";

/// Said of violations that Kafka itself does not promise to prevent.
const BEYOND: &str = ", beyond what Kafka itself promises";

/// The published result of a run.
#[must_use]
pub fn build(
    plan_digest: &str,
    model_digest: &str,
    plan: &Plan,
    recording: &Recording,
) -> RunResult {
    let cost = cost::of_run(plan, &recording.transfer);
    let lost_records = recording.lost_records;
    let recoveries = recovery::rows(recording);
    let full = full::volumes(plan, recording);
    let longest_gap_reason = gap::reason(plan, recording, &full);
    let availability = Availability { longest_gap_reason, ..throughput::availability(recording) };
    let thresholds = thresholds::evaluate(Measured { plan, recording, cost: &cost, lost_records });
    RunResult {
        schema_version: RESULT_SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: ScenarioRef {
            name: plan.scenario.clone(),
            digest: plan.scenario_digest.clone(),
            question: plan.question.clone(),
            expect: plan.expect.clone(),
        },
        plan_digest: plan_digest.to_owned(),
        model_digest: model_digest.to_owned(),
        seed: plan.seed,
        event_hash: recording.event_hash.clone(),
        verdict: verdict(plan, recording, &thresholds, &full),
        thresholds,
        latency: latency::rows(recording),
        throughput: throughput::rows(recording),
        remote_storage: remote::of(recording),
        availability,
        recoveries,
        lost_records,
        resources: resources::rows(plan, recording),
        saturated_first: resources::saturated_first(plan, recording, &full),
        cluster_events: cluster_events(&recording.events),
        critical_path: critical_path::bands(recording),
        work: work::of(recording),
        checkers: checkers(recording),
        violations: violations(recording),
        cost,
        assumptions: assumptions(plan),
        validity_notes: validity_notes(plan, recording, &full),
        simulated: Simulated {
            seconds: Milli::seconds_from_ns(recording.sim_ns),
            events: recording.events_processed,
            interrupted: recording.interrupted,
        },
    }
}

/// A broken promise outranks an interruption, which outranks a missed threshold: what was cut
/// short may have missed it for that reason alone.
fn verdict(
    plan: &Plan,
    recording: &Recording,
    thresholds: &[ThresholdResult],
    full: &[Full],
) -> Verdict {
    let mut reasons = Vec::new();
    let violated: u64 = recording.checkers.iter().map(|checker| checker.violations).sum();
    let is_violated = violated > 0 || !recording.violations.is_empty();
    if is_violated {
        reasons.extend(violation_reasons(recording));
        reasons.extend(early::reasons(plan, recording));
    }
    if recording.interrupted {
        let seconds = Milli::seconds_from_ns(recording.sim_ns);
        reasons.push(format!("interrupted after {seconds} simulated seconds"));
    }
    let missed: Vec<&ThresholdResult> =
        thresholds.iter().filter(|threshold| !threshold.passed).collect();
    if is_violated || !missed.is_empty() {
        reasons.extend(full_reason(full));
    }
    reasons.extend(missed.iter().map(|threshold| missed_reason(threshold)));
    let (status, exit_code) = if is_violated {
        (Status::Violated, 8)
    } else if recording.interrupted {
        (Status::Interrupted, 130)
    } else if missed.is_empty() {
        (Status::Ok, 0)
    } else {
        (Status::ThresholdMissed, 4)
    };
    Verdict { status, exit_code, reasons }
}

/// The cause of what is broken or missed where the load has filled volumes.
fn full_reason(full: &[Full]) -> Option<String> {
    let full = full::sentence(full)?;
    Some(format!("{full}: a broker whose log directory fails halts"))
}

fn violation_reasons(recording: &Recording) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for checker in recording.checkers.iter().filter(|checker| checker.violations > 0) {
        counts.insert(&checker.name, checker.violations);
    }
    for violation in &recording.violations {
        counts.entry(&violation.checker).or_insert(1);
    }
    counts
        .into_iter()
        .map(|(name, count)| {
            let beyond = if is_excused(recording, name) { BEYOND } else { "" };
            format!("{name}: {}{beyond}", text::counted(count, "violation"))
        })
        .collect()
}

/// Whether Kafka itself promised none of what a checker found broken.
fn is_excused(recording: &Recording, checker: &str) -> bool {
    let mut found = recording.violations.iter().filter(|v| v.checker == checker).peekable();
    found.peek().is_some() && found.all(|violation| !violation.excused_by.is_empty())
}

fn missed_reason(threshold: &ThresholdResult) -> String {
    let ThresholdResult { metric, phase, text: limit, unit, .. } = threshold;
    match threshold.actual {
        Some(actual) => {
            format!("{metric} {limit}: measured {} in {phase}", text::with_unit(actual, unit))
        }
        None => format!("{metric} {limit}: no samples in {phase}"),
    }
}

fn cluster_events(events: &[ClusterEvent]) -> ClusterEvents {
    let mut by_kind: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        *by_kind.entry(event.kind.clone()).or_default() += 1;
    }
    ClusterEvents {
        total: events.len() as u64,
        by_kind,
        listed: events.iter().take(EVENTS_LISTED_MAX).map(event_row).collect(),
    }
}

/// An event as it stands in `result.json` and in a line of `events.jsonl`.
pub(crate) fn event_row(event: &ClusterEvent) -> EventRow {
    EventRow {
        at_s: Milli::seconds_from_ns(event.at_ns),
        kind: event.kind.clone(),
        node: event.node,
        partition: event.partition.clone(),
        detail: event.detail.clone(),
        until_s: event.until_ns.map(Milli::seconds_from_ns),
    }
}

fn checkers(recording: &Recording) -> Vec<CheckerResult> {
    let row = |checker: &crate::recording::CheckerSummary| CheckerResult {
        name: checker.name.clone(),
        promise: checker.promise.clone(),
        checked: checker.checked,
        violations: checker.violations,
    };
    recording.checkers.iter().map(row).collect()
}

fn violations(recording: &Recording) -> Vec<ViolationResult> {
    let row = |violation: &crate::recording::Violation| ViolationResult {
        checker: violation.checker.clone(),
        at_s: Milli::seconds_from_ns(violation.at_ns),
        partition: violation.partition.clone(),
        account: violation.account.clone(),
        excused_by: violation.excused_by.iter().map(excuse_row).collect(),
    };
    recording.violations.iter().map(row).collect()
}

fn excuse_row(excuse: &Excuse) -> ExcuseResult {
    ExcuseResult {
        at_s: Milli::seconds_from_ns(excuse.at_ns),
        node: excuse.node,
        event: excuse.event,
        detail: excuse.detail.clone(),
    }
}

/// What the recording says, quotas, and volumes: those that were full, and those that will be. Those of a
/// cluster that was only measured are not the plan's.
fn validity_notes(plan: &Plan, recording: &Recording, full: &[Full]) -> Vec<String> {
    let mut notes = quotas::waits(&recording.quota_waits);
    notes.extend_from_slice(&recording.assumptions);
    notes.extend(quotas::beyond_sustained(plan, recording));
    if !recording.event_hash.is_empty() {
        let full = full::sentence(full);
        notes.extend(full.map(|full| format!("{SATURATION_NOTE}{full}")));
        notes.extend(cost::shortage(plan).map(|shortage| format!("{VOLUMES_NOTE}{shortage}")));
    }
    notes
}

fn assumptions(plan: &Plan) -> Vec<Assumption> {
    let model = &plan.model;
    let mut rows: Vec<Assumption> = model
        .constants
        .iter()
        .map(|(name, constant)| Assumption {
            name: name.clone(),
            value: constant.value.to_string(),
            unit: constant.unit.clone(),
            source: constant.source.clone(),
            confidence: constant.confidence.clone(),
        })
        .collect();
    rows.extend([
        distribution("latency.same_az", &model.latency_same_az),
        distribution("latency.cross_az", &model.latency_cross_az),
        distribution("volume.read", &model.volume_read),
        distribution("volume.write", &model.volume_write),
    ]);
    rows
}

fn distribution(name: &str, quantiles: &Quantiles) -> Assumption {
    let points: Vec<String> = quantiles
        .points
        .iter()
        .map(|(ppm, ns)| format!("p{} {}", percent(*ppm), Milli::ms_from_ns(*ns)))
        .collect();
    Assumption {
        name: name.to_owned(),
        value: points.join(", "),
        unit: "ms".to_owned(),
        source: quantiles.source.clone(),
        confidence: quantiles.confidence.clone(),
    }
}

/// Parts per million as a percentile without trailing zeros: 999000 is 99.9.
fn percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn built(change: impl FnOnce(&mut Recording)) -> RunResult {
        let mut recording = testing::az_outage();
        change(&mut recording);
        build("plan", "model", &testing::plan(), &recording)
    }

    #[test]
    fn a_broken_promise_outranks_everything() {
        let result = built(|recording| {
            recording.interrupted = true;
            recording.violations = testing::violations();
        });
        assert_eq!((result.verdict.status, result.verdict.exit_code), (Status::Violated, 8));
        assert!(result.verdict.reasons.iter().any(|reason| reason.contains("interrupted")));
        assert!(result.is_interrupted() && !built(|_| {}).is_interrupted());
    }

    #[test]
    fn a_reason_says_when_kafka_itself_promises_nothing() {
        let reasons = |excused: bool| {
            let result = built(|recording| {
                recording.violations = testing::violations();
                let event = Some(0);
                let excuse = Excuse { at_ns: 1, node: 2, event, detail: "power".to_owned() };
                recording.violations[0].excused_by.extend(excused.then_some(excuse));
            });
            result.verdict.reasons.join("; ")
        };
        assert!(reasons(false).contains("no-acked-loss: 1 violation"));
        assert!(!reasons(false).contains(BEYOND) && reasons(true).contains(BEYOND));
    }

    #[test]
    fn an_interruption_outranks_a_missed_threshold() {
        let result = built(|recording| {
            recording.interrupted = true;
            recording.latency.clear();
        });
        assert_eq!((result.verdict.status, result.verdict.exit_code), (Status::Interrupted, 130));
    }

    #[test]
    fn a_threshold_without_samples_is_missed() {
        let result = built(|recording| recording.latency.clear());
        assert_eq!((result.verdict.status, result.verdict.exit_code), (Status::ThresholdMissed, 4));
        assert!(result.verdict.reasons[0].contains("no samples"), "{:?}", result.verdict.reasons);
    }

    #[test]
    fn a_loss_counts_whether_or_not_it_breaks_a_promise() {
        let result = built(|recording| recording.lost_records = 3);
        assert_eq!((result.lost_records, result.verdict.exit_code), (3, 4));
    }

    #[test]
    fn volumes_that_the_load_filled_are_a_cause() {
        let full = "volumes of brokers 1, 2 were full at t=70.7 s";
        let built = |lost_records| {
            let mut recording = testing::halting(&[(2, 70_698), (1, 70_701)]);
            recording.lost_records = lost_records;
            build("plan", "model", &testing::plan(), &recording)
        };
        let result = built(1);
        let reason = format!("{full}: a broker whose log directory fails halts");
        assert!(result.verdict.reasons.contains(&reason), "{:?}", result.verdict.reasons);
        assert!(result.validity_notes.contains(&format!("saturation: {full}")));
        let result = built(0);
        assert_eq!((result.verdict.exit_code, result.verdict.reasons.len()), (0, 0));
    }

    #[test]
    fn volumes_that_will_be_full_are_noted_of_a_simulation_alone() {
        let notes = |event_hash: &str| {
            let result = built(|recording| event_hash.clone_into(&mut recording.event_hash));
            result.validity_notes.join("\n")
        };
        assert!(notes("9f3a").contains("volumes: at the planned load the volumes are full after"));
        assert!(!notes("").contains("volumes: "));
    }

    #[test]
    fn percentiles_print_without_trailing_zeros() {
        assert_eq!(percent(999_000), "99.9");
        assert_eq!(percent(1_000_000), "100");
        assert_eq!(percent(0), "0");
    }
}
