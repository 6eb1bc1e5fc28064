//! A rate over the last seconds, as Kafka measures quotas: `Rate` over a `SampledStat` with
//! `quota.window.num` = 11 samples of `quota.window.size.seconds` = 1.

use std::collections::VecDeque;

/// `quota.window.num`.
pub(crate) const WINDOWS: u64 = 11;
/// Kafka counts at least so many whole windows, so that what has just begun has no high rate.
const FULL_WINDOWS_MIN: u64 = WINDOWS - 1;

#[derive(Debug, Clone, Copy)]
struct Window {
    start_ms: u64,
    amount: u64,
}

/// Amounts of the last 11 windows of a second.
#[derive(Debug, Default)]
pub struct Rate {
    windows: VecDeque<Window>,
    total: u64,
}

impl Rate {
    /// `quota.window.size.seconds`, ms.
    pub const WINDOW_MS: u64 = 1000;

    /// Counts an amount.
    pub fn record(&mut self, now_ms: u64, amount: u64) {
        self.forget_old(now_ms);
        self.total += amount;
        match self.windows.back_mut() {
            Some(last) if now_ms.saturating_sub(last.start_ms) < Self::WINDOW_MS => {
                last.amount += amount
            }
            _ => self.windows.push_back(Window { start_ms: now_ms, amount }),
        }
        if self.windows.len() as u64 > WINDOWS {
            self.drop_first();
        }
    }

    /// How long to wait until the rate is back at `bound` a second, if `more` is counted now; 0
    /// while it is not above: `QuotaUtils.throttleTime`, rounded up.
    #[must_use = "it says how long to wait"]
    pub fn throttle_ms(&mut self, now_ms: u64, more: u64, bound: u64) -> u64 {
        self.forget_old(now_ms);
        let elapsed_ms = self.elapsed_ms(now_ms);
        let total = u128::from(self.total) + u128::from(more);
        // (rate - bound) / bound * elapsed is total / bound - elapsed
        let due_ms = (total * 1000).div_ceil(u128::from(bound.max(1)));
        u64::try_from(due_ms).unwrap_or(u64::MAX).saturating_sub(elapsed_ms)
    }

    /// Until when the amounts are above `bound` a second when they are spread over the time since the
    /// oldest of them, a window at least (Kafka's `SimpleRate`, which replication is measured with).
    /// Windows that will be forgotten until then are not thought of: it may be over earlier. `None`
    /// while the rate is at the bound or below.
    pub(crate) fn above_until_ms(&mut self, now_ms: u64, bound: u64) -> Option<u64> {
        self.forget_old(now_ms);
        let oldest = self.windows.front()?.start_ms;
        let elapsed_ms = now_ms.saturating_sub(oldest).max(Self::WINDOW_MS);
        if u128::from(self.total) * 1000 <= u128::from(bound) * u128::from(elapsed_ms) {
            return None;
        }
        let due_ms = (u128::from(self.total) * 1000).div_ceil(u128::from(bound.max(1)));
        Some(oldest.saturating_add(u64::try_from(due_ms).unwrap_or(u64::MAX)))
    }

    /// The time that the amounts are spread over, ms.
    fn elapsed_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.windows.front().map_or(now_ms, |window| window.start_ms);
        let elapsed_ms = now_ms.saturating_sub(oldest);
        let missing = FULL_WINDOWS_MIN.saturating_sub(elapsed_ms / Self::WINDOW_MS);
        (elapsed_ms + missing * Self::WINDOW_MS).max(Self::WINDOW_MS)
    }

    fn forget_old(&mut self, now_ms: u64) {
        let is_old =
            |window: &Window| now_ms.saturating_sub(window.start_ms) >= WINDOWS * Self::WINDOW_MS;
        while self.windows.front().is_some_and(is_old) {
            self.drop_first();
        }
    }

    /// Whether nothing was counted for so long that nothing is known any more.
    pub fn is_idle(&mut self, now_ms: u64) -> bool {
        self.forget_old(now_ms);
        self.windows.is_empty()
    }

    fn drop_first(&mut self) {
        if let Some(window) = self.windows.pop_front() {
            self.total -= window.amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_sent_at_once_may_be_ten_seconds_worth() {
        let mut rate = Rate::default();
        rate.record(5_000, 1_000);
        assert_eq!(rate.throttle_ms(5_000, 0, 100), 0);
        // One more would be 1001 in 10 s.
        assert_eq!(rate.throttle_ms(5_000, 1, 100), 10);
        rate.record(5_000, 500);
        assert_eq!(rate.throttle_ms(5_000, 0, 100), 5_000);
        assert_eq!(rate.throttle_ms(10_000, 0, 100), 5_000, "ten windows at least");
        assert_eq!(rate.throttle_ms(15_500, 0, 100), 4_500, "and then the time itself");
        assert_eq!(rate.throttle_ms(16_000, 0, 100), 0);
    }

    #[test]
    fn a_simple_rate_is_spread_over_the_time_since_its_oldest_window() {
        let mut rate = Rate::default();
        assert_eq!(rate.above_until_ms(5_000, 0), None, "nothing is no rate");
        rate.record(5_000, 100);
        assert_eq!(rate.above_until_ms(5_000, 100), None);
        rate.record(5_000, 200);
        assert_eq!(rate.above_until_ms(5_000, 100), Some(8_000));
        assert_eq!(rate.above_until_ms(7_999, 100), Some(8_000));
        assert_eq!(rate.above_until_ms(8_000, 100), None);
        assert!(rate.above_until_ms(8_000, 0).is_some(), "no bytes at all may go");
        assert_eq!(rate.above_until_ms(16_000, 0), None, "and all is forgotten");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whoever sends as much as it can, and waits as long as it is told, is held at its quota.
        #[test]
        fn an_obedient_sender_is_held_at_its_quota(
            bound in 1_000_u64..100_000_000,
            sizes in proptest::collection::vec(1_u64..200_000, 50..400),
        ) {
            let mut rate = Rate::default();
            let (mut now_ms, mut sent, mut sizes) = (0, 0_u64, sizes.into_iter().cycle());
            let (from_ms, to_ms) = (30_000, 150_000);
            for _ in 0..200_000 {
                let size = sizes.next().unwrap_or(1).min(bound);
                rate.record(now_ms, size);
                if now_ms >= from_ms {
                    sent += size;
                }
                now_ms += rate.throttle_ms(now_ms, 0, bound).max(1);
                if now_ms >= to_ms {
                    break;
                }
            }
            if now_ms >= to_ms {
                let quota = bound * ((now_ms - from_ms) / 1000);
                prop_assert!(sent <= quota + quota / 20 + 200_000, "{sent} of {quota}");
            }
        }
    }
}
