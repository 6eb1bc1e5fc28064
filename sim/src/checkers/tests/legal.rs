//! Odd but legal: no checker may fire.

use super::rig::{ALL, End, Rig, fired, ids, named};
use crate::client::Outcome;
use crate::recorder::testing::tp;
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::TraceEvent;

#[test]
fn a_healthy_history_is_checked_by_everyone() {
    let mut rig = Rig::new();
    let log = rig.healthy(5);
    let findings = rig.end(&End::of(&log));
    assert_eq!(fired(&findings), [""; 0]);
    assert_eq!(findings.lost_records, 0);
    let of_state = |name: &str| {
        let seen = ["replica-state", "log-rebuild", "metadata-state", "quorum-durability"];
        let said = ["waits-end", "messages-true", "timeouts-kept", "compaction"];
        seen.contains(&name) || said.contains(&name)
    };
    for checker in findings.checkers.into_iter().filter(|checker| !of_state(&checker.name)) {
        assert!(checker.checked > 0, "{} checked nothing", checker.name);
    }
}

#[test]
fn a_deposed_leaders_tail_is_cut_and_replaced() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(2);
    rig.lead_append(1, named(20, 0, 2)); // nobody else has it
    rig.lead(2, 1, 20, &[1, 2, 3]);
    rig.lead_append(1, named(30, 0, 3)); // does not know yet that it is deposed
    rig.isr(2, 1, &[1, 2, 3], &[2, 3]);
    rig.write((2, &[3]), (20, 1, 2));
    rig.high_watermark(2, 1, 30);
    rig.ack(ALL, 20, 2);
    rig.cut(1, 40, 20);
    rig.follow_append(1, named(20, 1, 2));
    rig.isr(2, 1, &[2, 3], &[1, 2, 3]);
    rig.deliver((20, 1, 2));
    log.push((20, 1, 2));
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

#[test]
fn two_forks_and_the_first_one_wins_again() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(1);
    rig.lead_append(1, named(10, 0, 1));
    rig.lead(2, 1, 10, &[1, 2, 3]);
    rig.lead_append(2, named(10, 1, 2));
    rig.lead(1, 2, 20, &[1, 3]);
    rig.follow_append(3, named(10, 0, 1));
    rig.high_watermark(1, 2, 20);
    rig.ack(ALL, 10, 1);
    rig.cut(2, 20, 10);
    rig.follow_append(2, named(10, 0, 1));
    rig.isr(1, 2, &[1, 3], &[1, 2, 3]);
    rig.deliver((10, 0, 1));
    log.push((10, 0, 1));
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

#[test]
fn a_new_leader_starts_with_a_stale_high_watermark() {
    let mut rig = Rig::new();
    let log = rig.healthy(3);
    rig.lead(2, 1, 30, &[2, 3]);
    for offset in [20, 30] {
        rig.high_watermark(2, 1, offset);
    }
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

/// Hunt seed 9003445: the log seemed to end where the leader began, and to be cut.
#[test]
fn the_first_batches_of_a_replica_may_be_under_way_when_it_begins_to_lead() {
    let mut rig = Rig::new();
    let mut log = Vec::new();
    for (base, name) in [(0, 0), (10, 1)] {
        rig.write((1, &[3]), (base, 0, name));
        log.push((base, 0, name));
    }
    rig.lead(2, 1, 20, &[1, 2, 3]);
    for (base, name) in [(0, 0), (10, 1)] {
        rig.follow_append(2, named(base, 0, name));
    }
    rig.write((2, &[1, 3]), (20, 1, 2));
    log.push((20, 1, 2));
    rig.high_watermark(2, 1, 30);
    for &(base, epoch, name) in &log {
        rig.deliver((base, epoch, name));
    }
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

#[test]
fn an_unclean_election_voids_the_promise_and_counts_the_loss() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (20, 0, 2));
    rig.high_watermark(1, 0, 30);
    rig.ack(ALL, 20, 2);
    let (tp, leader, isr) = (tp(0), Some(ids(&[3])[0]), ids(&[3]));
    let change = TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean: true };
    rig.trace(10_001, &change);
    rig.lead(3, 1, 20, &[3]);
    rig.cut(1, 30, 20);
    rig.deliver((20, 0, 2)); // fetched before, polled now
    rig.isr(3, 1, &[3], &[1, 3]);
    rig.write((3, &[1]), (20, 1, 3));
    rig.high_watermark(3, 1, 30);
    rig.ack(ALL, 20, 3);
    log.push((20, 1, 3));
    let findings = rig.end(&End::of(&log));
    assert_eq!(fired(&findings), [""; 0]);
    assert_eq!(findings.lost_records, 10);
}

#[test]
fn promises_hold_again_after_an_unclean_election() {
    let mut rig = Rig::new();
    rig.healthy(2);
    let (tp, leader, isr) = (tp(0), Some(ids(&[3])[0]), ids(&[3]));
    let change = TraceEvent::PartitionChanged { tp, leader, epoch: 1, isr, unclean: true };
    rig.trace(10_001, &change);
    rig.lead(3, 1, 20, &[3]);
    rig.isr(3, 1, &[3], &[2, 3]);
    rig.write((3, &[2]), (20, 1, 3));
    rig.high_watermark(3, 1, 30);
    rig.lead(1, 2, 20, &[1]);
    assert_eq!(rig.fired(), ["leader-completeness"]);
}

#[test]
fn a_power_loss_shortens_a_follower_that_catches_up() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(3);
    rig.power_off(3, 0);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (30, 0, 3));
    rig.high_watermark(1, 0, 40);
    for (base, name) in [(10, 1), (20, 2), (30, 3)] {
        rig.follow_append(3, named(base, 0, name));
    }
    rig.isr(1, 0, &[1, 2], &[1, 2, 3]);
    rig.deliver((30, 0, 3));
    log.push((30, 0, 3));
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

#[test]
fn a_replica_out_of_sync_may_cut_what_it_likes() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.cut(3, 20, 10);
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn consumers_may_see_an_offset_again_and_retention_may_pass_them() {
    let mut rig = Rig::new();
    let log = rig.healthy(4);
    rig.deliver((10, 0, 1));
    rig.deliver((20, 0, 2));
    rig.deliver((30, 0, 3));
    let end = End { log_start: 20, ..End::of(&log[2..]) };
    assert_eq!(fired(&rig.end(&end)), [""; 0]);
}

#[test]
fn a_stopped_group_and_an_unfinished_drain_owe_nothing() {
    for (running, drained) in [([true, false], true), ([true, true], false)] {
        let mut rig = Rig::new();
        rig.write((1, &[2, 3]), (0, 0, 0));
        rig.high_watermark(1, 0, 10);
        rig.deliver_to(0, (0, 0, 0));
        let end = End { running, drained, ..End::of(&[(0, 0, 0)]) };
        assert_eq!(fired(&rig.end(&end)), [""; 0]);
    }
}

/// Hunt seed 9016096: the administrator waited for its own quota before it could take the group's away.
#[test]
fn who_waits_for_a_quota_gets_the_rest_later_but_leaves_nothing_out() {
    let ends = |delivered: &[(Offset, LeaderEpoch, u64)], throttled: [Vec<i32>; 2]| {
        let mut rig = Rig::new();
        let mut log = rig.healthy(2);
        for batch in [(20, 0, 2), (30, 0, 3)] {
            rig.write((1, &[2, 3]), batch);
            rig.high_watermark(1, 0, batch.0 + 10);
            rig.deliver_to(0, batch);
            log.push(batch);
        }
        delivered.iter().for_each(|batch| rig.deliver_to(1, *batch));
        fired(&rig.end(&End { throttled, ..End::of(&log) }))
    };
    let broken = ["everything-consumed"];
    assert_eq!(ends(&[(20, 0, 2)], [vec![], vec![2]]), [""; 0], "some replica made it wait");
    assert_eq!(ends(&[], [vec![], vec![9, 1]]), [""; 0]);
    assert_eq!(ends(&[(20, 0, 2)], [vec![], vec![9]]), broken, "this one has no replica");
    assert_eq!(ends(&[(20, 0, 2)], [vec![1], vec![]]), broken, "the other group waits");
    assert_eq!(ends(&[(30, 0, 3)], [vec![], vec![1]]), broken, "it jumped over a batch");
}

#[test]
fn a_replica_whose_node_still_comes_up_is_not_expected_in_sync() {
    let end = |isr: &[i32], leader: Option<i32>, coming_up: &[i32]| {
        let mut rig = Rig::new();
        let log = rig.healthy(1);
        let (isr, coming_up) = (isr.to_vec(), coming_up.to_vec());
        fired(&rig.end(&End { isr, leader, coming_up, ..End::of(&log) })).len()
    };
    assert_eq!(end(&[1, 3], Some(1), &[2]), 0);
    assert_eq!(end(&[1, 3], Some(1), &[]), 1);
    assert_eq!(end(&[1], Some(1), &[2]), 1, "3 has had its time");
    assert_eq!(end(&[1], None, &[1, 2, 3]), 0);
    assert_eq!(end(&[1], None, &[2, 3]), 1, "1 could lead");
}

#[test]
fn an_epoch_that_its_coordinator_has_lost_comes_again() {
    let again = |transactional: bool, loses: bool, sequence: i32| {
        let mut rig = if transactional { Rig::with_transactions() } else { Rig::new() };
        rig.healthy(3);
        for node in [1, 2, 3].into_iter().filter(|_| loses) {
            rig.power_off(node, 0);
        }
        rig.lead(2, 1, 30, &[2]);
        let mut batch = (*named(30, 1, 3)).clone();
        batch.header.base_sequence = sequence;
        rig.lead_append(2, batch.into());
        rig.fired()
    };
    assert_eq!(again(true, true, 0), [""; 0]);
    assert_eq!(again(true, true, 10), ["no-duplicates"], "sequences begin anew at 0");
    assert_eq!(again(true, false, 0), ["no-duplicates"], "nothing was lost");
    assert_eq!(again(false, true, 0), ["no-duplicates"], "ids come from the controllers");
}

#[test]
fn a_batch_of_an_epoch_that_comes_again_is_taken_for_one_that_is_there() {
    let acked = |loses: bool, sequence: i32| {
        let mut rig = Rig::with_transactions();
        rig.healthy(3);
        for node in [1, 2, 3].into_iter().filter(|_| loses) {
            rig.power_off(node, 0);
        }
        rig.lead(2, 1, 30, &[2]);
        rig.high_watermark(2, 1, 30);
        rig.ack_as(0, (7, sequence));
        rig.fired()
    };
    assert_eq!(acked(true, 0), [""; 0]);
    assert_eq!(acked(true, 10), ["one-value-per-offset"], "another sequence");
    assert_eq!(acked(false, 0), ["one-value-per-offset"], "nothing was lost");
}

#[test]
fn an_append_that_was_on_its_way_in_a_crash_is_there_when_the_node_is_back() {
    let joins_with = |end: i64, epoch: i32, deleted_below: i64| {
        let mut rig = Rig::new();
        rig.healthy(1);
        rig.write((1, &[2]), (10, 0, 1));
        rig.trace(3, &TraceEvent::LogStart { tp: tp(0), offset: deleted_below });
        rig.kill(3); // its append of 10..20 was on its way to the page cache
        rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
        rig.lead(2, 1, 20, &[1, 2]);
        rig.recovered(3, end, epoch);
        rig.isr(2, 1, &[1, 2], &[1, 2, 3]);
        rig.fired()
    };
    let joins = |end, epoch| joins_with(end, epoch, 0);
    assert_eq!(joins(20, 0), [""; 0]);
    assert_eq!(joins_with(20, 0, 10), [""; 0], "all before is deleted (hunt seed 1108077)");
    assert_eq!(joins(10, 0), ["isr-rules"], "it is not there");
    assert_eq!(joins(20, 1), ["isr-rules"], "something else is there");
}

#[test]
fn a_leader_that_is_killed_amid_an_append_leads_on_with_it() {
    let leads_on = |epoch| {
        let mut rig = Rig::new();
        rig.healthy(2);
        rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
        rig.kill(1); // its append of 20..30 was on its way to the page cache
        rig.recovered(1, 30, epoch);
        rig.lead(1, 1, 30, &[1, 2]);
        rig.follow_append(2, named(20, 0, 2));
        rig.high_watermark(1, 1, 30);
        rig.fired()
    };
    assert_eq!(leads_on(0), [""; 0]);
    assert!(leads_on(5).contains(&"high-watermark-monotone"), "it has not written that");
}

/// Hunt seed 1302863: what it copied last is in its log when it begins to lead, and confirmed after.
#[test]
fn a_replica_that_lost_nothing_with_the_power_leads_amid_an_append() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.power_off(2, 0);
    rig.recovered(2, 20, 0);
    rig.lead_append(1, named(20, 0, 2));
    rig.lead(2, 1, 30, &[1, 2]);
    rig.follow_append(2, named(20, 0, 2));
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn a_leader_that_loses_power_amid_an_append_may_have_it_on_its_disk() {
    let leads_on = |delivered, deleted_below| {
        let mut rig = Rig::new();
        rig.healthy(2);
        rig.trace(1, &TraceEvent::LogStart { tp: tp(0), offset: deleted_below });
        rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
        rig.power_off(1, 0); // its append of 20..30 was on its way
        rig.recovered(1, 30, 0);
        rig.lead(1, 1, 30, &[1, 2]);
        rig.follow_append(2, named(20, 0, 2));
        rig.high_watermark(1, 1, 30);
        for base in [0, 10] {
            rig.deliver((base, 0, base.unsigned_abs() / 10));
        }
        rig.deliver((20, 0, delivered));
        rig.fired()
    };
    // with all before deleted, no epoch is left to compare (hunt seed 27001723)
    for deleted_below in [0, 20] {
        assert_eq!(leads_on(2, deleted_below), [""; 0]);
        let other = leads_on(7, deleted_below);
        assert!(other.contains(&"one-value-per-offset"), "it is not what the leader has");
    }
}

/// Hunt seed 10000219: nobody heard these appends confirmed, and the table had lost them at the first election.
#[test]
fn what_was_under_way_at_an_election_may_be_on_the_disk_after_a_loss_of_power() {
    let leads_on = |delivered| {
        let mut rig = Rig::new();
        let mut log = rig.healthy(1);
        for (base, name) in [(10, 1), (20, 2)] {
            rig.write((1, &[2]), (base, 0, name));
            log.push((base, 0, name));
        }
        rig.lead(3, 1, 30, &[3]); // its appends of 10..30 are on their way to its disk
        rig.power_off(3, 0);
        rig.recovered(3, 30, 0);
        rig.lead(3, 2, 30, &[3]);
        rig.write((3, &[1, 2]), (30, 2, 3));
        rig.isr(3, 2, &[3], &[1, 2, 3]);
        rig.high_watermark(3, 2, 40);
        log.push((30, 2, 3));
        rig.deliver((10, 0, delivered));
        rig.deliver((20, 0, 2));
        rig.deliver((30, 2, 3));
        fired(&rig.end(&End { leader: Some(3), ..End::of(&log) }))
    };
    assert_eq!(leads_on(1), [""; 0]);
    assert!(leads_on(7).contains(&"one-value-per-offset"), "it is not what the leader has");
}

/// Hunt seed 10001271: the table had lost this append at its election, and it seemed to join without.
#[test]
fn who_is_killed_as_it_begins_to_lead_joins_with_what_was_under_way() {
    let joins = |end: Offset, epoch: LeaderEpoch| {
        let mut rig = Rig::new();
        rig.healthy(1);
        rig.write((1, &[2]), (10, 0, 1));
        rig.lead(3, 1, 20, &[1, 2, 3]); // its append of 10..20 is on its way to the page cache
        rig.kill(3);
        rig.recovered(3, end, epoch);
        rig.lead(2, 2, 20, &[1, 2]);
        rig.isr(2, 2, &[1, 2], &[1, 2, 3]);
        rig.fired()
    };
    assert_eq!(joins(20, 0), [""; 0]);
    assert_eq!(joins(10, 0), ["isr-rules"], "it is not there");
    assert_eq!(joins(20, 5), ["isr-rules"], "something else is there");
}

#[test]
fn a_follower_that_has_not_heard_of_a_loss_goes_on_with_what_was_committed_before() {
    let seen = |loses: bool| {
        let mut rig = Rig::new();
        rig.healthy(2);
        rig.write((1, &[2, 3]), (20, 0, 2));
        rig.high_watermark(1, 0, 30);
        rig.isr(1, 0, &[1, 2, 3], &[1, 2]); // 3 is stopped
        for node in [1, 2].into_iter().filter(|_| loses) {
            rig.power_off(node, 0);
        }
        rig.lead(2, 1, 20, &[1, 2]);
        rig.write((2, &[1]), (20, 1, 5));
        rig.high_watermark(2, 1, 30);
        rig.follower_high_watermark(3, 30); // an answer of 1, from before
        rig.fired()
    };
    assert_eq!(seen(true), [""; 0]);
    assert!(seen(false).contains(&"one-value-per-offset"), "nothing excuses the loss");
}

#[test]
fn a_preloaded_partition_begins_in_the_middle() {
    let mut rig = Rig::without_leader();
    rig.lead(2, 1, 1_000, &[1, 2, 3]);
    rig.high_watermark(2, 1, 1_000);
    rig.write((2, &[1, 3]), (1_000, 1, 0));
    rig.high_watermark(2, 1, 1_010);
    rig.ack(ALL, 1_000, 0);
    for group in 0..2 {
        let (tp, offset) = (tp(0), 1_000);
        let found = Outcome::PositionFound { tp, offset, committed: false, asked_ns: 0 };
        rig.checkers.consumed(1, group, &found);
    }
    rig.deliver((1_000, 1, 0));
    let end = End { log_start: 500, leader: Some(2), ..End::of(&[(1_000, 1, 0)]) };
    assert_eq!(fired(&rig.end(&end)), [""; 0]);
}

#[test]
fn without_idempotence_a_batch_may_come_twice_and_out_of_order() {
    let mut rig = Rig::new();
    for (base, name) in [(0, 1), (10, 0), (20, 1)] {
        let mut batch = (*named(base, 0, name)).clone();
        (batch.header.producer_id, batch.header.base_sequence) = (-1, -1);
        rig.lead_append(1, batch.into());
    }
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn a_cut_batch_may_be_written_again() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.lead_append(1, named(20, 0, 2));
    rig.lead(2, 1, 20, &[2, 3]);
    rig.write((2, &[3]), (20, 1, 2)); // the retry
    rig.write((2, &[3]), (30, 1, 3));
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn an_append_confirmed_after_a_crash_fills_the_gap() {
    let mut rig = Rig::new();
    rig.healthy(1);
    rig.write((1, &[2]), (10, 0, 1));
    rig.kill(3); // its append of 10..20 was on its way to the page cache
    rig.write((1, &[2]), (20, 0, 2));
    rig.follow_append(3, named(20, 0, 2));
    rig.high_watermark(1, 0, 30);
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn a_replica_that_is_too_far_behind_goes_on_at_its_leaders_log_start() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.isr(1, 0, &[1, 2, 3], &[1, 2]);
    rig.write((1, &[2]), (20, 0, 2));
    rig.high_watermark(1, 0, 30);
    rig.cut(3, 20, 30); // the leader has deleted everything below 30
    rig.isr(1, 0, &[1, 2], &[1, 2, 3]);
    assert_eq!(rig.fired(), [""; 0]);
}

#[test]
fn a_batch_that_was_deleted_may_come_again_from_a_producer_that_is_forgotten() {
    let mut rig = Rig::new();
    rig.healthy(2);
    rig.trace(1, &TraceEvent::LogStart { tp: tp(0), offset: 20 });
    rig.lead(2, 1, 20, &[1, 2, 3]);
    rig.write((2, &[1, 3]), (20, 1, 1));
    assert_eq!(rig.fired(), [""; 0]);
}

const METADATA: TopicPartition = TopicPartition::METADATA;

fn metadata(base: Offset, epoch: LeaderEpoch) -> Records {
    let mut batch = (*named(base, epoch, 0)).clone();
    batch.header.producer_id = -1;
    Records::single(Arc::new(batch))
}

fn quorum_leads(rig: &mut Rig, node: i32, base: Offset, epoch: LeaderEpoch) {
    let records = metadata(base, epoch);
    rig.trace(node, &TraceEvent::LeaderAppended { tp: METADATA, records });
}

fn quorum_follows(rig: &mut Rig, node: i32, base: Offset, epoch: LeaderEpoch) {
    let records = metadata(base, epoch);
    rig.trace(node, &TraceEvent::FollowerAppended { tp: METADATA, records });
}

fn quorum_cuts(rig: &mut Rig, node: i32, to: Offset, from: Offset) {
    let cut = TraceEvent::Truncated { tp: METADATA, to, from, high_watermark: 0 };
    rig.trace(node, &cut);
}

/// What the last leader of the quorum appended, and nobody copied, is not in the next one's log, which
/// lost power and nothing with it (hunt seed 750293).
#[test]
fn a_controller_that_lost_power_leads_with_what_it_had() {
    let mut rig = Rig::new();
    quorum_leads(&mut rig, 10_001, 0, 1);
    quorum_follows(&mut rig, 10_002, 0, 1);
    quorum_leads(&mut rig, 10_001, 10, 1);
    quorum_leads(&mut rig, 10_002, 10, 2);
    rig.power_off(10_001, 0);
    quorum_leads(&mut rig, 10_001, 20, 3);
    quorum_cuts(&mut rig, 10_002, 10, 20);
    quorum_follows(&mut rig, 10_002, 10, 1);
    quorum_follows(&mut rig, 10_002, 20, 3);
    assert_eq!(rig.fired(), [""; 0]);
}

/// Of an append that was on its way in a crash nothing is heard; what the old leader wrote is there, not what a
/// new one writes meanwhile (hunt seed 1020303).
#[test]
fn a_broker_that_was_killed_goes_on_with_the_leader_of_before() {
    let mut rig = Rig::new();
    quorum_leads(&mut rig, 10_001, 0, 1);
    for node in [10_002, 2] {
        quorum_follows(&mut rig, node, 0, 1);
    }
    quorum_leads(&mut rig, 10_001, 10, 1);
    rig.kill(2); // its append of 10..20 was on its way
    quorum_leads(&mut rig, 10_002, 10, 2);
    quorum_leads(&mut rig, 10_001, 20, 1);
    quorum_follows(&mut rig, 2, 20, 1);
    let committed = TraceEvent::HighWatermark { tp: METADATA, offset: 20, leader: true, epoch: 2 };
    rig.trace(10_002, &committed);
    quorum_cuts(&mut rig, 2, 10, 30);
    assert_eq!(rig.fired(), [""; 0]);
}
