//! Latencies of many records, counted by phase and by second.
//!
//! A record's bucket goes into a list first, and the list is counted when it is long or its second
//! ends. The arrays of buckets are larger than the processor's nearest cache, so that records one by
//! one would wait for memory each; a list finds an array there.

use super::buckets::{Buckets, LATENCY_NS_MAX, Scale, bucket_of};
use super::latency::Clamped;

/// Records that wait in a list at most, give or take a batch.
const NOTED_MAX: usize = 2_048;

/// Latencies of one kind, group and phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counted: Buckets,
    /// Buckets of records that are not counted yet.
    noted: Vec<u16>,
    noted_max_ns: u64,
}

impl Tally {
    /// Adds the latencies from rising intended times until `until_ns`, to `second`, too.
    pub(crate) fn add_until(
        &mut self,
        until_ns: u64,
        intended: impl DoubleEndedIterator<Item = u64> + Clone,
        second: &mut Buckets,
        clamped: &mut Clamped,
    ) {
        let mut ends = intended.clone();
        let Some(first_ns) = ends.next() else { return };
        let last_ns = ends.next_back().unwrap_or(first_ns);
        // Times rise, so latencies fall.
        let high_ns = until_ns.saturating_sub(first_ns).min(LATENCY_NS_MAX);
        let low_ns = until_ns.saturating_sub(last_ns).min(LATENCY_NS_MAX);
        self.noted_max_ns = self.noted_max_ns.max(high_ns);
        let scale = Scale::of(low_ns);
        let in_range = (last_ns..=first_ns + LATENCY_NS_MAX).contains(&until_ns);
        if in_range && scale == Scale::of(high_ns) {
            self.noted.extend(intended.map(|from_ns| scale.bucket_of(until_ns - from_ns) as u16));
        } else {
            let latencies = intended.map(|from_ns| clamped.between(from_ns, until_ns));
            self.noted.extend(latencies.map(|latency_ns| bucket_of(latency_ns) as u16));
        }
        if self.noted.len() >= NOTED_MAX {
            self.count(second);
        }
    }

    /// Counts what is in the list; at the end of `second` at the latest.
    pub(crate) fn count(&mut self, second: &mut Buckets) {
        self.counted.add_list(&self.noted, self.noted_max_ns);
        second.add_list(&self.noted, self.noted_max_ns);
        self.noted.clear();
        self.noted_max_ns = 0;
    }

    /// What is counted: all, after [`Tally::count`].
    pub(crate) fn counted(&self) -> &Buckets {
        &self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_count_as_records_do_one_by_one() {
        let (mut tally, mut second) = (Tally::default(), Buckets::default());
        let mut expected = Buckets::default();
        let mut clamped = Clamped::default();
        for batch in 0..1_000_u64 {
            let times = (0..7).map(|index| batch * 1_000 + index * (1 + batch % 50) * 3_000);
            let until_ns = batch * 1_000 + 2_000_000 + batch * batch * 40;
            tally.add_until(until_ns, times.clone(), &mut second, &mut clamped);
            for from_ns in times {
                let latency_ns = until_ns.saturating_sub(from_ns);
                expected.add(latency_ns, bucket_of(latency_ns), 1);
            }
        }
        assert!(second.total() > 0, "a long list is counted");
        assert!(tally.counted().total() < 7_000, "the last list is not counted yet");
        tally.count(&mut second);
        assert_eq!(format!("{second:?}"), format!("{expected:?}"));
        assert_eq!(format!("{:?}", tally.counted()), format!("{expected:?}"));
        tally.count(&mut second);
        assert_eq!(second.total(), 7_000);
    }

    #[test]
    fn what_is_beyond_the_range_is_clamped() {
        let (mut tally, mut second) = (Tally::default(), Buckets::default());
        let mut clamped = Clamped::default();
        let times = [5, 10, LATENCY_NS_MAX];
        let until_ns = LATENCY_NS_MAX + 9;
        tally.add_until(until_ns, times.into_iter(), &mut second, &mut clamped);
        tally.add_until(3, [7].into_iter(), &mut second, &mut clamped);
        tally.count(&mut second);
        let hit: Vec<_> = second.hit().collect();
        assert_eq!(hit.first(), Some(&(0, 2)));
        assert_eq!(hit.last(), Some(&(bucket_of(LATENCY_NS_MAX), 2)));
        assert_eq!((clamped.records, second.max_ns()), (1, LATENCY_NS_MAX));
    }
}
