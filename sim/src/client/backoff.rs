//! Random choices of a client: exponential back-off with jitter, as Kafka's `ExponentialBackoff` (KIP-580) computes it.

use crate::rng::Stream;

/// Jitter, parts per hundred in both directions.
const JITTER_PERCENT: u64 = 20;

/// A back-off that doubles from `initial_ns` to `max_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// Before the first retry.
    pub(crate) initial_ns: u64,
    /// Upper end, before jitter.
    pub(crate) max_ns: u64,
}

impl Backoff {
    /// Wait after `failures` earlier failures (0 = first), ns.
    pub(crate) fn after(&self, failures: u32, draws: &mut Stream) -> u64 {
        let doubled = self.initial_ns.saturating_mul(1u64 << failures.min(32));
        let base = doubled.min(self.max_ns.max(self.initial_ns));
        let span = base * 2 * JITTER_PERCENT / 100;
        base - span / 2 + draws.below(span + 1)
    }
}

/// An index below `len`; 0 when there is none.
pub(crate) fn pick(draws: &mut Stream, len: usize) -> usize {
    usize::try_from(draws.below(len.max(1) as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_twofold_up_to_the_maximum_within_a_fifth() {
        let backoff = Backoff { initial_ns: 50, max_ns: 1_000 };
        let mut draws = crate::rng::Streams::new(1).stream("client", "draws");
        for (failures, base) in [(0, 50), (1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000)] {
            for _ in 0..100 {
                let wait = backoff.after(failures, &mut draws);
                assert!(wait >= base * 8 / 10 && wait <= base * 12 / 10, "{failures}: {wait}");
            }
        }
    }
}
