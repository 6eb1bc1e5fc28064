//! Sizes of records. Leaves out any relation between a record's size and its key.

use crate::rng::Stream;
use stormglass_scenarios::plan::SizeDist;

/// Draws record sizes of one client instance.
#[derive(Debug)]
pub struct SizeSampler {
    dist: SizeDist,
    stream: Stream,
}

impl SizeSampler {
    /// Sizes as the plan says.
    #[must_use]
    pub fn new(dist: SizeDist, stream: Stream) -> Self {
        Self { dist, stream }
    }

    /// The one size of all records, bytes, if they have one: nothing is drawn then.
    #[must_use]
    pub fn fixed(&self) -> Option<u32> {
        match self.dist {
            SizeDist::Fixed { bytes } => Some(bytes),
            SizeDist::Uniform { .. } => None,
        }
    }

    /// Size of the next record, bytes.
    pub fn next_bytes(&mut self) -> u32 {
        match self.dist {
            SizeDist::Fixed { bytes } => bytes,
            SizeDist::Uniform { min_bytes, max_bytes } => {
                let bytes = self.stream.uniform(u64::from(min_bytes), u64::from(max_bytes));
                u32::try_from(bytes).expect("between two 32-bit sizes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    #[test]
    fn sizes_stay_within_bounds_and_reach_them() {
        let stream = Streams::new(1).stream("p", "size");
        let mut fixed = SizeSampler::new(SizeDist::Fixed { bytes: 1024 }, stream.clone());
        assert_eq!(fixed.next_bytes(), 1024);
        let dist = SizeDist::Uniform { min_bytes: 10, max_bytes: 13 };
        let mut uniform = SizeSampler::new(dist, stream);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| uniform.next_bytes()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [10, 11, 12, 13]);
    }
}
