//! What once broke a promise: scenarios, each with the seed in its first line, and plans that a hunt
//! made small.

use crate::common::Place;
use std::path::{Path, PathBuf};

fn regress(extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/regress");
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn what_went_wrong_once_keeps_every_promise() {
    for path in regress("toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let seed = text.strip_prefix("# seed ").and_then(|rest| rest.split(':').next());
        let seed = seed.unwrap_or_else(|| panic!("{}: no seed", path.display()));
        let path = path.to_str().unwrap();
        Place::new().expect(0, &["run", path, "--seed", seed, "--out", "run"]);
    }
}

#[test]
fn plans_that_went_wrong_once_keep_every_promise() {
    for path in regress("json") {
        Place::new().expect(0, &["replay", path.to_str().unwrap(), "--out", "run"]);
    }
}
