//! The volume against queueing theory: M/D/1, M/G/1 (Pollaczek-Khinchine), Little's law,
//! utilisation.

use super::testing::{MIB, SEC, config, flat};
use super::volume::{Io, Volumes};
use super::{DiskConfig, Latency};
use crate::rng::Streams;
use stormglass_scenarios::plan::Quantiles;

const JOBS: u64 = 300_000;

struct Measured {
    mean_wait_ns: f64,
    mean_sojourn_ns: f64,
    mean_queue: f64,
    busy_share: f64,
    arrivals_per_ns: f64,
}

/// Poisson arrivals of operations with this mean time between them.
fn measure(config: &DiskConfig, depth: usize, io: Io, gap_ns: f64, service_ns: f64) -> Measured {
    let mut volumes = Volumes::with_depth(config, &Streams::new(4), 1, depth);
    let mut stream = Streams::new(8).stream("test", "arrivals");
    let (mut now, mut sojourn) = (0.0, 0.0);
    for _ in 0..JOBS {
        now += stream.exponential_ns(gap_ns as u64) as f64;
        let at = now as u64;
        sojourn += (volumes.submit(at, 0, io) - at) as f64;
    }
    let counters = volumes.take_counters(now as u64, 0);
    let mean_sojourn_ns = sojourn / JOBS as f64;
    Measured {
        mean_wait_ns: mean_sojourn_ns - service_ns,
        mean_sojourn_ns,
        mean_queue: counters.queue_length_milli(now as u64) as f64 / 1000.0,
        busy_share: counters.busy_ns as f64 / now,
        arrivals_per_ns: JOBS as f64 / now,
    }
}

#[track_caller]
fn close(measured: f64, theory: f64, tolerance: f64) {
    let error = (measured - theory).abs() / theory;
    assert!(error < tolerance, "measured {measured}, theory {theory}, error {error:.4}");
}

/// Nothing but a throughput: each 1 MB takes 10 ms.
fn throughput_only() -> DiskConfig {
    let mut config = config();
    config.volumes[0].throughput = flat(100_000_000);
    config.volumes[0].iops = flat(0);
    config.read = Quantiles { points: Vec::new(), ..config.read };
    config
}

#[test]
fn throughput_limit_is_md1_within_4_percent() {
    let service_ns = 10_000_000.0;
    for load in [0.3, 0.6, 0.8] {
        let io = Io::Read(1_000_000);
        let measured = measure(&throughput_only(), 32, io, service_ns / load, service_ns);
        close(measured.mean_wait_ns, load / (2.0 * (1.0 - load)) * service_ns, 0.04);
        close(measured.busy_share, load, 0.01);
    }
}

#[test]
fn one_place_is_mg1_within_4_percent() {
    // uniform pieces: second moment of each is (a^2 + ab + b^2) / 3
    let points = vec![(0, 500_000), (800_000, 1_500_000), (1_000_000, 9_500_000)];
    let second_moment: f64 = points
        .windows(2)
        .map(|pair| {
            let (a, b) = (pair[0].1 as f64, pair[1].1 as f64);
            f64::from(pair[1].0 - pair[0].0) / 1e6 * (a * a + a * b + b * b) / 3.0
        })
        .sum();
    let mut config = throughput_only();
    config.volumes[0].throughput = flat(0);
    config.read.points = points;
    let mean_ns =
        Latency::new(&config.read, Streams::new(0).stream("test", "mean")).mean_ns() as f64;
    for load in [0.3, 0.7] {
        let measured = measure(&config, 1, Io::Read(4096), mean_ns / load, mean_ns);
        let theory = load / mean_ns * second_moment / (2.0 * (1.0 - load));
        close(measured.mean_wait_ns, theory, 0.04);
    }
}

#[test]
fn littles_law_within_half_a_percent() {
    let measured = measure(&throughput_only(), 32, Io::Read(1_000_000), 14_000_000.0, 10_000_000.0);
    close(measured.mean_queue, measured.arrivals_per_ns * measured.mean_sojourn_ns, 0.005);
}

#[test]
fn latencies_overlap_up_to_the_queue_depth() {
    let mut config = throughput_only();
    config.volumes[0].throughput = flat(0);
    config.read = crate::cpu::testing::fixed(1_000_000);
    let mut volumes = Volumes::new(&config, &Streams::new(4), 1);
    let ends: Vec<u64> = (0..96).map(|_| volumes.submit(0, 0, Io::Read(4096))).collect();
    assert_eq!(
        (ends[0], ends[31], ends[32], ends[95]),
        (1_000_000, 1_000_000, 2_000_000, 3_000_000)
    );
}

#[test]
fn iops_and_throughput_limit_whichever_is_slower() {
    let mut config = throughput_only();
    config.volumes[0].iops = flat(100);
    config.volumes[0].io_size_bytes = 256 << 10;
    let mut volumes = Volumes::new(&config, &Streams::new(4), 1);
    let small = (0..100).map(|_| volumes.submit(0, 0, Io::Read(1))).max();
    assert_eq!(small, Some(SEC), "a hundred tiny reads are a hundred operations");
    let mut volumes = Volumes::new(&config, &Streams::new(4), 1);
    let large = (0..25).map(|_| volumes.submit(0, 0, Io::Read(1 << 20))).max();
    assert_eq!(large, Some(SEC), "25 MiB are a hundred operations of 256 KiB");
    config.volumes[0].throughput = flat(1 << 20);
    let mut volumes = Volumes::new(&config, &Streams::new(4), 1);
    let large = (0..25).map(|_| volumes.submit(0, 0, Io::Read(1 << 20))).max();
    assert_eq!(large, Some(25 * SEC), "or 25 s of throughput");
}

/// Half a GiB that was asked for at once was shown as written in one second, the next one as idle.
#[test]
fn what_is_asked_for_counts_when_it_is_done() {
    let mut volumes = Volumes::new(&config(), &Streams::new(4), 1);
    for _ in 0..500 {
        volumes.submit(0, 0, Io::Write(MIB));
    }
    let seconds = [1, 2, 3].map(|second| volumes.take_counters(second * SEC, 0));
    assert_eq!(seconds.map(|of| of.write_bytes), [250 * MIB, 250 * MIB, 0]);
    assert_eq!(seconds.map(|of| of.write_ops), [1_000, 1_000, 0]);
    assert_eq!(seconds.map(|of| of.busy_ns), [SEC, SEC, 0]);
}

#[test]
fn what_a_power_failure_ends_is_never_done() {
    let mut volumes = Volumes::new(&config(), &Streams::new(4), 1);
    for _ in 0..500 {
        volumes.submit(0, 0, Io::Read(MIB));
    }
    volumes.reset(SEC);
    let counters = volumes.take_counters(3 * SEC, 0);
    assert_eq!((counters.read_bytes, counters.busy_ns), (250 * MIB, SEC));
}
