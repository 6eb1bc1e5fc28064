//! Where the time of a produce request goes: mean parts of the samples in a band of latency.

use super::decimal::{Milli, div_half_up};
use super::phase::Scope;
use super::types::PathBand;
use crate::recording::{PathParts, PathSample, Recording};

/// Band name and its ranks among the samples sorted by latency, parts per thousand.
const BANDS: [(&str, usize, usize); 5] =
    [("all", 0, 1000), ("p50", 450, 550), ("p90", 880, 920), ("p99", 985, 995), ("max", 999, 1000)];

/// All bands over measure and heal; none when nothing was sampled.
pub(crate) fn bands(recording: &Recording) -> Vec<PathBand> {
    let mut samples: Vec<&PathSample> =
        recording.paths.iter().filter(|sample| Scope::Measured.covers(sample.phase)).collect();
    if samples.is_empty() {
        return Vec::new();
    }
    samples.sort_by_key(|sample| (sample.parts.total_ns(), sample.at_ns, sample.broker));
    BANDS.into_iter().map(|(name, from, to)| band(name, slice(&samples, from, to))).collect()
}

/// The samples between two ranks; at least one.
fn slice<'a, 'b>(samples: &'a [&'b PathSample], from: usize, to: usize) -> &'a [&'b PathSample] {
    let start = (samples.len() * from / 1000).min(samples.len() - 1);
    let end = (samples.len() * to).div_ceil(1000).clamp(start + 1, samples.len());
    &samples[start..end]
}

fn band(name: &str, samples: &[&PathSample]) -> PathBand {
    let mean = |of: fn(&PathParts) -> u64| {
        let sum: i128 = samples.iter().map(|sample| i128::from(of(&sample.parts))).sum();
        let micros = div_half_up(sum, samples.len() as i128 * 1000);
        Milli::from_units(i64::try_from(micros).unwrap_or(i64::MAX))
    };
    let mut band = PathBand {
        band: name.to_owned(),
        samples: samples.len() as u64,
        total_ms: Milli::ZERO,
        client_queue_ms: mean(|parts| parts.client_queue_ns),
        network_ms: mean(|parts| parts.network_ns),
        cpu_queue_ms: mean(|parts| parts.cpu_queue_ns),
        cpu_ms: mean(|parts| parts.cpu_ns),
        disk_ms: mean(|parts| parts.disk_ns),
        replication_ms: mean(|parts| parts.replication_ns),
        purgatory_ms: mean(|parts| parts.purgatory_ns),
        response_ms: mean(|parts| parts.response_ns),
    };
    let total: i64 = band.parts().iter().map(|(_, part)| part.units()).sum();
    band.total_ms = Milli::from_units(total);
    band
}

impl PathBand {
    /// The parts with their names for people, in order of a request's way.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Milli); 8] {
        [
            ("client queue", self.client_queue_ms),
            ("network", self.network_ms),
            ("CPU queue", self.cpu_queue_ms),
            ("CPU", self.cpu_ms),
            ("disk", self.disk_ms),
            ("replication", self.replication_ms),
            ("purgatory", self.purgatory_ms),
            ("response", self.response_ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Phase;
    use crate::testing;

    fn sample(index: u64, phase: Phase) -> PathSample {
        let slow = if index >= 990 { 90_000_000 } else { 0 };
        PathSample {
            at_ns: index,
            phase,
            group: "p".to_owned(),
            broker: 1,
            parts: PathParts { cpu_ns: 1_000_000, disk_ns: slow, ..PathParts::default() },
        }
    }

    #[test]
    fn the_tail_shows_what_the_median_hides() {
        let mut recording = testing::empty_recording();
        recording.paths = (0..1000).map(|index| sample(index, Phase::Measure)).collect();
        recording.paths.push(sample(999, Phase::Warmup));
        let bands = bands(&recording);
        let of = |name: &str| bands.iter().find(|band| band.band == name).unwrap();
        assert_eq!(of("all").samples, 1000);
        assert_eq!(of("p50").disk_ms, Milli::ZERO);
        assert_eq!(of("max").disk_ms.to_string(), "90.000");
        for band in &bands {
            let sum: i64 = band.parts().iter().map(|(_, part)| part.units()).sum();
            assert_eq!(sum, band.total_ms.units());
        }
    }

    #[test]
    fn one_sample_fills_every_band_and_none_fills_none() {
        let mut recording = testing::empty_recording();
        assert!(bands(&recording).is_empty());
        recording.paths = vec![sample(0, Phase::Heal)];
        assert!(bands(&recording).iter().all(|band| band.samples == 1));
    }
}
