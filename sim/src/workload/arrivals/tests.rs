//! Arrival processes against their theory.

use super::*;
use crate::rng::Streams;

const S: u64 = 1_000_000_000;

fn arrivals(arrival: Arrival, points: &[(u64, u64)], turn: (u32, u32)) -> Arrivals {
    let stream = Streams::new(11).stream(("p", u64::from(turn.0)), "arrivals");
    Arrivals::new(arrival, RateCurve::new(points), turn, stream)
}

fn until(arrivals: &mut Arrivals, end_ns: u64) -> Vec<u64> {
    let mut times = Vec::new();
    while arrivals.peek_ns().is_some_and(|at_ns| at_ns <= end_ns) {
        times.extend(arrivals.next_ns());
    }
    times
}

#[test]
fn uniform_spacing_has_no_drift() {
    // 3 records/s do not divide a second into whole ns.
    let times = until(&mut arrivals(Arrival::Uniform, &[(0, 3_000)], (0, 1)), 3_600 * S);
    assert_eq!(times.len(), 3 * 3_600);
    for (n, at_ns) in (1..).zip(&times) {
        assert_eq!(*at_ns, (n * S).div_ceil(3), "record {n}");
    }
}

#[test]
fn uniform_instances_take_turns() {
    let mut all: Vec<u64> = (0..7)
        .flat_map(|i| until(&mut arrivals(Arrival::Uniform, &[(0, 700_000)], (i, 7)), 10 * S))
        .collect();
    all.sort_unstable();
    assert_eq!(all, until(&mut arrivals(Arrival::Uniform, &[(0, 700_000)], (0, 1)), 10 * S));
}

#[test]
fn counts_follow_the_curves_integral_through_ramps_and_steps() {
    let points = [
        (0, 1_000_000),
        (10 * S, 1_000_000),
        (20 * S, 5_000_000),
        (20 * S, 0),
        (25 * S, 0),
        (30 * S, 333_000),
    ];
    let curve = RateCurve::new(&points);
    let times = until(&mut arrivals(Arrival::Uniform, &points, (0, 1)), 60 * S);
    for second in 1..60 {
        let count = times.partition_point(|&at_ns| at_ns <= second * S);
        assert_eq!(count as u64, curve.records_until(second * S), "at {second} s");
    }
    assert!(times.is_sorted());
}

#[test]
fn poisson_counts_have_equal_mean_and_variance() {
    let times = until(&mut arrivals(Arrival::Poisson, &[(0, 1_000_000)], (0, 1)), 200 * S);
    // Counts in windows of 10 ms: mean 10, variance 10.
    let mut counts = vec![0.0_f64; 20_000];
    times.iter().for_each(|at_ns| counts[((at_ns - 1) / (S / 100)) as usize] += 1.0);
    let n = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / n;
    let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / (n - 1.0);
    assert!((mean - 10.0).abs() < 0.1, "mean {mean}"); // deviation 0.022
    assert!((variance - 10.0).abs() < 0.45, "variance {variance}"); // deviation 0.1
}

#[test]
fn poisson_gaps_are_exponential() {
    let times = until(&mut arrivals(Arrival::Poisson, &[(0, 1_000_000)], (0, 1)), 50 * S);
    let mut gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let n = gaps.len() as f64;
    let distance = (0..gaps.len())
        .map(|i| (1.0 - libm::exp(-gaps[i]) - (i as f64 + 0.5) / n).abs())
        .fold(0.0, f64::max);
    // Kolmogorov's statistic: p = 0.001 at 1.95 / sqrt(n).
    assert!(distance < 1.95 / libm::sqrt(n), "distance {distance} over {n} gaps");
}

#[test]
fn poisson_over_a_ramp_follows_the_integral() {
    let points = [(0, 0), (100 * S, 2_000_000)];
    let times = until(&mut arrivals(Arrival::Poisson, &points, (0, 1)), 100 * S);
    // 100,000 expected, deviation 316; a quarter of them in the first half.
    assert!(times.len().abs_diff(100_000) < 1_300, "{}", times.len());
    let half = times.partition_point(|&at_ns| at_ns <= 50 * S);
    assert!(half.abs_diff(25_000) < 650, "{half}");
}

#[test]
fn bursts_keep_the_mean_and_the_silence() {
    let bursty = Arrival::Bursty { on_ns: S / 10, off_ns: 3 * S / 10 };
    let times = until(&mut arrivals(bursty, &[(0, 1_000_000)], (0, 1)), 100 * S);
    assert!(times.len().abs_diff(100_000) <= 1, "{}", times.len());
    assert!(times.iter().all(|at_ns| (at_ns - 1) % (4 * S / 10) < S / 10));
}

#[test]
fn a_multiplier_keeps_work_done_and_moves_what_is_left() {
    // One record/s; after half a second the rate doubles: half the work is left, done in 0.25 s.
    let mut process = arrivals(Arrival::Uniform, &[(0, 1_000)], (0, 1));
    process.set_multiplier(S / 2, 2_000);
    assert_eq!(until(&mut process, 2 * S), [3 * S / 4, 5 * S / 4, 7 * S / 4]);
    process.set_multiplier(2 * S, 0);
    assert_eq!(process.peek_ns(), None);
    process.set_multiplier(10 * S, 1_000);
    assert_eq!(process.next_ns(), Some(10 * S + S / 2));
}

#[test]
fn a_multiplier_set_before_late_pulls_splits_them_rightly() {
    let mut process = arrivals(Arrival::Uniform, &[(0, 10_000)], (0, 1));
    process.set_multiplier(S, 1_000 * 2);
    let times = until(&mut process, 2 * S);
    assert_eq!(times.partition_point(|&at_ns| at_ns <= S), 10);
    assert_eq!(times.len(), 30);
}

#[test]
fn closed_loops_and_silent_curves_are_never_due() {
    let closed = Arrival::Closed { outstanding: 4 };
    assert_eq!(arrivals(closed, &[(0, 1_000)], (0, 1)).peek_ns(), None);
    assert_eq!(arrivals(Arrival::Uniform, &[(0, 0)], (0, 1)).peek_ns(), None);
    let bursty = Arrival::Bursty { on_ns: 10, off_ns: 10 };
    assert_eq!(arrivals(bursty, &[(0, 5), (S, 0)], (0, 1)).peek_ns(), None);
}

#[test]
fn instances_draw_apart() {
    let one = until(&mut arrivals(Arrival::Poisson, &[(0, 10_000)], (0, 2)), 10 * S);
    let two = until(&mut arrivals(Arrival::Poisson, &[(0, 10_000)], (1, 2)), 10 * S);
    assert_ne!(one, two);
}

#[test]
fn a_run_takes_what_one_by_one_gives_and_leaves_the_same_state() {
    let ramp: &[(u64, u64)] = &[(0, 900_000), (S, 900_000), (2 * S, 5_000_000), (3 * S, 40_000)];
    let bursty = Arrival::Bursty { on_ns: S / 20, off_ns: S / 10 };
    for process in [Arrival::Uniform, Arrival::Poisson, bursty] {
        for points in [ramp, &[(0, 70_000_000)], &[(0, 3)]] {
            let mut single = arrivals(process, points, (0, 1));
            let mut runs = arrivals(process, points, (0, 1));
            let mut bounds = Streams::new(5).stream("test", "bounds");
            let mut now_ns = 0;
            for step in 0..2_000 {
                now_ns += bounds.below(2_000_000);
                let (until_ns, enough_ns) = (now_ns + 700_000, now_ns + bounds.below(1_000_000));
                let take = Take { until_ns, enough_ns, max: bounds.below(20) as usize };
                let mut times = Vec::new();
                assert_eq!(runs.next_run(take, &mut times), times.len());
                let mut expected = Vec::new();
                while expected.len() < take.max
                    && expected.last().is_none_or(|last_ns| *last_ns < enough_ns)
                    && single.peek_ns().is_some_and(|at_ns| at_ns <= until_ns)
                {
                    expected.extend(single.next_ns());
                }
                assert_eq!(times, expected, "{process:?} {points:?} step {step}");
                assert_eq!(runs.peek_ns(), single.peek_ns(), "{process:?} step {step}");
                if step % 500 == 250 {
                    let permille = 500 + step;
                    single.set_multiplier(now_ns, permille);
                    runs.set_multiplier(now_ns, permille);
                }
            }
        }
    }
}
