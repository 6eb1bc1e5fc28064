//! Long runs: memory stays bounded, and what is no longer kept one by one is still checked.

use super::rig::{End, Rig, fired};

const BATCHES: u64 = 20_000;

#[test]
fn batches_that_everybody_has_passed_are_folded() {
    let mut rig = Rig::new();
    let log = rig.healthy(BATCHES);
    assert!(rig.checkers.batches_kept() < 1_500, "{}", rig.checkers.batches_kept());
    assert_eq!(fired(&rig.end(&End::of(&log))), [""; 0]);
}

#[test]
fn a_loss_among_folded_batches_is_found() {
    let mut rig = Rig::new();
    let mut log = rig.healthy(BATCHES);
    log.remove(100);
    log.remove(5_000);
    let findings = rig.end(&End::of(&log));
    assert_eq!(fired(&findings), ["no-acked-loss"; 2]);
    assert_eq!(findings.lost_records, 20);
}

#[test]
fn retention_may_delete_folded_batches() {
    let mut rig = Rig::new();
    let log = rig.healthy(BATCHES);
    let end = End { log_start: 12_340, ..End::of(&log[1_234..]) };
    assert_eq!(fired(&rig.end(&end)), [""; 0]);
}
