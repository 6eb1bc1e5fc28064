//! Files of other tools as they come: `tests/import/good` gives scenarios that can be planned,
//! `tests/import/bad` is refused with the place.

use std::path::{Path, PathBuf};
use stormglass_scenarios::import::{ImportError, ImportFile, ImportOptions, Imported, import};
use stormglass_scenarios::{Source, load};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn file(path: &Path) -> ImportFile {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    ImportFile { name, bytes: std::fs::read(path).unwrap() }
}

/// Imports a file; metric data with the queries that asked for it.
fn read(path: &Path) -> Result<Imported, ImportError> {
    let mut files = vec![file(path)];
    if files[0].name.starts_with("cloudwatch-") {
        files.push(file(&dir().join("queries.json")));
    }
    import(&files, &ImportOptions::default())
}

fn files(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir().join(kind)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "{kind}: {}", files.len());
    files
}

#[test]
fn what_is_whole_gives_a_scenario_with_a_plan() {
    for path in files("good") {
        let imported = read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let source = Source::new("imported", imported.toml.as_str());
        let plan = load(&source, &[], 1);
        assert!(plan.is_ok(), "{}: {:?}\n{}", path.display(), plan.err(), imported.toml);
    }
}

#[test]
fn what_is_broken_is_refused_with_its_place() {
    let mut lines = String::new();
    for path in files("bad") {
        let name = path.file_name().unwrap().to_str().unwrap();
        match read(&path) {
            Ok(imported) => panic!("{name}: {imported:?}"),
            Err(error) => {
                assert!(error.place.starts_with(name), "{name}: {error}");
                lines.push_str(&format!("{error}\n"));
            }
        }
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn express_and_serverless_are_what_they_are() {
    for (name, kind) in
        [("msk-express.json", "msk-express"), ("msk-serverless.json", "msk-serverless")]
    {
        let imported = read(&dir().join("good").join(name)).unwrap();
        assert!(imported.toml.contains(&format!("kind = \"{kind}\"")), "{}", imported.toml);
    }
}
