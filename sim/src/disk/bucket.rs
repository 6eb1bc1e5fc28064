//! A rate limit with baseline, burst and a bucket of credits, as an exact first-in-first-out
//! server. Leaves out sharing between flows: whoever asks first is served first.
//!
//! While credits last the server works at the burst rate and pays `burst - baseline` per second;
//! idle, it earns `baseline` per second. Averaged over a load below the burst rate this is AWS's
//! rule: spend at `rate - baseline`, earn at `baseline - rate`.

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
    scale_permille: u128,
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
        let (baseline, burst) = self.rates();
        let drain = burst - baseline;
        // Nanoseconds for which the credits pay the burst rate.
        let paid = self.credits.checked_div(drain).unwrap_or(u128::MAX / burst);
        let spent_ns = if need <= paid * burst {
            let ns = need.div_ceil(burst);
            self.ahead += ns * burst - need;
            self.credits = self.credits.saturating_sub(ns * drain);
            ns
        } else {
            let rest = need - paid * burst;
            let ns = rest.div_ceil(baseline);
            self.ahead += ns * baseline - rest;
            self.credits -= paid * drain;
            paid + ns
        };
        self.free_at_ns =
            self.free_at_ns.saturating_add(u64::try_from(spent_ns).unwrap_or(u64::MAX));
        self.free_at_ns
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

    /// From `now_ns` on, rates are this many parts per thousand of the plan's. What was taken
    /// before keeps its time.
    pub fn set_scale(&mut self, now_ns: u64, permille: u32) {
        self.idle_until(now_ns);
        self.scale_permille = u128::from(permille.max(1));
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

    fn rates(&self) -> (u128, u128) {
        let scale = |rate: u128| (rate * self.scale_permille / 1000).max(1);
        (scale(self.baseline), scale(self.burst))
    }

    fn credits_at(&self, now_ns: u64) -> u128 {
        let idle_ns = u128::from(now_ns.saturating_sub(self.free_at_ns));
        (self.credits + idle_ns * self.rates().0).min(self.capacity)
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
        server.set_scale(0, 100);
        assert_eq!(server.finish(0, 10), SEC);
        server.stall_until(5 * SEC);
        assert_eq!(server.finish(2 * SEC, 10), 6 * SEC);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut server = RateServer::new(&plan(0, 0, 0, 0));
        assert_eq!(server.finish(7, u64::MAX), 7);
    }
}
