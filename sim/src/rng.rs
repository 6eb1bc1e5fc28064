//! Named random streams. Each (seed, entity, purpose) has its own, so that a draw added in one
//! place never re-deals another's. Leaves out every source of entropy but the seed.
//!
//! A stream is ChaCha with 8 rounds. Its 32-byte key is four 64-bit words: two FNV-1a hashes of
//! `entity kind, 0, entity number, 0, purpose` from different starting values, each joined with
//! the seed and finished twice by SplitMix64's mixer. Floats appear in logarithms only, by `libm`,
//! whose results are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stormglass_scenarios::plan::Quantiles;

/// Whose stream: a name, or a kind of thing and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity<'a> {
    kind: &'a str,
    number: Option<u64>,
}

impl<'a> From<&'a str> for Entity<'a> {
    fn from(name: &'a str) -> Self {
        Self { kind: name, number: None }
    }
}

impl<'a> From<(&'a str, u64)> for Entity<'a> {
    fn from((kind, number): (&'a str, u64)) -> Self {
        Self { kind, number: Some(number) }
    }
}

/// The source of all streams of a run.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// Streams of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream of an entity for a purpose. Asked for twice, it starts anew.
    #[must_use]
    pub fn stream<'a>(&self, entity: impl Into<Entity<'a>>, purpose: &str) -> Stream {
        let entity = entity.into();
        let mut key = [0_u8; 32];
        for (half, start) in [0xCBF2_9CE4_8422_2325_u64, 0x6C62_272E_07BB_0142].iter().enumerate() {
            let name = name_hash(*start, entity, purpose);
            let first = splitmix(name ^ splitmix(self.seed.wrapping_add(half as u64)));
            let second = splitmix(first ^ name.rotate_left(32));
            key[half * 16..half * 16 + 8].copy_from_slice(&first.to_le_bytes());
            key[half * 16 + 8..half * 16 + 16].copy_from_slice(&second.to_le_bytes());
        }
        Stream { rng: ChaCha8Rng::from_seed(key) }
    }
}

fn name_hash(start: u64, entity: Entity<'_>, purpose: &str) -> u64 {
    let number = entity.number.map(u64::to_le_bytes);
    let bytes = entity.kind.bytes().chain([0, u8::from(number.is_some())]);
    let bytes = bytes.chain(number.unwrap_or_default()).chain([0]).chain(purpose.bytes());
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// SplitMix64's step and mixer.
fn splitmix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform in `0..n`, unbiased.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "nothing lies below 0");
        // Lemire's method: the upper half of a product; low products are drawn again.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform in `low..=high`.
    ///
    /// # Panics
    /// If `low` is above `high`.
    pub fn uniform(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range has no number");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.next_u64(),
        }
    }

    /// True with a chance of `ppm` in a million. Always draws once, whatever the chance.
    pub fn chance_ppm(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < u64::from(ppm)
    }

    /// A float in `(0, 1]` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Exponential with mean `mean_ns`, rounded to the nearest. Also for units other than ns.
    pub fn exponential_ns(&mut self, mean_ns: u64) -> u64 {
        libm::round(-libm::log(self.unit()) * mean_ns as f64) as u64
    }

    /// A draw from a quantile table, linear between its points, rounded down.
    pub fn sample(&mut self, quantiles: &Quantiles) -> u64 {
        // 32 bits below the ppm keep interpolation smooth on long segments.
        let position = self.below(1_000_000 << 32);
        interpolate(&quantiles.points, position)
    }
}

/// Value of a quantile table at `ppm`, rounded down.
#[must_use]
pub fn quantile_at(quantiles: &Quantiles, ppm: u32) -> u64 {
    interpolate(&quantiles.points, u64::from(ppm) << 32)
}

/// `position` is in ppm with 32 fractional bits.
fn interpolate(points: &[(u32, u64)], position: u64) -> u64 {
    assert!(!points.is_empty(), "a quantile table has points");
    // Tables are short, and most draws fall into the first part of them.
    let is_above = |&(ppm, _): &(u32, u64)| u64::from(ppm) > position >> 32;
    let above = points.iter().position(is_above).unwrap_or(points.len());
    if above == 0 {
        return points[0].1;
    }
    let (low_ppm, low) = points[above - 1];
    let Some(&(high_ppm, high)) = points.get(above) else { return low };
    let part = u128::from(position - (u64::from(low_ppm) << 32));
    // Below `difference * width`. Rounding down twice is rounding down once.
    let product = (u128::from(high.saturating_sub(low)) * part) >> 32;
    let width = high_ppm - low_ppm;
    low + match u64::try_from(product) {
        Ok(product) => product / u64::from(width),
        Err(_) => (product / u128::from(width)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(points: &[(u32, u64)]) -> Quantiles {
        Quantiles { points: points.to_vec(), source: String::new(), confidence: "U".into() }
    }

    #[test]
    fn another_entity_changes_no_draw_of_an_existing_one() {
        let draws = |stream: &mut Stream| (0..8).map(|_| stream.next_u64()).collect::<Vec<_>>();
        let streams = Streams::new(7);
        let alone = draws(&mut streams.stream(("broker", 1), "disk"));
        let mut other = streams.stream(("broker", 2), "disk");
        let mut mine = streams.stream(("broker", 1), "disk");
        let mixed = (0..8).map(|_| (other.next_u64(), mine.next_u64()).1).collect::<Vec<_>>();
        assert_eq!(alone, mixed);
    }

    #[test]
    fn every_part_of_the_name_matters() {
        let first = |seed, entity: Entity<'_>, purpose: &str| {
            Streams::new(seed).stream(entity, purpose).next_u64()
        };
        let draws = [
            first(1, ("a", 1).into(), "x"),
            first(2, ("a", 1).into(), "x"),
            first(1, ("a", 2).into(), "x"),
            first(1, ("b", 1).into(), "x"),
            first(1, ("a", 1).into(), "y"),
            first(1, "a".into(), "x"),
            first(1, "a1".into(), "x"),
        ];
        let distinct: std::collections::BTreeSet<_> = draws.iter().collect();
        assert_eq!(distinct.len(), draws.len());
    }

    #[test]
    fn the_stream_is_pinned() {
        // A change here changes every simulation: bump the model's version with it.
        let mut stream = Streams::new(1).stream(("broker", 1), "disk");
        assert_eq!(stream.next_u64(), 15_924_953_901_925_844_424);
    }

    #[test]
    fn below_is_even() {
        let mut stream = Streams::new(3).stream("t", "below");
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Standard deviation 92.6; five of them.
        assert!(counts.iter().all(|&n| n.abs_diff(10_000) < 463), "{counts:?}");
        assert!((0..100).all(|_| (3..=5).contains(&stream.uniform(3, 5))));
        stream.uniform(0, u64::MAX);
    }

    #[test]
    fn exponential_has_its_mean_and_deviation() {
        let mut stream = Streams::new(3).stream("t", "exp");
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| stream.exponential_ns(1_000_000) as f64).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n);
        assert!((mean / 1e6 - 1.0).abs() < 0.015, "mean {mean}");
        assert!((variance.sqrt() / 1e6 - 1.0).abs() < 0.025, "variance {variance}");
    }

    #[test]
    fn chance_in_a_million() {
        let mut stream = Streams::new(3).stream("t", "chance");
        let hits = (0..100_000).filter(|_| stream.chance_ppm(50_000)).count();
        assert!(hits.abs_diff(5_000) < 345, "{hits}");
        assert!(!stream.chance_ppm(0) && stream.chance_ppm(1_000_000));
    }

    #[test]
    fn interpolation_rounds_down_once() {
        let mut stream = Streams::new(3).stream("t", "interpolate");
        for high in [7, 1_000_003, 1 << 44, u64::MAX >> 1, u64::MAX] {
            let points = [(3, 5), (999_983, high)];
            for _ in 0..1_000 {
                let position = stream.uniform(3 << 32, (999_983 << 32) - 1);
                let (part, whole) = (position - (3 << 32), 999_980_u64 << 32);
                let (whole, part) = (u128::from(whole), u128::from(part));
                let exact = 5 + u128::from(high - 5) * part / whole;
                assert_eq!(u128::from(interpolate(&points, position)), exact);
            }
        }
    }

    #[test]
    fn quantiles_interpolate_and_samples_follow_them() {
        let q = table(&[(0, 100), (500_000, 200), (990_000, 1_000), (1_000_000, 5_000)]);
        assert_eq!(quantile_at(&q, 0), 100);
        assert_eq!(quantile_at(&q, 250_000), 150);
        assert_eq!(quantile_at(&q, 500_000), 200);
        assert_eq!(quantile_at(&q, 995_000), 3_000);
        assert_eq!(quantile_at(&q, 1_000_000), 5_000);
        let mut stream = Streams::new(3).stream("t", "q");
        let mut draws: Vec<_> = (0..100_000).map(|_| stream.sample(&q)).collect();
        draws.sort_unstable();
        assert!(draws[25_000].abs_diff(150) <= 1);
        assert!(draws[50_000].abs_diff(200) <= 6);
        assert!(draws[99_000].abs_diff(1_000) <= 130);
        assert!(draws[0] >= 100 && draws[99_999] < 5_000);
    }
}
