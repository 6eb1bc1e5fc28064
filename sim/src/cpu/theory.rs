//! The CPU against queueing theory: M/M/1, M/D/1, M/M/k, Little's law, utilisation.

use super::testing::{host, model};
use super::{Cpu, CpuConfig, Pool, PoolSizes};
use crate::rng::Streams;

const SERVICE_NS: f64 = 100_000.0;
const JOBS: u64 = 200_000;

fn cpu(vcpus: u32, threads: u32) -> Cpu {
    let sizes = PoolSizes { network: threads, handler: threads, fetcher: threads, remote: threads };
    Cpu::new(
        CpuConfig::new(&host(vcpus), &model(), sizes, Streams::new(3).stream("test", "pauses"))
            .unwrap(),
    )
}

struct Measured {
    mean_wait_ns: f64,
    utilisation: f64,
    /// Jobs in the system, sampled as areas under sojourn times over the time.
    mean_jobs: f64,
    arrivals_per_ns: f64,
    mean_sojourn_ns: f64,
}

/// Poisson arrivals at `load` of `servers` cores.
fn measure(servers: u32, load: f64, fixed: bool) -> Measured {
    let mut cpu = cpu(servers, servers);
    let mut stream = Streams::new(9).stream("test", "arrivals");
    let gap_ns = SERVICE_NS / (load * f64::from(servers));
    let (mut now, mut wait, mut sojourn, mut events) = (0.0, 0.0, 0.0, Vec::new());
    for _ in 0..JOBS {
        now += stream.exponential_ns(gap_ns as u64) as f64;
        let service_ns = SERVICE_NS as u64;
        let demand = if fixed { service_ns } else { stream.exponential_ns(service_ns) };
        let at = now as u64;
        let service = cpu.submit(at, Pool::Handler, demand);
        wait += (service.start_ns - at) as f64;
        sojourn += (service.finish_ns - at) as f64;
        events.push((at, 1_i64));
        events.push((service.finish_ns, -1));
    }
    let end = now as u64;
    let counters = cpu.take_counters(end);
    Measured {
        mean_wait_ns: wait / JOBS as f64,
        utilisation: f64::from(counters.cpu_permille) / 1000.0,
        mean_jobs: time_average(events, end),
        arrivals_per_ns: JOBS as f64 / now,
        mean_sojourn_ns: sojourn / JOBS as f64,
    }
}

/// Number in the system over time, counted event by event.
fn time_average(mut events: Vec<(u64, i64)>, end: u64) -> f64 {
    events.sort_unstable();
    let (mut last, mut jobs, mut area) = (0, 0_i64, 0.0);
    for (at, change) in events.into_iter().filter(|event| event.0 <= end) {
        area += (at - last) as f64 * jobs as f64;
        last = at;
        jobs += change;
    }
    area / end as f64
}

/// Erlang's C: probability that a job has to wait.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let offered = load * f64::from(servers);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..servers {
        term *= offered / f64::from(k);
        sum += term;
    }
    let last = term * offered / f64::from(servers) / (1.0 - load);
    last / (sum + last)
}

#[track_caller]
fn close(measured: f64, theory: f64, tolerance: f64) {
    let error = (measured - theory).abs() / theory;
    assert!(error < tolerance, "measured {measured}, theory {theory}, error {error:.4}");
}

#[test]
fn mm1_waiting_time_within_5_percent() {
    for load in [0.3, 0.7, 0.85] {
        close(measure(1, load, false).mean_wait_ns, load / (1.0 - load) * SERVICE_NS, 0.05);
    }
}

#[test]
fn md1_waiting_time_is_half_of_mm1_within_5_percent() {
    for load in [0.3, 0.7, 0.85] {
        close(measure(1, load, true).mean_wait_ns, load / (2.0 * (1.0 - load)) * SERVICE_NS, 0.05);
    }
}

#[test]
fn mmk_waiting_time_is_erlang_c_within_5_percent() {
    for (servers, load) in [(2, 0.6), (4, 0.8), (8, 0.85)] {
        let theory = erlang_c(servers, load) * SERVICE_NS / (f64::from(servers) * (1.0 - load));
        close(measure(servers, load, false).mean_wait_ns, theory, 0.05);
    }
}

#[test]
fn littles_law_within_half_a_percent() {
    let measured = measure(4, 0.8, false);
    close(measured.mean_jobs, measured.arrivals_per_ns * measured.mean_sojourn_ns, 0.005);
}

#[test]
fn utilisation_is_lambda_s_over_c_within_1_percent() {
    for (servers, load) in [(1, 0.5), (4, 0.8)] {
        close(measure(servers, load, true).utilisation, load, 0.01);
    }
}

#[test]
fn pools_share_the_cores() {
    let mut cpu = cpu(1, 2);
    let first = cpu.submit(0, Pool::Network, 100);
    let second = cpu.submit(0, Pool::Handler, 100);
    assert_eq!((first.start_ns, second.start_ns), (0, 100), "two threads, one core");
    assert_eq!(cpu.earliest_start(50, Pool::Handler), 200);
}

#[test]
fn cores_do_not_idle_while_work_waits() {
    let mut cpu = cpu(2, 8);
    let pools = [Pool::Network, Pool::Handler, Pool::Fetcher];
    let ends = (0..3_000).map(|job| cpu.submit(0, pools[job % 3], 100).finish_ns);
    assert_eq!(ends.max(), Some(3_000 * 100 / 2));
}

#[test]
fn a_held_thread_frees_its_core_but_not_itself() {
    let mut cpu = cpu(1, 1);
    let service = cpu.begin(Pool::Handler, 0, 100);
    cpu.hold_until(service.ticket, 1_000);
    assert_eq!(cpu.earliest_start(100, Pool::Handler), 1_000);
    assert_eq!(cpu.earliest_start(100, Pool::Network), 100);
    let counters = cpu.take_counters(2_000);
    assert_eq!(counters.handler_idle_permille, 500, "blocked is not idle");
    assert_eq!(counters.cpu_permille, 50);
}

#[test]
fn busy_time_counts_in_the_window_where_it_passes() {
    let mut cpu = cpu(1, 1);
    cpu.begin(Pool::Network, 500, 1_000);
    assert_eq!(cpu.take_counters(1_000).network_idle_permille, 500);
    assert_eq!(cpu.take_counters(2_000).network_idle_permille, 500);
    assert_eq!(cpu.take_counters(3_000).network_idle_permille, 1000);
}

#[test]
fn a_collection_stops_threads_and_cores() {
    let mut cpu = cpu(2, 2);
    cpu.begin(Pool::Handler, 0, 1_000);
    let end = cpu.on_received(500, 512 << 20).expect("the young generation is full");
    assert_eq!(cpu.earliest_start(500, Pool::Network), end);
    cpu.begin(Pool::Handler, end, 10_000);
    // the thread that was running goes on for its last 500 ns after the pause
    assert_eq!(cpu.earliest_start(end, Pool::Handler), end + 500);
    assert_eq!(cpu.take_counters(end).pause_ns, end - 500);
}
