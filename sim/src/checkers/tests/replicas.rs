//! What goes wrong between replicas.

use super::rig::{Rig, ids, named};
use crate::recorder::testing::tp;
use stormglass_broker_core::seam::TraceEvent;

#[test]
fn a_follower_with_another_batch_of_the_same_epoch() {
    let mut rig = Rig::new();
    rig.write((1, &[2]), (0, 0, 0));
    rig.follow_append(3, named(0, 0, 9));
    assert_eq!(rig.fired(), ["log-matching"]);
}

#[test]
fn a_follower_that_goes_on_after_a_diverged_batch() {
    let mut rig = Rig::new();
    rig.write((1, &[2, 3]), (0, 0, 0));
    rig.lead_append(1, named(10, 0, 1)); // only node 1 has it
    rig.lead(2, 1, 10, &[2, 3]);
    rig.write((2, &[3]), (10, 1, 2));
    // REP-02: node 1 keeps its batch of epoch 0 and takes what follows
    rig.write((2, &[1]), (20, 1, 3));
    assert_eq!(rig.fired(), ["log-matching"]);
}

#[test]
fn two_leaders_two_controllers_two_votes() {
    let mut rig = Rig::new();
    rig.lead(2, 0, 0, &[1, 2, 3]);
    rig.trace(10_001, &TraceEvent::ControllerElected { epoch: 4 });
    rig.trace(10_002, &TraceEvent::ControllerElected { epoch: 4 });
    for candidate in [10_001, 10_003] {
        let candidate = ids(&[candidate])[0];
        rig.trace(10_002, &TraceEvent::Voted { epoch: 5, candidate });
    }
    assert_eq!(rig.fired(), ["one-leader-per-epoch"; 3]);
}

#[test]
fn a_high_watermark_that_falls() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.high_watermark(1, 0, 10);
    assert_eq!(rig.fired(), ["high-watermark-monotone"]);
}

#[test]
fn a_high_watermark_beyond_the_log() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.high_watermark(1, 0, 11);
    assert_eq!(rig.fired(), ["high-watermark-monotone", "isr-rules", "isr-rules"]);
}

#[test]
fn a_follower_high_watermark_beyond_what_a_leader_committed() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.write((1, &[2, 3]), (10, 0, 1));
    rig.follower_high_watermark(2, 20);
    assert_eq!(rig.fired(), ["high-watermark-monotone"]);
}

#[test]
fn a_follower_that_calls_another_lineage_committed() {
    let mut rig = Rig::new();
    rig.write((1, &[2]), (0, 0, 0)); // node 3 lags
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.lead(2, 1, 10, &[1, 2]);
    rig.write((2, &[1]), (10, 1, 1));
    rig.high_watermark(2, 1, 20);
    // REP-10: node 3 raises its high watermark before it cuts its own tail
    rig.follow_append(3, named(0, 0, 0));
    rig.follow_append(3, named(10, 0, 7));
    rig.follower_high_watermark(3, 20);
    assert_eq!(rig.fired(), ["one-value-per-offset"]);
}

#[test]
fn truncation_to_the_high_watermark_on_becoming_follower() {
    let mut rig = Rig::new();
    rig.healthy(2);
    // REP-01: node 3 has not heard of the high watermark and cuts to its own
    rig.cut(3, 20, 10);
    let findings = rig.checkers.finish();
    assert_eq!(findings.violations.len(), 1);
    let account = &findings.violations[0].account;
    assert_eq!(findings.violations[0].partition.as_deref(), Some("t-0"));
    assert!(account.contains("in-sync replica 3 cuts its log from 20 to 10"), "{account}");
    assert!(account.contains("broker 1 leads in epoch 0 from offset 0, ISR 1,2,3"), "{account}");
}

#[test]
fn a_leader_without_what_was_committed() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.write((1, &[2]), (10, 0, 1));
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.high_watermark(1, 0, 20);
    rig.lead(3, 1, 10, &[3]);
    assert_eq!(rig.fired(), ["leader-completeness"]);
}

#[test]
fn a_leader_that_overwrites_what_was_committed() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.lead_append(1, named(10, 1, 5));
    let fired = rig.fired();
    assert!(fired.contains(&"one-value-per-offset"), "{fired:?}");
    assert!(fired.contains(&"leader-completeness"), "{fired:?}");
}

#[test]
fn a_high_watermark_below_min_isr() {
    let mut rig = Rig::new();
    rig.isr(1, 0, &[1, 2, 3], &[1]);
    rig.lead_append(1, named(0, 0, 0));
    rig.high_watermark(1, 0, 10); // ISR-02
    assert_eq!(rig.fired(), ["isr-rules"]);
}

#[test]
fn a_high_watermark_that_a_member_has_not_reached() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.write((1, &[2]), (10, 0, 1));
    rig.high_watermark(1, 0, 20); // node 3 is in sync and has only 10
    assert_eq!(rig.fired(), ["isr-rules"]);
}

#[test]
fn a_replica_that_joins_below_the_epochs_start() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (10, 0, 1));
    rig.high_watermark(1, 0, 20);
    // REP-07: the new leader's high watermark is stale at 10, where node 3 is
    rig.lead(2, 1, 20, &[1, 2]);
    rig.isr(2, 1, &[1, 2], &[1, 2, 3]);
    assert_eq!(rig.fired(), ["isr-rules"]);
}

#[test]
fn an_isr_without_its_leader() {
    let mut rig = Rig::new();
    rig.isr(1, 0, &[1, 2, 3], &[2, 3]);
    let isr = ids(&[]);
    let (tp, leader, unclean) = (tp(0), Some(ids(&[2])[0]), false);
    rig.trace(10_001, &TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean });
    assert_eq!(rig.fired(), ["isr-rules"; 2]);
}

#[test]
fn committed_metadata_that_is_cut() {
    let mut rig = Rig::new();
    let tp = stormglass_broker_core::ids::TopicPartition::METADATA;
    for (node, base, epoch) in [(10_001, 0, 1), (10_002, 0, 1), (10_002, 0, 2)] {
        if epoch == 2 {
            let leader = true;
            rig.trace(10_001, &TraceEvent::HighWatermark { tp, offset: 10, leader, epoch: 1 });
        }
        let records = stormglass_broker_core::records::Records::single(named(base, epoch, 0));
        rig.trace(node, &TraceEvent::FollowerAppended { tp, records });
    }
    assert_eq!(rig.fired(), ["leader-completeness"]);
}

/// It had all of it, and has lost some since.
#[test]
fn a_leader_whose_log_ends_below_what_is_committed() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.lead(2, 1, 10, &[1, 2]);
    assert_eq!(rig.fired(), ["leader-completeness"]);
}

#[test]
fn a_leader_that_cuts_its_own_log() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.lead_append(1, named(20, 0, 2));
    rig.cut_as_it_is(1, 30, 20);
    assert_eq!(rig.fired(), ["leader-completeness"]);
}

#[test]
fn an_unclean_election_that_nobody_allowed() {
    let mut rig = Rig::with_unclean_elections("false");
    rig.lead(1, 0, 0, &[1, 2, 3]);
    let (leader, isr) = (Some(ids(&[2])[0]), ids(&[2]));
    let change = TraceEvent::PartitionChanged { tp: tp(0), leader, epoch: 1, isr, unclean: true };
    rig.trace(9, &change);
    assert_eq!(rig.fired(), ["isr-rules"]);
}

#[test]
fn a_follower_that_knows_more_as_committed_than_it_has() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.write((1, &[2]), (20, 0, 2));
    rig.follower_high_watermark(3, 30);
    assert_eq!(rig.fired().first(), Some(&"high-watermark-monotone"));
}

#[test]
fn a_controller_that_is_active_twice_in_an_epoch() {
    let mut rig = Rig::new();
    for node in [9, 9] {
        rig.trace(node, &TraceEvent::ControllerElected { epoch: 4 });
    }
    assert_eq!(rig.fired(), ["one-leader-per-epoch"]);
}

#[test]
fn a_replica_that_joins_below_the_start_of_its_leaders_epoch() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (20, 0, 2)); // committed perhaps, and nobody knows
    rig.lead(2, 1, 30, &[1, 2]);
    rig.isr(2, 1, &[1, 2], &[1, 2, 3]);
    assert_eq!(rig.fired(), ["isr-rules"]);
}

/// Broker 2 is elected, alone or not, after it was in an ISR or not.
fn elected(before: &[i32], isr: &[i32]) -> Vec<&'static str> {
    let mut rig = Rig::with_unclean_elections("true");
    let change = |leader: i32, epoch, isr: &[i32]| {
        let (leader, isr) = (Some(ids(&[leader])[0]), ids(isr));
        TraceEvent::PartitionChanged { tp: tp(0), leader, epoch, isr, unclean: false }
    };
    rig.trace(10_001, &change(1, 0, before));
    rig.lead(1, 0, 0, before);
    rig.trace(10_001, &change(2, 1, isr));
    rig.fired()
}

#[test]
fn an_election_from_outside_the_isr_is_marked() {
    assert_eq!(elected(&[1, 3], &[2]), ["isr-rules"]);
    assert!(elected(&[1, 2], &[2]).is_empty());
    assert!(elected(&[1, 3], &[1, 2]).is_empty(), "it was taken in with the same change");
}
