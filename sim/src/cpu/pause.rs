//! Young collections of the JVM: one pause per `jvm.young_gc_bytes` allocated, of lognormal
//! length given by median and 99th percentile. Leaves out old collections and their humongous
//! allocations: a broker that needs them is misconfigured.

use super::profile::{MissingConstant, constant};
use crate::disk::Latency;
use crate::rng::Stream;
use stormglass_scenarios::plan::{ModelPlan, Quantiles};

/// `(parts per million, standard normal quantile in thousandths)`.
const NORMAL: [(u32, i32); 11] = [
    (0, -3_090),
    (10_000, -2_326),
    (100_000, -1_282),
    (250_000, -674),
    (500_000, 0),
    (750_000, 674),
    (900_000, 1_282),
    (990_000, 2_326),
    (999_000, 3_090),
    (999_900, 3_719),
    (1_000_000, 4_265),
];

/// Counts allocation and yields pauses.
#[derive(Debug)]
pub(crate) struct Collector {
    young_bytes: u64,
    alloc_permille: u64,
    allocated: u64,
    pause: Latency,
}

impl Collector {
    /// Reads `jvm.young_gc_bytes`, `jvm.alloc_permille_of_bytes`, `jvm.gc_pause_median_ns` and
    /// `jvm.gc_pause_p99_ns`. A young generation of size zero switches pauses off.
    pub(crate) fn new(model: &ModelPlan, stream: Stream) -> Result<Self, MissingConstant> {
        let median = constant(model, "jvm.gc_pause_median_ns")?;
        let p99 = constant(model, "jvm.gc_pause_p99_ns")?;
        let young_bytes = constant(model, "jvm.young_gc_bytes")?;
        let alloc_permille = constant(model, "jvm.alloc_permille_of_bytes")?;
        let pause = Latency::new(&lognormal(median, p99), stream);
        Ok(Self { young_bytes, alloc_permille, allocated: 0, pause })
    }

    /// Counts what receiving bytes allocates; the length of the pause that this causes, ns.
    pub(crate) fn received(&mut self, bytes: u64) -> Option<u64> {
        self.allocated += bytes * self.alloc_permille / 1000;
        if self.young_bytes == 0 || self.allocated < self.young_bytes {
            return None;
        }
        self.allocated %= self.young_bytes;
        Some(self.pause.draw())
    }
}

/// Quantile table of the lognormal distribution through a median and a 99th percentile.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pauses are far below 2^53 ns; computed once, with libm, so the same on each machine"
)]
fn lognormal(median_ns: u64, p99_ns: u64) -> Quantiles {
    let median = median_ns.max(1) as f64;
    let sigma = libm::log(p99_ns.max(median_ns).max(1) as f64 / median) / 2.326;
    let points = NORMAL
        .iter()
        .map(|&(ppm, z)| (ppm, (median * libm::exp(sigma * f64::from(z) / 1000.0)) as u64))
        .collect();
    Quantiles { points, source: String::new(), confidence: "X".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::model;
    use crate::rng::Streams;

    #[test]
    fn table_goes_through_median_and_p99() {
        let table = lognormal(5_000_000, 40_000_000);
        let at = |ppm| table.points.iter().find(|point| point.0 == ppm).unwrap().1;
        assert_eq!(at(500_000), 5_000_000);
        assert!(at(990_000).abs_diff(40_000_000) < 10, "{}", at(990_000));
    }

    #[test]
    fn one_pause_per_young_generation() {
        let mut collector =
            Collector::new(&model(), Streams::new(1).stream("test", "pauses")).unwrap();
        let mut pauses: Vec<u64> =
            (0..100_000).filter_map(|_| collector.received(1 << 20)).collect();
        assert_eq!(pauses.len(), 100_000 / 512);
        pauses.sort_unstable();
        let median = pauses[pauses.len() / 2];
        assert!(median.abs_diff(10_000_000) < 2_500_000, "{median}");
    }
}
