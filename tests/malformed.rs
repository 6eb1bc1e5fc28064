//! Scenarios that make no sense: exit 5, the place, the command, and never a panic.

use crate::common::{Called, Place};
use std::fs;

/// The scenario crate's own collection: a marked line is where the message must point.
fn collection() -> Vec<(String, String)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tests/malformed");
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn each_of_the_collection_ends_in_exit_5_and_points_at_the_line() {
    let place = Place::new();
    let files = collection();
    assert!(files.len() >= 50, "{}", files.len());
    for (name, text) in files {
        place.write(&name, &text);
        let called = place.expect(5, &["run", &name]);
        let line = text.lines().position(|line| line.contains("#~")).map(|index| index + 1);
        if let Some(line) = line {
            assert!(called.stderr.contains(&format!("{name}:{line}:")), "{}", called.stderr);
        }
        assert_eq!(Called::last_line(&called.stderr), format!("stormglass run {name}"));
        assert_eq!(called.stdout, "");
    }
    assert!(!place.path("stormglass-out").exists(), "nothing may be written");
}

#[test]
fn files_that_are_no_scenario_at_all_end_in_exit_5() {
    let place = Place::new();
    let binary: Vec<u8> = (0..=255_u8).cycle().take(4096).collect();
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty.toml", b"", "the scenario is empty"),
        ("binary.toml", &binary, "not a text file"),
        ("elf.toml", b"\x7fELF\x02\x01\x01\0\0", "not valid TOML"),
        ("json.toml", b"{\"name\": \"x\"}", "not valid TOML"),
    ];
    for (name, bytes, words) in cases {
        place.write(name, bytes);
        let called = place.expect(5, &["run", name]);
        assert!(called.stderr.contains(words), "{}", called.stderr);
    }
    place.write("dir.toml", "");
    for missing in ["absent.toml", "./absent", "dir.toml/x", "."] {
        let target = if missing == "." { "./" } else { missing };
        let called = place.expect(5, &["run", target]);
        assert!(called.stderr.contains("cannot read"), "{}", called.stderr);
    }
}

#[test]
fn an_unknown_name_gets_a_suggestion() {
    let called = Place::new().expect(5, &["run", "az-outge", "--seed", "3"]);
    assert!(called.stderr.contains("try `az-outage`") || called.stderr.contains("az-outage"));
    assert_eq!(Called::last_line(&called.stderr), "stormglass run az-outge --seed 3");
}

#[test]
fn a_bad_change_is_shown_where_it_was_typed() {
    let place = Place::new();
    let called = place.expect(5, &["run", "steady", "--set", "producers.0.rate=15"]);
    assert!(called.stderr.contains("--set"), "{}", called.stderr);
    let last = Called::last_line(&called.stderr);
    assert_eq!(last, "stormglass run steady --set producers.0.rate=15");
}

#[test]
fn plans_that_are_none_end_in_exit_5() {
    let place = Place::new();
    let cases = [
        ("empty.json", ""),
        ("list.json", "[]"),
        ("result.json", "{\"schema_version\": 1, \"version\": \"x\"}"),
        ("newer.json", "{\"schema_version\": 999}"),
    ];
    for (name, text) in cases {
        place.write(name, text);
        let called = place.expect(5, &["replay", name]);
        assert!(called.stderr.contains(name), "{}", called.stderr);
        assert_eq!(Called::last_line(&called.stderr), format!("stormglass replay {name}"));
        place.expect(5, &["cost", name]);
    }
    place.write("binary.json", [0xff, 0xfe, 0x00]);
    place.expect(5, &["replay", "binary.json", "--check"]);
    place.expect(5, &["replay", "absent.json"]);
    place.expect(5, &["explain", "absent"]);
}

#[test]
fn plans_that_make_no_sense_end_in_exit_5_and_say_where() {
    let place = Place::new();
    place.expect(0, &["run", &crate::common::scenario("short"), "--out", "a"]);
    let plan: serde_json::Value = serde_json::from_str(&place.read("a/plan.json")).unwrap();
    let lost = serde_json::json!([{
        "at_ns": 0, "for_ns": null, "line": null,
        "action": { "kind": "az-down", "az": 9, "mode": "isolate", "clients": false },
    }]);
    for (pointer, value, words) in [
        ("/cluster/brokers/0/host/volumes", serde_json::json!([]), "host.volumes is empty"),
        ("/cluster/controllers/0/host/volumes", serde_json::json!([]), "host.volumes is empty"),
        ("/cluster/brokers", serde_json::json!([]), "cluster.brokers is empty"),
        ("/events", lost, "az has 9, an index into cluster.azs"),
        ("/topics/0/preload_bytes", serde_json::json!(i64::MAX), "topics[0].preload_bytes is"),
    ] {
        let mut changed = plan.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        place.write("changed.json", changed.to_string());
        let called = place.expect(5, &["replay", "changed.json"]);
        assert!(called.stderr.contains(words), "{pointer}: {}", called.stderr);
        assert!(!called.stderr.contains("bug of Stormglass"), "{}", called.stderr);
    }
}
