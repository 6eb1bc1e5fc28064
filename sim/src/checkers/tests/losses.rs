//! Acknowledged records that a new leader does not have: who is to blame.

use super::rig::{ALL, End, Rig, fired, ids, named};
use crate::checkers::Findings;
use crate::recorder::testing::tp;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::seam::TraceEvent;

/// Node `leader` leads in the next epoch with what is below `end`; the run ends.
fn led_by(mut rig: Rig, leader: i32, log: &[(Offset, LeaderEpoch, u64)], end: Offset) -> Findings {
    rig.lead(leader, 1, end, &[leader]);
    let left: Vec<_> = log.iter().copied().filter(|(base, ..)| *base < end).collect();
    rig.end(&End { leader: Some(leader), drained: false, ..End::of(&left) })
}

/// Events of the plan that excuse a violation.
fn excused_by(findings: &Findings, violation: usize) -> Vec<Option<u32>> {
    findings.violations[violation].excused_by.iter().map(|excuse| excuse.event).collect()
}

#[test]
fn every_in_sync_copy_loses_power() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    for node in [1, 2, 3] {
        rig.power_off(node, node.unsigned_abs());
    }
    let findings = led_by(rig, 2, &log, 10); // its unsynced tail is gone
    assert_eq!(fired(&findings), ["no-acked-loss"]);
    assert_eq!((findings.lost_records, findings.checkers[0].violations), (10, 10));
    assert_eq!(excused_by(&findings, 0), [Some(1), Some(2), Some(3)]);
    assert!(findings.violations[0].at_ns < 2_000_000_000, "when 2 began to lead");
    let account = &findings.violations[0].account;
    for words in [
        "offsets 10..20 in leader epoch 0, acknowledged by broker 1 at",
        "held then by brokers 1,2,3",
        "when broker 2 began to lead in epoch 1, without these records from offset 10 on",
        "Kafka's own promise ends here",
        "all 3 in-sync replicas lost power",
        "host of node 2 loses power",
        "FAULT host of node 3 loses power",
    ] {
        assert!(account.contains(words), "{words}: {account}");
    }
}

#[test]
fn the_only_in_sync_copy_loses_power() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1]);
    rig.power_off(1, 7);
    let findings = led_by(rig, 1, &log, 10);
    assert_eq!(
        (fired(&findings), excused_by(&findings, 0)),
        (vec!["no-acked-loss"], vec![Some(7)])
    );
    assert!(findings.violations[0].account.contains("the only in-sync replica lost power"));
}

#[test]
fn one_copy_without_power_is_no_excuse() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.power_off(3, 0);
    let findings = led_by(rig, 3, &log, 10);
    assert_eq!(fired(&findings), ["leader-completeness", "no-acked-loss"]);
    assert_eq!(excused_by(&findings, 1), []);
    assert!(findings.violations[1].account.contains("Kafka promises to keep them"));
}

#[test]
fn a_copy_that_caught_up_again_is_intact() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.power_off(2, 0);
    rig.follow_append(2, named(10, 0, 1)); // it is back, and has everything again
    rig.power_off(1, 1);
    rig.power_off(3, 2);
    let findings = led_by(rig, 1, &log, 10);
    assert_eq!(fired(&findings), ["leader-completeness", "no-acked-loss"]);
    assert_eq!(excused_by(&findings, 1), [], "2 had the records");
}

#[test]
fn the_next_election_after_a_power_loss_is_held_to_the_promise() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(2);
    for node in [1, 2, 3] {
        rig.power_off(node, 0);
    }
    rig.lead(2, 1, 20, &[2]); // nothing was lost
    rig.isr(2, 1, &[2], &[2, 3]);
    rig.write((2, &[3]), (20, 1, 2));
    rig.high_watermark(2, 1, 30);
    rig.ack(ALL, 20, 2);
    log.push((20, 1, 2));
    rig.lead(1, 2, 20, &[1]);
    let findings = rig.end(&End { leader: Some(1), drained: false, ..End::of(&log[..2]) });
    assert_eq!(fired(&findings), ["leader-completeness", "no-acked-loss"]);
    assert_eq!(excused_by(&findings, 1), []);
}

#[test]
fn an_unclean_election_after_a_power_loss_was_the_users_choice() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1]);
    rig.cut(3, 20, 10);
    let (tp, leader, isr) = (tp(0), Some(ids(&[3])[0]), ids(&[3]));
    rig.power_off(1, 0);
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean: true });
    let findings = led_by(rig, 3, &log, 10);
    assert_eq!((fired(&findings).len(), findings.lost_records), (0, 10));
}

#[test]
fn records_that_are_folded_are_counted_too() {
    let mut rig = Rig::new();
    let log = rig.healthy(20_000);
    for node in [1, 2, 3] {
        rig.power_off(node, 0);
    }
    let findings = led_by(rig, 2, &log, 150_000);
    assert_eq!(fired(&findings), ["no-acked-loss"]);
    assert_eq!(findings.lost_records, 50_000, "the block that was cut included");
    assert!(findings.violations[0].account.contains("from offset 150000 on"));
}

#[test]
fn an_acknowledgement_that_arrives_after_the_election_counts() {
    let mut rig = Rig::new();
    let log = rig.healthy(1);
    rig.write((1, &[2, 3]), (10, 0, 1));
    rig.high_watermark(1, 0, 20);
    for node in [1, 2, 3] {
        rig.power_off(node, 0);
    }
    rig.lead(2, 1, 10, &[2]);
    rig.ack(ALL, 10, 1); // was on its way
    let findings = rig.end(&End { leader: Some(2), drained: false, ..End::of(&log) });
    assert_eq!((fired(&findings), findings.lost_records), (vec!["no-acked-loss"], 10));
}

#[test]
fn an_isr_that_shrinks_to_copies_without_their_unsynced_bytes_loses() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.power_off(3, 0);
    // the silent nodes 1 and 2, whose copies are whole, are fenced before node 3 is
    let (tp, leader, isr) = (tp(0), None, ids(&[3]));
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean: false });
    let findings = led_by(rig, 3, &log, 10);
    assert_eq!(fired(&findings), ["no-acked-loss"]);
    assert_eq!(excused_by(&findings, 0), [Some(0)]);
}
