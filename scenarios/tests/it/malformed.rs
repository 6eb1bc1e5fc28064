//! Malformed scenarios: each ends in messages at the right lines, and never in a panic.
//!
//! A file of `tests/malformed/` marks what is wrong as rustc's own tests do: a line with
//! `#~ words` must get a message that contains the words, and no other line may get one.

use proptest::prelude::*;
use stormglass_scenarios::{ScenarioError, Source, library, load};

/// Files whose rendered text is kept as a snapshot and reviewed like code.
const SNAPSHOTS: &[&str] = &[
    "unknown-key-in-cluster",
    "rate-in-wrong-case",
    "duration-without-unit",
    "unknown-instance",
    "brokers-not-a-multiple",
    "replication-above-brokers",
    "unknown-server-config",
    "topic-twice",
    "event-after-the-end",
    "threshold-of-wrong-aggregate",
    "several-errors-at-once",
    "syntax",
];

fn files() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/malformed");
    let mut files: Vec<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn error_of(name: &str, bytes: &[u8]) -> ScenarioError {
    match load(&Source::new(name, bytes), &[], 1) {
        Ok(_) => panic!("{name} should not load"),
        Err(error) => error,
    }
}

#[test]
fn each_file_gets_exactly_the_messages_that_it_marks() {
    let files = files();
    assert!(files.len() >= 50, "{}", files.len());
    let mut wrong = Vec::new();
    for (name, text) in &files {
        let records = error_of(name, text.as_bytes()).records();
        for (index, line) in (1..).zip(text.lines()) {
            let Some((_, words)) = line.split_once("#~ ") else { continue };
            let found = records
                .iter()
                .any(|record| record.line == index && record.message.contains(words.trim()));
            if !found {
                wrong.push(format!("{name}:{index}: no message with `{words}` in {records:?}"));
            }
        }
        for record in &records {
            let line = text.lines().nth(record.line as usize - 1).unwrap_or_default();
            // After a slip in the syntax, the parser may stumble once more.
            if !line.contains("#~") && !record.message.contains("not valid TOML") {
                wrong.push(format!("{name}:{}: unmarked: {}", record.line, record.message));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_read_well() {
    let files = files();
    for name in SNAPSHOTS {
        let (_, text) = files.iter().find(|(file, _)| file == name).unwrap();
        // The marks would give the answer away.
        let unmarked: Vec<&str> =
            text.lines().map(|line| line.split(" #~").next().unwrap_or(line)).collect();
        let error = error_of(&format!("{name}.toml"), unmarked.join("\n").as_bytes());
        insta::assert_snapshot!(*name, error.render(false));
    }
}

#[test]
fn what_is_no_scenario_at_all_is_said_to_be_so() {
    let binary: Vec<u8> = (0..=255_u8).cycle().take(4096).collect();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("empty", Vec::new(), "the scenario is empty"),
        ("blank", b" \n\t\n".to_vec(), "the scenario is empty"),
        ("comment only", b"# nothing\n".to_vec(), "needs the key `cluster`"),
        ("binary", binary, "not a text file: byte 128 is not UTF-8"),
        ("elf", b"\x7fELF\x02\x01\x01\x00\x00".to_vec(), "not valid TOML"),
        ("latin-1", b"name = \"caf\xe9\"".to_vec(), "not a text file: byte 11"),
        ("json", b"{\"name\": \"x\"}".to_vec(), "not valid TOML"),
        ("too large", vec![b'#'; 5 << 20], "more than 4194304"),
        ("nul bytes", vec![0; 100], "not valid TOML"),
    ];
    for (name, bytes, words) in cases {
        let error = error_of(name, &bytes);
        let messages: Vec<String> =
            error.records().into_iter().map(|record| record.message).collect();
        assert!(messages.iter().any(|message| message.contains(words)), "{name}: {messages:?}");
        assert!(error.render(false).contains("error"));
        assert!(error.render(true).contains("error"));
    }
}

#[test]
fn an_unknown_fault_is_answered_with_all_that_there_are() {
    let events = "[{ at = \"1s\", fault = \"meteor\" }]";
    let sets = [("events".to_owned(), events.to_owned())];
    let error = load(&Source::library("steady").unwrap(), &sets, 1).unwrap_err();
    let help = error.records()[0].help.clone().unwrap();
    assert!(help.starts_with("one of `az-down`, `host-crash`, "), "{help}");
    assert!(help.ends_with(", `reassign`, `topic-config`"), "{help}");
}

#[test]
fn a_share_of_more_than_everything_and_constants_too_small_for_a_model_are_refused() {
    let rot = "[{ at = \"1s\", fault = \"bit-rot\", node = 1, share = \"101%\" }]";
    for (path, value, words) in [
        ("events", rot, "a share of batches is at most 100%"),
        (
            "model.disk.chunk_bytes",
            "0",
            "`disk.chunk_bytes` is 0, and the model needs at least 4096",
        ),
    ] {
        let sets = [(path.to_owned(), value.to_owned())];
        let error = load(&Source::library("steady").unwrap(), &sets, 1).unwrap_err();
        let records = error.records();
        assert!(records.len() == 1 && records[0].message.contains(words), "{records:?}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_errors() {
    let text = format!("\u{feff}{}", library()[0].text.replace('\n', "\r\n"));
    assert!(load(&Source::new("windows.toml", text), &[], 1).is_ok());
}

/// Loading must end, well or badly, and so must showing its messages.
fn survives(bytes: &[u8], sets: &[(String, String)]) {
    if let Err(error) = load(&Source::new("fuzz.toml", bytes), sets, 1) {
        assert!(!error.records().is_empty());
        assert!(!error.render(false).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 192, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes, &[]);
    }

    #[test]
    fn random_text_never_panics(text in "[\\[\\]{}=\"'.,a-z0-9µ \n#-]{0,200}") {
        survives(text.as_bytes(), &[]);
    }

    #[test]
    fn mutated_scenarios_never_panic(
        which in 0..10_usize,
        edits in
            proptest::collection::vec((any::<prop::sample::Index>(), 0..6_u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = library()[which].text.as_bytes().to_vec();
        for (place, kind, byte) in edits {
            if bytes.is_empty() {
                break; // no place is left to edit, and an empty file is a case, too
            }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                3 => bytes.truncate(at.max(1)),
                4 => bytes[at] = b'9',
                // A digit repeated makes numbers that nothing was sized for.
                _ => drop(bytes.splice(at..at, std::iter::repeat_n(b'9', 30))),
            }
        }
        survives(&bytes, &[]);
    }

    #[test]
    fn shuffled_lines_never_panic(
        which in 0..10_usize,
        swaps in
            proptest::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..8),
    ) {
        let mut lines: Vec<&str> = library()[which].text.lines().collect();
        for (one, other) in swaps {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }
        survives(lines.join("\n").as_bytes(), &[]);
    }

    #[test]
    fn random_sets_never_panic(
        path in "(cluster|producers|events|model)(\\.([a-z0-9*\"]{0,8}|config|0|storage|rate)){0,4}",
        value in "\\PC{0,20}",
    ) {
        survives(library()[1].text.as_bytes(), &[(path, value)]);
    }
}
