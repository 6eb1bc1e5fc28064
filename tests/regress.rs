//! Scenarios that once broke a promise, each with the seed in its first line.

use crate::common::Place;
use std::path::Path;

#[test]
fn what_went_wrong_once_keeps_every_promise() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/regress");
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut scenarios: Vec<_> = files.collect();
    scenarios.sort();
    assert!(!scenarios.is_empty());
    for path in scenarios {
        let text = std::fs::read_to_string(&path).unwrap();
        let seed = text.strip_prefix("# seed ").and_then(|rest| rest.split(':').next());
        let seed = seed.unwrap_or_else(|| panic!("{}: no seed", path.display()));
        let path = path.to_str().unwrap();
        Place::new().expect(0, &["run", path, "--seed", seed, "--out", "run"]);
    }
}
