//! A rate over time: piecewise linear, constant before its first and after its last point.
//!
//! The work done by `x` ns after a segment's start is `F(x) = r0 x + (r1 - r0) x^2 / 2L`, in
//! milli-records/s times ns, rounded down. Work between two points is a difference of two `F`, so
//! rounding never accumulates. Valid for rates up to 10^7 records/s and segments up to four years, which is as long as
//! a run may be.

use stormglass_scenarios::plan::ProducerPlan;

/// Highest rate of a curve, milli-records per second: keeps `F` within 128 bits.
const RATE_MAX: u64 = ProducerPlan::MILLI_RECORDS_PER_SEC_MAX;
/// Length of a segment, ns, up to which `F` can be worked out at once: a day.
const LENGTH_AT_ONCE_MAX: u64 = 86_400 * 1_000_000_000;

/// A rate over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateCurve {
    segments: Vec<Segment>,
}

/// A stretch of the curve. The last one has no end and is constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    rate_at_start: u64,
    rate_at_end: u64,
}

impl RateCurve {
    /// A curve through `(ns, milli-records per second)`. Two points at one time are a step.
    ///
    /// # Panics
    /// If there is no point, the times fall, or a rate is above 10^7 records/s.
    #[must_use]
    pub fn new(points: &[(u64, u64)]) -> Self {
        let (&(first_ns, first_rate), &(last_ns, last_rate)) =
            points.first().zip(points.last()).expect("a rate curve has points");
        assert!(points.is_sorted_by_key(|&(at_ns, _)| at_ns), "a rate curve's times rise");
        assert!(points.iter().all(|&(_, rate)| rate <= RATE_MAX), "a rate is beyond the model");
        let lead_in = Segment::new((0, first_rate), (first_ns, first_rate));
        let inner = points.windows(2).map(|pair| Segment::new(pair[0], pair[1]));
        let tail = Segment::new((last_ns, last_rate), (u64::MAX, last_rate));
        let all = std::iter::once(lead_in).chain(inner).chain(std::iter::once(tail));
        Self { segments: all.filter(|segment| segment.start_ns < segment.end_ns).collect() }
    }

    /// Rate at `at_ns`, milli-records per second, rounded down; after a step at a step.
    #[must_use]
    pub fn rate_at(&self, at_ns: u64) -> u64 {
        let index = self.segments.partition_point(|segment| segment.end_ns <= at_ns);
        self.segments[index.min(self.segments.len() - 1)].rate_at(at_ns)
    }

    /// Records that fall due in `0..at_ns`, rounded down.
    #[must_use]
    pub fn records_until(&self, at_ns: u64) -> u64 {
        let due = self.segments.iter().take_while(|segment| segment.start_ns < at_ns);
        let work: u128 =
            due.map(|segment| segment.work(segment.start_ns, at_ns.min(segment.end_ns))).sum();
        (work / 1_000_000_000_000) as u64
    }

    pub(super) fn segment(&self, index: usize) -> &Segment {
        &self.segments[index]
    }
}

impl Segment {
    fn new((start_ns, rate_at_start): (u64, u64), (end_ns, rate_at_end): (u64, u64)) -> Self {
        Self { start_ns, end_ns, rate_at_start, rate_at_end }
    }

    /// The rate if it is the same throughout, milli-records per second.
    pub(super) fn constant_rate(&self) -> Option<u64> {
        (self.rate_at_start == self.rate_at_end).then_some(self.rate_at_start)
    }

    fn rate_at(&self, at_ns: u64) -> u64 {
        if let Some(rate) = self.constant_rate() {
            return rate;
        }
        let (x, length) = (i128::from(at_ns - self.start_ns), self.length());
        let rate = i128::from(self.rate_at_start) + self.rise() * x / length;
        u64::try_from(rate).expect("a rate between two rates")
    }

    /// Work done between two times within the segment, milli-records/s times ns.
    pub(super) fn work(&self, from_ns: u64, to_ns: u64) -> u128 {
        debug_assert!(self.start_ns <= from_ns && from_ns <= to_ns && to_ns <= self.end_ns);
        match self.constant_rate() {
            Some(rate) => u128::from(rate) * u128::from(to_ns - from_ns),
            None => self.ramp(to_ns - self.start_ns) - self.ramp(from_ns - self.start_ns),
        }
    }

    /// The earliest time at which `work` is done counted from `from_ns`; `work` must fit in.
    pub(super) fn time_of(&self, from_ns: u64, work: u128) -> u64 {
        if let Some(rate) = self.constant_rate() {
            return from_ns + work.div_ceil(u128::from(rate)) as u64;
        }
        let from = from_ns - self.start_ns;
        let target = self.ramp(from) + work;
        debug_assert!(target <= self.ramp(self.end_ns - self.start_ns), "work fits in");
        self.start_ns + self.invert_ramp(target).max(from)
    }

    fn ramp(&self, x: u64) -> u128 {
        if self.end_ns - self.start_ns > LENGTH_AT_ONCE_MAX {
            return self.long_ramp(x);
        }
        let x = i128::from(x);
        let twice = 2 * self.length() * i128::from(self.rate_at_start) * x + self.rise() * x * x;
        (twice / (2 * self.length())).unsigned_abs()
    }

    /// The same in parts, where a product of all of it has no room: `c x = q 2L + r`, so that
    /// `c x^2 / 2L = q x + r x / 2L`.
    fn long_ramp(&self, x: u64) -> u128 {
        let (x, twice) = (u128::from(x), 2 * u128::from(self.end_ns - self.start_ns));
        let change = u128::from(self.rate_at_start.abs_diff(self.rate_at_end)) * x;
        let (whole, rest) = (change / twice * x, change % twice * x);
        let level = u128::from(self.rate_at_start) * x;
        if self.rate_at_end >= self.rate_at_start {
            level + whole + rest / twice
        } else {
            level - whole - rest.div_ceil(twice)
        }
    }

    /// The smallest `x` with `ramp(x) >= target`. A float's guess is off by little; whole numbers
    /// around it decide.
    fn invert_ramp(&self, target: u128) -> u64 {
        let end = self.end_ns - self.start_ns;
        let (mut low, mut high) = (0, end);
        let guess = self.guess(target).min(end);
        let mut reach = 1;
        if self.ramp(guess) >= target {
            high = guess;
            while high > 0 {
                let probe = guess.saturating_sub(reach);
                if self.ramp(probe) < target {
                    low = probe + 1;
                    break;
                }
                (high, reach) = (probe, reach * 2);
            }
        } else {
            low = guess + 1;
            while low < end {
                let probe = guess.saturating_add(reach).min(end);
                if self.ramp(probe) >= target {
                    high = probe;
                    break;
                }
                (low, reach) = (probe + 1, reach * 2);
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ramp(middle) >= target { high = middle } else { low = middle + 1 }
        }
        high
    }

    /// Root of `rise x^2 / 2L + r0 x = target` in the form that does not cancel.
    fn guess(&self, target: u128) -> u64 {
        let (rate, target) = (self.rate_at_start as f64, target as f64);
        let slope = self.rise() as f64 / self.length() as f64;
        let root = libm::sqrt((rate * rate + 2.0 * slope * target).max(0.0));
        let x = 2.0 * target / (rate + root).max(f64::MIN_POSITIVE);
        x as u64
    }

    fn length(&self) -> i128 {
        i128::from(self.end_ns - self.start_ns)
    }

    fn rise(&self) -> i128 {
        i128::from(self.rate_at_end) - i128::from(self.rate_at_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn integral_of_a_storm() {
        // 1000/s for 10 s, a ramp to 5000/s in 10 s, a step down to 500/s.
        let curve = RateCurve::new(&[(0, 1_000_000), (10 * S, 1_000_000), (20 * S, 5_000_000)]);
        assert_eq!(curve.records_until(10 * S), 10_000);
        assert_eq!(curve.records_until(15 * S), 10_000 + 10_000);
        assert_eq!(curve.records_until(20 * S), 10_000 + 30_000);
        assert_eq!(curve.records_until(30 * S), 10_000 + 30_000 + 50_000);
        let step = RateCurve::new(&[(0, 0), (S, 0), (S, 2_000), (3 * S, 2_000)]);
        assert_eq!((step.rate_at(S - 1), step.rate_at(S)), (0, 2_000));
        assert_eq!(step.records_until(10 * S), 18);
    }

    #[test]
    fn the_first_rate_holds_before_the_first_point() {
        let curve = RateCurve::new(&[(5 * S, 4_000)]);
        assert_eq!(curve.records_until(5 * S), 20);
        assert_eq!(curve.rate_at(100 * S), 4_000);
    }

    #[test]
    fn a_long_ramp_is_worked_out_as_a_short_one() {
        for (from, to) in [(0, RATE_MAX), (RATE_MAX, 0), (7_000_001, 3), (1, 1_000_000)] {
            let segment = Segment::new((S, from), (86_401 * S, to));
            for x in (0..=97).map(|part| 86_400 * S / 97 * part).chain([1, 2, 86_400 * S]) {
                assert_eq!(segment.long_ramp(x), segment.ramp(x), "{from} {to} {x}");
            }
        }
    }

    #[test]
    fn ramps_may_last_for_years() {
        let end_ns = 4 * 365 * 86_400 * S;
        let halves = u128::from(RATE_MAX) * u128::from(end_ns) / 2;
        for (from, to) in [(0, RATE_MAX), (RATE_MAX, 0)] {
            let segment = Segment::new((0, from), (end_ns, to));
            assert_eq!(segment.ramp(end_ns), halves);
            let x = segment.invert_ramp(halves / 3);
            assert!(segment.ramp(x) >= halves / 3 && segment.ramp(x - 1) < halves / 3);
        }
    }

    #[test]
    fn a_ramp_inverts_exactly() {
        for (from, to) in [(0, 9_000_000_000), (7_000_000, 0), (1, 1_000_000), (3_000, 2_999)] {
            let segment = Segment::new((S, from), (3_601 * S, to));
            let whole = segment.ramp(3_600 * S);
            for part in 0..=97_u128 {
                let target = whole * part / 97;
                let x = segment.invert_ramp(target);
                assert!(segment.ramp(x) >= target);
                assert!(x == 0 || segment.ramp(x - 1) < target, "{from} {to} {part}");
            }
        }
    }
}
