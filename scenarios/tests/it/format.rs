//! docs/scenario-format.md is what the program says the format is.

use stormglass_scenarios::format_reference;

#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE_DOCS=1 rewrites the committed file")]
fn the_committed_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenario-format.md");
    let current = format_reference();
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/scenario-format.md is stale; rewrite it with UPDATE_DOCS=1 cargo test -p \
         stormglass-scenarios --test format"
    );
}
