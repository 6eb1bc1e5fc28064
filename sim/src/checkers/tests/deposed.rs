//! A leader that an unclean election has deposed goes on until it hears of it: what it shows was given
//! up (hunt seed 30060). The same from a leader that was deposed in any other way is a violation.

use super::rig::{ALL, End, Rig, fired, ids};
use crate::recorder::testing::tp;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::seam::TraceEvent;

/// Two batches are everywhere; then the controller elects node 3, whose log ends at `start`, while
/// nodes 1 and 2, in sync in epoch 0, cannot be reached. They go on with batch 2 at 20, which is
/// acknowledged.
fn deposed(unclean: bool, start: Offset) -> Rig {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    if start < 20 {
        rig.cut(3, 20, start); // out of sync, so that it may
    }
    let (tp, leader, isr) = (tp(0), Some(ids(&[3])[0]), ids(&[3]));
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean });
    rig.lead(3, 1, start, &[3]);
    rig.write((1, &[2]), (20, 0, 2));
    rig.high_watermark(1, 0, 30);
    rig.follower_high_watermark(2, 30);
    rig.ack(ALL, 20, 2);
    rig
}

/// Node 3 goes on from `start` up to 30 in epoch 1, with all others back.
fn heal(rig: &mut Rig, start: Offset) {
    let bases: Vec<Offset> = (start..30).step_by(10).collect();
    for node in [1, 2] {
        rig.cut(node, 30, start);
    }
    rig.isr(3, 1, &[3], &[1, 2, 3]);
    for base in bases {
        rig.write((3, &[1, 2]), (base, 1, base.unsigned_abs()));
    }
    rig.high_watermark(3, 1, 30);
}

#[test]
fn what_it_shows_was_given_up() {
    for start in [10, 20] {
        let mut rig = deposed(true, start);
        rig.deliver((20, 0, 2));
        heal(&mut rig, start);
        let log: Vec<_> =
            (0..start).step_by(10).map(|base| (base, 0, base.unsigned_abs() / 10)).collect();
        let own = (start..30).step_by(10).map(|base| (base, 1, base.unsigned_abs()));
        let log: Vec<_> = log.into_iter().chain(own).collect();
        let findings = rig.end(&End { leader: Some(3), ..End::of(&log) });
        assert_eq!(fired(&findings), [""; 0], "elected with its log ending at {start}");
        // batch 2, and batch 1 where the new leader did not have it
        assert_eq!(findings.lost_records, (30 - start).unsigned_abs());
    }
}

#[test]
fn it_may_show_what_its_successor_has_written_otherwise() {
    let mut rig = deposed(true, 20);
    rig.write((3, &[]), (20, 1, 20));
    rig.write((3, &[]), (30, 1, 30));
    rig.isr(3, 1, &[3], &[3]);
    rig.write((1, &[2]), (30, 0, 3));
    rig.high_watermark(1, 0, 40);
    rig.follower_high_watermark(2, 40);
    rig.deliver((30, 0, 3));
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn who_joins_its_successor_must_have_what_that_one_committed() {
    let mut rig = deposed(true, 20);
    rig.cut(2, 30, 20);
    rig.isr(3, 1, &[3], &[2, 3]);
    rig.write((3, &[2]), (20, 1, 20));
    rig.high_watermark(3, 1, 30);
    rig.cut(1, 30, 20);
    rig.isr(3, 1, &[2, 3], &[1, 2, 3]);
    assert_eq!(rig.fired(), ["isr-rules"], "node 1 lacks 20..30 of epoch 1");
}

/// Node 2 hears late that it was elected, and not at once that node 3 was after it, from outside the ISR (hunt
/// seed 7009911).
#[test]
fn who_hears_late_of_an_earlier_election_shows_what_was_given_up() {
    let mut rig = Rig::new();
    rig.healthy(2);
    for (leader, epoch, isr, unclean) in [(2, 1, &[1, 2][..], false), (3, 2, &[3][..], true)] {
        let (tp, leader, isr) = (tp(0), Some(ids(&[leader])[0]), ids(isr));
        rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch, isr, unclean });
    }
    rig.lead(2, 1, 20, &[1, 2]);
    rig.write((2, &[1]), (20, 1, 2));
    rig.high_watermark(2, 1, 30);
    rig.lead(3, 2, 20, &[3]);
    rig.cut(2, 30, 20);
    rig.isr(3, 2, &[3], &[2, 3]);
    rig.write((3, &[2]), (20, 2, 3));
    rig.high_watermark(3, 2, 30);
    rig.lead(1, 3, 20, &[1]);
    assert_eq!(rig.fired(), ["leader-completeness"], "the last one is none from outside the ISR");
}

/// A node is elected from outside the ISR, with its log ending there.
fn elect(rig: &mut Rig, (node, epoch): (i32, LeaderEpoch), end: Offset) {
    let (tp, leader, isr) = (tp(0), Some(ids(&[node])[0]), ids(&[node]));
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch, isr, unclean: true });
    rig.lead(node, epoch, end, &[node]);
}

/// Node 3, whose log ends at 20, is elected from outside the ISR, then node 2, whose log begins at 30 and is committed
/// up to 40, then perhaps node 1, whose log ends at 30, and node 3 again, which node 1 follows (hunt seed 61015).
/// The last epoch.
fn elected_again(rig: &mut Rig, with_another: bool) -> LeaderEpoch {
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (20, 0, 2));
    rig.write((1, &[2]), (30, 0, 3));
    rig.high_watermark(1, 0, 40);
    for node in [1, 2] {
        rig.trace(node, &TraceEvent::LogStart { tp: tp(0), offset: 30 });
    }
    elect(rig, (3, 1), 20);
    elect(rig, (2, 2), 40);
    rig.isr(2, 2, &[2], &[1, 2]);
    rig.high_watermark(2, 2, 40);
    let (epoch, end) = if with_another { (4, 30) } else { (3, 40) };
    if with_another {
        elect(rig, (1, 3), end);
    }
    elect(rig, (3, epoch), 20);
    rig.cut(1, end, 20);
    rig.isr(3, epoch, &[3], &[1, 3]);
    epoch
}

#[test]
fn what_is_committed_ends_where_its_successors_log_does() {
    for with_another in [false, true] {
        let mut rig = Rig::new();
        elected_again(&mut rig, with_another);
        assert_eq!(rig.fired(), [""; 0], "node 1 has all of 3's log: {with_another}");
    }
}

#[test]
fn who_joins_its_successor_must_have_what_is_committed_behind_that_end() {
    for with_another in [false, true] {
        let mut rig = Rig::new();
        let epoch = elected_again(&mut rig, with_another);
        rig.write((3, &[1]), (20, epoch, 20));
        rig.high_watermark(3, epoch, 30);
        rig.cut(2, 40, 20);
        rig.isr(3, epoch, &[1, 3], &[1, 2, 3]);
        assert_eq!(rig.fired(), ["isr-rules"], "node 2 lacks 20..30: {with_another}");
    }
}

/// Node 2, which was elected first, hears of it after node 3, whose log is longer, has begun to lead, from outside the
/// ISR if `unclean` (hunt seed 17004804).
fn hears_last(unclean: bool) -> Rig {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.write((1, &[3]), (20, 0, 2));
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    for (leader, epoch, isr, unclean) in [(2, 1, &[1, 2][..], false), (3, 2, &[3][..], unclean)] {
        let (tp, leader, isr) = (tp(0), Some(ids(&[leader])[0]), ids(isr));
        rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch, isr, unclean });
    }
    rig.cut(1, 30, 30); // it leads no longer
    rig.lead(3, 2, 30, &[3]);
    rig.isr(3, 2, &[3], &[1, 3]);
    rig.write((3, &[1]), (30, 2, 3));
    rig.high_watermark(3, 2, 40);
    rig.lead(2, 1, 20, &[1, 2]);
    rig.write((2, &[]), (20, 1, 4));
    rig.high_watermark(2, 1, 30);
    rig
}

#[test]
fn who_hears_last_that_it_led_shows_what_was_given_up() {
    assert_eq!(hears_last(true).fired(), [""; 0]);
    let fired = hears_last(false).fired();
    assert!(fired.contains(&"leader-completeness"), "{fired:?}");
}

#[test]
fn nothing_is_given_up_by_a_clean_election() {
    let mut rig = deposed(false, 20);
    heal(&mut rig, 20);
    let fired = rig.fired();
    assert!(fired.contains(&"isr-rules"), "{fired:?}");
    assert!(fired.contains(&"leader-completeness"), "{fired:?}");
}

#[test]
fn its_successors_records_are_not_given_up() {
    let mut rig = deposed(true, 20);
    heal(&mut rig, 20);
    rig.ack(ALL, 20, 20);
    let end = End { leader: Some(3), high_watermark: 30, ..End::of(&[(0, 0, 0), (10, 0, 1)]) };
    let findings = rig.end(&end);
    assert!(fired(&findings).contains(&"no-acked-loss"), "{:?}", fired(&findings));
}

/// All of the ISR, as the controller has it, lose power; who comes back first leads with its log ending at 10.
/// The leader before, cut off meanwhile, goes on with whom it takes to be in sync.
#[test]
fn where_power_was_lost_it_shows_what_is_lost() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 3]);
    rig.power_off(3, 0);
    let (tp, isr) = (tp(0), ids(&[3]));
    rig.trace(
        10_001,
        &TraceEvent::PartitionChanged {
            tp,
            leader: None,
            epoch: 1,
            isr: isr.clone(),
            unclean: false,
        },
    );
    rig.recovered(3, 10, 0);
    let leader = Some(isr[0]);
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch: 2, isr, unclean: false });
    rig.lead(3, 2, 10, &[3]);
    rig.write((1, &[2]), (20, 0, 2));
    rig.high_watermark(1, 0, 30);
    assert_eq!(rig.fired(), [""; 0]);
}
