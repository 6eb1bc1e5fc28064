//! Draws of a swarm: each purpose has a stream of its own, so that a draw added to one part of the
//! plan never re-deals another part.

use crate::rng::{Stream, Streams};

/// A stream with the few kinds of draw that a swarm needs.
#[derive(Debug)]
pub(super) struct Dice(Stream);

impl Dice {
    /// For a purpose of a seed.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        Self(Streams::new(seed).stream("hunt", purpose))
    }

    /// True this often.
    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.0.chance_ppm(chance * 10_000)
    }

    /// Uniform in `low..=high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.uniform(low, high)
    }

    /// Exponential around a mean.
    pub(super) fn around(&mut self, mean_ns: u64) -> u64 {
        self.0.exponential_ns(mean_ns)
    }

    /// One of several, all alike.
    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())].clone()
    }

    /// An index below `count`.
    pub(super) fn index(&mut self, count: usize) -> usize {
        let drawn = self.0.below(u64::try_from(count).unwrap_or(u64::MAX));
        usize::try_from(drawn).unwrap_or(0)
    }

    /// The same in another order.
    pub(super) fn shuffled<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let mut list = of.to_vec();
        for at in (1..list.len()).rev() {
            let other = self.index(at + 1);
            list.swap(at, other);
        }
        list
    }
}
