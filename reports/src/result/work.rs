//! What the brokers' CPU time went to, and how large followers' fetches were: what says where a change
//! of a run comes from when no latency shows it.

use super::decimal::Milli;
use super::phase::Scope;
use super::types::{CpuShare, WorkResult};
use crate::recording::{BrokerSecond, Recording};

/// All brokers together, over the seconds of measure and heal; none when there are no such seconds.
pub(crate) fn of(recording: &Recording) -> Option<WorkResult> {
    let all: Vec<&BrokerSecond> =
        Scope::Measured.seconds(recording).flat_map(|second| &second.brokers).collect();
    let seconds = Scope::Measured.seconds(recording).count() as i128;
    let first = all.first()?;
    let sum = |of: fn(&BrokerSecond) -> u64| -> i128 {
        all.iter().map(|second| i128::from(of(second))).sum()
    };
    let cpu = (first.cpu_spent.parts().iter().enumerate())
        .map(|(at, (work, _))| {
            let ns: i128 = all.iter().map(|one| i128::from(one.cpu_spent.parts()[at].1)).sum();
            CpuShare { work: (*work).to_owned(), ms_per_s: Milli::ratio(ns, seconds * 1_000_000) }
        })
        .collect();
    let fetches = sum(|one| one.follower_fetches);
    let largest = all.iter().map(|one| one.follower_fetch_bytes_max).max().unwrap_or(0);
    Some(WorkResult {
        cpu,
        follower_fetches_per_s: Milli::ratio(fetches, seconds),
        follower_fetch_kib_avg: if fetches == 0 {
            Milli::ZERO
        } else {
            Milli::ratio(sum(|one| one.replication_out), fetches * 1024)
        },
        follower_fetch_kib_max: Milli::ratio(i128::from(largest), 1024),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{CpuSpent, Phase};
    use crate::testing;

    #[test]
    fn brokers_are_summed_up_and_seconds_averaged() {
        let mut recording = testing::empty_recording();
        assert_eq!(of(&recording), None);
        for (index, phase) in [(0, Phase::Warmup), (1, Phase::Measure), (2, Phase::Heal)] {
            let mut second = testing::empty_second(index, phase);
            let busy = BrokerSecond {
                cpu_spent: CpuSpent { produce_ns: 3_000_000, ..CpuSpent::default() },
                follower_fetches: 4,
                follower_fetch_bytes_max: 3072,
                replication_out: 8192,
                ..BrokerSecond::default()
            };
            second.brokers = vec![busy; 2];
            recording.seconds.push(second);
        }
        let work = of(&recording).unwrap();
        let produce = work.cpu.iter().find(|one| one.work == "produce").unwrap();
        assert_eq!(produce.ms_per_s.to_string(), "6.000");
        assert_eq!(work.follower_fetches_per_s.to_string(), "8.000");
        assert_eq!(work.follower_fetch_kib_avg.to_string(), "2.000");
        assert_eq!(work.follower_fetch_kib_max.to_string(), "3.000");
    }
}
