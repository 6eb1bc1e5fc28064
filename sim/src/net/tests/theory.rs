//! Fair sharing and Little's law under random load.

use super::*;

const MESSAGES: u64 = 20_000;
/// A connection each in turn: 40 ms of load between two messages of one.
const CONNS: u32 = 200;
const MEAN_BYTES: u64 = 10_000;
/// 10 kB at 100 MB/s.
const SERVICE_NS: f64 = 100_000.0;

struct Measured {
    mean_transfer_ns: f64,
    mean_messages: f64,
    arrivals_per_ns: f64,
}

/// Poisson arrivals of messages on a NIC of 100 MB/s, each on a connection of its own.
fn measure(load: f64, exponential: bool) -> Measured {
    let spec = |rate| HostSpec { az: 0, nic: nic(rate), flow_cap_bytes_per_sec: u64::MAX };
    // What receives is too fast to matter.
    let mut world = World::with_hosts(config(), vec![spec(100 * MB), spec(100_000 * MB)]);
    let conns: Vec<_> = (0..CONNS).map(|_| world.conn(0, 1)).collect();
    world.run();
    let began_ns = world.now_ns;
    let mut stream = Streams::new(6).stream("test", "arrivals");
    let gap_ns = (SERVICE_NS / load) as u64;
    let mut sent = Vec::new();
    for token in 0..MESSAGES {
        world.run_until(world.now_ns + stream.exponential_ns(gap_ns));
        let drawn = stream.exponential_ns(MEAN_BYTES).max(66);
        let bytes = if exponential { drawn } else { MEAN_BYTES };
        world.send(conns[(token % u64::from(CONNS)) as usize], Side::Client, bytes, token);
        sent.push(world.now_ns);
    }
    let (ends_ns, arrivals_per_ns) =
        (world.now_ns, MESSAGES as f64 / (world.now_ns - began_ns) as f64);
    world.run();
    let delivered = world.delivered();
    let transfers = delivered.iter().map(|&(at_ns, token)| at_ns - SAME - sent[token as usize]);
    let mean_transfer_ns = transfers.sum::<u64>() as f64 / MESSAGES as f64;
    let arrivals = sent.iter().map(|&at_ns| (at_ns, 1_i64));
    let departures = delivered.iter().map(|&(at_ns, _)| (at_ns - SAME, -1));
    let mut changes: Vec<_> =
        arrivals.chain(departures).filter(|(at_ns, _)| *at_ns <= ends_ns).collect();
    changes.sort_unstable();
    let (mut last_ns, mut messages, mut area) = (began_ns, 0_i64, 0.0);
    for (at_ns, change) in changes {
        area += (at_ns - last_ns) as f64 * messages as f64;
        last_ns = at_ns;
        messages += change;
    }
    let mean_messages = area / (ends_ns - began_ns) as f64;
    Measured { mean_transfer_ns, mean_messages, arrivals_per_ns }
}

#[track_caller]
fn close(measured: f64, theory: f64, tolerance: f64) {
    let error = (measured - theory).abs() / theory;
    assert!(error < tolerance, "measured {measured}, theory {theory}, error {error:.4}");
}

/// M/G/1 processor sharing: `E[S] / (1 - load)` whatever the sizes are distributed as. First come
/// first served would give half of that on top for equal sizes.
#[test]
fn a_fairly_shared_nic_is_processor_sharing_within_5_percent() {
    for (load, exponential) in [(0.3, true), (0.7, true), (0.3, false), (0.7, false)] {
        close(measure(load, exponential).mean_transfer_ns, SERVICE_NS / (1.0 - load), 0.05);
    }
}

#[test]
fn littles_law_holds_for_messages_under_way_within_half_a_percent() {
    let measured = measure(0.7, true);
    close(measured.mean_messages, measured.arrivals_per_ns * measured.mean_transfer_ns, 0.005);
}

/// 100 MB/s for three connections: one may have 10 MB/s, one 30, the third takes what is left.
#[test]
fn windows_cap_flows_and_the_rest_goes_to_others() {
    let fast = HostSpec { az: 0, nic: nic(1_000 * MB), flow_cap_bytes_per_sec: u64::MAX };
    let slow = HostSpec { nic: nic(100 * MB), ..fast };
    let mut world = World::with_hosts(config(), vec![slow, fast]);
    let rtt_ns = 2 * SAME;
    let window = |rate: u64| Windows { to_server: Some(rate * rtt_ns / S), to_client: None };
    let capped = [10 * MB, 30 * MB].map(|rate| world.conn_with(0, 1, window(rate)));
    let free = world.conn(0, 1);
    world.run_until(S);
    for (token, (conn, bytes)) in
        (0..).zip([(capped[0], 5 * MB), (capped[1], 15 * MB), (free, 30 * MB)])
    {
        world.send(conn, Side::Client, bytes, token);
    }
    world.run();
    let half = S + S / 2 + SAME;
    for (at_ns, token) in world.delivered() {
        assert!(at_ns.abs_diff(half) < 1_000, "message {token} at {at_ns}");
    }
}
