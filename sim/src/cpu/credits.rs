//! CPU credits of burstable instances (t3 in standard mode). Leaves out launch credits, surplus
//! credits and their price (unlimited mode).
//!
//! Credits are vCPU-nanoseconds. They accrue at `vcpus * baseline` and are spent one for one by
//! running threads. Without credits a thread advances at the baseline's share of a vCPU.

/// AWS keeps what 24 hours earn.
const EARN_CAP_NS: i128 = 24 * 3600 * 1_000_000_000;

/// Balance of a host.
#[derive(Debug, Clone)]
pub(crate) struct Credits {
    baseline_permille: u64,
    earn_permille: i128,
    capacity: i128,
    /// In thousandths of a vCPU-nanosecond. Below zero while throttled threads pay back what they
    /// are running on.
    balance: i128,
    updated_ns: u64,
}

impl Credits {
    pub(crate) fn new(vcpus: u32, baseline_permille: u32, initial_ns: u64) -> Self {
        let earn_permille = i128::from(vcpus) * i128::from(baseline_permille);
        let capacity = (earn_permille * EARN_CAP_NS).max(i128::from(initial_ns) * 1000);
        Self {
            baseline_permille: u64::from(baseline_permille.clamp(1, 1000)),
            earn_permille,
            capacity,
            balance: i128::from(initial_ns) * 1000,
            updated_ns: 0,
        }
    }

    /// Spends `demand_ns` from `start_ns` on; how long the thread then occupies its core, ns.
    pub(crate) fn occupy(&mut self, start_ns: u64, demand_ns: u64) -> u64 {
        if self.baseline_permille == 1000 {
            return demand_ns;
        }
        self.earn_until(start_ns);
        let full = u64::try_from(self.balance.max(0) / 1000).unwrap_or(u64::MAX).min(demand_ns);
        self.balance -= i128::from(demand_ns) * 1000;
        full + (demand_ns - full).saturating_mul(1000) / self.baseline_permille
    }

    /// Balance at a time as parts per thousand of the most that can be kept; 1000 when the
    /// instance is not burstable.
    pub(crate) fn level_permille(&self, now_ns: u64) -> u32 {
        if self.baseline_permille == 1000 || self.capacity == 0 {
            return 1000;
        }
        let level = self.balance_at(now_ns).max(0) * 1000 / self.capacity;
        u32::try_from(level).unwrap_or(1000)
    }

    /// Sets the balance to parts per thousand of the most that can be kept.
    pub(crate) fn set_level(&mut self, now_ns: u64, permille: u32) {
        self.earn_until(now_ns);
        self.balance = self.capacity * i128::from(permille.min(1000)) / 1000;
    }

    fn balance_at(&self, now_ns: u64) -> i128 {
        let earned = i128::from(now_ns.saturating_sub(self.updated_ns)) * self.earn_permille;
        (self.balance + earned).min(self.capacity)
    }

    fn earn_until(&mut self, now_ns: u64) {
        self.balance = self.balance_at(now_ns);
        self.updated_ns = self.updated_ns.max(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000_000;

    /// Runs one thread at `load_permille` of a vCPU in 1 ms slices; when it is first slowed down.
    fn depletion_ns(vcpus: u32, baseline: u32, initial_ns: u64, load_permille: u64) -> u64 {
        let mut credits = Credits::new(vcpus, baseline, initial_ns);
        let demand = 1_000 * load_permille;
        (0..10_000_000_u64)
            .map(|slice| slice * 1_000_000)
            .find(|&now| credits.occupy(now, demand) > demand)
            .expect("credits must end")
    }

    #[test]
    fn depletion_time_is_credits_over_net_rate() {
        // one vCPU at 80 %, baseline 20 %: 60 s of credits at 0.6/s last 100 s
        let at = depletion_ns(1, 200, 60 * SEC, 800);
        assert!(at.abs_diff(100 * SEC) <= SEC / 100, "{at}");
        // two vCPUs earn twice: 60 s at 0.4/s last 150 s
        let at = depletion_ns(2, 200, 60 * SEC, 800);
        assert!(at.abs_diff(150 * SEC) <= SEC / 100, "{at}");
    }

    #[test]
    fn without_credits_a_saturated_thread_runs_at_the_baseline() {
        let mut credits = Credits::new(1, 250, 0);
        let mut now = 0;
        for _ in 0..1000 {
            now += credits.occupy(now, 1_000_000);
        }
        assert!(now.abs_diff(4 * SEC) < SEC / 1000, "1 s of work takes 4 s: {now}");
    }

    #[test]
    fn below_the_baseline_nothing_is_slowed() {
        let mut credits = Credits::new(1, 300, 10_000_000);
        let slowed = (0..10_000_u64).filter(|i| credits.occupy(i * 1_000_000, 250_000) > 250_000);
        assert_eq!(slowed.count(), 0);
    }
}
