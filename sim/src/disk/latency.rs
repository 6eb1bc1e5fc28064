//! Draws from a latency distribution: piecewise linear inverse CDF, integers only. Leaves out
//! correlation between successive draws.

use crate::rng::Stream;
use stormglass_scenarios::plan::Quantiles;

/// A distribution with a random stream of its own.
#[derive(Debug, Clone)]
pub struct Latency {
    quantiles: Quantiles,
    stream: Stream,
}

impl Latency {
    /// From a table and a stream that nobody else draws from. An empty table is no latency.
    #[must_use]
    pub fn new(quantiles: &Quantiles, stream: Stream) -> Self {
        Self { quantiles: quantiles.clone(), stream }
    }

    /// The next value, ns.
    pub fn draw(&mut self) -> u64 {
        if self.quantiles.points.is_empty() { 0 } else { self.stream.sample(&self.quantiles) }
    }

    /// Mean of the distribution, ns (rounded down).
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        let pieces = self.quantiles.points.windows(2).map(|pair| {
            let width = u128::from(pair[1].0.saturating_sub(pair[0].0));
            width * (u128::from(pair[0].1) + u128::from(pair[1].1)) / 2
        });
        u64::try_from(pieces.sum::<u128>() / 1_000_000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    fn latency(points: &[(u32, u64)]) -> Latency {
        let (source, confidence) = (String::new(), "U".to_owned());
        let quantiles = Quantiles { points: points.to_vec(), source, confidence };
        Latency::new(&quantiles, Streams::new(1).stream("test", "latency"))
    }

    #[test]
    fn draws_have_the_mean_of_the_table() {
        let mut latency = latency(&[(0, 1000), (900_000, 3000), (1_000_000, 20_000)]);
        assert_eq!(latency.mean_ns(), 1800 + 1150);
        let n = 100_000;
        let mean = (0..n).map(|_| latency.draw()).sum::<u64>() / n;
        assert!(mean.abs_diff(latency.mean_ns()) * 100 < latency.mean_ns() * 2, "{mean}");
    }

    #[test]
    fn an_empty_table_is_no_latency() {
        assert_eq!(latency(&[]).draw(), 0);
    }
}
