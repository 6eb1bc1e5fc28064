//! Counts of latencies in log-linear buckets, as an HdrHistogram of three digits lays them out.
//!
//! Cheaper than the library's histogram where it matters: the bucket of a record is found once and
//! counted in the phase's and in the second's array. Values above the range are clamped and
//! counted as such.

use hdrhistogram::Histogram;
use std::ops::Range;

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

/// Buckets that are visited or left out together.
const GROUP: usize = 64;
const GROUPS: usize = BUCKETS.div_ceil(GROUP);
/// Groups in a word of the map of those that were hit.
const WORD: usize = u64::BITS as usize;

/// Counts by bucket. The array comes with the first record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
    /// A bit for each group that may have been hit. Of the many groups a second hits few, and they
    /// lie far apart when some records wait for a fault to end.
    groups: [u64; GROUPS.div_ceil(WORD)],
}

impl Buckets {
    /// Adds records of one latency. `bucket` is the value's, found by the caller once.
    pub(crate) fn add(&mut self, value_ns: u64, bucket: usize, records: u64) {
        debug_assert_eq!(bucket, bucket_of(value_ns));
        self.touch(bucket, bucket);
        self.counts[bucket] += records;
        self.total += records;
        self.max_ns = self.max_ns.max(value_ns);
    }

    /// Adds a record for each bucket. All lie between those of two values, `lowest_ns` and
    /// `highest_ns`, and the latter is the largest value.
    #[inline]
    pub(crate) fn add_each(
        &mut self,
        (lowest_ns, highest_ns): (u64, u64),
        buckets: impl ExactSizeIterator<Item = usize>,
    ) {
        let (low, high) = (bucket_of(lowest_ns), bucket_of(highest_ns));
        self.touch(low, high);
        self.total += buckets.len() as u64;
        self.max_ns = self.max_ns.max(highest_ns);
        let counts = self.counts.as_mut_slice();
        for bucket in buckets {
            debug_assert!((low..=high).contains(&bucket), "a bucket lies in the range announced");
            counts[bucket] += 1;
        }
    }

    /// Adds all records of another one.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for group in other.touched() {
            self.touch(group.start, group.start);
            for (count, more) in self.counts[group.clone()].iter_mut().zip(&other.counts[group]) {
                *count += more;
            }
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

    /// Empties it; costs only the groups that were hit.
    pub(crate) fn clear(&mut self) {
        for group in touched(self.groups) {
            self.counts[group].fill(0);
        }
        (self.total, self.max_ns) = (0, 0);
        self.groups = Default::default();
    }

    /// Buckets hit, with their counts, in rising order.
    pub(crate) fn hit(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let buckets = self.touched().flatten().map(|at| (at, self.counts[at]));
        buckets.filter(|&(_, count)| count > 0)
    }

    /// Groups that may have been hit, in rising order.
    fn touched(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        touched(self.groups)
    }

    /// Records may be added to the buckets from `low` to `high`, both included.
    #[inline]
    fn touch(&mut self, low: usize, high: usize) {
        if self.counts.is_empty() {
            self.counts = vec![0; GROUPS * GROUP];
        }
        let (first, last) = (low / GROUP, high / GROUP);
        for word in first / WORD..=last / WORD {
            let from = if word == first / WORD { first % WORD } else { 0 };
            let upto = if word == last / WORD { last % WORD } else { WORD - 1 };
            self.groups[word] |= u64::MAX << from & u64::MAX >> (WORD - 1 - upto);
        }
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

/// Buckets of the groups whose bit is set, group by group.
fn touched(groups: [u64; GROUPS.div_ceil(WORD)]) -> impl Iterator<Item = Range<usize>> {
    let bits = (0..).zip(groups).flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros() as usize;
            bits &= bits.checked_sub(1)?;
            Some(word * WORD + bit)
        })
    });
    bits.map(|group| group * GROUP..(group + 1) * GROUP)
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

    fn all_of(buckets: &Buckets) -> (u64, u64, Vec<(usize, u64)>) {
        (buckets.total(), buckets.max_ns(), buckets.hit().collect())
    }

    #[test]
    fn groups_far_apart_are_found_again() {
        let mut buckets = Buckets::default();
        let values = [0, 40_000, 40_000_000, 40_000_000_000, LATENCY_NS_MAX];
        for value in values {
            buckets.add(value, bucket_of(value), 2);
        }
        let expected = values.map(|value| (bucket_of(value), 2)).to_vec();
        assert_eq!(all_of(&buckets), (10, LATENCY_NS_MAX, expected));
        let mut wide = Buckets::default();
        wide.add_each((0, LATENCY_NS_MAX), values.into_iter().map(bucket_of));
        assert_eq!(wide.hit().count(), values.len());
        assert_eq!(wide.touched().count(), GROUPS);
        wide.clear();
        assert_eq!(all_of(&wide), (0, 0, Vec::new()));
        assert!(wide.counts.iter().all(|count| *count == 0));
    }

    #[test]
    fn a_run_and_another_ones_records_count_as_they_do_one_by_one() {
        let values = [9_000_000, 7_000_000, 7_000_100, 512];
        let (mut one_by_one, mut run) = (Buckets::default(), Buckets::default());
        for value in values {
            one_by_one.add(value, bucket_of(value), 1);
        }
        run.add_each((512, 9_000_000), values.into_iter().map(bucket_of));
        assert_eq!(all_of(&run), all_of(&one_by_one));
        let mut sum = Buckets::default();
        sum.add_all(&run);
        sum.add_all(&Buckets::default());
        assert_eq!(all_of(&sum), all_of(&one_by_one));
        one_by_one.add(40_000_000, bucket_of(40_000_000), 3);
        let mut more = Buckets::default();
        more.add(40_000_000, bucket_of(40_000_000), 3);
        sum.add_all(&more);
        assert_eq!(all_of(&sum), all_of(&one_by_one));
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
