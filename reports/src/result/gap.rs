//! Why the longest gap is as long as it is, as far as the recording and the clients' own timeouts
//! tell. Says nothing where it would have to guess.

use super::decimal::Milli;
use super::types::Recovery;
use crate::recording::{Recording, Unavailability};
use crate::text;
use stormglass_scenarios::plan::Plan;

const SECOND_NS: u64 = 1_000_000_000;
/// Shorter gaps need no reason.
const GAP_MIN_NS: u64 = 2 * SECOND_NS;
/// Clients find a new leader within this: metadata refresh, back-off, a connection.
const CLIENT_NS: u64 = 3 * SECOND_NS / 2;

/// A sentence without a full stop.
pub(crate) fn reason(
    plan: &Plan,
    recording: &Recording,
    recoveries: &[Recovery],
) -> Option<String> {
    let worst = recording
        .unavailability
        .iter()
        .max_by_key(|gap| (gap.longest_ns, std::cmp::Reverse(&gap.partition)))
        .filter(|gap| gap.longest_ns >= GAP_MIN_NS)?;
    let end_ns = worst.from_ns + worst.longest_ns;
    let fault = recoveries.iter().rev().find(|row| {
        let at_ns = ns(row.at_s);
        at_ns <= end_ns && at_ns <= worst.from_ns + SECOND_NS
    })?;
    let leaders = ns(fault.leaders_after_s?);
    let at_ns = ns(fault.at_s);
    if end_ns <= at_ns + leaders + CLIENT_NS {
        return Some(election(fault, leaders));
    }
    let timeout_ns = request_timeout_ns(plan, worst)?;
    if !(timeout_ns..=timeout_ns + 2 * SECOND_NS).contains(&(worst.longest_ns + SECOND_NS)) {
        return None;
    }
    let late = |gap: &&Unavailability| gap.from_ns + gap.longest_ns > at_ns + leaders + CLIENT_NS;
    let count = recording.unavailability.iter().filter(late).count() as u64;
    Some(format!(
        "{count} of {} outlasted the elections, which were over after {}: a request on its way to \
         a host without power is never answered, and its producer waits request.timeout.ms, {}, \
         before it sends again",
        text::counted(recording.unavailability.len() as u64, "partition"),
        text::duration(Milli::ms_from_ns(leaders)),
        text::duration(Milli::ms_from_ns(timeout_ns)),
    ))
}

fn election(fault: &Recovery, leaders_ns: u64) -> String {
    let leaders = text::duration(Milli::ms_from_ns(leaders_ns));
    match fault.detected_after_s {
        Some(after) => format!(
            "detection takes most of it: a broker was fenced after {}, its partitions had new \
             leaders after {leaders}",
            text::duration(Milli::ms_from_ns(ns(after)))
        ),
        None => format!("its leader moved; the last new leader stood after {leaders}"),
    }
}

fn ns(seconds: Milli) -> u64 {
    seconds.units().unsigned_abs() * 1_000_000
}

/// The longest `request.timeout.ms` among the producers of a partition's topic.
fn request_timeout_ns(plan: &Plan, gap: &Unavailability) -> Option<u64> {
    let (topic, _) = gap.partition.rsplit_once('-')?;
    plan.producers
        .iter()
        .filter(|producer| producer.topic == topic)
        .filter_map(|producer| producer.config.get("request.timeout.ms")?.parse::<u64>().ok())
        .max()
        .map(|ms| ms * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::super::recovery;
    use super::*;
    use crate::testing;

    fn of(longest_ns: u64) -> Option<String> {
        let mut plan = testing::plan();
        let timeout = ("request.timeout.ms".to_owned(), "30000".to_owned());
        plan.producers[0].config.extend([timeout]);
        let mut recording = testing::az_outage();
        recording.unavailability[0].longest_ns = longest_ns;
        reason(&plan, &recording, &recovery::rows(&recording))
    }

    #[test]
    fn a_gap_as_long_as_the_election_is_detection() {
        let reason = of(9_700_000_000).unwrap();
        assert!(reason.contains("most of it: a broker was fenced after 9.12 s"), "{reason}");
    }

    #[test]
    fn a_gap_as_long_as_the_clients_timeout_is_the_clients() {
        let reason = of(30_050_000_000).unwrap();
        assert!(reason.contains("1 of 20 partitions outlasted the elections"), "{reason}");
        assert!(reason.contains("request.timeout.ms, 30.0 s"), "{reason}");
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        assert_eq!(of(20_000_000_000), None);
        let recording = testing::empty_recording();
        assert_eq!(reason(&testing::plan(), &recording, &[]), None);
    }
}
