//! Generated pages of docs/ are what the program says.

use stormglass_scenarios::{constants_reference, format_reference};

#[test]
fn the_committed_reference_is_current() {
    check("scenario-format.md", &format_reference());
}

#[test]
fn the_committed_constants_are_current() {
    check("model-constants.md", &constants_reference());
}

#[expect(clippy::disallowed_methods, reason = "UPDATE_DOCS=1 rewrites the committed file")]
fn check(name: &str, current: &str) {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(&path, current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/{name} is stale; rewrite it with UPDATE_DOCS=1 cargo test -p stormglass-scenarios \
         --test it format"
    );
}
