//! Every planted bug is caught by a checker, in a scenario that is clean without it; and losses that
//! Kafka does not promise to prevent are counted without an alarm.

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
            account.is_some_and(|found| found.account.lines().count() > 3),
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
fn losses_that_nobody_promised_to_prevent_are_counted_without_an_alarm() {
    for name in ["unclean-loss", "min-isr-one-loss", "isr-power-loss"] {
        let recording = run(name, None);
        assert_eq!(accounts(&recording), "", "{name}");
        assert!(recording.lost_records > 0, "{name}");
    }
}
