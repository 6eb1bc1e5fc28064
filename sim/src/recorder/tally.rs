//! Latencies of many records, counted by phase and by second.
//!
//! A record is counted once, in an array of its own for the current second. When the second ends,
//! the part of that array that was hit is added to the phase's and to the second's.

use super::buckets::{Buckets, LATENCY_NS_MAX, Scale, bucket_of};
use super::latency::Clamped;

/// Latencies of one kind, group and phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of the seconds that are over.
    counted: Buckets,
    /// Of the current second.
    fresh: Buckets,
}

impl Tally {
    /// Adds the latencies from rising intended times until `until_ns`.
    #[inline]
    pub(crate) fn add_until(
        &mut self,
        until_ns: u64,
        intended: impl ExactSizeIterator<Item = u64> + DoubleEndedIterator + Clone,
        clamped: &mut Clamped,
    ) {
        let mut ends = intended.clone();
        let Some(first_ns) = ends.next() else { return };
        let last_ns = ends.next_back().unwrap_or(first_ns);
        // Times rise, so latencies fall.
        let high_ns = until_ns.saturating_sub(first_ns).min(LATENCY_NS_MAX);
        let low_ns = until_ns.saturating_sub(last_ns).min(LATENCY_NS_MAX);
        let scale = Scale::of(low_ns);
        let in_range = (last_ns..=first_ns + LATENCY_NS_MAX).contains(&until_ns);
        let range = (low_ns, high_ns);
        if in_range && scale == Scale::of(high_ns) {
            let buckets = intended.map(|from_ns| scale.bucket_of(until_ns - from_ns));
            self.fresh.add_each(range, buckets);
        } else {
            let latencies = intended.map(|from_ns| clamped.between(from_ns, until_ns));
            self.fresh.add_each(range, latencies.map(bucket_of));
        }
    }

    /// A second ends, or the run: its records are added to `second` and to those counted.
    pub(crate) fn count(&mut self, second: &mut Buckets) {
        self.counted.add_all(&self.fresh);
        second.add_all(&self.fresh);
        self.fresh.clear();
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
    fn runs_count_as_records_do_one_by_one() {
        let (mut tally, mut second) = (Tally::default(), Buckets::default());
        let mut expected = Buckets::default();
        let mut clamped = Clamped::default();
        for batch in 0..1_000_u64 {
            let times: Vec<u64> =
                (0..7).map(|index| batch * 1_000 + index * (1 + batch % 50) * 3_000).collect();
            let until_ns = batch * 1_000 + 2_000_000 + batch * batch * 40;
            tally.add_until(until_ns, times.iter().copied(), &mut clamped);
            for from_ns in times {
                let latency_ns = until_ns.saturating_sub(from_ns);
                expected.add(latency_ns, bucket_of(latency_ns), 1);
            }
            if batch == 600 {
                assert_eq!(tally.counted().total(), 0, "the second is not over");
                tally.count(&mut second);
                assert_eq!(tally.counted().total(), 7 * 601);
            }
        }
        tally.count(&mut second);
        for buckets in [&second, tally.counted()] {
            assert!(buckets.hit().eq(expected.hit()));
            assert_eq!((buckets.total(), buckets.max_ns()), (7_000, expected.max_ns()));
        }
        tally.count(&mut second);
        assert_eq!(second.total(), 7_000);
    }

    #[test]
    fn what_is_beyond_the_range_is_clamped() {
        let (mut tally, mut second) = (Tally::default(), Buckets::default());
        let mut clamped = Clamped::default();
        let times = [5, 10, LATENCY_NS_MAX];
        let until_ns = LATENCY_NS_MAX + 9;
        tally.add_until(until_ns, times.into_iter(), &mut clamped);
        tally.add_until(3, [7].into_iter(), &mut clamped);
        tally.count(&mut second);
        let hit: Vec<_> = second.hit().collect();
        assert_eq!(hit.first(), Some(&(0, 2)));
        assert_eq!(hit.last(), Some(&(bucket_of(LATENCY_NS_MAX), 2)));
        assert_eq!((clamped.records, second.max_ns()), (1, LATENCY_NS_MAX));
    }
}
