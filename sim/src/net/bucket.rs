//! A rate with credits, and the receiving side of a NIC that is served by it. Leaves out how AWS
//! rounds credits: they are a fluid.
//!
//! While credits last the limit is the burst rate, otherwise the baseline. Credits change at
//! `baseline - used` and stay within `0..=bucket`. A burst from a level `c` at rate `u` therefore
//! lasts exactly `c / (u - baseline)` seconds. Work is counted in units of a billionth of a byte:
//! a rate in bytes/s times a time in ns, so that no division stands between the two.

use stormglass_scenarios::plan::RatePlan;

/// Units in a byte.
pub(super) const UNITS_PER_BYTE: u64 = 1_000_000_000;

/// A rate limit with credits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    baseline: u64,
    burst: u64,
    size: u128,
    level: u128,
}

impl Bucket {
    pub(super) fn new(plan: RatePlan) -> Self {
        assert!(plan.baseline_per_sec > 0, "a NIC has a rate");
        let units = |bytes: u64| u128::from(bytes) * u128::from(UNITS_PER_BYTE);
        let burst = plan.burst_per_sec.max(plan.baseline_per_sec);
        // Without a burst there is nothing to save for.
        let size = if burst > plan.baseline_per_sec { units(plan.bucket) } else { 0 };
        let level = units(plan.initial).min(size);
        Self { baseline: plan.baseline_per_sec, burst, size, level }
    }

    /// What may pass now, bytes per second.
    pub(super) fn limit(&self) -> u64 {
        if self.level > 0 { self.burst } else { self.baseline }
    }

    /// How long the credits last at this use, ns; `u64::MAX` if they do not fall.
    pub(super) fn depletion_ns(&self, used_per_sec: u64) -> u64 {
        if used_per_sec <= self.baseline || self.level == 0 {
            return u64::MAX;
        }
        let ns = self.level.div_ceil(u128::from(used_per_sec - self.baseline));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// The smaller of `at_most_ns` and [`Self::depletion_ns`], which is worked out only if it
    /// is the smaller one.
    pub(super) fn depletion_within(&self, used_per_sec: u64, at_most_ns: u64) -> u64 {
        if used_per_sec <= self.baseline || self.level == 0 || at_most_ns == 0 {
            return at_most_ns;
        }
        // `level / excess`, rounded up, is at least `n` when `n - 1` times the excess is below it.
        let before = u128::from(used_per_sec - self.baseline) * u128::from(at_most_ns - 1);
        if before < self.level { at_most_ns } else { self.depletion_ns(used_per_sec) }
    }

    /// Lets `used_per_sec` flow for `for_ns`.
    #[inline]
    pub(super) fn flow(&mut self, used_per_sec: u64, for_ns: u64) {
        if used_per_sec > self.baseline {
            let spent = u128::from(used_per_sec - self.baseline) * u128::from(for_ns);
            self.level = self.level.saturating_sub(spent);
        } else if self.level < self.size {
            let earned = u128::from(self.baseline - used_per_sec) * u128::from(for_ns);
            self.level = (self.level + earned).min(self.size);
        }
    }

    /// Sets the credits, parts per thousand of a full bucket.
    pub(super) fn set_permille(&mut self, permille: u32) {
        self.level = self.size * u128::from(permille.min(1000)) / 1000;
    }

    /// Credits left, parts per thousand; 1000 when the rate has no credits.
    pub(super) fn permille(&self) -> u32 {
        (self.level * 1000).checked_div(self.size).map_or(1000, |permille| permille as u32)
    }
}

/// The receiving side of a NIC: one queue in order of arrival, cut-through.
#[derive(Debug, Clone)]
pub(super) struct Ingress {
    bucket: Bucket,
    free_at_ns: u64,
    pub(super) bytes: u64,
}

impl Ingress {
    pub(super) fn new(plan: RatePlan) -> Self {
        Self { bucket: Bucket::new(plan), free_at_ns: 0, bytes: 0 }
    }

    /// A message whose first byte came at `first_ns` and whose last one comes at `last_ns`:
    /// returns when its last byte is through. A queue that keeps pace adds nothing.
    pub(super) fn accept(&mut self, first_ns: u64, last_ns: u64, bytes: u64) -> u64 {
        debug_assert!(first_ns <= last_ns, "a message begins before it ends");
        let mut at_ns = self.free_at_ns.max(first_ns);
        self.settle(at_ns);
        let mut left = bytes.saturating_mul(UNITS_PER_BYTE);
        while left > 0 {
            let rate = self.bucket.limit();
            let dt_ns = self.bucket.depletion_within(rate, left.div_ceil(rate));
            self.bucket.flow(rate, dt_ns);
            left = left.saturating_sub(rate.saturating_mul(dt_ns));
            at_ns += dt_ns;
        }
        self.free_at_ns = at_ns;
        self.bytes += bytes;
        at_ns.max(last_ns)
    }

    /// Credits left at `now_ns`, parts per thousand. A message in service is booked as a whole.
    pub(super) fn credits_permille(&self, now_ns: u64) -> u32 {
        let mut bucket = self.bucket;
        bucket.flow(0, now_ns.saturating_sub(self.free_at_ns));
        bucket.permille()
    }

    /// Sets the credits at `now_ns`, parts per thousand of a full bucket.
    pub(super) fn set_credits(&mut self, now_ns: u64, permille: u32) {
        self.settle(now_ns);
        self.bucket.set_permille(permille);
    }

    /// Earns the credits of an idle time that ends at `now_ns`.
    fn settle(&mut self, now_ns: u64) {
        self.bucket.flow(0, now_ns.saturating_sub(self.free_at_ns));
        self.free_at_ns = self.free_at_ns.max(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn plan(baseline: u64, burst: u64, bucket: u64, initial: u64) -> RatePlan {
        RatePlan { baseline_per_sec: baseline, burst_per_sec: burst, bucket, initial }
    }

    #[test]
    fn depletion_is_level_over_excess() {
        let mut bucket = Bucket::new(plan(100, 1_000, 9_000, 9_000));
        assert_eq!(bucket.depletion_ns(1_000), 10 * S);
        assert_eq!(bucket.depletion_ns(100), u64::MAX);
        bucket.flow(1_000, 4 * S);
        assert_eq!((bucket.permille(), bucket.limit()), (600, 1_000));
        for at_most_ns in [0, 1, 6 * S - 1, 6 * S, 6 * S + 1, u64::MAX] {
            assert_eq!(bucket.depletion_within(1_000, at_most_ns), at_most_ns.min(6 * S));
            assert_eq!(bucket.depletion_within(100, at_most_ns), at_most_ns);
        }
        bucket.flow(1_000, 6 * S);
        assert_eq!((bucket.permille(), bucket.limit()), (0, 100));
        bucket.flow(40, 50 * S);
        assert_eq!(bucket.permille(), 333);
        bucket.flow(0, 1_000 * S);
        assert_eq!(bucket.permille(), 1000);
    }

    #[test]
    fn without_a_burst_credits_mean_nothing() {
        let mut bucket = Bucket::new(plan(100, 100, 5_000, 5_000));
        bucket.flow(100, S);
        assert_eq!((bucket.limit(), bucket.permille()), (100, 1000));
        assert_eq!(bucket.depletion_ns(100), u64::MAX);
    }

    #[test]
    fn ingress_goes_from_burst_to_baseline_in_the_middle_of_a_message() {
        // 900 bytes of credit at an excess of 900/s: 1 s at 1000/s, then 100/s.
        let mut ingress = Ingress::new(plan(100, 1_000, 900, 900));
        assert_eq!(ingress.accept(0, 0, 1_500), 6 * S);
        // Idle for 5 s earns 500: 0.5555 s of burst.
        assert_eq!(ingress.accept(11 * S, 11 * S, 500), 11 * S + S / 2);
    }

    #[test]
    fn an_idle_ingress_adds_nothing_and_a_busy_one_queues() {
        let mut ingress = Ingress::new(plan(1_000, 1_000, 0, 0));
        assert_eq!(ingress.accept(4 * S, 5 * S, 1_000), 5 * S);
        assert_eq!(ingress.accept(4 * S, 5 * S, 1_000), 6 * S);
        assert_eq!(ingress.accept(5 * S, 5 * S, 500), 6 * S + S / 2);
    }
}
