//! Historical bugs put back at their place: a checker must see each of them. And what is lost without
//! a bug, where Kafka's own promise ends.

use crate::common::{Called, Place, scenario};

#[test]
fn an_unknown_bug_is_refused_with_the_known_ones() {
    let called = Place::new().expect(2, &["run", "steady", "--plant", "REP-99"]);
    assert!(called.stderr.contains("REP-01"), "{}", called.stderr);
}

#[test]
fn acknowledging_before_replication_loses_records_and_is_seen() {
    let place = Place::new();
    let crash = scenario("crash");
    place.expect(0, &["run", &crash, "--seed", "1", "--out", "sound"]);
    let words = ["run", &crash, "--seed", "1", "--plant", "ACK-EARLY", "--out", "planted"];
    let called = place.expect(8, &words);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {crash} --seed 1 --plant ACK-EARLY"));
}

/// By name, from the library: exit 8, an account of what was lost, the command as the last line.
#[test]
fn each_bug_is_seen_in_its_scenario() {
    let place = Place::new();
    for (name, plant, checker) in [
        ("ack-early", "ACK-EARLY", "isr-rules"),
        ("truncate-to-hw", "REP-01", "leader-completeness"),
        ("join-below-epoch-start", "REP-07", "isr-rules"),
        ("lost-answers", "IDEM-01", "no-duplicates"),
    ] {
        let called = place.expect(8, &["run", name, "--plant", plant]);
        assert!(called.stdout.contains(&format!("{checker} broken at")), "{}", called.stdout);
        if plant != "IDEM-01" {
            assert!(called.stdout.contains("no-acked-loss broken at"), "{}", called.stdout);
            assert!(called.stdout.contains("Kafka promises to keep them"), "{}", called.stdout);
        }
        let last = Called::last_line(&called.stdout);
        assert_eq!(last, format!("stormglass run {name} --seed 1 --plant {plant}"));
    }
}
