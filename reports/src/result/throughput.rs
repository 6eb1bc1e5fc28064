//! Rates per phase and availability, from the timeline.

use super::decimal::Milli;
use super::phase::{PHASES, Scope};
use super::types::{Availability, PartitionGap, Rate, ThroughputRow};
use crate::recording::{Recording, Second, Unavailability};
use std::cmp::Reverse;

const WORST_PARTITIONS_MAX: usize = 10;

/// Rates over measure and heal together, then per phase that has seconds. Bytes are keys and values before
/// compression; consumed ones are those of all groups together.
pub(crate) fn rows(recording: &Recording) -> Vec<ThroughputRow> {
    std::iter::once(Scope::Measured)
        .chain(PHASES.into_iter().map(Scope::Only))
        .filter_map(|scope| row(recording, scope))
        .collect()
}

fn row(recording: &Recording, scope: Scope) -> Option<ThroughputRow> {
    let seconds: Vec<&Second> = scope.seconds(recording).collect();
    if seconds.is_empty() {
        return None;
    }
    Some(ThroughputRow {
        phase: scope.name().to_owned(),
        seconds: seconds.len() as u64,
        offered: rate(&seconds, |second| (second.offered_records, second.offered_bytes)),
        acked: rate(&seconds, |second| (second.acked_records, second.acked_bytes)),
        consumed: rate(&seconds, |second| (second.end_to_end.count, second.consumed_bytes)),
    })
}

fn rate(seconds: &[&Second], of: impl Fn(&Second) -> (u64, u64)) -> Rate {
    let (mut records, mut bytes, mut records_max, mut bytes_max) = (0_i128, 0_i128, 0, 0);
    for second in seconds {
        let (second_records, second_bytes) = of(second);
        records += i128::from(second_records);
        bytes += i128::from(second_bytes);
        records_max = records_max.max(second_records);
        bytes_max = bytes_max.max(second_bytes);
    }
    let count = seconds.len() as i128;
    Rate {
        records_per_s_avg: Milli::ratio(records, count),
        records_per_s_max: records_max,
        mb_per_s_avg: Milli::ratio(bytes, count * 1_000_000),
        mb_per_s_max: Milli::mb_from_bytes(bytes_max),
    }
}

/// Gaps and failures in measure and heal.
pub(crate) fn availability(recording: &Recording) -> Availability {
    let seconds = Scope::Measured.seconds(recording);
    let sum = |of: fn(&Second) -> u64| seconds.clone().map(of).sum::<u64>();
    let acked_records = sum(|second| second.acked_records);
    let failed_records = sum(|second| second.failed_records);
    let under_replicated =
        |second: &&Second| second.brokers.iter().any(|broker| broker.under_replicated > 0);
    Availability {
        offered_records: sum(|second| second.offered_records),
        acked_records,
        failed_records,
        failed_percent: Milli::ratio(
            i128::from(failed_records) * 100,
            i128::from(acked_records) + i128::from(failed_records),
        ),
        unresolved_records: Some(recording.unresolved_records).filter(|records| *records > 0),
        seconds_with_offline_partitions: sum(|second| u64::from(second.offline_partitions > 0)),
        seconds_with_under_replicated: seconds.clone().filter(under_replicated).count() as u64,
        longest_gap_reason: None,
        worst_partitions: worst_partitions(recording),
    }
}

fn worst_partitions(recording: &Recording) -> Vec<PartitionGap> {
    let mut gaps: Vec<&Unavailability> = recording.unavailability.iter().collect();
    gaps.sort_by_key(|gap| (Reverse(gap.longest_ns), &gap.partition));
    gaps.truncate(WORST_PARTITIONS_MAX);
    let row = |gap: &Unavailability| PartitionGap {
        partition: gap.partition.clone(),
        longest_ms: Milli::ms_from_ns(gap.longest_ns),
        from_s: Milli::seconds_from_ns(gap.from_ns),
    };
    gaps.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Phase;
    use crate::testing;

    #[test]
    fn rates_are_means_and_maxima_of_the_phase() {
        let mut recording = testing::empty_recording();
        for (index, phase, bytes) in [
            (0, Phase::Warmup, 900_000_000),
            (1, Phase::Measure, 10_000_000),
            (2, Phase::Heal, 20_000_000),
        ] {
            let mut second = testing::empty_second(index, phase);
            second.acked_bytes = bytes;
            second.acked_records = bytes / 1000;
            recording.seconds.push(second);
        }
        let rows = rows(&recording);
        assert_eq!(rows[0].phase, "measure+heal");
        assert_eq!(rows[0].acked.mb_per_s_avg.to_string(), "15.000");
        assert_eq!(rows[0].acked.records_per_s_max, 20_000);
        assert_eq!(rows[1].phase, "warmup");
        assert_eq!(rows.len(), 4, "no drain seconds, no drain row");
    }

    #[test]
    fn the_worst_gaps_come_first_and_are_few() {
        let mut recording = testing::az_outage();
        recording.unavailability.reverse();
        let worst = worst_partitions(&recording);
        assert_eq!((worst[0].partition.as_str(), worst.len()), ("orders-0", 10));
        assert!(worst.is_sorted_by_key(|gap| Reverse(gap.longest_ms)));
    }

    #[test]
    fn the_failed_share_counts_finished_records_only() {
        let mut recording = testing::empty_recording();
        let mut second = testing::empty_second(0, Phase::Measure);
        (second.offered_records, second.acked_records, second.failed_records) = (500, 99, 1);
        recording.seconds.push(second);
        assert_eq!(availability(&recording).failed_percent.to_string(), "1.000");
        assert_eq!(availability(&recording).unresolved_records, None);
        recording.unresolved_records = 400;
        assert_eq!(availability(&recording).unresolved_records, Some(400));
    }
}
