//! Zipf's law over a finite set: rank `k` of `1..=n` has a chance proportional to `k^-s`.
//!
//! Rejection-inversion after Hoermann and Derflinger (1996): the inverse of the integral of
//! `x^-s` proposes a rank, and few proposals are refused, so a draw costs the same for ten keys and
//! ten billion, and no table is kept. Valid for `0 < s <= 20`; `s = 0` is uniform.

use crate::rng::Stream;

/// A Zipf distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zipf {
    count: u64,
    exponent: f64,
    /// Integral up to the end of the first and of the last rank's bar.
    low: f64,
    high: f64,
    /// Proposals this close below a rank are accepted without a second look.
    squeeze: f64,
}

impl Zipf {
    /// Over `count` ranks, exponent in parts per thousand.
    ///
    /// # Panics
    /// If there is no rank, or the exponent is above 20.
    #[must_use]
    pub fn new(count: u64, exponent_permille: u32) -> Self {
        assert!(count > 0, "a distribution over nothing");
        assert!(exponent_permille <= 20_000, "exponent beyond the model");
        let exponent = f64::from(exponent_permille) / 1000.0;
        let mut zipf = Self { count, exponent, low: 0.0, high: 0.0, squeeze: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(count as f64 + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.height(2.0));
        zipf
    }

    /// A rank in `0..count`, 0 the most frequent.
    pub fn sample(&self, stream: &mut Stream) -> u64 {
        if self.exponent == 0.0 {
            return stream.below(self.count);
        }
        loop {
            let area = self.high + stream.unit() * (self.low - self.high);
            let x = self.inverse(area);
            let rank = (libm::floor(x + 0.5) as u64).clamp(1, self.count);
            let k = rank as f64;
            if k - x <= self.squeeze || area >= self.integral(k + 0.5) - self.height(k) {
                return rank - 1;
            }
        }
    }

    fn height(&self, x: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(x))
    }

    /// `(x^(1-s) - 1) / (1 - s)`, which is `ln x` at `s = 1`.
    fn integral(&self, x: f64) -> f64 {
        let log = libm::log(x);
        let power = (1.0 - self.exponent) * log;
        // Below this, the quotient differs from 1 by less than a float can show.
        if power.abs() < 1e-16 { log } else { libm::expm1(power) / power * log }
    }

    fn inverse(&self, area: f64) -> f64 {
        let power = (area * (1.0 - self.exponent)).max(-1.0);
        let log = if power.abs() < 1e-16 { area } else { libm::log1p(power) / power * area };
        libm::exp(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    #[test]
    fn frequencies_follow_the_law() {
        for exponent_permille in [0, 500, 990, 1_000, 1_500, 3_000] {
            let n = 50;
            let zipf = Zipf::new(n, exponent_permille);
            let mut stream = Streams::new(5).stream("zipf", "test");
            let draws = 200_000;
            let mut counts = vec![0_u32; n as usize];
            for _ in 0..draws {
                counts[zipf.sample(&mut stream) as usize] += 1;
            }
            let s = f64::from(exponent_permille) / 1000.0;
            let weights: Vec<f64> = (1..=n).map(|k| libm::pow(k as f64, -s)).collect();
            let total: f64 = weights.iter().sum();
            let chi_square: f64 = std::iter::zip(&counts, &weights)
                .map(|(&count, weight)| (f64::from(draws) * weight / total, f64::from(count)))
                .filter(|&(expected, _)| expected >= 5.0)
                .map(|(expected, count)| (count - expected) * (count - expected) / expected)
                .sum();
            // 49 degrees of freedom: mean 49, deviation 9.9; p = 0.0001 at 96.
            assert!(chi_square < 96.0, "s {s}: chi-square {chi_square}");
        }
    }

    #[test]
    fn huge_and_tiny_sets() {
        let mut stream = Streams::new(5).stream("zipf", "test");
        let one = Zipf::new(1, 1_000);
        assert!((0..100).all(|_| one.sample(&mut stream) == 0));
        let huge = Zipf::new(10_000_000_000, 1_000);
        let hot = (0..10_000).filter(|_| huge.sample(&mut stream) == 0).count();
        // 1 / H(10^10) = 1 / 23.6: 424 expected, deviation 20.
        assert!(hot.abs_diff(424) < 90, "{hot}");
    }
}
