//! Historical bugs put back at their place: a checker must see each of them.

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
