//! A run that ended before the cluster and its clients were through: which phase is too short, and
//! by how much. The promise that all is read in the end is broken then, though nothing is wrong.

use super::decimal::Milli;
use super::gap::hit::hits;
use crate::recording::{BrokerSecond, GroupSecond, Phase, Recording, Second};
use crate::text;
use stormglass_scenarios::plan::Plan;

/// The promise that a run which is too short breaks.
const CHECKER: &str = "everything-consumed";
/// Seconds at the end that show how fast a group reads.
const LAST_SECONDS: usize = 5;
const SECOND_NS: u64 = 1_000_000_000;
/// A broker whose process runs needs about so long until it is in sync again, ns.
const JOIN_NS: u64 = 5 * SECOND_NS;
const CATCH_UP_BYTES: u64 = 1_000_000;

/// A sentence for each group that still read, and each broker that was not back yet.
pub(super) fn reasons(plan: &Plan, recording: &Recording) -> Vec<String> {
    let is_broken = recording.checkers.iter().any(|one| one.name == CHECKER && one.violations > 0);
    let Some(last) = recording.seconds.last().filter(|_| is_broken && !recording.interrupted)
    else {
        return Vec::new();
    };
    let groups = plan.consumers.iter().enumerate();
    let mut all: Vec<String> =
        groups.filter_map(|(at, one)| group(&one.group, at, &recording.seconds)).collect();
    let brokers = plan.cluster.brokers.iter().zip(&last.brokers);
    let away = brokers.filter(|(_, gauges)| !gauges.up).map(|(node, _)| node.id);
    all.extend(away.filter_map(|node| broker(plan, node, recording.sim_ns)));
    let all_up = last.phase == Phase::Drain && last.brokers.iter().all(|one| one.up);
    if all_up && last.brokers.iter().any(is_behind) {
        let sentence = "replicas were still catching up: heal or drain must be longer";
        all.push(sentence.to_owned());
    }
    all.into_iter().map(|sentence| format!("the run ended too early: {sentence}")).collect()
}

/// Whether followers of a leader are behind, and it sends them what they miss: more in a second of
/// the drain than positions of groups come to.
fn is_behind(broker: &BrokerSecond) -> bool {
    broker.under_replicated > 0 && broker.replication_out >= CATCH_UP_BYTES
}

/// A group that has records left, and gets on.
fn group(name: &str, at: usize, seconds: &[Second]) -> Option<String> {
    let of = |second: &Second| second.groups.get(at).cloned();
    let tail = &seconds[seconds.len().saturating_sub(LAST_SECONDS + 1)..];
    let groups: Vec<GroupSecond> = tail.iter().filter_map(of).collect();
    let (first, last) = (groups.first()?, groups.last()?);
    let steps = groups.len() as u64 - 1;
    if last.sum_lag == 0 || groups.iter().all(|one| one.bytes == 0) {
        return None;
    }
    let left = text::counted(last.sum_lag, "record");
    let gained = first.sum_lag.saturating_sub(last.sum_lag);
    if gained == 0 || steps == 0 {
        // Nothing is produced in the drain: who reads there and gets nowhere has another trouble.
        let drains = tail.last().is_some_and(|second| second.phase == Phase::Drain);
        return (!drains).then(|| {
            format!("group {name} was still reading, with {left} to go: drain must be longer")
        });
    }
    let more_s = last.sum_lag.saturating_mul(steps).div_ceil(gained);
    Some(format!(
        "group {name} was still reading, {} a second nearer to the end, with {left} to go: \
         drain must be about {} s longer",
        text::counted(gained / steps, "record"),
        text::grouped(more_s)
    ))
}

/// A broker whose faults are over, and that is on its way up.
fn broker(plan: &Plan, node: i32, sim_ns: u64) -> Option<String> {
    let last =
        hits(plan, node).filter(|hit| hit.ends_ns <= sim_ns).max_by_key(|hit| hit.ends_ns)?;
    let ready_ns = last.ends_ns.saturating_add(last.boot_ns(plan)?).saturating_add(JOIN_NS);
    let more_s = ready_ns.checked_sub(sim_ns).filter(|ns| *ns > 0)?.div_ceil(SECOND_NS);
    let since = text::short_seconds(Milli::seconds_from_ns(last.ends_ns));
    Some(format!(
        "broker {node}, which {} until t={since} s, was still on its way up: heal or drain must be \
         at least {more_s} s longer",
        last.predicate()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::CheckerSummary;
    use crate::testing;

    /// The made-up outage, cut after so many seconds, with the promise broken.
    fn cut(seconds: usize) -> (Plan, Recording) {
        let mut recording = testing::az_outage();
        recording.seconds.truncate(seconds);
        recording.sim_ns = seconds as u64 * SECOND_NS;
        recording.checkers.push(CheckerSummary {
            name: CHECKER.to_owned(),
            promise: String::new(),
            checked: 1,
            violations: 1,
        });
        (testing::plan(), recording)
    }

    fn lags(recording: &mut Recording, lags: &[u64]) {
        let from = recording.seconds.len() - lags.len();
        for (second, lag) in recording.seconds[from..].iter_mut().zip(lags) {
            (second.groups[0].sum_lag, second.groups[0].bytes) = (*lag, 1);
            second.groups[1].sum_lag = 0;
        }
    }

    #[test]
    fn a_group_that_gets_on_needs_a_longer_drain() {
        let (plan, mut recording) = cut(200);
        lags(&mut recording, &[1_500, 1_400, 1_300, 1_200, 1_100, 1_000]);
        let expected = "the run ended too early: group billing was still reading, 100 records a \
                        second nearer to the end, with 1,000 records to go: drain must be about \
                        10 s longer";
        assert_eq!(reasons(&plan, &recording), [expected]);
        for second in &mut recording.seconds {
            second.groups[0].bytes = 0;
        }
        assert_eq!(reasons(&plan, &recording), Vec::<String>::new(), "it stands still");
    }

    #[test]
    fn a_host_that_boots_needs_a_longer_heal() {
        let (mut plan, mut recording) = cut(130);
        let mut boot = plan.model.constants["disk.writeback_interval_ns"].clone();
        boot.value = 60_000_000_000;
        plan.model.constants.insert("node.host_boot_ns".to_owned(), boot);
        lags(&mut recording, &[0, 0, 0, 0, 0, 0]);
        recording.seconds[129].brokers[0].up = false;
        let expected = "the run ended too early: broker 1, which lost power with AZ a until \
                        t=120 s, was still on its way up: heal or drain must be at least \
                        55 s longer";
        assert_eq!(reasons(&plan, &recording), [expected]);
    }

    #[test]
    fn a_promise_that_holds_needs_no_reason() {
        let (plan, mut recording) = cut(200);
        lags(&mut recording, &[1_500, 1_000]);
        recording.checkers.clear();
        assert_eq!(reasons(&plan, &recording), Vec::<String>::new());
    }
}
