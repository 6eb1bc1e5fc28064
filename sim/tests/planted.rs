//! Every planted bug is caught by a checker, in a scenario that is clean without it. Losses that
//! Kafka does not promise to prevent are told of with the faults that it took; those that the
//! configuration gives up are counted without an alarm.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use stormglass_reports::recording::Recording;
use stormglass_scenarios::{Source, load};
use stormglass_sim::{RunOptions, simulate};

fn run(name: &str, plant: Option<&str>) -> Recording {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/negative");
    let text = std::fs::read_to_string(directory.join(format!("{name}.toml"))).unwrap();
    let plan = load(&Source::new(name, text), &[], 1).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { plant: plant.map(str::to_owned), ..RunOptions::default() };
    simulate(&plan, options, Box::new(())).unwrap_or_else(|error| panic!("{error}")).recording
}

/// Checkers that found something.
fn fired(recording: &Recording) -> BTreeSet<&str> {
    let violated = recording.checkers.iter().filter(|checker| checker.violations > 0);
    violated.map(|checker| checker.name.as_str()).collect()
}

fn accounts(recording: &Recording) -> String {
    recording.violations.iter().map(|found| format!("{}\n", found.account)).collect()
}

/// Without the bug nothing is lost or violated; with it, these checkers fire, each with an account.
fn check(name: &str, plant: &str, expected: &[&str]) {
    let sound = run(name, None);
    assert_eq!(accounts(&sound), "", "{name} without a bug");
    assert_eq!((sound.lost_records, fired(&sound)), (0, BTreeSet::new()), "{name} without a bug");
    let planted = run(name, Some(plant));
    let fired = fired(&planted);
    for checker in expected {
        assert!(fired.contains(checker), "{plant} is not seen by {checker}, only by {fired:?}");
        let account = planted.violations.iter().find(|violation| violation.checker == *checker);
        assert!(
            account.is_some_and(|found| {
                let lines = |word: &str| found.account.lines().any(|line| line.starts_with(word));
                lines("promised: ") && lines("seen: ")
            }),
            "{checker} explains"
        );
    }
}

#[test]
fn acknowledging_before_replication_is_seen() {
    check("ack-early", "ACK-EARLY", &["no-acked-loss", "isr-rules"]);
}

#[test]
fn truncating_to_the_own_high_watermark_is_seen() {
    check("truncate-to-hw", "REP-01", &["no-acked-loss", "leader-completeness"]);
}

#[test]
fn joining_the_isr_below_the_epoch_start_is_seen() {
    check("join-below-epoch-start", "REP-07", &["no-acked-loss", "isr-rules"]);
}

#[test]
fn appending_a_retried_batch_twice_is_seen() {
    check("lost-answers", "IDEM-01", &["no-duplicates"]);
}

#[test]
fn showing_what_is_open_or_aborted_is_seen() {
    check("transactions", "TXN-LSO", &["transactions"]);
    check("transactions", "TXN-ABORTED", &["transactions"]);
}

#[test]
fn giving_a_partition_on_before_its_owner_gave_it_up_is_seen() {
    check("consumer-groups", "GRP-UNRELEASED", &["single-owner"]);
}

#[test]
fn telling_members_what_the_log_does_not_have_is_seen() {
    check("consumer-groups", "GRP-UNWRITTEN", &["messages-true"]);
}

#[test]
fn commits_of_an_epoch_that_is_over_are_seen() {
    check("consumer-commits", "GRP-STALE", &["messages-true"]);
}

#[test]
fn loading_for_ever_after_a_failed_read_is_seen() {
    check("bit-rot", "GRP-ROT", &["everything-consumed", "waits-end"]);
}

#[test]
fn moving_replicas_before_they_are_in_sync_is_seen() {
    check("reassignments", "MOVE-UNSYNCED", &["no-acked-loss", "leader-completeness"]);
}

#[test]
fn replicas_and_configs_that_are_not_as_the_metadata_says_are_seen() {
    check("reassignments", "MOVE-STAYS", &["metadata-state"]);
    check("reassignments", "CONFIG-LATE", &["metadata-state"]);
}

#[test]
fn sessions_that_end_early_are_seen_while_clocks_drift() {
    check("clock-drift", "CTRL-SESSION-HALF", &["timeouts-kept"]);
}

#[test]
fn leaving_a_dead_producers_transaction_open_is_seen() {
    check("transactions", "TXN-SESSION", &["transactions"]);
}

#[test]
fn losses_after_a_power_loss_of_the_whole_isr_name_the_faults() {
    for (name, nodes) in [("min-isr-one-loss", &[1][..]), ("isr-power-loss", &[1, 2, 3])] {
        let recording = run(name, None);
        assert_eq!(fired(&recording), BTreeSet::from(["no-acked-loss"]), "{name}");
        let violations = recording.checkers.iter().map(|checker| checker.violations).sum::<u64>();
        assert_eq!((recording.lost_records, recording.lost_records > 100), (violations, true));
        for found in &recording.violations {
            let mut hit: Vec<i32> = found.excused_by.iter().map(|excuse| excuse.node).collect();
            hit.sort_unstable();
            assert_eq!(hit, nodes, "{name}");
            assert!(found.excused_by.iter().all(|excuse| excuse.event.is_some()), "{name}");
            let account = &found.account;
            for words in ["acknowledged by broker", "Kafka's own promise ends here", "FAULT"] {
                assert!(account.contains(words), "{words}: {account}");
            }
        }
    }
}

#[test]
fn losses_after_failed_syncs_of_the_whole_isr_name_the_faults() {
    let recording = run("isr-sync-error", None);
    let names = BTreeSet::from(["no-acked-loss"]);
    assert_eq!(fired(&recording), names, "{}", accounts(&recording));
    assert!(recording.lost_records > 0);
    for found in &recording.violations {
        let excuses = &found.excused_by;
        assert!(!excuses.is_empty() && excuses.iter().all(|excuse| excuse.event.is_some()));
        assert!(found.account.contains("fsync of the volume of node"), "{}", found.account);
    }
}

#[test]
fn what_the_configuration_gives_up_is_counted_without_an_alarm() {
    let recording = run("unclean-loss", None);
    assert_eq!(accounts(&recording), "");
    assert!(recording.lost_records > 0);
}
