//! How connections open and fail to.

use super::*;
use stormglass_scenarios::plan::LinkEffect;

fn connect(world: &mut World) -> ConnId {
    let ends = (HostId(0), HostId(1));
    world.net.connect(world.now_ns, ends, Windows::default(), &mut world.queue)
}

fn cut() -> LinkRule {
    LinkRule { from: Hosts::All, to: Hosts::All, one_way: false, effect: LinkEffect::Cut }
}

#[test]
fn the_client_waits_one_round_trip_and_the_server_half_more() {
    let mut world = World::new(config(), &[0, 1]);
    let conn = connect(&mut world);
    assert!(!world.net.is_open(conn, Side::Client));
    world.run();
    let (from, to) = (HostId(0), HostId(1));
    // The client's first segment takes 660 ns to leave the NIC.
    assert_eq!(
        world.seen,
        [
            (2 * CROSS, NetOut::Connected { conn }),
            (3 * CROSS + 660, NetOut::Accepted { conn, from, to }),
        ]
    );
}

#[test]
fn a_host_that_does_not_listen_refuses() {
    let mut world = World::new(config(), &[0, 1]);
    world.net.listen(HostId(1), false);
    let conn = connect(&mut world);
    world.run();
    assert_eq!(world.seen, [(2 * CROSS, NetOut::ConnectFailed { conn, refused: true })]);
    assert_eq!(world.net.conn_count(), 0);
}

#[test]
fn nobody_answers_behind_a_cut() {
    let mut world = World::new(config(), &[0, 1]);
    world.rule(cut());
    let conn = connect(&mut world);
    world.run();
    assert_eq!(world.seen, [(127 * S, NetOut::ConnectFailed { conn, refused: false })]);
}

#[test]
fn a_retry_after_healing_succeeds() {
    let mut world = World::new(config(), &[0, 1]);
    let rule = world.rule(cut());
    let conn = connect(&mut world);
    world.run_until(4 * S);
    world.lift(rule);
    world.run();
    // Requests at 0, 1, 3 and 7 s.
    assert_eq!(world.seen[0], (7 * S + 2 * CROSS, NetOut::Connected { conn }));
}

#[test]
fn an_answer_that_is_cut_off_counts_as_none() {
    let mut world = World::new(config(), &[0, 1]);
    let (from, to) = (Hosts::Listed(vec![HostId(1)]), Hosts::Listed(vec![HostId(0)]));
    let rule = world.rule(LinkRule { from, to, one_way: true, effect: LinkEffect::Cut });
    let conn = connect(&mut world);
    world.run_until(S / 2);
    world.lift(rule);
    world.run();
    assert_eq!(world.seen[0], (S + 2 * CROSS, NetOut::Connected { conn }));
}

#[test]
fn a_client_may_give_up_and_the_slot_is_not_confused() {
    let mut world = World::new(config(), &[0, 1]);
    let first = connect(&mut world);
    world.close(first, Side::Client);
    let second = connect(&mut world);
    assert_ne!(first, second);
    world.run();
    assert_eq!(world.seen[0], (2 * CROSS, NetOut::Connected { conn: second }));
    assert_eq!(world.seen.len(), 2);
}

#[test]
fn a_server_that_dies_before_the_last_segment_resets() {
    let mut world = World::new(config(), &[0, 1]);
    let conn = connect(&mut world);
    world.run_until(CROSS + 1);
    world.exit(1);
    world.run();
    let closed = NetOut::Closed { conn, side: Side::Client };
    assert_eq!(world.seen[0], (2 * CROSS, NetOut::Connected { conn }));
    assert_eq!(world.seen[1], (4 * CROSS + 660, closed));
}
