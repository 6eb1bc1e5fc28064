//! The timeline: counters of the current second, and the seconds that are over.
//!
//! What was offered in a second is counted from the intended times of records when their outcome is
//! known, so it is complete only at the end of the run.

use super::buckets::{Buckets, value_of};
use super::collect::SecondGauges;
use super::delivery::Delivery;
use super::failures::Failures;
use crate::client::BatchDone;
use stormglass_reports::recording::{GroupSecond, Interval, Second, SecondLatency};

const NS_PER_SECOND: u64 = 1_000_000_000;
/// Intervals merge 2^3 buckets: under 0.8 % apart, and an hour of them stays small.
const INTERVAL_MERGE: usize = 8;

/// Counters of the current second.
#[derive(Debug, Default)]
pub(crate) struct Current {
    /// Response latency of records acknowledged.
    pub(crate) response: Buckets,
    /// End-to-end latency of records delivered.
    pub(crate) end_to_end: Buckets,
    /// Records acknowledged.
    pub(crate) acked_records: u64,
    /// Bytes acknowledged, keys and values before compression.
    pub(crate) acked_bytes: u64,
    /// Records failed for good.
    pub(crate) failed: Failures,
    /// Bytes delivered by consumer group, keys and values before compression.
    group_bytes: Vec<u64>,
}

/// Seconds so far.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// The second that is running.
    pub(crate) current: Current,
    done: Vec<Second>,
    intervals: Vec<Interval>,
    /// Records that failed in measure and heal.
    failures: Failures,
    /// Records and bytes intended, by second.
    offered: Vec<(u64, u64)>,
}

impl Timeline {
    pub(crate) fn new(groups: usize) -> Self {
        let current = Current { group_bytes: vec![0; groups], ..Current::default() };
        Self { current, ..Self::default() }
    }

    /// Of what records failed in measure and heal, in a sentence, if any did.
    pub(crate) fn failures(&self) -> Option<String> {
        self.failures.note()
    }

    /// The second that is running.
    pub(crate) fn second(&self) -> usize {
        self.done.len()
    }

    /// A group gets something.
    pub(crate) fn delivered(&mut self, delivery: &Delivery) {
        self.current.group_bytes[delivery.consumer] += delivery.bytes;
    }

    /// What a group got was so many bytes, not those that were counted in its second.
    pub(crate) fn correct(&mut self, of: &Delivery, bytes: u64) {
        let correct = |counted: &mut u64| *counted = *counted + bytes - of.bytes;
        match self.done.get_mut(of.second) {
            Some(second) => {
                correct(&mut second.groups[of.consumer].bytes);
                correct(&mut second.consumed_bytes);
            }
            None => correct(&mut self.current.group_bytes[of.consumer]),
        }
    }

    /// Counts intended records of a batch whose outcome is known.
    pub(crate) fn offered_batch(&mut self, done: &BatchDone) {
        self.offered_run(&done.records, |times| times.intended_ns, done.raw_bytes);
    }

    /// Counts intended records, whose times rise.
    pub(crate) fn offered_run<T>(&mut self, records: &[T], intended_ns: fn(&T) -> u64, bytes: u64) {
        let Some((first, last)) = records.first().zip(records.last()) else { return };
        let total = records.len() as u64;
        let mut bytes_left = bytes;
        let second_of = |intended_ns: u64| intended_ns / NS_PER_SECOND;
        if second_of(intended_ns(first)) == second_of(intended_ns(last)) {
            return self.offered(intended_ns(first), total, bytes_left);
        }
        let runs = records.chunk_by(|a, b| second_of(intended_ns(a)) == second_of(intended_ns(b)));
        let mut records_left = total;
        for run in runs {
            let records = run.len() as u64;
            let bytes = bytes_left * records / records_left;
            self.offered(intended_ns(&run[0]), records, bytes);
            bytes_left -= bytes;
            records_left -= records;
        }
    }

    /// Counts intended records.
    pub(crate) fn offered(&mut self, intended_ns: u64, records: u64, bytes: u64) {
        let second = usize::try_from(intended_ns / NS_PER_SECOND).expect("seconds fit in memory");
        if self.offered.len() <= second {
            self.offered.resize(second + 1, (0, 0));
        }
        self.offered[second].0 += records;
        self.offered[second].1 += bytes;
    }

    /// The second is over.
    pub(crate) fn end(&mut self, gauges: SecondGauges) {
        let SecondGauges { index, phase, brokers, lags, offline_partitions, controller } = gauges;
        assert_eq!(index as usize, self.done.len(), "the timeline has no gaps");
        let current = &mut self.current;
        let groups = current.group_bytes.iter_mut().enumerate().map(|(group, counted)| {
            let (sum_lag, max_lag) = lags.get(group).copied().unwrap_or_default();
            GroupSecond { sum_lag, max_lag, bytes: std::mem::take(counted) }
        });
        let groups: Vec<GroupSecond> = groups.collect();
        let failed = std::mem::take(&mut current.failed);
        let failed_records = failed.total();
        if phase.is_measured() {
            self.failures.add(failed);
        }
        self.intervals.push(Interval { index, counts: interval_counts(&current.response) });
        self.done.push(Second {
            index,
            phase,
            offered_records: 0,
            offered_bytes: 0,
            acked_records: std::mem::take(&mut current.acked_records),
            acked_bytes: std::mem::take(&mut current.acked_bytes),
            failed_records,
            consumed_bytes: groups.iter().map(|group| group.bytes).sum(),
            offline_partitions,
            controller,
            response: take_latency(&mut current.response),
            end_to_end: take_latency(&mut current.end_to_end),
            brokers,
            groups,
        });
    }

    /// The timeline with what was offered, and the intervals.
    pub(crate) fn finish(mut self) -> (Vec<Second>, Vec<Interval>) {
        for (second, (records, bytes)) in self.done.iter_mut().zip(self.offered) {
            (second.offered_records, second.offered_bytes) = (records, bytes);
        }
        (self.done, self.intervals)
    }
}

fn take_latency(buckets: &mut Buckets) -> SecondLatency {
    let [p50_ns, p99_ns, p999_ns] = buckets.at_permille([500, 990, 999]);
    let (count, max_ns) = (buckets.total(), buckets.max_ns());
    buckets.clear();
    SecondLatency { count, p50_ns, p99_ns, p999_ns, max_ns }
}

fn interval_counts(buckets: &Buckets) -> Vec<(u64, u64)> {
    let mut counts: Vec<(u64, u64)> = Vec::new();
    for (bucket, count) in buckets.hit() {
        let value = value_of(bucket - bucket % INTERVAL_MERGE);
        match counts.last_mut() {
            Some((last, sum)) if *last == value => *sum += count,
            _ => counts.push((value, count)),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::buckets::bucket_of;
    use super::*;
    use crate::recorder::testing::{batch_done, tp};
    use stormglass_reports::recording::Phase;

    fn gauges(index: u32) -> SecondGauges {
        SecondGauges {
            index,
            phase: Phase::Measure,
            brokers: Vec::new(),
            lags: vec![(10, 7)],
            offline_partitions: 2,
            controller: Some(10_001),
        }
    }

    fn delivery(second: usize, bytes: u64) -> Delivery {
        Delivery { consumer: 0, first: 0, count: 1, at_ns: 0, second, bytes }
    }

    #[test]
    fn counters_start_afresh_each_second() {
        let mut timeline = Timeline::new(1);
        timeline.current.acked_records = 5;
        timeline.delivered(&delivery(0, 99));
        timeline.current.response.add(2_000_000, bucket_of(2_000_000), 5);
        timeline.end(gauges(0));
        timeline.end(gauges(1));
        let (seconds, intervals) = timeline.finish();
        assert_eq!((seconds[0].acked_records, seconds[1].acked_records), (5, 0));
        assert_eq!((seconds[0].consumed_bytes, seconds[0].groups[0].max_lag), (99, 7));
        assert_eq!((seconds[0].response.count, seconds[0].response.max_ns), (5, 2_000_000));
        assert_eq!(seconds[1].response, SecondLatency::default());
        assert_eq!(intervals[0].counts.iter().map(|(_, count)| count).sum::<u64>(), 5);
        assert!(intervals[0].counts[0].0.abs_diff(2_000_000) < 16_000);
        assert!(intervals[1].counts.is_empty());
    }

    #[test]
    fn what_was_not_known_yet_is_put_right_in_its_own_second() {
        let mut timeline = Timeline::new(1);
        timeline.delivered(&delivery(0, 99));
        timeline.end(gauges(0));
        assert_eq!(timeline.second(), 1);
        timeline.correct(&delivery(0, 99), 90);
        timeline.delivered(&delivery(1, 10));
        timeline.correct(&delivery(1, 10), 12);
        timeline.end(gauges(1));
        let (seconds, _) = timeline.finish();
        let bytes = seconds.iter().map(|second| (second.consumed_bytes, second.groups[0].bytes));
        assert_eq!(bytes.collect::<Vec<_>>(), [(90, 90), (12, 12)]);
    }

    #[test]
    fn offered_records_count_in_the_second_in_which_they_were_intended() {
        let mut timeline = Timeline::new(0);
        let intended = [NS_PER_SECOND - 1, NS_PER_SECOND, NS_PER_SECOND + 5];
        timeline.offered_batch(&batch_done(tp(0), 1, &intended, 5 * NS_PER_SECOND));
        for index in 0..3 {
            timeline.end(SecondGauges { lags: Vec::new(), ..gauges(index) });
        }
        let (seconds, _) = timeline.finish();
        let offered: Vec<_> =
            seconds.iter().map(|second| (second.offered_records, second.offered_bytes)).collect();
        assert_eq!(offered, [(1, 100), (2, 200), (0, 0)]);
    }
}
