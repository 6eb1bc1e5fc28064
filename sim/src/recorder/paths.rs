//! Sampled critical paths, bounded: when full, every second sample goes and only every second
//! later one is taken, so that those kept stay evenly spread over the run.

use stormglass_reports::recording::PathSample;

/// Samples kept at most.
const PATHS_MAX: usize = 200_000;

/// Evenly thinned samples.
#[derive(Debug)]
pub(crate) struct Paths {
    kept: Vec<PathSample>,
    /// One of this many is taken.
    stride: u64,
    seen: u64,
    max: usize,
}

impl Paths {
    pub(crate) fn new() -> Self {
        Self { kept: Vec::new(), stride: 1, seen: 0, max: PATHS_MAX }
    }

    pub(crate) fn push(&mut self, sample: PathSample) {
        let taken = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !taken {
            return;
        }
        if self.kept.len() == self.max {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
            // The full list ends just before a multiple of the new stride.
            debug_assert!(self.max.is_multiple_of(2));
        }
        self.kept.push(sample);
    }

    pub(crate) fn into_samples(self) -> Vec<PathSample> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_reports::recording::{PathParts, Phase};

    #[test]
    fn samples_stay_bounded_and_evenly_spread() {
        let mut paths = Paths { max: 8, ..Paths::new() };
        for at_ns in 0..100 {
            let group = String::new();
            let parts = PathParts::default();
            paths.push(PathSample { at_ns, phase: Phase::Measure, group, broker: 1, parts });
        }
        let at: Vec<u64> = paths.into_samples().iter().map(|sample| sample.at_ns).collect();
        assert_eq!(at, [0, 16, 32, 48, 64, 80, 96]);
    }
}
