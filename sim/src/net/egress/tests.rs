//! Fair sharing against closed forms.

use super::*;
use std::collections::{BTreeMap, VecDeque};

const S: u64 = 1_000_000_000;
const MB: u64 = 1_000_000;

#[derive(Default)]
struct Log {
    waiting: BTreeMap<u32, VecDeque<u64>>,
    through: Vec<(u32, u64)>,
}

impl Marks for Log {
    fn through(&mut self, pipe: u32, at_ns: u64) -> u64 {
        self.through.push((pipe, at_ns));
        self.waiting.get_mut(&pipe).and_then(VecDeque::pop_front).unwrap_or(0)
    }
}

struct Nic {
    egress: Egress,
    log: Log,
}

impl Nic {
    fn new(baseline: u64, burst: u64, bucket: u64) -> Self {
        let plan =
            RatePlan { baseline_per_sec: baseline, burst_per_sec: burst, bucket, initial: bucket };
        Self { egress: Egress::new(plan), log: Log::default() }
    }

    fn send(&mut self, at_ns: u64, pipe: u32, cap: u64, bytes: u64) -> u64 {
        self.egress.advance(at_ns, &mut self.log);
        if self.egress.flows.iter().any(|flow| flow.pipe == pipe) {
            self.log.waiting.entry(pipe).or_default().push_back(bytes * UNITS_PER_BYTE);
        }
        self.egress.push(pipe, cap, bytes * UNITS_PER_BYTE);
        self.egress.forecast(pipe)
    }

    fn run(mut self) -> Vec<(u32, u64)> {
        self.egress.advance(10_000 * S, &mut self.log);
        self.log.through
    }
}

const FREE: u64 = u64::MAX;

#[test]
fn three_flows_with_different_starts() {
    // 100 MB/s. A (100 MB) alone for 0.4 s, with B (60 MB) for 0.4 s, with C (10 MB) too:
    // A 40, then 20, then thirds. C ends after 0.3 s, B has 30 left, A 30: both end 0.6 s later.
    let mut nic = Nic::new(100 * MB, 100 * MB, 0);
    assert_eq!(nic.send(0, 1, FREE, 100 * MB), S);
    nic.send(4 * S / 10, 2, FREE, 60 * MB);
    nic.send(8 * S / 10, 3, FREE, 10 * MB);
    let through: BTreeMap<_, _> = nic.run().into_iter().collect();
    // A third of the rate is not a whole number: 1 part in 10^8, 3 ns here.
    assert!(through[&3].abs_diff(11 * S / 10) <= 4);
    assert!(through[&1].abs_diff(17 * S / 10) <= 4);
    assert!(through[&2].abs_diff(17 * S / 10) <= 4);
}

#[test]
fn processor_sharing_of_a_batch_has_a_closed_form() {
    // Equal starts: job i is through at sum over j of min(size j, size i) / rate.
    let sizes = [5, 1, 9, 3, 3, 7].map(|mb| mb * MB);
    let mut nic = Nic::new(100 * MB, 100 * MB, 0);
    for (pipe, &bytes) in (0_u32..).zip(&sizes) {
        nic.send(0, pipe, FREE, bytes);
    }
    for (pipe, at_ns) in nic.run() {
        let mine = sizes[pipe as usize];
        let work: u64 = sizes.iter().map(|&other| other.min(mine)).sum();
        assert!(at_ns.abs_diff(work * 10) <= 8, "pipe {pipe}: {at_ns} for {work}");
    }
}

#[test]
fn caps_are_kept_and_the_rest_goes_to_others() {
    // 90 MB/s: caps of 10 and 20 leave 60 for the third.
    let mut nic = Nic::new(90 * MB, 90 * MB, 0);
    nic.send(0, 1, 10 * MB, 10 * MB);
    nic.send(0, 2, 20 * MB, 20 * MB);
    assert_eq!(nic.send(0, 3, FREE, 60 * MB), S);
    assert_eq!(nic.run(), [(1, S), (2, S), (3, S)]);
    // A cap above the share does not bind until others leave.
    let mut nic = Nic::new(90 * MB, 90 * MB, 0);
    nic.send(0, 1, 60 * MB, 75 * MB);
    nic.send(0, 2, FREE, 45 * MB);
    assert_eq!(nic.run(), [(2, S), (1, 3 * S / 2)]);
}

#[test]
fn burst_ends_when_the_credits_do() {
    // Baseline 100, burst 1000, 900 MB of credits: 1 s of burst, then the baseline.
    let mut nic = Nic::new(100 * MB, 1_000 * MB, 900 * MB);
    assert_eq!(nic.send(0, 1, FREE, 1_500 * MB), 6 * S);
    nic.egress.advance(6 * S, &mut nic.log);
    assert_eq!(nic.egress.credits_permille(), 0);
    assert_eq!(nic.egress.take_usage(), (1_500 * MB, 6 * S));
    // 4.5 s idle earn half the bucket.
    nic.egress.advance(10 * S + S / 2, &mut nic.log);
    assert_eq!(nic.egress.credits_permille(), 500);
    // A use below the baseline never runs out.
    nic.send(10 * S + S / 2, 2, 50 * MB, 100 * MB);
    nic.egress.advance(12 * S + S / 2, &mut nic.log);
    assert_eq!(nic.egress.credits_permille(), 611);
    assert_eq!(nic.log.through, [(1, 6 * S), (2, 12 * S + S / 2)]);
}

#[test]
fn a_depleted_shared_nic_stays_at_its_baseline() {
    // 3 flows do not divide the baseline: what rounding leaves must not become credit.
    let mut nic = Nic::new(100, 1_000, 10);
    nic.egress.set_credits(0);
    for pipe in 0..3 {
        nic.send(0, pipe, FREE, 10_000);
    }
    nic.egress.advance(100 * S, &mut nic.log);
    assert_eq!(nic.egress.credits_permille(), 0);
    assert_eq!(nic.egress.take_usage().0, 10_000);
}

#[test]
fn messages_of_a_flow_follow_one_another_without_a_gap() {
    let mut nic = Nic::new(3, 3, 0);
    for _ in 0..300 {
        nic.send(0, 1, FREE, 1);
    }
    let through = nic.run();
    for (n, &(_, at_ns)) in (1..).zip(&through) {
        assert!(at_ns.abs_diff(n * S / 3) <= 1, "message {n} at {at_ns}");
    }
    assert_eq!(through.len(), 300);
}

#[test]
fn forecasts_are_never_late() {
    let mut state = 9_u64;
    let mut draw = |n: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for _ in 0..50 {
        let mut nic = Nic::new(100 * MB, 300 * MB, 3 * MB);
        let mut forecasts = BTreeMap::new();
        let mut at_ns = 0;
        for pipe in 0..40 {
            at_ns += draw(8_000_000);
            let cap = [FREE, 40 * MB, 150 * MB][draw(3) as usize];
            forecasts.insert(pipe, nic.send(at_ns, pipe, cap, 1 + draw(2 * MB)));
        }
        for (pipe, at_ns) in nic.run() {
            // Rounding may move an end by a ns for each flow that comes or goes.
            assert!(forecasts[&pipe] <= at_ns + 40, "pipe {pipe}");
        }
    }
}

#[test]
fn a_flow_at_its_cap_has_an_exact_forecast_whoever_leaves() {
    // Twenty flows leave one after another, more than a forecast follows. The cap does not divide
    // the work, so that rounding down would come a nanosecond early.
    const CAP: u64 = 9_999_999;
    let mut nic = Nic::new(1_000 * MB, 1_000 * MB, 0);
    for pipe in 1..=20 {
        nic.send(0, pipe, CAP, MB * u64::from(pipe));
    }
    let forecast_ns = nic.send(0, 99, CAP, 50 * MB);
    assert_eq!(forecast_ns, (50 * MB * UNITS_PER_BYTE).div_ceil(CAP));
    assert_eq!(nic.run().last(), Some(&(99, forecast_ns)));
}
