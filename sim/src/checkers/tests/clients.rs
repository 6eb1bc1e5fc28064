//! What clients see.

use super::rig::{ALL, End, ONE, Rig, fired, named};
use crate::client::Outcome;
use crate::recorder::testing::tp;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::seam::TraceEvent;

#[test]
fn an_acknowledged_batch_that_is_gone() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(3);
    log.remove(1);
    let findings = rig.end(&End::of(&log));
    assert_eq!(fired(&findings), ["no-acked-loss"]);
    assert_eq!((findings.lost_records, findings.checkers[0].violations), (10, 10));
    let account = &findings.violations[0].account;
    assert!(
        account.contains("10 records of t-0, acknowledged with acks=all, are not"),
        "{account}"
    );
    assert!(account.contains("offsets 10..20 in leader epoch 0"), "{account}");
    assert!(account.contains("held then by brokers 1,2,3"), "{account}");
    assert!(account.contains("lost : by no election"), "{account}");
    assert!(findings.violations[0].excused_by.is_empty());
}

#[test]
fn an_acknowledged_batch_that_is_another_in_the_end() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(3);
    log[2].2 = 8;
    assert_eq!(fired(&rig.end(&End::of(&log))), ["no-acked-loss"]);
}

#[test]
fn a_loss_with_acks_1_counts_but_breaks_no_promise() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    rig.lead_append(1, named(20, 0, 2));
    rig.ack(ONE, 20, 2);
    rig.lead(2, 1, 20, &[2, 3]);
    let findings = rig.end(&End::of(&log));
    assert_eq!((fired(&findings).len(), findings.lost_records), (0, 10));
}

#[test]
fn an_acknowledgement_before_replication() {
    let mut rig = Rig::new();
    rig.lead_append(1, named(0, 0, 0));
    rig.ack(ALL, 0, 0);
    assert_eq!(rig.fired(), ["isr-rules"]);
}

#[test]
fn an_acknowledged_offset_that_holds_another_batch() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.ack(ALL, 10, 6);
    assert_eq!(rig.fired(), ["one-value-per-offset"]);
}

#[test]
fn a_consumer_that_sees_another_batch() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.deliver_to(1, (10, 0, 6));
    assert_eq!(rig.fired(), ["one-value-per-offset"]);
}

#[test]
fn a_consumer_that_reads_what_is_not_committed() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.lead_append(1, named(10, 0, 1));
    rig.deliver_to(0, (10, 0, 1));
    assert_eq!(rig.fired(), ["high-watermark-monotone"]);
}

#[test]
fn a_batch_twice_in_the_log_by_its_sequence() {
    let mut rig = Rig::new();
    rig.healthy(3);
    rig.lead_append(1, named(30, 0, 1)); // IDEM-01
    assert_eq!(rig.fired(), ["no-duplicates"]);
}

/// A leader remembers five batches of a producer, and a producer may have more than five in flight to
/// two leaders.
#[test]
fn a_batch_that_no_leader_remembers_may_come_again_in_a_new_producer_epoch() {
    let mut rig = Rig::new();
    rig.healthy(8);
    let again = |base, name| {
        let mut again = (*named(base, 0, name)).clone();
        (again.header.producer_epoch, again.header.base_sequence) = (1, 0);
        again.into()
    };
    rig.lead_append(1, again(80, 2)); // five came after it
    assert_eq!(rig.fired(), [""; 0]);
    let mut rig = Rig::new();
    rig.healthy(8);
    rig.lead_append(1, again(80, 3)); // four
    assert_eq!(rig.fired(), ["no-duplicates"]);
}

#[test]
fn a_batch_twice_in_the_log_under_a_new_producer_epoch() {
    let mut rig = Rig::new();
    rig.healthy(3);
    let mut again = (*named(30, 0, 2)).clone();
    again.header.producer_epoch = 1;
    again.header.base_sequence = 0;
    rig.lead_append(1, again.into());
    assert_eq!(rig.fired(), ["no-duplicates"]);
}

#[test]
fn sequences_that_go_back() {
    let mut rig = Rig::new();
    rig.lead_append(1, named(0, 0, 5));
    rig.lead_append(1, named(10, 0, 3));
    assert_eq!(rig.fired(), ["producer-order"]);
}

#[test]
fn records_that_a_group_never_receives() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(2);
    rig.write((1, &[2, 3]), (20, 0, 2));
    rig.high_watermark(1, 0, 30);
    rig.deliver_to(0, (20, 0, 2));
    log.push((20, 0, 2));
    let end = End { notes: vec!["c1 waits for broker 1: t-0 is paused".into()], ..End::of(&log) };
    let findings = rig.end(&end);
    assert_eq!(fired(&findings), ["everything-consumed"]);
    let account = &findings.violations[0].account;
    assert!(account.contains("group c1 has not received offset 20 of t-0"), "{account}");
    assert!(account.contains("waits: c1 waits for broker 1"), "{account}");
}

#[test]
fn a_hole_that_a_group_jumped_over() {
    let mut rig = Rig::new();
    let log = [(0, 0, 0), (10, 0, 1), (20, 0, 2)];
    for batch in log {
        rig.write((1, &[2, 3]), batch);
        rig.high_watermark(1, 0, batch.0 + 10);
        rig.deliver_to(0, batch);
    }
    rig.deliver_to(1, log[0]);
    rig.deliver_to(1, log[2]);
    let findings = rig.end(&End::of(&log));
    assert_eq!(fired(&findings), ["everything-consumed"]);
    assert!(findings.violations[0].account.contains("offset 10 "));
}

#[test]
fn a_cluster_that_does_not_heal() {
    for (leader, isr) in [(None, vec![1, 2, 3]), (Some(1), vec![1, 2])] {
        let mut rig = Rig::new();
        let log = rig.healthy(1);
        let end = End { leader, isr, ..End::of(&log) };
        assert_eq!(fired(&rig.end(&end)), ["everything-consumed"]);
    }
}

#[test]
fn a_final_high_watermark_below_one_that_was_shown() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    let end = End { high_watermark: 10, ..End::of(&log) };
    assert_eq!(fired(&rig.end(&end)), ["high-watermark-monotone"]);
}

#[test]
fn accounts_are_capped_and_the_rest_is_counted() {
    let mut rig = Rig::new();
    rig.healthy(1);
    for _ in 0..8 {
        rig.deliver_to(0, (0, 0, 4));
    }
    let findings = rig.checkers.finish();
    assert_eq!(findings.violations.len(), 5);
    let summary = findings.checkers.iter().find(|c| c.name == "one-value-per-offset").unwrap();
    assert_eq!(summary.violations, 8);
}

#[test]
fn a_group_that_is_told_less_than_it_committed() {
    let (acked_ns, asked_ns, told_ns) = (5_000_000_000, 6_000_000_000, 7_000_000_000);
    for (offset, committed) in [(10, true), (0, false)] {
        let mut rig = Rig::new();
        rig.healthy(3);
        rig.checkers.consumed(acked_ns, 0, &Outcome::Committed { tp: tp(0), offset: 20 });
        let found = Outcome::PositionFound { tp: tp(0), offset, committed, asked_ns };
        rig.checkers.consumed(told_ns, 0, &found);
        assert_eq!(rig.fired(), ["committed-positions"]);
    }
    let mut rig = Rig::new();
    rig.healthy(3);
    rig.checkers.consumed(acked_ns, 0, &Outcome::Committed { tp: tp(0), offset: 20 });
    let found = Outcome::PositionFound { tp: tp(0), offset: 20, committed: true, asked_ns };
    rig.checkers.consumed(told_ns, 0, &found);
    assert_eq!(rig.fired(), [""; 0]);
}

/// A request that its client has given up arrives after later ones; what was acknowledged does not.
#[test]
fn a_commit_without_an_answer_may_come_back() {
    for (told, fired) in [(10, None), (11, Some("committed-positions"))] {
        let mut rig = Rig::new();
        rig.healthy(3);
        for event in [
            Outcome::CommitSent { tp: tp(0), offset: 10 },
            Outcome::CommitSent { tp: tp(0), offset: 11 },
            Outcome::Committed { tp: tp(0), offset: 11 },
            Outcome::CommitSent { tp: tp(0), offset: 20 },
            Outcome::Committed { tp: tp(0), offset: 20 },
            Outcome::PositionFound { tp: tp(0), offset: told, committed: true, asked_ns: 5 },
        ] {
            rig.checkers.consumed(5, 0, &event);
        }
        assert_eq!(rig.fired(), fired.into_iter().collect::<Vec<_>>(), "told {told}");
    }
}

/// Kafka's coordinator answers from memory until it hears of its successor, and no longer.
#[test]
fn a_coordinator_without_news_may_tell_an_older_position() {
    const SECOND_NS: u64 = 1_000_000_000;
    let (positions, isr) = (tp(5), vec![NodeId(1), NodeId(2)]);
    let leads =
        |epoch| TraceEvent::BecameLeader { tp: positions, epoch, start: 0, isr: isr.clone() };
    let follows = TraceEvent::BecameFollower { tp: positions, epoch: 1, leader: Some(NodeId(2)) };
    for (told_at_s, fired) in [(3, None), (5, None), (7, Some("committed-positions"))] {
        let mut rig = Rig::new();
        rig.healthy(3);
        rig.checkers.topic(positions, "__consumer_offsets", 1);
        rig.checkers.trace(2 * SECOND_NS, 1, &leads(0));
        rig.checkers.consumed(2 * SECOND_NS, 0, &Outcome::Committed { tp: tp(0), offset: 20 });
        rig.checkers.trace(2 * SECOND_NS, 2, &leads(1));
        let asked_ns = told_at_s * SECOND_NS;
        let told = Outcome::PositionFound { tp: tp(0), offset: 10, committed: true, asked_ns };
        if told_at_s > 3 {
            rig.checkers.trace(4 * SECOND_NS, 1, &follows);
        }
        rig.checkers.consumed(asked_ns, 0, &told);
        assert_eq!(rig.fired(), fired.into_iter().collect::<Vec<_>>(), "told at {told_at_s} s");
    }
}

#[test]
fn a_producer_that_waits_in_vain() {
    let mut rig = Rig::new();
    let log = rig.healthy(2);
    let stuck = vec!["a producer of p has had no acknowledgement for 9000 ms".to_owned()];
    let findings = rig.end(&End { stuck, ..End::of(&log) });
    assert_eq!(fired(&findings), ["everything-consumed"]);
    let account = &findings.violations[0].account;
    assert!(account.contains("although every fault is over"), "{account}");
}
