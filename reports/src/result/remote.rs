//! Remote storage in the result.

use super::{Milli, RemoteStorage};
use crate::recording::{BrokerSecond, Recording};

const MB: i128 = 1_000_000;
const GB: i128 = 1_000_000_000;

/// What went there and came from there.
pub(super) fn of(recording: &Recording) -> Option<RemoteStorage> {
    let totals = recording.remote.as_ref()?;
    let measured = || {
        let seconds = recording.seconds.iter();
        seconds.filter(|second| second.phase.is_measured())
    };
    let rates = |of: fn(&BrokerSecond) -> u64| {
        let bytes: Vec<i128> = measured()
            .map(|second| second.brokers.iter().map(|broker| i128::from(of(broker))).sum())
            .collect();
        let mean = bytes.iter().sum::<i128>();
        let count = bytes.len().max(1) as i128;
        let most = bytes.into_iter().max().unwrap_or(0);
        (Milli::ratio(mean, count * MB), Milli::ratio(most, MB))
    };
    let (copied_mb_per_s, copied_mb_per_s_max) = rates(|broker| broker.remote_copied);
    let (fetched_mb_per_s, fetched_mb_per_s_max) = rates(|broker| broker.remote_fetched);
    let gb = |bytes: u64| Milli::ratio(i128::from(bytes), GB);
    Some(RemoteStorage {
        stored_gb: gb(totals.stored_bytes),
        copied_mb_per_s,
        copied_mb_per_s_max,
        fetched_mb_per_s,
        fetched_mb_per_s_max,
        copied_gb: gb(totals.put_bytes),
        fetched_gb: gb(totals.get_bytes),
        puts: totals.puts,
        gets: totals.gets,
        slow_downs: totals.rejected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::RemoteTotals;
    use crate::testing;

    #[test]
    fn rates_are_means_over_measure_and_heal_of_all_brokers() {
        let mut recording = testing::az_outage();
        assert_eq!(of(&recording), None, "no topic has it");
        recording.remote =
            Some(RemoteTotals { stored_bytes: 2_500_000_000, rejected: 7, ..Default::default() });
        for second in &mut recording.seconds {
            second.brokers.iter_mut().for_each(|broker| broker.remote_copied = 2_000_000);
        }
        recording.seconds[40].brokers[0].remote_copied += 3_000_000;
        let remote = of(&recording).unwrap();
        assert_eq!((remote.stored_gb.to_string().as_str(), remote.slow_downs), ("2.500", 7));
        assert_eq!(remote.copied_mb_per_s_max.to_string(), "9.000");
        assert!(remote.copied_mb_per_s > Milli::ratio(6, 1));
        assert_eq!(remote.fetched_mb_per_s, Milli::ZERO);
    }
}
