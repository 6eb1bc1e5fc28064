//! Hunts: the same findings with any number of jobs and on any shard; failures are kept, shrunk and
//! reproduced.

use crate::common::Place;
#[cfg(feature = "planted-bugs")]
use crate::common::{Called, files};
use serde_json::Value;

fn hunt_json(place: &Place, dir: &str) -> Value {
    serde_json::from_str(&place.read(&format!("{dir}/hunt.json"))).unwrap()
}

#[test]
fn jobs_and_shards_find_the_same() {
    let place = Place::new();
    let hunt = |words: &[&str]| {
        let mut all = vec!["hunt", "--seeds", "1..7"];
        all.extend(words);
        place.expect(0, &all)
    };
    let whole = hunt(&["--jobs", "1", "--out", "one", "--json"]).json();
    assert_eq!(whole, hunt(&["--jobs", "3", "--out", "three", "--json"]).json());
    assert_eq!(place.read("one/hunt.json"), place.read("three/hunt.json"));
    hunt(&["--shard", "0/2", "--out", "a"]);
    hunt(&["--shard", "1/2", "--out", "b"]);
    place.expect(0, &["hunt", "merge", "a", "b", "--out", "all"]);
    assert_eq!(place.read("one/hunt.json"), place.read("all/hunt.json"));
    for (first, second, range) in [("a", "a", "1..7"), ("all", "b", "1..7"), ("b", "one", "1..7")] {
        let called = place.expect(5, &["hunt", "merge", first, second, "--out", "twice"]);
        assert!(called.stderr.contains(range), "{}", called.stderr);
        assert!(called.stderr.contains("would count twice"), "{}", called.stderr);
    }
    let count = |of: &str| whole[of].as_u64().unwrap();
    assert_eq!((count("seeds"), count("sound") + count("excused")), (6, 6));
    assert!(whole["acked_records"].as_u64().unwrap() > 6 * 10_000);
    let schema = place.expect(0, &["schema", "hunt"]).json();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&whole));
}

#[test]
fn a_merge_says_which_shards_it_lacks() {
    let place = Place::new();
    for (shard, out) in [("0/3", "a"), ("1/3", "b"), ("2/3", "c")] {
        place.expect(0, &["hunt", "--seeds", "1..4", "--shard", shard, "--out", out]);
    }
    let called = place.expect(130, &["hunt", "merge", "a", "b", "--out", "some"]);
    let lacks = "1 of 3 seeds were not run: shard 2 of 3 is missing";
    assert!(called.stdout.contains(lacks), "{}", called.stdout);
    assert!(called.stderr.contains(&format!("warning: {lacks}\n")), "{}", called.stderr);
    let some = hunt_json(&place, "some");
    assert_eq!((&some["interrupted"], &some["missing"][0]), (&false.into(), &lacks.into()));
    let words = ["hunt", "merge", "a", "--out", "one", "--json"];
    let called = place.expect(130, &words);
    let lacks = "2 of 3 seeds were not run: shards 1 and 2 of 3 are missing";
    assert_eq!(called.json()["missing"], serde_json::json!([lacks]));
    assert!(called.stderr.contains(lacks), "{}", called.stderr);
    // Once all are there, it is as if they had been from the beginning.
    let called = place.expect(0, &["hunt", "merge", "a", "b", "c", "--out", "all"]);
    assert_eq!(called.stderr, "");
    for merged in [&["some", "c"][..], &["one", "b", "c"]] {
        place.expect(0, &[&["hunt", "merge"][..], merged, &["--out", "again"]].concat());
        assert_eq!(place.read("again/hunt.json"), place.read("all/hunt.json"));
    }
    assert_eq!(hunt_json(&place, "all")["interrupted"], false);
}

#[test]
fn a_hunt_without_a_seed_says_so_and_no_more() {
    let place = Place::new();
    let called = place.expect(0, &["hunt", "--for", "0s", "--out", "h"]);
    assert_eq!(called.stdout, "swarm: no seed was run\n");
    let called = place.expect(130, &["hunt", "--seeds", "1..3", "--for", "0s", "--out", "h"]);
    assert_eq!(called.stdout, "swarm: no seed was run, interrupted\n");
}

/// No build has that bug.
#[test]
fn a_bug_that_cannot_be_planted_is_refused_before_anything_is_written() {
    let place = Place::new();
    place.expect(0, &["hunt", "--for", "0s", "--out", "earlier"]);
    let earlier = place.read("earlier/hunt.json");
    for out in ["earlier", "new"] {
        let called = place.expect(2, &["hunt", "--plant", "REP-99", "--out", out]);
        assert_eq!(called.stdout, "");
        assert!(called.stderr.contains("planted bug"), "{}", called.stderr);
    }
    assert_eq!(place.read("earlier/hunt.json"), earlier);
    assert!(!place.path("new").exists());
}

#[test]
fn another_scenario_keeps_its_clients_and_gets_faults() {
    let place = Place::new();
    let sets = ["--set", "phases.measure=20s", "--set", "producers.*.rate=200 records/s"];
    let mut words = vec!["hunt", "steady", "--seeds", "1..3", "--out", "h"];
    words.extend(sets);
    place.expect(0, &words);
    let found = hunt_json(&place, "h");
    assert_eq!((found["scenario"].as_str(), found["seeds"].as_u64()), (Some("steady"), Some(2)));
    let faults = found["faults"].as_object().unwrap().values();
    assert!(faults.map(|count| count.as_u64().unwrap()).sum::<u64>() > 2);
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = Place::new();
    for words in [
        &["hunt", "--seeds", "9..3"][..],
        &["hunt", "--shard", "4/4"],
        &["hunt", "--for", "10 parsecs"],
        &["hunt", "--jobs", "0"],
        &["hunt", "merge"],
    ] {
        place.expect(2, words);
    }
    place.expect(5, &["hunt", "swam"]);
    place.expect(5, &["hunt", "merge", "nowhere"]);
}

#[test]
fn a_full_disk_keeps_what_is_there() {
    let place = Place::new();
    place.write("in-the-way", "a file where the directory would be");
    let called = place.expect(1, &["hunt", "--seeds", "1..2", "--out", "in-the-way"]);
    assert!(called.stderr.contains("in-the-way"), "{}", called.stderr);
}

#[test]
#[cfg(feature = "planted-bugs")]
fn planted_bugs_are_found_shrunk_and_reproduced() {
    let place = Place::new();
    let words = ["hunt", "--seeds", "1..2", "--plant", "ACK-EARLY", "--shrink", "--out", "h"];
    let called = place.expect(8, &words);
    let found = hunt_json(&place, "h");
    let failure = &found["failures"][0];
    // which promise is the first to break depends on what the seed draws
    let checker = failure["checker"].as_str().unwrap();
    assert!(failure["shrunk_events"].as_u64().unwrap() < 10, "{failure}");
    let folder = format!("h/{}", failure["folder"].as_str().unwrap());
    assert_eq!(files(&place.path(&folder)), ["account.txt", "plan.json", "shrunk.json"]);
    let command = Called::last_line(&called.stdout).to_owned();
    assert_eq!(command, Called::last_line(&place.read(&format!("{folder}/account.txt"))));
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let replayed = place.expect(8, &words);
    assert!(replayed.stdout.starts_with("What happened:"), "{}", replayed.stdout);
    let broken = format!("** {checker} broken for");
    assert!(replayed.stdout.contains(&broken), "{}", replayed.stdout);
    let timeline = place.read("stormglass-out/swarm-1-replay/timeline.html");
    assert!(timeline.contains("class=\"broken\""), "the promise is broken somewhere");
}
