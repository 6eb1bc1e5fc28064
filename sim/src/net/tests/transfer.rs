//! Messages on a healthy network.

use super::*;

#[test]
fn one_message_costs_one_event_and_its_closed_form() {
    let mut world = World::new(config(), &[0, 1]);
    let conn = world.conn(0, 1);
    world.run();
    let (began_ns, events) = (world.now_ns, world.queue.pushed());
    world.send(conn, Side::Client, MB, 7);
    world.run();
    assert_eq!(world.queue.pushed() - events, 1);
    assert_eq!(world.delivered(), [(began_ns + 10 * MS + CROSS, 7)]);
}

#[test]
fn messages_of_a_direction_keep_their_order_at_about_an_event_each() {
    let mut config = config();
    config.cross_az = spread(&[(0, 100 * US), (500_000, 400 * US), (1_000_000, 20 * MS)]);
    let mut world = World::new(config, &[0, 1]);
    let conn = world.conn(0, 1);
    world.run();
    let events = world.queue.pushed();
    for token in 0..1_000 {
        world.send(conn, Side::Server, 200, token);
        world.run_until(world.now_ns + 50 * US);
    }
    world.run();
    let tokens: Vec<u64> = world.delivered().iter().map(|&(_, token)| token).collect();
    assert_eq!(tokens, (0..1_000).collect::<Vec<_>>());
    // A second one only where latencies push messages together at the receiving NIC.
    let events = world.queue.pushed() - events;
    assert!(events <= 1_100, "{events} events for 1000 messages");
}

#[test]
fn connections_share_a_nic_evenly() {
    // 30 MB and, 100 ms later, 10 MB at 100 MB/s: 10 MB alone, then 50 MB/s each.
    let mut world = World::new(config(), &[0, 0, 0]);
    let (a, b) = (world.conn(0, 1), world.conn(0, 2));
    world.run_until(S);
    world.send(a, Side::Client, 30 * MB, 1);
    world.run_until(S + 100 * MS);
    world.send(b, Side::Client, 10 * MB, 2);
    world.run();
    assert_eq!(world.delivered(), [(S + 300 * MS + SAME, 2), (S + 400 * MS + SAME, 1)]);
}

#[test]
fn a_window_caps_a_flow_at_window_per_round_trip() {
    let mut world = World::new(config(), &[0, 1]);
    let windows = Windows { to_client: Some(64 << 10), to_server: None };
    let conn = world.conn_with(0, 1, windows);
    world.run_until(S);
    world.send(conn, Side::Server, 6_553_600, 1);
    world.run();
    // 64 KiB per ms: 100 ms.
    assert_eq!(world.delivered(), [(S + 100 * MS + CROSS, 1)]);
}

#[test]
fn the_slower_of_both_hosts_caps_a_flow() {
    let host = |cap| HostSpec { az: 0, nic: nic(100 * MB), flow_cap_bytes_per_sec: cap };
    let mut world = World::with_hosts(config(), vec![host(50 * MB), host(20 * MB)]);
    let conn = world.conn(0, 1);
    world.run_until(S);
    world.send(conn, Side::Client, 2 * MB, 1);
    world.run();
    assert_eq!(world.delivered(), [(S + 100 * MS + SAME, 1)]);
}

#[test]
fn a_burst_ends_when_the_credits_do() {
    let plan = RatePlan {
        baseline_per_sec: 10 * MB,
        burst_per_sec: 100 * MB,
        bucket: 90 * MB,
        initial: 90 * MB,
    };
    let fast = HostSpec { az: 0, nic: nic(1_000 * MB), flow_cap_bytes_per_sec: u64::MAX };
    let mut world = World::with_hosts(config(), vec![HostSpec { nic: plan, ..fast }, fast]);
    let conn = world.conn(0, 1);
    world.run_until(S);
    for token in 0..20 {
        world.send(conn, Side::Client, 10 * MB, token);
    }
    world.run();
    for (at_ns, token) in world.delivered() {
        let sent = (token + 1) * 10;
        // 100 MB in the first second, then 10 MB/s.
        let expected = if sent <= 100 { sent * 10 * MS } else { S + (sent - 100) * 100 * MS };
        assert!((at_ns - S - SAME).abs_diff(expected) < 20, "message {token} at {at_ns}");
    }
    let counters = world.net.take_counters(world.now_ns, HostId(0));
    assert!(counters.tx_bytes.abs_diff(200 * MB) < 100, "{counters:?}");
    assert_eq!(counters.tx_credits_permille, 0);
    assert!(counters.tx_saturated_ns.abs_diff(11 * S) < US);
}

#[test]
fn raised_credits_make_an_earlier_forecast() {
    let plan = RatePlan {
        baseline_per_sec: 10 * MB,
        burst_per_sec: 100 * MB,
        bucket: 900 * MB,
        initial: 0,
    };
    let host = HostSpec { az: 0, nic: plan, flow_cap_bytes_per_sec: u64::MAX };
    let fast = HostSpec { nic: nic(1_000 * MB), ..host };
    let mut world = World::with_hosts(config(), vec![host, fast]);
    let conn = world.conn(0, 1);
    world.net.set_credits(world.now_ns, (HostId(0), 0), &mut world.queue);
    let began_ns = world.now_ns;
    world.send(conn, Side::Client, 20 * MB, 1);
    world.run_until(began_ns + S);
    world.net.set_credits(world.now_ns, (HostId(0), 500), &mut world.queue);
    world.run();
    assert_eq!(world.delivered(), [(began_ns + S + 100 * MS + SAME, 1)]);
}

#[test]
fn fan_in_queues_at_the_receiver() {
    let mut world = World::new(config(), &[0, 0, 0, 0]);
    let conns: Vec<_> = (1..4).map(|from| world.conn(from, 0)).collect();
    world.run_until(S);
    for (token, &conn) in (0..).zip(&conns) {
        world.send(conn, Side::Client, MB, token);
    }
    world.run();
    let times: Vec<u64> = world.delivered().iter().map(|&(at_ns, _)| at_ns - S - SAME).collect();
    assert_eq!(times, [10 * MS, 20 * MS, 30 * MS]);
    assert_eq!(world.net.take_counters(world.now_ns, HostId(0)).rx_bytes, 3 * MB + 3 * 66);
}

#[test]
fn a_host_talks_to_itself_at_once() {
    let mut world = World::new(config(), &[0]);
    let conn = world.conn(0, 0);
    world.run_until(S);
    world.send(conn, Side::Client, 500 * MB, 1);
    world.run();
    assert_eq!(world.delivered(), [(S + 20 * US, 1)]);
    assert_eq!(world.net.take_counters(world.now_ns, HostId(0)).tx_bytes, 0);
}

#[test]
fn cross_az_bytes_are_counted_by_pair_with_headers() {
    let mut config = config();
    config.frame_overhead_permille = 10;
    let mut world = World::new(config, &[0, 1, 0]);
    let (across, within) = (world.conn(0, 1), world.conn(0, 2));
    world.run();
    world.net.take_cross_az_bytes();
    world.send(across, Side::Client, 1_000, 1);
    world.send(within, Side::Client, 1_000, 2);
    world.run();
    assert_eq!(world.net.take_cross_az_bytes(), [(HostId(0), HostId(1), 1_010)]);
    assert!(world.net.take_cross_az_bytes().is_empty());
}

#[test]
fn latency_follows_its_distribution_over_many_pairs() {
    let mut config = config();
    config.cross_az =
        spread(&[(0, 400 * US), (500_000, 500 * US), (990_000, 700 * US), (1_000_000, MS)]);
    let azs: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let mut world = World::new(config, &azs);
    let conns: Vec<_> = (0..20).map(|i| world.conn(2 * i, 2 * i + 1)).collect();
    for _ in 0..500 {
        for (token, &conn) in (0..).zip(&conns) {
            world.send(conn, Side::Client, 66, token);
        }
        world.run_until(world.now_ns + 20 * MS);
    }
    let sent: Vec<u64> = world
        .seen
        .iter()
        .filter_map(|&(at_ns, out)| match out {
            NetOut::Delivered { sent_at_ns, .. } => Some(at_ns - sent_at_ns),
            _ => None,
        })
        .collect();
    let mut sorted = sent.clone();
    sorted.sort_unstable();
    let (median, p99) = (sorted[sorted.len() / 2], sorted[sorted.len() * 99 / 100]);
    assert!(median.abs_diff(500 * US) < 50 * US, "median {median}");
    // The slower pairs lift the tail of all together by at most Q(3/4) - Q(1/2).
    assert!((690 * US..803 * US).contains(&p99), "p99 {p99}");
    assert!(sorted[0] >= 400 * US);
    // A pair keeps its own base: its mean differs from another pair's by more than chance.
    let mean = |pair: usize| sent.iter().skip(pair).step_by(20).sum::<u64>() / 500;
    let means: Vec<u64> = (0..20).map(mean).collect();
    let range = means.iter().max().unwrap() - means.iter().min().unwrap();
    assert!(range > 30 * US, "{means:?}");
}

#[test]
fn contention_costs_few_events_and_loses_no_throughput() {
    let mut world = World::new(config(), &[0, 1, 2, 0, 1, 2]);
    let conns: Vec<_> = (1..6).map(|to| world.conn(0, to)).collect();
    world.run_until(S);
    let events = world.queue.pushed();
    let mut stream = Streams::new(4).stream("test", "sizes");
    let mut bytes = 0;
    for token in 0..5_000 {
        let size = stream.uniform(100, 16_000);
        bytes += size;
        world.send(conns[stream.below(5) as usize], Side::Client, size, token);
        world.run_until(world.now_ns + stream.exponential_ns(100 * US));
    }
    world.run();
    assert_eq!(world.delivered().len(), 5_000);
    let per_message = (world.queue.pushed() - events) as f64 / 5_000.0;
    assert!(per_message < 2.0, "{per_message} events a message at 80 % load");
    let sent = world.net.take_counters(world.now_ns, HostId(0)).tx_bytes;
    assert!(sent.abs_diff(bytes) < 1_000, "{sent} of {bytes}");
}
