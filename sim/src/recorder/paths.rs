//! Sampled critical paths, bounded: when full, every second sample goes and only every second
//! later one is taken, so that those kept stay evenly spread over the run.

use stormglass_reports::recording::{PathParts, PathSample, Phase};

/// Samples kept at most.
const PATHS_MAX: usize = 200_000;

/// A sampled critical path; [`PathSample`] with a number in place of the group's name.
#[derive(Debug, Clone, Copy)]
pub struct PathTaken {
    /// When the record was intended, ns since the run began.
    pub at_ns: u64,
    /// Phase at that time.
    pub phase: Phase,
    /// Producer group, index into the plan.
    pub group: usize,
    /// Leader that answered.
    pub broker: i32,
    /// The parts.
    pub parts: PathParts,
}

/// Evenly thinned samples.
#[derive(Debug)]
pub(crate) struct Paths {
    kept: Vec<PathTaken>,
    /// One of this many is taken; a power of two.
    stride: u64,
    seen: u64,
    max: usize,
}

impl Default for Paths {
    fn default() -> Self {
        Self { kept: Vec::new(), stride: 1, seen: 0, max: PATHS_MAX }
    }
}

impl Paths {
    pub(crate) fn push(&mut self, sample: PathTaken) {
        let taken = self.seen & (self.stride - 1) == 0;
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
        // A list that grows step by step is copied again and again, into memory to be cleared first.
        if self.kept.capacity() == 0 {
            self.kept.reserve_exact(self.max);
        }
        self.kept.push(sample);
    }

    /// Those kept, with the names of their groups.
    pub(crate) fn into_samples(self, name: impl Fn(usize) -> String) -> Vec<PathSample> {
        let named = |taken: PathTaken| {
            let PathTaken { at_ns, phase, group, broker, parts } = taken;
            PathSample { at_ns, phase, group: name(group), broker, parts }
        };
        self.kept.into_iter().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stay_bounded_and_evenly_spread() {
        let mut paths = Paths { max: 8, ..Paths::default() };
        for at_ns in 0..100 {
            let parts = PathParts::default();
            paths.push(PathTaken { at_ns, phase: Phase::Measure, group: 3, broker: 1, parts });
        }
        let samples = paths.into_samples(|group| format!("group {group}"));
        assert!(samples.iter().all(|sample| sample.group == "group 3"));
        let at: Vec<u64> = samples.iter().map(|sample| sample.at_ns).collect();
        assert_eq!(at, [0, 16, 32, 48, 64, 80, 96]);
    }
}
