//! A quantile table, prepared for a draw per message. Gives what [`Stream::sample`] gives, without
//! a search. Leaves out the latency of a link, which is made of such draws in `link`.

use crate::rng::Stream;
use stormglass_scenarios::plan::Quantiles;

/// Positions in a table are in ppm with this many fractional bits, as in [`Stream::sample`].
const FRACTION_BITS: u32 = 32;
/// One past the last position.
const POSITIONS: u64 = 1_000_000 << FRACTION_BITS;
/// The guide has an entry per 2^44 positions: 245 entries.
const GUIDE_BITS: u32 = 44;

/// A straight piece of the inverse distribution.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: u64,
    low: u64,
    rise: u64,
    width_ppm: u64,
}

/// A prepared table.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    segments: Vec<Segment>,
    /// By the upper bits of a position, a segment that begins there or before.
    guide: Vec<u16>,
}

impl Sampler {
    /// From a table with points in order.
    pub(super) fn new(quantiles: &Quantiles) -> Self {
        let points = &quantiles.points;
        let (first, last) = (points.first(), points.last());
        let (first, last) = first.zip(last).expect("a quantile table has points");
        // Flat before the first point and behind the last one.
        let mut segments = vec![Segment { start: 0, low: first.1, rise: 0, width_ppm: 1 }];
        segments.extend(points.windows(2).filter(|pair| pair[0].0 < pair[1].0).map(|pair| {
            let ((low_ppm, low), (high_ppm, high)) = (pair[0], pair[1]);
            let start = u64::from(low_ppm) << FRACTION_BITS;
            let width_ppm = u64::from(high_ppm - low_ppm);
            Segment { start, low, rise: high.saturating_sub(low), width_ppm }
        }));
        let start = u64::from(last.0) << FRACTION_BITS;
        segments.push(Segment { start, low: last.1, rise: 0, width_ppm: 1 });
        let guide = (0..=POSITIONS >> GUIDE_BITS).map(|entry| {
            let begun = segments.partition_point(|segment| segment.start <= entry << GUIDE_BITS);
            u16::try_from(begun - 1).unwrap_or(u16::MAX)
        });
        Self { guide: guide.collect(), segments }
    }

    /// The next value of a stream.
    pub(super) fn draw(&self, stream: &mut Stream) -> u64 {
        let position = stream.below(POSITIONS);
        let mut at = usize::from(self.guide[(position >> GUIDE_BITS) as usize]);
        while self.segments.get(at + 1).is_some_and(|next| next.start <= position) {
            at += 1;
        }
        let Segment { start, low, rise, width_ppm } = self.segments[at];
        let part = u128::from(position - start);
        // Below `rise * width`. Rounding down twice is rounding down once.
        let product = (u128::from(rise) * part) >> FRACTION_BITS;
        low + match u64::try_from(product) {
            Ok(product) => product / width_ppm,
            Err(_) => (product / u128::from(width_ppm)) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    #[test]
    fn draws_are_those_of_the_table() {
        let tables: [&[(u32, u64)]; 5] = [
            &[(0, 250_000), (100_000, 415_000), (999_990, 1_500_000), (1_000_000, 6_150_000)],
            &[(0, 7)],
            &[(250_000, 5), (250_000, 9), (250_001, u64::MAX)],
            &[(0, 9), (500_000, 3), (900_000, 1 << 50)],
            &[(999_998, 1), (999_999, 5_000_000), (1_000_000, 9_000_000)],
        ];
        for points in tables {
            let (source, confidence) = (String::new(), "U".to_owned());
            let table = Quantiles { points: points.to_vec(), source, confidence };
            let sampler = Sampler::new(&table);
            let mut stream = Streams::new(3).stream("t", "sampler");
            let mut again = stream.clone();
            for _ in 0..50_000 {
                assert_eq!(sampler.draw(&mut stream), again.sample(&table));
            }
        }
    }
}
