//! Counts of latencies in log-linear buckets, as an HdrHistogram of three digits lays them out.
//!
//! Cheaper than the library's histogram where it matters: the bucket of a record is found once and
//! counted in the phase's and in the second's array. Values above the range are clamped and
//! counted as such.

use hdrhistogram::Histogram;

/// Resolution of the smallest buckets: 2^9 ns = 512 ns, the largest power of two below 1 µs.
const UNIT_BITS: u32 = 9;
/// 2^11 sub-buckets: three significant digits.
const SUB_BITS: u32 = 11;
const HALF: u64 = 1 << (SUB_BITS - 1);
/// Longest latency told apart, ns: an hour.
pub(crate) const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Shortest latency told apart by the published histograms, ns.
const LATENCY_NS_MIN: u64 = 1_000;
const BUCKETS: usize = bucket_of(LATENCY_NS_MAX) + 1;

/// Bucket of a value that is at most [`LATENCY_NS_MAX`].
#[inline]
pub(crate) const fn bucket_of(value_ns: u64) -> usize {
    Scale::of(value_ns).bucket_of(value_ns)
}

/// Values whose buckets are equally wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Bits of a value below its bucket.
    shift: u32,
    /// Bucket of 0, if the scale reached so far.
    zero: u64,
}

impl Scale {
    /// The scale of a value.
    #[inline]
    pub(crate) const fn of(value_ns: u64) -> Self {
        let units = value_ns >> UNIT_BITS;
        let coarser = (u64::BITS - units.leading_zeros()).saturating_sub(SUB_BITS);
        Self { shift: UNIT_BITS + coarser, zero: HALF * coarser as u64 }
    }

    /// Bucket of a value of this scale.
    #[inline]
    pub(crate) const fn bucket_of(self, value_ns: u64) -> usize {
        (self.zero + (value_ns >> self.shift)) as usize
    }
}

/// Smallest value of a bucket, ns; the library's `value_for`.
pub(crate) const fn value_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / HALF).saturating_sub(1);
    (bucket - HALF * shift) << shift << UNIT_BITS
}

/// Largest value of a bucket, ns.
const fn last_value_of(bucket: usize) -> u64 {
    value_of(bucket + 1) - 1
}

/// Counts by bucket. The array comes with the first record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
    /// Range of buckets hit: `low..high`.
    low: usize,
    high: usize,
}

impl Buckets {
    /// Adds records of one latency. `bucket` is the value's, found by the caller once.
    pub(crate) fn add(&mut self, value_ns: u64, bucket: usize, records: u64) {
        debug_assert_eq!(bucket, bucket_of(value_ns));
        if self.total == 0 {
            self.counts.resize(BUCKETS, 0);
            (self.low, self.high) = (bucket, bucket + 1);
        }
        self.counts[bucket] += records;
        self.total += records;
        self.max_ns = self.max_ns.max(value_ns);
        self.low = self.low.min(bucket);
        self.high = self.high.max(bucket + 1);
    }

    /// Adds a record for each bucket. All lie between those of two values, `lowest_ns` and
    /// `highest_ns`, and the latter is the largest value.
    #[inline]
    pub(crate) fn add_each(
        &mut self,
        (lowest_ns, highest_ns): (u64, u64),
        buckets: impl ExactSizeIterator<Item = usize>,
    ) {
        let (low, high) = (bucket_of(lowest_ns), bucket_of(highest_ns) + 1);
        if self.total == 0 {
            self.counts.resize(BUCKETS, 0);
            (self.low, self.high) = (low, high);
        }
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
        self.total += buckets.len() as u64;
        self.max_ns = self.max_ns.max(highest_ns);
        let counts = self.counts.as_mut_slice();
        for bucket in buckets {
            debug_assert!((low..high).contains(&bucket), "a bucket lies in the range announced");
            counts[bucket] += 1;
        }
    }

    /// Adds all records of another one.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if other.total == 0 {
            return;
        }
        if self.total == 0 {
            self.counts.resize(BUCKETS, 0);
            (self.low, self.high) = (other.low, other.high);
        }
        (self.low, self.high) = (self.low.min(other.low), self.high.max(other.high));
        let range = other.low..other.high;
        for (count, more) in self.counts[range.clone()].iter_mut().zip(&other.counts[range]) {
            *count += more;
        }
        self.total += other.total;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Records counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Largest value, ns.
    pub(crate) fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Empties it; costs only the range that was hit.
    pub(crate) fn clear(&mut self) {
        self.counts[self.low..self.high].fill(0);
        (self.total, self.max_ns, self.low, self.high) = (0, 0, 0, 0);
    }

    /// Buckets hit, with their counts, in rising order.
    pub(crate) fn hit(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        (self.low..self.high).map(|at| (at, self.counts[at])).filter(|&(_, count)| count > 0)
    }

    /// Values at rising percentiles, in parts per thousand: the largest value of the bucket that
    /// holds the record of rank `ceil(p x total)`, but never above the largest value seen.
    pub(crate) fn at_permille<const N: usize>(&self, permille: [u64; N]) -> [u64; N] {
        let mut values = [0; N];
        let (mut next, mut seen) = (0, 0);
        for (bucket, count) in self.hit() {
            seen += count;
            while next < N && seen >= (self.total * permille[next]).div_ceil(1_000).max(1) {
                values[next] = last_value_of(bucket).min(self.max_ns);
                next += 1;
            }
        }
        values
    }

    /// As the published histogram.
    pub(crate) fn to_histogram(&self) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3)
            .expect("the bounds are constants that the library takes");
        for (bucket, count) in self.hit() {
            histogram.saturating_record_n(value_of(bucket), count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_library() {
        let library = Histogram::<u64>::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3).unwrap();
        let mut value = 1;
        while value < LATENCY_NS_MAX {
            for near in [value - 1, value, value + 1, value + value / 3] {
                let near = near.min(LATENCY_NS_MAX);
                let bucket = bucket_of(near);
                assert_eq!(value_of(bucket), library.lowest_equivalent(near), "{near}");
                assert_eq!(last_value_of(bucket), library.highest_equivalent(near), "{near}");
            }
            value = value * 5 / 4 + 1;
        }
    }

    #[test]
    fn a_run_and_another_ones_records_count_as_they_do_one_by_one() {
        let values = [9_000_000, 7_000_000, 7_000_100, 512];
        let (mut one_by_one, mut run) = (Buckets::default(), Buckets::default());
        for value in values {
            one_by_one.add(value, bucket_of(value), 1);
        }
        run.add_each((512, 9_000_000), values.into_iter().map(bucket_of));
        assert_eq!(format!("{run:?}"), format!("{one_by_one:?}"));
        let mut sum = Buckets::default();
        sum.add_all(&run);
        sum.add_all(&Buckets::default());
        assert_eq!(format!("{sum:?}"), format!("{one_by_one:?}"));
        one_by_one.add(40_000_000, bucket_of(40_000_000), 3);
        let mut more = Buckets::default();
        more.add(40_000_000, bucket_of(40_000_000), 3);
        sum.add_all(&more);
        assert_eq!(format!("{sum:?}"), format!("{one_by_one:?}"));
    }

    #[test]
    fn percentiles_agree_with_the_library() {
        let mut buckets = Buckets::default();
        for index in 1..=10_000_u64 {
            let value = index * index * 37;
            buckets.add(value, bucket_of(value), 1 + index % 3);
        }
        let histogram = buckets.to_histogram();
        assert_eq!(histogram.len(), buckets.total());
        let [p50, p99, p999] = buckets.at_permille([500, 990, 999]);
        assert_eq!(p50, histogram.value_at_quantile(0.5));
        assert_eq!(p99, histogram.value_at_quantile(0.99));
        assert_eq!(p999, histogram.value_at_quantile(0.999));
        assert_eq!(buckets.max_ns(), 10_000 * 10_000 * 37);
    }

    #[test]
    fn clearing_leaves_nothing_behind() {
        let mut buckets = Buckets::default();
        buckets.add(5_000_000, bucket_of(5_000_000), 3);
        buckets.clear();
        assert_eq!((buckets.total(), buckets.hit().count()), (0, 0));
        buckets.add(1_000, bucket_of(1_000), 1);
        assert_eq!(buckets.at_permille([500, 1_000]), [1_000, 1_000]);
    }
}
