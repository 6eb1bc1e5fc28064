//! Cuts, power, crashes, loss, and what both ends learn of them.

use super::*;
use std::collections::BTreeSet;
use stormglass_scenarios::plan::LinkEffect;

fn one_way(from: u32, to: u32, effect: LinkEffect) -> LinkRule {
    let host = |id| Hosts::Listed(vec![HostId(id)]);
    LinkRule { from: host(from), to: host(to), one_way: true, effect }
}

fn pair() -> (World, ConnId) {
    let mut world = World::new(config(), &[0, 1]);
    let conn = world.conn(0, 1);
    world.run_until(S);
    (world, conn)
}

/// Time on the wire of a 1000-byte message.
const WIRE: u64 = 10 * US;
/// Retransmission timeout between AZs.
const RTO: u64 = 200 * MS + 2 * CROSS;

#[test]
fn a_message_over_a_cut_comes_at_the_first_retransmission_after_healing() {
    for (heals_after, retries) in [(100 * MS, 1), (300 * MS, 2), (10 * S, 6), (60 * S, 9)] {
        let (mut world, conn) = pair();
        let rule = world.rule(LinkRule::isolate_az(1));
        world.send(conn, Side::Client, 1_000, 1);
        world.run_until(S + heals_after);
        world.send(conn, Side::Client, 1_000, 2);
        assert!(world.delivered().is_empty());
        world.lift(rule);
        world.run();
        let resent = S + WIRE + RTO * ((1 << retries) - 1);
        assert!(resent >= S + heals_after, "the case is meant to heal before");
        let first = resent + WIRE + CROSS;
        assert_eq!(
            world.delivered(),
            [(first, 1), (first + WIRE, 2)],
            "healed after {heals_after}"
        );
    }
}

#[test]
fn back_off_never_waits_longer_than_two_minutes() {
    let (mut world, conn) = pair();
    let rule = world.rule(LinkRule::isolate_az(1));
    world.send(conn, Side::Client, 1_000, 1);
    world.run_until(700 * S);
    world.lift(rule);
    world.run();
    // Ten doublings up to 120 s, then five times 120 s.
    let resent = S + WIRE + RTO * 1_023 + 5 * 120 * S;
    assert_eq!(world.delivered(), [(resent + WIRE + CROSS, 1)]);
    assert!(world.closed().is_empty(), "the give-up timer is stale after healing");
}

#[test]
fn the_other_direction_of_a_one_way_cut_goes_on() {
    let (mut world, conn) = pair();
    world.rule(one_way(0, 1, LinkEffect::Cut));
    world.send(conn, Side::Client, 1_000, 1);
    world.send(conn, Side::Server, 1_000, 2);
    world.run_until(100 * S);
    assert_eq!(world.delivered(), [(S + WIRE + CROSS, 2)]);
}

#[test]
fn an_isolated_az_still_talks_within() {
    let mut world = World::new(config(), &[0, 1, 1]);
    let (across, within) = (world.conn(0, 1), world.conn(1, 2));
    world.run_until(S);
    world.rule(LinkRule::isolate_az(1));
    world.send(across, Side::Server, 1_000, 1);
    world.send(within, Side::Server, 1_000, 2);
    world.run_until(100 * S);
    assert_eq!(world.delivered(), [(S + WIRE + SAME, 2)]);
}

#[test]
fn a_sender_gives_up_after_fifteen_minutes_and_its_peer_learns_when_it_sends() {
    let (mut world, conn) = pair();
    let rule = world.rule(LinkRule::isolate_az(1));
    world.send(conn, Side::Client, 1_000, 1);
    world.run_until(2_000 * S);
    let gave_up = S + WIRE + 924_600 * MS;
    assert_eq!(world.closed(), [(gave_up, Side::Client)]);
    assert_eq!(world.dropped(), [1]);
    world.lift(rule);
    world.send(conn, Side::Server, 1_000, 2);
    world.run();
    assert_eq!(world.closed()[1], (2_000 * S + WIRE + 2 * CROSS, Side::Server));
    assert_eq!(world.dropped(), [1, 2]);
    assert_eq!(world.net.conn_count(), 0);
}

#[test]
fn peers_of_a_host_without_power_learn_nothing_until_it_is_back() {
    let (mut world, conn) = pair();
    world.power(1, false);
    world.run_until(30 * S);
    assert!(world.closed().is_empty());
    world.send(conn, Side::Client, 1_000, 1);
    world.run_until(40 * S);
    world.power(1, true);
    world.run();
    // Retransmissions at 31 and 63 RTO after the first: 36.2 s and 42.7 s.
    let resent = 30 * S + WIRE + 63 * RTO;
    assert_eq!(world.closed(), [(resent + WIRE + 2 * CROSS, Side::Client)]);
    assert_eq!(world.dropped(), [1]);
}

#[test]
fn an_idle_peer_of_a_rebooted_host_learns_when_it_sends() {
    let (mut world, conn) = pair();
    world.power(1, false);
    world.run_until(2 * S);
    world.power(1, true);
    world.run_until(500 * S);
    assert!(world.closed().is_empty() && world.net.is_open(conn, Side::Client));
    world.send(conn, Side::Client, 1_000, 1);
    world.run();
    assert_eq!(world.closed(), [(500 * S + WIRE + 2 * CROSS, Side::Client)]);
}

#[test]
fn power_loss_keeps_what_left_the_nic_and_drops_the_rest() {
    let (mut world, conn) = pair();
    (0..4).for_each(|token| world.send(conn, Side::Server, MB, token));
    world.run_until(S + 25 * MS);
    world.power(1, false);
    world.run();
    let tokens: Vec<_> = world.delivered().iter().map(|&(_, token)| token).collect();
    assert_eq!((tokens, world.dropped()), (vec![0, 1], vec![2, 3]));
}

#[test]
fn a_process_that_exits_tells_its_peers() {
    let (mut world, conn) = pair();
    world.send(conn, Side::Server, 1_000, 1);
    world.send(conn, Side::Client, 1_000, 2);
    world.run_until(S + 20 * US);
    world.exit(1);
    world.run();
    assert_eq!(world.delivered(), [(S + WIRE + CROSS, 1)]);
    assert_eq!(world.closed(), [(S + 20 * US + 660 + CROSS, Side::Client)]);
    assert_eq!(world.dropped(), [2]);
    assert!(!world.net.is_open(conn, Side::Client));
    assert_eq!(world.net.conn_count(), 0);
}

#[test]
fn a_process_that_exits_behind_a_cut_is_heard_of_after_healing() {
    let (mut world, _) = pair();
    let rule = world.rule(LinkRule::isolate_az(1));
    world.exit(1);
    world.run_until(11 * S);
    assert!(world.closed().is_empty());
    world.lift(rule);
    world.run();
    let (at_ns, side) = world.closed()[0];
    assert_eq!(side, Side::Client);
    assert!((11 * S..=S + 64 * RTO).contains(&at_ns));
}

#[test]
fn close_lets_what_was_sent_arrive_first() {
    let (mut world, conn) = pair();
    world.send(conn, Side::Client, MB, 1);
    world.send(conn, Side::Server, MB, 2);
    world.close(conn, Side::Client);
    assert_eq!(world.dropped(), [2]);
    assert!(!world.net.send(world.now_ns, (conn, Side::Client), (1, 3), 0));
    world.run();
    assert_eq!(world.delivered(), [(S + 10 * MS + CROSS, 1)]);
    assert_eq!(world.closed(), [(S + 10 * MS + CROSS + 660, Side::Server)]);
}

#[test]
fn a_delay_rule_adds_to_each_message() {
    let (mut world, conn) = pair();
    let effect = LinkEffect::Delay { extra_ns: 30 * MS, jitter_ns: 0 };
    let rule = world.rule(one_way(0, 1, effect));
    world.send(conn, Side::Client, 1_000, 1);
    world.send(conn, Side::Server, 1_000, 2);
    world.run_until(2 * S);
    world.lift(rule);
    world.send(conn, Side::Client, 1_000, 3);
    world.run();
    let plain = WIRE + CROSS;
    assert_eq!(world.delivered(), [(S + plain, 2), (S + plain + 30 * MS, 1), (2 * S + plain, 3)]);
}

#[test]
fn loss_costs_time_and_never_a_message() {
    let (mut world, conn) = pair();
    world.rule(one_way(0, 1, LinkEffect::Loss { ppm: 20_000 }));
    let messages = 5_000;
    let mut late = 0;
    for token in 0..messages {
        let sent_ns = world.now_ns;
        world.send(conn, Side::Client, 1_000, token);
        world.run_until(sent_ns + 20 * S);
        let (at_ns, delivered) = *world.delivered().last().unwrap();
        assert_eq!(delivered, token);
        late += u64::from(at_ns - sent_ns > 200 * MS);
    }
    // One packet each: 100 late ones expected, deviation 10.
    assert!(late.abs_diff(100) < 40, "{late} of {messages} met a timeout");
}

#[test]
fn loss_lowers_the_rate_as_mathis_says() {
    let (mut world, conn) = pair();
    world.rule(one_way(0, 1, LinkEffect::Loss { ppm: 150 }));
    // 1000 B / 1 ms * sqrt(1.5 / 0.00015) = 100 MB/s; with 10 ms more it is a tenth and less.
    let effect = LinkEffect::Delay { extra_ns: 9 * MS, jitter_ns: 0 };
    world.rule(one_way(0, 1, effect));
    world.send(conn, Side::Client, 10 * MB, 1);
    world.run();
    let (at_ns, _) = world.delivered()[0];
    assert!(at_ns - S >= S, "10 MB at 10 MB/s take a second: {at_ns}");
    assert!(at_ns - S < 2 * S, "{at_ns}");
}

/// Whatever happens, each token comes back exactly once, deliveries keep their order, and the same
/// seed gives the same history.
#[test]
fn storms_lose_no_token_and_repeat_exactly() {
    for seed in 0..40 {
        let (history, sent) = storm(seed);
        assert_eq!(history, storm(seed).0, "seed {seed} repeats");
        let mut ended = BTreeSet::new();
        let mut last = std::collections::BTreeMap::new();
        for (_, out) in history {
            match out {
                NetOut::Delivered { conn, to, token, .. } => {
                    assert!(ended.insert(token), "seed {seed}: token {token} ended twice");
                    let before = last.insert((conn, to), token);
                    assert!(before < Some(token), "seed {seed}: {token} overtook {before:?}");
                }
                NetOut::Dropped { token } => {
                    assert!(ended.insert(token), "seed {seed}: token {token} ended twice");
                }
                _ => {}
            }
        }
        assert_eq!(ended.len() as u64, sent, "seed {seed}: tokens are unaccounted for");
    }
}

fn storm(seed: u64) -> (Vec<(u64, NetOut)>, u64) {
    let mut config = config();
    config.cross_az = spread(&[(0, 100 * US), (1_000_000, 5 * MS)]);
    let mut world = World::new(config, &[0, 0, 1, 1, 2]);
    let mut stream = Streams::new(seed).stream("test", "storm");
    let (mut conns, mut rules, mut token) = (Vec::new(), Vec::new(), 0);
    for _ in 0..600 {
        let (a, b) = (stream.below(5) as u32, stream.below(5) as u32);
        let side = [Side::Client, Side::Server][stream.below(2) as usize];
        let picked = (!conns.is_empty()).then(|| conns[stream.below(conns.len() as u64) as usize]);
        match (stream.below(40), picked) {
            (0..3, _) if world.net.hosts[a as usize].powered => {
                let ends = (HostId(a), HostId(b));
                conns.push(world.net.connect(
                    world.now_ns,
                    ends,
                    Windows::default(),
                    &mut world.queue,
                ));
            }
            (3..28, Some(conn)) => {
                let bytes = stream.below(3 * MB);
                let now_ns = world.now_ns;
                if world.net.send(now_ns, (conn, side), (bytes, token), 0) {
                    token += 1;
                }
                world.net.flush(now_ns, &mut world.queue);
            }
            (28, Some(conn)) => world.close(conn, side),
            (29, _) => world.exit(a),
            (30, _) => world.power(a, false),
            (31..34, _) => {
                world.power(a, true);
                world.net.listen(HostId(a), true);
            }
            (34, _) => rules.push(world.rule(LinkRule::isolate_az(a as usize % 3))),
            (35, _) => rules.push(world.rule(one_way(a, b, LinkEffect::Cut))),
            (36, _) => rules.push(world.rule(one_way(a, b, LinkEffect::Loss { ppm: 100_000 }))),
            (37.., _) if !rules.is_empty() => {
                let rule = rules.swap_remove(stream.below(rules.len() as u64) as usize);
                world.lift(rule);
            }
            _ => {}
        }
        world.run_until(world.now_ns + stream.exponential_ns(20 * MS));
    }
    rules.into_iter().for_each(|rule| world.lift(rule));
    (0..5).for_each(|host| world.power(host, true));
    world.run();
    for conn in conns {
        world.close(conn, Side::Client);
        world.close(conn, Side::Server);
    }
    world.run();
    assert_eq!(world.net.conn_count(), 0);
    (world.seen, token)
}
