//! Style rules that neither rustfmt nor clippy checks, each a test over the checkout's files.
//!
//! Leaves out the length of functions (clippy) and of lines (rustfmt).

use crate::ci::root;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that is longer does more than one thing.
const LINES_MAX: usize = 800;
/// What is not the project's own text.
const SKIPPED: [&str; 3] = ["target", ".git", "stormglass-out"];
/// Where a hash map's order could reach a result.
const DETERMINISTIC: [&str; 2] = ["broker-core", "sim"];

/// A file of the checkout.
struct Text {
    /// Relative to the checkout, with slashes.
    name: String,
    text: String,
}

impl Text {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Lines without comments. A `//` in a string cuts too much, which at worst hides a finding.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
    }
}

/// All files whose name ends so.
fn texts(ending: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    collect(root(), ending, &mut texts);
    texts.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!texts.is_empty(), "no file ends in {ending}");
    texts
}

fn collect(dir: &Path, ending: &str, texts: &mut Vec<Text>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !SKIPPED.contains(&name) {
            collect(&path, ending, texts);
        } else if path.is_file() && name.ends_with(ending) {
            texts.push(Text { name: relative(&path), text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn relative(path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root()).unwrap().to_owned();
    relative.to_str().unwrap().replace('\\', "/")
}

/// Tests explain themselves by their names.
fn is_test(name: &str) -> bool {
    name.contains("tests/") || name.ends_with("tests.rs")
}

#[track_caller]
fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// Whether `word` stands in `line` on its own.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn tidy_no_file_is_too_long() {
    let found: Vec<String> = texts(".rs")
        .iter()
        .filter(|file| file.text.lines().count() > LINES_MAX)
        .map(|file| format!("{}: {} lines", file.name, file.text.lines().count()))
        .collect();
    assert_none(&found, "a Rust file has at most 800 lines: split it by what it models");
}

#[test]
fn tidy_every_file_says_what_it_is() {
    let found: Vec<String> = texts(".rs")
        .iter()
        .filter(|file| !is_test(&file.name) && !file.text.starts_with("//! "))
        .map(|file| file.name.clone())
        .collect();
    assert_none(&found, "the first line of a file says what it models (`//! ...`)");
}

#[test]
fn tidy_nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let marks = ["TODO", "FIXME", "XXX"];
    let mut found = Vec::new();
    for file in texts(".rs").iter().filter(|file| file.name != "xtask/src/tidy.rs") {
        for (number, line) in file.lines() {
            let is_macro = macros.iter().any(|name| line.contains(name.as_str()));
            if is_macro || marks.iter().any(|mark| has_word(line, mark)) {
                found.push(format!("{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    assert_none(&found, "finish it now, or file an issue and leave no mark");
}

#[test]
fn tidy_no_randomly_seeded_maps_on_the_simulated_path() {
    let mut found = Vec::new();
    let banned = ["HashMap", "HashSet", "RandomState"];
    let below = |name: &str| DETERMINISTIC.iter().any(|dir| name.starts_with(&format!("{dir}/")));
    for file in texts(".rs").iter().filter(|file| below(&file.name)) {
        for (number, line) in file.code() {
            if banned.iter().any(|word| has_word(line, word)) {
                found.push(format!("{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    assert_none(&found, "use FxHashMap for lookups and BTreeMap to iterate");
}

#[test]
fn tidy_every_dependency_has_a_reason() {
    let mut found = Vec::new();
    for file in texts("Cargo.toml") {
        let mut in_dependencies = false;
        let mut before = "";
        for (number, line) in file.lines() {
            let line = line.trim();
            if line.starts_with('[') {
                in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            }
            let is_dependency = in_dependencies && line.contains('=') && !line.starts_with('#');
            if is_dependency && !has_reason(line, before) {
                found.push(format!("{}:{number}: {line}", file.name));
            }
            before = line;
        }
    }
    assert_none(&found, "say in a comment what the dependency is for");
}

/// A shared version has its reason in the workspace's list; a crate of ours needs none.
fn has_reason(line: &str, before: &str) -> bool {
    let compact: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    let shared = compact.contains("workspace=true");
    let own = compact.contains("{path=\"");
    shared || own || line.contains(" # ") || before.starts_with('#')
}

#[test]
fn tidy_entry_files_hold_no_logic() {
    let mut found = Vec::new();
    for file in texts(".rs").iter().filter(|file| file.name.ends_with("/lib.rs")) {
        let functions = file.code().filter(|(_, line)| has_word(line, "fn")).count();
        if functions > 0 {
            found.push(format!("{}: {functions} functions", file.name));
        }
    }
    assert_none(&found, "lib.rs holds declarations and re-exports only");
}

#[test]
fn tidy_the_rules_find_what_they_look_for() {
    assert!(has_word("use std::collections::{BTreeMap, HashMap};", "HashMap"));
    assert!(!has_word("use rustc_hash::FxHashMap;", "HashMap"));
    assert!(has_reason("x.workspace = true", "") && has_reason("x = \"1\" # why", ""));
    assert!(has_reason("x = \"1\"", "# why") && has_reason("x = { path = \"x\" }", ""));
    assert!(!has_reason("x = \"1\"", "y = \"1\" # why"));
}
