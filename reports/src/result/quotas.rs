//! What quotas of a service did to the run, a sentence for all brokers that suffer alike.

use super::decimal::Milli;
use super::phase::Scope;
use crate::recording::{BrokerSecond, QuotaOf, QuotaWait, Recording, Second};
use crate::text;
use stormglass_scenarios::plan::Plan;

/// How long brokers made clients wait, a note for producers and one for consumers.
pub(super) fn waits(all: &[QuotaWait]) -> Vec<String> {
    let note = |(of, whom): (QuotaOf, &str)| {
        let of_them: Vec<&QuotaWait> = all.iter().filter(|wait| wait.of == of).collect();
        let brokers = named(of_them.iter().map(|wait| wait.broker))?;
        let answers = range(of_them.iter().map(|wait| wait.answers))?;
        let each = range(of_them.iter().map(|wait| wait.wait_ms / wait.answers.max(1)))?;
        let noun = if answers == "1" { "answer" } else { "answers" };
        Some(format!(
            "quotas: {brokers} made {whom} wait after {answers} {noun}, {each} ms each on average"
        ))
    };
    let whom = [(QuotaOf::Producers, "producers"), (QuotaOf::Consumers, "consumers")];
    whom.into_iter().filter_map(note).collect()
}

/// Seconds in which brokers took or sent more than their service promises, a note for each direction.
pub(super) fn beyond_sustained(plan: &Plan, recording: &Recording) -> Vec<String> {
    let Some(limits) = &plan.cluster.limits else { return Vec::new() };
    let note = |what: &str, bound: Option<u64>, bytes: fn(&BrokerSecond) -> u64| {
        let bound = bound?;
        let over = |at: usize| {
            let of_broker = |second: &Second| second.brokers.get(at).map_or(0, bytes);
            let seconds = Scope::Measured.seconds(recording);
            seconds.filter(|second| of_broker(second) > bound).count() as u64
        };
        let counts = plan.cluster.brokers.iter().enumerate().map(|(at, node)| (node.id, over(at)));
        let beyond: Vec<(i32, u64)> = counts.filter(|(_, seconds)| *seconds > 0).collect();
        let brokers = named(beyond.iter().map(|(id, _)| *id))?;
        let seconds = range(beyond.iter().map(|(_, seconds)| *seconds))?;
        Some(format!(
            "quotas: {brokers} {what} more than the sustained {} MB/s in {seconds} s of the measured time: AWS \
             promises no undegraded performance there, and how much worse it gets is not simulated",
            text::short(Milli::mb_from_bytes(bound)),
        ))
    };
    let took = note("took", limits.in_sustained_bytes_per_sec, |broker| broker.bytes_in);
    let sent = note("sent", limits.out_sustained_bytes_per_sec, |broker| broker.bytes_out);
    took.into_iter().chain(sent).collect()
}

/// Brokers by their ids; none without any.
fn named(ids: impl Iterator<Item = i32>) -> Option<String> {
    let mut ids: Vec<i32> = ids.collect();
    ids.sort_unstable();
    (!ids.is_empty()).then(|| text::brokers(&ids))
}

/// A figure that all share, or from which to which they differ; none without any.
fn range(figures: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let (least, most) = (figures.clone().min()?, figures.max()?);
    Some(match least == most {
        true => text::grouped(most),
        false => format!("{} to {}", text::grouped(least), text::grouped(most)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Phase;
    use crate::testing;
    use stormglass_scenarios::plan::LimitsPlan;

    fn wait(of: QuotaOf, (broker, answers, wait_ms): (i32, u64, u64)) -> QuotaWait {
        QuotaWait { broker, of, answers, wait_ms }
    }

    #[test]
    fn brokers_that_suffer_alike_share_a_sentence() {
        let held =
            [(4, 3_407, 354_328), (1, 999, 103_896), (2, 3_569, 360_469), (3, 2_000, 206_000)];
        assert_eq!(
            waits(&held.map(|held| wait(QuotaOf::Producers, held))),
            [
                "quotas: brokers 1 to 4 made producers wait after 999 to 3,569 answers, 101 to 104 ms each \
              on average"
            ]
        );
    }

    #[test]
    fn producers_and_consumers_wait_apart_and_nobody_without_a_broker() {
        let all = [
            wait(QuotaOf::Consumers, (3, 1, 40)),
            wait(QuotaOf::Producers, (1, 20, 1_999)),
            wait(QuotaOf::Producers, (3, 20, 1_980)),
        ];
        assert_eq!(
            waits(&all),
            [
                "quotas: brokers 1, 3 made producers wait after 20 answers, 99 ms each on average",
                "quotas: broker 3 made consumers wait after 1 answer, 40 ms each on average",
            ]
        );
        assert!(waits(&[]).is_empty());
    }

    #[test]
    fn what_a_service_does_not_promise_is_told_by_direction() {
        let mut plan = testing::plan();
        plan.cluster.limits = Some(LimitsPlan {
            in_sustained_bytes_per_sec: Some(15_000_000),
            in_bytes_per_sec: None,
            out_sustained_bytes_per_sec: Some(30_000_000),
            out_bytes_per_sec: None,
            partition_in_bytes_per_sec: None,
            partition_out_bytes_per_sec: None,
            requests_per_sec: None,
            shared_by: None,
            source: String::new(),
        });
        let mut recording = testing::empty_recording();
        for index in 0..5 {
            let phase = if index == 0 { Phase::Warmup } else { Phase::Measure };
            let mut second = testing::empty_second(index, phase);
            // broker 1 is above in all seconds that count, broker 2 in two of them
            second.brokers = [16_000_000, if index < 3 { 16_000_000 } else { 15_000_000 }, 0]
                .map(|bytes_in| BrokerSecond { bytes_in, ..BrokerSecond::default() })
                .to_vec();
            recording.seconds.push(second);
        }
        let told = beyond_sustained(&plan, &recording);
        let begins = "quotas: brokers 1, 2 took more than the sustained 15.0 MB/s in 2 to 4 s of the measured time";
        assert!(told.len() == 1 && told[0].starts_with(begins), "{told:?}");
        plan.cluster.limits = None;
        assert!(beyond_sustained(&plan, &recording).is_empty());
    }
}
