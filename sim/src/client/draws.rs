//! A client's random draws: sticky partitions, back-off jitter, choice of bootstrap broker.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// One stream of draws, keyed by whoever constructs the client.
#[derive(Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// A stream from a seed that no other entity uses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`, without bias; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // Lemire's multiply-and-reject
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            let low = wide & u128::from(u64::MAX);
            if low >= u128::from(threshold) {
                return u64::try_from(wide >> 64).unwrap_or(0);
            }
        }
    }

    /// An index below `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_covers_its_range_evenly() {
        let mut draws = Draws::new(7);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[draws.index(6)] += 1;
        }
        // five standard deviations of a binomial(60000, 1/6) are about 456
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 460), "{counts:?}");
        assert_eq!(draws.below(0), 0);
    }
}
