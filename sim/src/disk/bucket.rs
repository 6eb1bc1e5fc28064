//! A rate limit with baseline, burst and a bucket of credits, as an exact first-in-first-out
//! server. Leaves out sharing between flows: whoever asks first is served first.
//!
//! While credits last the server works at the burst rate and pays `burst - baseline` per second;
//! idle, it earns `baseline` per second. Averaged over a load below the burst rate this is AWS's
//! rule: spend at `rate - baseline`, earn at `baseline - rate`.
//!
//! Rates may be lower for a time whose end is known: what is still to be done by then is done at the full rates.

use stormglass_scenarios::plan::RatePlan;

/// Credits and work are kept in billionths of a unit, so that units per second times nanoseconds
/// needs no rounding.
const NANO: u128 = 1_000_000_000;

/// The server. A plan without any rate (baseline and burst zero) limits nothing.
#[derive(Debug, Clone)]
pub struct RateServer {
    baseline: u128,
    burst: u128,
    capacity: u128,
    credits: u128,
    free_at_ns: u64,
    /// Work done ahead when the last finish was rounded up to a whole nanosecond.
    ahead: u128,
    /// The rates are these parts per thousand of the plan's, until then, ns.
    scale_permille: u128,
    scaled_until_ns: u64,
}

impl RateServer {
    /// From a plan, free at time zero.
    #[must_use]
    pub fn new(plan: &RatePlan) -> Self {
        let baseline = u128::from(plan.baseline_per_sec);
        let capacity = u128::from(plan.bucket) * NANO;
        Self {
            baseline,
            burst: u128::from(plan.burst_per_sec).max(baseline),
            capacity,
            credits: (u128::from(plan.initial) * NANO).min(capacity),
            free_at_ns: 0,
            ahead: 0,
            scale_permille: 1000,
            scaled_until_ns: 0,
        }
    }

    /// Takes `amount` units at `now_ns`, behind all that was taken before; when they are done.
    pub fn finish(&mut self, now_ns: u64, amount: u64) -> u64 {
        if self.burst == 0 {
            self.free_at_ns = self.free_at_ns.max(now_ns);
            return self.free_at_ns;
        }
        self.idle_until(now_ns);
        let mut need = u128::from(amount) * NANO;
        let early = need.min(self.ahead);
        need -= early;
        self.ahead -= early;
        if self.free_at_ns < self.scaled_until_ns {
            need = self.work_off(need, self.scaled_until_ns - self.free_at_ns);
        }
        self.work_off(need, u64::MAX);
        self.free_at_ns
    }

    /// Works at the present rates for at most `most_ns`; what is left then.
    fn work_off(&mut self, need: u128, most_ns: u64) -> u128 {
        let (baseline, burst) = self.rates();
        let drain = burst - baseline;
        // Nanoseconds for which the credits pay the burst rate.
        let paid = self.credits.checked_div(drain).unwrap_or(u128::MAX / burst);
        let ns = match need <= paid * burst {
            true => need.div_ceil(burst),
            false => paid + (need - paid * burst).div_ceil(baseline),
        };
        let spent_ns = ns.min(u128::from(most_ns));
        let paid_ns = spent_ns.min(paid);
        let done = paid_ns * burst + (spent_ns - paid_ns) * baseline;
        self.credits -= paid_ns * drain;
        self.ahead += done.saturating_sub(need);
        let spent_ns = u64::try_from(spent_ns).unwrap_or(u64::MAX);
        self.free_at_ns = self.free_at_ns.saturating_add(spent_ns);
        need.saturating_sub(done)
    }

    /// When all that was taken is done, ns.
    #[must_use]
    pub fn free_at_ns(&self) -> u64 {
        self.free_at_ns
    }

    /// Nothing is served before this time.
    pub fn stall_until(&mut self, until_ns: u64) {
        self.free_at_ns = self.free_at_ns.max(until_ns);
        self.ahead = 0;
    }

    /// From `now_ns` until `until_ns`, rates are this many parts per thousand of the plan's. What was taken
    /// before keeps its time.
    pub fn set_scale(&mut self, now_ns: u64, permille: u32, until_ns: u64) {
        self.idle_until(now_ns);
        self.scale_permille = u128::from(permille.max(1));
        self.scaled_until_ns = until_ns;
        self.ahead = 0;
    }

    /// Sets the credits to parts per thousand of the bucket.
    pub fn set_level(&mut self, now_ns: u64, permille: u32) {
        self.idle_until(now_ns);
        self.credits = self.capacity * u128::from(permille.min(1000)) / 1000;
    }

    /// Credits at `now_ns` as parts per thousand of the bucket; 1000 when there is none.
    #[must_use]
    pub fn level_permille(&self, now_ns: u64) -> u32 {
        if self.capacity == 0 {
            return 1000;
        }
        let credits = self.credits_at(now_ns);
        u32::try_from(credits * 1000 / self.capacity).unwrap_or(1000)
    }

    /// Forgets queued work (the host lost power); credits stay.
    pub fn reset(&mut self, now_ns: u64) {
        self.free_at_ns = now_ns;
        self.ahead = 0;
    }

    /// Baseline and burst of what is done next.
    fn rates(&self) -> (u128, u128) {
        if self.free_at_ns >= self.scaled_until_ns {
            return (self.baseline.max(1), self.burst.max(1));
        }
        (self.scaled(self.baseline), self.scaled(self.burst))
    }

    fn scaled(&self, rate: u128) -> u128 {
        (rate * self.scale_permille / 1000).max(1)
    }

    fn credits_at(&self, now_ns: u64) -> u128 {
        let full_from_ns = self.scaled_until_ns.clamp(self.free_at_ns, now_ns.max(self.free_at_ns));
        let scaled_ns = u128::from(full_from_ns - self.free_at_ns);
        let full_ns = u128::from(now_ns.saturating_sub(full_from_ns));
        let earned = scaled_ns * self.scaled(self.baseline) + full_ns * self.baseline.max(1);
        (self.credits + earned).min(self.capacity)
    }

    fn idle_until(&mut self, now_ns: u64) {
        if now_ns <= self.free_at_ns {
            return;
        }
        self.credits = self.credits_at(now_ns);
        self.free_at_ns = now_ns;
        self.ahead = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000_000;

    fn plan(baseline: u64, burst: u64, bucket: u64, initial: u64) -> RatePlan {
        RatePlan { baseline_per_sec: baseline, burst_per_sec: burst, bucket, initial }
    }

    #[test]
    fn without_credits_the_baseline_is_exact() {
        let mut server = RateServer::new(&plan(3, 3, 0, 0));
        // thirds of a second: rounding up must not add up over many jobs
        let last = (0..3_000_000).map(|_| server.finish(0, 1)).last();
        assert_eq!(last, Some(1_000_000 * SEC));
    }

    #[test]
    fn credits_run_out_when_the_closed_form_says() {
        // bucket / (burst - baseline) = 1000 / (150 - 50) = 10 s of burst
        let mut server = RateServer::new(&plan(50, 150, 1000, 1000));
        assert_eq!(server.finish(0, 1500), 10 * SEC);
        assert_eq!(server.level_permille(10 * SEC), 0);
        assert_eq!(server.finish(10 * SEC, 50), 11 * SEC, "baseline afterwards");
    }

    #[test]
    fn one_job_may_cross_the_end_of_the_credits() {
        let mut server = RateServer::new(&plan(50, 150, 1000, 1000));
        assert_eq!(server.finish(0, 1500 + 100), 12 * SEC);
    }

    #[test]
    fn partial_load_depletes_at_rate_minus_baseline() {
        // 100 units/s in slices, baseline 50: net -50/s, so 1000 credits last 20 s
        let mut server = RateServer::new(&plan(50, 150, 1000, 1000));
        let slice_ns = SEC / 100;
        let mut slow_at = None;
        for slice in 0..4000_u64 {
            let now = slice * slice_ns;
            let took = server.finish(now, 1) - now;
            if took > slice_ns && slow_at.is_none() {
                slow_at = Some(now);
            }
        }
        let at = slow_at.expect("credits must end");
        assert!(at.abs_diff(20 * SEC) < SEC / 10, "{at}");
    }

    #[test]
    fn idle_time_earns_the_baseline_up_to_the_bucket() {
        let mut server = RateServer::new(&plan(50, 150, 1000, 0));
        assert_eq!(server.level_permille(10 * SEC), 500);
        assert_eq!(server.level_permille(100 * SEC), 1000);
        server.set_level(100 * SEC, 250);
        assert_eq!(server.level_permille(100 * SEC), 250);
    }

    #[test]
    fn scale_and_stall() {
        let mut server = RateServer::new(&plan(100, 100, 0, 0));
        server.set_scale(0, 100, u64::MAX);
        assert_eq!(server.finish(0, 10), SEC);
        server.stall_until(5 * SEC);
        assert_eq!(server.finish(2 * SEC, 10), 6 * SEC);
    }

    /// At a hundredth of its rate a server took 15 s of work in a second, and went on at that pace long after.
    #[test]
    fn what_is_left_when_a_scale_ends_is_done_at_the_full_rate() {
        let mut server = RateServer::new(&plan(100, 100, 0, 0));
        server.set_scale(0, 10, 5 * SEC);
        // 5 of the 15 units by then, 10 at 100/s
        let ends: Vec<u64> = (0..15).map(|_| server.finish(0, 1)).collect();
        assert_eq!((ends[0], ends[4]), (SEC, 5 * SEC));
        assert_eq!((ends[5], ends[14]), (5 * SEC + SEC / 100, 5 * SEC + SEC / 10));
        server.set_scale(5 * SEC, 1000, 0);
        assert_eq!(server.finish(5 * SEC, 10), 5 * SEC + SEC / 5);
        // one piece of work that the end falls into
        let mut server = RateServer::new(&plan(100, 100, 0, 0));
        server.set_scale(0, 10, 5 * SEC);
        assert_eq!(server.finish(0, 15), 5 * SEC + SEC / 10);
    }

    #[test]
    fn credits_are_spent_and_earned_at_the_rates_of_the_time() {
        // a tenth until 10 s: 5/s and 15/s, and 100 credits pay for the difference
        let mut server = RateServer::new(&plan(50, 150, 1000, 150));
        server.set_scale(0, 100, 10 * SEC);
        assert_eq!(server.finish(0, 150), 10 * SEC);
        assert_eq!(server.level_permille(10 * SEC), 50);
        // 50 credits are half a second of burst
        assert_eq!(server.finish(10 * SEC, 75 + 50), 11 * SEC + SEC / 2);
        let mut server = RateServer::new(&plan(50, 150, 1000, 0));
        server.set_scale(0, 100, 10 * SEC);
        assert_eq!(server.level_permille(12 * SEC), 150, "5/s for 10 s, and 50/s for 2 s");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut server = RateServer::new(&plan(0, 0, 0, 0));
        assert_eq!(server.finish(7, u64::MAX), 7);
    }
}
